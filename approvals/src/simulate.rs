//! Simulated owners over the authored acts, and what is measured on them (docs/results/approvals.md).

mod acts;
mod measure;
mod owners;
mod run;

pub use acts::{Act, CONCERNS, Split, parse_acts, settings_of_acts};
pub use measure::{Interval, bootstrap, clopper_pearson_upper};
pub use owners::{Kind, Owner};
pub use run::{Outcome, Point, Policy, run};
