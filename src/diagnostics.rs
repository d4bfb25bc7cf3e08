//! Warnings and details on standard error, held back while a screen has the terminal.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends diagnostics to standard error: warnings, more with `-v`, or as RUST_LOG says. While a session has the whole terminal
/// they are held back: warnings are shown there ([`warnings`]), and everything once the terminal is given back.
pub(crate) fn start_tracing(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "credence=info,credence_memory=info,credence_priors=info,credence_agent=info,credence_evals=info,warn",
        _ => {
            "credence=debug,credence_memory=debug,credence_priors=debug,credence_agent=debug,credence_evals=debug,info"
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Diagnostics)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).with(Warnings).init();
}

/// Whether lines are held back. A process has one standard error, which is why this is global.
static HOLDING: AtomicBool = AtomicBool::new(false);
/// Lines and warnings held back while the terminal is the screen's.
static HELD: Mutex<(Vec<u8>, Vec<String>)> = Mutex::new((Vec::new(), Vec::new()));
/// More is not held back.
const HELD_BYTES_MAX: usize = 1 << 20;

fn held() -> MutexGuard<'static, (Vec<u8>, Vec<String>)> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Warnings since the last call, for whoever has the terminal.
pub(crate) fn warnings() -> Vec<String> {
    std::mem::take(&mut held().1)
}

/// Holds lines back from now on: the terminal is a screen's.
pub(crate) fn hold() {
    HOLDING.store(true, Ordering::SeqCst);
}

/// Holds nothing back any more, and prints what was.
pub(crate) fn release() {
    HOLDING.store(false, Ordering::SeqCst);
    let lines = std::mem::take(&mut held().0);
    let _ = std::io::stderr().write_all(&lines);
}

/// Standard error, where it may be written to.
struct Diagnostics;

impl Write for Diagnostics {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !HOLDING.load(Ordering::SeqCst) {
            return std::io::stderr().write(bytes);
        }
        let lines = &mut held().0;
        if lines.len() + bytes.len() <= HELD_BYTES_MAX {
            lines.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Warnings as lines to the person, while the terminal is the screen's.
struct Warnings;

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::WARN && HOLDING.load(Ordering::SeqCst) {
            let mut words = Words::default();
            event.record(&mut words);
            held().1.push(format!("{}{}", words.message, words.rest));
        }
    }
}

/// What an event says: its message, and what belongs to it.
#[derive(Default)]
struct Words {
    message: String,
    rest: String,
}

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.rest.push_str(&format!(" {name}={value:?}")),
        }
    }
}
