//! A LoRA adapter: which projections of which layers it moves, its numbers, and its GGUF file.
//!
//! An adapted projection computes `W x + (alpha / rank) B A x` with `A` of rank x inputs and `B` of outputs x rank.
//! Names, shapes and the order of rows are those of the GGUF model, so llama.cpp takes the file as it is.

mod fused;

use std::path::Path;

use credence_priors::gguf::{self, ADAPTER_MODEL_KEY, TensorData, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::error::TrainingError;
use super::files;
use super::projection::Projection;
use super::shape::{Architecture, ModelShape};
use super::weights::{Tensors, Weights, text};

/// A higher rank than this is damage: a rank is seldom above 64.
const RANK_MAX: usize = 1024;

/// What an adapter moves, and how freely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoraSettings {
    /// Rank of every product `B A`.
    pub rank: usize,
    /// The product is scaled by `alpha / rank`.
    pub alpha: f32,
    /// Projections that move.
    pub projections: Vec<Projection>,
    /// Layers from the top that move; `None` for all.
    pub top_layers: Option<usize>,
}

impl Default for LoraSettings {
    /// Rank 8 at twice the scale on all projections of all layers.
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, projections: Projection::ALL.to_vec(), top_layers: None }
    }
}

/// Where one projection's numbers lie among an adapter's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The block.
    pub layer: usize,
    /// The projection.
    pub projection: Projection,
    /// Rank of the product.
    pub rank: usize,
    /// Inputs of the projection.
    pub inputs: usize,
    /// Outputs of the projection.
    pub outputs: usize,
    /// Where `A` (rank x inputs) begins; `B` (outputs x rank) follows it.
    pub start: usize,
}

impl Slot {
    /// Where `A` lies.
    pub fn a(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.rank * self.inputs
    }

    /// Where `B` lies.
    pub fn b(&self) -> std::ops::Range<usize> {
        let start = self.a().end;
        start..start + self.outputs * self.rank
    }
}

/// The two matrices of a tensor of the model's file, as an adapter's file holds them.
struct Block {
    /// The tensor's name without `.weight`.
    name: String,
    rank: usize,
    inputs: usize,
    outputs: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

/// Numbers of one slot that were made elsewhere, with the rows in GGUF order.
pub(crate) struct Part {
    pub(crate) layer: usize,
    pub(crate) projection: Projection,
    pub(crate) rank: usize,
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
}

/// A LoRA adapter in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// `alpha`; a slot is scaled by `alpha / rank`.
    pub alpha: f32,
    /// The adapted projections, by layer and then in the order of computation.
    pub slots: Vec<Slot>,
    /// All numbers, slot after slot.
    pub parameters: Vec<f32>,
    shape: ModelShape,
    model: String,
}

impl Adapter {
    /// A new adapter that changes nothing yet: `A` uniform in +-1/sqrt(inputs) from the seed, `B` zero.
    ///
    /// # Errors
    /// If the settings make no sense for the model.
    pub fn new(weights: &Weights, settings: &LoraSettings, seed: u64) -> Result<Self, TrainingError> {
        let shape = &weights.shape;
        let odd = |problem: &str| Err(TrainingError::Settings(problem.to_owned()));
        if settings.rank == 0 || settings.rank > shape.width.min(RANK_MAX) {
            return odd("the rank is 0, more than 1024, or more than the model's width");
        }
        if !(settings.alpha.is_finite() && settings.alpha > 0.0) {
            return odd("alpha is not a number above 0");
        }
        if settings.projections.is_empty() || settings.top_layers == Some(0) {
            return odd("nothing is to be trained");
        }
        let first = shape.layers - settings.top_layers.unwrap_or(shape.layers).min(shape.layers);
        let mut places: Vec<(usize, Projection)> =
            (first..shape.layers).flat_map(|l| settings.projections.iter().map(move |p| (l, *p))).collect();
        places.sort_unstable();
        places.dedup();
        let mut adapter = Self::empty(weights, settings.alpha);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for (layer, projection) in places {
            let slot = adapter.push(shape, layer, projection, settings.rank);
            let bound = 1.0 / (slot.inputs as f32).sqrt();
            adapter.parameters[slot.a()].fill_with(|| random.random_range(-bound..bound));
        }
        Ok(adapter)
    }

    fn empty(weights: &Weights, alpha: f32) -> Self {
        Self {
            alpha,
            slots: Vec::new(),
            parameters: Vec::new(),
            shape: weights.shape.clone(),
            model: weights.hash.clone(),
        }
    }

    fn push(&mut self, shape: &ModelShape, layer: usize, projection: Projection, rank: usize) -> Slot {
        let (outputs, inputs) = projection.dims(shape);
        let slot = Slot { layer, projection, rank, inputs, outputs, start: self.parameters.len() };
        self.parameters.resize(slot.b().end, 0.0);
        self.slots.push(slot);
        slot
    }

    /// The slot of a projection, if it is adapted.
    pub fn slot(&self, layer: usize, projection: Projection) -> Option<&Slot> {
        let place = self.slots.binary_search_by_key(&(layer, projection), |s| (s.layer, s.projection));
        place.ok().map(|i| &self.slots[i])
    }

    /// The lowest layer that is adapted: layers below it are the base model's.
    pub fn first_layer(&self) -> usize {
        self.slots.first().map_or(usize::MAX, |s| s.layer)
    }

    /// What the products of a slot are multiplied by.
    pub fn scale(&self, slot: &Slot) -> f32 {
        self.alpha / slot.rank as f32
    }

