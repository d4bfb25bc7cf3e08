//! Carrying out what was chosen: which call it is, whether it may pass, and its command.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use credence_agent::approvals::{self, ApprovalAnswer, ApprovalVerdict, Now, call_in_words};
use credence_agent::calls::{self, Calling, Mapped};
use credence_approvals::{PersonVerdict, Scope, Verdict};
use credence_memory::home::{Home, HomeError, Paths};
use credence_memory::ids::{AlternativeId, PersonId, Seq, TaskId};
use credence_memory::record::{ActOutcome, CallEnded, Ending, StoppedBy};
use credence_memory::state::State;
use credence_priors::reference::DEFAULT_MODEL;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Work;
use crate::carrying::{self, Begun};
use crate::cli::{AgentArgs, EXEC_SECONDS};
use crate::commands::approvals::{here, open_question, shown};
use crate::commands::decide::text;
use crate::exit::{Interrupted, WrongInput, not_carried_out, not_passed};
use crate::hint::{hint_of, word};
use crate::surroundings::{Opened, say, say_json, state_of};

/// Another process that has the home is waited for, in steps of this.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// That nothing carries out what was chosen, as a line of `credence agent --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoCallJson {
    /// What was chosen.
    act: String,
    /// False.
    carried_out: bool,
    because: &'static str,
}

/// What would be run, as a line of `credence agent --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DryRunJson {
    /// What was chosen.
    act: String,
    /// False.
    carried_out: bool,
    because: &'static str,
    command: String,
    tool: String,
    #[schema(value_type = Object)]
    arguments: Map<String, Value>,
    /// Whether it may pass.
    verdict: Verdict,
    why: String,
}

/// Whether what was chosen may be carried out, as a line of `credence agent --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MayJson {
    approval: ApprovalVerdict,
}

/// What became of what was chosen, as a line of `credence agent --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CarriedJson {
    /// The act's number.
    act: u64,
    /// Whether it was done.
    carried_out: bool,
    call: CallEnded,
    /// What the command says of it; nothing where it says nothing that can be read.
    answer: Option<Value>,
}

/// How acts are carried out.
pub(super) struct Exec {
    command: String,
    /// Which call each act is.
    mapped: Vec<Mapped>,
    is_dry: bool,
    seconds_max: u64,
}

impl Exec {
    /// What the command line asks for, if anything.
    pub(super) fn of(args: &AgentArgs, home: &Home, person: &PersonId) -> anyhow::Result<Option<Self>> {
        let (Some(command), Some(file)) = (&args.exec, &args.calls) else { return Ok(None) };
        let approvals = approvals::of(home, person)?;
        let mapped = calls::read(&read(file)?, &file.display().to_string(), approvals)
            .map_err(|error| WrongInput(error.to_string()))?;
        anyhow::ensure!(!mapped.is_empty(), WrongInput(format!("{} has no call", file.display())));
        let (command, is_dry) = (command.clone(), !args.carry_out);
        Ok(Some(Self { command, mapped, is_dry, seconds_max: args.exec_timeout }))
    }

    /// The acts that have a call.
    pub(super) fn acts(&self) -> impl Iterator<Item = &str> {
        self.mapped.iter().map(|mapped| mapped.act.as_str())
    }

    /// The call that an act is.
    fn call(&self, act: &str, task: &TaskId) -> Option<credence_approvals::Stated> {
        let mapped = self.mapped.iter().find(|mapped| calls::is_same(&mapped.act, act))?;
        Some(credence_approvals::Stated { task: task.to_string(), ..mapped.stated.clone() })
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))
}

