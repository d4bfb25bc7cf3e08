//! `credence replay`: a log folded again without any model, as it was or as it might have been.

pub(crate) mod compare;
pub(crate) mod follow;
mod plot;
pub(crate) mod print;
pub(crate) mod strategy;

use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use credence_memory::ids::{PersonId, Seq};
use credence_memory::layout::Layout;
use credence_memory::log::{Reader, Tail};
use credence_memory::record::{PriorElicited, Record};
use credence_memory::replay::{Options, PriorChoice, Replay, Step, Until, replay_keeping};

use self::print::{Summarised, summary};
use crate::cli::{Global, ReplayArgs};
use crate::exit::{DidNotMatch, WrongInput};
use crate::output;
use crate::surroundings::{adopt_pack_of, log_path, open_log, say};

/// Runs `credence replay`.
pub(crate) fn run(global: &Global, args: &ReplayArgs) -> anyhow::Result<()> {
    let path = match &args.log {
        Some(path) if path.is_dir() => path.join("evidence").join("log.jsonl"),
        Some(path) => path.clone(),
        None => log_path(global)?,
    };
    adopt_pack_of(&path);
    if args.follow {
        return follow::run(&path, args);
    }
    if !args.strategy.is_empty() {
        return strategy::run(&path, args);
    }
    let options = options(&path, args)?;
    if let Some(other) = &args.compare {
        let prior = prior(&path, other)?;
        return compare::run(&path, args, &options, prior);
    }
    let found = match &args.plot {
        Some(file) => plotted(global, &path, &options, file)?,
        None => summarised(&path, &options)?,
    };
    if args.json {
        print::json(&found)?
    } else {
        print::text(&path, &found)?
    }
    checked(&found, args)
}

/// What the command line asks for.
fn options(path: &Path, args: &ReplayArgs) -> anyhow::Result<Options> {
    if args.until == Some(Until::Seq(Seq(0))) {
        anyhow::bail!(WrongInput("--until 0 is before the first record, which is 1".into()));
    }
    warn_of_idle_selectors(path, args)?;
    let person = args.person.as_deref().map(named).transpose()?;
    Ok(Options {
        until: args.until,
        person,
        prior: args.prior.as_deref().map(|name| prior(path, name)).transpose()?.unwrap_or_default(),
        without: args.without.iter().map(|given| given.value.clone()).collect(),
        hypotheses: args.hypotheses.as_ref().map(|given| given.value.clone()).unwrap_or_default(),
        verify: args.verify,
    })
}

/// Says which selectors leave nothing out.
fn warn_of_idle_selectors(path: &Path, args: &ReplayArgs) -> anyhow::Result<()> {
    let mut idle: Vec<_> = args.without.iter().collect();
    if idle.is_empty() {
        return Ok(());
    }
    // What is wrong with the log is said by the replay itself.
    for entry in Reader::new(open_log(path)?).map_while(Result::ok) {
        idle.retain(|given| !given.value.selects(&entry));
    }
    for given in idle {
        tracing::warn!("--without {} leaves nothing out: no evidence of this log is meant by it", given.text);
    }
    Ok(())
}

fn named(name: &str) -> anyhow::Result<PersonId> {
    PersonId::new(name).with_context(|| WrongInput(format!("{name:?} cannot be a person's name")))
}

/// A prior by its name, or from a file.
fn prior(log: &Path, name: &str) -> anyhow::Result<PriorChoice> {
    Ok(match name {
        "logged" => PriorChoice::AsLogged,
        "flat" => PriorChoice::Flat,
        "elicited" => PriorChoice::Elicited,
        file => PriorChoice::Stated(Box::new(stated(log, Path::new(file))?)),
    })
}

