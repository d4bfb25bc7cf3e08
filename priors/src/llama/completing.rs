//! Writing text: a sampler, a grammar, and a cache that keeps the charter between requests.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::vocab::LlamaVocab;

use super::control::Part;
use super::probable::scored;
use super::{Llama, common_prefix, compute_error, context_parameters, log, new_context};
use crate::model::{Completion, CompletionRequest, Ending, ModelError, Piece, Prompt, ScoredToken};

/// Tokens evaluated between two looks at whether somebody wants to stop, and the unit in which the cache is reused: a
/// prompt is always cut at the same places, so the same request has the same answer whatever was asked before.
const CHUNK: usize = 128;

/// What is done after each chunk of a prompt: it is given the context, whose rows are those of the chunk, and the place of the
/// chunk's first token.
type OnChunk<'a> = dyn FnMut(&LlamaContext<'static>, usize) -> Result<ControlFlow<()>, ModelError> + 'a;

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
    /// Writes a text in a context of its own; `between` may use the others between tokens.
    pub(super) fn write_request(
        &mut self,
        request: &CompletionRequest,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
        between: &mut dyn FnMut(&mut dyn crate::model::LanguageModel),
    ) -> Result<Completion, ModelError> {
        let tokens = self.request_tokens(request)?;
        // One token at least must fit behind the prompt.
        self.check_length(tokens.len() + request.tokens_max.min(1), last_words(request))?;
        let mut sampler = self.sampler(request)?;
        // Taken out, so that nothing else writes here meanwhile.
        let mut desk = match self.completing.take() {
            Some(desk) => desk,
            None => {
                let parameters = context_parameters(self.context, self.threads).with_n_seq_max(1);
                let context = new_context(&self.model, self.adapter.as_mut(), parameters)?;
                Desk { context, cached: Vec::new(), prompt: 0, evaluated: 0 }
            }
        };
        let (model, room) = (std::sync::Arc::clone(&self.model), self.context as usize);
        let mut told = |piece: &Piece| {
            between(&mut *self);
            on_piece(piece)
        };
        let written = desk.write(&model.vocab(), request, &tokens, (&mut sampler, room), &mut told);
        self.usage.in_prompts += tokens.len() as u64;
        self.usage.evaluated += desk.evaluated as u64;
        self.completing = Some(desk);
        let written = written?;
        self.usage.written += written.tokens as u64;
        Ok(written)
    }

    /// The whole prompt: no control token in it comes from what somebody said.
    pub(super) fn request_tokens(&mut self, request: &CompletionRequest) -> Result<Vec<LlamaToken>, ModelError> {
        let messages = match (&request.prompt, &request.system) {
            (Prompt::Text(text), None) => return self.prompt_tokens(text),
            (Prompt::Text(text), Some(system)) => return self.prompt_tokens(&format!("{system}\n\n{text}")),
            (Prompt::Chat(messages), _) => messages,
            (Prompt::Tokens(tokens), _) => return self.given_tokens(tokens),
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

    /// Tokens that somebody gave as numbers.
    fn given_tokens(&self, tokens: &[u32]) -> Result<Vec<LlamaToken>, ModelError> {
        let last = (self.model.n_vocab() - 1).cast_unsigned();
        if let Some(&token) = tokens.iter().find(|token| **token > last) {
            return Err(ModelError::NoSuchToken { token, last });
        }
        if tokens.is_empty() {
            return Err(ModelError::Empty(String::new()));
        }
        Ok(tokens.iter().map(|token| LlamaToken(token.cast_signed())).collect())
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
            if request.top_p < 1.0 {
                chain.push(LlamaSampler::top_p(request.top_p, 1));
            }
            chain.push(LlamaSampler::temp(request.temperature));
            chain.push(LlamaSampler::dist(sampler_seed(request.seed)));
        } else {
            chain.push(LlamaSampler::greedy());
        }
        Ok(LlamaSampler::chain(chain, true))
    }
}

/// The token that a sampler chose. Where a grammar allows none, one of those that it forbade is chosen all the same: that is an error
/// here, since a grammar that is then told to accept it throws through C.
fn chosen(candidates: &LlamaTokenDataArray) -> Result<LlamaToken, ModelError> {
    let chosen = candidates.selected.and_then(|at| candidates.data.get(at));
    let allowed = chosen.filter(|token| token.logit() > f32::NEG_INFINITY);
    allowed.map(LlamaTokenData::id).ok_or_else(|| compute_error("follow the grammar", &"no token is allowed next"))
}

