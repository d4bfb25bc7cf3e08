//! Training examples, and what they are scored by: soft-label cross entropy, and squared distances of readings of states.

use std::ops::Range;

use credence_priors::matrix::{Put, View, multiply};
use serde::{Deserialize, Serialize};

use super::error::TrainingError;
use super::kernels;
use super::shape::ModelShape;
use super::weights::Weights;

/// Rows of logits over the whole vocabulary that exist at a time.
const ROWS: usize = 64;

/// Among which tokens a target's probabilities are to be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Among {
    /// The tokens of the target only: its probabilities are conditional on one of them.
    Candidates,
    /// The whole vocabulary: tokens that the target does not name should have probability 0.
    Vocabulary,
}

/// What the model should predict for the token after a position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Place in the example of the token whose successor is predicted, from 0.
    pub position: usize,
    /// Tokens and their probabilities, which sum to 1.
    pub distribution: Vec<(u32, f32)>,
    /// What the probabilities are conditional on.
    pub among: Among,
    /// Weight in the loss, relative to other targets.
    pub weight: f32,
}

/// What a linear reading of the states inside the model should be: its loss is `weight * (reading - wanted)^2`, where the
/// reading is the mean over positions of the product of state and direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateTarget {
    /// The block whose output is read (the residual stream after it), from 0.
    pub layer: usize,
    /// Places in the example of the tokens that are read.
    pub positions: Range<usize>,
    /// As many numbers as a state has.
    pub direction: Vec<f32>,
    /// The reading to move towards.
    pub wanted: f32,
    /// Weight in the loss, relative to the weights of targets.
    pub weight: f32,
}

/// A sequence of tokens and what to learn from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// What the model reads, with its beginning-of-sequence token if it wants one.
    pub tokens: Vec<u32>,
    /// What it should predict, and where.
    pub targets: Vec<Target>,
    /// What should be read of its states on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<StateTarget>,
}

impl Example {
    /// Plain text: every token from `from` on is predicted from those before it, each with `weight`.
    pub fn text(tokens: Vec<u32>, from: usize, weight: f32) -> Self {
        let target = |i: usize| Target {
            position: i - 1,
            distribution: vec![(tokens[i], 1.0)],
            among: Among::Vocabulary,
            weight,
        };
        let targets = (from.max(1)..tokens.len()).map(target).collect();
        Self::new(tokens, targets)
    }

    /// An example that says what to predict, and nothing of states.
    pub fn new(tokens: Vec<u32>, targets: Vec<Target>) -> Self {
        Self { tokens, targets, states: Vec::new() }
    }

    /// Sum of the weights of all that it asks for.
    pub(crate) fn weight(&self) -> f64 {
        self.weight_of_tokens() + self.states.iter().map(|s| f64::from(s.weight)).sum::<f64>()
    }

    /// Sum of its targets' weights.
    pub(crate) fn weight_of_tokens(&self) -> f64 {
        self.targets.iter().map(|t| f64::from(t.weight)).sum()
    }

