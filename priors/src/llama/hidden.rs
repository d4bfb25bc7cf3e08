//! Hidden states of prompts.
//!
//! A context that keeps embeddings computes a row of logits for every token, wanted or not, so it is one of its own
//! with small batches, made when first asked for.

use std::num::NonZeroU32;

use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::{Llama, common_prefix, compute_error, log, new_context};
use crate::model::ModelError;

/// Tokens in one batch: 64 rows of logits are 13 MB for the default model.
const BATCH: usize = 64;
/// Longest prompt, in tokens; memory for it is set aside for good.
const CONTEXT_MAX: u32 = 1024;

impl Llama {
    pub(super) fn hidden_all(&mut self, prompts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let context = self.context.min(CONTEXT_MAX);
        let mut tokens = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let prompt_tokens = self.prompt_tokens(prompt)?;
            if prompt_tokens.len() > context as usize {
                let beginning = prompt.chars().take(60).collect();
                return Err(ModelError::TooLong { tokens: prompt_tokens.len(), context: context as usize, beginning });
            }
            tokens.push(prompt_tokens);
        }
        if self.hidden.is_none() {
            let parameters = LlamaContextParams::default()
                .with_n_ctx(NonZeroU32::new(context))
                .with_n_batch(BATCH as u32)
                .with_n_ubatch(BATCH as u32)
                .with_n_threads(self.threads)
                .with_n_threads_batch(self.threads)
                .with_embeddings(true)
                .with_pooling_type(LlamaPoolingType::None)
                .with_no_perf(true);
            self.hidden = Some(new_context(&self.model, self.adapter.as_mut(), parameters)?);
        }
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by(|&a, &b| tokens[a].iter().map(|token| token.0).cmp(tokens[b].iter().map(|token| token.0)));
        let mut states = vec![Vec::new(); tokens.len()];
        let mut cached: &[LlamaToken] = &[];
        for index in order {
            states[index] = self.hidden_at_end(cached, &tokens[index])?;
            cached = &tokens[index];
        }
        Ok(states)
    }

    /// The state at the last of `tokens`, when the cache holds `cached`.
    fn hidden_at_end(&mut self, cached: &[LlamaToken], tokens: &[LlamaToken]) -> Result<Vec<f32>, ModelError> {
        let context = self.hidden.as_mut().ok_or(ModelError::Gone)?;
        // The last token is evaluated in any case: its state is what we want.
        let mut done = common_prefix(cached, tokens).min(tokens.len() - 1);
        self.usage.in_prompts += tokens.len() as u64;
        self.usage.evaluated += (tokens.len() - done) as u64;
        log::forget_errors();
        context
            .clear_kv_cache_seq(Some(0), Some(done as u32), None)
            .map_err(|error| compute_error("shorten the cache", &error))?;
        let mut last = 0;
        while done < tokens.len() {
            let end = (done + BATCH).min(tokens.len());
            let mut batch = LlamaBatch::new(end - done, 1);
            for (position, &token) in tokens.iter().enumerate().take(end).skip(done) {
                batch.add(token, position as i32, &[0], true).map_err(|error| compute_error("fill a batch", &error))?;
            }
            context.decode(&mut batch).map_err(|error| compute_error("evaluate a batch", &error))?;
            last = end - done - 1;
            done = end;
        }
        let state = context
            .embeddings_ith(last as i32)
            .map_err(|error| compute_error("read the hidden state", &error))?
            .to_vec();
        if state.iter().all(|entry| entry.is_finite()) {
            Ok(state)
        } else {
            Err(ModelError::Compute { doing: "read the hidden state", reason: "it is not finite".to_owned() })
        }
    }
}
