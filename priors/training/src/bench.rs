//! How fast training is, and how much memory it takes: tokens a second and the process's peak, on the model given.

use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::adapter::LoraSettings;
use super::error::TrainingError;
use super::loss::Example;
use super::train::{Control, TrainingSettings, train};
use super::weights::Weights;

/// What to time.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchSettings {
    /// What is trained.
    pub lora: LoraSettings,
    /// Sequences in a step.
    pub batch: usize,
    /// Tokens of a sequence.
    pub tokens: usize,
    /// How many of them, at the end, are predicted.
    pub predicted: usize,
    /// Steps; the first only warms up.
    pub steps: usize,
    /// Whether all steps see the same sequences, so that frozen lower layers are computed once.
    pub repeated: bool,
    /// Tokens computed together.
    pub part_tokens: usize,
    /// Worker threads.
    pub threads: Option<usize>,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BenchReport {
    /// Tokens a second of the median step after the first.
    pub tokens_per_second: f64,
    /// Tokens a second of the fastest step after the first.
    pub tokens_per_second_best: f64,
    /// Largest resident memory of this process so far, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Mean cross entropy of the last step, in nats: the same for a peer with the same start would be the same work.
    pub loss: f64,
}

/// Times training steps on random tokens.
///
/// # Errors
/// As [`train`].
pub fn bench(weights: &Weights, settings: &BenchSettings) -> Result<BenchReport, TrainingError> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let top = u32::try_from(weights.shape.vocabulary).unwrap_or(u32::MAX);
    let different = if settings.repeated { settings.batch } else { settings.batch * settings.steps };
    let examples: Vec<Example> = (0..different)
        .map(|_| {
            let tokens = (0..settings.tokens).map(|_| random.random_range(0..top)).collect();
            Example::text(tokens, settings.tokens.saturating_sub(settings.predicted), 1.0)
        })
        .collect();
    let training = TrainingSettings {
        lora: settings.lora.clone(),
        epochs: if settings.repeated { settings.steps } else { 1 },
        batch: settings.batch,
        part_tokens: settings.part_tokens,
        ..Default::default()
    };
    let (mut times, mut last, mut loss) = (Vec::new(), Instant::now(), 0.0);
    let mut progress = |p: &super::train::Progress| {
        times.push(last.elapsed().as_secs_f64());
        (last, loss) = (Instant::now(), p.loss);
    };
    let mut control = Control { progress: Some(&mut progress), threads: settings.threads, ..Default::default() };
    train(weights, &examples, &training, &mut control)?;
    let mut steady: Vec<f64> = times.iter().skip(1).copied().collect();
    steady.sort_by(f64::total_cmp);
    let tokens = (settings.batch * settings.tokens) as f64;
    let rate = |i: usize| steady.get(i).map_or(0.0, |s| tokens / s);
    Ok(BenchReport {
        tokens_per_second: rate(steady.len() / 2),
        tokens_per_second_best: rate(0),
        peak_bytes: peak_bytes(),
        loss,
    })
}

/// The largest resident set of this process so far.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kb| kb * 1024)
}
