//! `credence prior`: what the model believes before anyone has said anything.

use credence_agent::reader::Reader;
use credence_priors::LanguageModel;
use credence_priors::checks::{charter_report, embedded_charter_questions, embedded_pairs, obvious_pairs_report};
use credence_priors::elicited::ElicitedPrior;
use credence_priors::reading_cache::FileReadingCache;

use crate::cli::{Global, PriorCommand};
use crate::progress::counting;
use crate::surroundings::{charter, model_and_schema, say, say_json};

/// Runs `credence prior ...`.
pub(crate) fn run(global: &Global, command: PriorCommand) -> anyhow::Result<()> {
    let PriorCommand::Show { json, check, model: args } = command;
    let (mut model, schema, readings) = model_and_schema(global, &args)?;
    let bar = counting("reading the bank");
    let elicited = Reader::elicit(model.clone(), schema.clone(), Some(readings.clone()), &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let prior: &ElicitedPrior = &elicited.prior;
    if json && !check {
        return say_json(prior);
    }
    if !json {
        say(format!(
            "What {} seems to value, read from {} alternatives (weights of one standard step, at signal scale 1)\n",
            model.describe().name,
            prior.bank
        ))?;
        let widest = schema.values.iter().map(|v| v.name.chars().count()).max().unwrap_or(0);
        let mut rows: Vec<_> = prior.spreads.iter().collect();
        rows.sort_by(|a, b| b.mean.total_cmp(&a.mean));
        for s in rows {
            let name = schema.values.iter().find(|v| v.id == s.value).map_or(s.value.as_str(), |v| v.name.as_str());
            let (low, high) = (s.mean - 1.645 * s.sd, s.mean + 1.645 * s.sd);
            say(format!(
                "  {name:<widest$}  {:+.2}  90% [{low:+.2}, {high:+.2}]  templates disagree by {:.2}",
                s.mean, s.sd_templates
            ))?;
        }
        say(format!(
            "\nThe values explain {:.0}% of the model's own judgement; the rest is the judgement feature.",
            prior.r2 * 100.0
        ))?;
    }
    if check {
        let mut cache = FileReadingCache::open(&readings, &model.describe(), &schema)?;
        let pairs = obvious_pairs_report(&mut model, &schema, &embedded_pairs()?, &mut cache)?;
        let meant = charter_report(&mut model, &charter(&args)?, &embedded_charter_questions()?)?;
        if json {
            return say_json(&serde_json::json!({ "prior": prior, "obvious_pairs": pairs, "charter": meant }));
        }
        let share =
            |s: &credence_priors::share::Share| format!("{} of {} (95% [{:.2}, {:.2}])", s.right, s.of, s.low, s.high);
        say(format!(
            "\nObvious pairs ranked right: {}; frozen half {}",
            share(&pairs.judgement.all),
            share(&pairs.judgement.frozen)
        ))?;
        say(format!(
            "Charter statements taken as meant: {}; separation {:.2} (without the charter {:.2})",
            share(&meant.by_rank),
            meant.separation,
            meant.separation_without_charter
        ))?;
    }
    Ok(())
}
