//! From the log's state and the machine's to a decision, and from the decision to a job.

use std::collections::BTreeMap;
use std::path::Path;

use credence_memory::ids::{AdapterGeneration, PersonId, Seq};
use credence_memory::state::{State, StateError};
use jiff::Timestamp;
use serde::Serialize;

use super::candidate::{Folder, Imported, Job, TuneSettings};
use super::dataset::{self, DataSet, DataSetError, Whose};
use super::gate;
use super::records::{in_use, refused_since_promotion, turns};
use super::schedule::{Decision, Situation, Start, decide, start};

/// What the schedule cannot see in the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// The time.
    pub now: Timestamp,
    /// Processes waiting for each processor, where that is known.
    pub load: Option<f64>,
    /// Room on the disk, in bytes, where that is known.
    pub room_bytes: Option<u64>,
    /// Whether the model's architecture can be trained.
    pub trainable: bool,
}

/// The situation, and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Plan {
    /// Whose belief would be taught.
    pub whose: Whose,
    /// What the decision looked at.
    pub situation: Situation,
    /// The decision.
    pub decision: Decision,
    /// The next candidate's turn at the gate.
    pub turn: u32,
    /// The one-sided error level of its tests.
    pub level: f64,
}

/// Looks at everything and decides. `judged_at` is when the last candidate was judged.
///
/// # Errors
/// If belief cannot be formed.
pub fn plan(
    state: &State,
    home: &Path,
    whose: &Whose,
    settings: &TuneSettings,
    machine: Machine,
    judged_at: Option<Timestamp>,
) -> Result<Plan, StateError> {
    // What a candidate has learned from is not new to the next one, whether the gate let it in or not.
    let last = state.generations().adapters().map(|a| a.trained.cutoff).max().unwrap_or(Seq(0));
    let current = state.ledger().current();
    let information = state.ledger().information_since(current)?;
    let people = information.people.iter().filter(|p| whose.includes(&p.person));
    let (nats, records) = people.fold((0.0, 0), |(nats, n), p| (nats + p.gain_nats, n + p.records));
    let later = |p: &PersonId| state.person(p).map_or(0, |k| k.evidence().iter().filter(|e| e.seq > last).count());
    let answers: usize = state.people().keys().filter(|p| whose.includes(p)).map(later).sum();
    let pending = Folder::pending(home);
    let situation = Situation {
        nats,
        answers: records.min(answers as u64),
        rested_seconds: judged_at.map(|at| machine.now.duration_since(at).as_secs().max(0).unsigned_abs()),
        load: machine.load,
        room_bytes: machine.room_bytes,
        in_use: in_use(state),
        refused: refused_since_promotion(state),
        training: pending.as_ref().is_some_and(Folder::is_working),
        interrupted: pending.is_some_and(|folder| !folder.is_working()),
        trainable: machine.trainable,
    };
    let turn = turns(state) + 1;
    Ok(Plan {
        whose: whose.clone(),
        decision: decide(&settings.policy, &situation),
        situation,
        turn,
        level: gate::level(settings.gate.error, turn),
    })
}

/// Makes the job of the next candidate.
///
/// # Errors
/// If there is nothing to learn from.
pub fn job(state: &State, whose: &Whose, settings: &TuneSettings, from: Option<Start>) -> Result<Job, DataSetError> {
    let in_use = in_use(state);
    let current = state.ledger().current();
    let start = match from.unwrap_or_else(|| start(&settings.policy, in_use)) {
        Start::Parent if current == AdapterGeneration::BASE => Start::Base,
        start => start,
    };
    Ok(Job {
        generation: state.generations().next().0,
        in_use: current.0,
        start,
        turn: turns(state) + 1,
        data: dataset::build(state, whose, &settings.data)?,
        training: settings.training.clone(),
        gate: settings.gate,
        imported: None,
    })
}

/// The job of an adapter that was trained elsewhere. `taught` is the data set it was trained on, if that came from here;
/// without one it is taken to know nothing of this log, and is tried on all evidence.
pub fn import_job(state: &State, settings: &TuneSettings, taught: Option<DataSet>, imported: Imported) -> Job {
    let nothing = DataSet {
        whose: Whose::Population,
        cutoff: Seq(0),
        settings: settings.data.clone(),
        absorbed: BTreeMap::new(),
        held_out: Vec::new(),
        lessons: Vec::new(),
    };
    Job {
        generation: state.generations().next().0,
        in_use: state.ledger().current().0,
        start: Start::Base,
        turn: turns(state) + 1,
        data: taught.unwrap_or(nothing),
        training: settings.training.clone(),
        gate: settings.gate,
        imported: Some(imported),
    }
}

/// Whose belief is taught unless somebody says otherwise: the only person's, or everybody's.
pub fn whose(state: &State) -> Whose {
    let mut with_evidence = state.people().iter().filter(|(_, known)| !known.evidence().is_empty());
    match (with_evidence.next(), with_evidence.next()) {
        (Some((person, _)), None) => Whose::Person(person.clone()),
        _ => Whose::Population,
    }
}
