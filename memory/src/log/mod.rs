//! The evidence log: one JSON line a record, each chained to the one before. `docs/log-format.md` has the form.
//!
//! It is the ground state. Nothing may act on a record before [`Writer::append`] has returned it.

mod apart;
mod line;
mod reader;
#[cfg(test)]
mod tests;
mod writer;
mod written;

use std::io;

use jiff::Timestamp;

use crate::ids::{Hash, Seq};
use crate::record::Record;
use crate::storage::Change;

pub(crate) use apart::read_through;
pub use line::{decode, encode};
pub use reader::{Reader, Tail};
pub use writer::{Batch, End, Torn, Writer};

/// Version of the format that this build writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The longest line, newline included.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// A record in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its position, also the number of its line.
    pub seq: Seq,
    /// When, to the millisecond, by the clock of whoever appended it. It may go backwards.
    pub time: Timestamp,
    /// What.
    pub record: Record,
    /// Hash of the line before; zeros for the first.
    pub prev: Hash,
    /// Its own hash.
    pub hash: Hash,
}

/// Why a log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The storage failed.
    #[error("failed to {operation} the evidence log")]
    Storage {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// An append failed; the log is as it was before, and may be appended to again.
    #[error("failed to append record {seq}; nothing was recorded")]
    NotAppended {
        /// The number that the record would have had.
        seq: Seq,
        /// Why.
        source: io::Error,
    },
    /// Writing failed in such a way that what the log holds from a record on is not known: the record may stand in it.
    #[error(
        "record {seq} was written, but is not known to be safe: it may or may not stand in the log after a crash; open the home again"
    )]
    Unsure {
        /// The first record of which it is not known.
        seq: Seq,
        /// Why.
        source: io::Error,
    },
    /// The log took another's place, but a crash may bring the old one back.
    #[error("the evidence log was rewritten, but a crash may still bring the old one back; open the home again")]
    Unsynced {
        /// Why.
        source: io::Error,
    },
    /// An append failed before and could not be taken back: what the file now holds is not known.
    #[error(
        "nothing more is written to the evidence log: what became of record {seq} is not known since writing it failed; \
         open the home again"
    )]
    Poisoned {
        /// The record during which it happened.
        seq: Seq,
    },
    /// Somebody else put another file in the log's place, or changed it, while it was open.
    #[error(
        "the evidence log was changed by something else while it was open ({how}): nothing was recorded, and nothing more is \
         written; open the home again"
    )]
    Changed {
        /// How.
        how: Change,
    },
    /// A line is not what was written.
    #[error("record {seq} (line {seq} of the log) is damaged: {reason}")]
    Damaged {
        /// The record, which is also the line's number.
        seq: Seq,
        /// How it shows.
        reason: Damage,
    },
    /// Written by a newer program.
    #[error("the log has format {found}, this program reads up to {FORMAT}: use a newer version of it")]
    NewerFormat {
        /// The format it has.
        found: u32,
    },
    /// A record of a kind that this format does not have.
    #[error("record {seq} is of kind {kind:?}, which format {FORMAT} does not have")]
    UnknownKind {
        /// The record.
        seq: Seq,
        /// Its kind.
        kind: String,
    },
    /// Longer than a line may be.
    #[error("record {seq} would need {bytes} bytes, a line may have {LINE_BYTES_MAX}")]
    TooLong {
        /// The record.
        seq: Seq,
        /// Its length, or where reading it was given up.
        bytes: usize,
    },
    /// A record could not be written as JSON, or would not be read back.
    #[error("record {seq} cannot be written as a line of the log")]
    Unwritable {
        /// The record.
        seq: Seq,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no header, so no log.
    #[error("the log is empty: it has no header")]
    Empty,
}

/// How a damaged line shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not end in `,"hash":"…"}`.
    #[error("the line does not end in a hash")]
    NoHash,
    /// The hash it ends in is not the line's.
    #[error("its content does not have the hash it states")]
    WrongHash,
    /// It is not linked to the line before.
    #[error("it does not follow the record before it")]
    BrokenChain,
    /// Its number is not its place.
    #[error("it says that it is record {0}")]
    WrongSeq(Seq),
    /// It has the right hash, but is no record.
    #[error("it cannot be understood: {0}")]
    NotARecord(String),
    /// A newline is missing where a whole record ends.
    #[error("the end of its line was changed")]
    LineEnd,
    /// The first record is not a header.
    #[error("the log does not begin with its header")]
    NoHeader,
    /// A second header.
    #[error("a header in the middle of the log")]
    SecondHeader,
}
