//! Pairs of acts ranked by what the model says of each: obvious ones, and ones in which words mislead.
//!
//! The harder bank was written and judged by its author alone, before any model read it: an act that sounds kind and is not,
//! help that is left out, a promise against an emergency, fairness with a cost. Its answers are what the author believes a large
//! majority would say; no panel was asked. The later pairs were written by somebody who had seen no other data of this program, after
//! everything was fixed, and read a second time blind: only pairs on which both readers agree are kept. Nothing is ever chosen on them.

use std::collections::BTreeMap;
use std::path::Path;

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
use crate::figures::{Figure, Measured};

/// A line of a file of pairs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    situation: String,
    better: String,
    worse: String,
}

/// Pairs that are reported together.
#[derive(Debug, Clone, PartialEq)]
pub struct PairBank {
    /// What it is called in tables.
    pub name: String,
    /// The pairs.
    pub pairs: Vec<ObviousPair>,
    /// What makes each hard, or another grouping of theirs; empty where there is none.
    pub kinds: Vec<String>,
}

impl PairBank {
    fn new(name: &str, pairs: Vec<ObviousPair>) -> Self {
        Self { name: name.to_owned(), kinds: vec![String::new(); pairs.len()], pairs }
    }

    /// Reads pairs from JSON Lines: `situation`, `better`, `worse`, and perhaps `id` and `kind`.
    ///
    /// # Errors
    /// If the file cannot be read, holds no pair, or a line is none.
    pub fn load(path: &Path) -> Result<Self, PairsError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| PairsError::File { file: file.clone(), source })?;
        Self::parse(&text, &file)
    }

    fn parse(text: &str, file: &str) -> Result<Self, PairsError> {
        let mut bank = Self::new(file, Vec::new());
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |source| PairsError::Line { file: file.to_owned(), line: i + 1, source };
            let Line { id, kind, situation, better, worse } = serde_json::from_str(line).map_err(wrong)?;
            let id = id.unwrap_or_else(|| (i + 1).to_string());
            bank.pairs.push(ObviousPair { id, situation, better, worse, frozen: false });
            bank.kinds.push(kind.unwrap_or_default());
        }
        if bank.pairs.is_empty() { Err(PairsError::Empty { file: file.to_owned() }) } else { Ok(bank) }
    }

    /// The built-in ones.
    ///
    /// # Errors
    /// If an embedded file is invalid, which a test excludes.
    pub fn built_in() -> Result<Vec<Self>, PairsError> {
        let (open, frozen): (Vec<_>, Vec<_>) = embedded_pairs()?.into_iter().partition(|p| !p.frozen);
        let later = Self::parse(include_str!("../data/later_pairs.jsonl"), "later_pairs.jsonl (embedded)")?;
        let [plain, traps] = [true, false].map(|plain| {
            let some = later.pairs.iter().zip(&later.kinds).filter(|(_, kind)| (*kind == "obvious") == plain);
            let (pairs, kinds): (Vec<ObviousPair>, Vec<String>) = some.map(|(p, k)| (p.clone(), k.clone())).unzip();
            (pairs, kinds)
        });
        Ok(vec![
            Self::new("obvious, where templates were chosen", open),
            Self::new("obvious, kept aside", frozen),
            Self::new("obvious, control", embedded_control_pairs()?),
            Self { name: "harder".into(), ..Self::hard()? },
            Self::new("written later: obvious", plain.0),
            Self { name: "written later: traps".into(), pairs: traps.0, kinds: traps.1 },
        ])
    }

    fn hard() -> Result<Self, PairsError> {
        Self::parse(include_str!("../data/hard_pairs.jsonl"), "hard_pairs.jsonl (embedded)")
    }
}

