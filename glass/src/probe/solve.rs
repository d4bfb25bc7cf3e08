//! Linear models with an intercept and a squared penalty, by Newton's method and conjugate gradients.
//!
//! Nothing here forms a matrix of columns by columns, so wide states cost no more than their rows. Every sum has one
//! order and one thread, so the bits are always the same.

const LANES: usize = 8;
/// Newton ends when no entry of the gradient is larger.
const GRADIENT_MAX: f64 = 1e-8;
const NEWTON_STEPS_MAX: usize = 60;

/// Rows of numbers that can be multiplied from both sides.
pub(crate) trait Design: Sync {
    fn rows(&self) -> usize;
    fn columns(&self) -> usize;
    /// Each row times `v`.
    fn times(&self, v: &[f64]) -> Vec<f64>;
    /// The sum of rows, each times its entry of `u`.
    fn transposed(&self, u: &[f64]) -> Vec<f64>;
    /// Sum of all squared entries.
    fn squares(&self) -> f64;
}

/// All entries, row after row.
pub(crate) struct Dense {
    pub(crate) entries: Vec<f64>,
    pub(crate) columns: usize,
}

impl Design for Dense {
    fn rows(&self) -> usize {
        self.entries.len() / self.columns
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn times(&self, v: &[f64]) -> Vec<f64> {
        self.entries.chunks_exact(self.columns).map(|row| dot(row, v)).collect()
    }

    fn transposed(&self, u: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.columns];
        for (row, u) in self.entries.chunks_exact(self.columns).zip(u) {
            add_scaled(&mut out, *u, row);
        }
        out
    }

    fn squares(&self) -> f64 {
        dot(&self.entries, &self.entries)
    }
}

/// The entries that are not 0: column and value, row by row.
pub(crate) struct Sparse {
    pub(crate) entries: Vec<Vec<(usize, f64)>>,
    pub(crate) columns: usize,
}

impl Design for Sparse {
    fn rows(&self) -> usize {
        self.entries.len()
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn times(&self, v: &[f64]) -> Vec<f64> {
        self.entries.iter().map(|row| row.iter().map(|(column, x)| x * v[*column]).sum()).collect()
    }

    fn transposed(&self, u: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.columns];
        for (row, u) in self.entries.iter().zip(u) {
            row.iter().for_each(|(column, x)| out[*column] += u * x);
        }
        out
    }

    fn squares(&self) -> f64 {
        self.entries.iter().flatten().map(|(_, x)| x * x).sum()
    }
}

/// Weights and an intercept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    pub(crate) weights: Vec<f64>,
    pub(crate) intercept: f64,
}

impl Fit {
    pub(crate) fn zero(columns: usize) -> Self {
        Self { weights: vec![0.0; columns], intercept: 0.0 }
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a8, a_rest) = a.as_chunks::<LANES>();
    let (b8, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f64; LANES];
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

pub(crate) fn add_scaled(to: &mut [f64], scale: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to += scale * x);
}

/// 1 / (1 + e^-z).
pub(crate) fn logistic(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + libm::exp(-z))
    } else {
        let e = libm::exp(z);
        e / (1.0 + e)
    }
}

/// Minus ln p of a label whose log odds are `z`; `target` is the probability that it holds.
pub(crate) fn cross_entropy(z: f64, target: f64) -> f64 {
    z.max(0.0) + libm::log1p(libm::exp(-z.abs())) - target * z
}

/// Solves `apply(x) = right` for a symmetric positive map, from `start`, until the residual is `tolerance` times as long
/// as `right`.
pub(crate) fn conjugate_gradients(
    apply: impl Fn(&[f64]) -> Vec<f64>,
    right: &[f64],
    start: Vec<f64>,
    tolerance: f64,
) -> Vec<f64> {
    let mut x = start;
    let mut residual: Vec<f64> = apply(&x).iter().zip(right).map(|(applied, right)| right - applied).collect();
    let mut direction = residual.clone();
    let mut length = dot(&residual, &residual);
    let enough = tolerance * tolerance * dot(right, right);
    for _ in 0..(2 * right.len() + 10) {
        // Not `<=` alone: numbers that overflowed must end this too.
        if length <= enough || !length.is_finite() {
            break;
        }
        let applied = apply(&direction);
        let curvature = dot(&direction, &applied);
        if curvature.is_nan() || curvature <= 0.0 {
            break;
        }
        add_scaled(&mut x, length / curvature, &direction);
        add_scaled(&mut residual, -length / curvature, &applied);
        let next = dot(&residual, &residual);
        let ratio = next / length;
        direction.iter_mut().zip(&residual).for_each(|(direction, r)| *direction = r + ratio * *direction);
        length = next;
    }
    x
}

