//! Gaussians over weights, and the baseline's: Laplace's approximation of a logistic posterior.

use credence_memory::belief::{Location, LocationName};
use nalgebra::{DMatrix, DVector};

/// A Gaussian over weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: DVector<f64>,
    pub(crate) covariance: DMatrix<f64>,
}

impl Moments {
    pub(crate) fn unit(features: usize, variance: f64) -> Self {
        Self { mean: DVector::zeros(features), covariance: DMatrix::identity(features, features) * variance }
    }

    fn features(&self) -> usize {
        self.mean.len()
    }

    /// The population whose moments are those of its people's posteriors.
    pub(super) fn matching(people: &[Self]) -> Self {
        let n = people.len() as f64;
        let d = people.first().map_or(0, Self::features);
        let mean = people.iter().fold(DVector::zeros(d), |sum, p| sum + &p.mean) / n;
        let mut covariance = DMatrix::identity(d, d) * 1e-3;
        for p in people {
            let d = &p.mean - &mean;
            covariance += (&p.covariance + &d * d.transpose()) / n;
        }
        Self { mean, covariance }
    }

    fn lower(&self) -> Vec<f64> {
        (0..self.features()).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|ij| self.covariance[ij]).collect()
    }

    pub(crate) fn location(&self, name: LocationName) -> Location {
        Location { name, mean: self.mean.iter().copied().collect(), covariance: self.lower() }
    }
}

pub(super) fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// Laplace's approximation of a logistic posterior: Newton's method with step halving.
pub(super) fn laplace<'a>(choices: impl Iterator<Item = (&'a [f64], bool)>, prior: &Moments) -> Moments {
    let data: Vec<(DVector<f64>, f64)> =
        choices.map(|(x, left)| (DVector::from_column_slice(x), f64::from(u8::from(left)))).collect();
    let Some(precision) = prior.covariance.clone().try_inverse() else { return prior.clone() };
    let loss = |w: &DVector<f64>| {
        let d = w - &prior.mean;
        let fit: f64 = data
            .iter()
            .map(|(x, y)| {
                let z = w.dot(x);
                z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
            })
            .sum();
        fit + 0.5 * d.dot(&(&precision * &d))
    };
    let curvature = |w: &DVector<f64>| {
        data.iter().fold(precision.clone(), |sum, (x, _)| {
            let p = logistic(w.dot(x));
            sum + x * x.transpose() * (p * (1.0 - p))
        })
    };
    let mut w = prior.mean.clone();
    for _ in 0..50 {
        let gradient =
            data.iter().fold(&precision * (&w - &prior.mean), |sum, (x, y)| sum + x * (logistic(w.dot(x)) - y));
        let Some(step) = curvature(&w).lu().solve(&gradient) else { break };
        let before = loss(&w);
        let mut share = 1.0;
        while share > 1e-6 && loss(&(&w - &step * share)) > before {
            share /= 2.0;
        }
        w -= &step * share;
        if step.norm() < 1e-9 {
            break;
        }
    }
    let covariance = curvature(&w).try_inverse().unwrap_or_else(|| prior.covariance.clone());
    Moments { mean: w, covariance }
}

/// Probability of left, by MacKay's approximation.
pub(super) fn laplace_predict(belief: &Moments, x: &[f64]) -> f64 {
    let x = DVector::from_column_slice(x);
    let variance = x.dot(&(&belief.covariance * &x));
    logistic(belief.mean.dot(&x) / (1.0 + std::f64::consts::PI * variance / 8.0).sqrt())
}
