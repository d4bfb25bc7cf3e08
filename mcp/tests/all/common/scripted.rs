//! A home in memory: the approvals engine as it is, and a decider that asks once and then knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use credence_approvals::{
    ActPattern, ApprovalError, ApprovalRecord, Approvals, Explanation, Limits, PersonVerdict, Reason as ApprovalReason,
    Request, Settings, ToolDeclaration, Verdict,
};
use credence_mcp::{
    AnswerAt, Approval, ApprovalAnswer, ApprovalArguments, Caller, Choice, DecideArguments, Decision, DecisionAnswer,
    ExplainArguments, Explained, Host, HostError, LogEntry, LogPage, OpenApproval, OpenQuestion, OutcomeArguments,
    OutcomeNoted, Principal, Proposal, ProposalArguments, Reason, Value, Values, ValuesArguments,
};
use jiff::civil::{DateTime, date};

/// The home.
pub(crate) struct ScriptedHost(Mutex<Home>);

struct Home {
    approvals: Approvals,
    log: Vec<LogEntry>,
    /// The log's number of each record of approvals.
    numbers: Vec<u64>,
    /// Questions about calls that wait, by the log's number.
    asked: BTreeMap<u64, Request>,
    /// Questions about decisions that wait, and their answers.
    questions: BTreeMap<String, DecideArguments>,
    known: Vec<(DecideArguments, Option<usize>)>,
    callers: Vec<Caller>,
}

/// The only person here.
const PERSON: &str = "ada";

impl Default for ScriptedHost {
    fn default() -> Self {
        let tool = |name: &str| ToolDeclaration {
            name: name.to_owned(),
            arguments: vec!["*".to_owned()],
            ..ToolDeclaration::default()
        };
        let settings = Settings {
            tools: vec![
                ToolDeclaration { path: Some("path".to_owned()), ..tool("write_file") },
                ToolDeclaration { recipient: Some("to".to_owned()), ..tool("send_mail") },
                tool("delete_all"),
            ],
            workspace: "/home/ada/work".to_owned(),
            known_recipients: BTreeSet::from(["bo@example.org".to_owned()]),
            audit_seed: [7; 32],
            ..Settings::default()
        };
        let mut home = Home {
            approvals: Approvals::new(settings).expect("sound settings"),
            log: Vec::new(),
            numbers: Vec::new(),
            asked: BTreeMap::new(),
            questions: BTreeMap::new(),
            known: Vec::new(),
            callers: Vec::new(),
        };
        let limits = Limits { deny: vec![ActPattern::tool("delete_all")], ..Limits::default() };
        let at = home.now();
        home.append_approval(ApprovalRecord::LimitsSet { limits, at }).expect("sound limits");
        Self(Mutex::new(home))
    }
}

impl ScriptedHost {
    /// Kinds of the records, in order, without the limits that begin the log.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.lock().log[1..].iter().map(|entry| entry.kind.clone()).collect()
    }

    /// Who called, in order.
    pub(crate) fn callers(&self) -> Vec<Caller> {
        self.lock().callers.clone()
    }

    /// The state of approvals.
    pub(crate) fn approvals(&self) -> Approvals {
        self.lock().approvals.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Home> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self, caller: &Caller) -> MutexGuard<'_, Home> {
        let mut home = self.lock();
        home.callers.push(caller.clone());
        home
    }
}

fn answer_at(id: &str) -> AnswerAt {
    AnswerAt {
        url: Some(format!("http://127.0.0.1:7878/questions/{id}")),
        command: Some(format!("credence answer {id}")),
    }
}

fn person(name: Option<&str>) -> Result<(), HostError> {
    match name {
        None | Some(PERSON) => Ok(()),
        Some(other) => Err(HostError::UnknownPerson { person: other.to_owned(), known: vec![PERSON.to_owned()] }),
    }
}

fn approval_error(error: ApprovalError) -> HostError {
    match error {
        ApprovalError::OtherThanShown { .. } => HostError::OtherThanShown,
        ApprovalError::NotAsked { asked } => HostError::NotOpen { question: asked.to_string() },
        ApprovalError::Request { source } => {
            HostError::BadInput { what: "the request".to_owned(), expected: source.to_string() }
        }
        other => HostError::Home { source: Box::new(other) },
    }
}

impl Home {
    /// Noon, and one second for each record: the clock is an argument.
    fn now(&self) -> DateTime {
        let noon: DateTime = date(2026, 11, 28).at(12, 0, 0, 0);
        noon.saturating_add(jiff::SignedDuration::from_secs(self.log.len() as i64))
    }

