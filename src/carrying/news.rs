//! What others append to the log while a command runs: a stop of its task, an undo of its act.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;
use credence_approvals::ApprovalRecord;
use credence_memory::ids::{PersonId, TaskId};
use credence_memory::record::{Record, StoppedBy};

/// The log from a place on.
pub(super) struct News {
    log: PathBuf,
    /// Bytes that were read.
    read: u64,
    owner: PersonId,
    act: u64,
    task: Option<TaskId>,
}

impl News {
    /// From the log's end on.
    pub(super) fn since(log: &Path, owner: PersonId, act: u64, task: Option<TaskId>) -> anyhow::Result<Self> {
        let read = std::fs::metadata(log).with_context(|| format!("failed to read {}", log.display()))?.len();
        Ok(Self { log: log.to_owned(), read, owner, act, task })
    }

    /// Who ended the act since the last look, if anybody did. A log that cannot be read says nothing.
    pub(super) fn stopped(&mut self) -> Option<StoppedBy> {
        match self.look() {
            Ok(stopped) => stopped,
            Err(error) => {
                tracing::debug!(%error, "the log could not be read while a command ran");
                None
            }
        }
    }

    fn look(&mut self) -> std::io::Result<Option<StoppedBy>> {
        let mut file = File::open(&self.log)?;
        let length = file.metadata()?.len();
        if length < self.read {
            // An erasure put another log in its place.
            self.read = 0;
        }
        if length == self.read {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            self.read += line.len() as u64;
            if let Some(by) = serde_json::from_slice(&line).ok().and_then(|record| self.is_ended_by(&record)) {
                return Ok(Some(by));
            }
            line.clear();
        }
        Ok(None)
    }

    fn is_ended_by(&self, record: &Record) -> Option<StoppedBy> {
        match record {
            Record::StopRequested(r) if r.person == self.owner && (r.task.is_none() || r.task == self.task) => {
                Some(StoppedBy::Stop)
            }
            Record::ApprovalNoted(r) if r.person == self.owner => match r.entry {
                ApprovalRecord::ActUndone { act, .. } if act == self.act => Some(StoppedBy::Undo),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use credence_memory::sample::{Scribe, calls, id};

    use super::*;

    #[test]
    fn only_a_stop_or_an_undo_of_this_very_act_is_news() {
        let mut scribe = Scribe::begun();
        let before = scribe.bytes().len();
        calls(&mut scribe);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut file = File::create(&path).unwrap();
        file.write_all(&scribe.bytes()[..before]).unwrap();
        let undone = scribe.entries().iter().find_map(|entry| match &entry.record {
            Record::ApprovalNoted(noted) => match noted.entry {
                ApprovalRecord::ActUndone { act, .. } => Some(act),
                _ => None,
            },
            _ => None,
        });
        let task = TaskId::new("task-9").ok();
        let news = |act, task: &Option<TaskId>| News::since(&path, id("ada"), act, task.clone()).unwrap();
        let mut of_act = news(undone.unwrap(), &None);
        let mut of_task = news(2, &task);
        let mut of_another = news(2, &TaskId::new("other").ok());
        let mut of_somebody = News::since(&path, id("bob"), undone.unwrap(), task).unwrap();
        // Half a line says nothing yet.
        let rest = &scribe.bytes()[before..];
        let (most, last) = rest.split_at(rest.len() - 40);
        file.write_all(most).unwrap();
        assert_eq!(of_another.stopped(), None);
        file.write_all(last).unwrap();
        assert_eq!((of_act.stopped(), of_task.stopped()), (Some(StoppedBy::Undo), Some(StoppedBy::Stop)));
        assert_eq!((of_another.stopped(), of_somebody.stopped()), (None, None));
    }
}
