//! Evidence, the log, belief and replay: the Bayesian core. It knows no model and no async runtime.

pub mod belief;
pub mod erase;
pub mod evidence;
pub mod export;
pub mod home;
pub mod ids;
pub mod import;
pub mod layout;
pub mod ledger;
pub mod log;
pub mod number;
pub mod observation;
pub mod prior;
pub mod provenance;
pub mod record;
pub mod replay;
pub mod state;
pub mod storage;
pub mod store;
