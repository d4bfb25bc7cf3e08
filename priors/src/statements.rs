//! What a model makes of statements that people agree or disagree with: three contrasts, and its state after a question about
//! each.
//!
//! Readings are kept in JSON Lines, one file for each model, beside the readings of alternatives.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checked_lines;
use crate::model::{LanguageModel, ModelError, Reading, Readout};
use crate::reading_cache::ReadingCacheError;

/// Templates, and the words for and against; `{}` is the statement. Chosen for rank correlation with how many agree, on four
/// public conversations (SmolLM2-135M; .17 to .55, .08 to .40, .01 to .34).
const CONTRASTS: [(&str, &str, &str); 3] = [
    ("Statement: {}\nThis statement is", " true", " false"),
    ("Statement: {}\nMost people think this is", " right", " wrong"),
    ("{} This is a", " good", " bad"),
];
/// After which the model's state is kept; `{}` is the statement.
const QUESTION: &str = "Statement: \"{}\" Do most people agree or disagree? Most people";
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
    read_statements_after(model, "", statements, folder, on_progress)
}

/// As [`read_statements`], with a text before each statement: what is said of the matter in general. Empty for none.
///
/// # Errors
/// As [`read_statements`]; a text that leaves no room for a statement in the model's context.
pub fn read_statements_after(
    model: &mut dyn LanguageModel,
    background: &str,
    statements: &[String],
    folder: &Path,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<StatementReading>, StatementError> {
    let (of, before) = match background {
        "" => (String::new(), String::new()),
        text => (format!("-after-{}", &blake3::hash(text.as_bytes()).to_hex()[..16]), format!("{text}\n\n")),
    };
    let path = folder.join(format!("statements-{}{of}.jsonl", &model.describe().key()[..16]));
    let mut read = |chunk: &[String]| {
        let ask = |words: &String| {
            CONTRASTS.map(|(template, with, against)| Reading {
                prompt: format!("{before}{}", template.replace("{}", words)),
                continuations: vec![with.to_owned(), against.to_owned()],
            })
        };
        let readouts = model.read(&chunk.iter().flat_map(ask).collect::<Vec<_>>())?;
        let row = |found: &[Readout]| found.iter().map(|r| r.ln_p[0] - r.ln_p[1]).collect();
        Ok(readouts.chunks_exact(CONTRASTS.len()).map(row).collect())
    };
    let rows = each_once(&path, statements, CONTRASTS.len(), &mut read, on_progress)?;
    Ok(rows.iter().map(|row| std::array::from_fn(|i| row.get(i).copied().unwrap_or_default())).collect())
}

/// The model's state after a question about each statement, each asked once on this machine; empty for a statement without
/// words.
///
/// # Errors
/// If model or cache fail.
pub fn statement_states(
    model: &mut dyn LanguageModel,
    statements: &[String],
    folder: &Path,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<f32>>, StatementError> {
    let model_is = model.describe();
    let path = folder.join(format!("statement-states-{}.jsonl", &model_is.key()[..16]));
    let mut read = |chunk: &[String]| {
        let prompts: Vec<String> = chunk.iter().map(|words| QUESTION.replace("{}", words)).collect();
        model.hidden(&prompts)
    };
    each_once(&path, statements, model_is.width, &mut read, on_progress)
}

/// Reads a row of numbers for the words of each statement.
type ReadWords<'a, T> = dyn FnMut(&[String]) -> Result<Vec<Vec<T>>, ModelError> + 'a;

/// Rows of so many numbers for statements: those in the file, and the others from `read`, which is given their words.
fn each_once<T: Copy + Into<f64> + Serialize + DeserializeOwned>(
    path: &Path,
    statements: &[String],
    width: usize,
    read: &mut ReadWords<'_, T>,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<T>>, StatementError> {
    let fits = |row: &Vec<T>| row.len() == width && row.iter().all(|x| (*x).into().is_finite());
    let mut known = checked_lines::read(path, fits);
    let mut missing: Vec<&String> = statements.iter().filter(|s| !s.is_empty() && !known.contains_key(*s)).collect();
    missing.sort();
    missing.dedup();
    let total = missing.len();
    on_progress(0, total);
    for (n, chunk) in missing.chunks(CHUNK).enumerate() {
        let words: Vec<String> = chunk.iter().map(|s| s.chars().take(CHARACTERS_MAX).collect()).collect();
        let rows = read(&words).map_err(|source| StatementError::Model { statement: chunk[0].clone(), source })?;
        for (statement, reading) in chunk.iter().zip(rows) {
            let failed = |source| ReadingCacheError { path: PathBuf::from(path), source };
            let line = checked_lines::line(statement, &reading).map_err(failed)?;
            checked_lines::append(path, &line).map_err(failed)?;
            known.insert((*statement).clone(), reading);
        }
        on_progress((n * CHUNK + chunk.len()).min(total), total);
    }
    Ok(statements.iter().map(|s| known.get(s).cloned().unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        assert_eq!((&second, asked), (&first, vec![0]), "nothing is read twice");
        // What stands before a statement changes what is read, and is kept by itself.
        let mut after = |background: &str, asked: &mut usize| {
            read_statements_after(&mut model, background, &statements, folder.path(), &mut |_, total| *asked = total)
        };
        let mut asked = 0;
        let with = after("Land is scarce.", &mut asked)?;
        assert!(asked == 2 && with[0] != first[0] && with[1] == [0.0; 3]);
        assert_eq!(after("Land is scarce.", &mut asked)?, with);
        assert_eq!(asked, 0, "nothing is read twice");
        assert_eq!(after("", &mut asked)?, first);
        let states = || statement_states(&mut Scripted::hashed(1), &statements, folder.path(), &mut |_, _| {});
        let first = states()?;
        assert!(first[1].is_empty() && !first[0].is_empty() && first[0] != first[2]);
        assert_eq!(states()?, first);
        Ok(())
    }
}
