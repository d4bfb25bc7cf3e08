//! From evidence to what the belief engine observes: one pure function of the evidence, the descriptions and the layout.

use crate::belief::{self, Channel, Observation, Outcome, Places, Preference, Question};
use crate::evidence::{DescriptionIndex, Evidence, Form};
use crate::ids::{AlternativeId, Hash};
use crate::layout::Layout;
use crate::record::{AlternativeDescribed, FeatureSource, Strength, Verdict};

/// `c`: a value that is spoken of is imagined to stand out by so many reference standard deviations (docs/belief.md, section 3).
const IMPORTANCE_CONTRAST: f64 = 2.0;
/// `kappa` of equation (23): a statement is about so many times the contrast in reference standard deviations, its noise being 1.
const STATED_CONTRAST: f64 = 2.0;

/// Error variance of a judgement that was not read.
const UNREAD_JUDGEMENT_ERROR: f64 = 1.0;

/// Features of an alternative as a layout has them, with the error variance of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// `phi`.
    pub mean: Vec<f64>,
    /// Error variances.
    pub error: Vec<f64>,
}

impl Features {
    /// A description in a layout: absent blocks are zeros, constants are zeros, attributes are standardised.
    pub fn of(description: &AlternativeDescribed, layout: &Layout) -> Self {
        let mut mean = vec![0.0; layout.width()];
        let mut error = mean.clone();
        for (to, from) in mean.iter_mut().zip(&description.schema) {
            *to = from.get();
        }
        for (to, from) in error.iter_mut().zip(&description.schema_error) {
            *to = from.get();
        }
        for (to, from) in mean.iter_mut().skip(layout.values().len()).zip(&description.text_block) {
            *to = from.get();
        }
        if let Some(at) = layout.judgement() {
            let own = (layout.dimension()..).zip(layout.generations().iter().copied());
            for (at, generation) in std::iter::once((at, layout.generation())).chain(own) {
                match description.judgement.get(&generation) {
                    Some(judgement) => mean[at] = judgement.get(),
                    // A key says all that its authors meant; what the model would add is left out, not unknown.
                    None if description.source == FeatureSource::Keyed => {}
                    None => error[at] = UNREAD_JUDGEMENT_ERROR,
                }
            }
        }
        for (to, attribute) in mean.iter_mut().skip(layout.rating_centre() + 1).zip(layout.attributes()) {
            if let Some(value) = description.attributes.get(&attribute.name) {
                *to = (value.get() - attribute.centre.get()) / attribute.scale.get();
            }
        }
        Self { mean, error }
    }

    /// The difference of two, whose errors add.
    pub fn minus(&self, other: &Features) -> Features {
        Features {
            mean: self.mean.iter().zip(&other.mean).map(|(a, b)| a - b).collect(),
            error: self.error.iter().zip(&other.error).map(|(a, b)| a + b).collect(),
        }
    }

    /// With a component set to 1: the constant of a verdict or a rating.
    pub fn with_constant(mut self, at: usize) -> Features {
        self.mean[at] = 1.0;
        self
    }
}

