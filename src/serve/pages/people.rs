//! Many people: the link they join by, who stands where, what unites and what divides.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use credence_agent::people::{ItemView, Leaning, PeopleView, Point, ValuesMap};
use fast_qr::convert::{Builder, Shape, svg::SvgBuilder};
use fast_qr::qr::QRBuilder;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use super::{Form, frame, imports, link, once, sentence, unseen};
use crate::front::text::{clean, percent};
use crate::serve::App;
use crate::serve::access::{Caller, Role, check_csrf, secret, set_cookie};
use crate::serve::api::{Asked, At, must_own};
use crate::serve::done::Key;
use crate::serve::joining;
use crate::serve::people::{AskView, Seen, ValueShare, seen};
use crate::serve::problem::Problem;
use crate::surroundings::now;

/// Statements in a list, at most.
const LISTED_MAX: usize = 12;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    /// Only people whose names begin so: one conversation.
    conversation: Option<String>,
    link: Option<String>,
}

/// The page.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    caller.must_see_everybody()?;
    let seen = seen(&app, which.conversation.clone()).await?;
    let joined = app.tokens.participants();
    // Only what somebody joins by is shown as a link: an address may bring anything.
    let shown = which.link.as_ref().filter(|token| joining::by_link(&app, token).is_ok());
    let page = frame::page(
        &caller,
        "People",
        "/people",
        html! {
            section.card {
                h2 { "Join by a link" }
                p { "Whoever opens the link joins under a pseudonym of their own and answers on their own phone. "
                    (joined) @if joined == 1 { " person has" } @else { " people have" } " joined so." }
                @if let Some(token) = shown {
                    @let address = joining::link(&app, token);
                    p { a #join href=(address) { (address) } }
                    @if let Some(code) = qr(&address) { figure.qr { (code) figcaption.quiet { "Point a phone's camera at it." } } }
                    @if app.is_loopback { p.notice { "This address works on this machine only. For phones in the same network, start with --listen 0.0.0.0:7878." } }
                }
                form method="post" action="/people/link" { (unseen(&caller)) button.primary type="submit" { "Make a link" } }
                @if app.tokens.links() > 0 {
                    form method="post" action="/people/link/revoke" { (unseen(&caller)) button.link type="submit" { "Take every link back" } }
                    p.quiet { "By a link that was taken back nobody joins any more; those who joined stay." }
                }
                @if caller.role == Role::Owner { details {
                    summary { "A link of somebody's own, to come back by" }
                    form.row method="post" action="/people/own-link" {
                        (unseen(&caller))
                        label for="own" { "Name or pseudonym" }
                        input #own name="person" required maxlength="200" autocomplete="off";
                        button type="submit" { "Make it" }
                    }
                } }
            }
            @if seen.conversations.len() > 1 {
                form.row method="get" action="/people" {
                    label for="conversation" { "Conversation" }
                    select #conversation name="conversation" {
                        option value="" { "everybody" }
                        @for name in &seen.conversations { option value=(name) selected[which.conversation.as_ref() == Some(name)] { (name) } }
                    }
                    button type="submit" { "Show" }
                }
            }
            (body(&seen))
            (next(&seen))
            (imports::form(&caller))
            p { a href="/people/answers.csv" download { "All answers as CSV" } " · "
                a href=(link("/people/page.html", &[("conversation", which.conversation.as_deref().unwrap_or(""))])) download { "This picture as a page to share (no names)" } }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

fn body(seen: &Seen) -> Markup {
    let Some(view) = &seen.view else {
        return html! {
            (by_values(seen))
            @match &seen.values {
                None => p { (sentence(seen.why_not.as_deref().unwrap_or("nobody has answered yet"))) "." },
                Some(map) => p.quiet { "From " (map.points.len()) " people, through record " (seen.head) ". Groups by who answered alike need three people who answered about the same things." },
            }
        };
    };
    html! {
        (by_values(seen))
        section {
            h2 { "Groups" }
            p { @if view.groups.len() == 1 { "The answers do not show more than one group." } @else {
                "The answers show " (view.groups.len()) " groups: "
                @for (g, group) in view.groups.iter().enumerate() { @if g > 0 { ", " } "group " (letter(g)) " with " (group.people) " people" } "."
            } }
            @if !view.map.is_empty() && seen.values.is_none() { figure.card.map { (map(view)) } }
        }
        (statements("What unites", "All groups agree on these, or all disagree, as far as is sure from those who answered.", view, |i| i.surely_unites))
        (statements("What divides", "The groups stand apart on these, as far as is sure.", view, |i| i.surely_divides))
        details {
            summary { "Every statement" }
            (frame::wide("Every statement", table(view, &(0..view.items.len()).collect::<Vec<_>>())))
        }
        p.quiet { "From " (view.people.len()) " people, through record " (seen.head) "." }
    }
}

/// Whom to ask next. It has names, so it stands on the facilitators' page only.
fn next(seen: &Seen) -> Markup {
    if seen.asks.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Whom to ask next" }
            p.quiet { "Whose answer to what is expected to tell most about who stands with whom. Nobody is asked much more than the others." }
            (frame::wide("Whom to ask next", html! { table {
                thead { tr { th scope="col" { "person" } th scope="col" { "statement" } th.number scope="col" { "would agree" } th.number scope="col" { "worth, nats" } } }
                tbody { @for AskView { person, statement, gain_nats, agrees } in &seen.asks { tr {
                    th scope="row" { (clean(person)) }
                    td { (clean(statement)) }
                    td.number { (percent(*agrees)) }
                    td.number { (format!("{gain_nats:.3}")) }
                } } }
            } }))
        }
    }
}

