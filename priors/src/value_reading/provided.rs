//! The map for a model: the one that ships with the program, one fitted before on this machine, or a new one.

use std::fs;
use std::path::{Path, PathBuf};

use super::ValueMap;
use super::fit::FitError;
use super::states::{layers, read_states};
use super::stored::StoredMapError;
use crate::acts::{KeyedPair, Split, embedded, hash};
use crate::model::{LanguageModel, ModelError};
use crate::readout::Alternative;
use crate::schema::ValueSchema;

/// Maps that ship with the program.
const SHIPPED: &[&[u8]] = &[include_bytes!("../../data/maps/smollm2-135m-instruct-q4_1.map")];

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The model failed.
    #[error("failed to read the keyed acts")]
    Model(#[from] ModelError),
    /// Nothing could be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// It could not be kept.
    #[error(transparent)]
    Stored(#[from] StoredMapError),
    /// A home reads with a map that is not on this machine.
    #[error(
        "this home reads values with a map ({found}) that is not on this machine and cannot be made again with this version; \
         open it where it was made, or start a new home"
    )]
    Missing {
        /// The first characters of its hash.
        found: String,
    },
}

/// The acts that maps are fitted with: those that come with the program, but for what is kept for testing.
pub fn learned_acts() -> Vec<KeyedPair> {
    embedded().into_iter().filter(|pair| pair.split() != Split::Testing).collect()
}

impl ValueMap {
    /// Whether the schema has any value that acts are keyed for. If not, only its pole words can be read.
    pub fn is_possible(schema: &ValueSchema) -> bool {
        let acts = embedded();
        let mut keyed = acts.iter().flat_map(|pair| pair.acts.iter().flat_map(|act| act.keys.keys()));
        keyed.any(|value| schema.value_index(value).is_some())
    }

    /// The map for this model and schema. If none ships and none is kept in `folder`, it is fitted (`on_progress` is told how
    /// many of how many pairs are read) and kept there.
    ///
    /// # Errors
    /// If the model fails, nothing can be fitted, or the map cannot be kept.
    pub fn provided(
        model: &mut dyn LanguageModel,
        schema: &ValueSchema,
        folder: Option<&Path>,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, MapError> {
        let identity = model.describe();
        let acts = learned_acts();
        let wanted = Wanted {
            model_key: identity.key(),
            values: schema.values.iter().map(|v| v.id.clone()).collect(),
            acts_hash: hash(&acts),
        };
        if let Some(map) = wanted.find(folder).filter(|map| map.layers() == layers(&identity)) {
            return Ok(map);
        }
        let alternatives: Vec<[Alternative; 2]> = acts.iter().map(KeyedPair::alternatives).collect();
        let questions: Vec<&[Alternative]> = alternatives.iter().map(<[Alternative; 2]>::as_slice).collect();
        let states = read_states(model, &questions, on_progress)?;
        let map = Self::fit(&identity, schema, &acts, &states)?;
        if let Some(folder) = folder {
            keep(folder, &wanted.path(folder), &map)?;
        }
        Ok(map)
    }

    /// The map that there is for a model already, by [`crate::ModelIdentity::key`]: nothing is fitted, and no model is needed.
    pub fn known_for(model_key: &str, schema: &ValueSchema, folder: Option<&Path>) -> Option<Self> {
        let values = schema.values.iter().map(|v| v.id.clone()).collect();
        let wanted = Wanted { model_key: model_key.to_owned(), values, acts_hash: hash(&learned_acts()) };
        wanted.find(folder)
    }

    /// The map with this hash: what a home was begun with.
    ///
    /// # Errors
    /// [`MapError::Missing`] if it neither ships nor is kept in `folder`.
    pub fn with_hash(wanted: &str, folder: Option<&Path>) -> Result<Self, MapError> {
        let kept = folder.and_then(|folder| fs::read(by_hash(folder, wanted)).ok());
        let candidates = SHIPPED.iter().copied().chain(kept.as_deref());
        candidates
            .filter_map(|bytes| Self::from_bytes(bytes).ok())
            .find(|map| map.hash() == wanted)
            .ok_or_else(|| MapError::Missing { found: wanted.chars().take(12).collect() })
    }

    /// Keeps the map in `folder` under its hash, for homes that read with it after the program has learned a newer one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<(), StoredMapError> {
        let path = by_hash(folder, &self.hash());
        if path.exists() { Ok(()) } else { keep(folder, &path, self) }
    }
}

struct Wanted {
    model_key: String,
    values: Vec<String>,
    acts_hash: String,
}

impl Wanted {
    fn path(&self, folder: &Path) -> PathBuf {
        let all = format!("{}|{}|{}|{}", super::MAP_VERSION, self.model_key, self.values.join(","), self.acts_hash);
        folder.join(format!("values-{}.map", &blake3::hash(all.as_bytes()).to_hex()[..32]))
    }

    fn find(&self, folder: Option<&Path>) -> Option<ValueMap> {
        let kept = folder.and_then(|folder| fs::read(self.path(folder)).ok());
        let suits = |map: &ValueMap| {
            map.model_key == self.model_key && map.values == self.values && map.acts_hash == self.acts_hash
        };
        // A damaged file is passed over, and made again.
        SHIPPED.iter().copied().chain(kept.as_deref()).filter_map(|bytes| ValueMap::from_bytes(bytes).ok()).find(suits)
    }
}

fn by_hash(folder: &Path, hash: &str) -> PathBuf {
    let hash: String = hash.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    folder.join(format!("map-{hash}.map"))
}

fn keep(folder: &Path, path: &Path, map: &ValueMap) -> Result<(), StoredMapError> {
    let failed = |source| StoredMapError::File { path: path.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    // Whole or not at all, whoever else writes it.
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&beside, map.to_bytes()).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}
