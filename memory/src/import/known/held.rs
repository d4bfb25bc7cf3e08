//! What a home holds of the people of an import: everything that they ever said, and what became of it.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::matching::Match;
use crate::home::{Home, HomeError};
use crate::ids::{AlternativeId, Hash, PersonId, QuestionId, Seq, SourceId, ValueId};
use crate::import::{CHANGED, Import, ImportError, OwnTimes};
use crate::record::{Origin, Record};

/// What a record says, without who said it and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::import) struct Said {
    pub(in crate::import) about: Hash,
    pub(in crate::import) answer: Hash,
}

/// What a piece of evidence is between and what it takes of it, whatever its kind: a choice of one over another, a correction
/// and a demonstration are the same in a form that does not name kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) between: Hash,
    pub(super) what: Hash,
}

/// Evidence that a home holds or held.
pub(super) struct Given {
    pub(super) seq: Seq,
    /// When, where it has a time of its own.
    pub(super) time: Option<Timestamp>,
    /// The time that it bears in the log.
    pub(super) logged: Timestamp,
    pub(super) said: Said,
    pub(super) source: SourceId,
    pub(super) standing: Standing,
    /// Whether a row of the import was found to be this.
    pub(super) matched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Stands,
    /// Withdrawn by somebody.
    Withdrawn,
    /// Withdrawn because an import changed it.
    Changed,
}

impl Given {
    pub(super) fn was_imported(&self) -> bool {
        self.source.as_str().starts_with("import:")
    }

    /// Takes note that a row is this.
    pub(super) fn is_met(&mut self) -> Match {
        self.matched = true;
        match self.standing {
            Standing::Stands => Match::Known,
            Standing::Withdrawn => Match::Withdrawn,
            Standing::Changed => Match::Older,
        }
    }
}

/// What a home holds of the people of an import.
#[derive(Default)]
pub(super) struct Everything {
    /// Everything that they ever said, by whom and about what.
    pub(super) by_words: HashMap<(PersonId, Hash), Vec<Given>>,
    pub(super) where_is: HashMap<Seq, (PersonId, Hash)>,
    /// Records that rows say they were, and that were erased.
    pub(super) erased: BTreeSet<Seq>,
    /// The alternatives of records that rows say they were, and what was taken of them.
    pub(super) named: HashMap<Seq, (Vec<AlternativeId>, Option<Taken>)>,
}

impl Everything {
    /// What somebody said about something.
    pub(super) fn of(&mut self, key: &(PersonId, Hash)) -> &mut [Given] {
        match self.by_words.get_mut(key) {
            Some(all) => all,
            None => &mut [],
        }
    }

    /// Whose a record is, about what, and itself.
    pub(super) fn record(&self, seq: Seq) -> Option<(&PersonId, Hash, &Given)> {
        let key = self.where_is.get(&seq)?;
        let record = self.by_words.get(key)?.iter().find(|g| g.seq == seq)?;
        Some((&key.0, key.1, record))
    }
}

/// Everything that an import's people ever said.
pub(super) fn what_was_given(home: &Home, import: &Import) -> Result<Everything, ImportError> {
    let mut given = Everything::default();
    let named: BTreeSet<Seq> = import.exported.values().map(|e| e.seq).collect();
    let mut times = OwnTimes::default();
    for entry in home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        let own_time = times.of(&entry);
        match &entry.record {
            Record::Erased(_) if named.contains(&entry.seq) => {
                given.erased.insert(entry.seq);
            }
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
                    time: own_time,
                    logged: entry.time,
                    said,
                    source: from.source.clone(),
                    standing: Standing::Stands,
                    matched: false,
                });
            }
        }
    }
    Ok(given)
}

/// What a record takes of what; nothing where that is no matter of two.
pub(super) fn taken(record: &Record) -> Option<Taken> {
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
pub(in crate::import) fn said(record: &Record) -> Option<(&Origin, Said)> {
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
                let (person, source) = (PersonId::new("anybody").ok()?, SourceId::new("anywhere").ok()?);
                *from = Origin { person, source, session: None };
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
