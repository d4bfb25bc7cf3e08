//! How well a dictionary matches features that are known.

use serde::{Deserialize, Serialize};

use crate::absorption::{Absorption, absorption};
use crate::autoencoder::Autoencoder;
use crate::basis::basis;
use crate::codes::Codes;
use crate::error::DataError;
use crate::product::{add_scaled, cosines, dot};
use crate::synthetic::{Sample, Truth};

/// Where the lines are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureOptions {
    /// A feature is recovered where some live entry's decoder has at least this cosine with it.
    pub recovered_cosine: f32,
    /// A feature is split where two live entries or more have it as their best match with at least this cosine.
    pub split_cosine: f32,
    /// A parent takes part in the measure of absorption where its best live entry has at least this cosine.
    pub parent_cosine: f32,
    /// A pair counts as absorbed where the parent's entry is silent this much more often with the child than without.
    pub absorbed_gap: f64,
    /// Rates of silence are estimated from at least so many rows.
    pub events_min: usize,
    /// Two features count as correlated from this phi coefficient of their firing.
    pub correlated_phi: f64,
    /// An entry is always on from this rate.
    pub always_on_rate: f64,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self {
            recovered_cosine: 0.9,
            split_cosine: 0.7,
            parent_cosine: 0.7,
            absorbed_gap: 0.25,
            events_min: 20,
            correlated_phi: 0.1,
            always_on_rate: 0.9,
        }
    }
}

/// What was measured, on held-out rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Share of true features that are recovered.
    pub recovered: f64,
    /// Mean over true features of the best cosine of a live entry.
    pub mean_max_cosine: f64,
    /// Absorption of parents by their children.
    pub absorption: Absorption,
    /// Share of true features that are split over several entries.
    pub split: f64,
    /// Mean over live entries: how far the part of the decoder that the best feature does not explain points at
    /// features that fire together with it, beyond how far it points at others. 0 where nothing is hedged.
    pub hedging: f64,
    /// Share of live entries whose best cosine is below that of a recovered feature.
    pub mixed: f64,
    /// Share of entries that fire in no row.
    pub dead: f64,
    /// One minus the squared error over the squared distance from the mean.
    pub explained: f64,
    /// Mean number of entries that fire in a row.
    pub l0: f64,
    /// Entries that are always on.
    pub always_on: usize,
    /// Entries that fire in at least half of the rows.
    pub dense: usize,
}

/// Measures an autoencoder against the truth on a sample that it was not trained on.
///
/// # Errors
/// If the autoencoder has another dimension than the sample.
pub fn measures(
    autoencoder: &Autoencoder,
    truth: &Truth,
    sample: &Sample,
    options: &MeasureOptions,
) -> Result<Measures, DataError> {
    let codes = autoencoder.encode(&sample.data)?;
    let rates = codes.rates();
    let live: Vec<usize> = (0..codes.width()).filter(|j| rates[*j] > 0.0).collect();
    let matches = Matches::new(autoencoder, truth, &live);
    let basis = basis(&codes, options.always_on_rate);
    Ok(Measures {
        recovered: share(matches.of_features.iter().map(|best| best.cosine >= options.recovered_cosine)),
        mean_max_cosine: mean(matches.of_features.iter().map(|best| f64::from(best.cosine.max(0.0)))),
        absorption: absorption(autoencoder, truth, sample, &codes, &matches, options),
        split: share((0..matches.of_features.len()).map(|feature| {
            let of_it = |best: &&Best| best.index == feature && best.cosine >= options.split_cosine;
            matches.of_entries.iter().filter(of_it).count() > 1
        })),
        hedging: hedging(autoencoder, truth, sample, &matches, options),
        mixed: share(matches.of_entries.iter().map(|best| best.cosine < options.recovered_cosine)),
        dead: 1.0 - live.len() as f64 / codes.width() as f64,
        explained: explained(autoencoder, sample, &codes),
        l0: codes.l0(),
        always_on: basis.always_on.len(),
        dense: basis.dense,
    })
}

/// A best match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    pub(crate) index: usize,
    pub(crate) cosine: f32,
}

