//! A home as agents may use it: what the protocol asks for, done at the desk.

use std::sync::Arc;

use credence_agent::approvals::{self, ApprovalAnswer as Answered, ApprovalVerdict, ApproveError, Now};
use credence_agent::calls::{self, CallError};
use credence_agent::decide::{Bars, Decided, decide, record};
use credence_agent::open_question::OpenQuestion as Question;
use credence_agent::session::{Answer, SessionError, record_described};
use credence_agent::{in_words, influence, keyed, names, views, wording};
use credence_approvals::{ApprovalError, Stated};
use credence_mcp::{
    Agent, AnswerAt, Approval, ApprovalAnswer, ApprovalArguments, Caller, Choice, DecideArguments, Decision,
    DecisionAnswer, ExplainArguments, Explained, Host, HostError, LogEntry, LogPage, OpenApproval, OpenQuestion,
    OutcomeArguments, OutcomeNoted, Proposal, ProposalArguments, Reason, Value, Values, ValuesArguments,
};
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, QuestionId, Seq, SourceId};
use credence_memory::observation::contrast;
use credence_memory::record::{ActOutcome, Outcome, Record};
use credence_memory::text::normal;

use super::reading::{LiveReading, ToProbe, ToRead};
use crate::commands::approvals::here;
use crate::commands::decide::text;
use crate::commands::evidence::outline;
use crate::probing::{Watched, note};
use crate::serve::desk::DeskHandle;
use crate::surroundings::now;

/// People named where somebody is not found.
const KNOWN_MAX: usize = 8;
/// Records of evidence named for a value, at most.
const EVIDENCE_MAX: usize = 8;

/// Who came over HTTP: with an agent's token, or with the owner's. Over standard input and output it is whoever started the process.
pub(crate) const AGENT: &str = "agent";
pub(crate) const OWNER: &str = "owner";

/// What a person can say elsewhere than to the agent's client.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Elsewhere {
    /// Whether a call may be made: the question's number among the owner's approvals.
    Call(u64),
    /// Which of two they would rather have: the decision's record.
    Decision(Seq),
    /// That an act is taken back: its number among the owner's approvals.
    Act(u64),
}

type Place = Box<dyn Fn(Elsewhere) -> AnswerAt + Send + Sync>;

/// A home behind a desk.
pub(crate) struct DeskHost {
    desk: DeskHandle,
    owner: PersonId,
    reading: Arc<LiveReading>,
    bars: Bars,
    /// Where a person can say it.
    place: Place,
}

/// A decision that is being made.
#[derive(Clone)]
struct Asked {
    person: PersonId,
    situation: String,
    texts: Vec<String>,
    may_ask: bool,
}

impl Asked {
    fn ids(&self) -> Vec<AlternativeId> {
        self.texts.iter().map(|text| AlternativeId::of(&self.situation, text)).collect()
    }
}

impl DeskHost {
    /// Of a desk, for one owner.
    pub(crate) fn new(
        desk: DeskHandle,
        owner: PersonId,
        reading: Arc<LiveReading>,
        bars: Bars,
        place: impl Fn(Elsewhere) -> AnswerAt + Send + Sync + 'static,
    ) -> Self {
        Self { desk, owner, reading, bars, place: Box::new(place) }
    }

    /// Whose agents are meant.
    pub(crate) fn owner(&self) -> &PersonId {
        &self.owner
    }

