//! One self-contained page of an experiment: curves, the region map, tables, the file and its provenance.

use std::fmt::Write;

use crate::estimate::Estimate;
use crate::experiment::{Cell, Experiment, LearnerKind, Run};
use crate::results::Results;

/// Colours of lines, distinguishable in print and to the colour-blind (Okabe and Ito).
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];
/// More priors than this are shown by angle, at the middle confidence.
const LINES_MAX: usize = 8;
/// Excess log loss at the top of the curves, nats.
const TOP: f64 = 1.0;
const BOTTOM: f64 = 0.003;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right}\
td:first-child,th:first-child{text-align:left}pre{background:#f6f6f6;padding:1rem;overflow:auto;font-size:12px}\
.panels{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;break-inside:avoid}figcaption{font-size:13px;max-width:30rem}\
svg text{font:11px system-ui,sans-serif}@media print{body{margin:0;max-width:none}pre{white-space:pre-wrap}}";

/// Runs that differ in the seed only.
struct Group<'a> {
    cell: &'a Cell,
    runs: Vec<&'a Run>,
}

impl Group<'_> {
    /// Median answers needed by Kaplan and Meier's estimate. Every censored run is censored at the last measurement, so that it
    /// is the plain median, and there is none where half of the runs or more did not converge.
    fn answers_needed(&self) -> Option<usize> {
        let mut needed: Vec<usize> = self.runs.iter().map(|r| r.answers_needed.unwrap_or(usize::MAX)).collect();
        needed.sort_unstable();
        Some(needed[needed.len() / 2]).filter(|n| *n != usize::MAX)
    }

    fn converged(&self) -> usize {
        self.runs.iter().filter(|r| r.answers_needed.is_some()).count()
    }

    fn prior(&self) -> String {
        let c = self.cell;
        format!("{} ({}°, {})", c.prior, c.angle_degrees, c.confidence)
    }

    fn person(&self) -> String {
        format!("{}, signal {}", self.cell.person, self.cell.signal)
    }
}

/// The page.
pub fn html(experiment: &Experiment, results: &Results) -> String {
    let groups = group(&results.runs);
    let mut page = String::new();
    let name = escape(&experiment.name);
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title><style>{STYLE}</style>\
         <h1>{name}</h1><p>{}</p><p>{} runs; converged means an excess log loss of at most {} nats an answer on held-out \
         choices, at a measurement and at all later ones up to {} answers. Intervals are 95% bootstrap over people (seeds).</p>",
        escape(&experiment.about),
        results.runs.len(),
        experiment.target_nats,
        experiment.measured_at.last().copied().unwrap_or(0),
    );
    let mut points: Vec<(f64, f64)> = groups.iter().map(|g| (g.cell.angle_degrees, g.cell.confidence)).collect();
    points.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    points.dedup();
    if points.len() > LINES_MAX {
        page += "<h2>The region of convergence</h2><p>Each cell: the median number of answers needed from that start. Grey, \
                 with a cross: half of the people or more did not converge within the questions asked.</p><div class=\"panels\">";
        panels(
            &groups,
            |first, panel| {
                let learners = LearnerKind::name(first.learner);
                figure(&mut page, &map(experiment, panel), &format!("{learners}: {}", caption(first)));
            },
            true,
        );
        page += "</div>";
    }
    page += "<h2>Convergence</h2><p>Excess log loss on held-out choices (nats, logarithmic scale) after each number of answers. \
             Solid: mixture; dashed: single prior, told the person's signal and lapse rate. Bars: 95% intervals. Dotted: the \
             target.</p><div class=\"panels\">";
    panels(&groups, |first, panel| figure(&mut page, &curves(experiment, panel, points.len()), &caption(first)), false);
    page += "</div><h2>After the last answer</h2>";
    table(&mut page, &groups);
    let p = &results.provenance;
    let _ = write!(
        page,
        "<h2>Provenance</h2><p>credence-evals {}, engine version {}, seeds {:?}.</p><pre>{}</pre></html>",
        escape(&p.version),
        p.engine_version,
        experiment.seeds,
        escape(&p.file)
    );
    page
}

fn caption(cell: &Cell) -> String {
    format!("{}, signal {}; questions by {}", cell.person, cell.signal, strategy(cell))
}

fn strategy(cell: &Cell) -> String {
    format!("{:?}", cell.strategy).chars().fold(String::new(), |mut out, c| {
        if c.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
        out
    })
}

