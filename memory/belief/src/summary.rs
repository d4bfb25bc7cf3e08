//! What the mixture says of its hypotheses: weights by what they assume, diagnostics, the digest.

use serde::{Deserialize, Serialize};

use super::hypothesis::Hypothesis;
use super::location::LocationName;
use super::mixture::Mixture;

/// One hypothesis as others see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HypothesisView {
    /// Prior location.
    pub location: LocationName,
    /// Signal scale.
    pub signal_scale: f64,
    /// Lapse rate.
    pub lapse_rate: f64,
    /// Half width of indifference.
    pub band: f64,
    /// Whether weights drift.
    pub drifts: bool,
    /// `pi_h`.
    pub weight: f64,
    /// `ln pi_h(0)`.
    pub ln_prior: f64,
    /// `ln Z_h`; for a generation its parent's until the training cutoff, and its own from there on.
    pub log_marginal_likelihood: f64,
}

/// A hypothesis whose belief over `D` weights is a normal distribution, in noise units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianView<'a> {
    /// Its weight in the mixture.
    pub weight: f64,
    /// Its signal scale.
    pub signal_scale: f64,
    /// `D` means.
    pub mean: &'a [f64],
    /// Lower triangle of the covariance by rows: `D (D + 1) / 2` numbers.
    pub covariance: &'a [f64],
}

/// What the engine could not do, and how much it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Times a site was left as it was because its cavity or its step was not sound, or a rebuild failed.
    pub skipped_sites: u64,
    /// Refinements that found no fixed point within the cap on sweeps, or one that cannot be (a likelihood above 1), and were undone.
    pub abandoned_refinements: u64,
    /// Sweeps made.
    pub sweeps: u64,
    /// Hypotheses.
    pub hypotheses: usize,
}

impl Mixture {
    /// Every hypothesis with its weight.
    pub fn hypotheses(&self) -> Vec<HypothesisView> {
        let (_, _, hypotheses, _) = self.parts();
        let view = |(h, weight): (&Hypothesis, f64)| HypothesisView {
            location: self.name(h.location),
            signal_scale: h.sigma,
            lapse_rate: h.lapse_rate,
            band: h.band,
            drifts: h.retention < 1.0,
            weight,
            ln_prior: h.ln_prior,
            log_marginal_likelihood: h.ln_sequence(),
        };
        hypotheses.iter().zip(self.weights()).map(view).collect()
    }

    /// Posterior mass of each value of something, in order of first appearance.
    fn marginal_of<T: PartialEq>(&self, value: impl Fn(&HypothesisView) -> T) -> Vec<(T, f64)> {
        let mut out: Vec<(T, f64)> = Vec::new();
        for view in self.hypotheses() {
            let key = value(&view);
            match out.iter_mut().find(|(k, _)| *k == key) {
                Some((_, mass)) => *mass += view.weight,
                None => out.push((key, view.weight)),
            }
        }
        out
    }

    /// Mass of each prior location.
    pub fn locations(&self) -> Vec<(LocationName, f64)> {
        self.marginal_of(|h| h.location)
    }

    /// Mass of each signal scale.
    pub fn signal_scales(&self) -> Vec<(f64, f64)> {
        self.marginal_of(|h| h.signal_scale)
    }

    /// Mass of each lapse rate.
    pub fn lapse_rates(&self) -> Vec<(f64, f64)> {
        self.marginal_of(|h| h.lapse_rate)
    }

    /// Mass of each half width of indifference.
    pub fn bands(&self) -> Vec<(f64, f64)> {
        self.marginal_of(|h| h.band)
    }

    /// Mass of drift.
    pub fn drift_mass(&self) -> f64 {
        self.hypotheses().iter().filter(|h| h.drifts).map(|h| h.weight).sum()
    }

    /// Mass of signal scales that count as low: how likely it is that this person answers at random.
    pub fn low_signal_mass(&self) -> f64 {
        let low = self.settings().low_signal_max;
        self.signal_scales().iter().filter(|(sigma, _)| *sigma <= low).map(|(_, mass)| mass).sum()
    }

    /// Mass of the model's own locations (elicited and generations): the trust it has earned.
    pub fn model_mass(&self) -> f64 {
        let own = |name: &LocationName| matches!(name, LocationName::Elicited | LocationName::Generation(_));
        self.locations().iter().filter(|(name, _)| own(name)).map(|(_, mass)| mass).sum()
    }

    /// What went wrong on the way, and how much was done.
    pub fn diagnostics(&self) -> Diagnostics {
        let (_, _, hypotheses, _) = self.parts();
        Diagnostics {
            skipped_sites: hypotheses.iter().map(|h| h.skipped).sum(),
            abandoned_refinements: hypotheses.iter().map(|h| h.abandoned).sum(),
            sweeps: hypotheses.iter().map(|h| h.sweeps).sum(),
            hypotheses: hypotheses.len(),
        }
    }

    /// The hypotheses whose belief is a normal distribution.
    pub fn gaussians(&self) -> Vec<GaussianView<'_>> {
        let (_, _, hypotheses, _) = self.parts();
        let mut gaussians = Vec::new();
        for (h, weight) in hypotheses.iter().zip(self.weights()) {
            if let Some(g) = h.gaussian() {
                gaussians.push(GaussianView {
                    weight,
                    signal_scale: h.sigma,
                    mean: &g.mean,
                    covariance: &g.covariance,
                });
            }
        }
        gaussians
    }

    /// BLAKE3 over the bits of every hypothesis: equal digests, equal beliefs.
    pub fn digest(&self) -> [u8; 32] {
        self.digest_by(|| self.digest_of_bits())
    }

    fn digest_of_bits(&self) -> [u8; 32] {
        let (settings, _, hypotheses, readings) = self.parts();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&settings.engine_version.to_le_bytes());
        hasher.update(&(readings[0].history.timeline.len() as u64).to_le_bytes());
        let mut buffer: Vec<u8> = Vec::with_capacity(1 << 14);
        for h in hypotheses {
            h.bits(&mut |x: f64| {
                buffer.extend_from_slice(&x.to_bits().to_le_bytes());
            });
            hasher.update(&buffer);
            buffer.clear();
        }
        *hasher.finalize().as_bytes()
    }
}
