//! The pages: made here, whole without script. A small script adds keys, and a library that others wrote (htmx) fetches what changes.

mod approvals;
mod assets;
mod decisions;
mod experiments;
mod frame;
mod imports;
mod log;
mod model;
mod people;
mod session;
mod values;

pub(super) use people::to_share;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::App;
use super::access::{Caller, Role, check_csrf, no_cookie, secret, set_cookie};
use super::api::{Asked, unread};
use super::imports::FILE_BYTES_MAX;
use super::problem::Problem;

/// The pages' routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/open", get(open).post(open_instead))
        .route("/leave", post(leave))
        .route("/session", get(session::page).post(session::begin))
        .route("/session/say", post(session::say))
        .route("/session/events", get(session::follow))
        .route("/values", get(values::page))
        .route("/values/{file}", get(values::file))
        .route("/people", get(people::page))
        .route("/people/link", post(people::make_link))
        .route("/people/own-link", post(people::own_link))
        .route("/people/link/revoke", post(people::take_back))
        .route("/people/import", post(imports::look).layer(DefaultBodyLimit::max(FILE_BYTES_MAX + 64 * 1024)))
        .route("/people/import/{import}", post(imports::commit))
        .route("/people/answers.csv", get(super::people::csv))
        .route("/people/page.html", get(super::people::shared))
        .route("/join/{token}", get(people::join_page).post(people::join))
        .route("/log", get(log::page))
        .route("/log/retract", post(log::retract))
        .route("/approvals", get(approvals::page))
        .route("/approvals/questions/{question}", post(approvals::answer))
        .route("/approvals/acts/{act}/undo", post(approvals::undo))
        .route("/approvals/rules/{rule}/revoke", post(approvals::revoke))
        .route("/decisions", get(decisions::page))
        .route("/decisions/{record}/answer", post(decisions::answer))
        .route("/decisions/{record}/alternatives", post(decisions::reconsider))
        .route("/decisions/{record}/correct", post(decisions::correct))
        .route("/decisions/{record}/stop", post(decisions::stop))
        .route("/experiments", get(experiments::page))
        .route("/experiments/start", post(experiments::start))
        .route("/experiments/stop", post(experiments::stop))
        .route("/experiments/{run}", get(experiments::report))
        .route("/experiments/{run}/events", get(experiments::follow))
        .route("/model", get(model::page))
        .merge(assets::router())
}

