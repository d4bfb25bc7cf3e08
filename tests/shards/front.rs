//! Front ends and writers: what is answered, who takes over, and what is told when the stream is away.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::nats::Nats;
use crate::served::{Service, empty_home};
use crate::{Writer, becomes, beside_one_home, log, reply, say};

/// Answers so many questions in a row.
fn answers(service: &Service, mut turn: Value, number: usize) -> Value {
    for n in 0..number {
        turn = say(service, &turn, n).ok();
    }
    turn
}

#[test]
fn answers_go_on_while_writers_are_paused_and_servers_away_and_all_logs_have_the_same_bytes() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url.clone();
    let [first_home, second_home, front_home, other_home] = [empty_home(), empty(), empty(), empty()];
    let first = Writer::start(first_home.path(), &url, 1, "1/1");
    first.says("This writer has the shard");
    // On another machine: made from the copy of the log.
    let second = Writer::start(second_home.path(), &url, 1, "1/1");
    second.says("Another writer has the shard");

    let front = Service::start(front_home.path(), &["--stream", &url]);
    let other = Service::start(other_home.path(), &["--stream", &url]);
    let turn = front.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    let turn = answers(&front, turn, 3);
    // Another front end has the same session, by the same number, and goes on with it.
    let path = format!("/api/v1/sessions/{}", turn["session"].as_str().unwrap());
    let there = (0..100).map(|_| other.get(&path)).find(|answer| {
        let is_there = answer.status == 200 && answer.ok()["question"]["number"] == turn["question"]["number"];
        if !is_there {
            std::thread::sleep(Duration::from_millis(20));
        }
        is_there
    });
    let there = there.unwrap_or_else(|| panic!("it follows: {} {}", turn["question"], other.get(&path).text));
    let turn = answers(&other, there.ok(), 2);

    // The writer does not stand between a person and the next question. What it missed it takes in when it goes on; another one has the
    // shard then, by a greater number, and nothing that the first appends can differ.
    first.signal(Signal::STOP);
    let turn = answers(&other, turn, 2);
    let took_over = second.says("This writer has the shard");
    assert!(took_over < Duration::from_secs(10), "{took_over:?}");
    let turn = answers(&other, turn, 2);
    becomes(second_home.path(), &other_home.path().join("shard-1"));
    assert!(log(second_home.path()).starts_with(&log(first_home.path())), "it stood still");
    first.signal(Signal::CONT);
    first.says("Another writer has the shard now");
    becomes(first_home.path(), second_home.path());

    // Without the server nothing is taken, and that is what is said.
    nats.kill(0);
    let said = json!({ "question": turn["question"]["number"], "say": reply(&turn, 0) });
    let said_at = format!("{path}/said");
    let refused = other.post(&said_at, &said);
    assert!(matches!(refused.problem().as_str(), "stream-away" | "stream-silent"), "{}", refused.text);
    assert_eq!(refused.status, 503);
    assert_eq!(other.get("/health").ok()["stream"], "away");
    nats.again(0);
    let turn = (0..100).find_map(|_| {
        let answer = other.post(&said_at, &said);
        if answer.status != 200 {
            std::thread::sleep(Duration::from_millis(100));
        }
        (answer.status == 200).then(|| answer.ok())
    });
    let turn = answers(&other, turn.expect("it is taken when the server is back"), 1);
    assert_eq!(turn["answers"], 11, "each counts once");
    becomes(first_home.path(), &other_home.path().join("shard-1"));
    becomes(first_home.path(), &front_home.path().join("shard-1"));
    becomes(first_home.path(), second_home.path());
    let believed = beside_one_home(first_home.path());
    let (count, here, there) = believed.values().next().expect("ada");
    assert_eq!((believed.len(), *count), (1, 11));
    assert_eq!(here, there, "belief has the bits of one home that was told directly");
}

