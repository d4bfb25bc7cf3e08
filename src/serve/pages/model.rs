//! The model that the prior is from.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use maud::html;

use credence_agent::knowledge::Knowledge;
use credence_agent::names;
use credence_agent::views::values_of;
use credence_memory::ids::PersonId;
use credence_memory::state::{Adapter, State as Belief};
use maud::Markup;

use super::{frame, sentence};
use crate::commands::tune::status::verdict;
use crate::commands::values::drawing;
use crate::front::report::{UNIT, interval, ranked};
use crate::front::text::signed;
use crate::serve::App;
use crate::serve::access::Caller;
use crate::serve::problem::Problem;

/// What the prior is from, and what is in force.
pub(super) async fn page(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.must_see_everybody()?;
    let (header, generations, population, prior) = app
        .desk
        .run(|desk| {
            let state = desk.home.state();
            let in_force: Vec<_> = state.ledger().lineage().iter().map(|a| a.trained.generation).collect();
            let generations: Vec<Generation> = state
                .generations()
                .adapters()
                .map(|a| Generation::of(a, in_force.contains(&a.trained.generation)))
                .collect();
            (state.header().cloned(), generations, state.population().is_some(), before_anybody(state))
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
                @if app.reads.is_empty() {
                    p { "That is not known of this model: " code { "credence eval validity" } " measures it." }
                } @else {
                    p { "How often the sign of a value is read right in acts that nobody keyed, with 95% intervals." }
                    (frame::wide("How well the model reads each value", html! { table {
                        thead { tr { th scope="col" { "value" } th scope="col" { "share that is right" } } }
                        tbody { @for (name, reads) in &app.reads { tr { th scope="row" { (name) } td { (reads) } } } }
                    } }))
                }
            }
            section {
                h2 { "Generations" }
                @if generations.is_empty() { p { "There is none: the model is as it was downloaded." } }
                @for generation in &generations { (generation.card()) }
            }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

/// A generation, as the page tells it.
struct Generation {
    name: String,
    is_in_force: bool,
    absorbed: usize,
    cutoff: u64,
    /// What the gate said, in the order of the log: the record, the words, and each test with whether it passed.
    judged: Vec<(u64, String, Vec<(String, bool)>)>,
    rolled_back: bool,
    is_stale: bool,
}

impl Generation {
    fn of(adapter: &Adapter, is_in_force: bool) -> Self {
        let judged = adapter.judged.iter().map(|(seq, judged)| {
            let tests = judged.tests.iter().map(|test| (test.name.clone(), test.passed)).collect();
            (seq.0, verdict(judged), tests)
        });
        Self {
            name: format!("generation {}", adapter.trained.generation),
            is_in_force,
            absorbed: adapter.absorbed_records.len(),
            cutoff: adapter.trained.cutoff.0,
            judged: judged.collect(),
            rolled_back: adapter.rolled_back.is_some(),
            is_stale: adapter.withdrawn.is_some(),
        }
    }

    fn card(&self) -> Markup {
        html! {
            article.card {
                h3 { (sentence(&self.name)) @if self.is_in_force { ": in force" } @else if self.is_stale { ": something that it absorbed was withdrawn" } @else if self.rolled_back { ": taken back" } }
                p { "Trained on " (self.absorbed) " records, up to record " (self.cutoff) "." }
                @for (record, said, tests) in &self.judged {
                    p { "Record " (record) ", " (said) "." }
                    ul { @for (test, passed) in tests { li { (test) ": " @if *passed { "passed" } @else { "not passed" } } } }
                }
                @if self.judged.is_empty() { p { "The gate has not judged it." } }
            }
        }
    }
}

/// The values of somebody of whom nothing is known.
fn before_anybody(state: &Belief) -> Option<credence_agent::protocol::ValuesView> {
    let nobody = PersonId::new("somebody who is not here").ok()?;
    let (epoch, prior) = (state.epoch()?, state.prior_belief(&nobody).ok()?);
    Some(values_of(&epoch.layout, &prior, &prior, names::value))
}
