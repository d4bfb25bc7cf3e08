//! AdamW (Loshchilov and Hutter 2019) with warm-up, decay and clipping by the gradient's norm.

use serde::{Deserialize, Serialize};

/// What the learning rate does after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// It stays.
    None,
    /// It falls along a line to 0 after the last step.
    Linear,
    /// It falls along half a cosine to 0 after the last step.
    Cosine,
}

/// How the adapter's numbers follow their gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimiserSettings {
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps over which it rises from 0.
    pub warmup_steps: usize,
    /// What it does afterwards.
    pub decay: Decay,
    /// Decay of the running mean of gradients.
    pub beta1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the running mean of squares.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The gradient is shortened to this norm where it is longer.
    pub clip_norm: f64,
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self {
            learning_rate: 5e-4,
            warmup_steps: 4,
            decay: Decay::Linear,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            clip_norm: 1.0,
        }
    }
}

impl OptimiserSettings {
    /// Learning rate of step `step` (from 0) of `steps`.
    pub fn rate(&self, step: usize, steps: usize) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let done = (step - self.warmup_steps) as f64 / steps.saturating_sub(self.warmup_steps).max(1) as f64;
        self.learning_rate
            * match self.decay {
                Decay::None => 1.0,
                Decay::Linear => 1.0 - done,
                Decay::Cosine => 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done)),
            }
    }

    /// What makes no sense about the settings, if anything.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let share = |x: f64| (0.0..1.0).contains(&x);
        if !positive(self.learning_rate) {
            Some("the learning rate is not a number above 0")
        } else if !share(self.beta1) || !share(self.beta2) || !positive(self.eps) {
            Some("beta1, beta2 or eps is out of range")
        } else if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0 && positive(self.clip_norm)) {
            Some("weight_decay or clip_norm is out of range")
        } else {
            None
        }
    }
}

/// Running means of the gradient and of its square.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moments {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

impl Moments {
    pub(crate) fn new(parameters: usize) -> Self {
        Self { first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }

    /// One step; returns the norm of the gradient before it was clipped.
    pub(crate) fn step(
        &mut self,
        settings: &OptimiserSettings,
        step: usize,
        steps: usize,
        parameters: &mut [f32],
        grads: &[f32],
    ) -> f64 {
        let norm = grads.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return norm;
        }
        let clip = if norm > settings.clip_norm { settings.clip_norm / norm } else { 1.0 };
        let rate = settings.rate(step, steps);
        let (b1, b2) = (settings.beta1, settings.beta2);
        let power = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let (unbias1, unbias2) = (1.0 - b1.powi(power), 1.0 - b2.powi(power));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((x, g), (m, v)) in parameters.iter_mut().zip(grads).zip(moments) {
            let g = f64::from(*g) * clip;
            let first = b1 * f64::from(*m) + (1.0 - b1) * g;
            let second = b2 * f64::from(*v) + (1.0 - b2) * g * g;
            (*m, *v) = (first as f32, second as f32);
            let old = f64::from(*x);
            let direction = first / unbias1 / ((second / unbias2).sqrt() + settings.eps);
            *x = (old - rate * (direction + settings.weight_decay * old)) as f32;
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let s = OptimiserSettings { learning_rate: 1.0, warmup_steps: 4, ..Default::default() };
        let rates: Vec<f64> = (0..14).map(|i| s.rate(i, 14)).collect();
        assert!(rates[..5].windows(2).all(|w| w[0] < w[1]) && rates[4] == 1.0);
        assert!(rates[4..].windows(2).all(|w| w[0] > w[1]) && rates[13] > 0.0);
    }

    #[test]
    fn a_parabola_is_descended() {
        let settings = OptimiserSettings { learning_rate: 0.1, warmup_steps: 0, ..Default::default() };
        let (mut x, mut moments) = (vec![3.0, -2.0], Moments::new(2));
        for step in 0..200 {
            let grads: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
            moments.step(&settings, step, 200, &mut x, &grads);
        }
        assert!(x.iter().all(|x| x.abs() < 0.02), "{x:?}");
    }
}
