//! Simulated people, real data, convergence experiments, calibration and reports.

pub mod decision_speed;
pub mod estimate;
pub mod experiment;
pub mod flight;
pub mod kidney;
pub mod meaning;
pub mod person;
pub mod pressure;
pub mod report;
pub mod results;
pub mod sentences;
pub mod text_safety;
