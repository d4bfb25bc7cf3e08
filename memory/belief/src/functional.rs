//! A linear functional of the weights under the mixture: moments, quantiles, intervals.

use std::cmp::Ordering;

use super::best_worst::rough_cdf;
use super::hypothesis::Marginal;
use super::normal::cdf;
use super::shape::Shape;

/// A quantile's error, as a probability.
const QUANTILE_ERROR: f64 = 1e-15;
/// The same where it is only shown.
const ROUGH_ERROR: f64 = 1e-4;

/// One part of a [`Functional`]: a normal, or a point where the standard deviation is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixturePart {
    /// Its weight; those of all parts sum to 1.
    pub weight: f64,
    /// Its mean, in noise units.
    pub mean: f64,
    /// Its standard deviation, in noise units.
    pub sd: f64,
}

/// The distribution of `a . w`: a mixture of normals, of points where a standard deviation is 0, and of skewed shapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Functional {
    parts: Vec<MixturePart>,
    /// One for each part; normals and points have none.
    shapes: Vec<Option<Shape>>,
}

impl Functional {
    pub(crate) fn push(&mut self, weight: f64, mean: f64, sd: f64) {
        self.parts.push(MixturePart { weight, mean, sd });
        self.shapes.push(None);
    }

    pub(crate) fn push_marginal(&mut self, weight: f64, marginal: Marginal) {
        match marginal {
            Marginal::Normal { mean, variance } => self.push(weight, mean, variance.sqrt()),
            Marginal::Atoms { values, masses } => {
                for (value, mass) in values.into_iter().zip(masses) {
                    self.push(weight * mass, value, 0.0);
                }
            }
        }
    }

    pub(crate) fn push_shape(&mut self, weight: f64, shape: Shape) {
        self.parts.push(MixturePart { weight, mean: shape.mean, sd: shape.sd });
        self.shapes.push(Some(shape));
    }

    /// Its parts.
    pub fn parts(&self) -> &[MixturePart] {
        &self.parts
    }

    /// Mean, in noise units.
    pub fn mean(&self) -> f64 {
        self.parts.iter().map(|p| p.weight * p.mean).sum()
    }

