//! A consolidation: everybody's messages, gathered from the log, become the record that others receive
//! (docs/people.md, section 2). A function of the state, bit for bit.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::PopulationError;
use super::components::{Component, Consolidated, consolidate};
use super::factor::{EvidenceFactor, reference};
use super::influence::source_weights;
use super::prior::{Contribution, learn, parts, pulls};
use crate::belief::symmetric::diagonal;
use crate::belief::{BeliefError, Observation};
use crate::evidence::{DescriptionIndex, Evidence};
use crate::ids::{Hash, PersonId, Seq, SourceId};
use crate::number::Finite;
use crate::observation::resolve;
use crate::record::{
    AcrossShards, PopulationComponent, PopulationConsolidated, PopulationMoments, PopulationPart, Subject,
};
use crate::state::{Person, Population, State};
use crate::store::Store;

/// Why a population could not be consolidated.
#[derive(Debug, thiserror::Error)]
pub enum ConsolidationError {
    /// The log has no header.
    #[error("the log has no header yet")]
    NoHeader,
    /// Nobody to learn from, or only one.
    #[error("a population needs evidence of two people or more; {0} found that are not in quarantine")]
    TooFew(usize),
    /// Options out of range.
    #[error(transparent)]
    Population(#[from] PopulationError),
    /// Logs that cannot be learned from together.
    #[error("the messages were made under different settings, values or priors: all logs must have been begun alike")]
    Otherwise,
    /// Somebody who would count twice.
    #[error("{0} is in two logs")]
    Twice(PersonId),
    /// A message could not be made.
    #[error("the evidence of {person} cannot be made into a message")]
    Message {
        /// Whose.
        person: PersonId,
        /// Why.
        source: BeliefError,
    },
    /// What a message depends on cannot be written down, so it could not be told from another's.
    #[error("what a person's message depends on cannot be written down: {0}")]
    Key(String),
}

/// Reference variances are between this and its inverse.
const VARIANCE_MIN: f64 = 1e-30;

/// How far a consolidation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many people's messages are made, of so many.
    Messages(usize, usize),
    /// What so many parts receive is learned, of so many, with somebody new as one.
    Learned(usize, usize),
}

/// Evidence of a person that counts for others: what came through a source in quarantine does not, nor what is about a
/// statement in quarantine.
pub(super) fn counted<'a>(state: &'a State, person: &'a Person) -> impl Iterator<Item = &'a Evidence> {
    person.evidence().iter().filter(|evidence| counts_for_others(state, evidence))
}

/// Whether a piece of evidence counts for others, whoever gave it.
pub fn counts_for_others(state: &State, evidence: &Evidence) -> bool {
    let quarantined = state.quarantined();
    if quarantined.is_empty() {
        return true;
    }
    let is_statement =
        |i: &DescriptionIndex| quarantined.contains(&Subject::Statement(state.descriptions()[*i as usize].alternative));
    !quarantined.contains(&Subject::Source(evidence.source.clone()))
        && !evidence.form.descriptions().iter().any(is_statement)
}

/// Everyone whose evidence counts for others, in the order of their names, each with the source most of it came through.
pub(super) fn contributors(state: &State) -> Vec<(&PersonId, &Person, SourceId)> {
    let quarantined = state.quarantined();
    let free = state.people().iter().filter(|(id, _)| !quarantined.contains(&Subject::Person((*id).clone())));
    free.filter_map(|(id, person)| Some((id, person, main_source(counted(state, person))?))).collect()
}

/// Everyone whose evidence counts for others, in the order of their names, with the source most of it came through.
pub fn counted_people(state: &State) -> Vec<(PersonId, SourceId)> {
    contributors(state).into_iter().map(|(id, _, source)| (id.clone(), source)).collect()
}

/// The source of most records; of equals the first by name.
fn main_source<'a>(evidence: impl Iterator<Item = &'a Evidence>) -> Option<SourceId> {
    let mut counts = BTreeMap::<&SourceId, usize>::new();
    evidence.for_each(|e| *counts.entry(&e.source).or_default() += 1);
    let most = counts.values().max().copied()?;
    counts.into_iter().find(|(_, n)| *n == most).map(|(source, _)| source.clone())
}

/// Which evidence is learned from.
pub type Counts<'a> = dyn Fn(&PersonId, &Evidence) -> bool + Sync + 'a;

