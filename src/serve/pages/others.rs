//! Decisions, and the model that the prior is from.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use maud::html;

use super::{frame, link};
use crate::front::text::{clean, percent, signed};
use crate::serve::App;
use crate::serve::access::Caller;
use crate::serve::api::{Asked, WhichValues};
use crate::serve::problem::Problem;
use crate::serve::reading;

/// Decisions that were made, and why.
pub(super) async fn decisions(
    State(app): State<App>,
    caller: Caller,
    Asked(which): Asked<WhichValues>,
) -> Result<Response, Problem> {
    let decided = reading::decisions(&app, &caller, which.person).await?;
    let page = frame::page(
        &caller,
        "Decisions",
        "/decisions",
        html! {
            @if decided.is_empty() {
                p { "Nothing was decided yet. " code { "credence decide" } " and " code { "credence agent" } " write decisions to this log." }
            }
            @for d in &decided {
                article.card {
                    p.quiet { "Record " (d.seq) ", for " (d.person) }
                    @if !d.situation.is_empty() { p { (clean(&d.situation)) } }
                    p { strong { (clean(&d.said)) } }
                    table {
                        thead { tr { th { "alternative" } th.number { "chance that it is the best" } } }
                        tbody { @for (text, p) in &d.alternatives { tr { td { (clean(text)) } td.number { (percent(*p)) } } } }
                    }
                    @if !d.reasons.is_empty() {
                        p { "What spoke for the best, against the next: "
                            @for (i, (name, size)) in d.reasons.iter().take(6).enumerate() { @if i > 0 { ", " } (name) " " (signed(*size)) } "." }
                    }
                    p.quiet { "Expected regret of choosing now: " (signed(d.expected_regret)) " noise units. "
                        a href=(link("/log", &[("person", &d.person), ("at", &d.seq.to_string())])) { "what was believed then" } }
                }
            }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

/// What the prior is from, and what is in force.
pub(super) async fn model(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.must_see_everybody()?;
    let (header, generations, population) = app
        .desk
        .run(|desk| {
            let state = desk.home.state();
            let lineage = state.ledger().lineage();
            let generations: Vec<(String, bool)> = lineage
                .into_iter()
                .map(|a| (format!("generation {}", a.trained.generation), a.promoted.is_some()))
                .collect();
            (state.header().cloned(), generations, state.population().is_some())
        })
        .await?;
    let page = frame::page(
        &caller,
        "Model",
        "/model",
        html! {
            @if let Some(header) = &header {
                table {
                    tbody {
                        tr { th scope="row" { "model" } td { (header.model.reference) } }
                        tr { th scope="row" { "its file (BLAKE3)" } td { code { (header.model.gguf_hash) } } }
                        tr { th scope="row" { "scored in" } td { (header.model.scoring_precision) } }
                        tr { th scope="row" { "log begun by" } td { (header.software) } }
                        tr { th scope="row" { "values" } td { (header.values.len()) } }
                        tr { th scope="row" { "prior learned from other people" } td { @if population { "yes" } @else { "not yet: " code { "credence people consolidate" } } } }
                    }
                }
            }
            h2 { "Generations in force" }
            @if generations.is_empty() { p { "None: the model is as it was downloaded." } }
            ul { @for (name, promoted) in &generations { li { (name) @if *promoted { ", promoted by the gate" } } } }
            p.quiet { "How well this model reads each value: " code { "credence model info" } ". Its prior: " code { "credence prior show" } "." }
        },
    );
    Ok(Html(page.into_string()).into_response())
}
