//! Belief about one person: a weighted mixture of hypotheses (docs/belief.md, equation 13).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::BeliefError;
use super::finite::{ln_sum_exp, softmax};
use super::functional::Functional;
use super::grid::Grid;
use super::hypothesis::{History, Hypothesis, Marginal, Prior};
use super::location::{LocationName, Priors};
use super::observation::{Answer, LEVELS_MAX, Observation, Prepared, Question, Record};
use super::ranking::LISTED_MAX;
use super::settings::Settings;

/// What was expected of a record before it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surprise {
    /// `ln p(y)` of what was seen, under the mixture.
    pub ln_predictive: f64,
    /// `p(y)` of every outcome of the question, in the order of [`Mixture::predict`]; empty for orders too many to list.
    pub probabilities: Vec<f64>,
    /// Which of them was seen; nothing where they are not listed.
    pub outcome: Option<usize>,
}

/// Belief about one person's weights: a function of settings, priors and observations, bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    settings: Settings,
    dimension: usize,
    names: Vec<LocationName>,
    priors: Vec<Prior>,
    hypotheses: Vec<Hypothesis>,
    history: History,
}

/// Work below this many multiplications is not worth a second thread.
const PARALLEL_MIN: usize = 4_000_000;

impl Mixture {
    /// The mixture before any evidence. Hypotheses stand in the order location, signal scale, lapse rate, drift, band.
    ///
    /// # Errors
    /// Settings out of range, no locations, two of one name, wrong lengths, or a covariance that is not positive definite.
    pub fn new(settings: &Settings, priors: &Priors) -> Result<Self, BeliefError> {
        let grid = Grid::new(settings, priors)?;
        Ok(Self {
            settings: settings.clone(),
            dimension: priors.scaled.len(),
            names: grid.names,
            priors: grid.priors,
            hypotheses: grid.hypotheses,
            history: History::default(),
        })
    }

