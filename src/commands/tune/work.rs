//! `credence tune run`: from the schedule's word to the gate's, with progress, and on from where it was broken off.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use credence_memory::state::State;
use credence_priors::reading_cache::FileReadingCache;
use credence_priors::{LanguageModel, Llama, LlamaOptions, ModelHandle};
use credence_tuning::candidate::{Folder, Job, Outcome};
use credence_tuning::dataset::Whose;
use credence_tuning::gate::Judgement;
use credence_tuning::plan::{self, Plan};
use credence_tuning::records::{adapter_file, take_up};
use credence_tuning::schedule::{Decision, Start};
use credence_tuning::work::{CandidateBuilder, Progress, WorkError};
use indicatif::ProgressBar;
use serde::Serialize;
use utoipa::ToSchema;

use super::status::plan_now;
use super::{settings, whose};
use crate::cli::{Global, ModelArgs, RunArgs};
use crate::exit::{Interrupted, WrongInput};
use crate::probing;
use crate::progress::counting;
use crate::signals;
use crate::surroundings::{Opened, cache, home, load, now, pull, read_state, say, say_json, schema};

/// What came of a candidate, as `credence tune run` and `credence tune import` tell it with `--json`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CandidateJson {
    /// Whether it was trained here; else it was brought in.
    trained: bool,
    /// Its number.
    generation: u32,
    /// The generation that the gate held it against; 0 is the base model.
    against: u32,
    /// What its training began with.
    start: Start,
    /// Whose belief was taught.
    whose: Whose,
    /// Records that it absorbed.
    absorbed: usize,
    lessons: usize,
    /// Records kept aside for the gate.
    held_out: usize,
    /// Steps of training.
    steps: u64,
    /// How long that took.
    seconds: f64,
    /// Mean cross entropy of the first and of the last tenth of all steps, nats.
    losses: [f64; 2],
    /// What the gate said; nothing where it was not asked.
    judgement: Option<Judgement>,
    /// Whether it is in force from now on.
    promoted: bool,
}

/// That nothing was trained, since the schedule says to wait, as `credence tune run --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitJson {
    /// False.
    trained: bool,
    plan: Plan,
}

/// Why nothing is ever trained in most homes.
pub(super) const KEYED: &str = "this home's questions are keyed; fine-tuning needs a home whose questions the model reads: begin one with --unkeyed";

/// Runs `credence tune run`.
pub(super) fn run(global: &Global, args: &RunArgs) -> anyhow::Result<()> {
    let mut home = Opened::open(global, &args.model)?.home;
    if home.state().elicited().is_some_and(|prior| prior.in_key_points()) {
        anyhow::bail!(WrongInput(KEYED.into()));
    }
    let root = home.paths().root().to_owned();
    let (folder, job) = match unfinished(&root)? {
        Some((folder, job)) => {
            tracing::info!(generation = job.generation, "going on with a candidate that was broken off");
            (folder, job)
        }
        None => {
            let whose = whose(home.state(), &args.whose)?;
            let plan = plan_now(global, home.state(), &whose)?;
            if let (Decision::Wait { because }, false) = (&plan.decision, args.now) {
                if args.json {
                    return say_json(&WaitJson { trained: false, plan });
                }
                return say(format!("wait: {because} (--now trains all the same)"));
            }
            let from = args.from_base.then_some(Start::Base);
            let job = plan::job(home.state(), &whose, &settings(global)?, from)?;
            let folder = Folder::of(&root, job.generation);
            folder.make()?;
            folder.write("job.json", &job)?;
            (folder, job)
        }
    };
    let outcome = match work(global, &args.model, home.state(), &root, &folder, &job) {
        Err(error) if matches!(error.downcast_ref(), Some(WorkError::Outdated)) => {
            folder.discard()?;
            return Err(error);
        }
        other => other?,
    };
    let promoted = take_up(&mut home, &folder, &job, &outcome, !args.no_promote, now())?;
    home.checkpoint();
    report(&job, &outcome, promoted, args.json)
}

/// A candidate that was begun and is not in the log yet.
pub(super) fn unfinished(root: &Path) -> anyhow::Result<Option<(Folder, Job)>> {
    let Some(folder) = Folder::pending(root) else { return Ok(None) };
    Ok(folder.read("job.json")?.map(|job| (folder, job)))
}

