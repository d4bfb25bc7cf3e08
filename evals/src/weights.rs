//! What the weights add: adapters that are taught a population's belief, beside the population's own prior from the same answers.
//!
//! Simulated people who are alike in part answer keyed questions. Their answers make a population ([`population::learn`]), and
//! the population's predictions make lessons for LoRA adapters ([`credence_tuning::lessons`]). Newcomers, of whom nothing is
//! known, are then foreseen in situations that nobody keyed: by the population's weights and what is read of the acts' states,
//! by what an adapter judges, and by both. Each way is given the best factors that half of the situations show, and is scored on
//! the other half, so that no scale decides.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use credence_memory::belief::normal::cdf;
use credence_memory::belief::simulate::{below, normal, normals};
use credence_memory::belief::{
    BeliefError, Channel, Location, LocationName, Observation, Preference, Priors, Question, Settings,
};
use credence_memory::ids::{AlternativeId, Seq};
use credence_memory::population::{self, Contribution, EvidenceFactor, Moments};
use credence_priors::acts::{KeyedPair, Split};
use credence_priors::model::ModelError;
use credence_priors::published::PublishedValues;
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::ValueMap;
use credence_priors::{LanguageModel, ModelHandle};
use credence_training::{
    Adapter, Control, Example, LoraSettings, OptimiserSettings, Progress, TrainingError, TrainingSettings, Weights,
    predict, train,
};
use credence_tuning::dataset::{DataSet, DataSettings, Lesson, Whose};
use credence_tuning::lessons::{self, Teaching};
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};
use crate::validity::{read_pairs, states_of};

/// Steps from one checkpoint to the next.
const CHECKPOINT_STEPS: usize = 10;
/// Ridge of the regression that finds factors, in units of one situation's information.
const RIDGE: f64 = 1e-3;

/// What is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WeightsOptions {
    /// People who answer.
    pub people: usize,
    /// Keyed questions that each of them answers.
    pub answers: usize,
    /// Keyed questions there are.
    pub questions: usize,
    /// Situations that newcomers are foreseen in, at most.
    pub unseen: usize,
    /// People of whom nothing is known, and who are foreseen.
    pub newcomers: usize,
    /// Standard deviation of a typical utility difference, in units of a person's noise.
    pub signal: f64,
    /// How much people differ: 0 for all alike, 1 for nothing in common.
    pub spread: f64,
    /// How far what they have in common is the published worth of values; the rest is random.
    pub sense: f64,
    /// Adapters, each taught in its own way; where there are none, the model's own judgement is not read either.
    pub taught: Vec<Taught>,
    /// Seed of every draw.
    pub seed: u64,
}

/// How an adapter is taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Taught {
    /// Lessons: the questions that were asked, and beyond them keyed acts that nobody was asked about.
    pub lessons: usize,
    /// Layers from the top that move.
    pub layers: usize,
    /// Times that every lesson is seen.
    pub epochs: usize,
}

impl Taught {
    /// Its name in tables.
    pub fn name(&self) -> String {
        format!("{} lessons, {} layers, {} epochs", self.lessons, self.layers, self.epochs)
    }
}

/// How well newcomers are foreseen in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WeightsRow {
    /// By what they are foreseen.
    pub by: String,
    /// Expected log score of an answer, nats; over newcomers.
    pub score: Estimate,
    /// The same less that of the population alone; over newcomers.
    pub gain: Estimate,
    /// The same gain; over situations.
    pub gain_by_situation: Estimate,
    /// Share of answers foreseen; over newcomers.
    pub foreseen: Estimate,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WeightsReport {
    /// The model.
    pub model: String,
    /// What was tried.
    pub options: WeightsOptions,
    /// Situations that nobody keyed, as far as whoever foresees knows.
    pub unseen: usize,
    /// By what newcomers are foreseen.
    pub rows: Vec<WeightsRow>,
}

impl Measured for WeightsReport {
    fn figures(&self) -> Vec<Figure> {
        let (people, situations) = ("newcomers", "newcomers, over situations");
        let of = |row: &WeightsRow| {
            let less = "log score less the population's, nats";
            [
                Figure::new(people, &row.by, "", "log score, nats", row.score),
                Figure::new(people, &row.by, "", less, row.gain),
                Figure::new(situations, &row.by, "", less, row.gain_by_situation),
                Figure::new(people, &row.by, "", "share foreseen", row.foreseen),
            ]
        };
        self.rows.iter().flat_map(of).collect()
    }
}

