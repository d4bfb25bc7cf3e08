//! Belief about one person: a weighted mixture of hypotheses (docs/belief.md, equation 13).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::BeliefError;
use super::finite::{Atoms, OrderTable, softmax};
use super::functional::Functional;
use super::gaussian::{Anchor, check_moments};
use super::hypothesis::{History, Hypothesis, Marginal, Prior};
use super::observation::{Answer, Observation, Prepared, Question, Record};
use super::ranking::LISTED_MAX;
use super::settings::Settings;

/// Where a prior over weights comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocationName {
    /// Mean zero: knows nothing.
    Zero,
    /// Read out of the model.
    Elicited,
    /// Learned from other people.
    Population,
    /// A promoted adapter's.
    Generation(u32),
    /// A stated list of weight vectors.
    Lattice(u32),
}

/// A Gaussian prior over weights at signal scale 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Its name; no two locations share one.
    pub name: LocationName,
    /// Mean, one entry for each weight.
    pub mean: Vec<f64>,
    /// Lower triangle of the covariance by rows.
    pub covariance: Vec<f64>,
}

/// A finite prior: weight vectors at signal scale 1, with masses that need not be normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lattice {
    /// Its name; no two locations share one.
    pub name: LocationName,
    /// Weight vectors.
    pub atoms: Vec<Vec<f64>>,
    /// Positive masses, one for each.
    pub masses: Vec<f64>,
}

/// All prior locations of one person's mixture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Priors {
    /// Gaussian locations.
    pub locations: Vec<Location>,
    /// Whether the signal scale multiplies a weight; `false` for the constants.
    pub scaled: Vec<bool>,
    /// Finite locations.
    #[serde(default)]
    pub lattices: Vec<Lattice>,
}

/// One hypothesis as others see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HypothesisView {
    /// Prior location.
    pub location: LocationName,
    /// Signal scale.
    pub signal_scale: f64,
    /// Lapse rate.
    pub lapse_rate: f64,
    /// Half width of indifference.
    pub band: f64,
    /// Whether weights drift.
    pub drifts: bool,
    /// `pi_h`.
    pub weight: f64,
    /// `ln pi_h(0)`.
    pub ln_prior: f64,
    /// `ln Z_h`.
    pub log_marginal_likelihood: f64,
}

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

