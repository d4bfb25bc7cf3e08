//! Matrices in eight bits: a scale for each row.

use crate::matrix::Matrix;

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Quantised {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) scales: Vec<f32>,
    pub(super) entries: Vec<i8>,
}

impl Quantised {
    pub(super) fn of(matrix: &Matrix) -> Self {
        let mut quantised = Self { rows: matrix.rows, columns: matrix.columns, ..Self::default() };
        for row in matrix.data.chunks(matrix.columns.max(1)) {
            let largest = row.iter().fold(0.0_f32, |largest, entry| largest.max(entry.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            quantised.scales.push(scale);
            quantised.entries.extend(row.iter().map(|entry| (entry / scale).round().clamp(-127.0, 127.0) as i8));
        }
        quantised
    }

    /// Inner product of a row with a vector.
    pub(super) fn dot(&self, row: usize, vector: &[f32]) -> f32 {
        let entries = &self.entries[row * self.columns..(row + 1) * self.columns];
        let sum: f32 = entries.iter().zip(vector).map(|(entry, x)| f32::from(*entry) * x).sum();
        sum * self.scales[row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_numbers_to_a_part_in_two_hundred_of_the_largest() {
        let matrix = Matrix { rows: 2, columns: 3, data: vec![1.0, -0.5, 0.013, 0.0, 0.0, 0.0] };
        let quantised = Quantised::of(&matrix);
        for (row, axis) in [(0, [1.0, 0.0, 0.0]), (0, [0.0, 1.0, 0.0]), (0, [0.0, 0.0, 1.0]), (1, [1.0, 1.0, 1.0])] {
            let expected: f32 = matrix.row(row).iter().zip(&axis).map(|(a, b)| a * b).sum();
            assert!((quantised.dot(row, &axis) - expected).abs() <= 0.5 / 127.0);
        }
    }
}
