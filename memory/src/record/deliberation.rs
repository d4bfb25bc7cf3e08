//! Records of the agent at work: briefings, consequences written down before a choice, and what became of them.

use serde::{Deserialize, Serialize};

use crate::ids::{AlternativeId, BriefingId, DocumentId, Hash, PersonId, Seq, TaskId};

/// A document given to the agent as background, cut into passages. Data, never an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BriefingAdded {
    /// Its name; free again once it is dropped.
    pub briefing: BriefingId,
    /// Where it was read from.
    pub source: String,
    /// BLAKE3 of the file.
    pub content_hash: Hash,
    /// Its passages in their order.
    pub passages: Vec<Passage>,
}

/// A passage of a briefing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// The heading it stands under; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// A briefing is not used any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BriefingDropped {
    /// Its name.
    pub briefing: BriefingId,
    /// Why.
    pub reason: String,
}

/// What a consequence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ConsequenceKind {
    /// Who is affected, and how.
    Affected,
    /// What could go wrong.
    Harm,
    /// What law or duty bears on it.
    Duty,
}

impl ConsequenceKind {
    /// Every kind, in the order in which they are written down.
    pub const ALL: [Self; 3] = [Self::Affected, Self::Harm, Self::Duty];

    /// Its name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Affected => "affected",
            Self::Harm => "harm",
            Self::Duty => "duty",
        }
    }
}

/// One foreseen consequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Consequence {
    /// What it is about.
    pub kind: ConsequenceKind,
    /// In the model's words.
    pub text: String,
}

/// A passage that stood in the model's context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PassageUsed {
    /// The briefing.
    pub briefing: BriefingId,
    /// Which of its passages, from 0.
    pub passage: usize,
}

/// A passage of the library that stood in the model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LibraryPassageUsed {
    /// The document: the hash of its passages.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub document: DocumentId,
    /// Which of its passages, from 0.
    pub passage: usize,
}

/// What the model wrote about one alternative before judging it. Both ways of judging it are descriptions in the log, so replay needs no model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Deliberated {
    /// For whom.
    pub person: PersonId,
    /// For which task, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The alternative, described alone.
    pub alternative: AlternativeId,
    /// The same words in the situation with what follows from them.
    pub with_consequences: AlternativeId,
    /// What was foreseen.
    pub consequences: Vec<Consequence>,
    /// Passages of briefings that stood in the context.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<PassageUsed>,
    /// Passages of the library that stood in the context.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub library: Vec<LibraryPassageUsed>,
    /// Tokens written.
    pub tokens: u64,
    /// Whether the budget or the person ended it before it was done.
    pub cut_short: bool,
}

/// A person says later whether a foreseen consequence came true; it counts for how far consequences of its kind are trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConsequenceChecked {
    /// Who says so: the person it was foreseen for.
    pub person: PersonId,
    /// The `Deliberated` record.
    pub deliberated: Seq,
    /// Which of its consequences, from 0.
    pub consequence: usize,
    /// Whether it was right.
    pub right: bool,
}

/// A person checked what deliberation on two alternatives concluded: they say which is better. What they say is a choice of theirs, and
/// evidence like any other; this says on which deliberations it rests, so that a conclusion that was checked may be taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConclusionChecked {
    /// Who says so: the person it was deliberated for.
    pub person: PersonId,
    /// The `ChoiceMade` record between the two alternatives.
    pub choice: Seq,
    /// The two `Deliberated` records.
    pub deliberated: [Seq; 2],
}

/// Alternatives taken off a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AlternativesStruck {
    /// The task.
    pub task: TaskId,
    /// The alternatives.
    pub alternatives: Vec<AlternativeId>,
    /// Who struck them: "person".
    pub by: String,
}
