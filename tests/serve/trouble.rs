//! A full disk, a damaged log, connections that say nothing.

use std::fs;
use std::time::Duration;

use crate::CHOICES;
use crate::logs::done;
use crate::served::{Service, empty_home, with_decisions};
use crate::{reply, say};
use serde_json::{Value, json};

/// What was acknowledged is not said to be there where somebody took it away.
#[test]
fn a_log_that_was_cut_or_removed_under_the_service_is_said_to_be_that() {
    for is_removed in [true, false] {
        let home = empty_home();
        let service = Service::start(home.path(), &[]);
        let looked_at = service.file("/api/v1/imports?format=csv", CHOICES).ok();
        let log = home.path().join("evidence/log.jsonl");
        match is_removed {
            true => fs::remove_file(&log).unwrap(),
            false => {
                let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
                file.set_len(file.metadata().unwrap().len() - 9).unwrap();
            }
        }
        let commit = format!("/api/v1/imports/{}/commit?format=csv", looked_at["import"].as_str().unwrap());
        let answer = service.post(&commit, &json!({}));
        assert!(
            answer.text.contains("\"log-changed\"") && answer.text.contains("records are gone from it"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("nothing that was acknowledged is lost"), "{}", answer.text);
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    use rustix::process::{Resource, Rlimit, prlimit};
    let home = empty_home();
    let service = Service::start_under("trap '' XFSZ", home.path(), &[]);
    let log = home.path().join("evidence/log.jsonl");
    let mut turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    turn = say(&service, &turn, &reply(&turn)).ok();
    let room = |bytes: Option<u64>| {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(service.process()), Resource::Fsize, limit).unwrap();
    };
    // Room for part of a record, then for the answer and not for the next question, then for all.
    let records = || std::fs::read_to_string(&log).unwrap().lines().count();
    let before = records();
    room(Some(std::fs::metadata(&log).unwrap().len() + 100));
    let refused = say(&service, &turn, &reply(&turn));
    assert_eq!((refused.status, refused.problem()), (507, "disk".into()), "{}", refused.text);
    assert_eq!(records(), before, "nothing half written stands in the log");
    assert_eq!(service.get("/health").status, 200);
    room(Some(std::fs::metadata(&log).unwrap().len() + 1_000));
    let halfway = say(&service, &turn, &reply(&turn));
    assert!(matches!(halfway.status, 200 | 507), "{}", halfway.text);
    room(None);
    let after = say(&service, &turn, &reply(&turn)).ok();
    assert_eq!((&after["answers"], &after["question"]["number"]), (&json!(2), &json!(3)), "{after}");
    let next = say(&service, &after, &reply(&after)).ok();
    assert_eq!(next["answers"], 3);
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("3 of them evidence"));
}

#[test]
fn connections_are_bounded_and_whoever_says_nothing_holds_up_nobody() {
    let home = empty_home();
    let service = Service::start_under("ulimit -n 300", home.path(), &[]);
    let address = service.base.strip_prefix("http://").unwrap().to_owned();
    let connect = || std::net::TcpStream::connect(&address).unwrap();
    // 300 files, of which 256 are kept for other things: 44 connections.
    let mut silent: Vec<_> = (0..60).map(|_| connect()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let is_closed = |stream: &mut std::net::TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let read = std::io::Read::read(stream, &mut [0]);
        !read.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    };
    let closed = silent.iter_mut().map(is_closed).filter(|closed| *closed).count();
    assert!((10..=55).contains(&closed), "{closed} of 60 were closed");
    drop(silent);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(service.get("/health").status, 200);
}

/// Whoever goes away in the middle of an answer has answered, once.
#[test]
fn a_client_that_goes_away_has_answered_once() {
    use std::io::Write;
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    let session = turn["session"].as_str().unwrap();
    let body = json!({ "question": 1, "say": reply(&turn) }).to_string();
    let address = service.base.strip_prefix("http://").unwrap();
    let request = format!(
        "POST /api/v1/sessions/{session}/said HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        service.token,
        body.len()
    );
    // Half of a request is none; a whole one is done, whether or not somebody reads what came of it.
    for (sent, answers) in [(&request[..request.len() - 5], 0), (&request[..], 1)] {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(sent.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        drop(client);
        assert_eq!(service.get(&format!("/api/v1/sessions/{session}")).ok()["answers"], answers);
    }
    // Whoever goes at once may have come too early to be heard, and asks again: it counts once all the same.
    let turn = service.get(&format!("/api/v1/sessions/{session}")).ok();
    let body = json!({ "question": 2, "say": reply(&turn) }).to_string();
    let request = request.split("Content-Length").next().unwrap().to_owned()
        + &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    drop(client);
    let after = say(&service, &turn, &reply(&turn)).ok();
    assert_eq!((&after["answers"], &after["question"]["number"]), (&json!(2), &json!(3)));
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("2 of them evidence"));
}

