//! Alternatives that an import brings, in their own words.

use std::collections::BTreeSet;

use super::Problem;
use crate::ids::AlternativeId;
use crate::log::LINE_BYTES_MAX;
use crate::record::{AlternativeDescribed, FeatureSource};
use crate::text::normal;

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

impl Statement {
    pub(super) fn new(situation: &str, text: &str) -> Self {
        let (situation, text) = (normal(situation), normal(text));
        let alternative = AlternativeId::of(&situation, &text);
        Self { alternative, situation: situation.into_owned(), text: text.into_owned() }
    }

    /// A description without any features.
    pub fn bare(&self) -> AlternativeDescribed {
        AlternativeDescribed {
            alternative: self.alternative,
            situation: self.situation.clone(),
            text: self.text.clone(),
            source: FeatureSource::Read,
            map: None,
            schema: Vec::new(),
            schema_error: Vec::new(),
            text_block: Vec::new(),
            judgement: Default::default(),
            attributes: Default::default(),
        }
    }
}

/// What a line of the log holds beside an alternative's words: keys, ids, and what a model may read in them.
const BESIDE_WORDS: usize = 64 << 10;

/// That a line of the log can hold these words: control characters take six bytes there.
fn fits(statement: &Statement) -> Result<(), Problem> {
    let max = LINE_BYTES_MAX - BESIDE_WORDS;
    if (statement.situation.len() + statement.text.len()).saturating_mul(6) <= max {
        return Ok(());
    }
    let written = |text: &str| serde_json::to_vec(text).map_or(usize::MAX, |bytes| bytes.len());
    match written(&statement.situation).saturating_add(written(&statement.text)) {
        bytes if bytes > max => Err(Problem::WordsTooLong { bytes }),
        _ => Ok(()),
    }
}

/// Statements in order of first appearance, each once.
#[derive(Default)]
pub(super) struct Statements {
    pub(super) all: Vec<Statement>,
    seen: BTreeSet<AlternativeId>,
}

impl Statements {
    /// Adds one.
    ///
    /// # Errors
    /// Its words are longer than a line of the log.
    pub(super) fn add(&mut self, situation: &str, text: &str) -> Result<AlternativeId, Problem> {
        let statement = Statement::new(situation, text);
        fits(&statement)?;
        let alternative = statement.alternative;
        if self.seen.insert(alternative) {
            self.all.push(statement);
        }
        Ok(alternative)
    }

    /// Two of them that must differ.
    pub(super) fn pair(&mut self, situation: &str, first: &str, second: &str) -> Result<Vec<AlternativeId>, Problem> {
        let [one, other] = [first, second].map(|text| Statement::new(situation, text));
        if one.alternative == other.alternative {
            return Err(Problem::SameTwice);
        }
        // Of a row that is left out nothing comes in.
        fits(&one).and_then(|()| fits(&other))?;
        Ok(vec![self.add(situation, first)?, self.add(situation, second)?])
    }
}
