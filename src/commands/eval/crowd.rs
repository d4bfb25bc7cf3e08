//! `credence eval crowd`: simulated crowds under attack, of two kinds, and how work grows with their size.

use clap::Subcommand;
use credence_evals::crowd::{AttackOptions, CrowdError, KindsOptions, Movement, attack, growth, kinds};
use serde_json::json;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// `credence eval crowd ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum CrowdCommand {
    /// Compare attackers from one source with an honest minority of the same size: how far does each move the scores?
    Attack {
        /// Number of people
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = crate::cli::numbers::count::<2, 10000000>)]
        people: usize,
        /// Fraction of people who are attackers
        #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = crate::cli::numbers::share)]
        share: f64,
        /// Number of simulated crowds
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = crate::cli::numbers::count::<1, 1000000>)]
        trials: usize,
        /// The share of all people that one source counts for at most
        #[arg(long, value_name = "SHARE", default_value_t = credence_memory::population::SOURCE_CAP, value_parser = crate::cli::numbers::share_above_zero)]
        source_cap: f64,
        /// Seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Where figures are kept.
        #[command(flatten)]
        kept: KeepArgs,
    },
    /// Crowds of two kinds: how many components are chosen, and what they are worth for predicting somebody new
    Kinds {
        /// People that the population is learned from
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = crate::cli::numbers::count::<2, 10000000>)]
        people: usize,
        /// How far the centres are from the middle, in standard deviations around them; may be given several times
        #[arg(long = "apart", value_name = "SD", default_values_t = [0.0, 1.0, 2.0, 3.0], value_parser = crate::cli::numbers::amount::<1000>)]
        apart: Vec<f64>,
        /// Share of people of the second kind
        #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = crate::cli::numbers::share)]
        share: f64,
        /// Answers of each
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = crate::cli::numbers::count::<0, 100000>)]
        answers: usize,
        /// Weights
        #[arg(long, value_name = "D", default_value_t = 6, value_parser = crate::cli::numbers::count::<1, 1000>)]
        dimension: usize,
        /// Number of simulated crowds
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = crate::cli::numbers::count::<1, 1000000>)]
        trials: usize,
        /// Seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One JSON object for each distance
        #[arg(long)]
        json: bool,
        /// Where figures are kept.
        #[command(flatten)]
        kept: KeepArgs,
    },
    /// Time and memory to learn from more and more people, and to choose the next question for one
    Growth {
        /// Sizes of the crowd; may be given several times
        #[arg(long = "people", value_name = "N", default_values_t = [10, 100, 1_000, 10_000], value_parser = crate::cli::numbers::count::<2, 10000000>)]
        people: Vec<usize>,
        /// Answers of each
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = crate::cli::numbers::count::<0, 100000>)]
        answers: usize,
        /// Weights
        #[arg(long, value_name = "D", default_value_t = 32, value_parser = crate::cli::numbers::count::<1, 1000>)]
        dimension: usize,
        /// Items that are answered
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = crate::cli::numbers::count::<1, 10000000>)]
        items: usize,
        /// Seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One JSON object for each size
        #[arg(long)]
        json: bool,
        /// Where figures are kept.
        #[command(flatten)]
        kept: KeepArgs,
    },
}

