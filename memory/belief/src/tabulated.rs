//! A function of the latent, tabulated once, and its expectation under any normal: entropies for thousands of questions.

use std::sync::{Arc, Mutex, PoisonError};

use super::datum::{IntervalQuestion, lapse};
use super::hypothesis::Hypothesis;
use super::interval::{IntervalLikelihood, Outcomes, probability};

/// Values on an even grid; constant and equal beyond both ends.
pub(crate) struct Tabulated {
    reach: f64,
    fine: Vec<f64>,
    /// Values less the constant, every [`COARSE`]-th point, for wide normals.
    coarse: Vec<f64>,
    end: f64,
}

const PER_UNIT: f64 = 64.0;
const COARSE: usize = 16;
/// Beyond the outermost threshold by this many noise standard deviations nothing changes.
const BEYOND: f64 = 7.0;
/// Nodes of the trapezoidal rule in standard deviations, for narrow normals.
const NODE_STEP: f64 = 0.75;
const NODES: i32 = 7;

impl Tabulated {
    /// Tabulates `f` of the outcome probabilities given the latent, with the thresholds times `scale`.
    pub(crate) fn new(outcomes: Outcomes, band: f64, scale: f64, lapse: f64, f: impl Fn(f64) -> f64) -> Self {
        let count = outcomes.count();
        let unit = (COARSE as f64) / PER_UNIT;
        let reach = ((outcomes.reach(band) * scale + BEYOND) / unit).ceil() * unit;
        let points = (2.0 * reach * PER_UNIT).round() as usize;
        let seen: Vec<IntervalLikelihood> = (0..count)
            .map(|k| {
                let (lo, hi) = outcomes.bounds(k, band);
                IntervalLikelihood { lo: lo * scale, hi: hi * scale, lapse, outcomes: count }
            })
            .collect();
        let fine: Vec<f64> = (0..=points)
            .map(|i| {
                let z = i as f64 / PER_UNIT - reach;
                seen.iter().map(|&s| f(probability(z, 1.0, s))).sum()
            })
            .collect();
        let end = 0.5 * (fine[0] + fine[points]);
        let coarse = fine.iter().step_by(COARSE).map(|x| x - end).collect();
        Self { reach, fine, coarse, end }
    }

    /// The value at one point, by linear interpolation.
    pub(crate) fn at(&self, z: f64) -> f64 {
        let x = (z + self.reach) * PER_UNIT;
        if !(x >= 0.0 && x < (self.fine.len() - 1) as f64) {
            return self.end;
        }
        let i = x as usize;
        let part = x - i as f64;
        self.fine[i] + part * (self.fine[i + 1] - self.fine[i])
    }

    /// `E f(z)`, `z ~ N(mean, variance)`: absolute error about 1e-4.
    pub(crate) fn expectation(&self, mean: f64, variance: f64, nodes: &Nodes) -> f64 {
        let sd = variance.sqrt();
        if sd < 1.25 {
            return nodes.0.iter().map(|&(t, w)| w * self.at(mean + sd * t)).sum();
        }
        // The normal is the wide one: the trapezoidal rule on the table, its density by a recurrence outwards from the
        // grid point next to the mean: exp(-(x + h)^2 / 2v) = exp(-x^2 / 2v) exp(-(2 x h + h^2) / 2v).
        let h = COARSE as f64 / PER_UNIT;
        let last = self.coarse.len() - 1;
        let start = (((mean + self.reach) / h).round().clamp(0.0, last as f64)) as usize;
        let x = start as f64 * h - self.reach - mean;
        let half = 0.5 / variance;
        let first = libm::exp(-x * x * half);
        if first == 0.0 {
            return self.end;
        }
        let shrink = libm::exp(-2.0 * h * h * half);
        let mut sum = self.coarse[start] * first;
        let (mut density, mut ratio) = (first, libm::exp(-(2.0 * x * h + h * h) * half));
        for value in &self.coarse[start + 1..] {
            density *= ratio;
            ratio *= shrink;
            sum += value * density;
        }
        (density, ratio) = (first, libm::exp(-(-2.0 * x * h + h * h) * half));
        for value in self.coarse[..start].iter().rev() {
            density *= ratio;
            ratio *= shrink;
            sum += value * density;
        }
        self.end + sum * h / (sd * super::normal::SQRT_TAU)
    }
}

/// Nodes and weights for narrow normals, formed once.
pub(crate) struct Nodes(Vec<(f64, f64)>);

impl Nodes {
    pub(crate) fn new() -> Self {
        let mut nodes: Vec<(f64, f64)> = (-NODES..=NODES)
            .map(|k| (f64::from(k) * NODE_STEP, super::normal::density(f64::from(k) * NODE_STEP)))
            .collect();
        let total: f64 = nodes.iter().map(|(_, w)| w).sum();
        nodes.iter_mut().for_each(|(_, w)| *w /= total);
        Self(nodes)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.0.iter().copied()
    }
}