/// Least mean cross-entropy plus `penalty / 2` times the squared length of the weights.
pub(crate) fn logistic_regression(design: &impl Design, labels: &[bool], penalty: f64, start: Fit) -> Fit {
    let (n, d) = (design.rows() as f64, design.columns());
    let targets: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
    let odds = |x: &[f64]| {
        let mut z = design.times(&x[..d]);
        z.iter_mut().for_each(|z| *z += x[d]);
        z
    };
    let loss = |x: &[f64], z: &[f64]| {
        let fit: f64 = z.iter().zip(&targets).map(|(z, target)| cross_entropy(*z, *target)).sum();
        fit / n + 0.5 * penalty * dot(&x[..d], &x[..d])
    };
    // The last entry is the intercept, without a penalty.
    let mut x = start.weights;
    x.push(start.intercept);
    let mut z = odds(&x);
    let mut before = loss(&x, &z);
    for _ in 0..NEWTON_STEPS_MAX {
        let p: Vec<f64> = z.iter().map(|z| logistic(*z)).collect();
        let errors: Vec<f64> = p.iter().zip(&targets).map(|(p, target)| (p - target) / n).collect();
        let mut gradient = design.transposed(&errors);
        add_scaled(&mut gradient, penalty, &x[..d]);
        gradient.push(errors.iter().sum());
        let steepest = gradient.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        if steepest <= GRADIENT_MAX {
            break;
        }
        let curvature: Vec<f64> = p.iter().map(|p| p * (1.0 - p) / n).collect();
        let apply = |v: &[f64]| {
            let mut u = design.times(&v[..d]);
            u.iter_mut().zip(&curvature).for_each(|(u, c)| *u = (*u + v[d]) * c);
            let mut out = design.transposed(&u);
            add_scaled(&mut out, penalty, &v[..d]);
            // A trace of curvature keeps the intercept in place where all labels are certain.
            out.push(u.iter().sum::<f64>() + 1e-12 * v[d]);
            out
        };
        let right: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let exactness = steepest.sqrt().clamp(1e-6, 0.1);
        let step = conjugate_gradients(apply, &right, vec![0.0; d + 1], exactness);
        let mut share = 1.0;
        let (next, odds_there, after) = loop {
            let next: Vec<f64> = x.iter().zip(&step).map(|(x, step)| x + share * step).collect();
            let there = odds(&next);
            let after = loss(&next, &there);
            if after <= before || share < 1e-6 {
                break (next, there, after);
            }
            share /= 2.0;
        };
        // No number of this size gets better any more.
        if after.is_nan() || after > before {
            break;
        }
        (x, z, before) = (next, odds_there, after);
    }
    let intercept = x.pop().unwrap_or_default();
    Fit { weights: x, intercept }
}

/// Least half mean squared error against +1 and -1, plus `penalty / 2` times the squared length of the weights.
pub(crate) fn ridge_regression(design: &impl Design, labels: &[bool], penalty: f64) -> Fit {
    let (n, d) = (design.rows() as f64, design.columns());
    let targets: Vec<f64> = labels.iter().map(|label| if *label { 1.0 } else { -1.0 }).collect();
    let mut right = design.transposed(&targets);
    right.push(targets.iter().sum());
    right.iter_mut().for_each(|x| *x /= n);
    let apply = |v: &[f64]| {
        let mut u = design.times(&v[..d]);
        u.iter_mut().for_each(|u| *u = (*u + v[d]) / n);
        let mut out = design.transposed(&u);
        add_scaled(&mut out, penalty, &v[..d]);
        out.push(u.iter().sum());
        out
    };
    let mut x = conjugate_gradients(apply, &right, vec![0.0; d + 1], 1e-9);
    let intercept = x.pop().unwrap_or_default();
    Fit { weights: x, intercept }
}

/// The difference of the two means, through the inverse of the covariance within labels, shrunk by `shrinkage` towards
/// equal variances. At 1 it is the plain difference. The intercept lies half-way between the means.
pub(crate) fn mean_difference(design: &impl Design, labels: &[bool], shrinkage: f64) -> Fit {
    let d = design.columns();
    let mean = |label: bool| {
        let count = labels.iter().filter(|l| **l == label).count() as f64;
        let share: Vec<f64> = labels.iter().map(|l| if *l == label { 1.0 / count } else { 0.0 }).collect();
        design.transposed(&share)
    };
    let (with, without) = (mean(true), mean(false));
    let difference: Vec<f64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
    let n = design.rows() as f64;
    let weights = if shrinkage >= 1.0 {
        difference
    } else {
        // X'(Xv) / n within labels: what the means contribute is taken off afterwards.
        let share = labels.iter().filter(|l| **l).count() as f64 / n;
        let within = |v: &[f64]| {
            let u: Vec<f64> = design.times(v).iter().map(|u| u / n).collect();
            let mut out = design.transposed(&u);
            add_scaled(&mut out, -share * dot(&with, v), &with);
            add_scaled(&mut out, -(1.0 - share) * dot(&without, v), &without);
            out
        };
        let mean_variance = trace(design, &with, &without, share) / d as f64;
        let apply = |v: &[f64]| {
            let mut out = within(v);
            out.iter_mut().zip(v).for_each(|(out, v)| *out = (1.0 - shrinkage) * *out + shrinkage * mean_variance * v);
            out
        };
        conjugate_gradients(apply, &difference, vec![0.0; d], 1e-9)
    };
    let middle: Vec<f64> = with.iter().zip(&without).map(|(a, b)| 0.5 * (a + b)).collect();
    let intercept = -dot(&weights, &middle);
    Fit { weights, intercept }
}

