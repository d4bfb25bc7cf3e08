//! A write that is sent again is done once: with a key, also after the service ended in between; and a form by itself.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::logs::done;
use crate::served::{Answer, Service, empty_home, hidden, with_decisions};
use crate::{reply, say};

/// Keys of two people who join, each a secret.
const SECRET: &str = "5f1c8a7e90b3d2461122aabb";
const OTHER_SECRET: &str = "0123456789abcdef01234567";

fn with_key(service: &Service, key: &str, path: &str, body: &Value) -> Answer {
    service.post_with(path, body, &[("Idempotency-Key", key)])
}

fn head(service: &Service) -> u64 {
    service.get("/health").ok()["head"].as_u64().unwrap()
}

#[test]
fn writes_with_a_key_are_done_once() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    say(&service, &turn, &reply(&turn)).ok();
    let log = service.get("/api/v1/log?person=ada").ok();
    let seq = log["records"].as_array().unwrap().iter().find(|r| r["is_evidence"] == true).unwrap()["seq"].clone();
    let path = format!("/api/v1/log/{seq}/retract");
    let retract = || with_key(&service, "k1", &path, &json!({ "reason": "a slip" }));
    let (first, second) = (retract().ok(), retract().ok());
    assert_eq!(first, second);
    let other = service.post(&path, &json!({ "reason": "a slip" }));
    assert_eq!((other.status, other.problem()), (409, "conflict".into()), "without the key it is another request");
    let empty = service.post(&path, &json!({ "reason": " " }));
    assert_eq!((empty.status, empty.problem()), (422, "wrong-input".into()));
}

/// A home with two open decisions and declared tools of ada's.
fn busy(home: &Path) -> (u64, u64) {
    let decisions = with_decisions(home, "ada");
    let tools = home.join("tools.toml");
    std::fs::write(&tools, "[[tools]]\nname = \"send_mail\"\n").unwrap();
    done(home, &["approvals", "declare", tools.to_str().unwrap(), "--person", "ada"]);
    decisions
}

/// Every kind of write, sent with a key, and sent again to a service that was started after a kill: by another owner's token, with the
/// same answer, and nothing more in the log.
#[test]
fn a_key_outlives_the_service() {
    let home = empty_home();
    let (asked, of_task) = busy(home.path());
    let mut service = Service::start(home.path(), &["--agents-of", "ada"]);
    let twice = |service: Service, key: &str, path: &str, body: Value| {
        let before = head(&service);
        let first = with_key(&service, key, path, &body).ok();
        let after = head(&service);
        assert!(after > before, "{path} writes something");
        service.kill();
        let service = Service::start(home.path(), &["--agents-of", "ada"]);
        let again = with_key(&service, key, path, &body).ok();
        assert_eq!(head(&service), after, "{path} is not done again");
        (service, first, again)
    };
    let same = |service, key, path: &str, body| {
        let (service, first, again) = twice(service, key, path, body);
        assert_eq!(first, again, "{path}");
        (service, first)
    };
    let answer;
    (service, answer) =
        same(service, "k1", &format!("/api/v1/decisions/{asked}/answer"), json!({ "answer": "second" }));
    let (act, chosen) = (answer["record"].as_u64().unwrap(), answer["chosen"].as_u64().unwrap());
    (service, _) = same(service, "k2", &format!("/api/v1/decisions/{act}/correct"), json!({ "rather": 1 - chosen }));
    (service, _) = same(service, "k3", "/api/v1/outcomes", json!({ "record": act, "outcome": "done" }));
    (service, _) = same(service, "k4", &format!("/api/v1/decisions/{of_task}/stop"), json!({}));
    let mail = json!({ "request": { "tool": "send_mail", "arguments": { "to": "bo" } } });
    let verdict;
    (service, verdict) = same(service, "k5", "/api/v1/approvals/requests", mail);
    let (question, hash) = (&verdict["question"], &verdict["shown_hash"]);
    let path = format!("/api/v1/approvals/questions/{question}");
    (service, _) = same(service, "k6", &path, json!({ "answer": "always", "shown_hash": hash }));
    let evidence = service.get("/api/v1/log?person=ada&kind=CorrectionMade").ok()["records"][0]["seq"].clone();
    (service, _) = same(service, "k7", &format!("/api/v1/log/{evidence}/retract"), json!({ "reason": "a slip" }));
    // Acts of the bank need no model.
    let situation = service.get(&format!("/api/v1/decisions/{of_task}")).ok();
    let texts: Vec<&Value> = situation["alternatives"].as_array().unwrap().iter().map(|a| &a["text"]).collect();
    let decide = json!({ "situation": situation["asked"], "alternatives": texts });
    (service, _) = same(service, "k8", "/api/v1/decisions", decide.clone());

    // What is said in a session is known by its question, also where only the key says which that was.
    let turn = with_key(&service, "k9", "/api/v1/sessions", &json!({ "person": "ada" })).ok();
    let said = format!("/api/v1/sessions/{}/said", turn["session"].as_str().unwrap());
    let (first, again);
    (service, first, again) = twice(service, "k10", &said, json!({ "say": reply(&turn) }));
    for part in ["number", "alternatives"] {
        assert_eq!(first["question"][part], again["question"][part]);
    }
    assert_eq!(again["answers"], 1);

    // Another key is another write, and so is the same key of somebody else.
    let before = head(&service);
    let facilitator = service.post("/api/v1/tokens", &json!({ "role": "facilitator" })).ok();
    let facilitator = service.with_token(facilitator["token"].as_str().unwrap());
    for (who, key) in [(&service, "k11"), (&facilitator, "k8")] {
        with_key(who, key, "/api/v1/decisions", &decide).ok();
    }
    assert_eq!(head(&service), before + 2);
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("recorded beliefs match"));

    // What was kept is of this log, and goes with somebody who is erased from it.
    let kept = home.path().join("serve/done.jsonl");
    assert!(std::fs::read_to_string(&kept).unwrap().lines().count() > 8);
    done(home.path(), &["evidence", "erase", "--person", "ada", "--yes-erase", "ada"]);
    assert!(!kept.exists());
}

