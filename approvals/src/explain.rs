//! Why, in words, and what a person would have to say to change it.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::calibration::{p_refuse, question};
use super::decide::{Decision, Reason, Verdict};
use super::record::PersonVerdict;
use super::request::Request;
use super::state::{ApprovalError, Approvals};

/// What one attribute counts for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Contribution {
    /// The feature.
    pub name: String,
    /// What it adds to approval in units of the person's noise; negative speaks for asking.
    pub utility: f64,
}

/// An earlier answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Earlier {
    /// Number of its record.
    pub record: u64,
    /// Tool of the act.
    pub tool: String,
    /// What the person said; an undo is a refusal.
    pub verdict: PersonVerdict,
    /// Whether it was an undo.
    pub undo: bool,
    /// Euclidean distance in features.
    pub distance: f64,
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// One sentence.
    pub summary: String,
    /// What counts most, largest first; at most five.
    pub contributions: Vec<Contribution>,
    /// The nearest earlier answers, the nearest first; at most three.
    pub nearest: Vec<Earlier>,
    /// What a person could say so that it would be otherwise.
    pub would_change: Vec<String>,
}

/// Imagined answers of one kind, at most.
const IMAGINED_MAX: usize = 10;

impl Approvals {
    /// The reasons of a decision. Slower than [`Approvals::decide`]: it imagines answers.
    ///
    /// # Errors
    /// As [`Approvals::decide`].
    pub fn explain(&self, request: &Request, now: DateTime) -> Result<Explanation, ApprovalError> {
        let decision = self.decide(request, now)?;
        let features = self.features(request)?;
        Ok(self.explained(request, &features, decision, now))
    }

    /// The reasons of a question that waits: why it was asked, and what is believed now.
    ///
    /// # Errors
    /// A number that is no open question.
    pub fn explain_question(&self, question: u64, now: DateTime) -> Result<Explanation, ApprovalError> {
        let pending = self.pending.get(&question).ok_or(ApprovalError::NotAsked { asked: question })?;
        let features = &pending.features;
        let (p_refuse, interval) = (p_refuse(&self.belief, features), self.refusal_interval(features));
        let audit = pending.reason == Reason::Audit;
        let decision = Decision { verdict: Verdict::Ask, reason: pending.reason, p_refuse, interval, audit };
        Ok(self.explained(&pending.request, features, decision, now))
    }

