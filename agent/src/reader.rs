//! Reading alternatives with the model, as records: what the model says becomes `AlternativeDescribed` and `PriorElicited`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use credence_memory::ids::{AdapterGeneration, AlternativeId, Hash};
use credence_memory::number::{Finite, NumberError};
use credence_memory::record::{AlternativeDescribed, FeatureSource, JudgementsRead, PriorElicited};
use credence_priors::elicited::ElicitedPrior;
use credence_priors::features::{DescribedAlternative, FeatureError, FeatureSpace, FittedBank, JudgementReading};
use credence_priors::reading_cache::{FileReadingCache, MemoryReadingCache, ReadingCache, ReadingCacheError};
use credence_priors::readout::{Alternative, read_judgements};
use credence_priors::schema::ValueSchema;
use credence_priors::{LanguageModel, ModelError, ModelHandle};

use crate::bank::{Bank, BankAlternative, BankQuestion};

/// Every how many questions of the built-in bank one takes part in fitting the feature space and the prior. The rest is
/// read in the background: fitting on all of them would make a newcomer wait four times as long for the first question.
const FITTED_EVERY: usize = 8;

/// Reads alternatives in one feature space. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Reader {
    model: ModelHandle,
    schema: Arc<ValueSchema>,
    space: Arc<FeatureSpace>,
    readings: Option<PathBuf>,
    generations: Vec<GenerationReader>,
    /// Whether the log's features are in key points: it then has no text features.
    in_key_points: bool,
}

/// Reads the judgement of one generation of the model, with its adapter.
#[derive(Debug, Clone)]
pub struct GenerationReader {
    /// Its number.
    pub number: u32,
    /// The model with its adapter.
    pub model: ModelHandle,
    /// How its judgement is standardised.
    pub reading: Arc<JudgementReading>,
}

impl GenerationReader {
    /// What its judgement of alternatives says beyond their values, where that is known.
    fn judge<'a>(
        &mut self,
        schema: &ValueSchema,
        asked: &[Alternative],
        values: impl Iterator<Item = &'a [f64]>,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Option<Finite>>, ReaderError> {
        let read = read_judgements(&mut self.model, schema, asked, on_progress).map_err(FeatureError::from)?;
        let residual = |((values, judgement), asked): ((&[f64], &Vec<f64>), &Alternative)| {
            let residual = self.reading.residual(values, judgement).map(Finite::new).transpose();
            residual.map_err(|source| ReaderError::NotFinite { text: asked.text.clone(), source })
        };
        values.zip(&read).zip(asked).map(residual).collect()
    }
}

