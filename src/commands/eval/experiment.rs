//! `credence eval run`, `merge`, `list` and `report`: convergence experiments.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use credence_evals::experiment::{BUILT_IN, Experiment};
use credence_evals::figures::{self, FIGURES};
use credence_evals::report;
use credence_evals::results::{self, JOURNAL, Part, RESULTS, Results, ResultsError};

use super::grid::{self, RunArgs};
use crate::exit::WrongInput;
use crate::hint::word;
use crate::progress::counting;
use crate::surroundings::{now, say};

/// Lists the built-in experiments, or prints one's file.
pub(super) fn list(name: Option<&str>) -> anyhow::Result<()> {
    if let Some(name) = name {
        let found = BUILT_IN.iter().find(|(n, _)| *n == name);
        let (_, file) = found.ok_or_else(|| WrongInput(format!("there is no built-in experiment {name:?}")))?;
        return say(file.trim_end());
    }
    for (name, file) in BUILT_IN {
        let experiment = Experiment::parse(file)?;
        say(format!("{name:<10} {:>5} runs  {}", experiment.cells().len(), experiment.about))?;
    }
    Ok(())
}

/// Runs an experiment or a part of it, here or on workers, or goes on with it.
pub(super) fn run(args: RunArgs) -> anyhow::Result<()> {
    let what = &args.experiment;
    let built_in = BUILT_IN.iter().find(|(name, _)| what.to_str() == Some(name));
    let file = match built_in {
        Some((_, file)) => (*file).to_owned(),
        None => std::fs::read_to_string(what)
            .map_err(|e| WrongInput(format!("{}: {e} (credence eval list shows the built-in ones)", what.display())))?,
    };
    let experiment = Experiment::parse(&file).map_err(|e| WrongInput(format!("{}: {e}", what.display())))?;
    let dir = match args.out {
        Some(dir) => dir,
        None => results::folder(&experiment.name, &file).map_err(wrong_folder)?,
    };
    let bar = counting("runs");
    let begun = now();
    let (found, last) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
    let progress = |done: usize, of: usize| {
        // The first report is of what the folder held already.
        found.fetch_min(done, Ordering::Relaxed);
        last.fetch_max(done, Ordering::Relaxed);
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let part = args.shard.unwrap_or(Part::WHOLE);
    let results = match &args.on.on {
        Some(_) => Some(grid::collect(&args.on, &experiment, &file, &dir, &progress)?),
        None => results::run(&experiment, &file, &dir, part, &progress).map_err(wrong_folder)?,
    };
    bar.finish_and_clear();
    let last = last.into_inner();
    let fresh = last - found.into_inner().min(last);
    if fresh > 0 {
        let seconds = now().duration_since(begun).as_secs_f64();
        say(format!("{fresh} runs in {seconds:.1} s, {:.1} a second", fresh as f64 / seconds.max(1e-3)))?;
    }
    match results {
        Some(results) => whole(&experiment, &results, &dir),
        None => {
            say(format!("part {part} is done: {last} runs in {}", dir.join(JOURNAL).display()))?;
            say("next, when all parts are done: credence eval merge DIR ... --out DIR")
        }
    }
}

/// Says what a whole grid came to.
fn whole(experiment: &Experiment, results: &Results, dir: &Path) -> anyhow::Result<()> {
    let converged = results.runs.iter().filter(|r| r.answers_needed.is_some()).count();
    say(format!(
        "{} runs, {converged} converged within {} answers; results in {}",
        results.runs.len(),
        experiment.questions,
        dir.join(RESULTS).display()
    ))?;
    say(format!("next: credence eval report {}", word(&dir.to_string_lossy())))
}

/// Puts parts together.
pub(super) fn merge(parts: &[PathBuf], out: &Path) -> anyhow::Result<()> {
    let folder = results::merge(parts, out).map_err(wrong_folder)?;
    let experiment = Experiment::parse(&folder.provenance().file)?;
    let (missing, of) = (folder.missing(Part::WHOLE), folder.cells().len());
    if let Some(first) = missing.first() {
        let numbers = |n: usize| missing.iter().all(|place| place % n == first % n).then(|| (first % n + 1, n));
        let hint = (2..=of.min(1000)).rev().find_map(numbers).filter(|(_, n)| of.div_ceil(*n) == missing.len());
        let hint = hint.map_or_else(String::new, |(part, n)| format!(" (those of part {part}/{n})"));
        let what = format!("{} of {of} runs are missing{hint}; {} holds the others", missing.len(), out.display());
        return Err(WrongInput(format!(
            "{what}: add the folders of the other parts, or `credence eval run` the rest there"
        ))
        .into());
    }
    let results = folder.finish().map_err(wrong_folder)?;
    results.map_or(Ok(()), |results| whole(&experiment, &results, out))
}

pub(super) fn wrong_folder(error: ResultsError) -> anyhow::Error {
    match error {
        ResultsError::Another { .. }
        | ResultsError::Line { .. }
        | ResultsError::Empty { .. }
        | ResultsError::NoCell { .. }
        | ResultsError::Differs { .. } => WrongInput(error.to_string()).into(),
        other => other.into(),
    }
}

/// Writes the page of a run.
pub(super) fn write_report(dir: &Path) -> anyhow::Result<()> {
    if !dir.join(RESULTS).exists() && dir.join(FIGURES).exists() {
        let (origin, figures) = figures::read(dir).map_err(wrong_folder)?;
        return write_page(dir, &report::figures_html(&origin, &figures));
    }
    let results = results::read(&dir.join(RESULTS)).map_err(wrong_folder)?;
    let experiment = Experiment::parse(&results.provenance.file)
        .map_err(|e| WrongInput(format!("{}: {e}", dir.join(RESULTS).display())))?;
    if results.runs.is_empty() {
        anyhow::bail!(WrongInput(format!("{} holds no runs", dir.join(RESULTS).display())));
    }
    write_page(dir, &report::html(&experiment, &results))
}

fn write_page(dir: &Path, page: &str) -> anyhow::Result<()> {
    let path = dir.join("report.html");
    std::fs::write(&path, page).with_context(|| format!("failed to write {}", path.display()))?;
    say(path.display())
}
