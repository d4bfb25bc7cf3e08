//! The log's end as it grows: what was said, how it had been predicted, what it moved.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use credence_agent::protocol::{ValueChange, ValuesView};
use credence_agent::{names, views};
use credence_memory::ids::{Hash, PersonId, Seq};
use credence_memory::log::{Entry, Reader};
use credence_memory::replay::Until;
use credence_memory::state::{Applied, State};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::ReplayArgs;
use crate::commands::evidence::{about, is_telling, outline};
use crate::exit::{Interrupted, WrongInput};
use crate::signals::watch;
use crate::surroundings::{open_log, say, say_json};

/// How often the file is looked at.
const WAIT: Duration = Duration::from_millis(300);

/// A record that came in, as a line of `credence replay --follow --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewsJson {
    record: Seq,
    /// When it was written (RFC 3339).
    #[schema(value_type = String)]
    time: Timestamp,
    /// What kind of record it is.
    kind: &'static str,
    /// Whom it is about; nothing where it is about nobody.
    person: Option<PersonId>,
    /// What it says, in short.
    outline: String,
    /// Of evidence: the natural logarithm of the probability that it had been given.
    ln_predictive: Option<f64>,
    /// What it moved.
    moved: Vec<ValueChange>,
}

/// Follows a log until interrupted, or until a place in it.
pub(super) fn run(path: &Path, args: &ReplayArgs) -> anyhow::Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    let _watch = watch(move || seen.store(true, Ordering::SeqCst));
    let mut tail = Follow {
        state: State::new(),
        bytes: 0,
        last_line: Vec::new(),
        person: args.person.as_deref().map(super::named).transpose()?,
    };
    loop {
        for entry in tail.news(path)? {
            if args.until.is_some_and(|until| is_past(until, &entry)) {
                return Ok(());
            }
            tail.show(&entry, args.json)?;
            if args.until == Some(Until::Seq(entry.seq)) {
                return Ok(());
            }
        }
        sleep(WAIT);
        if interrupted.load(Ordering::SeqCst) {
            return Err(Interrupted.into());
        }
    }
}

fn is_past(until: Until, entry: &Entry) -> bool {
    match until {
        Until::Seq(seq) => entry.seq > seq,
        Until::Time(time) => entry.time > time,
    }
}

struct Follow {
    state: State,
    /// Bytes of the whole lines read.
    bytes: u64,
    /// The end of the last line read, its newline not counted: where it stands no more, the log was replaced.
    last_line: Vec<u8>,
    person: Option<PersonId>,
}

/// How much of a line is kept: its hash stands at its end.
const END_BYTES: usize = 80;

impl Follow {
    /// Records that have been appended since the last look. A log that took this one's place, as an erasure makes it, is read
    /// from its beginning, and what it has beyond the last record is the news.
    fn news(&mut self, path: &Path) -> anyhow::Result<Vec<Entry>> {
        let mut file = open_log(path)?;
        let failed = || format!("failed to read the log {}", path.display());
        if !self.is_where_it_was(&mut file).with_context(failed)? {
            return self.anew(path);
        }
        // Where a whole record had no newline, the newline comes before the next record.
        if self.bytes > 0 {
            file.seek(SeekFrom::Start(self.bytes)).with_context(failed)?;
            let mut next = [0];
            if file.read(&mut next).with_context(failed)? == 1 && next == *b"\n" {
                self.bytes += 1;
            }
        }
        file.seek(SeekFrom::Start(self.bytes)).with_context(failed)?;
        let (seq, hash): (Seq, Hash) = self.state.head();
        let mut reader = Reader::after(file, seq, hash);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next() {
            entries.push(entry.with_context(failed)?);
            self.keep_end(reader.line());
        }
        self.bytes += reader.whole_bytes();
        Ok(entries)
    }

    fn keep_end(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        self.last_line = line[line.len().saturating_sub(END_BYTES)..].to_vec();
    }

    /// Whether the last line read stands where it stood.
    fn is_where_it_was(&self, file: &mut File) -> std::io::Result<bool> {
        if self.bytes == 0 {
            return Ok(true);
        }
        let length = file.metadata()?.len();
        if length < self.bytes {
            return Ok(false);
        }
        let back = (self.last_line.len() as u64 + 1).min(self.bytes);
        file.seek(SeekFrom::Start(self.bytes - back))?;
        let mut found = vec![0; back as usize];
        file.read_exact(&mut found)?;
        // The newline may not have been there yet.
        let whole = found.strip_suffix(b"\n").unwrap_or(&found);
        Ok(whole.ends_with(&self.last_line))
    }

    /// Reads a log that took the place of the one that was followed.
    fn anew(&mut self, path: &Path) -> anyhow::Result<Vec<Entry>> {
        let failed = || format!("failed to read the log {}", path.display());
        let (before, seen) = (self.state.header().map(|h| h.log_id.clone()), self.state.head().0);
        let mut reader = Reader::new(open_log(path)?);
        let (mut state, mut news) = (State::new(), Vec::new());
        while let Some(entry) = reader.next() {
            let entry = entry.with_context(failed)?;
            if entry.seq > seen {
                news.push(entry);
            } else {
                state.note(&entry)?;
            }
            self.keep_end(reader.line());
        }
        if state.header().map(|h| h.log_id.clone()) != before || state.head().0 < seen {
            anyhow::bail!(WrongInput(format!(
                "{} was replaced by another log, or a shorter one, while it was followed: start again",
                path.display()
            )));
        }
        tracing::warn!("the log was rewritten while it was followed (somebody was erased): it was read anew");
        (self.state, self.bytes) = (state, reader.whole_bytes());
        Ok(news)
    }

    /// Takes a record in and shows it, if it tells something of whom is followed.
    fn show(&mut self, entry: &Entry, json: bool) -> anyhow::Result<()> {
        let whose = about(&entry.record).and_then(|name| PersonId::new(name).ok());
        let wanted = self.person.is_none() || self.person == whose;
        let before = match &whose {
            Some(person) if wanted && entry.record.evidence_origin().is_some() => Some(self.values(person)?),
            _ => None,
        };
        let applied = self.state.apply(entry)?;
        if !wanted || !is_telling(&entry.record) {
            return Ok(());
        }
        let ln = match &applied {
            Applied::Learned { surprise, .. } => surprise.as_ref().map(|s| s.ln_predictive),
            _ => None,
        };
        let moved = match (&whose, before) {
            (Some(person), Some(before)) => views::changes(&before, &self.values(person)?),
            _ => Vec::new(),
        };
        if json {
            return say_json(&NewsJson {
                record: entry.seq,
                time: entry.time,
                kind: entry.record.kind(),
                person: whose,
                outline: outline(&self.state, &entry.record),
                ln_predictive: ln,
                moved,
            });
        }
        let predicted = ln.map_or_else(String::new, |ln| format!("  (expected with probability {:.2})", ln.exp()));
        say(format!("{:>6}  {}  {}{predicted}", entry.seq.0, entry.time, outline(&self.state, &entry.record)))?;
        let moved: Vec<String> = moved
            .iter()
            .filter(|c| c.mean_change.abs() >= 0.005)
            .map(|c| format!("{} {:+.2}", c.name, c.mean_change))
            .collect();
        if moved.is_empty() { Ok(()) } else { say(format!("        moved: {}", moved.join(", "))) }
    }

    fn values(&self, person: &PersonId) -> anyhow::Result<ValuesView> {
        Ok(views::values(&self.state, person, names::value)?)
    }
}
