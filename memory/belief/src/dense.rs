//! Small square matrices by rows (rankings: a handful of alternatives): elimination, factors, products.

/// `a b` of two `n` x `n` matrices.
pub(crate) fn multiply(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for k in 0..n {
            let scale = a[i * n + k];
            for j in 0..n {
                out[i * n + j] += scale * b[k * n + j];
            }
        }
    }
    out
}

/// `a x`.
pub(crate) fn apply(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(r, x)| r * x).sum()).collect()
}

/// `x' y`.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// `I + a b`.
pub(crate) fn identity_plus(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = multiply(a, b, n);
    for i in 0..n {
        out[i * n + i] += 1.0;
    }
    out
}

/// Makes `a` symmetric by averaging it with its transpose.
pub(crate) fn symmetrise(a: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (a[i * n + j] + a[j * n + i]);
            a[i * n + j] = mean;
            a[j * n + i] = mean;
        }
    }
}

/// Solves `a x = b` for `columns` right-hand sides (rows of `b` are rows of the system) by elimination with pivots.
/// Returns the solution and `ln |det a|`, or nothing when `a` is singular or has a negative determinant.
pub(crate) fn solve(a: &[f64], b: &[f64], n: usize, columns: usize) -> Option<(Vec<f64>, f64)> {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    let (mut ln_det, mut negative) = (0.0, false);
    for k in 0..n {
        let best = (k..n).fold(k, |best, i| if a[i * n + k].abs() > a[best * n + k].abs() { i } else { best });
        if best != k {
            negative = !negative;
            for j in 0..n {
                a.swap(k * n + j, best * n + j);
            }
            for j in 0..columns {
                b.swap(k * columns + j, best * columns + j);
            }
        }
        let pivot = a[k * n + k];
        if !pivot.is_finite() || pivot.abs() < 1e-300 {
            return None;
        }
        negative ^= pivot < 0.0;
        ln_det += libm::log(pivot.abs());
        for i in k + 1..n {
            let factor = a[i * n + k] / pivot;
            for j in k..n {
                a[i * n + j] -= factor * a[k * n + j];
            }
            for j in 0..columns {
                b[i * columns + j] -= factor * b[k * columns + j];
            }
        }
    }
    for k in (0..n).rev() {
        for j in 0..columns {
            let mut sum = b[k * columns + j];
            for i in k + 1..n {
                sum -= a[k * n + i] * b[i * columns + j];
            }
            b[k * columns + j] = sum / a[k * n + k];
        }
    }
    (!negative).then_some((b, ln_det))
}

/// Cholesky factor of a positive semidefinite matrix, by rows; a pivot lost to rounding gives a zero column.
pub(crate) fn factor(a: &[f64], n: usize) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    for j in 0..n {
        let pivot = a[j * n + j] - (0..j).map(|k| l[j * n + k] * l[j * n + k]).sum::<f64>();
        if pivot <= 1e-14 * a[j * n + j].abs() {
            continue;
        }
        l[j * n + j] = pivot.sqrt();
        for i in j + 1..n {
            let sum: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            l[i * n + j] = (a[i * n + j] - sum) / l[j * n + j];
        }
    }
    l
}

/// Whether a symmetric matrix is positive definite by a margin.
pub(crate) fn is_positive(a: &[f64], n: usize) -> bool {
    let mut l = vec![0.0; n * n];
    for j in 0..n {
        let pivot = a[j * n + j] - (0..j).map(|k| l[j * n + k] * l[j * n + k]).sum::<f64>();
        if !(pivot > 1e-12 && pivot.is_finite()) {
            return false;
        }
        l[j * n + j] = pivot.sqrt();
        for i in j + 1..n {
            let sum: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            l[i * n + j] = (a[i * n + j] - sum) / l[j * n + j];
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solving_undoes_multiplying() {
        let a = [2.0, 1.0, 0.0, 1.0, -3.0, 1.0, 0.5, 1.0, -4.0];
        let x = [1.0, -2.0, 0.5];
        let (back, ln_det) = solve(&a, &apply(&a, &x), 3, 1).expect("a positive determinant");
        assert!(back.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-14));
        assert!((ln_det - 26.5f64.ln()).abs() < 1e-12);
        assert!(solve(&[1.0, 2.0, 2.0, 4.0], &[1.0, 1.0], 2, 1).is_none(), "singular");
    }

    #[test]
    fn semidefinite_factors() {
        let a = [4.0, 2.0, 2.0, 2.0, 1.0, 1.0, 2.0, 1.0, 5.0];
        let l = factor(&a, 3);
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| l[i * 3 + k] * l[j * 3 + k]).sum();
                assert!((product - a[i * 3 + j]).abs() < 1e-12);
            }
        }
        assert!(!is_positive(&a, 3) && is_positive(&[2.0, 1.0, 1.0, 2.0], 2));
    }
}
