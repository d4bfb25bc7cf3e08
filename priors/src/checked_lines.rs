//! Caches as JSON Lines, each with a checksum: what was edited or damaged is noticed, and read from the model again.
//!
//! ```text
//! {"key":"...","value":...,"sum":"..."}
//! ```
//!
//! `sum` is the beginning of the BLAKE3 hash of key and value as they stand in the line. Several programs may append to one
//! file at once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Hexadecimal digits of a checksum: it guards against accidents, and whoever forges one can forge the weights as well.
const DIGITS: usize = 16;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(borrow)]
    sum: Cow<'a, str>,
}

fn checksum(key: &str, value: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(b"\n").update(value.as_bytes());
    hasher.finalize().to_hex()[..DIGITS].to_owned()
}

/// All sound lines of a file that `fits` accepts, by their keys; the last of a key counts. A file that is not there has none.
///
/// Lines that do not match their checksum are left out, with one warning for the file until they stand there anew.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, fits: impl Fn(&T) -> bool) -> HashMap<String, T> {
    let mut known = HashMap::new();
    let Ok(file) = File::open(path) else { return known };
    let (mut changed, mut unreadable) = (HashSet::new(), 0_usize);
    for line in BufReader::new(file).split(b'\n').map_while(Result::ok).filter(|line| !line.trim_ascii().is_empty()) {
        let Ok(Line { key, value, sum }) = serde_json::from_slice::<Line<'_>>(&line) else {
            unreadable += 1;
            continue;
        };
        if checksum(&key, value.get()) != sum {
            changed.insert(key.into_owned());
            continue;
        }
        match serde_json::from_str::<T>(value.get()) {
            Ok(value) if fits(&value) => {
                // It was read again after it had been changed.
                changed.remove(key.as_ref());
                known.insert(key.into_owned(), value);
            }
            _ => unreadable += 1,
        }
    }
    if !changed.is_empty() {
        tracing::warn!(
            cache = %path.display(), lines = changed.len(),
            "lines of the cache do not match their checksum: they were edited or damaged, and are read from the model again"
        );
    }
    if unreadable > 0 {
        // Torn by a crash, or written before there were checksums.
        tracing::info!(cache = %path.display(), lines = unreadable, "passing over lines of the cache that cannot be read");
    }
    known
}

/// A value as a line with its checksum, begun on a new line: a torn line before it cannot spoil it.
pub(crate) fn line<T: Serialize>(key: &str, value: &T) -> io::Result<String> {
    let value = serde_json::value::to_raw_value(value)?;
    let sum = checksum(key, value.get());
    let line = Line { key: key.into(), value: &value, sum: sum.into() };
    Ok(format!("\n{}\n", serde_json::to_string(&line)?))
}

/// Opens a cache to append to it; makes its folder.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Appends lines in one write: two programs that append at once do not mix theirs.
pub(crate) fn append(path: &Path, lines: &str) -> io::Result<()> {
    append_to(path)?.write_all(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_digit_is_noticed_wherever_it_stands() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("cache.jsonl");
        append(&path, &line("a \"key\"", &vec![0.25, -1.5])?)?;
        append(&path, &line("other", &vec![3.0, 4.0])?)?;
        let whole = fs::read_to_string(&path)?;
        let all = read::<Vec<f64>>(&path, |_| true);
        assert_eq!((all.len(), &all["a \"key\""]), (2, &vec![0.25, -1.5]));
        for (at, byte) in whole.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
            let mut edited = whole.clone().into_bytes();
            edited[at] = if byte == b'9' { b'8' } else { byte + 1 };
            fs::write(&path, edited)?;
            assert_eq!(read::<Vec<f64>>(&path, |_| true).len(), 1, "byte {at} of {whole}");
        }
        Ok(())
    }

    #[test]
    fn torn_lines_and_lines_without_a_checksum_do_not_count() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("cache.jsonl");
        fs::write(&path, "{\"key\":\"old\",\"value\":[1.0]}\n{\"key\": torn")?;
        append(&path, &line("new", &vec![2.0])?)?;
        let known = read::<Vec<f64>>(&path, |_| true);
        assert_eq!(known.keys().collect::<Vec<_>>(), ["new"]);
        assert!(read::<Vec<f64>>(&path, |value| value.len() == 2).is_empty());
        assert!(read::<Vec<f64>>(&folder.path().join("none"), |_| true).is_empty());
        Ok(())
    }
}
