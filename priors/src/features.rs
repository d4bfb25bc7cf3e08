//! The feature space: a fitted, serialisable map from what the model says of an alternative to plain numbers.
//!
//! Four steps, each fixed when the space is fitted on the reference set and a bank of alternatives:
//! 1. *schema features*: log-odds, centred and scaled for each template and pair of poles on the neutral reference set,
//!    then averaged over the pairs of a value and over templates. How far the templates disagree is their error;
//! 2. *text features*: principal components of hidden states, of what differs between the alternatives of one situation;
//! 3. *raw judgement*: the weighted mean of all judgement channels, each centred and scaled on the reference set;
//! 4. *judgement*: what is left of it after regression on the schema features, in units of its own spread.
//!
//! Regression and components look at differences *within* a situation: what a situation adds to all its alternatives
//! cancels in a choice, and must not decide what the model is taken to value.

use std::collections::HashMap;

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::linear::{centre_within, mean_sd, principal_components, regress};
use crate::model::{LanguageModel, ModelIdentity};
use crate::reading_cache::ReadingCache;
use crate::readout::{Alternative, RawReading, ReadError, judgement_weights, read_alternatives};
use crate::schema::ValueSchema;

/// Changed whenever the same readings would give other features.
pub const FEATURE_VERSION: u32 = 1;

/// Log-odds of a pair that hardly moves over the reference set are not blown up beyond this, in nats.
const SCALE_MIN: f64 = 0.05;
/// Components are fitted on at most this many hidden states: the cost is cubic.
const STATES_MAX: usize = 400;

/// Mean and standard deviation that a number is standardised with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// What is subtracted.
    pub mean: f64,
    /// What is divided by; positive.
    pub sd: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone, sd_min: f64) -> Self {
        let (mean, sd) = mean_sd(values);
        Self { mean, sd: sd.max(sd_min) }
    }

    fn apply(self, value: f64) -> f64 {
        (value - self.mean) / self.sd
    }
}

/// One alternative in numbers, all finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DescribedAlternative {
    /// One feature for each value of the schema, in units of a neutral alternative's spread.
    pub schema: Vec<f64>,
    /// Variance of each schema feature's error: that of the mean over templates.
    pub schema_error: Vec<f64>,
    /// Text features, standardised over the bank.
    pub text: Vec<f64>,
    /// What the overall judgement says beyond the schema features, standardised over the bank.
    pub judgement: f64,
    /// The overall judgement itself, in units of a neutral alternative's spread.
    pub judgement_raw: f64,
    /// Variance of the error of `judgement_raw`: that of the mean over its channels.
    pub judgement_error: f64,
}

impl DescribedAlternative {
    /// Schema features, text features and judgement in one vector, the order of an elicited prior's weights.
    pub fn vector(&self) -> Vec<f64> {
        self.schema.iter().chain(&self.text).copied().chain([self.judgement]).collect()
    }
}

/// How one generation's judgement is read: the scale of each channel, and what the schema features say of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgementReading {
    channels: Vec<Scale>,
    fit: JudgementFit,
}

impl JudgementReading {
    /// The judgement residual of an alternative with these schema features (generation 0's) and these judgements by
    /// channel, standardised over the bank it was fitted on; none if their number is another.
    pub fn residual(&self, schema: &[f64], judgements: &[f64]) -> Option<f64> {
        if judgements.len() != self.channels.len() || schema.len() != self.fit.coefficients.len() {
            return None;
        }
        let raw = self.raw(judgements);
        Some((raw - self.fit.intercept - dot(schema, &self.fit.coefficients)) / self.fit.residual_sd)
    }

    /// The overall judgement, in units of a neutral alternative's spread.
    pub fn raw(&self, judgements: &[f64]) -> f64 {
        let weights = judgement_weights(self.channels.len());
        let scaled = self.channels.iter().zip(judgements).map(|(scale, value)| scale.apply(*value));
        weights.iter().zip(scaled).map(|(weight, value)| weight * value).sum()
    }
}

