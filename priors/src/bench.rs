//! How fast prompts are scored, beside the limit: llama.cpp evaluating one long prompt, as `llama-bench` does (pp512).

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::llama::Llama;
use crate::model::{LanguageModel, ModelError, Reading};

/// Tokens of the raw prompt: llama-bench's default.
const RAW_TOKENS: usize = 512;

/// What [`bench`] measured. Rates are tokens a second, each the median over rounds; ours and raw take turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BenchReport {
    /// How many rounds were run.
    pub rounds: usize,
    /// One prompt of 512 tokens through `llama_decode`.
    pub raw_rate: f64,
    /// Unrelated prompts, by our path: tokens evaluated a second.
    pub unrelated_rate: f64,
    /// Median over rounds of `unrelated_rate / raw_rate` of the same round.
    pub unrelated_ratio: f64,
    /// Prompts with a long common beginning, by our path: tokens *of the prompts* a second, most of them evaluated once
    /// for all.
    pub shared_rate: f64,
    /// Median over rounds of `shared_rate / raw_rate` of the same round.
    pub shared_ratio: f64,
}

/// Measures prompt scoring in `rounds` rounds, after one that is not counted.
///
/// # Errors
/// If the model fails.
pub fn bench(model: &mut Llama, rounds: usize) -> Result<BenchReport, ModelError> {
    let unrelated = unrelated_prompts();
    let shared = shared_prompts();
    let unrelated_tokens = count(model, &unrelated)?;
    let shared_tokens = count(model, &shared)?;
    let mut rates: [Vec<f64>; 3] = Default::default();
    for round in 0..=rounds.max(1) {
        let raw = RAW_TOKENS as f64 / model.time_raw_prompt(RAW_TOKENS)?.as_secs_f64();
        let mut rate = |readings: &[Reading], tokens: usize| -> Result<f64, ModelError> {
            let started = Instant::now();
            model.read(readings)?;
            Ok(tokens as f64 / started.elapsed().as_secs_f64())
        };
        let measured = [raw, rate(&unrelated, unrelated_tokens)?, rate(&shared, shared_tokens)?];
        if round > 0 {
            rates.iter_mut().zip(measured).for_each(|(rates, rate)| rates.push(rate));
        }
    }
    let ratio = |index: usize| median(rates[index].iter().zip(&rates[0]).map(|(ours, raw)| ours / raw).collect());
    Ok(BenchReport {
        rounds: rounds.max(1),
        raw_rate: median(rates[0].clone()),
        unrelated_rate: median(rates[1].clone()),
        unrelated_ratio: ratio(1),
        shared_rate: median(rates[2].clone()),
        shared_ratio: ratio(2),
    })
}

fn count(model: &mut Llama, readings: &[Reading]) -> Result<usize, ModelError> {
    readings.iter().map(|reading| model.count_tokens(&reading.prompt)).sum()
}

/// Sixteen prompts that share not even their first word, some five hundred tokens in all.
fn unrelated_prompts() -> Vec<Reading> {
    let places = ["harbour", "library", "market", "station"];
    let acts = ["repair the old boat", "lend a book", "sell some apples", "wait for the train"];
    let mut prompts = Vec::new();
    for (i, place) in places.iter().enumerate() {
        for (j, act) in acts.iter().enumerate() {
            prompts.push(reading(format!(
                "{}{i}{j} people met at the {place} in the morning, talked about the weather for a while, and one of them \
                 thought it best to {act} before the others had finished. A person who does so is",
                (b'A' + (4 * i + j) as u8) as char
            )));
        }
    }
    prompts
}

/// Forty-eight short questions about one long situation.
fn shared_prompts() -> Vec<Reading> {
    let situation = "A small town has to decide what becomes of the old mill by the river. Some want to turn it into flats \
        that young families can afford, some want a museum about the town's history, and others would rather leave it to \
        the birds that nest there. The council has money for one of these plans and has asked everyone for their opinion.";
    let acts = ["speak up", "stay at home", "vote for flats", "vote for the museum", "ask for more time", "do nothing"];
    let templates = [
        "To {} is",
        "A person who chooses to {} is",
        "Choosing to {} would be",
        "If you {}, you are being",
        "Someone decides to {}. Morally, this is",
        "Someone decided to {}. People would call that",
        "It would be odd to {}, and",
        "Most people here would {}, which is",
    ];
    let mut prompts = Vec::new();
    for act in acts {
        for template in templates {
            prompts.push(reading(format!("{situation} {}", template.replace("{}", act))));
        }
    }
    prompts
}

fn reading(prompt: String) -> Reading {
    Reading { prompt, continuations: vec![" kind".into(), " cruel".into()] }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}
