#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! | for | items |
//! |---|---|
//! | what belief begins with | [`Settings`], [`Priors`], [`Location`], [`Lattice`] |
//! | the belief itself | [`Mixture`] |
//! | what is asked, and what is answered | [`Question`], [`Outcome`], both together an [`Observation`]; [`Surprise`] |
//! | what is believed | [`Functional`], [`HypothesisView`], [`Diagnostics`] |
//! | what to ask next | [`expected_information_gain`], [`score`], [`value_of_information`], [`choose_batch`] |
//! | what to do | [`assess`], [`worth_of_asking`], [`relative_utility`], [`regret_bound`] |
//! | people who answer by the model | [`simulate`] |
//! | numerics with the same bits everywhere | [`normal`], [`symmetric`] |
//!
//! `examples/first_answers.rs` is a first program. Weights and utilities are in the person's *noise units*: the standard
//! deviation of what a choice between two alternatives wavers by is 1. Information is in nats. Matrices are packed: the lower
//! triangle by rows.
//!
//! The equations of `docs/belief.md` and where they are:
//!
//! | equation | |
//! |---|---|
//! | (1), (2) utility and prior | [`Question`], [`Priors`] |
//! | (3) to (6), (23) likelihoods | [`Observation`] |
//! | (7) to (12) expectation propagation, drift | [`Mixture::observe`] |
//! | (13) the mixture, (18) with adapters | [`Mixture::hypotheses`], [`Lineage`] |
//! | (14) bound on regret | [`regret_bound`] |
//! | (15) information gain | [`expected_information_gain`] |
//! | (16) value of information | [`value_of_information`] |
//! | (19), (21) what is shown | [`Mixture::marginals`] |
//! | (20) influence of a record | [`Mixture::without_each`] |
//!
//! No randomness, no clock, no hash order, no platform mathematics: the same calls give the same bits.

#[cfg(any(test, feature = "test-support"))]
pub mod bank;
mod batch;
mod best_worst;
mod block;
mod candidates;
mod consistency;
mod datum;
mod decision;
mod dense;
mod finite;
mod functional;
mod gaussian;
mod grid;
mod history;
mod hypothesis;
mod influence;
mod information;
mod interval;
mod location;
mod logs;
mod marginals;
mod measurement;
mod mixture;
pub mod normal;
mod observation;
mod path;
mod points;
mod prediction;
mod question;
mod ranking;
mod reading;
mod refinement;
mod regret;
mod retest;
mod settings;
mod shape;
pub mod simulate;
mod summary;
pub mod symmetric;
mod tabulated;
mod triple;
mod value_of_information;

// What belief begins with, and belief.
pub use location::{Lattice, Location, LocationName, Priors};
pub use mixture::{Mixture, Surprise};
pub use reading::{EvidenceUse, Lineage};
pub use settings::{ENGINE_VERSION, SOURCE_HASH, Settings};

// What is asked and seen.
pub use interval::Strength;
pub use observation::{Observation, Outcome, Preference};
pub use question::{Channel, Question, QuestionKey};
pub use ranking::Places;

// What is believed.
pub use consistency::{consistency, rough_consistency};
pub use functional::{Functional, MixturePart};
pub use summary::{Diagnostics, GaussianView, HypothesisView};

// What to ask next.
pub use batch::choose_batch;
pub use information::{Context, Strategy, expected_information_gain, rough_information_gain, score};
pub use value_of_information::value_of_information;

// What to do.
pub use decision::{
    Assessment, HypothesisRegret, RelativeUtility, assess, assess_read, contributions, relative_utility,
    worth_of_asking,
};
pub use regret::regret_bound;

/// Why a belief could not be formed, or not take in an observation. None of them leaves a belief half changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BeliefError {
    /// A setting out of range.
    #[error("belief settings are not usable: {what}")]
    Settings {
        /// What was expected.
        what: &'static str,
    },
    /// Settings of another engine.
    #[error("belief settings are of engine version {found}, this is {ENGINE_VERSION}")]
    EngineVersion {
        /// The version found.
        found: u32,
    },
    /// No location.
    #[error("a belief needs at least one prior location")]
    NoPrior,
    /// `Priors::scaled` is empty.
    #[error("Priors::scaled is empty: it has an entry for every weight, and there is no belief about none")]
    NoWeights,
    /// Two locations of one name.
    #[error("prior location {name:?} is given twice")]
    LocationTwice {
        /// The name.
        name: LocationName,
    },
    /// A covariance that is none.
    #[error("the covariance of prior location {name:?} is not positive definite")]
    NotPositive {
        /// The location.
        name: LocationName,
    },
    /// A lattice without atoms, or with masses that are not positive, one for each.
    #[error("a lattice needs atoms and one positive mass for each")]
    Lattice,
    /// A component of the population without mass.
    #[error("the masses of a population's components must be positive")]
    ComponentMass,
    /// A vector of the wrong length.
    #[error("a vector has {found} entries where {expected} were expected")]
    Dimension {
        /// Entries expected.
        expected: usize,
        /// Entries found.
        found: usize,
    },
    /// A number that is not finite, or too large to compute with.
    #[error("{what} is not a number in range")]
    Number {
        /// Which kind of number.
        what: &'static str,
    },
    /// "No preference" where it could not be said.
    #[error("no preference was answered where it was not offered")]
    NeitherNotOffered,
    /// Too few or too many levels.
    #[error("{levels} levels cannot be graded on")]
    Levels {
        /// Levels given.
        levels: usize,
    },
    /// A level that does not exist.
    #[error("level {level} is none of {levels}")]
    Level {
        /// Level given, from 0.
        level: usize,
        /// Levels there are.
        levels: usize,
    },
    /// An answer to another question.
    #[error("{outcome:?} is none of the {outcomes} outcomes of the question")]
    Outcome {
        /// What was answered.
        outcome: Outcome,
        /// Outcomes there are.
        outcomes: usize,
    },
    /// Evidence the bound on regret does not speak of.
    #[error("the bound on regret holds for interval answers to different questions only")]
    Unbounded,
    /// A ranking of the wrong shape.
    #[error("cannot rank {ranked} of {alternatives} alternatives")]
    Ranking {
        /// Alternatives.
        alternatives: usize,
        /// Places.
        ranked: usize,
    },
    /// An order that is none.
    #[error("an order must name different ones of {alternatives} alternatives")]
    Order {
        /// Alternatives.
        alternatives: usize,
    },
}
