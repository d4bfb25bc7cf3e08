//! `credence eval approvals`: what learned approvals save simulated owners, and whether their bound holds.

use clap::Args;
use credence_evals::approvals::{self, ApprovalsError, ApprovalsOptions};

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// `credence eval approvals`.
#[derive(Debug, Args)]
pub(crate) struct ApprovalsArgs {
    /// Simulated owners
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = crate::cli::numbers::count::<1, 1000000>)]
    owners: usize,
    /// Acts that each meets
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = crate::cli::numbers::count::<1, 1000000>)]
    acts: usize,
    /// Seed of the first owner; those after it have the next ones
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    kept: KeepArgs,
}

/// Prints the tables.
pub(super) fn run(args: &ApprovalsArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "approvals")?;
    let options = ApprovalsOptions { owners: args.owners as u64, acts: args.acts, seed: args.seed };
    let bar = counting("owners, by policy");
    let result = approvals::run(&options, &|of| {
        bar.set_length(of as u64);
        bar.inc(1);
    });
    bar.finish_and_clear();
    let result = result.map_err(|error| match error {
        ApprovalsError::Nothing | ApprovalsError::Seeds { .. } => anyhow::Error::new(WrongInput(error.to_string())),
        other => other.into(),
    })?;
    kept.keep(&result.options, &result)?;
    if args.json { say_json(&result) } else { say(result.markdown().trim_end()) }
}