/// The map of people by their values, and what its directions mean.
fn by_values(seen: &Seen) -> Markup {
    let Some(ValuesMap { points, right, up, .. }) = &seen.values else { return html! {} };
    let name = |id: &str| seen.names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let part =
        |leaning: &Leaning| format!("{} {}", if leaning.part > 0.0 { "more" } else { "less" }, name(&leaning.value));
    let words = |leanings: &[Leaning]| leanings.iter().map(part).collect::<Vec<_>>().join(", ");
    html! {
        section {
            h2 { "Values" }
            p { "People answered few of the same questions, since each was asked what tells most about them. So this map is of what is believed of their values, and not of who answered alike." }
            figure.card.map {
                (drawing(points, &|_| 0, 1, "Where people stand by their values"))
                figcaption.quiet {
                    "People who are near each other care about the same. "
                    @if !right.is_empty() { "Further to the right: " (words(right)) ". " }
                    @if !up.is_empty() { "Further up: " (words(up)) ". " }
                    "Each value counts beside a person's own average. The pale shapes show how sure their places are: each holds its person with 50%."
                }
            }
            (shares(seen))
        }
    }
}

/// What people's values have in common, and where they part.
fn shares(seen: &Seen) -> Markup {
    let name = |id: &str| seen.names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let list = |which: &dyn Fn(&ValueShare) -> bool| {
        let found: Vec<String> =
            seen.shares.iter().filter(|share| which(share)).map(|share| name(&share.value)).collect();
        found.join(", ")
    };
    let (more, less) = (list(&|s| s.more > 1 && s.less == 0), list(&|s| s.less > 1 && s.more == 0));
    let apart = list(&|s| s.more > 0 && s.less > 0);
    html! {
        @if !seen.shares.is_empty() {
            h3 { "What unites and what divides" }
            ul {
                @if !more.is_empty() { li { "Matter more, and to nobody surely less: " (more) "." } }
                @if !less.is_empty() { li { "Matter less, and to nobody surely more: " (less) "." } }
                @if !apart.is_empty() { li { "People stand apart: " (apart) "." } }
                @if more.is_empty() && less.is_empty() && apart.is_empty() { li { "Nothing is sure yet: more answers tell more." } }
            }
            (frame::wide("To how many each value matters", html! { table {
                caption { "People to whom a value matters more or less than their values do on average, where that is sure with 90%" }
                thead { tr { th scope="col" { "value" } th.number scope="col" { "more" } th.number scope="col" { "less" } th.number scope="col" { "not sure yet" } } }
                tbody { @for share in &seen.shares { tr {
                    th scope="row" { (name(&share.value)) }
                    td.number { (share.more) }
                    td.number { (share.less) }
                    td.number { (share.unsure) }
                } } }
            } }))
        }
    }
}

fn letter(group: usize) -> char {
    char::from(b'A' + (group % 26) as u8)
}

fn statements(heading: &str, said: &str, view: &PeopleView, by: impl Fn(&ItemView) -> f64) -> Markup {
    let mut order: Vec<usize> = (0..view.items.len()).filter(|&i| by(&view.items[i]) > 0.0).collect();
    order.sort_by(|&a, &b| by(&view.items[b]).total_cmp(&by(&view.items[a])).then(a.cmp(&b)));
    order.truncate(LISTED_MAX);
    html! {
        section {
            h2 { (heading) }
            @if order.is_empty() { p { "Nothing is sure yet." } } @else { p.quiet { (said) } (frame::wide(heading, table(view, &order))) }
        }
    }
}

fn table(view: &PeopleView, order: &[usize]) -> Markup {
    html! {
        table {
            thead { tr { th { "statement" } th.number { "agree" } th.number { "of" } th.number { "passes" }
                @for g in 0..view.groups.len() { th.number { "group " (letter(g)) } } } }
            tbody { @for &i in order { @let item = &view.items[i]; tr {
                td { (clean(&item.text)) }
                td.number { (item.agreements) }
                td.number { (item.answers) }
                td.number { (item.passes) }
                @for (g, share) in item.by_group.iter().enumerate() { td.number {
                    (percent(*share)) span.bar aria-hidden="true" { (bar(*share)) }
                    span.quiet { (format!("{:.0} of {:.0}", item.agreements_by_group[g], item.answers_by_group[g])) }
                } }
            } } }
        }
    }
}

