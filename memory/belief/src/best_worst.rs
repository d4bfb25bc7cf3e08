//! The best and the worst of several whose utilities are known: probabilities fast enough to choose questions by.

use std::sync::LazyLock;

use super::normal::{cdf, density};

/// Nodes of the trapezoidal rule over the utilities.
const NODES: usize = 24;
/// How far the nodes reach beyond the extreme utilities, in standard deviations of the noise.
const REACH: f64 = 4.5;

/// Beyond this many standard deviations a density is 0 here.
const FAR: f64 = 8.0;
/// Points of the table for each standard deviation; between them a cubic fits to 1e-8.
const PER_SD: f64 = 32.0;

/// The standard normal's density and distribution function on an even grid from `-FAR` to `FAR`.
static NORMAL: LazyLock<Vec<[f64; 2]>> = LazyLock::new(|| {
    (0..=(2.0 * FAR * PER_SD) as usize)
        .map(|i| {
            let z = i as f64 / PER_SD - FAR;
            [density(z), cdf(z)]
        })
        .collect()
});

/// Density and distribution function of the standard normal, from the table: by the cubic through values and slopes at both ends.
fn normal(table: &[[f64; 2]], z: f64) -> [f64; 2] {
    let x = (z + FAR) * PER_SD;
    if x <= 0.0 {
        return [0.0, 0.0];
    }
    let i = x as usize;
    let Some([[f0, c0], [f1, c1]]) = table.get(i..i + 2).and_then(|two| <[[f64; 2]; 2]>::try_from(two).ok()) else {
        return [0.0, 1.0];
    };
    let (t, h) = (x - i as f64, 1.0 / PER_SD);
    let z0 = i as f64 / PER_SD - FAR;
    let cubic = |y0: f64, y1: f64, d0: f64, d1: f64| {
        let (a, b) = (h * d0 - (y1 - y0), -h * d1 + (y1 - y0));
        (1.0 - t) * y0 + t * y1 + t * (1.0 - t) * ((1.0 - t) * a + t * b)
    };
    // The slope of the distribution function is the density, and that of the density is -z times itself.
    [cubic(f0, f1, -z0 * f0, -(z0 + h) * f1), cubic(c0, c1, f0, f1)]
}

/// The standard normal's distribution function to 1e-7, for what is only compared or shown.
pub(crate) fn rough_cdf(z: f64) -> f64 {
    normal(&NORMAL, z)[1]
}

