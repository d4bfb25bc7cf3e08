//! What is trained, and how.

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// The kind of autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// The k best positive entries of each row (Gao et al. 2024).
    TopK,
    /// The best entries of the whole batch, k a row on average (Bussmann, Leask and Nanda 2024).
    BatchTopK,
    /// Each entry has a learned threshold (Rajamanoharan et al. 2024).
    JumpRelu {
        /// Width of the window around the threshold in which its gradient is estimated, in units of the states scaled
        /// to a root mean square of 1 a number.
        bandwidth: f32,
        /// Weight of `(L0 / k - 1)^2` beside the unexplained share of the variance.
        penalty: f32,
    },
    /// Batch top-k whose first entries must also explain the states alone (Bussmann et al. 2025).
    Matryoshka {
        /// Rising lengths of the prefixes; the last is the width.
        prefixes: Vec<usize>,
    },
}

/// What an entry costs when it fires, beside the error it removes.
///
/// A strength of 1 prices an entry of average rate (k / width) at half the squared activation of an average entry. An
/// activation z of a unit-norm entry removes about z^2 / 2 of the (halved) error, so entries are ranked by
/// z^2 / 2 minus their price.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Price {
    /// All entries cost the same.
    Even,
    /// Minus the logarithm of the entry's rate: the length of its name in a code.
    LogRate {
        /// Strength of the price.
        strength: f32,
    },
    /// One minus the entry's rate.
    Complement {
        /// Strength of the price.
        strength: f32,
    },
    /// Minus the logarithm of a learned distribution over entries. It descends on the price that was paid, so that the
    /// code learns its own lengths (minimum description length, as in Ayonrinde, Pearce and Sharkey 2024).
    Learned {
        /// Strength of the price.
        strength: f32,
        /// Learning rate (Adam) of the distribution's logits.
        learning_rate: f32,
    },
}

impl Price {
    /// Its strength; 0 for even prices.
    pub fn strength(&self) -> f32 {
        match *self {
            Self::Even => 0.0,
            Self::LogRate { strength } | Self::Complement { strength } | Self::Learned { strength, .. } => strength,
        }
    }
}

/// Settings of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The kind of autoencoder.
    pub kind: Kind,
    /// Entries of the dictionary.
    pub width: usize,
    /// Entries that fire in a row: exactly, on average, or as the goal of JumpReLU.
    pub k: usize,
    /// What an entry costs when it fires.
    pub price: Price,
    /// Steps of training.
    pub steps: usize,
    /// Rows in a step.
    pub batch: usize,
    /// Learning rate of Adam after 50 steps of warm-up; it falls along a line over the last fifth.
    pub learning_rate: f32,
    /// An entry that was silent for so many rows counts as dead.
    pub dead_after: usize,
    /// Weight of the auxiliary loss that revives dead entries (Gao et al. 2024 use 1/32).
    pub revival: f32,
    /// Dead entries that take part in it in each row.
    pub revival_k: usize,
}

impl Settings {
    /// Plain settings for a kind, a width and a k.
    pub fn new(kind: Kind, width: usize, k: usize) -> Self {
        Self {
            kind,
            width,
            k,
            price: Price::Even,
            steps: 3000,
            batch: 256,
            learning_rate: 2e-3,
            dead_after: 8192,
            revival: 1.0 / 32.0,
            revival_k: 16,
        }
    }

    /// Lengths of the prefixes that must explain the states; only the width, but for Matryoshka.
    pub(crate) fn prefixes(&self) -> Vec<usize> {
        if let Kind::Matryoshka { prefixes } = &self.kind { prefixes.clone() } else { vec![self.width] }
    }

    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let positive = |x: f32| x.is_finite() && x > 0.0;
        let not_negative = |x: f32| x.is_finite() && x >= 0.0;
        let fail = |name, problem: &str| Err(TrainError::Setting { name, problem: problem.to_owned() });
        if self.width == 0 || u32::try_from(self.width).is_err() {
            return fail("width", "must be above 0 and fit 32 bits");
        }
        if self.k == 0 || self.k > self.width {
            return fail("k", "must be from 1 to the width");
        }
        if self.steps == 0 || self.batch == 0 {
            return fail("steps and batch", "must be above 0");
        }
        if !positive(self.learning_rate) {
            return fail("learning_rate", "must be a number above 0");
        }
        if !not_negative(self.revival) {
            return fail("revival", "must be a number not below 0");
        }
        if let Price::Learned { learning_rate, .. } = self.price
            && !positive(learning_rate)
        {
            return fail("price", "its learning rate must be a number above 0");
        }
        if !not_negative(self.price.strength()) {
            return fail("price", "its strength must be a number not below 0");
        }
        match &self.kind {
            Kind::JumpRelu { bandwidth, penalty } if !positive(*bandwidth) || !not_negative(*penalty) => {
                fail("kind", "bandwidth must be above 0 and penalty not below 0")
            }
            Kind::Matryoshka { prefixes }
                if prefixes.first().is_none_or(|first| *first == 0)
                    || prefixes.windows(2).any(|w| w[0] >= w[1])
                    || prefixes.last() != Some(&self.width) =>
            {
                fail("kind", "prefixes must rise from above 0 to the width")
            }
            _ => Ok(()),
        }
    }
}
