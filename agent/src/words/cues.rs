//! The words by which people speak of values.

use std::collections::BTreeMap;

use credence_priors::schema::ValueSchema;
use serde::Deserialize;

use crate::importance::NamedValue;

/// The words for the default schema's values.
const WORDS: &str = include_str!("../../../priors/data/value_words.toml");

/// Cues of every value of a schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Cues {
    values: Vec<(String, String)>,
    cues: Vec<Cue>,
}

#[derive(Debug, Clone, PartialEq)]
struct Cue {
    words: Vec<String>,
    value: usize,
    favours: bool,
}

/// A cue found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Place of its first token.
    pub at: usize,
    /// How many tokens it has.
    pub length: usize,
    /// Place of its value in the schema.
    pub value: usize,
    /// Whether it speaks for the value or for its opposite.
    pub favours: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    r#for: Vec<String>,
    against: Vec<String>,
}

impl Cues {
    /// The cues of a schema: names and pole words, and for values of the default schema a list of words.
    #[allow(clippy::missing_panics_doc, reason = "the list of words is tested")]
    pub fn of(schema: &ValueSchema) -> Self {
        let lists: BTreeMap<String, Words> = toml::from_str(WORDS).expect("the list of words is tested");
        let values = schema.values.iter().map(|v| (v.id.clone(), v.name.to_lowercase())).collect();
        let mut cues: Vec<Cue> = Vec::new();
        let mut add = |text: &str, value: usize, favours: bool| {
            let words: Vec<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
            if !words.is_empty() && !cues.iter().any(|c| c.words == words && c.value == value) {
                cues.push(Cue { words, value, favours });
            }
        };
        for (place, value) in schema.values.iter().enumerate() {
            add(&value.id.replace(['-', '_'], " "), place, true);
            add(&value.name, place, true);
            match lists.get(&value.id) {
                Some(list) => {
                    list.r#for.iter().for_each(|w| add(w, place, true));
                    list.against.iter().for_each(|w| add(w, place, false));
                }
                None => {
                    value.poles.iter().for_each(|[with, against]| {
                        add(with, place, true);
                        add(against, place, false);
                    });
                }
            }
        }
        Self { values, cues }
    }

    /// A value's id.
    pub fn id(&self, place: usize) -> &str {
        &self.values[place].0
    }

    /// A value's name, in small letters.
    pub fn name(&self, place: usize) -> &str {
        &self.values[place].1
    }

    /// The values with their names.
    pub fn named(&self) -> Vec<NamedValue> {
        self.values.iter().map(|(id, name)| NamedValue { id: id.clone(), name: name.clone() }).collect()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Place of the value with this id.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.values.iter().position(|(known, _)| known == id)
    }

    /// Cues among words in small letters, in their order; of two that overlap the longer one, of two of the same words both.
    pub fn find(&self, words: &[&str]) -> Vec<Found> {
        let mut all: Vec<Found> = (0..words.len())
            .flat_map(|at| {
                self.cues.iter().filter(move |cue| cue.stands_at(words, at)).map(move |cue| Found {
                    at,
                    length: cue.words.len(),
                    value: cue.value,
                    favours: cue.favours,
                })
            })
            .collect();
        all.sort_by_key(|f| (std::cmp::Reverse(f.length), f.at, f.value));
        let mut kept: Vec<Found> = Vec::new();
        for found in all {
            let free = |k: &Found| {
                (k.at, k.length) == (found.at, found.length)
                    || k.at + k.length <= found.at
                    || found.at + found.length <= k.at
            };
            if kept.iter().all(free) && !kept.iter().any(|k| k.at == found.at && k.value == found.value) {
                kept.push(found);
            }
        }
        kept.sort_by_key(|f| (f.at, f.value));
        kept
    }
}

impl Cue {
    fn stands_at(&self, words: &[&str], at: usize) -> bool {
        words.len() - at >= self.words.len() && self.words.iter().zip(&words[at..]).all(|(cue, word)| fits(cue, word))
    }
}

fn fits(cue: &str, word: &str) -> bool {
    match cue.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => word == cue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_default_schema_has_words_and_no_other() {
        let schema = ValueSchema::embedded();
        let lists: BTreeMap<String, Words> = toml::from_str(WORDS).expect("the list of words");
        let listed: Vec<&str> = lists.keys().map(String::as_str).collect();
        let mut values: Vec<&str> = schema.values.iter().map(|v| v.id.as_str()).collect();
        values.sort_unstable();
        assert_eq!(listed, values);
    }

    #[test]
    fn the_longer_phrase_wins() {
        let cues = Cues::of(&ValueSchema::embedded());
        let found = cues.find(&["i", "keep", "a", "promise", "to", "be", "honest"]);
        let names: Vec<(&str, usize)> = found.iter().map(|f| (cues.id(f.value), f.length)).collect();
        assert_eq!(names, [("responsibility", 3), ("honesty", 1)]);
    }
}
