//! People who answer exactly as the model of docs/belief.md says, and whether belief about them is calibrated.
//!
//! Used by the tests in their short form and by `credence eval calibration` in the long one. Every number comes from the
//! generator that is passed in.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::normal::quantile;
use super::observation::{Channel, Observation, Question, QuestionKey};
use super::{BeliefError, Location, LocationName, Mixture, Priors, Settings, interval::Outcomes};

/// Uniform in (0, 1).
pub fn uniform(rng: &mut impl Rng) -> f64 {
    ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Standard normal.
pub fn normal(rng: &mut impl Rng) -> f64 {
    quantile(uniform(rng))
}

/// Standard normal entries.
pub fn normals(n: usize, rng: &mut impl Rng) -> Vec<f64> {
    (0..n).map(|_| normal(rng)).collect()
}

/// One of `n`.
pub fn below(n: usize, rng: &mut impl Rng) -> usize {
    ((uniform(rng) * n as f64) as usize).min(n - 1)
}

/// A person with weights in noise units who answers by the likelihoods of docs/belief.md, section 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// `w`.
    pub weights: Vec<f64>,
    /// `eps`.
    pub lapse_rate: f64,
    /// `delta`.
    pub band: f64,
    /// `kappa`.
    pub indirect_scale: f64,
    /// `rho`.
    pub residual_share: f64,
    /// What stays the same when a question is asked again.
    remembered: Vec<(QuestionKey, f64)>,
}

impl Person {
    /// A person under the constants of `settings`.
    pub fn new(weights: Vec<f64>, lapse_rate: f64, band: f64, settings: &Settings) -> Self {
        Self {
            weights,
            lapse_rate,
            band,
            indirect_scale: settings.indirect_scale,
            residual_share: settings.residual_share,
            remembered: Vec::new(),
        }
    }

    /// The number of the outcome this person answers with.
    ///
    /// # Errors
    /// A question that does not fit the weights.
    pub fn answer(&mut self, question: &Question, rng: &mut impl Rng) -> Result<usize, BeliefError> {
        question.check(self.weights.len())?;
        let count = question.outcome_count();
        let misreading = match question {
            Question::Comparison { misreading, .. }
            | Question::Importance { misreading, .. }
            | Question::Graded { misreading, .. } => *misreading,
            Question::Ranking { .. } => 0.0,
        };
        let latent = self.latent(question, rng);
        if uniform(rng) < 1.0 - (1.0 - self.lapse_rate) * (1.0 - misreading) {
            return Ok(below(count, rng));
        }
        let outcomes = match question {
            Question::Ranking { features, ranked, .. } => {
                let mut order: Vec<usize> = (0..features.len()).collect();
                order.sort_by(|&a, &b| latent[b].total_cmp(&latent[a]).then(a.cmp(&b)));
                order.truncate(*ranked);
                return Ok(super::ranking::outcome_index(&order, features.len()));
            }
            Question::Comparison { indifference_offered: true, channel: Channel::Choice, .. } => Outcomes::Band,
            Question::Comparison { .. } => Outcomes::Two,
            Question::Importance { .. } => Outcomes::Importance,
            Question::Graded { levels, .. } => Outcomes::Levels(*levels as u32),
        };
        let inside = |k: &usize| {
            let (lo, hi) = outcomes.bounds(*k, self.band);
            lo < latent[0] && latent[0] <= hi
        };
        Ok((0..count).find(inside).unwrap_or(0))
    }

