//! What one hypothesis expects of a question, before it is answered.

use super::datum::{Answer, Datum, IntervalQuestion, Prepared, RankingQuestion};
use super::finite::{OrderTable, ln_answers};
use super::history::History;
use super::hypothesis::{Body, Hypothesis, Marginal, Posterior, Prior, Site, remove, retest_correlation};
use super::interval::{self, IntervalLikelihood};
use super::logs::{ln_sum_exp, softmax};
use super::ranking;
use super::retest;
use super::settings::Settings;

/// Adds `weight` times the probabilities of all outcomes.
pub(crate) fn predict_into(
    h: &Hypothesis,
    q: &IntervalQuestion,
    scale: f64,
    mean: f64,
    variance: f64,
    weight: f64,
    out: &mut [f64],
) {
    let seen = |outcome| h.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale);
    let mut rest = 1.0;
    let last = out.len() - 1;
    for (k, sum) in out[..last].iter_mut().enumerate() {
        let p = interval::probability(mean, 1.0 + variance, seen(k));
        rest -= p;
        *sum += weight * p;
    }
    out[last] += weight * rest.max(0.0);
}

impl Hypothesis {
    /// Probabilities of all outcomes of a question; `repeated` is the site of earlier answers to it.
    pub(crate) fn predict(
        &self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        question: &Prepared,
        repeated: Option<usize>,
        g: &mut Vec<f64>,
    ) -> Vec<f64> {
        match question {
            Prepared::Interval(q) => match repeated {
                None => self.predict_interval(prior, q, g),
                Some(site) => self.predict_again(settings, prior, history, q, site, g),
            },
            Prepared::Ranking(q) => self.predict_ranking(prior, q, g),
        }
    }

    fn predict_interval(&self, prior: &Prior, q: &IntervalQuestion, g: &mut Vec<f64>) -> Vec<f64> {
        let scale = self.attenuation(prior, &q.error);
        g.resize(q.direction.len(), 0.0);
        let marginal = self.marginal(prior, &q.direction, g);
        let count = q.outcomes.count();
        let seen = |outcome| self.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale);
        match marginal {
            Marginal::Normal { mean, variance } => (0..count)
                .map(|k| interval::probability(mean * scale, 1.0 + variance * scale * scale, seen(k)))
                .collect(),
            Marginal::Atoms { values, masses } => (0..count)
                .map(|k| {
                    let seen = seen(k);
                    values.iter().zip(&masses).map(|(z, p)| p * interval::probability(z * scale, 1.0, seen)).sum()
                })
                .collect(),
        }
    }

    /// Equation (5) as a prediction: `Z(y_1..y_k) / Z(y_1..y_{k-1})`, normalised over outcomes.
    fn predict_again(
        &self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        q: &IntervalQuestion,
        index: usize,
        g: &mut Vec<f64>,
    ) -> Vec<f64> {
        let Datum::Interval { direction, error, answers, .. } = &history.records[index] else {
            return self.predict_interval(prior, q, g);
        };
        let scale = self.attenuation(prior, error);
        let rho = retest_correlation(settings, scale);
        let count = q.outcomes.count();
        let mut with: Vec<IntervalLikelihood> = self.seen_all(answers, scale);
        let mut extended = answers.clone();
        let mut ln: Vec<f64> = Vec::with_capacity(count);
        g.resize(direction.len(), 0.0);
        let mut masses = Vec::new();
        let mut values = Vec::new();
        let mut cavity = (0.0, 0.0);
        match self.body(prior) {
            Body::Finite { finite, atoms } => {
                values = atoms.values(direction).map(|z| z * scale).collect();
                masses = finite.masses();
                for (mass, &z) in masses.iter_mut().zip(&values) {
                    *mass = libm::log(*mass) - ln_answers(z, rho, &with);
                }
            }
            Body::Gaussian { belief, sites, .. } if !self.drifts() => {
                let (mean, variance) = belief.functional(direction, g);
                let (mean, variance) = (mean * scale, variance * scale * scale);
                cavity = match &sites[index] {
                    Site::Scalar { site, .. } => remove(*site, mean, variance).unwrap_or((mean, variance)),
                    Site::Block(_) => (mean, variance),
                };
            }
            Body::Gaussian { .. } => {}
        }
        for outcome in 0..count {
            let answer = Answer { outcomes: q.outcomes, outcome, misreading: q.misreading };
            with.push(self.seen(answer, scale));
            extended.push(answer);
            ln.push(match &self.posterior {
                Posterior::Gaussian { .. } if self.drifts() => {
                    self.clone().refold(settings, prior, history, Some((index, &extended)), g)
                }
                Posterior::Gaussian { .. } => retest::tilt(cavity.0, cavity.1, rho, &with).ln_z,
                Posterior::Finite(_) => {
                    let joint: Vec<f64> =
                        masses.iter().zip(&values).map(|(m, &z)| m + ln_answers(z, rho, &with)).collect();
                    ln_sum_exp(&joint)
                }
            });
            with.pop();
            extended.pop();
        }
        softmax(&mut ln);
        ln
    }

    fn predict_ranking(&self, prior: &Prior, q: &RankingQuestion, g: &mut Vec<f64>) -> Vec<f64> {
        let noise = self.ranking_noise(prior, q.n, &q.error);
        match self.body(prior) {
            Body::Gaussian { belief, .. } => {
                let (u, mut k) = self.utilities(belief, &q.features, q.n, g);
                for i in 0..q.n {
                    k[i * q.n + i] += noise[i];
                }
                ranking::probabilities(q.places, &u, &k, self.lapse_rate)
            }
            Body::Finite { finite, atoms } => {
                let mut table = OrderTable::new(self.prior, atoms, q, noise);
                finite.predict_orders(atoms, q, &mut table, self.lapse_rate)
            }
        }
    }
}
