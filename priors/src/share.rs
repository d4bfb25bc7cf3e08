//! A share with its interval.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// So many of so many, with Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22:209).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Share {
    /// How many were right.
    pub right: usize,
    /// Of how many.
    pub of: usize,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end of the 95% interval.
    pub high: f64,
}

impl Share {
    /// The share and its 95% interval; of none, the interval is everything.
    pub fn new(right: usize, of: usize) -> Self {
        if of == 0 {
            return Self { right: 0, of: 0, low: 0.0, high: 1.0 };
        }
        let z = Normal::standard().inverse_cdf(0.975);
        let n = of as f64;
        let share = right as f64 / n;
        let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        Self { right, of, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
    }

    /// Counts how many are true.
    pub fn of(outcomes: impl Iterator<Item = bool>) -> Self {
        let (mut right, mut of) = (0, 0);
        for outcome in outcomes {
            right += usize::from(outcome);
            of += 1;
        }
        Self::new(right, of)
    }

    /// The share itself; not a number when it is one of none.
    pub fn value(self) -> f64 {
        self.right as f64 / self.of as f64
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} ({:.2}, 95% interval {:.2} to {:.2})", self.right, self.of, self.value(), self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // Newcombe 1998, table I: 81/263 gives .2553 to .3662.
        let share = Share::new(81, 263);
        assert!((share.low - 0.2553).abs() < 5e-5 && (share.high - 0.3662).abs() < 5e-5, "{share}");
        let all = Share::new(20, 20);
        assert!(all.low > 0.83 && (all.high - 1.0).abs() < 1e-12);
    }
}
