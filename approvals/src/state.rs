//! The state: a fold of records. A record that does not fit is refused and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use credence_belief::{BeliefError, Mixture};
use jiff::civil::{Date, DateTime};

use super::account::Account;
use super::calibration::{Calibration, Certificate, Trial, question};
use super::decide::{Reason, Verdict};
use super::features::FeatureSpace;
use super::limits::Limits;
use super::pattern::ActPattern;
use super::record::{ApprovalRecord, By, PersonVerdict, Scope};
use super::request::{Request, RequestError, ShownHash};
use super::settings::Settings;

/// Why a record does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApprovalError {
    /// Settings nothing can be decided under.
    #[error("approval settings are not usable: {what}")]
    Settings {
        /// What is wrong.
        what: &'static str,
    },
    /// Limits that say nothing.
    #[error("limits are not usable: spending must be a number of at least 0")]
    Limits,
    /// A request that cannot be judged.
    #[error("the request cannot be judged")]
    Request {
        /// Why.
        #[source]
        source: RequestError,
    },
    /// The belief engine refused.
    #[error("belief cannot take this in")]
    Belief {
        /// Why.
        #[source]
        source: BeliefError,
    },
    /// An answer to a question that is not open.
    #[error("record {asked} is no open question")]
    NotAsked {
        /// The number given.
        asked: u64,
    },
    /// An answer that was given to something else than was asked.
    #[error("the answer is to other arguments than those of record {asked}")]
    OtherThanShown {
        /// The question.
        asked: u64,
    },
    /// A pattern that does not even fit what was shown.
    #[error("the pattern of the answer does not fit the act that was shown")]
    PatternDoesNotFit,
    /// An act said to be a person's that no person approved.
    #[error("no approval of a person is open for this act")]
    NotApproved,
    /// An act that a deny list has.
    #[error("the act is denied by the owner's limits")]
    Denied,
    /// An undo of something that did not pass, or was undone before.
    #[error("{act} is no act that can be undone, and no rule that can be revoked")]
    NotAllowed {
        /// The number given.
        act: u64,
    },
    /// An audit coin that is not the one of the seed.
    #[error("the audit coin is not the one that the seed gives")]
    Coin,
}

/// A question that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    pub(crate) request: Request,
    pub(crate) hash: ShownHash,
    pub(crate) features: Vec<f64>,
    /// Why it was asked.
    pub(crate) reason: Reason,
    /// Whether limits and rules left it to belief.
    left_to_belief: bool,
    unselected: bool,
    would_pass: bool,
}

/// What a person said of an act, kept for explanations and for the thresholds of new scorers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) record: u64,
    /// Number of the question it answers; an undo answers none.
    asked: Option<u64>,
    pub(crate) request: Arc<Request>,
    pub(crate) features: Vec<f64>,
    pub(crate) verdict: PersonVerdict,
    pub(crate) undo: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Allowed {
    request: Request,
    by: By,
}

/// An answer for this task or for always.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Number of the answer that made it: what a revocation names.
    pub record: u64,
    /// Whether such calls pass or are refused.
    pub verdict: PersonVerdict,
    /// Which calls.
    pub pattern: ActPattern,
    /// The only task it holds in; absent: in all.
    pub task: Option<String>,
    /// When it ends.
    pub expires: Option<DateTime>,
    /// The folder that the relative path of the answered call began in; empty where there was none.
    pub cwd: String,
}

impl Rule {
    pub(crate) fn holds(&self, request: &Request, now: DateTime) -> bool {
        self.expires.is_none_or(|end| now < end) && self.covers(request)
    }

    /// Whether it speaks of a call, ended or not.
    fn covers(&self, request: &Request) -> bool {
        (self.cwd.is_empty() || self.cwd == request.cwd)
            && self.task.as_ref().is_none_or(|task| *task == request.task)
            && self.pattern.fits(request)
    }
}

/// Learned approvals of one owner: everything that was recorded, and what is believed from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Approvals {
    pub(crate) settings: Settings,
    pub(crate) space: FeatureSpace,
    pub(crate) limits: Limits,
    pub(crate) belief: Mixture,
    pub(crate) calibration: Calibration,
    pub(crate) answers: Vec<Arc<Answer>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) pending: BTreeMap<u64, Pending>,
    /// Approvals of single calls that were not used yet, with their end.
    pub(crate) grants: Vec<(ShownHash, Option<DateTime>)>,
    /// Calls a person refused: belief lets none of them pass.
    pub(crate) refused: BTreeSet<ShownHash>,
    /// Calls a person took back: an allow list lets none of them pass until the person approves again.
    pub(crate) undone: BTreeSet<ShownHash>,
    pub(crate) spent: BTreeMap<Date, f64>,
    allowed: BTreeMap<u64, Allowed>,
    records: u64,
    pub(crate) requests: u64,
}

