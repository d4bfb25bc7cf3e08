//! `credence eval recovery`: whether a session finds what a person values.

use std::path::{Path, PathBuf};

use clap::Args;
use credence_agent::bank::Bank;
use credence_agent::instrument::Effort;
use credence_agent::pack::Pack;
use credence_evals::estimate::Estimate;
use credence_evals::recovery::{self, FileResult, Population, ReadActs, RecoveryOptions, RecoveryResult, load_people};
use credence_memory::belief::Settings;
use credence_memory::home::Paths;
use serde_json::json;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{say, say_json, state_of};

/// `credence eval recovery`.
#[derive(Debug, Args)]
pub(crate) struct RecoveryArgs {
    /// Simulated people
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) number: usize,
    /// People from a file instead (JSON Lines: person, profile by value, answers by the alternatives' words)
    #[arg(long, value_name = "FILE")]
    pub(crate) people: Option<PathBuf>,
    /// A pack: its name or folder
    #[arg(long, value_name = "NAME|DIR", default_value = credence_agent::pack::DEFAULT)]
    pub(crate) pack: String,
    /// Questions of your own (JSON Lines, keyed) instead of the pack's
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// Answers after which people are looked at
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [10, 20, 30, 60])]
    pub(crate) answers: Vec<usize>,
    /// Minutes of a person's time after which they are looked at too, 0.1 to 600
    #[arg(long, default_value_t = 10.0)]
    pub(crate) minutes: f64,
    /// Noise with which people perceive keys, key points, 0 to 10
    #[arg(long, value_name = "SD", default_value_t = 0.5)]
    pub(crate) perception_noise: f64,
    /// Share of answers that are random, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub(crate) lapse_rate: f64,
    /// Size of a typical utility difference in units of people's noise, 0.01 to 100
    #[arg(long, value_name = "SD", default_value_t = 2.5)]
    pub(crate) signal: f64,
    /// Where simulated people's values come from
    #[arg(long, value_name = "WHICH", value_enum, default_value = "independent")]
    pub(crate) population: PopulationArg,
    /// Also run without the published start, to see what it is worth
    #[arg(long)]
    pub(crate) compare_starts: bool,
    /// Also run under other settings of belief, on the same people: JSON of those that differ, such as '{"refined_at_first": 16}'
    #[arg(long, value_name = "JSON")]
    pub(crate) compare_settings: Option<String>,
    /// Choose questions among fewer, under fewer hypotheses, to see what that costs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Also run with what a model reads of each act beside its keys: the text block, and the model's judgement. HOME began with
    /// `--unkeyed` and has read the bank
    #[arg(long, value_name = "HOME")]
    pub(crate) compare_blocks: Option<PathBuf>,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
}

/// Where simulated people's values come from.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum PopulationArg {
    /// Independent of each other, all values alike
    Independent,
    /// Around the published order of values, with the published correlations
    Published,
}

/// Prints the tables.
pub(super) fn run(args: &RecoveryArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "recovery")?;
    let Pack { schema, bank, .. } = Pack::find(&args.pack)?;
    let values: Vec<&str> = schema.values.iter().map(|v| v.id.as_str()).collect();
    let bank = match &args.questions {
        Some(path) => Bank::load(path)?,
        None => bank,
    };
    bank.check_values(&values, args.questions.as_deref().unwrap_or(Path::new("built-in")))?;
    let options = RecoveryOptions {
        people: args.number,
        answers: args.answers.clone(),
        minutes: args.minutes,
        perception_noise: args.perception_noise,
        lapse_rate: args.lapse_rate,
        signal: args.signal,
        compare_starts: args.compare_starts,
        compare_settings: args.compare_settings.as_deref().map(other_settings).transpose()?,
        effort: if args.quick { Effort::Quick } else { Effort::Full },
        population: match args.population {
            PopulationArg::Independent => Population::Independent,
            PopulationArg::Published => Population::Published,
        },
        seed: args.seed,
        ..RecoveryOptions::default()
    };
    let settings = Settings::of_new_homes();
    let bar = counting("people");
    if let Some(path) = &args.people {
        let people = load_people(path, &values).map_err(|e| WrongInput(e.to_string()))?;
        bar.set_length(people.len() as u64);
        let result = recovery::run_file(&bank, &values, &settings, &options, &people, path, &|| bar.inc(1))
            .map_err(wrong_option)?;
        bar.finish_and_clear();
        kept.keep(&json!({ "people": path, "options": options }), &result)?;
        return if args.json { say_json(&result) } else { say_file(&result) };
    }
    bar.set_length(args.number as u64);
    let read = args.compare_blocks.as_deref().map(read_by_a_model).transpose()?;
    let result = recovery::run(&bank, &values, &settings, &options, read.as_ref(), &|| bar.inc(1));
    let result = result.map_err(wrong_option)?;
    bar.finish_and_clear();
    kept.keep(&result.options, &result)?;
    if args.json { say_json(&result) } else { say_simulated(&result) }
}

