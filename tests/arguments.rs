//! Every argument of every command with the values that programs break at: refused or taken, and never a panic.
//!
//! Each argument meets every fourth value, in turn; with `CREDENCE_ALL_EXTREMES` set, all. The arguments are read from `--help`, so
//! that one that is added is tried as well. No model is at hand: what needs one is tried up to there, and over the real model in
//! `cases_model.rs`.

mod logs;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What no argument should be given.
const EXTREMES: [&str; 13] = [
    "0",
    "-1",
    "1",
    "1.5",
    "NaN",
    "inf",
    "-inf",
    "1e308",
    "5e-324",
    "4294967296",
    "18446744073709551615",
    "999999999999999999999999",
    "",
];
/// Longer than any wrong argument takes to be refused. What is taken may go on for hours.
const PATIENCE: Duration = Duration::from_secs(2);
/// Kilobytes of memory: what asks for more is as good as a panic.
const MEMORY_KB_MAX: u64 = 6_000_000;

/// What a command needs beside the argument that is tried, small enough to end soon.
const NEEDED: &[(&str, &[&str])] = &[
    ("agent", &["--task", "The ferry is late."]),
    ("decide", &["--situation", "s", "--alternative", "a", "--alternative", "b"]),
    ("explain", &["honesty", "--person", "ada"]),
    ("eval crowd attack", &["--people", "10", "--trials", "1"]),
    ("eval crowd kinds", &["--people", "10", "--trials", "1", "--answers", "3", "--dimension", "2", "--apart", "1"]),
    ("eval crowd growth", &["--people", "10", "--answers", "3", "--dimension", "2", "--items", "5"]),
    ("eval approvals", &["--owners", "1", "--acts", "5"]),
    ("eval calibration", &["--simulations", "4", "--answers", "2", "--dimension", "2"]),
    ("eval flight", &["--people", "2", "--pool", "4"]),
    ("eval recovery", &["--number", "1", "--answers", "1", "--minutes", "0.1", "--quick"]),
    ("eval viewpoints", &["--readers", "2", "--answers", "1", "--works", "1", "--verdicts", "1"]),
    ("evidence erase", &["--person", "nobody at all"]),
    ("tell", &["honesty matters", "--person", "ada"]),
];

fn credence(home: &Path) -> Command {
    let limited = format!("ulimit -v {MEMORY_KB_MAX}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_credence")]);
    command.current_dir(home).env_remove("RUST_LOG").env("CREDENCE_CACHE", home.join("no-cache"));
    command.env("CREDENCE_HOME", home).env("RAYON_NUM_THREADS", "2").stdin(Stdio::null());
    command
}

fn help(home: &Path, path: &[String]) -> String {
    let output = credence(home).args(path).arg("--help").output().expect("the command starts");
    assert!(output.status.success(), "{path:?} --help");
    String::from_utf8(output.stdout).expect("help is text")
}

/// An argument of a command: the name of its option, or none for one that stands by its place.
type Argument = Option<String>;

/// All commands that do something, with their arguments.
fn commands(home: &Path) -> BTreeMap<Vec<String>, Vec<Argument>> {
    let mut found = BTreeMap::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let text = help(home, &path);
        let section = |name: &str| {
            let after = text.split_once(&format!("\n{name}:\n")).map_or("", |(_, after)| after);
            after.split("\n\n").next().unwrap_or_default().to_owned()
        };
        for line in section("Commands").lines() {
            // Names stand two columns in; what they do may go on in lines of its own.
            let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).and_then(|l| l.split(' ').next());
            if let Some(name) = name.filter(|name| *name != "help") {
                open.push(path.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
        let usage = text.lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
        let mut arguments: Vec<Argument> = Vec::new();
        let positional =
            usage.split(' ').filter(|w| (w.starts_with('<') || w.starts_with('[')) && !w.contains("OPTIONS"));
        arguments.extend(positional.filter(|w| !w.contains("COMMAND")).map(|_| None));
        for line in text.lines().filter(|line| line.trim_start().starts_with('-')) {
            let option = line.split_whitespace().find(|word| word.starts_with("--"));
            let takes_value = line.contains('<') || line.contains("=<");
            if let Some(option) = option.filter(|_| takes_value) {
                let name = option.split(['=', '[', '<']).next().unwrap_or(option).to_owned();
                if !["--home", "--help"].contains(&name.as_str()) {
                    arguments.push(Some(name));
                }
            }
        }
        if !usage.contains("<COMMAND>") {
            found.insert(path, arguments);
        }
    }
    found
}

/// Runs a command until it ends or our patience does; says what was wrong with how it ended.
fn trial(home: &Path, arguments: &[String]) -> Result<(), String> {
    let mut child = credence(home)
        .arg("--offline")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(home.join("said")).expect("a file"))
        .spawn()
        .expect("the command starts");
    let since = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if since.elapsed() > PATIENCE => {
                child.kill().expect("a child");
                child.wait().expect("a child");
                return Ok(());
            }
            None => std::thread::sleep(Duration::from_millis(4)),
        }
    };
    let said = std::fs::read_to_string(home.join("said")).unwrap_or_default();
    // Other threads may panic and the command end in another way.
    let panicked = said.contains("panicked at") || said.contains("memory allocation of") || said.contains("overflowed");
    match status.code() {
        Some(code) if code != 101 && !panicked => Ok(()),
        _ => Err(format!("{} with {status}: {said}", arguments.join(" "))),
    }
}

#[test]
fn no_argument_makes_any_command_panic() {
    let home = tempfile::tempdir().expect("a folder");
    logs::two_people(home.path());
    let commands = commands(home.path());
    assert!(commands.len() > 40, "{:?}", commands.keys());
    let all = std::env::var_os("CREDENCE_ALL_EXTREMES").is_some();
    let mut trials: Vec<Vec<String>> = Vec::new();
    for (path, arguments) in &commands {
        let name = path.join(" ");
        let needed = NEEDED.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, needed)| needed);
        for (place, argument) in arguments.iter().enumerate() {
            let turn = place + path.len() + name.len();
            for value in EXTREMES.into_iter().enumerate().filter(|(i, _)| all || (i + turn) % 4 == 0).map(|(_, v)| v) {
                let mut line = path.clone();
                match argument {
                    Some(option) => {
                        // What is tried takes the place of what is needed.
                        let mut needed = needed.iter().peekable();
                        while let Some(word) = needed.next() {
                            if word == option {
                                needed.next();
                            } else {
                                line.push((*word).to_owned());
                            }
                        }
                        line.push(format!("{option}={value}"));
                    }
                    None => {
                        line.extend(needed.iter().map(|word| (*word).to_owned()));
                        line.extend(["--".to_owned(), value.to_owned(), value.to_owned()]);
                        trials.push(line.clone());
                        line.pop();
                    }
                }
                trials.push(line);
            }
        }
    }
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()) {
            scope.spawn(|| {
                let own = tempfile::tempdir().expect("a folder");
                logs::two_people(own.path());
                while let Some(arguments) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = trial(own.path(), arguments) {
                        failures.lock().expect("no test panics here").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no test panics here");
    assert!(failures.is_empty(), "{} of {} trials failed:\n{}", failures.len(), trials.len(), failures.join("\n"));
}
