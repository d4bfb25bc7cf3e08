//! Scoring prompts: many in one batch, each common beginning evaluated once.
//!
//! Prompts are sorted and laid out as a tree: a token that several prompts share is one cell of the cache that belongs
//! to all their sequences (llama.cpp's unified cache), so nothing is copied and nothing is computed twice.
//!
//! What all prompts of a batch begin with (a briefing, a situation) is evaluated apart, in pieces of [`PREFIX`] tokens, and kept from one
//! call to the next. Whether it was kept or not, the pieces are the same, and so are the bits of what is read.

use std::sync::Arc;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use llama_cpp_2::token::LlamaToken;

use super::{Llama, common_prefix, compute_error, context_parameters, log};
use crate::model::{Continuation, LogLikelihood, ModelError, Reading, Readout};

/// Prompts in one batch. Each may need a row of logits as wide as the vocabulary (200 kB for the default model).
pub(super) const SEQUENCES_MAX: usize = 64;
/// Rows of logits in one batch.
const ROWS_MAX: usize = 96;
/// Tokens in one batch of unrelated prompts: what llama.cpp evaluates in one go. Attention looks at every cell, so a
/// larger batch of short prompts would be slower.
const TOKENS_PREFERRED: usize = 512;
/// Prompts that share at least this many tokens go into one batch beyond [`TOKENS_PREFERRED`].
const SHARED_WORTH_KEEPING: usize = 64;

/// A common beginning is kept in pieces of so many tokens.
const PREFIX: usize = 64;

/// A token sequence, and for each position from `first_row` to the last the tokens whose ln p after it is wanted.
pub(super) struct Query {
    pub(super) tokens: Vec<LlamaToken>,
    pub(super) first_row: usize,
    pub(super) wanted: Vec<Vec<LlamaToken>>,
}

/// One token of the tree.
pub(super) struct Node {
    pub(super) token: LlamaToken,
    pub(super) position: i32,
    pub(super) sequences: Vec<i32>,
    has_row: bool,
}

#[derive(Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    rows: usize,
    /// For each query, its nodes from the first row on.
    pub(super) row_nodes: Vec<Vec<usize>>,
    /// Nodes of the query added last.
    path: Vec<usize>,
}

impl Tree {
    /// Adds a query that shares its first `shared` tokens with the one added last.
    pub(super) fn add(&mut self, query: &Query, shared: usize) {
        let sequence = i32::try_from(self.row_nodes.len()).unwrap_or(i32::MAX);
        self.path.truncate(shared);
        for &node in &self.path {
            self.nodes[node].sequences.push(sequence);
        }
        for (position, &token) in query.tokens.iter().enumerate().skip(shared) {
            self.path.push(self.nodes.len());
            let position = i32::try_from(position).unwrap_or(i32::MAX);
            self.nodes.push(Node { token, position, sequences: vec![sequence], has_row: false });
        }
        for &node in &self.path[query.first_row..] {
            self.rows += usize::from(!self.nodes[node].has_row);
            self.nodes[node].has_row = true;
        }
        self.row_nodes.push(self.path[query.first_row..].to_vec());
    }

    fn has_room_for(&self, query: &Query, shared: usize, context: usize) -> bool {
        let tokens = self.nodes.len() + query.tokens.len() - shared;
        self.row_nodes.is_empty()
            || (self.row_nodes.len() < SEQUENCES_MAX
                && self.rows + query.wanted.len() <= ROWS_MAX
                && tokens <= context
                && (tokens <= TOKENS_PREFERRED || shared >= SHARED_WORTH_KEEPING))
    }
}

pub(super) fn new_context(
    model: &Arc<LlamaModel>,
    adapter: Option<&mut LlamaLoraAdapter>,
    context: u32,
    threads: i32,
) -> Result<LlamaContext<'static>, ModelError> {
    let parameters = context_parameters(context, threads).with_n_seq_max(SEQUENCES_MAX as u32).with_kv_unified(true);
    super::new_context(model, adapter, parameters)
}

impl Llama {
    pub(super) fn read_all(&mut self, readings: &[Reading]) -> Result<Vec<Readout>, ModelError> {
        let mut queries = Vec::with_capacity(readings.len());
        for reading in readings {
            let tokens = self.prompt_tokens(&reading.prompt)?;
            self.check_length(tokens.len(), &reading.prompt)?;
            let wanted: Result<_, _> =
                reading.continuations.iter().map(|text| self.first_token(&reading.prompt, text)).collect();
            queries.push(Query { first_row: tokens.len() - 1, tokens, wanted: vec![wanted?] });
        }
        let answers = self.evaluate(&queries)?;
        Ok(answers.into_iter().map(|rows| Readout { ln_p: rows.into_iter().flatten().collect() }).collect())
    }

