//! Storage in memory that fails as disks do, by seed.

use std::io::{self, Read};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Rewrite, Storage};

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
}

/// A disk in memory. Faults of the kinds it was given happen with the probability it was given, drawn from its seed.
#[derive(Debug, Clone)]
pub struct Faulty {
    bytes: Vec<u8>,
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
        Self { bytes: self.bytes, synced: self.synced, ..other }
    }

    /// What is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is there after the power came back: all that was synced, and by chance some of the rest. The faults remain.
    pub fn crash(mut self) -> Self {
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
        if self.happens(Fault::ShortWrite) {
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
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.refuse_if_read_only()?;
        if self.happens(Fault::FailedSync) {
            return Err(io::Error::other("the sync failed"));
        }
        self.synced = self.bytes.len();
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.refuse_if_read_only()?;
        if self.happens(Fault::FailedSync) {
            return Err(io::Error::other("the file could not be cut"));
        }
        self.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.synced = self.synced.min(self.bytes.len());
        Ok(())
    }

    fn replace(&mut self, rewrite: &mut Rewrite<'_>) -> io::Result<()> {
        self.refuse_if_read_only()?;
        let mut new = Vec::new();
        rewrite(&mut self.bytes.as_slice(), &mut new)?;
        if self.happens(Fault::ShortWrite) || self.happens(Fault::FailedSync) {
            return Err(io::Error::other("the new file could not be written"));
        }
        if new.len() > self.room().saturating_add(self.bytes.len()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.synced = new.len();
        self.bytes = new;
        Ok(())
    }
}
