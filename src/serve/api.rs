//! `/api/v1`: everything that the pages do, as JSON. The OpenAPI document is made from these functions.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Json, extract::FromRequestParts};
use credence_agent::protocol::{Said, WhyView};
use credence_memory::ids::{PersonId, Seq, SessionId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::{Caller, Role};
use super::desk::Turn;
use super::done::Sending;
use super::following;
use super::problem::Problem;
use super::reading::{self, LogPage, LogQuery};
use crate::commands::values::SheetView;
use crate::surroundings::now;

/// What the document says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Credence",
        description = "Sessions, values, people and the log of one home. Every request carries a token: as `Authorization: Bearer TOKEN`, or \
                       as the cookie of a page. Errors are `application/problem+json`."
    ),
    components(schemas(Problem, Turn, NewSession, Say, Retract, Person, LogPage, Health))
)]
struct Document;

/// The API's routes, with their document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(sit_down))
        .routes(routes!(session))
        .routes(routes!(say))
        .routes(routes!(why))
        .routes(routes!(follow))
        .routes(routes!(people))
        .routes(routes!(values))
        .routes(routes!(log))
        .routes(routes!(retract))
        .routes(routes!(make_token))
        .routes(routes!(revoke_tokens))
        .routes(routes!(events))
        .routes(routes!(health))
        .merge(super::approvals::router())
        .merge(super::carry::router())
        .merge(super::decisions::router())
        .merge(super::experiments::router())
        .merge(super::imports::router())
        .merge(super::joining::router())
        .merge(super::model::router())
        .merge(super::people::router())
}

/// A JSON body; what is wrong with it is a problem like any other.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, app).await {
            Ok(Json(sent)) => Ok(Self(sent)),
            Err(rejection) => Err(unread(rejection.status(), rejection.body_text())),
        }
    }
}

/// Why a body could not be read.
pub(super) fn unread(status: StatusCode, why: String) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE { Problem::too_large(why) } else { Problem::malformed(why) }
}

/// The query of an address, likewise.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

/// A part of the path, likewise.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(part)) => Ok(Self(part)),
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

/// Who sits down.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSession {
    /// The person; left out by participants, who are themselves.
    #[serde(default)]
    person: Option<String>,
}

/// What a person says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Say {
    /// The number of the question that is answered. With it an answer can be sent again after a lost reply, and counts once.
    #[serde(default)]
    question: Option<usize>,
    /// As `credence session --json` takes it: `{"said": "choose", "index": 0}`, `{"said": "rate", "level": 4}`,
    /// `{"said": "best_and_worst", "best": 0, "worst": 2}`, `{"said": "undo"}`, `{"said": "important", "words": "honesty > privacy"}`.
    say: Said,
}

