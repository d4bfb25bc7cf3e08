//! Pairs of acts ranked by what the model says of each: the obvious ones, and a harder bank in which words mislead.
//!
//! The harder bank was written and judged by its author alone, before any model read it: an act that sounds kind and is not,
//! help that is left out, a promise against an emergency, fairness with a cost. Its answers are what the author believes a large
//! majority would say; no panel was asked.

use std::collections::BTreeMap;

use credence_agent::bank::Bank;
use credence_agent::decide::Bars;
use credence_agent::keyed;
use credence_memory::belief::{BeliefError, Mixture, Settings, assess_read};
use credence_memory::ids::{IdError, ValueId};
use credence_memory::layout::Layout;
use credence_memory::number::NumberError;
use credence_memory::prior::priors;
use credence_priors::checks::{CasesError, ObviousPair, embedded_control_pairs, embedded_pairs, obvious_pairs_report};
use credence_priors::reading_cache::ReadingCache;
use credence_priors::readout::{Alternative, ReadError};
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::{ReadAct, ValueMap, read_states};
use credence_priors::{LanguageModel, ModelError, Reading};
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// A harder pair.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct HardPair {
    id: String,
    /// What makes it hard.
    trap: String,
    situation: String,
    better: String,
    worse: String,
}

/// Why pairs could not be ranked.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// The embedded pairs.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// The harder pairs.
    #[error("line {line} of hard_pairs.jsonl (embedded) is not a pair")]
    Hard {
        /// From 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// Reading.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A value's name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A number that is none.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The belief engine refused.
    #[error(transparent)]
    Belief(#[from] BeliefError),
    /// The baseline's question.
    #[error("failed to ask which is better")]
    Model(#[from] ModelError),
}

/// One bank's figures. The ceiling is the author's own ranking: 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairsRow {
    /// Which bank, or which part of one.
    pub bank: String,
    /// Pairs.
    pub pairs: usize,
    /// Asking "which is better, A or B?", both orders: share ranked right.
    pub baseline: Estimate,
    /// The overall judgement of each act by itself: share ranked right.
    pub ours: Estimate,
    /// Ours less the baseline, pair by pair.
    pub difference: Estimate,
    /// What nearly everybody would do, learned from keyed acts: share ranked right. One judgement for all banks, and nothing
    /// of any bank is in what it was learned from.
    pub learned: Option<Estimate>,
    /// Share of pairs in which the agent would act for somebody of whom nothing is known, with its usual bars: rightly, and on the worse
    /// act.
    pub acted: Option<[f64; 2]>,
    /// Ids ranked wrong by what was learned.
    pub learned_wrong: Vec<String>,
    /// Ids ranked wrong by ours.
    pub wrong: Vec<String>,
}

/// The harder bank with its traps.
fn hard() -> Result<Vec<(String, ObviousPair)>, PairsError> {
    let lines = include_str!("../data/hard_pairs.jsonl").lines().enumerate();
    lines
        .map(|(i, line)| {
            let p: HardPair = serde_json::from_str(line).map_err(|source| PairsError::Hard { line: i + 1, source })?;
            let HardPair { id, trap, situation, better, worse } = p;
            Ok((trap, ObviousPair { id, situation, better, worse, frozen: false }))
        })
        .collect()
}

/// Pairs read at once: few enough that progress is seen.
const CHUNK: usize = 8;

/// How one pair was ranked: 1 right, 0 wrong, a half for a tie.
struct Ranked {
    id: String,
    ours: f64,
    baseline: f64,
    learned: Option<LearnedPair>,
}

/// What is read of a pair: the learned log-odds of its better act, and whether the agent would act, rightly or on the worse.
#[derive(Debug, Clone, Copy)]
struct LearnedPair {
    odds: f64,
    acts: Option<bool>,
}

/// What is believed of somebody of whom nothing is known, and where keys and judgement stand in it.
fn stranger(schema: &ValueSchema) -> Result<(Mixture, Layout), PairsError> {
    let values = schema.values.iter().map(|v| ValueId::new(&v.id)).collect::<Result<Vec<_>, _>>()?;
    let prior = keyed::prior(&Bank::built_in(), &values)?;
    let layout = Layout::of_values(values);
    let mixture = Mixture::new(&Settings::default(), &priors(&layout, Some(&prior), &[]))?;
    Ok((mixture, layout))
}

impl LearnedPair {
    fn of(acts: &[ReadAct], (belief, layout): &(Mixture, Layout)) -> Result<Self, PairsError> {
        let place = layout.judgement();
        let row = |of: &[f64], judgement: f64| {
            let mut row = of.to_vec();
            row.resize(layout.width(), 0.0);
            if let Some(place) = place {
                row[place] = judgement;
            }
            row
        };
        let features: Vec<Vec<f64>> = acts.iter().map(|act| row(&act.points, act.judgement)).collect();
        let errors: Vec<Vec<f64>> = acts.iter().map(|act| row(&act.error, 0.0)).collect();
        let assessed = assess_read(belief, &features, &errors)?;
        let acts_now = assessed.expected_regret <= Bars::default().regret_max;
        Ok(Self { odds: acts[0].judgement - acts[1].judgement, acts: acts_now.then_some(assessed.best == 0) })
    }
}

/// By pair, what was learned says of it.
fn learned(
    model: &mut dyn LanguageModel,
    map: Option<&ValueMap>,
    stranger: &(Mixture, Layout),
    pairs: &[ObviousPair],
) -> Result<Vec<Option<LearnedPair>>, PairsError> {
    let Some(map) = map else { return Ok(vec![None; pairs.len()]) };
    let of = |pair: &ObviousPair| [&pair.better, &pair.worse].map(|act| Alternative::new(Some(&pair.situation), act));
    let alternatives: Vec<[Alternative; 2]> = pairs.iter().map(of).collect();
    let questions: Vec<&[Alternative]> = alternatives.iter().map(<[Alternative; 2]>::as_slice).collect();
    let states = read_states(model, &questions, &mut |_, _| {})?;
    states.iter().map(|states| LearnedPair::of(&map.read(states), stranger).map(Some)).collect()
}

/// Ranks every bank; `progress` is told pairs done and pairs in all.
///
/// # Errors
/// If something cannot be read.
pub fn run(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    cache: &mut dyn ReadingCache,
    map: Option<&ValueMap>,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<PairsRow>, PairsError> {
    let (open, frozen): (Vec<_>, Vec<_>) = embedded_pairs()?.into_iter().partition(|p| !p.frozen);
    let control = embedded_control_pairs()?;
    let (traps, hard): (Vec<_>, Vec<_>) = hard()?.into_iter().unzip();
    let of = open.len() + frozen.len() + control.len() + hard.len();
    let stranger = stranger(schema)?;
    let mut done = 0;
    let mut ranked = |pairs: &[ObviousPair]| {
        let mut all = Vec::with_capacity(pairs.len());
        for chunk in pairs.chunks(CHUNK) {
            progress(done, of);
            let wrong = obvious_pairs_report(model, schema, chunk, cache)?.wrong;
            let letters = letters(model, chunk)?;
            let learned = learned(model, map, &stranger, chunk)?;
            all.extend(chunk.iter().zip(letters).zip(learned).map(|((pair, baseline), learned)| Ranked {
                id: pair.id.clone(),
                ours: f64::from(u8::from(!wrong.contains(&pair.id))),
                baseline,
                learned,
            }));
            done += chunk.len();
        }
        progress(done, of);
        Ok::<_, PairsError>(all)
    };
    let banks = [
        ("obvious, where templates were chosen", ranked(&open)?),
        ("obvious, kept aside", ranked(&frozen)?),
        ("obvious, control", ranked(&control)?),
        ("harder", ranked(&hard)?),
    ];
    let mut rows: Vec<PairsRow> =
        banks.iter().map(|(bank, ranked)| row((*bank).to_owned(), ranked.iter().collect(), seed)).collect();
    let all: Vec<&Ranked> = banks[..3].iter().flat_map(|(_, ranked)| ranked).collect();
    rows.insert(3, row("obvious, all".to_owned(), all, seed));
    let mut by_trap: BTreeMap<&str, Vec<&Ranked>> = BTreeMap::new();
    for (trap, pair) in traps.iter().zip(&banks[3].1) {
        by_trap.entry(trap).or_default().push(pair);
    }
    rows.extend(by_trap.into_iter().map(|(trap, ranked)| row(format!("harder: {trap}"), ranked, seed)));
    Ok(rows)
}

/// One bank's figures.
fn row(bank: String, ranked: Vec<&Ranked>, seed: u64) -> PairsRow {
    let ours: Vec<f64> = ranked.iter().map(|r| r.ours).collect();
    let baseline: Vec<f64> = ranked.iter().map(|r| r.baseline).collect();
    let learned: Vec<LearnedPair> = ranked.iter().filter_map(|r| r.learned).collect();
    let share =
        |acts: bool| learned.iter().filter(|pair| pair.acts == Some(acts)).count() as f64 / learned.len() as f64;
    let is_right: Vec<f64> = learned.iter().map(|pair| f64::from(u8::from(pair.odds > 0.0))).collect();
    PairsRow {
        bank,
        learned: (!learned.is_empty()).then(|| Estimate::bootstrap(&is_right, seed)),
        acted: (!learned.is_empty()).then(|| [share(true), share(false)]),
        learned_wrong: ranked
            .iter()
            .filter(|r| r.learned.is_some_and(|pair| pair.odds <= 0.0))
            .map(|r| r.id.clone())
            .collect(),
        pairs: ranked.len(),
        baseline: Estimate::bootstrap(&baseline, seed),
        ours: Estimate::bootstrap(&ours, seed),
        difference: Estimate::paired(&ours, &baseline, seed),
        wrong: ranked.iter().filter(|r| r.ours == 0.0).map(|r| r.id.clone()).collect(),
    }
}

/// Whether the letter of the better act is preferred over both orders together: 1, 0, or a half for a tie.
fn letters(model: &mut dyn LanguageModel, pairs: &[ObviousPair]) -> Result<Vec<f64>, ModelError> {
    let readings: Vec<Reading> = pairs
        .iter()
        .flat_map(|p| {
            [(&p.better, &p.worse), (&p.worse, &p.better)].map(|(a, b)| Reading {
                prompt: format!("{}\nWhich is better?\nA. {a}\nB. {b}\nAnswer:", p.situation),
                continuations: vec![" A".into(), " B".into()],
            })
        })
        .collect();
    let odds: Vec<f64> = model.read(&readings)?.iter().map(|r| r.ln_p[0] - r.ln_p[1]).collect();
    // The lean towards a letter cancels between the two orders.
    Ok(odds.chunks_exact(2).map(|o| if o[0] == o[1] { 0.5 } else { f64::from(u8::from(o[0] > o[1])) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_priors::reading_cache::MemoryReadingCache;
    use credence_priors::scripted::Scripted;

    #[test]
    fn the_harder_bank_is_whole() -> Result<(), PairsError> {
        let pairs = hard()?;
        assert!(pairs.len() >= 60);
        let mut ids: Vec<&str> = pairs.iter().map(|(_, p)| p.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), pairs.len());
        assert!(pairs.iter().all(|(_, p)| p.better != p.worse && p.situation.ends_with(['.', '?'])));
        // What sounds worse is not always longer or shorter: length alone ranks no better than chance (exact test, one in a thousand).
        let longer = pairs.iter().filter(|(_, p)| p.better.len() > p.worse.len()).count();
        assert!((20..=46).contains(&longer), "{longer} of {}", pairs.len());
        Ok(())
    }

    #[test]
    fn a_model_that_goes_by_words_is_misled_and_said_to_be() -> Result<(), PairsError> {
        let mut model = Scripted::hashed(3).with_noise(0.01);
        for harsh in
            ["lie", "smash", "refuse", "cut off", "betray", "fail", "hit", "throw", "kick", "criticise", "forbid"]
        {
            for word in ["wrong", "bad", "cruel"] {
                model = model.with_tilt(harsh, word, 3.0);
            }
        }
        let schema = ValueSchema::embedded();
        let rows = run(&mut model, &schema, &mut MemoryReadingCache::default(), None, 1, &mut |_, _| ())?;
        let words = rows.iter().find(|r| r.bank == "harder: words").expect("a row for each trap");
        assert!(words.ours.mean < 0.5, "{words:?}");
        assert_eq!(words.wrong.len(), words.pairs - (words.ours.mean * words.pairs as f64).round() as usize);
        assert_eq!(rows.iter().filter(|r| r.bank.starts_with("harder: ")).map(|r| r.pairs).sum::<usize>(), 66);
        Ok(())
    }
}
