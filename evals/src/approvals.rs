//! Learned approvals: what they save simulated owners, and whether the bound that they promise holds, beside policies that promise
//! none.
//!
//! Acts are those kept aside for testing, and owners are told by their seeds: settings were chosen on the other acts and on seeds from
//! 10000 on. Acts, answers and undos of an owner are the same under every policy.

mod figures;
mod tables;

use credence_approvals::simulate::{
    Act, Interval, Kind, Outcome, Owner, Point, Policy, Split, bootstrap, clopper_pearson_upper, parse_acts,
    settings_of_acts,
};
use credence_approvals::{ApprovalError, Bound, Settings};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

const ACTS: &str = include_str!("../../approvals/data/acts.jsonl");
/// What a question costs, where an act that should not have passed costs 1.
pub const QUESTION_COSTS: [f64; 6] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const KINDS: [Kind; 5] = [Kind::Average, Kind::Strict, Kind::Loose, Kind::Changing, Kind::Misspecified];

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalsOptions {
    /// Simulated owners.
    pub owners: u64,
    /// Acts that each meets.
    pub acts: usize,
    /// Seed of the first owner; those after it have the next ones.
    pub seed: u64,
}

impl Default for ApprovalsOptions {
    fn default() -> Self {
        Self { owners: 200, acts: 2000, seed: 1 }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalsResult {
    /// What was run.
    pub options: ApprovalsOptions,
    /// Acts that owners' acts are drawn from.
    pub pool: usize,
    /// By policy: those without a bound first, then ours, then fixed thresholds.
    pub rows: Vec<PolicyRow>,
}

/// One policy over all owners, with 95% intervals over owners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyRow {
    /// The policy.
    pub policy: String,
    /// Share of acts that were not asked.
    pub saved: Estimate,
    /// Share of all acts that would pass in the end, audits aside.
    pub saved_at_the_end: Estimate,
    /// Of the acts that the owner would have refused, the share that passed.
    pub violations_of_refused: Estimate,
    /// Of the acts that passed, the share that the owner would have refused.
    pub violations_of_passed: Estimate,
    /// Of the planted blockers, the share that was asked.
    pub recall: Estimate,
    /// Of the acts that were asked, the share that are planted blockers.
    pub precision: Estimate,
    /// Harmonic mean of both.
    pub ask_f1: Estimate,
    /// Mean loss of an act at each of [`QUESTION_COSTS`].
    pub loss: Vec<Estimate>,
    /// Whether its bound held, of all owners and then of each kind; nothing where it is held to none.
    pub bound: Vec<BoundRow>,
}

/// Whether a bound held, of some owners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BoundRow {
    /// "all", or the kind.
    pub kind: String,
    /// How many.
    pub owners: u64,
    /// Of whom the true risk was within the bound at every checkpoint; of those who change their mind, until they do.
    pub held: u64,
    /// Upper end of the one-sided 95% interval for the share of owners of whom it does not hold.
    pub missed_at_most: f64,
    /// Of whom the other reading of the bound was kept as well.
    pub other_reading_held: u64,
    /// Of whom the share as it came out was within the bound.
    pub realised_held: u64,
    /// The greatest true risk of any at any checkpoint.
    pub worst_risk: f64,
    /// For whom anything passed.
    pub passed_anything: u64,
    /// Certificates taken back.
    pub withdrawals: u64,
    /// Of whom violations exceeded what the account of audits says.
    pub audit_bound_broken: u64,
}

