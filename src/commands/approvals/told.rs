//! What is told of approvals: lists, one question, and what passes.

use std::collections::BTreeMap;

use credence_agent::approvals::{
    self, call_in_words, call_whole, explanation_in_words, pattern_in_words, rule_in_words,
};
use credence_agent::calls;
use credence_approvals::{
    Account, ActPattern, Approvals, Bound, By, Certificate, Explanation, Limits, PersonVerdict, Request, Settings,
    ShownHash, ToolDeclaration,
};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::record::{CallEnded, OutcomeReported};
use credence_memory::state::{Call, State};
use jiff::civil::DateTime;
use serde::Serialize;
use utoipa::ToSchema;

use super::{declared, here};
use crate::cli::Global;
use crate::exit::WrongInput;
use crate::hint::hint_of;
use crate::surroundings::{read_state, say, say_json};

/// What waits, holds and passed, as `credence approvals list --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListJson {
    open: Vec<OpenJson>,
    rules: Vec<RuleJson>,
    /// Acts that passed and were not taken back.
    acts: Vec<ActJson>,
    /// Acts that were carried out, or tried, and taken back.
    undone_and_carried_out: Vec<ActJson>,
}

/// An open question, as `credence approvals show QUESTION --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenJson {
    /// Its number.
    question: u64,
    request: Request,
    /// Hash of tool and arguments: what an answer is bound to.
    shown_hash: ShownHash,
    /// Why it is asked, and what would change that.
    explanation: Option<Explanation>,
}

/// An answer for a task or for always.
#[derive(Debug, Serialize, ToSchema)]
struct RuleJson {
    /// Its number.
    rule: u64,
    verdict: PersonVerdict,
    /// Which calls.
    pattern: ActPattern,
    /// The only task that it holds in; nothing where it holds in all.
    task: Option<String>,
    /// When it ends, in the owner's local time.
    #[schema(value_type = Option<String>)]
    expires: Option<DateTime>,
    in_words: String,
}

/// An act, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
struct ActJson {
    /// Its number.
    act: u64,
    request: Request,
    /// Who let it pass; absent where it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<By>,
    /// Its record in the log.
    record: Option<Seq>,
    /// The command that carried it out, or tried; nothing where none did.
    call: Option<CallJson>,
    /// What was reported of it.
    reports: Vec<OutcomeReported>,
}

/// A command that carried an act out, or tried.
#[derive(Debug, Serialize, ToSchema)]
struct CallJson {
    /// Its record in the log.
    record: Seq,
    /// How it ended; nothing where no end is known.
    ended: Option<CallEnded>,
    in_words: String,
}

/// What passes without a question, as `credence approvals show --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalsJson {
    person: PersonId,
    /// Answers and undone acts so far.
    answers: usize,
    /// The share of acts that may pass wrongly.
    share_max: f64,
    /// What that is a share of.
    bound: Bound,
    confidence: f64,
    /// By what belief lets acts pass; nothing while it does not.
    certificate: Option<Certificate>,
    audits: Account,
    /// How often belief was no longer let pass anything.
    withdrawals: u32,
    tools: Vec<ToolDeclaration>,
    limits: Limits,
    rules: Vec<RuleJson>,
    /// How many calls came to what.
    carried_out: BTreeMap<&'static str, usize>,
}

