//! Approvals in a home: an agent asks, its owner answers, and everything is a record before it is said.

use credence_approvals::{
    ActPattern, Affected, ApprovalError, ApprovalRecord, Approvals, By, Explanation, Limits, Match, PersonVerdict,
    Request, Reversible, Rule, Scope, Settings, ShownHash, Stated, Verdict,
};
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::record::{ApprovalNoted, ApprovalsDeclared, Record};
use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::importance::likeness;

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
    /// It says something that would not mean what it seems to.
    #[error("{0}")]
    Unusable(String),
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    if settings.tools.is_empty() {
        return Err(ApproveError::Unusable("no tool is declared: [[tools]] with a name declares one".into()));
    }
    // What is declared now is read as calls are read now; what was declared before is read as it was then.
    let settings = Settings { version: Settings::VERSION, ..settings };
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
    let unusable = |why: String| Err(ApproveError::Unusable(why));
    if let Some(end) = expires.filter(|end| *end <= now.local) {
        return unusable(format!("an answer that ended at {end} would say nothing: it is {} now", now.local));
    }
    let lasts = scope != Scope::Once && verdict != PersonVerdict::AskMe;
    if pattern.is_some() && !lasts {
        return unusable("which calls are meant can be said of an answer for this task or for always only".into());
    }
    let state = of(home, person)?;
    if let Some((_, request)) = state.open_questions().find(|(asked, _)| *asked == question).filter(|_| lasts) {
        if scope == Scope::Task && request.task.is_empty() {
            return unusable("this call belongs to no task: answer for once or for always".into());
        }
        let named = pattern.as_ref().map_or(request.tool.as_str(), |pattern| pattern.tool.as_str());
        if verdict == PersonVerdict::Approved && !state.is_declared(&request.tool) {
            return unusable(format!(
                "nobody declared the tool {:?}: its calls can be approved once each, until `credence approvals declare` has it",
                request.tool
            ));
        }
        if named != "*" && named != request.tool {
            return unusable(format!("the question is about {:?}, not about {named:?}", request.tool));
        }
    }
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

/// A person takes an act back: evidence that they would have refused it. The act itself is the caller's to undo. The number of
/// a rule ends the rule, and nothing is learned.
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
    let state = of(home, person)?;
    let mut named = limits.deny.iter().chain(&limits.allow).chain(&limits.only).map(|pattern| pattern.tool.as_str());
    if let Some(unknown) = named.find(|name| *name != "*" && !state.is_declared(name)) {
        let tools = state.settings().tools.iter().map(|tool| tool.name.as_str());
        let nearest = tools.max_by(|a, b| likeness(unknown, a).total_cmp(&likeness(unknown, b))).unwrap_or("none");
        return Err(ApproveError::Unusable(format!(
            "limits name the tool {unknown:?}, which is not declared; the nearest in spelling is {nearest:?}, and \"*\" is every tool"
        )));
    }
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

/// A rule ends: an answer for a task or for always no longer holds. Nothing is learned from it.
///
/// # Errors
/// A number that is no rule's; a home that cannot be written to.
pub fn revoke(home: &mut Home, person: &PersonId, rule: u64, now: &Now) -> Result<Seq, ApproveError> {
    if !of(home, person)?.rules().iter().any(|known| known.record == rule) {
        return Err(ApproveError::Unusable(format!("there is no rule {rule}; `credence approvals list` names them")));
    }
    undo(home, person, rule, now)
}

/// Approvals as they were when a record was written, and what it says; nothing where the record is no entry of approvals, or was
/// erased.
pub fn as_it_was(
    records: impl IntoIterator<Item = (Seq, Record)>,
    seq: Seq,
) -> Option<(PersonId, ApprovalRecord, Approvals)> {
    let mut all = std::collections::BTreeMap::<PersonId, Approvals>::new();
    for (at, record) in records {
        match record {
            Record::ApprovalsDeclared(declared) => {
                let new = match all.get(&declared.person) {
                    Some(before) => before.redeclared(declared.settings),
                    None => Approvals::new(declared.settings),
                };
                all.insert(declared.person, new.ok()?);
            }
            Record::ApprovalNoted(noted) => {
                let Some(approvals) = all.get_mut(&noted.person) else { continue };
                if at == seq {
                    return Some((noted.person, noted.entry, approvals.clone()));
                }
                approvals.apply(&noted.entry).ok()?;
            }
            _ if at == seq => return None,
            _ => {}
        }
    }
    None
}

/// Why an entry is as it is, from approvals as they were before it; nothing for limits and undos.
pub fn entry_explained(entry: &ApprovalRecord, before: &Approvals) -> Option<Explanation> {
    match entry {
        ApprovalRecord::ApprovalAsked { request, at, .. } | ApprovalRecord::ActAllowed { request, at, .. } => {
            before.explain(request, *at).ok()
        }
        ApprovalRecord::ApprovalAnswered { asked, at, .. } => before.explain_question(*asked, *at).ok(),
        ApprovalRecord::ActUndone { .. } | ApprovalRecord::LimitsSet { .. } => None,
    }
}

/// An entry's number, with the word for what it is.
pub fn numbered(entry: &ApprovalRecord, number: u64) -> String {
    match entry {
        ApprovalRecord::ApprovalAsked { .. } => format!("question {number}"),
        ApprovalRecord::ApprovalAnswered { verdict, scope, .. }
            if *scope != Scope::Once && *verdict != PersonVerdict::AskMe =>
        {
            format!("rule {number}")
        }
        ApprovalRecord::ApprovalAnswered { .. } => format!("answer {number}"),
        ApprovalRecord::ActAllowed { .. } => format!("act {number}"),
        ApprovalRecord::ActUndone { .. } => format!("undo {number}"),
        ApprovalRecord::LimitsSet { .. } => format!("limits {number}"),
    }
}

