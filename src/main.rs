//! The `credence` command.

mod carrying;
mod cli;
mod commands;
mod diagnostics;
mod ending;
mod exit;
mod front;
mod hint;
mod mcp;
mod output;
mod probing;
mod progress;
mod run;
mod serve;
mod signals;
mod surroundings;
mod terminal;

use anyhow::Context;
use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = run::Cli::parse();
    diagnostics::start_tracing(cli.global.verbose);
    exit::report(signals::start().context("failed to watch signals").and_then(|()| run::run(cli)))
}
