//! `credence explain`: which evidence moved a value or a decision.

use anyhow::Context;
use credence_agent::approvals;
use credence_agent::importance::{NamedValue, unknown};
use credence_agent::in_words::{self, brief};
use credence_agent::influence::{Explained, explained, ranked};
use credence_agent::knowledge::Knowledge;
use credence_agent::views::LEVEL;
use credence_agent::{motives, names};
use credence_approvals::Explanation;
use credence_memory::belief::{LocationName, Mixture};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::observation::contrast;
use credence_memory::record::Record;
use credence_memory::state::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{ExplainArgs, Global};
use crate::commands::evidence::each;
use crate::commands::library;
use crate::exit::WrongInput;
use crate::probing::{MotiveView, views};
use crate::surroundings::{person, read_state, say, say_json};

/// What moved a value or a decision, as `credence explain --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplanationJson {
    /// What it is about, in words.
    about: String,
    /// Whose.
    person: String,
    /// What the numbers are in.
    unit: &'static str,
    /// As believed now.
    mean: f64,
    /// The same, its 90% interval.
    interval_90: [f64; 2],
    /// The probability that it is above 0.
    probability_positive: f64,
    /// The records that moved it most, the largest first.
    evidence: Vec<MovedBy>,
    /// Records that count.
    records: usize,
    /// The share of belief that rests on the library.
    library_share: f64,
    /// What its documents say of the value, with the passages; absent where none does.
    library: Option<Vec<String>>,
    /// How right the fast ranking was that they were found by.
    fast_ranking: FastRanking,
    /// Of a decision: what probes of the model's states read of the best; absent where nothing was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    motives: Vec<MotiveView>,
}

/// Why an entry of approvals is as it is, as `credence explain --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryJson {
    /// The entry, in words.
    about: String,
    /// Whose approvals it is in.
    person: PersonId,
    /// Its record.
    record: Seq,
    /// Why; nothing where it is the owner's own word.
    explanation: Option<Explanation>,
}

/// What one record moved.
#[derive(Debug, Serialize, ToSchema)]
struct MovedBy {
    /// The record.
    record: u64,
    /// What was said.
    said: String,
    /// The mean less the mean without it.
    change: f64,
    /// The same of the probability that it is above 0.
    positive_change: f64,
    /// What the fast ranking took the change for.
    fast_change: f64,
}

/// How right a fast ranking was, on the records told.
#[derive(Debug, Serialize, ToSchema)]
struct FastRanking {
    largest_error: f64,
    rank_correlation: Option<f64>,
    /// How many of the ten most influential are among its first ten, where all records were looked at.
    of_ten: Option<usize>,
}

/// Tells why an entry of approvals is as it is; says whether the record is one.
fn entry_of_approvals(global: &Global, seq: Seq, json: bool) -> anyhow::Result<bool> {
    let mut records = Vec::new();
    each(global, |entry, _| {
        if entry.seq <= seq && matches!(entry.record, Record::ApprovalsDeclared(_) | Record::ApprovalNoted(_)) {
            records.push((entry.seq, entry.record.clone()));
        }
        Ok(())
    })?;
    let Some((person, entry, before)) = approvals::as_it_was(records, seq) else { return Ok(false) };
    let about = format!("{}: {}", approvals::numbered(&entry, before.records()), approvals::entry_in_words(&entry));
    let why = approvals::entry_explained(&entry, &before);
    if json {
        say_json(&EntryJson { about, person, record: seq, explanation: why })?;
        return Ok(true);
    }
    say(format!("{person}: {about}"))?;
    match why {
        Some(why) => approvals::explanation_in_words(&why).iter().try_for_each(say)?,
        None => say("  it is the owner's own word")?,
    }
    Ok(true)
}

