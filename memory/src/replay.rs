//! Replay: a log folded without any model, as it was or as it might have been, with the score of every prediction.
//!
//! One pass over the file takes the structure in, while a thread of its own reads on; then people are folded in parallel, each along their own timeline, so
//! that a recorded digest is compared at the record it was taken at. The result does not depend on the number of threads.

mod options;
mod score;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::belief::{BeliefError, Mixture, Surprise};
use crate::evidence::Evidence;
use crate::ids::{Hash, PersonId, Seq};
use crate::log::{Entry, LogError, Tail, read_through};
use crate::observation::resolve;
use crate::record::Record;
use crate::state::{Epoch, Person, State, StateError};

pub use options::{Options, PriorChoice, Restriction, RestrictionError, Selector, SelectorError, Until};
pub use score::{Bin, Calibration, Score};

/// What a replay found, with what was kept of each person's belief: all of it, unless it was asked for otherwise.
#[derive(Debug)]
pub struct Replay<B = Mixture> {
    /// Everything that follows from the records taken in, without beliefs.
    pub state: State,
    /// What beliefs were formed under, one after another, as this replay has it.
    pub epochs: Vec<Epoch>,
    /// Everyone folded, in the order of their names.
    pub people: Vec<Replayed<B>>,
    /// Records taken in.
    pub records: u64,
    /// Evidence records left out by a selector.
    pub left_out: u64,
    /// What stood after the last whole record.
    pub tail: Tail,
}

/// One person, replayed.
#[derive(Debug)]
pub struct Replayed<B = Mixture> {
    /// Who.
    pub person: PersonId,
    /// What is believed at the end, or what was kept of it.
    pub belief: B,
    /// Evidence that survives.
    pub evidence: usize,
    /// How each answer had been predicted, in the order of the log.
    pub predictions: Vec<Prediction>,
    /// How well in sum.
    pub score: Score,
    /// Digests compared.
    pub digests: Vec<DigestCheck>,
}

/// How one answer had been predicted before it was known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The record.
    pub seq: Seq,
    /// `ln p` of what was said, nats.
    pub ln_predictive: f64,
}

/// A recorded digest beside the replayed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestCheck {
    /// The record that holds the digest.
    pub seq: Seq,
    /// The last record that was in the belief.
    pub through: Seq,
    /// What was recorded.
    pub recorded: Hash,
    /// What is found.
    pub found: Hash,
}

impl DigestCheck {
    /// Whether the same was believed.
    pub fn agrees(&self) -> bool {
        self.recorded == self.found
    }
}

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record does not fit.
    #[error(transparent)]
    State(#[from] StateError),
    /// Belief cannot be formed under what was asked for.
    #[error("beliefs of {person} cannot be formed in this replay")]
    Belief {
        /// Whose.
        person: PersonId,
        /// Why.
        source: BeliefError,
    },
    /// What was recorded can only be compared with the log as it was.
    #[error("digests can only be verified in a replay of the log as it was: leave out the options that change it")]
    VerifyOfAnother,
    /// Nobody of this name.
    #[error("the log has no person {0:?}")]
    NoSuchPerson(String),
    /// The prior that was asked for is not there.
    #[error("the log has no elicited prior")]
    NoElicitedPrior,
}

/// A belief on its way, just after a record was taken in.
#[derive(Debug)]
pub struct Step<'a> {
    /// Whose.
    pub person: &'a PersonId,
    /// The evidence taken in.
    pub evidence: &'a Evidence,
    /// What had been expected of it.
    pub surprise: &'a Surprise,
    /// What is believed with it.
    pub belief: &'a Mixture,
    /// What it is believed under.
    pub epoch: &'a Epoch,
}

/// A person's belief at the end of the log, about to be let go.
#[derive(Debug)]
pub struct Ended<'a> {
    /// Whose.
    pub person: &'a PersonId,
    /// What is believed.
    pub belief: Mixture,
    /// What it is believed under.
    pub epoch: &'a Epoch,
    /// Everything that follows from the log, without beliefs.
    pub state: &'a State,
}

