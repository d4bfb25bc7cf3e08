//! The loss of one batch and its gradient.
//!
//! Only what fires contributes, so all products but the encoder's are sparse. Gradients are gathered entry by entry:
//! each entry's numbers belong to one thread, and the bits do not depend on the number of threads.

use rayon::prelude::*;

use crate::autoencoder::Parts;
use crate::product::{add_scaled, dot};

/// An entry that takes part in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Item {
    pub(crate) entry: usize,
    /// Its activation; 0 where only its threshold is being estimated.
    pub(crate) value: f32,
    /// Which reconstruction it first enters: a prefix, or after all prefixes the revival of dead entries.
    pub(crate) level: usize,
}

/// The threshold's side of JumpReLU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jump {
    pub(crate) bandwidth: f32,
    /// Derivative of the penalty by the number of entries that fire in the batch.
    pub(crate) per_firing: f32,
}

/// One batch, selected.
pub(crate) struct Batch<'a> {
    /// States less the decoder's bias, `rows x dimension`.
    pub(crate) centred: &'a [f32],
    /// Pre-activations, `rows x width`.
    pub(crate) pre: &'a [f32],
    /// What takes part in each row, levels rising.
    pub(crate) items: &'a [Vec<Item>],
    /// Number of prefixes, each with an equal share of the loss.
    pub(crate) levels: usize,
    /// Weight of the revival loss; its items have level `levels`.
    pub(crate) revival: f32,
    /// Mean squared length of a centred state: the loss is in units of it.
    pub(crate) variance: f32,
    /// Set for JumpReLU.
    pub(crate) jump: Option<Jump>,
}

/// Gradients in the shape of the parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gradient {
    pub(crate) encoder: Vec<f32>,
    pub(crate) decoder: Vec<f32>,
    pub(crate) encoder_bias: Vec<f32>,
    pub(crate) decoder_bias: Vec<f32>,
    /// By the logarithm of each threshold.
    pub(crate) thresholds: Vec<f32>,
}

/// Loss and gradient: mean over rows and prefixes of the squared error, in units of the variance, plus the loss of the
/// revival.
pub(crate) fn gradient(parts: &Parts, batch: &Batch<'_>) -> (f64, Gradient) {
    let (d, width, rows) = (parts.dimension, parts.encoder_bias.len(), batch.items.len());
    let span = (batch.levels + 1) * d;
    let mut slopes = vec![0.0; rows * span];
    let states = batch.centred.par_chunks_exact(d);
    let losses: Vec<f64> = slopes
        .par_chunks_exact_mut(span)
        .zip(states)
        .zip(batch.items)
        .map(|((slopes, state), items)| errors(parts, batch, state, items, slopes))
        .collect();

    let mut gathered: Vec<Vec<Taking>> = vec![Vec::new(); width];
    let takings: Vec<Vec<(usize, Taking)>> = (0..rows)
        .into_par_iter()
        .map(|row| batch.items[row].iter().map(|item| (item.entry, taking(parts, batch, &slopes, row, item))).collect())
        .collect();
    takings.into_iter().flatten().for_each(|(entry, taking)| gathered[entry].push(taking));

    let mut gradient = Gradient {
        encoder: vec![0.0; width * d],
        decoder: vec![0.0; width * d],
        encoder_bias: vec![0.0; width],
        decoder_bias: vec![0.0; d],
        thresholds: vec![0.0; width],
    };
    let tensors = gradient.encoder.par_chunks_exact_mut(d).zip(gradient.decoder.par_chunks_exact_mut(d));
    let scalars = gradient.encoder_bias.par_iter_mut().zip(gradient.thresholds.par_iter_mut());
    tensors.zip(scalars).zip(&gathered).with_min_len(8).for_each(
        |(((encoder, decoder), (bias, threshold)), takings)| {
            for taking in takings {
                add_scaled(encoder, taking.by_pre, &batch.centred[taking.row * d..(taking.row + 1) * d]);
                add_scaled(decoder, taking.value, &slopes[taking.slope..taking.slope + d]);
                *bias += taking.by_pre;
                *threshold += taking.by_threshold;
            }
        },
    );
    // The decoder's bias is added to every prefix, and taken off before the encoder.
    slopes.chunks_exact(span).for_each(|slopes| add_scaled(&mut gradient.decoder_bias, 1.0, &slopes[..d]));
    for (bias, encoder) in gradient.encoder_bias.iter().zip(parts.encoder.chunks_exact(d)) {
        add_scaled(&mut gradient.decoder_bias, -bias, encoder);
    }
    (losses.iter().sum(), gradient)
}

