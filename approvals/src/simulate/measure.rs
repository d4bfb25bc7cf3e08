//! Means over owners with intervals.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

/// A mean and its 95% interval over owners.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.mean, self.low, self.high)
    }
}

/// The ratio of two sums over owners (their mean, where every denominator is 1), with a percentile bootstrap over
/// owners of 2,000 draws under a fixed seed.
pub fn bootstrap(pairs: &[(f64, f64)]) -> Interval {
    let ratio = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
        let (above, below) = pairs.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        if below > 0.0 { above / below } else { 0.0 }
    };
    let mean = ratio(&mut pairs.iter().copied());
    if pairs.is_empty() {
        return Interval { mean, low: mean, high: mean };
    }
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_128);
    let mut draws: Vec<f64> =
        (0..2000).map(|_| ratio(&mut (0..pairs.len()).map(|_| pairs[rng.random_range(0..pairs.len())]))).collect();
    draws.sort_by(f64::total_cmp);
    Interval { mean, low: draws[50], high: draws[1949] }
}

/// Upper end of the one-sided 95% interval for a share of which `hits` of `trials` were seen (Clopper and Pearson
/// 1934).
pub fn clopper_pearson_upper(hits: u64, trials: u64) -> f64 {
    if hits >= trials {
        return 1.0;
    }
    Beta::new(hits as f64 + 1.0, (trials - hits) as f64).map_or(1.0, |beta| beta.inverse_cdf(0.95))
}
