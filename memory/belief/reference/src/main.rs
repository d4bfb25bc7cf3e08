//! Writes `memory/belief/tests/data/reference_posteriors.json`: small problems over every likelihood, sampled by the No-U-Turn sampler
//! of `nuts-rs`. The likelihoods are written out again here, from docs/belief.md, and share no code with the engine.
//!
//! `cargo run --release --manifest-path memory/belief/reference/Cargo.toml -- memory/belief/tests/data/reference_posteriors.json`
#![allow(clippy::print_stdout)]

use std::collections::HashMap;

use credence_belief::simulate::{Evidence, Person, normals};
use credence_belief::{Channel, Observation, Outcome, Question, Settings};
use nuts_rs::{Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, LogpError, Settings as _};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SEED: u64 = 20_260_801;
const CHAINS: u64 = 4;
const DRAWS: usize = 8_000;

fn phi_cdf(x: f64) -> f64 {
    0.5 * statrs::function::erf::erfc(-x / std::f64::consts::SQRT_2)
}

/// What a repeat has in common with the first asking.
fn key(observation: &Observation) -> Option<[u8; 32]> {
    match &observation.question {
        Question::Comparison { question, .. } | Question::Graded { question, .. } => *question,
        _ => None,
    }
}

/// Nodes of the trapezoidal rule for an expectation under a standard normal.
fn expectation(f: impl Fn(f64) -> f64) -> f64 {
    (-14..=14).map(|k| 0.4 * f64::from(k)).map(|x| f(x) * (-0.5 * x * x).exp()).sum::<f64>() * 0.4
        / (2.0 * std::f64::consts::PI).sqrt()
}

/// `P(y_first > y_second > ... > all that are not ranked)`, `y ~ N(u, sd^2)`: from the last upwards, each an integral up to `x` on a grid.
fn chain(u: &[f64], order: &[usize], sd: f64) -> f64 {
    let (lo, hi) = u.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), u| (lo.min(*u), hi.max(*u)));
    let n = 96;
    let (start, step) = (lo - 5.0 * sd, (hi - lo + 10.0 * sd) / f64::from(n));
    let at = |i: i32| start + step * f64::from(i);
    let rest = (0..u.len()).filter(|k| !order.contains(k));
    let mut below: Vec<f64> = (0..=n).map(|i| rest.clone().map(|k| phi_cdf((at(i) - u[k]) / sd)).product()).collect();
    for &k in order.iter().rev() {
        let f: Vec<f64> = (0..=n)
            .map(|i| {
                let z = (at(i) - u[k]) / sd;
                (-0.5 * z * z).exp() * below[i as usize] / (sd * (2.0 * std::f64::consts::PI).sqrt())
            })
            .collect();
        let mut sum = 0.0;
        below = (0..=n as usize)
            .map(|i| {
                // Cubic through four values: the cell's integral to the fifth order.
                if i > 0 {
                    let (a, b) = (f[i.saturating_sub(2)], f[(i + 1).min(n as usize)]);
                    sum += step * (13.0 * (f[i - 1] + f[i]) - a - b) / 24.0;
                }
                sum
            })
            .collect();
    }
    below[n as usize]
}

struct Problem {
    settings: Settings,
    observations: Vec<Observation>,
    prior_sd: Vec<f64>,
    /// Measurement error as it is, `sum e_i w_i^2`, instead of its expectation under the prior.
    exact_error: bool,
    /// What is left of the weights from one record to the next, equation (12); 1 without drift.
    retention: f64,
}

impl Problem {
    fn lapse(&self, p: f64, outcomes: f64, misreading: f64) -> f64 {
        let eps = 1.0 - (1.0 - self.settings.lapse_rates[0]) * (1.0 - misreading);
        (1.0 - eps) * p + eps / outcomes
    }

    fn interval(lo: f64, hi: f64, z: f64, variance: f64) -> f64 {
        let s = variance.sqrt();
        phi_cdf((hi - z) / s) - phi_cdf((lo - z) / s)
    }

