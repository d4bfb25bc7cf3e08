//! Calls and outcomes, as state: which acts were carried out, how it ended, and what was reported.

use std::collections::{BTreeMap, BTreeSet};

use credence_approvals::{ApprovalRecord, Request};

use super::State;
use super::illegal::Illegal;
use super::work::same_person;
use crate::ids::{PersonId, Seq};
use crate::log::Entry;
use crate::record::{ApprovalNoted, CallBegun, CallEnded, Outcome, OutcomeReported, Record};

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// How it began.
    pub begun: CallBegun,
    /// What was approved: the tool and its arguments.
    pub request: Request,
    /// How it ended, with that record; nothing while it runs, or where nobody saw it end yet.
    pub ended: Option<(Seq, CallEnded)>,
}

/// Acts that passed, their calls, and what was reported.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Calls {
    begun: BTreeMap<Seq, Call>,
    /// The record of each act that passed, by owner and number.
    acts: BTreeMap<(PersonId, u64), Seq>,
    /// The call of each act that was carried out.
    of_act: BTreeMap<(PersonId, u64), Seq>,
    reported: BTreeMap<Seq, Vec<(Seq, OutcomeReported)>>,
}

impl Calls {
    /// Forgets what is of people who left.
    pub(super) fn take_leave(&mut self, people: &BTreeSet<PersonId>) {
        self.begun.retain(|_, call| !people.contains(&call.begun.person));
        self.acts.retain(|(owner, _), _| !people.contains(owner));
        self.of_act.retain(|(owner, _), _| !people.contains(owner));
        for reported in self.reported.values_mut() {
            reported.retain(|(_, outcome)| !people.contains(&outcome.person));
        }
    }
}

impl State {
    /// Calls, by the record that began each.
    pub fn calls(&self) -> &BTreeMap<Seq, Call> {
        &self.calls.begun
    }

    /// The call that carried an act out, or tried to.
    pub fn call_of_act(&self, owner: &PersonId, act: u64) -> Option<(Seq, &Call)> {
        let seq = *self.calls.of_act.get(&(owner.clone(), act))?;
        Some((seq, self.calls.begun.get(&seq)?))
    }

    /// The record by which an act passed, undone or not.
    pub fn record_of_act(&self, owner: &PersonId, act: u64) -> Option<Seq> {
        self.calls.acts.get(&(owner.clone(), act)).copied()
    }

    /// What was reported of a decision or an act, by its record, the earliest first.
    pub fn outcomes(&self, of: Seq) -> &[(Seq, OutcomeReported)] {
        self.calls.reported.get(&of).map_or(&[], Vec::as_slice)
    }

    /// Whom the record of a decision or an act is about; nothing for other records.
    pub fn can_be_reported(&self, of: Seq) -> Option<&PersonId> {
        let act = self.calls.acts.iter().find(|(_, seq)| **seq == of).map(|((owner, _), _)| owner);
        act.or_else(|| self.decisions.iter().find(|(seq, _)| *seq == of).map(|(_, made)| &made.person))
    }

    /// Remembers which record let an act pass.
    pub(super) fn note_act(&mut self, entry: &Entry) {
        if let Record::ApprovalNoted(ApprovalNoted { person, entry: ApprovalRecord::ActAllowed { .. } }) = &entry.record
            && let Some(approvals) = self.approvals.get(person)
        {
            self.calls.acts.insert((person.clone(), approvals.records() - 1), entry.seq);
        }
    }

    pub(super) fn note_call(&mut self, entry: &Entry) {
        match &entry.record {
            Record::CallBegun(r) => {
                let request =
                    self.approvals.get(&r.person).and_then(|a| a.act(r.act)).map(|(request, _)| request.clone());
                if let Some(request) = request {
                    self.calls.of_act.insert((r.person.clone(), r.act), entry.seq);
                    self.calls.begun.insert(entry.seq, Call { begun: r.clone(), request, ended: None });
                }
            }
            Record::CallEnded(r) => {
                if let Some(call) = self.calls.begun.get_mut(&r.call) {
                    call.ended = Some((entry.seq, r.clone()));
                }
            }
            Record::OutcomeReported(r) => {
                self.calls.reported.entry(r.of).or_default().push((entry.seq, r.clone()));
            }
            _ => unreachable!("only records of calls come here"),
        }
    }

    pub(super) fn call_begun(&self, r: &CallBegun) -> Result<(), Illegal> {
        let unknown = |what, name: String| Illegal::Unknown { what, name };
        let approvals = self.approvals(&r.person).ok_or_else(|| Illegal::NoApprovals(r.person.clone()))?;
        let (request, _) = approvals.act(r.act).ok_or_else(|| unknown("act that passed", r.act.to_string()))?;
        if !approvals.settings().tools.iter().any(|tool| tool.name == request.tool) {
            return Err(unknown("declared tool", request.tool.clone()));
        }
        if self.call_of_act(&r.person, r.act).is_some() {
            return Err(Illegal::Duplicate { what: "call of act", name: r.act.to_string() });
        }
        if let Some(id) = &r.task {
            let task = self.tasks.get(id).ok_or_else(|| unknown("task", id.to_string()))?;
            if task.given.person != r.person {
                return Err(Illegal::AnothersTask { task: id.clone(), person: task.given.person.clone() });
            }
            if task.stopped {
                return Err(Illegal::Stopped(id.clone()));
            }
        }
        if let Some(decision) = r.decision {
            let made = self.decisions.iter().find(|(seq, _)| *seq == decision).map(|(_, made)| made);
            let made = made.filter(|made| matches!(made.outcome, Outcome::Act { .. }));
            let made = made.ok_or_else(|| unknown("decision to act", decision.to_string()))?;
            same_person(&made.person, &r.person, decision)?;
        }
        Ok(())
    }

