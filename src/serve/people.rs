//! Many people over the API: who stands where, what unites and what divides, whom to ask next, everybody's answers.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use credence_agent::people::{
    PeopleOptions, PeopleView, ValuesMap, have_common_answers, map_of_values, overview, words,
};
use credence_agent::views::{Contrasts, values_beside};
use credence_memory::belief::Mixture;
use credence_memory::home::Paths;
use credence_memory::ids::{PersonId, ValueId};
use credence_memory::layout::Layout;
use credence_memory::population::{ItemPosterior, Part, SOURCE_CAP, Survey, conversations, whom_to_ask};
use credence_memory::record::Subject;
use credence_memory::state::{Person, State as Belief};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::Caller;
use super::api::Asked;
use super::pages::to_share;
use super::problem::Problem;
use super::reading::aside;

/// Whoever has answered more than this multiple of the mean is not asked: as `credence people ask` has it.
const FAIR_SHARE: f64 = 1.5;
/// People to ask who are told, at most.
const ASKS_MAX: usize = 12;

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(together)).routes(routes!(csv)).routes(routes!(shared))
}

/// Which people are looked at.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// One imported conversation by itself.
    conversation: Option<String>,
}

/// Everybody at a glance: groups, what unites and what divides, where people stand, whom to ask next. As the page People shows it.
#[utoipa::path(get, path = "/api/v1/people/together", params(Which),
    responses((status = 200, body = Seen), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn together(State(app): State<App>, caller: Caller, Asked(which): Asked<Which>) -> Result<Json<Seen>, Problem> {
    caller.must_see_everybody()?;
    Ok(Json(seen(&app, which.conversation).await?))
}

/// Everybody's answers as CSV, as `credence evidence export` writes them.
#[utoipa::path(get, path = "/api/v1/people/answers.csv",
    responses((status = 200, body = String, content_type = "text/csv"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn csv(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.must_see_everybody()?;
    let paths = Paths::of(&app.home);
    let bytes = aside(move || {
        let mut state = Belief::new();
        for entry in paths.read_log()? {
            state.note(&entry?)?;
        }
        let table = credence_memory::export::table(paths.read_log()?, &state)?;
        let mut bytes = Vec::new();
        credence_memory::export::write_csv(&table, &mut bytes)?;
        Ok(bytes)
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"answers.csv\""),
    ];
    Ok((headers, bytes.await?).into_response())
}

/// What the page People shows, as a page by itself to share: it has no names, and needs nothing else.
#[utoipa::path(get, path = "/api/v1/people/page.html", params(Which),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn shared(
    State(app): State<App>,
    caller: Caller,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    caller.must_see_everybody()?;
    let page = to_share(&seen(&app, which.conversation).await?);
    let disposition = [(header::CONTENT_DISPOSITION, "attachment; filename=\"people.html\"")];
    Ok((disposition, Html(page.into_string())).into_response())
}

/// Whose answer to what would tell most about the groups.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskView {
    /// Whom to ask.
    pub(super) person: String,
    /// About what.
    pub(super) statement: String,
    /// What it is expected to tell, nats.
    pub(super) gain_nats: f64,
    /// The probability that they agree.
    pub(super) agrees: f64,
}

/// How many people hold a value above or below their own average.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValueShare {
    /// The value's id.
    pub(super) value: String,
    /// People to whom it surely matters more (their 90% interval is above their average).
    pub(super) more: usize,
    /// People to whom it surely matters less.
    pub(super) less: usize,
    /// People of whom it is not sure yet.
    pub(super) unsure: usize,
}

/// What there is to see of everybody.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Seen {
    /// Groups, statements and people by their answers; nothing where too few have answered about the same things.
    pub(super) view: Option<PeopleView>,
    /// Whose answer to what would tell most about the groups, the most telling first.
    pub(super) asks: Vec<AskView>,
    /// Why there is no such view.
    pub(super) why_not: Option<String>,
    /// Where people stand by their values, where they answered too little of the same to be placed by that.
    pub(super) values: Option<ValuesMap>,
    /// Of each value, to how many of them it matters more and to how many less; those that are surest first.
    pub(super) shares: Vec<ValueShare>,
    /// Names of values, by their ids.
    pub(super) names: BTreeMap<String, String>,
    /// Imported conversations, each of which can be looked at by itself.
    pub(super) conversations: Vec<String>,
    /// The last record of the log.
    pub(super) head: u64,
}

