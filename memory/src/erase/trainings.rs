//! Which folders of trainings saw a person.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::traces::value_names;
use crate::ids::{AdapterGeneration, PersonId};

/// What stands in the folder of trainings and has to go with a person, in the order of its names: what a candidate was trained
/// or judged with, where that names them; what was trained on top of an adapter that goes; and whatever does not say.
pub(super) fn of(folder: &Path, person: &PersonId, generations: &BTreeSet<AdapterGeneration>) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let mut gone: Vec<PathBuf> = found
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| !is_clean(path, person, generations))
        .collect();
    gone.sort();
    gone
}

fn is_clean(path: &Path, person: &PersonId, generations: &BTreeSet<AdapterGeneration>) -> bool {
    let Some(job) = json(&path.join("job.json")) else { return false };
    let number = |key: &str| job.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let (Some(generation), Some(in_use)) = (number("generation"), number("in_use")) else { return false };
    if [generation, in_use].iter().any(|n| generations.contains(&AdapterGeneration(*n))) {
        return false;
    }
    let Ok(files) = fs::read_dir(path) else { return false };
    let mut others =
        files.filter_map(Result::ok).map(|f| f.path()).filter(|f| f.extension().is_some_and(|e| e == "json"));
    others.all(|file| json(&file).is_some_and(|value| !value_names(&value, person.as_str())))
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
