//! A trained autoencoder: states in, sparse codes out, and back.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::codes::Codes;
use crate::data::{Data, Origin};
use crate::error::{DataError, PartsError};
use crate::product::{add_scaled, inner_products};
use crate::settings::Settings;

/// Rows that are encoded at once, to bound memory.
const ROWS_AT_ONCE: usize = 1024;

/// Which entries fire in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The k positive entries with the highest z^2 / 2 minus price.
    Best(usize),
    /// Every positive entry above its threshold.
    Above,
}

/// How an autoencoder came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Making {
    /// Settings of the training run.
    pub settings: Settings,
    /// Its seed.
    pub seed: u64,
    /// Steps that were taken; fewer than the settings say where it was stopped.
    pub steps: usize,
    /// Hash of the states, see [`Data::hash`].
    pub data_hash: String,
    /// Which model and layer the states come from.
    pub origin: Origin,
}

/// Everything that an autoencoder consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Numbers in a state.
    pub dimension: usize,
    /// Encoder directions, `width x dimension`.
    pub encoder: Vec<f32>,
    /// Decoder directions of unit length, `width x dimension`.
    pub decoder: Vec<f32>,
    /// Added to each entry's pre-activation, `width`.
    pub encoder_bias: Vec<f32>,
    /// Taken off the states before encoding and added after decoding, `dimension`.
    pub decoder_bias: Vec<f32>,
    /// Thresholds of the entries, `width`; used by [`Rule::Above`].
    pub thresholds: Vec<f32>,
    /// Prices of the entries, `width`, in squared units of the states; used by [`Rule::Best`].
    pub prices: Vec<f32>,
    /// Which entries fire.
    pub rule: Rule,
    /// How the autoencoder came about, where it was trained here.
    pub making: Option<Making>,
}

/// A sparse autoencoder with an encoder and a decoder of its own each (untied).
///
/// With state x, encoder row e_j and decoder row w_j of entry j, the pre-activation is
/// `z_j = e_j (x - decoder_bias) + encoder_bias_j`, the code is z_j where the entry fires and 0 elsewhere, and the
/// reconstruction is `decoder_bias + sum of code_j w_j`.
#[derive(Debug, Clone, PartialEq)]
pub struct Autoencoder(Parts);

impl Autoencoder {
    /// Checks the parts.
    ///
    /// # Errors
    /// If a tensor has the wrong length, a number is not finite, or a decoder direction does not have length 1.
    pub fn from_parts(parts: Parts) -> Result<Self, PartsError> {
        let (d, width) = (parts.dimension, parts.encoder_bias.len());
        let tensors = [
            ("encoder", &parts.encoder, width * d),
            ("decoder", &parts.decoder, width * d),
            ("encoder bias", &parts.encoder_bias, width),
            ("decoder bias", &parts.decoder_bias, d),
            ("thresholds", &parts.thresholds, width),
            ("prices", &parts.prices, width),
        ];
        for (part, tensor, length) in tensors {
            let fail = |expected: String, found: String| Err(PartsError { part, expected, found });
            if tensor.len() != length || length == 0 {
                return fail(format!("{length} numbers, more than 0"), tensor.len().to_string());
            }
            if let Some(at) = tensor.iter().position(|x| !x.is_finite()) {
                return fail("finite numbers".to_owned(), format!("{} at {at}", tensor[at]));
            }
        }
        for (entry, direction) in parts.decoder.chunks_exact(d).enumerate() {
            let norm = direction.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            if (norm - 1.0).abs() > 1e-3 {
                let expected = "directions of length 1".to_owned();
                return Err(PartsError { part: "decoder", expected, found: format!("length {norm} at entry {entry}") });
            }
        }
        Ok(Self(parts))
    }

    /// Everything it consists of.
    pub fn parts(&self) -> &Parts {
        &self.0
    }

    /// Number of entries.
    pub fn width(&self) -> usize {
        self.0.encoder_bias.len()
    }

