//! Does a model's own prior lie inside the region of convergence? Real people's answers tell.
//!
//! The model judges what people were asked about: patients who could get a kidney, or statements that were voted on. What it seems
//! to value becomes a prior, by the same rule as the elicited prior of a session. Where that prior points is compared with what
//! real people turn out to value, and real people's answers are learned from that start, from a flat one, and from both.

mod figures;
mod patients;
mod statements;

use credence_memory::belief::simulate::below;
use credence_memory::belief::{BeliefError, Location, LocationName, Mixture, Priors, Question, Settings};
use credence_priors::elicited::PERSON_SHARE;
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::kidney::{Choices, HELD_OUT, Moments, Population, fold, moments, score};
use crate::library::LibraryStart;

pub use patients::judged_patients;
pub use statements::judged_statements;

/// Parts into which people are divided; who is tested in one is compared with a population learned from the others.
const FOLDS: usize = 5;

/// What people were asked, what they answered, and how a model judges the same things.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What people did, in words.
    pub what: String,
    /// What each feature is called.
    pub features: Vec<String>,
    /// The model's judgement of each thing, in any unit.
    pub judgement: Vec<f64>,
    /// Features of each thing.
    pub things: Vec<Vec<f64>>,
    /// What people answered.
    pub people: Vec<Choices>,
}