/// Readings with other judgements.
pub(crate) fn with_judgements(readings: &[RawReading], judgements: &[Vec<f64>]) -> Vec<RawReading> {
    let replaced =
        |(reading, judgement): (&RawReading, &Vec<f64>)| RawReading { judgement: judgement.clone(), ..reading.clone() };
    readings.iter().zip(judgements).map(replaced).collect()
}

/// How the judgement depends on the schema features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct JudgementFit {
    intercept: f64,
    coefficients: Vec<f64>,
    residual_sd: f64,
}

/// How hidden states become text features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TextFit {
    /// By entry of the hidden state.
    entries: Vec<Scale>,
    /// By component, then by entry.
    loadings: Vec<Vec<f64>>,
    /// By component.
    scales: Vec<Scale>,
}

/// A fitted feature space. With it, describing an alternative needs only its raw reading; it is small enough to stand in
/// a record (a few hundred numbers, and `components` loadings for each entry of the hidden state).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSpace {
    /// [`FEATURE_VERSION`] at fitting.
    pub version: u32,
    /// The model all features come from (generation 0).
    pub model: ModelIdentity,
    /// [`ValueSchema::hash`].
    pub schema_hash: String,
    /// BLAKE3 hash of the keys of the bank, in hex.
    pub bank_hash: String,
    /// Ids of the values, in the order of the schema features.
    pub values: Vec<String>,
    /// By value, how many pairs of poles it has.
    poles: Vec<usize>,
    /// By template, then by pair.
    log_odds: Vec<Vec<Scale>>,
    /// By channel.
    judgement_channels: Vec<Scale>,
    judgement: JudgementFit,
    text: TextFit,
}

/// Why there are no features.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// An alternative could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Too little to fit on.
    #[error("expected a bank of at least {expected} different alternatives to fit features on, found {found}")]
    SmallBank {
        /// The fewest that do.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// The space belongs to another model or schema.
    #[error(
        "these features belong to another {what} (expected {expected}, found {found}); \
         start a new home, or use the {what} they were made with"
    )]
    Mismatch {
        /// `model` or `schema`.
        what: &'static str,
        /// What the space was fitted with.
        expected: String,
        /// What is in use.
        found: String,
    },
    /// A reading has another shape than the space.
    #[error("expected a reading of {expected}, found {found}")]
    Shape {
        /// Templates, pairs, channels and width the space was fitted with.
        expected: String,
        /// Those of the reading.
        found: String,
    },
}

/// The fewest alternatives a space is fitted on.
pub const BANK_MIN: usize = 8;

/// A space with the bank it was fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedBank {
    /// The space.
    pub space: FeatureSpace,
    /// The bank: its alternatives, each once, in their first order.
    pub alternatives: Vec<Alternative>,
    /// Their raw readings, in the same order.
    pub readings: Vec<RawReading>,
    /// Their features, in the same order.
    pub described: Vec<DescribedAlternative>,
}

