//! `credence session`: a session with one person.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use credence_agent::ask::Strategy;
use credence_agent::live::{self, Front};
use credence_agent::session::SessionOptions;
use credence_memory::record::QuestionKind;

use crate::cli::{Global, KindArg, SessionArgs, StrategyArg};
use crate::commands::tune;
use crate::exit::Interrupted;
use crate::front::{self, Ending, FrontKind};
use crate::hint;
use crate::surroundings::{bank, home, now, opening, pack, person};

/// Runs `credence session`.
pub(crate) fn run(global: &Global, args: SessionArgs) -> anyhow::Result<()> {
    // Before the model is looked for: a mistake in a file of one's own is told at once.
    let bank = bank(args.questions.as_deref(), pack(global, &args.model)?.as_ref())?;
    let person = person(&args.person)?;
    hint::note_person(&person);
    let mut opening = opening(global, &args.model)?;
    let values: Vec<&str> = opening.schema.values.iter().map(|v| v.id.as_str()).collect();
    bank.check_values(&values, args.questions.as_deref().unwrap_or(Path::new("built-in")))?;
    let tuning = tune::settings(global)?;
    if tuning.policy.background {
        opening.learning = Some(Arc::new(tune::learning(global, &args.model, tuning)?));
    }
    let root = home(global)?;
    let names: BTreeMap<String, String> =
        opening.schema.values.iter().map(|v| (v.id.clone(), v.name.clone())).collect();
    let options = SessionOptions {
        strategy: strategy(args.strategy),
        seed: args.seed.unwrap_or_else(|| now().as_millisecond().unsigned_abs()),
        source: match &args.answers {
            Some(path) => format!("file:{}", path.file_name().map_or_else(Default::default, |n| n.to_string_lossy())),
            None => "terminal".into(),
        },
        answers_max: args.answers_max,
        minutes_max: args.minutes.map(f64::from),
        kinds: kinds(&args.kinds),
        names,
        ..SessionOptions::default()
    };
    let kind = FrontKind::pick(args.json, args.answers.clone());
    let (shown, to_show) = std::sync::mpsc::channel();
    let (say, said) = tokio::sync::mpsc::unbounded_channel();
    let front_thread = std::thread::Builder::new()
        .name("front".into())
        .spawn(move || front::run(kind, to_show, say))
        .context("failed to start the thread of the screen")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let sat = runtime.block_on(live::run(&root, person, &bank, options, &opening, Front { shown, said }, now));
    let ended = front_thread.join().map_err(|_| anyhow::anyhow!("the screen's thread failed"))?;
    // The person has seen the end. Background reading was told to stop and does between two chunks; it is waited for,
    // since the process must not end under llama.cpp.
    drop(runtime);
    sat?;
    match ended? {
        Ending::Interrupted => Err(Interrupted.into()),
        Ending::Summarised | Ending::HungUp => Ok(()),
    }
}

/// The kinds asked for; none stands for all.
fn kinds(asked: &[KindArg]) -> BTreeSet<QuestionKind> {
    if asked.is_empty() {
        return SessionOptions::default().kinds;
    }
    let kind = |arg: &KindArg| match arg {
        KindArg::Choice => QuestionKind::Choice,
        KindArg::Portrait => QuestionKind::Portrait,
        KindArg::BestAndWorst => QuestionKind::BestAndWorst,
    };
    asked.iter().map(kind).collect()
}

fn strategy(arg: StrategyArg) -> Strategy {
    match arg {
        StrategyArg::Gain => Strategy::InformationGain,
        StrategyArg::Eubo => Strategy::Eubo,
        StrategyArg::Uncertainty => Strategy::MaxUncertainty,
        StrategyArg::Random => Strategy::Random,
    }
}
