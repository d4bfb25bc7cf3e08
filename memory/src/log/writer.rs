//! Appending to a log: a record is written and synced before anyone hears of it.

use std::io::{self, Read};

use jiff::Timestamp;

use super::{Entry, LogError, Reader, Tail, encode};
use crate::ids::{Hash, Seq};
use crate::record::Record;
use crate::storage::{Change, ReplaceError, Storage};

/// The one writer of a log. The caller holds the home's lock.
#[derive(Debug)]
pub struct Writer<S> {
    storage: S,
    end: End,
    /// What is known to be on the medium.
    safe: End,
    poisoned: Option<Seq>,
    /// How somebody else changed the log while it was open: nothing more is written then.
    changed: Option<Change>,
    held: Option<Held>,
}

/// Records that are written together later.
#[derive(Debug)]
struct Held {
    /// Where the log ends without them.
    before: End,
    lines: Vec<u8>,
    /// Where the log ended, and how many bytes waited, whenever somebody held who found others holding.
    within: Vec<(End, usize)>,
}

/// Where a log ends, or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The last record; 0 in an empty log.
    pub seq: Seq,
    /// Its hash.
    pub hash: Hash,
    /// Bytes up to its newline.
    pub len: u64,
}

/// Records that are appended together.
#[derive(Debug)]
pub struct Batch {
    seq: Seq,
    prev: Hash,
    after: Seq,
    lines: Vec<u8>,
}

impl Batch {
    /// Begins a batch with which a log begins.
    pub fn of_a_new_log() -> Self {
        Self { seq: Seq(0), prev: Hash::ZERO, after: Seq(0), lines: Vec::new() }
    }

    /// Adds a record; gives the entry that it will be.
    ///
    /// # Errors
    /// The record cannot be written as JSON.
    pub fn push(&mut self, time: Timestamp, record: Record) -> Result<Entry, LogError> {
        let (seq, prev, time) = (self.seq.next(), self.prev, to_millisecond(time));
        let (line, hash) = encode(seq, time, &record, prev)?;
        self.lines.extend_from_slice(&line);
        (self.seq, self.prev) = (seq, hash);
        Ok(Entry { seq, time, record, prev, hash })
    }
}

/// The last line had not been written whole and was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// How many bytes of it stood there.
    pub bytes: u64,
    /// The number that its record would have had.
    pub seq: Seq,
}

impl<S: Storage> Writer<S> {
    /// Reads the whole log, giving every entry to `each`, cuts off a torn last line, and stands ready to append.
    ///
    /// # Errors
    /// The first damage found, an error of the storage, or the first error of `each`. The log is then unchanged.
    pub fn open<E: From<LogError>>(
        storage: S,
        mut each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(Self, Option<Torn>), E> {
        let (head, hash, whole, tail) = {
            let input = storage.read_from(0).map_err(|source| LogError::Storage { operation: "read", source })?;
            let mut reader = Reader::new(input);
            for entry in &mut reader {
                each(entry?)?;
            }
            let (head, hash) = reader.head();
            (head, hash, reader.whole_bytes(), reader.tail())
        };
        let failed = |source| LogError::Storage { operation: "repair the end of", source };
        let end = End { seq: head, hash, len: whole };
        let mut writer = Self { storage, end, safe: end, poisoned: None, changed: None, held: None };
        let torn = match tail {
            Tail::Clean => None,
            Tail::NoNewline => {
                writer.storage.append(b"\n").and_then(|()| writer.storage.sync()).map_err(failed)?;
                writer.end.len += 1;
                writer.safe = writer.end;
                None
            }
            Tail::Torn { bytes } => {
                writer.storage.truncate(whole).map_err(failed)?;
                Some(Torn { bytes, seq: head.next() })
            }
        };
        Ok((writer, torn))
    }

    /// Number and hash of the last record; 0 and zeros in an empty log.
    pub fn head(&self) -> (Seq, Hash) {
        (self.end.seq, self.end.hash)
    }

    /// Where the log ends.
    pub fn end(&self) -> End {
        self.end
    }

    /// Where that ends which is known to be on the medium.
    pub fn safe(&self) -> End {
        self.safe
    }

    /// The storage, for reading.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// Gives the storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Appends one record; it is on the medium when this returns, with all before it. After [`Writer::hold`] it only waits.
    ///
    /// # Errors
    /// [`LogError::NotAppended`]: the log is as before. [`LogError::Unsure`]: nobody knows whether the record stands in it, and
    /// from then on [`LogError::Poisoned`]: nothing more is written.
    pub fn append(&mut self, time: Timestamp, record: Record) -> Result<Entry, LogError> {
        let before = self.end;
        let entry = self.append_unsynced(time, record)?;
        if self.held.is_some() {
            return Ok(entry);
        }
        if let Err(source) = self.storage.sync() {
            return Err(self.cut(before, entry.seq, source));
        }
        self.safe = self.end;
        Ok(entry)
    }

    /// Appends one record, which is not safe yet: nobody may be told of it before what was written so far was synced, by whatever
    /// way, and [`Writer::known_safe`] has been told.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn append_unsynced(&mut self, time: Timestamp, record: Record) -> Result<Entry, LogError> {
        let seq = self.end.seq.next();
        if self.held.is_none() {
            self.check()?;
        }
        let time = to_millisecond(time);
        let (line, hash) = encode(seq, time, &record, self.end.hash)?;
        match &mut self.held {
            Some(held) => held.lines.extend_from_slice(&line),
            None => {
                if let Err(source) = self.storage.append(&line) {
                    return Err(self.cut(self.end, seq, source));
                }
            }
        }
        let entry = Entry { seq, time, record, prev: self.end.hash, hash };
        self.end = End { seq, hash, len: self.end.len + line.len() as u64 };
        Ok(entry)
    }

