//! Belief about one person: a weighted mixture of hypotheses (docs/belief.md, equation 13).

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::BeliefError;
use super::datum::Prepared;
use super::finite::OrderTable;
use super::functional::Functional;
use super::grid::Grid;
use super::hypothesis::{Hypothesis, Prior};
use super::location::{LocationName, Priors};
use super::logs::{ln_sum_exp, softmax};
use super::observation::Observation;
use super::question::{LEVELS_MAX, Question};
use super::ranking::LISTED_MAX;
use super::reading::{EvidenceUse, Lineage, Reading};
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
///
/// A copy shares what it was copied from until one of the two takes something in. Priors are shared for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    #[serde(with = "shared")]
    settings: Arc<Settings>,
    dimension: usize,
    #[serde(with = "shared")]
    names: Arc<Vec<LocationName>>,
    #[serde(with = "shared")]
    priors: Arc<Vec<Prior>>,
    #[serde(with = "shared")]
    hypotheses: Arc<Vec<Hypothesis>>,
    /// Everyone's, then one for each generation.
    #[serde(with = "shared")]
    readings: Arc<Vec<Reading>>,
    #[serde(skip)]
    digest: WorkedOut,
}

/// A digest that was asked for before, of this or of a copy that is the same still; it follows from the rest.
#[derive(Clone, Debug, Default)]
struct WorkedOut(Arc<OnceLock<[u8; 32]>>);

impl PartialEq for WorkedOut {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What is shared is written as what it is.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(shared: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}

/// Work below this many multiplications is not worth a second thread.
const PARALLEL_MIN: usize = 4_000_000;
/// Weight of hypotheses that may be left out of scores.
const NEGLIGIBLE: f64 = 1e-3;

impl Mixture {
    /// The mixture before any evidence. Hypotheses stand in the order location, signal scale, lapse rate, drift, band, step.
    ///
    /// # Errors
    /// Settings out of range, no locations, two of one name, wrong lengths, or a covariance that is not positive definite.
    pub fn new(settings: &Settings, priors: &Priors) -> Result<Self, BeliefError> {
        Self::under(settings, priors, &Lineage::default())
    }

