//! Files read line by line or row by row, with their hash, their place and their progress. A row that cannot be read ends the
//! reading, or is left out and listed, as whoever imports wants.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::records::{Parser, Records};
use super::whole::whole;
use super::{BadRows, ImportError, LeftOut, Problem, Report, own_csv};
use crate::file::open_regular;
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
    left_out: BadRows,
}

impl<'a> Desk<'a> {
    pub(super) fn new(report: Report<'a>, skip_bad: bool) -> Self {
        Self { report, skip_bad, left_out: BadRows::default() }
    }

    /// The rows that were left out, in order.
    pub(super) fn left_out(self) -> BadRows {
        self.left_out
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
    let file = open_regular(path).map_err(failed)?;
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
    let Desk { report, skip_bad, left_out } = desk;
    let mut report: Report<'_> = &mut **report;
    let mut input = BufReader::with_capacity(1 << 18, open(path, &mut report)?);
    let mut bytes = Vec::new();
    let mut number = 0;
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    loop {
        bytes.clear();
        number += 1;
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut input).take(limit).read_until(b'\n', &mut bytes).map_err(failed)?;
        if read == 0 {
            break Ok(Hash(*input.into_inner().hasher.finalize().as_bytes()));
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
            let (path, line) = (path.to_owned(), number);
            if !*skip_bad || problem.is_of_the_whole_file() {
                break Err(ImportError::Line { path, line, problem });
            }
            left_out.push(LeftOut { path, line, problem });
            if too_long {
                input.skip_until(b'\n').map_err(failed)?;
            }
        }
    }
}

/// Rows of a CSV file by the names of their columns.
pub(super) struct Row<'a> {
    headers: &'a [String],
    fields: &'a [&'a str],
    line: u64,
}

impl Row<'_> {
    /// The field of a column that must be there.
    pub(super) fn field(&self, column: &'static str) -> Result<&str, Problem> {
        self.optional(column).ok_or(Problem::NoColumn(column))
    }

    /// The field of a column that may be there.
    pub(super) fn optional(&self, column: &str) -> Option<&str> {
        let at = self.headers.iter().position(|h| h == column)?;
        self.fields.get(at).copied()
    }

    /// The columns of the file.
    pub(super) fn columns(&self) -> &[String] {
        self.headers
    }

    /// That nothing stands in columns without a name but what counts the rows: an index that a program put there.
    pub(super) fn unnamed_are_empty(&self) -> Result<(), Problem> {
        let unnamed = self.headers.iter().zip(self.fields).filter(|(name, _)| is_unnamed(name));
        match unnamed.map(|(_, field)| field).find(|field| !field.trim().is_empty() && whole(field).is_none()) {
            Some(found) => Err(Problem::Unnamed(found.chars().take(40).collect())),
            None => Ok(()),
        }
    }

    /// The line on which the row begins, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// That none of these columns is there twice: one of the two would be ignored.
    pub(super) fn once(&self, columns: &[&str]) -> Result<(), Problem> {
        let twice = |column: &&&str| self.headers.iter().filter(|h| h.as_str() == **column).count() > 1;
        match columns.iter().find(twice) {
            Some(column) => Err(Problem::TwoColumns((*column).to_owned())),
            None => Ok(()),
        }
    }
}

/// Whether a column has no name, or only that which a program gives to one without: `Unnamed: 0`.
pub(super) fn is_unnamed(name: &str) -> bool {
    name.is_empty() || name.starts_with("Unnamed: ")
}

/// Gives every row of a CSV file to `each`; returns the hash of the file.
pub(super) fn each_row(
    path: &Path,
    desk: &mut Desk<'_>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Problem>,
) -> Result<Hash, ImportError> {
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    let Desk { report, skip_bad, left_out } = desk;
    let mut report: Report<'_> = &mut **report;
    let mut records = Records::new(BufReader::with_capacity(1 << 18, open(path, &mut report)?));
    let mut parser = Parser::new();
    let mut headers: Option<(u64, Vec<String>)> = None;
    while let Some((line, found)) = records.next(headers.as_ref().map(|(_, h)| h.len())).map_err(failed)? {
        let fields = match &found {
            Ok(bytes) => parser.fields(bytes),
            Err(problem) => Err(problem.clone()),
        };
        let Some((header_line, names)) = &headers else {
            let names = fields.and_then(|fields| header(&fields));
            let names = names.map_err(|problem| ImportError::Line { path: path.to_owned(), line, problem })?;
            headers = Some((line, names));
            continue;
        };
        let result = fields.and_then(|mut fields| {
            // What a table program writes where the sheet is wider than the table.
            while fields.len() > names.len() && fields.last().is_some_and(|field| field.trim().is_empty()) {
                fields.pop();
            }
            if fields.len() != names.len() {
                let (len, columns) = (fields.len(), names.len());
                return Err(Problem::Csv(format!("{len} fields where the header has {columns}")));
            }
            // The program's own file has what stands in the log, whatever that is.
            if fields.iter().any(|field| field.contains('\0')) && !own_csv::is_own(names) {
                return Err(Problem::Nul);
            }
            each(&Row { headers: names, fields: &fields, line })
        });
        if let Err(problem) = result {
            let (path, fatal) = (path.to_owned(), problem.is_of_the_whole_file());
            let line = if fatal { *header_line } else { line };
            if !*skip_bad || fatal {
                return Err(ImportError::Line { path, line, problem });
            }
            left_out.push(LeftOut { path, line, problem });
        }
    }
    let mut watched = records.into_inner().into_inner();
    io::copy(&mut watched, &mut io::sink()).map_err(failed)?;
    Ok(Hash(*watched.hasher.finalize().as_bytes()))
}

/// The names of the columns.
fn header(fields: &[&str]) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = fields.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    if names.iter().any(|name| name.contains('\0')) {
        return Err(Problem::NotUtf8);
    }
    match names.first() {
        Some(first) if first.starts_with(['{', '[']) => Err(Problem::Csv("it begins as JSON does".into())),
        Some(first) if names.len() == 1 && first.contains(';') => {
            Err(Problem::Csv("its columns are separated by semicolons, where commas have to be".into()))
        }
        _ => Ok(names),
    }
}