/// Sum of the variances within labels.
fn trace(design: &impl Design, with: &[f64], without: &[f64], share: f64) -> f64 {
    let squares = design.squares() / design.rows() as f64;
    squares - share * dot(with, with) - (1.0 - share) * dot(without, without)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::synthetic::gaussian;

    fn world(n: usize, d: usize, seed: u64) -> (Dense, Vec<bool>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let labels: Vec<bool> = (0..n).map(|i| i % 3 == 0).collect();
        let mut entries = Vec::new();
        for label in &labels {
            let shift = if *label { 0.7 } else { -0.2 };
            entries.extend((0..d).map(|column| gaussian(&mut random) + if column < 3 { shift } else { 0.0 }));
        }
        (Dense { entries, columns: d }, labels)
    }

    fn sparse(dense: &Dense) -> Sparse {
        let row = |row: &[f64]| row.iter().copied().enumerate().collect();
        Sparse { entries: dense.entries.chunks_exact(dense.columns).map(row).collect(), columns: dense.columns }
    }

    /// The gradient of the penalised loss, by its definition.
    fn gradient(design: &Dense, labels: &[bool], penalty: f64, fit: &Fit, error: impl Fn(f64, bool) -> f64) -> f64 {
        let n = labels.len() as f64;
        let z = design.times(&fit.weights);
        let errors: Vec<f64> = z.iter().zip(labels).map(|(z, label)| error(z + fit.intercept, *label) / n).collect();
        let mut out = design.transposed(&errors);
        add_scaled(&mut out, penalty, &fit.weights);
        out.push(errors.iter().sum());
        out.iter().fold(0.0, |most, g| most.max(g.abs()))
    }

    #[test]
    fn logistic_regression_and_ridge_end_where_their_gradients_vanish() {
        let unit = |label: bool| if label { 1.0 } else { 0.0 };
        for (n, d) in [(60, 5), (40, 90), (200, 30)] {
            let (design, labels) = world(n, d, 3);
            for penalty in [10.0, 0.1, 1e-3] {
                let fit = logistic_regression(&design, &labels, penalty, Fit::zero(d));
                let left = gradient(&design, &labels, penalty, &fit, |z, label| logistic(z) - unit(label));
                assert!(left < 2e-8, "logistic, {n} x {d}, {penalty}: {left}");
                let warm = logistic_regression(&design, &labels, penalty, fit.clone());
                assert!(warm.weights.iter().zip(&fit.weights).all(|(a, b)| (a - b).abs() < 1e-5));
                let other = logistic_regression(&sparse(&design), &labels, penalty, Fit::zero(d));
                assert!(other.weights.iter().zip(&fit.weights).all(|(a, b)| (a - b).abs() < 1e-5));
                let fit = ridge_regression(&design, &labels, penalty);
                let left = gradient(&design, &labels, penalty, &fit, |z, label| z - (2.0 * unit(label) - 1.0));
                assert!(left < 1e-8, "ridge, {n} x {d}, {penalty}: {left}");
            }
        }
    }

    #[test]
    fn the_mean_difference_solves_its_equation() {
        let (design, labels) = world(80, 12, 5);
        let plain = mean_difference(&design, &labels, 1.0);
        let shrunk = mean_difference(&design, &labels, 0.3);
        // Covariance within labels, by its definition.
        let d = 12;
        let mut covariance = vec![0.0; d * d];
        for label in [true, false] {
            let rows: Vec<&[f64]> =
                design.entries.chunks_exact(d).zip(&labels).filter(|(_, l)| **l == label).map(|(row, _)| row).collect();
            let mean: Vec<f64> =
                (0..d).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64).collect();
            for row in rows {
                for i in 0..d {
                    for j in 0..d {
                        covariance[i * d + j] += (row[i] - mean[i]) * (row[j] - mean[j]) / 80.0;
                    }
                }
            }
        }
        let variance = (0..d).map(|i| covariance[i * d + i]).sum::<f64>() / d as f64;
        for i in 0..d {
            let sum = dot(&covariance[i * d..(i + 1) * d], &shrunk.weights);
            let left = 0.7 * sum + 0.3 * variance * shrunk.weights[i];
            assert!((left - plain.weights[i]).abs() < 1e-7, "{left} {}", plain.weights[i]);
        }
    }
}