/// Consolidates the population of a state. Messages of people whose evidence has not changed are taken from `store`, where
/// there is one, under a hash of everything they depend on.
///
/// # Errors
/// Fewer than two people, a source cap out of range, or evidence that belief refuses.
pub fn consolidated(
    state: &State,
    source_cap: f64,
    store: Option<&Store>,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<PopulationConsolidated, ConsolidationError> {
    consolidated_from(state, source_cap, &|_, _| true, store, on_progress)
}

/// What people would receive from each other if only some of the evidence had been given.
///
/// # Errors
/// As [`consolidated`].
pub fn learned_from(state: &State, source_cap: f64, counts: &Counts<'_>) -> Result<Population, ConsolidationError> {
    let record = consolidated_from(state, source_cap, counts, None, &|_| ())?;
    Ok(Population::new(state.head().0, &record))
}

fn consolidated_from(
    state: &State,
    source_cap: f64,
    counts: &Counts<'_>,
    store: Option<&Store>,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<PopulationConsolidated, ConsolidationError> {
    let messages = Messages::counting(state, counts, store, on_progress)?;
    let through = messages.through;
    Fit::of([messages], source_cap, on_progress)?.record(through, |_| true, None)
}

/// What the people of one log contribute: a message each, one person's size, in the order of their names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// The last record that could be in them.
    pub through: Seq,
    /// Hash of the value schema.
    pub schema: Hash,
    /// Hash of what they were made under, which is the same in logs that can be learned from together.
    pub under: Hash,
    /// Reference variances of the weights.
    variances: Vec<f64>,
    people: Vec<PersonMessage>,
}

/// What one person contributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PersonMessage {
    person: PersonId,
    /// The source that most of their evidence came through.
    source: SourceId,
    message: EvidenceFactor,
}

impl Messages {
    /// Messages of everybody in a state whose evidence counts for others. Those of people whose evidence has not changed are taken
    /// from `store`, where there is one, under a hash of everything they depend on.
    ///
    /// # Errors
    /// The state has no header, or evidence that belief refuses.
    pub fn of(
        state: &State,
        store: Option<&Store>,
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self, ConsolidationError> {
        Self::counting(state, &|_, _| true, store, on_progress)
    }

    /// How many people.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Whose they are.
    pub fn names(&self) -> impl Iterator<Item = &PersonId> {
        self.people.iter().map(|person| &person.person)
    }

    /// As bytes, to be read back to the bit.
    ///
    /// # Errors
    /// They cannot be written down.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ConsolidationError> {
        postcard::to_stdvec(self).map_err(|e| ConsolidationError::Key(e.to_string()))
    }

    /// From [`Messages::to_bytes`].
    ///
    /// # Errors
    /// These are others.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConsolidationError> {
        let read: Self = postcard::from_bytes(bytes).map_err(|e| ConsolidationError::Key(e.to_string()))?;
        let (d, packed) = (read.variances.len(), read.variances.len() * (read.variances.len() + 1) / 2);
        match read.people.iter().find(|p| p.message.shift.len() != d || p.message.precision.len() != packed) {
            None => Ok(read),
            Some(of) => Err(ConsolidationError::Key(format!("the message of {} is of another size", of.person))),
        }
    }

    fn counting(
        state: &State,
        counts: &Counts<'_>,
        store: Option<&Store>,
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self, ConsolidationError> {
        let epoch = state.epoch().ok_or(ConsolidationError::NoHeader)?;
        let given =
            |id: &PersonId, person| -> Vec<&Evidence> { counted(state, person).filter(|e| counts(id, e)).collect() };
        let people: Vec<(&PersonId, Vec<&Evidence>, SourceId)> = contributors(state)
            .into_iter()
            .map(|(id, person, _)| (id, given(id, person)))
            .filter_map(|(id, given)| main_source(given.iter().copied()).map(|source| (id, given, source)))
            .collect();
        let base = reference(&epoch.priors)?;
        let variances: Vec<f64> = diagonal(&base.locations[0].covariance).collect();
        // Their inverses, and products of those with what is learned, have to be numbers.
        if !variances.iter().all(|v| (VARIANCE_MIN..=1.0 / VARIANCE_MIN).contains(v)) {
            return Err(PopulationError::Lost { what: "the reference variances of the log's prior" }.into());
        }
        let purpose = serde_json::to_vec(&(&*epoch.settings, &base));
        let purpose = purpose.map_err(|e| ConsolidationError::Key(e.to_string()))?;
        let done = std::sync::atomic::AtomicUsize::new(0);
        let messages: Vec<EvidenceFactor> = people
            .par_iter()
            .map(|(id, given, _)| {
                let observations: Vec<Observation> =
                    given.iter().map(|e| resolve(e, |i| &state.descriptions()[i as usize], &epoch.layout)).collect();
                let content = postcard::to_stdvec(&observations).map_err(|e| ConsolidationError::Key(e.to_string()))?;
                let key = Hash::of_parts("credence message 1", [purpose.as_slice(), content.as_slice()]);
                let kept = store.and_then(|s| s.cached(key)).and_then(|bytes| postcard::from_bytes(&bytes).ok());
                let message = match kept {
                    Some(message) => message,
                    None => {
                        let made = EvidenceFactor::of(&epoch.settings, &base, &observations);
                        let made =
                            made.map_err(|source| ConsolidationError::Message { person: (*id).clone(), source })?;
                        if let (Some(store), Ok(bytes)) = (store, postcard::to_stdvec(&made)) {
                            store.cache(key, &bytes);
                        }
                        made
                    }
                };
                let n = 1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                on_progress(Progress::Messages(n, people.len()));
                Ok(message)
            })
            .collect::<Result<_, ConsolidationError>>()?;
        let people = people.into_iter().zip(messages);
        let people = people
            .map(|((person, _, source), message)| PersonMessage { person: person.clone(), source, message })
            .collect();
        let layout = serde_json::to_vec(&(epoch.layout.values(), epoch.layout.attributes()));
        let layout = layout.map_err(|e| ConsolidationError::Key(e.to_string()))?;
        let under = Hash::of_parts("credence messages under 1", [purpose.as_slice(), layout.as_slice()]);
        let schema = state.header().map_or(Hash::ZERO, |header| header.schema_hash);
        Ok(Self { through: state.head().0, schema, under, variances, people })
    }
}

