//! Curves: excess log loss over answers, and the share of runs that got there.

use super::groups::{Group, times};
use super::map::last;
use super::svg::{COLOURS, Svg};
use crate::experiment::{Experiment, LearnerKind};
use crate::survival::Survival;

/// Starts that are drawn as lines of one panel, at most; of more, those of the middle confidence are shown.
pub(super) const LINES_MAX: usize = 8;
/// Excess log loss at the top and the bottom of the curves, nats.
const TOP: f64 = 1.0;
const BOTTOM: f64 = 0.003;
const LEFT: f64 = 52.0;
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 230.0;

/// Excess log loss after each number of answers, logarithmic, with 95% bands.
pub(super) fn learning(experiment: &Experiment, panel: &[&Group<'_>], label: &str) -> String {
    let shown = shown(panel);
    let last = last(experiment) as f64;
    let x = |n: usize| LEFT + WIDTH * n as f64 / last;
    let y = |v: f64| 12.0 + HEIGHT * (TOP.ln() - v.clamp(BOTTOM, TOP).ln()) / (TOP.ln() - BOTTOM.ln());
    let mut starts: Vec<String> = Vec::new();
    for g in &shown {
        if !starts.contains(&g.start()) {
            starts.push(g.start());
        }
    }
    let mut svg = Svg::new(LEFT + WIDTH + 270.0, HEIGHT + 54.0, label);
    for v in [1.0, 0.3, 0.1, 0.03, 0.01, 0.003] {
        svg.line((LEFT, y(v)), (LEFT + WIDTH, y(v)), "stroke=\"#e6eaee\"");
        svg.text((LEFT - 6.0, y(v) + 4.0), "end", "soft", &v.to_string());
    }
    for n in &experiment.measured_at {
        svg.text((x(*n), HEIGHT + 30.0), "middle", "soft", &n.to_string());
    }
    let target = y(experiment.target_nats);
    svg.line(
        (LEFT, target),
        (LEFT + WIDTH, target),
        "stroke=\"#57606a\" stroke-dasharray=\"2 4\" stroke-width=\"1.5\"",
    );
    for g in &shown {
        let colour = COLOURS[starts.iter().position(|s| *s == g.start()).unwrap_or(0) % COLOURS.len()];
        let dash = if g.cell.learner == LearnerKind::Mixture { "" } else { " stroke-dasharray=\"6 4\"" };
        let points: Vec<_> =
            experiment.measured_at.iter().enumerate().map(|(k, n)| (x(*n), g.at(k, |m| m.excess_nats))).collect();
        let mut band: Vec<(f64, f64)> = points.iter().map(|(x, e)| (*x, y(e.high))).collect();
        band.extend(points.iter().rev().map(|(x, e)| (*x, y(e.low))));
        svg.path(&band, &format!("fill=\"{colour}\" fill-opacity=\".1\" stroke=\"none\""));
        let line: Vec<(f64, f64)> = points.iter().map(|(x, e)| (*x, y(e.mean))).collect();
        svg.path(&line, &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}"));
    }
    for (i, start) in starts.iter().enumerate() {
        let y = 20.0 + 18.0 * i as f64;
        let at = LEFT + WIDTH + 14.0;
        svg.line(
            (at, y - 4.0),
            (at + 20.0, y - 4.0),
            &format!("stroke=\"{}\" stroke-width=\"3\"", COLOURS[i % COLOURS.len()]),
        );
        svg.text((at + 26.0, y), "start", "", start);
    }
    svg.text((LEFT + WIDTH / 2.0, HEIGHT + 48.0), "middle", "soft", "questions asked");
    svg.finish()
}

fn shown<'g, 'a>(panel: &[&'g Group<'a>]) -> Vec<&'g Group<'a>> {
    let mut starts: Vec<String> = panel.iter().map(|g| g.start()).collect();
    starts.sort();
    starts.dedup();
    let mut confidences: Vec<f64> = panel.iter().map(|g| g.cell.confidence).collect();
    confidences.sort_by(f64::total_cmp);
    let middle = confidences[confidences.len() / 2];
    panel.iter().copied().filter(|g| starts.len() <= LINES_MAX || g.cell.confidence == middle).collect()
}

/// Kaplan and Meier's share of all runs of a panel that converged, one curve a learner.
pub(super) fn reached(experiment: &Experiment, panel: &[&Group<'_>], label: &str) -> String {
    let last = last(experiment) as f64;
    let x = |n: usize| LEFT + WIDTH * n as f64 / last;
    let y = |share: f64| 12.0 + HEIGHT * (1.0 - share);
    let mut svg = Svg::new(LEFT + WIDTH + 120.0, HEIGHT + 54.0, label);
    for percent in [0, 25, 50, 75, 100] {
        let at = y(f64::from(percent) / 100.0);
        svg.line((LEFT, at), (LEFT + WIDTH, at), "stroke=\"#e6eaee\"");
        svg.text((LEFT - 6.0, at + 4.0), "end", "soft", &format!("{percent}%"));
    }
    for n in &experiment.measured_at {
        svg.text((x(*n), HEIGHT + 30.0), "middle", "soft", &n.to_string());
    }
    for (i, learner) in [LearnerKind::Mixture, LearnerKind::SinglePrior].into_iter().enumerate() {
        let runs: Vec<_> =
            panel.iter().filter(|g| g.cell.learner == learner).flat_map(|g| g.runs.iter().copied()).collect();
        if runs.is_empty() {
            continue;
        }
        let steps = Survival::estimate(&times(runs)).steps;
        let stairs = |part: &dyn Fn(usize) -> f64| {
            let mut points = vec![(x(0), y(0.0))];
            for (k, step) in steps.iter().enumerate() {
                let before = if k == 0 { 0.0 } else { part(k - 1) };
                points.extend([(x(step.answers), y(before)), (x(step.answers), y(part(k)))]);
            }
            points.push((x(last as usize), y(steps.len().checked_sub(1).map_or(0.0, part))));
            points
        };
        let colour = COLOURS[i % COLOURS.len()];
        let dash = if learner == LearnerKind::Mixture { "" } else { " stroke-dasharray=\"6 4\"" };
        let mut band = stairs(&|k| steps[k].high);
        band.extend(stairs(&|k| steps[k].low).into_iter().rev());
        svg.path(&band, &format!("fill=\"{colour}\" fill-opacity=\".12\" stroke=\"none\""));
        svg.path(
            &stairs(&|k| steps[k].reached),
            &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}"),
        );
        let at = LEFT + WIDTH + 12.0;
        let row = 20.0 + 18.0 * i as f64;
        svg.line((at, row - 4.0), (at + 20.0, row - 4.0), &format!("stroke=\"{colour}\" stroke-width=\"3\"{dash}"));
        svg.text((at + 26.0, row), "start", "", learner.name());
    }
    svg.text((LEFT + WIDTH / 2.0, HEIGHT + 48.0), "middle", "soft", "questions asked");
    svg.finish()
}
