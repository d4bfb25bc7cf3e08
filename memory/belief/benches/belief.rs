//! Speed of the belief engine by dimension and length of history: `cargo bench -p credence-belief --bench belief`.
#![allow(missing_docs)]

use std::hint::black_box;

use credence_belief::simulate::{Person, normals};
use credence_belief::{
    Location, LocationName, Mixture, Observation, Priors, Question, Settings, expected_information_gain,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const DIMENSIONS: [usize; 4] = [8, 32, 60, 128];
const HISTORIES: [usize; 3] = [10, 100, 1000];

fn priors(d: usize) -> Priors {
    let mut covariance = Vec::new();
    for i in 0..d {
        covariance.extend((0..=i).map(|j| if i == j { 1.0 / d as f64 } else { 0.0 }));
    }
    Priors {
        locations: vec![Location { name: LocationName::Zero, mean: vec![0.0; d], covariance }],
        scaled: vec![true; d],
        lattices: Vec::new(),
        component_masses: Vec::new(),
    }
}

fn one() -> Settings {
    Settings::single(1.5, 0.05, 0.3)
}

fn twelve() -> Settings {
    Settings { bands: vec![0.3], slow_drift_weight: 0.0, ..Settings::default() }
}

fn history(d: usize, n: usize) -> Vec<Observation> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let weights = normals(d, &mut rng).iter().map(|w| 1.5 * w / (d as f64).sqrt()).collect();
    let mut person = Person::new(weights, 0.05, 0.3, &one());
    (0..n)
        .map(|_| {
            let question = Question::choice(normals(d, &mut rng), false);
            let outcome = person.answer(&question, &mut rng).expect("a question that fits");
            question.answer(outcome)
        })
        .collect()
}

fn by_history(c: &mut Criterion) {
    for d in DIMENSIONS {
        for n in HISTORIES {
            let records = history(d, n + 1);
            let (past, next) = records.split_at(n);
            let belief = Mixture::fold(&one(), &priors(d), past).expect("sound records");
            let id = format!("D{d}/N{n}");
            c.bench_function(format!("update/{id}").as_str(), |b| {
                b.iter_batched_ref(
                    || belief.clone(),
                    |belief| belief.observe(black_box(&next[0])),
                    BatchSize::LargeInput,
                );
            });
            c.bench_function(format!("refit/{id}").as_str(), |b| {
                b.iter(|| Mixture::fold(&one(), &priors(d), black_box(past)));
            });
            // Removal is the fold of the survivors.
            c.bench_function(format!("removal/{id}").as_str(), |b| {
                b.iter(|| Mixture::fold(&one(), &priors(d), black_box(past[..n / 2].iter().chain(&past[n / 2 + 1..]))));
            });
            let question = next[0].question.clone();
            c.bench_function(format!("predict/{id}").as_str(), |b| {
                b.iter(|| belief.predict(black_box(&question)));
            });
        }
    }
}

fn information(c: &mut Criterion) {
    for d in DIMENSIONS {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let questions: Vec<Question> = (0..10_000).map(|_| Question::choice(normals(d, &mut rng), false)).collect();
        for (name, settings) in [("one", one()), ("twelve", twelve())] {
            // Two answers leave all twelve hypotheses with more than the weight that may be left out.
            let belief = Mixture::fold(&settings, &priors(d), &history(d, 2)).expect("sound records");
            c.bench_function(format!("gain of 10,000 pairs/D{d}/{name}").as_str(), |b| {
                b.iter(|| expected_information_gain(black_box(&belief), black_box(&questions)));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(std::time::Duration::from_millis(100)).measurement_time(std::time::Duration::from_millis(500));
    targets = information, by_history
}
criterion_main!(benches);
