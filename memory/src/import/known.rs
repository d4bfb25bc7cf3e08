//! What of an import stands in a home already: the same person, about the same, with the same answer, at the same time. How a
//! file was saved meanwhile (its line ends, its quotes, the order of its rows) makes no difference, nor do the bytes of a name.
//!
//! Where a file gives no times, its rows are matched one to one with what imports brought before: what is left over on both
//! sides was changed, what is left over in the file alone is new. A Polis conversation has one vote of each person on each
//! statement, so another one there is a change whenever it came. Where there are times, another answer of the same time is a
//! change. What another log withdrew is withdrawn here too, if it came from there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use jiff::Timestamp;

use super::{CHANGED, Import, ImportError, LeftOut, Mark, Problem, conversations};
use crate::home::{Draft, Home, HomeError};
use crate::ids::{AlternativeId, Hash, PersonId, QuestionId, Seq, SourceId};
use crate::record::{Origin, Record};
use crate::state::State;
use crate::text::normal;

/// What became of an import's evidence beside a home.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// Pieces that stand in the home already and were left out.
    pub known: u64,
    /// Pieces that were withdrawn from the home since they were imported, and were left out.
    pub withdrawn: u64,
    /// Votes older than what stands in the home, left out.
    pub older: u64,
    /// Rows that say the same of the same time as another row of the import, left out.
    pub repeated: u64,
    /// What is withdrawn before a piece of evidence is added, by the place of the piece.
    pub(super) changes: BTreeMap<usize, Vec<Seq>>,
    /// What was withdrawn in the log that it came from, and is withdrawn here, with the reason given there.
    pub(super) withdrawals: Vec<(Seq, String)>,
    /// Statements that are put in quarantine, or out of it, with the reason.
    pub(super) marks: Vec<(AlternativeId, bool, String)>,
}

impl Compared {
    /// Pieces that take the place of what stands in the home.
    pub fn changed(&self) -> u64 {
        self.changes.len() as u64
    }

    /// Statements that the import says are no opinions, and that counted so far.
    pub fn marked(&self) -> u64 {
        self.marks.iter().filter(|(_, quarantined, _)| *quarantined).count() as u64
    }

    /// Statements that an earlier import said are no opinions, and this one does not.
    pub fn unmarked(&self) -> u64 {
        self.marks.len() as u64 - self.marked()
    }

    /// Pieces that stand in the home, and were withdrawn in the log that they came from.
    pub fn withdrawals(&self) -> u64 {
        self.withdrawals.len() as u64
    }
}

/// What a record says, without who said it and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Said {
    about: Hash,
    answer: Hash,
}

/// Evidence that a home holds or held.
struct Given {
    seq: Seq,
    time: Timestamp,
    said: Said,
    source: SourceId,
    /// Whether it came with a time of its own.
    timed: bool,
    standing: Standing,
    /// Whether a row of the import was found to be this.
    matched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stands,
    /// Withdrawn by somebody.
    Withdrawn,
    /// Withdrawn because an import changed it.
    Changed,
}

impl Given {
    fn was_imported(&self) -> bool {
        self.source.as_str().starts_with("import:")
    }
}

