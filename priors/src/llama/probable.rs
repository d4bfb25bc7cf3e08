//! How probable a token was in its place, and what else might have stood there.

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

use super::scoring::ln_softmax_at;
use crate::model::{ModelError, ScoredToken};

/// A token with its ln p by a row of logits, and so many of the most probable ones.
pub(super) fn scored(
    vocab: &LlamaVocab<'_>,
    logits: &[f32],
    token: LlamaToken,
    probable: usize,
) -> Result<ScoredToken, ModelError> {
    let mut wanted = vec![token];
    wanted.extend(largest(logits, probable));
    let ln_p = ln_softmax_at(logits, &wanted)?;
    let bytes = |token: LlamaToken| vocab.token_to_piece(token, true, None);
    let probable = wanted[1..].iter().zip(&ln_p[1..]).map(|(&token, &ln_p)| (bytes(token), ln_p)).collect();
    // Its bytes are what it adds to the text: nothing, if it is a control token.
    Ok(ScoredToken { bytes: vocab.token_to_piece(token, false, None), ln_p: Some(ln_p[0]), probable })
}

/// The tokens of the so many largest logits, the largest first; of equal ones the first.
fn largest(logits: &[f32], count: usize) -> Vec<LlamaToken> {
    let mut best: Vec<(f32, i32)> = Vec::with_capacity(count + 1);
    for (&logit, id) in logits.iter().zip(0..) {
        if best.len() < count || best.last().is_some_and(|&(least, _)| logit > least) {
            best.insert(best.partition_point(|&(other, _)| other >= logit), (logit, id));
            best.truncate(count);
        }
    }
    best.into_iter().map(|(_, id)| LlamaToken(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_of_equal_ones_the_earlier() {
        let ids = |count| largest(&[1.0, 3.0, 2.0, 3.0, -1.0], count).iter().map(|token| token.0).collect::<Vec<_>>();
        assert_eq!(ids(0), [0; 0]);
        assert_eq!(ids(3), [1, 3, 2]);
        assert_eq!(ids(9), [1, 3, 2, 0, 4]);
    }
}
