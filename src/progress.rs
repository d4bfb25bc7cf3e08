//! Progress on standard error: bars on a terminal, elsewhere a plain line now and then.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use credence_priors::download::PullProgress;
use indicatif::style::ProgressTracker;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

/// Without a terminal, how often progress is said.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// How often what is shown is drawn anew, so that one slow step does not look like a stop.
const TICK: Duration = Duration::from_millis(500);

/// A bar for downloads.
#[derive(Default)]
pub(crate) struct PullBar {
    bar: Option<ProgressBar>,
}

impl PullProgress for PullBar {
    fn started(&mut self, what: &str, bytes: Option<u64>) {
        let bar = match bytes {
            Some(bytes) => bar(bytes, "{bytes} of {total_bytes}, {bytes_per_sec}, {left}"),
            None => bar_of_unknown_length("{bytes}"),
        };
        bar.set_message(what.to_owned());
        self.bar = Some(bar);
    }

    fn advanced(&mut self, bytes_done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes_done);
        }
    }

    fn finished(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A bar that counts things.
pub(crate) fn counting(what: &str) -> ProgressBar {
    let bar = bar(0, "{counted}{left}");
    bar.set_message(what.to_owned());
    bar
}

/// A bar of a file being read.
pub(crate) fn reading(what: &str) -> ProgressBar {
    let bar = bar(0, "{bytes} of {total_bytes}, {left}");
    bar.set_message(what.to_owned());
    bar
}

/// A bar of this length, whose message is followed by `counts`.
fn bar(length: u64, counts: &str) -> ProgressBar {
    let (target, template) = match io::stderr().is_terminal() {
        true => (ProgressDrawTarget::stderr(), format!("{{msg}} [{{bar:30}}] {counts}")),
        false => (PlainLines::target(), format!("{{msg}}: {counts}")),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.with_key("left", TimeLeft::default()).with_key("counted", counted));
    bar.enable_steady_tick(TICK);
    bar
}

/// How many of how many; nothing while it is not known of how many.
fn counted(state: &ProgressState, to: &mut dyn fmt::Write) {
    if let Some(len) = state.len().filter(|len| *len > 0) {
        // A bar cannot say that it could not be written.
        let _ = write!(to, "{} of {len}, ", state.pos());
    }
}

/// The time left at the pace since the first look at what is being done now: another length, or a position further back, is
/// another piece of work. A pace of the last seconds alone says years when one step takes longer.
#[derive(Clone, Default)]
struct TimeLeft {
    since: Option<Since>,
}

#[derive(Clone, Copy)]
struct Since {
    pos: u64,
    len: Option<u64>,
    at: Instant,
}

impl ProgressTracker for TimeLeft {
    fn clone_box(&self) -> Box<dyn ProgressTracker> {
        Box::new(self.clone())
    }

    fn tick(&mut self, state: &ProgressState, now: Instant) {
        let (pos, len) = (state.pos(), state.len());
        if self.since.is_none_or(|since| since.len != len || pos < since.pos) {
            self.since = Some(Since { pos, len, at: now });
        }
    }

    fn reset(&mut self, _: &ProgressState, _: Instant) {
        self.since = None;
    }

    fn write(&self, state: &ProgressState, to: &mut dyn fmt::Write) {
        let (pos, passed) = self.since.map_or((0, Duration::ZERO), |since| (since.pos, since.at.elapsed()));
        let done = state.pos().saturating_sub(pos);
        let open = state.len().unwrap_or(0).saturating_sub(state.pos());
        // A bar cannot say that it could not be written.
        let _ = match done {
            0 => write!(to, "{} so far", HumanDuration(passed)),
            _ => write!(to, "{} left", HumanDuration(passed.mul_f64(open as f64 / done as f64))),
        };
    }
}

/// What is shown while something of unknown length goes on; it goes away with what is returned.
#[must_use]
pub(crate) fn working(what: &str) -> ProgressBar {
    let bar = bar_of_unknown_length("{elapsed} so far");
    bar.set_message(what.to_owned());
    bar
}

/// A bar of unknown length, whose message is followed by `counts`.
fn bar_of_unknown_length(counts: &str) -> ProgressBar {
    let (target, template) = match io::stderr().is_terminal() {
        true => (ProgressDrawTarget::stderr(), format!("{{spinner}} {{msg}} {counts}")),
        false => (PlainLines::target(), format!("{{msg}}: {counts}")),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(TICK);
    bar
}

/// A file or pipe as a "terminal": of everything drawn it gets one line in [`BETWEEN_LINES`], so what ends sooner says nothing.
#[derive(Debug)]
struct PlainLines {
    drawn: Mutex<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    line: String,
    said: Instant,
}

impl PlainLines {
    fn target() -> ProgressDrawTarget {
        let drawn = Mutex::new(Drawn { line: String::new(), said: Instant::now() });
        ProgressDrawTarget::term_like_with_hz(Box::new(Self { drawn }), 1)
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for PlainLines {
    fn width(&self) -> u16 {
        200
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.write_str(s)
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.drawn().line.push_str(s);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.drawn().line.clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut drawn = self.drawn();
        let line = std::mem::take(&mut drawn.line);
        let line = line.trim();
        if line.is_empty() || drawn.said.elapsed() < BETWEEN_LINES {
            return Ok(());
        }
        drawn.said = Instant::now();
        writeln!(io::stderr(), "{line}")
    }
}
