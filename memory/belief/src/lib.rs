#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! [`Mixture`] is the belief; [`Priors`] says what it begins with and [`Settings`] what it is a mixture over. [`Question`] and
//! [`Observation`] are what is asked and what is seen. [`simulate`] has people who answer by the model, for tests and experiments.
//!
//! No randomness, no clock, no hash order, no platform mathematics: the same calls give the same bits.

pub mod bank;
mod batch;
mod best_worst;
mod block;
mod candidates;
mod consistency;
pub mod decision;
mod dense;
mod finite;
mod functional;
mod gaussian;
mod grid;
mod hypothesis;
mod influence;
pub mod information;
mod interval;
mod location;
mod measurement;
mod mixture;
pub mod normal;
mod observation;
mod path;
mod points;
mod prediction;
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

pub use batch::choose_batch;
pub use consistency::consistency;
pub use decision::{Assessment, assess, assess_read, contributions, worth_of_asking};
pub use functional::Functional;
pub use information::{Context, Strategy, expected_information_gain, rough_information_gain, score};
pub use location::{Lattice, Location, LocationName, Priors};
pub use mixture::{Mixture, Surprise};
pub use observation::{Channel, Observation, Preference, Question, QuestionKey, Strength};
pub use ranking::Places;
pub use reading::{Lineage, Place};
pub use regret::regret_bound;
pub use settings::{ENGINE_VERSION, SOURCE_HASH, Settings};
pub use summary::{Diagnostics, HypothesisView};
pub use value_of_information::value_of_information;

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
    /// No location, or no weights at all.
    #[error("a belief needs at least one prior location and one weight")]
    NoPrior,
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
