//! `credence eval kidney`.

use credence_evals::kidney::{self, KidneyError, KidneyOptions};

use super::keep::Keep;
use crate::cli::eval::KidneyArgs;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// Prints the table.
pub(super) fn run(args: &KidneyArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "kidney")?;
    let data = kidney::load(&args.data).map_err(|error| match error {
        KidneyError::Absent { .. } | KidneyError::Read { .. } => anyhow::Error::new(WrongInput(error.to_string())),
        other => other.into(),
    })?;
    let options = KidneyOptions { splits: args.splits, seed: args.seed, ..KidneyOptions::default() };
    let bar = counting("splits");
    bar.set_length(args.splits as u64);
    let result = kidney::run(&data.people, &options, &kidney::settings(), &|| bar.inc(1))?;
    bar.finish_and_clear();
    kept.keep(&result.options, &result)?;
    if args.json {
        return say_json(&result);
    }
    say(format!(
        "next-choice log loss of {} people in {} splits, seed {}; baseline: hierarchical Bayes",
        result.people, args.splits, args.seed
    ))?;
    say(format!(
        "features chosen on training people: linear in {} splits, with squares in {}, with products and side in {}",
        result.chosen[0], result.chosen[1], result.chosen[2]
    ))?;
    for row in &result.rows {
        say(&row.method)?;
        for (k, n) in result.options.answers.iter().enumerate() {
            say(format!(
                "  {n:>3} answers  {}   less the baseline {}   right {:.3}",
                row.log_loss[k], row.difference[k], row.accuracy[k]
            ))?;
        }
    }
    Ok(())
}
