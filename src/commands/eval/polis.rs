//! `credence eval polis`: real people's votes on public statements, beside a logistic factor model on the same draws.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use credence_agent::library;
use credence_evals::estimate::Estimate;
use credence_evals::polis::{self, Agreement, Conversation, PolisError, PolisOptions, PolisResult};
use credence_memory::population::{ItemOptions, ItemStrategy};
use credence_priors::LanguageModel;
use credence_priors::statements::{CONTRAST_NAMES, read_statements, read_statements_after, statement_states};
use serde_json::json;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{cache, model_and_schema, say, say_json};

/// `credence eval polis`.
#[derive(Debug, Args)]
pub(crate) struct PolisArgs {
    /// The folder that holds polis/CONVERSATION
    #[arg(long, value_name = "DIR", env = "CREDENCE_DATA", default_value = "../shared/data")]
    data: PathBuf,
    /// A conversation; may be given several times [default: the seven of the published comparison, or three of them with
    /// --others]
    #[arg(long = "conversation", value_name = "NAME")]
    conversations: Vec<String>,
    /// Learn from this many other people only, 0 for nobody, in five splits of at most 40 tested people
    #[arg(long, value_name = "M", value_parser = crate::cli::numbers::count::<0, 1000000>)]
    others: Option<usize>,
    /// Splits into training and tested people [default: 3, or 5 with --others]
    #[arg(long, value_name = "N", value_parser = crate::cli::numbers::count::<1, 1000>)]
    splits: Option<usize>,
    /// Seed of splits, orders and samplers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Numbers of revealed answers; may be given several times
    #[arg(long = "answers", value_name = "N", default_values_t = [0, 5, 10, 20], value_parser = crate::cli::numbers::count::<0, 10000>)]
    answers: Vec<usize>,
    /// Answers held out of each person
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = crate::cli::numbers::count::<1, 10000>)]
    held_out: usize,
    /// How questions are chosen: by what is learned of the person, or of all their answers
    #[arg(long, value_enum, default_value_t = StrategyArg::Predictions)]
    strategy: StrategyArg,
    /// Options of the statements' model (TOML: factors, warm_up, draws, thinning, lapse_rates, seed, [prior])
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// Learn from the votes of this other conversation what a statement's words foretell; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "no_features")]
    learned_from: Vec<String>,
    /// Do not read the statements with the model
    #[arg(long)]
    no_features: bool,
    /// A page of background on a conversation, CONVERSATION=FILE: the model also reads each statement with the page before it; one for
    /// every conversation
    #[arg(long = "library", value_name = "NAME=FILE", conflicts_with = "no_features")]
    libraries: Vec<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    kept: KeepArgs,
    /// The model that reads the statements.
    #[command(flatten)]
    model: ModelArgs,
}

/// How questions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StrategyArg {
    /// Information about where the person stands
    Gain,
    /// What the answer is worth for predicting all statements
    Predictions,
}

