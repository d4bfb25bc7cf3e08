//! Who gets the kidney: real people's choices between two patients, and how soon a new person's next choice is predicted.
//!
//! The population comes from the training people only; a new person reveals N answers in the order given; their last ten
//! choices are scored at every N (log loss, nats). The baseline is a hierarchical logistic model by Laplace's method, linear in
//! the attributes. Wider features (squares, products, the side shown) are taken where they predict the choices of training people
//! who were left out of the population, in three parts: never by looking at a tested person.

use std::collections::BTreeMap;
use std::path::PathBuf;

use credence_memory::belief::simulate::below;
use credence_memory::belief::{BeliefError, LocationName, Priors, Question, Settings};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};

mod data;
mod gaussian;
mod population;

pub(crate) use data::{ATTRIBUTES, HELD_OUT};
pub use data::{Choices, KidneyData, load};
pub(crate) use gaussian::Moments;
use gaussian::{laplace, laplace_predict};
pub use population::settings;
pub(crate) use population::{Population, fold, moments, priors};

/// Feature spaces: the attributes; with their squares; with products and a constant for the side shown, too.
const SPACES: [usize; 3] = [ATTRIBUTES, 2 * ATTRIBUTES, 3 * ATTRIBUTES + 1];
/// The baseline's space.
const LINEAR: usize = 0;
/// Share of people tested in a split.
const TESTED: f64 = 0.3;
/// Rounds of moment matching.
const ROUNDS: usize = 15;
/// Predictions are clipped here, as the baseline's script does.
const CLIP: f64 = 1e-4;

/// Why real data could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KidneyError {
    /// No such file.
    #[error("the kidney data is not at {path}: set CREDENCE_DATA to the folder that holds kidney/study_2_strict.csv")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file of another form.
    #[error("{path} cannot be read as kidney choices")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// Too few people with enough choices.
    #[error("{people} people with {choices} choices are too few for a split")]
    TooFew {
        /// People found.
        people: usize,
        /// Choices needed of each.
        choices: usize,
    },
    /// The engine refused something.
    #[error("a belief could not be formed")]
    Belief(#[from] BeliefError),
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KidneyOptions {
    /// Splits into training and tested people.
    pub splits: usize,
    /// Seed of the splits and draws.
    pub seed: u64,
    /// Numbers of revealed answers.
    pub answers: Vec<usize>,
}

impl Default for KidneyOptions {
    fn default() -> Self {
        Self { splits: 3, seed: 1, answers: vec![0, 5, 10, 20] }
    }
}

/// One method's log loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KidneyRow {
    /// The method.
    pub method: String,
    /// Log loss after each number of answers.
    pub log_loss: Vec<Estimate>,
    /// Log loss less the hierarchical baseline's, person by person.
    pub difference: Vec<Estimate>,
    /// Share of held-out choices predicted right.
    pub accuracy: Vec<f64>,
}

/// Who was tested in a split, and how: for peers that run the same splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KidneySplit {
    /// Tested people, by their place among those with enough choices.
    pub tested: Vec<usize>,
    /// Log loss by method, number of answers and tested person.
    pub log_loss: Vec<Vec<Vec<f64>>>,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KidneyResult {
    /// What was run.
    pub options: KidneyOptions,
    /// The mixture's settings.
    #[schema(value_type = credence_memory::EngineSettings)]
    pub settings: Settings,
    /// People tested at least once.
    pub people: usize,
    /// In how many splits each feature space was chosen: linear, with squares, with products and side.
    pub chosen: Vec<usize>,
    /// The methods, the baseline second.
    pub rows: Vec<KidneyRow>,
    /// Every split.
    pub splits: Vec<KidneySplit>,
}

impl Measured for KidneyResult {
    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for row in &self.rows {
            for (k, n) in self.options.answers.iter().enumerate() {
                let (data, at) = ("real people", format!("{n} answers"));
                figures.push(Figure::new(data, &row.method, &at, "log loss, nats", row.log_loss[k]));
                figures.push(Figure::new(
                    data,
                    &row.method,
                    &at,
                    "log loss less the baseline's, nats",
                    row.difference[k],
                ));
                figures.push(Figure::bare(data, &row.method, &at, "share right", row.accuracy[k]));
            }
        }
        figures
    }
}

