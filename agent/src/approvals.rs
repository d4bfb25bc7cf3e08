//! Approvals in a home: an agent asks, its owner answers, and everything is a record before it is said.

use credence_approvals::{
    ActPattern, ApprovalError, ApprovalRecord, Approvals, By, Explanation, Limits, Match, PersonVerdict, Request,
    Scope, Settings, ShownHash, Stated, Verdict,
};
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::record::{ApprovalNoted, ApprovalsDeclared, Record};
use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::in_words::brief;

/// Why something about approvals could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// The owner has not declared anything.
    #[error("{0} has not declared what agents may ask for: `credence approvals declare` does")]
    NotDeclared(PersonId),
    /// The request cannot be judged, or the answer does not fit.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// There is no such open question.
    #[error("question {question} of {person} is not open")]
    NotOpen {
        /// Whose.
        person: PersonId,
        /// Its number.
        question: u64,
    },
    /// The home could not write it down.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// When something happens: the moment, and the owner's clock.
#[derive(Debug, Clone)]
pub struct Now {
    /// The moment, for the log.
    pub timestamp: Timestamp,
    /// Local time, for hours, days and ends.
    pub local: DateTime,
}

impl Now {
    /// In this time zone.
    pub fn new(timestamp: Timestamp, zone: &TimeZone) -> Self {
        Self { timestamp, local: zone.to_datetime(timestamp) }
    }
}

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalVerdict {
    /// Allow, ask or refuse.
    pub verdict: Verdict,
    /// The decision, its reasons, and what would change it.
    pub explanation: Explanation,
    /// Number of the act, where it passed: what an undo names.
    pub act: Option<u64>,
    /// Number of the question, where it is asked: what an answer names.
    pub question: Option<u64>,
    /// Hash of tool and arguments: what an answer is bound to.
    pub shown_hash: ShownHash,
    /// The log's record of it; a refusal leaves none.
    pub record: Option<Seq>,
}

/// What a person answers to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalAnswer {
    /// Yes, no, or "ask me about these".
    pub verdict: PersonVerdict,
    /// How far it reaches.
    pub scope: Scope,
    /// Which calls beyond this one, for "task" and "always"; absent: these arguments exactly.
    #[serde(default)]
    pub pattern: Option<ActPattern>,
    /// When it ends, in the owner's local time.
    #[serde(default)]
    pub expires: Option<DateTime>,
}

/// Declares tools, or declares them anew.
///
/// # Errors
/// Settings out of range or under which earlier requests cannot be judged; a home that cannot be written to.
pub fn declare(home: &mut Home, person: &PersonId, settings: Settings, now: &Now) -> Result<Seq, ApproveError> {
    // Said here, where the error still has its own type.
    match home.state().approvals(person) {
        Some(before) => before.redeclared(settings.clone()).map(drop)?,
        None => Approvals::new(settings.clone()).map(drop)?,
    }
    let declared = ApprovalsDeclared { person: person.clone(), settings };
    Ok(home.append(now.timestamp, Record::ApprovalsDeclared(declared))?.0.seq)
}

/// An agent asks for an act. What passes, and what is asked, is in the log when this returns.
///
/// # Errors
/// An owner who declared nothing, a request that cannot be judged, a home that cannot be written to: the act must not be done.
pub fn request(home: &mut Home, person: &PersonId, stated: Stated, now: &Now) -> Result<ApprovalVerdict, ApproveError> {
    let approvals = of(home, person)?;
    let request = approvals.settings().request(stated);
    let explanation = approvals.explain(&request, now.local)?;
    let decision = explanation.decision;
    let shown_hash = request.shown_hash();
    let open = approvals.open_questions().find(|(_, open)| open.shown_hash() == shown_hash).map(|(asked, _)| asked);
    let mut verdict =
        ApprovalVerdict { verdict: decision.verdict, explanation, act: None, question: None, shown_hash, record: None };
    let at = now.local;
    match (decision.verdict, decision.allowed_by()) {
        (Verdict::Allow, by) => {
            let by = by.unwrap_or(By::Belief);
            let passed = ApprovalRecord::ActAllowed { request, by, audit: decision.audit, at };
            let (number, seq) = note(home, person, passed, now)?;
            (verdict.act, verdict.record) = (Some(number), Some(seq));
        }
        (Verdict::Ask, _) => match open {
            Some(question) => verdict.question = Some(question),
            None => {
                let asked = ApprovalRecord::ApprovalAsked { request, audit: decision.audit, at };
                let (number, seq) = note(home, person, asked, now)?;
                (verdict.question, verdict.record) = (Some(number), Some(seq));
            }
        },
        (Verdict::Refuse, _) => {}
    }
    Ok(verdict)
}

/// A person answers an open question; `shown` is the hash of what they were shown.
///
/// # Errors
/// A question that is not open, an answer to other arguments than were shown or with a pattern that does not fit them, a home that
/// cannot be written to.
pub fn answer(
    home: &mut Home,
    person: &PersonId,
    question: u64,
    shown: ShownHash,
    answer: ApprovalAnswer,
    now: &Now,
) -> Result<Seq, ApproveError> {
    let ApprovalAnswer { verdict, scope, pattern, expires } = answer;
    let shown_hash = shown;
    let entry = ApprovalRecord::ApprovalAnswered {
        asked: question,
        shown_hash,
        verdict,
        scope,
        pattern,
        expires,
        at: now.local,
    };
    note(home, person, entry, now).map(|(_, seq)| seq)
}

