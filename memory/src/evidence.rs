//! Evidence as it is kept in memory: a record's content with alternatives by their place in the list of descriptions.

use crate::ids::{Hash, Seq, SourceId};
use crate::record::{Strength, Verdict};

/// Place of an alternative in [`crate::state::State::descriptions`].
pub type DescriptionIndex = u32;

/// A surviving evidence record of one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The record.
    pub seq: Seq,
    /// What it says.
    pub form: Form,
    /// The channel it came through.
    pub source: SourceId,
    /// Identity of the question, where repeats of it share a residual.
    pub question: Option<Hash>,
}

/// What evidence says.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// A choice of two; the pair is in the order of the alternatives' ids.
    Choice {
        /// The two.
        pair: [DescriptionIndex; 2],
        /// Which of the pair was chosen; `None` for "no preference".
        chosen: Option<u8>,
        /// Whether "no preference" was offered.
        indifference_offered: bool,
    },
    /// A correction or a demonstration against one other, chosen first.
    Indirect {
        /// Chosen, and not chosen.
        pair: [DescriptionIndex; 2],
        /// Whether it is a demonstration rather than a correction.
        demonstrated: bool,
    },
    /// The best of three or more, or an order of some of them.
    Order {
        /// All of them.
        alternatives: Box<[DescriptionIndex]>,
        /// Places in `alternatives`, best first; or the best and the worst.
        order: Box<[u16]>,
        /// Whether `order` is the best and the worst.
        best_and_worst: bool,
        /// Whether it is a demonstration.
        demonstrated: bool,
    },
    /// Agree, pass or disagree.
    Verdict {
        /// On what.
        alternative: DescriptionIndex,
        /// The verdict.
        verdict: Verdict,
    },
    /// A level of several.
    Rating {
        /// On what.
        alternative: DescriptionIndex,
        /// From 1.
        level: u8,
        /// How many.
        levels: u8,
    },
    /// One value above another, or above or below the mean of the others.
    Importance {
        /// Place of the value in the schema.
        value: u16,
        /// The value it is compared with, or all others.
        other: Option<u16>,
        /// Whether `value` is the one that matters more.
        favoured: bool,
        /// By how much.
        strength: Strength,
        /// Probability that the words were misread.
        misreading: f64,
        /// Whether the strength is the least that was meant, or a band (as in older logs).
        at_least: bool,
    },
}

impl Form {
    /// The descriptions it refers to.
    pub fn descriptions(&self) -> &[DescriptionIndex] {
        match self {
            Form::Choice { pair, .. } | Form::Indirect { pair, .. } => pair,
            Form::Order { alternatives, .. } => alternatives,
            Form::Verdict { alternative, .. } | Form::Rating { alternative, .. } => std::slice::from_ref(alternative),
            Form::Importance { .. } => &[],
        }
    }
}
