//! Decisions: what was asked, considered and decided, and why. Open questions are answered here, acts corrected, tasks stopped or given
//! other alternatives.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Form, frame, link, sentence, unseen};
use crate::front::text::{clean, percent, signed};
use crate::serve::App;
use crate::serve::access::{Caller, check_csrf};
use crate::serve::api::{Asked, At};
use crate::serve::decisions::{self, DecisionQuery, DecisionView, Preferred};
use crate::serve::done::Key;
use crate::serve::problem::Problem;

/// Strikes everything that was weighed.
const STRIKE_ALL: &str = "all";
/// Reasons shown, at most.
const REASONS_MAX: usize = 6;

/// The page.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<DecisionQuery>,
) -> Result<Response, Problem> {
    let person = query.person.clone().unwrap_or_default();
    let found = decisions::page(&app, &caller, query).await?;
    let page = frame::page(
        &caller,
        "Decisions",
        "/decisions",
        html! {
            @if caller.sees_everybody() {
                form.row method="get" action="/decisions" {
                    label for="person" { "Person" }
                    input #person name="person" value=(person) maxlength="200" autocomplete="off";
                    button type="submit" { "Show" }
                }
            }
            @if found.decisions.is_empty() {
                p { "Nothing was decided that was asked for. " code { "credence decide" } " and " code { "credence agent" } " write decisions to this log while the service is not running." }
            }
            @for decision in &found.decisions { (card(&caller, decision)) }
            @if found.more_before {
                @if let Some(last) = found.decisions.last() {
                    p { a href=(link("/decisions", &[("person", &person), ("before", &last.record.to_string())])) { "Earlier decisions" } }
                }
            }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

fn card(caller: &Caller, d: &DecisionView) -> Markup {
    html! {
        article.card id=(format!("record-{}", d.record)) {
            h2 { (sentence(&clean(&d.asked))) }
            p.quiet {
                "Record " (d.record) ", " (d.time) " UTC, for " (clean(&d.person))
                @if let Some(task) = &d.task { ", " (clean(task)) }
                @if d.is_superseded { "; decided again later" }
                @if d.is_stopped { "; stopped" }
            }
            p { strong { (sentence(&clean(&d.decided))) } }
            @if let Some(pair) = &d.question { (question(caller, d, pair)) }
            (weighed(d))
            (why(d))
            (motives(d))
            @for line in &d.became { p { (clean(line)) } }
            @if !d.since.is_empty() {
                p { "Said since: " @for (i, said) in d.since.iter().enumerate() { @if i > 0 { "; " } (clean(said)) } "." }
            }
            (actions(caller, d))
        }
    }
}

/// Where a form about a decision is sent.
fn address(record: u64, what: &str) -> String {
    format!("/decisions/{record}/{what}")
}

fn question(caller: &Caller, d: &DecisionView, pair: &[String; 2]) -> Markup {
    html! {
        form.question method="post" action=(address(d.record, "answer")) {
            (unseen(caller))
            fieldset {
                legend { "Which would you rather have?" }
                div.answers {
                    button.answer type="submit" name="answer" value="first" { (clean(&pair[0])) }
                    button.answer type="submit" name="answer" value="second" { (clean(&pair[1])) }
                    button.answer type="submit" name="answer" value="no_preference" { "no preference" }
                }
            }
        }
    }
}

fn weighed(d: &DecisionView) -> Markup {
    let was_foreseen = d.alternatives.iter().any(|a| !a.foreseen.is_empty());
    html! {
        (frame::wide(&format!("What was considered for record {}", d.record), html! { table {
            caption { "What was considered" }
            thead { tr {
                th scope="col" { "alternative" }
                th.number scope="col" { "expected utility" }
                th.number scope="col" { "chance that it is the best" }
                @if was_foreseen { th scope="col" { "what was foreseen" } }
            } }
            tbody { @for (i, a) in d.alternatives.iter().enumerate() { tr {
                th scope="row" {
                    @if d.chosen == Some(i) { strong { (clean(&a.text)) } " (chosen)" } @else { (clean(&a.text)) }
                    @if let Some(by) = &a.by { span.quiet { " by the " (clean(by)) } }
                }
                td.number {
                    (signed(a.expected_utility))
                    @if let Some(alone) = a.expected_utility_alone { span.quiet { " (" (signed(alone)) " alone)" } }
                }
                td.number { (percent(a.probability_best)) }
                @if was_foreseen { td { @for (i, text) in a.foreseen.iter().enumerate() { @if i > 0 { br; } (clean(text)) } } }
            } } }
        } }))
    }
}

fn why(d: &DecisionView) -> Markup {
    html! {
        @if !d.reasons.is_empty() {
            h3 { "Why: what spoke for the best, against the next" }
            ul { @for reason in d.reasons.iter().take(REASONS_MAX) { li {
                (clean(&reason.name)) @if reason.size != 0.0 { " " (signed(reason.size)) }
                @if !reason.because.is_empty() {
                    span.quiet { ": " @for (i, said) in reason.because.iter().enumerate() { @if i > 0 { "; " } (clean(said)) } }
                }
            } } }
        }
        p.quiet {
            "Expected regret of choosing then: " (signed(d.expected_regret)) " noise units. "
            @if let Some(moved) = d.moved_by_wording { "In other words the judgement moves by " (signed(moved)) ". " }
            a href=(link("/log", &[("person", &d.person), ("at", &d.record.to_string())])) { "What was believed at record " (d.record) }
        }
    }
}

fn motives(d: &DecisionView) -> Markup {
    html! {
        @for read in &d.motives {
            details open[read.alarm] {
                summary {
                    @match read.part {
                        "proposed" => { "What probes read of the best, as it was proposed" }
                        "foreseen" => { "What probes read of what was foreseen of the best" }
                        _ => { "What probes read of the best with what was foreseen of it" }
                    }
                    @if read.alarm { ": " strong { "above the bar" } } @else { ": below the bar" }
                }
                ul { @for (i, reading) in read.readings.iter().enumerate() { li {
                    @if i == 0 && read.alarm { strong { (clean(&reading.in_words)) } } @else { (clean(&reading.in_words)) }
                } } }
                p.quiet {
                    (sentence(&clean(&read.bar_in_words))) ". A probe reads words, not intentions: it says that the model's state is like "
                    "its state at texts that have this motive. Record " (read.record) "."
                }
            }
        }
    }
}

fn actions(caller: &Caller, d: &DecisionView) -> Markup {
    html! {
        @if d.may_correct {
            details {
                summary { "That was wrong" }
                form.row method="post" action=(address(d.record, "correct")) {
                    (unseen(caller))
                    label for=(format!("rather-{}", d.record)) { "Rather" }
                    select id=(format!("rather-{}", d.record)) name="rather" required {
                        @for (i, a) in d.alternatives.iter().enumerate() { @if d.chosen != Some(i) { option value=(i) { (clean(&a.text)) } } }
                    }
                    button type="submit" { "Correct it" }
                }
            }
        }
        @if d.may_reconsider { (other_alternatives(caller, d)) }
        @if d.may_stop {
            form method="post" action=(address(d.record, "stop")) {
                (unseen(caller))
                button type="submit" { "Stop this task" }
            }
        }
    }
}

/// None of these: others are added, and what is out of the question is struck.
fn other_alternatives(caller: &Caller, d: &DecisionView) -> Markup {
    let (add, strike) = (format!("add-{}", d.record), format!("strike-{}", d.record));
    html! {
        details {
            summary { "None of these, or not all of them" }
            form method="post" action=(address(d.record, "alternatives")) {
                (unseen(caller))
                // What nobody described is read by the model, which a participant does not ask.
                @if caller.sees_everybody() {
                    label for=(add) { "What else could be done, one a line" }
                    textarea id=(add) name="add" rows="3" maxlength="8000" {}
                }
                div.row {
                    label for=(strike) { "Strike" }
                    select id=(strike) name="strike" {
                        option value="" { "nothing" }
                        @for (i, a) in d.alternatives.iter().enumerate() { option value=(i) { (clean(&a.text)) } }
                        @if caller.sees_everybody() { option value=(STRIKE_ALL) { "all of these" } }
                    }
                    button type="submit" { "Decide again" }
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
    answer: Preferred,
}

/// Answers a decision's question, and shows what was decided then.
pub(super) async fn answer(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Form(form): Form<AnswerForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, &address(record, "answer"), &form.once);
    let made = decisions::answered(&app, &caller, key, record, form.answer).await?;
    Ok(back(made))
}

#[derive(Debug, Deserialize)]
pub(super) struct CorrectForm {
    csrf: String,
    #[serde(default)]
    once: String,
    rather: usize,
}

/// Corrects what was chosen.
pub(super) async fn correct(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Form(form): Form<CorrectForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, &address(record, "correct"), &form.once);
    decisions::corrected(&app, &caller, key, record, form.rather).await?;
    Ok(back(record))
}

#[derive(Debug, Deserialize)]
pub(super) struct ReconsiderForm {
    csrf: String,
    #[serde(default)]
    once: String,
    #[serde(default)]
    add: String,
    /// A place from 0, all, or nothing.
    #[serde(default)]
    strike: String,
}

/// Gives a task other alternatives, and shows what was decided then.
pub(super) async fn reconsider(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Form(form): Form<ReconsiderForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let add = form.add.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let strike = match form.strike.as_str() {
        "" => Vec::new(),
        STRIKE_ALL => (0..decisions::one(&app, &caller, record).await?.alternatives.len()).collect(),
        place => vec![place.parse().map_err(|_| Problem::malformed("strike: expected a number, or all"))?],
    };
    let key = Key::of_form(&caller, &address(record, "alternatives"), &form.once);
    let made = decisions::reconsidered(&app, &caller, key, record, add, strike).await?;
    Ok(back(made))
}

#[derive(Debug, Deserialize)]
pub(super) struct StopForm {
    csrf: String,
    #[serde(default)]
    once: String,
}

/// Stops the task.
pub(super) async fn stop(
    State(app): State<App>,
    caller: Caller,
    At(record): At<u64>,
    Form(form): Form<StopForm>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, &address(record, "stop"), &form.once);
    decisions::stopped(&app, &caller, key, record).await?;
    Ok(back(record))
}

fn back(record: u64) -> Response {
    Redirect::to(&format!("/decisions#record-{record}")).into_response()
}
