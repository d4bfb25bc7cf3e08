//! The seam to the language model: a batch of readings in, log-probabilities out.

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A question to the model about one next token: how probable is each continuation right after the prompt?
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reading {
    /// Text the model has read so far.
    pub prompt: String,
    /// Texts that might come next, with their leading space (`" kind"`). Only the first token of each is looked at,
    /// so that one forward pass answers all of them.
    pub continuations: Vec<String>,
}

/// The answer to one [`Reading`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Readout {
    /// ln p of the first token of each continuation, in nats, in the order they were asked for; finite and <= 0.
    pub ln_p: Vec<f64>,
}

/// A question to the model about a whole text: how probable is it after the prompt?
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Continuation {
    /// Text the model has read so far.
    pub prompt: String,
    /// The text to be scored, with its leading space.
    pub text: String,
}

/// The answer to one [`Continuation`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogLikelihood {
    /// ln p of the whole text, in nats: the sum over its tokens; finite and <= 0.
    pub ln_p: f64,
    /// How many tokens the text has.
    pub tokens: usize,
}

/// A request for states from inside the model: the residual stream after some layers, averaged over a part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateRequest {
    /// Text the model reads.
    pub prompt: String,
    /// The part that is averaged over, in bytes of the prompt; begins and ends where a word does.
    pub span: Range<usize>,
    /// Layers, from 0 to [`ModelIdentity::layers`] - 1: the state is what that layer hands on.
    pub layers: Vec<usize>,
}

/// Who speaks in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What they say.
    pub content: String,
}

impl Message {
    /// A turn of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// A turn of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// What the model is to complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Text continued as it stands.
    Text(String),
    /// A chat, rendered by the model's own chat template; a model without one is given the words alone, one turn after the
    /// other. The model speaks next.
    Chat(Vec<Message>),
    /// Tokens of this model, read as they are: no beginning of text is put before them, and a control token is one. For callers
    /// that have their own tokeniser, never for what people say.
    Tokens(Vec<u32>),
}

/// A text to be written by the model.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// System prompt: the charter. For [`Prompt::Text`] it is put in front, followed by an empty line; [`Prompt::Tokens`] have none.
    pub system: Option<String>,
    /// What to complete.
    pub prompt: Prompt,
    /// GBNF grammar the text must follow; its start rule is `root`.
    pub grammar: Option<String>,
    /// The most tokens to write.
    pub tokens_max: usize,
    /// Sampling temperature; 0 takes the most probable token.
    pub temperature: f32,
    /// Share of the probability that is sampled from, the most probable tokens first; 1 samples from all.
    pub top_p: f32,
    /// Seed of the sampler.
    pub seed: u64,
    /// The text ends before the first of these.
    pub stop: Vec<String>,
    /// Tell ln p of every token, and of so many of the most probable ones in its place: the model's own, before temperature, `top_p`
    /// and grammar.
    pub probable: Option<usize>,
    /// Tell the prompt first; with `probable` also how probable each of its tokens was after those before it.
    pub echo: bool,
}

impl CompletionRequest {
    /// A chat of one user turn, greedy, at most 256 tokens.
    pub fn ask(question: impl Into<String>) -> Self {
        Self {
            system: None,
            prompt: Prompt::Chat(vec![Message::user(question)]),
            grammar: None,
            tokens_max: 256,
            temperature: 0.0,
            top_p: 0.95,
            seed: 0,
            stop: Vec::new(),
            probable: None,
            echo: false,
        }
    }
}

/// A token of a text, and how probable it was in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredToken {
    /// What it adds to the text; may end within a character.
    pub bytes: Vec<u8>,
    /// ln p given everything before it, in nats; none for the first token of a text, which nothing comes before.
    pub ln_p: Option<f64>,
    /// The most probable tokens in its place with their ln p, the most probable first.
    pub probable: Vec<(Vec<u8>, f64)>,
}

/// What was written since the last piece.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Piece {
    /// The text; empty while a prompt is read.
    pub text: String,
    /// Its tokens, if they were asked for; one that a piece ends within comes with the next.
    pub tokens: Vec<ScoredToken>,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The model, or its grammar, said so.
    EndOfText,
    /// A stop text was reached.
    Stop,
    /// `tokens_max` were written, or the context was full.
    Length,
    /// The listener asked for no more.
    Interrupted,
}

/// A text written by the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The text, without the stop text and without the prompt.
    pub text: String,
    /// How many tokens the prompt has.
    pub prompt_tokens: usize,
    /// How many tokens were written.
    pub tokens: usize,
    /// Why it ended.
    pub ending: Ending,
}

