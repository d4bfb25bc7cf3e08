//! Whose a record is: who said it, or whom it is about alone.

use super::{Record, Subject};
use crate::ids::{PersonId, Seq, SessionId, TaskId};

/// By what a record is somebody's. This is the only list of it: whoever means something else for a kind says so beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Of the one person that it names.
    Person(&'a PersonId),
    /// Of whoever the session is with.
    Session(&'a SessionId),
    /// Of whoever gave the task.
    Task(&'a TaskId),
    /// Of whoever gave this evidence.
    Evidence(Seq),
    /// Of all of these people, and of none of them alone.
    Several(Vec<&'a PersonId>),
    /// Of nobody: descriptions of acts, adapters, documents, and what the log says of itself.
    Nobody,
}

impl Record {
    /// Whose it is, by what it says itself.
    pub fn whose(&self) -> Whose<'_> {
        match self {
            Record::ChoiceMade(r) => Whose::Person(&r.from.person),
            Record::RankingGiven(r) => Whose::Person(&r.from.person),
            Record::VerdictGiven(r) => Whose::Person(&r.from.person),
            Record::RatingGiven(r) => Whose::Person(&r.from.person),
            Record::CorrectionMade(r) => Whose::Person(&r.from.person),
            Record::DemonstrationGiven(r) => Whose::Person(&r.from.person),
            Record::ImportanceStated(r) => Whose::Person(&r.from.person),
            Record::SessionStarted(r) => Whose::Person(&r.person),
            Record::QuestionAsked(r) => Whose::Person(&r.person),
            Record::QuestionSkipped(r) => Whose::Person(&r.person),
            Record::BeliefRecorded(r) => Whose::Person(&r.person),
            Record::TaskGiven(r) => Whose::Person(&r.person),
            Record::DecisionMade(r) => Whose::Person(&r.person),
            Record::ActionTaken(r) => Whose::Person(&r.person),
            Record::StopRequested(r) => Whose::Person(&r.person),
            Record::WordsRead(r) => Whose::Person(&r.person),
            Record::ReadingAnswered(r) => Whose::Person(&r.person),
            Record::Deliberated(r) => Whose::Person(&r.person),
            Record::ConsequenceChecked(r) => Whose::Person(&r.person),
            Record::ConclusionChecked(r) => Whose::Person(&r.person),
            Record::ApprovalsDeclared(r) => Whose::Person(&r.person),
            Record::ApprovalNoted(r) => Whose::Person(&r.person),
            Record::CallBegun(r) => Whose::Person(&r.person),
            Record::CallEnded(r) => Whose::Person(&r.person),
            Record::OutcomeReported(r) => Whose::Person(&r.person),
            Record::MotiveRead(r) => Whose::Person(&r.person),
            Record::QuarantineSet(r) => match &r.subject {
                Subject::Person(person) => Whose::Person(person),
                Subject::Source(_) | Subject::Statement(_) => Whose::Nobody,
            },
            Record::SessionEnded(r) => Whose::Session(&r.session),
            Record::AlternativesProposed(r) => Whose::Task(&r.task),
            Record::AlternativesStruck(r) => Whose::Task(&r.task),
            Record::Retracted(r) => Whose::Evidence(r.target),
            Record::CollectiveDecisionMade(r) => Whose::Several(r.people.iter().collect()),
            Record::PopulationConsolidated(r) => Whose::Several(r.parts.iter().flat_map(|part| &part.people).collect()),
            // Where people were and are is said of the log.
            Record::PeopleLeft(_)
            | Record::PeopleJoined(_)
            | Record::PopulationWithdrawn(_)
            | Record::LogOpened(_)
            | Record::ConfigurationChanged(_)
            | Record::PriorElicited(_)
            | Record::AttributesDeclared(_)
            | Record::AlternativeDescribed(_)
            | Record::AdapterTrained(_)
            | Record::JudgementsRead(_)
            | Record::GateJudged(_)
            | Record::AdapterPromoted(_)
            | Record::AdapterRolledBack(_)
            | Record::AdapterStale(_)
            | Record::Imported(_)
            | Record::Exported(_)
            | Record::BriefingAdded(_)
            | Record::BriefingDropped(_)
            | Record::DocumentAdded(_)
            | Record::DocumentDropped(_)
            | Record::MessageReceived(_)
            | Record::Erased(_)
            | Record::PersonErased(_) => Whose::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::sample::{Scribe, approvals, at_work, calls, conclusions, every_kind, library, motives, moves, streams};

    /// As [`Record::whose`] should say it, from the fields that are written to the log.
    fn by_its_fields(record: &Record) -> (&'static str, Vec<String>) {
        let said = serde_json::to_value(record).unwrap();
        let said = &said["payload"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts =
            |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().filter_map(text).collect() };
        let named = [&said["person"], &said["from"]["person"], &said["subject"]["person"]];
        if let Some(person) = named.into_iter().find_map(text) {
            return ("person", vec![person]);
        }
        for by in ["session", "task"] {
            if let Some(name) = text(&said[by]) {
                return (by, vec![name]);
            }
        }
        let people: Vec<String> = match said["parts"].as_array() {
            Some(parts) => parts.iter().flat_map(|part| texts(&part["people"])).collect(),
            None => texts(&said["people"]),
        };
        match record {
            Record::Retracted(_) => ("evidence", vec![said["target"].to_string()]),
            Record::PeopleLeft(_) | Record::PeopleJoined(_) => ("nobody", Vec::new()),
            _ if people.is_empty() => ("nobody", people),
            _ => ("several", people),
        }
    }

    #[test]
    fn every_kind_is_of_whom_its_fields_name() {
        let mut logs = vec![every_kind()];
        for add in [at_work, approvals, calls, library, motives, conclusions, streams, moves] {
            let mut scribe = Scribe::begun();
            add(&mut scribe);
            logs.push(scribe);
        }
        let (mut kinds, mut ways) = (BTreeSet::new(), BTreeSet::new());
        for entry in logs.iter().flat_map(Scribe::entries) {
            let record = &entry.record;
            let found = match record.whose() {
                Whose::Person(person) => ("person", vec![person.to_string()]),
                Whose::Session(session) => ("session", vec![session.to_string()]),
                Whose::Task(task) => ("task", vec![task.to_string()]),
                Whose::Evidence(seq) => ("evidence", vec![seq.0.to_string()]),
                Whose::Several(people) => ("several", people.iter().map(ToString::to_string).collect()),
                Whose::Nobody => ("nobody", Vec::new()),
            };
            assert_eq!(found, by_its_fields(record), "{}", record.kind());
            kinds.insert(record.kind());
            ways.insert(found.0);
        }
        assert_eq!(kinds, Record::KINDS.iter().copied().collect());
        assert_eq!(ways.len(), 6, "{ways:?}");
    }
}
