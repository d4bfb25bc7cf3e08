//! `credence eval pairs`.

use credence_evals::pairs::{self, PairBank};
use credence_priors::LanguageModel;
use credence_priors::reading_cache::FileReadingCache;

use super::keep::Keep;
use crate::cli::Global;
use crate::cli::eval::PairsArgs;
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};

/// Prints a row for each bank.
pub(super) fn run(global: &Global, args: &PairsArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "pairs")?;
    let (mut model, schema, readings) = model_and_schema(global, &args.model)?;
    let mut cache = FileReadingCache::open(&readings, &model.describe(), &schema)?;
    let map = super::reading::fitted(&mut model, &schema, &readings)?;
    let banks = match &args.pairs {
        Some(file) => vec![PairBank::load(file)?],
        None => PairBank::built_in()?,
    };
    let bar = counting("pairs");
    let asks = !args.learned_only;
    let rows = pairs::run((&mut model, &mut cache), &schema, Some(&map), &banks, asks, args.seed, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let options =
        serde_json::json!({ "model": model.describe().name, "seed": args.seed, "asks": asks, "pairs": args.pairs });
    kept.keep(&options, &rows[..])?;
    if args.json {
        return rows.iter().try_for_each(say_json);
    }
    say(format!(
        "Share of pairs ranked right by {}, 95% intervals over pairs; ceiling 1, the author's own ranking",
        model.describe().name
    ))?;
    say(format!(
        "{:<38} {:>5}  {:<21} {:<21} {:<21} {:<21} acted on rightly (on the worse)",
        "bank", "pairs", "\"which is better?\"", "judged one by one", "difference", "learned"
    ))?;
    for row in rows {
        let [baseline, ours, difference] = row.asked.map_or_else(<[String; 3]>::default, |asked| {
            [asked.baseline, asked.one_by_one, asked.difference].map(|estimate| estimate.to_string())
        });
        let learned = row.learned.map(|learned| learned.to_string()).unwrap_or_default();
        let acted = row.acted.map(|[right, wrong]| format!("{right:.2} ({wrong:.3})")).unwrap_or_default();
        say(format!(
            "{:<38} {:>5}  {baseline:<21} {ours:<21} {difference:<21} {learned:<21} {acted}",
            row.bank, row.pairs
        ))?;
    }
    Ok(())
}