/// Tokens so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of all prompts.
    pub in_prompts: u64,
    /// Tokens of them that were evaluated: what prompts have in common is evaluated once.
    pub evaluated: u64,
    /// Tokens written.
    pub written: u64,
}

impl Usage {
    /// What was used since an earlier time.
    pub fn since(self, before: Self) -> Self {
        Self {
            in_prompts: self.in_prompts - before.in_prompts,
            evaluated: self.evaluated - before.evaluated,
            written: self.written - before.written,
        }
    }
}

/// Which model this is: what a log's header states so that features from two models are never mixed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// `general.name` of the GGUF file, else its file name.
    pub name: String,
    /// `general.architecture`, such as `llama`.
    pub architecture: String,
    /// BLAKE3 hash, in hex, of the GGUF file as downloaded; of several files, of their bytes one after another.
    pub gguf_blake3: String,
    /// Number of weights.
    pub parameters: u64,
    /// Context length the model was trained with, in tokens.
    pub context_train: u32,
    /// Context length in use here, in tokens.
    pub context: u32,
    /// Width of [`LanguageModel::hidden`].
    pub width: usize,
    /// Number of layers; 0 where that was not noted yet.
    #[serde(default)]
    pub layers: usize,
    /// What the weights are stored as while scoring: `F16`, or the file's own type.
    pub scoring_precision: String,
    /// Crate and version that carries llama.cpp, such as `llama-cpp-sys-2 0.1.161`.
    pub llama_cpp_version: String,
    /// BLAKE3 hash, in hex, of the adapter's file; none for the base model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter_blake3: Option<String>,
}

