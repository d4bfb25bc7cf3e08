//! Putting a file in the place of another, whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file beside `path`, syncs it, and renames it to `path`. On failure: what was being done, and why not.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), (&'static str, io::Error)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let mut file = fs::File::create(&name).map_err(|source| ("create a file beside", source))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|source| ("write", source))?;
    fs::rename(&name, path).map_err(|source| ("replace", source))
}
