//! Checks of a model before its prior is trusted: pairs whose better alternative is beyond dispute, and whether it takes
//! the charter as it is meant.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{LanguageModel, ModelError, Reading};
use crate::reading_cache::ReadingCache;
use crate::readout::{Alternative, RawReading, ReadError, judgement_channels, judgement_weights, read_alternatives};
use crate::schema::ValueSchema;
use crate::share::Share;

/// A pair that hardly anyone would order otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObviousPair {
    /// Its name.
    pub id: String,
    /// The situation.
    pub situation: String,
    /// The better alternative.
    pub better: String,
    /// The worse one.
    pub worse: String,
    /// Whether it was kept aside when templates were chosen.
    #[serde(default)]
    pub frozen: bool,
}

/// A statement about the charter, and whether it agrees with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterQuestion {
    /// Its name.
    pub id: String,
    /// The statement.
    pub statement: String,
    /// Whether somebody who takes the charter as it is meant calls it true.
    pub taken_as_meant: bool,
}

/// A file of cases that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not a case.
    #[error("line {line} of {origin} is not {expected}")]
    Line {
        /// The file, or what stands for it.
        origin: String,
        /// Counted from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// There are none.
    #[error("expected at least one line in {origin}, found none")]
    None {
        /// The file, or what stands for it.
        origin: String,
    },
}

/// The pairs that come with the program: 20 open, 20 frozen.
///
/// # Errors
/// None that a test has not excluded.
pub fn embedded_pairs() -> Result<Vec<ObviousPair>, CasesError> {
    parse_lines(include_str!("../data/obvious_pairs.jsonl"), "obvious_pairs.jsonl (embedded)", "an obvious pair")
}

/// The larger set of pairs that guards later generations; never used to choose anything.
///
/// # Errors
/// None that a test has not excluded.
pub fn embedded_control_pairs() -> Result<Vec<ObviousPair>, CasesError> {
    parse_lines(include_str!("../data/obvious_control.jsonl"), "obvious_control.jsonl (embedded)", "an obvious pair")
}

/// The charter that comes with the program.
pub const CHARTER: &str = include_str!("../data/charter.md");

/// The questions about it.
///
/// # Errors
/// None that a test has not excluded.
pub fn embedded_charter_questions() -> Result<Vec<CharterQuestion>, CasesError> {
    let text = include_str!("../data/charter_questions.jsonl");
    parse_lines(text, "charter_questions.jsonl (embedded)", "a charter question")
}

/// Reads pairs from a file of JSON Lines.
///
/// # Errors
/// If the file or a line cannot be read, or there is none.
pub fn load_pairs(path: &Path) -> Result<Vec<ObviousPair>, CasesError> {
    let text = std::fs::read_to_string(path).map_err(|source| CasesError::File { path: path.into(), source })?;
    parse_lines(&text, &path.display().to_string(), "an obvious pair")
}

pub(crate) fn parse_lines<T: DeserializeOwned>(
    text: &str,
    origin: &str,
    expected: &'static str,
) -> Result<Vec<T>, CasesError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let cases: Vec<T> = lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| CasesError::Line {
                origin: origin.to_owned(),
                line: index + 1,
                expected,
                source,
            })
        })
        .collect::<Result<_, _>>()?;
    if cases.is_empty() { Err(CasesError::None { origin: origin.to_owned() }) } else { Ok(cases) }
}

/// How often one way of reading ranks obvious pairs right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PairShares {
    /// The way of reading.
    pub readout: String,
    /// On the open pairs, where ways were chosen.
    pub open: Share,
    /// On the frozen pairs.
    pub frozen: Share,
    /// On all of them.
    pub all: Share,
}

/// What [`obvious_pairs_report`] found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObviousPairsReport {
    /// The overall judgement as it enters features: the weighted mean of all channels, each scaled on the reference set.
    pub judgement: PairShares,
    /// Each channel by itself.
    pub channels: Vec<PairShares>,
    /// Ids of pairs that the overall judgement ranks wrong.
    pub wrong: Vec<String>,
}

/// Ranks pairs by the model's overall judgement, and by each of its channels.
///
/// # Errors
/// If something cannot be read.
pub fn obvious_pairs_report(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    pairs: &[ObviousPair],
    cache: &mut dyn ReadingCache,
) -> Result<ObviousPairsReport, ReadError> {
    let reference = schema.reference.alternatives.iter().map(|text| Alternative::new(None, text));
    let sides = pairs
        .iter()
        .flat_map(|pair| [&pair.better, &pair.worse].map(|text| Alternative::new(Some(&pair.situation), text)));
    let all: Vec<Alternative> = reference.chain(sides).collect();
    let mut readings = read_alternatives(model, schema, &all, cache, &mut |_, _| {})?;
    let sides = readings.split_off(schema.reference.alternatives.len());
    let sds: Vec<f64> = (0..judgement_channels(schema).len())
        .map(|channel| crate::linear::mean_sd(readings.iter().map(|r| r.judgement[channel])).1.max(1e-6))
        .collect();

    let shares = |readout: &str, score: &dyn Fn(&RawReading) -> f64| {
        let right: Vec<bool> = sides.chunks(2).map(|pair| score(&pair[0]) > score(&pair[1])).collect();
        let only = |frozen: bool| {
            Share::of(pairs.iter().zip(&right).filter(|(pair, _)| pair.frozen == frozen).map(|(_, right)| *right))
        };
        let shares = PairShares {
            readout: readout.to_owned(),
            open: only(false),
            frozen: only(true),
            all: Share::of(right.iter().copied()),
        };
        (shares, right)
    };
    let weights = judgement_weights(sds.len());
    let overall = |reading: &RawReading| {
        reading.judgement.iter().zip(&sds).zip(&weights).map(|((value, sd), weight)| weight * value / sd).sum::<f64>()
    };
    let (judgement, right) = shares("overall judgement", &overall);
    let channels = judgement_channels(schema)
        .iter()
        .enumerate()
        .map(|(channel, name)| shares(name, &|reading| reading.judgement[channel]).0)
        .collect();
    let wrong = pairs.iter().zip(right).filter(|(_, right)| !right).map(|(pair, _)| pair.id.clone()).collect();
    Ok(ObviousPairsReport { judgement, channels, wrong })
}

