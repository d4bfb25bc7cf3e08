//! Texts as bags of words: the control that sees the text alone, beside whatever reads a model's states.
//!
//! A term is a word, or a word and its right neighbour. Its weight is its rarity among the texts that are learned from, so that words
//! which are everywhere count for little. Nothing here is learned.
//!
//! ```
//! use credence_words::Bags;
//!
//! let texts = ["a very dark night", "a dark night", "a very long day"];
//! let bags = Bags::new(texts.into_iter());
//! let known = bags.vocabulary(Bags::WORDS, &[0, 1, 2]);
//! assert_eq!(known.len(), 4); // "a", "dark", "night", "very": "long" and "day" are in one text only
//! assert_eq!(bags.row(Bags::WORDS, &known, 2).len(), 2);
//! ```

use std::collections::{BTreeMap, BTreeSet};

/// A term must be in so many texts of those that are learned from.
const TEXTS_MIN: usize = 2;

/// Words of a text in lower case, in order: letters, digits, and apostrophes between them.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let runs = lower.split(|c: char| !c.is_alphanumeric() && c != '\'');
    runs.map(|run| run.trim_matches('\'')).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Terms of texts that are learned from: the column of each, and its weight.
pub type Vocabulary<'a> = BTreeMap<&'a str, (usize, f64)>;

/// Texts as sets of words, and as sets of words and pairs of neighbours.
#[derive(Debug, Clone)]
pub struct Bags {
    bags: [Vec<BTreeSet<String>>; Self::KINDS],
}

impl Bags {
    /// Words alone.
    pub const WORDS: usize = 0;
    /// Words, and pairs of neighbours.
    pub const WORDS_AND_PAIRS: usize = 1;
    /// Kinds of bags.
    pub const KINDS: usize = 2;

    /// The bags of texts.
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let (mut single, mut both) = (Vec::new(), Vec::new());
        for text in texts {
            let words = words(text);
            let mut bag: BTreeSet<String> = words.iter().cloned().collect();
            single.push(bag.clone());
            bag.extend(words.windows(2).map(|pair| pair.join(" ")));
            both.push(bag);
        }
        Self { bags: [single, both] }
    }

    /// How many texts there are.
    pub fn texts(&self) -> usize {
        self.bags[Self::WORDS].len()
    }

    /// Terms that are in two or more of the texts `train`, weighed by their rarity among these, `1 + ln((1 + n) / (1 + n_term))`.
    ///
    /// # Panics
    /// If there is no such kind or text.
    pub fn vocabulary(&self, kind: usize, train: &[usize]) -> Vocabulary<'_> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for term in train.iter().flat_map(|i| &self.bags[kind][*i]) {
            *counts.entry(term).or_default() += 1;
        }
        let kept = counts.into_iter().filter(|(_, count)| *count >= TEXTS_MIN);
        let rarity = |count: usize| 1.0 + libm::log((1.0 + train.len() as f64) / (1.0 + count as f64));
        kept.enumerate().map(|(column, (term, count))| (term, (column, rarity(count)))).collect()
    }

    /// The known terms of a text: column and weight, in the order of columns. Its length is not 1.
    ///
    /// # Panics
    /// If there is no such kind or text.
    pub fn row(&self, kind: usize, vocabulary: &Vocabulary<'_>, text: usize) -> Vec<(usize, f64)> {
        self.bags[kind][text].iter().filter_map(|term| vocabulary.get(term.as_str()).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_and_keep_their_apostrophes() {
        assert_eq!(
            words("Don\u{2019}t tell 'em, OK?  -- 2 \u{c4}pfel"),
            ["don't", "tell", "em", "ok", "2", "\u{e4}pfel"]
        );
        assert!(words(" ... ").is_empty());
    }

    #[test]
    fn a_term_weighs_by_its_rarity_in_the_texts_that_are_learned_from() {
        let bags = Bags::new(["the red hen", "the red fox", "the hen", "the red hen, the fox"].into_iter());
        assert_eq!(bags.texts(), 4);
        let known = bags.vocabulary(Bags::WORDS_AND_PAIRS, &[0, 1, 2]);
        assert_eq!(
            known.keys().copied().collect::<Vec<_>>(),
            ["hen", "red", "the", "the red"],
            "fox is in one of them"
        );
        let rarity = |n: f64| 1.0 + (4.0_f64 / (1.0 + n)).ln();
        for (term, n) in [("the", 3.0), ("hen", 2.0), ("the red", 2.0)] {
            assert!((known[term].1 - rarity(n)).abs() < 1e-12, "{term}");
        }
        // A text that was not learned from, and a word that it has twice.
        let columns: Vec<usize> =
            bags.row(Bags::WORDS_AND_PAIRS, &known, 3).iter().map(|(column, _)| *column).collect();
        assert_eq!(columns, [0, 1, 2, 3]);
        assert!(bags.vocabulary(Bags::WORDS, &[0]).is_empty());
    }
}
