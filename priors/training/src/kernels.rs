//! The small functions of a transformer block and their derivatives: norm, rotary position, activations, exponentials.
//!
//! All work row by row, so that rows spread over threads and no sum depends on timing.

use rayon::prelude::*;

use super::shape::{Activation, RotaryPairs};

/// Rows that one task takes at a time: enough work to be worth handing over.
const ROWS_A_TASK: usize = 16;

/// e to the power of `x`, to a relative error of about 2e-7; 0 below -87.
///
/// Written with additions and multiplications only (Cephes' polynomial), so that the compiler can do several at once
/// and the platform's libm plays no part in the result.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding and subtracting it rounds to the nearest integer
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p =
        ((((1.987_569_1e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1) * r + 5e-1;
    let scale = f32::from_bits(((n as i32 + 127) << 23) as u32);
    (p * r * r + r + 1.0) * scale
}

fn tanh(x: f32) -> f32 {
    let e = exp(2.0 * x.clamp(-20.0, 20.0));
    (e - 1.0) / (e + 1.0)
}

/// An activation and its derivative at `x`.
#[inline(always)]
fn activate(activation: Activation, x: f32) -> (f32, f32) {
    match activation {
        Activation::Silu => {
            let s = 1.0 / (1.0 + exp(-x));
            (x * s, s * (1.0 + x * (1.0 - s)))
        }
        Activation::GeluTanh => {
            const C: f32 = 0.797_884_6; // sqrt(2 / pi)
            const D: f32 = 0.044_715;
            let t = tanh(C * x * (1.0 + D * x * x));
            let slope = 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * C * (1.0 + 3.0 * D * x * x);
            (0.5 * x * (1.0 + t), slope)
        }
    }
}

/// `out = activation(gate) * up`, entry by entry.
pub(crate) fn gated(activation: Activation, gate: &[f32], up: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; gate.len()];
    let task = 1 << 14;
    out.par_chunks_mut(task).zip(gate.par_chunks(task)).zip(up.par_chunks(task)).for_each(|((out, gate), up)| {
        for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
            *o = activate(activation, *g).0 * u;
        }
    });
    out
}

/// From the gradient of [`gated`]'s result, in `grad`: the gradients of gate and up, written over `gate` and `up`.
pub(crate) fn gated_backward(activation: Activation, grad: &[f32], gate: &mut [f32], up: &mut [f32]) {
    let task = 1 << 14;
    gate.par_chunks_mut(task).zip(up.par_chunks_mut(task)).zip(grad.par_chunks(task)).for_each(|((gate, up), grad)| {
        for ((g, u), d) in gate.iter_mut().zip(up).zip(grad) {
            let (value, slope) = activate(activation, *g);
            *g = d * *u * slope;
            *u = d * value;
        }
    });
}

fn mean_square(row: &[f32]) -> f32 {
    // In f64: the sum of a wide row would otherwise lose the last digits, and its order matter more.
    let sum: f64 = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    (sum / row.len() as f64) as f32
}

/// Root-mean-square norm of every row of `width` entries, times `gain`.
pub(crate) fn norm(x: &[f32], gain: &[f32], eps: f32) -> Vec<f32> {
    let width = gain.len();
    let mut out = vec![0.0; x.len()];
    let task = width * ROWS_A_TASK;
    out.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(out, x)| {
        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let inverse = 1.0 / (mean_square(x) + eps).sqrt();
            for ((o, x), g) in out.iter_mut().zip(x).zip(gain) {
                *o = x * inverse * g;
            }
        }
    });
    out
}

/// From the gradient `grad` of [`norm`]'s result: the gradient of `x`, added to or put in `into`.
pub(crate) fn norm_backward(into: &mut [f32], add: bool, grad: &[f32], x: &[f32], gain: &[f32], eps: f32) {
    let width = gain.len();
    let task = width * ROWS_A_TASK;
    into.par_chunks_mut(task).zip(grad.par_chunks(task)).zip(x.par_chunks(task)).for_each(|((into, grad), x)| {
        let rows = into.chunks_exact_mut(width).zip(grad.chunks_exact(width)).zip(x.chunks_exact(width));
        for ((into, grad), x) in rows {
            let inverse = 1.0 / (mean_square(x) + eps).sqrt();
            let along: f64 = (0..width).map(|i| f64::from(grad[i] * gain[i]) * f64::from(x[i])).sum();
            let back = (along / width as f64) as f32 * inverse * inverse;
            for i in 0..width {
                let d = inverse * (grad[i] * gain[i] - x[i] * back);
                into[i] = if add { into[i] + d } else { d };
            }
        }
    });
}

