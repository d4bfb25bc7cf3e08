//! Writing a file so that a reader sees the old one or the new one, and never half of either.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::TrainingError;

/// Writes beside `path`, syncs, renames, syncs the directory.
///
/// # Errors
/// If any of it fails; then what stood at `path` is untouched.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrainingError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let beside = path.with_file_name(name);
    write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(|source| {
        // The rename is the commit; a leftover of a failed write is only clutter.
        let _ = fs::remove_file(&beside);
        TrainingError::io("write", path, source)
    })?;
    sync_directory(path).map_err(|e| TrainingError::io("sync the directory of", path, e))
}

fn write(path: &PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600); // an adapter holds what people said
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}
