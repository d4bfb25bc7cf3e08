//! The model's forward pass on packed sequences, and the gradient of a LoRA adapter.
//!
//! Sequences of different lengths lie one after another without padding. The frozen weights need no gradient, so the
//! backward pass multiplies by them once; activations that cost little are computed anew rather than kept.

use std::ops::Range;

use credence_priors::matrix::{Put, View, multiply};

use super::adapter::Adapter;
use super::attention::{Attended, Attention, Inputs};
use super::kernels::{self, Rotary};
use super::projection::Projection;
use super::weights::{Layer, Weights};

/// Sequences laid one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    pub(crate) tokens: Vec<u32>,
    pub(crate) positions: Vec<usize>,
    pub(crate) sequences: Vec<Range<usize>>,
}

impl Packed {
    pub(crate) fn new<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut packed = Self::default();
        for tokens in sequences {
            let start = packed.tokens.len();
            packed.tokens.extend_from_slice(tokens);
            packed.positions.extend(0..tokens.len());
            packed.sequences.push(start..packed.tokens.len());
        }
        packed
    }

    fn longest(&self) -> usize {
        self.sequences.iter().map(Range::len).max().unwrap_or(0)
    }
}

/// What a layer's gradient needs of its forward pass; all are tokens x something.
#[derive(Debug)]
struct Saved {
    input: Vec<f32>,
    /// Before norm and rotation; kept only where there is a norm.
    query_raw: Option<Vec<f32>>,
    key_raw: Option<Vec<f32>>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    attended: Attended,
    /// Before the norm that follows attention, where there is one.
    attended_out: Option<Vec<f32>>,
    middle: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    down_out: Option<Vec<f32>>,
}

/// Floats that [`Saved`] holds for each token of each layer, roughly.
pub(crate) fn saved_floats(weights: &Weights) -> usize {
    let s = &weights.shape;
    2 * s.width + 2 * s.query_width() + 2 * s.key_width() + 2 * s.feed_forward + s.heads
}

