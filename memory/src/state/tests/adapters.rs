//! What may follow of adapters, and what may not.

use super::*;
use crate::ids::AdapterGeneration;
use crate::provenance::Provenance;
use crate::state::LINEAGE_MAX;

pub(crate) fn generation(n: u32) -> AdapterGeneration {
    AdapterGeneration(n)
}

/// A candidate on top of a parent, trained on these people's evidence through now.
pub(crate) fn trained(scribe: &Scribe, number: u32, parent: u32, people: &[&str]) -> AdapterTrained {
    trained_on(&scribe.state, number, parent, people)
}

/// The same, after a state.
pub(crate) fn trained_on(state: &State, number: u32, parent: u32, people: &[&str]) -> AdapterTrained {
    let cutoff = state.head().0;
    let mut absorbed = Provenance::new();
    for person in people {
        absorbed.unite(&state.ledger().evidence(&id(person), cutoff));
    }
    AdapterTrained {
        generation: generation(number),
        parent: generation(parent),
        base_hash: Hash::of(b"model"),
        adapter_hash: Hash::of(&number.to_le_bytes()),
        adapter_path: format!("adapters/{number}.gguf"),
        origin: AdapterOrigin::Trained {},
        absorbed,
        cutoff,
        data_hash: Hash::of(b"data"),
        settings: serde_json::json!({"rank": 8}),
        seed: 7,
        metrics: BTreeMap::from([("held-out loss".to_owned(), Finite::new(0.5).unwrap())]),
    }
}

pub(crate) fn judged(number: u32, verdict: GateVerdict) -> GateJudged {
    let number_of = |x| Some(Finite::new(x).unwrap());
    GateJudged {
        generation: generation(number),
        against: generation(0),
        verdict,
        decided_by: "held-out log score".into(),
        tests: vec![GateTest {
            name: "held-out log score".into(),
            unit: "nats an answer".into(),
            estimate: number_of(0.02),
            lower: number_of(0.01),
            upper: number_of(0.03),
            margin: Finite::ZERO,
            units: 40,
            passed: verdict == GateVerdict::Accepted,
        }],
        error_spent: Probability::new(0.025).unwrap(),
        missing: None,
    }
}

pub(crate) fn promoted(number: u32, forced: Option<&str>) -> AdapterPromoted {
    AdapterPromoted {
        generation: generation(number),
        forced: forced.map(str::to_owned),
        prior: GenerationPrior {
            reading: serde_json::json!({"centre": 0.25}),
            bank_size: 10,
            mean: numbers(&[0.25, 0.5, -0.25, 1.5]),
            covariance: numbers(&[0.5, 0.1, 0.5, 0.0, 0.0, 0.5, 0.0, 0.1, 0.0, 0.5]),
            r_squared: Finite::new(0.4).unwrap(),
        },
        variance_scale: Finite::new(1.5).unwrap(),
    }
}

pub(crate) fn rolled_back(number: u32) -> Record {
    Record::AdapterRolledBack(AdapterRolledBack { generation: generation(number), reason: "worse".into() })
}

pub(crate) fn judgements(number: u32, of: impl IntoIterator<Item = usize>) -> Record {
    let value = |n: usize| Finite::new(libm::sin(f64::from(number) + 5.0 * n as f64)).unwrap();
    let judgements = of.into_iter().map(|n| (alternative(n), value(n))).collect();
    Record::JudgementsRead(JudgementsRead { generation: generation(number), judgements })
}

fn stale(number: u32, withdrawn: u64) -> Record {
    Record::AdapterStale(AdapterStale { generation: generation(number), withdrawn: Seq(withdrawn) })
}

/// Records 8 to 11: ada, bob, ada, bob. Record 8 is withdrawn by 12.
fn begun() -> Scribe {
    let mut scribe = Scribe::begun();
    for (person, n) in [("ada", 0), ("bob", 1), ("ada", 2), ("bob", 3)] {
        scribe.write(choice(person, n, n + 1, Some(0))).unwrap();
    }
    scribe.write(retraction(8)).unwrap();
    scribe
}

#[test]
fn what_may_not_be_trained_is_refused() {
    let mut scribe = begun();
    let scribe = &mut scribe;
    let good = trained(scribe, 1, 0, &["ada", "bob"]);
    let mut check = |change: &dyn Fn(&mut AdapterTrained), expect: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        check_refused(scribe, Record::AdapterTrained(bad), expect);
    };
    let runs = |person: &str, from: u64, to: u64| {
        let text = format!(r#"{{"{person}":[[{from},{to}]]}}"#);
        serde_json::from_str::<Provenance>(&text).unwrap()
    };
    check(&|r| r.generation = generation(0), "the next number is 1");
    check(&|r| r.parent = generation(1), "no adapter of generation 1");
    check(&|r| r.base_hash = Hash::of(b"another"), "is for a model with hash");
    check(&|r| r.cutoff = Seq(99), "does not come before");
    check(&|r| r.cutoff = Seq(9), "the training cutoff is 9");
    check(&|r| r.absorbed = runs("ada", 8, 10), "record 8 cannot have been absorbed");
    check(&|r| r.absorbed = runs("ada", 10, 11), "record 11 is not evidence of ada");
    check(&|r| r.absorbed = runs("eve", 10, 10), "record 10 is not evidence of eve");
    for path in ["", "/etc/x", "../x", "a/../../x", "a\\x"] {
        check(&|r| r.adapter_path = path.into(), "is not a path inside the home");
    }
    scribe.write(Record::AdapterTrained(good.clone())).unwrap();
    check_refused(scribe, Record::AdapterTrained(good.clone()), "the next number is 2");
    let mut earlier = trained(scribe, 2, 1, &[]);
    earlier.cutoff = Seq(11);
    check_refused(scribe, Record::AdapterTrained(earlier), "lies before the parent generation's, 12");
}

