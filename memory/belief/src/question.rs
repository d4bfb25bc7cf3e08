//! What is asked of a person, as vectors.

use serde::{Deserialize, Serialize};

use super::BeliefError;
use super::datum::{IntervalQuestion, Prepared, RankingQuestion};
use super::interval::{Outcomes, Strength};
use super::observation::{Observation, Outcome};
use super::ranking::Places;
use super::settings::Settings;

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

/// A question, as vectors. Vectors have the length of the feature space; errors are variances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// A comparison of two alternatives, which the caller has put in canonical order. Outcomes: those of [`Preference`]; the
    /// last only where it is offered.
    Comparison {
        /// `phi1 - phi2`.
        difference: Vec<f64>,
        /// Variance of each component of `difference`.
        error: Vec<f64>,
        /// Whether "no preference" can be said; corrections and demonstrations never offer it.
        indifference_offered: bool,
        /// How the answer comes to be known.
        channel: Channel,
        /// Probability, in [0, 1), that the reading is wrong and says nothing.
        misreading: f64,
        /// Repeats of a choice share a key; other channels have none.
        question: Option<QuestionKey>,
    },
    /// Whether one value matters more than another, or than the rest, and by how much. Outcomes: slight, clear, strong, and
    /// their mirrors.
    Importance {
        /// `c (e_i - e_j)`, or `c (e_i - mean of the others)`.
        direction: Vec<f64>,
        /// As in a comparison.
        misreading: f64,
    },
    /// A verdict (three levels: disagree, pass, agree) or a rating. Outcomes: the levels, lowest first.
    Graded {
        /// `phi`, with the constant of its form at 1.
        features: Vec<f64>,
        /// Variance of each component of `features`.
        error: Vec<f64>,
        /// How many levels there are, at least 2.
        levels: usize,
        /// As in a comparison.
        misreading: f64,
        /// As in a comparison; verdicts and ratings of the same alternative need different keys.
        question: Option<QuestionKey>,
    },
    /// The best of several, or an order of some or all of them. Outcomes: all answers in the order of [`Places`],
    /// lexicographic; at most 24 are listed.
    Ranking {
        /// `phi` of each alternative.
        features: Vec<Vec<f64>>,
        /// Variances, one vector for each alternative.
        error: Vec<Vec<f64>>,
        /// Which places are asked for.
        places: Places,
        /// How the answer comes to be known.
        channel: Channel,
    },
    /// Whether a contrast of values is said to be at least so large (docs/belief.md, equation 23). Outcomes: said, or not.
    Statement {
        /// The contrast, its sign as it is said.
        direction: Vec<f64>,
        /// The least that is said.
        strength: Strength,
        /// As in a comparison.
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
    ///
    /// # Panics
    /// If an order is asked for that is not listed.
    pub fn answer(&self, outcome: usize) -> Observation {
        self.clone().answered(match self {
            Self::Ranking { features, places, .. } => {
                Outcome::Order(places.orders(features.len()).swap_remove(outcome))
            }
            _ => Outcome::Number(outcome),
        })
    }

    /// The observation that an outcome makes of this question.
    pub fn answered(self, outcome: impl Into<Outcome>) -> Observation {
        Observation { question: self, outcome: outcome.into() }
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
