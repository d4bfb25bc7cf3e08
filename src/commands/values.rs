//! `credence values`: what matters to a person, as a page to keep.

pub(crate) mod drawing;
pub(crate) mod html;
pub(crate) mod markdown;

use std::path::{Path, PathBuf};

use clap::Args;
use credence_agent::bank::Bank;
use credence_agent::protocol::{PageView, PersonView, ValuesView};
use credence_agent::{names, page, views};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::log::Reader;
use credence_memory::record::{Record, Retracted};
use credence_memory::state::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Global, PersonArgs};
use crate::exit::WrongInput;
use crate::front::profile::{Section, sections};
use crate::front::report;
use crate::front::text::harmless;
use crate::output;
use crate::surroundings::{log_path, open_log, pack_for_home, pack_of_home, person, say, say_json_text};

/// `credence values`.
#[derive(Debug, Args)]
pub(crate) struct ValuesArgs {
    /// As believed through this record [default: the last]
    #[arg(long, value_name = "SEQ")]
    pub(crate) at: Option<u64>,
    /// The pack that the home is about, if its questions were changed: they would settle what is open [default: the home's own]
    #[arg(long, value_name = "NAME|DIR", env = "CREDENCE_PACK")]
    pub(crate) pack: Option<String>,
    /// Questions to settle what is open come from this bank (JSON Lines) [default: the pack's]
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// One JSON object
    #[arg(long, group = "form")]
    pub(crate) json: bool,
    /// Markdown
    #[arg(long, group = "form")]
    pub(crate) markdown: bool,
    /// A picture of the values
    #[arg(long, group = "form")]
    pub(crate) svg: bool,
    /// One HTML file that needs nothing else
    #[arg(long, group = "form")]
    pub(crate) html: bool,
    /// Write it to this file instead of printing it
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The person.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

/// Everything on the page.
pub(crate) struct Sheet {
    /// Whose.
    pub(crate) person: PersonId,
    /// The last record that counts, and the latest time of what counts.
    pub(crate) through: Seq,
    pub(crate) time: Option<Timestamp>,
    pub(crate) values: ValuesView,
    pub(crate) beyond: PersonView,
    pub(crate) page: PageView,
}

/// What matters to a person, as `credence values --json` and the API tell it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SheetView {
    /// Who.
    #[schema(value_type = String)]
    person: PersonId,
    /// The last record that counts.
    through: u64,
    /// The latest time of a record that counts.
    #[schema(value_type = Option<String>)]
    time: Option<Timestamp>,
    /// What the values' numbers mean.
    unit: &'static str,
    /// The values.
    values: ValuesView,
    /// What is believed beyond them.
    beyond: PersonView,
    /// What surprised, what is open, how well the person was predicted.
    page: PageView,
}

impl Sheet {
    /// For machines.
    pub(crate) fn view(&self) -> SheetView {
        SheetView {
            person: self.person.clone(),
            through: self.through.0,
            time: self.time,
            unit: report::UNIT,
            values: self.values.clone(),
            beyond: self.beyond.clone(),
            page: self.page.clone(),
        }
    }
}

/// Lines of text are as wide as this.
const COLUMNS: usize = 88;
/// People named where somebody is not found.
const NAMED_MAX: usize = 8;

/// Runs `credence values`.
pub(crate) fn run(global: &Global, args: &ValuesArgs) -> anyhow::Result<()> {
    let bank = match (&args.questions, &args.pack) {
        (Some(path), _) => Bank::load(path)?,
        (None, Some(name)) => pack_for_home(global, name)?.bank,
        // Only which questions would settle what is open is not known then.
        (None, None) => pack_of_home(global).map(|pack| pack.bank).unwrap_or_else(|error| {
            tracing::warn!("{error:#}; no questions are named that would settle what is open");
            Bank::default()
        }),
    };
    let sheet = sheet_of(&log_path(global)?, person(&args.person)?, args.at.map(Seq), None, &bank)?;
    let text = if args.json {
        serde_json::to_string_pretty(&sheet.view())?
    } else if args.markdown {
        markdown::page(&sheet)
    } else if args.svg {
        drawing::picture(&sheet)
    } else if args.html {
        html::page(&sheet)
    } else {
        plain(&sheet)
    };
    match &args.output {
        Some(path) => {
            let written = if args.json { text } else { harmless(&text).into_owned() };
            write(global, path, &written)?;
            say(format!("{} written to {}", title(&sheet.person), path.display()))
        }
        None if args.json => say_json_text(&text),
        None => say(text.trim_end()),
    }
}

