//! Polis exports: comments and votes, and what the export says of itself.

mod files;
mod tally;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;

use super::lines::{Desk, Row, each_row};
use super::records::{Parser, Records};
use super::times::{self, Unit};
use super::whole::{id, signed, whole};
use super::{Import, ImportError, Mark, Problem, Reading, Report, Signs, Statements};
use crate::file::open_regular;
use crate::ids::{AlternativeId, Hash, PersonId, SourceId};
use crate::record::{Origin, Record, Verdict, VerdictGiven};

use files::Files;
pub use files::conversation_id;
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

/// How often the file says that a comment was agreed or disagreed with.
enum Count {
    /// There is no such column.
    Absent,
    Unreadable(String),
    Of(u64),
}

impl Count {
    /// A count as programs save it: `2`, `2.0`, `1,234`, `1 234`.
    fn read(field: Option<&str>) -> Self {
        let Some(field) = field else { return Count::Absent };
        let text: String = field.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '_')).collect();
        let groups: Vec<&str> = text.split(',').collect();
        let grouped =
            groups[0].len() <= 3 && groups[1..].iter().all(|g| g.split('.').next().is_some_and(|g| g.len() == 3));
        whole(&if groups.len() > 1 && grouped { groups.concat() } else { text })
            .map_or_else(|| Count::Unreadable(field.chars().take(40).collect()), Count::Of)
    }
}

/// A voter's id as Polis writes it; other programs save nobody's in various ways.
fn voter_id(field: &str) -> Result<Cow<'_, str>, Problem> {
    let text = field.trim();
    if matches!(text.to_ascii_lowercase().as_str(), "" | "nan" | "na" | "n/a" | "null" | "none") {
        return Err(Problem::field("voter-id", field, "a voter's id"));
    }
    // It stands between the conversation and the voter in people's names.
    if text.contains(':') {
        return Err(Problem::field("voter-id", field, "a voter's id without a colon"));
    }
    Ok(id(text))
}

