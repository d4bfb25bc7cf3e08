//! What can go wrong in training, located.

use std::io;
use std::path::{Path, PathBuf};

use credence_priors::gguf::GgufError;

/// Why a model, an adapter or a checkpoint cannot be used, or why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
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
    /// There is no room; what was there before is untouched.
    #[error("no room on the disk to write {path}; the file that was there before is untouched")]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The GGUF file is damaged, truncated, or of another kind.
    #[error("failed to read {path} as GGUF")]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: GgufError,
    },
    /// The model is of a family that cannot be trained here.
    #[error(
        "models of architecture {name:?} cannot be trained here ({reason}); they can still be served, and learn by posterior"
    )]
    Unsupported {
        /// What the file says of itself.
        name: String,
        /// What stands in the way.
        reason: String,
    },
    /// A metadata entry is missing or makes no sense.
    #[error("metadata entry {key:?}: {problem}")]
    Metadata {
        /// The entry.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is missing, has another shape than the metadata says, is of a type that cannot be read, or holds NaN or
    /// infinity.
    #[error("tensor {name:?}: {problem}")]
    Tensor {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An adapter that belongs to another model.
    #[error("the adapter {path} was made for another model: {problem}")]
    OtherModel {
        /// The adapter.
        path: PathBuf,
        /// What differs.
        problem: String,
    },
    /// An adapter file that is damaged or of another kind.
    #[error("{path} is not a usable adapter: {problem}")]
    Adapter {
        /// The adapter.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A checkpoint that is damaged, or belongs to another run.
    #[error("the checkpoint {path} cannot be resumed: {problem}")]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A training example that makes no sense.
    #[error("example {index}: {problem}")]
    Example {
        /// Its place in the data set, from 0.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// Settings that make no sense.
    #[error("training settings: {0}")]
    Settings(String),
    /// Loss or gradient stopped being a number. The last checkpoint is still good.
    #[error("{what} is not finite at step {step}: try a lower learning rate")]
    NotFinite {
        /// The loss, or the gradient.
        what: &'static str,
        /// The step that failed, from 0.
        step: usize,
    },
    /// Worker threads cannot be started.
    #[error("failed to start worker threads")]
    Threads(#[source] rayon::ThreadPoolBuildError),
}

impl TrainingError {
    /// An error of the file system, with a full disk told apart.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, source },
            _ => Self::Io { doing, path, source },
        }
    }

    /// An error of the reader. A file that ends too early is damaged; anything else that cannot be read is the file
    /// system's fault.
    pub(crate) fn gguf(path: &Path, source: GgufError) -> Self {
        match source {
            GgufError::Read { source, .. } if source.kind() != io::ErrorKind::UnexpectedEof => {
                Self::io("read", path, source)
            }
            source => Self::Gguf { path: path.to_owned(), source },
        }
    }
}
