//! One Gaussian belief over the weights: prior, rank-one inclusion, drift, and the rebuild from its sites (docs/belief.md, section 5).

use serde::{Deserialize, Serialize};

use super::BeliefError;
use super::symmetric::{add_scaled, cholesky, diagonal, dot, inverse, ln_determinant, multiply, packed_len, rank_one};

/// The prior of a hypothesis, equation (2), and what is needed of it again and again. Shared by all hypotheses of one
/// location and signal scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PriorMoments {
    pub(crate) mean: Vec<f64>,
    pub(crate) covariance: Vec<f64>,
    precision: Vec<f64>,
    shift: Vec<f64>,
    ln_det: f64,
    log_partition: f64,
    /// `E[w_i^2]`, for equation (3).
    pub(crate) second: Vec<f64>,
}

impl PriorMoments {
    /// `N(S m, S V S)`, or nothing when the covariance is not positive definite.
    pub(crate) fn new(mean: &[f64], covariance: &[f64], scaled: &[bool], sigma: f64) -> Option<Self> {
        let d = mean.len();
        let scale: Vec<f64> = scaled.iter().map(|&s| if s { sigma } else { 1.0 }).collect();
        let mean: Vec<f64> = mean.iter().zip(&scale).map(|(m, s)| m * s).collect();
        let mut covariance = covariance.to_vec();
        for i in 0..d {
            for j in 0..=i {
                covariance[packed_len(i) + j] *= scale[i] * scale[j];
            }
        }
        let mut factor = covariance.clone();
        if !cholesky(&mut factor, d) {
            return None;
        }
        let ln_det = ln_determinant(&factor);
        let mut precision = Vec::new();
        inverse(&factor, d, &mut precision);
        let mut shift = vec![0.0; d];
        multiply(&precision, &mean, &mut shift);
        let log_partition = 0.5 * (dot(&mean, &shift) + ln_det);
        let second = mean.iter().zip(diagonal(&covariance)).map(|(m, v)| m * m + v).collect();
        Some(Self { mean, covariance, precision, shift, ln_det, log_partition, second })
    }

    /// `V^-1 c`.
    pub(crate) fn solve(&self, c: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; c.len()];
        multiply(&self.precision, c, &mut out);
        out
    }

    /// This prior times `exp(-sum_i by_i w_i^2 / 2)`, with `second` for `E[w_i^2]`; nothing where that is no distribution.
    pub(crate) fn times(&self, by: &[f64], second: Vec<f64>) -> Option<Self> {
        let d = self.mean.len();
        let mut factor = self.precision.clone();
        for (i, by) in by.iter().enumerate() {
            factor[packed_len(i) + i] += by;
        }
        if !cholesky(&mut factor, d) {
            return None;
        }
        let mut covariance = Vec::new();
        inverse(&factor, d, &mut covariance);
        let mut mean = vec![0.0; d];
        multiply(&covariance, &self.shift, &mut mean);
        Some(Self { second, ..Self::new(&mean, &covariance, &vec![false; d], 1.0)? })
    }

    /// `(w - m)' V^-1 (w - m) / 2 + ln det(I + V sum x x') / 2`: the price of finding `w`, equation (14).
    pub(crate) fn distance(&self, w: &[f64], inputs: &[Vec<f64>]) -> f64 {
        let d = self.mean.len();
        let apart: Vec<f64> = w.iter().zip(&self.mean).map(|(w, m)| w - m).collect();
        let mut pulled = vec![0.0; d];
        multiply(&self.precision, &apart, &mut pulled);
        let mut information = self.precision.clone();
        for x in inputs {
            rank_one(&mut information, 1.0, x);
        }
        // A sum of a positive definite matrix and squares has a factor unless rounding ate it; then nothing is promised.
        let grown =
            if cholesky(&mut information, d) { ln_determinant(&information) + self.ln_det } else { f64::INFINITY };
        0.5 * (dot(&apart, &pulled) + grown)
    }
}

/// `N(m, V)` over the weights, with its natural shift `V^-1 m` and `ln det V` carried along.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gaussian {
    pub(crate) mean: Vec<f64>,
    pub(crate) covariance: Vec<f64>,
    shift: Vec<f64>,
    ln_det: f64,
}

/// A move of one scalar site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    /// `V <- V - shrink g g'`.
    pub(crate) shrink: f64,
    /// `m <- m + step g`.
    pub(crate) step: f64,
    /// Change of the site's `nu`.
    pub(crate) nu: f64,
    /// `1 + d tau v`.
    pub(crate) grown: f64,
}

impl Gaussian {
    pub(crate) fn prior(moments: &PriorMoments) -> Self {
        Self {
            mean: moments.mean.clone(),
            covariance: moments.covariance.clone(),
            shift: moments.shift.clone(),
            ln_det: moments.ln_det,
        }
    }

