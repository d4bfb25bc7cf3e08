//! Learned approvals: may an agent call this tool with these arguments?
//!
//! State is a fold of [`ApprovalRecord`]s, so it can live in an append-only log. Nothing here reads a clock, a file or
//! a source of randomness: the time is an argument, and audits are drawn from a seed that stands in the settings. The
//! same records give the same decisions, bit for bit. The guarantee and its assumptions are in docs/approvals.md.
//!
//! ```
//! use credence_approvals::{ApprovalError, Affected, ApprovalRecord, Approvals, PersonVerdict, Request, Reversible, Scope};
//! use credence_approvals::{Settings, ToolDeclaration, Verdict};
//! use jiff::civil::date;
//!
//! let now = date(2026, 1, 1).at(12, 0, 0, 0);
//! let request = Request {
//!     tool: "send_mail".into(), arguments: Default::default(), task: String::new(), context: String::new(),
//!     reversible: Reversible::No, affected: Affected::Others, cost: 0.0, outside: true,
//!     declared: Default::default(), cwd: String::new(), readings: Vec::new(),
//! };
//! let mut approvals = Approvals::new(Settings {
//!     tools: vec![ToolDeclaration { name: "send_mail".into(), ..ToolDeclaration::default() }],
//!     ..Settings::default()
//! })?;
//! assert_eq!(approvals.decide(&request, now)?.verdict, Verdict::Ask);
//!
//! // The person is asked, and says yes, for always.
//! let audit = approvals.audit_coin(&request);
//! let asked = approvals.apply(&ApprovalRecord::ApprovalAsked { request: request.clone(), audit, at: now })?;
//! let (shown_hash, verdict, scope) = (request.shown_hash(), PersonVerdict::Approved, Scope::Always);
//! let (pattern, expires) = (None, None);
//! approvals.apply(&ApprovalRecord::ApprovalAnswered { asked, shown_hash, verdict, scope, pattern, expires, at: now })?;
//! assert_eq!(approvals.decide(&request, now)?.verdict, Verdict::Allow);
//! # Ok::<(), ApprovalError>(())
//! ```

mod account;
mod calibration;
mod decide;
mod explain;
mod features;
mod limits;
mod paths;
mod pattern;
mod record;
mod request;
#[cfg(feature = "schema")]
pub mod schema;
mod settings;
pub mod simulate;
mod state;
mod stated;
mod unique;

pub use account::Account;
pub use calibration::{Certificate, evidence};
pub use decide::{Decision, Reason, Verdict};
pub use explain::{Contribution, Earlier, Explanation};
pub use features::FeatureSpace;
pub use limits::{Hours, Limits};
pub use pattern::{ActPattern, Match};
pub use record::{ApprovalRecord, By, PersonVerdict, Scope};
pub use request::{Affected, Request, RequestError, Reversible, ShownHash};
pub use settings::{Bound, DeclaredAttribute, Settings, ToolDeclaration};
pub use state::{ApprovalError, Approvals, Rule};
pub use stated::Stated;
pub use unique::{arguments as unique_arguments, value as unique_value};
