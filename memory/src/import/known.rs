//! What of an import stands in a home already: the same person, about the same, with the same answer, at the same time. How a
//! file was saved meanwhile (its line ends, its quotes, the order of its rows) makes no difference, nor do the bytes of a name.
//!
//! Where a file gives no times, its rows are matched one to one with what imports brought before: what is left over on both
//! sides was changed, what is left over in the file alone is new. A Polis conversation has one vote of each person on each
//! statement, so another one there is a change whenever it came. Where there are times, another answer of the same time is a
//! change. What another log withdrew is withdrawn here too, if it came from there.

mod held;
mod marks;
mod matching;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;

use self::held::{Everything, Given, Standing, what_was_given};
pub(super) use self::held::{Said, said};
pub(super) use self::marks::MarkHere;
use self::marks::marks_beside;
use self::matching::{Fresh, Match, Piece, exact, match_row, named_records, pieces_of};
use super::conversations::{self, Recognised};
use super::{CHANGED, Import, ImportError, LeftOut, Problem, people, times};
use crate::home::{Draft, Home};
use crate::ids::{AlternativeId, Hash, PersonId, Seq, SourceId};
use crate::record::Record;
use crate::state::State;
use crate::text::normal;

/// What became of an import's evidence beside a home.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// Pieces that stand in the home already and were left out.
    pub known: u64,
    /// Pieces that were withdrawn from the home since they were imported, and were left out.
    pub withdrawn: u64,
    /// Pieces that were erased from the home since they were exported from it, and were left out.
    pub erased: u64,
    /// Votes older than what stands in the home, left out.
    pub older: u64,
    /// Rows that say the same of the same time as another row of the import, left out.
    pub repeated: u64,
    /// What is withdrawn before a piece of evidence is added, by the place of the piece.
    pub(super) changes: BTreeMap<usize, Seq>,
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

/// Leaves out what stands in the home.
pub(super) fn compare(import: Import, home: Option<&Home>) -> Result<Import, ImportError> {
    let mut import = import;
    let mut given = Everything::default();
    let mut log = String::new();
    let mut recognised = Recognised::default();
    if let Some(home) = home {
        let other_words = spelt_otherwise(home.state());
        if !other_words.is_empty() {
            import.rename(&other_words, &|_| true);
        }
        people::recognise(&mut import, home)?;
        recognised = conversations::recognise(&mut import, home)?;
        given = what_was_given(home, &import)?;
        log = home.state().header().map(|h| h.log_id.clone()).unwrap_or_default();
    }
    let evidence = std::mem::take(&mut import.evidence);
    let mut found = Compared::default();
    let is_log = import.format == "credence-log";
    let withdrawn = std::mem::take(&mut import.withdrawn);
    let mut pieces = pieces_of(&import, &evidence, &withdrawn, &log, &given, is_log);
    let (reworded, others) = named_records(&import, &evidence, &mut pieces, &mut given, home);
    if reworded > 0 {
        import.notes.push(format!(
            "{reworded} rows bear the number and the time of a record that stands here in other words: they are that record, and what \
             stands here counts"
        ));
    }
    if others > 0 {
        import.notes.push(format!(
            "{others} rows bear the number and the time of a record that stands here and are taken for others, as their words are: if \
             they were only worded anew, they count twice; withdraw the older ones"
        ));
    }
    // What is the same to the millisecond is no other row's.
    for piece in pieces.iter_mut().flatten().filter(|piece| piece.found.is_none() && !piece.withdrawn) {
        let before = given.of(&piece.key);
        if let Some(at) = exact(before, piece) {
            piece.found = Some(before[at].is_met());
        }
    }
    let mut sorted = Sorted::default();
    for ((row, piece), place) in evidence.into_iter().zip(pieces).zip(0..) {
        let stays = match piece {
            None => !matches!(&row.1, Record::AlternativeDescribed(d) if recognised.renamed.contains(&d.alternative)),
            Some(piece) => {
                let before = given.of(&piece.key);
                match withdrawn.get(&place) {
                    Some(reason) => sorted.withdrawn(place, &row.1, &piece, reason, before, &mut found),
                    None => sorted.evidence(place, piece, before, &mut found),
                }
            }
        };
        sorted.rows.push(stays.then_some(row));
    }
    if import.one_vote_each {
        let reworded = sorted.votes_of_the_same_times(&given, &import.source);
        if reworded > 0 {
            import.notes.push(format!(
                "{reworded} of the new votes were given by the same people at the very times of votes that stand here on other words: if a \
                 statement was only worded anew, they count twice; withdraw the older ones"
            ));
        }
    }
    sorted.take_places(&mut given, &import.source);
    marks_beside(&mut import, &mut found, &recognised);
    sorted.keep(&mut import, &mut found, home)?;
    let of_values = import.evidence.iter().filter(|(_, record)| matches!(record, Record::ImportanceStated(_))).count();
    if home.is_none() && of_values > 0 {
        import.notes.push(format!(
            "whether there are the values of {of_values} statements of importance was not checked: there is no home yet that has any"
        ));
    }
    // What the home refuses stands among what could not be read.
    import.left_out.first.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    import.lines = None;
    import.exported.clear();
    import.people = import.evidence.iter().filter_map(|(_, r)| Some(r.evidence_origin()?.person.clone())).collect();
    import.compared = Some(found);
    Ok(import)
}

