//! Joining: links that people join by, and those who do.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use credence_memory::ids::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::{Caller, JOINED_MAX, Role};
use super::api::Sent;
use super::done::{Key, Sending};
use super::problem::Problem;

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make_link, revoke_links)).routes(routes!(join))
}

/// A link to join by.
#[derive(Debug, Serialize, ToSchema)]
struct LinkMade {
    /// The address; whoever opens it joins under a pseudonym of their own.
    link: String,
    /// The token in it, with which a program joins.
    token: String,
}

/// Makes a link that people join by.
#[utoipa::path(post, path = "/api/v1/join-links",
    responses((status = 200, body = LinkMade), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn make_link(State(app): State<App>, caller: Caller, Sending(key): Sending) -> Result<Json<LinkMade>, Problem> {
    let token = token_of_link(&app, &caller, key)?;
    Ok(Json(LinkMade { link: link(&app, &token), token }))
}

/// Takes every link to join by back. Those who joined stay.
#[utoipa::path(delete, path = "/api/v1/join-links",
    responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn revoke_links(State(app): State<App>, caller: Caller) -> Result<StatusCode, Problem> {
    caller.must_see_everybody()?;
    app.tokens.revoke(Role::Join)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who joins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct JoinSent {
    /// A name that they will recognise and others will not.
    pseudonym: String,
}

/// Somebody who joined.
#[derive(Debug, Serialize, ToSchema)]
struct Joined {
    /// Who they are here.
    #[schema(value_type = String)]
    person: PersonId,
    /// Their token. It is told once.
    token: String,
    /// The address that opens the service with it.
    link: String,
}

/// Joins under a pseudonym, with the token of a link to join by.
#[utoipa::path(post, path = "/api/v1/participants", request_body = JoinSent,
    responses((status = 200, body = Joined), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn join(
    State(app): State<App>,
    caller: Caller,
    Sending(key): Sending,
    Sent(sent): Sent<JoinSent>,
) -> Result<Json<Joined>, Problem> {
    if caller.role != Role::Join {
        return Err(Problem::forbidden("whoever joins comes with the token of a link to join by"));
    }
    let (person, token) = joined(&app, &sent.pseudonym, key).await?;
    let link = app.address(&format!("/open?token={token}"));
    Ok(Json(Joined { person, token, link }))
}

/// Makes the token of a link that people join by.
pub(super) fn token_of_link(app: &App, caller: &Caller, key: Option<Key>) -> Result<String, Problem> {
    caller.must_see_everybody()?;
    app.tokens.make(Role::Join, None, key)
}

/// The link with this token.
pub(super) fn link(app: &App, token: &str) -> String {
    app.address(&format!("/join/{token}"))
}

/// The caller that a link to join by makes of whoever opens it.
pub(super) fn by_link(app: &App, token: &str) -> Result<Caller, Problem> {
    let caller = app.tokens.caller(token).filter(|caller| caller.role == Role::Join);
    caller.ok_or_else(|| Problem::gone("this link does not work any more: ask whoever sent it for another one"))
}

/// Characters of a pseudonym, at most, and bytes: a session's name is made of it.
pub(super) const PSEUDONYM_CHARS_MAX: usize = 60;
const PSEUDONYM_BYTES_MAX: usize = 200;

/// The name that somebody chose.
fn chosen(pseudonym: &str) -> Result<PersonId, Problem> {
    let typed = pseudonym.trim();
    let fault = |what: &str| Err(Problem::unusable(what));
    if typed.is_empty() {
        return fault("type a pseudonym: a name that you will recognise and others will not");
    }
    if typed.chars().count() > PSEUDONYM_CHARS_MAX || typed.len() > PSEUDONYM_BYTES_MAX {
        return fault("this pseudonym is too long: choose one of at most 60 letters");
    }
    match PersonId::new(typed) {
        // What an import brings in is of people with such names.
        Ok(person) if person.as_str().contains(':') => fault("a pseudonym has no colon: leave it out"),
        Ok(person) => Ok(person),
        Err(_) => fault("a pseudonym has letters, digits, signs and spaces only, nothing that cannot be seen"),
    }
}

/// Makes somebody a participant; gives who they are, and their token. Whoever sends it again with the same key, a secret of theirs, is the
/// same participant, with another token, until they have answered.
pub(super) async fn joined(app: &App, pseudonym: &str, key: Option<Key>) -> Result<(PersonId, String), Problem> {
    let person = chosen(pseudonym)?;
    let is_new = !app.tokens.joined_with(&person, key)?;
    if is_new && app.tokens.participants() >= JOINED_MAX {
        return Err(Problem::conflict(format!("{JOINED_MAX} people have joined: no more can")));
    }
    let asked = person.clone();
    let is_known = app.desk.run(move |desk| {
        let known = desk.home.state().person(&asked);
        known.is_some_and(|known| is_new || !known.evidence().is_empty() || !known.retracted().is_empty())
    });
    // Agents mean somebody: whoever joined under that name would answer for them.
    let token = match app.agents_of.as_ref() == Some(&person) || is_known.await? {
        true => None,
        false => app.tokens.join(&person, key)?,
    };
    let taken = || Problem::conflict(format!("somebody is called {person} already: choose another pseudonym"));
    let token = token.ok_or_else(taken)?;
    Ok((person, token))
}
