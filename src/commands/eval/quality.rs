//! `credence eval quality`: does a score read from a model's states tell a passage from the same made worse, and how far may one
//! choose by it?

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use credence_agent::pack::{Pack, WorsePair};
use credence_evals::quality::{self, HeldOut, Material, QualityError, QualityOptions, QualityResult};
use credence_priors::LanguageModel;
use credence_priors::passages::read_passages;
use credence_priors::schema::ValueSchema;
use serde_json::json;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{cache, load, pull, say, say_json};

/// The pack that is measured unless another is given.
const TASTE: &str = "taste";

/// `credence eval quality`.
#[derive(Debug, Args)]
pub(crate) struct QualityArgs {
    /// Pairs of your own instead of the pack's (JSON Lines: id, author, genre, defect, with, without); may be given several times
    #[arg(long, value_name = "FILE")]
    pairs: Vec<PathBuf>,
    /// Simulated readers who judge what was chosen
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = crate::cli::numbers::count::<1, 10000>)]
    readers: usize,
    /// Seed of readers and intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    kept: KeepArgs,
    /// The model whose states are read; the pack is taste unless another is given
    #[command(flatten)]
    model: ModelArgs,
}

/// Reads the passages and prints both parts.
pub(super) fn run(global: &Global, args: &QualityArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "quality")?;
    let name = args.model.pack.as_deref().unwrap_or(TASTE);
    let pack = Pack::find(name)?;
    let lacks = |what: &str| WrongInput(format!("the pack {name:?} has no {what}: docs/packs.md says what it is"));
    let second = pack.second_reader()?.with_context(|| lacks("second.jsonl"))?;
    let pairs = match &args.pairs[..] {
        [] => pack.worse()?,
        files => {
            let read = files.iter().map(|file| WorsePair::load(file).map_err(|e| wrong(&e)));
            read.collect::<anyhow::Result<Vec<_>>>()?.concat()
        }
    };
    if pairs.is_empty() {
        anyhow::bail!(lacks("worse.jsonl"));
    }
    let values: Vec<&str> = pack.schema.values.iter().map(|v| v.id.as_str()).collect();
    let material = Material::new(&pack.bank, &second, &values, &pairs).map_err(refused)?;
    // Nothing is read by the words of values: the built-in ones will do.
    let mut model = load(global, &pull(global, &args.model.model)?, &ValueSchema::embedded())?;
    let bar = counting("reading passages");
    let read = read_passages(&mut model, &material.texts(), &cache(global).readings(), &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let reader = model.describe().name;
    drop(model);
    let options = QualityOptions { readers: args.readers, seed: args.seed };
    let bar = counting("learning without what is held out");
    bar.set_length(quality::steps(&material) as u64);
    let result = quality::run(&material, &read, &reader, &options, &|| bar.inc(1)).map_err(refused)?;
    bar.finish_and_clear();
    kept.keep(&json!({ "model": result.model, "pack": name, "pairs": args.pairs, "options": options }), &result)?;
    if args.json { say_json(&result) } else { print(&result) }
}

fn wrong(error: &dyn std::error::Error) -> anyhow::Error {
    let source = error.source().map_or_else(String::new, |source| format!(": {source}"));
    WrongInput(format!("{error}{source}")).into()
}

/// Too little to measure with is wrong input.
fn refused(error: QualityError) -> anyhow::Error {
    match error {
        QualityError::Readers(_) => error.into(),
        other => wrong(&other),
    }
}

fn print(result: &QualityResult) -> anyhow::Result<()> {
    say(format!(
        "{} pairs of a passage and the same made worse, {} keyed passages, read by {}, seed {} (95% intervals)",
        result.pairs, result.passages, result.model, result.options.seed
    ))?;
    say("share of pairs whose better passage has the higher score")?;
    let mut last = None;
    for row in &result.rows {
        if last.replace(row.held_out) != Some(row.held_out) {
            say(format!("  {}", row.held_out.name()))?;
        }
        let less = row.less_words.map_or_else(String::new, |less| format!("   less the bag of words {less}"));
        say(format!("    {:<34} {}{less}", row.score, row.right))?;
    }
    let strictest = result.rows.iter().find(|row| row.held_out == HeldOut::AllThree);
    if let Some(row) = strictest {
        say(format!("{}, by what the pair is, {}", row.score, row.held_out.name()))?;
        for group in &row.groups {
            say(format!("  {:<7} {:<18} {:>3} pairs  {}", group.of, group.name, group.pairs, group.right))?;
        }
    }
    say("the best of n keyed passages by a score that has not seen their author, key points above the mean")?;
    for curve in &result.curves {
        let correlation = result.correlations.iter().find(|(name, _)| *name == curve.score);
        let correlation = correlation.map_or_else(String::new, |(_, r)| format!("rank correlation {r:.2}; "));
        say(format!("  {}: {correlation}more helps up to {}", curve.score, curve.helps_until))?;
        for best in &curve.best_of {
            say(format!(
                "    {:>4}  promised {}   found {}   preferred by {}",
                best.n, best.promised, best.found, best.preferred
            ))?;
        }
    }
    Ok(())
}
