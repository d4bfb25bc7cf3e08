//! Causal attention over packed sequences, and its gradient.
//!
//! Probabilities are never kept: the gradient computes them anew from the logarithm of each row's normaliser, in blocks
//! of queries that look only at the keys they can see (Dao et al. 2022, FlashAttention, section 3.1).

use std::ops::Range;

use credence_priors::matrix::{Put, View, multiply_here};
use rayon::prelude::*;

use super::kernels::exp;

/// Queries that are treated together: scores of one block lie in the cache.
const BLOCK: usize = 64;

/// How the heads lie in a row, and what each token sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head: usize,
    pub(crate) scale: f32,
    /// Tokens that a token sees, itself included; `None` for all before it.
    pub(crate) window: Option<usize>,
}

/// What attention puts out, and what its gradient needs.
#[derive(Debug, Clone)]
pub(crate) struct Attended {
    /// tokens x (heads * head).
    pub(crate) out: Vec<f32>,
    /// ln of each softmax normaliser: tokens x heads.
    pub(crate) normaliser_ln: Vec<f32>,
}

/// Queries, keys and values of packed sequences, or their gradients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) query: &'a [f32],
    pub(crate) key: &'a [f32],
    pub(crate) value: &'a [f32],
    pub(crate) sequences: &'a [Range<usize>],
}

impl Attention {
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    fn tasks(&self, sequences: &[Range<usize>]) -> Vec<(Range<usize>, usize)> {
        sequences.iter().flat_map(|s| (0..self.heads).map(|h| (s.clone(), h))).collect()
    }

