//! Decisions over the API: what was asked, considered and decided, and why; answering, correcting, stopping, and giving a task that
//! waits other alternatives.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use credence_agent::approvals::call_in_words;
use credence_agent::decide::Bars;
use credence_agent::going_on::{self, GoingOnError};
use credence_agent::session::Answer;
use credence_agent::{calls, in_words, names};
use credence_mcp::{Caller as ByProtocol, Choice, DecideArguments, HostError, Principal};
use credence_memory::home::Paths;
use credence_memory::ids::{AlternativeId, PersonId, Seq, SourceId};
use credence_memory::record::{DecisionMade, Outcome, Record};
use credence_memory::state::State as LogState;
use credence_memory::text::normal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::{Caller, Role};
use super::api::{Asked, At, Sent};
use super::desk::{Desk, chain};
use super::done::{Key, Sending};
use super::problem::Problem;
use super::reading::aside;
use crate::probing::{MotiveView, views};
use crate::surroundings::now;

/// Decisions told at once, at most.
const PAGE_MAX: usize = 200;

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(decisions, decide))
        .routes(routes!(decision))
        .routes(routes!(answer))
        .routes(routes!(reconsider))
        .routes(routes!(correct))
        .routes(routes!(stop))
}

/// A decision: what was asked, considered and decided, and why.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DecisionView {
    /// Its record in the log.
    pub(super) record: u64,
    /// When it was made.
    pub(super) time: String,
    /// For whom.
    pub(super) person: String,
    /// The task that it belongs to.
    pub(super) task: Option<String>,
    /// What was asked: the task's words, or the situation.
    pub(super) asked: String,
    /// What was weighed.
    pub(super) alternatives: Vec<WeighedView>,
    /// What was decided: "act", "ask" or "defer".
    pub(super) outcome: &'static str,
    /// That in words.
    pub(super) decided: String,
    /// The place of the alternative that was chosen, from 0.
    pub(super) chosen: Option<usize>,
    /// Why: what spoke for the best against the next, the largest part first.
    pub(super) reasons: Vec<ReasonView>,
    /// Expected regret of acting on the best, noise units.
    pub(super) expected_regret: f64,
    /// How far the difference of the two best moved when the situation was only worded otherwise, noise units, if that was tried.
    pub(super) moved_by_wording: Option<f64>,
    /// What probes of the model's states read of the best; empty without probes.
    pub(super) motives: Vec<MotiveView>,
    /// The two between which an answer is waited for; none where nothing is open.
    pub(super) question: Option<[String; 2]>,
    /// What the person said of these alternatives since, in words.
    pub(super) since: Vec<String>,
    /// What became of it, as was reported, in words.
    pub(super) became: Vec<String>,
    /// Whether an act was chosen, which can be corrected.
    pub(super) may_correct: bool,
    /// Whether its task can be stopped.
    pub(super) may_stop: bool,
    /// Whether its task waits, so that alternatives can be added and struck.
    pub(super) may_reconsider: bool,
    /// Whether its task was stopped.
    pub(super) is_stopped: bool,
    /// Whether the same was decided again later.
    pub(super) is_superseded: bool,
}

/// An alternative that was weighed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct WeighedView {
    /// Its text.
    pub(super) text: String,
    /// Who thought of it: "person", "model" or "program"; not known of alternatives that belong to no task.
    pub(super) by: Option<String>,
    /// Expected utility, noise units.
    pub(super) expected_utility: f64,
    /// The same without what was foreseen, if something was.
    pub(super) expected_utility_alone: Option<f64>,
    /// Probability that it is the best.
    pub(super) probability_best: f64,
    /// What was foreseen, if it was deliberated on.
    pub(super) foreseen: Vec<String>,
}

/// A part of the grounds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ReasonView {
    /// What it is.
    pub(super) name: String,
    /// Its part in the difference between the best and the next, noise units.
    pub(super) size: f64,
    /// What the person said that it rests on.
    pub(super) because: Vec<String>,
}

/// Decisions, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DecisionPage {
    /// They.
    pub(super) decisions: Vec<DecisionView>,
    /// Whether there are earlier ones that were asked for.
    pub(super) more_before: bool,
}

/// Which decisions are wanted.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DecisionQuery {
    /// Only those for this person.
    pub(super) person: Option<String>,
    /// Only those before this record.
    pub(super) before: Option<u64>,
    /// So many at most.
    pub(super) limit: Option<usize>,
}