    async fn at_desk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Home) -> Result<T, HostError> + Send + 'static,
    ) -> Result<T, HostError> {
        self.desk
            .run(move |desk| work(&mut desk.home))
            .await
            .map_err(|p| HostError::Home { source: p.detail.into() })?
    }

    /// Who is meant. An agent that came over HTTP speaks of its owner and of nobody else.
    fn whom(&self, caller: &Caller, named: Option<&str>) -> Result<PersonId, HostError> {
        let Some(name) = named else { return Ok(self.owner.clone()) };
        let person =
            PersonId::new(name).map_err(|e| HostError::BadInput { what: "person".into(), expected: e.to_string() })?;
        match is_agent(caller) && person != self.owner {
            true => Err(HostError::NotAllowed { what: format!("speak of {person}") }),
            false => Ok(person),
        }
    }

    /// Has everything described that a decision needs.
    async fn described(&self, situation: &str, texts: &[String]) -> Result<(), HostError> {
        let (place, words) = (situation.to_owned(), texts.to_vec());
        let missing = self
            .at_desk(move |home| {
                let keyed = keyed::in_built_in_bank(home.state(), &place, &words).map_err(failed)?;
                record_described(home, keyed, now()).map_err(failed)?;
                Ok(ToRead::of(home, &place, &words))
            })
            .await?;
        let Some(missing) = missing else { return Ok(()) };
        let reading = Arc::clone(&self.reading);
        let described = tokio::task::spawn_blocking(move || reading.read(&missing))
            .await
            .map_err(failed)?
            .map_err(|e| HostError::Home { source: e.into() })?;
        self.at_desk(move |home| record_described(home, described, now()).map_err(failed)).await
    }

    /// Has probes read the alternatives, where there are probes for the home's model.
    async fn watched(&self, asked: &Asked) -> Result<(), HostError> {
        let reading = Arc::clone(&self.reading);
        let (whose, ids) = (Watched { person: asked.person.clone(), task: None }, asked.ids());
        let wanted = self.at_desk(move |home| Ok(ToProbe::of(home, reading.probes(), whose, &ids))).await?;
        let Some(wanted) = wanted else { return Ok(()) };
        let reading = Arc::clone(&self.reading);
        let read = tokio::task::spawn_blocking(move || reading.motives(&wanted)).await.map_err(failed)?;
        let read = read.map_err(|e| HostError::Home { source: e.into() })?;
        self.at_desk(move |home| {
            read.into_iter().try_for_each(|r| note(home, r)).map_err(|e| HostError::Home { source: e.into() })
        })
        .await
    }

    /// Has everything read that a decision between these acts needs, and nothing decided: also other words for the situation, where an
    /// act would be chosen that hangs on them.
    ///
    /// # Errors
    /// An act that nobody described needs a model, and there is none. What probes and other words would say is left out then.
    pub(crate) async fn prepare(
        &self,
        person: PersonId,
        situation: String,
        texts: Vec<String>,
    ) -> Result<(), HostError> {
        self.described(&situation, &texts).await?;
        if let Err(error) = self.weighed(&Asked { person, situation, texts, may_ask: true }).await {
            tracing::warn!("other words for a situation were not tried: {error}");
        }
        Ok(())
    }

    /// Decides and guards against wording; nothing is decided for good yet.
    async fn weighed(&self, asked: &Asked) -> Result<Decided, HostError> {
        self.described(&asked.situation, &asked.texts).await?;
        self.watched(asked).await?;
        let (bars, made) = (self.bars, asked.clone());
        let decided = self
            .at_desk(move |home| {
                let alone = vec![None; made.texts.len()];
                // Formed once, and not anew for every reason.
                home.believe(&made.person).map_err(failed)?;
                decide(home.state(), &made.person, &made.ids(), &alone, bars, made.may_ask).map_err(failed)
            })
            .await?;
        self.guarded(asked, decided).await
    }

    /// Decides, guards against wording, and records.
    async fn settle(&self, asked: Asked) -> Result<Decision, HostError> {
        let guarded = self.weighed(&asked).await?;
        let decision = self.at_desk(move |home| {
            let ids = asked.ids();
            let seq = record(home, &asked.person, None, &ids, &guarded, now()).map_err(failed)?;
            Ok((seq, in_terms(home, seq, &ids, &guarded)))
        });
        let (seq, mut decision) = decision.await?;
        if let Some(question) = &mut decision.question {
            question.answer_at = (self.place)(Elsewhere::Decision(seq));
        }
        Ok(decision)
    }

    /// An act is left to the person where it hangs on the wording of the situation.
    async fn guarded(&self, asked: &Asked, mut decided: Decided) -> Result<Decided, HostError> {
        let bars = self.bars;
        if !matches!(decided.outcome, Outcome::Act { .. }) || !bars.wording_max.is_finite() {
            return Ok(decided);
        }
        let texts = [decided.best, decided.second].map(|at| asked.texts[at].clone());
        let others = wording::reworded(&asked.situation);
        for other in &others {
            self.described(&normal(other), &texts).await?;
        }
        let pair_in = |situation: &str| [0, 1].map(|k: usize| AlternativeId::of(&normal(situation), &texts[k]));
        let (pair, reworded) = (pair_in(&asked.situation), others.iter().map(|o| pair_in(o)).collect::<Vec<_>>());
        let person = asked.person.clone();
        let moved =
            self.at_desk(move |home| wording::moved(home.state(), &person, pair, &reworded).map_err(failed)).await?;
        decided.guard(moved, bars);
        Ok(decided)
    }
}

