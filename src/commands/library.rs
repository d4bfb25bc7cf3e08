//! `credence library`: documents as evidence about people in general.

pub(crate) mod told;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use credence_agent::conclusion;
use credence_agent::importance::NamedValue;
use credence_agent::library::{self as documents, Document, LibraryError, Read, built_in};
use credence_agent::names;
use credence_memory::home::Paths;
use credence_memory::ids::{DocumentId, ValueId};
use credence_memory::layout::{Feature, Layout};
use credence_memory::library::{Library, Opinion, Share, Statement};
use credence_memory::record::{DocumentAdded, DocumentDropped, DocumentKind, PassageReading, ReadBy, Record};
use credence_memory::state::State;
use credence_priors::error_chain;
use told::{
    AddJson, AddedJson, CollectionJson, ContradictionJson, DocumentJson, DroppedJson, LibraryJson, ListedJson,
    OpinionJson, PassageJson, ReadingJson, SaidByPassageJson, SaidOfValueJson, ShareJson, ShownJson, StatementJson,
    read_passages, summary,
};

use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::front::clean_text;
use crate::front::text::counted;
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

fn list(state: &State, json: bool) -> anyhow::Result<()> {
    let library = state.library();
    let missing = |name: &str| {
        let collection = built_in().iter().find(|c| c.name == name)?;
        let documents = collection.documents();
        let there = |d: &&Document| library.documents().any(|(_, other)| other.content_hash == d.content_hash);
        (documents.iter().filter(there).count() < documents.len()).then_some((collection, documents.len()))
    };
    let open: Vec<_> = built_in().iter().filter_map(|c| missing(c.name)).collect();
    if json {
        let documents = library.documents().map(|(seq, d)| ListedJson { document: summary(d), record: seq });
        let not_added = open.iter().map(|(c, documents)| CollectionJson {
            name: c.name.to_owned(),
            title: c.title.to_owned(),
            documents: *documents,
        });
        return say_json(&LibraryJson { documents: documents.collect(), not_added: not_added.collect() });
    }
    if library.is_empty() {
        say("The library is empty.")?;
    }
    for (_, d) in library.documents() {
        let read = read_passages(d);
        say(format!(
            "{}  {} ({}, reliability {}): {read} of {} passages read, from {}",
            short(&d.document),
            clean_text(&d.title),
            d.kind.name(),
            d.reliability.get(),
            d.passages.len(),
            clean_text(&d.source)
        ))?;
    }
    open.iter().try_for_each(|(c, n)| {
        say(format!("{} adds {n} documents that ship: {}", hint(format_args!("library add {}", c.name)), c.title))
    })
}

fn by(by: ReadBy) -> &'static str {
    match by {
        ReadBy::Author => "keyed",
        ReadBy::Words => "a plain sentence",
        ReadBy::Model => "read by the model",
    }
}

fn reading_text(r: &PassageReading) -> String {
    format!("{} {:+} ({})", clean_text(&names::value(r.about.as_str())), r.key.get(), by(r.by))
}

/// The works that a passage cites.
fn cited<'a>(document: &'a DocumentAdded, text: &str) -> Vec<&'a str> {
    let mut cited = Vec::new();
    for part in text.split('[').skip(1) {
        let number = part.split_once(']').and_then(|(n, _)| n.parse::<usize>().ok());
        let work = number.and_then(|n| document.references.get(n.checked_sub(1)?));
        cited.extend(work.filter(|w| !cited.contains(&w.as_str())).map(String::as_str));
    }
    cited
}

