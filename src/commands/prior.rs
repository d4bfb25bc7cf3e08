//! `credence prior`: what the model believes before anyone has said anything.

use credence_agent::reader::Reader;
use std::path::Path;

use credence_priors::acts::keyed_bank;
use credence_priors::checks::{
    CharterReport, ObviousPairsReport, charter_report, embedded_charter_questions, embedded_pairs, obvious_pairs_report,
};
use credence_priors::elicited::ElicitedPrior;
use credence_priors::keyed_prior::{KeyedPrior, KeyedWeight};
use credence_priors::reading_cache::FileReadingCache;
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::{ValueMap, ValueValidity};
use credence_priors::{LanguageModel, ModelHandle};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Global, PriorCommand};
use crate::progress::counting;
use crate::surroundings::{cache, charter, load, model_and_schema, pull, say, say_json};

/// A model's prior, as `credence prior show --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriorJson {
    #[serde(flatten)]
    prior: ElicitedPrior,
    /// The model's own judgement of the keyed questions, regressed on their keys.
    in_key_points: KeyedPrior,
    /// How well it reads each value in acts that nobody keyed; nothing where that is not known yet.
    reads: Option<Vec<ValueValidity>>,
}

/// A model's prior with the checks, as `credence prior show --check --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriorCheckJson {
    prior: ElicitedPrior,
    /// The obvious pairs that it ranks right.
    obvious_pairs: ObviousPairsReport,
    /// The statements of the charter that it takes as they are meant.
    charter: CharterReport,
}

/// Two models beside each other, as `credence prior compare --json` tells them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriorsJson {
    /// The two.
    models: Vec<KeyedPrior>,
    /// What the first has less the second, by value.
    differences: Vec<DifferenceJson>,
}

/// How differently two models weigh a value.
#[derive(Debug, Serialize, ToSchema)]
struct DifferenceJson {
    value: String,
    /// In standard deviations of each one's judgement, for a key point.
    difference: f64,
    sd: f64,
    /// Whether it is beyond doubt, at 5% for all values together.
    beyond_doubt: bool,
}

/// Runs `credence prior ...`.
pub(crate) fn run(global: &Global, command: PriorCommand) -> anyhow::Result<()> {
    let (json, check, args) = match command {
        PriorCommand::Show { json, check, model } => (json, check, model),
        PriorCommand::Compare { first, second, json } => return compare(global, [&first, &second], json),
    };
    let (mut model, schema, readings) = model_and_schema(global, &args)?;
    let bar = counting("reading the bank");
    let elicited = Reader::elicit(model.clone(), schema.clone(), Some(readings.clone()), &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let prior: &ElicitedPrior = &elicited.prior;
    let keyed = keyed_prior(&mut model, &schema, &readings)?;
    let map = ValueMap::known_for(&model.describe().key(), &schema, Some(&readings));
    if json && !check {
        let reads = map.map(|map| map.validity);
        return say_json(&PriorJson { prior: elicited.prior, in_key_points: keyed, reads });
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
    if !json {
        print_keyed(&keyed, &schema, map.as_ref())?;
    }
    if check {
        let mut cache = FileReadingCache::open(&readings, &model.describe(), &schema)?;
        let pairs = obvious_pairs_report(&mut model, &schema, &embedded_pairs()?, &mut cache)?;
        let meant = charter_report(&mut model, &charter(&args, None)?, &embedded_charter_questions()?)?;
        if json {
            return say_json(&PriorCheckJson { prior: elicited.prior, obvious_pairs: pairs, charter: meant });
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

/// The model's judgement of the built-in keyed questions, regressed on their keys.
fn keyed_prior(model: &mut ModelHandle, schema: &ValueSchema, readings: &Path) -> anyhow::Result<KeyedPrior> {
    let mut cache = FileReadingCache::open(readings, &model.describe(), schema)?;
    let bar = counting("judging the keyed questions");
    let prior = KeyedPrior::read(model, schema, &keyed_bank(), &mut cache, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    Ok(prior)
}

fn name_of<'a>(schema: &'a ValueSchema, value: &'a str) -> &'a str {
    schema.values.iter().find(|v| v.id == value).map_or(value, |v| v.name.as_str())
}

fn print_keyed(prior: &KeyedPrior, schema: &ValueSchema, map: Option<&ValueMap>) -> anyhow::Result<()> {
    say(format!(
        "\nWhat its own judgement of {} keyed questions gives for a key point of each value (standard deviations of that judgement; the keys \
         explain {:.0}% of it), and how often the sign of a value is read right in acts that nobody keyed\n",
        prior.pairs,
        100.0 * prior.r2
    ))?;
    let widest = schema.values.iter().map(|v| v.name.chars().count()).max().unwrap_or(0);
    let mut rows: Vec<&KeyedWeight> = prior.weights.iter().collect();
    rows.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    for weight in rows {
        let (low, high) = weight.interval();
        let read = map.and_then(|map| map.validity.iter().find(|v| v.value == weight.value));
        let read = read.map_or_else(|| "not measured".to_owned(), read_in_words);
        let name = name_of(schema, &weight.value);
        say(format!("  {name:<widest$}  {:+.2}  90% [{low:+.2}, {high:+.2}]  read {read}", weight.mean))?;
    }
    Ok(())
}

/// How well a value is read: ".79 [.75, .83]", or that nothing is claimed of it.
pub(crate) fn read_in_words(validity: &ValueValidity) -> String {
    let sign = &validity.sign;
    let share = sign.right as f64 / sign.of.max(1) as f64;
    let claim = if validity.is_readable { "" } else { ": no better than chance, nothing is claimed" };
    format!("{share:.2} [{:.2}, {:.2}]{claim}", sign.low, sign.high)
}

/// Which values two models weigh differently.
fn compare(global: &Global, models: [&str; 2], json: bool) -> anyhow::Result<()> {
    let schema = ValueSchema::embedded();
    let readings = cache(global).readings();
    let mut priors = Vec::with_capacity(2);
    for reference in models {
        // One after the other: two loaded models would compete for the processors.
        let mut model = load(global, &pull(global, reference)?, &schema)?;
        priors.push(keyed_prior(&mut model, &schema, &readings)?);
    }
    let rows = priors[0].beside(&priors[1]);
    if json {
        let differences = rows
            .into_iter()
            .map(|(value, difference, sd, beyond_doubt)| DifferenceJson { value, difference, sd, beyond_doubt })
            .collect();
        return say_json(&PriorsJson { models: priors, differences });
    }
    let (first, second) = (&priors[0].model, &priors[1].model);
    say(format!(
        "What a key point is worth to {first} less what it is worth to {second}, in standard deviations of each one's judgement\n"
    ))?;
    let widest = schema.values.iter().map(|v| v.name.chars().count()).max().unwrap_or(0);
    for (value, difference, sd, beyond) in &rows {
        let mark = if *beyond { "  beyond doubt" } else { "" };
        say(format!("  {:<widest$}  {difference:+.2} \u{b1} {sd:.2}{mark}", name_of(&schema, value)))?;
    }
    match rows.iter().filter(|row| row.3).count() {
        0 => say("\nNo value is weighed differently beyond doubt."),
        count => say(format!(
            "\n{count} of {} values are weighed differently beyond doubt (5% for all of them together).",
            rows.len()
        )),
    }
}
