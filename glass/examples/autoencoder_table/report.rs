//! The tables in Markdown.

use std::fmt::Write;

use credence_glass::{Detector, interval};

use crate::Run;
use crate::options::Options;

type Column = (&'static str, fn(&Run) -> Option<f64>);

const MEASURES: [Column; 6] = [
    ("recovered", |run| Some(run.measures.recovered)),
    ("mean max cosine", |run| Some(run.measures.mean_max_cosine)),
    ("explained", |run| Some(run.measures.explained)),
    ("L0", |run| Some(run.measures.l0)),
    ("dead", |run| Some(run.measures.dead)),
    ("always on", |run| Some(run.measures.always_on as f64)),
];

const FAULTS: [Column; 7] = [
    ("absorption", |run| Some(run.measures.absorption.rate)),
    ("silent with child", |run| Some(run.measures.absorption.silent_with_child)),
    ("silent without", |run| Some(run.measures.absorption.silent_without_child)),
    ("parents measured", |run| Some(run.measures.absorption.parents_measured as f64)),
    ("split", |run| Some(run.measures.split)),
    ("hedging", |run| Some(run.measures.hedging)),
    ("mixed", |run| Some(run.measures.mixed)),
];

/// All tables; every cell is a mean over seeds with a 95% t interval.
pub(crate) fn markdown(options: &Options, runs: &[Run]) -> String {
    let mut out = String::new();
    for width in std::iter::once(options.width).chain(options.narrow.iter().copied().rev()) {
        let here: Vec<&Run> = runs.iter().filter(|run| run.width == width).collect();
        let _ = writeln!(out, "### Width {width}\n");
        table(&mut out, &here, &MEASURES);
        table(&mut out, &here, &FAULTS);
    }
    let wide: Vec<&Run> = runs.iter().filter(|run| run.width == options.width).collect();
    let _ = writeln!(out, "### Audit at width {}\n", options.width);
    let _ = writeln!(out, "Average precision; chance is the share of absorbed pairs among all ordered pairs.\n");
    table(
        &mut out,
        &wide,
        &[
            ("absorbed pairs", |run| Some(run.positives as f64)),
            ("chance", |run| (run.positives > 0).then(|| run.positives as f64 / run.pairs as f64)),
            ("asymmetry", |run| run.detections[0].average_precision),
            ("disagreement", |run| run.detections[1].average_precision),
            ("meta", |run| run.detections[2].average_precision),
            ("decoder cosine", |run| run.detections[3].average_precision),
        ],
    );
    let _ = writeln!(out, "Average precision where only the pair counts, not who absorbs whom (unordered pairs).\n");
    table(
        &mut out,
        &wide,
        &[
            ("chance", |run| (run.positives > 0).then(|| 2.0 * run.positives as f64 / run.pairs as f64)),
            ("asymmetry", |run| run.detections[0].either_way),
            ("disagreement", |run| run.detections[1].either_way),
            ("meta", |run| run.detections[2].either_way),
            ("decoder cosine", |run| run.detections[3].either_way),
        ],
    );
    let lines: Vec<String> = Detector::ALL.iter().map(|d| format!("{d:?} {}", d.line())).collect();
    let _ = writeln!(out, "Precision and recall at the line chosen beforehand ({}).\n", lines.join(", "));
    table(
        &mut out,
        &wide,
        &[
            ("asymmetry precision", |run| run.detections[0].at_line.precision),
            ("recall", |run| run.detections[0].at_line.recall),
            ("disagreement precision", |run| run.detections[1].at_line.precision),
            ("recall", |run| run.detections[1].at_line.recall),
            ("meta precision", |run| run.detections[2].at_line.precision),
            ("recall", |run| run.detections[2].at_line.recall),
            ("decoder cosine precision", |run| run.detections[3].at_line.precision),
            ("recall", |run| run.detections[3].at_line.recall),
        ],
    );
    out
}

fn table(out: &mut String, runs: &[&Run], columns: &[Column]) {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(out, "| method | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let mut methods: Vec<&str> = Vec::new();
    for run in runs {
        if !methods.contains(&run.method.as_str()) {
            methods.push(&run.method);
        }
    }
    for method in methods {
        let of_it: Vec<&&Run> = runs.iter().filter(|run| run.method == method).collect();
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, number)| {
                let numbers: Vec<f64> = of_it.iter().filter_map(|run| number(run)).collect();
                cell(&numbers, of_it.len())
            })
            .collect();
        let _ = writeln!(out, "| {method} | {} |", cells.join(" | "));
    }
    out.push('\n');
}

/// Mean and interval; the number of seeds where some had nothing to measure.
fn cell(numbers: &[f64], seeds: usize) -> String {
    let Some(found) = interval(numbers) else { return "none".to_owned() };
    let digits = if found.mean.abs() < 0.01 && found.mean != 0.0 { 4 } else { 3 };
    let half = found.half.map_or(String::new(), |half| format!(" ± {half:.digits$}"));
    let fewer = if found.seeds < seeds { format!(" ({} of {seeds} seeds)", found.seeds) } else { String::new() };
    format!("{:.digits$}{half}{fewer}", found.mean)
}

/// Prints, for each detector, the line of best F1 over all pairs of all runs.
pub(crate) fn lines(scored: &[Vec<(f32, bool)>]) {
    for (detector, items) in Detector::ALL.iter().zip(scored) {
        let mut sorted = items.clone();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let all = sorted.iter().filter(|(_, positive)| *positive).count();
        let (mut right, mut best) = (0, (0.0, 0.0));
        for (seen, (score, positive)) in sorted.iter().enumerate() {
            right += usize::from(*positive);
            let f1 = 2.0 * right as f64 / (seen + 1 + all) as f64;
            if f1 > best.0 {
                best = (f1, f64::from(*score));
            }
        }
        println!("{detector:?}: best F1 {:.3} at {:.3}, of {all} pairs", best.0, best.1);
    }
}