/// Leaves out what stands in the home.
pub(super) fn compare(import: Import, home: Option<&Home>) -> Result<Import, ImportError> {
    let mut import = import;
    let mut given = HashMap::new();
    let mut log = String::new();
    let mut marked_here = BTreeMap::new();
    if let Some(home) = home {
        let other_words = spelt_otherwise(home.state());
        if !other_words.is_empty() {
            import.rename(&other_words);
        }
        if import.one_vote_each {
            marked_here = conversations::recognise(&mut import, home)?;
        }
        given = what_was_given(home, &import.people)?;
        log = home.state().header().map(|h| h.log_id.clone()).unwrap_or_default();
    }
    let evidence = std::mem::take(&mut import.evidence);
    let mut found = Compared::default();
    let mut rows: Vec<Option<(Option<Timestamp>, Record)>> = Vec::with_capacity(evidence.len());
    // New rows, by whose and about what: they may change what stands.
    let mut fresh: BTreeMap<(PersonId, Hash), Vec<Fresh>> = BTreeMap::new();
    let mut changes: BTreeMap<usize, Vec<Seq>> = BTreeMap::new();
    let mut seen: BTreeSet<(PersonId, Said, Timestamp)> = BTreeSet::new();
    let is_log = import.format == "credence-log";
    let withdrawn = std::mem::take(&mut import.withdrawn);
    let mut withdrawn_rows: BTreeMap<usize, String> = BTreeMap::new();
    for (place, (time, record)) in evidence.into_iter().enumerate() {
        let Some((from, said)) = said(&record) else {
            rows.push(Some((time, record)));
            continue;
        };
        let (person, time) = (from.person.clone(), time.map(to_millisecond));
        let key = (person, said.about);
        let exported = import.exported.get(&place).filter(|e| e.log.as_ref().is_none_or(|l| *l == log));
        // Conversations keep that rule when their log is merged.
        let one_vote = import.one_vote_each || is_log && key.0.as_str().starts_with("polis:");
        // Two rows of one file that say the same of the same time are one row; two records of a log are two.
        let is_repeated = !is_log && time.is_some_and(|t| !seen.insert((key.0.clone(), said, t)));
        let before = given.get_mut(&key).map_or(&mut [][..], Vec::as_mut_slice);
        // Where the file does not say of which log its numbers are, nothing may speak against this one.
        let is_that = |seq: Seq, before: &[Given]| {
            let agrees = |g: &Given| time.map_or(g.said == said, |time| g.time == time);
            before.iter().any(|g| g.seq == seq && agrees(g))
        };
        let exported = exported.filter(|e| e.log.is_some() || is_that(e.seq, before)).map(|e| e.seq);
        if let Some(reason) = withdrawn.get(&place) {
            let here = before.iter_mut().find(|g| g.said == said && !g.matched && Some(g.time) == time);
            match here {
                Some(here) if here.standing == Standing::Stands && here.source == from.source => {
                    here.standing = Standing::Changed;
                    found.withdrawals.push((here.seq, reason.clone()));
                }
                Some(_) => {}
                // Only so is it known, when it comes from elsewhere, that it was changed since.
                None if reason == CHANGED => {
                    withdrawn_rows.insert(rows.len(), reason.clone());
                    rows.push(Some((time, record)));
                    continue;
                }
                None => {}
            }
            rows.push(None);
            continue;
        }
        let found_to_be = match is_repeated {
            true => Match::Repeated,
            false => match_row(before, said, time, exported, one_vote),
        };
        match found_to_be {
            Match::Known => found.known += 1,
            Match::Withdrawn => found.withdrawn += 1,
            Match::Older => found.older += 1,
            Match::Repeated => found.repeated += 1,
            Match::Changes(seq) => {
                changes.insert(rows.len(), vec![seq]);
                rows.push(Some((time, record)));
                continue;
            }
            Match::New => {
                fresh.entry(key).or_default().push(Fresh { row: rows.len(), time, exported });
                rows.push(Some((time, record)));
                continue;
            }
        }
        rows.push(None);
    }
    if import.one_vote_each {
        let moments: BTreeSet<(&PersonId, Timestamp)> = given
            .iter()
            .flat_map(|((person, _), all)| all.iter().map(move |g| (person, g)))
            .filter(|(_, g)| g.timed && !g.matched && g.standing == Standing::Stands && g.source == import.source)
            .map(|(person, g)| (person, g.time))
            .collect();
        let twice =
            |(person, time): (&PersonId, Option<Timestamp>)| time.is_some_and(|t| moments.contains(&(person, t)));
        let new = fresh.iter().flat_map(|((person, _), all)| all.iter().map(move |f| (person, f.time)));
        let reworded = new.filter(|row| twice(*row)).count();
        if reworded > 0 {
            import.notes.push(format!(
                "{reworded} of the new votes were given by the same people at the very times of votes that stand here on other words: if a \
                 statement was only worded anew, they count twice; withdraw the older ones"
            ));
        }
    }
    for (key, new) in fresh {
        let Some(before) = given.get_mut(&key) else { continue };
        for new in new {
            let stale = before.iter_mut().find(|g| new.changes(g, &import.source));
            if let Some(stale) = stale {
                stale.matched = true;
                changes.insert(new.row, vec![stale.seq]);
            }
        }
    }
    marks_beside(&mut import, &mut found, &marked_here);
    // Places without the rows that were left out.
    let refuses = Refusals::new(&import, home)?;
    let mut kept = Vec::new();
    for (place, row) in rows.into_iter().enumerate() {
        let Some(row) = row else { continue };
        if let Some(row) = refuses.problem(place, &row.1) {
            if !import.skip_bad {
                let LeftOut { path, line, problem } = row;
                return Err(ImportError::Line { path, line, problem });
            }
            import.left_out.push(row);
            continue;
        }
        if let Some(targets) = changes.remove(&place) {
            found.changes.insert(kept.len(), targets);
        }
        if let Some(reason) = withdrawn_rows.remove(&place) {
            import.withdrawn.insert(kept.len(), reason);
        }
        kept.push(row);
    }
    import.evidence = kept;
    import.left_out.sort_by_key(|row| row.line);
    import.lines = None;
    import.exported.clear();
    import.people = import.evidence.iter().filter_map(|(_, r)| Some(r.evidence_origin()?.person.clone())).collect();
    import.compared = Some(found);
    Ok(import)
}

