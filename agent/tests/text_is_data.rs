//! No text changes policy: the bank of injections in every place, on features that are the same, leads to the same decision; and words are read
//! into statements and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use credence_agent::decide::{Bars, decide};
use credence_agent::task::{By, Proposed, Step, TaskLimits, TaskRun};
use credence_agent::words::telling::{Telling, ToReading};
use credence_agent::words::{Listener, Reader};
use credence_memory::belief::Settings;
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, Hash, PersonId, SourceId, ValueId};
use credence_memory::number::Finite;
use credence_memory::record::{
    AlternativeDescribed, ChoiceMade, FeatureSource, LogOpened, ModelRecord, Origin, Outcome, Record,
};
use credence_priors::schema::ValueSchema;
use jiff::Timestamp;

/// Injections by place.
fn bank() -> Vec<(String, String)> {
    include_str!("../../priors/data/injections.jsonl")
        .lines()
        .map(|line| {
            let item: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let text = |key: &str| item[key].as_str().expect("text").to_owned();
            (text("place"), text("text"))
        })
        .collect()
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000).expect("a time")
}

fn ada() -> PersonId {
    PersonId::new("ada").expect("a name")
}

fn home(dir: &std::path::Path) -> Home {
    let values = ValueSchema::embedded().values;
    let header = LogOpened {
        format: credence_memory::log::FORMAT,
        log_id: "test".into(),
        software: "test".into(),
        model: ModelRecord {
            reference: "none".into(),
            gguf_hash: Hash::of(b"none"),
            scoring_precision: "exact".into(),
            llama_cpp: "none".into(),
            generation: 0,
        },
        schema_hash: Hash::of(b"schema"),
        charter_hash: Hash::of(b"charter"),
        values: values.iter().map(|v| ValueId::new(&v.id).expect("an id")).collect(),
        text_features: 0,
        belief: Settings::default(),
        pack: None,
    };
    Home::create(dir, now(), header).expect("a home")
}

/// Describes an alternative with features that do not depend on its words.
fn describe(home: &mut Home, situation: &str, text: &str, which: usize) -> AlternativeId {
    let values = ValueSchema::embedded().values.len();
    let alternative = AlternativeId::of(situation, text);
    let number = |i: usize| Finite::new(((i * 7 + which * 5) % 11) as f64 / 5.0 - 1.0).expect("finite");
    let described = AlternativeDescribed {
        alternative,
        situation: situation.into(),
        text: text.into(),
        source: FeatureSource::Read,
        map: None,
        schema: (0..values).map(number).collect(),
        schema_error: Vec::new(),
        text_block: Vec::new(),
        judgement: BTreeMap::new(),
        attributes: BTreeMap::new(),
    };
    home.append(now(), Record::AlternativeDescribed(described)).expect("described");
    alternative
}

/// A task in these words with these alternatives: the step taken and the kinds of records that were written.
fn work(task: &str, first: &str, second: &str) -> (String, Vec<f64>, f64, Vec<&'static str>) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut home = home(dir.path());
    let ids = [describe(&mut home, task, first, 1), describe(&mut home, task, second, 2)];
    let from = Origin { person: ada(), source: SourceId::new("test").expect("a name"), session: None };
    let choice =
        ChoiceMade { from, question: None, alternatives: ids.to_vec(), chosen: Some(0), indifference_offered: true };
    home.append(now(), Record::ChoiceMade(choice)).expect("evidence");
    let before = home.state().head().0;
    let proposed = ids.map(|alternative| Proposed { alternative, by: By::Person, why: "given".into() });
    let mut run = TaskRun::begin(
        &mut home,
        ada(),
        task,
        &proposed,
        TaskLimits { bars: Bars::default(), questions_max: 3 },
        now(),
    )
    .expect("a task");
    assert_eq!(run.bars(), Bars::default());
    let decided = run.decide(&home, &[]).expect("a decision");
    let step = run.step(&mut home, decided, now()).expect("a step");
    let (name, decided) = match step {
        Step::Act(_, d) => ("act", d),
        Step::Ask(_, d) => ("ask", d),
        Step::Defer(_, d) => ("defer", d),
    };
    let kinds = home
        .entries()
        .expect("a log")
        .map(|e| e.expect("an entry"))
        .filter(|e| e.seq > before)
        .map(|e| e.record.kind())
        .collect();
    (name.to_owned(), decided.assessment.expected_utility, decided.assessment.expected_regret, kinds)
}

#[test]
fn the_words_of_no_text_change_the_policy() {
    let (task, first, second) = ("The kettle leaks.", "mend it", "buy a new one");
    let clean = work(task, first, second);
    for (place, text) in bank() {
        let injected = match place.as_str() {
            "alternative" => work(task, &text, second),
            _ => work(&format!("{task} {text}"), first, second),
        };
        assert_eq!(injected, clean, "{text}");
    }
}

#[test]
fn injected_words_are_read_into_statements_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut home = home(dir.path());
    let alternatives = [describe(&mut home, "s", "one", 1), describe(&mut home, "s", "two", 2)];
    let bars = Bars::default();
    let listener =
        Listener::new(&ValueSchema::embedded(), Reader::Plain, Arc::new(|| Err("no model is needed for these".into())));
    let from = Origin { person: ada(), source: SourceId::new("test").expect("a name"), session: None };
    let mut statements = 0;
    for (_, text) in bank() {
        // What is no plain statement is refused, not obeyed.
        let Ok(rows) = listener.read(&text) else { continue };
        let before = home.state().head().0;
        let mut telling = Telling::begin(&mut home, from.clone(), &text, rows, Reader::Plain, now()).expect("recorded");
        while telling.open().is_some() {
            telling.answer(&mut home, ToReading::Unconfirmed, now()).expect("recorded");
            statements += 1;
        }
        for entry in home.entries().expect("a log").map(|e| e.expect("an entry")).filter(|e| e.seq > before) {
            match entry.record {
                Record::WordsRead(_) | Record::BeliefRecorded(_) => {}
                Record::ImportanceStated(r) => {
                    assert!(r.misreading.is_some_and(|p| p.get() > 0.0), "nobody confirmed {text:?}");
                }
                other => panic!("{text:?} led to a {}", other.kind()),
            }
        }
    }
    assert!(statements > 0, "some of them speak of values");
    let decided = decide(home.state(), &ada(), &alternatives, &[], bars, true).expect("a decision");
    assert_eq!(bars, Bars::default());
    assert!(!matches!(decided.outcome, Outcome::Act { .. }) || decided.assessment.expected_regret <= bars.regret_max);
}
