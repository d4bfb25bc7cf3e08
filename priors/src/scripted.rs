//! A fake model for tests: answers in microseconds, the same on every machine.
//!
//! Two kinds. [`Scripted::hashed`] answers anything: every log-probability is drawn from a hash of the question, and a
//! lexicon may tilt it, so that tests can plant values to be found ("steal" makes " wrong" likelier).
//! [`Scripted::strict`] answers only what it was told, and is the model that "was taken away".

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use crate::model::{
    Completion, CompletionRequest, Continuation, Ending, LanguageModel, LogLikelihood, ModelError, ModelIdentity,
    Piece, Prompt, Reading, Readout, ScoredToken, StateRequest,
};

/// Width of the hidden state of a scripted model.
pub const SCRIPTED_WIDTH: usize = 16;
/// Layers of a scripted model.
pub const SCRIPTED_LAYERS: usize = 6;

/// "Where `phrase` stands in the prompt, `word` is `nats` likelier."
#[derive(Debug, Clone, PartialEq)]
struct Tilt {
    phrase: String,
    word: String,
    nats: f64,
}

/// A model that follows a script.
#[derive(Debug, Clone)]
pub struct Scripted {
    name: String,
    /// Standard deviation of the hashed part, in nats; `None` for a strict model.
    noise: Option<f64>,
    seed: u64,
    tilts: Vec<Tilt>,
    table: HashMap<(String, String), f64>,
    completions: VecDeque<String>,
    /// Texts longer than this are too long, as for a real model.
    context: usize,
    /// How many prompts were evaluated so far, of any kind.
    pub prompts_read: usize,
}

impl Scripted {
    /// A model that answers any question from a hash of it and `seed`.
    pub fn hashed(seed: u64) -> Self {
        Self {
            name: format!("scripted-{seed}"),
            noise: Some(0.5),
            seed,
            tilts: Vec::new(),
            table: HashMap::new(),
            completions: VecDeque::new(),
            context: 2048,
            prompts_read: 0,
        }
    }

    /// A model that knows nothing but what [`Self::with_answer`] and [`Self::with_completion`] tell it.
    pub fn strict() -> Self {
        Self { name: "scripted-strict".into(), noise: None, ..Self::hashed(0) }
    }

    /// Sets the standard deviation of the hashed part of every log-probability, in nats.
    pub fn with_noise(mut self, nats: f64) -> Self {
        self.noise = Some(nats);
        self
    }

    /// Makes `word` (without its leading space) likelier by `nats` after every prompt that contains `phrase`, and a
    /// text that contains `phrase` likelier by `nats` after every prompt that contains `word` (so that the contrast
    /// "A good person would" works too).
    pub fn with_tilt(mut self, phrase: &str, word: &str, nats: f64) -> Self {
        self.tilts.push(Tilt { phrase: phrase.into(), word: word.into(), nats });
        self
    }

    /// Fixes one answer: ln p of `continuation` after `prompt`.
    pub fn with_answer(mut self, prompt: &str, continuation: &str, ln_p: f64) -> Self {
        self.table.insert((prompt.into(), continuation.into()), ln_p);
        self
    }

    /// Adds a text to be returned by the next completion that has none yet; they are used in order.
    pub fn with_completion(mut self, text: &str) -> Self {
        self.completions.push_back(text.into());
        self
    }

    /// Sets the context length, in tokens (a scripted model's tokens are words).
    pub fn with_context(mut self, tokens: usize) -> Self {
        self.context = tokens;
        self
    }

    fn ln_p(&self, prompt: &str, continuation: &str) -> Result<f64, ModelError> {
        if let Some(&ln_p) = self.table.get(&(prompt.to_owned(), continuation.to_owned())) {
            return Ok(ln_p);
        }
        let noise = self.noise.ok_or_else(|| ModelError::NotScripted(format!("{prompt}{continuation}")))?;
        let tilt: f64 = self
            .tilts
            .iter()
            .filter(|tilt| {
                (prompt.contains(&tilt.phrase) && continuation.trim() == tilt.word)
                    || (continuation.contains(&tilt.phrase) && prompt.split_whitespace().any(|word| word == tilt.word))
            })
            .map(|tilt| tilt.nats)
            .sum();
        let ln_p = -8.0 + noise * standard_normal(self.seed, &[prompt, continuation]) + tilt;
        Ok(ln_p.min(-1e-6))
    }

