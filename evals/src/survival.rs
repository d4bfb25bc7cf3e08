//! How many answers it takes, where some runs never got there: Kaplan and Meier's estimate (1958), so that a run that was cut
//! off counts for as long as it was watched and is never dropped.

use serde::{Deserialize, Serialize};

/// One run: when it got there, or how long it was watched without getting there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Answers.
    pub answers: usize,
    /// Whether it got there; else it was still on the way (censored).
    pub reached: bool,
}

/// A step of the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Answers.
    pub answers: usize,
    /// Share that got there by now.
    pub reached: f64,
    /// Lower end of its 95% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The estimate: one step wherever somebody got there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// Steps by ascending answers.
    pub steps: Vec<Step>,
}

/// 97.5% point of the standard normal.
const Z: f64 = 1.959_963_984_540_054;

impl Survival {
    /// Kaplan and Meier's estimate; intervals by Greenwood's variance on the scale of ln(-ln), which keeps them inside [0, 1].
    /// Somebody who is censored at a time counts as watched at that time.
    pub fn estimate(times: &[Time]) -> Self {
        let mut moments: Vec<usize> = times.iter().filter(|t| t.reached).map(|t| t.answers).collect();
        moments.sort_unstable();
        moments.dedup();
        let (mut left, mut greenwood) = (1.0f64, 0.0);
        let steps = moments
            .into_iter()
            .map(|answers| {
                let at_risk = times.iter().filter(|t| t.answers >= answers).count() as f64;
                let events = times.iter().filter(|t| t.reached && t.answers == answers).count() as f64;
                left *= 1.0 - events / at_risk;
                greenwood += events / (at_risk * (at_risk - events));
                let (low, high) = if left > 0.0 {
                    let spread = Z * greenwood.sqrt() / left.ln().abs();
                    (1.0 - left.powf((-spread).exp()), 1.0 - left.powf(spread.exp()))
                } else {
                    (1.0, 1.0) // everyone got there: Greenwood's variance says nothing
                };
                Step { answers, reached: 1.0 - left, low, high }
            })
            .collect();
        Self { steps }
    }

    /// Answers by which half got there; nothing when fewer ever did.
    pub fn median(&self) -> Option<usize> {
        self.steps.iter().find(|s| s.reached >= 0.5).map(|s| s.answers)
    }

    /// Share that got there by so many answers.
    pub fn reached_by(&self, answers: usize) -> f64 {
        self.steps.iter().rfind(|s| s.answers <= answers).map_or(0.0, |s| s.reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(reached: &[usize], censored: &[usize]) -> Vec<Time> {
        let of = |reached: bool| move |&answers: &usize| Time { answers, reached };
        reached.iter().map(of(true)).chain(censored.iter().map(of(false))).collect()
    }

    #[test]
    fn agrees_with_the_published_estimate_of_remission_under_6_mp() {
        // Freireich et al. 1963, as in every textbook: S(6) = .857, S(7) = .807, S(10) = .753, S(13) = .690, S(16) = .627, S(22) = .538, S(23) = .448.
        let estimate = Survival::estimate(&times(
            &[6, 6, 6, 7, 10, 13, 16, 22, 23],
            &[6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35],
        ));
        let expected = [(6, 0.857), (7, 0.807), (10, 0.753), (13, 0.690), (16, 0.627), (22, 0.538), (23, 0.448)];
        assert_eq!(estimate.steps.len(), expected.len());
        for (step, (answers, left)) in estimate.steps.iter().zip(expected) {
            assert_eq!(step.answers, answers);
            assert!((1.0 - step.reached - left).abs() < 5e-4, "{step:?}");
            assert!(0.0 <= step.low && step.low < step.reached && step.reached < step.high && step.high <= 1.0);
        }
        assert_eq!(estimate.median(), Some(23));
        assert!((estimate.reached_by(12) - 0.247).abs() < 1e-3);
    }

    #[test]
    fn without_censoring_it_is_the_plain_share_and_nobody_is_dropped() {
        let all = Survival::estimate(&times(&[5, 10, 10, 20], &[]));
        assert_eq!(all.steps.iter().map(|s| s.reached).collect::<Vec<_>>(), [0.25, 0.75, 1.0]);
        assert_eq!(all.median(), Some(10));
        let few = Survival::estimate(&times(&[5], &[40, 40, 40]));
        assert_eq!((few.median(), few.reached_by(40)), (None, 0.25));
        assert_eq!(Survival::estimate(&times(&[], &[40])).median(), None);
    }
}
