//! Exporting what people said, with what is believed of it now: TRL preference data, CSV, Parquet.
//!
//! The soft label of a pair is the posterior's own probability that the person would choose the first; of a verdict, that
//! they would agree. Teaching a model these works better than teaching the answers (Qiu et al. 2026).

mod parquet;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::belief::{Mixture, Question};
use crate::ids::{AlternativeId, PersonId, Seq};
use crate::import::OwnTimes;
use crate::log::{Entry, LogError};
use crate::number::Probability;
use crate::record::{Condition, Record, Strength, Verdict};
use crate::state::{State, StateError};

pub use parquet::write_parquet;

/// One surviving piece of evidence in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The record.
    pub seq: Seq,
    /// When; nothing where it came from a file that did not say.
    pub time: Option<Timestamp>,
    /// Who.
    pub person: PersonId,
    /// Through what.
    pub source: String,
    /// The record's kind.
    pub kind: &'static str,
    /// The situation; empty for statements about values.
    pub situation: String,
    /// The first alternative, or the only one, or the value that matters more.
    pub first: String,
    /// The second alternative, or the value that matters less.
    pub second: Option<String>,
    /// `first`, `second`, `neither`; `agree`, `pass`, `disagree`; `3/5`; `slight`, `clear`, `strong`.
    pub outcome: String,
    /// Probability of `first`, of `agree`.
    pub soft_label: Option<f64>,
    /// What else a statement of importance says, as JSON: whether it is the least that was meant, its words, how probably they
    /// were misread, where it holds. Nothing where it says no more.
    pub details: Option<String>,
}

/// What a statement of importance says beside its values and its strength.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) at_least: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) misreading: Option<Probability>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) conditions: Vec<Condition>,
}

impl Details {
    fn of(record: &Record) -> Option<String> {
        let Record::ImportanceStated(r) = record else { return None };
        let (words, conditions) = (r.words.clone(), r.conditions.clone());
        let details = Self { at_least: r.at_least, words, misreading: r.misreading, conditions };
        if details == Self::default() { None } else { serde_json::to_string(&details).ok() }
    }
}

/// Rows, and how much has no form as a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The log's id.
    pub log: String,
    /// In the order of the log.
    pub rows: Vec<Row>,
    /// Surviving choices among three or more and rankings: they are not so many independent pairs, so they are left out.
    pub left_out: u64,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A belief cannot be formed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The output cannot be written.
    #[error("failed to write the export")]
    Write(#[from] io::Error),
}

/// Surviving evidence of a log as rows, with soft labels by each person's belief now.
///
/// # Errors
/// An entry cannot be read, or a prediction cannot be made from the state.
pub fn table(entries: impl IntoIterator<Item = Result<Entry, LogError>>, state: &State) -> Result<Table, ExportError> {
    let survivors: BTreeSet<Seq> = state.people().values().flat_map(|p| p.evidence().iter().map(|e| e.seq)).collect();
    let log = state.header().map(|h| h.log_id.clone()).unwrap_or_default();
    let mut table = Table { log, ..Table::default() };
    let mut asked: BTreeMap<PersonId, Vec<(usize, Question)>> = BTreeMap::new();
    let mut times = OwnTimes::default();
    for entry in entries {
        let entry = entry?;
        let time = times.of(&entry);
        if !survivors.contains(&entry.seq) {
            continue;
        }
        match row(&entry, time, state) {
            Some((row, question)) => {
                if let Some(question) = question {
                    asked.entry(row.person.clone()).or_default().push((table.rows.len(), question));
                }
                table.rows.push(row);
            }
            None => table.left_out += 1,
        }
    }
    for (person, questions) in asked {
        // One belief at a time: each takes about a megabyte.
        let belief = state.belief(&person)?;
        for (at, question) in questions {
            table.rows[at].soft_label = Some(soft_label(&belief, &question));
        }
    }
    Ok(table)
}