    fn append(&mut self, kind: &str, words: String, record: serde_json::Value) -> u64 {
        let seq = self.log.len() as u64;
        self.log.push(LogEntry { seq, kind: kind.to_owned(), words, record });
        seq
    }

    fn append_approval(&mut self, record: ApprovalRecord) -> Result<u64, ApprovalError> {
        self.approvals.apply(&record)?;
        let json = serde_json::to_value(&record).expect("JSON");
        let kind = json["kind"].as_str().expect("a kind").to_owned();
        let seq = self.append(&kind, kind.replace('_', " "), json);
        self.numbers.push(seq);
        Ok(seq)
    }

    fn judge(&mut self, request: &Request) -> Result<Approval, ApprovalError> {
        let explanation = self.approvals.explain(request, self.now())?;
        let Explanation { decision, .. } = explanation;
        let mut approval = Approval::new(explanation, request.shown_hash());
        for earlier in &mut approval.nearest {
            earlier.record = self.numbers[earlier.record as usize];
        }
        let (audit, at) = (decision.audit, self.now());
        match (decision.verdict, decision.allowed_by()) {
            (Verdict::Allow, Some(by)) => {
                let allowed = ApprovalRecord::ActAllowed { request: request.clone(), by, audit, at };
                approval.record = Some(self.append_approval(allowed)?);
            }
            (Verdict::Ask, _) => {
                let hash = request.shown_hash();
                let waiting = self.asked.iter().find(|(_, asked)| asked.shown_hash() == hash).map(|(id, _)| *id);
                let id = match waiting.filter(|_| decision.reason == ApprovalReason::Pending) {
                    Some(id) => id,
                    None => {
                        let asked = ApprovalRecord::ApprovalAsked { request: request.clone(), audit, at };
                        let id = self.append_approval(asked)?;
                        self.asked.insert(id, request.clone());
                        id
                    }
                };
                approval.question = Some(OpenApproval { id, answer_at: answer_at(&id.to_string()) });
            }
            _ => {}
        }
        Ok(approval)
    }

    fn answer(&mut self, answer: &ApprovalAnswer) -> Result<Approval, ApprovalError> {
        let ApprovalAnswer { question, shown_hash, verdict, scope } = *answer;
        let not_asked = ApprovalError::NotAsked { asked: question };
        let request = self.asked.get(&question).cloned().ok_or_else(|| not_asked.clone())?;
        let asked = self.numbers.iter().position(|seq| *seq == question).ok_or(not_asked)? as u64;
        let at = self.now();
        let answered =
            ApprovalRecord::ApprovalAnswered { asked, shown_hash, verdict, scope, pattern: None, expires: None, at };
        self.append_approval(answered)?;
        self.asked.remove(&question);
        if verdict != PersonVerdict::Refused {
            return self.judge(&request);
        }
        let explanation = self.approvals.explain(&request, self.now())?;
        let mut approval = Approval::new(explanation, shown_hash);
        approval.verdict = Verdict::Refuse;
        approval.why = "Refused: you said no.".to_owned();
        Ok(approval)
    }

    fn decided(&mut self, asked: &DecideArguments, option: Option<usize>) -> Decision {
        let record = self.append("act_chosen", format!("decided: {option:?}"), serde_json::json!({ "option": option }));
        Decision {
            verdict: if option.is_some() { Choice::Act } else { Choice::Defer },
            chosen: option,
            chosen_words: option.map(|i| asked.alternatives[i].clone()),
            regret: 0.0,
            reasons: vec![Reason { words: "You said so.".to_owned(), records: vec![record - 1] }],
            question: None,
            record: Some(record),
        }
    }
}

impl Host for ScriptedHost {
    async fn decide(&self, caller: &Caller, asked: DecideArguments) -> Result<Decision, HostError> {
        let mut home = self.called(caller);
        person(asked.person.as_deref())?;
        if let Some((_, option)) = home.known.iter().find(|(known, _)| *known == asked).cloned() {
            return Ok(home.decided(&asked, option));
        }
        let waiting = home.questions.iter().find(|(_, waiting)| **waiting == asked).map(|(id, _)| id.clone());
        let id = waiting.unwrap_or_else(|| {
            let seq = home.append("question_asked", "asked".to_owned(), serde_json::json!(asked.alternatives));
            home.questions.insert(format!("q{seq}"), asked.clone());
            format!("q{seq}")
        });
        Ok(Decision {
            verdict: Choice::Ask,
            chosen: None,
            chosen_words: None,
            regret: 0.25,
            reasons: vec![Reason { words: "Nothing is known of you yet.".to_owned(), records: Vec::new() }],
            question: Some(OpenQuestion {
                answer_at: answer_at(&id),
                id,
                words: format!("{} What would you rather have?", asked.situation),
                options: asked.alternatives,
            }),
            record: None,
        })
    }