    /// The noisy latent of an interval question, or the noisy utilities of a ranking.
    fn latent(&mut self, question: &Question, rng: &mut impl Rng) -> Vec<f64> {
        let scale = |channel: &Channel, indirect: f64| if *channel == Channel::Choice { 1.0 } else { indirect };
        match question {
            Question::Comparison { difference, error, channel, question, .. } => {
                let kappa = scale(channel, self.indirect_scale);
                let key = question.filter(|_| *channel == Channel::Choice);
                vec![self.value(difference, error, kappa, key, rng)]
            }
            Question::Importance { direction, .. } => vec![self.value(direction, &[], 1.0, None, rng)],
            Question::Graded { features, error, question, .. } => {
                vec![self.value(features, error, 1.0, *question, rng)]
            }
            Question::Ranking { features, error, channel, .. } => {
                let kappa = scale(channel, self.indirect_scale);
                features
                    .iter()
                    .zip(error)
                    .map(|(phi, e)| kappa * self.misread(phi, e, rng) + 0.5f64.sqrt() * normal(rng))
                    .collect()
            }
        }
    }

    /// `w . (a + error)`.
    fn misread(&self, a: &[f64], error: &[f64], rng: &mut impl Rng) -> f64 {
        let exact: f64 = a.iter().zip(&self.weights).map(|(a, w)| a * w).sum();
        exact
            + error
                .iter()
                .zip(&self.weights)
                .map(|(e, w)| if *e > 0.0 { e.sqrt() * w * normal(rng) } else { 0.0 })
                .sum::<f64>()
    }

    /// `z` with its residual and fresh noise; what was drawn for a question stays with it.
    fn value(&mut self, a: &[f64], error: &[f64], kappa: f64, key: Option<QuestionKey>, rng: &mut impl Rng) -> f64 {
        let exact: f64 = a.iter().zip(&self.weights).map(|(a, w)| a * w).sum();
        let stays = match key.and_then(|key| self.remembered.iter().find(|(k, _)| *k == key)) {
            Some((_, stays)) => *stays,
            None => {
                let stays = kappa * (self.misread(a, error, rng) - exact) + self.residual_share.sqrt() * normal(rng);
                if let Some(key) = key {
                    self.remembered.push((key, stays));
                }
                stays
            }
        };
        kappa * exact + stays + (1.0 - self.residual_share).sqrt() * normal(rng)
    }
}

/// What kind of evidence a calibration run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Choices of two.
    Choice,
    /// Choices of two with "no preference".
    ChoiceOrNeither,
    /// Agree, pass, disagree.
    Verdict,
    /// Ratings on five levels.
    Rating,
    /// Corrections.
    Correction,
    /// Importance statements.
    Importance,
    /// Choices, each asked twice.
    Repeat,
    /// Choices with measurement error, fresh for each question.
    Error,
    /// The best of three.
    BestOfThree,
    /// The best of four.
    BestOfFour,
    /// Full rankings of three.
    RankingOfThree,
    /// Full rankings of four.
    RankingOfFour,
    /// Choices misread with probability .2.
    Misread,
    /// Everything above in turn.
    Mixed,
}

