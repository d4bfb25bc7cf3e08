//! Where one person stands among items that others have answered: belief under every draw, predictions, and the next question
//! (docs/people.md, section 4). Its cost does not depend on how many others there are.

use crate::belief::normal::{cdf, density};
use crate::belief::symmetric::{add_scaled, cholesky, dot, inverse, multiply, packed_len, rank_one};

use serde::{Deserialize, Serialize};

use super::asking::entropy;
use super::items::{FACTORS_MAX, ItemPosterior};

/// Times each site is made again after an answer.
const SWEEPS: usize = 2;
/// A cavity may not have less than this share of the variance's inverse left.
const MARGIN: f64 = 1e-10;

/// How the next item is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemStrategy {
    /// Greatest information about where the person stands, in nats.
    Gain,
    /// Greatest expected gain in predicting all items, in nats over all of them.
    Predictions,
}

/// Belief about one person who is not among those that the items were learned from.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    posterior: &'a ItemPosterior,
    answers: Vec<(usize, bool)>,
    locals: Vec<Local>,
}

/// Belief under one draw: `N(mean, covariance)` over `(c, theta)` with its sites.
#[derive(Clone, Debug)]
struct Local {
    mean: Vec<f64>,
    covariance: Vec<f64>,
    /// `(tau, nu)` of each answer.
    sites: Vec<[f64; 2]>,
    ln_marginal: f64,
}

/// `ln Z` of an answer with lapses and its first two derivatives with respect to the cavity's mean.
fn tilt(mean: f64, variance: f64, noise: f64, agrees: bool, lapse_rate: f64) -> [f64; 3] {
    let s = if agrees { 1.0 } else { -1.0 };
    let root = (noise + variance).sqrt();
    let u = s * mean / root;
    let z = ((1.0 - lapse_rate) * cdf(u) + 0.5 * lapse_rate).max(1e-300);
    let slope = s * (1.0 - lapse_rate) * density(u) / (root * z);
    [libm::log(z), slope, -slope * (s * u / root + slope)]
}

impl<'a> Place<'a> {
    /// Before any answer.
    pub fn new(posterior: &'a ItemPosterior) -> Self {
        let d = posterior.factors() + 1;
        let locals = posterior.draws().iter().map(|draw| {
            let mut covariance = vec![0.0; packed_len(d)];
            for i in 0..d {
                covariance[packed_len(i) + i] = if i == 0 { draw.person_variance } else { 1.0 };
            }
            Local { mean: draw.person_mean.clone(), covariance, sites: Vec::new(), ln_marginal: 0.0 }
        });
        Self { posterior, answers: Vec::new(), locals: locals.collect() }
    }

    /// Answers so far, as they came.
    pub fn answers(&self) -> &[(usize, bool)] {
        &self.answers
    }

    /// Takes in an answer: equation (14).
    ///
    /// # Panics
    /// When there is no such item.
    pub fn observe(&mut self, item: usize, agrees: bool) {
        let k = self.posterior.factors();
        assert!(item < self.posterior.items(), "item {item} is none of {}", self.posterior.items());
        self.answers.push((item, agrees));
        let mut x = [0.0; FACTORS_MAX + 1];
        let mut g = [0.0; FACTORS_MAX + 1];
        for (local, draw) in self.locals.iter_mut().zip(self.posterior.draws()) {
            local.sites.push([0.0; 2]);
            let mut before = None;
            for sweep in 0..=SWEEPS {
                let first = if sweep == 0 { self.answers.len() - 1 } else { 0 };
                for n in first..self.answers.len() {
                    let (item, agrees) = self.answers[n];
                    draw.regressor(item, k, &mut x);
                    let x = &x[..=k];
                    multiply(&local.covariance, x, &mut g[..=k]);
                    let g = &g[..=k];
                    let (mean, variance) = (dot(x, &local.mean), dot(x, g).max(0.0));
                    let [tau, nu] = local.sites[n];
                    let left = 1.0 - tau * variance;
                    if left < MARGIN {
                        continue;
                    }
                    let (m, v) = ((mean - variance * nu) / left, variance / left);
                    let (intercept, noise) = draw.intercept(item, k);
                    let [ln_z, slope, bend] = tilt(m + intercept, v, noise, agrees, draw.lapse_rate);
                    before.get_or_insert(ln_z);
                    let kept = 1.0 + v * bend;
                    if kept < MARGIN {
                        continue;
                    }
                    let new = [-bend / kept, (slope - m * bend) / kept];
                    let [by_tau, by_nu] = [new[0] - tau, new[1] - nu];
                    let grown = 1.0 + by_tau * variance;
                    if grown < MARGIN {
                        continue;
                    }
                    add_scaled(&mut local.mean, (by_nu - by_tau * mean) / grown, g);
                    rank_one(&mut local.covariance, -by_tau / grown, g);
                    local.sites[n] = new;
                }
            }
            local.ln_marginal += before.unwrap_or(0.0);
        }
    }

