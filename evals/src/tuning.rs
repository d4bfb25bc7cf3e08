//! Does evidence that is trained by the schedule move the model's own prior toward people?
//!
//! Simulated people who are alike in part answer questions of the bank, round after round; the schedule decides, a
//! candidate is trained on everybody's belief, the gate judges it. What is measured is the prior *alone*, before and
//! after, on questions that differ from training in situation, in wording and in readout: paraphrased situations that are
//! not in the bank, read by templates that are not taught. The people who gave the evidence and people who
//! gave none are examined; the figure is the paired difference of the mean log score, over people.
//!
//! A run goes on where it was broken off: the answers stand in a log, the training in its folder, the figures in a file.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use credence_agent::bank::{Bank, BankAlternative, BankQuestion};
use credence_agent::opening::{Opening, OpeningError};
use credence_agent::reader::ReaderError;
use credence_agent::session::record_described;
use credence_memory::belief::simulate::below;
use credence_memory::home::{Home, HomeError, Paths};
use credence_memory::ids::{AdapterGeneration, AlternativeId, Hash, IdError, PersonId, QuestionId, SourceId};
use credence_memory::record::{AdapterRolledBack, ChoiceMade, LogOpened, Origin, Record};
use credence_memory::state::{State, StateError};
use credence_priors::checks::CasesError;
use credence_priors::features::FeatureError;
use credence_priors::reading_cache::{FileReadingCache, ReadingCacheError};
use credence_priors::readout::ReadError;
use credence_priors::{LanguageModel, ModelHandle};
use credence_tuning::candidate::{Folder, FolderError, Job, Outcome, TuneSettings};
use credence_tuning::dataset::{DataSetError, Whose};
use credence_tuning::gate::Judgement;
use credence_tuning::measure::MeasureError;
use credence_tuning::plan::{self, Machine};
use credence_tuning::records::{RecordError, take_up};
use credence_tuning::schedule::Decision;
use credence_tuning::work::{CandidateBuilder, Progress, WorkError};
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

mod examination;
mod figures;
mod people;

pub use examination::Examined;
use people::{choose, obvious, people};

/// What is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TuningExperiment {
    /// People who give evidence.
    pub people: usize,
    /// People who give none and are examined as well.
    pub newcomers: usize,
    /// Rounds of answers, each followed by the schedule's decision.
    pub rounds: usize,
    /// Answers of each person in a round.
    pub answers: usize,
    /// Questions of the bank that are asked.
    pub questions: usize,
    /// Standard deviation of a typical utility difference, in units of a person's noise.
    pub signal: f64,
    /// How much people differ: 0 for all alike, 1 for nothing in common.
    pub spread: f64,
    /// How far what they have in common holds with what is obvious to nearly everybody: 1 for nothing else, 0 for values that
    /// may as well be those of nobody.
    pub sense: f64,
    /// Whether labels are shuffled before training: the gate must then refuse.
    pub shuffled: bool,
    /// Seed of people, answers and training.
    pub seed: u64,
    /// How candidates are made and judged.
    pub settings: TuneSettings,
}

impl Default for TuningExperiment {
    fn default() -> Self {
        let mut settings = TuneSettings::default();
        settings.policy.rest_seconds_min = 0;
        settings.policy.load_max = 1e9;
        Self {
            people: 12,
            newcomers: 12,
            rounds: 2,
            answers: 20,
            questions: 60,
            signal: 3.0,
            spread: 0.3,
            sense: 0.5,
            shuffled: false,
            seed: 1,
            settings,
        }
    }
}

/// One round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Round {
    /// Its number, from 1.
    pub round: usize,
    /// Answers in the log after it.
    pub answers: usize,
    /// What the schedule said.
    pub decision: Decision,
    /// What the gate said of the candidate, if one was trained.
    pub judgement: Option<Judgement>,
    /// Whether it was promoted.
    pub promoted: bool,
    /// The candidate's examination, if one was trained.
    pub examined: Option<Examined>,
}

/// What the experiment found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TuningResult {
    /// What was tried.
    pub experiment: TuningExperiment,
    /// By round.
    pub rounds: Vec<Round>,
    /// Whether, after rolling back what was promoted, beliefs are bit for bit those of a log without a promotion; none if
    /// nothing was promoted.
    pub rolled_back_clean: Option<bool>,
}

