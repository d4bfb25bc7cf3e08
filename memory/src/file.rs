//! Files that somebody names: opened only if reading them ends.

use std::fs::File;
use std::io;
use std::path::Path;

/// Where the system shows what is open already: standard input, and pipes that a shell makes for `<(...)`.
const OPEN_ALREADY: [&str; 4] = ["/dev/stdin", "/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];

/// Opens a file to read it. To open a named pipe waits until somebody writes to it, perhaps for ever, and a device may have no end: both
/// are refused, unless they are open already, as standard input is.
///
/// # Errors
/// There is no such file, it may not be read, or it is none whose reading ends; a folder is an error when it is read from.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() || OPEN_ALREADY.iter().any(|open| path.starts_with(open)) {
        return File::open(path);
    }
    let message = format!("it is {}; expected a regular file", name_of(kind));
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// What a file is that is neither a regular one nor a folder.
pub fn name_of(kind: std::fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_symlink() { "a link" } else { "no file" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn what_may_have_no_end_is_refused_and_what_is_open_is_not() {
        let dir = tempfile::tempdir().unwrap();
        // Named pipes are tested with the command: a process that is started here would hold the locks of the tests beside it.
        let socket = dir.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        for (path, says) in [(socket.as_path(), "a socket"), (&link, "a socket"), (Path::new("/dev/zero"), "a device")]
        {
            let error = open_regular(path).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("expected a regular file"), "{error}");
        }
        assert_eq!(open_regular(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(dir.path().join("text"), "text").unwrap();
        open_regular(&dir.path().join("text")).unwrap();
        if Path::new("/dev/stdin").exists() {
            open_regular(Path::new("/dev/stdin")).unwrap();
        }
    }
}