/// The service is killed at any moment of a write, and the client asks again with the same key until it is answered.
#[test]
fn a_kill_at_any_moment_of_a_write_neither_loses_nor_doubles_it() {
    const WRITES: u64 = 12;
    let home = empty_home();
    let (asked, _) = with_decisions(home.path(), "ada");
    let mut service = Service::start(home.path(), &[]);
    for n in 0..WRITES {
        let body = json!({ "record": asked, "outcome": "done", "observed": format!("number {n}") });
        let key = format!("k{n}");
        let killing = service.killer();
        let answer = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_micros(700 * n));
                killing();
            });
            service.try_post_with("/api/v1/outcomes", &body, &[("Idempotency-Key", &key)])
        });
        service.kill();
        service = Service::start(home.path(), &[]);
        let again = with_key(&service, &key, "/api/v1/outcomes", &body).ok();
        if let Some(first) = answer.filter(|first| first.status == 200) {
            assert_eq!(first.ok()["record"], again["record"], "it was answered before the kill");
        }
    }
    let reports = service.get("/api/v1/log?kind=OutcomeReported").ok()["records"].as_array().unwrap().len();
    assert_eq!(reports as u64, WRITES);
    service.stop();
    done(home.path(), &["evidence", "verify"]);
}

#[test]
fn tokens_and_runs_that_are_asked_for_again_after_a_restart_are_there_once() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let link = with_key(&service, "k1", "/api/v1/join-links", &json!({})).ok();
    let by_link = |service: &Service, link: &Value| service.with_token(link["token"].as_str().unwrap());
    let body = json!({ "pseudonym": "fern" });
    let joined = with_key(&by_link(&service, &link), SECRET, "/api/v1/participants", &body).ok();
    let tapped_twice = with_key(&by_link(&service, &link), SECRET, "/api/v1/participants", &body).ok();
    assert_eq!(tapped_twice["person"], "fern");
    assert_eq!(service.with_token(joined["token"].as_str().unwrap()).get("/api/v1/values").status, 401);
    let joined = tapped_twice;
    let run = with_key(&service, "k3", "/api/v1/experiments", &json!({ "given": "first" })).ok();
    service.kill();
    let service = Service::start(home.path(), &[]);
    // The token was told once: whoever asks again is the same person with another one.
    let again = with_key(&by_link(&service, &link), SECRET, "/api/v1/participants", &body).ok();
    assert_eq!(again["person"], "fern");
    let [first, second] = [&joined, &again].map(|j| service.with_token(j["token"].as_str().unwrap()));
    assert_eq!((first.get("/api/v1/values").status, second.get("/api/v1/values").status), (401, 200));
    assert_eq!(with_key(&by_link(&service, &link), OTHER_SECRET, "/api/v1/participants", &body).status, 409);
    let other_link = with_key(&service, "k1", "/api/v1/join-links", &json!({})).ok();
    assert_eq!(by_link(&service, &link).post("/api/v1/participants", &json!({ "pseudonym": "moss" })).status, 401);
    by_link(&service, &other_link).post("/api/v1/participants", &json!({ "pseudonym": "moss" })).ok();
    let same = with_key(&service, "k3", "/api/v1/experiments", &json!({ "given": "first" })).ok();
    assert_eq!((&same["run"], &same["standing"]), (&run["run"], &json!("stopped")));
    assert_eq!(service.get("/api/v1/experiments").ok()["runs"].as_array().unwrap().len(), 1);
}

