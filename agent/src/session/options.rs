//! How a session goes.

use std::collections::{BTreeMap, BTreeSet};

use credence_memory::record::QuestionKind;

use crate::ask::Strategy;
use crate::instrument::Effort;

/// How a session goes.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    /// How the next question is chosen.
    pub strategy: Strategy,
    /// Seed of ties, orders and re-asks.
    pub seed: u64,
    /// Share of questions that are asked again, once enough have been answered.
    pub reask_share: f64,
    /// A question comes again only after this many others.
    pub reask_distance: usize,
    /// The kinds of questions that are asked.
    pub kinds: BTreeSet<QuestionKind>,
    /// The channel that answers come through.
    pub source: String,
    /// The session ends after so many answers, if a number is given.
    pub answers_max: Option<usize>,
    /// The session ends at the first question after so many minutes, if a number is given.
    pub minutes_max: Option<f64>,
    /// Names of values for people, by id.
    pub names: BTreeMap<String, String>,
    /// How much is worked out of what is predicted and shown. It changes neither the next question nor belief.
    pub effort: Effort,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::InformationGain,
            seed: 0,
            reask_share: 0.07,
            reask_distance: 12,
            kinds: BTreeSet::from([QuestionKind::Choice, QuestionKind::Portrait, QuestionKind::BestAndWorst]),
            source: "terminal".into(),
            answers_max: None,
            minutes_max: None,
            names: BTreeMap::new(),
            effort: Effort::Full,
        }
    }
}
