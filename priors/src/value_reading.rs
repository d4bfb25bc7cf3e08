//! Reading what nobody keyed: what an act serves, in key points, from the model's hidden states.
//!
//! For two alternatives of one situation, let `x` be the difference of their states, `z` their sum and `w` the state of
//! the situation; each is standardised by entry and projected on its principal components. Then, for a value `v`,
//!
//! ```text
//! which way      r_v = x' W_v c,   c = (1, k z, k w)
//! what is at stake   s_v = b_v . (1, z, w), within [0.02, 1]
//! key points     d_v = a_v s_v^p r_v
//! error variance e_v = m_v (e0 + e1 s_v + e2 d_v^2)
//! ```
//!
//! `W` is kernel ridge regression with the kernel `(x.x')(c.c')` on the differences of keys of many keyed acts, `b` ridge
//! regression on whether a value is keyed at all. Reading one way round is minus reading the other way round. What is not
//! at stake is thus nearly silent, which matters more than its sign: sixteen of eighteen values are not.
//!
//! *What nearly everybody would do* is learned by the same machinery: the keys of an act, weighed by the published order of
//! values ([`crate::published`]), are what the words of the act are worth to most people. It is read once directly, and once as
//! the weighted sum of what is read of each value; a logistic regression on cross-validated readings makes log-odds of both.
//!
//! Penalties and `k` are chosen on situations kept for choosing; `a`, `p` and `e` come from cross-validation over all that
//! is not kept for testing. A value whose sign cross-validation cannot tell from chance is *unreadable*: its feature is zero,
//! and its error variance that of the keys themselves.

mod fit;
mod kept;
mod provided;
mod quantised;
mod solve;
mod states;
mod stored;

use serde::{Deserialize, Serialize};

pub use fit::FitError;
pub use kept::KeptReadings;
pub use provided::{MapError, learned_acts};
pub use states::{QuestionStates, layers, read_states};
pub use stored::StoredMapError;

use crate::matrix::Matrix;
use crate::share::Share;
use quantised::Quantised;

/// Changed whenever the same states would be read otherwise.
pub const MAP_VERSION: u32 = 1;

/// The least a value is taken to be at stake.
const STAKE_MIN: f64 = 0.02;

/// How well a value is read, by cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ValueValidity {
    /// The value.
    pub value: String,
    /// Signs of key differences that are read right, where the value is keyed.
    pub sign: Share,
    /// Whether the interval of that share lies above chance. If not, nothing is claimed of this value.
    pub is_readable: bool,
}

/// What is read of one alternative, beside the others of its question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadAct {
    /// By value, in key points. Differences between alternatives of a question mean something; sums do not.
    pub points: Vec<f64>,
    /// By value, error variance. That of a difference is the sum of both.
    pub error: Vec<f64>,
    /// By value, how likely it is to be at stake in this question, from 0 to 1.
    pub stakes: Vec<f64>,
    /// What nearly everybody would do: differences are log-odds that most people put one before the other.
    pub judgement: f64,
}

/// Standardisation by entry, then principal components.
#[derive(Debug, Clone, PartialEq)]
struct Projection {
    mean: Vec<f32>,
    scale: Vec<f32>,
    basis: Quantised,
}

impl Projection {
    fn apply(&self, state: &[f32]) -> Vec<f32> {
        let standardised: Vec<f32> = state
            .iter()
            .zip(&self.mean)
            .zip(&self.scale)
            .map(|((entry, mean), scale)| (entry - mean) * scale)
            .collect();
        (0..self.basis.rows).map(|row| self.basis.dot(row, &standardised)).collect()
    }
}

/// Slopes and error variances, from cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Calibration {
    /// p.
    power: f64,
    /// a, by value; zero where unreadable.
    slope: Vec<f64>,
    /// e0, e1, e2.
    error: [f64; 3],
    /// m, by value.
    error_ratio: Vec<f64>,
    /// Mean square of a key difference, by value: the error of a value that is not read at all.
    unread: Vec<f64>,
}

/// A fitted map from states to key points; small enough to ship. Made by [`ValueMap::fit`], so always of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueMap {
    /// [`crate::ModelIdentity::key`] of the model whose states it reads.
    pub model_key: String,
    /// The values, in the order of their features.
    pub values: Vec<String>,
    /// [`crate::acts::hash`] of the acts it was fitted with.
    pub acts_hash: String,
    /// How well each value is read.
    pub validity: Vec<ValueValidity>,
    /// Layers that are read.
    layers: Vec<usize>,
    /// k.
    context_weight: f32,
    difference: Projection,
    sum: Projection,
    situation: Projection,
    /// W: a row for each component of `x` within each value, a column for each entry of `c`.
    direction: Quantised,
    /// b: values x (1 + components of z and w).
    stakes: Matrix,
    calibration: Calibration,
    overall: Overall,
}

