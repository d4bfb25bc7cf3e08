//! The records of the log: past-tense facts, each one thing that was seen, said, asked, believed or done.
//!
//! A record is data only. What it means for belief is `state`'s business, how it is written is `log`'s.

mod adapters;
mod deliberation;
mod people;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::belief::Settings;
use crate::ids::{
    AdapterGeneration, AlternativeId, Hash, PersonId, QuestionId, Seq, SessionId, SourceId, TaskId, ValueId,
};
use crate::number::{Finite, Probability};

pub use adapters::{
    AdapterOrigin, AdapterPromoted, AdapterRolledBack, AdapterStale, AdapterTrained, GateJudged, GateTest, GateVerdict,
    GenerationPrior, JudgementsRead,
};
pub use deliberation::{
    AlternativesStruck, BriefingAdded, BriefingDropped, Consequence, ConsequenceChecked, ConsequenceKind, Deliberated,
    Passage, PassageUsed,
};
pub use people::{
    CollectiveDecisionMade, PopulationComponent, PopulationConsolidated, PopulationMoments, PopulationPart,
    QuarantineSet, Subject,
};
pub use words::{Condition, ReadRow, ReadingAnswered, ReadingVerdict, Scope, WordsRead};

/// One fact. The variant's name is the `kind` on disk, its content the `payload`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload")]
pub enum Record {
    /// The header, always the first record.
    LogOpened(LogOpened),
    /// Settings changed after the log was opened.
    ConfigurationChanged(ConfigurationChanged),
    /// The prior read out of the model.
    PriorElicited(PriorElicited),
    /// Declared attributes joined the feature space.
    AttributesDeclared(AttributesDeclared),
    /// An alternative's features were read.
    AlternativeDescribed(AlternativeDescribed),
    /// A sitting with one person began.
    SessionStarted(SessionStarted),
    /// A sitting ended.
    SessionEnded(SessionEnded),
    /// A question was put to a person, with the prediction made before the answer.
    QuestionAsked(QuestionAsked),
    /// A person passed over a question; not evidence.
    QuestionSkipped(QuestionSkipped),
    /// Evidence: a choice among alternatives, or "no preference".
    ChoiceMade(ChoiceMade),
    /// Evidence: a full or partial ranking.
    RankingGiven(RankingGiven),
    /// Evidence: agree, pass or disagree.
    VerdictGiven(VerdictGiven),
    /// Evidence: a rating on L levels.
    RatingGiven(RatingGiven),
    /// Evidence: "not this, rather that".
    CorrectionMade(CorrectionMade),
    /// Evidence: what a person was seen to do.
    DemonstrationGiven(DemonstrationGiven),
    /// Evidence: one value matters more than another, or than values in general.
    ImportanceStated(ImportanceStated),
    /// An evidence record was withdrawn.
    Retracted(Retracted),
    /// What was believed about a person after a record, by digest.
    BeliefRecorded(BeliefRecorded),
    /// A person gave the agent a task.
    TaskGiven(TaskGiven),
    /// Alternatives for a task were proposed, added or struck.
    AlternativesProposed(AlternativesProposed),
    /// The agent decided to act, ask or defer.
    DecisionMade(DecisionMade),
    /// The agent acted.
    ActionTaken(ActionTaken),
    /// A person told the agent to stop, or not to do something: always obeyed.
    StopRequested(StopRequested),
    /// The records that follow were imported from elsewhere.
    Imported(Imported),
    /// Something from the log was written to a file elsewhere.
    Exported(Exported),
    /// What a record held was erased; its number remains.
    Erased(Erased),
    /// A person was erased: what was removed and why, without who.
    PersonErased(PersonErased),
    /// A low-rank adapter came to be, from stated evidence.
    AdapterTrained(AdapterTrained),
    /// An adapter's judgements of alternatives described before.
    JudgementsRead(JudgementsRead),
    /// A candidate adapter was judged by the gate.
    GateJudged(GateJudged),
    /// An adapter became the model's.
    AdapterPromoted(AdapterPromoted),
    /// A promoted adapter was taken back.
    AdapterRolledBack(AdapterRolledBack),
    /// A retraction touched what an adapter absorbed.
    AdapterStale(AdapterStale),
    /// The population prior was learned from people's messages.
    PopulationConsolidated(PopulationConsolidated),
    /// A person or a source is left out of what others receive, or counts again.
    QuarantineSet(QuarantineSet),
    /// A decision for several people.
    CollectiveDecisionMade(CollectiveDecisionMade),
    /// A person's words were read; not evidence, which the rows read are.
    WordsRead(WordsRead),
    /// A person confirmed, corrected or dropped what their words were read as.
    ReadingAnswered(ReadingAnswered),
    /// A document was given to the agent as background.
    BriefingAdded(BriefingAdded),
    /// A briefing is not used any more.
    BriefingDropped(BriefingDropped),
    /// The agent wrote down what would follow from an alternative.
    Deliberated(Deliberated),
    /// A person said whether a foreseen consequence was right.
    ConsequenceChecked(ConsequenceChecked),
    /// Alternatives were taken off a task.
    AlternativesStruck(AlternativesStruck),
}

