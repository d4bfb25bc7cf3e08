//! What is published of people's values in general, as a Gaussian over the weights of a schema's values (priors/data/published.toml).

use std::collections::BTreeMap;

use serde::Deserialize;

const TABLE: &str = include_str!("../data/published.toml");

/// The published order and structure of values.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedValues {
    circle_share: f64,
    level: f64,
    value: BTreeMap<String, Placed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Placed {
    /// Degrees.
    angle: f64,
    /// Standard deviations of a weight.
    mean: f64,
    /// What a key point is worth to most people.
    worth: f64,
}

impl PublishedValues {
    /// The table that ships with the program.
    #[allow(clippy::missing_panics_doc, reason = "a test reads the table")]
    pub fn embedded() -> Self {
        toml::from_str(TABLE).expect("the table is tested")
    }

    /// What a key point of this value is worth to most people where one act is the better one, in units of a typical value; zero for a
    /// value that the table does not place.
    pub fn worth(&self, value: &str) -> f64 {
        self.value.get(value).map_or(0.0, |placed| placed.worth)
    }

    /// Mean, in standard deviations of a weight, and correlations (row by row) of these values; a value that the table does not
    /// place has a mean of 0 and is correlated with none.
    pub fn of(&self, values: &[&str]) -> (Vec<f64>, Vec<f64>) {
        let placed: Vec<Option<Placed>> = values.iter().map(|id| self.value.get(*id).copied()).collect();
        let mean = placed.iter().map(|p| p.map_or(0.0, |p| self.level + p.mean)).collect();
        let correlation = |i: usize, j: usize| match (placed[i], placed[j]) {
            _ if i == j => 1.0,
            (Some(a), Some(b)) => self.circle_share * libm::cos((a.angle - b.angle).to_radians()),
            _ => 0.0,
        };
        let n = values.len();
        (mean, (0..n * n).map(|k| correlation(k / n, k % n)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ValueSchema;

    #[test]
    fn every_value_of_the_schema_is_placed_and_the_correlations_are_positive_definite() {
        let schema = ValueSchema::embedded();
        let ids: Vec<&str> = schema.values.iter().map(|v| v.id.as_str()).collect();
        let table = PublishedValues::embedded();
        assert!(ids.iter().all(|id| table.value.contains_key(*id)));
        assert_eq!(table.value.len(), ids.len());
        assert!(ids.iter().all(|id| table.worth(id) > 0.0));
        assert_eq!(table.worth("velocity"), 0.0);
        let (mean, correlation) = table.of(&ids);
        let n = ids.len();
        assert!(nalgebra::DMatrix::from_row_slice(n, n, &correlation).cholesky().is_some());
        let at = |id: &str| ids.iter().position(|v| *v == id).expect("a value");
        assert!(mean[at("care")] > mean[at("tradition")]);
        assert!(correlation[at("tradition") * n + at("authority")] > 0.3);
        assert!(correlation[at("tradition") * n + at("curiosity")] < -0.2);
    }
}
