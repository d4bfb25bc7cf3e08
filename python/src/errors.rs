//! The library's errors as Python exceptions, with the library's words and their causes.

use std::error::Error;

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::{PyErr, create_exception};

create_exception!(credence, CredenceError, PyException, "Something that Credence cannot do, in its own words.");
create_exception!(
    credence,
    BeliefError,
    PyValueError,
    "A belief that cannot be formed, or a question or answer that does not fit it. The belief is unchanged."
);
create_exception!(credence, LogError, CredenceError, "A log that cannot be read or replayed.");

/// An error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// As a `BeliefError`.
pub(crate) fn belief(error: credence_belief::BeliefError) -> PyErr {
    BeliefError::new_err(chain(&error))
}

/// As a `LogError`, of this file.
pub(crate) fn log(path: &std::path::Path, error: &dyn Error) -> PyErr {
    LogError::new_err(format!("{}: {}", path.display(), chain(error)))
}

/// As a `BeliefError`, in these words.
pub(crate) fn wrong(words: impl Into<String>) -> PyErr {
    BeliefError::new_err(words.into())
}
