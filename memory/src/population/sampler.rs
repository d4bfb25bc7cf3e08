//! Gibbs sampling of items and people given everyone's answers (docs/people.md, equations 8 to 12).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::belief::normal::{cdf, quantile};
use crate::belief::simulate::{normal, uniform};
use crate::belief::symmetric::{add_scaled, cholesky, diagonal, dot, inverse, multiply, packed_len, rank_one, rows};

use super::PopulationError;
use super::items::{Answers, FACTORS_MAX, ItemDraw, ItemOptions, ItemPosterior, ItemPrior};

/// Probabilities are kept this far from 0, so that a quantile is finite.
const LEAST: f64 = 1e-300;
/// How many products of probabilities are gathered before a logarithm is taken: `(1e-300)` cannot come of that many.
const GATHERED: usize = 8;

impl ItemPosterior {
    /// Draws from the posterior by Gibbs sampling: a function of answers and options, bit for bit.
    ///
    /// # Errors
    /// Options out of range, or features too large to be calculated with.
    pub fn sample(answers: &Answers, options: &ItemOptions) -> Result<Self, PopulationError> {
        options.check()?;
        let mut sampler = Sampler::new(answers, options);
        for _ in 0..options.warm_up {
            sampler.sweep();
            sound(&sampler)?;
        }
        let mut draws = Vec::with_capacity(options.draws);
        for _ in 0..options.draws {
            for _ in 0..options.thinning {
                sampler.sweep();
                sound(&sampler)?;
            }
            draws.push(sampler.draw());
            sound(&sampler)?;
        }
        Ok(Self { factors: options.factors, items: answers.items(), draws })
    }
}

fn sound(sampler: &Sampler<'_>) -> Result<(), PopulationError> {
    match sampler.is_sound() {
        true => Ok(()),
        false => Err(PopulationError::Lost { what: "the items' features" }),
    }
}

/// The state of the chain.
pub(super) struct Sampler<'a> {
    answers: &'a Answers,
    options: &'a ItemOptions,
    rng: ChaCha8Rng,
    /// Where each person's answers begin.
    starts: Vec<usize>,
    /// Places of answers by item, and where each item's begin.
    by_item: Vec<u32>,
    item_starts: Vec<usize>,
    /// `(1, features)` of each item.
    inputs: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    loadings: Vec<f64>,
    people: Vec<f64>,
    lapse: Vec<usize>,
    /// The latent of each answer, and nothing where the answer was a lapse.
    latent: Vec<Option<f64>>,
    slopes: Vec<f64>,
    factor_slopes: Vec<Vec<f64>>,
    intercept_variance: f64,
    factor_variances: Vec<f64>,
    person_variance: f64,
    lapse_weights: Vec<f64>,
    /// Whether every precision was positive definite: one that is not, as features beyond what numbers hold can make it, gives
    /// no draw, and the chain is worth nothing.
    is_sound: bool,
}

impl<'a> Sampler<'a> {
    /// Whether the chain's draws are worth anything.
    pub(super) fn is_sound(&self) -> bool {
        self.is_sound
    }