/// What the engine could not do, and how much it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Times a site was left as it was because its cavity or its step was not sound, or a rebuild failed.
    pub skipped_sites: u64,
    /// Refinements that found no fixed point within the cap on sweeps, or one that cannot be (a likelihood above 1), and were undone.
    pub abandoned_refinements: u64,
    /// Sweeps made.
    pub sweeps: u64,
    /// Hypotheses.
    pub hypotheses: usize,
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
        settings.check()?;
        let dimension = priors.scaled.len();
        let names: Vec<LocationName> =
            priors.locations.iter().map(|l| l.name).chain(priors.lattices.iter().map(|l| l.name)).collect();
        if names.is_empty() || dimension == 0 {
            return Err(BeliefError::NoPrior);
        }
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(BeliefError::LocationTwice { name: *twice });
        }
        for location in &priors.locations {
            check_moments(&location.mean, &location.covariance, dimension)?;
        }
        let shares = location_shares(&names);
        let drifts: &[(f64, f64)] = if settings.slow_drift_weight > 0.0 {
            let r = libm::exp(-1.0 / settings.drift_records);
            &[(1.0, 1.0 - settings.slow_drift_weight), (r, settings.slow_drift_weight)]
        } else {
            &[(1.0, 1.0)]
        };
        let uniform = 1.0 / (settings.signal_scales.len() * settings.lapse_rates.len() * settings.bands.len()) as f64;
        let (mut shared, mut hypotheses) = (Vec::new(), Vec::new());
        for (index, (&name, share)) in names.iter().zip(shares).enumerate() {
            for &sigma in &settings.signal_scales {
                let prior = match index.checked_sub(priors.locations.len()) {
                    None => {
                        let location = &priors.locations[index];
                        Prior::Gaussian(
                            Anchor::new(&location.mean, &location.covariance, &priors.scaled, sigma)
                                .ok_or(BeliefError::NotPositive { name })?,
                        )
                    }
                    Some(k) => {
                        let lattice = &priors.lattices[k];
                        Prior::Finite(Atoms::new(&lattice.atoms, &lattice.masses, &priors.scaled, sigma)?)
                    }
                };
                for &lapse_rate in &settings.lapse_rates {
                    for &(retention, drift_weight) in drifts {
                        let finite = matches!(prior, Prior::Finite(_));
                        if finite && retention < 1.0 {
                            continue; // weights on a lattice do not drift
                        }
                        let drift_weight = if finite { 1.0 } else { drift_weight };
                        for &band in &settings.bands {
                            let ln_prior = libm::log(share * uniform * drift_weight);
                            hypotheses.push(Hypothesis::new(
                                shared.len(),
                                &prior,
                                index,
                                sigma,
                                lapse_rate,
                                band,
                                retention,
                                ln_prior,
                            ));
                        }
                    }
                }
                shared.push(prior);
            }
        }
        Ok(Self {
            settings: settings.clone(),
            dimension,
            names,
            priors: shared,
            hypotheses,
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
        let listed = question.outcome_count() <= LISTED_MAX.max(crate::belief::observation::LEVELS_MAX);
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
                super::finite::ln_sum_exp(&joint)
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
        let mut table: Option<OrderTable> = None;
        for (h, weight) in self.hypotheses.iter().zip(weights) {
            let prior = &self.priors[h.prior];
            let p = match (question, h.finite(), prior) {
                (Prepared::Ranking(q), Some(finite), Prior::Finite(atoms)) => {
                    let fresh = || OrderTable::new(h.prior, atoms, q, h.ranking_noise(prior, q.n, &q.error));
                    let shared = table.take().filter(|t| t.is_of(h.prior)).unwrap_or_else(fresh);
                    finite.predict_orders(atoms, q, table.insert(shared), h.lapse_rate)
                }
                _ => h.predict(&self.settings, prior, &self.history, question, repeated, &mut scratch),
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
        let mut ln: Vec<f64> = self.hypotheses.iter().map(|h| h.ln_prior + h.ln_marginal).collect();
        softmax(&mut ln);
        ln
    }

    /// Every hypothesis with its weight.
    pub fn hypotheses(&self) -> Vec<HypothesisView> {
        let view = |(h, weight): (&Hypothesis, f64)| HypothesisView {
            location: self.names[h.location],
            signal_scale: h.sigma,
            lapse_rate: h.lapse_rate,
            band: h.band,
            drifts: h.retention < 1.0,
            weight,
            ln_prior: h.ln_prior,
            log_marginal_likelihood: h.ln_marginal,
        };
        self.hypotheses.iter().zip(self.weights()).map(view).collect()
    }

    /// `ln p` of all evidence so far under the mixture.
    pub fn log_marginal_likelihood(&self) -> f64 {
        super::finite::ln_sum_exp(&self.hypotheses.iter().map(|h| h.ln_prior + h.ln_marginal).collect::<Vec<_>>())
    }

    /// Posterior mass of each value of something, in order of first appearance.
    fn marginal_of<T: PartialEq>(&self, value: impl Fn(&HypothesisView) -> T) -> Vec<(T, f64)> {
        let mut out: Vec<(T, f64)> = Vec::new();
        for view in self.hypotheses() {
            let key = value(&view);
            match out.iter_mut().find(|(k, _)| *k == key) {
                Some((_, mass)) => *mass += view.weight,
                None => out.push((key, view.weight)),
            }
        }
        out
    }

    /// Mass of each prior location.
    pub fn locations(&self) -> Vec<(LocationName, f64)> {
        self.marginal_of(|h| h.location)
    }

    /// Mass of each signal scale.
    pub fn signal_scales(&self) -> Vec<(f64, f64)> {
        self.marginal_of(|h| h.signal_scale)
    }

    /// Mass of each lapse rate.
    pub fn lapse_rates(&self) -> Vec<(f64, f64)> {
        self.marginal_of(|h| h.lapse_rate)
    }

    /// Mass of each half width of indifference.
    pub fn bands(&self) -> Vec<(f64, f64)> {
        self.marginal_of(|h| h.band)
    }

    /// Mass of drift.
    pub fn drift_mass(&self) -> f64 {
        self.hypotheses().iter().filter(|h| h.drifts).map(|h| h.weight).sum()
    }

    /// Mass of signal scales that count as low: how likely it is that this person answers at random.
    pub fn low_signal_mass(&self) -> f64 {
        let low = self.settings.low_signal_max;
        self.signal_scales().iter().filter(|(sigma, _)| *sigma <= low).map(|(_, mass)| mass).sum()
    }

    /// Mass of the model's own locations (elicited and generations): the trust it has earned.
    pub fn model_mass(&self) -> f64 {
        let own = |name: &LocationName| matches!(name, LocationName::Elicited | LocationName::Generation(_));
        self.locations().iter().filter(|(name, _)| own(name)).map(|(_, mass)| mass).sum()
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

    /// What went wrong on the way, and how much was done.
    pub fn diagnostics(&self) -> Diagnostics {
        Diagnostics {
            skipped_sites: self.hypotheses.iter().map(|h| h.skipped).sum(),
            abandoned_refinements: self.hypotheses.iter().map(|h| h.abandoned).sum(),
            sweeps: self.hypotheses.iter().map(|h| h.sweeps).sum(),
            hypotheses: self.hypotheses.len(),
        }
    }

    /// BLAKE3 over the bits of every hypothesis: equal digests, equal beliefs.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.settings.engine_version.to_le_bytes());
        hasher.update(&(self.history.timeline.len() as u64).to_le_bytes());
        let mut buffer: Vec<u8> = Vec::with_capacity(1 << 14);
        for h in &self.hypotheses {
            h.bits(&mut |x: f64| {
                buffer.extend_from_slice(&x.to_bits().to_le_bytes());
            });
            hasher.update(&buffer);
            buffer.clear();
        }
        *hasher.finalize().as_bytes()
    }

    /// As if a question had been answered: see `Hypothesis::imagine`.
    pub(crate) fn imagine(&mut self, question: &Question) {
        let prepared = question.prepare(&self.settings);
        for h in &mut self.hypotheses {
            h.imagine(&self.priors[h.prior], &prepared);
        }
    }

    pub(crate) fn parts(&self) -> (&Settings, &[Prior], &[Hypothesis], &History) {
        (&self.settings, &self.priors, &self.hypotheses, &self.history)
    }
}

/// Zero and elicited share everything equally, or one half where there are others, which share the rest equally.
fn location_shares(names: &[LocationName]) -> Vec<f64> {
    let base = |name: &LocationName| matches!(name, LocationName::Zero | LocationName::Elicited);
    let bases = names.iter().filter(|n| base(n)).count();
    let others = names.len() - bases;
    let (base_share, other_share) = match (bases, others) {
        (_, 0) => (1.0, 0.0),
        (0, _) => (0.0, 1.0),
        _ => (0.5, 0.5),
    };
    names.iter().map(|n| if base(n) { base_share / bases as f64 } else { other_share / others as f64 }).collect()
}
