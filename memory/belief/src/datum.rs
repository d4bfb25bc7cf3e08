//! Questions and evidence in the engine's own terms: what belief is computed from.

use serde::{Deserialize, Serialize};

use super::interval::Outcomes;
use super::question::QuestionKey;
use super::ranking::Places;

/// A question in the engine's terms.
#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    Interval(IntervalQuestion),
    Ranking(RankingQuestion),
}

#[derive(Clone, Debug)]
pub(crate) struct IntervalQuestion {
    pub(crate) direction: Vec<f64>,
    /// Empty where there is no error.
    pub(crate) error: Vec<f64>,
    pub(crate) outcomes: Outcomes,
    pub(crate) misreading: f64,
    /// Form and the caller's key.
    pub(crate) key: Option<(u8, QuestionKey)>,
}

#[derive(Clone, Debug)]
pub(crate) struct RankingQuestion {
    pub(crate) n: usize,
    /// `n` rows, relative to the first.
    pub(crate) features: Vec<f64>,
    /// `n` rows, or empty.
    pub(crate) error: Vec<f64>,
    pub(crate) places: Places,
}

/// One answer to an interval question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) outcomes: Outcomes,
    pub(crate) outcome: usize,
    pub(crate) misreading: f64,
}

/// Evidence that makes one site: all answers to one question, or one order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Datum {
    Interval { direction: Vec<f64>, error: Vec<f64>, answers: Vec<Answer>, key: Option<(u8, QuestionKey)> },
    Ranking { n: usize, features: Vec<f64>, error: Vec<f64>, places: Places, order: Vec<usize> },
}

impl Datum {
    /// Whether it is about values and no answer to a question, in the old form or the new.
    pub(crate) fn is_about_values(&self) -> bool {
        let Self::Interval { answers, .. } = self else { return false };
        answers.iter().any(|a| matches!(a.outcomes, Outcomes::Importance | Outcomes::AtLeast(_)))
    }

    /// Whether it is a statement about values: time does not pass with one.
    pub(crate) fn is_statement(&self) -> bool {
        let answers = match self {
            Self::Interval { answers, .. } => answers.as_slice(),
            Self::Ranking { .. } => &[],
        };
        answers.iter().any(|answer| matches!(answer.outcomes, Outcomes::AtLeast(_)))
    }

    /// Whether features were read with an error that matters.
    pub(crate) fn has_error(&self) -> bool {
        let (Self::Interval { error, .. } | Self::Ranking { error, .. }) = self;
        error.iter().any(|e| *e > 0.0)
    }
}

/// The lapse rate of statements, whatever the hypothesis: so what was said moves no contrast against it (equation 23).
const STATEMENT_LAPSE: f64 = 0.02;

/// `1 - (1 - eps)(1 - mu)`: a lapse, or a misreading of what was no lapse.
pub(crate) fn lapse(outcomes: Outcomes, rate: f64, misreading: f64) -> f64 {
    let rate = if matches!(outcomes, Outcomes::AtLeast(_)) { STATEMENT_LAPSE } else { rate };
    if misreading == 0.0 { rate } else { 1.0 - (1.0 - rate) * (1.0 - misreading) }
}