/// Why the experiment could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TuningError {
    /// A home could not be opened.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// A home would not take a record.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Alternatives could not be read.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The work on a candidate.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// There is no data set.
    #[error(transparent)]
    DataSet(#[from] DataSetError),
    /// A candidate could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A candidate's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nothing could be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// Belief could not be formed.
    #[error(transparent)]
    State(#[from] StateError),
    /// Features could not be fitted.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// Judgements could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cache of readings failed.
    #[error(transparent)]
    Cache(#[from] ReadingCacheError),
    /// The obvious pairs.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// A name that cannot be one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A candidate's model could not be loaded.
    #[error("a candidate's model could not be loaded")]
    Load(#[source] credence_agent::opening::LoadError),
    /// The log's feature space is of another version.
    #[error("the log's feature space cannot be used by this version")]
    Space(#[source] serde_json::Error),
    /// The file system refused.
    #[error("failed to {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The folder belongs to another run.
    #[error("{} holds results of another experiment: give another folder", .0.display())]
    Another(PathBuf),
}

/// Runs the experiment in a folder, or what is left of it.
///
/// # Errors
/// As [`TuningError`] says; what was done stays in the folder.
pub fn run(
    dir: &Path,
    experiment: &TuningExperiment,
    opening: &Opening,
    model_file: &Path,
    cancel: &AtomicBool,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<TuningResult, TuningError> {
    let path = dir.join("results.json");
    let mut result = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<TuningResult>(&bytes).map_err(|_| TuningError::Another(path.clone()))?,
        Err(_) => TuningResult { experiment: experiment.clone(), rounds: Vec::new(), rolled_back_clean: None },
    };
    if result.experiment != *experiment {
        return Err(TuningError::Another(path));
    }
    let mut fixture = Fixture::open(dir, experiment, opening, on_progress)?;
    while result.rounds.len() < experiment.rounds {
        let round = fixture.round(result.rounds.len() + 1, model_file, cancel, on_progress)?;
        result.rounds.push(round);
        save(&path, &result)?;
    }
    if result.rolled_back_clean.is_none() && result.rounds.iter().any(|r| r.promoted) {
        result.rolled_back_clean = Some(fixture.roll_back()?);
        save(&path, &result)?;
    }
    Ok(result)
}

fn save(path: &Path, result: &TuningResult) -> Result<(), TuningError> {
    let failed = |source| TuningError::File { doing: "write", path: path.to_owned(), source };
    let bytes = serde_json::to_vec_pretty(result).map_err(|e| failed(e.into()))?;
    std::fs::write(path, bytes).map_err(failed)
}

struct Fixture<'a> {
    experiment: &'a TuningExperiment,
    opening: &'a Opening,
    home: Home,
    exam: State,
    questions: Vec<BankQuestion>,
    people: Vec<Vec<f64>>,
}

impl<'a> Fixture<'a> {
    fn open(
        dir: &Path,
        experiment: &'a TuningExperiment,
        opening: &'a Opening,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Self, TuningError> {
        let root = dir.join("home");
        let mut home = opened(&root, experiment, opening, on_progress)?;
        let prior = home.state().elicited().ok_or(MeasureError::NoPrior)?.clone();
        let mut reader = opening.reader(&(&prior).into(), &[], &mut |_| {})?;
        let questions: Vec<BankQuestion> = Bank::built_in().questions.into_iter().take(experiment.questions).collect();
        let missing = |q: &BankQuestion| {
            let id = |a: &BankAlternative| AlternativeId::of(&q.situation, &a.text);
            !q.alternatives.iter().all(|a| home.state().description(&id(a)).is_some())
        };
        let unread: Vec<BankQuestion> = questions.iter().filter(|q| missing(q)).cloned().collect();
        for (done, question) in unread.iter().enumerate() {
            on_progress(Progress::Reading { what: "the bank", done, total: unread.len() });
            let described = reader.describe(&question.situation, &question.alternatives)?;
            let now = time(home.state());
            record_described(&mut home, described, now)?;
        }
        let people = people(experiment, home.state(), &questions, &obvious(&mut reader)?);
        let exam = examination::written(&dir.join("exam"), experiment, &home, &mut reader, &people, on_progress)?;
        Ok(Self { experiment, opening, home, exam, questions, people })
    }

    fn round(
        &mut self,
        number: usize,
        model_file: &Path,
        cancel: &AtomicBool,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Round, TuningError> {
        let root = self.home.paths().root().to_owned();
        let pending = match Folder::pending(&root) {
            Some(folder) => folder.read::<Job>("job.json")?.map(|job| (folder, job)),
            None => None,
        };
        let settings = &self.experiment.settings;
        let (decision, begun) = match pending {
            Some((folder, job)) => {
                let because = credence_tuning::schedule::Why::Interrupted;
                (Decision::Train { start: job.start, because }, Some((folder, job)))
            }
            None => {
                self.ask(number)?;
                let machine = Machine { now: time(self.home.state()), load: None, room_bytes: None, trainable: true };
                let plan = plan::plan(self.home.state(), &root, &Whose::Population, settings, machine, None)?;
                let begun = match plan.decision {
                    Decision::Wait { .. } => None,
                    Decision::Train { .. } => {
                        let mut job = plan::job(self.home.state(), &Whose::Population, settings, None)?;
                        job.training.seed = self.experiment.seed;
                        if self.experiment.shuffled {
                            let mut random = ChaCha8Rng::seed_from_u64(self.experiment.seed);
                            job.data = job.data.with_shuffled_labels(&mut random);
                        }
                        let folder = Folder::of(&root, job.generation);
                        folder.make()?;
                        folder.write("job.json", &job)?;
                        Some((folder, job))
                    }
                };
                (plan.decision, begun)
            }
        };
        let answers = self.home.state().people().values().map(|p| p.evidence().len()).sum();
        let Some((folder, job)) = begun else {
            return Ok(Round { round: number, answers, decision, judgement: None, promoted: false, examined: None });
        };
        let outcome = self.work(&folder, &job, model_file, cancel, on_progress)?;
        let seed = self.experiment.seed;
        let examined = examination::examine(self.opening, self.home.state(), &self.exam, &folder, seed, on_progress)?;
        let now = time(self.home.state());
        let promoted = take_up(&mut self.home, &folder, &job, &outcome, true, now)?;
        let (judgement, examined) = (outcome.judgement, Some(examined));
        Ok(Round { round: number, answers, decision, judgement, promoted, examined })
    }

    /// Every person answers as many questions as a round has; those that stand in the log already are not asked again.
    fn ask(&mut self, number: usize) -> Result<(), TuningError> {
        let mut random = ChaCha8Rng::seed_from_u64(self.experiment.seed);
        random.set_stream(100 + number as u64);
        for person in 0..self.experiment.people {
            let id = name("known", person)?;
            let given = self.home.state().person(&id).map_or(0, |p| p.evidence().len());
            let due = number * self.experiment.answers;
            for _ in given.min(due)..due {
                let question = &self.questions[below(self.questions.len(), &mut random)];
                let pair = [0, 1].map(|i| AlternativeId::of(&question.situation, &question.alternatives[i].text));
                let chosen = choose(self.home.state(), &self.people[person], pair, &mut random);
                let record = choice(&id, pair, chosen)?;
                self.home.append(time(self.home.state()), record)?;
            }
        }
        Ok(())
    }

    fn work(
        &self,
        folder: &Folder,
        job: &Job,
        model_file: &Path,
        cancel: &AtomicBool,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, TuningError> {
        let base = (self.opening.load)().map_err(OpeningError::Load)?;
        let mut readings = readings(self.opening, &base)?;
        let load = |adapter: PathBuf| (self.opening.load_adapter)(&adapter);
        let root = self.home.paths().root().to_owned();
        let state = self.home.state();
        let adapter_of = |g| credence_tuning::records::adapter_file(&root, state, g);
        let mut builder = CandidateBuilder {
            state,
            schema: &self.opening.schema,
            model_file,
            base,
            load: &load,
            readings: &mut readings,
            adapter_of: &adapter_of,
            threads: None,
            cancel,
            motives: None,
        };
        Ok(builder.work(folder, job, on_progress)?)
    }

    /// Takes back what was promoted. Whether beliefs are then those of a log in which nothing was.
    fn roll_back(&mut self) -> Result<bool, TuningError> {
        let digest = |state: &State| -> Result<Vec<[u8; 32]>, StateError> {
            state.people().keys().map(|person| Ok(state.belief(person)?.digest())).collect()
        };
        let mut without = State::new();
        for entry in self.home.entries()? {
            let mut entry = entry.map_err(HomeError::from)?;
            // Everything but promotions, under other hashes: only beliefs are compared.
            entry.hash = Hash::of(&entry.seq.0.to_le_bytes());
            if !matches!(entry.record, Record::AdapterPromoted(_) | Record::AdapterRolledBack(_)) {
                without.note(&entry)?;
            }
        }
        loop {
            let generation = self.home.state().ledger().current();
            if generation == AdapterGeneration::BASE {
                return Ok(digest(self.home.state())? == digest(&without)?);
            }
            let back = AdapterRolledBack { generation, reason: "end of the experiment".into() };
            self.home.append(time(self.home.state()), Record::AdapterRolledBack(back))?;
        }
    }
}

/// A home with a fixed identity, so that the same experiment holds out the same questions.
fn opened(
    root: &Path,
    experiment: &TuningExperiment,
    opening: &Opening,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Home, TuningError> {
    opened_as(root, format!("tuning-{}", experiment.seed), opening, on_progress)
}

/// A home whose log has this identity.
pub(crate) fn opened_as(
    root: &Path,
    log_id: String,
    opening: &Opening,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Home, TuningError> {
    if Paths::of(root).has_log() {
        return Ok(Home::open(root)?.0);
    }
    let drawn = root.with_extension("drawn");
    let drawn_home = opening
        .open(&drawn, epoch(), &mut |p| {
            let (done, total) = (p.done as usize, p.total as usize);
            on_progress(Progress::Reading { what: "the model's prior", done, total });
        })?
        .home;
    let state = drawn_home.state();
    let header = state.header().ok_or(MeasureError::NoPrior)?.clone();
    let prior = state.elicited().ok_or(MeasureError::NoPrior)?.clone();
    let mut home = create(root, header, log_id)?;
    home.append(time(home.state()), Record::PriorElicited(prior))?;
    record_described(&mut home, state.descriptions().to_vec(), epoch()).map_err(TuningError::Home)?;
    drop(drawn_home);
    let _ = std::fs::remove_dir_all(&drawn);
    Ok(home)
}

pub(crate) fn readings(opening: &Opening, base: &ModelHandle) -> Result<FileReadingCache, TuningError> {
    let folder = opening.readings.clone().unwrap_or_else(std::env::temp_dir);
    Ok(FileReadingCache::open(&folder, &base.describe(), &opening.schema)?)
}

fn create(root: &Path, header: LogOpened, log_id: String) -> Result<Home, TuningError> {
    Ok(Home::create(root, epoch(), LogOpened { log_id, ..header })?)
}

fn choice(person: &PersonId, pair: [AlternativeId; 2], chosen: usize) -> Result<Record, TuningError> {
    Ok(Record::ChoiceMade(ChoiceMade {
        from: Origin { person: person.clone(), source: SourceId::new("simulated")?, session: None },
        question: Some(QuestionId::of(&pair)),
        alternatives: pair.to_vec(),
        chosen: Some(chosen),
        indifference_offered: false,
    }))
}

fn name(kind: &str, number: usize) -> Result<PersonId, IdError> {
    PersonId::new(&format!("{kind}-{number:02}"))
}

/// A log's clock: a second for each record, so that the same experiment writes the same log.
pub(crate) fn time(state: &State) -> Timestamp {
    let seconds = SignedDuration::from_secs(i64::try_from(state.head().0.0).unwrap_or(0));
    epoch().checked_add(seconds).unwrap_or(epoch())
}

fn epoch() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use credence_tuning::candidate::over_defaults;

    use super::*;

    #[test]
    fn an_experiment_s_file_changes_what_it_gives_and_nothing_else() {
        let read: TuningExperiment = over_defaults("people = 48\n[settings.training]\nepochs = 8\n").unwrap();
        let mut expected = TuningExperiment { people: 48, ..TuningExperiment::default() };
        expected.settings.training.epochs = 8;
        assert_eq!(read, expected);
        let error = over_defaults::<TuningExperiment>("poeple = 48").unwrap_err().to_string();
        assert!(error.contains("poeple"), "{error}");
    }
}
