//! How much there is to learn: what people said that the model's own prior did not expect, in nats.

use rayon::prelude::*;

use super::Ledger;
use crate::belief::BeliefError;
use crate::ids::{AdapterGeneration, PersonId, Seq};
use crate::observation::resolve;
use crate::state::{Epoch, Person, StateError};

/// What evidence later than a generation's cutoff has to teach it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Information {
    /// For everyone who gave such evidence.
    pub people: Vec<Learned>,
}

/// One person's part.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Who.
    pub person: PersonId,
    /// Surviving evidence records later than the cutoff.
    pub records: u64,
    /// `sum ln p(y | everything the person said before) - ln p(y | prior alone)` over them, each prediction being made
    /// before its answer (Dawid's prequential principle). What is known of a person and not yet in the prior raises it;
    /// noise does not, on average. It may be negative.
    pub gain_nats: f64,
}

impl Information {
    /// Surviving evidence records later than the cutoff.
    pub fn records(&self) -> u64 {
        self.people.iter().map(|p| p.records).sum()
    }

    /// The gain of all people together, nats.
    pub fn gain_nats(&self) -> f64 {
        self.people.iter().map(|p| p.gain_nats).sum()
    }
}

impl Ledger<'_> {
    /// What evidence later than a generation's cutoff has to teach, under the present mixture. Work grows with all
    /// evidence of the people concerned, as a replay's; people are folded in parallel.
    ///
    /// # Errors
    /// A belief cannot be formed.
    pub fn information_since(&self, generation: AdapterGeneration) -> Result<Information, StateError> {
        let Some(epoch) = self.state.epoch() else { return Ok(Information::default()) };
        let cutoff = self.cutoff(generation).unwrap_or(Seq(0));
        let later = |person: &Person| person.evidence().last().is_some_and(|e| e.seq > cutoff);
        let concerned: Vec<_> = self.state.people().iter().filter(|(_, person)| later(person)).collect();
        let learned = concerned.into_par_iter().map(|(id, person)| self.learned(epoch, id, person, cutoff));
        Ok(Information { people: learned.collect::<Result<_, _>>()? })
    }

    fn learned(&self, epoch: &Epoch, id: &PersonId, person: &Person, cutoff: Seq) -> Result<Learned, StateError> {
        let descriptions = self.state.descriptions();
        let mut seq = cutoff;
        let mut work = || -> Result<Learned, BeliefError> {
            let prior = epoch.prior_belief()?;
            let mut belief = prior.clone();
            let mut learned = Learned { person: id.clone(), records: 0, gain_nats: 0.0 };
            for evidence in person.evidence() {
                seq = evidence.seq;
                let observation = resolve(evidence, |i| &descriptions[i as usize], &epoch.layout);
                let expected = epoch.observe(&mut belief, seq, &observation)?;
                if evidence.seq > cutoff {
                    let unlearned = prior.clone().observe(&observation)?;
                    learned.records += 1;
                    learned.gain_nats += expected.ln_predictive - unlearned.ln_predictive;
                }
            }
            Ok(learned)
        };
        work().map_err(|source| StateError::Belief { seq, source })
    }
}
