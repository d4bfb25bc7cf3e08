//! Carrying out: a command runs for an act that passed, while the home is open to others.
//!
//! The log is how others reach it: a stop, or an undo of the act, is a record, and the command is ended when it appears. What the
//! command came to is put beside the log first and then into it, by whoever opens the home next: by this process, as a rule.

mod kept;
mod news;
pub(crate) mod process;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use credence_agent::calls::{self, Calling};
use credence_memory::home::Home;
use credence_memory::ids::{PersonId, Seq};
use credence_memory::record::{CallEnded, StoppedBy};

use crate::commands::approvals::handed;
use crate::signals;
use crate::surroundings::now;

pub(crate) use kept::{settle, tell};

/// How often a service looks for calls that have ended, or were left by a program that is no more.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A call whose record is on the disk, and which this process has taken on.
pub(crate) struct Begun {
    /// The record that began it.
    pub(crate) call: Seq,
    slot: kept::Slot,
    news: news::News,
    input: Vec<u8>,
    calling: Calling,
    owner: PersonId,
    /// By this, processes of the call are known.
    mark: String,
}

/// Records that a call begins. The home may be closed, or used by others, after this.
///
/// # Errors
/// As [`calls::begin`]; a folder beside the log that cannot be written to. The command must not run then.
pub(crate) fn begin(home: &mut Home, owner: &PersonId, calling: Calling) -> anyhow::Result<Begun> {
    let root = home.paths().root().to_owned();
    // First the sign that somebody is at it, so that nobody takes the call for one that was left.
    let slot = kept::Slot::take(&root, home.state().head().0.next())?;
    let (call, input) = match calls::begin(home, owner, &calling, now()) {
        Ok(begun) => begun,
        Err(error) => {
            slot.remove();
            return Err(error.into());
        }
    };
    let news = news::News::since(&home.paths().log(), owner.clone(), calling.act, calling.task.clone())?;
    let mark = mark(home, call);
    Ok(Begun { call, slot, news, input, calling, owner: owner.clone(), mark })
}

/// What processes of a call carry in their environment: of this log, this record.
fn mark(home: &Home, call: Seq) -> String {
    format!("{}-{call}", home.state().header().map_or("", |header| header.log_id.as_str()))
}

/// Runs the command of a call to its end, which is put beside the log. Ends it where the person says stop, takes the act back, or
/// `is_ending` says that this process is to end.
///
/// # Errors
/// What the command came to cannot be kept.
pub(crate) fn run(begun: Begun, is_ending: &AtomicBool) -> anyhow::Result<CallEnded> {
    let Begun { call, slot, mut news, input, calling, owner, mark } = begun;
    let what = process::What {
        command: &calling.command,
        input: &input,
        mark: &mark,
        limit: Duration::from_secs(calling.seconds_max),
    };
    let ran = process::run(&what, &mut || {
        if is_ending.load(Ordering::SeqCst) { Some(StoppedBy::Signal) } else { news.stopped() }
    });
    let outcome = calls::outcome(&ran.ending, &ran.output);
    let ended = CallEnded {
        person: owner,
        call,
        ending: ran.ending,
        outcome,
        output: ran.output,
        output_bytes: ran.output_bytes,
        errors: ran.errors,
        milliseconds: ran.milliseconds,
    };
    slot.keep(&ended).context("what the command came to could not be kept")?;
    Ok(ended)
}

/// Says of this process that it is to end, from the first signal on; as long as the watch lives, running commands are ended first.
pub(crate) fn until_told() -> (Arc<AtomicBool>, signals::Watch) {
    let is_ending = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_ending);
    (is_ending, signals::watch(move || told.store(true, Ordering::SeqCst)))
}

/// Takes in what calls came to, and what an owner says at a terminal, as long as a desk is open: other processes run commands
/// and take answers meanwhile.
pub(crate) async fn look_after(desk: crate::serve::desk::DeskHandle) {
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let looked = desk.run(|desk| {
            let taken = handed::take_in(&mut desk.home);
            for person in taken.iter().filter_map(|taken| taken.evidence_of.as_ref()) {
                desk.forget_sessions_of(person);
            }
            let settled = match desk.home.state().calls().values().any(|call| call.ended.is_none()) {
                true => settle(&mut desk.home).map(drop),
                false => Ok(()),
            };
            (taken, settled)
        });
        let Ok((taken, settled)) = looked.await else { return };
        taken.into_iter().for_each(handed::Taken::tell);
        if let Err(error) = settled {
            tracing::warn!("what a call came to could not be recorded: {error:#}");
        }
    }
}

/// The folder beside the log.
fn folder(root: &Path) -> std::path::PathBuf {
    root.join("calls")
}
