//! Nested cross-validation over topics.
//!
//! Outer folds hold out whole topics. What to fit (site, kind, penalty) is chosen on the topics that are left, by holding
//! out some of those in turn, and so is the line from scores to probabilities. No held-out example has a part in
//! anything that scores it.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::auroc::{Layout, area};
use super::calibration::Platt;
use super::error::FitError;

/// Something that can be fitted in several ways. Ways come in groups that share work.
pub(crate) trait Field: Sync {
    /// How many groups there are.
    fn groups(&self) -> usize;
    /// How many ways a group has.
    fn ways(&self, group: usize) -> usize;
    /// For each way of the group, fitted on `train`: the scores of `test`.
    fn scores(&self, group: usize, labels: &[bool], train: &[usize], test: &[usize]) -> Vec<Vec<f64>>;
}

/// One way among all: its group, and its place there.
pub(crate) type Way = (usize, usize);

/// Examples to fit on and examples to score.
pub(crate) struct Split {
    pub(crate) train: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// What is known about the examples beside their states.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) labels: &'a [bool],
    pub(crate) topics: &'a [usize],
    pub(crate) names: &'a [String],
    pub(crate) outer: usize,
    pub(crate) inner: usize,
    pub(crate) seed: u64,
}

/// What came of it, for each example or outer fold.
pub(crate) struct Nested {
    pub(crate) scores: Vec<f64>,
    pub(crate) probabilities: Vec<f64>,
    pub(crate) folds: Vec<usize>,
    pub(crate) chosen: Vec<Way>,
}

/// Whole topics in `folds` folds of about equal numbers of examples; fewer folds where there are fewer topics.
///
/// Which topics go together depends on the topics and the seed, and on no label.
pub(crate) fn splits(setting: Setting, among: &[usize], folds: usize) -> Result<Vec<Split>, FitError> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    among.iter().for_each(|i| *counts.entry(setting.topics[*i]).or_default() += 1);
    let mut topics: Vec<(usize, usize)> = counts.into_iter().collect();
    topics.shuffle(&mut ChaCha8Rng::seed_from_u64(setting.seed));
    topics.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let folds = folds.min(topics.len());
    let mut sizes = vec![0; folds];
    let mut fold_of = BTreeMap::new();
    for (topic, count) in topics {
        let fold = (0..folds).min_by_key(|fold| sizes[*fold]).unwrap_or_default();
        sizes[fold] += count;
        fold_of.insert(topic, fold);
    }
    let split = |fold: usize| {
        let (test, train) = among.iter().partition(|i| fold_of[&setting.topics[**i]] == fold);
        Split { train, test }
    };
    let splits: Vec<Split> = (0..folds).map(split).collect();
    for split in &splits {
        let mut labels = split.train.iter().map(|i| setting.labels[*i]);
        let first = labels.next();
        if labels.all(|label| Some(label) == first) {
            let mut out: Vec<&str> = split.test.iter().map(|i| setting.names[setting.topics[*i]].as_str()).collect();
            out.sort_unstable();
            out.dedup();
            let topics = out.iter().map(|topic| format!("{topic:?}")).collect::<Vec<_>>().join(", ");
            return Err(FitError::Fold { topics, label: first.unwrap_or_default() });
        }
    }
    Ok(splits)
}

/// The way whose held-out scores order the labels best, with these scores.
///
/// Of equals the first wins, so ways should come with the simplest first.
pub(crate) struct Choice {
    pub(crate) way: Way,
    pub(crate) scores: Vec<f64>,
    /// The examples, in the order of the scores.
    pub(crate) examples: Vec<usize>,
}

pub(crate) fn choose(field: &impl Field, setting: Setting, splits: &[Split]) -> Choice {
    let tasks: Vec<(usize, usize)> =
        (0..splits.len()).flat_map(|split| (0..field.groups()).map(move |group| (split, group))).collect();
    // The results come back in the order of the tasks, whoever did them.
    let done: Vec<Vec<Vec<f64>>> = tasks
        .par_iter()
        .map(|(split, group)| field.scores(*group, setting.labels, &splits[*split].train, &splits[*split].test))
        .collect();
    let examples: Vec<usize> = splits.iter().flat_map(|split| split.test.iter().copied()).collect();
    let folds: Vec<usize> = splits.iter().enumerate().flat_map(|(fold, split)| vec![fold; split.test.len()]).collect();
    let labels: Vec<bool> = examples.iter().map(|i| setting.labels[*i]).collect();
    let topics: Vec<usize> = examples.iter().map(|i| setting.topics[*i]).collect();
    let layout = Layout { labels: &labels, folds: &folds, topics: &topics };
    let mut best: Option<(f64, Way, Vec<f64>)> = None;
    for group in 0..field.groups() {
        let of_group: Vec<&Vec<Vec<f64>>> = done.iter().skip(group).step_by(field.groups()).collect();
        for way in 0..field.ways(group) {
            let scores: Vec<f64> = of_group.iter().flat_map(|ways| ways[way].iter().copied()).collect();
            // Where no fold has both labels, all ways are alike.
            let area = area(&scores, layout).unwrap_or(0.5);
            if best.as_ref().is_none_or(|(most, ..)| area > *most) {
                best = Some((area, (group, way), scores));
            }
        }
    }
    let (_, way, scores) = best.expect("there is at least one way");
    Choice { way, scores, examples }
}

/// The line from the scores of a choice to probabilities.
pub(crate) fn line(choice: &Choice, labels: &[bool]) -> Platt {
    let labels: Vec<bool> = choice.examples.iter().map(|i| labels[*i]).collect();
    Platt::fit(&choice.scores, &labels)
}

/// Scores every example by a fit that saw nothing of its topic. `step` is called after each outer fold.
pub(crate) fn nested(
    field: &impl Field,
    setting: Setting,
    mut step: impl FnMut() -> Result<(), FitError>,
) -> Result<Nested, FitError> {
    let n = setting.labels.len();
    let all: Vec<usize> = (0..n).collect();
    let mut out = Nested { scores: vec![0.0; n], probabilities: vec![0.0; n], folds: vec![0; n], chosen: Vec::new() };
    for (fold, Split { train, test }) in splits(setting, &all, setting.outer)?.iter().enumerate() {
        let inner = splits(setting, train, setting.inner)?;
        let choice = choose(field, setting, &inner);
        let line = line(&choice, setting.labels);
        let (group, way) = choice.way;
        let scores = field.scores(group, setting.labels, train, test).swap_remove(way);
        for (i, score) in test.iter().zip(scores) {
            (out.scores[*i], out.probabilities[*i], out.folds[*i]) = (score, line.probability(score), fold);
        }
        out.chosen.push(choice.way);
        step()?;
    }
    Ok(out)
}