impl Evidence {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Choice,
        Self::ChoiceOrNeither,
        Self::Verdict,
        Self::Rating,
        Self::Correction,
        Self::Importance,
        Self::Repeat,
        Self::Error,
        Self::BestOfThree,
        Self::BestOfFour,
        Self::RankingOfThree,
        Self::RankingOfFour,
        Self::Misread,
        Self::Mixed,
    ];

    /// A random question of this kind over `d` features, the last of which is a constant of approval.
    pub fn question(self, d: usize, number: usize, rng: &mut impl Rng) -> Question {
        let vector = |rng: &mut ChaCha| {
            let mut a = normals(d, rng);
            a[d - 1] = 0.0;
            a
        };
        let mut own = ChaCha::seed_from_u64(rng.next_u64());
        let rng = &mut own;
        let several = |n: usize, ranked: usize, rng: &mut ChaCha| Question::Ranking {
            features: (0..n).map(|_| vector(rng).iter().map(|x| x * 0.5f64.sqrt()).collect()).collect(),
            error: vec![vec![0.0; d]; n],
            ranked,
            channel: Channel::Choice,
        };
        let graded = |levels: usize, rng: &mut ChaCha| {
            let mut features = vector(rng);
            features[d - 1] = 1.0;
            Question::Graded { features, error: vec![0.0; d], levels, misreading: 0.0, question: None }
        };
        match self {
            Self::Choice => Question::choice(vector(rng), false),
            Self::ChoiceOrNeither => Question::choice(vector(rng), true),
            Self::Verdict => graded(3, rng),
            Self::Rating => graded(5, rng),
            Self::Correction | Self::Misread => Question::Comparison {
                difference: vector(rng),
                error: vec![0.0; d],
                indifference_offered: false,
                channel: if self == Self::Misread { Channel::Choice } else { Channel::Correction },
                misreading: if self == Self::Misread { 0.2 } else { 0.0 },
                question: None,
            },
            Self::Importance => {
                let (i, j) = (below(d - 1, rng), below(d - 1, rng));
                let mut direction = vec![0.0; d];
                direction[i] += 2.0;
                direction[j] -= 2.0;
                Question::Importance { direction, misreading: 0.0 }
            }
            Self::Repeat => {
                // Even numbers ask something new, odd ones ask it again: the question is a function of number / 2.
                let mut key = [0; 32];
                key[..8].copy_from_slice(&(number as u64 / 2).to_le_bytes());
                Question::Comparison {
                    difference: vector(&mut ChaCha::seed_from_u64(number as u64 / 2)),
                    error: vec![0.0; d],
                    indifference_offered: false,
                    channel: Channel::Choice,
                    misreading: 0.0,
                    question: Some(key),
                }
            }
            Self::Error => Question::Comparison {
                difference: vector(rng),
                error: (0..d).map(|i| if i + 1 < d { 0.5 } else { 0.0 }).collect(),
                indifference_offered: number % 2 == 1,
                channel: Channel::Choice,
                misreading: 0.0,
                question: None,
            },
            Self::BestOfThree => several(3, 1, rng),
            Self::BestOfFour => several(4, 1, rng),
            Self::RankingOfThree => several(3, 3, rng),
            Self::RankingOfFour => several(4, 4, rng),
            Self::Mixed => Self::ALL[number % (Self::ALL.len() - 1)].question(d, number, rng),
        }
    }
}

type ChaCha = ChaCha8Rng;

/// A flat prior over `d` weights, the last a constant: what a calibration run draws people from.
pub fn flat_priors(d: usize) -> Priors {
    let mut covariance = Vec::new();
    for i in 0..d {
        for j in 0..=i {
            let here = if i + 1 == d { 1.0 } else { 1.0 / (d - 1).max(1) as f64 };
            covariance.push(if i == j { here } else { 0.0 });
        }
    }
    Priors {
        locations: vec![Location { name: LocationName::Zero, mean: vec![0.0; d], covariance }],
        scaled: (0..d).map(|i| i + 1 < d).collect(),
        lattices: Vec::new(),
    }
}

/// Simulation-based calibration (Talts et al. 2018): people drawn from the prior, hypotheses included; their true values'
/// places in what is believed of them ought to be uniform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Kind of evidence.
    pub evidence: Evidence,
    /// Number of weights.
    pub dimension: usize,
    /// Answers of each person.
    pub records: usize,
    /// Posterior distribution function of a random functional at its true value, one for each simulation.
    pub places: Vec<f64>,
    /// Mean log predictive probability of the answers, in nats.
    pub ln_predictive_mean: f64,
    /// Sites skipped in all.
    pub skipped_sites: u64,
}

impl Calibration {
    /// Share of simulations in which the central interval of `level` held the truth.
    pub fn coverage(&self, level: f64) -> f64 {
        let tail = 0.5 * (1.0 - level);
        let inside = self.places.iter().filter(|&&p| tail <= p && p <= 1.0 - tail).count();
        inside as f64 / self.places.len() as f64
    }

