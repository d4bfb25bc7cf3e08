//! Nearness in meaning, by the model's hidden states.
//!
//! Raw hidden states of any two texts are nearly parallel: a few entries are a hundred times as large as the rest. So every entry is
//! centred and scaled over the texts that are compared; what is left tells them apart.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::checked_lines;
use crate::model::{LanguageModel, ModelError};
use crate::reading_cache::ReadingCacheError;

/// What is put around a text, so that the state at its end is about the whole of it.
const TEMPLATE: &str = "\"{}\" In one word, this is about";
/// A text is cut to so many characters: its beginning says what it is about, and the context for hidden states is short.
const CHARS_MAX: usize = 1_500;

/// Hidden states of texts, kept in a file from one call to the next. Without a folder they are kept in memory.
#[derive(Debug, Default)]
pub struct States {
    known: HashMap<String, Vec<f32>>,
    path: Option<PathBuf>,
}

impl States {
    /// Opens the states of one model under `folder`. A line that is damaged, or does not match its checksum, is passed over:
    /// it is read from the model again.
    pub fn open(folder: Option<&Path>, model: &dyn LanguageModel) -> Self {
        let identity = model.describe();
        let path = folder.map(|f| f.join(format!("states-{}.jsonl", &identity.key()[..16])));
        let fits = |state: &Vec<f32>| state.len() == identity.width;
        let known = path.as_ref().map(|path| checked_lines::read(path, fits)).unwrap_or_default();
        Self { known, path }
    }

    /// The states of texts, in their order; each is read from the model once.
    ///
    /// # Errors
    /// If the model fails, or the file cannot be written.
    pub fn of(&mut self, model: &mut dyn LanguageModel, texts: &[String]) -> Result<Vec<Vec<f32>>, MeaningError> {
        let keys: Vec<String> = texts.iter().map(|t| blake3::hash(t.as_bytes()).to_hex().to_string()).collect();
        let mut missing: Vec<usize> = (0..texts.len()).filter(|&i| !self.known.contains_key(&keys[i])).collect();
        missing.dedup_by_key(|i| &keys[*i]);
        if !missing.is_empty() {
            let prompts: Vec<String> = missing.iter().map(|&i| prompt(&texts[i])).collect();
            let states = model.hidden(&prompts)?;
            let path = self.path.clone();
            let failed = |source| ReadingCacheError { path: path.clone().unwrap_or_default(), source };
            let mut lines = String::new();
            for (&i, state) in missing.iter().zip(states) {
                lines.push_str(&checked_lines::line(&keys[i], &state).map_err(failed)?);
                self.known.insert(keys[i].clone(), state);
            }
            if let Some(path) = &path {
                checked_lines::append(path, &lines).map_err(failed)?;
            }
        }
        Ok(keys.iter().map(|key| self.known[key].clone()).collect())
    }
}

/// Why texts could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum MeaningError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// States could not be kept.
    #[error(transparent)]
    Cache(#[from] ReadingCacheError),
}

fn prompt(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(CHARS_MAX).collect();
    TEMPLATE.replace("{}", &text)
}

/// Centres and scales every entry over the given states, and gives each state length 1. States of one text only become zero.
pub fn standardised(states: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let (count, width) = (states.len().max(1) as f64, states.first().map_or(0, Vec::len));
    let mean: Vec<f64> = (0..width).map(|e| states.iter().map(|s| f64::from(s[e])).sum::<f64>() / count).collect();
    let sd: Vec<f64> = (0..width)
        .map(|e| (states.iter().map(|s| (f64::from(s[e]) - mean[e]).powi(2)).sum::<f64>() / count).sqrt().max(1e-6))
        .collect();
    states
        .iter()
        .map(|state| {
            let row: Vec<f64> = (0..width).map(|e| (f64::from(state[e]) - mean[e]) / sd[e]).collect();
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter().map(|x| if length > 0.0 { x / length } else { 0.0 }).collect()
        })
        .collect()
}

/// Cosine of two standardised states, in [-1, 1].
pub fn nearness(a: &[f64], b: &[f64]) -> f64 {
    crate::features::dot(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn states_are_read_once_and_nearness_is_that_of_directions() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut model = Scripted::hashed(5);
        let texts: Vec<String> =
            ["money of customers kept apart", "keep money of customers", "the dog barks at night", "a dog barks"]
                .map(str::to_owned)
                .to_vec();
        let states = States::open(Some(folder.path()), &model).of(&mut model, &texts)?;
        let rows = standardised(&[vec![1.0, 1.0], vec![2.0, 2.5], vec![-1.5, -1.0], vec![-1.5, -2.5]]);
        assert!(nearness(&rows[0], &rows[1]) > nearness(&rows[0], &rows[2]));
        assert!(nearness(&rows[2], &rows[3]) > nearness(&rows[1], &rows[3]));
        let read = model.prompts_read;
        let again = States::open(Some(folder.path()), &model).of(&mut model, &texts)?;
        assert_eq!((again, model.prompts_read), (states, read));
        Ok(())
    }
}
