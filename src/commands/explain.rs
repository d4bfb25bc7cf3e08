//! `credence explain`: which evidence moved a value or a decision.

use anyhow::Context;
use credence_agent::influence::{Explained, explained, ranked};
use credence_agent::knowledge::Knowledge;
use credence_memory::ids::{PersonId, Seq};
use credence_memory::record::Strength;
use credence_memory::state::State;
use serde_json::json;

use crate::cli::{ExplainArgs, Global};
use crate::commands::evidence::brief;
use crate::exit::WrongInput;
use crate::surroundings::{person, read_state, say, say_json};

/// Runs `credence explain`.
pub(crate) fn run(global: &Global, args: &ExplainArgs) -> anyhow::Result<()> {
    let mut state = read_state(global)?;
    let (person, direction, about) = match args.what.parse::<u64>() {
        Ok(seq) => decision(&state, Seq(seq))?,
        Err(_) => value(&state, person(&args.person)?, &args.what)?,
    };
    state.believe(&person)?;
    let mean = state.belief(&person)?.functional(&direction);
    let fast = ranked(&state, &person, &direction)?;
    let (rows, error) = explained(&state, &person, &direction, &fast, args.top)?;
    let (low, high) = mean.interval(0.9);
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|Explained { fast, exact }| {
                json!({
                    "record": exact.seq.0, "change": exact.mean_change, "positive_change": exact.positive_change,
                    "fast_change": fast.mean_change,
                })
            })
            .collect();
        return say_json(&json!({
            "about": about, "person": person, "mean": mean.mean(), "interval_90": [low, high],
            "probability_positive": mean.probability_positive(), "evidence": rows, "records": fast.len(),
            "fast_ranking": {
                "largest_error": error.largest, "rank_correlation": error.rank_correlation, "of_ten": error.of_ten,
            },
        }));
    }
    say(format!(
        "{about}\n{person}: mean {:+.2} noise units, 90% [{low:+.2}, {high:+.2}], positive with probability {:.2}",
        mean.mean(),
        mean.probability_positive()
    ))?;
    let before = state.prior_belief(&person)?.functional(&direction).mean();
    say(format!("before any evidence: {before:+.2}\n"))?;
    if rows.is_empty() {
        return say("no evidence of this person counts yet: this is the prior");
    }
    for Explained { exact, .. } in &rows {
        say(format!("  {:+.3}  record {:<5} {}", exact.mean_change, exact.seq, words(&state, &person, exact.seq)))?;
    }
    say(format!(
        "\n{} of {} records, each the mean with it minus the mean of a belief folded anew without it. They were found by a\n\
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

fn decision(state: &State, seq: Seq) -> anyhow::Result<(PersonId, Vec<f64>, String)> {
    let (_, decided) = state.decisions().iter().find(|(s, _)| *s == seq).with_context(|| {
        WrongInput(format!("record {seq} is not a decision; `credence evidence list --kind DecisionMade` lists them"))
    })?;
    let mut order: Vec<usize> = (0..decided.alternatives.len()).collect();
    order.sort_by(|&a, &b| {
        decided.expected_utility[b].get().total_cmp(&decided.expected_utility[a].get()).then(a.cmp(&b))
    });
    let (best, second) = (decided.alternatives[order[0]], decided.alternatives[order[1]]);
    let text = |id| state.description(id).map_or_else(String::new, |d| brief(&d.text).into_owned());
    let about = format!("decision {seq}: {:?} rather than {:?}, as now believed", text(&best), text(&second));
    Ok((decided.person.clone(), state.difference(&best, &second)?, about))
}

fn value(state: &State, person: PersonId, name: &str) -> anyhow::Result<(PersonId, Vec<f64>, String)> {
    let layout = &state.epoch().context("the log has no header yet")?.layout;
    let names: Vec<String> = layout.features().iter().map(ToString::to_string).collect();
    let index = names.iter().position(|n| n == name).with_context(|| {
        WrongInput(format!(
            "{name:?} is neither a feature nor the number of a decision; features are {}",
            names.join(", ")
        ))
    })?;
    let mut direction = vec![0.0; names.len()];
    direction[index] = 1.0;
    Ok((person, direction, format!("the weight of {name}")))
}

/// What an evidence record says, by its question.
fn words(state: &State, person: &PersonId, seq: Seq) -> String {
    use credence_memory::evidence::Form;
    let text = |index: u32| state.descriptions().get(index as usize).map_or("?".into(), |d| brief(&d.text));
    let Some(evidence) = state.person(person).and_then(|p| p.evidence().iter().find(|e| e.seq == seq)) else {
        return String::new();
    };
    match &evidence.form {
        Form::Choice { pair, chosen: Some(c), .. } => {
            let c = usize::from(*c).min(1);
            format!("chose {:?} over {:?}", text(pair[c]), text(pair[1 - c]))
        }
        Form::Choice { pair, chosen: None, .. } => {
            format!("no preference between {:?} and {:?}", text(pair[0]), text(pair[1]))
        }
        Form::Indirect { pair, .. } => format!("rather {:?} than {:?}", text(pair[0]), text(pair[1])),
        Form::Order { alternatives, order, .. } => {
            format!(
                "put {:?} first of {}",
                order.first().map_or("?".into(), |i| text(alternatives[usize::from(*i)])),
                alternatives.len()
            )
        }
        Form::Verdict { alternative, verdict } => format!("{verdict:?} on {:?}", text(*alternative)).to_lowercase(),
        Form::Rating { alternative, level, levels } => format!("{level} of {levels} for {:?}", text(*alternative)),
        Form::Importance { value, other, favoured, strength, .. } => {
            let name = |i: u16| state.feature_name(usize::from(i));
            let more = if *favoured { "more" } else { "less" };
            let other = other.map_or("most other values".into(), name);
            format!("said that {} matters {} {more} than {other}", name(*value), in_words(*strength))
        }
    }
}

/// "slightly", "clearly", "much": goes before "more" and "less".
fn in_words(strength: Strength) -> &'static str {
    match strength {
        Strength::Slight => "slightly",
        Strength::Clear => "clearly",
        Strength::Strong => "much",
    }
}