/// Why it could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalsError {
    /// The acts.
    #[error("an authored act cannot be read")]
    Acts(#[from] serde_json::Error),
    /// A policy.
    #[error("a policy cannot be run")]
    Approvals(#[from] ApprovalError),
    /// Nothing to run.
    #[error("there must be an owner and an act")]
    Nothing,
    /// Seeds that are no numbers of 64 bits.
    #[error("there are no {owners} seeds from {seed} on")]
    Seeds {
        /// Owners asked for.
        owners: u64,
        /// The first seed.
        seed: u64,
    },
}

impl From<Interval> for Estimate {
    fn from(Interval { mean, low, high }: Interval) -> Self {
        Self { mean, low, high }
    }
}

/// A policy by its name, and the bound that it is held to.
struct Tried {
    name: String,
    policy: Policy,
    bound: Option<(Bound, f64)>,
}

impl Tried {
    fn unbounded(name: &str, policy: Policy) -> Self {
        Self { name: name.to_owned(), policy, bound: None }
    }

    /// `readings` are how many a model makes of each act, 0 where none does.
    fn learned(bound: Bound, share_max: f64, readings: usize) -> Self {
        let base = Settings { readings, ..settings_of_acts() };
        let (of, threshold_quantiles) = match bound {
            Bound::OfRefused => ("refused", base.threshold_quantiles.clone()),
            Bound::OfPassed => ("passed", (6..19).map(|k| 0.05 * f64::from(k)).collect()),
        };
        let settings = Settings { bound, share_max, threshold_quantiles, ..base };
        let read = if readings > 0 { ", acts read" } else { "" };
        let name = format!("learned, {share_max} of {of}{read}");
        Self { name, policy: Policy::Learned(Box::new(settings)), bound: Some((bound, share_max)) }
    }

    /// Whether it is given what a model reads of acts.
    fn reads(&self) -> bool {
        matches!(&self.policy, Policy::Learned(settings) if settings.readings > 0)
    }

    /// The same belief with a fixed threshold, held to 5% of refused.
    fn fixed(most: f64) -> Self {
        let policy = Policy::FixedThreshold(Box::new(settings_of_acts()), most);
        Self { name: format!("fixed threshold {most}"), policy, bound: Some((Bound::OfRefused, 0.05)) }
    }
}

fn policies(pool: &[&Act]) -> Vec<Tried> {
    let mut all = vec![
        Tried::unbounded("always ask", Policy::AlwaysAsk),
        Tried::unbounded("five approvals of a tool", Policy::FiveApprovals),
        Tried::learned(Bound::OfRefused, 0.01, 0),
        Tried::learned(Bound::OfRefused, 0.05, 0),
        Tried::learned(Bound::OfRefused, 0.1, 0),
        Tried::learned(Bound::OfPassed, 0.05, 0),
    ];
    all.extend([0.02, 0.05, 0.1, 0.2].map(Tried::fixed));
    let readings = pool.first().map_or(0, |act| act.readings.len());
    if readings > 0 {
        all.extend([0.05, 0.1].map(|share_max| Tried::learned(Bound::OfRefused, share_max, readings)));
    }
    if pool.iter().any(|act| act.model_says.is_some()) {
        let name = "the model's own yes or no".to_owned();
        all.push(Tried { name, policy: Policy::ModelSays, bound: Some((Bound::OfRefused, 0.05)) });
    }
    all
}

/// The authored acts.
///
/// # Errors
/// An act that cannot be read.
pub fn acts() -> Result<Vec<Act>, ApprovalsError> {
    Ok(parse_acts(ACTS)?)
}

/// The authored acts that were kept aside, for [`run`].
///
/// # Errors
/// An act that cannot be read.
pub fn test_acts() -> Result<Vec<Act>, ApprovalsError> {
    let mut acts = acts()?;
    acts.retain(|act| act.split == Split::Test);
    Ok(acts)
}

/// Runs every policy with every owner on `acts`; the model's own yes or no is a policy where it is
/// among them, and so is learning from what a model reads of them. `done` is called after each run, and is told how many there are in all.
///
/// # Errors
/// Nothing to run, or settings that do not fit the acts.
pub fn run(
    options: &ApprovalsOptions,
    acts: &[Act],
    done: &(dyn Fn(usize) + Sync),
) -> Result<ApprovalsResult, ApprovalsError> {
    if options.owners == 0 || options.acts == 0 {
        return Err(ApprovalsError::Nothing);
    }
    let (owners, seed) = (options.owners, options.seed);
    let seeds = seed..seed.checked_add(owners).ok_or(ApprovalsError::Seeds { owners, seed })?;
    let unread: Vec<Act> = acts.iter().map(|act| Act { readings: Vec::new(), ..act.clone() }).collect();
    let (pool, unread): (Vec<&Act>, Vec<&Act>) = (acts.iter().collect(), unread.iter().collect());
    let policies = policies(&pool);
    let in_all = policies.len() * usize::try_from(owners).unwrap_or(usize::MAX);
    let rows = policies
        .iter()
        .map(|tried| {
            let one = |seed: u64| {
                let owner = Owner::new(seed);
                let pool = if tried.reads() { &pool } else { &unread };
                let outcome = credence_approvals::simulate::run(&owner, pool, &tried.policy, options.acts)?;
                done(in_all);
                Ok((owner.kind, outcome))
            };
            let runs = seeds.clone().into_par_iter().map(one).collect::<Result<Vec<_>, ApprovalError>>()?;
            Ok(row(tried, &runs))
        })
        .collect::<Result<Vec<_>, ApprovalError>>()?;
    Ok(ApprovalsResult { options: options.clone(), pool: pool.len(), rows })
}

fn row(tried: &Tried, runs: &[(Kind, Outcome)]) -> PolicyRow {
    let ratio = |of: &dyn Fn(&Outcome) -> (f64, f64)| {
        Estimate::from(bootstrap(&runs.iter().map(|(_, outcome)| of(outcome)).collect::<Vec<_>>()))
    };
    let loss = |cost: f64| ratio(&|o| ((cost * o.asked as f64 + o.violations as f64) / o.acts as f64, 1.0));
    PolicyRow {
        policy: tried.name.clone(),
        saved: ratio(&|o| ((o.acts - o.asked) as f64, o.acts as f64)),
        saved_at_the_end: ratio(&|o| (o.points.last().map_or(0.0, |p| p.passes), 1.0)),
        violations_of_refused: ratio(&|o| (o.violations as f64, o.refused as f64)),
        violations_of_passed: ratio(&|o| (o.violations as f64, (o.acts - o.asked) as f64)),
        recall: ratio(&|o| (o.late[2] as f64, o.late[1] as f64)),
        precision: ratio(&|o| (o.late[2] as f64, o.late[0] as f64)),
        ask_f1: ratio(&|o| (2.0 * o.late[2] as f64, (o.late[0] + o.late[1]) as f64)),
        loss: QUESTION_COSTS.map(loss).to_vec(),
        bound: tried.bound.map_or_else(Vec::new, |bound| held(bound, runs)),
    }
}

fn held((bound, most): (Bound, f64), runs: &[(Kind, Outcome)]) -> Vec<BoundRow> {
    let other = match bound {
        Bound::OfRefused => Bound::OfPassed,
        Bound::OfPassed => Bound::OfRefused,
    };
    let of = |kind: Option<Kind>| {
        let runs: Vec<_> = runs.iter().filter(|(k, _)| kind.is_none_or(|kind| kind == *k)).collect();
        let count = |holds: &dyn Fn(Kind, &Outcome) -> bool| runs.iter().filter(|(k, o)| holds(*k, o)).count() as u64;
        let (owners, held) = (runs.len() as u64, count(&|k, o| worst(k, o, bound) <= most));
        BoundRow {
            kind: kind.map_or("all".to_owned(), |kind| format!("{kind:?}").to_lowercase()),
            owners,
            held,
            missed_at_most: clopper_pearson_upper(owners - held, owners),
            other_reading_held: count(&|k, o| worst(k, o, other) <= most),
            realised_held: count(&|_, o| {
                let per = if bound == Bound::OfRefused { o.refused } else { o.acts - o.asked };
                o.violations as f64 <= most * per as f64
            }),
            worst_risk: runs.iter().map(|(k, o)| worst(*k, o, bound)).fold(0.0, f64::max),
            passed_anything: count(&|_, o| o.first_pass.is_some()),
            withdrawals: runs.iter().map(|(_, o)| u64::from(o.withdrawals)).sum(),
            audit_bound_broken: count(&|_, o| o.audit_bound_broken),
        }
    };
    std::iter::once(None).chain(KINDS.map(Some)).map(of).collect()
}

/// The greatest true risk of the policy at any checkpoint; before the change of owners who change their mind.
fn worst(kind: Kind, outcome: &Outcome, bound: Bound) -> f64 {
    let half = outcome.acts as usize / 2;
    let risk = |p: &Point| match bound {
        Bound::OfRefused => p.of_refused,
        Bound::OfPassed => p.of_passed,
    };
    outcome.points.iter().filter(|p| kind != Kind::Changing || p.acts < half).map(risk).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_always_saves_nothing_and_what_was_found_is_kept_as_figures() -> Result<(), ApprovalsError> {
        let options = ApprovalsOptions { owners: 10, acts: 120, seed: 1 };
        let acts = test_acts()?;
        let result = run(&options, &acts, &|_| ())?;
        assert_eq!((result.rows.len(), result.pool), (10, 116));
        let [always, five, ..] = &result.rows[..] else { panic!("{result:?}") };
        assert_eq!((always.saved.mean, always.violations_of_refused.mean, always.recall.mean), (0.0, 0.0, 1.0));
        assert!(five.saved.low > 0.05 && five.violations_of_refused.low > 0.0, "{five:?}");
        // A question's cost is all that asking always loses.
        assert!(always.loss.iter().zip(QUESTION_COSTS).all(|(loss, cost)| (loss.mean - cost).abs() < 1e-12));
        // Ten seeds in a row are three average, two strict, two loose, two changing and one misspecified owner.
        let fixed = &result.rows[9].bound;
        assert_eq!(fixed.iter().map(|row| row.owners).collect::<Vec<_>>(), [10, 3, 2, 2, 2, 1]);
        assert_eq!(fixed[0].held, fixed[1..].iter().map(|row| row.held).sum::<u64>());
        let figures = crate::figures::kept(&result);
        let saved = ["all owners", "five approvals of a tool", "", "share of acts not asked"];
        assert_eq!(crate::figures::of(&figures, saved).high, Some(five.saved.high));
        let text = result.markdown();
        assert!(text.contains("10 owners from seed 1, 120 acts each, 116 acts in the pool"), "{text}");
        assert!(text.contains("| always ask | 0.000 (0.000 to 0.000) |") && text.contains("| misspecified (1) |"));
        assert_eq!(result, run(&options, &acts, &|_| ())?, "the same owners do the same");
        let nobody = run(&ApprovalsOptions { owners: 0, ..options.clone() }, &acts, &|_| ());
        assert!(matches!(nobody, Err(ApprovalsError::Nothing)));
        let beyond = run(&ApprovalsOptions { seed: u64::MAX, ..options }, &acts, &|_| ());
        assert!(matches!(beyond, Err(ApprovalsError::Seeds { owners: 10, .. })));
        Ok(())
    }
}
