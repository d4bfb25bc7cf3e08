//! Contrast readout: what the model says of an alternative, in raw log-odds.
//!
//! "A or B?" fails on small models (they answer A); putting an alternative into a template and comparing two opposite
//! words at the next token works. One forward pass for each template gives all pairs of words at once.

use std::collections::HashMap;

pub use crate::alternative::{Alternative, RawReading};
use crate::model::{Continuation, LanguageModel, ModelError, Reading, Readout};
use crate::reading_cache::{ReadingCache, ReadingCacheError};
use crate::schema::{Judgement, Poles, ValueSchema, fill};

/// Names of the channels of [`RawReading::judgement`].
pub fn judgement_channels(schema: &ValueSchema) -> Vec<String> {
    let mut names = Vec::new();
    for judgement in &schema.judgements {
        for [good, bad] in &judgement.poles {
            names.push(format!("{}: {good}/{bad}", judgement.id));
        }
    }
    names.push("contrast: good/bad person".to_owned());
    names
}

/// Weights of the channels of [`RawReading::judgement`] in the overall judgement; they sum to one. All words together
/// count as much as the contrast: on the 20 open obvious pairs the mean margin then is 1.22 of its spread, against 0.99
/// with equal weights and 1.15 for the contrast alone (default model).
pub(crate) fn judgement_weights(channels: usize) -> Vec<f64> {
    let words = channels.saturating_sub(1);
    if words == 0 {
        return vec![1.0; channels];
    }
    let mut weights = vec![0.5 / words as f64; words];
    weights.push(0.5);
    weights
}

/// Alternatives read between two reports of progress.
const CHUNK: usize = 8;

/// What went wrong while reading alternatives.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The model failed.
    #[error("failed to read what the model makes of \"{alternative}\"")]
    Model {
        /// The first alternative of the batch.
        alternative: String,
        /// Why.
        source: ModelError,
    },
    /// An alternative without words.
    #[error("expected an alternative with at least one word, found {0:?}")]
    Empty(String),
    /// The cache failed.
    #[error("failed to keep what was read")]
    Cache(#[from] ReadingCacheError),
}