/// What one item adds to the gradient of its entry.
#[derive(Debug, Clone, Copy)]
struct Taking {
    row: usize,
    slope: usize,
    value: f32,
    by_pre: f32,
    by_threshold: f32,
}

/// Fills `slopes` with the derivative of the loss by what an entry of each level adds to the reconstruction; returns
/// the row's loss.
fn errors(parts: &Parts, batch: &Batch<'_>, state: &[f32], items: &[Item], slopes: &mut [f32]) -> f64 {
    let d = parts.dimension;
    let rows = batch.items.len() as f32;
    let mut error: Vec<f32> = state.iter().map(|x| -x).collect();
    let mut next = items.iter().peekable();
    let mut loss = 0.0;
    for level in 0..=batch.levels {
        let weight = if level < batch.levels { 1.0 / batch.levels as f32 } else { batch.revival };
        if level == batch.levels && next.peek().is_none() {
            break; // Nothing is being revived.
        }
        while let Some(item) = next.next_if(|item| item.level <= level) {
            add_scaled(&mut error, item.value, &parts.decoder[item.entry * d..(item.entry + 1) * d]);
        }
        let squared = f64::from(dot(&error, &error));
        loss += f64::from(weight) * squared / f64::from(batch.variance) / f64::from(rows);
        let scale = 2.0 * weight / (batch.variance * rows);
        slopes[level * d..(level + 1) * d].iter_mut().zip(&error).for_each(|(slope, e)| *slope = scale * e);
    }
    // An entry of an early prefix is also part of all later ones.
    for level in (0..batch.levels.saturating_sub(1)).rev() {
        let (early, late) = slopes[level * d..(level + 2) * d].split_at_mut(d);
        add_scaled(early, 1.0, late);
    }
    loss
}

