//! People who answer exactly as the model of docs/belief.md says, what they are asked, and whether belief about them is calibrated.
//!
//! Used by the tests in their short form and by `credence eval calibration` in the long one. Every number comes from the
//! generator that is passed in.

mod calibration;
mod interview;

use rand::Rng;

use super::normal::quantile;
use super::question::{Channel, Question, QuestionKey};
use super::ranking::Places;
use super::{BeliefError, Location, LocationName, Priors, Settings, interval::Outcomes};

pub use calibration::{Calibration, CalibrationPlan, calibrate};
pub use interview::{Asked, Evidence, Interview, NoSuchEvidence};

/// Uniform in (0, 1).
pub fn uniform(rng: &mut impl Rng) -> f64 {
    ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Standard normal.
pub fn normal(rng: &mut impl Rng) -> f64 {
    quantile(uniform(rng))
}

/// Standard normal entries.
pub fn normals(n: usize, rng: &mut impl Rng) -> Vec<f64> {
    (0..n).map(|_| normal(rng)).collect()
}

/// One of `n`; of none it is 0.
pub fn below(n: usize, rng: &mut impl Rng) -> usize {
    ((uniform(rng) * n as f64) as usize).min(n.saturating_sub(1))
}

/// A person with weights in noise units who answers by the likelihoods of docs/belief.md, section 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// `w`.
    pub weights: Vec<f64>,
    /// `eps`.
    pub lapse_rate: f64,
    /// `delta`.
    pub band: f64,
    /// `kappa`.
    pub correction_scale: f64,
    /// `rho`.
    pub retest_correlation: f64,
    /// What stays the same when a question is asked again.
    remembered: Vec<(QuestionKey, f64)>,
}

impl Person {
    /// A person under the constants of `settings`.
    pub fn new(weights: Vec<f64>, lapse_rate: f64, band: f64, settings: &Settings) -> Self {
        Self {
            weights,
            lapse_rate,
            band,
            correction_scale: settings.correction_scale,
            retest_correlation: settings.retest_correlation,
            remembered: Vec::new(),
        }
    }

    /// The number of the outcome this person answers with.
    ///
    /// # Errors
    /// A question that does not fit the weights.
    pub fn answer(&mut self, question: &Question, rng: &mut impl Rng) -> Result<usize, BeliefError> {
        question.check(self.weights.len())?;
        let count = question.outcome_count();
        let misreading = match question {
            Question::Comparison { misreading, .. }
            | Question::Importance { misreading, .. }
            | Question::Statement { misreading, .. }
            | Question::Graded { misreading, .. } => *misreading,
            Question::Ranking { .. } => 0.0,
        };
        let latent = self.latent(question, rng);
        if uniform(rng) < 1.0 - (1.0 - self.lapse_rate) * (1.0 - misreading) {
            return Ok(below(count, rng));
        }
        let outcomes = match question {
            Question::Ranking { features, places, .. } => {
                let mut order: Vec<usize> = (0..features.len()).collect();
                order.sort_by(|&a, &b| latent[b].total_cmp(&latent[a]).then(a.cmp(&b)));
                match places {
                    Places::First(ranked) => order.truncate(*ranked),
                    Places::BestAndWorst => order = vec![order[0], order[order.len() - 1]],
                }
                return Ok(super::ranking::outcome_index(&order, features.len()));
            }
            Question::Comparison { indifference_offered: true, channel: Channel::Choice, .. } => Outcomes::Band,
            Question::Comparison { .. } => Outcomes::Two,
            Question::Importance { .. } => Outcomes::Importance,
            Question::Statement { strength, .. } => Outcomes::AtLeast(*strength),
            Question::Graded { levels, .. } => Outcomes::Levels(*levels as u32),
        };
        let inside = |k: &usize| {
            let (lo, hi) = outcomes.bounds(*k, self.band);
            lo < latent[0] && latent[0] <= hi
        };
        Ok((0..count).find(inside).unwrap_or(0))
    }

    /// The noisy latent of an interval question, or the noisy utilities of a ranking.
    fn latent(&mut self, question: &Question, rng: &mut impl Rng) -> Vec<f64> {
        let scale = |channel: &Channel, indirect: f64| if *channel == Channel::Choice { 1.0 } else { indirect };
        match question {
            Question::Comparison { difference, error, channel, question, .. } => {
                let kappa = scale(channel, self.correction_scale);
                let key = question.filter(|_| *channel == Channel::Choice);
                vec![self.value(difference, error, kappa, key, rng)]
            }
            Question::Importance { direction, .. } | Question::Statement { direction, .. } => {
                vec![self.value(direction, &[], 1.0, None, rng)]
            }
            Question::Graded { features, error, question, .. } => {
                vec![self.value(features, error, 1.0, *question, rng)]
            }
            Question::Ranking { features, error, channel, .. } => {
                let kappa = scale(channel, self.correction_scale);
                features
                    .iter()
                    .zip(error)
                    .map(|(phi, e)| kappa * self.misread(phi, e, rng) + 0.5f64.sqrt() * normal(rng))
                    .collect()
            }
        }
    }

    /// `w . (a + error)`.
    fn misread(&self, a: &[f64], error: &[f64], rng: &mut impl Rng) -> f64 {
        let exact: f64 = a.iter().zip(&self.weights).map(|(a, w)| a * w).sum();
        exact
            + error
                .iter()
                .zip(&self.weights)
                .map(|(e, w)| if *e > 0.0 { e.sqrt() * w * normal(rng) } else { 0.0 })
                .sum::<f64>()
    }

    /// `z` with its residual and fresh noise; what was drawn for a question stays with it.
    fn value(&mut self, a: &[f64], error: &[f64], kappa: f64, key: Option<QuestionKey>, rng: &mut impl Rng) -> f64 {
        let exact: f64 = a.iter().zip(&self.weights).map(|(a, w)| a * w).sum();
        let stays = match key.and_then(|key| self.remembered.iter().find(|(k, _)| *k == key)) {
            Some((_, stays)) => *stays,
            None => {
                let stays =
                    kappa * (self.misread(a, error, rng) - exact) + self.retest_correlation.sqrt() * normal(rng);
                if let Some(key) = key {
                    self.remembered.push((key, stays));
                }
                stays
            }
        };
        kappa * exact + stays + (1.0 - self.retest_correlation).sqrt() * normal(rng)
    }
}

/// A flat prior over `d` weights, the last a constant: what a calibration run draws people from.
pub fn flat_priors(d: usize) -> Priors {
    let mut covariance = Vec::new();
    for i in 0..d {
        for j in 0..=i {
            let here = if i + 1 == d { 1.0 } else { 1.0 / (d - 1).max(1) as f64 };
            covariance.push(if i == j { here } else { 0.0 });
        }
    }
    Priors {
        locations: vec![Location { name: LocationName::Zero, mean: vec![0.0; d], covariance }],
        scaled: (0..d).map(|i| i + 1 < d).collect(),
        lattices: Vec::new(),
        component_masses: Vec::new(),
    }
}
