//! The agent at work.

use super::*;
use crate::ids::{BriefingId, TaskId};
use crate::number::Probability;
use crate::record::{
    AlternativesProposed, AlternativesStruck, BriefingAdded, BriefingDropped, Condition, Consequence,
    ConsequenceChecked, ConsequenceKind, DecisionMade, Deliberated, Outcome, Passage, PassageUsed, ReadRow,
    ReadingAnswered, ReadingVerdict, Scope, TaskGiven, WordsRead,
};

/// Everything there is of the agent at work: a briefing, a task, a deliberation and its check, words read and answered.
pub fn at_work(scribe: &mut Scribe) {
    let before = scribe.state.head().0.0;
    let (deliberation, reading) = (Seq(before + 5), Seq(before + 7));
    let number = |x| Finite::new(x).expect("a finite number");
    let half = Probability::new(0.5).expect("a probability");
    let task = TaskId::new("task-8").expect("a name");
    let name = BriefingId::new("audit").expect("a name");
    let value = |v: &str| Some(ValueId::new(v).expect("a name"));
    let row =
        |conditions| ReadRow { more: value("honesty"), less: value("care"), strength: Strength::Strong, conditions };
    let condition = Condition { scope: Scope::Except, text: "about my health".into() };
    let answered =
        |row, answer| Record::ReadingAnswered(ReadingAnswered { person: id("ada"), read: reading, row, answer });
    let passage = |heading: &str, text: &str| Passage { heading: heading.into(), text: text.into() };
    let consequence = |kind, text: &str| Consequence { kind, text: text.into() };
    for record in [
        Record::BriefingAdded(BriefingAdded {
            briefing: name.clone(),
            source: "audit.md".into(),
            content_hash: Hash::of(b"audit"),
            passages: vec![
                passage("", "An audit is an examination."),
                passage("Hiding", "Hiding is causing not to learn."),
            ],
        }),
        Record::TaskGiven(TaskGiven { task: task.clone(), person: id("ada"), text: "at work".into() }),
        Record::AlternativesProposed(AlternativesProposed {
            task: task.clone(),
            alternatives: vec![alternative(0), alternative(1), alternative(2)],
            by: "model".into(),
            why: vec!["written".into(), "merged".into(), "always weighed".into()],
        }),
        Record::AlternativesStruck(AlternativesStruck {
            task: task.clone(),
            alternatives: vec![alternative(2)],
            by: "person".into(),
        }),
        Record::Deliberated(Deliberated {
            person: id("ada"),
            task: Some(task.clone()),
            alternative: alternative(0),
            with_consequences: alternative(3),
            consequences: vec![
                consequence(ConsequenceKind::Affected, "the owners"),
                consequence(ConsequenceKind::Harm, "they lose money"),
                consequence(ConsequenceKind::Duty, "accounts must be true"),
            ],
            passages: vec![PassageUsed { briefing: name.clone(), passage: 1 }],
            library: Vec::new(),
            tokens: 31,
            cut_short: false,
        }),
        Record::ConsequenceChecked(ConsequenceChecked {
            person: id("ada"),
            deliberated: deliberation,
            consequence: 1,
            right: true,
        }),
        Record::WordsRead(WordsRead {
            person: id("ada"),
            session: None,
            words: "the truth, except about my health".into(),
            rows: vec![row(vec![condition.clone()]), row(vec![]), row(vec![])],
            reader: "grammar".into(),
        }),
        answered(0, ReadingVerdict::Confirmed),
        answered(1, ReadingVerdict::Corrected { to: row(vec![condition.clone()]) }),
        answered(2, ReadingVerdict::Dropped),
        Record::ImportanceStated(ImportanceStated {
            from: from("ada"),
            more: value("honesty"),
            less: None,
            strength: Strength::Slight,
            words: "the truth".into(),
            misreading: Some(half),
            conditions: vec![condition, Condition { scope: Scope::When, text: "at work".into() }],
            at_least: false,
        }),
        Record::DecisionMade(DecisionMade {
            person: id("ada"),
            task: Some(task),
            alternatives: vec![alternative(0), alternative(1)],
            expected_utility: vec![number(0.5), number(-0.25)],
            probability_best: vec![half, half],
            expected_regret: number(0.25),
            outcome: Outcome::Defer { because: "it hangs on the wording".into() },
            reasons: vec![],
            deliberations: vec![deliberation],
            expected_utility_alone: vec![number(0.25), number(-0.25)],
            moved_by_wording: Some(number(0.75)),
            motives: Vec::new(),
        }),
        Record::BriefingDropped(BriefingDropped { briefing: name, reason: "old".into() }),
    ] {
        scribe.expect(record);
    }
}
