//! The area under the ROC curve with its intervals.
//!
//! Scores of different folds come from different fits, so only a pair within a fold is compared. The area is the mean
//! over folds, weighted by their pairs. With one fold it is the ordinary area.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::solve::logistic;

/// Two-sided 95% of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The probability that an example with the motive scores higher than one without; .5 is chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Auroc {
    /// The area, 0 to 1; equal scores count half.
    pub value: f64,
    /// 95% interval as if examples were independent and fits given (DeLong, DeLong and Clarke-Pearson 1988, on the scale of log odds;
    /// for a perfect separation, whose estimated variance is 0, method 5 of Newcombe 2006).
    pub independent: (f64, f64),
    /// 95% interval for new topics: topics, not examples, are the independent units (Obuchowski 1997, with Student's t).
    /// Of k folds the variance is raised by 1 + k / (k - 1), because their fits share examples (Nadeau and Bengio 2003).
    /// The one to quote. Nothing where there is one topic.
    pub by_topic: Option<(f64, f64)>,
    /// Examples with the motive.
    pub with: usize,
    /// Examples without it.
    pub without: usize,
    /// Topics.
    pub topics: usize,
}

/// How much one area exceeds another on the same examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lead {
    /// First area minus second.
    pub value: f64,
    /// 95% interval with topics as the independent units. Nothing where there is one topic.
    pub by_topic: Option<(f64, f64)>,
}

/// Labels, folds and topics of examples: everything but scores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout<'a> {
    pub(crate) labels: &'a [bool],
    pub(crate) folds: &'a [usize],
    pub(crate) topics: &'a [usize],
}

/// What each example contributes to the area.
struct Influence {
    value: f64,
    /// Summed over examples: the deviation of the estimate.
    each: Vec<f64>,
    /// DeLong's variance.
    variance: f64,
}

/// For an example with the label, the share of those without that it beats; for one without, the share of those with
/// that beat it. Equal scores count half.
fn placements(scores: &[f64], labels: &[bool]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let with = labels.iter().filter(|label| **label).count() as f64;
    let without = labels.len() as f64 - with;
    let (mut with_below, mut without_below) = (0.0, 0.0);
    let mut out = vec![0.0; scores.len()];
    // `==` and not the total order: -0 and 0 are equal scores.
    for equals in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let with_here = equals.iter().filter(|i| labels[**i]).count() as f64;
        let without_here = equals.len() as f64 - with_here;
        for i in equals {
            out[*i] = if labels[*i] {
                (without_below + 0.5 * without_here) / without
            } else {
                (with - with_below - 0.5 * with_here) / with
            };
        }
        (with_below, without_below) = (with_below + with_here, without_below + without_here);
    }
    out
}

fn influence(scores: &[f64], layout: Layout) -> Option<Influence> {
    let folds = layout.folds.iter().max()? + 1;
    let mut members = vec![Vec::new(); folds];
    layout.folds.iter().enumerate().for_each(|(i, fold)| members[*fold].push(i));
    let counts = |members: &[usize]| {
        let with = members.iter().filter(|i| layout.labels[**i]).count();
        (with as f64, (members.len() - with) as f64)
    };
    let pairs: f64 = members.iter().map(|m| counts(m)).map(|(with, without)| with * without).sum();
    if pairs == 0.0 {
        return None;
    }
    let (mut value, mut variance) = (0.0, 0.0);
    let mut areas = vec![0.0; folds];
    let mut each = vec![0.0; scores.len()];
    for (fold, members) in members.iter().enumerate() {
        let (with, without) = counts(members);
        let weight = with * without / pairs;
        if weight == 0.0 {
            continue;
        }
        let of: Vec<f64> = members.iter().map(|i| scores[*i]).collect();
        let labels: Vec<bool> = members.iter().map(|i| layout.labels[*i]).collect();
        let places = placements(&of, &labels);
        let area = places.iter().zip(&labels).filter(|(_, label)| **label).map(|(p, _)| p).sum::<f64>() / with;
        for ((place, label), i) in places.iter().zip(&labels).zip(members) {
            let count = if *label { with } else { without };
            each[*i] = weight * (place - area) / count;
            variance += each[*i].powi(2) * count / (count - 1.0).max(1.0);
        }
        value += weight * area;
        areas[fold] = area;
    }
    // Folds differ from each other too; each example of a fold has its share in that.
    for (fold, members) in members.iter().enumerate() {
        let (with, without) = counts(members);
        let weight = with * without / pairs;
        members.iter().for_each(|i| each[*i] += weight * (areas[fold] - value) / members.len() as f64);
    }
    Some(Influence { value, each, variance })
}

