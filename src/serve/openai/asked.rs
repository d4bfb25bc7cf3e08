//! What a client of OpenAI's API asks for, and the texts that this comes to.

use credence_priors::{CompletionRequest, Message, Prompt, Role};
use rand::RngExt;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::error::OpenAiError;

/// Texts of one request, at most.
const TEXTS_MAX: usize = 64;
/// Stop texts, at most.
const STOPS_MAX: usize = 16;
/// Most probable tokens told for each place, at most.
const PROBABLE_MAX: usize = 20;
/// Tokens of a completion where the client does not say, as in OpenAI's API.
const TOKENS_OF_COMPLETION: usize = 16;

/// What both kinds of request have.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct Sampling {
    /// "credence" is the generation in force, "base" the model as it was downloaded; `/v1/models` lists all.
    pub(super) model: String,
    /// The most tokens to write.
    max_tokens: Option<usize>,
    /// Sampling temperature, 0 to 2; 0 takes the most probable token. 1 if it is left out.
    temperature: Option<f32>,
    /// Share of the probability that is sampled from. 1 if it is left out.
    top_p: Option<f32>,
    /// The same seed gives the same text. Drawn anew if it is left out.
    seed: Option<i64>,
    /// The text ends before the first of these: one text, or up to 16.
    stop: Option<OneOrMore>,
    /// Texts to write for each prompt.
    n: Option<usize>,
    /// Whether the text comes piece by piece, as server-sent events, the last of which is `[DONE]`.
    pub(super) stream: Option<bool>,
    /// What else is streamed.
    pub(super) stream_options: Option<StreamOptions>,
}

/// What else is streamed.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
pub(super) struct StreamOptions {
    /// Whether a last piece tells how many tokens were used.
    pub(super) include_usage: Option<bool>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// A chat to go on with.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatAsked {
    #[serde(flatten)]
    pub(super) sampling: Sampling,
    /// The chat so far.
    messages: Vec<MessageSent>,
    /// The same as `max_tokens`.
    max_completion_tokens: Option<usize>,
    /// Whether the log-probability of every token is told: the model's own, whatever the temperature.
    logprobs: Option<bool>,
    /// So many of the most probable tokens are told for each place, 0 to 20.
    top_logprobs: Option<usize>,
}

/// A message of a chat.
#[derive(Debug, Deserialize, ToSchema)]
struct MessageSent {
    /// "system" or "developer" at the beginning only, "user" or "assistant".
    role: String,
    /// A text, or parts of type "text".
    content: Option<Content>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ContentPart)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

/// A text to go on with.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CompletionAsked {
    #[serde(flatten)]
    pub(super) sampling: Sampling,
    /// A text, several, or the same as numbers of tokens.
    prompt: Prompts,
    /// So many of the most probable tokens are told for each place, 0 to 20, with their log-probability and that of the token that stands there.
    pub(super) logprobs: Option<usize>,
    /// Whether the prompt comes first; with `logprobs` also how probable each of its tokens was.
    echo: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
enum Prompts {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
}

/// What other services can do and this one cannot: whoever asks for it must not believe that it was done.
const CANNOT: [&str; 17] = [
    "audio",
    "best_of",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "min_p",
    "modalities",
    "prediction",
    "presence_penalty",
    "repetition_penalty",
    "response_format",
    "suffix",
    "tool_choice",
    "tools",
    "top_k",
    "web_search_options",
];

/// Refuses what is asked for and would not be done. What changes nothing may stand there.
pub(super) fn refuse_what_is_not_done(sent: &Value) -> Result<(), OpenAiError> {
    let changes_nothing = |name: &str, value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => {
            let neutral = if matches!(name, "best_of" | "repetition_penalty") { 1.0 } else { 0.0 };
            number.as_f64() == Some(neutral)
        }
        Value::String(text) => text.is_empty() || name == "tool_choice" && matches!(text.as_str(), "none" | "auto"),
        Value::Array(all) => all.is_empty() || name == "modalities" && *all == ["text"],
        Value::Object(all) => all.is_empty() || name == "response_format" && value["type"] == "text",
        Value::Bool(true) => false,
    };
    let refused = CANNOT.iter().find(|name| sent.get(**name).is_some_and(|value| !changes_nothing(name, value)));
    refused.map_or(Ok(()), |name| Err(OpenAiError::unsupported(name)))
}

impl Sampling {
    /// Texts to write for each prompt.
    pub(super) fn texts_each(&self) -> usize {
        self.n.unwrap_or(1).max(1)
    }

