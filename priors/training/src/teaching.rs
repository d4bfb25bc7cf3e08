//! Bayesian teaching: the same sequences with the exact posterior's predictions or with right answers as targets, and
//! how well the model then predicts people it never saw.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::adapter::Adapter;
use super::error::TrainingError;
use super::flight::{FLIGHTS, Person, Round, Task, Teacher, Tokenizer, example, play};
use super::loss::Example;
use super::predict::predict;
use super::train::{Control, Trained, TrainingSettings, train};
use super::weights::Weights;

/// Seed of the split of people, apart from those of data and training: it never changes between experiments.
const SPLIT_SEED: u64 = 1;
/// Share of directions that are held out.
const HELD_OUT: f64 = 0.25;

/// A teaching experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TeachingSettings {
    /// What is learned.
    pub task: Task,
    /// Training sequences, each with a person drawn anew.
    pub sequences: usize,
    /// Rounds in a sequence; the model is asked after 0, 1, ... `rounds - 1` answers.
    pub rounds: usize,
    /// Held-out people asked; each again, with other flights, where a task has fewer.
    pub people: usize,
    /// Sequences with each of them.
    pub sequences_a_person: usize,
    /// Seed of people, flights and ties.
    pub seed: u64,
    /// Training sequences from one examination to the next on the way; 0 for one at the end only.
    pub look_every: usize,
    /// How to train.
    pub training: TrainingSettings,
}

/// One number after 0, 1, ... answers, with its 95% interval over people.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over people.
    pub mean: f64,
    /// Half the width of the interval (normal approximation).
    pub half_width: f64,
}

impl Estimate {
    fn over(people: &[f64]) -> Self {
        let n = people.len() as f64;
        let mean = people.iter().sum::<f64>() / n;
        let variance = people.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self { mean, half_width: 1.96 * (variance / n).sqrt() }
    }
}

/// What a model predicts after 0, 1, ... answers of held-out people: by number of answers, then by person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Curve {
    /// Share of predictions that are the person's choice.
    pub right: Vec<Vec<f64>>,
    /// Share of predictions that are the exact posterior's.
    pub agrees: Vec<Vec<f64>>,
    /// Kullback-Leibler divergence of the model's probabilities from the exact posterior's, in nats.
    pub divergence: Vec<Vec<f64>>,
    /// Share of the exact posterior's predictions that are the person's choice: the ceiling on the same draws.
    pub ceiling: Vec<Vec<f64>>,
}

impl Curve {
    /// Mean and interval of one of the four measures, by number of answers.
    pub fn estimates(measure: &[Vec<f64>]) -> Vec<Estimate> {
        measure.iter().map(|people| Estimate::over(people)).collect()
    }

    /// How much more often this curve is right than another on the same people, by number of answers.
    pub fn gain_over(&self, other: &Self) -> Vec<Estimate> {
        let pairs = self.right.iter().zip(&other.right);
        pairs.map(|(a, b)| Estimate::over(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())).collect()
    }
}

/// The training sequences of an experiment; only the targets depend on the teacher.
pub fn lessons(settings: &TeachingSettings, teacher: Teacher, tokenizer: &dyn Tokenizer) -> Vec<Example> {
    let (people, _) = Person::split(&settings.task, HELD_OUT, SPLIT_SEED);
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    (0..settings.sequences)
        .map(|_| {
            let person = &people[random.random_range(0..people.len())];
            example(&play(&settings.task, person, settings.rounds, &mut random), teacher, &settings.task, tokenizer)
        })
        .collect()
}

/// Trains an adapter on the lessons of one teacher; resumes from `control`'s checkpoint.
///
/// # Errors
/// As [`train`].
pub fn teach(
    weights: &Weights,
    settings: &TeachingSettings,
    teacher: Teacher,
    tokenizer: &dyn Tokenizer,
    control: &mut Control<'_>,
) -> Result<Trained, TrainingError> {
    train(weights, &lessons(settings, teacher, tokenizer), &settings.training, control)
}

