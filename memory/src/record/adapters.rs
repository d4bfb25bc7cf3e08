//! Records of learning in the weights: adapters trained, judged, promoted, rolled back, and touched by a retraction.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{AdapterGeneration, AlternativeId, Hash, Seq};
use crate::number::{Finite, Probability};
use crate::provenance::Provenance;

/// A low-rank adapter came to be: trained here, or brought in from elsewhere. It is a candidate and changes no belief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdapterTrained {
    /// Its number: greater than every number used before in this log.
    pub generation: AdapterGeneration,
    /// The generation that training began from; 0 is the base model.
    pub parent: AdapterGeneration,
    /// BLAKE3 of the base model's GGUF file, that of the header.
    pub base_hash: Hash,
    /// BLAKE3 of the adapter's file.
    pub adapter_hash: Hash,
    /// Where the adapter's file is, relative to the home, parts separated by `/`.
    pub adapter_path: String,
    /// How it came to be.
    pub origin: AdapterOrigin,
    /// The (record, person) pairs that entered the beliefs which made its targets, beyond those of `parent`: directly,
    /// through populations, item factors, and generations in those beliefs. See [`crate::ledger::Ledger::behind`].
    pub absorbed: Provenance,
    /// The last record that could have been absorbed; no earlier than the parent's.
    pub cutoff: Seq,
    /// BLAKE3 of the data set trained on.
    pub data_hash: Hash,
    /// The trainer's settings, as `priors` wrote them.
    pub settings: serde_json::Value,
    /// Seed of everything random in training.
    pub seed: u64,
    /// What training measured, by name: losses, examples, seconds.
    #[serde(default)]
    pub metrics: BTreeMap<String, Finite>,
}

/// How an adapter came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "how", deny_unknown_fields)]
pub enum AdapterOrigin {
    /// By this program, in this home.
    Trained {},
    /// Elsewhere, and imported. What it absorbed is as the importer stated it.
    Imported {
        /// The form it came in: "peft-safetensors", "gguf".
        format: String,
        /// The file's name where it came from.
        name: String,
    },
}

/// An adapter's judgements of alternatives that were described before: what `judgement` in
/// [`super::AlternativeDescribed`] would have said had the generation been there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JudgementsRead {
    /// Whose.
    pub generation: AdapterGeneration,
    /// The overall judgement, residual after the schema features and standardised, of each alternative.
    pub judgements: BTreeMap<AlternativeId, Finite>,
}

/// What the gate said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// Better beyond doubt, and no worse than the margins allow.
    Accepted,
    /// Worse than a margin allows, or not better.
    Refused,
    /// Too little data to tell; it is not promoted.
    NotEnough,
}

/// A candidate was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GateJudged {
    /// The candidate.
    pub generation: AdapterGeneration,
    /// The generation it was compared with.
    pub against: AdapterGeneration,
    /// What was found.
    pub verdict: GateVerdict,
    /// Name of the test in `tests` that decided.
    pub decided_by: String,
    /// Every test made.
    pub tests: Vec<GateTest>,
    /// Error rate spent on this candidate, of what all candidates together may spend.
    pub error_spent: Probability,
    /// How many more held-out answers would be needed to tell, where there were too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

/// One test of the gate: an interval against a margin, in the test's own unit, greater being better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GateTest {
    /// Its name, such as "held-out log score" or "sycophancy".
    pub name: String,
    /// The unit of its numbers, such as "nats an answer".
    pub unit: String,
    /// Candidate minus the generation it is compared with; absent where there is too little data for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Finite>,
    /// Lower confidence bound of the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<Finite>,
    /// Upper confidence bound of the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<Finite>,
    /// What the lower bound must exceed: 0 or more for an improvement, minus what may be lost for non-inferiority.
    pub margin: Finite,
    /// Independent units (people, pairs, texts) behind the interval.
    pub units: u64,
    /// Whether it was passed.
    pub passed: bool,
}

/// A generation became the model's: from here on its prior stands among everyone's hypotheses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdapterPromoted {
    /// Which.
    pub generation: AdapterGeneration,
    /// Why it was promoted without the gate's acceptance; absent where the gate accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// The prior over weights read out of the model with this adapter.
    pub prior: GenerationPrior,
    /// What the prior's covariance is multiplied by, found on held-out people: above 1 where the adapter is surer than it is right.
    pub variance_scale: Finite,
}

/// The prior of a generation over `[schema | text | judgement]`, at signal scale 1, in the log's one feature space. Mean
/// and covariance are normalised together *after* `variance_scale`, so that a typical pair still has unit second moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GenerationPrior {
    /// How this generation's judgement is read and standardised, as `priors` wrote it: enough to read a new alternative.
    pub reading: serde_json::Value,
    /// Alternatives in the bank the regression was fitted on.
    pub bank_size: usize,
    /// Mean, length D.
    pub mean: Vec<Finite>,
    /// Covariance before `variance_scale`: lower triangle by rows, length D (D + 1) / 2.
    pub covariance: Vec<Finite>,
    /// Share of the judgement's variance explained by the schema features.
    pub r_squared: Finite,
}

/// A promoted generation was taken back: beliefs are again what they would be had it never been promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdapterRolledBack {
    /// Which.
    pub generation: AdapterGeneration,
    /// Why.
    pub reason: String,
}

/// Says out loud what follows from a retraction: a generation has absorbed a record that was withdrawn. It left every
/// mixture at the retraction itself, whether or not this record follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdapterStale {
    /// Which.
    pub generation: AdapterGeneration,
    /// The evidence record that it absorbed and that was withdrawn.
    pub withdrawn: Seq,
}
