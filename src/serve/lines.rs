//! Files of lines that are only added to. A line stands whole or not at all, also where the disk is full in the middle of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Adds lines, each with its end, in one piece; they are on the disk when this returns. What a crash left of a line before is cut first.
///
/// # Errors
/// The file cannot be written. It is as it was then: half a line would take the next one with it.
pub(super) fn append(path: &Path, lines: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let end = cut(&mut file)?;
    let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
    written.inspect_err(|_| {
        // Where even that fails, the next one who writes cuts it.
        let _ = file.set_len(end);
    })
}

/// Cuts what stands after the last end of a line; gives the length that is left, in bytes.
pub(super) fn cut(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 4096;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_of_a_line_takes_no_other_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let long = "x".repeat(10_000);
        for (before, after) in [("", "new\n"), ("one\n", "one\nnew\n"), ("one\ntw", "one\nnew\n"), (&long, "new\n")] {
            std::fs::write(&path, before).unwrap();
            append(&path, "new\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        std::fs::write(&path, format!("one\n{long}")).unwrap();
        append(&path, "new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nnew\n");
    }
}