fn group(runs: &[Run]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for run in runs {
        let same = |g: &&mut Group<'_>| Cell { seed: run.cell.seed, ..g.cell.clone() } == run.cell;
        match groups.last_mut().filter(same) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group { cell: &run.cell, runs: vec![run] }),
        }
    }
    groups
}

/// Calls `f` with the groups of each person, signal and strategy, and of each learner where asked for.
fn panels<'a>(groups: &'a [Group<'a>], mut f: impl FnMut(&Cell, &[&'a Group<'a>]), by_learner: bool) {
    let same = |a: &Cell, b: &Cell| {
        a.person == b.person
            && a.signal == b.signal
            && a.strategy == b.strategy
            && (!by_learner || a.learner == b.learner)
    };
    let mut seen: Vec<&Cell> = Vec::new();
    for g in groups {
        if !seen.iter().any(|c| same(c, g.cell)) {
            seen.push(g.cell);
            let panel: Vec<&Group<'_>> = groups.iter().filter(|other| same(other.cell, g.cell)).collect();
            f(g.cell, &panel);
        }
    }
}

fn figure(page: &mut String, svg: &str, caption: &str) {
    let _ = write!(page, "<figure>{svg}<figcaption>{}</figcaption></figure>", escape(caption));
}

/// Prior error by confidence, coloured by answers needed.
fn map(experiment: &Experiment, panel: &[&Group<'_>]) -> String {
    let distinct = |value: fn(&Cell) -> f64| {
        let mut values: Vec<f64> = panel.iter().map(|g| value(g.cell)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    };
    let (angles, confidences) = (distinct(|c| c.angle_degrees), distinct(|c| c.confidence));
    let (w, h) = (52.0, 34.0);
    let (width, height) = (70.0 + w * angles.len() as f64, 50.0 + h * confidences.len() as f64);
    let mut svg = open(width, height);
    let last = experiment.measured_at.last().copied().unwrap_or(1).max(1) as f64;
    for g in panel {
        let column = angles.iter().position(|a| *a == g.cell.angle_degrees).unwrap_or(0) as f64;
        let row = confidences.iter().rev().position(|c| *c == g.cell.confidence).unwrap_or(0) as f64;
        let (x, y) = (60.0 + w * column, 5.0 + h * row);
        let (fill, text, ink) = match g.answers_needed() {
            Some(n) => {
                let t = n as f64 / last;
                let shade = |from: f64, to: f64| (from + t * (to - from)).round();
                let ink = if t > 0.5 { "#fff" } else { "#000" };
                (
                    format!("rgb({},{},{})", shade(235.0, 8.0), shade(245.0, 48.0), shade(255.0, 107.0)),
                    n.to_string(),
                    ink,
                )
            }
            None => ("#bbb".to_owned(), "×".to_owned(), "#000"),
        };
        let told = match g.answers_needed() {
            Some(n) => format!("{n} answers"),
            None => format!("did not converge within {last}"),
        };
        let _ = write!(
            svg,
            "<g><title>{}: {told}; {} of {} converged</title><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{fill}\" \
             stroke=\"#fff\"/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\">{text}</text></g>",
            escape(&g.prior()),
            g.converged(),
            g.runs.len(),
            x + w / 2.0,
            y + h / 2.0 + 4.0,
        );
    }
    for (i, angle) in angles.iter().enumerate() {
        let x = 60.0 + w * (i as f64 + 0.5);
        let _ = write!(svg, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{angle}°</text>", height - 30.0);
    }
    for (i, confidence) in confidences.iter().rev().enumerate() {
        let y = 9.0 + h * (i as f64 + 0.5);
        let _ = write!(svg, "<text x=\"52\" y=\"{y}\" text-anchor=\"end\">{confidence}</text>");
    }
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">prior's error; upwards: its confidence</text></svg>",
        60.0 + w * angles.len() as f64 / 2.0,
        height - 10.0
    );
    svg
}

/// Excess log loss over answers.
fn curves(experiment: &Experiment, panel: &[&Group<'_>], points: usize) -> String {
    let mut confidences: Vec<f64> = panel.iter().map(|g| g.cell.confidence).collect();
    confidences.sort_by(f64::total_cmp);
    let middle = confidences[confidences.len() / 2];
    let shown: Vec<&&Group<'_>> = panel.iter().filter(|g| points <= LINES_MAX || g.cell.confidence == middle).collect();
    let (width, height, left) = (480.0, 300.0, 50.0);
    let last = experiment.measured_at.last().copied().unwrap_or(1).max(1) as f64;
    let x = |n: usize| left + 260.0 * n as f64 / last;
    let y = |v: f64| {
        let v = v.clamp(BOTTOM, TOP);
        10.0 + 250.0 * (TOP.ln() - v.ln()) / (TOP.ln() - BOTTOM.ln())
    };
    let mut svg = open(width, height);
    for v in [1.0, 0.3, 0.1, 0.03, 0.01, 0.003] {
        let y = y(v);
        let _ = write!(
            svg,
            "<line x1=\"{left}\" x2=\"310\" y1=\"{y}\" y2=\"{y}\" stroke=\"#eee\"/><text x=\"45\" y=\"{}\" text-anchor=\"end\">{v}</text>",
            y + 4.0
        );
    }
    let target = y(experiment.target_nats);
    let _ = write!(
        svg,
        "<line x1=\"{left}\" x2=\"310\" y1=\"{target}\" y2=\"{target}\" stroke=\"#444\" stroke-dasharray=\"2 3\"/>"
    );
    for n in &experiment.measured_at {
        let _ = write!(svg, "<text x=\"{}\" y=\"276\" text-anchor=\"middle\">{n}</text>", x(*n));
    }
    let mut priors: Vec<String> = Vec::new();
    for g in shown {
        let prior = g.prior();
        let index = priors.iter().position(|p| *p == prior).unwrap_or_else(|| {
            priors.push(prior);
            priors.len() - 1
        });
        let colour = COLOURS[index % COLOURS.len()];
        let dash = if g.cell.learner == LearnerKind::Mixture { "" } else { " stroke-dasharray=\"5 4\"" };
        let mut path = String::new();
        for (k, n) in experiment.measured_at.iter().enumerate() {
            let e = at(g, k, |m| m.excess_nats);
            let (x, low, high) = (x(*n), y(e.low), y(e.high));
            let _ = write!(path, "{}{x:.1} {:.1}", if k == 0 { "M" } else { "L" }, y(e.mean));
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low:.1}\" y2=\"{high:.1}\" stroke=\"{colour}\" stroke-opacity=\".35\"/>"
            );
        }
        let _ = write!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"{dash}/>");
    }
    for (i, prior) in priors.iter().enumerate() {
        let y = 18.0 + 15.0 * i as f64;
        let _ = write!(
            svg,
            "<line x1=\"318\" x2=\"334\" y1=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"2\"/><text x=\"338\" y=\"{y}\">{}</text>",
            y - 4.0,
            y - 4.0,
            COLOURS[i % COLOURS.len()],
            escape(prior)
        );
    }
    svg + "<text x=\"180\" y=\"294\" text-anchor=\"middle\">answers</text></svg>"
}