/// Which statements change sides: what an import says overrules what an earlier one said, and not what a person decided.
fn marks_beside(import: &mut Import, found: &mut Compared, here: &BTreeMap<AlternativeId, (bool, String)>) {
    const MARKS: [Mark; 2] = [Mark::ModeratedOut, Mark::AboutTheConversation];
    let (mut overruled, mut kept) = (0, 0);
    for (alternative, mark) in &import.marks {
        match here.get(alternative) {
            Some((true, _)) => {}
            Some((false, reason)) if MARKS.iter().all(|m| m.lifted() != reason) => overruled += 1,
            _ => found.marks.push((*alternative, true, mark.reason().to_owned())),
        }
    }
    for (alternative, unmarked) in &import.unmarked {
        let Some((true, reason)) = here.get(alternative) else { continue };
        let Some(mark) = unmarked.iter().find(|mark| mark.reason() == reason) else { continue };
        // A file that has older votes than the home is an older state of the conversation.
        if found.older > 0 {
            kept += 1;
        } else {
            found.marks.push((*alternative, false, mark.lifted().to_owned()));
        }
    }
    if overruled > 0 {
        import.notes.push(format!("{overruled} of the marked statements count all the same, as somebody decided here"));
    }
    if kept > 0 {
        import.notes.push(format!(
            "{kept} statements are not marked in this file and stay left out: it has older votes than what stands here (credence \
             people quarantine --statement WORDS --lift counts one again)"
        ));
    }
}

/// What a home says to the rows of a file before they are drafted, where a home may refuse them.
struct Refusals(Option<(PathBuf, Vec<u64>, Draft)>);

impl Refusals {
    fn new(import: &Import, home: Option<&Home>) -> Result<Self, ImportError> {
        let (Some((path, lines)), Some(home)) = (&import.lines, home) else { return Ok(Self(None)) };
        let mut draft = home.draft();
        for statement in &import.statements {
            if draft.state().description(&statement.alternative).is_none() {
                draft.push(Timestamp::UNIX_EPOCH, Record::AlternativeDescribed(statement.bare()))?;
            }
        }
        Ok(Self(Some((path.clone(), lines.clone(), draft))))
    }

