//! Decisions, approvals and errors in the protocol's terms.

use credence_agent::approvals::{ApprovalVerdict, ApproveError};
use credence_agent::calls::CallError;
use credence_agent::decide::Decided;
use credence_agent::names;
use credence_approvals::ApprovalError;
use credence_mcp::{Agent, AnswerAt, Approval, Choice, Decision, HostError, OpenApproval, OpenQuestion, Reason};
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, Seq};
use credence_memory::record::Outcome;

use super::host::{Elsewhere, Place, failed};
use crate::commands::decide::text;

/// An agent as it calls itself.
pub(super) fn named(agent: &Agent) -> String {
    match (agent.name.trim(), agent.version.trim()) {
        ("", _) => "an agent".to_owned(),
        (name, "") => format!("agent {name}"),
        (name, version) => format!("agent {name} {version}"),
    }
}

pub(super) fn of_calls(error: CallError) -> HostError {
    match error {
        CallError::NothingToReport(record) => {
            HostError::NotFound { what: format!("decision, or act that passed, with the record {record}") }
        }
        CallError::TooLong { .. } => HostError::BadInput { what: "observed".into(), expected: error.to_string() },
        other => failed(other),
    }
}

pub(super) fn of_approvals(error: ApproveError) -> HostError {
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
pub(super) fn in_terms(home: &Home, seq: Seq, ids: &[AlternativeId], decided: &Decided) -> Decision {
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
pub(super) fn approval(verdict: ApprovalVerdict, place: &Place) -> Approval {
    let ApprovalVerdict { explanation, question, shown_hash, record, act, .. } = verdict;
    let number = act;
    let question = question.map(|id| OpenApproval { id, answer_at: place(Elsewhere::Call(id)) });
    let record = act.and(record).map(|seq| seq.0);
    Approval { act: number, record, question, ..Approval::new(explanation, shown_hash) }
}
