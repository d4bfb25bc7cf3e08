//! `credence eval`: what can be measured, in words.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ModelArgs;

/// Where figures are kept.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct KeepArgs {
    /// Also keep the figures in this folder, as JSON Lines and Parquet; `credence eval report DIR` makes a page of them
    #[arg(long, value_name = "DIR")]
    pub(crate) figures: Option<PathBuf>,
}

/// `credence eval kidney`.
#[derive(Debug, Args)]
pub(crate) struct KidneyArgs {
    /// The folder that holds kidney/study_2_strict.csv
    #[arg(long, value_name = "DIR", env = "CREDENCE_DATA", default_value = "../shared/data")]
    pub(crate) data: PathBuf,
    /// Splits into training and tested people
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = crate::cli::numbers::count::<1, 1000>)]
    pub(crate) splits: usize,
    /// Seed of the splits
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
}

/// `credence eval flight`.
#[derive(Debug, Args)]
pub(crate) struct FlightArgs {
    /// How many of the 624 people
    #[arg(long, value_name = "N", default_value_t = 624, value_parser = crate::cli::numbers::count::<1, 1000000>)]
    pub(crate) people: usize,
    /// Candidate sets from which a question is chosen
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = crate::cli::numbers::count::<1, 100000>)]
    pub(crate) pool: usize,
    /// Share of answers that are random, in the noisy rows
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub(crate) random_answers: f64,
    /// Only these questions: random or chosen [default: both]
    #[arg(long, value_enum)]
    pub(crate) questions: Option<FlightQuestions>,
    /// Only these answers: sure or noisy [default: both]
    #[arg(long, value_enum)]
    pub(crate) answers: Option<FlightAnswers>,
    /// Also the mixture with the lattice of people among its hypotheses
    #[arg(long)]
    pub(crate) lattice: bool,
    /// Also exact Bayes under the mixture's own Gaussian prior, by this many draws: the cost of not knowing the lattice
    #[arg(long, value_name = "DRAWS", num_args = 0..=1, default_value_t = 0, default_missing_value = "20000", value_parser = crate::cli::numbers::count::<0, 10000000>)]
    pub(crate) gaussian: usize,
    /// Signal scales of the mixture's hypotheses, instead of the built-in ones
    #[arg(long, value_name = "SCALES", value_delimiter = ',')]
    pub(crate) signal_scales: Vec<f64>,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
}

/// `credence eval flight-model`.
#[derive(Debug, Args)]
pub(crate) struct FlightModelArgs {
    /// How many of the 624 people
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = crate::cli::numbers::count::<1, 1000000>)]
    pub(crate) people: usize,
    /// Held-out sets of each person; the model reads each after the rounds so far
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = crate::cli::numbers::count::<1, 1000>)]
    pub(crate) held_out: usize,
    /// Numbers of answers after which to predict
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "0,1,5", value_parser = crate::cli::numbers::count::<0, 20>)]
    pub(crate) answered: Vec<usize>,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// `credence eval pairs`.
#[derive(Debug, Args)]
pub(crate) struct PairsArgs {
    /// Pairs of your own instead (JSON Lines: situation, better, worse, and perhaps id and kind)
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: Option<PathBuf>,
    /// Only what was learned from keyed acts, without asking the model, which takes most of the time
    #[arg(long)]
    pub(crate) learned_only: bool,
    /// Seed of the intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// `credence eval start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The folder that holds kidney/study_2_strict.csv and polis/CONVERSATION
    #[arg(long, value_name = "DIR", env = "CREDENCE_DATA", default_value = "../shared/data")]
    pub(crate) data: PathBuf,
    /// Whose answers are learned
    #[arg(long, value_enum, default_value_t = StartPeople::Kidney)]
    pub(crate) people: StartPeople,
    /// The conversation whose voters they are, with --people polis
    #[arg(long, value_name = "NAME", default_value = "scoop-hivemind.ubi")]
    pub(crate) conversation: String,
    /// Convergence target: mean excess log loss per answer over an observer who knows the person
    #[arg(long, value_name = "NATS", default_value_t = 0.05)]
    pub(crate) target: f64,
    /// Documents keyed for what people chose by, a file or a folder; may be given several times: where they let belief start
    #[arg(long = "library", value_name = "FILE|DIR")]
    pub(crate) libraries: Vec<PathBuf>,
    /// A run of `credence eval run region`: the start is drawn on its map
    #[arg(long, value_name = "DIR")]
    pub(crate) map: Option<PathBuf>,
    /// Where the page goes
    #[arg(long, value_name = "FILE.html", default_value = "eval-start.html")]
    pub(crate) out: PathBuf,
    /// Seed of folds and intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// Whose answers a start is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StartPeople {
    /// People who chose which of two patients gets a kidney
    Kidney,
    /// People who voted on statements in a public conversation
    Polis,
}

/// Which questions of the flight task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlightQuestions {
    /// Drawn at random
    Random,
    /// Chosen by information gain
    Chosen,
}

/// Which answers of the flight task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlightAnswers {
    /// Always the best flight
    Sure,
    /// Some at random
    Noisy,
}
