//! Reading a language model: what it says of acts, as numbers. It knows no log and no belief.
//!
//! # Where to begin
//!
//! | for | items |
//! |---|---|
//! | loading a model | [`Llama`], [`ModelHandle`] (owned by one thread), [`scripted::Scripted`] (a fake one for tests) |
//! | getting a model file | [`reference::ModelReference`], [`cache::ModelCache`] |
//! | what can be asked of a model | [`LanguageModel`] and its requests |
//! | what the values are | [`schema::ValueSchema`], [`published::PublishedValues`] |
//! | reading acts | [`readout`], [`features`], [`value_reading`] |
//! | the prior that a model gives | [`elicited::ElicitedPrior`], [`keyed_prior`], [`generation`] |
//! | how well it reads | [`checks`], [`controls`], [`acts`], [`meaning`] |
//! | the files of models, and products of matrices | [`gguf`], [`model_files`], [`matrix`]: `credence-training` builds on them |
//!
//! `examples/values_of_a_model.rs` is a first program. Log-probabilities are in nats.
//!
//! ```
//! use credence_priors::scripted::Scripted;
//! use credence_priors::{LanguageModel, Reading};
//!
//! let mut model = Scripted::strict().with_answer("To steal is", " wrong", -0.1);
//! let asked = Reading { prompt: "To steal is".into(), continuations: vec![" wrong".into()] };
//! let read = model.read(&[asked])?;
//! assert_eq!(read[0].ln_p, [-0.1]);
//! # Ok::<(), credence_priors::ModelError>(())
//! ```

pub mod acts;
mod alternative;
pub mod bench;
pub mod cache;
mod checked_lines;
pub mod checks;
pub mod controls;
mod cpu;
pub mod download;
pub mod elicited;
pub mod features;
pub mod generation;
pub mod gguf;
mod handle;
pub mod keyed_prior;
mod linear;
pub mod llama;
pub mod matrix;
pub mod meaning;
pub mod model;
pub mod model_files;
pub mod passages;
pub mod published;
pub mod reading_cache;
pub mod readout;
pub mod reference;
pub mod schema;
pub mod scripted;
pub mod share;
pub mod statements;
pub mod value_reading;

pub use handle::{Cancel, ModelHandle};
pub use llama::{Llama, LlamaOptions};
pub use model::{
    Completion, CompletionRequest, Continuation, Ending, LanguageModel, LogLikelihood, Message, ModelError,
    ModelIdentity, Piece, Prompt, Reading, Readout, Role, ScoredToken, StateRequest, Usage,
};

/// An error with all its causes in one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
