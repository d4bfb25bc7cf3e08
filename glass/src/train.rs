//! Training: batches, steps, revival of dead entries, and thresholds at the end.

use std::ops::ControlFlow;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::adam::Adam;
use crate::autoencoder::{Autoencoder, Making, Parts, Rule, keep_best, score};
use crate::data::Data;
use crate::error::TrainError;
use crate::gradient::{Batch, Gradient, Item, Jump, gradient};
use crate::prices::Prices;
use crate::product::{add_scaled, dot, inner_products, normalise};
use crate::select::{Entries, select};
use crate::settings::{Kind, Settings};
use crate::synthetic::gaussian;

/// Steps in which the learning rate rises.
const WARM_UP: usize = 50;
/// Rows from which the thresholds are set at the end.
const ROWS_FOR_THRESHOLDS: usize = 8192;

/// How training stands after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps that were taken.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Loss of the step's batch: unexplained share of the variance, averaged over prefixes, plus the revival loss.
    pub loss: f64,
    /// Entries that fired in a row, on average over the batch.
    pub l0: f64,
    /// Entries that count as dead.
    pub dead: usize,
}

/// Trains an autoencoder. The same data, settings and seed give the same bits, whatever the number of threads.
///
/// `progress` is called after each step and may break, which ends training early with what was reached. At the end,
/// thresholds are set for all kinds but top-k, so that k entries fire in a row on average over the training rows; for
/// JumpReLU this moves all learned thresholds together.
///
/// # Errors
/// If a setting makes no sense, or the loss is no longer finite.
pub fn train(
    data: &Data,
    settings: &Settings,
    seed: u64,
    mut progress: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Autoencoder, TrainError> {
    settings.check()?;
    let mut run = Run::new(data, settings, seed);
    let mut taken = 0;
    for step in 0..settings.steps {
        let (loss, l0) = run.step(step);
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step });
        }
        taken = step + 1;
        let now = Progress { step: taken, steps: settings.steps, loss, l0, dead: run.dead().len() };
        if progress(&now).is_break() {
            break;
        }
    }
    let making = Making {
        settings: settings.clone(),
        seed,
        steps: taken,
        data_hash: data.hash(),
        origin: data.origin().clone(),
    };
    run.finish(making).ok_or(TrainError::Diverged { step: taken.saturating_sub(1) })
}

struct Run<'a> {
    data: &'a Data,
    settings: &'a Settings,
    /// States are multiplied by it, so that a number has a root mean square of 1.
    scale: f32,
    parts: Parts,
    thresholds_ln: Vec<f32>,
    adams: [Adam; 5],
    prices: Prices,
    silent_rows: Vec<usize>,
    order: Vec<usize>,
    next: usize,
    random: ChaCha8Rng,
}

impl<'a> Run<'a> {
    fn new(data: &'a Data, settings: &'a Settings, seed: u64) -> Self {
        let (d, width) = (data.dimension(), settings.width);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let scale = (d as f64 / data.variance()).sqrt() as f32;
        let mut decoder: Vec<f32> = (0..width * d).map(|_| gaussian(&mut random) as f32).collect();
        decoder.chunks_exact_mut(d).for_each(normalise);
        let parts = Parts {
            dimension: d,
            encoder: decoder.clone(),
            decoder,
            encoder_bias: vec![0.0; width],
            decoder_bias: data.mean().iter().map(|m| *m as f32 * scale).collect(),
            thresholds: vec![0.0; width],
            prices: vec![0.0; width],
            rule: if settings.kind == Kind::TopK { Rule::Best(settings.k) } else { Rule::Above },
            making: None,
        };
        let mut run = Self {
            data,
            settings,
            scale,
            parts,
            thresholds_ln: Vec::new(),
            adams: [width * d, width * d, width, d, width].map(Adam::new),
            prices: Prices::new(settings.price, width, settings.k),
            silent_rows: vec![0; width],
            order: (0..data.rows()).collect(),
            next: data.rows(),
            random,
        };
        // JumpReLU starts where k entries fire in a row.
        let (_, pre) = run.batch();
        let start = (2.0 * cutoff(&pre, &run.parts.prices, width, settings.k).max(1e-6)).sqrt();
        run.thresholds_ln = vec![libm::logf(start); width];
        run
    }

