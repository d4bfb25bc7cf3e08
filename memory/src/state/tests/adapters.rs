//! What may follow of adapters, and what may not.

use super::*;
use crate::provenance::Provenance;
use crate::sample::{generation, judged, judgements, promoted, rolled_back, trained};
use crate::state::LINEAGE_MAX;

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
    let good = trained(&scribe.state, 1, 0, &["ada", "bob"]);
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
    let mut earlier = trained(&scribe.state, 2, 1, &[]);
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
    scribe.write(Record::AdapterTrained(trained(&scribe.state, 1, 0, &["ada"]))).unwrap();
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
    scribe.write(Record::AdapterTrained(trained(&scribe.state, 2, 1, &["bob"]))).unwrap();
    scribe.write(rolled_back(1)).unwrap();
    check_refused(scribe, promote(1, None), "was not accepted by the gate");
    check_refused(scribe, promote(2, Some("try")), "its parent 1 is not promoted");
    scribe.write(promote(1, Some("by mistake taken back"))).unwrap();
    scribe.write(promote(2, Some("try"))).unwrap();
    for n in 3..=LINEAGE_MAX as u32 {
        scribe.write(Record::AdapterTrained(trained(&scribe.state, n, n - 1, &[]))).unwrap();
        scribe.write(promote(n, Some("try"))).unwrap();
    }
    let high = LINEAGE_MAX as u32 + 1;
    scribe.write(Record::AdapterTrained(trained(&scribe.state, high, high - 1, &[]))).unwrap();
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
    scribe.write(Record::AdapterTrained(trained(&scribe.state, 1, 0, &["ada"]))).unwrap();
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
