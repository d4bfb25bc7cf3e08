//! Who gets the kidney: real people's choices between two patients, and how soon a new person's next choice is predicted.
//!
//! The population comes from the training people only; a new person reveals N answers in the order given; their last ten
//! choices are scored at every N (log loss, nats). The baseline is a hierarchical logistic model by Laplace's method, linear in
//! the attributes. Wider features (squares, products, the side shown) are taken where they predict the choices of training people
//! who were left out of the population, in three parts: never by looking at a tested person.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use credence_memory::belief::simulate::{below, normals};
use credence_memory::belief::{BeliefError, Lattice, Location, LocationName, Mixture, Priors, Question, Settings};
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// Age, drinks a day, dependents.
pub(crate) const ATTRIBUTES: usize = 3;
/// Feature spaces: the attributes; with their squares; with products and a constant for the side shown, too.
const SPACES: [usize; 3] = [ATTRIBUTES, 2 * ATTRIBUTES, 3 * ATTRIBUTES + 1];
/// The baseline's space.
const LINEAR: usize = 0;
/// Choices scored, the last of each person.
pub(crate) const HELD_OUT: usize = 10;
/// Share of people tested in a split.
const TESTED: f64 = 0.3;
/// Rounds of moment matching, and fewer where spaces are only compared.
const ROUNDS: usize = 15;
const ROUNDS_COMPARED: usize = 6;
/// Parts into which training people are divided to compare spaces.
const PARTS: usize = 3;
/// Draws from each training person's posterior that make the lattice.
const DRAWS: usize = 4;
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KidneySplit {
    /// Tested people, by their place among those with enough choices.
    pub tested: Vec<usize>,
    /// Log loss by method, number of answers and tested person.
    pub log_loss: Vec<Vec<Vec<f64>>>,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KidneyResult {
    /// What was run.
    pub options: KidneyOptions,
    /// The mixture's settings.
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

/// One person's choices in order: left less right in the widest space, and whether left was chosen. Narrower spaces are its
/// first entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    differences: Vec<Vec<f64>>,
    left: Vec<bool>,
}

#[derive(Deserialize)]
struct Row {
    user_id: u64,
    decision_rank: u64,
    decision: u8,
    left_1: f64,
    left_2: f64,
    left_3: f64,
    right_1: f64,
    right_2: f64,
    right_3: f64,
}

/// Reads everyone's choices from `DATA/kidney/study_2_strict.csv`. Code 0 is left, 1 is right.
///
/// # Errors
/// An absent or malformed file.
pub fn load(data: &Path) -> Result<KidneyData, KidneyError> {
    let path = data.join("kidney").join("study_2_strict.csv");
    if !path.is_file() {
        return Err(KidneyError::Absent { path });
    }
    let failed = |source| KidneyError::Read { path: path.clone(), source };
    let mut rows: Vec<Row> = csv::Reader::from_path(&path)
        .map_err(failed)?
        .deserialize()
        .collect::<Result<_, csv::Error>>()
        .map_err(|source| KidneyError::Read { path: path.clone(), source })?;
    rows.sort_by_key(|r| (r.user_id, r.decision_rank));
    let sides: Vec<[[f64; ATTRIBUTES]; 2]> =
        rows.iter().map(|r| [[r.left_1, r.left_2, r.left_3], [r.right_1, r.right_2, r.right_3]]).collect();
    let scale = |values: &[f64]| {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt().max(1e-12))
    };
    let patients: [(f64, f64); ATTRIBUTES] =
        std::array::from_fn(|k| scale(&sides.iter().flatten().map(|x| x[k]).collect::<Vec<_>>()));
    let raw: Vec<Vec<f64>> = sides
        .iter()
        .map(|[left, right]| {
            let features = |x: &[f64; ATTRIBUTES]| {
                let z: [f64; ATTRIBUTES] = std::array::from_fn(|k| (x[k] - patients[k].0) / patients[k].1);
                [z, z.map(|z| z * z), [z[0] * z[1], z[0] * z[2], z[1] * z[2]]].concat()
            };
            features(left).iter().zip(features(right)).map(|(a, b)| a - b).collect()
        })
        .collect();
    let sd: Vec<f64> = (0..3 * ATTRIBUTES).map(|k| scale(&raw.iter().map(|x| x[k]).collect::<Vec<_>>()).1).collect();
    let patients = std::array::from_fn(|k| (patients[k].0, patients[k].1 * sd[k]));
    let mut people: BTreeMap<u64, Choices> = BTreeMap::new();
    for (row, x) in rows.iter().zip(&raw) {
        let person = people.entry(row.user_id).or_default();
        person.differences.push(x.iter().zip(&sd).map(|(x, sd)| x / sd).chain([1.0]).collect());
        person.left.push(row.decision == 0);
    }
    Ok(KidneyData { people: people.into_values().collect(), patients })
}

/// Everyone's choices, and what a patient's attributes are in the units that choices are kept in.
#[derive(Clone, Debug, PartialEq)]
pub struct KidneyData {
    /// People, by their number in the file.
    pub people: Vec<Choices>,
    patients: [(f64, f64); ATTRIBUTES],
}

