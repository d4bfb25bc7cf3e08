//! Planted data and what this crate makes of it with one kind and penalty, as JSON for `peers/probe_sklearn.py`.
//!
//! `cargo run --release -p credence-glass --example probe_peer -- KIND PENALTY WIDTH TOPICS EACH SEED`

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::error::Error;
use std::ops::ControlFlow;

use credence_glass::probe::{FitOptions, Kind, Planted, Pooling, Site, fit};

/// Processor time of this process so far, as Linux counts it, in hundredths of a second.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(')').ok_or("the name of the process ends with a bracket")?;
    // User and system time are fields 14 and 15; the rest begins with field 3.
    let ticks: Vec<f64> = rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, penalty, width, topics, each, seed] = &arguments[..] else {
        return Err("probe_peer KIND PENALTY WIDTH TOPICS EACH SEED".into());
    };
    let kind: Kind = serde_json::from_value(kind.as_str().into())?;
    let penalty: f64 = penalty.parse()?;
    let plan = Planted {
        width: width.parse()?,
        topics: topics.parse()?,
        each: each.parse()?,
        tokens: 4,
        topic_shift: 1.0,
        ..Planted::default()
    };
    let seed: u64 = seed.parse()?;
    let examples = plan.draw(&[Site { layer: 2, pooling: Pooling::Mean }], seed, seed + 1, 0)?;
    let options = FitOptions {
        kinds: vec![kind],
        penalties: vec![penalty],
        shrinkages: vec![penalty.min(1.0)],
        shuffles: 0,
        ..FitOptions::default()
    };
    let start = processor_seconds()?;
    let fitted = fit("planted", &examples, &options, |_| ControlFlow::Continue(()))?;
    let seconds = processor_seconds()? - start;
    let parts = fitted.probe.parts();
    let rows: Vec<&[f32]> = (0..examples.examples().len()).map(|i| examples.states(0, i)).collect();
    let labels: Vec<bool> = examples.examples().iter().map(|example| example.label).collect();
    let folds: Vec<usize> = fitted.held_out.iter().map(|reading| reading.fold).collect();
    let scores: Vec<f64> = fitted.held_out.iter().map(|reading| reading.score).collect();
    let result = serde_json::json!({
        "rows": rows, "labels": labels, "folds": folds, "held_out_scores": scores, "weights": parts.weights,
        "intercept": parts.intercept, "auroc": parts.evidence.auroc.value, "seconds": seconds,
        "threads": rayon::current_num_threads(),
    });
    println!("{result}");
    Ok(())
}
