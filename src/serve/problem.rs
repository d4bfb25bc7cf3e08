//! What went wrong, as `application/problem+json` (RFC 9457), or as a page for a browser.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What went wrong. `code` is the name of the command's exit code for the same.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// The status.
    pub(crate) status: u16,
    /// What kind of thing it is: the same for every problem with this code.
    pub(crate) title: &'static str,
    /// What happened, and what was expected.
    pub(crate) detail: String,
    /// A name for programs.
    pub(crate) code: &'static str,
}

/// The code of what is of a shard that is not here.
pub(crate) const ELSEWHERE: &str = "elsewhere";

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status: status.as_u16(), title, detail: detail.into(), code }
    }

    /// There is no such thing.
    pub(crate) fn no_such(what: &str, name: &impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing here",
            format!("there is no {what} {name}"),
        )
    }

    /// It is there, and cannot be asked for in this way.
    pub(crate) fn no_such_method() -> Self {
        let detail = "this address takes other methods";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "It cannot be asked for in this way", detail)
    }

    /// What was sent cannot be used.
    pub(crate) fn unusable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-input", "What was sent cannot be used", detail)
    }

    /// A key comes with another request than before.
    pub(crate) fn other_request() -> Self {
        Self::unusable(
            "this key came with another request before: a key is of one request, and sent again with that one only",
        )
    }

    /// What was sent is not what is expected at all.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong-input", "The request is malformed", detail)
    }

    /// More was sent than is taken.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    /// What was to be sent does not come.
    pub(crate) fn too_slow() -> Self {
        let detail = "the body of the request did not come in time: send it again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The request does not come", detail)
    }

    /// It does not fit what stands.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It does not fit what stands", detail)
    }

    /// It is of a shard that is not here.
    pub(crate) fn elsewhere(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ELSEWHERE, "It is of another shard", detail)
    }

    /// It is over.
    pub(crate) fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", "It is over", detail)
    }

    /// Nobody known asks.
    pub(crate) fn who() -> Self {
        let detail =
            "open the link with the token that the service printed, or send it as \"Authorization: Bearer TOKEN\"";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed", detail)
    }

    /// Somebody asks who may not.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not yours to see or to do", detail)
    }

    /// Too much at once.
    pub(crate) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests", "wait a few seconds and try again")
    }

    /// Too many streams at once.
    pub(crate) fn too_many_streams(most: usize) -> Self {
        let detail = format!("a token may hold {most} streams of events at once: end one of them first");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests", detail)
    }

    /// Too much waits.
    pub(crate) fn busy() -> Self {
        let detail = "more waits than can be done soon: try again in a few seconds";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "The service is busy", detail)
    }

    /// It is stopping.
    pub(crate) fn stopping() -> Self {
        let detail = "the service is stopping; what was acknowledged is kept";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The service is stopping", detail)
    }

    /// The disk refuses.
    pub(crate) fn disk(detail: impl Into<String>) -> Self {
        let detail = format!("{}; nothing that was acknowledged is lost, and this was not recorded", detail.into());
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk", "The disk is full, read-only or failing", detail)
    }

    /// Something else changed the log under the service.
    pub(crate) fn changed(detail: impl Into<String>, lost: bool) -> Self {
        let lost =
            if lost { "acknowledged records are gone from it" } else { "acknowledged records may be gone from it" };
        let detail = format!("{}; {lost}: put a backup back", detail.into());
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "log-changed", "Something else changed the log", detail)
    }

    /// The stream did not take it, or is not known to have.
    pub(crate) fn stream(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "The stream did not take it", detail)
    }

    /// Something else came into the stream first.
    pub(crate) fn overtaken() -> Self {
        let detail = "something else was recorded at the same moment, and this was not: send it again";
        Self::stream("overtaken", detail)
    }

    /// Something else failed.
    pub(crate) fn failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "Something failed", detail)
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status >= 500 {
            tracing::warn!(code = self.code, detail = %self.detail, "a request failed");
        }
        let mut response = (self.status(), axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if matches!(self.code, "busy" | "too-many" | "overtaken" | "slot-moving" | "stream-away" | "stream-silent") {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
