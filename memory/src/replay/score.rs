//! Prequential scores: predictions made before each answer was known, one after another (Dawid 1984).

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

use crate::belief::Surprise;

/// Number of bins of predicted probability.
const BINS: usize = 10;

/// Log loss and calibration of a sequence of predictions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// Answers predicted.
    pub answers: u64,
    /// Sum of `-ln p` of what was said, nats.
    pub log_loss_sum: f64,
    /// Answers to which the largest probability had been given.
    pub right: u64,
    /// Answers for which the probabilities of all outcomes were listed.
    pub listed: u64,
    /// Sum over these of the squared distance between probabilities and what happened.
    pub brier_sum: f64,
    /// How often what had been given some probability happened.
    pub calibration: Calibration,
}

/// Every outcome of every question, by the probability it had been given.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Calibration {
    counts: [u64; BINS],
    happened: [u64; BINS],
    predicted_sums: [f64; BINS],
}

/// Outcomes that had been given about the same probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Bin {
    /// How many.
    pub count: u64,
    /// The mean probability they had been given.
    pub predicted: f64,
    /// The share of them that happened.
    pub happened: f64,
    /// The exact (Clopper and Pearson) 95% interval of that share.
    pub interval: (f64, f64),
}

impl Score {
    /// Takes in what had been expected of an answer.
    pub fn take(&mut self, surprise: &Surprise) {
        self.answers += 1;
        self.log_loss_sum -= surprise.ln_predictive;
        let Some(outcome) = surprise.outcome else { return };
        self.listed += 1;
        let probabilities = &surprise.probabilities;
        let largest = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.right += u64::from(probabilities[outcome] >= largest);
        for (k, p) in probabilities.iter().enumerate() {
            let happened = k == outcome;
            let miss = p - f64::from(u8::from(happened));
            self.brier_sum += miss * miss;
            self.calibration.take(*p, happened);
        }
    }

    /// Adds another sequence's.
    pub fn add(&mut self, other: &Score) {
        self.answers += other.answers;
        self.log_loss_sum += other.log_loss_sum;
        self.right += other.right;
        self.listed += other.listed;
        self.brier_sum += other.brier_sum;
        for k in 0..BINS {
            self.calibration.counts[k] += other.calibration.counts[k];
            self.calibration.happened[k] += other.calibration.happened[k];
            self.calibration.predicted_sums[k] += other.calibration.predicted_sums[k];
        }
    }

    /// Mean log loss in nats; nothing without answers.
    pub fn log_loss(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.log_loss_sum / self.answers as f64)
    }

    /// Mean Brier score; nothing without listed answers.
    pub fn brier(&self) -> Option<f64> {
        (self.listed > 0).then(|| self.brier_sum / self.listed as f64)
    }

    /// Share of listed answers that had been given the largest probability.
    pub fn accuracy(&self) -> Option<f64> {
        (self.listed > 0).then(|| self.right as f64 / self.listed as f64)
    }
}

impl Calibration {
    fn take(&mut self, probability: f64, happened: bool) {
        let bin = ((probability * BINS as f64) as usize).min(BINS - 1);
        self.counts[bin] += 1;
        self.happened[bin] += u64::from(happened);
        self.predicted_sums[bin] += probability;
    }

    /// The bins that hold anything, from low to high.
    pub fn bins(&self) -> Vec<Bin> {
        let filled = (0..BINS).filter(|k| self.counts[*k] > 0);
        filled
            .map(|k| {
                let (count, happened) = (self.counts[k], self.happened[k]);
                Bin {
                    count,
                    predicted: self.predicted_sums[k] / count as f64,
                    happened: happened as f64 / count as f64,
                    interval: clopper_pearson(happened, count),
                }
            })
            .collect()
    }

    /// Expected calibration error: the mean distance between what was predicted and what happened.
    pub fn expected_error(&self) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        let distance = |b: &Bin| b.count as f64 * (b.predicted - b.happened).abs();
        (total > 0).then(|| self.bins().iter().map(distance).sum::<f64>() / total as f64)
    }
}

/// The exact 95% interval of a share.
fn clopper_pearson(happened: u64, count: u64) -> (f64, f64) {
    let (k, n) = (happened as f64, count as f64);
    let quantile = |a: f64, b: f64, p: f64| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(p));
    let low = if happened == 0 { 0.0 } else { quantile(k, n - k + 1.0, 0.025) };
    let high = if happened == count { 1.0 } else { quantile(k + 1.0, n - k, 0.975) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_published_one() {
        // 0 of 10 and 5 of 10, as tabulated.
        let (low, high) = clopper_pearson(0, 10);
        assert!(low == 0.0 && (high - 0.3085).abs() < 1e-4, "{high}");
        let (low, high) = clopper_pearson(5, 10);
        assert!((low - 0.1871).abs() < 1e-4 && (high - 0.8129).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn scores_add_up() {
        let surprise = |p: [f64; 2], outcome: usize| Surprise {
            ln_predictive: libm::log(p[outcome]),
            probabilities: p.to_vec(),
            outcome: Some(outcome),
        };
        let mut one = Score::default();
        one.take(&surprise([0.75, 0.25], 0));
        let mut other = Score::default();
        other.take(&surprise([0.75, 0.25], 1));
        one.add(&other);
        assert_eq!((one.answers, one.right, one.listed), (2, 1, 2));
        assert_eq!(one.brier(), Some(0.0625 + 0.5625));
        assert_eq!(one.calibration.bins().len(), 2);
        assert_eq!(one.calibration.expected_error(), Some(0.25));
    }
}
