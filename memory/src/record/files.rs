//! Records of what came from files and went to them, and of erasure.

use serde::{Deserialize, Serialize};

use crate::ids::{AdapterGeneration, Hash, SourceId};

/// Where the records that follow came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The channel given to their origin.
    pub source: SourceId,
    /// The form they were in: "polis", "pairwise-csv", "trl-paired", "trl-unpaired", "credence-log".
    pub format: String,
    /// BLAKE3 of what was imported, so that it is not imported twice.
    pub content_hash: Hash,
    /// How many records follow from it.
    pub records: u64,
    /// How many people they are from.
    pub people: u64,
}

/// A file that the program wrote from the log, so that an erasure can name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// The form: "trl-paired", "trl-unpaired", "csv", "parquet", "dataset".
    pub format: String,
    /// Where it was written.
    pub path: String,
    /// BLAKE3 of what was written.
    pub content_hash: Hash,
    /// How many rows.
    pub rows: u64,
}

/// What stood here was erased at the request of the person it was from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Erased {}

/// A person erased. It does not say who: that would not be erasing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonErased {
    /// Number of records emptied.
    pub records: u64,
    /// Number of them that were evidence.
    pub evidence: u64,
    /// Number of alternatives emptied because nothing else referred to them.
    pub alternatives: u64,
    /// Why.
    pub reason: String,
    /// What could not be reached and must be dealt with by hand.
    pub unreached: Vec<String>,
    /// Adapters erased because they had absorbed what the person said; their numbers are not used again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generations: Vec<AdapterGeneration>,
}