/// All of an open question: the call, why it is asked, what is believed, and what would change it.
pub(super) fn question(global: &Global, whose: &PersonId, question: u64, json: bool) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let approvals = declared(&state, whose)?;
    let Some((_, request)) = approvals.open_questions().find(|(open, _)| *open == question) else {
        anyhow::bail!(WrongInput(format!(
            "question {question} of {whose} is not open; {} names those that are",
            hint_of(whose, "approvals list")
        )));
    };
    let explanation = approvals.explain_question(question, here().local)?;
    let shown_hash = request.shown_hash();
    if json {
        let (request, explanation) = (request.clone(), Some(explanation));
        return say_json(&OpenJson { question, request, shown_hash, explanation });
    }
    say(format!("question {question}: may an agent call"))?;
    call_whole(request).iter().try_for_each(say)?;
    explanation_in_words(&explanation).iter().try_for_each(say)?;
    let hash = serde_json::to_value(shown_hash)?;
    let hash = hash.as_str().unwrap_or_default();
    say(format!(
        "{} (or refuse, ask-me)",
        hint_of(whose, format_args!("approvals answer {question} approve --shown {hash}"))
    ))
}

/// Rules as JSON.
fn rules_json(approvals: &Approvals) -> Vec<RuleJson> {
    let rule = |rule: &credence_approvals::Rule| RuleJson {
        rule: rule.record,
        verdict: rule.verdict,
        pattern: rule.pattern.clone(),
        task: rule.task.clone(),
        expires: rule.expires,
        in_words: rule_in_words(rule),
    };
    approvals.rules().iter().map(rule).collect()
}

pub(super) fn list(global: &Global, whose: &PersonId, json: bool) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let approvals = declared(&state, whose)?;
    if json {
        let open = approvals.open_questions().map(|(question, request)| OpenJson {
            question,
            request: request.clone(),
            shown_hash: request.shown_hash(),
            explanation: approvals.explain_question(question, here().local).ok(),
        });
        let acts = approvals.acts().map(|(act, request, by)| act_json(&state, whose, act, request, Some(by)));
        let undone = undone(&state, whose, approvals);
        return say_json(&ListJson {
            open: open.collect(),
            rules: rules_json(approvals),
            acts: acts.collect(),
            undone_and_carried_out: undone
                .map(|(act, call)| act_json(&state, whose, act, &call.request, None))
                .collect(),
        });
    }
    let mut nothing = true;
    for (question, request) in approvals.open_questions() {
        nothing = false;
        say(format!("question {question}  {}", call_in_words(request)))?;
        if !request.task.is_empty() || !request.context.is_empty() {
            say(format!("        task {:?}; the agent says {:?}", request.task, request.context))?;
        }
        say(format!("        {}", approvals::changes_in_words(request)))?;
        if let Ok(explanation) = approvals.explain_question(question, here().local) {
            say(format!("        {}", explanation.summary))?;
        }
        say(format!(
            "        all of it: {}; answer: {}",
            hint_of(whose, format_args!("approvals show {question}")),
            hint_of(whose, format_args!("approvals answer {question} approve"))
        ))?;
    }
    for rule in approvals.rules() {
        nothing = false;
        say(format!("rule {}  {}", rule.record, rule_in_words(rule)))?;
    }
    for (act, request, by) in approvals.acts() {
        nothing = false;
        let by = match by {
            By::Rule => "by a rule of yours",
            By::Belief => "by belief",
            By::Person => "you approved it",
        };
        say(format!("act {act}  {}  ({by})", call_in_words(request)))?;
        calls::became(&state, whose, act).iter().try_for_each(|line| say(format!("        {line}")))?;
    }
    for (act, call) in undone(&state, whose, approvals) {
        nothing = false;
        say(format!("act {act}  {}  (you took it back)", call_in_words(&call.request)))?;
        calls::became(&state, whose, act).iter().try_for_each(|line| say(format!("        {line}")))?;
    }
    if nothing { say("nothing was asked yet") } else { Ok(()) }
}

/// Acts that were carried out, or tried, and taken back.
fn undone<'a>(
    state: &'a State,
    whose: &'a PersonId,
    approvals: &'a credence_approvals::Approvals,
) -> impl Iterator<Item = (u64, &'a Call)> {
    let theirs = state.calls().values().filter(move |call| call.begun.person == *whose);
    theirs.map(|call| (call.begun.act, call)).filter(move |(act, _)| approvals.act(*act).is_none())
}

