//! What people say about their values counts as it was said (docs/belief.md, equation 23).
#![allow(clippy::print_stdout)]

use credence_belief::simulate::{Evidence, Person, below, flat_priors, normals, uniform};
use credence_belief::{Location, LocationName, Mixture, Observation, Outcome, Priors, Question, Settings, Strength};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const D: usize = 6;
/// Values; the last weight is a constant.
const V: usize = 5;
/// Contrasts enter a statement twice as large as they are shown.
const STATED: f64 = 2.0;
const STRENGTHS: [Strength; 3] = [Strength::Slight, Strength::Clear, Strength::Strong];

fn unit(priors: &Priors) -> f64 {
    priors.locations[0].covariance[0].sqrt()
}

/// A value's weight less another's or less the mean of all, in reference standard deviations.
fn contrast(priors: &Priors, value: usize, other: Option<usize>) -> Vec<f64> {
    let mut a = vec![0.0; D];
    if other.is_none() {
        a[..V].fill(-1.0 / (V as f64 * unit(priors)));
    }
    if let Some(other) = other {
        a[other] -= 1.0 / unit(priors);
    }
    a[value] += 1.0 / unit(priors);
    a
}

fn statement(contrast: &[f64], more: bool, strength: Strength, misreading: f64) -> Observation {
    let size = if more { STATED } else { -STATED };
    let direction = contrast.iter().map(|x| size * x).collect();
    Question::Statement { direction, strength, misreading }.answered(Outcome::SAID)
}

fn priors(rng: &mut ChaCha8Rng) -> Priors {
    let mut priors = flat_priors(D);
    let flat = priors.locations[0].clone();
    let sd = flat.covariance[0].sqrt();
    priors.locations.push(Location {
        name: LocationName::Elicited,
        mean: normals(D, rng).iter().map(|x| sd * x).collect(),
        covariance: flat.covariance.iter().map(|v| 0.5 * v).collect(),
    });
    priors
}

/// A belief after some answers of a person who may be decided or not, and some statements that need not agree with them.
fn believed(priors: &Priors, rng: &mut ChaCha8Rng) -> Mixture {
    let settings = Settings::default();
    let scale = [0.2, 1.0, 3.0, 8.0][below(4, rng)] * unit(priors);
    let weights = normals(D, rng).iter().map(|x| scale * x).collect();
    let mut person = Person::new(weights, 0.3 * uniform(rng), 0.5, &settings);
    let mut belief = Mixture::new(&settings, priors).expect("sound priors");
    let kinds = [Evidence::Choice, Evidence::ChoiceOrNeither, Evidence::Rating, Evidence::Error];
    for k in 0..below(30, rng) {
        if below(5, rng) == 0 {
            let said = contrast(priors, below(V, rng), None);
            belief.observe(&statement(&said, below(2, rng) == 0, STRENGTHS[below(3, rng)], 0.0)).expect("sound");
            continue;
        }
        let question = kinds[below(kinds.len(), rng)].question(D, k, rng);
        let outcome = person.answer(&question, rng).expect("a sound question");
        belief.observe(&question.answer(outcome)).expect("sound");
    }
    belief
}

/// By how much a statement moved what is shown of its contrast, in its own direction.
fn moved(belief: &Mixture, priors: &Priors, rng: &mut ChaCha8Rng) -> (f64, f64, String) {
    let value = below(V, rng);
    let other = (below(2, rng) == 0).then(|| (value + 1 + below(V - 1, rng)) % V);
    let (more, strength) = (below(2, rng) == 0, STRENGTHS[below(3, rng)]);
    let misreading = if below(3, rng) == 0 { 0.5 * uniform(rng) } else { 0.0 };
    let a = contrast(priors, value, other);
    let shown = |belief: &Mixture| belief.marginals(std::slice::from_ref(&a))[0].mean();
    let before = shown(belief);
    let mut after = belief.clone();
    after.observe(&statement(&a, more, strength, misreading)).expect("sound");
    let change = shown(&after) - before;
    let what = format!("{value} over {other:?}, more {more}, {strength:?}, from {before:+.3} by {change:+.4}");
    (if more { change } else { -change }, tolerance(before), what)
}

