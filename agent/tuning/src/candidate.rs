//! A candidate's folder: what it is trained on, how far it is, and what came of it, so that a killed trainer resumes.
//!
//! In `training/generation-N` of a home `job.json` and `rehearsal.json` are written before training, `checkpoint` during
//! it, `outcome.json` after the gate; the adapter itself is `adapters/generation-N.gguf`. Each is either all there or not
//! at all. Erasing a person removes the folders under `training` whose job names them, or
//! whose parent had absorbed them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use credence_memory::ids::Hash;
use credence_memory::lock::Lock;
use credence_training::TrainingSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::dataset::{DataSet, DataSettings};
use super::gate::{GateSettings, Judgement};
use super::schedule::{Policy, Start};

/// How candidates are made and judged: `tune.toml` in a home. Whatever is left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TuneSettings {
    /// When to train.
    pub policy: Policy,
    /// What on.
    pub data: DataSettings,
    /// How.
    pub training: TrainingSettings,
    /// What to let in.
    pub gate: GateSettings,
}

impl Default for TuneSettings {
    /// Small steps: the ten highest layers, whose input is computed once and kept. Soft labels near one half need a rate at
    /// which they are learned at all; at twice the rate and the epochs obvious pairs turn (docs/learning.md).
    fn default() -> Self {
        let mut training = TrainingSettings::default();
        training.lora.top_layers = Some(10);
        training.optimiser.learning_rate = 1e-3;
        training.optimiser.warmup_steps = 5;
        Self { policy: Policy::default(), data: DataSettings::default(), training, gate: GateSettings::default() }
    }
}

impl TuneSettings {
    /// Reads settings; what the text leaves out has its default here, also within a part that it gives.
    ///
    /// # Errors
    /// If it is not TOML, or names something that is none of the settings.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        over_defaults(text)
    }
}

/// Reads a TOML file; what it leaves out has its default, also within a table that it gives.
///
/// # Errors
/// If it is not TOML, or names something that is not there.
pub fn over_defaults<T: Default + Serialize + DeserializeOwned>(text: &str) -> Result<T, toml::de::Error> {
    let given: toml::Table = text.parse()?;
    let mut all = toml::Table::try_from(T::default()).unwrap_or_default();
    overlay(&mut all, given);
    all.try_into()
}

fn overlay(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => overlay(under, over),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

/// What a candidate is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub generation: u32,
    /// The generation in use when it was begun; 0 for the base model. The gate compares with it.
    pub in_use: u32,
    /// From where it starts.
    pub start: Start,
    /// Its turn at the gate, from 1.
    pub turn: u32,
    /// What it is trained on.
    pub data: DataSet,
    /// How.
    pub training: TrainingSettings,
    /// How it is judged.
    pub gate: GateSettings,
    /// Where it comes from, if it was trained elsewhere: its adapter is then in the folder from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// Where an adapter that was trained elsewhere comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The form it came in: "peft-safetensors" or "gguf".
    pub format: String,
    /// The file's or folder's name where it came from.
    pub name: String,
}

impl Job {
    /// The generation that training begins from.
    pub fn parent(&self) -> u32 {
        match self.start {
            Start::Parent => self.in_use,
            Start::Base => 0,
        }
    }
}

/// What came of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// BLAKE3 of its file.
    pub adapter_hash: Hash,
    /// Mean cross entropy of the first and of the last tenth of all steps, in nats.
    pub losses: [f64; 2],
    /// Steps done.
    pub steps: u64,
    /// Examples trained on.
    pub examples: u64,
    /// Seconds of this process's part of the training.
    pub seconds: f64,
    /// What the gate said; none while nothing was judged.
    pub judgement: Option<Judgement>,
    /// What promoting needs; none where nothing was read with it.
    pub prior: Option<CandidatePrior>,
}

/// The prior that a candidate brings, and its judgements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidatePrior {
    /// How its judgement is read and standardised.
    pub reading: credence_priors::features::JudgementReading,
    /// Alternatives that it was fitted on.
    pub bank_size: usize,
    /// Mean.
    pub mean: Vec<f64>,
    /// Covariance before `variance_scale`, lower triangle by rows.
    pub covariance: Vec<f64>,
    /// What the covariance is multiplied by.
    pub variance_scale: f64,
    /// Share of the judgement's variance that the schema features explain.
    pub r_squared: f64,
    /// Judgement residuals of the alternatives that were read.
    pub judgements: Vec<(credence_memory::ids::AlternativeId, f64)>,
}

/// A candidate's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    work: PathBuf,
    adapter: PathBuf,
}

/// Why a candidate's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system refused.
    #[error("failed to {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that is none of ours.
    #[error("{} cannot be used; remove its folder to begin anew", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

/// Where a generation's adapter is, relative to its home, parts separated by `/`.
pub fn adapter_in_home(generation: u32) -> String {
    format!("adapters/generation-{generation}.gguf")
}

impl Folder {
    /// The folder of a generation in a home.
    pub fn of(home: &Path, generation: u32) -> Self {
        Self {
            work: home.join("training").join(format!("generation-{generation}")),
            adapter: home.join(adapter_in_home(generation)),
        }
    }

