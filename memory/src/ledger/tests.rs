use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::record::Record;
use crate::sample::{Scribe, generation, id, promoted, retraction, rolled_back, trained};
use crate::state::tests::any_evidence;

const PEOPLE: [&str; 2] = ["ada", "bob"];

type Pair = (Seq, &'static str);

/// What can happen.
#[derive(Debug, Clone)]
enum Event {
    Said(Box<Record>),
    Withdrawn(Index),
    /// On top of one of the generations or the base, from the beliefs about some people.
    Trained(Index, [bool; 2]),
    Promoted(Index),
    RolledBack(Index),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any_evidence().prop_map(|r| Event::Said(Box::new(r))),
        1 => any::<Index>().prop_map(Event::Withdrawn),
        2 => (any::<Index>(), any::<[bool; 2]>()).prop_map(|(parent, whom)| Event::Trained(parent, whom)),
        3 => any::<Index>().prop_map(Event::Promoted),
        1 => any::<Index>().prop_map(Event::RolledBack),
    ]
}

/// The same bookkeeping with plain sets of pairs, each generation's written down when it is trained.
#[derive(Debug, Default)]
struct Sets {
    surviving: BTreeSet<Pair>,
    absorbed: BTreeMap<u32, (u32, BTreeSet<Pair>)>,
    /// Generations promoted and not taken back, in that order.
    promoted: Vec<u32>,
    withdrawn: BTreeSet<Pair>,
}

impl Sets {
    fn all(&self, generation: u32) -> BTreeSet<Pair> {
        self.absorbed.get(&generation).map_or_else(BTreeSet::new, |(parent, own)| &self.all(*parent) | own)
    }

    fn sound(&self, generation: u32) -> bool {
        generation == 0
            || self.promoted.contains(&generation)
                && self.all(generation).is_disjoint(&self.withdrawn)
                && self.sound(self.absorbed[&generation].0)
    }

    fn lineage(&self) -> Vec<u32> {
        let current = self.promoted.iter().rev().find(|g| self.sound(**g)).copied().unwrap_or(0);
        let mut chain: Vec<u32> =
            std::iter::successors(Some(current), |g| self.absorbed.get(g).map(|(parent, _)| *parent))
                .take_while(|g| *g != 0)
                .collect();
        chain.reverse();
        chain
    }

    fn of(&self, person: &str) -> BTreeSet<Pair> {
        self.surviving.iter().filter(|(_, p)| *p == person).copied().collect()
    }

    /// What targets made from a belief rest on.
    fn behind(&self, person: &str) -> BTreeSet<Pair> {
        self.lineage().into_iter().fold(self.of(person), |all, g| &all | &self.all(g))
    }
}

