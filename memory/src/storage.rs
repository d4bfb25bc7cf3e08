//! The seam under the log: bytes at the end of a file, and every way in which a disk may fail.

#[cfg(any(test, feature = "test-support"))]
mod faulty;
mod files;

use std::io::{self, Read, Write};

#[cfg(any(test, feature = "test-support"))]
pub use faulty::{Fault, Faulty, Moment, Operation};
pub use files::Files;
pub(crate) use files::is_at;

/// Reads the old bytes and writes the new ones.
pub type Rewrite<'a> = dyn FnMut(&mut dyn Read, &mut dyn Write) -> io::Result<()> + 'a;

/// Why a replacement failed, and what stands there now.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Nothing was replaced: the old bytes stand.
    #[error("nothing was replaced")]
    Kept(#[source] io::Error),
    /// The new bytes stand, but a crash may bring the old ones back.
    #[error("it was replaced, but is not known to be on the medium")]
    Unsynced(#[source] io::Error),
}

impl ReplaceError {
    /// The storage's error, whatever stands there.
    pub fn into_source(self) -> io::Error {
        let (ReplaceError::Kept(source) | ReplaceError::Unsynced(source)) = self;
        source
    }
}

/// How a storage is no longer what its writer left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Change {
    /// There is nothing in its place.
    #[error("it was removed")]
    Removed,
    /// There is something else in its place.
    #[error("another file stands in its place")]
    Replaced,
    /// It is longer or shorter.
    #[error("it has {found} bytes, not {expected}")]
    Length {
        /// Bytes that the writer left.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// It is as long, and ends otherwise.
    #[error("its last record is another one")]
    Content,
}

impl Change {
    /// Whether records are gone that stood there; otherwise they may be.
    pub fn loses_records(&self) -> bool {
        match self {
            Change::Removed => true,
            Change::Length { expected, found } => found < expected,
            Change::Replaced | Change::Content => false,
        }
    }
}

/// An append-only sequence of bytes that can be synced, cut back and replaced as a whole.
///
/// Nothing written is safe before [`Storage::sync`] has returned.
pub trait Storage {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The storage fails.
    fn len(&self) -> io::Result<u64>;

    /// Whether it holds nothing.
    ///
    /// # Errors
    /// The storage fails.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Its bytes from `offset` on, independent of what is appended later.
    ///
    /// # Errors
    /// The storage fails.
    fn read_from(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>>;

    /// How somebody else has changed it, if it is not so long any more or does not end so.
    ///
    /// # Errors
    /// The storage fails.
    fn changed(&self, len: u64, end: &[u8]) -> io::Result<Option<Change>> {
        let found = self.len()?;
        if found != len {
            return Ok(Some(Change::Length { expected: len, found }));
        }
        let mut last = Vec::with_capacity(end.len());
        self.read_from(len.saturating_sub(end.len() as u64))?.take(end.len() as u64).read_to_end(&mut last)?;
        Ok((!last.ends_with(end)).then_some(Change::Content))
    }

    /// Adds bytes at the end. After an error any part of them may stand there.
    ///
    /// # Errors
    /// The storage fails, or is full.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything appended is on the medium.
    ///
    /// # Errors
    /// The storage fails: what was appended may be lost in a crash.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts it to `len` bytes.
    ///
    /// # Errors
    /// The storage fails.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Replaces everything by what `rewrite` makes of it, synced: all of it or, on a crash, nothing. What is read and appended
    /// afterwards is of what stands there then.
    ///
    /// # Errors
    /// They say which of the two stands.
    fn replace(&mut self, rewrite: &mut Rewrite<'_>) -> Result<(), ReplaceError>;
}
