//! Which piece of evidence a row of an import is, if it is one that the home holds: by its number, by its time, or one to one.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::held::{Everything, Given, Said, Standing, said, taken};
use crate::home::Home;
use crate::ids::{AlternativeId, Hash, PersonId, Seq, SourceId};
use crate::import::conversations::voter;
use crate::import::{ExportedAs, Import, times};
use crate::record::Record;

/// A row that may be evidence of the home.
pub(super) struct Piece {
    pub(super) key: (PersonId, Hash),
    pub(super) said: Said,
    pub(super) time: Option<Timestamp>,
    /// The record of this home that it says it was, where nothing speaks against that.
    pub(super) exported: Option<Seq>,
    /// Whether its person has one verdict on a statement, the last one.
    pub(super) one_vote: bool,
    /// Whether it was withdrawn in the log that it comes from.
    pub(super) withdrawn: bool,
    /// What was found of it before all rows were looked at.
    pub(super) found: Option<Match>,
}

/// The rows of an import that are evidence, with what is known of each by itself: which record it was, whether another row of
/// the file says the same, whether a later one takes its place.
pub(super) fn pieces_of(
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
    for (place, &(time, ref record)) in evidence.iter().enumerate() {
        let Some((from, said)) = said(record) else {
            pieces.push(None);
            continue;
        };
        let key = (from.person.clone(), said.about);
        // Conversations keep that rule in whatever form, and under whatever prefix, they come.
        let one_vote = import.one_vote_each || matches!(record, Record::VerdictGiven(_)) && voter(&key.0).is_some();
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
                (Some(of), Some(time)) => of == log && times::alike(record.logged, time),
                (Some(of), None) => of == log,
                // Where the file does not say of which log its numbers are, nothing may speak against this one.
                (None, Some(time)) => (person, about) == (&key.0, key.1) && times::alike(record.logged, time),
                (None, None) => record.said == said,
            }
        };
        let exported = exported.filter(agrees).map(|e| e.seq);
        let is_erased =
            import.exported.get(&place).is_some_and(|e| e.log.as_deref() == Some(log) && given.erased.contains(&e.seq));
        let found = if is_erased { Some(Match::Erased) } else { is_repeated.then_some(Match::Repeated) };
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

/// Rows that are a record of this home, as they say, though of another kind or in other words: a form without kinds makes a
/// choice of a correction, and people mend letters. Gives how many have other words, and how many with the same number and time
/// were taken for other records all the same.
pub(super) fn named_records(
    import: &Import,
    evidence: &[(Option<Timestamp>, Record)],
    pieces: &mut [Option<Piece>],
    given: &mut Everything,
    home: Option<&Home>,
) -> (u64, u64) {
    let Some(state) = home.map(Home::state).filter(|_| !import.exported.is_empty()) else { return (0, 0) };
    let texts: HashMap<AlternativeId, &str> =
        import.statements.iter().map(|s| (s.alternative, s.text.as_str())).collect();
    let words = |alternatives: &[AlternativeId]| {
        let text = |a: &AlternativeId| texts.get(a).copied().or_else(|| Some(state.description(a)?.text.as_str()));
        let mut words: Vec<String> = alternatives.iter().filter_map(text).map(str::to_lowercase).collect();
        words.sort();
        words.join(" ")
    };
    let (mut reworded, mut others) = (0, 0);
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
        } else if !same && !changed && !alike() && !is_moment(piece.time, there.logged) {
            // Nothing but a number and a whole second in common, as copies of one log may have that went on by themselves.
            others += u64::from(piece.time == Some(there.logged));
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
    (reworded, others)
}

/// Whether a row has the very time of a record, and it is one that no two have by chance.
fn is_moment(time: Option<Timestamp>, logged: Timestamp) -> bool {
    time == Some(logged) && logged.as_millisecond() % 1000 != 0
}

/// How much of their letters, two by two, words share that are the same words with something mended.
pub(super) const ALIKE_MIN: f64 = 0.6;

/// The place of what a row is to the millisecond, or as the record that it was: what stands before what was withdrawn.
pub(super) fn exact(before: &[Given], piece: &Piece) -> Option<usize> {
    let same = |g: &Given| g.said == piece.said;
    if let Some(at) = before.iter().position(|g| same(g) && piece.exported == Some(g.seq)) {
        return Some(at);
    }
    let time = piece.time?;
    let at_that_time = |g: &Given| same(g) && !g.matched && g.time == Some(time);
    let standing = before.iter().position(|g| at_that_time(g) && g.standing == Standing::Stands);
    standing.or_else(|| before.iter().position(at_that_time))
}

/// A row that is none of those that stand in the home.
pub(super) struct Fresh {
    pub(super) row: usize,
    pub(super) time: Option<Timestamp>,
    pub(super) exported: Option<Seq>,
}

impl Fresh {
    /// Whether it takes the place of a piece of evidence: what was said of the same at the very time, or in the very record; or,
    /// where neither has a time, what an earlier state of the file said.
    pub(super) fn changes(&self, before: &Given, source: &SourceId) -> bool {
        let same = match (self.time, before.time) {
            _ if self.exported == Some(before.seq) => true,
            (Some(now), Some(then)) => times::alike(now, then),
            (None, None) => before.source == *source,
            _ => false,
        };
        same && before.standing == Standing::Stands && !before.matched
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    New,
    Known,
    Withdrawn,
    Erased,
    Older,
    Repeated,
    Changes(Seq),
}

/// What a row is beside everything that its person said about the same and that no other row is.
pub(super) fn match_row(before: &mut [Given], piece: &Piece) -> Match {
    let Piece { said, time, .. } = *piece;
    let both = |one: Option<Timestamp>, other: Option<Timestamp>, are: fn(Timestamp, Timestamp) -> bool| {
        one.zip(other).is_some_and(|(one, other)| are(one, other))
    };
    let is_same = |g: &&mut Given| g.said == said && !g.matched && both(g.time, time, times::alike);
    if let Some(same) = before.iter_mut().find(is_same) {
        return same.is_met();
    }
    if piece.one_vote {
        let mut votes: Vec<&mut Given> =
            before.iter_mut().filter(|g| g.was_imported() && g.standing != Standing::Changed).collect();
        votes.sort_by_key(|g| (g.logged, g.seq));
        // What was there before the person's vote was withdrawn is gone with it.
        let is_older = |than: &Given| both(time, than.time, times::is_before);
        if votes.last().is_some_and(|last| last.standing == Standing::Withdrawn) {
            match votes.last() {
                Some(last) if is_older(last) => return Match::Older,
                Some(last) if last.said == said && time.and(last.time).is_none() => return Match::Withdrawn,
                _ => {}
            }
        }
        return match votes.into_iter().rev().find(|g| g.standing == Standing::Stands) {
            None => Match::New,
            // The same again, later: the later time counts, or a vote between the two would seem to be the last.
            Some(last) if last.said == said && both(last.time, time, times::is_before) => Match::Changes(last.seq),
            Some(last) if last.said == said => last.is_met(),
            Some(last) if is_older(last) => Match::Older,
            Some(last) => Match::Changes(last.seq),
        };
    }
    // Without a time on one of the two sides they are matched one to one.
    let loose = before.iter_mut().find(|g| {
        g.said == said
            && !g.matched
            && g.was_imported()
            && g.standing != Standing::Changed
            && time.and(g.time).is_none()
    });
    loose.map_or(Match::New, Given::is_met)
}
