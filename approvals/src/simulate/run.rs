//! One owner, one policy, one stream of acts.

use std::collections::BTreeMap;

use credence_belief::Mixture;
use jiff::civil::{DateTime, date};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::acts::Act;
use super::owners::Owner;
use crate::calibration::{p_refuse, question};
use crate::features::FeatureSpace;
use crate::record::{ApprovalRecord, PersonVerdict, Scope};
use crate::settings::Settings;
use crate::state::{ApprovalError, Approvals};

/// What decides whether an act passes.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// This crate.
    Learned(Box<Settings>),
    /// Always ask.
    AlwaysAsk,
    /// A tool that was approved five times always passes.
    FiveApprovals,
    /// The same belief, and a fixed probability of refusal below which an act passes.
    FixedThreshold(Box<Settings>, f64),
    /// A model's own yes or no; an act it says nothing of is asked.
    ModelSays,
}

/// The policy as it stood at one time, over all acts of the pool by the owner's own probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Acts before it.
    pub acts: usize,
    /// `P(would pass)`.
    pub passes: f64,
    /// `P(would pass | would refuse)`.
    pub of_refused: f64,
    /// `P(would refuse | would pass)`, 0 where nothing passes.
    pub of_passed: f64,
}

/// What came of a run. "Refused" are the acts that the owner would have refused, whether asked or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Acts.
    pub acts: u64,
    /// Acts that were asked.
    pub asked: u64,
    /// Acts the owner would have refused.
    pub refused: u64,
    /// Acts that passed and would have been refused.
    pub violations: u64,
    /// Asked in the second half, planted blockers in the second half, and planted blockers asked there.
    pub late: [u64; 3],
    /// The policy at checkpoints.
    pub points: Vec<Point>,
    /// How often certificates were taken back.
    pub withdrawals: u32,
    /// Whether violations ever exceeded what the account of audits says, at its 95%.
    pub audit_bound_broken: bool,
    /// Acts before the first one passed.
    pub first_pass: Option<u64>,
}

/// Acts between checkpoints.
const CHECKPOINT: usize = 100;
/// Probability that an owner notices and undoes an act that should not have passed.
const UNDO: f64 = 0.2;
const NOW: DateTime = date(2026, 11, 28).at(12, 0, 0, 0);

enum Mind {
    Learned(Box<Approvals>),
    AlwaysAsk,
    FiveApprovals(BTreeMap<String, u32>),
    FixedThreshold(Box<(FeatureSpace, Mixture, f64)>),
    ModelSays,
}

/// Runs `length` acts drawn from a pool. Acts, answers and undos are the same for every policy of one owner.
///
/// # Errors
/// Settings or acts that do not fit.
///
/// # Panics
/// When the pool is empty.
pub fn run(owner: &Owner, pool: &[&Act], policy: &Policy, length: usize) -> Result<Outcome, ApprovalError> {
    let mut rng = ChaCha8Rng::seed_from_u64(owner.seed ^ 0x5EED_AC75);
    let mut mind = Mind::new(policy, owner.seed)?;
    let mut outcome = Outcome::default();
    let mut violations_of_certificate = 0;
    for n in 0..length {
        let late = 2 * n >= length;
        let act = pool[rng.random_range(0..pool.len())];
        let refuses = rng.random_bool(owner.p_refuse(act, late));
        let undoes = rng.random_bool(UNDO);
        if n % CHECKPOINT == 0 {
            outcome.points.push(mind.point(owner, pool, n, late)?);
        }
        let asked = mind.meets(act, n, refuses, undoes)?;
        outcome.acts += 1;
        outcome.asked += u64::from(asked);
        outcome.refused += u64::from(refuses);
        outcome.violations += u64::from(refuses && !asked);
        if !asked && outcome.first_pass.is_none() {
            outcome.first_pass = Some(n as u64);
        }
        if late {
            outcome.late[0] += u64::from(asked);
            outcome.late[1] += u64::from(act.planted_blocker);
            outcome.late[2] += u64::from(asked && act.planted_blocker);
        }
        if let Mind::Learned(state) = &mind {
            if state.withdrawals() != outcome.withdrawals {
                outcome.withdrawals = state.withdrawals();
                violations_of_certificate = 0;
            } else if refuses && !asked {
                violations_of_certificate += 1;
                let most = state.account().violations_max(state.settings.audit_share, 0.95);
                outcome.audit_bound_broken |= f64::from(violations_of_certificate) > most;
            }
        }
    }
    outcome.points.push(mind.point(owner, pool, length, true)?);
    Ok(outcome)
}

