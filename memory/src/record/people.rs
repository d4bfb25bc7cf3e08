//! Records about several people: what was learned from many, who is left out, what was decided for several.

use serde::{Deserialize, Serialize};

use crate::ids::{AlternativeId, PersonId, Seq, SourceId};
use crate::number::Finite;
use crate::population::Rule;

/// A Gaussian over all weights, at signal scale 1, and further ones where people are of several kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PopulationMoments {
    /// Mean, length D.
    pub mean: Vec<Finite>,
    /// Covariance: lower triangle by rows, length D (D + 1) / 2.
    pub covariance: Vec<Finite>,
    /// Components beside this one, whose mass is what theirs leave of 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<PopulationComponent>,
}

/// A further component of a population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PopulationComponent {
    /// Its share of people, in (0, 1).
    pub mass: Finite,
    /// Mean, length D.
    pub mean: Vec<Finite>,
    /// Covariance: lower triangle by rows, length D (D + 1) / 2.
    pub covariance: Vec<Finite>,
}

impl PopulationMoments {
    /// Masses of all components, the first the rest of 1.
    pub fn masses(&self) -> Vec<f64> {
        let further = self.further.iter().map(|c| c.mass.get());
        std::iter::once(1.0 - further.clone().sum::<f64>()).chain(further).collect()
    }

    /// Mean and covariance of each component.
    pub fn components(&self) -> impl Iterator<Item = (&[Finite], &[Finite])> {
        let first = (self.mean.as_slice(), self.covariance.as_slice());
        let further = self.further.iter().map(|c| (c.mean.as_slice(), c.covariance.as_slice()));
        std::iter::once(first).chain(further)
    }
}

/// People who receive the same population prior, which was learned without any of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PopulationPart {
    /// The people.
    pub people: Vec<PersonId>,
    /// Learned from the people of all other parts.
    pub without: PopulationMoments,
}

/// The population prior was learned from people's messages (docs/people.md, section 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PopulationConsolidated {
    /// The last record that could be in it.
    pub through: Seq,
    /// Everyone it was learned from, dealt into parts.
    pub parts: Vec<PopulationPart>,
    /// Learned from all: for somebody who is in no part.
    pub all: PopulationMoments,
    /// The share of all people that one source counted for at most.
    pub source_cap: Finite,
    /// Where it was learned from the people of several shards, of whom this log has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across: Option<AcrossShards>,
}

/// What a population over several shards was learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AcrossShards {
    /// Number of the fit: numbers grow, and all shards have the same.
    pub fit: u64,
    /// People of all shards that it was learned from.
    pub people: u64,
}

/// Whose evidence is left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A person's.
    Person(PersonId),
    /// Everything that came through a source.
    Source(SourceId),
    /// Whatever was said of a statement: a fact about people rather than an opinion, say, or one that moderators took out.
    Statement(AlternativeId),
}

/// Somebody's evidence is left out of what others receive and of decisions for several people, or counts again. What is
/// believed of the people themselves stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuarantineSet {
    /// Whose.
    pub subject: Subject,
    /// Left out, or counted again.
    pub quarantined: bool,
    /// Why.
    pub reason: String,
}

/// A decision for several people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CollectiveDecisionMade {
    /// For whom.
    pub people: Vec<PersonId>,
    /// By which rule.
    pub rule: Rule,
    /// What was weighed.
    pub alternatives: Vec<AlternativeId>,
    /// The rule's score of each.
    pub scores: Vec<Finite>,
    /// Its choice, where it is acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<AlternativeId>,
    /// Why it is not acted on, if it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred_because: Vec<String>,
    /// Who would object to the rule's choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectors: Vec<PersonId>,
}