fn bar(share: f64) -> Markup {
    html! { svg viewBox="0 0 40 6" width="40" height="6" {
        rect width="40" height="6" class="track" {}
        rect width=(40.0 * share.clamp(0.0, 1.0)) height="6" class="fill" {}
    } }
}

/// Colours that are told apart with few colours, too; shapes tell the groups apart as well.
const COLOURS: [&str; 5] = ["#0f766e", "#c2410c", "#4f46e5", "#a16207", "#be185d"];

/// Where everybody stands by their answers.
fn map(view: &PeopleView) -> Markup {
    let group = |i: usize| {
        let probabilities = &view.people[i].groups;
        (0..probabilities.len()).fold(0, |a, b| if probabilities[b] > probabilities[a] { b } else { a })
    };
    html! {
        (drawing(&view.map, &group, view.groups.len(), "Where people stand to each other"))
        figcaption.quiet { "People who are near each other answered alike. The pale shapes show how sure their places are: each holds its person with 50%." }
    }
}

/// Where everybody stands, in the two directions in which people differ most, each with the region they are in with 50%.
fn drawing(points: &[Point], group: &dyn Fn(usize) -> usize, groups: usize, title: &str) -> Markup {
    const SIZE: f64 = 560.0;
    let reach = points.iter().flat_map(|p| [p.x.abs() + p.sd_x, p.y.abs() + p.sd_y]).fold(1e-9, f64::max) * 1.08;
    let at = |v: f64| SIZE / 2.0 + v / reach * SIZE / 2.0;
    let mark = |i: usize, p: &Point| {
        let (x, y, colour) = (at(p.x), at(-p.y), COLOURS[group(i) % COLOURS.len()]);
        // 1.177 standard deviations hold half of a normal in two dimensions.
        let half = 1.177 / reach * SIZE / 2.0;
        html! {
            ellipse cx=(x) cy=(y) rx=(p.sd_x * half) ry=(p.sd_y * half) fill=(colour) fill-opacity="0.08" {}
            @match group(i) % 3 {
                0 => circle cx=(x) cy=(y) r="5" fill=(colour) {},
                1 => rect x=(x - 4.5) y=(y - 4.5) width="9" height="9" fill=(colour) {},
                _ => path d=(format!("M{} {}l5 9h-10z", x, y - 5.0)) fill=(colour) {},
            }
        }
    };
    // Not as they come, by their names: that would tell whose each is to whoever knows who is there.
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| points[a].x.total_cmp(&points[b].x).then(points[a].y.total_cmp(&points[b].y)));
    html! {
        svg viewBox=(format!("0 0 {SIZE} {}", SIZE + 26.0)) role="img" font-size="13" {
            title { (title) }
            @for &i in &order { (mark(i, &points[i])) }
            @for g in 0..if groups > 1 { groups.min(5) } else { 0 } {
                text x=(10.0 + 110.0 * g as f64) y=(SIZE + 18.0) fill=(COLOURS[g]) { (["●", "■", "▲"][g % 3]) " group " (letter(g)) }
            }
        }
    }
}

fn qr(address: &str) -> Option<Markup> {
    let code = QRBuilder::new(address).build().ok()?;
    let svg = SvgBuilder::default().shape(Shape::Square).margin(2).to_str(&code);
    Some(PreEscaped(svg))
}

#[derive(Debug, Deserialize)]
pub(super) struct MakeLink {
    csrf: String,
    #[serde(default)]
    once: String,
}

