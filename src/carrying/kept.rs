//! What is kept of a call beside the log: the lock of whoever runs it, and what it came to until that is a record.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use credence_agent::approvals::call_in_words;
use credence_agent::calls;
use credence_memory::home::Home;
use credence_memory::ids::Seq;
use credence_memory::lock::Lock;
use credence_memory::record::{ActOutcome, CallEnded, Ending};

use super::{folder, mark, process};
use crate::surroundings::now;

/// A call that this process runs; nobody else takes it for one that was left.
pub(super) struct Slot {
    result: PathBuf,
    file: PathBuf,
    lock: Lock,
}

fn paths(root: &Path, call: Seq) -> (PathBuf, PathBuf) {
    let folder = folder(root);
    (folder.join(format!("{call}.lock")), folder.join(format!("{call}.json")))
}

fn open(file: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

impl Slot {
    pub(super) fn take(root: &Path, call: Seq) -> anyhow::Result<Self> {
        let (file, result) = paths(root, call);
        let failed = || format!("failed to prepare {}", file.display());
        fs::create_dir_all(folder(root)).with_context(failed)?;
        // What is here of this number is of a record that was never written.
        remove(&result);
        let lock = Lock::take(open(&file).with_context(failed)?);
        let lock = lock.map_err(|error| anyhow::anyhow!("{error}")).with_context(failed)?;
        Ok(Self { result, file, lock })
    }

    /// Gives the call up before it began.
    pub(super) fn remove(self) {
        remove(&self.file);
        drop(self.lock);
    }

    /// Puts what the call came to beside the log, whole or not at all, and gives the call up.
    pub(super) fn keep(self, ended: &CallEnded) -> anyhow::Result<()> {
        let failed = || format!("failed to write {}", self.result.display());
        let unfinished = self.result.with_extension("unfinished");
        let mut file = open(&unfinished).with_context(failed)?;
        file.set_len(0).with_context(failed)?;
        file.write_all(&serde_json::to_vec(ended)?).with_context(failed)?;
        file.sync_all().with_context(failed)?;
        fs::rename(&unfinished, &self.result).with_context(failed)?;
        drop(self.lock);
        Ok(())
    }
}

fn remove(file: &Path) {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::debug!(%error, "{} is of no use any more and stays", file.display());
        }
        _ => {}
    }
}

/// A call that had no end in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Another process runs it.
    Running(Seq),
    /// What it came to was kept, and is a record now.
    Ended(Seq),
    /// Whoever ran it is gone, and what it came to is not known. So the record says now. `still_ran`: how many of its processes
    /// there were still, and were ended.
    Unseen {
        /// The call.
        call: Seq,
        /// Processes.
        still_ran: usize,
    },
}

/// Looks at calls that have no end in the log: what was kept becomes a record; of those that nobody runs any more it is recorded that
/// nobody knows. None is run again.
///
/// # Errors
/// The home cannot be written to.
pub(crate) fn settle(home: &mut Home) -> anyhow::Result<Vec<Found>> {
    let open_calls = home.state().calls().iter().filter(|(_, call)| call.ended.is_none());
    let open_calls: Vec<(Seq, _)> = open_calls.map(|(seq, call)| (*seq, call.begun.person.clone())).collect();
    let root = home.paths().root().to_owned();
    let mut found = Vec::new();
    for (call, person) in open_calls {
        let (file, result) = paths(&root, call);
        let held = match open(&file).map(Lock::take) {
            Ok(Err(TryLockError::WouldBlock)) => {
                found.push(Found::Running(call));
                continue;
            }
            Ok(Ok(lock)) => Some(lock),
            // Without a folder there is nobody who could have locked anything in it.
            Ok(Err(TryLockError::Error(_))) | Err(_) => None,
        };
        let kept = fs::read(&result).ok().and_then(|bytes| serde_json::from_slice::<CallEnded>(&bytes).ok());
        let (ended, what) = match kept.filter(|ended| ended.call == call && ended.person == person) {
            Some(ended) => (ended, Found::Ended(call)),
            None => {
                let still_ran = process::end_left(&mark(home, call));
                let ended = CallEnded {
                    person,
                    call,
                    ending: Ending::Unseen,
                    outcome: ActOutcome::Unknown,
                    output: String::new(),
                    output_bytes: 0,
                    errors: String::new(),
                    milliseconds: 0,
                };
                (ended, Found::Unseen { call, still_ran })
            }
        };
        calls::end(home, ended, now())?;
        remove(&result);
        remove(&file);
        drop(held);
        found.push(what);
    }
    Ok(found)
}

/// What a person has to be told of calls that were found.
pub(crate) fn tell(home: &Home, found: &[Found]) {
    for what in found {
        let (Found::Running(seq) | Found::Ended(seq) | Found::Unseen { call: seq, .. }) = what;
        let Some(call) = home.state().calls().get(seq) else { continue };
        let (act, words) = (call.begun.act, call_in_words(&call.request));
        match what {
            Found::Running(_) => tracing::warn!("act {act}, {words}, is being carried out by another process"),
            Found::Ended(_) => tracing::warn!("act {act}, {words}: {}", calls::end_in_words(call)),
            Found::Unseen { still_ran, .. } => tracing::warn!(
                "act {act}, {words}, was begun (record {seq}), and the program that ran it ended before it could see what came of it. \
                 Nobody knows what it did; it is not done again by itself.{}",
                if *still_ran == 0 { "" } else { " Its command was still running and was ended." }
            ),
        }
    }
}
