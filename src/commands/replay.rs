//! `credence replay`: fold a log again, without any model.

use std::path::PathBuf;

use anyhow::Context;
use credence_agent::knowledge::Knowledge;
use credence_agent::views;
use credence_memory::belief::{LocationName, Mixture};
use credence_memory::log::Reader;
use credence_memory::record::Record;
use credence_memory::state::{Applied, State};
use jiff::Timestamp;

use crate::cli::{Global, ReplayArgs};
use crate::exit::{DidNotMatch, WrongInput};
use crate::surroundings::{log_path, say, say_json};

enum Until {
    Seq(u64),
    Time(Timestamp),
}

/// Runs `credence replay`.
pub(crate) fn run(global: &Global, args: &ReplayArgs) -> anyhow::Result<()> {
    let path = match &args.log {
        Some(path) if path.is_dir() => path.join("evidence").join("log.jsonl"),
        Some(path) => path.clone(),
        None => log_path(global)?,
    };
    let until = args.until.as_deref().map(parse_until).transpose()?;
    let only = match args.prior.as_deref() {
        None => None,
        Some("flat") => Some(LocationName::Zero),
        Some("elicited") => Some(LocationName::Elicited),
        Some(other) => anyhow::bail!(WrongInput(format!("{other:?} is no prior; expected flat or elicited"))),
    };
    if args.verify && only.is_some() {
        anyhow::bail!(WrongInput(
            "--verify compares with what was believed; it cannot be combined with another prior".into()
        ));
    }
    replay(&path, until, only, args)
}

fn parse_until(text: &str) -> anyhow::Result<Until> {
    if let Ok(seq) = text.parse() {
        return Ok(Until::Seq(seq));
    }
    text.parse().map(Until::Time).map_err(|_| {
        anyhow::anyhow!(WrongInput(format!(
            "{text:?} is neither a sequence number nor a time such as 2026-01-31T12:00:00Z"
        )))
    })
}

fn replay(path: &PathBuf, until: Option<Until>, only: Option<LocationName>, args: &ReplayArgs) -> anyhow::Result<()> {
    let file = std::fs::File::open(path).with_context(|| format!("failed to open the log {}", path.display()))?;
    let mut state = State::new();
    let mut losses: Vec<f64> = Vec::new();
    let (mut digests, mut wrong) = (0u64, Vec::new());
    for entry in Reader::new(file) {
        let entry = entry.with_context(|| format!("failed to read the log {}", path.display()))?;
        let past = match &until {
            Some(Until::Seq(seq)) => entry.seq.0 > *seq,
            Some(Until::Time(time)) => entry.time > *time,
            None => false,
        };
        if past {
            break;
        }
        if let (true, Record::BeliefRecorded(r)) = (args.verify, &entry.record) {
            digests += 1;
            if state.belief_digest(&r.person)? != r.digest {
                wrong.push(entry.seq.to_string());
            }
        }
        if let Applied::Learned { surprise, .. } = state.apply(&entry)? {
            losses.push(-surprise.ln_predictive);
        }
    }
    if let Some(name) = only {
        losses = fold_with(&mut state, name)?;
    }
    let log_loss = (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64);
    let people: Vec<_> = state
        .people()
        .keys()
        .filter(|p| args.person.as_deref().is_none_or(|name| p.as_str() == name))
        .cloned()
        .collect();
    if let (Some(name), true) = (&args.person, people.is_empty()) {
        anyhow::bail!(WrongInput(format!("the log says nothing of {name:?}")));
    }
    if args.json {
        let people = people
            .iter()
            .map(|p| {
                Ok(serde_json::json!({
                    "person": p, "values": views::values(&state, p, str::to_owned)?, "beyond": views::person(&state, p)?,
                    "digest": state.belief_digest(p)?,
                }))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        say_json(&serde_json::json!({
            "through": state.head().0.0, "people": people, "evidence": losses.len(), "log_loss": log_loss,
            "digests_checked": digests, "digests_wrong": wrong,
        }))?;
    } else {
        say(format!("{} through record {}", path.display(), state.head().0))?;
        for p in &people {
            print_person(&state, p)?;
        }
        if let Some(loss) = log_loss {
            say(format!(
                "\n{} pieces of evidence, predicted before they came with a mean log loss of {loss:.3} nats",
                losses.len()
            ))?;
        }
    }
    if !wrong.is_empty() {
        anyhow::bail!(DidNotMatch(format!(
            "{} of {digests} recorded beliefs do not match: records {}",
            wrong.len(),
            wrong.join(", ")
        )));
    }
    if args.verify && !args.json {
        say(format!("{digests} recorded beliefs match, bit for bit"))?;
    }
    Ok(())
}

/// Folds everyone's surviving evidence anew from one prior location alone; the log losses on the way.
fn fold_with(state: &mut State, only: LocationName) -> anyhow::Result<Vec<f64>> {
    let Some(epoch) = state.epoch().cloned() else { return Ok(Vec::new()) };
    let mut priors = (*epoch.priors).clone();
    priors.locations.retain(|l| l.name == only);
    if priors.locations.is_empty() {
        anyhow::bail!(WrongInput(format!("the log has no {only:?} prior").to_lowercase()));
    }
    let mut losses = Vec::new();
    for person in state.people().keys().cloned().collect::<Vec<_>>() {
        let Some(known) = state.person(&person) else { continue };
        let Some(touched) = known.touched() else { continue };
        let mut belief = Mixture::new(&epoch.settings, &priors)?;
        for (_, observation) in known.observations(&epoch, state.descriptions()) {
            losses.push(-belief.observe(&observation)?.ln_predictive);
        }
        state.restore(&person, touched, belief);
    }
    Ok(losses)
}

fn print_person(state: &State, person: &credence_memory::ids::PersonId) -> anyhow::Result<()> {
    let values = views::values(state, person, str::to_owned)?;
    let beyond = views::person(state, person)?;
    say(format!("\n{person}: {} pieces of evidence", values.answers))?;
    let mut rows: Vec<_> = values.values.iter().collect();
    rows.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    for v in rows {
        say(format!(
            "  {:<14} {:+.2}  90% [{:+.2}, {:+.2}]   before {:+.2}",
            v.id, v.mean, v.low, v.high, v.prior_mean
        ))?;
    }
    say(format!(
        "  same answer again {:.2}, answers hardly explained by values {:.2}, trust in the model's prior {:.2}\n  digest {}",
        beyond.consistency,
        beyond.low_signal,
        beyond.trust_in_model,
        state.belief_digest(person)?
    ))
}
