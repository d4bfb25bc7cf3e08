//! A model owned by one thread, and handles to it that can be cloned and sent.
//!
//! Calls block the caller. Work of a background handle is cut into small chunks and gives way to any foreground call,
//! so that a question never waits for a whole bank to be read.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::model::{
    Completion, CompletionRequest, Continuation, LanguageModel, LogLikelihood, ModelError, ModelIdentity, Piece,
    Reading, Readout, StateRequest, Usage,
};

/// Prompts in one chunk of background work: a foreground call waits for at most this many (0.3 s on two slow cores).
const BACKGROUND_CHUNK: usize = 8;

type Work = Box<dyn FnOnce(&mut dyn LanguageModel) + Send>;

type OnChunk<I, T> = fn(&mut dyn LanguageModel, &[I]) -> Result<Vec<T>, ModelError>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Foreground,
    Background,
}

struct Job {
    urgency: Urgency,
    work: Work,
}

/// A flag that stops background work between two chunks. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops the work.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The thread that owns the model.
struct Owner {
    /// Taken when the owner goes: the thread ends when nobody can send any more.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    identity: ModelIdentity,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Waited for: a process that ends while llama.cpp computes tears its globals down under it, and crashes.
        self.jobs = None;
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic there was answered with `ModelError::Gone` already.
            let _ = thread.join();
        }
    }
}

/// A handle to a model that another thread owns. When the last handle is dropped the thread frees the model and ends, and
/// the drop waits for that.
#[derive(Clone)]
pub struct ModelHandle {
    owner: Arc<Owner>,
    urgency: Urgency,
    cancel: Cancel,
}

impl std::fmt::Debug for ModelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelHandle").field("model", &self.owner.identity.name).field("urgency", &self.urgency).finish()
    }
}

impl ModelHandle {
    /// Starts the owning thread, which makes its model by `load` (a context of llama.cpp stays on the thread that made
    /// it), and waits until the model is there.
    ///
    /// # Errors
    /// What `load` returns, or [`ModelError::Gone`] if the thread could not be started or panicked while loading.
    pub fn spawn<M, F>(load: F) -> Result<Self, ModelError>
    where
        M: LanguageModel,
        F: FnOnce() -> Result<M, ModelError> + Send + 'static,
    {
        // Unbounded: callers block on their own answer, so a queue holds at most one job for each caller.
        let (jobs, inbox) = channel();
        let (loaded, is_loaded) = channel();
        let thread = thread::Builder::new()
            .name("language-model".into())
            .spawn(move || match load() {
                Ok(mut model) => {
                    if loaded.send(Ok(model.describe())).is_ok() {
                        serve(&mut model, &inbox);
                    }
                }
                Err(error) => drop(loaded.send(Err(error))),
            })
            .map_err(|_| ModelError::Gone)?;
        let identity = is_loaded.recv().map_err(|_| ModelError::Gone)??;
        let owner = Owner { jobs: Some(jobs), thread: Some(thread), identity };
        Ok(Self { owner: Arc::new(owner), urgency: Urgency::Foreground, cancel: Cancel::default() })
    }

    /// A handle to the same model whose work gives way to foreground calls and stops with [`ModelError::Cancelled`]
    /// soon after `cancel` is set.
    pub fn background(&self, cancel: Cancel) -> Self {
        Self { urgency: Urgency::Background, cancel, ..self.clone() }
    }

    /// Runs `work` on the model's thread and waits for what it returns.
    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn LanguageModel) -> Result<T, ModelError> + Send + 'static,
    ) -> Result<T, ModelError> {
        if self.cancel.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        let (answer, answered) = channel();
        let work: Work = Box::new(move |model| drop(answer.send(work(model))));
        self.send(work)?;
        answered.recv().map_err(|_| ModelError::Gone)?
    }

    fn send(&self, work: Work) -> Result<(), ModelError> {
        let jobs = self.owner.jobs.as_ref().ok_or(ModelError::Gone)?;
        jobs.send(Job { urgency: self.urgency, work }).map_err(|_| ModelError::Gone)
    }

    /// Runs `work` on all items at once in the foreground, chunk by chunk in the background.
    fn call_in_chunks<I, T>(&self, items: &[I], work: OnChunk<I, T>) -> Result<Vec<T>, ModelError>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
    {
        let size = match self.urgency {
            Urgency::Foreground => items.len().max(1),
            Urgency::Background => BACKGROUND_CHUNK,
        };
        let mut all = Vec::with_capacity(items.len());
        for chunk in items.chunks(size) {
            let chunk = chunk.to_vec();
            all.extend(self.call(move |model| work(model, &chunk))?);
        }
        Ok(all)
    }
}

