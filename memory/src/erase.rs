//! Erasing a person for good: the log is rewritten and chained anew with their records emptied.
//!
//! Numbers stay, so that whatever refers to other records stays true; what the emptied records held, and when, does not.
//! Descriptions of alternatives that nothing else refers to go too: they may be the person's own words.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::home::{Home, HomeError};
use crate::ids::{AlternativeId, PersonId, Seq, SessionId, TaskId};
use crate::log::Entry;
use crate::record::{Erased, PersonErased, Record};

/// What erasing a person would remove. Nothing happens until [`Erasure::carry_out`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    person: PersonId,
    records: BTreeSet<Seq>,
    evidence: u64,
    descriptions: BTreeSet<Seq>,
    head: Seq,
}

/// Why a person was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Nobody of this name.
    #[error("the log has no person {0:?}")]
    NoSuchPerson(String),
    /// Not confirmed.
    #[error("nothing was erased: to confirm, the name {expected:?} must be given again, not {given:?}")]
    NotConfirmed {
        /// The name to be given.
        expected: String,
        /// What was given.
        given: String,
    },
    /// Something was appended in between.
    #[error("nothing was erased: the log has changed since this was worked out")]
    Outdated,
}

impl Erasure {
    /// Works out what would be removed.
    pub fn of(home: &Home, person: &PersonId) -> Result<Self, EraseError> {
        if home.state().person(person).is_none() {
            return Err(EraseError::NoSuchPerson(person.to_string()));
        }
        let (mut records, mut evidence) = (BTreeSet::new(), 0);
        let (mut theirs, mut others) = (BTreeSet::new(), BTreeSet::new());
        let mut descriptions: Vec<(Seq, AlternativeId)> = Vec::new();
        let mut owned = Owned::default();
        for entry in home.entries()? {
            let entry = entry.map_err(HomeError::from)?;
            if let Record::AlternativeDescribed(r) = &entry.record {
                descriptions.push((entry.seq, r.alternative));
                continue;
            }
            let is_theirs = owned.claims(person, &entry, &records);
            if is_theirs {
                evidence += u64::from(entry.record.evidence_origin().is_some());
                records.insert(entry.seq);
            }
            let side = if is_theirs { &mut theirs } else { &mut others };
            side.extend(entry.record.alternatives());
        }
        let only_theirs = |a: &AlternativeId| theirs.contains(a) && !others.contains(a);
        let descriptions = descriptions.iter().filter(|(_, a)| only_theirs(a)).map(|(seq, _)| *seq).collect();
        Ok(Self { person: person.clone(), records, evidence, descriptions, head: home.state().head().0 })
    }

    /// Whose.
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// Number of records that would be emptied, descriptions not counted.
    pub fn records(&self) -> u64 {
        self.records.len() as u64
    }

    /// Number of them that are evidence.
    pub fn evidence(&self) -> u64 {
        self.evidence
    }

    /// Number of descriptions of alternatives that would be emptied.
    pub fn descriptions(&self) -> u64 {
        self.descriptions.len() as u64
    }

    /// Erases. `confirmation` must be the person's name once more. `unreached` names what the caller knows to hold the
    /// person's data and cannot change; exports that the program made are added to it.
    pub fn carry_out(
        self,
        home: &mut Home,
        confirmation: &str,
        time: Timestamp,
        reason: &str,
        mut unreached: Vec<String>,
    ) -> Result<PersonErased, EraseError> {
        if confirmation != self.person.as_str() {
            let (expected, given) = (self.person.to_string(), confirmation.to_owned());
            return Err(EraseError::NotConfirmed { expected, given });
        }
        if self.head != home.state().head().0 {
            return Err(EraseError::Outdated);
        }
        let mut kept = Vec::new();
        for entry in home.entries()? {
            let entry = entry.map_err(HomeError::from)?;
            if let Record::Exported(r) = &entry.record {
                unreached.push(format!("export {}", r.path));
            }
            if self.records.contains(&entry.seq) || self.descriptions.contains(&entry.seq) {
                kept.push((time, Record::Erased(Erased {})));
            } else {
                kept.push((entry.time, entry.record));
            }
        }
        let tombstone = PersonErased {
            records: self.records(),
            evidence: self.evidence,
            alternatives: self.descriptions(),
            reason: reason.to_owned(),
            unreached,
            generations: Vec::new(),
        };
        kept.push((time, Record::PersonErased(tombstone.clone())));
        home.rewrite(kept)?;
        Ok(tombstone)
    }
}

