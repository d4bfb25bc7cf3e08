//! Learned approvals: may an agent call this tool with these arguments?
//!
//! State is a fold of [`ApprovalRecord`]s, so it can live in an append-only log. Nothing here reads a clock, a file or
//! a source of randomness: the time is an argument, and audits are drawn from a seed that stands in the settings. The
//! same records give the same decisions, bit for bit. The guarantee and its assumptions are in docs/approvals.md.

mod account;
mod calibration;
mod decide;
mod explain;
mod features;
mod limits;
mod pattern;
mod record;
mod request;
mod settings;
pub mod simulate;
mod state;
mod stated;

pub use account::Account;
pub use calibration::{Bound, Certificate, evidence};
pub use decide::{Decision, Reason, Verdict};
pub use explain::{Contribution, Earlier, Explanation};
pub use features::FeatureSpace;
pub use limits::{Hours, Limits};
pub use pattern::{ActPattern, Match};
pub use record::{ApprovalRecord, By, PersonVerdict, Scope};
pub use request::{Affected, Request, RequestError, Reversible, ShownHash};
pub use settings::{DeclaredAttribute, Settings, ToolDeclaration};
pub use state::{ApprovalError, Approvals};
pub use stated::Stated;
