//! Records of approvals: what agents asked to do, what their owner said of it, and what passed. What follows from them is
//! [`credence_approvals`]'s business.

use credence_approvals::{ApprovalRecord, Settings};
use serde::{Deserialize, Serialize};

use crate::ids::PersonId;

/// An owner declared the tools that agents may ask for, and what fixes decisions beside the records. A later one takes its
/// place: answers are kept, and calibration begins anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalsDeclared {
    /// The owner.
    pub person: PersonId,
    /// Tools, attributes, the bound and the constants of the statistics.
    pub settings: Settings,
}

/// One entry of an owner's approvals. Entries are numbered from 0 for each owner, and refer to each other by these numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalNoted {
    /// The owner.
    pub person: PersonId,
    /// What happened.
    pub entry: ApprovalRecord,
}
