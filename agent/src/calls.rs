//! Carrying out, as far as it is no process: which call of a declared tool an act is, what its command is told, what its answer
//! means, and the records of all this.
//!
//! A call is a record before its command runs, and at most once for an act. What was done is no evidence of what anybody wants.

use credence_approvals::{Approvals, Request, ShownHash, Stated};
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{Hash, PersonId, Seq, TaskId};
use credence_memory::record::{
    ActOutcome, CallBegun, CallEnded, Ending, Outcome, OutcomeReported, Record, StopRequested, StoppedBy,
};
use credence_memory::state::{Call, State};
use credence_memory::text::normal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::approvals::{ApproveError, call_in_words};
use crate::in_words::brief;

/// What an agent may say that it observed, in characters.
pub const OBSERVED_CHARS_MAX: usize = 8000;

/// An act in words, and the call that carries it out.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// The act, as the alternative has it.
    pub act: String,
    /// The call; its task is set when it is known.
    pub stated: Stated,
}

/// Why a file of calls cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}, line {line}: {why}; expected {{\"act\": \"...\", \"tool\": \"...\", \"arguments\": {{...}}}}")]
pub struct CallsFileError {
    /// The file.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// Reads which call each act is: JSON Lines with `act`, and a request as `credence approvals request` takes it.
///
/// # Errors
/// A line that is no such object, arguments that are no JSON object, an act given twice, a tool that the owner has not declared, a
/// request that could not be judged.
pub fn read(text: &str, name: &str, approvals: &Approvals) -> Result<Vec<Mapped>, CallsFileError> {
    let mut all: Vec<Mapped> = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: String| CallsFileError { name: name.to_owned(), line: at + 1, why };
        let mapped = one(line).map_err(wrong)?;
        if all.iter().any(|other| is_same(&other.act, &mapped.act)) {
            return Err(wrong(format!("the act {:?} stands there twice", mapped.act)));
        }
        if !is_declared(approvals, &mapped.stated.tool) {
            let why = format!("the tool {:?} is not declared: `credence approvals declare` does", mapped.stated.tool);
            return Err(wrong(why));
        }
        // Said here, before anything is decided.
        let request = approvals.settings().request(mapped.stated.clone());
        approvals.check(&request).map_err(|e| wrong(said(&e)))?;
        all.push(mapped);
    }
    Ok(all)
}

fn one(line: &str) -> Result<Mapped, String> {
    let mut text = serde_json::Deserializer::from_str(line);
    let mut fields: Map<String, Value> = credence_approvals::unique_arguments(&mut text).map_err(|e| e.to_string())?;
    text.end().map_err(|e| e.to_string())?;
    let act = match fields.remove("act") {
        Some(Value::String(act)) if !act.trim().is_empty() => normal(act.trim()).into_owned(),
        _ => return Err("`act` must be the words of an alternative".into()),
    };
    if fields.get("arguments").is_some_and(|arguments| !arguments.is_object()) {
        return Err("`arguments` must be a JSON object".into());
    }
    let stated = serde_json::from_value(Value::Object(fields)).map_err(|e| e.to_string())?;
    Ok(Mapped { act, stated })
}

fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

/// Whether two texts are the same act.
pub fn is_same(one: &str, other: &str) -> bool {
    normal(one.trim()).eq_ignore_ascii_case(&normal(other.trim()))
}

/// Whether the owner declared a tool.
pub fn is_declared(approvals: &Approvals, tool: &str) -> bool {
    approvals.settings().tools.iter().any(|declared| declared.name == tool)
}

/// Why a call cannot be begun or ended.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no such act, or it was taken back.
    #[error("act {act} of {person} did not pass, or was taken back: nothing is carried out")]
    NoAct {
        /// Whose.
        person: PersonId,
        /// Its number.
        act: u64,
    },
    /// The call would not be the one that was approved.
    #[error("act {act} is another call than was approved: nothing is carried out")]
    OtherThanApproved {
        /// Its number.
        act: u64,
    },
    /// It was carried out, or tried, before.
    #[error(
        "act {act} was begun before (record {call}: {how}); nothing is carried out twice. Whoever wants it again gives the task anew"
    )]
    Before {
        /// Its number.
        act: u64,
        /// The record of its call.
        call: Seq,
        /// What became of it.
        how: String,
    },
    /// What was observed is too long to be kept.
    #[error("what was observed has {found} characters, at most {OBSERVED_CHARS_MAX} are kept: say it shorter")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// A record of which nothing can be reported.
    #[error("record {0} is no decision and no act that passed")]
    NothingToReport(Seq),
    /// The owner declared nothing.
    #[error(transparent)]
    Approve(#[from] ApproveError),
    /// The home refused.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// What is to be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Calling {
    /// Number of the act that passed.
    pub act: u64,
    /// Hash of what was shown when it was approved; the call is checked against it.
    pub shown_hash: ShownHash,
    /// The task.
    pub task: Option<TaskId>,
    /// The decision that chose it.
    pub decision: Option<Seq>,
    /// The act in words.
    pub words: String,
    /// The command.
    pub command: String,
    /// Seconds it may take.
    pub seconds_max: u64,
}

