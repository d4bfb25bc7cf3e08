//! Why a record does not fit the log, and the bounds that every record is held to.

use std::collections::BTreeSet;

use credence_approvals::ApprovalError;

use crate::belief::BeliefError;
use crate::ids::{AdapterGeneration, AlternativeId, Hash, PersonId, QuestionId, Seq, SessionId, TaskId};
use crate::log::FORMAT;
use crate::number::Finite;

/// The most generations on top of one another: each of them adds a location to everyone's mixture. A retraining from the
/// base replaces the stack.
pub const LINEAGE_MAX: usize = 4;
/// The most alternatives in one question, choice, ranking or decision.
pub const ALTERNATIVES_MAX: usize = 100;
/// The most features, so that a covariance stays within a line of the log.
pub const FEATURES_MAX: usize = 500;
/// The largest magnitude of a feature or an error variance: standardised features are of the order of 1.
pub const FEATURE_MAX: f64 = 1e6;
/// The most levels of a rating.
pub const LEVELS_MAX: u32 = 100;

/// Why a record does not fit the log.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Illegal {
    /// Something before the header.
    #[error("the log has no header yet")]
    NoHeader,
    /// A second header.
    #[error("the log already has a header")]
    SecondHeader,
    /// A header of another format.
    #[error("a header of format {0} in a log of format {FORMAT}")]
    Format(u32),
    /// A keyed alternative in a log whose features are in other units.
    #[error(
        "this log's features are read by a model in units of its own, so that keys cannot be used in it; begin another home for keyed questions"
    )]
    NotInKeyPoints,
    /// An entry of approvals that does not follow.
    #[error("{source}")]
    Approval {
        /// Why.
        source: ApprovalError,
    },
    /// Approvals of somebody who has declared no tools.
    #[error("{0} has not declared what agents may ask for: `credence approvals declare` does")]
    NoApprovals(PersonId),
    /// A number that a line of the log cannot hold.
    #[error("a number in it is not finite")]
    NotFinite,
    /// A name given twice.
    #[error("{what} {name:?} is there already")]
    Duplicate {
        /// What kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that nothing has.
    #[error("there is no {what} {name:?} at this point of the log")]
    Unknown {
        /// What kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A number of things other than it must be.
    #[error("{what}: {found} given, {expected} expected")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: String,
    },
    /// A number out of its range.
    #[error("{what} is {found}, which is not {expected}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What it is.
        found: f64,
        /// What it must be.
        expected: &'static str,
    },
    /// Settings the engine refuses.
    #[error("the belief settings are not usable")]
    Settings {
        /// Why.
        source: BeliefError,
    },
    /// An id that is not the hash of what it identifies.
    #[error("the {what} is identified as {stated}, but its content has the identity {actual}")]
    WrongIdentity {
        /// What.
        what: &'static str,
        /// The id in the record.
        stated: Hash,
        /// The id that its content has.
        actual: Hash,
    },
    /// The same words with other features: a weight would change its meaning.
    #[error("alternative {0} was described before with other features; a log has one feature space")]
    DescribedOtherwise(AlternativeId),
    /// A prior in another feature space than alternatives were described in.
    #[error(
        "the prior is of feature space {found}, but the log's alternatives were described in {expected}: a log has one feature space"
    )]
    OtherFeatureSpace {
        /// The prior's.
        found: Hash,
        /// The log's.
        expected: Hash,
    },
    /// An alternative twice in one question.
    #[error("alternative {0} is there twice")]
    SameAlternative(AlternativeId),
    /// "No preference" where it cannot be.
    #[error("\"no preference\" is an answer to two alternatives, and only where it was offered")]
    NoPreference,
    /// A message of a stream that is in the log already.
    #[error("message {sequence} of the stream is in the log already, which goes up to message {last}")]
    ReceivedBefore {
        /// Its number.
        sequence: u64,
        /// The last one in the log.
        last: u64,
    },
    /// A writer whose lease is over.
    #[error("lease {fence} is over: the log is written under lease {last}")]
    Fenced {
        /// The writer's.
        fence: u64,
        /// The one in the log.
        last: u64,
    },
    /// A person who is not the session's.
    #[error("session {session} is not one of {person}")]
    OthersSession {
        /// The session.
        session: SessionId,
        /// The person.
        person: PersonId,
    },
    /// A session that is over.
    #[error("session {0} has ended")]
    SessionOver(SessionId),
    /// An act for a task of somebody else.
    #[error("{task} was given by {person}, and is done for them alone")]
    AnothersTask {
        /// The task.
        task: TaskId,
        /// Who gave it.
        person: PersonId,
    },
    /// An act for a task after its person said stop.
    #[error("{0} was stopped, and stays so")]
    Stopped(TaskId),
    /// A retraction of something else than evidence.
    #[error("record {0} is not evidence, so it cannot be retracted")]
    NotEvidence(Seq),
    /// A second retraction.
    #[error("record {0} was retracted before")]
    AlreadyRetracted(Seq),
    /// A record that refers to the future.
    #[error("it refers to record {0}, which does not come before it")]
    NotBefore(Seq),
    /// An importance statement about nothing, or about one value twice.
    #[error("an importance statement needs one value, or two different ones, out of at least two")]
    ImportanceOfNothing,
    /// A quarantine that changes nothing.
    #[error("it is already {stands} quarantine")]
    QuarantineAsBefore {
        /// `in`, or `not in`.
        stands: &'static str,
    },
    /// Something said twice about one thing.
    #[error("{what} of record {of} was answered before")]
    AnsweredBefore {
        /// What.
        what: &'static str,
        /// The record it is part of.
        of: Seq,
    },
    /// A person who is not the one it concerns.
    #[error("record {of} is not about {person}")]
    OthersRecord {
        /// The record.
        of: Seq,
        /// The person.
        person: PersonId,
    },
    /// A generation that no adapter has.
    #[error("there is no adapter of generation {0}")]
    NoSuchGeneration(AdapterGeneration),
    /// A number that an adapter had, or that one before it had.
    #[error("generation {generation} cannot be given to a new adapter: the next number is {next}")]
    GenerationUsed {
        /// The number.
        generation: AdapterGeneration,
        /// The least one that is free.
        next: AdapterGeneration,
    },
    /// An adapter for another model.
    #[error("the adapter is for a model with hash {found}, but this log's model has {expected}")]
    OtherBase {
        /// The adapter's.
        found: Hash,
        /// The log's.
        expected: Hash,
    },
    /// A path that could lead out of the home.
    #[error("{0:?} is not a path inside the home: it must be relative, with plain parts separated by /")]
    PathOutside(String),
    /// A cutoff that would take back what the parent absorbed.
    #[error("the training cutoff {cutoff} lies before the parent generation's, {parent}")]
    CutoffBeforeParent {
        /// The adapter's.
        cutoff: Seq,
        /// Its parent's.
        parent: Seq,
    },
    /// A run that does not begin and end with records of the person.
    #[error("record {record} is not evidence of {person}, so it cannot begin or end a run of what was absorbed")]
    NotTheirs {
        /// The record.
        record: Seq,
        /// The person.
        person: PersonId,
    },
    /// Something absorbed from after the cutoff.
    #[error("record {record} cannot have been absorbed: the training cutoff is {cutoff}")]
    AfterCutoff {
        /// The record.
        record: Seq,
        /// The cutoff.
        cutoff: Seq,
    },
    /// Something absorbed that was withdrawn before training.
    #[error("record {0} cannot have been absorbed: it was retracted before the training cutoff")]
    AbsorbedWithdrawn(Seq),
    /// A candidate compared with itself.
    #[error("generation {0} cannot be judged against itself")]
    JudgedAgainstItself(AdapterGeneration),
    /// An acceptance in spite of a test.
    #[error("generation {generation} cannot be accepted: it did not pass {test:?}")]
    AcceptedThoughFailed {
        /// The candidate.
        generation: AdapterGeneration,
        /// The test.
        test: String,
    },
    /// A promotion of what is promoted.
    #[error("generation {0} is promoted already")]
    AlreadyPromoted(AdapterGeneration),
    /// A rollback of what is not promoted.
    #[error("generation {0} is not promoted, so it cannot be rolled back")]
    NotPromoted(AdapterGeneration),
    /// A promotion that the gate did not allow.
    #[error(
        "generation {0} was not accepted by the gate (since its last rollback, if there was one): a promotion without that \
         needs a stated reason"
    )]
    NotAccepted(AdapterGeneration),
    /// A promotion on top of a generation that is not in force.
    #[error("generation {generation} cannot be promoted: its parent {parent} is not promoted, or is stale")]
    ParentNotPromoted {
        /// The candidate.
        generation: AdapterGeneration,
        /// Its parent.
        parent: AdapterGeneration,
    },
    /// Too long a stack.
    #[error("generation {0} would be one more on top of {LINEAGE_MAX}: a retraining from the base replaces the stack")]
    TooManyGenerations(AdapterGeneration),
    /// A promotion of an adapter that absorbed something withdrawn.
    #[error("generation {generation} is stale: it absorbed record {withdrawn}, which was retracted")]
    Stale {
        /// The adapter.
        generation: AdapterGeneration,
        /// The record.
        withdrawn: Seq,
    },
    /// Called stale twice.
    #[error("generation {0} was said to be stale before")]
    AlreadyStale(AdapterGeneration),
    /// Called stale for a record that did not make it so.
    #[error("generation {generation} is not stale because of record {withdrawn}")]
    NotStale {
        /// The adapter.
        generation: AdapterGeneration,
        /// The record.
        withdrawn: Seq,
    },
    /// Moved already, or out of turn.
    #[error("move {number} is in the log already, or its piece is not the next one")]
    MovedBefore {
        /// The move.
        number: u64,
    },
    /// Belief is formed otherwise in the log that people come from.
    #[error("belief is formed under another prior, other settings or other features in the log that they come from")]
    OtherPrior,
    /// Adapters are of one log.
    #[error("an adapter is in force, which names records of this log only: `credence tune rollback` takes it back")]
    AdaptersInForce,
    /// A population that what came since may have ended.
    #[error("the population was learned before record {since}, which may have ended it: learn it again")]
    LearnedBefore {
        /// What came since.
        since: Seq,
    },
    /// A fit of a population after a later one.
    #[error("fit {fit} of the population is in the log already, or a later one is")]
    FittedBefore {
        /// The fit.
        fit: u64,
    },
    /// No reason where one is needed.
    #[error("a reason must be stated")]
    NoReason,
}

