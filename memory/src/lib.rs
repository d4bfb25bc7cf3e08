//! Evidence, the log, belief and replay: the Bayesian core. It knows no model and no async runtime.

pub mod erase;
pub mod evidence;
pub mod export;
pub mod home;
pub mod ids;
pub mod import;
pub mod layout;
pub mod ledger;
pub mod lock;
pub mod log;
pub mod number;
pub mod observation;
pub mod population;
pub mod prior;
pub mod provenance;
pub mod record;
pub mod replay;
pub mod sample;
pub mod state;
pub mod storage;
pub mod store;
pub mod text;

/// The belief engine, a crate of its own.
pub use credence_belief as belief;

/// Traces a moment at which a kill would hurt, for the test that kills there.
macro_rules! moment {
    ($name:literal) => {
        tracing::trace!(name: $name, target: "credence_memory::moment", "")
    };
}
pub(crate) use moment;
