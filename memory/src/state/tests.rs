mod adapters;
mod generations;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::belief::LocationName;
use crate::ids::QuestionId;
use crate::number::{Finite, Probability};
use crate::record::*;
use crate::sample::{
    Scribe, alternative, choice, described, from, id, importance, prior, retraction, trained, verdict,
};

fn attribute(name: &str, scale: f64) -> Record {
    let number = |x| Finite::new(x).unwrap();
    let attribute = AttributeScale {
        name: name.into(),
        centre: number(100.0),
        scale: number(scale),
        reference_variance: number(0.5),
    };
    Record::AttributesDeclared(AttributesDeclared { attributes: vec![attribute] })
}

/// Any kind of evidence by ada or bob, from few numbers.
pub(crate) fn any_evidence() -> impl Strategy<Value = Record> {
    (0usize..7, prop::sample::select(vec!["ada", "bob"]), 0usize..6, 1usize..6, 0usize..3).prop_map(
        |(kind, person, first, step, answer)| {
            let second = (first + step) % 6;
            let (a, b) = (alternative(first), alternative(second));
            let third = alternative((0..6).find(|n| *n != first && *n != second).unwrap());
            match kind {
                0 => choice(person, first, second, (answer < 2).then_some(answer)),
                1 => verdict(person, first, [Verdict::Agree, Verdict::Pass, Verdict::Disagree][answer]),
                2 => Record::RatingGiven(RatingGiven {
                    from: from(person),
                    alternative: a,
                    level: 1 + answer as u32,
                    levels: 3,
                }),
                3 => Record::CorrectionMade(CorrectionMade { from: from(person), preferred: a, rejected: b }),
                4 => Record::DemonstrationGiven(DemonstrationGiven {
                    from: from(person),
                    chosen: a,
                    over: if answer == 0 { vec![b] } else { vec![b, third] },
                }),
                5 => importance(person, Some("care"), (answer == 0).then_some("honesty")),
                _ => Record::RankingGiven(RankingGiven {
                    from: from(person),
                    alternatives: vec![a, b, third],
                    order: [vec![2, 0], vec![1], vec![0, 1, 2]][answer].clone(),
                    worst: None,
                }),
            }
        },
    )
}

fn check_refused(scribe: &mut Scribe, record: Record, expect: &str) {
    let head = scribe.state.head();
    let error = scribe.write(record).expect_err(expect);
    assert!(error.to_string().contains(&format!("record {}", head.0.next())), "{error}");
    let source = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(source.contains(expect), "{source:?} should contain {expect:?}");
    assert_eq!(scribe.state.head(), head, "a refused record changes nothing");
}

#[test]
fn what_may_not_follow_is_refused() {
    let mut empty = Scribe::default();
    check_refused(&mut empty, choice("ada", 0, 1, Some(0)), "no header");

    let mut scribe = Scribe::begun();
    let scribe = &mut scribe;
    check_refused(scribe, Record::LogOpened(crate::sample::header("test")), "already has a header");
    check_refused(scribe, choice("ada", 0, 9, Some(0)), "there is no description of alternative");
    check_refused(scribe, choice("ada", 0, 0, Some(0)), "is there twice");
    check_refused(scribe, choice("ada", 0, 1, Some(2)), "the chosen alternative is 2");
    check_refused(scribe, importance("ada", None, None), "needs one value");
    check_refused(scribe, importance("ada", Some("care"), Some("care")), "needs one value");
    check_refused(scribe, importance("ada", Some("thrift"), None), "there is no value \"thrift\"");
    check_refused(scribe, retraction(1), "record 1 is not evidence");
    check_refused(scribe, retraction(99), "does not come before");
    check_refused(scribe, attribute("price", 0.0), "scale is 0");

    scribe.write(choice("ada", 0, 1, Some(0))).unwrap();
    let seq = scribe.state.head().0.0;
    scribe.write(retraction(seq)).unwrap();
    check_refused(scribe, retraction(seq), "was retracted before");
    check_refused(scribe, retraction(seq + 1), "is not evidence");

    scribe.write(attribute("price", 10.0)).unwrap();
    check_refused(scribe, attribute("price", 10.0), "attribute \"price\" is there already");

    scribe.write(Record::PriorElicited(prior())).unwrap();
    let mut other = prior();
    other.feature_space_hash = Hash::of(b"another");
    check_refused(scribe, Record::PriorElicited(other.clone()), "a log has one feature space");
    other.mean.pop();
    check_refused(scribe, Record::PriorElicited(other), "numbers in the prior's mean: 3 given, 4 expected");

    let Record::AlternativeDescribed(mut changed) = described(1) else { unreachable!() };
    changed.schema[0] = Finite::new(9.0).unwrap();
    check_refused(scribe, Record::AlternativeDescribed(changed.clone()), "with other features");
    changed.text.push('!');
    check_refused(scribe, Record::AlternativeDescribed(changed), "its content has the identity");
}

