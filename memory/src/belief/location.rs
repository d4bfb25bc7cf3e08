//! Where a prior over weights comes from, and what share of belief each source starts with (docs/belief.md, section 2).

use serde::{Deserialize, Serialize};

/// Where a prior over weights comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocationName {
    /// Mean zero: knows nothing.
    Zero,
    /// Read out of the model.
    Elicited,
    /// Learned from other people.
    Population,
    /// A promoted adapter's.
    Generation(u32),
    /// A stated list of weight vectors.
    Lattice(u32),
}

/// A Gaussian prior over weights at signal scale 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Its name; no two locations share one.
    pub name: LocationName,
    /// Mean, one entry for each weight.
    pub mean: Vec<f64>,
    /// Lower triangle of the covariance by rows.
    pub covariance: Vec<f64>,
}

/// A finite prior: weight vectors at signal scale 1, with masses that need not be normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lattice {
    /// Its name; no two locations share one.
    pub name: LocationName,
    /// Weight vectors.
    pub atoms: Vec<Vec<f64>>,
    /// Positive masses, one for each.
    pub masses: Vec<f64>,
}

/// All prior locations of one person's mixture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Priors {
    /// Gaussian locations.
    pub locations: Vec<Location>,
    /// Whether the signal scale multiplies a weight; `false` for the constants.
    pub scaled: Vec<bool>,
    /// Finite locations.
    #[serde(default)]
    pub lattices: Vec<Lattice>,
}

/// Zero and elicited share everything equally, or one half where there are others, which share the rest equally. A
/// generation then takes one half of what its parent has: `parents` tells the parent's place for each location that has one,
/// behind it in the list.
pub(crate) fn location_shares(names: &[LocationName], parents: &[Option<usize>]) -> Vec<f64> {
    let founding: Vec<LocationName> =
        names.iter().zip(parents).filter(|(_, parent)| parent.is_none()).map(|(name, _)| *name).collect();
    let mut founders = founding_shares(&founding).into_iter();
    let mut shares: Vec<f64> = Vec::with_capacity(names.len());
    for parent in parents {
        let share = match parent {
            None => founders.next().unwrap_or_default(),
            Some(parent) => {
                shares[*parent] *= 0.5;
                shares[*parent]
            }
        };
        shares.push(share);
    }
    shares
}

fn founding_shares(names: &[LocationName]) -> Vec<f64> {
    let base = |name: &LocationName| matches!(name, LocationName::Zero | LocationName::Elicited);
    let bases = names.iter().filter(|n| base(n)).count();
    let others = names.len() - bases;
    let (base_share, other_share) = match (bases, others) {
        (_, 0) => (1.0, 0.0),
        (0, _) => (0.0, 1.0),
        _ => (0.5, 0.5),
    };
    names.iter().map(|n| if base(n) { base_share / bases as f64 } else { other_share / others as f64 }).collect()
}