    /// Checks that the example makes sense for a model of this shape.
    ///
    /// # Errors
    /// Says what does not, with `index` as the example's place in its data set.
    pub fn check(&self, index: usize, shape: &ModelShape) -> Result<(), TrainingError> {
        let fail = |problem: String| Err(TrainingError::Example { index, problem });
        if self.tokens.is_empty() || self.tokens.len() > shape.context {
            return fail(format!("{} tokens, where 1 to {} are allowed", self.tokens.len(), shape.context));
        }
        let named = self.targets.iter().flat_map(|t| t.distribution.iter().map(|d| d.0));
        if let Some(token) = self.tokens.iter().copied().chain(named).find(|t| *t as usize >= shape.vocabulary) {
            return fail(format!("token {token} is not in the vocabulary of {}", shape.vocabulary));
        }
        for target in &self.targets {
            let at = target.position;
            if at >= self.tokens.len() {
                return fail(format!("a target at position {at} of {} tokens", self.tokens.len()));
            }
            if !(target.weight.is_finite() && target.weight >= 0.0) {
                return fail(format!("the target at position {at} has weight {}", target.weight));
            }
            let sum: f64 = target.distribution.iter().map(|(_, p)| f64::from(*p)).sum();
            let proper = target.distribution.iter().all(|(_, p)| *p >= 0.0);
            if target.distribution.is_empty() || !proper || (sum - 1.0).abs() >= 1e-3 {
                return fail(format!("the probabilities of the target at position {at} sum to {sum} and not to 1"));
            }
        }
        for StateTarget { layer, positions, direction, wanted, weight } in &self.states {
            if *layer >= shape.layers {
                return fail(format!("a state of block {layer}, where there are {}", shape.layers));
            }
            if positions.is_empty() || positions.end > self.tokens.len() {
                return fail(format!("states at positions {positions:?} of {} tokens", self.tokens.len()));
            }
            if direction.len() != shape.width || !direction.iter().chain([wanted]).all(|x| x.is_finite()) {
                let wanted = shape.width;
                return fail(format!(
                    "a direction of {} numbers, where {wanted} finite ones are wanted",
                    direction.len()
                ));
            }
            if !(weight.is_finite() && *weight >= 0.0) {
                return fail(format!("the state of block {layer} has weight {weight}"));
            }
        }
        Ok(())
    }
}

/// State targets of a packed batch: the rows of the hidden states each reads, and the target.
pub(crate) type StateRows<'a> = [(Range<usize>, &'a StateTarget)];

/// Weighted squared distances of what is read of the states after `layer` (tokens x width), summed over its targets, and
/// the gradient of `grad_scale` times that; no gradient where the layer has no target.
pub(crate) fn score_states(
    layer: usize,
    hidden: &[f32],
    width: usize,
    rows: &StateRows<'_>,
    grad_scale: f32,
) -> (f64, Option<Vec<f32>>) {
    let mut loss = 0.0;
    let mut grad = None;
    for (at, target) in rows.iter().filter(|(_, target)| target.layer == layer) {
        let states = at.start * width..at.end * width;
        let products = hidden[states.clone()]
            .chunks_exact(width)
            .map(|state| state.iter().zip(&target.direction).map(|(h, d)| f64::from(*h) * f64::from(*d)).sum::<f64>());
        let n = at.len() as f64;
        let off = products.sum::<f64>() / n - f64::from(target.wanted);
        loss += f64::from(target.weight) * off * off;
        let by = (f64::from(grad_scale) * 2.0 * f64::from(target.weight) * off / n) as f32;
        let grad = grad.get_or_insert_with(|| vec![0.0; hidden.len()]);
        for row in grad[states].chunks_exact_mut(width) {
            row.iter_mut().zip(&target.direction).for_each(|(g, d)| *g += by * d);
        }
    }
    (loss, grad)
}

/// Softmax in place; returns the ln of the normaliser.
fn softmax(row: &mut [f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0_f64;
    for x in row.iter_mut() {
        *x = kernels::exp(*x - max);
        sum += f64::from(*x);
    }
    let inverse = (1.0 / sum) as f32;
    row.iter_mut().for_each(|x| *x *= inverse);
    f64::from(max) + sum.ln()
}

/// Targets of a packed batch: the row of the hidden states each belongs to, and the target.
pub(crate) type Rows<'a> = [(usize, &'a Target)];

/// Probabilities and loss of every target, and the gradient of the hidden states.
pub(crate) struct Scored {
    /// Weighted cross entropy, in nats, summed over targets.
    pub(crate) loss: f64,
    /// For each target the model's probabilities of its tokens, in its order.
    pub(crate) probabilities: Vec<Vec<f32>>,
    /// Gradient of `loss * scale`: tokens x width; empty if not asked for.
    pub(crate) grad: Vec<f32>,
}

