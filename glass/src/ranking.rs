//! How well scores find what they should find, and intervals over seeds.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Average precision: the area under the precision-recall steps, with equal scores taken together. The score of a
/// random order is the share of positives. Nothing where no item is positive.
pub fn average_precision(items: &[(f32, bool)]) -> Option<f64> {
    let mut sorted = items.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all = sorted.iter().filter(|(_, positive)| *positive).count();
    let (mut seen, mut found, mut area) = (0, 0, 0.0);
    for equals in sorted.chunk_by(|a, b| a.0 == b.0) {
        let new = equals.iter().filter(|(_, positive)| *positive).count();
        seen += equals.len();
        found += new;
        area += new as f64 * found as f64 / seen as f64;
    }
    (all > 0).then(|| area / all as f64)
}

/// Precision and recall of the items that score at least a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Items at or above the line.
    pub flagged: usize,
    /// Share of them that are positive; nothing where none is flagged.
    pub precision: Option<f64>,
    /// Share of the positives that are flagged; nothing where there is none.
    pub recall: Option<f64>,
}

/// What a line at `least` finds.
pub fn found(items: &[(f32, bool)], least: f32) -> Found {
    let flagged = items.iter().filter(|(score, _)| *score >= least).count();
    let right = items.iter().filter(|(score, positive)| *score >= least && *positive).count();
    let positives = items.iter().filter(|(_, positive)| *positive).count();
    let share = |of: usize| (of > 0).then(|| right as f64 / of as f64);
    Found { flagged, precision: share(flagged), recall: share(positives) }
}

/// A mean over seeds with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Half the width of the interval; nothing for fewer than two seeds.
    pub half: Option<f64>,
    /// Number of seeds.
    pub seeds: usize,
}

/// Mean and 95% interval of Student's t over seeds. Nothing where there are none.
#[allow(clippy::missing_panics_doc, reason = "degrees of freedom are above 0")]
pub fn interval(numbers: &[f64]) -> Option<Interval> {
    let seeds = numbers.len();
    let n = seeds as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let half = (seeds > 1).then(|| {
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let t = StudentsT::new(0.0, 1.0, n - 1.0).expect("degrees of freedom are above 0").inverse_cdf(0.975);
        t * (variance / n).sqrt()
    });
    (seeds > 0).then_some(Interval { mean, half, seeds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_agrees_with_a_hand_count() {
        let items = [(0.9, true), (0.8, false), (0.7, true), (0.1, false)];
        assert!((average_precision(&items).unwrap() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!(average_precision(&[(1.0, false)]), None);
    }

    #[test]
    fn equal_scores_are_worth_what_chance_is() {
        let items: Vec<(f32, bool)> = (0..20).map(|i| (0.0, i < 5)).collect();
        assert_eq!(average_precision(&items), Some(0.25));
    }

    #[test]
    fn a_line_finds_what_lies_above_it() {
        let items = [(0.9, true), (0.8, false), (0.7, true), (0.1, true)];
        let expected = Found { flagged: 2, precision: Some(0.5), recall: Some(1.0 / 3.0) };
        assert_eq!(found(&items, 0.8), expected);
    }

    #[test]
    fn the_interval_is_students() {
        let found = interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        // t(0.975, 4) = 2.776445, standard error = sqrt(2.5 / 5).
        assert!((found.mean - 3.0).abs() < 1e-12);
        assert!((found.half.unwrap() - 2.776_445 * 0.5_f64.sqrt()).abs() < 1e-4);
    }
}
