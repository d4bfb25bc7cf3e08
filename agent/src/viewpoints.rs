//! Viewpoints: from two works to how each reader would choose between them and where readers differ, and from readers' verdicts
//! back to what the works are like.
//!
//! A *work* is whatever a pack's questions set side by side: passages of prose, acts. Both directions use what is believed of each
//! reader; neither changes it.

use credence_memory::belief::simulate::{below, normal, uniform};
use credence_memory::belief::{Channel, Functional, Mixture, Question, normal::cdf};
use credence_memory::observation::Features;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

/// Level of the intervals.
pub const LEVEL: f64 = 0.9;
/// Ways in which two works may differ that are followed at once.
const PARTICLES: usize = 2_048;
/// Steps of a walk after each resampling, and their size beside the cloud's.
const MOVES: usize = 3;
const STEP: f64 = 0.5;
/// Hypotheses under which a verdict is foreseen, the likeliest: works are inferred from many readers, each roughly.
const HYPOTHESES: usize = 8;
/// Standard deviation of what is added to a drawn difference, key points: works differ in more ways than a bank's.
const JITTER: f64 = 0.5;

/// How a reader is expected to choose between two works.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// Probability of the first, if one of the two must be chosen; slips and noise included.
    pub first: f64,
    /// 90% interval of that probability as the reader's weights may be, slips left out.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// What each value adds to the first work's utility less the second's, at the mean of the weights, noise units.
    pub by_value: Vec<f64>,
}

/// How a reader is expected to choose between two works that differ by `difference`, of which the first `values` entries are keys.
pub fn expected(belief: &Mixture, difference: &Features, values: usize) -> Expected {
    let utility: Functional = belief.functional(&difference.mean);
    let (low, high) = utility.interval(LEVEL);
    let weights = belief.mean();
    Expected {
        first: belief.predict(&comparison(difference, false))[0],
        low: cdf(low),
        high: cdf(high),
        by_value: weights.iter().zip(&difference.mean).take(values).map(|(w, d)| w * d).collect(),
    }
}

/// The values over which readers differ most about two works, the first most: by the variance over readers of what each adds.
/// Values that add the same for everybody are left out.
pub fn divided_by(all: &[Expected]) -> Vec<usize> {
    let values = all.first().map_or(0, |e| e.by_value.len());
    let variance = |value: usize| {
        let n = all.len() as f64;
        let mean = all.iter().map(|e| e.by_value[value]).sum::<f64>() / n;
        all.iter().map(|e| (e.by_value[value] - mean) * (e.by_value[value] - mean)).sum::<f64>() / n
    };
    let mut order: Vec<(usize, f64)> = (0..values).map(|v| (v, variance(v))).filter(|(_, x)| *x > 0.0).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.into_iter().map(|(value, _)| value).collect()
}

/// What a reader said of two works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first is better.
    First,
    /// The second is.
    Second,
    /// Neither.
    Neither,
}

/// In which values two works differ, from readers' verdicts alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inferred {
    /// The first work's key less the second's, by value: posterior mean, key points.
    pub mean: Vec<f64>,
    /// Lower ends of 90% intervals.
    pub low: Vec<f64>,
    /// Upper ends.
    pub high: Vec<f64>,
    /// Probability that the first has more of the value.
    pub more: Vec<f64>,
}

/// Infers in which values two works differ. Before any verdict they differ as two works of the bank do: `differences` are those of a
/// bank's pairs, key points, and either order is as likely. Readers are taken to judge independently, given the works and themselves.
///
/// `width` is the length of feature vectors. By sequential Monte Carlo, a verdict at a time; work grows with particles times verdicts.
/// The same seed gives the same bits.
///
/// # Panics
/// If `differences` is empty, or longer than `width`.
pub fn infer(differences: &[Vec<f64>], width: usize, verdicts: &[(&Mixture, Verdict)], seed: u64) -> Inferred {
    assert!(!differences.is_empty(), "a prior needs a pair of the bank");
    assert!(differences[0].len() <= width, "keys are features");
    let prior = Kernels(differences);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cloud: Vec<Particle> = (0..PARTICLES).map(|_| Particle::of(prior.draw(&mut rng))).collect();
    for (k, verdict) in verdicts.iter().enumerate() {
        cloud.par_iter_mut().for_each(|particle| {
            let ln = ln_probability(&particle.keys, width, verdict);
            particle.ln_likelihood += ln;
            particle.ln_weight += ln;
        });
        if effective(&cloud) < PARTICLES as f64 / 2.0 {
            let step = spread(&cloud).into_iter().map(|sd| STEP * sd).collect::<Vec<f64>>();
            cloud = resampled(&cloud, uniform(&mut rng));
            for _ in 0..MOVES {
                moved(&mut cloud, &prior, width, &verdicts[..=k], &step, &mut rng);
            }
        }
    }
    summed(&cloud)
}