/// An alternative described, with the model's overall judgement before anything is taken out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The description.
    pub described: AlternativeDescribed,
    /// The overall judgement, in units of a neutral alternative's spread.
    pub judgement: f64,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The model or the feature space would not.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The cache of readings failed.
    #[error(transparent)]
    Cache(#[from] ReadingCacheError),
    /// The model gave a number that is none.
    #[error("the model's reading of {text:?} has a number that is not finite")]
    NotFinite {
        /// The alternative.
        text: String,
        /// Which number.
        source: NumberError,
    },
    /// The feature space in the log could not be understood.
    #[error("the log's feature space cannot be used by this version")]
    Space(#[source] serde_json::Error),
}

/// A prior just elicited, with the bank it came from.
#[derive(Debug)]
pub struct Elicited {
    /// What reads from now on.
    pub reader: Reader,
    /// The prior as elicited, with its spreads.
    pub prior: ElicitedPrior,
    /// The prior, for the log.
    pub record: PriorElicited,
    /// The alternatives it was fitted on, for the log.
    pub described: Vec<AlternativeDescribed>,
}

impl Elicited {
    /// How many text features the space has.
    pub fn text_features(&self) -> usize {
        self.reader.space.text_features_len()
    }
}

impl Reader {
    /// Continues in the feature space that stands in a log.
    ///
    /// `readings` is the folder of the cache of readings, or `None` to keep none.
    pub fn resume(
        model: ModelHandle,
        schema: Arc<ValueSchema>,
        prior: &PriorElicited,
        readings: Option<PathBuf>,
    ) -> Result<Self, ReaderError> {
        if prior.in_key_points() {
            let fitted = Self::elicit(model, schema, readings, &mut |_, _| {})?;
            return Ok(Self { in_key_points: true, ..fitted.reader });
        }
        let space: FeatureSpace = serde_json::from_value(prior.feature_space.clone()).map_err(ReaderError::Space)?;
        space.check(&model.describe(), &schema)?;
        Ok(Self { model, schema, space: Arc::new(space), readings, generations: Vec::new(), in_key_points: false })
    }

    /// The same reader, which also reads the judgement of these generations.
    pub fn with_generations(self, generations: Vec<GenerationReader>) -> Self {
        Self { generations, ..self }
    }

    /// Reads the reference set and a fixed part of the built-in bank, fits the feature space and elicits the prior.
    /// `on_progress` is told how many of how many alternatives are read.
    pub fn elicit(
        mut model: ModelHandle,
        schema: Arc<ValueSchema>,
        readings: Option<PathBuf>,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Elicited, ReaderError> {
        let bank = Bank::built_in();
        let fitted: Vec<&BankQuestion> = bank.questions.iter().step_by(FITTED_EVERY).collect();
        let alternatives: Vec<(&str, &BankAlternative)> =
            fitted.iter().flat_map(|q| q.alternatives.iter().map(|a| (q.situation.as_str(), a))).collect();
        let asked: Vec<Alternative> = alternatives.iter().map(|(s, a)| to_read(s, &a.text)).collect();
        let mut cache = open_cache(readings.as_ref(), &model, &schema)?;
        let fit = FittedBank::read_and_fit(&mut model, &schema, &asked, cache.as_mut(), on_progress)?;
        let prior = ElicitedPrior::from_bank(&fit);
        let record = prior_record(&fit.space, &prior)?;
        let by_alternative: BTreeMap<String, &DescribedAlternative> =
            fit.alternatives.iter().map(Alternative::key).zip(&fit.described).collect();
        let described = alternatives
            .iter()
            .zip(&asked)
            .filter_map(|((s, a), read)| Some(describe_record(s, a, by_alternative.get(&read.key())?)))
            .collect::<Result<_, _>>()?;
        let space = Arc::new(fit.space);
        let reader = Self { model, schema, space, readings, generations: Vec::new(), in_key_points: false };
        Ok(Elicited { reader, prior, record, described })
    }

    /// Describes alternatives in a situation: live, unless they were read before on this machine.
    pub fn describe(
        &mut self,
        situation: &str,
        alternatives: &[BankAlternative],
    ) -> Result<Vec<AlternativeDescribed>, ReaderError> {
        let asked: Vec<Alternative> = alternatives.iter().map(|a| to_read(situation, &a.text)).collect();
        let mut cache = open_cache(self.readings.as_ref(), &self.model, &self.schema)?;
        let described = self.space.describe(&mut self.model, &self.schema, &asked, cache.as_mut())?;
        let mut records: Vec<AlternativeDescribed> =
            alternatives.iter().zip(&described).map(|(a, d)| self.record(situation, a, d)).collect::<Result<_, _>>()?;
        self.add_judgements(&asked, &described, &mut records)?;
        Ok(records)
    }

    /// Adds what each generation judges to the records of alternatives just described.
    fn add_judgements(
        &mut self,
        asked: &[Alternative],
        described: &[DescribedAlternative],
        records: &mut [AlternativeDescribed],
    ) -> Result<(), ReaderError> {
        for generation in &mut self.generations {
            let values = described.iter().map(|d| d.schema.as_slice());
            let judged = generation.judge(&self.schema, asked, values, &mut |_, _| {})?;
            for (record, residual) in records.iter_mut().zip(judged) {
                record.judgement.extend(residual.map(|residual| (generation.number, residual)));
            }
        }
        Ok(())
    }

    /// What a generation judges of alternatives that were described without it; nothing if it is not read with.
    pub fn judgements(
        &mut self,
        generation: u32,
        described: &[AlternativeDescribed],
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Option<JudgementsRead>, ReaderError> {
        let Some(reader) = self.generations.iter_mut().find(|g| g.number == generation) else { return Ok(None) };
        let asked: Vec<Alternative> = described.iter().map(|d| to_read(&d.situation, &d.text)).collect();
        let values: Vec<Vec<f64>> = described.iter().map(|d| d.schema.iter().map(|x| x.get()).collect()).collect();
        let judged = reader.judge(&self.schema, &asked, values.iter().map(Vec::as_slice), on_progress)?;
        let judgements = described.iter().zip(judged).filter_map(|(d, residual)| Some((d.alternative, residual?)));
        Ok(Some(JudgementsRead { generation: AdapterGeneration(generation), judgements: judgements.collect() }))
    }

    /// Describes alternatives in a situation for a measurement: with the overall judgement, and nothing kept in the cache of readings.
    pub fn judge(&mut self, situation: &str, texts: &[String]) -> Result<Vec<Judged>, ReaderError> {
        let asked: Vec<Alternative> = texts.iter().map(|text| to_read(situation, text)).collect();
        let mut cache = MemoryReadingCache::default();
        let described = self.space.describe(&mut self.model, &self.schema, &asked, &mut cache)?;
        texts
            .iter()
            .zip(&described)
            .map(|(text, d)| {
                let alternative = BankAlternative::unkeyed(text.clone());
                Ok(Judged { described: self.record(situation, &alternative, d)?, judgement: d.judgement_raw })
            })
            .collect()
    }

    /// Describes the alternatives of many questions, handing each question's over as it is done, until `take` says no.
    /// One opening of the cache for all of them.
    pub fn describe_questions(
        &mut self,
        questions: &[BankQuestion],
        take: &mut dyn FnMut(Vec<AlternativeDescribed>) -> bool,
    ) -> Result<(), ReaderError> {
        let mut cache = open_cache(self.readings.as_ref(), &self.model, &self.schema)?;
        for question in questions {
            let asked: Vec<Alternative> =
                question.alternatives.iter().map(|a| to_read(&question.situation, &a.text)).collect();
            let described = self.space.describe(&mut self.model, &self.schema, &asked, cache.as_mut())?;
            let mut records: Vec<AlternativeDescribed> = question
                .alternatives
                .iter()
                .zip(&described)
                .map(|(a, d)| self.record(&question.situation, a, d))
                .collect::<Result<_, _>>()?;
            self.add_judgements(&asked, &described, &mut records)?;
            if !take(records) {
                break;
            }
        }
        Ok(())
    }

    fn record(
        &self,
        situation: &str,
        alternative: &BankAlternative,
        described: &DescribedAlternative,
    ) -> Result<AlternativeDescribed, ReaderError> {
        let mut record = describe_record(situation, alternative, described)?;
        if self.in_key_points {
            record.text_block.clear();
        }
        Ok(record)
    }

    /// The model.
    pub fn model(&self) -> &ModelHandle {
        &self.model
    }

    /// A reader whose work gives way to anything in the foreground and ends when `cancel` is set.
    pub fn background(&self, cancel: credence_priors::Cancel) -> Self {
        let generations = self
            .generations
            .iter()
            .map(|g| GenerationReader { model: g.model.background(cancel.clone()), ..g.clone() });
        Self { generations: generations.collect(), model: self.model.background(cancel.clone()), ..self.clone() }
    }
}

fn to_read(situation: &str, text: &str) -> Alternative {
    Alternative::new((!situation.trim().is_empty()).then_some(situation), text)
}

fn open_cache(
    folder: Option<&PathBuf>,
    model: &ModelHandle,
    schema: &ValueSchema,
) -> Result<Box<dyn ReadingCache>, ReaderError> {
    Ok(match folder {
        Some(folder) => Box::new(FileReadingCache::open(folder, &model.describe(), schema)?),
        None => Box::new(MemoryReadingCache::default()),
    })
}

fn describe_record(
    situation: &str,
    alternative: &BankAlternative,
    described: &DescribedAlternative,
) -> Result<AlternativeDescribed, ReaderError> {
    let not_finite = |source| ReaderError::NotFinite { text: alternative.text.clone(), source };
    Ok(AlternativeDescribed {
        alternative: AlternativeId::of(situation, &alternative.text),
        situation: situation.to_owned(),
        text: alternative.text.clone(),
        source: FeatureSource::Read,
        schema: Finite::vector(&described.schema).map_err(not_finite)?,
        schema_error: Finite::vector(&described.schema_error).map_err(not_finite)?,
        text_block: Finite::vector(&described.text).map_err(not_finite)?,
        judgement: BTreeMap::from([(0, Finite::new(described.judgement).map_err(not_finite)?)]),
        attributes: BTreeMap::new(),
    })
}

fn prior_record(space: &FeatureSpace, prior: &ElicitedPrior) -> Result<PriorElicited, ReaderError> {
    let not_finite = |source| ReaderError::NotFinite { text: "the prior".into(), source };
    let feature_space = serde_json::to_value(space).map_err(ReaderError::Space)?;
    let dimension = prior.dimension();
    let triangle: Vec<f64> =
        (0..dimension).flat_map(|i| prior.covariance[i * dimension..=i * dimension + i].to_vec()).collect();
    Ok(PriorElicited {
        feature_space_hash: Hash::of(feature_space.to_string().as_bytes()),
        feature_space,
        bank_size: prior.bank,
        mean: Finite::vector(&prior.mean).map_err(not_finite)?,
        covariance: Finite::vector(&triangle).map_err(not_finite)?,
        reference_variance: Finite::vector(&prior.reference_variance).map_err(not_finite)?,
        r_squared: Finite::new(prior.r2).map_err(not_finite)?,
        published: None,
    })
}
