//! The training loop: a function of model, examples and settings that can be watched, stopped, killed and resumed.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::adapter::{Adapter, LoraSettings};
use super::checkpoint::{self, Head};
use super::error::TrainingError;
use super::forward::{Packed, Pass, saved_floats};
use super::loss::{Example, StateTarget, Target, score, score_states};
use super::optimiser::{Moments, OptimiserSettings};
use super::weights::Weights;

/// Everything that decides the result of a run, beside model and examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// What moves.
    pub lora: LoraSettings,
    /// How it follows the gradient.
    pub optimiser: OptimiserSettings,
    /// Times that every example is seen.
    pub epochs: usize,
    /// Examples in a step.
    pub batch: usize,
    /// Tokens that are computed together; a step adds up as many such parts as it needs. Memory grows with it.
    pub part_tokens: usize,
    /// Seed of the adapter's start and of the order of examples.
    pub seed: u64,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            lora: LoraSettings::default(),
            optimiser: OptimiserSettings::default(),
            epochs: 4,
            batch: 8,
            part_tokens: 512,
            seed: 1,
        }
    }
}

/// Told after every step how many are done, and the adapter as it is then.
pub type Watch<'a> = dyn FnMut(usize, &Adapter) + Send + 'a;

/// How a run is watched and stopped; nothing here changes its result.
#[derive(Default)]
pub struct Control<'a> {
    /// Called after every step.
    pub progress: Option<&'a mut (dyn FnMut(&Progress) + Send)>,
    /// Called after every step with the adapter.
    pub watch: Option<&'a mut Watch<'a>>,
    /// When set, the run stops at the next opportunity (within one part of a step) and leaves a checkpoint.
    pub cancel: Option<&'a AtomicBool>,
    /// Where the run is frozen, and from where it resumes if the file is there.
    pub checkpoint: Option<&'a Path>,
    /// Steps from one checkpoint to the next; 0 for one at the end only.
    pub checkpoint_steps: usize,
    /// Stop after this many steps in all, as if cancelled.
    pub stop_after: Option<usize>,
    /// Worker threads; `None` for all of rayon's.
    pub threads: Option<usize>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Mean loss of the last step's examples before it was taken: cross entropy in nats, and what states add.
    pub loss: f64,
    /// Length of the last step's gradient before it was clipped.
    pub gradient_norm: f64,
    /// Tokens of examples worked through in a second, since this process took up the run.
    pub tokens_per_second: f64,
    /// Estimated time to the end.
    pub left: Duration,
}

/// What a run leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The adapter after the last step done.
    pub adapter: Adapter,
    /// Mean loss of every step: cross entropy in nats, and what states add.
    pub losses: Vec<f64>,
    /// Whether all steps were done; if not, the run was cancelled and can be resumed.
    pub finished: bool,
}

/// Trains an adapter on examples.
///
/// The result depends on model, examples and settings only: a run that is killed and resumed from its checkpoint gives
/// the same bits as one that is not, on the same build and processor family.
///
/// # Errors
/// For examples or settings that make no sense, a checkpoint that is damaged or of another run, a full disk, and a loss
/// or gradient that is not finite.
pub fn train(
    weights: &Weights,
    examples: &[Example],
    settings: &TrainingSettings,
    control: &mut Control<'_>,
) -> Result<Trained, TrainingError> {
    with_threads(control.threads, || Run::new(weights, examples, settings, None)?.finish(control))
}

/// Trains on from an adapter that is there: a small step on top of a generation. Its settings must be `settings.lora`.
///
/// # Errors
/// As [`train`], and if `start` has other settings or another model.
pub fn train_from(
    weights: &Weights,
    start: &Adapter,
    examples: &[Example],
    settings: &TrainingSettings,
    control: &mut Control<'_>,
) -> Result<Trained, TrainingError> {
    with_threads(control.threads, || Run::new(weights, examples, settings, Some(start))?.finish(control))
}

/// Runs `work` on a pool of so many threads.
pub(crate) fn with_threads<T: Send>(
    threads: Option<usize>,
    work: impl FnOnce() -> Result<T, TrainingError> + Send,
) -> Result<T, TrainingError> {
    match threads {
        None => work(),
        Some(n) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().map_err(TrainingError::Threads)?;
            pool.install(work)
        }
    }
}

