//! How hypotheses read alternatives and which records they count: as everyone does, or as a promoted generation
//! (docs/belief.md, section 9).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::datum::{Answer, Datum, Prepared};
use super::history::{History, NOT_COUNTED, NOT_COUNTED_STILL, is_counted};
use super::observation::Outcome;
use super::question::Question;

/// Promoted generations, the oldest first, each trained on top of the one before. Their priors are locations of their names.
///
/// With them, a feature vector has one more entry for each: the judgement of that generation. Its hypotheses read it in
/// place of the judgement that everyone else reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Place of the judgement among the weights, where there is one.
    pub judgement: Option<usize>,
    /// Their numbers.
    pub generations: Vec<u32>,
}

/// How a record stands to a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EvidenceUse {
    /// It is in the generation's prior, so it does not enter the likelihood under it.
    Absorbed,
    /// It is not, but it came no later than the training cutoff: it shapes weights, not the generation's mass.
    Earlier,
    /// It came later than the training cutoff.
    Later,
}

/// Hypotheses of one reading have their records in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Number of weights.
    dimension: usize,
    /// Where the judgement goes, and where in a feature vector it is taken from.
    judgement: Option<(usize, usize)>,
    pub(crate) history: History,
}

impl Reading {
    /// Everyone's, then one for each generation.
    pub(crate) fn all(dimension: usize, lineage: &Lineage) -> Vec<Self> {
        let reading = |judgement| Self { dimension, judgement, history: History::default() };
        let own = (dimension..).zip(&lineage.generations).map(|(from, _)| lineage.judgement.map(|to| (to, from)));
        std::iter::once(None).chain(own).map(reading).collect()
    }

    /// A feature vector as this reading has it, one entry for each weight. One that has no more is of weights as it is.
    pub(crate) fn narrow<'a>(&self, features: &'a [f64]) -> Cow<'a, [f64]> {
        if features.len() <= self.dimension {
            return Cow::Borrowed(features);
        }
        match self.judgement {
            None => Cow::Borrowed(&features[..self.dimension]),
            Some((to, from)) => {
                let mut own = features[..self.dimension].to_vec();
                own[to] = features[from];
                Cow::Owned(own)
            }
        }
    }

    /// A question as this reading has it.
    pub(crate) fn question<'a>(&self, question: &'a Question, width: usize) -> Cow<'a, Question> {
        if width == self.dimension {
            return Cow::Borrowed(question);
        }
        let mut own = question.clone();
        own.vectors_mut().for_each(|v| *v = self.narrow(v).into_owned());
        Cow::Owned(own)
    }

    /// The site of earlier answers to the same question.
    pub(crate) fn repeated(&self, question: &Prepared) -> Option<usize> {
        let Prepared::Interval(q) = question else { return None };
        let key = q.key?;
        self.history.records.iter().position(|record| match record {
            Datum::Interval { key: earlier, .. } => *earlier == Some(key),
            Datum::Ranking { .. } => false,
        })
    }

    /// Adds the record, or the answer to its earlier record, and returns the number of its site.
    pub(crate) fn record(
        &mut self,
        question: Prepared,
        outcome: &Outcome,
        number: usize,
        repeated: Option<usize>,
    ) -> usize {
        let records = &mut self.history.records;
        let site = match question {
            Prepared::Interval(q) => {
                let answer = Answer { outcomes: q.outcomes, outcome: number, misreading: q.misreading };
                match repeated.and_then(|index| Some((index, records.get_mut(index)?))) {
                    Some((index, Datum::Interval { answers, .. })) => {
                        answers.push(answer);
                        index
                    }
                    _ => {
                        let (direction, error, key) = (q.direction, q.error, q.key);
                        records.push(Datum::Interval { direction, error, answers: vec![answer], key });
                        records.len() - 1
                    }
                }
            }
            Prepared::Ranking(q) => {
                let order = outcome.order().unwrap_or_default().to_vec();
                let (n, places) = (q.n, q.places);
                records.push(Datum::Ranking { n, features: q.features, error: q.error, places, order });
                records.len() - 1
            }
        };
        self.history.timeline.push(site as u32);
        site
    }

    /// Notes a record that is not counted; time passes with it, unless it is a statement.
    pub(crate) fn pass_over(&mut self, statement: bool) {
        self.history.timeline.push(if statement { NOT_COUNTED_STILL } else { NOT_COUNTED });
    }

    /// How many records are counted.
    pub(crate) fn counted(&self) -> usize {
        self.history.timeline.iter().filter(|site| is_counted(**site)).count()
    }
}
