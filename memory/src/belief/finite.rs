//! A finite hypothesis: a stated list of weight vectors with exact sums (docs/belief.md, section 2).

use serde::{Deserialize, Serialize};

use super::interval::{Seen, probability};
use super::ranking;
use super::symmetric::dot;
use super::{BeliefError, retest};

/// The atoms of a lattice under one signal scale, and their prior. Shared by all hypotheses of that scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Atoms {
    /// One row of weights for each atom.
    pub(crate) weights: Vec<f64>,
    pub(crate) ln_prior: Vec<f64>,
    dimension: usize,
    /// `E[w_i^2]`, for equation (3).
    pub(crate) second: Vec<f64>,
}

impl Atoms {
    /// `masses` must be positive; they are normalised.
    pub(crate) fn new(atoms: &[Vec<f64>], masses: &[f64], scaled: &[bool], sigma: f64) -> Result<Self, BeliefError> {
        let dimension = scaled.len();
        if atoms.is_empty() || atoms.len() != masses.len() || !masses.iter().all(|m| *m > 0.0 && m.is_finite()) {
            return Err(BeliefError::Lattice);
        }
        let total: f64 = masses.iter().sum();
        let mut weights = Vec::with_capacity(atoms.len() * dimension);
        let mut second = vec![0.0; dimension];
        for (atom, mass) in atoms.iter().zip(masses) {
            if atom.len() != dimension {
                return Err(BeliefError::Dimension { expected: dimension, found: atom.len() });
            }
            for (i, (&w, &scaled)) in atom.iter().zip(scaled).enumerate() {
                let w = if scaled { sigma * w } else { w };
                second[i] += mass / total * w * w;
                weights.push(w);
            }
        }
        if !weights.iter().all(|w| w.is_finite()) {
            return Err(BeliefError::Number { what: "a lattice weight" });
        }
        let ln_prior = masses.iter().map(|m| libm::log(m / total)).collect();
        Ok(Self { weights, ln_prior, dimension, second })
    }

    /// `a . w` of every atom.
    pub(crate) fn values<'a>(&'a self, a: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.weights.chunks_exact(self.dimension).map(move |w| dot(w, a))
    }
}

/// Belief over the atoms: unnormalised logarithms of their masses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finite {
    pub(crate) ln_mass: Vec<f64>,
}

impl Finite {
    pub(crate) fn prior(atoms: &Atoms) -> Self {
        Self { ln_mass: atoms.ln_prior.clone() }
    }

    /// Normalised masses.
    pub(crate) fn masses(&self) -> Vec<f64> {
        let mut masses = self.ln_mass.clone();
        softmax(&mut masses);
        masses
    }

    /// `ln Z`: the prior is normalised, so the total of the unnormalised masses is the marginal likelihood.
    pub(crate) fn ln_marginal(&self) -> f64 {
        ln_sum_exp(&self.ln_mass)
    }

    /// Multiplies every atom's mass by a likelihood given in logarithms.
    pub(crate) fn condition(&mut self, ln_likelihood: impl Iterator<Item = f64>) {
        for (mass, ln_p) in self.ln_mass.iter_mut().zip(ln_likelihood) {
            *mass += ln_p;
        }
    }
}

/// `ln P(answers | z)` of one question, the residual integrated out; a single answer needs no quadrature.
pub(crate) fn ln_answers(z: f64, rho: f64, seen: &[Seen]) -> f64 {
    match seen {
        [] => 0.0,
        [one] => libm::log(probability(z, 1.0, *one).max(f64::MIN_POSITIVE)),
        several => retest::tilt(z, 0.0, rho, several).ln_z,
    }
}

/// `ln P(order | utilities)` with lapses.
pub(crate) fn ln_order(order: &[usize], u: &[f64], noise: &[f64], lapse: f64) -> f64 {
    let n = u.len();
    ranking::tilt_probability(order, u, &vec![0.0; n * n], noise, lapse)
}

/// Turns logarithms into weights that sum to one; equal weights where nothing is finite.
pub(crate) fn softmax(ln: &mut [f64]) {
    let top = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        let even = 1.0 / ln.len() as f64;
        ln.fill(even);
        return;
    }
    let mut total = 0.0;
    for x in ln.iter_mut() {
        *x = libm::exp(*x - top);
        total += *x;
    }
    ln.iter_mut().for_each(|x| *x /= total);
}

/// `ln sum exp`.
pub(crate) fn ln_sum_exp(ln: &[f64]) -> f64 {
    let top = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return top;
    }
    top + libm::log(ln.iter().map(|x| libm::exp(x - top)).sum())
}