fn write(global: &Global, path: &Path, text: &str) -> anyhow::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    output::write(global, path, format!("{text}{end}").as_bytes())
}

/// Everything up to a record, as if another had been withdrawn.
fn state_through(
    reader: Reader<impl std::io::Read>,
    at: Option<Seq>,
    without: Option<Seq>,
) -> anyhow::Result<(State, Option<Timestamp>)> {
    let mut state = State::new();
    let mut last = None;
    // Imported records keep the times of what they say, so the last one need not be the latest.
    let mut time = None;
    for entry in reader {
        let entry = entry?;
        if at.is_some_and(|at| entry.seq > at) {
            break;
        }
        state.note(&entry)?;
        time = time.max(Some(entry.time));
        last = Some(entry);
    }
    if let (Some(target), Some(last)) = (without, last) {
        let reason = "what if it had not been given".to_owned();
        let record = Record::Retracted(Retracted { target, reason });
        let (seq, prev) = (Seq(last.seq.0 + 1), last.hash);
        let (line, _) = credence_memory::log::encode(seq, last.time, &record, prev)?;
        let entry = credence_memory::log::decode(&line[..line.len() - 1], seq)?;
        state.note(&entry).map_err(|e| WrongInput(format!("record {target} cannot be left out: {e}")))?;
    }
    Ok((state, time))
}

/// What is believed of a person through a record, as if another had been withdrawn.
pub(crate) fn sheet_of(
    log: &Path,
    person: PersonId,
    at: Option<Seq>,
    without: Option<Seq>,
    bank: &Bank,
) -> anyhow::Result<Sheet> {
    let (mut state, time) = state_through(Reader::new(open_log(log)?), at, without)?;
    let through = state.head().0;
    if let Some(at) = at.filter(|at| *at > through) {
        anyhow::bail!(WrongInput(format!("the log has no record {at}: it ends with {through}")));
    }
    if state.epoch().is_none() {
        anyhow::bail!(WrongInput("the log has no header yet: nothing is believed of anybody".into()));
    }
    if state.person(&person).is_none() && !state.people().is_empty() {
        let known: Vec<&str> = state.people().keys().map(PersonId::as_str).take(NAMED_MAX).collect();
        let known = known.join(", ");
        tracing::warn!("the log has nothing of {person} (it has of {known}): this is what everybody begins with");
    }
    state.believe(&person)?;
    let values = views::values(&state, &person, names::value)?;
    let beyond = views::person(&state, &person)?;
    let page = page::of(&state, &person, &values, bank, names::value)?;
    Ok(Sheet { person, through, time, values, beyond, page })
}

pub(crate) fn title(person: &PersonId) -> String {
    format!("What matters to {person}")
}

/// "after 31 answers and 2 statements, 27 November 2026".
pub(crate) fn dated(sheet: &Sheet) -> String {
    let day = sheet.time.map_or_else(String::new, |time| format!(", {}", time.strftime("%-d %B %Y")));
    format!("{}{day}", report::after(&sheet.values))
}

pub(crate) fn said(sheet: &Sheet) -> Vec<Section> {
    sections(&sheet.values, &sheet.beyond, &sheet.page)
}

fn plain(sheet: &Sheet) -> String {
    let mut lines = vec![title(&sheet.person), format!("({})", dated(sheet)), String::new()];
    lines.extend(report::values(&sheet.values, COLUMNS));
    lines.push(String::new());
    lines.extend(said(sheet).iter().flat_map(|section| section.lines(COLUMNS)));
    lines.join("\n")
}

#[cfg(test)]
mod tests;
