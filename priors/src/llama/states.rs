//! States from inside the model: the residual stream after chosen layers, averaged over a part of a prompt.
//!
//! llama.cpp asks a callback of every tensor it is about to compute whether somebody wants to see it; `l_out-N` is what
//! block N hands on. Nothing above the deepest layer asked for is computed: the callback ends the evaluation there. So the
//! cache of this context is never whole, and is emptied before every batch.
//!
//! Prompts are laid out as a tree, as for scoring: what several begin with is evaluated once.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2 as sys;

use super::scoring::{Query, SEQUENCES_MAX, Tree};
use super::{Llama, common_prefix, log};
use crate::model::{ModelError, StateRequest};

/// Tokens in one batch.
const BATCH: usize = 512;
/// Tokens in one batch when the last layer is asked for: llama.cpp sets a row of logits aside for each of them.
const BATCH_TOP: usize = 64;
/// Longest prompt, in tokens; memory for it is set aside for good.
const CONTEXT_MAX: u32 = 2048;

/// What the callback is to catch, and has caught.
#[derive(Default)]
struct Catcher {
    /// Layers wanted, and the rows seen of each: tokens x width.
    wanted: BTreeMap<usize, Vec<f32>>,
    /// Something was not as expected.
    failed: Option<String>,
}

/// A context of llama.cpp with a callback.
pub(super) struct Desk {
    context: NonNull<sys::llama_context>,
    /// On the heap: llama.cpp has its address.
    catcher: Box<Catcher>,
    longest: usize,
}

impl Drop for Desk {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "made by llama.cpp")]
        // SAFETY: made by `llama_init_from_model`, and freed once.
        unsafe {
            sys::llama_free(self.context.as_ptr());
        }
    }
}

/// Tokens to be evaluated, and which of them are averaged over.
pub(crate) struct StateQuery {
    pub(crate) tokens: Vec<LlamaToken>,
    pub(crate) span: std::ops::Range<usize>,
    pub(crate) layers: Vec<usize>,
    /// Whether every token's state is wanted, one after another, and not their mean.
    pub(crate) each: bool,
}

impl Desk {
    fn new(
        model: &LlamaModel,
        adapter: Option<&mut LlamaLoraAdapter>,
        context: u32,
        threads: i32,
    ) -> Result<Self, ModelError> {
        let mut catcher = Box::new(Catcher::default());
        let longest = context.min(CONTEXT_MAX);
        log::forget_errors();
        let failed = |doing| ModelError::Compute { doing, reason: log::errors_or("llama.cpp gave no reason") };
        #[expect(unsafe_code, reason = "llama-cpp-2 does not wrap the callback")]
        // SAFETY: both wrappers are `repr(transparent)` around the pointer; `Llama` drops the context before the model,
        // and the catcher lives as long as the context.
        let context = unsafe {
            let mut parameters = sys::llama_context_default_params();
            // Short prompts of a batch share the cells, so there must be room for a whole batch of them.
            parameters.n_ctx = longest.max(BATCH as u32);
            parameters.n_batch = BATCH as u32;
            parameters.n_ubatch = BATCH as u32;
            parameters.n_seq_max = SEQUENCES_MAX as u32;
            parameters.n_threads = threads;
            parameters.n_threads_batch = threads;
            parameters.kv_unified = true;
            parameters.no_perf = true;
            // States are compared with each other to a thousandth: a cache in F16 would cost as much as that.
            parameters.type_k = sys::GGML_TYPE_F32;
            parameters.type_v = sys::GGML_TYPE_F32;
            parameters.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_DISABLED;
            parameters.cb_eval = Some(catch);
            parameters.cb_eval_user_data = std::ptr::from_mut::<Catcher>(&mut catcher).cast::<c_void>();
            let model = *std::ptr::from_ref::<LlamaModel>(model).cast::<*mut sys::llama_model>();
            let context = sys::llama_init_from_model(model, parameters);
            let context = NonNull::new(context).ok_or_else(|| failed("make a context"))?;
            if let Some(adapter) = adapter {
                let mut adapters =
                    [*std::ptr::from_mut::<LlamaLoraAdapter>(adapter).cast::<*mut sys::llama_adapter_lora>()];
                let mut scales = [1.0_f32];
                let status =
                    sys::llama_set_adapters_lora(context.as_ptr(), adapters.as_mut_ptr(), 1, scales.as_mut_ptr());
                if status != 0 {
                    sys::llama_free(context.as_ptr());
                    return Err(failed("set the adapter"));
                }
            }
            context
        };
        Ok(Self { context, catcher, longest: longest as usize })
    }