    fn explained(&self, request: &Request, features: &[f64], decision: Decision, now: DateTime) -> Explanation {
        let mut contributions: Vec<Contribution> = (0..features.len())
            .filter(|&i| features[i] != 0.0)
            .map(|i| (self.feature_names()[i].clone(), self.belief.part(features, i).mean()))
            .map(|(name, utility)| Contribution { name, utility })
            .collect();
        contributions.sort_by(|a, b| b.utility.abs().total_cmp(&a.utility.abs()));
        contributions.truncate(5);
        let mut nearest: Vec<Earlier> = self
            .answers
            .iter()
            .map(|answer| {
                let squares = answer.features.iter().zip(features).map(|(a, b)| (a - b) * (a - b));
                Earlier {
                    record: answer.record,
                    tool: answer.request.tool.clone(),
                    verdict: answer.verdict,
                    undo: answer.undo,
                    distance: squares.sum::<f64>().sqrt(),
                }
            })
            .collect();
        // Of equally near answers the later one says more of what the person thinks now.
        nearest.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(b.record.cmp(&a.record)));
        nearest.truncate(3);
        let summary = self.summary(request, &decision, now);
        let would_change = self.would_change(request, features, &decision, now);
        Explanation { decision, summary, contributions, nearest, would_change }
    }

    fn summary(&self, request: &Request, decision: &Decision, now: DateTime) -> String {
        let percent = |p: f64| format!("{:.1}%", 100.0 * p);
        let (low, high) = decision.interval;
        let belief = format!(
            "you would be against it with probability {} (90% interval {} to {})",
            percent(decision.p_refuse),
            percent(low),
            percent(high)
        );
        match decision.reason {
            Reason::Denied => "Refused: your limits deny it.".to_owned(),
            Reason::Hours => "Asked: outside the hours you set.".to_owned(),
            Reason::Spending => "Asked: it would go over what may be spent today.".to_owned(),
            Reason::NotListed => "Asked: your limits let only listed acts pass.".to_owned(),
            Reason::Granted => "Allowed: you approved this call.".to_owned(),
            Reason::Rule => {
                let did = if decision.verdict == Verdict::Allow { "Allowed" } else { "Refused" };
                match self.rules_for(request, decision.verdict, now).first() {
                    Some(rule) => format!("{did}: you said so for such calls (rule {rule})."),
                    None => format!("{did}: your limits list such calls."),
                }
            }
            Reason::UndeclaredTool => "Asked: nobody declared this tool.".to_owned(),
            Reason::UndeclaredArgument => {
                let name = self.space.undeclared_argument(request).unwrap_or_default();
                format!("Asked: nobody declared the argument {name:?} of this tool.")
            }
            Reason::UnknownAmount => "Asked: nothing says how much it spends.".to_owned(),
            Reason::Pending => "Asked: the same call waits for your answer.".to_owned(),
            Reason::RefusedBefore => {
                let hash = request.shown_hash();
                let last = self.answers.iter().rfind(|answer| answer.request.shown_hash() == hash);
                match last {
                    Some(answer) if answer.undo => "Asked: you took the same call back before.".to_owned(),
                    Some(answer) if answer.verdict == PersonVerdict::AskMe => {
                        "Asked: you want to be asked about this call.".to_owned()
                    }
                    _ => "Asked: you refused the same call before.".to_owned(),
                }
            }
            Reason::NotCalibrated => format!("Asked: too few answers to keep your bound; {belief}."),
            Reason::Unsure => format!("Asked: {belief}; that is more than may pass."),
            Reason::Audit => format!("Asked as a check, though it would pass; {belief}."),
            Reason::Belief if decision.verdict == Verdict::Refuse => format!("Refused: {belief}."),
            Reason::Belief => format!("Allowed: {belief}."),
        }
    }

    /// Numbers of the rules that hold for a call and say this of it.
    fn rules_for(&self, request: &Request, verdict: Verdict, now: DateTime) -> Vec<u64> {
        let said = if verdict == Verdict::Allow { PersonVerdict::Approved } else { PersonVerdict::Refused };
        let rules = self.rules.iter().filter(|rule| rule.verdict == said && rule.holds(request, now));
        rules.map(|rule| rule.record).collect()
    }

    fn would_change(&self, request: &Request, features: &[f64], decision: &Decision, now: DateTime) -> Vec<String> {
        let tool = format!("{:?}", request.tool);
        let mut ways = Vec::new();
        match decision.reason {
            Reason::Denied => ways.push("Take it off the deny list.".to_owned()),
            Reason::Hours | Reason::Spending | Reason::NotListed => {
                ways.push("Approve this one call, or change your limits.".to_owned());
            }
            Reason::Granted => ways.push("Nothing now: the approval is for this call alone.".to_owned()),
            Reason::Rule => {
                let rules = self.rules_for(request, decision.verdict, now);
                ways.extend(rules.iter().map(|rule| format!("Revoke rule {rule}.")));
                if rules.is_empty() {
                    ways.push("Take it off the list of your limits.".to_owned());
                }
            }
            Reason::UndeclaredTool => ways.push(format!("Declare the tool {tool}.")),
            Reason::UndeclaredArgument => {
                let name = self.space.undeclared_argument(request).unwrap_or_default();
                ways.push(format!(
                    "Declare the argument {name:?} of the tool {tool}: belief can then let such calls pass."
                ));
                ways.push(format!("Approve {tool} with these arguments \"always\": it then passes without belief."));
            }
            Reason::UnknownAmount => {
                ways.push("Say what it spends: as the declared argument, or as the cost.".to_owned())
            }
            Reason::Pending | Reason::RefusedBefore | Reason::NotCalibrated | Reason::Unsure | Reason::Audit => {
                ways.push(format!("Approve {tool} with these arguments \"always\": it then passes without belief."));
            }
            Reason::Belief => ways.push("Refuse such calls \"always\", or undo it.".to_owned()),
        }
        let approvals = match decision.reason {
            Reason::Unsure => self.answers_until(features, true),
            Reason::Belief if decision.verdict == Verdict::Allow => self.answers_until(features, false),
            _ => None,
        };
        if let Some(count) = approvals {
            let what = if decision.verdict == Verdict::Allow { "refusals" } else { "approvals" };
            let then = if decision.verdict == Verdict::Allow { "be asked" } else { "pass" };
            ways.push(format!("{count} more {what} of acts like this one: it would then {then}."));
        } else if decision.reason == Reason::Unsure {
            ways.push(format!("{IMAGINED_MAX} more approvals alone would not let it pass."));
        }
        ways
    }

    /// How many answers of one kind, to acts like this, until belief decides otherwise. The certified scorer does not
    /// learn, so approvals help only where the scorer agrees already.
    fn answers_until(&self, features: &[f64], approve: bool) -> Option<usize> {
        let mut belief = self.belief.clone();
        let observation = question(features).answer(usize::from(approve));
        (1..=IMAGINED_MAX).find(|_| {
            let learned = belief.learn([(&observation, Vec::new())]).is_ok();
            learned && self.calibration.lets_pass(&self.settings, features, p_refuse(&belief, features)) == approve
        })
    }
}
