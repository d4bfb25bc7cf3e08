//! Which folders of trainings saw a person.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::traces::value_names;
use crate::ids::{AdapterGeneration, PersonId};
use crate::text::mentions;

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
    let Ok(files) = files_in(path) else { return false };
    let mut says_whom = job.get("data").is_some_and(Value::is_object);
    for file in files {
        match reads_as(&file, person.as_str()) {
            Found::Clean => says_whom |= is_data(&file) && file.file_name().is_some_and(|name| name != "job.json"),
            Found::Weights => {}
            Found::Named | Found::Unclear => return false,
        }
    }
    says_whom
}

/// All files of a folder and its folders.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for found in fs::read_dir(folder)? {
        let found = found?;
        if found.file_type()?.is_dir() {
            files.extend(files_in(&found.path())?);
        } else {
            files.push(found.path());
        }
    }
    Ok(files)
}

/// What a file of a training says of a person.
enum Found {
    Named,
    /// It was read and does not name them.
    Clean,
    /// No text: whom weights saw is said by the job.
    Weights,
    Unclear,
}

/// Text that is longer is not looked through, and does not say.
const TEXT_BYTES_MAX: u64 = 1 << 28;
/// So much of a file shows whether it is text.
const BEGINNING_BYTES: usize = 4096;

/// Its extension in small letters.
fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Whether it should hold JSON.
fn is_data(path: &Path) -> bool {
    matches!(extension(path).as_str(), "json" | "jsonl" | "ndjson")
}

fn reads_as(path: &Path, name: &str) -> Found {
    let is_text = fs::File::open(path).and_then(|file| {
        let mut beginning = Vec::new();
        file.take(BEGINNING_BYTES as u64).read_to_end(&mut beginning)?;
        let cut = |e: std::str::Utf8Error| e.error_len().is_none() && beginning.len() == BEGINNING_BYTES;
        Ok(!beginning.contains(&0) && str::from_utf8(&beginning).map_or_else(cut, |_| true))
    });
    match is_text {
        Ok(false) if !is_data(path) => return Found::Weights,
        Ok(_) => {}
        Err(_) => return Found::Unclear,
    }
    let is_short = path.metadata().is_ok_and(|file| file.len() <= TEXT_BYTES_MAX);
    let Some(Ok(text)) = is_short.then(|| fs::read_to_string(path)) else { return Found::Unclear };
    let values: Option<Vec<Value>> = match extension(path).as_str() {
        "json" => serde_json::from_str(&text).ok().map(|value| vec![value]),
        "jsonl" | "ndjson" => {
            text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).ok()).collect()
        }
        _ if mentions(&text, name).is_empty() => return Found::Clean,
        _ => return Found::Named,
    };
    match values {
        None => Found::Unclear,
        Some(values) if values.iter().any(|value| value_names(value, name)) => Found::Named,
        Some(_) => Found::Clean,
    }
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
