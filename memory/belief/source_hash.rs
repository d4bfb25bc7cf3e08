//! A hash of source files, for build scripts: this crate's and that of `credence-memory`.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The hash of these files and of everything in these folders, by their names below `root` and their bytes. Asks cargo to run the
/// script again when one of them changes.
pub(crate) fn source_hash(root: &Path, mut files: Vec<PathBuf>, mut folders: Vec<PathBuf>) -> io::Result<u64> {
    while let Some(folder) = folders.pop() {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hash = Fnv::new();
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(root).unwrap_or(file);
        hash.take(name.to_string_lossy().replace('\\', "/").as_bytes());
        hash.take(&fs::read(file)?);
    }
    Ok(hash.0)
}

/// FNV-1a of 64 bits: the same on every machine, and nobody's secret depends on it.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn take(&mut self, bytes: &[u8]) {
        // The length keeps one file's end from being the next one's beginning.
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