    /// The sum of its words' vectors: texts with words in common lie close to each other.
    fn sum_of_words(&self, text: &str) -> Vec<f32> {
        let mut state = vec![0.0_f32; SCRIPTED_WIDTH];
        for word in text.split_whitespace() {
            for (i, entry) in state.iter_mut().enumerate() {
                *entry += standard_normal(self.seed, &[word, &i.to_string()]) as f32;
            }
        }
        state
    }

    fn check_length(&mut self, text: &str) -> Result<(), ModelError> {
        let tokens = text.split_whitespace().count();
        if tokens == 0 {
            return Err(ModelError::Empty(text.into()));
        }
        if tokens > self.context {
            let beginning = text.chars().take(40).collect();
            return Err(ModelError::TooLong { tokens, context: self.context, beginning });
        }
        self.prompts_read += 1;
        Ok(())
    }
}

impl LanguageModel for Scripted {
    fn read(&mut self, readings: &[Reading]) -> Result<Vec<Readout>, ModelError> {
        let mut readouts = Vec::with_capacity(readings.len());
        for reading in readings {
            self.check_length(&reading.prompt)?;
            let ln_p: Result<_, _> = reading.continuations.iter().map(|c| self.ln_p(&reading.prompt, c)).collect();
            readouts.push(Readout { ln_p: ln_p? });
        }
        Ok(readouts)
    }

    fn log_likelihoods(&mut self, continuations: &[Continuation]) -> Result<Vec<LogLikelihood>, ModelError> {
        let mut likelihoods = Vec::with_capacity(continuations.len());
        for Continuation { prompt, text } in continuations {
            self.check_length(&format!("{prompt}{text}"))?;
            let tokens = text.split_whitespace().count();
            if tokens == 0 {
                return Err(ModelError::Empty(text.clone()));
            }
            likelihoods.push(LogLikelihood { ln_p: self.ln_p(prompt, text)?, tokens });
        }
        Ok(likelihoods)
    }

    fn hidden(&mut self, prompts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut states = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            self.check_length(prompt)?;
            if self.noise.is_none() {
                return Err(ModelError::NotScripted(prompt.clone()));
            }
            states.push(self.sum_of_words(prompt));
        }
        Ok(states)
    }

    fn states(&mut self, requests: &[StateRequest]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        let mut states = Vec::with_capacity(requests.len());
        for StateRequest { prompt, span, layers } in requests {
            self.check_length(prompt)?;
            let part = prompt.get(span.clone()).unwrap_or_default();
            let words = part.split_whitespace().count();
            if self.noise.is_none() || words == 0 {
                return Err(ModelError::NotScripted(prompt.clone()));
            }
            let mean: Vec<f32> = self.sum_of_words(part).iter().map(|entry| entry / words as f32).collect();
            // Layers of a scripted model all say the same, the higher the louder.
            let layer = |layer: &usize| mean.iter().map(|entry| entry * (1 + layer) as f32).collect();
            states.push(layers.iter().map(layer).collect());
        }
        Ok(states)
    }

    fn token_states(&mut self, prompts: &[String], layers: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        let mut states = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            self.check_length(prompt)?;
            if self.noise.is_none() || prompt.trim().is_empty() {
                return Err(ModelError::NotScripted(prompt.clone()));
            }
            // A token is a word here.
            let words: Vec<Vec<f32>> = prompt.split_whitespace().map(|word| self.sum_of_words(word)).collect();
            let layer = |layer: &usize| words.concat().iter().map(|entry| entry * (1 + layer) as f32).collect();
            states.push(layers.iter().map(layer).collect());
        }
        Ok(states)
    }

    fn write(
        &mut self,
        request: &CompletionRequest,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let asked = match &request.prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Chat(messages) => messages.last().map(|m| m.content.clone()).unwrap_or_default(),
            Prompt::Tokens(tokens) => tokens.iter().map(|token| format!("<{token}> ")).collect(),
        };
        self.check_length(&asked)?;
        let script = match (self.completions.pop_front(), self.noise) {
            (Some(text), _) => text,
            (None, Some(_)) => format!("I do not know what to say about: {asked}"),
            (None, None) => return Err(ModelError::NotScripted(asked)),
        };
        let cut = request.stop.iter().filter_map(|stop| script.find(stop.as_str())).min();
        let mut ending = if cut.is_some() { Ending::Stop } else { Ending::EndOfText };
        let script = &script[..cut.unwrap_or(script.len())];
        let (mut text, mut tokens) = (String::new(), 0);
        let piece = |text: &str, ln_p: Option<f64>| {
            let probable = |_| ln_p.map(|ln_p| (text.as_bytes().to_vec(), ln_p)).into_iter().collect();
            let scored = |n| ScoredToken { bytes: text.as_bytes().to_vec(), ln_p, probable: probable(n) };
            Piece { text: text.to_owned(), tokens: request.probable.map(scored).into_iter().collect() }
        };
        for (i, word) in asked.split_inclusive(' ').enumerate().filter(|_| request.echo) {
            let _ = on_piece(&piece(word, (i > 0).then_some(-1.0)));
        }
        for word in script.split_inclusive(' ') {
            if tokens == request.tokens_max {
                ending = Ending::Length;
                break;
            }
            text.push_str(word);
            tokens += 1;
            if on_piece(&piece(word, Some(-1.0))).is_break() {
                ending = Ending::Interrupted;
                break;
            }
        }
        Ok(Completion { text, prompt_tokens: asked.split_whitespace().count(), tokens, ending })
    }

    fn tokenize(&mut self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(text.split_whitespace().map(|word| hash(0, &[word]) as u32).collect())
    }

    fn prompt_tokens(&mut self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.tokenize(text)
    }

    fn describe(&self) -> ModelIdentity {
        ModelIdentity {
            name: self.name.clone(),
            architecture: "scripted".into(),
            gguf_blake3: blake3::hash(format!("{:?}{:?}{:?}", self.name, self.noise, self.tilts).as_bytes())
                .to_hex()
                .to_string(),
            parameters: 0,
            context_train: self.context as u32,
            context: self.context as u32,
            width: SCRIPTED_WIDTH,
            layers: SCRIPTED_LAYERS,
            scoring_precision: "exact".into(),
            llama_cpp_version: "none".into(),
            adapter_blake3: None,
        }
    }
}

