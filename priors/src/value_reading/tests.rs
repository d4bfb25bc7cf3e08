use std::collections::BTreeMap;

use super::*;
use crate::acts::{KeyedAct, KeyedPair, Split};
use crate::model::LanguageModel;
use crate::readout::Alternative;
use crate::schema::ValueSchema;
use crate::scripted::Scripted;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Pairs in which a few words decide what is served: "truth" honesty, "lie" against it; "save" thrift, "spend" against it.
fn pairs(count: usize) -> Vec<KeyedPair> {
    let keys =
        |of: &[(&str, f64)]| of.iter().map(|(value, key)| ((*value).to_owned(), *key)).collect::<BTreeMap<_, _>>();
    let sides = [
        (["tell the truth", "tell a lie"], "honesty", "A judge asks"),
        (["save the money", "spend the money"], "thrift", "A sale begins"),
    ];
    let places = ["here", "there", "today", "again", "upstairs", "nearby", "abroad"];
    (0..count)
        .map(|i| {
            let (acts, value, situation) = sides[i % 2];
            let place = places[i / 2 % places.len()];
            let mut both = [(0, 1.5), (1, -1.5)].map(|(act, key)| KeyedAct {
                text: format!("{} {place}", acts[act]),
                keys: keys(&[(value, key)]),
                second: None,
            });
            if i / 2 % 2 == 1 {
                both.reverse();
            }
            KeyedPair { situation: format!("{situation} number {i}."), acts: both, trap: false, nicer: None }
        })
        .collect()
}

fn states(model: &mut Scripted, pairs: &[KeyedPair]) -> Result<Vec<QuestionStates>, crate::ModelError> {
    let alternatives: Vec<[Alternative; 2]> = pairs.iter().map(KeyedPair::alternatives).collect();
    let questions: Vec<&[Alternative]> = alternatives.iter().map(<[Alternative; 2]>::as_slice).collect();
    read_states(model, &questions, &mut |_, _| {})
}

type Fitted = (ValueMap, Vec<KeyedPair>, Vec<QuestionStates>);

fn fitted() -> Result<Fitted, Box<dyn std::error::Error>> {
    let mut model = Scripted::hashed(7);
    let pairs = pairs(240);
    let states = states(&mut model, &pairs)?;
    let map = ValueMap::fit(&model.describe(), &ValueSchema::embedded(), &pairs, &states)?;
    Ok((map, pairs, states))
}

#[test]
fn planted_values_are_read_with_their_stakes_and_others_are_silent() -> Outcome {
    let (map, pairs, states) = fitted()?;
    let schema = ValueSchema::embedded();
    let [honesty, thrift] = ["honesty", "thrift"].map(|id| schema.value_index(id).unwrap_or_default());
    assert!(map.reads(honesty) && map.reads(thrift), "{:?}", map.validity);
    assert_eq!(map.validity.iter().filter(|v| v.is_readable).count(), 2, "nobody keyed the others");
    let (mut right, mut all) = (0, 0);
    for (pair, states) in pairs.iter().zip(&states).filter(|(pair, _)| pair.split() == Split::Testing) {
        let read = map.read(states);
        let key = pair.difference(&map.values);
        for value in [honesty, thrift] {
            let difference = read[0].points[value] - read[1].points[value];
            if key[value] != 0.0 {
                all += 1;
                right += usize::from(key[value] * difference > 1.0);
                assert!(read[0].stakes[value] > 0.5);
            } else {
                assert!(difference.abs() < 0.7, "{difference}");
            }
        }
        let care = schema.value_index("care").unwrap_or_default();
        assert_eq!((read[0].points[care], read[1].points[care]), (0.0, 0.0));
    }
    assert!(all > 20 && right * 10 >= all * 9, "{right} of {all}");
    Ok(())
}

#[test]
fn the_other_way_round_is_minus_and_three_alternatives_agree_with_their_pairs() -> Outcome {
    let (map, _, states) = fitted()?;
    let mut turned = states[3].clone();
    turned.alternatives.reverse();
    let (read, back) = (map.read(&states[3]), map.read(&turned));
    for value in 0..map.values.len() {
        assert!((read[0].points[value] - back[1].points[value]).abs() < 1e-6);
        assert!((read[0].points[value] + read[1].points[value]).abs() < 1e-6);
    }
    let three = QuestionStates {
        situation: states[3].situation.clone(),
        alternatives: [&states[3].alternatives[..], &states[4].alternatives[..1]].concat(),
    };
    let read = map.read(&three);
    for value in 0..map.values.len() {
        let sum: f64 = read.iter().map(|act| act.points[value]).sum();
        assert!(sum.abs() < 1e-6);
        assert!(read.iter().all(|act| act.error[value] >= 0.0));
    }
    let alone = QuestionStates { alternatives: three.alternatives[..1].to_vec(), ..three };
    assert_eq!(map.read(&alone).len(), 1);
    Ok(())
}

#[test]
fn a_map_comes_back_from_its_bytes_and_damage_is_noticed() -> Outcome {
    let (map, _, states) = fitted()?;
    let bytes = map.to_bytes();
    let back = ValueMap::from_bytes(&bytes)?;
    assert_eq!(back, map);
    assert_eq!((back.hash(), back.read(&states[0])), (map.hash(), map.read(&states[0])));
    for at in [0, 25, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(ValueMap::from_bytes(&damaged).is_err(), "{at}");
    }
    assert!(ValueMap::from_bytes(&bytes[..bytes.len() - 40]).is_err());
    Ok(())
}

#[test]
fn fitting_twice_gives_the_same_bits_and_too_few_pairs_are_refused() -> Outcome {
    let (map, pairs, states) = fitted()?;
    let model = Scripted::hashed(7).describe();
    assert_eq!(ValueMap::fit(&model, &ValueSchema::embedded(), &pairs, &states)?.hash(), map.hash());
    let error = ValueMap::fit(&model, &ValueSchema::embedded(), &pairs[..20], &states[..20]).err();
    assert!(matches!(error, Some(FitError::TooFew { .. })));
    Ok(())
}