    /// As [`Mixture::new`], with promoted generations among the locations.
    ///
    /// # Errors
    /// As [`Mixture::new`].
    pub fn under(settings: &Settings, priors: &Priors, lineage: &Lineage) -> Result<Self, BeliefError> {
        let grid = Grid::new(settings, priors, lineage)?;
        let dimension = priors.scaled.len();
        Ok(Self {
            settings: Arc::new(settings.clone()),
            dimension,
            names: Arc::new(grid.names),
            priors: Arc::new(grid.priors),
            hypotheses: Arc::new(grid.hypotheses),
            readings: Arc::new(Reading::all(dimension, lineage)),
            digest: WorkedOut::default(),
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
        mixture.learn(observations.into_iter().map(|observation| (observation, Vec::new())))?;
        Ok(mixture)
    }

    /// Takes in observations, oldest first, each with how it stands to every generation of the lineage: the same bits as
    /// observing them one by one.
    ///
    /// # Errors
    /// As [`Mixture::observe`].
    pub fn learn<'a>(
        &mut self,
        observations: impl IntoIterator<Item = (&'a Observation, Vec<EvidenceUse>)>,
    ) -> Result<(), BeliefError> {
        let mut scratch = Vec::new();
        observations.into_iter().try_for_each(|(o, places)| self.absorb(o, &places, false, &mut scratch).map(drop))
    }

    /// Takes in one observation and says what had been expected of it. On error belief is unchanged.
    ///
    /// # Errors
    /// An observation that does not fit the feature space, or whose answer is none of its question's outcomes.
    pub fn observe(&mut self, observation: &Observation) -> Result<Surprise, BeliefError> {
        self.observe_placed(observation, &[])
    }

    /// As [`Mixture::observe`], for a record that stands to the generations of the lineage as told; where nothing is told,
    /// it came later than their training.
    ///
    /// # Errors
    /// As [`Mixture::observe`].
    pub fn observe_placed(
        &mut self,
        observation: &Observation,
        places: &[EvidenceUse],
    ) -> Result<Surprise, BeliefError> {
        self.absorb(observation, places, true, &mut Vec::new())
    }

    fn absorb(
        &mut self,
        observation: &Observation,
        places: &[EvidenceUse],
        tell: bool,
        scratch: &mut Vec<f64>,
    ) -> Result<Surprise, BeliefError> {
        let question = &observation.question;
        question.check(self.width())?;
        let outcome = observation.number()?;
        let asked = self.asked(question);
        let repeated = asked.iter().any(|(_, site)| site.is_some());
        let listed = question.outcome_count() <= LISTED_MAX.max(LEVELS_MAX);
        let weights = if tell { self.weights() } else { Vec::new() };
        let probabilities =
            if tell && (listed || repeated) { self.predict_asked(&asked, &weights) } else { Vec::new() };
        let place = |reading: usize| reading.checked_sub(1).and_then(|at| places.get(at).copied());
        let statement = matches!(question, Question::Statement { .. });
        let mut sites = Vec::with_capacity(self.readings.len());
        self.digest = WorkedOut::default();
        for (k, (reading, (prepared, site))) in Arc::make_mut(&mut self.readings).iter_mut().zip(asked).enumerate() {
            sites.push(if place(k) == Some(EvidenceUse::Absorbed) {
                reading.pass_over(statement);
                None
            } else {
                Some(reading.record(prepared, &observation.outcome, outcome, site))
            });
        }
        let (settings, priors, readings) = (&self.settings, &self.priors, &self.readings);
        let refines = settings.refines_at(readings[0].history.timeline.len() as u64);
        let step = |h: &mut Hypothesis, scratch: &mut Vec<f64>| {
            let (prior, history) = (&priors[h.prior], &readings[h.reading].history);
            let ln_predictive = match sites[h.reading] {
                Some(site) => h.absorb(settings, prior, history, site, scratch).ln_predictive,
                None => {
                    if !statement {
                        h.pass_over(prior);
                    }
                    0.0
                }
            };
            if refines {
                h.refine(settings, prior, history, scratch);
            }
            ln_predictive
        };
        let made = if refines { 8 * readings[0].history.records.len() } else { 1 };
        let work = self.hypotheses.len() * made * self.dimension * self.dimension;
        let hypotheses = Arc::make_mut(&mut self.hypotheses);
        let mut ln_predictive: Vec<f64> = if work >= PARALLEL_MIN && hypotheses.len() > 1 {
            hypotheses.par_iter_mut().map_init(Vec::new, |scratch, h| step(h, scratch)).collect()
        } else {
            hypotheses.iter_mut().map(|h| step(h, scratch)).collect()
        };
        // Equation (18): through its training cutoff a generation's weight is what its parent's predictions make of it.
        for i in 0..hypotheses.len() {
            let h = &hypotheses[i];
            let (Some(parent), Some(EvidenceUse::Absorbed | EvidenceUse::Earlier)) = (h.parent, place(h.reading))
            else {
                continue;
            };
            hypotheses[i].offset = hypotheses[parent].ln_sequence() - h.ln_marginal;
            ln_predictive[i] = ln_predictive[parent];
        }
        if !tell {
            return Ok(Surprise { ln_predictive: f64::NAN, probabilities, outcome: None });
        }
        let outcome = (outcome < probabilities.len()).then_some(outcome);
        let ln_predictive = match outcome {
            Some(k) if repeated => libm::log(probabilities[k].max(f64::MIN_POSITIVE)),
            _ => {
                let joint: Vec<f64> = weights.iter().zip(&ln_predictive).map(|(w, l)| libm::log(*w) + l).collect();
                ln_sum_exp(&joint)
            }
        };
        Ok(Surprise { ln_predictive, probabilities, outcome })
    }

    /// Probabilities of all outcomes of a question under the mixture, in the order told at [`Question`].
    ///
    /// # Panics
    /// When the question does not pass [`Question::check`] for this width, or asks for more than 24 orders.
    pub fn predict(&self, question: &Question) -> Vec<f64> {
        if let Err(e) = question.check(self.width()) {
            panic!("a question must be checked before it is asked: {e}");
        }
        let ranking = matches!(question, Question::Ranking { .. });
        assert!(!ranking || question.outcome_count() <= LISTED_MAX, "too many orders to list");
        self.predict_asked(&self.asked(question), &self.weights())
    }

    /// As [`Mixture::predict`] under so many hypotheses that stand for all of them, at evenly spaced quantiles of their weights.
    ///
    /// # Panics
    /// As [`Mixture::predict`].
    pub fn predict_roughly(&self, question: &Question, hypotheses: usize) -> Vec<f64> {
        if let Err(e) = question.check(self.width()) {
            panic!("a question must be checked before it is asked: {e}");
        }
        assert!(question.outcome_count() <= LISTED_MAX.max(LEVELS_MAX), "too many orders to list");
        let mut weights = vec![0.0; self.hypotheses.len()];
        for (index, weight) in representatives(self, hypotheses) {
            weights[index] = weight;
        }
        self.predict_asked(&self.asked(question), &weights)
    }

    /// A question as every reading has it, and the site of earlier answers to it there.
    pub(crate) fn asked(&self, question: &Question) -> Vec<(Prepared, Option<usize>)> {
        let asked = |reading: &Reading| {
            let prepared = reading.question(question, self.width()).prepare(&self.settings);
            let site = reading.repeated(&prepared);
            (prepared, site)
        };
        self.readings.iter().map(asked).collect()
    }

    fn predict_asked(&self, asked: &[(Prepared, Option<usize>)], weights: &[f64]) -> Vec<f64> {
        let mut scratch = Vec::new();
        let mut total: Vec<f64> = Vec::new();
        let mut table: Option<OrderTable> = None;
        for (h, weight) in self.hypotheses.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
            let (question, repeated) = &asked[h.reading];
            let (prior, history) = (&self.priors[h.prior], &self.readings[h.reading].history);
            let p = match (question, h.finite(), prior) {
                (Prepared::Ranking(q), Some(finite), Prior::Finite(atoms)) => {
                    let fresh = || OrderTable::new(h.prior, atoms, q, h.ranking_noise(prior, q.n, &q.error));
                    let shared = table.take().filter(|t| t.is_of(h.prior)).unwrap_or_else(fresh);
                    finite.predict_orders(atoms, q, table.insert(shared), h.lapse_rate)
                }
                _ => h.predict(&self.settings, prior, history, question, *repeated, &mut scratch),
            };
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

    /// The distribution of `a . w` under the mixture: of features, or of weights where `a` has one entry for each weight.
    ///
    /// # Panics
    /// When `a` has another length than features or weights.
    pub fn functional(&self, a: &[f64]) -> Functional {
        assert!(a.len() == self.dimension || a.len() == self.width(), "a functional is of features or of weights");
        let read: Vec<_> = self.readings.iter().map(|reading| reading.narrow(a)).collect();
        self.functional_read(&read)
    }

    /// The distribution of one feature's part in the utility of `features` (or in a difference of two): the feature times
    /// its weight.
    ///
    /// # Panics
    /// When `features` has another length than features, or there is no such weight.
    pub fn part(&self, features: &[f64], index: usize) -> Functional {
        self.parts_together(features, index..index + 1)
    }

    /// As [`Mixture::part`], of several features that stand beside each other.
    ///
    /// # Panics
    /// As [`Mixture::part`].
    pub fn parts_together(&self, features: &[f64], range: std::ops::Range<usize>) -> Functional {
        assert_eq!(features.len(), self.width(), "features have one entry for each weight and generation");
        let only = |reading: &Reading| {
            let mut a = vec![0.0; self.dimension];
            a[range.clone()].copy_from_slice(&reading.narrow(features)[range.clone()]);
            a
        };
        self.functional_read(&self.readings.iter().map(only).collect::<Vec<_>>())
    }

    /// The distribution of `a . w`, `a` being told for each reading.
    fn functional_read(&self, a: &[impl AsRef<[f64]>]) -> Functional {
        let mut g = vec![0.0; self.dimension];
        let mut functional = Functional::default();
        for (h, weight) in self.hypotheses.iter().zip(self.weights()) {
            functional.push_marginal(weight, h.marginal(&self.priors[h.prior], a[h.reading].as_ref(), &mut g));
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

    /// Mean of each weight under the mixture, in noise units, in the order of the features.
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

    /// Length of a feature vector: one entry for each weight, and one for the judgement of each generation.
    pub fn width(&self) -> usize {
        self.dimension + self.readings.len() - 1
    }

    /// How many records enter the likelihood under a location; nothing where there is no such location.
    pub fn counted(&self, location: LocationName) -> Option<usize> {
        let at = self.names.iter().position(|name| *name == location)?;
        let h = self.hypotheses.iter().find(|h| h.location == at)?;
        Some(self.readings[h.reading].counted())
    }

    /// Surviving statements about values, old and new: evidence that is no answer to a question.
    pub fn statement_count(&self) -> usize {
        self.readings[0].history.records.iter().filter(|record| record.is_about_values()).count()
    }

    /// Surviving evidence records, repeats counted.
    pub fn record_count(&self) -> usize {
        self.readings[0].history.timeline.len()
    }

    /// The settings belief was formed under.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// As if a question had been answered: see `Hypothesis::imagine`.
    pub(crate) fn imagine(&mut self, question: &Question) {
        let asked = self.asked(question);
        self.digest = WorkedOut::default();
        for h in Arc::make_mut(&mut self.hypotheses) {
            h.imagine(&self.priors[h.prior], &asked[h.reading].0);
        }
    }

    /// The name of the location at `index`.
    pub(crate) fn name(&self, index: usize) -> LocationName {
        self.names[index]
    }

    /// The digest, worked out once.
    pub(crate) fn digest_by(&self, work: impl FnOnce() -> [u8; 32]) -> [u8; 32] {
        *self.digest.0.get_or_init(work)
    }

    pub(crate) fn parts(&self) -> (&Settings, &[Prior], &[Hypothesis], &[Reading]) {
        (&self.settings, &self.priors, &self.hypotheses, &self.readings)
    }
}

/// The heaviest hypotheses, with weights that sum to 1, in their own order.
pub(crate) fn heaviest(mixture: &Mixture) -> Vec<(usize, f64)> {
    let weights = mixture.weights();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[a].total_cmp(&weights[b]).then(b.cmp(&a)));
    let mut left_out = 0.0;
    let light = order.iter().take_while(|&&i| {
        left_out += weights[i];
        left_out < NEGLIGIBLE
    });
    let mut keep: Vec<usize> = order[light.count()..].to_vec();
    keep.sort_unstable();
    let total: f64 = keep.iter().map(|&i| weights[i]).sum();
    keep.into_iter().map(|i| (i, weights[i] / total)).collect()
}

/// Hypotheses at evenly spaced quantiles of the weights, each with its share of the quantiles.
pub(crate) fn representatives(mixture: &Mixture, count: usize) -> Vec<(usize, f64)> {
    let share = 1.0 / count.max(1) as f64;
    let mut kept: Vec<(usize, f64)> = Vec::new();
    let (mut below, mut next) = (0.0, 0.5 * share);
    for (index, weight) in mixture.weights().into_iter().enumerate() {
        below += weight;
        let mut times = 0.0;
        while next <= below && next < 1.0 {
            times += 1.0;
            next += share;
        }
        if times > 0.0 {
            kept.push((index, times * share));
        }
    }
    if kept.is_empty() { heaviest(mixture) } else { kept }
}
