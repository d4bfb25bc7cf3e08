//! The model that the prior is from.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};

use super::{frame, sentence};
use crate::commands::values::drawing;
use crate::front::report::{UNIT, interval, ranked};
use crate::front::text::signed;
use crate::serve::App;
use crate::serve::access::Caller;
use crate::serve::model::{self, GenerationView, ModelView};
use crate::serve::problem::Problem;

/// What the prior is from, and what is in force.
pub(super) async fn page(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let ModelView { header, has_population, prior, reads, generations } = model::view(&app, &caller).await?;
    let page = frame::page(
        &caller,
        "Model",
        "/model",
        html! {
            @if let Some(header) = &header {
                table {
                    tbody {
                        tr { th scope="row" { "model" } td { (header.reference) } }
                        tr { th scope="row" { "its file (BLAKE3)" } td { code { (header.file_hash) } } }
                        tr { th scope="row" { "scored in" } td { (header.scoring_precision) } }
                        tr { th scope="row" { "log begun by" } td { (header.software) } }
                        tr { th scope="row" { "values" } td { (header.values) } }
                        tr { th scope="row" { "prior learned from other people" } td { @if has_population { "yes" } @else { "not yet: " code { "credence people consolidate" } } } }
                    }
                }
            }
            @if let Some(prior) = &prior {
                section {
                    h2 { "What is believed of somebody before they answer" }
                    figure.card { (drawing::bars("Before anybody has answered", prior)) }
                    details {
                        summary { "In numbers" }
                        (frame::wide("The prior in numbers", html! { table {
                            thead { tr { th scope="col" { "value" } th.number scope="col" { "mean" } th.number scope="col" { "90% interval" } } }
                            tbody { @for value in &ranked(prior).values { tr {
                                th scope="row" { (value.name) }
                                td.number { (signed(value.mean)) }
                                td.number { (interval(value.low, value.high)) }
                            } } }
                        } }))
                        p.quiet { (UNIT) }
                    }
                }
            }
            section {
                h2 { "How well the model reads each value" }
                @if reads.is_empty() {
                    p { "That is not known of this model: " code { "credence eval validity" } " measures it." }
                } @else {
                    p { "How often the sign of a value is read right in acts that nobody keyed, with 95% intervals." }
                    (frame::wide("How well the model reads each value", html! { table {
                        thead { tr { th scope="col" { "value" } th scope="col" { "share that is right" } } }
                        tbody { @for read in &reads { tr { th scope="row" { (read.value) } td { (read.right) } } } }
                    } }))
                }
            }
            section {
                h2 { "Generations" }
                @if generations.is_empty() { p { "There is none: the model is as it was downloaded." } }
                @for generation in &generations { (card(generation)) }
            }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

fn card(generation: &GenerationView) -> Markup {
    let GenerationView { name, is_in_force, absorbed, cutoff, judged, was_rolled_back, is_stale } = generation;
    html! {
        article.card {
            h3 { (sentence(name)) @if *is_in_force { ": in force" } @else if *is_stale { ": something that it absorbed was withdrawn" } @else if *was_rolled_back { ": taken back" } }
            p { "Trained on " (absorbed) " records, up to record " (cutoff) "." }
            @for verdict in judged {
                p { "Record " (verdict.record) ", " (verdict.in_words) "." }
                ul { @for test in &verdict.tests { li { (test.name) ": " @if test.passed { "passed" } @else { "not passed" } } } }
            }
            @if judged.is_empty() { p { "The gate has not judged it." } }
        }
    }
}
