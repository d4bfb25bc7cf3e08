//! Records of carrying out: a call before its command runs, how it ended, and what was reported of acts and decisions.
//!
//! None of them is evidence of what anybody wants.

use serde::{Deserialize, Serialize};

use crate::ids::{Hash, PersonId, Seq, TaskId};

/// The command of a declared tool is about to run. On the disk before it runs, and at most once for an act, so that no act is carried
/// out twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CallBegun {
    /// The owner, whose approval let it pass.
    pub person: PersonId,
    /// Number of the act among the owner's entries: it has the tool and the arguments.
    pub act: u64,
    /// The task that it is done for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The decision that chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Seq>,
    /// What is run.
    pub command: String,
    /// BLAKE3 of the bytes that it reads from its standard input.
    pub input: Hash,
    /// It is ended after so many seconds.
    pub seconds_max: u64,
}

/// Who or what ended a running command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// The person said stop.
    Stop,
    /// The person took the act back.
    Undo,
    /// The program that ran it was told to end.
    Signal,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "how", deny_unknown_fields)]
pub enum Ending {
    /// By itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// By a signal from elsewhere.
    Signalled {
        /// Which.
        signal: i32,
    },
    /// It took too long and was ended.
    TimedOut,
    /// It was ended while it ran.
    Stopped {
        /// By whom.
        by: StoppedBy,
    },
    /// It never ran.
    NotStarted {
        /// Why.
        because: String,
    },
    /// Nobody saw it: the program that ran it ended first. What it did is not known.
    Unseen,
}

/// What became of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActOutcome {
    /// It was done.
    Done,
    /// It was tried and went wrong; something may have changed all the same.
    Failed,
    /// It was not tried.
    NotDone,
    /// It was done and then undone.
    Undone,
    /// Nobody knows.
    Unknown,
}

/// A call ended, or was found without an end after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CallEnded {
    /// The owner.
    pub person: PersonId,
    /// The record that began it.
    pub call: Seq,
    /// How.
    pub ending: Ending,
    /// What became of the act, as far as the ending and the command's own words tell.
    pub outcome: ActOutcome,
    /// The beginning of what it printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Bytes that it printed in all.
    pub output_bytes: u64,
    /// The end of what it printed as errors.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub errors: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// Somebody said what became of an act that passed, or of what was decided. The word of whoever said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OutcomeReported {
    /// The owner, or the person for whom it was decided.
    pub person: PersonId,
    /// The record of the decision or the act.
    pub of: Seq,
    /// What became of it.
    pub outcome: ActOutcome,
    /// What could be observed, in the reporter's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub observed: String,
    /// Who says so, as they call themselves.
    pub by: String,
}
