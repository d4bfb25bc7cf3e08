//! Bayesian teaching on the flight task: `flight_teaching MODEL FOLDER bayesian|right|base [settings.json]`.
//!
//! Prints the learning curve on held-out people as JSON and leaves adapter, checkpoint and curve in FOLDER. Killed and
//! started again, it goes on where it was; with the same settings the two teachers' curves can be compared in pairs.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::path::Path;

use credence_priors::training::flight::{Teacher, Words};
use credence_priors::training::teaching::{Curve, TeachingSettings, examine, teach};
use credence_priors::training::{Adapter, Control, OptimiserSettings, Progress, TrainingSettings, Weights};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, teacher, rest @ ..] = &arguments[..] else {
        return Err("flight_teaching MODEL FOLDER bayesian|right|base [settings.json]".into());
    };
    let (model, folder) = (Path::new(model), Path::new(folder));
    let settings = match rest.first() {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => TeachingSettings {
            words: Words::Full,
            sequences: 1000,
            rounds: 6,
            people: 60,
            sequences_a_person: 4,
            seed: 1,
            training: TrainingSettings {
                optimiser: OptimiserSettings { learning_rate: 1e-3, warmup_steps: 10, ..Default::default() },
                epochs: 1,
                ..Default::default()
            },
        },
    };
    std::fs::create_dir_all(folder)?;
    let mut backend = LlamaBackend::init()?;
    backend.void_logs();
    let vocabulary = LlamaModel::load_from_file(&backend, model, &LlamaModelParams::default().with_vocab_only(true))?;
    let tokenizer = |text: &str| -> Vec<u32> {
        let tokens = vocabulary.vocab().tokenize(text.as_bytes(), false, false);
        tokens.into_iter().filter_map(|t| u32::try_from(t.0).ok()).collect()
    };
    let weights = Weights::load(model)?;
    let taught = match teacher.as_str() {
        "base" => None,
        "bayesian" => Some(Teacher::Bayesian),
        "right" => Some(Teacher::RightAnswer),
        other => return Err(format!("{other:?} is none of bayesian, right, base").into()),
    };
    let mut adapter: Option<Adapter> = None;
    if let Some(taught) = taught {
        let checkpoint = folder.join(format!("{teacher}.checkpoint"));
        let mut progress = |p: &Progress| {
            let left = p.left.as_secs();
            eprintln!("{}/{}: loss {:.4}, {:.0} tokens/s, {left} s left", p.step, p.steps, p.loss, p.tokens_per_second);
        };
        let mut control = Control {
            progress: Some(&mut progress),
            checkpoint: Some(&checkpoint),
            checkpoint_steps: 5,
            ..Default::default()
        };
        let trained = teach(&weights, &settings, taught, &tokenizer, &mut control)?;
        trained.adapter.write(&folder.join(format!("{teacher}.gguf")))?;
        adapter = Some(trained.adapter);
    }
    let curve = examine(&weights, adapter.as_ref(), &settings, &tokenizer)?;
    std::fs::write(folder.join(format!("{teacher}.json")), serde_json::to_vec(&curve)?)?;
    let show = |name: &str, measure: &[Vec<f64>]| {
        let row =
            Curve::estimates(measure).iter().map(|e| format!("{:.3}+-{:.3}", e.mean, e.half_width)).collect::<Vec<_>>();
        println!("{teacher} {name}: {}", row.join(" "));
    };
    show("right", &curve.right);
    show("agrees with the posterior", &curve.agrees);
    show("divergence from the posterior", &curve.divergence);
    show("ceiling", &curve.ceiling);
    for other in ["right", "base"].iter().filter(|o| **o != teacher) {
        let Ok(bytes) = std::fs::read(folder.join(format!("{other}.json"))) else { continue };
        let gain = curve.gain_over(&serde_json::from_slice(&bytes)?);
        let gain = gain.iter().map(|e| format!("{:+.3}+-{:.3}", e.mean, e.half_width)).collect::<Vec<_>>();
        println!("{teacher} minus {other}, paired: {}", gain.join(" "));
    }
    Ok(())
}
