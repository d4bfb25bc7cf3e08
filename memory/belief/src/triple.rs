//! The best of three alternatives whose utilities are known: noise of variance 1/2 each, so that differences of utilities have
//! variance 1, and two that share an alternative have correlation 1/2 (docs/belief.md, equation 6).

use std::sync::OnceLock;

use super::normal::{LEGENDRE_12, cdf};

/// Beyond this many standard deviations a normal is certain to double precision.
const CERTAIN: f64 = 8.3;
/// Points of the table on each axis from `-CERTAIN` to `CERTAIN`, and their spacing.
const SIDE: usize = 267;
const STEP: f64 = 2.0 * CERTAIN / (SIDE - 1) as f64;

/// Nodes of Plackett's integral from correlation 0 to 1/2: weight, correlation, `1 / (1 - correlation^2)`.
fn nodes() -> &'static [(f64, f64, f64); 12] {
    static NODES: OnceLock<[(f64, f64, f64); 12]> = OnceLock::new();
    NODES.get_or_init(|| {
        let angle = libm::asin(0.5);
        std::array::from_fn(|i| {
            let (x, weight) = LEGENDRE_12[i / 2];
            let sine = libm::sin(0.5 * angle * (if i % 2 == 0 { -x } else { x } + 1.0));
            (weight * angle / (4.0 * std::f64::consts::PI), sine, 1.0 / (1.0 - sine * sine))
        })
    })
}

/// `P(X < a, Y < b)` of two standard normals with correlation 1/2, absolute error about 1e-15.
fn both_below(a: f64, b: f64) -> f64 {
    if a <= -CERTAIN || b <= -CERTAIN {
        return 0.0;
    }
    if a >= CERTAIN || b >= CERTAIN {
        return cdf(a.min(b));
    }
    let half_square = 0.5 * (a * a + b * b);
    let sum: f64 = nodes().iter().map(|&(w, r, over)| w * libm::exp((r * a * b - half_square) * over)).sum();
    (sum + cdf(a) * cdf(b)).clamp(0.0, 1.0)
}

/// Probability of each of three with utilities `u` being chosen.
pub(crate) fn probabilities(u: &[f64; 3]) -> [f64; 3] {
    // The greatest is what the other two leave: they are the small ones, so that nothing is lost by the subtraction.
    let best = (0..3).fold(0, |b, k| if u[k] > u[b] { k } else { b });
    let (i, j) = ((best + 1) % 3, (best + 2) % 3);
    let mut p = [0.0; 3];
    p[i] = both_below(u[i] - u[best], u[i] - u[j]);
    p[j] = both_below(u[j] - u[best], u[j] - u[i]);
    p[best] = (1.0 - p[i] - p[j]).max(0.0);
    p
}

/// The same from a table, to within 2e-4: for scoring thousands of points, never for belief.
pub(crate) fn probabilities_tabulated(u: &[f64; 3]) -> [f64; 3] {
    static TABLE: OnceLock<Vec<f64>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let at = |i: usize| STEP * i as f64 - CERTAIN;
        let mut table = vec![0.0; SIDE * SIDE];
        for i in 0..SIDE {
            for j in 0..=i {
                let p = both_below(at(i), at(j));
                table[i * SIDE + j] = p;
                table[j * SIDE + i] = p;
            }
        }
        table
    });
    let look = |a: f64, b: f64| {
        let place = |x: f64| {
            let t = ((x + CERTAIN) / STEP).clamp(0.0, (SIDE - 1) as f64 - 1e-9);
            (t as usize, t.fract())
        };
        let ((i, s), (j, t)) = (place(a), place(b));
        let row = |i: usize| table[i * SIDE + j] + t * (table[i * SIDE + j + 1] - table[i * SIDE + j]);
        row(i) + s * (row(i + 1) - row(i))
    };
    normalised([look(u[0] - u[1], u[0] - u[2]), look(u[1] - u[0], u[1] - u[2]), look(u[2] - u[0], u[2] - u[1])])
}

/// The three are exhaustive; rounding is shared out.
fn normalised(p: [f64; 3]) -> [f64; 3] {
    let total: f64 = p.iter().sum();
    p.map(|p| p / total)
}

#[cfg(test)]
mod tests {
    use super::super::normal::bivariate_upper;
    use super::*;

    #[test]
    fn agrees_with_the_bivariate_function_and_the_table_with_both() {
        for i in 0..60 {
            for j in 0..60 {
                let (a, b) = (f64::from(i) * 0.35 - 10.0, f64::from(j) * 0.33 - 9.9);
                let exact = bivariate_upper(-a, -b, 0.5);
                assert!((both_below(a, b) - exact).abs() < 1e-14, "{a} {b}: {} not {exact}", both_below(a, b));
                let u = [a, a - b, 0.3];
                let (p, q) = (probabilities(&u), probabilities_tabulated(&u));
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                for k in 0..3 {
                    assert!((p[k] - q[k]).abs() < 2e-4, "{u:?}: {p:?} not {q:?}");
                }
            }
        }
        assert!(probabilities(&[1.0, 1.0, 1.0]).iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-12));
        assert!((probabilities(&[900.0, 900.0, 0.0])[1] - 0.5).abs() < 1e-12);
    }
}
