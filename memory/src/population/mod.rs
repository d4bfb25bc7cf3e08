//! Many people: what is learned from some about others, and what is not. docs/people.md has the equations.
//!
//! Pure: randomness comes from a seed, and the same answers and options give the same bits.

mod asking;
mod collective;
mod components;
mod consolidation;
mod factor;
mod groups;
mod influence;
mod items;
mod place;
mod prior;
mod sampler;
mod survey;

pub use asking::{Ask, whom_to_ask};
pub use collective::{Collective, CollectiveBars, Rule, Stake, decide};
pub use components::{
    COMPONENTS_MAX, COMPONENTS_PEOPLE_MIN, Component, Consolidated, advantage, consolidate, learn_components,
};
pub use consolidation::{
    ConsolidationError, Counts, Fit, InfluenceReport, Messages, PersonInfluence, Progress, SourceInfluence,
    consolidated, counted_people, counts_for_others, influence_of, learned_from,
};
pub use factor::{EvidenceFactor, reference};
pub use groups::{GroupNumber, GroupOptions, Groups, Sure, groups};
pub use influence::{Flag, SOURCE_CAP, flags, movement_bound, source_weights};
pub use items::{Answer, Answers, FACTORS_MAX, ItemDraw, ItemOptions, ItemPosterior, ItemPrior};
pub use place::{ItemStrategy, Place};
pub use prior::{Contribution, Moments, PARTS_MAX, learn, parts, pulls};
pub use survey::{Item, Part, Survey, conversations};

/// Why a population could not be learned from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PopulationError {
    /// Options out of range.
    #[error("the population's options are not usable: expected {what}")]
    Options {
        /// What was expected.
        what: &'static str,
    },
    /// An answer of nobody, or to nothing.
    #[error("an answer of person {person} to item {item}: there is no such person or item")]
    Answer {
        /// The person.
        person: u32,
        /// The item.
        item: u32,
    },
    /// A second answer, which would count one person twice.
    #[error("a second answer of person {person} to item {item}: each person answers an item at most once")]
    Twice {
        /// The person.
        person: u32,
        /// The item.
        item: u32,
    },
    /// Rows of features of different lengths.
    #[error("an item has {found} features where another has {expected}")]
    Features {
        /// Of the first.
        expected: usize,
        /// Of another.
        found: usize,
    },
    /// No location to make messages under.
    #[error("the log has no zero location, under which people's messages are made")]
    NoZero,
    /// Numbers of such sizes that others are lost in their rounding.
    #[error("{what} are too large or too small to be calculated with")]
    Lost {
        /// Which.
        what: &'static str,
    },
    /// A number that is none.
    #[error("{what} is not a finite number")]
    Number {
        /// Which.
        what: &'static str,
    },
}
