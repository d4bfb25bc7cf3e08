//! The control that sees the text alone: a bag of words, fitted and chosen in the same folds.

use std::collections::{BTreeMap, BTreeSet};

use super::nested::Field;
use super::solve::{Design, Fit, Sparse, logistic_regression};

/// Penalties, strongest first. Rows have length 1, so they are far below those of standardised states.
const PENALTIES: [f64; 4] = [0.1, 0.01, 1e-3, 1e-4];
/// A term must be in so many texts of those that are fitted on.
const TEXTS_MIN: usize = 2;

/// Words of a text in lower case, in order: letters, digits, and apostrophes between them.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let runs = lower.split(|c: char| !c.is_alphanumeric() && c != '\'');
    runs.map(|run| run.trim_matches('\'')).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Texts as sets of words, and as sets of words and pairs of neighbours.
pub(crate) struct Bags {
    bags: [Vec<BTreeSet<String>>; 2],
}

impl Bags {
    pub(crate) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
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

    /// Whether any word is in enough texts to be fitted on.
    pub(crate) fn have_a_word_in_common(&self) -> bool {
        let all: Vec<usize> = (0..self.bags[0].len()).collect();
        !self.vocabulary(0, &all).is_empty()
    }

    /// Terms of enough texts: column, and weight by rarity.
    fn vocabulary(&self, group: usize, train: &[usize]) -> BTreeMap<&str, (usize, f64)> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for term in train.iter().flat_map(|i| &self.bags[group][*i]) {
            *counts.entry(term).or_default() += 1;
        }
        let kept = counts.into_iter().filter(|(_, count)| *count >= TEXTS_MIN);
        let rarity = |count: usize| 1.0 + libm::log((1.0 + train.len() as f64) / (1.0 + count as f64));
        kept.enumerate().map(|(column, (term, count))| (term, (column, rarity(count)))).collect()
    }

    fn design(&self, group: usize, vocabulary: &BTreeMap<&str, (usize, f64)>, of: &[usize]) -> Sparse {
        let row = |i: &usize| {
            let known = self.bags[group][*i].iter().filter_map(|term| vocabulary.get(term.as_str()).copied());
            let mut row: Vec<(usize, f64)> = known.collect();
            let length = row.iter().map(|(_, x)| x * x).sum::<f64>().sqrt().max(1e-12);
            row.iter_mut().for_each(|(_, x)| *x /= length);
            row
        };
        Sparse { entries: of.iter().map(row).collect(), columns: vocabulary.len() }
    }
}

impl Field for Bags {
    fn groups(&self) -> usize {
        self.bags.len()
    }

    fn ways(&self, _group: usize) -> usize {
        PENALTIES.len()
    }

    fn scores(&self, group: usize, labels: &[bool], train: &[usize], test: &[usize]) -> Vec<Vec<f64>> {
        let vocabulary = self.vocabulary(group, train);
        let (design, held_out) = (self.design(group, &vocabulary, train), self.design(group, &vocabulary, test));
        let labels: Vec<bool> = train.iter().map(|i| labels[*i]).collect();
        let mut start = Fit::zero(vocabulary.len());
        let mut out = Vec::with_capacity(PENALTIES.len());
        for penalty in PENALTIES {
            start = logistic_regression(&design, &labels, penalty, start);
            let mut scores = held_out.times(&start.weights);
            scores.iter_mut().for_each(|score| *score += start.intercept);
            out.push(scores);
        }
        out
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
    fn a_word_that_tells_is_found() {
        let texts: Vec<String> = (0..40)
            .map(|i| format!("a text about thing{} {}", i % 7, if i % 2 == 0 { "secretly" } else { "openly" }))
            .collect();
        let bags = Bags::new(texts.iter().map(String::as_str));
        let labels: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
        let (train, test): (Vec<usize>, Vec<usize>) = (0..40).partition(|i| *i < 30);
        for scores in bags.scores(1, &labels, &train, &test) {
            assert!(scores.iter().zip(&test).all(|(score, i)| (*score > 0.0) == labels[*i]), "{scores:?}");
        }
    }
}