/// Makes a link to join by.
pub(super) async fn make_link(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<MakeLink>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    let key = Key::of_form(&caller, "/people/link", &form.once);
    let token = joining::token_of_link(&app, &caller, key)?;
    Ok(Redirect::to(&link("/people", &[("link", &token)])).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct OwnLink {
    csrf: String,
    #[serde(default)]
    once: String,
    person: String,
}

/// Makes a link of one person's own, for the owner to give them, and shows it.
pub(super) async fn own_link(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<OwnLink>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    must_own(&caller)?;
    let person = caller.person(Some(&form.person))?;
    let key = Key::of_form(&caller, "/people/own-link", &format!("{} {person}", form.once));
    let token = app.tokens.make(Role::Participant, Some(person.clone()), key)?;
    let address = app.address(&format!("/open?token={token}"));
    let page = frame::page(
        &caller,
        "A link of somebody's own",
        "/people",
        html! {
            p { "Whoever opens this link is " strong { (clean(person.as_str())) } ": give it to nobody else. It is shown only now." }
            p { a #own href=(address) { (address) } }
            @if let Some(code) = qr(&address) { figure.qr { (code) figcaption.quiet { "Point a phone's camera at it." } } }
            p { a href="/people" { "Back to the people" } }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

/// Takes every link to join by back.
pub(super) async fn take_back(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<MakeLink>,
) -> Result<Response, Problem> {
    check_csrf(&caller, &form.csrf)?;
    caller.must_see_everybody()?;
    app.tokens.revoke(Role::Join)?;
    Ok(Redirect::to("/people").into_response())
}

/// What somebody sees who came by the link.
pub(super) async fn join_page(
    State(app): State<App>,
    At(token): At<String>,
    caller: Result<Caller, Problem>,
) -> Result<Response, Problem> {
    joining::by_link(&app, &token)?;
    if caller.as_ref().is_ok_and(|caller| caller.role == Role::Participant) {
        return Ok(Redirect::to("/session").into_response());
    }
    Ok(to_join(&token, caller.is_ok_and(|caller| caller.sees_everybody()), "", None))
}

/// The page to join by: with what was typed and why that cannot be, where somebody was here already, and for whoever runs this with what
/// joining does to their browser.
fn to_join(token: &str, is_run_by: bool, typed: &str, problem: Option<&Problem>) -> Response {
    let page = frame::plain(
        "Join",
        html! {
            @if let Some(problem) = problem { p.problem role="alert" { (sentence(&problem.detail)) "." } }
            @if is_run_by { p.notice {
                "You are signed in here as somebody who sees everybody. Whoever joins in this browser is a participant in it from then on. "
                "To try the link, use another browser or a private window; to come back, open the address that you came by."
            } }
            p { "You are asked what matters to you, one question at a time. It takes about ten minutes; you can stop whenever you like, and take any answer back." }
            p { "Choose a pseudonym: a name that you will recognise and others will not. Whoever runs this sees the pseudonym and your answers, and no other name." }
            form.row method="post" action=(format!("/join/{token}")) {
                (once(&secret()))
                @if is_run_by { input type="hidden" name="instead" value="true"; }
                label for="pseudonym" { "Pseudonym" }
                input #pseudonym name="pseudonym" value=(typed) required maxlength=(joining::PSEUDONYM_CHARS_MAX) autocomplete="off" autofocus;
                button.primary type="submit" { @if is_run_by { "Join, and sign out in this browser" } @else { "Begin" } }
            }
        },
    );
    let status = problem.map_or(StatusCode::OK, Problem::status);
    (status, Html(page.into_string())).into_response()
}

#[derive(Debug, Deserialize)]
pub(super) struct Join {
    #[serde(default)]
    pseudonym: String,
    #[serde(default)]
    once: String,
    /// Whether whoever runs this wants to be a participant in this browser.
    #[serde(default)]
    instead: bool,
}

/// Makes somebody a participant, and begins their session.
pub(super) async fn join(
    State(app): State<App>,
    At(token): At<String>,
    caller: Result<Caller, Problem>,
    Form(form): Form<Join>,
) -> Result<Response, Problem> {
    let link = joining::by_link(&app, &token)?;
    let is_run_by = caller.is_ok_and(|caller| caller.sees_everybody());
    if is_run_by && !form.instead {
        return Ok(to_join(&token, true, &form.pseudonym, None));
    }
    // What can be guessed is no secret of theirs.
    let once = if form.once.len() < secret().len() { "" } else { form.once.as_str() };
    let key = Key::of_form(&link, "/join", once);
    let (person, own) = match joining::joined(&app, &form.pseudonym, key).await {
        Ok(joined) => joined,
        Err(problem) if matches!(problem.status, 409 | 422) => {
            return Ok(to_join(&token, is_run_by, &form.pseudonym, Some(&problem)));
        }
        Err(problem) => return Err(problem),
    };
    if let Some(own) = app.tokens.caller(&own) {
        let source = app.source(&own);
        // They have joined; where their session cannot begin now, the page that comes next says so.
        if let Err(problem) = app.desk.run(move |desk| desk.sit_down(&person, &source, now()).map(drop)).await.flatten()
        {
            tracing::warn!("somebody joined, and their session did not begin: {}", problem.detail);
        }
    }
    let mut response = Redirect::to("/session?joined=true").into_response();
    response.headers_mut().insert(header::SET_COOKIE, set_cookie(&own, app.is_secure));
    Ok(response)
}

/// The picture as a page by itself, without names.
pub(in crate::serve) fn to_share(seen: &Seen) -> Markup {
    html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "What unites and what divides" }
                style { (PreEscaped(super::assets::STYLE)) }
            }
            body { main { h1 { "What unites and what divides" } (body(seen)) } }
        }
    }
}
