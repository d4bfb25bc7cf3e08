//! The records of the log: past-tense facts, each one thing that was seen, said, asked, believed or done.
//!
//! A record is data only. What it means for belief is `state`'s business, how it is written is `log`'s.

mod adapters;
mod answers;
mod deliberation;
mod files;
mod opening;
mod people;
mod tasks;
mod words;

use serde::{Deserialize, Serialize};

use crate::ids::AlternativeId;

pub use adapters::{
    AdapterOrigin, AdapterPromoted, AdapterRolledBack, AdapterStale, AdapterTrained, GateJudged, GateTest, GateVerdict,
    GenerationPrior, JudgementsRead,
};
pub use answers::{
    BeliefRecorded, ChoiceMade, CorrectionMade, DemonstrationGiven, ImportanceStated, QuestionAsked, QuestionKind,
    QuestionSkipped, RankingGiven, RatingGiven, Retracted, SessionEnded, SessionStarted, Strength, Verdict,
    VerdictGiven,
};
pub use deliberation::{
    AlternativesStruck, BriefingAdded, BriefingDropped, Consequence, ConsequenceChecked, ConsequenceKind, Deliberated,
    Passage, PassageUsed,
};
pub use files::{Erased, Exported, Imported, PersonErased};
pub use opening::{
    AlternativeDescribed, AttributeScale, AttributesDeclared, ConfigurationChanged, FeatureSource, LogOpened,
    ModelRecord, Origin, PriorElicited, PublishedPrior,
};
pub use people::{
    CollectiveDecisionMade, PopulationComponent, PopulationConsolidated, PopulationMoments, PopulationPart,
    QuarantineSet, Subject,
};
pub use tasks::{ActionTaken, AlternativesProposed, DecisionMade, Outcome, Reason, StopRequested, TaskGiven};
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
