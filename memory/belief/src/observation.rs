//! What a person said: a question and its outcome, which belief is a function of.

use serde::{Deserialize, Serialize};

use super::BeliefError;
use super::interval::Strength;
use super::question::{Channel, Question};
use super::ranking;

/// The answer to a comparison. Predictions list its outcomes in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// The first alternative.
    First,
    /// The second alternative.
    Second,
    /// No preference.
    Neither,
}

/// One evidence record as the engine reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What was asked; of what was seen or said unasked, the question that it answers.
    pub question: Question,
    /// What was answered.
    pub outcome: Outcome,
}

/// An answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Number of the outcome, from 0, in the order told at [`Question`]: the answer to anything but a ranking.
    Number(usize),
    /// The alternatives in the order of [`super::Places`]: best first, as many as were asked for; or the best and the worst.
    Order(Vec<usize>),
}

impl Outcome {
    /// What was stated was said. People never say a denial.
    pub const SAID: Self = Self::Number(0);

    /// The outcome of a question of importance: by how much, in the question's direction where `favoured`, else in its mirror.
    pub fn importance(strength: Strength, favoured: bool) -> Self {
        Self::Number(strength as usize + if favoured { 0 } else { 3 })
    }

    /// The order, if it is one.
    pub fn order(&self) -> Option<&[usize]> {
        match self {
            Self::Order(order) => Some(order),
            Self::Number(_) => None,
        }
    }
}

impl From<Preference> for Outcome {
    fn from(preference: Preference) -> Self {
        Self::Number(preference as usize)
    }
}

impl From<usize> for Outcome {
    fn from(number: usize) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<usize>> for Outcome {
    fn from(order: Vec<usize>) -> Self {
        Self::Order(order)
    }
}

impl Observation {
    /// Number of the outcome among those of the question (for rankings among all orders, saturating).
    ///
    /// # Errors
    /// "No preference" where it was not offered, a level or another outcome that does not exist, or an order that does not name different
    /// alternatives.
    pub fn number(&self) -> Result<usize, BeliefError> {
        match (&self.question, &self.outcome) {
            (Question::Ranking { features, places, .. }, Outcome::Order(order)) => {
                let n = features.len();
                let distinct = order.iter().enumerate().all(|(i, k)| *k < n && !order[..i].contains(k));
                if !distinct || order.len() != places.named() {
                    return Err(BeliefError::Order { alternatives: n });
                }
                if places.count(n) <= ranking::LISTED_MAX {
                    Ok(ranking::outcome_index(order, n))
                } else {
                    Ok(usize::MAX)
                }
            }
            (Question::Ranking { features, .. }, Outcome::Number(_)) => {
                Err(BeliefError::Order { alternatives: features.len() })
            }
            (Question::Comparison { indifference_offered, channel, .. }, Outcome::Number(2))
                if !indifference_offered || *channel != Channel::Choice =>
            {
                Err(BeliefError::NeitherNotOffered)
            }
            (Question::Graded { levels, .. }, Outcome::Number(level)) if level >= levels => {
                Err(BeliefError::Level { level: *level, levels: *levels })
            }
            (question, Outcome::Number(number)) if *number < question.outcome_count() => Ok(*number),
            (question, outcome) => {
                Err(BeliefError::Outcome { outcome: outcome.clone(), outcomes: question.outcome_count() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranking::Places;
    use super::*;

    #[test]
    fn every_outcome_makes_the_observation_it_came_from() {
        let (d, e) = (vec![1.0, -2.0], vec![0.0, 0.1]);
        let questions = [
            Question::choice(d.clone(), false),
            Question::choice(d.clone(), true),
            Question::Importance { direction: d.clone(), misreading: 0.1 },
            Question::Statement { direction: d.clone(), strength: Strength::Clear, misreading: 0.1 },
            Question::Graded {
                features: d.clone(),
                error: e.clone(),
                levels: 5,
                misreading: 0.0,
                question: Some([3; 32]),
            },
            Question::Ranking {
                features: vec![d.clone(); 3],
                error: vec![e.clone(); 3],
                places: Places::First(2),
                channel: Channel::Choice,
            },
            Question::Ranking {
                features: vec![d.clone(); 4],
                error: vec![e; 4],
                places: Places::BestAndWorst,
                channel: Channel::Choice,
            },
        ];
        for question in questions {
            assert!(question.check(2).is_ok() && question.check(3).is_err());
            for outcome in 0..question.outcome_count() {
                let observation = question.answer(outcome);
                assert_eq!(observation.question, question);
                assert_eq!(observation.number().expect("one of its outcomes"), outcome);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(Question::choice(vec![f64::NAN], false).check(1).is_err());
        assert!(Question::choice(vec![1e13], false).check(1).is_err());
        assert!(Question::choice(vec![1.0], false).answer(2).number().is_err(), "neither was not offered");
        assert!(Question::choice(vec![1.0], true).answer(3).number().is_err(), "there are three outcomes");
        assert!(Question::choice(vec![1.0], true).answered(vec![0, 1]).number().is_err(), "it is no ranking");
    }
}