    /// The row, if the home cannot take it.
    fn problem(&self, place: usize, record: &Record) -> Option<LeftOut> {
        let (path, lines, draft) = self.0.as_ref()?;
        let why = draft.state().refuses(record)?;
        Some(LeftOut { path: path.clone(), line: *lines.get(place)?, problem: Problem::Home(why) })
    }
}

/// A row that is none of those that stand in the home.
struct Fresh {
    row: usize,
    time: Option<Timestamp>,
    exported: Option<Seq>,
}

impl Fresh {
    /// Whether it takes the place of a piece of evidence: what was said of the same at the very time, or in the very record; or,
    /// where neither has a time, what an earlier state of the file said.
    fn changes(&self, before: &Given, source: &SourceId) -> bool {
        let same = match self.time {
            _ if self.exported == Some(before.seq) => true,
            Some(time) => before.timed && before.time == time,
            None => !before.timed && before.source == *source,
        };
        same && before.standing == Standing::Stands && !before.matched
    }
}

enum Match {
    New,
    Known,
    Withdrawn,
    Older,
    Repeated,
    Changes(Seq),
}

/// What a row is beside everything that its person said about the same.
fn match_row(
    before: &mut [Given],
    said: Said,
    time: Option<Timestamp>,
    exported: Option<Seq>,
    one_vote_each: bool,
) -> Match {
    let same = |g: &Given| g.said == said;
    // The very record that was exported, or the very time.
    let exact = before.iter().position(|g| same(g) && exported == Some(g.seq)).or_else(|| {
        let time = time?;
        before.iter().position(|g| same(g) && !g.matched && g.time == time)
    });
    if let Some(at) = exact {
        before[at].matched = true;
        return match before[at].standing {
            Standing::Stands => Match::Known,
            Standing::Withdrawn => Match::Withdrawn,
            Standing::Changed => Match::Older,
        };
    }
    if one_vote_each {
        let votes = before.iter_mut().filter(|g| g.standing == Standing::Stands && g.was_imported());
        return match votes.max_by_key(|g| (g.time, g.seq)) {
            None => Match::New,
            // The same again, later: the later time counts, or a vote between the two would seem to be the last.
            Some(last) if last.said == said && last.timed && time.is_some_and(|t| t > last.time) => {
                Match::Changes(last.seq)
            }
            Some(last) if last.said == said => {
                last.matched = true;
                Match::Known
            }
            Some(last) if last.timed && time.is_some_and(|t| t < last.time) => Match::Older,
            Some(last) => Match::Changes(last.seq),
        };
    }
    // Without a time on one of the two sides they are matched one to one.
    let loose = before.iter_mut().find(|g| {
        g.said == said
            && !g.matched
            && g.was_imported()
            && g.standing != Standing::Changed
            && (time.is_none() || !g.timed)
    });
    match loose {
        Some(g) => {
            g.matched = true;
            if g.standing == Standing::Stands { Match::Known } else { Match::Withdrawn }
        }
        None => Match::New,
    }
}

/// Everything that these people ever said, by whom and about what.
fn what_was_given(
    home: &Home,
    people: &BTreeSet<PersonId>,
) -> Result<HashMap<(PersonId, Hash), Vec<Given>>, ImportError> {
    let mut given: HashMap<(PersonId, Hash), Vec<Given>> = HashMap::new();
    let mut where_is: HashMap<Seq, (PersonId, Hash)> = HashMap::new();
    let mut import_began = None;
    for entry in home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        match &entry.record {
            Record::Imported(_) => import_began = Some(entry.time),
            Record::Retracted(r) => {
                let key = where_is.get(&r.target);
                let of = key.and_then(|key| given.get_mut(key)?.iter_mut().find(|g| g.seq == r.target));
                if let Some(of) = of {
                    of.standing = if r.reason == CHANGED { Standing::Changed } else { Standing::Withdrawn };
                }
            }
            record => {
                let Some((from, said)) = said(record).filter(|(from, _)| people.contains(&from.person)) else {
                    continue;
                };
                let key = (from.person.clone(), said.about);
                where_is.insert(entry.seq, key.clone());
                given.entry(key).or_default().push(Given {
                    seq: entry.seq,
                    time: entry.time,
                    said,
                    source: from.source.clone(),
                    // What has no time of its own bears that of the import.
                    timed: import_began != Some(entry.time),
                    standing: Standing::Stands,
                    matched: false,
                });
            }
        }
    }
    Ok(given)
}

