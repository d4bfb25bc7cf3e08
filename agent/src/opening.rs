//! Opening a home for use: its header, its prior, and whether it belongs to the model and schema at hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use credence_memory::belief::Settings;
use credence_memory::home::{Home, Paths};
use credence_memory::ids::{Hash, ValueId};
use credence_memory::record::{AlternativeDescribed, LogOpened, ModelRecord, Record};
use credence_memory::state::State;
use credence_priors::ModelError;
use credence_priors::cache::blake3_of;
use credence_priors::schema::ValueSchema;
use jiff::Timestamp;
use rand::RngExt;

use crate::bank::Bank;
use crate::beside::Learning;
use crate::keyed;
pub use crate::loader::{AdapterLoader, LoadError, Loader};
use crate::pack::{Pack, PackError};
use crate::protocol::Progress;
use crate::reader::{GenerationReader, ReadBefore, Reader, ReaderError};
use crate::session::{SessionError, record_described};

/// What a home is opened with.
#[derive(Clone)]
pub struct Opening {
    /// The model's reference.
    pub reference: String,
    /// BLAKE3 of its file.
    pub gguf_hash: Hash,
    /// Precision that its weights score in, once loaded.
    pub scoring_precision: String,
    /// Whether a home begun with it leaves all reading to the model, keys or not.
    pub unkeyed: bool,
    /// The value schema.
    pub schema: Arc<ValueSchema>,
    /// The pack that it is the schema of; none where a schema was given by itself, for which nothing is keyed.
    pub pack: Option<Pack>,
    /// The charter.
    pub charter: String,
    /// Folder of the cache of readings.
    pub readings: Option<PathBuf>,
    /// The belief engine's settings for a new log.
    pub belief: Settings,
    /// Loads the model.
    pub load: Loader,
    /// Loads the model with an adapter.
    pub load_adapter: AdapterLoader,
    /// What learns in the background of a session; none if nothing does.
    pub learning: Option<Arc<dyn Learning>>,
}

/// A generation in force: what its judgement is read with.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationSource {
    /// Its number.
    pub number: u32,
    /// Its adapter's file.
    pub adapter: PathBuf,
    /// BLAKE3 of that file, as the log has it.
    pub hash: Hash,
    /// How its judgement is standardised, as the log has it.
    pub reading: serde_json::Value,
}

impl GenerationSource {
    /// The generations in force in a home, the oldest first.
    pub fn in_force(home: &Home) -> Vec<Self> {
        let source = |a: &credence_memory::state::Adapter| {
            let (_, promoted) = a.promoted.as_ref()?;
            Some(Self {
                number: a.trained.generation.0,
                adapter: home.paths().root().join(&a.trained.adapter_path),
                hash: a.trained.adapter_hash,
                reading: promoted.prior.reading.clone(),
            })
        };
        home.state().ledger().lineage().into_iter().filter_map(source).collect()
    }

    /// What is described without this generation's judgement: it was described before the promotion, and is in no question
    /// that the gate looked at.
    pub fn unjudged(&self, state: &State) -> Vec<AlternativeDescribed> {
        let unjudged = |d: &&AlternativeDescribed| !d.text.trim().is_empty() && !d.judgement.contains_key(&self.number);
        state.descriptions().iter().filter(unjudged).cloned().collect()
    }

    fn reader(&self, load: &AdapterLoader) -> Result<GenerationReader, LoadError> {
        let found = blake3_of(&self.adapter).map_err(|e| format!("failed to read {}: {e}", self.adapter.display()))?;
        if found != self.hash.to_string() {
            return Err(
                format!("{} is not the file that was promoted: its hash differs", self.adapter.display()).into()
            );
        }
        let reading = Arc::new(serde_json::from_value(self.reading.clone())?);
        Ok(GenerationReader { number: self.number, model: load(&self.adapter)?, reading })
    }
}

/// A home that is ready for use.
pub struct OpenHome {
    /// The home.
    pub home: Home,
    /// What reads alternatives, if the model had to be loaded.
    pub reader: Option<Reader>,
    /// What the person should be told.
    pub notices: Vec<String>,
}