/// Why pairs could not be ranked.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// The embedded pairs.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// A file of pairs.
    #[error("failed to read {file}")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line of one.
    #[error("{file}, line {line}: expected a pair with `situation`, `better` and `worse`")]
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A file without pairs.
    #[error("{file} holds no pair")]
    Empty {
        /// Which.
        file: String,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PairsRow {
    /// Which bank, or which part of one.
    pub bank: String,
    /// Pairs.
    pub pairs: usize,
    /// What the model says when it is asked; absent where only what was learned is wanted.
    pub asked: Option<Asked>,
    /// What nearly everybody would do, learned from keyed acts: share ranked right. One judgement for all banks, and nothing
    /// of any bank is in what it was learned from.
    pub learned: Option<Estimate>,
    /// Share of pairs in which the agent would act for somebody of whom nothing is known, with its usual bars: rightly, and on the worse
    /// act.
    pub acted: Option<[f64; 2]>,
    /// Ids ranked wrong by what was learned.
    pub learned_wrong: Vec<String>,
}

impl Measured for PairsRow {
    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let mut right = |learner: &str, estimate| {
            figures.push(Figure::new(&self.bank, learner, "", "share ranked right", estimate));
        };
        if let Some(asked) = &self.asked {
            right("asked which is better", asked.baseline);
            right("judged one by one", asked.one_by_one);
            right("one by one less asked", asked.difference);
        }
        if let Some(learned) = self.learned {
            right("learned from keyed acts", learned);
        }
        if let Some([rightly, wrongly]) = self.acted {
            figures.push(Figure::bare(&self.bank, "learned from keyed acts", "", "share acted on rightly", rightly));
            figures.push(Figure::bare(&self.bank, "learned from keyed acts", "", "share acted on wrongly", wrongly));
        }
        figures
    }
}

/// What the model says of pairs when it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Asked {
    /// Asking "which is better, A or B?", both orders: share ranked right.
    pub baseline: Estimate,
    /// The overall judgement of each act by itself: share ranked right.
    pub one_by_one: Estimate,
    /// The second less the first, pair by pair.
    pub difference: Estimate,
    /// Ids ranked wrong one by one.
    pub wrong: Vec<String>,
}

/// Pairs read at once: few enough that progress is seen.
const CHUNK: usize = 8;

