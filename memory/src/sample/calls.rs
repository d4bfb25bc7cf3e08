//! Carrying out: an act that was decided, approved and done, one that was stopped, one that nobody saw end, and reports.

use credence_approvals::{ApprovalRecord, By, PersonVerdict, Scope};
use jiff::civil::{DateTime, date};

use super::approvals::{approval_settings, mail};
use super::*;
use crate::ids::TaskId;
use crate::number::Probability;
use crate::record::{
    ActOutcome, ApprovalNoted, ApprovalsDeclared, CallBegun, CallEnded, DecisionMade, Ending, Outcome, OutcomeReported,
    StopRequested, StoppedBy, TaskGiven,
};

/// Everything there is of carrying out.
pub fn calls(scribe: &mut Scribe) {
    let at: DateTime = date(2026, 7, 2).at(9, 0, 0, 0);
    let task = TaskId::new("task-9").expect("a name");
    let settings = approval_settings();
    scribe.expect(Record::ApprovalsDeclared(ApprovalsDeclared { person: id("ada"), settings }));
    let given = TaskGiven { task: task.clone(), person: id("ada"), text: "settle lunch".into() };
    scribe.expect(Record::TaskGiven(given));
    let number = |x| Finite::new(x).expect("a finite number");
    let half = Probability::new(0.5).expect("a probability");
    let decision = scribe.expect(Record::DecisionMade(DecisionMade {
        person: id("ada"),
        task: Some(task.clone()),
        alternatives: vec![alternative(0), alternative(1)],
        expected_utility: vec![number(0.5), number(0.25)],
        probability_best: vec![half, half],
        expected_regret: number(0.0625),
        outcome: Outcome::Act { alternative: alternative(0) },
        reasons: Vec::new(),
        deliberations: Vec::new(),
        expected_utility_alone: Vec::new(),
        moved_by_wording: None,
        motives: Vec::new(),
    }));
    let endings = [
        ("bob", Ending::Exited { code: 0 }, ActOutcome::Done),
        ("carol", Ending::Exited { code: 3 }, ActOutcome::Failed),
        ("dan", Ending::TimedOut, ActOutcome::Failed),
        ("eve", Ending::Signalled { signal: 11 }, ActOutcome::Failed),
        ("fay", Ending::NotStarted { because: "no such file".into() }, ActOutcome::NotDone),
        ("gus", Ending::Unseen, ActOutcome::Unknown),
        ("hal", Ending::Stopped { by: StoppedBy::Signal }, ActOutcome::Failed),
        ("ida", Ending::Stopped { by: StoppedBy::Undo }, ActOutcome::Failed),
        ("jon", Ending::Stopped { by: StoppedBy::Stop }, ActOutcome::Failed),
    ];
    let mut first = None;
    for (to, ending, outcome) in endings {
        let (act, passed) = passed(scribe, to, at);
        first = first.or(Some(passed));
        let call = scribe.expect(Record::CallBegun(CallBegun {
            person: id("ada"),
            act,
            task: Some(task.clone()),
            decision: (to == "bob").then_some(decision),
            command: "./send".into(),
            input: Hash::of(to.as_bytes()),
            seconds_max: 300,
        }));
        if ending == (Ending::Stopped { by: StoppedBy::Undo }) {
            noted(scribe, ApprovalRecord::ActUndone { act, at });
        }
        if ending == (Ending::Stopped { by: StoppedBy::Stop }) {
            let (person, words) = (id("ada"), "stop".into());
            scribe.expect(Record::StopRequested(StopRequested { person, words, task: Some(task.clone()) }));
        }
        let said = matches!(ending, Ending::Exited { .. });
        scribe.expect(Record::CallEnded(CallEnded {
            person: id("ada"),
            call,
            ending,
            outcome,
            output: if said { "{\"status\": \"done\", \"result\": \"sent\"}".into() } else { String::new() },
            output_bytes: if said { 36 } else { 0 },
            errors: if said { String::new() } else { "went wrong\n".into() },
            milliseconds: 250,
        }));
    }
    let reports = [
        (first.unwrap_or(decision), ActOutcome::Done, "It arrived."),
        (decision, ActOutcome::Undone, ""),
        (decision, ActOutcome::NotDone, "Nobody was there."),
    ];
    for (of, outcome, observed) in reports {
        let (person, observed, by) = (id("ada"), observed.into(), "agent lunch 1.0".into());
        scribe.expect(Record::OutcomeReported(OutcomeReported { person, of, outcome, observed, by }));
    }
}

fn noted(scribe: &mut Scribe, entry: ApprovalRecord) -> Seq {
    scribe.expect(Record::ApprovalNoted(ApprovalNoted { person: id("ada"), entry }))
}

/// Asked, approved once and passed: the number of the act, and its record.
fn passed(scribe: &mut Scribe, to: &str, at: DateTime) -> (u64, Seq) {
    let request = mail(to);
    let approvals = |scribe: &Scribe| scribe.state.approvals(&id("ada")).cloned().expect("ada declared tools");
    let asked = approvals(scribe).records();
    let audit = approvals(scribe).audit_coin(&request);
    noted(scribe, ApprovalRecord::ApprovalAsked { request: request.clone(), audit, at });
    noted(
        scribe,
        ApprovalRecord::ApprovalAnswered {
            asked,
            shown_hash: request.shown_hash(),
            verdict: PersonVerdict::Approved,
            scope: Scope::Once,
            pattern: None,
            expires: None,
            at,
        },
    );
    let (act, audit) = (approvals(scribe).records(), approvals(scribe).audit_coin(&request));
    (act, noted(scribe, ApprovalRecord::ActAllowed { request, by: By::Person, audit, at }))
}