impl KidneyData {
    /// Features of a patient: age in years, drinks a day, dependents.
    pub(crate) fn patient(&self, attributes: [f64; ATTRIBUTES]) -> Vec<f64> {
        attributes.iter().zip(&self.patients).map(|(x, (mean, unit))| (x - mean) / unit).collect()
    }
}

impl FromIterator<(Vec<f64>, bool)> for Choices {
    /// Choices from features of the first less those of the second, and whether the first was chosen.
    fn from_iter<I: IntoIterator<Item = (Vec<f64>, bool)>>(choices: I) -> Self {
        let (differences, left) = choices.into_iter().unzip();
        Self { differences, left }
    }
}

impl Choices {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.left.len()
    }

    /// The first `n` choices in a space of so many features.
    pub(crate) fn first(&self, n: usize, features: usize) -> impl Iterator<Item = (&[f64], bool)> {
        self.differences.iter().map(move |x| &x[..features.min(x.len())]).zip(self.left.iter().copied()).take(n)
    }

    pub(crate) fn all(&self, features: usize) -> impl Iterator<Item = (&[f64], bool)> {
        self.first(self.left.len(), features)
    }

    fn held_out(&self, features: usize) -> impl Iterator<Item = (&[f64], bool)> {
        self.all(features).skip(self.left.len() - HELD_OUT)
    }
}

/// A Gaussian over weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: DVector<f64>,
    pub(crate) covariance: DMatrix<f64>,
}

impl Moments {
    pub(crate) fn unit(features: usize, variance: f64) -> Self {
        Self { mean: DVector::zeros(features), covariance: DMatrix::identity(features, features) * variance }
    }

    fn features(&self) -> usize {
        self.mean.len()
    }

    /// The population whose moments are those of its people's posteriors.
    fn matching(people: &[Self]) -> Self {
        let n = people.len() as f64;
        let d = people.first().map_or(0, Self::features);
        let mean = people.iter().fold(DVector::zeros(d), |sum, p| sum + &p.mean) / n;
        let mut covariance = DMatrix::identity(d, d) * 1e-3;
        for p in people {
            let d = &p.mean - &mean;
            covariance += (&p.covariance + &d * d.transpose()) / n;
        }
        Self { mean, covariance }
    }

    fn lower(&self) -> Vec<f64> {
        (0..self.features()).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|ij| self.covariance[ij]).collect()
    }

    pub(crate) fn location(&self, name: LocationName) -> Location {
        Location { name, mean: self.mean.iter().copied().collect(), covariance: self.lower() }
    }
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// Laplace's approximation of a logistic posterior: Newton's method with step halving.
fn laplace<'a>(choices: impl Iterator<Item = (&'a [f64], bool)>, prior: &Moments) -> Moments {
    let data: Vec<(DVector<f64>, f64)> =
        choices.map(|(x, left)| (DVector::from_column_slice(x), f64::from(u8::from(left)))).collect();
    let Some(precision) = prior.covariance.clone().try_inverse() else { return prior.clone() };
    let loss = |w: &DVector<f64>| {
        let d = w - &prior.mean;
        let fit: f64 = data
            .iter()
            .map(|(x, y)| {
                let z = w.dot(x);
                z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
            })
            .sum();
        fit + 0.5 * d.dot(&(&precision * &d))
    };
    let curvature = |w: &DVector<f64>| {
        data.iter().fold(precision.clone(), |sum, (x, _)| {
            let p = logistic(w.dot(x));
            sum + x * x.transpose() * (p * (1.0 - p))
        })
    };
    let mut w = prior.mean.clone();
    for _ in 0..50 {
        let gradient =
            data.iter().fold(&precision * (&w - &prior.mean), |sum, (x, y)| sum + x * (logistic(w.dot(x)) - y));
        let Some(step) = curvature(&w).lu().solve(&gradient) else { break };
        let before = loss(&w);
        let mut share = 1.0;
        while share > 1e-6 && loss(&(&w - &step * share)) > before {
            share /= 2.0;
        }
        w -= &step * share;
        if step.norm() < 1e-9 {
            break;
        }
    }
    let covariance = curvature(&w).try_inverse().unwrap_or_else(|| prior.covariance.clone());
    Moments { mean: w, covariance }
}

/// Probability of left, by MacKay's approximation.
fn laplace_predict(belief: &Moments, x: &[f64]) -> f64 {
    let x = DVector::from_column_slice(x);
    let variance = x.dot(&(&belief.covariance * &x));
    logistic(belief.mean.dot(&x) / (1.0 + std::f64::consts::PI * variance / 8.0).sqrt())
}

/// The settings of the kidney mixture.
pub fn settings() -> Settings {
    Settings {
        signal_scales: vec![0.5, 1.0, 2.0],
        lapse_rates: vec![0.01, 0.1],
        bands: vec![0.3],
        slow_drift_weight: 0.0,
        ..Settings::default()
    }
}