    pub(super) fn call_ended(&self, r: &CallEnded) -> Result<(), Illegal> {
        let unknown = || Illegal::Unknown { what: "call", name: r.call.to_string() };
        let call = self.calls.begun.get(&r.call).ok_or_else(unknown)?;
        same_person(&call.begun.person, &r.person, r.call)?;
        if call.ended.is_some() {
            return Err(Illegal::AnsweredBefore { what: "the end", of: r.call });
        }
        Ok(())
    }

    pub(super) fn outcome_reported(&self, r: &OutcomeReported) -> Result<(), Illegal> {
        let unknown = || Illegal::Unknown { what: "decision or act", name: r.of.to_string() };
        same_person(self.can_be_reported(r.of).ok_or_else(unknown)?, &r.person, r.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Hash, TaskId};
    use crate::record::{ActOutcome, Ending, StopRequested, StoppedBy, TaskGiven};
    use crate::sample::{Scribe, approvals, id};

    fn begun(person: &str, act: u64, task: Option<&str>) -> Record {
        Record::CallBegun(CallBegun {
            person: id(person),
            act,
            task: task.map(|t| TaskId::new(t).unwrap()),
            decision: None,
            command: "./do".into(),
            input: Hash::of(b"{}"),
            seconds_max: 60,
        })
    }

    fn ended(person: &str, call: Seq, outcome: ActOutcome) -> Record {
        Record::CallEnded(CallEnded {
            person: id(person),
            call,
            ending: Ending::Stopped { by: StoppedBy::Undo },
            outcome,
            output: String::new(),
            output_bytes: 0,
            errors: String::new(),
            milliseconds: 1,
        })
    }

    fn reported(person: &str, of: Seq) -> Record {
        let (person, observed, by) = (id(person), "It arrived.".into(), "an agent".into());
        Record::OutcomeReported(OutcomeReported { person, of, outcome: ActOutcome::Done, observed, by })
    }

    fn refusal(scribe: &mut Scribe, record: Record) -> String {
        let error = scribe.write(record).expect_err("it must not fit");
        std::error::Error::source(&error).expect("a cause").to_string()
    }

    /// The sample leaves ada with one act that stands, number 2.
    #[test]
    fn an_act_is_called_once_and_only_where_it_passed() {
        let mut scribe = Scribe::begun();
        approvals(&mut scribe);
        for (record, says) in [
            (begun("bob", 2, None), "has not declared"),
            (begun("ada", 0, None), "no act that passed"),
            (begun("ada", 5, None), "no act that passed"),
            (begun("ada", 2, Some("none")), "no task"),
        ] {
            let said = refusal(&mut scribe, record);
            assert!(said.contains(says), "{says}: {said}");
        }
        let before = scribe.digest("ada");
        let call = scribe.expect(begun("ada", 2, None));
        assert!(refusal(&mut scribe, begun("ada", 2, None)).contains("there already"));
        assert!(refusal(&mut scribe, ended("bob", call, ActOutcome::Done)).contains("not about bob"));
        assert!(refusal(&mut scribe, ended("ada", Seq(1), ActOutcome::Done)).contains("no call"));
        scribe.expect(ended("ada", call, ActOutcome::Failed));
        assert!(refusal(&mut scribe, ended("ada", call, ActOutcome::Done)).contains("before"));
        // Not even after its end.
        assert!(refusal(&mut scribe, begun("ada", 2, None)).contains("there already"));
        assert_eq!(scribe.digest("ada"), before, "what was done is no evidence");
        let (seq, found) = scribe.state.call_of_act(&id("ada"), 2).unwrap();
        assert_eq!((seq, found.request.tool.as_str()), (call, "send_mail"));
    }

    #[test]
    fn nothing_is_called_for_a_task_that_was_stopped() {
        let mut scribe = Scribe::begun();
        approvals(&mut scribe);
        let task = TaskId::new("t").unwrap();
        scribe.expect(Record::TaskGiven(TaskGiven { task: task.clone(), person: id("ada"), text: "lunch".into() }));
        let words = "stop".into();
        scribe.expect(Record::StopRequested(StopRequested { person: id("ada"), words, task: Some(task) }));
        assert!(refusal(&mut scribe, begun("ada", 2, Some("t"))).contains("stopped"));
    }

    #[test]
    fn outcomes_are_reported_of_acts_and_decisions_and_change_nobodys_approvals() {
        let mut scribe = Scribe::begun();
        approvals(&mut scribe);
        let act = scribe.state.record_of_act(&id("ada"), 2).unwrap();
        assert!(refusal(&mut scribe, reported("ada", Seq(1))).contains("no decision or act"));
        assert!(refusal(&mut scribe, reported("bob", act)).contains("not about bob"));
        let before = scribe.state.approvals(&id("ada")).cloned();
        scribe.expect(reported("ada", act));
        scribe.expect(reported("ada", act));
        assert_eq!(scribe.state.outcomes(act).len(), 2);
        assert_eq!(scribe.state.approvals(&id("ada")).cloned(), before);
    }
}