    fn blocks(&self, length: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<> {
        let window = self.window.unwrap_or(usize::MAX);
        (0..length).step_by(BLOCK).map(move |start| {
            let end = (start + BLOCK).min(length);
            (start..end, (start + 1).saturating_sub(window)..end)
        })
    }

    fn seen(&self, query: usize) -> Range<usize> {
        (query + 1).saturating_sub(self.window.unwrap_or(usize::MAX))..query + 1
    }

    /// Rows `rows` of one head, seen from the start of its sequence.
    fn view<'a>(&self, data: &'a [f32], of: usize, at: usize, first: usize, rows: &Range<usize>) -> View<'a> {
        let row = of * self.head;
        View::strided(&data[(first + rows.start) * row + at * self.head..], rows.len(), self.head, row)
    }

    /// Scaled scores of a block of queries against the keys it can see.
    fn scores(
        &self,
        i: &Inputs<'_>,
        first: usize,
        head: usize,
        queries: &Range<usize>,
        keys: &Range<usize>,
    ) -> Vec<f32> {
        let mut scores = vec![0.0; queries.len() * keys.len()];
        let q = self.view(i.query, self.heads, head, first, queries);
        let k = self.view(i.key, self.kv_heads, head / self.group(), first, keys);
        multiply_here(&mut scores, Put::Replace, self.scale, q, k.t());
        scores
    }

    /// Attention of every token to its own sequence.
    pub(crate) fn forward(&self, inputs: &Inputs<'_>) -> Attended {
        let tokens = inputs.query.len() / (self.heads * self.head);
        let tasks = self.tasks(inputs.sequences);
        let parts: Vec<(Vec<f32>, Vec<f32>)> =
            tasks.par_iter().map(|(sequence, head)| self.forward_head(inputs, sequence, *head)).collect();
        let mut attended =
            Attended { out: vec![0.0; inputs.query.len()], normaliser_ln: vec![0.0; tokens * self.heads] };
        for ((sequence, head), (out, normaliser_ln)) in tasks.iter().zip(parts) {
            scatter(&mut attended.out, &out, sequence.start, self.heads, *head, self.head);
            scatter(&mut attended.normaliser_ln, &normaliser_ln, sequence.start, self.heads, *head, 1);
        }
        attended
    }

    fn forward_head(&self, inputs: &Inputs<'_>, sequence: &Range<usize>, head: usize) -> (Vec<f32>, Vec<f32>) {
        let (first, length) = (sequence.start, sequence.len());
        let mut out = vec![0.0; length * self.head];
        let mut normaliser_ln = vec![0.0; length];
        for (queries, keys) in self.blocks(length) {
            let mut scores = self.scores(inputs, first, head, &queries, &keys);
            for (row, query) in scores.chunks_exact_mut(keys.len()).zip(queries.clone()) {
                let seen = self.seen(query);
                let seen = seen.start - keys.start..seen.end - keys.start;
                row[..seen.start].fill(0.0);
                row[seen.end..].fill(0.0);
                let row = &mut row[seen];
                let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for x in row.iter_mut() {
                    *x = exp(*x - max);
                    sum += *x;
                }
                row.iter_mut().for_each(|x| *x /= sum);
                normaliser_ln[query] = max + sum.ln();
            }
            let v = self.view(inputs.value, self.kv_heads, head / self.group(), first, &keys);
            let out = &mut out[queries.start * self.head..queries.end * self.head];
            multiply_here(out, Put::Replace, 1.0, View::new(&scores, queries.len(), keys.len()), v);
        }
        (out, normaliser_ln)
    }

    /// Gradients of queries, keys and values from `grad`, the gradient of what [`Self::forward`] put out.
    pub(crate) fn backward(&self, inputs: &Inputs<'_>, attended: &Attended, grad: &[f32]) -> [Vec<f32>; 3] {
        let tasks = self.tasks(inputs.sequences);
        let parts: Vec<[Vec<f32>; 3]> = tasks
            .par_iter()
            .map(|(sequence, head)| self.backward_head(inputs, attended, grad, sequence, *head))
            .collect();
        let mut grads = [inputs.query, inputs.key, inputs.value].map(|x| vec![0.0; x.len()]);
        // Heads that share keys and values are summed here, in order, rather than by whoever comes first.
        for ((sequence, head), [q, k, v]) in tasks.iter().zip(parts) {
            scatter(&mut grads[0], &q, sequence.start, self.heads, *head, self.head);
            scatter(&mut grads[1], &k, sequence.start, self.kv_heads, head / self.group(), self.head);
            scatter(&mut grads[2], &v, sequence.start, self.kv_heads, head / self.group(), self.head);
        }
        grads
    }

    fn backward_head(
        &self,
        inputs: &Inputs<'_>,
        attended: &Attended,
        grad: &[f32],
        sequence: &Range<usize>,
        head: usize,
    ) -> [Vec<f32>; 3] {
        let (first, length, shared) = (sequence.start, sequence.len(), head / self.group());
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; length * self.head]);
        for (queries, keys) in self.blocks(length) {
            let mut scores = self.scores(inputs, first, head, &queries, &keys);
            let d_out = self.view(grad, self.heads, head, first, &queries);
            let out = self.view(&attended.out, self.heads, head, first, &queries);
            let v = self.view(inputs.value, self.kv_heads, shared, first, &keys);
            let mut d_scores = vec![0.0; scores.len()];
            multiply_here(&mut d_scores, Put::Replace, 1.0, d_out, v.t());

            for (i, query) in queries.clone().enumerate() {
                let row = i * keys.len()..(i + 1) * keys.len();
                let (p, d) = (&mut scores[row.clone()], &mut d_scores[row]);
                let at = i * d_out.row_step..i * d_out.row_step + self.head;
                let along: f32 = d_out.data[at.clone()].iter().zip(&out.data[at]).map(|(a, b)| a * b).sum();
                let normaliser_ln = attended.normaliser_ln[(first + query) * self.heads + head];
                let seen = self.seen(query);
                let seen = seen.start - keys.start..seen.end - keys.start;
                for outside in [0..seen.start, seen.end..p.len()] {
                    p[outside.clone()].fill(0.0);
                    d[outside].fill(0.0);
                }
                for (p, d) in p[seen.clone()].iter_mut().zip(&mut d[seen]) {
                    *p = exp(*p - normaliser_ln);
                    *d = *p * (*d - along);
                }
            }
            let p = View::new(&scores, queries.len(), keys.len());
            let d = View::new(&d_scores, queries.len(), keys.len());
            let rows = |r: &Range<usize>| r.start * self.head..r.end * self.head;
            let q = self.view(inputs.query, self.heads, head, first, &queries);
            let k = self.view(inputs.key, self.kv_heads, shared, first, &keys);
            multiply_here(&mut dq[rows(&queries)], Put::Replace, self.scale, d, k);
            multiply_here(&mut dk[rows(&keys)], Put::Add, self.scale, d.t(), q);
            multiply_here(&mut dv[rows(&keys)], Put::Add, 1.0, p.t(), d_out);
        }
        [dq, dk, dv]
    }
}

/// Adds rows of `width` entries to column block `at` of `of` blocks, from row `first` on.
fn scatter(into: &mut [f32], from: &[f32], first: usize, of: usize, at: usize, width: usize) {
    for (i, row) in from.chunks_exact(width).enumerate() {
        let start = ((first + i) * of + at) * width;
        for (a, b) in into[start..start + width].iter_mut().zip(row) {
            *a += b;
        }
    }
}
