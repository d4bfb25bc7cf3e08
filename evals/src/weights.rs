//! What the weights add: adapters that are taught a population's belief, beside the population's own prior from the same answers.
//!
//! Simulated people who are alike in part answer keyed questions. Their answers make a population ([`population::learn`]), and
//! the population's predictions make lessons for LoRA adapters ([`credence_tuning::lessons`]). Newcomers, of whom nothing is
//! known, are then foreseen in situations that nobody keyed: by the population's weights and what is read of the acts' states,
//! by what an adapter judges, and by both. Each way is given the best factors that half of the situations show, and is scored on
//! the other half, so that no scale decides.

mod foreseen;
mod people;
mod taught;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use credence_memory::belief::BeliefError;
use credence_memory::belief::normal::cdf;
use credence_priors::acts::{KeyedPair, Split};
use credence_priors::model::ModelError;
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::ValueMap;
use credence_priors::{LanguageModel, ModelHandle};
use credence_training::{Adapter, Control, Progress, TrainingError, Weights, train};
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};
use crate::validity::{read_pairs, states_of};

use foreseen::POPULATION;
use people::{People, spread_of};
use taught::{Prompts, lesson};

/// Steps from one checkpoint to the next.
const CHECKPOINT_STEPS: usize = 10;
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
            let spread = spread_of(&population, &difference);
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

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use credence_memory::belief::simulate::normals;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

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