/// An act with what became of it.
fn act_json(state: &State, whose: &PersonId, act: u64, request: &Request, by: Option<By>) -> ActJson {
    let record = state.record_of_act(whose, act);
    let call = state.call_of_act(whose, act).map(|(seq, call)| CallJson {
        record: seq,
        ended: call.ended.as_ref().map(|(_, ended)| ended.clone()),
        in_words: calls::end_in_words(call),
    });
    let reports = record.map(|seq| state.outcomes(seq)).unwrap_or_default();
    let reports = reports.iter().map(|(_, report)| report.clone()).collect();
    ActJson { act, request: request.clone(), by, record, call, reports }
}

/// How many calls of an owner came to what.
fn carried_out(state: &State, whose: &PersonId) -> BTreeMap<&'static str, usize> {
    let mut counted = BTreeMap::new();
    for call in state.calls().values().filter(|call| call.begun.person == *whose) {
        let word = match &call.ended {
            Some((_, ended)) => calls::outcome_in_words(ended.outcome),
            None => "without an end so far",
        };
        *counted.entry(word).or_default() += 1;
    }
    counted
}

pub(super) fn show(global: &Global, whose: &PersonId, json: bool) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let approvals = declared(&state, whose)?;
    let settings = approvals.settings();
    let (certificate, account) = (approvals.certificate(), approvals.account());
    if json {
        return say_json(&ApprovalsJson {
            person: whose.clone(),
            answers: approvals.answered_count(),
            share_max: settings.share_max,
            bound: settings.bound,
            confidence: settings.confidence,
            certificate,
            audits: account,
            withdrawals: approvals.withdrawals(),
            tools: settings.tools.clone(),
            limits: approvals.limits().clone(),
            rules: rules_json(approvals),
            carried_out: carried_out(&state, whose),
        });
    }
    let tools: Vec<&str> = settings.tools.iter().map(|tool| tool.name.as_str()).collect();
    say(format!("tools: {}", if tools.is_empty() { "none".to_owned() } else { tools.join(", ") }))?;
    let of = match settings.bound {
        Bound::OfRefused => "of the acts you would refuse, at most this share may pass",
        Bound::OfPassed => "of the acts that pass, at most this share may be ones you would refuse",
    };
    say(format!("{of}: {} (with {:.0}% confidence)", settings.share_max, 100.0 * settings.confidence))?;
    say(format!("answers and undone acts so far: {}", approvals.answered_count()))?;
    match certificate {
        Some(_) => say(format!(
            "belief lets acts pass that it is sure enough of; {} shows them",
            hint_of(whose, "approvals list")
        ))?,
        None => {
            let first = settings.frozen_at.first().copied().unwrap_or(0);
            say(format!(
                "belief lets nothing pass yet: it needs {first} answers, and {} more to be tested on; answers for \"always\" work at once",
                settings.tested_min
            ))?;
        }
    }
    if settings.version < Settings::VERSION {
        say(format!(
            "calls are read as they were when this was declared; {} has them read with more care",
            hint_of(whose, "approvals declare FILE")
        ))?;
    }
    for rule in approvals.rules() {
        say(format!(
            "rule {}: {}; {} ends it",
            rule.record,
            rule_in_words(rule),
            hint_of(whose, format_args!("approvals revoke {}", rule.record))
        ))?;
    }
    let counted = carried_out(&state, whose);
    if !counted.is_empty() {
        let counted: Vec<String> = counted.iter().map(|(word, n)| format!("{n} {word}")).collect();
        say(format!("carried out: {}", counted.join(", ")))?;
    }
    for (name, patterns) in
        [("never", &approvals.limits().deny), ("always", &approvals.limits().allow), ("only", &approvals.limits().only)]
    {
        for pattern in patterns {
            say(format!("{name}: {}", pattern_in_words(pattern)))?;
        }
    }
    Ok(())
}
