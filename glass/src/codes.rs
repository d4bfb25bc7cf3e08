//! Sparse codes: which entries fire in each row, and how strongly.

/// Codes of some rows over a dictionary, or the true activations of some features: only what is not zero is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    width: usize,
    starts: Vec<usize>,
    entries: Vec<u32>,
    values: Vec<f32>,
}

impl Codes {
    /// No rows yet, over `width` entries.
    pub fn new(width: usize) -> Self {
        Self { width, starts: vec![0], entries: Vec::new(), values: Vec::new() }
    }

    /// Adds a row of (entry, activation); entries must rise.
    ///
    /// # Panics
    /// If entries do not rise or reach the width.
    pub fn push(&mut self, row: impl IntoIterator<Item = (usize, f32)>) {
        let start = self.entries.len();
        for (entry, value) in row {
            let rises = self.entries[start..].last().is_none_or(|last| (*last as usize) < entry);
            assert!(entry < self.width && rises, "entries of a row must rise and be below the width");
            self.entries.push(entry as u32);
            self.values.push(value);
        }
        self.starts.push(self.entries.len());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of entries of the dictionary.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What fires in `row`: (entry, activation), entries rising.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let span = self.starts[row]..self.starts[row + 1];
        self.entries[span.clone()].iter().map(|e| *e as usize).zip(self.values[span].iter().copied())
    }

    /// Activation of `entry` in `row`; 0 where it is silent.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn get(&self, row: usize, entry: usize) -> f32 {
        let span = self.starts[row]..self.starts[row + 1];
        let found = self.entries[span.clone()].binary_search(&(entry as u32));
        found.map_or(0.0, |at| self.values[span.start + at])
    }

    /// Share of rows in which each entry fires.
    pub fn rates(&self) -> Vec<f64> {
        let mut counts = vec![0.0; self.width];
        self.entries.iter().for_each(|e| counts[*e as usize] += 1.0);
        counts.iter_mut().for_each(|c| *c /= self.rows().max(1) as f64);
        counts
    }

    /// Mean number of entries that fire in a row (L0).
    pub fn l0(&self) -> f64 {
        self.entries.len() as f64 / self.rows().max(1) as f64
    }
}