    /// Numbers in a state.
    pub fn dimension(&self) -> usize {
        self.0.dimension
    }

    /// Codes of all rows. They depend on one row at a time.
    ///
    /// # Errors
    /// If the states have another dimension.
    pub fn encode(&self, data: &Data) -> Result<Codes, DataError> {
        let (d, width) = (self.dimension(), self.width());
        if data.dimension() != d {
            return Err(DataError::Dimension { expected: d, found: data.dimension() });
        }
        let mut codes = Codes::new(width);
        for states in data.states().chunks(ROWS_AT_ONCE * d) {
            let pre = self.pre_activations(states);
            let rows: Vec<Vec<(usize, f32)>> = pre.par_chunks_exact(width).map(|row| self.firing(row)).collect();
            rows.into_iter().for_each(|row| codes.push(row));
        }
        Ok(codes)
    }

    /// Pre-activations, `rows x width`, of row-major states.
    pub(crate) fn pre_activations(&self, states: &[f32]) -> Vec<f32> {
        let Parts { dimension, encoder, encoder_bias, decoder_bias, .. } = &self.0;
        let centred: Vec<f32> =
            states.chunks_exact(*dimension).flat_map(|row| row.iter().zip(decoder_bias).map(|(x, b)| x - b)).collect();
        let mut pre = inner_products(&centred, encoder, *dimension);
        pre.chunks_exact_mut(self.width()).for_each(|row| add_scaled(row, 1.0, encoder_bias));
        pre
    }

    fn firing(&self, pre: &[f32]) -> Vec<(usize, f32)> {
        match self.0.rule {
            Rule::Best(k) => {
                let mut best = best_of(pre, &self.0.prices, k);
                best.sort_unstable();
                best.into_iter().map(|entry| (entry, pre[entry])).collect()
            }
            Rule::Above => {
                let all = pre.iter().zip(&self.0.thresholds).enumerate();
                all.filter(|(_, (z, threshold))| **z > 0.0 && z > threshold)
                    .map(|(entry, (z, _))| (entry, *z))
                    .collect()
            }
        }
    }

    /// Reconstructions, `rows x dimension`.
    ///
    /// # Errors
    /// If the codes are over another number of entries.
    pub fn decode(&self, codes: &Codes) -> Result<Vec<f32>, PartsError> {
        if codes.width() != self.width() {
            let (expected, found) = (format!("{} entries", self.width()), codes.width().to_string());
            return Err(PartsError { part: "codes", expected, found });
        }
        let d = self.dimension();
        let mut states = vec![0.0; codes.rows() * d];
        for (row, state) in states.chunks_exact_mut(d).enumerate() {
            state.copy_from_slice(&self.0.decoder_bias);
            codes.row(row).for_each(|(j, value)| add_scaled(state, value, &self.0.decoder[j * d..(j + 1) * d]));
        }
        Ok(states)
    }
}

/// What ranks an entry: the error it removes, about z^2 / 2, minus its price.
pub(crate) fn score(z: f32, price: f32) -> f32 {
    0.5 * z * z - price
}

/// The `k` positive entries of best score, in no particular order; of equals the earlier one.
pub(crate) fn best_of(pre: &[f32], prices: &[f32], k: usize) -> Vec<usize> {
    let mut ranked: Vec<(f32, usize)> = pre
        .iter()
        .zip(prices)
        .enumerate()
        .filter(|(_, (z, _))| **z > 0.0)
        .map(|(entry, (z, price))| (score(*z, *price), entry))
        .collect();
    keep_best(&mut ranked, k);
    ranked.into_iter().map(|(_, entry)| entry).collect()
}

/// Keeps the `k` items of highest score; of equals those with the lower index.
pub(crate) fn keep_best(ranked: &mut Vec<(f32, usize)>, k: usize) {
    if k < ranked.len() {
        ranked.select_nth_unstable_by(k, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(k);
    }
}
