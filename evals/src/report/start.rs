//! The page of a start: where a model's own prior stands, and how real people's answers are learned from there.

use std::fmt::Write;

use super::groups::{group, panels};
use super::svg::{COLOURS, Svg, escape};
use super::{STYLE, caption, map};
use crate::experiment::{Experiment, LearnerKind};
use crate::results::Results;
use crate::start::StartResult;

const LEFT: f64 = 56.0;
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;

/// The page; with a map run beside it, the start is drawn on its maps.
pub fn start_html(result: &StartResult, region: Option<(&Experiment, &Results)>) -> String {
    let mut page = String::new();
    let model = escape(&result.model);
    let prior = &result.prior;
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Where {model} starts</title><style>{STYLE}</style></head><body><header><p class=\"kicker\">A model's own prior, and real people</p>\
         <h1>Does {model} start inside the region?</h1><p class=\"lead\">{}</p><ul class=\"facts\"><li><b>{}</b>people's {}\
         <li><b>{:.0}°</b>median angle to their values<li><b>{:.2}</b>confidence<li><b>{:.0}%</b>of its judgement explained<li><b>{}</b>nats: the target</ul></header><main>",
        verdict(result),
        result.angles_degrees.len(),
        escape(&result.what),
        result.angle(0.5),
        prior.confidence,
        100.0 * prior.r2,
        result.options.target_nats,
    );
    let _ = write!(
        page,
        "<h2>What it values</h2><div class=\"scroll\"><table><caption>The model judged {} of what people were asked about, one by one; the prior is its \
         judgement regressed on their features, by the rule of a session's elicited prior.</caption><thead><tr><th scope=\"col\">feature\
         <th scope=\"col\">mean weight<th scope=\"col\">standard deviation</tr></thead><tbody>",
        result.things
    );
    for ((name, mean), sd) in result.features.iter().zip(&prior.mean).zip(&prior.sd) {
        let _ = write!(page, "<tr><td>{name}<td>{mean:+.3}<td>{sd:.3}</tr>");
    }
    let _ = write!(
        page,
        "</tbody></table></div><p>Angles between this mean and what each person turned out to value: {:.0}° for a tenth of them or less, {:.0}° for half, \
         {:.0}° for nine in ten.</p><h2>Learning real people from there</h2><p>Log loss of each person's last ten answers above who knows them (a population \
         learned from other people, and thirty of their own answers), after so many of their answers. Bands: 95% intervals over people. Dotted: the \
         target.</p>{}",
        result.angle(0.1),
        result.angle(0.5),
        result.angle(0.9),
        curves(result)
    );
    let _ = write!(
        page,
        "<div class=\"scroll\"><table><caption>Log loss, nats an answer. Ceiling: who knows the person, {}. Baseline: the flat start. Difference: less the \
         flat start, paired by person, 95% interval.</caption><thead><tr><th scope=\"col\">learner<th scope=\"col\">answers<th scope=\"col\">log loss\
         <th scope=\"col\">above who knows them<th scope=\"col\">difference</tr></thead><tbody>",
        result.ceiling
    );
    for row in &result.rows {
        for (k, n) in result.options.answers.iter().enumerate() {
            let _ = write!(
                page,
                "<tr><td>{}<td>{n}<td>{}<td>{}<td>{}</tr>",
                escape(&row.learner),
                row.log_loss[k],
                row.excess[k],
                row.difference[k]
            );
        }
    }
    page += "</tbody></table></div>";
    match region {
        Some((experiment, results)) => {
            let _ = write!(
                page,
                "<h2>On the map of simulated people</h2><p>The diamond: this start, at its median angle and confidence; the bar reaches from the first to \
                 the ninth tenth of people. The map itself is of simulated people ({}).</p>{}",
                escape(&experiment.name),
                map::legend(experiment)
            );
            let groups = group(&results.runs);
            let marker = map::Marker {
                angle: result.angle(0.5),
                from: result.angle(0.1),
                to: result.angle(0.9),
                confidence: prior.confidence,
            };
            let mut id = 0;
            for panel in panels(&groups) {
                let _ = write!(page, "<h3>{}</h3><div class=\"panels\">", escape(&caption(&panel)));
                for learner in &experiment.learners {
                    let own: Vec<_> = panel.iter().copied().filter(|g| g.cell.learner == *learner).collect();
                    if own.is_empty() {
                        continue;
                    }
                    let label = format!("Map of {} with this start", LearnerKind::name(*learner));
                    let _ = write!(
                        page,
                        "<figure>{}<figcaption><b>{}</b></figcaption></figure>",
                        map::draw(experiment, &own, &label, id, Some(&marker)),
                        learner.name()
                    );
                    id += 1;
                }
                page += "</div>";
            }
        }
        None => {
            page += "<p>With <code>--map DIR</code>, the folder of a run of the built-in experiment <code>region</code>, the start is drawn on its map.</p>"
        }
    }
    let _ = writeln!(
        page,
        "<h2>Provenance</h2><dl><dt>Program<dd>credence {}, engine version {}<dt>Model<dd>{model}<dt>Seed<dd>{}</dl></main></body></html>",
        env!("CARGO_PKG_VERSION"),
        credence_memory::belief::ENGINE_VERSION,
        result.options.seed
    );
    page
}

