//! Records of a session: what was asked, what a person said, what was taken back.

use serde::{Deserialize, Serialize};

use super::opening::Origin;
use super::words::Condition;
use crate::ids::{AlternativeId, Hash, PersonId, QuestionId, Seq, SessionId, ValueId};
use crate::number::{Finite, Probability};

/// A session began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionStarted {
    /// Its id.
    pub session: SessionId,
    /// The person.
    pub person: PersonId,
    /// Seed of everything random in it.
    pub seed: u64,
    /// How questions are chosen.
    pub strategy: String,
}

/// A session ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionEnded {
    /// Its id.
    pub session: SessionId,
    /// Why: "stopped by the person", "no question worth asking", ...
    pub reason: String,
    /// Evidence records given in it.
    pub answers: u64,
}

/// What kind of answer a question asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// The best of several; a verdict or a rating where there is one alternative and nothing else is said.
    #[default]
    Choice,
    /// The best and the worst of several.
    BestAndWorst,
    /// How much one statement is like the person, on six levels.
    Portrait,
}

impl QuestionKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A question put to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuestionAsked {
    /// The person.
    pub person: PersonId,
    /// The session, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Identity of the question, whatever the order of its alternatives.
    pub question: QuestionId,
    /// What kind of answer it asks for.
    #[serde(default, skip_serializing_if = "QuestionKind::is_default")]
    pub kind: QuestionKind,
    /// The alternatives in the order shown.
    pub alternatives: Vec<AlternativeId>,
    /// Whether "no preference" was offered.
    pub indifference_offered: bool,
    /// The strategy that chose it.
    pub strategy: String,
    /// Its expected information gain, nats.
    pub gain_nats: Finite,
    /// Probability given, before the answer, to each alternative in the order shown, then to "no preference" if offered; to each
    /// level of a rating, the lowest first; to each pair of a best and a worst, by the best's place and then the worst's.
    pub predicted: Vec<Probability>,
    /// True if asked again on purpose.
    pub reask: bool,
}

/// A question passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuestionSkipped {
    /// The person.
    pub person: PersonId,
    /// The question.
    pub question: QuestionId,
}

/// A choice among two or more alternatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChoiceMade {
    /// Who.
    pub from: Origin,
    /// The question, if the agent asked one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<QuestionId>,
    /// The alternatives in the order shown.
    pub alternatives: Vec<AlternativeId>,
    /// Index of the chosen one; absent for "no preference" (two alternatives only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<usize>,
    /// Whether "no preference" was offered.
    pub indifference_offered: bool,
}

/// A ranking, best first; alternatives not ranked come after all that are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RankingGiven {
    /// Who.
    pub from: Origin,
    /// The alternatives in the order shown.
    pub alternatives: Vec<AlternativeId>,
    /// Indices into `alternatives`, best first, without repetition; at least one.
    pub order: Vec<usize>,
    /// Index of the worst, where the best and the worst of three to five were asked for; `order` then has the best alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<usize>,
}

/// Agree, pass or disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Approves.
    Agree,
    /// Neither.
    Pass,
    /// Disapproves.
    Disagree,
}

/// A verdict on one alternative or statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VerdictGiven {
    /// Who.
    pub from: Origin,
    /// On what.
    pub alternative: AlternativeId,
    /// The verdict.
    pub verdict: Verdict,
}

/// A rating of one alternative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RatingGiven {
    /// Who.
    pub from: Origin,
    /// On what.
    pub alternative: AlternativeId,
    /// 1 (lowest) to `levels`.
    pub level: u32,
    /// Number of levels, 2 to 100.
    pub levels: u32,
}

/// "Not this, rather that."
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CorrectionMade {
    /// Who.
    pub from: Origin,
    /// What the person wants instead.
    pub preferred: AlternativeId,
    /// What the agent did or chose.
    pub rejected: AlternativeId,
}

/// What a person was seen to do, among what could have been done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DemonstrationGiven {
    /// Who.
    pub from: Origin,
    /// What the person did.
    pub chosen: AlternativeId,
    /// What else could have been done; at least one.
    pub over: Vec<AlternativeId>,
}

/// How strongly something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// A little.
    Slight,
    /// Plainly.
    Clear,
    /// Very much.
    Strong,
}

/// "`more` matters more to me than `less`"; with one of them absent, than values in general.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportanceStated {
    /// Who.
    pub from: Origin,
    /// The value that matters more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<ValueId>,
    /// The value that matters less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub less: Option<ValueId>,
    /// How strongly.
    pub strength: Strength,
    /// The person's words.
    #[serde(default)]
    pub words: String,
    /// Probability that the words were misread; absent if the person confirmed the reading or gave it in structured form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misreading: Option<Probability>,
    /// Where it holds, if not everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What was said is the least that is meant, in units of the reference standard deviation of a weight (docs/belief.md,
    /// equation 23). Records from before have no such field: their strength is a band, and their unit is the noise's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// An evidence record withdrawn: belief becomes that of a log which never had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Retracted {
    /// The record withdrawn.
    pub target: Seq,
    /// Why.
    pub reason: String,
}

/// What was believed about a person, so that a replay can be checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeliefRecorded {
    /// The person.
    pub person: PersonId,
    /// The last record folded.
    pub through: Seq,
    /// Digest of the belief's bits.
    pub digest: Hash,
}