/// Says what came of a candidate.
pub(super) fn report(job: &Job, outcome: &Outcome, promoted: bool, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return say_json(&CandidateJson {
            trained: job.imported.is_none(),
            generation: job.generation,
            against: job.in_use,
            start: job.start,
            whose: job.data.whose.clone(),
            absorbed: job.data.absorbed_len(),
            lessons: job.data.lessons.len(),
            held_out: job.data.held_out.len(),
            steps: outcome.steps,
            seconds: outcome.seconds,
            losses: outcome.losses,
            judgement: outcome.judgement.clone(),
            promoted,
        });
    }
    let [first, last] = outcome.losses;
    if job.imported.is_none() {
        say(format!(
            "generation {}: {} lessons from {} records of {}, {} steps, loss {first:.3} -> {last:.3}",
            job.generation,
            job.data.lessons.len(),
            job.data.absorbed_len(),
            job.data.whose,
            outcome.steps
        ))?;
    }
    if let Some(judgement) = &outcome.judgement {
        say(format!("gate: {judgement}"))?;
        for test in &judgement.tests {
            say(format!(
                "  {:<30} {:+.4}, bound {:+.4} against {:+.4} ({})",
                test.test.to_string(),
                test.estimate,
                test.bound,
                test.margin,
                test.of
            ))?;
        }
    }
    say(if promoted { "it is in force from now on" } else { "what was in force still is" })
}

/// Does the work on a candidate, with a bar; Ctrl-C stops it where it can be taken up again.
pub(super) fn work(
    global: &Global,
    model: &ModelArgs,
    state: &State,
    root: &Path,
    folder: &Folder,
    job: &Job,
) -> anyhow::Result<Outcome> {
    let cancel = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&cancel);
    let _watch = signals::watch(move || stop.store(true, Ordering::Relaxed));
    let bar = counting("");
    let worked = with_workshop(global, model, state, root, None, &cancel, |builder| {
        builder.work(folder, job, &mut |progress| show(&bar, &progress))
    });
    bar.finish_and_clear();
    match worked {
        Err(error) if matches!(error.downcast_ref(), Some(WorkError::Cancelled)) => {
            Err(anyhow::Error::new(Interrupted).context(error.to_string()))
        }
        other => other,
    }
}

/// `credence tune work`: the same without the log's lock, on half of the processors, for a session that goes on meanwhile.
/// What it leaves in the folder is taken up by the session, or by the next command.
pub(super) fn in_background(global: &Global, generation: u32, model: &ModelArgs) -> anyhow::Result<()> {
    let root = home(global)?;
    let folder = Folder::of(&root, generation);
    let job: Job = folder.read("job.json")?.with_context(|| format!("generation {generation} has no job"))?;
    let state = read_state(global)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&cancel);
    let _watch = signals::watch(move || stop.store(true, Ordering::Relaxed));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
    with_workshop(global, model, &state, &root, Some(threads), &cancel, |builder| {
        builder.work(&folder, &job, &mut |progress| tracing::debug!(?progress, "training in the background"))
    })?;
    Ok(())
}

/// Loads what a builder needs.
pub(super) fn with_workshop<T>(
    global: &Global,
    model: &ModelArgs,
    state: &State,
    root: &Path,
    threads: Option<usize>,
    cancel: &AtomicBool,
    work: impl FnOnce(&mut CandidateBuilder<'_>) -> Result<T, WorkError>,
) -> anyhow::Result<T> {
    let schema = schema(global, model)?;
    let pulled = pull(global, &model.model)?;
    let base = load(global, &pulled, &schema)?;
    let mut readings = FileReadingCache::open(&cache(global).readings(), &base.describe(), &schema)?;
    let options =
        LlamaOptions { threads: threads.map(|n| i32::try_from(n).unwrap_or(1)), ..cache(global).llama_options() };
    let options = LlamaOptions { blake3: Some(pulled.blake3.clone()), ..options };
    let path = pulled.path.clone();
    let load_with = |adapter: PathBuf| {
        let (path, options) = (path.clone(), LlamaOptions { adapter: Some(adapter), ..options.clone() });
        Ok(ModelHandle::spawn(move || Llama::load(&path, &options))?)
    };
    let probes = probing::of_model(&probing::folder(global), &base.describe().key());
    let read_motives = |model: &mut ModelHandle| -> Result<Vec<Vec<f64>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(probing::fixed_prompts(model, &probes)?)
    };
    let mut builder = CandidateBuilder {
        state,
        schema: &schema,
        model_file: &pulled.path,
        base,
        load: &load_with,
        readings: &mut readings,
        adapter_of: &|generation| adapter_file(root, state, generation),
        threads,
        cancel,
        motives: (!probes.is_empty()).then_some(&read_motives as _),
    };
    Ok(work(&mut builder)?)
}

/// Puts progress on the bar.
pub(crate) fn show(bar: &ProgressBar, progress: &Progress) {
    match progress {
        Progress::Reading { what, done, total } => {
            bar.set_message(format!("reading {what}"));
            bar.set_length(*total as u64);
            bar.set_position(*done as u64);
        }
        Progress::Training { step, steps, loss, tokens_per_second } => {
            bar.set_message(format!("training: loss {loss:.3}, {tokens_per_second:.0} tokens a second"));
            bar.set_length(*steps as u64);
            bar.set_position(*step as u64);
        }
    }
}
