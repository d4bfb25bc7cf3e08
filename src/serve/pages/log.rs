//! The log in words: every record, what was believed at any of them, and what would be without one.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Form, frame, link, unseen};
use crate::commands::values::{Sheet, drawing, title};
use crate::front::report::{after, ranked};
use crate::front::text::{clean, signed};
use crate::serve::App;
use crate::serve::access::{Caller, check_csrf};
use crate::serve::api::Asked;
use crate::serve::done::Key;
use crate::serve::problem::Problem;
use crate::serve::reading::{self, LogPage, LogQuery};

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Asking {
    person: Option<String>,
    #[serde(default)]
    kind: String,
    before: Option<u64>,
    #[serde(default)]
    all: bool,
    at: Option<u64>,
    without: Option<u64>,
}

/// The page.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Asked(asking): Asked<Asking>,
) -> Result<Response, Problem> {
    let query = LogQuery {
        person: asking.person.clone(),
        kind: Some(asking.kind.clone()).filter(|kind| !kind.is_empty()),
        before: asking.before,
        limit: Some(60),
        all: Some(asking.all),
        after: None,
    };
    let records = reading::log(&app, &caller, query).await?;
    let person = caller.person(asking.person.as_deref()).ok();
    let beliefs = match person {
        Some(person) => {
            let then = reading::sheet(&app, &caller, person.clone(), asking.at, None).await?;
            let without = match asking.without {
                Some(seq) => Some(reading::sheet(&app, &caller, person, asking.at, Some(seq)).await?),
                None => None,
            };
            Some((then, without))
        }
        None => None,
    };
    let content = html! {
        (filters(&caller, &asking))
        @if let Some((then, without)) = &beliefs {
            section.card #belief { (belief(&asking, &records, then, without.as_deref())) }
        } @else {
            p.quiet { "Choose a person to see what was believed of them at any record." }
        }
        (lines(&caller, &asking, &records))
    };
    Ok(Html(frame::page(&caller, "Log", "/log", content).into_string()).into_response())
}

fn filters(caller: &Caller, asking: &Asking) -> Markup {
    html! {
        form.row method="get" action="/log" {
            @if caller.sees_everybody() {
                label for="person" { "Person" }
                input #person name="person" value=(asking.person.as_deref().unwrap_or("")) maxlength="200" autocomplete="off";
            }
            label for="kind" { "Kind" }
            select #kind name="kind" {
                option value="" { "all that tell something" }
                @for kind in credence_memory::record::Record::KINDS { option value=(kind) selected[asking.kind == *kind] { (kind) } }
            }
            label { input type="checkbox" name="all" value="true" checked[asking.all]; " also what only keeps the books" }
            button type="submit" { "Show" }
        }
    }
}

/// What was believed at a record, with a slider over all of them.
fn belief(asking: &Asking, records: &LogPage, then: &Sheet, without: Option<&Sheet>) -> Markup {
    let at = asking.at.unwrap_or(records.head).min(records.head);
    html! {
        h2 { "Belief about " (then.person) " at record " output #shown-at for="at" { (at) } }
        // The slider follows the hand: what was believed then takes the place of what stands below it.
        form method="get" action="/log" hx-get="/log" hx-trigger="input from:#at delay:120ms" hx-sync="this:replace" hx-target="#believed"
            hx-select="#believed" hx-select-oob="#shown-at" hx-swap="outerHTML" hx-replace-url="true" {
            input type="hidden" name="person" value=(asking.person.as_deref().unwrap_or(""));
            input type="hidden" name="kind" value=(asking.kind);
            @if asking.all { input type="hidden" name="all" value="true"; }
            label for="at" { "Record" }
            input #at type="range" name="at" min="1" max=(records.head) value=(at);
            button type="submit" { "Show this record" }
        }
        div #believed {
            p.quiet { "Through record " (at) ", " (after(&then.values)) "." }
            @match without {
                None => figure { (drawing::bars(&title(&then.person), &then.values)) },
                Some(without) => (compared(then, without, asking.without.unwrap_or(0))),
            }
        }
    }
}

fn compared(then: &Sheet, without: &Sheet, seq: u64) -> Markup {
    let mut rows: Vec<(&str, f64, f64)> = then
        .values
        .values
        .iter()
        .zip(&without.values.values)
        .map(|(with, without)| (with.name.as_str(), with.mean, without.mean))
        .collect();
    rows.sort_by(|a, b| (b.1 - b.2).abs().total_cmp(&(a.1 - a.2).abs()));
    let first = |sheet: &Sheet| {
        ranked(&sheet.values).values.iter().take(3).map(|v| v.name.clone()).collect::<Vec<_>>().join(", ")
    };
    html! {
        h3 { "What if record " (seq) " had not been given?" }
        p { "First then: " (first(without)) ". First as it is: " (first(then)) "." }
        (frame::wide("Values as they are and without it", html! { table {
            thead { tr { th { "value" } th.number { "as it is" } th.number { "without it" } th.number { "difference" } } }
            tbody { @for (name, with, without) in rows { tr {
                td { (name) } td.number { (signed(with)) } td.number { (signed(without)) } td.number { (signed(without - with)) }
            } } }
        } }))
    }
}

fn lines(caller: &Caller, asking: &Asking, records: &LogPage) -> Markup {
    let person = asking.person.as_deref().unwrap_or("");
    let address = |more: &[(&str, &str)]| {
        let all = if asking.all { "true" } else { "" };
        link("/log", &[&[("person", person), ("kind", asking.kind.as_str()), ("all", all)], more].concat())
    };
    html! {
        h2 { "Records" }
        @if records.records.is_empty() { p { "There is none that was asked for." } } @else {
            (frame::wide("Records", html! { table.log {
                thead { tr { th.number { "no." } th { "when (UTC)" } th { "what" } th { "" } } }
                tbody { @for line in records.records.iter().rev() { tr.withdrawn[line.withdrawn] {
                    td.number { (line.seq) }
                    td { (line.time) }
                    td { (clean(&line.said)) @if line.said.is_empty() { (line.kind) } @if line.withdrawn { " " em { "withdrawn" } } }
                    td.actions {
                        @let seq = line.seq.to_string();
                        @let about = line.person.as_deref().unwrap_or(person);
                        @if !about.is_empty() {
                            a href=(link("/log", &[("person", about), ("kind", asking.kind.as_str()), ("at", &seq)])) { "belief here" }
                        }
                        @if line.is_evidence && !line.withdrawn && !about.is_empty() {
                            " · " a href=(link("/log", &[("person", about), ("without", &seq)])) { "what if not" }
                            details { summary { "withdraw" }
                                form method="post" action="/log/retract" {
                                    (unseen(caller))
                                    input type="hidden" name="seq" value=(seq);
                                    input type="hidden" name="person" value=(person);
                                    label { "Why? " input name="reason" required maxlength="500"; }
                                    button type="submit" { "Withdraw record " (seq) }
                                }
                            }
                        }
                    }
                } } }
            } }))
            @if records.more_before {
                @if let Some(first) = records.records.first() {
                    p { a href=(address(&[("before", &first.seq.to_string())])) { "Earlier records" } }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Retract {
    csrf: String,
    #[serde(default)]
    once: String,
    seq: u64,
    reason: String,
    #[serde(default)]
    person: String,
}

/// Withdraws a record.
pub(super) async fn retract(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<Retract>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, "/log/retract", &form.once);
    reading::retract(&app, &caller, key, credence_memory::ids::Seq(form.seq), form.reason).await?;
    Ok(Redirect::to(&link("/log", &[("person", &form.person)])).into_response())
}
