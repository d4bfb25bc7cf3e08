//! `credence eval`: how well and how fast people's values are learned, measured. One file each.

pub(crate) mod crowd;
mod experiment;
mod flight;
mod flight_model;
mod kidney;
mod learning;
mod pairs;
pub(crate) mod polis;
mod start;

use crate::cli::Global;
use crate::cli::eval::EvalCommand;

/// Runs `credence eval ...`.
pub(crate) fn run(global: &Global, command: EvalCommand) -> anyhow::Result<()> {
    match command {
        EvalCommand::Flight(args) => flight::run(&args),
        EvalCommand::FlightModel(args) => flight_model::run(global, &args),
        EvalCommand::Kidney(args) => kidney::run(&args),
        EvalCommand::Pairs(args) => pairs::run(global, &args),
        EvalCommand::Start(args) => start::run(global, &args),
        EvalCommand::Run { experiment, out } => experiment::run(&experiment, out),
        EvalCommand::List { name } => experiment::list(name.as_deref()),
        EvalCommand::Report { dir } => experiment::write_report(&dir),
        EvalCommand::Polis(args) => polis::run(global, &args),
        EvalCommand::Crowd { action } => crowd::run(&action),
        EvalCommand::Tuning(args) => learning::tuning(global, &args),
        EvalCommand::Teaching(args) => learning::teaching(global, &args),
    }
}