fn owned(words: Vec<&str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

fn show(library: &Library, d: &DocumentAdded, json: bool) -> anyhow::Result<()> {
    let against = contradicting(library, d);
    if json {
        let passages = d.passages.iter().enumerate().map(|(i, p)| PassageJson {
            number: i + 1,
            heading: p.heading.clone(),
            text: p.text.clone(),
            readings: p.readings.clone(),
            references: owned(cited(d, &p.text)),
        });
        let against = against.into_iter().map(|(about, own, other)| ContradictionJson {
            about: about.clone(),
            here: own.mean,
            there: other.mean,
            document: other.document,
        });
        let DocumentJson { document, title, kind, source, reliability, read, .. } = summary(d);
        return say_json(&ShownJson {
            document,
            title,
            kind,
            source,
            reliability,
            passages: passages.collect(),
            read,
            references: d.references.clone(),
            contradicted_by: against.collect(),
        });
    }
    say(format!("{} ({}, from {})", clean_text(&d.title), d.kind.name(), clean_text(&d.source)))?;
    for (i, p) in d.passages.iter().enumerate() {
        let heading = if p.heading.is_empty() { String::new() } else { format!(" {}", clean_text(&p.heading)) };
        say(format!("\n{}.{heading}\n   {}", i + 1, clean_text(&p.text)))?;
        let read: Vec<String> = p.readings.iter().map(reading_text).collect();
        say(format!("   -> {}", if read.is_empty() { "nothing of values".into() } else { read.join(", ") }))?;
    }
    if !d.references.is_empty() {
        say("\nReferences")?;
        let mut numbered = d.references.iter().enumerate();
        numbered.try_for_each(|(i, r)| say(format!("  [{}] {}", i + 1, clean_text(r))))?;
    }
    if !against.is_empty() {
        say("\nContradictions: both statements stand, and belief is wide")?;
    }
    against.iter().try_for_each(|(about, own, other)| side_by_side(library, about, own, other))
}

/// Values of which another document says the opposite, with what each says.
fn contradicting<'a>(library: &'a Library, d: &DocumentAdded) -> Vec<(&'a ValueId, Statement, Statement)> {
    let of_value = |about: &'a ValueId| {
        let pairs = library.contradictions(about).into_iter().filter_map(|(a, b)| {
            if a.document == d.document { Some((a, b)) } else { (b.document == d.document).then_some((b, a)) }
        });
        pairs.map(move |(own, other)| (about, own, other)).collect::<Vec<_>>()
    };
    library.spoken_of().into_iter().flat_map(of_value).collect()
}

fn side_by_side(library: &Library, about: &ValueId, a: &Statement, b: &Statement) -> anyhow::Result<()> {
    say(format!("  {}", clean_text(&names::value(about.as_str()))))?;
    for statement in [a, b] {
        let title = library.document(&statement.document).map_or("", |(_, d)| d.title.as_str());
        let passages = statement.passages;
        say(format!(
            "    {:+.2} (sd {:.2}) by {passages} passage{} of {}",
            statement.mean,
            statement.sd,
            if passages == 1 { "" } else { "s" },
            clean_text(title)
        ))?;
    }
    Ok(())
}

/// The value or attribute that is meant.
fn about(state: &State, said: &str) -> anyhow::Result<ValueId> {
    let layout = &state.epoch().context("the log has no header yet")?.layout;
    let same = |name: &str| name.eq_ignore_ascii_case(said.trim());
    let known = layout.features().into_iter().find_map(|f| match f {
        Feature::Value(id) => (same(id.as_str()) || same(&names::value(id.as_str()))).then_some(id),
        Feature::Attribute(name) => same(&name).then(|| ValueId::new(&name).ok()).flatten(),
        _ => None,
    });
    known.with_context(|| {
        let all: Vec<String> = layout.values().iter().map(ToString::to_string).collect();
        WrongInput(format!("{said:?} is no value and no passage (DOCUMENT:NUMBER). Values are {}", all.join(", ")))
    })
}

fn explain(state: &State, what: &str, top: usize, json: bool) -> anyhow::Result<()> {
    let library = state.library();
    if let Some((document, number)) = what.rsplit_once(':')
        && let Ok(number) = number.parse::<usize>()
    {
        let document = find(library, document)?;
        return explain_passage(library, document, number, json);
    }
    let about = about(state, what)?;
    let name = names::value(about.as_str());
    let Some(opinion) = library.opinion(&about) else {
        if json {
            let (opinion, documents, contradictions) = (None, None, None);
            return say_json(&SaidOfValueJson { about, opinion, documents, contradictions, passages: Vec::new() });
        }
        return say(format!("no passage of the library speaks of {name}: there it keeps the spread of the prior"));
    };
    let shares = library.shares(&about);
    let pairs = library.contradictions(&about);
    if json {
        let passages = shares.iter().take(top).filter_map(|share| {
            let (_, d) = library.document(&share.place.document)?;
            let p = &d.passages[share.place.passage];
            Some(ShareJson {
                document: d.document,
                title: d.title.clone(),
                number: share.place.passage + 1,
                key: share.key,
                change: share.change,
                text: p.text.clone(),
                references: owned(cited(d, &p.text)),
            })
        });
        let statements = library.statements(&about).into_iter().map(|s| StatementJson {
            document: s.document,
            mean: s.mean,
            sd: s.sd,
            passages: s.passages,
        });
        return say_json(&SaidOfValueJson {
            opinion: Some(OpinionJson { mean: opinion.mean, sd: opinion.sd, passages: opinion.passages }),
            documents: Some(statements.collect()),
            contradictions: Some(pairs.iter().map(|(a, b)| [a.document, b.document]).collect()),
            passages: passages.collect(),
            about,
        });
    }
    say(format!("{name}: {}", in_words(&opinion)))?;
    for s in library.statements(&about) {
        let title = library.document(&s.document).map_or("", |(_, d)| d.title.as_str());
        say(format!("  {:+.2} (sd {:.2})  {}, {}", s.mean, s.sd, clean_text(title), counted(s.passages, "passage")))?;
    }
    if !pairs.is_empty() {
        say("\nContradictions: both statements stand, and belief is wide")?;
        pairs.iter().try_for_each(|(a, b)| side_by_side(library, &about, a, b))?;
    }
    say("\nPassages, by what the library would say less or more without each")?;
    shares.iter().take(top).try_for_each(|share| say_share(library, share))
}

