//! A log, what follows from it, and the same again: two acts are described, somebody chooses, the log is replayed.
//!
//! `cargo run --release -p credence-memory --example log_fold_replay`

#![allow(clippy::print_stdout, reason = "it prints what is believed")]

use std::fs::File;

use credence_memory::belief::Settings;
use credence_memory::ids::{AlternativeId, Hash, PersonId, SourceId, ValueId};
use credence_memory::log::FORMAT;
use credence_memory::number::{Finite, NumberError};
use credence_memory::record::{
    AlternativeDescribed, ChoiceMade, FeatureSource, LogOpened, ModelRecord, Origin, Record,
};
use credence_memory::replay::{Options, replay};
use credence_memory::{Home, HomeError};
use jiff::Timestamp;

const VALUES: [&str; 2] = ["care", "honesty"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    // Time is an argument everywhere: a clock is read by whoever calls.
    let time = Timestamp::UNIX_EPOCH;

    // A log begins with what its features mean. Nothing here was read by a model.
    let header = LogOpened {
        format: FORMAT,
        log_id: "example".into(),
        software: "log_fold_replay".into(),
        model: ModelRecord {
            reference: "none".into(),
            gguf_hash: Hash::ZERO,
            scoring_precision: "none".into(),
            llama_cpp: "none".into(),
            generation: 0,
        },
        schema_hash: Hash::of(VALUES.concat().as_bytes()),
        charter_hash: Hash::ZERO,
        values: VALUES.iter().map(|value| ValueId::new(value)).collect::<Result<_, _>>()?,
        text_features: 0,
        belief: Settings::default(),
        pack: None,
    };
    let mut home = Home::create(directory.path(), time, header)?;

    // Two things that can be done, with how far each serves the values.
    let praise = act("praise the poem and leave it at that", [1.0, -1.0])?;
    let frank = act("say kindly where the poem is weak", [0.2, 1.0])?;
    let pair = vec![praise.alternative, frank.alternative];
    home.append(time, Record::AlternativeDescribed(praise))?;
    home.append(time, Record::AlternativeDescribed(frank))?;

    // Ada would rather be frank.
    let ada = PersonId::new("ada")?;
    let from = Origin { person: ada.clone(), source: SourceId::new("example")?, session: None };
    let choice = ChoiceMade { from, question: None, alternatives: pair, chosen: Some(1), indifference_offered: false };
    say(&mut home, &ada, "before")?;
    home.append(time, Record::ChoiceMade(choice))?;
    say(&mut home, &ada, "after")?;

    // The same log gives the same belief, bit for bit.
    let again = replay(File::open(home.paths().log())?, &Options::default())?;
    let same = again
        .people
        .iter()
        .all(|replayed| home.believe(&replayed.person).is_ok_and(|b| b.digest() == replayed.belief.digest()));
    println!("{} records replayed; {}", again.records, if same { "the same belief" } else { "another belief" });
    Ok(())
}

fn act(text: &str, keys: [f64; VALUES.len()]) -> Result<AlternativeDescribed, NumberError> {
    Ok(AlternativeDescribed {
        alternative: AlternativeId::of("", text),
        situation: String::new(),
        text: text.into(),
        source: FeatureSource::Keyed,
        map: None,
        schema: Finite::vector(&keys)?,
        schema_error: Finite::vector(&[0.0; VALUES.len()])?,
        text_block: Vec::new(),
        judgement: Default::default(),
        attributes: Default::default(),
    })
}

fn say(home: &mut Home, person: &PersonId, when: &str) -> Result<(), HomeError> {
    let belief = home.believe(person)?;
    for (i, value) in VALUES.iter().enumerate() {
        let axis: Vec<f64> = (0..belief.dimension()).map(|k| f64::from(u8::from(k == i))).collect();
        let weight = belief.functional(&axis);
        let (low, high) = weight.interval(0.9);
        println!("{when:<7} {value:<8} {:+.2}  90% [{low:+.2}, {high:+.2}]", weight.mean());
    }
    Ok(())
}
