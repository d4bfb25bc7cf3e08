//! The population prior as it stands in the log: who receives which location, and whose evidence is in it.

use std::collections::HashMap;

use crate::belief::{Location, LocationName};
use crate::ids::{PersonId, Seq};
use crate::number::Finite;
use crate::record::{AcrossShards, PopulationConsolidated, PopulationMoments};

/// A consolidated population.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    since: Seq,
    through: Seq,
    part_of: HashMap<PersonId, usize>,
    without: Vec<Received>,
    all: Received,
    /// Where it was learned from several shards, the number of the fit and how many people all of them have.
    across: Option<AcrossShards>,
    /// Records that it was learned from and that came later, with people of another shard: first and last of each run, in order.
    joined: Vec<(Seq, Seq)>,
}

/// What a person receives from others: a prior location for each component of the population.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The locations, the greatest component first.
    pub locations: Vec<Location>,
    /// Masses of the components; empty where there is one.
    pub masses: Vec<f64>,
}

impl Received {
    fn new(moments: &PopulationMoments) -> Self {
        let numbers = |v: &[Finite]| v.iter().map(|x| x.get()).collect();
        let location = |(place, (mean, covariance)): (usize, (&[Finite], &[Finite]))| Location {
            name: LocationName::component(place),
            mean: numbers(mean),
            covariance: numbers(covariance),
        };
        let locations = moments.components().enumerate().map(location).collect();
        Self { locations, masses: if moments.further.is_empty() { Vec::new() } else { moments.masses() } }
    }
}

impl Population {
    pub(crate) fn new(since: Seq, record: &PopulationConsolidated) -> Self {
        let part_of = record.parts.iter().enumerate();
        let part_of = part_of.flat_map(|(i, part)| part.people.iter().map(move |p| (p.clone(), i))).collect();
        Self {
            since,
            through: record.through,
            part_of,
            without: record.parts.iter().map(|p| Received::new(&p.without)).collect(),
            all: Received::new(&record.all),
            across: record.across,
            joined: Vec::new(),
        }
    }

    /// With people who came from another shard, each with their part, and runs of their records that it was learned from.
    pub(super) fn joined_by(
        &self,
        people: impl Iterator<Item = (PersonId, u32)>,
        records: impl Iterator<Item = (Seq, Seq)>,
    ) -> Self {
        let mut with = self.clone();
        let known = people.filter(|(_, part)| (*part as usize) < self.without.len());
        with.part_of.extend(known.map(|(person, part)| (person, part as usize)));
        with.joined.extend(records);
        with
    }

    /// The record it stands in.
    pub fn since(&self) -> Seq {
        self.since
    }

    /// The last record that could be in it.
    pub fn through(&self) -> Seq {
        self.through
    }

    /// How many people it was learned from, those of other shards too.
    pub fn people(&self) -> usize {
        self.across.map_or(self.part_of.len(), |across| usize::try_from(across.people).unwrap_or(usize::MAX))
    }

    /// The number of the fit, where it was learned from several shards.
    pub fn fit(&self) -> Option<u64> {
        self.across.map(|across| across.fit)
    }

    /// How many parts the people were dealt into.
    pub fn parts(&self) -> usize {
        self.without.len()
    }

    /// The part that a person is of, from 0; nothing for somebody it was not learned from.
    pub fn part_of(&self, person: &PersonId) -> Option<usize> {
        self.part_of.get(person).copied()
    }

    /// The prior locations that a person receives. They never contain evidence of theirs.
    pub fn received_by(&self, person: &PersonId) -> &Received {
        self.part_of.get(person).map_or(&self.all, |part| &self.without[*part])
    }

    /// Everything that anybody receives.
    pub(super) fn received(&self) -> impl Iterator<Item = &Received> {
        self.without.iter().chain([&self.all])
    }

    /// Whether a person's evidence is in what some others receive.
    pub fn has(&self, person: &PersonId) -> bool {
        self.part_of.contains_key(person)
    }

    /// Whether it was learned from this record of a person.
    pub fn has_record(&self, person: &PersonId, seq: Seq) -> bool {
        let at = self.joined.partition_point(|(_, last)| *last < seq);
        let is_joined = self.joined.get(at).is_some_and(|(first, _)| *first <= seq);
        (seq <= self.through || is_joined) && self.has(person)
    }

