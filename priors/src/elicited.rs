//! The elicited prior: what the model itself seems to value, as a Gaussian over weights.
//!
//! Let `f` be the schema features of an alternative, `t` its text features and `r` its judgement residual, so that the
//! model's overall judgement is `J = a + b.f + s r` (`s`: the residual's spread). Utility is `u = w . (f, t, r)`.
//!
//! A person who judges as the model does has `u = c J`, that is `w = c (b, 0, s)`. `b` comes from a Bayesian regression of
//! `J` on `f` over a bank, within situations: `b ~ N(b^, S)`. The prior is `w ~ N(m, V)` with
//!
//! ```text
//! m = c (b^, 0, s/2)
//! V = c^2 diag(S + K, 0, s^2/4) + share * V0
//! ```
//!
//! - `K` is the jackknife covariance of `b^` over templates: `(T-1)/T sum_t (b_t - mean b)(b_t - mean b)'`, where `b_t` is
//!   fitted without template `t`. Where templates disagree, the model's values are less certain.
//! - the residual's weight is half of what full trust would give it, give or take as much: a small model's judgement beyond
//!   its own features is in part noise, and the trust it earns is to be learned.
//! - `V0` is the *reference covariance*: zero mean, diagonal, one variance for each block, the blocks sharing the
//!   predictive variance as [`BLOCK_SHARES`] say. `share` ([`PERSON_SHARE`]) of it stands for how people differ: a
//!   person is not the model. With `share` of the predictive variance left to people, it is also the floor that keeps
//!   a confidently wrong model from costing more than a bounded number of nats.
//! - `c` follows from the norm: the root mean square of a utility difference between two alternatives of one situation
//!   of the bank is 1, in units of the person's noise, under `N(0, V0)` and under `N(m, V)` alike. So "signal scale 1"
//!   means the same for both.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::features::{FittedBank, dot, situations};
use crate::linear::{centre_within, mean_sd, regress};

/// Shares of predictive variance under the reference covariance: schema features, text features, judgement residual.
pub const BLOCK_SHARES: [f64; 3] = [0.7, 0.15, 0.15];
/// Share of the elicited prior's predictive variance that is left to how people differ from the model.
pub const PERSON_SHARE: f64 = 0.5;
/// Pairs of alternatives that the norm is taken over, at most; evenly spread.
const PAIRS_MAX: usize = 4000;

/// What one weight is a weight of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "block", content = "name")]
pub enum Weight {
    /// A schema feature, by the id of its value.
    Value(String),
    /// A text feature, by number from 0.
    Text(usize),
    /// The judgement residual.
    Judgement,
}

/// A Gaussian over the weights of [`crate::features::DescribedAlternative::vector`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ElicitedPrior {
    /// What each weight belongs to; its length is the dimension D.
    pub weights: Vec<Weight>,
    /// Mean m, D numbers.
    pub mean: Vec<f64>,
    /// Covariance V, D x D, row by row; symmetric and positive definite.
    pub covariance: Vec<f64>,
    /// Diagonal of the reference covariance V0, D numbers: the prior without the model is N(0, diag V0).
    pub reference_variance: Vec<f64>,
    /// Share of the model's judgement, within situations, that its own schema features explain.
    pub r2: f64,
    /// Standard deviation of what they do not explain, in units of a neutral alternative's judgement.
    pub noise_sd: f64,
    /// How sure the model is of each value.
    pub spreads: Vec<ValueSpread>,
    /// How many alternatives it was read from.
    pub bank: usize,
}

/// What the model seems to think of one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ValueSpread {
    /// Id of the value.
    pub value: String,
    /// Mean of its weight.
    pub mean: f64,
    /// Standard deviation of its weight, all told.
    pub sd: f64,
    /// The part of it that comes from the regression.
    pub sd_regression: f64,
    /// The part of it that comes from disagreement between templates.
    pub sd_templates: f64,
    /// Standard deviation of its feature between alternatives of one situation.
    pub feature_sd: f64,
    /// Share of the feature's variance that is measurement error.
    pub error_share: f64,
}

