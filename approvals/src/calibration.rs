//! The bound: frozen scorers, tested thresholds, certificates (docs/approvals.md, "The guarantee").

use credence_belief::{Mixture, Question};
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::settings::{Bound, Settings};

/// How strongly `errors` in `trials` speak for a rate below `alpha`: an e-value, so that by Ville's inequality it ever
/// reaches `1 / delta` with probability at most `delta` if each trial, given the past, errs with probability `alpha` or
/// more.
///
/// It is the likelihood against `alpha`, averaged over the rates 0, `alpha / 4` and `alpha / 2` with weights 1/2, 1/4,
/// 1/4. Robbins's method of mixtures; see Ramdas, Gruenwald, Vovk and Shafer 2023.
pub fn evidence(alpha: f64, trials: u64, errors: u64) -> f64 {
    let (clean, errors) = (trials.saturating_sub(errors) as f64, errors.min(trials) as f64);
    let likelihood = |share: f64| {
        let hit = if errors > 0.0 { errors * libm::log(share) } else { 0.0 };
        libm::exp(hit + clean * (libm::log1p(-share * alpha) - libm::log1p(-alpha)))
    };
    0.5 * likelihood(0.0) + 0.25 * (likelihood(0.25) + likelihood(0.5))
}

/// A scorer that no longer learns, and what answers since then say of its thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Candidate {
    /// From 1, never used twice.
    number: u32,
    scorer: Mixture,
    thresholds: Vec<Threshold>,
    /// Answers it was tested on.
    tested: u64,
    /// How many thresholds, from the strictest on, are certified.
    certified: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Threshold {
    p_refuse_max: f64,
    trials: u64,
    errors: u64,
}

/// What lets acts pass now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// Which scorer, from 1.
    pub scorer: u32,
    /// It lets pass what it gives at most this probability of refusal.
    pub p_refuse_max: f64,
    /// Answers it was tested on.
    pub trials: u64,
    /// Of these, wrong ones.
    pub errors: u64,
}

/// One answer to an act that was left to belief.
pub(crate) struct Trial<'a> {
    pub(crate) features: &'a [f64],
    pub(crate) against: bool,
    /// Whether this answer came whatever the policy said: no certificate was in force, or the audit coin said "ask".
    pub(crate) unselected: bool,
    /// Whether it would have passed, but for the coin.
    pub(crate) would_pass: bool,
}

/// All candidates, and the ledger of the one in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    candidates: Vec<Candidate>,
    frozen: u32,
    answers: u64,
    pub(crate) account: Account,
    pub(crate) withdrawals: u32,
}

/// Past acts whose probabilities set the thresholds of a new scorer.
const PAST_MAX: usize = 200;

/// Probability that the person is against passing.
pub(crate) fn p_refuse(belief: &Mixture, features: &[f64]) -> f64 {
    belief.predict(&question(features))[0]
}

/// Approval as a verdict with two levels: 0 against passing, 1 approved.
pub(crate) fn question(features: &[f64]) -> Question {
    let (features, error) = (features.to_vec(), vec![0.0; features.len()]);
    Question::Graded { features, error, levels: 2, misreading: 0.0, question: None }
}

impl Calibration {
    /// The certificate in force: of the scorers that have one, the one that lets most pass; the newest of equals.
    fn in_force(&self, settings: &Settings) -> Option<&Candidate> {
        let ready = |c: &&Candidate| c.certified > 0 && c.tested >= settings.tested_min;
        self.candidates.iter().filter(ready).max_by_key(|c| (c.certified, c.number))
    }

    pub(crate) fn certificate(&self, settings: &Settings) -> Option<Certificate> {
        self.in_force(settings).map(|c| {
            let Threshold { p_refuse_max, trials, errors } = c.thresholds[c.certified - 1];
            Certificate { scorer: c.number, p_refuse_max, trials, errors }
        })
    }

    /// Whether belief lets an act pass: the certified scorer says so, and what was learned since does not object.
    pub(crate) fn lets_pass(&self, settings: &Settings, features: &[f64], p_refuse_now: f64) -> bool {
        self.in_force(settings).is_some_and(|c| {
            let most = c.thresholds[c.certified - 1].p_refuse_max;
            p_refuse_now <= most.max(settings.objects_above) && p_refuse(&c.scorer, features) <= most
        })
    }

