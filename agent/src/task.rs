//! A task: propose, ask, then act or leave it to the person; observe the reaction and learn from it.

use std::collections::BTreeSet;

use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, SourceId, TaskId};
use credence_memory::record::{
    ActionTaken, AlternativesProposed, AlternativesStruck, CorrectionMade, Origin, Outcome, Record, StopRequested,
    TaskGiven,
};
use jiff::Timestamp;

use crate::decide::{self, Bars, Considered, Decided};
use crate::knowledge::Knowledge;
use crate::open_question::{OpenQuestion, record_belief};
use crate::session::{Answer, SessionError};

/// A task that is being worked on.
#[derive(Debug)]
pub struct TaskRun {
    person: PersonId,
    source: SourceId,
    id: TaskId,
    alternatives: Vec<AlternativeId>,
    bars: Bars,
    questions_left: usize,
    open: Option<OpenQuestion>,
}

/// Who thought of an alternative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The model.
    Model,
    /// The program: what every task has.
    Program,
    /// The person.
    Person,
}

impl By {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Program => "program",
            Self::Person => "person",
        }
    }
}

/// How far a task may go by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskLimits {
    /// When to act and when to ask.
    pub bars: Bars,
    /// The most questions that it may ask.
    pub questions_max: usize,
}

/// An alternative for a task, described in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// Which.
    pub alternative: AlternativeId,
    /// Who thought of it.
    pub by: By,
    /// Why it is there.
    pub why: String,
}

/// What the agent does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It acts; the action is recorded.
    Act(AlternativeId, Decided),
    /// It asks which of two the person would rather have.
    Ask([AlternativeId; 2], Decided),
    /// It leaves the decision to the person.
    Defer(String, Decided),
}

impl TaskRun {
    /// Takes up a new task; its alternatives are proposed after it, since each is described in its situation.
    ///
    /// # Errors
    /// The home would not take a record.
    pub fn begin(
        home: &mut Home,
        person: PersonId,
        text: &str,
        proposed: &[Proposed],
        limits: TaskLimits,
        now: Timestamp,
    ) -> Result<Self, SessionError> {
        let id = TaskId::new(&format!("task-{}", home.state().next_seq()))?;
        let given = TaskGiven { task: id.clone(), person: person.clone(), text: text.to_owned() };
        home.append(now, Record::TaskGiven(given))?;
        let mut run = Self::with(person, id, Vec::new(), limits)?;
        for by in [By::Model, By::Program, By::Person] {
            let theirs: Vec<Proposed> = proposed.iter().filter(|p| p.by == by).cloned().collect();
            run.add(home, by, &theirs, now)?;
        }
        Ok(run)
    }

    /// Adds alternatives that are described in the log.
    ///
    /// # Errors
    /// The home would not take the record.
    pub fn add(&mut self, home: &mut Home, by: By, proposed: &[Proposed], now: Timestamp) -> Result<(), SessionError> {
        let new: Vec<&Proposed> = proposed.iter().filter(|p| !self.alternatives.contains(&p.alternative)).collect();
        if !new.is_empty() {
            let record = AlternativesProposed {
                task: self.id.clone(),
                alternatives: new.iter().map(|p| p.alternative).collect(),
                by: by.name().into(),
                why: new.iter().map(|p| p.why.clone()).collect(),
            };
            home.append(now, Record::AlternativesProposed(record))?;
            for p in new {
                if !self.alternatives.contains(&p.alternative) {
                    self.alternatives.push(p.alternative);
                }
            }
        }
        Ok(())
    }

    /// Takes an alternative off the task.
    ///
    /// # Errors
    /// The home would not take the record.
    pub fn strike(&mut self, home: &mut Home, alternative: AlternativeId, now: Timestamp) -> Result<(), SessionError> {
        let struck =
            AlternativesStruck { task: self.id.clone(), alternatives: vec![alternative], by: By::Person.name().into() };
        home.append(now, Record::AlternativesStruck(struck))?;
        self.alternatives.retain(|a| *a != alternative);
        Ok(())
    }

    /// Goes on with a task from the log: one of this person's, that is neither done nor stopped.
    ///
    /// # Errors
    /// The log has no such task, or it is somebody else's, or over.
    pub fn resume(home: &Home, person: PersonId, id: TaskId, limits: TaskLimits) -> Result<Self, SessionError> {
        let task = home.state().tasks().get(&id).ok_or_else(|| SessionError::NoSuchTask(id.clone()))?;
        if task.given.person != person {
            return Err(SessionError::AnothersTask { task: id, person: task.given.person.clone() });
        }
        if task.stopped {
            return Err(SessionError::TaskOver { task: id, how: format!("{person} said stop") });
        }
        if let Some(done) = task.actions.last() {
            let text = home.state().description(&done.alternative).map_or_else(String::new, |d| d.text.clone());
            return Err(SessionError::TaskOver { task: id, how: format!("{text:?} was done") });
        }
        let alternatives = task.proposed.iter().map(|(a, _)| *a).collect();
        Self::with(person, id, alternatives, limits)
    }

