//! `credence evidence import`: evidence from elsewhere, all of it or none.

use std::path::{Path, PathBuf};

use anyhow::Context;
use credence_agent::bank::{BankAlternative, BankQuestion};
use credence_agent::keyed;
use credence_memory::home::{Home, Paths};
use credence_memory::ids::{AlternativeId, PersonId};
use credence_memory::import::{Import, ImportError, Problem, Progress, Reading, Signs, Statement, conversation_id};
use credence_memory::record::AlternativeDescribed;
use credence_memory::state::State;
use indicatif::ProgressBar;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Global, ImportArgs, ImportFormat, PersonArgs, SignsArg};
use crate::exit::{WrongInput, WrongOptions};
use crate::front::text::clean;
use crate::progress::{counting, reading};
use crate::surroundings::{Opened, home, now, open_home, open_log, person, say, say_json};

/// Runs `credence evidence import`.
pub(super) fn run(global: &Global, args: &ImportArgs) -> anyhow::Result<()> {
    options_fit(args)?;
    let root = home(global)?;
    let begins = !Paths::of(&root).has_log();
    if root.exists() && !root.is_dir() {
        anyhow::bail!(WrongInput(format!("{} is a file; a home is a directory", root.display())));
    }
    if args.format == ImportFormat::Log {
        if begins && args.dry_run {
            anyhow::bail!(WrongInput(format!(
                "there is no home in {} yet that {} could be compared with",
                root.display(),
                args.path.display()
            )));
        }
        // Before a home is begun for it.
        drop(open_log(&log_in(&args.path))?);
    }
    let import = read(args)?;
    if begins && args.dry_run {
        let import = import.context("a log is not compared with nothing")?.compared(None)?;
        if !args.json {
            say(format!("there is no home in {} yet: an import without --dry-run begins one", root.display()))?;
        }
        let told = Told::of(&import, None, 0);
        return tell(args, &import, told);
    }
    let describes = args.describe && !args.dry_run;
    if describes || begins {
        let was_there = root.exists();
        let mut opened = Opened::open(global, &args.model)?;
        let import = match compared(args, import, &opened.home) {
            Ok(import) => import,
            Err(error) => {
                drop(opened);
                // What is refused begins no home.
                if begins && !was_there {
                    std::fs::remove_dir_all(&root)?;
                }
                return Err(error);
            }
        };
        let mut described = Vec::new();
        if describes {
            let wanted: Vec<Statement> = import.undescribed(opened.home.state()).cloned().collect();
            described = describe(&mut opened, &wanted)?;
        }
        return add(args, &mut opened.home, import, described);
    }
    let mut home = open_home(global)?;
    let import = compared(args, import, &home)?;
    add(args, &mut home, import, Vec::new())
}

/// That no option is given which the format has no use for: whoever gives one means something by it.
fn options_fit(args: &ImportArgs) -> anyhow::Result<()> {
    let given = [
        ("--prefix", args.prefix.is_some(), ImportFormat::Log, "a log"),
        ("--name", args.name.is_some(), ImportFormat::Polis, "a Polis export"),
        ("--signs", args.signs != SignsArg::Checked, ImportFormat::Polis, "a Polis export"),
    ];
    match given.iter().find(|(_, given, format, _)| *given && *format != args.format) {
        Some((option, _, _, of)) => {
            anyhow::bail!(WrongOptions(format!("{option} is for {of} alone; nothing was imported")))
        }
        None => Ok(()),
    }
}

