//! A question for a person as a form with one choice, and what they said to it.

use std::borrow::Cow;

use rmcp::model::{
    ConstTitle, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, EnumSchema, LegacyEnumSchema,
    PrimitiveSchemaDefinition, ProtocolVersion, SingleSelectEnumSchema, TitledSingleSelectEnumSchema,
};
use serde::Serialize;

use super::caller::Caller;
use super::host::{Host, HostError};
use super::shown::SHOWN_CHARS_MAX;

/// The one field of every form. There is no field to type into: nothing secret can be asked for.
const FIELD: &str = "answer";

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) message: String,
    pub(crate) label: &'static str,
    /// What is sent back, and how it is shown.
    pub(crate) options: Vec<(String, String)>,
}

/// What a person said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// They chose the option with this value.
    Chose(String),
    /// They said no to the question.
    Declined,
}

/// Why a question that could be asked here has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The client has no way to ask, or was told not to.
    NoElicitation,
    /// The person closed the question.
    Cancelled,
    /// The person took too long.
    TooLate,
    /// It is too long to be shown whole.
    TooLong,
    /// The client could not ask.
    ClientFailed,
    /// There were several questions already.
    Enough,
}

impl Unanswered {
    /// A sentence with a space after it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NoElicitation => "A question to the person is open, which cannot be asked through this client. ",
            Self::Cancelled => "The person closed the question without answering; nothing was recorded. ",
            Self::TooLate => "The person did not answer in time; nothing was recorded. ",
            Self::TooLong => "A question to the person is open, which is too long to be shown here whole. ",
            Self::ClientFailed => "The client could not put the question to the person; nothing was recorded. ",
            Self::Enough => "The person was asked several questions; one more is open. ",
        }
    }
}

/// Something that may wait for a person's answer: a decision, an approval.
pub(crate) trait Answerable: Clone + Send + Sync + 'static {
    /// What the host is told.
    type Answer: Send;
    /// What the caller is told.
    type Result: Serialize;
    /// What was asked about.
    type Arguments: Clone + PartialEq + Send + Sync + 'static;

    /// Asks the host.
    fn ask<H: Host>(
        host: &H,
        caller: &Caller,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Self, HostError>> + Send;

    /// Tells the host what the person said.
    fn tell<H: Host>(
        host: &H,
        caller: &Caller,
        answer: Self::Answer,
    ) -> impl Future<Output = Result<Self, HostError>> + Send;

    /// The question, if one is open.
    fn form(&self, arguments: &Self::Arguments) -> Option<Form>;

    /// What was said, for the host; nothing if it is none of the options.
    fn answer(&self, said: &Said, arguments: &Self::Arguments) -> Option<Self::Answer>;

    /// The result. `unanswered` says why an open question stayed open.
    fn result(self, unanswered: Option<Unanswered>) -> Self::Result;
}

impl Form {
    /// Whether a person can be shown all of it.
    pub(crate) fn fits(&self) -> bool {
        let options: usize = self.options.iter().map(|(_, title)| title.chars().count()).sum();
        self.message.chars().count() + options <= SHOWN_CHARS_MAX
    }

    /// As a request of the protocol. Options with titles came with 2025-11-25; before, names stood beside values.
    pub(crate) fn request(&self, version: Option<&ProtocolVersion>) -> ElicitRequestParams {
        let (values, titles): (Vec<String>, Vec<String>) = self.options.iter().cloned().unzip();
        let label = Some(Cow::Borrowed(self.label));
        let schema = if version.is_some_and(|version| *version >= ProtocolVersion::V_2025_11_25) {
            let options = values.into_iter().zip(titles).map(|(value, title)| ConstTitle::new(value, title));
            let mut select = TitledSingleSelectEnumSchema::new(options.collect());
            select.title = label;
            EnumSchema::Single(SingleSelectEnumSchema::Titled(select))
        } else {
            let mut select = LegacyEnumSchema::new(values);
            select.enum_names = Some(titles);
            select.title = label;
            EnumSchema::Legacy(select)
        };
        let properties = [(FIELD.to_owned(), PrimitiveSchemaDefinition::Enum(schema))].into();
        ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: self.message.clone(),
            requested_schema: ElicitationSchema::new(properties).with_required(vec![FIELD.to_owned()]),
        }
    }

    /// What a client brought back: an answer, or why there is none.
    pub(crate) fn said(&self, result: &ElicitResult) -> Result<Said, Unanswered> {
        match result.action {
            ElicitationAction::Decline => Ok(Said::Declined),
            ElicitationAction::Cancel => Err(Unanswered::Cancelled),
            ElicitationAction::Accept => {
                let chosen = result.content.as_ref().and_then(|content| content.get(FIELD)?.as_str());
                let option = self.options.iter().find(|(value, _)| Some(value.as_str()) == chosen);
                option.map(|(value, _)| Said::Chose(value.clone())).ok_or(Unanswered::ClientFailed)
            }
            _ => Err(Unanswered::ClientFailed),
        }
    }
}