    /// Evaluates the tree up to the deepest of `layers`; gives tokens x width for each of them.
    fn evaluate(&mut self, tree: &Tree, layers: &[usize], top: usize) -> Result<BTreeMap<usize, Vec<f32>>, ModelError> {
        self.catcher.wanted = layers.iter().map(|layer| (*layer, Vec::new())).collect();
        self.catcher.failed = None;
        #[expect(unsafe_code, reason = "llama-cpp-2 does not wrap the callback")]
        // SAFETY: a live context.
        unsafe {
            sys::llama_memory_clear(sys::llama_get_memory(self.context.as_ptr()), false);
        }
        // Rows of the last layer are computed only for tokens whose logits are wanted.
        let wants_top = layers.contains(&top);
        for nodes in tree.nodes.chunks(if wants_top { BATCH_TOP } else { BATCH }) {
            let mut tokens: Vec<sys::llama_token> = nodes.iter().map(|node| node.token.0).collect();
            let mut positions: Vec<sys::llama_pos> = nodes.iter().map(|node| node.position).collect();
            let mut counts: Vec<i32> = nodes.iter().map(|node| node.sequences.len() as i32).collect();
            let mut sequences: Vec<Vec<i32>> = nodes.iter().map(|node| node.sequences.clone()).collect();
            let mut sequences: Vec<*mut i32> = sequences.iter_mut().map(Vec::as_mut_ptr).collect();
            let mut logits: Vec<i8> = vec![i8::from(wants_top); nodes.len()];
            let batch = sys::llama_batch {
                n_tokens: nodes.len() as i32,
                token: tokens.as_mut_ptr(),
                embd: std::ptr::null_mut(),
                pos: positions.as_mut_ptr(),
                n_seq_id: counts.as_mut_ptr(),
                seq_id: sequences.as_mut_ptr(),
                logits: logits.as_mut_ptr(),
            };
            log::forget_errors();
            #[expect(unsafe_code, reason = "llama-cpp-2 does not wrap the callback")]
            // SAFETY: every pointer is to a vector with an entry for each token, and all outlive the call.
            let status = unsafe { sys::llama_decode(self.context.as_ptr(), batch) };
            if status != 0 {
                let reason = log::errors_or(&format!("status {status}"));
                return Err(ModelError::Compute { doing: "evaluate a batch", reason });
            }
        }
        let failed = |reason| ModelError::Compute { doing: "show its states", reason };
        if let Some(reason) = self.catcher.failed.take() {
            return Err(failed(reason));
        }
        let caught = std::mem::take(&mut self.catcher.wanted);
        if let Some((layer, _)) = caught.iter().find(|(_, rows)| rows.is_empty() || rows.len() % tree.nodes.len() != 0)
        {
            return Err(failed(format!("layer {layer} was not computed as expected")));
        }
        Ok(caught)
    }
}

/// Number of the block whose output this tensor is.
fn layer_of(name: &CStr) -> Option<usize> {
    name.to_str().ok()?.strip_prefix("l_out-")?.parse().ok()
}

#[expect(unsafe_code, reason = "called by C")]
unsafe extern "C" fn catch(tensor: *mut sys::ggml_tensor, is_question: bool, catcher: *mut c_void) -> bool {
    #[expect(unsafe_code, reason = "pointers from llama.cpp, and one of ours")]
    // SAFETY: llama.cpp hands over a live tensor with a name, and the pointer it was given with the callback.
    let (tensor, catcher, name) =
        unsafe { (&*tensor, &mut *catcher.cast::<Catcher>(), CStr::from_ptr(sys::ggml_get_name(tensor))) };
    let deepest = catcher.wanted.keys().next_back().copied();
    let Some((layer, rows)) = layer_of(name).and_then(|layer| Some((layer, catcher.wanted.get_mut(&layer)?))) else {
        // Not ours: no interest before, and go on after.
        return !is_question;
    };
    if is_question {
        return true;
    }
    if tensor.type_ != sys::GGML_TYPE_F32 {
        catcher.failed = Some("expected states in F32".to_owned());
        return false;
    }
    let count = tensor.ne.iter().product::<i64>().max(0) as usize;
    let start = rows.len();
    rows.resize(start + count, 0.0);
    #[expect(unsafe_code, reason = "the tensor may be on another device")]
    // SAFETY: there is room for all of the tensor's numbers.
    unsafe {
        sys::ggml_backend_tensor_get(tensor, rows[start..].as_mut_ptr().cast::<c_void>(), 0, count * size_of::<f32>());
    }
    // Ends the evaluation: nobody asked for what comes after.
    Some(layer) != deepest
}