/// Runs `credence eval crowd ...`.
pub(crate) fn run(command: &CrowdCommand) -> anyhow::Result<()> {
    match command {
        CrowdCommand::Attack { people, share, trials, source_cap, seed, json, kept } => {
            let kept = Keep::of(kept, "crowd attack")?;
            if !(0.0..1.0).contains(share) {
                anyhow::bail!(WrongInput(format!("--share must lie in [0, 1), not {share}")));
            }
            let options = AttackOptions {
                people: *people,
                share: *share,
                trials: *trials,
                source_cap: *source_cap,
                seed: *seed,
                ..AttackOptions::default()
            };
            let bar = counting("crowds");
            bar.set_length(*trials as u64);
            let result = attack(&options, &|| bar.inc(1)).map_err(wrong)?;
            bar.finish_and_clear();
            kept.keep(&options, &result)?;
            if *json {
                return say_json(&result);
            }
            say(format!("{people} people, {:.0}% of the other mind, {trials} crowds, seed {seed}", 100.0 * share))?;
            let row = |name: &str, m: &Movement| {
                say(format!(
                    "{name}\n  decision's scores moved, of what a plain mean is moved   {}\n  population's mean moved, of what it is moved without caps  {}",
                    m.decision, m.population
                ))
            };
            row("sybils of one source", &result.sybils)?;
            row("honest minority, each of a source of their own", &result.honest_minority)?;
            say(format!(
                "bound for one source {:.3}; the plain mean is moved by {} in relative utility",
                result.bound, result.sybils.plain
            ))
        }
        CrowdCommand::Kinds { people, apart, share, answers, dimension, trials, seed, json, kept } => {
            let kept = Keep::of(kept, "crowd kinds")?;
            let mut results = Vec::new();
            for &apart in apart {
                let (people, share, answers, dimension) = (*people, *share, *answers, *dimension);
                let (trials, seed) = (*trials, *seed);
                let options =
                    KindsOptions { people, apart, share, answers, dimension, trials, seed, ..KindsOptions::default() };
                let bar = counting("crowds");
                bar.set_length(trials as u64);
                let result = kinds(&options, &|| bar.inc(1)).map_err(wrong)?;
                bar.finish_and_clear();
                results.push(result.clone());
                if *json {
                    say_json(&result)?;
                    continue;
                }
                let chosen: Vec<String> = result.chosen.iter().map(usize::to_string).collect();
                say(format!("apart {apart}: one, two, ... components chosen in {} crowds", chosen.join(", ")))?;
                for ((n, one), difference) in options.revealed.iter().zip(&result.one).zip(&result.difference) {
                    say(format!(
                        "  after {n:>2} answers, log loss with one {one}; with those chosen, less that {difference}"
                    ))?;
                }
            }
            let options: Vec<&KindsOptions> = results.iter().map(|result| &result.options).collect();
            kept.keep(&options, &results[..])
        }
        CrowdCommand::Growth { people, answers, dimension, items, seed, json, kept } => {
            let kept = Keep::of(kept, "crowd growth")?;
            let mut rows = Vec::new();
            for (i, &n) in people.iter().enumerate() {
                let row = growth(n, *answers, *dimension, *items, *seed).map_err(wrong)?;
                rows.push(row.clone());
                if *json {
                    say_json(&row)?;
                    continue;
                }
                if i == 0 {
                    say(format!(
                        "{answers} answers each, D = {dimension}, {items} items, seed {seed}\n{:>8} {:>11} {:>13} {:>9} {:>14} {:>19} {:>9}",
                        "people",
                        "messages s",
                        "consolidate s",
                        "items s",
                        "question ms",
                        "item question ms",
                        "peak MB"
                    ))?;
                }
                say(format!(
                    "{n:>8} {:>11.2} {:>13.2} {:>9.2} {:>14.1} {:>19.1} {:>9}",
                    row.messages_s,
                    row.consolidate_s,
                    row.items_s,
                    row.question_ms,
                    row.item_question_ms,
                    row.peak_mb.map_or_else(|| "-".to_owned(), |mb| format!("{mb:.0}"))
                ))?;
            }
            let options =
                json!({ "people": people, "answers": answers, "dimension": dimension, "items": items, "seed": seed });
            kept.keep(&options, &rows[..])
        }
    }
}

fn wrong(error: CrowdError) -> anyhow::Error {
    match error {
        CrowdError::TooFew | CrowdError::Population(_) => WrongInput(error.to_string()).into(),
        CrowdError::Belief(_) => error.into(),
    }
}
