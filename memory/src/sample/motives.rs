//! What probes read of acts, and a decision that was left to the person because of it.

use super::*;
use crate::ids::{AlternativeId, TaskId};
use crate::number::Probability;
use crate::record::{
    Consequence, ConsequenceKind, DecisionMade, Deliberated, MotiveBar, MotivePart, MotiveRead, MotiveReading, Outcome,
    TaskGiven,
};

fn number(value: f64) -> Finite {
    Finite::new(value).expect("a finite number")
}

fn share(value: f64) -> Probability {
    Probability::new(value).expect("a probability")
}

/// A reading of an act: the log-odds of each motive, under a bar of 4.
pub fn motive_read(person: &str, alternative: AlternativeId, part: MotivePart, read: &[(&str, f64)]) -> MotiveRead {
    let reading = |(motive, log_odds): &(&str, f64)| MotiveReading {
        motive: (*motive).to_owned(),
        probe: Hash::of(motive.as_bytes()).to_string(),
        log_odds: number(*log_odds),
        auroc: share(0.75),
        auroc_interval: [share(0.625), share(0.875)],
        text_only: share(0.5),
        examples: 320,
    };
    MotiveRead {
        person: id(person),
        task: None,
        alternative,
        part,
        deliberated: None,
        bar: MotiveBar {
            log_odds: number(4.0),
            false_alarms_max: share(0.0078125),
            confidence: share(0.9375),
            ordinary: 350,
        },
        readings: read.iter().map(reading).collect(),
    }
}

/// Everything there is of readings of motives.
pub fn motives(scribe: &mut Scribe) {
    let task = TaskId::new("task-5").expect("a name");
    scribe.expect(Record::TaskGiven(TaskGiven { task: task.clone(), person: id("ada"), text: "sell the car".into() }));
    let proposed = |n, log_odds| {
        let read =
            motive_read("ada", alternative(n), MotivePart::Proposed, &[("deceives", log_odds), ("flatters", 0.5)]);
        Record::MotiveRead(MotiveRead { task: Some(task.clone()), ..read })
    };
    scribe.expect(proposed(0, 4.5));
    scribe.expect(proposed(1, -2.0));
    let deliberation = scribe.expect(Record::Deliberated(Deliberated {
        person: id("ada"),
        task: Some(task.clone()),
        alternative: alternative(0),
        with_consequences: alternative(3),
        consequences: vec![Consequence { kind: ConsequenceKind::Harm, text: "the buyer is misled".into() }],
        passages: Vec::new(),
        library: Vec::new(),
        tokens: 7,
        cut_short: false,
    }));
    let foreseen = motive_read("ada", alternative(0), MotivePart::Foreseen, &[("deceives", 4.25)]);
    let foreseen = MotiveRead { task: Some(task.clone()), deliberated: Some(deliberation), ..foreseen };
    scribe.expect(Record::MotiveRead(foreseen));
    let chosen = motive_read("ada", alternative(0), MotivePart::Chosen, &[("deceives", 3.75)]);
    let chosen = scribe.expect(Record::MotiveRead(MotiveRead { task: Some(task.clone()), ..chosen }));
    let proposed = Seq(chosen.0 - 4);
    scribe.expect(Record::DecisionMade(DecisionMade {
        person: id("ada"),
        task: Some(task),
        alternatives: vec![alternative(0), alternative(1)],
        expected_utility: vec![number(0.5), number(-0.25)],
        probability_best: vec![share(0.5), share(0.5)],
        expected_regret: number(0.0),
        outcome: Outcome::Defer { because: "it reads as if it deceives".into() },
        reasons: Vec::new(),
        deliberations: vec![deliberation],
        expected_utility_alone: vec![number(0.25), number(-0.25)],
        moved_by_wording: None,
        motives: vec![proposed, chosen],
    }));
}
