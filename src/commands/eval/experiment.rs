//! `credence eval run`, `list` and `report`: convergence experiments.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use credence_evals::experiment::{BUILT_IN, Experiment};
use credence_evals::report;
use credence_evals::results::{self, RESULTS, ResultsError};

use crate::exit::WrongInput;
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

/// Runs an experiment, or goes on with one.
pub(super) fn run(what: &Path, out: Option<PathBuf>) -> anyhow::Result<()> {
    let built_in = BUILT_IN.iter().find(|(name, _)| what.to_str() == Some(name));
    let file = match built_in {
        Some((_, file)) => (*file).to_owned(),
        None => std::fs::read_to_string(what)
            .map_err(|e| WrongInput(format!("{}: {e} (credence eval list shows the built-in ones)", what.display())))?,
    };
    let experiment = Experiment::parse(&file).map_err(|e| WrongInput(format!("{}: {e}", what.display())))?;
    let dir = match out {
        Some(dir) => dir,
        None => results::folder(&experiment.name, &file).map_err(wrong_folder)?,
    };
    let bar = counting("runs");
    let begun = now();
    let found = AtomicUsize::new(usize::MAX);
    let results = results::run(&experiment, &file, &dir, &|done, of| {
        // The first report is of what the folder held already.
        found.fetch_min(done, Ordering::Relaxed);
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })
    .map_err(wrong_folder)?;
    bar.finish_and_clear();
    let fresh = results.runs.len() - found.load(Ordering::Relaxed).min(results.runs.len());
    if fresh > 0 {
        let seconds = now().duration_since(begun).as_secs_f64();
        say(format!("{fresh} runs in {seconds:.1} s, {:.1} a second", fresh as f64 / seconds.max(1e-3)))?;
    }
    let converged = results.runs.iter().filter(|r| r.answers_needed.is_some()).count();
    say(format!(
        "{} runs, {converged} converged within {} answers; results in {}",
        results.runs.len(),
        experiment.questions,
        dir.join(RESULTS).display()
    ))?;
    say(format!("next: credence eval report {}", dir.display()))
}

pub(super) fn wrong_folder(error: ResultsError) -> anyhow::Error {
    match error {
        ResultsError::Another { .. } | ResultsError::Line { .. } | ResultsError::Empty { .. } => {
            WrongInput(error.to_string()).into()
        }
        other => other.into(),
    }
}

/// Writes the page of a run.
pub(super) fn write_report(dir: &Path) -> anyhow::Result<()> {
    let results = results::read(&dir.join(RESULTS)).map_err(wrong_folder)?;
    let experiment = Experiment::parse(&results.provenance.file)
        .map_err(|e| WrongInput(format!("{}: {e}", dir.join(RESULTS).display())))?;
    if results.runs.is_empty() {
        anyhow::bail!(WrongInput(format!("{} holds no runs", dir.join(RESULTS).display())));
    }
    let path = dir.join("report.html");
    std::fs::write(&path, report::html(&experiment, &results))
        .with_context(|| format!("failed to write {}", path.display()))?;
    say(path.display())
}
