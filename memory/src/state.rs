//! State is a fold of the log: who said what and survives, what was described, what is believed.
//!
//! [`State::prepare`] says what a record would do, without doing it, so that nothing illegal is ever appended;
//! [`State::install`] does it. [`State::apply`] is both, for a record that stands in a log.

mod approvals;
mod calls;
mod check;
mod generations;
mod illegal;
mod library;
mod motives;
mod moving;
mod person;
mod population;
#[cfg(test)]
pub(crate) mod tests;
mod whose;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use credence_approvals::Approvals;
use jiff::Timestamp;
use rayon::prelude::*;

use crate::belief::{BeliefError, Mixture, Priors, Settings, Surprise};
use crate::evidence::DescriptionIndex;
use crate::ids::{AlternativeId, BriefingId, Hash, PersonId, Seq, SessionId, TaskId};
use crate::layout::Layout;
use crate::library::Library;
use crate::log::Entry;
use crate::observation::{Features, resolve};
use crate::record::{
    ActionTaken, AlternativeDescribed, BriefingAdded, ChoiceMade, ConclusionChecked, DecisionMade, Imported, LogOpened,
    MessageReceived, MotiveRead, PeopleLeft, PriorElicited, RankingGiven, RatingGiven, Record, SessionEnded,
    SessionStarted, Subject, TaskGiven,
};

pub use calls::Call;
pub use generations::{Adapter, Generations, InForce};
pub use illegal::{ALTERNATIVES_MAX, FEATURE_MAX, FEATURES_MAX, Illegal, LEVELS_MAX, LINEAGE_MAX};
pub use moving::Joining;
pub(crate) use person::fold;
pub use person::{Asked, Person};
pub use population::{Population, Received};
pub use work::{Deliberation, ReadWords, beside_the_point};

use calls::Calls;
use check::Change;

/// What a belief is formed under, apart from evidence. A new one begins with every record after which people are folded
/// anew: one that changes any of this, or the features of an alternative.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// The record it began with.
    pub since: Seq,
    /// The engine's settings.
    pub settings: Arc<Settings>,
    /// The feature space.
    pub layout: Arc<Layout>,
    /// Prior locations in it that are everyone's.
    pub priors: Arc<Priors>,
    /// Generations in force, the oldest first, and what they absorbed.
    pub lineage: Arc<[InForce]>,
    /// What people receive from others, if anything was learned that still holds.
    pub population: Option<Arc<Population>>,
    /// What is believed of everyone before any evidence, where it is the same.
    pub(crate) of_everyone: WorkedOut,
}

/// A belief that was asked for before; it follows from the rest of its epoch. What is made from an epoch works it out anew.
#[derive(Debug, Default)]
pub(crate) struct WorkedOut(OnceLock<Mixture>);

