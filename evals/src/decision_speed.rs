//! How much of a decision's prompts is evaluated, and how long a decision takes, for 2, 4 and 8 alternatives.

use std::time::Instant;

use credence_agent::reader::{Reader, ReaderError};
use credence_agent::{briefing, deliberate};
use credence_priors::meaning::States;
use credence_priors::{LanguageModel, Usage};
use serde::{Deserialize, Serialize};

use crate::figures::{Figure, Measured};
use crate::pressure::{PressureError, briefings};

/// Numbers of alternatives.
const ALTERNATIVES: [usize; 3] = [2, 4, 8];
/// Rounds, each with a situation of its own; the median is reported.
const ROUNDS: usize = 3;

/// One row of the measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SpeedRow {
    /// How many alternatives.
    pub alternatives: usize,
    /// "first" for a situation never seen before, "again" for other alternatives in the same situation.
    pub call: String,
    /// Tokens in all prompts, median.
    pub in_prompts: u64,
    /// Tokens evaluated, median.
    pub evaluated: u64,
    /// Seconds, median.
    pub seconds: f64,
}

impl Measured for SpeedRow {
    fn figures(&self) -> Vec<Figure> {
        let at = format!("{} alternatives", self.alternatives);
        let call = match self.call.as_str() {
            "first" => "in a new situation",
            _ => "in the same situation again",
        };
        let figure = |measure: &str, value| Figure::bare("decisions", call, &at, measure, value);
        vec![
            figure("median of tokens in prompts", self.in_prompts as f64),
            figure("median of tokens evaluated", self.evaluated as f64),
            figure("median time, s", self.seconds),
        ]
    }
}

/// Reads decisions with a passage of a briefing and a situation in front of every prompt.
///
/// # Errors
/// If the model fails.
pub fn measure(reader: &mut Reader, on_progress: &mut dyn FnMut(usize, usize)) -> Result<Vec<SpeedRow>, PressureError> {
    let mut model = reader.model().clone();
    let mut states = States::default();
    let background = briefings();
    let mut rows = Vec::new();
    let mut done = 0;
    for count in ALTERNATIVES {
        let mut measured: [Vec<(Usage, f64)>; 2] = Default::default();
        for round in 0..ROUNDS {
            on_progress(done, ALTERNATIVES.len() * ROUNDS);
            done += 1;
            let situation = situation(count, round);
            let passages = briefing::relevant(&background, None, &mut model, &mut states, &situation, 1)?;
            let whole = format!("{}\n{situation}", deliberate::background(&passages));
            for (call, measured) in measured.iter_mut().enumerate() {
                let before = model.usage();
                let started = Instant::now();
                judge(reader, &whole, &alternatives(count, call))?;
                measured.push((model.usage().since(before), started.elapsed().as_secs_f64()));
            }
        }
        for (call, measured) in ["first", "again"].into_iter().zip(measured) {
            rows.push(SpeedRow {
                alternatives: count,
                call: call.into(),
                in_prompts: median(measured.iter().map(|(u, _)| u.in_prompts as f64)) as u64,
                evaluated: median(measured.iter().map(|(u, _)| u.evaluated as f64)) as u64,
                seconds: median(measured.iter().map(|(_, s)| *s)),
            });
        }
    }
    Ok(rows)
}

fn judge(reader: &mut Reader, situation: &str, texts: &[String]) -> Result<(), ReaderError> {
    reader.judge(situation, texts).map(drop)
}

fn situation(count: usize, round: usize) -> String {
    let day = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"][round % 5];
    format!(
        "It is {day} evening, and {count} customers of the savings club have asked for their money. You keep the club's book and \
         find that the sum in the box is smaller than the sum in the book, by about what the treasurer borrowed last month."
    )
}

fn alternatives(count: usize, call: usize) -> Vec<String> {
    const ALL: [&str; 16] = [
        "tell all members what you found",
        "ask the treasurer about it first",
        "fill the gap with your own money",
        "write the smaller sum into the book",
        "pay out whoever comes first",
        "call a meeting for tomorrow",
        "ask the auditor for advice",
        "wait until the treasurer pays it back",
        "close the box until it is cleared up",
        "pay everyone the same part",
        "report it to the police",
        "count the money again with a witness",
        "borrow the sum from the bank",
        "say nothing and resign",
        "look through the receipts of the month",
        "ask the oldest member what to do",
    ];
    (0..count).map(|i| ALL[call * 8 + i].to_owned()).collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_as_figures() {
        let row = |call: &str, evaluated| SpeedRow {
            alternatives: 4,
            call: call.into(),
            in_prompts: 900,
            evaluated,
            seconds: 1.5,
        };
        let figures = crate::figures::kept(&[row("first", 700), row("again", 90)][..]);
        let evaluated = |call: &str| {
            crate::figures::of(&figures, ["decisions", call, "4 alternatives", "median of tokens evaluated"]).mean
        };
        assert_eq!((evaluated("in a new situation"), evaluated("in the same situation again")), (700.0, 90.0));
    }
}
