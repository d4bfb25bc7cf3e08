//! Import of adapters that PEFT wrote: `adapter_model.safetensors` beside `adapter_config.json`.
//!
//! In `llama` GGUF files the rows of queries and keys stand in another order than in Transformers' checkpoints (pairs
//! that turn together are neighbours, not halves apart), so the rows of their `B` are moved likewise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::adapter::{Adapter, Part, Projection, damaged};
use super::error::TrainingError;
use super::shape::RotaryPairs;
use super::weights::Weights;

const MODULES: [(&str, Projection); 7] = [
    ("self_attn.q_proj", Projection::Query),
    ("self_attn.k_proj", Projection::Key),
    ("self_attn.v_proj", Projection::Value),
    ("self_attn.o_proj", Projection::Output),
    ("mlp.gate_proj", Projection::Gate),
    ("mlp.up_proj", Projection::Up),
    ("mlp.down_proj", Projection::Down),
];

/// Reads the adapter in `directory`.
///
/// # Errors
/// If a file is missing or damaged, the adapter is of a kind other than plain LoRA, or its shapes are another model's.
pub fn import(directory: &Path, weights: &Weights) -> Result<Adapter, TrainingError> {
    let config_path = directory.join("adapter_config.json");
    let read = |path: &Path| fs::read(path).map_err(|e| TrainingError::io("read", path, e));
    let config: serde_json::Value =
        serde_json::from_slice(&read(&config_path)?).map_err(|e| damaged(&config_path, &e.to_string()))?;
    let refuse = |problem: &str| Err(damaged(&config_path, problem));
    if config["peft_type"] != "LORA" {
        return refuse("peft_type is not LORA");
    }
    let is_set = |key: &str| config.get(key).is_some_and(|v| !v.is_null() && v != false && v != "none");
    for key in ["use_dora", "use_rslora", "modules_to_save", "bias"] {
        if is_set(key) {
            return refuse(&format!("{key} is set, which GGUF adapters cannot express here"));
        }
    }
    for key in ["rank_pattern", "alpha_pattern"] {
        if config.get(key).and_then(|v| v.as_object()).is_some_and(|m| !m.is_empty()) {
            return refuse(&format!("{key} is not empty"));
        }
    }
    let alpha = config["lora_alpha"].as_f64().filter(|a| a.is_finite() && *a > 0.0);
    let Some(alpha) = alpha else { return refuse("lora_alpha is not a number above 0") };

    let path = directory.join("adapter_model.safetensors");
    let bytes = read(&path)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&path, &e.to_string()))?;
    let mut found: BTreeMap<(usize, Projection), [Option<TensorView<'_>>; 2]> = BTreeMap::new();
    for (name, tensor) in tensors.tensors() {
        let Some((layer, projection, which)) = place(&name) else {
            return Err(damaged(&path, &format!("tensor {name:?} has no place in this model")));
        };
        found.entry((layer, projection)).or_default()[which] = Some(tensor);
    }
    let mut parts = Vec::new();
    for ((layer, projection), pair) in found {
        let [Some(a), Some(b)] = pair else {
            return Err(damaged(&path, &format!("layer {layer}, {projection}: A or B is missing")));
        };
        let (outputs, inputs) = projection.dims(&weights.shape);
        let rank = a.shape().first().copied().unwrap_or(0);
        if layer >= weights.shape.layers || rank == 0 || a.shape() != [rank, inputs] || b.shape() != [outputs, rank] {
            let shapes = format!("A {:?} and B {:?}", a.shape(), b.shape());
            let problem = format!("layer {layer}, {projection}: {shapes} do not fit");
            return Err(TrainingError::OtherModel { path, problem });
        }
        let a = numbers(&a).ok_or_else(|| damaged(&path, "its numbers are not F32, F16 or BF16, or not finite"))?;
        let b = numbers(&b).ok_or_else(|| damaged(&path, "its numbers are not F32, F16 or BF16, or not finite"))?;
        let turned = matches!(projection, Projection::Query | Projection::Key);
        let b = match weights.shape.rotary_pairs {
            RotaryPairs::Neighbours if turned => interleave(&b, weights.shape.head, rank),
            _ => b,
        };
        parts.push(Part { layer, projection, rank, a, b });
    }
    if parts.is_empty() {
        return Err(damaged(&path, "it has no tensors"));
    }
    if parts.iter().any(|p| p.rank != parts[0].rank) {
        return Err(damaged(&path, "its ranks differ"));
    }
    Ok(Adapter::from_parts(weights, alpha as f32, parts))
}

