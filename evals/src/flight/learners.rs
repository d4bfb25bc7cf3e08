//! Who learns a person on the flight task.

use credence_memory::belief::expected_information_gain;
use credence_memory::belief::{BeliefError, Channel, Mixture, Places, Question, Settings};

use super::{FEATURES, FLIGHTS, FlightSet, first_max, picks, priors};

/// One who learns a person.
pub(super) trait Learner {
    fn predict(&self, set: &FlightSet) -> [f64; FLIGHTS];
    fn choose(&self, pool: &[FlightSet]) -> usize;
    fn learn(&mut self, set: &FlightSet, pick: usize) -> Result<(), BeliefError>;
}

/// Sums over a list of people: all of them for the ceiling, draws from a Gaussian to see what the Gaussian costs.
pub(super) struct Exact<'a> {
    people: &'a [[f64; FEATURES]],
    masses: Vec<f64>,
    random_answers: f64,
}

impl<'a> Exact<'a> {
    /// Everyone equally likely; told the rate of random answers.
    pub(super) fn new(people: &'a [[f64; FEATURES]], random_answers: f64) -> Self {
        Self { people, masses: vec![1.0 / people.len() as f64; people.len()], random_answers }
    }

    fn answers(&self, w: &[f64; FEATURES], set: &FlightSet) -> [f64; FLIGHTS] {
        picks(w, set).map(|p| (1.0 - self.random_answers) * p + self.random_answers / FLIGHTS as f64)
    }
}

fn entropy(p: &[f64; FLIGHTS]) -> f64 {
    p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum()
}

impl Learner for Exact<'_> {
    fn predict(&self, set: &FlightSet) -> [f64; FLIGHTS] {
        let mut total = [0.0; FLIGHTS];
        for (w, mass) in self.people.iter().zip(&self.masses).filter(|(_, mass)| **mass > 0.0) {
            picks(w, set).iter().zip(&mut total).for_each(|(p, sum)| *sum += mass * p);
        }
        total
    }

    fn choose(&self, pool: &[FlightSet]) -> usize {
        let gain = |set: &FlightSet| {
            let (mut total, mut noise) = ([0.0; FLIGHTS], 0.0);
            for (w, mass) in self.people.iter().zip(&self.masses).filter(|(_, mass)| **mass > 0.0) {
                let p = self.answers(w, set);
                noise += mass * entropy(&p);
                p.iter().zip(&mut total).for_each(|(p, sum)| *sum += mass * p);
            }
            entropy(&total) - noise
        };
        first_max(&pool.iter().map(gain).collect::<Vec<_>>())
    }

    fn learn(&mut self, set: &FlightSet, pick: usize) -> Result<(), BeliefError> {
        for i in 0..self.masses.len() {
            self.masses[i] *= self.answers(&self.people[i], set)[pick];
        }
        let total: f64 = self.masses.iter().sum();
        if total > 0.0 {
            self.masses.iter_mut().for_each(|m| *m /= total);
        } else {
            // Draws may all be contradicted, though people are not: then nothing is known of the draws.
            self.masses.fill(1.0 / self.people.len() as f64);
        }
        Ok(())
    }
}

fn question(set: &FlightSet) -> Question {
    Question::Ranking {
        features: set.iter().map(|flight| flight.to_vec()).collect(),
        error: vec![vec![0.0; FEATURES]; FLIGHTS],
        places: Places::First(1),
        channel: Channel::Choice,
    }
}

impl Learner for Mixture {
    fn predict(&self, set: &FlightSet) -> [f64; FLIGHTS] {
        let p = Mixture::predict(self, &question(set));
        [p[0], p[1], p[2]]
    }

    fn choose(&self, pool: &[FlightSet]) -> usize {
        let questions: Vec<Question> = pool.iter().map(question).collect();
        first_max(&expected_information_gain(self, &questions))
    }

    fn learn(&mut self, set: &FlightSet, pick: usize) -> Result<(), BeliefError> {
        self.observe(&question(set).answer(pick)).map(|_| ())
    }
}

/// The simple way: one Gaussian, noise and lapse rate told, a choice of three taken as two choices of two. It does not choose.
pub(super) struct Pairs(Mixture);

impl Pairs {
    pub(super) fn new(random_answers: f64) -> Result<Self, BeliefError> {
        Ok(Self(Mixture::new(&Settings::single(16.0, random_answers.max(0.001), 0.3), &priors(false))?))
    }
}

impl Learner for Pairs {
    fn predict(&self, set: &FlightSet) -> [f64; FLIGHTS] {
        let mean = self.0.mean();
        set.map(|flight| flight.iter().zip(&mean).map(|(x, w)| x * w).sum())
    }

    fn choose(&self, _pool: &[FlightSet]) -> usize {
        0
    }

    fn learn(&mut self, set: &FlightSet, pick: usize) -> Result<(), BeliefError> {
        for (_, other) in set.iter().enumerate().filter(|(k, _)| *k != pick) {
            let difference = set[pick].iter().zip(other).map(|(a, b)| a - b).collect();
            self.0.observe(&Question::choice(difference, false).answer(0))?;
        }
        Ok(())
    }
}