/// Scores targets on the last hidden states (tokens x width, before the last norm).
///
/// With `grad_scale` the gradient of `grad_scale * loss` is computed too. Logits are computed only where a target needs
/// them: for targets among candidates, only those rows of the output matrix are touched.
pub(crate) fn score(weights: &Weights, hidden: &[f32], rows: &Rows<'_>, grad_scale: Option<f32>) -> Scored {
    let (width, eps) = (weights.shape.width, weights.shape.norm_eps);
    let output = weights.output();
    let gathered: Vec<f32> = rows.iter().flat_map(|(at, _)| &hidden[at * width..(at + 1) * width]).copied().collect();
    let normed = kernels::norm(&gathered, &weights.output_norm, eps);
    let mut d_normed = vec![0.0; normed.len()];
    let mut loss = 0.0;
    let mut probabilities = vec![Vec::new(); rows.len()];

    for (i, (_, target)) in rows.iter().enumerate().filter(|(_, r)| r.1.among == Among::Candidates) {
        let x = &normed[i * width..(i + 1) * width];
        let dot = |row: &[f32]| row.iter().zip(x).map(|(a, b)| f64::from(a * b)).sum::<f64>() as f32;
        let mut p: Vec<f32> = target.distribution.iter().map(|(t, _)| dot(output.row(*t as usize))).collect();
        let logits = p.clone();
        let normaliser_ln = softmax(&mut p);
        for (j, (token, wanted)) in target.distribution.iter().enumerate() {
            loss += f64::from(target.weight * wanted) * (normaliser_ln - f64::from(logits[j]));
            let d = grad_scale.unwrap_or(0.0) * target.weight * (p[j] - wanted);
            for (g, w) in d_normed[i * width..(i + 1) * width].iter_mut().zip(output.row(*token as usize)) {
                *g += d * w;
            }
        }
        probabilities[i] = p;
    }

    let whole: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].1.among == Among::Vocabulary).collect();
    let mut logits = vec![0.0; whole.len().min(ROWS) * output.rows];
    for chunk in whole.chunks(ROWS) {
        let x: Vec<f32> = chunk.iter().flat_map(|i| &normed[i * width..(i + 1) * width]).copied().collect();
        let logits = &mut logits[..chunk.len() * output.rows];
        multiply(logits, Put::Replace, 1.0, View::new(&x, chunk.len(), width), View::from(output).t());
        for (row, i) in logits.chunks_exact_mut(output.rows).zip(chunk) {
            let target = rows[*i].1;
            let named: Vec<f64> = target.distribution.iter().map(|(t, _)| f64::from(row[*t as usize])).collect();
            let normaliser_ln = softmax(row);
            probabilities[*i] = target.distribution.iter().map(|(t, _)| row[*t as usize]).collect();
            for ((token, wanted), logit) in target.distribution.iter().zip(named) {
                loss += f64::from(target.weight * wanted) * (normaliser_ln - logit);
                row[*token as usize] -= wanted;
            }
            let scale = grad_scale.unwrap_or(0.0) * target.weight;
            row.iter_mut().for_each(|x| *x *= scale);
        }
        if grad_scale.is_some() {
            let mut d = vec![0.0; x.len()];
            multiply(&mut d, Put::Replace, 1.0, View::new(logits, chunk.len(), output.rows), View::from(output));
            for (d, i) in d.chunks_exact(width).zip(chunk) {
                d_normed[i * width..(i + 1) * width].copy_from_slice(d);
            }
        }
    }

    let mut grad = Vec::new();
    if grad_scale.is_some() {
        let mut d = vec![0.0; normed.len()];
        kernels::norm_backward(&mut d, false, &d_normed, &gathered, &weights.output_norm, eps);
        grad = vec![0.0; hidden.len()];
        for (d, (at, _)) in d.chunks_exact(width).zip(rows) {
            kernels::add(&mut grad[at * width..(at + 1) * width], d);
        }
    }
    Scored { loss, probabilities, grad }
}
