//! The grid of hypotheses that settings and prior locations span (docs/belief.md, section 2).

use super::BeliefError;
use super::finite::Atoms;
use super::gaussian::{Anchor, check_moments};
use super::hypothesis::{Hypothesis, Prior};
use super::location::{LocationName, Priors, location_shares};
use super::settings::Settings;

/// All hypotheses before any evidence, and what they share.
pub(crate) struct Grid {
    /// Names of the locations, by [`Hypothesis::location`].
    pub(crate) names: Vec<LocationName>,
    /// Priors, by [`Hypothesis::prior`]: one for each location and signal scale.
    pub(crate) priors: Vec<Prior>,
    /// In the order location, signal scale, lapse rate, drift, band.
    pub(crate) hypotheses: Vec<Hypothesis>,
}

impl Grid {
    /// # Errors
    /// As [`Mixture::new`](super::Mixture::new).
    pub(crate) fn new(settings: &Settings, priors: &Priors) -> Result<Self, BeliefError> {
        settings.check()?;
        let dimension = priors.scaled.len();
        let names: Vec<LocationName> =
            priors.locations.iter().map(|l| l.name).chain(priors.lattices.iter().map(|l| l.name)).collect();
        if names.is_empty() || dimension == 0 {
            return Err(BeliefError::NoPrior);
        }
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(BeliefError::LocationTwice { name: *twice });
        }
        for location in &priors.locations {
            check_moments(&location.mean, &location.covariance, dimension)?;
        }
        let shares = location_shares(&names);
        let drifts: &[(f64, f64)] = if settings.slow_drift_weight > 0.0 {
            let r = libm::exp(-1.0 / settings.drift_records);
            &[(1.0, 1.0 - settings.slow_drift_weight), (r, settings.slow_drift_weight)]
        } else {
            &[(1.0, 1.0)]
        };
        let uniform = 1.0 / (settings.signal_scales.len() * settings.lapse_rates.len() * settings.bands.len()) as f64;
        let (mut shared, mut hypotheses) = (Vec::new(), Vec::new());
        for (index, (&name, share)) in names.iter().zip(shares).enumerate() {
            for &sigma in &settings.signal_scales {
                let prior = match index.checked_sub(priors.locations.len()) {
                    None => {
                        let location = &priors.locations[index];
                        Prior::Gaussian(
                            Anchor::new(&location.mean, &location.covariance, &priors.scaled, sigma)
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
                        for &band in &settings.bands {
                            let ln_prior = libm::log(share * uniform * drift_weight);
                            hypotheses.push(Hypothesis::new(
                                shared.len(),
                                &prior,
                                index,
                                sigma,
                                lapse_rate,
                                band,
                                retention,
                                ln_prior,
                            ));
                        }
                    }
                }
                shared.push(prior);
            }
        }
        Ok(Self { names, priors: shared, hypotheses })
    }
}
