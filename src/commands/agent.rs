//! `credence agent`: the loop on a task.

pub(crate) mod carry;

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};

use anyhow::Context;
use credence_agent::calls::is_same;
use credence_agent::decide::Considered;
use credence_agent::propose::{Proposal, Wanted, propose, standing};
use credence_agent::session::Answer;
use credence_agent::task::{By, Proposed, Step, TaskLimits, TaskRun};
use credence_agent::words::{Reader, WordsError};
use credence_memory::ids::{AlternativeId, TaskId};
use credence_priors::meaning::States;

use crate::carrying;
use crate::cli::{AgentAction, AgentArgs, Global};
use crate::commands::approvals::handed::{self, Handed};
use crate::commands::approvals::here;
use crate::commands::consider::{deliberate, guard};
use crate::commands::decide::{as_json, print, text};
use crate::commands::tell::{Answering, tell};
use crate::exit::{WrongInput, undecided};
use crate::probing::{Watch, Watched};
use crate::progress::working;
use crate::surroundings::{Opened, now, person, say, say_json};
use carry::Exec;

/// A line of so many words that answers nothing is a sentence about what matters.
const SENTENCE_WORDS: usize = 3;

/// Runs `credence agent`.
pub(crate) fn run(global: &Global, args: &AgentArgs) -> anyhow::Result<()> {
    if let Some(AgentAction::Stop(stop)) = &args.action {
        let task = stop.task.as_deref().map(TaskId::new).transpose()?;
        return handed::done(global, Handed::Stop { person: person(&stop.person)?, task });
    }
    let person = person(&args.person)?;
    let mut opened = Opened::open(global, &args.model)?;
    let found = carrying::settle(&mut opened.home)?;
    carrying::tell(&opened.home, &found);
    let exec = Exec::of(args, &opened.home, &person)?;
    let limits = TaskLimits { bars: args.bars.bars(), questions_max: args.steps };
    let mut chosen = None;
    let (run, situation) = match (&args.resume, &args.task) {
        (Some(id), _) if exec.is_some() && is_chosen(&opened, &TaskId::new(id)?) => {
            let id = TaskId::new(id)?;
            let run = TaskRun::done(&opened.home, person, id.clone(), limits)?;
            chosen = carry::chosen_before(opened.home.state(), &id)?;
            (run, opened.home.state().tasks()[&id].given.text.clone())
        }
        (Some(id), _) => {
            let id = TaskId::new(id)?;
            let mut run = TaskRun::resume(&opened.home, person, id.clone(), limits)?;
            let situation = opened.home.state().tasks()[&id].given.text.clone();
            let given = described(&mut opened, &situation, &by_person(&args.alternatives), By::Person)?;
            run.add(&mut opened.home, By::Person, &given, now())?;
            (run, situation)
        }
        (None, Some(task)) => {
            let given = if args.proposals == 0 { asked_for(args, exec.as_ref())? } else { args.alternatives.clone() };
            let (mine, always) = proposals(&mut opened, args, task)?;
            // All at once: what is read of each is how it differs from the others.
            let whose = [(mine, By::Model), (always, By::Program), (by_person(&given), By::Person)];
            let texts: Vec<String> = whose.iter().flat_map(|(all, _)| all.iter().map(|p| p.text.clone())).collect();
            opened.describe(task, &texts)?;
            let mut all = Vec::new();
            for (proposals, by) in &whose {
                all.extend(described(&mut opened, task, proposals, *by)?);
            }
            (TaskRun::begin(&mut opened.home, person, task, &all, limits, now())?, task.clone())
        }
        (None, None) => anyhow::bail!("give a task with --task, or --resume one"),
    };
    let stdin = std::io::stdin();
    let interactive = stdin.is_terminal();
    let (input, considered, probes) = (Box::new(stdin.lock()), Vec::new(), opened.watch());
    let mut work = Work { opened, run, situation, args, input, interactive, considered, exec, probes };
    if let Some(chosen) = chosen {
        return work.carry(chosen);
    }
    for what in &args.strike {
        let alternative = work.named(what)?;
        work.run.strike(&mut work.opened.home, alternative, now())?;
    }
    if !args.json {
        work.list()?;
    }
    work.go()
}