/// Cosines and sines of the rotary embedding for positions `0..positions`.
#[derive(Debug, Clone)]
pub(crate) struct Rotary {
    pairs: RotaryPairs,
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rotary {
    /// `base` to the power of `-2i / dims` is the frequency of pair `i`, divided by `factors[i]` where given, and
    /// positions are divided by `stretch` (linear scaling of the context).
    pub(crate) fn new(
        pairs: RotaryPairs,
        dims: usize,
        base: f64,
        stretch: f64,
        factors: Option<&[f32]>,
        positions: usize,
    ) -> Self {
        let half = dims / 2;
        let frequency: Vec<f64> = (0..half)
            .map(|i| {
                let factor = factors.and_then(|f| f.get(i)).map_or(1.0, |f| f64::from(*f));
                base.powf(-2.0 * i as f64 / dims as f64) / (factor * stretch)
            })
            .collect();
        let angles = || (0..positions).flat_map(|p| frequency.iter().map(move |f| p as f64 * f));
        Self {
            pairs,
            half,
            cos: angles().map(|a| a.cos() as f32).collect(),
            sin: angles().map(|a| a.sin() as f32).collect(),
        }
    }

    /// Turns every head of every row of `x` (heads of `head` entries) by its position; `backwards` turns the other
    /// way, which is also the derivative.
    pub(crate) fn turn(&self, x: &mut [f32], row: usize, head: usize, position_of_row: &[usize], backwards: bool) {
        let sign = if backwards { -1.0 } else { 1.0 };
        x.par_chunks_mut(row * ROWS_A_TASK).zip(position_of_row.par_chunks(ROWS_A_TASK)).for_each(|(x, positions)| {
            for (x, position) in x.chunks_exact_mut(row).zip(positions) {
                let cos = &self.cos[position * self.half..][..self.half];
                let sin = &self.sin[position * self.half..][..self.half];
                for x in x.chunks_exact_mut(head) {
                    for i in 0..self.half {
                        let (a, b) = match self.pairs {
                            RotaryPairs::Neighbours => (2 * i, 2 * i + 1),
                            RotaryPairs::Halves => (i, i + self.half),
                        };
                        let (c, s) = (cos[i], sign * sin[i]);
                        (x[a], x[b]) = (x[a] * c - x[b] * s, x[a] * s + x[b] * c);
                    }
                }
            }
        });
    }
}

/// `into += from`, entry by entry.
pub(crate) fn add(into: &mut [f32], from: &[f32]) {
    let task = 1 << 14;
    into.par_chunks_mut(task).zip(from.par_chunks(task)).for_each(|(into, from)| {
        for (a, b) in into.iter_mut().zip(from) {
            *a += b;
        }
    });
}

/// Adds `bias` to every row.
pub(crate) fn add_bias(x: &mut [f32], bias: Option<&[f32]>) {
    let Some(bias) = bias else { return };
    for row in x.chunks_exact_mut(bias.len()) {
        for (x, b) in row.iter_mut().zip(bias) {
            *x += b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_and_never_overflows() {
        for i in -870..=880 {
            let x = i as f32 / 10.0;
            let (ours, libm) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / libm - 1.0).abs() < 4e-7, "exp({x}) = {ours}, not {libm}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(f32::INFINITY).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn derivatives_agree_with_differences() {
        let h = 1e-3;
        for activation in [Activation::Silu, Activation::GeluTanh] {
            for i in -40..40 {
                let x = i as f32 / 8.0;
                let slope = (activate(activation, x + h).0 - activate(activation, x - h).0) / (2.0 * h);
                assert!((slope - activate(activation, x).1).abs() < 2e-3, "{activation:?} at {x}");
            }
        }
        let (x, gain, grad) = ([0.3, -1.2, 0.7, 2.0], [1.0, 0.5, -0.8, 1.3], [0.2, -0.4, 1.0, 0.6]);
        let mut back = [0.0; 4];
        norm_backward(&mut back, false, &grad, &x, &gain, 1e-5);
        for i in 0..4 {
            let moved = |by: f32| {
                let mut x = x;
                x[i] += by;
                norm(&x, &gain, 1e-5).iter().zip(grad).map(|(a, b)| a * b).sum::<f32>()
            };
            let slope = (moved(h) - moved(-h)) / (2.0 * h);
            assert!((slope - back[i]).abs() < 1e-3, "norm at {i}: {slope} and {}", back[i]);
        }
    }

    #[test]
    fn turning_back_undoes_turning() {
        for pairs in [RotaryPairs::Neighbours, RotaryPairs::Halves] {
            let rotary = Rotary::new(pairs, 4, 10_000.0, 1.0, None, 8);
            let start: Vec<f32> = (0..16).map(|i| i as f32).collect();
            let mut x = start.clone();
            rotary.turn(&mut x, 8, 4, &[3, 7], false);
            assert_ne!(x, start);
            rotary.turn(&mut x, 8, 4, &[3, 7], true);
            assert!(x.iter().zip(&start).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
