//! What a client of OpenAI's API is told: texts, how probable their tokens were, what was used.

use std::collections::BTreeMap;

use credence_priors::{Completion, Ending, Piece, ScoredToken};
use serde::Serialize;
use utoipa::ToSchema;

/// The models that are served.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct Models {
    /// "list".
    pub(super) object: &'static str,
    /// They.
    pub(super) data: Vec<Model>,
}

/// A model that is served.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct Model {
    /// Its name in requests.
    pub(super) id: String,
    /// "model".
    pub(super) object: &'static str,
    /// Not known: 0.
    pub(super) created: i64,
    /// "credence".
    pub(super) owned_by: &'static str,
    /// The model that was downloaded.
    pub(super) root: String,
    /// The generation of adapter that it writes with; 0 is none.
    pub(super) generation: u32,
}

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct Used {
    /// Tokens of all prompts.
    pub(super) prompt_tokens: usize,
    /// Tokens written.
    pub(super) completion_tokens: usize,
    /// Both.
    pub(super) total_tokens: usize,
}

impl Used {
    /// Counts a text; its prompt is counted if it is the first of that prompt.
    pub(super) fn add(&mut self, done: &Completion, is_first: bool) {
        self.prompt_tokens += if is_first { done.prompt_tokens } else { 0 };
        self.completion_tokens += done.tokens;
        self.total_tokens = self.prompt_tokens + self.completion_tokens;
    }
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Finish {
    /// The model ended it, or a stop text did.
    Stop,
    /// It has as many tokens as were asked for, or as there is room for.
    Length,
}

impl From<Ending> for Finish {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::EndOfText | Ending::Stop => Self::Stop,
            Ending::Length | Ending::Interrupted => Self::Length,
        }
    }
}

/// An answer in a chat.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct ChatCompletion {
    /// Its name.
    pub(super) id: String,
    /// "chat.completion".
    pub(super) object: &'static str,
    /// When it was made, in seconds since 1970.
    pub(super) created: i64,
    /// The model that wrote it; "credence" is resolved.
    pub(super) model: String,
    /// The beginning of the key of the weights and of what computes with them.
    pub(super) system_fingerprint: String,
    /// The texts.
    pub(super) choices: Vec<ChatChoice>,
    /// What was used.
    pub(super) usage: Used,
}

/// One text of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct ChatChoice {
    index: usize,
    message: ChatMessage,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Finish,
}

impl ChatChoice {
    /// A text in its place.
    pub(super) fn new(index: usize, text: Text, finish_reason: Finish) -> Self {
        let logprobs = text.wants_tokens.then(|| ChatLogprobs::of(&text.tokens));
        let message = ChatMessage { role: "assistant", content: text.text, refusal: None };
        Self { index, message, logprobs, finish_reason }
    }
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct ChatMessage {
    /// "assistant".
    role: &'static str,
    content: String,
    /// Never there.
    refusal: Option<String>,
}

/// How probable the tokens of a chat's text were.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct ChatLogprobs {
    content: Vec<ChatToken>,
    /// Never there.
    refusal: Option<Vec<ChatToken>>,
}

impl ChatLogprobs {
    fn of(tokens: &[ScoredToken]) -> Self {
        let token = |t: &ScoredToken| ChatToken {
            token: String::from_utf8_lossy(&t.bytes).into_owned(),
            logprob: t.ln_p.unwrap_or(0.0),
            bytes: t.bytes.clone(),
            top_logprobs: t.probable.iter().map(|(bytes, ln_p)| ChatProbable::of(bytes, *ln_p)).collect(),
        };
        Self { content: tokens.iter().map(token).collect(), refusal: None }
    }
}

/// A token, and what else was probable in its place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct ChatToken {
    /// Its text; what is no whole character stands as U+FFFD.
    token: String,
    /// Nats.
    logprob: f64,
    /// Its bytes.
    bytes: Vec<u8>,
    /// The most probable first.
    top_logprobs: Vec<ChatProbable>,
}

/// A token and its log-probability.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct ChatProbable {
    /// Its text; what is no whole character stands as U+FFFD.
    token: String,
    /// Nats.
    logprob: f64,
    /// Its bytes.
    bytes: Vec<u8>,
}

impl ChatProbable {
    fn of(bytes: &[u8], logprob: f64) -> Self {
        Self { token: String::from_utf8_lossy(bytes).into_owned(), logprob, bytes: bytes.to_vec() }
    }
}

/// A piece of an answer in a chat.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct ChatChunk {
    pub(super) id: String,
    /// "chat.completion.chunk".
    pub(super) object: &'static str,
    pub(super) created: i64,
    pub(super) model: String,
    pub(super) system_fingerprint: String,
    /// One; none in the last piece, which tells what was used.
    pub(super) choices: Vec<ChatDelta>,
    /// What was used, in the last piece, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Used>,
}

/// What a piece adds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct ChatDelta {
    pub(super) index: usize,
    pub(super) delta: Delta,
    pub(super) logprobs: Option<ChatLogprobs>,
    pub(super) finish_reason: Option<Finish>,
}

