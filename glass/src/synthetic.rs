//! Synthetic states whose features are known: hierarchy, correlation, superposition and unequal rates.
//!
//! On the lines of SynthSAEBench (Chanin and Garriga-Alonso 2026), written anew and smaller. Which features fire is
//! drawn with a Gaussian copula. A child fires only where its parent fires, and siblings exclude each other.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::codes::Codes;
use crate::data::{Data, Origin};
use crate::error::{DataError, PlanError};
use crate::product::{add_scaled, inner_products, normalise};

/// What a synthetic world is like.
///
/// Features `0..parents` have children; their children follow, family by family; the rest stand alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Number of true features; more than `dimension` means superposition.
    pub features: usize,
    /// Numbers in a state.
    pub dimension: usize,
    /// Features that have children.
    pub parents: usize,
    /// Children of each parent.
    pub children: usize,
    /// Probability that some child fires when its parent does.
    pub child_share: f64,
    /// Rate of the most frequent feature without a parent.
    pub rate_max: f64,
    /// Rates fall with rank r as `r^-exponent` (Zipf), among roots and within each family.
    pub exponent: f64,
    /// Share of each latent variable of the copula that comes from shared factors, 0 to 1.
    pub correlation: f64,
    /// Number of shared factors.
    pub factors: usize,
    /// Mean activation of a feature that fires.
    pub magnitude_mean: f64,
    /// Standard deviation of that activation; it is cut below at a tenth of the mean.
    pub magnitude_sd: f64,
    /// Standard deviation of Gaussian noise on each number of a state.
    pub noise_sd: f64,
    /// Steps that push directions apart, as SynthSAEBench does; 0 leaves them random.
    pub apart_steps: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            features: 128,
            dimension: 64,
            parents: 16,
            children: 3,
            child_share: 0.6,
            rate_max: 0.3,
            exponent: 0.6,
            correlation: 0.5,
            factors: 6,
            magnitude_mean: 1.0,
            magnitude_sd: 0.25,
            noise_sd: 0.02,
            apart_steps: 100,
        }
    }
}

impl Plan {
    fn check(&self) -> Result<(), PlanError> {
        let fail = |name, problem: &str| Err(PlanError { name, problem: problem.to_owned() });
        let share = |x: f64| x > 0.0 && x < 1.0;
        let size = |x: f64| x.is_finite() && x >= 0.0;
        if self.features == 0 || self.dimension == 0 {
            return fail("features and dimension", "must be above 0");
        }
        let family = self.children.checked_add(1).and_then(|size| size.checked_mul(self.parents));
        if family.is_none_or(|members| members > self.features) {
            return fail("parents and children", "need more features than there are");
        }
        if self.parents > 0 && self.children > 0 && !share(self.child_share) {
            return fail("child_share", "must be above 0 and below 1");
        }
        if !share(self.rate_max) || !size(self.exponent) {
            return fail("rate_max and exponent", "a rate must be above 0 and below 1, and not rise with rank");
        }
        if !(0.0..=1.0).contains(&self.correlation) || self.factors == 0 {
            return fail("correlation and factors", "must be from 0 to 1, with at least one factor");
        }
        if !(size(self.magnitude_mean) && self.magnitude_mean > 0.0 && size(self.magnitude_sd) && size(self.noise_sd)) {
            return fail("magnitude_mean, magnitude_sd and noise_sd", "must be finite and not negative");
        }
        Ok(())
    }
}

/// The features of a synthetic world.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    plan: Plan,
    directions: Vec<f32>,
    parents: Vec<Option<usize>>,
    rates: Vec<f64>,
    choosers: Vec<Chooser>,
}

/// One latent variable of the copula and the features among which it chooses.
#[derive(Debug, Clone, PartialEq)]
struct Chooser {
    parent: Option<usize>,
    loadings: Vec<f64>,
    /// A feature fires where the variable lies below its bound and above the one before.
    bounds: Vec<(f64, usize)>,
}

/// Some rows of a world: the states, and what fired in each.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The states, `rows x dimension`.
    pub data: Data,
    /// True activations, `rows x features`.
    pub codes: Codes,
}

/// Draws the features of a world. The same plan and seed give the same world.
///
/// # Errors
/// If the plan makes no sense.
pub fn generate(plan: &Plan, seed: u64) -> Result<Truth, PlanError> {
    plan.check()?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directions = directions(plan, &mut random);
    let in_family = plan.parents * plan.children;
    let zipf = |rank: usize| libm::pow((rank + 1) as f64, -plan.exponent);
    let mut roots: Vec<usize> = (0..plan.parents).chain(plan.parents + in_family..plan.features).collect();
    roots.shuffle(&mut random);
    let mut rates = vec![0.0; plan.features];
    let mut parents = vec![None; plan.features];
    let mut choosers = Vec::new();
    for (rank, root) in roots.into_iter().enumerate() {
        rates[root] = plan.rate_max * zipf(rank);
        choosers.push(Chooser::new(plan, None, &[(rates[root], root)], &mut random));
    }
    let weight: f64 = (0..plan.children).map(zipf).sum();
    for parent in 0..plan.parents {
        let first = plan.parents + parent * plan.children;
        let shares: Vec<(f64, usize)> =
            (0..plan.children).map(|c| (plan.child_share * zipf(c) / weight, first + c)).collect();
        for (share, child) in &shares {
            rates[*child] = rates[parent] * share;
            parents[*child] = Some(parent);
        }
        choosers.push(Chooser::new(plan, Some(parent), &shares, &mut random));
    }
    Ok(Truth { plan: plan.clone(), directions, parents, rates, choosers })
}