    /// Folds observations, oldest first: the same bits as observing them one by one.
    ///
    /// # Errors
    /// As [`Mixture::new`] and [`Mixture::observe`].
    pub fn fold<'a>(
        settings: &Settings,
        priors: &Priors,
        observations: impl IntoIterator<Item = &'a Observation>,
    ) -> Result<Self, BeliefError> {
        let mut mixture = Self::new(settings, priors)?;
        let mut scratch = Vec::new();
        for observation in observations {
            mixture.absorb(observation, false, &mut scratch)?;
        }
        Ok(mixture)
    }

    /// Takes in one observation and says what had been expected of it. On error belief is unchanged.
    ///
    /// # Errors
    /// An observation that does not fit the feature space, or whose answer is none of its question's outcomes.
    pub fn observe(&mut self, observation: &Observation) -> Result<Surprise, BeliefError> {
        self.absorb(observation, true, &mut Vec::new())
    }

    fn absorb(
        &mut self,
        observation: &Observation,
        tell: bool,
        scratch: &mut Vec<f64>,
    ) -> Result<Surprise, BeliefError> {
        let question = observation.question();
        question.check(self.dimension)?;
        let outcome = observation.outcome()?;
        let prepared = question.prepare(&self.settings);
        let repeated = self.repeated(&prepared);
        let listed = question.outcome_count() <= LISTED_MAX.max(LEVELS_MAX);
        let weights = if tell { self.weights() } else { Vec::new() };
        let probabilities = if tell && (listed || repeated.is_some()) {
            self.predict_prepared(&prepared, repeated, &weights)
        } else {
            Vec::new()
        };
        let index = self.record(prepared, observation, outcome, repeated);
        self.history.timeline.push(index as u32);
        let (settings, priors, history) = (&self.settings, &self.priors, &self.history);
        let refines = Settings::refines_at(history.timeline.len() as u64);
        let step = |h: &mut Hypothesis, scratch: &mut Vec<f64>| {
            let prior = &priors[h.prior];
            let ln_predictive = h.absorb(settings, prior, history, index, scratch).ln_predictive;
            if refines {
                h.refine(settings, prior, history, scratch);
            }
            ln_predictive
        };
        let sites = if refines { 8 * history.records.len() } else { 1 };
        let work = self.hypotheses.len() * sites * self.dimension * self.dimension;
        let ln_predictive: Vec<f64> = if work >= PARALLEL_MIN && self.hypotheses.len() > 1 {
            self.hypotheses.par_iter_mut().map_init(Vec::new, |scratch, h| step(h, scratch)).collect()
        } else {
            self.hypotheses.iter_mut().map(|h| step(h, scratch)).collect()
        };
        if !tell {
            return Ok(Surprise { ln_predictive: f64::NAN, probabilities, outcome: None });
        }
        let outcome = (outcome < probabilities.len()).then_some(outcome);
        let ln_predictive = match outcome {
            Some(k) if repeated.is_some() => libm::log(probabilities[k].max(f64::MIN_POSITIVE)),
            _ => {
                let joint: Vec<f64> = weights.iter().zip(&ln_predictive).map(|(w, l)| libm::log(*w) + l).collect();
                ln_sum_exp(&joint)
            }
        };
        Ok(Surprise { ln_predictive, probabilities, outcome })
    }

    /// The site of earlier answers to the same question.
    pub(crate) fn repeated(&self, question: &Prepared) -> Option<usize> {
        let Prepared::Interval(q) = question else { return None };
        let key = q.key?;
        self.history.records.iter().position(|record| match record {
            Record::Interval { key: earlier, .. } => *earlier == Some(key),
            Record::Ranking { .. } => false,
        })
    }

    /// Adds the record, or the answer to its earlier record, and returns the number of its site.
    fn record(
        &mut self,
        question: Prepared,
        observation: &Observation,
        outcome: usize,
        repeated: Option<usize>,
    ) -> usize {
        let records = &mut self.history.records;
        match question {
            Prepared::Interval(q) => {
                let answer = Answer { outcomes: q.outcomes, outcome, misreading: q.misreading };
                if let Some(Record::Interval { answers, .. }) = repeated.and_then(|index| records.get_mut(index)) {
                    answers.push(answer);
                    return repeated.unwrap_or_default();
                }
                records.push(Record::Interval {
                    direction: q.direction,
                    error: q.error,
                    answers: vec![answer],
                    key: q.key,
                });
            }
            Prepared::Ranking(q) => {
                let order = match observation {
                    Observation::Ranking { order, .. } => order.clone(),
                    _ => unreachable!("a ranking's question comes from a ranking"),
                };
                records.push(Record::Ranking { n: q.n, features: q.features, error: q.error, order });
            }
        }
        records.len() - 1
    }

    /// Probabilities of all outcomes of a question under the mixture, in the order told at [`Question`].
    ///
    /// # Panics
    /// When the question does not pass [`Question::check`] for this dimension, or asks for more than 24 orders.
    pub fn predict(&self, question: &Question) -> Vec<f64> {
        if let Err(e) = question.check(self.dimension) {
            panic!("a question must be checked before it is asked: {e}");
        }
        let ranking = matches!(question, Question::Ranking { .. });
        assert!(!ranking || question.outcome_count() <= LISTED_MAX, "too many orders to list");
        let prepared = question.prepare(&self.settings);
        self.predict_prepared(&prepared, self.repeated(&prepared), &self.weights())
    }

    fn predict_prepared(&self, question: &Prepared, repeated: Option<usize>, weights: &[f64]) -> Vec<f64> {
        let mut scratch = Vec::new();
        let mut total: Vec<f64> = Vec::new();
        for (h, weight) in self.hypotheses.iter().zip(weights) {
            let p = h.predict(&self.settings, &self.priors[h.prior], &self.history, question, repeated, &mut scratch);
            total.resize(p.len(), 0.0);
            for (sum, p) in total.iter_mut().zip(p) {
                *sum += weight * p;
            }
        }
        total
    }

    /// `pi_h` in the order of the hypotheses: equation (13). They sum to 1.
    pub fn weights(&self) -> Vec<f64> {
        let mut ln: Vec<f64> = self.hypotheses.iter().map(Hypothesis::ln_weight).collect();
        softmax(&mut ln);
        ln
    }

    /// `ln p` of all evidence so far under the mixture.
    pub fn log_marginal_likelihood(&self) -> f64 {
        ln_sum_exp(&self.hypotheses.iter().map(Hypothesis::ln_weight).collect::<Vec<_>>())
    }

    /// The distribution of `a . w` under the mixture.
    ///
    /// # Panics
    /// When `a` has another length than the weights.
    pub fn functional(&self, a: &[f64]) -> Functional {
        assert_eq!(a.len(), self.dimension, "a functional has one entry for each weight");
        let mut g = vec![0.0; self.dimension];
        let mut functional = Functional::default();
        for (h, weight) in self.hypotheses.iter().zip(self.weights()) {
            match h.marginal(&self.priors[h.prior], a, &mut g) {
                Marginal::Normal { mean, variance } => functional.push(weight, mean, variance.sqrt()),
                Marginal::Atoms { values, masses } => {
                    for (value, mass) in values.into_iter().zip(masses) {
                        functional.push(weight * mass, value, 0.0);
                    }
                }
            }
        }
        functional
    }

    /// The distribution of one weight.
    ///
    /// # Panics
    /// When there is no such weight.
    pub fn weight(&self, index: usize) -> Functional {
        let mut a = vec![0.0; self.dimension];
        a[index] = 1.0;
        self.functional(&a)
    }

    /// Mean of all weights under the mixture.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dimension];
        for (h, weight) in self.hypotheses.iter().zip(self.weights()) {
            if let Some(belief) = h.gaussian() {
                super::symmetric::add_scaled(&mut mean, weight, &belief.mean);
            }
            if let (Some(finite), Prior::Finite(atoms)) = (h.finite(), &self.priors[h.prior]) {
                for (mass, atom) in finite.masses().iter().zip(atoms.weights.chunks_exact(self.dimension)) {
                    super::symmetric::add_scaled(&mut mean, weight * mass, atom);
                }
            }
        }
        mean
    }

    /// Number of weights.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Surviving evidence records, repeats counted.
    pub fn record_count(&self) -> usize {
        self.history.timeline.len()
    }

    /// The settings belief was formed under.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// As if a question had been answered: see `Hypothesis::imagine`.
    pub(crate) fn imagine(&mut self, question: &Question) {
        let prepared = question.prepare(&self.settings);
        for h in &mut self.hypotheses {
            h.imagine(&self.priors[h.prior], &prepared);
        }
    }

    /// The name of the location at `index`.
    pub(crate) fn name(&self, index: usize) -> LocationName {
        self.names[index]
    }

    pub(crate) fn parts(&self) -> (&Settings, &[Prior], &[Hypothesis], &History) {
        (&self.settings, &self.priors, &self.hypotheses, &self.history)
    }
}