/// What becomes of the rows of an import, by their places among its evidence.
#[derive(Default)]
struct Sorted {
    /// The rows that go in, and nothing in the place of one that is left out.
    rows: Vec<Option<(Option<Timestamp>, Record)>>,
    /// New rows, by whose and about what: they may change what stands.
    fresh: BTreeMap<(PersonId, Hash), Vec<Fresh>>,
    /// The record whose place a row takes.
    changes: BTreeMap<usize, Seq>,
    /// The records whose places are taken; each is withdrawn once.
    taken: BTreeSet<Seq>,
    /// Rows that go in and are withdrawn at once, with the reason.
    withdrawn: BTreeMap<usize, String>,
}

impl Sorted {
    /// A row that was withdrawn in the log that it comes from: whether it goes in.
    fn withdrawn(
        &mut self,
        place: usize,
        record: &Record,
        piece: &Piece,
        reason: &str,
        before: &mut [Given],
        found: &mut Compared,
    ) -> bool {
        let source = record.evidence_origin().map(|from| &from.source);
        // Older versions kept the time of the first import for what had none of its own.
        let as_older_versions = |g: &Given| piece.time.is_none() && Some(&g.source) == source;
        let is_same = |g: &&mut Given| {
            g.said == piece.said && !g.matched && (times::same(g.time, piece.time) || as_older_versions(g))
        };
        // Of several that came from there, one that was withdrawn already.
        let order = |g: &&mut Given| (g.time != piece.time, Some(&g.source) != source, g.standing == Standing::Stands);
        match before.iter_mut().filter(is_same).min_by_key(order) {
            Some(here) => {
                here.matched = true;
                let stands = here.standing == Standing::Stands && !self.taken.contains(&here.seq);
                if stands && Some(&here.source) == source {
                    here.standing = Standing::Changed;
                    found.withdrawals.push((here.seq, reason.to_owned()));
                }
                false
            }
            // Only so is it known, when it comes from elsewhere, that it was changed since.
            None if reason == CHANGED => {
                self.withdrawn.insert(place, reason.to_owned());
                true
            }
            None => false,
        }
    }

    /// A row beside what its person said about the same: whether it goes in.
    fn evidence(&mut self, place: usize, piece: Piece, before: &mut [Given], found: &mut Compared) -> bool {
        let left_out = match piece.found.unwrap_or_else(|| match_row(before, &piece)) {
            Match::Known => &mut found.known,
            Match::Withdrawn => &mut found.withdrawn,
            Match::Older => &mut found.older,
            Match::Repeated => &mut found.repeated,
            Match::Erased => &mut found.erased,
            Match::Changes(seq) => {
                if self.taken.insert(seq) {
                    self.changes.insert(place, seq);
                }
                return true;
            }
            Match::New => {
                let row = Fresh { row: place, time: piece.time, exported: piece.exported };
                self.fresh.entry(piece.key).or_default().push(row);
                return true;
            }
        };
        *left_out += 1;
        false
    }

