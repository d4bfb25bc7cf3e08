//! What people are asked: kinds of evidence, and where measurement error stays with an alternative, the alternatives.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::super::question::{Channel, Question};
use super::super::ranking::Places;
use super::{below, normal, normals};

/// What kind of evidence a calibration run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Choices of two.
    Choice,
    /// Choices of two with "no preference".
    ChoiceOrNeither,
    /// Agree, pass, disagree.
    Verdict,
    /// Ratings on five levels.
    Rating,
    /// Corrections.
    Correction,
    /// Importance statements.
    Importance,
    /// Choices, each asked twice.
    Repeat,
    /// Choices with measurement error, fresh for each question.
    Error,
    /// Choices among 20 alternatives, the measurement error of each the same in every question it stands in.
    SharedError,
    /// The best of three.
    BestOfThree,
    /// The best of four.
    BestOfFour,
    /// Full rankings of three.
    RankingOfThree,
    /// Full rankings of four.
    RankingOfFour,
    /// The best and the second best of four.
    TwoOfFour,
    /// Full rankings of five: 120 orders, too many to list.
    RankingOfFive,
    /// "Not these, rather that", among three.
    CorrectionOfThree,
    /// Choices misread with probability .2.
    Misread,
    /// Everything above that can be asked on its own, in turn.
    Mixed,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of evidence that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kinds of evidence are {}", Evidence::ALL.map(Evidence::name).join(", "))]
pub struct NoSuchEvidence;

impl std::str::FromStr for Evidence {
    type Err = NoSuchEvidence;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|e| e.name() == text).ok_or(NoSuchEvidence)
    }
}

impl Evidence {
    /// All kinds.
    pub const ALL: [Self; 18] = [
        Self::Choice,
        Self::ChoiceOrNeither,
        Self::Verdict,
        Self::Rating,
        Self::Correction,
        Self::Importance,
        Self::Repeat,
        Self::Error,
        Self::SharedError,
        Self::BestOfThree,
        Self::BestOfFour,
        Self::RankingOfThree,
        Self::RankingOfFour,
        Self::TwoOfFour,
        Self::RankingOfFive,
        Self::CorrectionOfThree,
        Self::Misread,
        Self::Mixed,
    ];

    /// Its word in tables and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Choice => "choice",
            Self::ChoiceOrNeither => "choice-or-neither",
            Self::Verdict => "verdict",
            Self::Rating => "rating",
            Self::Correction => "correction",
            Self::Importance => "importance",
            Self::Repeat => "repeat",
            Self::Error => "error",
            Self::SharedError => "shared-error",
            Self::BestOfThree => "best-of-three",
            Self::BestOfFour => "best-of-four",
            Self::RankingOfThree => "ranking-of-three",
            Self::RankingOfFour => "ranking-of-four",
            Self::TwoOfFour => "two-of-four",
            Self::RankingOfFive => "ranking-of-five",
            Self::CorrectionOfThree => "correction-of-three",
            Self::Misread => "misread",
            Self::Mixed => "mixed",
        }
    }

    /// Whether thresholds of approval are what it is about, the constant feature included.
    pub fn approves(self) -> bool {
        matches!(self, Self::Verdict | Self::Rating | Self::Mixed)
    }

    /// A random question of this kind over `d` features, the last of which is a constant of approval. A question that shares
    /// its error with others is one of two new alternatives here; [`Interview`] has the alternatives of many.
    pub fn question(self, d: usize, number: usize, rng: &mut impl Rng) -> Question {
        let vector = |rng: &mut ChaCha| {
            let mut a = normals(d, rng);
            a[d - 1] = 0.0;
            a
        };
        let mut own = ChaCha::seed_from_u64(rng.next_u64());
        let rng = &mut own;
        let several = |n: usize, places: Places, channel: Channel, rng: &mut ChaCha| Question::Ranking {
            features: (0..n).map(|_| vector(rng).iter().map(|x| x * 0.5f64.sqrt()).collect()).collect(),
            error: vec![vec![0.0; d]; n],
            places,
            channel,
        };
        let graded = |levels: usize, rng: &mut ChaCha| {
            let mut features = vector(rng);
            features[d - 1] = 1.0;
            Question::Graded { features, error: vec![0.0; d], levels, misreading: 0.0, question: None }
        };
        match self {
            Self::Choice => Question::choice(vector(rng), false),
            Self::ChoiceOrNeither => Question::choice(vector(rng), true),
            Self::Verdict => graded(3, rng),
            Self::Rating => graded(5, rng),
            Self::Correction | Self::Misread => Question::Comparison {
                difference: vector(rng),
                error: vec![0.0; d],
                indifference_offered: false,
                channel: if self == Self::Misread { Channel::Choice } else { Channel::Correction },
                misreading: if self == Self::Misread { 0.2 } else { 0.0 },
                question: None,
            },
            Self::Importance => {
                let (i, j) = (below(d - 1, rng), below(d - 1, rng));
                let mut direction = vec![0.0; d];
                direction[i] += 2.0;
                direction[j] -= 2.0;
                Question::Importance { direction, misreading: 0.0 }
            }
            Self::Repeat => {
                // Even numbers ask something new, odd ones ask it again: the question is a function of number / 2.
                let mut key = [0; 32];
                key[..8].copy_from_slice(&(number as u64 / 2).to_le_bytes());
                Question::Comparison {
                    difference: vector(&mut ChaCha::seed_from_u64(number as u64 / 2)),
                    error: vec![0.0; d],
                    indifference_offered: false,
                    channel: Channel::Choice,
                    misreading: 0.0,
                    question: Some(key),
                }
            }
            Self::Error | Self::SharedError => Question::Comparison {
                difference: vector(rng),
                error: (0..d).map(|i| if i + 1 < d { 0.5 } else { 0.0 }).collect(),
                indifference_offered: number % 2 == 1,
                channel: Channel::Choice,
                misreading: 0.0,
                question: None,
            },
            Self::BestOfThree => several(3, Places::First(1), Channel::Choice, rng),
            Self::BestOfFour => several(4, Places::First(1), Channel::Choice, rng),
            Self::RankingOfThree => several(3, Places::First(3), Channel::Choice, rng),
            Self::RankingOfFour => several(4, Places::First(4), Channel::Choice, rng),
            Self::TwoOfFour => several(4, Places::First(2), Channel::Choice, rng),
            Self::RankingOfFive => several(5, Places::First(5), Channel::Choice, rng),
            Self::CorrectionOfThree => several(3, Places::First(1), Channel::Correction, rng),
            Self::Mixed => Self::ALL[number % (Self::ALL.len() - 1)].question(d, number, rng),
        }
    }
}

