//! Files that commands write where the person says: whole or not at all, and never over what a home keeps.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::Global;
use crate::exit::WrongInput;
use crate::surroundings::home;

/// Folders of a home in which only the program itself writes.
const KEPT: [&str; 2] = ["evidence", "store"];

/// Refuses a place where nothing may be written: among what a home keeps, or where something stands that is no file.
pub(crate) fn check(global: &Global, path: &Path) -> anyhow::Result<()> {
    let refused = |why: &str| Err(WrongInput(format!("{} {why}: choose another name", path.display())).into());
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return refused("is there already and is no file");
    }
    let absolute = std::path::absolute(path).with_context(|| failed(path))?;
    // The file may be a link, and its folder too.
    let place = fs::canonicalize(&absolute).or_else(|_| {
        let folder = absolute.parent().unwrap_or(&absolute);
        Ok::<_, io::Error>(fs::canonicalize(folder)?.join(absolute.file_name().unwrap_or_default()))
    });
    let (Ok(place), Ok(home)) = (place, fs::canonicalize(home(global)?)) else { return Ok(()) };
    if KEPT.iter().any(|kept| place.starts_with(home.join(kept))) {
        return refused("is where the home keeps its evidence");
    }
    Ok(())
}

/// Writes a file, in place of one that was there.
pub(crate) fn write(global: &Global, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    check(global, path)?;
    let part = Part::write(path, bytes, 0o644).with_context(|| failed(path))?;
    part.put(path).with_context(|| failed(path))
}

fn failed(path: &Path) -> String {
    format!("failed to write {}", path.display())
}

/// The file under another name, until everything is in it.
pub(crate) struct Part(Option<PathBuf>);

impl Part {
    /// Writes and syncs it beside where it will be, with these permissions less the user's mask.
    pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut file = options.open(&part)?;
        let part = Self(Some(part));
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(part)
    }

    /// Gives it its name.
    pub(crate) fn put(mut self, path: &Path) -> io::Result<()> {
        match self.0.take() {
            Some(part) => fs::rename(part, path),
            None => Ok(()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(part) = &self.0 {
            let _ = fs::remove_file(part);
        }
    }
}
