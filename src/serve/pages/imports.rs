//! Answers from a file: it is sent and looked at, and brought in by a second click.

use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request, State};
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Form as Fields, frame, sentence, unseen};
use crate::commands::evidence::import::{ImportView, MarkView};
use crate::front::text::{clean, counted};
use crate::serve::App;
use crate::serve::access::{Caller, check_csrf};
use crate::serve::api::{At, unread};
use crate::serve::imports::{self, Content, Form, How, Imported};
use crate::serve::problem::Problem;
use crate::serve::reading::aside;

/// Rows left out that are listed; the others are only counted.
const LISTED_MAX: usize = 20;

/// The form that sends a file.
pub(super) fn form(caller: &Caller) -> Markup {
    html! {
        details.card {
            summary { "Bring in answers from a file" }
            p { "Nothing is changed before you have seen what would come in. What stands here already is not counted twice." }
            form method="post" action="/people/import" enctype="multipart/form-data" {
                (unseen(caller))
                div.row {
                    label for="format" { "It is" }
                    select #format name="format" {
                        option value="csv" { "CSV: person, first, second, chosen (and situation, time)" }
                        option value="trl" { "JSON Lines: prompt, chosen, rejected" }
                        option value="polis" { "A Polis export: comments.csv, votes.csv and summary.csv, or a zip of them" }
                    }
                }
                div.row {
                    label for="file" { "File, or the files of a Polis export" }
                    input #file type="file" name="file" required multiple accept=".csv,.jsonl,.json,.txt,.zip,text/csv,application/x-ndjson,application/zip";
                }
                div.row {
                    label for="whose" { "Whose lines are that name nobody (JSON Lines)" }
                    input #whose name="person" maxlength="200" autocomplete="off";
                }
                div.row {
                    label for="called" { "What the conversation is called (Polis; else the id in its files' names)" }
                    input #called name="conversation" maxlength="80" autocomplete="off";
                }
                div.row {
                    label { input type="checkbox" name="skip_bad" value="true"; " Leave out rows that cannot be read" }
                }
                button type="submit" { "Look at it first" }
            }
        }
    }
}

/// What the form sends.
struct Sent {
    /// With their names.
    files: Vec<(String, Bytes)>,
    how: How,
}

impl Sent {
    /// The file, or the files of a Polis export: as they came, or out of an archive.
    async fn content(self) -> Result<Content, Problem> {
        let mut files = self.files;
        match (self.how.format, files.len()) {
            (Form::Csv | Form::Trl, 1) => Ok(Content::File(files.swap_remove(0).1)),
            (Form::Csv | Form::Trl, n) => Err(Problem::unusable(format!("choose one file of this kind, not {n}"))),
            (Form::Polis, 1) if !files[0].0.ends_with(".csv") => {
                let archive = files.swap_remove(0).1;
                Ok(Content::Polis(aside(move || Ok(imports::unpacked(&archive))).await??))
            }
            (Form::Polis, _) => Ok(Content::Polis(files)),
        }
    }
}

async fn sent(request: Request, app: &App, caller: &Caller) -> Result<Sent, Problem> {
    let unread = |error: MultipartError| unread(error.status(), error.body_text());
    let mut parts = Multipart::from_request(request, app).await.map_err(|e| Problem::malformed(e.body_text()))?;
    let (mut files, mut is_ours) = (Vec::new(), false);
    let mut how = How { format: Form::Csv, skip_bad: false, person: None, conversation: None };
    while let Some(part) = parts.next_field().await.map_err(unread)? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(unread)?;
        let text = || String::from_utf8_lossy(&bytes).trim().to_owned();
        match name.as_str() {
            // It stands first in the form, so nothing is looked at that is not from a page of ours.
            "csrf" => is_ours = check_csrf(caller, &text()).map(|()| true)?,
            "file" if is_ours && !bytes.is_empty() => files.push((file_name, bytes)),
            "format" => how.format = form_called(&text())?,
            "conversation" => how.conversation = Some(text()).filter(|name| !name.is_empty()),
            "person" => how.person = Some(text()).filter(|name| !name.is_empty()),
            "skip_bad" => how.skip_bad = text() == "true",
            _ => {}
        }
    }
    if !is_ours {
        check_csrf(caller, "")?;
    }
    if files.is_empty() {
        return Err(Problem::unusable("choose a file; this one is empty"));
    }
    Ok(Sent { files, how })
}

fn form_called(name: &str) -> Result<Form, Problem> {
    let found = [Form::Csv, Form::Trl, Form::Polis].into_iter().find(|form| form.name() == name);
    found.ok_or_else(|| Problem::unusable(format!("there is no kind of file called {name:?}")))
}

/// Looks at a file that was sent, and shows what would come in.
pub(super) async fn look(State(app): State<App>, caller: Caller, request: Request) -> Result<Response, Problem> {
    caller.must_see_everybody()?;
    let sent = sent(request, &app, &caller).await?;
    let how = sent.how.clone();
    let looked_at = imports::looked_at(&app, sent.content().await?, how.clone()).await?;
    Ok(shown(&caller, &looked_at, Some(&how)))
}

