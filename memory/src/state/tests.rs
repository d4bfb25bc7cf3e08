pub(crate) mod adapters;
mod generations;

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::belief::LocationName;
use crate::ids::{QuestionId, SourceId, ValueId};
use crate::log::{LogError, Writer};
use crate::number::{Finite, Probability};
use crate::record::*;
use crate::storage::Faulty;

/// A log under construction, kept in memory.
pub(crate) struct Scribe {
    pub(crate) writer: Writer<Faulty>,
    pub(crate) state: State,
}

impl Scribe {
    pub(crate) fn new() -> Self {
        let (writer, _) = Writer::open::<LogError>(Faulty::sound(), |_| Ok(())).unwrap();
        Self { writer, state: State::new() }
    }

    /// With a header of two values and one text feature, and alternatives 0 to 5 described.
    pub(crate) fn begun() -> Self {
        let mut scribe = Self::new();
        scribe.write(crate::log::tests::header()).unwrap();
        for n in 0..6 {
            scribe.write(described(n)).unwrap();
        }
        scribe
    }

    pub(crate) fn write(&mut self, record: Record) -> Result<Applied, StateError> {
        let prepared = self.state.prepare(&record)?;
        let time = Timestamp::from_millisecond(1_700_000_000_000 + self.writer.head().0.0 as i64).unwrap();
        let entry = self.writer.append(time, record).unwrap();
        Ok(self.state.install(&entry, prepared))
    }

    /// As [`Scribe::write`], without forming beliefs.
    pub(crate) fn note(&mut self, record: Record) -> Result<(), StateError> {
        let mut state = self.state.clone();
        let mut batch = self.writer.batch();
        let time = Timestamp::from_millisecond(1_700_000_000_000 + self.writer.head().0.0 as i64).unwrap();
        state.note(&batch.push(time, record).unwrap())?;
        self.writer.commit(batch).unwrap();
        self.state = state;
        Ok(())
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        crate::log::Reader::new(self.writer.storage().bytes()).map(Result::unwrap).collect()
    }

    fn digest(&self, person: &str) -> [u8; 32] {
        self.state.belief(&id(person)).unwrap().digest()
    }
}

pub(crate) fn id(person: &str) -> PersonId {
    PersonId::new(person).unwrap()
}

pub(crate) fn from(person: &str) -> Origin {
    Origin { person: id(person), source: SourceId::new("test").unwrap(), session: None }
}

pub(crate) fn alternative(n: usize) -> AlternativeId {
    AlternativeId::of("at work", &format!("do thing {n}"))
}

pub(crate) fn numbers(values: &[f64]) -> Vec<Finite> {
    Finite::vector(values).unwrap()
}

pub(crate) fn described(n: usize) -> Record {
    let x = n as f64;
    Record::AlternativeDescribed(AlternativeDescribed {
        alternative: alternative(n),
        situation: "at work".into(),
        text: format!("do thing {n}"),
        schema: numbers(&[libm::sin(x), libm::cos(x)]),
        schema_error: numbers(&[0.1, 0.2]),
        text_block: numbers(&[libm::sin(2.0 * x)]),
        judgement: BTreeMap::from([(0, Finite::new(libm::cos(3.0 * x)).unwrap())]),
        attributes: BTreeMap::new(),
    })
}

pub(crate) fn choice(person: &str, first: usize, second: usize, chosen: Option<usize>) -> Record {
    Record::ChoiceMade(ChoiceMade {
        from: from(person),
        question: None,
        alternatives: vec![alternative(first), alternative(second)],
        chosen,
        indifference_offered: true,
    })
}

pub(crate) fn verdict(person: &str, n: usize, verdict: Verdict) -> Record {
    Record::VerdictGiven(VerdictGiven { from: from(person), alternative: alternative(n), verdict })
}

pub(crate) fn importance(person: &str, more: Option<&str>, less: Option<&str>) -> Record {
    let value = |v: &str| ValueId::new(v).unwrap();
    Record::ImportanceStated(ImportanceStated {
        from: from(person),
        more: more.map(value),
        less: less.map(value),
        strength: Strength::Clear,
        words: String::new(),
        misreading: None,
    })
}

pub(crate) fn retraction(target: u64) -> Record {
    Record::Retracted(Retracted { target: Seq(target), reason: "a slip".into() })
}

pub(crate) fn prior() -> Record {
    Record::PriorElicited(PriorElicited {
        feature_space_hash: Hash::of(b"space"),
        feature_space: serde_json::json!({"centre": [0.5]}),
        bank_size: 10,
        mean: numbers(&[0.5, 0.25, 0.0, 1.0]),
        covariance: numbers(&[1.0, 0.1, 1.0, 0.0, 0.0, 1.0, 0.0, 0.2, 0.0, 1.0]),
        reference_variance: numbers(&[0.2, 0.2, 0.1, 0.1]),
        r_squared: Finite::new(0.5).unwrap(),
    })
}

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
    let mut empty = Scribe::new();
    check_refused(&mut empty, choice("ada", 0, 1, Some(0)), "no header");

    let mut scribe = Scribe::begun();
    let scribe = &mut scribe;
    check_refused(scribe, crate::log::tests::header(), "already has a header");
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

    scribe.write(prior()).unwrap();
    let Record::PriorElicited(mut other) = prior() else { unreachable!() };
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
    scribe.write(prior()).unwrap();
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
    late.write(Record::AdapterTrained(adapters::trained(&late, 1, 0, &[]))).unwrap();
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
                live.write(prior()).unwrap();
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
                clean.write(prior()).unwrap();
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
        noted.fold().unwrap();
        for person in ["ada", "bob"] {
            prop_assert_eq!(live.digest(person), clean.digest(person));
            if let Some(found) = noted.person(&id(person)) {
                prop_assert_eq!(found.belief().unwrap().digest(), live.digest(person));
            }
        }
    }
}
