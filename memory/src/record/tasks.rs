//! Records of the agent at a task: what was proposed, decided, done, and stopped.

use serde::{Deserialize, Serialize};

use crate::ids::{AlternativeId, PersonId, QuestionId, Seq, TaskId};
use crate::number::{Finite, Probability};

/// A task for the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TaskGiven {
    /// Its id.
    pub task: TaskId,
    /// The person.
    pub person: PersonId,
    /// The task's words.
    pub text: String,
}

/// Alternatives for a task or decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AlternativesProposed {
    /// The task.
    pub task: TaskId,
    /// The alternatives.
    pub alternatives: Vec<AlternativeId>,
    /// Who proposed them: "model", "person", "program" for those that every task has.
    pub by: String,
    /// Why each is there, in the order of the alternatives; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// What the agent decided to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum Outcome {
    /// Do the alternative.
    Act {
        /// Which.
        alternative: AlternativeId,
    },
    /// Put a question first.
    Ask {
        /// Which question.
        question: QuestionId,
    },
    /// Leave it to the person.
    Defer {
        /// What is unclear.
        because: String,
    },
}

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DecisionMade {
    /// The person it was made for.
    pub person: PersonId,
    /// The task, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// What was weighed.
    pub alternatives: Vec<AlternativeId>,
    /// Expected utility of each, noise units.
    pub expected_utility: Vec<Finite>,
    /// Probability that each is the best.
    pub probability_best: Vec<Probability>,
    /// Expected regret of acting now on the best, noise units.
    pub expected_regret: Finite,
    /// What was decided.
    pub outcome: Outcome,
    /// For the best against the runner-up: each value's contribution, noise units, largest first.
    pub reasons: Vec<Reason>,
    /// The deliberations that it took into account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliberations: Vec<Seq>,
    /// Expected utility of each alternative judged alone, noise units, if there were deliberations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_utility_alone: Vec<Finite>,
    /// How far the difference between the two best moved when the situation was only worded otherwise, noise units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_by_wording: Option<Finite>,
    /// The readings of motives that it took into account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub motives: Vec<Seq>,
}

/// One value's part in a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The feature's name: a value id, "judgement", "text:1", an attribute.
    pub feature: String,
    /// Expected contribution to the utility difference, noise units.
    pub contribution: Finite,
    /// The evidence records that moved this weight most.
    pub evidence: Vec<Seq>,
}

/// The agent acted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ActionTaken {
    /// The person it acted for.
    pub person: PersonId,
    /// The task, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// What it did.
    pub alternative: AlternativeId,
}

/// "Stop", "undo", "don't".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StopRequested {
    /// Who.
    pub person: PersonId,
    /// What they said.
    pub words: String,
    /// What it concerns, if a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}
