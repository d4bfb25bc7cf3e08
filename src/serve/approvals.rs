//! Approvals over the API: what agents ask, what their owner answers, what passed and what was taken back.

use axum::Json;
use axum::extract::State;
use credence_agent::approvals::{self, ApprovalAnswer, ApproveError};
use credence_agent::calls::{self, CallError};
use credence_approvals::{Approvals, By, PersonVerdict, Request, Scope, ShownHash, Stated};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::record::ActOutcome;
use credence_memory::state::State as LogState;
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
use crate::commands::approvals::here;
use crate::surroundings::now;

/// Acts told, at most; the latest.
const ACTS_MAX: usize = 100;

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(shown))
        .routes(routes!(request))
        .routes(routes!(answer, what_became))
        .routes(routes!(undo))
        .routes(routes!(revoke))
        .routes(routes!(report))
}

/// Whose approvals are meant.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The owner; may be left out where only one person has declared tools.
    pub(super) person: Option<String>,
}

/// A call that an agent asked for, or made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct CallView {
    /// Number of the question or of the act.
    pub(super) number: u64,
    /// The tool.
    pub(super) tool: String,
    /// Its arguments.
    #[schema(value_type = Object)]
    pub(super) arguments: serde_json::Map<String, serde_json::Value>,
    /// The task it belongs to.
    pub(super) task: String,
    /// What the agent said of it.
    pub(super) context: String,
    /// What it can change, in words: whether it can be undone, whom it concerns, what it costs at most.
    pub(super) changes: String,
    /// What it costs at most.
    pub(super) cost: f64,
    /// For a question, the probability that the owner would be against it, as believed now.
    pub(super) p_refuse: Option<f64>,
    /// For a question, what would change it.
    pub(super) would_change: Vec<String>,
    /// Whether the tool was declared: a yes for a task or for always is only for those.
    pub(super) is_declared: bool,
    /// Hash of tool and arguments: what an answer is bound to.
    #[schema(value_type = String)]
    pub(super) shown_hash: ShownHash,
    /// For a question, why it is asked; for an act, who let it pass.
    pub(super) why: String,
    /// For an act, its record in the log: what a report of its outcome names.
    pub(super) record: Option<u64>,
    /// For an act, what became of it, in words: how its command ended, what was reported.
    pub(super) became: Vec<String>,
}

/// An answer for a task or for always.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RuleView {
    /// Its number: what a revocation names.
    pub(super) number: u64,
    /// Which calls pass or are refused, in words.
    pub(super) words: String,
}

/// An owner's approvals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ApprovalsView {
    /// The owner.
    pub(super) person: String,
    /// Tools that agents may ask for.
    pub(super) tools: Vec<String>,
    /// Answers and undone acts so far.
    pub(super) answers: usize,
    /// The share of acts that may pass wrongly.
    pub(super) share_max: f64,
    /// Whether belief lets anything pass.
    pub(super) is_certified: bool,
    /// Questions that wait.
    pub(super) open: Vec<CallView>,
    /// Answers for a task or for always that hold.
    pub(super) rules: Vec<RuleView>,
    /// Acts that passed and were not undone, the latest first.
    pub(super) acts: Vec<CallView>,
}

/// What an agent wants to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestSent {
    /// The owner; may be left out where only one person has declared tools.
    #[serde(default)]
    person: Option<String>,
    /// The request: tool, arguments, and if known task, context, reversible, affected, cost, outside, declared.
    #[schema(value_type = Object)]
    request: Stated,
}

/// What a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SaidSent {
    /// Yes, this once.
    Once,
    /// Yes, such calls in this task.
    Task,
    /// Yes, exactly this call from now on.
    Always,
    /// Yes for now, but such calls are to be asked.
    AskMe,
    /// No.
    No,
    /// No, and never exactly this call.
    Never,
}

impl SaidSent {
    fn meant(self) -> (PersonVerdict, Scope) {
        match self {
            Self::Once => (PersonVerdict::Approved, Scope::Once),
            Self::Task => (PersonVerdict::Approved, Scope::Task),
            Self::Always => (PersonVerdict::Approved, Scope::Always),
            Self::AskMe => (PersonVerdict::AskMe, Scope::Once),
            Self::No => (PersonVerdict::Refused, Scope::Once),
            Self::Never => (PersonVerdict::Refused, Scope::Always),
        }
    }
}