/// Takes jobs until the last handle is gone; foreground first, each kind in its order of arrival.
fn serve(model: &mut dyn LanguageModel, inbox: &Receiver<Job>) {
    let mut foreground = VecDeque::new();
    let mut background = VecDeque::new();
    loop {
        if foreground.is_empty() && background.is_empty() {
            match inbox.recv() {
                Ok(job) => enqueue(job, &mut foreground, &mut background),
                Err(_) => return,
            }
        }
        while let Ok(job) = inbox.try_recv() {
            enqueue(job, &mut foreground, &mut background);
        }
        if let Some(work) = foreground.pop_front().or_else(|| background.pop_front()) {
            work(model);
        }
    }
}

fn enqueue(job: Job, foreground: &mut VecDeque<Work>, background: &mut VecDeque<Work>) {
    match job.urgency {
        Urgency::Foreground => foreground.push_back(job.work),
        Urgency::Background => background.push_back(job.work),
    }
}

impl LanguageModel for ModelHandle {
    fn read(&mut self, readings: &[Reading]) -> Result<Vec<Readout>, ModelError> {
        self.call_in_chunks(readings, |model, chunk| model.read(chunk))
    }

    fn log_likelihoods(&mut self, continuations: &[Continuation]) -> Result<Vec<LogLikelihood>, ModelError> {
        self.call_in_chunks(continuations, |model, chunk| model.log_likelihoods(chunk))
    }

    fn hidden(&mut self, prompts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.call_in_chunks(prompts, |model, chunk| model.hidden(chunk))
    }

    fn states(&mut self, requests: &[StateRequest]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        self.call_in_chunks(requests, |model, chunk| model.states(chunk))
    }

    fn token_states(&mut self, prompts: &[String], layers: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        let mut all = Vec::with_capacity(prompts.len());
        // In chunks also for whoever is in a hurry: the states of many tokens are large.
        for chunk in prompts.chunks(BACKGROUND_CHUNK) {
            let (chunk, layers) = (chunk.to_vec(), layers.to_vec());
            all.extend(self.call(move |model| model.token_states(&chunk, &layers))?);
        }
        Ok(all)
    }

    fn write(
        &mut self,
        request: &CompletionRequest,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let (pieces, heard) = channel::<Piece>();
        let (answer, answered) = channel();
        // The listener stays on the caller's thread; only its wish to stop crosses over.
        let interrupt = Arc::new(AtomicBool::new(false));
        let (request, cancel, interrupted) = (request.clone(), self.cancel.clone(), Arc::clone(&interrupt));
        let work: Work = Box::new(move |model| {
            let result = model.write(&request, &mut |piece| {
                let stop = interrupted.load(Ordering::Relaxed) || cancel.is_cancelled();
                if stop || pieces.send(piece.clone()).is_err() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            drop(pieces);
            drop(answer.send(result));
        });
        self.send(work)?;
        for piece in heard {
            if !interrupt.load(Ordering::Relaxed) && on_piece(&piece).is_break() {
                interrupt.store(true, Ordering::Relaxed);
            }
        }
        answered.recv().map_err(|_| ModelError::Gone)?
    }

    fn tokenize(&mut self, text: &str) -> Result<Vec<u32>, ModelError> {
        let text = text.to_owned();
        self.call(move |model| model.tokenize(&text))
    }

    fn prompt_tokens(&mut self, text: &str) -> Result<Vec<u32>, ModelError> {
        let text = text.to_owned();
        self.call(move |model| model.prompt_tokens(&text))
    }

    fn usage(&mut self) -> Usage {
        self.call(|model| Ok(model.usage())).unwrap_or_default()
    }

    fn describe(&self) -> ModelIdentity {
        self.owner.identity.clone()
    }
}
