//! Training a LoRA adapter on the very GGUF file that llama.cpp serves.
//!
//! The forward pass and its gradient are written out here rather than taken from an automatic-differentiation library:
//! frozen weights then cost one product in the backward pass and no gradient of their own, activations are kept or
//! computed anew as memory allows, sequences are packed without padding, and no operation can drop a gradient silently.
//!
//! [`Weights::load`] reads a model, [`train`] makes an [`Adapter`] from [`Example`]s, [`predict`] reads probabilities,
//! [`Adapter::write`] gives llama.cpp its file. [`peft`] reads and writes adapters of other trainers.
//!
//! ```
//! use credence_training::{Architecture, Control, Example, TrainingSettings, Weights, predict, tiny, train};
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("tiny.gguf");
//! tiny::write(&file, Architecture::Llama, 1)?;
//! let weights = Weights::load(&file)?;
//! // The same eight tokens again and again; the last five of them are to be foreseen.
//! let examples = vec![Example::text(vec![5, 1, 4, 1, 5, 9, 2, 6], 3, 1.0); 8];
//! let settings = TrainingSettings { epochs: 5, ..TrainingSettings::default() };
//! let trained = train(&weights, &examples, &settings, &mut Control::default())?;
//! let loss = |adapter| predict(&weights, adapter, &examples[..1], 512, None).map(|read| read.cross_entropy);
//! assert!(loss(Some(&trained.adapter))? < loss(None)?);
//! trained.adapter.write(&folder.path().join("adapter.gguf"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub use loss::{Among, Example, StateTarget, Target};
pub use optimiser::{Decay, OptimiserSettings};
pub use predict::{Prediction, Predictions, predict, residual_stream};
pub use projection::Projection;
pub use shape::{Activation, Architecture, ModelShape, RotaryPairs, SlidingWindow};
pub use train::{Control, Progress, Trained, TrainingSettings, Watch, order, train, train_from};
pub use weights::{Weights, file_hash};

#[cfg(test)]
mod tests;
