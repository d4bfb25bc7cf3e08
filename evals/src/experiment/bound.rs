//! What docs/belief.md's equation (14) promises before anything is asked: from how many answers on the excess log loss, on
//! average over the answers so far, is under a target, whatever the answers are.

use credence_memory::belief::normal::cdf;
use credence_memory::belief::{Location, Settings};

/// Most answers that are looked at.
const ANSWERS_MAX: f64 = 1e7;

/// What the promise depends on.
///
/// Locations have covariance `variance` times the identity at signal scale 1, and questions directions of mean squared length
/// `square` (for then `ln det(I + v sum x x') <= D ln(1 + v N square / D)`, by the inequality of the means). `pairs` are
/// utility differences on which the price of another lapse rate is averaged.
pub(super) struct Promise<'a> {
    pub(super) settings: &'a Settings,
    /// Locations, zero and elicited only, and their variances.
    pub(super) locations: &'a [(Location, f64)],
    /// The person's weights and lapse rate.
    pub(super) w: &'a [f64],
    pub(super) lapse_rate: f64,
    pub(super) square: f64,
    pub(super) pairs: &'a [f64],
    /// Whether answers depend on bands; else hypotheses that differ in them count as one.
    pub(super) bands_matter: bool,
}

impl Promise<'_> {
    /// The smallest number of answers at which the bound per answer is at most `target` nats above who knows the weights
    /// and the lapse rate; nothing when no number is.
    pub(super) fn answers(&self, target: f64) -> Option<usize> {
        let Self { settings, locations, w, lapse_rate, square, pairs, bands_matter } = *self;
        let d = w.len() as f64;
        let bands = if bands_matter { settings.bands.len() } else { 1 };
        let hypotheses = (locations.len() * settings.signal_scales.len() * settings.lapse_rates.len() * bands) as f64;
        // With drift among the hypotheses those without it share what is left.
        let ln_share = (hypotheses / (1.0 - settings.slow_drift_weight)).ln();
        let mut costs: Vec<(f64, f64, f64)> = Vec::new();
        for &lapse in &settings.lapse_rates {
            let wasted = pairs.iter().map(|z| divergence(lapsed(*z, lapse_rate), lapsed(*z, lapse))).sum::<f64>();
            let wasted = wasted / pairs.len().max(1) as f64;
            for (location, variance) in locations {
                for &sigma in &settings.signal_scales {
                    let v = variance * sigma * sigma;
                    let apart: f64 = w.iter().zip(&location.mean).map(|(w, m)| (w - sigma * m) * (w - sigma * m)).sum();
                    costs.push((wasted, ln_share + 0.5 * apart / v, v));
                }
            }
        }
        let fits = |n: f64| {
            costs
                .iter()
                .any(|(wasted, fixed, v)| wasted + (fixed + 0.5 * d * (1.0 + v * n * square / d).ln()) / n <= target)
        };
        let mut high = 1.0;
        while !fits(high) {
            high *= 2.0;
            if high > ANSWERS_MAX {
                return None;
            }
        }
        let mut low = high / 2.0;
        while high - low > 0.5 {
            let middle = f64::midpoint(low, high);
            if fits(middle) { high = middle } else { low = middle }
        }
        Some(high.ceil() as usize)
    }
}

fn lapsed(z: f64, rate: f64) -> f64 {
    (1.0 - rate) * cdf(z) + 0.5 * rate
}

/// Kullback-Leibler divergence of two coins, nats.
pub(super) fn divergence(truth: f64, p: f64) -> f64 {
    let term = |t: f64, p: f64| if t > 0.0 { t * (t / p).ln() } else { 0.0 };
    (term(truth, p) + term(1.0 - truth, 1.0 - p)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_memory::belief::simulate::normals;
    use credence_memory::belief::{LocationName, Priors, Question, regret_bound};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn isotropic(name: LocationName, mean: Vec<f64>, variance: f64) -> (Location, f64) {
        let d = mean.len();
        let covariance = (0..d).flat_map(|i| (0..=i).map(move |j| if i == j { variance } else { 0.0 })).collect();
        (Location { name, mean, covariance }, variance)
    }

    #[test]
    fn what_is_promised_is_never_sooner_than_the_bound_on_any_answers_allows() {
        let settings = Settings { slow_drift_weight: 0.0, ..Settings::default() };
        let w = [3.0, -1.0, 2.0];
        let locations = [
            isotropic(LocationName::Zero, vec![0.0; 3], 1.0 / 3.0),
            isotropic(LocationName::Elicited, vec![-0.5, 0.3, -0.4], 0.02),
        ];
        let priors = Priors {
            locations: locations.iter().map(|(l, _)| l.clone()).collect(),
            scaled: vec![true; 3],
            lattices: Vec::new(),
            component_masses: Vec::new(),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let directions: Vec<Vec<f64>> = (0..400).map(|_| normals(3, &mut rng)).collect();
        let values: Vec<f64> = directions.iter().map(|x| x.iter().zip(&w).map(|(x, w)| x * w).sum()).collect();
        let square = directions.iter().flatten().map(|x| x * x).sum::<f64>() / 400.0;
        let target = 0.12;
        let promise = Promise {
            settings: &settings,
            locations: &locations,
            w: &w,
            lapse_rate: 0.01,
            square,
            pairs: &values,
            bands_matter: false,
        };
        let n = promise.answers(target).expect("in time");
        assert!((50..400).contains(&n), "{n}");
        // The likeliest answers to the first n of those questions, by someone who lapses one time in a hundred.
        let answers: Vec<_> = (0..n)
            .map(|i| Question::choice(directions[i].clone(), false).answer(usize::from(values[i] < 0.0)))
            .collect();
        let own: f64 = values[..n].iter().map(|z| -lapsed(z.abs(), 0.01).ln()).sum();
        let bound = regret_bound(&settings, &priors, &answers, &w).expect("a bound");
        // Questions differ in length; their mean over n is close to that over all.
        assert!((bound - own) / n as f64 <= target * 1.1, "{bound} {own} {n}");
        assert!(promise.answers(2.0 * target).expect("in time") < n);
        // A rate of lapses far from all in the grid is never promised to cost so little.
        assert_eq!(Promise { lapse_rate: 0.9, ..promise }.answers(1e-3), None);
    }
}
