//! What a person said, as vectors: the observations belief is a function of, and the questions they answer.

use serde::{Deserialize, Serialize};

use super::BeliefError;
use super::interval::{Outcomes, Strength};
use super::ranking::{self, Places};
use super::settings::Settings;

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

/// How a comparison or an order came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Asked and answered.
    Choice,
    /// "Not this, rather that": a signal scale of its own.
    Correction,
    /// What the person did: a signal scale of its own.
    Demonstration,
}

/// The key under which a question is the same question: made by the caller from the situation and the sorted alternatives.
pub type QuestionKey = [u8; 32];

/// One evidence record as the engine reads it. Vectors have the length of the feature space; errors are variances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// A comparison of two alternatives, which the caller has put in canonical order.
    Comparison {
        /// `phi1 - phi2`.
        difference: Vec<f64>,
        /// Variance of each component of `difference`.
        error: Vec<f64>,
        /// What was preferred.
        outcome: Preference,
        /// Whether "no preference" could be said; corrections and demonstrations never offer it.
        indifference_offered: bool,
        /// How it came to be known.
        channel: Channel,
        /// Probability, in [0, 1), that the reading is wrong and says nothing.
        misreading: f64,
        /// Repeats of a choice share a key; other channels have none.
        question: Option<QuestionKey>,
    },
    /// One value matters more than another, or than the rest.
    Importance {
        /// `c (e_i - e_j)`, or `c (e_i - mean of the others)`.
        direction: Vec<f64>,
        /// `true` when the positive side of `direction` was favoured, `false` for its mirror.
        favoured: bool,
        /// By how much.
        strength: Strength,
        /// As in a comparison.
        misreading: f64,
    },
    /// A verdict (three levels: disagree, pass, agree) or a rating.
    Graded {
        /// `phi`, with the constant of its form at 1.
        features: Vec<f64>,
        /// Variance of each component of `features`.
        error: Vec<f64>,
        /// From 0, lowest first.
        level: usize,
        /// How many levels there were, at least 2.
        levels: usize,
        /// As in a comparison.
        misreading: f64,
        /// As in a comparison; verdicts and ratings of the same alternative need different keys.
        question: Option<QuestionKey>,
    },
    /// The best of several, or an order of some or all of them.
    Ranking {
        /// `phi` of each alternative.
        features: Vec<Vec<f64>>,
        /// Variances, one vector for each alternative.
        error: Vec<Vec<f64>>,
        /// Which places were asked for.
        places: Places,
        /// As `places` has it: best first, the unranked come after; or the best and the worst.
        order: Vec<usize>,
        /// How it came to be known.
        channel: Channel,
    },
    /// A contrast of values was said to be at least so large (docs/belief.md, equation 23).
    Statement {
        /// The contrast, its sign as it was said.
        direction: Vec<f64>,
        /// The least that was said.
        strength: Strength,
        /// Whether it was said; what people say is never a denial.
        affirmed: bool,
        /// As in a comparison.
        misreading: f64,
    },
}

/// A question: an observation without its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// See [`Observation::Comparison`]. Outcomes: first, second and, where offered, neither.
    Comparison {
        /// `phi1 - phi2`.
        difference: Vec<f64>,
        /// Variances.
        error: Vec<f64>,
        /// Whether "no preference" is offered.
        indifference_offered: bool,
        /// How the answer will be known.
        channel: Channel,
        /// Probability of a wrong reading.
        misreading: f64,
        /// Key of repeats.
        question: Option<QuestionKey>,
    },
    /// See [`Observation::Importance`]. Outcomes: slight, clear, strong, and their mirrors.
    Importance {
        /// `c (e_i - e_j)`.
        direction: Vec<f64>,
        /// Probability of a wrong reading.
        misreading: f64,
    },
    /// See [`Observation::Graded`]. Outcomes: the levels, lowest first.
    Graded {
        /// `phi`.
        features: Vec<f64>,
        /// Variances.
        error: Vec<f64>,
        /// How many levels.
        levels: usize,
        /// Probability of a wrong reading.
        misreading: f64,
        /// Key of repeats.
        question: Option<QuestionKey>,
    },
    /// See [`Observation::Ranking`]. Outcomes: all answers in the order of [`Places`], lexicographic; at most 24 are listed.
    Ranking {
        /// `phi` of each alternative.
        features: Vec<Vec<f64>>,
        /// Variances.
        error: Vec<Vec<f64>>,
        /// Which places are asked for.
        places: Places,
        /// How the answer will be known.
        channel: Channel,
    },
    /// See [`Observation::Statement`]. Outcomes: affirmed, or not.
    Statement {
        /// The contrast.
        direction: Vec<f64>,
        /// The least that would be said.
        strength: Strength,
        /// Probability of a wrong reading.
        misreading: f64,
    },
}