const METHODS: [&str; 8] = [
    "individual, flat prior (logistic)",
    "hierarchical Bayes (logistic)",
    "mixture, population prior",
    "mixture, population and its people",
    "mixture, population and flat prior",
    "the same people, with squares",
    "the same people, with squares, products and side",
    "the same people, features chosen on training people",
];
const BASELINE: usize = 1;

/// Mean loss and accuracy over the held-out choices.
pub(crate) fn score(person: &Choices, features: usize, predict: impl Fn(&[f64]) -> f64) -> (f64, f64) {
    let (mut loss, mut right) = (0.0, 0.0);
    for (x, left) in person.held_out(features) {
        let p = predict(x).clamp(CLIP, 1.0 - CLIP);
        loss -= if left { p.ln() } else { (1.0 - p).ln() };
        right += f64::from(u8::from((p > 0.5) == left));
    }
    (loss / HELD_OUT as f64, right / HELD_OUT as f64)
}

/// Loss and accuracy of every method after every number of answers, one person.
type Scores = Vec<Vec<(f64, f64)>>;

fn test_one(
    person: &Choices,
    baseline: &Moments,
    mixtures: &[Priors],
    settings: &Settings,
    answers: &[usize],
) -> Result<Scores, BeliefError> {
    let mut scores = vec![Vec::new(); METHODS.len()];
    for &n in answers {
        for (k, prior) in [&Moments::unit(ATTRIBUTES, 1.0), baseline].into_iter().enumerate() {
            let belief = laplace(person.first(n, ATTRIBUTES), prior);
            scores[k].push(score(person, ATTRIBUTES, |x| laplace_predict(&belief, x)));
        }
        for (k, prior) in mixtures.iter().enumerate() {
            let features = prior.scaled.len();
            let mixture = fold(settings, prior, person.first(n, features))?;
            let predict = |x: &[f64]| mixture.predict(&Question::choice(x.to_vec(), false))[0];
            scores[2 + k].push(score(person, features, predict));
        }
    }
    Ok(scores)
}

