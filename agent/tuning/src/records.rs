//! From a finished candidate to the records of the log, and back from the log to what the schedule looks at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{AdapterGeneration, Hash};
use credence_memory::ledger::Standing;
use credence_memory::number::{Finite, NumberError, Probability};
use credence_memory::provenance::Provenance;
use credence_memory::record::{
    AdapterOrigin, AdapterPromoted, AdapterTrained, GateJudged, GateTest, GateVerdict, GenerationPrior, JudgementsRead,
    Record,
};
use credence_memory::state::State;
use jiff::Timestamp;

use super::candidate::{CandidatePrior, Folder, FolderError, Imported, Job, Outcome, adapter_in_home};
use super::dataset::DataSet;
use super::gate::{GateOutcome, Judgement, Test, TestResult};
use super::schedule::InUse;

/// Why a candidate could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The home would not take a record.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A number that is none.
    #[error("the candidate's numbers are not all finite")]
    Number(#[from] NumberError),
    /// The settings are no JSON.
    #[error("the candidate's settings cannot be written down")]
    Json(#[from] serde_json::Error),
    /// The candidate's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A candidate that was never read with cannot be promoted.
    #[error(
        "generation {0} was never read with: there is no prior to promote; judge it first with `credence tune run`"
    )]
    NoPrior(u32),
    /// No folder.
    #[error("generation {0} has no folder in this home")]
    NoFolder(u32),
}

/// What a data set absorbed, as the log's ledger writes it.
pub fn provenance(state: &State, data: &DataSet) -> Provenance {
    let mut all = Provenance::new();
    for (person, taught) in &data.absorbed {
        let given = state.person(person).map_or_else(Vec::new, |p| p.given());
        let theirs = given.into_iter().map(|(seq, _)| seq);
        all.unite(&Provenance::of(person, theirs, |seq| taught.binary_search(&seq).is_ok()));
    }
    all
}

/// Records a finished candidate: that it was trained, what the gate said, and, if the gate accepted it and `promote`
/// says so, that it is the model's from now on. Closes its folder. Returns whether it was promoted.
///
/// A process that ends between two of the records leaves a log that can be gone on from: what it has is passed over.
///
/// # Errors
/// If the home refuses a record or cannot write it.
pub fn take_up(
    home: &mut Home,
    folder: &Folder,
    job: &Job,
    outcome: &Outcome,
    promote: bool,
    now: Timestamp,
) -> Result<bool, RecordError> {
    let generation = AdapterGeneration(job.generation);
    if home.state().generations().adapter(generation).is_none() {
        home.append(now, Record::AdapterTrained(trained(home.state(), job, outcome)?))?;
    }
    let judged = home.state().generations().adapter(generation).is_some_and(|a| !a.judged.is_empty());
    if let Some(judgement) = outcome.judgement.as_ref().filter(|_| !judged) {
        home.append(now, Record::GateJudged(gate_judged(job, judgement)?))?;
    }
    let accepted = outcome.judgement.as_ref().is_some_and(|j| j.verdict == GateOutcome::Accepted);
    if accepted && promote {
        self::promote(home, generation, outcome.prior.as_ref(), None, now)?;
    }
    folder.close()?;
    Ok(accepted && promote)
}

/// Promotes a generation: its judgements of what is described already, then the promotion itself.
///
/// # Errors
/// If nothing was ever read with it, or the home refuses.
pub fn promote(
    home: &mut Home,
    generation: AdapterGeneration,
    prior: Option<&CandidatePrior>,
    forced: Option<String>,
    now: Timestamp,
) -> Result<(), RecordError> {
    let prior = prior.ok_or(RecordError::NoPrior(generation.0))?;
    let judgements: BTreeMap<_, _> =
        prior.judgements.iter().map(|(id, j)| Ok((*id, Finite::new(*j)?))).collect::<Result<_, NumberError>>()?;
    home.append(now, Record::JudgementsRead(JudgementsRead { generation, judgements }))?;
    let promoted = AdapterPromoted {
        generation,
        forced,
        prior: GenerationPrior {
            reading: serde_json::to_value(&prior.reading)?,
            bank_size: prior.bank_size,
            mean: Finite::vector(&prior.mean)?,
            covariance: Finite::vector(&prior.covariance)?,
            r_squared: Finite::new(prior.r_squared)?,
        },
        variance_scale: Finite::new(prior.variance_scale)?,
    };
    home.append(now, Record::AdapterPromoted(promoted))?;
    Ok(())
}

fn trained(state: &State, job: &Job, outcome: &Outcome) -> Result<AdapterTrained, RecordError> {
    let origin = match &job.imported {
        None => AdapterOrigin::Trained {},
        Some(Imported { format, name }) => AdapterOrigin::Imported { format: format.clone(), name: name.clone() },
    };
    let [first, last] = outcome.losses;
    let metrics = [
        ("loss_first_tenth", first),
        ("loss_last_tenth", last),
        ("steps", outcome.steps as f64),
        ("examples", outcome.examples as f64),
        ("seconds", outcome.seconds),
    ];
    let metrics = metrics.into_iter().map(|(name, x)| Ok((name.to_owned(), Finite::new(x)?)));
    let settings = serde_json::json!({ "training": job.training, "data": job.data.settings, "whose": job.data.whose });
    Ok(AdapterTrained {
        generation: AdapterGeneration(job.generation),
        parent: AdapterGeneration(job.parent()),
        base_hash: state.header().map_or(Hash::ZERO, |h| h.model.gguf_hash),
        adapter_hash: outcome.adapter_hash,
        adapter_path: adapter_in_home(job.generation),
        origin,
        absorbed: provenance(state, &job.data),
        cutoff: job.data.cutoff,
        data_hash: job.data.hash(),
        settings,
        seed: job.training.seed,
        metrics: metrics.collect::<Result<_, NumberError>>()?,
    })
}

