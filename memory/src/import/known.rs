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

use super::{CHANGED, ExportedAs, Import, ImportError, LeftOut, Mark, Problem, conversations, times};
use crate::home::{Draft, Home, HomeError};
use crate::ids::{AlternativeId, Hash, PersonId, QuestionId, Seq, SourceId, ValueId};
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

    /// Statements that change sides: each with whether it is left out from now on (or else counts again), and why.
    pub fn marks(&self) -> impl Iterator<Item = (&AlternativeId, bool, &str)> {
        self.marks.iter().map(|(alternative, left_out, reason)| (alternative, *left_out, reason.as_str()))
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

/// What a piece of evidence is between and what it takes of it, whatever its kind: a choice of one over another, a correction
/// and a demonstration are the same in a form that does not name kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    between: Hash,
    what: Hash,
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

    /// Takes note that a row is this.
    fn is_met(&mut self) -> Match {
        self.matched = true;
        match self.standing {
            Standing::Stands => Match::Known,
            Standing::Withdrawn => Match::Withdrawn,
            Standing::Changed => Match::Older,
        }
    }
}

/// A row that may be evidence of the home.
struct Piece {
    key: (PersonId, Hash),
    said: Said,
    time: Option<Timestamp>,
    /// The record of this home that it says it was, where nothing speaks against that.
    exported: Option<Seq>,
    /// Whether its person has one verdict on a statement, the last one.
    one_vote: bool,
    /// Whether it was withdrawn in the log that it comes from.
    withdrawn: bool,
    /// What was found of it before all rows were looked at.
    found: Option<Match>,
}

