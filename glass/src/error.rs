//! What can go wrong, located.

use std::io;
use std::path::PathBuf;

/// Why a matrix of states cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The slice is not rows times dimension long.
    #[error("{found} numbers are not {rows} rows of {dimension}")]
    Shape {
        /// Rows that were claimed.
        rows: usize,
        /// Numbers in a row that were claimed.
        dimension: usize,
        /// Numbers that were given.
        found: usize,
    },
    /// There is not one name for each row.
    #[error("{found} names for {rows} rows; each row needs one")]
    Names {
        /// Rows of the matrix.
        rows: usize,
        /// Names that were given.
        found: usize,
    },
    /// Too few rows to learn or estimate anything.
    #[error("{found} rows are too few; at least {needed} are needed")]
    TooFewRows {
        /// Rows that were given.
        found: usize,
        /// Rows that are needed.
        needed: usize,
    },
    /// A number is NaN or infinite.
    #[error("row {row} ({name:?}), column {column} is not a finite number")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// Its name.
        name: String,
        /// The column, from 0.
        column: usize,
    },
    /// Every row is the same, so there is nothing to explain.
    #[error("all {rows} rows are the same; there is nothing to explain")]
    Constant {
        /// Rows that were given.
        rows: usize,
    },
    /// The states have another width than the autoencoder.
    #[error("states of dimension {found} do not fit an autoencoder of dimension {expected}")]
    Dimension {
        /// What the autoencoder expects.
        expected: usize,
        /// What the states have.
        found: usize,
    },
}

/// Why training cannot start or had to stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// A setting makes no sense.
    #[error("setting {name}: {problem}")]
    Setting {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The data cannot be used.
    #[error("the states cannot be trained on")]
    Data(#[from] DataError),
    /// The loss is no longer a finite number.
    #[error("the loss is not finite at step {step}; a lower learning rate may help")]
    Diverged {
        /// The step, from 0.
        step: usize,
    },
}

/// Why a plan of synthetic data cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plan, {name}: {problem}")]
pub struct PlanError {
    /// Which number of the plan.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Why the parts do not make an autoencoder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: expected {expected}, found {found}")]
pub struct PartsError {
    /// Which part.
    pub part: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// Why a model file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The header is not the JSON that was expected.
    #[error("{path}: the header is not the JSON of an autoencoder")]
    Header {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// Something in the file is not what it should be.
    #[error("{path}: {what}: expected {expected}, found {found}")]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The numbers do not make an autoencoder.
    #[error("{path}: the tensors do not make an autoencoder")]
    Parts {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: PartsError,
    },
}
