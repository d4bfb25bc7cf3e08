//! The obvious failure of prices that fall with frequency: a basis that is always on.

use serde::{Deserialize, Serialize};

use crate::codes::Codes;

/// Entries that are on nearly always. They carry no information by firing, and are free where frequent entries cost
/// nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// (Entry, share of rows in which it fires) of entries that are always on.
    pub always_on: Vec<(usize, f64)>,
    /// Entries that fire in at least half of the rows, those that are always on among them.
    pub dense: usize,
    /// Share of all firings that belongs to entries that are always on.
    pub share_of_firings: f64,
}

impl Basis {
    /// Whether any entry is always on.
    pub fn flagged(&self) -> bool {
        !self.always_on.is_empty()
    }
}

/// Looks for entries that fire in at least a share `rate` of the rows. Needs no truth.
pub fn basis(codes: &Codes, rate: f64) -> Basis {
    let rates = codes.rates();
    let always_on: Vec<(usize, f64)> = rates.iter().copied().enumerate().filter(|(_, r)| *r >= rate).collect();
    let firings: f64 = always_on.iter().map(|(_, rate)| rate).sum();
    Basis {
        share_of_firings: if codes.l0() > 0.0 { firings / codes.l0() } else { 0.0 },
        dense: rates.iter().filter(|rate| **rate >= 0.5).count(),
        always_on,
    }
}
