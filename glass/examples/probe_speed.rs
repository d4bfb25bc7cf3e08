//! What reading a token costs a probe, in nanoseconds on one thread, by width and pooling.
//!
//! `cargo run --release -p credence-glass --example probe_speed`

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::error::Error;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use credence_glass::probe::{FitOptions, Kind, Planted, Pooling, Site, fit};

const TOKENS: usize = 512;
/// Short runs, so that few of them are interrupted.
const RUNS: usize = 4000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("| width | pooling | ns a token, median of {RUNS} texts | 5% | 95% |\n|---|---|---|---|---|");
    for width in [576, 960] {
        for pooling in [Pooling::Last, Pooling::Mean, Pooling::RollingMax { window: 8 }, Pooling::HardMax] {
            let site = Site { layer: 2, pooling };
            let plan = Planted { width, topics: 4, tokens: 4, ..Planted::default() };
            let examples = plan.draw(&[site], 1, 2, 0)?;
            let options = FitOptions {
                kinds: vec![Kind::MeanDifference],
                shrinkages: vec![1.0],
                outer: 2,
                inner: 2,
                shuffles: 0,
                ..FitOptions::default()
            };
            let probe = fit("planted", &examples, &options, |_| ControlFlow::Continue(()))?.probe;
            let states: Vec<f32> = (0..TOKENS * width).map(|i| (i % 251) as f32 / 100.0 - 1.25).collect();
            let mut times = Vec::with_capacity(RUNS);
            for _ in 0..RUNS {
                let start = Instant::now();
                let mut reader = probe.reader();
                reader.push(black_box(&states))?;
                black_box(reader.reading()?);
                times.push(start.elapsed().as_secs_f64() * 1e9 / TOKENS as f64);
            }
            times.sort_by(f64::total_cmp);
            let (median, least, most) = (times[RUNS / 2], times[RUNS / 20], times[RUNS * 19 / 20]);
            println!("| {width} | {pooling} | {median:.1} | {least:.1} | {most:.1} |");
        }
    }
    Ok(())
}
