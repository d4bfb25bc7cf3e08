//! What a model looks like: its family and its numbers, from the metadata of a GGUF file.

use std::collections::BTreeMap;

use credence_priors::gguf::Value;

use super::error::TrainingError;

/// Families of models that share the blocks known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Architecture {
    /// Llama, SmolLM 2, Mistral 7B and what else calls itself `llama`.
    Llama,
    /// Qwen 2 and 2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen 3: norms on queries and keys.
    Qwen3,
    /// Gemma 3, text only: norms after each half of a block, sliding windows, scaled embeddings.
    Gemma3,
    /// Phi 3 and 4 with their short rotary embedding: queries, keys and values in one matrix, gate and up in another.
    Phi3,
}

impl Architecture {
    /// The name in GGUF files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
        }
    }

    /// All families.
    pub const ALL: [Self; 5] = [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Gemma3, Self::Phi3];

    /// The family that a GGUF file calls itself.
    ///
    /// # Errors
    /// For one that cannot be trained here.
    pub fn from_name(name: &str) -> Result<Self, TrainingError> {
        Self::ALL.into_iter().find(|a| a.name() == name).ok_or_else(|| TrainingError::Unsupported {
            name: name.to_owned(),
            reason: "known are llama (Mistral among them), qwen2, qwen3, gemma3 and phi3".to_owned(),
        })
    }
}

/// Which entries of a head the rotary embedding turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotaryPairs {
    /// (0, 1), (2, 3), ...: the order in which `llama` GGUF files store queries and keys.
    Neighbours,
    /// (0, n/2), (1, n/2 + 1), ...
    Halves,
}

/// The nonlinearity in the feed-forward half of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// The hyperbolic-tangent approximation of GELU.
    GeluTanh,
}

/// Layers that see only the last `tokens` tokens; every `period`-th layer sees all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlidingWindow {
    /// How many tokens such a layer sees, the present one included.
    pub tokens: usize,
    /// Layer `period - 1`, `2 * period - 1`, ... see everything.
    pub period: usize,
    /// Base of the rotary embedding in layers that slide.
    pub rotary_base: f64,
}

/// The numbers of a decoder-only transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelShape {
    /// Its family.
    pub architecture: Architecture,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Heads of keys and values; divides `heads`.
    pub kv_heads: usize,
    /// Entries of a head.
    pub head: usize,
    /// Width of the feed-forward half.
    pub feed_forward: usize,
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// Longest context the model was trained for, in tokens.
    pub context: usize,
    /// Added to the mean square in norms.
    pub norm_eps: f32,
    /// Base of the rotary embedding.
    pub rotary_base: f64,
    /// Entries of a head that turn.
    pub rotary_dims: usize,
    /// Positions are divided by this.
    pub rotary_stretch: f64,
    /// Which entries turn together.
    pub rotary_pairs: RotaryPairs,
    /// Nonlinearity of the feed-forward half.
    pub activation: Activation,
    /// Embeddings are multiplied by this.
    pub embedding_scale: f32,
    /// Products of queries and keys are multiplied by this.
    pub attention_scale: f32,
    /// Which layers see only the near past.
    pub window: Option<SlidingWindow>,
}

/// Typed access to metadata with errors that name the entry.
pub(crate) struct Metadata<'a> {
    pub(crate) entries: &'a BTreeMap<String, Value>,
    pub(crate) prefix: &'a str,
}

impl Metadata<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn get<T>(&self, name: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, TrainingError> {
        let key = self.key(name);
        match self.entries.get(&key) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(TrainingError::Metadata { key, problem: format!("should be {what}, is {value:?}") }),
            },
        }
    }

    fn missing<T>(&self, name: &str, value: Option<T>) -> Result<T, TrainingError> {
        value.ok_or_else(|| TrainingError::Metadata { key: self.key(name), problem: "is missing".to_owned() })
    }

    fn count(&self, name: &str) -> Result<Option<usize>, TrainingError> {
        self.get(name, "a count from 1 to ten million", |v| {
            v.integer().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=10_000_000).contains(n))
        })
    }

    fn number(&self, name: &str) -> Result<Option<f64>, TrainingError> {
        self.get(name, "a finite number above 0", |v| v.float().filter(|x| x.is_finite() && *x > 0.0))
    }

    fn text(&self, name: &str) -> Result<Option<String>, TrainingError> {
        self.get(name, "text", |v| v.text().map(str::to_owned))
    }
}