impl Clone for WorkedOut {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for WorkedOut {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Epoch {
    /// Prior locations of one person: everyone's, and what they receive from others.
    pub fn priors_for(&self, person: &PersonId) -> Arc<Priors> {
        let Some(population) = &self.population else { return self.priors.clone() };
        let mut priors = (*self.priors).clone();
        let received = population.received_by(person);
        priors.locations.extend_from_slice(&received.locations);
        priors.component_masses.clone_from(&received.masses);
        Arc::new(priors)
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// How it began.
    pub started: SessionStarted,
    /// How it ended, if it has.
    pub ended: Option<SessionEnded>,
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What was asked for.
    pub given: TaskGiven,
    /// What has been proposed for it and not struck, in order, and by whom.
    pub proposed: Vec<(AlternativeId, String)>,
    /// What was done.
    pub actions: Vec<ActionTaken>,
    /// Whether the person said stop.
    pub stopped: bool,
}

/// Everything that follows from a log.
#[derive(Debug, Clone, Default)]
pub struct State {
    header: Option<Arc<LogOpened>>,
    head: Option<(Seq, Hash)>,
    elicited: Option<Arc<PriorElicited>>,
    epochs: Vec<Arc<Epoch>>,
    descriptions: Vec<AlternativeDescribed>,
    described: HashMap<AlternativeId, DescriptionIndex>,
    /// Descriptions that a later record replaced by a fuller one, with that record.
    superseded: HashMap<DescriptionIndex, Vec<(Seq, AlternativeDescribed)>>,
    people: BTreeMap<PersonId, Person>,
    sessions: BTreeMap<SessionId, Session>,
    tasks: BTreeMap<TaskId, Task>,
    decisions: Vec<(Seq, DecisionMade)>,
    imported: Vec<(Seq, Imported)>,
    generations: Generations,
    /// Evidence that a replay passes over, with whose it was.
    left_out: BTreeMap<Seq, PersonId>,
    quarantined: BTreeSet<Subject>,
    /// Whoever and whatever was in quarantine and counts again.
    lifted: BTreeSet<Subject>,
    read_words: BTreeMap<Seq, ReadWords>,
    briefings: BTreeMap<BriefingId, (Seq, BriefingAdded)>,
    deliberations: BTreeMap<Seq, Deliberation>,
    conclusions: BTreeMap<Seq, ConclusionChecked>,
    approvals: BTreeMap<PersonId, Arc<Approvals>>,
    calls: Calls,
    library: Arc<Library>,
    motives: BTreeMap<Seq, MotiveRead>,
    /// The last message received of each shard.
    received: BTreeMap<u32, (MessageReceived, Timestamp)>,
    /// Who left for other shards, by the number of the move.
    left: BTreeMap<u64, PeopleLeft>,
    joining: Option<Joining>,
    slots_left: BTreeMap<u32, u32>,
    slots_joined: BTreeSet<u32>,
    /// The last fit of a population over shards.
    fitted: u64,
    erasures: u64,
    /// The last record that may have ended a population.
    unsettled: Option<Seq>,
}

/// Why a record cannot follow.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It contradicts what the log holds.
    #[error("record {seq} does not fit the log")]
    Illegal {
        /// The record.
        seq: Seq,
        /// What is wrong.
        source: Illegal,
    },
    /// Belief cannot be formed with it.
    #[error("record {seq} cannot be learned from")]
    Belief {
        /// The record.
        seq: Seq,
        /// Why.
        source: BeliefError,
    },
}

/// What a record did to the state.
#[derive(Debug)]
pub enum Applied {
    /// It was noted; nobody's belief changed.
    Noted,
    /// One person's belief changed.
    Learned {
        /// Whose.
        person: PersonId,
        /// How well it had been predicted, where that was asked for: see [`State::prepare_telling`].
        surprise: Option<Surprise>,
    },
    /// Beliefs were folded anew.
    Refolded {
        /// Whose.
        people: Vec<PersonId>,
    },
}

/// A record's consequences, worked out before it is appended.
#[derive(Debug)]
pub struct Prepared {
    change: Change,
    beliefs: Vec<(PersonId, Mixture)>,
    surprise: Option<Surprise>,
}

impl State {
    /// The state of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Works out what a record would do, beliefs included.
    ///
    /// # Errors
    /// The record does not fit the log, or cannot be learned from: it must not be appended.
    #[allow(clippy::missing_panics_doc, reason = "evidence is legal only after the header")]
    pub fn prepare(&self, record: &Record) -> Result<Prepared, StateError> {
        self.work_out(record, false)
    }

    /// As [`State::prepare`], and [`Applied::Learned`] will say how well evidence had been predicted, which takes longer.
    ///
    /// # Errors
    /// As [`State::prepare`].
    pub fn prepare_telling(&self, record: &Record) -> Result<Prepared, StateError> {
        self.work_out(record, true)
    }

