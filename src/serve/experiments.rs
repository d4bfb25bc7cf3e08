//! Experiments over the API: runs with their progress, starting, going on, stopping, reports. The owner's only.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use credence_evals::experiment::{BUILT_IN, Experiment};
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::IntervalStream;
use tokio_stream::{Stream, StreamExt};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::{Caller, Role};
use super::api::{At, Sent};
use super::done::{Key, Sending};
use super::problem::Problem;
use super::reading::aside;
use super::runs::{RunView, Runs, Standing};

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(experiments))
        .routes(routes!(start))
        .routes(routes!(run))
        .routes(routes!(progress))
        .routes(routes!(stop))
        .routes(routes!(go_on))
        .routes(routes!(report))
}

/// An experiment that is built in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GivenView {
    /// Its name.
    pub(super) name: String,
    /// What it shows.
    pub(super) about: String,
    /// Cells of its grid.
    pub(super) cells: usize,
    /// Its file (TOML), to change and to run.
    pub(super) toml: String,
}

/// Experiments, and their runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ExperimentsView {
    /// Those that are built in.
    pub(super) given: Vec<GivenView>,
    /// All runs, the latest first.
    pub(super) runs: Vec<RunView>,
}

/// An experiment to run: a built-in one by its name, or the text of a file.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRun {
    /// The name of a built-in one.
    #[serde(default)]
    pub(super) given: Option<String>,
    /// The text of a file (TOML).
    #[serde(default)]
    pub(super) toml: Option<String>,
}

/// Experiments that are built in, and all runs, the latest first.
#[utoipa::path(get, path = "/api/v1/experiments",
    responses((status = 200, body = ExperimentsView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn experiments(State(app): State<App>, caller: Caller) -> Result<Json<ExperimentsView>, Problem> {
    Ok(Json(all(&app, &caller).await?))
}

/// Starts a run. One runs at a time, as a process of its own at the lowest priority.
#[utoipa::path(post, path = "/api/v1/experiments", request_body = StartRun,
    responses((status = 200, body = RunView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn start(
    State(app): State<App>,
    caller: Caller,
    Sending(key): Sending,
    Sent(sent): Sent<StartRun>,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(started(&app, &caller, key, sent).await?))
}

/// How a run stands.
#[utoipa::path(get, path = "/api/v1/experiments/{run}", params(("run" = String, Path)),
    responses((status = 200, body = RunView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn run(State(app): State<App>, caller: Caller, At(name): At<String>) -> Result<Json<RunView>, Problem> {
    Ok(Json(with_runs(&app, &caller, move |runs| runs.view(&name)).await?))
}

/// How often a run is looked at for those who follow it.
const LOOK: Duration = Duration::from_millis(500);

/// Follows a run: how it stands, as a server-sent event called `run` whenever that changes, until it is at work no more.
#[utoipa::path(get, path = "/api/v1/experiments/{run}/events", params(("run" = String, Path)),
    responses((status = 200, body = RunView, content_type = "text/event-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn progress(
    State(app): State<App>,
    caller: Caller,
    At(name): At<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let views = follow(&app, &caller, name).await?;
    let events = views.map(|view| Ok(Event::default().event("run").json_data(view).unwrap_or_default()));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Stops a run. What it finished is kept, and it can go on.
#[utoipa::path(post, path = "/api/v1/experiments/{run}/stop", params(("run" = String, Path)),
    responses((status = 200, body = RunView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn stop(State(app): State<App>, caller: Caller, At(name): At<String>) -> Result<Json<RunView>, Problem> {
    Ok(Json(stopped(&app, &caller, name).await?))
}

/// Goes on with a run that was stopped, or that failed.
#[utoipa::path(post, path = "/api/v1/experiments/{run}/go-on", params(("run" = String, Path)),
    responses((status = 200, body = RunView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn go_on(State(app): State<App>, caller: Caller, At(name): At<String>) -> Result<Json<RunView>, Problem> {
    Ok(Json(gone_on(&app, &caller, name).await?))
}

/// The report of a run that is done: a page that needs nothing else.
#[utoipa::path(get, path = "/api/v1/experiments/{run}/report", params(("run" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn report(State(app): State<App>, caller: Caller, At(name): At<String>) -> Result<Response, Problem> {
    reported(&app, &caller, name).await
}

/// How a run stands, whenever that changes, until it is at work no more.
pub(super) async fn follow(
    app: &App,
    caller: &Caller,
    name: String,
) -> Result<impl Stream<Item = RunView> + Send + use<>, Problem> {
    let (app, caller) = (app.clone(), caller.clone());
    let look = move |name: String| {
        let (app, caller) = (app.clone(), caller.clone());
        async move { with_runs(&app, &caller, move |runs| runs.view(&name)).await }
    };
    // Whether there is such a run, and whether they may see it, is told before anything else.
    look(name.clone()).await?;
    let (mut is_over, mut told) = (false, None);
    let views = IntervalStream::new(tokio::time::interval(LOOK)).then(move |_| look(name.clone()));
    let views = views.map_while(move |view| {
        let view = view.ok().filter(|_| !is_over)?;
        is_over = view.standing != Standing::Running;
        Some(view)
    });
    Ok(views.filter(move |view| {
        let now = Some((view.standing, view.done));
        std::mem::replace(&mut told, now) != now
    }))
}

/// Experiments and runs.
pub(super) async fn all(app: &App, caller: &Caller) -> Result<ExperimentsView, Problem> {
    with_runs(app, caller, |runs| {
        let given = BUILT_IN.iter().map(|(name, file)| {
            let experiment = Experiment::parse(file).map_err(|e| Problem::failed(e.to_string()))?;
            let cells = experiment.cells().len();
            Ok(GivenView { name: (*name).to_owned(), about: experiment.about, cells, toml: (*file).to_owned() })
        });
        Ok(ExperimentsView { given: given.collect::<Result<_, Problem>>()?, runs: runs.all() })
    })
    .await
}

/// Starts a run.
pub(super) async fn started(app: &App, caller: &Caller, key: Option<Key>, sent: StartRun) -> Result<RunView, Problem> {
    let toml = sent.toml.filter(|text| !text.trim().is_empty());
    let given = sent.given.filter(|name| !name.is_empty());
    with_runs(app, caller, move |runs| match (given, toml) {
        (Some(name), None) => runs.start_built_in(&name, key),
        (None, Some(text)) => runs.start(&text, key),
        _ => Err(Problem::unusable("give the name of a built-in experiment, or the text of a file, and not both")),
    })
    .await
}

/// Stops a run.
pub(super) async fn stopped(app: &App, caller: &Caller, name: String) -> Result<RunView, Problem> {
    with_runs(app, caller, move |runs| runs.stop(&name)).await
}

/// Goes on with a run.
pub(super) async fn gone_on(app: &App, caller: &Caller, name: String) -> Result<RunView, Problem> {
    with_runs(app, caller, move |runs| runs.go_on(&name)).await
}

/// The report of a run. It may show itself and nothing else: no script, no address, no form.
pub(super) async fn reported(app: &App, caller: &Caller, name: String) -> Result<Response, Problem> {
    const POLICY: &str =
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";
    let page = with_runs(app, caller, move |runs| runs.report(&name)).await?;
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    Ok((headers, page).into_response())
}

/// Does something with the runs, away from the threads that answer requests.
async fn with_runs<T: Send + 'static>(
    app: &App,
    caller: &Caller,
    work: impl FnOnce(&Runs) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    if caller.role != Role::Owner {
        return Err(Problem::forbidden("only the owner runs experiments"));
    }
    let app = app.clone();
    aside(move || Ok(work(&app.runs))).await?
}
