//! `credence eval`: what can be measured, in words.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `credence eval ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// The flight task: beside exact Bayes, on the same draws
    Flight(FlightArgs),
    /// Who gets the kidney: real people's next choices, beside hierarchical Bayes
    Kidney(KidneyArgs),
    /// Run a convergence experiment: a file of your own, or a built-in one by name; an interrupted run goes on
    Run {
        /// The experiment (TOML), or the name of a built-in one
        #[arg(value_name = "FILE|NAME")]
        experiment: PathBuf,
        /// Where results go [default: eval-NAME]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// List the built-in experiments
    List {
        /// Print this one's file, to change and run
        name: Option<String>,
    },
    /// Write report.html, one page that needs nothing else, from a run's results
    Report {
        /// The folder of a run
        dir: PathBuf,
    },
}

/// `credence eval kidney`.
#[derive(Debug, Args)]
pub(crate) struct KidneyArgs {
    /// The folder that holds kidney/study_2_strict.csv
    #[arg(long, value_name = "DIR", env = "CREDENCE_DATA", default_value = "../shared/data")]
    pub(crate) data: PathBuf,
    /// Splits into training and tested people
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) splits: usize,
    /// Seed of the splits
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `credence eval flight`.
#[derive(Debug, Args)]
pub(crate) struct FlightArgs {
    /// How many of the 624 people
    #[arg(long, value_name = "N", default_value_t = 624)]
    pub(crate) people: usize,
    /// Candidate sets from which a question is chosen
    #[arg(long, value_name = "N", default_value_t = 40)]
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
    /// Also the mixture with the lattice of people among its hypotheses (slow)
    #[arg(long)]
    pub(crate) lattice: bool,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
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