pub(super) fn count(what: &'static str, found: usize, expected: usize) -> Result<(), Illegal> {
    if found == expected { Ok(()) } else { Err(Illegal::Count { what, found, expected: expected.to_string() }) }
}

pub(super) fn between(what: &'static str, found: usize, least: usize, most: usize) -> Result<(), Illegal> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(Illegal::Count { what, found, expected: format!("{least} to {most}") })
    }
}

pub(super) fn bounded(what: &'static str, values: &[Finite]) -> Result<(), Illegal> {
    match values.iter().find(|v| v.get().abs() > FEATURE_MAX) {
        Some(v) => Err(Illegal::Range { what, found: v.get(), expected: "between -1e6 and 1e6" }),
        None => Ok(()),
    }
}

pub(super) fn not_negative(what: &'static str, values: &[Finite]) -> Result<(), Illegal> {
    bounded(what, values)?;
    match values.iter().find(|v| v.get() < 0.0) {
        Some(v) => Err(Illegal::Range { what, found: v.get(), expected: "a variance, which is 0 or more" }),
        None => Ok(()),
    }
}

pub(super) fn positive(what: &'static str, value: Finite) -> Result<(), Illegal> {
    bounded(what, &[value])?;
    if value.get() > 0.0 { Ok(()) } else { Err(Illegal::Range { what, found: value.get(), expected: "positive" }) }
}

pub(super) fn distinct(alternatives: &[AlternativeId]) -> Result<(), Illegal> {
    if let [a, b] = alternatives {
        return if a == b { Err(Illegal::SameAlternative(*a)) } else { Ok(()) };
    }
    let mut seen = BTreeSet::new();
    match alternatives.iter().find(|a| !seen.insert(**a)) {
        Some(twice) => Err(Illegal::SameAlternative(*twice)),
        None => Ok(()),
    }
}

pub(super) fn same_question(stated: QuestionId, alternatives: &[AlternativeId]) -> Result<(), Illegal> {
    let actual = QuestionId::of(alternatives);
    if stated == actual {
        return Ok(());
    }
    Err(Illegal::WrongIdentity { what: "question", stated: stated.hash(), actual: actual.hash() })
}