/// A pass over one packed batch.
pub(crate) struct Pass<'a> {
    weights: &'a Weights,
    adapter: Option<&'a Adapter>,
    batch: &'a Packed,
    rotary: Rotary,
    rotary_near: Option<Rotary>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(weights: &'a Weights, adapter: Option<&'a Adapter>, batch: &'a Packed) -> Self {
        let s = &weights.shape;
        let factors = weights.rotary_factors.as_deref();
        let rotary =
            |base, stretch| Rotary::new(s.rotary_pairs, s.rotary_dims, base, stretch, factors, batch.longest());
        let rotary_near = s.window.map(|w| rotary(w.rotary_base, 1.0));
        Self { weights, adapter, batch, rotary: rotary(s.rotary_base, s.rotary_stretch), rotary_near }
    }

    fn tokens(&self) -> usize {
        self.batch.tokens.len()
    }

    fn attention(&self, layer: usize) -> Attention {
        let s = &self.weights.shape;
        Attention {
            heads: s.heads,
            kv_heads: s.kv_heads,
            head: s.head,
            scale: s.attention_scale,
            window: s.window_of(layer).map(|w| w.tokens),
        }
    }

    fn turn(&self, layer: usize, x: &mut [f32], row: usize, backwards: bool) {
        let s = &self.weights.shape;
        let rotary = match (&self.rotary_near, s.window_of(layer)) {
            (Some(near), Some(_)) => near,
            _ => &self.rotary,
        };
        rotary.turn(x, row, s.head, &self.batch.positions, backwards);
    }

    /// The embeddings of the batch: tokens x width.
    pub(crate) fn embed(&self) -> Vec<f32> {
        let scale = self.weights.shape.embedding_scale;
        let rows = self.batch.tokens.iter().map(|t| self.weights.embeddings.row(*t as usize));
        rows.flat_map(|row| row.iter().map(move |x| x * scale)).collect()
    }

    /// Layers `layers` applied to `hidden`, keeping nothing.
    pub(crate) fn forward(&self, mut hidden: Vec<f32>, layers: Range<usize>) -> Vec<f32> {
        for layer in layers {
            hidden = self.layer(layer, hidden, false).0;
        }
        hidden
    }

    /// `W x + b`, plus the adapter's share.
    fn project(&self, layer: usize, projection: Projection, x: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let n = self.tokens();
        let matrix = self.weights.layers[layer].matrix(projection);
        let x = View::new(x, n, matrix.columns);
        let mut out = vec![0.0; n * matrix.rows];
        multiply(&mut out, Put::Replace, 1.0, x, View::from(matrix).t());
        kernels::add_bias(&mut out, bias);
        if let Some((adapter, slot)) = self.slot(layer, projection) {
            let (a, b) = (&adapter.parameters[slot.a()], &adapter.parameters[slot.b()]);
            let mut inner = vec![0.0; n * slot.rank];
            multiply(&mut inner, Put::Replace, 1.0, x, View::new(a, slot.rank, slot.inputs).t());
            let inner = View::new(&inner, n, slot.rank);
            multiply(&mut out, Put::Add, adapter.scale(slot), inner, View::new(b, slot.outputs, slot.rank).t());
        }
        out
    }

    fn slot(&self, layer: usize, projection: Projection) -> Option<(&'a Adapter, &'a super::adapter::Slot)> {
        self.adapter.and_then(|adapter| adapter.slot(layer, projection).map(|slot| (adapter, slot)))
    }

    /// From `d_out`, the gradient of [`Self::project`]'s result: adds the adapter's gradient to `grads`, and the
    /// gradient of `x` to `d_x` unless nobody needs it.
    fn project_backward(
        &self,
        layer: usize,
        projection: Projection,
        x: &[f32],
        d_out: &[f32],
        d_x: Option<&mut Vec<f32>>,
        grads: &mut [f32],
    ) {
        let n = self.tokens();
        let matrix = self.weights.layers[layer].matrix(projection);
        let d = View::new(d_out, n, matrix.rows);
        let mut d_inner = Vec::new();
        let slot = self.slot(layer, projection);
        if let Some((adapter, slot)) = slot {
            let (a, b) = (&adapter.parameters[slot.a()], &adapter.parameters[slot.b()]);
            let x = View::new(x, n, slot.inputs);
            let scale = adapter.scale(slot);
            let mut inner = vec![0.0; n * slot.rank];
            multiply(&mut inner, Put::Replace, 1.0, x, View::new(a, slot.rank, slot.inputs).t());
            multiply(&mut grads[slot.b()], Put::Add, scale, d.t(), View::new(&inner, n, slot.rank));
            d_inner = vec![0.0; n * slot.rank];
            multiply(&mut d_inner, Put::Replace, scale, d, View::new(b, slot.outputs, slot.rank));
            multiply(&mut grads[slot.a()], Put::Add, 1.0, View::new(&d_inner, n, slot.rank).t(), x);
        }
        let Some(d_x) = d_x else { return };
        let put = if d_x.is_empty() { Put::Replace } else { Put::Add };
        d_x.resize(n * matrix.columns, 0.0);
        multiply(d_x, put, 1.0, d, View::from(matrix));
        if let Some((adapter, slot)) = slot {
            let a = View::new(&adapter.parameters[slot.a()], slot.rank, slot.inputs);
            multiply(d_x, Put::Add, 1.0, View::new(&d_inner, n, slot.rank), a);
        }
    }

    fn layer(&self, index: usize, input: Vec<f32>, keep: bool) -> (Vec<f32>, Option<Saved>) {
        let s = &self.weights.shape;
        let w: &Layer = &self.weights.layers[index];
        let eps = s.norm_eps;

        let x = kernels::norm(&input, &w.attention_norm, eps);
        let mut query = self.project(index, Projection::Query, &x, w.query_bias.as_deref());
        let mut key = self.project(index, Projection::Key, &x, w.key_bias.as_deref());
        let value = self.project(index, Projection::Value, &x, w.value_bias.as_deref());
        drop(x);
        let raw = |x: &mut Vec<f32>, gain: &Option<Vec<f32>>| {
            let gain = gain.as_ref()?;
            let normed = kernels::norm(x, gain, eps);
            Some(std::mem::replace(x, normed)).filter(|_| keep)
        };
        let query_raw = raw(&mut query, &w.query_norm);
        let key_raw = raw(&mut key, &w.key_norm);
        self.turn(index, &mut query, s.query_width(), false);
        self.turn(index, &mut key, s.key_width(), false);
        let inputs = Inputs { query: &query, key: &key, value: &value, sequences: &self.batch.sequences };
        let attended = self.attention(index).forward(&inputs);

        let mut out = self.project(index, Projection::Output, &attended.out, None);
        let attended_out = raw(&mut out, &w.attention_post_norm);
        kernels::add(&mut out, &input);
        let middle = out;

        let x = kernels::norm(&middle, &w.feed_forward_norm, eps);
        let gate = self.project(index, Projection::Gate, &x, None);
        let up = self.project(index, Projection::Up, &x, None);
        drop(x);
        let gated = kernels::gated(s.activation, &gate, &up);
        let mut out = self.project(index, Projection::Down, &gated, None);
        let down_out = raw(&mut out, &w.feed_forward_post_norm);
        kernels::add(&mut out, &middle);

        let saved = keep.then_some(Saved {
            input,
            query_raw,
            key_raw,
            query,
            key,
            value,
            attended,
            attended_out,
            middle,
            gate,
            up,
            down_out,
        });
        (out, saved)
    }

    /// From `d`, the gradient of a layer's output: the gradient of its input (empty unless `wanted`).
    fn layer_backward(&self, index: usize, saved: Saved, mut d: Vec<f32>, wanted: bool, grads: &mut [f32]) -> Vec<f32> {
        let s = &self.weights.shape;
        let w = &self.weights.layers[index];
        let eps = s.norm_eps;
        let before_norm = |d: &[f32], raw: &Option<Vec<f32>>, gain: &Option<Vec<f32>>| {
            let (Some(raw), Some(gain)) = (raw, gain) else { return None };
            let mut into = vec![0.0; d.len()];
            kernels::norm_backward(&mut into, false, d, raw, gain, eps);
            Some(into)
        };

        let d_down = before_norm(&d, &saved.down_out, &w.feed_forward_post_norm);
        let (mut gate, mut up) = (saved.gate, saved.up);
        let gated = kernels::gated(s.activation, &gate, &up);
        let mut d_gated = Vec::new();
        let d_out = d_down.as_deref().unwrap_or(&d);
        self.project_backward(index, Projection::Down, &gated, d_out, Some(&mut d_gated), grads);
        drop((d_down, gated));
        kernels::gated_backward(s.activation, &d_gated, &mut gate, &mut up);
        drop(d_gated);
        let x = kernels::norm(&saved.middle, &w.feed_forward_norm, eps);
        let mut d_x = Vec::new();
        self.project_backward(index, Projection::Gate, &x, &gate, Some(&mut d_x), grads);
        self.project_backward(index, Projection::Up, &x, &up, Some(&mut d_x), grads);
        kernels::norm_backward(&mut d, true, &d_x, &saved.middle, &w.feed_forward_norm, eps);
        drop((x, d_x, gate, up));

        let d_attended_out = before_norm(&d, &saved.attended_out, &w.attention_post_norm);
        let mut d_attended = Vec::new();
        let d_out = d_attended_out.as_deref().unwrap_or(&d);
        self.project_backward(index, Projection::Output, &saved.attended.out, d_out, Some(&mut d_attended), grads);
        let inputs =
            Inputs { query: &saved.query, key: &saved.key, value: &saved.value, sequences: &self.batch.sequences };
        let [mut dq, mut dk, dv] = self.attention(index).backward(&inputs, &saved.attended, &d_attended);
        self.turn(index, &mut dq, s.query_width(), true);
        self.turn(index, &mut dk, s.key_width(), true);
        dq = before_norm(&dq, &saved.query_raw, &w.query_norm).unwrap_or(dq);
        dk = before_norm(&dk, &saved.key_raw, &w.key_norm).unwrap_or(dk);
        let x = kernels::norm(&saved.input, &w.attention_norm, eps);
        let mut d_x = Vec::new();
        for (projection, d) in [(Projection::Query, &dq), (Projection::Key, &dk), (Projection::Value, &dv)] {
            self.project_backward(index, projection, &x, d, wanted.then_some(&mut d_x), grads);
        }
        if !wanted {
            return Vec::new();
        }
        kernels::norm_backward(&mut d, true, &d_x, &saved.input, &w.attention_norm, eps);
        d
    }

    /// Layers from the adapter's lowest to before `end`, then `head` on the last hidden states, then back down.
    ///
    /// `head` gets tokens x width and gives a result and its gradient in the same layout; the adapter's gradient is
    /// added to `grads`. `passing` sees the states after each layer on the way up, and may add a gradient of its own. With
    /// `frugal` only each layer's input is kept and the rest computed a second time.
    pub(crate) fn forward_backward<T>(
        &self,
        mut hidden: Vec<f32>,
        end: usize,
        frugal: bool,
        grads: &mut [f32],
        mut passing: impl FnMut(usize, &[f32]) -> Option<Vec<f32>>,
        head: impl FnOnce(&[f32]) -> (T, Vec<f32>),
    ) -> T {
        let first = self.adapter.map_or(usize::MAX, Adapter::first_layer);
        let layers = first.min(end)..end;
        let mut kept = Vec::with_capacity(layers.len());
        let mut on_the_way = Vec::with_capacity(layers.len());
        for layer in layers.clone() {
            if frugal {
                kept.push(Err(hidden.clone()));
                hidden = self.layer(layer, hidden, false).0;
            } else {
                let (out, saved) = self.layer(layer, hidden, true);
                kept.extend(saved.map(Ok));
                hidden = out;
            }
            on_the_way.push(passing(layer, &hidden));
        }
        let (result, mut d) = head(&hidden);
        drop(hidden);
        for layer in layers.clone().rev() {
            let saved = match kept.pop() {
                Some(Ok(saved)) => Some(saved),
                Some(Err(input)) => self.layer(layer, input, true).1,
                None => None,
            };
            let saved = saved.expect("every layer of the forward pass was kept");
            if let Some(added) = on_the_way.pop().flatten() {
                kernels::add(&mut d, &added);
            }
            d = self.layer_backward(layer, saved, d, layer > layers.start, grads);
        }
        result
    }
}
