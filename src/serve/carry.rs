//! Carrying out at the service: an act that passed is done by the service's own command, where it was started with one.

use axum::Json;
use axum::extract::State;
use credence_agent::calls::{self, Calling};
use credence_approvals::ShownHash;
use credence_memory::ids::{PersonId, TaskId};
use credence_memory::state::State as LogState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::{Caller, Role};
use super::api::{At, Sent};
use super::approvals::owned;
use super::problem::Problem;
use super::reading::aside;
use crate::carrying;

/// How acts are carried out here.
#[derive(Debug, Clone)]
pub(super) struct Exec {
    /// The command, for every act.
    pub(super) command: String,
    /// Whether it is run, and not only said.
    pub(super) carries_out: bool,
    /// It is ended after so many seconds.
    pub(super) seconds_max: u64,
}

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(carry_out))
}

/// Which call is meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CarrySent {
    /// The owner; may be left out where only one person has declared tools.
    #[serde(default)]
    person: Option<String>,
    /// Hash of tool and arguments, from the verdict that let it pass.
    #[schema(value_type = String)]
    shown_hash: ShownHash,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
struct Carried {
    /// Whether the command ran. Without `--carry-out` the service only says what it would run.
    carried_out: bool,
    /// What became of the act: "done", "failed", "not done" or "not known"; none in a dry run.
    outcome: Option<&'static str>,
    /// In words.
    said: String,
    /// What the command answered; null where it answered nothing.
    result: serde_json::Value,
    /// The record of the call.
    record: Option<u64>,
}

/// Carries out an act that passed, at most once, and answers when its command has ended. A stop of its task or an undo ends it.
#[utoipa::path(post, path = "/api/v1/approvals/acts/{act}/carry-out", params(("act" = u64, Path)), request_body = CarrySent,
    responses((status = 200, body = Carried), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn carry_out(
    State(app): State<App>,
    caller: Caller,
    At(act): At<u64>,
    Sent(sent): Sent<CarrySent>,
) -> Result<Json<Carried>, Problem> {
    let Some(exec) = app.exec.clone() else {
        return Err(Problem::conflict("this service carries nothing out: start it with --exec COMMAND --carry-out"));
    };
    let agents_of = app.agents.as_ref().map(|host| host.owner().clone());
    let (command, carries_out) = (exec.command.clone(), exec.carries_out);
    let begun = app.desk.run(move |desk| {
        let person = match caller.role {
            Role::Agent => agents_of.ok_or_else(|| Problem::forbidden("nobody knows whose agent this is"))?,
            _ => owned(desk, &caller, sent.person.as_deref())?,
        };
        let calling = calling(desk.home.state(), &person, act, sent.shown_hash, &exec);
        if !exec.carries_out {
            // What it would read is checked all the same.
            calls::input(desk.home.state(), &person, &calling)?;
            return Ok(None);
        }
        carrying::begin(&mut desk.home, &person, calling).map(Some).map_err(of_any)
    });
    let Some(begun) = begun.await?? else {
        let said = format!("A dry run: {command:?} would be run for act {act}.");
        return Ok(Json(Carried {
            carried_out: carries_out,
            outcome: None,
            said,
            result: serde_json::Value::Null,
            record: None,
        }));
    };
    let is_ending = app.is_ending.clone();
    let ended = aside(move || carrying::run(begun, &is_ending)).await?;
    let settled = app.desk.run(|desk| carrying::settle(&mut desk.home));
    settled.await?.map_err(of_any)?;
    Ok(Json(Carried {
        carried_out: true,
        outcome: Some(calls::outcome_in_words(ended.outcome)),
        said: calls::ended_in_words(&ended),
        result: calls::answer(&ended.output).map(|answer| answer.result).unwrap_or_default(),
        record: Some(ended.call.0),
    }))
}

fn calling(state: &LogState, person: &PersonId, act: u64, shown_hash: ShownHash, exec: &Exec) -> Calling {
    let request = state.approvals(person).and_then(|approvals| approvals.act(act)).map(|(request, _)| request);
    let task = request.and_then(|request| TaskId::new(&request.task).ok()).filter(|id| state.tasks().contains_key(id));
    Calling {
        act,
        shown_hash,
        task,
        decision: None,
        words: request.map_or_else(String::new, |request| request.context.clone()),
        command: exec.command.clone(),
        seconds_max: exec.seconds_max,
    }
}

/// An error of carrying out, by what it is.
fn of_any(error: anyhow::Error) -> Problem {
    match error.downcast::<calls::CallError>() {
        Ok(error) => error.into(),
        Err(error) => Problem::failed(format!("{error:#}")),
    }
}