fn open(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">"
    )
}

fn at(g: &Group<'_>, k: usize, part: impl Fn(&crate::experiment::Measure) -> f64) -> Estimate {
    Estimate::bootstrap(&g.runs.iter().map(|r| part(&r.measures[k])).collect::<Vec<_>>(), 1)
}

fn table(page: &mut String, groups: &[Group<'_>]) {
    *page += "<table><tr><th>start (error, confidence)<th>person<th>questions by<th>learner<th>excess nats<th>accuracy<th>angle\
              <th>regret<th>90% intervals cover<th>answers needed<th>converged</tr>";
    for g in groups {
        let last = g.runs[0].measures.len() - 1;
        let needed = match g.answers_needed() {
            Some(n) => n.to_string(),
            None => format!("did not converge within {}", g.runs[0].measures[last].answers),
        };
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.3}<td>{:.0}°<td>{:.3}<td>{:.2}<td>{needed}<td>{} of {}</tr>",
            escape(&g.prior()),
            escape(&g.person()),
            strategy(g.cell),
            g.cell.learner.name(),
            at(g, last, |m| m.excess_nats),
            at(g, last, |m| m.accuracy).mean,
            at(g, last, |m| m.angle_degrees.unwrap_or(90.0)).mean,
            at(g, last, |m| m.regret).mean,
            at(g, last, |m| m.coverage).mean,
            g.converged(),
            g.runs.len(),
        );
    }
    *page += "</table>";
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
