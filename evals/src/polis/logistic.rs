//! The baseline: a logistic factor model, fitted to its mode and then by Monte Carlo expectation maximisation, with Laplace's
//! method for a new person. What others would use; written anew after the published description of such models.

use credence_memory::belief::simulate::normal;
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::data::Vote;

/// Standard deviations of intercepts and loadings.
const INTERCEPT_SD: f64 = 1.5;
const LOADING_SD: f64 = 0.8;
/// Standard deviation of a person's inclination in the first fit.
const PERSON_SD: f64 = 0.7;
/// Rounds of alternating Newton steps for the mode.
const MODE_ROUNDS: usize = 40;
/// Rounds of expectation maximisation, and draws for each person.
const ROUNDS: usize = 6;
const DRAWS: usize = 5;

/// Item parameters: `logit p = b_j + c_p + a_j . theta_p`.
pub(super) struct Logistic {
    factors: usize,
    intercepts: Vec<f64>,
    loadings: Vec<DVector<f64>>,
    person_sd: f64,
}

/// `N(mean, covariance)` over `(c, theta)`.
pub(super) struct Stand {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z.clamp(-35.0, 35.0)).exp())
}

/// One row of a penalised logistic regression: regressors, offset, answer.
type Row = (DVector<f64>, f64, f64);

/// Mode and inverse curvature of a penalised logistic regression by Newton's method with step halving.
fn newton(rows: &[Row], mean: &DVector<f64>, precision: &DVector<f64>, start: DVector<f64>, steps: usize) -> Stand {
    let loss = |w: &DVector<f64>| {
        let fit: f64 = rows
            .iter()
            .map(|(x, offset, y)| {
                let z = offset + x.dot(w);
                z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
            })
            .sum();
        fit + 0.5 * (w - mean).component_mul(precision).dot(&(w - mean))
    };
    let curvature = |w: &DVector<f64>| {
        rows.iter().fold(DMatrix::from_diagonal(precision), |sum, (x, offset, _)| {
            let p = logistic(offset + x.dot(w));
            sum + x * x.transpose() * (p * (1.0 - p))
        })
    };
    let mut w = start;
    let mut before = loss(&w);
    for _ in 0..steps {
        let gradient = rows.iter().fold((&w - mean).component_mul(precision), |sum, (x, offset, y)| {
            sum + x * (logistic(offset + x.dot(&w)) - y)
        });
        let Some(step) = curvature(&w).cholesky().map(|c| c.solve(&gradient)) else { break };
        let mut share = 1.0;
        while share > 1e-4 && loss(&(&w - &step * share)) > before + 1e-12 {
            share /= 2.0;
        }
        w -= step * share;
        let after = loss(&w);
        if before - after < 1e-7 {
            break;
        }
        before = after;
    }
    let covariance = curvature(&w).cholesky().map_or_else(|| DMatrix::from_diagonal(precision), |c| c.inverse());
    Stand { mean: w, covariance }
}

impl Logistic {
    /// Learns items from the votes of `people`, numbered from 0.
    pub(super) fn fit(votes: &[Vote], people: usize, items: usize, factors: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let agreed = votes.iter().filter(|v| v.agrees).count() as f64;
        let centre = ((agreed + 1.0) / (votes.len() as f64 - agreed + 1.0)).ln();
        let mut by_person = vec![Vec::new(); people];
        let mut by_item = vec![Vec::new(); items];
        for v in votes {
            by_person[v.person].push(*v);
            by_item[v.item].push(*v);
        }
        let mut model = Self {
            factors,
            intercepts: vec![centre; items],
            loadings: (0..items).map(|_| DVector::from_fn(factors, |_, _| 0.3 * normal(&mut rng))).collect(),
            person_sd: PERSON_SD,
        };
        let mut stands: Vec<DVector<f64>> = (0..people).map(|_| DVector::zeros(factors + 1)).collect();
        for _ in 0..MODE_ROUNDS {
            for (stand, votes) in stands.iter_mut().zip(&by_person) {
                *stand = model.stand_from(votes, stand.clone(), 2).mean;
            }
            let placed: Vec<Vec<DVector<f64>>> = stands.iter().map(|s| vec![s.clone()]).collect();
            model.items_from(&by_item, &placed, centre, 2);
        }
        for _ in 0..ROUNDS {
            let mut placed = Vec::with_capacity(people);
            for (votes, start) in by_person.iter().zip(&stands) {
                let stand = model.stand_from(votes, start.clone(), 12);
                let jitter = DMatrix::identity(factors + 1, factors + 1) * 1e-9;
                let factor = (&stand.covariance + jitter).cholesky();
                let drawn: Vec<DVector<f64>> = (0..DRAWS)
                    .map(|_| {
                        let z = DVector::from_fn(factors + 1, |_, _| normal(&mut rng));
                        factor.as_ref().map_or_else(|| stand.mean.clone(), |c| &stand.mean + c.l() * z)
                    })
                    .collect();
                placed.push(drawn);
            }
            model.items_from(&by_item, &placed, centre, 8);
            let squares: f64 = placed.iter().flatten().map(|w| w[0] * w[0]).sum();
            model.person_sd = (squares / (people * DRAWS).max(1) as f64).sqrt().max(0.1);
        }
        model
    }

