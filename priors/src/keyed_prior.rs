//! What a model itself seems to value, in key points: its overall judgement of keyed acts, regressed on what their authors keyed.
//!
//! For the two acts of a keyed question let `j` be the difference of the model's overall judgement and `k` that of their keys. Then
//! `j / sd(j) = k . b + noise`, by Bayesian regression with both scales chosen by marginal likelihood. No reading of values enters: a model that
//! misreads an act still judges it. Judgements are in units of their own spread, so that models can be compared.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::acts::KeyedPair;
use crate::features::{FeatureError, FittedBank};
use crate::linear::regress;
use crate::model::LanguageModel;
use crate::reading_cache::ReadingCache;
use crate::readout::Alternative;
use crate::schema::ValueSchema;

/// Half width of a 90% interval, in standard deviations.
const NINETY: f64 = 1.645;
/// Two models differ beyond doubt in a value from here on, in standard deviations: a two-sided error of .05 over eighteen values together.
const BEYOND_DOUBT: f64 = 2.99;

/// What a key point of one value is worth to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyedWeight {
    /// The value.
    pub value: String,
    /// Standard deviations of the model's judgement for a key point.
    pub mean: f64,
    /// How unsure that is.
    pub sd: f64,
}

impl KeyedWeight {
    /// The 90% interval.
    pub fn interval(&self) -> (f64, f64) {
        (self.mean - NINETY * self.sd, self.mean + NINETY * self.sd)
    }
}

/// What a model seems to value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyedPrior {
    /// The model's name.
    pub model: String,
    /// Pairs of acts that it judged.
    pub pairs: usize,
    /// Share of the variance of its judgements that the keys explain.
    pub r2: f64,
    /// By value, in the schema's order.
    pub weights: Vec<KeyedWeight>,
}

impl KeyedPrior {
    /// Has the model judge both acts of every pair (from the cache where it did before), and regresses that on their keys.
    ///
    /// # Errors
    /// If there are too few acts, or one cannot be read.
    pub fn read(
        model: &mut dyn LanguageModel,
        schema: &ValueSchema,
        pairs: &[KeyedPair],
        cache: &mut dyn ReadingCache,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, FeatureError> {
        let alternatives: Vec<Alternative> = pairs.iter().flat_map(KeyedPair::alternatives).collect();
        let fit = FittedBank::read_and_fit(model, schema, &alternatives, cache, on_progress)?;
        let judgement = |alternative: &Alternative| {
            let at = fit.alternatives.iter().position(|known| known == alternative);
            at.map_or(0.0, |at| fit.described[at].judgement_raw)
        };
        let judged: Vec<f64> = pairs
            .iter()
            .map(|pair| {
                let [first, second] = pair.alternatives();
                judgement(&first) - judgement(&second)
            })
            .collect();
        Ok(Self::of(model.describe().name, schema, pairs, &judged))
    }

    /// From the difference of the model's judgements of the two acts of each pair.
    fn of(model: String, schema: &ValueSchema, pairs: &[KeyedPair], judged: &[f64]) -> Self {
        let values: Vec<String> = schema.values.iter().map(|v| v.id.clone()).collect();
        let keys: Vec<f64> = pairs.iter().flat_map(|pair| pair.difference(&values)).collect();
        let x = DMatrix::from_row_slice(pairs.len(), values.len(), &keys);
        // Which act comes first means nothing, so the mean is zero by right.
        let sd = (judged.iter().map(|j| j * j).sum::<f64>() / judged.len().max(1) as f64).sqrt().max(1e-9);
        let y = DVector::from_iterator(judged.len(), judged.iter().map(|j| j / sd));
        let fit = regress(&x, &y, 0);
        let weight = |(i, value): (usize, String)| KeyedWeight {
            value,
            mean: fit.mean[i],
            sd: fit.covariance[(i, i)].max(0.0).sqrt(),
        };
        Self { model, pairs: pairs.len(), r2: fit.r2, weights: values.into_iter().enumerate().map(weight).collect() }
    }

    /// The values that another model weighs differently: this one's weight less the other's, and whether that is beyond doubt; the
    /// largest difference in standard deviations first.
    pub fn beside(&self, other: &Self) -> Vec<(String, f64, f64, bool)> {
        let differ = self.weights.iter().filter_map(|a| {
            let b = other.weights.iter().find(|b| b.value == a.value)?;
            let (difference, sd) = (a.mean - b.mean, (a.sd * a.sd + b.sd * b.sd).sqrt());
            Some((a.value.clone(), difference, sd, difference.abs() > BEYOND_DOUBT * sd))
        });
        let mut rows: Vec<_> = differ.collect();
        let size = |(_, difference, sd, _): &(String, f64, f64, bool)| difference.abs() / sd.max(1e-12);
        rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts::keyed_bank;

    #[test]
    fn planted_weights_are_found_and_two_models_told_apart() {
        let schema = ValueSchema::embedded();
        let pairs = keyed_bank();
        let values: Vec<String> = schema.values.iter().map(|v| v.id.clone()).collect();
        let judged = |care: f64, thrift: f64| -> Vec<f64> {
            let (care_at, thrift_at) = (schema.value_index("care"), schema.value_index("thrift"));
            let noise = |i: usize| libm::sin(1.7 * i as f64 * i as f64);
            let of = |(i, pair): (usize, &KeyedPair)| {
                let key = pair.difference(&values);
                let at = |place: Option<usize>| place.map_or(0.0, |place| key[place]);
                care * at(care_at) + thrift * at(thrift_at) + noise(i)
            };
            pairs.iter().enumerate().map(of).collect()
        };
        let of = |care, thrift| KeyedPrior::of("m".into(), &schema, &pairs, &judged(care, thrift));
        let (a, b) = (of(2.0, 0.0), of(0.0, 2.0));
        let weight = |prior: &KeyedPrior, value: &str| {
            prior.weights.iter().find(|w| w.value == value).map(|w| (w.mean, w.interval())).expect("a value")
        };
        assert!(weight(&a, "care").1.0 > 0.0 && weight(&b, "thrift").1.0 > 0.0);
        assert!(weight(&a, "thrift").1.0 < 0.05 && a.r2 > 0.3, "{a:?}");
        let rows = a.beside(&b);
        let beyond: Vec<&str> = rows.iter().filter(|r| r.3).map(|r| r.0.as_str()).collect();
        assert!(beyond.contains(&"care") && beyond.contains(&"thrift") && beyond.len() <= 4, "{beyond:?}");
        assert!(a.beside(&a).iter().all(|r| !r.3));
    }
}