fn taking(parts: &Parts, batch: &Batch<'_>, slopes: &[f32], row: usize, item: &Item) -> Taking {
    let (d, width) = (parts.dimension, parts.encoder_bias.len());
    let slope = (row * (batch.levels + 1) + item.level) * d;
    let by_value = dot(&slopes[slope..slope + d], &parts.decoder[item.entry * d..(item.entry + 1) * d]);
    let by_pre = if item.value > 0.0 { by_value } else { 0.0 };
    let by_threshold = batch.jump.filter(|_| item.level < batch.levels).map_or(0.0, |jump| {
        // Straight-through estimate with a rectangular window (Rajamanoharan et al. 2024, equations 11 and 12), by the
        // logarithm of the threshold.
        let threshold = parts.thresholds[item.entry];
        let inside = (batch.pre[row * width + item.entry] - threshold).abs() < 0.5 * jump.bandwidth;
        let density = if inside { threshold / jump.bandwidth } else { 0.0 };
        -density * (threshold * by_value + jump.per_firing * parts.prices[item.entry])
    });
    Taking { row, slope, value: item.value, by_pre, by_threshold }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoencoder::Rule;
    use crate::product::{inner_products, normalise};
    use crate::synthetic::gaussian;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const D: usize = 5;
    const WIDTH: usize = 7;
    const ROWS: usize = 6;

    fn numbers(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
        (0..count).map(|_| gaussian(random) as f32).collect()
    }

    fn parts(random: &mut ChaCha8Rng) -> Parts {
        let mut decoder = numbers(WIDTH * D, random);
        decoder.chunks_exact_mut(D).for_each(normalise);
        Parts {
            dimension: D,
            encoder: numbers(WIDTH * D, random),
            decoder,
            encoder_bias: numbers(WIDTH, random),
            decoder_bias: numbers(D, random),
            thresholds: vec![0.0; WIDTH],
            prices: vec![0.0; WIDTH],
            rule: Rule::Above,
            making: None,
        }
    }

    /// Loss and gradient for a fixed choice of (entry, level) in each row.
    fn run(parts: &Parts, states: &[f32], chosen: &[Vec<(usize, usize)>], levels: usize) -> (f64, Gradient) {
        let centred: Vec<f32> =
            states.chunks_exact(D).flat_map(|row| row.iter().zip(&parts.decoder_bias).map(|(x, b)| x - b)).collect();
        let mut pre = inner_products(&centred, &parts.encoder, D);
        pre.chunks_exact_mut(WIDTH).for_each(|row| add_scaled(row, 1.0, &parts.encoder_bias));
        let items: Vec<Vec<Item>> = chosen
            .iter()
            .enumerate()
            .map(|(row, chosen)| {
                let item = |(entry, level): &(usize, usize)| {
                    let value = pre[row * WIDTH + entry];
                    Item { entry: *entry, value, level: *level }
                };
                chosen.iter().map(item).collect()
            })
            .collect();
        let batch =
            Batch { centred: &centred, pre: &pre, items: &items, levels, revival: 0.3, variance: 2.0, jump: None };
        gradient(parts, &batch)
    }

    /// The loss is quadratic in each number alone, so central differences are exact but for rounding.
    fn check(levels: usize, dead: Option<usize>) {
        for seed in 0..4 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let parts = parts(&mut random);
            let states = numbers(ROWS * D, &mut random);
            let group = |entry: usize| entry * levels / WIDTH;
            // Only what is above 0 may take part: the gradient of ReLU below is 0.
            let centred: Vec<f32> =
                states.chunks_exact(D).flat_map(|r| r.iter().zip(&parts.decoder_bias).map(|(x, b)| x - b)).collect();
            let pre = inner_products(&centred, &parts.encoder, D);
            let positive = |row: usize, j: usize| pre[row * WIDTH + j] + parts.encoder_bias[j] > 0.0;
            let chosen: Vec<Vec<(usize, usize)>> = (0..ROWS)
                .map(|row| {
                    let live = (0..WIDTH).filter(|j| Some(*j) != dead && positive(row, *j)).map(|j| (j, group(j)));
                    live.chain(dead.filter(|j| positive(row, *j)).map(|j| (j, levels))).collect()
                })
                .collect();
            let (_, gradient) = run(&parts, &states, &chosen, levels);
            let mut compared = 0;
            let mut compare = |of: fn(&mut Parts) -> &mut Vec<f32>, at: usize, found: f32| {
                let loss = |change: f32| {
                    let mut parts = parts.clone();
                    of(&mut parts)[at] += change;
                    run(&parts, &states, &chosen, levels).0
                };
                let slope = (loss(0.05) - loss(-0.05)) / 0.1;
                assert!((slope - f64::from(found)).abs() < 2e-3 * (1.0 + slope.abs()), "seed {seed}: {slope} {found}");
                compared += usize::from(slope.abs() > 1e-2);
            };
            // The residual that the dead entry explains counts as given, so only its own numbers can be compared.
            for j in (0..WIDTH).filter(|j| dead.is_none() || Some(*j) == dead) {
                compare(|p| &mut p.encoder_bias, j, gradient.encoder_bias[j]);
                for at in j * D..(j + 1) * D {
                    compare(|p| &mut p.encoder, at, gradient.encoder[at]);
                    compare(|p| &mut p.decoder, at, gradient.decoder[at]);
                }
            }
            if dead.is_none() {
                (0..D).for_each(|at| compare(|p| &mut p.decoder_bias, at, gradient.decoder_bias[at]));
            }
            assert!(dead.is_some() || compared > 20, "too little was compared: {compared}");
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        check(1, None);
    }

    #[test]
    fn with_prefixes_too() {
        check(3, None);
    }

    #[test]
    fn and_for_entries_that_are_revived() {
        check(1, Some(2));
        check(3, Some(0));
    }

    #[test]
    fn a_threshold_inside_the_window_moves_by_the_published_estimate() {
        let mut parts = parts(&mut ChaCha8Rng::seed_from_u64(9));
        parts.thresholds = vec![0.5; WIDTH];
        parts.prices = vec![1.0; WIDTH];
        let centred = vec![0.1; D];
        let mut pre = vec![9.0; WIDTH];
        (pre[0], pre[1]) = (0.6, 0.45);
        let item = |entry, value| Item { entry, value, level: 0 };
        let items = vec![vec![item(0, 0.6), item(1, 0.0), item(2, 9.0)]];
        let jump = Some(Jump { bandwidth: 0.4, per_firing: 0.7 });
        let batch = Batch { centred: &centred, pre: &pre, items: &items, levels: 1, revival: 0.0, variance: 1.0, jump };
        let (_, gradient) = gradient(&parts, &batch);
        let error: Vec<f32> = (0..D).map(|i| 0.6 * parts.decoder[i] + 9.0 * parts.decoder[2 * D + i] - 0.1).collect();
        for entry in [0, 1] {
            let by_value = 2.0 * dot(&error, &parts.decoder[entry * D..(entry + 1) * D]);
            let expected = -0.5 / 0.4 * (0.5 * by_value + 0.7);
            assert!((gradient.thresholds[entry] - expected).abs() < 1e-4 * expected.abs().max(1.0));
        }
        assert_eq!(gradient.thresholds[2], 0.0, "outside the window");
    }
}
