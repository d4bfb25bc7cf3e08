//! A training run frozen between two steps: the adapter's numbers, the optimiser's state, and what they belong to.
//!
//! Layout: `CREDCKPT`, the length of a JSON head as u64, the head, three runs of f32 (parameters, first and second
//! moments), the BLAKE3 of all before it. Numbers are little-endian.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::TrainingError;
use super::files;
use super::optimiser::Moments;

const MAGIC: &[u8; 8] = b"CREDCKPT";
const HASH_BYTES: usize = 32;

/// What a checkpoint belongs to and how far it got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// BLAKE3 over model, data and settings: a run resumes only as itself.
    pub(crate) run: String,
    /// Steps done.
    pub(crate) step: usize,
    /// Mean loss of each step done.
    pub(crate) losses: Vec<f64>,
    /// Length of each of the three runs of numbers.
    pub(crate) parameters: usize,
}

fn odd(path: &Path, problem: &str) -> TrainingError {
    TrainingError::Checkpoint { path: path.to_owned(), problem: problem.to_owned() }
}

/// Writes a checkpoint in place of an older one, or leaves the older one as it was.
pub(crate) fn write(path: &Path, head: &Head, parameters: &[f32], moments: &Moments) -> Result<(), TrainingError> {
    let json = serde_json::to_vec(head).map_err(|e| odd(path, &e.to_string()))?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + json.len() + 12 * parameters.len() + HASH_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&json);
    for run in [parameters, &moments.first, &moments.second] {
        bytes.extend(run.iter().flat_map(|x| x.to_le_bytes()));
    }
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    files::replace(path, &bytes)
}

/// Reads a checkpoint of the run `run` with `parameters` numbers; `None` if there is none.
pub(crate) fn read(
    path: &Path,
    run: &str,
    parameters: usize,
) -> Result<Option<(Head, Vec<f32>, Moments)>, TrainingError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(TrainingError::io("read", path, e)),
    };
    let damaged = || odd(path, "it is damaged or truncated; delete it to start anew");
    let (body, hash) = bytes.split_at_checked(bytes.len().saturating_sub(HASH_BYTES)).ok_or_else(damaged)?;
    if !body.starts_with(MAGIC) || blake3::hash(body).as_bytes() != hash {
        return Err(damaged());
    }
    let (length, rest) = body[MAGIC.len()..].split_first_chunk::<8>().ok_or_else(damaged)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
    let (json, numbers) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let head: Head = serde_json::from_slice(json).map_err(|_| damaged())?;
    if head.run != run {
        return Err(odd(path, "it belongs to a run with another model, other data or other settings"));
    }
    if head.parameters != parameters || numbers.len() != 12 * parameters {
        return Err(damaged());
    }
    let mut runs = numbers
        .chunks_exact((4 * parameters).max(1))
        .map(|run| run.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<f32>>());
    let mut next = || runs.next().unwrap_or_default();
    let (parameters, first, second) = (next(), next(), next());
    Ok(Some((head, parameters, Moments { first, second })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_or_says_why_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.checkpoint");
        assert!(read(&path, "a", 3).unwrap().is_none());
        let head = Head { run: "a".to_owned(), step: 2, losses: vec![0.1, 1.0 / 3.0], parameters: 3 };
        let moments = Moments { first: vec![0.5; 3], second: vec![0.25; 3] };
        write(&path, &head, &[1.0, 2.0, 3.0], &moments).unwrap();
        let back = read(&path, "a", 3).unwrap().unwrap();
        assert_eq!(back, (head, vec![1.0, 2.0, 3.0], moments));
        let other = read(&path, "b", 3).unwrap_err().to_string();
        assert!(other.contains("another model, other data or other settings"), "{other}");
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(read(&path, "a", 3), Err(TrainingError::Checkpoint { .. })), "{length} bytes");
        }
    }
}
