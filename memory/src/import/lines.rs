//! Files read line by line or row by row, with their hash, their place and their progress. A row that cannot be read ends the
//! reading, or is left out and listed, as whoever imports wants.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{ImportError, LeftOut, Problem, Report};
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

/// What files are read with: where progress is reported, and what becomes of rows that cannot be read.
pub(super) struct Desk<'a> {
    report: Report<'a>,
    skip_bad: bool,
    left_out: Vec<LeftOut>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(report: Report<'a>, skip_bad: bool) -> Self {
        Self { report, skip_bad, left_out: Vec::new() }
    }

    /// The rows that were left out, in order.
    pub(super) fn left_out(self) -> Vec<LeftOut> {
        self.left_out
    }

    /// A row that cannot be read: the error, or nothing where such rows are left out.
    fn bad(&mut self, path: &Path, line: u64, problem: Problem) -> Result<(), ImportError> {
        let path = path.to_owned();
        if !self.skip_bad || problem.is_of_the_whole_file() {
            return Err(ImportError::Line { path, line, problem });
        }
        self.left_out.push(LeftOut { path, line, problem });
        Ok(())
    }
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

/// The text of a line. UTF-16 without a mark at its start is UTF-8 with a NUL after each letter, and no text has those.
fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or(Problem::NotUtf8)
}

/// Gives every line that is not blank to `each`; returns the hash of the file.
pub(super) fn each_line(
    path: &Path,
    desk: &mut Desk<'_>,
    mut each: impl FnMut(&str) -> Result<(), Problem>,
) -> Result<Hash, ImportError> {
    let mut bad = Vec::new();
    let mut report: Report<'_> = &mut *desk.report;
    let mut input = BufReader::with_capacity(1 << 18, open(path, &mut report)?);
    let mut bytes = Vec::new();
    let mut number = 0;
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    let skip_bad = desk.skip_bad;
    let hash = loop {
        bytes.clear();
        number += 1;
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut input).take(limit).read_until(b'\n', &mut bytes).map_err(failed)?;
        if read == 0 {
            break Hash(*input.into_inner().hasher.finalize().as_bytes());
        }
        let result = if read > LINE_BYTES_MAX {
            Err(Problem::TooLong)
        } else {
            text_of(&bytes).and_then(|text| {
                let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
                if text.trim().is_empty() { Ok(()) } else { each(text) }
            })
        };
        if let Err(problem) = result {
            let too_long = problem == Problem::TooLong && !bytes.ends_with(b"\n");
            bad.push((number, problem));
            if !skip_bad {
                break Hash::default();
            }
            if too_long {
                input.skip_until(b'\n').map_err(failed)?;
            }
        }
    };
    for (line, problem) in bad {
        desk.bad(path, line, problem)?;
    }
    Ok(hash)
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
    desk: &mut Desk<'_>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Problem>,
) -> Result<Hash, ImportError> {
    let mut bad = Vec::new();
    let skip_bad = desk.skip_bad;
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    let hash = {
        let mut report: Report<'_> = &mut *desk.report;
        let input = BufReader::with_capacity(1 << 18, open(path, &mut report)?);
        let mut reader = csv::Reader::from_reader(input);
        // The problem of a row; an error of the file itself ends the reading.
        let problem_of = |error: csv::Error| {
            let at = error.position().map_or(0, csv::Position::byte);
            match error.into_kind() {
                csv::ErrorKind::Io(source) => Err(failed(source)),
                csv::ErrorKind::Utf8 { .. } => Ok((at, Problem::NotUtf8)),
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                    Ok((at, Problem::Csv(format!("{len} fields where the header has {expected_len}"))))
                }
                other => Ok((at, Problem::Csv(format!("{other:?}")))),
            }
        };
        let headers = match reader.headers() {
            Ok(headers) => headers.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_owned()).collect(),
            Err(error) => {
                let (at, problem) = problem_of(error)?;
                let line = LineCounter::open(path).and_then(|mut c| c.line(at)).map_err(failed)?;
                return Err(ImportError::Line { path: path.to_owned(), line, problem });
            }
        };
        let headers: Vec<String> = headers;
        if headers.iter().any(|header| header.contains('\0')) {
            return Err(ImportError::Line { path: path.to_owned(), line: 1, problem: Problem::NotUtf8 });
        }
        let mut record = csv::StringRecord::new();
        loop {
            let result = match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let at = record.position().map_or(0, csv::Position::byte);
                    let long = record.iter().map(str::len).sum::<usize>() > LINE_BYTES_MAX;
                    let row = Row { headers: &headers, record: &record };
                    let result = match record.as_slice().contains('\0') {
                        _ if long => Err(Problem::TooLong),
                        true => Err(Problem::NotUtf8),
                        false => each(&row),
                    };
                    result.map_err(|problem| (at, problem))
                }
                Err(error) => Err(problem_of(error)?),
            };
            if let Err((at, problem)) = result {
                let fatal = problem.is_of_the_whole_file();
                bad.push((if fatal { 0 } else { at }, problem));
                if !skip_bad || fatal {
                    break;
                }
            }
        }
        let mut watched = reader.into_inner().into_inner();
        io::copy(&mut watched, &mut io::sink()).map_err(failed)?;
        Hash(*watched.hasher.finalize().as_bytes())
    };
    if !bad.is_empty() {
        let mut counter = LineCounter::open(path).map_err(failed)?;
        for (at, problem) in bad {
            let line = counter.line(at).map_err(failed)?;
            desk.bad(path, line, problem)?;
        }
    }
    Ok(hash)
}

/// Says on which line of a file a byte stands, counted as an editor does: a line ends in CR LF, LF or CR.
struct LineCounter {
    input: io::Bytes<BufReader<File>>,
    next: Option<u8>,
    at: u64,
    line: u64,
    path: PathBuf,
}

impl LineCounter {
    fn open(path: &Path) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(1 << 18, File::open(path)?).bytes();
        let next = input.next().transpose()?;
        Ok(Self { input, next, at: 0, line: 1, path: path.to_owned() })
    }

    fn step(&mut self) -> io::Result<()> {
        let passed = self.next;
        self.next = self.input.next().transpose()?;
        self.at += 1;
        if passed == Some(b'\n') || (passed == Some(b'\r') && self.next != Some(b'\n')) {
            self.line += 1;
        }
        Ok(())
    }

    /// The line of the row that begins at a byte, or after line ends that stand there.
    fn line(&mut self, byte: u64) -> io::Result<u64> {
        if byte < self.at {
            *self = Self::open(&self.path)?;
        }
        while self.next.is_some() && self.at < byte {
            self.step()?;
        }
        while matches!(self.next, Some(b'\r' | b'\n')) {
            self.step()?;
        }
        Ok(self.line)
    }
}
