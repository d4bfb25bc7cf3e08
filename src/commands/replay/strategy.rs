//! Which question each strategy would have chosen at each belief at which one was asked.
//!
//! Only the choice of question is replayed: what the person would have answered to another one is not known, and not invented.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use credence_agent::ask::{self, Scored, Strategy};
use credence_agent::instrument::Item;
use credence_agent::knowledge::Knowledge;
use credence_agent::pace::Pace;
use credence_memory::belief::{Mixture, Question, expected_information_gain};
use credence_memory::ids::{AlternativeId, PersonId, QuestionId, Seq};
use credence_memory::log::Reader;
use credence_memory::number::Finite;
use credence_memory::observation::Features;
use credence_memory::record::{QuestionAsked, QuestionKind, Record};
use credence_memory::replay::Until;
use credence_memory::state::State;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{ReplayArgs, StrategyArg};
use crate::surroundings::{open_log, say, say_json};

/// A question that was asked of someone in this log.
struct Candidate {
    item: Item,
    indifference_offered: bool,
}

/// How often a strategy chose what was asked, and what its choices promised.
#[derive(Default)]
struct Sum {
    same: u32,
    gain_nats: f64,
}

/// A question that was asked, and what strategies would have chosen, as a line of `credence replay --strategy --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuestionJson {
    /// The record of the question.
    record: Seq,
    person: PersonId,
    /// Questions that could have been asked.
    candidates: usize,
    /// The one that was.
    asked: QuestionId,
    /// The strategy that chose it.
    strategy: String,
    /// Its alternatives, in words.
    alternatives: Vec<String>,
    /// What it was expected to tell.
    gain_nats: Finite,
    chosen: Vec<ChosenJson>,
}

/// What one strategy would have chosen.
#[derive(Debug, Serialize, ToSchema)]
struct ChosenJson {
    strategy: &'static str,
    question: QuestionId,
    /// Its alternatives, in words.
    alternatives: Vec<String>,
    /// What it was expected to tell.
    gain_nats: f64,
    /// Whether that is what was asked.
    same: bool,
}

/// The sum of it, as the last line tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StrategiesJson {
    /// Questions that were asked.
    asked: u32,
    mean_gain_nats: f64,
    strategies: Vec<StrategyJson>,
}

/// A strategy's choices in sum.
#[derive(Debug, Serialize, ToSchema)]
struct StrategyJson {
    strategy: &'static str,
    /// How often it chose what was asked.
    same: u32,
    mean_gain_nats: f64,
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
            let pace = state.person(&r.person).map(|p| Pace::of(p.answer_seconds())).unwrap_or_default();
            asked += 1;
            asked_gain += r.gain_nats.get();
            let mut chosen = Vec::new();
            for strategy in &strategies {
                // One stream a record, so that a strategy's choices do not depend on where the replay began.
                let mut rng = ChaCha8Rng::seed_from_u64(entry.seq.0);
                let Some(best) = choose(*strategy, &belief, &open, &state, &pace, &mut rng)? else { continue };
                let candidate = &open.candidates[best.index].item;
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
                let chosen = chosen.iter().map(|(strategy, c, gain)| ChosenJson {
                    strategy,
                    question: c.id,
                    alternatives: words(&c.alternatives),
                    gain_nats: *gain,
                    same: c.id == r.question,
                });
                say_json(&QuestionJson {
                    record: entry.seq,
                    person: r.person.clone(),
                    candidates: open.questions.len(),
                    asked: r.question,
                    strategy: r.strategy.clone(),
                    alternatives: words(&r.alternatives),
                    gain_nats: r.gain_nats,
                    chosen: chosen.collect(),
                })?;
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
        let of = |(&strategy, s): (&&'static str, &Sum)| StrategyJson {
            strategy,
            same: s.same,
            mean_gain_nats: mean(s.gain_nats),
        };
        let strategies = sums.iter().map(of).collect();
        return say_json(&StrategiesJson { asked, mean_gain_nats: mean(asked_gain), strategies });
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
            let QuestionAsked { question: id, kind, alternatives, indifference_offered, .. } = r;
            let item = Item { id, ..Item::new(kind, "", alternatives) };
            all.push(Candidate { item, indifference_offered });
        }
    }
    Ok(all)
}

struct Open<'a> {
    candidates: Vec<&'a Candidate>,
    questions: Vec<Question>,
}

/// What could have been asked instead: described by then and not answered; what was asked is always among them.
fn open_to<'a>(
    state: &State,
    person: &PersonId,
    asked: &QuestionAsked,
    all: &'a [Candidate],
) -> anyhow::Result<Open<'a>> {
    let answered = state.answered(person);
    let before = state.person(person).map(|p| p.asked()).unwrap_or_default();
    let mut open = Open { candidates: Vec::new(), questions: Vec::new() };
    for candidate in all {
        let item = &candidate.item;
        let described = item.alternatives.iter().all(|a| state.description(a).is_some());
        let over = match item.key() {
            Some(key) => answered.contains(&key),
            None => before.iter().any(|asked| asked.question == item.id),
        };
        if !described || (over && item.id != asked.question) {
            continue;
        }
        open.questions.push(match item.kind {
            QuestionKind::Choice => state.choice_question(&item.alternatives, candidate.indifference_offered)?,
            QuestionKind::Portrait | QuestionKind::BestAndWorst => {
                let Some(epoch) = state.epoch() else { continue };
                let described = |a: &AlternativeId| state.description(a).context("it was described");
                item.question(&epoch.layout, |a| described(a).map(|d| Features::of(d, &epoch.layout)))?
            }
        });
        open.candidates.push(candidate);
    }
    Ok(open)
}

/// What a strategy chooses, as in a session: information counts by the second, and other strategies know choices only.
fn choose(
    strategy: Strategy,
    belief: &Mixture,
    open: &Open<'_>,
    state: &State,
    pace: &Pace,
    rng: &mut ChaCha8Rng,
) -> anyhow::Result<Option<Scored>> {
    let kind = |i: usize| open.candidates[i].item.kind;
    if strategy == Strategy::InformationGain {
        let gains = expected_information_gain(belief, &open.questions);
        let rates: Vec<f64> = gains.iter().enumerate().map(|(i, gain)| gain / pace.seconds(kind(i))).collect();
        let index = ask::near_best(&rates, rng);
        return Ok(Some(Scored { index, gain_nats: gains[index] }));
    }
    let choices: Vec<usize> = (0..open.questions.len()).filter(|&i| kind(i) == QuestionKind::Choice).collect();
    if choices.is_empty() {
        return Ok(None);
    }
    let questions: Vec<Question> = choices.iter().map(|&i| open.questions[i].clone()).collect();
    // A pair is put in the order of the ids.
    let second = |&i: &usize| open.candidates[i].item.alternatives.iter().max().map(|a| state.vector(a)).transpose();
    let second = choices.iter().map(|i| Ok(second(i)?.unwrap_or_default())).collect::<anyhow::Result<Vec<_>>>()?;
    let best = ask::best(strategy, belief, &questions, &second, rng);
    Ok(Some(Scored { index: choices[best.index], ..best }))
}
