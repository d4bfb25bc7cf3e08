//! The language model in this process, by llama.cpp. The only file, with its submodules, that knows llama.cpp.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use llama_cpp_2::token::LlamaToken;

use crate::gguf::GgufHead;
use crate::model::{
    Completion, CompletionRequest, Continuation, LanguageModel, LogLikelihood, ModelError, ModelIdentity, Piece,
    Reading, Readout, StateRequest, Usage,
};
use crate::model_files::{ModelFiles, common_name};

mod adapter;
mod chat;
mod completing;
mod control;
mod copy;
mod hidden;
mod log;
pub(crate) mod numbers;
mod probable;
pub(crate) mod raw_speed;
mod scoring;
mod states;
#[cfg(test)]
mod tests;

/// Crate and version that carries llama.cpp. A test holds it to `Cargo.lock`.
pub const LLAMA_CPP_VERSION: &str = "llama-cpp-sys-2 0.1.161";

/// Which weights prompts are scored with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scoring {
    /// A copy in F16, unless the file is in floating point already, or the copy would have more bytes than
    /// [`LlamaOptions::copy_bytes_max`].
    ///
    /// Text is completed with the same copy. The quantised file completes faster (73 against 44 tokens a second for the
    /// default model), but a second set of weights would take a third more memory and be another model than the one
    /// whose judgements the prior is read from.
    #[default]
    F16,
    /// The file as it is: for measuring what quantisation does.
    AsGiven,
}

/// How to load a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlamaOptions {
    /// Longest context, in tokens; the model's own training length bounds it too.
    pub context: u32,
    /// Threads; `None` takes one for each processor.
    pub threads: Option<i32>,
    /// Which weights prompts are scored with.
    pub scoring: Scoring,
    /// Folder for the F16 copy; `None` puts it beside the file.
    pub copies: Option<PathBuf>,
    /// No F16 copy larger than this is made, in bytes. A 7B model has 14 GB in F16: such a model is scored as it is.
    pub copy_bytes_max: u64,
    /// BLAKE3 hash that the model's files must have, in hex: that of the manifest, for a file that was downloaded long ago.
    pub blake3: Option<String>,
    /// A low-rank adapter that everything is read and written with.
    pub adapter: Option<PathBuf>,
    /// Layers that are computed on a graphics processor, of a build that can use one (cargo features `cuda`, `metal`, `vulkan`).
    pub gpu_layers: u32,
}

impl Default for LlamaOptions {
    fn default() -> Self {
        // 4096 tokens hold the charter, a briefing and a task; 23 kB each of the default model.
        Self {
            context: 4096,
            threads: None,
            scoring: Scoring::F16,
            copies: None,
            copy_bytes_max: 4 << 30,
            blake3: None,
            adapter: None,
            gpu_layers: 0,
        }
    }
}

/// The precision of weights, and where they are computed if not on the processor: bits differ between devices, so what is read on one is not
/// taken for what is read on another.
fn on_device(precision: String, gpu_layers: u32) -> String {
    if gpu_layers == 0 { precision } else { format!("{precision}, {gpu_layers} layers on {}", devices()) }
}

/// Names of the graphics processors that llama.cpp sees.
fn devices() -> String {
    let all = llama_cpp_2::list_llama_ggml_backend_devices();
    let is_gpu = |device: &llama_cpp_2::LlamaBackendDevice| {
        matches!(
            device.device_type,
            llama_cpp_2::LlamaBackendDeviceType::Gpu | llama_cpp_2::LlamaBackendDeviceType::IntegratedGpu
        )
    };
    let names: Vec<String> = all.iter().filter(|device| is_gpu(device)).map(|device| device.name.clone()).collect();
    if names.is_empty() { "a graphics processor".to_owned() } else { names.join(" and ") }
}

/// A model loaded by llama.cpp.
pub struct Llama {
    // Fields are dropped in this order: contexts before the model they point into.
    scoring: LlamaContext<'static>,
    completing: Option<completing::Desk>,
    hidden: Option<LlamaContext<'static>>,
    states: Option<states::Desk>,
    model: Arc<LlamaModel>,
    /// Freed with the model, by llama.cpp.
    adapter: Option<LlamaLoraAdapter>,
    identity: ModelIdentity,
    context: u32,
    threads: i32,
    /// What must not come out of a person's words.
    control: control::ControlTokens,
    /// How chats are put.
    chat: chat::ChatForm,
    /// What the scoring cache begins with, for every sequence.
    kept: Vec<LlamaToken>,
    usage: Usage,
    /// First token of a continuation, by the last word before it and its text.
    first_tokens: HashMap<(String, String), LlamaToken>,
}

