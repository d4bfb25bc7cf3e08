//! What things are called for people: values by the names of the schema, other features by what they stand for.

use credence_memory::layout::Feature;

use crate::pack::Pack;

/// What the principal components of an alternative's text stand for.
pub const WORDING: &str = "the wording";
/// What the model's overall judgement stands for.
pub const JUDGEMENT: &str = "what nearly everybody would do";
/// What a reason is called in records that is the person's own answer about the alternatives at hand.
pub const ANSWERED: &str = "answer";

/// A value's name: that of the home's pack ([`Pack::adopt`]), of a built-in one, or its id made readable.
///
/// A log keeps ids only, so the values of a schema that came without a pack are called by their ids.
pub fn value(id: &str) -> String {
    let named = |pack: &'static Pack| pack.schema.values.iter().find(|value| value.id == id);
    match Pack::adopted().into_iter().chain(Pack::all_built_in()).find_map(named) {
        Some(value) => value.name.clone(),
        None => {
            let words = id.replace(['-', '_'], " ");
            let mut letters = words.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        }
    }
}

/// A feature's name; `value` names values.
pub fn feature(feature: &Feature, value: impl Fn(&str) -> String) -> String {
    match feature {
        Feature::Value(id) => value(id.as_str()),
        Feature::Text(_) => WORDING.into(),
        Feature::Judgement => JUDGEMENT.into(),
        Feature::VerdictCentre => "how readily you agree".into(),
        Feature::RatingCentre => "how high you rate in general".into(),
        Feature::Attribute(name) => name.replace(['-', '_'], " "),
    }
}

/// The name of a feature that a record has by its id: `honesty`, `text:1`, `judgement`.
pub fn of_id(id: &str) -> String {
    match id {
        "judgement" => JUDGEMENT.into(),
        ANSWERED => "your own answer to this very question".into(),
        "constant:verdict" => feature(&Feature::VerdictCentre, value),
        "constant:rating" => feature(&Feature::RatingCentre, value),
        _ if id.starts_with("text:") => WORDING.into(),
        _ => id.strip_prefix("attribute:").map_or_else(|| value(id), |name| name.replace(['-', '_'], " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_feature_is_called_by_its_id() {
        assert_eq!(value("authority"), "Respect for authority");
        assert_eq!(value("self-direction"), "Self direction");
        assert_eq!(feature(&Feature::Text(2), value), "the wording");
        assert_eq!(feature(&Feature::Attribute("price_eur".into()), value), "price eur");
        for any in [Feature::Text(1), Feature::Judgement, Feature::VerdictCentre, Feature::RatingCentre] {
            assert_eq!(of_id(&any.to_string()), feature(&any, value));
        }
    }
}
