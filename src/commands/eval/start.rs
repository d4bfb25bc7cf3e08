//! `credence eval start`.

use anyhow::Context;
use credence_evals::experiment::Experiment;
use credence_evals::kidney::{self, KidneyError};
use credence_evals::report::{start_html, verdict};
use credence_evals::results::{self, RESULTS};
use credence_evals::start::{self, ATTRIBUTE_NAMES, StartOptions};
use credence_priors::LanguageModel;
use credence_priors::reading_cache::FileReadingCache;

use crate::cli::Global;
use crate::cli::eval::StartArgs;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};

/// Places the model's prior, prints where it stands, and writes the page.
pub(super) fn run(global: &Global, args: &StartArgs) -> anyhow::Result<()> {
    if !(args.target.is_finite() && args.target > 0.0) {
        anyhow::bail!(WrongInput(format!("--target must be a positive number, not {}", args.target)));
    }
    // Everything that can be wrong is looked at before the model is loaded.
    let data = kidney::load(&args.data).map_err(|error| match error {
        KidneyError::Absent { .. } | KidneyError::Read { .. } => anyhow::Error::new(WrongInput(error.to_string())),
        other => other.into(),
    })?;
    let region = match &args.map {
        Some(dir) => {
            let results = results::read(&dir.join(RESULTS)).map_err(super::experiment::wrong_folder)?;
            let experiment = Experiment::parse(&results.provenance.file)
                .map_err(|e| WrongInput(format!("{}: {e}", dir.join(RESULTS).display())))?;
            Some((experiment, results))
        }
        None => None,
    };
    let (mut model, schema, readings) = model_and_schema(global, &args.model)?;
    let mut cache = FileReadingCache::open(&readings, &model.describe(), &schema)?;
    let bar = counting("reading patients");
    let prior = start::elicit(&mut model, &schema, &mut cache, &data, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let options = StartOptions { target_nats: args.target, seed: args.seed, ..StartOptions::default() };
    let result = start::run(&data, &model.describe().name, &prior, &options)?;
    let page = start_html(&result, region.as_ref().map(|r| (&r.0, &r.1)));
    std::fs::write(&args.out, page).with_context(|| format!("failed to write {}", args.out.display()))?;
    if args.json {
        return say_json(&result);
    }
    say(format!("{}\n", verdict(&result)))?;
    for ((name, mean), sd) in ATTRIBUTE_NAMES.iter().zip(&prior.mean).zip(&prior.sd) {
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
    say(format!("log loss of who knows the person: {}", result.ceiling))?;
    for row in &result.rows {
        say(&row.learner)?;
        for (k, n) in options.answers.iter().enumerate() {
            say(format!("  {n:>3} answers  {}   less the flat start {}", row.log_loss[k], row.difference[k]))?;
        }
    }
    say(args.out.display())
}
