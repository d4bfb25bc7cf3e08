//! Teaching a model to show what acts serve: lessons for a LoRA adapter whose states, along one direction a value, are to be keys.
//!
//! The directions are those of a ridge regression of key differences on differences of the untaught model's states, at the last layer
//! that a map reads. An adapter that is taught moves the states; the map is then learned from them as from those of any model.

use std::ops::Range;

use credence_priors::acts::{KeyedPair, Split};
use credence_priors::model::ModelError;
use credence_priors::value_reading::{QuestionStates, layers};
use credence_priors::{LanguageModel, ModelHandle};
use credence_training::{Example, LoraSettings, OptimiserSettings, StateTarget, TrainingSettings};
use nalgebra::{Cholesky, DMatrix};

/// Penalty of the ridge regression, on standardised differences.
const RIDGE: f64 = 2000.0;

/// How an adapter is taught.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TeachingOptions {
    /// Times that every act is seen.
    pub epochs: usize,
    /// Highest step size.
    pub learning_rate: f64,
    /// Seed of the adapter's start and of the order.
    pub seed: u64,
}

impl TeachingOptions {
    /// The trainer's settings for a model of so many layers: the adapter is in the lower half of those that are read, and what is above
    /// the last of them is not computed.
    pub fn settings(&self, layers_in_all: usize, last: usize) -> TrainingSettings {
        let lora = LoraSettings { top_layers: Some(layers_in_all - last / 2), ..LoraSettings::default() };
        let optimiser = OptimiserSettings { learning_rate: self.learning_rate, ..OptimiserSettings::default() };
        TrainingSettings {
            lora,
            optimiser,
            epochs: self.epochs,
            batch: 16,
            seed: self.seed,
            ..TrainingSettings::default()
        }
    }
}

/// Lessons from the pairs whose situations are for fitting; `states` are those of the untaught model, pair by pair.
///
/// # Errors
/// If the model cannot cut a text into tokens.
pub fn lessons(
    model: &mut ModelHandle,
    values: &[String],
    pairs: &[KeyedPair],
    states: &[QuestionStates],
) -> Result<Vec<Example>, ModelError> {
    let identity = model.describe();
    let layer = layers(&identity).last().copied().unwrap_or(0);
    let fitting: Vec<usize> = (0..pairs.len()).filter(|i| pairs[*i].split() == Split::Training).collect();
    // The layers of a state lie one after another.
    let last = |i: usize, act: usize| -> &[f32] {
        let state = &states[i].alternatives[act];
        &state[state.len() - identity.width..]
    };
    let keys: Vec<Vec<f64>> = fitting.iter().map(|i| pairs[*i].difference(values)).collect();
    let differences: Vec<Vec<f64>> = fitting
        .iter()
        .map(|i| last(*i, 0).iter().zip(last(*i, 1)).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect())
        .collect();
    let directions = directions(&differences, &keys, values.len());
    let weight = 1.0 / values.len().max(1) as f32;
    let mut lessons = Vec::with_capacity(2 * fitting.len());
    for (i, key) in fitting.iter().zip(&keys) {
        let alternatives = pairs[*i].alternatives();
        for (act, alternative) in alternatives.iter().enumerate() {
            let (tokens, positions) = tokens_of(model, alternative.situation.as_deref(), &alternative.text)?;
            let side = if act == 0 { 0.5 } else { -0.5 };
            let states = directions.iter().zip(key).map(|(direction, key)| {
                let reading = |act: usize| -> f64 {
                    last(*i, act).iter().zip(direction).map(|(h, d)| f64::from(*h) * f64::from(*d)).sum()
                };
                let wanted = (0.5 * (reading(0) + reading(1)) + side * key) as f32;
                StateTarget { layer, positions: positions.clone(), direction: direction.clone(), wanted, weight }
            });
            lessons.push(Example { tokens, targets: Vec::new(), states: states.collect() });
        }
    }
    Ok(lessons)
}

/// The tokens that the states of an act are read from, in the frame of [`credence_priors::value_reading::read_states`].
fn tokens_of(
    model: &mut ModelHandle,
    situation: Option<&str>,
    act: &str,
) -> Result<(Vec<u32>, Range<usize>), ModelError> {
    let situation = situation.unwrap_or_default();
    let gap = if situation.is_empty() { "" } else { " " };
    let before = format!("{situation}{gap}Someone decides to");
    let from = model.prompt_tokens(&before)?.len();
    let tokens = model.prompt_tokens(&format!("{before} {act}"))?;
    let positions = from.min(tokens.len() - 1)..tokens.len();
    Ok((tokens, positions))
}

/// One direction a value: ridge regression, without intercept, of keys on differences whose columns are divided by their root mean square.
fn directions(differences: &[Vec<f64>], keys: &[Vec<f64>], values: usize) -> Vec<Vec<f32>> {
    let (n, width) = (differences.len(), differences.first().map_or(0, Vec::len));
    let scale: Vec<f64> = (0..width)
        .map(|c| {
            let mean_square = differences.iter().map(|row| row[c].powi(2)).sum::<f64>() / n.max(1) as f64;
            mean_square.sqrt().max(1e-12)
        })
        .collect();
    let x = DMatrix::from_fn(n, width, |row, column| differences[row][column] / scale[column]);
    let y = DMatrix::from_fn(n, values, |row, value| keys[row][value]);
    let penalised = x.tr_mul(&x) + DMatrix::identity(width, width) * RIDGE;
    let Some(factor) = Cholesky::new(penalised) else { return vec![vec![0.0; width]; values] };
    let solved = factor.solve(&x.tr_mul(&y));
    (0..values).map(|v| (0..width).map(|c| (solved[(c, v)] / scale[c]) as f32).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_find_what_tells_keys() {
        let differences: Vec<Vec<f64>> =
            (0..4000).map(|i| (0..4).map(|c| f64::from((i * (2 * c + 3) + 7 * c) % 17) - 8.0).collect()).collect();
        let keys: Vec<Vec<f64>> = differences.iter().map(|d| vec![0.5 * d[1], d[3] - d[0]]).collect();
        let found = directions(&differences, &keys, 2);
        let read =
            |direction: &[f32], d: &[f64]| -> f64 { direction.iter().zip(d).map(|(a, b)| f64::from(*a) * b).sum() };
        for (v, direction) in found.iter().enumerate() {
            let right = differences.iter().zip(&keys).filter(|(d, k)| read(direction, d) * k[v] > 0.0 || k[v] == 0.0);
            assert!(right.count() > 3900, "{direction:?}");
        }
        assert!(directions(&[], &[], 2).iter().all(Vec::is_empty));
    }
}
