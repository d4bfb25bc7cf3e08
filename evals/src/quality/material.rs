//! What a score of quality is measured with: pairs made worse, and passages that two readers keyed.

use std::collections::{BTreeMap, BTreeSet};

use credence_agent::bank::{Bank, BankAlternative};
use credence_agent::pack::WorsePair;
use credence_memory::ids::AlternativeId;

use super::QualityError;

/// The tag that says who wrote a question's texts begins so.
const AUTHOR: &str = "author:";
/// A key is at most this far from 0.
const KEY_MAX: f64 = 2.0;

/// What is measured with.
#[derive(Debug, Clone)]
pub struct Material<'a> {
    pub(super) bank: &'a Bank,
    pub(super) values: &'a [&'a str],
    pub(super) pairs: &'a [WorsePair],
    pub(super) keyed: Vec<KeyedPassage>,
}

/// A passage that two readers keyed.
#[derive(Debug, Clone)]
pub(super) struct KeyedPassage {
    text: String,
    pub(super) alternative: AlternativeId,
    pub(super) author: String,
    pub(super) genre: String,
    /// What the first reader found it worth: the mean of their keys over all qualities.
    pub(super) first: f64,
    /// And the second.
    pub(super) second: f64,
}

impl<'a> Material<'a> {
    /// From pairs made worse, a keyed bank, and the same questions as a second reader keyed them; the bank has the mean of both.
    ///
    /// # Errors
    /// A question that the bank does not have, or one whose author is not said.
    pub fn new(
        bank: &'a Bank,
        second: &Bank,
        values: &'a [&'a str],
        pairs: &'a [WorsePair],
    ) -> Result<Self, QualityError> {
        let of_bank: BTreeMap<&str, _> = bank.questions.iter().map(|q| (q.id.as_str(), q)).collect();
        let (mut keyed, mut seen) = (Vec::new(), BTreeSet::new());
        for question in &second.questions {
            let wrong = |problem| QualityError::Second { question: question.id.clone(), problem };
            let mean = of_bank.get(question.id.as_str()).ok_or_else(|| wrong("is not in the bank"))?;
            let author = question.tags.iter().find_map(|tag| tag.strip_prefix(AUTHOR));
            let author = author.ok_or_else(|| wrong("has no tag author:NAME"))?;
            let genre = question.tags.iter().find(|tag| !tag.starts_with(AUTHOR)).cloned().unwrap_or_default();
            if mean.alternatives.len() != question.alternatives.len() {
                return Err(wrong("has other texts than in the bank"));
            }
            for (mean, own) in mean.alternatives.iter().zip(&question.alternatives) {
                if mean.text != own.text {
                    return Err(wrong("has other texts than in the bank"));
                }
                if !seen.insert(own.text.clone()) {
                    continue;
                }
                let first = |value: &&str| (2.0 * key(mean, value) - key(own, value)).clamp(-KEY_MAX, KEY_MAX);
                let worth = |of: &dyn Fn(&&str) -> f64| values.iter().map(of).sum::<f64>() / values.len().max(1) as f64;
                keyed.push(KeyedPassage {
                    text: own.text.clone(),
                    alternative: AlternativeId::of(&question.situation, &own.text),
                    author: author.to_owned(),
                    genre: genre.clone(),
                    first: worth(&first),
                    second: worth(&|value| key(own, value)),
                });
            }
        }
        Ok(Self { bank, values, pairs, keyed })
    }

    /// The texts that are to be read, in the order in which [`run`](super::run) takes what was read of them.
    pub fn texts(&self) -> Vec<String> {
        let pairs = self.pairs.iter().flat_map(|p| [p.better.clone(), p.worse.clone()]);
        pairs.chain(self.keyed.iter().map(|k| k.text.clone())).collect()
    }

    /// Author, genre and defect of a pair.
    pub(super) fn labels(&self, pair: usize) -> [&str; 3] {
        let WorsePair { author, genre, defect, .. } = &self.pairs[pair];
        [author, genre, defect]
    }

    /// The place of a keyed passage among the texts.
    pub(super) fn place(&self, keyed: usize) -> usize {
        2 * self.pairs.len() + keyed
    }
}

fn key(alternative: &BankAlternative, value: &str) -> f64 {
    alternative.keys.as_ref().and_then(|keys| keys.get(value)).copied().unwrap_or(0.0)
}
