//! What a model makes of passages of prose: its states within a passage and right after it, and how probable it finds the words.
//!
//! Readings are kept in JSON Lines, one file for each model, beside the readings of alternatives.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checked_lines;
use crate::model::{Continuation, LanguageModel, ModelError, StateRequest};
use crate::reading_cache::ReadingCacheError;
use crate::value_reading::layers;

/// Before every passage. The first word of a prompt is never read: its state is that of "a text begins here".
const FRAME: &str = "A passage of prose:";
/// After it, for the state in which the model is about to say how good it is.
const QUESTION: &str = "\n\nAs a piece of writing, this is";
/// The part of the question whose state is read.
const ABOUT_TO_SAY: &str = " this is";
/// Passages read between two reports of progress.
const CHUNK: usize = 8;

/// What was read of a passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassageReading {
    /// Mean state over the passage's tokens, the layers of [`layers`] one after another.
    pub within: Vec<f32>,
    /// State right after it, of the same layers.
    pub after: Vec<f32>,
    /// ln p of its words, in nats a token.
    pub ln_p: f64,
}

/// What went wrong while reading passages.
#[derive(Debug, thiserror::Error)]
pub enum PassageError {
    /// The model failed.
    #[error("failed to read what the model makes of the passage {beginning:?}")]
    Model {
        /// The beginning of the first passage of the batch.
        beginning: String,
        /// Why.
        source: ModelError,
    },
    /// The cache failed.
    #[error("failed to keep what was read")]
    Cache(#[from] ReadingCacheError),
}

/// Reads passages, each once on this machine: what stands in the cache in `folder` is not read again. `on_progress` is told how many
/// of how many are done.
///
/// # Errors
/// If model or cache fail; a passage that is empty or longer than the model's context.
pub fn read_passages(
    model: &mut dyn LanguageModel,
    passages: &[String],
    folder: &Path,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<PassageReading>, PassageError> {
    let model_is = model.describe();
    let layers = layers(&model_is);
    let path = folder.join(format!("passages-{}.jsonl", &model_is.key()[..16]));
    let width = layers.len() * model_is.width;
    let fits = |read: &PassageReading| {
        let whole = |states: &[f32]| states.len() == width && states.iter().all(|x| x.is_finite());
        whole(&read.within) && whole(&read.after) && read.ln_p.is_finite()
    };
    let mut known = checked_lines::read(&path, fits);
    let mut missing: Vec<&String> = passages.iter().filter(|p| !known.contains_key(*p)).collect();
    missing.sort();
    missing.dedup();
    let total = missing.len();
    on_progress(0, total);
    for (n, chunk) in missing.chunks(CHUNK).enumerate() {
        let failed = |source| PassageError::Model { beginning: chunk[0].chars().take(60).collect(), source };
        let requests: Vec<StateRequest> = chunk
            .iter()
            .flat_map(|passage| {
                let prompt = format!("{FRAME} {passage}{QUESTION}");
                let (end, last) = (FRAME.len() + 1 + passage.len(), prompt.len() - ABOUT_TO_SAY.len());
                [FRAME.len()..end, last..prompt.len()].map(|span| StateRequest {
                    prompt: prompt.clone(),
                    span,
                    layers: layers.clone(),
                })
            })
            .collect();
        let words: Vec<Continuation> =
            chunk.iter().map(|p| Continuation { prompt: FRAME.to_owned(), text: format!(" {p}") }).collect();
        let states = model.states(&requests).map_err(failed)?;
        let likelihoods = model.log_likelihoods(&words).map_err(failed)?;
        for ((passage, states), likelihood) in chunk.iter().zip(states.chunks_exact(2)).zip(likelihoods) {
            let reading = PassageReading {
                within: states[0].concat(),
                after: states[1].concat(),
                ln_p: likelihood.ln_p / likelihood.tokens.max(1) as f64,
            };
            let failed = |source| ReadingCacheError { path: PathBuf::from(&path), source };
            let line = checked_lines::line(passage, &reading).map_err(failed)?;
            checked_lines::append(&path, &line).map_err(failed)?;
            known.insert((*passage).clone(), reading);
        }
        on_progress((n * CHUNK + chunk.len()).min(total), total);
    }
    let read = |passage: &String| known.get(passage).cloned();
    Ok(passages.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn a_passage_is_read_once_and_an_empty_one_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let passages = ["The rain came.".to_owned(), "It rained, in a way.".to_owned(), "The rain came.".to_owned()];
        let mut model = Scripted::hashed(1);
        let first = read_passages(&mut model, &passages, folder.path(), &mut |_, _| {})?;
        assert_eq!(first.len(), 3);
        assert_eq!(first[0], first[2]);
        assert!(first[0] != first[1] && first[0].within != first[0].after && first[0].ln_p < 0.0);
        let mut asked = Vec::new();
        let again = read_passages(&mut model, &passages, folder.path(), &mut |_, of| asked.push(of))?;
        assert_eq!((again, asked), (first, vec![0]), "nothing is read twice");
        let mut silent = Scripted::strict();
        let refused = read_passages(&mut silent, &["One.".to_owned()], folder.path(), &mut |_, _| {});
        assert!(matches!(refused, Err(PassageError::Model { .. })), "{refused:?}");
        Ok(())
    }
}