/// What [`charter_report`] found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CharterReport {
    /// How many statements were taken as meant, by the sign of true - false. Small models lean towards one word.
    pub by_sign: Share,
    /// The same with the lean taken out: true - false above its median over all statements.
    pub by_rank: Share,
    /// The probability that a statement the charter holds reads truer than one it rejects (area under the ROC curve;
    /// .5 is chance).
    pub separation: f64,
    /// The same without the charter in front: what the charter itself adds is the difference.
    pub separation_without_charter: f64,
    /// Ids of statements not taken as meant, by rank.
    pub wrong: Vec<String>,
}

/// Reads every statement as true or false with the charter in front of it.
///
/// # Errors
/// If the model fails, or the charter does not fit into its context.
pub fn charter_report(
    model: &mut dyn LanguageModel,
    charter: &str,
    questions: &[CharterQuestion],
) -> Result<CharterReport, ModelError> {
    let with = charter_log_odds(model, &format!("{}\n\n", charter.trim()), questions)?;
    let without = charter_log_odds(model, "", questions)?;
    let mut sorted = with.clone();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let median = match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    };
    let above = |threshold: f64| -> Vec<bool> {
        with.iter().zip(questions).map(|(odds, question)| (*odds > threshold) == question.taken_as_meant).collect()
    };
    let by_rank = above(median);
    Ok(CharterReport {
        by_sign: Share::of(above(0.0).into_iter()),
        separation: separation(&with, questions),
        separation_without_charter: separation(&without, questions),
        wrong: questions.iter().zip(&by_rank).filter(|(_, right)| !**right).map(|(q, _)| q.id.clone()).collect(),
        by_rank: Share::of(by_rank.into_iter()),
    })
}

/// ln p(true) - ln p(false) of every statement after the text `before`, in nats.
pub(crate) fn charter_log_odds(
    model: &mut dyn LanguageModel,
    before: &str,
    questions: &[CharterQuestion],
) -> Result<Vec<f64>, ModelError> {
    let readings: Vec<Reading> = questions
        .iter()
        .map(|question| Reading {
            prompt: format!("{before}Statement: {}\nThis statement is", question.statement),
            continuations: vec![" true".into(), " false".into()],
        })
        .collect();
    Ok(model.read(&readings)?.iter().map(|readout| readout.ln_p[0] - readout.ln_p[1]).collect())
}

fn separation(log_odds: &[f64], questions: &[CharterQuestion]) -> f64 {
    let of = |meant: bool| {
        log_odds
            .iter()
            .zip(questions)
            .filter(move |(_, question)| question.taken_as_meant == meant)
            .map(|(odds, _)| *odds)
    };
    let (mut wins, mut pairs) = (0.0, 0.0);
    for held in of(true) {
        for rejected in of(false) {
            pairs += 1.0;
            wins += if held > rejected {
                1.0
            } else if held < rejected {
                0.0
            } else {
                0.5
            };
        }
    }
    if pairs > 0.0 { wins / pairs } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading_cache::MemoryReadingCache;
    use crate::scripted::Scripted;

    #[test]
    fn the_embedded_cases_are_complete() -> Result<(), CasesError> {
        let pairs = embedded_pairs()?;
        assert_eq!(pairs.iter().filter(|pair| pair.frozen).count(), 20);
        assert_eq!(pairs.len(), 40);
        assert!(embedded_control_pairs()?.len() >= 100);
        assert_eq!(embedded_charter_questions()?.len(), 20);
        Ok(())
    }

    #[test]
    fn a_model_that_knows_right_from_wrong_is_told_from_one_that_does_not() -> Result<(), Box<dyn std::error::Error>> {
        let schema = ValueSchema::embedded();
        let pairs: Vec<ObviousPair> = (0..10)
            .map(|i| ObviousPair {
                id: format!("p{i}"),
                situation: format!("You found wallet {i}."),
                better: "return it".into(),
                worse: "steal it".into(),
                frozen: i % 2 == 0,
            })
            .collect();
        let knows = Scripted::hashed(1).with_tilt("steal", "bad", 5.0).with_tilt("steal", "wrong", 5.0);
        let mut cache = MemoryReadingCache::default();
        let report = obvious_pairs_report(&mut knows.clone(), &schema, &pairs, &mut cache)?;
        assert_eq!((report.judgement.all.right, report.judgement.frozen.of), (10, 5));
        assert!(report.wrong.is_empty());
        Ok(())
    }

    #[test]
    fn separation_is_the_area_under_the_curve() {
        let question = |meant| CharterQuestion { id: String::new(), statement: String::new(), taken_as_meant: meant };
        let questions = [question(true), question(true), question(false), question(false)];
        assert_eq!(separation(&[3.0, 1.0, 2.0, 0.0], &questions), 0.75);
    }

    #[test]
    fn a_line_that_is_no_case_is_named() {
        let error = parse_lines::<ObviousPair>("{\"id\": 1}\n", "pairs.jsonl", "an obvious pair").err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(message, "line 1 of pairs.jsonl is not an obvious pair");
    }
}