/// That a conversation's name can stand in those of its people.
fn check_name(name: &str) -> Result<(), ImportError> {
    let fits = PersonId::new(&format!("polis:{name}:{}", u64::MAX)).is_ok()
        && SourceId::new(&format!("import:polis:{name}")).is_ok()
        && !name.trim().is_empty();
    if fits { Ok(()) } else { Err(ImportError::Conversation(name.chars().take(80).collect())) }
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
    check_name(name)?;
    let files = Files::find(directory)?;
    let mut desk = Desk::new(report, how.skip_bad);
    let mut notes = Vec::new();
    let topic = topic(files.summary.as_deref())?;
    if files.summary.is_some() && topic.is_none() {
        notes.push(format!("the summary has no row \"topic\" with a text: statements are of {NO_TOPIC:?}"));
    }
    let situation = topic.as_deref().unwrap_or(NO_TOPIC);
    let mut statements = Statements::default();
    let mut comments: BTreeMap<String, Comment> = BTreeMap::new();
    let mut marks: BTreeMap<AlternativeId, Option<Mark>> = BTreeMap::new();
    let mut unread = Unread::default();
    let mut unmarked: BTreeMap<AlternativeId, Vec<Mark>> = BTreeMap::new();
    let mut unclear: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let mut uncounted = Uncounted::default();
    let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
    let mut comment = |row: &Row<'_>, id: &str| {
        let text = row.field("comment-body")?.trim();
        if text.is_empty() {
            return Err(Problem::field("comment-body", text, "a comment's words"));
        }
        if comments.contains_key(id) {
            return Err(Problem::field("comment-id", id, "the id of one comment only"));
        }
        let stated = match ["agrees", "disagrees"].map(|column| Count::read(row.optional(column))) {
            [Count::Of(agrees), Count::Of(disagrees)] => Some([agrees, disagrees]),
            [Count::Unreadable(found), _] | [_, Count::Unreadable(found)] => uncounted.unreadable(found),
            _ => uncounted.absent(),
        };
        let alternative = statements.add(situation, text)?;
        let marked = [
            (Mark::ModeratedOut, "moderated", row.optional("moderated").map(moderated_out)),
            (Mark::AboutTheConversation, "is-meta", row.optional("is-meta").map(is_meta)),
        ];
        let mut own = None;
        for (mark, column, says) in marked {
            match says {
                Some(Ok(true)) => own = own.or(Some(mark)),
                Some(Ok(false)) => unmarked.entry(alternative).or_default().push(mark),
                Some(Err(found)) => unclear.entry(column).or_insert((0, found)).0 += 1,
                None => {}
            }
        }
        // Of comments with the same words one that counts is enough.
        marks.entry(alternative).and_modify(|all| *all = all.and(own)).or_insert(own);
        unread.look(row, &OF_COMMENTS);
        comments.insert(id.to_owned(), Comment { alternative, stated });
        Ok(())
    };
    let comments_hash = each_row(&files.comments, &mut desk, |row| {
        row.once(&OF_COMMENTS)?;
        let id = id(row.field("comment-id")?);
        let read = comment(row, &id);
        if read.is_err() {
            left_out.entry(id.into_owned()).or_insert(row.line());
        }
        read
    })?;
    let marks: BTreeMap<AlternativeId, Mark> = marks.into_iter().filter_map(|(a, mark)| Some((a, mark?))).collect();
    notes.extend(unread.note("comments.csv"));
    notes.extend(mark_notes(&marks));
    for (column, (rows, first)) in &unclear {
        notes.push(format!("{column} of {rows} comments could not be read and was ignored (the first is {first:?})"));
    }
    let mut votes: BTreeMap<(PersonId, AlternativeId), Vote> = BTreeMap::new();
    let (mut rows, mut superseded, mut of_twins) = (0, 0, 0);
    let mut units: BTreeMap<Unit, usize> = BTreeMap::new();
    let mut unread = Unread::default();
    let votes_hash = each_row(&files.votes, &mut desk, |row| {
        row.once(&OF_VOTES)?;
        let stamp = row.field("timestamp")?;
        let (time, unit) = times::parse(stamp).ok_or_else(|| {
            Problem::field("timestamp", stamp, "a time in milliseconds since 1970, between 1989 and 2200")
        })?;
        let id = id(row.field("comment-id")?);
        let Some(comment) = comments.get(&*id) else {
            return Err(match left_out.get(&*id) {
                Some(line) => Problem::OfLeftOut { id: id.chars().take(80).collect(), line: *line },
                None => Problem::field("comment-id", &id, "in comments.csv"),
            });
        };
        let vote = row.field("vote")?;
        let verdict = match (signed(vote), how.signs) {
            (Some(1), Signs::Turned) | (Some(-1), Signs::Checked | Signs::AsTheyAre) => Verdict::Disagree,
            (Some(0), _) => Verdict::Pass,
            (Some(-1), Signs::Turned) | (Some(1), Signs::Checked | Signs::AsTheyAre) => Verdict::Agree,
            _ => return Err(Problem::field("vote", vote, "1 (agree), 0 (pass) or -1 (disagree)")),
        };
        let voter = voter_id(row.field("voter-id")?)?;
        let person = PersonId::new(&format!("polis:{name}:{voter}"))
            .map_err(|_| Problem::field("voter-id", &voter, "a name"))?;
        rows += 1;
        if let Some(unit) = unit {
            *units.entry(unit).or_default() += 1;
        }
        unread.look(row, &OF_VOTES);
        let vote = Vote { time, row: rows, comment: id.into_owned(), verdict };
        match votes.get_mut(&(person.clone(), comment.alternative)) {
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
                votes.insert((person, comment.alternative), vote);
            }
        }
        Ok(())
    })?;
    if votes.is_empty() {
        return Err(ImportError::nothing(files.votes, desk.left_out()));
    }
    notes.extend(unread.note("votes.csv"));
    for (unit, count) in units.iter().filter(|(unit, _)| **unit != Unit::Milliseconds) {
        notes.push(format!("the times of {count} votes are {} since 1970, and were read as that", unit.name()));
    }
    let mut tally = Tally::default();
    for ((_, alternative), vote) in &votes {
        tally.count(*alternative, vote.verdict);
    }
    let states_something = tally.compare(comments.values().filter_map(|c| Some((c.alternative, c.stated?))));
    if how.signs == Signs::Checked && tally.is_mirrored() {
        return Err(ImportError::Mirrored { path: files.votes, comments: tally.mirrored });
    }
    notes.extend(tally.note());
    if how.signs == Signs::Checked {
        notes.extend(uncounted.note(comments.len(), states_something));
    }
    if superseded > 0 {
        notes.push(format!("{superseded} votes were changed later by the same person: the last one counts"));
    }
    notes.extend(twins(&comments, of_twins));
    let source = SourceId::new(&format!("import:polis:{name}"))?;
    let mut ordered: Vec<_> = votes.into_iter().collect();
    ordered.sort_by_key(|(_, vote)| (vote.time, vote.row));
    let mut evidence = Vec::with_capacity(ordered.len());
    let mut people = BTreeSet::new();
    for ((person, alternative), vote) in ordered {
        people.insert(person.clone());
        let from = Origin { person, source: source.clone(), session: None };
        let record = Record::VerdictGiven(VerdictGiven { from, alternative, verdict: vote.verdict });
        evidence.push((Some(vote.time), record));
    }
    let content_hash = Hash::of_parts("credence polis 1", [comments_hash.0.as_slice(), votes_hash.0.as_slice()]);
    Ok(Import {
        one_vote_each: true,
        unmarked: unmarked.into_iter().filter(|(alternative, _)| !marks.contains_key(alternative)).collect(),
        marks: marks.into_iter().collect(),
        left_out: desk.left_out(),
        ..Import::new("polis", source, content_hash, statements.all, evidence, people, notes)
    })
}