    fn items_from(&mut self, by_item: &[Vec<Vote>], placed: &[Vec<DVector<f64>>], centre: f64, steps: usize) {
        let k = self.factors;
        let mut mean = DVector::zeros(k + 1);
        mean[0] = centre;
        let mut precision = DVector::from_element(k + 1, 1.0 / (LOADING_SD * LOADING_SD));
        precision[0] = 1.0 / (INTERCEPT_SD * INTERCEPT_SD);
        for (j, votes) in by_item.iter().enumerate() {
            // Several draws of each person count as one vote together: the prior is multiplied instead.
            let draws = placed.first().map_or(1, Vec::len) as f64;
            let rows: Vec<Row> = votes
                .iter()
                .flat_map(|v| {
                    placed[v.person].iter().map(|w| {
                        let x = DVector::from_fn(k + 1, |i, _| if i == 0 { 1.0 } else { w[i] });
                        (x, w[0], f64::from(u8::from(v.agrees)))
                    })
                })
                .collect();
            let start =
                DVector::from_fn(k + 1, |i, _| if i == 0 { self.intercepts[j] } else { self.loadings[j][i - 1] });
            let found = newton(&rows, &mean, &(&precision * draws), start, steps).mean;
            self.intercepts[j] = found[0];
            self.loadings[j] = found.rows(1, k).into_owned();
        }
    }

    fn regressor(&self, item: usize) -> DVector<f64> {
        DVector::from_fn(self.factors + 1, |i, _| if i == 0 { 1.0 } else { self.loadings[item][i - 1] })
    }

    fn stand_from(&self, votes: &[Vote], start: DVector<f64>, steps: usize) -> Stand {
        let mut precision = DVector::from_element(self.factors + 1, 1.0);
        precision[0] = 1.0 / (self.person_sd * self.person_sd);
        let rows: Vec<Row> = votes
            .iter()
            .map(|v| (self.regressor(v.item), self.intercepts[v.item], f64::from(u8::from(v.agrees))))
            .collect();
        newton(&rows, &DVector::zeros(self.factors + 1), &precision, start, steps)
    }

    /// A new person, by Laplace's method.
    pub(super) fn stand(&self, votes: &[Vote]) -> Stand {
        self.stand_from(votes, DVector::zeros(self.factors + 1), 25)
    }

    /// Probability of agreement, by MacKay's approximation.
    pub(super) fn predict(&self, stand: &Stand, item: usize) -> f64 {
        let x = self.regressor(item);
        let variance = x.dot(&(&stand.covariance * &x));
        let mean = self.intercepts[item] + x.dot(&stand.mean);
        logistic(mean / (1.0 + std::f64::consts::PI * variance / 8.0).sqrt())
    }

    /// The candidate with the greatest mutual information with the person's parameters, from 200 draws.
    pub(super) fn choose(&self, stand: &Stand, candidates: &[usize], rng: &mut ChaCha8Rng) -> Option<usize> {
        let d = self.factors + 1;
        let factor = stand.covariance.clone().cholesky()?.l();
        let draws: Vec<DVector<f64>> =
            (0..200).map(|_| &stand.mean + &factor * DVector::from_fn(d, |_, _| normal(rng))).collect();
        let entropy = |q: f64| -(q * (q + 1e-9).ln() + (1.0 - q) * (1.0 - q + 1e-9).ln());
        let worth = |item: usize| {
            let x = self.regressor(item);
            let p: Vec<f64> = draws.iter().map(|w| logistic(self.intercepts[item] + x.dot(w))).collect();
            let n = p.len() as f64;
            entropy(p.iter().sum::<f64>() / n) - p.iter().map(|q| entropy(*q)).sum::<f64>() / n
        };
        let scored = candidates.iter().map(|&item| (item, worth(item)));
        scored.reduce(|a, b| if b.1 > a.1 { b } else { a }).map(|(item, _)| item)
    }
}
