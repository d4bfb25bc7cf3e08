//! Training a LoRA adapter on the very GGUF file that llama.cpp serves.
//!
//! The forward pass and its gradient are written out here rather than taken from an automatic-differentiation library:
//! frozen weights then cost one product in the backward pass and no gradient of their own, activations are kept or
//! computed anew as memory allows, sequences are packed without padding, and no operation can drop a gradient silently.
//!
//! [`Weights::load`] reads a model, [`train`] makes an [`Adapter`] from [`Example`]s, [`predict`] reads probabilities,
//! [`Adapter::write`] gives llama.cpp its file.

pub mod adapter;
mod attention;
pub mod bench;
mod checkpoint;
mod error;
mod files;
pub mod flight;
mod forward;
mod kernels;
mod loss;
pub(crate) mod matrix;
mod optimiser;
pub mod peft;
mod predict;
mod projection;
mod shape;
pub mod teaching;
pub mod tiny;
mod train;
mod weights;

pub use adapter::{Adapter, LoraSettings};
pub use error::TrainingError;
pub use loss::{Among, Example, Target};
pub use matrix::Matrix;
pub use optimiser::{Decay, OptimiserSettings};
pub use predict::{Prediction, Predictions, predict, residual_stream};
pub use projection::Projection;
pub use shape::{Activation, Architecture, ModelShape, RotaryPairs, SlidingWindow};
pub use train::{Control, Progress, Trained, TrainingSettings, train, train_from};
pub use weights::{Weights, file_hash};

#[cfg(test)]
mod tests;