/// Differences of works as a bank has them, in either order, with a little added to each value: a density of normal kernels.
struct Kernels<'a>(&'a [Vec<f64>]);

impl Kernels<'_> {
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let of = &self.0[below(self.0.len(), rng)];
        let sign = if below(2, rng) == 0 { 1.0 } else { -1.0 };
        of.iter().map(|key| sign * key + JITTER * normal(rng)).collect()
    }

    /// Log density, but for a constant.
    fn ln_density(&self, keys: &[f64]) -> f64 {
        let kernel = |of: &Vec<f64>, sign: f64| {
            let squares: f64 = of.iter().zip(keys).map(|(a, b)| (sign * a - b) * (sign * a - b)).sum();
            (-squares / (2.0 * JITTER * JITTER)).exp()
        };
        self.0.iter().map(|of| kernel(of, 1.0) + kernel(of, -1.0)).sum::<f64>().max(f64::MIN_POSITIVE).ln()
    }
}

/// One way in which the works may differ.
#[derive(Debug, Clone)]
struct Particle {
    keys: Vec<f64>,
    /// Of all verdicts so far.
    ln_likelihood: f64,
    /// Since it was last resampled.
    ln_weight: f64,
}

impl Particle {
    fn of(keys: Vec<f64>) -> Self {
        Self { keys, ln_likelihood: 0.0, ln_weight: 0.0 }
    }
}

