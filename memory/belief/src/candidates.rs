//! Many questions against one belief: one pass over the covariance serves several of them.

use super::datum::IntervalQuestion;
use super::symmetric::rows;

/// Candidates scored side by side.
const LANES: usize = 8;

/// Directions of many candidates in lanes: entry `j` of eight candidates stands together.
pub(crate) struct Candidates {
    lanes: Vec<f64>,
    count: usize,
    dimension: usize,
}

impl Candidates {
    pub(crate) fn new(questions: &[(usize, &IntervalQuestion)], dimension: usize) -> Self {
        let mut lanes = vec![0.0; questions.len().div_ceil(LANES) * LANES * dimension];
        for (k, (_, q)) in questions.iter().enumerate() {
            let block = &mut lanes[k / LANES * LANES * dimension..];
            for (j, x) in q.direction.iter().enumerate() {
                block[j * LANES + k % LANES] = *x;
            }
        }
        Self { lanes, count: questions.len(), dimension }
    }

    /// Calls `f(candidate, mean, variance)` of every candidate's functional under `N(mean, covariance)`.
    pub(crate) fn each(&self, mean: &[f64], covariance: &[f64], mut f: impl FnMut(usize, f64, f64)) {
        for (b, block) in self.lanes.chunks_exact(LANES * self.dimension).enumerate() {
            let mut means = [0.0; LANES];
            let mut variances = [0.0; LANES];
            for (i, row) in rows(covariance).enumerate() {
                let here = &block[i * LANES..(i + 1) * LANES];
                // Constants are 0 in every choice, and so is most of a comparison of items that are their own features.
                if here.iter().all(|x| *x == 0.0) {
                    continue;
                }
                let mut sums = [0.0; LANES];
                for (v, lane) in row[..i].iter().zip(block.chunks_exact(LANES)) {
                    for k in 0..LANES {
                        sums[k] += v * lane[k];
                    }
                }
                for k in 0..LANES {
                    variances[k] += here[k] * (2.0 * sums[k] + row[i] * here[k]);
                    means[k] += mean[i] * here[k];
                }
            }
            for k in 0..LANES.min(self.count - b * LANES) {
                f(b * LANES + k, means[k], variances[k].max(0.0));
            }
        }
    }
}
