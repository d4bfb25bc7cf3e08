//! Erasing a person for good: the log is rewritten and chained anew with their records emptied.
//!
//! Numbers stay, so that whatever refers to other records stays true; what the emptied records held, and when, does not.
//! Descriptions of alternatives that nothing else refers to go too: they may be the person's own words. Adapters that absorbed
//! anything of the person go as if they had never been trained: their records, their files, their judgements, and the digests
//! of beliefs that were formed while they were in force, which nobody could check any more. So do the folders of trainings that
//! saw the person. What else was made from the log outside of it ([`Artefact`]) is deleted if that is asked for and it is still
//! what was made, and named otherwise. The name itself goes from the paths that records hold; where else a record of somebody
//! else bears it, that is said, and left.

mod traces;
mod trainings;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::home::{Home, HomeError, Paths};
use crate::ids::{AdapterGeneration, AlternativeId, Hash, PersonId, Seq, SessionId, TaskId};
use crate::log::Entry;
use crate::record::{Erased, PersonErased, QuarantineSet, Record, Subject};
use crate::state::{Adapter, State};
use crate::text::{self, without_name};

/// What erasing a person would remove. Nothing happens until [`Erasure::carry_out`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    person: PersonId,
    records: BTreeSet<Seq>,
    evidence: u64,
    descriptions: BTreeSet<Seq>,
    alternatives: BTreeSet<AlternativeId>,
    generations: BTreeSet<AdapterGeneration>,
    /// Marks of alternatives that are emptied.
    marks: BTreeSet<Seq>,
    /// Adapters' files, relative to the home.
    files: Vec<String>,
    /// Folders of trainings that saw the person.
    trainings: Vec<PathBuf>,
    artefacts: Vec<Artefact>,
    /// The population in force, if it was learned from the person too.
    population: Option<Seq>,
    /// Decisions for several people that the person was one of.
    decisions_for_several: u64,
    head: Seq,
}

/// A file that the program made from the log after the person's first record: it may hold what they said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// The record that tells of it; the last one, where something was put there again.
    pub seq: Seq,
    /// What it is, such as "export".
    pub what: &'static str,
    /// Where it was put.
    pub path: String,
    /// BLAKE3 of what was put there, each time.
    pub content_hashes: Vec<Hash>,
}

/// What became of an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted.
    Deleted,
    /// There was nothing any more.
    Gone,
    /// It is not what was made, so it was left alone.
    Changed,
}

impl Artefact {
    /// Deletes the file if it is still what was made.
    ///
    /// # Errors
    /// It can be neither read nor deleted.
    pub fn delete(&self) -> io::Result<Fate> {
        let path = Path::new(&self.path);
        let mut hasher = blake3::Hasher::new();
        match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Fate::Gone),
            Err(e) => return Err(e),
            Ok(file) => hasher.update_reader(file)?,
        };
        if !self.content_hashes.contains(&Hash(*hasher.finalize().as_bytes())) {
            return Ok(Fate::Changed);
        }
        std::fs::remove_file(path).map(|()| Fate::Deleted)
    }
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
    /// A file that must go does not.
    #[error("nothing was erased from the log: failed to remove {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something was appended in between.
    #[error("nothing was erased: the log has changed since this was worked out")]
    Outdated,
}

