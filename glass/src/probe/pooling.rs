//! From the states of all tokens of a text to the few rows that a probe is fitted on, token by token.

use serde::{Deserialize, Serialize};

use super::error::PoolError;

/// Most rows that are kept of one text for one pooling, so that a long text cannot ask for all memory.
pub const PIECES_MAX: usize = 4096;

/// How the states of a text's tokens become one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pooling {
    /// The score of the last token.
    Last,
    /// The mean score of all tokens.
    Mean,
    /// The highest mean score of a window of so many tokens. Windows overlap by half (rounded down); what is left at the
    /// end makes one shorter window of more than half the length. A shorter text is one window.
    RollingMax {
        /// Tokens in a window.
        window: usize,
    },
    /// The highest score of a token.
    HardMax,
}

impl Pooling {
    /// Tokens in a window, for the two that take a maximum.
    pub fn window(self) -> Option<usize> {
        match self {
            Self::Last | Self::Mean => None,
            Self::RollingMax { window } => Some(window),
            Self::HardMax => Some(1),
        }
    }

    pub(crate) fn check(self) -> Result<(), PoolError> {
        if self.window() == Some(0) { Err(PoolError::Window) } else { Ok(()) }
    }
}

impl std::fmt::Display for Pooling {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Last => write!(f, "last token"),
            Self::Mean => write!(f, "mean"),
            Self::RollingMax { window } => write!(f, "rolling maximum of {window} tokens"),
            Self::HardMax => write!(f, "hard maximum"),
        }
    }
}

/// Means over windows that overlap by half, of rows of numbers. At most two windows are open at a time.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    window: usize,
    stride: usize,
    width: usize,
    seen: usize,
    sums: [Vec<f64>; 2],
    counts: [usize; 2],
}

impl Windows {
    pub(crate) fn new(width: usize, window: usize) -> Self {
        let sums = [vec![0.0; width], vec![0.0; width]];
        Self { window, stride: window.div_ceil(2), width, seen: 0, sums, counts: [0; 2] }
    }

    /// Takes the next row; `emit` gets the mean of the window that it completes, if any.
    pub(crate) fn push<T: Copy + Into<f64>>(&mut self, row: &[T], mut emit: impl FnMut(&[f64])) {
        // A slot is free again when it is needed: a window is no longer than two strides.
        let opens = self.seen.is_multiple_of(self.stride).then_some(self.seen / self.stride % 2);
        self.seen += 1;
        for slot in 0..2 {
            if opens == Some(slot) {
                self.sums[slot].fill(0.0);
            } else if self.counts[slot] == 0 {
                continue;
            }
            self.counts[slot] += 1;
            self.sums[slot].iter_mut().zip(row).for_each(|(sum, x)| *sum += (*x).into());
            if self.counts[slot] == self.window {
                emit(&self.mean(slot));
                self.counts[slot] = 0;
            }
        }
    }

    /// The mean of the shorter window that a text which ends here leaves over, if any.
    pub(crate) fn rest(&self) -> Option<Vec<f64>> {
        // If the last token completed a window, everything is covered.
        let ends = self.seen >= self.window && (self.seen - self.window).is_multiple_of(self.stride);
        let oldest = usize::from(self.counts[1] > self.counts[0]);
        (!ends && self.counts[oldest] > 0).then(|| self.mean(oldest))
    }

    fn mean(&self, slot: usize) -> Vec<f64> {
        let count = self.counts[slot] as f64;
        self.sums[slot][..self.width].iter().map(|sum| sum / count).collect()
    }
}

/// Gathers the rows of one text at one layer for several poolings, without keeping all tokens.
#[derive(Debug, Clone)]
pub struct Pooler {
    width: usize,
    tokens: usize,
    gathered: Vec<Gathered>,
}

#[derive(Debug, Clone)]
enum Gathered {
    Last(Vec<f32>),
    Mean(Vec<f64>),
    Windows(Windows, Vec<f32>),
}

impl Pooler {
    /// For states of `width` numbers.
    ///
    /// # Errors
    /// If the width is 0 or a window has no tokens.
    pub fn new(width: usize, poolings: &[Pooling]) -> Result<Self, PoolError> {
        if width == 0 {
            return Err(PoolError::Width { found: 0, width });
        }
        let mut gathered = Vec::with_capacity(poolings.len());
        for pooling in poolings {
            pooling.check()?;
            gathered.push(match (*pooling, pooling.window()) {
                (_, Some(window)) => Gathered::Windows(Windows::new(width, window), Vec::new()),
                (Pooling::Last, _) => Gathered::Last(Vec::new()),
                _ => Gathered::Mean(vec![0.0; width]),
            });
        }
        Ok(Self { width, tokens: 0, gathered })
    }

