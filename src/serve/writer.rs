//! The model's desk: texts are written one after another, by one thread, for as many callers as a short queue holds.
//!
//! A model is loaded when somebody first needs it, and stays; what reads new acts for decisions uses the same. One thread owns it: texts
//! wait for each other here, and between two tokens of a text that thread reads what a decision waits for. Whoever goes away is not written
//! for any longer.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use credence_agent::opening::GenerationSource;
use credence_memory::ids::Hash;
use credence_priors::cache::PulledModel;
use credence_priors::{
    Completion, CompletionRequest, Ending, LanguageModel, LlamaOptions, ModelError, ModelHandle, Piece,
};
use tokio::sync::mpsc;

use crate::cli::Global;
use crate::surroundings::{Loaded, cache, pull};

/// Requests that wait, at most: one of 256 tokens takes some seconds on a laptop.
pub(super) const WAITING_MAX: usize = 16;

/// Which weights write: those that were downloaded, or those with a generation's adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Voice {
    /// The generation; 0 is the model as it was downloaded.
    pub(super) generation: u32,
    /// The adapter's file and its BLAKE3 hash, of a generation.
    adapter: Option<(PathBuf, Hash)>,
}

impl Voice {
    /// The model as it was downloaded.
    pub(super) fn base() -> Self {
        Self { generation: 0, adapter: None }
    }

    /// The model with a generation's adapter.
    pub(super) fn of(source: &GenerationSource) -> Self {
        Self { generation: source.number, adapter: Some((source.adapter.clone(), source.hash)) }
    }
}

/// What comes of a request, in order.
#[derive(Debug)]
pub(super) enum Told {
    /// Which model writes: the key of its identity.
    By(String),
    /// A piece of the text in this place; empty ones only say that the work goes on.
    Piece(usize, Piece),
    /// The text in this place is done.
    Done(usize, Completion),
    /// It cannot be done; nothing more comes.
    Failed(Failure),
}

/// Why a text is not written.
#[derive(Debug)]
pub(super) enum Failure {
    /// The model refuses the request, or failed.
    Model(ModelError),
    /// There is no such model here.
    NoModel(String),
}

/// Texts to write, and whom to tell.
struct Job {
    voice: Voice,
    texts: Vec<CompletionRequest>,
    told: mpsc::UnboundedSender<Told>,
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many wait as may.
    Full,
    /// The service is stopping.
    Stopping,
}

/// The way to the model, for any number of handlers.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    tokens: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the model's thread; `home_of` is the BLAKE3 hash of the model that the home belongs to, and `reference` the one that is given
    /// for it. The thread ends when the last handle is gone, in the middle of a text if need be.
    pub(super) fn start(
        global: Global,
        reference: String,
        home_of: Hash,
        loaded: Loaded,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_MAX);
        let tokens = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&tokens);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || {
            let mut models =
                Models { global, reference, home_of, file: None, loaded, checked: Vec::new(), tokens: counter };
            while let Some(job) = waiting.blocking_recv() {
                models.write(&job);
            }
        })?;
        Ok((Self { jobs, tokens }, thread))
    }

    /// Has texts written, one after another. What comes of it is told; when nobody listens any more, the work ends.
    pub(super) fn write(
        &self,
        voice: Voice,
        texts: Vec<CompletionRequest>,
    ) -> Result<mpsc::UnboundedReceiver<Told>, Refused> {
        // Not bounded, so that one caller who reads slowly does not hold up the others: a context's length bounds what waits here.
        let (told, listening) = mpsc::unbounded_channel();
        self.jobs.try_send(Job { voice, texts, told }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Stopping,
        })?;
        Ok(listening)
    }

    /// Tokens written so far, also those that nobody waited for any more.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

/// What the texts are written with.
struct Models {
    global: Global,
    reference: String,
    home_of: Hash,
    file: Option<PulledModel>,
    loaded: Loaded,
    /// Adapters whose files are those that were promoted.
    checked: Vec<(PathBuf, Hash)>,
    tokens: Arc<AtomicU64>,
}

impl Models {
    fn write(&mut self, job: &Job) {
        if job.told.is_closed() {
            return;
        }
        let mut model = match self.model(&job.voice) {
            Ok(model) => model,
            Err(error) => {
                tracing::warn!("the model cannot write: {error:#}");
                return drop(job.told.send(Told::Failed(Failure::NoModel(format!("{error:#}")))));
            }
        };
        let _ = job.told.send(Told::By(model.describe().key()));
        for (place, text) in job.texts.iter().enumerate() {
            let written = model.write(text, &mut |piece| match job.told.send(Told::Piece(place, piece.clone())) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            });
            if let Ok(written) = &written {
                self.tokens.fetch_add(written.tokens as u64, Ordering::Relaxed);
            }
            let told = match written {
                Ok(Completion { ending: Ending::Interrupted, .. }) => return,
                Ok(done) => Told::Done(place, done),
                Err(error) => {
                    if matches!(error, ModelError::Gone) {
                        // Its thread failed: the next request loads it again.
                        self.loaded.forget();
                    }
                    return drop(job.told.send(Told::Failed(Failure::Model(error))));
                }
            };
            if job.told.send(told).is_err() {
                return;
            }
        }
    }

    fn model(&mut self, voice: &Voice) -> anyhow::Result<ModelHandle> {
        let file = match self.file.take() {
            Some(file) => file,
            None => pull(&self.global, &self.reference)?,
        };
        let file = self.file.insert(file);
        anyhow::ensure!(
            file.blake3 == self.home_of.to_string(),
            "this home belongs to another model than {}: start the service with the --model that it was begun with",
            self.reference
        );
        let mut options: LlamaOptions = cache(&self.global).llama_options_for(file);
        if let Some((path, hash)) = voice.adapter.as_ref().filter(|adapter| !self.checked.contains(adapter)) {
            let found =
                credence_training::file_hash(path).with_context(|| format!("failed to read {}", path.display()))?;
            anyhow::ensure!(found == hash.to_string(), "{} is not the file that was promoted", path.display());
            self.checked.push((path.clone(), *hash));
        }
        options.adapter = voice.adapter.as_ref().map(|(path, _)| path.clone());
        Ok(self.loaded.model(&file.path, &options)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_may_wait_is_refused_and_so_is_everything_at_the_end() {
        let (jobs, held) = mpsc::channel(2);
        let writer = Writer { jobs, tokens: Arc::default() };
        let write = || writer.write(Voice::base(), vec![CompletionRequest::ask("Why?")]).map(drop);
        assert_eq!((write(), write(), writer.waiting()), (Ok(()), Ok(()), 2));
        assert_eq!(write(), Err(Refused::Full));
        drop(held);
        assert_eq!(write(), Err(Refused::Stopping));
    }
}
