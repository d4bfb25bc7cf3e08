//! The records approvals are a fold of. A record's number is its place among them, from 0.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::pattern::ActPattern;
use super::request::{Request, ShownHash};

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PersonVerdict {
    /// Yes.
    Approved,
    /// No.
    Refused,
    /// Yes for now, but such acts should be asked: it may be done once, and counts against passing.
    AskMe,
}

impl PersonVerdict {
    /// Whether the person would not have wanted the act to pass without a question.
    pub fn is_against_passing(self) -> bool {
        self != Self::Approved
    }
}

/// How far an answer reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This one call.
    Once,
    /// Calls that match, in this task.
    Task,
    /// Calls that match, from now on.
    Always,
}

/// Who let an act pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// An allow list, or an answer for this task or for always.
    Rule,
    /// Belief, within its calibrated bound.
    Belief,
    /// A person, for this one call.
    Person,
}

/// One entry. Times are the owner's local time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ApprovalRecord {
    /// A person was asked.
    ApprovalAsked {
        /// What was shown.
        request: Request,
        /// Whether the audit coin of this request fell on "ask".
        audit: bool,
        /// When.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        at: DateTime,
    },
    /// A person answered.
    ApprovalAnswered {
        /// Number of the question's record.
        asked: u64,
        /// Hash of what the person saw.
        shown_hash: ShownHash,
        /// What they said.
        verdict: PersonVerdict,
        /// How far it reaches.
        scope: Scope,
        /// For "task" and "always": which calls, as the person was shown it. Absent: exactly what was asked.
        #[serde(default)]
        pattern: Option<ActPattern>,
        /// When the answer ends.
        #[serde(default)]
        #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
        expires: Option<DateTime>,
        /// When.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        at: DateTime,
    },
    /// An act was let pass.
    ActAllowed {
        /// Which.
        request: Request,
        /// By whom.
        by: By,
        /// The audit coin of this request; false wherever belief alone let it pass.
        audit: bool,
        /// When.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        at: DateTime,
    },
    /// A person took an act back, or an answer for a task or for always.
    ActUndone {
        /// Number of the record of the act, or of the answer: a rule then ends.
        act: u64,
        /// When.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        at: DateTime,
    },
    /// The owner set the limits.
    LimitsSet {
        /// All of them; what was before no longer holds.
        limits: Limits,
        /// When.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        at: DateTime,
    },
}
