//! What is told of autoencoders.

use std::path::PathBuf;

use credence_glass::{Detector, Making, ScoredPair, Settings};
use serde::Serialize;
use utoipa::ToSchema;

/// An autoencoder that was trained, as `credence sae train --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrainedJson {
    #[schema(value_type = String)]
    pub(super) file: PathBuf,
    /// BLAKE3 of the file.
    pub(super) blake3: String,
    /// Key of the model whose states it was trained on.
    pub(super) model: String,
    pub(super) layer: usize,
    /// Texts whose states those were.
    pub(super) texts: usize,
    /// The states.
    pub(super) rows: usize,
    pub(super) settings: Settings,
    pub(super) seed: u64,
    /// Share of the variance that is explained.
    pub(super) explained: f64,
    /// Entries that fire in a state, on average.
    pub(super) l0: f64,
    /// Entries that never fire.
    pub(super) dead: usize,
    /// Entries that fire in nearly all states, with the share.
    pub(super) always_on: Vec<(usize, f64)>,
}

/// An autoencoder, as `credence sae show --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AutoencoderJson {
    /// Its entries.
    pub(super) width: usize,
    /// Numbers in a state.
    pub(super) dimension: usize,
    /// BLAKE3 of the file.
    pub(super) blake3: String,
    /// How it was made; nothing where the file does not say.
    pub(super) making: Option<Making>,
}

/// What an audit found, as `credence sae audit --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditJson {
    /// Entries that were looked at.
    pub(super) entries: usize,
    /// Entries that never fire; nothing without texts.
    pub(super) dead: Option<usize>,
    /// Entries that fire in nearly all states, with the share; nothing without texts.
    pub(super) always_on: Option<Vec<(usize, f64)>>,
    pub(super) detectors: Vec<DetectorJson>,
}

/// What one detector found: pairs in which one entry may be silent where the other speaks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DetectorJson {
    pub(super) detector: Detector,
    /// The score from which on a pair is flagged.
    pub(super) line: f32,
    /// Pairs that are.
    pub(super) flagged: usize,
    /// Those with the highest scores.
    pub(super) worst: Vec<ScoredPair>,
}

/// Where an entry fires, as `credence sae show --entry --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryJson {
    pub(super) entry: usize,
    /// Share of states that it fires in.
    pub(super) rate: f64,
    /// The highest value in a text, and the text.
    pub(super) texts: Vec<(f32, String)>,
}