    fn work_out(&self, record: &Record, tell: bool) -> Result<Prepared, StateError> {
        let seq = self.head().0.next();
        let change = self.plan(seq, record)?;
        let believe = |source| StateError::Belief { seq, source };
        let mut surprise = None;
        let beliefs = match &change {
            Change::Evidence { person, evidence } => {
                let epoch = self.epochs.last().expect("evidence is only legal after the header");
                let (id, person) = (person, self.people.get(person));
                let mut belief = match person {
                    Some(person) => person.caught_up(id, epoch, &self.descriptions).map_err(believe)?,
                    None => epoch.prior_belief(id).map_err(believe)?,
                };
                let observation = resolve(evidence, |i| self.latest(i), &epoch.layout);
                if tell {
                    surprise = Some(epoch.observe(&mut belief, seq, &observation).map_err(believe)?);
                } else {
                    epoch.learn(&mut belief, seq, &observation).map_err(believe)?;
                }
                vec![(id.clone(), belief)]
            }
            // Beliefs that nobody has asked for yet are formed when somebody does.
            Change::Retraction { person, target, anew: None, .. } if self.people[person].is_believed() => {
                let epoch = self.epochs.last().expect("a retraction is only legal after the header");
                let survivors = self.people[person].evidence().iter().filter(|e| e.seq != *target);
                let belief = person::fold(person, epoch, |i| self.latest(i), survivors).map_err(believe)?;
                vec![(person.clone(), belief)]
            }
            Change::Retraction { target, anew: Some(epoch), .. } => {
                self.refolded(epoch, |i| self.latest(i), Some(*target)).map_err(believe)?
            }
            Change::Epoch { epoch, .. }
            | Change::Library { epoch, .. }
            | Change::Generations { anew: Some(epoch), .. } => {
                // Even without people, a prior nobody could believe under is refused here.
                epoch.check().map_err(believe)?;
                self.refolded(epoch, |i| self.latest(i), None).map_err(believe)?
            }
            Change::Description { described, replaces: Some(replaced), anew: Some(epoch) } => {
                let description = |i| if i == *replaced { described } else { self.latest(i) };
                self.refolded(epoch, description, None).map_err(believe)?
            }
            Change::Joined { anew: Some(epoch), .. } => {
                self.refolded(epoch, |i| self.latest(i), None).map_err(believe)?
            }
            Change::Judgements { described, anew: Some(epoch), .. } => {
                let description = |i| described.get(&i).unwrap_or_else(|| self.latest(i));
                self.refolded(epoch, description, None).map_err(believe)?
            }
            Change::Header(_)
            | Change::Description { .. }
            | Change::Retraction { .. }
            | Change::Generations { .. }
            | Change::Judgements { .. }
            | Change::Quarantine { .. }
            | Change::Approvals { .. }
            | Change::Left { .. }
            | Change::Joined { .. }
            | Change::Note => Vec::new(),
        };
        Ok(Prepared { change, beliefs, surprise })
    }

    /// Everyone's belief that somebody has asked for, under a new epoch, and without a record that is being withdrawn.
    fn refolded<'a>(
        &self,
        epoch: &Epoch,
        description: impl Fn(DescriptionIndex) -> &'a AlternativeDescribed + Sync,
        without: Option<Seq>,
    ) -> Result<Vec<(PersonId, Mixture)>, BeliefError> {
        let believed: Vec<_> = self.people.iter().filter(|(_, person)| person.is_believed()).collect();
        let folded = believed.into_par_iter().map(|(id, person)| {
            let survivors = person.evidence().iter().filter(|e| Some(e.seq) != without);
            Ok((id.clone(), person::fold(id, epoch, &description, survivors)?))
        });
        folded.collect()
    }

    /// Does what was prepared for this entry.
    #[allow(clippy::missing_panics_doc, reason = "what was prepared names known people")]
    pub fn install(&mut self, entry: &Entry, prepared: Prepared) -> Applied {
        let Prepared { change, beliefs, surprise } = prepared;
        let learner = if let Change::Evidence { person, .. } = &change { Some(person.clone()) } else { None };
        self.change(entry, change);
        let mut refolded = Vec::with_capacity(beliefs.len());
        for (id, belief) in beliefs {
            self.people.get_mut(&id).expect("only known people have beliefs").believe(belief);
            refolded.push(id);
        }
        match learner {
            Some(person) => Applied::Learned { person, surprise },
            _ if refolded.is_empty() => Applied::Noted,
            _ => Applied::Refolded { people: refolded },
        }
    }

