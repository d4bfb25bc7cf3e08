//! Adapters of models whose files hold several projections in one tensor (Phi): queries, keys and values, gate and up.
//!
//! Products of rank `r` of `n` projections become one of rank `R = n r`: their `A` one below the other, their `B` in blocks
//! on the diagonal. llama.cpp scales it by `alpha / R`, so `B` is multiplied by `R / r`.

use credence_priors::gguf::Value;

use super::super::error::TrainingError;
use super::super::projection::Projection;
use super::super::shape::ModelShape;
use super::super::weights::{Tensors, Weights, text};
use super::{Adapter, Block, Part, RANK_MAX, damaged};

/// Metadata entry that names the adapted projections, so that they can be told apart again.
const PROJECTIONS_KEY: &str = "credence.projections";

/// The tensors, each with the projections that it holds, in the order of their rows.
const TENSORS: [(&str, &[Projection]); 4] = [
    ("attn_qkv", &[Projection::Query, Projection::Key, Projection::Value]),
    ("attn_output", &[Projection::Output]),
    ("ffn_up", &[Projection::Gate, Projection::Up]),
    ("ffn_down", &[Projection::Down]),
];

/// What the file says beside the numbers.
pub(super) fn metadata(adapter: &Adapter) -> Option<(&'static str, Value)> {
    if adapter.shape.architecture != super::Architecture::Phi3 {
        return None;
    }
    let mut projections: Vec<Projection> = adapter.slots.iter().map(|s| s.projection).collect();
    projections.sort_unstable();
    projections.dedup();
    let names: Vec<&str> = projections.iter().map(|p| p.gguf_name()).collect();
    Some((PROJECTIONS_KEY, Value::String(names.join(","))))
}

/// The adapter's tensors.
pub(super) fn blocks(adapter: &Adapter) -> Vec<Block> {
    let mut blocks = Vec::new();
    for layer in 0..adapter.shape.layers {
        for (tensor, held) in TENSORS {
            let slots: Vec<_> = held.iter().filter_map(|p| adapter.slot(layer, *p)).collect();
            let Some(first) = slots.first() else { continue };
            let rank: usize = slots.iter().map(|s| s.rank).sum();
            let outputs = rows(&adapter.shape, held);
            let mut a = Vec::with_capacity(rank * first.inputs);
            let mut b = vec![0.0; outputs * rank];
            let mut column = 0;
            for slot in &slots {
                a.extend_from_slice(&adapter.parameters[slot.a()]);
                let row = row_of(&adapter.shape, held, slot.projection);
                let scale = rank as f32 / slot.rank as f32;
                for (i, numbers) in adapter.parameters[slot.b()].chunks_exact(slot.rank).enumerate() {
                    let at = (row + i) * rank + column;
                    b[at..at + slot.rank].iter_mut().zip(numbers).for_each(|(to, x)| *to = scale * x);
                }
                column += slot.rank;
            }
            blocks.push(Block { name: format!("blk.{layer}.{tensor}"), rank, inputs: first.inputs, outputs, a, b });
        }
    }
    blocks
}

/// Reads an adapter back. One that was made elsewhere does not say which projections it holds: each of them then has the
/// whole `A`.
pub(super) fn read(tensors: &mut Tensors<'_>, weights: &Weights, alpha: f32) -> Result<Adapter, TrainingError> {
    let shape = &weights.shape;
    let path = tensors.path.to_owned();
    let other = |problem: String| TrainingError::OtherModel { path: path.clone(), problem };
    let stated: Option<Vec<String>> =
        text(&tensors.content.metadata, PROJECTIONS_KEY).map(|t| t.split(',').map(str::to_owned).collect());
    let (mut parts, mut known) = (Vec::new(), 0);
    for layer in 0..shape.layers {
        for (tensor, held) in TENSORS {
            let name = |m: char| format!("blk.{layer}.{tensor}.weight.lora_{m}");
            let Ok(dims) = tensors.dims(&name('a')) else { continue };
            let (inputs, outputs) = (held[0].dims(shape).1, rows(shape, held));
            let rank = dims.first().copied().unwrap_or(0);
            let fits = dims.len() == 2 && rank > 0 && rank <= 3 * RANK_MAX && dims[1] == inputs;
            if !fits || tensors.dims(&name('b'))? != [outputs, rank] {
                return Err(other(format!("the shape of {} does not fit", name('a'))));
            }
            let a = tensors.read(&name('a'), &[rank, inputs])?;
            let b = tensors.read(&name('b'), &[outputs, rank])?;
            known += 2;
            let is_stated =
                |p: &&Projection| stated.as_ref().is_none_or(|s| s.iter().any(|name| name == p.gguf_name()));
            let present: Vec<Projection> = held.iter().filter(is_stated).copied().collect();
            let own = rank / present.len().max(1);
            if stated.is_some() && (present.is_empty() || own * present.len() != rank) {
                return Err(damaged(&path, &format!("{} does not hold the projections it states", name('a'))));
            }
            for (index, projection) in present.iter().enumerate() {
                let (row, length) = (row_of(shape, held, *projection), projection.dims(shape).0);
                let (own, column, scale) = match stated {
                    Some(_) => (own, index * own, own as f32 / rank as f32),
                    None => (rank, 0, 1.0),
                };
                let block = b[row * rank..(row + length) * rank].chunks_exact(rank);
                parts.push(Part {
                    layer,
                    projection: *projection,
                    rank: own,
                    a: a[column * inputs..(column + own) * inputs].to_vec(),
                    b: block.flat_map(|numbers| numbers[column..column + own].iter().map(|x| scale * x)).collect(),
                });
            }
        }
    }
    let all = tensors.content.tensors.len();
    if known == 0 || known != all {
        return Err(other(format!("{all} tensors, {known} of which have a place in this model")));
    }
    Ok(Adapter::from_parts(weights, alpha, parts))
}

/// Rows of a tensor that holds these projections.
fn rows(shape: &ModelShape, held: &[Projection]) -> usize {
    held.iter().map(|p| p.dims(shape).0).sum()
}

/// The first row of a projection in the tensor that holds it.
fn row_of(shape: &ModelShape, held: &[Projection], projection: Projection) -> usize {
    held.iter().take_while(|p| **p != projection).map(|p| p.dims(shape).0).sum()
}
