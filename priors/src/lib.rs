//! The language model: references, scoring, the value schema, features, the elicited prior, adapters.

pub mod bench;
pub mod cache;
pub mod checks;
pub mod controls;
pub mod cpu;
pub mod download;
pub mod elicited;
pub mod features;
pub mod generation;
pub mod gguf;
pub mod handle;
mod linear;
pub mod llama;
pub mod model;
pub mod reading_cache;
pub mod readout;
pub mod reference;
pub mod schema;
pub mod scripted;
pub mod share;
pub mod training;

pub use handle::{Cancel, ModelHandle};
pub use llama::{Llama, LlamaOptions};
pub use model::{
    Completion, CompletionRequest, Continuation, Ending, LanguageModel, LogLikelihood, Message, ModelError,
    ModelIdentity, Prompt, Reading, Readout, Role,
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
