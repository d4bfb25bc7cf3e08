//! What questions are expected to tell under beliefs that many people share: before their first answer all people are believed the
//! same, and after one answer few beliefs differ. Worked out once, it is remembered.
//!
//! Each gain is a function of the belief, the question and how roughly it is worked out, so remembering changes no choice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use credence_memory::belief::{Mixture, Question, rough_information_gain};
use credence_memory::ids::{QuestionId, Seq};

/// Answers in a belief that is likely to be met again, at most.
const SHARED_ANSWERS_MAX: usize = 1;
/// Beliefs that are remembered, at most: then all are forgotten.
const BELIEFS_MAX: usize = 64;

/// Under what a gain holds: the belief's digest, the hypotheses that stand for all, since which record belief is formed as it is, and
/// how often an alternative was described anew.
type Under = ([u8; 32], usize, Seq, usize);

/// Gains in nats.
type ByQuestion = HashMap<Known, f64>;

/// Gains under beliefs that many people share.
#[derive(Debug, Default)]
pub struct Gains(Mutex<HashMap<Under, ByQuestion>>);

/// Where a choice looks gains up, and what there holds beside the belief.
#[derive(Debug, Clone, Copy)]
pub struct Remembered<'a> {
    /// The gains.
    pub gains: &'a Gains,
    /// The record since which belief is formed as it is.
    pub since: Seq,
    /// How often an alternative was described anew.
    pub redescribed: usize,
}

/// A question as it is known again: its identity, and whether "no preference" is an answer to it.
pub(crate) type Known = (QuestionId, bool);

/// As [`rough_information_gain`], each question but once for a belief that many share.
pub(crate) fn gains(
    remembered: Option<Remembered<'_>>,
    belief: &Mixture,
    known: &[Known],
    questions: &[Question],
    hypotheses: usize,
) -> Vec<f64> {
    let Some(Remembered { gains, since, redescribed }) =
        remembered.filter(|_| belief.record_count() <= SHARED_ANSWERS_MAX)
    else {
        return rough_information_gain(belief, questions, hypotheses);
    };
    let under = (belief.digest(), hypotheses, since, redescribed);
    let lock = || gains.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found: Vec<Option<f64>> = match lock().get(&under) {
        Some(before) => known.iter().map(|question| before.get(question).copied()).collect(),
        None => vec![None; known.len()],
    };
    let open: Vec<usize> = (0..found.len()).filter(|&i| found[i].is_none()).collect();
    if !open.is_empty() {
        let asked: Vec<Question> = open.iter().map(|&i| questions[i].clone()).collect();
        let new = rough_information_gain(belief, &asked, hypotheses);
        let mut all = lock();
        if all.len() >= BELIEFS_MAX && !all.contains_key(&under) {
            all.clear();
        }
        let kept = all.entry(under).or_default();
        for (&i, gain) in open.iter().zip(new) {
            kept.insert(known[i], gain);
            found[i] = Some(gain);
        }
    }
    found.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use credence_memory::belief::{Priors, Settings};
    use credence_memory::ids::AlternativeId;

    use super::*;

    #[test]
    fn what_is_remembered_is_what_would_be_worked_out() {
        let priors = Priors::isotropic(3, 1.5);
        let mut belief = Mixture::new(&Settings::of_new_homes(), &priors).unwrap();
        let question = |x: f64| Question::choice(vec![x, -1.0, 0.5 * x], true);
        let questions: Vec<Question> = (0..20).map(|k| question(f64::from(k) / 5.0)).collect();
        let known: Vec<Known> = (0..20)
            .map(|k| (QuestionId::of(&[AlternativeId::of("", &k.to_string()), AlternativeId::of("", "other")]), true))
            .collect();
        let store = Gains::default();
        let remembered = Some(Remembered { gains: &store, since: Seq(2), redescribed: 0 });
        for _ in 0..2 {
            let plain = rough_information_gain(&belief, &questions, 8);
            let half = gains(remembered, &belief, &known[..7], &questions[..7], 8);
            let all = gains(remembered, &belief, &known, &questions, 8);
            assert_eq!((&half[..], &all[..]), (&plain[..7], &plain[..]));
            assert_eq!(gains(remembered, &belief, &known, &questions, 8), plain);
            belief.observe(&questions[3].answer(0)).unwrap();
        }
        assert_eq!(store.0.lock().unwrap().len(), 2, "before the first answer, and after it");
        gains(remembered, &belief, &known, &questions, 8);
        assert_eq!(store.0.lock().unwrap().len(), 2, "later beliefs are each their person's own");
    }
}
