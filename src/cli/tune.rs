//! The command line of `credence tune`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ModelArgs;
use super::eval::KeepArgs;

/// `credence tune ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum TuneCommand {
    /// Train and evaluate a candidate if the schedule allows it; resumes an interrupted run
    Run(RunArgs),
    /// Show adapter versions, candidates and gate results, and whether training is due
    Status(StatusArgs),
    /// Put a generation that the gate accepted into force
    Promote {
        /// Its number, as `tune status` shows it
        generation: u32,
        /// Promote it without the gate's acceptance, for this reason
        #[arg(long, value_name = "REASON")]
        force: Option<String>,
    },
    /// Take a promoted generation back: beliefs are as if it had never been promoted
    Rollback {
        /// Its number [default: the generation in force]
        generation: Option<u32>,
        /// Why
        #[arg(long, default_value = "rolled back by hand")]
        reason: String,
    },
    /// Export the training data (TRL and tokens) or an adapter
    Export(TuneExportArgs),
    /// Bring in an adapter trained elsewhere as a candidate, and ask the gate
    Import(TuneImportArgs),
    /// Work on a candidate without touching the log: what a session starts in the background
    #[command(hide = true)]
    Work {
        /// The candidate's number.
        generation: u32,
        /// The model.
        #[command(flatten)]
        model: ModelArgs,
    },
}

/// Whose belief is taught.
#[derive(Debug, Args, Clone)]
pub(crate) struct WhoseArgs {
    /// Teach this person's belief [default: the only person's, or everyone's]
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// Teach everyone's belief, each person counting the same
    #[arg(long, conflicts_with = "person")]
    pub(crate) everyone: bool,
}

/// `credence tune run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Whose belief.
    #[command(flatten)]
    pub(crate) whose: WhoseArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Train now, whatever the schedule says
    #[arg(long)]
    pub(crate) now: bool,
    /// Train from the base model on everything
    #[arg(long)]
    pub(crate) from_base: bool,
    /// Do not promote, even if the gate accepts
    #[arg(long)]
    pub(crate) no_promote: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// `credence tune status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Whose belief.
    #[command(flatten)]
    pub(crate) whose: WhoseArgs,
    /// The tests of every verdict as well
    #[arg(long)]
    pub(crate) tests: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `credence tune export`.
#[derive(Debug, Args)]
pub(crate) struct TuneExportArgs {
    /// Folder for data.json, preference.jsonl, text.jsonl and examples.jsonl; with --adapter, the file to write
    pub(crate) to: PathBuf,
    /// Write the adapter of this generation instead (GGUF)
    #[arg(long, value_name = "GENERATION")]
    pub(crate) adapter: Option<u32>,
    /// Whose belief.
    #[command(flatten)]
    pub(crate) whose: WhoseArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// `credence tune import`.
#[derive(Debug, Args)]
pub(crate) struct TuneImportArgs {
    /// A GGUF adapter, or a folder with PEFT's adapter_config.json and adapter_model.safetensors
    pub(crate) from: PathBuf,
    /// The data.json of `tune export` that it was trained on; without it, the adapter is assumed to have seen nothing of this log
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// `credence eval tuning`.
#[derive(Debug, Args)]
pub(crate) struct TuningArgs {
    /// Where the run is kept; an interrupted one goes on
    #[arg(long, value_name = "DIR", default_value = "eval-tuning")]
    pub(crate) out: PathBuf,
    /// An experiment of your own (TOML); the options below change it
    #[arg(long, value_name = "FILE")]
    pub(crate) experiment: Option<PathBuf>,
    /// People who give evidence, and as many who give none
    #[arg(long, value_name = "N", value_parser = crate::cli::numbers::count::<1, 100000>)]
    pub(crate) people: Option<usize>,
    /// Rounds of answers, each followed by the schedule's decision
    #[arg(long, value_name = "N", value_parser = crate::cli::numbers::count::<1, 1000>)]
    pub(crate) rounds: Option<usize>,
    /// Answers of each person in a round
    #[arg(long, value_name = "N", value_parser = crate::cli::numbers::count::<1, 10000>)]
    pub(crate) answers: Option<usize>,
    /// Shuffle the labels: the gate must then refuse
    #[arg(long)]
    pub(crate) shuffled: bool,
    /// Seed of people, answers and training
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `credence eval teaching`.
#[derive(Debug, Args)]
pub(crate) struct TeachingArgs {
    /// Where the run is kept; an interrupted one goes on
    #[arg(long, value_name = "DIR", default_value = "eval-teaching")]
    pub(crate) out: PathBuf,
    /// Stop after so many minutes; the same command goes on
    #[arg(long, value_name = "N")]
    pub(crate) minutes: Option<u64>,
    /// Training sequences, each with a person of its own
    #[arg(long, default_value_t = 1000, value_parser = crate::cli::numbers::count::<1, 10000000>)]
    pub(crate) sequences: usize,
    /// Rounds in a sequence: the model is asked after 0, 1, ... answers
    #[arg(long, default_value_t = 6, value_parser = crate::cli::numbers::count::<1, 1000>)]
    pub(crate) rounds: usize,
    /// Held-out people
    #[arg(long, default_value_t = 60, value_parser = crate::cli::numbers::count::<1, 100000>)]
    pub(crate) people: usize,
    /// Times that every sequence is seen
    #[arg(long, default_value_t = 1, value_parser = crate::cli::numbers::count::<1, 10000>)]
    pub(crate) epochs: usize,
    /// Layers from the top that are trained [default: all]
    #[arg(long, value_name = "N", value_parser = crate::cli::numbers::count::<1, 10000>)]
    pub(crate) top_layers: Option<usize>,
    /// Bare levels instead of the paper's words: a fifth of the tokens, and not comparable with the paper
    #[arg(long)]
    pub(crate) levels: bool,
    /// One of two words for each feature, which then has two levels: a small task
    #[arg(long, conflicts_with = "levels")]
    pub(crate) named: bool,
    /// Features that flights have and people care for: the first so many of price, duration, departure, stops
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = crate::cli::numbers::count::<1, 4>)]
    pub(crate) features: usize,
    /// Flights to choose from at a time
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = crate::cli::numbers::count::<2, 3>)]
    pub(crate) flights: usize,
    /// Every round as a dialogue: a guess of the assistant's (at random), and what the person says to it
    #[arg(long)]
    pub(crate) dialogue: bool,
    /// Also examine after every so many sequences on the way
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) look_every: usize,
    /// Highest step size
    #[arg(long, default_value_t = 1e-3)]
    pub(crate) learning_rate: f64,
    /// Seed of people, flights and training
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