fn hash(seed: u64, parts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// A standard normal variate (nearly: twelve uniforms) that depends on nothing but its arguments.
fn standard_normal(seed: u64, parts: &[&str]) -> f64 {
    let mut state = hash(seed, parts);
    let mut sum = 0.0;
    for _ in 0..12 {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        sum += (z >> 11) as f64 / (1_u64 << 53) as f64;
    }
    sum - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(prompt: &str, words: &[&str]) -> Reading {
        Reading { prompt: prompt.into(), continuations: words.iter().map(|w| format!(" {w}")).collect() }
    }

    #[test]
    fn the_same_question_has_the_same_answer() -> Result<(), ModelError> {
        let asked = [reading("To steal is", &["good", "bad"])];
        let first = Scripted::hashed(1).read(&asked)?;
        assert_eq!(first, Scripted::hashed(1).read(&asked)?);
        assert_ne!(first, Scripted::hashed(2).read(&asked)?);
        Ok(())
    }

    #[test]
    fn a_tilt_moves_only_its_word_after_its_phrase() -> Result<(), ModelError> {
        let asked = [reading("To steal is", &["good", "bad"]), reading("To give is", &["good", "bad"])];
        let plain = Scripted::hashed(1).read(&asked)?;
        let tilted = Scripted::hashed(1).with_tilt("steal", "bad", 3.0).read(&asked)?;
        assert!((tilted[0].ln_p[1] - plain[0].ln_p[1] - 3.0).abs() < 1e-12);
        assert_eq!(tilted[0].ln_p[0], plain[0].ln_p[0]);
        assert_eq!(tilted[1], plain[1]);
        Ok(())
    }

    #[test]
    fn a_strict_model_refuses_what_it_was_not_told() {
        let mut model = Scripted::strict().with_answer("To give is", " good", -1.0);
        assert!(model.read(&[reading("To give is", &["good"])]).is_ok());
        assert!(matches!(model.read(&[reading("To take is", &["good"])]), Err(ModelError::NotScripted(_))));
        assert!(matches!(model.hidden(&["To give".into()]), Err(ModelError::NotScripted(_))));
    }
}