    pub(super) fn new(answers: &'a Answers, options: &'a ItemOptions) -> Self {
        let (people, items, k) = (answers.people(), answers.items(), options.factors);
        let mut starts = vec![0; people + 1];
        let mut item_starts = vec![0; items + 1];
        for a in &answers.answers {
            starts[a.person as usize + 1] += 1;
            item_starts[a.item as usize + 1] += 1;
        }
        for i in 0..people {
            starts[i + 1] += starts[i];
        }
        for j in 0..items {
            item_starts[j + 1] += item_starts[j];
        }
        let mut by_item = vec![0; answers.answers.len()];
        let mut next = item_starts.clone();
        for (n, a) in answers.answers.iter().enumerate() {
            by_item[next[a.item as usize]] = n as u32;
            next[a.item as usize] += 1;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let p = &options.prior;
        let inputs: Vec<Vec<f64>> =
            answers.features.iter().map(|f| std::iter::once(1.0).chain(f.iter().copied()).collect()).collect();
        let width = inputs.first().map_or(1, Vec::len);
        let slopes: Vec<f64> = (0..width).map(|i| slope_prior(p, i)[0]).collect();
        // A start away from the saddle at zero, where factors would stay for long.
        let mut drawn = |n: usize, spread: f64| -> Vec<f64> { (0..n).map(|_| spread * normal(&mut rng)).collect() };
        let loadings = drawn(items * k, p.factor_spread);
        let people_drawn = drawn(people * (k + 1), 0.3);
        let rates = options.lapse_rates.len();
        Self {
            answers,
            options,
            rng,
            starts,
            by_item,
            item_starts,
            intercepts: inputs.iter().map(|f| dot(f, &slopes)).collect(),
            inputs,
            loadings,
            people: people_drawn,
            lapse: vec![0; people],
            latent: vec![None; answers.answers.len()],
            slopes,
            factor_slopes: vec![vec![0.0; width - 1]; k],
            intercept_variance: p.intercept_spread * p.intercept_spread,
            factor_variances: vec![p.factor_spread * p.factor_spread; k],
            person_variance: p.person_spread * p.person_spread,
            lapse_weights: vec![1.0 / rates as f64; rates],
            is_sound: true,
        }
    }

    /// One sweep over people, items and what both come from.
    pub(super) fn sweep(&mut self) {
        for person in 0..self.answers.people() {
            self.person(person);
        }
        for item in 0..self.answers.items() {
            self.item(item);
        }
        self.population();
    }

    /// Equations (8) and (9): the person's lapse rate, which answers were lapses, the latents of the others, then `(c, theta)`.
    fn person(&mut self, person: usize) {
        let k = self.options.factors;
        let (from, to) = (self.starts[person], self.starts[person + 1]);
        let v = &mut self.people[person * (k + 1)..(person + 1) * (k + 1)];
        let rates = &self.options.lapse_rates;
        let means: Vec<f64> = self.answers.answers[from..to]
            .iter()
            .map(|a| {
                let j = a.item as usize;
                self.intercepts[j] + v[0] + dot(&self.loadings[j * k..(j + 1) * k], &v[1..])
            })
            .collect();
        let signs = self.answers.answers[from..to].iter().map(|a| if a.agrees { 1.0 } else { -1.0 });
        let right: Vec<f64> = means.iter().zip(signs).map(|(mean, s)| cdf(s * mean).max(LEAST)).collect();
        let ln: Vec<f64> = rates
            .iter()
            .zip(&self.lapse_weights)
            .map(|(rate, weight)| {
                let product = |chunk: &[f64]| chunk.iter().map(|q| (1.0 - rate) * q + 0.5 * rate).product::<f64>();
                libm::log(*weight) + right.chunks(GATHERED).map(|c| libm::log(product(c).max(LEAST))).sum::<f64>()
            })
            .collect();
        let which = drawn_from(&ln, &mut self.rng);
        self.lapse[person] = which;
        let rate = rates[which];
        let mut precision = [0.0; (FACTORS_MAX + 1) * (FACTORS_MAX + 2) / 2];
        let precision = &mut precision[..packed_len(k + 1)];
        for i in 0..=k {
            precision[packed_len(i) + i] = if i == 0 { 1.0 / self.person_variance } else { 1.0 };
        }
        let mut shift = [0.0; FACTORS_MAX + 1];
        let mut x = [1.0; FACTORS_MAX + 1];
        for (n, (mean, q)) in means.iter().zip(&right).enumerate() {
            let a = self.answers.answers[from + n];
            let kept = (1.0 - rate) * q;
            self.latent[from + n] = if uniform(&mut self.rng) * (kept + 0.5 * rate) < kept {
                let beyond = quantile((uniform(&mut self.rng) * q).max(LEAST));
                Some(if a.agrees { mean - beyond } else { mean + beyond })
            } else {
                None
            };
            if let Some(z) = self.latent[from + n] {
                let j = a.item as usize;
                x[1..=k].copy_from_slice(&self.loadings[j * k..(j + 1) * k]);
                rank_one(precision, 1.0, &x[..=k]);
                add_scaled(&mut shift[..=k], z - self.intercepts[j], &x[..=k]);
            }
        }
        self.is_sound &= drawn_normal(precision, &mut shift[..=k], &mut self.rng);
        v.copy_from_slice(&shift[..=k]);
    }

    /// Equation (10): precision and shift of an item's intercept and loadings.
    fn about(&self, item: usize, precision: &mut [f64], shift: &mut [f64]) {
        let k = self.options.factors;
        precision.fill(0.0);
        precision[0] = 1.0 / self.intercept_variance;
        shift[0] = dot(&self.inputs[item], &self.slopes) / self.intercept_variance;
        for i in 0..k {
            precision[packed_len(i + 1) + i + 1] = 1.0 / self.factor_variances[i];
            shift[i + 1] = dot(&self.inputs[item][1..], &self.factor_slopes[i]) / self.factor_variances[i];
        }
        let mut x = [1.0; FACTORS_MAX + 1];
        for &n in &self.by_item[self.item_starts[item]..self.item_starts[item + 1]] {
            let Some(z) = self.latent[n as usize] else { continue };
            let person = self.answers.answers[n as usize].person as usize;
            let v = &self.people[person * (k + 1)..(person + 1) * (k + 1)];
            x[1..=k].copy_from_slice(&v[1..]);
            rank_one(precision, 1.0, &x[..=k]);
            add_scaled(&mut shift[..=k], z - v[0], &x[..=k]);
        }
    }

    /// A draw of an item's intercept and loadings.
    fn item(&mut self, item: usize) {
        let k = self.options.factors;
        let mut precision = [0.0; (FACTORS_MAX + 1) * (FACTORS_MAX + 2) / 2];
        let precision = &mut precision[..packed_len(k + 1)];
        let mut shift = [0.0; FACTORS_MAX + 1];
        self.about(item, precision, &mut shift[..=k]);
        self.is_sound &= drawn_normal(precision, &mut shift[..=k], &mut self.rng);
        self.intercepts[item] = shift[0];
        self.loadings[item * k..(item + 1) * k].copy_from_slice(&shift[1..=k]);
    }

    /// What is known of every item given all else, instead of a draw of it: means by rows, and the variance that the rest gives the
    /// latent of a person at `centre`: equation (12c).
    fn expected(&mut self, centre: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let width = self.options.factors + 1;
        let (mut means, mut unknown) = (Vec::new(), Vec::new());
        let (mut precision, mut shift, mut mean) = (vec![0.0; packed_len(width)], vec![0.0; width], vec![0.0; width]);
        let mut covariance = Vec::new();
        let mut person = centre.to_vec();
        person[0] = 1.0;
        for item in 0..self.answers.items() {
            self.about(item, &mut precision, &mut shift);
            if !cholesky(&mut precision, width) {
                self.is_sound = false;
                return (vec![0.0; width * self.answers.items()], vec![0.0; self.answers.items()]);
            }
            inverse(&precision, width, &mut covariance);
            multiply(&covariance, &shift, &mut mean);
            means.extend_from_slice(&mean);
            multiply(&covariance, &person, &mut mean);
            unknown.push(dot(&person, &mean) + diagonal(&covariance).skip(1).sum::<f64>());
        }
        (means, unknown)
    }

    /// Equations (11) and (12): slopes on the features, spreads, and how common lapse rates are.
    fn population(&mut self) {
        let p = &self.options.prior;
        let (k, items, people) = (self.options.factors, self.answers.items(), self.answers.people());
        let prior: Vec<[f64; 2]> = (0..self.slopes.len()).map(|i| slope_prior(p, i)).collect();
        let data = Regressed {
            inputs: &self.inputs,
            skip: 0,
            targets: &self.intercepts,
            stride: 1,
            variance: self.intercept_variance,
        };
        self.is_sound &= regression(&mut self.slopes, data, &prior, &mut self.rng);
        let rest: f64 = (0..items).map(|j| square(self.intercepts[j] - dot(&self.inputs[j], &self.slopes))).sum();
        self.intercept_variance = drawn_variance(p.confidence, p.intercept_spread, items, rest, &mut self.rng);
        for i in 0..k {
            let slopes = &mut self.factor_slopes[i];
            let loadings = &self.loadings[i.min(self.loadings.len())..];
            let prior = vec![[0.0, p.factor_slope]; slopes.len()];
            let variance = self.factor_variances[i];
            let data = Regressed { inputs: &self.inputs, skip: 1, targets: loadings, stride: k, variance };
            self.is_sound &= regression(slopes, data, &prior, &mut self.rng);
            let slopes = &self.factor_slopes[i];
            let rest: f64 =
                (0..items).map(|j| square(self.loadings[j * k + i] - dot(&self.inputs[j][1..], slopes))).sum();
            self.factor_variances[i] = drawn_variance(p.confidence, p.factor_spread, items, rest, &mut self.rng);
        }
        let rest: f64 = (0..people).map(|i| square(self.people[i * (k + 1)])).sum();
        self.person_variance = drawn_variance(p.confidence, p.person_spread, people, rest, &mut self.rng);
        // A Dirichlet of one for each rate.
        let mut counts = vec![1.0; self.lapse_weights.len()];
        self.lapse.iter().for_each(|&e| counts[e] += 1.0);
        for (weight, count) in self.lapse_weights.iter_mut().zip(counts) {
            *weight = gamma(count, &mut self.rng);
        }
        let total: f64 = self.lapse_weights.iter().sum();
        self.lapse_weights.iter_mut().for_each(|w| *w = (*w / total).max(1e-12));
    }

    /// The mean of `(c, theta)` with every person counting by their answers, shrunk by the prior's confidence: equation (12b).
    /// Whoever is asked on and on is one of those who answer much, not an average person.
    fn person_mean(&self) -> Vec<f64> {
        let width = self.options.factors + 1;
        let mut mean = vec![0.0; width];
        let (mut total, mut squares) = (0.0, 0.0);
        for (person, ends) in self.starts.windows(2).enumerate() {
            let n = (ends[1] - ends[0]) as f64;
            total += n;
            squares += n * n;
            add_scaled(&mut mean, n, &self.people[person * width..(person + 1) * width]);
        }
        if total == 0.0 {
            return mean;
        }
        let people = total * total / squares;
        let shrunk = people / (people + self.options.prior.confidence);
        mean.iter().map(|m| m / total * shrunk).collect()
    }

    /// Where the chain is now.
    pub(super) fn draw(&mut self) -> ItemDraw {
        let ln: Vec<f64> = self.lapse_weights.iter().map(|w| libm::log(*w)).collect();
        let rates = &self.options.lapse_rates;
        let person_mean = self.person_mean();
        let (expected, unknown) = self.expected(&person_mean);
        ItemDraw {
            intercepts: self.intercepts.clone(),
            loadings: self.loadings.clone(),
            expected,
            unknown,
            person_mean,
            person_variance: self.person_variance,
            lapse_rate: rates[drawn_from(&ln, &mut self.rng)],
            people: self.people.clone(),
            lapse_rates: self.lapse.iter().map(|&e| rates[e]).collect(),
        }
    }
}

fn square(x: f64) -> f64 {
    x * x
}

/// Mean and standard deviation of the slope of an intercept on `(1, features)`.
fn slope_prior(prior: &ItemPrior, i: usize) -> [f64; 2] {
    match i.checked_sub(1) {
        None => prior.centre,
        Some(f) => prior.slopes[f.min(prior.slopes.len() - 1)],
    }
}

/// What is regressed on what: `targets[j * stride]` on `inputs[j][skip..]`, with this variance of a target.
struct Regressed<'a> {
    inputs: &'a [Vec<f64>],
    skip: usize,
    targets: &'a [f64],
    stride: usize,
    variance: f64,
}

