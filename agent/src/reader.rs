//! Reading alternatives with the model, as records: what the model says becomes `AlternativeDescribed` and `PriorElicited`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use credence_memory::home::Home;

use credence_memory::ids::{AdapterGeneration, AlternativeId, Hash};
use credence_memory::number::{Finite, NumberError};
use credence_memory::record::{AlternativeDescribed, FeatureSource, JudgementsRead, PriorElicited};
use credence_priors::elicited::ElicitedPrior;
use credence_priors::features::{DescribedAlternative, FeatureError, FeatureSpace, FittedBank, JudgementReading};
use credence_priors::reading_cache::{FileReadingCache, MemoryReadingCache, ReadingCache, ReadingCacheError};
use credence_priors::readout::{Alternative, read_judgements};
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::{KeptReadings, MapError, ReadAct, ValueMap};
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
    way: Way,
    readings: Option<PathBuf>,
    /// What was read before, once it has been needed: its file may be long.
    kept: Kept,
    generations: Vec<GenerationReader>,
}

/// Readings that are held between calls.
type Kept = Arc<Mutex<Option<KeptReadings>>>;

/// How alternatives are read.
#[derive(Debug, Clone)]
enum Way {
    /// By pairs of opposite words: where nothing is keyed, in units of a neutral alternative's spread.
    Words(Arc<FeatureSpace>),
    /// From the model's states, by a map learned from keyed acts: in key points.
    States(Arc<ValueMap>, Hash),
}

/// What a log says of how its alternatives are read.
#[derive(Debug, Clone)]
pub struct ReadBefore {
    /// Its prior.
    pub prior: PriorElicited,
    /// The map that its latest reading was made with, if any was.
    pub map: Option<Hash>,
}

impl ReadBefore {
    /// What a home says; none before its prior stands there.
    pub fn of(home: &Home) -> Option<Self> {
        let state = home.state();
        let map = state.descriptions().iter().rev().find_map(|d| d.map);
        Some(Self { prior: state.elicited()?.clone(), map })
    }
}

impl From<&PriorElicited> for ReadBefore {
    fn from(prior: &PriorElicited) -> Self {
        Self { prior: prior.clone(), map: None }
    }
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
    /// Nothing says what the model's states mean.
    #[error("the model cannot be used to read what an act serves")]
    Map(#[from] MapError),
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
        match &self.reader.way {
            Way::Words(space) => space.text_features_len(),
            Way::States(..) => 0,
        }
    }
}

impl Reader {
    /// Continues to read as a log was read before. Where its features are in key points and no map is there for the model, one is
    /// learned: `on_progress` is told how many of how many acts are read for it.
    ///
    /// `readings` is the folder of the cache of readings, or `None` to keep none.
    ///
    /// # Errors
    /// If the log belongs to another model or schema, or the model cannot be used.
    pub fn resume(
        mut model: ModelHandle,
        schema: Arc<ValueSchema>,
        before: &ReadBefore,
        readings: Option<PathBuf>,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, ReaderError> {
        let way = if before.prior.in_key_points() {
            let map = map_for(&mut model, &schema, before.map, readings.as_deref(), on_progress)?;
            let hash = Hash::of(&map.to_bytes());
            Way::States(Arc::new(map), hash)
        } else {
            let space: FeatureSpace =
                serde_json::from_value(before.prior.feature_space.clone()).map_err(ReaderError::Space)?;
            space.check(&model.describe(), &schema)?;
            Way::Words(Arc::new(space))
        };
        Ok(Self { model, schema, way, readings, kept: Kept::default(), generations: Vec::new() })
    }

    /// The same reader, which also reads the judgement of these generations.
    pub fn with_generations(self, generations: Vec<GenerationReader>) -> Self {
        Self { generations, ..self }
    }

    /// Reads the reference set and a fixed part of the built-in bank, fits the feature space and elicits the prior.
    /// `on_progress` is told how many of how many alternatives are read.
    ///
    /// # Errors
    /// The model fails, or what it says is not finite; the cache of readings cannot be used.
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
        let way = Way::Words(Arc::new(fit.space));
        let reader = Self { model, schema, way, readings, kept: Kept::default(), generations: Vec::new() };
        Ok(Elicited { reader, prior, record, described })
    }

