//! The population prior: the weights people have, learned from their messages (docs/people.md, section 2).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::factor::EvidenceFactor;
use crate::belief::symmetric::{add_scaled, cholesky, dot, inverse, ln_determinant, multiply, packed_len, rank_one};

/// Rounds of expectation maximisation.
pub(super) const ROUNDS: usize = 25;
/// People whose worth the prior of the covariance is, and the share of `V0` it is centred on.
const PRIOR_PEOPLE: f64 = 10.0;
const PRIOR_SHARE: f64 = 0.5;
/// The most parts that people are dealt into.
pub const PARTS_MAX: usize = 10;
/// People summed by one thread: fixed, so that sums have one order.
const CHUNK: usize = 64;

/// A Gaussian over weights at signal scale 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Mean.
    pub mean: Vec<f64>,
    /// Covariance, lower triangle by rows.
    pub covariance: Vec<f64>,
}

/// A message and what it counts for.
#[derive(Clone, Copy, Debug)]
pub struct Contribution<'a> {
    /// The message.
    pub message: &'a EvidenceFactor,
    /// `alpha`, in (0, 1].
    pub weight: f64,
}

/// `(Sigma^-1 + Lambda)^-1`, the logarithm of its inverse's determinant, and `(Sigma^-1 + Lambda)^-1 eta` of one person.
struct Person {
    covariance: Vec<f64>,
    ln_det: f64,
    pulled: Vec<f64>,
}

impl Person {
    /// `mean_q`, where `centre` is `Sigma^-1 mu`.
    fn mean(&self, centre: &[f64]) -> Vec<f64> {
        let mut own = vec![0.0; centre.len()];
        multiply(&self.covariance, centre, &mut own);
        own.iter().zip(&self.pulled).map(|(a, b)| a + b).collect()
    }
}

/// The inverse of a positive definite packed matrix, with the logarithm of its determinant. What comes in are sums of a positive
/// definite matrix and positive semidefinite ones; where the first is lost in rounding all of it is no number, which whoever
/// records a population refuses ([`super::PopulationError::Number`]).
fn inverted(packed: &[f64], d: usize) -> (Vec<f64>, f64) {
    let mut factor = packed.to_vec();
    if !cholesky(&mut factor, d) {
        return (vec![f64::NAN; packed.len()], f64::NAN);
    }
    let mut out = Vec::new();
    inverse(&factor, d, &mut out);
    (out, ln_determinant(&factor))
}

/// `A B A`, `A` and `B` symmetric and packed.
fn sandwich(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let full = |m: &[f64], i: usize, j: usize| if j <= i { m[packed_len(i) + j] } else { m[packed_len(j) + i] };
    let columns: Vec<Vec<f64>> = (0..d)
        .map(|j| {
            let column: Vec<f64> = (0..d).map(|i| full(a, i, j)).collect();
            let mut out = vec![0.0; d];
            multiply(b, &column, &mut out);
            out
        })
        .collect();
    let mut out = vec![0.0; packed_len(d)];
    for i in 0..d {
        let row: Vec<f64> = (0..d).map(|k| full(a, i, k)).collect();
        for j in 0..=i {
            out[packed_len(i) + j] = dot(&row, &columns[j]);
        }
    }
    out
}

/// Equation (4) without the population's mean, everyone in parallel.
fn people(from: &[Contribution<'_>], precision: &[f64], d: usize) -> Vec<Person> {
    from.par_iter()
        .with_min_len(CHUNK)
        .map(|c| {
            let mut total = precision.to_vec();
            add_scaled(&mut total, 1.0, &c.message.precision);
            let (covariance, ln_det) = inverted(&total, d);
            let mut pulled = vec![0.0; d];
            multiply(&covariance, &c.message.shift, &mut pulled);
            Person { covariance, ln_det, pulled }
        })
        .collect()
}

/// `share V0`, packed.
fn share(variances: &[f64], share: f64) -> Vec<f64> {
    let mut packed = vec![0.0; packed_len(variances.len())];
    (0..variances.len()).for_each(|i| packed[packed_len(i) + i] = variances[i] * share);
    packed
}

/// A Gaussian while it is fitted.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    pub(super) mean: Vec<f64>,
    /// `Sigma`.
    pub(super) covariance: Vec<f64>,
    /// Covariance of what is unknown of the mean.
    pub(super) unknown: Vec<f64>,
}

/// Everyone as a fitted Gaussian sees them: equation (4).
pub(super) struct Seen {
    precision: Vec<f64>,
    people: Vec<Person>,
    centre: Vec<f64>,
    /// `ln |Sigma|` and `mu' Sigma^-1 mu`.
    constant: f64,
}