impl Mind {
    fn new(policy: &Policy, seed: u64) -> Result<Self, ApprovalError> {
        Ok(match policy {
            Policy::Learned(settings) => {
                let audit_seed = *blake3::hash(&seed.to_le_bytes()).as_bytes();
                Self::Learned(Box::new(Approvals::new(Settings { audit_seed, ..(**settings).clone() })?))
            }
            Policy::AlwaysAsk => Self::AlwaysAsk,
            Policy::FiveApprovals => Self::FiveApprovals(BTreeMap::new()),
            Policy::FixedThreshold(settings, most) => {
                let space = FeatureSpace::new(settings);
                let belief = Mixture::new(&settings.belief, &space.priors());
                let belief = belief.map_err(|source| ApprovalError::Belief { source })?;
                Self::FixedThreshold(Box::new((space, belief, *most)))
            }
            Policy::ModelSays => Self::ModelSays,
        })
    }

    /// Whether an act would pass, audits aside.
    fn would_pass(&self, act: &Act) -> Result<bool, ApprovalError> {
        Ok(match self {
            Self::Learned(state) => {
                let features = state.features(&act.request(0))?;
                state.certificate().is_some()
                    && state.calibration.lets_pass(&state.settings, &features, p_refuse(&state.belief, &features))
            }
            Self::AlwaysAsk => false,
            Self::FiveApprovals(counts) => counts.get(&act.tool).is_some_and(|count| *count >= 5),
            Self::FixedThreshold(parts) => {
                let (space, belief, most) = &**parts;
                let features = space.features(&act.request(0)).map_err(|source| ApprovalError::Request { source })?;
                p_refuse(belief, &features) <= *most
            }
            Self::ModelSays => act.model_says == Some(true),
        })
    }

    /// Decides on an act, and learns what the owner does. True where the owner was asked.
    fn meets(&mut self, act: &Act, n: usize, refuses: bool, undoes: bool) -> Result<bool, ApprovalError> {
        if let Self::Learned(state) = self {
            return learned_meets(state, act, n, refuses, undoes);
        }
        let asked = !self.would_pass(act)?;
        match self {
            Self::FiveApprovals(counts) if asked && !refuses => *counts.entry(act.tool.clone()).or_default() += 1,
            Self::FixedThreshold(parts) if asked || (refuses && undoes) => {
                let (space, belief, _) = &mut **parts;
                let features = space.features(&act.request(n)).map_err(|source| ApprovalError::Request { source })?;
                let observation = question(&features).answer(usize::from(!refuses));
                belief.learn([(&observation, Vec::new())]).map_err(|source| ApprovalError::Belief { source })?;
            }
            _ => {}
        }
        Ok(asked)
    }

    fn point(&self, owner: &Owner, pool: &[&Act], acts: usize, late: bool) -> Result<Point, ApprovalError> {
        let (mut passes, mut refused, mut both) = (0.0, 0.0, 0.0);
        for act in pool {
            let p = owner.p_refuse(act, late);
            refused += p;
            if self.would_pass(act)? {
                passes += 1.0;
                both += p;
            }
        }
        let of_passed = if passes > 0.0 { both / passes } else { 0.0 };
        Ok(Point { acts, passes: passes / pool.len() as f64, of_refused: both / refused, of_passed })
    }
}

fn learned_meets(
    state: &mut Approvals,
    act: &Act,
    n: usize,
    refuses: bool,
    undoes: bool,
) -> Result<bool, ApprovalError> {
    let (request, at) = (act.request(n), NOW);
    let features = state.features(&request)?;
    let (audit, (verdict, reason, _)) = (state.audit_coin(&request), state.judge(&request, &features, at));
    let by = crate::decide::allowed_by(verdict, reason);
    if let Some(by) = by {
        let act = state.apply(&ApprovalRecord::ActAllowed { request, by, audit, at })?;
        if refuses && undoes {
            state.apply(&ApprovalRecord::ActUndone { act, at })?;
        }
        return Ok(false);
    }
    let shown_hash = request.shown_hash();
    let asked = state.apply(&ApprovalRecord::ApprovalAsked { request: request.clone(), audit, at })?;
    let verdict = if refuses { PersonVerdict::Refused } else { PersonVerdict::Approved };
    let (scope, pattern, expires) = (Scope::Once, None, None);
    state.apply(&ApprovalRecord::ApprovalAnswered { asked, shown_hash, verdict, scope, pattern, expires, at })?;
    if !refuses {
        let audit = state.audit_coin(&request);
        let by = crate::record::By::Person;
        state.apply(&ApprovalRecord::ActAllowed { request, by, audit, at })?;
    }
    Ok(true)
}
