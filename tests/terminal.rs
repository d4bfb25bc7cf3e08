//! A session on a real terminal (a pseudo-terminal), over the real model: keys go in, and what a person would see comes out.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

mod real;

use real::Bench;

/// Longer than anything here takes on a busy machine: a screen that is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The command on a terminal of its own, which `script` (part of every Debian and Ubuntu) makes for it.
struct Session {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Session {
    fn start(bench: &Bench, args: &str) -> Self {
        let command = format!("stty rows 40 cols 110; exec '{}' {args}", env!("CARGO_BIN_EXE_credence"));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("CREDENCE_HOME", bench.dir.path())
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script` of util-linux makes a terminal");
        let keyboard = child.stdin.take().expect("a keyboard");
        let mut output = child.stdout.take().expect("what is drawn");
        let size = |n: u16| NonZero::new(n).expect("a size above zero");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(40), size(110), 0)));
        let drawn = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                drawn.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..count]);
            }
        });
        Self { child, keyboard, screen }
    }

    /// What is on the screen now.
    fn seen(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen().contents()
    }

    /// Waits until the screen satisfies `there`, and returns it.
    fn wait_for(&self, what: &str, there: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        loop {
            let seen = self.seen();
            if there(&seen) {
                return seen;
            }
            assert!(since.elapsed() < PATIENCE, "{what} never came:\n{seen}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("keys");
        self.keyboard.flush().expect("keys");
    }

    /// Presses `key` until the screen changes to what is expected: a question just shown takes no key for a moment,
    /// and one that arrives later brings its own page.
    fn press_until(&mut self, key: &str, what: &str, there: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        loop {
            self.press(key);
            let pressed = Instant::now();
            while pressed.elapsed() < Duration::from_secs(3) {
                let seen = self.seen();
                if there(&seen) {
                    return seen;
                }
                thread::sleep(Duration::from_millis(30));
            }
            assert!(since.elapsed() < PATIENCE, "{what} never came:\n{}", self.seen());
        }
    }

    /// Presses a key until the command ends, and returns how it ended and what then stands on the terminal.
    fn close(mut self) -> (ExitStatus, String) {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                break status;
            }
            assert!(since.elapsed() < PATIENCE, "it did not end:\n{}", self.seen());
            // It may end between the question whether it has and the key.
            let _ = self.keyboard.write_all(b"\r").and_then(|()| self.keyboard.flush());
            thread::sleep(Duration::from_millis(300));
        };
        let printed = self.wait_for("the printed summary", |s| s.contains("log.jsonl"));
        (status, printed)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // After a test that failed it would sit on.
        let _ = self.child.kill();
    }
}

#[test]
fn real_model_a_person_answers_looks_undoes_and_ends_on_a_terminal() {
    let bench = Bench::new();
    let mut session = Session::start(&bench, "session --person ada --seed 1");
    session.wait_for("the first question", |s| s.contains("no preference") && s.contains("0 answers"));
    session.press_until("1", "what the answer moved", |s| s.contains("1 answer ") && s.contains("predicted"));
    session.press_until("v", "the values", |s| s.contains("before your first answer") && s.contains("Privacy"));
    session.press("\u{1b}");
    session.wait_for("the question again", |s| !s.contains("before your first answer"));
    session.press_until("i", "a line to type on", |s| s.contains(" important: "));
    session.press("honesty > privacy\r");
    session.wait_for("what the statement moved", |s| s.contains("matters more"));
    session.press_until("u", "the statement undone", |s| s.contains("ndone"));
    session.press("q");
    // Any key closes the summary, which is then printed where the shell stands.
    let (status, printed) = session.close();
    assert!(status.success(), "{status:?}\n{printed}");
    let log = bench.log();
    assert!(log.contains("\"kind\":\"ChoiceMade\"") && log.contains("\"kind\":\"Retracted\""));
    assert!(bench.ok(&["replay", "--verify"], "").contains("match"));
}

#[test]
fn real_model_ctrl_c_on_a_terminal_ends_in_order_and_says_so() {
    let bench = Bench::new();
    let mut session = Session::start(&bench, "session --person ada --seed 1");
    session.wait_for("the first question", |s| s.contains("no preference"));
    session.press_until("2", "what the answer moved", |s| s.contains("1 answer "));
    session.press("\u{3}");
    let (status, printed) = session.close();
    // Ctrl-C is a key here, and the key for the end; a signal from outside is another thing and exits with 130.
    assert!(status.success(), "{status:?}\n{printed}");
    assert!(bench.log().contains("\"kind\":\"SessionEnded\""));
}
