//! Symmetric matrices as their lower triangle by rows, in one flat slice: the inner loops of the whole engine.
//!
//! Rows are handed out as slices and walked in lanes of four, so the compiler vectorises without reordering a sum.

/// Length of the packed lower triangle of a `d` x `d` matrix.
pub fn packed_len(d: usize) -> usize {
    d * (d + 1) / 2
}

/// Rows of a packed lower triangle, the `i`-th of length `i + 1`.
pub fn rows(mut packed: &[f64]) -> impl Iterator<Item = &[f64]> {
    let mut length = 0;
    std::iter::from_fn(move || {
        length += 1;
        let (row, rest) = packed.split_at_checked(length)?;
        packed = rest;
        Some(row)
    })
}

/// `sum_i x_i y_i`, in four lanes and a fixed order.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (xs, ys) = (x.chunks_exact(4), y.chunks_exact(4));
    let tail: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for k in 0..4 {
            lanes[k] += a[k] * b[k];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + tail
}

/// Index of the greatest; the first of equals.
pub(crate) fn first_max(x: &[f64]) -> usize {
    x.iter().enumerate().fold(0, |best, (i, &v)| if v > x[best] { i } else { best })
}

/// `y <- y + c x`.
pub fn add_scaled(y: &mut [f64], c: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += c * x;
    }
}

/// `out <- V a`.
pub fn multiply(packed: &[f64], a: &[f64], out: &mut [f64]) {
    let mut rest = packed;
    for i in 0..a.len() {
        let (row, after) = rest.split_at(i + 1);
        rest = after;
        let (below, here) = out.split_at_mut(i);
        let (row, diagonal) = (&row[..i], row[i]);
        let ai = a[i];
        let mut lanes = [0.0; 4];
        let mut r4 = row.chunks_exact(4);
        let mut a4 = a[..i].chunks_exact(4);
        let mut o4 = below.chunks_exact_mut(4);
        for ((r, x), o) in (&mut r4).zip(&mut a4).zip(&mut o4) {
            for k in 0..4 {
                lanes[k] += r[k] * x[k];
                o[k] += ai * r[k];
            }
        }
        let mut sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        for ((r, x), o) in r4.remainder().iter().zip(a4.remainder()).zip(o4.into_remainder()) {
            sum += r * x;
            *o += ai * r;
        }
        here[0] = sum + diagonal * ai;
    }
}

/// `V <- V + c g g'`.
pub fn rank_one(packed: &mut [f64], c: f64, g: &[f64]) {
    let mut rest = packed;
    for i in 0..g.len() {
        let (row, after) = rest.split_at_mut(i + 1);
        rest = after;
        add_scaled(row, c * g[i], &g[..=i]);
    }
}

/// The diagonal.
pub fn diagonal(packed: &[f64]) -> impl Iterator<Item = f64> + '_ {
    rows(packed).map(|row| row[row.len() - 1])
}

/// Replaces a positive definite matrix by its Cholesky factor `L` (`V = L L'`); `false`, with the content spoilt, when it is not one.
#[must_use]
pub fn cholesky(packed: &mut [f64], d: usize) -> bool {
    for i in 0..d {
        let (above, here) = packed.split_at_mut(packed_len(i));
        let row = &mut here[..=i];
        for j in 0..i {
            let factor = &above[packed_len(j)..packed_len(j) + j + 1];
            row[j] = (row[j] - dot(&row[..j], &factor[..j])) / factor[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        row[i] = pivot.sqrt();
    }
    true
}

/// `ln det V` from its Cholesky factor.
pub fn ln_determinant(factor: &[f64]) -> f64 {
    2.0 * diagonal(factor).map(libm::log).sum::<f64>()
}

/// Inverse of `V` from its Cholesky factor, packed: `out = L^-T L^-1`, hence positive semidefinite by construction.
pub fn inverse(factor: &[f64], d: usize, out: &mut Vec<f64>) {
    // Row i of L^-1 is (e_i - sum_{j<i} L_ij row_j) / L_ii.
    let mut lower = vec![0.0; packed_len(d)];
    for i in 0..d {
        let (above, here) = lower.split_at_mut(packed_len(i));
        let row = &mut here[..=i];
        let factor_row = &factor[packed_len(i)..packed_len(i) + i + 1];
        row[i] = 1.0;
        for j in 0..i {
            add_scaled(&mut row[..=j], -factor_row[j], &above[packed_len(j)..packed_len(j) + j + 1]);
        }
        let scale = 1.0 / factor_row[i];
        row.iter_mut().for_each(|x| *x *= scale);
    }
    out.clear();
    out.resize(packed_len(d), 0.0);
    for k in 0..d {
        let row = &lower[packed_len(k)..packed_len(k) + k + 1];
        rank_one(&mut out[..packed_len(k + 1)], 1.0, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_times_matrix_is_the_identity() {
        let d = 7;
        let mut v = vec![0.0; packed_len(d)];
        for k in 0..d {
            v[packed_len(k) + k] = 1.0 + k as f64;
        }
        for seed in 0..d {
            let g: Vec<f64> = (0..d).map(|i| libm::sin((seed * d + i) as f64)).collect();
            rank_one(&mut v, 0.7, &g);
        }
        let mut factor = v.clone();
        assert!(cholesky(&mut factor, d));
        let mut inverse_packed = Vec::new();
        inverse(&factor, d, &mut inverse_packed);
        for k in 0..d {
            let unit: Vec<f64> = (0..d).map(|i| f64::from(u8::from(i == k))).collect();
            let (mut column, mut back) = (vec![0.0; d], vec![0.0; d]);
            multiply(&inverse_packed, &unit, &mut column);
            multiply(&v, &column, &mut back);
            for (i, x) in back.iter().enumerate() {
                assert!((x - unit[i]).abs() < 1e-12);
            }
        }
        let mut indefinite = vec![1.0, 2.0, 1.0];
        assert!(!cholesky(&mut indefinite, 2));
    }
}
