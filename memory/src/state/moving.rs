//! People who move between the logs of shards, as state: who left, who came, and what populations over shards hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::State;
use super::check::Change;
use super::illegal::{Illegal, count};
use super::{Epoch, Population};
use crate::ids::{Hash, PersonId, Seq};
use crate::record::{PeopleJoined, PeopleLeft, PopulationConsolidated, PopulationWithdrawn, Record, Subject};

/// People on their way into this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// Number of the move.
    pub number: u64,
    /// The last piece that is here, from 1.
    pub piece: u32,
    /// Of how many.
    pub pieces: u32,
    /// The slots that they are of.
    pub slots: Vec<u32>,
    /// What number here has each record of the log that they come from.
    at: BTreeMap<Seq, Seq>,
}

impl Epoch {
    /// Hash of what belief is formed under apart from the population: where two logs have the same, the same evidence gives the same
    /// belief.
    pub fn formed_under(&self) -> Hash {
        let parts = (&*self.settings, &*self.priors, self.layout.values(), self.layout.attributes());
        Hash::of_parts("credence formed under 1", [serde_json::to_vec(&parts).unwrap_or_default().as_slice()])
    }
}

impl State {
    /// Who left for other shards, by the number of the move.
    pub fn people_left(&self) -> &BTreeMap<u64, PeopleLeft> {
        &self.left
    }

    /// Whether somebody was here once and left for another shard.
    pub fn has_left(&self, person: &PersonId) -> bool {
        self.left.values().any(|left| left.people.contains(person))
    }

    /// Slots that left, each with the shard that they went to.
    pub fn slots_left(&self) -> &BTreeMap<u32, u32> {
        &self.slots_left
    }

    /// Slots that came, and are here.
    pub fn slots_joined(&self) -> &BTreeSet<u32> {
        &self.slots_joined
    }

    /// The last fit of a population over shards that stands in the log, whether it holds or not; 0 where none does.
    pub fn fitted(&self) -> u64 {
        self.fitted
    }

    /// How many erasures the log says took place.
    pub fn erasures(&self) -> u64 {
        self.erasures
    }

    /// The last move that brought people here.
    pub fn joining(&self) -> Option<&Joining> {
        self.joining.as_ref()
    }

    /// A record that came with people who moved, with the numbers that other records have here.
    ///
    /// # Errors
    /// It refers to a record that did not come with them.
    pub fn renumbered(&self, mut record: Record) -> Result<Record, Illegal> {
        for reference in record.references_mut() {
            let known = self.joining.as_ref().and_then(|joining| joining.at.get(reference));
            let unknown = || Illegal::Unknown { what: "record of those who moved", name: reference.to_string() };
            *reference = *known.ok_or_else(unknown)?;
        }
        Ok(record)
    }

    pub(super) fn people_left_change(&self, epoch: &Epoch, r: &PeopleLeft) -> Result<Change, Illegal> {
        no_adapters(epoch)?;
        if let Some((last, _)) = self.left.last_key_value()
            && r.number <= *last
        {
            return Err(Illegal::MovedBefore { number: r.number });
        }
        let mut people = BTreeSet::new();
        for person in &r.people {
            if !self.people.contains_key(person) {
                return Err(Illegal::Unknown { what: "person", name: person.to_string() });
            }
            if !people.insert(person.clone()) {
                return Err(Illegal::Duplicate { what: "person who left", name: person.to_string() });
            }
        }
        Ok(Change::Left { left: r.clone(), people })
    }