/// `-p ln p`.
pub(crate) fn entropy_term(p: f64) -> f64 {
    if p > 0.0 { -p * libm::log(p) } else { 0.0 }
}

/// Tables of entropies are made for this many attenuations and interpolated between.
const SCALES: f64 = 32.0;

/// What is tabulated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Entropy of the answer.
    Entropy,
    /// Probability of the same answer twice.
    Agreement,
}

impl Of {
    fn term(self, p: f64) -> f64 {
        match self {
            Of::Entropy => entropy_term(p),
            Of::Agreement => p * p,
        }
    }
}

/// What a table depends on: what of, outcomes, and the bits of band, attenuation and lapse.
type Key = (Of, Outcomes, [u64; 3]);

/// Tables kept for the whole process, at most; then they are made anew. Bands, lapses and attenuations are few.
const KEPT_MAX: usize = 4096;

/// Tables of the whole process. Each is a function of its key alone, so whoever makes it first makes no difference.
static KEPT: Mutex<Vec<(Key, Arc<Tabulated>)>> = Mutex::new(Vec::new());

/// Functions of the answer given the latent by outcomes, band, lapse and attenuation, tabulated when first needed.
#[derive(Default)]
pub(crate) struct Tables(Vec<(Key, Arc<Tabulated>)>);

impl Tables {
    /// The expected entropy of the answer to `q` under `h`, where the attenuated latent is `N(mean, variance)`.
    pub(crate) fn expected_entropy(
        &mut self,
        h: &Hypothesis,
        q: &IntervalQuestion,
        scale: f64,
        mean: f64,
        variance: f64,
        nodes: &Nodes,
    ) -> f64 {
        let lapse = lapse(q.outcomes, h.lapse_rate, q.misreading);
        let band = h.half_width(q.outcomes);
        if !q.outcomes.uses_band() || scale == 1.0 {
            return self.table(Of::Entropy, q.outcomes, band, 1.0, lapse).expectation(mean, variance, nodes);
        }
        let step = (scale * SCALES).floor();
        let part = scale * SCALES - step;
        let low = self.table(Of::Entropy, q.outcomes, band, step / SCALES, lapse).expectation(mean, variance, nodes);
        let high =
            self.table(Of::Entropy, q.outcomes, band, (step + 1.0) / SCALES, lapse).expectation(mean, variance, nodes);
        low + part * (high - low)
    }

    /// The table with the thresholds times `scale`.
    pub(crate) fn table(&mut self, of: Of, outcomes: Outcomes, band: f64, scale: f64, lapse: f64) -> &Tabulated {
        let key = (of, outcomes, [band.to_bits(), scale.to_bits(), lapse.to_bits()]);
        let index = self.0.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            let make = || Tabulated::new(outcomes, band, scale, lapse, |p| of.term(p));
            self.0.push((key, kept(key, make)));
            self.0.len() - 1
        });
        &self.0[index].1
    }
}

/// The table of a key: the one that is kept, or a new one, which is then kept.
fn kept(key: Key, make: impl FnOnce() -> Tabulated) -> Arc<Tabulated> {
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, table)) = lock().iter().find(|(k, _)| *k == key) {
        return Arc::clone(table);
    }
    let table = Arc::new(make());
    let mut all = lock();
    if all.len() >= KEPT_MAX {
        all.clear();
    }
    all.push((key, Arc::clone(&table)));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_agree_with_brute_force() {
        let nodes = Nodes::new();
        for (outcomes, lapse) in [
            (Outcomes::Two, 0.0),
            (Outcomes::Two, 0.1),
            (Outcomes::Band, 0.01),
            (Outcomes::Levels(5), 0.3),
            (Outcomes::Importance, 0.02),
        ] {
            let table = Tabulated::new(outcomes, 0.7, 0.9, lapse, entropy_term);
            for (mean, variance) in
                [(0.0, 1e-12), (0.3, 0.5), (-2.0, 1.55), (-2.0, 1.57), (1.0, 30.0), (40.0, 100.0), (3.0, 1e6)]
            {
                let n = 200_000;
                let sd = f64::sqrt(variance);
                let sum: f64 = (0..n)
                    .map(|i| {
                        let t = -9.0 + 18.0 * (f64::from(i) + 0.5) / f64::from(n);
                        let h: f64 = (0..outcomes.count())
                            .map(|k| {
                                let (lo, hi) = outcomes.bounds(k, 0.7);
                                entropy_term(probability(
                                    mean + sd * t,
                                    1.0,
                                    IntervalLikelihood {
                                        lo: 0.9 * lo,
                                        hi: 0.9 * hi,
                                        lapse,
                                        outcomes: outcomes.count(),
                                    },
                                ))
                            })
                            .sum();
                        super::super::normal::density(t) * h
                    })
                    .sum();
                let expected = sum * 18.0 / f64::from(n);
                let got = table.expectation(mean, variance, &nodes);
                assert!(
                    (got - expected).abs() < 2e-4,
                    "{outcomes:?} lapse {lapse} N({mean}, {variance}): {got} not {expected}"
                );
            }
        }
    }
}
