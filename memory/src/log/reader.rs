//! Reading a log from its first line on, checking the chain.

use std::io::{BufRead, BufReader, Read};

use super::line::{check_hash, decode};
use super::{Damage, Entry, LINE_BYTES_MAX, LogError};
use crate::ids::{Hash, Seq};
use crate::record::Record;

/// Entries of a log, in order. After an error it ends.
///
/// A last line that was not written whole is not an error: it was never acknowledged. [`Reader::tail`] tells of it.
pub struct Reader<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    next: Seq,
    head: Hash,
    /// Bytes of whole, checked lines.
    whole_bytes: u64,
    tail: Tail,
    ended: bool,
}

/// What stands after the last whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// The last record is whole, but its newline is missing.
    NoNewline,
    /// The beginning of a record that was never finished, so never acknowledged.
    Torn {
        /// Its length.
        bytes: u64,
    },
}

impl<R: Read> Reader<R> {
    /// Reads from the first line on.
    pub fn new(input: R) -> Self {
        Self::after(input, Seq(0), Hash::ZERO)
    }

    /// Reads on after a known record: `input` begins with the line after it.
    pub fn after(input: R, seq: Seq, hash: Hash) -> Self {
        Self {
            input: BufReader::with_capacity(1 << 18, input),
            line: Vec::new(),
            next: seq.next(),
            head: hash,
            whole_bytes: 0,
            tail: Tail::Clean,
            ended: false,
        }
    }

    /// Number and hash of the last record read; 0 and zeros before the first.
    pub fn head(&self) -> (Seq, Hash) {
        (Seq(self.next.0 - 1), self.head)
    }

    /// Bytes of the whole records read, newlines included.
    pub fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// What stands after the last record; known when the reader has ended without an error.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// The bytes of the last line read, newline included if it has one.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    fn read(&mut self) -> Result<Option<Entry>, LogError> {
        let seq = self.next;
        self.line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut self.line)
            .map_err(|source| LogError::Storage { operation: "read", source })?;
        if read == 0 {
            return Ok(None);
        }
        if read > LINE_BYTES_MAX {
            return Err(LogError::TooLong { seq, bytes: read });
        }
        let entry = match self.line.strip_suffix(b"\n") {
            Some(line) => decode(line, seq)?,
            None => match unfinished(&self.line) {
                Unfinished::Torn => {
                    self.tail = Tail::Torn { bytes: read as u64 };
                    return Ok(None);
                }
                Unfinished::LineEndChanged => {
                    return Err(LogError::Damaged { seq, reason: Damage::LineEnd });
                }
                Unfinished::OnlyNewlineMissing => {
                    self.tail = Tail::NoNewline;
                    decode(&self.line, seq)?
                }
            },
        };
        let damaged = |reason| Err(LogError::Damaged { seq, reason });
        if entry.prev != self.head {
            return damaged(Damage::BrokenChain);
        }
        if entry.seq != seq {
            return damaged(Damage::WrongSeq(entry.seq));
        }
        match (&entry.record, seq == Seq::FIRST) {
            (Record::LogOpened(_), false) => return damaged(Damage::SecondHeader),
            (Record::LogOpened(_), true) => {}
            (_, true) => return damaged(Damage::NoHeader),
            (_, false) => {}
        }
        self.head = entry.hash;
        self.next = seq.next();
        self.whole_bytes += read as u64;
        Ok(Some(entry))
    }
}

/// What a last line without a newline is.
enum Unfinished {
    Torn,
    OnlyNewlineMissing,
    LineEndChanged,
}

fn unfinished(line: &[u8]) -> Unfinished {
    if check_hash(line).is_ok() {
        return Unfinished::OnlyNewlineMissing;
    }
    // A whole record followed by one other byte was acknowledged once, and must not be cut off as torn.
    match line.split_last() {
        Some((_, rest)) if check_hash(rest).is_ok() => Unfinished::LineEndChanged,
        _ => Unfinished::Torn,
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Entry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}