#[test]
fn questions_are_checked() {
    let mut scribe = Scribe::begun();
    let pair = [alternative(0), alternative(1)];
    let asked = |question, predicted: &[f64]| {
        Record::QuestionAsked(QuestionAsked {
            person: id("ada"),
            session: None,
            question,
            kind: QuestionKind::Choice,
            alternatives: pair.to_vec(),
            indifference_offered: true,
            strategy: "information".into(),
            gain_nats: Finite::new(0.3).unwrap(),
            predicted: Probability::vector(predicted).unwrap(),
            reask: false,
        })
    };
    let question = QuestionId::of(&pair);
    check_refused(&mut scribe, asked(QuestionId::of(&pair[..1]), &[0.5, 0.25, 0.25]), "its content has the identity");
    check_refused(&mut scribe, asked(question, &[0.5, 0.5]), "2 given, 3 expected");
    check_refused(&mut scribe, asked(question, &[0.5, 0.5, 0.5]), "the sum of predicted probabilities is 1.5");
    let skipped = Record::QuestionSkipped(QuestionSkipped { person: id("ada"), question });
    check_refused(&mut scribe, skipped.clone(), "there is no question to this person");
    scribe.write(asked(question, &[0.5, 0.25, 0.25])).unwrap();
    scribe.write(skipped).unwrap();
    let ada = scribe.state.person(&id("ada")).unwrap();
    assert_eq!((ada.asked().len(), ada.skipped().len(), ada.evidence().len()), (1, 1, 0));
}

#[test]
fn the_order_shown_changes_nothing() {
    let mut one = Scribe::begun();
    let mut other = Scribe::begun();
    one.write(choice("ada", 0, 1, Some(0))).unwrap();
    other.write(choice("ada", 1, 0, Some(1))).unwrap();
    assert_eq!(one.digest("ada"), other.digest("ada"));
    assert_ne!(one.digest("ada"), one.digest("bob"));
}

