//! Free text as evidence: a sentence is read into importance statements, which are shown back before they count.
//!
//! Two readers. [`Reader::Plain`] reads sentences that say outright what matters more, by a short grammar, finds values by the words
//! people use for them, and leaves every other sentence unread. [`Reader::Completion`] has the model write the statements itself, under a grammar that allows nothing else. Which of them reads better
//! depends on the model: `credence eval sentences` measures both.

pub mod completion;
pub mod cues;
mod forms;
pub mod plain;
pub mod rate;
pub mod telling;

use credence_memory::ids::ValueId;
use credence_memory::record::{Condition, ReadRow, Scope, Strength};
use credence_priors::ModelError;
use credence_priors::schema::ValueSchema;

use crate::importance::unknown;
use crate::loader::{LoadError, Loader};

pub use cues::Cues;

/// Longer texts are refused: a statement of values is a sentence or a few.
pub const WORDS_CHARS_MAX: usize = 2_000;

/// How words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// By a short grammar of plain statements.
    #[default]
    Plain,
    /// Written by the model under a grammar.
    Completion,
}

impl Reader {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Completion => "completion",
        }
    }
}

/// One row read, with what else it might have meant, most probable first.
#[derive(Debug, Clone, PartialEq)]
pub struct RowRead {
    /// The reading.
    pub row: ReadRow,
    /// Other readings, for a person to pick from.
    pub others: Vec<ReadRow>,
}

/// Why words could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// Nothing was said.
    #[error("expected a sentence, found no words")]
    Empty,
    /// Too much was said at once.
    #[error("expected a sentence or a few, found {0} characters; the limit is {WORDS_CHARS_MAX}")]
    TooLong(usize),
    /// A script that the reader does not know.
    #[error("these words are not in the Latin alphabet; sentences are read in English only. {FORMS}")]
    Script,
    /// No plain statement about values.
    #[error("I could not read that as a plain statement of what matters to you. {FORMS}")]
    NoStatement,
    /// A value that the schema does not have.
    #[error("{0}. {FORMS}")]
    UnknownValue(String),
    /// The model could not be loaded.
    #[error("the model could not be loaded to read the words")]
    Load(#[source] LoadError),
    /// The model failed.
    #[error("the model could not read the words")]
    Model(#[from] ModelError),
}

/// The forms that are understood as they stand.
pub const FORMS: &str = "What always works: \"VALUE > VALUE\", \"VALUE matters a lot\", \"VALUE matters little\"";

/// Reads words, loading the model when it is first needed.
#[derive(Clone)]
pub struct Listener {
    cues: Cues,
    reader: Reader,
    load: Loader,
}

impl Listener {
    /// Listens with this schema's words.
    pub fn new(schema: &ValueSchema, reader: Reader, load: Loader) -> Self {
        Self { cues: Cues::of(schema), reader, load }
    }

    /// How it reads.
    pub fn reader(&self) -> Reader {
        self.reader
    }

    /// Reads words into one row or more.
    ///
    /// # Errors
    /// Words in which no statement is found, or none at all; a model that is needed and cannot be had.
    pub fn read(&self, words: &str) -> Result<Vec<RowRead>, WordsError> {
        let rows = self.rows(words)?;
        if rows.is_empty() { Err(WordsError::NoStatement) } else { Ok(rows.into_iter().map(with_others).collect()) }
    }

    /// The rows of words; there may be none.
    ///
    /// # Errors
    /// No words, too many, or in another script; a model that is needed and cannot be had.
    pub fn rows(&self, words: &str) -> Result<Vec<ReadRow>, WordsError> {
        check(words)?;
        match self.reader {
            Reader::Completion => {
                let mut model = (self.load)().map_err(WordsError::Load)?;
                Ok(completion::read(&mut model, &self.cues, words)?)
            }
            Reader::Plain => {
                let read = plain::read(&self.cues, words);
                match read.unknown {
                    Some(said) => Err(WordsError::UnknownValue(unknown(&said, &self.cues.named()))),
                    None => Ok(read.rows),
                }
            }
        }
    }
}

fn check(words: &str) -> Result<(), WordsError> {
    let letters = words.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 {
        return Err(WordsError::Empty);
    }
    let length = words.chars().count();
    if length > WORDS_CHARS_MAX {
        return Err(WordsError::TooLong(length));
    }
    let latin = words.chars().filter(|c| c.is_alphabetic() && (*c as u32) < 0x250).count();
    if 2 * latin < letters { Err(WordsError::Script) } else { Ok(()) }
}

/// A row with what it might have meant instead: the other way round, either value alone.
fn with_others(row: ReadRow) -> RowRead {
    let mut others = vec![ReadRow { more: row.less.clone(), less: row.more.clone(), ..row.clone() }];
    if row.more.is_some() && row.less.is_some() {
        others.push(ReadRow { less: None, ..row.clone() });
        others.push(ReadRow { more: None, ..row.clone() });
    }
    RowRead { row, others }
}

/// A row in one sentence; `name` gives a value's name for people.
pub fn sentence(row: &ReadRow, name: impl Fn(&str) -> String) -> String {
    let statement = crate::importance::Importance {
        more: row.more.as_ref().map(ToString::to_string),
        less: row.less.as_ref().map(ToString::to_string),
        strength: row.strength,
    };
    let mut text = statement.sentence(name);
    for Condition { scope, text: place } in &row.conditions {
        text.push_str(match scope {
            Scope::When => ", when it is about: ",
            Scope::Except => ", except: ",
        });
        text.push_str(place);
    }
    text
}

/// A row of values by their places in the schema.
fn row_of(
    cues: &Cues,
    more: Option<usize>,
    less: Option<usize>,
    strength: Strength,
    conditions: Vec<Condition>,
) -> Option<ReadRow> {
    let id = |place: Option<usize>| place.and_then(|p| ValueId::new(cues.id(p)).ok());
    let (more, less) = (id(more), id(less));
    (more != less).then_some(ReadRow { more, less, strength, conditions })
}
