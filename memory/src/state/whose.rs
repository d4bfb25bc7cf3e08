//! Whose a record is: who said it, or whom it is about alone.

use super::State;
use crate::ids::PersonId;
use crate::record::{Record, Subject};

impl State {
    /// The one person whose record this is, by itself or by the session, task or record that it names; none where it is of nobody alone.
    /// Descriptions of acts, and what is believed of people in general, are of nobody.
    pub fn whose<'a>(&'a self, record: &'a Record) -> Option<&'a PersonId> {
        if let Some(from) = record.evidence_origin() {
            return Some(&from.person);
        }
        match record {
            Record::SessionStarted(r) => Some(&r.person),
            Record::SessionEnded(r) => self.sessions.get(&r.session).map(|session| &session.started.person),
            Record::QuestionAsked(r) => Some(&r.person),
            Record::QuestionSkipped(r) => Some(&r.person),
            Record::BeliefRecorded(r) => Some(&r.person),
            Record::Retracted(r) => {
                let said = |person: &&PersonId| self.people[*person].evidence().iter().any(|e| e.seq == r.target);
                self.people.keys().find(said)
            }
            Record::TaskGiven(r) => Some(&r.person),
            Record::AlternativesProposed(r) => self.tasks.get(&r.task).map(|task| &task.given.person),
            Record::AlternativesStruck(r) => self.tasks.get(&r.task).map(|task| &task.given.person),
            Record::DecisionMade(r) => Some(&r.person),
            Record::ActionTaken(r) => Some(&r.person),
            Record::StopRequested(r) => Some(&r.person),
            Record::WordsRead(r) => Some(&r.person),
            Record::ReadingAnswered(r) => Some(&r.person),
            Record::Deliberated(r) => Some(&r.person),
            Record::ConsequenceChecked(r) => Some(&r.person),
            Record::ConclusionChecked(r) => Some(&r.person),
            Record::ApprovalsDeclared(r) => Some(&r.person),
            Record::ApprovalNoted(r) => Some(&r.person),
            Record::CallBegun(r) => Some(&r.person),
            Record::CallEnded(r) => Some(&r.person),
            Record::OutcomeReported(r) => Some(&r.person),
            Record::MotiveRead(r) => Some(&r.person),
            Record::QuarantineSet(r) => match &r.subject {
                Subject::Person(person) => Some(person),
                Subject::Source(_) | Subject::Statement(_) => None,
            },
            _ => None,
        }
    }
}
