//! The bar above which a reading is an alarm, and what can be promised about false alarms.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};
use statrs::function::beta::beta_reg;

use super::error::BarError;

/// A score above which a reading counts as an alarm, set on ordinary texts.
///
/// With probability `confidence` over the draw of these texts, at most `rate_max` of new ordinary texts score above it.
/// That holds if the texts are independent draws of what will be read: one of each conversation, and as long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// A higher score is an alarm; an equal one is not.
    pub score: f64,
    /// Share of ordinary texts that may raise an alarm.
    pub rate_max: f64,
    /// Probability with which that is promised.
    pub confidence: f64,
    /// Ordinary texts that it was set on.
    pub ordinary: usize,
    /// How many of them lie above.
    pub above: usize,
    /// What they were, for people and for the record.
    pub data: String,
}

fn shares(rate_max: f64, confidence: f64) -> Result<(), BarError> {
    for (name, found) in [("the rate", rate_max), ("the confidence", confidence)] {
        if !(found > 0.0 && found < 1.0) {
            return Err(BarError::Share { name, found });
        }
    }
    Ok(())
}

/// Probability that a share `rate_max` at most lies above the score that has `above` of `count` draws above it.
fn promise(above: usize, count: usize, rate_max: f64) -> f64 {
    // The share above that order statistic is Beta(above + 1, count - above), whatever the scores' distribution (Wilks
    // 1941). The same sum bounds a rate after Clopper and Pearson; choosing the score by its rank costs nothing.
    if above >= count { 0.0 } else { beta_reg(above as f64 + 1.0, (count - above) as f64, rate_max) }
}

/// Ordinary texts that are needed to promise `rate_max` with `confidence` where `above` of them lie above the bar; 299
/// for .01, .95 and 0.
///
/// # Errors
/// If a share is not between 0 and 1.
pub fn ordinary_needed(rate_max: f64, confidence: f64, above: usize) -> Result<usize, BarError> {
    shares(rate_max, confidence)?;
    let enough = |count: usize| promise(above, count, rate_max) >= confidence;
    let mut high = above + 1;
    while !enough(high) && high < usize::MAX / 4 {
        high *= 2;
    }
    let mut low = above;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    Ok(high)
}

impl Bar {
    /// The lowest bar that the scores of `ordinary` texts allow to promise. `data` says what they were.
    ///
    /// # Errors
    /// If a share is not between 0 and 1, a score is not finite, or there are too few texts for any promise.
    pub fn set(ordinary: &[f64], rate_max: f64, confidence: f64, data: &str) -> Result<Self, BarError> {
        shares(rate_max, confidence)?;
        if let Some(at) = ordinary.iter().position(|score| !score.is_finite()) {
            return Err(BarError::NotFinite { at });
        }
        let count = ordinary.len();
        let allowed = (0..count).take_while(|above| promise(*above, count, rate_max) >= confidence).last();
        let Some(above) = allowed else {
            let needed = ordinary_needed(rate_max, confidence, 0)?;
            return Err(BarError::TooFew { found: count, needed, rate_max });
        };
        let mut sorted = ordinary.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let score = sorted[above];
        // Equal scores: fewer lie above than were allowed.
        let above = sorted.iter().take_while(|x| **x > score).count();
        Ok(Self { score, rate_max, confidence, ordinary: count, above, data: data.to_owned() })
    }
}

/// A share with its exact two-sided 95% interval (Clopper and Pearson 1934).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// How many.
    pub hits: usize,
    /// Of how many.
    pub of: usize,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// The share of `hits` among `of`; nothing where there are none, or more hits than trials.
    pub fn new(hits: usize, of: usize) -> Option<Self> {
        if of == 0 || hits > of {
            return None;
        }
        let (k, n) = (hits as f64, of as f64);
        let quantile = |a: f64, b: f64, p: f64| Beta::new(a, b).ok().map(|beta| beta.inverse_cdf(p));
        let low = if hits == 0 { 0.0 } else { quantile(k, n - k + 1.0, 0.025)? };
        let high = if hits == of { 1.0 } else { quantile(k + 1.0, n - k, 0.975)? };
        Some(Self { hits, of, low, high })
    }

    /// Hits over trials.
    pub fn value(&self) -> f64 {
        self.hits as f64 / self.of as f64
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::synthetic::gaussian;

    #[test]
    fn the_numbers_needed_are_those_of_the_tables() {
        // Without any above: ln(1 - confidence) / ln(1 - rate).
        assert_eq!(ordinary_needed(0.01, 0.95, 0), Ok(299));
        assert_eq!(ordinary_needed(0.01, 0.95, 1), Ok(473));
        assert_eq!(ordinary_needed(0.05, 0.95, 0), Ok(59));
        assert_eq!(ordinary_needed(0.01, 0.99, 0), Ok(459));
        assert!(matches!(ordinary_needed(0.0, 0.95, 0), Err(BarError::Share { name: "the rate", .. })));
    }

    #[test]
    fn too_few_ordinary_texts_are_refused_with_the_number_needed() {
        let scores: Vec<f64> = (0..298).map(f64::from).collect();
        let error = Bar::set(&scores, 0.01, 0.95, "x").unwrap_err();
        assert_eq!(error, BarError::TooFew { found: 298, needed: 299, rate_max: 0.01 });
        assert!(Bar::set(&[f64::NAN], 0.01, 0.95, "x").is_err());
        let scores: Vec<f64> = (0..299).map(f64::from).collect();
        let bar = Bar::set(&scores, 0.01, 0.95, "x").unwrap();
        assert_eq!((bar.score, bar.above), (298.0, 0));
        let bar = Bar::set(&[1.0; 1000], 0.01, 0.95, "x").unwrap();
        assert_eq!((bar.score, bar.above), (1.0, 0), "equal scores raise no alarm");
    }

    #[test]
    fn the_promise_is_kept_as_often_as_it_says() {
        // The share of a normal distribution above the bar is known.
        let kept = (0..400_u64).filter(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(*seed);
            let scores: Vec<f64> = (0..500).map(|_| gaussian(&mut random)).collect();
            let bar = Bar::set(&scores, 0.01, 0.9, "normal").unwrap();
            0.5 * libm::erfc(bar.score / std::f64::consts::SQRT_2) <= 0.01
        });
        // At least .9; Binomial(400, .9) is at least 338 with probability .999.
        let kept = kept.count();
        assert!(kept >= 338, "{kept} of 400");
    }

    #[test]
    fn shares_have_exact_intervals() {
        let none = Share::new(0, 100).unwrap();
        assert!(none.low == 0.0 && (none.high - (1.0 - 0.025_f64.powf(0.01))).abs() < 1e-6, "{none:?}");
        let some = Share::new(10, 100).unwrap();
        assert!((some.low - 0.0490).abs() < 1e-3 && (some.high - 0.1762).abs() < 1e-3, "{some:?}");
        assert_eq!(Share::new(3, 3).unwrap().high, 1.0);
        assert!(Share::new(1, 0).is_none() && Share::new(2, 1).is_none());
    }
}