#[test]
fn features_are_laid_out_as_documented() {
    let mut scribe = Scribe::begun();
    scribe.write(Record::PriorElicited(prior())).unwrap();
    scribe.write(attribute("price", 10.0)).unwrap();
    let Record::AlternativeDescribed(mut priced) = described(7) else { unreachable!() };
    priced.attributes.insert("price".into(), Finite::new(120.0).unwrap());
    priced.judgement.clear();
    scribe.write(Record::AlternativeDescribed(priced)).unwrap();
    let features = scribe.state.features(&alternative(7)).unwrap();
    let (sin, cos) = (libm::sin(7.0), libm::cos(7.0));
    assert_eq!(features.mean, [sin, cos, libm::sin(14.0), 0.0, 0.0, 0.0, 2.0]);
    assert_eq!(features.error, [0.1, 0.2, 0.0, 1.0, 0.0, 0.0, 0.0]);
    let epoch = scribe.state.epoch().unwrap();
    let names: Vec<String> = epoch.layout.features().iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["care", "honesty", "text:1", "judgement", "constant:verdict", "constant:rating", "attribute:price"]
    );
    assert_eq!(epoch.priors.scaled, [true, true, true, true, false, false, true]);
    let [zero, elicited] = &epoch.priors.locations[..] else { panic!("two locations") };
    assert_eq!((&zero.name, &elicited.name), (&LocationName::Zero, &LocationName::Elicited));
    assert_eq!(elicited.mean, [0.5, 0.25, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(elicited.covariance[..10], [1.0, 0.1, 1.0, 0.0, 0.0, 1.0, 0.0, 0.2, 0.0, 1.0]);
    assert_eq!(elicited.covariance[10..15], [0.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(elicited.covariance[21..], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
    assert_eq!(zero.covariance[..6], [0.2, 0.0, 0.2, 0.0, 0.0, 0.1]);
}

#[test]
fn without_a_bank_a_typical_pair_has_unit_variance() {
    let layout = Scribe::begun().state.epoch().unwrap().layout.clone();
    // A pair of standardised independent alternatives differs by variance 2 in each component.
    let total: f64 = layout.default_reference_variance().iter().map(|v| 2.0 * v).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
}

#[test]
fn a_fuller_description_speaks_for_what_was_said_before() {
    let Record::AlternativeDescribed(full) = described(9) else { unreachable!() };
    let bare = AlternativeDescribed {
        schema: vec![],
        schema_error: vec![],
        text_block: vec![],
        judgement: BTreeMap::new(),
        ..full.clone()
    };
    let say = |scribe: &mut Scribe| {
        scribe.write(verdict("ada", 9, Verdict::Agree)).unwrap();
        scribe.write(choice("ada", 0, 9, Some(1))).unwrap();
    };
    let mut late = Scribe::begun();
    late.write(Record::AlternativeDescribed(bare)).unwrap();
    say(&mut late);
    let before = late.digest("ada");
    let applied = late.write(Record::AlternativeDescribed(full.clone())).unwrap();
    assert!(matches!(applied, Applied::Refolded { people } if people == [id("ada")]));
    assert_ne!(late.digest("ada"), before);
    let mut early = Scribe::begun();
    early.write(Record::AlternativeDescribed(full.clone())).unwrap();
    say(&mut early);
    assert_eq!(late.digest("ada"), early.digest("ada"));
    // Another generation's judgement changes nothing that is believed now.
    late.write(Record::AdapterTrained(trained(&late.state, 1, 0, &[]))).unwrap();
    let mut judged = full;
    judged.judgement.insert(1, Finite::new(0.5).unwrap());
    let applied = late.write(Record::AlternativeDescribed(judged)).unwrap();
    assert!(matches!(applied, Applied::Noted));
    assert_eq!(late.digest("ada"), early.digest("ada"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Live, noted and folded at the end, with the retraction or without what it retracts: the same bits.
    #[test]
    fn belief_is_a_function_of_what_survives(
        records in prop::collection::vec(any_evidence(), 1..14),
        withdrawn in prop::collection::vec(any::<bool>(), 14),
        when in any::<prop::sample::Index>(),
    ) {
        let mut live = Scribe::begun();
        let mut clean = Scribe::begun();
        let first = live.state.head().0.0 + 1;
        let when = when.index(records.len() + 1);
        for (n, record) in records.iter().enumerate() {
            if n == when {
                live.write(Record::PriorElicited(prior())).unwrap();
                live.write(attribute("price", 10.0)).unwrap();
            }
            live.write(record.clone()).unwrap();
        }
        let targets = (0..records.len()).filter(|n| withdrawn[*n]);
        for n in targets {
            let shift = if n >= when { 2 } else { 0 };
            live.write(retraction(first + n as u64 + shift)).unwrap();
        }
        // The same survivors in a log that never had the others, and whose prior was there when it was.
        for (n, record) in records.iter().enumerate() {
            if n == when {
                clean.write(Record::PriorElicited(prior())).unwrap();
                clean.write(attribute("price", 10.0)).unwrap();
            }
            if !withdrawn[n] {
                clean.write(record.clone()).unwrap();
            }
        }
        let mut noted = State::new();
        for entry in live.entries() {
            noted.note(&entry).unwrap();
        }
        for person in ["ada", "bob"] {
            noted.believe(&id(person)).unwrap();
            prop_assert_eq!(live.digest(person), clean.digest(person));
            if let Some(found) = noted.person(&id(person)) {
                prop_assert_eq!(found.belief().unwrap().digest(), live.digest(person));
            }
        }
    }
}
