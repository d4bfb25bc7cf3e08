//! Public conversations as they were exported: who voted what on which statement.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The conversations of the published comparison.
pub const SEVEN: [&str; 7] = [
    "brexit-consensus",
    "scoop-hivemind.ubi",
    "scoop-hivemind.taxes",
    "scoop-hivemind.affordable-housing",
    "scoop-hivemind.biodiversity",
    "scoop-hivemind.freshwater",
    "vtaiwan.uberx",
];
/// The three of the small-group comparison.
pub const THREE: [&str; 3] = ["brexit-consensus", "scoop-hivemind.ubi", "scoop-hivemind.taxes"];
/// Conversations that no reported figure uses: everything that is chosen by hand is chosen on these.
pub const OUTSIDE: [&str; 2] = ["15-per-hour-seattle", "bg2050-volunteers"];

/// Agree or disagree; passes are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Place of the person.
    pub person: usize,
    /// Place of the statement.
    pub item: usize,
    /// Agreed.
    pub agrees: bool,
}

/// One conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// Its folder's name.
    pub name: String,
    /// The words of each statement; empty where the export has none.
    pub statements: Vec<String>,
    /// Votes of each person, in the order of the statements.
    pub votes: Vec<Vec<Vote>>,
}

/// Why a conversation could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PolisError {
    /// No such file.
    #[error("there is no {path}: set CREDENCE_DATA, or give --data, to the folder that holds polis/CONVERSATION")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file of another form.
    #[error("{path} cannot be read as a Polis export")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A field of another form.
    #[error("{path}, record {record}: {found:?} where {expected} was expected")]
    Field {
        /// The file.
        path: PathBuf,
        /// The record, from 1.
        record: usize,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// Too few people who answered enough.
    #[error("{conversation}: {people} people with {answers} votes or more are too few for a split")]
    TooFew {
        /// The conversation.
        conversation: String,
        /// People with enough votes.
        people: usize,
        /// Votes needed of each.
        answers: usize,
    },
    /// Too few statements to learn what words foretell.
    #[error(
        "{statements} statements with five votes or more are too few to learn from what words foretell: {needed} are needed"
    )]
    TooFewStatements {
        /// Statements with enough votes.
        statements: usize,
        /// Statements needed.
        needed: usize,
    },
    /// States that nothing can be learned from.
    #[error("the model's states for the statements are not numbers that can be learned from")]
    States,
    /// Nothing to run.
    #[error("no conversation, no split or no number of answers was asked for")]
    Nothing,
    /// The items could not be learned.
    #[error("{conversation}: the statements could not be learned")]
    Population {
        /// The conversation.
        conversation: String,
        /// Why.
        source: credence_memory::population::PopulationError,
    },
}

/// Reads one conversation from `DATA/polis/NAME`.
///
/// # Errors
/// Files that are absent or of another form.
pub fn load(data: &Path, name: &str) -> Result<Conversation, PolisError> {
    let folder = data.join("polis").join(name);
    let path = folder.join("participants-votes.csv");
    let mut reader = open(&path)?;
    let headers = reader.headers().map_err(|source| PolisError::Read { path: path.clone(), source })?.clone();
    let columns: Vec<(usize, &str)> =
        headers.iter().enumerate().filter(|(_, h)| !h.is_empty() && h.chars().all(|c| c.is_ascii_digit())).collect();
    let words = comments(&folder.join("comments.csv"))?;
    let statements = columns.iter().map(|(_, id)| words.get(*id).cloned().unwrap_or_default()).collect();
    let mut votes = Vec::new();
    for (record, row) in reader.records().enumerate() {
        let row = row.map_err(|source| PolisError::Read { path: path.clone(), source })?;
        let person = votes.len();
        let mut own = Vec::new();
        for (item, (column, _)) in columns.iter().enumerate() {
            let agrees = match row.get(*column).unwrap_or_default() {
                "" | "0" => continue,
                "1" => true,
                "-1" => false,
                other => {
                    let (found, expected) = (other.to_owned(), "1, 0, -1 or nothing");
                    return Err(PolisError::Field { path, record: record + 1, found, expected });
                }
            };
            own.push(Vote { person, item, agrees });
        }
        votes.push(own);
    }
    Ok(Conversation { name: name.to_owned(), statements, votes })
}

fn open(path: &Path) -> Result<csv::Reader<std::fs::File>, PolisError> {
    if !path.is_file() {
        return Err(PolisError::Absent { path: path.to_owned() });
    }
    csv::Reader::from_path(path).map_err(|source| PolisError::Read { path: path.to_owned(), source })
}

/// Words of comments by id.
fn comments(path: &Path) -> Result<BTreeMap<String, String>, PolisError> {
    let mut reader = open(path)?;
    let failed = |source| PolisError::Read { path: path.to_owned(), source };
    let headers = reader.headers().map_err(failed)?.clone();
    let column = |name: &'static str| {
        headers.iter().position(|h| h == name).ok_or_else(|| PolisError::Field {
            path: path.to_owned(),
            record: 0,
            found: headers.iter().collect::<Vec<_>>().join(","),
            expected: name,
        })
    };
    let (id, body) = (column("comment-id")?, column("comment-body")?);
    let mut words = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(failed)?;
        if let (Some(id), Some(body)) = (row.get(id), row.get(body)) {
            words.insert(id.to_owned(), body.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    Ok(words)
}
