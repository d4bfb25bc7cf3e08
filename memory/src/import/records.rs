//! CSV records, each with the line that it begins on. A quotation mark that is never closed, or only by the mark of another row,
//! costs its own line and not those after it.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::Problem;
use super::lines::LINE_BYTES_MAX;

/// Where in a record a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Bare,
    Quoted,
    /// After a mark that closes the field, unless another one follows.
    Closed,
}

/// What is known of a record whose lines are read one after another.
struct Scan {
    place: Place,
    fields: usize,
    /// The line on which the last quoted field begins.
    opened: u64,
    /// Whether words follow a mark that closes a field of an earlier line: it was meant to open another one.
    stray: bool,
}

impl Scan {
    fn line(&mut self, line: &[u8], number: u64) {
        for byte in line {
            self.place = match (self.place, byte) {
                (Place::Quoted, b'"') => Place::Closed,
                (Place::Quoted, _) => Place::Quoted,
                (Place::Closed, b'"') => Place::Quoted,
                (Place::FieldStart, b'"') => {
                    self.opened = number;
                    Place::Quoted
                }
                (_, b',') => {
                    self.fields += 1;
                    Place::FieldStart
                }
                (place, b'\r' | b'\n') => place,
                (Place::Closed, _) => {
                    self.stray |= self.opened < number;
                    Place::Bare
                }
                _ => Place::Bare,
            };
        }
    }
}

/// The records of a file.
pub(super) struct Records<R> {
    input: R,
    /// Lines that were read and are read again.
    back: VecDeque<Vec<u8>>,
    /// The number of the last line that was given out.
    number: u64,
}

/// A line that a record begins on, and its bytes or what is wrong.
type Found = (u64, Result<Vec<u8>, Problem>);

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, back: VecDeque::new(), number: 0 }
    }

    pub(super) fn into_inner(self) -> R {
        self.input
    }

    /// The next record that is not blank; records have so many fields, if that is known yet.
    pub(super) fn next(&mut self, columns: Option<usize>) -> io::Result<Option<Found>> {
        let first = loop {
            match self.line()? {
                None => return Ok(None),
                Some(line) if line.iter().all(|b| matches!(b, b'\r' | b'\n')) => {}
                Some(line) => break line,
            }
        };
        let begins = self.number;
        if first.len() > LINE_BYTES_MAX {
            return Ok(Some((begins, Err(Problem::TooLong))));
        }
        if !first.contains(&b'"') {
            return Ok(Some((begins, Ok(first))));
        }
        let mut scan = Scan { place: Place::FieldStart, fields: 1, opened: begins, stray: false };
        scan.line(first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first), begins);
        let mut more: Vec<Vec<u8>> = Vec::new();
        let mut bytes = first.len();
        let problem = loop {
            if scan.stray {
                break Some(Problem::OpenQuote(format!("is closed only by a mark on line {}", self.number)));
            }
            if scan.place != Place::Quoted {
                break self.swallowed(&scan, &first, &more, columns);
            }
            let Some(line) = self.line()? else { break Some(Problem::OpenQuote("is never closed".into())) };
            scan.line(&line, self.number);
            bytes += line.len();
            more.push(line);
            if bytes > LINE_BYTES_MAX {
                break Some(Problem::OpenQuote(format!("is not closed within {LINE_BYTES_MAX} bytes")));
            }
        };
        if let Some(problem) = problem {
            let own = usize::try_from(scan.opened - begins).unwrap_or(usize::MAX).min(more.len());
            more.drain(..own);
            more.into_iter().rev().for_each(|line| self.back.push_front(line));
            self.number = scan.opened;
            return Ok(Some((scan.opened, Err(problem))));
        }
        let mut record = first;
        more.iter().for_each(|line| record.extend_from_slice(line));
        Ok(Some((begins, Ok(record))))
    }

    /// What is wrong with a record of several lines whose quotation marks are all closed.
    fn swallowed(&self, scan: &Scan, first: &[u8], more: &[Vec<u8>], columns: Option<usize>) -> Option<Problem> {
        let columns = columns.filter(|_| !more.is_empty())?;
        if scan.fields != columns {
            return Some(Problem::OpenQuote(format!(
                "is closed on line {}, and the row has {} fields where the header has {columns}",
                self.number, scan.fields
            )));
        }
        // A record that can be read is one, unless each of its lines is a row by itself. In prose a space follows a comma.
        let is_row = |line: &[u8]| {
            let commas = line.iter().filter(|b| **b == b',').count();
            line.trim_ascii().is_empty()
                || columns > 2 && commas + 1 == columns && !line.windows(2).any(|pair| pair == b", ")
        };
        let rows = is_row(first) && more.iter().all(|line| is_row(line));
        rows.then(|| {
            Problem::OpenQuote(format!("is closed on line {}, and each of the lines is a row by itself", self.number))
        })
    }

    /// The next line with its end: LF, CR LF or CR. Of one that is too long only the beginning.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.back.pop_front() {
            self.number += 1;
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        let mut began = false;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            began = true;
            let end = buffer.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let taken = end.map_or(buffer.len(), |at| at + 1);
            if line.len() <= LINE_BYTES_MAX {
                line.extend_from_slice(&buffer[..taken]);
            }
            let is_cr = end.is_some_and(|at| buffer[at] == b'\r');
            self.input.consume(taken);
            if is_cr && self.input.fill_buf()?.first() == Some(&b'\n') {
                line.push(b'\n');
                self.input.consume(1);
            }
            if end.is_some() {
                break;
            }
        }
        self.number += u64::from(began);
        Ok(began.then_some(line))
    }
}

/// Takes records apart.
pub(super) struct Parser {
    core: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Parser {
    pub(super) fn new() -> Self {
        // Not its default, which has no table of states and reads nothing.
        Self { core: csv_core::Reader::new(), text: Vec::new(), ends: Vec::new() }
    }

    /// The fields of one record.
    pub(super) fn fields(&mut self, record: &[u8]) -> Result<Vec<&str>, Problem> {
        self.core.reset();
        self.text.resize(record.len().max(self.text.len()).max(1), 0);
        self.ends.resize(self.ends.len().max(16), 0);
        let (mut read, mut written, mut fields) = (0, 0, 0);
        loop {
            let (result, i, o, e) =
                self.core.read_record(&record[read..], &mut self.text[written..], &mut self.ends[fields..]);
            (read, written, fields) = (read + i, written + o, fields + e);
            match result {
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                csv_core::ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                csv_core::ReadRecordResult::Record | csv_core::ReadRecordResult::End => break,
            }
        }
        let starts = std::iter::once(0).chain(self.ends[..fields].iter().copied());
        let parts = starts.zip(&self.ends[..fields]).map(|(start, end)| &self.text[start..*end]);
        parts.map(|part| str::from_utf8(part).map_err(|_| Problem::NotUtf8)).collect()
    }
}