impl Fitted {
    /// Where expectation maximisation starts.
    pub(super) fn start(variances: &[f64]) -> Self {
        let (mean, covariance) = (vec![0.0; variances.len()], share(variances, PRIOR_SHARE));
        Self { mean, covariance, unknown: share(variances, 1.0) }
    }

    pub(super) fn see(&self, from: &[Contribution<'_>]) -> Seen {
        let d = self.mean.len();
        let (precision, ln_det) = inverted(&self.covariance, d);
        let mut centre = vec![0.0; d];
        multiply(&precision, &self.mean, &mut centre);
        let constant = ln_det + dot(&self.mean, &centre);
        Seen { people: people(from, &precision, d), precision, centre, constant }
    }

    /// Equation (5) with what each person counts for in `weights`: a new mean, and a new covariance where `spread` says so.
    pub(super) fn step(&mut self, seen: Seen, weights: &[f64], variances: &[f64], spread: bool) {
        let d = variances.len();
        let Seen { precision, people, .. } = seen;
        let total: f64 = weights.iter().sum();
        let (mut summed, mut pulled) = (vec![0.0; packed_len(d)], vec![0.0; d]);
        for (weight, p) in weights.iter().zip(&people) {
            add_scaled(&mut summed, *weight, &p.covariance);
            add_scaled(&mut pulled, *weight, &p.pulled);
        }
        // sum alpha (Sigma + Lambda^-1)^-1 = alpha Sigma^-1 - Sigma^-1 (sum alpha P) Sigma^-1, and no message is inverted.
        let mut known: Vec<f64> = sandwich(&precision, &summed, d).iter().map(|x| -x).collect();
        add_scaled(&mut known, total, &precision);
        (0..d).for_each(|i| known[packed_len(i) + i] += 1.0 / variances[i]);
        self.unknown = inverted(&known, d).0;
        let mut shift = vec![0.0; d];
        multiply(&precision, &pulled, &mut shift);
        multiply(&self.unknown, &shift, &mut self.mean);
        if !spread {
            return;
        }
        let mut centre = vec![0.0; d];
        multiply(&precision, &self.mean, &mut centre);
        let mut scatter = share(variances, PRIOR_SHARE * PRIOR_PEOPLE);
        add_scaled(&mut scatter, 1.0, &summed);
        let mean = &self.mean;
        let apart: Vec<Vec<f64>> = people
            .par_iter()
            .with_min_len(CHUNK)
            .map(|p| p.mean(&centre).iter().zip(mean).map(|(a, m)| a - m).collect())
            .collect();
        for (weight, apart) in weights.iter().zip(&apart) {
            rank_one(&mut scatter, *weight, apart);
        }
        scatter.iter_mut().for_each(|x| *x /= PRIOR_PEOPLE + total);
        self.covariance = scatter;
    }

    /// What others receive: equation (6).
    pub(super) fn moments(&self) -> Moments {
        let mut covariance = self.covariance.clone();
        add_scaled(&mut covariance, 1.0, &self.unknown);
        Moments { mean: self.mean.clone(), covariance }
    }
}

impl Seen {
    /// `mean_q` of everyone.
    pub(super) fn means(&self) -> Vec<Vec<f64>> {
        self.people.par_iter().with_min_len(CHUNK).map(|p| p.mean(&self.centre)).collect()
    }

