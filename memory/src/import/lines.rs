//! Files read line by line or row by row, with their hash, their place and their progress.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{ImportError, Problem, Report};
use crate::ids::Hash;

/// The longest line of a file to import.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// Bytes between two reports.
const REPORT_BYTES: u64 = 1 << 20;

/// Where an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read of the present file.
    pub bytes: u64,
    /// Bytes in it.
    pub total: u64,
}

/// A file that is hashed and counted while it is read.
pub(super) struct Watched<'a, 'r> {
    file: File,
    hasher: blake3::Hasher,
    progress: Progress,
    reported: u64,
    report: &'a mut Report<'r>,
}

impl Read for Watched<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.progress.bytes += read as u64;
        if read == 0 || self.progress.bytes - self.reported >= REPORT_BYTES {
            self.reported = self.progress.bytes;
            (self.report)(self.progress);
        }
        Ok(read)
    }
}

pub(super) fn open<'a, 'r>(path: &Path, report: &'a mut Report<'r>) -> Result<Watched<'a, 'r>, ImportError> {
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    Ok(Watched { file, hasher: blake3::Hasher::new(), progress: Progress { bytes: 0, total }, reported: 0, report })
}

/// Gives every line that is not blank, with its number, to `each`; returns the hash of the file.
pub(super) fn each_line(
    path: &Path,
    mut report: Report<'_>,
    mut each: impl FnMut(&str) -> Result<(), Problem>,
) -> Result<Hash, ImportError> {
    let mut input = BufReader::with_capacity(1 << 18, open(path, &mut report)?);
    let mut bytes = Vec::new();
    let mut number = 0;
    loop {
        bytes.clear();
        number += 1;
        let at = |problem| ImportError::Line { path: path.to_owned(), line: number, problem };
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut input).take(limit).read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
        if read == 0 {
            let watched = input.into_inner();
            return Ok(Hash(*watched.hasher.finalize().as_bytes()));
        }
        if read > LINE_BYTES_MAX {
            return Err(at(Problem::TooLong));
        }
        let text = str::from_utf8(&bytes).map_err(|_| at(Problem::NotUtf8))?;
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if !text.trim().is_empty() {
            each(text).map_err(at)?;
        }
    }
}

/// Rows of a CSV file by the names of their columns.
pub(super) struct Row<'a> {
    headers: &'a [String],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The field of a column that must be there.
    pub(super) fn field(&self, column: &'static str) -> Result<&str, Problem> {
        self.optional(column).ok_or(Problem::NoColumn(column))
    }

    /// The field of a column that may be there.
    pub(super) fn optional(&self, column: &str) -> Option<&str> {
        let at = self.headers.iter().position(|h| h == column)?;
        self.record.get(at)
    }

    /// The columns of the file.
    pub(super) fn columns(&self) -> &[String] {
        self.headers
    }
}

/// Gives every row of a CSV file to `each`; returns the hash of the file.
pub(super) fn each_row(
    path: &Path,
    mut report: Report<'_>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Problem>,
) -> Result<Hash, ImportError> {
    let mut reader = csv::Reader::from_reader(BufReader::with_capacity(1 << 18, open(path, &mut report)?));
    let at = |line, problem| ImportError::Line { path: path.to_owned(), line, problem };
    let not_csv = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => ImportError::Read { path: path.to_owned(), source },
            csv::ErrorKind::Utf8 { .. } => at(line, Problem::NotUtf8),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                at(line, Problem::Csv(format!("{len} fields where the header has {expected_len}")))
            }
            other => at(line, Problem::Csv(format!("{other:?}"))),
        }
    };
    let headers = reader.headers().map_err(not_csv)?;
    let headers: Vec<String> = headers.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(not_csv)? {
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().map(str::len).sum::<usize>() > LINE_BYTES_MAX {
            return Err(at(line, Problem::TooLong));
        }
        each(&Row { headers: &headers, record: &record }).map_err(|problem| at(line, problem))?;
    }
    let mut watched = reader.into_inner().into_inner();
    io::copy(&mut watched, &mut io::sink()).map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    Ok(Hash(*watched.hasher.finalize().as_bytes()))
}