#[test]
fn what_may_not_be_promoted_is_refused() {
    let mut scribe = begun();
    let scribe = &mut scribe;
    let promote = |n, forced| Record::AdapterPromoted(promoted(n, forced));
    check_refused(scribe, promote(1, None), "no adapter of generation 1");
    check_refused(scribe, judgements(1, 0..2), "no adapter of generation 1");
    scribe.write(Record::AdapterTrained(trained(scribe, 1, 0, &["ada"]))).unwrap();
    check_refused(scribe, judgements(1, [9]), "there is no description of alternative");
    check_refused(scribe, promote(1, None), "was not accepted by the gate");
    check_refused(scribe, promote(1, Some(" ")), "a reason must be stated");
    check_refused(scribe, rolled_back(1), "is not promoted");
    let mut inconsistent = judged(1, GateVerdict::Accepted);
    inconsistent.tests[0].passed = false;
    check_refused(scribe, Record::GateJudged(inconsistent), "did not pass \"held-out log score\"");
    scribe.write(Record::GateJudged(judged(1, GateVerdict::Refused))).unwrap();
    check_refused(scribe, promote(1, None), "was not accepted by the gate");
    scribe.write(Record::GateJudged(judged(1, GateVerdict::Accepted))).unwrap();
    let mut short = promoted(1, None);
    short.prior.mean.pop();
    check_refused(scribe, Record::AdapterPromoted(short), "numbers in the prior's mean: 3 given, 4 expected");
    let mut flat = promoted(1, None);
    flat.variance_scale = Finite::ZERO;
    check_refused(scribe, Record::AdapterPromoted(flat), "the scale of the prior's variance is 0");
    scribe.write(judgements(1, 0..3)).unwrap();
    scribe.write(promote(1, None)).unwrap();
    check_refused(scribe, promote(1, None), "is promoted already");
    check_refused(scribe, stale(1, 10), "is not stale because of record 10");

    // On top of what is not promoted, or too high.
    scribe.write(Record::AdapterTrained(trained(scribe, 2, 1, &["bob"]))).unwrap();
    scribe.write(rolled_back(1)).unwrap();
    check_refused(scribe, promote(1, None), "was not accepted by the gate");
    check_refused(scribe, promote(2, Some("try")), "its parent 1 is not promoted");
    scribe.write(promote(1, Some("by mistake taken back"))).unwrap();
    scribe.write(promote(2, Some("try"))).unwrap();
    for n in 3..=LINEAGE_MAX as u32 {
        scribe.write(Record::AdapterTrained(trained(scribe, n, n - 1, &[]))).unwrap();
        scribe.write(promote(n, Some("try"))).unwrap();
    }
    let high = LINEAGE_MAX as u32 + 1;
    scribe.write(Record::AdapterTrained(trained(scribe, high, high - 1, &[]))).unwrap();
    check_refused(scribe, promote(high, Some("try")), "a retraining from the base replaces the stack");

    // A retraction makes everything stale that absorbed the record, also through its parent.
    scribe.write(retraction(10)).unwrap();
    let ledger = scribe.state.ledger();
    assert_eq!((ledger.current(), ledger.untold().len()), (generation(0), LINEAGE_MAX + 1));
    check_refused(scribe, promote(high, Some("try")), "it absorbed record 10, which was retracted");
    scribe.write(stale(1, 10)).unwrap();
    check_refused(scribe, stale(1, 10), "was said to be stale before");
}

#[test]
fn judgements_read_are_part_of_the_description() {
    let mut scribe = begun();
    scribe.write(Record::AdapterTrained(trained(&scribe, 1, 0, &["ada"]))).unwrap();
    scribe.write(judgements(1, 0..3)).unwrap();
    let read = |scribe: &Scribe| scribe.state.description(&alternative(1)).unwrap().judgement.clone();
    let both = read(&scribe);
    assert_eq!(both.keys().copied().collect::<Vec<_>>(), [0, 1]);
    // Said again, or described again without it, it stays; said otherwise it is refused.
    scribe.write(judgements(1, 0..6)).unwrap();
    scribe.write(described(1)).unwrap();
    assert_eq!(read(&scribe), both);
    let Record::JudgementsRead(mut other) = judgements(1, [1]) else { unreachable!() };
    other.judgements.insert(alternative(1), Finite::new(9.0).unwrap());
    check_refused(&mut scribe, Record::JudgementsRead(other), "with other features");
    let Record::AlternativeDescribed(mut unknown) = described(7) else { unreachable!() };
    unknown.judgement.insert(3, Finite::ZERO);
    check_refused(&mut scribe, Record::AlternativeDescribed(unknown), "no adapter of generation 3");
}
