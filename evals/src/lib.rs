//! Simulated people, real data, convergence experiments, calibration and reports.
