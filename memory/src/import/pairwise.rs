//! Pairwise choices as CSV.

use std::collections::BTreeSet;
use std::path::Path;

use super::lines::{Desk, Row, each_row, is_unnamed};
use super::{Import, ImportError, Problem, Reading, Report, Statements, own_csv, times};
use crate::export::CSV_COLUMNS;
use crate::ids::{PersonId, SourceId};
use crate::record::{ChoiceMade, Origin, Record};

const COLUMNS: [&str; 6] = ["person", "situation", "first", "second", "chosen", "time"];

pub(super) fn read(path: &Path, how: Reading, report: Report<'_>) -> Result<Import, ImportError> {
    let source = SourceId::new("import:pairwise-csv")?;
    let mut own = own_csv::Rows::default();
    let mut desk = Desk::new(report, how.skip_bad);
    let mut statements = Statements::default();
    let mut people = BTreeSet::new();
    let mut evidence = Vec::new();
    let content_hash = each_row(path, &mut desk, |row| {
        let is_own = own_csv::is_own(row.columns());
        let columns: &[&str] = if is_own { &CSV_COLUMNS } else { &COLUMNS };
        if let Some(found) = row.columns().iter().find(|c| !columns.contains(&c.as_str()) && !is_unnamed(c)) {
            return Err(Problem::UnknownColumn { found: found.clone(), expected: columns.join(", ") });
        }
        row.once(columns)?;
        row.unnamed_are_empty()?;
        if is_own {
            return own.read(row);
        }
        let name = row.field("person")?.trim();
        let person = PersonId::new(name).map_err(|_| Problem::field("person", name, "a name"))?;
        let situation = row.optional("situation").unwrap_or("").trim();
        let [first, second] = [words(row, "first")?, words(row, "second")?];
        let chosen = match row.field("chosen")?.trim() {
            "first" => Some(0),
            "second" => Some(1),
            "neither" => None,
            other => return Err(Problem::field("chosen", other, "first, second or neither")),
        };
        let time = match row.optional("time").map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(times::parse(text).ok_or_else(|| Problem::field("time", text, times::TIME))?.0),
        };
        let alternatives = statements.pair(situation, first, second)?;
        people.insert(person.clone());
        let from = Origin { person, source: source.clone(), session: None };
        // The file does not say where "neither" was offered: it was where it was said.
        let record = ChoiceMade { from, question: None, alternatives, chosen, indifference_offered: chosen.is_none() };
        evidence.push((time, Record::ChoiceMade(record)));
        Ok(())
    })?;
    let left_out = desk.left_out();
    if !own.is_empty() {
        return Ok(Import { left_out, skip_bad: how.skip_bad, ..own.into_import(path, content_hash)? });
    }
    if evidence.is_empty() {
        return Err(ImportError::nothing(path.to_owned(), left_out));
    }
    let new = Import::new("pairwise-csv", source, content_hash, statements.all, evidence, people, Vec::new());
    Ok(Import { left_out, ..new })
}

/// An alternative's words.
pub(super) fn words<'r>(row: &'r Row<'_>, column: &'static str) -> Result<&'r str, Problem> {
    let text = row.field(column)?.trim();
    if text.is_empty() { Err(Problem::field(column, text, "an alternative's words")) } else { Ok(text) }
}
