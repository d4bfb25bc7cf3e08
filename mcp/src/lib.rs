//! What a Model Context Protocol client can ask of Credence.
//!
//! An agent asks over MCP what to decide and whether it may call a tool. [`Server`] speaks the protocol (through the
//! official SDK, `rmcp`); what is decided, believed and recorded is the business of a [`Host`], which whoever owns a
//! home implements. This crate keeps no belief, no log and no clock, and it carries nothing out.
//!
//! - **Tools**: `decide`, `request_approval`, `report_outcome`, `propose_question`, `get_values`, `explain`.
//! - **Resources**: `credence://values/{person}`, `credence://log` in pages, `credence://log/{seq}`.
//! - **A question that is open** goes to the person by *elicitation* where the client declared it: as a request of the
//!   server up to version 2025-11-25 of the protocol, as an `input_required` result and a second call from 2026-07-28
//!   on. Otherwise the result says where the person can answer.
//! - **Transports**: [`serve_stdio`], and [`streamable_http_service`] for a router to nest.
//!
//! Four rules hold whatever the host does:
//!
//! 1. An answer is bound to what was shown. A second call with other arguments than the person saw changes nothing.
//! 2. *Accept* is an answer, *decline* is a refusal, *cancel* is no answer: the host hears nothing of it.
//! 3. Text of an agent is data. It is shown quoted, with what could hide or reorder it escaped; a question that is too
//!    long to be shown whole is not asked here.
//! 4. A message in which a key stands twice is refused before anybody reads it: it could be shown as one call and made as
//!    another.
//!
//! An answer by elicitation is worth as much as the client that brings it: a program that is agent and client at once
//! could answer for the person. [`Options::elicitation`] turns it off. See docs/mcp.md.

mod approval;
mod caller;
mod channel;
mod decision;
mod form;
mod host;
mod open_calls;
mod report;
mod resources;
mod screen;
mod server;
mod shown;
mod transport;

pub use approval::{
    Approval, ApprovalAnswer, ApprovalArguments, ApprovalResult, Belief, Contribution, EarlierAnswer, OpenApproval,
};
pub use caller::{Agent, Caller, Principal};
pub use decision::{AnswerAt, Choice, DecideArguments, Decision, DecisionAnswer, DecisionResult, OpenQuestion, Reason};
pub use host::{Host, HostError};
pub use report::{
    ExplainArguments, Explained, LogEntry, LogPage, Outcome, OutcomeArguments, OutcomeNoted, Proposal,
    ProposalArguments, Value, Values, ValuesArguments,
};
pub use server::{Options, Server};
pub use shown::SHOWN_CHARS_MAX;
pub use transport::{HttpOptions, ServeError, serve_stdio, streamable_http_service};