    /// Variance: within the parts plus between them.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        self.parts.iter().map(|p| p.weight * (p.sd * p.sd + (p.mean - mean) * (p.mean - mean))).sum()
    }

    /// Standard deviation.
    pub fn sd(&self) -> f64 {
        self.variance().sqrt()
    }

    /// `P(a . w <= x)`.
    pub fn cdf(&self, x: f64) -> f64 {
        self.cdf_by(x, cdf)
    }

    /// The same by a distribution function of the standard normal.
    fn cdf_by(&self, x: f64, cdf: impl Fn(f64) -> f64) -> f64 {
        let below = |m: f64, s: f64, shape: &Option<Shape>| match shape {
            Some(shape) => shape.cdf(x),
            None if s > 0.0 => cdf((x - m) / s),
            None => f64::from(u8::from(m <= x)),
        };
        self.parts
            .iter()
            .zip(&self.shapes)
            .map(|(&MixturePart { weight: w, mean: m, sd: s }, shape)| w * below(m, s, shape))
            .sum()
    }

    /// `P(a . w > 0)`.
    pub fn probability_positive(&self) -> f64 {
        (1.0 - self.cdf(0.0)).clamp(0.0, 1.0)
    }

    /// An `x` with `P(a . w <= x) = p` to [`QUANTILE_ERROR`]; the smallest with at least `p` where the distribution steps over it.
    /// `p` in (0, 1).
    pub fn quantile(&self, p: f64) -> f64 {
        self.quantile_within(p, QUANTILE_ERROR, 40.0, cdf)
    }

    /// As [`Functional::interval`], to an error of a ten-thousandth of probability: for what is shown again and again.
    pub fn interval_roughly(&self, level: f64) -> (f64, f64) {
        let tail = 0.5 * (1.0 - level);
        let at = |p| self.quantile_within(p, ROUGH_ERROR, 6.0, rough_cdf);
        (at(tail), at(1.0 - tail))
    }

    /// `reach`: standard deviations around each part within which it is looked for.
    fn quantile_within(&self, p: f64, error: f64, reach: f64, normal: impl Fn(f64) -> f64 + Copy) -> f64 {
        let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
        for &MixturePart { weight: w, mean: m, sd: s } in &self.parts {
            if w > 0.0 {
                lo = lo.min(m - reach * s);
                hi = hi.max(m + reach * s);
            }
        }
        let mut below = self.cdf_by(lo, normal) - p;
        if below >= 0.0 {
            return lo;
        }
        let mut above = (self.cdf_by(hi, normal) - p).max(0.0);
        let mut last = Ordering::Equal;
        for step in 0..400 {
            let middle = 0.5 * (lo + hi);
            if middle <= lo || middle >= hi {
                break;
            }
            // Where the line through the ends crosses (regula falsi after Illinois: an end that stays counts half), and now and
            // then the middle, for steps.
            let crossing = lo - below * (hi - lo) / (above - below);
            let x = if step % 4 == 0 || !(crossing > lo && crossing < hi) { middle } else { crossing };
            let over = self.cdf_by(x, normal) - p;
            if over.abs() <= error {
                return x;
            }
            let side = if over < 0.0 { Ordering::Less } else { Ordering::Greater };
            if side == Ordering::Less {
                (lo, below) = (x, over);
                above *= if last == side { 0.5 } else { 1.0 };
            } else {
                (hi, above) = (x, over);
                below *= if last == side { 0.5 } else { 1.0 };
            }
            last = side;
        }
        hi
    }

    /// The central interval that holds `level` of the mass.
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let tail = 0.5 * (1.0 - level);
        (self.quantile(tail), self.quantile(1.0 - tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_normal() {
        let mut f = Functional::default();
        f.push(1.0, 2.0, 3.0);
        assert!((f.quantile(0.5) - 2.0).abs() < 1e-12);
        let (lo, hi) = f.interval(0.9);
        assert!((lo - (2.0 - 3.0 * 1.644_853_626_951_472)).abs() < 1e-9);
        assert!((hi - (2.0 + 3.0 * 1.644_853_626_951_472)).abs() < 1e-9);
        assert!((f.probability_positive() - cdf(2.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn a_quantile_is_where_the_distribution_says() {
        let mut f = Functional::default();
        for k in 0..40 {
            f.push(0.025, (f64::from(k) * 1.7).sin() * 3.0, if k % 9 == 0 { 0.0 } else { 0.2 + f64::from(k) / 20.0 });
        }
        for p in [1e-9, 0.003, 0.05, 0.5, 0.61, 0.95, 0.999_99] {
            let x = f.quantile(p);
            assert!(f.cdf(x) >= p - 2.0 * QUANTILE_ERROR && f.cdf(x - 1e-6) < p, "{p}: {x}");
        }
    }

    #[test]
    fn a_rough_interval_is_the_interval() {
        let mut f = Functional::default();
        for k in 0..60 {
            f.push(1.0 / 60.0, (f64::from(k) * 0.9).sin() * 4.0, 0.1 + f64::from(k) / 15.0);
        }
        let ((low, high), (rough_low, rough_high)) = (f.interval(0.9), f.interval_roughly(0.9));
        assert!((f.cdf(rough_low) - 0.05).abs() < 1.1e-4 && (f.cdf(rough_high) - 0.95).abs() < 1.1e-4);
        assert!((low - rough_low).abs() < 0.01 && (high - rough_high).abs() < 0.01);
    }

    #[test]
    fn points_and_two_normals() {
        let mut f = Functional::default();
        f.push(0.25, -1.0, 0.0);
        f.push(0.75, 2.0, 0.0);
        assert!((f.mean() - 1.25).abs() < 1e-15 && (f.variance() - 1.6875).abs() < 1e-15);
        assert!((f.quantile(0.2) + 1.0).abs() < 1e-9 && (f.quantile(0.3) - 2.0).abs() < 1e-9);
        let mut g = Functional::default();
        g.push(0.5, -10.0, 1.0);
        g.push(0.5, 10.0, 1.0);
        assert!((g.variance() - 101.0).abs() < 1e-12 && (g.cdf(g.quantile(0.7)) - 0.7).abs() < 1e-9);
    }
}