    /// Greatest distance of the places' empirical distribution function from the uniform one.
    pub fn distance(&self) -> f64 {
        let mut places = self.places.clone();
        places.sort_by(f64::total_cmp);
        let n = places.len() as f64;
        let both = |(i, &p): (usize, &f64)| ((i as f64 + 1.0) / n - p).max(p - i as f64 / n);
        places.iter().enumerate().map(both).fold(0.0, f64::max)
    }

    /// The band that a calibrated engine's [`Calibration::distance`] leaves with probability `alarm` (Massart's inequality).
    pub fn band(&self, alarm: f64) -> f64 {
        (libm::log(2.0 / alarm) / (2.0 * self.places.len() as f64)).sqrt()
    }
}

/// Runs one calibration; simulation `i` depends on `seed` and `i` alone.
///
/// # Errors
/// As [`Mixture::new`] and [`Mixture::observe`].
pub fn calibrate(
    settings: &Settings,
    evidence: Evidence,
    dimension: usize,
    records: usize,
    simulations: usize,
    seed: u64,
) -> Result<Calibration, BeliefError> {
    let priors = flat_priors(dimension);
    let empty = Mixture::new(settings, &priors)?;
    let runs: Vec<(f64, f64, u64)> = (0..simulations)
        .into_par_iter()
        .map(|i| {
            let mut rng = ChaCha::seed_from_u64(seed);
            rng.set_stream(i as u64);
            one(&empty, &priors, evidence, records, &mut rng)
        })
        .collect::<Result<_, _>>()?;
    let count = (simulations * records).max(1) as f64;
    Ok(Calibration {
        evidence,
        dimension,
        records,
        places: runs.iter().map(|r| r.0).collect(),
        ln_predictive_mean: runs.iter().map(|r| r.1).sum::<f64>() / count,
        skipped_sites: runs.iter().map(|r| r.2).sum(),
    })
}

/// One person: drawn, asked, believed; where the truth lies, the sum of log predictive probabilities, skipped sites.
fn one(
    empty: &Mixture,
    priors: &Priors,
    evidence: Evidence,
    records: usize,
    rng: &mut ChaCha,
) -> Result<(f64, f64, u64), BeliefError> {
    let settings = empty.settings();
    let hypotheses = empty.hypotheses();
    let mut left = uniform(rng);
    let truth = hypotheses
        .iter()
        .find(|h| {
            left -= h.weight;
            left < 0.0
        })
        .unwrap_or(&hypotheses[hypotheses.len() - 1]);
    let d = empty.dimension();
    let location = &priors.locations[0];
    let sd: Vec<f64> = super::symmetric::diagonal(&location.covariance)
        .zip(&priors.scaled)
        .map(|(v, &scaled)| v.sqrt() * if scaled { truth.signal_scale } else { 1.0 })
        .collect();
    let draw = |rng: &mut ChaCha| -> Vec<f64> { sd.iter().map(|s| s * normal(rng)).collect() };
    let mut person = Person::new(draw(rng), truth.lapse_rate, truth.band, settings);
    let mut mixture = empty.clone();
    let mut ln_predictive = 0.0;
    for number in 0..records {
        let question = evidence.question(d, number, rng);
        let outcome = person.answer(&question, rng)?;
        let observation: Observation = question.answer(outcome);
        ln_predictive += mixture.observe(&observation)?.ln_predictive;
        if truth.drifts {
            let r = libm::exp(-1.0 / settings.drift_records);
            let fresh = draw(rng);
            for (w, f) in person.weights.iter_mut().zip(fresh) {
                *w = r * *w + (1.0 - r * r).sqrt() * f;
            }
        }
    }
    // A functional of the weights that the evidence is about.
    let a = match evidence {
        Evidence::Verdict | Evidence::Rating | Evidence::Mixed => normals(d, rng),
        _ => {
            let mut a = normals(d, rng);
            a[d - 1] = 0.0;
            a
        }
    };
    let value: f64 = a.iter().zip(&person.weights).map(|(a, w)| a * w).sum();
    Ok((mixture.functional(&a).cdf(value), ln_predictive, mixture.diagnostics().skipped_sites))
}
