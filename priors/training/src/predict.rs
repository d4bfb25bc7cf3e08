//! What a model with an adapter predicts at the targets of examples, without training.

use std::ops::Range;

use super::adapter::Adapter;
use super::error::TrainingError;
use super::forward::{Packed, Pass};
use super::loss::{Example, score};
use super::train::{parts, rows, with_threads};
use super::weights::Weights;

/// Predictions for one example.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// For each target, the model's probability of each of its tokens, in its order.
    pub probabilities: Vec<Vec<f32>>,
}

/// Predictions for all examples, and their mean cross entropy in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// One for each example.
    pub examples: Vec<Prediction>,
    /// Weighted mean over all targets.
    pub cross_entropy: f64,
}

/// Reads the model's probabilities at every target.
///
/// # Errors
/// For examples that make no sense for the model.
pub fn predict(
    weights: &Weights,
    adapter: Option<&Adapter>,
    examples: &[Example],
    part_tokens: usize,
    threads: Option<usize>,
) -> Result<Predictions, TrainingError> {
    for (index, example) in examples.iter().enumerate() {
        example.check(index, &weights.shape)?;
    }
    let all: Vec<usize> = (0..examples.len()).collect();
    with_threads(threads, || {
        let mut loss = 0.0;
        let mut predictions = Vec::with_capacity(examples.len());
        for part in parts(examples, &all, part_tokens) {
            let packed = Packed::new(part.iter().map(|i| &examples[*i].tokens[..]));
            let pass = Pass::new(weights, adapter, &packed);
            let hidden = pass.forward(pass.embed(), 0..weights.shape.layers);
            let scored = score(weights, &hidden, &rows(examples, part, &packed), None);
            loss += scored.loss;
            let mut probabilities = scored.probabilities.into_iter();
            for i in part {
                let own = probabilities.by_ref().take(examples[*i].targets.len()).collect();
                predictions.push(Prediction { probabilities: own });
            }
        }
        let weight: f64 = examples.iter().map(Example::weight_of_tokens).sum();
        Ok(Predictions { examples: predictions, cross_entropy: if weight > 0.0 { loss / weight } else { 0.0 } })
    })
}

/// The state after each of `layers` (ascending), averaged over the tokens in `span`: what llama.cpp is checked against.
pub fn residual_stream(
    weights: &Weights,
    adapter: Option<&Adapter>,
    tokens: &[u32],
    layers: &[usize],
    span: Range<usize>,
) -> Vec<Vec<f32>> {
    let packed = Packed::new([tokens]);
    let pass = Pass::new(weights, adapter, &packed);
    let width = weights.shape.width;
    let (mut hidden, mut done) = (pass.embed(), 0);
    layers
        .iter()
        .map(|layer| {
            hidden = pass.forward(std::mem::take(&mut hidden), done..layer + 1);
            done = layer + 1;
            let entry = |e: usize| span.clone().map(|token| f64::from(hidden[token * width + e])).sum::<f64>();
            (0..width).map(|e| (entry(e) / span.len() as f64) as f32).collect()
        })
        .collect()
}
