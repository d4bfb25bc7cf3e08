//! Does a session find what a person values? People whose values are known answer the keyed instrument, as a session would ask it,
//! and what was found is held against what they are.
//!
//! Every figure is over people. Each arm meets the same people: the product, choices alone, and the ceiling, which is told the keys
//! as the person perceives them; on request, the product without the published start, and the product with what a model reads of the
//! acts beside their keys. Beside them, on the same answers: count scoring, and a plain Bayesian logistic fit.

pub(crate) mod baselines;
mod blocks;
mod figures;
pub(crate) mod learner;
pub(crate) mod people;

use std::collections::BTreeMap;
use std::path::PathBuf;

use credence_agent::bank::Bank;
use credence_agent::instrument::Effort;
use credence_memory::belief::{BeliefError, Settings};
use credence_memory::ids::AlternativeId;
use credence_memory::record::{AlternativeDescribed, QuestionKind};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

pub use people::{PersonFile, PersonFileError, load_people};

use learner::{Arm, Instrument, Sat};
use people::Simulated;

/// How the experiment goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecoveryOptions {
    /// Simulated people.
    pub people: usize,
    /// Answers after which people are looked at.
    pub answers: Vec<usize>,
    /// Minutes of a person's time after which they are looked at too; a session ends there or at the last of `answers`.
    pub minutes: f64,
    /// Standard deviation of a key as a person perceives it, key points.
    pub perception_noise: f64,
    /// Probability of an answer at random.
    pub lapse_rate: f64,
    /// Standard deviation of a typical utility difference, in units of the person's noise.
    pub signal: f64,
    /// Added to the utility of what is shown first, in units of the person's noise.
    pub order_effect: f64,
    /// Where people's values come from.
    pub population: Population,
    /// Whether the product is also run without the published start.
    pub compare_starts: bool,
    /// Other settings of belief that the product is also run under, on the same people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub compare_settings: Option<Settings>,
    /// How much is worked out to choose a question.
    #[serde(default)]
    pub effort: Effort,
    /// Seed of people, answers and questions.
    pub seed: u64,
}

/// Where simulated people's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// Weights are independent normals of one spread.
    Independent,
    /// Weights are drawn around the published order, with the published correlations.
    Published,
}

impl Default for RecoveryOptions {
    fn default() -> Self {
        Self {
            people: 60,
            answers: vec![10, 20, 30, 60],
            minutes: 10.0,
            perception_noise: 0.5,
            lapse_rate: 0.05,
            signal: 2.5,
            order_effect: 0.1,
            population: Population::Independent,
            compare_starts: false,
            compare_settings: None,
            effort: Effort::Full,
            seed: 1,
        }
    }
}

/// Why the experiment could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The belief engine refused.
    #[error(transparent)]
    Belief(#[from] BeliefError),
    /// A number of the bank that is none.
    #[error(transparent)]
    Number(#[from] credence_memory::number::NumberError),
    /// Acts that a model was to have read.
    #[error(
        "of the bank's {acts} keyed acts {read} were read by a model; expected all of them: begin a home with --unkeyed and let it read the bank"
    )]
    NotRead {
        /// Keyed acts of the bank.
        acts: usize,
        /// Those that were read.
        read: usize,
    },
    /// A value of the bank that cannot be named.
    #[error(transparent)]
    Id(#[from] credence_memory::ids::IdError),
    /// An option out of range.
    #[error("{what} is {found}; expected {expected}")]
    Option {
        /// Which.
        what: &'static str,
        /// Its value.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// People from a file that answered nothing of the bank.
    #[error("nobody in {} answered a keyed question of the bank", path.display())]
    NoAnswers {
        /// The file.
        path: PathBuf,
    },
}

/// What was found of people at one moment of their sessions, each figure over people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Moment {
    /// "10 answers", "10 minutes".
    pub at: String,
    /// Answers given by then, on average.
    pub answers: f64,
    /// Minutes of a person's time by then, on average.
    pub minutes: f64,
    /// Spearman's correlation of the values found with the true ones.
    pub rank_correlation: Estimate,
    /// Share of a person's three highest values that were found above their average.
    pub top_three: Estimate,
    /// How many values were sure: their 90% interval excludes the average.
    pub sure: Estimate,
    /// Share of sure values that are on the right side; people with none are left out.
    pub sure_right: Option<Estimate>,
    /// Share of values whose 90% interval holds the truth.
    pub coverage: Estimate,
    /// Mean log loss of the predictions made before each answer so far, nats.
    pub log_loss: Estimate,
    /// The same less that of the best constant for each kind of question, person by person.
    pub log_loss_less_constant: Estimate,
}

