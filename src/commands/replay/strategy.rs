//! Which question each strategy would have chosen at each belief at which one was asked.
//!
//! Only the choice of question is replayed: what the person would have answered to another one is not known, and not invented.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use credence_agent::ask::{self, Strategy};
use credence_agent::knowledge::Knowledge;
use credence_memory::belief::Question;
use credence_memory::ids::{AlternativeId, Hash, PersonId, QuestionId};
use credence_memory::log::Reader;
use credence_memory::record::{QuestionAsked, Record};
use credence_memory::replay::Until;
use credence_memory::state::State;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::cli::{ReplayArgs, StrategyArg};
use crate::surroundings::{open_log, say, say_json};

/// A question that was asked of someone in this log.
struct Candidate {
    id: QuestionId,
    alternatives: Vec<AlternativeId>,
    indifference_offered: bool,
}

/// How often a strategy chose what was asked, and what its choices promised.
#[derive(Default)]
struct Sum {
    same: u32,
    gain_nats: f64,
}

/// Goes along the log and chooses at every question that was asked, among all questions of the log that the person had not answered.
pub(super) fn run(path: &Path, args: &ReplayArgs) -> anyhow::Result<()> {
    let only = args.person.as_deref().map(super::named).transpose()?;
    let candidates = candidates(path)?;
    let mut strategies = args.strategy.clone();
    strategies.sort_by_key(|s| *s as u8);
    strategies.dedup();
    let strategies: Vec<Strategy> = strategies.into_iter().map(of).collect();
    let mut state = State::new();
    let (mut asked, mut asked_gain) = (0u32, 0.0);
    let mut sums: BTreeMap<&'static str, Sum> = BTreeMap::new();
    for entry in Reader::new(open_log(path)?) {
        let entry = entry.with_context(|| super::unreadable(path))?;
        let past = match args.until {
            Some(Until::Seq(seq)) => entry.seq > seq,
            Some(Until::Time(time)) => entry.time > time,
            None => false,
        };
        if past {
            break;
        }
        if let Record::QuestionAsked(r) = &entry.record
            && only.as_ref().is_none_or(|p| *p == r.person)
        {
            let open = open_to(&state, &r.person, r, &candidates)?;
            let belief = state.belief(&r.person)?;
            asked += 1;
            asked_gain += r.gain_nats.get();
            let mut chosen = Vec::new();
            for strategy in &strategies {
                // One stream a record, so that a strategy's choices do not depend on where the replay began.
                let mut rng = ChaCha8Rng::seed_from_u64(entry.seq.0);
                let best = ask::best(*strategy, &belief, &open.questions, &open.second, &mut rng);
                let candidate = open.candidates[best.index];
                let sum = sums.entry(ask::name(*strategy)).or_default();
                sum.same += u32::from(candidate.id == r.question);
                sum.gain_nats += best.gain_nats;
                chosen.push((ask::name(*strategy), candidate, best.gain_nats));
            }
            let words = |alternatives: &[AlternativeId]| -> Vec<String> {
                let text = |a| state.description(a).map_or_else(String::new, |d| d.text.clone());
                alternatives.iter().map(text).collect()
            };
            if args.json {
                let chosen: Vec<_> = chosen
                    .iter()
                    .map(|(name, c, gain)| {
                        json!({
                            "strategy": name, "question": c.id, "alternatives": words(&c.alternatives), "gain_nats": gain,
                            "same": c.id == r.question,
                        })
                    })
                    .collect();
                say_json(&json!({
                    "record": entry.seq.0, "person": r.person, "candidates": open.questions.len(), "asked": r.question,
                    "strategy": r.strategy, "alternatives": words(&r.alternatives), "gain_nats": r.gain_nats, "chosen": chosen,
                }))?;
            } else {
                say(format!(
                    "record {} asked {} (by {}, {:.3} nats, of {} candidates): {:?}",
                    entry.seq,
                    r.person,
                    r.strategy,
                    r.gain_nats.get(),
                    open.questions.len(),
                    words(&r.alternatives).join(" | ")
                ))?;
                for (name, c, gain) in &chosen {
                    let what = match c.id == r.question {
                        true => "the same".to_owned(),
                        false => format!("{:?}", words(&c.alternatives).join(" | ")),
                    };
                    say(format!("    {name:<17} {gain:.3} nats  {what}"))?;
                }
            }
        }
        state.apply(&entry).with_context(|| super::unreadable(path))?;
    }
    let mean = |sum: f64| if asked > 0 { sum / f64::from(asked) } else { 0.0 };
    if args.json {
        let sums: Vec<_> = sums
            .iter()
            .map(|(name, s)| json!({ "strategy": name, "same": s.same, "mean_gain_nats": mean(s.gain_nats) }))
            .collect();
        return say_json(&json!({ "asked": asked, "mean_gain_nats": mean(asked_gain), "strategies": sums }));
    }
    say(format!("\n{asked} questions were asked, with {:.3} nats expected of each on average", mean(asked_gain)))?;
    for (name, sum) in &sums {
        say(format!(
            "  {name:<17} the same {} times; its own choices: {:.3} nats each",
            sum.same,
            mean(sum.gain_nats)
        ))?;
    }
    Ok(())
}

fn of(strategy: StrategyArg) -> Strategy {
    match strategy {
        StrategyArg::Gain => Strategy::InformationGain,
        StrategyArg::Eubo => Strategy::Eubo,
        StrategyArg::Uncertainty => Strategy::MaxUncertainty,
        StrategyArg::Random => Strategy::Random,
    }
}

/// Every question of the log, once, in the order of first asking.
fn candidates(path: &Path) -> anyhow::Result<Vec<Candidate>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for entry in Reader::new(open_log(path)?) {
        if let Record::QuestionAsked(r) = entry.with_context(|| super::unreadable(path))?.record
            && seen.insert(r.question.hash())
        {
            let QuestionAsked { question: id, alternatives, indifference_offered, .. } = r;
            all.push(Candidate { id, alternatives, indifference_offered });
        }
    }
    Ok(all)
}

struct Open<'a> {
    candidates: Vec<&'a Candidate>,
    questions: Vec<Question>,
    second: Vec<Vec<f64>>,
}

/// What could have been asked instead: described by then and not answered; what was asked is always among them.
fn open_to<'a>(
    state: &State,
    person: &PersonId,
    asked: &QuestionAsked,
    all: &'a [Candidate],
) -> anyhow::Result<Open<'a>> {
    let answered = state.answered(person);
    let mut open = Open { candidates: Vec::new(), questions: Vec::new(), second: Vec::new() };
    for candidate in all {
        let hash: Hash = candidate.id.hash();
        let described = candidate.alternatives.iter().all(|a| state.description(a).is_some());
        if !described || (answered.contains(&hash) && candidate.id != asked.question) {
            continue;
        }
        open.questions.push(state.choice_question(&candidate.alternatives, candidate.indifference_offered)?);
        // A pair is put in the order of the ids.
        open.second.push(candidate.alternatives.iter().max().map(|a| state.vector(a)).transpose()?.unwrap_or_default());
        open.candidates.push(candidate);
    }
    Ok(open)
}
