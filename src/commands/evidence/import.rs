//! `credence evidence import`: evidence from elsewhere, all of it or none.

use std::path::Path;

use anyhow::Context;
use credence_agent::bank::{BankAlternative, BankQuestion};
use credence_memory::home::Home;
use credence_memory::ids::PersonId;
use credence_memory::import::{Import, Progress, Statement};
use credence_memory::record::AlternativeDescribed;
use indicatif::ProgressBar;
use serde_json::json;

use crate::cli::{Global, ImportArgs, ImportFormat, PersonArgs};
use crate::exit::WrongInput;
use crate::progress::{counting, reading};
use crate::surroundings::{Opened, now, open_home, person, say, say_json};

/// Runs `credence evidence import`.
pub(super) fn run(global: &Global, args: &ImportArgs) -> anyhow::Result<()> {
    if args.describe && !args.dry_run {
        let mut opened = Opened::open(global, &args.model)?;
        let import = read(args, &opened.home)?;
        let wanted: Vec<Statement> = import.undescribed(opened.home.state()).cloned().collect();
        let described = describe(&mut opened, &wanted)?;
        return add(args, &mut opened.home, import, described);
    }
    let mut home = open_home(global)?;
    let import = read(args, &home)?;
    add(args, &mut home, import, Vec::new())
}

/// Reads and checks all of it.
fn read(args: &ImportArgs, home: &Home) -> anyhow::Result<Import> {
    let bar = reading(&format!("reading {}", args.path.display()));
    let mut report = |p: Progress| at(&bar, p);
    let import = match args.format {
        ImportFormat::Polis => Import::polis(&args.path, &conversation(args)?, &mut report)?,
        ImportFormat::Csv => Import::pairwise_csv(&args.path, &mut report)?,
        ImportFormat::Trl => {
            let whose: PersonId = person(&PersonArgs { person: args.person.clone() })?;
            Import::trl(&args.path, &whose, &mut report)?
        }
        ImportFormat::Log => {
            let path = match args.path.is_dir() {
                true => args.path.join("evidence").join("log.jsonl"),
                false => args.path.clone(),
            };
            Import::credence_log(&path, args.prefix.as_deref(), home.state(), &mut report)?
        }
    };
    bar.finish_and_clear();
    Ok(import)
}

fn at(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.total);
    bar.set_position(progress.bytes);
}

/// The name of a Polis conversation: as given, or the directory's.
fn conversation(args: &ImportArgs) -> anyhow::Result<String> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let directory = std::path::absolute(&args.path).unwrap_or_else(|_| args.path.clone());
    let name = directory.file_name().and_then(|n| n.to_str()).map(str::to_owned);
    name.with_context(|| WrongInput(format!("{} has no name: give one with --name", Path::display(&args.path))))
}

/// Reads statements with the model.
fn describe(opened: &mut Opened, statements: &[Statement]) -> anyhow::Result<Vec<AlternativeDescribed>> {
    let questions: Vec<BankQuestion> = statements
        .iter()
        .map(|s| BankQuestion {
            id: s.alternative.to_string(),
            situation: s.situation.clone(),
            tags: Vec::new(),
            alternatives: vec![BankAlternative { text: s.text.clone(), attributes: Default::default() }],
        })
        .collect();
    let bar = counting("reading statements with the model");
    bar.set_length(questions.len() as u64);
    let mut described = Vec::with_capacity(questions.len());
    opened.reader()?.describe_questions(&questions, &mut |records| {
        described.extend(records);
        bar.inc(1);
        true
    })?;
    bar.finish_and_clear();
    Ok(described)
}

fn add(args: &ImportArgs, home: &mut Home, import: Import, described: Vec<AlternativeDescribed>) -> anyhow::Result<()> {
    let (records, people) = (import.records(), import.people().len());
    let (statements, new) = (import.statements().len(), import.undescribed(home.state()).count());
    let read_by_model = described.len();
    let notes = import.notes().to_vec();
    let before = home.state().head().0;
    let draft = import.draft(home, now(), described)?;
    if !args.dry_run {
        home.commit(draft)?;
    }
    let bare = if args.describe { 0 } else { new };
    if args.json {
        return say_json(&json!({
            "dry_run": args.dry_run, "evidence": records, "people": people, "statements": statements, "new_statements": new,
            "read_by_model": read_by_model, "bare": bare, "notes": notes,
            "records": [before.0 + 1, home.state().head().0.0],
        }));
    }
    for note in notes {
        say(format!("note: {note}"))?;
    }
    let what =
        format!("{records} pieces of evidence of {people} people, on {statements} statements ({new} of them new)");
    match args.dry_run {
        true => say(format!("{what} can be imported; nothing was changed"))?,
        false => say(format!("{what}: records {} to {}", before.next(), home.state().head().0))?,
    }
    if bare > 0 {
        say(format!(
            "{bare} statements have no features, so what was said of them says nothing about values yet: import with \
             --describe to have the model read them"
        ))?;
    }
    Ok(())
}