/// Reads and checks all of a file; nothing of a log, which is read beside the home that it is merged into.
fn read(args: &ImportArgs) -> anyhow::Result<Option<Import>> {
    let bar = reading(&format!("reading {}", args.path.display()));
    let mut report = |p: Progress| at(&bar, p);
    let signs = match args.signs {
        SignsArg::Checked => Signs::Checked,
        SignsArg::Turned => Signs::Turned,
        SignsArg::AsTheyAre => Signs::AsTheyAre,
    };
    let how = Reading { skip_bad: args.skip_bad, signs };
    let import = match args.format {
        ImportFormat::Polis => {
            let import = how.polis(&args.path, &conversation(args)?, &mut report);
            if args.name.is_none() { import.map(Import::under_any_name) } else { import }
        }
        ImportFormat::Csv => how.pairwise_csv(&args.path, &mut report),
        ImportFormat::Trl => {
            let whose: PersonId = person(&PersonArgs { person: args.person.clone() })?;
            how.trl(&args.path, &whose, &mut report)
        }
        ImportFormat::Log => return Ok(None),
    };
    bar.finish_and_clear();
    import.map(Some).map_err(with_advice)
}

/// An error with what can be done about it.
fn with_advice(error: ImportError) -> anyhow::Error {
    let advice = match &error {
        ImportError::Line {
            problem: Problem::JsonArray | Problem::NoColumn(_) | Problem::UnknownColumn { .. } | Problem::TwoColumns(_),
            ..
        } => None,
        ImportError::Line { .. } => {
            Some("nothing was imported (--skip-bad leaves rows out that cannot be read, and lists them)")
        }
        ImportError::Mirrored { .. } => Some(
            "nothing was imported (--signs turned reads -1 as agreement, --signs as-they-are takes them as they stand)",
        ),
        _ => None,
    };
    let error = anyhow::Error::new(error);
    match advice {
        Some(advice) => error.context(advice),
        None => error,
    }
}

/// What is new of it beside the home.
fn compared(args: &ImportArgs, import: Option<Import>, home: &Home) -> anyhow::Result<Import> {
    let import = match import {
        Some(import) => import,
        None => {
            let path = log_in(&args.path);
            let bar = reading(&format!("reading {}", path.display()));
            let import = Import::credence_log(&path, args.prefix.as_deref(), home.state(), &mut |p| at(&bar, p))?;
            bar.finish_and_clear();
            import
        }
    };
    import.compared(Some(home)).map_err(with_advice)
}

/// The log that is meant: the file, or that of the home.
fn log_in(path: &Path) -> PathBuf {
    if path.is_dir() { Paths::of(path).log() } else { path.to_owned() }
}

fn at(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.total);
    bar.set_position(progress.bytes);
}

/// The name of a Polis conversation: as given, or the id in its files' names, or the directory's.
fn conversation(args: &ImportArgs) -> anyhow::Result<String> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    if let Some(id) = conversation_id(&args.path) {
        return Ok(id);
    }
    let directory = std::path::absolute(&args.path).unwrap_or_else(|_| args.path.clone());
    let name = directory.file_name().and_then(|n| n.to_str()).map(str::to_owned);
    name.with_context(|| WrongInput(format!("{} has no name: give one with --name", Path::display(&args.path))))
}

/// Describes statements: by their keys where the built-in bank has them, else by what the model reads.
fn describe(opened: &mut Opened, statements: &[Statement]) -> anyhow::Result<Vec<AlternativeDescribed>> {
    let mut described = Vec::with_capacity(statements.len());
    let mut unkeyed = Vec::new();
    for statement in statements {
        let text = std::slice::from_ref(&statement.text);
        match keyed::in_pack(opened.home.state(), &statement.situation, text)?.pop() {
            Some(keyed) => described.push(keyed),
            None => unkeyed.push(statement),
        }
    }
    if unkeyed.is_empty() {
        return Ok(described);
    }
    let statements = unkeyed;
    let questions: Vec<BankQuestion> = statements
        .iter()
        .map(|s| BankQuestion {
            id: s.alternative.to_string(),
            situation: s.situation.clone(),
            tags: Vec::new(),
            alternatives: vec![BankAlternative::unkeyed(s.text.clone())],
        })
        .collect();
    let bar = counting("reading statements with the model");
    bar.set_length(questions.len() as u64);
    opened.reader()?.describe_questions(&questions, &mut |records| {
        described.extend(records);
        bar.inc(1);
        true
    })?;
    bar.finish_and_clear();
    Ok(described)
}