/// Runs the table; `done` is called once for each split.
///
/// # Errors
/// Too few people.
pub fn run(
    everyone: &[Choices],
    options: &KidneyOptions,
    settings: &Settings,
    done: &(dyn Fn() + Sync),
) -> Result<KidneyResult, KidneyError> {
    let choices = options.answers.iter().max().copied().unwrap_or(0) + HELD_OUT;
    let people: Vec<&Choices> = everyone.iter().filter(|p| p.count() >= choices).collect();
    let tested = (TESTED * people.len() as f64) as usize;
    if tested == 0 || people.len() - tested < 2 || options.splits == 0 || options.answers.is_empty() {
        return Err(KidneyError::TooFew { people: people.len(), choices });
    }
    // By person: the scores of each split they were tested in.
    let mut all: BTreeMap<usize, Vec<Scores>> = BTreeMap::new();
    let mut chosen = vec![0; SPACES.len()];
    let mut splits = Vec::with_capacity(options.splits);
    for split in 0..options.splits {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(split as u64);
        let mut order: Vec<usize> = (0..people.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, below(i + 1, &mut rng));
        }
        let (test, train) = order.split_at(tested);
        let training: Vec<&Choices> = train.iter().map(|&i| people[i]).collect();
        let mut baseline = Moments::unit(ATTRIBUTES, 2.0);
        for _ in 0..ROUNDS {
            let fits: Vec<Moments> = training.iter().map(|c| laplace(c.all(ATTRIBUTES), &baseline)).collect();
            baseline = Moments::matching(&fits);
        }
        let seed = options.seed.wrapping_add(split as u64);
        let populations: Vec<Population> =
            SPACES.iter().map(|&d| Population::learn(&training, d, seed)).collect::<Result<_, _>>()?;
        let scores: Vec<f64> = SPACES.iter().map(|&d| Population::left_out(&training, d)).collect::<Result<_, _>>()?;
        let best = (0..SPACES.len()).fold(0, |b, k| if scores[k] > scores[b] { k } else { b });
        chosen[best] += 1;
        let location = |k: usize| populations[k].gaussian.location(LocationName::Population);
        let with_people = |k: usize| priors(vec![location(k)], vec![populations[k].lattice.clone()]);
        let zero = Moments::unit(ATTRIBUTES, 1.0).location(LocationName::Zero);
        let mixtures = [
            priors(vec![location(LINEAR)], Vec::new()),
            with_people(LINEAR),
            priors(vec![zero, location(LINEAR)], Vec::new()),
            with_people(1),
            with_people(2),
            with_people(best),
        ];
        let scores: Vec<Scores> = test
            .par_iter()
            .map(|&i| test_one(people[i], &baseline, &mixtures, settings, &options.answers))
            .collect::<Result<_, BeliefError>>()?;
        let of = |method: usize, n: usize| scores.iter().map(|s| s[method][n].0).collect::<Vec<f64>>();
        splits.push(KidneySplit {
            tested: test.to_vec(),
            log_loss: (0..METHODS.len()).map(|m| (0..options.answers.len()).map(|n| of(m, n)).collect()).collect(),
        });
        for (&i, s) in test.iter().zip(scores) {
            all.entry(i).or_default().push(s);
        }
        done();
    }
    let column = |method: usize, n: usize, part: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let mean = |splits: &Vec<Scores>| splits.iter().map(|s| part(&s[method][n])).sum::<f64>() / splits.len() as f64;
        all.values().map(mean).collect()
    };
    let numbers = 0..options.answers.len();
    let rows = METHODS
        .iter()
        .enumerate()
        .map(|(m, name)| KidneyRow {
            method: (*name).to_owned(),
            log_loss: numbers.clone().map(|n| Estimate::bootstrap(&column(m, n, |s| s.0), options.seed)).collect(),
            difference: numbers
                .clone()
                .map(|n| Estimate::paired(&column(m, n, |s| s.0), &column(BASELINE, n, |s| s.0), options.seed))
                .collect(),
            accuracy: numbers.clone().map(|n| column(m, n, |s| s.1).iter().sum::<f64>() / all.len() as f64).collect(),
        })
        .collect();
    Ok(KidneyResult { options: options.clone(), settings: settings.clone(), people: all.len(), chosen, rows, splits })
}

#[cfg(test)]
mod tests {
    use super::gaussian::logistic;
    use super::*;
    use credence_memory::belief::simulate::{normals, uniform};

    /// People who resemble each other, answering by a logistic rule.
    fn crowd(people: usize) -> Vec<Choices> {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        (0..people)
            .map(|_| {
                let mut w: Vec<f64> = normals(SPACES[2], &mut rng).iter().map(|x| 1.5 + 0.5 * x).collect();
                w[ATTRIBUTES..].fill(0.0);
                let mut choice = |_| {
                    let x = normals(SPACES[2], &mut rng);
                    let z: f64 = x.iter().zip(&w).map(|(x, w)| x * w).sum();
                    let left = uniform(&mut rng) < logistic(z);
                    (x, left)
                };
                (0..20).map(&mut choice).collect()
            })
            .collect()
    }

    #[test]
    fn a_population_helps_before_the_first_answer() {
        let options = KidneyOptions { splits: 1, seed: 2, answers: vec![0, 8] };
        let result = run(&crowd(30), &options, &settings(), &|| ()).expect("enough people");
        let loss = |row: usize, n: usize| result.rows[row].log_loss[n].mean;
        assert!((loss(0, 0) - 2f64.ln()).abs() < 1e-9, "a flat prior knows nothing");
        assert!(loss(2, 0) < 0.6 && loss(2, 1) < loss(0, 1), "{result:?}");
        assert!((loss(2, 1) - loss(1, 1)).abs() < 0.05, "probit and logistic agree on people of either kind");
        assert_eq!(result.chosen, [1, 0, 0], "features that matter to nobody are not taken up");
        let figures = crate::figures::kept(&result);
        let kept = crate::figures::of(&figures, ["real people", METHODS[2], "8 answers", "log loss, nats"]);
        assert_eq!(kept.high, Some(result.rows[2].log_loss[1].high));
    }
}