impl FittedBank {
    /// Reads the reference set and the bank and fits a space on them.
    ///
    /// # Errors
    /// If the bank is too small or something cannot be read.
    pub fn read_and_fit(
        model: &mut dyn LanguageModel,
        schema: &ValueSchema,
        bank: &[Alternative],
        cache: &mut dyn ReadingCache,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, FeatureError> {
        let mut seen = std::collections::HashSet::new();
        let bank: Vec<Alternative> = bank.iter().filter(|alternative| seen.insert(*alternative)).cloned().collect();
        if bank.len() < BANK_MIN {
            return Err(FeatureError::SmallBank { expected: BANK_MIN, found: bank.len() });
        }
        let mut all: Vec<Alternative> =
            schema.reference.alternatives.iter().map(|text| Alternative::new(None, text)).collect();
        let references = all.len();
        all.extend(bank.iter().cloned());
        let mut readings = read_alternatives(model, schema, &all, cache, on_progress)?;
        let bank_readings = readings.split_off(references);
        let space = FeatureSpace::fit(&model.describe(), schema, &readings, &bank, &bank_readings);
        let described = bank_readings.iter().map(|reading| space.apply(reading)).collect::<Result<_, _>>()?;
        Ok(Self { space, alternatives: bank, readings: bank_readings, described })
    }
}

/// Numbers the situations, in the order they first appear.
pub(crate) fn situations(alternatives: &[Alternative]) -> Vec<usize> {
    let mut known = HashMap::new();
    alternatives
        .iter()
        .map(|alternative| {
            let next = known.len();
            *known.entry(alternative.situation.as_deref()).or_insert(next)
        })
        .collect()
}

impl FeatureSpace {
    /// Fits a space on raw readings of the reference set and of a bank.
    fn fit(
        model: &ModelIdentity,
        schema: &ValueSchema,
        reference: &[RawReading],
        bank: &[Alternative],
        bank_readings: &[RawReading],
    ) -> Self {
        let poles: Vec<usize> = schema.values.iter().map(|value| value.poles.len()).collect();
        let pairs: usize = poles.iter().sum();
        let log_odds = (0..schema.templates.len())
            .map(|template| {
                (0..pairs)
                    .map(|pair| Scale::of(reference.iter().map(|r| r.log_odds[template][pair]), SCALE_MIN))
                    .collect()
            })
            .collect();
        let channels = reference.first().map_or(0, |reading| reading.judgement.len());
        let judgement_channels =
            (0..channels).map(|channel| Scale::of(reference.iter().map(|r| r.judgement[channel]), SCALE_MIN)).collect();
        let keys: Vec<String> = bank.iter().map(Alternative::key).collect();
        let groups = situations(bank);
        let mut space = Self {
            version: FEATURE_VERSION,
            model: model.clone(),
            schema_hash: schema.hash(),
            bank_hash: blake3::hash(keys.join(",").as_bytes()).to_hex().to_string(),
            values: schema.values.iter().map(|value| value.id.clone()).collect(),
            poles,
            log_odds,
            judgement_channels,
            judgement: JudgementFit { intercept: 0.0, coefficients: vec![0.0; schema.values.len()], residual_sd: 1.0 },
            text: fit_text(schema.text_features.components, reference, bank_readings, &groups),
        };
        space.judgement = space.fit_judgement(bank_readings, &groups);
        space
    }

    fn fit_judgement(&self, bank: &[RawReading], groups: &[usize]) -> JudgementFit {
        let features: Vec<Vec<f64>> = bank.iter().map(|reading| self.schema_features(reading).0).collect();
        let judgements: Vec<Vec<f64>> = bank.iter().map(|reading| vec![self.raw_judgement(reading).0]).collect();
        let x = centre_within(&features, groups);
        let y = centre_within(&judgements, groups);
        let width = self.values.len();
        let x = DMatrix::from_fn(x.len(), width, |row, column| x[row][column]);
        let y = DVector::from_iterator(y.len(), y.iter().map(|row| row[0]));
        let lost = groups.iter().max().map_or(0, |largest| largest + 1);
        let fit = regress(&x, &y, lost);
        let coefficients: Vec<f64> = fit.mean.iter().copied().collect();
        let residuals = features.iter().zip(&judgements).map(|(row, judgement)| judgement[0] - dot(row, &coefficients));
        // The level is that of the whole bank: a residual of zero says "as good as its features".
        let (intercept, _) = mean_sd(residuals);
        let residual_sd = (&y - &x * &fit.mean).norm() / ((y.len().saturating_sub(lost)).max(1) as f64).sqrt();
        JudgementFit { intercept, coefficients, residual_sd: residual_sd.max(1e-6) }
    }

    /// How judgements are standardised in this space.
    pub(crate) fn judgement_reading(&self) -> JudgementReading {
        JudgementReading { channels: self.judgement_channels.clone(), fit: self.judgement.clone() }
    }