    /// New votes that their people gave at the very times of votes on other words that stand and that no row is.
    fn votes_of_the_same_times(&self, given: &Everything, source: &SourceId) -> usize {
        let alone = |g: &&Given| !g.matched && g.standing == Standing::Stands && g.source == *source;
        let mut moments: BTreeMap<&PersonId, Vec<Timestamp>> = BTreeMap::new();
        for ((person, _), all) in &given.by_words {
            moments.entry(person).or_default().extend(all.iter().filter(alone).filter_map(|g| g.time));
        }
        let new =
            self.fresh.iter().flat_map(|((person, _), all)| all.iter().filter_map(move |f| Some((person, f.time?))));
        let is_there = |(person, time): &(&PersonId, Timestamp)| {
            moments.get(person).is_some_and(|all| all.iter().any(|there| times::alike(*there, *time)))
        };
        new.filter(is_there).count()
    }

    /// Has each new row take the place of what it changes, one of one.
    fn take_places(&mut self, given: &mut Everything, source: &SourceId) {
        for (key, new) in std::mem::take(&mut self.fresh) {
            let before = given.of(&key);
            for new in new {
                let stale = before.iter_mut().filter(|g| new.changes(g, source) && !self.taken.contains(&g.seq));
                if let Some(stale) = stale.min_by_key(|g| g.time != new.time) {
                    stale.matched = true;
                    self.changes.insert(new.row, stale.seq);
                }
            }
        }
    }

    /// Gives an import the rows that go in, with what each changes by its place among them.
    fn keep(mut self, import: &mut Import, found: &mut Compared, home: Option<&Home>) -> Result<(), ImportError> {
        let refuses = Refusals::new(import, home)?;
        for (place, row) in self.rows.into_iter().enumerate() {
            let Some(row) = row else { continue };
            if let Some(row) = refuses.problem(place, &row.1) {
                if !import.skip_bad {
                    let LeftOut { path, line, problem } = row;
                    return Err(ImportError::Line { path, line, problem });
                }
                import.left_out.push(row);
                continue;
            }
            let at = import.evidence.len();
            if let Some(seq) = self.changes.remove(&place) {
                found.changes.insert(at, seq);
            }
            if let Some(reason) = self.withdrawn.remove(&place) {
                import.withdrawn.insert(at, reason);
            }
            import.evidence.push(row);
        }
        Ok(())
    }
}

/// What a home says to the rows of a file before they are drafted, where a home may refuse them; without one, what any would say.
struct Refusals(Option<(PathBuf, Vec<u64>, Option<Draft>)>);

impl Refusals {
    fn new(import: &Import, home: Option<&Home>) -> Result<Self, ImportError> {
        let Some((path, lines)) = import.lines.clone() else { return Ok(Self(None)) };
        let Some(home) = home else { return Ok(Self(Some((path, lines, None)))) };
        let mut draft = home.draft();
        for statement in &import.statements {
            if draft.state().description(&statement.alternative).is_none() {
                draft.push(Timestamp::UNIX_EPOCH, Record::AlternativeDescribed(statement.bare()))?;
            }
        }
        Ok(Self(Some((path, lines, Some(draft)))))
    }

    /// The row, if the home cannot take it.
    fn problem(&self, place: usize, record: &Record) -> Option<LeftOut> {
        let (path, lines, draft) = self.0.as_ref()?;
        let why =
            draft.as_ref().map_or_else(|| State::refused_by_all(record), |draft| draft.state().refuses(record))?;
        Some(LeftOut { path: path.clone(), line: *lines.get(place)?, problem: Problem::Home(why) })
    }
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