/// A prior from a file: a `PriorElicited` record, with or without the line of a log around it.
fn stated(log: &Path, path: &Path) -> anyhow::Result<PriorElicited> {
    let wrong = |why: String| WrongInput(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| {
        wrong(format!("neither flat nor elicited, and no prior can be read from a file of that name ({e})"))
    })?;
    let mut value: serde_json::Value = serde_json::from_str(&text).map_err(|e| wrong(format!("not JSON: {e}")))?;
    if let Some(payload) = value.get_mut("payload") {
        value = payload.take();
    }
    let prior: PriorElicited =
        serde_json::from_value(value).map_err(|e| wrong(format!("not a PriorElicited record: {e}")))?;
    let first = Reader::new(open_log(log)?).next().transpose().with_context(|| unreadable(log))?;
    let Some(Record::LogOpened(header)) = first.map(|e| e.record) else {
        anyhow::bail!(wrong("the log is empty".into()))
    };
    let weights = Layout::new(&header).read_by_model();
    let lengths = [prior.mean.len(), prior.reference_variance.len(), prior.covariance.len()];
    if lengths != [weights, weights, weights * (weights + 1) / 2] {
        let [mean, reference, covariance] = lengths;
        anyhow::bail!(wrong(format!(
            "the log's prior has {weights} weights; here are {mean} means, {reference} reference variances and \
             {covariance} covariances (a lower triangle by rows)"
        )));
    }
    Ok(prior)
}

fn unreadable(path: &Path) -> String {
    format!("failed to replay the log {}", path.display())
}

/// Replays the log in a file and keeps of everyone what is printed.
fn summarised(path: &Path, options: &Options) -> anyhow::Result<Summarised> {
    replay_keeping(open_log(path)?, options, |_| {}, summary).with_context(|| unreadable(path))
}

/// Replays the log in a file and checks the digests in it.
pub(crate) fn verified(path: &Path) -> anyhow::Result<Replay<()>> {
    let options = Options { verify: true, ..Options::default() };
    replay_keeping(open_log(path)?, &options, |_| {}, |_| ()).with_context(|| unreadable(path))
}

/// Replays the log and draws one person's values along it.
fn plotted(global: &Global, path: &Path, options: &Options, file: &Path) -> anyhow::Result<Summarised> {
    output::check(global, file)?;
    let first = summarised(path, options)?;
    let [only] = first.people.as_slice() else {
        anyhow::bail!(WrongInput(format!(
            "--plot draws one person's values, and the log has {}: choose one with --person NAME",
            first.people.len()
        )));
    };
    let steps = Mutex::new(Vec::new());
    let options = Options { person: Some(only.person.clone()), ..options.clone() };
    let watch = |step: &Step<'_>| {
        if let Ok(before) = step.epoch.prior_belief(step.person) {
            let name = credence_agent::names::value;
            let values = credence_agent::views::values_of(&step.epoch.layout, step.belief, &before, name);
            steps.lock().unwrap_or_else(|e| e.into_inner()).push((step.evidence.seq, values));
        }
    };
    let found = replay_keeping(open_log(path)?, &options, watch, summary).with_context(|| unreadable(path))?;
    let steps = steps.into_inner().unwrap_or_else(|e| e.into_inner());
    let picture = plot::draw(&only.person, &steps).with_context(|| format!("failed to draw {}", file.display()))?;
    output::write(global, file, picture.as_bytes())?;
    Ok(found)
}

/// Says what the comparison with the recorded digests gave, and what stands at the log's end.
fn checked(found: &Summarised, args: &ReplayArgs) -> anyhow::Result<()> {
    if let (Tail::Torn { bytes }, false) = (found.tail, args.json) {
        say(format!("the last line is torn ({bytes} bytes) and was not counted"))?;
    }
    let wrong: Vec<String> = found.disagreements().map(|(_, check)| check.seq.to_string()).collect();
    let digests: usize = found.people.iter().map(|p| p.digests.len()).sum();
    if !wrong.is_empty() {
        anyhow::bail!(DidNotMatch(format!(
            "{} of {digests} recorded beliefs do not match: records {}",
            wrong.len(),
            wrong.join(", ")
        )));
    }
    if args.verify && !args.json {
        say(format!("{digests} recorded beliefs match, bit for bit"))?;
    }
    Ok(())
}