    /// The space with the judgement of another generation of the model, fitted on that generation's readings of the
    /// reference set and of a bank; all other features stay as they are.
    ///
    /// `reference` and `bank` are judgements by channel; `readings` and `groups` the bank's own raw readings and situations.
    pub(crate) fn with_judgement(
        &self,
        reference: &[Vec<f64>],
        bank: &[Vec<f64>],
        readings: &[RawReading],
        groups: &[usize],
    ) -> Self {
        let mut space = self.clone();
        let channels = self.judgement_channels.len();
        let scale = |channel: usize| Scale::of(reference.iter().map(move |r| r[channel]), SCALE_MIN);
        space.judgement_channels = (0..channels).map(scale).collect();
        space.judgement = space.fit_judgement(&with_judgements(readings, bank), groups);
        space
    }

    /// Checks that this space belongs to `model` and `schema`.
    ///
    /// # Errors
    /// [`FeatureError::Mismatch`].
    pub fn check(&self, model: &ModelIdentity, schema: &ValueSchema) -> Result<(), FeatureError> {
        if self.model.key() != model.key() {
            let name = |model: &ModelIdentity| {
                let hash: String = model.gguf_blake3.chars().take(12).collect();
                format!("{} {hash} in {}", model.name, model.scoring_precision)
            };
            return Err(FeatureError::Mismatch { what: "model", expected: name(&self.model), found: name(model) });
        }
        let found = schema.hash();
        if self.schema_hash != found {
            return Err(FeatureError::Mismatch { what: "schema", expected: self.schema_hash.clone(), found });
        }
        Ok(())
    }

    /// Reads alternatives, live if they are not in the cache, and describes them.
    ///
    /// # Errors
    /// If the space belongs to another model or schema, or an alternative cannot be read.
    pub fn describe(
        &self,
        model: &mut dyn LanguageModel,
        schema: &ValueSchema,
        alternatives: &[Alternative],
        cache: &mut dyn ReadingCache,
    ) -> Result<Vec<DescribedAlternative>, FeatureError> {
        self.check(&model.describe(), schema)?;
        let readings = read_alternatives(model, schema, alternatives, cache, &mut |_, _| {})?;
        readings.iter().map(|reading| self.apply(reading)).collect()
    }

    /// Describes a raw reading.
    ///
    /// # Errors
    /// [`FeatureError::Shape`] if it comes from another schema or model.
    pub fn apply(&self, reading: &RawReading) -> Result<DescribedAlternative, FeatureError> {
        let shape = |templates: usize, pairs: usize, channels: usize, width: usize| {
            format!("{templates} templates, {pairs} pairs of poles, {channels} judgements, {width} hidden entries")
        };
        let pairs = self.poles.iter().sum();
        let expected = shape(self.log_odds.len(), pairs, self.judgement_channels.len(), self.text.entries.len());
        let found_pairs = reading.log_odds.iter().map(Vec::len).find(|&found| found != pairs).unwrap_or(pairs);
        let found = shape(reading.log_odds.len(), found_pairs, reading.judgement.len(), reading.hidden.len());
        if expected != found {
            return Err(FeatureError::Shape { expected, found });
        }
        let (schema, schema_error) = self.schema_features(reading);
        let (judgement_raw, judgement_error) = self.raw_judgement(reading);
        let JudgementFit { intercept, coefficients, residual_sd } = &self.judgement;
        let judgement = (judgement_raw - intercept - dot(&schema, coefficients)) / residual_sd;
        Ok(DescribedAlternative {
            text: self.text_features(&reading.hidden),
            schema,
            schema_error,
            judgement,
            judgement_raw,
            judgement_error,
        })
    }

    /// How many text features there are.
    pub fn text_features_len(&self) -> usize {
        self.text.loadings.len()
    }

    /// How many templates there are.
    pub(crate) fn templates_len(&self) -> usize {
        self.log_odds.len()
    }

    /// What one sd of [`DescribedAlternative::judgement`] is in units of [`DescribedAlternative::judgement_raw`].
    pub fn judgement_residual_sd(&self) -> f64 {
        self.judgement.residual_sd
    }