/// Standard error with topics as units, and their number.
///
/// What one topic adds to a fit is used on all others and the other way round, so under no signal every pair of topics
/// counts twice. Without the correction, intervals of labels that mean nothing held one half 15 times of 20.
fn error_by_topic(each: &[f64], layout: Layout) -> (f64, usize) {
    let folds = layout.folds.iter().max().map_or(1.0, |most| *most as f64 + 1.0);
    let refits = if folds > 1.0 { 1.0 + folds / (folds - 1.0) } else { 1.0 };
    let mut sums: std::collections::BTreeMap<usize, f64> = std::collections::BTreeMap::new();
    each.iter().zip(layout.topics).for_each(|(x, topic)| *sums.entry(*topic).or_default() += x);
    let count = sums.len() as f64;
    let squares: f64 = sums.values().map(|sum| sum * sum).sum();
    ((refits * squares * count / (count - 1.0).max(1.0)).sqrt(), sums.len())
}

fn students_t(freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
}

/// An interval on the scale of log odds, so that it stays within 0 and 1.
fn on_log_odds(value: f64, error: f64, quantile: f64, with: f64, without: f64) -> (f64, f64) {
    let slope = value * (1.0 - value);
    if error <= 1e-12 || slope <= 1e-12 {
        return newcombe(value, quantile, with, without);
    }
    let centre = libm::log(value / (1.0 - value));
    let half = quantile * error / slope;
    (logistic(centre - half), logistic(centre + half))
}

/// Newcombe 2006, method 5: the areas that the observed one does not contradict, with the variance that they would have.
fn newcombe(value: f64, quantile: f64, with: f64, without: f64) -> (f64, f64) {
    let lower = |value: f64| {
        let middle = 0.5 * (with + without);
        let variance = |area: f64| {
            let more = (1.0 - area) / (2.0 - area) + area / (1.0 + area);
            area * (1.0 - area) * (1.0 + (middle - 1.0).max(0.0) * more) / (with * without)
        };
        let (mut low, mut high) = (0.0, value - 1e-12);
        for _ in 0..100 {
            let area = 0.5 * (low + high);
            if value - area > quantile * variance(area).sqrt() { low = area } else { high = area }
        }
        low
    };
    (if value > 0.0 { lower(value) } else { 0.0 }, if value < 1.0 { 1.0 - lower(1.0 - value) } else { 1.0 })
}

/// The area alone; nothing where no fold has both labels.
pub(crate) fn area(scores: &[f64], layout: Layout) -> Option<f64> {
    influence(scores, layout).map(|found| found.value)
}

/// The area with its intervals; nothing where no fold has both labels.
pub(crate) fn auroc_of(scores: &[f64], layout: Layout) -> Option<Auroc> {
    let Influence { value, each, variance } = influence(scores, layout)?;
    let with = layout.labels.iter().filter(|label| **label).count();
    let without = layout.labels.len() - with;
    let (error, topics) = error_by_topic(&each, layout);
    let units = topics as f64;
    Some(Auroc {
        value,
        independent: on_log_odds(value, variance.sqrt(), Z, with as f64, without as f64),
        // For a perfect separation there are no more independent pairs than topics.
        by_topic: (topics > 1).then(|| on_log_odds(value, error, students_t(topics - 1), units, units)),
        with,
        without,
        topics,
    })
}

/// How far the area of `scores` exceeds that of `others`.
pub(crate) fn lead_of(scores: &[f64], others: &[f64], layout: Layout) -> Option<Lead> {
    let (a, b) = (influence(scores, layout)?, influence(others, layout)?);
    let each: Vec<f64> = a.each.iter().zip(&b.each).map(|(a, b)| a - b).collect();
    let (error, topics) = error_by_topic(&each, layout);
    let value = a.value - b.value;
    let by_topic = (topics > 1).then(|| {
        let half = students_t(topics - 1) * error;
        ((value - half).max(-1.0), (value + half).min(1.0))
    });
    Some(Lead { value, by_topic })
}

fn numbers(topics: &[&str]) -> Vec<usize> {
    let mut names = topics.to_vec();
    names.sort_unstable();
    names.dedup();
    topics.iter().map(|topic| names.binary_search(topic).unwrap_or_default()).collect()
}