/// An answer to an open question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerSent {
    /// The owner, likewise.
    #[serde(default)]
    person: Option<String>,
    /// What they say.
    answer: SaidSent,
    /// Hash of what they were shown.
    #[schema(value_type = String)]
    shown_hash: ShownHash,
}

/// What became of a question.
#[derive(Debug, Serialize, ToSchema)]
struct QuestionBecame {
    /// Its number.
    question: u64,
    /// Whether it still waits.
    is_open: bool,
    /// What the person answered; nothing while it waits.
    #[schema(value_type = Option<String>)]
    answer: Option<PersonVerdict>,
}

/// An owner's approvals: open questions and acts.
#[utoipa::path(get, path = "/api/v1/approvals", params(Whose),
    responses((status = 200, body = ApprovalsView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn shown(
    State(app): State<App>,
    caller: Caller,
    Asked(whose): Asked<Whose>,
) -> Result<Json<ApprovalsView>, Problem> {
    Ok(Json(view(&app, &caller, whose.person).await?))
}

/// May this act be done? It is recorded before this is answered.
#[utoipa::path(post, path = "/api/v1/approvals/requests", request_body = RequestSent,
    responses((status = 200, body = Object), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn request(
    State(app): State<App>,
    caller: Caller,
    Sending(key): Sending,
    Sent(sent): Sent<RequestSent>,
) -> Result<Json<serde_json::Value>, Problem> {
    let verdict = app.desk.run(move |desk| {
        let person = asked_of(desk, &caller, sent.person.as_deref())?;
        desk.once(key, |desk| Ok(approvals::request(&mut desk.home, &person, sent.request, &here())?))
    });
    let verdict = verdict.await??;
    serde_json::to_value(verdict).map(Json).map_err(|e| Problem::failed(e.to_string()))
}

/// What became of a question that an agent's request led to, for an agent that waits. After a yes it requests again.
#[utoipa::path(get, path = "/api/v1/approvals/questions/{question}", params(("question" = u64, Path), Whose),
    responses((status = 200, body = QuestionBecame), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn what_became(
    State(app): State<App>,
    caller: Caller,
    At(question): At<u64>,
    Asked(whose): Asked<Whose>,
) -> Result<Json<QuestionBecame>, Problem> {
    let view = app.desk.run(move |desk| {
        let person = asked_of(desk, &caller, whose.person.as_deref())?;
        let approvals = approvals::of(&desk.home, &person)?;
        let is_open = approvals.open_questions().any(|(open, _)| open == question);
        let answer = approvals.answer_to(question);
        if !is_open && answer.is_none() {
            return Err(Problem::no_such("question", &question));
        }
        Ok::<_, Problem>(QuestionBecame { question, is_open, answer })
    });
    view.await?.map(Json)
}

/// Answers an open question. It counts only for the call with this hash.
#[utoipa::path(post, path = "/api/v1/approvals/questions/{question}", params(("question" = u64, Path)), request_body = AnswerSent,
    responses((status = 200, body = ApprovalsView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn answer(
    State(app): State<App>,
    caller: Caller,
    At(question): At<u64>,
    Sending(key): Sending,
    Sent(sent): Sent<AnswerSent>,
) -> Result<Json<ApprovalsView>, Problem> {
    answered(&app, &caller, key, sent.person.clone(), question, sent.shown_hash, sent.answer).await?;
    Ok(Json(view(&app, &caller, sent.person).await?))
}

/// Takes an act back: evidence that its owner would have refused it. Undoing what it did is up to whoever did it.
#[utoipa::path(post, path = "/api/v1/approvals/acts/{act}/undo", params(("act" = u64, Path), Whose),
    responses((status = 200, body = ApprovalsView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn undo(
    State(app): State<App>,
    caller: Caller,
    At(act): At<u64>,
    Sending(key): Sending,
    Asked(whose): Asked<Whose>,
) -> Result<Json<ApprovalsView>, Problem> {
    undone(&app, &caller, key, whose.person.clone(), act).await?;
    Ok(Json(view(&app, &caller, whose.person).await?))
}

/// Ends a rule: an answer for a task or for always. Nothing is learned from it.
#[utoipa::path(post, path = "/api/v1/approvals/rules/{rule}/revoke", params(("rule" = u64, Path), Whose),
    responses((status = 200, body = ApprovalsView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At(rule): At<u64>,
    Sending(key): Sending,
    Asked(whose): Asked<Whose>,
) -> Result<Json<ApprovalsView>, Problem> {
    revoked(&app, &caller, key, whose.person.clone(), rule).await?;
    Ok(Json(view(&app, &caller, whose.person).await?))
}

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeSent {
    /// It was done.
    Done,
    /// It was tried and went wrong.
    Failed,
    /// It was not tried.
    NotDone,
    /// It was done and then undone.
    Undone,
}

/// What became of a decision or an act.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReportSent {
    /// The record of the decision or the act.
    record: u64,
    /// How it ended.
    outcome: OutcomeSent,
    /// What could be observed.
    #[serde(default)]
    observed: String,
}

/// A report as it was written down.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Reported {
    /// The record of the report.
    record: u64,
    /// What it is about, and what it says, in words.
    said: Vec<String>,
}

/// Reports what became of a decision or an act. It is the word of whoever reports, and no evidence of what anybody wants.
#[utoipa::path(post, path = "/api/v1/outcomes", request_body = ReportSent,
    responses((status = 200, body = Reported), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn report(
    State(app): State<App>,
    caller: Caller,
    Sending(key): Sending,
    Sent(sent): Sent<ReportSent>,
) -> Result<Json<Reported>, Problem> {
    let agents_of = app.agents.as_ref().map(|host| host.owner().clone());
    let reported = app.desk.run(move |desk| {
        let of = Seq(sent.record);
        let state = desk.home.state();
        let known = state.can_be_reported(of).cloned();
        let by = match caller.role {
            Role::Agent => {
                if known.is_none() || known != agents_of {
                    return Err(Problem::forbidden("an agent reports of its owner's decisions and acts only"));
                }
                "an agent".to_owned()
            }
            _ => {
                known.as_ref().map_or_else(|| caller.must_see_everybody(), |person| caller.must_be(person))?;
                caller.person.as_ref().map_or_else(|| "the owner".to_owned(), ToString::to_string)
            }
        };
        let outcome = match sent.outcome {
            OutcomeSent::Done => ActOutcome::Done,
            OutcomeSent::Failed => ActOutcome::Failed,
            OutcomeSent::NotDone => ActOutcome::NotDone,
            OutcomeSent::Undone => ActOutcome::Undone,
        };
        desk.once(key, |desk| {
            let record = calls::report(&mut desk.home, of, outcome, &sent.observed, &by, now())?;
            Ok(Reported { record: record.0, said: calls::reports(desk.home.state(), of) })
        })
    });
    Ok(Json(reported.await??))
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Home(error) => error.into(),
            CallError::Approve(error) => error.into(),
            CallError::NothingToReport(record) => Self::no_such("decision or act", &record),
            error @ CallError::TooLong { .. } => Self::unusable(chain(&error)),
            error => Self::conflict(chain(&error)),
        }
    }
}

/// Records an answer.
pub(super) async fn answered(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    person: Option<String>,
    question: u64,
    shown: ShownHash,
    said: SaidSent,
) -> Result<(), Problem> {
    let caller = caller.clone();
    let (verdict, scope) = said.meant();
    let done = app.desk.run(move |desk| {
        let person = owned(desk, &caller, person.as_deref())?;
        let answer = ApprovalAnswer { verdict, scope, pattern: None, expires: None };
        desk.once(key, |desk| {
            approvals::answer(&mut desk.home, &person, question, shown, answer, &here())?;
            Ok(())
        })
    });
    done.await?
}

/// Records that an act was taken back.
pub(super) async fn undone(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    person: Option<String>,
    act: u64,
) -> Result<(), Problem> {
    let caller = caller.clone();
    let done = app.desk.run(move |desk| {
        let person = owned(desk, &caller, person.as_deref())?;
        desk.once(key, |desk| {
            approvals::undo(&mut desk.home, &person, act, &here())?;
            Ok(())
        })
    });
    done.await?
}

/// Records that a rule ends.
pub(super) async fn revoked(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    person: Option<String>,
    rule: u64,
) -> Result<(), Problem> {
    let caller = caller.clone();
    let done = app.desk.run(move |desk| {
        let person = owned(desk, &caller, person.as_deref())?;
        desk.once(key, |desk| {
            approvals::revoke(&mut desk.home, &person, rule, &here())?;
            Ok(())
        })
    });
    done.await?
}

/// An owner's approvals.
pub(super) async fn view(app: &App, caller: &Caller, person: Option<String>) -> Result<ApprovalsView, Problem> {
    let caller = caller.clone();
    let view = app.desk.run(move |desk| {
        let person = owned(desk, &caller, person.as_deref())?;
        let approvals = approvals::of(&desk.home, &person)?;
        Ok(in_words(desk.home.state(), &person, approvals))
    });
    view.await?
}

/// Everybody with a question that waits, who this caller may see.
pub(super) async fn waiting(app: &App, caller: &Caller) -> Result<Vec<ApprovalsView>, Problem> {
    let caller = caller.clone();
    app.desk
        .run(move |desk| {
            let all = desk.home.state().all_approvals().iter();
            let theirs = all.filter(|(person, _)| caller.must_be(person).is_ok());
            theirs.map(|(person, approvals)| in_words(desk.home.state(), person, approvals)).collect()
        })
        .await
}

fn in_words(state: &LogState, person: &PersonId, known: &Approvals) -> ApprovalsView {
    let call = |number: u64, request: &Request, why: String| CallView {
        number,
        tool: request.tool.clone(),
        arguments: request.arguments.clone(),
        task: request.task.clone(),
        context: request.context.clone(),
        changes: approvals::changes_in_words(request),
        cost: request.cost,
        p_refuse: None,
        would_change: Vec::new(),
        is_declared: known.is_declared(&request.tool),
        shown_hash: request.shown_hash(),
        why,
        record: None,
        became: Vec::new(),
    };
    let now = here().local;
    let open = known.open_questions().map(|(question, request)| {
        let Ok(explanation) = known.explain_question(question, now) else {
            return call(question, request, String::new());
        };
        let (p_refuse, would_change) = (Some(explanation.decision.p_refuse), explanation.would_change);
        CallView { p_refuse, would_change, ..call(question, request, explanation.summary) }
    });
    let rules = known.rules().iter().filter(|rule| rule.expires.is_none_or(|end| now < end));
    let by = |by: By| match by {
        By::Rule => "as you said of such calls",
        By::Belief => "by what is believed of you",
        By::Person => "as you approved it",
    };
    let acts = known.acts().rev().take(ACTS_MAX);
    ApprovalsView {
        person: person.to_string(),
        tools: known.settings().tools.iter().map(|tool| tool.name.clone()).collect(),
        answers: known.answered_count(),
        share_max: known.settings().share_max,
        is_certified: known.certificate().is_some(),
        open: open.collect(),
        rules: rules.map(|rule| RuleView { number: rule.record, words: approvals::rule_in_words(rule) }).collect(),
        acts: acts
            .map(|(act, request, who)| CallView {
                record: state.record_of_act(person, act).map(|seq| seq.0),
                became: calls::became(state, person, act),
                ..call(act, request, by(who).to_owned())
            })
            .collect(),
    }
}

/// The owner that is meant.
fn owner(desk: &Desk, named: Option<&str>) -> Result<PersonId, Problem> {
    if let Some(name) = named.map(str::trim).filter(|name| !name.is_empty()) {
        return PersonId::new(name).map_err(|e| Problem::unusable(e.to_string()));
    }
    let mut all = desk.home.state().all_approvals().keys();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => {
            Err(Problem::unusable("nobody has declared what agents may ask for: `credence approvals declare` does"))
        }
        (Some(_), Some(_)) => Err(Problem::unusable("several people have agents: say whose with person=NAME")),
    }
}

/// The owner that is asked. An agent may ask anybody; what it learns is what they say to it.
fn asked_of(desk: &Desk, caller: &Caller, named: Option<&str>) -> Result<PersonId, Problem> {
    match caller.role {
        Role::Agent => owner(desk, named),
        _ => owned(desk, caller, named),
    }
}

/// The owner that is meant, if this caller speaks for them.
pub(super) fn owned(desk: &Desk, caller: &Caller, named: Option<&str>) -> Result<PersonId, Problem> {
    let person = match (&caller.person, named) {
        (Some(person), None) => person.clone(),
        _ => owner(desk, named)?,
    };
    caller.must_be(&person)?;
    Ok(person)
}

impl From<ApproveError> for Problem {
    fn from(error: ApproveError) -> Self {
        match error {
            ApproveError::Home(error) => error.into(),
            error @ (ApproveError::NotDeclared(_) | ApproveError::NotOpen { .. }) => Self::conflict(chain(&error)),
            error @ (ApproveError::Approval(_) | ApproveError::Unusable(_)) => Self::unusable(chain(&error)),
        }
    }
}
