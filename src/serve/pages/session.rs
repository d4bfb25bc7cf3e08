//! A session: the question, what the last answer moved, and sentences to be confirmed.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use credence_agent::protocol::{ConfirmView, MovedView, QuestionView, Said, WhyView};
use credence_memory::ids::PersonId;
use credence_memory::record::QuestionKind;
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::{Stream, StreamExt};

use super::{Form, frame, link, unseen_with};
use crate::commands::values::drawing;
use crate::front::report::{given, sentence};
use crate::front::text::{clean, counted, percent, signed};
use crate::serve::App;
use crate::serve::access::{Caller, Role, check_csrf, cookie, secret};
use crate::serve::api::{Asked, named};
use crate::serve::desk::Turn;
use crate::serve::done::Key;
use crate::serve::following;
use crate::serve::problem::Problem;
use crate::surroundings::now;

/// Where what is said is sent.
const SAY: &str = "/session/say";

#[derive(Debug, Default, Deserialize)]
pub(super) struct Whose {
    person: Option<String>,
    #[serde(default)]
    why: bool,
    /// Whether they have just joined: then they are shown by what they come back.
    #[serde(default)]
    joined: bool,
}

/// The session of a person that is not over. Nothing is begun by looking at it: an address that somebody else made may lead here.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Asked(whose): Asked<Whose>,
) -> Result<Response, Problem> {
    let person = caller.person(whose.person.as_deref())?;
    let asked = person.clone();
    let found = app
        .desk
        .run(move |desk| -> Result<Option<(Turn, Option<WhyView>)>, Problem> {
            let Some(id) = desk.open_session(&asked) else { return Ok(None) };
            let turn = desk.stands(&id, now())?;
            if turn.question.is_none() && turn.confirm.is_none() {
                return Ok(None);
            }
            let open = whose.why && turn.question.is_some() && turn.confirm.is_none();
            let why = if open { Some(desk.why(&turn.session)?) } else { None };
            Ok(Some((turn, why)))
        })
        .await??;
    let Some((turn, why)) = found else { return Ok(to_begin(&caller, &person)) };
    let own = cookie(&headers).filter(|_| whose.joined && caller.role == Role::Participant);
    let own = own.map(|token| app.address(&format!("/open?token={token}")));
    Ok(shown(&caller, &turn, why.as_ref(), own.as_deref()))
}

/// Where no session is open: a button begins one, or goes on with one.
fn to_begin(caller: &Caller, person: &PersonId) -> Response {
    let page = frame::page(
        caller,
        "Session",
        "/session",
        html! {
            p { "A session asks what matters to a person, one question at a time. It can be left and taken up again at any time." }
            form method="post" action="/session" {
                (unseen_with(caller, &secret()))
                @if caller.sees_everybody() { input type="hidden" name="person" value=(person); }
                button.primary type="submit" { "Begin" @if caller.sees_everybody() { " with " (clean(person.as_str())) } }
            }
        },
    );
    Html(page.into_string()).into_response()
}

#[derive(Debug, Deserialize)]
pub(super) struct Begin {
    csrf: String,
    person: Option<String>,
}