/// Replays a log and keeps everyone's belief, which for a thousand answers under a hundred hypotheses is some megabytes a
/// person: see [`replay_keeping`].
///
/// # Errors
/// The log cannot be read, is damaged or newer than this program, or holds a record that may not be there or cannot be learned from;
/// the options name a person or a prior that the log does not have, or ask to verify digests of a changed log.
pub fn replay(input: impl Read + Send, options: &Options) -> Result<Replay, ReplayError> {
    replay_watched(input, options, |_| {})
}

/// Replays a log and shows every belief on the way. A person's steps come in order; people are folded in parallel.
///
/// # Errors
/// As [`replay`].
pub fn replay_watched(
    input: impl Read + Send,
    options: &Options,
    watch: impl Fn(&Step<'_>) + Sync,
) -> Result<Replay, ReplayError> {
    replay_keeping(input, options, watch, |ended| ended.belief)
}

/// Replays a log and keeps of each person's belief what `keep` makes of it. No more beliefs exist at a time than there are
/// threads.
///
/// # Errors
/// As [`replay`].
pub fn replay_keeping<B: Send>(
    input: impl Read + Send,
    options: &Options,
    watch: impl Fn(&Step<'_>) + Sync,
    keep: impl Fn(Ended<'_>) -> B + Sync,
) -> Result<Replay<B>, ReplayError> {
    if options.verify && options.changes_anything() {
        return Err(ReplayError::VerifyOfAnother);
    }
    let TakenIn { state, records, left_out, tail } = take_in(input, options)?;
    if records == 0 {
        return Err(LogError::Empty.into());
    }
    if let Some(person) = &options.person
        && state.person(person).is_none()
    {
        return Err(ReplayError::NoSuchPerson(person.to_string()));
    }
    let epochs = state.epochs().iter().map(|e| options.epoch(e, &state)).collect::<Result<Vec<Epoch>, _>>()?;
    let wanted = state.people().iter().filter(|(id, _)| options.person.as_ref().is_none_or(|p| p == *id));
    let wanted: Vec<(&PersonId, &Person)> = wanted.collect();
    let fold = Fold { epochs: &epochs, state: &state, verify: options.verify };
    let people = wanted.into_par_iter().map(|(id, person)| {
        fold.person(id, person, &watch, &keep).map_err(|source| ReplayError::Belief { person: id.clone(), source })
    });
    let people = people.collect::<Result<Vec<Replayed<B>>, ReplayError>>()?;
    Ok(Replay { state, epochs, people, records, left_out, tail })
}

/// Reads and checks a log without forming beliefs.
///
/// # Errors
/// The log cannot be read, is damaged or newer than this program, or holds a record that may not be there.
pub fn verify_chain(input: impl Read + Send) -> Result<(State, Tail), ReplayError> {
    take_in(input, &Options::default()).map(|taken| (taken.state, taken.tail))
}

struct TakenIn {
    state: State,
    records: u64,
    left_out: u64,
    tail: Tail,
}

fn take_in(input: impl Read + Send, options: &Options) -> Result<TakenIn, ReplayError> {
    let mut state = State::new();
    let mut records = 0;
    // Records left out, so that retractions of them are left out too.
    let mut left_out = BTreeSet::new();
    let tail = read_through(input, |entry| {
        if options.until.is_some_and(|until| until.is_before(entry)) {
            return Ok(ControlFlow::Break(()));
        }
        records += 1;
        if leaves_out(entry, options, &left_out) {
            left_out.insert(entry.seq);
            state.pass_over(entry);
            return Ok(ControlFlow::Continue(()));
        }
        match state.note(entry) {
            // It rested on what was left out, or speaks of people of whom nothing is left.
            Err(_) if !left_out.is_empty() && entry.record.is_about_others() => {
                left_out.insert(entry.seq);
                state.pass_over(entry);
            }
            noted => noted?,
        }
        Ok::<_, ReplayError>(ControlFlow::Continue(()))
    })?;
    Ok(TakenIn { state, records, left_out: left_out.len() as u64, tail })
}

fn leaves_out(entry: &Entry, options: &Options, left_out: &BTreeSet<Seq>) -> bool {
    if let Record::Retracted(r) = &entry.record
        && left_out.contains(&r.target)
    {
        return true;
    }
    options.without.iter().any(|selector| selector.selects(entry))
}

impl<B> Replay<B> {
    /// The scores of all people together.
    pub fn score(&self) -> Score {
        let mut all = Score::default();
        self.people.iter().for_each(|person| all.add(&person.score));
        all
    }

    /// Digests that do not agree, in the order of people.
    pub fn disagreements(&self) -> impl Iterator<Item = (&PersonId, &DigestCheck)> {
        let checks = self.people.iter().flat_map(|p| p.digests.iter().map(move |check| (&p.person, check)));
        checks.filter(|(_, check)| !check.agrees())
    }
}

/// What can happen to one person's belief.
enum Event<'a> {
    Learn(&'a Evidence),
    Retract(Seq),
    Anew(&'a Epoch),
    Check(Seq, &'a crate::record::BeliefRecorded),
}

struct Fold<'a> {
    epochs: &'a [Epoch],
    state: &'a State,
    verify: bool,
}

impl Fold<'_> {
    /// Everything that happened to a person's belief, in order. A digest is of the belief through a stated record.
    fn timeline<'a>(&'a self, person: &'a Person) -> Vec<Event<'a>> {
        let mut events: Vec<((Seq, bool), Event<'a>)> = Vec::new();
        let given = person.evidence().iter().chain(person.retracted().iter().map(|(_, e)| e));
        events.extend(given.map(|e| ((e.seq, false), Event::Learn(e))));
        events.extend(person.retracted().iter().map(|(seq, e)| ((*seq, false), Event::Retract(e.seq))));
        events.extend(self.epochs.iter().map(|e| ((e.since, false), Event::Anew(e))));
        if self.verify {
            events.extend(person.digests().iter().map(|(seq, r)| ((r.through, true), Event::Check(*seq, r))));
        }
        events.sort_by_key(|(at, _)| *at);
        events.into_iter().map(|(_, event)| event).collect()
    }

    fn person<B>(
        &self,
        id: &PersonId,
        person: &Person,
        watch: &impl Fn(&Step<'_>),
        keep: &impl Fn(Ended<'_>) -> B,
    ) -> Result<Replayed<B>, BeliefError> {
        let mut epoch = &self.epochs[0];
        let mut survivors: Vec<&Evidence> = Vec::new();
        // Absent where everything must be folded anew, which waits until somebody asks.
        let mut belief: Option<Mixture> = None;
        let mut predictions = Vec::with_capacity(person.evidence().len());
        let mut score = Score::default();
        let mut digests = Vec::new();
        // Nothing that was described more fully later was so before: every such record begins an epoch.
        let described = |epoch: &Epoch, index| self.state.description_through(index, epoch.since);
        let formed = |belief: &mut Option<Mixture>, epoch: &Epoch, survivors: &[&Evidence]| match belief.take() {
            Some(belief) => Ok(belief),
            None => crate::state::fold(id, epoch, |i| described(epoch, i), survivors.iter().copied()),
        };
        for event in self.timeline(person) {
            match event {
                Event::Anew(next) => (epoch, belief) = (next, None),
                Event::Retract(target) => {
                    survivors.retain(|e| e.seq != target);
                    belief = None;
                }
                Event::Learn(evidence) => {
                    let mut now = formed(&mut belief, epoch, &survivors)?;
                    let observation = resolve(evidence, |i| described(epoch, i), &epoch.layout);
                    let surprise = epoch.observe(&mut now, evidence.seq, &observation)?;
                    predictions.push(Prediction { seq: evidence.seq, ln_predictive: surprise.ln_predictive });
                    score.take(&surprise);
                    watch(&Step { person: id, evidence, surprise: &surprise, belief: &now, epoch });
                    survivors.push(evidence);
                    belief = Some(now);
                }
                Event::Check(seq, recorded) => {
                    let now = formed(&mut belief, epoch, &survivors)?;
                    let (through, found) = (recorded.through, Hash(now.digest()));
                    digests.push(DigestCheck { seq, through, recorded: recorded.digest, found });
                    belief = Some(now);
                }
            }
        }
        let belief = formed(&mut belief, epoch, &survivors)?;
        let belief = keep(Ended { person: id, belief, epoch, state: self.state });
        Ok(Replayed { person: id.clone(), belief, evidence: survivors.len(), predictions, score, digests })
    }
}
