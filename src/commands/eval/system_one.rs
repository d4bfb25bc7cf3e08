//! `credence eval system-one`: from deliberation to judgement.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use credence_agent::library::built_in;
use credence_agent::opening::Opening;
use credence_evals::system_one::{self, SystemOneError, SystemOneOptions, SystemOneResult};
use credence_evals::tuning::TuningError;
use credence_tuning::work::WorkError;
use serde_json::json;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::cli::{Global, ModelArgs};
use crate::commands::tune::show;
use crate::exit::{Interrupted, WrongInput};
use crate::progress::counting;
use crate::signals;
use crate::surroundings::{opening, pull, say, say_json};

/// Documents that are at hand unless others are given: on professional duties.
const DUTIES: &str = "duties";

/// `credence eval system-one`.
#[derive(Debug, Args)]
pub(crate) struct SystemOneArgs {
    /// Where deliberations, checks and adapters are kept
    #[arg(long, value_name = "DIR", default_value = "eval-system-one")]
    out: PathBuf,
    /// Documents at hand, a file or a folder [default: those on professional duties that ship]
    #[arg(long, value_name = "FILE|DIR")]
    library: Option<PathBuf>,
    /// Questions of the bank that are deliberated on
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = crate::cli::numbers::count::<8, 10000>)]
    questions: usize,
    /// Tokens of a deliberation, for both acts together
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = crate::cli::numbers::count::<20, 2000>)]
    tokens: usize,
    /// Passes over what is taught
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = crate::cli::numbers::count::<1, 100>)]
    epochs: usize,
    /// Seed of the person, of what is written and of training
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Teach what was checked as the person's word (.9) in three framings, at twice the rate, beside obvious pairs that are to stay; and,
    /// as the control, the same turned round
    #[arg(long)]
    firm: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    kept: KeepArgs,
    /// The model: one that can be trained
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs the experiment and prints what moved.
pub(super) fn run(global: &Global, args: &SystemOneArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "system-one")?;
    let documents = match &args.library {
        Some(path) => super::library::documents(path)?.1,
        None => built_in().iter().filter(|c| c.name == DUTIES).flat_map(|c| c.documents()).collect(),
    };
    let options = SystemOneOptions {
        questions: args.questions,
        tokens: args.tokens,
        epochs: args.epochs,
        seed: args.seed,
        firm: args.firm,
        ..SystemOneOptions::default()
    };
    let opening = Opening { unkeyed: true, ..opening(global, &args.model)? };
    let file = pull(global, &args.model.model)?.path;
    let cancel = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&cancel);
    let _watch = signals::watch(move || stop.store(true, Ordering::Relaxed));
    let bar = counting("");
    let result = system_one::run(&args.out, &options, &documents, &opening, &file, &cancel, &mut |p| show(&bar, &p));
    bar.finish_and_clear();
    let result = result.map_err(|error| match error {
        SystemOneError::Tuning(TuningError::Work(WorkError::Cancelled)) => {
            anyhow::Error::new(Interrupted).context("stopped; the same command goes on where it was")
        }
        SystemOneError::TooFew { .. } => WrongInput(error.to_string()).into(),
        other => other.into(),
    })?;
    kept.keep(&json!({ "model": result.model, "library": args.library, "options": result.options }), &result)?;
    if args.json { say_json(&result) } else { print(&result) }
}

fn print(result: &SystemOneResult) -> anyhow::Result<()> {
    say(format!(
        "{} questions deliberated on by {} with {} documents at hand, seed {}; {} deliberations had a passage before them",
        result.deliberated, result.model, result.documents, result.options.seed, result.citing
    ))?;
    say(format!(
        "{} conclusions checked, {} agreed with and taught; {} questions held out (95% intervals over them), of whose conclusions \
         the person agrees with {}",
        result.checked, result.taught, result.held_out, result.conclusions_right
    ))?;
    for row in &result.rows {
        say(format!("{} ({} lessons)", row.taught, row.lessons))?;
        say(format!("  log-odds towards the conclusion, alone   {}   less the base model {}", row.lean, row.moved))?;
        say(format!("  agrees with the conclusion {}   with the person {}", row.agrees, row.right))?;
        if let Some(less) = row.less_control {
            say(format!("  towards the conclusion, less the control that follows {less}"))?;
        }
        if let Some(moved) = row.moved_on_taught {
            say(format!("  on the questions that were taught, less the base model {moved}"))?;
        }
    }
    Ok(())
}
