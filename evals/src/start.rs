//! Does a model's own prior lie inside the region of convergence? Real people's answers tell.
//!
//! The model judges patients who could get a kidney; what it seems to value in their attributes becomes a prior, by the same
//! rule as the elicited prior of a session. Where it points is compared with what real people turn out to value, and real
//! people's choices are learned from that start, from a flat one, and from both.

use credence_memory::belief::simulate::below;
use credence_memory::belief::{BeliefError, Location, LocationName, Mixture, Priors, Question, Settings};
use credence_priors::LanguageModel;
use credence_priors::elicited::PERSON_SHARE;
use credence_priors::reading_cache::ReadingCache;
use credence_priors::readout::{Alternative, ReadError, read_alternatives};
use credence_priors::schema::ValueSchema;
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::kidney::{ATTRIBUTES, Choices, HELD_OUT, KidneyData, Moments, Population, fold, moments, score};

/// Parts into which people are divided; who is tested in one is compared with a population learned from the others.
const FOLDS: usize = 5;
/// What the attributes are called.
pub const ATTRIBUTE_NAMES: [&str; ATTRIBUTES] = ["age", "drinks a day", "dependents"];
const SITUATION: &str = "A hospital has one kidney and several patients who would die without it.";

/// Why a start could not be placed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The model.
    #[error("the model could not be asked about patients")]
    Read(#[from] ReadError),
    /// The engine.
    #[error("a belief could not be formed")]
    Belief(#[from] BeliefError),
    /// Too few people.
    #[error("{0} people with enough choices are too few")]
    TooFew(usize),
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartOptions {
    /// Converged: at most so many nats a choice above who knows the person, on average over people.
    pub target_nats: f64,
    /// Numbers of revealed answers.
    pub answers: Vec<usize>,
    /// Seed of folds and intervals.
    pub seed: u64,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self { target_nats: 0.05, answers: vec![0, 2, 5, 10, 15, 20, 30], seed: 1 }
    }
}

/// The model's prior over the weights of attributes, in units of the noise at signal scale 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartPrior {
    /// Mean of each attribute's weight.
    pub mean: Vec<f64>,
    /// Standard deviation of each.
    pub sd: Vec<f64>,
    /// Covariance, row by row.
    pub covariance: Vec<f64>,
    /// Share of the model's judgement that the attributes explain.
    pub r2: f64,
    /// Share of the prior's second moment that is in its mean: the map's upward axis.
    pub confidence: f64,
}

/// How one learner fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartRow {
    /// Who learned.
    pub learner: String,
    /// Log loss of the last ten choices, nats, after each number of answers.
    pub log_loss: Vec<Estimate>,
    /// Log loss above who knows the person.
    pub excess: Vec<Estimate>,
    /// Log loss less the flat start's, person by person.
    pub difference: Vec<Estimate>,
    /// Answers from which on the mean excess stays under the target.
    pub answers_needed: Option<usize>,
}

/// A placed start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartResult {
    /// What was run.
    pub options: StartOptions,
    /// Which model.
    pub model: String,
    /// Its prior.
    pub prior: StartPrior,
    /// Angle between the prior's mean and each person's values, degrees, ascending.
    pub angles_degrees: Vec<f64>,
    /// Log loss of who knows the person: the ceiling.
    pub ceiling: Estimate,
    /// Flat start (the baseline), the model's prior alone, both together (ours).
    pub rows: Vec<StartRow>,
}

impl StartResult {
    /// A quantile of the angles.
    pub fn angle(&self, p: f64) -> f64 {
        let last = self.angles_degrees.len().saturating_sub(1);
        self.angles_degrees[(p * last as f64).round() as usize]
    }

    /// Whether this start lies inside: the mixture that has it converges within the answers there are.
    pub fn inside(&self) -> bool {
        self.rows.last().is_some_and(|r| r.answers_needed.is_some())
    }
}

