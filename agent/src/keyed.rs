//! Keys as features: what the authors of a question said that an alternative serves, in key points.

use credence_memory::ids::{AlternativeId, Hash, ValueId};
use credence_memory::number::{Finite, NumberError};
use credence_memory::record::{AlternativeDescribed, FeatureSource, PriorElicited, PublishedPrior};
use credence_memory::state::State;
use credence_priors::published::PublishedValues;

use crate::bank::{Bank, BankQuestion, Keys, Portrait};
use crate::pack::Pack;

/// Prior mean of the weight of what nearly everybody would do, at signal scale 1, beside no idea of somebody's values and beside the
/// published order of them. A judgement is the log-odds that most people put one act before the other, cross-validated over acts that were
/// learned from; with these means belief gives the better act the same odds, whatever it may have misread (docs/results/reading.md).
const JUDGEMENT_MEAN: f64 = 0.70;
const JUDGEMENT_MEAN_PUBLISHED: f64 = 0.54;
/// Its standard deviation, as a share of the mean: hardly anybody is taken to want the opposite, but for what their values say.
const JUDGEMENT_SPREAD: f64 = 0.25;

/// An alternative described by its keys, one feature for each of `values`, with the bank's error variance where there is a key.
///
/// # Errors
/// A key or an error that is not finite; a bank that was read has none.
pub fn describe(
    bank: &Bank,
    values: &[ValueId],
    situation: &str,
    text: &str,
    keys: &Keys,
) -> Result<AlternativeDescribed, NumberError> {
    let key = |value: &ValueId| keys.get(value.as_str()).copied().unwrap_or(0.0);
    let error = |value: &ValueId| if key(value) == 0.0 { 0.0 } else { bank.key_error(value.as_str()) };
    Ok(AlternativeDescribed {
        alternative: AlternativeId::of(situation, text),
        situation: situation.to_owned(),
        text: text.to_owned(),
        source: FeatureSource::Keyed,
        map: None,
        schema: values.iter().map(|v| Finite::new(key(v))).collect::<Result<_, _>>()?,
        schema_error: values.iter().map(|v| Finite::new(error(v))).collect::<Result<_, _>>()?,
        text_block: Vec::new(),
        judgement: Default::default(),
        attributes: Default::default(),
    })
}