impl ElicitedPrior {
    /// Derives the prior from a bank that was read and fitted.
    pub fn from_bank(bank: &FittedBank) -> Self {
        let values = bank.space.values.len();
        let texts = bank.space.text_features_len();
        let dimension = values + texts + 1;
        let groups = situations(&bank.alternatives);
        let lost = groups.iter().max().map_or(0, |largest| largest + 1);

        let judgements: Vec<Vec<f64>> = bank.described.iter().map(|described| vec![described.judgement_raw]).collect();
        let y = centre_within(&judgements, &groups);
        let y = DVector::from_iterator(y.len(), y.iter().map(|row| row[0]));
        let fit_on = |rows: &[Vec<f64>]| {
            let x = centre_within(rows, &groups);
            regress(&DMatrix::from_fn(x.len(), values, |row, column| x[row][column]), &y, lost)
        };
        let schema: Vec<Vec<f64>> = bank.described.iter().map(|described| described.schema.clone()).collect();
        let fit = fit_on(&schema);
        let jackknife = template_jackknife(bank, values, |rows| fit_on(rows).mean);

        let differences = differences(bank, &groups);
        let reference_variance = reference_variance(&differences, values, texts);

        let residual_sd = bank.space.judgement_residual_sd();
        let mut mean = DVector::zeros(dimension);
        mean.rows_mut(0, values).copy_from(&fit.mean);
        mean[dimension - 1] = residual_sd / 2.0;
        let mut covariance = DMatrix::zeros(dimension, dimension);
        covariance.view_mut((0, 0), (values, values)).copy_from(&(&fit.covariance + &jackknife));
        covariance[(dimension - 1, dimension - 1)] = residual_sd * residual_sd / 4.0;

        // The part that comes from the model is scaled to the share that people leave to it.
        let second_moment = &covariance + &mean * mean.transpose();
        let model_variance = mean_of(&differences, |d| d.dot(&(&second_moment * d)));
        let c = if model_variance > 0.0 { ((1.0 - PERSON_SHARE) / model_variance).sqrt() } else { 0.0 };
        let mean = mean * c;
        let mut covariance = covariance * (c * c);
        for (index, variance) in reference_variance.iter().enumerate() {
            covariance[(index, index)] += PERSON_SHARE * variance;
        }
        let weights = (bank.space.values.iter().cloned().map(Weight::Value))
            .chain((0..texts).map(Weight::Text))
            .chain([Weight::Judgement])
            .collect();
        let centred = centre_within(&schema, &groups);
        let spreads = (0..values)
            .map(|value| {
                let (_, feature_sd) = mean_sd(centred.iter().map(|row| row[value]));
                let (error, _) = mean_sd(bank.described.iter().map(|described| described.schema_error[value]));
                ValueSpread {
                    value: bank.space.values[value].clone(),
                    mean: mean[value],
                    sd: covariance[(value, value)].sqrt(),
                    sd_regression: c * fit.covariance[(value, value)].max(0.0).sqrt(),
                    sd_templates: c * jackknife[(value, value)].max(0.0).sqrt(),
                    feature_sd,
                    error_share: (error / (feature_sd * feature_sd).max(1e-12)).min(1.0),
                }
            })
            .collect();
        Self {
            weights,
            mean: mean.iter().copied().collect(),
            // Symmetric to the last bit, whatever the products above rounded to.
            covariance: (0..dimension * dimension)
                .map(|at| (at / dimension, at % dimension))
                .map(|(row, column)| f64::midpoint(covariance[(row, column)], covariance[(column, row)]))
                .collect(),
            reference_variance,
            r2: fit.r2,
            noise_sd: fit.noise_sd,
            spreads,
            bank: bank.alternatives.len(),
        }
    }

    /// Dimension D of the weights.
    pub fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// Expected utility of a feature vector of D numbers, in units of the person's noise.
    pub fn expected_utility(&self, features: &[f64]) -> f64 {
        dot(&self.mean, features)
    }

    /// Variance of the utility of a feature vector of D numbers (or of a difference of two).
    pub fn utility_variance(&self, features: &[f64]) -> f64 {
        self.covariance.chunks(self.dimension()).zip(features).map(|(row, feature)| feature * dot(row, features)).sum()
    }
}

