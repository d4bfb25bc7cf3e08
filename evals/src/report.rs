//! One self-contained page of an experiment: what it says in short, the region map, curves, tables, the file and its provenance.

mod curves;
mod figures;
mod groups;
mod map;
mod start;
mod summary;
mod svg;
mod table;

use std::fmt::Write;

use crate::experiment::{Experiment, LearnerKind};
use crate::results::Results;
use crate::survival::Survival;
pub use figures::figures_html;
pub use start::{start_html, verdict};

use groups::{Group, group, panels, times};
use svg::escape;

const STYLE: &str = include_str!("report/style.css");

/// The page. Nothing in it is fetched from anywhere.
pub fn html(experiment: &Experiment, results: &Results) -> String {
    let groups = group(&results.runs);
    let mut page = String::new();
    let name = escape(&experiment.name);
    let last = map::last(experiment);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{name}: where value learning converges</title><style>{STYLE}</style></head><body><header><p class=\"kicker\">Convergence experiment</p>\
         <h1>{name}</h1><p class=\"lead\">{}</p><ul class=\"facts\"><li><b>{}</b>runs<li><b>{}</b>people a setting (seeds)<li><b>{last}</b>questions each\
         <li><b>{}</b>weights<li><b>{}</b>nats: the target</ul>",
        escape(&experiment.about),
        results.runs.len(),
        experiment.seeds.len(),
        experiment.dimension,
        experiment.target_nats,
    );
    let mut points: Vec<(f64, f64)> = groups.iter().map(|g| (g.cell.angle_degrees, g.cell.confidence)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup();
    // A map needs two axes.
    let mapped = points.len() > curves::LINES_MAX;
    page += "<nav aria-label=\"Sections\">";
    if mapped {
        page += "<a href=\"#map\">Map</a>";
    }
    page += "<a href=\"#curves\">Curves</a><a href=\"#reached\">Who got there</a><a href=\"#beside\">Beside the baseline</a>\
             <a href=\"#failures\">What did not converge</a><a href=\"#measures\">All measures</a><a href=\"#provenance\">Provenance</a></nav></header><main>";
    in_short(&mut page, experiment, &groups, results);
    if mapped {
        maps(&mut page, experiment, &groups);
    }
    let _ = write!(
        page,
        "<h2 id=\"curves\">Learning curves</h2><p>Excess log loss on held-out choices (nats, logarithmic scale) after each number of questions. \
         Solid: mixture. Dashed: single prior, told the person's signal and lapse rate. Bands: 95% intervals over people. Dotted: the \
         target, {}.{}</p><div class=\"panels\">",
        experiment.target_nats,
        if mapped { " Of the many starts those of the middle confidence are drawn." } else { "" },
    );
    for panel in panels(&groups) {
        let told = caption(&panel);
        figure(&mut page, &curves::learning(experiment, &panel, &format!("Learning curves of {told}")), &told);
    }
    page += "</div><h2 id=\"reached\">Who got there, and when</h2><p>Share of all runs, every start together, that had converged by then, by Kaplan and \
             Meier's estimate: a run that never did counts as watched to the last question and is not dropped. Bands: 95% intervals.</p><div class=\"panels\">";
    for panel in panels(&groups) {
        let told = caption(&panel);
        figure(&mut page, &curves::reached(experiment, &panel, &format!("Share converged, {told}")), &told);
    }
    page += "</div><h2 id=\"beside\">Beside the baseline</h2>";
    table::paired(&mut page, experiment, &groups);
    page += "<h2 id=\"failures\">What did not converge</h2>";
    if table::failures(&mut page, experiment, &groups) == 0 {
        page += "<p>In every setting at least half of the people converged under the mixture.</p>";
    }
    page += "<h2 id=\"measures\">All measures</h2>";
    table::measures(&mut page, experiment, &groups);
    provenance(&mut page, experiment, results);
    page + "</main></body></html>\n"
}