    /// The next rows in a random order, less the decoder's bias, and their pre-activations.
    fn batch(&mut self) -> (Vec<f32>, Vec<f32>) {
        let d = self.parts.dimension;
        let rows = self.settings.batch.min(self.data.rows());
        let mut centred = Vec::with_capacity(rows * d);
        for _ in 0..rows {
            if self.next == self.order.len() {
                self.order.shuffle(&mut self.random);
                self.next = 0;
            }
            let row = self.data.row(self.order[self.next]);
            centred.extend(row.iter().zip(&self.parts.decoder_bias).map(|(x, b)| x * self.scale - b));
            self.next += 1;
        }
        let mut pre = inner_products(&centred, &self.parts.encoder, d);
        pre.chunks_exact_mut(self.settings.width).for_each(|row| add_scaled(row, 1.0, &self.parts.encoder_bias));
        (centred, pre)
    }

    fn dead(&self) -> Vec<usize> {
        (0..self.settings.width).filter(|j| self.silent_rows[*j] >= self.settings.dead_after).collect()
    }

    /// One step; returns the loss and the mean number of entries that fired.
    fn step(&mut self, step: usize) -> (f64, f64) {
        let settings = self.settings;
        let (d, levels) = (self.parts.dimension, settings.prefixes().len());
        let (centred, pre) = self.batch();
        let rows = centred.len() / d;
        let jumps = matches!(settings.kind, Kind::JumpRelu { .. });
        if jumps {
            self.parts.thresholds = self.thresholds_ln.iter().map(|t| libm::expf(*t)).collect();
            self.parts.prices = self.prices.weights();
        } else {
            self.parts.prices = self.prices.absolute(d as f32 / settings.k as f32);
        }
        let dead = self.dead();
        let entries = Entries { prices: &self.parts.prices, thresholds: &self.parts.thresholds, dead: &dead };
        let items = select(settings, &pre, &entries);
        let counts = counts(&items, settings.width, levels);
        let l0 = counts.iter().sum::<u32>() as f64 / rows as f64;
        let jump = match settings.kind {
            Kind::JumpRelu { bandwidth, penalty } => {
                let over = (l0 as f32 / settings.k as f32 - 1.0).clamp(-1.0, 1.0);
                Some(Jump { bandwidth, per_firing: 2.0 * penalty * over / (settings.k * rows) as f32 })
            }
            _ => None,
        };
        let batch = Batch {
            centred: &centred,
            pre: &pre,
            items: &items,
            levels,
            revival: settings.revival,
            variance: d as f32,
            jump,
        };
        let (loss, gradient) = gradient(&self.parts, &batch);
        self.descend(self.rate(step), gradient);
        for (silent, count) in self.silent_rows.iter_mut().zip(&counts) {
            *silent = if *count > 0 { 0 } else { *silent + rows };
        }
        self.prices.observe(&counts, rows);
        (loss, l0)
    }

    fn rate(&self, step: usize) -> f32 {
        let (step, steps) = (step as f32, self.settings.steps as f32);
        let rise = ((step + 1.0) / WARM_UP as f32).min(1.0);
        let fall = ((steps - step) / (0.2 * steps)).min(1.0);
        self.settings.learning_rate * rise * fall
    }

    /// Moves all parameters. Decoder directions keep length 1: their gradient is projected, then they are normalised.
    fn descend(&mut self, rate: f32, mut gradient: Gradient) {
        let d = self.parts.dimension;
        for (slope, direction) in gradient.decoder.chunks_exact_mut(d).zip(self.parts.decoder.chunks_exact(d)) {
            add_scaled(slope, -dot(slope, direction), direction);
        }
        let [encoder, decoder, encoder_bias, decoder_bias, thresholds] = &mut self.adams;
        encoder.step(rate, &mut self.parts.encoder, &gradient.encoder);
        decoder.step(rate, &mut self.parts.decoder, &gradient.decoder);
        encoder_bias.step(rate, &mut self.parts.encoder_bias, &gradient.encoder_bias);
        decoder_bias.step(rate, &mut self.parts.decoder_bias, &gradient.decoder_bias);
        if matches!(self.settings.kind, Kind::JumpRelu { .. }) {
            thresholds.step(rate, &mut self.thresholds_ln, &gradient.thresholds);
        }
        self.parts.decoder.chunks_exact_mut(d).for_each(normalise);
    }

