//! From scores to probabilities, and how well these agree with frequencies.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::solve::{cross_entropy, logistic};

/// Most bins of a reliability table, and fewest examples in one.
const BINS_MAX: usize = 10;
const BIN_MIN: usize = 10;
/// Draws of labels from the stated probabilities.
const DRAWS: usize = 200;

/// Log odds as a line in the score (Platt 1999).
///
/// The probability belongs to a world with the label as frequent as in the examples it was fitted on. Where the motive is
/// rarer, it is too high.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Platt {
    /// Log odds for one unit of the score; never negative.
    pub slope: f64,
    /// Log odds at a score of 0.
    pub intercept: f64,
}

impl Platt {
    /// The probability of the label at a score.
    pub fn probability(&self, score: f64) -> f64 {
        logistic(self.slope * score + self.intercept)
    }

    /// Fits on scores of examples that the scores were not fitted on, with Platt's smoothed targets.
    ///
    /// Scores that run against the labels get a slope of 0: a probe that is wrong way round has failed, and is not turned.
    pub(crate) fn fit(scores: &[f64], labels: &[bool]) -> Self {
        let n = scores.len() as f64;
        let with = labels.iter().filter(|label| **label).count() as f64;
        let (high, low) = ((with + 1.0) / (with + 2.0), 1.0 / (n - with + 2.0));
        let targets: Vec<f64> = labels.iter().map(|label| if *label { high } else { low }).collect();
        let mean = scores.iter().sum::<f64>() / n;
        let sd = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
        let flat = {
            let rate = targets.iter().sum::<f64>() / n;
            Self { slope: 0.0, intercept: libm::log(rate / (1.0 - rate)) }
        };
        if sd <= 1e-12 * (1.0 + mean.abs()) {
            return flat;
        }
        let units: Vec<f64> = scores.iter().map(|s| (s - mean) / sd).collect();
        let loss = |a: f64, b: f64| {
            units.iter().zip(&targets).map(|(x, target)| cross_entropy(a * x + b, *target)).sum::<f64>()
        };
        let (mut a, mut b) = (0.0, flat.intercept);
        let mut before = loss(a, b);
        for _ in 0..100 {
            let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-10, 0.0, 1e-10);
            for (x, target) in units.iter().zip(&targets) {
                let p = logistic(a * x + b);
                let (error, weight) = (p - target, p * (1.0 - p));
                (ga, gb) = (ga + error * x, gb + error);
                (haa, hab, hbb) = (haa + weight * x * x, hab + weight * x, hbb + weight);
            }
            let determinant = haa * hbb - hab * hab;
            let (da, db) = ((hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant);
            let mut share = 1.0;
            while share > 1e-8 && loss(a - share * da, b - share * db) > before {
                share /= 2.0;
            }
            let after = loss(a - share * da, b - share * db);
            if after.is_nan() || after > before {
                break;
            }
            (a, b) = (a - share * da, b - share * db);
            if before - after < 1e-12 * n {
                break;
            }
            before = after;
        }
        if a <= 0.0 { flat } else { Self { slope: a / sd, intercept: b - a * mean / sd } }
    }
}

/// Examples with similar probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Mean probability that was stated.
    pub stated: f64,
    /// Share that had the label.
    pub observed: f64,
    /// Number of examples.
    pub count: usize,
}

/// How far stated probabilities are from frequencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Mean over examples of the distance between stated and observed in their bin. Never 0 in a finite sample.
    pub error: f64,
    /// What that mean would be, on average, if every probability were exactly right.
    pub error_if_right: f64,
    /// Mean squared distance of the probability from the label (Brier 1950).
    pub brier: f64,
    /// Bins of equal numbers of examples, from low to high.
    pub bins: Vec<Bin>,
}