/// Options of the statements' model from a file, or the default ones.
fn items(path: Option<&Path>) -> anyhow::Result<ItemOptions> {
    let Some(path) = path else { return Ok(ItemOptions::default()) };
    let wrong = |e: &dyn std::fmt::Display| WrongInput(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
    Ok(toml::from_str(&text).map_err(|e| wrong(&e))?)
}

/// Runs `credence eval polis`.
pub(crate) fn run(global: &Global, args: &PolisArgs) -> anyhow::Result<()> {
    let mut options = args.others.map_or_else(PolisOptions::default, PolisOptions::small_group);
    options.splits = args.splits.unwrap_or(options.splits);
    options.seed = args.seed;
    options.answers = args.answers.clone();
    options.held_out = args.held_out;
    options.items = items(args.items.as_deref())?;
    options.strategy = match args.strategy {
        StrategyArg::Gain => ItemStrategy::Gain,
        StrategyArg::Predictions => ItemStrategy::Predictions,
    };
    let names: Vec<String> = match (&args.conversations[..], args.others) {
        ([], None) => polis::SEVEN.map(str::to_owned).to_vec(),
        ([], Some(_)) => polis::THREE.map(str::to_owned).to_vec(),
        (given, _) => given.to_vec(),
    };
    if let Some(both) = args.learned_from.iter().find(|name| names.contains(name)) {
        anyhow::bail!(WrongInput(format!("{both} is tested: nothing may be learned from it beforehand")));
    }
    let kept = Keep::of(&args.kept, "polis")?;
    let pages = pages(&args.libraries, &names)?;
    let mut model = match args.no_features {
        true => None,
        false => Some(model_and_schema(global, &args.model)?),
    };
    let folder = cache(global).readings();
    let bar = counting("reading statements");
    let show = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let agreement = match (&mut model, &args.learned_from[..]) {
        (None, _) | (_, []) => None,
        (Some((model, _, _)), from) => {
            let read = |name: &String| -> anyhow::Result<(Conversation, Vec<Vec<f32>>)> {
                let conversation = polis::load(&args.data, name)?;
                let states = statement_states(model, &conversation.statements, &folder, &mut |d, t| show(d, t))?;
                Ok((conversation, states))
            };
            let earlier = from.iter().map(read).collect::<anyhow::Result<Vec<_>>>().map_err(wrong_data)?;
            Some(Agreement::learn(&earlier).map_err(|e| wrong_data(e.into()))?)
        }
    };
    if args.items.is_none() {
        options.items.prior.slopes = polis::slopes(CONTRAST_NAMES.len(), agreement.is_some());
    }
    let mut features = |conversation: &Conversation| -> anyhow::Result<[Vec<Vec<f64>>; 2]> {
        let Some((model, _, _)) = &mut model else { return Ok([Vec::new(), Vec::new()]) };
        let mut with_library: Vec<Vec<f64>> = Vec::new();
        if let Some(page) = pages.get(&conversation.name) {
            let statements = &conversation.statements;
            let read = read_statements_after(model, page, statements, &folder, &mut |d, t| show(d, t))?;
            with_library = read.into_iter().map(|r| r.to_vec()).collect();
        }
        let read = read_statements(model, &conversation.statements, &folder, &mut |d, t| show(d, t))?;
        let mut rows: Vec<Vec<f64>> = read.into_iter().map(|r| r.to_vec()).collect();
        if let Some(agreement) = &agreement {
            let states = statement_states(model, &conversation.statements, &folder, &mut |d, t| show(d, t))?;
            let foretold = agreement.foretell(&states);
            for rows in [&mut rows, &mut with_library] {
                rows.iter_mut().zip(&foretold).for_each(|(row, foretold)| row.push(*foretold));
            }
        }
        Ok([rows, with_library])
    };
    let read = polis::load_all(&args.data, &names, &mut features).map_err(wrong_data)?;
    bar.finish_and_clear();
    let reader = model.as_ref().map(|(model, _, _)| model.describe().name);
    drop(model);
    let bar = counting("splits");
    bar.set_length((options.splits * read.len()) as u64);
    let result = polis::run(&read, &options, &|| bar.inc(1)).map_err(|e| wrong_data(e.into()))?;
    bar.finish_and_clear();
    let options = json!({
        "conversations": names, "learned_from": args.learned_from, "libraries": args.libraries, "model": reader,
        "options": result.options
    });
    kept.keep(&options, &result)?;
    if args.json { say_json(&result) } else { print(&result, &names, agreement.as_ref(), args) }
}

/// The words of the page of background of each conversation; none, or one for each.
fn pages(given: &[String], conversations: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pages = BTreeMap::new();
    for one in given {
        let wrong =
            || WrongInput(format!("--library {one:?} is not CONVERSATION=FILE with a conversation that is tested"));
        let (name, file) = one.split_once('=').ok_or_else(wrong)?;
        if !conversations.iter().any(|c| c == name) {
            anyhow::bail!(wrong());
        }
        let document = library::load(Path::new(file))?;
        let words: Vec<&str> = document.passages.iter().map(|p| p.text.as_str()).collect();
        pages.insert(name.to_owned(), words.join("\n"));
    }
    if let Some(missing) = conversations.iter().find(|name| !pages.is_empty() && !pages.contains_key(*name)) {
        anyhow::bail!(WrongInput(format!("{missing} has no page of background: give --library {missing}=FILE")));
    }
    Ok(pages)
}

/// Data that is not there, or not what it should be, is wrong input.
pub(super) fn wrong_data(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<PolisError>() {
        Some(PolisError::Population { .. }) | None => error,
        Some(wrong @ PolisError::Read { source, .. }) => WrongInput(format!("{wrong}: {source}")).into(),
        Some(wrong) => WrongInput(wrong.to_string()).into(),
    }
}

fn print(
    result: &PolisResult,
    names: &[String],
    agreement: Option<&Agreement>,
    args: &PolisArgs,
) -> anyhow::Result<()> {
    let others = args.others.map_or_else(String::new, |m| format!(", {m} other people"));
    let answers = &result.options.answers;
    say(format!(
        "votes of {} people in {} conversations{others}, {} splits, seed {}; log loss in nats, 95% intervals over people",
        result.people,
        names.len(),
        result.options.splits,
        result.options.seed
    ))?;
    if let Some(agreement) = agreement {
        say(format!(
            "what words foretell is learned from {}: correlation with how many agree {:.2}, cross-validated",
            args.learned_from.join(", "),
            agreement.correlation
        ))?;
    }
    for row in &result.rows {
        say(&row.method)?;
        for (n, cell) in answers.iter().zip(&row.cells) {
            say(format!(
                "  {n:>3} answers  log loss {}   right {:.3}   Brier {:.3}   calibration error {:.3}",
                cell.log_loss, cell.accuracy.mean, cell.brier.mean, cell.calibration_error
            ))?;
        }
    }
    for comparison in &result.comparisons {
        let differences: Vec<String> =
            answers.iter().zip(&comparison.differences).map(|(n, e)| format!("{n}: {}", fine(e))).collect();
        say(format!("{} less {}\n  {}", comparison.ours, comparison.theirs, differences.join("   ")))?;
    }
    Ok(())
}

fn fine(e: &Estimate) -> String {
    format!("{:+.4} [{:+.4}, {:+.4}]", e.mean, e.low, e.high)
}
