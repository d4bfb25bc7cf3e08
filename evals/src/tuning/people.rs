//! The simulated people of the tuning experiment: what they have in common, what is their own, and what they choose.

use credence_agent::bank::{BankAlternative, BankQuestion};
use credence_agent::reader::Reader;
use credence_memory::belief::simulate::{normal, normals};
use credence_memory::ids::AlternativeId;
use credence_memory::state::State;
use credence_priors::checks::embedded_pairs;
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{TuningError, TuningExperiment};

/// The direction of values in which what is obvious stands out, by the obvious pairs, none of which the gate judges by.
pub(super) fn obvious(reader: &mut Reader) -> Result<Vec<f64>, TuningError> {
    let mut differences = Vec::new();
    for pair in embedded_pairs()? {
        let acts = [pair.better, pair.worse].map(BankAlternative::unkeyed);
        let read = reader.describe(&pair.situation, &acts)?;
        differences.push(read[0].schema.iter().zip(&read[1].schema).map(|(a, b)| a.get() - b.get()).collect());
    }
    Ok(discriminant(&differences))
}

/// The mean of differences, by the spread that they have (ridged by its mean over the axes).
fn discriminant(differences: &[Vec<f64>]) -> Vec<f64> {
    let width = differences.first().map_or(0, Vec::len);
    let mut spread = DMatrix::<f64>::zeros(width, width);
    let mut mean = DVector::<f64>::zeros(width);
    for d in differences.iter().map(|d| DVector::from_column_slice(d)) {
        spread.ger(1.0, &d, &d, 1.0);
        mean += d;
    }
    let ridge = (spread.trace() / width.max(1) as f64).max(1e-9);
    spread += DMatrix::identity(width, width) * ridge;
    spread.cholesky().map_or_else(|| mean.clone(), |c| c.solve(&mean)).as_slice().to_vec()
}

/// What people value: a direction that they have in common, and one of their own; lengths are such that a typical utility
/// difference over the bank has the experiment's signal. What they have in common is drawn at random and held with what is
/// obvious as far as the experiment says; nothing is drawn from what the model believes.
pub(super) fn people(
    experiment: &TuningExperiment,
    state: &State,
    questions: &[BankQuestion],
    obvious: &[f64],
) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(experiment.seed);
    let schema =
        |id: &AlternativeId| state.description(id).map(|d| d.schema.iter().map(|x| x.get()).collect::<Vec<_>>());
    let differences: Vec<Vec<f64>> = questions
        .iter()
        .filter_map(|q| {
            let side = |i: usize| schema(&AlternativeId::of(&q.situation, &q.alternatives[i].text));
            Some(side(0)?.iter().zip(side(1)?).map(|(a, b)| a - b).collect())
        })
        .collect();
    let width = differences.first().map_or(0, Vec::len);
    let spread = |w: &[f64]| {
        let squares: f64 = differences.iter().map(|d| d.iter().zip(w).map(|(x, w)| x * w).sum::<f64>().powi(2)).sum();
        (squares / differences.len().max(1) as f64).sqrt().max(1e-9)
    };
    let unit = |w: Vec<f64>| {
        let scale = spread(&w);
        w.into_iter().map(|x| x / scale).collect::<Vec<f64>>()
    };
    let mix = |a: &[f64], b: &[f64], share: f64| -> Vec<f64> {
        unit(a.iter().zip(b).map(|(a, b)| (1.0 - share).sqrt() * a + share.sqrt() * b).collect())
    };
    let common = mix(&unit(normals(width, &mut random)), &unit(obvious.to_vec()), experiment.sense);
    (0..experiment.people + experiment.newcomers)
        .map(|_| {
            let own = unit(normals(width, &mut random));
            mix(&common, &own, experiment.spread).into_iter().map(|x| experiment.signal * x).collect()
        })
        .collect()
}

/// Which alternative somebody of these weights chooses, with the noise that people have.
pub(super) fn choose(state: &State, weights: &[f64], pair: [AlternativeId; 2], random: &mut ChaCha8Rng) -> usize {
    let utility = |id: &AlternativeId| {
        let schema = state.description(id).map(|d| d.schema.clone()).unwrap_or_default();
        weights.iter().zip(&schema).map(|(w, x)| w * x.get()).sum::<f64>()
    };
    usize::from(utility(&pair[0]) - utility(&pair[1]) + normal(random) < 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obvious_is_told_from_what_only_varies() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let differences: Vec<Vec<f64>> =
            (0..40).map(|_| vec![0.5 + 0.3 * normal(&mut random), 3.0 * normal(&mut random)]).collect();
        let direction = discriminant(&differences);
        let ranked = |w: &[f64]| differences.iter().filter(|d| d[0] * w[0] + d[1] * w[1] > 0.0).count();
        let mean: Vec<f64> = (0..2).map(|i| differences.iter().map(|d| d[i]).sum()).collect();
        assert!(direction[0] > 0.0 && direction[1].abs() < 0.2 * direction[0], "{direction:?}");
        assert!(ranked(&direction) > ranked(&mean).max(30), "{} and {}", ranked(&direction), ranked(&mean));
    }
}
