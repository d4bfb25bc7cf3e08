//! Simulated people, real data, convergence experiments, calibration and reports.

pub mod estimate;
pub mod experiment;
pub mod flight;
pub mod kidney;
pub mod person;
pub mod report;
pub mod results;
pub mod teaching;
pub mod tuning;
