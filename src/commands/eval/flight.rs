//! `credence eval flight`.

use credence_evals::flight::{self, FlightOptions};

use super::keep::Keep;
use crate::cli::eval::{FlightAnswers, FlightArgs, FlightQuestions};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// Prints a table for each kind of question and answer asked for.
pub(super) fn run(args: &FlightArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "flight")?;
    if !(0.0..1.0).contains(&args.random_answers) {
        anyhow::bail!(WrongInput(format!("--random-answers must lie in [0, 1), not {}", args.random_answers)));
    }
    let mut settings = flight::settings();
    if !args.signal_scales.is_empty() {
        settings.signal_scales.clone_from(&args.signal_scales);
        settings.check().map_err(|e| WrongInput(format!("--signal-scales: {e}")))?;
    }
    let mut results = Vec::new();
    for (noisy, random_answers) in [(false, 0.0), (true, args.random_answers)] {
        for (chosen, pool) in [(false, 1), (true, args.pool)] {
            let asked = args.questions.is_none_or(|q| (q == FlightQuestions::Chosen) == chosen);
            let answered = args.answers.is_none_or(|a| (a == FlightAnswers::Noisy) == noisy);
            if !asked || !answered {
                continue;
            }
            let options = FlightOptions {
                people: args.people,
                seed: args.seed,
                pool,
                random_answers,
                lattice: args.lattice,
                gaussian_draws: args.gaussian,
                ..FlightOptions::default()
            };
            let bar = counting("people");
            bar.set_length(args.people.min(624) as u64);
            let result = flight::run(&options, &settings, &|| bar.inc(1))?;
            bar.finish_and_clear();
            if args.json {
                say_json(&result)?;
                results.push(result);
                continue;
            }
            let questions =
                if chosen { format!("questions chosen from {pool} sets") } else { "random questions".to_owned() };
            let answers =
                if noisy { format!(", {:.0}% of answers random", random_answers * 100.0) } else { String::new() };
            say(format!("{questions}{answers}; {} people, seed {}", result.people, args.seed))?;
            for learner in &result.learners {
                let path: Vec<String> = learner.accuracy.iter().map(|e| format!("{:.3}", e.mean)).collect();
                let (accuracy, difference) = (learner.accuracy.last(), learner.difference.last());
                if let (Some(accuracy), Some(difference)) = (accuracy, difference) {
                    say(format!("  {:<25} {}", learner.learner, path.join(" ")))?;
                    say(format!("  {:<25} after 5: {accuracy}, less exact Bayes {difference}", ""))?;
                }
            }
            results.push(result);
        }
    }
    let options: Vec<&FlightOptions> = results.iter().map(|result| &result.options).collect();
    kept.keep(&options, &results[..])
}