#[test]
fn a_home_in_use_is_not_served_twice() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let (out, err, code) = crate::logs::run(home.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((out.as_str(), code), ("", 4), "{err}");
    assert!(err.contains("another process is using"), "{err}");
    // Nor is an address.
    let other = empty_home();
    let address = service.base.strip_prefix("http://").unwrap();
    let (_, err, code) = crate::logs::run(other.path(), &["serve", "--listen", address]);
    assert!(code == 1 && err.contains("failed to listen"), "{code}: {err}");
}

/// The disk is full in the middle of a line of what the service keeps beside the log: neither that line nor the next is lost by it.
#[test]
fn a_disk_that_fills_in_the_middle_of_a_line_takes_no_other_line_with_it() {
    use rustix::process::{Resource, Rlimit, prlimit};
    let home = empty_home();
    let (record, _) = with_decisions(home.path(), "ada");
    let service = Service::start_under("trap '' XFSZ", home.path(), &[]);
    let kept = |name: &str| home.path().join("serve").join(name);
    let length = |name: &str| fs::metadata(kept(name)).unwrap().len();
    let room = |service: &Service, bytes: Option<u64>| {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(service.process()), Resource::Fsize, limit).unwrap();
    };
    let token = |service: &Service, role: &str| service.post("/api/v1/tokens", &json!({ "role": role }));
    let outcome = |service: &Service, key: &str| {
        let body = json!({ "record": record, "outcome": "done", "observed": key });
        service.post_with("/api/v1/outcomes", &body, &[("Idempotency-Key", key)])
    };
    let held: Vec<Value> = (0..4).map(|_| token(&service, "facilitator").ok()["token"].clone()).collect();
    let holds = |service: &Service, token: &Value| {
        service.with_token(token.as_str().unwrap()).get("/api/v1/people").status == 200
    };
    outcome(&service, "k1").ok();
    for (name, refused) in [("tokens.jsonl", "agent"), ("done.jsonl", "k2")] {
        let before = length(name);
        room(&service, Some(before + 20));
        let answer = if name == "done.jsonl" { outcome(&service, refused) } else { token(&service, refused) };
        assert_eq!((answer.status, answer.problem()), (507, "disk".into()), "{name}: {}", answer.text);
        assert_eq!(length(name), before, "half a line stands in {name}");
        room(&service, None);
    }
    // Taking tokens back is done for all of them, or for none.
    room(&service, Some(length("tokens.jsonl") + 200));
    let refused = service.send("DELETE", "/api/v1/tokens/facilitator", None, &[]);
    assert_eq!((refused.status, refused.problem()), (507, "disk".into()), "{}", refused.text);
    assert!(refused.text.contains("no token was taken back"), "{}", refused.text);
    assert!(held.iter().all(|token| holds(&service, token)));
    room(&service, None);
    let after = token(&service, "facilitator").ok()["token"].clone();
    let done = outcome(&service, "k3").ok();
    let head = service.get("/health").ok()["head"].clone();
    service.kill();
    // What a crash left of a line is as little in the way.
    let torn = |name: &str| {
        use std::io::Write;
        fs::OpenOptions::new().append(true).open(kept(name)).unwrap().write_all(b"{\"hash\":\"12").unwrap();
    };
    ["tokens.jsonl", "done.jsonl"].into_iter().for_each(torn);
    let service = Service::start(home.path(), &[]);
    assert_eq!(outcome(&service, "k3").ok()["record"], done["record"]);
    assert_eq!(service.get("/health").ok()["head"], head, "it is not done again");
    let next = token(&service, "facilitator").ok()["token"].clone();
    service.kill();
    let service = Service::start(home.path(), &[]);
    assert!(held.iter().chain([&after, &next]).all(|token| holds(&service, token)));
    assert_eq!(service.send("DELETE", "/api/v1/tokens/facilitator", None, &[]).status, 204);
    service.kill();
    let service = Service::start(home.path(), &[]);
    assert!(held.iter().chain([&after, &next]).all(|token| !holds(&service, token)));
}