    pub(super) fn people_joined(&self, seq: Seq, epoch: &Epoch, r: &PeopleJoined) -> Result<Change, Illegal> {
        no_adapters(epoch)?;
        let follows = match &self.joining {
            Some(last) if last.number == r.number => r.piece == last.piece + 1 && r.pieces == last.pieces,
            Some(last) => r.number > last.number && last.piece == last.pieces && r.piece == 1,
            None => r.piece == 1,
        };
        if !follows || r.piece > r.pieces {
            return Err(Illegal::MovedBefore { number: r.number });
        }
        if r.under != epoch.formed_under() {
            return Err(Illegal::OtherPrior);
        }
        count("parts of people who moved", r.parts.len(), r.people.len())?;
        let mut end = 0;
        for (first, last) in &r.learned {
            if *first < end || last < first || *last as usize >= r.numbers.len() {
                let (found, expected) = (f64::from(*first), "places of its records, in order");
                return Err(Illegal::Range { what: "a record of the population", found, expected });
            }
            end = last + 1;
        }
        let mut seen = BTreeSet::new();
        for person in &r.people {
            if self.people.contains_key(person) || !seen.insert(person) {
                return Err(Illegal::Duplicate { what: "person", name: person.to_string() });
            }
        }
        let mut at = match &self.joining {
            Some(last) if last.number == r.number => last.at.clone(),
            _ => BTreeMap::new(),
        };
        let here = (seq.0 + 1..).map(Seq);
        at.extend(r.numbers.iter().copied().zip(here));
        let joining = Joining { number: r.number, piece: r.piece, pieces: r.pieces, slots: r.slots.clone(), at };
        let (mut population, mut anew) = (None, None);
        if let Some(held) = &epoch.population {
            if held.fit().is_some() && held.fit() == r.fit {
                let parts = r.people.iter().zip(&r.parts);
                let parts = parts.filter_map(|(person, part)| Some((person.clone(), (*part)?)));
                let here = |(first, last): &(u32, u32)| {
                    let at = |place: u32| Seq(seq.0 + 1 + u64::from(place));
                    (at(*first), at(*last))
                };
                let held = Arc::new(held.joined_by(parts, r.learned.iter().map(here)));
                population = Some(Arc::new(Epoch { population: Some(held), ..epoch.clone() }));
            } else {
                // It may have been learned from them, and nobody knows their part in it.
                anew = Some(Arc::new(Epoch { since: seq, population: None, ..epoch.clone() }));
            }
        }
        Ok(Change::Joined { joining, slots: r.slots.clone(), population, anew })
    }

    pub(super) fn population_withdrawn(
        &self,
        seq: Seq,
        epoch: &Epoch,
        r: &PopulationWithdrawn,
    ) -> Result<Change, Illegal> {
        if epoch.population.as_ref().and_then(|held| held.fit()) != Some(r.fit) {
            return Err(Illegal::Unknown { what: "population in force, of fit", name: r.fit.to_string() });
        }
        let epoch = Epoch { since: seq, population: None, ..epoch.clone() };
        Ok(Change::Epoch { epoch: Arc::new(epoch), elicited: None })
    }

    /// What was learned over shards is of a state that this log had a while ago: it holds if nothing came since that may have ended it.
    pub(super) fn still_holds(&self, r: &PopulationConsolidated) -> Result<(), Illegal> {
        match self.unsettled {
            Some(since) if r.across.is_some() && since > r.through => return Err(Illegal::LearnedBefore { since }),
            _ => {}
        }
        match r.across {
            Some(across) if across.fit <= self.fitted => Err(Illegal::FittedBefore { fit: across.fit }),
            _ => Ok(()),
        }
    }

    /// Whether a record may end a population.
    pub(super) fn unsettles(record: &Record) -> bool {
        match record {
            Record::PriorElicited(_)
            | Record::AttributesDeclared(_)
            | Record::Retracted(_)
            | Record::PeopleLeft(_)
            | Record::PeopleJoined(_) => true,
            Record::QuarantineSet(r) => r.quarantined,
            _ => false,
        }
    }

    /// Everything about these people leaves; the log keeps it, and the state does not.
    pub(super) fn take_leave(&mut self, left: PeopleLeft, people: &BTreeSet<PersonId>) {
        self.people.retain(|person, _| !people.contains(person));
        self.sessions.retain(|_, session| !people.contains(&session.started.person));
        self.tasks.retain(|_, task| !people.contains(&task.given.person));
        self.decisions.retain(|(_, made)| !people.contains(&made.person));
        self.read_words.retain(|_, words| !people.contains(&words.read.person));
        self.deliberations.retain(|_, deliberation| !people.contains(&deliberation.made.person));
        self.conclusions.retain(|_, checked| !people.contains(&checked.person));
        self.motives.retain(|_, read| !people.contains(&read.person));
        self.approvals.retain(|person, _| !people.contains(person));
        self.calls.take_leave(people);
        let stays = |subject: &Subject| !matches!(subject, Subject::Person(person) if people.contains(person));
        self.quarantined.retain(stays);
        self.lifted.retain(stays);
        self.slots_joined.retain(|slot| !left.slots.contains(slot));
        self.slots_left.extend(left.slots.iter().map(|slot| (*slot, left.to)));
        self.left.insert(left.number, left);
    }
}

impl Population {
    /// The part of a person as it is recorded with them when they move.
    pub(crate) fn recorded_part(&self, person: &PersonId) -> Option<u32> {
        self.part_of(person).and_then(|part| u32::try_from(part).ok())
    }
}

/// Adapters name the records of one log that they absorbed.
fn no_adapters(epoch: &Epoch) -> Result<(), Illegal> {
    if epoch.lineage.is_empty() { Ok(()) } else { Err(Illegal::AdaptersInForce) }
}