/// Probabilities of each `[best, worst]` in the order of [`super::Places::orders`], given utilities and each one's variance of
/// independent noise; they sum to 1.
///
/// With `f_i` and `F_i` the density and distribution function of each noisy utility,
/// `P(b, w) = int int_{x > y} f_b(x) f_w(y) prod_m (F_m(x) - F_m(y)) dy dx`, by the trapezoidal rule on one grid for
/// all pairs, the product multiplied out so that the inner integral is a running sum.
pub(crate) fn probabilities(u: &[f64], noise: &[f64]) -> Vec<f64> {
    let n = u.len();
    let sd: Vec<f64> = noise.iter().map(|v| v.sqrt()).collect();
    let lo = u.iter().zip(&sd).map(|(u, s)| u - REACH * s).fold(f64::INFINITY, f64::min);
    let hi = u.iter().zip(&sd).map(|(u, s)| u + REACH * s).fold(f64::NEG_INFINITY, f64::max);
    // A utility far from the others needs no finer grid where nothing happens, but the grid must resolve the noise.
    let finest = sd.iter().copied().fold(f64::INFINITY, f64::min);
    let nodes = NODES.max(libm::ceil((hi - lo) / (0.6 * finest)) as usize).min(160);
    let step = (hi - lo) / (nodes - 1) as f64;
    let at = |k: usize| lo + step * k as f64;
    let table = NORMAL.as_slice();
    let (mut f, mut big_f) = (vec![0.0; n * nodes], vec![0.0; n * nodes]);
    for i in 0..n {
        for k in 0..nodes {
            let [density, below] = normal(table, (at(k) - u[i]) / sd[i]);
            f[i * nodes + k] = density / sd[i];
            big_f[i * nodes + k] = below;
        }
    }
    // The product over those between, multiplied out: each is taken either at x or at y. What stands at x or at y is a density times
    // the distribution functions of some others, and serves every pair that has it.
    let sets = 1usize << n;
    let (mut at_x, mut below_y) = (vec![0.0; n * sets * nodes], vec![0.0; n * sets * nodes]);
    let row = |item: usize, set: usize| (item * sets + set) * nodes..(item * sets + set + 1) * nodes;
    for item in 0..n {
        for set in (0..sets).filter(|set| set >> item & 1 == 0 && set.count_ones() as usize + 2 <= n) {
            let here = row(item, set);
            if set == 0 {
                at_x[here.clone()].copy_from_slice(&f[item * nodes..(item + 1) * nodes]);
            } else {
                let first = set.trailing_zeros() as usize;
                let share = &big_f[first * nodes..(first + 1) * nodes];
                let (known, new) = at_x.split_at_mut(here.start);
                for ((to, x), share) in new.iter_mut().zip(&known[row(item, set & (set - 1))]).zip(share) {
                    *to = x * share;
                }
            }
            let mut sum = 0.0;
            for (below, y) in below_y[here.clone()].iter_mut().zip(&at_x[here]) {
                *below = sum;
                sum += y;
            }
        }
    }
    let place = |best: usize, worst: usize| best * (n - 1) + worst - usize::from(worst > best);
    let mut p = vec![0.0; n * (n - 1)];
    for best in 0..n {
        for worst in (0..n).filter(|worst| *worst != best) {
            let middle = (sets - 1) & !(1 << best) & !(1 << worst);
            let mut sum = 0.0;
            let mut taken = middle;
            loop {
                let left = middle & !taken;
                let part = product_sum(&at_x[row(best, taken)], &below_y[row(worst, left)]);
                sum += if left.count_ones().is_multiple_of(2) { part } else { -part };
                if taken == 0 {
                    break;
                }
                taken = (taken - 1) & middle;
            }
            // Where nearly nothing is left, rounding may leave less.
            p[place(best, worst)] = sum.max(0.0);
        }
    }
    let total: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= total);
    p
}

/// The sum of products, in four sums beside each other.
fn product_sum(a: &[f64], b: &[f64]) -> f64 {
    let (mut sums, (fours_a, fours_b)) = ([0.0; 4], (a.chunks_exact(4), b.chunks_exact(4)));
    let rest: f64 = fours_a.remainder().iter().zip(fours_b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in fours_a.zip(fours_b) {
        for k in 0..4 {
            sums[k] += a[k] * b[k];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::super::ranking::{self, Places};
    use super::*;

    #[test]
    fn the_table_is_the_normal() {
        for k in -9_000..9_000 {
            let z = f64::from(k) / 1000.0 + 1e-4;
            let [f, below] = normal(&NORMAL, z);
            assert!((f - density(z)).abs() < 1e-7 && (below - cdf(z)).abs() < 1e-7, "{z}: {f}, {below}");
            assert_eq!(rough_cdf(z).to_bits(), below.to_bits());
        }
    }

    #[test]
    fn it_agrees_with_the_exact_sum_over_orders() {
        for (u, noise) in [
            (vec![0.0, 0.0, 0.0, 0.0], vec![0.5; 4]),
            (vec![1.0, -0.3, 0.4, -2.0], vec![0.5, 0.7, 0.5, 1.5]),
            (vec![6.0, -5.0, 0.4, 0.3], vec![0.5; 4]),
            (vec![0.2, -0.1, 1.0], vec![0.5, 0.6, 0.9]),
        ] {
            let n = u.len();
            let k: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { noise[i / n] } else { 0.0 }).collect();
            let exact = ranking::probabilities(Places::BestAndWorst, &u, &k, 0.0);
            for (fast, exact) in probabilities(&u, &noise).iter().zip(&exact) {
                assert!((fast - exact).abs() < 4e-3, "{u:?}: {fast} not {exact}");
            }
        }
    }
}
