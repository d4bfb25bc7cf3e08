//! `credence agent`: the loop on a task.

use std::io::{BufRead, IsTerminal};

use anyhow::Context;
use credence_agent::propose::propose;
use credence_agent::session::Answer;
use credence_agent::task::{Step, TaskRun};
use credence_memory::ids::{AlternativeId, TaskId};

use crate::cli::{AgentArgs, Global};
use crate::commands::decide::{as_json, bars, print, text};
use crate::surroundings::{Opened, now, person, say, say_json};

/// Runs `credence agent`.
pub(crate) fn run(global: &Global, args: &AgentArgs) -> anyhow::Result<()> {
    let person = person(&args.person)?;
    let mut opened = Opened::open(global, &args.model)?;
    let limits = (bars(&args.bars), args.steps);
    let mut run = match (&args.resume, &args.task) {
        (Some(id), _) => TaskRun::resume(&opened.home, person, TaskId::new(id)?, limits)?,
        (None, Some(task)) => {
            let proposed = proposals(&mut opened, args, task)?;
            let added = args.alternatives.clone();
            let proposed_ids = opened.describe(task, &proposed)?;
            let added_ids = opened.describe(task, &added)?;
            if !args.json {
                say(format!("Task: {task}\nConsidering:"))?;
                proposed.iter().try_for_each(|p| say(format!("  - {p}")))?;
                added.iter().try_for_each(|p| say(format!("  - {p}  (yours)")))?;
                say("")?;
            }
            TaskRun::begin(&mut opened.home, person, task, &proposed_ids, &added_ids, limits, now())?
        }
        (None, None) => anyhow::bail!("give a task with --task, or --resume one"),
    };
    work(&mut opened, &mut run, args.json)
}

fn proposals(opened: &mut Opened, args: &AgentArgs, task: &str) -> anyhow::Result<Vec<String>> {
    if args.proposals == 0 {
        return Ok(Vec::new());
    }
    let charter = opened.opening.charter.clone();
    let mut model = opened.reader()?.model().clone();
    // A list may come out short or repeat itself: one more try, with another seed.
    let mut found = propose(&mut model, &charter, task, args.proposals, args.seed as u32)?;
    if found.len() < 2 {
        found.extend(propose(&mut model, &charter, task, args.proposals, args.seed as u32 + 1)?);
        found.dedup();
    }
    Ok(found)
}

fn work(opened: &mut Opened, run: &mut TaskRun, json: bool) -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    let interactive = stdin.is_terminal();
    let mut lines = stdin.lock().lines();
    loop {
        let step = run.step(&mut opened.home, now())?;
        let home = &opened.home;
        let (Step::Act(_, decided) | Step::Ask(_, decided) | Step::Defer(_, decided)) = &step;
        let seq = home.state().decisions().last().context("the decision was just recorded")?.0;
        if json {
            say_json(&as_json(home, seq, run.alternatives(), decided))?;
        } else {
            print(home, seq, run.alternatives(), decided)?;
        }
        match step {
            Step::Act(done, _) => {
                if !json {
                    say(format!("\nDone: {}", text(home, &done)))?;
                }
                return react(opened, run, done, &mut lines, json);
            }
            Step::Defer(..) => {
                if !json {
                    say(format!("\nThe decision is yours. `credence agent --resume {}` goes on later.", run.id()))?;
                }
                return Ok(());
            }
            Step::Ask(pair, _) => {
                if !json {
                    say(format!(
                        "\nWhich would you rather have?\n  1  {}\n  2  {}\n  =  no preference    q  stop",
                        text(home, &pair[0]),
                        text(home, &pair[1])
                    ))?;
                }
                if !answer(opened, run, &mut lines, interactive)? {
                    return say(format!("Stopped. `credence agent --resume {}` goes on later.", run.id()));
                }
            }
        }
    }
}

/// Reads one answer; false when the person stops or says nothing more.
fn answer(
    opened: &mut Opened,
    run: &mut TaskRun,
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    interactive: bool,
) -> anyhow::Result<bool> {
    for line in lines {
        let line = line.context("failed to read standard input")?;
        let answer = match line.trim() {
            "1" => Answer::Choose(0),
            "2" => Answer::Choose(1),
            "=" => Answer::NoPreference,
            "q" | "stop" | "don't" => {
                run.stop(&mut opened.home, line.trim(), now())?;
                return Ok(false);
            }
            "" => continue,
            other if interactive => {
                say(format!("{other:?} is none of 1, 2, = and q"))?;
                continue;
            }
            other => {
                anyhow::bail!(crate::exit::WrongInput(format!("standard input: {other:?} is none of 1, 2, = and q")))
            }
        };
        run.answer(&mut opened.home, answer, now())?;
        return Ok(true);
    }
    Ok(false)
}

/// The person's reaction to an act: nothing, or the number of what they would rather have had, which is a correction.
fn react(
    opened: &mut Opened,
    run: &mut TaskRun,
    done: AlternativeId,
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    json: bool,
) -> anyhow::Result<()> {
    let alternatives = run.alternatives().to_vec();
    if !json {
        say("Was that right? Return for yes, \"stop\", or the number of what you would rather have had:")?;
        for (i, a) in alternatives.iter().enumerate() {
            say(format!("  {}  {}", i + 1, text(&opened.home, a)))?;
        }
    }
    let Some(line) = lines.next().transpose().context("failed to read standard input")? else { return Ok(()) };
    match line.trim() {
        "" | "yes" | "y" => Ok(()),
        "stop" | "undo" | "don't" | "q" => Ok(run.stop(&mut opened.home, line.trim(), now())?),
        number => match number.parse::<usize>().ok().and_then(|n| alternatives.get(n.wrapping_sub(1))) {
            Some(preferred) if *preferred == done => Ok(()),
            Some(preferred) => {
                run.correct(&mut opened.home, *preferred, done, now())?;
                say(format!("Understood: rather {}. That correction is evidence now.", text(&opened.home, preferred)))
            }
            None => anyhow::bail!(crate::exit::WrongInput(format!(
                "{number:?} is none of 1 to {}, \"stop\" and an empty line",
                alternatives.len()
            ))),
        },
    }
}
