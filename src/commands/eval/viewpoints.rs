//! `credence eval viewpoints`.

use clap::Args;
use credence_agent::pack::Pack;
use credence_evals::viewpoints::{self, ViewpointsOptions};
use credence_memory::belief::Settings;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// `credence eval viewpoints`.
#[derive(Debug, Args)]
pub(crate) struct ViewpointsArgs {
    /// A pack: its name or folder
    #[arg(long, value_name = "NAME|DIR", default_value = "taste")]
    pub(crate) pack: String,
    /// Simulated readers
    #[arg(long, value_name = "N", default_value_t = 36, value_parser = crate::cli::numbers::count::<2, 10000>)]
    pub(crate) readers: usize,
    /// Choices that each has answered
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = crate::cli::numbers::count::<0, 10000>)]
    pub(crate) answers: usize,
    /// Pairs of works that nobody has seen, at most
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = crate::cli::numbers::count::<1, 10000>)]
    pub(crate) works: usize,
    /// Numbers of readers whose verdicts a pair of works is inferred from
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [3, 10, 30])]
    pub(crate) verdicts: Vec<usize>,
    /// Seed of readers, answers and draws
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
}

/// Prints both directions.
pub(super) fn run(args: &ViewpointsArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "viewpoints")?;
    let Pack { schema, bank, .. } = Pack::find(&args.pack)?;
    let values: Vec<&str> = schema.values.iter().map(|v| v.id.as_str()).collect();
    let options = ViewpointsOptions {
        readers: args.readers,
        answers: args.answers,
        works: args.works,
        verdicts: args.verdicts.clone(),
        seed: args.seed,
    };
    let bar = counting("readers and works");
    bar.set_length((args.readers + args.works) as u64);
    let result = viewpoints::run(&bank, &values, &Settings::default(), &options, &|| bar.inc(1))?;
    bar.finish_and_clear();
    kept.keep(&result.options, &result)?;
    if args.json {
        return say_json(&result);
    }
    say(format!(
        "{} simulated readers of {:?} after {} answers, {} pairs of works that nobody had seen, seed {} (95% intervals)",
        args.readers, args.pack, args.answers, result.works, args.seed
    ))?;
    say("from works to readers")?;
    say(format!("  choices foreseen                       {}", result.right))?;
    say(format!("  log loss, nats (a guess: .693)         {}", result.log_loss))?;
    say(format!("  who differs from whom, rank correlation {}", result.differences))?;
    say(format!("  90% intervals that hold the truth      {}", result.coverage))?;
    say("from readers to works, by the number of verdicts")?;
    for found in &result.from_verdicts {
        say(format!("  {:>3} readers  rank correlation with the keys {}", found.readers, found.rank_correlation))?;
        say(format!("       verdicts put to other readers' account {}", found.readers_exchanged))?;
        say(format!("       knowing who said it adds {}", found.knowing_readers_adds))?;
        if let Some(signs) = found.signs {
            say(format!("       signs right where a value is clearly at stake {signs}"))?;
        }
        say(format!("       90% intervals that hold the key {}", found.coverage))?;
    }
    Ok(())
}
