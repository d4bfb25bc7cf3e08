//! `credence probe cost`: what probes add to a reading.

use std::time::Instant;

use credence_glass::written::ordinary;
use credence_priors::{LanguageModel, Reading as Question};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::probing::{after_first, folder, of_model};
use crate::surroundings::{model_and_schema, say, say_json};

/// What reading with probes costs, as `credence probe cost --json` tells it: medians over texts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CostJson {
    /// Ordinary texts that were read.
    texts: usize,
    probes: usize,
    /// The model's own reading of a text.
    reading_seconds: f64,
    /// The same with the states handed over.
    states_seconds: f64,
    /// All probes on these states.
    probes_seconds: f64,
    /// The probes' part of a reading with states.
    share: f64,
}

/// Measures what probes add to a reading: the model's forward pass alone, the same with states handed over, and the probes.
pub(super) fn cost(global: &Global, texts: usize, model: &ModelArgs, json: bool) -> anyhow::Result<()> {
    let (mut model, _, _) = model_and_schema(global, model)?;
    let identity = model.describe();
    let probes = of_model(&folder(global), &identity.key());
    anyhow::ensure!(
        !probes.is_empty(),
        WrongInput("there is no probe for this model; `credence probe fit MOTIVE` makes one".into())
    );
    let mut layers: Vec<usize> = probes.iter().map(|probe| probe.parts().site.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let mut seconds = [Vec::new(), Vec::new(), Vec::new()];
    for text in ordinary().into_iter().take(texts.max(1)) {
        let question = Question { prompt: text.clone(), continuations: vec![" yes".into(), " no".into()] };
        let start = Instant::now();
        model.read(&[question])?;
        seconds[0].push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let states = model.token_states(&[text], &layers)?.pop().unwrap_or_default();
        seconds[1].push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for probe in &probes {
            let at = layers.iter().position(|layer| *layer == probe.parts().site.layer).unwrap_or(0);
            let mut reader = probe.reader();
            reader.push(states.get(at).map_or(&[], |rows| after_first(rows, identity.width)))?;
            std::hint::black_box(reader.reading()?);
        }
        seconds[2].push(start.elapsed().as_secs_f64());
    }
    let count = seconds[0].len();
    let [read, states, probed] = seconds.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    });
    let share = probed / states;
    if json {
        return say_json(&CostJson {
            texts: count,
            probes: probes.len(),
            reading_seconds: read,
            states_seconds: states,
            probes_seconds: probed,
            share,
        });
    }
    say(format!("medians over {count} ordinary texts, {} probes", probes.len()))?;
    say(format!("  the model reads a text: {:.1} ms; with the states handed over {:.1} ms", 1e3 * read, 1e3 * states))?;
    say(format!("  all probes on these states: {:.3} ms, {:.2}% of that", 1e3 * probed, 100.0 * share))
}