/// A person takes an act back: evidence that they would have refused it. The act itself is the caller's to undo.
///
/// # Errors
/// A number that is no act, or one that was undone before; a home that cannot be written to.
pub fn undo(home: &mut Home, person: &PersonId, act: u64, now: &Now) -> Result<Seq, ApproveError> {
    note(home, person, ApprovalRecord::ActUndone { act, at: now.local }, now).map(|(_, seq)| seq)
}

/// The owner sets limits; those of before no longer hold.
///
/// # Errors
/// Limits that say nothing; a home that cannot be written to.
pub fn set_limits(home: &mut Home, person: &PersonId, limits: Limits, now: &Now) -> Result<Seq, ApproveError> {
    note(home, person, ApprovalRecord::LimitsSet { limits, at: now.local }, now).map(|(_, seq)| seq)
}

/// The owner's approvals.
///
/// # Errors
/// An owner who declared nothing.
pub fn of<'a>(home: &'a Home, person: &PersonId) -> Result<&'a Approvals, ApproveError> {
    home.state().approvals(person).ok_or_else(|| ApproveError::NotDeclared(person.clone()))
}

/// Writes an entry and gives its number among the owner's.
fn note(home: &mut Home, person: &PersonId, entry: ApprovalRecord, now: &Now) -> Result<(u64, Seq), ApproveError> {
    let before = of(home, person)?;
    let number = before.records();
    // Said here, where the error still has its own type.
    before.clone().apply(&entry)?;
    let noted = ApprovalNoted { person: person.clone(), entry };
    let (entry, _) = home.append(now.timestamp, Record::ApprovalNoted(noted))?;
    Ok((number, entry.seq))
}

/// A call in words: the tool and its arguments, shortened.
pub fn call_in_words(request: &Request) -> String {
    let arguments = request.arguments.iter().map(|(name, value)| format!("{name}: {}", brief(&value.to_string())));
    format!("{}({})", request.tool, arguments.collect::<Vec<_>>().join(", "))
}

/// An entry in words, for lists of records.
pub fn entry_in_words(entry: &ApprovalRecord) -> String {
    match entry {
        ApprovalRecord::ApprovalAsked { request, audit, .. } => {
            let why = if *audit { ", as a check" } else { "" };
            format!("may an agent call {}?{why}", call_in_words(request))
        }
        ApprovalRecord::ApprovalAnswered { asked, verdict, scope, pattern, expires, .. } => {
            let said = match verdict {
                PersonVerdict::Approved => "approved",
                PersonVerdict::Refused => "refused",
                PersonVerdict::AskMe => "approved for now; such calls are to be asked",
            };
            let scope = match scope {
                Scope::Once => ", this once",
                Scope::Task => ", for this task",
                Scope::Always => ", from now on",
            };
            let scope = if *verdict == PersonVerdict::AskMe { "" } else { scope };
            let which = pattern.as_ref().map_or_else(String::new, |p| format!(", for {}", pattern_in_words(p)));
            let until = expires.map_or_else(String::new, |end| format!(", until {end}"));
            format!("question {asked} {said}{scope}{which}{until}")
        }
        ApprovalRecord::ActAllowed { request, by, .. } => {
            let by = match by {
                By::Rule => "as you said of such calls",
                By::Belief => "by what is believed of you",
                By::Person => "as you approved it",
            };
            format!("{} passed, {by}", call_in_words(request))
        }
        ApprovalRecord::ActUndone { act, .. } => format!("act {act} undone"),
        ApprovalRecord::LimitsSet { limits, .. } => {
            let list = |name: &str, all: &[ActPattern]| match all {
                [] => String::new(),
                all => format!("; {name} {}", all.iter().map(pattern_in_words).collect::<Vec<_>>().join(", ")),
            };
            let spending =
                limits.spending_per_day_max.map_or_else(String::new, |most| format!("; at most {most} a day"));
            let hours = limits.hours.map_or_else(String::new, |h| format!("; {} to {}", h.from, h.until));
            format!(
                "limits{}{}{}{spending}{hours}",
                list("never", &limits.deny),
                list("always", &limits.allow),
                list("only", &limits.only)
            )
        }
    }
}

/// A pattern in words.
pub fn pattern_in_words(pattern: &ActPattern) -> String {
    let arguments = pattern.arguments.iter().map(|(name, what)| match what {
        Match::Is(value) => format!("{name} = {value}"),
        Match::StartsWith(start) => format!("{name} begins with {start:?}"),
        Match::AtMost(most) => format!("{name} at most {most}"),
        Match::Any => format!("any {name}"),
    });
    let rest = pattern.others.then(|| "...".to_owned());
    let tool = if pattern.tool == "*" { "any tool" } else { pattern.tool.as_str() };
    format!("{tool}({})", arguments.chain(rest).collect::<Vec<_>>().join(", "))
}
