//! The language model: references, scoring, the value schema, features, the elicited prior, adapters.

pub mod acts;
pub mod bench;
pub mod cache;
mod checked_lines;
pub mod checks;
pub mod controls;
pub mod cpu;
pub mod download;
pub mod elicited;
pub mod features;
pub mod generation;
pub mod gguf;
pub mod handle;
pub mod keyed_prior;
mod linear;
pub mod llama;
pub mod meaning;
pub mod model;
pub mod model_files;
pub mod published;
pub mod reading_cache;
pub mod readout;
pub mod reference;
pub mod schema;
pub mod scripted;
pub mod share;
pub mod statements;
pub mod training;
pub mod value_reading;

pub use handle::{Cancel, ModelHandle};
pub use llama::{Llama, LlamaOptions};
pub use model::{
    Completion, CompletionRequest, Continuation, Ending, LanguageModel, LogLikelihood, Message, ModelError,
    ModelIdentity, Piece, Prompt, Reading, Readout, Role, ScoredToken, StateRequest, Usage,
};

/// An error with all its causes in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