/// Runs `credence explain`.
pub(crate) fn run(global: &Global, args: &ExplainArgs) -> anyhow::Result<()> {
    let mut state = read_state(global)?;
    if let Ok(seq) = args.what.parse::<u64>()
        && entry_of_approvals(global, Seq(seq), args.json)?
    {
        return Ok(());
    }
    let About { person, direction, what, unit, value, motives } = match args.what.parse::<u64>() {
        Ok(seq) => decision(&state, Seq(seq))?,
        Err(_) => value(&state, person(&args.person)?, &args.what)?,
    };
    state.believe(&person)?;
    let functional = |belief: &Mixture| belief.marginals(std::slice::from_ref(&direction)).swap_remove(0);
    let belief = state.belief(&person)?;
    let now = functional(&belief);
    let from_library: f64 =
        belief.locations().iter().filter(|(l, _)| *l == LocationName::Library).map(|(_, m)| m).sum();
    let behind = value.and_then(|value| library::behind(&state, &value, from_library));
    let fast = ranked(&state, &person, &direction)?;
    let (rows, error) = explained(&state, &person, &direction, &fast, args.top)?;
    let (low, high) = now.interval(LEVEL);
    let said = |seq: Seq| in_words::evidence(&state, &person, seq, names::value).unwrap_or_default();
    if args.json {
        let row = |Explained { fast, exact }: &Explained| MovedBy {
            record: exact.seq.0,
            said: said(exact.seq),
            change: exact.mean_change,
            positive_change: exact.positive_change,
            fast_change: fast.mean_change,
        };
        return say_json(&ExplanationJson {
            about: what,
            person: person.to_string(),
            unit,
            mean: now.mean(),
            interval_90: [low, high],
            probability_positive: now.probability_positive(),
            evidence: rows.iter().map(row).collect(),
            records: fast.len(),
            library_share: from_library,
            library: behind,
            fast_ranking: FastRanking {
                largest_error: error.largest,
                rank_correlation: error.rank_correlation,
                of_ten: error.of_ten,
            },
            motives: views(&state, &motives),
        });
    }
    say(format!(
        "{what}\n{person}: {:+.2}, 90% [{low:+.2}, {high:+.2}], above 0 with probability {:.2}; {unit}",
        now.mean(),
        now.probability_positive()
    ))?;
    let before = functional(&state.prior_belief(&person)?).mean();
    say(format!("before any evidence: {before:+.2}"))?;
    behind.iter().flatten().try_for_each(say)?;
    tell_motives(&state, &motives)?;
    say("")?;
    if rows.is_empty() {
        return say("no evidence of this person counts yet: this is the prior");
    }
    for Explained { exact, .. } in &rows {
        say(format!("  {:+.3}  record {:<5} {}", exact.mean_change, exact.seq, said(exact.seq)))?;
    }
    say(format!(
        "\n{} of {} records, each with the mean less the mean of a belief computed without it. They were found by a\n\
         fast ranking, which takes out each record's own factor: it is wrong by at most {:.3} on these{}.",
        rows.len(),
        fast.len(),
        error.largest,
        error.rank_correlation.map_or_else(String::new, |r| format!(", with rank correlation {r:.2}"))
    ))?;
    match error.of_ten {
        Some(found) if fast.len() > 10 => {
            say(format!("Of the ten most influential of all records, {found} are among its first ten."))
        }
        _ => Ok(()),
    }
}

/// What is explained.
struct About {
    person: PersonId,
    /// One entry for each weight.
    direction: Vec<f64>,
    /// In words.
    what: String,
    /// What its numbers are in.
    unit: &'static str,
    /// The value, if it is one.
    value: Option<String>,
    /// What probes read of a decision's best.
    motives: Vec<Seq>,
}

/// What probes read of a decision's best, and what an alarm rests on.
fn tell_motives(state: &State, read: &[Seq]) -> anyhow::Result<()> {
    for (seq, read) in read.iter().filter_map(|seq| Some((seq, state.motives().get(seq)?))) {
        say(format!("record {seq}: {}", motives::in_words(state, read)))?;
        if let Some(alarm) = read.alarm() {
            say(format!("  {}\n  {}", motives::reading_in_words(alarm), motives::bar_in_words(read)))?;
        }
    }
    Ok(())
}

fn decision(state: &State, seq: Seq) -> anyhow::Result<About> {
    let (_, decided) = state.decisions().iter().find(|(s, _)| *s == seq).with_context(|| {
        WrongInput(format!("record {seq} is not a decision; `credence evidence list --kind DecisionMade` lists them"))
    })?;
    let mut order: Vec<usize> = (0..decided.alternatives.len()).collect();
    order.sort_by(|&a, &b| {
        decided.expected_utility[b].get().total_cmp(&decided.expected_utility[a].get()).then(a.cmp(&b))
    });
    let (best, second) = (decided.alternatives[order[0]], decided.alternatives[order[1]]);
    let text = |id| state.description(id).map_or_else(String::new, |d| brief(&d.text).into_owned());
    let what = format!("decision {seq}: {:?} rather than {:?}, as now believed", text(&best), text(&second));
    let direction = state.difference(&best, &second)?;
    let unit = "1 is your own wavering between two alternatives";
    let motives = decided.motives.clone();
    Ok(About { person: decided.person.clone(), direction, what, unit, value: None, motives })
}

fn value(state: &State, person: PersonId, said: &str) -> anyhow::Result<About> {
    let layout = &state.epoch().context("the log has no header yet")?.layout;
    let values: Vec<NamedValue> =
        layout.values().iter().map(|id| NamedValue { id: id.to_string(), name: names::value(id.as_str()) }).collect();
    let same = |name: &str| name.eq_ignore_ascii_case(said.trim());
    if let Some(at) = values.iter().position(|v| same(&v.id) || same(&v.name)) {
        let mut direction = contrast(layout, at, None);
        direction.truncate(layout.dimension());
        let what = format!("{}, beside the person's own average over all values", values[at].name);
        return Ok(About {
            person,
            direction,
            what,
            unit: "0 is the average of the person's values; further from it counts for more",
            value: Some(values[at].id.clone()),
            motives: Vec::new(),
        });
    }
    // What no schema names is still explained to whoever knows its id.
    let features = layout.features();
    let index = features.iter().position(|f| same(&f.to_string())).with_context(|| {
        let all: Vec<&str> = values.iter().map(|v| v.id.as_str()).collect();
        WrongInput(format!(
            "{}; nor is it the number of a decision. Values are {}",
            unknown(said, &values),
            all.join(", ")
        ))
    })?;
    let mut direction = vec![0.0; layout.dimension()];
    direction[index] = 1.0;
    let what = format!("the weight of {}", names::feature(&features[index], names::value));
    Ok(About { person, direction, what, unit: "in noise units", value: None, motives: Vec::new() })
}
