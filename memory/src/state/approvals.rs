//! Approvals of each owner, folded as their records come.

use std::collections::BTreeMap;
use std::sync::Arc;

use credence_approvals::{ApprovalError, Approvals};

use super::State;
use super::check::Change;
use super::illegal::Illegal;
use crate::ids::PersonId;
use crate::record::{ApprovalNoted, ApprovalsDeclared};

impl State {
    /// What agents may do for a person, as learned so far; nothing before the person declared tools.
    pub fn approvals(&self, owner: &PersonId) -> Option<&Approvals> {
        self.approvals.get(owner).map(Arc::as_ref)
    }

    /// Approvals of everybody who declared tools, in the order of their names.
    pub fn all_approvals(&self) -> &BTreeMap<PersonId, Arc<Approvals>> {
        &self.approvals
    }

    pub(super) fn approvals_declared(&self, r: &ApprovalsDeclared) -> Result<Change, Illegal> {
        can_be_written(r)?;
        let approvals = match self.approvals(&r.person) {
            Some(before) => before.redeclared(r.settings.clone()).map_err(approval)?,
            None => Approvals::new(r.settings.clone()).map_err(approval)?,
        };
        Ok(Change::Approvals { person: r.person.clone(), approvals: Arc::new(approvals) })
    }

    pub(super) fn approval_noted(&self, r: &ApprovalNoted) -> Result<Change, Illegal> {
        can_be_written(r)?;
        let before = self.approvals(&r.person).ok_or_else(|| Illegal::NoApprovals(r.person.clone()))?;
        let mut approvals = before.clone();
        approvals.apply(&r.entry).map_err(approval)?;
        Ok(Change::Approvals { person: r.person.clone(), approvals: Arc::new(approvals) })
    }
}

fn approval(source: ApprovalError) -> Illegal {
    Illegal::Approval { source }
}

/// A number that is not finite becomes `null` in a line, and the line could not be read again.
fn can_be_written<T: serde::Serialize + serde::de::DeserializeOwned>(record: &T) -> Result<(), Illegal> {
    let value = serde_json::to_value(record).map_err(|_| Illegal::NotFinite)?;
    serde_json::from_value::<T>(value).map(drop).map_err(|_| Illegal::NotFinite)
}
