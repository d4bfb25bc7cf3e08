//! Storage in memory that fails as disks do, by seed.

use std::io::{self, Read};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{ReplaceError, Rewrite, Storage};

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An append stops halfway with an error.
    ShortWrite,
    /// A sync returns an error; what was appended may or may not survive a crash.
    FailedSync,
    /// A crash loses some of what was not synced.
    LostTail,
    /// There is room for so many bytes in all.
    FullDisk {
        /// How many.
        bytes: u64,
    },
    /// One bit of what is stored turns over at the next crash.
    FlippedByte,
    /// Every change is refused.
    ReadOnly,
    /// An operation fails at a moment of its work.
    At(Operation, Moment),
}

/// What a storage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Storage::append`].
    Append,
    /// [`Storage::sync`].
    Sync,
    /// [`Storage::truncate`].
    Truncate,
    /// [`Storage::replace`].
    Replace,
}

/// Where in its work an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before anything was done.
    Before,
    /// With a part of it done, where it has parts.
    Inside,
    /// When all was done: only the answer is an error.
    After,
}

/// A disk in memory. Faults of the kinds it was given happen with the probability it was given, drawn from its seed.
#[derive(Debug, Clone)]
pub struct Faulty {
    bytes: Vec<u8>,
    /// What stood there before a replacement whose name is not synced: a crash may bring it back.
    before: Option<Vec<u8>>,
    synced: usize,
    faults: Vec<Fault>,
    probability: f64,
    rng: ChaCha8Rng,
}

impl Faulty {
    /// An empty disk.
    pub fn new(seed: u64, faults: &[Fault], probability: f64) -> Self {
        Self {
            bytes: Vec::new(),
            before: None,
            synced: 0,
            faults: faults.to_vec(),
            probability,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// A disk that never fails.
    pub fn sound() -> Self {
        Self::new(0, &[], 0.0)
    }

    /// A disk that never fails and holds some bytes.
    pub fn holding(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), synced: bytes.len(), ..Self::sound() }
    }

    /// This disk's bytes with the faults, and the chance of them, of another.
    pub fn with_faults_of(self, other: Faulty) -> Self {
        Self { bytes: self.bytes, before: self.before, synced: self.synced, ..other }
    }

    /// What is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is there after the power came back: all that was synced, and by chance some of the rest. The faults remain.
    pub fn crash(mut self) -> Self {
        if let Some(before) = self.before.take()
            && self.rng.random_bool(0.5)
        {
            self.synced = before.len();
            self.bytes = before;
        }
        if self.faults.contains(&Fault::LostTail) && self.bytes.len() > self.synced {
            let kept = self.rng.random_range(self.synced..=self.bytes.len());
            self.bytes.truncate(kept);
        }
        if self.happens(Fault::FlippedByte) && !self.bytes.is_empty() {
            let at = self.rng.random_range(0..self.bytes.len());
            self.bytes[at] ^= 1 << self.rng.random_range(0..8u32);
        }
        self.synced = self.bytes.len();
        self
    }

    /// The same disk without its faults.
    pub fn repaired(self) -> Self {
        Self { faults: Vec::new(), ..self }
    }

    fn happens(&mut self, fault: Fault) -> bool {
        self.faults.contains(&fault) && self.rng.random_bool(self.probability)
    }

    fn fail(&mut self, operation: Operation, moment: Moment) -> io::Result<()> {
        match self.happens(Fault::At(operation, moment)) {
            true => Err(io::Error::other(format!("{operation:?} failed {moment:?}").to_lowercase())),
            false => Ok(()),
        }
    }

    fn room(&self) -> usize {
        let room = self.faults.iter().find_map(|f| if let Fault::FullDisk { bytes } = f { Some(*bytes) } else { None });
        room.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(self.bytes.len()))
    }

    fn refuse_if_read_only(&self) -> io::Result<()> {
        if self.faults.contains(&Fault::ReadOnly) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }
}

impl Storage for Faulty {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_from(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(Box::new(&self.bytes[offset..]))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.refuse_if_read_only()?;
        self.fail(Operation::Append, Moment::Before)?;
        if self.happens(Fault::ShortWrite) || self.happens(Fault::At(Operation::Append, Moment::Inside)) {
            let written = self.rng.random_range(0..=bytes.len());
            self.bytes.extend_from_slice(&bytes[..written]);
            return Err(io::Error::other("the write stopped halfway"));
        }
        let room = self.room();
        if bytes.len() > room {
            self.bytes.extend_from_slice(&bytes[..room]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        self.fail(Operation::Append, Moment::After)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.refuse_if_read_only()?;
        self.fail(Operation::Sync, Moment::Before)?;
        if self.happens(Fault::FailedSync) {
            return Err(io::Error::other("the sync failed"));
        }
        if self.happens(Fault::At(Operation::Sync, Moment::Inside)) {
            self.synced = self.rng.random_range(self.synced..=self.bytes.len());
            return Err(io::Error::other("the sync stopped halfway"));
        }
        self.synced = self.bytes.len();
        self.fail(Operation::Sync, Moment::After)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.refuse_if_read_only()?;
        self.fail(Operation::Truncate, Moment::Before)?;
        if self.happens(Fault::FailedSync) {
            return Err(io::Error::other("the file could not be cut"));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if self.happens(Fault::At(Operation::Truncate, Moment::Inside)) {
            // Cut, but not synced: a crash may bring back what stood there.
            if self.bytes.len() > len && self.rng.random_bool(0.5) {
                self.bytes.truncate(len);
                self.synced = self.synced.min(len);
            }
            return Err(io::Error::other("cutting the file stopped halfway"));
        }
        self.bytes.truncate(len);
        self.synced = self.synced.min(self.bytes.len());
        self.fail(Operation::Truncate, Moment::After)
    }

    fn replace(&mut self, rewrite: &mut Rewrite<'_>) -> Result<(), ReplaceError> {
        self.refuse_if_read_only().map_err(ReplaceError::Kept)?;
        self.fail(Operation::Replace, Moment::Before).map_err(ReplaceError::Kept)?;
        let mut new = Vec::new();
        rewrite(&mut self.bytes.as_slice(), &mut new).map_err(ReplaceError::Kept)?;
        if self.happens(Fault::ShortWrite)
            || self.happens(Fault::FailedSync)
            || self.happens(Fault::At(Operation::Replace, Moment::Inside))
        {
            return Err(ReplaceError::Kept(io::Error::other("the new file could not be written")));
        }
        if new.len() > self.room().saturating_add(self.bytes.len()) {
            return Err(ReplaceError::Kept(io::ErrorKind::StorageFull.into()));
        }
        self.synced = new.len();
        let before = std::mem::replace(&mut self.bytes, new);
        self.before = None;
        if self.happens(Fault::At(Operation::Replace, Moment::After)) {
            self.before = Some(before);
            return Err(ReplaceError::Unsynced(io::Error::other("the new file's name could not be synced")));
        }
        Ok(())
    }
}
