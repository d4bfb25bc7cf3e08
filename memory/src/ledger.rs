//! The ledger: by which route every (record, person) pair reaches every belief, so that none is counted twice and none
//! is lost (docs/learning.md). It keeps nothing of its own: all of it follows from the state.

mod information;
#[cfg(test)]
mod tests;

use crate::belief::LocationName;
use crate::ids::{AdapterGeneration, PersonId, Seq};
use crate::provenance::Provenance;
use crate::record::{AdapterStale, GateVerdict};
use crate::state::{Adapter, State};

pub use information::{Information, Learned};

/// A view of a state.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    state: &'a State,
}

/// Where an adapter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not judged yet.
    Candidate,
    /// Judged, not promoted.
    Judged(GateVerdict),
    /// In everyone's mixture: the current generation, or one that it was trained on.
    InForce,
    /// Promoted, but another generation that was promoted later took its place.
    Replaced,
    /// Promoted, but a parent of it is no longer.
    WithoutParent,
    /// Taken back.
    RolledBack,
    /// It absorbed this record, which was withdrawn.
    Stale(Seq),
}

/// By which route each pair reaches one person's belief under one prior location. `prior` and `likelihood` have no pair
/// in common, and every surviving record of the person is in one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What the location was built from: pairs of anybody.
    pub prior: Provenance,
    /// The person's own surviving records that enter the likelihood.
    pub likelihood: Vec<Seq>,
    /// The person's own surviving records that do not, because they are in `prior`.
    pub absorbed: Vec<Seq>,
}

impl Account {
    /// The account of a person with these surviving records under a location that was built from `prior`. This is the
    /// one rule there is: what the prior has absorbed does not enter the likelihood.
    pub fn new(person: &PersonId, surviving: impl IntoIterator<Item = Seq>, prior: Provenance) -> Self {
        let (absorbed, likelihood) = surviving.into_iter().partition(|seq| prior.contains(person, *seq));
        Self { prior, likelihood, absorbed }
    }
}

impl State {
    /// The ledger of this state.
    pub fn ledger(&self) -> Ledger<'_> {
        Ledger { state: self }
    }
}

impl<'a> Ledger<'a> {
    /// The generation whose prior the model gives now; [`AdapterGeneration::BASE`] where no adapter is in force.
    pub fn current(&self) -> AdapterGeneration {
        self.state.generations().current()
    }

    /// The current adapter and those that it was trained on, the oldest first; empty for the base model.
    pub fn lineage(&self) -> Vec<&'a Adapter> {
        self.state.generations().lineage().into_iter().map(|adapter| &**adapter).collect()
    }

    /// The training cutoff of a generation: what came later is new to it. Record 0 for the base model.
    pub fn cutoff(&self, generation: AdapterGeneration) -> Option<Seq> {
        if generation == AdapterGeneration::BASE {
            return Some(Seq(0));
        }
        self.state.generations().adapter(generation).map(|a| a.trained.cutoff)
    }

    /// Where an adapter stands; nothing for a number that no adapter has.
    pub fn standing(&self, generation: AdapterGeneration) -> Option<Standing> {
        let generations = self.state.generations();
        let adapter = generations.adapter(generation)?;
        let since = adapter.rolled_back.as_ref().map_or(Seq(0), |(seq, _)| *seq);
        let verdict = adapter.judged.last().filter(|(seq, _)| *seq > since).map(|(_, judged)| judged.verdict);
        Some(match (adapter.withdrawn, &adapter.promoted, &adapter.rolled_back) {
            (Some(withdrawn), _, _) => Standing::Stale(withdrawn),
            (None, Some(_), _) if generations.lineage().iter().any(|a| a.trained.generation == generation) => {
                Standing::InForce
            }
            (None, Some(_), _) if generations.is_sound(generation) => Standing::Replaced,
            (None, Some(_), _) => Standing::WithoutParent,
            (None, None, Some(_)) if verdict.is_none() => Standing::RolledBack,
            (None, None, _) => verdict.map_or(Standing::Candidate, Standing::Judged),
        })
    }

    /// Every pair that a generation absorbed, its parents' included; nothing for the base model.
    pub fn absorbed(&self, generation: AdapterGeneration) -> Provenance {
        self.state.generations().adapter(generation).map_or_else(Provenance::new, |a| a.absorbed.clone())
    }

    /// A person's surviving evidence through a record.
    pub fn evidence(&self, person: &PersonId, through: Seq) -> Provenance {
        self.taken(person, |seq| seq <= through)
    }

    /// Everybody's surviving evidence that `taken` selects.
    pub fn everybody(&self, taken: impl Fn(&PersonId, Seq) -> bool) -> Provenance {
        let mut all = Provenance::new();
        for person in self.state.people().keys() {
            all.unite(&self.taken(person, |seq| taken(person, seq)));
        }
        all
    }

    /// Surviving evidence that is new to a generation: later than its cutoff, or earlier and not absorbed.
    pub fn new_to(&self, generation: AdapterGeneration) -> Provenance {
        let absorbed = self.absorbed(generation);
        self.everybody(|person, seq| !absorbed.contains(person, seq))
    }

    /// Everything behind what is believed of a person through a record: what targets made from that belief absorb. Their
    /// own surviving evidence, and what every location of the mixture was built from.
    pub fn behind(&self, person: &PersonId, through: Seq) -> Provenance {
        let mut behind = self.evidence(person, through);
        for adapter in self.lineage() {
            behind.unite(&adapter.absorbed);
        }
        behind
    }

    /// The account of a person under one prior location of the present mixture.
    pub fn account(&self, person: &PersonId, location: LocationName) -> Account {
        let prior = match location {
            LocationName::Generation(number) => self.absorbed(AdapterGeneration(number)),
            LocationName::Zero
            | LocationName::Elicited
            | LocationName::Published
            | LocationName::Library
            | LocationName::Lattice(_)
            | LocationName::Population
            | LocationName::PopulationComponent(_) => Provenance::new(),
        };
        let surviving = self.state.person(person).map_or(&[][..], |p| p.evidence());
        Account::new(person, surviving.iter().map(|e| e.seq), prior)
    }

    /// Adapters that are stale and of which no record says so yet.
    pub fn untold(&self) -> Vec<AdapterStale> {
        let untold = self.state.generations().adapters().filter(|a| !a.told_stale);
        untold
            .filter_map(|a| Some(AdapterStale { generation: a.trained.generation, withdrawn: a.withdrawn? }))
            .collect()
    }

    /// How many records a provenance stands for.
    pub fn count(&self, provenance: &Provenance) -> u64 {
        let of = |person: &PersonId| {
            let given = self.state.person(person).map_or_else(Vec::new, |p| p.given());
            given.iter().filter(|(seq, _)| provenance.contains(person, *seq)).count() as u64
        };
        provenance.people().map(of).sum()
    }

    fn taken(&self, person: &PersonId, taken: impl Fn(Seq) -> bool) -> Provenance {
        let given = self.state.person(person).map_or_else(Vec::new, |p| p.given());
        let survives = |seq: Seq| given.binary_search_by_key(&seq, |(s, _)| *s).is_ok_and(|at| given[at].1.is_none());
        Provenance::of(person, given.iter().map(|(seq, _)| *seq), |seq| survives(seq) && taken(seq))
    }
}