/// Whether moderators took a comment out, or what cannot be read.
fn moderated_out(field: &str) -> Result<bool, String> {
    match field.trim() {
        "" => Ok(false),
        text => text.parse::<f64>().map(|m| m < 0.0).map_err(|_| text.chars().take(40).collect()),
    }
}

/// Whether a comment is about the conversation itself, or what cannot be read.
fn is_meta(field: &str) -> Result<bool, String> {
    match field.trim().to_lowercase().as_str() {
        "true" | "1" | "1.0" | "t" | "yes" => Ok(true),
        "" | "false" | "0" | "0.0" | "f" | "no" => Ok(false),
        text => Err(text.chars().take(40).collect()),
    }
}

/// Comments whose counts are not there or cannot be read, so that their votes are compared with nothing.
#[derive(Default)]
struct Uncounted {
    absent: usize,
    unreadable: usize,
    first: String,
}

impl Uncounted {
    fn absent(&mut self) -> Option<[u64; 2]> {
        self.absent += 1;
        None
    }

    fn unreadable(&mut self, found: String) -> Option<[u64; 2]> {
        if self.unreadable == 0 {
            self.first = found;
        }
        self.unreadable += 1;
        None
    }

    fn note(&self, comments: usize, states_something: bool) -> Option<String> {
        let unchecked = "which way round their votes are was not checked";
        if self.unreadable > 0 {
            let (unreadable, first) = (self.unreadable, &self.first);
            Some(format!(
                "agrees and disagrees of {unreadable} of {comments} comments could not be read (the first is {first:?}): \
                 {unchecked}"
            ))
        } else if self.absent > 0 {
            Some(format!("{} of {comments} comments have no counts agrees and disagrees: {unchecked}", self.absent))
        } else {
            (!states_something).then(|| format!("agrees and disagrees are 0 for all {comments} comments: {unchecked}"))
        }
    }
}

fn mark_notes(marks: &BTreeMap<AlternativeId, Mark>) -> Option<String> {
    let count = |mark| marks.values().filter(|m| **m == mark).count();
    let (out, meta) = (count(Mark::ModeratedOut), count(Mark::AboutTheConversation));
    (out + meta > 0).then(|| {
        format!(
            "{} statements are left out of what unites and divides and of what others receive, unless a note below says otherwise: {out} were moderated out, \
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
    fn look(&mut self, row: &Row<'_>, known: &[&str]) {
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

/// The conversation's topic: the field beside `topic` in a file of names and values, separated by commas or semicolons.
fn topic(path: Option<&Path>) -> Result<Option<String>, ImportError> {
    let Some(path) = path else { return Ok(None) };
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    let mut records = Records::new(BufReader::new(open_regular(path).map_err(failed)?));
    let mut parser = Parser::new();
    // Rows have as many fields as they like, and only one of them says anything here.
    while let Some((_, found)) = records.next(None).map_err(failed)? {
        let topic = found.ok().and_then(|bytes| topic_in(&parser.fields(&bytes).ok()?));
        if topic.is_some() {
            return Ok(topic);
        }
    }
    Ok(None)
}

fn topic_in(fields: &[&str]) -> Option<String> {
    let [name, values @ ..] = fields else { return None };
    let (name, first) = name.split_once(';').map_or((*name, None), |(name, value)| (name, Some(value)));
    let value = match first {
        // Commas of a topic are no separators there.
        Some(first) => std::iter::once(first).chain(values.iter().copied()).collect::<Vec<_>>().join(","),
        None => (*values.first()?).to_owned(),
    };
    let value = value.trim().trim_matches('"').trim_end_matches(';').trim();
    (name.trim_start_matches('\u{feff}').trim().trim_matches('"').eq_ignore_ascii_case("topic") && !value.is_empty())
        .then(|| value.to_owned())
}