/// The pairs of a provenance, out of all evidence ever given.
fn pairs(scribe: &Scribe, provenance: &Provenance) -> BTreeSet<Pair> {
    let of = |person: &'static str| {
        let given = scribe.state.person(&id(person)).map_or_else(Vec::new, |p| p.given());
        let inside = given.into_iter().filter(move |(seq, _)| provenance.contains(&id(person), *seq));
        inside.map(move |(seq, _)| (seq, person)).collect::<Vec<_>>()
    };
    PEOPLE.into_iter().flat_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// For random logs of two people with retractions, trainings, promotions and rollbacks: by no route is a pair counted
    /// twice for one person under one location, and none that survives is lost.
    #[test]
    fn no_pair_is_counted_twice_and_none_is_lost(events in prop::collection::vec(any_event(), 1..40)) {
        let mut scribe = Scribe::begun();
        let mut sets = Sets::default();
        for event in events {
            match event {
                Event::Said(record) => {
                    let person = record.evidence_origin().unwrap().person.clone();
                    scribe.note(*record).unwrap();
                    let person = PEOPLE.into_iter().find(|p| *p == person.as_str()).unwrap();
                    sets.surviving.insert((scribe.state.head().0, person));
                }
                Event::Withdrawn(which) => {
                    let all: Vec<Pair> = sets.surviving.iter().copied().collect();
                    if all.is_empty() { continue; }
                    let pair = all[which.index(all.len())];
                    scribe.note(retraction(pair.0.0)).unwrap();
                    sets.surviving.remove(&pair);
                    sets.withdrawn.insert(pair);
                }
                Event::Trained(parent, whom) => {
                    let parent = parent.index(sets.absorbed.len() + 1) as u32;
                    let number = sets.absorbed.len() as u32 + 1;
                    let mut adapter = trained(&scribe.state, number, parent, &[]);
                    let mut own = BTreeSet::new();
                    for (person, _) in PEOPLE.into_iter().zip(whom).filter(|(_, taken)| *taken) {
                        adapter.absorbed.unite(&scribe.state.ledger().behind(&id(person), adapter.cutoff));
                        own.extend(sets.behind(person));
                    }
                    scribe.note(Record::AdapterTrained(adapter)).unwrap();
                    sets.absorbed.insert(number, (parent, own));
                }
                Event::Promoted(which) => {
                    if sets.absorbed.is_empty() { continue; }
                    let number = which.index(sets.absorbed.len()) as u32 + 1;
                    let parent = sets.absorbed[&number].0;
                    let legal = !sets.promoted.contains(&number)
                        && sets.all(number).is_disjoint(&sets.withdrawn)
                        && sets.sound(parent);
                    let deep = std::iter::successors(Some(number), |g| sets.absorbed.get(g).map(|(p, _)| *p))
                        .take_while(|g| *g != 0)
                        .count() > crate::state::LINEAGE_MAX;
                    let result = scribe.note(Record::AdapterPromoted(promoted(number, Some("a test"))));
                    prop_assert_eq!(result.is_ok(), legal && !deep);
                    if result.is_ok() { sets.promoted.push(number); }
                }
                Event::RolledBack(which) => {
                    if sets.absorbed.is_empty() { continue; }
                    let number = which.index(sets.absorbed.len()) as u32 + 1;
                    let result = scribe.note(rolled_back(number));
                    prop_assert_eq!(result.is_ok(), sets.promoted.contains(&number));
                    sets.promoted.retain(|g| *g != number);
                }
            }
            let ledger = scribe.state.ledger();
            let lineage: Vec<u32> = ledger.lineage().iter().map(|a| a.trained.generation.0).collect();
            prop_assert_eq!(&lineage, &sets.lineage());
            prop_assert_eq!(ledger.current(), generation(lineage.last().copied().unwrap_or(0)));
            for person in PEOPLE {
                let surviving = sets.of(person);
                let locations = [LocationName::Zero, LocationName::Elicited];
                let locations = locations.into_iter().chain(lineage.iter().map(|g| LocationName::Generation(*g)));
                for location in locations {
                    let account = ledger.account(&id(person), location);
                    let prior = pairs(&scribe, &account.prior);
                    let counted: BTreeSet<Pair> = account.likelihood.iter().map(|seq| (*seq, person)).collect();
                    let expected = match location {
                        LocationName::Generation(g) => sets.all(g),
                        _ => BTreeSet::new(),
                    };
                    prop_assert_eq!(&prior, &expected);
                    prop_assert_eq!(counted.len(), account.likelihood.len(), "a record twice in one likelihood");
                    prop_assert!(prior.is_disjoint(&counted), "counted twice");
                    prop_assert!(prior.is_disjoint(&sets.withdrawn), "withdrawn and still believed");
                    let through_prior = &prior & &surviving;
                    prop_assert_eq!(&counted | &through_prior, surviving.clone(), "lost");
                    prop_assert_eq!(account.absorbed.len(), through_prior.len());
                }
                // A population of the others is a prior like any other; even one that wrongly held the person would not
                // be counted beside their likelihood.
                for others in [true, false] {
                    let population = ledger.everybody(|p, _| !others || p.as_str() != person);
                    let prior = pairs(&scribe, &population);
                    let account = Account::new(&id(person), surviving.iter().map(|(seq, _)| *seq), population);
                    let counted: BTreeSet<Pair> = account.likelihood.iter().map(|seq| (*seq, person)).collect();
                    prop_assert!(prior.is_disjoint(&counted));
                    prop_assert_eq!(counted.is_empty(), surviving.is_empty() || !others);
                }
                let behind = pairs(&scribe, &ledger.behind(&id(person), scribe.state.head().0));
                prop_assert_eq!(behind, sets.behind(person));
            }
            let new = pairs(&scribe, &ledger.new_to(ledger.current()));
            prop_assert_eq!(new, &sets.surviving - &sets.all(lineage.last().copied().unwrap_or(0)));
        }
    }
}