    fn bounds(&self, observation: &Observation) -> (f64, f64, f64, f64) {
        let (inf, delta) = (f64::INFINITY, self.settings.bands[0]);
        let Outcome::Number(outcome) = observation.outcome else { unreachable!("not an interval") };
        match &observation.question {
            Question::Comparison { indifference_offered: true, channel: Channel::Choice, misreading, .. } => {
                match outcome {
                    0 => (delta, inf, 3.0, *misreading),
                    1 => (-inf, -delta, 3.0, *misreading),
                    _ => (-delta, delta, 3.0, *misreading),
                }
            }
            Question::Comparison { misreading, .. } => match outcome {
                0 => (0.0, inf, 2.0, *misreading),
                _ => (-inf, 0.0, 2.0, *misreading),
            },
            Question::Importance { misreading, .. } => {
                let (lo, hi) = [(0.0, 0.5), (0.5, 1.0), (1.0, inf)][outcome % 3];
                if outcome < 3 { (lo, hi, 6.0, *misreading) } else { (-hi, -lo, 6.0, *misreading) }
            }
            Question::Statement { .. } => unreachable!("not among what is compared"),
            Question::Graded { levels, misreading, .. } => {
                let l = *levels as f64;
                let threshold = |k: f64| delta * (2.0 * k - l);
                let k = outcome as f64;
                (
                    if outcome == 0 { -inf } else { threshold(k) },
                    if outcome + 1 == *levels { inf } else { threshold(k + 1.0) },
                    l,
                    *misreading,
                )
            }
            Question::Ranking { .. } => unreachable!("not an interval"),
        }
    }

    /// The functional and the variance of its measurement error at `w`.
    fn functional(&self, observation: &Observation, w: &[f64]) -> (Vec<f64>, f64) {
        let (a, e, kappa) = match &observation.question {
            Question::Comparison { difference, error, channel, .. } => {
                let kappa = if *channel == Channel::Choice { 1.0 } else { self.settings.correction_scale };
                (difference.clone(), error.clone(), kappa)
            }
            Question::Importance { direction, .. } => (direction.clone(), vec![0.0; direction.len()], 1.0),
            Question::Statement { .. } => unreachable!("not among what is compared"),
            Question::Graded { features, error, .. } => (features.clone(), error.clone(), 1.0),
            Question::Ranking { .. } => unreachable!("not an interval"),
        };
        let size = if self.exact_error { w } else { &self.prior_sd };
        let q = e.iter().zip(size).map(|(e, s)| kappa * kappa * e * s * s).sum();
        (a.iter().map(|x| kappa * x).collect(), q)
    }

    /// Numbers that are sampled: the weights, or with drift what is new in them at each record and after the last.
    fn size(&self) -> usize {
        self.prior_sd.len() * if self.retention < 1.0 { self.observations.len() + 1 } else { 1 }
    }

    /// Weights before the next record.
    fn next(&self, w: &[f64], new: &[f64]) -> Vec<f64> {
        let fresh = (1.0 - self.retention * self.retention).sqrt();
        w.iter().zip(new).zip(&self.prior_sd).map(|((w, x), s)| self.retention * w + fresh * s * x).collect()
    }

    /// The weights that belief is about: those of the next record.
    fn weights(&self, position: &[f64]) -> Vec<f64> {
        let d = self.prior_sd.len();
        if self.retention == 1.0 {
            return position.to_vec();
        }
        let start: Vec<f64> = position[..d].iter().zip(&self.prior_sd).map(|(x, s)| x * s).collect();
        position[d..].chunks_exact(d).fold(start, |w, new| self.next(&w, new))
    }

