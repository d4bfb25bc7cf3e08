//! The subcommands, one file each.

mod agent;
pub(crate) mod approvals;
pub(crate) mod brief;
pub(crate) mod consider;
pub(crate) mod decide;
pub(crate) mod deliberation;
pub(crate) mod eval;
pub(crate) mod eval_agent;
pub(crate) mod evidence;
mod explain;
mod model;
pub(crate) mod pack;
pub(crate) mod people;
mod prior;
pub(crate) mod probe;
mod replay;
mod session;
pub(crate) mod tell;
mod tune;
pub(crate) mod values;

use crate::cli::{Cli, Command};

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let global = &cli.global;
    match cli.command {
        Command::Session(args) => session::run(global, args),
        Command::Agent(args) => agent::run(global, &args),
        Command::Decide(args) => decide::run(global, &args),
        Command::Explain(args) => explain::run(global, &args),
        Command::Brief { action } => brief::run(global, action),
        Command::Deliberation { action } => deliberation::run(global, action),
        Command::Approvals { action } => approvals::run(global, action),
        Command::Tell(args) => tell::run(global, &args),
        Command::Pack { action } => pack::run(action),
        Command::Probe { action } => probe::run(global, action),
        Command::Prior { action } => prior::run(global, action),
        Command::Model { action } => model::run(global, action),
        Command::Evidence { action } => evidence::run(global, action),
        Command::Replay(args) => replay::run(global, &args),
        Command::People(args) => people::run(global, args),
        Command::Mcp(args) => crate::mcp::run(global, &args),
        Command::Serve(args) => crate::serve::run(global, &args),
        Command::Values(args) => values::run(global, &args),
        Command::Eval { action } => eval::run(global, action),
        Command::Tune { action } => tune::run(global, action),
    }
}