/// Order of the examples in an epoch: a function of seed and epoch alone, so that a resumed run needs no history.
pub fn order(seed: u64, epoch: usize, examples: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..examples).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(epoch as u64 + 1);
    order.shuffle(&mut random);
    order
}

struct Run<'a> {
    weights: &'a Weights,
    examples: &'a [Example],
    settings: &'a TrainingSettings,
    adapter: Adapter,
    moments: Moments,
    losses: Vec<f64>,
    name: String,
    cache: HiddenCache,
}

impl<'a> Run<'a> {
    fn new(
        weights: &'a Weights,
        examples: &'a [Example],
        settings: &'a TrainingSettings,
        start: Option<&Adapter>,
    ) -> Result<Self, TrainingError> {
        if let Some(problem) = settings.optimiser.problem() {
            return Err(TrainingError::Settings(problem.to_owned()));
        }
        if settings.batch == 0 || settings.part_tokens == 0 {
            return Err(TrainingError::Settings("batch and part_tokens must be above 0".to_owned()));
        }
        for (index, example) in examples.iter().enumerate() {
            example.check(index, &weights.shape)?;
        }
        if !examples.iter().any(|e| e.weight() > 0.0) {
            return Err(TrainingError::Settings("no example has a target with weight".to_owned()));
        }
        let mut adapter = Adapter::new(weights, &settings.lora, settings.seed)?;
        if let Some(start) = start {
            if start.model() != weights.hash || start.slots != adapter.slots || start.alpha != adapter.alpha {
                let problem = "the adapter to go on from was trained with other settings, or for another model";
                return Err(TrainingError::Settings(problem.to_owned()));
            }
            adapter.parameters.clone_from(&start.parameters);
        }
        let first = adapter.first_layer();
        if let Some(below) = examples.iter().flat_map(|e| &e.states).find(|state| state.layer < first) {
            let problem = format!("a state of block {} cannot move: the adapter begins at block {first}", below.layer);
            return Err(TrainingError::Settings(problem));
        }
        let name = fingerprint(weights, examples, settings, &adapter)?;
        let moments = Moments::new(adapter.parameters.len());
        // As much again as the weights: well within the bound of four times the weights for the whole run.
        let cache = HiddenCache::new(examples, settings, weights.shape.width, weights.bytes());
        Ok(Self { weights, examples, settings, adapter, moments, losses: Vec::new(), name, cache })
    }

    fn steps_an_epoch(&self) -> usize {
        self.examples.len().div_ceil(self.settings.batch)
    }

    fn finish(mut self, control: &mut Control<'_>) -> Result<Trained, TrainingError> {
        if let Some(path) = control.checkpoint
            && let Some((head, parameters, moments)) =
                checkpoint::read(path, &self.name, self.adapter.parameters.len())?
        {
            (self.adapter.parameters, self.moments, self.losses) = (parameters, moments, head.losses);
        }
        let steps = self.settings.epochs * self.steps_an_epoch();
        let last = control.stop_after.unwrap_or(steps).min(steps);
        let cancelled = |c: &Control<'_>| c.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
        let (start, first) = (Instant::now(), self.losses.len());
        let mut tokens = 0;
        let mut order_of = (usize::MAX, Vec::new());

        while self.losses.len() < last {
            let step = self.losses.len();
            let epoch = step / self.steps_an_epoch();
            if order_of.0 != epoch {
                order_of = (epoch, order(self.settings.seed, epoch, self.examples.len()));
            }
            let from = step % self.steps_an_epoch() * self.settings.batch;
            let batch = &order_of.1[from..(from + self.settings.batch).min(order_of.1.len())];
            let Some((loss, gradient_norm)) = self.step(step, steps, batch, &|| cancelled(control))? else { break };
            self.losses.push(loss);
            tokens += batch.iter().map(|i| self.examples[*i].tokens.len()).sum::<usize>();

            let seconds = start.elapsed().as_secs_f64();
            let done = step + 1;
            if let Some(progress) = &mut control.progress {
                let left = seconds / (done - first) as f64 * (steps - done) as f64;
                let tokens_per_second = tokens as f64 / seconds.max(1e-9);
                let left = Duration::from_secs_f64(left);
                progress(&Progress { step: done, steps, loss, gradient_norm, tokens_per_second, left });
            }
            if let Some(watch) = &mut control.watch {
                watch(done, &self.adapter);
            }
            if done.is_multiple_of(control.checkpoint_steps) && done < last {
                self.freeze(control)?;
            }
        }
        self.freeze(control)?;
        Ok(Trained { finished: self.losses.len() == steps, adapter: self.adapter, losses: self.losses })
    }

