//! `credence eval weights`: what the weights add beyond a population's prior.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;
use credence_evals::weights::{self, Taken, Taught, WeightsError, WeightsOptions};
use credence_priors::acts::embedded;
use credence_training::Weights;
use serde_json::json;

use super::keep::Keep;
use super::reading::fitted;
use crate::cli::eval::KeepArgs;
use crate::cli::numbers::{count, share};
use crate::cli::{Global, ModelArgs};
use crate::exit::{Interrupted, WrongInput};
use crate::progress::counting;
use crate::signals;
use crate::surroundings::{model_and_schema, pull, say, say_json};

/// `credence eval weights`.
#[derive(Debug, Args)]
pub(crate) struct WeightsArgs {
    /// Where adapters are kept; one that is there is not taught again
    #[arg(long, value_name = "DIR", default_value = "eval-weights")]
    pub(crate) out: PathBuf,
    /// An adapter: so many lessons, layers from the top, and times that every lesson is seen. The first lessons are the questions that
    /// were asked, those beyond them keyed acts that nobody was asked about
    #[arg(long, value_name = "LESSONS,LAYERS,EPOCHS", value_parser = taught, default_values = ["200,10,4", "800,10,1"])]
    pub(crate) taught: Vec<Taught>,
    /// No adapter, and no judgement of the model's: what the population's prior is worth
    #[arg(long, conflicts_with = "taught")]
    pub(crate) population_only: bool,
    /// People who answer
    #[arg(long, value_name = "N", default_value_t = 110, value_parser = count::<2, 100_000>)]
    pub(crate) people: usize,
    /// Keyed questions that each of them answers
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = count::<1, 10_000>)]
    pub(crate) answers: usize,
    /// Keyed questions there are
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count::<1, 100_000>)]
    pub(crate) questions: usize,
    /// Situations that they are foreseen in, at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count::<4, 100_000>)]
    pub(crate) unseen: usize,
    /// People of whom nothing is known, and who are foreseen
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count::<2, 100_000>)]
    pub(crate) newcomers: usize,
    /// How much people differ: 0 for all alike, 1 for nothing in common
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    pub(crate) spread: f64,
    /// How far what they have in common is the published worth of values; the rest is random
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    pub(crate) sense: f64,
    /// Seed of people, answers and training
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

fn taught(text: &str) -> Result<Taught, String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[lessons, layers, epochs]) if [lessons, layers, epochs].iter().all(|n| (1..=100_000).contains(n)) => {
            Ok(Taught { lessons, layers, epochs })
        }
        _ => Err("three numbers above 0 are wanted, as in 200,10,4: lessons, layers, epochs".into()),
    }
}

/// Runs `credence eval weights`.
pub(super) fn run(global: &Global, args: &WeightsArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "weights")?;
    let options = WeightsOptions {
        people: args.people,
        answers: args.answers,
        questions: args.questions,
        unseen: args.unseen,
        newcomers: args.newcomers,
        signal: 2.5,
        spread: args.spread,
        sense: args.sense,
        taught: if args.population_only { Vec::new() } else { args.taught.clone() },
        seed: args.seed,
    };
    std::fs::create_dir_all(&args.out).with_context(|| format!("failed to make {}", args.out.display()))?;
    let stated = args.out.join("settings.json");
    let settings = serde_json::to_vec_pretty(&json!({ "model": args.model.model, "options": options }))?;
    match std::fs::read(&stated) {
        Ok(before) if before != settings => {
            let other = format!("{} holds a run with other settings: give another folder", args.out.display());
            return Err(WrongInput(other).into());
        }
        Ok(_) => {}
        Err(_) => {
            std::fs::write(&stated, &settings).with_context(|| format!("failed to write {}", stated.display()))?
        }
    }
    let (mut model, schema, readings) = model_and_schema(global, &args.model)?;
    let map = fitted(&mut model, &schema, &readings)?;
    let weights = Weights::load(&pull(global, &args.model.model)?.path)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&cancel);
    let _watch = signals::watch(move || stop.store(true, Ordering::Relaxed));
    let bar = counting("");
    let mut taken = Taken { model: &mut model, weights: &weights, map: &map, schema: &schema };
    let report = weights::run(&args.out, &embedded(), &options, &mut taken, &cancel, &mut |what, done, of| {
        bar.set_message(what.to_owned());
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| match error {
        WeightsError::Stopped => anyhow::Error::new(Interrupted).context(error.to_string()),
        WeightsError::Few { .. } => WrongInput(error.to_string()).into(),
        other => other.into(),
    })?;
    kept.keep(&json!({ "model": report.model, "options": report.options }), &report)?;
    if args.json {
        return say_json(&report);
    }
    say(format!(
        "{} newcomers in {} situations that nobody keyed; {} people answered {} of {} keyed questions; expected log score of an answer in nats, 95% intervals",
        args.newcomers, report.unseen, args.people, args.answers, args.questions
    ))?;
    say(format!(
        "{:<62} {:<24} {:<24} {:<24} foreseen",
        "foreseen by", "log score", "less the population's", "the same, over situations"
    ))?;
    for row in &report.rows {
        let (score, gain, by_situation) =
            (row.score.to_string(), row.gain.to_string(), row.gain_by_situation.to_string());
        say(format!("{:<62} {score:<24} {gain:<24} {by_situation:<24} {}", row.by, row.foreseen))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_three_numbers() {
        assert_eq!(taught("200, 10,4"), Ok(Taught { lessons: 200, layers: 10, epochs: 4 }));
        for wrong in ["200,10", "200,10,4,1", "200,ten,4", "200,0,4", "200,10,4,x", ""] {
            assert!(taught(wrong).is_err(), "{wrong}");
        }
    }
}
