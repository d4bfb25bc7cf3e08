//! Writing text: a sampler, a grammar, and a cache that keeps the charter between requests.

use std::ops::ControlFlow;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

use super::control::Part;
use super::{Llama, common_prefix, compute_error, context_parameters, log, new_context};
use crate::model::{Completion, CompletionRequest, Ending, ModelError, Prompt};

/// Tokens evaluated between two looks at whether somebody wants to stop, and the unit in which the cache is reused: a
/// prompt is always cut at the same places, so the same request has the same answer whatever was asked before.
const CHUNK: usize = 128;

/// Where text is written: a context, and the tokens its cache holds.
pub(super) struct Desk {
    context: LlamaContext<'static>,
    cached: Vec<LlamaToken>,
    /// How many of them were a prompt; the rest was evaluated token by token, with other rounding.
    prompt: usize,
    /// Tokens of the last prompt that were not there already.
    evaluated: usize,
}

impl Llama {
    pub(super) fn write(
        &mut self,
        request: &CompletionRequest,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let tokens = self.request_tokens(request)?;
        // One token at least must fit behind the prompt.
        self.check_length(tokens.len() + 1, last_words(request))?;
        let mut sampler = self.sampler(request)?;
        if self.completing.is_none() {
            let parameters = context_parameters(self.context, self.threads).with_n_seq_max(1);
            let context = new_context(&self.model, self.adapter.as_mut(), parameters)?;
            self.completing = Some(Desk { context, cached: Vec::new(), prompt: 0, evaluated: 0 });
        }
        let model = std::sync::Arc::clone(&self.model);
        let vocab = model.vocab();
        let room = self.context as usize;
        let desk = self.completing.as_mut().ok_or(ModelError::Gone)?;
        let evaluated = desk.evaluate_prompt(&tokens, on_text)?;
        self.usage.in_prompts += tokens.len() as u64;
        self.usage.evaluated += desk.evaluated as u64;
        let Some(mut row) = evaluated else {
            return Ok(Completion { text: String::new(), tokens: 0, ending: Ending::Interrupted });
        };
        let mut written = Written::new(&request.stop);
        let mut count = 0;
        let ending = loop {
            if count == request.tokens_max || desk.cached.len() >= room {
                break Ending::Length;
            }
            // `LlamaSampler::sample` accepts in the same breath, and a grammar that objects then throws through C.
            let mut candidates = desk.context.token_data_array_ith(row);
            sampler.apply(&mut candidates);
            let token = candidates.selected_token().ok_or_else(|| compute_error("sample", &"no token was left"))?;
            if vocab.is_eog(token) {
                break Ending::EndOfText;
            }
            sampler.try_accept(token).map_err(|error| compute_error("follow the grammar", &error))?;
            count += 1;
            if written.push(&vocab.token_to_piece(token, false, None), on_text).is_break() {
                break Ending::Interrupted;
            }
            if written.stopped {
                break Ending::Stop;
            }
            row = desk.evaluate(&[token])?;
        };
        if ending != Ending::Interrupted && ending != Ending::Stop {
            // What was held back as the beginning of a stop text was none. The listener may not care any more.
            let _ = written.flush(on_text);
        }
        self.usage.written += count as u64;
        Ok(Completion { text: written.text, tokens: count, ending })
    }

    /// The whole prompt: no control token in it comes from what somebody said.
    pub(super) fn request_tokens(&mut self, request: &CompletionRequest) -> Result<Vec<LlamaToken>, ModelError> {
        let messages = match (&request.prompt, &request.system) {
            (Prompt::Text(text), None) => return self.prompt_tokens(text),
            (Prompt::Text(text), Some(system)) => return self.prompt_tokens(&format!("{system}\n\n{text}")),
            (Prompt::Chat(messages), _) => messages,
        };
        let parts = self.chat.parts(&self.model, request, messages);
        let tokens = match parts.as_slice() {
            [Part::Said(text)] => self.prompt_tokens(text)?,
            parts => self.control.chat(&self.model.vocab(), parts),
        };
        if tokens.is_empty() {
            return Err(ModelError::Empty(last_words(request).to_owned()));
        }
        Ok(tokens)
    }

    fn sampler(&self, request: &CompletionRequest) -> Result<LlamaSampler, ModelError> {
        let mut chain = Vec::new();
        if let Some(grammar) = &request.grammar {
            log::forget_errors();
            let sampler = LlamaSampler::grammar(&self.model, grammar, "root").map_err(|error| {
                ModelError::Grammar(format!("{error}: {}", log::errors_or("expected GBNF with a rule named root")))
            })?;
            chain.push(sampler);
        }
        if request.temperature > 0.0 {
            chain.push(LlamaSampler::top_p(0.95, 1));
            chain.push(LlamaSampler::temp(request.temperature));
            chain.push(LlamaSampler::dist(sampler_seed(request.seed)));
        } else {
            chain.push(LlamaSampler::greedy());
        }
        Ok(LlamaSampler::chain(chain, true))
    }
}

/// What was said last: by it an error names the text.
fn last_words(request: &CompletionRequest) -> &str {
    match &request.prompt {
        Prompt::Text(text) => text,
        Prompt::Chat(messages) => messages.last().map_or("", |message| &message.content),
    }
}

