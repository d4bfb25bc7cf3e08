//! GGUF files. Their heads are read and checked before llama.cpp sees a file: llama.cpp answers some damaged files by ending
//! the process, and says little about the others.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

mod content;
#[cfg(test)]
mod tests;
mod types;
mod value;
mod write;

pub use content::{Content, TensorInfo};
pub use types::type_name;
pub use value::{Array, Value};
pub use write::{TensorData, write};

pub use crate::llama::numbers::dequantise;

/// Metadata entry of an adapter that names its model, by the BLAKE3 of the model's file.
pub const ADAPTER_MODEL_KEY: &str = "credence.model.blake3";

/// What is wrong with a GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file ends, or cannot be read, in the middle of its head.
    #[error("failed to read its head at byte {at}")]
    Read {
        /// Where.
        at: u64,
        /// Why.
        source: io::Error,
    },
    /// Some other kind of file.
    #[error("it is not a GGUF file: it begins with {found:02x?} and not with \"GGUF\"")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A version of the format we do not know.
    #[error("its GGUF version is {0}; versions 2 and 3 are known")]
    Version(u32),
    /// A number in the head makes no sense.
    #[error("damaged at byte {at}: {what}")]
    Damaged {
        /// Where.
        at: u64,
        /// What was found and what was expected.
        what: String,
    },
    /// A file of several that does not fit the others, or one that is missing.
    #[error("{0}")]
    Shard(String),
    /// Tensor data is missing.
    #[error("truncated: tensor {tensor} ends at byte {needed} and the file has {bytes}; download it again")]
    Truncated {
        /// The tensor that lies farthest back.
        tensor: String,
        /// Where it ends.
        needed: u64,
        /// Length of the file.
        bytes: u64,
    },
}

/// What the head of a GGUF file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufHead {
    /// Version of the format.
    pub version: u32,
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`.
    pub name: Option<String>,
    /// `general.file_type` (llama.cpp's `llama_ftype`).
    pub file_type: Option<u32>,
    /// In an adapter written by this program, BLAKE3 of the model's file that it was made for.
    pub adapter_of: Option<String>,
    /// `split.no` and `split.count`, where the model is in several files: this is file `no` of `count`, from 0.
    pub split: Option<(u64, u64)>,
    /// Whether the file brings a chat template.
    pub has_chat_template: bool,
    /// Whether it carries a vocabulary.
    pub has_vocabulary: bool,
    /// Number of weights in all tensors.
    pub parameters: u64,
    /// Number of tensors.
    pub tensors: u64,
    /// Bytes of tensor data by GGML type, most bytes first.
    pub types: Vec<(u32, u64)>,
}

impl GgufHead {
    /// Reads and checks the head of a file.
    ///
    /// # Errors
    /// If the file is not a GGUF file, is damaged, or is shorter than its head says.
    pub fn read_file(path: &Path) -> Result<Self, GgufError> {
        let at_start = |source| GgufError::Read { at: 0, source };
        let file = File::open(path).map_err(at_start)?;
        let bytes = file.metadata().map_err(at_start)?.len();
        Self::read(BufReader::with_capacity(1 << 16, file), bytes)
    }

    /// Reads and checks a head from `source`, which belongs to a file of `bytes` bytes.
    ///
    /// # Errors
    /// As [`Self::read_file`].
    pub fn read(source: impl Read, bytes: u64) -> Result<Self, GgufError> {
        let content = Content::read(source, bytes)?;
        let text = |key: &str| content.metadata.get(key).and_then(Value::text);
        let number = |key: &str| match content.metadata.get(key) {
            Some(value) => value.integer().map(u64::try_from).transpose().map_err(|_| GgufError::Damaged {
                at: content.data,
                what: format!("expected {key} not to be negative, found {value:?}"),
            }),
            None => Ok(None),
        };
        let split_no = number("split.no")?.unwrap_or(0);
        let split = number("split.count")?.filter(|count| *count > 1).map(|count| (split_no, count));
        let architecture = match text("general.architecture") {
            Some(architecture) => architecture.to_owned(),
            // Only the first of several files says what they are.
            None if split.is_some_and(|(no, _)| no > 0) => String::new(),
            None => {
                let what = "expected an entry general.architecture".to_owned();
                return Err(GgufError::Damaged { at: content.data, what });
            }
        };
        let mut head = Self {
            version: content.version,
            architecture,
            name: text("general.name").map(str::to_owned),
            file_type: match content.metadata.get("general.file_type") {
                Some(Value::U32(file_type)) => Some(*file_type),
                _ => None,
            },
            adapter_of: text(ADAPTER_MODEL_KEY).map(str::to_owned),
            split,
            has_chat_template: text("tokenizer.chat_template").is_some_and(|template| !template.trim().is_empty()),
            has_vocabulary: text("tokenizer.ggml.model").is_some_and(|m| !matches!(m, "" | "none" | "no_vocab")),
            parameters: 0,
            tensors: content.tensors.len() as u64,
            types: Vec::new(),
        };
        for tensor in content.tensors.values() {
            head.parameters = head.parameters.saturating_add(tensor.elements());
            head.add_type(tensor.kind, tensor.bytes);
        }
        head.sort_types();
        Ok(head)
    }

    /// Adds what another file of the same model holds.
    pub(crate) fn add(&mut self, other: &Self) {
        self.parameters = self.parameters.saturating_add(other.parameters);
        self.tensors = self.tensors.saturating_add(other.tensors);
        other.types.iter().for_each(|&(kind, bytes)| self.add_type(kind, bytes));
        self.sort_types();
    }

    fn add_type(&mut self, kind: u32, bytes: u64) {
        match self.types.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum = sum.saturating_add(bytes),
            None => self.types.push((kind, bytes)),
        }
    }

    fn sort_types(&mut self) {
        self.types.sort_by_key(|&(kind, bytes)| (std::cmp::Reverse(bytes), kind));
    }

    /// Name of the type that most bytes are stored as, such as `Q4_1` or `F16`.
    pub fn precision(&self) -> String {
        self.types.first().map_or_else(|| "none".to_owned(), |&(kind, _)| type_name(kind))
    }

    /// Whether all weights are stored in a floating-point format that needs no copy for scoring.
    pub fn is_floating_point(&self) -> bool {
        self.types.iter().all(|&(kind, _)| matches!(kind, 0 | 1 | 30))
    }
}