    pub(super) fn score_all(&mut self, continuations: &[Continuation]) -> Result<Vec<LogLikelihood>, ModelError> {
        let mut queries = Vec::with_capacity(continuations.len());
        for Continuation { prompt, text } in continuations {
            let before = self.prompt_tokens(prompt)?;
            let whole = self.prompt_tokens(&format!("{prompt}{text}"))?;
            self.check_length(whole.len(), prompt)?;
            // A tokenizer may merge across the seam; then the merged token is scored as part of the text.
            let shared = common_prefix(&before, &whole);
            if shared == 0 || shared == whole.len() {
                return Err(ModelError::Empty(text.clone()));
            }
            let wanted = whole[shared..].iter().map(|&token| vec![token]).collect();
            queries.push(Query { tokens: whole[..whole.len() - 1].to_vec(), first_row: shared - 1, wanted });
        }
        let answers = self.evaluate(&queries)?;
        Ok(answers
            .into_iter()
            .map(|rows| LogLikelihood { tokens: rows.len(), ln_p: rows.iter().flatten().sum() })
            .collect())
    }

    /// The first token of `text` after `prompt`.
    fn first_token(&mut self, prompt: &str, text: &str) -> Result<LlamaToken, ModelError> {
        // Tokenizers look no further back than the word before, so that is all that needs to be tokenised again.
        let word = prompt.rsplit(char::is_whitespace).next().unwrap_or_default();
        let before_text = if word.is_empty() { prompt } else { word };
        let key = (before_text.to_owned(), text.to_owned());
        if let Some(&token) = self.first_tokens.get(&key) {
            return Ok(token);
        }
        let vocab = self.model.vocab();
        let before = self.control.said(&vocab, before_text, false);
        let whole = self.control.said(&vocab, &format!("{before_text}{text}"), false);
        let token = *whole.get(common_prefix(&before, &whole)).ok_or_else(|| ModelError::Empty(text.to_owned()))?;
        self.first_tokens.insert(key, token);
        Ok(token)
    }

    /// ln p of everything wanted, in the order of `queries`, by row.
    fn evaluate(&mut self, queries: &[Query]) -> Result<Vec<Vec<Vec<f64>>>, ModelError> {
        let mut order: Vec<usize> = (0..queries.len()).collect();
        order.sort_by(|&a, &b| {
            let key = |i: usize| queries[i].tokens.iter().map(|token| token.0);
            key(a).cmp(key(b)).then(a.cmp(&b))
        });
        let mut answers = vec![Vec::new(); queries.len()];
        let mut next = 0;
        while next < order.len() {
            let mut tree = Tree::default();
            let first = next;
            while next < order.len() {
                let query = &queries[order[next]];
                let shared =
                    if next == first { 0 } else { common_prefix(&queries[order[next - 1]].tokens, &query.tokens) };
                if !tree.has_room_for(query, shared, self.context as usize) {
                    break;
                }
                tree.add(query, shared);
                next += 1;
            }
            let beginning = common_beginning(&queries[order[first]], &queries[order[next - 1]], &tree);
            let evaluated = self.keep(&queries[order[first]].tokens[..beginning])?;
            self.decode(&tree, beginning)?;
            self.usage.evaluated += (evaluated + tree.nodes.len() - beginning) as u64;
            for (nodes, &index) in tree.row_nodes.iter().zip(&order[first..next]) {
                answers[index] = self.rows(nodes, beginning, &queries[index].wanted)?;
                self.usage.in_prompts += queries[index].tokens.len() as u64;
            }
        }
        Ok(answers)
    }

    /// Makes `beginning` all that the cache holds, for every sequence; says how many tokens had to be evaluated.
    fn keep(&mut self, beginning: &[LlamaToken]) -> Result<usize, ModelError> {
        let kept = common_prefix(&self.kept, beginning) / PREFIX * PREFIX;
        self.kept.truncate(kept);
        // Forgets cells without clearing their memory.
        self.scoring
            .clear_kv_cache_seq(None, Some(kept as u32), None)
            .map_err(|error| compute_error("shorten the cache", &error))?;
        let everyone: Vec<i32> = (0..SEQUENCES_MAX as i32).collect();
        for piece in beginning[kept..].chunks(PREFIX) {
            let mut batch = LlamaBatch::new(piece.len(), SEQUENCES_MAX as i32);
            for (offset, &token) in piece.iter().enumerate() {
                let position = (self.kept.len() + offset) as i32;
                batch.add(token, position, &everyone, false).map_err(|error| compute_error("fill a batch", &error))?;
            }
            log::forget_errors();
            self.scoring.decode(&mut batch).map_err(|error| compute_error("evaluate a batch", &error))?;
            self.kept.extend_from_slice(piece);
        }
        Ok(beginning.len() - kept)
    }

    /// Evaluates the nodes after the common beginning, which are all but the first so many.
    fn decode(&mut self, tree: &Tree, beginning: usize) -> Result<(), ModelError> {
        let nodes = &tree.nodes[beginning..];
        let mut batch = LlamaBatch::new(nodes.len(), SEQUENCES_MAX as i32);
        for node in nodes {
            batch
                .add(node.token, node.position, &node.sequences, node.has_row)
                .map_err(|error| compute_error("fill a batch", &error))?;
        }
        log::forget_errors();
        self.scoring.decode(&mut batch).map_err(|error| compute_error("evaluate a batch", &error))
    }

