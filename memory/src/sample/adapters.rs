//! Adapters: trained, judged, promoted, taken back.

use super::*;
use crate::ids::AdapterGeneration;
use crate::number::Probability;
use crate::provenance::Provenance;
use crate::record::{
    AdapterOrigin, AdapterPromoted, AdapterRolledBack, AdapterStale, AdapterTrained, GateJudged, GateTest, GateVerdict,
    GenerationPrior, JudgementsRead,
};

/// A generation of this number.
pub fn generation(n: u32) -> AdapterGeneration {
    AdapterGeneration(n)
}

/// A candidate on top of a parent, trained on these people's evidence through now.
pub fn trained(state: &State, number: u32, parent: u32, people: &[&str]) -> AdapterTrained {
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
        metrics: BTreeMap::from([("held-out loss".to_owned(), Finite::new(0.5).expect("a number"))]),
    }
}

/// What the gate found of a candidate, beside the base model.
pub fn judged(number: u32, verdict: GateVerdict) -> GateJudged {
    let number_of = |x| Some(Finite::new(x).expect("a number"));
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
        error_spent: Probability::new(0.025).expect("a probability"),
        missing: None,
    }
}

/// A promotion with a prior of its own, by the gate or for a reason.
pub fn promoted(number: u32, forced: Option<&str>) -> AdapterPromoted {
    AdapterPromoted {
        generation: generation(number),
        forced: forced.map(str::to_owned),
        prior: GenerationPrior {
            reading: serde_json::json!({"centre": 0.25}),
            bank_size: 10,
            mean: numbers(&[0.25, 0.5, -0.25, 1.5]),
            covariance: numbers(&[0.5, 0.1, 0.5, 0.0, 0.0, 0.5, 0.0, 0.1, 0.0, 0.5]),
            r_squared: Finite::new(0.4).expect("a number"),
        },
        variance_scale: Finite::new(1.5).expect("a number"),
    }
}

/// A promotion taken back.
pub fn rolled_back(number: u32) -> Record {
    Record::AdapterRolledBack(AdapterRolledBack { generation: generation(number), reason: "worse".into() })
}

/// What a generation makes of these alternatives.
pub fn judgements(number: u32, of: impl IntoIterator<Item = usize>) -> Record {
    let value = |n: usize| Finite::new(libm::sin(f64::from(number) + 5.0 * n as f64)).expect("a number");
    let judgements = of.into_iter().map(|n| (alternative(n), value(n))).collect();
    Record::JudgementsRead(JudgementsRead { generation: generation(number), judgements })
}

/// Two generations: one trained here, accepted, promoted, and made stale by a retraction of what it absorbed; one brought
/// in from elsewhere, refused, promoted all the same and taken back.
pub(super) fn two_generations(scribe: &mut Scribe) {
    let absorbed = scribe.expect(choice("ada", 5, 0, Some(1)));
    let first = trained(&scribe.state, 1, 0, &["ada"]);
    for record in [
        Record::AdapterTrained(first),
        judgements(1, 0..6),
        Record::GateJudged(judged(1, GateVerdict::Accepted)),
        Record::AdapterPromoted(promoted(1, None)),
    ] {
        scribe.expect(record);
    }
    scribe.record_belief("ada");
    scribe.record_belief("bob");
    let origin = AdapterOrigin::Imported { format: "gguf".into(), name: "elsewhere.gguf".into() };
    let second = AdapterTrained { origin, ..trained(&scribe.state, 2, 1, &[]) };
    let undecided = GateJudged {
        against: generation(1),
        missing: Some(120),
        tests: vec![GateTest {
            estimate: None,
            lower: None,
            upper: None,
            ..judged(2, GateVerdict::Refused).tests.remove(0)
        }],
        ..judged(2, GateVerdict::NotEnough)
    };
    for record in [
        Record::AdapterTrained(second),
        Record::GateJudged(undecided),
        Record::GateJudged(judged(2, GateVerdict::Refused)),
        Record::AdapterPromoted(promoted(2, Some("to see what happens"))),
        rolled_back(2),
    ] {
        scribe.expect(record);
    }
    scribe.expect(retraction(absorbed.0));
    for number in [1, 2] {
        scribe.expect(Record::AdapterStale(AdapterStale { generation: generation(number), withdrawn: absorbed }));
    }
    scribe.record_belief("bob");
}
