//! Looking inside a model, on CPU: sparse autoencoders measured against a known truth, an audit that needs none, and
//! linear probes for motives.
//!
//! [`train`] learns a dictionary from states: top-k, batch top-k, JumpReLU or Matryoshka. Encoder and decoder are
//! untied, and prices may fall with how often an entry fires. [`generate`] makes states whose features are known, and
//! [`measures`] says how many were found, and what was absorbed, split, hedged or left dead. [`audit`] looks for
//! absorption in the weights alone. [`basis`] reports entries that are always on.
//!
//! [`probe`] fits linear probes on labelled states, and [`contrast`] reads the pairs of texts that they are fitted on.
//!
//! Everything is pure: seeds are arguments, no clock is read, and the same seed gives the same bits whatever the number
//! of threads.
//!
//! ```
//! use std::ops::ControlFlow;
//! use credence_glass::{Kind, MeasureOptions, Plan, Settings, generate, measures, train};
//!
//! let plan = Plan { features: 16, dimension: 12, parents: 2, ..Plan::default() };
//! let truth = generate(&plan, 1)?;
//! let (seen, held_out) = (truth.sample(2000, 2)?, truth.sample(1000, 3)?);
//! let settings = Settings { steps: 200, ..Settings::new(Kind::BatchTopK, 16, 2) };
//! let dictionary = train(&seen.data, &settings, 4, |_| ControlFlow::Continue(()))?;
//! let found = measures(&dictionary, &truth, &held_out, &MeasureOptions::default())?;
//! assert!(found.explained > 0.5 && found.always_on == 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod absorption;
mod adam;
mod audit;
mod autoencoder;
mod basis;
mod codes;
pub mod contrast;
mod data;
mod error;
mod file;
mod gradient;
mod measures;
mod prices;
pub mod probe;
mod product;
mod ranking;
mod replaced;
mod select;
mod settings;
mod synthetic;
mod train;
pub mod written;

pub use absorption::{AbsorbedPair, Absorption};
pub use audit::{Audit, AuditOptions, Detector, ScoredPair, audit};
pub use autoencoder::{Autoencoder, Making, Parts, Rule};
pub use basis::{Basis, basis};
pub use codes::Codes;
pub use data::{Data, Origin, ROWS_MIN};
pub use error::{DataError, FileError, PartsError, PlanError, TrainError};
pub use measures::{MeasureOptions, Measures, measures};
pub use ranking::{Found, Interval, average_precision, found, interval};
pub use settings::{Kind, Price, Settings};
pub use synthetic::{Plan, Sample, Truth, generate};
pub use train::{Progress, train};