/// Reads the model's judgement of patients and forms its prior.
///
/// # Errors
/// If a patient cannot be read.
pub fn elicit(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    cache: &mut dyn ReadingCache,
    data: &KidneyData,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<StartPrior, StartError> {
    let mut patients = Vec::new();
    for age in [20.0, 30.0, 40.0, 50.0, 60.0, 70.0] {
        for drinks in [1.0, 3.0, 5.0] {
            for dependents in [0.0, 1.0, 2.0] {
                patients.push([age, drinks, dependents]);
            }
        }
    }
    let text = |[age, drinks, dependents]: &[f64; ATTRIBUTES]| {
        let plural = |n: f64, one: &str| if n == 1.0 { format!("{n} {one}") } else { format!("{n} {one}s") };
        let family = if *dependents == 0.0 { "no dependents".to_owned() } else { plural(*dependents, "dependent") };
        format!("give the kidney to a patient of {age} years with {} a day and {family}", plural(*drinks, "drink"))
    };
    let asked: Vec<Alternative> = patients.iter().map(|p| Alternative::new(Some(SITUATION), &text(p))).collect();
    let readings = read_alternatives(model, schema, &asked, cache, progress)?;
    let n = patients.len();
    let channels = readings.first().map_or(0, |r| r.judgement.len());
    // As in a session: all words together count as much as the contrast, which comes last.
    let share = |c: usize| if c + 1 == channels { 0.5 } else { 0.5 / (channels - 1).max(1) as f64 };
    let mut y = DVector::zeros(n);
    for c in 0..channels {
        let column = DVector::from_iterator(n, readings.iter().map(|r| r.judgement[c]));
        let column = &column - DVector::repeat(n, column.mean());
        let sd = (column.norm_squared() / n as f64).sqrt().max(1e-9);
        y += column * (share(c) / sd);
    }
    let mut x = DMatrix::zeros(n, ATTRIBUTES);
    for (i, patient) in patients.iter().enumerate() {
        x.row_mut(i).copy_from_slice(&data.patient(*patient));
    }
    for k in 0..ATTRIBUTES {
        let mean = x.column(k).mean();
        x.column_mut(k).add_scalar_mut(-mean);
    }
    let inverse = (x.transpose() * &x + DMatrix::identity(ATTRIBUTES, ATTRIBUTES) * 1e-6)
        .try_inverse()
        .unwrap_or_else(|| DMatrix::identity(ATTRIBUTES, ATTRIBUTES));
    let b = &inverse * x.transpose() * &y;
    let left = (&y - &x * &b).norm_squared();
    let s = inverse * (left / (n - ATTRIBUTES - 1) as f64);
    // The elicited prior's rule: half of a typical difference is the model's, half is left to how people differ.
    let scale = ((1.0 - PERSON_SHARE) / (b.norm_squared() + s.trace()).max(1e-12)).sqrt();
    let mean = &b * scale;
    let covariance =
        s * (scale * scale) + DMatrix::identity(ATTRIBUTES, ATTRIBUTES) * (PERSON_SHARE / ATTRIBUTES as f64);
    let second = mean.norm_squared() + covariance.trace();
    Ok(StartPrior {
        sd: (0..ATTRIBUTES).map(|k| covariance[(k, k)].sqrt()).collect(),
        covariance: covariance.iter().copied().collect(),
        r2: (1.0 - left / y.norm_squared().max(1e-12)).max(0.0),
        confidence: mean.norm_squared() / second,
        mean: mean.iter().copied().collect(),
    })
}

fn settings() -> Settings {
    Settings {
        signal_scales: vec![0.5, 1.0, 2.0, 4.0],
        lapse_rates: vec![0.01, 0.1],
        bands: vec![0.3],
        slow_drift_weight: 0.0,
        ..Settings::default()
    }
}

fn flat() -> Location {
    Moments::unit(ATTRIBUTES, 1.0 / ATTRIBUTES as f64).location(LocationName::Zero)
}

/// Learns real people from the start.
///
/// # Errors
/// Too few people.
pub fn run(
    data: &KidneyData,
    model: &str,
    prior: &StartPrior,
    options: &StartOptions,
) -> Result<StartResult, StartError> {
    let most = options.answers.iter().max().copied().unwrap_or(0);
    let people: Vec<&Choices> = data.people.iter().filter(|p| p.count() >= most + HELD_OUT).collect();
    if people.len() < 2 * FOLDS {
        return Err(StartError::TooFew(people.len()));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut order: Vec<usize> = (0..people.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, below(i + 1, &mut rng));
    }
    let own = Moments {
        mean: DVector::from_column_slice(&prior.mean),
        covariance: DMatrix::from_row_slice(ATTRIBUTES, ATTRIBUTES, &prior.covariance),
    };
    let elicited = own.location(LocationName::Elicited);
    let one = |locations: Vec<Location>| Priors { locations, scaled: vec![true; ATTRIBUTES], lattices: Vec::new() };
    let starts = [one(vec![flat()]), one(vec![elicited.clone()]), one(vec![flat(), elicited])];
    let settings = settings();
    let loss = |belief: &Mixture, person: &Choices| {
        score(person, ATTRIBUTES, |x| belief.predict(&Question::choice(x.to_vec(), false))[0]).0
    };
    let mut known = vec![0.0; people.len()];
    let mut angles = vec![0.0; people.len()];
    for part in 0..FOLDS {
        let inside = |k: usize| k % FOLDS == part;
        let training: Vec<&Choices> =
            order.iter().enumerate().filter(|(k, _)| !inside(*k)).map(|(_, &i)| people[i]).collect();
        let population = Population::learn(&training, ATTRIBUTES, options.seed)?.gaussian;
        let others = one(vec![population.location(LocationName::Population)]);
        let yardstick = crate::kidney::settings();
        for (_, &i) in order.iter().enumerate().filter(|(k, _)| inside(*k)) {
            let person = people[i];
            known[i] = loss(&fold(&yardstick, &others, person.first(most, ATTRIBUTES))?, person);
            let all = moments(&fold(&yardstick, &others, person.all(ATTRIBUTES))?).mean;
            let cosine = all.dot(&own.mean) / (all.norm() * own.mean.norm()).max(1e-12);
            angles[i] = cosine.clamp(-1.0, 1.0).acos().to_degrees();
        }
    }
    // By start, then by number of answers, then by person.
    let losses: Vec<Vec<Vec<f64>>> = starts
        .iter()
        .map(|start| {
            options
                .answers
                .iter()
                .map(|&n| {
                    people
                        .par_iter()
                        .map(|person| Ok(loss(&fold(&settings, start, person.first(n, ATTRIBUTES))?, person)))
                        .collect::<Result<Vec<f64>, BeliefError>>()
                })
                .collect()
        })
        .collect::<Result<_, _>>()?;
    let names = ["flat start", "the model's prior alone", "mixture of both"];
    let rows = names
        .iter()
        .zip(&losses)
        .map(|(name, own)| {
            let excess: Vec<Estimate> = own.iter().map(|l| Estimate::paired(l, &known, options.seed)).collect();
            let late = excess.iter().rposition(|e| e.mean > options.target_nats);
            StartRow {
                learner: (*name).to_owned(),
                log_loss: own.iter().map(|l| Estimate::bootstrap(l, options.seed)).collect(),
                difference: own.iter().zip(&losses[0]).map(|(l, f)| Estimate::paired(l, f, options.seed)).collect(),
                answers_needed: options.answers.get(late.map_or(0, |k| k + 1)).copied(),
                excess,
            }
        })
        .collect();
    angles.sort_by(f64::total_cmp);
    Ok(StartResult {
        options: options.clone(),
        model: model.to_owned(),
        prior: prior.clone(),
        angles_degrees: angles,
        ceiling: Estimate::bootstrap(&known, options.seed),
        rows,
    })
}
