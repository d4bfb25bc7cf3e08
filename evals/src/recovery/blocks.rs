//! Blocks of features that a model reads, beside the keys: do they pay in a session on the keyed bank?
//!
//! A keyed act enters belief with its keys alone. Here it also enters with the principal components of its text, or with the model's
//! judgement, each as it is in a home that reads every question, and with the share of a typical pair that it has there.

use std::sync::Arc;

use credence_agent::bank::Bank;
use credence_agent::keyed;
use credence_memory::ids::AlternativeId;
use credence_memory::layout::Layout;
use credence_memory::number::Finite;
use credence_memory::prior::priors;
use credence_memory::record::{AlternativeDescribed, PriorElicited, PublishedPrior};

use super::learner::Instrument;
use super::{ReadActs, RecoveryError};

/// Variance of a typical pair's utility that each block carries, where the keys' is 1 (docs/belief.md, section 2).
const SHARE: f64 = 0.15 / 0.7;

/// A block beside the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    Text,
    Judgement,
}

/// All of them.
pub(super) const BLOCKS: [Block; 2] = [Block::Text, Block::Judgement];

impl Block {
    pub(super) fn name(self) -> &'static str {
        match self {
            Block::Text => "with the text block",
            Block::Judgement => "with the judgement",
        }
    }
}

impl Instrument {
    /// The same bank with a block of `read` beside the keys. Portraits, which nobody reads, have zeros there.
    pub(super) fn with_block(&self, bank: &Bank, block: Block, read: &ReadActs) -> Result<Self, RecoveryError> {
        let is_act = |d: &AlternativeDescribed| !d.situation.is_empty();
        let acts: Vec<AlternativeId> = self.described.values().filter(|d| is_act(d)).map(|d| d.alternative).collect();
        let found = acts.iter().filter(|id| read.contains_key(*id)).count();
        if found < acts.len() {
            return Err(RecoveryError::NotRead { acts: acts.len(), read: found });
        }
        let width = match block {
            Block::Text => read.values().map(|d| d.text_block.len()).max().unwrap_or(0),
            Block::Judgement => 0,
        };
        let values = self.layout.values().to_vec();
        let prior = widened(keyed::prior(bank, &values)?, values.len(), width, block)?;
        let layout = Layout::of_values_and_text(values, width);
        let mut new = self.clone();
        for described in new.described.values_mut() {
            let read = read.get(&described.alternative).filter(|_| is_act(described));
            match (block, read) {
                (Block::Text, Some(read)) => described.text_block = read.text_block.clone(),
                (Block::Text, None) => described.text_block = vec![Finite::default(); width],
                (Block::Judgement, Some(read)) => described.judgement = read.judgement.clone(),
                (Block::Judgement, None) => {}
            }
        }
        new.priors = priors(&layout, Some(&prior), &[]);
        new.flat = priors(&layout, Some(&PriorElicited { published: None, ..prior }), &[]);
        new.layout = Arc::new(layout);
        Ok(new)
    }
}

/// The keyed prior with `width` text weights between the values and the judgement, and a judgement of mean zero where it is tried.
fn widened(prior: PriorElicited, values: usize, width: usize, block: Block) -> Result<PriorElicited, RecoveryError> {
    let judgement = (block == Block::Judgement).then_some(SHARE / 2.0);
    let variance = SHARE / (2.0 * width.max(1) as f64);
    let mean = |old: &[Finite]| {
        let mut new: Vec<f64> = old.iter().map(|x| x.get()).collect();
        new.splice(values..values, std::iter::repeat_n(0.0, width));
        if let (Some(last), Some(_)) = (new.last_mut(), judgement) {
            *last = 0.0;
        }
        Finite::vector(&new)
    };
    let covariance = |old: &[Finite]| {
        let entry = |i: usize, j: usize| old[i * (i + 1) / 2 + j].get();
        let place = |i: usize| match i {
            i if i < values => Some(i),
            i if i < values + width => None,
            i => Some(i - width),
        };
        let last = values + width;
        let all = (0..=last).flat_map(|i| (0..=i).map(move |j| (i, j)));
        let new: Vec<f64> = all
            .map(|(i, j)| match (place(i), place(j), judgement) {
                (Some(_), Some(_), Some(variance)) if i == last && j == last => variance,
                (Some(i), Some(j), _) => entry(i, j),
                _ if i == j => variance,
                _ => 0.0,
            })
            .collect();
        Finite::vector(&new)
    };
    let mut reference: Vec<f64> = prior.reference_variance.iter().map(|x| x.get()).collect();
    reference.splice(values..values, std::iter::repeat_n(variance, width));
    if let (Some(last), Some(variance)) = (reference.last_mut(), judgement) {
        *last = variance;
    }
    let published = prior.published.as_ref().map(|p| {
        Ok::<_, RecoveryError>(PublishedPrior { mean: mean(&p.mean)?, covariance: covariance(&p.covariance)? })
    });
    Ok(PriorElicited {
        mean: mean(&prior.mean)?,
        covariance: covariance(&prior.covariance)?,
        reference_variance: Finite::vector(&reference)?,
        published: published.transpose()?,
        ..prior
    })
}
