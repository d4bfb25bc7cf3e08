//! Storage in a file of the file system.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Change, ReplaceError, Rewrite, Storage};

/// A file, readable by its owner only.
#[derive(Debug)]
pub struct Files {
    /// Where it was asked for.
    path: PathBuf,
    /// Where it is: the end of the links, if `path` is one.
    place: PathBuf,
    file: File,
}

impl Files {
    /// Opens the file for appending, making it if it is not there.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        let existed = path.exists();
        let file = private(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
        if !existed {
            sync_directory_of(path)?;
        }
        // What replaces it later has to stand where it stands, and not in the place of a link to it.
        let place = if path.is_symlink() { std::fs::canonicalize(path)? } else { path.to_owned() };
        Ok(Self { path: path.to_owned(), place, file })
    }

    /// The file once more, for syncing it elsewhere.
    ///
    /// # Errors
    /// The system has no more handles.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Storage for Files {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_from(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn changed(&self, len: u64, end: &[u8]) -> io::Result<Option<Change>> {
        match is_at(&self.file, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Change::Removed)),
            Err(error) => return Err(error),
            Ok(false) => return Ok(Some(Change::Replaced)),
            Ok(true) => {}
        }
        let found = self.len()?;
        if found != len {
            return Ok(Some(Change::Length { expected: len, found }));
        }
        let mut last = vec![0; end.len()];
        let mut file = &self.file;
        // Appending goes to the end wherever this leaves off.
        file.seek(SeekFrom::Start(len.saturating_sub(end.len() as u64)))?;
        file.read_exact(&mut last)?;
        Ok((last != end).then_some(Change::Content))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        crate::moment!("write");
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        crate::moment!("sync");
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        if self.len()? < len {
            return Err(io::Error::other("the file is shorter than that already"));
        }
        self.file.set_len(len)?;
        self.file.sync_all()
    }

    fn replace(&mut self, rewrite: &mut Rewrite<'_>) -> Result<(), ReplaceError> {
        let beside = self.place.with_extension("new");
        crate::moment!("replace");
        let made = (|| {
            let mut options = OpenOptions::new();
            let file = private(options.read(true).append(true).create(true)).open(&beside)?;
            file.set_len(0)?;
            let mut writer = BufWriter::with_capacity(1 << 18, file);
            rewrite(&mut File::open(&self.place)?, &mut writer)?;
            let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            crate::moment!("rename");
            std::fs::rename(&beside, &self.place)?;
            Ok(file)
        })();
        match made {
            // From the rename on the old file is nobody's: whatever fails now, what is appended goes into the new one.
            Ok(file) => self.file = file,
            Err(error) => {
                // Best effort: what is left over is overwritten by the next attempt and never read.
                let _ = std::fs::remove_file(&beside);
                return Err(ReplaceError::Kept(error));
            }
        }
        sync_directory_of(&self.place).map_err(ReplaceError::Unsynced)
    }
}

/// Whether an open file is the one that a path leads to.
///
/// # Errors
/// Nothing is there, or the file system refuses.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = std::fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let held = file.metadata()?;
        Ok((held.dev(), held.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, there);
        Ok(true)
    }
}

/// A new file's name is safe only when its directory is.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
