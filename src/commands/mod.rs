//! The subcommands, one file each.

mod agent;
mod decide;
mod eval;
mod evidence;
mod explain;
mod model;
mod prior;
mod replay;
mod session;
mod tune;

use crate::cli::{Cli, Command};

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let global = &cli.global;
    match cli.command {
        Command::Session(args) => session::run(global, args),
        Command::Agent(args) => agent::run(global, &args),
        Command::Decide(args) => decide::run(global, &args),
        Command::Explain(args) => explain::run(global, &args),
        Command::Prior { action } => prior::run(global, action),
        Command::Model { action } => model::run(global, action),
        Command::Evidence { action } => evidence::run(global, action),
        Command::Replay(args) => replay::run(global, &args),
        Command::Eval { action } => eval::run(global, action),
        Command::Tune { action } => tune::run(global, action),
    }
}
