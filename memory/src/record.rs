//! The records of the log: past-tense facts, each one thing that was seen, said, asked, believed or done.
//!
//! A record is data only. What it means for belief is `state`'s business, how it is written is `log`'s.

mod adapters;
mod answers;
mod approvals;
mod calls;
mod deliberation;
mod files;
mod library;
mod motives;
mod opening;
mod people;
mod streams;
mod tasks;
mod whose;
mod words;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::ids::{AlternativeId, Seq};

pub use adapters::{
    AdapterOrigin, AdapterPromoted, AdapterRolledBack, AdapterStale, AdapterTrained, GateJudged, GateTest, GateVerdict,
    GenerationPrior, JudgementsRead,
};
pub use answers::{
    BeliefRecorded, ChoiceMade, CorrectionMade, DemonstrationGiven, ImportanceStated, QuestionAsked, QuestionKind,
    QuestionSkipped, RankingGiven, RatingGiven, Retracted, SessionEnded, SessionStarted, Strength, Verdict,
    VerdictGiven,
};
pub use approvals::{ApprovalNoted, ApprovalsDeclared};
pub use calls::{ActOutcome, CallBegun, CallEnded, Ending, OutcomeReported, StoppedBy};
pub use deliberation::{
    AlternativesStruck, BriefingAdded, BriefingDropped, ConclusionChecked, Consequence, ConsequenceChecked,
    ConsequenceKind, Deliberated, LibraryPassageUsed, Passage, PassageUsed,
};
pub use files::{Erased, Exported, Imported, PersonErased};
pub use library::{DocumentAdded, DocumentDropped, DocumentKind, DocumentPassage, PassageReading, ReadBy};
pub use motives::{MotiveBar, MotivePart, MotiveRead, MotiveReading};
pub use opening::{
    AlternativeDescribed, AttributeScale, AttributesDeclared, ConfigurationChanged, FeatureSource, LogOpened,
    ModelRecord, Origin, PackNamed, PriorElicited, PublishedPrior,
};
pub use people::{
    AcrossShards, CollectiveDecisionMade, PopulationComponent, PopulationConsolidated, PopulationMoments,
    PopulationPart, QuarantineSet, Subject,
};
pub use streams::{MessageReceived, PeopleJoined, PeopleLeft, PopulationWithdrawn};
pub use tasks::{ActionTaken, AlternativesProposed, DecisionMade, Outcome, Reason, StopRequested, TaskGiven};
pub use whose::Whose;
pub use words::{Condition, ReadRow, ReadingAnswered, ReadingVerdict, Scope, WordsRead};

/// One fact. The variant's name is the `kind` on disk, its content the `payload`. This list is the only one of all kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// A session with one person began.
    SessionStarted(SessionStarted),
    /// A session ended.
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
    /// An owner declared the tools that agents may ask for, and the share of acts that may pass wrongly.
    ApprovalsDeclared(ApprovalsDeclared),
    /// An agent asked for an act, its owner answered, the act passed or was undone, or limits were set.
    ApprovalNoted(ApprovalNoted),
    /// The command of a declared tool is about to run.
    CallBegun(CallBegun),
    /// It ended, or was found without an end.
    CallEnded(CallEnded),
    /// Somebody said what became of an act or a decision; not evidence.
    OutcomeReported(OutcomeReported),
    /// A document joined the library: evidence about people in general.
    DocumentAdded(DocumentAdded),
    /// A document left the library.
    DocumentDropped(DocumentDropped),
    /// Probes in the model's states read an act; not evidence.
    MotiveRead(MotiveRead),
    /// A person checked what deliberation concluded; not evidence, which their choice is.
    ConclusionChecked(ConclusionChecked),
    /// A message of a shard's stream came into the log: the records before it are its.
    MessageReceived(MessageReceived),
    /// People left for the log of another shard.
    PeopleLeft(PeopleLeft),
    /// People came from the log of another shard: the records that follow are theirs.
    PeopleJoined(PeopleJoined),
    /// A population over several shards holds no longer.
    PopulationWithdrawn(PopulationWithdrawn),
}

impl Record {
    /// Every kind of this format, in the order of the variants.
    pub const KINDS: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// Its kind, as written in the log.
    pub fn kind(&self) -> &'static str {
        self.into()
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
            _ => None,
        }
    }

    /// Whether it speaks of people whom earlier records brought in, without being evidence of anybody.
    pub fn is_about_others(&self) -> bool {
        matches!(
            self,
            Record::PopulationConsolidated(_)
                | Record::PopulationWithdrawn(_)
                | Record::QuarantineSet(_)
                | Record::PeopleLeft(_)
                | Record::PeopleJoined(_)
        )
    }

    /// Every number of another record that it holds, to be changed.
    pub fn references_mut(&mut self) -> Vec<&mut Seq> {
        match self {
            Record::Retracted(r) => vec![&mut r.target],
            Record::BeliefRecorded(r) => vec![&mut r.through],
            Record::DecisionMade(r) => {
                let reasons = r.reasons.iter_mut().flat_map(|reason| &mut reason.evidence);
                reasons.chain(&mut r.deliberations).chain(&mut r.motives).collect()
            }
            Record::ReadingAnswered(r) => vec![&mut r.read],
            Record::ConsequenceChecked(r) => vec![&mut r.deliberated],
            Record::ConclusionChecked(r) => {
                let [first, second] = &mut r.deliberated;
                vec![&mut r.choice, first, second]
            }
            Record::CallBegun(r) => r.decision.iter_mut().collect(),
            Record::CallEnded(r) => vec![&mut r.call],
            Record::OutcomeReported(r) => vec![&mut r.of],
            Record::MotiveRead(r) => r.deliberated.iter_mut().collect(),
            _ => Vec::new(),
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
            Record::MotiveRead(r) => vec![r.alternative],
            _ => Vec::new(),
        }
    }
}
