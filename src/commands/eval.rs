//! `credence eval`: how well and how fast people's values are learned, measured.

mod learning;

use std::path::{Path, PathBuf};

use anyhow::Context;
use credence_evals::experiment::{BUILT_IN, Experiment};
use credence_evals::flight::{self, FlightOptions};
use credence_evals::kidney::{self, KidneyError, KidneyOptions};
use credence_evals::report;
use credence_evals::results::{self, RESULTS, ResultsError};

use crate::cli::{EvalCommand, FlightAnswers, FlightArgs, FlightQuestions, Global, KidneyArgs};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// Runs `credence eval ...`.
pub(crate) fn run(global: &Global, command: EvalCommand) -> anyhow::Result<()> {
    match command {
        EvalCommand::Flight(args) => flight(&args),
        EvalCommand::Kidney(args) => kidney(&args),
        EvalCommand::Run { experiment, out } => experiment_run(&experiment, out),
        EvalCommand::Tuning(args) => learning::tuning(global, &args),
        EvalCommand::Teaching(args) => learning::teaching(global, &args),
        EvalCommand::List { name } => list(name.as_deref()),
        EvalCommand::Report { dir } => write_report(&dir),
    }
}

fn flight(args: &FlightArgs) -> anyhow::Result<()> {
    if !(0.0..1.0).contains(&args.random_answers) {
        anyhow::bail!(WrongInput(format!("--random-answers must lie in [0, 1), not {}", args.random_answers)));
    }
    for (noisy, random_answers) in [(false, 0.0), (true, args.random_answers)] {
        for (chosen, pool) in [(false, 1), (true, args.pool)] {
            let asked = args.questions.is_none_or(|q| (q == FlightQuestions::Chosen) == chosen);
            let answered = args.answers.is_none_or(|a| (a == FlightAnswers::Noisy) == noisy);
            if !asked || !answered {
                continue;
            }
            let options = FlightOptions {
                people: args.people,
                seed: args.seed,
                pool,
                random_answers,
                lattice: args.lattice,
                ..FlightOptions::default()
            };
            let bar = counting("people");
            bar.set_length(args.people.min(624) as u64);
            let result = flight::run(&options, &flight::settings(), &|| bar.inc(1))?;
            bar.finish_and_clear();
            if args.json {
                say_json(&result)?;
                continue;
            }
            let questions =
                if chosen { format!("questions chosen from {pool} sets") } else { "random questions".to_owned() };
            let answers =
                if noisy { format!(", {:.0}% of answers random", random_answers * 100.0) } else { String::new() };
            say(format!("{questions}{answers}; {} people, seed {}", result.people, args.seed))?;
            for learner in &result.learners {
                let path: Vec<String> = learner.accuracy.iter().map(|e| format!("{:.3}", e.mean)).collect();
                let (accuracy, difference) = (learner.accuracy.last(), learner.difference.last());
                if let (Some(accuracy), Some(difference)) = (accuracy, difference) {
                    say(format!("  {:<25} {}", learner.learner, path.join(" ")))?;
                    say(format!("  {:<25} after 5: {accuracy}, less exact Bayes {difference}", ""))?;
                }
            }
        }
    }
    Ok(())
}

fn kidney(args: &KidneyArgs) -> anyhow::Result<()> {
    let people = kidney::load(&args.data).map_err(|error| match error {
        KidneyError::Absent { .. } | KidneyError::Read { .. } => anyhow::Error::new(WrongInput(error.to_string())),
        other => other.into(),
    })?;
    let options = KidneyOptions { splits: args.splits, seed: args.seed, ..KidneyOptions::default() };
    let bar = counting("splits");
    bar.set_length(args.splits as u64);
    let result = kidney::run(&people, &options, &kidney::settings(), &|| bar.inc(1))?;
    bar.finish_and_clear();
    if args.json {
        return say_json(&result);
    }
    say(format!(
        "next-choice log loss of {} people in {} splits, seed {}; baseline: hierarchical Bayes",
        result.people, args.splits, args.seed
    ))?;
    for row in &result.rows {
        say(&row.method)?;
        for (k, n) in result.options.answers.iter().enumerate() {
            say(format!(
                "  {n:>3} answers  {}   less the baseline {}   right {:.3}",
                row.log_loss[k], row.difference[k], row.accuracy[k]
            ))?;
        }
    }
    Ok(())
}

fn list(name: Option<&str>) -> anyhow::Result<()> {
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

fn experiment_run(what: &Path, out: Option<PathBuf>) -> anyhow::Result<()> {
    let built_in = BUILT_IN.iter().find(|(name, _)| what.to_str() == Some(name));
    let file = match built_in {
        Some((_, file)) => (*file).to_owned(),
        None => std::fs::read_to_string(what)
            .map_err(|e| WrongInput(format!("{}: {e} (credence eval list shows the built-in ones)", what.display())))?,
    };
    let experiment = Experiment::parse(&file).map_err(|e| WrongInput(format!("{}: {e}", what.display())))?;
    let dir = out.unwrap_or_else(|| PathBuf::from(format!("eval-{}", experiment.name)));
    let bar = counting("runs");
    let results = results::run(&experiment, &file, &dir, &|done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })
    .map_err(wrong_folder)?;
    bar.finish_and_clear();
    let converged = results.runs.iter().filter(|r| r.answers_needed.is_some()).count();
    say(format!(
        "{} runs, {converged} converged within {} answers; results in {}",
        results.runs.len(),
        experiment.questions,
        dir.join(RESULTS).display()
    ))?;
    say(format!("credence eval report {}", dir.display()))
}

fn wrong_folder(error: ResultsError) -> anyhow::Error {
    match error {
        ResultsError::Another { .. } | ResultsError::Line { .. } | ResultsError::Empty { .. } => {
            WrongInput(error.to_string()).into()
        }
        other => other.into(),
    }
}

fn write_report(dir: &Path) -> anyhow::Result<()> {
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
