//! Which piece of evidence a row of an import is, if it is one that the home holds: by its number, by its time, or one to one.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::held::{Everything, Given, Said, Standing, said, taken};
use super::to_millisecond;
use crate::home::Home;
use crate::ids::{AlternativeId, Hash, PersonId, Seq, SourceId};
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
pub(super) fn is_voter(person: &PersonId) -> bool {
    person.as_str().split_once("polis:").is_some_and(|(_, rest)| rest.contains(':'))
}

/// Rows that are a record of this home, as they say, though of another kind or in other words: a form without kinds makes a
/// choice of a correction, and people mend letters. Gives how many have other words.
pub(super) fn named_records(
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
pub(super) const ALIKE_MIN: f64 = 0.6;

/// The place of what a row is to the millisecond, or as the record that it was: what stands before what was withdrawn.
pub(super) fn exact(before: &[Given], piece: &Piece) -> Option<usize> {
    let same = |g: &Given| g.said == piece.said;
    if let Some(at) = before.iter().position(|g| same(g) && piece.exported == Some(g.seq)) {
        return Some(at);
    }
    let time = piece.time?;
    let at_that_time = |g: &Given| same(g) && !g.matched && g.time == time;
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
        let same = match self.time {
            _ if self.exported == Some(before.seq) => true,
            Some(time) => before.timed && times::same_second(before.time, time),
            None => !before.timed && before.source == *source,
        };
        same && before.standing == Standing::Stands && !before.matched
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    New,
    Known,
    Withdrawn,
    Older,
    Repeated,
    Changes(Seq),
}

/// What a row is beside everything that its person said about the same and that no other row is.
pub(super) fn match_row(before: &mut [Given], piece: &Piece) -> Match {
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