#[test]
fn a_front_end_of_two_shards_hands_everybody_to_theirs() {
    let Some(nats) = Nats::start() else { return };
    let [first_home, second_home, front_home] = [empty_home(), empty(), empty()];
    let first = Writer::start(first_home.path(), &nats.url, 1, "1/2");
    first.says("This writer has the shard");
    // It begins as the first one did.
    let second = Writer::start(second_home.path(), &nats.url, 1, "2/2");
    second.says("This writer has the shard");
    let front = Service::start(front_home.path(), &["--stream", &nats.url]);
    let people: Vec<String> = (0..12).map(|n| format!("person {n}")).collect();
    for person in &people {
        let turn = front.post("/api/v1/sessions", &json!({ "person": person })).ok();
        let turn = say(&front, &turn, 0).ok();
        assert_eq!(turn["answers"], 1);
    }
    // Those who join by a link are their shard's as well.
    let link = front.post("/api/v1/join-links", &json!({})).ok()["link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&front.base).unwrap();
    let fern = front.join(path, "fern");
    let turn = fern.post("/api/v1/sessions", &json!({})).ok();
    say(&fern, &turn, 1).ok();
    let counts = |shard: &str| front.get(&format!("/api/v1/people?shard={shard}")).ok().as_array().unwrap().len();
    let (one, two) = (counts("1"), counts("2"));
    assert!(one > 0 && two > 0 && one + two == 13, "{one} and {two}");
    becomes(first_home.path(), &front_home.path().join("shard-1"));
    becomes(second_home.path(), &front_home.path().join("shard-2"));
    let unknown = front.get("/api/v1/sessions/nobody-3");
    assert_eq!(unknown.status, 404);

    // Whoever moves goes on at the same front end.
    let moves = |from: &str, to: &str| {
        let moved = Command::new(env!("CARGO_BIN_EXE_credence"))
            .args(["shard", "move", "--on", &nats.url, "--from", from, "--to", to, "--json"])
            .output()
            .expect("it moves them");
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
        let moved: Value = serde_json::from_slice(&moved.stdout).expect("what was moved");
        moved["people"].as_u64().expect("how many") as usize
    };
    let moved = moves("1", "2");
    assert!(moved > 0, "somebody moves");
    for person in &people {
        let turn = front.post("/api/v1/sessions", &json!({ "person": person })).ok();
        assert_eq!(say(&front, &turn, 1).ok()["answers"], 2, "{person} goes on");
    }
    assert_eq!((counts("1"), counts("2")), (one - moved, two + moved));
    becomes(first_home.path(), &front_home.path().join("shard-1"));
    becomes(second_home.path(), &front_home.path().join("shard-2"));
    // A shard that is made meanwhile is not known to it, and it says so.
    let left = one - moved;
    let gone = moves("1", "3") + moves("2", "4");
    let refused = people.iter().map(|person| front.post("/api/v1/sessions", &json!({ "person": person })));
    let refused: Vec<_> = refused.filter(|answer| answer.status != 200).collect();
    assert!(gone <= left + two + moved && refused.len() <= gone);
    for answer in &refused {
        let says = ["shard 3 now", "shard 4 now"].iter().any(|says| answer.text.contains(says));
        assert!(answer.status == 409 && says, "{}", answer.text);
    }
    // A log of its own is in each folder of its home.
    let list = Command::new(env!("CARGO_BIN_EXE_credence"))
        .arg("--home")
        .arg(front_home.path())
        .args(["evidence", "list"])
        .output();
    let told = String::from_utf8(list.expect("it runs").stderr).expect("text");
    assert!(told.contains("home of a front end") && told.contains("shard-1"), "{told}");
    assert_eq!(front.get("/health").ok()["stream"], "connected");
}

#[test]
fn nothing_that_was_read_of_shards_stays_however_that_ends() {
    let Some(nats) = Nats::start() else { return };
    let (home, files) = (empty(), empty());
    crate::logs::two_people(home.path());
    let writer = Writer::start(home.path(), &nats.url, 1, "1/1");
    writer.says("This writer has the shard");
    let erase = |person: &str| {
        let mut erase = Command::new(env!("CARGO_BIN_EXE_credence"));
        erase.args(["shard", "erase", "--on", &nats.url, "--person", person, "--yes-erase", person]);
        erase.env("TMPDIR", files.path()).stderr(Stdio::piped());
        erase
    };
    let is_empty = || std::fs::read_dir(files.path()).expect("a folder").next().is_none();
    // The copy of the log may not be there yet.
    let since = Instant::now();
    let said = loop {
        let ended = erase("nobody").output().expect("it runs");
        assert!(!ended.status.success() && since.elapsed() < Duration::from_secs(30));
        assert!(is_empty(), "it failed");
        let said = String::from_utf8(ended.stderr).expect("text");
        if !said.contains("there are no shards") {
            break said;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(said.contains("no shard has a person"), "{said}");
    // It waits for the writer, which stands still; then somebody wants it gone.
    writer.signal(Signal::STOP);
    let mut erasing = erase("bob").spawn().expect("it runs");
    let is_read = || {
        std::fs::read_dir(files.path()).expect("a folder").flatten().any(|f| f.path().join("shard-1/evidence").exists())
    };
    while !is_read() {
        assert!(erasing.try_wait().expect("a child").is_none() && since.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&erasing), Signal::TERM).expect("it is there");
    let ended = erasing.wait_with_output().expect("it ends");
    let said = String::from_utf8(ended.stderr).expect("text");
    assert!(ended.status.code() == Some(130) && said.contains("--continue"), "{}: {said}", ended.status);
    assert!(is_empty(), "it was interrupted");
    writer.signal(Signal::CONT);
    let erased = erase("bob").output().expect("it runs");
    assert!(erased.status.success() && is_empty(), "{}", String::from_utf8_lossy(&erased.stderr));
}

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
