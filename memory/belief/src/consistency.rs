//! How consistent a person is: the probability of giving the same answer again (docs/belief.md, section 8).

use super::hypothesis::{Prior, shared_share};
use super::information::heaviest;
use super::interval::Outcomes;
use super::mixture::Mixture;
use super::observation::{Prepared, Question, lapse};
use super::tabulated::{Nodes, Tabulated};

/// Probability of giving the same answer again, averaged over questions: how consistent the person is, by equation (5).
///
/// # Panics
/// As [`score`](super::score); rankings are not asked twice.
pub fn consistency(mixture: &Mixture, questions: &[Question]) -> f64 {
    let (settings, priors, hypotheses, _) = mixture.parts();
    let nodes = Nodes::new();
    let mut tables: Vec<(Outcomes, [u64; 4], Tabulated)> = Vec::new();
    let (mut sum, mut count) = (0.0, 0usize);
    for question in questions {
        assert!(question.check(mixture.width()).is_ok(), "questions are checked before they are scored");
        let asked = mixture.asked(question);
        if matches!(asked[0].0, Prepared::Ranking(_)) {
            continue;
        }
        count += 1;
        let mut g = vec![0.0; mixture.dimension()];
        for (index, weight) in heaviest(mixture) {
            let h = &hypotheses[index];
            let prior = &priors[h.prior];
            let Prepared::Interval(q) = &asked[h.reading].0 else { continue };
            let scale = h.attenuation(prior, &q.error);
            let rho = shared_share(settings, scale);
            // In units of the own noise the latent t = z + r is tabulated: P(y | t)^2 summed over outcomes.
            let own = (1.0 - rho).max(1e-6).sqrt();
            let lapse = lapse(q.outcomes, h.lapse_rate, q.misreading);
            let band = h.half_width(q.outcomes);
            let key = [band.to_bits(), scale.to_bits(), lapse.to_bits(), own.to_bits()];
            let found = tables.iter().position(|(o, k, _)| *o == q.outcomes && *k == key);
            let at = found.unwrap_or_else(|| {
                tables.push((q.outcomes, key, Tabulated::new(q.outcomes, band, scale / own, lapse, |p| p * p)));
                tables.len() - 1
            });
            let table = &tables[at].2;
            let mut add = |z: f64, v: f64, share: f64| {
                sum += share * table.expectation(z * scale / own, (v * scale * scale + rho) / (own * own), &nodes);
            };
            match (h.gaussian(), h.finite(), prior) {
                (Some(belief), _, _) => {
                    let (mean, variance) = belief.functional(&q.direction, &mut g);
                    add(mean, variance, weight);
                }
                (_, Some(finite), Prior::Finite(atoms)) => {
                    atoms.values(&q.direction).zip(finite.masses()).for_each(|(z, mass)| add(z, 0.0, weight * mass));
                }
                _ => unreachable!("a hypothesis is Gaussian or finite"),
            }
        }
    }
    if count == 0 { f64::NAN } else { sum / count as f64 }
}