/// Begins a person's session, or goes on with theirs.
pub(super) async fn begin(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<Begin>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let person = caller.person(form.person.as_deref())?;
    let source = app.source(&caller);
    let turn = app.desk.run(move |desk| desk.sit_down(&person, &source, now())).await??;
    let (path, more): (_, &[_]) =
        if turn.ended.is_some() { ("/values", &[("ended", "true")]) } else { ("/session", &[]) };
    Ok(Redirect::to(&whose(&caller, path, &turn.person, more)).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Say {
    csrf: String,
    #[serde(default)]
    once: String,
    session: String,
    #[serde(default)]
    question: Option<usize>,
    /// What a button says, as JSON.
    #[serde(default)]
    say: String,
    /// A sentence.
    #[serde(default)]
    words: String,
    /// The best and the worst of several.
    #[serde(default)]
    best: Option<usize>,
    #[serde(default)]
    worst: Option<usize>,
}

impl Say {
    fn said(&self) -> Result<Said, Problem> {
        match (self.say.as_str(), self.best, self.worst) {
            ("words", ..) if self.words.trim().is_empty() => {
                Err(Problem::unusable("expected a sentence, found no words"))
            }
            ("words", ..) => Ok(Said::Important { words: self.words.clone() }),
            ("best_and_worst", Some(best), Some(worst)) => Ok(Said::BestAndWorst { best, worst }),
            ("best_and_worst", ..) => Err(Problem::unusable("choose one that matters most and one that matters least")),
            (json, ..) => serde_json::from_str(json).map_err(|e| Problem::malformed(e.to_string())),
        }
    }
}

/// Takes what was said, and shows what stands then.
pub(super) async fn say(State(app): State<App>, caller: Caller, Form(form): Form<Say>) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let id = named(&form.session)?;
    let (said, question, asking) = (form.said(), form.question, caller.clone());
    // A form that is sent twice says it once; a sentence that was changed meanwhile is another one.
    let page = Key::of_form(&caller, SAY, &form.once);
    let said_as = said.as_ref().map(json).unwrap_or_default();
    let key = page.map(|_| Key::of(&caller, SAY, &format!("{} {said_as}", form.once)));
    let turn = app
        .desk
        .run(move |desk| {
            desk.must_be_theirs(&asking, &id)?;
            match said {
                Ok(said) => desk.say_once(key, &id, question, said, now()),
                // What cannot be used is said beside the question, which stays.
                Err(problem) => desk.turn(&id, now()).map(|turn| Turn { problem: Some(problem.detail), ..turn }),
            }
        })
        .await??;
    app.metrics.answered();
    app.following.wake(&turn.session, page);
    if turn.ended.is_some() {
        return Ok(Redirect::to(&whose(&caller, "/values", &turn.person, &[("ended", "true")])).into_response());
    }
    if turn.problem.is_some() {
        return Ok(shown(&caller, &turn, None, None));
    }
    Ok(Redirect::to(&whose(&caller, "/session", &turn.person, &[])).into_response())
}

/// An address about a person; participants need not name themselves.
fn whose(caller: &Caller, path: &str, person: &PersonId, more: &[(&str, &str)]) -> String {
    let person = if caller.sees_everybody() { person.as_str() } else { "" };
    link(path, &[&[("person", person)], more].concat())
}

/// A page of where a session stands; `own` is the address by which whoever has just joined comes back.
fn shown(caller: &Caller, turn: &Turn, why: Option<&WhyView>, own: Option<&str>) -> Response {
    if turn.ended.is_some() {
        return Redirect::to(&whose(caller, "/values", &turn.person, &[("ended", "true")])).into_response();
    }
    let title = if caller.sees_everybody() { format!("Session: {}", turn.person) } else { "Session".to_owned() };
    let key = secret();
    let (session, stands) = (turn.session.as_str(), stands(turn));
    let events = link("/session/events", &[("session", session), ("stands", &stands), ("once", &key)]);
    let page = frame::page(
        caller,
        &title,
        "/session",
        html! {
            @if let Some(own) = own { details.card {
                summary { "To come back on another device, or after leaving" }
                p { "Keep this link. It is yours alone: whoever has it sees your answers and answers for you. It is shown only now." }
                p { a #own href=(own) { (own) } }
            } }
            // What changes elsewhere, on another device or on a facilitator's screen, takes the place of what is shown here.
            div.session hx-ext="sse" sse-connect=(events) sse-swap="turn" sse-close="over" { (content(caller, turn, why, &key)) }
        },
    );
    Html(page.into_string()).into_response()
}

/// What changes with every answer; `key` is that of its forms.
fn content(caller: &Caller, turn: &Turn, why: Option<&WhyView>, key: &str) -> Markup {
    let values = whose(caller, "/values", &turn.person, &[("ended", "true")]);
    html! {
        div hx-get=(values) hx-trigger="sse:over" hx-target="body" hx-push-url="true" {
            @if let Some(problem) = &turn.problem { p.problem role="alert" { (sentence(&clean(problem))) "." } }
            @if let Some(notice) = &turn.notice { p.notice role="status" { (sentence(&clean(notice))) "." } }
            form #say method="post" action=(SAY) {
                (unseen_with(caller, key))
                input type="hidden" name="session" value=(turn.session);
                @match (&turn.confirm, &turn.question) {
                    (Some(reading), _) => (confirm(reading)),
                    (None, Some(question)) => (ask(question, caller, turn, why)),
                    (None, None) => {}
                }
            }
            (words(caller, turn, key))
            p.quiet {
                (given(turn.answers, 0)) " so far. "
                @if let Some(question) = &turn.question {
                    @if let Some(most) = question.remaining { "Up to " (counted(most, "question")) " left; stop whenever you like." }
                    @else { "Stop whenever you like." }
                }
            }
        }
        aside aria-label="What moved" { (moved(turn)) }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Follow {
    session: String,
    /// Where it stands on the page that follows.
    #[serde(default)]
    stands: String,
    /// The key of the forms on that page.
    #[serde(default)]
    once: String,
}

/// Follows a session for a page that shows it: what stands there otherwise than on the page comes as an event `turn`, and its end as
/// `over`. What the page itself sends is not told to it: it gets a page in answer.
pub(super) async fn follow(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<Follow>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let turns = following::turns(&app, caller.clone(), named(&page.session)?).await?;
    let Follow { mut stands, mut once, .. } = page;
    let mut has_sent = false;
    let events = turns.filter_map(move |news| {
        has_sent |= news.by.is_some() && news.by == Key::of_form(&caller, SAY, &once);
        if has_sent {
            return None;
        }
        if news.is_over {
            return Some(Ok(Event::default().event("over").data("over")));
        }
        let now = self::stands(&news.turn);
        if now == stands {
            return None;
        }
        (stands, once) = (now, secret());
        let page = content(&caller, &news.turn, None, &once).into_string();
        Some(Ok(Event::default().event("turn").data(page)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Where a session stands, in a few words: a page that shows them needs no other.
fn stands(turn: &Turn) -> String {
    let question = turn.question.as_ref().map_or(0, |question| question.number);
    let reading = turn.confirm.as_ref().map_or("", |reading| reading.text.as_str());
    let moved = turn.moved.as_ref().map_or(0, |moved| moved.seq);
    format!("{} {question} {moved} {reading}", turn.answers)
}

fn ask(question: &QuestionView, caller: &Caller, turn: &Turn, why: Option<&WhyView>) -> Markup {
    let (before, after) = question.words();
    html! {
        input type="hidden" name="question" value=(question.number);
        article.card.question data-kind=(kind(question.kind)) {
            p.number { "Question " (question.number) @if question.reask { " · asked again, to see how steady answers are" } }
            @if !question.situation.trim().is_empty() { p.situation { (clean(&question.situation)) } }
            @if !before.is_empty() { p { (before) } }
            @match question.kind {
                QuestionKind::Choice => div.answers {
                    @for (i, text) in question.alternatives.iter().enumerate() {
                        (answer(&Said::Choose { index: i }, &(i + 1).to_string(), text))
                    }
                    @if question.indifference_offered { (answer(&Said::NoPreference, "=", "no preference")) }
                },
                QuestionKind::Portrait => {
                    @for text in &question.alternatives { p.portrait { (clean(text)) "." } }
                    p { (after) }
                    div.answers.levels {
                        @for (i, text) in question.levels.iter().enumerate() {
                            (answer(&Said::Rate { level: i as u32 + 1 }, &(i + 1).to_string(), text))
                        }
                    }
                },
                QuestionKind::BestAndWorst => (best_and_worst(question)),
            }
            div.more {
                (small(&Said::Skip, "s", "Skip"))
                (small(&Said::Undo, "u", "Undo"))
                @if why.is_some() { a.button.link data-key="w" href=(whose(caller, "/session", &turn.person, &[])) { kbd { "w" } " Back" } }
                @else { a.button.link data-key="w" href=(whose(caller, "/session", &turn.person, &[("why", "true")])) { kbd { "w" } " Why this?" } }
                a.button.link data-key="v" href=(whose(caller, "/values", &turn.person, &[])) { kbd { "v" } " Values" }
                (small(&Said::Stop, "q", "Stop for now"))
            }
        }
        @if let Some(why) = why { (reason(why, question)) }
    }
}

fn kind(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Choice => "choice",
        QuestionKind::Portrait => "portrait",
        QuestionKind::BestAndWorst => "best-and-worst",
    }
}

fn json(said: &Said) -> String {
    serde_json::to_string(said).unwrap_or_default()
}

fn answer(said: &Said, key: &str, text: &str) -> Markup {
    html! {
        button.answer type="submit" name="say" value=(json(said)) data-key=(key) { kbd aria-hidden="true" { (key) } span { (clean(text)) } }
    }
}

fn small(said: &Said, key: &str, text: &str) -> Markup {
    html! { button.link type="submit" name="say" value=(json(said)) data-key=(key) formnovalidate { kbd aria-hidden="true" { (key) } " " (text) } }
}

fn best_and_worst(question: &QuestionView) -> Markup {
    html! {
        table.best-and-worst {
            thead { tr { th scope="col" { "most" } th scope="col" { "" } th scope="col" { "least" } } }
            tbody { @for (i, text) in question.alternatives.iter().enumerate() { tr {
                td { input type="radio" name="best" value=(i) required aria-label=(format!("matters most: {}", clean(text))) data-best=(i + 1); }
                td { (clean(text)) }
                td { input type="radio" name="worst" value=(i) required aria-label=(format!("matters least: {}", clean(text))) data-worst=(i + 1); }
            } } }
        }
        p.quiet { "By keys: the number of the one that matters most, then of the one that matters least." }
        button.primary type="submit" name="say" value="best_and_worst" { "Answer" }
    }
}

fn reason(why: &WhyView, question: &QuestionView) -> Markup {
    let labels: Vec<String> = match (question.kind, why.predicted.len()) {
        (QuestionKind::Portrait, n) if n == question.levels.len() => question.levels.clone(),
        (QuestionKind::Choice, 3) => {
            vec![question.alternatives[0].clone(), "no preference".into(), question.alternatives[1].clone()]
        }
        _ => question.alternatives.clone(),
    };
    html! {
        section.card.why {
            h2 { "Why this question" }
            p { (why.text) }
            table {
                thead { tr { th { "answer" } th.number { "predicted" } } }
                tbody { @for (label, p) in labels.iter().zip(&why.predicted) { tr { td { (clean(label)) } td.number { (percent(*p)) } } } }
            }
        }
    }
}

fn confirm(reading: &ConfirmView) -> Markup {
    html! {
        article.card.question {
            p.number { "This is what I read. It counts only if you say yes." }
            p.situation { (sentence(&clean(&reading.text))) }
            div.answers {
                (answer(&Said::Yes, "y", "Yes, that is what I mean"))
                @for (i, other) in reading.others.iter().enumerate() {
                    (answer(&Said::Choose { index: i }, &(i + 1).to_string(), &format!("Rather: {other}")))
                }
                (answer(&Said::No, "n", "No, drop it"))
            }
        }
    }
}

fn words(caller: &Caller, turn: &Turn, key: &str) -> Markup {
    html! {
        // Stays as it is when the rest is replaced: somebody may be writing.
        details.words #in-words hx-preserve {
            summary data-key="i" { kbd aria-hidden="true" { "i" } " Say it in your own words" }
            form method="post" action=(SAY) .row {
                (unseen_with(caller, key))
                input type="hidden" name="session" value=(turn.session);
                input type="hidden" name="say" value="words";
                label for="words" { "For example: \"honesty matters more to me than loyalty\"" }
                input #words name="words" maxlength="2000" required autocomplete="off";
                button type="submit" { "Say it" }
            }
            p.quiet { "In this form it counts at once. Anything else is shown to you as it was read, and counts when you say yes." }
        }
    }
}

fn moved(turn: &Turn) -> Markup {
    let Some(MovedView { said, predicted, changes, values, .. }) = &turn.moved else {
        return html! { p.quiet { "After each answer, what it moved is shown here." } };
    };
    let visible: Vec<_> = changes.iter().filter(|c| signed(c.mean_change) != signed(0.0)).take(4).collect();
    html! {
        h2 { "What the last answer moved" }
        p { (sentence(&clean(said))) "." @if let Some(p) = predicted { " " span.quiet { "Predicted with " (percent(*p)) "." } } }
        @if visible.is_empty() { p.quiet { "Hardly anything." } } @else {
            ul.moved { @for change in visible { li {
                (change.name) " " strong { (signed(change.mean_change)) }
            } } }
        }
        figure { (drawing::narrow("Your values so far", values)) }
    }
}
