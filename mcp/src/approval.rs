//! `request_approval`: may this call be made?

use std::collections::BTreeMap;

use credence_approvals::{
    Affected, Explanation, PersonVerdict, Reason, Request, Reversible, Scope, ShownHash, Verdict,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::caller::Caller;
use super::decision::AnswerAt;
use super::form::{Answerable, Form, Said, Unanswered};
use super::host::{Host, HostError};
use super::shown;

/// What `request_approval` takes.
///
/// What the act can change is the agent's claim. A host that has a declaration of the tool should use that instead.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalArguments {
    /// Name of the tool that you want to call, exactly as you would call it.
    pub tool: String,
    /// All arguments of that call, exactly as you would send them, as a JSON object (not as text). An approval holds
    /// for these arguments and no others.
    #[serde(deserialize_with = "object")]
    pub arguments: Map<String, Value>,
    /// A short name of the task that this belongs to, the same for all calls of the task. A person can approve calls
    /// for one task only if it has a name.
    #[serde(default)]
    pub task: String,
    /// One sentence for the person: why you want to do this. It is shown and never read for the decision.
    #[serde(default)]
    pub context: String,
    /// Whether it can be undone. Leave it out if you do not know.
    #[serde(default)]
    #[schemars(schema_with = "reversible")]
    pub reversible: Option<Reversible>,
    /// Whom it concerns at most: nobody notices, the owner alone, some other people, or anyone. Left out, it counts as
    /// "others".
    #[serde(default)]
    #[schemars(schema_with = "affected")]
    pub affected: Option<Affected>,
    /// What it costs at most, in the owner's currency; 0 if it costs nothing. An argument that the owner declared as an
    /// amount counts where it is more.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub cost: f64,
    /// Whether anything leaves this machine: a message, an upload, a payment. Left out, it counts as true.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub outside: Option<bool>,
    /// Numbers by name, for attributes that the owner of this home declared. Leave it out unless you were told of some.
    #[serde(default)]
    pub declared: BTreeMap<String, f64>,
}

fn reversible(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["yes", "no", "unknown"] })
}

fn affected(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["nobody", "owner", "others", "public"] })
}

fn verdict(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["allow", "ask", "refuse"] })
}

fn person_verdict(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["approved", "refused", "ask_me"] })
}

/// An object; models are known to send its text instead.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) => Ok(map),
        other => {
            let found = match other {
                Value::Null => "null",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                Value::String(_) => "a text",
                Value::Array(_) | Value::Object(_) => "a list",
            };
            Err(serde::de::Error::custom(format!(
                "`arguments` is {found}; it must be a JSON object with the arguments of the call, such as {{\"path\": \
                 \"notes.txt\"}}"
            )))
        }
    }
}

impl ApprovalArguments {
    /// The request to be judged. What was left out counts as the careful answer, as it does for requests that come by
    /// another way.
    pub fn request(&self) -> Request {
        Request {
            tool: self.tool.clone(),
            arguments: self.arguments.clone(),
            task: self.task.clone(),
            context: self.context.clone(),
            reversible: self.reversible.unwrap_or(Reversible::Unknown),
            affected: self.affected.unwrap_or(Affected::Others),
            cost: self.cost,
            outside: self.outside.unwrap_or(true),
            declared: self.declared.clone(),
            cwd: String::new(),
            readings: Vec::new(),
        }
    }

    /// What the agent says that the act can change, in words.
    fn changes(&self) -> String {
        let undone = match self.reversible {
            Some(Reversible::Yes) => "can be undone",
            Some(Reversible::No) => "cannot be undone",
            Some(Reversible::Unknown) | None => "may or may not be undone",
        };
        let affected = match self.affected {
            Some(Affected::Nobody) => "is noticed by nobody",
            Some(Affected::Owner) => "concerns you alone",
            Some(Affected::Others) | None => "concerns others",
            Some(Affected::Public) => "concerns anyone",
        };
        let outside = if self.outside.unwrap_or(true) { "reaches outside" } else { "stays on" };
        let cost = if self.cost == 0.0 { "no cost".to_owned() } else { format!("a cost of at most {}", self.cost) };
        format!("{undone}, {affected}, {outside} this machine, and has {cost}, as the agent says")
    }

    /// What is wrong with them, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.tool.trim().is_empty() {
            Some("`tool` is empty: give the name of the tool that you want to call".to_owned())
        } else if !self.cost.is_finite() || self.cost < 0.0 {
            Some("`cost` must be a number of at least 0".to_owned())
        } else {
            None
        }
    }
}

