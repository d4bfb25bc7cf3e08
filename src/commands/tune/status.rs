//! `credence tune status`: what is in force, what was tried, and whether to train now.

use std::collections::BTreeMap;

use credence_memory::ids::{AdapterGeneration, Seq};
use credence_memory::log::Reader;
use credence_memory::number::Finite;
use credence_memory::record::{AdapterOrigin, GateJudged, GateTest};
use credence_memory::state::State;
use credence_tuning::plan::{self, Machine, Plan};
use credence_tuning::records::standing_words;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::work::KEYED;
use super::{name, settings, whose};
use crate::cli::{Global, StatusArgs};
use crate::surroundings::{self, home, log_path, now, open_log, read_state, say, say_json};

/// What is in force, what was tried, and whether to train now, as `credence tune status --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusJson {
    /// The generation in force; 0 is the base model.
    current: AdapterGeneration,
    /// It and those that it rests on.
    lineage: Vec<AdapterGeneration>,
    /// All that were trained or brought in.
    generations: Vec<GenerationJson>,
    /// What the schedule says.
    plan: Plan,
}

/// An adapter.
#[derive(Debug, Serialize, ToSchema)]
struct GenerationJson {
    generation: AdapterGeneration,
    /// What it was trained from.
    parent: AdapterGeneration,
    /// Its record in the log.
    record: Seq,
    origin: AdapterOrigin,
    /// Records that it absorbed and that still count.
    absorbed: u64,
    /// The last record that it may have seen.
    cutoff: Seq,
    metrics: BTreeMap<String, Finite>,
    /// How it stands, in words; nothing where it is not known any more.
    standing: Option<String>,
    /// What the gate said of it.
    judged: Vec<GateJudged>,
}

/// Runs `credence tune status`. Needs neither the home's lock nor the model.
pub(super) fn run(global: &Global, args: &StatusArgs) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let plan = plan_now(global, &state, &whose(&state, &args.whose)?)?;
    let ledger = state.ledger();
    let current = ledger.current();
    if args.json {
        let generations = state.generations().adapters().map(|a| GenerationJson {
            generation: a.trained.generation,
            parent: a.trained.parent,
            record: a.seq,
            origin: a.trained.origin.clone(),
            absorbed: ledger.count(&a.absorbed),
            cutoff: a.trained.cutoff,
            metrics: a.trained.metrics.clone(),
            standing: ledger.standing(a.trained.generation).map(standing_words),
            judged: a.judged.iter().map(|(_, judged)| judged.clone()).collect(),
        });
        let (generations, lineage) = (generations.collect(), ledger.lineage());
        let lineage = lineage.iter().map(|a| a.trained.generation).collect();
        return say_json(&StatusJson { current, lineage, generations, plan });
    }
    say(format!("In force: {}", name(current)))?;
    for adapter in state.generations().adapters() {
        let generation = adapter.trained.generation;
        let standing = ledger.standing(generation).map(standing_words).unwrap_or_default();
        say(format!(
            "  generation {generation}  from {}, {} records absorbed: {standing}",
            name(adapter.trained.parent),
            ledger.count(&adapter.absorbed)
        ))?;
        if let Some((_, judged)) = adapter.judged.last() {
            say(format!("    {}", verdict(judged)))?;
            for test in judged.tests.iter().filter(|_| args.tests) {
                say(format!("      {}", test_line(test)))?;
            }
        }
    }
    let s = &plan.situation;
    say(format!(
        "\nNew since then, of {}: {} answers, {:.2} nats that the prior alone would have missed",
        plan.whose, s.answers, s.nats
    ))?;
    say(format!("Next candidate: number {} at the gate, each test at the {:.4} level", plan.turn, plan.level))?;
    if state.elicited().is_some_and(|prior| prior.in_key_points()) {
        return say(format!("Schedule: never: {KEYED}"));
    }
    say(format!("Schedule: {}", plan.decision))
}

/// The schedule's decision now.
pub(super) fn plan_now(
    global: &Global,
    state: &State,
    whose: &credence_tuning::dataset::Whose,
) -> anyhow::Result<Plan> {
    let root = home(global)?;
    let judged = state.generations().adapters().flat_map(|a| &a.judged).map(|(seq, _)| *seq).max();
    let judged_at = judged.map(|seq| time_of(global, seq)).transpose()?.flatten();
    let machine = Machine {
        now: now(),
        load: surroundings::machine_load(),
        room_bytes: surroundings::room_bytes(&root),
        trainable: true,
    };
    Ok(plan::plan(state, &root, whose, &settings(global)?, machine, judged_at)?)
}

/// When a record was written.
fn time_of(global: &Global, seq: Seq) -> anyhow::Result<Option<Timestamp>> {
    for entry in Reader::new(open_log(&log_path(global)?)?) {
        let entry = entry?;
        if entry.seq == seq {
            return Ok(Some(entry.time));
        }
    }
    Ok(None)
}

/// A verdict in one line.
pub(crate) fn verdict(judged: &GateJudged) -> String {
    use credence_memory::record::GateVerdict;
    match judged.verdict {
        GateVerdict::Accepted => format!("gate: accepted, every test passed (last: {})", judged.decided_by),
        GateVerdict::Refused => format!("gate: refused by the test of {}", judged.decided_by),
        GateVerdict::NotEnough => format!(
            "gate: not enough evidence for the test of {}; about {} more held-out or later units are needed",
            judged.decided_by,
            judged.missing.unwrap_or(0)
        ),
    }
}

/// One test in one line.
fn test_line(test: &GateTest) -> String {
    let number = |x: Option<credence_memory::number::Finite>| x.map_or("-".to_owned(), |x| format!("{:+.4}", x.get()));
    format!(
        "{:<30} {}  lower bound {} against {:+.4} {}, {} units: {}",
        test.name,
        number(test.estimate),
        number(test.lower),
        test.margin.get(),
        test.unit,
        test.units,
        if test.passed { "passed" } else { "not passed" }
    )
}