/// Which live entry fits each feature best, and which feature each live entry.
pub(crate) struct Matches {
    /// For each feature; cosine -1 where no entry is live.
    pub(crate) of_features: Vec<Best>,
    /// For each live entry, in the order of `live`.
    pub(crate) of_entries: Vec<Best>,
    live: Vec<usize>,
}

impl Matches {
    pub(crate) fn new(autoencoder: &Autoencoder, truth: &Truth, live: &[usize]) -> Self {
        let (d, features) = (autoencoder.dimension(), truth.parents().len());
        let decoder: Vec<f32> =
            live.iter().flat_map(|j| autoencoder.parts().decoder[j * d..(j + 1) * d].to_vec()).collect();
        let cosines = cosines(&decoder, truth.directions(), d);
        let mut of_features = vec![Best { index: 0, cosine: -1.0 }; features];
        let mut of_entries = Vec::with_capacity(live.len());
        for (entry, row) in live.iter().zip(cosines.chunks_exact(features)) {
            let mut best = Best { index: 0, cosine: -1.0 };
            for (feature, cosine) in row.iter().enumerate() {
                if *cosine > best.cosine {
                    best = Best { index: feature, cosine: *cosine };
                }
                if *cosine > of_features[feature].cosine {
                    of_features[feature] = Best { index: *entry, cosine: *cosine };
                }
            }
            of_entries.push(best);
        }
        Self { of_features, of_entries, live: live.to_vec() }
    }
}

fn explained(autoencoder: &Autoencoder, sample: &Sample, codes: &Codes) -> f64 {
    let states = autoencoder.decode(codes).expect("the codes are this autoencoder's own");
    let pairs = states.iter().zip(sample.data.states());
    let squared: f64 = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    1.0 - squared / sample.data.rows() as f64 / sample.data.variance()
}

/// See [`Measures::hedging`]; narrow dictionaries mix what fires together (Chanin, Dulka and Garriga-Alonso 2025).
fn hedging(
    autoencoder: &Autoencoder,
    truth: &Truth,
    sample: &Sample,
    matches: &Matches,
    options: &MeasureOptions,
) -> f64 {
    let d = autoencoder.dimension();
    let direction = |feature: usize| &truth.directions()[feature * d..(feature + 1) * d];
    let correlated = correlated(&sample.codes, options.correlated_phi);
    let of_entries = matches.live.iter().zip(&matches.of_entries);
    mean(of_entries.filter_map(|(entry, best)| {
        let mut rest = autoencoder.parts().decoder[entry * d..(entry + 1) * d].to_vec();
        add_scaled(&mut rest, -best.cosine, direction(best.index));
        let toward = |together: bool| {
            let others = (0..truth.parents().len()).filter(|other| *other != best.index);
            let chosen: Vec<f64> = others
                .filter(|other| correlated[best.index].contains(other) == together)
                .map(|other| f64::from(dot(&rest, direction(other))))
                .collect();
            (!chosen.is_empty()).then(|| mean(chosen.into_iter()))
        };
        Some(toward(true)? - toward(false)?)
    }))
}

/// For each feature, those whose firing has at least this phi coefficient with its own.
fn correlated(codes: &Codes, least: f64) -> Vec<Vec<usize>> {
    let (features, rows) = (codes.width(), codes.rows() as f64);
    let mut together = vec![0.0; features * features];
    for row in 0..codes.rows() {
        for (a, _) in codes.row(row) {
            codes.row(row).for_each(|(b, _)| together[a * features + b] += 1.0 / rows);
        }
    }
    let rates = codes.rates();
    let spread = |a: usize| (rates[a] * (1.0 - rates[a])).sqrt();
    let phi = |a: usize, b: usize| (together[a * features + b] - rates[a] * rates[b]) / (spread(a) * spread(b));
    (0..features).map(|a| (0..features).filter(|b| *b != a && phi(a, *b) >= least).collect()).collect()
}

pub(crate) fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_usize);
    numbers.for_each(|x| (sum, count) = (sum + x, count + 1));
    sum / count.max(1) as f64
}

fn share(flags: impl Iterator<Item = bool>) -> f64 {
    mean(flags.map(|flag| f64::from(u8::from(flag))))
}