pub(crate) fn fold<'a>(
    settings: &Settings,
    priors: &Priors,
    choices: impl Iterator<Item = (&'a [f64], bool)>,
) -> Result<Mixture, BeliefError> {
    let seen: Vec<_> =
        choices.map(|(x, left)| Question::choice(x.to_vec(), false).answer(usize::from(!left))).collect();
    Mixture::fold(settings, priors, &seen)
}

pub(crate) fn priors(locations: Vec<Location>, lattices: Vec<Lattice>) -> Priors {
    let features = locations.first().map_or(0, |l| l.mean.len());
    Priors { locations, scaled: vec![true; features], lattices, component_masses: Vec::new() }
}

/// Mean and covariance of the weights under a mixture, from the moments of functionals.
pub(crate) fn moments(mixture: &Mixture) -> Moments {
    let d = mixture.dimension();
    let variance = |i: usize, j: usize| {
        let mut a = vec![0.0; d];
        a[i] += 1.0;
        a[j] += 1.0;
        mixture.functional(&a).variance()
    };
    let own: Vec<f64> = (0..d).map(|i| mixture.weight(i).variance()).collect();
    let covariance =
        DMatrix::from_fn(d, d, |i, j| if i == j { own[i] } else { 0.5 * (variance(i, j) - own[i] - own[j]) });
    Moments { mean: DVector::from_vec(mixture.mean()), covariance }
}

/// One hypothesis, in the units of the population.
fn one() -> Settings {
    Settings::single(1.0, 0.01, 0.3)
}

/// What the training people teach: a Gaussian by moment matching of EP posteriors, and draws from those posteriors.
pub(crate) struct Population {
    pub(crate) gaussian: Moments,
    lattice: Lattice,
}

impl Population {
    pub(crate) fn learn(training: &[&Choices], features: usize, seed: u64) -> Result<Self, BeliefError> {
        let (gaussian, posteriors) = Self::match_moments(training, features, ROUNDS)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut atoms = Vec::with_capacity(DRAWS * posteriors.len());
        for p in &posteriors {
            let Some(factor) = p.covariance.clone().cholesky() else { continue };
            for _ in 0..DRAWS {
                let z = DVector::from_vec(normals(features, &mut rng));
                atoms.push((&p.mean + factor.l() * z).iter().copied().collect());
            }
        }
        let masses = vec![1.0; atoms.len()];
        Ok(Self { gaussian, lattice: Lattice { name: LocationName::Lattice(0), atoms, masses } })
    }

    /// The Gaussian, and the posteriors of its people.
    fn match_moments(
        training: &[&Choices],
        features: usize,
        rounds: usize,
    ) -> Result<(Moments, Vec<Moments>), BeliefError> {
        let mut gaussian = Moments::unit(features, 2.0);
        let mut posteriors = Vec::new();
        for _ in 0..rounds {
            let prior = priors(vec![gaussian.location(LocationName::Population)], Vec::new());
            posteriors = training
                .par_iter()
                .map(|c| Ok(moments(&fold(&one(), &prior, c.all(features))?)))
                .collect::<Result<Vec<_>, BeliefError>>()?;
            gaussian = Moments::matching(&posteriors);
        }
        Ok((gaussian, posteriors))
    }

    /// Log probability of the choices of training people under a population of the others, nats: the sum of their
    /// next-choice log losses, with the sign turned.
    fn left_out(training: &[&Choices], features: usize) -> Result<f64, BeliefError> {
        let mut total = 0.0;
        for part in 0..PARTS {
            let inside = |k: usize| k % PARTS == part;
            let of = |inside_wanted: bool| -> Vec<&Choices> {
                training.iter().enumerate().filter(|(k, _)| inside(*k) == inside_wanted).map(|(_, c)| *c).collect()
            };
            let (gaussian, _) = Self::match_moments(&of(false), features, ROUNDS_COMPARED)?;
            let prior = priors(vec![gaussian.location(LocationName::Population)], Vec::new());
            for person in of(true) {
                total += fold(&one(), &prior, person.all(features))?.log_marginal_likelihood();
            }
        }
        Ok(total)
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
    let people: Vec<&Choices> = everyone.iter().filter(|p| p.left.len() >= choices).collect();
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
    use super::*;
    use credence_memory::belief::simulate::uniform;

    /// People who resemble each other, answering by a logistic rule.
    fn crowd(people: usize) -> Vec<Choices> {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        (0..people)
            .map(|_| {
                let mut w: Vec<f64> = normals(SPACES[2], &mut rng).iter().map(|x| 1.5 + 0.5 * x).collect();
                w[ATTRIBUTES..].fill(0.0);
                let mut person = Choices::default();
                for _ in 0..20 {
                    let x = normals(SPACES[2], &mut rng);
                    let z: f64 = x.iter().zip(&w).map(|(x, w)| x * w).sum();
                    person.left.push(uniform(&mut rng) < logistic(z));
                    person.differences.push(x);
                }
                person
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
    }

    #[test]
    fn absent_data_is_said_to_be_absent() {
        let error = load(Path::new("no-such-folder")).expect_err("no data there");
        assert!(error.to_string().contains("CREDENCE_DATA"));
    }
}