/// A path from the root on.
fn whole(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// What was chosen for a task before, and not carried out yet; nothing where nothing was chosen.
///
/// # Errors
/// A task whose act was carried out, or begun, before.
pub(super) fn chosen_before(state: &State, task: &TaskId) -> anyhow::Result<Option<AlternativeId>> {
    let Some(done) = state.tasks().get(task).and_then(|task| task.actions.last()) else { return Ok(None) };
    let begun = state.calls().iter().find(|(_, call)| call.begun.task.as_ref() == Some(task));
    if let Some((seq, call)) = begun {
        anyhow::bail!(WrongInput(format!(
            "{task}: {} was begun (record {seq}) - {}. It is not done twice; whoever wants it again gives the task anew",
            call_in_words(&call.request),
            calls::end_in_words(call)
        )));
    }
    Ok(Some(done.alternative))
}

/// What a person's answer came to.
enum Said {
    /// They answered; ask again whether it may pass.
    Answered,
    /// They refused.
    Refused,
    /// The question stays open.
    Open,
}

impl Work<'_> {
    /// Carries out what was chosen, or says what it would be.
    pub(super) fn carry(mut self, done: AlternativeId) -> anyhow::Result<()> {
        let act = text(&self.opened.home, &done);
        let Some(exec) = &self.exec else {
            self.say(format!("\nChosen: {act}. Carrying it out is yours, or the caller's."))?;
            return self.react(done, None);
        };
        let Some(stated) = exec.call(&act, self.run.id()) else {
            self.say(format!("\nChosen: {act}. No call does this; carrying it out is yours."))?;
            self.tell_json(&NoCallJson { act, carried_out: false, because: "no call does this" })?;
            return self.react(done, None);
        };
        if exec.is_dry {
            self.would(&act, stated)?;
            return self.react(done, None);
        }
        self.say(format!("\nChosen: {act}."))?;
        let verdict = self.may(stated)?;
        let Some(number) = verdict.act else { return not_passed(verdict.verdict) };
        let (command, seconds_max) = self.exec.as_ref().map(|e| (e.command.clone(), e.seconds_max)).unwrap_or_default();
        let calling = Calling {
            act: number,
            shown_hash: verdict.shown_hash,
            task: Some(self.run.id().clone()),
            decision: decision_for(self.opened.home.state(), self.run.id(), &done),
            words: act,
            command,
            seconds_max,
        };
        self.call(calling, done)
    }

    /// The command that goes on with this task.
    pub(super) fn resuming(&self, carry_out: bool) -> String {
        let mut words = format!("agent --resume {}", word(self.run.id().as_str()));
        if let (Some(command), Some(calls)) = (&self.args.exec, &self.args.calls) {
            words += &format!(" --calls {} --exec {}", word(&whole(calls)), word(command));
        }
        if carry_out {
            words.push_str(" --carry-out");
        }
        if self.args.exec_timeout != EXEC_SECONDS {
            words += &format!(" --exec-timeout {}", self.args.exec_timeout);
        }
        if self.args.model.model != DEFAULT_MODEL {
            let model = &self.args.model.model;
            let model = if Path::new(model).exists() { whole(Path::new(model)) } else { model.clone() };
            words += &format!(" --model {}", word(&model));
        }
        hint_of(self.run.person(), words)
    }

    /// Says what would be run, and whether it would pass, and changes nothing.
    fn would(&self, act: &str, stated: credence_approvals::Stated) -> anyhow::Result<()> {
        let Some(exec) = &self.exec else { return Ok(()) };
        let approvals = approvals::of(&self.opened.home, self.run.person())?;
        let request = approvals.settings().request(stated);
        let explanation = approvals.explain(&request, here().local)?;
        let verdict = explanation.decision.verdict;
        self.tell_json(&DryRunJson {
            act: act.to_owned(),
            carried_out: false,
            because: "dry run",
            command: exec.command.clone(),
            tool: request.tool.clone(),
            arguments: request.arguments.clone(),
            verdict,
            why: explanation.summary.clone(),
        })?;
        let then = match verdict {
            Verdict::Allow => "it may pass",
            Verdict::Ask => "you would be asked",
            Verdict::Refuse => "it would be refused",
        };
        self.say(format!(
            "\nChosen: {act}. A dry run: nothing is done.\nWith --carry-out, {:?} would be run for\n{}\n  {then}: {}\n{} does it.",
            exec.command,
            shown(&request),
            explanation.summary,
            self.resuming(true)
        ))
    }

    /// Asks whether a call may pass, and puts the question to the person if there is one.
    fn may(&mut self, stated: credence_approvals::Stated) -> anyhow::Result<ApprovalVerdict> {
        let owner = self.run.person().clone();
        loop {
            let verdict = approvals::request(&mut self.opened.home, &owner, stated.clone(), &here())?;
            self.tell_json(&MayJson { approval: verdict.clone() })?;
            if verdict.verdict != Verdict::Ask {
                self.say(&verdict.explanation.summary)?;
                return Ok(verdict);
            }
            let Some(question) = verdict.question else { return Ok(verdict) };
            let Some(request) = open_question(&self.opened.home, &owner, question) else { return Ok(verdict) };
            self.say(format!(
                "May this be done?\n{}\n{}\n  y  yes, this once   t  exactly this call in this task   a  these arguments from now on\n  n  no               m  yes for now, and ask me about such calls   q  leave it open",
                shown(&request),
                verdict.explanation.summary
            ))?;
            match self.said(&owner, question, &verdict)? {
                Said::Refused => {
                    self.say("Refused: it is not done.")?;
                    return Ok(ApprovalVerdict { verdict: Verdict::Refuse, question: None, ..verdict });
                }
                Said::Answered => {}
                Said::Open => {
                    self.say(format!(
                        "Left open: {} (or refuse) answers it, then {} goes on.",
                        hint_of(&owner, format_args!("approvals answer {question} approve")),
                        self.resuming(true)
                    ))?;
                    return Ok(verdict);
                }
            }
        }
    }

    /// Takes lines until one answers the question whether a call may pass.
    fn said(&mut self, owner: &PersonId, question: u64, verdict: &ApprovalVerdict) -> anyhow::Result<Said> {
        while let Some(line) = self.line()? {
            let (said, scope) = match line.as_str() {
                "y" | "yes" => (PersonVerdict::Approved, Scope::Once),
                "t" => (PersonVerdict::Approved, Scope::Task),
                "a" => (PersonVerdict::Approved, Scope::Always),
                "n" | "no" => (PersonVerdict::Refused, Scope::Once),
                "m" => (PersonVerdict::AskMe, Scope::Once),
                "" | "q" => return Ok(Said::Open),
                other => {
                    let problem = format!("{other:?} is none of y, t, a, n, m and q");
                    anyhow::ensure!(self.interactive, WrongInput(format!("standard input: {problem}")));
                    say(problem)?;
                    continue;
                }
            };
            let answer = ApprovalAnswer { verdict: said, scope, pattern: None, expires: None };
            approvals::answer(&mut self.opened.home, owner, question, verdict.shown_hash, answer, &here())?;
            return Ok(if said == PersonVerdict::Refused { Said::Refused } else { Said::Answered });
        }
        Ok(Said::Open)
    }

    /// Runs the command of an act that passed. Others may use the home meanwhile.
    fn call(mut self, calling: Calling, done: AlternativeId) -> anyhow::Result<()> {
        let (owner, act) = (self.run.person().clone(), calling.act);
        let (is_ending, watch) = carrying::until_told();
        let begun = carrying::begin(&mut self.opened.home, &owner, calling)?;
        self.say(format!(
            "Act {act} is being carried out. Ctrl-C, {} or {} ends it.",
            hint_of(&owner, "agent stop"),
            hint_of(&owner, format_args!("approvals undo {act}"))
        ))?;
        let Work { opened, run, situation, args, input, interactive, considered, exec, probes } = self;
        let (ended, opened) = aside(opened, begun, &is_ending)?;
        tell(&ended, act, args.json)?;
        let result = match ended.ending {
            Ending::Stopped { by: StoppedBy::Signal } => Err(Interrupted.into()),
            _ => not_carried_out(ended.outcome),
        };
        drop(watch);
        match opened {
            Some(opened) if result.is_ok() => {
                let work = Work { opened, run, situation, args, input, interactive, considered, exec, probes };
                work.react(done, Some(act))
            }
            _ => result,
        }
    }

    fn tell_json(&self, what: &impl Serialize) -> anyhow::Result<()> {
        if self.args.json { say_json(what) } else { Ok(()) }
    }
}

