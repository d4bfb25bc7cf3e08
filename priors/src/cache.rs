//! The cache of downloaded models.

use std::fs::File;
use std::io;
use std::path::Path;

/// BLAKE3 hash of a file, in hex.
///
/// # Errors
/// If the file cannot be read.
pub fn blake3_of(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}
