//! Pairwise choices as CSV.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::lines::each_row;
use super::{Import, ImportError, Problem, Report, Statements};
use crate::ids::{PersonId, SourceId};
use crate::record::{ChoiceMade, Origin, Record};

const COLUMNS: [&str; 6] = ["person", "situation", "first", "second", "chosen", "time"];

pub(super) fn read(path: &Path, report: Report<'_>) -> Result<Import, ImportError> {
    let source = SourceId::new("import:pairwise-csv")?;
    let mut statements = Statements::default();
    let mut people = BTreeSet::new();
    let mut evidence = Vec::new();
    let content_hash = each_row(path, report, |row| {
        if let Some(found) = row.columns().iter().find(|c| !COLUMNS.contains(&c.as_str())) {
            let expected = "person, situation, first, second, chosen, time";
            return Err(Problem::UnknownColumn { found: found.clone(), expected });
        }
        let name = row.field("person")?;
        let person = PersonId::new(name).map_err(|_| Problem::field("person", name, "a name"))?;
        let situation = row.optional("situation").unwrap_or("").trim();
        let mut alternative = |column| {
            let text = row.field(column)?.trim();
            if text.is_empty() {
                return Err(Problem::field(column, text, "an alternative's words"));
            }
            Ok(statements.add(situation, text))
        };
        let alternatives = vec![alternative("first")?, alternative("second")?];
        if alternatives[0] == alternatives[1] {
            return Err(Problem::SameTwice);
        }
        let chosen = match row.field("chosen")?.trim() {
            "first" => Some(0),
            "second" => Some(1),
            "neither" => None,
            other => return Err(Problem::field("chosen", other, "first, second or neither")),
        };
        let time = match row.optional("time").map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(
                text.parse::<Timestamp>()
                    .map_err(|_| Problem::field("time", text, "a time such as 2026-01-31T12:00:00Z"))?,
            ),
        };
        people.insert(person.clone());
        let from = Origin { person, source: source.clone(), session: None };
        // The file does not say where "neither" was offered: it was where it was said.
        let record = ChoiceMade { from, question: None, alternatives, chosen, indifference_offered: chosen.is_none() };
        evidence.push((time, Record::ChoiceMade(record)));
        Ok(())
    })?;
    if evidence.is_empty() {
        return Err(ImportError::Empty(path.to_owned()));
    }
    let notes = Vec::new();
    Ok(Import { format: "pairwise-csv", source, content_hash, statements: statements.all, evidence, people, notes })
}
