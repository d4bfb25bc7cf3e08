//! Several questions at once: each as if those before it had been answered (docs/belief.md, section 7).

use super::datum::{Answer, IntervalQuestion, Prepared, RankingQuestion};
use super::hypothesis::{Hypothesis, Posterior, Prior};
use super::information::expected_information_gain;
use super::interval;
use super::mixture::Mixture;
use super::question::Question;
use super::ranking;
use super::symmetric::{add_scaled, rank_one};

/// Chooses several questions to ask at once: greedily by information gain for its cost, each time as if the questions already
/// chosen had been answered as informatively as expected, so that near-copies lose their worth. Returns their numbers in
/// the order chosen; the sum of their costs is at most `budget`.
///
/// # Panics
/// When `costs` has another length than `questions`, a cost is not positive, or as [`score`](super::score).
pub fn choose_batch(mixture: &Mixture, questions: &[Question], costs: &[f64], budget: f64, most: usize) -> Vec<usize> {
    assert_eq!(questions.len(), costs.len(), "one cost for each question");
    assert!(costs.iter().all(|c| *c > 0.0), "costs are positive");
    let gains = expected_information_gain(mixture, questions);
    let mut pool: Vec<usize> = (0..questions.len()).filter(|&i| costs[i] <= budget).collect();
    let rate = |gain: f64, i: usize| gain / costs[i];
    pool.sort_by(|&a, &b| rate(gains[b], b).total_cmp(&rate(gains[a], a)).then(a.cmp(&b)));
    pool.truncate((8 * most).max(64));
    let mut imagined = mixture.clone();
    let (mut chosen, mut left) = (Vec::new(), budget);
    while chosen.len() < most {
        pool.retain(|&i| costs[i] <= left && !chosen.contains(&i));
        if pool.is_empty() {
            break;
        }
        let asked: Vec<Question> = pool.iter().map(|&i| questions[i].clone()).collect();
        let gains = expected_information_gain(&imagined, &asked);
        let mut best = 0;
        for k in 1..pool.len() {
            if rate(gains[k], pool[k]) > rate(gains[best], pool[best]) {
                best = k;
            }
        }
        let pick = pool[best];
        left -= costs[pick];
        imagined.imagine(&questions[pick]);
        chosen.push(pick);
    }
    chosen
}

impl Hypothesis {
    /// As if a question had been answered as informatively as expected: the covariance shrinks, the mean and the weight
    /// stay. For choosing several questions at once; never for updating.
    pub(crate) fn imagine(&mut self, prior: &Prior, question: &Prepared) {
        let Posterior::Gaussian { belief, .. } = &self.posterior else { return };
        match question {
            Prepared::Interval(q) => {
                let scale = self.attenuation(prior, &q.error);
                let mut g = vec![0.0; q.direction.len()];
                let (mean, variance) = belief.functional(&q.direction, &mut g);
                let v = variance * scale * scale;
                let shrink = expected_bend(self, q, scale, mean * scale, v) / (1.0 + v);
                let Posterior::Gaussian { belief, .. } = &mut self.posterior else { return };
                rank_one(&mut belief.covariance, -shrink * scale * scale, &g);
            }
            Prepared::Ranking(q) => {
                let noise = self.ranking_noise(prior, q.n, &q.error);
                let mut g = Vec::new();
                let (u, s) = self.utilities(belief, &q.features, q.n, &mut g);
                let shrink = expected_curvature(self, q, &u, &s, &noise);
                let Posterior::Gaussian { belief, .. } = &mut self.posterior else { return };
                belief.include_block(&g, &shrink, &vec![0.0; q.n], 0.0);
            }
        }
    }
}

/// The expected curvature of an answer under one hypothesis: all that imagining needs.
fn expected_bend(h: &Hypothesis, q: &IntervalQuestion, scale: f64, mu: f64, v: f64) -> f64 {
    (0..q.outcomes.count())
        .map(|outcome| {
            let seen = h.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale);
            let t = interval::tilt(mu, v, 1.0, seen);
            libm::exp(t.ln_z) * t.curvature
        })
        .sum::<f64>()
        .clamp(0.0, 1.0)
}

/// The same for a ranking: the expected curvature in the utilities.
fn expected_curvature(h: &Hypothesis, q: &RankingQuestion, u: &[f64], s: &[f64], noise: &[f64]) -> Vec<f64> {
    let mut beta = vec![0.0; q.n * q.n];
    for order in q.places.orders(q.n) {
        let t = ranking::tilt(q.places, &order, u, s, noise, h.lapse_rate);
        add_scaled(&mut beta, libm::exp(t.ln_z), &t.beta);
    }
    beta
}
