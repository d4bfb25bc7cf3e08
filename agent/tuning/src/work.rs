//! The work on a candidate, from its job to the gate's verdict: everything but the records of the log.
//!
//! It reads the log's state and writes only into the candidate's folder, so it may run beside a session, in another
//! process, and be killed at any moment: what was done is taken up where it was left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use credence_agent::opening::LoadError;
use credence_memory::ids::{AdapterGeneration, AlternativeId, Hash};
use credence_memory::record::AlternativeDescribed;
use credence_memory::state::State;
use credence_priors::checks::{ObviousPair, embedded_pairs};
use credence_priors::controls::{ControlBanks, read_controls};
use credence_priors::features::{FeatureError, FeatureSpace, JudgementReading};
use credence_priors::generation::{BaseBank, Generation};
use credence_priors::reading_cache::{ReadingCache, ReadingCacheError};
use credence_priors::readout::{Alternative, ReadError, read_alternatives, read_judgements};
use credence_priors::schema::ValueSchema;
use credence_priors::{LanguageModel, ModelError, ModelHandle};
use credence_training::{Adapter, Control, TrainingError, Weights, file_hash, train, train_from};

use super::candidate::{CandidatePrior, Folder, FolderError, Job, Outcome};
use super::gate::{Foresight, Judgement, judge};
use super::lessons::{self, Rehearsal};
use super::measure::{self, MeasureError, Sight, Trial, VARIANCE_SCALES};

/// Alternatives that a generation's judgement is fitted on, at most: the first ones that the log describes.
const BANK_MAX: usize = 128;
/// Steps from one checkpoint to the next: a few seconds' work on two cores.
const CHECKPOINT_STEPS: usize = 5;

/// What a candidate is made with.
pub struct CandidateBuilder<'a> {
    /// The log's state.
    pub state: &'a State,
    /// The schema.
    pub schema: &'a ValueSchema,
    /// The model's file, as it was downloaded.
    pub model_file: &'a Path,
    /// The base model.
    pub base: ModelHandle,
    /// Loads the model with an adapter.
    pub load: &'a dyn Fn(PathBuf) -> Result<ModelHandle, LoadError>,
    /// Readings of the base model.
    pub readings: &'a mut dyn ReadingCache,
    /// Adapter of a generation in this home.
    pub adapter_of: &'a dyn Fn(u32) -> Option<PathBuf>,
    /// Worker threads of the trainer; none for one each processor.
    pub threads: Option<usize>,
    /// Set to stop: the work then ends with [`WorkError::Cancelled`] and can be taken up.
    pub cancel: &'a AtomicBool,
    /// What probes read of fixed prompts with a model, by prompt and then by motive; nothing where there are no probes for the base.
    pub motives: Option<&'a ReadMotives<'a>>,
}

/// Reads fixed prompts with the probes there are.
pub type ReadMotives<'a> =
    dyn Fn(&mut ModelHandle) -> Result<Vec<Vec<f64>>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// What is being done.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Something is read with a model.
    Reading {
        /// What, in words.
        what: &'static str,
        /// How many are done.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// Training.
    Training {
        /// Steps done.
        step: usize,
        /// Steps in all.
        steps: usize,
        /// Loss of the last step, in nats.
        loss: f64,
        /// Tokens a second.
        tokens_per_second: f64,
    },
}