/// What anyone should take home, from the figures alone.
fn in_short(page: &mut String, experiment: &Experiment, groups: &[Group<'_>], results: &Results) {
    let last = map::last(experiment);
    let _ = write!(
        page,
        "<section class=\"short\"><p><b>In short.</b> Converged means: at most {} nats an answer above who knows the person, on held-out choices, at a \
         measurement and at all later ones up to {last} questions.</p><ul>",
        experiment.target_nats
    );
    for learner in &experiment.learners {
        let runs = results.runs.iter().filter(|r| r.cell.learner == *learner);
        let all = times(runs);
        let reached = all.iter().filter(|t| t.reached).count();
        let median = Survival::estimate(&all)
            .median()
            .map_or_else(|| "fewer than half ever did".to_owned(), |n| format!("half had by question {n}"));
        let starts: Vec<_> = groups.iter().filter(|g| g.cell.learner == *learner).collect();
        let inside = starts.iter().filter(|g| g.answers_needed().is_some()).count();
        let _ = write!(
            page,
            "<li>The {} converged in {reached} of {} runs ({median}), and for most people in {inside} of {} settings.",
            learner.name(),
            all.len(),
            starts.len()
        );
    }
    let promised = |g: &&Group<'_>| g.bound().is_some_and(|n| n <= experiment.bound_within());
    let mixture: Vec<_> = groups.iter().filter(|g| g.cell.learner == LearnerKind::Mixture).collect();
    if !mixture.is_empty() {
        let inside = mixture.iter().copied().filter(promised).count();
        let _ = write!(
            page,
            "<li>Whatever the answers, the bound promises the mixture the target on average within {} answers in {inside} of {} settings.",
            experiment.bound_within(),
            mixture.len()
        );
    }
    let asked = results.runs.iter().flat_map(|r| &r.measures).filter(|m| m.given > 0);
    let slack = asked.map(|m| m.bound_nats - m.nats_so_far);
    let least = slack.fold(f64::INFINITY, f64::min);
    let _ = write!(
        page,
        "<li>{}</ul></section>",
        if least >= 0.0 {
            format!(
                "The loss on the questions asked never exceeded its bound; the least room left was {least:.1} nats."
            )
        } else {
            format!("The approximate belief exceeded the bound of exact Bayes by up to {:.1} nats.", -least)
        }
    );
}

fn maps(page: &mut String, experiment: &Experiment, groups: &[Group<'_>]) {
    let _ = write!(
        page,
        "<h2 id=\"map\">The region of convergence</h2><p>Each cell is a start: how far its mean points from what the person values (across), and how sure \
         of it the prior is (up). The number is the median of answers needed from there; below it, how many people converged. Inside the red line the \
         bound of docs/belief.md, equation (14), promises the target on average within {} answers, whatever the answers are; outside, convergence \
         is measured, not promised.</p>{}",
        experiment.bound_within(),
        map::legend(experiment),
    );
    let mut id = 0;
    for panel in panels(groups) {
        let _ = write!(page, "<h3>{}</h3><div class=\"panels\">", escape(&caption(&panel)));
        for learner in &experiment.learners {
            let own: Vec<_> = panel.iter().copied().filter(|g| g.cell.learner == *learner).collect();
            if own.is_empty() {
                continue;
            }
            let inside = own.iter().filter(|g| g.answers_needed().is_some()).count();
            let label = format!(
                "Map of {}, {}: from {inside} of {} starts at least half of the people converged",
                learner.name(),
                caption(&panel),
                own.len()
            );
            let told = match learner {
                LearnerKind::Mixture => "the prior beside a flat one, signal and lapses inferred",
                LearnerKind::SinglePrior => "the prior alone, told signal and lapse rate",
            };
            let _ = write!(
                page,
                "<figure>{}<figcaption><b>{}</b>: {told}. From {inside} of {} starts at least half converged.</figcaption></figure>",
                map::draw(experiment, &own, &label, id, None),
                learner.name(),
                own.len()
            );
            id += 1;
        }
        *page += "</div>";
    }
}

fn provenance(page: &mut String, experiment: &Experiment, results: &Results) {
    let p = &results.provenance;
    let _ = write!(
        page,
        "<h2 id=\"provenance\">Provenance</h2><dl><dt>Program<dd>credence {}, engine version {}, results version {}<dt>Platform<dd>{}<dt>Seeds<dd>{:?}\
         <dt>Experiment, BLAKE3<dd>{}<dt>Beside this page<dd>results.jsonl (a run a line), results.parquet (a measurement a row)</dl>\
         <h3>The experiment's file</h3><pre>{}</pre>",
        escape(&p.version),
        p.engine_version,
        p.results_version,
        escape(&p.platform),
        experiment.seeds,
        escape(&p.file_blake3),
        escape(&p.file)
    );
}

fn caption(panel: &[&Group<'_>]) -> String {
    format!("{}; questions by {}", panel[0].person(), panel[0].cell.strategy_name())
}

fn figure(page: &mut String, svg: &str, caption: &str) {
    let _ = write!(page, "<figure><figcaption><b>{}</b></figcaption>{svg}</figure>", escape(caption));
}
