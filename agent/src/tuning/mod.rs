//! Learning in the weights: what a generation is trained on, when, and whether it is let in.
//!
//! [`dataset`] says what to train on, [`schedule`] when, [`gate`] whether the result is promoted: pure functions.
//! [`lessons`] puts a data set into the trainer's terms, [`measure`] reads what the gate judges, [`trl`] writes a data
//! set for other trainers.

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
