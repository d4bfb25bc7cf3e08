//! Dense matrices in row-major f32, and the three products that a linear layer and its gradients need.
//!
//! Every sum is taken in an order that does not depend on timing: a tile of the result belongs to one thread. So the
//! same build on the same processor family gives the same bits.

use gemm::Parallelism;

/// A row-major matrix: `rows` outputs by `columns` inputs for the weights of a linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// `rows * columns` numbers, row after row.
    pub data: Vec<f32>,
}

impl Matrix {
    /// One row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.columns..(row + 1) * self.columns]
    }
}

/// A matrix that lies somewhere in a slice: entry (i, j) is at `i * row_step + j * column_step`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The slice that it lies in.
    pub data: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Entries of the slice from one row to the next.
    pub row_step: usize,
    /// Entries of the slice from one column to the next.
    pub column_step: usize,
}

impl<'a> View<'a> {
    /// All of a row-major slice.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, row_step: columns, column_step: 1 }
    }

    /// `columns` of every `row_step`, from the slice's first entry: one head among several.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_step: usize) -> Self {
        Self { data, rows, columns, row_step, column_step: 1 }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row_step: self.column_step, column_step: self.row_step, ..self }
    }

    fn fits(&self) -> bool {
        let last = self.rows.saturating_sub(1) * self.row_step + self.columns.saturating_sub(1) * self.column_step;
        self.rows == 0 || self.columns == 0 || last < self.data.len()
    }
}

impl<'a> From<&'a Matrix> for View<'a> {
    fn from(matrix: &'a Matrix) -> Self {
        Self::new(&matrix.data, matrix.rows, matrix.columns)
    }
}

/// Whether a product replaces what stands in its destination or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The product replaces it.
    Replace,
    /// The product is added to it.
    Add,
}

/// `out (+)= scale * a b` on all threads of the current pool; `out` is row-major, `a.rows` by `b.columns`.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply(out: &mut [f32], put: Put, scale: f32, a: View<'_>, b: View<'_>) {
    product(out, put, scale, a, b, Parallelism::Rayon(rayon::current_num_threads()));
}

/// As [`multiply`], on the calling thread: for small products that are themselves spread over threads.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply_here(out: &mut [f32], put: Put, scale: f32, a: View<'_>, b: View<'_>) {
    product(out, put, scale, a, b, Parallelism::None);
}

fn product(out: &mut [f32], put: Put, scale: f32, a: View<'_>, b: View<'_>, parallelism: Parallelism) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(b.rows == k && a.fits() && b.fits() && out.len() >= m * n, "shapes of a product do not fit");
    let step = |steps: usize| isize::try_from(steps).expect("a slice is shorter than isize::MAX");
    // SAFETY: `fits` and the length of `out` were checked just above, so every entry that is read or written lies
    // inside its slice; `out` is borrowed mutably and so overlaps neither `a` nor `b`.
    #[expect(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            step(n),
            put == Put::Add,
            a.data.as_ptr(),
            step(a.column_step),
            step(a.row_step),
            b.data.as_ptr(),
            step(b.column_step),
            step(b.row_step),
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition() {
        let a: Vec<f32> = (0..6).map(|i| i as f32 - 2.0).collect();
        let b: Vec<f32> = (0..12).map(|i| 0.5 * i as f32).collect();
        let (a, b) = (View::new(&a, 2, 3), View::new(&b, 3, 4));
        let mut out = vec![1.0; 8];
        multiply(&mut out, Put::Add, 2.0, a, b);
        for i in 0..2 {
            for j in 0..4 {
                let sum: f32 = (0..3).map(|k| a.data[i * 3 + k] * b.data[k * 4 + j]).sum();
                assert_eq!(out[i * 4 + j], 1.0 + 2.0 * sum);
            }
        }
        let mut transposed = vec![0.0; 8];
        multiply_here(&mut transposed, Put::Replace, 1.0, b.t(), a.t());
        for i in 0..2 {
            for j in 0..4 {
                assert_eq!(2.0 * transposed[j * 2 + i] + 1.0, out[i * 4 + j]);
            }
        }
    }
}