    async fn answer_decision(&self, caller: &Caller, answer: DecisionAnswer) -> Result<Decision, HostError> {
        let mut home = self.called(caller);
        let asked = home.questions.remove(&answer.question);
        let asked = asked.ok_or_else(|| HostError::NotOpen { question: answer.question.clone() })?;
        home.append("question_answered", "answered".to_owned(), serde_json::json!({ "option": answer.option }));
        home.known.push((asked.clone(), answer.option));
        Ok(home.decided(&asked, answer.option))
    }

    async fn request_approval(&self, caller: &Caller, asked: ApprovalArguments) -> Result<Approval, HostError> {
        self.called(caller).judge(&asked.request()).map_err(approval_error)
    }

    async fn answer_approval(&self, caller: &Caller, answer: ApprovalAnswer) -> Result<Approval, HostError> {
        self.called(caller).answer(&answer).map_err(approval_error)
    }

    async fn report_outcome(&self, caller: &Caller, report: OutcomeArguments) -> Result<OutcomeNoted, HostError> {
        let mut home = self.called(caller);
        let kind = home.log.get(report.record as usize).map(|entry| entry.kind.clone());
        match kind.as_deref() {
            Some("act_allowed" | "act_chosen") => {
                let record = serde_json::json!({ "of": report.record, "observed": report.observed });
                let seq = home.append("outcome_reported", format!("{:?}", report.outcome), record);
                Ok(OutcomeNoted { record: Some(seq), words: "It is noted. It moved no belief.".to_owned() })
            }
            Some(other) => Err(HostError::BadInput {
                what: format!("record {}", report.record),
                expected: format!("it is no act but a record of kind {other}"),
            }),
            None => Err(HostError::NotFound { what: format!("record {}", report.record) }),
        }
    }

    async fn propose_question(&self, caller: &Caller, proposal: ProposalArguments) -> Result<Proposal, HostError> {
        let mut home = self.called(caller);
        person(proposal.person.as_deref())?;
        let seq = home.append("question_proposed", proposal.situation, serde_json::json!(proposal.alternatives));
        let words = "It waits with the other questions.".to_owned();
        let answer_at = answer_at(&seq.to_string());
        Ok(Proposal { accepted: true, words, id: Some(seq.to_string()), answer_at: Some(answer_at) })
    }

    async fn get_values(&self, caller: &Caller, asked: ValuesArguments) -> Result<Values, HostError> {
        let home = self.called(caller);
        person(asked.person.as_deref())?;
        if caller.principal == Some(Principal("guest".to_owned())) {
            return Err(HostError::NotAllowed { what: format!("read the values of {PERSON}") });
        }
        let value = |name: &str, mean: f64| Value { name: name.to_owned(), mean, low: mean - 2.0, high: mean + 2.0 };
        Ok(Values {
            person: PERSON.to_owned(),
            answers: home.known.len() as u64,
            values: vec![value("Honesty", 6.25), value("Tradition", -9.0)],
        })
    }

    async fn explain(&self, caller: &Caller, asked: ExplainArguments) -> Result<Explained, HostError> {
        let home = self.called(caller);
        let summary = match (asked.record, asked.value) {
            (Some(seq), _) => home.log.get(seq as usize).map(|entry| entry.words.clone()),
            (None, value) => value.map(|name| format!("{name} rests on the prior alone.")),
        };
        let summary = summary.ok_or_else(|| HostError::NotFound { what: format!("record {:?}", asked.record) })?;
        Ok(Explained { summary, reasons: Vec::new(), would_change: vec!["Answer a question.".to_owned()] })
    }

    async fn people(&self, _: &Caller) -> Result<Vec<String>, HostError> {
        Ok(vec![PERSON.to_owned()])
    }

    async fn log(&self, caller: &Caller, from: u64, limit: usize) -> Result<LogPage, HostError> {
        let home = self.called(caller);
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(home.log.len());
        let end = from.saturating_add(limit).min(home.log.len());
        let next = (end < home.log.len()).then_some(end as u64);
        Ok(LogPage { records: home.log[from..end].to_vec(), next })
    }

    async fn log_entry(&self, caller: &Caller, seq: u64) -> Result<LogEntry, HostError> {
        let entry = usize::try_from(seq).ok().and_then(|seq| self.called(caller).log.get(seq).cloned());
        entry.ok_or_else(|| HostError::NotFound { what: format!("record {seq}") })
    }
}
