//! How the library comes to say what it says of a value, or by a passage.

use anyhow::Context;
use credence_agent::names;
use credence_memory::ids::ValueId;
use credence_memory::layout::Feature;
use credence_memory::library::{Library, Opinion, Share};
use credence_memory::record::{DocumentAdded, PassageReading};
use credence_memory::state::State;

use super::shown::{cited, owned, reading_text, side_by_side};
use super::told::{OpinionJson, ReadingJson, SaidByPassageJson, SaidOfValueJson, ShareJson, StatementJson};
use super::{find, short};
use crate::exit::WrongInput;
use crate::front::clean_text;
use crate::front::text::counted;
use crate::surroundings::{say, say_json};

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

pub(super) fn explain(state: &State, what: &str, top: usize, json: bool) -> anyhow::Result<()> {
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