/// What is added to a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
}

impl ChatDelta {
    /// A message begins.
    pub(super) fn begin(index: usize) -> Self {
        let delta = Delta { role: Some("assistant"), content: Some(String::new()) };
        Self { index, delta, logprobs: None, finish_reason: None }
    }

    /// A message goes on.
    pub(super) fn piece(index: usize, piece: &Piece, wants_tokens: bool) -> Self {
        let delta = Delta { role: None, content: Some(piece.text.clone()) };
        Self { index, delta, logprobs: wants_tokens.then(|| ChatLogprobs::of(&piece.tokens)), finish_reason: None }
    }

    /// A message ends.
    pub(super) fn end(index: usize, finish: Finish) -> Self {
        Self { index, delta: Delta::default(), logprobs: None, finish_reason: Some(finish) }
    }
}

/// Texts that go on with prompts; also a piece of them, where they are streamed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct TextCompletion {
    /// Its name.
    pub(super) id: String,
    /// "text_completion".
    pub(super) object: &'static str,
    /// When it was made, in seconds since 1970.
    pub(super) created: i64,
    /// The model that wrote it; "credence" is resolved.
    pub(super) model: String,
    /// The beginning of the key of the weights and of what computes with them.
    pub(super) system_fingerprint: String,
    /// The texts.
    pub(super) choices: Vec<TextChoice>,
    /// What was used; of streamed texts in the last piece only, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Used>,
}

/// One text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct TextChoice {
    index: usize,
    text: String,
    logprobs: Option<TextLogprobs>,
    finish_reason: Option<Finish>,
}

impl TextChoice {
    /// A text in its place, or a piece of it; `offset` counts the characters before it.
    pub(super) fn new(index: usize, text: Text, offset: &mut usize, finish_reason: Option<Finish>) -> Self {
        let logprobs = text.wants_tokens.then(|| TextLogprobs::of(&text.tokens, offset));
        Self { index, text: text.text, logprobs, finish_reason }
    }
}

/// How probable tokens were: four lists of the same length.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct TextLogprobs {
    /// Their texts; a token that is no whole character stands as `bytes:\xNN`.
    tokens: Vec<String>,
    /// Nats; none for a token that nothing comes before.
    token_logprobs: Vec<Option<f64>>,
    /// The most probable tokens in each place, and the one that stands there.
    top_logprobs: Vec<Option<BTreeMap<String, f64>>>,
    /// Characters of the text before each.
    text_offset: Vec<usize>,
}

impl TextLogprobs {
    fn of(tokens: &[ScoredToken], offset: &mut usize) -> Self {
        let mut told = Self { tokens: vec![], token_logprobs: vec![], top_logprobs: vec![], text_offset: vec![] };
        for token in tokens {
            let text = spelt(&token.bytes);
            let top = token.ln_p.map(|ln_p| {
                let others = token.probable.iter().map(|(bytes, ln_p)| (spelt(bytes), *ln_p));
                others.chain([(text.clone(), ln_p)]).collect()
            });
            told.tokens.push(text);
            told.token_logprobs.push(token.ln_p);
            told.top_logprobs.push(top);
            told.text_offset.push(*offset);
            // A character begins with every byte that goes on with none.
            *offset += token.bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        }
        told
    }
}

fn spelt(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("bytes:{}", bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()),
    }
}

/// A text, or a piece of one, with its tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    text: String,
    tokens: Vec<ScoredToken>,
    wants_tokens: bool,
}

impl Text {
    /// Nothing yet.
    pub(super) fn new(wants_tokens: bool) -> Self {
        Self { wants_tokens, ..Self::default() }
    }

    /// With another piece at its end.
    pub(super) fn with(mut self, piece: Piece) -> Self {
        self.text.push_str(&piece.text);
        self.tokens.extend(piece.tokens);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_in_characters_and_spelt_whatever_they_are() {
        let token =
            |bytes: &[u8], ln_p| ScoredToken { bytes: bytes.to_vec(), ln_p, probable: vec![(b"a".to_vec(), -0.5)] };
        let tokens =
            [token(b"ab", None), token(b"\xc3", Some(-1.0)), token(b"\xa9", Some(-2.0)), token(b"a", Some(-0.5))];
        let told = TextLogprobs::of(&tokens, &mut 0);
        assert_eq!(told.tokens, ["ab", "bytes:\\xc3", "bytes:\\xa9", "a"]);
        assert_eq!(told.text_offset, [0, 2, 3, 3]);
        assert_eq!(told.token_logprobs, [None, Some(-1.0), Some(-2.0), Some(-0.5)]);
        assert!(told.top_logprobs[0].is_none());
        assert_eq!(told.top_logprobs[1].as_ref().map(BTreeMap::len), Some(2), "what stands there is told too");
        assert_eq!(told.top_logprobs[3].as_ref().map(BTreeMap::len), Some(1));
    }
}
