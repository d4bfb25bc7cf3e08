//! Prints how the loss on examples that are not trained on falls with time: `time_to_loss MODEL EXAMPLES [epochs] [seed] [threads]`,
//! where EXAMPLES is the `examples.jsonl` of `credence tune export`. Every fifth example is held out. Looking at the loss takes
//! no time of the run's.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use credence_training::bench::peak_bytes;
use credence_training::{
    Adapter, Among, Control, Example, LoraSettings, OptimiserSettings, TrainingSettings, Weights, predict, train,
};

/// Steps from one loss to the next.
const EVERY: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, file, rest @ ..] = &arguments[..] else { return Err("which model, and which examples?".into()) };
    let epochs = rest.first().map_or(Ok(3), |s| s.parse())?;
    let seed = rest.get(1).map_or(Ok(1), |s| s.parse())?;
    let threads = rest.get(2).map_or(Ok(1), |s| s.parse())?;
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
    let loss = |adapter: Option<&Adapter>| {
        predict(&weights, adapter, &held_out, settings.part_tokens, Some(threads)).map(|read| read.cross_entropy)
    };
    println!("0 0.0 {:.5}", loss(None)?);
    let (start, mut looking, mut losses) = (Instant::now(), Duration::ZERO, Vec::new());
    let mut watch = |step: usize, adapter: &Adapter| {
        if step.is_multiple_of(EVERY) {
            let now = start.elapsed();
            losses.push((step, now - looking, loss(Some(adapter))));
            looking += start.elapsed() - now;
        }
    };
    let mut control = Control { watch: Some(&mut watch), threads: Some(threads), ..Default::default() };
    train(&weights, &taught, &settings, &mut control)?;
    for (step, time, loss) in losses {
        println!("{step} {:.1} {:.5}", time.as_secs_f64(), loss?);
    }
    println!("peak {}", peak_bytes().unwrap_or(0) / 1_000_000);
    Ok(())
}