    /// A request with these settings, without a prompt, and how many texts are wanted for each.
    fn request(&self, tokens_max: usize, probable: Option<usize>) -> Result<(CompletionRequest, usize), OpenAiError> {
        let temperature = self.temperature.unwrap_or(1.0);
        let top_p = self.top_p.unwrap_or(1.0);
        if !(0.0..=2.0).contains(&temperature) {
            return Err(OpenAiError::wrong("temperature", "expected 0 to 2 as a temperature"));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(OpenAiError::wrong(
                "top_p",
                "expected more than 0 and at most 1 as a share of the probability",
            ));
        }
        let stop = match &self.stop {
            None => Vec::new(),
            Some(OneOrMore::One(stop)) => vec![stop.clone()],
            Some(OneOrMore::More(stops)) => stops.clone(),
        };
        if stop.len() > STOPS_MAX {
            return Err(OpenAiError::wrong("stop", format!("expected at most {STOPS_MAX} stop texts")));
        }
        if probable.is_some_and(|n| n > PROBABLE_MAX) {
            let message = format!("expected at most {PROBABLE_MAX} of the most probable tokens");
            return Err(OpenAiError::wrong("logprobs", message));
        }
        let n = self.n.unwrap_or(1);
        if !(1..=TEXTS_MAX).contains(&n) {
            return Err(OpenAiError::wrong("n", format!("expected 1 to {TEXTS_MAX} texts")));
        }
        let seed = self.seed.map_or_else(|| rand::rng().random(), i64::cast_unsigned);
        let base = CompletionRequest::ask("");
        Ok((CompletionRequest { tokens_max, temperature, top_p, seed, stop, probable, ..base }, n))
    }
}

impl ChatAsked {
    /// The texts to write.
    pub(super) fn texts(&self) -> Result<Vec<CompletionRequest>, OpenAiError> {
        let tokens_max = self.max_completion_tokens.or(self.sampling.max_tokens).unwrap_or(usize::MAX);
        if tokens_max == 0 {
            return Err(OpenAiError::wrong("max_tokens", "expected one token at least"));
        }
        let probable = match (self.logprobs, self.top_logprobs) {
            (Some(true), top) => Some(top.unwrap_or(0)),
            (_, Some(1..)) => return Err(OpenAiError::wrong("top_logprobs", "give \"logprobs\": true with it")),
            _ => None,
        };
        let (request, n) = self.sampling.request(tokens_max, probable)?;
        let (system, messages) = self.said()?;
        let request = CompletionRequest { system, prompt: Prompt::Chat(messages), ..request };
        Ok(times(&[request], n))
    }

    /// The system prompt, and what was said.
    fn said(&self) -> Result<(Option<String>, Vec<Message>), OpenAiError> {
        let wrong = |message: String| OpenAiError::wrong("messages", message);
        let (mut system, mut messages) = (Vec::new(), Vec::new());
        for (i, sent) in self.messages.iter().enumerate() {
            let content = match &sent.content {
                None => String::new(),
                Some(Content::Text(text)) => text.clone(),
                Some(Content::Parts(parts)) => {
                    if let Some(other) = parts.iter().find(|part| part.kind != "text") {
                        return Err(wrong(format!(
                            "message {i} has a part of type {:?}; this model reads text",
                            other.kind
                        )));
                    }
                    parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n")
                }
            };
            let role = match sent.role.as_str() {
                "system" | "developer" if messages.is_empty() => {
                    system.push(content);
                    continue;
                }
                "system" | "developer" => {
                    return Err(wrong(format!("message {i} of the system comes after others: put it first")));
                }
                "user" => Role::User,
                "assistant" => Role::Assistant,
                other => {
                    return Err(wrong(format!(
                        "message {i} has the role {other:?}; expected system, user or assistant"
                    )));
                }
            };
            messages.push(Message { role, content });
        }
        if messages.is_empty() {
            return Err(wrong("expected a message of a user at least".to_owned()));
        }
        Ok((Some(system.join("\n\n")).filter(|_| !system.is_empty()), messages))
    }
}

impl CompletionAsked {
    /// The texts to write.
    pub(super) fn texts(&self) -> Result<Vec<CompletionRequest>, OpenAiError> {
        let prompts: Vec<Prompt> = match &self.prompt {
            Prompts::Text(text) => vec![Prompt::Text(text.clone())],
            Prompts::Texts(texts) => texts.iter().cloned().map(Prompt::Text).collect(),
            Prompts::Tokens(tokens) => vec![Prompt::Tokens(tokens.clone())],
            Prompts::ManyTokens(all) => all.iter().cloned().map(Prompt::Tokens).collect(),
        };
        let tokens_max = self.sampling.max_tokens.unwrap_or(TOKENS_OF_COMPLETION);
        let (request, n) = self.sampling.request(tokens_max, self.logprobs)?;
        let echo = self.echo.unwrap_or(false);
        if tokens_max == 0 && !echo {
            return Err(OpenAiError::wrong("max_tokens", "expected one token at least, or \"echo\": true"));
        }
        if prompts.is_empty() || prompts.len() * n > TEXTS_MAX {
            let message = format!("expected 1 to {TEXTS_MAX} texts in all, found {} prompts", prompts.len());
            return Err(OpenAiError::wrong("prompt", message));
        }
        let requests: Vec<_> =
            prompts.into_iter().map(|prompt| CompletionRequest { prompt, echo, ..request.clone() }).collect();
        Ok(times(&requests, n))
    }
}