fn add(args: &ImportArgs, home: &mut Home, import: Import, described: Vec<AlternativeDescribed>) -> anyhow::Result<()> {
    let mut told = Told::of(&import, Some(home.state()), described.len());
    let before = home.state().head().0;
    let draft = import.clone().draft(home, now(), described)?;
    if !args.dry_run && !import.is_empty() {
        home.commit(draft)?;
        told.records = Some([before.0 + 1, home.state().head().0.0]);
    }
    tell(args, &import, told)
}

/// What comes in, or came in, as `credence evidence import --json` and the service tell it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ImportView {
    /// Whether nothing was changed.
    pub(crate) dry_run: bool,
    /// Pieces of evidence that are new or changed.
    pub(crate) evidence: usize,
    /// People that they are of.
    pub(crate) people: usize,
    /// Statements that they are about.
    pub(crate) statements: usize,
    /// Of them, those that were not described.
    pub(crate) new_statements: usize,
    /// Of them, those that were read now.
    pub(crate) read_by_model: usize,
    /// Of them, those without features: what was said of them says nothing about values until a model reads them.
    pub(crate) bare: usize,
    /// What there is to know besides.
    pub(crate) notes: Vec<String>,
    /// The first and the last record that were added.
    pub(crate) records: Option<[u64; 2]>,
    /// Pieces that stand here already and are left out.
    pub(crate) known: u64,
    /// Pieces that take the place of what stands here.
    pub(crate) changed: u64,
    /// Pieces that are older than what stands here and are left out.
    pub(crate) older: u64,
    /// Pieces that were withdrawn here and are left out.
    pub(crate) withdrawn: u64,
    /// Pieces that were erased here since they were exported, and are left out.
    pub(crate) erased: u64,
    /// Pieces that were withdrawn where they came from, and are withdrawn here.
    pub(crate) withdrawals: u64,
    /// Rows that say the same of the same time as another row.
    pub(crate) repeated: u64,
    /// Statements that are newly left out of what unites and divides, as the import marks them.
    pub(crate) marked: u64,
    /// Statements that count again: an earlier import marked them, and this one does not.
    pub(crate) unmarked: u64,
    /// Those statements, each with what becomes of it.
    pub(crate) marks: Vec<MarkView>,
    /// How many rows cannot be read.
    pub(crate) rows_left_out: u64,
    /// The first 1,000 of them, each with what is wrong.
    pub(crate) left_out: Vec<String>,
}

/// A statement that is left out of what unites and divides from now on, or counts again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MarkView {
    /// Its words.
    pub(crate) statement: String,
    /// Whether it counts again; else it is left out.
    pub(crate) counts: bool,
    /// Why, as it stands in the log.
    pub(crate) reason: String,
}

/// The statements that an import marks and unmarks, by their words in it, or in the home.
pub(crate) fn marks(import: &Import, state: Option<&State>) -> Vec<MarkView> {
    let words = |alternative: &AlternativeId| {
        let words = import.words(alternative).or_else(|| Some(state?.description(alternative)?.text.as_str()));
        words.map_or_else(|| alternative.to_string(), str::to_owned)
    };
    let compared = import.compared_with();
    let view = |(alternative, left_out, reason): (&AlternativeId, bool, &str)| MarkView {
        statement: words(alternative),
        counts: !left_out,
        reason: reason.to_owned(),
    };
    compared.marks().map(view).collect()
}

impl ImportView {
    /// Of an import that was compared with a home, with the counts of its statements there.
    pub(crate) fn of(
        import: &Import,
        dry_run: bool,
        Counts { about, new, bare }: Counts,
        records: Option<[u64; 2]>,
        marks: Vec<MarkView>,
    ) -> Self {
        let beside = import.compared_with();
        Self {
            dry_run,
            evidence: import.records(),
            people: import.people().len(),
            statements: about,
            new_statements: new,
            read_by_model: 0,
            bare,
            notes: import.notes().to_vec(),
            records,
            known: beside.known,
            changed: beside.changed(),
            older: beside.older,
            withdrawn: beside.withdrawn,
            erased: beside.erased,
            withdrawals: beside.withdrawals(),
            repeated: beside.repeated,
            marked: beside.marked(),
            unmarked: beside.unmarked(),
            marks,
            rows_left_out: import.rows_left_out(),
            left_out: import.left_out().iter().map(ToString::to_string).collect(),
        }
    }
}