impl Question {
    /// A plain choice of two without errors, misreading or key.
    pub fn choice(difference: Vec<f64>, indifference_offered: bool) -> Self {
        let error = vec![0.0; difference.len()];
        Self::Comparison {
            difference,
            error,
            indifference_offered,
            channel: Channel::Choice,
            misreading: 0.0,
            question: None,
        }
    }

    /// The observation that outcome number `outcome` makes of this question, in the order of [`super::Mixture::predict`].
    pub fn answer(&self, outcome: usize) -> Observation {
        match self.clone() {
            Self::Comparison { difference, error, indifference_offered, channel, misreading, question } => {
                let outcome = [Preference::First, Preference::Second, Preference::Neither][outcome.min(2)];
                Observation::Comparison {
                    difference,
                    error,
                    outcome,
                    indifference_offered,
                    channel,
                    misreading,
                    question,
                }
            }
            Self::Importance { direction, misreading } => Observation::Importance {
                direction,
                favoured: outcome < 3,
                strength: [Strength::Slight, Strength::Clear, Strength::Strong][outcome % 3],
                misreading,
            },
            Self::Graded { features, error, levels, misreading, question } => {
                Observation::Graded { features, error, level: outcome, levels, misreading, question }
            }
            Self::Ranking { features, error, places, channel } => {
                let order = places.orders(features.len()).swap_remove(outcome);
                Observation::Ranking { features, error, places, order, channel }
            }
            Self::Statement { direction, strength, misreading } => {
                Observation::Statement { direction, strength, affirmed: outcome == 0, misreading }
            }
        }
    }

    /// Every vector of features in it, errors included.
    pub(crate) fn vectors_mut(&mut self) -> Box<dyn Iterator<Item = &mut Vec<f64>> + '_> {
        match self {
            Self::Comparison { difference, error, .. } => Box::new([difference, error].into_iter()),
            Self::Importance { direction, .. } | Self::Statement { direction, .. } => Box::new([direction].into_iter()),
            Self::Graded { features, error, .. } => Box::new([features, error].into_iter()),
            Self::Ranking { features, error, .. } => Box::new(features.iter_mut().chain(error)),
        }
    }

    /// How many outcomes it has.
    pub fn outcome_count(&self) -> usize {
        match self {
            Self::Ranking { features, places, .. } => places.count(features.len()),
            Self::Comparison { .. } | Self::Importance { .. } | Self::Graded { .. } | Self::Statement { .. } => {
                self.outcomes().count()
            }
        }
    }

    fn outcomes(&self) -> Outcomes {
        match self {
            Self::Comparison { indifference_offered: true, channel: Channel::Choice, .. } => Outcomes::Band,
            Self::Comparison { .. } | Self::Ranking { .. } => Outcomes::Two,
            Self::Importance { .. } => Outcomes::Importance,
            Self::Statement { strength, .. } => Outcomes::AtLeast(*strength),
            Self::Graded { levels, .. } => Outcomes::Levels(u32::try_from(*levels).unwrap_or(u32::MAX)),
        }
    }

    /// Whether it can be asked of a belief whose feature vectors have `dimension` entries.
    ///
    /// # Errors
    /// The first thing that is wrong with it: a vector of another length than `dimension`, a number that is not finite, too few or too
    /// many alternatives or levels.
    pub fn check(&self, dimension: usize) -> Result<(), BeliefError> {
        let vector = |v: &[f64]| {
            if v.len() != dimension {
                return Err(BeliefError::Dimension { expected: dimension, found: v.len() });
            }
            // Without a way out of the loop, thousands of candidates are checked in lanes.
            if v.iter().fold(true, |sound, x| sound & (x.abs() <= FEATURE_MAX)) {
                Ok(())
            } else {
                Err(BeliefError::Number { what: "a feature" })
            }
        };
        let variances = |v: &[f64]| {
            vector(v)?;
            let sound = v.iter().fold(true, |sound, x| sound & (*x >= 0.0));
            if sound { Ok(()) } else { Err(BeliefError::Number { what: "an error variance" }) }
        };
        let misread = match self {
            Self::Comparison { difference, error, misreading, .. } => {
                vector(difference)?;
                variances(error)?;
                *misreading
            }
            Self::Importance { direction, misreading } | Self::Statement { direction, misreading, .. } => {
                vector(direction)?;
                *misreading
            }
            Self::Graded { features, error, levels, misreading, .. } => {
                vector(features)?;
                variances(error)?;
                if !(2..=LEVELS_MAX).contains(levels) {
                    return Err(BeliefError::Levels { levels: *levels });
                }
                *misreading
            }
            Self::Ranking { features, error, places, .. } => {
                let n = features.len();
                if !(2..=ALTERNATIVES_MAX).contains(&n) || error.len() != n || !places.fits(n) {
                    return Err(BeliefError::Ranking { alternatives: n, ranked: places.named() });
                }
                features.iter().try_for_each(|v| vector(v))?;
                error.iter().try_for_each(|v| variances(v))?;
                0.0
            }
        };
        if (0.0..1.0).contains(&misread) {
            Ok(())
        } else {
            Err(BeliefError::Number { what: "a misreading probability" })
        }
    }

    /// In the engine's own terms: the channel's scale applied, utilities of a ranking taken relative to the first.
    pub(crate) fn prepare(&self, settings: &Settings) -> Prepared {
        let scale = |channel: Channel| match channel {
            Channel::Choice => 1.0,
            Channel::Correction | Channel::Demonstration => settings.correction_scale,
        };
        let outcomes = self.outcomes();
        match self {
            Self::Comparison { difference, error, channel, misreading, question, .. } => {
                let kappa = scale(*channel);
                Prepared::Interval(IntervalQuestion {
                    direction: difference.iter().map(|x| kappa * x).collect(),
                    error: sparse(error.iter().map(|e| kappa * kappa * e)),
                    outcomes,
                    misreading: *misreading,
                    key: question.filter(|_| *channel == Channel::Choice).map(|key| (0, key)),
                })
            }
            Self::Importance { direction, misreading } | Self::Statement { direction, misreading, .. } => {
                Prepared::Interval(IntervalQuestion {
                    direction: direction.clone(),
                    error: Vec::new(),
                    outcomes,
                    misreading: *misreading,
                    key: None,
                })
            }
            Self::Graded { features, error, misreading, question, .. } => Prepared::Interval(IntervalQuestion {
                direction: features.clone(),
                error: sparse(error.iter().copied()),
                outcomes,
                misreading: *misreading,
                key: question.map(|key| (1, key)),
            }),
            Self::Ranking { features, error, places, channel } => {
                let kappa = scale(*channel);
                let first = &features[0];
                let centred = features.iter().flat_map(|v| v.iter().zip(first).map(|(x, f)| kappa * (x - f))).collect();
                Prepared::Ranking(RankingQuestion {
                    n: features.len(),
                    features: centred,
                    error: sparse(error.iter().flatten().map(|e| kappa * kappa * e)),
                    places: *places,
                })
            }
        }
    }
}

