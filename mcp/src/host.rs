//! What a home must do for the server: the seam between the protocol and belief.

use std::future::Future;

use super::approval::{Approval, ApprovalAnswer, ApprovalArguments};
use super::caller::Caller;
use super::decision::{DecideArguments, Decision, DecisionAnswer};
use super::report::{
    ExplainArguments, Explained, LogEntry, LogPage, OutcomeArguments, OutcomeNoted, Proposal, ProposalArguments,
    Values, ValuesArguments,
};

/// A home, as agents may use it.
///
/// The server checks the shape of what comes in. Who may do what is the host's business: every call has its
/// [`Caller`]. Calls come at the same time, from several clients.
///
/// # Errors
/// All methods: a [`HostError`], which the caller is told in words. After an error nothing may have changed.
pub trait Host: Send + Sync + 'static {
    /// Decides between alternatives.
    fn decide(
        &self,
        caller: &Caller,
        asked: DecideArguments,
    ) -> impl Future<Output = Result<Decision, HostError>> + Send;

    /// A person answered the open question of a decision. What is decided now, which may ask again.
    fn answer_decision(
        &self,
        caller: &Caller,
        answer: DecisionAnswer,
    ) -> impl Future<Output = Result<Decision, HostError>> + Send;

    /// May this call be made? The decision is a record before this returns: a question that waits as much as an act
    /// that passes. The same call that waits already gets the question it waits for.
    fn request_approval(
        &self,
        caller: &Caller,
        asked: ApprovalArguments,
    ) -> impl Future<Output = Result<Approval, HostError>> + Send;

    /// A person answered the question whether a call may be made. The answer counts only for the call with the hash
    /// that they saw; where they approved, the act is recorded as passed before this returns.
    fn answer_approval(
        &self,
        caller: &Caller,
        answer: ApprovalAnswer,
    ) -> impl Future<Output = Result<Approval, HostError>> + Send;

    /// What came of an act. It is the agent's word: no evidence of anybody's values.
    fn report_outcome(
        &self,
        caller: &Caller,
        report: OutcomeArguments,
    ) -> impl Future<Output = Result<OutcomeNoted, HostError>> + Send;

    /// A question that the agent would like to be asked. The host decides whether and when it is.
    fn propose_question(
        &self,
        caller: &Caller,
        proposal: ProposalArguments,
    ) -> impl Future<Output = Result<Proposal, HostError>> + Send;

    /// What is believed to matter to a person.
    fn get_values(
        &self,
        caller: &Caller,
        asked: ValuesArguments,
    ) -> impl Future<Output = Result<Values, HostError>> + Send;

    /// Why something was decided, or is believed.
    fn explain(
        &self,
        caller: &Caller,
        asked: ExplainArguments,
    ) -> impl Future<Output = Result<Explained, HostError>> + Send;

    /// The people whose values this caller may read.
    fn people(&self, caller: &Caller) -> impl Future<Output = Result<Vec<String>, HostError>> + Send;

    /// At most `limit` records from number `from` on.
    fn log(&self, caller: &Caller, from: u64, limit: usize) -> impl Future<Output = Result<LogPage, HostError>> + Send;

    /// One record.
    fn log_entry(&self, caller: &Caller, seq: u64) -> impl Future<Output = Result<LogEntry, HostError>> + Send;
}

/// Why a host could not do it. The words go to the model that asked, so they say what it can do now.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Nobody has this name.
    #[error("nobody here is called {person:?}; known: {}", .known.join(", "))]
    UnknownPerson {
        /// The name given.
        person: String,
        /// Names that there are, as far as the caller may know them.
        known: Vec<String>,
    },
    /// Something else that does not exist.
    #[error("there is no {what}")]
    NotFound {
        /// What was asked for, such as "record 12".
        what: String,
    },
    /// The caller may not.
    #[error("this caller may not {what}")]
    NotAllowed {
        /// What, such as "read the values of ada".
        what: String,
    },
    /// Something that cannot be used.
    #[error("{what} cannot be used: {expected}")]
    BadInput {
        /// Which input.
        what: String,
        /// What was expected.
        expected: String,
    },
    /// An answer to a question that is not open any more, or never was.
    #[error("question {question} is not open; ask again with the same arguments")]
    NotOpen {
        /// Its id.
        question: String,
    },
    /// An answer to other arguments than were shown.
    #[error("the answer was given to other arguments than these; nothing was approved")]
    OtherThanShown,
    /// The home could not do it.
    #[error("the home could not do it, and nothing was recorded")]
    Home {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl HostError {
    /// The message with its causes, on one line.
    pub(crate) fn words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words.push_str(": ");
            words.push_str(&error.to_string());
            cause = error.source();
        }
        words
    }
}
