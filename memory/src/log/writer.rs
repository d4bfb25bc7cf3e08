//! Appending to a log: a record is written and synced before anyone hears of it.

use std::io::{self, Read};

use jiff::Timestamp;

use super::{Entry, LogError, Reader, Tail, encode};
use crate::ids::{Hash, Seq};
use crate::record::Record;
use crate::storage::{ReplaceError, Storage};

/// The one writer of a log. The caller holds the home's lock.
#[derive(Debug)]
pub struct Writer<S> {
    storage: S,
    head: Seq,
    hash: Hash,
    len: u64,
    poisoned: Option<Seq>,
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
        let mut writer = Self { storage, head, hash, len: whole, poisoned: None };
        let torn = match tail {
            Tail::Clean => None,
            Tail::NoNewline => {
                writer.storage.append(b"\n").and_then(|()| writer.storage.sync()).map_err(failed)?;
                writer.len += 1;
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
        (self.head, self.hash)
    }

    /// The storage, for reading.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// Gives the storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Appends one record; it is on the medium when this returns.
    ///
    /// # Errors
    /// [`LogError::NotAppended`]: the log is as before. [`LogError::Unsure`]: nobody knows whether the record stands in it, and
    /// from then on [`LogError::Poisoned`]: nothing more is written.
    pub fn append(&mut self, time: Timestamp, record: Record) -> Result<Entry, LogError> {
        let seq = self.head.next();
        if let Some(seq) = self.poisoned {
            return Err(LogError::Poisoned { seq });
        }
        let time = to_millisecond(time);
        let (line, hash) = encode(seq, time, &record, self.hash)?;
        if let Err(source) = self.storage.append(&line).and_then(|()| self.storage.sync()) {
            // A record that was not acknowledged must not come back after a restart.
            if let Err(error) = self.storage.truncate(self.len) {
                self.poisoned = Some(seq);
                tracing::error!(%seq, %error, "a failed append could not be taken back");
                return Err(LogError::Unsure { seq, source });
            }
            return Err(LogError::NotAppended { seq, source });
        }
        let entry = Entry { seq, time, record, prev: self.hash, hash };
        self.len += line.len() as u64;
        self.head = seq;
        self.hash = hash;
        Ok(entry)
    }

    /// Begins a batch of records that follow the last one.
    pub fn batch(&self) -> Batch {
        Batch { seq: self.head, prev: self.hash, after: self.head, lines: Vec::new() }
    }

    /// Appends a batch: all of it or, on a crash, nothing. The log is copied, so this is for imports and not for sessions.
    ///
    /// # Errors
    /// As for [`Writer::append`]; after [`LogError::Unsure`] all of it stands in the log or nothing does.
    pub fn commit(&mut self, batch: Batch) -> Result<(), LogError> {
        assert_eq!(batch.after, self.head, "a batch follows the record after which it was begun");
        if let Some(seq) = self.poisoned {
            return Err(LogError::Poisoned { seq });
        }
        let (len, seq) = (self.len, self.head.next());
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
        self.len += batch.lines.len() as u64;
        (self.head, self.hash) = (batch.seq, batch.prev);
        Ok(())
    }

    /// Replaces the whole log by a batch that begins with its header ([`Batch::of_a_new_log`]): for erasure only.
    ///
    /// # Errors
    /// [`LogError::Storage`]: the old log stands. [`LogError::Unsynced`]: the new one does, unless a crash brings the old one
    /// back; nothing more is written.
    pub fn rewrite(&mut self, batch: Batch) -> Result<(), LogError> {
        assert_eq!(batch.after, Seq(0), "a log that takes another's place begins with its header");
        match self.storage.replace(&mut |_, new| new.write_all(&batch.lines)) {
            Ok(()) => {}
            Err(ReplaceError::Kept(source)) => return Err(LogError::Storage { operation: "rewrite", source }),
            Err(ReplaceError::Unsynced(source)) => {
                self.poisoned = Some(Seq::FIRST);
                return Err(LogError::Unsynced { source });
            }
        }
        (self.head, self.hash, self.poisoned) = (batch.seq, batch.prev, None);
        self.len = batch.lines.len() as u64;
        Ok(())
    }
}

/// Times in a log are milliseconds: what is returned must be what is read back.
fn to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).expect("a whole millisecond of a time that exists")
}