/// What was said last: by it an error names the text.
fn last_words(request: &CompletionRequest) -> &str {
    match &request.prompt {
        Prompt::Text(text) => text,
        Prompt::Chat(messages) => messages.last().map_or("", |message| &message.content),
        Prompt::Tokens(_) => "",
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
    /// Writes what follows these tokens, while there is room for so many in all.
    fn write(
        &mut self,
        vocab: &LlamaVocab<'_>,
        request: &CompletionRequest,
        tokens: &[LlamaToken],
        (sampler, room): (&mut LlamaSampler, usize),
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        self.evaluated = 0;
        // What was put before a prompt to mark its beginning is none of its tokens.
        let begun = usize::from(!matches!(request.prompt, Prompt::Tokens(_)) && vocab.should_add_bos());
        let evaluated = match request.echo {
            true => self.echo(vocab, tokens, begun, request.probable, on_piece)?,
            false => self.evaluate_prompt(tokens, false, &mut |_, _| Ok(on_piece(&Piece::default())))?,
        };
        let prompt_tokens = tokens.len();
        let Some(mut row) = evaluated else {
            return Ok(Completion { text: String::new(), prompt_tokens, tokens: 0, ending: Ending::Interrupted });
        };
        let mut written = Written::new(&request.stop);
        let mut count = 0;
        let ending = loop {
            if count == request.tokens_max || self.cached.len() >= room {
                break Ending::Length;
            }
            let mut candidates = self.context.token_data_array_ith(row);
            sampler.apply(&mut candidates);
            let token = chosen(&candidates)?;
            if vocab.is_eog(token) {
                break Ending::EndOfText;
            }
            sampler.accept(token);
            count += 1;
            let logits = || self.context.get_logits_ith(row);
            let scored = request.probable.map(|n| scored(vocab, logits(), token, n)).transpose()?;
            if written.push(&vocab.token_to_piece(token, false, None), scored, on_piece).is_break() {
                break Ending::Interrupted;
            }
            if written.stopped {
                break Ending::Stop;
            }
            // Nothing comes after the last one.
            if count < request.tokens_max {
                row = self.evaluate(&[token], false)?;
            }
        };
        if ending != Ending::Interrupted && ending != Ending::Stop {
            // What was held back as the beginning of a stop text was none. The listener may not care any more.
            let _ = written.flush(on_piece);
        }
        Ok(Completion { text: written.text, prompt_tokens, tokens: count, ending })
    }

    /// Evaluates a prompt, keeping what the cache shares with it unless every token's row of logits is wanted; returns the row of
    /// logits to sample from, or none when the listener broke off.
    fn evaluate_prompt(
        &mut self,
        tokens: &[LlamaToken],
        every_row: bool,
        on_chunk: &mut OnChunk<'_>,
    ) -> Result<Option<i32>, ModelError> {
        let shared = match every_row {
            true => 0,
            false => common_prefix(&self.cached[..self.prompt], tokens).min(tokens.len() - 1) / CHUNK * CHUNK,
        };
        self.context
            .clear_kv_cache_seq(Some(0), Some(shared as u32), None)
            .map_err(|error| compute_error("shorten the cache", &error))?;
        self.cached.truncate(shared);
        self.prompt = shared;
        self.evaluated = 0;
        let mut row = 0;
        for chunk in tokens[shared..].chunks(CHUNK) {
            let start = self.cached.len();
            row = self.evaluate(chunk, every_row)?;
            self.prompt = self.cached.len();
            self.evaluated += chunk.len();
            if on_chunk(&self.context, start)?.is_break() {
                return Ok(None);
            }
        }
        Ok(Some(row))
    }

    /// Evaluates a prompt and tells its tokens from `begun` on, with their probabilities if so many of the most probable are wanted.
    fn echo(
        &mut self,
        vocab: &LlamaVocab<'_>,
        tokens: &[LlamaToken],
        begun: usize,
        probable: Option<usize>,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Option<i32>, ModelError> {
        let mut echoed = Written::new(&[]);
        let piece = |token: LlamaToken| vocab.token_to_piece(token, true, None);
        for (at, &token) in tokens.iter().enumerate().skip(begun) {
            // With probabilities, those after the first come when the one before is evaluated.
            let first = probable.map(|_| ScoredToken { bytes: piece(token), ln_p: None, probable: Vec::new() });
            if (probable.is_none() || at == 0) && echoed.push(&piece(token), first, on_piece).is_break() {
                return Ok(None);
            }
        }
        let row = self.evaluate_prompt(tokens, probable.is_some(), &mut |context, start| {
            let Some(probable) = probable else { return Ok(on_piece(&Piece::default())) };
            for (row, next) in (start + 1..=start + CHUNK).enumerate() {
                let Some(&token) = tokens.get(next) else { break };
                let logits = context.get_logits_ith(i32::try_from(row).unwrap_or(i32::MAX));
                let scored = scored(vocab, logits, token, probable)?;
                if echoed.push(&piece(token), Some(scored), on_piece).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(row.filter(|_| echoed.flush(on_piece).is_continue()))
    }

    /// Evaluates tokens after those in the cache; returns the row of logits after the last one.
    fn evaluate(&mut self, tokens: &[LlamaToken], every_row: bool) -> Result<i32, ModelError> {
        let mut batch = LlamaBatch::new(tokens.len(), 1);
        for (offset, &token) in tokens.iter().enumerate() {
            let position = (self.cached.len() + offset) as i32;
            batch
                .add(token, position, &[0], every_row || offset + 1 == tokens.len())
                .map_err(|error| compute_error("fill a batch", &error))?;
        }
        log::forget_errors();
        self.context.decode(&mut batch).map_err(|error| compute_error("evaluate a batch", &error))?;
        self.cached.extend_from_slice(tokens);
        Ok(batch.n_tokens() - 1)
    }
}

/// Text written so far. Pieces may end within a character, or within a stop text: such ends are held back, and so are their tokens.
struct Written<'a> {
    stop: &'a [String],
    text: String,
    held: Vec<u8>,
    /// Tokens of which something is held back, with the bytes that they add: a control token may add none.
    tokens: VecDeque<(usize, ScoredToken)>,
    /// Bytes of the first of them that were said.
    begun: usize,
    stopped: bool,
}

/// How many of these bytes are whole characters, or can be mended by no continuation; what comes after them may be the beginning of
/// a character.
fn decided(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(&bytes[at..]) {
        match error.error_len() {
            Some(length) => at += error.valid_up_to() + length,
            None => return at + error.valid_up_to(),
        }
    }
    bytes.len()
}

impl<'a> Written<'a> {
    fn new(stop: &'a [String]) -> Self {
        Self { stop, text: String::new(), held: Vec::new(), tokens: VecDeque::new(), begun: 0, stopped: false }
    }

    fn push(
        &mut self,
        piece: &[u8],
        token: Option<ScoredToken>,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.held.extend_from_slice(piece);
        self.tokens.extend(token.map(|token| (piece.len(), token)));
        let whole = decided(&self.held);
        let text = String::from_utf8_lossy(&self.held[..whole]).into_owned();
        if let Some(cut) =
            self.stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min()
        {
            self.stopped = true;
            self.held.clear();
            let tokens = self.told(cut, true);
            return self.say(&text[..cut], tokens, on_piece);
        }
        let keep = self.stop.iter().map(|stop| overlap(&text, stop)).max().unwrap_or(0);
        let said = text[..text.len() - keep].to_owned();
        let mut rest = text.as_bytes()[text.len() - keep..].to_vec();
        rest.extend_from_slice(&self.held[whole..]);
        self.held = rest;
        let tokens = if self.held.is_empty() { self.rest() } else { self.told(whole - keep, false) };
        self.say(&said, tokens, on_piece)
    }

    /// The tokens that end within the next so many bytes; with `partly` also the one that only begins there.
    fn told(&mut self, bytes: usize, partly: bool) -> Vec<ScoredToken> {
        let (mut told, mut left) = (Vec::new(), self.begun + bytes);
        while let Some((length, token)) = self.tokens.pop_front() {
            if length > left && !(partly && left > 0) {
                self.tokens.push_front((length, token));
                break;
            }
            left = left.saturating_sub(length);
            told.push(token);
        }
        self.begun = if self.tokens.is_empty() { 0 } else { left };
        told
    }

    fn flush(&mut self, on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>) -> ControlFlow<()> {
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned();
        let tokens = self.rest();
        self.say(&rest, tokens, on_piece)
    }

    fn rest(&mut self) -> Vec<ScoredToken> {
        self.begun = 0;
        self.tokens.drain(..).map(|(_, token)| token).collect()
    }

    fn say(
        &mut self,
        text: &str,
        tokens: Vec<ScoredToken>,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.text.push_str(text);
        on_piece(&Piece { text: text.to_owned(), tokens })
    }
}

/// How many bytes at the end of `text` might be the beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    (1..stop.len()).rev().find(|&length| stop.is_char_boundary(length) && text.ends_with(&stop[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, what was heard, the tokens heard with it, and whether a stop text ended it.
    fn written(pieces: &[&[u8]], stop: &[&str]) -> (String, String, Vec<Vec<u8>>, bool) {
        let stop: Vec<String> = stop.iter().map(|s| (*s).to_owned()).collect();
        let (mut heard, mut tokens) = (String::new(), Vec::new());
        let mut hear = |piece: &Piece| {
            heard.push_str(&piece.text);
            tokens.extend(piece.tokens.iter().map(|token| token.bytes.clone()));
            ControlFlow::Continue(())
        };
        let mut written = Written::new(&stop);
        for piece in pieces {
            let token = ScoredToken { bytes: piece.to_vec(), ln_p: Some(-1.0), probable: Vec::new() };
            let _ = written.push(piece, Some(token), &mut hear);
            if written.stopped {
                break;
            }
        }
        if !written.stopped {
            let _ = written.flush(&mut hear);
        }
        (written.text, heard, tokens, written.stopped)
    }

    #[test]
    fn bytes_are_decided_as_far_as_no_continuation_can_change_them() {
        for (bytes, expected) in [
            (&b"ab"[..], 2),
            (b"a\xc3", 1),
            (b"a\xc3\xa9", 3),
            // The first byte is past mending, the second may begin a character.
            (b"\xdb\xcc", 1),
            (b"\xdb\xcc\xa3", 3),
            (b"\x99(\xe2\x82", 2),
        ] {
            assert_eq!(decided(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn stop_texts_and_characters_may_span_pieces() {
        let check = |pieces: &[&[u8]], stop: &[&str], text: &str, told: usize, stopped: bool| {
            let tokens = pieces[..told].iter().map(|piece| piece.to_vec()).collect();
            assert_eq!(written(pieces, stop), (text.to_owned(), text.to_owned(), tokens, stopped), "{pieces:?}");
        };
        check(&[b"one", b" two"], &[], "one two", 2, false);
        check(&[b"one\n", b"\ntwo"], &["\n\n"], "one", 1, true);
        check(&[b"one\n", b"two"], &["\n\n"], "one\ntwo", 2, false);
        check(&[b"na\xc3", b"\xafve"], &["x"], "na\u{ef}ve", 2, false);
        check(&[b"bad \xff byte"], &[], "bad \u{fffd} byte", 1, false);
        check(&[b"ends with E", b"N", b"D."], &["END"], "ends with ", 1, true);
        check(&[b"a", b"", b"bE", b"ND"], &["END"], "ab", 3, true);
    }

    #[test]
    fn tokens_come_with_the_text_that_they_end_in() {
        let mut pieces = Vec::new();
        let stop = ["END".to_owned()];
        let mut written = Written::new(&stop);
        for bytes in [&b"x E"[..], b"N", b"d \xc3", b"\xaf"] {
            let token = ScoredToken { bytes: bytes.to_vec(), ln_p: Some(-1.0), probable: Vec::new() };
            let _ = written.push(bytes, Some(token), &mut |piece| {
                pieces.push((piece.text.clone(), piece.tokens.len()));
                ControlFlow::Continue(())
            });
        }
        let said = |text: &str, tokens: usize| (text.to_owned(), tokens);
        assert_eq!(pieces, [said("x ", 0), said("", 0), said("ENd ", 2), said("\u{ef}", 2)]);
    }

    #[test]
    fn every_bit_of_a_seed_counts() {
        assert_eq!(sampler_seed(7), 7);
        let seeds: std::collections::BTreeSet<u32> = (0..64).map(|bit| sampler_seed(7 ^ (1 << bit))).collect();
        assert_eq!(seeds.len(), 64);
    }
}
