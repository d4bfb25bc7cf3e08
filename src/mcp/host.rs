//! A home as agents may use it: what the protocol asks for, done at the desk.

use std::sync::Arc;

use credence_agent::approvals::{self, ApprovalAnswer as Answered, ApprovalVerdict, ApproveError, Now};
use credence_agent::calls;
use credence_agent::decide::{Bars, Decided, decide, record};
use credence_agent::open_question::OpenQuestion as Question;
use credence_agent::reader::ReaderError;
use credence_agent::session::{Answer, SessionError, record_described};
use credence_agent::{keyed, names, views, wording};
use credence_approvals::Stated;
use credence_mcp::{
    AnswerAt, Approval, ApprovalAnswer, ApprovalArguments, Caller, DecideArguments, Decision, DecisionAnswer,
    ExplainArguments, Explained, Host, HostError, LogEntry, LogPage, OutcomeArguments, OutcomeNoted, Proposal,
    ProposalArguments, Value, Values, ValuesArguments,
};
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, QuestionId, Seq, SourceId};
use credence_memory::record::{ActOutcome, Outcome};
use credence_memory::text::normal;
use credence_priors::ModelError;

use super::explained::{explained_record, explained_value, in_log, known};
use super::reading::{LiveReading, ToProbe, ToRead};
use super::terms::{approval, in_terms, named, of_approvals, of_calls};
use crate::commands::approvals::here;
use crate::commands::decide::text;
use crate::probing::{Watched, note};
use crate::serve::desk::{Desk, DeskHandle};
use crate::serve::done::Key;
use crate::serve::problem::Problem;
use crate::surroundings::now;

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

pub(super) type Place = Box<dyn Fn(Elsewhere) -> AnswerAt + Send + Sync>;

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
                let keyed = keyed::in_pack(home.state(), &place, &words).map_err(failed)?;
                record_described(home, keyed, now()).map_err(failed)?;
                Ok(ToRead::of(home, &place, &words))
            })
            .await?;
        let Some(missing) = missing else { return Ok(()) };
        let reading = Arc::clone(&self.reading);
        let described =
            tokio::task::spawn_blocking(move || reading.read(&missing)).await.map_err(failed)?.map_err(unread)?;
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

    /// Decides, guards against wording, and records; once, where it is asked again with the same key.
    async fn settle(&self, asked: Asked, key: Option<Key>) -> Result<Decision, HostError> {
        let of_desk = |problem: Problem| failed(problem.detail);
        let before = self.desk.run(move |desk| desk.gave::<Decision>(key)).await.map_err(of_desk)?;
        let before = before.map_err(|p| HostError::BadInput { what: "the key".into(), expected: p.detail })?;
        let mut decision = match before {
            Some(before) => before,
            None => {
                let guarded = self.weighed(&asked).await?;
                let decide = move |desk: &mut Desk| -> Result<Decision, Problem> {
                    let ids = asked.ids();
                    let seq = record(&mut desk.home, &asked.person, None, &ids, &guarded, now())?;
                    Ok(in_terms(&desk.home, seq, &ids, &guarded))
                };
                let made = self.desk.run(move |desk| desk.once(key, decide)).await;
                made.and_then(|made| made).map_err(of_desk)?
            }
        };
        if let (Some(question), Some(seq)) = (&mut decision.question, decision.record) {
            question.answer_at = (self.place)(Elsewhere::Decision(Seq(seq)));
        }
        Ok(decision)
    }

    /// Decides as [`Host::decide`] does; once, where it is asked again with the same key.
    pub(crate) async fn decide_once(
        &self,
        caller: &Caller,
        asked: DecideArguments,
        key: Option<Key>,
    ) -> Result<Decision, HostError> {
        let person = self.whom(caller, asked.person.as_deref())?;
        let situation = normal(asked.situation.trim()).into_owned();
        let texts = asked.alternatives.iter().map(|t| normal(t.trim()).into_owned()).collect();
        self.settle(Asked { person, situation, texts, may_ask: true }, key).await
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

pub(super) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostError {
    HostError::Home { source: error.into() }
}

/// Why a model did not read something.
fn unread(error: anyhow::Error) -> HostError {
    match error.downcast_ref() {
        Some(ReaderError::Model(long @ ModelError::TooLong { .. })) => {
            HostError::BadInput { what: "the situation with its acts".into(), expected: long.to_string() }
        }
        _ => HostError::Home { source: error.into() },
    }
}

fn of_session(error: SessionError) -> HostError {
    failed(error)
}

impl Host for DeskHost {
    async fn decide(&self, caller: &Caller, asked: DecideArguments) -> Result<Decision, HostError> {
        self.decide_once(caller, asked, None).await
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
        self.settle(asked.ok_or_else(not_open)?, None).await
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
                    return refused(home, &owner, &request, &now).map_err(of_approvals);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_cannot_hold_is_the_callers_to_shorten() {
        let long = ModelError::TooLong { tokens: 12_000, context: 4_096, beginning: "A neighbour asks.".into() };
        let refused = Problem::from(unread(ReaderError::Model(long).into()));
        assert_eq!((refused.status, refused.code), (422, "wrong-input"));
        assert!(refused.detail.contains("12000 tokens"), "{}", refused.detail);
        assert_eq!(Problem::from(unread(anyhow::anyhow!("no model"))).status, 500);
    }
}
