//! The program's own CSV, as [`crate::export::write_csv`] writes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;

use super::lines::Row;
use super::whole::whole;
use super::{ExportedAs, Import, ImportError, Problem, Statements, times};
use crate::export::{Details, unguarded};
use crate::ids::{Hash, PersonId, Seq, SourceId, ValueId};
use crate::record::{
    ChoiceMade, CorrectionMade, DemonstrationGiven, ImportanceStated, Origin, RatingGiven, Record, Strength, Verdict,
    VerdictGiven,
};

/// Whether a file with these columns is an export, whatever order a spreadsheet has put them in.
pub(super) fn is_own(columns: &[String]) -> bool {
    let asked = ["person", "kind", "situation", "first", "second", "outcome"];
    asked.iter().all(|a| columns.iter().any(|c| c == a))
}

/// Rows of an export, as evidence.
#[derive(Default)]
pub(super) struct Rows {
    statements: Statements,
    people: BTreeSet<PersonId>,
    evidence: Vec<(Option<Timestamp>, Record)>,
    exported: BTreeMap<usize, ExportedAs>,
    /// The line of each piece of evidence.
    lines: Vec<u64>,
}

const KINDS: &str = "ChoiceMade, VerdictGiven, RatingGiven, CorrectionMade, DemonstrationGiven or ImportanceStated";

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.evidence.is_empty()
    }

    pub(super) fn read(&mut self, row: &Row<'_>) -> Result<(), Problem> {
        let cell = |column| row.field(column).map(unguarded);
        let name = cell("person")?;
        let person = PersonId::new(&name).map_err(|_| Problem::field("person", &name, "a name"))?;
        let source = SourceId::new("import:credence-csv").map_err(|_| Problem::NoColumn("source"))?;
        let from = Origin { person: person.clone(), source, session: None };
        let (situation, first, second, outcome) =
            (cell("situation")?, cell("first")?, cell("second")?, cell("outcome")?);
        let wrong = |expected| Err(Problem::field("outcome", &outcome, expected));
        let needed = |field, text: &Cow<'_, str>| match text.is_empty() {
            true => Err(Problem::field(field, text, "an alternative's words")),
            false => Ok(()),
        };
        let seq = row.optional("seq").and_then(whole);
        let time = match (row.optional("time").map(str::trim), seq) {
            (None | Some(""), _) => None,
            (Some(text), seq) => {
                let time = if seq.is_some() { times::of_a_log(text) } else { times::parse(text).map(|(time, _)| time) };
                Some(time.ok_or_else(|| Problem::field("time", text, times::TIME))?)
            }
        };
        let kind = row.field("kind")?.trim();
        if kind != "ImportanceStated" {
            needed("first", &first)?;
        }
        let record = match kind {
            "ChoiceMade" => {
                needed("second", &second)?;
                let chosen = match &*outcome {
                    "first" => Some(0),
                    "second" => Some(1),
                    "neither" => None,
                    _ => return wrong("first, second or neither"),
                };
                let alternatives = self.statements.pair(&situation, &first, &second)?;
                let indifference_offered = chosen.is_none();
                Record::ChoiceMade(ChoiceMade { from, question: None, alternatives, chosen, indifference_offered })
            }
            "CorrectionMade" | "DemonstrationGiven" => {
                needed("second", &second)?;
                if outcome != "first" {
                    return wrong("first");
                }
                let pair = self.statements.pair(&situation, &first, &second)?;
                match kind {
                    "CorrectionMade" => {
                        Record::CorrectionMade(CorrectionMade { from, preferred: pair[0], rejected: pair[1] })
                    }
                    _ => Record::DemonstrationGiven(DemonstrationGiven { from, chosen: pair[0], over: vec![pair[1]] }),
                }
            }
            "VerdictGiven" => {
                let verdict = match &*outcome {
                    "agree" => Verdict::Agree,
                    "pass" => Verdict::Pass,
                    "disagree" => Verdict::Disagree,
                    _ => return wrong("agree, pass or disagree"),
                };
                let alternative = self.statements.add(&situation, &first)?;
                Record::VerdictGiven(VerdictGiven { from, alternative, verdict })
            }
            "RatingGiven" => {
                let parts = outcome.split_once('/').map(|(level, levels)| (level.parse(), levels.parse()));
                let Some((Ok(level), Ok(levels))) = parts else { return wrong("a level of levels, such as 3/5") };
                let alternative = self.statements.add(&situation, &first)?;
                Record::RatingGiven(RatingGiven { from, alternative, level, levels })
            }
            "ImportanceStated" => {
                let strength = match &*outcome {
                    "slight" => Strength::Slight,
                    "clear" => Strength::Clear,
                    "strong" => Strength::Strong,
                    _ => return wrong("slight, clear or strong"),
                };
                let value = |field, text: &Cow<'_, str>| match text.is_empty() {
                    true => Ok(None),
                    false => ValueId::new(text).map(Some).map_err(|_| Problem::field(field, text, "a value")),
                };
                let (more, less) = (value("first", &first)?, value("second", &second)?);
                let details = row.optional("details").map(unguarded).unwrap_or_default();
                let Details { at_least, words, misreading, conditions } = match details.trim() {
                    "" => Details::default(),
                    text => serde_json::from_str(text)
                        .map_err(|_| Problem::field("details", text, "what this program exported there"))?,
                };
                Record::ImportanceStated(ImportanceStated {
                    from,
                    more,
                    less,
                    strength,
                    words,
                    misreading,
                    conditions,
                    at_least,
                })
            }
            other => return Err(Problem::field("kind", other, KINDS)),
        };
        if let Some(seq) = seq {
            let log = row.optional("log").map(unguarded).filter(|log| !log.is_empty()).map(Cow::into_owned);
            self.exported.insert(self.evidence.len(), ExportedAs { log, seq: Seq(seq) });
        }
        self.people.insert(person);
        self.lines.push(row.line());
        self.evidence.push((time, record));
        Ok(())
    }

    pub(super) fn into_import(self, path: &Path, content_hash: Hash) -> Result<Import, ImportError> {
        let source = SourceId::new("import:credence-csv")?;
        let notes =
            vec!["this is an export of this program: what it believed then (soft_label) is not evidence".to_owned()];
        let Self { statements, people, evidence, exported, lines } = self;
        let new = Import::new("credence-csv", source, content_hash, statements.all, evidence, people, notes);
        Ok(Import { exported, lines: Some((path.to_owned(), lines)), ..new })
    }
}
