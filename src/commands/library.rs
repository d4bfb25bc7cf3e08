//! `credence library`: documents as evidence about people in general.

mod explained;
mod shown;
pub(crate) mod told;

pub(crate) use explained::behind;
use explained::explain;
use shown::{list, show};

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use credence_agent::conclusion;
use credence_agent::importance::NamedValue;
use credence_agent::library::{self as documents, Document, LibraryError, Read, built_in};
use credence_agent::names;
use credence_memory::home::Paths;
use credence_memory::ids::{DocumentId, ValueId};
use credence_memory::layout::Layout;
use credence_memory::library::Library;
use credence_memory::record::{DocumentAdded, DocumentDropped, DocumentKind, Record};
use credence_memory::state::State;
use credence_priors::error_chain;
use told::{AddJson, AddedJson, DroppedJson, summary};

use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::front::clean_text;
use crate::hint::hint;
use crate::progress::counting;
use crate::surroundings::{Opened, home, now, open_home, pack, read_state, say, say_json};

/// `credence library ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum LibraryCommand {
    /// Add a document or a folder of them: text, Markdown, HTML or PDF; or a built-in collection by its name
    Add(AddArgs),
    /// List the documents, and the built-in collections
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show a document's passages, what was read of each, and which documents contradict it
    Show {
        /// Its title, its file's name or the beginning of its id
        document: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take a document out: belief is then what it would be had it never been there
    Drop {
        /// Its title, its file's name or the beginning of its id
        document: String,
        /// Why
        #[arg(long, default_value = "dropped by the person")]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Explain what the library says of a value, by which passages; or what one passage changes
    Explain {
        /// A value ("honesty"), or a passage as DOCUMENT:NUMBER
        #[arg(value_name = "VALUE|PASSAGE")]
        what: String,
        /// Passages to show
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = crate::cli::numbers::count::<0, 1000>)]
        top: usize,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `credence library add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The file, the folder, or a built-in collection's name
    #[arg(value_name = "FILE|DIR|NAME")]
    what: PathBuf,
    /// How likely it is that a document speaks truly of people in general, above 0 and below 1 [default: by its kind: findings .8, guideline and background .6, other .5]
    #[arg(long, value_name = "P", value_parser = reliability)]
    reliability: Option<f64>,
    /// What kind of document it is [default: what it says]
    #[arg(long, value_enum)]
    kind: Option<KindArg>,
    /// Say what would be added, and add nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// The model.
    #[command(flatten)]
    model: ModelArgs,
}

/// Kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// What was found about people
    Findings,
    /// What somebody with a say holds to be right
    Guideline,
    /// What is said on a matter
    Background,
    /// None of these
    Other,
}

impl From<KindArg> for DocumentKind {
    fn from(arg: KindArg) -> Self {
        match arg {
            KindArg::Findings => Self::Findings,
            KindArg::Guideline => Self::Guideline,
            KindArg::Background => Self::Background,
            KindArg::Other => Self::Other,
        }
    }
}

fn reliability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if p > 0.0 && p < 1.0 => Ok(p),
        _ => Err("expected a probability above 0 and below 1".into()),
    }
}

/// Runs `credence library ...`.
pub(crate) fn run(global: &Global, command: LibraryCommand) -> anyhow::Result<()> {
    match command {
        LibraryCommand::Add(args) => add(global, &args),
        LibraryCommand::List { json } => list(&read_state(global)?, json),
        LibraryCommand::Show { document, json } => {
            let state = read_state(global)?;
            let document = find(state.library(), &document)?;
            show(state.library(), document, json)
        }
        LibraryCommand::Drop { document, reason, json } => {
            let mut home = open_home(global)?;
            let (id, title) = {
                let found = find(home.state().library(), &document)?;
                (found.document, found.title.clone())
            };
            let withdrawn = conclusion::withdraw_resting_on(&mut home, &id, now())?;
            home.append(now(), Record::DocumentDropped(DocumentDropped { document: id, reason }))?;
            if json {
                return say_json(&DroppedJson { dropped: id, title, withdrawn });
            }
            if !withdrawn.is_empty() {
                let records: Vec<String> = withdrawn.iter().map(ToString::to_string).collect();
                let records = records.join(", ");
                say(format!("withdrawn with it, checks of conclusions for which it was read: records {records}"))?;
            }
            say(format!("{} is dropped: belief is what it would be had it never been there", clean_text(&title)))
        }
        LibraryCommand::Explain { what, top, json } => explain(&read_state(global)?, &what, top, json),
    }
}

/// The beginning of an id, for people.
fn short(id: &DocumentId) -> String {
    id.to_string().chars().take(8).collect()
}

/// The document that is meant.
fn find<'a>(library: &'a Library, said: &str) -> anyhow::Result<&'a DocumentAdded> {
    let said = said.trim();
    let is_meant = |d: &DocumentAdded| {
        d.title.eq_ignore_ascii_case(said)
            || d.source == said
            || (said.len() >= 4 && d.document.to_string().starts_with(&said.to_ascii_lowercase()))
    };
    let found: Vec<&DocumentAdded> = library.documents().map(|(_, d)| d).filter(|d| is_meant(d)).collect();
    match found[..] {
        [one] => Ok(one),
        [] if library.is_empty() => {
            Err(WrongInput("the library is empty; `credence library add` adds a document".into()).into())
        }
        [] => Err(WrongInput(format!("there is no document {said:?}; `credence library list` lists them")).into()),
        _ => {
            Err(WrongInput(format!("{} documents answer to {said:?}: give the beginning of an id", found.len())).into())
        }
    }
}

fn add(global: &Global, args: &AddArgs) -> anyhow::Result<()> {
    let collection = built_in().iter().find(|c| args.what == Path::new(c.name) && !args.what.exists());
    let (mut loaded, mut refused): (Vec<Document>, Vec<LibraryError>) = (Vec::new(), Vec::new());
    match collection {
        Some(collection) => loaded = collection.documents(),
        None => {
            let (files, passed_over) = documents::find(&args.what);
            refused = passed_over;
            let bar = counting("reading documents");
            bar.set_length(files.len() as u64);
            for file in files {
                match documents::load(&file) {
                    Ok(document) => loaded.push(document),
                    Err(error) => refused.push(error),
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
        }
    }
    if loaded.is_empty() {
        // A file that was asked for by name is the whole matter.
        return Err(match (refused.len(), refused.pop()) {
            (1, Some(only)) => only.into(),
            (_, Some(last)) => {
                refused.push(last);
                let all: Vec<String> = refused.iter().map(|error| error_chain(error)).collect();
                WrongInput(format!("no document could be used:\n  {}", all.join("\n  "))).into()
            }
            (_, None) => WrongInput(format!("there is no document in {}", args.what.display())).into(),
        });
    }
    if let Some(kind) = args.kind {
        loaded.iter_mut().for_each(|d| d.kind = kind.into());
    }
    // A dry run begins no home; one that is there needs no model.
    let has_log = Paths::of(&home(global)?).has_log();
    let mut open = match (args.dry_run, has_log) {
        (true, _) => None,
        (false, true) => Some(open_home(global)?),
        (false, false) => Some(Opened::open(global, &args.model)?.home),
    };
    let (layout, library) = match &open {
        Some(home) => known(home.state())?,
        None if has_log => known(&read_state(global)?)?,
        None => {
            let pack =
                pack(global, &args.model)?.context("a schema of your own needs a home: run without --dry-run")?;
            let ids = pack.schema.values.iter().map(|v| ValueId::new(&v.id));
            (Layout::of_values(ids.collect::<Result<_, _>>()?), Library::default())
        }
    };
    let values = named(&layout);
    let mut outcomes = Vec::new();
    let mut here: Vec<DocumentId> = library.documents().map(|(_, d)| d.document).collect();
    let bar = counting("adding documents");
    bar.set_length(loaded.len() as u64);
    for document in &loaded {
        let reliability = args.reliability.unwrap_or_else(|| documents::reliability(document.kind));
        let read = documents::read(document, &layout, &values, reliability)?;
        let is_new = !here.contains(&read.added.document);
        if let Some((_, there)) =
            library.document(&read.added.document).filter(|(_, there)| !same_but_for_name(there, &read.added))
        {
            refused.push(LibraryError::Folder {
                problem: format!(
                    "{}: the same words are in the library with other keys, kind or reliability ({}): drop that first, with `credence library drop {}`",
                    read.added.source,
                    there.title,
                    short(&there.document)
                ),
            });
            bar.inc(1);
            continue;
        }
        if is_new {
            here.push(read.added.document);
            if let Some(home) = &mut open {
                let record = Record::DocumentAdded(read.added.clone());
                if let Err(error) = home.append(now(), record) {
                    refused.push(LibraryError::Folder {
                        problem: format!("{}: {}", read.added.source, error_chain(&error)),
                    });
                    bar.inc(1);
                    continue;
                }
            }
        }
        outcomes.push((read, is_new));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.json {
        let added = |(read, new): &(Read, bool)| AddedJson {
            document: summary(&read.added),
            new: *new,
            notes: read.notes.clone(),
        };
        return say_json(&AddJson {
            documents: outcomes.iter().map(added).collect(),
            refused: refused.iter().map(|error| error_chain(error)).collect(),
            dry_run: args.dry_run,
        });
    }
    for (read, is_new) in &outcomes {
        say(outcome(read, *is_new, args.dry_run))?;
        read.notes.iter().try_for_each(|note| say(format!("    {}", clean_text(note))))?;
    }
    refused.iter().try_for_each(|error| say(format!("not taken: {}", clean_text(&error_chain(error)))))?;
    if outcomes.is_empty() {
        anyhow::bail!(WrongInput("no document was added".into()));
    }
    if args.dry_run {
        return say("Nothing was added: this was a dry run.");
    }
    say(format!("{} says what the library makes of a value.", hint("library explain VALUE")))
}

/// Whether two documents of the same words were read alike.
fn same_but_for_name(there: &DocumentAdded, new: &DocumentAdded) -> bool {
    (there.kind, there.reliability, &there.passages) == (new.kind, new.reliability, &new.passages)
}

fn outcome(read: &Read, is_new: bool, dry_run: bool) -> String {
    let d = &read.added;
    if !is_new {
        return format!("{}: it is there already", clean_text(&d.title));
    }
    let done = if dry_run { "would be added" } else { "added" };
    format!(
        "{}  {}: {done}; {}, {} passages, {} of them read; reliability {}",
        short(&d.document),
        clean_text(&d.title),
        d.kind.name(),
        d.passages.len(),
        read.read(),
        d.reliability.get()
    )
}

/// What a document can be about here, and what is in the library.
fn known(state: &State) -> anyhow::Result<(Layout, Library)> {
    let epoch = state.epoch().context("the log has no header yet")?;
    Ok(((*epoch.layout).clone(), state.library().clone()))
}

fn named(layout: &Layout) -> Vec<NamedValue> {
    let value = |id: &ValueId| NamedValue { id: id.to_string(), name: names::value(id.as_str()) };
    layout.values().iter().map(value).collect()
}