    /// Tests every candidate on an answer. Call before belief learns from it.
    pub(crate) fn answered(&mut self, settings: &Settings, trial: &Trial) {
        let in_force = self.in_force(settings).is_some();
        if in_force {
            self.account.refused += u64::from(trial.against);
            self.account.audits += u64::from(trial.would_pass);
            self.account.audits_refused += u64::from(trial.would_pass && trial.against);
        }
        if trial.unselected {
            for candidate in &mut self.candidates {
                candidate.test(settings, trial);
            }
        }
        self.settle(settings);
        if !in_force && self.in_force(settings).is_some() {
            self.account = Account::default();
        }
    }

    pub(crate) fn passed(&mut self) {
        self.account.passed += 1;
    }

    pub(crate) fn undone(&mut self, settings: &Settings) {
        self.account.undone += 1;
        self.settle(settings);
    }

    /// Takes everything back when the account is overdrawn: acts are asked until new scorers are certified on new
    /// answers.
    fn settle(&mut self, settings: &Settings) {
        let per = match settings.bound {
            Bound::OfRefused => self.account.refused,
            Bound::OfPassed => self.account.passed,
        };
        if self.in_force(settings).is_some() && self.account.is_overdrawn(settings.audit_share, settings.share_max, per)
        {
            self.candidates.clear();
            self.account = Account::default();
            self.answers = 0;
            self.withdrawals += 1;
        }
    }

    /// Counts an answer that belief has learned, and freezes belief where the settings say so.
    pub(crate) fn learned<'a>(
        &mut self,
        settings: &Settings,
        belief: &Mixture,
        past: impl DoubleEndedIterator<Item = &'a [f64]>,
    ) {
        self.answers += 1;
        if !settings.frozen_at.contains(&self.answers) {
            return;
        }
        let mut scores: Vec<f64> = past.rev().take(PAST_MAX).map(|features| p_refuse(belief, features)).collect();
        scores.sort_by(f64::total_cmp);
        let quantile = |share: f64| scores[((share * scores.len() as f64) as usize).min(scores.len() - 1)];
        let threshold = |share: &f64| Threshold { p_refuse_max: quantile(*share), trials: 0, errors: 0 };
        self.frozen += 1;
        let thresholds = settings.threshold_quantiles.iter().map(threshold).collect();
        self.candidates.push(Candidate {
            number: self.frozen,
            scorer: belief.clone(),
            thresholds,
            tested: 0,
            certified: 0,
        });
    }
}

impl Candidate {
    fn test(&mut self, settings: &Settings, trial: &Trial) {
        let score = p_refuse(&self.scorer, trial.features);
        self.tested += 1;
        for threshold in &mut self.thresholds {
            let passes = score <= threshold.p_refuse_max;
            let (is_trial, is_error) = match settings.bound {
                Bound::OfRefused => (trial.against, passes),
                Bound::OfPassed => (passes, trial.against),
            };
            threshold.trials += u64::from(is_trial);
            threshold.errors += u64::from(is_trial && is_error);
        }
        // Scorer k may err with probability 3/4 delta / 4^(k - 1); these sum to delta. The first matters most.
        let needed = libm::exp2(2.0 * f64::from(self.number - 1)) / (0.75 * (1.0 - settings.confidence));
        // In a fixed order, so that several thresholds cost no more than one: the first false one must be passed to
        // err.
        while let Some(t) = self.thresholds.get(self.certified)
            && evidence(settings.share_max, t.trials, t.errors) >= needed
        {
            self.certified += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_fair_at_alpha_and_needs_the_rule_of_three() {
        for (n, e) in [(0, 0), (40, 0), (40, 2), (300, 1)] {
            let next = 0.05 * evidence(0.05, n + 1, e + 1) + 0.95 * evidence(0.05, n + 1, e);
            assert!((next / evidence(0.05, n, e) - 1.0).abs() < 1e-12, "a martingale where the rate is alpha");
        }
        let least = (1..).find(|&n| evidence(0.01, n, 0) >= 20.0);
        assert!(least.is_some_and(|n| (299..=370).contains(&n)), "{least:?}: 299 is the least any test can do");
        assert!(evidence(0.01, 299, 3) < 1.0);
    }
}
