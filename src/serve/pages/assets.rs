//! What pages load: the style, the keys, and a library that others wrote (assets/vendor/SOURCE.txt says where it is from).
//!
//! The library's files have their version in their names, and the browser holds them against their hashes; ours have theirs in the
//! address. So a browser keeps all of them for good, and asks for others after an update.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use credence_memory::ids::Hash;
use maud::{Markup, html};

use crate::serve::App;

/// The style of every page.
pub(super) const STYLE: &str = include_str!("../assets/credence.css");
const KEYS: &str = include_str!("../assets/credence.js");

/// A file of the library.
struct Vendored {
    name: &'static str,
    text: &'static str,
    /// Its SHA-384 hash, as the browser checks it.
    integrity: &'static str,
}

/// In the order in which they are run.
static VENDORED: [Vendored; 2] = [
    Vendored {
        name: "htmx-2.0.11.min.js",
        text: include_str!("../assets/vendor/htmx-2.0.11.min.js"),
        integrity: "sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg",
    },
    Vendored {
        name: "htmx-ext-sse-2.2.4.min.js",
        text: include_str!("../assets/vendor/htmx-ext-sse-2.2.4.min.js"),
        integrity: "sha384-A986SAtodyH8eg8x8irJnYUk7i9inVQqYigD6qZ9evobksGNIXfeFvDwLSHcp31N",
    },
];

/// How the library works here: it runs no text as script, writes no style into pages, asks nobody but this service, and keeps no page in
/// the browser's storage, where the next person would find it.
const CONFIG: &str = r#"{"allowEval":false,"allowScriptTags":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0}"#;

/// Digits of a hash that tell one version of a file of ours from another.
const DIGITS: usize = 12;

static STYLE_AT: LazyLock<String> = LazyLock::new(|| at("credence.css", STYLE));
static KEYS_AT: LazyLock<String> = LazyLock::new(|| at("credence.js", KEYS));

fn at(name: &str, text: &str) -> String {
    let hash: String = Hash::of(text.as_bytes()).to_string().chars().take(DIGITS).collect();
    format!("/assets/{name}?{hash}")
}

/// The routes.
pub(super) fn router() -> Router<App> {
    let ours = Router::new()
        .route("/assets/credence.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route("/assets/credence.js", get(|| async { file("text/javascript; charset=utf-8", KEYS) }));
    VENDORED.iter().fold(ours, |router, vendored| {
        let send = || async { file("text/javascript; charset=utf-8", vendored.text) };
        router.route(&format!("/assets/vendor/{}", vendored.name), get(send))
    })
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let cached = HeaderValue::from_static("public, max-age=31536000, immutable");
    let mut response = ([(header::CONTENT_TYPE, kind)], text).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, cached);
    response
}

/// What stands in the head of every page.
pub(super) fn loaded() -> Markup {
    html! {
        link rel="stylesheet" href=(*STYLE_AT);
        meta name="htmx-config" content=(CONFIG);
        @for Vendored { name, integrity, .. } in &VENDORED {
            script src=(format!("/assets/vendor/{name}")) integrity=(integrity) defer {}
        }
        script src=(*KEYS_AT) defer {}
    }
}