/// The answer in a sentence or two.
pub fn verdict(result: &StartResult) -> String {
    let most = result.options.answers.last().copied().unwrap_or(0);
    let needed = |k: usize| {
        let n = result.rows.get(k).and_then(|r| r.answers_needed);
        n.map_or_else(|| format!("not within {most} answers"), |n| format!("from {n} answers on"))
    };
    format!(
        "{}: from this start beside a flat one, real people are predicted to within {} nats of who knows them {}; from a flat start alone {}, from the \
         model's prior alone {}.",
        if result.inside() { "Inside" } else { "Not shown to be inside" },
        result.options.target_nats,
        needed(2),
        needed(0),
        needed(1)
    )
}

fn curves(result: &StartResult) -> String {
    let last = result.options.answers.last().copied().unwrap_or(1).max(1) as f64;
    let top = result.rows.iter().flat_map(|r| &r.excess).map(|e| e.high).fold(0.05, f64::max);
    let bottom = result.rows.iter().flat_map(|r| &r.excess).map(|e| e.low).fold(0.0, f64::min);
    let x = |n: usize| LEFT + WIDTH * n as f64 / last;
    let y = |v: f64| 12.0 + HEIGHT * (top - v) / (top - bottom);
    let mut svg = Svg::new(LEFT + WIDTH + 220.0, HEIGHT + 54.0, "Excess log loss over answers from each start");
    let step = [0.02, 0.05, 0.1, 0.2, 0.5].into_iter().find(|s| (top - bottom) / s <= 7.0).unwrap_or(1.0);
    // Adding zero turns a negative zero into a plain one.
    let mut v = (bottom / step).ceil() * step + 0.0;
    while v <= top {
        svg.line((LEFT, y(v)), (LEFT + WIDTH, y(v)), "stroke=\"#e6eaee\"");
        svg.text((LEFT - 6.0, y(v) + 4.0), "end", "soft", &format!("{v:.2}"));
        v += step;
    }
    for n in &result.options.answers {
        svg.text((x(*n), HEIGHT + 30.0), "middle", "soft", &n.to_string());
    }
    let target = y(result.options.target_nats);
    svg.line(
        (LEFT, target),
        (LEFT + WIDTH, target),
        "stroke=\"#57606a\" stroke-dasharray=\"2 4\" stroke-width=\"1.5\"",
    );
    for (i, row) in result.rows.iter().enumerate() {
        let points: Vec<_> = result.options.answers.iter().map(|n| x(*n)).zip(&row.excess).collect();
        let mut band: Vec<(f64, f64)> = points.iter().map(|(x, e)| (*x, y(e.high))).collect();
        band.extend(points.iter().rev().map(|(x, e)| (*x, y(e.low))));
        svg.path(&band, &format!("fill=\"{}\" fill-opacity=\".12\" stroke=\"none\"", COLOURS[i % COLOURS.len()]));
        let line: Vec<(f64, f64)> = points.iter().map(|(x, e)| (*x, y(e.mean))).collect();
        let dash = ["stroke-dasharray=\"2 3\"", "stroke-dasharray=\"6 4\"", ""][i.min(2)];
        svg.path(&line, &format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2\" {dash}", COLOURS[i % COLOURS.len()]));
        let row_y = 20.0 + 18.0 * i as f64;
        let at = LEFT + WIDTH + 14.0;
        svg.line(
            (at, row_y - 4.0),
            (at + 20.0, row_y - 4.0),
            &format!("stroke=\"{}\" stroke-width=\"3\" {dash}", COLOURS[i % COLOURS.len()]),
        );
        svg.text((at + 26.0, row_y), "start", "", &row.learner);
    }
    svg.text((LEFT + WIDTH / 2.0, HEIGHT + 48.0), "middle", "soft", "answers revealed");
    svg.finish()
}
