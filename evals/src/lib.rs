//! Simulated people, real data, convergence experiments, calibration and reports.

pub mod crowd;
pub mod estimate;
pub mod experiment;
pub mod flight;
pub mod kidney;
pub mod pairs;
pub mod person;
pub mod polis;
pub mod report;
pub mod results;
pub mod start;
pub mod survival;
pub mod teaching;
pub mod tuning;
