//! What a wrong prior can cost at most: the bound on cumulative log loss of docs/belief.md, equation (14).

use super::BeliefError;
use super::datum::{Answer, Prepared};
use super::hypothesis::Prior;
use super::interval::probability;
use super::location::Priors;
use super::mixture::Mixture;
use super::observation::Observation;
use super::settings::Settings;

/// Upper bound, in nats, on the cumulative log loss of exact Bayes over these observations, for any weights `w` it is compared
/// with (Kakade and Ng 2004, theorem 2.2): the least over hypotheses of what `w` itself would lose, and what it costs to find it.
///
/// Rankings and repeated questions are left out by the theorem and refused here.
///
/// # Errors
/// As [`Mixture::new`]; an observation that does not fit, is a ranking, or repeats a question.
pub fn regret_bound(
    settings: &Settings,
    priors: &Priors,
    observations: &[Observation],
    w: &[f64],
) -> Result<f64, BeliefError> {
    let mixture = Mixture::new(settings, priors)?;
    let mut answers = Vec::with_capacity(observations.len());
    let mut keys = Vec::new();
    for observation in observations {
        let question = &observation.question;
        question.check(mixture.dimension())?;
        let Prepared::Interval(q) = question.prepare(settings) else {
            return Err(BeliefError::Unbounded);
        };
        if q.key.is_some() && keys.contains(&q.key) {
            return Err(BeliefError::Unbounded);
        }
        keys.push(q.key);
        answers.push((Answer { outcomes: q.outcomes, outcome: observation.number()?, misreading: q.misreading }, q));
    }
    let bands_matter = answers.iter().any(|(answer, _)| answer.outcomes.uses_band());
    let (_, shared, hypotheses, _) = mixture.parts();
    let mut least = f64::INFINITY;
    for h in hypotheses.iter().filter(|h| h.retention == 1.0) {
        let Prior::Gaussian(moments) = &shared[h.prior] else { continue };
        // Hypotheses that are the same on these data pool their prior mass.
        let pooled: f64 = hypotheses
            .iter()
            .filter(|o| o.prior == h.prior && o.lapse_rate == h.lapse_rate && o.retention == 1.0)
            .filter(|o| !bands_matter || (o.band == h.band && o.half_step == h.half_step))
            .map(|o| libm::exp(o.ln_prior))
            .sum();
        let mut own_loss = 0.0;
        let mut inputs = Vec::with_capacity(answers.len());
        for (answer, q) in &answers {
            let scale = h.attenuation(&shared[h.prior], &q.error);
            let x: Vec<f64> = q.direction.iter().map(|a| a * scale).collect();
            let z: f64 = x.iter().zip(w).map(|(x, w)| x * w).sum();
            own_loss -= libm::log(probability(z, 1.0, h.seen(*answer, scale)));
            inputs.push(x);
        }
        let cost = own_loss - libm::log(pooled) + moments.distance(w, &inputs);
        least = least.min(cost);
    }
    Ok(least)
}
