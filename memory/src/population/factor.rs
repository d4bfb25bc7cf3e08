//! What one person contributes to the population: a Gaussian message over weights at signal scale 1 (docs/people.md, section 1).

use nalgebra::{DMatrix, SymmetricEigen};
use serde::{Deserialize, Serialize};

use super::PopulationError;
use crate::belief::symmetric::{add_scaled, cholesky, diagonal, dot, inverse, multiply, packed_len, rank_one};
use crate::belief::{BeliefError, Location, LocationName, Mixture, Observation, Priors, Settings};

/// Nothing is known more sharply than this, in units of `V0`: sums with a population's precision must keep both.
const SHARPEST: f64 = 1e8;
/// Nobody is farther from zero than this, in standard deviations of `V0`. Belief is skewed after few answers, so that its mean has
/// moved while its covariance has hardly shrunk; read as a likelihood, that would be a belief in weights hundreds of deviations away.
const FARTHEST: f64 = 4.0;
/// Rounds of the eigenvalue iteration before it is given up.
const EIGEN_ROUNDS: usize = 1000;

/// A likelihood message over `omega`, the weights in units of the person's own signal scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceFactor {
    /// `Lambda`: lower triangle by rows, positive semidefinite.
    pub precision: Vec<f64>,
    /// `eta`.
    pub shift: Vec<f64>,
    /// Answers it was made of.
    pub answers: usize,
}

/// The location that messages are made under: zero, and nothing that came from others or from the model.
///
/// # Errors
/// There is no such location.
pub fn reference(priors: &Priors) -> Result<Priors, PopulationError> {
    let zero = priors.locations.iter().find(|l| l.name == LocationName::Zero).ok_or(PopulationError::NoZero)?;
    Ok(Priors {
        locations: vec![zero.clone()],
        scaled: priors.scaled.clone(),
        lattices: Vec::new(),
        component_masses: Vec::new(),
    })
}

/// The settings that messages are made under: every signal scale and lapse rate, one band, no drift.
fn settings(settings: &Settings) -> Settings {
    Settings { bands: vec![settings.bands[0]], slow_drift_weight: 0.0, ..settings.clone() }
}

impl EvidenceFactor {
    /// Equations (1) and (2). `reference` is what [`reference`] gives.
    ///
    /// # Errors
    /// Observations that belief refuses.
    pub fn of(own: &Settings, reference: &Priors, observations: &[Observation]) -> Result<Self, BeliefError> {
        let mixture = Mixture::fold(&settings(own), reference, observations)?;
        let zero: &Location = &reference.locations[0];
        let d = mixture.dimension();
        let scaled: Vec<(f64, Vec<f64>, Vec<f64>)> = mixture
            .gaussians()
            .into_iter()
            .map(|part| {
                let unit: Vec<f64> =
                    reference.scaled.iter().map(|&s| if s { 1.0 / part.signal_scale } else { 1.0 }).collect();
                let mean: Vec<f64> = part.mean.iter().zip(&unit).map(|(m, u)| m * u).collect();
                let mut covariance = part.covariance.to_vec();
                for i in 0..d {
                    for j in 0..=i {
                        covariance[packed_len(i) + j] *= unit[i] * unit[j];
                    }
                }
                (part.weight, mean, covariance)
            })
            .collect();
        let mut mean = vec![0.0; d];
        for (weight, m, _) in &scaled {
            add_scaled(&mut mean, *weight, m);
        }
        let mut covariance = vec![0.0; packed_len(d)];
        for (weight, m, v) in &scaled {
            add_scaled(&mut covariance, *weight, v);
            let apart: Vec<f64> = m.iter().zip(&mean).map(|(a, b)| a - b).collect();
            rank_one(&mut covariance, *weight, &apart);
        }
        let variances: Vec<f64> = diagonal(&zero.covariance).collect();
        Ok(Self::from_moments(&mean, covariance, &variances, observations.len()))
    }