/// Text on one line of its own: no character of it begins another.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            hazard if hazard.is_control() || matches!(hazard, '\u{2028}' | '\u{2029}') => {
                line.extend(hazard.escape_unicode());
            }
            plain => line.push(plain),
        }
    }
    line
}

/// More characters of one text are not shown in a list.
const LISTED_CHARS_MAX: usize = 120;

/// The beginning of a text on one line, and how much of it is hidden.
fn listed(text: &str) -> String {
    let line = one_line(text);
    let hidden = line.chars().count().saturating_sub(LISTED_CHARS_MAX);
    match line.char_indices().nth(LISTED_CHARS_MAX) {
        Some((at, _)) => format!("{} [... {hidden} more characters]", &line[..at]),
        None => line,
    }
}

/// A call in words: the tool and its arguments, each on one line and shortened.
pub fn call_in_words(request: &Request) -> String {
    let arguments =
        request.arguments.iter().map(|(name, value)| format!("{}: {}", listed(name), listed(&value.to_string())));
    format!("{}({})", listed(&request.tool), arguments.collect::<Vec<_>>().join(", "))
}

/// A call as a person is to judge it: every argument whole, each line the program's own.
pub fn call_whole(request: &Request) -> Vec<String> {
    let mut lines = vec![format!("  {}", one_line(&request.tool))];
    let whole = |(name, value): (&String, &serde_json::Value)| {
        format!("    {}: {}", one_line(name), one_line(&value.to_string()))
    };
    lines.extend(request.arguments.iter().map(whole));
    if !request.cwd.is_empty() {
        lines.push(format!("  in the folder {}", one_line(&request.cwd)));
    }
    if !request.task.is_empty() {
        lines.push(format!("  for the task {:?}", request.task));
    }
    if !request.context.is_empty() {
        lines.push(format!("  the agent says: \u{201c}{}\u{201d}", one_line(&request.context)));
    }
    lines.push(format!("  {}", changes_in_words(request)));
    lines.push(format!("  hash {}: an answer is for exactly this call", request.shown_hash().short()));
    lines
}

/// What a call can change, in words.
pub fn changes_in_words(request: &Request) -> String {
    let undone = match request.reversible {
        Reversible::Yes => "can be undone",
        Reversible::No => "cannot be undone",
        Reversible::Unknown => "nobody said whether it can be undone",
    };
    let affected = match request.affected {
        Affected::Nobody => "nobody notices",
        Affected::Owner => "concerns you alone",
        Affected::Others => "concerns others",
        Affected::Public => "concerns anyone",
    };
    let outside = if request.outside { "reaches outside this machine" } else { "stays on this machine" };
    let cost =
        if request.cost == 0.0 { "no cost was said".to_owned() } else { format!("costs at most {}", request.cost) };
    format!("{undone}; {affected}; {outside}; {cost}")
}

/// An explanation as lines: the reason, what is believed, and what would change it.
pub fn explanation_in_words(explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![format!("  {}", explanation.summary)];
    let decision = &explanation.decision;
    lines.push(format!(
        "  believed: you would be against it with probability {:.1}% (90% interval {:.1}% to {:.1}%)",
        100.0 * decision.p_refuse,
        100.0 * decision.interval.0,
        100.0 * decision.interval.1
    ));
    let counted = explanation.contributions.iter().map(|part| format!("{} {:+.2}", one_line(&part.name), part.utility));
    lines.push(format!("  what counts (negative speaks for asking): {}", counted.collect::<Vec<_>>().join(", ")));
    for earlier in &explanation.nearest {
        let said = match (earlier.undo, earlier.verdict) {
            (true, _) => "you took it back",
            (false, PersonVerdict::Approved) => "you approved it",
            (false, PersonVerdict::Refused) => "you refused it",
            (false, PersonVerdict::AskMe) => "you want to be asked",
        };
        let what = if earlier.undo { "undo" } else { "answer" };
        lines.push(format!(
            "  near it, {what} {}: {}, {said} (distance {:.2})",
            earlier.record,
            listed(&earlier.tool),
            earlier.distance
        ));
    }
    lines.extend(explanation.would_change.iter().map(|way| format!("  to change it: {}", one_line(way))));
    lines
}

/// Who let an act pass, in words.
pub fn by_in_words(by: By) -> &'static str {
    match by {
        By::Rule => "as you said of such calls",
        By::Belief => "by what is believed of you",
        By::Person => "as you approved it",
    }
}

/// A rule in words.
pub fn rule_in_words(rule: &Rule) -> String {
    let does = if rule.verdict == PersonVerdict::Approved { "passes" } else { "is refused" };
    let task = rule.task.as_ref().map_or_else(String::new, |task| format!(" in the task {task:?}"));
    let cwd = if rule.cwd.is_empty() { String::new() } else { format!(" in the folder {}", one_line(&rule.cwd)) };
    let until = rule.expires.map_or_else(String::new, |end| format!(" until {end}"));
    format!("{} {does}{task}{cwd}{until}", pattern_in_words(&rule.pattern))
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
            format!("{} passed, {}", call_in_words(request), by_in_words(*by))
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
        Match::Is(value) => format!("{} = {}", listed(name), listed(&value.to_string())),
        Match::StartsWith(start) => format!("{} begins with {start:?}", listed(name)),
        Match::AtMost(most) => format!("{} at most {most}", listed(name)),
        Match::Any => format!("any {}", listed(name)),
    });
    let rest = pattern.others.then(|| "...".to_owned());
    let tool = if pattern.tool == "*" { "any tool".to_owned() } else { listed(&pattern.tool) };
    format!("{tool}({})", arguments.chain(rest).collect::<Vec<_>>().join(", "))
}