/// Larger features than this are refused: their squares would not leave room for sums.
const FEATURE_MAX: f64 = 1e12;
pub(crate) const LEVELS_MAX: usize = 101;
const ALTERNATIVES_MAX: usize = 64;

/// No errors at all are kept as an empty vector.
fn sparse(error: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    if error.clone().all(|e| e == 0.0) { Vec::new() } else { error.collect() }
}

impl Observation {
    /// The question this answers, and which of its outcomes it is (for rankings among all orders, saturating).
    pub fn question(&self) -> Question {
        match self.clone() {
            Self::Comparison { difference, error, indifference_offered, channel, misreading, question, .. } => {
                Question::Comparison { difference, error, indifference_offered, channel, misreading, question }
            }
            Self::Importance { direction, misreading, .. } => Question::Importance { direction, misreading },
            Self::Statement { direction, strength, misreading, .. } => {
                Question::Statement { direction, strength, misreading }
            }
            Self::Graded { features, error, levels, misreading, question, .. } => {
                Question::Graded { features, error, levels, misreading, question }
            }
            Self::Ranking { features, error, places, channel, .. } => {
                Question::Ranking { features, error, places, channel }
            }
        }
    }

    /// Number of the outcome among those of [`Observation::question`]; an error where it is none of them.
    ///
    /// # Errors
    /// "No preference" where it was not offered, a level that does not exist, or an order that does not name different alternatives.
    pub fn outcome(&self) -> Result<usize, BeliefError> {
        match self {
            Self::Comparison { outcome, indifference_offered, channel, .. } => match outcome {
                Preference::First => Ok(0),
                Preference::Second => Ok(1),
                Preference::Neither if *indifference_offered && *channel == Channel::Choice => Ok(2),
                Preference::Neither => Err(BeliefError::NeitherNotOffered),
            },
            Self::Importance { favoured, strength, .. } => Ok(*strength as usize + if *favoured { 0 } else { 3 }),
            Self::Statement { affirmed, .. } => Ok(usize::from(!affirmed)),
            Self::Graded { level, levels, .. } if level < levels => Ok(*level),
            Self::Graded { level, levels, .. } => Err(BeliefError::Level { level: *level, levels: *levels }),
            Self::Ranking { features, places, order, .. } => {
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
        }
    }
}

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

#[cfg(test)]
mod tests {
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
                assert_eq!(observation.question(), question);
                assert_eq!(observation.outcome().expect("one of its outcomes"), outcome);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(Question::choice(vec![f64::NAN], false).check(1).is_err());
        assert!(Question::choice(vec![1e13], false).check(1).is_err());
        assert!(Question::choice(vec![1.0], false).answer(2).outcome().is_err(), "neither was not offered");
    }
}