/// Those of new homes, but for what is told.
fn other_settings(told: &str) -> anyhow::Result<Settings> {
    let wrong = |error: String| WrongInput(format!("--compare-settings: {error}"));
    let told: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(told).map_err(|e| wrong(e.to_string()))?;
    let mut all = serde_json::to_value(Settings::of_new_homes())?;
    if let Some(all) = all.as_object_mut() {
        all.extend(told);
    }
    let settings: Settings = serde_json::from_value(all).map_err(|e| wrong(e.to_string()))?;
    settings.check().map_err(|e| wrong(e.to_string()))?;
    Ok(settings)
}

/// What the model of a home read of acts, by the home's log.
fn read_by_a_model(home: &Path) -> anyhow::Result<ReadActs> {
    let state = state_of(&Paths::of(home).log())?;
    Ok(state.descriptions().iter().map(|d| (d.alternative, d.clone())).collect())
}

fn wrong_option(error: recovery::RecoveryError) -> anyhow::Error {
    match error {
        recovery::RecoveryError::Option { .. }
        | recovery::RecoveryError::NoAnswers { .. }
        | recovery::RecoveryError::NotRead { .. } => WrongInput(error.to_string()).into(),
        other => other.into(),
    }
}

fn say_simulated(result: &RecoveryResult) -> anyhow::Result<()> {
    let o = &result.options;
    say(format!(
        "{} simulated people, seed {}: signal {}, perception noise {} key points, {:.0}% lapses; 95% intervals over people",
        o.people,
        o.seed,
        o.signal,
        o.perception_noise,
        100.0 * o.lapse_rate
    ))?;
    for arm in &result.arms {
        say(format!("\n{}", arm.arm))?;
        for m in &arm.moments {
            let right = m.sure_right.map_or_else(|| "none sure".to_owned(), |e| e.to_string());
            say(format!("  {} ({:.0} answers, {:.1} minutes)", m.at, m.answers, m.minutes))?;
            say(format!("    rank correlation {}   top three above average {}", m.rank_correlation, m.top_three))?;
            say(format!("    sure values {}   of them right {right}   coverage {}", m.sure, m.coverage))?;
            say(format!("    log loss {}   less the best constant {}", m.log_loss, m.log_loss_less_constant))?;
        }
    }
    say("\nRank correlation beside simpler ways, at the same moments")?;
    let line = |name: &str, all: &[Estimate]| {
        let cells = result.moments.iter().zip(all).map(|(at, e)| format!("{at}: {e}"));
        say(format!("  {name}\n    {}", cells.collect::<Vec<_>>().join("   ")))
    };
    for b in &result.baselines {
        line(&b.baseline, &b.rank_correlation)?;
        line(&format!("all kinds less {}", b.baseline), &b.ours_less_it)?;
    }
    line("all kinds less choices alone", &result.less_choices_alone)?;
    line("ceiling less all kinds", &result.below_ceiling)?;
    if !result.published_saves.is_empty() {
        say("\nLog loss beside the best constant: without the published start less with it, nats an answer")?;
        line("all kinds", &result.published_saves)?;
    }
    if let Some(less) = &result.less_other_settings {
        say("\nAll kinds less all kinds under other settings")?;
        line("rank correlation", &less.rank_correlation)?;
        line("sure values", &less.sure)?;
        line("coverage", &less.coverage)?;
        line("log loss beside the best constant, nats an answer", &less.log_loss)?;
    }
    if !result.blocks.is_empty() {
        say(
            "\nLog loss beside the best constant: with keys alone less with a block that the model reads too, nats an answer (above zero: it pays)",
        )?;
    }
    result.blocks.iter().try_for_each(|b| line(&b.block, &b.saves))
}

fn say_file(result: &FileResult) -> anyhow::Result<()> {
    say(format!(
        "{} people, {} answers to keyed questions ({} to nothing that the bank has); 95% intervals over people",
        result.people, result.answers, result.unknown
    ))?;
    for m in &result.moments {
        say(format!("  {} answers", m.answers))?;
        say(format!(
            "    rank correlation {}   plain logistic fit {}   ours less it {}",
            m.rank_correlation, m.plain_fit, m.ours_less_plain_fit
        ))?;
        say(format!(
            "    other answers predicted {}   plain fit {}   log loss {}",
            m.predicted, m.plain_fit_predicted, m.log_loss
        ))?;
    }
    Ok(())
}