/// Why it could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The engine refused something.
    #[error(transparent)]
    Belief(#[from] BeliefError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Training or reading failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// There are too few keyed acts.
    #[error("{wanted} keyed acts are wanted where there are {found}")]
    Few {
        /// How many are wanted.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// Stopped on request.
    #[error("stopped; the same command goes on where it was")]
    Stopped,
}

/// What is needed of a model.
pub struct Taken<'a> {
    /// It reads states and cuts texts into tokens.
    pub model: &'a mut ModelHandle,
    /// Its weights.
    pub weights: &'a Weights,
    /// What is read of states.
    pub map: &'a ValueMap,
    /// The values and the judgements.
    pub schema: &'a ValueSchema,
}

/// Teaches, or takes the adapters that are in `dir`, and foresees newcomers.
///
/// # Errors
/// As [`WeightsError`] says; adapters that were taught stay in the folder.
pub fn run(
    dir: &Path,
    acts: &[KeyedPair],
    options: &WeightsOptions,
    taken: &mut Taken<'_>,
    cancel: &AtomicBool,
    on_progress: &mut (dyn FnMut(&str, usize, usize) + Send),
) -> Result<WeightsReport, WeightsError> {
    let (mut unseen, mut keyed): (Vec<&KeyedPair>, Vec<&KeyedPair>) =
        acts.iter().partition(|pair| pair.split() == Split::Testing);
    // By a hash, so that authors are mixed and more lessons are a superset of fewer.
    for pairs in [&mut unseen, &mut keyed] {
        pairs.sort_by_key(|pair| pair.fold(1 << 20));
    }
    unseen.truncate(options.unseen);
    let most = options.taught.iter().map(|t| t.lessons).max().unwrap_or(0).max(options.questions);
    if most > keyed.len() || unseen.len() < 4 {
        return Err(WeightsError::Few { wanted: most.max(1), found: keyed.len() });
    }
    let values = &taken.map.values;
    let asked: Vec<Vec<f64>> = keyed[..options.questions].iter().map(|pair| pair.difference(values)).collect();
    let people = People::drawn(options, &asked, values);
    let population = people.population(&asked, options)?;
    let slope = people.slope(&asked, &population);

    let owned: Vec<KeyedPair> = unseen.iter().map(|pair| (*pair).clone()).collect();
    let states = states_of(taken.model, &owned, &mut |done, of| on_progress("unseen acts", done, of))?;
    let read = read_pairs(taken.map, &states);
    let by_states: Vec<f64> = read.iter().map(|reading| dot(&reading.points, &population.mean)).collect();
    let keys: Vec<Vec<f64>> = unseen.iter().map(|pair| pair.difference(values)).collect();
    let by_keys: Vec<f64> = keys.iter().map(|key| dot(key, &population.mean)).collect();
    let published: Vec<f64> = states
        .iter()
        .map(|state| {
            let acts = taken.map.read(state);
            acts[0].judgement - acts[1].judgement
        })
        .collect();

    let mut ways: Vec<(String, Vec<&[f64]>)> = vec![
        ("the published order".into(), vec![&published]),
        ("the population's weights alone".into(), vec![&by_states]),
        (POPULATION.into(), vec![&by_states, &published]),
        ("the population, unseen acts keyed (ceiling)".into(), vec![&by_keys]),
    ];
    let nobody = if options.taught.is_empty() { &[][..] } else { &unseen[..] };
    let examined = Prompts::of(nobody.iter().map(|pair| lesson(pair, 0.5, 1.0)).collect(), taken)?;
    let untaught = examined.read(taken.weights, None)?;
    if !options.taught.is_empty() {
        ways.push(("the model's judgement, untaught".into(), vec![&untaught.judgement, &untaught.pair]));
        ways.push((
            "the population and the judgement, untaught".into(),
            vec![&by_states, &published, &untaught.judgement, &untaught.pair],
        ));
    }
    let mut judged = Vec::new();
    for taught in &options.taught {
        let lessons = keyed[..taught.lessons].iter().map(|pair| {
            let difference = pair.difference(values);
            let utility = dot(&difference, &population.mean);
            let spread = population_spread(&population, &difference);
            lesson(pair, 1.0 / (1.0 + (-slope * utility).exp()), (2.0 * cdf(utility / spread) - 1.0).abs())
        });
        let file = dir.join(format!("{}.gguf", taught.name().replace([',', ' '], "-")));
        let adapter = if file.is_file() {
            Adapter::read(&file, taken.weights)?
        } else {
            let prompts = Prompts::of(lessons.collect(), taken)?;
            let examples = prompts.towards_labels(taken)?;
            let mut progress = |p: &Progress| on_progress(&taught.name(), p.step, p.steps);
            let checkpoint = file.with_extension("checkpoint");
            let mut control = Control {
                progress: Some(&mut progress),
                cancel: Some(cancel),
                checkpoint: Some(&checkpoint),
                checkpoint_steps: CHECKPOINT_STEPS,
                ..Control::default()
            };
            let trained = train(taken.weights, &examples, &taught.settings(options.seed), &mut control)?;
            if !trained.finished {
                return Err(WeightsError::Stopped);
            }
            trained.adapter.write(&file)?;
            trained.adapter
        };
        judged.push((taught.name(), examined.read(taken.weights, Some(&adapter))?));
        if cancel.load(Ordering::Relaxed) {
            return Err(WeightsError::Stopped);
        }
    }
    for (name, read) in &judged {
        ways.push((format!("the judgement, taught {name}"), vec![&read.judgement]));
        ways.push((format!("the comparison, taught {name}"), vec![&read.pair]));
        ways.push((
            format!("the population and both, taught {name}"),
            vec![&by_states, &published, &read.judgement, &read.pair],
        ));
    }
    Ok(WeightsReport {
        model: taken.model.describe().name,
        options: options.clone(),
        unseen: unseen.len(),
        rows: people.rows(&keys, &unseen, &ways, options),
    })
}

