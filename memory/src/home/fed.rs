//! A home that a stream feeds: what it opens as, and that nothing else is written to it.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::{Home, HomeError, OpenReport, locked_with_a_log};
use crate::record::Record;

impl Home {
    /// Opens a home that a stream feeds ([`Record::MessageReceived`]). What stands after the last message is of one that was not
    /// received whole: it is cut off, since the stream has it.
    ///
    /// # Errors
    /// As for [`Home::open`].
    pub fn open_fed(root: &Path) -> Result<(Self, OpenReport), HomeError> {
        let (paths, lock) = locked_with_a_log(root)?;
        let cut = |source| HomeError::Files { operation: "cut off the end of", path: paths.log(), source };
        cut_after_last_message(&paths.log()).map_err(cut)?;
        let (mut home, report) = Self::open_locked(paths, lock)?;
        home.fed = true;
        Ok((home, report))
    }

    /// That a home which follows a stream gets nothing from elsewhere: it would differ from all others that do.
    pub(super) fn may_write(&mut self, record: Option<&Record>) -> Result<(), HomeError> {
        self.fed |= matches!(record, Some(Record::MessageReceived(_)));
        match self.state.shards_followed().next() {
            Some(shard) if !self.fed => Err(HomeError::Fed { shard }),
            _ => Ok(()),
        }
    }
}

/// Cuts off what stands after the last message of a stream; a log without one stays as it is.
fn cut_after_last_message(log: &Path) -> io::Result<()> {
    /// A line begins with its number and time: its kind stands within so many bytes.
    const KIND_WITHIN: usize = 96;
    let file = OpenOptions::new().read(true).write(true).open(log)?;
    let mut lines = BufReader::with_capacity(1 << 18, &file);
    let (mut line, mut at, mut end) = (Vec::new(), 0, None);
    loop {
        line.clear();
        let bytes = lines.read_until(b'\n', &mut line)? as u64;
        if bytes == 0 {
            break;
        }
        at += bytes;
        let beginning = String::from_utf8_lossy(&line[..line.len().min(KIND_WITHIN)]);
        if line.ends_with(b"\n") && beginning.contains("\"kind\":\"MessageReceived\"") {
            end = Some(at);
        }
    }
    match end {
        Some(end) if end < at => {
            tracing::warn!(bytes = at - end, "the log's end was of a message that had not come whole, and is cut off");
            file.set_len(end)?;
            file.sync_data()
        }
        _ => Ok(()),
    }
}
