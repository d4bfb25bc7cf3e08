//! An audit of a dictionary that needs no truth: pairs of entries that look like a parent and what absorbs it.
//!
//! Where entry j absorbs entry i, the decoder of j holds some of i's direction, for j speaks for both; and the encoder
//! of i has learned to be silent where j fires. Encoder and decoder then disagree about how close i and j are.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::autoencoder::Autoencoder;
use crate::data::{Data, Origin};
use crate::error::TrainError;
use crate::product::cosines;
use crate::settings::{Kind, Settings};
use crate::train::train;

/// How a pair (parent i, child j) is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Detector {
    /// `cos(encoder j, decoder i) - cos(encoder i, decoder j)`: one way against the other.
    Asymmetry,
    /// `cos(decoder i, decoder j) - cos(encoder i, decoder j)`: the decoders are close, yet i is deaf to j.
    Disagreement,
    /// i and j share entries of an autoencoder that was trained on the decoder's directions (meta-autoencoder, after
    /// Bussmann et al. 2024), and i is the purer of the two.
    Meta,
    /// `cos(decoder i, decoder j)`: the plain baseline, blind to which is the parent.
    DecoderCosine,
}

impl Detector {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Asymmetry, Self::Disagreement, Self::Meta, Self::DecoderCosine];

    /// A line at which to flag pairs: that of best F1 over all methods on synthetic worlds of seeds 101 to 103. Nothing
    /// says that it suits other states.
    pub fn line(self) -> f32 {
        match self {
            Self::Asymmetry => 0.1,
            Self::Disagreement => 0.42,
            Self::Meta => 0.83,
            Self::DecoderCosine => 0.49,
        }
    }
}

/// What the audit is to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditOptions {
    /// The entries to pair; all where it is empty. Dead entries are best left out.
    pub entries: Vec<usize>,
    /// Width of the meta-autoencoder as a share of the number of entries.
    pub meta_share: f64,
    /// Meta-entries that describe one entry.
    pub meta_k: usize,
    /// Training steps of the meta-autoencoder.
    pub meta_steps: usize,
    /// Its seed.
    pub seed: u64,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { entries: Vec::new(), meta_share: 0.5, meta_k: 2, meta_steps: 1000, seed: 0 }
    }
}

/// Scores of all ordered pairs of entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    entries: Vec<usize>,
    scores: Vec<(Detector, Vec<f32>)>,
}

/// A pair of entries and its score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScoredPair {
    /// The entry that may be absorbed.
    pub parent: usize,
    /// The entry that may absorb it.
    pub child: usize,
    /// Higher is more suspicious.
    pub score: f32,
}

impl Audit {
    /// All ordered pairs of different entries, as one detector scores them; parents rising, then children.
    pub fn pairs(&self, detector: Detector) -> Vec<ScoredPair> {
        let scores = self.scores.iter().find(|(of, _)| *of == detector).map_or(&[][..], |(_, scores)| scores);
        let rows = self.entries.iter().zip(scores.chunks_exact(self.entries.len().max(1)));
        let pairs = rows.flat_map(|(parent, row)| {
            let pair = |(child, score): (&usize, &f32)| ScoredPair { parent: *parent, child: *child, score: *score };
            self.entries.iter().zip(row).map(pair)
        });
        pairs.filter(|pair| pair.parent != pair.child).collect()
    }

    /// The pairs that score at least `least`, worst first.
    pub fn flagged(&self, detector: Detector, least: f32) -> Vec<ScoredPair> {
        let mut pairs = self.pairs(detector);
        pairs.retain(|pair| pair.score >= least);
        pairs.sort_by(|a, b| b.score.total_cmp(&a.score));
        pairs
    }
}

/// Scores all ordered pairs of the chosen entries with every detector, from the weights alone.
///
/// # Errors
/// If the meta-autoencoder cannot be trained, for example because there are too few entries.
///
/// # Panics
/// If an entry to look at does not exist.
pub fn audit(autoencoder: &Autoencoder, options: &AuditOptions) -> Result<Audit, TrainError> {
    let d = autoencoder.dimension();
    let entries = if options.entries.is_empty() { (0..autoencoder.width()).collect() } else { options.entries.clone() };
    let chosen = |matrix: &[f32]| -> Vec<f32> {
        entries.iter().flat_map(|j| matrix[j * d..(j + 1) * d].iter().copied()).collect()
    };
    let (encoder, decoder) = (chosen(&autoencoder.parts().encoder), chosen(&autoencoder.parts().decoder));
    let n = entries.len();
    let heard = cosines(&encoder, &decoder, d);
    let near = cosines(&decoder, &decoder, d);
    let scores =
        |score: &dyn Fn(usize, usize) -> f32| -> Vec<f32> { (0..n * n).map(|at| score(at / n, at % n)).collect() };
    let asymmetry = scores(&|i, j| heard[j * n + i] - heard[i * n + j]);
    let disagreement = scores(&|i, j| near[i * n + j] - heard[i * n + j]);
    let meta = meta(decoder, d, options)?;
    let scores = vec![
        (Detector::Asymmetry, asymmetry),
        (Detector::Disagreement, disagreement),
        (Detector::Meta, meta),
        (Detector::DecoderCosine, near),
    ];
    Ok(Audit { entries, scores })
}

/// Scores by a meta-autoencoder: cosine of the meta-codes of i and j where i is purer, otherwise 0.
fn meta(decoder: Vec<f32>, d: usize, options: &AuditOptions) -> Result<Vec<f32>, TrainError> {
    let n = decoder.len() / d;
    let names = (0..n).map(|j| format!("entry {j}")).collect();
    let data = Data::new(decoder, d, names, Origin::default())?;
    let width = ((options.meta_share * n as f64).round() as usize).max(1);
    let mut settings = Settings::new(Kind::TopK, width, options.meta_k.min(width));
    settings.steps = options.meta_steps;
    let trained = train(&data, &settings, options.seed, |_| ControlFlow::Continue(()))?;
    let codes = trained.encode(&data)?;
    let mut dense = vec![0.0; n * width];
    for row in 0..n {
        codes.row(row).for_each(|(entry, value)| dense[row * width + entry] = value);
    }
    // Purity is the share of the largest meta-entry in all that describe an entry.
    let purity: Vec<f32> = dense
        .chunks_exact(width)
        .map(|code| {
            let sum: f32 = code.iter().sum();
            if sum > 0.0 { code.iter().copied().fold(0.0, f32::max) / sum } else { 0.0 }
        })
        .collect();
    let shared = cosines(&dense, &dense, width);
    let score = |at: usize| if purity[at / n] > purity[at % n] { shared[at] } else { 0.0 };
    Ok((0..n * n).map(score).collect())
}
