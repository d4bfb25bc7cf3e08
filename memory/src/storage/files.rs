//! Storage in a file of the file system.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Rewrite, Storage};

/// A file, readable by its owner only.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    file: File,
}

impl Files {
    /// Opens the file for appending, making it if it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let existed = path.exists();
        let file = private(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
        if !existed {
            sync_directory_of(path)?;
        }
        Ok(Self { path: path.to_owned(), file })
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

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        crate::moment!("write");
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        crate::moment!("sync");
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.sync_all()
    }

    fn replace(&mut self, rewrite: &mut Rewrite<'_>) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        crate::moment!("replace");
        let result = (|| {
            let file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&beside)?;
            let mut writer = BufWriter::with_capacity(1 << 18, file);
            rewrite(&mut File::open(&self.path)?, &mut writer)?;
            writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            crate::moment!("rename");
            std::fs::rename(&beside, &self.path)?;
            sync_directory_of(&self.path)?;
            // The open handle still points at the file that was replaced.
            self.file = OpenOptions::new().read(true).append(true).open(&self.path)?;
            Ok(())
        })();
        if result.is_err() {
            // Best effort: what is left over is overwritten by the next attempt and never read.
            let _ = std::fs::remove_file(&beside);
        }
        result
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
