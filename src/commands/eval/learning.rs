//! `credence eval tuning` and `credence eval teaching`: learning in the weights, measured on the model itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use credence_agent::opening::Opening;
use credence_evals::teaching::{self, TeachingError};
use credence_evals::tuning::{self, TuningError, TuningExperiment, TuningResult};
use credence_priors::LanguageModel;
use credence_training::flight::{Task, Words};
use credence_training::teaching::TeachingSettings;
use credence_training::{LoraSettings, OptimiserSettings, TrainingSettings, Weights};
use credence_tuning::candidate::over_defaults;
use serde_json::json;

use super::keep::Keep;
use crate::cli::{Global, TeachingArgs, TuningArgs};
use crate::commands::tune::show;
use crate::exit::{Interrupted, WrongInput};
use crate::progress::counting;
use crate::signals;
use crate::surroundings::{load, opening, pull, say, say_json, schema};

/// Runs `credence eval tuning`.
pub(super) fn tuning(global: &Global, args: &TuningArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "tuning")?;
    let mut experiment = match &args.experiment {
        None => TuningExperiment::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| WrongInput(format!("{}: {e}", path.display())))?;
            over_defaults(&text).map_err(|e| WrongInput(format!("{}: {e}", path.display())))?
        }
    };
    if let Some(people) = args.people {
        (experiment.people, experiment.newcomers) = (people, people);
    }
    experiment.rounds = args.rounds.unwrap_or(experiment.rounds);
    experiment.answers = args.answers.unwrap_or(experiment.answers);
    experiment.seed = args.seed.unwrap_or(experiment.seed);
    experiment.shuffled |= args.shuffled;
    if experiment.people < 2 || experiment.answers == 0 {
        anyhow::bail!(WrongInput("at least two people must give at least one answer".to_owned()));
    }
    let opening = Opening { unkeyed: true, ..opening(global, &args.model)? };
    let file = pull(global, &args.model.model)?.path;
    let cancel = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&cancel);
    let _watch = signals::watch(move || stop.store(true, Ordering::Relaxed));
    let bar = counting("");
    let result = tuning::run(&args.out, &experiment, &opening, &file, &cancel, &mut |p| show(&bar, &p));
    bar.finish_and_clear();
    let result = result.map_err(|error| match error {
        TuningError::Work(credence_tuning::work::WorkError::Cancelled) => {
            anyhow::Error::new(Interrupted).context("stopped; the same command goes on where it was")
        }
        TuningError::Another(_) => WrongInput(error.to_string()).into(),
        other => other.into(),
    })?;
    kept.keep(&json!({ "model": args.model.model, "experiment": result.experiment }), &result)?;
    if args.json { say_json(&result) } else { table(&result) }
}

fn table(result: &TuningResult) -> anyhow::Result<()> {
    let e = &result.experiment;
    say(format!(
        "{} people who answered, {} who did not, {} answers a round, signal {}, spread {}, sense {}, seed {}{}",
        e.people,
        e.newcomers,
        e.answers,
        e.signal,
        e.spread,
        e.sense,
        e.seed,
        if e.shuffled { ", labels shuffled" } else { "" }
    ))?;
    for round in &result.rounds {
        say(format!("round {}, {} answers: {}", round.round, round.answers, round.decision))?;
        if let Some(judgement) = &round.judgement {
            say(format!("  gate: {judgement}{}", if round.promoted { " (promoted)" } else { "" }))?;
            for t in &judgement.tests {
                let test = t.test.to_string();
                say(format!(
                    "    {test:<30} {:+.4}, bound {:+.4} against {:+.4} ({})",
                    t.estimate, t.bound, t.margin, t.of
                ))?;
            }
        }
        if let Some(x) = &round.examined {
            say("  prior alone on paraphrased questions, readouts not taught; log score less the base model's, nats:")?;
            say(format!("    people who answered  {}", x.known))?;
            say(format!("    newcomers            {}", x.newcomers))?;
            say(format!(
                "    base model {:.3}; answers given more than a half {:.3} -> {:.3}",
                x.base, x.right[0], x.right[1]
            ))?;
        }
    }
    match result.rolled_back_clean {
        Some(true) => say("after the rollback: beliefs are, bit for bit, those of a log without a promotion"),
        Some(false) => anyhow::bail!("after the rollback beliefs differ from those of a log without a promotion"),
        None => say("nothing was promoted"),
    }
}

/// Runs `credence eval teaching`.
pub(super) fn teaching(global: &Global, args: &TeachingArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "teaching")?;
    if args.sequences == 0 || args.rounds == 0 || args.people < 2 {
        anyhow::bail!(WrongInput("there must be a sequence, a round and two held-out people".to_owned()));
    }
    let words = match (args.levels, args.named) {
        (true, _) => Words::Levels,
        (false, true) => Words::Named,
        (false, false) => Words::Full,
    };
    let settings = TeachingSettings {
        task: Task { features: args.features, flights: args.flights, words, dialogue: args.dialogue },
        look_every: args.look_every,
        sequences: args.sequences,
        rounds: args.rounds,
        people: args.people,
        sequences_a_person: 4,
        seed: args.seed,
        training: TrainingSettings {
            lora: LoraSettings { top_layers: args.top_layers, ..LoraSettings::default() },
            optimiser: OptimiserSettings {
                learning_rate: args.learning_rate,
                warmup_steps: 10,
                ..OptimiserSettings::default()
            },
            epochs: args.epochs,
            seed: args.seed,
            ..TrainingSettings::default()
        },
    };
    let schema = schema(global, &args.model)?;
    let pulled = pull(global, &args.model.model)?;
    let handle = load(global, &pulled, &schema)?;
    let handle = std::sync::Mutex::new(handle);
    let tokenizer = |text: &str| -> Vec<u32> {
        handle.lock().ok().and_then(|mut handle| handle.tokenize(text).ok()).unwrap_or_default()
    };
    let weights = Weights::load(&pulled.path)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&cancel);
    let _watch = signals::watch(move || stop.store(true, Ordering::Relaxed));
    if let Some(minutes) = args.minutes {
        let stop = Arc::clone(&cancel);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(minutes.saturating_mul(60)));
            stop.store(true, Ordering::Relaxed);
        });
    }
    let bar = counting("the model as it is: examined");
    let report = teaching::run(&args.out, &settings, &weights, &tokenizer, &cancel, &mut |pupil, p| {
        bar.set_message(format!("{}: loss {:.3}, {:.0} tokens a second", pupil.name(), p.loss, p.tokens_per_second));
        bar.set_length(p.steps as u64);
        bar.set_position(p.step as u64);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| match error {
        TeachingError::Stopped => anyhow::Error::new(Interrupted).context(error.to_string()),
        TeachingError::Another(_) => WrongInput(error.to_string()).into(),
        other => other.into(),
    })?;
    kept.keep(&json!({ "model": args.model.model, "settings": report.settings }), &report)?;
    if args.json {
        return say_json(&report);
    }
    let text = report.markdown();
    let path = args.out.join("report.md");
    std::fs::write(&path, &text).with_context(|| format!("failed to write {}", path.display()))?;
    say(text.trim_end())?;
    say(format!("\n{}", path.display()))
}