impl ModelShape {
    /// Reads the numbers from GGUF metadata; `vocabulary` is the number of rows of the embedding tensor.
    ///
    /// # Errors
    /// For a family that is not known here, and for entries that are missing or make no sense.
    pub(crate) fn from_metadata(entries: &BTreeMap<String, Value>, vocabulary: usize) -> Result<Self, TrainingError> {
        let key = "general.architecture";
        let bad = |problem: &str| TrainingError::Metadata { key: key.to_owned(), problem: problem.to_owned() };
        let name = entries.get(key).ok_or_else(|| bad("is missing"))?;
        let name = name.text().ok_or_else(|| bad("is not text"))?;
        let architecture = Architecture::from_name(name)?;
        let m = Metadata { entries, prefix: name };
        let unsupported =
            |reason: &str| TrainingError::Unsupported { name: name.to_owned(), reason: reason.to_owned() };

        let need = |name: &str| m.count(name).and_then(|n| m.missing(name, n));
        let (layers, width, heads) = (need("block_count")?, need("embedding_length")?, need("attention.head_count")?);
        let kv_heads = m.count("attention.head_count_kv")?.unwrap_or(heads);
        let head = m.count("attention.key_length")?.unwrap_or(width / heads);
        if m.count("attention.value_length")?.is_some_and(|n| n != head) {
            return Err(unsupported("keys and values differ in length"));
        }
        if m.get("expert_count", "a count", |v| v.integer().filter(|n| *n >= 0))?.is_some_and(|n| n > 0) {
            return Err(unsupported("it is a mixture of experts"));
        }
        let odd = |key: &str, problem: &str| TrainingError::Metadata { key: m.key(key), problem: problem.to_owned() };
        if heads % kv_heads != 0 {
            return Err(odd("attention.head_count_kv", "does not divide the number of heads"));
        }
        let rotary_dims = m.count("rope.dimension_count")?.unwrap_or(head);
        if head == 0 || head > 4096 || rotary_dims > head || rotary_dims % 2 != 0 {
            return Err(odd("rope.dimension_count", "is odd or more than a head has"));
        }
        let rotary_stretch = match m.text("rope.scaling.type")?.as_deref() {
            None | Some("none") => 1.0,
            Some("linear") => m.number("rope.scaling.factor")?.unwrap_or(1.0),
            Some(kind) => return Err(unsupported(&format!("rotary scaling of type {kind:?}"))),
        };
        let eps = m.number("attention.layer_norm_rms_epsilon")?;
        let gemma = architecture == Architecture::Gemma3;
        let window = match m.count("attention.sliding_window")? {
            None => None,
            Some(tokens) if gemma => Some(SlidingWindow {
                tokens,
                period: m.count("attention.sliding_window_pattern")?.unwrap_or(6),
                rotary_base: m.number("rope.freq_base_swa")?.unwrap_or(10_000.0),
            }),
            // llama.cpp pays no attention to the windows that Phi's files state.
            Some(_) if architecture == Architecture::Phi3 => None,
            Some(_) => return Err(unsupported("sliding windows in this family")),
        };
        if entries.contains_key(&m.key("final_logit_softcapping")) {
            return Err(unsupported("it caps its logits"));
        }
        // Of the sizes of Gemma 3, 27B alone scales by the width of the stream over heads (it has 62 layers).
        let scaled_by = if gemma && layers == 62 { width / heads } else { head };
        Ok(Self {
            architecture,
            layers,
            width,
            heads,
            kv_heads,
            head,
            feed_forward: need("feed_forward_length")?,
            vocabulary,
            context: m.count("context_length")?.unwrap_or(2048),
            norm_eps: m.missing("attention.layer_norm_rms_epsilon", eps)? as f32,
            rotary_base: m.number("rope.freq_base")?.unwrap_or(10_000.0),
            rotary_dims,
            rotary_stretch,
            rotary_pairs: match architecture {
                Architecture::Llama => RotaryPairs::Neighbours,
                _ => RotaryPairs::Halves,
            },
            activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
            embedding_scale: if gemma { (width as f32).sqrt() } else { 1.0 },
            attention_scale: 1.0 / (scaled_by as f32).sqrt(),
            window,
        })
    }

    /// How many tokens layer `layer` sees, where that is limited.
    pub fn window_of(&self, layer: usize) -> Option<SlidingWindow> {
        self.window.filter(|w| !(layer + 1).is_multiple_of(w.period))
    }

    /// Width of all heads' queries together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head
    }

    /// Width of all heads' keys together.
    pub fn key_width(&self) -> usize {
        self.kv_heads * self.head
    }
}
