//! Polis exports: comments and votes.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::lines::each_row;
use super::{Import, ImportError, Problem, Report, Statements};
use crate::ids::{AlternativeId, Hash, PersonId, SourceId};
use crate::record::{Origin, Record, Verdict, VerdictGiven};

/// The situation of every comment of a conversation without a topic.
const NO_TOPIC: &str = "a public consultation";

pub(super) fn read(directory: &Path, name: &str, report: Report<'_>) -> Result<Import, ImportError> {
    let topic = topic(&directory.join("summary.csv"), &mut *report)?;
    let situation = topic.as_deref().unwrap_or(NO_TOPIC);
    let mut statements = Statements::default();
    let mut comments: BTreeMap<String, AlternativeId> = BTreeMap::new();
    let comments_hash = each_row(&directory.join("comments.csv"), &mut *report, |row| {
        let text = row.field("comment-body")?.trim();
        if text.is_empty() {
            return Err(Problem::field("comment-body", text, "a comment's words"));
        }
        let id = row.field("comment-id")?;
        if comments.insert(id.to_owned(), statements.add(situation, text)).is_some() {
            return Err(Problem::field("comment-id", id, "the id of one comment only"));
        }
        Ok(())
    })?;
    let source = SourceId::new(&format!("import:polis:{name}"))?;
    // The last vote of each person on each comment, by time and then by place in the file.
    let mut votes: BTreeMap<(String, String), (Timestamp, usize, Verdict)> = BTreeMap::new();
    let mut rows = 0;
    let path = directory.join("votes.csv");
    let votes_hash = each_row(&path, &mut *report, |row| {
        rows += 1;
        let time = time(row.field("timestamp")?)?;
        let comment = row.field("comment-id")?;
        if !comments.contains_key(comment) {
            return Err(Problem::field("comment-id", comment, "in comments.csv"));
        }
        let verdict = match row.field("vote")? {
            "1" => Verdict::Agree,
            "0" => Verdict::Pass,
            "-1" => Verdict::Disagree,
            other => return Err(Problem::field("vote", other, "1 (agree), 0 (pass) or -1 (disagree)")),
        };
        let voter = row.field("voter-id")?;
        if PersonId::new(&format!("polis:{name}:{voter}")).is_err() {
            return Err(Problem::field("voter-id", voter, "a name"));
        }
        let vote = (time, rows, verdict);
        let kept = votes.entry((voter.to_owned(), comment.to_owned())).or_insert(vote);
        if (vote.0, vote.1) > (kept.0, kept.1) {
            *kept = vote;
        }
        Ok(())
    })?;
    if votes.is_empty() {
        return Err(ImportError::Empty(path));
    }
    let superseded = rows - votes.len();
    let mut ordered: Vec<_> = votes.into_iter().collect();
    ordered.sort_by_key(|(_, (time, row, _))| (*time, *row));
    let mut evidence = Vec::with_capacity(ordered.len());
    let mut people = std::collections::BTreeSet::new();
    for ((voter, comment), (time, _, verdict)) in ordered {
        let person = PersonId::new(&format!("polis:{name}:{voter}"))?;
        people.insert(person.clone());
        let from = Origin { person, source: source.clone(), session: None };
        let record = Record::VerdictGiven(VerdictGiven { from, alternative: comments[&comment], verdict });
        evidence.push((Some(time), record));
    }
    let mut notes = Vec::new();
    if superseded > 0 {
        notes.push(format!("{superseded} votes were changed later by the same person: the last one counts"));
    }
    let content_hash = Hash::of_parts("credence polis 1", [comments_hash.0.as_slice(), votes_hash.0.as_slice()]);
    Ok(Import { format: "polis", source, content_hash, statements: statements.all, evidence, people, notes })
}

/// The conversation's topic: the field beside `topic` in a file of names and values.
fn topic(path: &Path, report: Report<'_>) -> Result<Option<String>, ImportError> {
    if !path.exists() {
        return Ok(None);
    }
    // The first row is taken as the header, and it is the topic's.
    let mut topic = None;
    let mut rest = |row: &super::lines::Row<'_>| {
        topic = topic.take().or_else(|| {
            let [name, value, ..] = row.columns() else { return None };
            (name == "topic" && !value.is_empty()).then(|| value.clone())
        });
        Ok(())
    };
    each_row(path, report, &mut rest)?;
    Ok(topic)
}

fn time(milliseconds: &str) -> Result<Timestamp, Problem> {
    let parsed = milliseconds.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    parsed.ok_or_else(|| Problem::field("timestamp", milliseconds, "a time in milliseconds since 1970"))
}