/// People whose beliefs a map is made from, at most.
const BELIEVED_MAX: usize = 2_000;

/// What is believed of everybody who said something, in one conversation or anywhere; one after another, so that nobody who answers
/// meanwhile waits long.
async fn believed(app: &App, part: Option<Part>) -> Result<Vec<(PersonId, Mixture)>, Problem> {
    let people = app.desk.run(move |desk| {
        let state = desk.home.state();
        let counts = |id: &PersonId| !state.quarantined().contains(&Subject::Person(id.clone()));
        let said = |id: &PersonId, person: &Person| {
            person.evidence().iter().any(|e| part.as_ref().is_none_or(|part| part.has(id, &e.source)))
        };
        let people = state.people().iter().filter(|(id, person)| counts(id) && said(id, person));
        people.map(|(id, _)| id.clone()).take(BELIEVED_MAX).collect::<Vec<_>>()
    });
    let mut believed = Vec::new();
    for person in people.await? {
        let asked = person.clone();
        let belief = app.desk.run(move |desk| desk.home.believe(&asked)).await?;
        believed.push((person, belief?));
    }
    Ok(believed)
}

/// What there is to see of everybody, or in one conversation.
pub(super) async fn seen(app: &App, conversation: Option<String>) -> Result<Seen, Problem> {
    let part = conversation.filter(|name| !name.is_empty()).map(Part::Conversation);
    let (mut seen, have_common) = seen_by_answers(app, part.clone()).await?;
    if !have_common {
        let believed = believed(app, part).await?;
        let (layout, names) = app.desk.run(|desk| (desk.layout(), desk.names().clone())).await?;
        seen.names = names;
        if let Some(layout) = layout {
            (seen.values, seen.shares) =
                aside(move || Ok((map_of_values(&layout, &believed), shares(&layout, &believed)))).await?;
        }
    }
    Ok(seen)
}

/// To how many people each value matters more or less, those that are surest first.
fn shares(layout: &Layout, believed: &[(PersonId, Mixture)]) -> Vec<ValueShare> {
    let share = |value: &ValueId| ValueShare { value: value.to_string(), more: 0, less: 0, unsure: 0 };
    let mut shares: Vec<ValueShare> = layout.values().iter().map(share).collect();
    for (_, belief) in believed {
        let rough = Contrasts::roughly(layout, belief);
        let view = values_beside(layout, belief, rough.clone(), &rough, str::to_owned);
        for (share, value) in shares.iter_mut().zip(view.values) {
            match (value.sure, value.mean > 0.0) {
                (true, true) => share.more += 1,
                (true, false) => share.less += 1,
                (false, _) => share.unsure += 1,
            }
        }
    }
    shares.sort_by_key(|share| share.unsure);
    shares
}

/// What answers show, and whether there are enough of the same to place people by.
async fn seen_by_answers(app: &App, part: Option<Part>) -> Result<(Seen, bool), Problem> {
    let paths = Paths::of(&app.home);
    let seed = 1;
    let found = aside(move || {
        let mut state = Belief::new();
        for entry in paths.read_log()? {
            state.note(&entry?)?;
        }
        let survey = Survey::within(&state, SOURCE_CAP, part.as_ref())?;
        let (conversations, _) = conversations(&state);
        let mut options = PeopleOptions::default();
        options.groups.seed = seed;
        options.items.seed = seed;
        let enough = survey.people.len() >= 3 && !survey.items.is_empty();
        let mut asks = Vec::new();
        if let Some(Ok(posterior)) = enough.then(|| ItemPosterior::sample(&survey.answers, &options.items)) {
            let everybody: Vec<usize> = (0..survey.people.len()).collect();
            let found = whom_to_ask(&survey.answers, &posterior, &everybody, FAIR_SHARE);
            asks.extend(found.iter().take(ASKS_MAX).map(|ask| AskView {
                person: survey.people[ask.person].to_string(),
                statement: words(&state, survey.items[ask.item]),
                gain_nats: ask.gain_nats,
                agrees: ask.agrees,
            }));
        }
        let (view, why_not) = match enough.then(|| overview(&state, &survey, &options)) {
            Some(Ok(view)) => (Some(view), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, Some("a picture needs three people who answered about the same things".into())),
        };
        let (values, shares, names, head) = (None, Vec::new(), BTreeMap::new(), state.head().0.0);
        let have_common = have_common_answers(&survey);
        Ok((Seen { view, asks, why_not, values, shares, names, conversations, head }, have_common))
    });
    found.await
}
