//! What a key point of each value is worth to most people: what an overall judgement is learned from.
//!
//! Across some sixty nations, benevolence stands first, then self-direction and universalism, then security and conformity, then
//! achievement, hedonism, stimulation and tradition, and power last (Schwartz and Bardi 2001, J. Cross-Cult. Psychol. 32:268,
//! table 1). The schema's values are placed in that order by their descriptions; where a wrong is done to somebody, what is owed to
//! others weighs more than what one likes. The numbers are rough on purpose: nothing finer is published for these eighteen.

/// By value, what a key point is worth to most people, in units of a typical value.
const WEIGHTS: [(&str, f64); 18] = [
    ("care", 2.0),
    ("safety", 1.6),
    ("fairness", 1.3),
    ("responsibility", 1.3),
    ("honesty", 1.2),
    ("lawfulness", 1.0),
    ("loyalty", 0.8),
    ("privacy", 0.8),
    ("nature", 0.8),
    ("mercy", 0.7),
    ("autonomy", 0.7),
    ("humility", 0.5),
    ("achievement", 0.3),
    ("curiosity", 0.2),
    ("thrift", 0.2),
    ("authority", 0.2),
    ("tradition", 0.1),
    ("enjoyment", 0.1),
];

/// What a key point of this value is worth to most people; zero for a value nobody has published anything about.
pub(super) fn worth(value: &str) -> f64 {
    WEIGHTS.iter().find(|(id, _)| *id == value).map_or(0.0, |(_, weight)| *weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ValueSchema;

    #[test]
    fn every_value_of_the_schema_has_a_weight() {
        let schema = ValueSchema::embedded();
        assert_eq!(schema.values.len(), WEIGHTS.len());
        assert!(schema.values.iter().all(|value| worth(&value.id) > 0.0));
        assert_eq!(worth("velocity"), 0.0);
    }
}
