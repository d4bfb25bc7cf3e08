//! The grid of hypotheses that settings and prior locations span (docs/belief.md, section 2).

use super::BeliefError;
use super::finite::Atoms;
use super::gaussian::{PriorMoments, check_moments};
use super::hypothesis::{Assumptions, Hypothesis, Prior};
use super::location::{LocationName, Priors, location_shares};
use super::reading::Lineage;
use super::settings::Settings;

/// All hypotheses before any evidence, and what they share.
pub(crate) struct Grid {
    /// Names of the locations, by [`Hypothesis::location`].
    pub(crate) names: Vec<LocationName>,
    /// Priors, by [`Hypothesis::prior`]: one for each location and signal scale.
    pub(crate) priors: Vec<Prior>,
    /// In the order location, signal scale, lapse rate, drift, band, step.
    pub(crate) hypotheses: Vec<Hypothesis>,
}

impl Grid {
    /// # Errors
    /// As [`Mixture::new`](super::Mixture::new).
    pub(crate) fn new(settings: &Settings, priors: &Priors, lineage: &Lineage) -> Result<Self, BeliefError> {
        settings.check()?;
        let dimension = priors.scaled.len();
        let names: Vec<LocationName> =
            priors.locations.iter().map(|l| l.name).chain(priors.lattices.iter().map(|l| l.name)).collect();
        if names.is_empty() {
            return Err(BeliefError::NoPrior);
        }
        if dimension == 0 {
            return Err(BeliefError::NoWeights);
        }
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(BeliefError::LocationTwice { name: *twice });
        }
        let sound = |mass: &f64| mass.is_finite() && *mass > 0.0;
        if !priors.component_masses.iter().all(sound) {
            return Err(BeliefError::ComponentMass);
        }
        for location in &priors.locations {
            check_moments(&location.mean, &location.covariance, dimension)?;
        }
        let parents = parents(&names, lineage);
        let shares = location_shares(&names, &parents, &priors.component_masses);
        let drifts: &[(f64, f64)] = if settings.slow_drift_weight > 0.0 {
            let r = libm::exp(-1.0 / settings.drift_records);
            &[(1.0, 1.0 - settings.slow_drift_weight), (r, settings.slow_drift_weight)]
        } else {
            &[(1.0, 1.0)]
        };
        let steps = settings.rating_half_steps.len().max(1);
        let combinations = settings.signal_scales.len() * settings.lapse_rates.len() * settings.bands.len() * steps;
        let uniform = 1.0 / combinations as f64;
        let (mut shared, mut hypotheses): (Vec<Prior>, Vec<Hypothesis>) = (Vec::new(), Vec::new());
        let mut begins = Vec::with_capacity(names.len());
        for (index, (&name, share)) in names.iter().zip(shares).enumerate() {
            let begin = hypotheses.len();
            begins.push(begin);
            for &sigma in &settings.signal_scales {
                let prior = match index.checked_sub(priors.locations.len()) {
                    None => {
                        let location = &priors.locations[index];
                        Prior::Gaussian(
                            PriorMoments::new(&location.mean, &location.covariance, &priors.scaled, sigma)
                                .ok_or(BeliefError::NotPositive { name })?,
                        )
                    }
                    Some(k) => {
                        let lattice = &priors.lattices[k];
                        Prior::Finite(Atoms::new(&lattice.atoms, &lattice.masses, &priors.scaled, sigma)?)
                    }
                };
                for &lapse_rate in &settings.lapse_rates {
                    for &(retention, drift_weight) in drifts {
                        let finite = matches!(prior, Prior::Finite(_));
                        if finite && retention < 1.0 {
                            continue; // weights on a lattice do not drift
                        }
                        let drift_weight = if finite { 1.0 } else { drift_weight };
                        for (band, half_step) in bands(settings) {
                            let ln_prior = libm::log(share * uniform * drift_weight);
                            let location = index;
                            let assumed =
                                Assumptions { location, sigma, lapse_rate, band, half_step, retention, ln_prior };
                            let mut h = Hypothesis::new(shared.len(), &prior, assumed);
                            h.reading = reading(name, lineage);
                            // Locations of generations and of their parents are Gaussian: their hypotheses are in step.
                            h.parent = parents[index].map(|parent| begins[parent] + hypotheses.len() - begin);
                            hypotheses.push(h);
                        }
                    }
                }
                shared.push(prior);
            }
        }
        Ok(Self { names, priors: shared, hypotheses })
    }
}

/// Half widths of indifference, each with the half steps between rating levels.
fn bands(settings: &Settings) -> impl Iterator<Item = (f64, f64)> {
    settings.bands.iter().flat_map(|&band| {
        let tied = settings.rating_half_steps.is_empty().then_some(band);
        settings.rating_half_steps.iter().copied().chain(tied).map(move |half_step| (band, half_step))
    })
}

/// Number of the reading of a location's hypotheses: everyone's, or that of its generation.
fn reading(name: LocationName, lineage: &Lineage) -> usize {
    let LocationName::Generation(number) = name else { return 0 };
    lineage.generations.iter().position(|g| *g == number).map_or(0, |at| at + 1)
}

/// For each generation of the lineage, the location that it takes its share from: the generation before it, else the
/// elicited prior, else zero; whichever of them is there.
fn parents(names: &[LocationName], lineage: &Lineage) -> Vec<Option<usize>> {
    let base = [LocationName::Zero, LocationName::Elicited].into_iter();
    let line: Vec<LocationName> =
        base.chain(lineage.generations.iter().map(|number| LocationName::Generation(*number))).collect();
    let parent = |(place, name): (usize, &LocationName)| {
        let at = line.iter().position(|n| n == name).filter(|at| *at >= 2)?;
        line[..at].iter().rev().find_map(|n| names[..place].iter().position(|name| name == n))
    };
    names.iter().enumerate().map(parent).collect()
}