impl Approvals {
    /// Nothing recorded, no limits, belief at its prior.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn new(settings: Settings) -> Result<Self, ApprovalError> {
        if let Some(what) = settings.fault() {
            return Err(ApprovalError::Settings { what });
        }
        let space = FeatureSpace::new(&settings);
        let belief = Mixture::new(&settings.belief, &space.priors()).map_err(belief_error)?;
        Ok(Self {
            settings,
            space,
            limits: Limits::default(),
            belief,
            calibration: Calibration::default(),
            answers: Vec::new(),
            rules: Vec::new(),
            pending: BTreeMap::new(),
            grants: Vec::new(),
            refused: BTreeSet::new(),
            undone: BTreeSet::new(),
            spent: BTreeMap::new(),
            allowed: BTreeMap::new(),
            records: 0,
            requests: 0,
        })
    }

    /// The same owner under other settings: what they said, their limits, rules and open questions are kept, belief learns their
    /// answers anew, and calibration begins again, so that nothing passes by belief until it has been tested under these settings.
    ///
    /// # Errors
    /// Settings out of range, or under which an earlier request cannot be judged, as where an attribute is no longer declared.
    pub fn redeclared(&self, settings: Settings) -> Result<Self, ApprovalError> {
        let mut new = Self::new(settings)?;
        for answer in &self.answers {
            let features = new.features(&answer.request)?;
            let observation = question(&features).answer(usize::from(!answer.verdict.is_against_passing()));
            new.belief.learn([(&observation, Vec::new())]).map_err(belief_error)?;
            new.answers.push(Arc::new(Answer { features, ..(**answer).clone() }));
            let past = new.answers.iter().map(|answer| answer.features.as_slice());
            new.calibration.learned(&new.settings, &new.belief, past);
        }
        for (record, pending) in &self.pending {
            let features = new.features(&pending.request)?;
            // It was asked under other settings: its answer teaches belief, and tests nothing.
            let asked = Pending { features, left_to_belief: false, unselected: false, ..pending.clone() };
            new.pending.insert(*record, asked);
        }
        new.limits = self.limits.clone();
        new.rules = self.rules.clone();
        new.grants = self.grants.clone();
        new.refused = self.refused.clone();
        new.undone = self.undone.clone();
        new.spent = self.spent.clone();
        new.allowed = self.allowed.clone();
        new.records = self.records;
        new.requests = self.requests;
        Ok(new)
    }

    /// Folds records, oldest first.
    ///
    /// # Errors
    /// As [`Approvals::new`] and [`Approvals::apply`].
    pub fn fold<'a>(
        settings: Settings,
        records: impl IntoIterator<Item = &'a ApprovalRecord>,
    ) -> Result<Self, ApprovalError> {
        let mut state = Self::new(settings)?;
        records.into_iter().try_for_each(|record| state.apply(record).map(drop))?;
        Ok(state)
    }

    /// Takes in the next record and returns its number.
    ///
    /// # Errors
    /// A record that does not fit what came before; the state is then unchanged.
    pub fn apply(&mut self, record: &ApprovalRecord) -> Result<u64, ApprovalError> {
        match record {
            ApprovalRecord::ApprovalAsked { request, audit, at } => self.asked(request, *audit, *at)?,
            ApprovalRecord::ApprovalAnswered { asked, shown_hash, verdict, scope, pattern, expires, at: _ } => {
                self.answered(*asked, *shown_hash, *verdict, (*scope, pattern.as_ref(), *expires))?;
            }
            ApprovalRecord::ActAllowed { request, by, audit, at } => self.allow(request, *by, *audit, *at)?,
            ApprovalRecord::ActUndone { act, at: _ } => self.undo(*act)?,
            ApprovalRecord::LimitsSet { limits, at: _ } => {
                if !limits.is_sound() {
                    return Err(ApprovalError::Limits);
                }
                self.limits = limits.clone();
            }
        }
        self.records += 1;
        Ok(self.records - 1)
    }

    fn asked(&mut self, request: &Request, audit: bool, at: DateTime) -> Result<(), ApprovalError> {
        let features = self.features(request)?;
        if audit != self.audit_coin(request) {
            return Err(ApprovalError::Coin);
        }
        let (_, reason, _) = self.judge(request, &features, at);
        let would_pass = reason == Reason::Audit;
        let left_to_belief = matches!(reason, Reason::Audit | Reason::Belief | Reason::Unsure | Reason::NotCalibrated);
        // Where belief may refuse by itself, only the coin keeps what is asked from being chosen by it.
        let everything_is_asked = self.certificate().is_none() && self.settings.refuse_from.is_none();
        let unselected = left_to_belief && (audit || everything_is_asked);
        let hash = request.shown_hash();
        let request = request.clone();
        let pending = Pending { request, hash, features, reason, left_to_belief, unselected, would_pass };
        self.pending.insert(self.records, pending);
        self.requests += 1;
        Ok(())
    }

    fn answered(
        &mut self,
        asked: u64,
        shown: ShownHash,
        verdict: PersonVerdict,
        (scope, pattern, expires): (Scope, Option<&ActPattern>, Option<DateTime>),
    ) -> Result<(), ApprovalError> {
        let pending = self.pending.get(&asked).ok_or(ApprovalError::NotAsked { asked })?;
        if pending.hash != shown {
            return Err(ApprovalError::OtherThanShown { asked });
        }
        if pattern.is_some_and(|pattern| !pattern.fits(&pending.request)) {
            return Err(ApprovalError::PatternDoesNotFit);
        }
        let Pending { request, features, left_to_belief, unselected, would_pass, .. } = pending.clone();
        let against = verdict.is_against_passing();
        self.learn(&features, verdict, &request, Some(asked), |state| {
            if left_to_belief {
                let trial = Trial { features: &features, against, unselected, would_pass };
                state.calibration.answered(&state.settings, &trial);
            }
        })?;
        self.pending.remove(&asked);
        if against {
            self.refused.insert(shown);
        } else {
            self.refused.remove(&shown);
            self.undone.remove(&shown);
        }
        if scope == Scope::Once || verdict == PersonVerdict::AskMe {
            if verdict != PersonVerdict::Refused {
                self.grants.push((shown, expires));
            }
        } else {
            let pattern = pattern.cloned().unwrap_or_else(|| ActPattern::exact(&request));
            let task = (scope == Scope::Task).then_some(request.task);
            self.rules.push(Rule { record: self.records, verdict, pattern, task, expires, cwd: request.cwd });
        }
        Ok(())
    }

    fn allow(&mut self, request: &Request, by: By, audit: bool, at: DateTime) -> Result<(), ApprovalError> {
        let features = self.features(request)?;
        if audit != self.audit_coin(request) {
            return Err(ApprovalError::Coin);
        }
        if self.limits.deny.iter().any(|pattern| pattern.fits(request)) {
            return Err(ApprovalError::Denied);
        }
        match by {
            By::Person => {
                let hash = request.shown_hash();
                let open =
                    |(granted, end): &(ShownHash, Option<DateTime>)| *granted == hash && end.is_none_or(|end| at < end);
                let grant = self.grants.iter().position(open).ok_or(ApprovalError::NotApproved)?;
                self.grants.remove(grant);
            }
            By::Belief | By::Rule => {
                // Bound, limits and rules are the record's own conditions: what they forbid is not let in by writing it
                // down.
                if self.judge(request, &features, at).0 != Verdict::Allow {
                    return Err(ApprovalError::NotApproved);
                }
                if by == By::Belief {
                    self.calibration.passed();
                }
            }
        }
        *self.spent.entry(at.date()).or_default() += request.cost;
        self.allowed.insert(self.records, Allowed { request: request.clone(), by });
        self.requests += 1;
        Ok(())
    }

    /// Takes back an act, or the answer that made a rule: the rule ends, and nothing is learned.
    fn undo(&mut self, act: u64) -> Result<(), ApprovalError> {
        if let Some(rule) = self.rules.iter().position(|rule| rule.record == act) {
            self.rules.remove(rule);
            return Ok(());
        }
        let Allowed { request, by } = self.allowed.get(&act).cloned().ok_or(ApprovalError::NotAllowed { act })?;
        let features = self.features(&request)?;
        self.learn(&features, PersonVerdict::Refused, &request, None, |state| {
            if by == By::Belief {
                state.calibration.undone(&state.settings);
            }
        })?;
        self.allowed.remove(&act);
        self.refused.insert(request.shown_hash());
        if self.settings.is_careful() {
            self.undone.insert(request.shown_hash());
            self.rules.retain(|rule| rule.verdict != PersonVerdict::Approved || !rule.covers(&request));
        }
        Ok(())
    }

    /// Belief learns what a person did, in answer to the question `asked` or as an undo; `test` runs between the check and the learning.
    fn learn(
        &mut self,
        features: &[f64],
        verdict: PersonVerdict,
        request: &Request,
        asked: Option<u64>,
        test: impl FnOnce(&mut Self),
    ) -> Result<(), ApprovalError> {
        let question = question(features);
        question.check(self.belief.width()).map_err(belief_error)?;
        let observation = question.answer(usize::from(!verdict.is_against_passing()));
        test(self);
        self.belief.learn([(&observation, Vec::new())]).map_err(belief_error)?;
        let (request, features) = (Arc::new(request.clone()), features.to_vec());
        let answer = Answer { record: self.records, asked, request, features, verdict, undo: asked.is_none() };
        self.answers.push(Arc::new(answer));
        let past = self.answers.iter().map(|answer| answer.features.as_slice());
        self.calibration.learned(&self.settings, &self.belief, past);
        Ok(())
    }

    /// Whether a request can be judged at all.
    ///
    /// # Errors
    /// Numbers out of range, attributes that nobody declared.
    pub fn check(&self, request: &Request) -> Result<(), ApprovalError> {
        self.features(request).map(drop)
    }

    /// What belief reads of a request, in the order of [`Approvals::feature_names`].
    ///
    /// # Errors
    /// As [`Approvals::check`].
    pub fn features(&self, request: &Request) -> Result<Vec<f64>, ApprovalError> {
        self.space.features(request).map_err(|source| ApprovalError::Request { source })
    }

    /// The audit coin of a request: from the seed, the number of requests recorded so far, and the request's hash.
    ///
    /// Whoever does not know the seed cannot tell it in advance, and a replay gets the same one.
    pub fn audit_coin(&self, request: &Request) -> bool {
        let mut hasher = blake3::Hasher::new_keyed(&self.settings.audit_seed);
        hasher.update(&self.requests.to_le_bytes());
        hasher.update(&request.shown_hash().0);
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        (u64::from_le_bytes(first) as f64) < self.settings.audit_share * 2f64.powi(64)
    }

    /// What the owner declared.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Questions that wait for an answer, by the number of their record.
    pub fn open_questions(&self) -> impl Iterator<Item = (u64, &Request)> {
        self.pending.iter().map(|(asked, pending)| (*asked, &pending.request))
    }

    /// Answers for a task or for always that were not revoked, ended ones too, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a tool was declared.
    pub fn is_declared(&self, tool: &str) -> bool {
        self.space.tool(tool).is_some()
    }

    /// What the person answered to a question; nothing while it waits, or if there was no such question.
    pub fn answer_to(&self, question: u64) -> Option<PersonVerdict> {
        self.answers.iter().rfind(|answer| answer.asked == Some(question)).map(|answer| answer.verdict)
    }

    /// Acts that passed and were not undone, by the number of their record, with who let them pass.
    pub fn acts(&self) -> impl DoubleEndedIterator<Item = (u64, &Request, By)> {
        self.allowed.iter().map(|(act, allowed)| (*act, &allowed.request, allowed.by))
    }

    /// An act that passed and was not undone, and who let it pass.
    pub fn act(&self, act: u64) -> Option<(&Request, By)> {
        self.allowed.get(&act).map(|allowed| (&allowed.request, allowed.by))
    }

    /// How many records there are; the number of the next.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many times the owner answered or took something back.
    pub fn answered_count(&self) -> usize {
        self.answers.len()
    }

    /// What is believed of the owner.
    pub fn belief(&self) -> &Mixture {
        &self.belief
    }

    /// What lets acts pass by belief now, if anything does.
    pub fn certificate(&self) -> Option<Certificate> {
        self.calibration.certificate(&self.settings)
    }

    /// What audits say since the certificate came in force.
    pub fn account(&self) -> Account {
        self.calibration.account
    }

    /// How often certificates were taken back.
    pub fn withdrawals(&self) -> u32 {
        self.calibration.withdrawals
    }

    /// Names of the features belief is over.
    pub fn feature_names(&self) -> &[String] {
        self.space.names()
    }
}

fn belief_error(source: BeliefError) -> ApprovalError {
    ApprovalError::Belief { source }
}
