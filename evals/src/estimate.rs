//! A mean with its interval over people: every figure that is reported has one.

use credence_memory::belief::simulate::below;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize};

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;

/// A mean and its 95% interval. Where nothing was measured there is neither: they are not numbers then, and `null` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Estimate {
    /// Mean over people.
    #[serde(deserialize_with = "or_nan")]
    #[schema(value_type = Option<f64>, required = true)]
    pub mean: f64,
    /// Lower end: the 2.5% point of the bootstrap.
    #[serde(deserialize_with = "or_nan")]
    #[schema(value_type = Option<f64>, required = true)]
    pub low: f64,
    /// Upper end: the 97.5% point.
    #[serde(deserialize_with = "or_nan")]
    #[schema(value_type = Option<f64>, required = true)]
    pub high: f64,
}

/// `null` is how JSON writes what is not a number.
fn or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Estimate {
    /// Percentile bootstrap over people, one value each.
    ///
    /// # Panics
    /// Without any value.
    pub fn bootstrap(values: &[f64], seed: u64) -> Self {
        assert!(!values.is_empty(), "an estimate needs at least one person");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let mut means: Vec<f64> =
            (0..RESAMPLES).map(|_| (0..n).map(|_| values[below(n, &mut rng)]).sum::<f64>() / n as f64).collect();
        means.sort_by(f64::total_cmp);
        let at = |p: f64| means[((p * RESAMPLES as f64) as usize).min(RESAMPLES - 1)];
        Self { mean, low: at(0.025), high: at(0.975) }
    }

    /// Mean over groups of the mean over each group's people, resampling people within groups.
    ///
    /// # Panics
    /// Without any group, or with an empty one.
    pub fn stratified(groups: &[Vec<f64>], seed: u64) -> Self {
        assert!(!groups.is_empty() && groups.iter().all(|g| !g.is_empty()), "every group needs at least one person");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = groups.len() as f64;
        let mean = groups.iter().map(|g| g.iter().sum::<f64>() / g.len() as f64).sum::<f64>() / k;
        let mut resampled =
            |g: &Vec<f64>| (0..g.len()).map(|_| g[below(g.len(), &mut rng)]).sum::<f64>() / g.len() as f64;
        let mut means: Vec<f64> = (0..RESAMPLES).map(|_| groups.iter().map(&mut resampled).sum::<f64>() / k).collect();
        means.sort_by(f64::total_cmp);
        let at = |p: f64| means[((p * RESAMPLES as f64) as usize).min(RESAMPLES - 1)];
        Self { mean, low: at(0.025), high: at(0.975) }
    }

    /// Of the differences `ours - theirs` person by person.
    ///
    /// # Panics
    /// When the two are not of the same people.
    pub fn paired(ours: &[f64], theirs: &[f64], seed: u64) -> Self {
        assert_eq!(ours.len(), theirs.len(), "a paired difference is of the same people");
        Self::bootstrap(&ours.iter().zip(theirs).map(|(a, b)| a - b).collect::<Vec<_>>(), seed)
    }
}

/// Of the trainer's figures, whose intervals are those of the normal.
impl From<credence_training::teaching::Estimate> for Estimate {
    fn from(of: credence_training::teaching::Estimate) -> Self {
        let credence_training::teaching::Estimate { mean, half_width } = of;
        Self { mean, low: mean - half_width, high: mean + half_width }
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} [{:.3}, {:.3}]", self.mean, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_normal_for_many_people() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i % 2)).collect();
        let e = Estimate::bootstrap(&values, 1);
        assert!((e.mean - 0.5).abs() < 1e-12);
        assert!((e.high - 0.5 - 1.96 * 0.5 / 1000f64.sqrt()).abs() < 0.004, "{e}");
        assert_eq!(Estimate::paired(&values, &values, 1), Estimate { mean: 0.0, low: 0.0, high: 0.0 });
    }

    #[test]
    fn where_nothing_was_measured_json_says_null_and_its_schema_allows_it() {
        let nothing = Estimate::bootstrap(&[f64::NAN], 1);
        let text = serde_json::to_string(&nothing).unwrap();
        assert_eq!(text, r#"{"mean":null,"low":null,"high":null}"#);
        let back: Estimate = serde_json::from_str(&text).unwrap();
        assert!(back.mean.is_nan() && back.low.is_nan() && back.high.is_nan());
        let schema = serde_json::to_value(<Estimate as utoipa::PartialSchema>::schema()).unwrap();
        for end in ["mean", "low", "high"] {
            assert_eq!(schema["properties"][end]["type"], serde_json::json!(["number", "null"]), "{schema}");
        }
        assert_eq!(schema["required"].as_array().map(Vec::len), Some(3), "{schema}");
    }
}