/// What a command reads: one line of JSON.
#[derive(Debug, Serialize)]
struct Input<'a> {
    /// The same for no other call: by it a receiver can tell what it did before.
    id: String,
    person: &'a PersonId,
    task_id: Option<&'a TaskId>,
    task: &'a str,
    act: &'a str,
    tool: &'a str,
    arguments: &'a Map<String, Value>,
}

/// The bytes that a command reads. Tool and arguments are those of the act as it stands in the log.
///
/// # Errors
/// Nothing was declared for this owner, there is no such act, or the call is not the one that was approved.
pub fn input(state: &State, owner: &PersonId, calling: &Calling) -> Result<Vec<u8>, CallError> {
    let no_act = || CallError::NoAct { person: owner.clone(), act: calling.act };
    let approvals = state.approvals(owner).ok_or_else(|| ApproveError::NotDeclared(owner.clone()))?;
    let (request, _) = approvals.act(calling.act).ok_or_else(no_act)?;
    if request.shown_hash() != calling.shown_hash {
        return Err(CallError::OtherThanApproved { act: calling.act });
    }
    let task = calling.task.as_ref().and_then(|id| state.tasks().get(id));
    let log_id = state.header().map_or("", |header| header.log_id.as_str());
    let input = Input {
        id: format!("{log_id}/{owner}/{}", calling.act),
        person: owner,
        task_id: calling.task.as_ref(),
        task: task.map_or(request.task.as_str(), |task| task.given.text.as_str()),
        act: &calling.words,
        tool: &request.tool,
        arguments: &request.arguments,
    };
    Ok(line(&input))
}

/// What a command would read, without an act: for a dry run.
pub fn preview(request: &Request) -> String {
    format!("{} {}", request.tool, Value::Object(request.arguments.clone()))
}

