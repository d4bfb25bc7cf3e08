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
    /// Learned from other people where these are of several kinds: of the second kind and on, numbered from 2.
    PopulationComponent(u32),
    /// What is published of people's values in general.
    Published,
    /// What the documents of a library say of people in general.
    Library,
}

impl LocationName {
    /// The name of a component of the population, the first at 0.
    pub fn component(place: usize) -> Self {
        if place == 0 { Self::Population } else { Self::PopulationComponent(place as u32 + 1) }
    }

    /// Which component of the population it is, if it is one.
    pub fn place(self) -> Option<usize> {
        match self {
            Self::Population => Some(0),
            Self::PopulationComponent(number) => Some((number as usize).saturating_sub(1)),
            Self::Zero | Self::Elicited | Self::Published | Self::Library | Self::Generation(_) | Self::Lattice(_) => {
                None
            }
        }
    }
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
    /// Masses of the population's components, by their places; one that is not stated is as 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub component_masses: Vec<f64>,
}

impl Priors {
    /// One location around zero for `dimension` weights, each of this variance at signal scale 1, all scaled by the signal: a
    /// prior that knows nothing.
    pub fn isotropic(dimension: usize, variance: f64) -> Self {
        let rows = (0..dimension).flat_map(|i| (0..=i).map(move |j| if i == j { variance } else { 0.0 }));
        let zero = Location { name: LocationName::Zero, mean: vec![0.0; dimension], covariance: rows.collect() };
        Self { locations: vec![zero], scaled: vec![true; dimension], ..Self::default() }
    }
}

/// Zero and elicited share everything equally, or one half where there are others, which share the rest equally; the
/// population is one of these, however many components it has, and its share is divided by their `masses`. A generation then
/// takes one half of what its parent has: `parents` tells the parent's place for each location that has one, behind it in the
/// list.
pub(crate) fn location_shares(names: &[LocationName], parents: &[Option<usize>], masses: &[f64]) -> Vec<f64> {
    let founding: Vec<LocationName> =
        names.iter().zip(parents).filter(|(_, parent)| parent.is_none()).map(|(name, _)| *name).collect();
    let mut founders = founding_shares(&founding, masses).into_iter();
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

fn founding_shares(names: &[LocationName], masses: &[f64]) -> Vec<f64> {
    let base = |name: &LocationName| matches!(name, LocationName::Zero | LocationName::Elicited);
    let mass = |name: &LocationName| name.place().map(|at| masses.get(at).copied().unwrap_or(1.0));
    let bases = names.iter().filter(|n| base(n)).count();
    let population: f64 = names.iter().filter_map(mass).sum();
    let lone = names.iter().filter(|n| !base(n) && n.place().is_none()).count();
    let others = lone + usize::from(names.len() > bases + lone);
    let (base_share, other_share) = match (bases, others) {
        (_, 0) => (1.0, 0.0),
        (0, _) => (0.0, 1.0),
        _ => (0.5, 0.5),
    };
    let share = |name: &LocationName| {
        if base(name) {
            return base_share / bases as f64;
        }
        other_share / others as f64 * mass(name).map_or(1.0, |mass| mass / population)
    };
    names.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_divide_the_share_of_one_population() {
        use LocationName::{Elicited, Lattice, Population, PopulationComponent, Zero};
        let one = location_shares(&[Zero, Elicited, Lattice(0), Population], &[None; 4], &[]);
        assert_eq!(one, [0.25; 4]);
        let names = [Zero, Elicited, Lattice(0), Population, PopulationComponent(2), PopulationComponent(3)];
        assert_eq!(location_shares(&names, &[None; 6], &[0.5, 0.25, 0.25]), [0.25, 0.25, 0.25, 0.125, 0.0625, 0.0625]);
        assert_eq!(location_shares(&names[4..], &[None; 2], &[0.5, 0.25, 0.25]), [0.5; 2], "of those that are there");
        assert_eq!(location_shares(&names[3..5], &[None; 2], &[]), [0.5; 2], "nothing stated: equally");
        (0..4).for_each(|k| assert_eq!(LocationName::component(k).place(), Some(k)));
    }
}