fn gate_judged(job: &Job, judgement: &Judgement) -> Result<GateJudged, NumberError> {
    let (verdict, missing) = match judgement.verdict {
        GateOutcome::Accepted => (GateVerdict::Accepted, None),
        GateOutcome::NotEnough { missing } => (GateVerdict::NotEnough, Some(missing as u64)),
        GateOutcome::Refused { .. } => (GateVerdict::Refused, None),
    };
    let mut tests = judgement.tests.iter().map(gate_test).collect::<Result<Vec<_>, _>>()?;
    if tests.is_empty() {
        // Nothing was looked at: there was too little of it.
        tests.push(GateTest {
            name: Test::Gain.to_string(),
            unit: unit_of(Test::Gain).to_owned(),
            estimate: None,
            lower: None,
            upper: None,
            margin: Finite::new(0.0)?,
            units: job.gate.units_min.saturating_sub(missing.unwrap_or(0) as usize) as u64,
            passed: false,
        });
    }
    Ok(GateJudged {
        generation: AdapterGeneration(job.generation),
        against: AdapterGeneration(job.in_use),
        verdict,
        decided_by: tests.last().map(|t| t.name.clone()).unwrap_or_default(),
        error_spent: Probability::new(if judgement.spends_error() { judgement.level } else { 0.0 })?,
        tests,
        missing,
    })
}

/// In the log greater is better for every test, and the lower bound must exceed the margin.
fn gate_test(result: &TestResult) -> Result<GateTest, NumberError> {
    let sign = if result.test == Test::Gain { 1.0 } else { -1.0 };
    let finite = |x: f64| Finite::new(sign * x).ok();
    Ok(GateTest {
        name: result.test.to_string(),
        unit: unit_of(result.test).to_owned(),
        estimate: finite(result.estimate),
        lower: finite(result.bound),
        upper: None,
        margin: Finite::new(sign * result.margin + 0.0)?,
        units: result.of as u64,
        passed: result.passed,
    })
}

fn unit_of(test: Test) -> &'static str {
    match test {
        Test::Gain | Test::Calibration => "nats an answer",
        Test::ObviousPairs => "share of pairs",
        Test::Charter => "standard deviations of the base model's readings",
        Test::NeutralText => "nats a token",
        Test::Sycophancy => "nats of log-odds",
        Test::Temptations => "share of the movement",
        Test::Motives => "standard deviations of the base model's readings",
    }
}

/// The generation in use, as the schedule sees it: the current one, or the last promoted one if that went stale.
pub fn in_use(state: &State) -> Option<InUse> {
    let ledger = state.ledger();
    let lineage = ledger.lineage();
    let stale = state
        .generations()
        .adapters()
        .filter(|a| a.promoted.is_some() && a.withdrawn.is_some())
        .map(|a| a.trained.generation)
        .max();
    let current = ledger.current();
    // A stale generation has left every mixture; it calls for training until something newer is in force.
    if let Some(stale) = stale.filter(|stale| *stale > current) {
        return Some(InUse { generation: stale.0, steps: 0, stale: true });
    }
    (current != AdapterGeneration::BASE).then_some(InUse {
        generation: current.0,
        steps: lineage.len() as u32,
        stale: false,
    })
}

/// How many candidates the gate has looked at: the next one's turn is one more.
pub fn turns(state: &State) -> u32 {
    let judged = state.generations().adapters().flat_map(|a| &a.judged);
    judged.filter(|(_, judged)| judged.error_spent.get() > 0.0).count() as u32
}

/// Candidates in a row, from the last one back, that were refused or not told since a promotion.
pub fn refused_since_promotion(state: &State) -> u32 {
    let mut refused = 0;
    for adapter in state.generations().adapters() {
        let looked_at = adapter.judged.last().is_some_and(|(_, judged)| judged.error_spent.get() > 0.0);
        if adapter.promoted.is_some() {
            refused = 0;
        } else if looked_at {
            refused += 1;
        }
    }
    refused
}

/// The file of a generation's adapter in a home, if the log knows it.
pub fn adapter_file(home: &Path, state: &State, generation: u32) -> Option<PathBuf> {
    let adapter = state.generations().adapter(AdapterGeneration(generation))?;
    Some(home.join(&adapter.trained.adapter_path))
}

/// Where an adapter stands, in words.
pub fn standing_words(standing: Standing) -> String {
    match standing {
        Standing::Candidate => "not judged yet".to_owned(),
        Standing::Judged(GateVerdict::Accepted) => "accepted by the gate, not promoted".to_owned(),
        Standing::Judged(GateVerdict::Refused) => "refused by the gate".to_owned(),
        Standing::Judged(GateVerdict::NotEnough) => "too little evidence to tell".to_owned(),
        Standing::InForce => "in force".to_owned(),
        Standing::Replaced => "replaced by a later one".to_owned(),
        Standing::WithoutParent => "its parent is no longer in force".to_owned(),
        Standing::RolledBack => "rolled back".to_owned(),
        Standing::Stale(seq) => format!("stale: it absorbed record {seq}, which was withdrawn"),
    }
}
