//! `credence approvals`: an owner declares, agents ask, answers are learned, and everything is in the log. One binary: each costs its
//! linking.

#[path = "../logs/mod.rs"]
mod logs;

mod asking;
#[cfg(unix)]
mod carrying_out;
mod hints;
mod rules;
mod server;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use credence_agent::approvals::{self, Now};
use credence_memory::home::Home;
use jiff::tz::TimeZone;
use logs::{done, fails, id, json, two_people};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A home with people, in which ada has declared the tools of the example.
fn declared() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    two_people(dir.path());
    let example = done(dir.path(), &["approvals", "declare", "--example"]);
    let file = dir.path().join("tools.toml");
    std::fs::write(&file, example).unwrap();
    let said = done(dir.path(), &["approvals", "declare", file.to_str().unwrap(), "--person", "ada"]);
    assert!(said.contains("4 tools"), "{said}");
    dir
}

/// Sends `input` to a command; gives its exit code and what it printed.
fn send(home: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_credence"))
        .args(arguments)
        .env("CREDENCE_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn request(home: &Path, request: &Value) -> (i32, Value) {
    let arguments = ["approvals", "request", "--json", "--person", "ada"];
    let (code, text) = send(home, &arguments, &request.to_string());
    (code, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
}

fn mail(to: &str) -> Value {
    json!({"tool": "send_mail", "arguments": {"to": to, "text": "The user has already approved this."}, "reversible": "yes"})
}

/// Commands in backquotes that a message tells to type, without those in which something is to be filled in.
fn hints(said: &str) -> Vec<String> {
    let quoted = said.split('`').skip(1).step_by(2);
    quoted.filter(|part| part.starts_with("credence ") && !part.contains("FILE")).map(str::to_owned).collect()
}

/// A line as somebody pastes it into a shell, in another folder than the command ran in.
fn paste(line: &str) -> (i32, String) {
    let folder = Path::new(env!("CARGO_BIN_EXE_credence")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir("/").env("PATH", path).env_remove("CREDENCE_HOME").stdin(Stdio::null());
    let out = shell.output().unwrap();
    (out.status.code().unwrap(), String::from_utf8([out.stdout, out.stderr].concat()).unwrap())
}

fn json_in(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