impl std::fmt::Debug for Llama {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Llama").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Whether an F16 copy of quantised weights is what scores.
fn scores_from_copy(head: &GgufHead, options: &LlamaOptions) -> bool {
    options.scoring == Scoring::F16
        && !head.is_floating_point()
        && head.parameters.saturating_mul(2) <= options.copy_bytes_max
}

impl Llama {
    /// The precision that a model's weights will score in, from its file's head alone.
    ///
    /// # Errors
    /// If the file is not a whole GGUF file.
    pub fn scoring_precision(path: &Path, options: &LlamaOptions) -> Result<String, ModelError> {
        let files = ModelFiles::find(path).map_err(|source| ModelError::Gguf { path: path.into(), source })?;
        let head = &files.head;
        let precision = if scores_from_copy(head, options) { "F16".to_owned() } else { head.precision() };
        Ok(on_device(precision, options.gpu_layers))
    }

    /// Checks the processor and the file, makes the F16 copy if there is none, and loads it.
    ///
    /// # Errors
    /// If this processor cannot run llama.cpp, if the file is not a whole GGUF file of an architecture that llama.cpp
    /// knows, or if the copy cannot be written.
    pub fn load(path: &Path, options: &LlamaOptions) -> Result<Self, ModelError> {
        crate::cpu::check()?;
        log::redirect();
        let unreadable = |source| ModelError::File { path: path.into(), source };
        std::fs::File::open(path).map_err(unreadable)?;
        let files = ModelFiles::find(path).map_err(|source| ModelError::Gguf { path: path.into(), source })?;
        let (path, head) = (files.first(), &files.head);
        let gguf_blake3 = files.blake3().map_err(unreadable)?;
        if let Some(expected) = options.blake3.as_ref().filter(|expected| **expected != gguf_blake3) {
            return Err(ModelError::Changed { path: path.into(), expected: expected.clone(), found: gguf_blake3 });
        }

        let wants_copy = options.scoring == Scoring::F16 && !head.is_floating_point();
        let copied = scores_from_copy(head, options);
        if wants_copy && !copied {
            tracing::warn!(
                model = %path.display(), precision = head.precision(), parameters = head.parameters,
                "scoring with quantised weights: an F16 copy would be too large; readings will be noisier"
            );
        }
        let backend = backend()?;
        if options.gpu_layers > 0 && !backend.supports_gpu_offload() {
            return Err(ModelError::NoGpu);
        }
        let (weights, scoring_precision) = if copied {
            // Loads the vocabulary only: an architecture that llama.cpp does not know is found out before copying.
            load_weights(backend, path, head, (true, 0))?;
            let folder = options.copies.as_deref().or(path.parent()).unwrap_or(Path::new("."));
            let copy = copy::path_in(folder, path, &gguf_blake3);
            copy::make(path, &copy)?;
            (copy, "F16".to_owned())
        } else {
            (path.to_owned(), head.precision())
        };
        let mut model = load_weights(backend, &weights, head, (false, options.gpu_layers))?;
        let mut adapter = match &options.adapter {
            Some(path) => Some(adapter::load(&mut model, path, &gguf_blake3)?),
            None => None,
        };
        let model = Arc::new(model);

        let context_train = model.n_ctx_train();
        let context = options.context.min(context_train).max(64);
        let threads = options.threads.unwrap_or_else(processors);
        let name = head.name.clone().unwrap_or_else(|| {
            let stem = path.file_stem().map_or_else(|| "unnamed".into(), |stem| stem.to_string_lossy());
            common_name(&stem).to_owned()
        });
        let identity = ModelIdentity {
            name,
            architecture: head.architecture.clone(),
            gguf_blake3,
            parameters: model.n_params(),
            context_train,
            context,
            width: usize::try_from(model.n_embd_out()).unwrap_or(0),
            layers: model.n_layer() as usize,
            scoring_precision: on_device(scoring_precision, options.gpu_layers),
            llama_cpp_version: LLAMA_CPP_VERSION.to_owned(),
            adapter_blake3: adapter.as_ref().map(|(_, hash)| hash.clone()),
        };
        let mut adapter = adapter.take().map(|(adapter, _)| adapter);
        // llama.cpp ends the process when a model without a vocabulary is asked for a token.
        let control = if head.has_vocabulary { control::ControlTokens::of(&model.vocab()) } else { Default::default() };
        let chat = chat::ChatForm::of(&model, &path.display().to_string());
        let scoring = scoring::new_context(&model, adapter.as_mut(), context, threads)?;
        Ok(Self {
            scoring,
            completing: None,
            hidden: None,
            states: None,
            model,
            adapter,
            identity,
            context,
            threads,
            control,
            chat,
            kept: Vec::new(),
            usage: Usage::default(),
            first_tokens: HashMap::new(),
        })
    }