/// What the engine observes in a piece of evidence, alternatives being described as told.
pub fn resolve<'a>(
    evidence: &Evidence,
    description: impl Fn(DescriptionIndex) -> &'a AlternativeDescribed,
    layout: &Layout,
) -> Observation {
    let features = |index: DescriptionIndex| Features::of(description(index), layout);
    let question = evidence.question.map(|key| key.0);
    match &evidence.form {
        Form::Choice { pair, chosen, indifference_offered } => {
            let Features { mean, error } = features(pair[0]).minus(&features(pair[1]));
            let outcome = match chosen {
                Some(0) => Preference::First,
                Some(_) => Preference::Second,
                None => Preference::Neither,
            };
            let asked = Question::Comparison {
                difference: mean,
                error,
                indifference_offered: *indifference_offered,
                channel: Channel::Choice,
                misreading: 0.0,
                question,
            };
            asked.answered(outcome)
        }
        Form::Indirect { pair, demonstrated } => {
            let Features { mean, error } = features(pair[0]).minus(&features(pair[1]));
            let asked = Question::Comparison {
                difference: mean,
                error,
                indifference_offered: false,
                channel: if *demonstrated { Channel::Demonstration } else { Channel::Correction },
                misreading: 0.0,
                question: None,
            };
            asked.answered(Preference::First)
        }
        Form::Order { alternatives, order, best_and_worst, demonstrated } => {
            let (features, error) = alternatives.iter().map(|a| features(*a)).map(|f| (f.mean, f.error)).unzip();
            let asked = Question::Ranking {
                features,
                error,
                places: if *best_and_worst { Places::BestAndWorst } else { Places::First(order.len()) },
                channel: if *demonstrated { Channel::Demonstration } else { Channel::Choice },
            };
            asked.answered(order.iter().map(|place| usize::from(*place)).collect::<Vec<_>>())
        }
        Form::Verdict { alternative, verdict } => {
            let Features { mean, error } = features(*alternative).with_constant(layout.verdict_centre());
            let level: usize = match verdict {
                Verdict::Disagree => 0,
                Verdict::Pass => 1,
                Verdict::Agree => 2,
            };
            Question::Graded { features: mean, error, levels: 3, misreading: 0.0, question }.answered(level)
        }
        Form::Rating { alternative, level, levels } => {
            let Features { mean, error } = features(*alternative).with_constant(layout.rating_centre());
            let (level, levels) = (usize::from(*level) - 1, usize::from(*levels));
            Question::Graded { features: mean, error, levels, misreading: 0.0, question }.answered(level)
        }
        Form::Importance { value, other, favoured, strength, misreading, at_least } => {
            let (value, other, misreading) = (usize::from(*value), other.map(usize::from), *misreading);
            let strength = match strength {
                Strength::Slight => belief::Strength::Slight,
                Strength::Clear => belief::Strength::Clear,
                Strength::Strong => belief::Strength::Strong,
            };
            if *at_least {
                let size = if *favoured { STATED_CONTRAST } else { -STATED_CONTRAST };
                let direction = contrast(layout, value, other).into_iter().map(|x| size * x).collect();
                return Question::Statement { direction, strength, misreading }.answered(Outcome::SAID);
            }
            let direction = importance_direction(layout, value, other);
            Question::Importance { direction, misreading }.answered(Outcome::importance(strength, *favoured))
        }
    }
}

/// A value's weight less another's, or less the mean of all values' weights, in reference standard deviations of a weight:
/// what people are shown, and what they make statements about (docs/belief.md, equation 23).
pub fn contrast(layout: &Layout, value: usize, other: Option<usize>) -> Vec<f64> {
    let unit = layout.weight_sd();
    let mut direction = vec![0.0; layout.width()];
    match other {
        Some(other) => direction[other] = -1.0 / unit,
        None => {
            let values = layout.values().len();
            direction[..values].fill(-1.0 / (values as f64 * unit));
        }
    }
    direction[value] += 1.0 / unit;
    direction
}

/// `c (e_i - e_j)`, or `c (e_i - mean of e_j over the other schema values)`.
pub fn importance_direction(layout: &Layout, value: usize, other: Option<usize>) -> Vec<f64> {
    let mut direction = vec![0.0; layout.width()];
    match other {
        Some(other) => direction[other] = -IMPORTANCE_CONTRAST,
        None => {
            let values = layout.values().len();
            direction[..values].fill(-IMPORTANCE_CONTRAST / (values - 1) as f64);
        }
    }
    direction[value] = IMPORTANCE_CONTRAST;
    direction
}

/// The key under which a verdict on an alternative is the same question as another verdict on it; likewise a rating of so
/// many levels. A choice's key is its [`crate::ids::QuestionId`].
pub fn graded_key(alternative: AlternativeId, levels: Option<u32>) -> Hash {
    let levels = levels.unwrap_or(0).to_le_bytes();
    Hash::of_parts("credence graded question 1", [alternative.hash().0.as_slice(), levels.as_slice()])
}
