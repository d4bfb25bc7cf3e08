//! Times the belief engine on a file of comparisons, for the side-by-side with other packages (`evals/peers/belief_speed.py`).
//!
//! `belief_speed fold D N SEED` folds random choices; `belief_speed gain D` scores 10,000 pairs; `belief_speed file PATH` refits `{"dimension", "train": [[i, j]], "test": [[i, j]]}`
//! of winners and losers among items and prints seconds and the predictive log score as JSON.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use credence_belief::simulate::{Person, normals};
use credence_belief::{Context, Mixture, Observation, Priors, Question, Settings, Strategy, score};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn fold(d: usize, n: usize, seed: u64) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::single(1.5, 0.01, 0.3);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let weights: Vec<f64> = normals(d, &mut rng).iter().map(|w| 1.5 * w / (d as f64).sqrt()).collect();
    let mut person = Person::new(weights, 0.01, 0.3, &settings);
    let mut observations = Vec::with_capacity(n);
    for _ in 0..n {
        let question = Question::choice(normals(d, &mut rng), false);
        let outcome = person.answer(&question, &mut rng)?;
        observations.push(question.answer(outcome));
    }
    let start = Instant::now();
    let mixture = Mixture::fold(&settings, &Priors::isotropic(d, 1.0 / d as f64), &observations)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "D {d}, {n} records: {seconds:.4} s, {:.0} records a second, {:?}",
        n as f64 / seconds,
        mixture.diagnostics()
    );
    Ok(())
}

/// Information gain of 10,000 pairs, with one and with twelve hypotheses: the least and the middle of 15 runs on one thread.
fn gain(d: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let pairs: Vec<Question> = (0..10_000).map(|_| Question::choice(normals(d, &mut rng), false)).collect();
    let twelve = Settings { bands: vec![0.3], slow_drift_weight: 0.0, ..Settings::default() };
    for settings in [Settings::single(1.5, 0.05, 0.3), twelve] {
        let first = [pairs[0].answer(0), pairs[1].answer(1)];
        let mixture = Mixture::fold(&settings, &Priors::isotropic(d, 1.0 / d as f64), &first)?;
        let mut seconds: Vec<f64> = (0..15)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(score(&mixture, &pairs, Strategy::InformationGain, &Context::default(), &mut rng));
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        let hypotheses = mixture.diagnostics().hypotheses;
        println!("D {d}, {hypotheses} hypotheses: {:.1} ms least, {:.1} ms middle", 1e3 * seconds[0], 1e3 * seconds[7]);
    }
    Ok(())
}

fn file(path: &str) -> Result<(), Box<dyn std::error::Error>> {
    #[derive(serde::Deserialize)]
    struct Data {
        dimension: usize,
        train: Vec<[usize; 2]>,
        test: Vec<[usize; 2]>,
    }
    let data: Data = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let d = data.dimension;
    let difference = |pair: &[usize; 2]| {
        let mut a = vec![0.0; d];
        a[pair[0]] += 1.0;
        a[pair[1]] -= 1.0;
        a
    };
    let train: Vec<Observation> = data.train.iter().map(|p| Question::choice(difference(p), false).answer(0)).collect();
    let settings = Settings::single(1.0, 0.01, 0.3);
    // Items stand apart by the scale the data were made with: logistic noise has 1.7 times the spread of the probit's.
    let priors = Priors::isotropic(d, 1.0 / 2.89);
    let mut refit = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        std::hint::black_box(Mixture::fold(&settings, &priors, &train)?);
        refit = refit.min(start.elapsed().as_secs_f64());
    }
    let pairs: Vec<Question> =
        (0..d).flat_map(|i| (0..i).map(move |j| [i, j])).map(|p| Question::choice(difference(&p), false)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut mixture = Mixture::new(&settings, &priors)?;
    let start = Instant::now();
    for observation in &train {
        mixture.observe(observation)?;
        std::hint::black_box(score(&mixture, &pairs, Strategy::InformationGain, &Context::default(), &mut rng));
    }
    let each = start.elapsed().as_secs_f64() / train.len() as f64;
    let test: f64 =
        data.test.iter().map(|p| -mixture.predict(&Question::choice(difference(p), false))[0].ln()).sum::<f64>();
    println!(
        "{}",
        serde_json::json!({
            "refit_s": refit, "answered_question_s": each, "candidates": pairs.len(),
            "log_loss": test / data.test.len() as f64,
        })
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fold", d, n, seed] => fold(d.parse()?, n.parse()?, seed.parse()?),
        ["gain", d] => gain(d.parse()?),
        ["file", path] => file(path),
        _ => Err("usage: belief_speed fold D N SEED | belief_speed gain D | belief_speed file PATH".into()),
    }
}