/// Second moment of a utility difference that is in a prior's mean, and that which is in its covariance, over pairs of
/// alternatives of one situation of the bank. `variance` gives the prior's variance of a utility difference.
pub(crate) fn second_moments(mean: &[f64], variance: impl Fn(&[f64]) -> f64, bank: &FittedBank) -> [f64; 2] {
    let differences = differences(bank, &situations(&bank.alternatives));
    [mean_of(&differences, |d| dot(d.as_slice(), mean).powi(2)), mean_of(&differences, |d| variance(d.as_slice()))]
}

/// Jackknife covariance of a fit over templates.
fn template_jackknife(bank: &FittedBank, values: usize, fit: impl Fn(&[Vec<f64>]) -> DVector<f64>) -> DMatrix<f64> {
    let templates = bank.space.templates_len();
    if templates < 2 {
        return DMatrix::zeros(values, values);
    }
    let by_template: Vec<Vec<Vec<f64>>> =
        bank.readings.iter().map(|reading| bank.space.features_by_template(reading)).collect();
    let fits: Vec<DVector<f64>> = (0..templates)
        .map(|left_out| {
            let rows: Vec<Vec<f64>> = by_template
                .iter()
                .map(|rows| {
                    let kept = || rows.iter().enumerate().filter(|(template, _)| *template != left_out);
                    (0..values)
                        .map(|value| kept().map(|(_, row)| row[value]).sum::<f64>() / (templates - 1) as f64)
                        .collect()
                })
                .collect();
            fit(&rows)
        })
        .collect();
    let mean = fits.iter().sum::<DVector<f64>>() / templates as f64;
    let scatter = fits.iter().map(|fit| (fit - &mean) * (fit - &mean).transpose()).sum::<DMatrix<f64>>();
    scatter * ((templates - 1) as f64 / templates as f64)
}

/// Feature differences between alternatives of one situation; of any two if no situation has two.
fn differences(bank: &FittedBank, groups: &[usize]) -> Vec<DVector<f64>> {
    let vectors: Vec<DVector<f64>> =
        bank.described.iter().map(|described| DVector::from_vec(described.vector())).collect();
    let pairs = |same: bool| {
        let mut pairs = Vec::new();
        for b in 0..vectors.len() {
            for a in 0..b {
                if !same || groups[a] == groups[b] {
                    pairs.push((a, b));
                }
            }
        }
        pairs
    };
    let within = pairs(true);
    let pairs = if within.is_empty() { pairs(false) } else { within };
    let stride = pairs.len().div_ceil(PAIRS_MAX).max(1);
    pairs.into_iter().step_by(stride).map(|(a, b)| &vectors[a] - &vectors[b]).collect()
}

/// Diagonal of V0: block variances such that each block has its share of a mean squared utility difference of 1.
fn reference_variance(differences: &[DVector<f64>], values: usize, texts: usize) -> Vec<f64> {
    let blocks = [(0, values), (values, texts), (values + texts, 1)];
    // A block that is empty, or does not vary, leaves its share to the others.
    let squares = blocks.map(|(start, length)| mean_of(differences, |d| d.rows(start, length).norm_squared()));
    let total: f64 = BLOCK_SHARES.iter().zip(squares).filter(|(_, square)| *square > 0.0).map(|(share, _)| share).sum();
    let mut variance = Vec::with_capacity(values + texts + 1);
    for (((_, length), square), share) in blocks.into_iter().zip(squares).zip(BLOCK_SHARES) {
        let block_variance = if square > 0.0 { share / total / square } else { 1.0 };
        variance.extend(std::iter::repeat_n(block_variance, length));
    }
    variance
}

