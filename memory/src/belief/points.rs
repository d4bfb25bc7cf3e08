//! Fixed quasi-random normal points: the same for every call, so every score is a function of belief alone.

use super::normal::quantile;

/// `count` pairs `x, -x` of points in `dimension` dimensions, standard normal, flat rows: Roberts' additive recurrence.
pub(crate) fn normal_points(count: usize, dimension: usize) -> Vec<f64> {
    // The root of x^(d+1) = x + 1 generalises the golden ratio.
    let mut root: f64 = 1.5;
    for _ in 0..60 {
        root = libm::pow(1.0 + root, 1.0 / (dimension as f64 + 1.0));
    }
    let mut points = Vec::with_capacity(2 * count * dimension);
    for i in 0..count {
        let start = points.len();
        let mut stride = 1.0;
        for _ in 0..dimension {
            stride /= root;
            let x = 0.5 + stride * (i as f64 + 1.0);
            points.push(quantile((x - x.floor()).clamp(1e-9, 1.0 - 1e-9)));
        }
        points.extend_from_within(start..);
        points[start + dimension..].iter_mut().for_each(|x| *x = -*x);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_independent_normals() {
        for d in [1, 2, 5] {
            let points = normal_points(2048, d);
            let n = (points.len() / d) as f64;
            for i in 0..d {
                let mean: f64 = points.chunks_exact(d).map(|x| x[i]).sum::<f64>() / n;
                assert!(mean.abs() < 1e-12);
                for j in 0..=i {
                    let second: f64 = points.chunks_exact(d).map(|x| x[i] * x[j]).sum::<f64>() / n;
                    let expected = f64::from(u8::from(i == j));
                    assert!((second - expected).abs() < 0.02, "{d} dimensions, ({i}, {j}): {second}");
                }
            }
        }
    }
}
