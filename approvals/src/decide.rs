//! Allow, ask or refuse: limits first, then what a person said, then belief.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::calibration::p_refuse;
use super::record::{By, PersonVerdict};
use super::request::Request;
use super::state::{ApprovalError, Approvals};

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Do it.
    Allow,
    /// Ask the person.
    Ask,
    /// Do not do it.
    Refuse,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// On the deny list.
    Denied,
    /// Outside the hours in which acts may pass.
    Hours,
    /// It would go over what may be spent today.
    Spending,
    /// A limit lets only listed acts pass, and it is not listed.
    NotListed,
    /// A person approved this call.
    Granted,
    /// A person's answer for this task or for always, or the allow list.
    Rule,
    /// Nobody declared the tool.
    UndeclaredTool,
    /// Nobody declared one of the arguments.
    UndeclaredArgument,
    /// The tool spends, and neither the argument nor the agent says how much.
    UnknownAmount,
    /// The same call is being asked already.
    Pending,
    /// A person refused the same call before.
    RefusedBefore,
    /// Too few answers: nothing is certified yet.
    NotCalibrated,
    /// Certified, but not for acts like this one.
    Unsure,
    /// It would pass; it is asked so that there is unselected evidence.
    Audit,
    /// Belief, within the bound.
    Belief,
}

/// A decision and the belief behind it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Decision {
    /// What is to happen.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Probability that the owner would be against its passing.
    pub p_refuse: f64,
    /// 90% interval of that probability over what is believed of the owner; their momentary noise is in the
    /// probability.
    pub interval: (f64, f64),
    /// The audit coin of this request, for its record.
    pub audit: bool,
}

impl Decision {
    /// Who lets the act pass, for its record; nothing where it does not pass.
    pub fn allowed_by(&self) -> Option<By> {
        allowed_by(self.verdict, self.reason)
    }
}

pub(crate) fn allowed_by(verdict: Verdict, reason: Reason) -> Option<By> {
    match (verdict, reason) {
        (Verdict::Allow, Reason::Granted) => Some(By::Person),
        (Verdict::Allow, Reason::Rule) => Some(By::Rule),
        (Verdict::Allow, _) => Some(By::Belief),
        (Verdict::Ask | Verdict::Refuse, _) => None,
    }
}

impl Approvals {
    /// May this act pass, at this time? Every decision should be recorded before the next is made: the audit coin
    /// changes with the records.
    ///
    /// # Errors
    /// A request that cannot be judged: it should be treated as "ask", without an approval that could be kept.
    pub fn decide(&self, request: &Request, now: DateTime) -> Result<Decision, ApprovalError> {
        let features = self.features(request)?;
        let (verdict, reason, p_refuse) = self.judge(request, &features, now);
        let (low, high) = self.refusal_interval(&features);
        Ok(Decision { verdict, reason, p_refuse, interval: (low, high), audit: self.audit_coin(request) })
    }

    /// What is to happen and why, and the probability of refusal.
    pub(crate) fn judge(&self, request: &Request, features: &[f64], now: DateTime) -> (Verdict, Reason, f64) {
        let p = p_refuse(&self.belief, features);
        let settled = self.by_limits_and_rules(request, now);
        let (verdict, reason) = settled.unwrap_or_else(|| self.by_belief(request, features, p));
        (verdict, reason, p)
    }

    pub(crate) fn refusal_interval(&self, features: &[f64]) -> (f64, f64) {
        let (low, high) = self.belief.functional(features).interval(0.9);
        (credence_belief::normal::cdf(-high), credence_belief::normal::cdf(-low))
    }

    fn by_limits_and_rules(&self, request: &Request, now: DateTime) -> Option<(Verdict, Reason)> {
        let limits = &self.limits;
        if limits.deny.iter().any(|pattern| pattern.fits(request)) {
            return Some((Verdict::Refuse, Reason::Denied));
        }
        let rule = |verdict| self.rules.iter().any(|r| r.verdict == verdict && r.holds(request, now));
        if rule(PersonVerdict::Refused) {
            return Some((Verdict::Refuse, Reason::Rule));
        }
        let hash = request.shown_hash();
        if self.grants.iter().any(|(granted, end)| *granted == hash && end.is_none_or(|end| now < end)) {
            return Some((Verdict::Allow, Reason::Granted));
        }
        if limits.hours.is_some_and(|hours| !hours.contain(now.time())) {
            return Some((Verdict::Ask, Reason::Hours));
        }
        let spent = self.spent.get(&now.date()).copied().unwrap_or(0.0);
        let unknown = self.space.amount_is_unknown(request);
        if limits
            .spending_per_day_max
            .is_some_and(|most| unknown || (request.cost > 0.0 && spent + request.cost > most))
        {
            return Some((Verdict::Ask, Reason::Spending));
        }
        let is_careful = self.settings.is_careful();
        if is_careful && self.space.tool(&request.tool).is_none() {
            return Some((Verdict::Ask, Reason::UndeclaredTool));
        }
        let listed = || limits.allow.iter().any(|pattern| pattern.fits(request)) && !self.undone.contains(&hash);
        if rule(PersonVerdict::Approved) || listed() {
            return Some((Verdict::Allow, Reason::Rule));
        }
        if !limits.only.is_empty() && !limits.only.iter().any(|pattern| pattern.fits(request)) {
            return Some((Verdict::Ask, Reason::NotListed));
        }
        if self.space.tool(&request.tool).is_none() {
            return Some((Verdict::Ask, Reason::UndeclaredTool));
        }
        if self.pending.values().any(|pending| pending.hash == hash) {
            return Some((Verdict::Ask, Reason::Pending));
        }
        if self.refused.contains(&hash) {
            return Some((Verdict::Ask, Reason::RefusedBefore));
        }
        if self.space.undeclared_argument(request).is_some() {
            return Some((Verdict::Ask, Reason::UndeclaredArgument));
        }
        unknown.then_some((Verdict::Ask, Reason::UnknownAmount))
    }

    fn by_belief(&self, request: &Request, features: &[f64], p: f64) -> (Verdict, Reason) {
        let audit = self.audit_coin(request);
        if self.calibration.lets_pass(&self.settings, features, p) {
            return if audit { (Verdict::Ask, Reason::Audit) } else { (Verdict::Allow, Reason::Belief) };
        }
        match self.settings.refuse_from {
            // The coin asks these too: otherwise a refusal could never be found wrong.
            Some(from) if p >= from && !audit && self.refusal_interval(features).0 >= from => {
                (Verdict::Refuse, Reason::Belief)
            }
            _ if self.certificate().is_none() => (Verdict::Ask, Reason::NotCalibrated),
            _ => (Verdict::Ask, Reason::Unsure),
        }
    }
}