/// Two clicks on a button send a form twice: what it does is done once, and both get the same page.
#[test]
fn a_form_that_is_sent_twice_does_once_what_it_says() {
    let home = empty_home();
    let (asked, of_task) = busy(home.path());
    let service = Service::start(home.path(), &[]);
    let browser = service.as_browser();
    let mail = json!({ "request": { "tool": "send_mail", "arguments": { "to": "bo" } } });
    let verdict = service.post("/api/v1/approvals/requests", &mail).ok();
    let twice = |service: &Service, page: &str, form: &str, more: &[(&str, &str)]| {
        let browser = service.as_browser();
        let (csrf, once) = hidden(&browser.get(page).text, form);
        let fields = [&[("csrf", csrf.as_str()), ("once", once.as_str())][..], more].concat();
        let before = head(service);
        let first = browser.form(form, &fields);
        let after = head(service);
        assert!(first.status == 303 && after > before, "{form}: {}", first.text);
        let second = browser.form(form, &fields);
        assert_eq!((second.status, second.to, head(service)), (303, first.to, after), "{form}");
    };
    twice(&service, "/decisions", &format!("/decisions/{asked}/answer"), &[("answer", "first")]);
    let act = service.get("/api/v1/decisions?limit=1").ok()["decisions"][0].clone();
    let rather = (1 - act["chosen"].as_u64().unwrap()).to_string();
    let correct = format!("/decisions/{}/correct", act["record"]);
    twice(&service, "/decisions", &correct, &[("rather", &rather)]);
    twice(&service, "/decisions", &format!("/decisions/{of_task}/stop"), &[]);
    let question = format!("/approvals/questions/{}", verdict["question"]);
    let hash = verdict["shown_hash"].as_str().unwrap();
    let answer = [("person", "ada"), ("shown_hash", hash), ("answer", "always")];
    twice(&service, "/approvals", &question, &answer);
    let evidence = service.get("/api/v1/log?person=ada&kind=CorrectionMade").ok()["records"][0]["seq"].to_string();
    let retract = [("seq", evidence.as_str()), ("person", "ada"), ("reason", "a slip")];
    twice(&service, "/log?person=ada", "/log/retract", &retract);

    // A phone that is tapped twice joins once.
    let (csrf, once) = hidden(&browser.get("/people").text, "/people/link");
    let made = browser.form("/people/link", &[("csrf", &csrf), ("once", &once)]);
    let path = format!("/join/{}", made.to.unwrap().split_once("link=").unwrap().1);
    let (_, once) = hidden(&service.as_nobody().get(&path).text, &path);
    let taps = [(); 2].map(|()| service.as_nobody().form(&path, &[("pseudonym", "fern"), ("once", &once)]));
    assert_eq!(taps.each_ref().map(|tap| tap.status), [303, 303]);
    let tokens = taps.map(|tap| tap.token().unwrap());
    let holds = tokens.map(|token| service.with_token(&token).get("/api/v1/values").status);
    assert_eq!(holds, [401, 200], "the page that is shown last is the one that counts");
    let other = service.as_nobody().form(&path, &[("pseudonym", "fern")]);
    assert_eq!(other.status, 409, "somebody else is not fern");
}

/// A key is of the token that it comes with, and of one request.
#[test]
fn a_key_gives_nobody_what_another_was_answered() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let body = json!({ "role": "facilitator" });
    let made = with_key(&service, "k1", "/api/v1/tokens", &body).ok();
    assert_eq!(with_key(&service, "k1", "/api/v1/tokens", &body).ok(), made);
    // As behind a proxy that asks everybody for the same password: the token is in the cookie.
    let shared = [("Authorization", "Basic c2hhcmVk"), ("Idempotency-Key", "k2")];
    let by_cookie = service.as_browser().post_with("/api/v1/tokens", &body, &shared).ok();
    assert!(by_cookie["token"].is_string());
    assert_eq!(service.as_nobody().post_with("/api/v1/tokens", &body, &shared).status, 401);
    // Another request, whether by its body, its address or what it asks for.
    for (path, body) in [
        ("/api/v1/tokens", json!({ "role": "agent" })),
        ("/api/v1/join-links", body.clone()),
        ("/api/v1/tokens?x=1", body.clone()),
    ] {
        let other = with_key(&service, "k1", path, &body);
        assert_eq!((other.status, other.kind.as_str()), (422, "application/problem+json"), "{path}: {}", other.text);
        assert!(other.text.contains("another request"), "{}", other.text);
    }
    // Two facilitators are two, and one whose token was taken back is nobody.
    let [first, second] = [(); 2].map(|()| {
        let token = service.post("/api/v1/tokens", &body).ok()["token"].as_str().unwrap().to_owned();
        service.with_token(&token)
    });
    let links = [&first, &second].map(|who| with_key(who, "k1", "/api/v1/join-links", &json!({})).ok());
    for link in &links {
        let path = link["link"].as_str().unwrap().strip_prefix(&service.base).unwrap();
        assert_eq!(service.as_nobody().get(path).status, 200, "another's key took it back");
    }
    assert_eq!(service.send("DELETE", "/api/v1/tokens/facilitator", None, &[]).status, 204);
    assert_eq!(with_key(&first, "k1", "/api/v1/join-links", &json!({})).status, 401);
    // What is no key is said to be none, and nothing is done.
    for key in ["", " ", "with space", "\u{e9}t\u{e9}", &"x".repeat(256)] {
        let refused = with_key(&service, key, "/api/v1/join-links", &json!({}));
        assert_eq!((refused.status, refused.problem()), (400, "wrong-input".into()), "{key:?}");
        assert!(refused.text.contains("visible ASCII"), "{}", refused.text);
    }
    service.stop();
}

