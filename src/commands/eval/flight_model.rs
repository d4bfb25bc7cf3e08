//! `credence eval flight-model`.

use credence_evals::flight::{self, FlightOptions, model};
use credence_priors::LanguageModel;

use super::keep::Keep;
use crate::cli::Global;
use crate::cli::eval::FlightModelArgs;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};

/// Prints the table.
pub(super) fn run(global: &Global, args: &FlightModelArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "flight-model")?;
    let rounds = args.answered.iter().max().copied().unwrap_or(0);
    if args.held_out == 0 || rounds > 20 {
        anyhow::bail!(WrongInput("--held-out must be at least 1, and --answered at most 20".into()));
    }
    let (mut llm, _, _) = model_and_schema(global, &args.model)?;
    let options = FlightOptions {
        people: args.people,
        seed: args.seed,
        rounds,
        held_out: args.held_out,
        ..FlightOptions::default()
    };
    let bar = counting("people");
    let result = model::run(&mut llm, &options, &flight::settings(), &args.answered, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let asked = serde_json::json!({ "model": llm.describe().name, "answered": args.answered, "options": options });
    kept.keep(&asked, &result)?;
    if args.json {
        return say_json(&result);
    }
    say(format!(
        "Flight task with {}: {} people, {} held-out sets each, random questions, seed {}",
        llm.describe().name,
        args.people.min(624),
        args.held_out,
        args.seed
    ))?;
    let mean: Vec<String> = result.prior.mean.iter().map(|m| format!("{m:+.2}")).collect();
    say(format!(
        "Its own values of departure, duration, stops, price: {} (they explain {:.0}% of its judgement)",
        mean.join(" "),
        100.0 * result.prior.r2
    ))?;
    for row in &result.rows {
        say(&row.learner)?;
        for (k, n) in result.answers.iter().enumerate() {
            say(format!("  {n:>3} answers  {}   less exact Bayes {}", row.accuracy[k], row.difference[k]))?;
        }
    }
    Ok(())
}
