//! Approvals: what agents ask is answered here, and what passed can be taken back.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use credence_agent::approvals::one_line;
use credence_approvals::ShownHash;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Form, frame, sentence, unseen};
use crate::front::text::{TEXT_CHARS_MAX, clean, counted};
use crate::serve::App;
use crate::serve::access::{Caller, check_csrf};
use crate::serve::api::At;
use crate::serve::approvals::{self, ApprovalsView, CallView, SaidSent};
use crate::serve::done::Key;
use crate::serve::problem::Problem;

/// The answers, and what stands on their buttons.
const ANSWERS: [(&str, &str); 6] = [
    ("once", "Yes, this once"),
    ("task", "Yes, exactly this call in this task"),
    ("always", "Yes, exactly this call from now on"),
    ("ask_me", "Yes, and go on asking me about such calls"),
    ("no", "No"),
    ("never", "No, and never exactly this call"),
];

/// The page.
pub(super) async fn page(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let all = approvals::waiting(&app, &caller).await?;
    let page = frame::page(
        &caller,
        "Approvals",
        "/approvals",
        html! {
            @if all.is_empty() {
                p { "No agent may ask for anything yet. " code { "credence approvals declare" } " says what agents may ask for." }
            }
            @for of in &all { (owner(&caller, of)) }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

fn owner(caller: &Caller, of: &ApprovalsView) -> Markup {
    html! {
        section {
            h2 { "Agents of " (clean(&of.person)) }
            p.quiet {
                "Tools: " (clean(&of.tools.join(", "))) ". " (counted(of.answers, "answer")) " so far. "
                @if of.is_certified { "Belief lets acts pass that it is sure enough of." } @else { "Belief lets nothing pass by itself yet." }
            }
            @if of.open.is_empty() { p { "Nothing waits for an answer." } }
            @for call in &of.open { (question(caller, &of.person, call)) }
            @if !of.rules.is_empty() {
                h3 { "Rules" }
                ul { @for rule in &of.rules { li {
                    "Rule " (rule.number) ": " (clean(&rule.words)) " "
                    form.row method="post" action=(format!("/approvals/rules/{}/revoke", rule.number)) {
                        (unseen(caller))
                        input type="hidden" name="person" value=(of.person);
                        button type="submit" aria-label=(format!("Revoke it: rule {}", rule.number)) { "Revoke it" }
                    }
                } } }
            }
            @if !of.acts.is_empty() {
                h3 { "What passed" }
                ul { @for act in &of.acts { li {
                    "Act " (act.number) ": " (what(act)) " " span.quiet { (act.why) }
                    @for line in &act.became { p { (clean(line)) } }
                    form.row method="post" action=(format!("/approvals/acts/{}/undo", act.number)) {
                        (unseen(caller))
                        input type="hidden" name="person" value=(of.person);
                        button type="submit" aria-label=(format!("Take it back: act {}", act.number)) { "Take it back" }
                    }
                } } }
            }
        }
    }
}

fn what(call: &CallView) -> Markup {
    html! { code { (clean(&call.tool)) } @for (name, value) in &call.arguments { " " span { (clean(name)) ": " (clean(&value.to_string())) } } }
}

/// A value that is judged: whole, or with how much of it is hidden and where all of it is.
fn whole(text: &str) -> String {
    let hidden = text.chars().count().saturating_sub(TEXT_CHARS_MAX);
    match hidden {
        0 => clean(text),
        _ => {
            format!("{} ({hidden} more characters; `credence approvals show` and the API have all of it)", clean(text))
        }
    }
}

/// Whether a person sees all of a call on the page: what is not seen is not approved here.
fn is_shown_whole(call: &CallView) -> bool {
    let fits = |text: &str| text.chars().count() <= TEXT_CHARS_MAX;
    fits(&call.tool) && call.arguments.iter().all(|(name, value)| fits(name) && fits(&value.to_string()))
}

/// Whether an answer is offered: a task without a name is every task, calls of a tool that nobody declared are approved one by one.
fn is_offered(call: &CallView, answer: &str) -> bool {
    match answer {
        "no" | "never" => true,
        _ if !is_shown_whole(call) => false,
        "task" => call.is_declared && !call.task.is_empty(),
        "always" => call.is_declared,
        _ => true,
    }
}

/// Text of an agent on one line.
fn line(text: &str) -> String {
    clean(&one_line(text))
}

fn question(caller: &Caller, person: &str, call: &CallView) -> Markup {
    let shown = serde_json::to_value(call.shown_hash)
        .ok()
        .and_then(|hash| hash.as_str().map(str::to_owned))
        .unwrap_or_default();
    html! {
        article.card id=(format!("question-{}", call.number)) {
            form.question method="post" action=(format!("/approvals/questions/{}", call.number)) {
                (unseen(caller))
                input type="hidden" name="person" value=(person);
                input type="hidden" name="shown_hash" value=(shown);
                fieldset {
                    legend { "May an agent call this?" }
                    (frame::wide(&format!("Arguments of question {}", call.number), html! { table {
                        caption { code { (clean(&call.tool)) } }
                        tbody { @for (name, value) in &call.arguments { tr { th scope="row" { (clean(name)) } td { (whole(&value.to_string())) } } } }
                    } }))
                    @if !call.task.is_empty() { p { "For the task “" (line(&call.task)) "”" } }
                    @if !call.context.is_empty() { p { "The agent says: “" (line(&call.context)) "”" } }
                    p { (sentence(&clean(&call.changes))) "." }
                    p.quiet {
                        (clean(&call.why))
                        @if let Some(p) = call.p_refuse { (format!(" Believed now: you would be against it with probability {:.1}%.", 100.0 * p)) }
                    }
                    @for way in &call.would_change { p.quiet { "To change it: " (clean(way)) } }
                    p.quiet {
                        "Question " (call.number) ". An answer counts for exactly this call, whose hash is " code { (shown) } "."
                    }
                    @if !is_shown_whole(call) { p { strong { "This call is too long to be shown here whole, so it cannot be approved here." } } }
                    div.answers { @for (value, label) in ANSWERS {
                        @if is_offered(call, value) { button.answer type="submit" name="answer" value=(value) { (label) } }
                    } }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct AnswerForm {
    csrf: String,
    #[serde(default)]
    once: String,
    person: String,
    shown_hash: ShownHash,
    answer: SaidSent,
}

/// Answers a question.
pub(super) async fn answer(
    State(app): State<App>,
    caller: Caller,
    At(question): At<u64>,
    Form(form): Form<AnswerForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, &format!("/approvals/questions/{question}"), &form.once);
    approvals::answered(&app, &caller, key, Some(form.person), question, form.shown_hash, form.answer).await?;
    Ok(Redirect::to("/approvals").into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct UndoForm {
    csrf: String,
    #[serde(default)]
    once: String,
    person: String,
}

/// Takes an act back.
pub(super) async fn undo(
    State(app): State<App>,
    caller: Caller,
    At(act): At<u64>,
    Form(form): Form<UndoForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, &format!("/approvals/acts/{act}/undo"), &form.once);
    approvals::undone(&app, &caller, key, Some(form.person), act).await?;
    Ok(Redirect::to("/approvals").into_response())
}

/// Ends a rule.
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At(rule): At<u64>,
    Form(form): Form<UndoForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, &format!("/approvals/rules/{rule}/revoke"), &form.once);
    approvals::revoked(&app, &caller, key, Some(form.person), rule).await?;
    Ok(Redirect::to("/approvals").into_response())
}
