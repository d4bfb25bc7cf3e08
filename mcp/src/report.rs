//! The tools that ask no person: outcomes, proposals, values, reasons, and the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::{AnswerAt, Reason};

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was tried and went wrong; something may have changed all the same.
    Failed,
    /// It was not tried.
    NotDone,
    /// It was done and then undone.
    Undone,
}

/// What `report_outcome` takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeArguments {
    /// The `record` from the result of decide or request_approval.
    pub record: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What could be observed, in a sentence or two, also how the person reacted, in their words. Say nothing that you
    /// did not observe.
    #[serde(default)]
    pub observed: String,
}

/// What `report_outcome` gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeNoted {
    /// Number of the record of the report; nothing where none was written.
    pub record: Option<u64>,
    /// What was made of it.
    pub words: String,
}

/// What `propose_question` takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalArguments {
    /// The situation that the question is about, in a few plain sentences.
    pub situation: String,
    /// The two acts that the person should choose between. Word both as their defenders would.
    #[schemars(length(min = 2, max = 2))]
    pub alternatives: Vec<String>,
    /// What you would do otherwise with one answer than with the other.
    #[serde(default)]
    pub why: String,
    /// Whom to ask. Leave it out for the owner of this home.
    #[serde(default)]
    #[schemars(with = "String")]
    pub person: Option<String>,
}

impl ProposalArguments {
    /// What is wrong with them, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        match self.alternatives.as_slice() {
            [one, other] if one.trim().is_empty() || other.trim().is_empty() || one.trim() == other.trim() => {
                Some("`alternatives` must be two different acts, and none may be empty".to_owned())
            }
            [_, _] if self.situation.trim().is_empty() => {
                Some("`situation` is empty: say in a few sentences what the question is about".to_owned())
            }
            [_, _] => None,
            others => Some(format!("`alternatives` has {} entries; give exactly 2", others.len())),
        }
    }
}

/// What `propose_question` gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// Whether the question waits for the person now. It does not mean that it will be answered.
    pub accepted: bool,
    /// Why, or why not.
    pub words: String,
    /// Its id, if it was accepted.
    pub id: Option<String>,
    /// Where the person can answer it.
    pub answer_at: Option<AnswerAt>,
}

/// What `get_values` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValuesArguments {
    /// Whose values. Leave it out for the owner of this home.
    #[serde(default)]
    #[schemars(with = "String")]
    pub person: Option<String>,
}

/// What is believed of one value. 0 is the person's own average over all values; above it, it counts for more than the
/// average. Numbers are finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// Mean.
    pub mean: f64,
    /// Lower end of the 90% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What `get_values` gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Values {
    /// Whose.
    pub person: String,
    /// Answers it rests on.
    pub answers: u64,
    /// The values, what counts most first. Only where `low` and `high` have the same sign is it known whether a value
    /// counts for more or for less than the average.
    pub values: Vec<Value>,
}

/// What `explain` takes: `record`, or `value`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainArguments {
    /// Number of a record: why it was decided so, or what an answer changed.
    #[serde(default)]
    #[schemars(with = "u64")]
    pub record: Option<u64>,
    /// Name of a value, such as "honesty": which answers moved it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub value: Option<String>,
    /// With `value`: whose. Leave it out for the owner of this home.
    #[serde(default)]
    #[schemars(with = "String")]
    pub person: Option<String>,
}

impl ExplainArguments {
    /// What is wrong with them, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        (self.record.is_some() == self.value.is_some())
            .then(|| "give either `record`, the number of a record, or `value`, the name of a value".to_owned())
    }
}

/// What `explain` gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// In a sentence or two.
    pub summary: String,
    /// Why, the weightiest first.
    pub reasons: Vec<Reason>,
    /// What a person would have to say so that it would be otherwise.
    pub would_change: Vec<String>,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogEntry {
    /// Its number.
    pub seq: u64,
    /// What kind of record it is.
    pub kind: String,
    /// In words.
    pub words: String,
    /// The record itself.
    pub record: serde_json::Value,
}

/// A page of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// The records, in order.
    pub records: Vec<LogEntry>,
    /// Number to go on from; nothing where this is the end.
    pub next: Option<u64>,
}