/// The probability behind an approval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Belief {
    /// Probability that the owner would be against its passing.
    pub p_refuse: f64,
    /// Lower end of its 90% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What one attribute counts for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contribution {
    /// The attribute.
    pub name: String,
    /// What it adds to approval, in units of the person's noise; negative speaks for asking.
    pub utility: f64,
}

/// An earlier answer of the owner to something near.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EarlierAnswer {
    /// Number of the answer, or of the undo, among the owner's approvals; no record of the log.
    pub record: u64,
    /// Tool of that call.
    pub tool: String,
    /// What they said; an undo is a refusal.
    #[schemars(schema_with = "person_verdict")]
    pub verdict: PersonVerdict,
    /// Whether it was an undo.
    pub undo: bool,
    /// Distance in attributes; 0 is the same.
    pub distance: f64,
}

/// A question about a call that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenApproval {
    /// Number of the question among the owner's approvals; no record of the log.
    pub id: u64,
    /// Where it can be answered otherwise.
    pub answer_at: AnswerAt,
}

/// Whether a call may be made. Numbers are finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// "allow": it may be made now, once. "ask": a person must answer first. "refuse": it may not be made.
    #[schemars(schema_with = "verdict")]
    pub verdict: Verdict,
    /// Why, as a word such as "granted", "belief", "unsure" or "denied".
    #[schemars(with = "String")]
    pub reason: credence_approvals::Reason,
    /// Why, as a sentence for the owner ("you" is the owner).
    pub why: String,
    /// What the owner is believed to think of it.
    pub belief: Belief,
    /// What counts most, the largest first.
    pub contributions: Vec<Contribution>,
    /// The nearest earlier answers.
    pub nearest: Vec<EarlierAnswer>,
    /// What a person would have to say so that it would be otherwise.
    pub would_change: Vec<String>,
    /// Hash of tool and arguments, which the verdict is bound to.
    #[schemars(with = "String")]
    pub shown_hash: ShownHash,
    /// For "allow": number of the act among the owner's approvals, by which the owner takes it back.
    pub act: Option<u64>,
    /// For "allow": number of the act's record in the log, for `report_outcome` and `explain`.
    pub record: Option<u64>,
    /// For "ask": the question.
    pub question: Option<OpenApproval>,
}

impl Approval {
    /// From a decision of the approvals engine; `record` and `question` are still to be set.
    pub fn new(explanation: Explanation, shown_hash: ShownHash) -> Self {
        let decision = explanation.decision;
        let contributions = explanation.contributions.into_iter();
        let nearest = explanation.nearest.into_iter().map(|earlier| EarlierAnswer {
            record: earlier.record,
            tool: earlier.tool,
            verdict: earlier.verdict,
            undo: earlier.undo,
            distance: earlier.distance,
        });
        Self {
            verdict: decision.verdict,
            reason: decision.reason,
            why: explanation.summary,
            belief: Belief { p_refuse: decision.p_refuse, low: decision.interval.0, high: decision.interval.1 },
            contributions: contributions.map(|c| Contribution { name: c.name, utility: c.utility }).collect(),
            nearest: nearest.collect(),
            would_change: explanation.would_change,
            shown_hash,
            act: None,
            record: None,
            question: None,
        }
    }
}

/// What `request_approval` gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalResult {
    /// The verdict and what is behind it.
    #[serde(flatten)]
    pub approval: Approval,
    /// What to do now.
    pub next: String,
}

/// What a person said to the question whether a call may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalAnswer {
    /// Number of the question's record.
    pub question: u64,
    /// Hash of what they were shown.
    pub shown_hash: ShownHash,
    /// What they said.
    pub verdict: PersonVerdict,
    /// How far it reaches. "This task" and "always" speak of exactly the call that was shown.
    pub scope: Scope,
}

/// The options: what is sent back, what it means, how it is shown.
const OPTIONS: [(&str, PersonVerdict, Scope, &str); 6] = [
    ("once", PersonVerdict::Approved, Scope::Once, "Yes, this once"),
    ("task", PersonVerdict::Approved, Scope::Task, "Yes, exactly this call, as often as this task needs it"),
    ("always", PersonVerdict::Approved, Scope::Always, "Yes, exactly this call, always"),
    ("ask_again", PersonVerdict::AskMe, Scope::Once, "Yes, this once, and go on asking me about acts like this"),
    ("no", PersonVerdict::Refused, Scope::Once, "No"),
    ("never", PersonVerdict::Refused, Scope::Always, "No, and never exactly this call"),
];

