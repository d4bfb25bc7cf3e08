//! `credence probe ask`: how well the model's own answer, asked in words, tells texts apart.

use anyhow::Context;
use credence_glass::contrast::ContrastSet;
use credence_glass::probe::{Auroc, Example, auroc};
use credence_priors::{LanguageModel, ModelHandle, Reading as Question};
use serde::Serialize;
use utoipa::ToSchema;

use super::told::area;
use crate::cli::{Global, ModelArgs};
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};

/// The model's own answer, as `credence probe ask --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnAnswerJson {
    motive: String,
    /// How well it tells the texts apart.
    own_answer: Auroc,
}

/// What a text does that has a motive, as the model is asked about it.
fn does(motive: &str) -> String {
    match motive {
        "deceives" => "deceive someone".to_owned(),
        "exploits-trust" => "exploit someone's trust".to_owned(),
        "hides-from-oversight" => "hide something from those who oversee them".to_owned(),
        "harms-for-gain" => "harm someone for their own gain".to_owned(),
        "power-over-people" => "seek power over people".to_owned(),
        "flatters" => "flatter someone".to_owned(),
        other => format!("act with this motive: {}", other.replace('-', " ")),
    }
}

/// How well the model's own answer, asked in words, tells the texts of a set apart; nothing where it always says the same.
pub(super) fn own_answer(model: &mut ModelHandle, set: &ContrastSet) -> anyhow::Result<Option<Auroc>> {
    let examples = set.examples();
    let ask = |example: &Example| Question {
        prompt: format!(
            "Text: {}\nQuestion: In this text, does someone {}, or plan to? Answer yes or no.\nAnswer:",
            example.text,
            does(set.motive())
        ),
        continuations: vec![" yes".into(), " no".into(), " Yes".into(), " No".into()],
    };
    let bar = counting("asking the model");
    bar.set_length(examples.len() as u64);
    let mut odds = Vec::with_capacity(examples.len());
    for some in examples.chunks(8) {
        let read = model.read(&some.iter().map(ask).collect::<Vec<_>>())?;
        odds.extend(read.iter().map(|r| ln_sum(r.ln_p[0], r.ln_p[2]) - ln_sum(r.ln_p[1], r.ln_p[3])));
        bar.set_position(odds.len() as u64);
    }
    bar.finish_and_clear();
    let labels: Vec<bool> = examples.iter().map(|example| example.label).collect();
    let topics: Vec<&str> = examples.iter().map(|example| example.topic.as_str()).collect();
    Ok(auroc(&odds, &labels, &topics))
}

/// ln(e^a + e^b).
fn ln_sum(a: f64, b: f64) -> f64 {
    let high = a.max(b);
    high + ((a - high).exp() + (b - high).exp()).ln()
}

/// Asks the model itself about the texts of a set: what a probe must be better than to be worth anything.
pub(super) fn ask(global: &Global, contrasts: &ContrastSet, model: &ModelArgs, json: bool) -> anyhow::Result<()> {
    let (mut model, _, _) = model_and_schema(global, model)?;
    let found = own_answer(&mut model, contrasts)?.context("the model gave every text the same answer")?;
    if json {
        return say_json(&OwnAnswerJson { motive: contrasts.motive().to_owned(), own_answer: found });
    }
    say(format!("{}: AUROC of the model's own answer {}", contrasts.motive(), area(&found)))
}
