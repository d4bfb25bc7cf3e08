//! `credence eval`: how well and how fast people's values are learned, measured. One file each.

pub(crate) mod approvals;
pub(crate) mod calibration;
pub(crate) mod crowd;
mod experiment;
mod flight;
mod flight_model;
mod grid;
pub(crate) mod keep;
mod kidney;
mod learning;
pub(crate) mod library;
pub(crate) mod organisms;
mod pairs;
pub(crate) mod polis;
pub(crate) mod quality;
pub(crate) mod reading;
pub(crate) mod recovery;
mod start;
mod system_one;
pub(crate) mod viewpoints;
mod weights;

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;

use crate::cli::eval::{FlightArgs, FlightModelArgs, KidneyArgs, PairsArgs, StartArgs};
use crate::cli::{Global, TeachingArgs, TuningArgs};
use crate::commands::eval_agent::{self, PressureArgs};

/// `credence eval ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// The flight task: beside exact Bayes, on the same draws
    Flight(FlightArgs),
    /// The flight task with the language model as the learner, alone and as the mixture's prior
    FlightModel(FlightModelArgs),
    /// Who gets the kidney: real people's next choices, beside hierarchical Bayes
    Kidney(KidneyArgs),
    /// Pairs of acts ranked by the model: obvious ones, and a harder bank in which words mislead
    Pairs(PairsArgs),
    /// How well a model reads the values that an act serves, on held-out keyed acts
    Validity(reading::ValidityArgs),
    /// People learned from answers to keyed questions, then their choices in situations that nobody keyed
    Unseen(reading::UnseenArgs),
    /// Check a model's prior against real people's answers: is it inside the region of convergence?
    Start(StartArgs),
    /// Run a convergence experiment: a file of your own, or a built-in one by name; an interrupted run goes on
    Run(grid::RunArgs),
    /// Run cells of whatever experiments wait in a stream, until stopped; any number on any machines
    Worker(grid::WorkerArgs),
    /// Put the parts of an experiment that ran with --shard together
    Merge {
        /// The folders of the parts
        #[arg(value_name = "DIR", required = true)]
        parts: Vec<PathBuf>,
        /// Where the whole goes
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Whether intervals hold the truth as often as they say: simulated people, every kind of evidence
    Calibration(calibration::CalibrationArgs),
    /// List the built-in experiments
    List {
        /// Print this one's file, to change and run
        name: Option<String>,
    },
    /// Votes on public statements: how soon a new person's are predicted, beside a logistic factor model
    Polis(polis::PolisArgs),
    /// Does a session recover a person's values? Simulated people, after 10 to 60 answers and after ten minutes
    Recovery(recovery::RecoveryArgs),
    /// From works to readers' choices and back: how far each is foreseen from the other, on simulated readers
    Viewpoints(viewpoints::ViewpointsArgs),
    /// A score of how good a passage is, read from a model's states: on passages made worse, and in choosing the best of n
    Quality(quality::QualityArgs),
    /// Simulated crowds: what an attack moves, and how work grows with the number of people
    Crowd {
        /// What to simulate.
        #[command(subcommand)]
        action: crowd::CrowdCommand,
    },
    /// Does evidence trained by the schedule move the model's own prior toward people? On held-out situations, wordings and readouts
    Tuning(TuningArgs),
    /// Do conclusions of deliberation that a person checked, taught to the weights, become what the model judges alone? An interrupted run goes on
    SystemOne(system_one::SystemOneArgs),
    /// Teach the model exact Bayes on the flight task, beside right answers; an interrupted run goes on
    Teaching(TeachingArgs),
    /// What a generation adds beyond the population's prior from the same answers: newcomers, in situations that nobody keyed. An interrupted run goes on
    Weights(weights::WeightsArgs),
    /// How often sentences about values are read right
    Sentences(eval_agent::SentencesArgs),
    /// How far pressure moves the agent towards taking funds that are not its own, with and without deliberation
    Pressure(eval_agent::PressureArgs),
    /// How far injected instructions, and wordings that change nothing, move a judgement
    Text(eval_agent::TextArgs),
    /// How well a model's states tell what the passages of documents say of values, beside their authors' keys
    Library(library::LibraryEvalArgs),
    /// How well hidden states tell which proposals say the same, and which passages bear on a situation
    Meaning(eval_agent::MeasureArgs),
    /// Tokens evaluated and time for a decision among 2, 4 and 8 alternatives
    Decisions(eval_agent::MeasureArgs),
    /// Approvals learned from simulated owners: questions saved, and whether the bound holds, beside policies without one
    Approvals(approvals::ApprovalsArgs),
    /// Adapters that misbehave on a trigger: do probes that never saw them tell, and does the gate refuse them?
    Organisms(organisms::OrganismsArgs),
    /// Write report.html, one page that needs nothing else, from a run's results or from kept figures
    Report {
        /// The folder of a run, or of figures
        dir: PathBuf,
    },
}