    /// By template, then by value.
    pub(crate) fn features_by_template(&self, reading: &RawReading) -> Vec<Vec<f64>> {
        self.log_odds
            .iter()
            .zip(&reading.log_odds)
            .map(|(scales, row)| {
                let mut standardised = scales.iter().zip(row).map(|(scale, &value)| scale.apply(value));
                self.poles
                    .iter()
                    .map(|&count| standardised.by_ref().take(count).sum::<f64>() / count.max(1) as f64)
                    .collect()
            })
            .collect()
    }

    /// Schema features and the variances of their errors.
    fn schema_features(&self, reading: &RawReading) -> (Vec<f64>, Vec<f64>) {
        let by_template = self.features_by_template(reading);
        (0..self.values.len()).map(|value| mean_and_error(by_template.iter().map(|row| row[value]))).unzip()
    }

    fn raw_judgement(&self, reading: &RawReading) -> (f64, f64) {
        let weights = judgement_weights(self.judgement_channels.len());
        let channels: Vec<f64> =
            self.judgement_channels.iter().zip(&reading.judgement).map(|(scale, &value)| scale.apply(value)).collect();
        let mean = dot(&weights, &channels);
        let disagreement: f64 =
            weights.iter().zip(&channels).map(|(weight, value)| weight * (value - mean) * (value - mean)).sum();
        // Variance of a weighted mean; with equal weights it is the sample variance over the count.
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        let error = if squares < 1.0 { disagreement * squares / (1.0 - squares) } else { 0.0 };
        (mean, error)
    }

    fn text_features(&self, hidden: &[f32]) -> Vec<f64> {
        let entries: Vec<f64> =
            self.text.entries.iter().zip(hidden).map(|(scale, &entry)| scale.apply(f64::from(entry))).collect();
        self.text.loadings.iter().zip(&self.text.scales).map(|(row, scale)| scale.apply(dot(row, &entries))).collect()
    }
}

/// Components of what differs between alternatives of one situation, over reference set and bank.
fn fit_text(components: usize, reference: &[RawReading], bank: &[RawReading], groups: &[usize]) -> TextFit {
    let state = |reading: &RawReading| reading.hidden.iter().map(|&entry| f64::from(entry)).collect::<Vec<f64>>();
    let states: Vec<Vec<f64>> = reference.iter().chain(bank).map(state).collect();
    // The reference set is one group of its own.
    let groups: Vec<usize> =
        std::iter::repeat_n(0, reference.len()).chain(groups.iter().map(|group| group + 1)).collect();
    let centred = centre_within(&states, &groups);
    let width = states.first().map_or(0, Vec::len);
    let entries: Vec<Scale> = (0..width)
        .map(|entry| {
            // A few entries are a hundred times as large as the rest; unscaled they would be the components.
            let (_, sd) = mean_sd(centred.iter().map(|row| row[entry]));
            let (mean, _) = mean_sd(states.iter().map(|row| row[entry]));
            Scale { mean, sd: sd.max(1e-6) }
        })
        .collect();
    let scaled: Vec<Vec<f64>> =
        centred.iter().map(|row| row.iter().zip(&entries).map(|(value, scale)| value / scale.sd).collect()).collect();
    let stride = scaled.len().div_ceil(STATES_MAX).max(1);
    let sample: Vec<Vec<f64>> = scaled.iter().step_by(stride).cloned().collect();
    let loadings = principal_components(&sample, components);
    let scales = loadings
        .iter()
        .map(|loading| {
            let (_, sd) = mean_sd(scaled.iter().map(|row| dot(row, loading)));
            // Centred where the mean state lies: zero.
            Scale { mean: 0.0, sd: sd.max(1e-6) }
        })
        .collect();
    TextFit { entries, loadings, scales }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Mean of several readings of one thing, and the variance of that mean as their disagreement shows it.
fn mean_and_error(readings: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = readings.clone().count();
    let (mean, sd) = mean_sd(readings);
    (mean, sd * sd / count.max(1) as f64)
}
