//! What audits say of the acts that passed: a bound that assumes nothing about the owner (docs/approvals.md, "However the
//! owner changes").

use serde::{Deserialize, Serialize};

/// The ledger of one certificate. All counts are of acts that were left to belief.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Account {
    /// Acts that passed.
    pub passed: u64,
    /// Answers against passing, to asked acts, audits included.
    pub refused: u64,
    /// Audits of acts that would have passed.
    pub audits: u64,
    /// Of those, answered against passing.
    pub audits_refused: u64,
    /// Passed acts that a person undid.
    pub undone: u64,
}

/// Share of the largest possible `c` that is used. Near 1 a clean record is bounded best, near 0 a long one.
const SHARPNESS: f64 = 0.5;

/// `(c, s)` with `q exp(-s) + (1 - q) exp(c) = 1`: then `exp(c V - s F)` is a martingale on acts that the owner would
/// have refused, `V` of them passed and `F` audited, whatever decides which acts these are.
pub(crate) fn rates(audit_share: f64) -> (f64, f64) {
    let q = audit_share;
    let c = -SHARPNESS * libm::log1p(-q);
    let s = -libm::log((1.0 - (1.0 - q) * libm::exp(c)) / q);
    (c, s)
}

impl Account {
    /// How many of the passed acts the owner would have refused at most, at all times at once, with the given
    /// confidence over the audit coins alone: `V <= (s F + ln(1 / (1 - confidence))) / c` (Ville's inequality).
    pub fn violations_max(&self, audit_share: f64, confidence: f64) -> f64 {
        let (c, s) = rates(audit_share);
        ((s * self.audits_refused as f64 - libm::log1p(-confidence)) / c).min(self.passed as f64)
    }

    /// Whether audits and undos have used up what the bound lets pass, one audit being free. `per` is the count that
    /// `share_max` is a share of.
    pub(crate) fn is_overdrawn(&self, audit_share: f64, share_max: f64, per: u64) -> bool {
        let (c, s) = rates(audit_share);
        s / c * self.audits_refused as f64 + self.undone as f64 > share_max * per as f64 + s / c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_make_a_martingale_and_the_bound_grows_with_refused_audits() {
        for q in [0.01, 0.05, 0.1, 0.3, 0.9] {
            let (c, s) = rates(q);
            assert!((q * libm::exp(-s) + (1.0 - q) * libm::exp(c) - 1.0).abs() < 1e-12 && c > 0.0 && s > 0.0);
        }
        let clean = Account { passed: 10_000, ..Account::default() };
        let caught = Account { audits_refused: 3, ..clean };
        assert!(clean.violations_max(0.1, 0.95) < caught.violations_max(0.1, 0.95));
        assert!(!clean.is_overdrawn(0.1, 0.01, 0) && caught.is_overdrawn(0.1, 0.01, 100));
    }
}
