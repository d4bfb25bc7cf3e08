//! `credence explain`: which evidence moved a value or a decision.

use anyhow::Context;
use credence_agent::influence::{exact, ranked};
use credence_agent::knowledge::Knowledge;
use credence_memory::ids::{PersonId, Seq};
use credence_memory::state::State;

use crate::cli::{ExplainArgs, Global};
use crate::exit::WrongInput;
use crate::surroundings::{person, read_state, say, say_json};

/// Runs `credence explain`.
pub(crate) fn run(global: &Global, args: &ExplainArgs) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let (person, direction, about) = match args.what.parse::<u64>() {
        Ok(seq) => decision(&state, Seq(seq))?,
        Err(_) => value(&state, person(&args.person)?, &args.what)?,
    };
    let mean = state.belief(&person)?.functional(&direction);
    let fast = ranked(&state, &person, &direction)?;
    let rows = fast
        .iter()
        .take(args.top)
        .map(|i| Ok((*i, exact(&state, &person, &direction, i.seq)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let worst = rows.iter().map(|(f, e)| (f.mean_change - e.mean_change).abs()).fold(0.0, f64::max);
    let (low, high) = mean.interval(0.9);
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(f, e)| serde_json::json!({ "record": e.seq.0, "change": e.mean_change, "fast_change": f.mean_change }))
            .collect();
        return say_json(&serde_json::json!({
            "about": about, "person": person, "mean": mean.mean(), "interval_90": [low, high], "evidence": rows,
            "records": fast.len(), "fast_ranking_error": worst,
        }));
    }
    say(format!("{about}\n{person}: mean {:+.2}, 90% [{low:+.2}, {high:+.2}]", mean.mean()))?;
    let before = state.prior_belief(&person)?.functional(&direction).mean();
    say(format!("before any evidence: {before:+.2}\n"))?;
    if rows.is_empty() {
        return say("no evidence of this person counts yet: this is the prior");
    }
    for (_, e) in &rows {
        say(format!("  {:+.3}  record {:<5} {}", e.mean_change, e.seq, words(&state, &person, e.seq)))?;
    }
    say(format!(
        "\n{} of {} records, each the mean with it minus the mean of a belief folded anew without it.\nThe ranking is by the most probable hypothesis alone; it differs from these numbers by at most {worst:.3}.",
        rows.len(),
        fast.len()
    ))
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
    let text = |id| state.description(id).map_or_else(String::new, |d| d.text.clone());
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
    let text = |index: u32| state.descriptions().get(index as usize).map_or("?", |d| d.text.as_str());
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
                order.first().map_or("?", |i| text(alternatives[usize::from(*i)])),
                alternatives.len()
            )
        }
        Form::Verdict { alternative, verdict } => format!("{verdict:?} on {:?}", text(*alternative)).to_lowercase(),
        Form::Rating { alternative, level, levels } => format!("{level} of {levels} for {:?}", text(*alternative)),
        Form::Importance { value, other, strength, .. } => {
            let name = |i: u16| state.feature_name(usize::from(i));
            format!(
                "said ({strength:?}) how {} stands to {}",
                name(*value),
                other.map_or("values in general".into(), name)
            )
        }
    }
}