impl Llama {
    /// For each request, by layer, the mean over the tokens of its span.
    pub(super) fn states_all(&mut self, requests: &[StateRequest]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        let mut queries = Vec::with_capacity(requests.len());
        for StateRequest { prompt, span, layers } in requests {
            let (Some(before), Some(upto)) = (prompt.get(..span.start), prompt.get(..span.end)) else {
                return Err(ModelError::Empty(prompt.clone()));
            };
            // What comes after the span cannot change it. Tokenised up to both of its ends: a tokenizer looks ahead no
            // further than a word, and spans begin and end at words.
            let tokens = self.prompt_tokens(upto)?;
            let first = if before.is_empty() { 0 } else { common_prefix(&self.prompt_tokens(before)?, &tokens) };
            if first >= tokens.len() {
                return Err(ModelError::Empty(prompt.get(span.clone()).unwrap_or_default().to_owned()));
            }
            self.check_length(tokens.len(), prompt)?;
            queries.push(StateQuery { span: first..tokens.len(), tokens, layers: layers.clone(), each: false });
        }
        self.states_of(&queries)
    }

    /// For each prompt, by layer, the states of all its tokens: tokens x width.
    pub(super) fn token_states_all(
        &mut self,
        prompts: &[String],
        layers: &[usize],
    ) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        let mut queries = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let tokens = self.prompt_tokens(prompt)?;
            if tokens.is_empty() {
                return Err(ModelError::Empty(prompt.clone()));
            }
            self.check_length(tokens.len(), prompt)?;
            queries.push(StateQuery { span: 0..tokens.len(), tokens, layers: layers.to_vec(), each: true });
        }
        self.states_of(&queries)
    }

    pub(crate) fn states_of(&mut self, queries: &[StateQuery]) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        if self.states.is_none() {
            self.states = Some(Desk::new(&self.model, self.adapter.as_mut(), self.context, self.threads)?);
        }
        let desk = self.states.as_mut().ok_or(ModelError::Gone)?;
        let top = (self.model.n_layer() as usize).saturating_sub(1);
        let mut layers: Vec<usize> = queries.iter().flat_map(|query| query.layers.iter().copied()).collect();
        layers.sort_unstable();
        layers.dedup();
        if let Some(layer) = layers.iter().find(|layer| **layer > top) {
            let reason = format!("it has no layer {layer}; the last is {top}");
            return Err(ModelError::Compute { doing: "show its states", reason });
        }
        let laid_out: Vec<Query> = queries
            .iter()
            .map(|query| Query {
                tokens: query.tokens[..query.span.end].to_vec(),
                first_row: query.span.start,
                wanted: Vec::new(),
            })
            .collect();
        if let Some(query) = laid_out.iter().find(|query| query.tokens.len() > desk.longest) {
            let (tokens, context) = (query.tokens.len(), desk.longest);
            return Err(ModelError::TooLong { tokens, context, beginning: String::new() });
        }
        let mut order: Vec<usize> = (0..queries.len()).collect();
        order.sort_by(|&a, &b| {
            let key = |i: usize| laid_out[i].tokens.iter().map(|token| token.0);
            key(a).cmp(key(b)).then(a.cmp(&b))
        });
        let mut states = vec![Vec::new(); queries.len()];
        let mut next = 0;
        while next < order.len() {
            let mut tree = Tree::default();
            let first = next;
            while next < order.len() {
                let query = &laid_out[order[next]];
                let shared =
                    if next == first { 0 } else { common_prefix(&laid_out[order[next - 1]].tokens, &query.tokens) };
                let is_full = next - first == SEQUENCES_MAX || tree.nodes.len() + query.tokens.len() - shared > BATCH;
                if next > first && is_full {
                    break;
                }
                tree.add(query, shared);
                self.usage.in_prompts += query.tokens.len() as u64;
                next += 1;
            }
            self.usage.evaluated += tree.nodes.len() as u64;
            let caught = desk.evaluate(&tree, &layers, top)?;
            for (nodes, &index) in tree.row_nodes.iter().zip(&order[first..next]) {
                states[index] = queries[index]
                    .layers
                    .iter()
                    .map(|layer| {
                        let (rows, width) = (&caught[layer], caught[layer].len() / tree.nodes.len());
                        if queries[index].each { each_of(rows, width, nodes) } else { mean_of(rows, width, nodes) }
                    })
                    .collect::<Result<_, _>>()?;
            }
        }
        Ok(states)
    }
}

/// The rows with these numbers, one after another.
fn each_of(rows: &[f32], width: usize, numbers: &[usize]) -> Result<Vec<f32>, ModelError> {
    let all: Vec<f32> =
        numbers.iter().flat_map(|number| &rows[number * width..(number + 1) * width]).copied().collect();
    if all.iter().all(|entry| entry.is_finite()) {
        return Ok(all);
    }
    Err(ModelError::Compute { doing: "show its states", reason: "they are not finite".to_owned() })
}

