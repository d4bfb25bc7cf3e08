//! How well newcomers are foreseen in each way, with the best factors that half of the situations show, on the other half.

use credence_memory::belief::normal::cdf;
use credence_priors::acts::KeyedPair;
use nalgebra::{DMatrix, DVector};

use super::people::People;
use super::{WeightsOptions, WeightsRow, dot};
use crate::estimate::Estimate;

/// Ridge of the regression that finds factors, in units of one situation's information.
const RIDGE: f64 = 1e-3;

/// What all others are held against.
pub(super) const POPULATION: &str = "the population";

impl People {
    pub(super) fn rows(
        &self,
        keys: &[Vec<f64>],
        unseen: &[&KeyedPair],
        ways: &[(String, Vec<&[f64]>)],
        options: &WeightsOptions,
    ) -> Vec<WeightsRow> {
        let chances = |people: &[Vec<f64>]| -> Vec<Vec<f64>> {
            people.iter().map(|weights| keys.iter().map(|key| cdf(dot(key, weights))).collect()).collect()
        };
        let (known, new) = (chances(&self.known), chances(&self.newcomers));
        // What those who answered would choose of the unseen, on average: what factors are found by.
        let shares: Vec<f64> =
            (0..keys.len()).map(|i| known.iter().map(|p| p[i]).sum::<f64>() / known.len() as f64).collect();
        let folds: Vec<u64> = unseen.iter().map(|pair| pair.fold(2)).collect();
        let predicted: Vec<Vec<f64>> = ways
            .iter()
            .map(|(_, features)| {
                let row = |i: usize| -> Vec<f64> { features.iter().map(|f| f[i]).collect() };
                let by: [Vec<f64>; 2] = [0, 1].map(|fold| {
                    let others = (0..keys.len()).filter(|i| folds[*i] != fold);
                    factors(&others.map(|i| (row(i), shares[i])).collect::<Vec<_>>())
                });
                (0..keys.len()).map(|i| 1.0 / (1.0 + (-dot(&row(i), &by[folds[i] as usize])).exp())).collect()
            })
            .collect();
        let score = |q: f64, p: f64| {
            let q = q.clamp(1e-6, 1.0 - 1e-6);
            p * q.ln() + (1.0 - p) * (1.0 - q).ln()
        };
        let by_person = |q: &[f64], of: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            new.iter().map(|p| p.iter().zip(q).map(|(p, q)| of(*q, *p)).sum::<f64>() / q.len() as f64).collect()
        };
        let by_situation = |q: &[f64]| -> Vec<f64> {
            (0..q.len()).map(|i| new.iter().map(|p| score(q[i], p[i])).sum::<f64>() / new.len() as f64).collect()
        };
        let held_against = ways.iter().position(|(by, _)| by == POPULATION).unwrap_or(0);
        let beside = (by_person(&predicted[held_against], &score), by_situation(&predicted[held_against]));
        ways.iter()
            .zip(&predicted)
            .map(|((by, _), q)| {
                let scores = by_person(q, &score);
                let foreseen = |q: f64, p: f64| if q > 0.5 { p } else { 1.0 - p };
                WeightsRow {
                    by: by.clone(),
                    score: Estimate::bootstrap(&scores, options.seed),
                    gain: Estimate::paired(&scores, &beside.0, options.seed),
                    gain_by_situation: Estimate::paired(&by_situation(q), &beside.1, options.seed),
                    foreseen: Estimate::bootstrap(&by_person(q, &foreseen), options.seed),
                }
            })
            .collect()
    }
}

/// Logistic regression without an intercept (pairs have no order that means anything), by Newton's steps.
pub(super) fn factors(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let width = rows.first().map_or(0, |(x, _)| x.len());
    // Columns are brought to one size, so that the ridge is the same for all.
    let size: Vec<f64> = (0..width)
        .map(|c| (rows.iter().map(|(x, _)| x[c].powi(2)).sum::<f64>() / rows.len() as f64).sqrt().max(1e-12))
        .collect();
    let mut by = DVector::<f64>::zeros(width);
    for _ in 0..50 {
        let ridge = RIDGE * rows.len() as f64;
        let mut gradient = -&by * ridge;
        let mut information = DMatrix::<f64>::identity(width, width) * ridge;
        for (x, y) in rows {
            let x = DVector::from_fn(width, |c, _| x[c] / size[c]);
            let p = 1.0 / (1.0 + (-x.dot(&by)).exp());
            gradient += &x * (y - p);
            information.ger(p * (1.0 - p), &x, &x, 1.0);
        }
        let Some(step) = information.cholesky().map(|c| c.solve(&gradient)) else { break };
        by += &step;
        if step.norm() < 1e-10 {
            break;
        }
    }
    by.iter().zip(&size).map(|(b, s)| b / s).collect()
}

#[cfg(test)]
mod tests {
    use credence_memory::belief::simulate::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn factors_are_those_that_made_the_shares() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let rows: Vec<(Vec<f64>, f64)> = (0..400)
            .map(|_| {
                let x = vec![normal(&mut random), 10.0 * normal(&mut random)];
                let p = 1.0 / (1.0 + (-(0.8 * x[0] - 0.05 * x[1])).exp());
                (x, p)
            })
            .collect();
        let by = factors(&rows);
        assert!((by[0] - 0.8).abs() < 0.02 && (by[1] + 0.05).abs() < 0.002, "{by:?}");
    }
}
