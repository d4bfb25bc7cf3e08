//! One self-contained page of any experiment's figures: a table for each data set and measure, and where they come from.

use std::fmt::Write;

use super::STYLE;
use super::svg::escape;
use crate::figures::{Figure, Origin};

/// The page. Nothing in it is fetched from anywhere.
pub fn figures_html(origin: &Origin, figures: &[Figure]) -> String {
    let name = escape(&origin.experiment);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{name}: figures</title><style>{STYLE}</style></head><body><header><p class=\"kicker\">Experiment</p><h1>{name}</h1>\
         <p class=\"lead\">{} figures, with their 95% intervals where they have one.</p></header><main>",
        figures.len()
    );
    for (data, measure) in distinct(figures.iter().map(|f| (f.data.as_str(), f.measure.as_str()))) {
        let own: Vec<&Figure> = figures.iter().filter(|f| f.data == data && f.measure == measure).collect();
        let moments = distinct(own.iter().map(|f| f.at.as_str()));
        let _ = write!(
            page,
            "<h2>{}, {}</h2><table><tr><th scope=\"col\" class=\"text\">learner",
            escape(measure),
            escape(data)
        );
        for at in &moments {
            let _ = write!(page, "<th scope=\"col\">{}", escape(at));
        }
        for learner in distinct(own.iter().map(|f| f.learner.as_str())) {
            let _ = write!(page, "<tr><th scope=\"row\" class=\"text\">{}", escape(learner));
            for at in &moments {
                let cell =
                    own.iter().find(|f| f.learner == learner && f.at == *at).map(|f| told(f)).unwrap_or_default();
                let _ = write!(page, "<td>{cell}");
            }
        }
        page += "</table>";
    }
    let _ = writeln!(
        page,
        "<h2>Provenance</h2><dl><dt>Program<dd>credence {}, engine version {}<dt>Platform<dd>{}<dt>Beside this page<dd>figures.jsonl, \
         figures.parquet (a figure a row)</dl><h3>Options</h3><pre>{}</pre></main></body></html>",
        escape(&origin.version),
        origin.engine_version,
        escape(&origin.platform),
        escape(&serde_json::to_string_pretty(&origin.options).unwrap_or_default())
    );
    page
}

fn told(figure: &Figure) -> String {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!("{:.3} [{low:.3}, {high:.3}]", figure.mean),
        _ => format!("{:.3}", figure.mean),
    }
}

/// Each once, in the order of first appearance.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Estimate;

    #[test]
    fn every_figure_is_on_the_page_and_names_are_text() {
        let origin = Origin::new("flight", &serde_json::json!({ "seed": 7 })).expect("options");
        let figures = [
            Figure::new("a", "<b>x", "0 answers", "accuracy", Estimate { mean: 0.5, low: 0.25, high: 0.75 }),
            Figure::bare("a", "<b>x", "5 answers", "accuracy", 0.875),
        ];
        let page = figures_html(&origin, &figures);
        for part in ["0.500 [0.250, 0.750]", "<td>0.875", "&lt;b&gt;x", "&quot;seed&quot;: 7", "5 answers"] {
            assert!(page.contains(part), "{part} is not on {page}");
        }
        assert!(!page.contains("<b>x"));
    }
}