/// The fields of a form; every form of ours carries `csrf`.
pub(super) struct Form<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        match axum::Form::<T>::from_request(request, app).await {
            Ok(axum::Form(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(unread(rejection.status(), rejection.body_text())),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

/// Who opens a browser by a token.
fn opening(app: &App, token: &str) -> Result<Caller, Problem> {
    app.tokens.caller(token).filter(|c| !matches!(c.role, Role::Join | Role::Agent)).ok_or_else(Problem::who)
}

/// Opens the service with the token in its address, which then goes into a cookie and out of the address. Whoever is signed in as somebody
/// else is asked first.
async fn open(
    State(app): State<App>,
    here: Result<Caller, Problem>,
    Asked(Token { token }): Asked<Token>,
) -> Result<Response, Problem> {
    let caller = opening(&app, &token)?;
    match here {
        Ok(here) if (here.role, &here.person) != (caller.role, &caller.person) => {
            let page = frame::page(
                &here,
                "Sign in as somebody else?",
                "/open",
                html! {
                    p { "You are signed in here as " strong { (called(&here)) } ". This address signs you in as " strong { (called(&caller)) }
                        ". If somebody sent it to you, ask them why." }
                    form method="post" action="/open" {
                        (unseen(&here))
                        input type="hidden" name="token" value=(token);
                        button type="submit" { "Sign in as " (called(&caller)) }
                    }
                    p { a href="/" { "Stay " (called(&here)) } }
                },
            );
            Ok(Html(page.into_string()).into_response())
        }
        _ => Ok(opened(&app, &caller, &token)),
    }
}

/// Who somebody is, in words.
fn called(caller: &Caller) -> String {
    match (caller.role, &caller.person) {
        (_, Some(person)) => crate::front::text::clean(person.as_str()),
        (Role::Owner, None) => "the owner".into(),
        (Role::Facilitator, None) => "a facilitator".into(),
        (_, None) => "somebody".into(),
    }
}

#[derive(Deserialize)]
struct Instead {
    csrf: String,
    token: String,
}

/// Signs somebody in as somebody else, after they were asked.
async fn open_instead(State(app): State<App>, here: Caller, Form(form): Form<Instead>) -> Result<Response, Problem> {
    check_csrf(&here, &form.csrf)?;
    let caller = opening(&app, &form.token)?;
    Ok(opened(&app, &caller, &form.token))
}

fn opened(app: &App, caller: &Caller, token: &str) -> Response {
    let to = if caller.role == Role::Participant { "/session" } else { "/" };
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().insert(header::SET_COOKIE, set_cookie(token, app.is_secure));
    response
}

#[derive(Deserialize)]
struct Leave {
    csrf: String,
}

/// Forgets who is there in this browser. Their token holds, and so does what they said.
async fn leave(caller: Caller, Form(form): Form<Leave>) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let page = frame::plain(
        "Signed out",
        html! {
            p { "You are signed out in this browser. What you answered is kept. " @match caller.role {
                Role::Participant => "To come back, open the link of your own that you were shown when you joined. Without it, ask whoever runs this for another one: by the link that everybody joined by, you would be somebody new.",
                Role::Owner => "To come back, open the address that the service printed when it started.",
                _ => "To come back, open the address that you were given.",
            } }
        },
    );
    let mut response = Html(page.into_string()).into_response();
    response.headers_mut().insert(header::SET_COOKIE, no_cookie());
    Ok(response)
}

/// Where everybody begins.
async fn home(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    if !caller.sees_everybody() {
        return Ok(Redirect::to("/session").into_response());
    }
    let (people, head, name) = app
        .desk
        .run(|desk| {
            let state = desk.home.state();
            let model = state.header().map(|h| h.model.reference.clone()).unwrap_or_default();
            let people: Vec<(String, usize)> =
                state.people().iter().map(|(id, p)| (id.to_string(), p.evidence().len())).collect();
            (people, state.head().0.0, model)
        })
        .await?;
    let page = frame::page(
        &caller,
        "Credence",
        "/",
        html! {
            section.card {
                h2 { "Sit down" }
                p { "A session asks what matters to a person, one question at a time. It can be left and taken up again at any time." }
                form method="post" action="/session" .row {
                    (unseen(&caller))
                    label for="person" { "Name or pseudonym" }
                    input #person name="person" required maxlength="200" autocomplete="off" list="known";
                    datalist #known { @for (person, _) in people.iter().take(200) { option value=(person) {} } }
                    button.primary type="submit" { "Begin or go on" }
                }
                p.quiet { "Others join from their own phones by a link: " a href="/people" { "People" } "." }
            }
            section {
                h2 { "People" }
                @if people.is_empty() { p { "Nobody has answered yet." } } @else {
                    table {
                        thead { tr { th { "person" } th.number { "pieces of evidence" } th { "" } } }
                        tbody { @for (person, evidence) in people.iter().take(100) { tr {
                            td { (person) }
                            td.number { (evidence) }
                            td {
                                a href=(link("/values", &[("person", person)])) { "values" } " · "
                                a href=(link("/log", &[("person", person)])) { "log" }
                            }
                        } } }
                    }
                    @if people.len() > 100 { p.quiet { "and " (people.len() - 100) " more: give a name in the address of a page, or see " a href="/people" { "People" } "." } }
                }
            }
            p.quiet { "The log has " span #head { (head) } " records. Prior from " (name) ". " a href="/api/v1/openapi.json" { "API" } }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

/// An address with a query.
fn link(path: &str, query: &[(&str, &str)]) -> String {
    let encoded = serde_urlencoded(query);
    if encoded.is_empty() { path.to_owned() } else { format!("{path}?{encoded}") }
}

fn serde_urlencoded(query: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&coded(value));
    }
    text
}

/// A text as it stands in an address.
fn coded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Problems as pages, for whoever asked for a page.
pub(super) async fn problems(request: Request, next: Next) -> Response {
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    // Other protocols say in their own form what there is not.
    let is_ours = !["/v1/", "/mcp"].iter().any(|theirs| path.starts_with(theirs));
    if is_ours && response.status() == StatusCode::NOT_FOUND && response.extensions().get::<Problem>().is_none() {
        response = Problem::no_such("page", &path).into_response();
    }
    let Some(problem) = response.extensions().get::<Problem>().cloned().filter(|_| wants_page) else {
        return response;
    };
    let page = frame::plain(
        problem.title,
        html! {
            p { (sentence(&problem.detail)) "." }
            p { a href="/" { "To the beginning" } }
        },
    );
    (problem.status(), Html(page.into_string())).into_response()
}

/// With a capital at its beginning.
fn sentence(text: &str) -> String {
    crate::front::report::sentence(crate::front::text::clean(text).trim_end_matches('.'))
}

/// What every form carries unseen: that it is ours, and a key of its own, so that a second click does nothing twice.
fn unseen(caller: &Caller) -> Markup {
    unseen_with(caller, &secret())
}

/// The same with this key.
fn unseen_with(caller: &Caller, key: &str) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(caller.csrf);
        (once(key))
    }
}

/// The key of a form.
fn once(key: &str) -> Markup {
    html! { input type="hidden" name="once" value=(key); }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_any_name() {
        assert_eq!(
            link("/log", &[("person", "polis:town:7 ü&="), ("at", "")]),
            "/log?person=polis%3Atown%3A7%20%C3%BC%26%3D"
        );
        assert_eq!(link("/log", &[("at", "")]), "/log");
    }
}