impl Chooser {
    fn new(plan: &Plan, parent: Option<usize>, shares: &[(f64, usize)], random: &mut ChaCha8Rng) -> Self {
        let normal = Normal::standard();
        let mut below = 0.0;
        let bounds = shares.iter().map(|(share, feature)| {
            below += share;
            (normal.inverse_cdf(below), *feature)
        });
        let bounds = bounds.collect();
        let mut loadings: Vec<f64> = (0..plan.factors).map(|_| gaussian(random)).collect();
        let norm = loadings.iter().map(|x| x * x).sum::<f64>().sqrt();
        loadings.iter_mut().for_each(|x| *x /= norm);
        Self { parent, loadings, bounds }
    }
}

impl Truth {
    /// The plan that was carried out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Unit directions of the features, `features x dimension`.
    pub fn directions(&self) -> &[f32] {
        &self.directions
    }

    /// The parent of each feature, where it has one.
    pub fn parents(&self) -> &[Option<usize>] {
        &self.parents
    }

    /// How often each feature fires, by the plan.
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// Draws rows. Children have factors of their own, so the planned rates hold exactly.
    ///
    /// # Errors
    /// If the rows are too few, or nothing fires in any of them.
    pub fn sample(&self, rows: usize, seed: u64) -> Result<Sample, DataError> {
        let plan = &self.plan;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(1);
        let mut states = Vec::with_capacity(rows * plan.dimension);
        let mut codes = Codes::new(plan.features);
        let (shared, own) = (plan.correlation.sqrt(), (1.0 - plan.correlation).sqrt());
        for _ in 0..rows {
            let mut factors = || (0..plan.factors).map(|_| gaussian(&mut random)).collect::<Vec<f64>>();
            let (of_roots, of_children) = (factors(), factors());
            let mut fires = vec![false; plan.features];
            for chooser in &self.choosers {
                let factors = if chooser.parent.is_none() { &of_roots } else { &of_children };
                let common: f64 = chooser.loadings.iter().zip(factors).map(|(a, b)| a * b).sum();
                let latent = shared * common + own * gaussian(&mut random);
                let chosen = chooser.bounds.iter().find(|(bound, _)| latent < *bound);
                if let Some((_, feature)) = chosen.filter(|_| chooser.parent.is_none_or(|parent| fires[parent])) {
                    fires[*feature] = true;
                }
            }
            let start = states.len();
            states.extend((0..plan.dimension).map(|_| (plan.noise_sd * gaussian(&mut random)) as f32));
            let fired: Vec<(usize, f32)> = (0..plan.features)
                .filter(|feature| fires[*feature])
                .map(|feature| {
                    let size = plan.magnitude_mean + plan.magnitude_sd * gaussian(&mut random);
                    (feature, size.max(0.1 * plan.magnitude_mean) as f32)
                })
                .collect();
            for (feature, size) in &fired {
                let direction = &self.directions[feature * plan.dimension..(feature + 1) * plan.dimension];
                add_scaled(&mut states[start..], *size, direction);
            }
            codes.push(fired);
        }
        let names = (0..rows).map(|row| format!("row {row}")).collect();
        let origin = Origin { model: "synthetic".to_owned(), layer: format!("seed {seed}") };
        Ok(Sample { data: Data::new(states, plan.dimension, names, origin)?, codes })
    }
}

/// Random unit directions, then pushed apart: descent on the sum of squared cosines.
fn directions(plan: &Plan, random: &mut ChaCha8Rng) -> Vec<f32> {
    let d = plan.dimension;
    let mut directions: Vec<f32> = (0..plan.features * d).map(|_| gaussian(random) as f32).collect();
    directions.chunks_exact_mut(d).for_each(normalise);
    for _ in 0..plan.apart_steps {
        let cosines = inner_products(&directions, &directions, d);
        let before = directions.clone();
        for (i, direction) in directions.chunks_exact_mut(d).enumerate() {
            for (j, other) in before.chunks_exact(d).enumerate().filter(|(j, _)| *j != i) {
                add_scaled(direction, -0.1 * cosines[i * plan.features + j], other);
            }
            normalise(direction);
        }
    }
    directions
}

/// A standard normal number (Box and Muller 1958).
pub(crate) fn gaussian(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - random.random::<f64>())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * random.random::<f64>())
}