    /// What each draw is worth after this person's answers; they sum to 1.
    pub fn weights(&self) -> Vec<f64> {
        let most = self.locals.iter().map(|l| l.ln_marginal).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = self.locals.iter().map(|l| libm::exp(l.ln_marginal - most)).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / total).collect()
    }

    /// Mean and variance of the latent under one draw, in units of its noise.
    fn latent(&self, draw: usize, item: usize) -> (f64, f64) {
        let k = self.posterior.factors();
        let (mut x, mut g) = ([0.0; FACTORS_MAX + 1], [0.0; FACTORS_MAX + 1]);
        let (local, draw) = (&self.locals[draw], &self.posterior.draws()[draw]);
        draw.regressor(item, k, &mut x);
        multiply(&local.covariance, &x[..=k], &mut g[..=k]);
        let (intercept, noise) = draw.intercept(item, k);
        ((intercept + dot(&x[..=k], &local.mean)) / noise.sqrt(), dot(&x[..=k], &g[..=k]).max(0.0) / noise)
    }

    /// Probability that this person agrees with an item.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn predict(&self, item: usize) -> f64 {
        self.weights().iter().enumerate().map(|(s, weight)| weight * self.predict_under(s, item)).sum()
    }

    fn predict_under(&self, draw: usize, item: usize) -> f64 {
        let (mean, variance) = self.latent(draw, item);
        let rate = self.posterior.draws()[draw].lapse_rate;
        (1.0 - rate) * cdf(mean / (1.0 + variance).sqrt()) + 0.5 * rate
    }

    /// The worth of asking each candidate, in nats.
    pub fn worth(&self, candidates: &[usize], strategy: ItemStrategy) -> Vec<f64> {
        let weights = self.weights();
        let mut worth = vec![0.0; candidates.len()];
        for (s, weight) in weights.into_iter().enumerate().filter(|(_, w)| *w > 1e-4) {
            let pull = match strategy {
                ItemStrategy::Gain => None,
                ItemStrategy::Predictions => Some(self.importance(s)),
            };
            for (worth, &item) in worth.iter_mut().zip(candidates) {
                *worth += weight
                    * match &pull {
                        None => self.gain(s, item),
                        Some(pull) => self.prediction_gain(s, item, pull),
                    };
            }
        }
        worth
    }

    /// The candidate of greatest worth, the first of equals.
    pub fn choose(&self, candidates: &[usize], strategy: ItemStrategy) -> Option<usize> {
        let worth = self.worth(candidates, strategy);
        let best = (0..candidates.len()).reduce(|a, b| if worth[b] > worth[a] { b } else { a })?;
        Some(candidates[best])
    }

    /// Equation (15): information about the person, with Houlsby's closed form of the expected entropy.
    fn gain(&self, draw: usize, item: usize) -> f64 {
        let (mean, variance) = self.latent(draw, item);
        let c = std::f64::consts::FRAC_PI_2 * std::f64::consts::LN_2;
        let left =
            (c / (c + variance)).sqrt() * libm::exp(-0.5 * mean * mean / (c + variance)) * std::f64::consts::LN_2;
        (entropy(cdf(mean / (1.0 + variance).sqrt())) - left).max(0.0)
    }

    /// `V M V`, `M` the sum over items of how much a variance there costs predictions: equation (16).
    fn importance(&self, draw: usize) -> Vec<f64> {
        let k = self.posterior.factors();
        let mut m = vec![0.0; packed_len(k + 1)];
        let (mut x, mut g) = ([0.0; FACTORS_MAX + 1], [0.0; FACTORS_MAX + 1]);
        for item in 0..self.posterior.items() {
            self.posterior.draws()[draw].regressor(item, k, &mut x);
            multiply(&self.locals[draw].covariance, &x[..=k], &mut g[..=k]);
            rank_one(&mut m, self.sharpness(draw, item), &g[..=k]);
        }
        m
    }

    fn prediction_gain(&self, draw: usize, item: usize, pull: &[f64]) -> f64 {
        let k = self.posterior.factors();
        let (mut x, mut g) = ([0.0; FACTORS_MAX + 1], [0.0; FACTORS_MAX + 1]);
        self.posterior.draws()[draw].regressor(item, k, &mut x);
        multiply(pull, &x[..=k], &mut g[..=k]);
        0.5 * self.sharpness(draw, item) * dot(&x[..=k], &g[..=k])
    }

    /// `k_j` of equation (16): Fisher information of an answer about its latent's mean.
    fn sharpness(&self, draw: usize, item: usize) -> f64 {
        let (mean, variance) = self.latent(draw, item);
        sharpness(mean, variance) / self.posterior.draws()[draw].intercept(item, self.posterior.factors()).1
    }

    /// Mean and covariance (lower triangle by rows) of `(c, theta)` under one draw.
    pub fn under(&self, draw: usize) -> (&[f64], &[f64]) {
        (&self.locals[draw].mean, &self.locals[draw].covariance)
    }

    /// The precision that this person's answers carry under one draw, beyond the prior's.
    pub fn information(&self, draw: usize) -> Vec<f64> {
        let local = &self.locals[draw];
        let d = local.mean.len();
        let mut factor = local.covariance.clone();
        let mut precision = Vec::new();
        if !cholesky(&mut factor, d) {
            return vec![0.0; packed_len(d)];
        }
        inverse(&factor, d, &mut precision);
        precision[0] -= 1.0 / self.posterior.draws()[draw].person_variance;
        for i in 1..d {
            precision[packed_len(i) + i] -= 1.0;
        }
        precision
    }
}