    fn freeze(&self, control: &Control<'_>) -> Result<(), TrainingError> {
        let Some(path) = control.checkpoint else { return Ok(()) };
        let head = Head {
            run: self.name.clone(),
            step: self.losses.len(),
            losses: self.losses.clone(),
            parameters: self.adapter.parameters.len(),
        };
        checkpoint::write(path, &head, &self.adapter.parameters, &self.moments)
    }

    /// One step: its loss and the length of its gradient; `None` if it was cancelled before it changed anything.
    fn step(
        &mut self,
        step: usize,
        steps: usize,
        batch: &[usize],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<(f64, f64)>, TrainingError> {
        let weight: f64 = batch.iter().map(|i| self.examples[*i].weight()).sum();
        if weight <= 0.0 {
            return Ok(Some((0.0, 0.0))); // nothing to learn from these
        }
        let mut grads = vec![0.0; self.adapter.parameters.len()];
        let mut loss = 0.0;
        for part in parts(self.examples, batch, self.settings.part_tokens) {
            if cancelled() {
                return Ok(None);
            }
            loss += self.part(part, (1.0 / weight) as f32, &mut grads);
        }
        let loss = loss / weight;
        let not_finite = |what| TrainingError::NotFinite { what, step };
        if !loss.is_finite() {
            return Err(not_finite("the loss"));
        }
        let optimiser = &self.settings.optimiser;
        let norm = self.moments.step(optimiser, step, steps, &mut self.adapter.parameters, &grads);
        if norm.is_finite() { Ok(Some((loss, norm))) } else { Err(not_finite("the gradient")) }
    }

    /// Summed loss of a part of a step; adds its gradient to `grads`.
    fn part(&mut self, part: &[usize], scale: f32, grads: &mut [f32]) -> f64 {
        let first = self.adapter.first_layer();
        let packed = Packed::new(part.iter().map(|i| &self.examples[*i].tokens[..]));
        let pass = Pass::new(self.weights, Some(&self.adapter), &packed);
        let hidden = match first {
            0 => pass.embed(),
            _ => self.cache.hidden(self.weights, self.examples, part, first),
        };
        // Nothing above the states that are asked for need be computed where no token is to be predicted.
        let of_states = part.iter().flat_map(|i| &self.examples[*i].states).map(|state| state.layer + 1).max();
        let predicts = part.iter().any(|i| !self.examples[*i].targets.is_empty());
        let end = of_states.filter(|_| !predicts).unwrap_or(self.weights.shape.layers);
        let layers = end.saturating_sub(first);
        let floats = saved_floats(self.weights) * packed.tokens.len() * layers;
        // Keeping all activations may take as much as the weights; beyond that they are computed twice.
        let frugal = 4 * floats > self.weights.bytes();
        let rows = rows(self.examples, part, &packed);
        let states = state_rows(self.examples, part, &packed);
        let width = self.weights.shape.width;
        let mut states_loss = 0.0;
        let passing = |layer: usize, hidden: &[f32]| {
            let (loss, grad) = score_states(layer, hidden, width, &states, scale);
            states_loss += loss;
            grad
        };
        let tokens_loss = pass.forward_backward(hidden, end, frugal, grads, passing, |hidden| {
            let scored = score(self.weights, hidden, &rows, Some(scale));
            (scored.loss, scored.grad)
        });
        tokens_loss + states_loss
    }
}

/// Consecutive examples with at most so many tokens together; a longer example is a part of its own.
pub(crate) fn parts<'a>(examples: &[Example], batch: &'a [usize], tokens_max: usize) -> Vec<&'a [usize]> {
    let mut parts = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (i, example) in batch.iter().enumerate() {
        let length = examples[*example].tokens.len();
        if tokens + length > tokens_max && i > start {
            parts.push(&batch[start..i]);
            (start, tokens) = (i, 0);
        }
        tokens += length;
    }
    parts.push(&batch[start..]);
    parts
}