/// Statements of an import beside a home.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    /// Those that it is about.
    about: usize,
    /// Of them, those that the home had not described.
    new: usize,
    /// Of them, those without features.
    bare: usize,
}

impl Counts {
    /// Counts them.
    pub(crate) fn of(import: &Import, state: Option<&State>) -> Self {
        let (new, bare) = import.new_and_bare(state);
        Self { about: import.about(state).len(), new, bare }
    }
}

/// What is told of an import besides what is in it.
struct Told {
    /// Its statements.
    counts: Counts,
    /// Statements that the model has read.
    described: usize,
    /// The first and the last record, if any were added.
    records: Option<[u64; 2]>,
    /// Statements that change sides.
    marks: Vec<MarkView>,
}

impl Told {
    /// Of an import that was compared with a home, or with nothing, of whose statements the model has read so many.
    fn of(import: &Import, state: Option<&State>, described: usize) -> Self {
        Self { counts: Counts::of(import, state), described, records: None, marks: marks(import, state) }
    }
}

/// Rows left out that are listed; the others are only counted.
const LISTED: usize = 20;

fn tell(args: &ImportArgs, import: &Import, told: Told) -> anyhow::Result<()> {
    let (records, people, statements) = (import.records(), import.people().len(), told.counts.about);
    let Told { counts: Counts { new, bare, .. }, described, .. } = told;
    let beside = import.compared_with();
    let bare = if args.describe && args.format != ImportFormat::Log { 0 } else { bare };
    if args.json {
        return say_json(&ImportView {
            read_by_model: described,
            bare,
            ..ImportView::of(import, args.dry_run, Counts { bare, ..told.counts }, told.records, told.marks)
        });
    }
    for note in import.notes() {
        say(format!("note: {note}"))?;
    }
    for row in import.left_out().iter().take(LISTED) {
        say(format!("left out: {row}"))?;
    }
    if let Some(more) = import.rows_left_out().checked_sub(LISTED as u64).filter(|more| *more > 0) {
        say(format!("left out: {more} more rows that cannot be read"))?;
    }
    for (count, what) in [
        (beside.known, "stand here already and are left out"),
        (beside.withdrawn, "were withdrawn here and are left out"),
        (beside.erased, "were erased here and are left out (without the columns seq and log they come in again)"),
        (beside.withdrawals(), "were withdrawn in the log that they came from, and are withdrawn here"),
        (beside.older, "are older than what stands here and are left out"),
        (beside.repeated, "say the same of the same time as another row and are left out"),
        (beside.changed(), "were changed: each replaces the earlier one"),
    ] {
        if count > 0 {
            say(format!("{count} pieces of evidence {what}"))?;
        }
    }
    for (count, what) in [
        (beside.marked(), "are newly left out of what unites and divides, as the import marks them"),
        (beside.unmarked(), "count again: an earlier import marked them, and this one does not"),
    ] {
        if count > 0 {
            say(format!("{count} statements {what}"))?;
        }
    }
    for MarkView { statement, counts, reason } in told.marks.iter().take(LISTED) {
        say(format!("  {}: {} ({reason})", if *counts { "counts again" } else { "left out" }, clean(statement)))?;
    }
    let what =
        format!("{records} pieces of evidence of {people} people, on {statements} statements ({new} of them new)");
    match told.records {
        _ if args.dry_run => say(format!("{what} can be imported; nothing was changed"))?,
        Some([first, last]) => say(format!("{what}: records {first} to {last}"))?,
        None => say("nothing new: nothing was changed")?,
    }
    if bare > 0 && records > 0 {
        say(format!(
            "{bare} statements have no features, so what was said of them says nothing about values yet: import with \
             --describe to have the model read them"
        ))?;
    }
    Ok(())
}