    /// Back to the units of the states, with thresholds; nothing where a number is not finite.
    fn finish(mut self, making: Making) -> Option<Autoencoder> {
        let (width, k) = (self.settings.width, self.settings.k);
        // What each entry's score is measured against, up to one number for all.
        let offsets: Vec<f32> = match self.settings.kind {
            Kind::JumpRelu { .. } => self.thresholds_ln.iter().map(|t| 0.5 * libm::expf(2.0 * t)).collect(),
            _ => self.prices.absolute(self.parts.dimension as f32 / k as f32),
        };
        let parts = &mut self.parts;
        parts.encoder_bias.iter_mut().chain(&mut parts.decoder_bias).for_each(|bias| *bias /= self.scale);
        let offsets: Vec<f32> = offsets.iter().map(|x| x / (self.scale * self.scale)).collect();
        (parts.prices, parts.thresholds) = (vec![0.0; width], vec![0.0; width]);
        parts.making = Some(making);
        let mut trained = Autoencoder::from_parts(self.parts).ok()?.parts().clone();
        if self.settings.kind == Kind::TopK {
            trained.prices = offsets;
        } else {
            let step = self.data.rows().div_ceil(ROWS_FOR_THRESHOLDS);
            let rows: Vec<f32> =
                (0..self.data.rows()).step_by(step).flat_map(|row| self.data.row(row).to_vec()).collect();
            let pre = Autoencoder::from_parts(trained.clone()).ok()?.pre_activations(&rows);
            let least = cutoff(&pre, &offsets, width, k);
            trained.thresholds = offsets.iter().map(|offset| (2.0 * (least + offset)).max(0.0).sqrt()).collect();
        }
        Autoencoder::from_parts(trained).ok()
    }
}

/// In how many rows of a batch each entry fired; entries that are being revived do not count.
fn counts(items: &[Vec<Item>], width: usize, levels: usize) -> Vec<u32> {
    let mut counts = vec![0; width];
    let fired = items.iter().flatten().filter(|item| item.level < levels && item.value > 0.0);
    fired.for_each(|item| counts[item.entry] += 1);
    counts
}

/// The score above which k positive entries a row lie, on average.
fn cutoff(pre: &[f32], offsets: &[f32], width: usize, k: usize) -> f32 {
    let mut ranked: Vec<(f32, usize)> = Vec::new();
    for row in pre.chunks_exact(width) {
        ranked.extend(row.iter().zip(offsets).filter(|(z, _)| **z > 0.0).map(|(z, offset)| (score(*z, *offset), 0)));
    }
    let wanted = k * (pre.len() / width);
    if ranked.len() <= wanted {
        return f32::MIN / 4.0; // Everything positive may fire.
    }
    keep_best(&mut ranked, wanted + 1);
    ranked.iter().map(|(score, _)| *score).fold(f32::MAX, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{Plan, generate};

    /// How many of twelve entries that were silenced fire again.
    fn revived(revival: f32) -> usize {
        let plan = Plan { features: 20, dimension: 16, parents: 0, rate_max: 0.2, exponent: 0.2, ..Plan::default() };
        let sample = generate(&plan, 1).unwrap().sample(4096, 2).unwrap();
        let mut settings = Settings { dead_after: 512, revival, ..Settings::new(Kind::TopK, 24, 2) };
        settings.steps = 600;
        let mut run = Run::new(&sample.data, &settings, 3);
        run.parts.encoder[..12 * 16].iter_mut().for_each(|x| *x *= 0.01);
        (0..settings.steps).for_each(|step| assert!(run.step(step).0.is_finite()));
        12 - run.dead().iter().filter(|entry| **entry < 12).count()
    }

    #[test]
    fn dead_entries_come_back_to_life_by_revival() {
        let (without, with) = (revived(0.0), revived(1.0 / 32.0));
        assert!(without <= 5 && with >= 9, "{without} {with}");
    }
}