/// Whether a caller came over HTTP with an agent's token.
fn is_agent(caller: &Caller) -> bool {
    caller.principal.as_ref().is_some_and(|principal| principal.0 == AGENT)
}

/// The log has what everybody said.
fn may_read_log(caller: &Caller) -> Result<(), HostError> {
    if is_agent(caller) { Err(HostError::NotAllowed { what: "read the log".into() }) } else { Ok(()) }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostError {
    HostError::Home { source: error.into() }
}

fn of_session(error: SessionError) -> HostError {
    failed(error)
}

/// An agent as it calls itself.
fn named(agent: &Agent) -> String {
    match (agent.name.trim(), agent.version.trim()) {
        ("", _) => "an agent".to_owned(),
        (name, "") => format!("agent {name}"),
        (name, version) => format!("agent {name} {version}"),
    }
}

fn of_calls(error: CallError) -> HostError {
    match error {
        CallError::NothingToReport(record) => {
            HostError::NotFound { what: format!("decision, or act that passed, with the record {record}") }
        }
        CallError::TooLong { .. } => HostError::BadInput { what: "observed".into(), expected: error.to_string() },
        other => failed(other),
    }
}

fn of_approvals(error: ApproveError) -> HostError {
    match error {
        ApproveError::Approval(ApprovalError::NotAsked { asked }) => HostError::NotOpen { question: asked.to_string() },
        ApproveError::NotOpen { question, .. } => HostError::NotOpen { question: question.to_string() },
        ApproveError::Approval(ApprovalError::OtherThanShown { .. }) => HostError::OtherThanShown,
        ApproveError::Approval(ApprovalError::Request { source }) => {
            HostError::BadInput { what: "the request".into(), expected: source.to_string() }
        }
        ApproveError::Unusable(why) => HostError::BadInput { what: "the answer".into(), expected: why },
        other => failed(other),
    }
}

/// A decision as the protocol has it; where its question can be answered is still to be said.
fn in_terms(home: &Home, seq: Seq, ids: &[AlternativeId], decided: &Decided) -> Decision {
    let at = |id: &AlternativeId| ids.iter().position(|other| other == id);
    let (verdict, chosen) = match &decided.outcome {
        Outcome::Act { alternative } => (Choice::Act, at(alternative)),
        Outcome::Ask { .. } => (Choice::Ask, None),
        Outcome::Defer { .. } => (Choice::Defer, None),
    };
    let mut reasons: Vec<Reason> = match &decided.outcome {
        Outcome::Defer { because } => vec![Reason { words: because.clone(), records: Vec::new() }],
        _ => Vec::new(),
    };
    reasons.extend(decided.contributions.iter().take(6).map(|part| {
        let speaks_for = if part.contribution < 0.0 { decided.second } else { decided.best };
        let rests = decided.reasons.iter().filter(|r| names::of_id(&r.feature) == part.name).flat_map(|r| &r.evidence);
        let words = format!("{} speaks for {:?}", part.name, text(home, &ids[speaks_for]));
        Reason { words, records: rests.map(|seq| seq.0).collect() }
    }));
    let question = decided.question.as_ref().filter(|_| verdict == Choice::Ask).map(|q| {
        let [first, second] = q.alternatives.map(|id| text(home, &id));
        OpenQuestion {
            id: format!("{}", seq.0),
            words: format!(
                "{}: which would you rather have?",
                home.state().description(&q.alternatives[0]).map_or("", |d| d.situation.as_str())
            ),
            options: vec![first, second, "no preference".into()],
            answer_at: AnswerAt::default(),
        }
    });
    Decision {
        verdict,
        chosen,
        chosen_words: chosen.map(|at| text(home, &ids[at])),
        regret: decided.assessment.expected_regret.max(0.0),
        reasons,
        question,
        record: Some(seq.0),
    }
}

/// A verdict on a call as the protocol has it.
fn approval(verdict: ApprovalVerdict, place: &Place) -> Approval {
    let ApprovalVerdict { explanation, question, shown_hash, record, act, .. } = verdict;
    let number = act;
    let question = question.map(|id| OpenApproval { id, answer_at: place(Elsewhere::Call(id)) });
    let record = act.and(record).map(|seq| seq.0);
    Approval { act: number, record, question, ..Approval::new(explanation, shown_hash) }
}

impl Host for DeskHost {
    async fn decide(&self, caller: &Caller, asked: DecideArguments) -> Result<Decision, HostError> {
        let person = self.whom(caller, asked.person.as_deref())?;
        let situation = normal(asked.situation.trim()).into_owned();
        let texts = asked.alternatives.iter().map(|t| normal(t.trim()).into_owned()).collect();
        self.settle(Asked { person, situation, texts, may_ask: true }).await
    }

    async fn answer_decision(&self, _: &Caller, answer: DecisionAnswer) -> Result<Decision, HostError> {
        let not_open = || HostError::NotOpen { question: answer.question.clone() };
        let seq = answer.question.parse::<u64>().map(Seq).map_err(|_| not_open())?;
        let option = answer.option;
        let source = SourceId::new("mcp").map_err(failed)?;
        let asked = self
            .at_desk(move |home| {
                let decision = home.state().decisions().iter().find(|(at, _)| *at == seq).map(|(_, made)| made.clone());
                let Some(made) = decision else { return Ok(None) };
                let Outcome::Ask { question } = &made.outcome else { return Ok(None) };
                let pairs = made
                    .alternatives
                    .iter()
                    .enumerate()
                    .flat_map(|(i, a)| made.alternatives[i + 1..].iter().flat_map(move |b| [[*a, *b], [*b, *a]]));
                let Some(pair) = pairs.clone().find(|pair| QuestionId::of(pair) == *question) else { return Ok(None) };
                match option {
                    None => {}
                    Some(place) => {
                        let said = if place < 2 { Answer::Choose(place) } else { Answer::NoPreference };
                        let open = Question::put(home, &made.person, &source, pair, now()).map_err(of_session)?;
                        open.answer(home, said, now()).map_err(of_session)?;
                    }
                }
                let state = home.state();
                let situation = state.description(&pair[0]).map(|d| d.situation.clone()).unwrap_or_default();
                let texts = made.alternatives.iter().map(|id| text(home, id)).collect();
                Ok(Some(Asked { person: made.person, situation, texts, may_ask: option.is_some() }))
            })
            .await?;
        self.settle(asked.ok_or_else(not_open)?).await
    }

    async fn request_approval(&self, _: &Caller, asked: ApprovalArguments) -> Result<Approval, HostError> {
        let owner = self.owner.clone();
        let stated = Stated {
            tool: asked.tool,
            arguments: asked.arguments,
            task: asked.task,
            context: asked.context,
            reversible: asked.reversible,
            affected: asked.affected,
            cost: Some(asked.cost),
            outside: asked.outside,
            declared: asked.declared,
            // Nobody says where a path begins: a relative one counts as outside.
            cwd: None,
        };
        let verdict =
            self.at_desk(move |home| approvals::request(home, &owner, stated, &here()).map_err(of_approvals)).await?;
        Ok(approval(verdict, &self.place))
    }

    async fn answer_approval(&self, _: &Caller, answer: ApprovalAnswer) -> Result<Approval, HostError> {
        let owner = self.owner.clone();
        let verdict = self
            .at_desk(move |home| {
                let now: Now = here();
                let state = approvals::of(home, &owner).map_err(of_approvals)?;
                let open = state.open_questions().find(|(asked, _)| *asked == answer.question);
                let Some(request) = open.map(|(_, request)| request.clone()) else {
                    return Err(HostError::NotOpen { question: answer.question.to_string() });
                };
                let said = Answered { verdict: answer.verdict, scope: answer.scope, pattern: None, expires: None };
                approvals::answer(home, &owner, answer.question, answer.shown_hash, said, &now)
                    .map_err(of_approvals)?;
                let stated = Stated {
                    tool: request.tool,
                    arguments: request.arguments,
                    task: request.task,
                    context: request.context,
                    reversible: Some(request.reversible),
                    affected: Some(request.affected),
                    cost: Some(request.cost),
                    outside: Some(request.outside),
                    declared: request.declared,
                    cwd: Some(request.cwd).filter(|cwd| !cwd.is_empty()),
                };
                // What was approved passes now, once; what was refused must not be asked again at once.
                if answer.verdict == credence_approvals::PersonVerdict::Refused {
                    let request = approvals::of(home, &owner).map_err(of_approvals)?.settings().request(stated);
                    return Ok(refused(home, &owner, &request, &now).map_err(of_approvals)?);
                }
                approvals::request(home, &owner, stated, &now).map_err(of_approvals)
            })
            .await?;
        Ok(approval(verdict, &self.place))
    }

    async fn report_outcome(&self, caller: &Caller, report: OutcomeArguments) -> Result<OutcomeNoted, HostError> {
        let owner = self.owner.clone();
        let is_agent = is_agent(caller);
        let by = named(&caller.agent);
        let (record, act) = self
            .at_desk(move |home| {
                let of = Seq(report.record);
                if is_agent && home.state().can_be_reported(of).is_some_and(|person| *person != owner) {
                    return Err(HostError::NotAllowed { what: format!("report what became of record {of}") });
                }
                let outcome = match report.outcome {
                    credence_mcp::Outcome::Done => ActOutcome::Done,
                    credence_mcp::Outcome::Failed => ActOutcome::Failed,
                    credence_mcp::Outcome::NotDone => ActOutcome::NotDone,
                    credence_mcp::Outcome::Undone => ActOutcome::Undone,
                };
                let record = calls::report(home, of, outcome, &report.observed, &by, now()).map_err(of_calls)?;
                Ok((record, act_of(home, &owner, of)))
            })
            .await?;
        let mut words = "Recorded as what you say. An agent's word is no evidence of anybody's values".to_owned();
        if let Some(act) = act {
            let place = (self.place)(Elsewhere::Act(act)).words();
            words += &format!("; if the person took the act back, they can say so {place}");
        }
        words.push('.');
        Ok(OutcomeNoted { record: Some(record.0), words })
    }

    async fn propose_question(&self, caller: &Caller, proposal: ProposalArguments) -> Result<Proposal, HostError> {
        let person = self.whom(caller, proposal.person.as_deref())?;
        let situation = normal(proposal.situation.trim()).into_owned();
        let texts: Vec<String> = proposal.alternatives.iter().map(|t| normal(t.trim()).into_owned()).collect();
        self.described(&situation, &texts).await?;
        let ids: Vec<AlternativeId> = texts.iter().map(|t| AlternativeId::of(&situation, t)).collect();
        let alone = vec![None; ids.len()];
        let bars = self.bars;
        let (decided, seq, person) = self
            .at_desk(move |home| {
                home.believe(&person).map_err(failed)?;
                let decided = decide(home.state(), &person, &ids, &alone, bars, true).map_err(failed)?;
                let seq = match decided.question {
                    Some(_) => Some(record(home, &person, None, &ids, &decided, now()).map_err(failed)?),
                    None => None,
                };
                Ok((decided, seq, person))
            })
            .await?;
        Ok(match (&decided.question, seq) {
            (Some(_), Some(seq)) => Proposal {
                accepted: true,
                words: format!("An answer of {person} would be worth its cost; it waits as a decision."),
                id: Some(seq.0.to_string()),
                answer_at: Some((self.place)(Elsewhere::Decision(seq))),
            },
            _ => Proposal {
                accepted: false,
                words: "What is believed already settles it: the question is not worth the person's time.".into(),
                id: None,
                answer_at: None,
            },
        })
    }

    async fn get_values(&self, caller: &Caller, asked: ValuesArguments) -> Result<Values, HostError> {
        let person = self.whom(caller, asked.person.as_deref())?;
        self.at_desk(move |home| {
            known(home, &person)?;
            let view = views::values(home.state(), &person, names::value).map_err(failed)?;
            let mut values = view.values;
            values.sort_by_key(|v| v.rank);
            let value =
                |v: credence_agent::protocol::ValueView| Value { name: v.name, mean: v.mean, low: v.low, high: v.high };
            Ok(Values {
                person: person.to_string(),
                answers: (view.answers + view.statements) as u64,
                values: values.into_iter().map(value).collect(),
            })
        })
        .await
    }

    async fn explain(&self, caller: &Caller, asked: ExplainArguments) -> Result<Explained, HostError> {
        let person = self.whom(caller, asked.person.as_deref())?;
        let only_of = is_agent(caller).then(|| self.owner.clone());
        self.at_desk(move |home| match (asked.record, asked.value) {
            (Some(record), _) => explained_record(home, Seq(record), only_of.as_ref()),
            (None, Some(value)) => explained_value(home, &person, &value),
            (None, None) => Err(HostError::BadInput { what: "record".into(), expected: "a record or a value".into() }),
        })
        .await
    }

    async fn people(&self, caller: &Caller) -> Result<Vec<String>, HostError> {
        if is_agent(caller) {
            return Ok(vec![self.owner.to_string()]);
        }
        self.at_desk(|home| Ok(home.state().people().keys().map(ToString::to_string).collect())).await
    }

    async fn log(&self, caller: &Caller, from: u64, limit: usize) -> Result<LogPage, HostError> {
        may_read_log(caller)?;
        self.at_desk(move |home| {
            let mut records = Vec::new();
            let mut next = None;
            for entry in home.entries().map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.seq.0 < from {
                    continue;
                }
                if records.len() == limit {
                    next = Some(entry.seq.0);
                    break;
                }
                records.push(in_log(home, entry.seq, &entry.record)?);
            }
            Ok(LogPage { records, next })
        })
        .await
    }

    async fn log_entry(&self, caller: &Caller, seq: u64) -> Result<LogEntry, HostError> {
        may_read_log(caller)?;
        self.at_desk(move |home| {
            let entry = home.entries().map_err(failed)?.find(|e| e.as_ref().is_ok_and(|e| e.seq.0 == seq));
            match entry {
                Some(entry) => {
                    let entry = entry.map_err(failed)?;
                    in_log(home, entry.seq, &entry.record)
                }
                None => Err(HostError::NotFound { what: format!("record {seq}") }),
            }
        })
        .await
    }
}

