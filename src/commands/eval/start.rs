//! `credence eval start`.

use anyhow::Context;
use clap::ValueEnum;
use credence_evals::experiment::Experiment;
use credence_evals::kidney::{self, KidneyError};
use credence_evals::library::start_of;
use credence_evals::polis;
use credence_evals::report::{start_html, verdict};
use credence_evals::results::{self, RESULTS};
use credence_evals::start::{self, StartError, StartOptions, judged_patients, judged_statements};
use credence_priors::LanguageModel;
use credence_priors::reading_cache::FileReadingCache;
use serde_json::json;

use super::keep::Keep;
use crate::cli::Global;
use crate::cli::eval::{StartArgs, StartPeople};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{cache, model_and_schema, say, say_json};

/// Places the model's prior, prints where it stands, and writes the page.
pub(super) fn run(global: &Global, args: &StartArgs) -> anyhow::Result<()> {
    if !(args.target.is_finite() && args.target > 0.0) {
        anyhow::bail!(WrongInput(format!("--target must be a positive number, not {}", args.target)));
    }
    let kept = Keep::of(&args.kept, "start")?;
    // Everything that can be wrong is looked at before the model is loaded.
    let data = load(args)?;
    let region = match &args.map {
        Some(dir) => {
            let results = results::read(&dir.join(RESULTS)).map_err(super::experiment::wrong_folder)?;
            let experiment = Experiment::parse(&results.provenance.file)
                .map_err(|e| WrongInput(format!("{}: {e}", dir.join(RESULTS).display())))?;
            Some((experiment, results))
        }
        None => None,
    };
    let libraries = args.libraries.iter().map(|path| super::library::documents(path)).collect::<Result<Vec<_>, _>>()?;
    let (mut model, schema, readings) = model_and_schema(global, &args.model)?;
    let bar = counting("reading what people were asked about");
    let progress = &mut |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let judged = match data {
        Data::Kidney(data) => {
            let mut cache = FileReadingCache::open(&readings, &model.describe(), &schema)?;
            judged_patients(&mut model, &schema, &mut cache, data, progress)?
        }
        Data::Polis(conversation) => {
            judged_statements(&mut model, &conversation, &cache(global).readings(), args.seed, progress)?
        }
    };
    bar.finish_and_clear();
    let options = StartOptions { target_nats: args.target, seed: args.seed, ..StartOptions::default() };
    let libraries = libraries
        .iter()
        .map(|(name, documents)| {
            start_of(name, documents, &judged.features).map_err(|e| anyhow::Error::from(WrongInput(e.to_string())))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let result = start::run(&judged, &model.describe().name, &libraries, &options).map_err(|error| match error {
        StartError::TooFew { .. } => anyhow::Error::new(WrongInput(format!("{}: {error}", judged.what))),
        other => other.into(),
    })?;
    let people = args.people.to_possible_value().map(|people| people.get_name().to_owned());
    let named: Vec<&String> = libraries.iter().map(|library| &library.name).collect();
    kept.keep(
        &json!({ "model": result.model, "people": people, "what": result.what, "libraries": named, "options": options }),
        &result,
    )?;
    let prior = &result.prior;
    let page = start_html(&result, region.as_ref().map(|r| (&r.0, &r.1)));
    std::fs::write(&args.out, page).with_context(|| format!("failed to write {}", args.out.display()))?;
    if args.json {
        return say_json(&result);
    }
    say(format!("{}\n", verdict(&result)))?;
    for ((name, mean), sd) in result.features.iter().zip(&prior.mean).zip(&prior.sd) {
        say(format!("  {name:<14} weight {mean:+.3}, standard deviation {sd:.3}"))?;
    }
    say(format!(
        "  confidence {:.2}; angle to people's values {:.0} degrees (a tenth below {:.0}, a tenth above {:.0}); {} people\n",
        prior.confidence,
        result.angle(0.5),
        result.angle(0.1),
        result.angle(0.9),
        result.angles_degrees.len()
    ))?;
    for (library, angle) in result.libraries.iter().zip(&result.library_angles_degrees) {
        say(format!("{}: {} documents, angle to people's values {angle:.0} degrees", library.name, library.documents))?;
        for ((name, mean), variance) in result.features.iter().zip(&library.mean).zip(&library.variance) {
            say(format!("  {name:<14} weight {mean:+.3}, standard deviation {:.3}", variance.sqrt()))?;
        }
    }
    say(format!("log loss of who knows the person: {}", result.ceiling))?;
    for row in &result.rows {
        say(&row.learner)?;
        for (k, n) in options.answers.iter().enumerate() {
            say(format!("  {n:>3} answers  {}   less the flat start {}", row.log_loss[k], row.difference[k]))?;
        }
    }
    say(args.out.display())
}

/// Real people's answers.
enum Data {
    Kidney(kidney::KidneyData),
    Polis(polis::Conversation),
}

fn load(args: &StartArgs) -> anyhow::Result<Data> {
    match args.people {
        StartPeople::Kidney => match kidney::load(&args.data) {
            Ok(data) => Ok(Data::Kidney(data)),
            Err(error @ (KidneyError::Absent { .. } | KidneyError::Read { .. })) => {
                Err(WrongInput(error.to_string()).into())
            }
            Err(other) => Err(other.into()),
        },
        StartPeople::Polis => {
            let conversation = polis::load(&args.data, &args.conversation);
            Ok(Data::Polis(conversation.map_err(|error| super::polis::wrong_data(error.into()))?))
        }
    }
}
