//! The population prior as it stands in the log: who receives which location, and whose evidence is in it.

use std::collections::HashMap;

use crate::belief::{Location, LocationName};
use crate::ids::{PersonId, Seq};
use crate::number::Finite;
use crate::record::{PopulationConsolidated, PopulationMoments};

/// A consolidated population.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    since: Seq,
    through: Seq,
    part_of: HashMap<PersonId, usize>,
    without: Vec<Location>,
    all: Location,
}

fn location(moments: &PopulationMoments) -> Location {
    let numbers = |v: &[Finite]| v.iter().map(|x| x.get()).collect();
    Location { name: LocationName::Population, mean: numbers(&moments.mean), covariance: numbers(&moments.covariance) }
}

impl Population {
    pub(super) fn new(since: Seq, record: &PopulationConsolidated) -> Self {
        let part_of = record.parts.iter().enumerate();
        let part_of = part_of.flat_map(|(i, part)| part.people.iter().map(move |p| (p.clone(), i))).collect();
        Self {
            since,
            through: record.through,
            part_of,
            without: record.parts.iter().map(|p| location(&p.without)).collect(),
            all: location(&record.all),
        }
    }

    /// The record it stands in.
    pub fn since(&self) -> Seq {
        self.since
    }

    /// The last record that could be in it.
    pub fn through(&self) -> Seq {
        self.through
    }

    /// How many people it was learned from.
    pub fn people(&self) -> usize {
        self.part_of.len()
    }

    /// The prior location that a person receives. It never contains evidence of theirs.
    pub fn location_for(&self, person: &PersonId) -> &Location {
        self.part_of.get(person).map_or(&self.all, |part| &self.without[*part])
    }

    /// All of its locations.
    pub(super) fn locations(&self) -> impl Iterator<Item = &Location> {
        self.without.iter().chain([&self.all])
    }

    /// Whether a person's evidence is in what some others receive.
    pub fn has(&self, person: &PersonId) -> bool {
        self.part_of.contains_key(person)
    }

    /// Whether a record of `from` is in what `to` receives: the ledger's question.
    pub fn carries(&self, seq: Seq, from: &PersonId, to: &PersonId) -> bool {
        let part = |person| self.part_of.get(person);
        seq <= self.through && part(from).is_some_and(|from| part(to) != Some(from))
    }
}