/// Expectation propagation is not exact Bayes, for which the bound would be 0. What is shown has two decimals; of a contrast that is
/// believed very large, a thousandth.
fn tolerance(before: f64) -> f64 {
    0.005_f64.max(0.001 * before.abs())
}

#[test]
fn a_statement_moves_its_contrast_the_way_it_was_said() {
    let seeds: u64 = std::env::var("STATEMENT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut worst = (f64::INFINITY, String::new());
    for seed in 0..seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let priors = priors(&mut rng);
        let belief = believed(&priors, &mut rng);
        for _ in 0..4 {
            let (change, tolerance, what) = moved(&belief, &priors, &mut rng);
            let margin = change + tolerance;
            if margin < worst.0 {
                worst = (margin, format!("seed {seed}, {} records: {what}", belief.record_count()));
            }
        }
    }
    println!("least margin: {:+.5} ({})", worst.0, worst.1);
    assert!(worst.0 >= 0.0, "{}", worst.1);
}

#[test]
fn nine_statements_leave_no_doubt() {
    for (number, strength) in STRENGTHS.into_iter().enumerate() {
        for answers in [0, 12, 30] {
            for seed in 0..6 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let priors = priors(&mut rng);
                let settings = Settings::default();
                // A person whose choices say the contrary.
                let mut weights: Vec<f64> = normals(D, &mut rng).iter().map(|x| 1.5 * x * unit(&priors)).collect();
                weights[0] = -0.8 * unit(&priors);
                let mut person = Person::new(weights, 0.05, 0.5, &settings);
                let mut belief = Mixture::new(&settings, &priors).expect("sound priors");
                for k in 0..answers {
                    let question = Evidence::ChoiceOrNeither.question(D, k, &mut rng);
                    let outcome = person.answer(&question, &mut rng).expect("a sound question");
                    belief.observe(&question.answer(outcome)).expect("sound");
                }
                let a = contrast(&priors, 0, None);
                let before = belief.marginals(std::slice::from_ref(&a))[0].interval(0.9);
                for _ in 0..9 {
                    belief.observe(&statement(&a, true, strength, 0.0)).expect("sound");
                }
                let after = belief.marginals(std::slice::from_ref(&a))[0].interval(0.9);
                println!("{strength:?}, {answers} answers, seed {seed}: {before:.2?} to {after:.2?}");
                assert!(after.0 > 0.0, "{number} {answers} {seed}: {after:?}");
            }
        }
    }
}

/// Statements take no time, so a drifting person's other values do not fade with them.
#[test]
fn time_does_not_pass_with_a_statement() {
    let settings = Settings { slow_drift_weight: 0.9, drift_records: 10.0, ..Settings::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let priors = flat_priors(D);
    let mut person = Person::new(normals(D, &mut rng).iter().map(|x| 3.0 * x).collect(), 0.05, 0.5, &settings);
    let mut belief = Mixture::new(&settings, &priors).expect("sound priors");
    for k in 0..12 {
        let question = Evidence::Choice.question(D, k, &mut rng);
        let outcome = person.answer(&question, &mut rng).expect("a sound question");
        belief.observe(&question.answer(outcome)).expect("sound");
    }
    // Nothing is learned from a statement about nothing; before it, everything would have faded by a tenth.
    let mut after = belief.clone();
    let nothing = Question::Statement { direction: vec![0.0; D], strength: Strength::Slight, misreading: 0.0 }
        .answered(Outcome::SAID);
    after.observe(&nothing).expect("sound");
    for i in 0..D {
        let (before, after) = (belief.weight(i).mean(), after.weight(i).mean());
        assert!((before - after).abs() < 1e-3 * before.abs().max(0.1), "{before} {after}");
    }
}