    /// Up to a constant.
    fn ln_density(&self, position: &[f64]) -> f64 {
        let d = self.prior_sd.len();
        if self.retention == 1.0 {
            let ln = -0.5 * position.iter().zip(&self.prior_sd).map(|(w, s)| (w / s).powi(2)).sum::<f64>();
            return ln + (0..self.observations.len()).map(|i| self.ln_likelihood(i, position)).sum::<f64>();
        }
        let mut ln = -0.5 * position.iter().map(|x| x * x).sum::<f64>();
        let mut w: Vec<f64> = position[..d].iter().zip(&self.prior_sd).map(|(x, s)| x * s).collect();
        for (i, new) in position[d..].chunks_exact(d).enumerate() {
            ln += self.ln_likelihood(i, &w);
            w = self.next(&w, new);
        }
        ln
    }

    /// Of one record; of all answers to one question at the first of them.
    fn ln_likelihood(&self, i: usize, w: &[f64]) -> f64 {
        let dot = |a: &[f64]| a.iter().zip(w).map(|(a, w)| a * w).sum::<f64>();
        let observation = &self.observations[i];
        if let (Question::Ranking { features, channel, .. }, Outcome::Order(order)) =
            (&observation.question, &observation.outcome)
        {
            let kappa = if *channel == Channel::Choice { 1.0 } else { self.settings.correction_scale };
            let u: Vec<f64> = features.iter().map(|f| kappa * dot(f)).collect();
            let n = u.len();
            let root2 = std::f64::consts::FRAC_1_SQRT_2;
            // The last of the order at y: its better ones above, the unranked below; full orders of three turn on the middle one.
            let p = if order.len() == 1 {
                expectation(|x| {
                    let y = u[order[0]] + root2 * x;
                    (0..n).filter(|k| *k != order[0]).map(|k| phi_cdf((y - u[k]) / root2)).product()
                })
            } else if n > 3 {
                chain(&u, order, root2)
            } else {
                expectation(|x| {
                    let y = u[order[1]] + root2 * x;
                    let third = 3 - order[0] - order[1];
                    phi_cdf((u[order[0]] - y) / root2) * phi_cdf((y - u[third]) / root2)
                })
            };
            let outcomes = (0..order.len()).map(|k| (n - k) as f64).product();
            return self.lapse(p, outcomes, 0.0).ln();
        }
        let (a, q) = self.functional(observation, w);
        let z = dot(&a);
        match key(observation) {
            Some(asked) if self.observations[..i].iter().any(|o| key(o) == Some(asked)) => 0.0,
            Some(asked) => {
                let rho = self.settings.retest_correlation;
                let again: Vec<(f64, f64, f64, f64)> =
                    self.observations.iter().filter(|o| key(o) == Some(asked)).map(|o| self.bounds(o)).collect();
                expectation(|x| {
                    let t = z + (rho + q).sqrt() * x;
                    again
                        .iter()
                        .map(|&(lo, hi, l, mu)| self.lapse(Self::interval(lo, hi, t, 1.0 - rho), l, mu))
                        .product()
                })
                .ln()
            }
            None => {
                let (lo, hi, l, mu) = self.bounds(observation);
                self.lapse(Self::interval(lo, hi, z, 1.0 + q), l, mu).ln()
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Never {}

impl LogpError for Never {
    fn is_recoverable(&self) -> bool {
        true
    }
}

struct Density<'a>(&'a Problem);

impl HasDims for Density<'_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.0.size() as u64)])
    }
}

impl CpuLogpFunc for Density<'_> {
    type LogpError = Never;
    type ExpandedVector = Vec<f64>;
    type FlowParameters = ();

    fn dim(&self) -> usize {
        self.0.size()
    }

    fn logp(&mut self, position: &[f64], grad: &mut [f64]) -> Result<f64, Never> {
        let mut at = position.to_vec();
        for i in 0..at.len() {
            let step = 1e-5;
            at[i] = position[i] + step;
            let above = self.0.ln_density(&at);
            at[i] = position[i] - step;
            grad[i] = (above - self.0.ln_density(&at)) / (2.0 * step);
            at[i] = position[i];
        }
        Ok(self.0.ln_density(position))
    }

    fn expand_vector<R: rand::Rng + ?Sized>(&mut self, _: &mut R, array: &[f64]) -> Result<Vec<f64>, CpuMathError> {
        Ok(array.to_vec())
    }
}