    /// Describes alternatives in a situation: live, unless they were read before on this machine.
    ///
    /// # Errors
    /// If the model fails, or a text is longer than its context.
    pub fn describe(
        &mut self,
        situation: &str,
        alternatives: &[BankAlternative],
    ) -> Result<Vec<AlternativeDescribed>, ReaderError> {
        self.describe_beside(situation, alternatives, &[])
    }

    /// Describes alternatives in a situation of which the log describes others already: what a map reads of an act is how it differs from
    /// what else can be done.
    ///
    /// # Errors
    /// As [`Reader::describe`].
    pub fn describe_beside(
        &mut self,
        situation: &str,
        alternatives: &[BankAlternative],
        others: &[AlternativeDescribed],
    ) -> Result<Vec<AlternativeDescribed>, ReaderError> {
        let space = match &self.way {
            Way::States(map, hash) => {
                let mut held = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = held.get_or_insert_with(|| KeptReadings::open(self.readings.as_deref(), map));
                return read_beside(&mut self.model, (map, *hash), kept, situation, alternatives, others);
            }
            Way::Words(space) => space.clone(),
        };
        let mut cache = open_cache(self.readings.as_ref(), &self.model, &self.schema)?;
        self.describe_by_words(&space, cache.as_mut(), situation, alternatives)
    }

