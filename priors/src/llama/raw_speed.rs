//! The limit our scoring is measured against: one unrelated batch through `llama_decode`, as `llama-bench` does it.

use std::time::{Duration, Instant};

use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::{Llama, compute_error};
use crate::model::ModelError;

impl Llama {
    /// Time to evaluate one sequence of `tokens` tokens with logits for the last, from an empty cache.
    ///
    /// # Errors
    /// If llama.cpp fails, or if the context holds fewer tokens.
    pub fn time_raw_prompt(&mut self, tokens: usize) -> Result<Duration, ModelError> {
        let context = self.scoring.n_ctx() as usize;
        if tokens > context {
            return Err(ModelError::TooLong { tokens, context, beginning: "(a benchmark's prompt)".to_owned() });
        }
        let words = self.model.n_vocab().max(2);
        let mut batch = LlamaBatch::new(tokens, 1);
        for position in 0..tokens {
            // Any tokens do, as long as they are not all the same.
            let token = LlamaToken(((position as i32) * 7919 + 1000) % words);
            batch
                .add(token, position as i32, &[0], position + 1 == tokens)
                .map_err(|error| compute_error("fill a batch", &error))?;
        }
        self.scoring.clear_kv_cache_seq(None, None, None).map_err(|error| compute_error("empty the cache", &error))?;
        let started = Instant::now();
        self.scoring.decode(&mut batch).map_err(|error| compute_error("evaluate a batch", &error))?;
        self.scoring.synchronize();
        Ok(started.elapsed())
    }
}