    /// Applies an entry, beliefs included, and says how well evidence had been predicted.
    ///
    /// # Errors
    /// The entry is not the next one, or its record may not follow what the log holds; the state is unchanged then.
    pub fn apply(&mut self, entry: &Entry) -> Result<Applied, StateError> {
        let prepared = self.prepare_telling(&entry.record)?;
        Ok(self.install(entry, prepared))
    }

    /// Takes an entry in without forming beliefs: they are formed later, to the same bits, when they are asked for.
    ///
    /// # Errors
    /// As [`State::apply`].
    pub fn note(&mut self, entry: &Entry) -> Result<(), StateError> {
        let change = self.plan(entry.seq, &entry.record)?;
        self.change(entry, change);
        Ok(())
    }

    /// That a record may be the next one.
    pub(crate) fn may_follow(&self, record: &Record) -> Result<(), StateError> {
        self.plan(self.head().0.next(), record).map(drop)
    }

    /// Why a record could not be the next one, in words; nothing if it could.
    pub fn refuses(&self, record: &Record) -> Option<String> {
        match self.plan(self.head().0.next(), record).err()? {
            StateError::Illegal { source, .. } => Some(source.to_string()),
            other => Some(other.to_string()),
        }
    }

    /// Why no home could take a piece of evidence, whatever its values; nothing if one could.
    pub(crate) fn refused_by_all(record: &Record) -> Option<String> {
        match record {
            Record::RatingGiven(r) => check::is_one_of_its_levels(r).err().map(|why| why.to_string()),
            _ => None,
        }
    }

    /// Passes over an entry, as if it said nothing.
    pub(crate) fn pass_over(&mut self, entry: &Entry) {
        if let Some(from) = entry.record.evidence_origin() {
            self.left_out.insert(entry.seq, from.person.clone());
        }
        self.head = Some((entry.seq, entry.hash));
    }

    /// Brings one person's belief up to date, if there is such a person, so that [`Person::belief`] has it.
    ///
    /// # Errors
    /// A record of theirs cannot be learned from, or no belief can be formed from the header and the prior.
    pub fn believe(&mut self, id: &PersonId) -> Result<(), StateError> {
        let Some(epoch) = self.epochs.last() else { return Ok(()) };
        match self.people.get_mut(id) {
            Some(person) => person.catch_up(id, epoch, &self.descriptions),
            None => Ok(()),
        }
    }

    /// Gives a person a belief that was formed before, if it is of this very history: `touched` is the record, and its
    /// hash, through which it was formed. Says whether it was taken.
    pub fn restore(&mut self, person: &PersonId, touched: (Seq, Hash), belief: Mixture) -> bool {
        match self.people.get_mut(person) {
            Some(person) if person.touched() == Some(touched) => {
                person.believe(belief);
                true
            }
            _ => false,
        }
    }