/// Mean of the rows with these numbers.
fn mean_of(rows: &[f32], width: usize, numbers: &[usize]) -> Result<Vec<f32>, ModelError> {
    let mut sum = vec![0.0_f64; width];
    for number in numbers {
        let row = &rows[number * width..(number + 1) * width];
        sum.iter_mut().zip(row).for_each(|(sum, entry)| *sum += f64::from(*entry));
    }
    let mean: Vec<f32> = sum.iter().map(|sum| (sum / numbers.len().max(1) as f64) as f32).collect();
    if mean.iter().all(|entry| entry.is_finite()) {
        return Ok(mean);
    }
    Err(ModelError::Compute { doing: "show its states", reason: "they are not finite".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llama::{LlamaOptions, Scoring};
    use credence_training::{Architecture, Weights, residual_stream, tiny};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn load(path: &std::path::Path) -> Result<Llama, ModelError> {
        Llama::load(path, &LlamaOptions { scoring: Scoring::AsGiven, threads: Some(1), ..LlamaOptions::default() })
    }

    fn query(tokens: &[u32], span: std::ops::Range<usize>, layers: &[usize]) -> StateQuery {
        let tokens = tokens.iter().map(|token| LlamaToken(token.cast_signed())).collect();
        StateQuery { tokens, span, layers: layers.to_vec(), each: false }
    }

    /// Largest difference, relative to the largest entry of the vector.
    fn apart(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        let size = a.iter().fold(0.0_f32, |size, entry| size.max(entry.abs()));
        a.iter().zip(b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs())) / size
    }

    /// Every family, every layer, spans at the beginning, in the middle and at the end: as the trainer's own forward pass.
    #[test]
    fn states_are_those_of_the_trainers_forward_pass_in_any_layout() -> Outcome {
        let dir = tempfile::tempdir()?;
        let all: Vec<usize> = (0..tiny::LAYERS).collect();
        for architecture in Architecture::ALL {
            let path = dir.path().join("tiny.gguf");
            tiny::write(&path, architecture, 5)?;
            let weights = Weights::load(&path)?;
            let mut llama = load(&path)?;
            let long = tiny::tokens(70, 1);
            let mut branch = long[..9].to_vec();
            branch.extend(tiny::tokens(6, 2));
            let asked = [
                query(&long, 3..70, &all),
                query(&branch, 9..15, &[0, 2, 4]),
                query(&branch, 7..11, &all),
                query(&tiny::tokens(4, 3), 0..4, &all),
            ];
            let together = llama.states_of(&asked)?;
            let bar = if architecture == Architecture::Gemma3 { 4e-3 } else { 1e-3 };
            for (query, states) in asked.iter().zip(&together) {
                let tokens: Vec<u32> = query.tokens.iter().map(|t| t.0.cast_unsigned()).collect();
                let expected = residual_stream(&weights, None, &tokens, &query.layers, query.span.clone());
                let alone = llama.states_of(std::slice::from_ref(query))?;
                for ((layer, state), expected) in query.layers.iter().zip(states).zip(&expected) {
                    let difference = apart(expected, state);
                    assert!(difference < bar, "{architecture:?} layer {layer}: {difference}");
                }
                for (alone, together) in alone[0].iter().zip(states) {
                    assert!(apart(alone, together) < 1e-4);
                }
            }
            assert_eq!(together, llama.states_of(&asked)?, "the same layout gives the same bits");
            // Token by token they are what the means are of.
            let each: Vec<StateQuery> =
                asked.iter().map(|q| StateQuery { each: true, ..query(&[], q.span.clone(), &q.layers) }).collect();
            let each: Vec<StateQuery> =
                each.into_iter().zip(&asked).map(|(each, q)| StateQuery { tokens: q.tokens.clone(), ..each }).collect();
            for ((q, rows), means) in asked.iter().zip(llama.states_of(&each)?).zip(&together) {
                for (rows, mean) in rows.iter().zip(means) {
                    let width = mean.len();
                    assert_eq!(rows.len(), q.span.len() * width);
                    let numbers: Vec<usize> = (0..q.span.len()).collect();
                    assert_eq!(&mean_of(rows, width, &numbers)?, mean);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_layer_that_is_not_there_is_refused() -> Outcome {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("tiny.gguf");
        tiny::write(&path, Architecture::Llama, 5)?;
        let asked = [query(&tiny::tokens(4, 3), 0..4, &[tiny::LAYERS])];
        let error = load(&path)?.states_of(&asked).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("llama.cpp failed to show its states: it has no layer 6; the last is 5"));
        Ok(())
    }
}