/// llama.cpp's sampler takes 32 bits: a seed that has more is hashed, so that none of its bits is without effect.
fn sampler_seed(seed: u64) -> u32 {
    u32::try_from(seed).unwrap_or_else(|_| {
        let hash = blake3::hash(&seed.to_le_bytes());
        let bytes = hash.as_bytes();
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    })
}

impl Desk {
    /// Evaluates a prompt, keeping what the cache shares with it; returns the row of logits to sample from, or none
    /// when the listener broke off.
    fn evaluate_prompt(
        &mut self,
        tokens: &[LlamaToken],
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<i32>, ModelError> {
        let shared = common_prefix(&self.cached[..self.prompt], tokens).min(tokens.len() - 1) / CHUNK * CHUNK;
        self.context
            .clear_kv_cache_seq(Some(0), Some(shared as u32), None)
            .map_err(|error| compute_error("shorten the cache", &error))?;
        self.cached.truncate(shared);
        self.prompt = shared;
        self.evaluated = 0;
        let mut row = 0;
        for chunk in tokens[shared..].chunks(CHUNK) {
            row = self.evaluate(chunk)?;
            self.prompt = self.cached.len();
            self.evaluated += chunk.len();
            if on_text("").is_break() {
                return Ok(None);
            }
        }
        Ok(Some(row))
    }

    fn evaluate(&mut self, tokens: &[LlamaToken]) -> Result<i32, ModelError> {
        let mut batch = LlamaBatch::new(tokens.len(), 1);
        for (offset, &token) in tokens.iter().enumerate() {
            let position = (self.cached.len() + offset) as i32;
            batch
                .add(token, position, &[0], offset + 1 == tokens.len())
                .map_err(|error| compute_error("fill a batch", &error))?;
        }
        log::forget_errors();
        self.context.decode(&mut batch).map_err(|error| compute_error("evaluate a batch", &error))?;
        self.cached.extend_from_slice(tokens);
        Ok(batch.n_tokens() - 1)
    }
}

/// Text written so far. Pieces may end within a character, or within a stop text: such ends are held back.
struct Written<'a> {
    stop: &'a [String],
    text: String,
    held: Vec<u8>,
    stopped: bool,
}

impl<'a> Written<'a> {
    fn new(stop: &'a [String]) -> Self {
        Self { stop, text: String::new(), held: Vec::new(), stopped: false }
    }

    fn push(&mut self, piece: &[u8], on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
        self.held.extend_from_slice(piece);
        let whole = match std::str::from_utf8(&self.held) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // Bytes that no continuation can mend.
            Err(_) => self.held.len(),
        };
        let text = String::from_utf8_lossy(&self.held[..whole]).into_owned();
        if let Some(cut) =
            self.stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min()
        {
            self.stopped = true;
            self.held.clear();
            return self.say(&text[..cut], on_text);
        }
        let keep = self.stop.iter().map(|stop| overlap(&text, stop)).max().unwrap_or(0);
        let said = text[..text.len() - keep].to_owned();
        let mut rest = text.as_bytes()[text.len() - keep..].to_vec();
        rest.extend_from_slice(&self.held[whole..]);
        self.held = rest;
        self.say(&said, on_text)
    }

    fn flush(&mut self, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned();
        self.say(&rest, on_text)
    }

    fn say(&mut self, text: &str, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
        self.text.push_str(text);
        on_text(text)
    }
}

/// How many bytes at the end of `text` might be the beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    (1..stop.len()).rev().find(|&length| stop.is_char_boundary(length) && text.ends_with(&stop[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&[u8]], stop: &[&str]) -> (String, String, bool) {
        let stop: Vec<String> = stop.iter().map(|s| (*s).to_owned()).collect();
        let mut heard = String::new();
        let mut written = Written::new(&stop);
        for piece in pieces {
            let _ = written.push(piece, &mut |text| {
                heard.push_str(text);
                ControlFlow::Continue(())
            });
            if written.stopped {
                break;
            }
        }
        if !written.stopped {
            let _ = written.flush(&mut |text| {
                heard.push_str(text);
                ControlFlow::Continue(())
            });
        }
        (written.text, heard, written.stopped)
    }

    #[test]
    fn stop_texts_and_characters_may_span_pieces() {
        let check = |pieces: &[&[u8]], stop: &[&str], text: &str, stopped: bool| {
            assert_eq!(written(pieces, stop), (text.to_owned(), text.to_owned(), stopped), "{pieces:?}");
        };
        check(&[b"one", b" two"], &[], "one two", false);
        check(&[b"one\n", b"\ntwo"], &["\n\n"], "one", true);
        check(&[b"one\n", b"two"], &["\n\n"], "one\ntwo", false);
        check(&[b"na\xc3", b"\xafve"], &["x"], "na\u{ef}ve", false);
        check(&[b"bad \xff byte"], &[], "bad \u{fffd} byte", false);
        check(&[b"ends with E", b"N", b"D."], &["END"], "ends with ", true);
    }

    #[test]
    fn every_bit_of_a_seed_counts() {
        assert_eq!(sampler_seed(7), 7);
        let seeds: std::collections::BTreeSet<u32> = (0..64).map(|bit| sampler_seed(7 ^ (1 << bit))).collect();
        assert_eq!(seeds.len(), 64);
    }
}
