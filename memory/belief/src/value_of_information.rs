//! What an answer is worth to a decision: expected utility of the best option, value of information (docs/belief.md, section 7).

use super::datum::{Answer, Prepared};
use super::decision::assess;
use super::hypothesis::Body;
use super::interval;
use super::mixture::{Mixture, heaviest};
use super::normal::positive_part;
use super::prediction::predict_into;
use super::question::Question;
use super::ranking;
use super::symmetric::{dot, first_max};

/// Equation (16): expected utility of the better alternative.
pub(crate) fn expected_best(mixture: &Mixture, question: &Question, second: Option<&Vec<f64>>) -> f64 {
    let at = |a: &[f64], floor: f64| {
        floor + mixture.functional(a).parts().iter().map(|p| p.weight * positive_part(p.mean, p.sd * p.sd)).sum::<f64>()
    };
    match question {
        Question::Comparison { difference, .. } => {
            at(difference, second.map_or(0.0, |phi| mixture.functional(phi).mean()))
        }
        Question::Importance { direction, .. } | Question::Statement { direction, .. } => at(direction, 0.0),
        Question::Graded { features, .. } => at(features, 0.0),
        Question::Ranking { features, .. } => {
            assess(mixture, features).map_or(f64::NEG_INFINITY, |a| a.expected_utility[a.best] + a.expected_regret)
        }
    }
}

/// Equation (17): expected gain in `max_k E[u_k]` from an answer; at least 0.
///
/// # Panics
/// As [`score`](super::score).
pub fn value_of_information(mixture: &Mixture, question: &Question, decision: &[Vec<f64>]) -> f64 {
    assert!(question.check(mixture.width()).is_ok(), "questions are checked before they are scored");
    if decision.len() < 2 {
        return 0.0;
    }
    let (_, priors, hypotheses, readings) = mixture.parts();
    let asked = mixture.asked(question);
    let decisions: Vec<Vec<_>> =
        readings.iter().map(|reading| decision.iter().map(|phi| reading.narrow(phi)).collect()).collect();
    let (count, k) = (question.outcome_count(), decision.len());
    // Joint expectation of utility and outcome, and without the outcome.
    let mut with = vec![0.0; count * k];
    let mut without = vec![0.0; k];
    let mut g = Vec::new();
    for (index, weight) in heaviest(mixture) {
        let h = &hypotheses[index];
        let prior = &priors[h.prior];
        let (prepared, decision) = (&asked[h.reading].0, &decisions[h.reading]);
        match (prepared, h.body(prior)) {
            (Prepared::Interval(q), Body::Gaussian { belief, .. }) => {
                let scale = h.attenuation(prior, &q.error);
                g.resize(q.direction.len(), 0.0);
                let (mean, variance) = belief.functional(&q.direction, &mut g);
                let (mu, v) = (mean * scale, variance * scale * scale);
                let s = (1.0 + v).sqrt();
                for y in 0..count {
                    let seen = h.seen(Answer { outcomes: q.outcomes, outcome: y, misreading: q.misreading }, scale);
                    let t = interval::tilt(mu, v, 1.0, seen);
                    let share = weight * libm::exp(t.ln_z);
                    for (j, phi) in decision.iter().enumerate() {
                        with[y * k + j] += share * (dot(phi, &belief.mean) + dot(phi, &g) * scale * t.gradient / s);
                    }
                }
                for (j, phi) in decision.iter().enumerate() {
                    without[j] += weight * dot(phi, &belief.mean);
                }
            }
            (Prepared::Ranking(q), Body::Gaussian { belief, .. }) => {
                let noise = h.ranking_noise(prior, q.n, &q.error);
                let (u, s) = h.utilities(belief, &q.features, q.n, &mut g);
                let d = belief.mean.len();
                for (y, order) in q.places.orders(q.n).iter().enumerate() {
                    let t = ranking::tilt(q.places, order, &u, &s, &noise, h.lapse_rate);
                    let share = weight * libm::exp(t.ln_z);
                    for (j, phi) in decision.iter().enumerate() {
                        let moved: f64 =
                            t.alpha.iter().enumerate().map(|(i, a)| a * dot(&g[i * d..(i + 1) * d], phi)).sum();
                        with[y * k + j] += share * (dot(phi, &belief.mean) + moved);
                    }
                }
                for (j, phi) in decision.iter().enumerate() {
                    without[j] += weight * dot(phi, &belief.mean);
                }
            }
            (_, Body::Finite { finite, atoms }) => {
                let masses = finite.masses();
                for (w, mass) in atoms.weights.chunks_exact(mixture.dimension()).zip(&masses) {
                    let p: Vec<f64> = match prepared {
                        Prepared::Interval(q) => {
                            let scale = h.attenuation(prior, &q.error);
                            let z = dot(w, &q.direction) * scale;
                            let mut p = vec![0.0; count];
                            predict_into(h, q, scale, z, 0.0, 1.0, &mut p);
                            p
                        }
                        Prepared::Ranking(q) => {
                            let noise = h.ranking_noise(prior, q.n, &q.error);
                            let n = q.n;
                            let cov: Vec<f64> =
                                (0..n * n).map(|i| if i % (n + 1) == 0 { noise[i / n] } else { 0.0 }).collect();
                            let u: Vec<f64> = q.features.chunks_exact(w.len()).map(|phi| dot(w, phi)).collect();
                            ranking::probabilities(q.places, &u, &cov, h.lapse_rate)
                        }
                    };
                    for (j, phi) in decision.iter().enumerate() {
                        let u = weight * mass * dot(phi, w);
                        without[j] += u;
                        for y in 0..count {
                            with[y * k + j] += p[y] * u;
                        }
                    }
                }
            }
        }
    }
    let after: f64 = with.chunks_exact(k).map(|u| u[first_max(u)]).sum();
    (after - without[first_max(&without)]).max(0.0)
}
