//! A made-up question bank of the shape a session has, and people who answer at random or by values, for convergence curves.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::question::Question;
use super::simulate::{Person, below, normal, normals};
use super::{BeliefError, Location, LocationName, Mixture, Priors, Settings, expected_information_gain};

const SCHEMA: usize = 16;
const TEXT: usize = 4;
/// 16 schema values, 4 text features, the judgement, two constants.
pub const DIMENSION: usize = SCHEMA + TEXT + 3;

/// A bank of pairs with zero and elicited priors normalised on it as docs/belief.md, section 2, says.
#[derive(Clone, Debug)]
pub struct Bank {
    /// `phi1 - phi2` of each pair.
    pub differences: Vec<Vec<f64>>,
    /// Zero and elicited.
    pub priors: Priors,
}

impl Bank {
    /// `pairs` pairs whose schema features share a common factor, as readings of one model do.
    pub fn new(pairs: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let differences: Vec<Vec<f64>> = (0..pairs)
            .map(|_| {
                let common = normal(&mut rng);
                let mut a: Vec<f64> = (0..SCHEMA).map(|_| 0.6 * common + 0.8 * normal(&mut rng)).collect();
                a.extend(normals(TEXT + 1, &mut rng));
                a.extend([0.0, 0.0]);
                a
            })
            .collect();
        let mut variances = [1.0; DIMENSION];
        for (block, share) in [(0..SCHEMA, 0.7), (SCHEMA..SCHEMA + TEXT, 0.15), (SCHEMA + TEXT..DIMENSION - 2, 0.15)] {
            let square = |a: &Vec<f64>| a[block.clone()].iter().map(|x| x * x).sum::<f64>();
            let mean = differences.iter().map(square).sum::<f64>() / pairs as f64;
            variances[block].fill(share / mean);
        }
        // The model values what it values: half of a typical difference is its mean.
        let mut mean: Vec<f64> = variances.iter().map(|v| v.sqrt() * normal(&mut rng)).collect();
        mean[DIMENSION - 2..].fill(0.0);
        let explained = |a: &Vec<f64>| a.iter().zip(&mean).map(|(a, m)| a * m).sum::<f64>().powi(2);
        let typical = differences.iter().map(explained).sum::<f64>() / pairs as f64;
        mean.iter_mut().for_each(|m| *m *= (0.5 / typical).sqrt());
        let diagonal = |scale: f64| {
            let mut packed = Vec::new();
            for (i, v) in variances.iter().enumerate() {
                packed.extend((0..=i).map(|j| {
                    if i != j {
                        0.0
                    } else if i >= DIMENSION - 2 {
                        *v
                    } else {
                        scale * v
                    }
                }));
            }
            packed
        };
        let locations = vec![
            Location { name: LocationName::Zero, mean: vec![0.0; DIMENSION], covariance: diagonal(1.0) },
            Location { name: LocationName::Elicited, mean, covariance: diagonal(0.5) },
        ];
        let scaled = (0..DIMENSION).map(|i| i < DIMENSION - 2).collect();
        Self { differences, priors: Priors { locations, scaled, lattices: Vec::new(), component_masses: Vec::new() } }
    }

    /// The pair of greatest information gain among those not asked; the first of equals.
    fn next(&self, belief: &Mixture, asked: &[bool], offered: bool) -> usize {
        let open: Vec<usize> = (0..self.differences.len()).filter(|&i| !asked[i]).collect();
        let questions: Vec<Question> =
            open.iter().map(|&i| Question::choice(self.differences[i].clone(), offered)).collect();
        let gains = expected_information_gain(belief, &questions);
        open[(0..open.len()).fold(0, |best, i| if gains[i] > gains[best] { i } else { best })]
    }
}

/// How a simulated person answers a bank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answers {
    /// Any offered outcome with equal probability.
    AtRandom,
    /// By weights drawn from the zero prior at this signal scale, lapse rate .02, band .3.
    Consistent(f64),
}

/// What was believed of one person after some number of answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Answers so far.
    pub answers: usize,
    /// Mass on low signal.
    pub low_signal: f64,
    /// Correlation of the believed mean with the true schema weights; 0 for random answers.
    pub agreement: f64,
    /// Mean width of the 90% intervals of the schema weights, relative to the first one recorded.
    pub width: f64,
}

/// Asks one person the questions of greatest information gain, and says what was believed after each of `counts` answers
/// (0 first makes widths relative to the prior).
///
/// # Errors
/// As [`Mixture::new`].
pub fn converge(
    bank: &Bank,
    settings: &Settings,
    answers: Answers,
    offered: bool,
    counts: &[usize],
    seed: u64,
) -> Result<Vec<Moment>, BeliefError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let zero = &bank.priors.locations[0];
    let weights: Vec<f64> = match answers {
        Answers::AtRandom => vec![0.0; DIMENSION],
        Answers::Consistent(sigma) => {
            super::symmetric::diagonal(&zero.covariance).map(|v| sigma * v.sqrt() * normal(&mut rng)).collect()
        }
    };
    let mut person = Person::new(weights.clone(), 0.02, 0.3, settings);
    let mut belief = Mixture::new(settings, &bank.priors)?;
    let mut asked = vec![false; bank.differences.len()];
    let mut moments = Vec::new();
    let mut first_width = None;
    for number in 0..=counts.iter().copied().max().unwrap_or(0) {
        if counts.contains(&number) {
            let mean = belief.mean();
            let width = (0..SCHEMA)
                .map(|i| {
                    let (lo, hi) = belief.weight(i).interval(0.9);
                    hi - lo
                })
                .sum::<f64>();
            let first = *first_width.get_or_insert(width);
            moments.push(Moment {
                answers: number,
                low_signal: belief.low_signal_mass(),
                agreement: correlation(&mean[..SCHEMA], &weights[..SCHEMA]),
                width: width / first,
            });
        }
        if asked.iter().all(|a| *a) {
            break;
        }
        let pick = bank.next(&belief, &asked, offered);
        asked[pick] = true;
        let question = Question::choice(bank.differences[pick].clone(), offered);
        let outcome = match answers {
            Answers::AtRandom => below(question.outcome_count(), &mut rng),
            Answers::Consistent(_) => person.answer(&question, &mut rng)?,
        };
        belief.observe(&question.answer(outcome))?;
    }
    Ok(moments)
}

/// [`converge`] for many seeds, each with its own bank of `pairs` pairs.
///
/// # Errors
/// As [`converge`].
pub fn converge_many(
    settings: &Settings,
    answers: Answers,
    offered: bool,
    pairs: usize,
    counts: &[usize],
    seeds: std::ops::Range<u64>,
) -> Result<Vec<Vec<Moment>>, BeliefError> {
    seeds
        .into_par_iter()
        .map(|seed| converge(&Bank::new(pairs, seed), settings, answers, offered, counts, seed ^ 0x5eed_0000))
        .collect()
}

/// Mean, and its 95% interval by the normal approximation.
pub fn mean_and_interval(values: &[f64]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = 1.96 * (variance / n).sqrt();
    (mean, mean - half, mean + half)
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let xy: f64 = x.iter().zip(y).map(|(a, b)| a * b).sum();
    let (xx, yy) = (x.iter().map(|a| a * a).sum::<f64>(), y.iter().map(|a| a * a).sum::<f64>());
    if xx > 0.0 && yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}
