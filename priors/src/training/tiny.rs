//! Random models of a few thousand numbers as GGUF files that llama.cpp loads: for tests.

use std::fs::File;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::error::TrainingError;
use super::shape::Architecture;

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
    let name = architecture.name();
    let gemma = architecture == Architecture::Gemma3;
    // Qwen 2 and Phi 3 have no say in the length of their heads; in the others they need not add up to the width.
    let whole = matches!(architecture, Architecture::Qwen2 | Architecture::Phi3);
    let head = if whole { WIDTH / HEADS } else { 16 };
    let mut metadata = vec![
        ("general.architecture".to_owned(), Value::String(name.to_owned())),
        ("general.name".to_owned(), Value::String("tiny".to_owned())),
        ("tokenizer.ggml.model".to_owned(), Value::String("no_vocab".to_owned())),
        (format!("{name}.rope.freq_base"), Value::F32(10_000.0)),
        (format!("{name}.attention.layer_norm_rms_epsilon"), Value::F32(1e-5)),
    ];
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
        ("vocab_size", VOCABULARY),
    ];
    for (key, count) in counts {
        metadata.push((format!("{name}.{key}"), Value::U32(u32::try_from(count).unwrap_or(u32::MAX))));
    }
    if gemma {
        metadata.push((format!("{name}.attention.sliding_window"), Value::U32(WINDOW)));
    }

    let (q, k) = (HEADS * head, KV_HEADS * head);
    let mut tensors: Vec<(String, Vec<usize>)> =
        vec![("token_embd.weight".to_owned(), vec![VOCABULARY, WIDTH]), ("output_norm.weight".to_owned(), vec![WIDTH])];
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
    let fail = |e| TrainingError::gguf(path, e);
    let mut made = Vec::with_capacity(tensors.len());
    for (name, dims) in tensors {
        let centre = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        let numbers = dims.iter().product::<usize>();
        let data: Vec<f32> = (0..numbers).map(|_| centre + random.random_range(-0.4_f32..0.4)).collect();
        let tensor = Tensor::from_vec(data, dims, &Device::Cpu).map_err(fail)?;
        made.push((name, QTensor::quantize(&tensor, GgmlDType::F32).map_err(fail)?));
    }
    let metadata: Vec<_> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let made: Vec<_> = made.iter().map(|(n, t)| (n.as_str(), t)).collect();
    let mut file = File::create(path).map_err(|e| TrainingError::io("create", path, e))?;
    gguf_file::write(&mut file, &metadata, &made).map_err(fail)
}

/// `length` random tokens.
pub fn tokens(length: usize, seed: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| random.random_range(0..VOCABULARY as u32)).collect()
}
