//! The log's end as it grows: what was said, how it had been predicted, what it moved.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use credence_agent::protocol::ValuesView;
use credence_agent::views;
use credence_memory::ids::{Hash, PersonId, Seq};
use credence_memory::log::{Entry, Reader};
use credence_memory::replay::Until;
use credence_memory::state::{Applied, State};
use serde_json::json;

use crate::cli::ReplayArgs;
use crate::commands::evidence::{about, is_telling, outline};
use crate::exit::{Interrupted, WrongInput};
use crate::front::signals::watch;
use crate::surroundings::{open_log, say, say_json};

/// How often the file is looked at.
const WAIT: Duration = Duration::from_millis(300);

/// Follows a log until interrupted, or until a place in it.
pub(super) fn run(path: &Path, args: &ReplayArgs) -> anyhow::Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    let _watch = watch(move || seen.store(true, Ordering::SeqCst)).context("failed to watch for an interrupt")?;
    let mut tail =
        Follow { state: State::new(), bytes: 0, person: args.person.as_deref().map(super::named).transpose()? };
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
    person: Option<PersonId>,
}

impl Follow {
    /// Records that have been appended since the last look.
    fn news(&mut self, path: &Path) -> anyhow::Result<Vec<Entry>> {
        let mut file = open_log(path)?;
        let failed = || format!("failed to read the log {}", path.display());
        let length = file.metadata().with_context(failed)?.len();
        if length < self.bytes {
            anyhow::bail!(WrongInput(format!("{} was replaced while it was followed: start again", path.display())));
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
        let entries = reader.by_ref().collect::<Result<Vec<_>, _>>().with_context(failed)?;
        self.bytes += reader.whole_bytes();
        Ok(entries)
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
            Applied::Learned { surprise, .. } => Some(surprise.ln_predictive),
            _ => None,
        };
        let moved = match (&whose, before) {
            (Some(person), Some(before)) => views::changes(&before, &self.values(person)?),
            _ => Vec::new(),
        };
        if json {
            return say_json(&json!({
                "record": entry.seq.0, "time": entry.time, "kind": entry.record.kind(), "person": whose,
                "outline": outline(&entry.record), "ln_predictive": ln, "moved": moved,
            }));
        }
        let predicted = ln.map_or_else(String::new, |ln| format!("  (expected with probability {:.2})", ln.exp()));
        say(format!("{:>6}  {}  {}{predicted}", entry.seq.0, entry.time, outline(&entry.record)))?;
        let moved: Vec<String> = moved
            .iter()
            .filter(|c| c.mean_change.abs() >= 0.005)
            .map(|c| format!("{} {:+.2}", c.id, c.mean_change))
            .collect();
        if moved.is_empty() { Ok(()) } else { say(format!("        moved: {}", moved.join(", "))) }
    }

    fn values(&self, person: &PersonId) -> anyhow::Result<ValuesView> {
        Ok(views::values(&self.state, person, str::to_owned)?)
    }
}