/// The area of any scores, such as those of another control, with `topics` as independent units. Nothing where one label
/// is missing, lengths differ or a score is not finite.
pub fn auroc(scores: &[f64], labels: &[bool], topics: &[&str]) -> Option<Auroc> {
    if scores.len() != labels.len() || scores.len() != topics.len() || scores.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let (folds, topics) = (vec![0; scores.len()], numbers(topics));
    auroc_of(scores, Layout { labels, folds: &folds, topics: &topics })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::synthetic::gaussian;

    fn alone(scores: &[f64], labels: &[bool]) -> Auroc {
        let names: Vec<String> = (0..scores.len()).map(|i| i.to_string()).collect();
        auroc(scores, labels, &names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    }

    fn drawn(n: usize, shift: f64, seed: u64) -> (Vec<f64>, Vec<bool>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let labels: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
        let scores = labels.iter().map(|label| gaussian(&mut random) + if *label { shift } else { 0.0 }).collect();
        (scores, labels)
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        let found = alone(&[3.0, 1.0, 2.0, 1.0, 0.0], &[true, true, false, false, false]);
        // 3 beats all three; 1 beats one and ties with one.
        assert!((found.value - 4.5 / 6.0).abs() < 1e-12);
        assert_eq!((found.with, found.without, found.topics), (2, 3, 5));
        assert!(auroc(&[1.0], &[true], &["a"]).is_none());
        assert!(auroc(&[1.0, f64::NAN], &[true, false], &["a", "b"]).is_none());
    }

    #[test]
    fn delongs_error_is_the_bootstraps() {
        for (shift, seed) in [(0.0, 1), (0.8, 2), (1.5, 3)] {
            let (scores, labels) = drawn(160, shift, seed);
            let folds = vec![0; 160];
            let topics: Vec<usize> = (0..160).collect();
            let layout = Layout { labels: &labels, folds: &folds, topics: &topics };
            let found = influence(&scores, layout).unwrap();
            let mut random = ChaCha8Rng::seed_from_u64(seed + 100);
            let areas: Vec<f64> = (0..2000)
                .map(|_| {
                    // Each label is drawn from its own, as DeLong has both counts given.
                    let drawn: Vec<usize> = (0..160).map(|i| 2 * random.random_range(0..80) + i % 2).collect();
                    let scores: Vec<f64> = drawn.iter().map(|i| scores[*i]).collect();
                    let labels: Vec<bool> = drawn.iter().map(|i| labels[*i]).collect();
                    area(&scores, Layout { labels: &labels, folds: &folds, topics: &topics }).unwrap()
                })
                .collect();
            let mean = areas.iter().sum::<f64>() / 2000.0;
            let sd = (areas.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 1999.0).sqrt();
            let delong = found.variance.sqrt();
            assert!((delong / sd - 1.0).abs() < 0.08, "shift {shift}: DeLong {delong}, bootstrap {sd}");
            // With every example a topic of its own, both errors are nearly the same.
            let (by_topic, _) = error_by_topic(&found.each, layout);
            assert!((by_topic / delong - 1.0).abs() < 0.02, "{by_topic} {delong}");
        }
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        // Phi(1 / sqrt 2) is the area for a shift of one standard deviation.
        let truth = 0.760_249_94;
        let inside = (0..400).filter(|seed| {
            let (scores, labels) = drawn(100, 1.0, 1000 + seed);
            let (low, high) = alone(&scores, &labels).independent;
            low <= truth && truth <= high
        });
        // Binomial(400, .95) is at least 366 with probability .9994.
        let inside = inside.count();
        assert!((366..=396).contains(&inside), "{inside} of 400");
    }

    #[test]
    fn topics_that_move_together_widen_the_interval_and_still_hold_the_truth() {
        let covered = |by_topic: bool| {
            (0..200)
                .filter(|seed| {
                    let mut random = ChaCha8Rng::seed_from_u64(2000 + seed);
                    let (mut scores, mut labels, mut topics) = (Vec::new(), Vec::new(), Vec::new());
                    for topic in 0..20 {
                        // Each topic has a direction of its own: mean difference 0 over topics.
                        let shift = 1.5 * gaussian(&mut random);
                        for i in 0..20 {
                            labels.push(i % 2 == 0);
                            topics.push(format!("{topic}"));
                            scores.push(gaussian(&mut random) + if i % 2 == 0 { shift } else { 0.0 });
                        }
                    }
                    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                    let found = auroc(&scores, &labels, &topics).unwrap();
                    let (low, high) = if by_topic { found.by_topic.unwrap() } else { found.independent };
                    low <= 0.5 && 0.5 <= high
                })
                .count()
        };
        let (by_topic, independent) = (covered(true), covered(false));
        assert!(by_topic >= 178, "{by_topic} of 200");
        assert!(independent < 160, "{independent} of 200: examples are not independent here");
    }

    #[test]
    fn a_perfect_separation_is_not_a_certainty() {
        let scores: Vec<f64> = (0..40).map(f64::from).collect();
        let labels: Vec<bool> = (0..40).map(|i| i >= 20).collect();
        let found = alone(&scores, &labels);
        assert_eq!(found.value, 1.0);
        assert!(found.independent.0 > 0.8 && found.independent.0 < 0.98 && found.independent.1 == 1.0, "{found:?}");
        let few: Vec<&str> = (0..40).map(|i| ["a", "b", "c", "d", "e"][i % 5]).collect();
        let found = auroc(&scores, &labels, &few).unwrap();
        assert!(found.by_topic.unwrap().0 < found.independent.0, "{found:?}");
    }

    #[test]
    fn only_pairs_of_a_fold_are_compared() {
        let labels = [true, false, true, false];
        let layout = Layout { labels: &labels, folds: &[0, 0, 1, 1], topics: &[0, 1, 2, 3] };
        // The second fold's scores are all higher, which says nothing.
        assert_eq!(area(&[1.0, 0.0, 11.0, 10.0], layout), Some(1.0));
        assert_eq!(area(&[0.0, 0.0, 10.0, 10.0], layout), Some(0.5));
        let lead = lead_of(&[1.0, 0.0, 11.0, 10.0], &[0.0; 4], layout).unwrap();
        assert_eq!(lead.value, 0.5);
        assert_eq!(area(&[1.0, 2.0], Layout { labels: &[true, true], folds: &[0, 0], topics: &[0, 0] }), None);
    }
}