fn soft_label(belief: &Mixture, question: &Question) -> f64 {
    let predicted = belief.predict(question);
    match question {
        Question::Comparison { .. } => predicted[0],
        _ => predicted[predicted.len() - 1],
    }
}

fn row(entry: &Entry, time: Option<Timestamp>, state: &State) -> Option<(Row, Option<Question>)> {
    let from = entry.record.evidence_origin()?;
    let words =
        |alternative: &AlternativeId| state.description(alternative).map(|d| (d.situation.clone(), d.text.clone()));
    let pair = |first: &AlternativeId, second: &AlternativeId| {
        let (situation, text) = words(first)?;
        let (a, b) = (state.features(first)?, state.features(second)?);
        let question = Question::choice(a.minus(&b).mean, false);
        Some((situation, text, Some(words(second)?.1), Some(question)))
    };
    let (parts, outcome) = match &entry.record {
        Record::ChoiceMade(r) => match r.alternatives.as_slice() {
            [first, second] => {
                let outcome = match r.chosen {
                    Some(0) => "first",
                    Some(_) => "second",
                    None => "neither",
                };
                (pair(first, second)?, outcome.to_owned())
            }
            _ => return None,
        },
        Record::CorrectionMade(r) => (pair(&r.preferred, &r.rejected)?, "first".to_owned()),
        Record::DemonstrationGiven(r) => match r.over.as_slice() {
            [only] => (pair(&r.chosen, only)?, "first".to_owned()),
            _ => return None,
        },
        Record::VerdictGiven(r) => {
            let (situation, text) = words(&r.alternative)?;
            let layout = &state.epoch()?.layout;
            let features = state.features(&r.alternative)?.with_constant(layout.verdict_centre()).mean;
            let error = vec![0.0; features.len()];
            let question = Question::Graded { features, error, levels: 3, misreading: 0.0, question: None };
            let outcome = match r.verdict {
                Verdict::Agree => "agree",
                Verdict::Pass => "pass",
                Verdict::Disagree => "disagree",
            };
            ((situation, text, None, Some(question)), outcome.to_owned())
        }
        Record::RatingGiven(r) => {
            let (situation, text) = words(&r.alternative)?;
            ((situation, text, None, None), format!("{}/{}", r.level, r.levels))
        }
        Record::ImportanceStated(r) => {
            let name = |value: &Option<crate::ids::ValueId>| value.as_ref().map(ToString::to_string);
            let outcome = match r.strength {
                Strength::Slight => "slight",
                Strength::Clear => "clear",
                Strength::Strong => "strong",
            };
            ((String::new(), name(&r.more).unwrap_or_default(), name(&r.less), None), outcome.to_owned())
        }
        _ => return None,
    };
    let (situation, first, second, question) = parts;
    let (seq, person, source) = (entry.seq, from.person.clone(), from.source.to_string());
    let kind = entry.record.kind();
    let details = Details::of(&entry.record);
    let row = Row { seq, time, person, source, kind, situation, first, second, outcome, soft_label: None, details };
    Some((row, question))
}

/// Writes pairs as TRL's paired preference data, with `chosen_probability` as a soft label. Gives the number of lines.
///
/// # Errors
/// `out` takes no more bytes.
pub fn write_trl_paired(table: &Table, out: &mut dyn Write) -> Result<u64, ExportError> {
    #[derive(Serialize)]
    struct Line<'a> {
        prompt: &'a str,
        chosen: &'a str,
        rejected: &'a str,
        chosen_probability: Option<f64>,
        person: &'a PersonId,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
        seq: Seq,
        #[serde(skip_serializing_if = "str::is_empty")]
        log: &'a str,
    }
    let mut lines = 0;
    for row in &table.rows {
        let Some(second) = &row.second else { continue };
        let (chosen, rejected, chosen_probability) = match row.outcome.as_str() {
            "first" => (row.first.as_str(), second.as_str(), row.soft_label),
            "second" => (second.as_str(), row.first.as_str(), row.soft_label.map(|p| 1.0 - p)),
            _ => continue,
        };
        let (prompt, person, seq) = (row.situation.as_str(), &row.person, row.seq);
        let (time, log) = (row.time, table.log.as_str());
        let line = Line { prompt, chosen, rejected, chosen_probability, person, time, seq, log };
        write_line(out, &line)?;
        lines += 1;
    }
    Ok(lines)
}

