//! Prints how the loss on examples that are not trained on falls with time: `time_to_loss MODEL EXAMPLES [epochs] [seed]`, where
//! EXAMPLES is the `examples.jsonl` of `credence tune export`. Every fifth example is held out.
//!
//! The run is made twice: once without a stop, for the times, and once stopped for each loss; both have the same bits.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use credence_training::bench::peak_bytes;
use credence_training::{
    Adapter, Among, Control, Example, LoraSettings, OptimiserSettings, Progress, TrainingSettings, Weights, predict,
    train,
};

/// Steps from one loss to the next.
const EVERY: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, file, rest @ ..] = &arguments[..] else { return Err("which model, and which examples?".into()) };
    let epochs = rest.first().map_or(Ok(3), |s| s.parse())?;
    let seed = rest.get(1).map_or(Ok(1), |s| s.parse())?;
    let weights = Weights::load(Path::new(model))?;
    let text = std::fs::read_to_string(file)?;
    let examples: Vec<Example> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    // Prompts only: a text to rehearse has no label.
    let labelled = examples.into_iter().filter(|e| e.targets.iter().all(|t| t.among == Among::Candidates));
    let (held_out, taught): (Vec<_>, Vec<_>) = labelled.enumerate().partition(|(index, _)| index % 5 == 0);
    let [held_out, taught] = [held_out, taught].map(|part| part.into_iter().map(|(_, e)| e).collect::<Vec<_>>());
    let settings = TrainingSettings {
        lora: LoraSettings { top_layers: Some(10), ..Default::default() },
        optimiser: OptimiserSettings { learning_rate: 2e-3, warmup_steps: 5, ..Default::default() },
        epochs,
        seed,
        ..Default::default()
    };
    let mut times = Vec::new();
    let start = Instant::now();
    let mut progress = |_: &Progress| times.push(start.elapsed().as_secs_f64());
    train(&weights, &taught, &settings, &mut Control { progress: Some(&mut progress), ..Default::default() })?;
    let peak = peak_bytes().unwrap_or(0);
    let folder = std::env::temp_dir().join(format!("time-to-loss-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let checkpoint = folder.join("checkpoint");
    let loss = |adapter: Option<&Adapter>| predict(&weights, adapter, &held_out, settings.part_tokens, None);
    println!("0 0.0 {:.5}", loss(None)?.cross_entropy);
    for stop in (EVERY..=times.len()).step_by(EVERY) {
        let mut control = Control {
            checkpoint: Some(&checkpoint),
            checkpoint_steps: EVERY,
            stop_after: Some(stop),
            ..Default::default()
        };
        let trained = train(&weights, &taught, &settings, &mut control)?;
        println!("{stop} {:.1} {:.5}", times[stop - 1], loss(Some(&trained.adapter))?.cross_entropy);
    }
    println!("peak {}", peak / 1_000_000);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