fn mean_of(differences: &[DVector<f64>], of: impl Fn(&DVector<f64>) -> f64) -> f64 {
    differences.iter().map(of).sum::<f64>() / differences.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureError;
    use crate::reading_cache::MemoryReadingCache;
    use crate::readout::Alternative;
    use crate::schema::ValueSchema;
    use crate::scripted::Scripted;

    /// Sixty alternatives in twenty situations; the model finds those that "lie" dishonest and wrong.
    fn bank() -> Result<FittedBank, FeatureError> {
        let schema = ValueSchema::embedded();
        let acts = ["lie about it", "say so plainly", "wait and see", "lie to everyone", "ask a friend", "walk away"];
        let bank: Vec<Alternative> = (0..60)
            .map(|i| {
                Alternative::new(Some(&format!("Situation number {}.", i / 3)), acts[(i * 7 + i / 3) % acts.len()])
            })
            .collect();
        let mut model = Scripted::hashed(5);
        for word in ["dishonest", "deceptive", "fake", "wrong", "bad"] {
            model = model.with_tilt("lie", word, 2.0);
        }
        let mut cache = MemoryReadingCache::default();
        FittedBank::read_and_fit(&mut model, &schema, &bank, &mut cache, &mut |_, _| {})
    }

    #[test]
    fn a_planted_value_is_found() -> Result<(), FeatureError> {
        let bank = bank()?;
        let prior = ElicitedPrior::from_bank(&bank);
        let honesty = &prior.spreads[0];
        assert_eq!(honesty.value, "honesty");
        let largest = prior.spreads.iter().skip(1).map(|spread| spread.mean.abs()).fold(0.0, f64::max);
        assert!(honesty.mean > largest, "{} against {largest}", honesty.mean);
        assert!(prior.r2 > 0.5, "{}", prior.r2);
        Ok(())
    }

    #[test]
    fn both_priors_have_the_same_predictive_scale_and_are_positive_definite() -> Result<(), FeatureError> {
        let bank = bank()?;
        let prior = ElicitedPrior::from_bank(&bank);
        let differences = differences(&bank, &situations(&bank.alternatives));
        let elicited = mean_of(&differences, |d| {
            prior.expected_utility(d.as_slice()).powi(2) + prior.utility_variance(d.as_slice())
        });
        let reference =
            mean_of(&differences, |d| d.iter().zip(&prior.reference_variance).map(|(d, v)| d * d * v).sum());
        assert!((elicited - 1.0).abs() < 1e-9, "{elicited}");
        assert!((reference - 1.0).abs() < 1e-9, "{reference}");
        let dimension = prior.dimension();
        let covariance = DMatrix::from_row_slice(dimension, dimension, &prior.covariance);
        assert!(nalgebra::Cholesky::new(covariance).is_some());
        assert!(prior.mean.iter().chain(&prior.covariance).all(|number| number.is_finite()));
        Ok(())
    }

    #[test]
    fn a_space_describes_again_what_it_was_fitted_on_after_a_round_trip() -> Result<(), Box<dyn std::error::Error>> {
        let bank = bank()?;
        let text = serde_json::to_string(&bank.space)?;
        let space: crate::features::FeatureSpace = serde_json::from_str(&text)?;
        assert_eq!(space, bank.space);
        assert_eq!(space.apply(&bank.readings[7])?, bank.described[7]);
        Ok(())
    }

    #[test]
    fn features_of_another_model_are_refused() -> Result<(), FeatureError> {
        let bank = bank()?;
        let asked = [Alternative::new(None, "go")];
        let mut cache = MemoryReadingCache::default();
        let error = bank.space.describe(&mut Scripted::hashed(6), &ValueSchema::embedded(), &asked, &mut cache).err();
        assert!(matches!(error, Some(FeatureError::Mismatch { what: "model", .. })), "{error:?}");
        Ok(())
    }

    #[test]
    fn residuals_are_standardised_and_unrelated_to_features() -> Result<(), FeatureError> {
        let bank = bank()?;
        let groups = situations(&bank.alternatives);
        let rows: Vec<Vec<f64>> = bank.described.iter().map(|described| vec![described.judgement]).collect();
        let centred = centre_within(&rows, &groups);
        let square: f64 = centred.iter().map(|row| row[0] * row[0]).sum();
        // Forty degrees of freedom are left of sixty after centring twenty situations.
        assert!((square / 40.0 - 1.0).abs() < 1e-9, "{square}");
        Ok(())
    }
}