/// Who said it, through what, in which sitting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The person whose evidence this is.
    pub person: PersonId,
    /// The channel it came through ("terminal", "file:answers.txt", "import:polis", ...).
    pub source: SourceId,
    /// The sitting, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// The log's header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOpened {
    /// Format version, [`crate::log::FORMAT`] when written by this build.
    pub format: u32,
    /// Random identity of this log.
    pub log_id: String,
    /// Program and version that opened the log.
    pub software: String,
    /// The model whose readings stand in the log.
    pub model: ModelRecord,
    /// BLAKE3 of the value schema's text.
    pub schema_hash: Hash,
    /// BLAKE3 of the charter's text.
    pub charter_hash: Hash,
    /// The values of the schema, in the order of the schema block.
    pub values: Vec<ValueId>,
    /// Number of text features.
    pub text_features: usize,
    /// The belief engine's settings: the grid of hypotheses and the likelihoods' constants.
    pub belief: Settings,
}

/// Identity of the language model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// The reference it was loaded by.
    pub reference: String,
    /// BLAKE3 of the GGUF file.
    pub gguf_hash: Hash,
    /// Precision of the weights that score, such as "F16".
    pub scoring_precision: String,
    /// Version of llama.cpp's binding.
    pub llama_cpp: String,
    /// Generation of the model's fine-tunings at creation; 0 is the base model.
    pub generation: u32,
}

/// A change of the belief engine's settings; people are folded anew from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationChanged {
    /// The new settings.
    pub belief: Settings,
    /// Why.
    pub reason: String,
}

/// The prior `N(m, V)` over `[schema | text | judgement]`, at signal scale 1 (docs/belief.md, section 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorElicited {
    /// Hash of the fitted feature space.
    pub feature_space_hash: Hash,
    /// The fitted feature space itself, as `priors` wrote it: enough to describe a new alternative the same way.
    pub feature_space: serde_json::Value,
    /// Alternatives in the bank the regression was fitted on.
    pub bank_size: usize,
    /// Mean of the elicited prior, length D.
    pub mean: Vec<Finite>,
    /// Covariance of the elicited prior: lower triangle by rows, length D (D + 1) / 2.
    pub covariance: Vec<Finite>,
    /// Diagonal of the zero-mean reference covariance V0, length D.
    pub reference_variance: Vec<Finite>,
    /// Share of the judgement's variance explained by the schema features.
    pub r_squared: Finite,
}

/// New declared attributes; appended to the feature space in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributesDeclared {
    /// The attributes.
    pub attributes: Vec<AttributeScale>,
}

/// How one declared attribute is standardised: `(x - centre) / scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeScale {
    /// Its name in the source.
    pub name: String,
    /// Centre, in the attribute's unit.
    pub centre: Finite,
    /// Scale, positive, in the attribute's unit.
    pub scale: Finite,
    /// Prior variance of its weight at signal scale 1.
    pub reference_variance: Finite,
}

/// Features of one alternative in one situation. An empty block stands for zeros.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlternativeDescribed {
    /// Content hash of situation and text.
    pub alternative: AlternativeId,
    /// The situation's text; may be empty.
    pub situation: String,
    /// The alternative's text.
    pub text: String,
    /// Schema features, standardised on the reference set.
    #[serde(default)]
    pub schema: Vec<Finite>,
    /// Measurement error variances of the schema features.
    #[serde(default)]
    pub schema_error: Vec<Finite>,
    /// Text features, standardised.
    #[serde(default, rename = "text_features")]
    pub text_block: Vec<Finite>,
    /// The model's overall judgement, residual after the schema features, by generation.
    #[serde(default)]
    pub judgement: BTreeMap<u32, Finite>,
    /// Declared attributes in their own units.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Finite>,
}

/// A sitting began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// A sitting ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEnded {
    /// Its id.
    pub session: SessionId,
    /// Why: "stopped by the person", "no question worth asking", ...
    pub reason: String,
    /// Evidence records given in it.
    pub answers: u64,
}

/// A question put to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionAsked {
    /// The person.
    pub person: PersonId,
    /// The sitting, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Identity of the question, whatever the order of its alternatives.
    pub question: QuestionId,
    /// The alternatives in the order shown.
    pub alternatives: Vec<AlternativeId>,
    /// Whether "no preference" was offered.
    pub indifference_offered: bool,
    /// The strategy that chose it.
    pub strategy: String,
    /// Its expected information gain, nats.
    pub gain_nats: Finite,
    /// Probability given, before the answer, to each alternative in the order shown, then to "no preference" if offered.
    pub predicted: Vec<Probability>,
    /// True if asked again on purpose.
    pub reask: bool,
}