/// The last decision for a task that chose this.
fn decision_for(state: &State, task: &TaskId, done: &AlternativeId) -> Option<Seq> {
    use credence_memory::record::Outcome;
    let chose = |outcome: &Outcome| matches!(outcome, Outcome::Act { alternative } if alternative == done);
    let of_task = state.decisions().iter().rev().find(|(_, d)| d.task.as_ref() == Some(task) && chose(&d.outcome));
    of_task.map(|(seq, _)| *seq)
}

/// Runs a command with the home let go of, then has what it came to in the log. The home is given back, unless another process
/// has it and has recorded that.
fn aside(opened: Opened, begun: Begun, is_ending: &AtomicBool) -> anyhow::Result<(CallEnded, Option<Opened>)> {
    let root = opened.home.paths().root().to_owned();
    let call = begun.call;
    let rest = opened.without_home();
    let ended = carrying::run(begun, is_ending)?;
    let mut is_told = false;
    loop {
        match Home::open(&root) {
            Ok((mut home, _)) => {
                carrying::settle(&mut home)?;
                return Ok((ended, Some(rest.with(home))));
            }
            Err(HomeError::InUse(_)) => {}
            Err(error) => return Err(error).context("what the command came to is kept and will be recorded"),
        }
        let in_log = state_of(&Paths::of(&root).log()).is_ok_and(|state| is_recorded(&state, call));
        if in_log {
            return Ok((ended, None));
        }
        if is_ending.load(Ordering::SeqCst) {
            return Err(
                anyhow::Error::from(Interrupted).context("what the command came to is kept and will be recorded")
            );
        }
        if !is_told {
            is_told = true;
            tracing::warn!(
                "the command has ended; another process is using the home, and what came of it waits to be recorded"
            );
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
}

fn is_recorded(state: &State, call: Seq) -> bool {
    state.calls().get(&call).is_some_and(|call| call.ended.is_some())
}

fn tell(ended: &CallEnded, act: u64, json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&CarriedJson {
            act,
            carried_out: ended.outcome == ActOutcome::Done,
            call: ended.clone(),
            answer: calls::answer(&ended.output).map(|answer| answer.result),
        });
    }
    say(format!("Act {act}: {}", calls::ended_in_words(ended)))?;
    if ended.output_bytes > ended.output.len() as u64 {
        say(format!("(it printed {} bytes; the beginning is kept)", ended.output_bytes))?;
    }
    Ok(())
}

/// Takes an act back that was carried out: evidence that its owner would have refused it.
pub(super) fn undo(home: &mut Home, owner: &PersonId, act: u64, now: &Now) -> anyhow::Result<()> {
    approvals::undo(home, owner, act, now)?;
    say(format!("Act {act} counts as refused. Undoing what it did is yours."))
}
