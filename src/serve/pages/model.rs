//! The model that the prior is from.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use maud::html;

use super::frame;
use crate::serve::App;
use crate::serve::access::Caller;
use crate::serve::problem::Problem;

/// What the prior is from, and what is in force.
pub(super) async fn page(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
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