    fn describe_by_words(
        &mut self,
        space: &FeatureSpace,
        cache: &mut dyn ReadingCache,
        situation: &str,
        alternatives: &[BankAlternative],
    ) -> Result<Vec<AlternativeDescribed>, ReaderError> {
        let asked: Vec<Alternative> = alternatives.iter().map(|a| to_read(situation, &a.text)).collect();
        let described = space.describe(&mut self.model, &self.schema, &asked, cache)?;
        let records = alternatives.iter().zip(&described).map(|(a, d)| describe_record(situation, a, d));
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
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
    ///
    /// # Errors
    /// As [`Reader::describe`].
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
    ///
    /// # Errors
    /// As [`Reader::describe`].
    pub fn judge(&mut self, situation: &str, texts: &[String]) -> Result<Vec<Judged>, ReaderError> {
        let asked: Vec<Alternative> = texts.iter().map(|text| to_read(situation, text)).collect();
        let acts: Vec<BankAlternative> = texts.iter().map(|text| BankAlternative::unkeyed(text.clone())).collect();
        let space = match &self.way {
            Way::States(map, hash) => {
                let mut kept = KeptReadings::open(None, map);
                let read = read_beside(&mut self.model, (map, *hash), &mut kept, situation, &acts, &[])?;
                let judgement = |d: &AlternativeDescribed| d.judgement.get(&0).map_or(0.0, |j| j.get());
                return Ok(read.into_iter().map(|d| Judged { judgement: judgement(&d), described: d }).collect());
            }
            Way::Words(space) => space.clone(),
        };
        let described = space.describe(&mut self.model, &self.schema, &asked, &mut MemoryReadingCache::default())?;
        let judged = acts
            .iter()
            .zip(&described)
            .map(|(act, d)| Ok(Judged { described: describe_record(situation, act, d)?, judgement: d.judgement_raw }));
        judged.collect()
    }

    /// Describes the alternatives of many questions, handing each question's over as it is done, until `take` says no.
    /// One opening of the cache for all of them.
    ///
    /// # Errors
    /// As [`Reader::describe`].
    pub fn describe_questions(
        &mut self,
        questions: &[BankQuestion],
        take: &mut dyn FnMut(Vec<AlternativeDescribed>) -> bool,
    ) -> Result<(), ReaderError> {
        match self.way.clone() {
            Way::States(map, hash) => {
                let mut kept = KeptReadings::open(self.readings.as_deref(), &map);
                for question in questions {
                    let (situation, acts) = (&question.situation, &question.alternatives);
                    if !take(read_beside(&mut self.model, (&map, hash), &mut kept, situation, acts, &[])?) {
                        break;
                    }
                }
            }
            Way::Words(space) => {
                let mut cache = open_cache(self.readings.as_ref(), &self.model, &self.schema)?;
                for question in questions {
                    let (situation, acts) = (&question.situation, &question.alternatives);
                    if !take(self.describe_by_words(&space, cache.as_mut(), situation, acts)?) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// How well each value is read, where reading is from states.
    pub fn map(&self) -> Option<&ValueMap> {
        match &self.way {
            Way::States(map, _) => Some(map),
            Way::Words(_) => None,
        }
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
        let model = self.model.background(cancel.clone());
        // Its own, so that nobody in the foreground waits for what it reads.
        Self { generations: generations.collect(), model, kept: Kept::default(), ..self.clone() }
    }
}

/// The map that a log was read with; else the one for this model, which is learned if it neither ships nor is kept.
fn map_for(
    model: &mut ModelHandle,
    schema: &ValueSchema,
    before: Option<Hash>,
    folder: Option<&Path>,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<ValueMap, MapError> {
    if let Some(hash) = before {
        match ValueMap::with_hash(&hash.to_string(), folder) {
            Ok(map) => return Ok(map),
            // Both are calibrated to key points, so weights mean the same.
            Err(error) => tracing::warn!("{error}; new acts are read with the present map"),
        }
    }
    let map = ValueMap::provided(model, schema, folder, on_progress)?;
    if let Some(folder) = folder {
        map.keep(folder)?;
    }
    Ok(map)
}

/// Reads alternatives beside others of their situation that are described already; what is read is shifted as a whole so that those stay
/// where they are.
fn read_beside(
    model: &mut ModelHandle,
    (map, hash): (&ValueMap, Hash),
    kept: &mut KeptReadings,
    situation: &str,
    alternatives: &[BankAlternative],
    others: &[AlternativeDescribed],
) -> Result<Vec<AlternativeDescribed>, ReaderError> {
    let texts = alternatives.iter().map(|a| a.text.as_str()).chain(others.iter().map(|d| d.text.as_str()));
    let asked: Vec<Alternative> = texts.map(|text| to_read(situation, text)).collect();
    let mut read = kept.read(model, map, &asked)?;
    let beside = read.split_off(alternatives.len());
    let shift = |stands: &dyn Fn(&AlternativeDescribed) -> f64, now: &dyn Fn(&ReadAct) -> f64| {
        let moved: f64 = others.iter().zip(&beside).map(|(d, act)| stands(d) - now(act)).sum();
        if others.is_empty() { 0.0 } else { moved / others.len() as f64 }
    };
    let number = |x: Option<&Finite>| x.map_or(0.0, |x| x.get());
    let judgement = shift(&|d| number(d.judgement.get(&0)), &|act| act.judgement);
    let points: Vec<f64> =
        (0..map.values.len()).map(|v| shift(&|d| number(d.schema.get(v)), &|act| act.points[v])).collect();
    let records = alternatives.iter().zip(read).map(|(alternative, act)| {
        let not_finite = |source| ReaderError::NotFinite { text: alternative.text.clone(), source };
        let schema: Vec<f64> = act.points.iter().zip(&points).map(|(points, shift)| points + shift).collect();
        Ok(AlternativeDescribed {
            alternative: AlternativeId::of(situation, &alternative.text),
            situation: situation.to_owned(),
            text: alternative.text.clone(),
            source: FeatureSource::Read,
            map: Some(hash),
            schema: Finite::vector(&schema).map_err(not_finite)?,
            schema_error: Finite::vector(&act.error).map_err(not_finite)?,
            text_block: Vec::new(),
            judgement: BTreeMap::from([(0, Finite::new(act.judgement + judgement).map_err(not_finite)?)]),
            attributes: BTreeMap::new(),
        })
    });
    records.collect()
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
        map: None,
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
