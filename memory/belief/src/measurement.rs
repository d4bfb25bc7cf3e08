//! Measurement error as people have it: the noise `1 + sum_i e_i w_i^2` of a record depends on the weights (docs/belief.md, section 6).
//!
//! Belief itself has the expectation under the prior in its place, equation (3), so that a record's likelihood stays one of its
//! functional. What is shown is refitted: with the noise that the belief expects, and with what the answers tell of the noise.

use super::datum::Datum;
use super::gaussian::Gaussian;
use super::history::History;
use super::hypothesis::{Hypothesis, Posterior, Prior, Site, remove, retest_correlation};
use super::interval;
use super::ranking;
use super::retest;
use super::settings::Settings;
use super::symmetric::diagonal;

/// Most rounds in which noise, factors and sites are made in turns.
const ROUNDS_MAX: usize = 8;
/// Rounds end when no weight's mean moved by more than this, in standard deviations.
const SETTLED: f64 = 5e-3;
/// After the last round it is taken if none moved by more than this.
const SETTLING: f64 = 0.1;

/// A hypothesis refitted: its sites stand beside a prior that has the factors `exp(gamma_i s_i)` of all records in it.
pub(crate) struct Refitted {
    pub(crate) hypothesis: Hypothesis,
    pub(crate) prior: Prior,
    /// `gamma_i` of every record; of a ranking one for each alternative, without an error none.
    pub(crate) gains: Vec<Vec<f64>>,
}

impl Hypothesis {
    /// The same assumptions with the measurement error of equation (21) in place of (3); nothing where no record has an error, or where
    /// that finds no fixed point.
    pub(crate) fn with_own_errors(&self, settings: &Settings, prior: &Prior, history: &History) -> Option<Refitted> {
        let Prior::Gaussian(moments) = prior else { return None };
        if self.drifts() || !history.records.iter().any(Datum::has_error) {
            return None;
        }
        let mut g = Vec::new();
        let mut now = Refitted { hypothesis: self.clone(), prior: prior.clone(), gains: Vec::new() };
        let mut settling = false;
        for _ in 0..ROUNDS_MAX {
            let Posterior::Gaussian { belief, .. } = &now.hypothesis.posterior else { return None };
            let belief = belief.clone();
            now.gains = now.hypothesis.error_gains(settings, &now.prior, history);
            let mut tightened = vec![0.0; belief.mean.len()];
            for (record, gain) in history.records.iter().zip(&now.gains) {
                let (Datum::Interval { error, .. } | Datum::Ranking { error, .. }) = record;
                for (e, gain) in error.chunks_exact(tightened.len()).zip(gain) {
                    tightened.iter_mut().zip(e).for_each(|(t, e)| *t -= 2.0 * gain * e);
                }
            }
            let second = belief.mean.iter().zip(diagonal(&belief.covariance)).map(|(m, v)| m * m + v).collect();
            let moments = moments.times(&tightened, second)?;
            let h = &mut now.hypothesis;
            h.posterior = Posterior::Gaussian { belief: Gaussian::prior(&moments), sites: Vec::new() };
            (h.ln_marginal, h.abandoned) = (0.0, 0);
            now.prior = Prior::Gaussian(moments);
            for record in &history.records {
                h.append(settings, &now.prior, record, &mut g);
            }
            h.refine(settings, &now.prior, history, &mut g);
            let Posterior::Gaussian { belief: after, .. } = &h.posterior else { return None };
            if h.abandoned > 0 {
                return None;
            }
            let moved = belief.mean.iter().zip(&after.mean).zip(diagonal(&after.covariance));
            let largest = moved
                .map(|((a, b), v)| (a - b).abs() / v.sqrt())
                .fold(0.0, |m: f64, x| if x > m || x.is_nan() { x } else { m });
            if largest < SETTLED {
                return Some(now);
            }
            settling = largest < SETTLING;
        }
        settling.then_some(now)
    }

    /// `gamma_i = d ln Z_i / d s_i`, by the heat equation `(alpha^2 - beta) / 2`: noise and the cavity's variance are one number in `Z`.
    fn error_gains(&self, settings: &Settings, prior: &Prior, history: &History) -> Vec<Vec<f64>> {
        let Posterior::Gaussian { belief, sites } = &self.posterior else { return Vec::new() };
        let mut g = Vec::new();
        let each = history.records.iter().zip(sites).map(|(record, site)| match (record, site) {
            (Datum::Interval { direction, answers, error, .. }, Site::Scalar { scale, site }) if !error.is_empty() => {
                g.resize(direction.len(), 0.0);
                let (mean, variance) = belief.functional(direction, &mut g);
                let Some((mu, v)) = remove(*site, mean * scale, variance * scale * scale) else { return vec![0.0] };
                let t = match answers.as_slice() {
                    [answer] => interval::tilt(mu, v, 1.0, self.seen(*answer, *scale)),
                    _ => retest::tilt(mu, v, retest_correlation(settings, *scale), &self.seen_all(answers, *scale)),
                };
                vec![0.5 * scale * scale * (t.gradient * t.gradient - t.curvature) / (v + t.noise)]
            }
            (Datum::Ranking { n, features, error, places, order }, Site::Block(block)) if !error.is_empty() => {
                let n = *n;
                let (u, s) = self.utilities(belief, features, n, &mut g);
                let Some((u, s)) = block.remove(&u, &s) else { return vec![0.0; n] };
                let noise = self.ranking_noise(prior, n, error);
                let t = ranking::tilt(*places, order, &u, &s, &noise, self.lapse_rate);
                (0..n).map(|i| 0.5 * (t.alpha[i] * t.alpha[i] - t.beta[i * n + i])).collect()
            }
            _ => Vec::new(),
        });
        each.collect()
    }
}
