//! A score of quality, as figures.

use super::QualityResult;
use crate::figures::{Figure, Measured};

impl Measured for QualityResult {
    fn figures(&self) -> Vec<Figure> {
        let (pairs, pool) = ("passages made worse", "keyed passages");
        let mut figures = Vec::new();
        for row in &self.rows {
            let at = row.held_out.name();
            figures.push(Figure::new(pairs, &row.score, at, "share told right", row.right));
            let less = row.less_words.map(|e| Figure::new(pairs, &row.score, at, "share less the bag of words'", e));
            figures.extend(less);
            figures.extend(row.groups.iter().map(|group| {
                let measure = format!("share told right, {} {}", group.of, group.name);
                Figure::new(pairs, &row.score, at, &measure, group.right)
            }));
        }
        for curve in &self.curves {
            for best in &curve.best_of {
                let at = format!("best of {}", best.n);
                let mut add = |measure, estimate| figures.push(Figure::new(pool, &curve.score, &at, measure, estimate));
                add("promised above the mean, key points", best.promised);
                add("found above the mean, key points", best.found);
                add("found above the number before, key points", best.step);
                add("promised less found, key points", best.excess);
                add("share of simulated readers who prefer it to one at random", best.preferred);
            }
            let until = "number up to which more helps";
            figures.push(Figure::bare(pool, &curve.score, "", until, curve.helps_until as f64));
        }
        let correlation = |(score, r): &(String, f64)| {
            Figure::bare(pool, score, "", "rank correlation with the held-out reader's keys", *r)
        };
        figures.extend(self.correlations.iter().map(correlation));
        figures
    }
}