/// Draws the slopes of a linear regression with known variance. Says whether there are any.
fn regression(slopes: &mut [f64], data: Regressed<'_>, prior: &[[f64; 2]], rng: &mut ChaCha8Rng) -> bool {
    let Regressed { inputs, skip, targets, stride, variance } = data;
    let n = slopes.len();
    let mut precision = vec![0.0; packed_len(n)];
    let mut shift = vec![0.0; n];
    for (i, [mean, sd]) in prior.iter().enumerate() {
        precision[packed_len(i) + i] = 1.0 / (sd * sd);
        shift[i] = mean / (sd * sd);
    }
    for (f, target) in inputs.iter().zip(targets.iter().step_by(stride)) {
        rank_one(&mut precision, 1.0 / variance, &f[skip..]);
        add_scaled(&mut shift, target / variance, &f[skip..]);
    }
    let is_sound = drawn_normal(&mut precision, &mut shift, rng);
    slopes.copy_from_slice(&shift);
    is_sound
}

/// Replaces `h` by a draw of `N(P^-1 h, P^-1)`; spoils `P`. Says whether there is one: a prior's precision plus squares is
/// positive definite, unless the squares are so large that the prior's share is lost in rounding.
fn drawn_normal(precision: &mut [f64], h: &mut [f64], rng: &mut ChaCha8Rng) -> bool {
    let d = h.len();
    if !cholesky(precision, d) || !h.iter().all(|x| x.is_finite()) {
        h.fill(0.0);
        return false;
    }
    for (i, row) in rows(precision).enumerate() {
        h[i] = (h[i] - dot(&row[..i], &h[..i])) / row[i];
    }
    h.iter_mut().for_each(|x| *x += normal(rng));
    for i in (0..d).rev() {
        let row = &precision[packed_len(i)..packed_len(i) + i + 1];
        h[i] /= row[i];
        let x = h[i];
        add_scaled(&mut h[..i], -x, &row[..i]);
    }
    true
}

/// A variance given `n` residuals of total square `rest`: scaled inverse chi-squared.
fn drawn_variance(confidence: f64, spread: f64, n: usize, rest: f64, rng: &mut ChaCha8Rng) -> f64 {
    let shape = 0.5 * (confidence + n as f64);
    let scale = 0.5 * (confidence * spread * spread + rest);
    (scale / gamma(shape, rng)).clamp(1e-6, 1e6)
}

/// A gamma variable of this shape (at least 1) and scale 1: Marsaglia and Tsang 2000.
fn gamma(shape: f64, rng: &mut ChaCha8Rng) -> f64 {
    let d = shape.max(1.0) - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = 1.0 + c * x;
        let cubed = v * v * v;
        if v > 0.0 && libm::log(uniform(rng)) < 0.5 * x * x + d - d * cubed + d * libm::log(cubed) {
            return d * cubed;
        }
    }
}

/// One of several, by the logarithms of their weights.
fn drawn_from(ln: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let most = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = ln.iter().map(|l| libm::exp(l - most)).collect();
    let mut left = uniform(rng) * weights.iter().sum::<f64>();
    for (i, w) in weights.iter().enumerate() {
        left -= w;
        if left < 0.0 {
            return i;
        }
    }
    weights.len() - 1
}
