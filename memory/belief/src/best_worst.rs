//! The best and the worst of several whose utilities are known: probabilities fast enough to choose questions by.

use super::normal::{cdf, density};

/// Nodes of the trapezoidal rule over the utilities.
const NODES: usize = 24;
/// How far the nodes reach beyond the extreme utilities, in standard deviations of the noise.
const REACH: f64 = 4.5;

/// Probabilities of each `[best, worst]` in the order of [`super::Places::orders`], given utilities and each one's variance of
/// independent noise; they sum to 1.
///
/// With `f_i` and `F_i` the density and distribution function of each noisy utility,
/// `P(b, w) = int int_{x > y} f_b(x) f_w(y) prod_m (F_m(x) - F_m(y)) dy dx`, by the trapezoidal rule on one grid for all pairs.
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
    let (mut f, mut big_f) = (vec![0.0; n * nodes], vec![0.0; n * nodes]);
    for i in 0..n {
        for k in 0..nodes {
            let z = (at(k) - u[i]) / sd[i];
            f[i * nodes + k] = density(z) / sd[i];
            big_f[i * nodes + k] = cdf(z);
        }
    }
    // Each pair, with the places of its two outcomes and those that must lie between.
    let place = |best: usize, worst: usize| best * (n - 1) + worst - usize::from(worst > best);
    let pairs: Vec<(usize, usize, Vec<usize>)> = (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .map(|(i, j)| (i, j, (0..n).filter(|m| *m != i && *m != j).collect()))
        .collect();
    let mut p = vec![0.0; n * (n - 1)];
    let mut between = vec![0.0; n];
    for x in 1..nodes {
        for y in 0..x {
            for (i, between) in between.iter_mut().enumerate() {
                *between = big_f[i * nodes + x] - big_f[i * nodes + y];
            }
            for (i, j, middle) in &pairs {
                let mut inside = 1.0;
                for m in middle {
                    inside *= between[*m];
                }
                p[place(*i, *j)] += inside * f[i * nodes + x] * f[j * nodes + y];
                p[place(*j, *i)] += inside * f[j * nodes + x] * f[i * nodes + y];
            }
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
