//! Files that commands write where the person says: whole or not at all, and never over what a home keeps.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use credence_memory::home::Paths;

use crate::cli::Global;
use crate::exit::WrongInput;
use crate::surroundings::home;

/// What in a home only the program itself writes.
const KEPT: [&str; 5] = ["evidence", "store", "lock", "adapters", "training"];

/// How every evidence log begins.
const LOG_BEGINS: &[u8] = b"{\"seq\":1,\"time\":\"";

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
    let Ok(place) = place else { return Ok(()) };
    let own = fs::canonicalize(home(global)?).ok();
    // Homes of others are as much out of bounds.
    let others = place.ancestors().skip(1).filter(|folder| Paths::of(folder).log().exists());
    let mut homes = own.iter().map(PathBuf::as_path).chain(others);
    if homes.any(|home| KEPT.iter().any(|kept| place.starts_with(home.join(kept)))) {
        return refused("is where the home keeps its evidence");
    }
    if is_log(&place) {
        return refused("is an evidence log");
    }
    Ok(())
}

/// Whether a file that is there is an evidence log, wherever it is.
fn is_log(path: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LOG_BEGINS.len() as u64).read_to_end(&mut beginning));
    read.is_ok() && beginning == LOG_BEGINS
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