/// Writes verdicts as TRL's unpaired preference data, with `probability` of agreeing as a soft label; passes have no
/// label and are left out. Gives the number of lines.
///
/// # Errors
/// `out` takes no more bytes.
pub fn write_trl_unpaired(table: &Table, out: &mut dyn Write) -> Result<u64, ExportError> {
    #[derive(Serialize)]
    struct Line<'a> {
        prompt: &'a str,
        completion: &'a str,
        label: bool,
        probability: Option<f64>,
        person: &'a PersonId,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
        seq: Seq,
        #[serde(skip_serializing_if = "str::is_empty")]
        log: &'a str,
    }
    let mut lines = 0;
    for row in &table.rows {
        let label = match row.outcome.as_str() {
            "agree" => true,
            "disagree" => false,
            _ => continue,
        };
        let (prompt, completion, person, seq) = (row.situation.as_str(), row.first.as_str(), &row.person, row.seq);
        let (probability, time, log) = (row.soft_label, row.time, table.log.as_str());
        write_line(out, &Line { prompt, completion, label, probability, person, time, seq, log })?;
        lines += 1;
    }
    Ok(lines)
}

/// Writes every row as CSV with a header; the log's id says which log the numbers are of. A cell of words that a spreadsheet would take for a formula has an apostrophe before
/// it, which [`crate::import`] takes away again. Gives the number of rows.
///
/// # Errors
/// `out` takes no more bytes.
pub fn write_csv(table: &Table, out: &mut dyn Write) -> Result<u64, ExportError> {
    let mut writer = csv::Writer::from_writer(out);
    if table.rows.is_empty() {
        writer.write_record(CSV_COLUMNS).map_err(io::Error::from)?;
    }
    for row in &table.rows {
        let guarded = GuardedRow {
            seq: row.seq,
            log: guarded(&table.log),
            time: row.time,
            person: guarded(row.person.as_str()),
            source: guarded(&row.source),
            kind: row.kind,
            situation: guarded(&row.situation),
            first: guarded(&row.first),
            second: row.second.as_deref().map(guarded),
            outcome: &row.outcome,
            soft_label: row.soft_label,
            details: row.details.as_deref(),
        };
        writer.serialize(guarded).map_err(io::Error::from)?;
    }
    writer.flush()?;
    Ok(table.rows.len() as u64)
}

/// The columns of a CSV export.
pub const CSV_COLUMNS: [&str; 12] = [
    "seq",
    "log",
    "time",
    "person",
    "source",
    "kind",
    "situation",
    "first",
    "second",
    "outcome",
    "soft_label",
    "details",
];

/// A [`Row`] as it stands in a CSV.
#[derive(Serialize)]
struct GuardedRow<'a> {
    seq: Seq,
    log: Cow<'a, str>,
    time: Option<Timestamp>,
    person: Cow<'a, str>,
    source: Cow<'a, str>,
    kind: &'static str,
    situation: Cow<'a, str>,
    first: Cow<'a, str>,
    second: Option<Cow<'a, str>>,
    outcome: &'a str,
    soft_label: Option<f64>,
    details: Option<&'a str>,
}

/// Whether a spreadsheet would take what follows any apostrophes for a formula.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

/// A cell that spreadsheets show and do not work out.
fn guarded(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A cell as it was before it was guarded.
pub(crate) fn unguarded(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => Cow::Borrowed(rest),
        _ => Cow::Borrowed(cell),
    }
}

fn write_line(out: &mut dyn Write, line: &impl Serialize) -> Result<(), ExportError> {
    let mut bytes = serde_json::to_vec(line).map_err(io::Error::from)?;
    bytes.push(b'\n');
    Ok(out.write_all(&bytes)?)
}
