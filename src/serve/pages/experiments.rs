//! Experiments: runs with their progress, starting, stopping, reports.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::{Stream, StreamExt};

use super::{Form, frame, sentence, unseen};
use crate::front::text::clean;
use crate::serve::App;
use crate::serve::access::{Caller, check_csrf};
use crate::serve::api::At;
use crate::serve::done::Key;
use crate::serve::experiments::{self, ExperimentsView, StartRun};
use crate::serve::problem::Problem;
use crate::serve::runs::{RunView, Standing};

/// The page.
pub(super) async fn page(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let found = experiments::all(&app, &caller).await?;
    let is_at_work = found.runs.iter().any(|run| run.standing == Standing::Running);
    let page = frame::page(
        &caller,
        "Experiments",
        "/experiments",
        html! {
            p { "An experiment simulates people whose values are known, and shows from which starts they are learned. It runs as a process of its own, at the lowest priority." }
            section #runs aria-live="off" {
                h2 { "Runs" }
                @if found.runs.is_empty() { p { "There is none yet." } }
                @for run in &found.runs { (card(&caller, run)) }
            }
            (begin(&caller, &found, is_at_work))
        },
    );
    Ok(Html(page.into_string()).into_response())
}

fn card(caller: &Caller, run: &RunView) -> Markup {
    let words = match run.standing {
        Standing::Running => "at work",
        Standing::Stopped => "stopped",
        Standing::Done => "done",
        Standing::Failed => "failed",
    };
    let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    html! {
        // What is at work is followed; once it is done, the whole page has changed.
        @let follows = (run.standing == Standing::Running).then(|| format!("/experiments/{}/events", run.run));
        article.card hx-ext="sse" sse-connect=[&follows] sse-close="over" hx-get="/experiments" hx-trigger="sse:over" hx-target="#content"
            hx-select="#content" hx-swap="outerHTML" {
            h3 { (clean(&run.run)) ": " (words) }
            p { (sentence(&clean(&run.about))) "." }
            p.row sse-swap=[follows.is_some().then_some("run")] hx-target="this" hx-swap="innerHTML" { (progress(run)) }
            p.quiet { "Begun " (day(run.began)) " UTC" @if let Some(ended) = run.ended { ", ended " (day(ended)) } "." }
            @if let Some(said) = &run.said { p.problem { (clean(said)) } }
            div.row {
                @if run.has_report { a.button href=(format!("/experiments/{}", run.run)) { "Report of " (run.run) } }
                @match run.standing {
                    Standing::Running => (act(caller, "stop", &run.run, "Stop")),
                    Standing::Stopped | Standing::Failed => (act(caller, "start", &run.run, "Go on")),
                    Standing::Done => {}
                }
            }
        }
    }
}

/// How far a run is.
fn progress(run: &RunView) -> Markup {
    let id = format!("progress-{}", run.run);
    html! {
        label for=(id) { span.done { (run.done) } " of " (run.cells) " cells" }
        progress id=(id) max=(run.cells) value=(run.done.min(run.cells)) {}
    }
}

/// Follows a run for the page: how far it is, as events `run`, and `over` once it is at work no more.
pub(super) async fn follow(
    State(app): State<App>,
    caller: Caller,
    At(run): At<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let views = experiments::follow(&app, &caller, run).await?;
    let events = views.map(|run| {
        Ok(match run.standing {
            Standing::Running => Event::default().event("run").data(progress(&run).into_string()),
            _ => Event::default().event("over").data("over"),
        })
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn act(caller: &Caller, what: &str, run: &str, words: &str) -> Markup {
    html! {
        form method="post" action=(format!("/experiments/{what}")) {
            (unseen(caller))
            input type="hidden" name="run" value=(run);
            button type="submit" { (words) " " (run) }
        }
    }
}

fn begin(caller: &Caller, found: &ExperimentsView, is_at_work: bool) -> Markup {
    html! {
        section.card {
            h2 { "Start one" }
            @if is_at_work { p { "One runs at a time: stop it first, or wait until it is done." } } @else {
                form method="post" action="/experiments/start" {
                    (unseen(caller))
                    div.row {
                        label for="given" { "A built-in one" }
                        select #given name="given" {
                            @for given in &found.given { option value=(given.name) { (given.name) " (" (given.cells) " cells)" } }
                        }
                        button.primary type="submit" { "Start it" }
                    }
                }
                form method="post" action="/experiments/start" {
                    (unseen(caller))
                    label for="toml" { "Or one of your own: the text of its file (TOML)" }
                    textarea #toml name="toml" rows="10" maxlength="60000" required spellcheck="false" placeholder="name = \"mine\"" {}
                    button type="submit" { "Start mine" }
                }
            }
            h3 { "What the built-in ones show" }
            @for given in &found.given {
                details {
                    summary { (clean(&given.name)) ", " (given.cells) " cells" }
                    p { (sentence(&clean(&given.about))) "." }
                    pre tabindex="0" aria-label=(format!("The file of {}", given.name)) { (given.toml) }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct StartForm {
    csrf: String,
    #[serde(default)]
    once: String,
    #[serde(default)]
    given: Option<String>,
    #[serde(default)]
    toml: Option<String>,
    /// A run that goes on.
    #[serde(default)]
    run: Option<String>,
}

/// Starts a run, or goes on with one.
pub(super) async fn start(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<StartForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, "/experiments/start", &form.once);
    match form.run {
        Some(run) => experiments::gone_on(&app, &caller, run).await?,
        None => experiments::started(&app, &caller, key, StartRun { given: form.given, toml: form.toml }).await?,
    };
    Ok(Redirect::to("/experiments").into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct StopForm {
    csrf: String,
    run: String,
}

/// Stops a run.
pub(super) async fn stop(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<StopForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    experiments::stopped(&app, &caller, form.run).await?;
    Ok(Redirect::to("/experiments").into_response())
}

/// The report of a run.
pub(super) async fn report(State(app): State<App>, caller: Caller, At(run): At<String>) -> Result<Response, Problem> {
    experiments::reported(&app, &caller, run).await
}
