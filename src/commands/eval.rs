//! `credence eval`: how well and how fast people's values are learned, measured. One file each.

mod experiment;
mod flight;
mod kidney;

use crate::cli::Global;
use crate::cli::eval::EvalCommand;

/// Runs `credence eval ...`.
pub(crate) fn run(_global: &Global, command: EvalCommand) -> anyhow::Result<()> {
    match command {
        EvalCommand::Flight(args) => flight::run(&args),
        EvalCommand::Kidney(args) => kidney::run(&args),
        EvalCommand::Run { experiment, out } => experiment::run(&experiment, out),
        EvalCommand::List { name } => experiment::list(name.as_deref()),
        EvalCommand::Report { dir } => experiment::write_report(&dir),
    }
}
