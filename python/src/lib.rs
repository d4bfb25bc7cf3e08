//! `credence._native`: the belief engine and the log, for the Python package in `python/credence`.

mod belief;
mod errors;
mod log;
mod question;
mod table;

use pyo3::prelude::*;

/// The belief engine and the log of Credence.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::belief::{Belief, Marginal, Surprise};
    #[pymodule_export]
    use crate::errors::{BeliefError, CredenceError, LogError};
    #[pymodule_export]
    use crate::log::{Log, Replay, write_sample_log};
    #[pymodule_export]
    use crate::question::Question;
    #[pymodule_export]
    use crate::table::Table;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ENGINE_VERSION", credence_belief::ENGINE_VERSION)
    }
}