/// Decisions, the latest first: what was asked, considered and decided, and why.
#[utoipa::path(get, path = "/api/v1/decisions", params(DecisionQuery),
    responses((status = 200, body = DecisionPage), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn decisions(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<DecisionQuery>,
) -> Result<Json<DecisionPage>, Problem> {
    Ok(Json(page(&app, &caller, query).await?))
}

/// What is to be decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecideSent {
    /// What is going on, in a few plain sentences.
    situation: String,
    /// The acts to choose between, at least 2.
    alternatives: Vec<String>,
    /// Whose values count; may be left out for the owner of the agents.
    #[serde(default)]
    person: Option<String>,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
struct Decided {
    /// "act", "ask" or "defer".
    verdict: &'static str,
    /// For "act": which alternative, counted from 0.
    chosen: Option<usize>,
    /// Expected loss of acting now instead of knowing the person's values; at least 0.
    regret: f64,
    /// Why, the weightiest first.
    reasons: Vec<String>,
    /// For "ask": the two between which an answer decides.
    question: Option<[String; 2]>,
    /// The decision's record, for its answer and for a report of its outcome.
    record: Option<u64>,
}

/// Decides between acts: act, ask first, or leave it to the person. New situations are read by the model, which stays loaded.
#[utoipa::path(post, path = "/api/v1/decisions", request_body = DecideSent,
    responses((status = 200, body = Decided), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn decide(
    State(app): State<App>,
    caller: Caller,
    Sending(key): Sending,
    Sent(sent): Sent<DecideSent>,
) -> Result<Json<Decided>, Problem> {
    caller.may_ask_the_model()?;
    let host = app.agents.clone().ok_or_else(nobodys_agents)?;
    let asked = DecideArguments { situation: sent.situation, alternatives: sent.alternatives, person: sent.person };
    if let Some(fault) = asked.fault() {
        return Err(Problem::unusable(fault));
    }
    let principal = if caller.role == Role::Agent { crate::mcp::AGENT } else { crate::mcp::OWNER };
    let by = ByProtocol { principal: Some(Principal(principal.into())), ..ByProtocol::default() };
    let made = host.decide_once(&by, asked, key).await?;
    let verdict = match made.verdict {
        Choice::Act => "act",
        Choice::Ask => "ask",
        Choice::Defer => "defer",
    };
    let pair = |options: Vec<String>| {
        let mut options = options.into_iter();
        Some([options.next()?, options.next()?])
    };
    Ok(Json(Decided {
        verdict,
        chosen: made.chosen,
        regret: made.regret,
        reasons: made.reasons.into_iter().map(|reason| reason.words).collect(),
        question: made.question.and_then(|question| pair(question.options)),
        record: made.record,
    }))
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        match error {
            error @ HostError::NotAllowed { .. } => Self::forbidden(chain(&error)),
            error @ (HostError::BadInput { .. } | HostError::UnknownPerson { .. } | HostError::NotFound { .. }) => {
                Self::unusable(chain(&error))
            }
            error @ (HostError::NotOpen { .. } | HostError::OtherThanShown) => Self::conflict(chain(&error)),
            error @ HostError::Home { .. } => Self::failed(chain(&error)),
        }
    }
}

/// One decision.
#[utoipa::path(get, path = "/api/v1/decisions/{record}", params(("record" = u64, Path)),
    responses((status = 200, body = DecisionView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn decision(State(app): State<App>, caller: Caller, At(record): At<u64>) -> Result<Json<DecisionView>, Problem> {
    Ok(Json(one(&app, &caller, record).await?))
}

/// An answer to "which would you rather have?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Preferred {
    /// The first of the two.
    First,
    /// The second.
    Second,
    /// Neither more than the other.
    NoPreference,
}

/// The answer to a decision's question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerDecision {
    /// Which of the two the person would rather have.
    answer: Preferred,
}

/// Answers the question that a decision left open. It is decided again then; the new decision is told.
#[utoipa::path(post, path = "/api/v1/decisions/{record}/answer", params(("record" = u64, Path)), request_body = AnswerDecision,
    responses((status = 200, body = DecisionView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn answer(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Sending(key): Sending,
    Sent(sent): Sent<AnswerDecision>,
) -> Result<Json<DecisionView>, Problem> {
    let record = answered(&app, &caller, key, record, sent.answer).await?;
    Ok(Json(one(&app, &caller, record).await?))
}

/// Other alternatives for a task: none of what was weighed may be right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReconsiderDecision {
    /// Alternatives to add, as verb phrases. What nobody described yet is read by the model.
    #[serde(default)]
    add: Vec<String>,
    /// Places of alternatives to strike, from 0.
    #[serde(default)]
    strike: Vec<usize>,
}

/// Adds alternatives to a task that waits, and strikes others. It is decided again then; the new decision is told.
#[utoipa::path(post, path = "/api/v1/decisions/{record}/alternatives", params(("record" = u64, Path)), request_body = ReconsiderDecision,
    responses((status = 200, body = DecisionView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn reconsider(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Sending(key): Sending,
    Sent(sent): Sent<ReconsiderDecision>,
) -> Result<Json<DecisionView>, Problem> {
    let record = reconsidered(&app, &caller, key, record, sent.add, sent.strike).await?;
    Ok(Json(one(&app, &caller, record).await?))
}

/// What the person would rather have had.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CorrectDecision {
    /// The place of that alternative, from 0.
    rather: usize,
}

/// Corrects what a decision chose: evidence for what the person would rather have had.
#[utoipa::path(post, path = "/api/v1/decisions/{record}/correct", params(("record" = u64, Path)), request_body = CorrectDecision,
    responses((status = 200, body = DecisionView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn correct(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Sending(key): Sending,
    Sent(sent): Sent<CorrectDecision>,
) -> Result<Json<DecisionView>, Problem> {
    corrected(&app, &caller, key, record, sent.rather).await?;
    Ok(Json(one(&app, &caller, record).await?))
}

/// Stops the task of a decision.
#[utoipa::path(post, path = "/api/v1/decisions/{record}/stop", params(("record" = u64, Path)),
    responses((status = 200, body = DecisionView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn stop(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Sending(key): Sending,
) -> Result<Json<DecisionView>, Problem> {
    stopped(&app, &caller, key, record).await?;
    Ok(Json(one(&app, &caller, record).await?))
}

/// Answers a decision's question; gives the record of the decision that was made then.
pub(super) async fn answered(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    record: u64,
    answer: Preferred,
) -> Result<u64, Problem> {
    let answer = match answer {
        Preferred::First => Answer::Choose(0),
        Preferred::Second => Answer::Choose(1),
        Preferred::NoPreference => Answer::NoPreference,
    };
    let source = source(app, caller)?;
    let made = at_the_desk(app, caller, key, record, move |desk, seq| {
        going_on::answer(&mut desk.home, seq, answer, &source, Bars::default(), now())
    });
    Ok(made.await?.0)
}

/// Gives a task other alternatives; gives the record of the decision that was made then.
pub(super) async fn reconsidered(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    record: u64,
    add: Vec<String>,
    strike: Vec<usize>,
) -> Result<u64, Problem> {
    if let Some(made) = app.desk.run(move |desk| desk.gave::<Seq>(key)).await?? {
        return Ok(made.0);
    }
    if add.is_empty() && strike.is_empty() {
        return Err(Problem::unusable("say which alternatives to add, or which to strike"));
    }
    let add: Vec<String> = add.iter().map(|text| normal(text.trim()).into_owned()).collect();
    let (situation, person, texts) = at_the_desk(app, caller, None, record, move |desk, seq| {
        let state = desk.home.state();
        let made = state.decisions().iter().find(|(at, _)| *at == seq).map(|(_, made)| made);
        let made = made.ok_or(GoingOnError::NoDecision(seq))?;
        if !going_on::standing(state, seq).is_some_and(|stands| stands.may_reconsider) {
            return Err(GoingOnError::NothingToReconsider(seq));
        }
        let described = made.alternatives.iter().map(|id| state.description(id));
        let situation = described.clone().flatten().next().map(|d| d.situation.clone()).unwrap_or_default();
        let texts = described.map(|d| d.map_or_else(String::new, |d| d.text.clone()));
        Ok((situation, made.person.clone(), texts.collect::<Vec<_>>()))
    })
    .await?;
    // What is weighed from now on: a place that is none is told when it is recorded.
    let kept = texts.into_iter().enumerate().filter(|(place, _)| !strike.contains(place)).map(|(_, text)| text);
    let alternatives: Vec<String> = kept.chain(add.iter().cloned()).collect();
    let weighed = DecideArguments { situation: situation.clone(), alternatives: alternatives.clone(), person: None };
    if let Some(fault) = weighed.fault() {
        return Err(Problem::unusable(fault));
    }
    if !add.is_empty() {
        caller.may_ask_the_model()?;
        let host = app.agents.clone().ok_or_else(nobodys_agents)?;
        host.prepare(person, situation.clone(), alternatives).await?;
    }
    let added: Vec<AlternativeId> = add.iter().map(|text| AlternativeId::of(&situation, text)).collect();
    let made = at_the_desk(app, caller, key, record, move |desk, seq| {
        going_on::reconsider(&mut desk.home, seq, &added, &strike, Bars::default(), now())
    });
    Ok(made.await?.0)
}

fn nobodys_agents() -> Problem {
    Problem::conflict("nobody knows whose agents these are: start the service with --agents-of NAME")
}

/// Corrects what a decision chose.
pub(super) async fn corrected(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    record: u64,
    rather: usize,
) -> Result<(), Problem> {
    let source = source(app, caller)?;
    at_the_desk(app, caller, key, record, move |desk, seq| {
        going_on::correct(&mut desk.home, seq, rather, &source, now())
    })
    .await
}

/// Stops a decision's task.
pub(super) async fn stopped(app: &App, caller: &Caller, key: Option<Key>, record: u64) -> Result<(), Problem> {
    at_the_desk(app, caller, key, record, move |desk, seq| going_on::stop(&mut desk.home, seq, "stop", now())).await
}

fn source(app: &App, caller: &Caller) -> Result<SourceId, Problem> {
    SourceId::new(&app.source(caller)).map_err(|e| Problem::failed(e.to_string()))
}

/// Does something with a decision that is theirs; once, where it is sent again with the same key.
async fn at_the_desk<T: Serialize + DeserializeOwned + Send + 'static>(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    record: u64,
    work: impl FnOnce(&mut Desk, Seq) -> Result<T, GoingOnError> + Send + 'static,
) -> Result<T, Problem> {
    let caller = caller.clone();
    let done = app.desk.run(move |desk| {
        let seq = Seq(record);
        let person = whose(desk.home.state(), seq);
        let person = theirs(&caller, person, record)?;
        desk.home.believe(&person)?;
        let done = desk.once(key, |desk| Ok(work(desk, seq)?))?;
        desk.forget_sessions_of(&person);
        Ok(done)
    });
    done.await?
}

fn whose(state: &LogState, decision: Seq) -> Option<PersonId> {
    state.decisions().iter().find(|(seq, _)| *seq == decision).map(|(_, made)| made.person.clone())
}

/// The person of a decision, if it is theirs to see. Whether there is one is told to those who see everybody's.
fn theirs(caller: &Caller, person: Option<PersonId>, record: u64) -> Result<PersonId, Problem> {
    match person {
        Some(person) => caller.must_be(&person).map(|()| person),
        None if caller.sees_everybody() => Err(Problem::no_such("decision", &record)),
        None => Err(Problem::forbidden("a participant sees their own session and values only")),
    }
}

impl From<GoingOnError> for Problem {
    fn from(error: GoingOnError) -> Self {
        match error {
            GoingOnError::Session(error) => error.into(),
            error @ GoingOnError::NoDecision(_) => Self::unusable(chain(&error)),
            error @ (GoingOnError::NoOther { .. } | GoingOnError::NothingToStrike { .. }) => {
                Self::unusable(chain(&error))
            }
            error @ (GoingOnError::NoQuestion(_)
            | GoingOnError::NothingChosen(_)
            | GoingOnError::NothingToReconsider(_)
            | GoingOnError::NothingToStop(_)) => Self::conflict(chain(&error)),
        }
    }
}

/// Decisions, the latest first.
pub(super) async fn page(app: &App, caller: &Caller, query: DecisionQuery) -> Result<DecisionPage, Problem> {
    let person = match query.person.as_deref().filter(|name| !name.trim().is_empty()) {
        Some(name) => Some(caller.person(Some(name))?),
        None if caller.sees_everybody() => None,
        None => Some(caller.person(None)?),
    };
    let paths = Paths::of(&app.home);
    aside(move || {
        let (state, times) = noted(&paths)?;
        let limit = query.limit.unwrap_or(50).clamp(1, PAGE_MAX);
        let wanted = |(seq, made): &&(Seq, DecisionMade)| {
            person.as_ref().is_none_or(|p| made.person == *p) && query.before.is_none_or(|before| seq.0 < before)
        };
        let mut found = state.decisions().iter().rev().filter(wanted);
        let decisions = found.by_ref().take(limit).map(|(seq, made)| view(&state, &times, *seq, made)).collect();
        Ok(DecisionPage { decisions, more_before: found.next().is_some() })
    })
    .await
}

/// One decision, if it is theirs to see.
pub(super) async fn one(app: &App, caller: &Caller, record: u64) -> Result<DecisionView, Problem> {
    let paths = Paths::of(&app.home);
    let found = aside(move || {
        let (state, times) = noted(&paths)?;
        let found = state.decisions().iter().find(|(seq, _)| seq.0 == record);
        Ok(found.map(|(seq, made)| (made.person.clone(), view(&state, &times, *seq, made))))
    });
    let (person, view) = found.await?.unzip();
    theirs(caller, person, record)?;
    view.ok_or_else(|| Problem::no_such("decision", &record))
}

/// What the log says, and when decisions were made.
fn noted(paths: &Paths) -> anyhow::Result<(LogState, BTreeMap<Seq, String>)> {
    let (mut state, mut times) = (LogState::new(), BTreeMap::new());
    for entry in paths.read_log()? {
        let entry = entry?;
        if matches!(entry.record, Record::DecisionMade(_)) {
            times.insert(entry.seq, entry.time.strftime("%Y-%m-%d %H:%M:%S").to_string());
        }
        state.note(&entry)?;
    }
    Ok((state, times))
}

fn view(state: &LogState, times: &BTreeMap<Seq, String>, seq: Seq, made: &DecisionMade) -> DecisionView {
    let text = |id: &AlternativeId| {
        state.description(id).map_or_else(|| "?".to_owned(), |d| in_words::brief(&d.text).into_owned())
    };
    let said = |seq: &Seq| in_words::evidence(state, &made.person, *seq, names::value);
    let task = made.task.as_ref().and_then(|id| state.tasks().get(id));
    let situation = made.alternatives.first().and_then(|id| state.description(id)).map(|d| d.situation.clone());
    let stands = going_on::standing(state, seq);
    let chosen = match &made.outcome {
        Outcome::Act { alternative } => made.alternatives.iter().position(|a| a == alternative),
        Outcome::Ask { .. } | Outcome::Defer { .. } => None,
    };
    let question = stands.and_then(|s| s.question).map(|pair| pair.map(|a| text(&a)));
    let (outcome, decided) = match &made.outcome {
        Outcome::Act { alternative } => ("act", format!("Chosen: {}", text(alternative))),
        Outcome::Ask { .. } if question.is_some() => ("ask", "A question comes first".to_owned()),
        Outcome::Ask { .. } => ("ask", "A question came first".to_owned()),
        Outcome::Defer { because } => ("defer", format!("Left to the person: {because}")),
    };
    let alternatives = made.alternatives.iter().enumerate().map(|(place, id)| WeighedView {
        text: text(id),
        by: task.and_then(|task| task.proposed.iter().find(|(a, _)| a == id)).map(|(_, by)| by.clone()),
        expected_utility: made.expected_utility.get(place).map_or(0.0, |u| u.get()),
        expected_utility_alone: made.expected_utility_alone.get(place).map(|u| u.get()),
        probability_best: made.probability_best.get(place).map_or(0.0, |p| p.get()),
        foreseen: foreseen(state, made, id),
    });
    let reasons = made.reasons.iter().map(|reason| ReasonView {
        name: names::of_id(&reason.feature),
        size: reason.contribution.get(),
        because: reason.evidence.iter().filter_map(said).collect(),
    });
    DecisionView {
        record: seq.0,
        time: times.get(&seq).cloned().unwrap_or_default(),
        person: made.person.to_string(),
        task: made.task.as_ref().map(ToString::to_string),
        asked: task.map(|task| task.given.text.clone()).or(situation).unwrap_or_default(),
        alternatives: alternatives.collect(),
        outcome,
        decided,
        chosen,
        reasons: reasons.collect(),
        expected_regret: made.expected_regret.get(),
        moved_by_wording: made.moved_by_wording.map(|moved| moved.get()),
        motives: views(state, &made.motives),
        question,
        since: going_on::reactions(state, seq).iter().filter_map(said).collect(),
        became: calls_of(state, seq).chain(calls::reports(state, seq)).collect(),
        may_correct: chosen.is_some(),
        may_stop: stands.is_some_and(|s| s.may_stop),
        may_reconsider: stands.is_some_and(|s| s.may_reconsider),
        is_stopped: stands.is_some_and(|s| s.is_stopped),
        is_superseded: stands.is_some_and(|s| s.is_superseded),
    }
}

/// How the calls that carried a decision out ended.
fn calls_of(state: &LogState, decision: Seq) -> impl Iterator<Item = String> {
    let of_it = state.calls().values().filter(move |call| call.begun.decision == Some(decision));
    of_it.map(|call| format!("{}: {}", call_in_words(&call.request), calls::end_in_words(call)))
}

/// What was foreseen of an alternative.
fn foreseen(state: &LogState, made: &DecisionMade, alternative: &AlternativeId) -> Vec<String> {
    let written = made.deliberations.iter().filter_map(|seq| state.deliberations().get(seq));
    let of = written.filter(|d| d.made.alternative == *alternative);
    of.flat_map(|d| &d.made.consequences).map(|c| c.text.clone()).collect()
}
