//! Simulated owners: weights over concerns, a noise of 1, lapses, and a mind that may change.

use credence_belief::{normal::cdf, simulate::normals};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::acts::Act;

/// What kind of owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Minds what most mind.
    Average,
    /// Refuses easily.
    Strict,
    /// Refuses little.
    Loose,
    /// Has other weights from the middle of the run on.
    Changing,
    /// Has a whim about each act, as large as all concerns together, which no feature can express.
    Misspecified,
}

/// One owner; everything follows from the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// Seed.
    pub seed: u64,
    /// Kind: of ten seeds in a row three are average, two strict, two loose, two changing, one misspecified.
    pub kind: Kind,
    before: Mind,
    after: Mind,
    /// Probability of answering at random.
    lapse: f64,
    whim: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Mind {
    baseline: f64,
    weights: [f64; 7],
}

impl Mind {
    fn draw(baseline: f64, rng: &mut ChaCha8Rng) -> Self {
        let mut weights = [0.0; 7];
        for (weight, z) in weights.iter_mut().zip(normals(7, rng)) {
            *weight = libm::exp(0.5 * z - 0.125);
        }
        // Time is what an act costs or saves by waiting; most mind it less than what it does.
        weights[6] *= 0.5;
        Self { baseline: baseline + 0.5 * normals(1, rng)[0], weights }
    }
}

impl Owner {
    /// The owner of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xA11C_0DE5);
        let kind = match seed % 10 {
            0..=2 => Kind::Average,
            3..=4 => Kind::Strict,
            5..=6 => Kind::Loose,
            7..=8 => Kind::Changing,
            _ => Kind::Misspecified,
        };
        let baseline = match kind {
            Kind::Strict => 0.8,
            Kind::Loose => 5.0,
            Kind::Average | Kind::Changing | Kind::Misspecified => 2.5,
        };
        let before = Mind::draw(baseline, &mut rng);
        let after = Mind::draw(if rng.random_bool(0.5) { 0.8 } else { baseline }, &mut rng);
        let after = if kind == Kind::Changing { after } else { before.clone() };
        let whim = if kind == Kind::Misspecified { 2.0 } else { 0.0 };
        Self { seed, kind, before, after, lapse: rng.random_range(0.0..0.02), whim }
    }

    /// Probability that the owner would refuse an act, before or after the middle of the run.
    pub fn p_refuse(&self, act: &Act, late: bool) -> f64 {
        let mind = if late { &self.after } else { &self.before };
        let against: f64 = act.strengths().iter().zip(mind.weights).map(|(s, w)| s * w).sum();
        let whim = if self.whim > 0.0 { self.whim * self.whim_about(act) } else { 0.0 };
        0.5 * self.lapse + (1.0 - self.lapse) * cdf(against + whim - mind.baseline)
    }

    fn whim_about(&self, act: &Act) -> f64 {
        let hash = blake3::hash(format!("{} {}", self.seed, act.id).as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        normals(1, &mut ChaCha8Rng::seed_from_u64(u64::from_le_bytes(first)))[0]
    }
}
