//! Polis exports: comments and votes, and what the export says of itself.

mod files;
mod tally;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;

use super::lines::{Desk, each_row};
use super::times::{self, Unit};
use super::{Import, ImportError, Mark, Problem, Reading, Report, Signs, Statements};
use crate::ids::{AlternativeId, Hash, PersonId, SourceId};
use crate::record::{Origin, Record, Verdict, VerdictGiven};

use files::Files;
use tally::Tally;

/// The situation of every comment of a conversation without a topic.
const NO_TOPIC: &str = "a public consultation";

/// Columns of the two files that are read, or say nothing that votes do not.
const OF_COMMENTS: [&str; 10] = [
    "timestamp",
    "datetime",
    "comment-id",
    "author-id",
    "agrees",
    "disagrees",
    "moderated",
    "is-meta",
    "is-seed",
    "comment-body",
];
const OF_VOTES: [&str; 5] = ["timestamp", "datetime", "comment-id", "voter-id", "vote"];

/// A comment, as `comments.csv` has it.
struct Comment {
    alternative: AlternativeId,
    /// How often the file says that it was agreed and disagreed with.
    stated: Option<[u64; 2]>,
}

/// A voter's number as Polis writes it: other programs save 1 as `1.0` or `001`.
fn voter_number(text: &str) -> Cow<'_, str> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    match whole.bytes().all(|b| b.is_ascii_digit()).then(|| whole.parse::<u64>()) {
        Some(Ok(number)) => Cow::Owned(number.to_string()),
        _ => Cow::Borrowed(text),
    }
}

/// A vote that may be the last one of its voter on a statement.
#[derive(Clone)]
struct Vote {
    time: Timestamp,
    row: usize,
    comment: String,
    verdict: Verdict,
}

pub(super) fn read(directory: &Path, name: &str, how: Reading, report: Report<'_>) -> Result<Import, ImportError> {
    let files = Files::find(directory)?;
    let mut desk = Desk::new(report, how.skip_bad);
    let mut notes = Vec::new();
    let topic = topic(files.summary.as_deref(), &mut desk)?;
    let situation = topic.as_deref().unwrap_or(NO_TOPIC);
    let mut statements = Statements::default();
    let mut comments: BTreeMap<String, Comment> = BTreeMap::new();
    let mut marks: BTreeMap<AlternativeId, Mark> = BTreeMap::new();
    let mut unread = Unread::default();
    let comments_hash = each_row(&files.comments, &mut desk, |row| {
        let text = row.field("comment-body")?.trim();
        if text.is_empty() {
            return Err(Problem::field("comment-body", text, "a comment's words"));
        }
        let id = row.field("comment-id")?;
        if comments.contains_key(id) {
            return Err(Problem::field("comment-id", id, "the id of one comment only"));
        }
        let count = |column| row.optional(column).and_then(|n| n.trim().parse().ok());
        let stated = count("agrees").and_then(|agrees| Some([agrees, count("disagrees")?]));
        let alternative = statements.add(situation, text);
        if let Some(mark) = mark(row.optional("moderated"), row.optional("is-meta")) {
            marks.insert(alternative, mark);
        }
        unread.look(row, &OF_COMMENTS);
        comments.insert(id.to_owned(), Comment { alternative, stated });
        Ok(())
    })?;
    notes.extend(unread.note("comments.csv"));
    notes.extend(mark_notes(&marks));
    let mut votes: BTreeMap<(String, AlternativeId), Vote> = BTreeMap::new();
    let (mut rows, mut superseded, mut of_twins) = (0, 0, 0);
    let mut units: BTreeMap<Unit, usize> = BTreeMap::new();
    let mut unread = Unread::default();
    let votes_hash = each_row(&files.votes, &mut desk, |row| {
        let stamp = row.field("timestamp")?;
        let (time, unit) = times::parse(stamp)
            .ok_or_else(|| Problem::field("timestamp", stamp, "a time in milliseconds since 1970"))?;
        let id = row.field("comment-id")?;
        let Some(comment) = comments.get(id) else {
            return Err(Problem::field("comment-id", id, "in comments.csv"));
        };
        let verdict = match (row.field("vote")?, how.signs) {
            ("1", Signs::Turned) | ("-1", Signs::Checked | Signs::AsTheyAre) => Verdict::Disagree,
            ("0", _) => Verdict::Pass,
            ("-1", Signs::Turned) | ("1", Signs::Checked | Signs::AsTheyAre) => Verdict::Agree,
            (other, _) => return Err(Problem::field("vote", other, "1 (agree), 0 (pass) or -1 (disagree)")),
        };
        let voter = &*voter_number(row.field("voter-id")?);
        if PersonId::new(&format!("polis:{name}:{voter}")).is_err() {
            return Err(Problem::field("voter-id", voter, "a name"));
        }
        rows += 1;
        if let Some(unit) = unit {
            *units.entry(unit).or_default() += 1;
        }
        unread.look(row, &OF_VOTES);
        let vote = Vote { time, row: rows, comment: id.to_owned(), verdict };
        match votes.get_mut(&(voter.to_owned(), comment.alternative)) {
            Some(kept) => {
                if kept.comment == vote.comment {
                    superseded += 1
                } else {
                    of_twins += 1
                }
                if (vote.time, vote.row) > (kept.time, kept.row) {
                    *kept = vote;
                }
            }
            None => {
                votes.insert((voter.to_owned(), comment.alternative), vote);
            }
        }
        Ok(())
    })?;
    if votes.is_empty() {
        return Err(ImportError::Empty(files.votes));
    }
    notes.extend(unread.note("votes.csv"));
    for (unit, count) in units.iter().filter(|(unit, _)| **unit != Unit::Milliseconds) {
        notes.push(format!("the times of {count} votes are {} since 1970, and were read as that", unit.name()));
    }
    let mut tally = Tally::default();
    for ((_, alternative), vote) in &votes {
        tally.count(*alternative, vote.verdict);
    }
    tally.compare(comments.values().filter_map(|c| Some((c.alternative, c.stated?))));
    if how.signs == Signs::Checked && tally.is_mirrored() {
        return Err(ImportError::Mirrored { path: files.votes, comments: tally.mirrored });
    }
    notes.extend(tally.note());
    if superseded > 0 {
        notes.push(format!("{superseded} votes were changed later by the same person: the last one counts"));
    }
    notes.extend(twins(&comments, of_twins));
    let source = SourceId::new(&format!("import:polis:{name}"))?;
    let mut ordered: Vec<_> = votes.into_iter().collect();
    ordered.sort_by_key(|(_, vote)| (vote.time, vote.row));
    let mut evidence = Vec::with_capacity(ordered.len());
    let mut people = BTreeSet::new();
    for ((voter, alternative), vote) in ordered {
        let person = PersonId::new(&format!("polis:{name}:{voter}"))?;
        people.insert(person.clone());
        let from = Origin { person, source: source.clone(), session: None };
        let record = Record::VerdictGiven(VerdictGiven { from, alternative, verdict: vote.verdict });
        evidence.push((Some(vote.time), record));
    }
    let content_hash = Hash::of_parts("credence polis 1", [comments_hash.0.as_slice(), votes_hash.0.as_slice()]);
    Ok(Import {
        one_vote_each: true,
        marks: marks.into_iter().collect(),
        left_out: desk.left_out(),
        ..Import::new("polis", source, content_hash, statements.all, evidence, people, notes)
    })
}

