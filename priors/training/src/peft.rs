//! Import of adapters that PEFT wrote: `adapter_model.safetensors` beside `adapter_config.json`.
//!
//! In `llama` GGUF files the rows of queries and keys stand in another order than in Transformers' checkpoints (pairs
//! that turn together are neighbours, not halves apart), so the rows of their `B` are moved likewise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use regex::Regex;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::adapter::{Adapter, Part, damaged};
use super::error::TrainingError;
use super::projection::Projection;
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
/// If a file is missing or damaged, the adapter is of a kind that a GGUF file cannot express or that belongs to changed weights,
/// config and tensors contradict each other, or its shapes are another model's.
pub fn import(directory: &Path, weights: &Weights) -> Result<Adapter, TrainingError> {
    let config_path = directory.join("adapter_config.json");
    let read = |path: &Path| fs::read(path).map_err(|e| TrainingError::io("read", path, e));
    let config: serde_json::Value =
        serde_json::from_slice(&read(&config_path)?).map_err(|e| damaged(&config_path, &e.to_string()))?;
    let config = Config::checked(&config).map_err(|problem| damaged(&config_path, &problem))?;

    let path = directory.join("adapter_model.safetensors");
    let bytes = read(&path)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&path, &e.to_string()))?;
    let mut found: BTreeMap<(usize, Projection), [Option<TensorView<'_>>; 2]> = BTreeMap::new();
    for (name, tensor) in tensors.tensors() {
        let Some((layer, projection, which)) = place(&name) else {
            return Err(damaged(&path, &format!("tensor {name:?} has no place in this model")));
        };
        if found.entry((layer, projection)).or_default()[which].replace(tensor).is_some() {
            return Err(damaged(&path, &format!("layer {layer}, {projection}: there are two A, or two B")));
        }
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
    let rank = parts[0].rank;
    if parts.iter().any(|p| p.rank != rank) {
        return Err(damaged(&path, "its ranks differ"));
    }
    config.suits(rank, weights.shape.layers, &parts).map_err(|problem| damaged(&config_path, &problem))?;
    let alpha = config.alpha(rank).map_err(|problem| damaged(&config_path, &problem))?;
    Ok(Adapter::from_parts(weights, alpha, parts))
}

/// What an adapter's config says that its numbers do not.
struct Config {
    rank: Option<usize>,
    alpha: f64,
    /// Products are multiplied by alpha over the root of the rank, and not over the rank.
    rank_stabilised: bool,
    /// Names of modules that were adapted, where they are listed.
    targets: Option<Modules>,
    /// Names of modules that were not.
    excluded: Option<Modules>,
    /// Layers that were adapted, where they are listed.
    layers: Option<Vec<usize>>,
}

/// Modules that a config speaks of.
enum Modules {
    /// By their names, or the ends of them.
    Named(Vec<String>),
    /// All whose whole names a pattern matches.
    Matching(Regex),
    /// A pattern of Python's that has no counterpart here, or all linear ones.
    Unknown,
}

impl Modules {
    /// Reads a list of names or a text, if there is one.
    fn read(config: &serde_json::Value, key: &str) -> Result<Option<Self>, String> {
        let unreadable = || format!("{key} is neither a list of names nor a text");
        match &config[key] {
            serde_json::Value::Null => Ok(None),
            serde_json::Value::Array(names) => {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>();
                Ok(Some(Self::Named(names.ok_or_else(unreadable)?)))
            }
            serde_json::Value::String(text) if text == "all-linear" => Ok(Some(Self::Unknown)),
            serde_json::Value::String(text) => {
                Ok(Some(Regex::new(&format!("^(?:{text})$")).map_or(Self::Unknown, Self::Matching)))
            }
            _ => Err(unreadable()),
        }
    }

    /// Whether a module is among them, if that can be said.
    fn has(&self, name: &str) -> Option<bool> {
        match self {
            Self::Named(names) => Some(names.iter().any(|end| ends_with(name, end))),
            Self::Matching(pattern) => Some(pattern.is_match(name)),
            Self::Unknown => None,
        }
    }
}

/// Whether a module's name is this one, or ends in it.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Beginnings of training that leave the base model as it is. Others take what they begin with out of its weights, so that
/// their adapters belong to weights that nobody has.
const PLAIN_BEGINNINGS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// Options of PEFT that change what an adapter computes, where they are set.
const NOT_EXPRESSIBLE: [&str; 12] = [
    "use_dora",
    "modules_to_save",
    "bias",
    "lora_bias",
    "trainable_token_indices",
    "layer_replication",
    "fan_in_fan_out",
    "use_qalora",
    "alora_invocation_tokens",
    "target_parameters",
    "arrow_config",
    "use_bdlora",
];

impl Config {
    /// Reads a config, and says why its adapter cannot be used.
    fn checked(config: &serde_json::Value) -> Result<Self, String> {
        if config["peft_type"] != "LORA" {
            return Err("peft_type is not LORA".to_owned());
        }
        for key in NOT_EXPRESSIBLE {
            if config.get(key).is_some_and(is_set) {
                return Err(format!("{key} is set, which GGUF adapters cannot express here"));
            }
        }
        match &config["task_type"] {
            serde_json::Value::Null => {}
            serde_json::Value::String(task) if task == "CAUSAL_LM" => {}
            other => return Err(format!("task_type is {other}: it was not trained to write text")),
        }
        for key in ["rank_pattern", "alpha_pattern"] {
            if config.get(key).is_some_and(is_set) {
                return Err(format!("{key} is not empty"));
            }
        }
        match &config["init_lora_weights"] {
            serde_json::Value::Null | serde_json::Value::Bool(_) => {}
            serde_json::Value::String(name) if PLAIN_BEGINNINGS.contains(&name.to_lowercase().as_str()) => {}
            other => {
                let name = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                return Err(format!(
                    "init_lora_weights is {name:?}: its training began by changing the base model's weights (as PiSSA, OLoRA, \
                     CorDA and LoftQ do), or is not known here, so the adapter does not belong to the model as it was published. \
                     PEFT converts such an adapter to a plain one when it saves it with path_initial_model_for_weight_conversion"
                ));
            }
        }
        for key in ["loftq_config", "corda_config", "lora_ga_config"] {
            if config.get(key).is_some_and(is_set) {
                return Err(format!("{key} is set: its training began by changing the base model's weights"));
            }
        }
        let number = |key: &str| config.get(key).filter(|value| !value.is_null());
        let rank = match number("r") {
            None => None,
            Some(r) => match r.as_u64().and_then(|r| usize::try_from(r).ok()).filter(|r| *r > 0) {
                Some(r) => Some(r),
                None => return Err(format!("r is {r} and not a whole number above 0")),
            },
        };
        let alpha = config["lora_alpha"].as_f64().filter(|a| a.is_finite() && *a > 0.0);
        let alpha = alpha.ok_or_else(|| "lora_alpha is not a number above 0".to_owned())?;
        let whole = |layer: &serde_json::Value| layer.as_u64().and_then(|layer| usize::try_from(layer).ok());
        let layers = match &config["layers_to_transform"] {
            serde_json::Value::Null => None,
            serde_json::Value::Array(all) => Some(all.iter().map(whole).collect::<Option<Vec<_>>>()),
            one => Some(whole(one).map(|layer| vec![layer])),
        };
        let layers = match layers {
            Some(None) => return Err("layers_to_transform is no list of layers' numbers".to_owned()),
            Some(layers) => layers,
            None => None,
        };
        let rank_stabilised = match &config["use_rslora"] {
            serde_json::Value::Null => false,
            serde_json::Value::Bool(is) => *is,
            other => return Err(format!("use_rslora is {other} and neither true nor false")),
        };
        Ok(Self {
            rank,
            alpha,
            rank_stabilised,
            targets: Modules::read(config, "target_modules")?,
            excluded: Modules::read(config, "exclude_modules")?,
            layers,
        })
    }

    /// Says where config and tensors contradict each other.
    fn suits(&self, rank: usize, layers: usize, parts: &[Part]) -> Result<(), String> {
        if let Some(r) = self.rank.filter(|r| *r != rank) {
            return Err(format!("r is {r} and the tensors have rank {rank}"));
        }
        let module =
            |projection: Projection| MODULES.iter().find(|(_, p)| *p == projection).map_or("", |(module, _)| *module);
        for part in parts {
            let name = format!("model.layers.{}.{}", part.layer, module(part.projection));
            if self.targets.as_ref().and_then(|targets| targets.has(&name)) == Some(false) {
                return Err(format!("target_modules does not name {name}, which has tensors"));
            }
            if self.excluded.as_ref().and_then(|excluded| excluded.has(&name)) == Some(true) {
                return Err(format!("exclude_modules names {name}, which has tensors"));
            }
            if self.layers.as_ref().is_some_and(|layers| !layers.is_empty() && !layers.contains(&part.layer)) {
                return Err(format!("layers_to_transform does not name layer {}, which has tensors", part.layer));
            }
        }
        for layer in self.layers.iter().flatten().filter(|layer| **layer < layers) {
            if !parts.iter().any(|part| part.layer == *layer) {
                return Err(format!("layers_to_transform names layer {layer}, which has no tensors"));
            }
        }
        // Names that no module of the model has mean nothing.
        let is_module = |target: &&String| {
            let mut names = MODULES.iter().map(|(module, _)| *module).chain(["lm_head", "embed_tokens"]);
            names.any(|module| ends_with(module, target) || ends_with(target, module))
        };
        let named = match &self.targets {
            Some(Modules::Named(names)) => names.as_slice(),
            _ => &[],
        };
        for target in named.iter().filter(is_module) {
            let has_tensors = |part: &Part| {
                let name = format!("model.layers.{}.{}", part.layer, module(part.projection));
                ends_with(&name, target)
            };
            if !parts.iter().any(has_tensors) {
                return Err(format!("target_modules names {target:?}, which has no tensors"));
            }
        }
        Ok(())
    }

    /// The alpha of a GGUF adapter, whose products are multiplied by alpha over the rank.
    fn alpha(&self, rank: usize) -> Result<f32, String> {
        let rank = rank as f64;
        let alpha = (if self.rank_stabilised { self.alpha * rank.sqrt() } else { self.alpha }) as f32;
        if alpha.is_normal() {
            Ok(alpha)
        } else {
            Err(format!("lora_alpha is {}, which no GGUF file holds", self.alpha))
        }
    }
}

/// Whether an option is more than its absence.
fn is_set(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => false,
        serde_json::Value::Bool(set) => *set,
        serde_json::Value::String(text) => !text.is_empty() && text != "none",
        serde_json::Value::Array(all) => !all.is_empty(),
        serde_json::Value::Object(all) => !all.is_empty(),
        serde_json::Value::Number(_) => true,
    }
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

        // What changes nothing, and rsLoRA: alpha times the root of the rank.
        for (rest, alpha) in [
            (r#""modules_to_save": [], "init_lora_weights": true, "rank_pattern": {}, "loftq_config": {}"#, 4.0),
            (r#""init_lora_weights": "gaussian", "target_modules": ["q_proj"], "layers_to_transform": null"#, 4.0),
            (r#""init_lora_weights": "eva", "target_modules": "all-linear", "layers_to_transform": [5]"#, 4.0),
            (r#""target_modules": ".*\\.(q|v)_proj", "exclude_modules": ["v_proj"], "task_type": "CAUSAL_LM""#, 4.0),
            (r#""target_modules": ["q_proj", "query_key_value"], "layers_to_transform": 5, "use_rslora": false"#, 4.0),
            (r#""use_rslora": true, "target_modules": ["self_attn.q_proj"]"#, 4.0 * 2.0_f32.sqrt()),
        ] {
            config(&format!(r#"{{"peft_type": "LORA", "lora_alpha": 4, "r": 2, {rest}}}"#));
            let adapter = import(dir.path(), &weights).unwrap();
            assert_eq!(adapter.alpha, alpha, "{rest}");
        }
        // What belongs to other weights, cannot be expressed, or contradicts the tensors.
        for (rest, says) in [
            (r#""init_lora_weights": "pissa""#, "pissa"),
            (r#""init_lora_weights": "pissa_niter_16""#, "base model's weights"),
            (r#""init_lora_weights": "olora""#, "olora"),
            (r#""init_lora_weights": "corda""#, "corda"),
            (r#""init_lora_weights": "LoftQ""#, "LoftQ"),
            (r#""init_lora_weights": "lora_ga""#, "lora_ga"),
            (r#""init_lora_weights": "something new""#, "not known here"),
            (r#""init_lora_weights": 3"#, "init_lora_weights"),
            (r#""loftq_config": {"loftq_bits": 4}"#, "loftq_config"),
            (r#""modules_to_save": ["lm_head"]"#, "modules_to_save"),
            (r#""lora_bias": true"#, "lora_bias"),
            (r#""bias": "lora_only""#, "bias"),
            (r#""fan_in_fan_out": true"#, "fan_in_fan_out"),
            (r#""alpha_pattern": {"q_proj": 16}"#, "alpha_pattern"),
            (r#""target_modules": ["k_proj"]"#, "does not name"),
            (r#""target_modules": ["q_proj", "v_proj"]"#, "v_proj"),
            (r#""layers_to_transform": [4]"#, "layer 5"),
            (r#""layers_to_transform": [4, 5]"#, "names layer 4, which has no tensors"),
            (r#""layers_to_transform": ["5"]"#, "layers' numbers"),
            (r#""layers_to_transform": [5.5]"#, "layers' numbers"),
            (r#""target_modules": "v_proj""#, "does not name"),
            (r#""target_modules": ".*v_proj""#, "does not name"),
            (r#""target_modules": 3"#, "neither a list"),
            (r#""target_modules": ["q_proj", "lm_head"]"#, "lm_head"),
            (r#""target_modules": ["q_proj", "model.embed_tokens"]"#, "embed_tokens"),
            (r#""exclude_modules": ["q_proj"]"#, "exclude_modules names"),
            (r#""exclude_modules": ".*q_proj""#, "exclude_modules names"),
            (r#""use_rslora": "true""#, "use_rslora"),
            (r#""use_rslora": 1"#, "use_rslora"),
            (r#""task_type": "SEQ_CLS""#, "task_type"),
            (r#""lora_alpha": 1e39"#, "no GGUF file holds"),
            (r#""lora_alpha": 1e-60"#, "no GGUF file holds"),
        ] {
            let alpha = if rest.contains("lora_alpha") { "" } else { r#""lora_alpha": 4, "# };
            config(&format!(r#"{{"peft_type": "LORA", {alpha}"r": 2, {rest}}}"#));
            let error = import(dir.path(), &weights).unwrap_err().to_string();
            assert!(error.contains(says), "{rest}: {error}");
        }
        config(r#"{"peft_type": "LORA", "lora_alpha": 4, "r": 8}"#);
        assert!(import(dir.path(), &weights).unwrap_err().to_string().contains("rank 2"));

        config(r#"{"peft_type": "LORA", "lora_alpha": 4, "r": 2, "bias": "none", "use_dora": false}"#);
        write(2, "k_proj");
        assert!(matches!(import(dir.path(), &weights), Err(TrainingError::OtherModel { .. })));
        write(2, "qk_proj");
        assert!(matches!(import(dir.path(), &weights), Err(TrainingError::Adapter { .. })));
        config(r#"{"peft_type": "LORA", "lora_alpha": 4, "use_dora": true}"#);
        assert!(import(dir.path(), &weights).unwrap_err().to_string().contains("use_dora"));
    }
}