    /// The tokens of a prompt, with the model's beginning-of-text token if it has one; never empty, and no control token among
    /// them that stands in the text.
    fn prompt_tokens(&self, text: &str) -> Result<Vec<LlamaToken>, ModelError> {
        let vocab = self.model.vocab();
        let tokens = self.control.said(&vocab, text, vocab.should_add_bos());
        if tokens.is_empty() {
            return Err(ModelError::Empty(text.to_owned()));
        }
        Ok(tokens)
    }

    fn check_length(&self, tokens: usize, text: &str) -> Result<(), ModelError> {
        if tokens <= self.context as usize {
            return Ok(());
        }
        let beginning = text.chars().take(60).collect();
        Err(ModelError::TooLong { tokens, context: self.context as usize, beginning })
    }
}

impl LanguageModel for Llama {
    fn read(&mut self, readings: &[Reading]) -> Result<Vec<Readout>, ModelError> {
        self.read_all(readings)
    }

    fn log_likelihoods(&mut self, continuations: &[Continuation]) -> Result<Vec<LogLikelihood>, ModelError> {
        self.score_all(continuations)
    }

    fn hidden(&mut self, prompts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.hidden_all(prompts)
    }

    fn states(&mut self, requests: &[StateRequest]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        self.states_all(requests)
    }

    fn token_states(&mut self, prompts: &[String], layers: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        self.token_states_all(prompts, layers)
    }

    fn write(
        &mut self,
        request: &CompletionRequest,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        self.write_request(request, on_piece, &mut |_| {})
    }

    fn write_between(
        &mut self,
        request: &CompletionRequest,
        on_piece: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
        between: &mut dyn FnMut(&mut dyn LanguageModel),
    ) -> Result<Completion, ModelError> {
        self.write_request(request, on_piece, between)
    }

    fn tokenize(&mut self, text: &str) -> Result<Vec<u32>, ModelError> {
        let tokens = self.control.said(&self.model.vocab(), text, false);
        Ok(tokens.into_iter().map(|token| token.0.cast_unsigned()).collect())
    }

    fn prompt_tokens(&mut self, text: &str) -> Result<Vec<u32>, ModelError> {
        let tokens = Self::prompt_tokens(self, text)?;
        Ok(tokens.into_iter().map(|token| token.0.cast_unsigned()).collect())
    }

    fn usage(&mut self) -> Usage {
        self.usage
    }

    fn describe(&self) -> ModelIdentity {
        self.identity.clone()
    }
}

/// llama.cpp's process-wide state: made once, never freed, since a second model may still use it.
fn backend() -> Result<&'static LlamaBackend, ModelError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    BACKEND
        .get_or_init(|| LlamaBackend::init().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|reason| ModelError::Compute { doing: "start", reason: reason.clone() })
}

fn load_weights(
    backend: &LlamaBackend,
    path: &Path,
    head: &GgufHead,
    (vocabulary_only, gpu_layers): (bool, u32),
) -> Result<LlamaModel, ModelError> {
    log::forget_errors();
    let parameters = LlamaModelParams::default().with_n_gpu_layers(gpu_layers).with_vocab_only(vocabulary_only);
    LlamaModel::load_from_file(backend, path, &parameters).map_err(|error| ModelError::Load {
        path: path.into(),
        architecture: head.architecture.clone(),
        reason: log::errors_or(&error.to_string()),
    })
}

fn processors() -> i32 {
    std::thread::available_parallelism().map_or(2, |count| i32::try_from(count.get()).unwrap_or(2))
}

/// A context on `model` for which the caller promises to keep `model` alive.
fn new_context(
    model: &Arc<LlamaModel>,
    adapter: Option<&mut LlamaLoraAdapter>,
    parameters: LlamaContextParams,
) -> Result<LlamaContext<'static>, ModelError> {
    #[expect(unsafe_code, reason = "a context borrows its model, and both live in one struct")]
    // SAFETY: the model is on the heap behind an `Arc` that `Llama` holds and drops after its contexts, and nothing
    // takes it out or mutates it.
    let pinned: &'static LlamaModel = unsafe { &*Arc::as_ptr(model) };
    log::forget_errors();
    let mut context = pinned
        .new_context(backend()?, parameters)
        .map_err(|error| ModelError::Compute { doing: "make a context", reason: log::errors_or(&error.to_string()) })?;
    if let Some(adapter) = adapter {
        context.lora_adapter_set(adapter, 1.0).map_err(|error| compute_error("set the adapter", &error))?;
    }
    Ok(context)
}

fn context_parameters(context: u32, threads: i32) -> LlamaContextParams {
    LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(context))
        .with_n_batch(context)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_no_perf(true)
}

/// Length of the common beginning.
fn common_prefix(a: &[LlamaToken], b: &[LlamaToken]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn compute_error(doing: &'static str, error: &dyn std::fmt::Display) -> ModelError {
    ModelError::Compute { doing, reason: format!("{error}: {}", log::errors_or("llama.cpp gave no reason")) }
}
