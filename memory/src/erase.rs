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
use crate::record::{Erased, PersonErased, QuarantineSet, Record, Subject, Whose};
use crate::state::{Adapter, State};
use crate::text::{self, without_name};

/// What erasing a person would remove. Nothing happens until [`Erasure::carry_out`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Nobody where only populations go that were learned from somebody in another shard.
    person: Option<PersonId>,
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
    /// The log has nothing about this person, or it cannot be read; or the home follows a shard, and all others that do would differ.
    pub fn of(home: &Home, person: &PersonId) -> Result<Self, EraseError> {
        if let Some(shard) = home.state().shards_followed().next() {
            return Err(HomeError::Fed { shard }.into());
        }
        Self::over_shards(home, Some(person), &BTreeSet::new())
    }

    /// As [`Erasure::of`], and of populations that were learned from a person of another shard, by the numbers of their fits, with the
    /// digests of beliefs that were recorded under them. Without a person, these alone.
    ///
    /// # Errors
    /// As [`Erasure::of`].
    pub fn over_shards(home: &Home, person: Option<&PersonId>, fits: &BTreeSet<u64>) -> Result<Self, EraseError> {
        if let Some(person) = person
            && home.state().person(person).is_none()
            && !home.state().has_left(person)
        {
            return Err(EraseError::NoSuchPerson(person.to_string()));
        }
        let touched = |a: &&Adapter| person.is_some_and(|person| !a.absorbed.runs(person).is_empty());
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
            let is_theirs = owned.of_fit(&entry, fits) || person.is_some_and(|p| owned.claims(p, &entry, &records));
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
        let trainings = person.map_or_else(Vec::new, |p| trainings::of(&home.paths().training(), p, &generations));
        let (person, head) = (person.cloned(), home.state().head().0);
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

    /// Whether there is anything to erase.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.person.is_none()
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
        unreached: Vec<String>,
    ) -> Result<PersonErased, EraseError> {
        let name = self.name().to_owned();
        if text::name(confirmation) != name {
            let (expected, given) = (name, confirmation.to_owned());
            return Err(EraseError::NotConfirmed { expected, given });
        }
        self.carry_out_ending(home, time, reason, delete_artefacts, unreached, None)
    }

    /// As [`Erasure::carry_out`], confirmed elsewhere; `last` stands behind all of it in the new log, in one piece with it.
    ///
    /// # Errors
    /// As [`Erasure::carry_out`].
    pub fn carry_out_ending(
        self,
        home: &mut Home,
        time: Timestamp,
        reason: &str,
        delete_artefacts: bool,
        mut unreached: Vec<String>,
        last: Option<Record>,
    ) -> Result<PersonErased, EraseError> {
        let name = self.name().to_owned();
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
            if !name.is_empty() && traces::bears(&record, &name) {
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
        let nameless = |text: &String| self.nameless(text);
        let tombstone = PersonErased {
            reason: nameless(&told.reason),
            unreached: told.unreached.iter().map(nameless).collect(),
            ..told.clone()
        };
        kept.push((time, Record::PersonErased(tombstone)));
        kept.extend(last.map(|record| (time, record)));
        home.rewrite(kept)?;
        Ok(told)
    }

    /// The name that must be given once more; empty where nobody is erased.
    fn name(&self) -> &str {
        self.person.as_ref().map_or("", PersonId::as_str)
    }

    fn nameless(&self, text: &str) -> String {
        self.person.as_ref().map_or_else(|| text.to_owned(), |p| without_name(text, p.as_str(), traces::ERASED))
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
            Record::Exported(r) => r.path = self.nameless(&r.path),
            Record::BriefingAdded(r) => r.source = self.nameless(&r.source),
            Record::DocumentAdded(r) => r.source = self.nameless(&r.source),
            Record::PeopleLeft(r) => r.people.retain(|person| Some(person) != self.person.as_ref()),
            Record::PeopleJoined(r) => {
                let is_theirs = |person: &PersonId| Some(person) == self.person.as_ref();
                let mut theirs = r.people.iter().map(is_theirs);
                r.parts.retain(|_| !theirs.next().unwrap_or(false));
                r.people.retain(|person| !is_theirs(person));
            }
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
    /// Fits of such populations, where they are over several shards.
    fits: BTreeSet<u64>,
}

impl Owned {
    /// Whether it rests on a population that goes with somebody of another shard.
    fn of_fit(&mut self, entry: &Entry, fits: &BTreeSet<u64>) -> bool {
        match &entry.record {
            Record::PopulationConsolidated(r) => {
                let goes = r.across.is_some_and(|across| fits.contains(&across.fit));
                self.population |= goes;
                goes
            }
            // What withdraws a population that goes would withdraw nothing.
            Record::PopulationWithdrawn(r) => fits.contains(&r.fit) || self.fits.contains(&r.fit),
            Record::BeliefRecorded(_) => self.population,
            _ => false,
        }
    }

    /// Whether it is a person's, or one of several that it is of. Adapters were dealt with before, and what is described is dealt with by
    /// who refers to it.
    fn claims(&mut self, person: &PersonId, entry: &Entry, records: &BTreeSet<Seq>) -> bool {
        let record = &entry.record;
        let theirs = match record.whose() {
            Whose::Person(whose) => whose == person,
            Whose::Session(session) => self.sessions.contains(session),
            Whose::Task(task) => self.tasks.contains(task),
            Whose::Evidence(seq) => records.contains(&seq),
            Whose::Several(people) => people.contains(&person),
            Whose::Nobody => false,
        };
        match record {
            Record::SessionStarted(r) if theirs => {
                self.sessions.insert(r.session.clone());
            }
            Record::TaskGiven(r) if theirs => {
                self.tasks.insert(r.task.clone());
            }
            // Its numbers were learned from the person; beliefs recorded under it are of a log that is no more.
            Record::PopulationConsolidated(r) if theirs => {
                self.population = true;
                self.fits.extend(r.across.map(|across| across.fit));
            }
            Record::BeliefRecorded(_) => return theirs || self.population,
            _ => {}
        }
        theirs
    }
}

#[cfg(test)]
mod tests;
