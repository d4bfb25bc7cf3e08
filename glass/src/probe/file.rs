//! One file a probe: JSON that a person can read, with a hash of its contents.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::ProbeFileError;
use super::examples::Source;
use super::parts::{Parts, Probe};
use crate::replaced::replace;

const FORMAT: &str = "credence-probe-1";
const KEY: &str = "probe";
/// Largest file that is read.
const BYTES_MAX: u64 = 16 << 20;

/// Writes `contents` under `key`, with the format and a BLAKE3 hash, in hexadecimal, of the contents' bytes as they stand.
pub(super) fn write(path: &Path, format: &str, key: &str, contents: &impl Serialize) -> Result<(), ProbeFileError> {
    let json = |source| ProbeFileError::Json { path: path.to_owned(), source };
    let raw = serde_json::value::to_raw_value(contents).map_err(json)?;
    let blake3 = blake3::hash(raw.get().as_bytes()).to_hex().to_string();
    let text = |text: &str| serde_json::value::to_raw_value(text).map_err(json);
    let envelope = BTreeMap::from([("format", text(format)?), ("blake3", text(&blake3)?), (key, raw)]);
    let mut bytes = serde_json::to_vec(&envelope).map_err(json)?;
    bytes.push(b'\n');
    replace(path, &bytes).map_err(|(doing, source)| ProbeFileError::Io { doing, path: path.to_owned(), source })
}

/// Reads what [`write`] wrote, and checks format and hash.
pub(super) fn read<T: DeserializeOwned>(path: &Path, format: &str, key: &str) -> Result<T, ProbeFileError> {
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
    let mut envelope: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(&fs::read(path).map_err(io)?).map_err(json)?;
    let mut take = |name: &str| {
        envelope.remove(name).ok_or_else(|| ProbeFileError::Unexpected {
            path: path.to_owned(),
            what: "contents",
            expected: format!("an entry {name:?}"),
            found: "none".to_owned(),
        })
    };
    let (found, hash, contents) = (take("format")?, take("blake3")?, take(key));
    check("format", format.to_owned(), serde_json::from_str(found.get()).map_err(json)?)?;
    let contents = contents?;
    let hash: String = serde_json::from_str(hash.get()).map_err(json)?;
    check("hash of the contents", blake3::hash(contents.get().as_bytes()).to_hex().to_string(), hash)?;
    if let Some(other) = envelope.keys().next() {
        check("contents", format!("nothing but format, blake3 and {key}"), other.clone())?;
    }
    serde_json::from_str(contents.get()).map_err(json)
}

impl Probe {
    /// BLAKE3 hash, in hexadecimal, of everything that the probe is: that of its file's contents.
    #[allow(clippy::missing_panics_doc, reason = "its numbers were checked to be finite")]
    pub fn hash(&self) -> String {
        let raw = serde_json::to_vec(self.parts()).expect("finite numbers are JSON");
        blake3::hash(&raw).to_hex().to_string()
    }

    /// Writes the probe to a file. What was there before stays until the new file is complete.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn save(&self, path: &Path) -> Result<(), ProbeFileError> {
        write(path, FORMAT, KEY, self.parts())
    }

    /// Reads a probe from a file and checks everything in it, but not whom it belongs to: for lists and for showing it.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or does not make a probe.
    pub fn open(path: &Path) -> Result<Self, ProbeFileError> {
        let parts: Parts = read(path, FORMAT, KEY)?;
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