/// Whether something was chosen for a task.
fn is_chosen(opened: &Opened, task: &TaskId) -> bool {
    opened.home.state().tasks().get(task).is_some_and(|task| !task.actions.is_empty())
}

/// The alternatives given, and as many more as the person says on lines, if these are too few to decide between.
fn asked_for(args: &AgentArgs, exec: Option<&Exec>) -> anyhow::Result<Vec<String>> {
    let mut given = args.alternatives.clone();
    for act in exec.into_iter().flat_map(Exec::acts) {
        if !given.iter().any(|known| is_same(known, act)) {
            given.push(act.to_owned());
        }
    }
    if given.len() >= 2 {
        return Ok(given);
    }
    if !args.json {
        say(
            "What could be done? One alternative a line, at least two in all; an empty line ends the list. (--proposals N has the model propose some.)",
        )?;
    }
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = String::new();
        let read = input.read_line(&mut line).context("failed to read standard input")?;
        let text = line.trim().trim_start_matches('+').trim();
        if text.is_empty() && (read == 0 || given.len() >= 2) {
            break;
        }
        if !text.is_empty() && !given.iter().any(|known| known.eq_ignore_ascii_case(text)) {
            given.push(text.to_owned());
        }
    }
    crate::commands::decide::check(&given)?;
    Ok(given)
}

/// What the model proposes, and what every task has. None of either when no proposals are wanted.
fn proposals(opened: &mut Opened, args: &AgentArgs, task: &str) -> anyhow::Result<(Vec<Proposal>, Vec<Proposal>)> {
    if args.proposals == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let charter = opened.opening.charter.clone();
    let mut model = opened.reader()?.model().clone();
    let mut states = States::open(opened.opening.readings.as_deref(), &model);
    let wanted = Wanted { count: args.proposals, seed: args.seed };
    let _working = working("proposing alternatives");
    let mine = propose(&mut model, &mut states, &charter, task, &args.alternatives, wanted)?;
    let known: Vec<String> = mine.iter().map(|p| p.text.clone()).chain(args.alternatives.iter().cloned()).collect();
    let always = standing(&mut model, &mut states, &known)?;
    Ok((mine, always))
}

fn by_person(texts: &[String]) -> Vec<Proposal> {
    texts.iter().map(|text| Proposal { text: text.clone(), why: "given by the person".into() }).collect()
}

fn described(opened: &mut Opened, task: &str, proposals: &[Proposal], by: By) -> anyhow::Result<Vec<Proposed>> {
    let texts: Vec<String> = proposals.iter().map(|p| p.text.clone()).collect();
    let ids = opened.describe(task, &texts)?;
    Ok(ids
        .into_iter()
        .zip(proposals)
        .map(|(alternative, p)| Proposed { alternative, by, why: p.why.clone() })
        .collect())
}

/// A task being worked on, with the person on the other side of a stream of lines.
struct Work<'a> {
    opened: Opened,
    run: TaskRun,
    situation: String,
    args: &'a AgentArgs,
    input: Box<dyn BufRead>,
    interactive: bool,
    /// What was deliberated on, with the alternative it belongs to.
    considered: Vec<(AlternativeId, Option<Considered>)>,
    /// How acts are carried out, if they are.
    exec: Option<Exec>,
    /// The probes that read what is decided about, if there are any.
    probes: Option<Watch>,
}

/// What a line led to.
enum Heard {
    /// An answer was taken, or words changed what is believed or weighed: decide again.
    Again,
    /// The person says nothing more for now.
    Later,
    /// The person said stop: the task is over.
    Stopped,
}

