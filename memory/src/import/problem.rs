//! What can be wrong with an import, and with a row of one.

use std::fmt;
use std::path::PathBuf;

use crate::home::HomeError;
use crate::ids::IdError;

/// Why an import failed. Nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line is not what the form asks for.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: Problem,
    },
    /// There is nothing in it.
    #[error("{} holds no evidence", .0.display())]
    Empty(PathBuf),
    /// Every row of it is bad.
    #[error("{} holds no evidence: each of its {rows} rows was left out ({})", path.display(), in_words(first, *rows))]
    NothingLeft {
        /// The file.
        path: PathBuf,
        /// So many rows.
        rows: u64,
        /// The first of them.
        first: Vec<LeftOut>,
    },
    /// The name of a conversation is not one.
    #[error(
        "the conversation's name is {0:?} (--name, or else that of its files or folder), which cannot stand in people's names: \
         it may have about 220 bytes, no line breaks and no invisible characters, and no space at its ends"
    )]
    Conversation(String),
    /// A folder without the files of a Polis export.
    #[error(
        "{} is no Polis export: there should be comments.csv and votes.csv, or one pair such as \
         2026-01-31-1200-abc-comments.csv and 2026-01-31-1200-abc-votes.csv; {problem}", path.display()
    )]
    NotPolis {
        /// The folder.
        path: PathBuf,
        /// What is there instead.
        problem: String,
    },
    /// The votes contradict the export's own counts.
    #[error(
        "{} has its signs the other way round: on {comments} statements more agree by the votes where comments.csv has more who \
         disagree, or the reverse, and on hardly any they go together. Older exports write -1 for agreement", path.display()
    )]
    Mirrored {
        /// The file of votes.
        path: PathBuf,
        /// How many statements.
        comments: usize,
    },
    /// The log to be merged.
    #[error("{} cannot be merged", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why not.
        source: Box<crate::replay::ReplayError>,
    },
    /// The log to be merged has another feature space.
    #[error("{} cannot be merged: its {what} differs from this log's, so its features mean something else", path.display())]
    OtherSpace {
        /// The log.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The log to be merged has evidence that stands here already.
    #[error("{} cannot be merged: it is or has {what}, which would be counted twice", path.display())]
    Again {
        /// The log.
        path: PathBuf,
        /// What stands in both.
        what: String,
    },
    /// A name made from the import is not one.
    #[error("the import gives a name that cannot be one")]
    Name(#[from] IdError),
    /// The home refused.
    #[error("the import does not fit this home")]
    Home(#[from] HomeError),
}

/// The first of the rows that were left out, in words.
fn in_words(first: &[LeftOut], rows: u64) -> String {
    let named: Vec<String> = first.iter().take(5).map(|row| format!("line {}: {}", row.line, row.problem)).collect();
    let more = rows.saturating_sub(named.len() as u64);
    if more > 0 { format!("{}; and {more} more", named.join("; ")) } else { named.join("; ") }
}

impl ImportError {
    /// Nothing was read of a file, or nothing but bad rows.
    pub(super) fn nothing(path: PathBuf, left_out: BadRows) -> Self {
        let BadRows { first, count: rows } = left_out;
        if rows == 0 { Self::Empty(path) } else { Self::NothingLeft { path, rows, first } }
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// Not UTF-8.
    #[error(
        "it is not UTF-8 text: a file in UTF-16 (\"Unicode text\") or in another encoding has to be saved as UTF-8 first"
    )]
    NotUtf8,
    /// Too long.
    #[error("it is longer than {} bytes", super::lines::LINE_BYTES_MAX)]
    TooLong,
    /// Words that no line of the log can hold.
    #[error("its words take {bytes} bytes in the log, where a line may have {}", crate::log::LINE_BYTES_MAX)]
    WordsTooLong {
        /// So many.
        bytes: usize,
    },
    /// Not JSON of the expected form.
    #[error("it is not {expected}: {why}")]
    Json {
        /// What was expected.
        expected: &'static str,
        /// What the parser says.
        why: String,
    },
    /// A JSON array.
    #[error("it begins a JSON array, where each line has to be an object of its own (JSON Lines)")]
    JsonArray,
    /// Not CSV.
    #[error("it is not CSV: {0}")]
    Csv(String),
    /// A quotation mark that swallows other rows.
    #[error("a quotation mark opens a field here and {0}: what follows would be part of its words")]
    OpenQuote(String),
    /// A character that is none.
    #[error("it has a NUL character, which no text has")]
    Nul,
    /// The home cannot take it.
    #[error("it does not fit this home: {0}")]
    Home(String),
    /// Two columns of one name.
    #[error("there are two columns {0:?}")]
    TwoColumns(String),
    /// Something in a column that has no name.
    #[error("there is {0:?} in a column without a name")]
    Unnamed(String),
    /// A column is missing.
    #[error("there is no column {0:?}")]
    NoColumn(&'static str),
    /// A column is there that nobody asked for.
    #[error("column {found:?} is none of {expected}")]
    UnknownColumn {
        /// The column.
        found: String,
        /// The columns that may be.
        expected: String,
    },
    /// A field that is not what it must be.
    #[error("{field} is {found:?}, which is not {expected}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The value of a key that is not what it must be.
    #[error("{key} is {found}, which is not {expected}")]
    Key {
        /// The key, with its place.
        key: String,
        /// What is there.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A vote on a comment that was left out.
    #[error("comment-id is {id:?}, which is a comment that was left out (comments.csv, line {line})")]
    OfLeftOut {
        /// The comment.
        id: String,
        /// Where it stands.
        line: u64,
    },
    /// Both alternatives are the same.
    #[error("both alternatives are the same")]
    SameTwice,
}

impl Problem {
    /// A field that is not what it must be; what was found is cut short.
    pub(super) fn field(field: &'static str, found: &str, expected: &'static str) -> Self {
        Self::Field { field, found: found.chars().take(80).collect(), expected }
    }

    /// Whether all rows have it: leaving rows out is then no help.
    pub(super) fn is_of_the_whole_file(&self) -> bool {
        matches!(
            self,
            Problem::JsonArray | Problem::NoColumn(_) | Problem::UnknownColumn { .. } | Problem::TwoColumns(_)
        )
    }
}

/// A row that was left out because it cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// Rows that were left out: the first of them, and how many there are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct BadRows {
    pub(super) first: Vec<LeftOut>,
    pub(super) count: u64,
}

/// So many rows that were left out are kept; more are only counted, or a file of nothing else would take a hundred times its size.
const KEPT_MAX: usize = 1000;

impl BadRows {
    pub(super) fn push(&mut self, row: LeftOut) {
        self.count += 1;
        if self.first.len() < KEPT_MAX {
            self.first.push(row);
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.path.display(), self.line, self.problem)
    }
}
