//! Alternatives that an import brings, in their own words.

use std::collections::BTreeSet;

use super::Problem;
use crate::ids::AlternativeId;
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

/// Statements in order of first appearance, each once.
#[derive(Default)]
pub(super) struct Statements {
    pub(super) all: Vec<Statement>,
    seen: BTreeSet<AlternativeId>,
}

impl Statements {
    pub(super) fn add(&mut self, situation: &str, text: &str) -> AlternativeId {
        let statement = Statement::new(situation, text);
        let alternative = statement.alternative;
        if self.seen.insert(alternative) {
            self.all.push(statement);
        }
        alternative
    }

    /// Two of them that must differ.
    pub(super) fn pair(&mut self, situation: &str, first: &str, second: &str) -> Result<Vec<AlternativeId>, Problem> {
        if Statement::new(situation, first).alternative == Statement::new(situation, second).alternative {
            return Err(Problem::SameTwice);
        }
        Ok(vec![self.add(situation, first), self.add(situation, second)])
    }
}
