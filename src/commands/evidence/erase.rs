//! `credence evidence erase`: a person erased for good, and not by accident.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use credence_memory::erase::Erasure;
use credence_memory::home::{Home, Paths};
use credence_memory::ids::{AdapterGeneration, PersonId, Seq};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{EraseArgs, Global};
use crate::exit::WrongInput;
use crate::hint::hint;
use crate::surroundings::{done_under_keys, now, open_home, say, say_json};

/// What is gone, as `credence evidence erase --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasedJson {
    /// Records that were emptied.
    records: u64,
    /// Of them, pieces of evidence.
    evidence: u64,
    /// Descriptions that only they referred to.
    descriptions: u64,
    /// What was not reached and may hold the person's data.
    unreached: Vec<String>,
    /// Folders of trainings that saw the person, which are gone.
    trainings: Vec<String>,
    /// Adapters that absorbed something of the person, which are gone.
    generations: Vec<AdapterGeneration>,
    /// The record that says so, without the name.
    tombstone: Seq,
    /// The record of the population that was learned from the person too, which is gone.
    population: Option<Seq>,
    /// Decisions for several people that are gone.
    decisions_for_several: u64,
}

/// Runs `credence evidence erase`.
pub(super) fn run(global: &Global, args: &EraseArgs) -> anyhow::Result<()> {
    let person = PersonId::new(&args.person)
        .with_context(|| WrongInput(format!("{:?} cannot be a person's name", args.person)))?;
    let mut home = open_home(global)?;
    let erasure = Erasure::of(&home, &person)?;
    if !args.json {
        say(format!(
            "{person}: {} records ({} of them evidence) and {} descriptions that only they referred to would be emptied \
             for good. {}",
            erasure.records(),
            erasure.evidence(),
            erasure.descriptions(),
            what_it_means_for_others(&erasure)
        ))?;
        for made in erasure.artefacts() {
            let fate = if args.delete_exports { "is deleted if it is unchanged" } else { "stays (--delete-exports)" };
            say(format!("  {} {} of record {} {fate}", made.what, made.path, made.seq))?;
        }
    }
    if !args.json {
        for folder in erasure.trainings() {
            say(format!(
                "  {} goes too: a training there saw {person}, or does not say whom it saw",
                folder.display()
            ))?;
        }
    }
    let confirmation = match &args.yes_erase {
        Some(name) => name.clone(),
        None => typed(&person)?,
    };
    let unreached = others_in(home.paths())?;
    let trainings: Vec<String> = erasure.trainings().iter().map(|folder| folder.display().to_string()).collect();
    let (population, decisions_for_several) = (erasure.population(), erasure.decisions_for_several());
    let done = erasure.carry_out(&mut home, &confirmation, now(), &args.reason, args.delete_exports, unreached)?;
    // What the service gave for a key may have words of theirs, and is of the log as it was.
    let given = done_under_keys(home.paths().root());
    match std::fs::remove_file(&given) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("erased from the log, but failed to remove {}", given.display()));
        }
        _ => {}
    }
    let derived = left_behind(&home);
    if args.json {
        return say_json(&ErasedJson {
            records: done.records,
            evidence: done.evidence,
            descriptions: done.alternatives,
            unreached: done.unreached,
            trainings,
            generations: done.generations,
            tombstone: home.state().head().0,
            population,
            decisions_for_several,
        });
    }
    say(format!(
        "erased: {} records and {} descriptions are empty, the log is chained anew, derived data was rebuilt (record {} says \
         so, without the name)",
        done.records,
        done.alternatives,
        home.state().head().0
    ))?;
    if !done.unreached.is_empty() {
        say("not reached; delete these yourself if they hold this person's data:")?;
        for what in &done.unreached {
            say(format!("  {what}"))?;
        }
    }
    say(derived)
}

fn what_it_means_for_others(erasure: &Erasure) -> String {
    let gone: Vec<String> = erasure.generations().iter().map(ToString::to_string).collect();
    let mut means = Vec::new();
    if !gone.is_empty() {
        means.push(format!(
            "Adapters of generation {} absorbed something of theirs: they are removed with their files, and whatever was \
             believed by them of anybody is believed no longer.",
            gone.join(", ")
        ));
    }
    if let Some(seq) = erasure.population() {
        means.push(format!(
            "The population of record {seq} was learned from them too: it is emptied, and everybody is believed without one until \
             {} learns it anew.",
            hint("people consolidate")
        ));
    }
    if means.is_empty() {
        means.push("No one else's belief changes.".into());
    }
    let decisions = erasure.decisions_for_several();
    if decisions > 0 {
        means.push(format!("{decisions} decisions for several people, of whom they were one, are emptied with them."));
    }
    means.join(" ")
}

/// Asks for the name at a terminal.
fn typed(person: &PersonId) -> anyhow::Result<String> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        anyhow::bail!(WrongInput(format!(
            "nothing was erased: erasing has to be confirmed at a terminal, or with --yes-erase {person}"
        )));
    }
    let mut error = std::io::stderr().lock();
    write!(error, "Type the name again to erase it: ").and_then(|()| error.flush()).context("failed to ask")?;
    let mut line = String::new();
    input.read_line(&mut line).context("failed to read the name")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What else is in the home: what the program did not put there, or cannot take a person out of.
fn others_in(paths: &Paths) -> anyhow::Result<Vec<String>> {
    let failed = || format!("failed to look through {}", paths.root().display());
    let mut others = Vec::new();
    let mut look = |directory: &Path, known: &[&str]| -> std::io::Result<()> {
        for found in std::fs::read_dir(directory)? {
            let found = found?;
            if !known.iter().any(|k| found.file_name() == *k) {
                others.push(format!("{} in the home", found.path().display()));
            }
        }
        Ok(())
    };
    let store = paths.store();
    let store = store.file_name().and_then(|n| n.to_str()).unwrap_or("store");
    // Adapters that absorbed something of the person go with them, and all of what trainings left.
    look(paths.root(), &["evidence", "lock", store, "adapters", "training"]).with_context(failed)?;
    if let Some(evidence) = paths.log().parent() {
        look(evidence, &["log.jsonl", "head"]).with_context(failed)?;
    }
    others.sort();
    Ok(others)
}

/// What no program can know of.
fn left_behind(home: &Home) -> String {
    format!(
        "Copies and backups of {}, and logs of other homes that it was merged into, are out of reach.",
        home.paths().root().display()
    )
}