impl Work<'_> {
    fn list(&self) -> anyhow::Result<()> {
        let task = &self.opened.home.state().tasks()[self.run.id()];
        say(format!("Task: {}\nConsidering:", task.given.text))?;
        for (i, alternative) in self.run.alternatives().iter().enumerate() {
            let by = task.proposed.iter().find(|(a, _)| a == alternative).map(|(_, by)| by.as_str());
            let whose = match by {
                Some("person") => "  (yours)",
                Some("program") => "  (always weighed)",
                _ => "",
            };
            say(format!("  {} {}{whose}", i + 1, text(&self.opened.home, alternative)))?;
        }
        say("")
    }

    fn go(mut self) -> anyhow::Result<()> {
        loop {
            let considered = self.consider()?;
            self.opened.home.believe(self.run.person())?;
            let mut decided = self.run.decide(&self.opened.home, &considered)?;
            let (person, bars) = (self.run.person().clone(), self.run.bars());
            guard(&mut self.opened, &person, &self.situation, self.run.alternatives(), &mut decided, bars)?;
            let step = self.run.step(&mut self.opened.home, decided, now())?;
            let home = &self.opened.home;
            let (Step::Act(_, decided) | Step::Ask(_, decided) | Step::Defer(_, decided)) = &step;
            let seq = home.state().decisions().last().context("the decision was just recorded")?.0;
            if self.args.json {
                say_json(&as_json(home, seq, self.run.alternatives(), decided))?;
            } else {
                print(home, seq, self.run.alternatives(), decided)?;
            }
            let outcome = decided.outcome.clone();
            let heard = match step {
                Step::Act(done, _) => return self.carry(done),
                Step::Ask(pair, _) => {
                    self.say(format!(
                        "\nWhich would you rather have?\n  1  {}\n  2  {}\n  =  no preference    q  leave it for later    stop  end the task\n  + TEXT  add an alternative    - N  strike one    or say in a sentence what matters",
                        text(home, &pair[0]),
                        text(home, &pair[1])
                    ))?;
                    self.hear(true)?
                }
                Step::Defer(..) => {
                    self.say("\nThe decision is yours. Say in a sentence what matters here, add (+ TEXT) or strike (- N) an alternative, leave it for later (Return), or end it (stop).")?;
                    self.hear(false)?
                }
            };
            match heard {
                Heard::Again => {}
                Heard::Later => {
                    self.say(format!("{} goes on later.", self.resuming(self.args.carry_out)))?;
                    return undecided(&outcome);
                }
                Heard::Stopped => return self.say("Stopped. Nothing is chosen, and this task does not go on."),
            }
        }
    }

    fn say(&self, line: impl std::fmt::Display) -> anyhow::Result<()> {
        if self.args.json { Ok(()) } else { say(line) }
    }

    /// Deliberates on what was not deliberated on yet.
    fn consider(&mut self) -> anyhow::Result<Vec<Option<Considered>>> {
        let done: BTreeSet<AlternativeId> = self.considered.iter().map(|(a, _)| *a).collect();
        let new: Vec<AlternativeId> = self.run.alternatives().iter().copied().filter(|a| !done.contains(a)).collect();
        if !new.is_empty() {
            let (person, task) = (self.run.person().clone(), self.run.id().clone());
            let whose = Watched { person, task: Some(task) };
            let (watched, how) = ((self.probes.as_ref(), &whose), (self.args.seed, self.args.json));
            let found = deliberate(&mut self.opened, &self.args.consider, watched, &self.situation, &new, how)?;
            let found = if found.is_empty() { vec![None; new.len()] } else { found };
            self.considered.extend(new.into_iter().zip(found));
        }
        let of = |a: &AlternativeId| self.considered.iter().find(|(b, _)| a == b).and_then(|(_, c)| *c);
        Ok(self.run.alternatives().iter().map(of).collect())
    }

    fn line(&mut self) -> anyhow::Result<Option<String>> {
        let mut line = String::new();
        let read = self.input.read_line(&mut line).context("failed to read standard input")?;
        Ok((read > 0).then(|| line.trim().to_owned()))
    }

    /// Takes lines until one leads somewhere. `asked`: whether a question is open.
    fn hear(&mut self, asked: bool) -> anyhow::Result<Heard> {
        while let Some(line) = self.line()? {
            let answer = match line.as_str() {
                "" if asked => continue,
                "" | "q" => return Ok(Heard::Later),
                "1" if asked => Answer::Choose(0),
                "2" if asked => Answer::Choose(1),
                "=" if asked => Answer::NoPreference,
                "stop" | "don't" => {
                    self.run.stop(&mut self.opened.home, &line, now())?;
                    return Ok(Heard::Stopped);
                }
                other => {
                    if self.other(other, if asked { "1, 2, =, q, stop" } else { "an empty line" })? {
                        return Ok(Heard::Again);
                    }
                    continue;
                }
            };
            self.run.answer(&mut self.opened.home, answer, now())?;
            return Ok(Heard::Again);
        }
        Ok(Heard::Later)
    }

    /// Adding, striking, words. Says whether anything came of it; a line of a file that cannot be used is an error.
    fn other(&mut self, line: &str, expected: &str) -> anyhow::Result<bool> {
        if let Some(new) = line.strip_prefix('+').map(str::trim).filter(|t| !t.is_empty()) {
            let given = described(&mut self.opened, &self.situation, &by_person(&[new.to_owned()]), By::Person)?;
            self.run.add(&mut self.opened.home, By::Person, &given, now())?;
            return Ok(true);
        }
        let result = if let Some(what) = line.strip_prefix('-').map(str::trim) {
            self.named(what).and_then(|alternative| Ok(self.run.strike(&mut self.opened.home, alternative, now())?))
        } else if line.split_whitespace().count() >= SENTENCE_WORDS || line.contains(['>', '<']) {
            self.tell(line)
        } else {
            Err(WrongInput(format!("{line:?} is none of {expected}, + TEXT, - N and a sentence")).into())
        };
        match result {
            Ok(()) => Ok(true),
            Err(error) if self.interactive || error.is::<WordsError>() => {
                say(format!("Not recorded: {error:#}"))?;
                Ok(false)
            }
            Err(error) => Err(error.context("standard input")),
        }
    }

    fn tell(&mut self, words: &str) -> anyhow::Result<()> {
        let person = self.run.person().clone();
        let answering = Answering::Lines(&mut *self.input);
        tell(&mut self.opened, &person, words, Reader::default(), answering, self.args.json)
    }

    /// The alternative with this number or text.
    fn named(&self, what: &str) -> anyhow::Result<AlternativeId> {
        let alternatives = self.run.alternatives();
        let by_number = what.parse::<usize>().ok().and_then(|n| alternatives.get(n.wrapping_sub(1)));
        let by_text = || alternatives.iter().find(|a| text(&self.opened.home, a).eq_ignore_ascii_case(what.trim()));
        by_number.or_else(by_text).copied().with_context(|| {
            WrongInput(format!(
                "{what:?} is neither the text of an alternative nor its number, 1 to {}",
                alternatives.len()
            ))
        })
    }

    /// The person's reaction to an act: nothing, the number of what they would rather have had, which is a correction, or words.
    /// `act`: its number, where it was carried out, by which it can be taken back.
    fn react(mut self, done: AlternativeId, act: Option<u64>) -> anyhow::Result<()> {
        let alternatives = self.run.alternatives().to_vec();
        self.say("Was that right? Return for yes, \"stop\", the number of what you would rather have had, or a sentence about what matters:")?;
        for (i, a) in alternatives.iter().enumerate() {
            self.say(format!("  {}  {}", i + 1, text(&self.opened.home, a)))?;
        }
        while let Some(line) = self.line()? {
            match line.as_str() {
                "" | "yes" | "y" | "q" => return Ok(()),
                "undo" if act.is_some() => {
                    let owner = self.run.person().clone();
                    act.map_or(Ok(()), |act| carry::undo(&mut self.opened.home, &owner, act, &here()))?;
                    return Ok(self.run.stop(&mut self.opened.home, &line, now())?);
                }
                "stop" | "undo" | "don't" => return Ok(self.run.stop(&mut self.opened.home, &line, now())?),
                _ => {}
            }
            match line.parse::<usize>().ok().and_then(|n| alternatives.get(n.wrapping_sub(1))) {
                Some(preferred) if *preferred == done => return Ok(()),
                Some(preferred) => {
                    self.run.correct(&mut self.opened.home, *preferred, done, now())?;
                    let text = text(&self.opened.home, preferred);
                    return self.say(format!("Understood: rather {text}. That correction is evidence now."));
                }
                None => {
                    let expected = format!("1 to {}, \"stop\", an empty line", alternatives.len());
                    self.other(&line, &expected)?;
                }
            }
        }
        Ok(())
    }
}
