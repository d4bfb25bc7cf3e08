//! What a model makes of statements that people agree or disagree with: three contrasts, each once for each statement.
//!
//! Readings are kept in JSON Lines, one file for each model, beside the readings of alternatives.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{LanguageModel, ModelError, Reading};
use crate::reading_cache::ReadingCacheError;

/// Templates, and the words for and against; `{}` is the statement. Chosen for rank correlation with how many agree, on four
/// public conversations (SmolLM2-135M; .17 to .55, .08 to .40, .01 to .34).
const CONTRASTS: [(&str, &str, &str); 3] = [
    ("Statement: {}\nThis statement is", " true", " false"),
    ("Statement: {}\nMost people think this is", " right", " wrong"),
    ("{} This is a", " good", " bad"),
];
/// What each contrast says of a statement.
pub const CONTRAST_NAMES: [&str; CONTRASTS.len()] = ["true", "right", "good"];
/// Statements read between two reports of progress.
const CHUNK: usize = 8;
/// Characters of a statement that are read; more would not fit into every model's context.
const CHARACTERS_MAX: usize = 1200;

/// ln p(for) - ln p(against) in each contrast, in nats.
pub type StatementReading = [f64; CONTRASTS.len()];

/// What went wrong while reading statements.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// The model failed.
    #[error("failed to read what the model makes of the statement {statement:?}")]
    Model {
        /// The first statement of the batch.
        statement: String,
        /// Why.
        source: ModelError,
    },
    /// The cache failed.
    #[error("failed to keep what was read")]
    Cache(#[from] ReadingCacheError),
}

#[derive(Serialize, Deserialize)]
struct Line {
    statement: String,
    reading: StatementReading,
}

/// Reads statements, each once on this machine: what stands in the cache in `folder` is not read again. A statement without
/// words reads as zeros. `on_progress` is told how many of how many are done.
///
/// # Errors
/// If model or cache fail.
pub fn read_statements(
    model: &mut dyn LanguageModel,
    statements: &[String],
    folder: &Path,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<StatementReading>, StatementError> {
    let path = folder.join(format!("statements-{}.jsonl", &model.describe().key()[..16]));
    let mut known = kept(&path);
    let mut missing: Vec<&String> = statements.iter().filter(|s| !s.is_empty() && !known.contains_key(*s)).collect();
    missing.sort();
    missing.dedup();
    let total = missing.len();
    on_progress(0, total);
    for (n, chunk) in missing.chunks(CHUNK).enumerate() {
        let readings: Vec<Reading> = chunk
            .iter()
            .flat_map(|statement| {
                let words: String = statement.chars().take(CHARACTERS_MAX).collect();
                CONTRASTS.map(|(template, with, against)| Reading {
                    prompt: template.replace("{}", &words),
                    continuations: vec![with.to_owned(), against.to_owned()],
                })
            })
            .collect();
        let readouts =
            model.read(&readings).map_err(|source| StatementError::Model { statement: chunk[0].clone(), source })?;
        for (statement, found) in chunk.iter().zip(readouts.chunks_exact(CONTRASTS.len())) {
            let reading: StatementReading = std::array::from_fn(|i| found[i].ln_p[0] - found[i].ln_p[1]);
            keep(&path, &Line { statement: (*statement).clone(), reading })?;
            known.insert((*statement).clone(), reading);
        }
        on_progress((n * CHUNK + chunk.len()).min(total), total);
    }
    Ok(statements.iter().map(|s| known.get(s).copied().unwrap_or_default()).collect())
}

/// Readings kept before; damaged lines are passed over, and read again.
fn kept(path: &Path) -> HashMap<String, StatementReading> {
    let Ok(file) = File::open(path) else { return HashMap::new() };
    let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
    lines
        .filter_map(|line| serde_json::from_slice::<Line>(&line).ok())
        .filter(|line| line.reading.iter().all(|x| x.is_finite()))
        .map(|line| (line.statement, line.reading))
        .collect()
}

fn keep(path: &Path, line: &Line) -> Result<(), ReadingCacheError> {
    let failed = |source| ReadingCacheError { path: PathBuf::from(path), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    // One write, begun on a new line: neither a second program nor a torn line before it can spoil it.
    file.write_all(format!("\n{text}\n").as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn a_statement_is_read_once_and_survives_a_damaged_line() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let statements = ["Tax land.".to_owned(), String::new(), "Tax \"all\" work.\nNow.".to_owned()];
        let mut model = Scripted::hashed(1);
        let first = read_statements(&mut model, &statements, folder.path(), &mut |_, _| {})?;
        assert_eq!(first[1], [0.0; 3]);
        assert_ne!(first[0], first[2]);
        let file = fs::read_dir(folder.path())?.next().ok_or("a cache")??.path();
        let mut text = fs::read_to_string(&file)?;
        text.push_str("{\"statement\": torn");
        fs::write(&file, text)?;
        let mut asked = Vec::new();
        let second = read_statements(&mut model, &statements, folder.path(), &mut |_, total| asked.push(total))?;
        assert_eq!((second, asked), (first, vec![0]), "nothing is read twice");
        Ok(())
    }
}
