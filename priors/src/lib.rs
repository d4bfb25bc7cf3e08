//! The language model: references, scoring, the value schema, features, the elicited prior, adapters.

pub mod training;
