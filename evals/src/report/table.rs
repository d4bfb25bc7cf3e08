//! Tables: ours beside the baseline with paired differences, every measure at the end, and what did not converge.

use std::fmt::Write;

use super::groups::{Group, baseline};
use super::map::last;
use super::svg::escape;
use crate::estimate::Estimate;
use crate::experiment::{Cell, Experiment, LearnerKind};

/// Columns that tell groups apart; what is the same in all of them stands in the caption.
struct Columns {
    person: bool,
    strategy: bool,
}

impl Columns {
    fn of(groups: &[Group<'_>]) -> Self {
        let first = groups.first();
        let differs =
            |same: &dyn Fn(&Cell, &Cell) -> bool| groups.iter().any(|g| first.is_some_and(|f| !same(f.cell, g.cell)));
        Self {
            person: differs(&|a, b| a.person == b.person && a.signal == b.signal),
            strategy: differs(&|a, b| a.strategy == b.strategy),
        }
    }

    fn heads(&self) -> String {
        let head = |shown: bool, name: &str| {
            if shown { format!("<th scope=\"col\" class=\"text\">{name}") } else { String::new() }
        };
        head(self.person, "person") + &head(self.strategy, "questions by")
    }

    fn cells(&self, g: &Group<'_>) -> String {
        let cell = |shown: bool, text: &str| {
            if shown { format!("<td class=\"text\">{}", escape(text)) } else { String::new() }
        };
        cell(self.person, &g.person()) + &cell(self.strategy, &g.cell.strategy_name())
    }

    /// What all have in common, as a sentence.
    fn common(&self, groups: &[Group<'_>]) -> String {
        let Some(g) = groups.first() else { return String::new() };
        let mut parts = Vec::new();
        if !self.person {
            parts.push(format!("person: {}", g.person()));
        }
        if !self.strategy {
            parts.push(format!("questions by {}", g.cell.strategy_name()));
        }
        if parts.is_empty() { String::new() } else { format!(" All rows: {}.", escape(&parts.join("; "))) }
    }
}

fn needed(experiment: &Experiment, g: &Group<'_>) -> String {
    g.answers_needed().map_or_else(|| format!("&gt; {}", last(experiment)), |n| n.to_string())
}

/// The mixture beside the single prior, person by person; the ceiling is who knows the person.
pub(super) fn paired(page: &mut String, experiment: &Experiment, groups: &[Group<'_>]) {
    let columns = Columns::of(groups);
    let (heads, common) = (columns.heads(), columns.common(groups));
    let _ = write!(
        page,
        "<div class=\"scroll\"><table><caption>Excess log loss (nats a choice) after the last question, less is better. Ceiling: who \
         knows the person, 0 by definition; <i>floor</i> is the least that any weights along the person's own could reach. Baseline: \
         the single prior, told the person's signal and lapse rate. Difference: mixture less single prior, paired by person, with its \
         95% interval; bold where the interval is below zero.{common}</caption><thead><tr><th scope=\"col\">start{heads}<th scope=\"col\">ceiling<th scope=\"col\">floor\
         <th scope=\"col\">baseline<th scope=\"col\">ours<th scope=\"col\">difference<th scope=\"col\">answers, baseline\
         <th scope=\"col\">answers, ours</tr></thead><tbody>"
    );
    for ours in groups.iter().filter(|g| g.cell.learner == LearnerKind::Mixture) {
        let baseline = baseline(groups, ours);
        let k = ours.last();
        let own = ours.values(k, |m| m.excess_nats);
        let (theirs, difference, their_answers, better) = match baseline {
            Some(b) => {
                let theirs = b.values(k, |m| m.excess_nats);
                let d = Estimate::paired(&own, &theirs, 1);
                (
                    format!("{:.3}", Estimate::bootstrap(&theirs, 1).mean),
                    d.to_string(),
                    needed(experiment, b),
                    d.high < 0.0,
                )
            }
            None => ("–".into(), "–".into(), "–".into(), false),
        };
        let _ = write!(
            page,
            "<tr{}><td>{}{}<td>0<td>{:.3}<td>{theirs}<td>{}<td class=\"diff\">{difference}\
             <td>{their_answers}<td>{}</tr>",
            if better { " class=\"better\"" } else { "" },
            escape(&ours.start()),
            columns.cells(ours),
            ours.floor(),
            Estimate::bootstrap(&own, 1),
            needed(experiment, ours),
        );
    }
    *page += "</tbody></table></div>";
}

/// Every measure after the last question.
pub(super) fn measures(page: &mut String, experiment: &Experiment, groups: &[Group<'_>]) {
    let columns = Columns::of(groups);
    let (heads, common) = (columns.heads(), columns.common(groups));
    let _ = write!(
        page,
        "<div class=\"scroll\"><table><caption>After the last question, means over people with 95% intervals. Brier and log loss are \
              above who knows the person; <i>nats behind best</i>: lost so far against the hypothesis that did best in hindsight; \
              <i>bound less loss</i>: the least room any run left under the bound of equation (14).{common}</caption><thead><tr><th scope=\"col\">start\
              {heads}<th scope=\"col\" class=\"text\">learner<th scope=\"col\">excess nats\
              <th scope=\"col\">right<th scope=\"col\">Brier<th scope=\"col\">calibration<th scope=\"col\">angle<th scope=\"col\">regret\
              <th scope=\"col\">90% covers<th scope=\"col\">nats behind best<th scope=\"col\">bound less loss<th scope=\"col\">answers needed\
              <th scope=\"col\">converged</tr></thead><tbody>"
    );
    for g in groups {
        let k = g.last();
        let slack = g.values(k, |m| m.bound_nats - m.nats_so_far).into_iter().fold(f64::INFINITY, f64::min);
        let _ = write!(
            page,
            "<tr><td>{}{}<td class=\"text\">{}<td>{}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.0}°<td>{:.3}<td>{:.2}\
             <td>{:.2}<td>{slack:.1}<td>{}<td>{} of {}</tr>",
            escape(&g.start()),
            columns.cells(g),
            g.cell.learner.name(),
            g.at(k, |m| m.excess_nats),
            g.at(k, |m| m.accuracy).mean,
            g.at(k, |m| m.excess_brier).mean,
            g.at(k, |m| m.calibration_error).mean,
            g.at(k, |m| m.angle_degrees.unwrap_or(90.0)).mean,
            g.at(k, |m| m.regret).mean,
            g.at(k, |m| m.coverage).mean,
            g.at(k, |m| m.nats_behind_best).mean,
            needed(experiment, g),
            g.converged(),
            g.runs.len(),
        );
    }
    *page += "</tbody></table></div>";
}

/// The mixture's groups of which fewer than half of the people converged, with what speaks for which reason. Says how many.
pub(super) fn failures(page: &mut String, experiment: &Experiment, groups: &[Group<'_>]) -> usize {
    let failed: Vec<_> =
        groups.iter().filter(|g| g.cell.learner == LearnerKind::Mixture && g.answers_needed().is_none()).collect();
    if failed.is_empty() {
        return 0;
    }
    *page += "<div class=\"scroll\"><table><caption>The mixture's settings in which fewer than half of the people converged. <i>Floor</i>: excess that \
              the person's own weights cannot go below in this form. <i>Asked and answered</i>: how many questions were answered at \
              all.</caption><thead><tr><th scope=\"col\">person<th scope=\"col\" class=\"text\">start<th scope=\"col\" class=\"text\">questions by<th scope=\"col\">excess at the end\
              <th scope=\"col\">floor<th scope=\"col\">angle<th scope=\"col\">90% covers<th scope=\"col\">asked, answered<th scope=\"col\">converged\
              <th scope=\"col\" class=\"text\">why</tr></thead><tbody>";
    for g in &failed {
        let k = g.last();
        let given = g.at(k, |m| m.given as f64).mean;
        let _ = write!(
            page,
            "<tr><td>{}<td class=\"text\">{}<td class=\"text\">{}<td>{}<td>{:.3}<td>{:.0}°<td>{:.2}<td>{}, {given:.0}<td>{} of {}<td class=\"why\">{}</tr>",
            escape(&g.person()),
            escape(&g.start()),
            g.cell.strategy_name(),
            g.at(k, |m| m.excess_nats),
            g.floor(),
            g.at(k, |m| m.angle_degrees.unwrap_or(90.0)).mean,
            g.at(k, |m| m.coverage).mean,
            last(experiment),
            g.converged(),
            g.runs.len(),
            escape(&why(experiment, g)),
        );
    }
    *page += "</tbody></table></div>";
    failed.len()
}

/// What the figures say, then what the experiment's author says.
fn why(experiment: &Experiment, g: &Group<'_>) -> String {
    let k = g.last();
    let excess = g.at(k, |m| m.excess_nats).mean;
    let given = g.at(k, |m| m.given as f64).mean;
    let angle = g.at(k, |m| m.angle_degrees.unwrap_or(90.0)).mean;
    let mut out = String::new();
    if g.floor() > experiment.target_nats {
        out += "Out of reach: the floor itself is above the target. ";
    } else if angle > 120.0 {
        out += "The opposite was learned. ";
    } else if given < 0.75 * last(experiment) as f64 {
        out += "Many questions were passed over. ";
    } else if excess < 2.0 * experiment.target_nats {
        out += "Close: more questions may do. ";
    }
    if let Some(spec) = experiment.person.iter().find(|p| p.name == g.cell.person) {
        out += &spec.note;
    }
    out
}