/// The number of the act whose record this is, among those of an owner; nothing for other records.
fn act_of(home: &Home, owner: &PersonId, of: Seq) -> Option<u64> {
    let mut acts = home.state().approvals(owner)?.acts();
    acts.rfind(|(act, ..)| home.state().record_of_act(owner, *act) == Some(of)).map(|(act, ..)| act)
}

/// What a call that was just refused is told, with nothing recorded once more.
fn refused(
    home: &Home,
    owner: &PersonId,
    request: &credence_approvals::Request,
    now: &Now,
) -> Result<ApprovalVerdict, ApproveError> {
    let mut explanation = approvals::of(home, owner)?.explain(request, now.local)?;
    explanation.decision.verdict = credence_approvals::Verdict::Refuse;
    explanation.summary = "Refused: the owner said no to this call.".into();
    Ok(ApprovalVerdict {
        verdict: credence_approvals::Verdict::Refuse,
        explanation,
        act: None,
        question: None,
        shown_hash: request.shown_hash(),
        record: None,
    })
}

fn known(home: &Home, person: &PersonId) -> Result<(), HostError> {
    if home.state().people().contains_key(person) {
        return Ok(());
    }
    let known = home.state().people().keys().take(KNOWN_MAX).map(ToString::to_string).collect();
    Err(HostError::UnknownPerson { person: person.to_string(), known })
}