/// One way of learning people, at every moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArmResult {
    /// Its name.
    pub arm: String,
    /// Moments, the earliest first; the last is that of the minutes.
    pub moments: Vec<Moment>,
}

/// A simpler way of scoring the same answers, by rank correlation alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BaselineResult {
    /// Its name.
    pub baseline: String,
    /// At each moment of the arm whose answers it scores.
    pub rank_correlation: Vec<Estimate>,
    /// The product less it at each moment, person by person: by answers the same number, by minutes the same time.
    pub ours_less_it: Vec<Estimate>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecoveryResult {
    /// What was asked for.
    pub options: RecoveryOptions,
    /// Names of the moments.
    pub moments: Vec<String>,
    /// The product, choices alone, the ceiling.
    pub arms: Vec<ArmResult>,
    /// Count scoring and the plain fit.
    pub baselines: Vec<BaselineResult>,
    /// The product less choices alone, rank correlation person by person, at each moment.
    pub less_choices_alone: Vec<Estimate>,
    /// The ceiling less the product, likewise.
    pub below_ceiling: Vec<Estimate>,
    /// Log loss (less that of the best constant for the same questions) without the published start less that with it, person by
    /// person, nats an answer; empty unless asked for.
    pub published_saves: Vec<Estimate>,
    /// What each further block of features does to predictions; empty unless acts were given as a model reads them.
    #[serde(default)]
    pub blocks: Vec<BlockResult>,
    /// The product less the product under other settings; nothing unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub less_other_settings: Option<LessOther>,
}

/// How the product differs from itself under other settings, person by person, at each moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LessOther {
    /// Rank correlation: above zero, the product finds more.
    pub rank_correlation: Vec<Estimate>,
    /// Sure values: above zero, the product is sure of more.
    pub sure: Vec<Estimate>,
    /// Share of values whose 90% interval holds the truth.
    pub coverage: Vec<Estimate>,
    /// Log loss less that of the best constant, nats an answer: below zero, the product predicts better.
    pub log_loss: Vec<Estimate>,
}

/// What a block that a model reads adds to the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BlockResult {
    /// Its name.
    pub block: String,
    /// Log loss (less that of the best constant for the same questions) with keys alone less that with the block too, person by person,
    /// nats an answer, at each moment: above zero, the block pays.
    pub saves: Vec<Estimate>,
}

/// Acts as a model reads them.
pub type ReadActs = BTreeMap<AlternativeId, AlternativeDescribed>;

