//! The `credence` command.

mod cli;
mod commands;
mod exit;
mod front;
mod mcp;
mod progress;
mod serve;
mod surroundings;

use anyhow::Context;
use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = cli::Cli::parse();
    surroundings::start_tracing(cli.global.verbose);
    exit::report(front::signals::start().context("failed to watch signals").and_then(|()| commands::run(cli)))
}