/// Weights that sum to one.
fn weights(cloud: &[Particle]) -> Vec<f64> {
    let top = cloud.iter().map(|p| p.ln_weight).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = cloud.iter().map(|p| (p.ln_weight - top).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

fn effective(cloud: &[Particle]) -> f64 {
    1.0 / weights(cloud).iter().map(|w| w * w).sum::<f64>()
}

/// Standard deviation of each value's key over the cloud.
fn spread(cloud: &[Particle]) -> Vec<f64> {
    let weights = weights(cloud);
    let over = |of: &dyn Fn(&Particle) -> f64| cloud.iter().zip(&weights).map(|(p, w)| w * of(p)).sum::<f64>();
    (0..cloud[0].keys.len())
        .map(|v| {
            let mean = over(&|p| p.keys[v]);
            over(&|p| (p.keys[v] - mean) * (p.keys[v] - mean)).sqrt()
        })
        .collect()
}

/// As many particles, each as often as its weight says: at even steps from one random beginning.
fn resampled(cloud: &[Particle], start: f64) -> Vec<Particle> {
    let weights = weights(cloud);
    let n = cloud.len();
    let (mut sum, mut at) = (weights[0], 0);
    (0..n)
        .map(|i| {
            let wanted = (i as f64 + start) / n as f64;
            while sum < wanted && at + 1 < n {
                at += 1;
                sum += weights[at];
            }
            Particle { ln_weight: 0.0, ..cloud[at].clone() }
        })
        .collect()
}

/// One step of Metropolis's walk of every particle, which leaves the posterior of the verdicts so far as it is.
fn moved(
    cloud: &mut [Particle],
    prior: &Kernels<'_>,
    width: usize,
    verdicts: &[(&Mixture, Verdict)],
    step: &[f64],
    rng: &mut ChaCha8Rng,
) {
    let tried: Vec<(Vec<f64>, f64)> = cloud
        .iter()
        .map(|p| (p.keys.iter().zip(step).map(|(x, sd)| x + sd * normal(rng)).collect(), uniform(rng)))
        .collect();
    cloud.par_iter_mut().zip(tried).for_each(|(particle, (keys, chance))| {
        let ln_likelihood: f64 = verdicts.iter().map(|verdict| ln_probability(&keys, width, verdict)).sum();
        let gain = ln_likelihood + prior.ln_density(&keys) - particle.ln_likelihood - prior.ln_density(&particle.keys);
        if chance.ln() < gain {
            (particle.keys, particle.ln_likelihood) = (keys, ln_likelihood);
        }
    });
}

fn summed(cloud: &[Particle]) -> Inferred {
    let weights = weights(cloud);
    let mut inferred = Inferred { mean: vec![], low: vec![], high: vec![], more: vec![] };
    for value in 0..cloud[0].keys.len() {
        let mut marginal: Vec<(f64, f64)> = cloud.iter().zip(&weights).map(|(p, w)| (p.keys[value], *w)).collect();
        marginal.sort_by(|a, b| a.0.total_cmp(&b.0));
        inferred.mean.push(marginal.iter().map(|(x, w)| x * w).sum());
        inferred.low.push(quantile(&marginal, (1.0 - LEVEL) / 2.0));
        inferred.high.push(quantile(&marginal, (1.0 + LEVEL) / 2.0));
        inferred.more.push(marginal.iter().filter(|(x, _)| *x > 0.0).map(|(_, w)| w).sum());
    }
    inferred
}

/// Log probability of a verdict if two works differ by `keys`.
fn ln_probability(keys: &[f64], width: usize, (belief, verdict): &(&Mixture, Verdict)) -> f64 {
    let mut mean = keys.to_vec();
    mean.resize(width, 0.0);
    let difference = Features { mean, error: vec![0.0; width] };
    let all = belief.predict_roughly(&comparison(&difference, *verdict == Verdict::Neither), HYPOTHESES);
    let probability = match verdict {
        Verdict::First => all[0],
        Verdict::Second => all[1],
        Verdict::Neither => all[2],
    };
    probability.max(f64::MIN_POSITIVE).ln()
}

fn quantile(sorted: &[(f64, f64)], p: f64) -> f64 {
    let mut sum = 0.0;
    for (x, weight) in sorted {
        sum += weight;
        if sum >= p {
            return *x;
        }
    }
    sorted.last().map_or(0.0, |(x, _)| *x)
}

fn comparison(difference: &Features, indifference_offered: bool) -> Question {
    Question::Comparison {
        difference: difference.mean.clone(),
        error: difference.error.clone(),
        indifference_offered,
        channel: Channel::Choice,
        misreading: 0.0,
        question: None,
    }
}

#[cfg(test)]
mod tests {
    use credence_memory::belief::{Preference, Settings};
    use credence_memory::ids::ValueId;
    use credence_memory::layout::Layout;
    use credence_memory::prior::priors;

    use super::*;

    /// A reader for whom the value at `place` alone counts, after many answers.
    fn reader(layout: &Layout, place: usize) -> Mixture {
        let mut belief = Mixture::new(&Settings::default(), &priors(layout, None, &[])).unwrap();
        for (k, other) in (0..30).map(|k| (k, (place + 1 + k % 2) % 3)) {
            let mut difference = vec![0.0; layout.width()];
            difference[place] = 2.0;
            difference[other] = -1.5;
            let sign = if k % 3 == 0 { -1.0 } else { 1.0 };
            let said = if k % 3 == 0 { Preference::Second } else { Preference::First };
            let question = Question::choice(difference.iter().map(|x| sign * x).collect(), false);
            belief.learn([(&question.answered(said), Vec::new())]).unwrap();
        }
        belief
    }

    fn three() -> Layout {
        Layout::of_values(["clarity", "warmth", "wit"].map(|v| ValueId::new(v).unwrap()).to_vec())
    }

    #[test]
    fn readers_who_care_for_different_things_are_told_apart_and_by_what() {
        let layout = three();
        let mut mean = vec![0.0; layout.width()];
        (mean[0], mean[1]) = (2.0, -2.0);
        let difference = Features { error: vec![0.0; layout.width()], mean };
        let all = [0, 1].map(|place| expected(&reader(&layout, place), &difference, 3));
        assert!(all[0].first > 0.8 && all[1].first < 0.2, "{all:?}");
        for one in &all {
            assert!(one.low < one.high && (0.0..=1.0).contains(&one.low) && one.high <= 1.0, "{one:?}");
        }
        let by = divided_by(&all);
        assert_eq!(by.len(), 2, "wit is at stake for nobody: {by:?}");
        assert!(!by.contains(&2));
    }

    #[test]
    fn verdicts_of_known_readers_say_what_a_work_is_like() {
        let layout = three();
        let readers = [0, 1, 2].map(|place| reader(&layout, place));
        let bank: Vec<Vec<f64>> = (0..3)
            .flat_map(|i| (0..3).filter(move |j| *j != i).map(move |j| (i, j)))
            .map(|(i, j)| {
                (0..3).map(|k| f64::from(u8::from(k == i)) * 2.0 - f64::from(u8::from(k == j)) * 2.0).collect()
            })
            .collect();
        // Whoever reads for clarity takes the first, whoever reads for wit the second.
        let verdicts = [(&readers[0], Verdict::First), (&readers[2], Verdict::Second), (&readers[1], Verdict::Neither)];
        let inferred = infer(&bank, layout.width(), &verdicts, 1);
        assert!(inferred.mean[0] > 0.8 && inferred.mean[2] < -0.8, "{inferred:?}");
        assert!(inferred.more[0] > 0.9 && inferred.more[2] < 0.1, "{inferred:?}");
        assert!(inferred.low[0] < inferred.mean[0] && inferred.mean[0] < inferred.high[0]);
        assert_eq!(inferred, infer(&bank, layout.width(), &verdicts, 1), "the same seed, the same bits");
        // Without a verdict nothing is known of which has more.
        let nothing = infer(&bank, layout.width(), &[], 1);
        assert!(nothing.more.iter().all(|p| (p - 0.5).abs() < 0.05), "{nothing:?}");
    }
}
