//! A session on the whole terminal.
//!
//! [`state`] folds what arrives, [`keys`] says what a key means, [`draw`] puts a state on a frame; all three are pure. Only this file and [`crate::terminal`]
//! touch the world.

mod bars;
mod cards;
mod draw;
mod input;
mod keys;
mod pages;
mod palette;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::Context;
use credence_agent::protocol::{Said, Shown};
use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc::UnboundedSender;

use super::Ending;
use super::clean::cleaned;
use crate::terminal;
pub(crate) use bars::axis_of_picture;
use palette::Palette;
use state::{ScreenState, Turn};

/// How long a key is waited for before looking what the session sent: below what a person notices.
const BEAT: Duration = Duration::from_millis(30);
/// A question stands at least this long before a key answers it: nobody reads faster, and a key held down must not answer unseen questions.
const READING_TIME_MIN: Duration = Duration::from_millis(200);

/// Runs a session on the terminal.
///
/// # Errors
/// When the terminal fails; it is restored first.
pub(crate) fn run(shown: &Receiver<Shown>, said: &UnboundedSender<Said>) -> anyhow::Result<Ending> {
    let signalled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&signalled);
    let _watch = crate::signals::watch(move || flag.store(true, Ordering::SeqCst));
    let mut state = ScreenState::new(Palette::from_environment());
    let ending = {
        let mut terminal = terminal::Terminal::open().context("failed to take the terminal")?;
        converse(&mut terminal, &mut state, shown, said, &signalled)?
    };
    if let Some(summary) = &state.summary {
        super::plain::print_summary(summary)?;
    }
    Ok(ending)
}

fn converse(
    terminal: &mut terminal::Terminal,
    state: &mut ScreenState,
    shown: &Receiver<Shown>,
    said: &UnboundedSender<Said>,
    signalled: &AtomicBool,
) -> anyhow::Result<Ending> {
    let mut fresh_since = None;
    let mut changed = true;
    loop {
        for text in crate::diagnostics::warnings() {
            state.show(cleaned(Shown::Notice { text }));
            changed = true;
        }
        loop {
            match shown.try_recv() {
                Ok(shown) => {
                    state.show(cleaned(shown));
                    changed = true;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) if state.summary.is_none() => return Ok(Ending::HungUp),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        if signalled.swap(false, Ordering::SeqCst) {
            state.leave = state.summary.is_some() || state.stopping;
            state.stopping = true;
            state.interrupted = true;
            said.send(Said::Stop).ok();
        }
        if state.leave {
            return Ok(if state.summary.is_some() && !state.interrupted {
                Ending::Summarised
            } else {
                Ending::Interrupted
            });
        }
        if terminal.is_lost() {
            anyhow::bail!("another part of the program panicked");
        }
        if changed || state.turn == Turn::Waiting {
            state.beat = state.beat.wrapping_add(1);
            let scroll_max = terminal.draw(|frame| draw::draw(state, frame)).context("failed to draw")?;
            state.scroll = state.scroll.min(scroll_max);
            changed = false;
        }
        fresh_since = (state.turn == Turn::Fresh).then(|| fresh_since.unwrap_or_else(Instant::now));
        // A terminal that has gone sends no key, and whoever reads from it reads nothing for ever.
        if !terminal::wait(BEAT) {
            state.interrupted = true;
            return Ok(Ending::Interrupted);
        }
        // Keys that were already pressed fall on a question still fresh, and do not answer it.
        while event::poll(Duration::ZERO).context("failed to read keys")? {
            changed = true;
            let answer = match event::read().context("failed to read keys")? {
                Event::Key(key) => keys::press(state, key),
                Event::Paste(text) => {
                    keys::paste(state, &text);
                    None
                }
                _ => None,
            };
            if let Some(answer) = answer {
                // When nobody listens any more, the hang-up is on its way.
                said.send(answer).ok();
            }
        }
        if fresh_since.is_some_and(|since| since.elapsed() >= READING_TIME_MIN) {
            state.turn = Turn::Open;
        }
    }
}
