//! What stands around every page.

use maud::{DOCTYPE, Markup, html};

use crate::serve::access::{Caller, Role};

/// A page of somebody who is known.
pub(super) fn page(caller: &Caller, title: &str, here: &str, content: Markup) -> Markup {
    let mut places = vec![
        ("/session", "Session"),
        ("/values", "Values"),
        ("/log", "Log"),
        ("/decisions", "Decisions"),
        ("/approvals", "Approvals"),
    ];
    if caller.sees_everybody() {
        places.insert(0, ("/", "Home"));
        places.retain(|(path, _)| *path != "/session" && *path != "/values");
        places.insert(1, ("/people", "People"));
        places.push(("/model", "Model"));
    }
    if caller.role == Role::Owner {
        places.push(("/experiments", "Experiments"));
    }
    let nav = html! {
        nav aria-label="Pages" {
            @for (path, name) in places {
                a href=(path) aria-current=[(path == here).then_some("page")] { (name) }
            }
            form.leave method="post" action="/leave" {
                (super::unseen(caller))
                button.link type="submit" { @if caller.role == Role::Participant { "Leave" } @else { "Sign out" } }
            }
        }
    };
    whole(title, Some(nav), content)
}

/// What may be wider than a phone, and then scrolls by hand or by keys.
pub(super) fn wide(label: &str, content: Markup) -> Markup {
    html! { div.wide tabindex="0" role="region" aria-label=(label) { (content) } }
}

/// A page of anybody.
pub(super) fn plain(title: &str, content: Markup) -> Markup {
    whole(title, None, content)
}

fn whole(title: &str, nav: Option<Markup>, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) @if title != "Credence" { " · Credence" } }
                link rel="icon" href="data:,";
                (super::assets::loaded())
            }
            body {
                a.skip href="#content" { "To the content" }
                header { span.brand { "Credence" } @if let Some(nav) = nav { (nav) } }
                main #content tabindex="-1" { h1 { (title) } (content) }
            }
        }
    }
}