/// Asks a model about held-out people; the same people and flights whatever the adapter.
///
/// # Errors
/// If a sequence is longer than the model's context.
pub fn examine(
    weights: &Weights,
    adapter: Option<&Adapter>,
    settings: &TeachingSettings,
    tokenizer: &dyn Tokenizer,
) -> Result<Curve, TrainingError> {
    let (_, mut people) = Person::split(&settings.task, HELD_OUT, SPLIT_SEED);
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    random.set_stream(1);
    rand::seq::SliceRandom::shuffle(&mut people[..], &mut random);
    // A small task has few people: then each is asked again, with other flights.
    let people: Vec<Person> = people.iter().copied().cycle().take(settings.people).collect();
    let played: Vec<Vec<Round>> = people
        .iter()
        .flat_map(|p| std::iter::repeat_n(p, settings.sequences_a_person))
        .map(|p| play(&settings.task, p, settings.rounds, &mut random))
        .collect();
    let examples: Vec<Example> =
        played.iter().map(|rounds| example(rounds, Teacher::Bayesian, &settings.task, tokenizer)).collect();
    let read = predict(weights, adapter, &examples, settings.training.part_tokens, None)?;

    let empty = || vec![vec![0.0; people.len()]; settings.rounds];
    let mut curve = Curve { right: empty(), agrees: empty(), divergence: empty(), ceiling: empty() };
    let share = 1.0 / settings.sequences_a_person.max(1) as f64;
    for (i, (rounds, read)) in played.iter().zip(&read.examples).enumerate() {
        let (index, person) = (i / settings.sequences_a_person, &people[i / settings.sequences_a_person]);
        for (n, (round, p)) in rounds.iter().zip(&read.probabilities).enumerate() {
            let p: [f64; FLIGHTS] = std::array::from_fn(|k| p.get(k).map_or(0.0, |p| f64::from(*p)));
            let (model, exact) = (best(&p), best(&round.posterior));
            // A tie is right in the share in which the person would take it, so ties add no noise.
            let truth = person.choice(&round.flights);
            curve.right[n][index] += share * truth[model];
            curve.ceiling[n][index] += share * truth[exact];
            curve.agrees[n][index] += share * f64::from(u8::from(model == exact));
            let divergence = (0..FLIGHTS).filter(|k| round.posterior[*k] > 0.0);
            let divergence: f64 =
                divergence.map(|k| round.posterior[k] * (round.posterior[k] / p[k].max(1e-9)).ln()).sum();
            curve.divergence[n][index] += share * divergence;
        }
    }
    Ok(curve)
}

fn best(p: &[f64; FLIGHTS]) -> usize {
    (0..FLIGHTS).rev().max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::flight::Words;
    use super::super::shape::Architecture;
    use super::super::{LoraSettings, tiny};
    use super::*;

    #[test]
    fn an_experiment_runs_on_a_tiny_model_and_its_ceiling_is_the_posterior() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.gguf");
        tiny::write(&path, Architecture::Llama, 1).unwrap();
        let weights = Weights::load(&path).unwrap();
        let tokenizer = |text: &str| text.bytes().map(|b| u32::from(b.clamp(32, 127) - 32)).collect::<Vec<u32>>();
        let settings = TeachingSettings {
            task: Task::published(Words::Levels),
            look_every: 0,
            sequences: 24,
            rounds: 4,
            people: 30,
            sequences_a_person: 2,
            seed: 1,
            training: TrainingSettings {
                lora: LoraSettings { rank: 4, ..Default::default() },
                epochs: 2,
                ..Default::default()
            },
        };
        let trained = teach(&weights, &settings, Teacher::Bayesian, &tokenizer, &mut Control::default()).unwrap();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        assert!(mean(&trained.losses[3..]) < mean(&trained.losses[..3]), "{:?}", trained.losses);
        let curve = examine(&weights, Some(&trained.adapter), &settings, &tokenizer).unwrap();
        let ceiling = Curve::estimates(&curve.ceiling);
        assert!(ceiling[3].mean > ceiling[0].mean + 0.1, "{ceiling:?}");
        assert!(
            curve.right.iter().flatten().chain(curve.agrees.iter().flatten()).all(|x| (0.0..=1.0 + 1e-9).contains(x))
        );
        assert!(curve.gain_over(&curve).iter().all(|e| e.mean == 0.0 && e.half_width == 0.0));
    }
}