/// What all others are held against.
const POPULATION: &str = "the population";

impl Taught {
    fn settings(&self, seed: u64) -> TrainingSettings {
        TrainingSettings {
            lora: LoraSettings { top_layers: Some(self.layers), ..LoraSettings::default() },
            optimiser: OptimiserSettings { learning_rate: 1e-3, warmup_steps: 5, ..OptimiserSettings::default() },
            epochs: self.epochs,
            seed,
            ..TrainingSettings::default()
        }
    }
}

/// Weights of everybody, by value.
struct People {
    known: Vec<Vec<f64>>,
    newcomers: Vec<Vec<f64>>,
    /// What those who are known were asked, and whether they chose the first.
    answered: Vec<Vec<(usize, bool)>>,
}

impl People {
    fn drawn(options: &WeightsOptions, asked: &[Vec<f64>], values: &[String]) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        let unit = |weights: Vec<f64>| -> Vec<f64> {
            let squares = asked.iter().map(|d| dot(d, &weights).powi(2)).sum::<f64>() / asked.len().max(1) as f64;
            weights.iter().map(|w| w / squares.sqrt().max(1e-9)).collect()
        };
        let mix = |a: &[f64], b: &[f64], share: f64| {
            unit(a.iter().zip(b).map(|(a, b)| (1.0 - share).sqrt() * a + share.sqrt() * b).collect())
        };
        let table = PublishedValues::embedded();
        let worth = unit(values.iter().map(|value| table.worth(value)).collect());
        let common = mix(&unit(normals(values.len(), &mut random)), &worth, options.sense);
        let mut draw = |_| -> Vec<f64> {
            let own = unit(normals(values.len(), &mut random));
            mix(&common, &own, options.spread).into_iter().map(|w| options.signal * w).collect()
        };
        let known: Vec<Vec<f64>> = (0..options.people).map(&mut draw).collect();
        let newcomers = (0..options.newcomers).map(&mut draw).collect();
        let answered = known
            .iter()
            .map(|weights| {
                let mut answer = |_| {
                    let question = below(asked.len(), &mut random);
                    (question, dot(&asked[question], weights) + normal(&mut random) > 0.0)
                };
                (0..options.answers).map(&mut answer).collect()
            })
            .collect();
        Self { known, newcomers, answered }
    }

    /// What those who answered have in common, and how they differ.
    fn population(&self, asked: &[Vec<f64>], options: &WeightsOptions) -> Result<Moments, BeliefError> {
        let width = asked.first().map_or(0, Vec::len);
        let square = asked.iter().map(|d| dot(d, d)).sum::<f64>() / asked.len().max(1) as f64;
        let variances = vec![options.signal.powi(2) / square.max(1e-9); width];
        let covariance =
            (0..width).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|(i, j)| if i == j { variances[i] } else { 0.0 });
        let zero =
            Location { name: LocationName::Zero, mean: vec![0.0; width], covariance: covariance.clone().collect() };
        let priors = Priors { locations: vec![zero], scaled: vec![true; width], ..Priors::default() };
        let settings = Settings::default();
        let mut messages = Vec::with_capacity(self.answered.len());
        for answers in &self.answered {
            let observations: Vec<Observation> = answers
                .iter()
                .map(|(question, first)| {
                    let comparison = Question::Comparison {
                        difference: asked[*question].clone(),
                        error: vec![0.0; width],
                        indifference_offered: false,
                        channel: Channel::Choice,
                        misreading: 0.0,
                        question: None,
                    };
                    comparison.answered(if *first { Preference::First } else { Preference::Second })
                })
                .collect();
            messages.push(EvidenceFactor::of(&settings, &priors, &observations)?);
        }
        let from: Vec<Contribution<'_>> =
            messages.iter().map(|message| Contribution { message, weight: 1.0 }).collect();
        Ok(population::learn(&from, &variances))
    }

    /// Log-odds of an answer for each unit of the population's utility, from the answers that were given.
    fn slope(&self, asked: &[Vec<f64>], population: &Moments) -> f64 {
        let given: Vec<(Vec<f64>, f64)> = self
            .answered
            .iter()
            .flatten()
            .map(|(question, first)| (vec![dot(&asked[*question], &population.mean)], f64::from(u8::from(*first))))
            .collect();
        factors(&given)[0]
    }

    fn rows(
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

/// Standard deviation of the utility of a difference among the population's people.
fn population_spread(population: &Moments, difference: &[f64]) -> f64 {
    let width = difference.len();
    let at = |i: usize, j: usize| population.covariance[i.max(j) * (i.max(j) + 1) / 2 + i.min(j)];
    let variance: f64 = (0..width)
        .flat_map(|i| (0..width).map(move |j| (i, j)))
        .map(|(i, j)| difference[i] * at(i, j) * difference[j])
        .sum();
    variance.max(1e-12).sqrt()
}

/// Logistic regression without an intercept (pairs have no order that means anything), by Newton's steps.
fn factors(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
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

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn lesson(pair: &KeyedPair, probability: f64, sureness: f64) -> Lesson {
    let texts = [0, 1].map(|i: usize| pair.acts[i].text.clone());
    Lesson {
        situation: pair.situation.clone(),
        alternatives: texts.each_ref().map(|text| AlternativeId::of(&pair.situation, text)),
        texts,
        probability,
        sureness,
        people: Vec::new(),
        conclusion: None,
    }
}

/// The prompts of lessons, as `tune` makes them.
struct Prompts {
    data: DataSet,
    teachings: Vec<Teaching>,
    examples: Vec<Example>,
}

/// What a model says of each lesson: log-odds that the first act is the better one.
struct Judged {
    judgement: Vec<f64>,
    pair: Vec<f64>,
}

impl Prompts {
    fn of(lessons: Vec<Lesson>, taken: &mut Taken<'_>) -> Result<Self, ModelError> {
        let first = taken.schema.judgements.first().map(|judgement| judgement.id.clone());
        let data = DataSet {
            whose: Whose::Population,
            cutoff: Seq(0),
            settings: DataSettings { judgements: Some(first.into_iter().collect()), ..DataSettings::default() },
            absorbed: std::collections::BTreeMap::new(),
            held_out: Vec::new(),
            lessons,
        };
        let none = vec![[Vec::new(), Vec::new()]; data.lessons.len()];
        let teachings = lessons::teachings(&data, taken.schema, &none);
        let examples = lessons::examples(&teachings, &[], 0.0, taken.model)?;
        Ok(Self { data, teachings, examples })
    }

    /// Log-odds of the first word of every prompt.
    fn odds(&self, weights: &Weights, adapter: Option<&Adapter>) -> Result<Vec<f64>, TrainingError> {
        let read = predict(weights, adapter, &self.examples, TrainingSettings::default().part_tokens, None)?;
        let odds = read.examples.iter().flat_map(|example| &example.probabilities);
        Ok(odds.map(|p| (f64::from(p[0]).max(1e-9) / f64::from(p[1]).max(1e-9)).ln()).collect())
    }

    /// Every lesson's prompts are about its first and its second act in turn, or in both orders.
    fn signs(&self) -> Vec<f64> {
        let mut at = (None, 0);
        self.teachings
            .iter()
            .map(|teaching| {
                at = if at.0 == teaching.lesson { (at.0, at.1 + 1) } else { (teaching.lesson, 0) };
                if at.1 % 2 == 0 { 1.0 } else { -1.0 }
            })
            .collect()
    }

    fn read(&self, weights: &Weights, adapter: Option<&Adapter>) -> Result<Judged, TrainingError> {
        let mut judged =
            Judged { judgement: vec![0.0; self.data.lessons.len()], pair: vec![0.0; self.data.lessons.len()] };
        for ((teaching, odds), sign) in self.teachings.iter().zip(self.odds(weights, adapter)?).zip(self.signs()) {
            let Some(lesson) = teaching.lesson else { continue };
            let of = if teaching.words[0] == " A" { &mut judged.pair } else { &mut judged.judgement };
            of[lesson] += sign * odds;
        }
        Ok(judged)
    }

    /// What an adapter is taught: the labels, about the model's own lean.
    fn towards_labels(&self, taken: &mut Taken<'_>) -> Result<Vec<Example>, WeightsError> {
        let mut judgements = vec![[Vec::new(), Vec::new()]; self.data.lessons.len()];
        for ((teaching, odds), sign) in self.teachings.iter().zip(self.odds(taken.weights, None)?).zip(self.signs()) {
            let Some(lesson) = teaching.lesson.filter(|_| teaching.words[0] != " A") else { continue };
            judgements[lesson][usize::from(sign < 0.0)].push(odds);
        }
        let teachings = lessons::teachings(&self.data, taken.schema, &judgements);
        Ok(lessons::examples(&teachings, &[], 0.0, taken.model)?)
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_population_that_is_alike_is_found_and_what_has_nothing_to_do_with_it_adds_nothing()
    -> Result<(), Box<dyn std::error::Error>> {
        let options = WeightsOptions {
            people: 60,
            answers: 40,
            questions: 40,
            unseen: 120,
            newcomers: 50,
            signal: 2.5,
            spread: 0.2,
            sense: 0.5,
            taught: Vec::new(),
            seed: 3,
        };
        let values: Vec<String> = ["care", "thrift", "nature", "honesty"].map(str::to_owned).to_vec();
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut draw = |n: usize| -> Vec<Vec<f64>> { (0..n).map(|_| normals(values.len(), &mut random)).collect() };
        let (asked, keys, noise) = (draw(40), draw(120), draw(120));
        let people = People::drawn(&options, &asked, &values);
        let population = people.population(&asked, &options)?;
        assert!(people.slope(&asked, &population) > 0.0);
        let by: Vec<f64> = keys.iter().map(|key| dot(key, &population.mean)).collect();
        let nothing: Vec<f64> = noise.iter().map(|row| row[0]).collect();
        let pairs: Vec<KeyedPair> = (0..keys.len())
            .map(|i| {
                let act = |text: &str| credence_priors::acts::KeyedAct {
                    text: text.into(),
                    keys: std::collections::BTreeMap::new(),
                    second: None,
                };
                let acts = [act("go"), act("stay")];
                KeyedPair { situation: format!("Situation {i}."), acts, trap: false, nicer: None }
            })
            .collect();
        let pairs: Vec<&KeyedPair> = pairs.iter().collect();
        let ways = vec![
            ("nothing".to_owned(), vec![&nothing[..]]),
            (POPULATION.to_owned(), vec![&by[..]]),
            ("both".to_owned(), vec![&by[..], &nothing[..]]),
        ];
        let rows = people.rows(&keys, &pairs, &ways, &options);
        assert!(rows[1].foreseen.low > 0.75 && rows[0].foreseen.high < 0.6, "{rows:?}");
        assert!(rows[0].gain.high < -0.1 && rows[2].gain.mean.abs() < 0.01, "{rows:?}");
        let report = WeightsReport { model: String::new(), options, unseen: keys.len(), rows };
        let figures = crate::figures::kept(&report);
        assert_eq!(figures.len(), 3 * 4);
        let of = crate::figures::of(&figures, ["newcomers", POPULATION, "", "share foreseen"]);
        assert_eq!(of.mean, report.rows[1].foreseen.mean);
        Ok(())
    }
}