/// How the overall judgement is read.
#[derive(Debug, Clone, PartialEq)]
struct Overall {
    /// As W, for the judgement itself.
    direct: Quantised,
    /// Log-odds by what is read directly, and by the weighted sum of what is read of each value.
    slopes: [f64; 2],
    /// Weight of each value.
    weights: Vec<f64>,
}

/// A value read for a pair: which way and how far, before calibration, and how much it is at stake.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Raw {
    direction: f64,
    stake: f64,
}

impl Calibration {
    /// Difference in key points, and its error variance.
    fn apply(&self, value: usize, raw: Raw) -> (f64, f64) {
        let slope = self.slope[value];
        if slope == 0.0 {
            return (0.0, self.unread[value]);
        }
        let points = slope * raw.stake.powf(self.power) * raw.direction;
        let [constant, by_stake, by_square] = self.error;
        (points, self.error_ratio[value] * (constant + by_stake * raw.stake + by_square * points * points))
    }
}

impl ValueMap {
    /// Whether this value is read at all.
    pub fn reads(&self, value: usize) -> bool {
        self.validity.get(value).is_some_and(|validity| validity.is_readable)
    }

    /// The layers whose states it reads.
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// Reads a pair, the first alternative's states minus the second's: each value, and the overall judgement directly.
    fn raw(&self, situation: &[f32], first: &[f32], second: &[f32]) -> (Vec<Raw>, f64) {
        let difference: Vec<f32> = first.iter().zip(second).map(|(a, b)| a - b).collect();
        let sum: Vec<f32> = first.iter().zip(second).map(|(a, b)| a + b).collect();
        let x = self.difference.apply(&difference);
        let z = self.sum.apply(&sum);
        let context: Vec<f32> = z.iter().chain(situation).map(|entry| entry * self.context_weight).collect();
        let context: Vec<f32> = std::iter::once(1.0).chain(context).collect();
        let about: Vec<f32> = std::iter::once(1.0).chain(z).chain(situation.iter().copied()).collect();
        let direct =
            x.iter().enumerate().map(|(i, x)| f64::from(*x) * f64::from(self.overall.direct.dot(i, &context))).sum();
        let values = (0..self.values.len())
            .map(|value| {
                let row = |component: usize| f64::from(self.direction.dot(value * x.len() + component, &context));
                let direction = x.iter().enumerate().map(|(i, x)| f64::from(*x) * row(i)).sum();
                let stake: f64 =
                    self.stakes.row(value).iter().zip(&about).map(|(b, z)| f64::from(*b) * f64::from(*z)).sum();
                Raw { direction, stake: stake.clamp(STAKE_MIN, 1.0) }
            })
            .collect();
        (values, direct)
    }

    /// Reads the alternatives of a question. A single one is read against the mean of all acts the map was fitted with.
    ///
    /// The reading of each is the mean over what it is compared with, itself included, so that for two alternatives the
    /// difference of their readings is the reading of the pair.
    pub fn read(&self, states: &QuestionStates) -> Vec<ReadAct> {
        let situation = match &states.situation {
            Some(state) => self.situation.apply(state),
            None => vec![0.0; self.situation.basis.rows],
        };
        // Half the mean sum of two acts.
        let typical: Vec<f32> = self.sum.mean.iter().map(|entry| entry / 2.0).collect();
        let is_alone = states.alternatives.len() == 1;
        let mut others: Vec<&[f32]> = states.alternatives.iter().map(Vec::as_slice).collect();
        if is_alone {
            others.push(&typical);
        }
        let count = others.len() as f64;
        let values = self.values.len();
        (0..states.alternatives.len())
            .map(|i| {
                let nothing = || vec![0.0; values];
                let mut act = ReadAct { points: nothing(), error: nothing(), stakes: nothing(), judgement: 0.0 };
                // Alone, the whole difference is its own.
                let share = if is_alone { 1.0 } else { 1.0 / count };
                for j in (0..others.len()).filter(|j| *j != i) {
                    let (raw, direct) = self.raw(&situation, others[i], others[j]);
                    act.judgement += share * self.overall.slopes[0] * direct;
                    for (value, raw) in raw.into_iter().enumerate() {
                        let (points, error) = self.calibration.apply(value, raw);
                        act.judgement += share * self.overall.slopes[1] * self.overall.weights[value] * points;
                        act.points[value] += share * points;
                        act.error[value] += error / 2.0 / (count - 1.0);
                        act.stakes[value] += raw.stake / (count - 1.0);
                    }
                }
                act
            })
            .collect()
    }

    /// BLAKE3 hash, in hex, of the map as it is stored.
    pub fn hash(&self) -> String {
        blake3::hash(&self.to_bytes()).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests;
