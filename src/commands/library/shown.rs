//! What is in the library: its list, and one document whole.

use credence_agent::library::{Document, built_in};
use credence_agent::names;
use credence_memory::ids::ValueId;
use credence_memory::library::{Library, Statement};
use credence_memory::record::{DocumentAdded, PassageReading, ReadBy};
use credence_memory::state::State;

use super::short;
use super::told::{
    CollectionJson, ContradictionJson, DocumentJson, LibraryJson, ListedJson, PassageJson, ShownJson, read_passages,
    summary,
};
use crate::front::clean_text;
use crate::hint::hint;
use crate::surroundings::{say, say_json};

pub(super) fn list(state: &State, json: bool) -> anyhow::Result<()> {
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

pub(super) fn by(by: ReadBy) -> &'static str {
    match by {
        ReadBy::Author => "keyed",
        ReadBy::Words => "a plain sentence",
        ReadBy::Model => "read by the model",
    }
}

pub(super) fn reading_text(r: &PassageReading) -> String {
    format!("{} {:+} ({})", clean_text(&names::value(r.about.as_str())), r.key.get(), by(r.by))
}

/// The works that a passage cites.
pub(super) fn cited<'a>(document: &'a DocumentAdded, text: &str) -> Vec<&'a str> {
    let mut cited = Vec::new();
    for part in text.split('[').skip(1) {
        let number = part.split_once(']').and_then(|(n, _)| n.parse::<usize>().ok());
        let work = number.and_then(|n| document.references.get(n.checked_sub(1)?));
        cited.extend(work.filter(|w| !cited.contains(&w.as_str())).map(String::as_str));
    }
    cited
}

pub(super) fn owned(words: Vec<&str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

pub(super) fn show(library: &Library, d: &DocumentAdded, json: bool) -> anyhow::Result<()> {
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

pub(super) fn side_by_side(library: &Library, about: &ValueId, a: &Statement, b: &Statement) -> anyhow::Result<()> {
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
