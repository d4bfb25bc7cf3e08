//! The built-in bank as an instrument: large enough, and in no way that shows on the surface on one value's side.

use std::collections::{BTreeMap, BTreeSet};

use credence_agent::bank::{Bank, BankQuestion};
use credence_agent::keyed::weight_variance;
use credence_memory::belief::normal::cdf;
use credence_memory::belief::simulate::normals;
use credence_priors::schema::ValueSchema;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Which alternative of a question sounds nicer, by one rater who read the words alone.
const NICENESS: &str = include_str!("../../priors/data/niceness.jsonl");
/// Words that negate an act.
const NEGATIONS: [&str; 7] = ["not", "no", "never", "nothing", "nobody", "without", "refuse"];
/// A difference of two counts may be this many standard errors from nothing.
const Z_MAX: f64 = 2.5;

fn values() -> Vec<String> {
    ValueSchema::embedded().values.iter().map(|v| v.id.clone()).collect()
}

fn key(question: &BankQuestion, alternative: usize, value: &str) -> f64 {
    let keys = question.alternatives[alternative].keys.as_ref().expect("the bank is keyed");
    keys.get(value).copied().unwrap_or(0.0)
}

/// The first alternative's key less the second's.
fn difference(question: &BankQuestion, value: &str) -> f64 {
    key(question, 0, value) - key(question, 1, value)
}

#[test]
fn it_is_large_varied_and_trades_most_pairs_of_values_off() {
    let (bank, values) = (Bank::built_in(), values());
    assert!(bank.questions.len() >= 300, "{} questions", bank.questions.len());
    let domains: BTreeSet<&str> = bank.questions.iter().map(|q| q.tags[0].as_str()).collect();
    assert!(domains.len() >= 10, "{domains:?}");
    let situations: BTreeSet<&str> = bank.questions.iter().map(|q| q.situation.as_str()).collect();
    assert_eq!(situations.len(), bank.questions.len(), "no two about the same event");
    for value in &values {
        let at_stake = bank.questions.iter().filter(|q| (0..2).any(|k| key(q, k, value) != 0.0)).count();
        assert!(at_stake >= 35, "{value} is at stake in {at_stake}");
        let portraits = bank.portraits.iter().filter(|p| p.keys.get(value).is_some_and(|key| *key >= 1.5)).count();
        assert!(portraits >= 3, "{portraits} portraits of {value}");
    }
    let mut traded = BTreeSet::new();
    for question in &bank.questions {
        let d: Vec<f64> = values.iter().map(|v| difference(question, v)).collect();
        for i in 0..d.len() {
            for j in i + 1..d.len() {
                if d[i] * d[j] < 0.0 && d[i].abs().min(d[j].abs()) >= 1.0 {
                    traded.insert((i, j));
                }
            }
        }
    }
    assert!(traded.len() >= 120, "{} pairs of values are traded off", traded.len());
}

#[test]
fn length_place_negation_and_niceness_go_with_no_value() {
    let nicer: BTreeMap<String, Option<usize>> = NICENESS
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a row");
            let id = row["id"].as_str().expect("an id").to_owned();
            (id, row["nicer"].as_u64().map(|place| place as usize))
        })
        .collect();
    let bank = Bank::built_in();
    let negated = |text: &str| text.split(|c: char| !c.is_alphabetic()).any(|word| NEGATIONS.contains(&word));
    for value in values() {
        // For each property: how often the serving act has it and the other has not, and the reverse.
        let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for question in &bank.questions {
            let d = difference(question, &value);
            if d == 0.0 {
                continue;
            }
            let serving = usize::from(d < 0.0);
            let text = |k: usize| question.alternatives[k].text.as_str();
            let mut count = |what: &'static str, place: Option<usize>| {
                let entry = counts.entry(what).or_default();
                match place {
                    Some(place) if place == serving => entry.0 += 1.0,
                    Some(_) => entry.1 += 1.0,
                    None => {}
                }
            };
            let longer = text(0).chars().count().cmp(&text(1).chars().count());
            count("longer", if longer.is_eq() { None } else { Some(usize::from(longer.is_lt())) });
            count("first", Some(0));
            let negations = (negated(text(0)), negated(text(1)));
            count("negated", if negations.0 == negations.1 { None } else { Some(usize::from(negations.1)) });
            count("nicer", nicer[&question.id]);
        }
        for (what, (serving, other)) in counts {
            let z = (serving - other) / f64::max(serving + other, 1.0).sqrt();
            assert!(z.abs() < Z_MAX, "{value}: the serving act is {what} {serving} times, the other {other} times");
        }
    }
}

/// People with independent normal weights of signal 2.5 who perceive the keys as they are: seed 1, 4,000 people.
#[test]
fn each_side_of_every_question_is_chosen_by_some() {
    const PEOPLE: usize = 4000;
    let (bank, values) = (Bank::built_in(), values());
    let scale = 2.5 * weight_variance(&bank).sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let people: Vec<Vec<f64>> = (0..PEOPLE).map(|_| normals(values.len(), &mut rng)).collect();
    for question in &bank.questions {
        let d: Vec<f64> = values.iter().map(|v| difference(question, v)).collect();
        let first: f64 =
            people.iter().map(|w| cdf(scale * w.iter().zip(&d).map(|(w, d)| w * d).sum::<f64>())).sum::<f64>();
        let share = first / PEOPLE as f64;
        assert!((0.15..=0.85).contains(&share), "{}: the first is chosen by {share:.2}", question.id);
    }
}
