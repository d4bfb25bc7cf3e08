//! Fixed normal points: the same for every call, so every score is a function of belief alone.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::dense;
use super::normal::quantile;

/// Bases of Halton's sequence; beyond them its dimensions run in step and pseudo-random numbers do better.
const PRIMES: [u32; 8] = [2, 3, 5, 7, 11, 13, 17, 19];

/// `count` pairs `x, -x` of points in `dimension` dimensions, flat rows, with mean exactly 0 and covariance exactly the
/// identity up to rounding (where `2 count` is well above `dimension`).
pub(crate) fn normal_points(count: usize, dimension: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0x0c7e_de0c);
    let mut raw = Vec::with_capacity(count * dimension);
    for i in 0..count {
        if dimension <= PRIMES.len() {
            raw.extend(PRIMES[..dimension].iter().map(|&base| quantile(radical_inverse(i as u32 + 1, base))));
        } else {
            raw.extend((0..dimension).map(|_| quantile(((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64)));
        }
    }
    // Whiten: with second moments L L', the points L^-1 x have the identity's.
    let mut second = vec![0.0; dimension * dimension];
    for x in raw.chunks_exact(dimension) {
        for i in 0..dimension {
            for j in 0..dimension {
                second[i * dimension + j] += x[i] * x[j] / count as f64;
            }
        }
    }
    let factor = dense::factor(&second, dimension);
    let mut points = Vec::with_capacity(2 * count * dimension);
    for x in raw.chunks_exact(dimension) {
        let start = points.len();
        for i in 0..dimension {
            let known: f64 = (0..i).map(|j| factor[i * dimension + j] * points[start + j]).sum();
            let pivot = factor[i * dimension + i];
            points.push(if pivot > 0.0 { (x[i] - known) / pivot } else { x[i] });
        }
        points.extend_from_within(start..);
        points[start + dimension..].iter_mut().for_each(|x| *x = -*x);
    }
    points
}

/// Digits of `i` in `base`, mirrored at the point.
fn radical_inverse(mut i: u32, base: u32) -> f64 {
    let (mut x, mut digit) = (0.0, 1.0 / f64::from(base));
    while i > 0 {
        x += f64::from(i % base) * digit;
        digit /= f64::from(base);
        i /= base;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_independent_normals() {
        for d in [1, 2, 5, 12] {
            let points = normal_points(512, d);
            let n = (points.len() / d) as f64;
            for i in 0..d {
                let mean: f64 = points.chunks_exact(d).map(|x| x[i]).sum::<f64>() / n;
                let fourth: f64 = points.chunks_exact(d).map(|x| x[i].powi(4)).sum::<f64>() / n;
                assert!(mean.abs() < 1e-12 && (fourth - 3.0).abs() < 1.0, "{d} dimensions, fourth moment {fourth}");
                for j in 0..=i {
                    let second: f64 = points.chunks_exact(d).map(|x| x[i] * x[j]).sum::<f64>() / n;
                    assert!(
                        (second - f64::from(u8::from(i == j))).abs() < 1e-9,
                        "{d} dimensions, ({i}, {j}): {second}"
                    );
                }
            }
        }
    }
}