/// Leaves out what stands in the home.
pub(super) fn compare(import: Import, home: Option<&Home>) -> Result<Import, ImportError> {
    let mut import = import;
    let mut given = Everything::default();
    let mut log = String::new();
    let mut marked_here = BTreeMap::new();
    let mut renamed = BTreeSet::new();
    if let Some(home) = home {
        let other_words = spelt_otherwise(home.state());
        if !other_words.is_empty() {
            import.rename(&other_words, &|_| true);
        }
        (marked_here, renamed) = conversations::recognise(&mut import, home)?;
        given = what_was_given(home, &import)?;
        log = home.state().header().map(|h| h.log_id.clone()).unwrap_or_default();
    }
    let evidence = std::mem::take(&mut import.evidence);
    let mut found = Compared::default();
    let is_log = import.format == "credence-log";
    let withdrawn = std::mem::take(&mut import.withdrawn);
    let mut pieces = pieces_of(&import, &evidence, &withdrawn, &log, &given, is_log);
    let reworded = named_records(&import, &evidence, &mut pieces, &mut given, home);
    if reworded > 0 {
        import.notes.push(format!(
            "{reworded} rows bear the number and the time of a record that stands here in other words: they are that record, and what \
             stands here counts"
        ));
    }
    // What is the same to the millisecond is no other row's.
    for piece in pieces.iter_mut().flatten().filter(|piece| piece.found.is_none() && !piece.withdrawn) {
        let before = given.of(&piece.key);
        if let Some(at) = exact(before, piece) {
            piece.found = Some(before[at].is_met());
        }
    }
    let mut rows: Vec<Option<(Option<Timestamp>, Record)>> = Vec::with_capacity(evidence.len());
    // New rows, by whose and about what: they may change what stands.
    let mut fresh: BTreeMap<(PersonId, Hash), Vec<Fresh>> = BTreeMap::new();
    let mut changes: BTreeMap<usize, Vec<Seq>> = BTreeMap::new();
    let mut withdrawn_rows: BTreeMap<usize, String> = BTreeMap::new();
    for (place, ((time, record), piece)) in evidence.into_iter().zip(pieces).enumerate() {
        let Some(piece) = piece else {
            let is_gone = matches!(&record, Record::AlternativeDescribed(d) if renamed.contains(&d.alternative));
            rows.push((!is_gone).then_some((time, record)));
            continue;
        };
        let time = piece.time;
        let before = given.of(&piece.key);
        if let (Some(reason), Some(from)) = (withdrawn.get(&place), record.evidence_origin()) {
            let here = before.iter_mut().find(|g| g.said == piece.said && !g.matched && Some(g.time) == time);
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
        let found_to_be = piece.found.unwrap_or_else(|| match_row(before, &piece));
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
                let exported = piece.exported;
                fresh.entry(piece.key).or_default().push(Fresh { row: rows.len(), time, exported });
                rows.push(Some((time, record)));
                continue;
            }
        }
        rows.push(None);
    }
    if import.one_vote_each {
        let moments: BTreeSet<(&PersonId, Timestamp)> = given
            .by_words
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
        let before = given.of(&key);
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

/// The rows of an import that are evidence, with what is known of each by itself: which record it was, whether another row of
/// the file says the same, whether a later one takes its place.
fn pieces_of(
    import: &Import,
    evidence: &[(Option<Timestamp>, Record)],
    withdrawn: &BTreeMap<usize, String>,
    log: &str,
    given: &Everything,
    is_log: bool,
) -> Vec<Option<Piece>> {
    let mut seen: HashMap<(PersonId, Said, Timestamp), Vec<Option<&ExportedAs>>> = HashMap::new();
    let mut last: HashMap<(PersonId, Hash), (Option<Timestamp>, usize)> = HashMap::new();
    let mut pieces = Vec::with_capacity(evidence.len());
    for (place, (time, record)) in evidence.iter().enumerate() {
        let Some((from, said)) = said(record) else {
            pieces.push(None);
            continue;
        };
        let time = time.map(to_millisecond);
        let key = (from.person.clone(), said.about);
        // Conversations keep that rule in whatever form, and under whatever prefix, they come.
        let one_vote = import.one_vote_each || matches!(record, Record::VerdictGiven(_)) && is_voter(&key.0);
        let exported = import.exported.get(&place);
        // Two rows of one file that say the same of the same time are one row; two records of a log are two.
        let is_repeated = !is_log
            && time.is_some_and(|t| {
                let others = seen.entry((key.0.clone(), said, t)).or_default();
                let is_other = |other: &Option<&ExportedAs>| {
                    other.zip(exported).is_some_and(|(a, b)| a.log.is_some() && a.log == b.log && a.seq != b.seq)
                };
                let is_one_of_them = !others.iter().all(is_other);
                others.push(exported);
                is_one_of_them
            });
        let withdrawn = withdrawn.contains_key(&place);
        if one_vote && !withdrawn {
            let latest = last.entry(key.clone()).or_insert((time, place));
            *latest = (*latest).max((time, place));
        }
        let agrees = |e: &&ExportedAs| {
            let Some((person, about, record)) = given.record(e.seq).filter(|(person, ..)| **person == key.0) else {
                return false;
            };
            match (&e.log, time) {
                // The same number, and a time that speaks against it: another record, of a copy that went on by itself.
                (Some(of), Some(time)) => of == log && times::alike(record.time, time),
                (Some(of), None) => of == log,
                // Where the file does not say of which log its numbers are, nothing may speak against this one.
                (None, Some(time)) => (person, about) == (&key.0, key.1) && record.time == time,
                (None, None) => record.said == said,
            }
        };
        let exported = exported.filter(agrees).map(|e| e.seq);
        let found = is_repeated.then_some(Match::Repeated);
        pieces.push(Some(Piece { key, said, time, exported, one_vote, withdrawn, found }));
    }
    for (place, piece) in pieces.iter_mut().enumerate() {
        let Some(piece) = piece else { continue };
        let is_last = last.get(&piece.key).is_none_or(|(_, latest)| *latest == place);
        if piece.one_vote && !piece.withdrawn && piece.found.is_none() && !is_last {
            piece.found = Some(Match::Older);
        }
    }
    pieces
}

/// Whether a name is that of a voter of a conversation, `polis:NAME:VOTER`, as it came or with a prefix.
fn is_voter(person: &PersonId) -> bool {
    person.as_str().split_once("polis:").is_some_and(|(_, rest)| rest.contains(':'))
}

/// Rows that are a record of this home, as they say, though of another kind or in other words: a form without kinds makes a
/// choice of a correction, and people mend letters. Gives how many have other words.
fn named_records(
    import: &Import,
    evidence: &[(Option<Timestamp>, Record)],
    pieces: &mut [Option<Piece>],
    given: &mut Everything,
    home: Option<&Home>,
) -> u64 {
    let Some(state) = home.map(Home::state).filter(|_| !import.exported.is_empty()) else { return 0 };
    let texts: HashMap<AlternativeId, &str> =
        import.statements.iter().map(|s| (s.alternative, s.text.as_str())).collect();
    let words = |alternatives: &[AlternativeId]| {
        let text = |a: &AlternativeId| texts.get(a).copied().or_else(|| Some(state.description(a)?.text.as_str()));
        let mut words: Vec<String> = alternatives.iter().filter_map(text).map(str::to_lowercase).collect();
        words.sort();
        words.join(" ")
    };
    let mut reworded = 0;
    for (piece, (_, record)) in pieces.iter_mut().zip(evidence) {
        let Some(piece) = piece.as_mut().filter(|piece| piece.found.is_none()) else { continue };
        let Some(seq) = piece.exported else { continue };
        let Some((_, about, there)) = given.record(seq).filter(|(_, about, _)| *about != piece.key.1) else { continue };
        let Some((alternatives, was)) = given.named.get(&seq) else { continue };
        let stands = there.standing == Standing::Stands;
        let (same, changed) = match taken(record).zip(*was) {
            Some((now, was)) => (now == was, now.between == was.between && now != was),
            None => (false, false),
        };
        let alike = || {
            let [now, then] = [words(&record.alternatives()), words(alternatives)];
            !now.is_empty() && strsim::sorensen_dice(&now, &then) >= ALIKE_MIN
        };
        if changed && stands {
            piece.found = Some(Match::Changes(seq));
        } else if !same && !changed && !alike() {
            // Nothing but a number and a time in common.
            piece.exported = None;
            continue;
        } else {
            reworded += u64::from(!same && !changed);
        }
        let key = (piece.key.0.clone(), about);
        if let Some(there) = given.of(&key).iter_mut().find(|g| g.seq == seq) {
            let met = there.is_met();
            piece.found = piece.found.or(Some(met));
        }
    }
    reworded
}

/// How much of their letters, two by two, words share that are the same words with something mended.
const ALIKE_MIN: f64 = 0.6;

/// The place of what a row is to the millisecond, or as the record that it was: what stands before what was withdrawn.
fn exact(before: &[Given], piece: &Piece) -> Option<usize> {
    let same = |g: &Given| g.said == piece.said;
    if let Some(at) = before.iter().position(|g| same(g) && piece.exported == Some(g.seq)) {
        return Some(at);
    }
    let time = piece.time?;
    let at_that_time = |g: &Given| same(g) && !g.matched && g.time == time;
    let standing = before.iter().position(|g| at_that_time(g) && g.standing == Standing::Stands);
    standing.or_else(|| before.iter().position(at_that_time))
}

/// Which statements change sides: what an import says overrules what an earlier one of the same conversation said, and not what a
/// person decided, nor what another conversation's moderators did.
fn marks_beside(import: &mut Import, found: &mut Compared, here: &BTreeMap<AlternativeId, MarkHere>) {
    const MARKS: [Mark; 2] = [Mark::ModeratedOut, Mark::AboutTheConversation];
    let (mut overruled, mut kept, mut of_another) = (0, 0, 0);
    for (alternative, mark) in &import.marks {
        match here.get(alternative) {
            Some(MarkHere { quarantined: true, .. }) => {}
            Some(MarkHere { reason, .. }) if MARKS.iter().all(|m| m.lifted() != reason) => overruled += 1,
            _ => found.marks.push((*alternative, true, mark.reason().to_owned())),
        }
    }
    for (alternative, unmarked) in &import.unmarked {
        let Some(MarkHere { quarantined: true, reason, by }) = here.get(alternative) else { continue };
        let Some(mark) = unmarked.iter().find(|mark| mark.reason() == reason) else { continue };
        if by.as_ref() != Some(&import.source) {
            of_another += 1;
        // A file that has older votes than the home is an older state of the conversation.
        } else if found.older > 0 {
            kept += 1;
        } else {
            found.marks.push((*alternative, false, mark.lifted().to_owned()));
        }
    }
    if overruled > 0 {
        import.notes.push(format!("{overruled} of the marked statements count all the same, as somebody decided here"));
    }
    if of_another > 0 {
        import.notes.push(format!(
            "{of_another} statements are not marked in this file and stay left out: another conversation that stands here marked them"
        ));
    }
    if kept > 0 {
        import.notes.push(format!(
            "{kept} statements are not marked in this file and stay left out: it has older votes than what stands here (credence \
             people quarantine --statement WORDS --lift counts one again)"
        ));
    }
}

/// Whether a home has a statement in quarantine, or had: why, and which import said so last.
pub(super) struct MarkHere {
    pub(super) quarantined: bool,
    pub(super) reason: String,
    pub(super) by: Option<SourceId>,
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
            Some(time) => before.timed && times::same_second(before.time, time),
            None => !before.timed && before.source == *source,
        };
        same && before.standing == Standing::Stands && !before.matched
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    New,
    Known,
    Withdrawn,
    Older,
    Repeated,
    Changes(Seq),
}