    /// `ln` of the evidence of everyone's message, up to what is the same under every Gaussian.
    pub(super) fn evidence(&self, from: &[Contribution<'_>]) -> Vec<f64> {
        let one = |(c, p): (&Contribution<'_>, &Person)| {
            let pull: Vec<f64> = self.centre.iter().zip(&c.message.shift).map(|(a, b)| a + b).collect();
            0.5 * (dot(&p.mean(&self.centre), &pull) - self.constant - p.ln_det)
        };
        from.par_iter().zip(&self.people).with_min_len(CHUNK).map(one).collect()
    }
}

/// Learns one Gaussian from messages: equations (4) to (6). `variances` is the diagonal of `V0`. Nobody at all gives
/// `N(0, V0)` widened by what is unknown of its mean.
pub fn learn(from: &[Contribution<'_>], variances: &[f64]) -> Moments {
    fitted(from, variances, ROUNDS).moments()
}

pub(super) fn fitted(from: &[Contribution<'_>], variances: &[f64], rounds: usize) -> Fitted {
    let weights: Vec<f64> = from.iter().map(|c| c.weight).collect();
    let mut fitted = Fitted::start(variances);
    for round in 0..=rounds {
        fitted.step(fitted.see(from), &weights, variances, round < rounds);
    }
    fitted
}

impl Moments {
    /// `ln` of the evidence of a message under this Gaussian, less that under the reference `N(0, diag(variances))`: what the
    /// population predicts of a person it has not seen.
    pub fn advantage(&self, message: &EvidenceFactor, variances: &[f64]) -> f64 {
        let d = variances.len();
        let under = |precision: &[f64], ln_det_precision: f64, shift: &[f64], constant: f64| {
            let mut total = precision.to_vec();
            add_scaled(&mut total, 1.0, &message.precision);
            let (covariance, ln_det) = inverted(&total, d);
            let pulled: Vec<f64> = shift.iter().zip(&message.shift).map(|(a, b)| a + b).collect();
            let mut mean = vec![0.0; d];
            multiply(&covariance, &pulled, &mut mean);
            0.5 * (dot(&mean, &pulled) - constant + ln_det_precision - ln_det)
        };
        let (precision, ln_det) = inverted(&self.covariance, d);
        let mut shift = vec![0.0; d];
        multiply(&precision, &self.mean, &mut shift);
        let ours = under(&precision, -ln_det, &shift, dot(&self.mean, &shift));
        let mut flat = vec![0.0; packed_len(d)];
        (0..d).for_each(|i| flat[packed_len(i) + i] = 1.0 / variances[i]);
        let ln_det: f64 = variances.iter().map(|v| -libm::log(*v)).sum();
        ours - under(&flat, ln_det, &vec![0.0; d], 0.0)
    }
}

/// Which part each of `n` people, in order, is dealt into, and how many parts there are.
pub fn parts(n: usize) -> (Vec<usize>, usize) {
    let parts = n.min(PARTS_MAX);
    ((0..n).map(|i| i % parts.max(1)).collect(), parts)
}

/// How far the population's mean moves, in its own standard deviations, when some contributions are taken out: the influence
/// of each set of places, with the population's spread as it is: equation (20).
pub fn pulls(from: &[Contribution<'_>], learned: &Moments, variances: &[f64], sets: &[Vec<usize>]) -> Vec<f64> {
    let d = variances.len();
    let (precision, _) = inverted(&learned.covariance, d);
    let each = people(from, &precision, d);
    let parts = |places: &mut dyn Iterator<Item = usize>| -> (Vec<f64>, Vec<f64>) {
        let (mut summed, mut pulled, mut total) = (vec![0.0; packed_len(d)], vec![0.0; d], 0.0);
        for i in places {
            add_scaled(&mut summed, from[i].weight, &each[i].covariance);
            add_scaled(&mut pulled, from[i].weight, &each[i].pulled);
            total += from[i].weight;
        }
        let mut known: Vec<f64> = sandwich(&precision, &summed, d).iter().map(|x| -x).collect();
        add_scaled(&mut known, total, &precision);
        let mut shift = vec![0.0; d];
        multiply(&precision, &pulled, &mut shift);
        (known, shift)
    };
    let solved = |known: &[f64], shift: &[f64]| -> Vec<f64> {
        let mut known = known.to_vec();
        (0..d).for_each(|i| known[packed_len(i) + i] += 1.0 / variances[i]);
        let mut mean = vec![0.0; d];
        multiply(&inverted(&known, d).0, shift, &mut mean);
        mean
    };
    let (known, shift) = parts(&mut (0..from.len()));
    let all = solved(&known, &shift);
    sets.iter()
        .map(|set| {
            let (less, gone) = parts(&mut set.iter().copied());
            let known: Vec<f64> = known.iter().zip(&less).map(|(a, b)| a - b).collect();
            let shift: Vec<f64> = shift.iter().zip(&gone).map(|(a, b)| a - b).collect();
            let apart: Vec<f64> = solved(&known, &shift).iter().zip(&all).map(|(a, b)| b - a).collect();
            let mut pulled = vec![0.0; d];
            multiply(&precision, &apart, &mut pulled);
            dot(&apart, &pulled).max(0.0).sqrt()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::belief::Settings;
    use crate::belief::simulate::normal;
    use crate::population::factor::simulated;

    const D: usize = 3;

    /// A person of signal scale `scale` around `(1, -0.5, 0)`, by what they answered to `n` questions.
    fn message(scale: f64, n: usize, rng: &mut ChaCha8Rng) -> EvidenceFactor {
        let centre = [1.0, -0.5, 0.0];
        let weights = centre.iter().map(|c| scale * (c + 0.3 * normal(rng))).collect();
        simulated(&Settings::default(), weights, n, rng)
    }

    #[test]
    fn a_population_is_learned_and_few_people_teach_little() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let messages: Vec<EvidenceFactor> =
            (0..60).map(|i| message(if i % 2 == 0 { 1.5 } else { 4.0 }, 30, &mut rng)).collect();
        let from: Vec<Contribution<'_>> =
            messages.iter().map(|message| Contribution { message, weight: 1.0 }).collect();
        let all = learn(&from, &[1.0; D]);
        // Scales are only known up to the grid, so the direction is what is tested.
        let direction = all.mean[1] / all.mean[0];
        assert!((direction + 0.5).abs() < 0.15 && all.mean[2].abs() < 0.15, "{all:?}");
        let (two, none) = (learn(&from[..2], &[1.0; D]), learn(&[], &[1.0; D]));
        assert_eq!(none.mean, [0.0; D]);
        assert!((none.covariance[0] - (PRIOR_SHARE + 1.0)).abs() < 1e-9);
        assert!(two.covariance[0] > all.covariance[0] && two.mean[0].abs() < all.mean[0].abs());
        // One person may fall nearer to the two; of forty the mean is what was learned.
        let unseen: Vec<EvidenceFactor> = (0..40).map(|_| message(1.5, 30, &mut rng)).collect();
        let advantage = |of: &Moments| unseen.iter().map(|m| of.advantage(m, &[1.0; D])).sum::<f64>() / 40.0;
        assert!(advantage(&all) > advantage(&two), "{} {}", advantage(&all), advantage(&two));
        assert!(advantage(&all) > 0.0);
    }

    #[test]
    fn what_a_person_receives_has_the_same_bits_whatever_they_answered() {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        let mut messages: Vec<EvidenceFactor> = (0..5).map(|_| message(2.0, 20, &mut rng)).collect();
        let receive = |messages: &[EvidenceFactor], person: usize| {
            let from: Vec<&EvidenceFactor> = messages.iter().collect();
            let (part_of, count) = parts(from.len());
            assert_eq!(count, 5, "five people are left out one by one");
            crate::population::consolidate(&from, &|places| vec![1.0; places.len()], &[1.0; D], &mut || ()).without
                [part_of[person]]
                .clone()
        };
        for person in 0..5 {
            let before = receive(&messages, person);
            let own = std::mem::replace(&mut messages[person], message(5.0, 40, &mut rng));
            assert_eq!(receive(&messages, person), before);
            messages[person] = own;
            let other = std::mem::replace(&mut messages[(person + 1) % 5], message(5.0, 40, &mut rng));
            assert_ne!(receive(&messages, person), before, "others do count");
            messages[(person + 1) % 5] = other;
        }
    }

    #[test]
    fn a_fickle_person_moves_the_population_less() {
        let mut rng = ChaCha8Rng::seed_from_u64(13);
        let mut messages: Vec<EvidenceFactor> = (0..8).map(|_| message(2.0, 30, &mut rng)).collect();
        messages.push(message(0.0, 30, &mut rng));
        let from: Vec<Contribution<'_>> =
            messages.iter().map(|message| Contribution { message, weight: 1.0 }).collect();
        let all = learn(&from, &[1.0; D]);
        let sets: Vec<Vec<usize>> = (0..9).map(|i| vec![i]).collect();
        let pulls = pulls(&from, &all, &[1.0; D], &sets);
        let trace = |m: &EvidenceFactor| crate::belief::symmetric::diagonal(&m.precision).sum::<f64>();
        let steady: f64 = messages[..8].iter().map(trace).sum::<f64>() / 8.0;
        assert!(trace(&messages[8]) < 0.7 * steady, "{} {steady}", trace(&messages[8]));
        assert!(pulls.iter().all(|p| p.is_finite() && *p >= 0.0));
    }
    /// Numbers in whose rounding the prior is lost give no numbers, which nobody records; they give no panic.
    #[test]
    fn a_prior_that_is_lost_in_rounding_is_no_panic() {
        let message = EvidenceFactor { precision: vec![1e300; packed_len(D)], shift: vec![1e300; D], answers: 3 };
        let from = [Contribution { message: &message, weight: 1.0 }, Contribution { message: &message, weight: 0.5 }];
        for variance in [1e-310, 1e-300, 1e300] {
            let learned = learn(&from, &[variance; D]);
            let sets = [vec![0], vec![1]];
            assert_eq!(pulls(&from, &learned, &[variance; D], &sets).len(), 2);
        }
    }
}
