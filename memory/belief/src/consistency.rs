//! How consistent a person is: the probability of giving the same answer again (docs/belief.md, section 8).

use super::datum::{Prepared, lapse};
use super::hypothesis::{Body, retest_correlation};
use super::mixture::{Mixture, heaviest, representatives};
use super::question::Question;
use super::tabulated::{Nodes, Of, Tables};

/// Probability of giving the same answer again, averaged over questions: how consistent the person is, by equation (5).
///
/// # Panics
/// As [`score`](super::score); rankings are not asked twice.
pub fn consistency(mixture: &Mixture, questions: &[Question]) -> f64 {
    consistency_under(mixture, questions, &heaviest(mixture))
}

/// The same under so many hypotheses that stand for all of them, at evenly spaced quantiles of their weights.
///
/// # Panics
/// As [`consistency`].
pub fn rough_consistency(mixture: &Mixture, questions: &[Question], hypotheses: usize) -> f64 {
    consistency_under(mixture, questions, &representatives(mixture, hypotheses))
}

fn consistency_under(mixture: &Mixture, questions: &[Question], under: &[(usize, f64)]) -> f64 {
    let (settings, priors, hypotheses, _) = mixture.parts();
    let nodes = Nodes::new();
    let mut tables = Tables::default();
    let (mut sum, mut count) = (0.0, 0usize);
    for question in questions {
        assert!(question.check(mixture.width()).is_ok(), "questions are checked before they are scored");
        let asked = mixture.asked(question);
        if matches!(asked[0].0, Prepared::Ranking(_)) {
            continue;
        }
        count += 1;
        let mut g = vec![0.0; mixture.dimension()];
        for &(index, weight) in under {
            let h = &hypotheses[index];
            let prior = &priors[h.prior];
            let Prepared::Interval(q) = &asked[h.reading].0 else { continue };
            let scale = h.attenuation(prior, &q.error);
            let rho = retest_correlation(settings, scale);
            // In units of the own noise the latent t = z + r is tabulated: P(y | t)^2 summed over outcomes.
            let own = (1.0 - rho).max(1e-6).sqrt();
            let lapse = lapse(q.outcomes, h.lapse_rate, q.misreading);
            let band = h.half_width(q.outcomes);
            let table = tables.table(Of::Agreement, q.outcomes, band, scale / own, lapse);
            let mut add = |z: f64, v: f64, share: f64| {
                sum += share * table.expectation(z * scale / own, (v * scale * scale + rho) / (own * own), &nodes);
            };
            match h.body(prior) {
                Body::Gaussian { belief, .. } => {
                    let (mean, variance) = belief.functional(&q.direction, &mut g);
                    add(mean, variance, weight);
                }
                Body::Finite { finite, atoms } => {
                    atoms.values(&q.direction).zip(finite.masses()).for_each(|(z, mass)| add(z, 0.0, weight * mass));
                }
            }
        }
    }
    if count == 0 { f64::NAN } else { sum / count as f64 }
}
