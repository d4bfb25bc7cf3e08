//! `decide`: what is asked, what is answered, and the question that may come first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::form::{Answerable, Form, Said, Unanswered};
use super::host::{Host, HostError};
use super::shown::quoted;

/// Alternatives in one decision, at most.
const ALTERNATIVES_MAX: usize = 20;

/// What `decide` takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideArguments {
    /// What is going on, in a few plain sentences: who is concerned and what is known. State facts, not what you would
    /// like to be decided.
    pub situation: String,
    /// The acts to choose between, each a short phrase that begins with a verb, such as "tell her kindly where the poem
    /// is weak". At least 2, all different, each something that could really be done.
    #[schemars(length(min = 2, max = 20))]
    pub alternatives: Vec<String>,
    /// Whose values count. Leave it out for the owner of this home.
    #[serde(default)]
    #[schemars(with = "String")]
    pub person: Option<String>,
}

impl DecideArguments {
    /// What is wrong with them, if anything.
    pub fn fault(&self) -> Option<String> {
        let mut sorted: Vec<&str> = self.alternatives.iter().map(|words| words.trim()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        if self.situation.trim().is_empty() {
            Some("`situation` is empty: say in a few sentences what is going on".to_owned())
        } else if !(2..=ALTERNATIVES_MAX).contains(&self.alternatives.len()) {
            let found = self.alternatives.len();
            Some(format!("`alternatives` has {found} entries; give 2 to {ALTERNATIVES_MAX} acts to choose between"))
        } else if sorted.len() < self.alternatives.len() || sorted[0].is_empty() {
            Some("`alternatives` must all be different, and none may be empty".to_owned())
        } else {
            None
        }
    }
}

/// Act, ask or defer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Choice {
    /// One alternative is good enough to be done.
    Act,
    /// A question to the person comes first.
    Ask,
    /// It is for the person to decide.
    Defer,
}

/// A reason, and the records it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// In words.
    pub words: String,
    /// Numbers of the records; `explain` and `credence://log/{seq}` show them.
    pub records: Vec<u64>,
}

/// Where a person can answer what was not asked here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerAt {
    /// A page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A command for a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl AnswerAt {
    /// As the end of a sentence.
    pub fn words(&self) -> String {
        match (&self.url, &self.command) {
            (Some(url), Some(command)) => format!("at {url} or with the command `{command}`"),
            (Some(url), None) => format!("at {url}"),
            (None, Some(command)) => format!("with the command `{command}`"),
            (None, None) => "in Credence".to_owned(),
        }
    }
}

/// A question that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenQuestion {
    /// Its id, as the host chose it.
    pub id: String,
    /// The question, for the person, on one line.
    pub words: String,
    /// The answers to choose from, at least one.
    pub options: Vec<String>,
    /// Where it can be answered otherwise.
    pub answer_at: AnswerAt,
}

/// What was decided. Numbers are finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Act, ask or defer.
    pub verdict: Choice,
    /// For "act": which alternative, counted from 0.
    pub chosen: Option<usize>,
    /// For "act": its words.
    pub chosen_words: Option<String>,
    /// Expected loss of acting now instead of knowing the person's values, in units of utility; at least 0.
    pub regret: f64,
    /// Why, the weightiest first.
    pub reasons: Vec<Reason>,
    /// For "ask": the question.
    pub question: Option<OpenQuestion>,
    /// Number of the decision's record, for `report_outcome` and `explain`; nothing where none was written.
    pub record: Option<u64>,
}

/// What `decide` gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionResult {
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// What to do now.
    pub next: String,
}

/// What a person said to the question of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionAnswer {
    /// Id of the question.
    pub question: String,
    /// The option, counted from 0; nothing where they declined: they do not want to say, or not to be asked.
    pub option: Option<usize>,
}

impl Answerable for Decision {
    type Answer = DecisionAnswer;
    type Result = DecisionResult;
    type Arguments = DecideArguments;

    async fn ask<H: Host>(host: &H, caller: &Caller, arguments: DecideArguments) -> Result<Self, HostError> {
        host.decide(caller, arguments).await
    }

    async fn tell<H: Host>(host: &H, caller: &Caller, answer: Self::Answer) -> Result<Self, HostError> {
        host.answer_decision(caller, answer).await
    }

    fn form(&self, _: &DecideArguments) -> Option<Form> {
        let question = self.question.as_ref().filter(|question| !question.options.is_empty())?;
        let options = question.options.iter().enumerate();
        Some(Form {
            message: format!("A question before something is decided for you.\n\n{}", quoted(&question.words)),
            label: "Your answer",
            options: options.map(|(i, words)| ((i + 1).to_string(), quoted(words))).collect(),
        })
    }

    fn answer(&self, said: &Said, _: &DecideArguments) -> Option<DecisionAnswer> {
        let question = self.question.as_ref()?;
        let option = match said {
            Said::Chose(value) => {
                Some(value.parse::<usize>().ok()?.checked_sub(1).filter(|i| *i < question.options.len())?)
            }
            Said::Declined => None,
        };
        Some(DecisionAnswer { question: question.id.clone(), option })
    }

    fn result(self, unanswered: Option<Unanswered>) -> DecisionResult {
        let next = match self.verdict {
            Choice::Act => {
                let report = self.record.map(|record| format!(", then call report_outcome with record {record}"));
                format!("Do the chosen alternative and no other{}.", report.unwrap_or_default())
            }
            Choice::Defer => "Do none of them. Put the alternatives to the person and let them decide.".to_owned(),
            Choice::Ask => {
                let answer_at = self.question.as_ref().map(|q| q.answer_at.words()).unwrap_or_default();
                let why = unanswered.map_or("", Unanswered::words);
                format!(
                    "Do none of them yet. {why}The person can answer {answer_at}; then call decide again with the same \
                     arguments."
                )
            }
        };
        DecisionResult { decision: self, next }
    }
}
