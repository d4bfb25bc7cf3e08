//! One file a probe: JSON that a person can read, with a hash of its contents.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::ProbeFileError;
use super::examples::Source;
use super::parts::{Parts, Probe};
use crate::replaced::replace;

const FORMAT: &str = "credence-probe-1";
/// Largest file that is read.
const BYTES_MAX: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    format: String,
    /// BLAKE3 hash, in hexadecimal, of the bytes of `probe` as they stand.
    blake3: String,
    probe: Box<RawValue>,
}

impl Probe {
    /// Writes the probe to a file. What was there before stays until the new file is complete.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn save(&self, path: &Path) -> Result<(), ProbeFileError> {
        let json = |source| ProbeFileError::Json { path: path.to_owned(), source };
        let probe = serde_json::value::to_raw_value(self.parts()).map_err(json)?;
        let blake3 = blake3::hash(probe.get().as_bytes()).to_hex().to_string();
        let mut bytes = serde_json::to_vec(&Envelope { format: FORMAT.to_owned(), blake3, probe }).map_err(json)?;
        bytes.push(b'\n');
        replace(path, &bytes).map_err(|(doing, source)| ProbeFileError::Io { doing, path: path.to_owned(), source })
    }

    /// Reads a probe from a file and checks everything in it, but not whom it belongs to: for lists and for showing it.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or does not make a probe.
    pub fn open(path: &Path) -> Result<Self, ProbeFileError> {
        let io = |source| ProbeFileError::Io { doing: "read", path: path.to_owned(), source };
        let json = |source| ProbeFileError::Json { path: path.to_owned(), source };
        let check = |what, expected: String, found: String| {
            let path = path.to_owned();
            if expected == found { Ok(()) } else { Err(ProbeFileError::Unexpected { path, what, expected, found }) }
        };
        let length = fs::metadata(path).map_err(io)?.len();
        if length > BYTES_MAX {
            check("length", format!("at most {BYTES_MAX} bytes"), format!("{length} bytes"))?;
        }
        let envelope: Envelope = serde_json::from_slice(&fs::read(path).map_err(io)?).map_err(json)?;
        check("format", FORMAT.to_owned(), envelope.format)?;
        let contents = envelope.probe.get();
        check("hash of the probe", blake3::hash(contents.as_bytes()).to_hex().to_string(), envelope.blake3)?;
        let parts: Parts = serde_json::from_str(contents).map_err(json)?;
        Self::from_parts(parts).map_err(|source| ProbeFileError::Parts { path: path.to_owned(), source })
    }

    /// Reads a probe for states of `source`.
    ///
    /// # Errors
    /// As [`Self::open`], and if it was fitted for another model, width, number of layers or frame.
    pub fn load(path: &Path, source: &Source) -> Result<Self, ProbeFileError> {
        let probe = Self::open(path)?;
        probe.check_source(source).map_err(|source| ProbeFileError::Mismatch { path: path.to_owned(), source })?;
        Ok(probe)
    }
}