/// Split R-hat and bulk effective sample size of rank-normalised draws (Vehtari et al. 2021).
fn diagnose(chains: &[Vec<f64>]) -> (f64, f64) {
    let halves: Vec<&[f64]> = chains.iter().flat_map(|c| c.chunks_exact(c.len() / 2)).collect();
    let (m, n) = (halves.len(), halves[0].len());
    let mut order: Vec<(usize, usize)> = (0..m).flat_map(|c| (0..n).map(move |i| (c, i))).collect();
    order.sort_by(|a, b| halves[a.0][a.1].total_cmp(&halves[b.0][b.1]));
    let mut z = vec![vec![0.0; n]; m];
    let total = (m * n) as f64;
    for (rank, (c, i)) in order.into_iter().enumerate() {
        let p = (rank as f64 + 1.0 - 0.375) / (total + 0.25);
        z[c][i] = -std::f64::consts::SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p);
    }
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let means: Vec<f64> = z.iter().map(|c| mean(c)).collect();
    let grand = mean(&means);
    let between = n as f64 * means.iter().map(|x| (x - grand).powi(2)).sum::<f64>() / (m as f64 - 1.0);
    let autocovariance = |lag: usize| {
        let each = z
            .iter()
            .zip(&means)
            .map(|(c, mu)| (0..n - lag).map(|i| (c[i] - mu) * (c[i + lag] - mu)).sum::<f64>() / n as f64);
        each.sum::<f64>() / m as f64
    };
    let within = autocovariance(0) * n as f64 / (n as f64 - 1.0);
    let variance = within * (n as f64 - 1.0) / n as f64 + between / n as f64;
    let rho = |lag: usize| 1.0 - (within - autocovariance(lag)) / variance;
    let (mut tau, mut last, mut lag) = (-1.0, f64::INFINITY, 0);
    while lag + 1 < n {
        let pair = (if lag == 0 { 1.0 } else { rho(lag) }) + rho(lag + 1);
        if pair < 0.0 {
            break;
        }
        last = pair.min(last);
        tau += 2.0 * last;
        lag += 2;
    }
    ((variance / within).sqrt(), total / tau.max(1.0 / total.log10()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: credence-reference FILE.json [KIND...]")?;
    let only: Vec<Evidence> = std::env::args().skip(2).map(|kind| kind.parse()).collect::<Result<_, _>>()?;
    let kinds = [
        (Evidence::Choice, 24, false, None),
        (Evidence::ChoiceOrNeither, 24, false, None),
        (Evidence::Verdict, 24, false, None),
        (Evidence::Rating, 24, false, None),
        (Evidence::Correction, 24, false, None),
        (Evidence::Importance, 24, false, None),
        (Evidence::Error, 24, false, None),
        (Evidence::Misread, 24, false, None),
        (Evidence::Repeat, 24, false, None),
        (Evidence::BestOfThree, 16, false, None),
        (Evidence::BestOfFour, 16, false, None),
        (Evidence::RankingOfThree, 16, false, None),
        (Evidence::CorrectionOfThree, 16, false, None),
        (Evidence::RankingOfFour, 12, false, None),
        (Evidence::Error, 24, true, None),
        (Evidence::TwoOfFour, 12, false, None),
        (Evidence::RankingOfFive, 10, false, None),
        (Evidence::Choice, 24, false, Some(40.0)),
        (Evidence::ChoiceOrNeither, 24, false, Some(40.0)),
    ];
    // With kinds named, the file's other problems stay.
    let kept: Vec<serde_json::Value> = match std::fs::read_to_string(&path) {
        Ok(text) if !only.is_empty() => {
            serde_json::from_str::<serde_json::Value>(&text)?["problems"].as_array().cloned().unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let mut problems = Vec::new();
    for (evidence, records, exact_error, drift_records) in kinds {
        // The same answers under both noises, and with and without drift.
        let number = kinds.iter().position(|kind| kind.0 == evidence).unwrap_or(0) as u64;
        if !only.is_empty() && !only.contains(&evidence) {
            let own = serde_json::json!([evidence, exact_error, drift_records]);
            let same =
                |p: &serde_json::Value| serde_json::json!([p["evidence"], p["exact_error"], p["drift_records"]]) == own;
            problems.extend(kept.iter().filter(|p| same(p)).cloned());
            continue;
        }
        for lapse in [0.0, 0.1] {
            let d = 4;
            let settings = Settings::single(1.5, lapse, 0.5);
            let mut rng = ChaCha8Rng::seed_from_u64(SEED + number);
            let mut prior_sd = vec![1.5 / ((d - 1) as f64).sqrt(); d];
            prior_sd[d - 1] = 1.0;
            let weights: Vec<f64> = normals(d, &mut rng).iter().zip(&prior_sd).map(|(x, s)| x * s).collect();
            let mut person = Person::new(weights, lapse, 0.5, &settings);
            let mut observations = Vec::new();
            for k in 0..records {
                let question = evidence.question(d, k, &mut rng);
                let outcome = person.answer(&question, &mut rng)?;
                observations.push(question.answer(outcome));
            }
            let retention = drift_records.map_or(1.0, |records: f64| (-1.0 / records).exp());
            let problem = Problem { settings: settings.clone(), observations, prior_sd, exact_error, retention };
            let mut chains: Vec<Vec<Vec<f64>>> = vec![Vec::new(); d];
            let mut divergences = 0;
            for chain in 0..CHAINS {
                let nuts = DiagNutsSettings { num_tune: 1000, num_draws: DRAWS as u64, ..DiagNutsSettings::default() };
                let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ (chain + 1) ^ (number << 8));
                let start = normals(problem.size(), &mut rng);
                let mut sampler = nuts.new_chain(chain, CpuMath::new(Density(&problem)), &mut rng)?;
                sampler.set_position(&start)?;
                let mut draws: Vec<Vec<f64>> = vec![Vec::new(); d];
                for k in 0..1000 + DRAWS {
                    let (draw, progress) = sampler.draw()?;
                    if k >= 1000 {
                        divergences += usize::from(progress.diverging);
                        problem.weights(&draw).into_iter().zip(&mut draws).for_each(|(x, to)| to.push(x));
                    }
                }
                draws.into_iter().zip(&mut chains).for_each(|(x, to)| to.push(x));
            }
            let (mut mean, mut sd, mut r_hat, mut ess) = (Vec::new(), Vec::new(), 0.0f64, f64::INFINITY);
            for chains in &chains {
                let all: Vec<f64> = chains.iter().flatten().copied().collect();
                let m = all.iter().sum::<f64>() / all.len() as f64;
                mean.push(m);
                sd.push((all.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (all.len() as f64 - 1.0)).sqrt());
                let (r, e) = diagnose(chains);
                r_hat = r_hat.max(r);
                ess = ess.min(e);
            }
            println!(
                "{evidence:?}{}{} lapse {lapse}: R-hat {r_hat:.4}, bulk ESS {ess:.0}, {divergences} divergences",
                if exact_error { ", exact error" } else { "" },
                if drift_records.is_some() { ", drift" } else { "" }
            );
            problems.push(serde_json::json!({
                "evidence": evidence, "exact_error": exact_error, "drift_records": drift_records, "lapse": lapse, "band": 0.5, "signal_scale": 1.5, "dimension": d,
                "observations": problem.observations, "mean": mean, "sd": sd,
                "r_hat_max": r_hat, "ess_bulk_min": ess, "divergences": divergences,
            }));
        }
    }
    let table = serde_json::json!({
        "method": "NUTS (nuts-rs 0.19), diagonal mass matrix, gradients by central differences, likelihoods written independently",
        "seed": SEED, "chains": CHAINS, "tuning_draws": 1000, "draws_per_chain": DRAWS, "problems": problems,
    });
    std::fs::write(path, serde_json::to_string(&table)? + "\n")?;
    Ok(())
}