/// Sits a person down. A session of theirs that is not over goes on.
#[utoipa::path(post, path = "/api/v1/sessions", request_body = NewSession,
    responses((status = 200, body = Turn), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn sit_down(State(app): State<App>, caller: Caller, Sent(sent): Sent<NewSession>) -> Result<Json<Turn>, Problem> {
    let person = caller.person(sent.person.as_deref())?;
    let source = app.source(&caller);
    Ok(Json(app.desk.run(move |desk| desk.sit_down(&person, &source, now())).await??))
}

/// Where a session stands: the open question, or the reading that waits to be confirmed. There is neither where the service ended between
/// an answer and the next question: `POST` to `/api/v1/sessions` goes on then.
#[utoipa::path(get, path = "/api/v1/sessions/{session}", params(("session" = String, Path)),
    responses((status = 200, body = Turn), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn session(State(app): State<App>, caller: Caller, At(id): At<String>) -> Result<Json<Turn>, Problem> {
    let id = named(&id)?;
    let turn = app.desk.run(move |desk| desk.must_be_theirs(&caller, &id).and_then(|()| desk.stands(&id, now())));
    Ok(Json(turn.await??))
}

/// Says something in a session: an answer, a sentence, "why", "undo", "stop".
#[utoipa::path(post, path = "/api/v1/sessions/{session}/said", params(("session" = String, Path)), request_body = Say,
    responses((status = 200, body = Turn), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn say(
    State(app): State<App>,
    caller: Caller,
    At(id): At<String>,
    Sending(key): Sending,
    Sent(sent): Sent<Say>,
) -> Result<Json<Turn>, Problem> {
    let id = named(&id)?;
    let turn = app.desk.run(move |desk| {
        desk.must_be_theirs(&caller, &id)?;
        desk.say_once(key, &id, sent.question, sent.say, now())
    });
    let turn = turn.await??;
    app.metrics.answered();
    app.following.wake(&turn.session, None);
    Ok(Json(turn))
}

/// Follows a session: where it stands, as a server-sent event called `turn`, now and whenever that changes; `over`, with
/// what was told last, ends it. The data of each are what `GET` of the session tells.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/events", params(("session" = String, Path)),
    responses((status = 200, body = Turn, content_type = "text/event-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn follow(
    State(app): State<App>,
    caller: Caller,
    At(id): At<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let turns = following::turns(&app, caller, named(&id)?).await?;
    let events = turns.map(|news| {
        // The end of a session that others ended has what was told last.
        let name = if news.is_over && news.turn.ended.is_none() { "over" } else { "turn" };
        Ok(Event::default().event(name).json_data(&news.turn).unwrap_or_default())
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Why the open question was chosen.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/why", params(("session" = String, Path)),
    responses((status = 200, body = WhyView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn why(State(app): State<App>, caller: Caller, At(id): At<String>) -> Result<Json<WhyView>, Problem> {
    let id = named(&id)?;
    let why = app.desk.run(move |desk| desk.must_be_theirs(&caller, &id).and_then(|()| desk.why(&id)));
    Ok(Json(why.await??))
}

/// The name of a session.
pub(super) fn named(id: &str) -> Result<SessionId, Problem> {
    SessionId::new(id).map_err(|e| Problem::malformed(e.to_string()))
}

/// Somebody whom the log knows.
#[derive(Debug, Serialize, ToSchema)]
struct Person {
    /// Their name.
    #[schema(value_type = String)]
    person: PersonId,
    /// Pieces of evidence that count.
    evidence: usize,
    /// Pieces of evidence that were withdrawn.
    withdrawn: usize,
}

/// Everybody whom the log knows, in the order of their names.
#[utoipa::path(get, path = "/api/v1/people", params(("after" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Vec<Person>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn people(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<PeoplePage>,
) -> Result<Json<Vec<Person>>, Problem> {
    caller.must_see_everybody()?;
    let known = app.desk.run(move |desk| {
        let after = page.after.unwrap_or_default();
        let people = desk.home.state().people().iter().filter(|(id, _)| id.as_str() > after.as_str());
        let person = |(id, p): (&PersonId, &credence_memory::state::Person)| Person {
            person: id.clone(),
            evidence: p.evidence().len(),
            withdrawn: p.retracted().len(),
        };
        people.take(page.limit.unwrap_or(100).min(1_000)).map(person).collect()
    });
    Ok(Json(known.await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeoplePage {
    after: Option<String>,
    limit: Option<usize>,
}

/// What matters to a person, as believed through a record, or without one.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct WhichValues {
    pub(super) person: Option<String>,
    pub(super) at: Option<u64>,
    pub(super) without: Option<u64>,
}

/// What matters to a person: now, through a record, or as if one record had not been given.
#[utoipa::path(get, path = "/api/v1/values",
    params(("person" = Option<String>, Query), ("at" = Option<u64>, Query), ("without" = Option<u64>, Query)),
    responses((status = 200, body = SheetView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn values(
    State(app): State<App>,
    caller: Caller,
    Asked(which): Asked<WhichValues>,
) -> Result<Json<SheetView>, Problem> {
    let person = caller.person(which.person.as_deref())?;
    let sheet = reading::sheet(&app, &caller, person, which.at, which.without).await?;
    Ok(Json(sheet.view()))
}

/// Records of the log, in words, a page at a time.
#[utoipa::path(get, path = "/api/v1/log", params(LogQuery),
    responses((status = 200, body = LogPage), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn log(State(app): State<App>, caller: Caller, Asked(query): Asked<LogQuery>) -> Result<Json<LogPage>, Problem> {
    Ok(Json(reading::log(&app, &caller, query).await?))
}

/// Which record is withdrawn, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Retract {
    /// The reason that stands in the log.
    reason: String,
}

/// What was withdrawn, and by which record.
#[derive(Debug, Serialize, ToSchema)]
struct WithdrawnBy {
    /// The record that was withdrawn.
    withdrawn: u64,
    /// The record that withdrew it.
    by: u64,
}

/// Withdraws a record. Belief is then, bit for bit, that of a log which never had it.
#[utoipa::path(post, path = "/api/v1/log/{seq}/retract", params(("seq" = u64, Path)), request_body = Retract,
    responses((status = 200, body = WithdrawnBy), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn retract(
    State(app): State<App>,
    caller: Caller,
    At(seq): At<u64>,
    Sending(key): Sending,
    Sent(sent): Sent<Retract>,
) -> Result<Json<WithdrawnBy>, Problem> {
    let by = reading::retract(&app, &caller, key, Seq(seq), sent.reason).await?;
    Ok(Json(WithdrawnBy { withdrawn: seq, by }))
}

/// Whom a token is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeToken {
    /// What they may do: "facilitator", "participant", or "agent", who asks the model at `/v1`.
    role: Role,
    /// The person, for a participant.
    #[serde(default)]
    person: Option<String>,
}

/// A token and the address that opens the service with it.
#[derive(Debug, Serialize, ToSchema)]
struct TokenMade {
    /// The token. It is told once.
    token: String,
    /// The address.
    link: String,
}

/// Makes a token for a facilitator, for an agent, or for a person who is known by name.
#[utoipa::path(post, path = "/api/v1/tokens", request_body = MakeToken,
    responses((status = 200, body = TokenMade), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn make_token(
    State(app): State<App>,
    caller: Caller,
    Sending(key): Sending,
    Sent(sent): Sent<MakeToken>,
) -> Result<Json<TokenMade>, Problem> {
    must_own(&caller)?;
    let person = match (sent.role, sent.person) {
        (Role::Facilitator | Role::Agent, None) => None,
        (Role::Participant, Some(name)) => Some(PersonId::new(&name).map_err(|e| Problem::unusable(e.to_string()))?),
        (Role::Participant, None) => return Err(Problem::unusable("say which person the token is for")),
        _ => return Err(Problem::unusable("a token is for a facilitator, an agent, or a participant and their name")),
    };
    let token = app.tokens.make(sent.role, person, key)?;
    let link = app.address(&format!("/open?token={token}"));
    Ok(Json(TokenMade { token, link }))
}

/// Takes every token of a role back: "facilitator", "agent" or "participant".
#[utoipa::path(delete, path = "/api/v1/tokens/{role}", params(("role" = Role, Path)),
    responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn revoke_tokens(State(app): State<App>, caller: Caller, At(role): At<Role>) -> Result<StatusCode, Problem> {
    must_own(&caller)?;
    if role == Role::Owner {
        return Err(Problem::unusable("the owner's token ends with this run of the service"));
    }
    app.tokens.revoke(role)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn must_own(caller: &Caller) -> Result<(), Problem> {
    if caller.role == Role::Owner { Ok(()) } else { Err(Problem::forbidden("only the owner may do this")) }
}

/// Tells the number of the last record whenever there are new ones, as server-sent events called `head`.
#[utoipa::path(get, path = "/api/v1/events", responses((status = 200, content_type = "text/event-stream"),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn events(
    State(app): State<App>,
    caller: Caller,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    // When others answer is theirs.
    caller.must_see_everybody()?;
    let changes = BroadcastStream::new(app.desk.changes());
    // Whoever lags sees the latest only; that is all there is to tell.
    let events = changes.filter_map(Result::ok).map(|head| Ok(Event::default().event("head").data(head.to_string())));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// "ok" once it answers.
    status: &'static str,
    /// The last record of the log, for those who see everybody.
    head: Option<u64>,
    /// At a front end, whether the server of the stream is there: while it is away, nothing that people say is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<StreamIs>,
}

/// How a front end's server of the stream is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StreamIs {
    Connected,
    Away,
}

/// Whether the service answers.
#[utoipa::path(get, path = "/health",
    responses((status = 200, body = Health), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn health(State(app): State<App>, caller: Result<Caller, Problem>) -> Result<Json<Health>, Problem> {
    let head = app.desk.run(|desk| desk.home.state().head().0.0).await?;
    let sees = caller.is_ok_and(|caller| caller.sees_everybody());
    let stream = app.link.as_ref().map(|link| if link.is_up() { StreamIs::Connected } else { StreamIs::Away });
    Ok(Json(Health { status: "ok", head: sees.then_some(head), stream }))
}

/// The document, for those who ask for it.
pub(super) fn document(api: &utoipa::openapi::OpenApi) -> Arc<str> {
    api.to_pretty_json().unwrap_or_default().into()
}