/// What was learned from the people of one log or of several: the same bits whichever logs they are in.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Everyone by name, with the part that they are of.
    part_of: Vec<(PersonId, usize)>,
    found: Consolidated,
    source_cap: f64,
}

impl Fit {
    /// Learns from the people of all these logs, in the order of their names.
    ///
    /// # Errors
    /// Fewer than two people, somebody in two logs, logs whose messages were made under other settings or priors, or a source cap out of
    /// range.
    pub fn of(
        logs: impl IntoIterator<Item = Messages>,
        source_cap: f64,
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self, ConsolidationError> {
        let gathered = Gathered::of(logs, source_cap)?;
        let Gathered { people, variances, sources, .. } = &gathered;
        let messages: Vec<&EvidenceFactor> = gathered.messages.iter().collect();
        let weigh = |places: &[usize]| {
            let sources: Vec<&SourceId> = places.iter().map(|i| &sources[*i]).collect();
            // The cap was in range when all were weighed.
            source_weights(&sources, source_cap).unwrap_or_else(|_| vec![1.0; places.len()])
        };
        let (part_of, count) = parts(people.len());
        let mut learned = 0;
        let found = consolidate(&messages, &weigh, variances, &mut || {
            learned += 1;
            on_progress(Progress::Learned(learned, count + 1));
        });
        let part_of = gathered.people.into_iter().zip(part_of).collect();
        Ok(Self { part_of, found, source_cap })
    }

    /// How many people it was learned from.
    pub fn people(&self) -> usize {
        self.part_of.len()
    }

    /// Its record in the log that has the people of whom `is_here` is true; `fit` is its number, where there are several logs.
    ///
    /// # Errors
    /// A number in it is not finite.
    pub fn record(
        &self,
        through: Seq,
        is_here: impl Fn(&PersonId) -> bool,
        fit: Option<u64>,
    ) -> Result<PopulationConsolidated, ConsolidationError> {
        let mut dealt: Vec<Vec<PersonId>> = vec![Vec::new(); self.found.without.len()];
        for (id, part) in self.part_of.iter().filter(|(id, _)| is_here(id)) {
            dealt[*part].push(id.clone());
        }
        let parts = dealt.into_iter().zip(&self.found.without);
        let parts = parts.map(|(people, without)| Ok(PopulationPart { people, without: recorded(without)? }));
        Ok(PopulationConsolidated {
            through,
            parts: parts.collect::<Result<_, PopulationError>>()?,
            all: recorded(&self.found.all)?,
            across: fit.map(|fit| AcrossShards { fit, people: self.people() as u64 }),
            source_cap: Finite::new(self.source_cap).map_err(|_| PopulationError::Number { what: "the source cap" })?,
        })
    }
}

/// Components as they are recorded.
fn recorded(components: &[Component]) -> Result<PopulationMoments, PopulationError> {
    let numbers = |v: &[f64]| Finite::vector(v).map_err(|_| PopulationError::Number { what: "a population's moment" });
    let one = |Component { mass, moments }: &Component| {
        let mass = Finite::new(*mass).map_err(|_| PopulationError::Number { what: "a component's mass" })?;
        Ok(PopulationComponent { mass, mean: numbers(&moments.mean)?, covariance: numbers(&moments.covariance)? })
    };
    let mut all = components.iter().map(one).collect::<Result<Vec<_>, PopulationError>>()?;
    let PopulationComponent { mean, covariance, .. } = all.remove(0);
    Ok(PopulationMoments { mean, covariance, further: all })
}

/// Everybody's message, and what it counts for.
struct Gathered {
    people: Vec<PersonId>,
    sources: Vec<SourceId>,
    messages: Vec<EvidenceFactor>,
    weights: Vec<f64>,
    variances: Vec<f64>,
}

impl Gathered {
    fn contributions(&self) -> Vec<Contribution<'_>> {
        let pairs = self.messages.iter().zip(&self.weights);
        pairs.map(|(message, &weight)| Contribution { message, weight }).collect()
    }