/// Who said it, about what, and which answer; nothing for what is no evidence.
fn said(record: &Record) -> Option<(&Origin, Said)> {
    let from = record.evidence_origin()?;
    let said = match record {
        Record::ChoiceMade(r) => {
            let chosen = r.chosen.and_then(|c| r.alternatives.get(c));
            let answer = chosen.map_or_else(|| Hash::of(b"neither"), AlternativeId::hash);
            Said { about: QuestionId::of(&r.alternatives).hash(), answer }
        }
        Record::VerdictGiven(r) => {
            let about = Hash::of_parts("verdict", [r.alternative.hash().0.as_slice()]);
            Said { about, answer: Hash::of(&[r.verdict as u8]) }
        }
        other => {
            let mut alternatives = other.alternatives();
            alternatives.sort_unstable();
            let mut words = other.clone();
            if let Some(from) = words.evidence_origin_mut() {
                from.session = None;
                from.source = SourceId::new("anywhere").ok()?;
            }
            // Words and readings of them are not in every form of a file.
            if let Record::ImportanceStated(r) = &mut words {
                (r.words, r.misreading) = (String::new(), None);
                r.conditions.clear();
            }
            let answer = Hash::of(&serde_json::to_vec(&words).ok()?);
            let about = match alternatives.is_empty() {
                true => answer,
                false => {
                    let parts = alternatives.iter().map(|a| a.hash().0).collect::<Vec<_>>();
                    let parts = std::iter::once(other.kind().as_bytes()).chain(parts.iter().map(|h| h.as_slice()));
                    Hash::of_parts("evidence", parts)
                }
            };
            Said { about, answer }
        }
    };
    Some((from, said))
}

/// Alternatives of a home whose words are not in their normal form, by what they would be if they were.
fn spelt_otherwise(state: &State) -> BTreeMap<AlternativeId, AlternativeId> {
    let other = state.descriptions().iter().filter_map(|d| {
        let normal = AlternativeId::of(&normal(&d.situation), &normal(&d.text));
        (normal != d.alternative && state.description(&normal).is_none()).then_some((normal, d.alternative))
    });
    other.collect()
}

impl Import {
    /// Speaks of alternatives as the home does.
    pub(super) fn rename(&mut self, names: &BTreeMap<AlternativeId, AlternativeId>) {
        let rename = |alternative: &mut AlternativeId| {
            if let Some(name) = names.get(alternative) {
                *alternative = *name;
            }
        };
        self.statements.retain(|s| !names.contains_key(&s.alternative));
        self.marks.iter_mut().for_each(|(alternative, _)| rename(alternative));
        self.unmarked.iter_mut().for_each(|(alternative, _)| rename(alternative));
        for (_, record) in &mut self.evidence {
            match record {
                Record::ChoiceMade(r) => r.alternatives.iter_mut().for_each(rename),
                Record::VerdictGiven(r) => rename(&mut r.alternative),
                Record::RatingGiven(r) => rename(&mut r.alternative),
                Record::CorrectionMade(r) => [&mut r.preferred, &mut r.rejected].into_iter().for_each(rename),
                Record::DemonstrationGiven(r) => {
                    rename(&mut r.chosen);
                    r.over.iter_mut().for_each(rename);
                }
                _ => {}
            }
        }
    }
}

/// A log's times are milliseconds.
pub(super) fn to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}