fn line(input: &Input<'_>) -> Vec<u8> {
    // A map with text keys always becomes JSON.
    let mut bytes = serde_json::to_vec(input).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Records that a call begins; it is on the disk when this returns, and the command may then be run with these bytes.
///
/// # Errors
/// An act that did not pass, that was approved with other arguments, or that was begun before; a task that was stopped; a home that
/// cannot be written to: the command must not be run.
pub fn begin(
    home: &mut Home,
    owner: &PersonId,
    calling: &Calling,
    now: Timestamp,
) -> Result<(Seq, Vec<u8>), CallError> {
    if let Some((call, before)) = home.state().call_of_act(owner, calling.act) {
        return Err(CallError::Before { act: calling.act, call, how: end_in_words(before) });
    }
    let input = input(home.state(), owner, calling)?;
    let begun = CallBegun {
        person: owner.clone(),
        act: calling.act,
        task: calling.task.clone(),
        decision: calling.decision,
        command: calling.command.clone(),
        input: Hash::of(&input),
        seconds_max: calling.seconds_max,
    };
    Ok((home.append(now, Record::CallBegun(begun))?.0.seq, input))
}

/// Records how a call ended.
///
/// # Errors
/// A call that ended before, or is none; a home that cannot be written to.
pub fn end(home: &mut Home, ended: CallEnded, now: Timestamp) -> Result<Seq, CallError> {
    Ok(home.append(now, Record::CallEnded(ended))?.0.seq)
}

/// Records what somebody says became of a decision or an act. It is no evidence of what anybody wants.
///
/// # Errors
/// A record that is neither, words that are too long, a home that cannot be written to.
pub fn report(
    home: &mut Home,
    of: Seq,
    outcome: ActOutcome,
    observed: &str,
    by: &str,
    now: Timestamp,
) -> Result<Seq, CallError> {
    let found = observed.chars().count();
    if found > OBSERVED_CHARS_MAX {
        return Err(CallError::TooLong { found });
    }
    let person = home.state().can_be_reported(of).cloned().ok_or(CallError::NothingToReport(of))?;
    let observed = observed.to_owned();
    let reported = OutcomeReported { person, of, outcome, observed, by: brief(by).into_owned() };
    Ok(home.append(now, Record::OutcomeReported(reported))?.0.seq)
}

/// Stops tasks of a person: the one named, or those with a call that has not ended, or else the latest that is not over.
///
/// # Errors
/// A home that cannot be written to.
pub fn stop(
    home: &mut Home,
    person: &PersonId,
    task: Option<&TaskId>,
    now: Timestamp,
) -> Result<Vec<TaskId>, HomeError> {
    let tasks = to_stop(home.state(), person, task);
    for task in &tasks {
        let stop = StopRequested { person: person.clone(), words: "stop".into(), task: Some(task.clone()) };
        home.append(now, Record::StopRequested(stop))?;
    }
    Ok(tasks)
}

fn to_stop(state: &State, person: &PersonId, task: Option<&TaskId>) -> Vec<TaskId> {
    let theirs = |id: &TaskId| state.tasks().get(id).is_some_and(|t| t.given.person == *person && !t.stopped);
    if let Some(task) = task {
        return Some(task.clone()).filter(theirs).into_iter().collect();
    }
    let running = state.calls().values().filter(|call| call.ended.is_none()).filter_map(|call| call.begun.task.clone());
    let running: Vec<TaskId> = running.filter(theirs).collect();
    if !running.is_empty() {
        return running;
    }
    // Where a name ends in its first record's number, the latest has the largest.
    let begun = |id: &TaskId| id.as_str().rsplit('-').next().and_then(|n| n.parse::<u64>().ok());
    let open = state.tasks().iter().filter(|(id, task)| theirs(id) && task.actions.is_empty());
    open.map(|(id, _)| id.clone()).max_by_key(begun).into_iter().collect()
}

/// What a command answers on its standard output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Answer {
    /// What became of the act.
    pub status: Status,
    /// What there is to say of it.
    #[serde(default)]
    pub result: Value,
}

/// What a command says became of the act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was done.
    Done,
    /// It went wrong.
    Failed,
    /// It was not tried.
    NotDone,
}

/// A command's answer, if what it printed is one.
pub fn answer(output: &str) -> Option<Answer> {
    serde_json::from_str(output.trim()).ok()
}

/// What became of an act. An exit code other than 0 is a failure, whatever was printed; 0 with nothing that can be read is unknown.
pub fn outcome(ending: &Ending, output: &str) -> ActOutcome {
    match ending {
        Ending::Exited { code: 0 } => match answer(output).map(|answer| answer.status) {
            Some(Status::Done) => ActOutcome::Done,
            Some(Status::Failed) => ActOutcome::Failed,
            Some(Status::NotDone) => ActOutcome::NotDone,
            None => ActOutcome::Unknown,
        },
        Ending::Exited { .. } | Ending::Signalled { .. } | Ending::TimedOut | Ending::Stopped { .. } => {
            ActOutcome::Failed
        }
        Ending::NotStarted { .. } => ActOutcome::NotDone,
        Ending::Unseen => ActOutcome::Unknown,
    }
}

/// An outcome as a word or two.
pub fn outcome_in_words(outcome: ActOutcome) -> &'static str {
    match outcome {
        ActOutcome::Done => "done",
        ActOutcome::Failed => "failed",
        ActOutcome::NotDone => "not done",
        ActOutcome::Undone => "undone",
        ActOutcome::Unknown => "not known",
    }
}

/// How a call stands: running, or how it ended.
pub fn end_in_words(call: &Call) -> String {
    match &call.ended {
        Some((_, ended)) => ended_in_words(ended),
        None => "begun, and no end is known yet".into(),
    }
}

