//! A matrix of states with a name for each row, checked once.

use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// Fewest rows that anything is estimated from.
pub const ROWS_MIN: usize = 8;

/// Which model and layer the states come from; opaque to this crate, kept in the model file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Identity of the model, for example a file's hash.
    pub model: String,
    /// The layer, in whatever notation the caller uses.
    pub layer: String,
}

/// States in row-major f32, `rows x dimension`, with one name for each row.
///
/// A value of this type is finite, is not the same in every row and has at least [`ROWS_MIN`] rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    states: Vec<f32>,
    dimension: usize,
    names: Vec<String>,
    origin: Origin,
}

impl Data {
    /// Checks `states` (row-major, one row of `dimension` numbers for each of `names`).
    ///
    /// A single column may be constant; all of them together may not.
    ///
    /// # Errors
    /// If the shape does not fit, rows are too few, a number is not finite, or every row is the same.
    pub fn new(states: Vec<f32>, dimension: usize, names: Vec<String>, origin: Origin) -> Result<Self, DataError> {
        let rows = states.len().checked_div(dimension).unwrap_or(0);
        if dimension == 0 || rows * dimension != states.len() {
            return Err(DataError::Shape { rows, dimension, found: states.len() });
        }
        if names.len() != rows {
            return Err(DataError::Names { rows, found: names.len() });
        }
        if rows < ROWS_MIN {
            return Err(DataError::TooFewRows { found: rows, needed: ROWS_MIN });
        }
        if let Some(at) = states.iter().position(|x| !x.is_finite()) {
            let (row, column) = (at / dimension, at % dimension);
            return Err(DataError::NotFinite { row, name: names[row].clone(), column });
        }
        if states.chunks_exact(dimension).all(|row| row == &states[..dimension]) {
            return Err(DataError::Constant { rows });
        }
        Ok(Self { states, dimension, names, origin })
    }

    /// All numbers, row after row.
    pub fn states(&self) -> &[f32] {
        &self.states
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.names.len()
    }

    /// Numbers in a row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// One row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.states[row * self.dimension..(row + 1) * self.dimension]
    }

    /// The names, one for each row.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where the states come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Mean of each column.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dimension];
        for row in self.states.chunks_exact(self.dimension) {
            for (m, x) in mean.iter_mut().zip(row) {
                *m += f64::from(*x);
            }
        }
        mean.iter_mut().for_each(|m| *m /= self.rows() as f64);
        mean
    }

    /// Mean squared distance of a row from the mean; the unit of all explained variance.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        let rows = self.states.chunks_exact(self.dimension);
        let sum: f64 =
            rows.map(|row| row.iter().zip(&mean).map(|(x, m)| (f64::from(*x) - m).powi(2)).sum::<f64>()).sum();
        sum / self.rows() as f64
    }

    /// BLAKE3 hash of the dimension and the numbers, in hexadecimal. Names and origin do not enter.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.dimension as u64).to_le_bytes());
        self.states.iter().for_each(|x| {
            hasher.update(&x.to_le_bytes());
        });
        hasher.finalize().to_hex().to_string()
    }
}