    /// Back to the prior, without allocating.
    pub(crate) fn reset(&mut self, moments: &PriorMoments) {
        self.mean.copy_from_slice(&moments.mean);
        self.covariance.copy_from_slice(&moments.covariance);
        self.shift.copy_from_slice(&moments.shift);
        self.ln_det = moments.ln_det;
    }

    /// Mean and variance of `a . w`; `g <- V a`.
    pub(crate) fn functional(&self, a: &[f64], g: &mut [f64]) -> (f64, f64) {
        multiply(&self.covariance, a, g);
        (dot(a, &self.mean), dot(a, g).max(0.0))
    }

    /// Equation (10), for a functional `scale a . w` whose `g = V a` is given unscaled.
    pub(crate) fn include(&mut self, a: &[f64], g: &[f64], scale: f64, by: Move) {
        rank_one(&mut self.covariance, -by.shrink * scale * scale, g);
        add_scaled(&mut self.mean, by.step * scale, g);
        add_scaled(&mut self.shift, by.nu * scale, a);
        self.ln_det -= libm::log(by.grown);
    }

    /// Inclusion of a site over several functionals at once: `V <- V - G M G'`, `m <- m + G step`, `G` a row for each.
    pub(crate) fn include_block(&mut self, g: &[f64], shrink: &[f64], step: &[f64], ln_grown: f64) {
        let d = self.mean.len();
        let n = step.len();
        for i in 0..n {
            let gi = &g[i * d..(i + 1) * d];
            add_scaled(&mut self.mean, step[i], gi);
            // M is symmetric: the pair (i, j) as (g_i + g_j)(g_i + g_j)' - (g_i - g_j)(g_i - g_j)' over two.
            rank_one(&mut self.covariance, -shrink[i * n + i], gi);
            for j in 0..i {
                let gj = &g[j * d..(j + 1) * d];
                let half = 0.5 * shrink[i * n + j];
                let sum: Vec<f64> = gi.iter().zip(gj).map(|(a, b)| a + b).collect();
                let difference: Vec<f64> = gi.iter().zip(gj).map(|(a, b)| a - b).collect();
                rank_one(&mut self.covariance, -half, &sum);
                rank_one(&mut self.covariance, half, &difference);
            }
        }
        self.ln_det -= ln_grown;
    }

    /// `V^-1 m <- V^-1 m + c a`.
    pub(crate) fn shift_by(&mut self, c: f64, a: &[f64]) {
        add_scaled(&mut self.shift, c, a);
    }

    /// Equation (12): one step of the Ornstein-Uhlenbeck process towards the prior.
    pub(crate) fn drift(&mut self, moments: &PriorMoments, r: f64) {
        for (m, m0) in self.mean.iter_mut().zip(&moments.mean) {
            *m = m0 + r * (*m - m0);
        }
        let (keep, fresh) = (r * r, 1.0 - r * r);
        for (v, v0) in self.covariance.iter_mut().zip(&moments.covariance) {
            *v = keep * *v + fresh * v0;
        }
    }

    /// Forms `(m, V)` anew from the prior and sites `(tau, nu, a)` in the order given. Leaves everything as it is, and says
    /// so, when the precision is not positive definite.
    pub(crate) fn rebuild<'a>(
        &mut self,
        moments: &PriorMoments,
        sites: impl Iterator<Item = (f64, f64, &'a [f64])>,
    ) -> bool {
        let d = self.mean.len();
        let mut precision = moments.precision.clone();
        let mut shift = moments.shift.clone();
        for (tau, nu, a) in sites {
            rank_one(&mut precision, tau, a);
            add_scaled(&mut shift, nu, a);
        }
        if !cholesky(&mut precision, d) {
            return false;
        }
        let ln_det = -ln_determinant(&precision);
        let mut covariance = Vec::new();
        inverse(&precision, d, &mut covariance);
        if !covariance.iter().all(|v| v.is_finite()) {
            return false;
        }
        multiply(&covariance, &shift, &mut self.mean);
        self.covariance = covariance;
        self.shift = shift;
        self.ln_det = ln_det;
        true
    }

    /// `A(q) - A(prior)` of equation (11).
    pub(crate) fn log_partition_gain(&self, moments: &PriorMoments) -> f64 {
        0.5 * (dot(&self.mean, &self.shift) + self.ln_det) - moments.log_partition
    }
}

/// Checks the shape and numbers of a location's moments.
pub(crate) fn check_moments(mean: &[f64], covariance: &[f64], d: usize) -> Result<(), BeliefError> {
    if mean.len() != d {
        return Err(BeliefError::Dimension { expected: d, found: mean.len() });
    }
    if covariance.len() != packed_len(d) {
        return Err(BeliefError::Dimension { expected: packed_len(d), found: covariance.len() });
    }
    if mean.iter().chain(covariance).all(|x| x.is_finite()) {
        Ok(())
    } else {
        Err(BeliefError::Number { what: "a prior moment" })
    }
}
