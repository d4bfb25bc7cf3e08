//! Which question next: the best by a strategy, near-ties broken by seed.

pub use credence_memory::belief::Strategy;
use credence_memory::belief::{Context, Mixture, Question, expected_information_gain, score};
use rand::Rng;
use rand::RngExt;

/// Questions whose score is at least this share of the best one's are as good.
const NEAR_TIE: f64 = 0.98;

/// The question chosen among candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Its place among the candidates.
    pub index: usize,
    /// Its expected information gain, nats, whatever the strategy.
    pub gain_nats: f64,
}

/// A strategy's name in records.
pub fn name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::InformationGain => "information_gain",
        Strategy::Eubo => "eubo",
        Strategy::ValueOfInformation => "value_of_information",
        Strategy::MaxUncertainty => "max_uncertainty",
        Strategy::Random => "random",
    }
}

/// Chooses among `questions`, of which there must be one or more; `second` has the features of each one's second alternative.
///
/// # Panics
/// If there is no question.
pub fn best(
    strategy: Strategy,
    belief: &Mixture,
    questions: &[Question],
    second: &[Vec<f64>],
    rng: &mut impl Rng,
) -> Scored {
    assert!(!questions.is_empty(), "there must be a question to choose");
    let index = if strategy == Strategy::Random {
        rng.random_range(0..questions.len())
    } else {
        let scores = score(belief, questions, strategy, &Context { decision: &[], second }, rng);
        near_best(&scores, rng)
    };
    Scored { index, gain_nats: expected_information_gain(belief, std::slice::from_ref(&questions[index]))[0] }
}

/// The place of the highest score, or of one as good as it.
///
/// # Panics
/// If there is no score.
pub fn near_best(scores: &[f64], rng: &mut impl Rng) -> usize {
    let (low, high) = scores.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), s| (l.min(*s), h.max(*s)));
    // Scores may be negative (EUBO is a utility): nearness is measured over their range.
    let near = high - (1.0 - NEAR_TIE) * (high - low.min(0.0));
    let good: Vec<usize> = (0..scores.len()).filter(|&i| scores[i] >= near).collect();
    good[rng.random_range(0..good.len())]
}
