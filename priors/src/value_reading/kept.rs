//! What was read once is not read again: readings of whole questions, by their words.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::states::read_states;
use super::{ReadAct, ValueMap};
use crate::checked_lines;
use crate::model::{LanguageModel, ModelError};
use crate::readout::Alternative;

/// Readings by one model and one map, kept in a file: JSON Lines with checksums, which several programs may append to at once.
#[derive(Debug)]
pub struct KeptReadings {
    path: Option<PathBuf>,
    known: HashMap<String, Vec<ReadAct>>,
}

impl KeptReadings {
    /// Readings by `map`, and the model that it belongs to, kept under `folder`; without one they live as long as this does. Lines that
    /// cannot be read, or do not match their checksum, are passed over (with a warning): they are read from the model again.
    pub fn open(folder: Option<&Path>, map: &ValueMap) -> Self {
        let name = format!("readings-{}-{}.jsonl", &map.model_key[..16], &map.hash()[..16]);
        let path = folder.map(|folder| folder.join(name));
        let values = map.values.len();
        let fits = |acts: &Vec<ReadAct>| {
            let has_shape = |act: &ReadAct| [act.points.len(), act.error.len(), act.stakes.len()] == [values; 3];
            acts.iter().all(has_shape)
        };
        let known = path.as_deref().map(|path| checked_lines::read(path, fits)).unwrap_or_default();
        Self { path, known }
    }

    /// Reads the alternatives of one situation beside each other, in their order. In whatever order they are given, each is read alike.
    ///
    /// # Errors
    /// If the model fails, or a text is longer than its context.
    pub fn read(
        &mut self,
        model: &mut dyn LanguageModel,
        map: &ValueMap,
        alternatives: &[Alternative],
    ) -> Result<Vec<ReadAct>, ModelError> {
        let mut order: Vec<usize> = (0..alternatives.len()).collect();
        order.sort_by_cached_key(|at| alternatives[*at].key());
        let sorted: Vec<Alternative> = order.iter().map(|at| alternatives[*at].clone()).collect();
        let key = sorted.iter().map(Alternative::key).collect::<Vec<_>>().join(" ");
        let acts = match self.known.get(&key).filter(|acts| acts.len() == sorted.len()) {
            Some(acts) => acts.clone(),
            None => {
                let states = read_states(model, &[&sorted], &mut |_, _| {})?;
                let acts = states.first().map(|states| map.read(states)).unwrap_or_default();
                self.keep(key, acts.clone());
                acts
            }
        };
        let mut read: Vec<(usize, ReadAct)> = order.into_iter().zip(acts).collect();
        read.sort_by_key(|(at, _)| *at);
        Ok(read.into_iter().map(|(_, act)| act).collect())
    }

    fn keep(&mut self, key: String, acts: Vec<ReadAct>) {
        if let Some(path) = &self.path {
            let kept = checked_lines::line(&key, &acts).and_then(|line| checked_lines::append(path, &line));
            if let Err(error) = kept {
                // It is only slower next time.
                tracing::warn!(cache = %path.display(), %error, "a reading could not be kept");
            }
        }
        self.known.insert(key, acts);
    }
}
