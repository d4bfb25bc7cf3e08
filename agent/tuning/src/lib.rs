//! Learning in the weights: what a generation is trained on, when, and whether it is let in.
//!
//! [`dataset`] says what to train on, [`schedule`] when, [`gate`] whether the result is promoted: pure functions.
//! [`lessons`] puts a data set into the trainer's terms, [`measure`] reads what the gate judges, [`trl`] writes a data
//! set for other trainers.
//!
//! [`plan`] asks the schedule about a home, [`work`] makes the candidate in its [`candidate::Folder`], [`records`] tells the log
//! what came of it. [`beside`] does all that beside a session.
//!
//! ```
//! use credence_tuning::candidate::TuneSettings;
//!
//! // What `tune.toml` leaves out has its default.
//! let settings = TuneSettings::parse("[training]\nepochs = 2")?;
//! assert_eq!(settings.training.epochs, 2);
//! assert_eq!(settings.gate, TuneSettings::default().gate);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod beside;
pub mod candidate;
pub mod dataset;
pub mod gate;
pub mod lessons;
pub mod measure;
pub mod plan;
pub mod records;
pub mod schedule;
pub mod trl;
pub mod work;

#[cfg(test)]
mod tests;
