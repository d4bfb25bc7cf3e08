//! The one dense product that is needed: every row of a matrix with every row of another.
//!
//! Each sum runs over the columns in order and belongs to one thread, so the bits do not depend on the number of
//! threads.

use rayon::prelude::*;

const LANES: usize = 8;
const ROWS: usize = 4;
const BLOCK: usize = 16 * ROWS;

/// `a b^T`: entry (i, j) is the inner product of row i of `a` and row j of `b`; both have `columns` columns.
pub(crate) fn inner_products(a: &[f32], b: &[f32], columns: usize) -> Vec<f32> {
    let (m, n) = (a.len() / columns, b.len() / columns);
    let tiles = pack(b, columns);
    let mut out = vec![0.0; m * n];
    let blocks = out.par_chunks_mut(BLOCK * n).zip(a.par_chunks(BLOCK * columns));
    blocks.for_each(|(out, a)| {
        for (tile, first) in tiles.chunks_exact(columns * LANES).zip((0..n).step_by(LANES)) {
            let tile = tile.as_chunks::<LANES>().0;
            let lanes = LANES.min(n - first);
            for (out, a) in out.chunks_mut(ROWS * n).zip(a.chunks(ROWS * columns)) {
                let sums = match rows_of(a, columns) {
                    Some([a, b, c, d]) => four(tile, a, b, c, d),
                    None => {
                        let mut sums = [[0.0; LANES]; ROWS];
                        for (sums, row) in sums.iter_mut().zip(a.chunks_exact(columns)) {
                            *sums = four(tile, row, row, row, row)[0];
                        }
                        sums
                    }
                };
                for (out, sums) in out.chunks_exact_mut(n).zip(&sums) {
                    out[first..first + lanes].copy_from_slice(&sums[..lanes]);
                }
            }
        }
    });
    out
}

/// The four rows of a block, where it has four.
fn rows_of(block: &[f32], columns: usize) -> Option<[&[f32]; ROWS]> {
    (block.len() == ROWS * columns).then(|| std::array::from_fn(|row| &block[row * columns..(row + 1) * columns]))
}

/// Four rows with eight at once: few enough sums to stay in registers.
fn four(tile: &[[f32; LANES]], a: &[f32], b: &[f32], c: &[f32], d: &[f32]) -> [[f32; LANES]; ROWS] {
    let mut sums = [[0.0; LANES]; ROWS];
    for ((((w, a), b), c), d) in tile.iter().zip(a).zip(b).zip(c).zip(d) {
        for lane in 0..LANES {
            sums[0][lane] += a * w[lane];
            sums[1][lane] += b * w[lane];
            sums[2][lane] += c * w[lane];
            sums[3][lane] += d * w[lane];
        }
    }
    sums
}

/// Groups of eight rows of `b`, column by column, padded with zeros.
fn pack(b: &[f32], columns: usize) -> Vec<f32> {
    let n = b.len() / columns;
    let mut tiles = vec![0.0; n.div_ceil(LANES) * LANES * columns];
    for (row, values) in b.chunks_exact(columns).enumerate() {
        let start = row / LANES * LANES * columns + row % LANES;
        tiles[start..].iter_mut().step_by(LANES).zip(values).for_each(|(to, x)| *to = *x);
    }
    tiles
}

/// Inner product of two vectors of equal length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a_rest) = a.as_chunks::<LANES>();
    let (b8, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// `to += scale * from`.
pub(crate) fn add_scaled(to: &mut [f32], scale: f32, from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to += scale * x);
}

/// Scales a vector to length 1; a vector of length 0 stays.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = dot(vector, vector).sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x /= norm);
    }
}

/// Cosines of every row of `a` with every row of `b`; a row of length 0 has cosine 0 with all.
pub(crate) fn cosines(a: &[f32], b: &[f32], columns: usize) -> Vec<f32> {
    let unit = |matrix: &[f32]| {
        let mut unit = matrix.to_vec();
        unit.chunks_exact_mut(columns).for_each(normalise);
        unit
    };
    inner_products(&unit(a), &unit(b), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition() {
        for (m, n, columns) in [(1, 1, 1), (4, 8, 5), (7, 19, 3), (70, 9, 17)] {
            let a: Vec<f32> = (0..m * columns).map(|i| (i % 13) as f32 - 6.0).collect();
            let b: Vec<f32> = (0..n * columns).map(|i| (i % 7) as f32 * 0.5).collect();
            let out = inner_products(&a, &b, columns);
            for (i, a) in a.chunks_exact(columns).enumerate() {
                for (j, b) in b.chunks_exact(columns).enumerate() {
                    let sum: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert_eq!(out[i * n + j], sum, "{m} x {n} x {columns}, ({i}, {j})");
                    assert_eq!(dot(a, b), sum);
                }
            }
        }
    }
}