    /// Whether a record of `from` is in what `to` receives: the ledger's question.
    pub fn carries(&self, seq: Seq, from: &PersonId, to: &PersonId) -> bool {
        let part = |person| self.part_of.get(person);
        self.has_record(from, seq) && part(from).is_some_and(|from| part(to) != Some(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::{COMPONENTS_MAX, ConsolidationError, SOURCE_CAP, consolidated};
    use crate::record::{PopulationComponent, QuarantineSet, Record, Subject};
    use crate::replay::{Options, replay};
    use crate::sample::{Scribe, choice, id, prior, retraction};
    use crate::state::{Illegal, State, StateError};

    /// Three people; ada's answers are records 9, 10 and 13, bob's 11 and 14, carl's 12.
    fn three(ada: Option<usize>) -> Scribe {
        let mut scribe = Scribe::begun();
        scribe.write(Record::PriorElicited(prior())).unwrap();
        for (person, one, other) in
            [("ada", 0, 1), ("ada", 2, 3), ("bob", 0, 1), ("carl", 4, 5), ("ada", 1, 4), ("bob", 2, 5)]
        {
            let chosen = if person == "ada" { ada } else { Some(0) };
            scribe.write(choice(person, one, other, chosen)).unwrap();
        }
        scribe
    }

    fn consolidate(scribe: &Scribe) -> PopulationConsolidated {
        consolidated(&scribe.state, SOURCE_CAP, None, &|_| ()).unwrap()
    }

    fn location(state: &State, person: &str) -> Option<Location> {
        let priors = state.epoch()?.priors_for(&id(person));
        priors.locations.iter().find(|l| l.name == LocationName::Population).cloned()
    }

    #[test]
    fn nobody_receives_their_own_evidence_and_everyone_that_of_others() {
        let [mut one, mut other] = [three(Some(0)), three(Some(1))];
        for scribe in [&mut one, &mut other] {
            let record = consolidate(scribe);
            assert_eq!(record.parts.len(), 3);
            scribe.write(Record::PopulationConsolidated(record)).unwrap();
        }
        assert_eq!(location(&one.state, "ada"), location(&other.state, "ada"), "ada receives nothing of ada");
        for person in ["bob", "carl", "somebody new"] {
            assert_ne!(location(&one.state, person), location(&other.state, person), "{person} receives ada's");
        }
        let population = one.state.population().unwrap();
        // The ledger: of every pair (record, person), whether it reaches somebody, and never its own person.
        for (seq, from) in [(9, "ada"), (11, "bob"), (12, "carl")] {
            for to in ["ada", "bob", "carl", "somebody new"] {
                assert_eq!(population.carries(Seq(seq), &id(from), &id(to)), from != to, "{seq} of {from} to {to}");
            }
        }
        assert!(!population.carries(Seq(99), &id("ada"), &id("bob")), "a later record is not in it");
        assert!(!population.carries(Seq(9), &id("eve"), &id("bob")), "nor somebody who is not");
    }

    #[test]
    fn a_population_is_replayed_to_the_same_bits_and_leaves_when_something_in_it_is_retracted() {
        let mut scribe = three(Some(0));
        let before = scribe.state.belief(&id("bob")).unwrap().digest();
        let record = consolidate(&scribe);
        assert_eq!(record, consolidate(&scribe), "the same state gives the same record");
        scribe.write(Record::PopulationConsolidated(record.clone())).unwrap();
        let with = scribe.state.belief(&id("bob")).unwrap();
        assert!(with.locations().iter().any(|(name, mass)| *name == LocationName::Population && *mass > 0.1));
        let replayed = replay(scribe.writer.storage().bytes(), &Options::default()).unwrap();
        let bob = replayed.people.iter().find(|p| p.person == id("bob")).unwrap();
        assert_eq!(bob.belief.digest(), with.digest());
        scribe.write(choice("bob", 3, 4, Some(1))).unwrap();
        scribe.write(retraction(16)).unwrap();
        assert!(scribe.state.population().is_some(), "bob's later record was not in it");
        assert_eq!(scribe.state.belief(&id("bob")).unwrap().digest(), with.digest());
        scribe.write(retraction(9)).unwrap();
        assert!(scribe.state.population().is_none(), "ada's was");
        assert_eq!(scribe.state.belief(&id("bob")).unwrap().digest(), before);
        let replayed = replay(scribe.writer.storage().bytes(), &Options::default()).unwrap();
        let bob = replayed.people.iter().find(|p| p.person == id("bob")).unwrap();
        assert_eq!(bob.belief.digest(), before);
        assert_ne!(consolidate(&scribe), record, "learning anew leaves the record out");
    }

    #[test]
    fn a_quarantine_is_a_record_that_can_be_lifted() {
        let mut scribe = three(Some(0));
        scribe.write(Record::PopulationConsolidated(consolidate(&scribe))).unwrap();
        let set = |subject: Subject, quarantined| {
            Record::QuarantineSet(QuarantineSet { subject, quarantined, reason: "odd".into() })
        };
        let carl = || Subject::Person(id("carl"));
        scribe.write(set(carl(), true)).unwrap();
        assert!(scribe.state.population().is_none());
        let people: Vec<PersonId> = consolidate(&scribe).parts.into_iter().flat_map(|p| p.people).collect();
        assert_eq!(people, [id("ada"), id("bob")]);
        let again = scribe.write(set(carl(), true)).unwrap_err();
        assert!(matches!(again, StateError::Illegal { source: Illegal::QuarantineAsBefore { .. }, .. }), "{again}");
        scribe.write(set(carl(), false)).unwrap();
        assert_eq!(consolidate(&scribe).parts.len(), 3);
        let eve = scribe.write(set(Subject::Person(id("eve")), true)).unwrap_err();
        assert!(matches!(eve, StateError::Illegal { source: Illegal::Unknown { .. }, .. }));
        scribe.write(set(Subject::Source("test".parse().unwrap()), true)).unwrap();
        let nobody = consolidated(&scribe.state, SOURCE_CAP, None, &|_| ());
        assert!(matches!(nobody, Err(ConsolidationError::TooFew(0))));
    }

    #[test]
    fn what_is_no_population_is_refused() {
        let scribe = three(Some(0));
        let sound = consolidate(&scribe);
        let refused = |change: &dyn Fn(&mut PopulationConsolidated)| {
            let mut record = sound.clone();
            change(&mut record);
            match scribe.state.prepare(&Record::PopulationConsolidated(record)) {
                Err(StateError::Illegal { source, .. }) => source.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert!(refused(&|r| r.through = Seq(99)).contains("99"));
        assert!(refused(&|r| r.parts[0].people = vec![id("eve")]).contains("eve"));
        assert!(refused(&|r| r.parts[0].people = r.parts[1].people.clone()).contains("there already"));
        assert!(refused(&|r| r.all.mean.truncate(2)).contains("mean"));
        assert!(refused(&|r| r.parts.truncate(1)).contains("parts"));
        // Of components: no mass, none left for the first, another feature space, too many.
        let component = |mass: f64| PopulationComponent {
            mass: Finite::new(mass).unwrap(),
            mean: sound.all.mean.clone(),
            covariance: sound.all.covariance.clone(),
        };
        for masses in [&[0.0][..], &[-0.5], &[1.0], &[0.5, 0.5], &[0.75, 0.5]] {
            let further: Vec<_> = masses.iter().map(|mass| component(*mass)).collect();
            assert!(refused(&|r| r.all.further = further.clone()).contains("mass of a component"), "{masses:?}");
            assert!(refused(&|r| r.parts[0].without.further = further.clone()).contains("mass of a component"));
        }
        assert!(refused(&|r| r.all.further = vec![component(0.2); COMPONENTS_MAX]).contains("components"));
        let short = PopulationComponent { mean: Vec::new(), ..component(0.5) };
        assert!(refused(&|r| r.parts[1].without.further = vec![short.clone()]).contains("mean"));
        let mut record = sound.clone();
        record.parts[2].without.covariance[0] = Finite::new(-1.0).unwrap();
        let indefinite = scribe.state.prepare(&Record::PopulationConsolidated(record));
        assert!(matches!(indefinite, Err(StateError::Belief { .. })), "{indefinite:?}");
        let mut record = sound.clone();
        record.all.further = vec![component(0.5)];
        record.all.further[0].covariance[0] = Finite::new(-1.0).unwrap();
        let indefinite = scribe.state.prepare(&Record::PopulationConsolidated(record));
        assert!(matches!(indefinite, Err(StateError::Belief { .. })), "{indefinite:?}");
    }

    #[test]
    fn components_share_what_one_population_has_and_are_replayed_to_the_same_bits() {
        let mut scribe = three(Some(0));
        let one = consolidate(&scribe);
        let text = serde_json::to_string(&one).unwrap();
        assert!(!text.contains("further"), "one component is recorded as it always was: {text}");
        let mut several = one.clone();
        for moments in several.parts.iter_mut().map(|p| &mut p.without).chain([&mut several.all]) {
            let mean = moments.mean.iter().map(|x| Finite::new(-x.get()).unwrap()).collect();
            let mass = Finite::new(0.25).unwrap();
            moments.further = vec![PopulationComponent { mass, mean, covariance: moments.covariance.clone() }];
        }
        let read: PopulationConsolidated = serde_json::from_str(&serde_json::to_string(&several).unwrap()).unwrap();
        assert_eq!(read, several);
        scribe.write(Record::PopulationConsolidated(several)).unwrap();
        let names = [LocationName::Population, LocationName::PopulationComponent(2)];
        let [bob, new] = ["bob", "somebody new"].map(id);
        let before = scribe.state.epoch().unwrap().prior_belief(&new).unwrap();
        let mass = |name| before.locations().iter().find(|(n, _)| *n == name).unwrap().1;
        for (name, share) in
            [(LocationName::Zero, 0.25), (LocationName::Elicited, 0.25), (names[0], 0.375), (names[1], 0.125)]
        {
            assert!((mass(name) - share).abs() < 1e-12, "{name:?} {}", mass(name));
        }
        let population = scribe.state.population().unwrap();
        assert!(names.iter().zip(&population.received_by(&bob).locations).all(|(name, l)| l.name == *name));
        assert!(population.carries(Seq(9), &id("ada"), &bob) && !population.carries(Seq(11), &bob, &bob));
        let with = scribe.state.belief(&bob).unwrap().digest();
        let replayed = replay(scribe.writer.storage().bytes(), &Options::default()).unwrap();
        assert_eq!(replayed.people.iter().find(|p| p.person == bob).unwrap().belief.digest(), with);
        scribe.write(retraction(9)).unwrap();
        assert!(scribe.state.belief(&bob).unwrap().locations().iter().all(|(name, _)| name.place().is_none()));
    }
}