    fn change(&mut self, entry: &Entry, change: Change) {
        let touched = (entry.seq, entry.hash);
        if Self::unsettles(&entry.record) {
            self.unsettled = Some(entry.seq);
        }
        match change {
            Change::Header(header) => {
                let settings = Arc::new(header.belief.clone());
                let layout = Layout::new(&header);
                let epoch = Epoch::new(entry.seq, settings, &layout, None, &self.generations, &self.library);
                self.epochs.push(Arc::new(epoch));
                self.header = Some(header);
            }
            Change::Epoch { epoch, elicited } => {
                if let Record::PopulationConsolidated(r) = &entry.record {
                    self.fitted = r.across.map_or(self.fitted, |across| across.fit);
                }
                if let Some(elicited) = elicited {
                    self.elicited = Some(elicited);
                }
                self.begin_epoch(Some(epoch), touched);
            }
            Change::Description { described, replaces, anew } => {
                match replaces {
                    Some(index) => {
                        let before = std::mem::replace(&mut self.descriptions[index as usize], described);
                        self.superseded.entry(index).or_default().push((entry.seq, before));
                    }
                    None => {
                        let index = DescriptionIndex::try_from(self.descriptions.len()).expect("checked when planned");
                        self.described.insert(described.alternative, index);
                        self.descriptions.push(described);
                    }
                }
                self.begin_epoch(anew, touched);
            }
            Change::Evidence { person, evidence } => {
                let person = self.people.entry(person).or_default();
                if let Record::ChoiceMade(ChoiceMade { from, .. })
                | Record::RankingGiven(RankingGiven { from, .. })
                | Record::RatingGiven(RatingGiven { from, .. }) = &entry.record
                    && let Some(session) = &from.session
                    // Lines of a file say nothing of a person's time.
                    && !from.source.as_str().starts_with("file:")
                {
                    person.answered(session, entry.time);
                }
                person.learn(evidence, touched);
            }
            Change::Generations { next, anew } => {
                self.generations = *next;
                self.begin_epoch(anew, touched);
            }
            Change::Judgements { described, was_promoted, anew } => {
                for (index, new) in described {
                    let before = std::mem::replace(&mut self.descriptions[index as usize], new);
                    // No epoch so far could have read the judgements of a generation that was never promoted.
                    if was_promoted {
                        self.superseded.entry(index).or_default().push((entry.seq, before));
                    }
                }
                self.begin_epoch(anew, touched);
            }
            Change::Retraction { person, target, generations, anew } => {
                if let Some(next) = generations {
                    self.generations = *next;
                }
                self.people.get_mut(&person).expect("checked when planned").retract(target, touched);
                self.begin_epoch(anew, touched);
            }
            Change::Quarantine { subject, quarantined, anew } => {
                if quarantined {
                    self.lifted.remove(&subject);
                    self.quarantined.insert(subject);
                } else {
                    self.quarantined.remove(&subject);
                    self.lifted.insert(subject);
                }
                self.begin_epoch(anew, touched);
            }
            Change::Approvals { person, approvals } => {
                self.people.entry(person.clone()).or_default();
                self.approvals.insert(person, approvals);
                self.note_act(entry);
            }
            Change::Library { library, epoch } => {
                self.library = library;
                self.begin_epoch(Some(epoch), touched);
            }
            Change::Left { left, people } => self.take_leave(left, &people),
            Change::Joined { joining, slots, population, anew } => {
                self.slots_left.retain(|slot, _| !slots.contains(slot));
                self.slots_joined.extend(&slots);
                self.joining = Some(joining);
                if let (Some(epoch), Some(last)) = (population, self.epochs.last_mut()) {
                    *last = epoch;
                }
                self.begin_epoch(anew, touched);
            }
            Change::Note => self.note_down(entry),
        }
        self.head = Some(touched);
    }

    fn begin_epoch(&mut self, anew: Option<Arc<Epoch>>, touched: (Seq, Hash)) {
        if let Some(epoch) = anew {
            self.epochs.push(epoch);
            self.people.values_mut().for_each(|person| person.start_anew(touched));
        }
    }