/// A question passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionSkipped {
    /// The person.
    pub person: PersonId,
    /// The question.
    pub question: QuestionId,
}

/// A choice among two or more alternatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[serde(deny_unknown_fields)]
pub struct RankingGiven {
    /// Who.
    pub from: Origin,
    /// The alternatives in the order shown.
    pub alternatives: Vec<AlternativeId>,
    /// Indices into `alternatives`, best first, without repetition; at least one.
    pub order: Vec<usize>,
}

/// Agree, pass or disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// An evidence record withdrawn: belief becomes that of a log which never had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retracted {
    /// The record withdrawn.
    pub target: Seq,
    /// Why.
    pub reason: String,
}

/// What was believed about a person, so that a replay can be checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeliefRecorded {
    /// The person.
    pub person: PersonId,
    /// The last record folded.
    pub through: Seq,
    /// Digest of the belief's bits.
    pub digest: Hash,
}

/// A task for the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

/// One value's part in a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// Where the records that follow came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[serde(deny_unknown_fields)]
pub struct Erased {}

/// A person erased. It does not say who: that would not be erasing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

impl Record {
    /// Every kind of this format, in the order of the variants.
    pub const KINDS: [&'static str; 43] = [
        "LogOpened",
        "ConfigurationChanged",
        "PriorElicited",
        "AttributesDeclared",
        "AlternativeDescribed",
        "SessionStarted",
        "SessionEnded",
        "QuestionAsked",
        "QuestionSkipped",
        "ChoiceMade",
        "RankingGiven",
        "VerdictGiven",
        "RatingGiven",
        "CorrectionMade",
        "DemonstrationGiven",
        "ImportanceStated",
        "Retracted",
        "BeliefRecorded",
        "TaskGiven",
        "AlternativesProposed",
        "DecisionMade",
        "ActionTaken",
        "StopRequested",
        "Imported",
        "Exported",
        "Erased",
        "PersonErased",
        "AdapterTrained",
        "JudgementsRead",
        "GateJudged",
        "AdapterPromoted",
        "AdapterRolledBack",
        "AdapterStale",
        "PopulationConsolidated",
        "QuarantineSet",
        "CollectiveDecisionMade",
        "WordsRead",
        "ReadingAnswered",
        "BriefingAdded",
        "BriefingDropped",
        "Deliberated",
        "ConsequenceChecked",
        "AlternativesStruck",
    ];

