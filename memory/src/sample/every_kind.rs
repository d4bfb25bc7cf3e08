//! A log with a record of every kind: what the golden log of a format holds.

use super::*;
use crate::ids::{QuestionId, SessionId, TaskId};
use crate::number::Probability;
use crate::record::{
    ActionTaken, AlternativesProposed, AttributeScale, AttributesDeclared, ConfigurationChanged, CorrectionMade,
    DecisionMade, DemonstrationGiven, Erased, Exported, Imported, Outcome, PersonErased, QuestionAsked, QuestionKind,
    QuestionSkipped, RankingGiven, RatingGiven, Reason, SessionEnded, SessionStarted, StopRequested, TaskGiven,
};

fn number(value: f64) -> Finite {
    Finite::new(value).expect("a finite number")
}

fn probabilities(values: &[f64]) -> Vec<Probability> {
    Probability::vector(values).expect("probabilities")
}

/// [`eventful`], a session, a task from proposal to stop, every form of evidence, the agent at work, several people, adapters,
/// an import, an export, an erasure, other settings, a declared attribute.
pub fn every_kind() -> Scribe {
    let mut scribe = eventful();
    one_session(&mut scribe);
    task(&mut scribe);
    for record in evidence() {
        scribe.expect(record);
    }
    scribe.record_belief("ada");
    at_work(&mut scribe);
    approvals(&mut scribe);
    people::ada_and_bob(&mut scribe);
    adapters::two_generations(&mut scribe);
    let source = SourceId::new("import:test").expect("a name");
    let content_hash = Hash::of(b"elsewhere");
    scribe.expect(Record::Imported(Imported { source, format: "polis".into(), content_hash, records: 0, people: 0 }));
    let path = "/elsewhere/rows.csv".into();
    scribe.expect(Record::Exported(Exported { format: "csv".into(), path, content_hash, rows: 3 }));
    scribe.expect(Record::Erased(Erased {}));
    scribe.expect(Record::PersonErased(PersonErased {
        records: 1,
        evidence: 1,
        alternatives: 0,
        reason: "asked for by the person".into(),
        unreached: vec!["export /elsewhere/rows.csv".into()],
        generations: vec![generation(3)],
    }));
    let belief = Settings { lapse_rates: vec![0.01, 0.1], ..Settings::default() };
    scribe.expect(Record::ConfigurationChanged(ConfigurationChanged { belief, reason: "fewer lapses".into() }));
    let price = AttributeScale {
        name: "price".into(),
        centre: number(100.0),
        scale: number(10.0),
        reference_variance: number(0.5),
    };
    scribe.expect(Record::AttributesDeclared(AttributesDeclared { attributes: vec![price] }));
    scribe.record_belief("ada");
    scribe
}

fn one_session(scribe: &mut Scribe) {
    let session = SessionId::new("sitting-1").expect("a name");
    scribe.expect(Record::SessionStarted(SessionStarted {
        session: session.clone(),
        person: id("ada"),
        seed: 7,
        strategy: "information_gain".into(),
    }));
    let asked = |first: usize, second: usize, reask: bool| QuestionAsked {
        person: id("ada"),
        session: Some(session.clone()),
        question: QuestionId::of(&[alternative(first), alternative(second)]),
        kind: QuestionKind::Choice,
        alternatives: vec![alternative(first), alternative(second)],
        indifference_offered: true,
        strategy: "information_gain".into(),
        gain_nats: number(0.25),
        predicted: probabilities(&[0.25, 0.5, 0.25]),
        reask,
    };
    let skipped = asked(0, 2, false);
    let question = skipped.question;
    scribe.expect(Record::QuestionAsked(skipped));
    scribe.expect(Record::QuestionSkipped(QuestionSkipped { person: id("ada"), question }));
    for reask in [false, true] {
        let asked = asked(1, 5, reask);
        let (question, alternatives) = (Some(asked.question), asked.alternatives.clone());
        scribe.expect(Record::QuestionAsked(asked));
        scribe.expect(Record::ChoiceMade(ChoiceMade {
            from: Origin { session: Some(session.clone()), ..from("ada") },
            question,
            alternatives,
            chosen: (!reask).then_some(1),
            indifference_offered: true,
        }));
    }
    scribe.record_belief("ada");
    scribe.expect(Record::SessionEnded(SessionEnded { session, reason: "stopped by the person".into(), answers: 2 }));
}

fn task(scribe: &mut Scribe) {
    let task = TaskId::new("task-1").expect("a name");
    let text = "book a \"table\" \u{202e} for two\n".into();
    scribe.expect(Record::TaskGiven(TaskGiven { task: task.clone(), person: id("ada"), text }));
    let alternatives = vec![alternative(0), alternative(3)];
    scribe.expect(Record::AlternativesProposed(AlternativesProposed {
        task: task.clone(),
        alternatives: alternatives.clone(),
        by: "model".into(),
        why: Vec::new(),
    }));
    let outcomes = [
        Outcome::Ask { question: QuestionId::of(&alternatives) },
        Outcome::Defer { because: "honesty is unclear".into() },
        Outcome::Act { alternative: alternative(0) },
    ];
    for outcome in outcomes {
        let evidence = vec![scribe.state.person(&id("ada")).expect("she is there").evidence()[0].seq];
        scribe.expect(Record::DecisionMade(DecisionMade {
            person: id("ada"),
            task: Some(task.clone()),
            alternatives: alternatives.clone(),
            expected_utility: numbers(&[0.75, -0.5]),
            probability_best: probabilities(&[0.75, 0.25]),
            expected_regret: number(0.125),
            outcome,
            reasons: vec![Reason { feature: "care".into(), contribution: number(0.5), evidence }],
            deliberations: Vec::new(),
            expected_utility_alone: Vec::new(),
            moved_by_wording: None,
            motives: Vec::new(),
        }));
    }
    let (person, words) = (id("ada"), "stop".into());
    scribe.expect(Record::ActionTaken(ActionTaken {
        person: person.clone(),
        task: Some(task.clone()),
        alternative: alternative(0),
    }));
    scribe.expect(Record::StopRequested(StopRequested { person, words, task: Some(task) }));
}

fn evidence() -> Vec<Record> {
    let alternatives = vec![alternative(0), alternative(1), alternative(2)];
    vec![
        Record::RankingGiven(RankingGiven { from: from("bob"), alternatives, order: vec![2, 0], worst: None }),
        verdict("bob", 4, Verdict::Pass),
        Record::RatingGiven(RatingGiven { from: from("bob"), alternative: alternative(3), level: 4, levels: 5 }),
        Record::CorrectionMade(CorrectionMade {
            from: from("ada"),
            preferred: alternative(3),
            rejected: alternative(0),
        }),
        Record::DemonstrationGiven(DemonstrationGiven {
            from: from("bob"),
            chosen: alternative(5),
            over: vec![alternative(1)],
        }),
        importance("ada", Some("care"), Some("honesty")),
        Record::ImportanceStated(ImportanceStated {
            from: from("bob"),
            more: None,
            less: Some(ValueId::new("care").expect("a name")),
            strength: Strength::Slight,
            words: "care matters little to me".into(),
            misreading: Some(Probability::new(0.125).expect("a probability")),
            conditions: Vec::new(),
            at_least: false,
        }),
    ]
}