/// Whether an option makes sense: a task without a name is every task.
fn offered((verdict, scope): (PersonVerdict, Scope), arguments: &ApprovalArguments, reason: Reason) -> bool {
    // Calls of a tool that nobody declared pass once each.
    let lasts = scope != Scope::Once && verdict == PersonVerdict::Approved;
    (scope != Scope::Task || !arguments.task.is_empty()) && !(lasts && reason == Reason::UndeclaredTool)
}

impl Answerable for Approval {
    type Answer = ApprovalAnswer;
    type Result = ApprovalResult;
    type Arguments = ApprovalArguments;

    async fn ask<H: Host>(host: &H, caller: &Caller, arguments: ApprovalArguments) -> Result<Self, HostError> {
        host.request_approval(caller, arguments).await
    }

    async fn tell<H: Host>(host: &H, caller: &Caller, answer: Self::Answer) -> Result<Self, HostError> {
        host.answer_approval(caller, answer).await
    }

    fn form(&self, arguments: &ApprovalArguments) -> Option<Form> {
        self.question.as_ref()?;
        let mut message = format!(
            "An agent wants to call the tool \"{}\" with\n\n{}\n",
            shown::quoted(&arguments.tool),
            shown::json(&Value::Object(arguments.arguments.clone()))
        );
        if !arguments.task.is_empty() {
            message.push_str(&format!("\nFor the task \"{}\".", shown::quoted(&arguments.task)));
        }
        if !arguments.context.is_empty() {
            message.push_str(&format!("\nThe agent says: \"{}\"", shown::quoted(&arguments.context)));
        }
        message.push_str(&format!("\nIt {}.", arguments.changes()));
        message.push_str(&format!("\nCredence says: {}", shown::quoted(&self.why)));
        message.push_str(&format!(
            "\nBelieved: you would be against it with probability {:.1}% (90% interval {:.1}% to {:.1}%).",
            100.0 * self.belief.p_refuse,
            100.0 * self.belief.low,
            100.0 * self.belief.high
        ));
        for way in &self.would_change {
            message.push_str(&format!("\nTo change it: {}", shown::quoted(way)));
        }
        // What an answer is bound to, as `answer` takes it: of what is shown above, and of nothing else.
        message.push_str(&format!(
            "\nYour answer counts for exactly this tool with these arguments: call {}.\n\nMay it?",
            arguments.request().shown_hash().short()
        ));
        let offered =
            OPTIONS.iter().filter(|(_, verdict, scope, _)| offered((*verdict, *scope), arguments, self.reason));
        let options = offered.map(|(value, _, _, title)| ((*value).to_owned(), (*title).to_owned())).collect();
        Some(Form { message, label: "May the agent do this?", options })
    }

    fn answer(&self, said: &Said, arguments: &ApprovalArguments) -> Option<ApprovalAnswer> {
        let (verdict, scope) = match said {
            Said::Declined => (PersonVerdict::Refused, Scope::Once),
            Said::Chose(value) => {
                let (_, verdict, scope, _) = *OPTIONS.iter().find(|(known, ..)| known == value)?;
                (verdict, scope)
            }
        };
        // The hash of what the form was made from, not of what the host said: so the host can see that they agree.
        let shown_hash = arguments.request().shown_hash();
        let question = self.question.as_ref()?.id;
        offered((verdict, scope), arguments, self.reason).then_some(ApprovalAnswer {
            question,
            shown_hash,
            verdict,
            scope,
        })
    }

    fn result(self, unanswered: Option<Unanswered>) -> ApprovalResult {
        let next = match self.verdict {
            Verdict::Allow => {
                let report = self.record.map(|record| format!(" Then call report_outcome with record {record}."));
                format!("You may make this call now, once, with exactly these arguments.{}", report.unwrap_or_default())
            }
            Verdict::Refuse => {
                "Do not make this call, and do not try to get the same effect in another way. Tell the person that it \
                 was refused, or find another way to do the task."
                    .to_owned()
            }
            Verdict::Ask => {
                let answer_at = self.question.as_ref().map(|q| q.answer_at.words()).unwrap_or_default();
                let why = unanswered.map_or("", Unanswered::words);
                format!(
                    "Do not make this call yet. {why}The person can answer {answer_at}; then call request_approval again \
                     with the same arguments."
                )
            }
        };
        ApprovalResult { approval: self, next }
    }
}