    /// BLAKE3 of the model file that the adapter belongs to.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What its file holds, tensor by tensor of the model's file.
    fn blocks(&self) -> Vec<Block> {
        if self.shape.architecture == Architecture::Phi3 {
            return fused::blocks(self);
        }
        let block = |slot: &Slot| Block {
            name: format!("blk.{}.{}", slot.layer, slot.projection),
            rank: slot.rank,
            inputs: slot.inputs,
            outputs: slot.outputs,
            a: self.parameters[slot.a()].to_vec(),
            b: self.parameters[slot.b()].to_vec(),
        };
        self.slots.iter().map(block).collect()
    }

    /// Writes the file that llama.cpp loads, so that it is either all there or not at all.
    ///
    /// # Errors
    /// If it cannot be written; a full disk is told apart.
    pub fn write(&self, path: &Path) -> Result<(), TrainingError> {
        let mut metadata = vec![
            ("general.type", Value::String("adapter".to_owned())),
            ("general.architecture", Value::String(self.shape.architecture.name().to_owned())),
            ("general.name", Value::String("credence".to_owned())),
            (ADAPTER_MODEL_KEY, Value::String(self.model.clone())),
            ("adapter.type", Value::String("lora".to_owned())),
            ("adapter.lora.alpha", Value::F32(self.alpha)),
        ];
        metadata.extend(fused::metadata(self));
        let mut tensors = Vec::new();
        for block in self.blocks() {
            let Block { name, rank, inputs, outputs, a, b } = block;
            for (m, numbers, dims) in [("a", a, vec![rank, inputs]), ("b", b, vec![outputs, rank])] {
                tensors.push(TensorData::f32(format!("{name}.weight.lora_{m}"), dims, &numbers));
            }
        }
        let mut bytes = Vec::new();
        gguf::write(&mut bytes, &metadata, &tensors).map_err(|e| TrainingError::io("write", path, e))?;
        files::replace(path, &bytes)
    }

    /// Reads an adapter back and checks that it belongs to this model.
    ///
    /// # Errors
    /// If the file is damaged or not an adapter, or was made for another model.
    pub fn read(path: &Path, weights: &Weights) -> Result<Self, TrainingError> {
        let mut tensors = Tensors::open(path).map_err(|e| match e {
            TrainingError::Gguf { source, .. } => damaged(path, &credence_priors::error_chain(&source)),
            other => other,
        })?;
        let metadata = &tensors.content.metadata;
        if text(metadata, "general.type") != Some("adapter") || text(metadata, "adapter.type") != Some("lora") {
            return Err(damaged(path, "it does not call itself a LoRA adapter"));
        }
        let other = |problem: String| TrainingError::OtherModel { path: path.to_owned(), problem };
        let name = weights.shape.architecture.name();
        if text(metadata, "general.architecture") != Some(name) {
            return Err(other(format!("this one is of architecture {name}")));
        }
        // Adapters made elsewhere do not name their model; then the shapes alone decide.
        if text(metadata, ADAPTER_MODEL_KEY).is_some_and(|hash| hash != weights.hash) {
            return Err(other("the hash of the model's file differs".to_owned()));
        }
        let alpha = metadata.get("adapter.lora.alpha").and_then(|v| match v {
            Value::F32(alpha) => Some(*alpha),
            _ => None,
        });
        let alpha = alpha.filter(|a| a.is_finite()).ok_or_else(|| damaged(path, "adapter.lora.alpha is missing"))?;

        if weights.shape.architecture == Architecture::Phi3 {
            return fused::read(&mut tensors, weights, alpha);
        }
        let mut adapter = Self::empty(weights, alpha);
        for layer in 0..weights.shape.layers {
            for projection in Projection::ALL {
                let name = |m: char| format!("blk.{layer}.{projection}.weight.lora_{m}");
                let Ok(dims) = tensors.dims(&name('a')) else { continue };
                let (outputs, inputs) = projection.dims(&weights.shape);
                let rank = dims.first().copied().unwrap_or(0);
                if dims.len() != 2
                    || rank == 0
                    || rank > RANK_MAX
                    || dims[1] != inputs
                    || tensors.dims(&name('b'))? != [outputs, rank]
                {
                    return Err(other(format!("the shape of {} does not fit", name('a'))));
                }
                let slot = adapter.push(&weights.shape, layer, projection, rank);
                for (m, range, dims) in [('a', slot.a(), [rank, inputs]), ('b', slot.b(), [outputs, rank])] {
                    let data = tensors.read(&name(m), &dims)?;
                    adapter.parameters[range].copy_from_slice(&data);
                }
            }
        }
        let (known, all) = (2 * adapter.slots.len(), tensors.content.tensors.len());
        if known == 0 || known != all {
            return Err(other(format!("{all} tensors, {known} of which have a place in this model")));
        }
        Ok(adapter)
    }

    /// An adapter from numbers made elsewhere.
    pub(crate) fn from_parts(weights: &Weights, alpha: f32, mut parts: Vec<Part>) -> Self {
        parts.sort_by_key(|p| (p.layer, p.projection));
        let mut adapter = Self::empty(weights, alpha);
        for part in parts {
            let slot = adapter.push(&weights.shape, part.layer, part.projection, part.rank);
            adapter.parameters[slot.a()].copy_from_slice(&part.a);
            adapter.parameters[slot.b()].copy_from_slice(&part.b);
        }
        adapter
    }
}

pub(crate) fn damaged(path: &Path, problem: &str) -> TrainingError {
    TrainingError::Adapter { path: path.to_owned(), problem: problem.to_owned() }
}
