//! Kernel ridge regression and principal components on a few thousand rows, by products of matrices alone.

use nalgebra::{DMatrix, SymmetricEigen};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::matrix::{Matrix, Put, View, multiply};

/// Sums end when the residual is so small beside what was asked for.
const TOLERANCE: f32 = 1e-4;
/// ... or after so many steps.
const STEPS_MAX: usize = 300;
/// Directions more than asked for, and passes over the data: what is found is then as good as exact.
const OVERSAMPLED: usize = 16;
const PASSES: usize = 4;

/// `a b`.
pub(super) fn product(a: View<'_>, b: View<'_>) -> Matrix {
    let mut out = Matrix { rows: a.rows, columns: b.columns, data: vec![0.0; a.rows * b.columns] };
    multiply(&mut out.data, Put::Replace, 1.0, a, b);
    out
}

/// Solves `(M K M + ridge) a = M y` by conjugate gradients, column by column at once. `K` is symmetric and positive; `M`
/// keeps the rows with a weight of one and silences those with zero; `y` is rows x columns, and so is the result.
pub(super) fn ridge(kernel: &Matrix, weights: &[f32], ridge: f32, y: &Matrix) -> Matrix {
    let (rows, columns) = (y.rows, y.columns);
    let silence = |matrix: &mut Matrix| {
        for (row, weight) in matrix.data.chunks_mut(columns).zip(weights) {
            row.iter_mut().for_each(|entry| *entry *= weight);
        }
    };
    let dots = |a: &Matrix, b: &Matrix| {
        let mut sums = vec![0.0_f64; columns];
        for (a, b) in a.data.chunks(columns).zip(b.data.chunks(columns)) {
            sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += f64::from(*a) * f64::from(*b));
        }
        sums
    };
    let mut solution = Matrix { rows, columns, data: vec![0.0; rows * columns] };
    let mut residual = y.clone();
    silence(&mut residual);
    let mut direction = residual.clone();
    let mut size = dots(&residual, &residual);
    let enough: Vec<f64> = size.iter().map(|size| size * f64::from(TOLERANCE * TOLERANCE)).collect();
    for _ in 0..STEPS_MAX {
        if size.iter().zip(&enough).all(|(size, enough)| size <= enough) {
            break;
        }
        let mut image = product(View::from(kernel), View::from(&direction));
        silence(&mut image);
        image.data.iter_mut().zip(&direction.data).for_each(|(image, direction)| *image += ridge * direction);
        let curvature = dots(&direction, &image);
        let step: Vec<f32> = (0..columns)
            .map(|c| if size[c] > enough[c] && curvature[c] > 0.0 { (size[c] / curvature[c]) as f32 } else { 0.0 })
            .collect();
        for at in 0..rows * columns {
            solution.data[at] += step[at % columns] * direction.data[at];
            residual.data[at] -= step[at % columns] * image.data[at];
        }
        let next = dots(&residual, &residual);
        for at in 0..rows * columns {
            let c = at % columns;
            let turn = if size[c] > 0.0 { (next[c] / size[c]) as f32 } else { 0.0 };
            direction.data[at] = residual.data[at] + turn * direction.data[at];
        }
        size = next;
    }
    solution
}

/// The first `count` principal directions of rows (not centred here), one a row, each of length one.
///
/// Randomised subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4), always from the same start.
pub(super) fn components(rows: &Matrix, count: usize) -> Matrix {
    let width = rows.columns;
    let count = count.min(width).min(rows.rows);
    let wide = (count + OVERSAMPLED).min(width).min(rows.rows);
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let start = (0..width * wide).map(|_| random.random_range(-1.0_f32..1.0)).collect();
    // Width x wide.
    let mut basis = Matrix { rows: width, columns: wide, data: start };
    for _ in 0..PASSES {
        let seen = product(View::from(rows), View::from(&basis));
        basis = orthonormal(&product(View::from(rows).t(), View::from(&seen)));
    }
    let seen = product(View::from(rows), View::from(&basis));
    let gram = product(View::from(&seen).t(), View::from(&seen));
    let eigen = SymmetricEigen::new(DMatrix::from_fn(gram.rows, gram.rows, |i, j| f64::from(gram.row(i)[j])));
    let mut order: Vec<usize> = (0..gram.rows).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let turn = Matrix {
        rows: count,
        columns: gram.rows,
        data: order
            .into_iter()
            .take(count)
            .flat_map(|k| eigen.eigenvectors.column(k).iter().map(|entry| *entry as f32).collect::<Vec<_>>())
            .collect(),
    };
    let found = product(View::from(&turn), View::from(&basis).t());
    Matrix { rows: count, columns: width, data: found.data }
}

/// Columns made orthonormal, by the eigenvectors of their inner products; what has no length of its own becomes zero.
fn orthonormal(columns: &Matrix) -> Matrix {
    let gram = product(View::from(columns).t(), View::from(columns));
    let size = gram.rows;
    let eigen = SymmetricEigen::new(DMatrix::from_fn(size, size, |i, j| f64::from(gram.row(i)[j])));
    let largest = eigen.eigenvalues.max();
    let turn = (0..size).flat_map(|i| (0..size).map(move |j| (i, j))).map(|(i, j)| {
        let value = eigen.eigenvalues[j];
        if value > 1e-9 * largest { (eigen.eigenvectors[(i, j)] / value.sqrt()) as f32 } else { 0.0 }
    });
    let turn = Matrix { rows: size, columns: size, data: turn.collect() };
    product(View::from(columns), View::from(&turn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Matrix { rows, columns, data: (0..rows * columns).map(|_| random.random_range(-1.0_f32..1.0)).collect() }
    }

    #[test]
    fn ridge_solves_what_it_says_and_ignores_silenced_rows() {
        let x = random(40, 12, 1);
        let kernel = product(View::from(&x), View::from(&x).t());
        let y = random(40, 3, 2);
        let weights: Vec<f32> = (0..40).map(|i| if i % 5 == 0 { 0.0 } else { 1.0 }).collect();
        let found = ridge(&kernel, &weights, 0.5, &y);
        let back = product(View::from(&kernel), View::from(&found));
        for i in 0..40 {
            for c in 0..3 {
                let (a, expected) = (found.row(i)[c], y.row(i)[c]);
                if i % 5 == 0 {
                    assert!(a.abs() < 1e-6);
                } else {
                    assert!((back.row(i)[c] + 0.5 * a - expected).abs() < 1e-3, "{i} {c}");
                }
            }
        }
    }

    #[test]
    fn components_are_those_of_a_planted_plane() {
        let (at, plane) = (random(60, 2, 3), random(2, 30, 4));
        let mut rows = product(View::from(&at), View::from(&plane));
        let noise = random(60, 30, 5);
        rows.data.iter_mut().zip(&noise.data).for_each(|(entry, noise)| *entry += 0.01 * noise);
        let found = components(&rows, 2);
        let inside = product(View::from(&rows), View::from(&found).t());
        let share = inside.data.iter().map(|x| x * x).sum::<f32>() / rows.data.iter().map(|x| x * x).sum::<f32>();
        assert!(share > 0.999, "{share}");
        let gram = product(View::from(&found), View::from(&found).t());
        assert!((gram.row(0)[0] - 1.0).abs() < 1e-4 && gram.row(0)[1].abs() < 1e-4);
    }
}
