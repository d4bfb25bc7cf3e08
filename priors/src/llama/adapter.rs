//! A low-rank adapter, checked before llama.cpp sees it and loaded onto a model.

use std::path::Path;

use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};

use super::log;
use crate::gguf::GgufHead;
use crate::model::ModelError;

/// Loads an adapter, and says the BLAKE3 hash of its file, in hex. `model_blake3` is that of the model's file.
pub(super) fn load(
    model: &mut LlamaModel,
    path: &Path,
    model_blake3: &str,
) -> Result<(LlamaLoraAdapter, String), ModelError> {
    let refuse = |reason: String| ModelError::Adapter { path: path.into(), reason };
    let unreadable = |source| ModelError::File { path: path.into(), source };
    std::fs::File::open(path).map_err(unreadable)?;
    let head = GgufHead::read_file(path).map_err(|source| ModelError::Gguf { path: path.into(), source })?;
    if let Some(made_for) = head.adapter_of.filter(|made_for| made_for != model_blake3) {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        return Err(refuse(format!("it was made for model {}, this is {}", short(&made_for), short(model_blake3))));
    }
    let hash = crate::cache::blake3_of(path).map_err(unreadable)?;
    log::forget_errors();
    let adapter = model.lora_adapter_init(path).map_err(|error| refuse(log::errors_or(&error.to_string())))?;
    Ok((adapter, hash))
}