/// What the library says of a value.
fn in_words(opinion: &Opinion) -> String {
    format!(
        "people in general hold it {:+.2} key points from the average of their values (sd {:.2}), by {} passages",
        opinion.mean, opinion.sd, opinion.passages
    )
}

fn say_share(library: &Library, share: &Share) -> anyhow::Result<()> {
    let Some((_, d)) = library.document(&share.place.document) else { return Ok(()) };
    let p = &d.passages[share.place.passage];
    say(format!(
        "\n  {:+.2}  keyed {:+}  {}:{} {}\n    {}",
        share.change,
        share.key,
        short(&d.document),
        share.place.passage + 1,
        clean_text(&d.title),
        clean_text(&p.text)
    ))?;
    cited(d, &p.text).into_iter().try_for_each(|work| say(format!("    {}", clean_text(work))))
}

fn explain_passage(library: &Library, d: &DocumentAdded, number: usize, json: bool) -> anyhow::Result<()> {
    let p = number.checked_sub(1).and_then(|at| d.passages.get(at)).with_context(|| {
        WrongInput(format!("{:?} has passages 1 to {}, and no {number}", d.title, d.passages.len()))
    })?;
    let changes: Vec<(&PassageReading, Option<f64>, Option<Opinion>)> = p
        .readings
        .iter()
        .map(|r| {
            let shares = library.shares(&r.about);
            let own = shares.iter().find(|s| s.place.document == d.document && s.place.passage + 1 == number);
            (r, own.map(|s| s.change), library.opinion(&r.about))
        })
        .collect();
    if json {
        let readings = changes.iter().map(|(r, change, opinion)| ReadingJson {
            about: r.about.clone(),
            key: r.key,
            by: r.by,
            change: *change,
            mean: opinion.map(|o| o.mean),
        });
        return say_json(&SaidByPassageJson {
            document: d.document,
            title: d.title.clone(),
            number,
            text: p.text.clone(),
            references: owned(cited(d, &p.text)),
            readings: readings.collect(),
        });
    }
    say(format!("{}:{number} {}\n  {}", short(&d.document), clean_text(&d.title), clean_text(&p.text)))?;
    cited(d, &p.text).into_iter().try_for_each(|work| say(format!("  {}", clean_text(work))))?;
    if changes.is_empty() {
        return say("Nothing was read of it: it changes no belief.");
    }
    changes.iter().try_for_each(|(r, change, opinion)| match (change, opinion) {
        (Some(change), Some(o)) => say(format!(
            "  {}: the library says {:+.2}, and {:+.2} without it",
            reading_text(r),
            o.mean,
            o.mean - change
        )),
        _ => say(format!("  {}: an earlier document has the same passage, so it counts there", reading_text(r))),
    })
}

/// The passages behind what the library says of a value, for explanations of a person's belief: `mass` is the library's share
/// of it. Nothing where that is small, or no passage speaks of it.
pub(crate) fn behind(state: &State, value: &str, mass: f64) -> Option<Vec<String>> {
    /// A smaller share is not worth a line.
    const MASS_MIN: f64 = 0.01;
    const PASSAGES: usize = 3;
    let about = ValueId::new(value).ok().filter(|_| mass >= MASS_MIN)?;
    let library = state.library();
    let opinion = library.opinion(&about)?;
    let mut lines = vec![format!(
        "documents: {:.0}% of this belief started from the library: {}",
        100.0 * mass,
        in_words(&opinion)
    )];
    for share in library.shares(&about).iter().take(PASSAGES) {
        let (_, d) = library.document(&share.place.document)?;
        let text = credence_agent::in_words::brief(&d.passages[share.place.passage].text).into_owned();
        lines.push(format!(
            "  {:+.2}  {}:{}  {} ({})",
            share.change,
            short(&d.document),
            share.place.passage + 1,
            clean_text(&text),
            clean_text(&d.title)
        ));
    }
    Some(lines)
}
