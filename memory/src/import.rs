//! Importing evidence from elsewhere: read whole and checked first, then added to a home all or nothing.
//!
//! An import holds words and who said them; features are read by a model, or left out: a bare description stands in, and a
//! fuller one later speaks for what was said before.

mod credence;
mod lines;
mod pairwise;
mod polis;
#[cfg(test)]
mod tests;
mod trl;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::home::{Draft, Home, HomeError};
use crate::ids::{AlternativeId, Hash, IdError, PersonId, SourceId};
use crate::record::{AlternativeDescribed, Imported, Record};
use crate::state::State;

pub use lines::Progress;

/// Evidence read from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    format: &'static str,
    source: SourceId,
    content_hash: Hash,
    statements: Vec<Statement>,
    evidence: Vec<(Option<Timestamp>, Record)>,
    people: BTreeSet<PersonId>,
    notes: Vec<String>,
}

/// An alternative in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its identity.
    pub alternative: AlternativeId,
    /// The situation.
    pub situation: String,
    /// The text.
    pub text: String,
}

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

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotUtf8,
    /// Too long.
    #[error("it is longer than {} bytes", lines::LINE_BYTES_MAX)]
    TooLong,
    /// Not JSON of the expected form.
    #[error("it is not {expected}: {why}")]
    Json {
        /// What was expected.
        expected: &'static str,
        /// What the parser says.
        why: String,
    },
    /// Not CSV.
    #[error("it is not CSV: {0}")]
    Csv(String),
    /// A column is missing.
    #[error("there is no column {0:?}")]
    NoColumn(&'static str),
    /// A column is there that nobody asked for.
    #[error("column {found:?} is none of {expected}")]
    UnknownColumn {
        /// The column.
        found: String,
        /// The columns that may be.
        expected: &'static str,
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
    /// Both alternatives are the same.
    #[error("both alternatives are the same")]
    SameTwice,
}

impl Problem {
    /// A field that is not what it must be; what was found is cut short.
    fn field(field: &'static str, found: &str, expected: &'static str) -> Self {
        Self::Field { field, found: found.chars().take(80).collect(), expected }
    }
}

/// How often an import reports where it is.
pub type Report<'a> = &'a mut dyn FnMut(Progress);

impl Import {
    /// A Polis export: a directory with `comments.csv`, `votes.csv` and, for the topic, `summary.csv`. People are
    /// `polis:NAME:VOTER`. Of several votes by one person on one comment the last counts, as in Polis.
    pub fn polis(directory: &Path, name: &str, report: Report<'_>) -> Result<Self, ImportError> {
        polis::read(directory, name, report)
    }

    /// Pairwise choices as CSV: columns `person`, `first`, `second`, `chosen` (`first`, `second` or `neither`), and
    /// optionally `situation` and `time`.
    pub fn pairwise_csv(path: &Path, report: Report<'_>) -> Result<Self, ImportError> {
        pairwise::read(path, report)
    }

    /// TRL preference data as JSON Lines, paired (`prompt`, `chosen`, `rejected`) or unpaired (`prompt`, `completion`,
    /// `label`), by this person where a line names none.
    pub fn trl(path: &Path, person: &PersonId, report: Report<'_>) -> Result<Self, ImportError> {
        trl::read(path, person, report)
    }

    /// Adds the surviving evidence of another log to a home of the same feature space: descriptions and evidence keep
    /// their content, people are prefixed if `prefix` is given, and the origin's source says where they came from.
    pub fn credence_log(
        path: &Path,
        prefix: Option<&str>,
        into: &State,
        report: Report<'_>,
    ) -> Result<Self, ImportError> {
        credence::read(path, prefix, into, report)
    }

    /// The alternatives, each once.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Number of evidence records.
    pub fn records(&self) -> usize {
        self.evidence.iter().filter(|(_, r)| r.evidence_origin().is_some()).count()
    }

    /// The people.
    pub fn people(&self) -> &BTreeSet<PersonId> {
        &self.people
    }

    /// What a person should know about it: votes that were superseded, and the like.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Statements that a home has not described yet.
    pub fn undescribed<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Statement> {
        self.statements.iter().filter(|s| state.description(&s.alternative).is_none())
    }

    /// Drafts the import: descriptions of what is not described yet (bare where `descriptions` has none), then a record
    /// that says where it came from, then the evidence. Every record is checked against the home; nothing is written
    /// until the draft is committed, so dropping it is the dry run.
    pub fn draft(
        self,
        home: &Home,
        now: Timestamp,
        descriptions: Vec<AlternativeDescribed>,
    ) -> Result<Draft, ImportError> {
        let mut draft = home.draft();
        for description in descriptions {
            draft.push(now, Record::AlternativeDescribed(description))?;
        }
        let imported = Imported {
            source: self.source.clone(),
            format: self.format.to_owned(),
            content_hash: self.content_hash,
            records: self.records() as u64,
            people: self.people.len() as u64,
        };
        draft.push(now, Record::Imported(imported))?;
        for statement in &self.statements {
            if draft.state().description(&statement.alternative).is_none() {
                draft.push(now, Record::AlternativeDescribed(statement.bare()))?;
            }
        }
        for (time, record) in self.evidence {
            draft.push(time.unwrap_or(now), record)?;
        }
        Ok(draft)
    }
}

impl Statement {
    fn new(situation: &str, text: &str) -> Self {
        let alternative = AlternativeId::of(situation, text);
        Self { alternative, situation: situation.to_owned(), text: text.to_owned() }
    }

    /// A description without any features.
    pub fn bare(&self) -> AlternativeDescribed {
        AlternativeDescribed {
            alternative: self.alternative,
            situation: self.situation.clone(),
            text: self.text.clone(),
            schema: Vec::new(),
            schema_error: Vec::new(),
            text_block: Vec::new(),
            judgement: Default::default(),
            attributes: Default::default(),
        }
    }
}

/// Statements in order of first appearance, each once.
#[derive(Default)]
struct Statements {
    all: Vec<Statement>,
    seen: BTreeSet<AlternativeId>,
}

impl Statements {
    fn add(&mut self, situation: &str, text: &str) -> AlternativeId {
        let statement = Statement::new(situation, text);
        let alternative = statement.alternative;
        if self.seen.insert(alternative) {
            self.all.push(statement);
        }
        alternative
    }
}
