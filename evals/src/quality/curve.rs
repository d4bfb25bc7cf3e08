//! The best of n by a score: what the score promises, and what readers find.

use credence_memory::belief::simulate::below;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// Resamples of the passages.
const RESAMPLES: usize = 1000;

/// What came of choosing the best of so many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BestOf {
    /// Passages to choose from, drawn from the pool without replacement.
    pub n: usize,
    /// How far above the pool's mean the score says the chosen one is, key points a quality.
    pub promised: Estimate,
    /// How far above it the held-out reader's keys put it, key points a quality.
    pub found: Estimate,
    /// The same less what was found of the best of the number before.
    pub step: Estimate,
    /// What was promised less what was found.
    pub excess: Estimate,
    /// Share of simulated readers who would rather have it than one drawn at random.
    pub preferred: Estimate,
}

/// The course of one score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Curve {
    /// The score.
    pub score: String,
    /// By the number to choose from.
    pub best_of: Vec<BestOf>,
    /// The last number up to which each step was better beyond doubt; 1 where none was.
    pub helps_until: usize,
}

/// A passage of the pool, with what the score promises and what others say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) promised: f64,
    pub(super) found: f64,
    pub(super) preferred: f64,
}

/// The numbers to choose from: doubled as far as the smallest pool goes.
pub(super) fn numbers(pools: &[Vec<Judged>]) -> Vec<usize> {
    let most = pools.iter().map(Vec::len).min().unwrap_or(0);
    std::iter::successors(Some(1_usize), |n| Some(n * 2)).take_while(|n| *n <= most).collect()
}

/// The course over several pools, each counting the same; passages are resampled within them.
pub(super) fn curve(score: &str, pools: &[Vec<Judged>], seed: u64) -> Curve {
    let numbers = numbers(pools);
    let truth = course(pools, &numbers);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn: Vec<Vec<[f64; 3]>> = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let again: Vec<Vec<Judged>> =
            pools.iter().map(|pool| (0..pool.len()).map(|_| pool[below(pool.len(), &mut rng)]).collect()).collect();
        drawn.push(course(&again, &numbers));
    }
    let estimate = |of: &dyn Fn(&[[f64; 3]]) -> f64| {
        let mut values: Vec<f64> = drawn.iter().map(|course| of(course)).collect();
        values.sort_by(f64::total_cmp);
        let at = |p: f64| values[((p * values.len() as f64) as usize).min(values.len() - 1)];
        Estimate { mean: of(&truth), low: at(0.025), high: at(0.975) }
    };
    let best_of: Vec<BestOf> = (0..numbers.len())
        .map(|k| BestOf {
            n: numbers[k],
            promised: estimate(&|c| c[k][0]),
            found: estimate(&|c| c[k][1]),
            step: estimate(&|c| c[k][1] - if k == 0 { 0.0 } else { c[k - 1][1] }),
            excess: estimate(&|c| c[k][0] - c[k][1]),
            preferred: estimate(&|c| c[k][2]),
        })
        .collect();
    let helped = best_of.iter().skip(1).take_while(|b| b.step.low > 0.0).count();
    Curve { score: score.to_owned(), helps_until: numbers.get(helped).copied().unwrap_or(1), best_of }
}

/// By number: promised, found and preferred, the first two above the pool's mean.
fn course(pools: &[Vec<Judged>], numbers: &[usize]) -> Vec<[f64; 3]> {
    let mut sums = vec![[0.0; 3]; numbers.len()];
    for pool in pools {
        let mut sorted = pool.clone();
        sorted.sort_by(|a, b| b.promised.total_cmp(&a.promised));
        let columns = |j: &Judged| [j.promised, j.found, j.preferred];
        let mean = expected(&sorted, 1, &columns);
        for (sum, n) in sums.iter_mut().zip(numbers) {
            let best = expected(&sorted, *n, &columns);
            let gain = [best[0] - mean[0], best[1] - mean[1], best[2]];
            sum.iter_mut().zip(gain).for_each(|(s, x)| *s += x / pools.len() as f64);
        }
    }
    sums
}

/// The mean over the highest of `n` drawn without replacement from passages that stand in order, the highest first: the one at place
/// `r` of `N` is it with probability C(N - 1 - r, n - 1) / C(N, n).
fn expected(sorted: &[Judged], n: usize, columns: &dyn Fn(&Judged) -> [f64; 3]) -> [f64; 3] {
    let count = sorted.len() as f64;
    let mut probability = n as f64 / count;
    let mut sum = [0.0; 3];
    for (r, passage) in sorted.iter().enumerate() {
        sum.iter_mut().zip(columns(passage)).for_each(|(s, x)| *s += probability * x);
        let left = count - 1.0 - r as f64;
        if left <= 0.0 {
            break;
        }
        probability *= ((count - r as f64 - n as f64) / left).max(0.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(of: impl Fn(usize) -> [f64; 2]) -> Vec<Judged> {
        (0..16)
            .map(|i| {
                let [promised, found] = of(i);
                Judged { promised, found, preferred: 0.5 }
            })
            .collect()
    }

    #[test]
    fn the_best_of_all_is_the_highest_and_of_two_the_mean_of_the_higher() {
        let exact = pool(|i| [i as f64, i as f64]);
        assert_eq!(numbers(std::slice::from_ref(&exact)), [1, 2, 4, 8, 16]);
        let found = course(&[exact], &[1, 2, 16]);
        // The mean of the higher of two of 0..15 is (16 + 1) * 2 / 3 - 1.
        for (gain, expected) in found.iter().zip([0.0, 17.0 * 2.0 / 3.0 - 1.0 - 7.5, 7.5]) {
            assert!((gain[0] - expected).abs() < 1e-9 && (gain[1] - expected).abs() < 1e-9, "{gain:?} {expected}");
        }
    }

    #[test]
    fn a_score_that_means_nothing_promises_and_gives_nothing() {
        let empty = pool(|i| [i as f64, f64::from(u8::from(i % 2 == 0))]);
        let course = curve("noise", &[empty.clone(), empty], 1);
        assert_eq!(course.helps_until, 1);
        let last = course.best_of.last().expect("a step");
        assert!(last.promised.mean > 7.0 && last.excess.low > 5.0, "{last:?}");
        let sound = curve("sound", &[pool(|i| [i as f64, i as f64])], 1);
        assert!(sound.helps_until >= 8, "{sound:?}");
        assert!(sound.best_of.iter().all(|b| b.excess.mean.abs() < 1e-9));
    }
}