impl ModelIdentity {
    /// BLAKE3 hash, in hex, of everything that readings depend on. Readings of models with equal keys may be mixed.
    pub fn key(&self) -> String {
        let mut text = Self::key_text(&self.gguf_blake3, &self.scoring_precision, &self.llama_cpp_version);
        if let Some(adapter) = &self.adapter_blake3 {
            text.push('|');
            text.push_str(adapter);
        }
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// The key that a base model has once it is loaded: by the BLAKE3 hash of its files, in hex, and the precision that it scores in.
    pub fn key_of(gguf_blake3: &str, scoring_precision: &str) -> String {
        let text = Self::key_text(gguf_blake3, scoring_precision, crate::llama::LLAMA_CPP_VERSION);
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    fn key_text(gguf_blake3: &str, scoring_precision: &str, llama_cpp_version: &str) -> String {
        format!("{gguf_blake3}|{scoring_precision}|{llama_cpp_version}")
    }
}

/// A language model as the rest of Credence sees it. Two implementations: [`crate::llama::Llama`] and
/// [`crate::scripted::Scripted`]; [`crate::ModelHandle`] is either, owned by another thread.
pub trait LanguageModel {
    /// For each reading, ln p of every continuation asked for, in the same order.
    ///
    /// # Errors
    /// A prompt that is empty or longer than the context, or a model that fails.
    fn read(&mut self, readings: &[Reading]) -> Result<Vec<Readout>, ModelError>;

    /// For each continuation, ln p of its whole text after its prompt.
    ///
    /// # Errors
    /// A prompt that is empty or longer than the context, or a model that fails.
    fn log_likelihoods(&mut self, continuations: &[Continuation]) -> Result<Vec<LogLikelihood>, ModelError>;

    /// For each prompt, the last layer's normalised hidden state at its last token; every vector has
    /// [`ModelIdentity::width`] entries.
    ///
    /// # Errors
    /// A prompt that is empty or longer than the context, or a model that fails.
    fn hidden(&mut self, prompts: &[String]) -> Result<Vec<Vec<f32>>, ModelError>;

    /// For each request, in its order of layers, the mean state over its part of the prompt.
    ///
    /// # Errors
    /// A prompt that is empty or longer than the context, or a model that fails.
    fn states(&mut self, requests: &[StateRequest]) -> Result<Vec<Vec<Vec<f32>>>, ModelError>;

    /// For each prompt, in the order of `layers`, the states of all its tokens: tokens x width, one token after another. Layers are
    /// counted from 0, as in [`StateRequest`].
    ///
    /// # Errors
    /// A prompt that is empty or longer than the context, or a model that fails.
    fn token_states(&mut self, prompts: &[String], layers: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, ModelError>;

    /// Writes a text, handing over each piece as it comes; the listener may break off, also while the prompt is read.
    ///
    /// # Errors
    /// A prompt that is longer than the context, a grammar that is none, or a model that fails. Breaking off is no error.
    fn write(
        &mut self,
        request: &CompletionRequest,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError>;

    /// As [`Self::write`]. Between tokens `between` gets the model, and may have it read, and not write, something else: a long text need
    /// not keep short readings waiting. A model that cannot do that never calls it.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn write_between(
        &mut self,
        request: &CompletionRequest,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
        between: &mut dyn FnMut(&mut dyn LanguageModel),
    ) -> Result<Completion, ModelError> {
        let _ = between;
        self.write(request, on_piece)
    }

    /// As [`Self::write`], for those who want the text only.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn complete(
        &mut self,
        request: &CompletionRequest,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        self.write(request, &mut |piece| on_text(&piece.text))
    }

    /// The tokens of a text, without any that mark its beginning.
    ///
    /// # Errors
    /// The model fails.
    fn tokenize(&mut self, text: &str) -> Result<Vec<u32>, ModelError>;

    /// The tokens of a prompt as it is read, with the one that marks the beginning of text if the model has one.
    ///
    /// # Errors
    /// The model fails.
    fn prompt_tokens(&mut self, text: &str) -> Result<Vec<u32>, ModelError>;

    /// How many tokens a text has.
    ///
    /// # Errors
    /// The model fails.
    fn count_tokens(&mut self, text: &str) -> Result<usize, ModelError> {
        Ok(self.tokenize(text)?.len())
    }

    /// Tokens so far; a model that does not count says zero.
    fn usage(&mut self) -> Usage {
        Usage::default()
    }

    /// Which model this is.
    fn describe(&self) -> ModelIdentity;
}

/// What can go wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Layers were to be computed on a graphics processor, and there is none that this build can use.
    #[error(
        "this build finds no graphics processor that it can use: build with --features cuda, metal or vulkan, or leave out --gpu-layers"
    )]
    NoGpu,
    /// The file cannot be read at all.
    #[error("failed to read the model file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a whole GGUF file.
    #[error("{} cannot be used as a model: expected a complete GGUF file", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::gguf::GgufError,
    },
    /// The file is not what it was when it was fetched.
    #[error(
        "{} was changed since it was fetched (BLAKE3 {found}, not {expected}); remove it and fetch it again",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// llama.cpp would not load the file.
    #[error("llama.cpp cannot load {} (architecture {architecture}): {reason}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Its architecture.
        architecture: String,
        /// llama.cpp's own words.
        reason: String,
    },
    /// The adapter does not suit the model, or is damaged.
    #[error("the adapter {} cannot be used with this model: {reason}", path.display())]
    Adapter {
        /// The adapter's file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The F16 copy could not be made.
    #[error("failed to write the F16 copy {} of {}: {reason}", copy.display(), path.display())]
    Copy {
        /// The downloaded file.
        path: PathBuf,
        /// The copy.
        copy: PathBuf,
        /// Why.
        reason: String,
    },
    /// This processor lacks instructions that llama.cpp was compiled with.
    #[error(
        "this program was compiled for a processor with {}; this one lacks {}. \
         Run scripts/llama-settings.sh on this machine and build again",
        compiled.join(", "), missing.join(", ")
    )]
    Processor {
        /// What llama.cpp was compiled with.
        compiled: Vec<String>,
        /// What is missing here.
        missing: Vec<String>,
    },
    /// The text does not fit into the context.
    #[error(
        "the text has {tokens} tokens and the model's context holds {context}; it begins with {beginning:?}. Shorten it"
    )]
    TooLong {
        /// Length of the text in tokens.
        tokens: usize,
        /// Length of the context in tokens.
        context: usize,
        /// The first words of the text.
        beginning: String,
    },
    /// Nothing to read: an empty prompt or an empty continuation.
    #[error("expected a text with at least one token, found {0:?}")]
    Empty(String),
    /// A prompt of tokens has one that the model does not have.
    #[error("token {token} is none of this model's, which are 0 to {last}")]
    NoSuchToken {
        /// The token.
        token: u32,
        /// The last of the vocabulary.
        last: u32,
    },
    /// The grammar is not one.
    #[error("the completion's grammar cannot be used: {0}")]
    Grammar(String),
    /// llama.cpp failed while computing.
    #[error("llama.cpp failed to {doing}: {reason}")]
    Compute {
        /// What it was asked to do.
        doing: &'static str,
        /// Its own words.
        reason: String,
    },
    /// A scripted model was asked something that is not in its script.
    #[error("the scripted model has no answer for {0:?}")]
    NotScripted(String),
    /// The work was cancelled before it was done.
    #[error("reading was cancelled")]
    Cancelled,
    /// The thread that owned the model has ended.
    #[error("the model's thread has ended")]
    Gone,
}
