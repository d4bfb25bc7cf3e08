//! Evidence, the log, belief and replay: the Bayesian core. It knows no model and no async runtime.

pub mod belief;
pub mod ids;
pub mod log;
pub mod number;
pub mod record;
pub mod storage;