/// Runs the experiment on simulated people. `bank` must be keyed; `read` are its acts as a model reads them, for the blocks beside the
/// keys; `done` is called after each person.
///
/// # Errors
/// Options out of range, acts of the bank that are not in `read`, and what belief refuses.
pub fn run(
    bank: &Bank,
    values: &[&str],
    settings: &Settings,
    options: &RecoveryOptions,
    read: Option<&ReadActs>,
    done: &(dyn Fn() + Sync),
) -> Result<RecoveryResult, RecoveryError> {
    check(options)?;
    let keys_alone = Instrument::new(bank, values)?;
    let with_blocks = match read {
        Some(read) => blocks::BLOCKS
            .iter()
            .map(|block| Ok((block.name(), keys_alone.with_block(bank, *block, read)?)))
            .collect::<Result<Vec<_>, RecoveryError>>()?,
        None => Vec::new(),
    };
    let all = [QuestionKind::Choice, QuestionKind::Portrait, QuestionKind::BestAndWorst];
    let product =
        Arm { name: "all kinds", instrument: &keys_alone, kinds: &all, perceived: false, published: true, settings };
    let mut arms = vec![
        product,
        Arm { name: "choices alone", kinds: &all[..1], ..product },
        Arm { name: "ceiling: keys as perceived", perceived: true, ..product },
    ];
    if options.compare_starts {
        arms.push(Arm { name: "without the published start", published: false, ..product });
    }
    let first_block = arms.len();
    arms.extend(with_blocks.iter().map(|(name, instrument)| Arm { name, instrument, ..product }));
    let other_settings = options.compare_settings.as_ref().map(|settings| {
        arms.push(Arm { name: "under other settings", settings, ..product });
        arms.len() - 1
    });
    let sat: Vec<Vec<Sat>> = (0..options.people)
        .into_par_iter()
        .map(|n| {
            let sat = arms
                .iter()
                .map(|arm| {
                    let mut person = Simulated::draw(&keys_alone, options, n as u64);
                    learner::sit(options, arm, &mut person, n as u64)
                })
                .collect::<Result<Vec<_>, _>>();
            done();
            sat
        })
        .collect::<Result<_, RecoveryError>>()?;
    let seed = options.seed;
    let moments = learner::moments(options);
    let of_arm = |arm: usize| sat.iter().map(|person| &person[arm]).collect::<Vec<_>>();
    let ranks =
        |arm: usize, at: usize| of_arm(arm).iter().map(|s| s.moments[at].rank_correlation).collect::<Vec<f64>>();
    let paired = |ours: usize, theirs: usize| {
        (0..moments.len()).map(|at| Estimate::paired(&ranks(ours, at), &ranks(theirs, at), seed)).collect::<Vec<_>>()
    };
    // Each arm asks its own questions, and kinds of questions differ in what a guess loses: so beside the guess.
    let losses = |arm: usize, at: usize| {
        of_arm(arm).iter().map(|s| s.moments[at].log_loss_less_constant()).collect::<Vec<f64>>()
    };
    let compared = if options.compare_starts { moments.len() } else { 0 };
    let published_saves = (0..compared).map(|at| Estimate::paired(&losses(3, at), &losses(0, at), seed)).collect();
    let blocks = with_blocks.iter().enumerate().map(|(k, (name, _))| BlockResult {
        block: (*name).to_owned(),
        saves: (0..moments.len())
            .map(|at| Estimate::paired(&losses(0, at), &losses(first_block + k, at), seed))
            .collect(),
    });
    let blocks = blocks.collect();
    let less_other_settings = other_settings.map(|other| {
        let differ = |of: &dyn Fn(&learner::Found) -> f64| {
            let at = |arm: usize, at: usize| of_arm(arm).iter().map(|s| of(&s.moments[at])).collect::<Vec<f64>>();
            (0..moments.len()).map(|m| Estimate::paired(&at(0, m), &at(other, m), seed)).collect()
        };
        LessOther {
            rank_correlation: differ(&|found| found.rank_correlation),
            sure: differ(&|found| found.sure),
            coverage: differ(&|found| found.coverage),
            log_loss: differ(&learner::Found::log_loss_less_constant),
        }
    });
    let counted = |at: usize| of_arm(0).iter().map(|s| s.moments[at].count_scoring).collect::<Vec<f64>>();
    let fitted = |at: usize| of_arm(1).iter().map(|s| s.moments[at].plain_fit).collect::<Vec<f64>>();
    let baseline = |name: &str, theirs: &dyn Fn(usize) -> Vec<f64>| BaselineResult {
        baseline: name.to_owned(),
        rank_correlation: (0..moments.len()).map(|at| Estimate::bootstrap(&theirs(at), seed)).collect(),
        ours_less_it: (0..moments.len()).map(|at| Estimate::paired(&ranks(0, at), &theirs(at), seed)).collect(),
    };
    Ok(RecoveryResult {
        options: options.clone(),
        arms: arms
            .iter()
            .enumerate()
            .map(|(k, arm)| ArmResult {
                arm: arm.name.into(),
                moments: learner::over_people(&of_arm(k), &moments, seed),
            })
            .collect(),
        baselines: vec![
            baseline("count scoring of the same answers", &counted),
            baseline("plain logistic fit of choices alone", &fitted),
        ],
        less_choices_alone: paired(0, 1),
        below_ceiling: paired(2, 0),
        published_saves,
        blocks,
        less_other_settings,
        moments,
    })
}