#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    csrf: String,
    format: Form,
    #[serde(default)]
    skip_bad: bool,
    #[serde(default)]
    person: String,
    #[serde(default)]
    conversation: String,
}

/// Brings in what was looked at.
pub(super) async fn commit(
    State(app): State<App>,
    caller: Caller,
    At(import): At<String>,
    Fields(sent): Fields<Commit>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &sent.csrf)?;
    caller.must_see_everybody()?;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let (person, conversation) = (given(sent.person), given(sent.conversation));
    let how = How { format: sent.format, skip_bad: sent.skip_bad, person, conversation };
    let brought_in = imports::brought_in(&app, import, how).await?;
    Ok(shown(&caller, &brought_in, None))
}

/// What would come in, with a button that brings it in; or what came in.
fn shown(caller: &Caller, imported: &Imported, next: Option<&How>) -> Response {
    let found = &imported.found;
    let is_new = found.evidence > 0 || found.withdrawals > 0 || !found.marks.is_empty();
    let page = frame::page(
        caller,
        if next.is_some() { "What would come in" } else { "What came in" },
        "/people",
        html! {
            (summary(found))
            @if !imported.adds_to.is_empty() {
                p.notice {
                    @if next.is_some() { "Rows of this file would be added to what these people said here themselves: " }
                    @else { "Rows of this file are now beside what these people said here themselves: " }
                    @for (n, person) in imported.adds_to.iter().take(LISTED_MAX).enumerate() { @if n > 0 { ", " } (clean(person.as_str())) }
                    @if imported.adds_to.len() > LISTED_MAX { " and " (imported.adds_to.len() - LISTED_MAX) " more" } "."
                }
            }
            @if let Some(how) = next.filter(|_| is_new) {
                form method="post" action=(format!("/people/import/{}", imported.import)) {
                    (unseen(caller))
                    input type="hidden" name="format" value=(how.format.name());
                    input type="hidden" name="skip_bad" value=(how.skip_bad);
                    input type="hidden" name="person" value=(how.person.as_deref().unwrap_or(""));
                    input type="hidden" name="conversation" value=(how.conversation.as_deref().unwrap_or(""));
                    button.primary type="submit" { "Bring it in" }
                }
            }
            p { a href="/people" { "Back to the people" } }
        },
    );
    Html(page.into_string()).into_response()
}

fn summary(found: &ImportView) -> Markup {
    let counts = [
        (found.changed, "were changed: each replaces the earlier one"),
        (found.known, "stand here already and are left out"),
        (found.older, "are older than what stands here and are left out"),
        (found.withdrawn, "were withdrawn here and are left out"),
        (found.erased, "were erased here and are left out"),
        (found.withdrawals, "were withdrawn where they came from, and are withdrawn here"),
        (found.repeated, "say the same of the same time as another row and are left out"),
    ];
    html! {
        section.card {
            p { strong {
                @if found.evidence == 0 && found.withdrawals == 0 && found.marks.is_empty() { "Nothing new: nothing is changed." } @else {
                    (counted(found.evidence, "answer")) " of " (found.people) " people, about " (found.statements) " statements, "
                    (found.new_statements) " of them new"
                    @if let Some([first, last]) = found.records { ": records " (first) " to " (last) } "."
                }
            } }
            ul {
                @for (count, what) in counts { @if count > 0 { li { (count) " " (what) "." } } }
                @for note in &found.notes { li { (sentence(&clean(note))) "." } }
            }
            @if found.bare > 0 && found.evidence > 0 {
                p { (counted(found.bare, "statement")) " have no features: what was said of them shows in groups, and says nothing about values until "
                    code { "credence evidence import --describe" } " has the model read them." }
            }
            (marked("Statements that are left out of what unites and divides", found, |mark| !mark.counts))
            (marked("Statements that count again", found, |mark| mark.counts))
            @if !found.left_out.is_empty() {
                h2 { "Rows left out" }
                ul { @for row in found.left_out.iter().take(LISTED_MAX) { li { (clean(row)) } } }
                @if let Some(more @ 1..) = found.rows_left_out.checked_sub(LISTED_MAX as u64) { p { "and " (more) " more." } }
            }
        }
    }
}

/// Statements that change sides, each with why.
fn marked(heading: &str, found: &ImportView, which: impl Fn(&MarkView) -> bool) -> Markup {
    let marks: Vec<&MarkView> = found.marks.iter().filter(|mark| which(mark)).collect();
    if marks.is_empty() {
        return html! {};
    }
    html! {
        h2 { (heading) }
        ul { @for mark in marks.iter().take(LISTED_MAX) { li { "\u{201c}" (clean(&mark.statement)) "\u{201d}: " (clean(&mark.reason)) } } }
        @if marks.len() > LISTED_MAX { p { "and " (marks.len() - LISTED_MAX) " more." } }
    }
}
