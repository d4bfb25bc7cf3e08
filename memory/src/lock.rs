//! A lock on a file: one process at a time.

use std::fs::{File, TryLockError};

/// A lock that is given up when it is dropped, and not only closed: a process that is being started at that moment holds a
/// copy of every open file until it has become another program.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock on an open file.
    ///
    /// # Errors
    /// If another process has it, or the file system refuses.
    pub fn take(file: File) -> Result<Self, TryLockError> {
        file.try_lock().map(|()| Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nothing can be done about a failure, and closing the file is the next thing that happens.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_holder_whoever_has_a_copy_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let open = || File::create(dir.path().join("lock")).unwrap();
        let held = Lock::take(open()).unwrap();
        assert!(matches!(Lock::take(open()), Err(TryLockError::WouldBlock)));
        let copied = held.0.try_clone().unwrap();
        drop(held);
        Lock::take(open()).unwrap();
        drop(copied);
    }
}