/// Why a home could not be opened for use.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The log was made with something else.
    #[error(
        "this log was made with {what} {in_log}, not {given}: weights would silently change their meaning. \
         Give the {what} it was made with, or another home with --home DIR"
    )]
    Mismatch {
        /// Model or schema.
        what: &'static str,
        /// What the header says.
        in_log: String,
        /// What was asked for.
        given: String,
    },
    /// The pack has other values than those that the log was made with.
    #[error(
        "the pack {pack:?} has changed in what weights mean: {changed}. This home was begun with other words, so what was learned would \
         silently change its meaning. Put the old words back, or begin another home with --home DIR"
    )]
    PackChanged {
        /// Its name.
        pack: String,
        /// What is different.
        changed: String,
    },
    /// The model could not be loaded.
    #[error("the model could not be loaded")]
    Load(#[source] LoadError),
    /// The model could not be read from.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The home or its state failed.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Opening {
    /// Refuses a log that was made with another model or schema. A log without a header suits anything.
    fn check(&self, home: &Home) -> Result<(), OpeningError> {
        let Some(header) = home.state().header() else { return Ok(()) };
        if header.model.gguf_hash != self.gguf_hash {
            return Err(OpeningError::Mismatch {
                what: "model",
                in_log: format!("{} ({})", header.model.reference, short(&header.model.gguf_hash)),
                given: format!("{} ({})", self.reference, short(&self.gguf_hash)),
            });
        }
        let schema_hash = self.schema_hash();
        if header.schema_hash != schema_hash {
            if let (Some(named), Some(pack)) = (&header.pack, &self.pack)
                && named.name == pack.name
            {
                let before = Pack::kept_in(home.paths().root()).ok().flatten();
                let unlike = before.map(|before| pack.values_unlike(&before)).unwrap_or_default();
                let changed = match &unlike[..] {
                    [] => "its schema.toml is not the one of then".to_owned(),
                    ids => {
                        format!("ids, names, descriptions or poles of values in its schema.toml ({})", ids.join(", "))
                    }
                };
                return Err(OpeningError::PackChanged { pack: pack.name.clone(), changed });
            }
            return Err(OpeningError::Mismatch {
                what: "schema",
                in_log: short(&header.schema_hash),
                given: format!("{} ({})", self.schema.name, short(&schema_hash)),
            });
        }
        Ok(())
    }

    /// A line for the person when the charter is not the one that the log began with.
    fn charter_notice(&self, home: &Home) -> Option<String> {
        let header = home.state().header()?;
        (header.charter_hash != Hash::of(self.charter.as_bytes()))
            .then(|| "this log began with another charter; completions now follow the present one".into())
    }

    fn schema_hash(&self) -> Hash {
        Hash::of(self.schema.hash().as_bytes())
    }

    /// Opens the home in `root`, or begins one there. A new one needs the model: its prior is read before anything is believed. The home
    /// keeps a copy of a pack that is in a folder.
    ///
    /// # Errors
    /// The home cannot be opened or begun; its log belongs to another model or schema; or the model cannot be used, where it is needed.
    pub fn open(
        &self,
        root: &Path,
        now: Timestamp,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<OpenHome, OpeningError> {
        let mut open = self.open_or_begin(root, now, on_progress)?;
        if let Some(Err(error)) = self.pack.as_ref().map(|pack| pack.keep_in(root)) {
            open.notices.push(not_kept(&error));
        }
        Ok(open)
    }

    fn open_or_begin(
        &self,
        root: &Path,
        now: Timestamp,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<OpenHome, OpeningError> {
        if Paths::of(root).has_log() {
            let (home, opened) = Home::open(root).map_err(SessionError::from)?;
            self.check(&home)?;
            let mut notices: Vec<String> = self.charter_notice(&home).into_iter().collect();
            notices.extend(opened.notices());
            if home.state().elicited().is_some() {
                return Ok(OpenHome { home, reader: None, notices });
            }
            if self.speaks_keys() && home.state().epoch().is_some_and(|epoch| epoch.layout.text() == 0) {
                let mut home = home;
                self.begin_in_key_points(&mut home, now)?;
                return Ok(OpenHome { home, reader: None, notices });
            }
            let (reader, home) = self.elicit(Some(home), root, now, on_progress)?;
            return Ok(OpenHome { home, reader: Some(reader), notices });
        }
        if self.speaks_keys() {
            let mut home = Home::create(root, now, self.header(0)?).map_err(SessionError::from)?;
            self.begin_in_key_points(&mut home, now)?;
            return Ok(OpenHome { home, reader: None, notices: Vec::new() });
        }
        let (reader, home) = self.elicit(None, root, now, on_progress)?;
        Ok(OpenHome { home, reader: Some(reader), notices: Vec::new() })
    }

    /// Whether the schema is that of a pack, whose bank is keyed for it, and keys are wanted: then a new home needs no model before it
    /// can ask.
    fn speaks_keys(&self) -> bool {
        !self.unkeyed && self.pack.is_some()
    }

    fn begin_in_key_points(&self, home: &mut Home, now: Timestamp) -> Result<(), OpeningError> {
        let values = self.values()?;
        let bank = self.pack.as_ref().map_or_else(Bank::built_in, |pack| pack.bank.clone());
        let prior = keyed::prior(&bank, &values).map_err(SessionError::from)?;
        home.append(now, Record::PriorElicited(prior)).map_err(SessionError::from)?;
        Ok(())
    }

    fn values(&self) -> Result<Vec<ValueId>, OpeningError> {
        let ids = self.schema.values.iter().map(|v| ValueId::new(&v.id));
        Ok(ids.collect::<Result<_, _>>().map_err(SessionError::from)?)
    }

    fn elicit(
        &self,
        home: Option<Home>,
        root: &Path,
        now: Timestamp,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<(Reader, Home), OpeningError> {
        let model = (self.load)().map_err(OpeningError::Load)?;
        let elicited = Reader::elicit(model, self.schema.clone(), self.readings.clone(), &mut |done, total| {
            on_progress(Progress { what: "reading the model's prior".into(), done: done as u64, total: total as u64 });
        })?;
        let mut home = match home {
            Some(home) => home,
            None => {
                let header = self.header(elicited.text_features())?;
                Home::create(root, now, header).map_err(SessionError::from)?
            }
        };
        home.append(now, Record::PriorElicited(elicited.record)).map_err(SessionError::from)?;
        record_described(&mut home, elicited.described, now).map_err(SessionError::from)?;
        Ok((elicited.reader, home))
    }

    /// A reader for alternatives that the log does not describe yet; loads the model, once for each generation in force.
    ///
    /// A generation whose adapter is gone or damaged is left out with a warning: its hypotheses then know nothing of the
    /// new alternatives' judgement, and everything else goes on.
    ///
    /// # Errors
    /// If the model cannot be loaded or used.
    pub fn reader(
        &self,
        before: &ReadBefore,
        generations: &[GenerationSource],
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Reader, OpeningError> {
        let model = (self.load)().map_err(OpeningError::Load)?;
        let reader = Reader::resume(model, self.schema.clone(), before, self.readings.clone(), &mut |done, total| {
            let what = "learning from keyed acts what this model's states mean (once)".into();
            on_progress(Progress { what, done: done as u64, total: total as u64 });
        })?;
        let mut readers = Vec::new();
        for source in generations {
            match source.reader(&self.load_adapter) {
                Ok(reader) => readers.push(reader),
                Err(error) => {
                    tracing::warn!(generation = source.number, %error, "new alternatives are read without this generation");
                }
            }
        }
        Ok(reader.with_generations(readers))
    }

    fn header(&self, text_features: usize) -> Result<LogOpened, OpeningError> {
        // Identity of a log, not evidence: the only randomness that no seed gives.
        let log_id: u128 = rand::rng().random();
        Ok(LogOpened {
            format: credence_memory::log::FORMAT,
            log_id: format!("{log_id:032x}"),
            software: concat!("credence ", env!("CARGO_PKG_VERSION")).into(),
            model: ModelRecord {
                reference: self.reference.clone(),
                gguf_hash: self.gguf_hash,
                scoring_precision: self.scoring_precision.clone(),
                llama_cpp: credence_priors::llama::LLAMA_CPP_VERSION.to_owned(),
                generation: 0,
            },
            schema_hash: self.schema_hash(),
            charter_hash: Hash::of(self.charter.as_bytes()),
            values: self.values()?,
            text_features,
            belief: self.belief.clone(),
            pack: self.pack.as_ref().and_then(Pack::named),
        })
    }
}

fn not_kept(error: &PackError) -> String {
    format!("{}: give the pack with --pack DIR each time", credence_priors::error_chain(error))
}

fn short(hash: &Hash) -> String {
    hash.to_string().chars().take(12).collect()
}