/// Why a candidate could not be finished. The generation in use is untouched by all of them.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// Stopped on request.
    #[error("stopped; it goes on where it was when it is run again")]
    Cancelled,
    /// A model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model could not be loaded.
    #[error("the model could not be loaded")]
    Load(#[source] LoadError),
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cache of readings failed.
    #[error(transparent)]
    Cache(#[from] ReadingCacheError),
    /// The feature space does not fit.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// Training failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The folder failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The gate could not be measured for.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The log's feature space is of another version.
    #[error("the log's feature space cannot be used by this version")]
    Space(#[source] serde_json::Error),
    /// The embedded banks are damaged.
    #[error("the control banks cannot be read")]
    Banks(#[from] credence_priors::checks::CasesError),
    /// The generation in use has no file.
    #[error("the adapter of generation {0} is not in this home")]
    NoParent(u32),
    /// A file's hash that is none.
    #[error("the hash of an adapter's file cannot be read")]
    Hash(#[from] credence_memory::ids::IdError),
    /// Probes could not read.
    #[error("the probes could not read the fixed prompts")]
    Motives(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log changed under the job.
    #[error("evidence that this candidate was to learn from was withdrawn; begin anew")]
    Outdated,
}

impl CandidateBuilder<'_> {
    /// Does the work on a candidate, or what is left of it.
    ///
    /// # Errors
    /// As [`WorkError`] says; what was done stays in the folder.
    pub fn work(
        &mut self,
        folder: &Folder,
        job: &Job,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, WorkError> {
        self.check(job)?;
        let _alone = folder.take()?;
        if let Some(outcome) = folder.read("outcome.json")? {
            return Ok(outcome);
        }
        let mut outcome = match job.imported {
            Some(_) => Outcome {
                adapter_hash: hash(&folder.adapter())?,
                losses: [0.0; 2],
                steps: 0,
                examples: 0,
                seconds: 0.0,
                judgement: None,
                prior: None,
            },
            None => self.train(folder, job, on_progress)?,
        };
        let (judgement, prior) = self.judge(folder, job, on_progress)?;
        (outcome.judgement, outcome.prior) = (Some(judgement), prior);
        folder.write("outcome.json", &outcome)?;
        Ok(outcome)
    }

    /// Everything that a job absorbs must still stand: a retraction in between would be learned from.
    fn check(&self, job: &Job) -> Result<(), WorkError> {
        for (person, taught) in &job.data.absorbed {
            let evidence = self.state.person(person).map_or(&[][..], |p| p.evidence());
            if !taught.iter().all(|seq| evidence.binary_search_by_key(seq, |e| e.seq).is_ok()) {
                return Err(WorkError::Outdated);
            }
        }
        Ok(())
    }

    fn cancelled(&self) -> Result<(), WorkError> {
        if self.cancel.load(Ordering::Relaxed) { Err(WorkError::Cancelled) } else { Ok(()) }
    }

    /// What there is to teach, read with the base model.
    ///
    /// # Errors
    /// The model fails, or a text cannot be read with it.
    pub fn teachings(
        &mut self,
        data: &super::dataset::DataSet,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<lessons::Teaching>, WorkError> {
        let alternatives: Vec<Alternative> =
            data.lessons.iter().flat_map(|l| l.texts.each_ref().map(|text| alternative(&l.situation, text))).collect();
        let mut progress = |done, total| on_progress(Progress::Reading { what: "what is taught", done, total });
        let read = read_alternatives(&mut self.base, self.schema, &alternatives, self.readings, &mut progress)?;
        let judgements: Vec<[Vec<f64>; 2]> =
            read.chunks(2).map(|pair| [pair[0].judgement.clone(), pair[1].judgement.clone()]).collect();
        let mut teachings = lessons::teachings(data, self.schema, &judgements);
        if data.settings.obvious_pairs > 0.0 {
            let sides = |pair: &ObviousPair| [&pair.better, &pair.worse].map(|text| alternative(&pair.situation, text));
            // No more is rehearsed than there is to teach.
            let obvious: Vec<Alternative> = embedded_pairs()?.iter().take(data.lessons.len()).flat_map(sides).collect();
            let mut progress = |done, total| on_progress(Progress::Reading { what: "what is rehearsed", done, total });
            let read = read_judgements(&mut self.base, self.schema, &obvious, &mut progress)?;
            teachings.extend(lessons::rehearsed_readouts(data, self.schema, &obvious, &read));
        }
        Ok(teachings)
    }

    fn train(
        &mut self,
        folder: &Folder,
        job: &Job,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, WorkError> {
        let teachings = self.teachings(&job.data, on_progress)?;
        self.cancelled()?;
        let rehearsal: Vec<Rehearsal> = match folder.read("rehearsal.json")? {
            Some(texts) => texts,
            None => {
                let texts = lessons::rehearsal(&mut self.base, job.data.settings.own_outputs, job.training.seed)?;
                folder.write("rehearsal.json", &texts)?;
                texts
            }
        };
        self.cancelled()?;
        let examples = lessons::examples(&teachings, &rehearsal, job.data.settings.weights[2], &mut self.base)?;
        let weights = Weights::load(self.model_file)?;
        let parent = match job.parent() {
            0 => None,
            generation => {
                let path = (self.adapter_of)(generation).ok_or(WorkError::NoParent(generation))?;
                Some(Adapter::read(&path, &weights)?)
            }
        };
        let start = Instant::now();
        let mut progress = |p: &credence_training::Progress| {
            on_progress(Progress::Training {
                step: p.step,
                steps: p.steps,
                loss: p.loss,
                tokens_per_second: p.tokens_per_second,
            });
        };
        let checkpoint = folder.checkpoint();
        let mut control = Control {
            progress: Some(&mut progress),
            cancel: Some(self.cancel),
            checkpoint: Some(&checkpoint),
            checkpoint_steps: CHECKPOINT_STEPS,
            threads: self.threads,
            ..Control::default()
        };
        let trained = match &parent {
            Some(parent) => train_from(&weights, parent, &examples, &job.training, &mut control)?,
            None => train(&weights, &examples, &job.training, &mut control)?,
        };
        if !trained.finished {
            return Err(WorkError::Cancelled);
        }
        trained.adapter.write(&folder.adapter())?;
        let losses = &trained.losses;
        let tenth = losses.len().div_ceil(10).min(losses.len());
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
        Ok(Outcome {
            adapter_hash: hash(&folder.adapter())?,
            losses: [mean(&losses[..tenth]), mean(&losses[losses.len() - tenth..])],
            steps: losses.len() as u64,
            examples: examples.len() as u64,
            seconds: start.elapsed().as_secs_f64(),
            judgement: None,
            prior: None,
        })
    }

    /// Asks the gate, as far as it must be asked: nothing is read with the candidate where there is too little evidence.
    pub(super) fn judge(
        &mut self,
        folder: &Folder,
        job: &Job,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Judgement, Option<CandidatePrior>), WorkError> {
        let trials = measure::trials(self.state, &job.data);
        let (unit, unit_of) = measure::units(&trials);
        let units = unit_of.iter().max().map_or(0, |last| last + 1);
        if units < job.gate.units_min {
            let nothing = vec![0.0; units];
            let foresight = Foresight { unit, gain: nothing.clone(), overconfidence: nothing };
            if let Some(judgement) = judge(&job.gate, job.turn, &foresight, None) {
                return Ok((judgement, None));
            }
        }
        let mut candidate = (self.load)(folder.adapter()).map_err(WorkError::Load)?;
        self.cancelled()?;
        let (bank, generation, judgements) = self.read_generation(&mut candidate, &trials, on_progress)?;
        self.cancelled()?;

        let in_use = match job.in_use {
            0 => {
                let untaught = bank.untaught(&mut self.base, self.schema, self.readings)?;
                let judgements = self.base_judgements(&untaught.reading, &trials, on_progress)?;
                widths(&untaught, &judgements)
            }
            number => {
                let sight = self.sight_in_use(number, &trials, on_progress)?;
                let scaled = |scale: &f64| bank.scaled(&sight.mean, &sight.covariance, *scale);
                let wide = |(mean, covariance)| Sight { mean, covariance, judgements: sight.judgements.clone() };
                VARIANCE_SCALES.iter().map(scaled).map(wide).collect()
            }
        };
        let foresee = |sights: Vec<Sight>| -> Result<Vec<_>, MeasureError> {
            sights.iter().map(|sight| sight.foresee(self.state, &trials)).collect()
        };
        let before = foresee(in_use)?;
        let after = foresee(widths(&generation, &judgements))?;
        let compared = measure::compare(&trials, &before, &after);

        let (mean, covariance) = generation.scaled(compared.variance_scale);
        let prior = CandidatePrior {
            reading: generation.reading.clone(),
            bank_size: bank.alternatives().len(),
            covariance: triangle(&covariance, mean.len()),
            mean,
            variance_scale: compared.variance_scale,
            r_squared: generation.prior.r2,
            judgements,
        };
        if let Some(judgement) = judge(&job.gate, job.turn, &compared.foresight, None) {
            return Ok((judgement, Some(prior)));
        }
        let banks = ControlBanks::embedded()?;
        let reading = bank.base().reading;
        let mut progress = |done, total| on_progress(Progress::Reading { what: "controls, base model", done, total });
        let base = read_controls(&mut self.base, self.schema, &reading, &banks, &mut progress)?;
        self.cancelled()?;
        let mut progress = |done, total| on_progress(Progress::Reading { what: "controls, candidate", done, total });
        let read = read_controls(&mut candidate, self.schema, &generation.reading, &banks, &mut progress)?;
        let mut controls = measure::controls(&banks, &base, &read);
        if let Some(read) = self.motives {
            self.cancelled()?;
            let before = read(&mut self.base).map_err(WorkError::Motives)?;
            controls.motives = measure::motives(&before, &read(&mut candidate).map_err(WorkError::Motives)?);
        }
        let judgement = judge(&job.gate, job.turn, &compared.foresight, Some(&controls))
            .unwrap_or_else(|| unreachable!("with controls the gate always tells"));
        Ok((judgement, Some(prior)))
    }

    /// The base model's bank, a generation fitted beside it, and the generation's judgement residuals of the bank and of
    /// all alternatives of the trials.
    fn read_generation(
        &mut self,
        model: &mut ModelHandle,
        trials: &[Trial],
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<ReadGeneration, WorkError> {
        let elicited = self.state.elicited().ok_or(MeasureError::NoPrior)?;
        let space: FeatureSpace = serde_json::from_value(elicited.feature_space.clone()).map_err(WorkError::Space)?;
        let described = self.state.descriptions();
        let readable = |d: &&AlternativeDescribed| !d.text.trim().is_empty();
        let first: Vec<_> = described.iter().filter(readable).take(BANK_MAX).collect();
        let asked: Vec<Alternative> = first.iter().map(|d| alternative(&d.situation, &d.text)).collect();
        let mut progress = |done, total| on_progress(Progress::Reading { what: "the bank, base model", done, total });
        let bank = BaseBank::read(&mut self.base, self.schema, &space, &asked, self.readings, &mut progress)?;
        let mut progress = |done, total| on_progress(Progress::Reading { what: "the bank, candidate", done, total });
        let generation = bank.generation(model, self.schema, &mut progress)?;

        let mut wanted: Vec<AlternativeId> = first.iter().map(|d| d.alternative).collect();
        wanted.extend(measure::alternatives(self.state, trials));
        wanted.sort_unstable();
        wanted.dedup();
        let judgements = self.judgements(model, &generation.reading, &wanted, on_progress)?;
        Ok((bank, generation, judgements))
    }

    /// A generation's judgement residuals of described alternatives.
    fn judgements(
        &self,
        model: &mut ModelHandle,
        reading: &JudgementReading,
        wanted: &[AlternativeId],
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<(AlternativeId, f64)>, WorkError> {
        let described: Vec<_> = wanted.iter().filter_map(|id| self.state.description(id)).collect();
        let asked: Vec<Alternative> = described.iter().map(|d| alternative(&d.situation, &d.text)).collect();
        let mut progress = |done, total| on_progress(Progress::Reading { what: "held-out questions", done, total });
        let read = read_judgements(model, self.schema, &asked, &mut progress)?;
        Ok(residuals(reading, &described, read.iter().map(Vec::as_slice)))
    }

    /// The base model's judgement residuals of the alternatives of the trials.
    fn base_judgements(
        &mut self,
        reading: &JudgementReading,
        trials: &[Trial],
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<(AlternativeId, f64)>, WorkError> {
        let wanted = measure::alternatives(self.state, trials);
        let described: Vec<_> = wanted.iter().filter_map(|id| self.state.description(id)).collect();
        let asked: Vec<Alternative> = described.iter().map(|d| alternative(&d.situation, &d.text)).collect();
        let what = "held-out questions, base model";
        let mut progress = |done, total| on_progress(Progress::Reading { what, done, total });
        let read = read_alternatives(&mut self.base, self.schema, &asked, self.readings, &mut progress)?;
        Ok(residuals(reading, &described, read.iter().map(|r| r.judgement.as_slice())))
    }

    /// The sight of the generation in use, before its variance scale: its prior and judgements stand in the log, and
    /// judgements of what was described since are read with its adapter.
    fn sight_in_use(
        &mut self,
        number: u32,
        trials: &[Trial],
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Sight, WorkError> {
        let adapter = self.state.generations().adapter(AdapterGeneration(number));
        let (_, promoted) = adapter.and_then(|a| a.promoted.as_ref()).ok_or(WorkError::NoParent(number))?;
        let prior = &promoted.prior;
        let reading: JudgementReading = serde_json::from_value(prior.reading.clone()).map_err(WorkError::Space)?;
        let read = |d: &AlternativeDescribed| Some((d.alternative, d.judgement.get(&number)?.get()));
        let mut judgements: BTreeMap<AlternativeId, f64> = self.state.descriptions().iter().filter_map(read).collect();
        let mut missing = measure::alternatives(self.state, trials);
        missing.retain(|id| !judgements.contains_key(id));
        if !missing.is_empty() {
            let path = (self.adapter_of)(number).ok_or(WorkError::NoParent(number))?;
            let mut model = (self.load)(path).map_err(WorkError::Load)?;
            judgements.extend(self.judgements(&mut model, &reading, &missing, on_progress)?);
        }
        Ok(Sight {
            mean: prior.mean.iter().map(|x| x.get()).collect(),
            covariance: prior.covariance.iter().map(|x| x.get()).collect(),
            judgements,
        })
    }
}

/// The base model's bank, a generation fitted beside it, and the generation's judgement residuals.
type ReadGeneration = (BaseBank, Generation, Vec<(AlternativeId, f64)>);

fn alternative(situation: &str, text: &str) -> Alternative {
    Alternative::new((!situation.trim().is_empty()).then_some(situation), text)
}

/// A generation's prior under every variance scale.
fn widths(generation: &Generation, judgements: &[(AlternativeId, f64)]) -> Vec<Sight> {
    let wide = |scale: &f64| {
        let (mean, covariance) = generation.scaled(*scale);
        let covariance = covariance.iter().map(|v| v * scale).collect::<Vec<_>>();
        let covariance = triangle(&covariance, mean.len());
        Sight { mean, covariance, judgements: judgements.iter().copied().collect() }
    };
    VARIANCE_SCALES.iter().map(wide).collect()
}

/// What judgements by channel say beyond the values of what they are of.
fn residuals<'a>(
    reading: &JudgementReading,
    described: &[&AlternativeDescribed],
    judgements: impl Iterator<Item = &'a [f64]>,
) -> Vec<(AlternativeId, f64)> {
    let residual = |(d, judgement): (&&AlternativeDescribed, &[f64])| {
        let schema: Vec<f64> = d.schema.iter().map(|x| x.get()).collect();
        Some((d.alternative, reading.residual(&schema, judgement)?))
    };
    described.iter().zip(judgements).filter_map(residual).collect()
}

/// The lower triangle, by rows, of a square matrix by rows.
fn triangle(matrix: &[f64], width: usize) -> Vec<f64> {
    (0..width).flat_map(|row| matrix[row * width..=row * width + row].iter().copied()).collect()
}

fn hash(path: &Path) -> Result<Hash, WorkError> {
    Ok(file_hash(path)?.parse()?)
}

/// Whether a model of this file can be trained here: its architecture is known.
pub fn is_trainable(model: &dyn LanguageModel) -> bool {
    credence_training::Architecture::from_name(&model.describe().architecture).is_ok()
}