/// How a call ended, and what its command said.
pub fn ended_in_words(ended: &CallEnded) -> String {
    let how = match &ended.ending {
        Ending::Exited { code: 0 } if ended.outcome == ActOutcome::Unknown => {
            "its command ended well and said nothing that could be read".to_owned()
        }
        Ending::Exited { code: 0 } => String::new(),
        Ending::Exited { code } => format!("its command ended with exit code {code}"),
        Ending::Signalled { signal } => format!("its command was ended by signal {signal}"),
        Ending::TimedOut => {
            format!("its command was ended after {:.1} s: too long", ended.milliseconds as f64 / 1000.0)
        }
        Ending::Stopped { by: StoppedBy::Stop } => "its command was ended, because the person said stop".into(),
        Ending::Stopped { by: StoppedBy::Undo } => "its command was ended, because the act was taken back".into(),
        Ending::Stopped { by: StoppedBy::Signal } => "its command was ended with the program that ran it".into(),
        Ending::NotStarted { because } => format!("its command could not be started: {because}"),
        Ending::Unseen => "the program that ran its command ended before it could see what came of it".into(),
    };
    let words = match answer(&ended.output).map(|answer| answer.result) {
        Some(Value::Null) => String::new(),
        Some(Value::String(text)) => format!("{:?}", brief(&text)),
        Some(other) => brief(&other.to_string()).into_owned(),
        None if ended.errors.trim().is_empty() => String::new(),
        None => format!("{:?}", brief(ended.errors.trim())),
    };
    let parts = [outcome_in_words(ended.outcome), how.as_str(), words.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Everything that is known of what became of an act, in words: its call, then reports.
pub fn became(state: &State, owner: &PersonId, act: u64) -> Vec<String> {
    let call = state.call_of_act(owner, act).map(|(_, call)| format!("carried out: {}", end_in_words(call)));
    let reported = state.record_of_act(owner, act).map(|seq| reports(state, seq)).unwrap_or_default();
    call.into_iter().chain(reported).collect()
}

/// What was reported of a decision or an act, in words.
pub fn reports(state: &State, of: Seq) -> Vec<String> {
    state.outcomes(of).iter().map(|(_, reported)| report_in_words(reported)).collect()
}

fn report_in_words(reported: &OutcomeReported) -> String {
    let observed = match reported.observed.trim() {
        "" => String::new(),
        text => format!(": {:?}", brief(text)),
    };
    format!("{} reports: {}{observed}", reported.by, outcome_in_words(reported.outcome))
}

/// A record of calls and outcomes in words; nothing for other records.
pub fn record_in_words(state: &State, record: &Record) -> Option<String> {
    let request = |call: &Seq| state.calls().get(call).map_or_else(|| "?".to_owned(), |c| call_in_words(&c.request));
    Some(match record {
        Record::CallBegun(r) => {
            let call =
                state.call_of_act(&r.person, r.act).map_or_else(|| "?".to_owned(), |(_, c)| call_in_words(&c.request));
            format!("{call} is being carried out (act {}) by {:?}", r.act, brief(&r.command))
        }
        Record::CallEnded(r) => format!("{}: {}", request(&r.call), ended_in_words(r)),
        Record::OutcomeReported(r) => {
            let decided = state.decisions().iter().find(|(seq, _)| *seq == r.of).map(|(_, made)| &made.outcome);
            let what = match decided {
                Some(Outcome::Act { alternative }) => {
                    state.description(alternative).map_or_else(|| "?".to_owned(), |d| format!("{:?}", brief(&d.text)))
                }
                _ => String::new(),
            };
            let gap = if what.is_empty() { "" } else { ", " };
            format!("of record {}{gap}{what}: {}", r.of, report_in_words(r))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use credence_approvals::{Settings, ToolDeclaration};
    use credence_memory::sample::{Scribe, calls, id};

    use super::*;

    fn declared() -> Approvals {
        let tools =
            ["send_mail", "pay"].map(|name| ToolDeclaration { name: name.into(), ..ToolDeclaration::default() });
        Approvals::new(Settings { tools: tools.to_vec(), ..Settings::default() }).unwrap()
    }

    #[test]
    fn a_file_of_calls_is_read_and_its_faults_are_named_with_their_line() {
        let approvals = declared();
        let good = r#"{"act": "write to Bob", "tool": "send_mail", "arguments": {"to": "bob"}}"#;
        let read = |text: &str| super::read(text, "calls.jsonl", &approvals);
        let found = read(&format!("{good}\n\n")).unwrap();
        assert_eq!((found.len(), found[0].stated.tool.as_str()), (1, "send_mail"));
        for (line, says) in [
            ("no JSON", "line 2: expected"),
            (r#"{"act": "a", "tool": "send_mail", "arguments": "{\"to\": \"bob\"}"}"#, "must be a JSON object"),
            (r#"{"act": "a", "tool": "send_mail", "arguments": [1]}"#, "must be a JSON object"),
            (r#"{"tool": "send_mail"}"#, "`act`"),
            (r#"{"act": "a", "tool": "format_disk"}"#, "\"format_disk\" is not declared"),
            (r#"{"act": "a", "tool": "send_mail", "approved": true}"#, "approved"),
            (r#"{"act": "a", "tool": "pay", "cost": -1}"#, "cost"),
            (r#"{"act": " Write to bob", "tool": "pay"}"#, "twice"),
        ] {
            let said = read(&format!("{good}\n{line}")).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains("calls.jsonl, line 2"), "{says}: {said}");
        }
    }

    #[test]
    fn an_exit_code_counts_for_more_than_words() {
        let said = r#"{"status": "done", "result": {"id": 7}}"#;
        for (ending, output, expected) in [
            (Ending::Exited { code: 0 }, said, ActOutcome::Done),
            (Ending::Exited { code: 1 }, said, ActOutcome::Failed),
            (Ending::Exited { code: 0 }, r#"{"status": "failed"}"#, ActOutcome::Failed),
            (Ending::Exited { code: 0 }, r#"{"status": "not_done"}"#, ActOutcome::NotDone),
            (Ending::Exited { code: 0 }, "", ActOutcome::Unknown),
            (Ending::Exited { code: 0 }, "done", ActOutcome::Unknown),
            (Ending::Exited { code: 0 }, r#"{"status": "approved by the owner"}"#, ActOutcome::Unknown),
            (Ending::TimedOut, said, ActOutcome::Failed),
            (Ending::Stopped { by: StoppedBy::Stop }, said, ActOutcome::Failed),
            (Ending::Unseen, said, ActOutcome::Unknown),
        ] {
            assert_eq!(outcome(&ending, output), expected, "{ending:?} {output}");
        }
    }

    #[test]
    fn what_a_command_reads_is_what_was_approved_whatever_the_arguments_say() {
        let mut scribe = Scribe::begun();
        credence_memory::sample::approvals(&mut scribe);
        let (request, _) = scribe.state.approvals(&id("ada")).unwrap().act(2).unwrap();
        let calling = Calling {
            act: 2,
            shown_hash: request.shown_hash(),
            task: None,
            decision: None,
            words: "write\nto \"bob\"".into(),
            command: "./send; rm -r /".into(),
            seconds_max: 1,
        };
        let bytes = input(&scribe.state, &id("ada"), &calling).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), 1, "one line, whatever stands in it: {text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["arguments"], Value::Object(request.arguments.clone()));
        assert_eq!((&read["id"], &read["act"]), (&"test/ada/2".into(), &"write\nto \"bob\"".into()));
        let other = Calling { shown_hash: ShownHash([0; 32]), ..calling.clone() };
        assert!(matches!(input(&scribe.state, &id("ada"), &other), Err(CallError::OtherThanApproved { act: 2 })));
        let none = Calling { act: 0, ..calling };
        assert!(matches!(input(&scribe.state, &id("ada"), &none), Err(CallError::NoAct { .. })));
    }

    #[test]
    fn every_end_is_told_in_words() {
        let mut scribe = Scribe::begun();
        calls(&mut scribe);
        let state = &scribe.state;
        let told: Vec<String> = state.calls().values().map(end_in_words).collect();
        for words in
            ["exit code 3", "signal 11", "too long", "no such file", "before it could see", "taken back", "said stop"]
        {
            assert_eq!(told.iter().filter(|t| t.contains(words)).count(), 1, "{words}: {told:?}");
        }
        assert_eq!(
            became(state, &id("ada"), 2),
            ["carried out: done; \"sent\"", "agent lunch 1.0 reports: done: \"It arrived.\""]
        );
        for entry in scribe.entries() {
            let words = record_in_words(state, &entry.record);
            let is_call = ["CallBegun", "CallEnded", "OutcomeReported"].contains(&entry.record.kind());
            assert_eq!(words.is_some(), is_call, "{:?}", entry.record);
            assert!(words.is_none_or(|w| !w.contains('?')), "{:?}", entry.record);
        }
        assert!(to_stop(state, &id("ada"), None).is_empty(), "what was stopped is not stopped again");
    }
}
