//! Whose a record is, where it says so by way of something that the state knows.

use super::State;
use crate::ids::PersonId;
use crate::record::{Record, Whose};

impl State {
    /// The one person whose record this is, by itself or by the session, task or record that it names; none where it is of nobody alone.
    /// Descriptions of acts, and what is believed of people in general, are of nobody.
    pub fn whose<'a>(&'a self, record: &'a Record) -> Option<&'a PersonId> {
        match record.whose() {
            Whose::Person(person) => Some(person),
            Whose::Session(session) => self.sessions.get(session).map(|session| &session.started.person),
            Whose::Task(task) => self.tasks.get(task).map(|task| &task.given.person),
            Whose::Evidence(seq) => {
                let said = |person: &&PersonId| self.people[*person].evidence().iter().any(|e| e.seq == seq);
                self.people.keys().find(said)
            }
            Whose::Several(_) | Whose::Nobody => None,
        }
    }
}