    /// Records that change no belief but are remembered.
    fn note_down(&mut self, entry: &Entry) {
        let seq = entry.seq;
        match &entry.record {
            Record::SessionStarted(r) => {
                self.people.entry(r.person.clone()).or_default();
                self.sessions.insert(r.session.clone(), Session { started: r.clone(), ended: None });
            }
            Record::SessionEnded(r) => {
                if let Some(session) = self.sessions.get_mut(&r.session) {
                    session.ended = Some(r.clone());
                }
            }
            Record::QuestionAsked(r) => self.people.entry(r.person.clone()).or_default().ask(seq, entry.time, r),
            Record::QuestionSkipped(r) => self.people.entry(r.person.clone()).or_default().skip(seq, r.question),
            Record::BeliefRecorded(r) => self.people.entry(r.person.clone()).or_default().record_digest(seq, r),
            Record::TaskGiven(r) => {
                let task = Task { given: r.clone(), proposed: Vec::new(), actions: Vec::new(), stopped: false };
                self.people.entry(r.person.clone()).or_default();
                self.tasks.insert(r.task.clone(), task);
            }
            Record::AlternativesProposed(r) => {
                if let Some(task) = self.tasks.get_mut(&r.task) {
                    task.proposed.extend(r.alternatives.iter().map(|a| (*a, r.by.clone())));
                }
            }
            Record::DecisionMade(r) => self.decisions.push((seq, r.clone())),
            Record::ActionTaken(r) => {
                if let Some(task) = r.task.as_ref().and_then(|t| self.tasks.get_mut(t)) {
                    task.actions.push(r.clone());
                }
            }
            Record::StopRequested(r) => {
                if let Some(task) = r.task.as_ref().and_then(|t| self.tasks.get_mut(t)) {
                    task.stopped = true;
                }
            }
            Record::Imported(r) => self.imported.push((seq, r.clone())),
            Record::LogOpened(_)
            | Record::ConfigurationChanged(_)
            | Record::PriorElicited(_)
            | Record::AttributesDeclared(_)
            | Record::AlternativeDescribed(_)
            | Record::ChoiceMade(_)
            | Record::RankingGiven(_)
            | Record::VerdictGiven(_)
            | Record::RatingGiven(_)
            | Record::CorrectionMade(_)
            | Record::DemonstrationGiven(_)
            | Record::ImportanceStated(_)
            | Record::Retracted(_)
            | Record::Exported(_)
            | Record::Erased(_)
            | Record::AdapterTrained(_)
            | Record::JudgementsRead(_)
            | Record::GateJudged(_)
            | Record::AdapterPromoted(_)
            | Record::AdapterRolledBack(_)
            | Record::AdapterStale(_)
            | Record::PopulationConsolidated(_)
            | Record::PopulationWithdrawn(_)
            | Record::PeopleLeft(_)
            | Record::PeopleJoined(_)
            | Record::QuarantineSet(_)
            | Record::ApprovalsDeclared(_)
            | Record::ApprovalNoted(_)
            | Record::DocumentAdded(_)
            | Record::DocumentDropped(_) => {}
            Record::PersonErased(r) => {
                self.erasures += 1;
                self.generations.reserve(&r.generations);
            }
            Record::CollectiveDecisionMade(r) => {
                for person in &r.people {
                    self.people.entry(person.clone()).or_default();
                }
            }
            Record::WordsRead(_)
            | Record::ReadingAnswered(_)
            | Record::BriefingAdded(_)
            | Record::BriefingDropped(_)
            | Record::Deliberated(_)
            | Record::ConsequenceChecked(_)
            | Record::ConclusionChecked(_)
            | Record::AlternativesStruck(_) => self.note_work(entry),
            Record::CallBegun(_) | Record::CallEnded(_) | Record::OutcomeReported(_) => self.note_call(entry),
            Record::MotiveRead(r) => {
                self.motives.insert(seq, r.clone());
            }
            Record::MessageReceived(r) => {
                self.received.insert(r.shard, (r.clone(), entry.time));
            }
        }
    }

    /// The last record and its hash; 0 and zeros in an empty log.
    pub fn head(&self) -> (Seq, Hash) {
        self.head.unwrap_or((Seq(0), Hash::ZERO))
    }

    /// The header, unless the log is empty.
    pub fn header(&self) -> Option<&LogOpened> {
        self.header.as_deref()
    }

    /// The model's prior, if it was read.
    pub fn elicited(&self) -> Option<&PriorElicited> {
        self.elicited.as_deref()
    }

    /// What beliefs are formed under now, unless the log is empty.
    pub fn epoch(&self) -> Option<&Epoch> {
        self.epochs.last().map(Arc::as_ref)
    }

