//! `credence eval`: how well and how fast people's values are learned, measured. One file each.

pub(crate) mod calibration;
pub(crate) mod crowd;
mod experiment;
mod flight;
mod flight_model;
mod kidney;
mod learning;
mod pairs;
pub(crate) mod polis;
pub(crate) mod reading;
pub(crate) mod recovery;
mod start;

use anyhow::Context;

use crate::cli::Global;
use crate::cli::eval::EvalCommand;
use crate::commands::eval_agent::{self, PressureArgs};

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
        EvalCommand::Run { experiment, out } if experiment.to_str() == Some(PRESSURE) => {
            let rows = out.map(|dir| dir.join("pressure.jsonl"));
            if let Some(dir) = rows.as_ref().and_then(|p| p.parent()) {
                std::fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
            }
            eval_agent::pressure(global, &PressureArgs { out: rows, ..PressureArgs::default() })
        }
        EvalCommand::Run { experiment, out } => experiment::run(&experiment, out),
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
        EvalCommand::Polis(args) => polis::run(global, &args),
        EvalCommand::Crowd { action } => crowd::run(&action),
        EvalCommand::Tuning(args) => learning::tuning(global, &args),
        EvalCommand::Teaching(args) => learning::teaching(global, &args),
        EvalCommand::Sentences(args) => eval_agent::sentences(global, &args),
        EvalCommand::Pressure(args) => eval_agent::pressure(global, &args),
        EvalCommand::Text(args) => eval_agent::text(global, &args),
        EvalCommand::Meaning(args) => eval_agent::meaning(global, &args),
        EvalCommand::Decisions(args) => eval_agent::decisions(global, &args),
    }
}
