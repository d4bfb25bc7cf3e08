//! Writes a run down for another trainer to repeat: `training_steps MODEL EXAMPLES SEED OUT`, where EXAMPLES is the
//! `examples.jsonl` of `credence tune export`. The first sixty steps of three epochs on the ten highest layers. OUT then holds the
//! adapter before the first step and after some (`N.gguf`), and in `run.json` the examples of every step, its loss and the norm of
//! its gradient.

use std::error::Error;
use std::path::Path;

use credence_training::{
    Adapter, Among, Control, Example, LoraSettings, OptimiserSettings, Progress, TrainingSettings, Weights, order,
    train,
};
use serde_json::json;

/// Steps after which the adapter is kept.
const KEPT: [usize; 5] = [1, 2, 5, 20, 60];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, file, seed, out] = &arguments[..] else { return Err("model, examples, seed and folder?".into()) };
    let (seed, out) = (seed.parse()?, Path::new(out));
    let weights = Weights::load(Path::new(model))?;
    let examples: Vec<Example> =
        std::fs::read_to_string(file)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let labelled = examples.into_iter().filter(|e| e.targets.iter().all(|t| t.among == Among::Candidates));
    let taught: Vec<Example> = labelled.enumerate().filter(|(index, _)| index % 5 > 0).map(|(_, e)| e).collect();
    let lora = LoraSettings { top_layers: Some(10), ..Default::default() };
    let optimiser = OptimiserSettings { learning_rate: 2e-3, warmup_steps: 5, ..Default::default() };
    let settings = TrainingSettings { lora, optimiser, epochs: 3, seed, ..Default::default() };
    std::fs::create_dir_all(out)?;
    Adapter::new(&weights, &settings.lora, seed)?.write(&out.join("0.gguf"))?;
    let (mut steps, mut written) = (Vec::new(), Ok(()));
    let mut progress = |p: &Progress| steps.push(json!({"loss": p.loss, "gradient_norm": p.gradient_norm}));
    let mut watch = |step: usize, adapter: &Adapter| {
        if KEPT.contains(&step) && written.is_ok() {
            written = adapter.write(&out.join(format!("{step}.gguf")));
        }
    };
    let mut control = Control {
        progress: Some(&mut progress),
        watch: Some(&mut watch),
        stop_after: KEPT.last().copied(),
        ..Default::default()
    };
    train(&weights, &taught, &settings, &mut control)?;
    written?;
    let batches: Vec<Vec<usize>> = (0..settings.epochs)
        .flat_map(|epoch| {
            order(seed, epoch, taught.len()).chunks(settings.batch).map(<[usize]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    let run = json!({"batches": batches, "steps": steps});
    std::fs::write(out.join("run.json"), serde_json::to_vec(&run)?)?;
    Ok(())
}