/// `base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight` -> (3, query, 0).
fn place(name: &str) -> Option<(usize, Projection, usize)> {
    let (_, rest) = name.split_once("layers.")?;
    let (layer, rest) = rest.split_once('.')?;
    let (module, projection) = MODULES.iter().find(|(module, _)| rest.starts_with(module))?;
    let which = match &rest[module.len()..] {
        ".lora_A.weight" | ".lora_A.default.weight" => 0,
        ".lora_B.weight" | ".lora_B.default.weight" => 1,
        _ => return None,
    };
    Some((layer.parse().ok()?, *projection, which))
}

fn numbers(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = tensor.data();
    let halves = || data.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let numbers: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::BF16 => halves().map(|x| f32::from_bits(u32::from(x) << 16)).collect(),
        Dtype::F16 => halves().map(from_f16).collect(),
        _ => return None,
    };
    numbers.iter().all(|x| x.is_finite()).then_some(numbers)
}

fn from_f16(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        e => sign * (1.0 + fraction / 1024.0) * 2.0_f32.powi(e - 15),
    }
}

/// Rows of each head from halves apart to neighbours: row `i` goes to `2 i`, row `i + head / 2` to `2 i + 1`.
fn interleave(b: &[f32], head: usize, rank: usize) -> Vec<f32> {
    let mut out = vec![0.0; b.len()];
    for (i, row) in b.chunks_exact(rank).enumerate() {
        let (block, within) = (i / head * head, i % head);
        let half = head / 2;
        let to = block + 2 * (within % half) + within / half;
        out[to * rank..(to + 1) * rank].copy_from_slice(row);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::shape::Architecture;
    use super::super::tiny;
    use super::*;

    #[test]
    fn halves_are_read() {
        for (bits, x) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0), (0x3555, 0.333_251_95)]
        {
            assert_eq!(from_f16(bits), x);
        }
        assert!(from_f16(0x7c00).is_infinite() && from_f16(0x7e00).is_nan());
    }

    #[test]
    fn rows_of_a_head_are_interleaved() {
        let b: Vec<f32> = (0..8).map(|i| i as f32).collect();
        assert_eq!(interleave(&b, 4, 1), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }

    #[test]
    fn an_adapter_from_peft_is_read_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("tiny.gguf");
        tiny::write(&model, Architecture::Llama, 1).unwrap();
        let weights = Weights::load(&model).unwrap();
        let (outputs, inputs) = Projection::Query.dims(&weights.shape);
        let a: Vec<u8> = (0..2 * inputs).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let b: Vec<u8> = (0..2 * outputs).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let write = |rank: usize, name: &str| {
            let view = |data, shape| TensorView::new(Dtype::F32, shape, data).unwrap();
            let prefix = format!("base_model.model.model.layers.5.self_attn.{name}");
            let tensors = [
                (format!("{prefix}.lora_A.weight"), view(&a[..4 * rank * inputs], vec![rank, inputs])),
                (format!("{prefix}.lora_B.weight"), view(&b[..4 * rank * outputs], vec![outputs, rank])),
            ];
            let bytes = safetensors::serialize(tensors, None).unwrap();
            fs::write(dir.path().join("adapter_model.safetensors"), bytes).unwrap();
        };
        let config = |text: &str| fs::write(dir.path().join("adapter_config.json"), text).unwrap();

        write(2, "q_proj");
        config(r#"{"peft_type": "LORA", "lora_alpha": 4, "r": 2, "bias": "none", "use_dora": false}"#);
        let adapter = import(dir.path(), &weights).unwrap();
        let slot = adapter.slot(5, Projection::Query).unwrap();
        assert_eq!((adapter.alpha, adapter.scale(slot)), (4.0, 2.0));
        let b = &adapter.parameters[slot.b()];
        assert_eq!(b[2..4], [16.0, 17.0], "row 8 of a head of 16 comes second");

        write(2, "k_proj");
        assert!(matches!(import(dir.path(), &weights), Err(TrainingError::OtherModel { .. })));
        write(2, "qk_proj");
        assert!(matches!(import(dir.path(), &weights), Err(TrainingError::Adapter { .. })));
        config(r#"{"peft_type": "LORA", "lora_alpha": 4, "use_dora": true}"#);
        assert!(import(dir.path(), &weights).unwrap_err().to_string().contains("use_dora"));
    }
}