impl Erasure {
    /// Works out what would be removed.
    ///
    /// # Errors
    /// The log has nothing about this person, or it cannot be read.
    pub fn of(home: &Home, person: &PersonId) -> Result<Self, EraseError> {
        if home.state().person(person).is_none() {
            return Err(EraseError::NoSuchPerson(person.to_string()));
        }
        let touched = |a: &&Adapter| !a.absorbed.runs(person).is_empty();
        let adapters: Vec<&Adapter> = home.state().generations().adapters().filter(touched).collect();
        let generations: BTreeSet<AdapterGeneration> = adapters.iter().map(|a| a.trained.generation).collect();
        let files = adapters.iter().map(|a| a.trained.adapter_path.clone()).collect();
        let (mut records, mut evidence) = (BTreeSet::new(), 0);
        let (mut theirs, mut others) = (BTreeSet::new(), BTreeSet::new());
        let mut descriptions: Vec<(Seq, AlternativeId)> = Vec::new();
        let mut owned = Owned::default();
        let mut marks: Vec<(Seq, AlternativeId)> = Vec::new();
        let mut artefacts: Vec<Artefact> = Vec::new();
        let (mut population, mut decisions_for_several) = (None, 0);
        for entry in home.entries()? {
            let entry = entry.map_err(HomeError::from)?;
            if !records.is_empty() {
                note_artefact(&mut artefacts, &entry);
            }
            if let Record::AlternativeDescribed(r) = &entry.record {
                descriptions.push((entry.seq, r.alternative));
                continue;
            }
            if let Record::QuarantineSet(QuarantineSet { subject: Subject::Statement(alternative), .. }) = &entry.record
            {
                marks.push((entry.seq, *alternative));
                continue;
            }
            if rests_on(&entry.record, &generations, home.state()) {
                records.insert(entry.seq);
                continue;
            }
            let is_theirs = owned.claims(person, &entry, &records);
            match &entry.record {
                Record::PopulationConsolidated(_) => population = is_theirs.then_some(entry.seq),
                Record::CollectiveDecisionMade(_) => decisions_for_several += u64::from(is_theirs),
                _ => {}
            }
            if is_theirs {
                evidence += u64::from(entry.record.evidence_origin().is_some());
                records.insert(entry.seq);
            }
            let side = if is_theirs { &mut theirs } else { &mut others };
            side.extend(entry.record.alternatives());
        }
        let only_theirs = |a: &AlternativeId| theirs.contains(a) && !others.contains(a);
        let alternatives = descriptions.iter().map(|(_, a)| *a).filter(only_theirs).collect();
        let descriptions = descriptions.iter().filter(|(_, a)| only_theirs(a)).map(|(seq, _)| *seq).collect();
        let marks = marks.iter().filter(|(_, a)| only_theirs(a)).map(|(seq, _)| *seq).collect();
        let trainings = trainings::of(&home.paths().training(), person, &generations);
        let (person, head) = (person.clone(), home.state().head().0);
        Ok(Self {
            person,
            records,
            evidence,
            descriptions,
            alternatives,
            generations,
            marks,
            files,
            trainings,
            artefacts,
            population,
            decisions_for_several,
            head,
        })
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

    /// Adapters that would go because they absorbed something of the person.
    pub fn generations(&self) -> &BTreeSet<AdapterGeneration> {
        &self.generations
    }

    /// The record of the population in force, if it was learned from the person too: it goes, and with it what it says of
    /// everybody, until the next consolidation.
    pub fn population(&self) -> Option<Seq> {
        self.population
    }

    /// Number of decisions for several people that would go because the person was one of them.
    pub fn decisions_for_several(&self) -> u64 {
        self.decisions_for_several
    }

    /// Folders that would go with everything in them, because a training there saw the person or it cannot be said that none
    /// did.
    pub fn trainings(&self) -> &[PathBuf] {
        &self.trainings
    }

    /// What else was made from the log outside of it since the person's first record.
    pub fn artefacts(&self) -> &[Artefact] {
        &self.artefacts
    }

    /// Erases. `confirmation` must be the person's name once more. `unreached` names what the caller knows to hold the
    /// person's data and cannot change; artefacts are added to it that were not to be deleted or could not be, and records of
    /// others that bear the name. What is returned names all of it; in the log the name itself is left out.
    ///
    /// # Errors
    /// `confirmation` is not the name, something was appended meanwhile, a file cannot be deleted, or the log cannot be read or
    /// replaced. The log is as it was then; some files may be gone.
    pub fn carry_out(
        self,
        home: &mut Home,
        confirmation: &str,
        time: Timestamp,
        reason: &str,
        delete_artefacts: bool,
        mut unreached: Vec<String>,
    ) -> Result<PersonErased, EraseError> {
        if text::name(confirmation) != self.person.as_str() {
            let (expected, given) = (self.person.to_string(), confirmation.to_owned());
            return Err(EraseError::NotConfirmed { expected, given });
        }
        if self.head != home.state().head().0 {
            return Err(EraseError::Outdated);
        }
        // Files first: if this is interrupted, the person is still in the log and can be erased again.
        self.remove_files(home.paths())?;
        let (mut kept, mut bearing) = (Vec::new(), Vec::new());
        for entry in home.entries()? {
            let entry = entry.map_err(HomeError::from)?;
            if [&self.records, &self.descriptions, &self.marks].iter().any(|gone| gone.contains(&entry.seq)) {
                kept.push((time, Record::Erased(Erased {})));
                continue;
            }
            let record = self.without_traces(entry.record);
            if traces::bears(&record, self.person.as_str()) {
                bearing.push(format!("{} of record {} bears the name", record.kind(), entry.seq));
            }
            kept.push((entry.time, record));
        }
        for artefact in &self.artefacts {
            let Artefact { what, path, .. } = artefact;
            let left = match delete_artefacts.then(|| artefact.delete()) {
                None => String::new(),
                // A name that was erased before stood in it, so nobody knows any more where it is.
                Some(_) if path.contains(traces::ERASED) => " (its path was erased with a person)".into(),
                Some(Ok(Fate::Deleted | Fate::Gone)) => continue,
                Some(Ok(Fate::Changed)) => " (it has been changed since)".into(),
                Some(Err(why)) => format!(" ({why})"),
            };
            unreached.push(format!("{what} {path}{left}"));
        }
        unreached.extend(bearing);
        let told = PersonErased {
            records: self.records(),
            evidence: self.evidence,
            alternatives: self.descriptions(),
            reason: reason.to_owned(),
            unreached,
            generations: self.generations.iter().copied().collect(),
        };
        let nameless = |text: &String| without_name(text, self.person.as_str(), traces::ERASED);
        let tombstone = PersonErased {
            reason: nameless(&told.reason),
            unreached: told.unreached.iter().map(nameless).collect(),
            ..told.clone()
        };
        kept.push((time, Record::PersonErased(tombstone)));
        home.rewrite(kept)?;
        Ok(told)
    }

    /// Removes the adapters' files, and the folders of trainings that saw the person.
    fn remove_files(&self, paths: &Paths) -> Result<(), EraseError> {
        let gone = |path: PathBuf, result: io::Result<()>| match result {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(EraseError::File { path, source }),
            _ => Ok(()),
        };
        for file in &self.files {
            let path = paths.root().join(file);
            let result = std::fs::remove_file(&path);
            gone(path, result)?;
        }
        for path in &self.trainings {
            let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            gone(path.clone(), removed)?;
        }
        // Best effort: it stays where something is left in it.
        let _ = std::fs::remove_dir(paths.training());
        Ok(())
    }

    /// A record that stays, without judgements of adapters that go and of alternatives that go, and without the name in paths.
    fn without_traces(&self, mut record: Record) -> Record {
        match &mut record {
            Record::AlternativeDescribed(r) => {
                r.judgement.retain(|generation, _| !self.generations.contains(&AdapterGeneration(*generation)));
            }
            Record::JudgementsRead(r) => r.judgements.retain(|alternative, _| !self.alternatives.contains(alternative)),
            Record::Exported(r) => r.path = without_name(&r.path, self.person.as_str(), traces::ERASED),
            Record::BriefingAdded(r) => r.source = without_name(&r.source, self.person.as_str(), traces::ERASED),
            Record::DocumentAdded(r) => r.source = without_name(&r.source, self.person.as_str(), traces::ERASED),
            _ => {}
        }
        record
    }
}

/// Whether a record is of one of these adapters, or a digest of a belief that one of them was in.
fn rests_on(record: &Record, generations: &BTreeSet<AdapterGeneration>, state: &State) -> bool {
    match record {
        Record::AdapterTrained(r) => generations.contains(&r.generation),
        Record::JudgementsRead(r) => generations.contains(&r.generation),
        Record::GateJudged(r) => generations.contains(&r.generation),
        Record::AdapterPromoted(r) => generations.contains(&r.generation),
        Record::AdapterRolledBack(r) => generations.contains(&r.generation),
        Record::AdapterStale(r) => generations.contains(&r.generation),
        Record::BeliefRecorded(r) => {
            let epochs = state.epochs();
            let then = epochs[..epochs.partition_point(|epoch| epoch.since <= r.through)].last();
            then.is_some_and(|epoch| epoch.lineage.iter().any(|g| generations.contains(&g.generation)))
        }
        _ => false,
    }
}

/// Takes note of a file that a record says was made. One that was put where an older one stood took its place.
fn note_artefact(artefacts: &mut Vec<Artefact>, entry: &Entry) {
    let Record::Exported(r) = &entry.record else { return };
    match artefacts.iter_mut().find(|made| made.path == r.path) {
        Some(made) => {
            made.seq = entry.seq;
            made.content_hashes.push(r.content_hash);
        }
        None => {
            let (path, content_hashes) = (r.path.clone(), vec![r.content_hash]);
            artefacts.push(Artefact { seq: entry.seq, what: "export", path, content_hashes });
        }
    }
}

/// What belongs to a person by way of something else that does.
#[derive(Default)]
struct Owned {
    sessions: BTreeSet<SessionId>,
    tasks: BTreeSet<TaskId>,
    /// Whether others were believed under a population that contains the person.
    population: bool,
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
            Record::BeliefRecorded(r) => r.person == *person || self.population,
            Record::DecisionMade(r) => r.person == *person,
            Record::ActionTaken(r) => r.person == *person,
            Record::StopRequested(r) => r.person == *person,
            Record::CollectiveDecisionMade(r) => r.people.contains(person),
            Record::QuarantineSet(r) => r.subject == Subject::Person(person.clone()),
            // Its numbers were learned from the person; beliefs recorded under it are of a log that is no more.
            Record::PopulationConsolidated(r) => {
                let theirs = r.parts.iter().any(|part| part.people.contains(person));
                self.population |= theirs;
                theirs
            }
            Record::WordsRead(r) => r.person == *person,
            Record::ReadingAnswered(r) => r.person == *person,
            Record::Deliberated(r) => r.person == *person,
            Record::ConsequenceChecked(r) => r.person == *person,
            Record::ConclusionChecked(r) => r.person == *person,
            Record::AlternativesStruck(r) => self.tasks.contains(&r.task),
            Record::ApprovalsDeclared(r) => r.person == *person,
            Record::ApprovalNoted(r) => r.person == *person,
            Record::CallBegun(r) => r.person == *person,
            Record::CallEnded(r) => r.person == *person,
            Record::OutcomeReported(r) => r.person == *person,
            Record::MotiveRead(r) => r.person == *person,
            // Evidence and adapters were dealt with above; alternatives by who refers to them; the rest is of no one person.
            Record::ChoiceMade(_)
            | Record::RankingGiven(_)
            | Record::VerdictGiven(_)
            | Record::RatingGiven(_)
            | Record::CorrectionMade(_)
            | Record::DemonstrationGiven(_)
            | Record::ImportanceStated(_)
            | Record::AlternativeDescribed(_)
            | Record::AdapterTrained(_)
            | Record::JudgementsRead(_)
            | Record::GateJudged(_)
            | Record::AdapterPromoted(_)
            | Record::AdapterRolledBack(_)
            | Record::AdapterStale(_)
            | Record::LogOpened(_)
            | Record::ConfigurationChanged(_)
            | Record::PriorElicited(_)
            | Record::AttributesDeclared(_)
            | Record::Imported(_)
            | Record::Exported(_)
            | Record::BriefingAdded(_)
            | Record::BriefingDropped(_)
            | Record::DocumentAdded(_)
            | Record::DocumentDropped(_)
            | Record::Erased(_)
            | Record::PersonErased(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::number::Finite;
    use crate::population::{SOURCE_CAP, consolidated};
    use crate::record::{LogOpened, PopulationComponent, TaskGiven};
    use crate::sample::{choice, described, id, retraction};

    fn time(n: i64) -> Timestamp {
        Timestamp::from_millisecond(n).unwrap()
    }

    fn header() -> LogOpened {
        crate::sample::header("test")
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
    fn every_component_that_was_learned_from_the_person_goes_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let mut learned = consolidated(home.state(), SOURCE_CAP, None, &|_| ()).unwrap();
        let [mass, odd] = [0.25, 0.123456789].map(|x| Finite::new(x).unwrap());
        let mean = vec![odd; learned.all.mean.len()];
        for moments in learned.parts.iter_mut().map(|p| &mut p.without).chain([&mut learned.all]) {
            let covariance = moments.covariance.clone();
            moments.further = vec![PopulationComponent { mass, mean: mean.clone(), covariance }];
        }
        home.append(time(2), Record::PopulationConsolidated(learned)).unwrap();
        assert!(fs::read_to_string(home.paths().log()).unwrap().contains("0.123456789"));
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        assert_eq!(erasure.population(), Some(home.state().head().0), "others are believed by it");
        erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
        assert_eq!(Erasure::of(&home, &id("bob")).unwrap().population(), None);
        let text = fs::read_to_string(home.paths().log()).unwrap();
        assert!(!text.contains("0.123456789") && home.state().population().is_none());
    }

    #[test]
    fn nothing_of_the_person_is_left_and_nobody_else_changes() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let bob = home.believe(&id("bob")).unwrap().digest();
        let before = home.state().head().0;
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        assert_eq!((erasure.records(), erasure.evidence(), erasure.descriptions()), (4, 2, 1));
        erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
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

    /// Adapters that absorbed something of the person go as if they had never been; others stay.
    #[test]
    fn adapters_that_absorbed_the_person_go_too() {
        use crate::ids::Hash;
        use crate::record::BeliefRecorded;
        use crate::sample::{generation, judgements, promoted, rolled_back, trained};
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let bob = id("bob");
        let record_digest = |home: &mut Home| {
            let digest = Hash(home.believe(&bob).unwrap().digest());
            let through = home.state().head().0;
            let record = BeliefRecorded { person: bob.clone(), through, digest };
            home.append(time(3), Record::BeliefRecorded(record)).unwrap()
        };
        for (number, people) in [(1, ["bob"].as_slice()), (2, &["adelaide", "bob"])] {
            let adapter = trained(home.state(), number, 0, people);
            let file = dir.path().join(&adapter.adapter_path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "weights").unwrap();
            // Alternative 5 is adelaide's only.
            let read = judgements(number, 0..6);
            let promoted = Record::AdapterPromoted(promoted(number, Some("a test")));
            for record in [Record::AdapterTrained(adapter), read, promoted] {
                home.append(time(2), record).unwrap();
            }
            record_digest(&mut home);
        }
        fs::create_dir_all(home.paths().training().join("run")).unwrap();
        home.append(time(2), rolled_back(2)).unwrap();
        let with_the_first = home.believe(&bob).unwrap().digest();
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        assert_eq!(erasure.generations().iter().copied().collect::<Vec<_>>(), [generation(2)]);
        let tombstone = erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
        assert_eq!(tombstone.generations, [generation(2)]);
        let text = fs::read_to_string(home.paths().log()).unwrap();
        assert!(!text.contains("adelaide") && !text.contains(r#""2":"#), "neither the person nor a judgement of 2");
        assert!(dir.path().join("adapters/1.gguf").exists());
        assert!(!dir.path().join("adapters/2.gguf").exists() && !home.paths().training().exists());
        assert_eq!(home.state().ledger().current(), generation(1));
        assert_eq!(home.believe(&bob).unwrap().digest(), with_the_first);
        assert_eq!(home.state().generations().next(), generation(3), "a number is not used again");
        // What was believed under 1 is still found; what was believed under 2 cannot be, and is not claimed.
        let options = crate::replay::Options { verify: true, ..Default::default() };
        let replay = crate::replay::replay(text.as_bytes(), &options).unwrap();
        assert_eq!(replay.disagreements().count(), 0);
        assert_eq!(replay.people.iter().map(|p| p.digests.len()).sum::<usize>(), 1);
    }

    /// Only trainings that saw the person go; what cannot be said of goes too.
    #[test]
    fn trainings_that_did_not_see_the_person_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let folder = |name: &str, job: Option<&str>| {
            let path = home.paths().training().join(name);
            fs::create_dir_all(&path).unwrap();
            job.iter().for_each(|job| fs::write(path.join("job.json"), job).unwrap());
            path
        };
        let clean = r#"{"generation":1,"in_use":0,"start":"base","data":{"absorbed":{"bob":[9]},"held_out":[]}}"#;
        let stays = folder("generation-1", Some(clean));
        let absorbed = folder("generation-2", Some(&clean.replace("bob", "adelaide")));
        let held_out = folder("generation-3", Some(&clean.replace("[]", r#"[{"seq":7,"person":"adelaide"}]"#)));
        let unknown = folder("generation-4", None);
        let nobody = folder("generation-5", Some(r#"{"generation":9,"in_use":0}"#));
        let mut gone = vec![absorbed, held_out, unknown, nobody];
        let with = |name: &str, file: &str, content: &[u8]| {
            let path = folder(name, Some(clean)).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            home.paths().training().join(name)
        };
        for (n, (file, content)) in [
            ("examples.jsonl", "{\"person\":\"bob\"}\n{\"person\":\"adelaide\"}\n"),
            ("examples.jsonl", "{\"person\":\"bob\"}\nnot json\n"),
            ("checkpoint/data.json", r#"{"people":["adelaide"]}"#),
            ("text.txt", "Adelaide: tea\n"),
            ("notes", "adelaide"),
            ("DATA.JSON", r#"{"people":["adelaide"]}"#),
            ("data.json", "not json"),
        ]
        .into_iter()
        .enumerate()
        {
            gone.push(with(&format!("generation-6{n}"), file, content.as_bytes()));
        }
        let beside = [
            with("generation-70", "checkpoint/weights.gguf", b"GGUF\0\0adelaide\xff"),
            with("generation-71", "examples.jsonl", b"{\"person\":\"bob\"}\n\n"),
            with("generation-72", "taken", b"true"),
            with("generation-73", "log.txt", b"bob: tea\n"),
            with("generation-74", "data.json", br#"{"people":["bob"]}"#),
        ];
        fs::write(beside[4].join("job.json"), r#"{"generation":9,"in_use":0}"#).unwrap();
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        assert_eq!(erasure.trainings(), gone);
        erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
        assert!(stays.join("job.json").exists() && beside.iter().all(|path| path.exists()));
        assert!(gone.iter().all(|path| !path.exists()));
    }

    /// A name in two normal forms is one person, in paths and briefings too; the tombstone says nothing of it.
    #[test]
    fn the_name_is_in_no_path_and_what_else_bears_it_is_named() {
        use crate::record::{BriefingAdded, Exported, Passage};
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        for (n, form) in ["zo\u{eb}qxada", "zoe\u{308}qxada"].iter().enumerate() {
            home.append(time(2), choice(form, n, 1 + n, Some(0))).unwrap();
            let path = format!("/data/{}/out-{form}.csv", form.to_uppercase());
            let (format, content_hash) = ("csv".to_owned(), Hash::of(b"x"));
            home.append(time(2), Record::Exported(Exported { format, path, content_hash, rows: 1 })).unwrap();
        }
        let briefing = Record::BriefingAdded(BriefingAdded {
            briefing: "b".parse().unwrap(),
            source: "/notes/zo\u{eb}qxada/b.md".into(),
            content_hash: Hash::of(b"b"),
            passages: vec![Passage { heading: String::new(), text: "Ask Zoe\u{308}qxada first.".into() }],
        });
        let (entry, _) = home.append(time(2), briefing).unwrap();
        assert_eq!(home.state().people().len(), 3, "one person in two forms");
        let erasure = Erasure::of(&home, &id("zoe\u{308}qxada")).unwrap();
        assert_eq!(erasure.evidence(), 2);
        let unreached = vec!["/home/zo\u{eb}qxada/notes in the home".to_owned()];
        let told =
            erasure.carry_out(&mut home, "zoe\u{308}qxada", time(9), "zo\u{eb}qxada asked", false, unreached).unwrap();
        let briefing = format!("BriefingAdded of record {} bears the name", entry.seq);
        assert!(told.unreached.contains(&briefing), "{:?}", told.unreached);
        let records: Vec<Record> = home.entries().unwrap().map(|e| e.unwrap().record).collect();
        for record in records.iter().filter(|r| !matches!(r, Record::BriefingAdded(_))) {
            assert!(!traces::bears(record, "zo\u{eb}qxada"), "{record:?}");
        }
        let Some(Record::PersonErased(tombstone)) = records.last() else { panic!() };
        assert!(tombstone.unreached.contains(&briefing) && tombstone.reason == "[erased] asked");
    }

    #[test]
    fn it_does_not_happen_by_accident() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let before = fs::read(home.paths().log()).unwrap();
        assert!(matches!(Erasure::of(&home, &id("eve")), Err(EraseError::NoSuchPerson(_))));
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        let result = erasure.clone().carry_out(&mut home, "bob", time(9), "", false, vec![]);
        assert!(matches!(result, Err(EraseError::NotConfirmed { .. })));
        assert_eq!(fs::read(home.paths().log()).unwrap(), before);
        home.append(time(10), choice("adelaide", 0, 1, Some(0))).unwrap();
        assert!(matches!(
            erasure.carry_out(&mut home, "adelaide", time(9), "", false, vec![]),
            Err(EraseError::Outdated)
        ));
    }

    #[test]
    fn what_was_made_from_the_log_is_deleted_if_it_is_still_that() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(&dir.path().join("home"));
        let made = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            Record::Exported(crate::record::Exported {
                format: "csv".into(),
                path: path.display().to_string(),
                content_hash: Hash::of(content),
                rows: 1,
            })
        };
        for name in ["same", "changed", "gone", "same"] {
            home.append(time(2), made(name, format!("{name} {}", home.state().head().0).as_bytes())).unwrap();
        }
        fs::write(dir.path().join("changed"), "something of mine").unwrap();
        fs::remove_file(dir.path().join("gone")).unwrap();
        // Made before dora was there.
        home.append(time(3), choice("dora", 0, 1, Some(0))).unwrap();
        assert_eq!(Erasure::of(&home, &id("dora")).unwrap().artefacts(), []);
        let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
        assert_eq!(erasure.artefacts().len(), 3);
        let done = erasure.carry_out(&mut home, "adelaide", time(9), "", true, vec![]).unwrap();
        assert!(!dir.path().join("same").exists() && dir.path().join("changed").exists());
        let [left] = &done.unreached[..] else { panic!("{:?}", done.unreached) };
        assert!(left.contains("changed since"), "{left}");
    }
}