    /// From now on records wait, until [`Writer::release`] writes them in one piece or [`Writer::let_go`] forgets them. Whoever holds
    /// while others do ends their own part of it by these, and what they release waits with the rest.
    ///
    /// # Errors
    /// Nothing can be appended.
    pub fn hold(&mut self) -> Result<(), LogError> {
        if let Some(held) = &mut self.held {
            held.within.push((self.end, held.lines.len()));
            return Ok(());
        }
        self.check()?;
        self.held = Some(Held { before: self.end, lines: Vec::new(), within: Vec::new() });
        Ok(())
    }

    /// What waits.
    pub fn held(&self) -> Option<Reader<&[u8]>> {
        self.held.as_ref().map(|held| Reader::after(held.lines.as_slice(), held.before.seq, held.before.hash))
    }

    /// Writes what waits, unsynced.
    ///
    /// # Errors
    /// As for [`Writer::append`]; the log then ends where it did before [`Writer::hold`].
    pub fn release(&mut self) -> Result<(), LogError> {
        if self.held.as_mut().is_some_and(|held| held.within.pop().is_some()) {
            return Ok(());
        }
        let Some(Held { before, lines, within: _ }) = self.held.take().filter(|held| !held.lines.is_empty()) else {
            return Ok(());
        };
        let end = std::mem::replace(&mut self.end, before);
        self.check()?;
        if let Err(source) = self.storage.append(&lines) {
            return Err(self.cut(before, before.seq.next(), source));
        }
        self.end = end;
        Ok(())
    }

    /// Forgets what waits; says whether there was something.
    pub fn let_go(&mut self) -> bool {
        if let Some(held) = &mut self.held
            && let Some((end, bytes)) = held.within.pop()
        {
            let was_something = held.lines.len() > bytes;
            held.lines.truncate(bytes);
            self.end = end;
            return was_something;
        }
        let Some(held) = self.held.take() else { return false };
        self.end = held.before;
        !held.lines.is_empty()
    }

    /// Writes nothing more: what the log holds and what whoever appends to it believes may differ.
    pub fn poison(&mut self) {
        self.poisoned = Some(self.end.seq.next());
    }

    /// That the log is as this writer left it. What was put in its place, or written over it, is not what a record would follow.
    fn check(&mut self) -> Result<(), LogError> {
        if let Some(seq) = self.poisoned {
            return Err(LogError::Poisoned { seq });
        }
        if self.changed.is_none() {
            let mut end = self.end.hash.hex().to_vec();
            end.extend_from_slice(b"\"}\n");
            let end: &[u8] = if self.end.len == 0 { &[] } else { &end };
            let seq = self.end.seq.next();
            self.changed =
                self.storage.changed(self.end.len, end).map_err(|source| LogError::NotAppended { seq, source })?;
        }
        match self.changed {
            Some(how) => Err(LogError::Changed { how }),
            None => Ok(()),
        }
    }

