//! Prints how fast LoRA training is on a GGUF model: `training_speed MODEL [all|qv|topN] [steps] [predicted] [part] [tokens]`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;

use credence_training::bench::{BenchSettings, bench};
use credence_training::{LoraSettings, Projection, Weights};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rest @ ..] = &arguments[..] else { return Err("which model?".into()) };
    let what = rest.first().map_or("all", String::as_str);
    let steps = rest.get(1).map_or(Ok(5), |s| s.parse())?;
    let predicted = rest.get(2).map_or(Ok(128), |s| s.parse())?;
    let part_tokens = rest.get(3).map_or(Ok(512), |s| s.parse())?;
    let tokens = rest.get(4).map_or(Ok(128), |s| s.parse())?;
    let weights = Weights::load(Path::new(model))?;
    let qv = vec![Projection::Query, Projection::Value];
    let top_layers = what.strip_prefix("top").and_then(|n| n.parse::<usize>().ok());
    let lora = match what {
        "all" => LoraSettings::default(),
        "qv" => LoraSettings { projections: qv, ..Default::default() },
        _ if top_layers.is_some() => LoraSettings { top_layers, ..Default::default() },
        other => return Err(format!("{other:?} is none of all, qv, top10 (or another number of layers)").into()),
    };
    let settings = BenchSettings {
        lora,
        batch: 8,
        tokens,
        predicted,
        steps,
        repeated: top_layers.is_some(),
        part_tokens,
        threads: None,
    };
    let report = bench(&weights, &settings)?;
    println!(
        "{what}: 8 x {tokens} tokens, {predicted} predicted each: {:.0} tokens/s (best {:.0}), peak {:.0} MB, weights {:.0} MB, loss {:.3}",
        report.tokens_per_second,
        report.tokens_per_second_best,
        report.peak_bytes.unwrap_or(0) as f64 / 1e6,
        weights.bytes() as f64 / 1e6,
        report.loss
    );
    Ok(())
}
