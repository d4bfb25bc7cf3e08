//! Simulated people, real data, convergence experiments, calibration and reports.

pub mod calibration;
pub mod crowd;
pub mod decision_speed;
pub mod estimate;
pub mod experiment;
pub mod flight;
pub mod kidney;
pub mod meaning;
pub mod pairs;
pub mod person;
pub mod polis;
pub mod pressure;
pub mod recovery;
pub mod report;
pub mod results;
pub mod sentences;
pub mod start;
pub mod survival;
pub mod teaching;
pub mod text_safety;
pub mod tuning;
pub mod unseen;
pub mod validity;
