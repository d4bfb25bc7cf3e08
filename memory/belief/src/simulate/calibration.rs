//! Simulation-based calibration (Talts et al. 2018): people drawn from the prior, hypotheses included; their true values' places
//! in what is believed of them ought to be uniform.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::summary::HypothesisView;
use super::super::symmetric::diagonal;
use super::super::{BeliefError, Location, Mixture, Observation, Priors, Settings};
use super::{Evidence, Interview, Person, normal, normals, uniform};

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationPlan<'a> {
    /// The grid of hypotheses; people are drawn from it.
    pub settings: &'a Settings,
    /// Prior locations, with diagonal covariances and without lattices; people are drawn from them.
    pub priors: &'a Priors,
    /// Kind of evidence.
    pub evidence: Evidence,
    /// After how many answers belief is held against the truth, ascending.
    pub answers: &'a [usize],
    /// How many people are drawn.
    pub simulations: usize,
    /// Simulation `i` depends on `seed` and `i` alone.
    pub seed: u64,
}

/// Where the truth lay in what was believed after so many answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Answers of each person.
    pub answers: usize,
    /// Distribution function, as shown to people ([`Mixture::marginals`]), of a random functional at its true value; one for
    /// each simulation.
    pub places: Vec<f64>,
    /// The same of the Gaussians alone ([`Mixture::functional`]).
    pub gaussian_places: Vec<f64>,
    /// Mean log predictive probability of the answers so far, in nats.
    pub ln_predictive_mean: f64,
    /// Sites skipped in all.
    pub skipped_sites: u64,
}

impl Calibration {
    /// Share of simulations in which the central interval of `level` held the truth.
    pub fn coverage(&self, level: f64) -> f64 {
        covered(&self.places, level)
    }

    /// The same of the Gaussians alone.
    pub fn gaussian_coverage(&self, level: f64) -> f64 {
        covered(&self.gaussian_places, level)
    }

    /// Greatest distance of the places' empirical distribution function from the uniform one.
    pub fn distance(&self) -> f64 {
        let mut places = self.places.clone();
        places.sort_by(f64::total_cmp);
        let n = places.len() as f64;
        let both = |(i, &p): (usize, &f64)| ((i as f64 + 1.0) / n - p).max(p - i as f64 / n);
        places.iter().enumerate().map(both).fold(0.0, f64::max)
    }

    /// The band that a calibrated engine's [`Calibration::distance`] leaves with probability `alarm` (Massart's inequality).
    pub fn band(&self, alarm: f64) -> f64 {
        (libm::log(2.0 / alarm) / (2.0 * self.places.len() as f64)).sqrt()
    }
}

fn covered(places: &[f64], level: f64) -> f64 {
    let tail = 0.5 * (1.0 - level);
    places.iter().filter(|&&p| tail <= p && p <= 1.0 - tail).count() as f64 / places.len() as f64
}

/// Runs a plan on all cores, a [`Calibration`] for each count of answers; `done` is called after each simulation.
///
/// # Errors
/// As [`Mixture::new`] and [`Mixture::observe`].
pub fn calibrate(plan: &CalibrationPlan<'_>, done: &(dyn Fn() + Sync)) -> Result<Vec<Calibration>, BeliefError> {
    let empty = Mixture::new(plan.settings, plan.priors)?;
    let runs: Vec<Vec<Mark>> = (0..plan.simulations)
        .into_par_iter()
        .map(|i| {
            let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
            rng.set_stream(i as u64);
            let marks = one(&empty, plan, &mut rng);
            done();
            marks
        })
        .collect::<Result<_, _>>()?;
    let each = |k: usize, answers: usize| Calibration {
        answers,
        places: runs.iter().map(|run| run[k].place).collect(),
        gaussian_places: runs.iter().map(|run| run[k].gaussian_place).collect(),
        ln_predictive_mean: runs.iter().map(|run| run[k].ln_predictive).sum::<f64>()
            / (runs.len() * answers).max(1) as f64,
        skipped_sites: runs.iter().map(|run| run[k].skipped_sites).sum(),
    };
    Ok(plan.answers.iter().enumerate().map(|(k, &answers)| each(k, answers)).collect())
}

/// Belief held against the truth once.
struct Mark {
    place: f64,
    gaussian_place: f64,
    ln_predictive: f64,
    skipped_sites: u64,
}

/// One person: drawn, asked, believed.
fn one(empty: &Mixture, plan: &CalibrationPlan<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Mark>, BeliefError> {
    let settings = empty.settings();
    let truth = drawn(&empty.hypotheses(), rng);
    let d = empty.dimension();
    let location = plan.priors.locations.iter().find(|l| l.name == truth.location);
    let location: &Location = location.ok_or(BeliefError::NoPrior)?;
    let scale = |i: usize| if plan.priors.scaled[i] { truth.signal_scale } else { 1.0 };
    let mean: Vec<f64> = location.mean.iter().enumerate().map(|(i, m)| m * scale(i)).collect();
    let sd: Vec<f64> = diagonal(&location.covariance).enumerate().map(|(i, v)| v.sqrt() * scale(i)).collect();
    let spread = |rng: &mut ChaCha8Rng| -> Vec<f64> { sd.iter().map(|s| s * normal(rng)).collect() };
    let weights = spread(rng).iter().zip(&mean).map(|(x, m)| m + x).collect();
    let mut person = Person::new(weights, truth.lapse_rate, truth.band, settings);
    let interview = Interview::new(plan.evidence, d, rng);
    let mut belief = empty.clone();
    let mut ln_predictive = 0.0;
    let mut marks = Vec::with_capacity(plan.answers.len());
    let last = plan.answers.iter().copied().max().unwrap_or(0);
    for number in 0..=last {
        if plan.answers.contains(&number) {
            // A functional of the weights that the evidence is about.
            let mut a = normals(d, rng);
            if !plan.evidence.approves() {
                a[d - 1] = 0.0;
            }
            let value: f64 = a.iter().zip(&person.weights).map(|(a, w)| a * w).sum();
            marks.push(Mark {
                gaussian_place: belief.functional(&a).cdf(value),
                place: belief.marginals(&[a])[0].cdf(value),
                ln_predictive,
                skipped_sites: belief.diagnostics().skipped_sites,
            });
        }
        if number == last {
            break;
        }
        let asked = interview.ask(number, rng);
        let outcome = person.answer(&asked.meant, rng)?;
        let observation: Observation = asked.seen.answer(outcome);
        ln_predictive += belief.observe(&observation)?.ln_predictive;
        if truth.drifts {
            let r = libm::exp(-1.0 / settings.drift_records);
            for ((w, fresh), m) in person.weights.iter_mut().zip(spread(rng)).zip(&mean) {
                *w = m + r * (*w - m) + (1.0 - r * r).sqrt() * fresh;
            }
        }
    }
    Ok(marks)
}

/// A hypothesis drawn by its weight.
fn drawn(hypotheses: &[HypothesisView], rng: &mut ChaCha8Rng) -> HypothesisView {
    let mut left = uniform(rng);
    let found = hypotheses.iter().find(|h| {
        left -= h.weight;
        left < 0.0
    });
    *found.unwrap_or(&hypotheses[hypotheses.len() - 1])
}