/// The alternatives of a keyed question, described; nothing for one that nobody keyed.
///
/// # Errors
/// As [`describe`].
pub fn describe_question(
    bank: &Bank,
    values: &[ValueId],
    question: &BankQuestion,
) -> Result<Option<Vec<AlternativeDescribed>>, NumberError> {
    if !question.is_keyed() {
        return Ok(None);
    }
    let keyed = question.alternatives.iter().filter_map(|a| Some((a, a.keys.as_ref()?)));
    keyed
        .map(|(a, keys)| describe(bank, values, &question.situation, &a.text, keys))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Those of these alternatives that the pack with the home's values keys, word for word, and that are not described yet; none where features are not in
/// key points.
///
/// # Errors
/// As [`describe`].
pub fn in_pack(state: &State, situation: &str, texts: &[String]) -> Result<Vec<AlternativeDescribed>, NumberError> {
    let Some(epoch) = state.epoch().filter(|_| state.elicited().is_some_and(|prior| prior.in_key_points())) else {
        return Ok(Vec::new());
    };
    let Some(Pack { bank, .. }) = Pack::of_values(epoch.layout.values()) else { return Ok(Vec::new()) };
    let acts = bank.questions.iter().filter(|q| q.situation == situation).flat_map(|q| &q.alternatives);
    let wanted = acts.filter(|a| texts.contains(&a.text));
    let keyed = wanted.filter_map(|a| Some((a, a.keys.as_ref()?)));
    let described = keyed.map(|(a, keys)| describe(bank, epoch.layout.values(), situation, &a.text, keys));
    let is_new = |d: &AlternativeDescribed| state.description(&d.alternative).is_none();
    described.filter(|d| d.as_ref().map_or(true, is_new)).collect()
}

/// A portrait described: its text alone, in no situation.
///
/// # Errors
/// As [`describe`].
pub fn describe_portrait(
    bank: &Bank,
    values: &[ValueId],
    portrait: &Portrait,
) -> Result<AlternativeDescribed, NumberError> {
    describe(bank, values, "", &portrait.text, &portrait.keys)
}

/// Place of the value that a description is mostly about: its largest key, the first of several.
pub fn main_value(described: &AlternativeDescribed) -> usize {
    let key = |i: &usize| described.schema[*i].get().abs();
    (0..described.schema.len()).max_by(|i, j| key(i).total_cmp(&key(j)).then(j.cmp(i))).unwrap_or(0)
}

/// What is believed of everybody before they have said anything, where features are in key points and nothing was elicited from the
/// model: weights of all values alike, and the published order and structure of values beside them.
///
/// # Errors
/// As [`describe`].
pub fn prior(bank: &Bank, values: &[ValueId]) -> Result<PriorElicited, NumberError> {
    let variance = weight_variance(bank);
    let judgement_variance = (JUDGEMENT_SPREAD * JUDGEMENT_MEAN) * (JUDGEMENT_SPREAD * JUDGEMENT_MEAN);
    let mut reference = vec![variance; values.len()];
    reference.push(judgement_variance);
    let diagonal: Vec<f64> = (0..reference.len())
        .flat_map(|i| (0..=i).map(move |j| (i, j)))
        .map(|(i, j)| if i == j { reference[i] } else { 0.0 })
        .collect();
    let ids: Vec<&str> = values.iter().map(ValueId::as_str).collect();
    let (mean, correlation) = PublishedValues::embedded().of(&ids);
    let n = values.len();
    let published_mean: Vec<f64> = mean.iter().map(|m| m * variance.sqrt()).chain([JUDGEMENT_MEAN_PUBLISHED]).collect();
    let published: Vec<f64> = (0..=n)
        .flat_map(|i| (0..=i).map(move |j| (i, j)))
        .map(|(i, j)| match (i == n, j == n) {
            (false, false) => variance * correlation[i * n + j],
            (true, true) => judgement_variance,
            _ => 0.0,
        })
        .collect();
    let feature_space = serde_json::json!({"units": "key_points", "reading": "none"});
    Ok(PriorElicited {
        feature_space_hash: Hash::of(feature_space.to_string().as_bytes()),
        feature_space,
        bank_size: 0,
        mean: Finite::vector(&[vec![0.0; n], vec![JUDGEMENT_MEAN]].concat())?,
        covariance: Finite::vector(&diagonal)?,
        reference_variance: Finite::vector(&reference)?,
        r_squared: Finite::new(0.0)?,
        published: Some(PublishedPrior {
            mean: Finite::vector(&published_mean)?,
            covariance: Finite::vector(&published)?,
        }),
    })
}

/// Prior variance of one key point's weight at signal scale 1: with it a typical keyed pair of the bank differs in utility by a
/// standard deviation of 1. Weights of all values are alike beforehand.
pub fn weight_variance(bank: &Bank) -> f64 {
    let square = |question: &BankQuestion| {
        let keys: Vec<&Keys> = question.alternatives.iter().filter_map(|a| a.keys.as_ref()).collect();
        let [first, second] = keys[..] else { return None };
        let values = first.keys().chain(second.keys().filter(|v| !first.contains_key(*v)));
        let of = |keys: &Keys, value: &String| keys.get(value).copied().unwrap_or(0.0);
        Some(values.map(|value| (of(first, value) - of(second, value)).powi(2)).sum::<f64>())
    };
    let squares: Vec<f64> = bank.questions.iter().filter_map(square).collect();
    let mean = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
    if mean > 0.0 { 1.0 / mean } else { 1.0 }
}
