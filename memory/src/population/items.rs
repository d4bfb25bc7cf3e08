//! Statements judged by many people: latent factors and intercepts, as draws from their posterior (docs/people.md, section 3).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::PopulationError;

/// The most factors.
pub const FACTORS_MAX: usize = 8;

/// The largest magnitude of an item's feature: standardised ones are of the order of 1.
const ITEM_FEATURE_MAX: f64 = 1e6;

/// One answer with two outcomes: agree or disagree, the first alternative or the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Place of the person.
    pub person: u32,
    /// Place of the item.
    pub item: u32,
    /// Agree, or the first.
    pub agrees: bool,
}

/// Everyone's answers to a set of items, each person to each item at most once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    pub(super) people: usize,
    pub(super) features: Vec<Vec<f64>>,
    /// By person, then as given.
    pub(super) answers: Vec<Answer>,
}

impl Answers {
    /// Gathers answers. `features` has one row for each item: what a model reads in it, standardised; rows may be empty, and
    /// are all of one length.
    ///
    /// # Errors
    /// A person or item that there is not, a second answer of a person to an item, rows of different lengths, or numbers that
    /// are not finite.
    pub fn new(people: usize, features: Vec<Vec<f64>>, mut answers: Vec<Answer>) -> Result<Self, PopulationError> {
        let width = features.first().map_or(0, Vec::len);
        if let Some(row) = features.iter().find(|row| row.len() != width) {
            return Err(PopulationError::Features { expected: width, found: row.len() });
        }
        if !features.iter().flatten().all(|x| x.abs() <= ITEM_FEATURE_MAX) {
            return Err(PopulationError::Number { what: "an item's feature" });
        }
        let items = features.len();
        if let Some(a) = answers.iter().find(|a| a.person as usize >= people || a.item as usize >= items) {
            return Err(PopulationError::Answer { person: a.person, item: a.item });
        }
        let mut given = HashSet::with_capacity(answers.len());
        if let Some(a) = answers.iter().find(|a| !given.insert((a.person, a.item))) {
            return Err(PopulationError::Twice { person: a.person, item: a.item });
        }
        answers.sort_by_key(|a| a.person);
        Ok(Self { people, features, answers })
    }

    /// Number of people.
    pub fn people(&self) -> usize {
        self.people
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.features.len()
    }

    /// Everyone's answers, by person.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }
}

/// What is believed of items before anyone has answered, on the probit scale. The constants were looked at on two conversations
/// that no target uses (docs/people.md, section 9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ItemPrior {
    /// Mean and standard deviation of the centre of all intercepts.
    pub centre: [f64; 2],
    /// Mean and standard deviation of the intercept's slope on each feature; the last stands for all that follow. By default
    /// the first is an overall judgement, with which agreement goes, and the others have no direction beforehand.
    pub slopes: Vec<[f64; 2]>,
    /// Standard deviation of a factor's slope on a feature.
    pub factor_slope: f64,
    /// Typical standard deviation of intercepts beyond their features.
    pub intercept_spread: f64,
    /// Typical standard deviation of a factor's loadings.
    pub factor_spread: f64,
    /// Typical standard deviation of people's own inclination to agree.
    pub person_spread: f64,
    /// How many items or people each typical spread counts for.
    pub confidence: f64,
}

impl Default for ItemPrior {
    fn default() -> Self {
        Self {
            centre: [0.35, 0.3],
            slopes: vec![[0.1, 0.1], [0.0, 0.05]],
            factor_slope: 0.15,
            intercept_spread: 0.8,
            factor_spread: 0.4,
            person_spread: 0.35,
            confidence: 3.0,
        }
    }
}

/// How items are learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ItemOptions {
    /// Latent factors, 0 to [`FACTORS_MAX`].
    pub factors: usize,
    /// Sweeps before the first draw is kept.
    pub warm_up: usize,
    /// Draws kept.
    pub draws: usize,
    /// Sweeps between two draws that are kept.
    pub thinning: usize,
    /// Lapse rates a person may have.
    pub lapse_rates: Vec<f64>,
    /// What is believed before.
    pub prior: ItemPrior,
    /// Seed of the sampler.
    pub seed: u64,
}

impl Default for ItemOptions {
    fn default() -> Self {
        Self {
            factors: 4,
            warm_up: 150,
            draws: 64,
            thinning: 4,
            lapse_rates: vec![0.005, 0.05, 0.2],
            prior: ItemPrior::default(),
            seed: 1,
        }
    }
}