/// Why a start could not be placed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The model, about patients.
    #[error("the model could not be asked about patients")]
    Read(#[from] credence_priors::readout::ReadError),
    /// The model, about statements.
    #[error("the model could not be asked about statements")]
    Statements(#[from] credence_priors::statements::StatementError),
    /// The engine.
    #[error("a belief could not be formed")]
    Belief(#[from] BeliefError),
    /// Too few people.
    #[error("{people} people with {answers} answers or more are too few: at least 10 are needed")]
    TooFew {
        /// People found.
        people: usize,
        /// Answers needed of each.
        answers: usize,
    },
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartOptions {
    /// Converged: at most so many nats an answer above who knows the person, on average over people.
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

/// The model's prior over the weights of features, in units of the noise at signal scale 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StartPrior {
    /// Mean of each feature's weight.
    pub mean: Vec<f64>,
    /// Standard deviation of each.
    pub sd: Vec<f64>,
    /// Covariance, row by row.
    pub covariance: Vec<f64>,
    /// Share of the model's judgement that the features explain.
    pub r2: f64,
    /// Share of the prior's second moment that is in its mean: the map's upward axis.
    pub confidence: f64,
}

/// How one learner fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StartRow {
    /// Who learned.
    pub learner: String,
    /// Log loss of the last ten answers, nats, after each number of answers.
    pub log_loss: Vec<Estimate>,
    /// Log loss above who knows the person.
    pub excess: Vec<Estimate>,
    /// Log loss less the flat start's, person by person.
    pub difference: Vec<Estimate>,
    /// Answers from which on the mean excess stays under the target.
    pub answers_needed: Option<usize>,
}

/// A placed start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StartResult {
    /// What was run.
    pub options: StartOptions,
    /// Which model.
    pub model: String,
    /// What people did, in words.
    pub what: String,
    /// Things that the model judged.
    pub things: usize,
    /// What each feature is called.
    pub features: Vec<String>,
    /// Its prior.
    pub prior: StartPrior,
    /// Angle between the prior's mean and each person's values, degrees, ascending.
    pub angles_degrees: Vec<f64>,
    /// Log loss of who knows the person: the ceiling.
    pub ceiling: Estimate,
    /// Flat start (the baseline), the model's prior alone, both together (ours); then, for each library, the library alone,
    /// beside the flat start, and beside the flat start and the model's prior.
    pub rows: Vec<StartRow>,
    /// Where documents let belief start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<LibraryStart>,
    /// Median angle between each library's mean and each person's values, degrees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub library_angles_degrees: Vec<f64>,
}

impl StartResult {
    /// A quantile of the angles.
    pub fn angle(&self, p: f64) -> f64 {
        let last = self.angles_degrees.len().saturating_sub(1);
        self.angles_degrees[(p * last as f64).round() as usize]
    }

    /// Whether this start lies inside: the mixture that has it converges within the answers there are.
    pub fn inside(&self) -> bool {
        self.rows.get(2).is_some_and(|r| r.answers_needed.is_some())
    }
}

impl StartPrior {
    /// The model's judgement regressed on features that are centred, and the elicited prior's rule: half of a typical
    /// difference is the model's, half is left to how people differ. A feature that is the same for all things gets no mean.
    pub fn of(judged: &Judged) -> Self {
        let (n, d) = (judged.things.len(), judged.features.len());
        let mut x = DMatrix::from_fn(n, d, |i, k| judged.things[i][k]);
        for k in 0..d {
            let mean = x.column(k).mean();
            x.column_mut(k).add_scalar_mut(-mean);
        }
        let mut y = DVector::from_column_slice(&judged.judgement);
        y.add_scalar_mut(-y.mean());
        let inverse = (x.transpose() * &x + DMatrix::identity(d, d) * 1e-6)
            .try_inverse()
            .unwrap_or_else(|| DMatrix::identity(d, d));
        let b = &inverse * x.transpose() * &y;
        let left = (&y - &x * &b).norm_squared();
        let constant: Vec<bool> = x.column_iter().map(|c| c.norm_squared() < 1e-9).collect();
        let mut s = inverse * (left / n.saturating_sub(d + 1).max(1) as f64);
        for k in (0..d).filter(|k| constant[*k]) {
            s.row_mut(k).fill(0.0);
            s.column_mut(k).fill(0.0);
        }
        let scale = ((1.0 - PERSON_SHARE) / (b.norm_squared() + s.trace()).max(1e-12)).sqrt();
        let mean = &b * scale;
        let covariance = s * (scale * scale) + DMatrix::identity(d, d) * (PERSON_SHARE / d as f64);
        let second = mean.norm_squared() + covariance.trace();
        Self {
            sd: (0..d).map(|k| covariance[(k, k)].sqrt()).collect(),
            covariance: covariance.iter().copied().collect(),
            r2: (1.0 - left / y.norm_squared().max(1e-12)).max(0.0),
            confidence: mean.norm_squared() / second,
            mean: mean.iter().copied().collect(),
        }
    }
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

fn flat(features: usize) -> Location {
    Moments::unit(features, 1.0 / features as f64).location(LocationName::Zero)
}

fn library_location(library: &LibraryStart) -> Location {
    let moments = Moments {
        mean: DVector::from_column_slice(&library.mean),
        covariance: DMatrix::from_diagonal(&DVector::from_column_slice(&library.variance)),
    };
    moments.location(LocationName::Library)
}

/// The angle between two vectors.
fn degrees(a: &DVector<f64>, b: &DVector<f64>) -> f64 {
    let cosine = a.dot(b) / (a.norm() * b.norm()).max(1e-12);
    cosine.clamp(-1.0, 1.0).acos().to_degrees()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// Learns real people from the start, and from starts that documents give.
///
/// # Errors
/// Too few people.
pub fn run(
    judged: &Judged,
    model: &str,
    libraries: &[LibraryStart],
    options: &StartOptions,
) -> Result<StartResult, StartError> {
    let features = judged.features.len();
    let prior = StartPrior::of(judged);
    let most = options.answers.iter().max().copied().unwrap_or(0);
    let people: Vec<&Choices> = judged.people.iter().filter(|p| p.count() >= most + HELD_OUT).collect();
    if people.len() < 2 * FOLDS {
        return Err(StartError::TooFew { people: people.len(), answers: most + HELD_OUT });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut order: Vec<usize> = (0..people.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, below(i + 1, &mut rng));
    }
    let own = Moments {
        mean: DVector::from_column_slice(&prior.mean),
        covariance: DMatrix::from_row_slice(features, features, &prior.covariance),
    };
    let elicited = own.location(LocationName::Elicited);
    let one = |locations: Vec<Location>| Priors {
        locations,
        scaled: vec![true; features],
        lattices: Vec::new(),
        component_masses: Vec::new(),
    };
    let mut names: Vec<String> =
        ["flat start", "the model's prior alone", "mixture of both"].map(str::to_owned).to_vec();
    let mut starts =
        vec![one(vec![flat(features)]), one(vec![elicited.clone()]), one(vec![flat(features), elicited.clone()])];
    for library in libraries {
        let own = library_location(library);
        names.extend([
            format!("{} alone", library.name),
            format!("flat start and {}", library.name),
            format!("flat start, the model's prior and {}", library.name),
        ]);
        starts.extend([
            one(vec![own.clone()]),
            one(vec![flat(features), own.clone()]),
            one(vec![flat(features), elicited.clone(), own]),
        ]);
    }
    let settings = settings();
    let loss = |belief: &Mixture, person: &Choices| {
        score(person, features, |x| belief.predict(&Question::choice(x.to_vec(), false))[0]).0
    };
    let mut known = vec![0.0; people.len()];
    let mut angles = vec![0.0; people.len()];
    let mut library_angles = vec![vec![0.0; people.len()]; libraries.len()];
    for part in 0..FOLDS {
        let inside = |k: usize| k % FOLDS == part;
        let training: Vec<&Choices> =
            order.iter().enumerate().filter(|(k, _)| !inside(*k)).map(|(_, &i)| people[i]).collect();
        let population = Population::learn(&training, features, options.seed)?.gaussian;
        let others = one(vec![population.location(LocationName::Population)]);
        let yardstick = crate::kidney::settings();
        for (_, &i) in order.iter().enumerate().filter(|(k, _)| inside(*k)) {
            let person = people[i];
            known[i] = loss(&fold(&yardstick, &others, person.first(most, features))?, person);
            let all = moments(&fold(&yardstick, &others, person.all(features))?).mean;
            angles[i] = degrees(&all, &own.mean);
            for (library, angles) in libraries.iter().zip(&mut library_angles) {
                angles[i] = degrees(&all, &DVector::from_column_slice(&library.mean));
            }
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
                        .map(|person| Ok(loss(&fold(&settings, start, person.first(n, features))?, person)))
                        .collect::<Result<Vec<f64>, BeliefError>>()
                })
                .collect()
        })
        .collect::<Result<_, _>>()?;
    let rows = names
        .iter()
        .zip(&losses)
        .map(|(name, own)| {
            let excess: Vec<Estimate> = own.iter().map(|l| Estimate::paired(l, &known, options.seed)).collect();
            let late = excess.iter().rposition(|e| e.mean > options.target_nats);
            StartRow {
                learner: name.clone(),
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
        what: judged.what.clone(),
        things: judged.things.len(),
        features: judged.features.clone(),
        prior,
        angles_degrees: angles,
        ceiling: Estimate::bootstrap(&known, options.seed),
        rows,
        libraries: libraries.to_vec(),
        library_angles_degrees: library_angles.into_iter().map(median).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polis::{Conversation, Vote};
    use credence_memory::belief::simulate::{normal, uniform};
    use credence_priors::scripted::Scripted;

    /// 40 statements; the odd ones sound true to the model, and this share of 30 people agrees with what sounds true.
    fn conversation(share: f64) -> Conversation {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let statements = (0..40).map(|i| format!("{} {i}", if i % 2 == 1 { "sunny" } else { "gloomy" })).collect();
        let votes = (0..30)
            .map(|person| {
                let side = if uniform(&mut rng) < share { 1.0 } else { -1.0 };
                let agrees =
                    |item: usize, rng: &mut ChaCha8Rng| side * (item % 2) as f64 * 4.0 - side * 2.0 + normal(rng) > 0.0;
                (0..40).map(|item| Vote { person, item, agrees: agrees(item, &mut rng) }).collect()
            })
            .collect();
        Conversation { name: "made".into(), statements, votes }
    }

    #[test]
    fn a_model_that_judges_as_voters_do_starts_closer_and_one_that_judges_the_other_way_farther()
    -> Result<(), StartError> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut model = Scripted::hashed(3).with_noise(0.05);
        for word in ["true", "right", "good"] {
            model = model.with_tilt("sunny", word, 3.0);
        }
        // As many libraries as give more lines than a page has colours.
        let library = |n: usize| LibraryStart {
            name: format!("library {n}"),
            documents: 1,
            mean: vec![0.1; 4],
            variance: vec![0.2; 4],
        };
        let libraries = [library(1), library(2), library(3)];
        let mut placed = |share: f64| {
            let judged = judged_statements(&mut model, &conversation(share), folder.path(), 1, &mut |_, _| ())?;
            assert_eq!((judged.things.len(), judged.features.len(), judged.people.len()), (40, 4, 30));
            run(&judged, "scripted", &libraries, &StartOptions::default())
        };
        let (with, against) = (placed(1.0)?, placed(0.0)?);
        assert!(with.angle(0.5) < 45.0 && against.angle(0.5) > 135.0, "{} {}", with.angle(0.5), against.angle(0.5));
        // Before any answer: the model's prior alone beside the flat start.
        assert!(with.rows[1].difference[0].high < 0.0, "{:?}", with.rows[1].difference[0]);
        assert!(against.rows[1].difference[0].low > 0.0, "{:?}", against.rows[1].difference[0]);
        // The constant says nothing of what the model values.
        assert_eq!(with.prior.mean[3], 0.0);
        assert!(with.prior.r2 > 0.99, "the judgement is its contrasts");
        assert!(crate::report::start_html(&with, None).contains("flat start and library 3"));
        let figures = crate::figures::kept(&with);
        let (data, alone) = (with.what.as_str(), "the model's prior alone");
        let kept = crate::figures::of(&figures, [data, alone, "0 answers", "log loss less the flat start's, nats"]);
        assert_eq!(kept.high, Some(with.rows[1].difference[0].high));
        let angle = "angle to people's values within which half lie, degrees";
        assert_eq!(crate::figures::of(&figures, [data, "scripted", "0 answers", angle]).mean, with.angle(0.5));
        Ok(())
    }

    #[test]
    fn too_few_people_are_said_to_be() {
        let judged = Judged {
            what: "votes".into(),
            features: vec!["one".into()],
            judgement: vec![1.0, -1.0],
            things: vec![vec![1.0], vec![-1.0]],
            people: vec![[(vec![1.0], true)].into_iter().collect()],
        };
        let refused = run(&judged, "none", &[], &StartOptions::default());
        assert!(matches!(refused, Err(StartError::TooFew { people: 0, answers: 40 })), "{refused:?}");
    }
}