type ChaCha = ChaCha8Rng;

/// A question as it was read and as the person meant it: they differ where an alternative's measurement error stays with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What belief is told.
    pub seen: Question,
    /// What the person answers.
    pub meant: Question,
}

/// How many alternatives share their errors among the questions of one interview.
const ALTERNATIVES: usize = 20;
/// Variance of the measurement error of each feature of each alternative.
const ERROR: f64 = 0.25;

/// The questions of one person.
#[derive(Clone, Debug)]
pub struct Interview {
    evidence: Evidence,
    dimension: usize,
    /// Features of alternatives as read and as they are.
    alternatives: Vec<(Vec<f64>, Vec<f64>)>,
}

impl Interview {
    /// Questions of one kind over `d` features, the last of which is a constant of approval.
    pub fn new(evidence: Evidence, d: usize, rng: &mut impl Rng) -> Self {
        let count = if evidence == Evidence::SharedError { ALTERNATIVES } else { 0 };
        let alternatives = (0..count)
            .map(|_| {
                // Pairs differ by features of variance 1, as in the other kinds.
                let mut seen: Vec<f64> = normals(d, rng).iter().map(|x| x * 0.5f64.sqrt()).collect();
                seen[d - 1] = 0.0;
                let mut meant: Vec<f64> = seen.iter().map(|x| x + ERROR.sqrt() * normal(rng)).collect();
                meant[d - 1] = 0.0;
                (seen, meant)
            })
            .collect();
        Self { evidence, dimension: d, alternatives }
    }

    /// Question `number`, counted from 0.
    pub fn ask(&self, number: usize, rng: &mut impl Rng) -> Asked {
        let n = self.alternatives.len();
        if n == 0 {
            let seen = self.evidence.question(self.dimension, number, rng);
            return Asked { meant: seen.clone(), seen };
        }
        let i = below(n, rng);
        let j = (i + 1 + below(n - 1, rng)) % n;
        let (one, other) = (&self.alternatives[i], &self.alternatives[j]);
        let less = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        let meant = Question::choice(less(&one.1, &other.1), false);
        let mut error = vec![2.0 * ERROR; self.dimension];
        error[self.dimension - 1] = 0.0;
        let seen = Question::Comparison {
            difference: less(&one.0, &other.0),
            error,
            indifference_offered: false,
            channel: Channel::Choice,
            misreading: 0.0,
            question: None,
        };
        Asked { seen, meant }
    }
}