    /// Takes note that the log is on the medium up to this end.
    pub fn known_safe(&mut self, end: End) {
        if end.seq > self.safe.seq && end.seq <= self.end.seq {
            self.safe = end;
        }
    }

    /// Cuts off what is not known to be on the medium, after it could not be synced.
    ///
    /// # Errors
    /// [`LogError::Unsure`]: it could not be cut off, and nothing more is written.
    pub fn take_back(&mut self, source: io::Error) -> Result<(), LogError> {
        match self.cut(self.safe, self.safe.seq.next(), source) {
            LogError::NotAppended { .. } => Ok(()),
            error => Err(error),
        }
    }

    /// Cuts the log back to an end: a record that was not acknowledged must not come back after a restart.
    fn cut(&mut self, to: End, seq: Seq, source: io::Error) -> LogError {
        if let Err(error) = self.storage.truncate(to.len) {
            self.poisoned = Some(seq);
            tracing::error!(%seq, %error, "a failed append could not be taken back");
            return LogError::Unsure { seq, source };
        }
        self.end = to;
        LogError::NotAppended { seq, source }
    }

    /// Begins a batch of records that follow the last one.
    pub fn batch(&self) -> Batch {
        Batch { seq: self.end.seq, prev: self.end.hash, after: self.end.seq, lines: Vec::new() }
    }

    /// Appends a batch: all of it or, on a crash, nothing. The log is copied, so this is for imports and not for sessions. After
    /// [`Writer::hold`] it waits with the rest.
    ///
    /// # Errors
    /// As for [`Writer::append`]; after [`LogError::Unsure`] all of it stands in the log or nothing does.
    ///
    /// # Panics
    /// When the batch was begun after another record than the last one.
    pub fn commit(&mut self, batch: Batch) -> Result<(), LogError> {
        assert_eq!(batch.after, self.end.seq, "a batch follows the record after which it was begun");
        if let Some(held) = &mut self.held {
            held.lines.extend_from_slice(&batch.lines);
            let len = self.end.len + batch.lines.len() as u64;
            self.end = End { seq: batch.seq, hash: batch.prev, len };
            return Ok(());
        }
        self.check()?;
        let (len, seq) = (self.end.len, self.end.seq.next());
        let replaced = self.storage.replace(&mut |old, new| {
            io::copy(&mut old.take(len), new)?;
            new.write_all(&batch.lines)
        });
        match replaced {
            Ok(()) => {}
            Err(ReplaceError::Kept(source)) => return Err(LogError::NotAppended { seq, source }),
            Err(ReplaceError::Unsynced(source)) => {
                self.poisoned = Some(seq);
                return Err(LogError::Unsure { seq, source });
            }
        }
        self.end = End { seq: batch.seq, hash: batch.prev, len: len + batch.lines.len() as u64 };
        self.safe = self.end;
        Ok(())
    }

    /// Replaces the whole log by a batch that begins with its header ([`Batch::of_a_new_log`]): for erasure only.
    ///
    /// # Errors
    /// [`LogError::Storage`]: the old log stands. [`LogError::Unsynced`]: the new one does, unless a crash brings the old one
    /// back; nothing more is written.
    ///
    /// # Panics
    /// When the batch does not begin with a header.
    pub fn rewrite(&mut self, batch: Batch) -> Result<(), LogError> {
        assert_eq!(batch.after, Seq(0), "a log that takes another's place begins with its header");
        match self.check() {
            // It stands for whatever the log holds.
            Ok(()) | Err(LogError::Poisoned { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.storage.replace(&mut |_, new| new.write_all(&batch.lines)) {
            Ok(()) => {}
            Err(ReplaceError::Kept(source)) => return Err(LogError::Storage { operation: "rewrite", source }),
            Err(ReplaceError::Unsynced(source)) => {
                self.poisoned = Some(Seq::FIRST);
                return Err(LogError::Unsynced { source });
            }
        }
        self.end = End { seq: batch.seq, hash: batch.prev, len: batch.lines.len() as u64 };
        (self.safe, self.poisoned) = (self.end, None);
        Ok(())
    }
}

/// Times in a log are milliseconds: what is returned must be what is read back.
fn to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).expect("a whole millisecond of a time that exists")
}