/// What a row is beside everything that its person said about the same and that no other row is.
fn match_row(before: &mut [Given], piece: &Piece) -> Match {
    let Piece { said, time, .. } = *piece;
    // The same time as a program saved it that knows no milliseconds, or no seconds.
    let cut_short =
        |g: &&mut Given| g.said == said && !g.matched && g.timed && time.is_some_and(|time| times::alike(g.time, time));
    if let Some(same) = before.iter_mut().find(cut_short) {
        return same.is_met();
    }
    if piece.one_vote {
        let mut votes: Vec<&mut Given> =
            before.iter_mut().filter(|g| g.was_imported() && g.standing != Standing::Changed).collect();
        votes.sort_by_key(|g| (g.time, g.seq));
        // What was there before the person's vote was withdrawn is gone with it.
        let is_before = |timed: bool, then: Timestamp| timed && time.is_some_and(|t| t < then);
        if votes.last().is_some_and(|last| last.standing == Standing::Withdrawn) {
            match votes.last() {
                Some(last) if is_before(last.timed, last.time) => return Match::Older,
                Some(last) if last.said == said && (time.is_none() || !last.timed) => return Match::Withdrawn,
                _ => {}
            }
        }
        return match votes.into_iter().rev().find(|g| g.standing == Standing::Stands) {
            None => Match::New,
            // The same again, later: the later time counts, or a vote between the two would seem to be the last.
            Some(last) if last.said == said && last.timed && time.is_some_and(|t| t > last.time) => {
                Match::Changes(last.seq)
            }
            Some(last) if last.said == said => last.is_met(),
            Some(last) if is_before(last.timed, last.time) => Match::Older,
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
    loose.map_or(Match::New, Given::is_met)
}

/// What a home holds of the people of an import.
#[derive(Default)]
struct Everything {
    /// Everything that they ever said, by whom and about what.
    by_words: HashMap<(PersonId, Hash), Vec<Given>>,
    where_is: HashMap<Seq, (PersonId, Hash)>,
    /// The alternatives of records that rows say they were, and what was taken of them.
    named: HashMap<Seq, (Vec<AlternativeId>, Option<Taken>)>,
}

impl Everything {
    /// What somebody said about something.
    fn of(&mut self, key: &(PersonId, Hash)) -> &mut [Given] {
        match self.by_words.get_mut(key) {
            Some(all) => all,
            None => &mut [],
        }
    }

    /// Whose a record is, about what, and itself.
    fn record(&self, seq: Seq) -> Option<(&PersonId, Hash, &Given)> {
        let key = self.where_is.get(&seq)?;
        let record = self.by_words.get(key)?.iter().find(|g| g.seq == seq)?;
        Some((&key.0, key.1, record))
    }
}

/// Everything that an import's people ever said.
fn what_was_given(home: &Home, import: &Import) -> Result<Everything, ImportError> {
    let mut given = Everything::default();
    let named: BTreeSet<Seq> = import.exported.values().map(|e| e.seq).collect();
    let mut import_began = None;
    for entry in home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        match &entry.record {
            Record::Imported(_) => import_began = Some(entry.time),
            Record::Retracted(r) => {
                let key = given.where_is.get(&r.target);
                let of = key.and_then(|key| given.by_words.get_mut(key)?.iter_mut().find(|g| g.seq == r.target));
                if let Some(of) = of {
                    of.standing = if r.reason == CHANGED { Standing::Changed } else { Standing::Withdrawn };
                }
            }
            record => {
                let Some((from, said)) = said(record).filter(|(from, _)| import.people.contains(&from.person)) else {
                    continue;
                };
                let key = (from.person.clone(), said.about);
                given.where_is.insert(entry.seq, key.clone());
                if named.contains(&entry.seq) {
                    given.named.insert(entry.seq, (record.alternatives(), taken(record)));
                }
                given.by_words.entry(key).or_default().push(Given {
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

/// What a record takes of what; nothing where that is no matter of two.
fn taken(record: &Record) -> Option<Taken> {
    let pair = |taken: Option<&AlternativeId>, all: &[AlternativeId]| {
        let what = taken.map_or_else(|| Hash::of(b"neither"), AlternativeId::hash);
        Some(Taken { between: QuestionId::of(all).hash(), what })
    };
    match record {
        Record::ChoiceMade(r) => pair(r.chosen.and_then(|c| r.alternatives.get(c)), &r.alternatives),
        Record::CorrectionMade(r) => pair(Some(&r.preferred), &[r.preferred, r.rejected]),
        Record::DemonstrationGiven(r) => match r.over[..] {
            [only] => pair(Some(&r.chosen), &[r.chosen, only]),
            _ => None,
        },
        Record::ImportanceStated(r) => {
            let name =
                |value: &Option<ValueId>| value.as_ref().map_or_else(Vec::new, |v| v.as_str().as_bytes().to_vec());
            let between = Hash::of_parts("importance", [name(&r.more).as_slice(), name(&r.less).as_slice()]);
            Some(Taken { between, what: Hash::of(&[r.strength as u8]) })
        }
        _ => None,
    }
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
            // Words, readings of them and what they leave open are not in every form of a file.
            if let Record::ImportanceStated(r) = &mut words {
                (r.words, r.misreading, r.at_least) = (String::new(), None, false);
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
    pub(super) fn rename(&mut self, names: &BTreeMap<AlternativeId, AlternativeId>, of: &dyn Fn(&PersonId) -> bool) {
        let rename = |alternative: &mut AlternativeId| {
            if let Some(name) = names.get(alternative) {
                *alternative = *name;
            }
        };
        self.marks.iter_mut().for_each(|(alternative, _)| rename(alternative));
        self.unmarked.iter_mut().for_each(|(alternative, _)| rename(alternative));
        for (_, record) in &mut self.evidence {
            if !record.evidence_origin().is_some_and(|from| of(&from.person)) {
                continue;
            }
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
        let left: BTreeSet<AlternativeId> =
            self.evidence.iter().flat_map(|(_, record)| evidence_about(record)).collect();
        self.statements.retain(|s| left.contains(&s.alternative) || !names.contains_key(&s.alternative));
    }
}

/// The alternatives that a piece of evidence is about; none for what is no evidence.
pub(super) fn evidence_about(record: &Record) -> Vec<AlternativeId> {
    if record.evidence_origin().is_some() { record.alternatives() } else { Vec::new() }
}

/// A log's times are milliseconds.
pub(super) fn to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}
