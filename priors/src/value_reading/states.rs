//! The states that acts are read from: of each alternative of a question, and of the question's situation.

use crate::model::{LanguageModel, ModelError, ModelIdentity, StateRequest};
use crate::readout::Alternative;

/// Layers that are read, as shares of the depth. States of any layers between .3 and .9 read about alike; nothing above
/// the last of these is computed.
const DEPTHS: [f64; 3] = [0.4, 0.55, 0.7];

/// Prompts between two reports of progress.
const CHUNK: usize = 48;

/// States of one question, each with the layers one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionStates {
    /// Mean over the situation's tokens but its first word; none without a situation of two words.
    pub situation: Option<Vec<f32>>,
    /// Mean over each alternative's own tokens.
    pub alternatives: Vec<Vec<f32>>,
}

/// The layers of a model that are read, ascending.
pub fn layers(model: &ModelIdentity) -> Vec<usize> {
    let mut layers = DEPTHS.map(|depth| (depth * model.layers as f64) as usize).to_vec();
    layers.dedup();
    layers
}

/// Reads the states of questions; the alternatives of each have one situation, that of the first. `on_progress` is told how
/// many of how many are done.
///
/// # Errors
/// If the model fails, or a text is longer than its context.
pub fn read_states(
    model: &mut dyn LanguageModel,
    questions: &[&[Alternative]],
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<QuestionStates>, ModelError> {
    let layers = layers(&model.describe());
    let mut states = Vec::with_capacity(questions.len());
    on_progress(0, questions.len());
    let mut rest = questions;
    while !rest.is_empty() {
        let mut requests = Vec::new();
        let mut taken = Vec::new();
        for question in rest {
            let situation =
                question.first().and_then(|alternative| alternative.situation.as_deref()).unwrap_or_default();
            // The first word is left out: its state is that of "a text begins here", a hundred times as large.
            let about = situation.find(' ').map(|start| StateRequest {
                prompt: situation.to_owned(),
                span: start..situation.len(),
                layers: layers.clone(),
            });
            let has_situation = about.is_some();
            requests.extend(about);
            for alternative in *question {
                let gap = if situation.is_empty() { "" } else { " " };
                let before = format!("{situation}{gap}Someone decides to");
                let prompt = format!("{before} {}", alternative.text);
                requests.push(StateRequest { span: before.len()..prompt.len(), prompt, layers: layers.clone() });
            }
            taken.push((has_situation, question.len()));
            if requests.len() >= CHUNK {
                break;
            }
        }
        let mut read = model.states(&requests)?.into_iter().map(|by_layer| by_layer.concat());
        for (has_situation, alternatives) in &taken {
            let situation = if *has_situation { read.next() } else { None };
            states.push(QuestionStates { situation, alternatives: read.by_ref().take(*alternatives).collect() });
        }
        rest = &rest[taken.len()..];
        on_progress(states.len(), questions.len());
    }
    Ok(states)
}