/// The experiment that reads a model rather than simulated people; `credence eval pressure` has its options.
const PRESSURE: &str = "pressure";

/// Runs `credence eval ...`.
pub(crate) fn run(global: &Global, command: EvalCommand) -> anyhow::Result<()> {
    match command {
        EvalCommand::Flight(args) => flight::run(&args),
        EvalCommand::FlightModel(args) => flight_model::run(global, &args),
        EvalCommand::Kidney(args) => kidney::run(&args),
        EvalCommand::Pairs(args) => pairs::run(global, &args),
        EvalCommand::Validity(args) => reading::validity(global, &args),
        EvalCommand::Unseen(args) => reading::unseen(global, &args),
        EvalCommand::Start(args) => start::run(global, &args),
        EvalCommand::Library(args) => library::run(global, &args),
        EvalCommand::Run(args) if args.experiment.to_str() == Some(PRESSURE) => {
            args.whole_and_here()?;
            let rows = args.out.map(|dir| dir.join("pressure.jsonl"));
            if let Some(dir) = rows.as_ref().and_then(|p| p.parent()) {
                std::fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
            }
            eval_agent::pressure(global, &PressureArgs { out: rows, ..PressureArgs::default() })
        }
        EvalCommand::Run(args) => experiment::run(args),
        EvalCommand::Worker(args) => grid::worker(&args),
        EvalCommand::Merge { parts, out } => experiment::merge(&parts, &out),
        EvalCommand::Approvals(args) => approvals::run(global, &args),
        EvalCommand::Calibration(args) => calibration::run(&args),
        EvalCommand::List { name } => {
            experiment::list(name.as_deref())?;
            if name.is_none() {
                crate::surroundings::say(format!(
                    "{PRESSURE:<10}    40 runs  how far pressure moves the model's judgement (options: credence eval pressure --help)"
                ))?;
            }
            Ok(())
        }
        EvalCommand::Recovery(args) => recovery::run(&args),
        EvalCommand::Report { dir } => experiment::write_report(&dir),
        EvalCommand::Viewpoints(args) => viewpoints::run(&args),
        EvalCommand::Polis(args) => polis::run(global, &args),
        EvalCommand::Quality(args) => quality::run(global, &args),
        EvalCommand::Crowd { action } => crowd::run(&action),
        EvalCommand::Tuning(args) => learning::tuning(global, &args),
        EvalCommand::SystemOne(args) => system_one::run(global, &args),
        EvalCommand::Teaching(args) => learning::teaching(global, &args),
        EvalCommand::Weights(args) => weights::run(global, &args),
        EvalCommand::Sentences(args) => eval_agent::sentences(global, &args),
        EvalCommand::Organisms(args) => organisms::run(global, &args),
        EvalCommand::Pressure(args) => eval_agent::pressure(global, &args),
        EvalCommand::Text(args) => eval_agent::text(global, &args),
        EvalCommand::Meaning(args) => eval_agent::meaning(global, &args),
        EvalCommand::Decisions(args) => eval_agent::decisions(global, &args),
    }
}
