//! Random models of a few thousand numbers as GGUF files that llama.cpp loads: for tests.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use credence_priors::gguf::{self, TensorData, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::error::TrainingError;
use super::shape::Architecture;
use super::weights::{Tensors, open};

/// Entries of a tiny model's vocabulary. It has no tokeniser: its tokens are numbers.
pub const VOCABULARY: usize = 96;
/// Blocks of a tiny model; six, so that one of Gemma's layers sees everything.
pub const LAYERS: usize = 6;

const WIDTH: usize = 32;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const FEED_FORWARD: usize = 48;
const WINDOW: u32 = 8;

/// Writes a random model of this family.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, architecture: Architecture, seed: u64) -> Result<(), TrainingError> {
    write_with(path, architecture, seed, None)
}

/// What a tiny model that can be written with says about text.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Tokens beside `<unk>`, `<s>`, `</s>` and one for each byte, with llama.cpp's number of their kind: 1 an ordinary one,
    /// 3 control, 4 user-defined.
    pub tokens: Vec<(String, i32)>,
    /// The chat template, if it has one.
    pub template: Option<String>,
}

impl Words {
    fn metadata(&self) -> Vec<(String, Value)> {
        let mut tokens = vec![("<unk>".to_owned(), 2), ("<s>".to_owned(), 3), ("</s>".to_owned(), 3)];
        tokens.extend((0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), 6)));
        tokens.extend(self.tokens.iter().cloned());
        let array = |values: Vec<Value>| Value::array(&values);
        let mut entries = vec![
            ("tokenizer.ggml.model", Value::String("llama".to_owned())),
            ("tokenizer.ggml.tokens", array(tokens.iter().map(|(text, _)| Value::String(text.clone())).collect())),
            ("tokenizer.ggml.scores", array(tokens.iter().map(|_| Value::F32(0.0)).collect())),
            ("tokenizer.ggml.token_type", array(tokens.iter().map(|(_, kind)| Value::I32(*kind)).collect())),
            ("tokenizer.ggml.unknown_token_id", Value::U32(0)),
            ("tokenizer.ggml.bos_token_id", Value::U32(1)),
            ("tokenizer.ggml.eos_token_id", Value::U32(2)),
            ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
            ("tokenizer.ggml.add_space_prefix", Value::Bool(false)),
        ];
        if let Some(template) = &self.template {
            entries.push(("tokenizer.chat_template", Value::String(template.clone())));
        }
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn len(&self) -> usize {
        3 + 256 + self.tokens.len()
    }
}