    /// Tokens that were taken.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Takes the next tokens, `tokens x width`, row after row. A text may come in as many parts as is convenient.
    ///
    /// # Errors
    /// If the numbers are not whole rows or not finite, or there would be more than [`PIECES_MAX`] pieces.
    pub fn push(&mut self, rows: &[f32]) -> Result<(), PoolError> {
        if !rows.len().is_multiple_of(self.width) {
            return Err(PoolError::Width { found: rows.len(), width: self.width });
        }
        if let Some(at) = rows.iter().position(|x| !x.is_finite()) {
            return Err(PoolError::NotFinite { token: self.tokens + at / self.width, column: at % self.width });
        }
        for gathered in &mut self.gathered {
            for row in rows.chunks_exact(self.width) {
                match gathered {
                    Gathered::Last(last) => row.clone_into(last),
                    Gathered::Mean(sum) => sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x)),
                    Gathered::Windows(windows, pieces) => {
                        windows.push(row, |mean| pieces.extend(mean.iter().map(|x| *x as f32)));
                    }
                }
            }
            if let Gathered::Windows(_, pieces) = gathered
                && pieces.len() / self.width >= PIECES_MAX
            {
                return Err(PoolError::TooLong { most: PIECES_MAX });
            }
        }
        self.tokens += rows.len() / self.width;
        Ok(())
    }

    /// For each pooling its rows, `pieces x width`: one for the last token and the mean, one a window for a maximum.
    ///
    /// # Errors
    /// If no token came.
    pub fn finish(self) -> Result<Vec<Vec<f32>>, PoolError> {
        if self.tokens == 0 {
            return Err(PoolError::NoTokens);
        }
        let pieces = self.gathered.into_iter().map(|gathered| match gathered {
            Gathered::Last(row) => row,
            Gathered::Mean(sum) => sum.iter().map(|x| (x / self.tokens as f64) as f32).collect(),
            Gathered::Windows(windows, mut pieces) => {
                pieces.extend(windows.rest().iter().flatten().map(|x| *x as f32));
                pieces
            }
        });
        Ok(pieces.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of a text by their definition: first token and the one after the last.
    fn defined(tokens: usize, window: usize) -> Vec<(usize, usize)> {
        let stride = window.div_ceil(2);
        let mut all: Vec<(usize, usize)> =
            (0..tokens).step_by(stride).map(|s| (s, s + window)).filter(|(_, end)| *end <= tokens).collect();
        if all.last().is_none_or(|(_, end)| *end < tokens) {
            all.push((all.len() * stride, tokens));
        }
        all
    }

    #[test]
    fn windows_are_those_of_the_definition_however_the_text_is_cut() {
        for window in 1..9 {
            for tokens in 1..40 {
                let states: Vec<f32> = (0..tokens * 2).map(|i| ((i * 7919) % 101) as f32).collect();
                let expected: Vec<f32> = defined(tokens, window)
                    .into_iter()
                    .flat_map(|(start, end)| {
                        [0, 1].map(|column| {
                            let sum: f64 = (start..end).map(|t| f64::from(states[2 * t + column])).sum();
                            (sum / (end - start) as f64) as f32
                        })
                    })
                    .collect();
                for part in [1, 3, tokens] {
                    let mut pooler = Pooler::new(2, &[Pooling::RollingMax { window }, Pooling::Last]).unwrap();
                    states.chunks(2 * part).for_each(|rows| pooler.push(rows).unwrap());
                    let found = pooler.finish().unwrap();
                    assert_eq!(found[0], expected, "window {window}, {tokens} tokens");
                    assert_eq!(found[1], states[2 * tokens - 2..]);
                }
            }
        }
    }

    #[test]
    fn what_is_not_states_is_refused() {
        let pooler = || Pooler::new(2, &[Pooling::Mean, Pooling::HardMax]).unwrap();
        assert_eq!(pooler().push(&[1.0; 3]), Err(PoolError::Width { found: 3, width: 2 }));
        let mut started = pooler();
        started.push(&[1.0; 2]).unwrap();
        let error = started.push(&[1.0, 1.0, 1.0, f32::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "token 2, column 1 is not a finite number");
        assert_eq!(pooler().finish().err(), Some(PoolError::NoTokens));
        assert_eq!(Pooler::new(2, &[Pooling::RollingMax { window: 0 }]).err(), Some(PoolError::Window));
        assert!(matches!(pooler().push(&[0.0; 2 * PIECES_MAX]), Err(PoolError::TooLong { .. })));
    }
}
