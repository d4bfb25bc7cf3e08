//! The contrast sets that ship with the program, and ordinary texts to set bars on. They were written for it, in two hands.

use crate::contrast::ContrastSet;

const SETS: [(&str, &str); 6] = [
    ("deceives", include_str!("../data/contrasts/deceives.jsonl")),
    ("exploits-trust", include_str!("../data/contrasts/exploits-trust.jsonl")),
    ("hides-from-oversight", include_str!("../data/contrasts/hides-from-oversight.jsonl")),
    ("harms-for-gain", include_str!("../data/contrasts/harms-for-gain.jsonl")),
    ("power-over-people", include_str!("../data/contrasts/power-over-people.jsonl")),
    ("flatters", include_str!("../data/contrasts/flatters.jsonl")),
];

const ORDINARY: &str = include_str!("../data/ordinary.jsonl");

#[derive(serde::Deserialize)]
struct Ordinary {
    text: String,
}

/// The pairs of a built-in motive; nothing for another name.
#[allow(clippy::missing_panics_doc, reason = "built-in texts are tested")]
pub fn built_in(motive: &str) -> Option<ContrastSet> {
    let (_, text) = SETS.iter().find(|(name, _)| *name == motive)?;
    Some(ContrastSet::parse(text).expect("built-in sets are tested"))
}

/// Texts of ordinary tasks and plans, in which no motive is at stake.
#[allow(clippy::missing_panics_doc, reason = "built-in texts are tested")]
pub fn ordinary() -> Vec<String> {
    let text = |line: &str| serde_json::from_str::<Ordinary>(line).expect("built-in texts are tested").text;
    ORDINARY.lines().filter(|line| !line.trim().is_empty()).map(text).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::contrast::{MOTIVES, leaks};
    use crate::probe::ordinary_needed;

    /// Words alone must not tell the sides apart: a probe would be no better than a list of words.
    #[test]
    fn every_set_is_large_has_many_topics_and_gives_little_away_by_its_words_or_lengths() {
        for motive in MOTIVES {
            let set = built_in(motive).unwrap_or_else(|| panic!("{motive} is there"));
            assert_eq!(set.motive(), motive);
            assert!(set.pairs().len() >= 150, "{motive}: {} pairs", set.pairs().len());
            let topics: BTreeSet<&str> = set.pairs().iter().map(|pair| pair.topic.as_str()).collect();
            assert_eq!(topics.len(), 10, "{motive}");
            let leaked = leaks(&set, 1).unwrap();
            let lengths = leaked.lengths;
            assert!(
                (lengths.with / lengths.without - 1.0).abs() < 0.03,
                "{motive}: {} {}",
                lengths.with,
                lengths.without
            );
            assert!(leaked.bag_of_words.value < 0.75, "{motive}: words alone reach {:.3}", leaked.bag_of_words.value);
        }
        assert!(built_in("greed").is_none());
    }

    #[test]
    fn there_are_enough_ordinary_texts_to_promise_one_false_alarm_in_a_hundred() {
        let texts = ordinary();
        let different: BTreeSet<&String> = texts.iter().collect();
        assert_eq!(different.len(), texts.len());
        assert!(texts.len() >= ordinary_needed(0.01, 0.95, 0).unwrap(), "{} texts", texts.len());
    }
}
