//! A normal distribution whose axis is bent: a Gaussian times a factor that is known at some points.

use super::normal::{cdf, density, quantile};

/// Factors are formed at this many points, `NODE_STEP` standard deviations apart, and interpolated between by cubics.
pub(crate) const NODES: usize = 13;
const NODE_STEP: f64 = 0.75;
/// Cells of the distribution function, `CELL` standard deviations wide, over `REACH` to both sides.
const REACH: f64 = 5.0;
const CELL: f64 = 0.125;
const CELLS: usize = 80;

/// `P(z <= x) = Phi(score((x - centre) / scale))`: a normal whose axis is bent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) mean: f64,
    pub(crate) sd: f64,
    centre: f64,
    scale: f64,
    /// Scores at the cells' borders.
    scores: Vec<f64>,
}

impl Shape {
    /// The normal `N(centre, scale^2)` times a factor given by its logarithms at the nodes; nothing where that is no distribution.
    pub(crate) fn new(centre: f64, scale: f64, ln_factor: &[f64; NODES]) -> Option<Self> {
        // In each cell the normal is exact and the factor that of the cell's middle: without a factor nothing changes.
        let border = |k: usize| k as f64 * CELL - REACH;
        let middle = ln_factor[NODES / 2];
        let factor = |t: f64| libm::exp(interpolate(ln_factor, t) - middle);
        let (left, right) = (factor(-REACH), factor(REACH));
        let mut first = density(REACH) * (right - left);
        let mut second = (cdf(-REACH) + REACH * density(REACH)) * (left + right);
        let mut below = vec![cdf(-REACH) * left];
        let mut above = cdf(-REACH) * right;
        let mut masses = Vec::with_capacity(CELLS);
        for k in 0..CELLS {
            let (l, u) = (border(k), border(k + 1));
            let share = factor(0.5 * (l + u));
            let inside = if l < 0.0 { cdf(u) - cdf(l) } else { cdf(-l) - cdf(-u) };
            masses.push(share * inside);
            first += share * (density(l) - density(u));
            second += share * (inside + l * density(l) - u * density(u));
            below.push(below[k] + share * inside);
        }
        let total = below[CELLS] + above;
        let (first, second) = (first / total, second / total);
        let variance = second - first * first;
        if !(total.is_finite() && total > 0.0 && variance > 0.0 && centre.is_finite()) {
            return None;
        }
        // The upper half from above, so that small tails keep their digits.
        let mut scores = vec![0.0; CELLS + 1];
        for k in (0..=CELLS).rev() {
            let (p, q) = (below[k] / total, above / total);
            scores[k] = if p < 0.5 { quantile(p.max(1e-300)) } else { -quantile(q.max(1e-300)) };
            if k > 0 {
                above += masses[k - 1];
            }
        }
        scores.iter().all(|s| s.is_finite()).then(|| Self {
            mean: centre + scale * first,
            sd: scale * variance.sqrt(),
            centre,
            scale,
            scores,
        })
    }

    /// `P(z <= x)`.
    pub(crate) fn cdf(&self, x: f64) -> f64 {
        let t = (x - self.centre) / self.scale;
        let at = (t + REACH) / CELL;
        let score = if at <= 0.0 {
            self.scores[0] + (t + REACH)
        } else if at >= CELLS as f64 {
            self.scores[CELLS] + (t - REACH)
        } else {
            let k = (at as usize).min(CELLS - 1);
            self.scores[k] + (at - k as f64) * (self.scores[k + 1] - self.scores[k])
        };
        cdf(score)
    }
}

/// Where node `k` is, in standard deviations.
pub(crate) fn node(k: usize) -> f64 {
    (k as f64 - (NODES / 2) as f64) * NODE_STEP
}

/// Lagrange's cubic through the four nodes around `t`; the end nodes' values beyond them.
fn interpolate(values: &[f64; NODES], t: f64) -> f64 {
    let at = t / NODE_STEP + (NODES / 2) as f64;
    if at <= 0.0 {
        return values[0];
    }
    if at >= (NODES - 1) as f64 {
        return values[NODES - 1];
    }
    let start = (at as usize).saturating_sub(1).min(NODES - 4);
    let x = at - start as f64;
    let (a, b, c, d) = (x, x - 1.0, x - 2.0, x - 3.0);
    -b * c * d / 6.0 * values[start] + a * c * d / 2.0 * values[start + 1] - a * b * d / 2.0 * values[start + 2]
        + a * b * c / 6.0 * values[start + 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A normal's shape with the factor `exp(a t + b t^2 / 2)`, which makes it another normal.
    fn bent(a: f64, b: f64) -> Shape {
        let mut ln_factor = [0.0; NODES];
        for (k, x) in ln_factor.iter_mut().enumerate() {
            *x = 7.0 + a * node(k) + 0.5 * b * node(k) * node(k);
        }
        Shape::new(2.0, 3.0, &ln_factor).expect("a distribution")
    }

    #[test]
    fn factors_that_make_other_normals_give_those() {
        for (a, b) in [(0.0, 0.0), (0.3, 0.0), (-0.2, -0.5), (0.1, 0.2)] {
            let shape = bent(a, b);
            let (mean, sd) = (2.0 + 3.0 * a / (1.0 - b), 3.0 / f64::sqrt(1.0 - b));
            // A factor is taken from the middle of its cell and flat beyond the last nodes; without one nothing changes.
            let off = if a == 0.0 && b == 0.0 { 1e-12 } else { 4e-3 };
            assert!((shape.mean - mean).abs() < off * sd, "({a}, {b}): mean {} not {mean}", shape.mean);
            assert!((shape.sd / sd - 1.0).abs() < off, "({a}, {b}): sd {} not {sd}", shape.sd);
            for t in [-3.0, -1.7, -0.31, 0.0, 0.9, 2.4, 8.0] {
                let (got, expected) = (shape.cdf(mean + t * sd), cdf(t));
                assert!((got - expected).abs() < off, "({a}, {b}) at {t}: {got} not {expected}");
            }
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let mut ln_factor = [0.0; NODES];
        ln_factor[3] = f64::INFINITY;
        assert_eq!(Shape::new(0.0, 1.0, &ln_factor), None);
    }
}