/// How one pair was ranked: 1 right, 0 wrong, a half for a tie.
struct Ranked {
    id: String,
    /// One by one, and by "which is better?".
    asked: Option<[f64; 2]>,
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

/// Ranks banks; `progress` is told pairs done and pairs in all. With `is_asked` the model is also asked, which takes most of the time.
///
/// # Errors
/// If something cannot be read.
pub fn run(
    (model, cache): (&mut dyn LanguageModel, &mut dyn ReadingCache),
    schema: &ValueSchema,
    map: Option<&ValueMap>,
    banks: &[PairBank],
    is_asked: bool,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<PairsRow>, PairsError> {
    let of = banks.iter().map(|bank| bank.pairs.len()).sum();
    let stranger = stranger(schema)?;
    let mut done = 0;
    let mut rows = Vec::new();
    let mut by_kind: BTreeMap<String, Vec<Ranked>> = BTreeMap::new();
    for bank in banks {
        let mut all = Vec::with_capacity(bank.pairs.len());
        for chunk in bank.pairs.chunks(CHUNK) {
            progress(done, of);
            let asked = if is_asked { Some(ask(model, schema, cache, chunk)?) } else { None };
            let learned = learned(model, map, &stranger, chunk)?;
            all.extend(chunk.iter().zip(learned).enumerate().map(|(i, (pair, learned))| Ranked {
                id: pair.id.clone(),
                asked: asked.as_ref().map(|asked| asked[i]),
                learned,
            }));
            done += chunk.len();
        }
        rows.push(row(bank.name.clone(), &all, seed));
        for (kind, ranked) in bank.kinds.iter().zip(all).filter(|(kind, _)| !kind.is_empty()) {
            by_kind.entry(format!("{}: {kind}", bank.name)).or_default().push(ranked);
        }
    }
    progress(done, of);
    rows.extend(by_kind.into_iter().map(|(kind, ranked)| row(kind, &ranked, seed)));
    Ok(rows)
}

/// For each pair how it was ranked one by one, and by its letter.
fn ask(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    cache: &mut dyn ReadingCache,
    pairs: &[ObviousPair],
) -> Result<Vec<[f64; 2]>, PairsError> {
    let wrong = obvious_pairs_report(model, schema, pairs, cache)?.wrong;
    let letters = letters(model, pairs)?;
    Ok(pairs.iter().zip(letters).map(|(pair, by)| [f64::from(u8::from(!wrong.contains(&pair.id))), by]).collect())
}

/// One bank's figures.
fn row(bank: String, ranked: &[Ranked], seed: u64) -> PairsRow {
    let learned: Vec<LearnedPair> = ranked.iter().filter_map(|r| r.learned).collect();
    let share =
        |acts: bool| learned.iter().filter(|pair| pair.acts == Some(acts)).count() as f64 / learned.len() as f64;
    let is_right: Vec<f64> = learned.iter().map(|pair| f64::from(u8::from(pair.odds > 0.0))).collect();
    let (one_by_one, baseline): (Vec<f64>, Vec<f64>) =
        ranked.iter().filter_map(|r| r.asked).map(|[ours, letter]| (ours, letter)).unzip();
    let asked = (!one_by_one.is_empty()).then(|| Asked {
        baseline: Estimate::bootstrap(&baseline, seed),
        one_by_one: Estimate::bootstrap(&one_by_one, seed),
        difference: Estimate::paired(&one_by_one, &baseline, seed),
        wrong: ranked.iter().filter(|r| r.asked.is_some_and(|[ours, _]| ours == 0.0)).map(|r| r.id.clone()).collect(),
    });
    PairsRow {
        bank,
        pairs: ranked.len(),
        asked,
        learned: (!learned.is_empty()).then(|| Estimate::bootstrap(&is_right, seed)),
        acted: (!learned.is_empty()).then(|| [share(true), share(false)]),
        learned_wrong: ranked
            .iter()
            .filter(|r| r.learned.is_some_and(|pair| pair.odds <= 0.0))
            .map(|r| r.id.clone())
            .collect(),
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
    fn the_banks_are_whole() -> Result<(), PairsError> {
        let banks = PairBank::built_in()?;
        assert_eq!(banks.iter().map(|b| b.pairs.len()).collect::<Vec<_>>(), [20, 20, 120, 66, 120, 117]);
        let mut situations: Vec<&str> = banks.iter().flat_map(|b| &b.pairs).map(|p| p.situation.as_str()).collect();
        let all = situations.len();
        situations.sort_unstable();
        situations.dedup();
        assert_eq!(situations.len(), all, "no situation twice");
        for bank in [&banks[3], &banks[5]] {
            assert!(bank.pairs.iter().all(|p| p.better != p.worse && p.situation.ends_with(['.', '?', '"'])));
            // What sounds worse is not always longer or shorter: length alone ranks no better than chance (exact test, one in a thousand).
            let n = bank.pairs.len() as f64;
            let longer = bank.pairs.iter().filter(|p| p.better.len() > p.worse.len()).count() as f64;
            assert!((longer - n / 2.0).abs() < 3.3 * n.sqrt() / 2.0, "{}: {longer} of {n}", bank.name);
        }
        Ok(())
    }

    #[test]
    fn a_line_that_is_no_pair_is_named() {
        let error = PairBank::parse("{\"situation\": \"A.\", \"better\": \"go\"}\n", "mine.jsonl").unwrap_err();
        assert_eq!(error.to_string(), "mine.jsonl, line 1: expected a pair with `situation`, `better` and `worse`");
        assert_eq!(PairBank::parse("\n", "mine.jsonl").unwrap_err().to_string(), "mine.jsonl holds no pair");
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
        let banks = [PairBank { name: "harder".into(), ..PairBank::hard()? }];
        let mut cache = MemoryReadingCache::default();
        let rows = run((&mut model, &mut cache), &schema, None, &banks, true, 1, &mut |_, _| ())?;
        let words = rows.iter().find(|r| r.bank == "harder: words").expect("a row for each trap");
        let asked = words.asked.as_ref().expect("it was asked");
        assert!(asked.one_by_one.mean < 0.5, "{words:?}");
        assert_eq!(asked.wrong.len(), words.pairs - (asked.one_by_one.mean * words.pairs as f64).round() as usize);
        assert_eq!(rows.iter().filter(|r| r.bank.starts_with("harder: ")).map(|r| r.pairs).sum::<usize>(), 66);
        let figures = crate::figures::kept(&rows[..]);
        let kept = crate::figures::of(&figures, ["harder: words", "judged one by one", "", "share ranked right"]);
        assert_eq!(kept.mean, asked.one_by_one.mean);
        Ok(())
    }
}
