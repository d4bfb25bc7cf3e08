//! What training people teach about the next one.

use credence_memory::belief::simulate::normals;
use credence_memory::belief::{BeliefError, Lattice, Location, LocationName, Mixture, Priors, Question, Settings};
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::ROUNDS;
use super::data::Choices;
use super::gaussian::Moments;

/// Rounds of moment matching where spaces are only compared.
const ROUNDS_COMPARED: usize = 6;
/// Parts into which training people are divided to compare spaces.
const PARTS: usize = 3;
/// Draws from each training person's posterior that make the lattice.
const DRAWS: usize = 4;

/// The settings of the kidney mixture.
pub fn settings() -> Settings {
    Settings {
        signal_scales: vec![0.5, 1.0, 2.0],
        lapse_rates: vec![0.01, 0.1],
        bands: vec![0.3],
        slow_drift_weight: 0.0,
        ..Settings::default()
    }
}

pub(crate) fn fold<'a>(
    settings: &Settings,
    priors: &Priors,
    choices: impl Iterator<Item = (&'a [f64], bool)>,
) -> Result<Mixture, BeliefError> {
    let seen: Vec<_> =
        choices.map(|(x, left)| Question::choice(x.to_vec(), false).answer(usize::from(!left))).collect();
    Mixture::fold(settings, priors, &seen)
}

pub(crate) fn priors(locations: Vec<Location>, lattices: Vec<Lattice>) -> Priors {
    let features = locations.first().map_or(0, |l| l.mean.len());
    Priors { locations, scaled: vec![true; features], lattices, component_masses: Vec::new() }
}

/// Mean and covariance of the weights under a mixture, from the moments of functionals.
pub(crate) fn moments(mixture: &Mixture) -> Moments {
    let d = mixture.dimension();
    let variance = |i: usize, j: usize| {
        let mut a = vec![0.0; d];
        a[i] += 1.0;
        a[j] += 1.0;
        mixture.functional(&a).variance()
    };
    let own: Vec<f64> = (0..d).map(|i| mixture.weight(i).variance()).collect();
    let covariance =
        DMatrix::from_fn(d, d, |i, j| if i == j { own[i] } else { 0.5 * (variance(i, j) - own[i] - own[j]) });
    Moments { mean: DVector::from_vec(mixture.mean()), covariance }
}

/// One hypothesis, in the units of the population.
fn one() -> Settings {
    Settings::single(1.0, 0.01, 0.3)
}

/// What the training people teach: a Gaussian by moment matching of EP posteriors, and draws from those posteriors.
pub(crate) struct Population {
    pub(crate) gaussian: Moments,
    pub(super) lattice: Lattice,
}

impl Population {
    pub(crate) fn learn(training: &[&Choices], features: usize, seed: u64) -> Result<Self, BeliefError> {
        let (gaussian, posteriors) = Self::match_moments(training, features, ROUNDS)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut atoms = Vec::with_capacity(DRAWS * posteriors.len());
        for p in &posteriors {
            let Some(factor) = p.covariance.clone().cholesky() else { continue };
            for _ in 0..DRAWS {
                let z = DVector::from_vec(normals(features, &mut rng));
                atoms.push((&p.mean + factor.l() * z).iter().copied().collect());
            }
        }
        let masses = vec![1.0; atoms.len()];
        Ok(Self { gaussian, lattice: Lattice { name: LocationName::Lattice(0), atoms, masses } })
    }

    /// The Gaussian, and the posteriors of its people.
    fn match_moments(
        training: &[&Choices],
        features: usize,
        rounds: usize,
    ) -> Result<(Moments, Vec<Moments>), BeliefError> {
        let mut gaussian = Moments::unit(features, 2.0);
        let mut posteriors = Vec::new();
        for _ in 0..rounds {
            let prior = priors(vec![gaussian.location(LocationName::Population)], Vec::new());
            posteriors = training
                .par_iter()
                .map(|c| Ok(moments(&fold(&one(), &prior, c.all(features))?)))
                .collect::<Result<Vec<_>, BeliefError>>()?;
            gaussian = Moments::matching(&posteriors);
        }
        Ok((gaussian, posteriors))
    }

    /// Log probability of the choices of training people under a population of the others, nats: the sum of their
    /// next-choice log losses, with the sign turned.
    pub(super) fn left_out(training: &[&Choices], features: usize) -> Result<f64, BeliefError> {
        let mut total = 0.0;
        for part in 0..PARTS {
            let inside = |k: usize| k % PARTS == part;
            let of = |inside_wanted: bool| -> Vec<&Choices> {
                training.iter().enumerate().filter(|(k, _)| inside(*k) == inside_wanted).map(|(_, c)| *c).collect()
            };
            let (gaussian, _) = Self::match_moments(&of(false), features, ROUNDS_COMPARED)?;
            let prior = priors(vec![gaussian.location(LocationName::Population)], Vec::new());
            for person in of(true) {
                total += fold(&one(), &prior, person.all(features))?.log_marginal_likelihood();
            }
        }
        Ok(total)
    }
}