/// Each request `n` times, with seeds of their own.
fn times(requests: &[CompletionRequest], n: usize) -> Vec<CompletionRequest> {
    let one = |request: &CompletionRequest, i: usize| CompletionRequest {
        seed: request.seed.wrapping_add(i as u64),
        ..request.clone()
    };
    requests.iter().flat_map(|request| (0..n).map(move |i| one(request, i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chat(more: Value) -> Result<Vec<CompletionRequest>, OpenAiError> {
        let mut sent = json!({ "model": "base", "messages": [{ "role": "user", "content": "Hi" }] });
        more.as_object().into_iter().flatten().for_each(|(k, v)| sent[k] = v.clone());
        refuse_what_is_not_done(&sent)?;
        serde_json::from_value::<ChatAsked>(sent).map_err(|e| OpenAiError::wrong("?", e.to_string()))?.texts()
    }

    fn completion(more: Value) -> Result<Vec<CompletionRequest>, OpenAiError> {
        let mut sent = json!({ "model": "base", "prompt": "Hi" });
        more.as_object().into_iter().flatten().for_each(|(k, v)| sent[k] = v.clone());
        serde_json::from_value::<CompletionAsked>(sent).map_err(|e| OpenAiError::wrong("?", e.to_string()))?.texts()
    }

    #[test]
    fn a_chat_becomes_texts() {
        let texts = chat(json!({
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "developer", "content": "Be kind." },
                { "role": "user", "content": [{ "type": "text", "text": "Why?" }] }, { "role": "assistant", "content": "So." }],
            "n": 2, "seed": 7, "temperature": 0.5, "top_p": 0.9, "stop": "\n", "logprobs": true, "top_logprobs": 3, "max_completion_tokens": 9,
            "tools": [], "tool_choice": "auto", "response_format": { "type": "text" }, "presence_penalty": 0, "user": "u", "stream": null
        }));
        let texts = texts.unwrap();
        assert_eq!((texts[0].seed, texts[1].seed, texts[0].tokens_max, texts[0].probable), (7, 8, 9, Some(3)));
        assert_eq!(texts[0].system.as_deref(), Some("Be brief.\n\nBe kind."));
        assert_eq!(texts[0].prompt, Prompt::Chat(vec![Message::user("Why?"), Message::assistant("So.")]));
        assert_eq!((texts[0].top_p, texts[0].temperature, &texts[0].stop[..]), (0.9, 0.5, &["\n".to_owned()][..]));
        assert_eq!(chat(json!({})).unwrap()[0].probable, None);
    }

    #[test]
    fn prompts_are_texts_or_tokens() {
        assert_eq!(completion(json!({ "prompt": ["a", "b"], "n": 2 })).unwrap().len(), 4);
        assert_eq!(completion(json!({ "prompt": [1, 2] })).unwrap()[0].prompt, Prompt::Tokens(vec![1, 2]));
        assert_eq!(completion(json!({ "prompt": [[1], [2]] })).unwrap()[1].prompt, Prompt::Tokens(vec![2]));
        let scored = completion(json!({ "max_tokens": 0, "echo": true, "logprobs": 1, "temperature": 0 })).unwrap();
        assert_eq!((scored[0].tokens_max, scored[0].probable, scored[0].echo), (0, Some(1), true));
        assert_eq!(completion(json!({})).unwrap()[0].tokens_max, 16);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (more, param) in [
            (json!({ "tools": [{ "type": "function" }] }), "tools"),
            (json!({ "response_format": { "type": "json_object" } }), "response_format"),
            (json!({ "frequency_penalty": 0.5 }), "frequency_penalty"),
            (json!({ "temperature": 3 }), "temperature"),
            (json!({ "top_p": 0 }), "top_p"),
            (json!({ "n": 0 }), "n"),
            (json!({ "n": 65 }), "n"),
            (json!({ "logprobs": true, "top_logprobs": 21 }), "logprobs"),
            (json!({ "top_logprobs": 2 }), "top_logprobs"),
            (json!({ "max_tokens": 0 }), "max_tokens"),
            (json!({ "stop": vec!["x"; 17] }), "stop"),
            (json!({ "messages": [] }), "messages"),
            (json!({ "messages": [{ "role": "tool", "content": "x" }] }), "messages"),
            (
                json!({ "messages": [{ "role": "user", "content": "x" }, { "role": "system", "content": "y" }] }),
                "messages",
            ),
            (json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }), "messages"),
        ] {
            let error = serde_json::to_value(chat(more.clone()).unwrap_err()).unwrap();
            assert_eq!(error["error"]["param"], param, "{more}");
        }
        assert!(completion(json!({ "prompt": [] })).is_err());
        assert!(completion(json!({ "prompt": vec!["x"; 65] })).is_err());
        assert!(completion(json!({ "max_tokens": 0 })).is_err());
    }
}