    fn rows(&self, nodes: &[usize], beginning: usize, wanted: &[Vec<LlamaToken>]) -> Result<Vec<Vec<f64>>, ModelError> {
        let mut rows = Vec::with_capacity(nodes.len());
        for (&node, tokens) in nodes.iter().zip(wanted) {
            let logits = self.scoring.get_logits_ith(i32::try_from(node - beginning).unwrap_or(i32::MAX));
            rows.push(ln_softmax_at(logits, tokens)?);
        }
        Ok(rows)
    }
}

/// How many tokens all queries between these two, in their order, begin with and want nothing after; whole pieces only.
fn common_beginning(first: &Query, last: &Query, tree: &Tree) -> usize {
    // Sorted, so the first and the last differ earliest; the nodes of what they share come first in the tree.
    let shared = common_prefix(&first.tokens, &last.tokens);
    let wanted = tree.nodes.iter().take(shared).position(|node| node.has_row).unwrap_or(shared);
    wanted.min(first.tokens.len() - 1) / PREFIX * PREFIX
}

/// ln softmax(logits) at `tokens`.
pub(super) fn ln_softmax_at(logits: &[f32], tokens: &[LlamaToken]) -> Result<Vec<f64>, ModelError> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let not_finite = || ModelError::Compute { doing: "score", reason: "logits are not finite".to_owned() };
    if !largest.is_finite() {
        return Err(not_finite());
    }
    // Single terms in f32 (a ten-millionth off at most), their sum in f64.
    let sum: f64 = logits.iter().map(|&logit| f64::from((logit - largest).exp())).sum();
    let normaliser = f64::from(largest) + sum.ln();
    tokens
        .iter()
        .map(|token| {
            let logit = usize::try_from(token.0).ok().and_then(|index| logits.get(index)).ok_or_else(not_finite)?;
            let ln_p = (f64::from(*logit) - normaliser).min(0.0);
            if ln_p.is_finite() { Ok(ln_p) } else { Err(not_finite()) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(tokens: &[i32]) -> Query {
        let tokens: Vec<_> = tokens.iter().map(|&token| LlamaToken(token)).collect();
        Query { first_row: tokens.len() - 1, tokens, wanted: vec![vec![]] }
    }

    #[test]
    fn a_shared_beginning_is_one_branch() {
        let mut tree = Tree::default();
        tree.add(&query(&[1, 2, 3]), 0);
        tree.add(&query(&[1, 2, 4, 5]), 2);
        tree.add(&query(&[1, 2, 4, 5]), 4);
        tree.add(&query(&[1, 6]), 1);
        let sequences: Vec<_> = tree.nodes.iter().map(|node| (node.token.0, node.sequences.clone())).collect();
        let expected = vec![
            (1, vec![0, 1, 2, 3]),
            (2, vec![0, 1, 2]),
            (3, vec![0]),
            (4, vec![1, 2]),
            (5, vec![1, 2]),
            (6, vec![3]),
        ];
        assert_eq!(sequences, expected);
        assert_eq!(tree.row_nodes, vec![vec![2], vec![4], vec![4], vec![5]]);
        assert_eq!(tree.rows, 3);
    }

    #[test]
    fn a_common_beginning_is_whole_pieces_before_anything_is_wanted() {
        let check = |lengths: &[usize], first_row: Option<usize>, expected: usize| {
            let mut tree = Tree::default();
            let queries: Vec<Query> = lengths
                .iter()
                .enumerate()
                .map(|(i, &length)| {
                    let mut tokens = vec![7; length];
                    tokens.push(i32::try_from(i).unwrap_or(0) + 8);
                    let mut query = query(&tokens);
                    query.first_row = first_row.unwrap_or(query.first_row);
                    query
                })
                .collect();
            for (i, query) in queries.iter().enumerate() {
                let shared = if i == 0 { 0 } else { common_prefix(&queries[i - 1].tokens, &query.tokens) };
                tree.add(query, shared);
            }
            let last = &queries[queries.len() - 1];
            assert_eq!(common_beginning(&queries[0], last, &tree), expected, "{lengths:?}");
        };
        check(&[3 * PREFIX, 3 * PREFIX], None, 3 * PREFIX);
        check(&[3 * PREFIX - 1, 3 * PREFIX - 1], None, 2 * PREFIX);
        check(&[3 * PREFIX, 3 * PREFIX], Some(PREFIX + 1), PREFIX);
        check(&[PREFIX - 1], None, 0);
    }

    #[test]
    fn log_softmax_matches_a_closed_form() -> Result<(), ModelError> {
        let logits = [0.0, (2.0_f32).ln(), (5.0_f32).ln()];
        let ln_p = ln_softmax_at(&logits, &[LlamaToken(0), LlamaToken(2)])?;
        assert!((ln_p[0] - (1.0_f64 / 8.0).ln()).abs() < 1e-6);
        assert!((ln_p[1] - (5.0_f64 / 8.0).ln()).abs() < 1e-6);
        assert!(ln_softmax_at(&[f32::NAN], &[LlamaToken(0)]).is_err());
        Ok(())
    }
}