/// What belongs to a person by way of something else that does.
#[derive(Default)]
struct Owned {
    sessions: BTreeSet<SessionId>,
    tasks: BTreeSet<TaskId>,
}

impl Owned {
    fn claims(&mut self, person: &PersonId, entry: &Entry, records: &BTreeSet<Seq>) -> bool {
        if let Some(from) = entry.record.evidence_origin() {
            return from.person == *person;
        }
        match &entry.record {
            Record::SessionStarted(r) => {
                let theirs = r.person == *person;
                if theirs {
                    self.sessions.insert(r.session.clone());
                }
                theirs
            }
            Record::TaskGiven(r) => {
                let theirs = r.person == *person;
                if theirs {
                    self.tasks.insert(r.task.clone());
                }
                theirs
            }
            Record::SessionEnded(r) => self.sessions.contains(&r.session),
            Record::AlternativesProposed(r) => self.tasks.contains(&r.task),
            Record::Retracted(r) => records.contains(&r.target),
            Record::QuestionAsked(r) => r.person == *person,
            Record::QuestionSkipped(r) => r.person == *person,
            Record::BeliefRecorded(r) => r.person == *person,
            Record::DecisionMade(r) => r.person == *person,
            Record::ActionTaken(r) => r.person == *person,
            Record::StopRequested(r) => r.person == *person,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::{LogOpened, TaskGiven};
    use crate::state::tests::{choice, described, id, retraction};

    fn time(n: i64) -> Timestamp {
        Timestamp::from_millisecond(n).unwrap()
    }

    fn header() -> LogOpened {
        let Record::LogOpened(header) = crate::log::tests::header() else { unreachable!() };
        header
    }

    /// Ada and bob; alternative 5 is ada's only, 4 is nobody's.
    fn home(root: &std::path::Path) -> Home {
        let mut home = Home::create(root, time(0), header()).unwrap();
        let task = Record::TaskGiven(TaskGiven {
            task: "t".parse().unwrap(),
            person: id("adelaide"),
            text: "a secret errand".into(),
        });
        let said = [choice("adelaide", 0, 5, Some(0)), choice("bob", 0, 1, Some(1)), choice("adelaide", 2, 3, None)];
        let later = [task, retraction(8), choice("bob", 3, 2, Some(0))];
        for record in (0..6).map(described).chain(said).chain(later) {
            home.append(time(1), record).unwrap();
        }
        home
    }

    #[test]
    fn nothing_of_the_person_is_left_and_nobody_else_changes() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let bob = home.believe(&id("bob")).unwrap().digest();
        let before = home.state().head().0;
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        assert_eq!((erasure.records(), erasure.evidence(), erasure.descriptions()), (4, 2, 1));
        erasure.carry_out(&mut home, "adelaide", time(9), "asked to", vec![]).unwrap();
        let text = fs::read_to_string(home.paths().log()).unwrap();
        for word in ["adelaide", "secret", "do thing 5"] {
            assert!(!text.contains(word), "{word}");
        }
        assert!(text.contains("do thing 4"));
        assert_eq!(home.state().head().0, before.next());
        assert_eq!(home.believe(&id("bob")).unwrap().digest(), bob);
        assert!(home.state().person(&id("adelaide")).is_none());
        home.append(time(10), choice("bob", 0, 2, Some(0))).unwrap();
        let live = home.believe(&id("bob")).unwrap().digest();
        drop(home);
        for file in fs::read_dir(dir.path().join("store")).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                assert!(!fs::read(path).unwrap().windows(8).any(|w| w == b"adelaide"));
            }
        }
        let (mut home, _) = Home::open(dir.path()).unwrap();
        assert_eq!(home.believe(&id("bob")).unwrap().digest(), live);
    }

    #[test]
    fn it_does_not_happen_by_accident() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let before = fs::read(home.paths().log()).unwrap();
        assert!(matches!(Erasure::of(&home, &id("eve")), Err(EraseError::NoSuchPerson(_))));
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        let result = erasure.clone().carry_out(&mut home, "bob", time(9), "", vec![]);
        assert!(matches!(result, Err(EraseError::NotConfirmed { .. })));
        assert_eq!(fs::read(home.paths().log()).unwrap(), before);
        home.append(time(10), choice("adelaide", 0, 1, Some(0))).unwrap();
        assert!(matches!(erasure.carry_out(&mut home, "adelaide", time(9), "", vec![]), Err(EraseError::Outdated)));
    }
}
