//! The map: prior error by confidence, each cell coloured by the answers needed from there.

use super::groups::Group;
use super::svg::{Svg, escape, shade};
use crate::experiment::Experiment;

const CELL: (f64, f64) = (66.0, 46.0);
const LEFT: f64 = 62.0;
const TOP: f64 = 8.0;

/// A start to be shown on a map.
pub(super) struct Marker {
    /// Its angle, and the range of it over people, degrees.
    pub(super) angle: f64,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Its confidence.
    pub(super) confidence: f64,
}

/// One learner's map of one person, with a start marked on it where there is one.
pub(super) fn draw(
    experiment: &Experiment,
    panel: &[&Group<'_>],
    label: &str,
    id: usize,
    marker: Option<&Marker>,
) -> String {
    let distinct = |value: fn(&Group<'_>) -> f64| {
        let mut values: Vec<f64> = panel.iter().map(|g| value(g)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    };
    let (angles, confidences) = (distinct(|g| g.cell.angle_degrees), distinct(|g| g.cell.confidence));
    let (w, h) = CELL;
    let (right, bottom) = (LEFT + w * angles.len() as f64, TOP + h * confidences.len() as f64);
    let mut svg = Svg::new(right + 8.0, bottom + 42.0, label);
    // Not converged is told by a hatch, not by colour alone.
    svg.raw(format_args!(
        "<defs><pattern id=\"hatch{id}\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect width=\"7\" height=\"7\" fill=\"#fff\"/><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\" stroke=\"#b8bec5\" stroke-width=\"2.4\"/></pattern></defs>"
    ));
    let last = last(experiment);
    let place = |g: &Group<'_>| {
        let column = angles.iter().position(|a| *a == g.cell.angle_degrees).unwrap_or(0);
        let row = confidences.iter().rev().position(|c| *c == g.cell.confidence).unwrap_or(0);
        (column, row)
    };
    for g in panel {
        let (column, row) = place(g);
        let (x, y) = (LEFT + w * column as f64, TOP + h * row as f64);
        let (fill, ink, text) = match g.answers_needed() {
            Some(n) => {
                let (fill, dark) = shade(n as f64 / last as f64);
                (fill, if dark { "#fff" } else { "#1b1f24" }, n.to_string())
            }
            None => (format!("url(#hatch{id})"), "#1b1f24", "×".to_owned()),
        };
        let told = match g.answers_needed() {
            Some(n) => format!("{n} answers"),
            None => format!("fewer than half converged within {last}"),
        };
        let bound = g.bound().map_or("the bound never promises it".to_owned(), |n| format!("bound: {n} answers"));
        svg.raw(format_args!(
            "<g><title>{}: {told}; {} of {} people converged; {bound}</title><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" \
             fill=\"{fill}\" stroke=\"#fff\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" class=\"big\" style=\"fill:{ink}\">{text}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" class=\"small\" style=\"fill:{ink}\">{} of {}</text></g>",
            escape(&g.start()),
            g.converged(),
            g.runs.len(),
            x + w / 2.0,
            y + h / 2.0 + 1.0,
            x + w / 2.0,
            y + h / 2.0 + 15.0,
            g.converged(),
            g.runs.len(),
        ));
    }
    // The boundary runs wherever a cell that the bound holds for meets one that it does not, or the map's edge.
    let promised = |column: usize, row: usize| {
        let of = panel.iter().find(|g| place(g) == (column, row));
        of.and_then(|g| g.bound()).is_some_and(|n| n <= experiment.bound_within())
    };
    let style = "stroke=\"#d4001a\" stroke-width=\"3\" stroke-linecap=\"square\"";
    for (column, _) in angles.iter().enumerate() {
        for (row, _) in confidences.iter().enumerate() {
            if !promised(column, row) {
                continue;
            }
            let (x, y) = (LEFT + w * column as f64, TOP + h * row as f64);
            let beyond = |dx: isize, dy: isize| {
                let (c, r) = (column.checked_add_signed(dx), row.checked_add_signed(dy));
                !matches!((c, r), (Some(c), Some(r)) if c < angles.len() && r < confidences.len() && promised(c, r))
            };
            for (out, from, to) in [
                (beyond(-1, 0), (x, y), (x, y + h)),
                (beyond(1, 0), (x + w, y), (x + w, y + h)),
                (beyond(0, -1), (x, y), (x + w, y)),
                (beyond(0, 1), (x, y + h), (x + w, y + h)),
            ] {
                if out {
                    svg.line(from, to, style);
                }
            }
        }
    }
    if let Some(m) = marker {
        let x = |angle: f64| LEFT + w * (0.5 + along(&angles, angle));
        let y = bottom - h * (0.5 + along(&confidences, m.confidence));
        svg.line((x(m.from), y), (x(m.to), y), "stroke=\"#fff\" stroke-width=\"6\"");
        svg.line((x(m.from), y), (x(m.to), y), "stroke=\"#000\" stroke-width=\"2.5\"");
        let c = x(m.angle);
        svg.path(
            &[(c, y - 11.0), (c + 11.0, y), (c, y + 11.0), (c - 11.0, y), (c, y - 11.0)],
            "fill=\"#fff\" stroke=\"#000\" stroke-width=\"3\"",
        );
    }
    for (i, angle) in angles.iter().enumerate() {
        svg.text((LEFT + w * (i as f64 + 0.5), bottom + 17.0), "middle", "", &format!("{angle}°"));
    }
    for (i, confidence) in confidences.iter().rev().enumerate() {
        svg.text((LEFT - 8.0, TOP + h * (i as f64 + 0.5) + 4.0), "end", "", &confidence.to_string());
    }
    svg.text(
        (f64::midpoint(LEFT, right), bottom + 36.0),
        "middle",
        "soft",
        "angle between the start and the person's values",
    );
    let y = f64::midpoint(TOP, bottom);
    svg.raw(format_args!(
        "<text transform=\"translate(14 {y:.1}) rotate(-90)\" text-anchor=\"middle\" class=\"soft\">the start's confidence</text>"
    ));
    svg.finish()
}

/// Where a value lies among the ascending ones of an axis, in cells from the first, held to its ends.
fn along(axis: &[f64], value: f64) -> f64 {
    match axis.iter().position(|a| *a >= value) {
        Some(0) => 0.0,
        Some(k) => (k - 1) as f64 + (value - axis[k - 1]) / (axis[k] - axis[k - 1]),
        None => (axis.len() - 1) as f64,
    }
}

/// The colours and signs of all maps.
pub(super) fn legend(experiment: &Experiment) -> String {
    let last = last(experiment);
    let mut svg = Svg::new(720.0, 50.0, "Legend of the maps");
    let steps = 60;
    for i in 0..steps {
        let (fill, _) = shade(f64::from(i) / f64::from(steps - 1));
        svg.raw(format_args!(
            "<rect x=\"{:.1}\" y=\"8\" width=\"4.3\" height=\"14\" fill=\"{fill}\"/>",
            2.0 + 4.0 * f64::from(i)
        ));
    }
    svg.text((2.0, 38.0), "start", "soft", "0");
    svg.text((122.0, 38.0), "middle", "soft", "answers needed (median)");
    svg.text((242.0, 38.0), "end", "soft", &last.to_string());
    svg.raw(format_args!(
        "<defs><pattern id=\"hatchlegend\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect width=\"7\" height=\"7\" fill=\"#fff\"/><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\" stroke=\"#b8bec5\" stroke-width=\"2.4\"/></pattern></defs>\
         <rect x=\"276\" y=\"6\" width=\"28\" height=\"18\" fill=\"url(#hatchlegend)\" stroke=\"#d8dee4\"/>"
    ));
    svg.text((312.0, 19.0), "start", "", &format!("× fewer than half within {last}"));
    svg.raw(format_args!(
        "<rect x=\"506\" y=\"7\" width=\"26\" height=\"16\" fill=\"none\" stroke=\"#d4001a\" stroke-width=\"3\"/>"
    ));
    svg.text((540.0, 19.0), "start", "", &format!("promised within {}", experiment.bound_within()));
    svg.finish()
}

/// The last number of answers that was measured at.
pub(super) fn last(experiment: &Experiment) -> usize {
    experiment.measured_at.last().copied().unwrap_or(1).max(1)
}