    /// The folder of a candidate that was begun in a home and has no outcome, or whose outcome nobody has taken up; the
    /// latest of them.
    pub fn pending(home: &Path) -> Option<Self> {
        let folders = fs::read_dir(home.join("training")).ok()?;
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix("generation-")?.parse().ok();
        let folders = folders.flatten().filter_map(number).map(|n: u32| (n, Self::of(home, n)));
        let pending = folders.filter(|(_, f)| f.work.join("job.json").is_file() && !f.work.join("taken").exists());
        pending.max_by_key(|(n, _)| *n).map(|(_, folder)| folder)
    }

    /// Makes the folder, for its owner only.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn make(&self) -> Result<(), FolderError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        for folder in [Some(self.work.as_path()), self.adapter.parent()].into_iter().flatten() {
            builder.create(folder).map_err(|source| self.io("create", folder.to_owned(), source))?;
        }
        Ok(())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.work
    }

    /// The adapter's file.
    pub fn adapter(&self) -> PathBuf {
        self.adapter.clone()
    }

    /// The frozen training run.
    pub fn checkpoint(&self) -> PathBuf {
        self.work.join("checkpoint")
    }

    /// The lock that a working trainer holds.
    pub fn lock(&self) -> PathBuf {
        self.work.join("lock")
    }

    /// Takes the lock of the one trainer that works here, or says that another has it.
    ///
    /// # Errors
    /// If another trainer works here, or the file system refuses.
    pub fn take(&self) -> Result<Lock, FolderError> {
        let path = self.lock();
        let file = fs::File::create(&path).map_err(|source| self.io("create", path.clone(), source))?;
        Lock::take(file).map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                let source = io::Error::new(io::ErrorKind::WouldBlock, "another trainer is at work there");
                self.io("lock", path, source)
            }
            fs::TryLockError::Error(source) => self.io("lock", path, source),
        })
    }

    /// Whether a trainer is at work here.
    pub fn is_working(&self) -> bool {
        fs::File::open(self.lock()).is_ok_and(|file| matches!(Lock::take(file), Err(fs::TryLockError::WouldBlock)))
    }

    /// Reads one of its files; none if it is not there.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, FolderError> {
        let path = self.work.join(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| FolderError::Json { path, source }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io("read", path, source)),
        }
    }

    /// Writes one of its files: all of it or nothing.
    ///
    /// # Errors
    /// If the file system refuses; what was there before is untouched.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), FolderError> {
        let path = self.work.join(name);
        let bytes =
            serde_json::to_vec_pretty(value).map_err(|source| FolderError::Json { path: path.clone(), source })?;
        let temporary = self.work.join(format!("{name}.new"));
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        let replaced = written.and_then(|()| fs::rename(&temporary, &path));
        replaced.map_err(|source| {
            let _ = fs::remove_file(&temporary);
            self.io("write", path, source)
        })
    }

    /// Marks the outcome as taken up: the log has it.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn close(&self) -> Result<(), FolderError> {
        self.write("taken", &true)?;
        let checkpoint = self.checkpoint();
        match fs::remove_file(&checkpoint) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(self.io("remove", checkpoint, source)),
            _ => Ok(()),
        }
    }

    /// Removes the folder with everything in it, and the adapter if there is one.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn discard(self) -> Result<(), FolderError> {
        fs::remove_dir_all(&self.work).map_err(|source| self.io("remove", self.work.clone(), source))?;
        match fs::remove_file(&self.adapter) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(self.io("remove", self.adapter.clone(), source))
            }
            _ => Ok(()),
        }
    }

    fn io(&self, doing: &'static str, path: PathBuf, source: io::Error) -> FolderError {
        FolderError::Io { doing, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trainer_works_in_a_folder_and_its_files_come_back() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        assert_eq!(Folder::pending(home.path()), None);
        let folder = Folder::of(home.path(), 3);
        folder.make()?;
        assert!(!folder.is_working());
        let lock = folder.take()?;
        assert!(folder.is_working());
        assert!(folder.take().is_err());
        drop(lock);
        assert!(!folder.is_working());
        assert_eq!(folder.read::<u32>("job.json")?, None);
        folder.write("job.json", &7)?;
        assert_eq!(folder.read::<u32>("job.json")?, Some(7));
        assert_eq!(Folder::pending(home.path()), Some(folder.clone()));
        folder.close()?;
        assert_eq!(Folder::pending(home.path()), None);
        fs::write(folder.path().join("job.json"), "{torn")?;
        let error = folder.read::<u32>("job.json").unwrap_err().to_string();
        assert!(error.contains("job.json") && error.contains("begin anew"), "{error}");
        folder.discard()?;
        assert!(!home.path().join("training/generation-3").exists());
        Ok(())
    }

    #[test]
    fn settings_are_read_from_toml_and_closed() -> Result<(), Box<dyn std::error::Error>> {
        let text = "[policy]\nbackground = true\n[gate.margins]\ncharter = 0.5\n[training]\nepochs = 7\n";
        let settings = TuneSettings::parse(text)?;
        assert!(settings.policy.background && settings.gate.margins.charter == 0.5);
        let mut training = TuneSettings::default().training;
        training.epochs = 7;
        assert_eq!(settings.training, training);
        assert_eq!(TuneSettings::parse("")?, TuneSettings::default());
        for unknown in ["[policy]\nbackgroud = true\n", "[training.lora]\nrang = 3\n", "[gates]\n"] {
            assert!(TuneSettings::parse(unknown).is_err(), "{unknown}");
        }
        Ok(())
    }
}
