//! Absorption: the entry of a parent falls silent where a child fires, and the child's entry speaks for both
//! (Chanin et al. 2024).

use serde::{Deserialize, Serialize};

use crate::autoencoder::Autoencoder;
use crate::codes::Codes;
use crate::measures::{Matches, MeasureOptions, mean};
use crate::product::dot;
use crate::synthetic::{Sample, Truth};

/// A parent feature whose entry is silent where one of its children fires.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AbsorbedPair {
    /// The parent feature.
    pub parent: usize,
    /// The child feature.
    pub child: usize,
    /// The entry matched to the parent.
    pub parent_entry: usize,
    /// The entry that adds most along the parent's direction where the parent's own is silent.
    pub absorbing_entry: usize,
    /// Rate of silence with this child, less the rate of silence with no child.
    pub gap: f64,
}

/// Absorption over all parents that have a matching entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Absorption {
    /// Parents with a matching entry and enough rows.
    pub parents_measured: usize,
    /// Mean rate at which the entry is silent when the parent fires with a child.
    pub silent_with_child: f64,
    /// Mean rate at which it is silent when the parent fires with no child.
    pub silent_without_child: f64,
    /// The first less the second: silence that the child explains.
    pub rate: f64,
    /// Pairs with enough rows.
    pub pairs_measured: usize,
    /// Those that count as absorbed.
    pub absorbed: Vec<AbsorbedPair>,
}

/// How often an entry was silent.
#[derive(Debug, Clone, Copy, Default)]
struct Silence {
    silent: usize,
    rows: usize,
}

impl Silence {
    fn add(&mut self, silent: bool) {
        self.silent += usize::from(silent);
        self.rows += 1;
    }

    fn rate(&self) -> f64 {
        self.silent as f64 / self.rows as f64
    }
}

pub(crate) fn absorption(
    autoencoder: &Autoencoder,
    truth: &Truth,
    sample: &Sample,
    codes: &Codes,
    matches: &Matches,
    options: &MeasureOptions,
) -> Absorption {
    let children = children(truth);
    let (mut with_rates, mut without_rates) = (Vec::new(), Vec::new());
    let (mut pairs_measured, mut absorbed) = (0, Vec::new());
    for (parent, children) in children.iter().enumerate().filter(|(_, children)| !children.is_empty()) {
        let best = matches.of_features[parent];
        if best.cosine < options.parent_cosine {
            continue;
        }
        let (mut with, mut without) = (Silence::default(), Silence::default());
        let mut with_each = vec![Silence::default(); children.len()];
        for row in (0..codes.rows()).filter(|row| sample.codes.get(*row, parent) > 0.0) {
            let silent = codes.get(row, best.index) == 0.0;
            let mut any = false;
            for (child, silence) in children.iter().zip(&mut with_each) {
                if sample.codes.get(row, *child) > 0.0 {
                    silence.add(silent);
                    any = true;
                }
            }
            if any { with.add(silent) } else { without.add(silent) }
        }
        if with.rows < options.events_min || without.rows < options.events_min {
            continue;
        }
        with_rates.push(with.rate());
        without_rates.push(without.rate());
        for (child, silence) in children.iter().zip(with_each).filter(|(_, s)| s.rows >= options.events_min) {
            pairs_measured += 1;
            let gap = silence.rate() - without.rate();
            if gap >= options.absorbed_gap
                && let Some(absorbing_entry) =
                    absorbing_entry(autoencoder, truth, sample, codes, (parent, *child), best.index)
            {
                absorbed.push(AbsorbedPair { parent, child: *child, parent_entry: best.index, absorbing_entry, gap });
            }
        }
    }
    let parents_measured = with_rates.len();
    let (silent_with_child, silent_without_child) = (mean(with_rates.into_iter()), mean(without_rates.into_iter()));
    let rate = silent_with_child - silent_without_child;
    Absorption { parents_measured, silent_with_child, silent_without_child, rate, pairs_measured, absorbed }
}

fn children(truth: &Truth) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); truth.parents().len()];
    for (child, parent) in truth.parents().iter().enumerate() {
        parent.iter().for_each(|parent| children[*parent].push(child));
    }
    children
}

/// The entry that adds most along the parent's direction in rows of the pair where the parent's own entry is silent.
fn absorbing_entry(
    autoencoder: &Autoencoder,
    truth: &Truth,
    sample: &Sample,
    codes: &Codes,
    (parent, child): (usize, usize),
    own: usize,
) -> Option<usize> {
    let d = autoencoder.dimension();
    let direction = &truth.directions()[parent * d..(parent + 1) * d];
    let mut added = vec![0.0; codes.width()];
    let both = |row: &usize| sample.codes.get(*row, parent) > 0.0 && sample.codes.get(*row, child) > 0.0;
    for row in (0..codes.rows()).filter(both).filter(|row| codes.get(*row, own) == 0.0) {
        for (entry, value) in codes.row(row) {
            added[entry] += value * dot(&autoencoder.parts().decoder[entry * d..(entry + 1) * d], direction);
        }
    }
    let most = added.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    most.filter(|(_, added)| **added > 0.0).map(|(entry, _)| entry)
}