/// Reads alternatives, each once: what is in the cache is not read again, and what is read goes into it.
/// `on_progress` is told how many of how many are done.
///
/// # Errors
/// If an alternative is empty or longer than the model's context, or if model or cache fail.
pub fn read_alternatives(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    alternatives: &[Alternative],
    cache: &mut dyn ReadingCache,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<RawReading>, ReadError> {
    let keys: Vec<String> = alternatives.iter().map(Alternative::key).collect();
    let mut known: HashMap<&str, RawReading> = HashMap::new();
    let mut missing: Vec<(&str, &Alternative)> = Vec::new();
    for (key, alternative) in keys.iter().zip(alternatives) {
        if alternative.text.trim().is_empty() {
            return Err(ReadError::Empty(alternative.text.clone()));
        }
        if known.contains_key(key.as_str()) || missing.iter().any(|(other, _)| other == key) {
            continue;
        }
        match cache.get(key) {
            Some(reading) => drop(known.insert(key, reading)),
            None => missing.push((key, alternative)),
        }
    }
    let (mut done, total) = (known.len(), known.len() + missing.len());
    on_progress(done, total);
    for chunk in missing.chunks(CHUNK) {
        let asked: Vec<&Alternative> = chunk.iter().map(|(_, alternative)| *alternative).collect();
        let readings = read_chunk(model, schema, &asked)
            .map_err(|source| ReadError::Model { alternative: asked[0].text.clone(), source })?;
        for ((key, _), reading) in chunk.iter().zip(readings) {
            cache.put(key, &reading)?;
            known.insert(key, reading);
        }
        done += chunk.len();
        on_progress(done, total);
    }
    // Every key is known by now: a result must not be shorter than what was asked for.
    Ok(keys.iter().map(|key| known[key.as_str()].clone()).collect())
}

/// Reads only the overall judgement of alternatives, channel by channel as [`judgement_channels`] names them, in their
/// order: what a generation of the model is asked for, since everything else comes from generation 0. Half a reading's work.
///
/// # Errors
/// As [`read_alternatives`].
pub fn read_judgements(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    alternatives: &[Alternative],
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<f64>>, ReadError> {
    if let Some(empty) = alternatives.iter().find(|a| a.text.trim().is_empty()) {
        return Err(ReadError::Empty(empty.text.clone()));
    }
    let mut judgements = Vec::with_capacity(alternatives.len());
    on_progress(0, alternatives.len());
    for chunk in alternatives.chunks(CHUNK) {
        let failed = |source| ReadError::Model { alternative: chunk[0].text.clone(), source };
        let mut prompts = Prompts::default();
        let plans: Vec<_> = chunk
            .iter()
            .map(|alternative| {
                let ask = |judgement: &Judgement| {
                    let text = fill(&judgement.text, alternative.situation.as_deref(), &alternative.text);
                    prompts.ask(&text, &judgement.poles.iter().collect::<Vec<_>>())
                };
                schema.judgements.iter().map(ask).collect::<Vec<_>>()
            })
            .collect();
        let contrast = contrasts(schema, chunk.iter());
        let readouts = model.read(&prompts.readings).map_err(failed)?;
        let contrasts = model.log_likelihoods(&contrast).map_err(failed)?;
        for (plan, contrast) in plans.iter().zip(contrasts.chunks(2)) {
            let mut judgement: Vec<f64> = plan.iter().flat_map(|asked| log_odds(&readouts, asked)).collect();
            judgement.push(contrast[0].ln_p - contrast[1].ln_p);
            judgements.push(judgement);
        }
        on_progress(judgements.len(), alternatives.len());
    }
    Ok(judgements)
}

/// The alternative after the good and after the bad beginning, for each of them.
fn contrasts<'a>(schema: &ValueSchema, alternatives: impl Iterator<Item = &'a Alternative>) -> Vec<Continuation> {
    alternatives
        .flat_map(|alternative| {
            let JudgementTexts { good, bad } = JudgementTexts::of(schema, alternative);
            let text = format!(" {}", alternative.text);
            [Continuation { prompt: good, text: text.clone() }, Continuation { prompt: bad, text }]
        })
        .collect()
}

/// ln p(for) - ln p(against) of each pair asked for after a prompt.
fn log_odds(readouts: &[Readout], (prompt, pairs): &(usize, Vec<[usize; 2]>)) -> Vec<f64> {
    let ln_p = &readouts[*prompt].ln_p;
    pairs.iter().map(|&[with, against]| ln_p[with] - ln_p[against]).collect()
}

/// Reads all alternatives in one go: every prompt once, though two templates may share it.
fn read_chunk(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    alternatives: &[&Alternative],
) -> Result<Vec<RawReading>, ModelError> {
    let pole_pairs: Vec<&Poles> = schema.values.iter().flat_map(|value| &value.poles).collect();
    let mut prompts = Prompts::default();
    let mut plans = Vec::with_capacity(alternatives.len());
    for alternative in alternatives {
        let mut ask = |template: &str, poles: &[&Poles]| {
            prompts.ask(&fill(template, alternative.situation.as_deref(), &alternative.text), poles)
        };
        let templates: Vec<_> = schema.templates.iter().map(|template| ask(&template.text, &pole_pairs)).collect();
        let judgements: Vec<_> = schema
            .judgements
            .iter()
            .map(|judgement| ask(&judgement.text, &judgement.poles.iter().collect::<Vec<_>>()))
            .collect();
        plans.push((templates, judgements));
    }
    let contrast = contrasts(schema, alternatives.iter().copied());
    let hidden_prompts: Vec<String> =
        alternatives.iter().map(|a| fill(&schema.text_features.template, a.situation.as_deref(), &a.text)).collect();

    let readouts = model.read(&prompts.readings)?;
    let contrasts = model.log_likelihoods(&contrast)?;
    let hidden = model.hidden(&hidden_prompts)?;
    Ok(plans
        .iter()
        .zip(contrasts.chunks(2))
        .zip(hidden)
        .map(|(((templates, judgements), contrast), hidden)| {
            let mut judgement: Vec<f64> = judgements.iter().flat_map(|asked| log_odds(&readouts, asked)).collect();
            judgement.push(contrast[0].ln_p - contrast[1].ln_p);
            let by_template = templates.iter().map(|asked| log_odds(&readouts, asked)).collect();
            RawReading { log_odds: by_template, judgement, hidden }
        })
        .collect())
}

struct JudgementTexts {
    good: String,
    bad: String,
}

impl JudgementTexts {
    fn of(schema: &ValueSchema, alternative: &Alternative) -> Self {
        let situation = alternative.situation.as_deref();
        Self {
            good: fill(&schema.judgement_contrast.good, situation, ""),
            bad: fill(&schema.judgement_contrast.bad, situation, ""),
        }
    }
}

/// Prompts to be read, each once, with the words asked for after it.
#[derive(Default)]
struct Prompts {
    readings: Vec<Reading>,
    index: HashMap<String, usize>,
}

impl Prompts {
    /// Index of the prompt, and of the words of each pair among its continuations.
    fn ask(&mut self, prompt: &str, poles: &[&Poles]) -> (usize, Vec<[usize; 2]>) {
        let next = self.readings.len();
        let index = *self.index.entry(prompt.to_owned()).or_insert(next);
        if index == next {
            self.readings.push(Reading { prompt: prompt.to_owned(), continuations: Vec::new() });
        }
        let continuations = &mut self.readings[index].continuations;
        let mut word = |word: &str| {
            let word = format!(" {word}");
            continuations.iter().position(|known| *known == word).unwrap_or_else(|| {
                continuations.push(word);
                continuations.len() - 1
            })
        };
        (index, poles.iter().map(|[with, against]| [word(with), word(against)]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading_cache::MemoryReadingCache;
    use crate::scripted::Scripted;

    #[test]
    fn a_reading_has_the_schemas_shape_and_is_cached() -> Result<(), ReadError> {
        let schema = ValueSchema::embedded();
        let mut model = Scripted::hashed(3);
        let mut cache = MemoryReadingCache::default();
        let asked = [Alternative::new(Some("It rains."), "Stay in."), Alternative::new(None, "go out")];
        let mut progress = Vec::new();
        let first =
            read_alternatives(&mut model, &schema, &asked, &mut cache, &mut |done, of| progress.push((done, of)))?;
        let poles: usize = schema.values.iter().map(|value| value.poles.len()).sum();
        assert_eq!(first[0].log_odds.len(), schema.templates.len());
        assert!(first[0].log_odds.iter().all(|row| row.len() == poles));
        assert_eq!(first[0].judgement.len(), judgement_channels(&schema).len());
        assert_eq!(progress, [(0, 2), (2, 2)]);
        let read = model.prompts_read;
        let second = read_alternatives(&mut model, &schema, &asked, &mut cache, &mut |_, _| {})?;
        assert_eq!((first, read), (second, model.prompts_read));
        Ok(())
    }

    #[test]
    fn judgements_alone_are_those_of_the_whole_reading() -> Result<(), ReadError> {
        let schema = ValueSchema::embedded();
        let mut model = Scripted::hashed(3);
        let asked: Vec<Alternative> =
            (0..11).map(|i| Alternative::new((i % 2 == 0).then_some("It rains."), &format!("do {i}"))).collect();
        let whole = read_alternatives(&mut model, &schema, &asked, &mut MemoryReadingCache::default(), &mut |_, _| {})?;
        let alone = read_judgements(&mut model, &schema, &asked, &mut |_, _| {})?;
        assert_eq!(alone, whole.into_iter().map(|reading| reading.judgement).collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn nothing_is_made_up_when_the_model_is_gone() {
        let schema = ValueSchema::embedded();
        let asked = [Alternative::new(Some("It rains."), "stay in")];
        let error = read_alternatives(
            &mut Scripted::strict(),
            &schema,
            &asked,
            &mut MemoryReadingCache::default(),
            &mut |_, _| {},
        );
        assert!(matches!(error, Err(ReadError::Model { source: ModelError::NotScripted(_), .. })));
    }
}