    /// Everything beliefs were formed under, in order.
    pub fn epochs(&self) -> &[Arc<Epoch>] {
        &self.epochs
    }

    fn latest(&self, index: DescriptionIndex) -> &AlternativeDescribed {
        &self.descriptions[index as usize]
    }

    /// An alternative's description as it stood after a record.
    pub fn description_through(&self, index: DescriptionIndex, through: Seq) -> &AlternativeDescribed {
        let later = self.superseded.get(&index).and_then(|s| s.iter().find(|(seq, _)| *seq > through));
        later.map_or_else(|| self.latest(index), |(_, before)| before)
    }

    /// How often an alternative was described anew.
    pub fn redescribed(&self) -> usize {
        self.superseded.values().map(Vec::len).sum()
    }

    /// The latest description of every alternative, in the order in which they were first described.
    pub fn descriptions(&self) -> &[AlternativeDescribed] {
        &self.descriptions
    }

    /// The latest description of an alternative.
    pub fn description(&self, alternative: &AlternativeId) -> Option<&AlternativeDescribed> {
        self.described.get(alternative).map(|index| &self.descriptions[*index as usize])
    }

    /// Features of a described alternative in the present layout.
    pub fn features(&self, alternative: &AlternativeId) -> Option<Features> {
        Some(Features::of(self.description(alternative)?, &self.epoch()?.layout))
    }

    /// Everyone who gave evidence, was asked or gave a task, in the order of their names.
    pub fn people(&self) -> &BTreeMap<PersonId, Person> {
        &self.people
    }

    /// One person.
    pub fn person(&self, person: &PersonId) -> Option<&Person> {
        self.people.get(person)
    }

    /// What is believed about a person: for someone unknown, the prior.
    ///
    /// # Errors
    /// Belief cannot be formed under the log's settings.
    pub fn belief(&self, id: &PersonId) -> Result<Mixture, StateError> {
        let seq = self.head().0;
        let Some(epoch) = self.epochs.last() else {
            return Err(StateError::Illegal { seq: seq.next(), source: Illegal::NoHeader });
        };
        match self.people.get(id) {
            Some(person) => person.caught_up(id, epoch, &self.descriptions),
            None => epoch.prior_belief(id),
        }
        .map_err(|source| StateError::Belief { seq, source })
    }

    /// Documents that stand, as evidence about people in general.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The model's adapters.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// What people receive from others, if anything was learned that still holds.
    pub fn population(&self) -> Option<&Population> {
        self.epoch()?.population.as_deref()
    }

    /// Whether a subject is in quarantine, or was and counts again by somebody's decision.
    pub fn was_marked(&self, subject: &Subject) -> bool {
        self.quarantined.contains(subject) || self.lifted.contains(subject)
    }

    /// People, sources and statements that are left out of what others receive and of decisions for several people.
    pub fn quarantined(&self) -> &BTreeSet<Subject> {
        &self.quarantined
    }

    /// All sessions.
    pub fn sessions(&self) -> &BTreeMap<SessionId, Session> {
        &self.sessions
    }

    /// All tasks.
    pub fn tasks(&self) -> &BTreeMap<TaskId, Task> {
        &self.tasks
    }

    /// All decisions, in the order of the log.
    pub fn decisions(&self) -> &[(Seq, DecisionMade)] {
        &self.decisions
    }

    /// Shards whose messages came in: one, or none, in a home that nothing went wrong with.
    pub fn shards_followed(&self) -> impl Iterator<Item = u32> {
        self.received.keys().copied()
    }

    /// The last message that was received of a shard's stream.
    pub fn message_received(&self, shard: u32) -> Option<&MessageReceived> {
        self.received.get(&shard).map(|(last, _)| last)
    }

    /// The time that the log gives that message.
    pub fn message_time(&self, shard: u32) -> Option<Timestamp> {
        self.received.get(&shard).map(|(_, time)| *time)
    }

    /// All imports, in the order of the log.
    pub fn imported(&self) -> &[(Seq, Imported)] {
        &self.imported
    }
}
