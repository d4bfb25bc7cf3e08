//! What a language model seems to value, without a home and without a person: acts are read, and values regressed on.
//!
//! `cargo run --release -p credence-priors --example values_of_a_model [MODEL.gguf]`; without a file a scripted model that
//! minds stealing is read, which takes no time.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::path::Path;

use credence_priors::checks::embedded_pairs;
use credence_priors::elicited::ElicitedPrior;
use credence_priors::features::FittedBank;
use credence_priors::reading_cache::MemoryReadingCache;
use credence_priors::readout::Alternative;
use credence_priors::schema::ValueSchema;
use credence_priors::scripted::Scripted;
use credence_priors::{LanguageModel, Llama, LlamaOptions};

/// Pairs of acts that are read; each has a situation.
const PAIRS: usize = 60;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut model: Box<dyn LanguageModel> = match std::env::args().nth(1) {
        Some(path) => Box::new(Llama::load(Path::new(&path), &LlamaOptions::default())?),
        None => Box::new(Scripted::hashed(1).with_tilt("steal", "wrong", 2.0)),
    };

    // What the values are, and how acts are asked about.
    let schema = ValueSchema::embedded();
    let acts: Vec<Alternative> = embedded_pairs()?
        .iter()
        .take(PAIRS)
        .flat_map(|pair| [&pair.better, &pair.worse].map(|text| Alternative::new(Some(&pair.situation), text)))
        .collect();

    // Every act is read: how it stands to each value, and whether the model would call it right. Then the judgement is regressed
    // on the values, within situations.
    let mut cache = MemoryReadingCache::default();
    let fit = FittedBank::read_and_fit(model.as_mut(), &schema, &acts, &mut cache, &mut |_, _| {})?;
    let prior = ElicitedPrior::from_bank(&fit);

    let mut values = prior.spreads.clone();
    values.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    println!("{}: {} acts; its values explain {:.2} of its judgement", model.describe().name, acts.len(), prior.r2);
    for value in &values {
        println!("{:<24} {:+.2}, standard deviation {:.2}", value.value, value.mean, value.sd);
    }
    Ok(())
}
