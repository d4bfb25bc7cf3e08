//! A person's page: what matters to them, what is open, and files to keep.

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use maud::html;
use serde::Deserialize;

use super::{frame, link, unseen};
use crate::commands::values::{dated, drawing, html as alone, markdown, said, title};
use crate::front::report::{UNIT, interval, ranked};
use crate::front::text::signed;
use crate::serve::App;
use crate::serve::access::Caller;
use crate::serve::api::{Asked, At, WhichValues};
use crate::serve::problem::Problem;
use crate::serve::reading;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    person: Option<String>,
    at: Option<u64>,
    #[serde(default)]
    ended: bool,
}

/// The page.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    let person = caller.person(which.person.as_deref())?;
    let sheet = reading::sheet(&app, &caller, person, which.at, None).await?;
    let named = if caller.sees_everybody() { sheet.person.as_str() } else { "" };
    let at = which.at.map(|at| at.to_string()).unwrap_or_default();
    let file = |name: &str| link(&format!("/values/{name}"), &[("person", named), ("at", &at)]);
    let heading = if caller.sees_everybody() { title(&sheet.person) } else { "What matters to you".to_owned() };
    let page = frame::page(
        &caller,
        &heading,
        "/values",
        html! {
            @if which.ended { p.notice role="status" { "The session is over; thank you. This page is yours to keep." } }
            p.quiet { (dated(&sheet)) }
            figure.card { (drawing::bars(&title(&sheet.person), &sheet.values)) }
            @for section in said(&sheet) {
                section {
                    h2 { (section.heading) }
                    p { (section.text) }
                    @if !section.items.is_empty() { ul { @for item in &section.items { li { (item) } } } }
                }
            }
            details {
                summary { "In numbers" }
                (frame::wide("Values in numbers", html! { table {
                    thead { tr { th.number { "place" } th { "value" } th.number { "before" } th.number { "now" } th.number { "90% interval" } th { "sure" } } }
                    tbody { @for value in &ranked(&sheet.values).values { tr {
                        td.number { (value.rank) }
                        td { (value.name) }
                        td.number { (signed(value.prior_mean)) }
                        td.number { (signed(value.mean)) }
                        td.number { (interval(value.low, value.high)) }
                        td { (match (value.sure, value.mean > 0.0) { (true, true) => "more", (true, false) => "less", _ => "" }) }
                    } } }
                } }))
                p.quiet { (UNIT) }
            }
            section {
                h2 { "Keep it" }
                p {
                    a href=(file("values.html")) download { "a page (HTML)" } " · "
                    a href=(file("values.svg")) download { "a picture (SVG)" } " · "
                    a href=(file("values.md")) download { "text (Markdown)" } " · "
                    a href=(file("values.json")) download { "numbers (JSON)" }
                }
                form method="post" action="/session" {
                    (unseen(&caller))
                    @if !named.is_empty() { input type="hidden" name="person" value=(named); }
                    button type="submit" { "Answer more questions" }
                }
                p { a href=(link("/log", &[("person", named)])) { "See every answer, and take one back" } }
            }
            footer { "It describes your answers, not your worth, and it may be wrong: an answer can be taken back, and more answers change it." }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

/// A file to keep.
pub(super) async fn file(
    State(app): State<App>,
    caller: Caller,
    At(name): At<String>,
    Asked(which): Asked<WhichValues>,
) -> Result<Response, Problem> {
    let person = caller.person(which.person.as_deref())?;
    let sheet = reading::sheet(&app, &caller, person, which.at, None).await?;
    let (kind, text) = match name.as_str() {
        "values.html" => ("text/html; charset=utf-8", alone::page(&sheet)),
        "values.svg" => ("image/svg+xml", drawing::picture(&sheet)),
        "values.md" => ("text/markdown; charset=utf-8", markdown::page(&sheet)),
        "values.json" => ("application/json", serde_json::to_string_pretty(&sheet.view()).unwrap_or_default()),
        other => return Err(Problem::no_such("file", &other)),
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], text).into_response())
}
