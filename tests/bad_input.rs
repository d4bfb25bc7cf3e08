//! Wrong input ends in a clear error with its documented exit code, before any model is loaded.

use assert_cmd::Command;
use predicates::str::contains;

fn credence(home: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
    // No model can be had: whatever needs one fails with 6.
    command.env("CREDENCE_HOME", home).env("CREDENCE_CACHE", home.join("no-cache")).arg("--offline");
    command
}

#[test]
fn question_banks_are_checked_first() {
    let dir = tempfile::tempdir().expect("a folder");
    for (bank, says) in [
        ("", "has no question"),
        ("{\"situation\":\"s\",\"alternatives\":[\"one\"]}", "line 1"),
        ("{\"situation\":\"s\",\"alternatives\":[\"a\",\"a\"]}", "is there twice"),
        ("{\"situation\":\"s\",\"alternatives\":[\"a\",\"b\"],\"hue\":1}", "unknown field `hue`"),
    ] {
        let path = dir.path().join("bank.jsonl");
        std::fs::write(&path, bank).expect("a file");
        credence(dir.path()).args(["session", "--questions"]).arg(&path).assert().code(3).stderr(contains(says));
    }
    let path = dir.path().join("bank.jsonl");
    std::fs::write(&path, b"\xff\xfe").expect("a file");
    credence(dir.path()).args(["session", "--questions"]).arg(&path).assert().code(3).stderr(contains("not UTF-8"));
}

#[test]
fn a_decision_needs_two_different_alternatives() {
    let dir = tempfile::tempdir().expect("a folder");
    credence(dir.path()).args(["decide", "--alternative", "a"]).assert().code(3).stderr(contains("at least two"));
    credence(dir.path())
        .args(["decide", "--alternative", "wait", "--alternative", "Wait"])
        .assert()
        .code(3)
        .stderr(contains("given twice"));
}

#[test]
fn a_model_that_cannot_be_had_or_is_none_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    credence(dir.path()).args(["session"]).assert().code(6).stderr(contains("not in the cache"));
    credence(dir.path())
        .args(["session", "--model", "/nowhere/x.gguf"])
        .assert()
        .code(6)
        .stderr(contains("/nowhere/x.gguf"));
    let path = dir.path().join("not.gguf");
    std::fs::write(&path, "hello").expect("a file");
    credence(dir.path()).args(["session", "--model"]).arg(&path).assert().code(6).stderr(contains("GGUF"));
}

#[test]
fn a_schema_with_an_unknown_key_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("schema.toml");
    std::fs::write(&path, "format = 1\nname = \"x\"\ncolour = 3\n").expect("a file");
    credence(dir.path()).args(["session", "--schema"]).arg(&path).assert().code(3).stderr(contains("colour"));
}

#[test]
fn damaged_newer_and_missing_logs_say_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log.jsonl");
    std::fs::write(&log, "{\"seq\":1,\"nonsense\":true}\n{}\n").expect("a file");
    credence(dir.path()).arg("replay").arg(&log).assert().code(5).stderr(contains("record 1"));
    credence(dir.path()).arg("replay").arg(dir.path().join("none.jsonl")).assert().failure();
    credence(dir.path()).args(["evidence", "list"]).assert().failure().stderr(contains("log"));
}

#[test]
fn help_documents_exit_codes() {
    let dir = tempfile::tempdir().expect("a folder");
    credence(dir.path())
        .arg("--help")
        .assert()
        .success()
        .stdout(contains("Exit codes"))
        .stdout(contains("another process"));
}

#[test]
fn a_home_that_cannot_be_written_is_said_to_be_so_and_keeps_its_log() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("evidence/log.jsonl");
    let golden = include_str!("../memory/tests/golden/format-1.jsonl");
    std::fs::create_dir(dir.path().join("evidence")).expect("a folder");
    std::fs::write(&log, golden).expect("a file");
    // Permissions stop nobody who is root; a folder where the lock should be stops everybody.
    std::fs::create_dir(dir.path().join("lock")).expect("a folder");
    credence(dir.path()).args(["evidence", "retract", "20"]).assert().code(8).stderr(contains("lock"));
    assert_eq!(std::fs::read_to_string(&log).expect("a file"), golden);
}