fn bins(probabilities: &[f64], labels: &[bool], order: &[usize]) -> Vec<Bin> {
    let count = (order.len() / BIN_MIN).clamp(1, BINS_MAX);
    let bin = |k: usize| {
        let members = &order[k * order.len() / count..(k + 1) * order.len() / count];
        let n = members.len() as f64;
        let stated = members.iter().map(|i| probabilities[*i]).sum::<f64>() / n;
        let observed = members.iter().filter(|i| labels[**i]).count() as f64 / n;
        Bin { stated, observed, count: members.len() }
    };
    (0..count).map(bin).collect()
}

fn error(bins: &[Bin]) -> f64 {
    let all: usize = bins.iter().map(|bin| bin.count).sum();
    bins.iter().map(|bin| bin.count as f64 * (bin.stated - bin.observed).abs()).sum::<f64>() / all as f64
}

/// Measures `probabilities` against `labels`; nothing where there are none, lengths differ or a probability is none.
pub fn calibration(probabilities: &[f64], labels: &[bool], seed: u64) -> Option<Calibration> {
    let sound = probabilities.iter().all(|p| (0.0..=1.0).contains(p));
    if labels.is_empty() || labels.len() != probabilities.len() || !sound {
        return None;
    }
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
    let table = bins(probabilities, labels, &order);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn = (0..DRAWS).map(|_| {
        let labels: Vec<bool> = probabilities.iter().map(|p| random.random::<f64>() < *p).collect();
        error(&bins(probabilities, &labels, &order))
    });
    let error_if_right = drawn.sum::<f64>() / DRAWS as f64;
    let squares = probabilities.iter().zip(labels).map(|(p, label)| (p - f64::from(u8::from(*label))).powi(2));
    Some(Calibration {
        error: error(&table),
        error_if_right,
        brier: squares.sum::<f64>() / labels.len() as f64,
        bins: table,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::gaussian;

    #[test]
    fn the_line_is_found_and_is_calibrated() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let scores: Vec<f64> = (0..4000).map(|_| 3.0 + 2.0 * gaussian(&mut random)).collect();
        let labels: Vec<bool> = scores.iter().map(|s| random.random::<f64>() < logistic(0.8 * s - 2.0)).collect();
        let platt = Platt::fit(&scores, &labels);
        assert!((platt.slope - 0.8).abs() < 0.1 && (platt.intercept + 2.0).abs() < 0.25, "{platt:?}");
        let stated: Vec<f64> = scores.iter().map(|s| platt.probability(*s)).collect();
        let found = calibration(&stated, &labels, 1).unwrap();
        assert!(found.error < 2.0 * found.error_if_right && found.bins.len() == 10, "{found:?}");
        let bold: Vec<f64> = scores.iter().map(|s| logistic(4.0 * (0.8 * s - 2.0))).collect();
        let found = calibration(&bold, &labels, 1).unwrap();
        assert!(found.error > 4.0 * found.error_if_right, "{found:?}");
    }

    #[test]
    fn scores_that_run_backwards_or_stand_still_say_nothing() {
        let scores: Vec<f64> = (0..40).map(f64::from).collect();
        let labels: Vec<bool> = (0..40).map(|i| i < 20).collect();
        assert_eq!(Platt::fit(&scores, &labels).slope, 0.0);
        let still = Platt::fit(&[1e9; 40], &labels);
        assert!(still.slope == 0.0 && (still.probability(5.0) - 0.5).abs() < 1e-12, "{still:?}");
        let right = Platt::fit(&scores, &labels.iter().map(|l| !l).collect::<Vec<_>>());
        assert!(right.slope.is_finite() && right.probability(39.0) > 0.9, "perfect separation stays finite: {right:?}");
    }

    #[test]
    fn what_is_no_probability_is_not_measured() {
        assert_eq!(calibration(&[0.5, 1.5], &[true, false], 1), None);
        assert_eq!(calibration(&[0.5], &[true, false], 1), None);
        assert_eq!(calibration(&[], &[], 1), None);
    }
}