    /// Everybody of these logs, in the order of their names.
    fn of(logs: impl IntoIterator<Item = Messages>, source_cap: f64) -> Result<Self, ConsolidationError> {
        let (mut made_under, mut variances, mut all) = (None, Vec::new(), Vec::new());
        for log in logs {
            if *made_under.get_or_insert(log.under) != log.under {
                return Err(ConsolidationError::Otherwise);
            }
            variances = log.variances;
            all.extend(log.people);
        }
        if all.len() < 2 {
            return Err(ConsolidationError::TooFew(all.len()));
        }
        all.sort_by(|a, b| a.person.cmp(&b.person));
        if let Some(twice) = all.windows(2).find(|pair| pair[0].person == pair[1].person) {
            return Err(ConsolidationError::Twice(twice[0].person.clone()));
        }
        let sources: Vec<SourceId> = all.iter().map(|p| p.source.clone()).collect();
        let weights = source_weights(&sources, source_cap)?;
        let (people, messages) = all.into_iter().map(|p| (p.person, p.message)).unzip();
        Ok(Self { people, sources, messages, weights, variances })
    }
}

/// How far one person moves what others receive.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PersonInfluence {
    /// Who.
    pub person: PersonId,
    /// How far the population's mean moves without them, in its own standard deviations.
    pub moves: f64,
    /// What they count for.
    pub counts_for: f64,
}

/// How far one source does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SourceInfluence {
    /// Which.
    pub source: SourceId,
    /// How far the population's mean moves without it.
    pub moves: f64,
    /// Its people.
    pub people: usize,
    /// What they count for together, as a share of all.
    pub share: f64,
}

/// Influence by person and by source, the greatest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InfluenceReport {
    /// By person.
    pub people: Vec<PersonInfluence>,
    /// By source.
    pub sources: Vec<SourceInfluence>,
}

/// Works out who moves the population how far: equation (20).
///
/// # Errors
/// As [`consolidated`].
pub fn influence_of(
    state: &State,
    source_cap: f64,
    store: Option<&Store>,
) -> Result<InfluenceReport, ConsolidationError> {
    let gathered = Gathered::of([Messages::of(state, store, &|_| ())?], source_cap)?;
    let contributions = gathered.contributions();
    let all = learn(&contributions, &gathered.variances);
    let n = gathered.people.len();
    let mut by_source: BTreeMap<&SourceId, Vec<usize>> = BTreeMap::new();
    gathered.sources.iter().enumerate().for_each(|(i, source)| by_source.entry(source).or_default().push(i));
    let sets: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).chain(by_source.values().cloned()).collect();
    let moves = pulls(&contributions, &all, &gathered.variances, &sets);
    if !moves.iter().all(|m| m.is_finite()) {
        return Err(PopulationError::Number { what: "how far somebody moves the population" }.into());
    }
    let total: f64 = gathered.weights.iter().sum();
    let people = gathered.people.iter().zip(&moves).zip(&gathered.weights);
    let mut people: Vec<PersonInfluence> = people
        .map(|((person, &moves), &counts_for)| PersonInfluence { person: person.clone(), moves, counts_for })
        .collect();
    people.sort_by(|a, b| b.moves.total_cmp(&a.moves).then(a.person.cmp(&b.person)));
    let sources = by_source.iter().zip(&moves[n..]);
    let mut sources: Vec<SourceInfluence> = sources
        .map(|((source, places), &moves)| {
            let share = places.iter().map(|i| gathered.weights[*i]).sum::<f64>() / total;
            SourceInfluence { source: (*source).clone(), moves, people: places.len(), share }
        })
        .collect();
    sources.sort_by(|a, b| b.moves.total_cmp(&a.moves).then(a.source.cmp(&b.source)));
    Ok(InfluenceReport { people, sources })
}