    /// Equation (2): what takes `N(0, diag(variances))` to these moments, as far as it is a likelihood.
    fn from_moments(mean: &[f64], mut covariance: Vec<f64>, variances: &[f64], answers: usize) -> Self {
        let d = mean.len();
        let mut mean = mean.to_vec();
        let nothing = Self { precision: vec![0.0; packed_len(d)], shift: vec![0.0; d], answers };
        if answers == 0 || !cholesky(&mut covariance, d) {
            return nothing;
        }
        let mut precision = Vec::new();
        inverse(&covariance, d, &mut precision);
        let sd: Vec<f64> = variances.iter().map(|v| v.sqrt()).collect();
        let mut excess = DMatrix::zeros(d, d);
        for i in 0..d {
            for j in 0..=i {
                let x = precision[packed_len(i) + j] * sd[i] * sd[j] - if i == j { 1.0 } else { 0.0 };
                excess[(i, j)] = x;
                excess[(j, i)] = x;
            }
        }
        let mut packed: Vec<f64> = (0..d).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|ij| excess[ij]).collect();
        let apart: Vec<f64> = mean.iter().zip(&sd).map(|(m, s)| m / s).collect();
        let is_sharp = (0..d).any(|i| excess[(i, i)] > SHARPEST);
        if is_sharp || farthest(&packed, &apart, d).is_none_or(|far| far > FARTHEST) {
            // Where belief is wider than it was at first nothing was learned, and nothing may be pulled.
            let Some(eigen) = SymmetricEigen::try_new(excess, f64::EPSILON, EIGEN_ROUNDS) else { return nothing };
            packed = vec![0.0; packed_len(d)];
            let mut known = vec![0.0; d];
            for (value, vector) in eigen.eigenvalues.iter().zip(eigen.eigenvectors.column_iter()) {
                if *value > 0.0 {
                    let value = value.min(SHARPEST);
                    rank_one(&mut packed, value, vector.as_slice());
                    // The likelihood's own mean lies `1 + 1 / value` times as far as that of belief.
                    let most = FARTHEST * value / (1.0 + value);
                    add_scaled(&mut known, dot(&apart, vector.as_slice()).clamp(-most, most), vector.as_slice());
                }
            }
            mean = known.iter().zip(&sd).map(|(m, s)| m * s).collect();
        }
        let mut total = packed.clone();
        for i in 0..d {
            for j in 0..=i {
                packed[packed_len(i) + j] /= sd[i] * sd[j];
                total[packed_len(i) + j] = packed[packed_len(i) + j] + if i == j { 1.0 / variances[i] } else { 0.0 };
            }
        }
        let mut shift = vec![0.0; d];
        multiply(&total, &mean, &mut shift);
        Self { precision: packed, shift, answers }
    }
}

/// How far from zero the mean of the likelihood lies that takes a standard normal distribution to one with the mean `apart` and the
/// precision `1 + excess`; nothing where that is no likelihood.
fn farthest(excess: &[f64], apart: &[f64], d: usize) -> Option<f64> {
    let mut factor = excess.to_vec();
    if !cholesky(&mut factor, d) {
        return None;
    }
    let (mut inverted, mut moved) = (Vec::new(), vec![0.0; d]);
    inverse(&factor, d, &mut inverted);
    multiply(&inverted, apart, &mut moved);
    Some(apart.iter().zip(&moved).map(|(a, m)| (a + m).abs()).fold(0.0, f64::max))
}

/// The message of somebody with these weights, who answers `n` random choices.
#[cfg(test)]
pub(super) fn simulated(
    settings: &Settings,
    weights: Vec<f64>,
    n: usize,
    rng: &mut rand_chacha::ChaCha8Rng,
) -> EvidenceFactor {
    use crate::belief::Question;
    use crate::belief::simulate::{Person, normals};

    let d = weights.len();
    let mut covariance = vec![0.0; packed_len(d)];
    (0..d).for_each(|i| covariance[packed_len(i) + i] = 1.0);
    let zero = Location { name: LocationName::Zero, mean: vec![0.0; d], covariance };
    let reference = Priors { locations: vec![zero], scaled: vec![true; d], ..Priors::default() };
    let mut person = Person::new(weights, 0.02, 0.3, settings);
    let observations: Vec<Observation> = (0..n)
        .map(|_| {
            let question = Question::choice(normals(d, rng), false);
            let answer = person.answer(&question, rng).expect("a sound question");
            question.answer(answer)
        })
        .collect();
    EvidenceFactor::of(settings, &reference, &observations).expect("sound observations")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_that_moved_while_hardly_anything_was_learned_is_no_belief_in_distant_weights() {
        // Along the first direction belief moved by half a deviation and shrank by a thousandth.
        let message = EvidenceFactor::from_moments(&[0.5, 1.0], vec![0.999, 0.0, 0.5], &[1.0, 1.0], 1);
        let own = [message.shift[0] / message.precision[0], message.shift[1] / message.precision[2]];
        assert!((own[0] - FARTHEST).abs() < 1e-6, "{own:?}");
        assert!((own[1] - 2.0).abs() < 1e-12, "what was learned is told as it was: {own:?}");
    }
}
