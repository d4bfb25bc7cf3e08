//! Several people: a population learned from them, one of them left out, a decision for both.

use super::*;
use crate::population::Rule;
use crate::record::{
    CollectiveDecisionMade, PopulationConsolidated, PopulationMoments, PopulationPart, QuarantineSet, Subject,
};

/// Over six weights.
fn moments(first: f64) -> PopulationMoments {
    let covariance: Vec<f64> = (0..6).flat_map(|i| (0..=i).map(move |j| if i == j { 0.5 } else { 0.03125 })).collect();
    PopulationMoments {
        mean: numbers(&[first, 0.25, 0.0, 1.0, 0.0, 0.0]),
        covariance: numbers(&covariance),
        further: Vec::new(),
    }
}

/// Ada and bob, before attributes are declared.
pub(super) fn ada_and_bob(scribe: &mut Scribe) {
    let part = |person, first| PopulationPart { people: vec![id(person)], without: moments(first) };
    scribe.expect(Record::PopulationConsolidated(PopulationConsolidated {
        through: scribe.state.head().0,
        parts: vec![part("ada", 0.5), part("bob", 0.75)],
        all: moments(0.625),
        across: None,
        source_cap: Finite::new(0.25).expect("a finite number"),
    }));
    scribe.record_belief("bob");
    let source = SourceId::new("import:crowd").expect("a name");
    for (subject, quarantined) in
        [(Subject::Person(id("bob")), true), (Subject::Person(id("bob")), false), (Subject::Source(source), true)]
    {
        scribe.expect(Record::QuarantineSet(QuarantineSet { subject, quarantined, reason: "looked at".into() }));
    }
    scribe.record_belief("bob");
    let decided = CollectiveDecisionMade {
        people: vec![id("ada"), id("bob")],
        rule: Rule::Nash,
        alternatives: vec![alternative(0), alternative(1)],
        scores: numbers(&[0.75, 0.5]),
        chosen: Some(alternative(0)),
        deferred_because: Vec::new(),
        objectors: Vec::new(),
    };
    let deferred = CollectiveDecisionMade {
        rule: Rule::NoGroupWorse,
        chosen: None,
        deferred_because: vec!["bob would object".into()],
        objectors: vec![id("bob")],
        ..decided.clone()
    };
    for record in [decided, deferred] {
        scribe.expect(Record::CollectiveDecisionMade(record));
    }
}