/// `p'^2 / (p (1 - p))`, in units of the noise.
fn sharpness(mean: f64, variance: f64) -> f64 {
    let root = (1.0 + variance).sqrt();
    let u = mean / root;
    let p = cdf(u);
    let slope = density(u) / root;
    slope * slope / (p * (1.0 - p)).max(1e-12)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::belief::simulate::{normal, uniform};
    use crate::population::{Answer, Answers, ItemOptions, ItemPrior};

    /// People who answer by the model itself, two factors; the last person's answers apart.
    fn crowd(people: usize, items: usize, seed: u64) -> (Answers, Vec<(usize, bool)>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let item: Vec<[f64; 3]> = (0..items)
            .map(|_| [0.3 + 0.8 * normal(&mut rng), 0.8 * normal(&mut rng), 0.8 * normal(&mut rng)])
            .collect();
        let (mut answers, mut last) = (Vec::new(), Vec::new());
        for person in 0..=people {
            let v = [0.3 * normal(&mut rng), normal(&mut rng), normal(&mut rng)];
            for (j, [b, x, y]) in item.iter().enumerate() {
                let agrees = b + v[0] + x * v[1] + y * v[2] + normal(&mut rng) > 0.0;
                if person == people {
                    last.push((j, agrees));
                } else if uniform(&mut rng) < 0.7 {
                    answers.push(Answer { person: person as u32, item: j as u32, agrees });
                }
            }
        }
        (Answers::new(people, vec![Vec::new(); items], answers).expect("sound answers"), last)
    }

    fn options() -> ItemOptions {
        ItemOptions { factors: 2, warm_up: 100, draws: 32, thinning: 2, ..ItemOptions::default() }
    }

    #[test]
    fn a_new_person_is_predicted_better_with_every_answer_and_chosen_questions_help() {
        let (mut before, mut random, mut chosen) = (0.0, 0.0, 0.0);
        for seed in 0..6 {
            let (answers, last) = crowd(60, 30, seed);
            let posterior = ItemPosterior::sample(&answers, &options()).expect("sound options");
            let (held_out, pool) = last.split_at(10);
            let loss = |place: &Place<'_>| -> f64 {
                held_out.iter().map(|&(j, y)| -if y { place.predict(j) } else { 1.0 - place.predict(j) }.ln()).sum()
            };
            before += loss(&Place::new(&posterior));
            for (strategy, total) in [(None, &mut random), (Some(ItemStrategy::Predictions), &mut chosen)] {
                let mut place = Place::new(&posterior);
                let mut left = pool.to_vec();
                for _ in 0..10 {
                    let candidates: Vec<usize> = left.iter().map(|(j, _)| *j).collect();
                    let pick = strategy.and_then(|s| place.choose(&candidates, s));
                    let at = left.iter().position(|(j, _)| Some(*j) == pick).unwrap_or(0);
                    let (j, y) = left.remove(at);
                    place.observe(j, y);
                }
                assert!((place.weights().iter().sum::<f64>() - 1.0).abs() < 1e-9);
                *total += loss(&place);
            }
        }
        assert!(random < before && chosen < before, "{before} {random} {chosen}");
    }

    #[test]
    fn belief_under_one_draw_is_that_of_quadrature() {
        let (answers, last) = crowd(40, 12, 3);
        let options = ItemOptions { factors: 1, draws: 1, ..options() };
        let posterior = ItemPosterior::sample(&answers, &options).expect("sound options");
        let mut place = Place::new(&posterior);
        last.iter().take(8).for_each(|&(j, y)| place.observe(j, y));
        let draw = &posterior.draws()[0];
        let (mut total, mut moments, mut next) = (0.0, [0.0; 2], 0.0);
        let grid = |n: i32| (-n..=n).map(move |i| 6.0 * f64::from(i) / f64::from(n));
        for u in grid(120) {
            for t in grid(120) {
                let c = u * draw.person_variance.sqrt();
                let chance = |j: usize, y: bool| {
                    let mut x = [0.0; FACTORS_MAX + 1];
                    draw.regressor(j, 1, &mut x);
                    let (intercept, noise) = draw.intercept(j, 1);
                    let z = (intercept + x[0] * c + x[1] * t) / noise.sqrt();
                    (1.0 - draw.lapse_rate) * cdf(if y { z } else { -z }) + 0.5 * draw.lapse_rate
                };
                let likelihood: f64 = last.iter().take(8).map(|&(j, y)| chance(j, y)).product();
                let apart = |x: f64, m: f64, v: f64| density((x - m) / v.sqrt());
                let mass = likelihood
                    * apart(c, draw.person_mean[0], draw.person_variance)
                    * apart(t, draw.person_mean[1], 1.0);
                total += mass;
                moments[0] += mass * c;
                moments[1] += mass * t;
                next += mass * chance(last[9].0, true);
            }
        }
        let (mean, _) = place.under(0);
        assert!((mean[0] - moments[0] / total).abs() < 0.02 && (mean[1] - moments[1] / total).abs() < 0.05, "{mean:?}");
        assert!((place.predict(last[9].0) - next / total).abs() < 0.01);
    }

    #[test]
    fn worth_is_never_negative_and_the_same_bits_come_again() {
        let (answers, last) = crowd(20, 15, 5);
        let posterior = ItemPosterior::sample(&answers, &options()).expect("sound options");
        assert_eq!(posterior.digest(), ItemPosterior::sample(&answers, &options()).expect("sound options").digest());
        let mut place = Place::new(&posterior);
        last.iter().take(5).for_each(|&(j, y)| place.observe(j, y));
        let all: Vec<usize> = (0..15).collect();
        for strategy in [ItemStrategy::Gain, ItemStrategy::Predictions] {
            let worth = place.worth(&all, strategy);
            assert!(
                worth
                    .iter()
                    .all(|w| (0.0..=std::f64::consts::LN_2).contains(w) || strategy == ItemStrategy::Predictions)
            );
            assert!(worth.iter().all(|w| *w >= 0.0));
        }
        assert!(Place::new(&posterior).choose(&[], ItemStrategy::Gain).is_none());
    }

    #[test]
    fn a_feature_speaks_for_an_item_that_nobody_answered() {
        // Agreement follows the feature exactly; two items are new.
        let features: Vec<Vec<f64>> = (0..22).map(|j| vec![if j % 2 == 0 { 1.0 } else { -1.0 }]).collect();
        let given = (0..20u32).flat_map(|person| {
            (0..20u32).map(move |item| Answer {
                person,
                item,
                agrees: (item % 2 == 0) != (person + item).is_multiple_of(7),
            })
        });
        let answers = Answers::new(20, features, given.collect()).expect("sound answers");
        let prior = ItemPrior { slopes: vec![[0.0, 0.5]], ..ItemPrior::default() };
        let posterior = ItemPosterior::sample(&answers, &ItemOptions { prior, ..options() }).expect("sound options");
        let place = Place::new(&posterior);
        assert!(place.predict(20) > 0.65 && place.predict(21) < 0.35, "{} {}", place.predict(20), place.predict(21));
    }
}
