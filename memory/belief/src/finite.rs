//! A finite hypothesis: a stated list of weight vectors with exact sums (docs/belief.md, section 2).

use serde::{Deserialize, Serialize};

use super::datum::RankingQuestion;
use super::interval::{IntervalLikelihood, probability};
use super::logs::{ln_sum_exp, softmax};
use super::ranking::{self, Places};
use super::symmetric::dot;
use super::{BeliefError, retest};
use super::{best_worst, triple};

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

    /// Probabilities of all orders of a question.
    pub(crate) fn predict_orders(
        &self,
        atoms: &Atoms,
        q: &RankingQuestion,
        table: &mut OrderTable,
        lapse: f64,
    ) -> Vec<f64> {
        let mut p = vec![0.0; table.outcomes];
        for (atom, mass) in self.masses().into_iter().enumerate() {
            if mass > 1e-12 {
                super::symmetric::add_scaled(&mut p, mass, table.row(atoms, q, atom));
            }
        }
        let total: f64 = p.iter().sum();
        let share = lapse / p.len() as f64;
        p.iter_mut().for_each(|p| *p = (1.0 - lapse) * *p / total + share);
        p
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
pub(crate) fn ln_answers(z: f64, rho: f64, seen: &[IntervalLikelihood]) -> f64 {
    match seen {
        [] => 0.0,
        [one] => libm::log(probability(z, 1.0, *one).max(f64::MIN_POSITIVE)),
        several => retest::tilt(z, 0.0, rho, several).ln_z,
    }
}

/// `ln P(order | utilities)` with lapses.
pub(crate) fn ln_order(places: Places, order: &[usize], u: &[f64], noise: &[f64], lapse: f64) -> f64 {
    let n = u.len();
    if let (Places::First(1), [best], [a, b, c]) = (places, order, u)
        && noise.iter().all(|v| *v == 0.5)
    {
        let p = triple::probabilities(&[*a, *b, *c])[*best];
        // Below this the bivariate function's absolute precision is not enough, unless a lapse explains the answer anyway.
        if p > 1e-9 || (lapse > 0.0 && p <= 1e-15) {
            return libm::log((1.0 - lapse) * p + lapse / 3.0);
        }
    }
    ranking::tilt_probability(places, order, u, &vec![0.0; n * n], noise, lapse)
}

/// Probabilities of all orders of one question under the atoms of one scale, lapses aside. Hypotheses that differ in lapses
/// only share it; a row is worked out when it is first asked for.
pub(crate) struct OrderTable {
    prior: usize,
    outcomes: usize,
    noise: Vec<f64>,
    rows: Vec<f64>,
}

impl OrderTable {
    /// For the prior of this number; `noise` is the variance of each alternative's.
    pub(crate) fn new(prior: usize, atoms: &Atoms, q: &RankingQuestion, noise: Vec<f64>) -> Self {
        let outcomes = q.places.count(q.n);
        Self { prior, outcomes, noise, rows: vec![f64::NAN; outcomes * atoms.ln_prior.len()] }
    }

    /// Whether it is of this prior.
    pub(crate) fn is_of(&self, prior: usize) -> bool {
        self.prior == prior
    }

    /// Probabilities of all orders under one atom, summing to 1.
    pub(crate) fn row(&mut self, atoms: &Atoms, q: &RankingQuestion, atom: usize) -> &[f64] {
        let at = atom * self.outcomes;
        if self.rows[at].is_nan() {
            let d = atoms.dimension;
            let w = &atoms.weights[atom * d..(atom + 1) * d];
            let mut utilities = q.features.chunks_exact(d).map(|phi| dot(w, phi));
            let plain = self.noise.iter().all(|v| *v == 0.5);
            if q.n == 3 && q.places == Places::First(1) && plain {
                let u = std::array::from_fn(|_| utilities.next().unwrap_or(0.0));
                self.rows[at..at + 3].copy_from_slice(&triple::probabilities(&u));
            } else if q.places == Places::BestAndWorst {
                let u: Vec<f64> = utilities.collect();
                self.rows[at..at + self.outcomes].copy_from_slice(&best_worst::probabilities(&u, &self.noise));
            } else {
                let u: Vec<f64> = utilities.collect();
                let n = q.n;
                let k: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { self.noise[i / n] } else { 0.0 }).collect();
                self.rows[at..at + self.outcomes].copy_from_slice(&ranking::probabilities(q.places, &u, &k, 0.0));
            }
        }
        &self.rows[at..at + self.outcomes]
    }
}