impl ItemOptions {
    pub(super) fn check(&self) -> Result<(), PopulationError> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let p = &self.prior;
        let spreads = [p.centre[1], p.factor_slope, p.intercept_spread, p.factor_spread, p.person_spread, p.confidence];
        let what = if self.factors > FACTORS_MAX {
            "at most 8 factors"
        } else if self.draws == 0 || self.thinning == 0 {
            "at least one draw and one sweep for each"
        } else if self.lapse_rates.is_empty() || !self.lapse_rates.iter().all(|e| (0.0..1.0).contains(e)) {
            "at least one lapse rate, each in [0, 1)"
        } else if !(p.centre[0].is_finite() && p.slopes.iter().all(|s| s[0].is_finite())) {
            "centres that are numbers"
        } else if !spreads.into_iter().chain(p.slopes.iter().map(|s| s[1])).all(positive) || p.slopes.is_empty() {
            "positive spreads and at least one slope"
        } else {
            return Ok(());
        };
        Err(PopulationError::Options { what })
    }
}

/// One draw from the posterior of all items and of the population that answers them.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemDraw {
    /// `b_j`.
    pub intercepts: Vec<f64>,
    /// `a_j` by rows.
    pub loadings: Vec<f64>,
    /// Mean of `(b_j, a_j)` by rows, given everything else of the draw: equation (10).
    pub(super) expected: Vec<f64>,
    /// Variance that what is unknown of the item then gives the latent of somebody new.
    pub(super) unknown: Vec<f64>,
    /// Where somebody who goes on answering is expected: the mean of `(c, theta)` over answers rather than people.
    pub person_mean: Vec<f64>,
    /// Variance of a person's inclination to agree.
    pub person_variance: f64,
    /// The lapse rate of somebody of this population.
    pub lapse_rate: f64,
    /// `(c_p, theta_p)` by rows of those who answered.
    pub people: Vec<f64>,
    /// The lapse rate of each of them.
    pub lapse_rates: Vec<f64>,
}

/// What everyone's answers say of the items: draws, which are all that a person who is not among them receives.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemPosterior {
    pub(super) factors: usize,
    pub(super) items: usize,
    pub(super) draws: Vec<ItemDraw>,
}

impl ItemPosterior {
    /// Number of latent factors.
    pub fn factors(&self) -> usize {
        self.factors
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The draws.
    pub fn draws(&self) -> &[ItemDraw] {
        &self.draws
    }

    /// Feeds every number to a hash, so that two posteriors can be told apart.
    pub fn digest(&self) -> crate::ids::Hash {
        let mut hasher = blake3::Hasher::new();
        for draw in &self.draws {
            let numbers = draw
                .intercepts
                .iter()
                .chain(&draw.loadings)
                .chain(&draw.expected)
                .chain(&draw.unknown)
                .chain(&draw.people)
                .chain(&draw.person_mean)
                .chain(&draw.lapse_rates);
            for x in numbers.chain([&draw.person_variance, &draw.lapse_rate]) {
                hasher.update(&x.to_bits().to_le_bytes());
            }
        }
        crate::ids::Hash(*hasher.finalize().as_bytes())
    }
}

impl ItemDraw {
    /// `(1, a_j)` in expectation, what a person's `(c, theta)` is multiplied with, into `x`.
    pub(super) fn regressor(&self, item: usize, factors: usize, x: &mut [f64; FACTORS_MAX + 1]) {
        x[..=factors].copy_from_slice(&self.expected[item * (factors + 1)..(item + 1) * (factors + 1)]);
        x[0] = 1.0;
    }

    /// Expected intercept of an item, and the variance of a latent given the person: the answer's noise and what is unknown of the item.
    pub(super) fn intercept(&self, item: usize, factors: usize) -> (f64, f64) {
        (self.expected[item * (factors + 1)], 1.0 + self.unknown[item])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features beyond what can be calculated with are an error, and no panic.
    #[test]
    fn features_that_are_too_large_are_refused() {
        for size in [1e200, 1e300] {
            let features = (0..20).map(|j| vec![size * f64::from(j % 3), -size, 1.0]).collect();
            let given = (0..20).map(|item| Answer { person: item % 4, item, agrees: item % 2 == 0 }).collect();
            let refused = Answers::new(4, features, given);
            assert!(matches!(refused, Err(PopulationError::Number { .. })), "{refused:?}");
        }
    }
}