    /// A task for which something was chosen, so that it can be carried out: one of this person's that is not stopped.
    ///
    /// # Errors
    /// No such task, another's, one that was stopped.
    pub fn done(home: &Home, person: PersonId, id: TaskId, limits: TaskLimits) -> Result<Self, SessionError> {
        let task = home.state().tasks().get(&id).ok_or_else(|| SessionError::NoSuchTask(id.clone()))?;
        if task.given.person != person {
            return Err(SessionError::AnothersTask { task: id, person: task.given.person.clone() });
        }
        if task.stopped {
            return Err(SessionError::TaskOver { task: id, how: format!("{person} said stop") });
        }
        let alternatives = task.proposed.iter().map(|(a, _)| *a).collect();
        Self::with(person, id, alternatives, limits)
    }

    fn with(
        person: PersonId,
        id: TaskId,
        alternatives: Vec<AlternativeId>,
        TaskLimits { bars, questions_max: questions_left }: TaskLimits,
    ) -> Result<Self, SessionError> {
        let mut seen = BTreeSet::new();
        let alternatives: Vec<_> = alternatives.into_iter().filter(|a| seen.insert(*a)).collect();
        Ok(Self { person, source: SourceId::new("task")?, id, alternatives, bars, questions_left, open: None })
    }

    /// The task's id.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// The alternatives weighed.
    pub fn alternatives(&self) -> &[AlternativeId] {
        &self.alternatives
    }

    /// Decides what to do next; nothing is recorded yet.
    ///
    /// # Errors
    /// Fewer than two alternatives are left, or one of them is not described in the log.
    pub fn decide(&self, home: &Home, considered: &[Option<Considered>]) -> Result<Decided, SessionError> {
        if self.alternatives.len() < 2 {
            return Err(SessionError::TooFewAlternatives { found: self.alternatives.len() });
        }
        let may_ask = self.questions_left > 0;
        decide::decide(home.state(), &self.person, &self.alternatives, considered, self.bars, may_ask)
    }

    /// Records a decision and does what it says. An act is recorded before this returns, so that it can be carried out after.
    ///
    /// # Errors
    /// The home would not take a record.
    pub fn step(&mut self, home: &mut Home, decided: Decided, now: Timestamp) -> Result<Step, SessionError> {
        decide::record(home, &self.person, Some(&self.id), &self.alternatives, &decided, now)?;
        match &decided.outcome {
            Outcome::Act { alternative } => {
                let taken =
                    ActionTaken { person: self.person.clone(), task: Some(self.id.clone()), alternative: *alternative };
                home.append(now, Record::ActionTaken(taken))?;
                Ok(Step::Act(*alternative, decided))
            }
            Outcome::Ask { .. } => {
                let Some(pair) = decided.question.as_ref().map(|q| q.alternatives) else {
                    return Ok(Step::Defer("there is no question to ask".into(), decided));
                };
                self.ask(home, pair, now)?;
                Ok(Step::Ask(pair, decided))
            }
            Outcome::Defer { because } => Ok(Step::Defer(because.clone(), decided)),
        }
    }

    /// The bars.
    pub fn bars(&self) -> Bars {
        self.bars
    }

    /// For whom.
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    fn ask(&mut self, home: &mut Home, pair: [AlternativeId; 2], now: Timestamp) -> Result<(), SessionError> {
        self.open = Some(OpenQuestion::put(home, &self.person, &self.source, pair, now)?);
        self.questions_left = self.questions_left.saturating_sub(1);
        Ok(())
    }

    /// Records the answer to the open question.
    ///
    /// # Errors
    /// No question is open, or the answer is none of its own; the home would not take the record.
    pub fn answer(&mut self, home: &mut Home, answer: Answer, now: Timestamp) -> Result<(), SessionError> {
        self.open.as_ref().ok_or(SessionError::NothingAsked)?.answer(home, answer, now)?;
        self.open = None;
        Ok(())
    }

    /// The person would rather have had another alternative than the one acted on: a correction, and evidence.
    ///
    /// # Errors
    /// An alternative is not described; the home would not take the record.
    pub fn correct(
        &mut self,
        home: &mut Home,
        preferred: AlternativeId,
        rejected: AlternativeId,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let made = CorrectionMade { from: self.origin(), preferred, rejected };
        home.append(now, Record::CorrectionMade(made))?;
        record_belief(home, &self.person, now)
    }

    /// The person said stop: recorded, obeyed, and nothing else follows from it.
    ///
    /// # Errors
    /// The home would not take the record.
    pub fn stop(&mut self, home: &mut Home, words: &str, now: Timestamp) -> Result<(), SessionError> {
        let stop = StopRequested { person: self.person.clone(), words: words.to_owned(), task: Some(self.id.clone()) };
        home.append(now, Record::StopRequested(stop))?;
        self.open = None;
        Ok(())
    }

    fn origin(&self) -> Origin {
        Origin { person: self.person.clone(), source: self.source.clone(), session: None }
    }
}
