//! What went wrong, in the form of OpenAI's API: its clients know no other.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credence_priors::ModelError;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::desk::chain;
use super::super::problem::Problem;
use super::super::writer::{Failure, Refused, WAITING_MAX};

/// What went wrong, as OpenAI's clients expect it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct OpenAiError {
    error: Body,
    #[serde(skip)]
    #[schema(ignore)]
    status: u16,
}

/// The error itself.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OpenAiErrorBody)]
struct Body {
    /// What happened, and what was expected.
    message: String,
    /// What kind of thing it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The parameter that it is about.
    param: Option<String>,
    /// A name for programs.
    code: Option<&'static str>,
}

impl OpenAiError {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: String) -> Self {
        Self { error: Body { message, kind, param: None, code: Some(code) }, status: status.as_u16() }
    }

    /// A parameter that cannot be used.
    pub(super) fn wrong(param: &str, message: impl Into<String>) -> Self {
        Self::invalid("invalid_value", message).about(param)
    }

    /// A parameter that this service does not know how to honour.
    pub(super) fn unsupported(param: &str) -> Self {
        Self::invalid("unsupported_parameter", format!("this service cannot do what {param:?} asks for: leave it out"))
            .about(param)
    }

    fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message.into())
    }

    /// A model that is not served.
    pub(super) fn no_such_model(name: &str, served: &[String]) -> Self {
        let message = format!("there is no model {name:?} here; there are {}", served.join(", "));
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "model_not_found", message).about("model")
    }

    fn about(mut self, param: &str) -> Self {
        self.error.param = Some(param.to_owned());
        self
    }
}

impl From<Refused> for OpenAiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "queue_full",
                format!(
                    "{WAITING_MAX} requests wait for the model already, which writes one text at a time: try again in some seconds"
                ),
            ),
            Refused::Stopping => Problem::stopping().into(),
        }
    }
}

impl From<Failure> for OpenAiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoModel(why) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "model_unavailable", why)
            }
            Failure::Model(error @ ModelError::TooLong { .. }) => {
                Self::invalid("context_length_exceeded", chain(&error))
            }
            Failure::Model(error @ (ModelError::Empty(_) | ModelError::NoSuchToken { .. })) => {
                Self::invalid("invalid_value", chain(&error)).about("prompt")
            }
            Failure::Model(error) => Problem::failed(chain(&error)).into(),
        }
    }
}

impl From<Problem> for OpenAiError {
    fn from(problem: Problem) -> Self {
        let kind = match problem.status {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self::new(problem.status(), kind, problem.code, problem.detail)
    }
}

impl IntoResponse for OpenAiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        }
        response
    }
}

/// Puts problems of requests to `/v1/` into this form: those of access, and of what could not be read.
pub(crate) async fn in_their_form(request: Request, next: Next) -> Response {
    let is_theirs = request.uri().path().starts_with("/v1/");
    let response = next.run(request).await;
    match response.extensions().get::<Problem>().cloned().filter(|_| is_theirs) {
        Some(problem) => OpenAiError::from(problem).into_response(),
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_is_a_429_that_says_when_to_come_again() {
        let response = OpenAiError::from(Refused::Full).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        let gone = OpenAiError::from(Refused::Stopping);
        assert_eq!((gone.status, gone.error.kind), (503, "server_error"));
        let long = ModelError::TooLong { tokens: 9, context: 8, beginning: "x".into() };
        let error = OpenAiError::from(Failure::Model(long));
        assert_eq!((error.status, error.error.code), (400, Some("context_length_exceeded")));
    }
}
