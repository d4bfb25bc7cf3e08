//! The control that sees the text alone: a bag of words, fitted and chosen in the same folds.

pub(crate) use credence_words::Bags;
use credence_words::Vocabulary;

use super::nested::Field;
use super::solve::{Design, Fit, Sparse, logistic_regression};

/// Penalties, strongest first. Rows have length 1, so they are far below those of standardised states.
const PENALTIES: [f64; 4] = [0.1, 0.01, 1e-3, 1e-4];

/// Whether any word is in enough texts to be fitted on.
pub(crate) fn have_a_word_in_common(bags: &Bags) -> bool {
    let all: Vec<usize> = (0..bags.texts()).collect();
    !bags.vocabulary(Bags::WORDS, &all).is_empty()
}

/// Rows of length 1.
fn design(bags: &Bags, kind: usize, vocabulary: &Vocabulary<'_>, of: &[usize]) -> Sparse {
    let row = |i: &usize| {
        let mut row = bags.row(kind, vocabulary, *i);
        let length = row.iter().map(|(_, x)| x * x).sum::<f64>().sqrt().max(1e-12);
        row.iter_mut().for_each(|(_, x)| *x /= length);
        row
    };
    Sparse { entries: of.iter().map(row).collect(), columns: vocabulary.len() }
}

impl Field for Bags {
    fn groups(&self) -> usize {
        Bags::KINDS
    }

    fn ways(&self, _group: usize) -> usize {
        PENALTIES.len()
    }

    fn scores(&self, group: usize, labels: &[bool], train: &[usize], test: &[usize]) -> Vec<Vec<f64>> {
        let vocabulary = self.vocabulary(group, train);
        let (design, held_out) = (design(self, group, &vocabulary, train), design(self, group, &vocabulary, test));
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
