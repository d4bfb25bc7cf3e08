//! People past one machine: writers and front ends as processes, with real NATS servers.
#![cfg(unix)]

#[path = "../logs/mod.rs"]
mod logs;
#[path = "../nats/mod.rs"]
mod nats;
#[path = "../served/mod.rs"]
mod served;

mod front;
mod killed;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use credence_memory::home::{Home, Paths};
use credence_memory::ids::PersonId;
use credence_memory::record::Record;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use served::{Answer, Service, coded};

/// A `credence shard write` in a process of its own.
pub(crate) struct Writer {
    child: Child,
    lines: Receiver<String>,
}

impl Writer {
    /// Starts it.
    pub(crate) fn start(home: &Path, url: &str, replicas: usize, shard: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_credence"))
            .env_remove("CREDENCE_HOME")
            .env_remove("RUST_LOG")
            .args(["--offline", "--home"])
            .arg(home)
            .args(["shard", "write", "--on", url, "--replicas", &replicas.to_string(), "--shard", shard])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a writer");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let (give, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| give.send(line)));
        Self { child, lines }
    }

    /// Waits until it says something; gives how long that took.
    #[track_caller]
    pub(crate) fn says(&self, what: &str) -> Duration {
        let since = Instant::now();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if line.contains(what) => return since.elapsed(),
                Ok(_) => {}
                Err(_) => panic!("it never said {what:?}"),
            }
        }
    }

    /// Whether it has not ended.
    pub(crate) fn is_up(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    /// Ends it at once.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What to answer to a question: different people differ.
pub(crate) fn reply(turn: &Value, n: usize) -> Value {
    match turn["question"]["kind"].as_str().expect("a question") {
        "choice" => json!({ "said": "choose", "index": n % 2 }),
        "portrait" => json!({ "said": "rate", "level": 1 + n % 6 }),
        _ => json!({ "said": "best_and_worst", "best": n % 2, "worst": 2 + n % 2 }),
    }
}

/// Answers the open question of a turn.
pub(crate) fn say(service: &Service, turn: &Value, n: usize) -> Answer {
    let path = format!("/api/v1/sessions/{}/said", coded(turn["session"].as_str().expect("a session")));
    service.post(&path, &json!({ "question": turn["question"]["number"], "say": reply(turn, n) }))
}

/// The log of a home.
pub(crate) fn log(home: &Path) -> Vec<u8> {
    std::fs::read(Paths::of(home).log()).expect("a log")
}

/// Waits until a log has as many bytes as another, and the same.
#[track_caller]
pub(crate) fn becomes(home: &Path, other: &Path) {
    let since = Instant::now();
    loop {
        let (here, there) = (log(home), log(other));
        if here == there {
            return;
        }
        let same = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
        let lengths = (here.len(), there.len());
        assert!(since.elapsed() < Duration::from_secs(30), "of {lengths:?} bytes the first {same} are the same");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Evidence of each person in a home, and the digests of what is believed of them, beside those in a home that was told the same
/// directly, without any stream.
pub(crate) fn beside_one_home(root: &Path) -> BTreeMap<PersonId, (usize, [u8; 32], [u8; 32])> {
    let copy = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(copy.path().join("evidence")).expect("a folder");
    std::fs::copy(Paths::of(root).log(), Paths::of(copy.path()).log()).expect("a copy");
    let (mut home, _) = Home::open(copy.path()).expect("a log that is whole");
    let direct = tempfile::tempdir().expect("a folder");
    let mut one: Option<Home> = None;
    for entry in Paths::of(root).read_log().expect("a log") {
        let entry = entry.expect("a record");
        match (&mut one, entry.record) {
            (_, Record::LogOpened(header)) => {
                let mut home = Home::create(direct.path(), entry.time, header).expect("a home");
                home.write_ahead();
                one = Some(home);
            }
            // Digests of belief name records by their numbers, which are others in this log.
            (Some(_), Record::MessageReceived(_) | Record::BeliefRecorded(_)) => {}
            (Some(one), record) => drop(one.append(entry.time, record).expect("it fits")),
            (None, _) => panic!("a log begins with its header"),
        }
    }
    let mut one = one.expect("a header");
    let people: Vec<PersonId> = home.state().people().keys().cloned().collect();
    let of = |person: PersonId| {
        let count = home.state().person(&person).map_or(0, |known| known.evidence().len());
        let here = home.believe(&person).expect("a belief").digest();
        let there = one.believe(&person).expect("a belief").digest();
        (person, (count, here, there))
    };
    people.into_iter().map(of).collect()
}
