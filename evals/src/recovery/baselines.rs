//! What a careful person would do without this program: add the keys up, or fit a logistic regression.

use nalgebra::{DMatrix, DVector};

/// Newton steps of the fit.
const STEPS: usize = 50;

/// A Bayesian logistic regression without anything else: independent normal weights, the most probable ones, no lapses, no errors.
/// Its rows are differences of keys, first less second; outcomes 1 for the first, 0 for the second, and 1/2 for no preference.
#[derive(Debug, Clone)]
pub(crate) struct LogisticFit {
    /// The weights.
    pub(crate) weights: DVector<f64>,
    /// Their covariance by Laplace's approximation.
    pub(crate) covariance: DMatrix<f64>,
}

impl LogisticFit {
    /// Fits; `variance` is that of a weight beforehand.
    pub(crate) fn new(rows: &[Vec<f64>], outcomes: &[f64], dimension: usize, variance: f64) -> Self {
        let mut weights = DVector::zeros(dimension);
        let mut covariance = DMatrix::identity(dimension, dimension) * variance;
        for _ in 0..STEPS {
            let mut gradient = -&weights / variance;
            let mut precision = DMatrix::identity(dimension, dimension) / variance;
            for (row, y) in rows.iter().zip(outcomes) {
                let x = DVector::from_row_slice(row);
                let p = logistic(x.dot(&weights));
                gradient += &x * (y - p);
                precision += &x * x.transpose() * (p * (1.0 - p));
            }
            let Some(cholesky) = precision.cholesky() else { break };
            let step = cholesky.solve(&gradient);
            covariance = cholesky.inverse();
            weights += &step;
            if step.norm() < 1e-9 {
                break;
            }
        }
        Self { weights, covariance }
    }

    /// Probability of the first.
    pub(crate) fn predict(&self, row: &[f64]) -> f64 {
        logistic(DVector::from_row_slice(row).dot(&self.weights))
    }

    /// Variance of the utility difference.
    pub(crate) fn variance(&self, row: &[f64]) -> f64 {
        let x = DVector::from_row_slice(row);
        (&self.covariance * &x).dot(&x)
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// Spearman's correlation; ties share their mean rank. 0 where one side does not vary.
pub(crate) fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let size = (product(&a, &a) * product(&b, &b)).sqrt();
    if size > 0.0 { product(&a, &b) / size } else { 0.0 }
}

fn ranks(x: &[f64]) -> Vec<f64> {
    x.iter()
        .map(|v| {
            let below = x.iter().filter(|o| *o < v).count() as f64;
            let same = x.iter().filter(|o| *o == v).count() as f64;
            below + (same - 1.0) / 2.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_finds_a_direction_and_ranks_are_ranks() {
        let rows: Vec<Vec<f64>> = (0..200).map(|i| vec![f64::from(i % 7) - 3.0, f64::from(i % 5) - 2.0]).collect();
        let outcomes: Vec<f64> = rows.iter().map(|r| f64::from(u8::from(r[0] - 0.3 * r[1] > 0.0))).collect();
        let fit = LogisticFit::new(&rows, &outcomes, 2, 1.0);
        assert!(fit.weights[0] > 0.5 && fit.weights[1] < 0.0);
        assert!((rank_correlation(&[1.0, 2.0, 3.0], &[10.0, 20.0, 15.0]) - 0.5).abs() < 1e-12);
        assert_eq!(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]), 0.0);
    }
}