/// Writes a random model of this family, with or without a tokeniser.
///
/// # Errors
/// If the file cannot be written.
pub fn write_with(
    path: &Path,
    architecture: Architecture,
    seed: u64,
    words: Option<&Words>,
) -> Result<(), TrainingError> {
    let vocabulary = words.map_or(VOCABULARY, Words::len);
    let name = architecture.name();
    let gemma = architecture == Architecture::Gemma3;
    // Qwen 2 and Phi 3 have no say in the length of their heads; in the others they need not add up to the width.
    let whole = matches!(architecture, Architecture::Qwen2 | Architecture::Phi3);
    let head = if whole { WIDTH / HEADS } else { 16 };
    let mut metadata = vec![
        ("general.architecture".to_owned(), Value::String(name.to_owned())),
        ("general.name".to_owned(), Value::String("tiny".to_owned())),
        (format!("{name}.rope.freq_base"), Value::F32(10_000.0)),
        (format!("{name}.attention.layer_norm_rms_epsilon"), Value::F32(1e-5)),
    ];
    match words {
        Some(words) => metadata.extend(words.metadata()),
        None => metadata.push(("tokenizer.ggml.model".to_owned(), Value::String("no_vocab".to_owned()))),
    }
    let counts = [
        ("block_count", LAYERS),
        ("embedding_length", WIDTH),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KV_HEADS),
        ("attention.key_length", head),
        ("attention.value_length", head),
        ("rope.dimension_count", head),
        ("feed_forward_length", FEED_FORWARD),
        ("context_length", 256),
        ("vocab_size", vocabulary),
    ];
    for (key, count) in counts {
        metadata.push((format!("{name}.{key}"), Value::U32(u32::try_from(count).unwrap_or(u32::MAX))));
    }
    if gemma {
        metadata.push((format!("{name}.attention.sliding_window"), Value::U32(WINDOW)));
    }

    let (q, k) = (HEADS * head, KV_HEADS * head);
    let mut tensors: Vec<(String, Vec<usize>)> =
        vec![("token_embd.weight".to_owned(), vec![vocabulary, WIDTH]), ("output_norm.weight".to_owned(), vec![WIDTH])];
    for layer in 0..LAYERS {
        let mut push = |part: &str, dims: &[usize]| tensors.push((format!("blk.{layer}.{part}"), dims.to_vec()));
        push("attn_norm.weight", &[WIDTH]);
        if architecture == Architecture::Phi3 {
            push("attn_qkv.weight", &[q + 2 * k, WIDTH]);
            push("ffn_up.weight", &[2 * FEED_FORWARD, WIDTH]);
        } else {
            push("attn_q.weight", &[q, WIDTH]);
            push("attn_k.weight", &[k, WIDTH]);
            push("attn_v.weight", &[k, WIDTH]);
            push("ffn_gate.weight", &[FEED_FORWARD, WIDTH]);
            push("ffn_up.weight", &[FEED_FORWARD, WIDTH]);
        }
        push("attn_output.weight", &[WIDTH, q]);
        push("ffn_norm.weight", &[WIDTH]);
        push("ffn_down.weight", &[WIDTH, FEED_FORWARD]);
        if architecture == Architecture::Qwen2 {
            push("attn_q.bias", &[q]);
            push("attn_k.bias", &[k]);
            push("attn_v.bias", &[k]);
        }
        if matches!(architecture, Architecture::Qwen3 | Architecture::Gemma3) {
            push("attn_q_norm.weight", &[head]);
            push("attn_k_norm.weight", &[head]);
        }
        if gemma {
            push("post_attention_norm.weight", &[WIDTH]);
            push("post_ffw_norm.weight", &[WIDTH]);
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut made = Vec::with_capacity(tensors.len());
    for (name, dims) in tensors {
        let centre = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        let numbers = dims.iter().product::<usize>();
        let data: Vec<f32> = (0..numbers).map(|_| centre + random.random_range(-0.4_f32..0.4)).collect();
        made.push(TensorData::f32(name, dims, &data));
    }
    create(path, &metadata, &made)
}

fn create(path: &Path, metadata: &[(String, Value)], tensors: &[TensorData]) -> Result<(), TrainingError> {
    let file = File::create(path).map_err(|e| TrainingError::io("create", path, e))?;
    gguf::write(&mut BufWriter::new(file), metadata, tensors).map_err(|e| TrainingError::io("write", path, e))
}

/// Writes the model in `whole` once more, in so many files `PREFIX-00001-of-00003.gguf`; gives their paths.
///
/// # Errors
/// If a file cannot be read or written.
pub fn split(whole: &Path, prefix: &Path, files: usize) -> Result<Vec<PathBuf>, TrainingError> {
    let (mut source, content) = open(whole)?;
    let all: Vec<_> = content.tensors.iter().collect();
    let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    let stem = prefix.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut paths = Vec::new();
    for number in 0..files {
        let path = prefix.with_file_name(format!("{stem}-{:05}-of-{files:05}.gguf", number + 1));
        let mut metadata = vec![
            ("split.no".to_owned(), Value::U16(count(number))),
            ("split.count".to_owned(), Value::U16(count(files))),
            ("split.tensors.count".to_owned(), Value::I32(i32::from(count(all.len()).cast_signed()))),
        ];
        if number == 0 {
            metadata.extend(content.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let mut tensors = Vec::new();
        for &(name, info) in &all[all.len() * number / files..all.len() * (number + 1) / files] {
            let bytes = content.read_tensor(&mut source, info).map_err(|e| TrainingError::io("read", whole, e))?;
            tensors.push(TensorData { name: name.clone(), dims: info.dims.clone(), kind: info.kind, bytes });
        }
        create(&path, &metadata, &tensors)?;
        paths.push(path);
    }
    Ok(paths)
}

/// Writes the model in `from` once more with all weights in F32.
///
/// # Errors
/// If a file cannot be read or written, or a tensor is of a type that cannot be read or not finite.
pub fn in_f32(from: &Path, to: &Path) -> Result<(), TrainingError> {
    let mut source = Tensors::open(from)?;
    let mut tensors = Vec::new();
    for (name, info) in source.content.tensors.clone() {
        let numbers = source.read(&name, &info.dims)?;
        tensors.push(TensorData::f32(name, info.dims, &numbers));
    }
    create(to, &source.content.metadata.into_iter().collect::<Vec<_>>(), &tensors)
}

/// `length` random tokens.
pub fn tokens(length: usize, seed: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| random.random_range(0..VOCABULARY as u32)).collect()
}