/// What the export says a statement is, besides an opinion.
fn mark(moderated: Option<&str>, is_meta: Option<&str>) -> Option<Mark> {
    let is_meta = is_meta.is_some_and(|m| matches!(m.trim().to_lowercase().as_str(), "true" | "1" | "t" | "yes"));
    if moderated.is_some_and(|m| m.trim().parse::<f64>().is_ok_and(|m| m < 0.0)) {
        Some(Mark::ModeratedOut)
    } else {
        is_meta.then_some(Mark::AboutTheConversation)
    }
}

fn mark_notes(marks: &BTreeMap<AlternativeId, Mark>) -> Option<String> {
    let count = |mark| marks.values().filter(|m| **m == mark).count();
    let (out, meta) = (count(Mark::ModeratedOut), count(Mark::AboutTheConversation));
    (out + meta > 0).then(|| {
        format!(
            "{} statements are left out of what unites and divides and of what others receive: {out} were moderated out, \
             {meta} are about the conversation itself (credence people quarantine --statement WORDS --lift counts one again)",
            out + meta
        )
    })
}

/// Comments with the same words are one statement.
fn twins(comments: &BTreeMap<String, Comment>, votes: usize) -> Option<String> {
    let mut by_words: BTreeMap<AlternativeId, Vec<&str>> = BTreeMap::new();
    comments.iter().for_each(|(id, comment)| by_words.entry(comment.alternative).or_default().push(id));
    let twins: Vec<String> = by_words.values().filter(|ids| ids.len() > 1).map(|ids| ids.join(" and ")).collect();
    (!twins.is_empty()).then(|| {
        let named = twins.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
        let more = if twins.len() > 5 { format!(" and {} more", twins.len() - 5) } else { String::new() };
        format!(
            "comments with the same words are one statement ({named}{more}); {votes} votes were on one whose words the same \
             person had voted on already: their last one counts"
        )
    })
}

/// Columns that nothing is made of, with how many rows have something in them.
#[derive(Default)]
struct Unread(BTreeMap<String, usize>);

impl Unread {
    fn look(&mut self, row: &super::lines::Row<'_>, known: &[&str]) {
        for column in row.columns().iter().filter(|c| !c.is_empty() && !known.contains(&c.as_str())) {
            let says = row.optional(column).is_some_and(|v| !matches!(v.trim(), "" | "0" | "false" | "False"));
            *self.0.entry(column.clone()).or_default() += usize::from(says);
        }
    }

    fn note(&self, file: &str) -> Option<String> {
        let columns: Vec<String> =
            self.0.iter().map(|(column, rows)| format!("{column:?} (set in {rows} rows)")).collect();
        (!columns.is_empty()).then(|| format!("columns of {file} that are not used: {}", columns.join(", ")))
    }
}

/// The conversation's topic: the field beside `topic` in a file of names and values.
fn topic(path: Option<&Path>, desk: &mut Desk<'_>) -> Result<Option<String>, ImportError> {
    let Some(path) = path else { return Ok(None) };
    // The first row is taken as the header, and it is the topic's.
    let mut topic = None;
    let mut rest = |row: &super::lines::Row<'_>| {
        topic = topic.take().or_else(|| {
            let [name, value, ..] = row.columns() else { return None };
            (name == "topic" && !value.is_empty()).then(|| value.clone())
        });
        Ok(())
    };
    each_row(path, desk, &mut rest)?;
    Ok(topic)
}
