//! The results table: every method on the same synthetic worlds, several seeds, as Markdown and JSON.
//!
//! `cargo run --release --example autoencoder_table -- --seeds 5 --out results` writes `results.tables.md` and `results.json`.
//! Options are listed by `--help`; the defaults are those of the reported table.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

#[path = "autoencoder_table/options.rs"]
mod options;
#[path = "autoencoder_table/report.rs"]
mod report;

use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use credence_glass::{
    AuditOptions, Detector, Found, Kind, MeasureOptions, Measures, Price, ROWS_MIN, Sample, ScoredPair, Settings,
    Truth, audit, average_precision, found, generate, measures, train,
};
use options::Options;
use serde::Serialize;

/// One method at one width on one world.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) method: String,
    pub(crate) width: usize,
    pub(crate) seed: u64,
    pub(crate) measures: Measures,
    /// Absorbed pairs that could be found, and pairs in all.
    pub(crate) positives: usize,
    pub(crate) pairs: usize,
    pub(crate) detections: Vec<Detection>,
    pub(crate) steps_per_second: f64,
}

/// How one detector did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Detection {
    pub(crate) detector: Detector,
    /// Of ordered pairs: who absorbs whom counts.
    pub(crate) average_precision: Option<f64>,
    /// Of unordered pairs, each with the higher of its two scores: only whether counts.
    pub(crate) either_way: Option<f64>,
    pub(crate) at_line: Found,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let Some(options) = options else {
        println!("{}", Options::HELP);
        return Ok(());
    };
    let mut runs = Vec::new();
    let mut scored: Vec<Vec<(f32, bool)>> = vec![Vec::new(); Detector::ALL.len()];
    for seed in options.first_seed..options.first_seed + options.seeds {
        // The world, its two samples and the training each have a seed of their own.
        let truth = generate(&options.plan, seed)?;
        let (seen, held_out) = (truth.sample(options.rows, 1000 + seed)?, truth.sample(options.held_out, 2000 + seed)?);
        eprintln!("seed {seed}: true L0 {:.2}", held_out.codes.l0());
        for width in options.narrow.iter().copied().chain([options.width]) {
            for (method, settings) in methods(&options, width) {
                let run = run(&options, &truth, (&seen, &held_out), &method, &settings, seed, &mut scored)?;
                eprintln!(
                    "seed {seed}, width {width}, {method}: recovered {:.2}, absorption {:.2} ({} pairs), {:.3} \
                     explained at L0 {:.2}, {:.0} steps/s",
                    run.measures.recovered,
                    run.measures.absorption.rate,
                    run.positives,
                    run.measures.explained,
                    run.measures.l0,
                    run.steps_per_second
                );
                runs.push(run);
            }
        }
    }
    let markdown = report::markdown(&options, &runs);
    println!("{markdown}");
    if options.choose_lines {
        report::lines(&scored);
    }
    std::fs::write(options.out.with_extension("tables.md"), markdown)?;
    let json = serde_json::json!({ "options": options, "runs": runs });
    std::fs::write(options.out.with_extension("json"), serde_json::to_string_pretty(&json)?)?;
    Ok(())
}

/// The methods that are compared, with their settings. What could be chosen was chosen on seeds 101 to 103.
fn methods(options: &Options, width: usize) -> Vec<(String, Settings)> {
    let prefixes = vec![width / 8, width / 4, width / 2, width];
    let jump = Kind::JumpRelu { bandwidth: options.bandwidth, penalty: options.penalty };
    let learned = Price::Learned { strength: options.learned, learning_rate: 0.01 };
    let log = Price::LogRate { strength: options.log };
    let all = [
        ("top-k", Kind::TopK, Price::Even),
        ("batch top-k", Kind::BatchTopK, Price::Even),
        ("JumpReLU", jump, Price::Even),
        ("Matryoshka", Kind::Matryoshka { prefixes: prefixes.clone() }, Price::Even),
        ("price: log rate", Kind::BatchTopK, log),
        ("price: complement", Kind::BatchTopK, Price::Complement { strength: options.complement }),
        ("price: learned", Kind::BatchTopK, learned),
        ("Matryoshka, log rate", Kind::Matryoshka { prefixes }, log),
        ("price: log rate, too strong", Kind::BatchTopK, Price::LogRate { strength: options.too_strong }),
    ];
    let wanted = |name: &str| {
        options.methods.as_ref().is_none_or(|methods| methods.iter().any(|method| method == name))
            && (width == options.width || ["top-k", "batch top-k", "Matryoshka", "price: log rate"].contains(&name))
    };
    all.into_iter()
        .filter(|(name, ..)| wanted(name))
        .map(|(name, kind, price)| {
            let mut settings = Settings::new(kind, width, options.k);
            settings.price = price;
            settings.steps = options.steps;
            settings.learning_rate = options.learning_rate;
            settings.revival = options.revival;
            (name.to_owned(), settings)
        })
        .collect()
}

fn run(
    options: &Options,
    truth: &Truth,
    (seen, held_out): (&Sample, &Sample),
    method: &str,
    settings: &Settings,
    seed: u64,
    scored: &mut [Vec<(f32, bool)>],
) -> Result<Run, Box<dyn Error>> {
    let start = Instant::now();
    let autoencoder = train(&seen.data, settings, 3000 + seed, |_| ControlFlow::Continue(()))?;
    let steps_per_second = settings.steps as f64 / start.elapsed().as_secs_f64();
    let measures = measures(&autoencoder, truth, held_out, &MeasureOptions::default())?;
    let rates = autoencoder.encode(&held_out.data)?.rates();
    let entries: Vec<usize> = (0..settings.width).filter(|j| rates[*j] > 0.0).collect();
    // A dictionary that collapsed has too few live entries to train a meta-autoencoder on.
    let audited = entries.len() >= ROWS_MIN;
    let audit_options = AuditOptions { entries, seed, ..options.audit.clone() };
    let audit = if audited { Some(audit(&autoencoder, &audit_options)?) } else { None };
    let mut positives: Vec<(usize, usize)> =
        measures.absorption.absorbed.iter().map(|pair| (pair.parent_entry, pair.absorbing_entry)).collect();
    positives.sort_unstable();
    positives.dedup();
    let mut detections = Vec::new();
    let mut pairs = 0;
    for (detector, scored) in Detector::ALL.into_iter().zip(scored) {
        let audit_pairs: Vec<ScoredPair> = audit.iter().flat_map(|audit| audit.pairs(detector)).collect();
        let items: Vec<(f32, bool)> =
            audit_pairs.iter().map(|pair| (pair.score, positives.contains(&(pair.parent, pair.child)))).collect();
        pairs = items.len();
        let score: HashMap<(usize, usize), (f32, bool)> =
            audit_pairs.iter().map(|pair| (pair.parent, pair.child)).zip(items.iter().copied()).collect();
        let either: Vec<(f32, bool)> = score
            .iter()
            .filter(|((i, j), _)| i < j)
            .map(|((i, j), (a, x))| (a.max(score[&(*j, *i)].0), *x || score[&(*j, *i)].1))
            .collect();
        let at_line = found(&items, detector.line());
        detections.push(Detection {
            detector,
            average_precision: average_precision(&items),
            either_way: average_precision(&either),
            at_line,
        });
        if options.choose_lines {
            scored.extend(items);
        }
    }
    let (method, width, positives) = (method.to_owned(), settings.width, positives.len());
    Ok(Run { method, width, seed, measures, positives, pairs, detections, steps_per_second })
}