/// Every target of a packed part, with its row.
pub(crate) fn rows<'a>(examples: &'a [Example], part: &[usize], packed: &Packed) -> Vec<(usize, &'a Target)> {
    let sequences = part.iter().zip(&packed.sequences);
    sequences.flat_map(|(i, s)| examples[*i].targets.iter().map(move |t| (s.start + t.position, t))).collect()
}

/// Every state target of a packed part, with its rows.
pub(crate) fn state_rows<'a>(
    examples: &'a [Example],
    part: &[usize],
    packed: &Packed,
) -> Vec<(Range<usize>, &'a StateTarget)> {
    let sequences = part.iter().zip(&packed.sequences);
    let at = |start: usize, positions: &Range<usize>| start + positions.start..start + positions.end;
    sequences.flat_map(|(i, s)| examples[*i].states.iter().map(move |t| (at(s.start, &t.positions), t))).collect()
}

fn fingerprint(
    weights: &Weights,
    examples: &[Example],
    settings: &TrainingSettings,
    start: &Adapter,
) -> Result<String, TrainingError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(weights.hash.as_bytes());
    for parameter in &start.parameters {
        hasher.update(&parameter.to_le_bytes());
    }
    let fail = |e: serde_json::Error| TrainingError::Settings(e.to_string());
    serde_json::to_writer(&mut hasher, settings).map_err(fail)?;
    serde_json::to_writer(&mut hasher, examples).map_err(fail)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// What the frozen lower layers make of each example, kept from one epoch to the next as long as there is room.
///
/// Examples are computed in groups, since a product of many rows is faster: a group is what the first epoch reads together.
/// Which examples are kept, and in which group each is computed, is thus a function of the run's settings; what is kept does not
/// depend on whether a run was resumed.
struct HiddenCache {
    kept: Vec<Option<Vec<f32>>>,
    groups: Vec<Vec<usize>>,
    /// By example; none where there is no room to keep it.
    group_of: Vec<Option<usize>>,
}

impl HiddenCache {
    fn new(examples: &[Example], settings: &TrainingSettings, width: usize, bytes_max: usize) -> Self {
        let mut left = bytes_max;
        let order = order(settings.seed, 0, examples.len());
        let mut group_of = vec![None; examples.len()];
        let mut groups = Vec::new();
        for part in order.chunks(settings.batch).flat_map(|batch| parts(examples, batch, settings.part_tokens)) {
            let mut group = Vec::new();
            for index in part {
                if let Some(rest) = left.checked_sub(4 * width * examples[*index].tokens.len()) {
                    left = rest;
                    group_of[*index] = Some(groups.len());
                    group.push(*index);
                }
            }
            groups.push(group);
        }
        Self { kept: vec![None; examples.len()], groups, group_of }
    }

    /// Hidden states of a part that enter layer `first`.
    fn hidden(&mut self, weights: &Weights, examples: &[Example], part: &[usize], first: usize) -> Vec<f32> {
        let compute = |these: &[usize]| {
            let packed = Packed::new(these.iter().map(|i| &examples[*i].tokens[..]));
            let pass = Pass::new(weights, None, &packed);
            let hidden = pass.forward(pass.embed(), 0..first);
            (packed.sequences, hidden)
        };
        let width = weights.shape.width;
        let mut hidden = Vec::new();
        for index in part {
            let Some(group) = self.group_of[*index] else {
                hidden.extend(compute(&[*index]).1);
                continue;
            };
            if self.kept[*index].is_none() {
                let (sequences, states) = compute(&self.groups[group]);
                for (member, at) in self.groups[group].iter().zip(sequences) {
                    self.kept[*member] = Some(states[at.start * width..at.end * width].to_vec());
                }
            }
            hidden.extend(self.kept[*index].iter().flatten());
        }
        hidden
    }
}
