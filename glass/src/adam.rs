//! Adam (Kingma and Ba 2015), plainly.

use rayon::prelude::*;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPS: f32 = 1e-8;

/// Running means of the gradient and of its square.
#[derive(Debug, Clone)]
pub(crate) struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    pub(crate) fn new(parameters: usize) -> Self {
        Self { first: vec![0.0; parameters], second: vec![0.0; parameters], steps: 0 }
    }

    /// One step down the gradient.
    pub(crate) fn step(&mut self, rate: f32, parameters: &mut [f32], gradient: &[f32]) {
        self.steps = self.steps.saturating_add(1);
        let (unbias1, unbias2) = (1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps));
        let moments = self.first.par_iter_mut().zip(&mut self.second);
        parameters.par_iter_mut().zip(gradient).zip(moments).with_min_len(4096).for_each(
            |((x, g), (first, second))| {
                *first = BETA1 * *first + (1.0 - BETA1) * g;
                *second = BETA2 * *second + (1.0 - BETA2) * g * g;
                *x -= rate * (*first / unbias1) / ((*second / unbias2).sqrt() + EPS);
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_is_descended() {
        let (mut x, mut adam) = (vec![3.0, -2.0], Adam::new(2));
        for _ in 0..400 {
            let gradient: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
            adam.step(0.05, &mut x, &gradient);
        }
        assert!(x.iter().all(|x| x.abs() < 0.02), "{x:?}");
    }

    #[test]
    fn the_first_step_has_the_length_of_the_rate() {
        let (mut x, mut adam) = (vec![1.0, 1.0], Adam::new(2));
        adam.step(0.1, &mut x, &[5.0, -0.01]);
        assert!((x[0] - 0.9).abs() < 1e-5 && (x[1] - 1.1).abs() < 1e-5, "{x:?}");
    }
}
