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

type Read = Box<dyn FnOnce(&mut dyn LanguageModel) + Send>;
/// Writing, which has what waits done between two tokens.
type Write = Box<dyn FnOnce(&mut dyn LanguageModel, &mut dyn FnMut(&mut dyn LanguageModel)) + Send>;

enum Work {
    Read(Read),
    Write(Write),
}

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
        let work: Read = Box::new(move |model| drop(answer.send(work(model))));
        self.send(Work::Read(work))?;
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

/// Jobs that wait, each kind in its order of arrival.
#[derive(Default)]
struct Waiting {
    foreground: VecDeque<Work>,
    background: VecDeque<Work>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.foreground.is_empty() && self.background.is_empty()
    }

    fn take(&mut self, job: Job) {
        match job.urgency {
            Urgency::Foreground => self.foreground.push_back(job.work),
            Urgency::Background => self.background.push_back(job.work),
        }
    }

    fn next(&mut self) -> Option<Work> {
        self.foreground.pop_front().or_else(|| self.background.pop_front())
    }

    /// The next reading that somebody waits for.
    fn next_reading(&mut self) -> Option<Read> {
        let at = self.foreground.iter().position(|work| matches!(work, Work::Read(_)))?;
        match self.foreground.remove(at) {
            Some(Work::Read(read)) => Some(read),
            _ => None,
        }
    }
}

/// Takes jobs until the last handle is gone, foreground first. Between two tokens of a text what was to be read in the foreground is read:
/// whoever waits for a reading does not wait for a text.
fn serve(model: &mut dyn LanguageModel, inbox: &Receiver<Job>) {
    let mut waiting = Waiting::default();
    loop {
        if waiting.is_empty() {
            match inbox.recv() {
                Ok(job) => waiting.take(job),
                Err(_) => return,
            }
        }
        inbox.try_iter().for_each(|job| waiting.take(job));
        match waiting.next() {
            Some(Work::Read(read)) => read(model),
            Some(Work::Write(write)) => write(model, &mut |model| {
                inbox.try_iter().for_each(|job| waiting.take(job));
                while let Some(read) = waiting.next_reading() {
                    read(model);
                }
            }),
            None => {}
        }
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
        let work: Write = Box::new(move |model, between| {
            let mut on_piece = |piece: &Piece| {
                let stop = interrupted.load(Ordering::Relaxed) || cancel.is_cancelled();
                if stop || pieces.send(piece.clone()).is_err() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let result = model.write_between(&request, &mut on_piece, between);
            drop(pieces);
            drop(answer.send(result));
        });
        self.send(Work::Write(work))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ending;

    /// Half a minute of them.
    const TOKENS_MAX: usize = 30_000;

    /// A model that writes until something was read meanwhile, as a long text would go on.
    struct Endless {
        has_read: bool,
    }

    impl LanguageModel for Endless {
        fn read(&mut self, _: &[Reading]) -> Result<Vec<Readout>, ModelError> {
            self.has_read = true;
            Ok(Vec::new())
        }

        fn log_likelihoods(&mut self, _: &[Continuation]) -> Result<Vec<LogLikelihood>, ModelError> {
            Err(ModelError::Gone)
        }

        fn hidden(&mut self, _: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
            Err(ModelError::Gone)
        }

        fn states(&mut self, _: &[StateRequest]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
            Err(ModelError::Gone)
        }

        fn token_states(&mut self, _: &[String], _: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
            Err(ModelError::Gone)
        }

        fn write(
            &mut self,
            request: &CompletionRequest,
            on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
        ) -> Result<Completion, ModelError> {
            self.write_between(request, on_piece, &mut |_| {})
        }

        fn write_between(
            &mut self,
            _: &CompletionRequest,
            on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
            between: &mut dyn FnMut(&mut dyn LanguageModel),
        ) -> Result<Completion, ModelError> {
            let text = String::new();
            let end = |ending| Completion { text, prompt_tokens: 1, tokens: 1, ending };
            for _ in 0..TOKENS_MAX {
                if self.has_read {
                    return Ok(end(Ending::EndOfText));
                }
                thread::sleep(std::time::Duration::from_millis(1));
                if on_piece(&Piece::default()).is_break() {
                    return Ok(end(Ending::Interrupted));
                }
                between(self);
            }
            Ok(end(Ending::Length))
        }

        fn tokenize(&mut self, _: &str) -> Result<Vec<u32>, ModelError> {
            Err(ModelError::Gone)
        }

        fn prompt_tokens(&mut self, _: &str) -> Result<Vec<u32>, ModelError> {
            Err(ModelError::Gone)
        }

        fn usage(&mut self) -> Usage {
            Usage::default()
        }

        fn describe(&self) -> ModelIdentity {
            crate::scripted::Scripted::hashed(1).describe()
        }
    }

    #[test]
    fn whoever_waits_for_a_reading_does_not_wait_for_a_text() {
        let mut writer = ModelHandle::spawn(|| Ok(Endless { has_read: false })).unwrap();
        let mut reader = writer.clone();
        let (begun, is_begun) = channel();
        let writing = thread::spawn(move || {
            let request = CompletionRequest::ask("Why?");
            writer.write(&request, &mut |_| {
                let _ = begun.send(());
                ControlFlow::Continue(())
            })
        });
        is_begun.recv().unwrap();
        let reading = Reading { prompt: "Why?".into(), continuations: vec![" So".into()] };
        reader.read(&[reading]).unwrap();
        assert_eq!(writing.join().unwrap().unwrap().ending, Ending::EndOfText);
    }
}
