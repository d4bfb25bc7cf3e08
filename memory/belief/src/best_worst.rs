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
    // The product over those between, multiplied out: for each share of them that is taken at x, one running sum over y.
    let place = |best: usize, worst: usize| best * (n - 1) + worst - usize::from(worst > best);
    let mut p = vec![0.0; n * (n - 1)];
    for best in 0..n {
        for worst in (0..n).filter(|worst| *worst != best) {
            let middle: Vec<usize> = (0..n).filter(|m| *m != best && *m != worst).collect();
            let mut sum = 0.0;
            for at_x in 0..1usize << middle.len() {
                let mut below = 0.0;
                for k in 0..nodes {
                    let (mut x, mut y) = (f[best * nodes + k], f[worst * nodes + k]);
                    for (bit, m) in middle.iter().enumerate() {
                        let share = big_f[m * nodes + k];
                        if at_x >> bit & 1 == 1 { x *= share } else { y *= -share }
                    }
                    sum += x * below;
                    below += y;
                }
            }
            // Where nearly nothing is left, rounding may leave less.
            p[place(best, worst)] = sum.max(0.0);
        }
    }
    let total: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= total);
    p
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