    /// Its kind, as written in the log.
    pub fn kind(&self) -> &'static str {
        Self::KINDS[match self {
            Record::LogOpened(_) => 0,
            Record::ConfigurationChanged(_) => 1,
            Record::PriorElicited(_) => 2,
            Record::AttributesDeclared(_) => 3,
            Record::AlternativeDescribed(_) => 4,
            Record::SessionStarted(_) => 5,
            Record::SessionEnded(_) => 6,
            Record::QuestionAsked(_) => 7,
            Record::QuestionSkipped(_) => 8,
            Record::ChoiceMade(_) => 9,
            Record::RankingGiven(_) => 10,
            Record::VerdictGiven(_) => 11,
            Record::RatingGiven(_) => 12,
            Record::CorrectionMade(_) => 13,
            Record::DemonstrationGiven(_) => 14,
            Record::ImportanceStated(_) => 15,
            Record::Retracted(_) => 16,
            Record::BeliefRecorded(_) => 17,
            Record::TaskGiven(_) => 18,
            Record::AlternativesProposed(_) => 19,
            Record::DecisionMade(_) => 20,
            Record::ActionTaken(_) => 21,
            Record::StopRequested(_) => 22,
            Record::Imported(_) => 23,
            Record::Exported(_) => 24,
            Record::Erased(_) => 25,
            Record::PersonErased(_) => 26,
            Record::AdapterTrained(_) => 27,
            Record::JudgementsRead(_) => 28,
            Record::GateJudged(_) => 29,
            Record::AdapterPromoted(_) => 30,
            Record::AdapterRolledBack(_) => 31,
            Record::AdapterStale(_) => 32,
            Record::PopulationConsolidated(_) => 33,
            Record::QuarantineSet(_) => 34,
            Record::CollectiveDecisionMade(_) => 35,
            Record::WordsRead(_) => 36,
            Record::ReadingAnswered(_) => 37,
            Record::BriefingAdded(_) => 38,
            Record::BriefingDropped(_) => 39,
            Record::Deliberated(_) => 40,
            Record::ConsequenceChecked(_) => 41,
            Record::AlternativesStruck(_) => 42,
        }]
    }

    /// Who gave this record as evidence, or `None` if it is not evidence.
    pub fn evidence_origin(&self) -> Option<&Origin> {
        match self {
            Record::ChoiceMade(r) => Some(&r.from),
            Record::RankingGiven(r) => Some(&r.from),
            Record::VerdictGiven(r) => Some(&r.from),
            Record::RatingGiven(r) => Some(&r.from),
            Record::CorrectionMade(r) => Some(&r.from),
            Record::DemonstrationGiven(r) => Some(&r.from),
            Record::ImportanceStated(r) => Some(&r.from),
            Record::LogOpened(_)
            | Record::ConfigurationChanged(_)
            | Record::PriorElicited(_)
            | Record::AttributesDeclared(_)
            | Record::AlternativeDescribed(_)
            | Record::SessionStarted(_)
            | Record::SessionEnded(_)
            | Record::QuestionAsked(_)
            | Record::QuestionSkipped(_)
            | Record::Retracted(_)
            | Record::BeliefRecorded(_)
            | Record::TaskGiven(_)
            | Record::AlternativesProposed(_)
            | Record::DecisionMade(_)
            | Record::ActionTaken(_)
            | Record::StopRequested(_)
            | Record::Imported(_)
            | Record::Exported(_)
            | Record::Erased(_)
            | Record::PersonErased(_)
            | Record::AdapterTrained(_)
            | Record::JudgementsRead(_)
            | Record::GateJudged(_)
            | Record::AdapterPromoted(_)
            | Record::AdapterRolledBack(_)
            | Record::AdapterStale(_)
            | Record::PopulationConsolidated(_)
            | Record::QuarantineSet(_)
            | Record::CollectiveDecisionMade(_)
            | Record::WordsRead(_)
            | Record::ReadingAnswered(_)
            | Record::BriefingAdded(_)
            | Record::BriefingDropped(_)
            | Record::Deliberated(_)
            | Record::ConsequenceChecked(_)
            | Record::AlternativesStruck(_) => None,
        }
    }

    /// As [`Record::evidence_origin`], to be changed.
    pub fn evidence_origin_mut(&mut self) -> Option<&mut Origin> {
        match self {
            Record::ChoiceMade(r) => Some(&mut r.from),
            Record::RankingGiven(r) => Some(&mut r.from),
            Record::VerdictGiven(r) => Some(&mut r.from),
            Record::RatingGiven(r) => Some(&mut r.from),
            Record::CorrectionMade(r) => Some(&mut r.from),
            Record::DemonstrationGiven(r) => Some(&mut r.from),
            Record::ImportanceStated(r) => Some(&mut r.from),
            _ => None,
        }
    }

    /// The described alternatives it refers to.
    pub fn alternatives(&self) -> Vec<AlternativeId> {
        match self {
            Record::QuestionAsked(r) => r.alternatives.clone(),
            Record::ChoiceMade(r) => r.alternatives.clone(),
            Record::RankingGiven(r) => r.alternatives.clone(),
            Record::VerdictGiven(r) => vec![r.alternative],
            Record::RatingGiven(r) => vec![r.alternative],
            Record::CorrectionMade(r) => vec![r.preferred, r.rejected],
            Record::DemonstrationGiven(r) => std::iter::once(r.chosen).chain(r.over.iter().copied()).collect(),
            Record::AlternativesProposed(r) => r.alternatives.clone(),
            Record::DecisionMade(r) => r.alternatives.clone(),
            Record::ActionTaken(r) => vec![r.alternative],
            Record::CollectiveDecisionMade(r) => r.alternatives.clone(),
            Record::Deliberated(r) => vec![r.alternative, r.with_consequences],
            Record::AlternativesStruck(r) => r.alternatives.clone(),
            Record::AlternativeDescribed(_)
            | Record::LogOpened(_)
            | Record::ConfigurationChanged(_)
            | Record::PriorElicited(_)
            | Record::AttributesDeclared(_)
            | Record::SessionStarted(_)
            | Record::SessionEnded(_)
            | Record::QuestionSkipped(_)
            | Record::ImportanceStated(_)
            | Record::Retracted(_)
            | Record::BeliefRecorded(_)
            | Record::TaskGiven(_)
            | Record::StopRequested(_)
            | Record::Imported(_)
            | Record::Exported(_)
            | Record::Erased(_)
            | Record::PersonErased(_)
            | Record::AdapterTrained(_)
            | Record::JudgementsRead(_)
            | Record::GateJudged(_)
            | Record::AdapterPromoted(_)
            | Record::AdapterRolledBack(_)
            | Record::AdapterStale(_)
            | Record::PopulationConsolidated(_)
            | Record::QuarantineSet(_)
            | Record::WordsRead(_)
            | Record::ReadingAnswered(_)
            | Record::BriefingAdded(_)
            | Record::BriefingDropped(_)
            | Record::ConsequenceChecked(_) => Vec::new(),
        }
    }
}