/// What was found of people from a file at one number of answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileMoment {
    /// Answers.
    pub answers: usize,
    /// Rank correlation of the values found with the profiles.
    pub rank_correlation: Estimate,
    /// The same of a plain logistic fit of as many answers, its questions chosen by variance.
    pub plain_fit: Estimate,
    /// Ours less the plain fit, person by person.
    pub ours_less_plain_fit: Estimate,
    /// Share of the answers not asked for that were predicted.
    pub predicted: Estimate,
    /// The same of the plain fit.
    pub plain_fit_predicted: Estimate,
    /// Mean log loss on the answers not asked for, nats.
    pub log_loss: Estimate,
}

/// What came of people from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileResult {
    /// How many people.
    pub people: usize,
    /// How many of their answers are to keyed questions of the bank.
    pub answers: usize,
    /// Answers to nothing that the bank has.
    pub unknown: usize,
    /// The moments.
    pub moments: Vec<FileMoment>,
}

/// Runs it on people from a file: their answers to choices, asked for in the order in which a session would.
///
/// # Errors
/// What belief refuses; nobody who answered anything of the bank.
pub fn run_file(
    bank: &Bank,
    values: &[&str],
    settings: &Settings,
    options: &RecoveryOptions,
    people: &[PersonFile],
    path: &std::path::Path,
    done: &(dyn Fn() + Sync),
) -> Result<FileResult, RecoveryError> {
    check(options)?;
    let instrument = Instrument::new(bank, values)?;
    let answered: Vec<_> = people.iter().map(|person| person.answered(&instrument)).collect();
    let answers = answered.iter().map(|(answers, _)| answers.len()).sum();
    if answers == 0 {
        return Err(RecoveryError::NoAnswers { path: path.to_owned() });
    }
    let sat: Vec<Vec<learner::FileSat>> = people
        .par_iter()
        .zip(&answered)
        .enumerate()
        .map(|(n, (person, (answers, _)))| {
            let sat = learner::sit_with_file(&instrument, settings, options, person, answers, n as u64);
            done();
            sat
        })
        .collect::<Result<_, RecoveryError>>()?;
    let seed = options.seed;
    let moments = (0..options.answers.len())
        .filter_map(|at| {
            let here: Vec<&learner::FileSat> = sat.iter().filter_map(|person| person.get(at)).collect();
            let of = |f: &dyn Fn(&learner::FileSat) -> f64| here.iter().map(|s| f(s)).collect::<Vec<f64>>();
            (!here.is_empty()).then(|| FileMoment {
                answers: options.answers[at],
                rank_correlation: Estimate::bootstrap(&of(&|s| s.rank_correlation), seed),
                plain_fit: Estimate::bootstrap(&of(&|s| s.plain_rank_correlation), seed),
                ours_less_plain_fit: Estimate::paired(
                    &of(&|s| s.rank_correlation),
                    &of(&|s| s.plain_rank_correlation),
                    seed,
                ),
                predicted: Estimate::bootstrap(&of(&|s| s.predicted), seed),
                plain_fit_predicted: Estimate::bootstrap(&of(&|s| s.plain_predicted), seed),
                log_loss: Estimate::bootstrap(&of(&|s| s.log_loss), seed),
            })
        })
        .collect();
    let unknown = answered.iter().map(|(_, unknown)| unknown).sum();
    Ok(FileResult { people: people.len(), answers, unknown, moments })
}

fn check(options: &RecoveryOptions) -> Result<(), RecoveryError> {
    let refuse = |what, found: String, expected| Err(RecoveryError::Option { what, found, expected });
    if options.people == 0 || options.people > 100_000 {
        return refuse("the number of people", options.people.to_string(), "1 to 100000");
    }
    if options.answers.is_empty() || options.answers.iter().any(|n| !(1..=1000).contains(n)) {
        return refuse("a number of answers", format!("{:?}", options.answers), "1 to 1000, at least one");
    }
    let numbers = [
        ("minutes", options.minutes, 0.1, 600.0),
        ("the noise of perception", options.perception_noise, 0.0, 10.0),
        ("the lapse rate", options.lapse_rate, 0.0, 1.0),
        ("the signal", options.signal, 0.01, 100.0),
        ("the order effect", options.order_effect, -10.0, 10.0),
    ];
    match numbers.into_iter().find(|(_, found, low, high)| !(low..=high).contains(&found)) {
        Some((what, found, ..)) => refuse(what, found.to_string(), "a number in its range (see --help)"),
        None => Ok(()),
    }
}
