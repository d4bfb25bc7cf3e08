//! Homes with logs made by the library, for tests of the command: no language model is needed.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;

use assert_cmd::Command;
use credence_memory::home::Home;
use credence_memory::ids::{Hash, QuestionId};
use credence_memory::number::{Finite, Probability};
use credence_memory::record::*;
use credence_memory::sample::{alternative, described, header};
use jiff::Timestamp;

pub(crate) use credence_memory::sample::{from, id, prior};

/// The command, with this home.
pub(crate) fn credence(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
    command.env_remove("CREDENCE_HOME").env_remove("RUST_LOG").arg("--home").arg(home).arg("--offline").args(args);
    command
}

/// Runs it; gives standard output, standard error and the exit code.
pub(crate) fn run(home: &Path, args: &[&str]) -> (String, String, i32) {
    let output = credence(home, args).output().expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code().expect("it exits"))
}

/// Runs it, which must succeed; gives standard output.
#[track_caller]
pub(crate) fn done(home: &Path, args: &[&str]) -> String {
    let (out, err, code) = run(home, args);
    assert_eq!(code, 0, "{args:?}: {err}");
    out
}

/// Runs it with `--json`; gives the one object it prints.
#[track_caller]
pub(crate) fn json(home: &Path, args: &[&str]) -> serde_json::Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&done(home, &args)).expect("it prints one JSON object")
}

/// Runs it, which must fail with this code and say this.
#[track_caller]
pub(crate) fn fails(home: &Path, args: &[&str], code: i32, say: &str) {
    let (_, err, found) = run(home, args);
    assert!(err.contains(say), "{args:?} should say {say:?}: {err}");
    assert_eq!(found, code, "{args:?}: {err}");
}

/// A minute of the first of January 2026.
pub(crate) fn minute(n: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    Timestamp::from_second(start.as_second() + 60 * n).expect("a time")
}

/// A log under construction, a minute a record.
pub(crate) struct Scribe(pub(crate) Home);

impl Scribe {
    /// Header, a prior and the alternatives 0 to 7: records 1 to 10.
    pub(crate) fn begin(root: &Path, log_id: &str) -> Self {
        let mut scribe = Self(Home::create(root, minute(1), header(log_id)).expect("a new home"));
        scribe.write(Record::PriorElicited(prior()));
        (0..8).for_each(|n| {
            scribe.write(described(n));
        });
        scribe
    }

    pub(crate) fn write(&mut self, record: Record) -> u64 {
        let time = minute(self.0.state().head().0.0 as i64 + 1);
        self.0.append(time, record).expect("the record fits").0.seq.0
    }

    /// A question, its answer and the digest of what is believed then: three records. Gives the answer's number.
    pub(crate) fn ask(&mut self, person: &str, first: usize, second: usize, chosen: Option<usize>) -> u64 {
        let alternatives = vec![alternative(first), alternative(second)];
        let question = QuestionId::of(&alternatives);
        self.write(Record::QuestionAsked(QuestionAsked {
            person: id(person),
            session: None,
            question,
            kind: QuestionKind::Choice,
            alternatives: alternatives.clone(),
            indifference_offered: true,
            strategy: "information_gain".into(),
            gain_nats: Finite::new(0.25).expect("a number"),
            predicted: Probability::vector(&[0.25, 0.5, 0.25]).expect("probabilities"),
            reask: false,
        }));
        let choice = ChoiceMade {
            from: from(person),
            question: Some(question),
            alternatives,
            chosen,
            indifference_offered: true,
        };
        let answer = self.write(Record::ChoiceMade(choice));
        self.record_belief(person);
        answer
    }

    pub(crate) fn record_belief(&mut self, person: &str) -> u64 {
        let through = self.0.state().head().0;
        let digest = Hash(self.0.believe(&id(person)).expect("a belief").digest());
        self.write(Record::BeliefRecorded(BeliefRecorded { person: id(person), through, digest }))
    }
}

/// Ada answers four questions (records 12, 15, 21 and 24), bob one (record 18); the log has 25 records.
pub(crate) fn two_people(root: &Path) {
    let mut scribe = Scribe::begin(root, "two-people");
    scribe.ask("ada", 0, 1, Some(0));
    scribe.ask("ada", 2, 3, Some(1));
    scribe.ask("bob", 0, 1, Some(1));
    scribe.ask("ada", 4, 5, None);
    scribe.ask("ada", 6, 7, Some(0));
}