#[test]
fn many_who_join_by_one_link_with_one_key_are_not_each_other() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let link = service.post("/api/v1/join-links", &json!({})).ok();
    let link = |service: &Service| service.with_token(link["token"].as_str().unwrap());
    let join = |service: &Service, key: &str, name: &str| {
        with_key(&link(service), key, "/api/v1/participants", &json!({ "pseudonym": name }))
    };
    let guessed = join(&service, "1", "fern");
    assert_eq!((guessed.status, guessed.problem()), (400, "wrong-input".into()), "a key to join with is a secret");
    let fern = join(&service, SECRET, "fern").ok();
    let holds = |service: &Service, joined: &Value| {
        service.with_token(joined["token"].as_str().unwrap()).get("/api/v1/values").status
    };
    // Neither now nor after a restart does somebody else get hers, or take it from her.
    let check = |service: &Service| {
        assert_eq!(join(service, SECRET, "bo").status, 422);
        assert_eq!(holds(service, &fern), 200);
    };
    check(&service);
    service.kill();
    let service = Service::start(home.path(), &[]);
    check(&service);
    // Whoever has answered has their token.
    let own = service.with_token(fern["token"].as_str().unwrap());
    let turn = own.post("/api/v1/sessions", &json!({})).ok();
    say(&own, &turn, &reply(&turn)).ok();
    assert_eq!(join(&service, SECRET, "fern").status, 409);
    check(&service);
    service.stop();
}

/// What is said in words has no number: only the key tells that it was said before.
#[test]
fn a_sentence_that_is_sent_again_counts_once_also_after_a_kill() {
    let home = empty_home();
    let mut service = Service::start(home.path(), &[]);
    let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    let session = turn["session"].as_str().unwrap().to_owned();
    let said = format!("/api/v1/sessions/{session}/said");
    let sentences = |service: &Service| {
        let log = service.get("/api/v1/log?person=ada&limit=500").ok();
        let records = log["records"].as_array().unwrap().iter();
        records.filter(|r| r["is_evidence"] == true && r["said"].as_str().unwrap().contains("matters")).count()
    };
    let browser = service.as_browser();
    let page = browser.get("/session?person=ada").text;
    let form = page.split("id=\"in-words\"").nth(1).unwrap();
    let (csrf, once) = hidden(form, "/session/say");
    let words = |words: &str| {
        let fields =
            [("csrf", csrf.as_str()), ("once", &once), ("session", &session), ("say", "words"), ("words", words)];
        assert_eq!(browser.form("/session/say", &fields).status, 303);
    };
    words("honesty matters more to me than loyalty");
    words("honesty matters more to me than loyalty");
    assert_eq!(sentences(&service), 1, "one form, sent twice");
    // Somebody goes back, and says something else.
    words("care matters more to me than achievement");
    assert_eq!(sentences(&service), 2);
    let sentence = json!({ "say": { "said": "important", "words": "honesty matters more to me than achievement" } });
    with_key(&service, "s1", &said, &sentence).ok();
    let before = head(&service);
    assert_eq!(sentences(&service), 3);
    service.kill();
    service = Service::start(home.path(), &[]);
    with_key(&service, "s1", &said, &sentence).ok();
    assert_eq!((sentences(&service), head(&service)), (3, before), "sent again with its key");
    // A skip has no answer to be known by either, and an undo would take back more.
    for (key, what) in [("s2", "undo"), ("s3", "skip")] {
        let body = json!({ "say": { "said": what } });
        with_key(&service, key, &said, &body).ok();
        let after = head(&service);
        service.kill();
        service = Service::start(home.path(), &[]);
        with_key(&service, key, &said, &body).ok();
        assert_eq!(head(&service), after, "{what}");
    }
    service.stop();
    done(home.path(), &["evidence", "verify"]);
}
