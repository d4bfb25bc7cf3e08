//! How a person can be reached through the client that calls.

use std::time::Duration;

use rmcp::model::{ElicitRequest, InputRequest, InputRequests, InputRequiredResult, InputResponses, ProtocolVersion};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServiceError};

use super::form::{Form, Said, Unanswered};

/// The name of the one input that a call may wait for.
const INPUT: &str = "person";

/// The way to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// There is none.
    Closed,
    /// A request from the server to the client, while the call waits (up to 2025-11-25).
    Request,
    /// A result that asks for input, and a second call (from 2026-07-28 on).
    SecondCall,
}

impl Channel {
    /// The way that the client of this request has declared.
    pub(crate) fn of(context: &RequestContext<RoleServer>) -> Self {
        let declared = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
        // Without a mode it is forms, as before there were modes.
        if !declared.is_some_and(|modes| modes.form.is_some() || modes.url.is_none()) {
            Self::Closed
        } else if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            Self::SecondCall
        } else {
            Self::Request
        }
    }
}

/// Asks the person now and waits. Where the call is cancelled meanwhile, there is no answer.
pub(crate) async fn request(
    context: &RequestContext<RoleServer>,
    form: &Form,
    patience: Duration,
) -> Result<Said, Unanswered> {
    let request = form.request(context.protocol_version().as_ref());
    tokio::select! {
        biased;
        () = context.ct.cancelled() => Err(Unanswered::Cancelled),
        result = context.peer.create_elicitation_with_timeout(request, Some(patience)) => match result {
            Ok(result) => form.said(&result),
            Err(ServiceError::Timeout { .. }) => Err(Unanswered::TooLate),
            Err(_) => Err(Unanswered::ClientFailed),
        },
    }
}

/// The result that makes the client ask and call again.
pub(crate) fn second_call(form: &Form, handle: String) -> InputRequiredResult {
    let request = ElicitRequest::new(form.request(Some(&ProtocolVersion::V_2026_07_28)));
    let inputs: InputRequests = [(INPUT.to_owned(), InputRequest::Elicitation(request))].into();
    InputRequiredResult::new(Some(inputs), Some(handle))
}

/// What the second call brought: nothing, an answer, or why there is none.
pub(crate) fn brought(form: &Form, responses: Option<&InputResponses>) -> Option<Result<Said, Unanswered>> {
    let response = responses?.get(INPUT)?;
    let result = serde_json::from_value(response.clone());
    Some(result.map_or(Err(Unanswered::ClientFailed), |result| form.said(&result)))
}
