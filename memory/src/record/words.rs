//! Records of free text: what was said, what it was read as, and what the person said to the reading.

use serde::{Deserialize, Serialize};

use super::Strength;
use crate::ids::{PersonId, Seq, SessionId, ValueId};

/// Where a statement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = StatedScope))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Only there: "at work".
    When,
    /// Everywhere but there: "except about my health".
    Except,
}

/// A condition in the person's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Only there, or everywhere but there.
    pub scope: Scope,
    /// Where.
    pub text: String,
}

/// One row of the table of likelihoods that words were read into: an importance statement. At least one value is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadRow {
    /// The value that matters more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<ValueId>,
    /// The value that matters less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub less: Option<ValueId>,
    /// How strongly.
    pub strength: Strength,
    /// Where it holds, if not everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A person's words and what they were read as. Not evidence: the rows become `ImportanceStated` records of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WordsRead {
    /// Who said it.
    pub person: PersonId,
    /// The session, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What was said.
    pub words: String,
    /// What it was read as; empty if no statement about values was found.
    pub rows: Vec<ReadRow>,
    /// What read it: "grammar", "completion".
    pub reader: String,
}

/// What a person said to one row of a reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum ReadingVerdict {
    /// That is what was meant.
    Confirmed,
    /// Something else was meant.
    Corrected {
        /// What.
        to: ReadRow,
    },
    /// It was not meant at all.
    Dropped,
}

/// A person's answer to a reading shown back to them; it counts for how often readings are right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadingAnswered {
    /// The person who said the words.
    pub person: PersonId,
    /// The `WordsRead` record.
    pub read: Seq,
    /// Which of its rows, from 0.
    pub row: usize,
    /// The answer.
    pub answer: ReadingVerdict,
}
