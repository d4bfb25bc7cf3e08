//! What `credence agent` and `credence decide` share: briefings, deliberation, and whether a judgement hangs on its wording.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use credence_agent::briefing;
use credence_agent::consider::{Consideration, Event, consider};
use credence_agent::decide::{Bars, Considered, Decided};
use credence_agent::wording;
use credence_glass::probe::Course;
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, BriefingId, PersonId, Seq};
use credence_memory::record::{Consequence, MotivePart, Outcome, Record};

use crate::cli::ConsiderArgs;
use crate::exit::WrongInput;
use crate::front::clean_text;
use crate::hint::hint;
use crate::probing::{Watch, Watched};
use crate::surroundings::{Opened, now, say};

/// Adds a document to the home's briefings, unless the same is there already. Says under which name, and whether it is new.
pub(crate) fn add_briefing(home: &mut Home, path: &Path, name: Option<&str>) -> anyhow::Result<(BriefingId, bool)> {
    let mut added = briefing::load(path, name)?;
    let standing = home.state().briefings();
    if let Some((name, _)) = standing.iter().find(|(_, (_, b))| b.content_hash == added.content_hash) {
        return Ok((name.clone(), false));
    }
    if standing.contains_key(&added.briefing) {
        if name.is_some() {
            anyhow::bail!(WrongInput(format!("there is a briefing {} already", added.briefing)));
        }
        // Two files of the same name: the second gets a number.
        added.briefing = (2..=standing.len() + 2)
            .filter_map(|n| BriefingId::new(&format!("{}-{n}", added.briefing)).ok())
            .find(|id| !standing.contains_key(id))
            .context("give the briefing a name with `credence brief add --name`")?;
    }
    let name = added.briefing.clone();
    home.append(now(), Record::BriefingAdded(added))?;
    Ok((name, true))
}

/// Has probes read alternatives, if there are any; deliberates on them if that was asked for, or only on those of which the probes are
/// unsure, showing what is written unless `quiet`; and has probes read what was written.
pub(crate) fn deliberate(
    opened: &mut Opened,
    args: &ConsiderArgs,
    (watch, whose): (Option<&Watch>, &Watched),
    situation: &str,
    alternatives: &[AlternativeId],
    (seed, quiet): (u64, bool),
) -> anyhow::Result<Vec<Option<Considered>>> {
    for path in &args.briefs {
        let (name, new) = add_briefing(&mut opened.home, path, None)?;
        if new && !quiet {
            let drop = hint(format_args!("brief drop {name}"));
            say(format!("Briefing {name} is kept; {drop} takes it away."))?;
        }
    }
    opened.read_motives(watch, whose, alternatives, &[])?;
    let all = args.deliberate || !args.briefs.is_empty();
    let wanted: Vec<AlternativeId> = match watch {
        _ if all => alternatives.to_vec(),
        Some(watch) if args.deliberate_if_unsure => unsure(opened, watch, whose, alternatives),
        _ => Vec::new(),
    };
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let what = Consideration {
        person: whose.person.clone(),
        task: whose.task.clone(),
        situation: situation.trim().to_owned(),
        charter: opened.opening.charter.clone(),
        tokens_max: args.deliberation_tokens,
        seed,
        states: opened.opening.readings.clone(),
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let _watch = crate::signals::watch_interrupt(move || flag.store(true, Ordering::SeqCst));
    let mut reader = opened.reader()?.clone();
    let considered = consider(
        &mut opened.home,
        &mut reader,
        &what,
        &wanted,
        &mut |event| {
            let shown = if quiet { Ok(()) } else { show(&event) };
            if interrupted.load(Ordering::SeqCst) || shown.is_err() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
        now(),
    )?;
    if interrupted.load(Ordering::SeqCst) && !quiet {
        say("\nDeliberation ended by you; what was finished counts.")?;
    }
    let written: Vec<Seq> = considered.iter().flatten().map(|c| c.deliberation).collect();
    opened.read_motives(watch, whose, &[], &written)?;
    let of = |alternative: &AlternativeId| {
        wanted.iter().position(|other| other == alternative).and_then(|at| considered.get(at).copied().flatten())
    };
    Ok(alternatives.iter().map(of).collect())
}

/// The alternatives that read neither as ordinary texts do nor above the bar.
fn unsure(opened: &Opened, watch: &Watch, whose: &Watched, alternatives: &[AlternativeId]) -> Vec<AlternativeId> {
    let state = opened.home.state();
    let is_unsure = |alternative: &&AlternativeId| {
        let read = state.motives_of(&whose.person, alternative);
        let proposed = read.iter().find(|(_, r)| r.part == MotivePart::Proposed).and_then(|(_, r)| r.highest());
        proposed.is_some_and(|reading| watch.band().course(reading.log_odds.get()) == Course::Ask)
    };
    alternatives.iter().filter(is_unsure).copied().collect()
}

fn show(event: &Event) -> anyhow::Result<()> {
    match event {
        Event::Passages(passages) => {
            say("Background that bears on it:")?;
            passages.iter().try_for_each(|p| {
                let words: Vec<&str> = p.text.split_whitespace().collect();
                let more = if words.len() > 16 { " ..." } else { "" };
                say(clean_text(&format!("  [{}] {}{more}", p.source, words[..words.len().min(16)].join(" "))))
            })
        }
        Event::Begun(alternative) => say(clean_text(&format!("\nIf: {alternative}"))),
        Event::Text(text) => {
            let mut out = std::io::stdout().lock();
            out.write_all(clean_text(text).as_bytes())?;
            Ok(out.flush()?)
        }
        Event::Finished(_, trust) => say(format!("(the judgement with this counts for {:.0}%)", 100.0 * trust)),
        Event::Unusable => say("(nothing usable was written; judged alone)"),
    }
}

/// Leaves an act to the person if its judgement hangs on the wording of the situation.
pub(crate) fn guard(
    opened: &mut Opened,
    person: &PersonId,
    situation: &str,
    alternatives: &[AlternativeId],
    decided: &mut Decided,
    bars: Bars,
) -> anyhow::Result<()> {
    if !matches!(decided.outcome, Outcome::Act { .. }) || !bars.wording_max.is_finite() {
        return Ok(());
    }
    let pair = [alternatives[decided.best], alternatives[decided.second]];
    let texts = pair.map(|a| crate::commands::decide::text(&opened.home, &a));
    let mut reworded = Vec::new();
    for other in wording::reworded(situation) {
        let ids = opened.describe(&other, &texts)?;
        reworded.push([ids[0], ids[1]]);
    }
    let moved = wording::moved(opened.home.state(), person, pair, &reworded)?;
    decided.guard(moved, bars);
    Ok(())
}

/// The consequences behind a decision, by alternative, with the numbers of their records.
pub(crate) fn consequences<'a>(home: &'a Home, decided: &Decided) -> Vec<Option<(u64, &'a [Consequence], f64)>> {
    let deliberations = home.state().deliberations();
    decided
        .considered
        .iter()
        .map(|c| {
            let c = c.as_ref()?;
            let made = &deliberations.get(&c.deliberation)?.made;
            Some((c.deliberation.0, made.consequences.as_slice(), c.trust))
        })
        .collect()
}