fn in_log(home: &Home, seq: Seq, record: &Record) -> Result<LogEntry, HostError> {
    let mut value = serde_json::to_value(record).map_err(failed)?;
    // Whoever knows the seed of the audits can tell which of their acts will be asked.
    redact(&mut value);
    Ok(LogEntry { seq: seq.0, kind: record.kind().to_owned(), words: outline(home.state(), record), record: value })
}

/// Puts words in the place of the audit seed, wherever it stands.
fn redact(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                if name == "audit_seed" { *field = "kept from agents".into() } else { redact(field) }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Why a record is as it is; where `only_of` is given, of that person's decisions and approvals only.
fn explained_record(home: &Home, seq: Seq, only_of: Option<&PersonId>) -> Result<Explained, HostError> {
    let entry = home.entries().map_err(failed)?.find_map(|e| e.ok().filter(|e| e.seq == seq));
    let Some(entry) = entry else { return Err(HostError::NotFound { what: format!("record {seq}") }) };
    let whose = match &entry.record {
        Record::DecisionMade(made) => Some(&made.person),
        Record::ApprovalNoted(noted) => Some(&noted.person),
        Record::CallBegun(begun) => Some(&begun.person),
        Record::CallEnded(ended) => Some(&ended.person),
        Record::OutcomeReported(reported) => Some(&reported.person),
        Record::MotiveRead(read) => Some(&read.person),
        _ => None,
    };
    if only_of.is_some_and(|owner| whose != Some(owner)) {
        return Err(HostError::NotAllowed { what: format!("see record {seq}") });
    }
    let mut reasons = Vec::new();
    if let Record::DecisionMade(made) = &entry.record {
        reasons.extend(made.reasons.iter().map(|reason| Reason {
            words: format!("{} counted for {:+.2}", names::of_id(&reason.feature), reason.contribution.get()),
            records: reason.evidence.iter().map(|seq| seq.0).collect(),
        }));
    }
    let mut summary = outline(home.state(), &entry.record);
    if matches!(entry.record, Record::ApprovalNoted(_)) {
        let records = home.entries().map_err(failed)?.filter_map(|e| e.ok().map(|e| (e.seq, e.record)));
        let was = approvals::as_it_was(records, seq);
        if let Some((_, said, before)) = &was {
            summary = format!("{} ({})", summary, approvals::numbered(said, before.records()));
        }
        if let Some(why) = was.and_then(|(_, said, before)| approvals::entry_explained(&said, &before)) {
            let lines = approvals::explanation_in_words(&why);
            let words = |line: &String| Reason { words: line.trim().to_owned(), records: Vec::new() };
            let changes = why.would_change.len();
            reasons.extend(lines[..lines.len() - changes].iter().map(words));
            return Ok(Explained { summary, reasons, would_change: why.would_change });
        }
    }
    let would_change = match &entry.record {
        Record::DecisionMade(made) if matches!(made.outcome, Outcome::Ask { .. }) => {
            vec!["An answer to its question.".to_owned()]
        }
        Record::DecisionMade(_) => vec!["Answers to questions about the values that counted.".to_owned()],
        _ => Vec::new(),
    };
    Ok(Explained { summary, reasons, would_change })
}

fn explained_value(home: &Home, person: &PersonId, value: &str) -> Result<Explained, HostError> {
    known(home, person)?;
    let state = home.state();
    let view = views::values(state, person, names::value).map_err(failed)?;
    let same = |name: &str| name.eq_ignore_ascii_case(value.trim());
    let Some(at) = view.values.iter().position(|v| same(&v.id) || same(&v.name)) else {
        let known: Vec<&str> = view.values.iter().map(|v| v.name.as_str()).collect();
        return Err(HostError::BadInput { what: "value".into(), expected: format!("one of {}", known.join(", ")) });
    };
    let v = &view.values[at];
    let layout = &state.epoch().ok_or_else(|| HostError::NotFound { what: "prior".into() })?.layout;
    let mut direction = contrast(layout, at, None);
    direction.truncate(layout.dimension());
    let ranked = influence::ranked(state, person, &direction).map_err(failed)?;
    let reasons = ranked.iter().take(EVIDENCE_MAX).map(|moved| {
        let said = in_words::evidence(state, person, moved.seq, names::value).unwrap_or_default();
        Reason { words: format!("{said} ({:+.2})", moved.mean_change), records: vec![moved.seq.0] }
    });
    let side = match (v.sure, v.mean > 0.0) {
        (true, true) => "counts for more than the average of their values",
        (true, false) => "counts for less than the average of their values",
        (false, _) => "is still open",
    };
    Ok(Explained {
        summary: format!(
            "{} {side}: {:+.2}, 90% interval [{:+.2}, {:+.2}], place {} of {}.",
            v.name,
            v.mean,
            v.low,
            v.high,
            v.rank,
            view.values.len()
        ),
        reasons: reasons.collect(),
        would_change: vec![format!("Answers to questions in which {} is at stake; a session asks them.", v.name)],
    })
}
