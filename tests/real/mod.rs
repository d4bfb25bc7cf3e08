//! A home over the real model, made once and copied for each test.
//!
//! The default model is fetched the way a user's is. Tests hold one lock: two copies of llama.cpp on the same cores spin against each other.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A home of its own for one test, with the prior read; the lock is held as long as it lives.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        static WITH_PRIOR: OnceLock<tempfile::TempDir> = OnceLock::new();
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = WITH_PRIOR.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a folder");
            let output = run(dir.path(), &["session", "--person", "nobody", "--answers", "/dev/null"], "");
            let said = text(&output.stderr);
            assert!(output.status.success(), "the model's prior could not be read, {}: {said}", output.status);
            dir
        });
        let dir = tempfile::tempdir().expect("a folder");
        copy(prepared.path(), dir.path());
        Self { dir, _alone: alone }
    }

    /// Another home like this one; the lock stays this one's.
    pub(crate) fn another(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        copy(self.dir.path(), dir.path());
        dir
    }

    pub(crate) fn run(&self, args: &[&str], input: &str) -> Output {
        run(self.dir.path(), args, input)
    }

    pub(crate) fn ok(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        let (said, shown) = (text(&output.stderr), text(&output.stdout));
        assert!(is_done(&output), "{args:?}, {}: {said}\n{shown}", output.status);
        text(&output.stdout)
    }

    /// Standard output as JSON objects, one a line.
    pub(crate) fn json(&self, args: &[&str], input: &str) -> Vec<Value> {
        self.ok(args, input).lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("evidence/log.jsonl")).expect("a log")
    }

    pub(crate) fn digest(&self, person: &str) -> String {
        let replayed = self.json(&["replay", "--json"], "");
        let people = replayed[0]["people"].as_array().expect("people");
        let found = people.iter().find(|p| p["person"] == person).unwrap_or_else(|| panic!("{person} in {people:?}"));
        found["digest"].as_str().expect("a digest").to_owned()
    }
}

pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
    command.env("CREDENCE_HOME", home).env("CREDENCE_UNKEYED", "1").env_remove("RUST_LOG");
    command
}

/// The lock that tests of the real model hold.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn run(home: &Path, args: &[&str], input: &str) -> Output {
    let mut command = command(home);
    command.args(args);
    run_with(command, input)
}

pub(crate) fn run_with(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that ends without reading closes the pipe: its exit code says why.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("the command ends")
}

/// Done; or decided, but nothing is chosen yet.
pub(crate) fn is_done(output: &Output) -> bool {
    matches!(output.status.code(), Some(0 | 10 | 11))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
