//! A decision in the log, taken up by somebody who was not there when it was made: its open question is answered, its act
//! corrected, its task stopped, or given other alternatives.
//!
//! No model is needed. What a person says of these very alternatives decides by itself. An act that rests on belief is tried in other
//! words where the log describes those; where it does not, the decision is left to the person.

use std::collections::BTreeSet;

use credence_memory::evidence::{DescriptionIndex, Form};
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, QuestionId, Seq, SourceId};
use credence_memory::record::{CorrectionMade, DecisionMade, Origin, Outcome, Record, StopRequested};
use credence_memory::state::State;
use jiff::Timestamp;

use crate::decide::{self, Bars, Considered, Decided};
use crate::deliberate;
use crate::open_question::{OpenQuestion, record_belief};
use crate::session::{Answer, SessionError};
use crate::task::{By, Proposed, TaskLimits, TaskRun};
use crate::wording;

/// Questions that a task may ask after one was answered here.
const QUESTIONS_MAX: usize = 5;

/// How a decision stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The pair that waits for an answer.
    pub question: Option<[AlternativeId; 2]>,
    /// What was chosen, and may be corrected.
    pub act: Option<AlternativeId>,
    /// Whether it belongs to a task that can still be stopped.
    pub may_stop: bool,
    /// Whether it belongs to a task that waits for the person, who may add alternatives and strike others.
    pub may_reconsider: bool,
    /// Whether the person stopped its task.
    pub is_stopped: bool,
    /// Whether the same was decided again later.
    pub is_superseded: bool,
}

/// Why a decision cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum GoingOnError {
    /// The record is no decision.
    #[error("record {0} is no decision")]
    NoDecision(Seq),
    /// Nothing was asked, or it was answered, or the same was decided again.
    #[error("decision {0} has no question that waits for an answer")]
    NoQuestion(Seq),
    /// Nothing was chosen.
    #[error("decision {0} chose nothing that could be corrected")]
    NothingChosen(Seq),
    /// What is wanted instead is none of the others.
    #[error(
        "decision {decision} weighed {alternatives} alternatives; number {rather} is none of those that were not chosen"
    )]
    NoOther {
        /// The decision.
        decision: Seq,
        /// Which was wanted, from 1.
        rather: usize,
        /// How many there are.
        alternatives: usize,
    },
    /// There is nothing that alternatives could be added to.
    #[error("decision {0} belongs to no task that waits: alternatives are added to the latest decision of a task")]
    NothingToReconsider(Seq),
    /// What is to be struck is none of what was weighed.
    #[error("decision {decision} weighed {alternatives} alternatives, and no number {struck}")]
    NothingToStrike {
        /// The decision.
        decision: Seq,
        /// Which was meant, from 1.
        struck: usize,
        /// How many there are.
        alternatives: usize,
    },
    /// There is nothing to stop.
    #[error("decision {0} belongs to no task that could be stopped")]
    NothingToStop(Seq),
    /// The session's rules or the home refuse.
    #[error(transparent)]
    Session(#[from] SessionError),
}

fn find(state: &State, decision: Seq) -> Option<&DecisionMade> {
    state.decisions().iter().find(|(seq, _)| *seq == decision).map(|(_, made)| made)
}

/// How a decision stands; nothing for a record that is none.
pub fn standing(state: &State, decision: Seq) -> Option<Standing> {
    let made = find(state, decision)?;
    let is_same = |other: &DecisionMade| match &made.task {
        Some(task) => other.task.as_ref() == Some(task),
        None => {
            let (mut ours, mut theirs) = (made.alternatives.clone(), other.alternatives.clone());
            ours.sort();
            theirs.sort();
            other.task.is_none() && ours == theirs
        }
    };
    let later = state.decisions().iter().rev().take_while(|(seq, _)| *seq > decision);
    let is_superseded = later.into_iter().any(|(_, other)| other.person == made.person && is_same(other));
    let task = made.task.as_ref().and_then(|id| state.tasks().get(id));
    let (is_stopped, is_done) = task.map_or((false, false), |task| (task.stopped, !task.actions.is_empty()));
    let waits = !is_superseded && !is_stopped && !is_done;
    let asked = match &made.outcome {
        Outcome::Ask { question } if waits => pair_of(made, question),
        _ => None,
    };
    let act = match &made.outcome {
        Outcome::Act { alternative } => Some(*alternative),
        Outcome::Ask { .. } | Outcome::Defer { .. } => None,
    };
    Some(Standing {
        question: asked.filter(|pair| !is_answered(state, made, decision, pair)),
        act,
        may_stop: task.is_some() && !is_stopped,
        may_reconsider: task.is_some() && waits,
        is_stopped,
        is_superseded,
    })
}

/// The two alternatives that a question is about.
fn pair_of(made: &DecisionMade, question: &QuestionId) -> Option<[AlternativeId; 2]> {
    let pairs = made.alternatives.iter().flat_map(|a| made.alternatives.iter().map(move |b| [*a, *b]));
    pairs.into_iter().find(|pair| pair[0] != pair[1] && QuestionId::of(pair) == *question)
}

/// Whether the person said which of the two they prefer, after the decision.
fn is_answered(state: &State, made: &DecisionMade, decision: Seq, pair: &[AlternativeId; 2]) -> bool {
    said_since(state, made, decision).any(|(_, said)| said.iter().all(|a| pair.contains(a)))
}

/// What the person said of pairs of a decision's alternatives after it: the records, and the pairs.
fn said_since<'a>(
    state: &'a State,
    made: &'a DecisionMade,
    decision: Seq,
) -> impl Iterator<Item = (Seq, [AlternativeId; 2])> + 'a {
    let alternative = |index: DescriptionIndex| state.descriptions().get(index as usize).map(|d| d.alternative);
    let evidence = state.person(&made.person).into_iter().flat_map(|person| person.evidence());
    evidence.filter(move |e| e.seq > decision).filter_map(move |e| {
        let (Form::Choice { pair, .. } | Form::Indirect { pair, .. }) = &e.form else { return None };
        let pair = [alternative(pair[0])?, alternative(pair[1])?];
        pair.iter().all(|a| made.alternatives.contains(a)).then_some((e.seq, pair))
    })
}

/// The records of what the person said of a decision's alternatives after it.
pub fn reactions(state: &State, decision: Seq) -> Vec<Seq> {
    find(state, decision).map_or_else(Vec::new, |made| said_since(state, made, decision).map(|(seq, _)| seq).collect())
}

/// Answers the question that a decision left open, and decides again. Gives the record of the new decision.
///
/// # Errors
/// If no question waits, if the answer is none of its answers, or if the home cannot be written.
pub fn answer(
    home: &mut Home,
    decision: Seq,
    answer: Answer,
    source: &SourceId,
    bars: Bars,
    now: Timestamp,
) -> Result<Seq, GoingOnError> {
    let stands = standing(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?;
    let pair = stands.question.ok_or(GoingOnError::NoQuestion(decision))?;
    let made = find(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?.clone();
    let question = match &made.task {
        // A task puts its question when it decides to ask.
        Some(_) => OpenQuestion::asked(&made.person, source, pair),
        None => OpenQuestion::put(home, &made.person, source, pair, now)?,
    };
    question.answer(home, answer, now)?;
    again(home, &made, bars, now)
}

/// None of what a task weighed may be right: the person adds alternatives, which the log describes, and strikes others, by their places
/// among what the decision weighed, from 0. It is decided again then. Gives the record of the new decision.
///
/// # Errors
/// If the decision belongs to no task that waits, if a place is none, if fewer than two alternatives are left, or if the home cannot be
/// written.
pub fn reconsider(
    home: &mut Home,
    decision: Seq,
    added: &[AlternativeId],
    struck: &[usize],
    bars: Bars,
    now: Timestamp,
) -> Result<Seq, GoingOnError> {
    let stands = standing(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?;
    let made = find(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?.clone();
    let task = made.task.clone().filter(|_| stands.may_reconsider);
    let task = task.ok_or(GoingOnError::NothingToReconsider(decision))?;
    let alternatives = made.alternatives.len();
    let place = |&place: &usize| {
        let unknown = GoingOnError::NothingToStrike { decision, struck: place + 1, alternatives };
        made.alternatives.get(place).copied().ok_or(unknown)
    };
    let struck = struck.iter().map(place).collect::<Result<BTreeSet<_>, _>>()?;
    let limits = TaskLimits { bars, questions_max: QUESTIONS_MAX };
    let mut run = TaskRun::resume(home, made.person.clone(), task, limits)?;
    // Looked at before anything is recorded.
    let left: BTreeSet<_> = run.alternatives().iter().chain(added).filter(|a| !struck.contains(a)).collect();
    if left.len() < 2 {
        return Err(SessionError::TooFewAlternatives { found: left.len() }.into());
    }
    let given = |alternative: &AlternativeId| Proposed {
        alternative: *alternative,
        by: By::Person,
        why: "given by the person".to_owned(),
    };
    run.add(home, By::Person, &added.iter().map(given).collect::<Vec<_>>(), now)?;
    for alternative in struck.into_iter().filter(|a| run.alternatives().contains(a)).collect::<Vec<_>>() {
        run.strike(home, alternative, now)?;
    }
    again(home, &made, bars, now)
}

/// Decides again between what a decision weighed.
fn again(home: &mut Home, made: &DecisionMade, bars: Bars, now: Timestamp) -> Result<Seq, GoingOnError> {
    let run = match &made.task {
        Some(task) => Some(TaskRun::resume(
            home,
            made.person.clone(),
            task.clone(),
            TaskLimits { bars, questions_max: QUESTIONS_MAX },
        )?),
        None => None,
    };
    let alternatives = run.as_ref().map_or(&*made.alternatives, TaskRun::alternatives).to_vec();
    let considered = considered(home.state(), made, &alternatives);
    let mut decided = decide::decide(home.state(), &made.person, &alternatives, &considered, bars, true)?;
    try_in_other_words(home.state(), made, &alternatives, &mut decided, bars)?;
    match run {
        Some(mut run) => drop(run.step(home, decided, now)?),
        None => drop(decide::record(home, &made.person, None, &alternatives, &decided, now)?),
    }
    let last = home.state().decisions().last().map(|(seq, _)| *seq);
    last.ok_or(GoingOnError::NoQuestion(home.state().head().0))
}

/// What a decision deliberated on, as far as it is trusted now.
fn considered(state: &State, made: &DecisionMade, alternatives: &[AlternativeId]) -> Vec<Option<Considered>> {
    if made.deliberations.is_empty() {
        return Vec::new();
    }
    let of = |alternative: &AlternativeId| {
        let mut all = made.deliberations.iter().filter_map(|seq| Some((*seq, &state.deliberations().get(seq)?.made)));
        let (deliberation, found) = all.find(|(_, d)| d.alternative == *alternative)?;
        let trust = deliberate::trust(state, &found.consequences);
        Some(Considered { deliberation, with_consequences: found.with_consequences, trust })
    };
    alternatives.iter().map(of).collect()
}

/// Leaves an act that rests on belief to the person if other words for the situation change it, or if nobody knows whether they do.
fn try_in_other_words(
    state: &State,
    made: &DecisionMade,
    alternatives: &[AlternativeId],
    decided: &mut Decided,
    bars: Bars,
) -> Result<(), SessionError> {
    let rests_on_belief = matches!(decided.outcome, Outcome::Act { .. }) && decided.said.is_empty();
    if !rests_on_belief || !bars.wording_max.is_finite() {
        return Ok(());
    }
    let pair = [alternatives[decided.best], alternatives[decided.second]];
    let described = pair.map(|a| state.description(&a));
    let [Some(best), Some(second)] = described else { return Ok(()) };
    let reworded: Vec<[AlternativeId; 2]> = wording::reworded(&best.situation)
        .iter()
        .map(|other| [AlternativeId::of(other, &best.text), AlternativeId::of(other, &second.text)])
        .collect();
    if reworded.iter().flatten().all(|a| state.description(a).is_some()) {
        decided.guard(wording::moved(state, &made.person, pair, &reworded)?, bars);
    } else {
        let because = "it was not tried yet whether other words for the same situation change this; `credence decide` and `credence agent` do so";
        decided.outcome = Outcome::Defer { because: because.to_owned() };
    }
    Ok(())
}

/// The person would rather have had another alternative than the one that was chosen: evidence. `rather` is its place, from 0.
///
/// # Errors
/// If nothing was chosen, if that is what was chosen, or if the home cannot be written.
pub fn correct(
    home: &mut Home,
    decision: Seq,
    rather: usize,
    source: &SourceId,
    now: Timestamp,
) -> Result<(), GoingOnError> {
    let stands = standing(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?;
    let rejected = stands.act.ok_or(GoingOnError::NothingChosen(decision))?;
    let made = find(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?;
    let (person, alternatives) = (made.person.clone(), made.alternatives.len());
    let preferred = made.alternatives.get(rather).copied().filter(|a| *a != rejected);
    let preferred = preferred.ok_or(GoingOnError::NoOther { decision, rather: rather + 1, alternatives })?;
    let from = Origin { person: person.clone(), source: source.clone(), session: None };
    let made = CorrectionMade { from, preferred, rejected };
    home.append(now, Record::CorrectionMade(made)).map_err(SessionError::from)?;
    Ok(record_belief(home, &person, now)?)
}

/// The person said stop: recorded, obeyed, and nothing else follows from it.
///
/// # Errors
/// If the decision belongs to no task, or to one that is stopped, or if the home cannot be written.
pub fn stop(home: &mut Home, decision: Seq, words: &str, now: Timestamp) -> Result<(), GoingOnError> {
    let stands = standing(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?;
    let made = find(home.state(), decision).ok_or(GoingOnError::NoDecision(decision))?;
    if !stands.may_stop {
        return Err(GoingOnError::NothingToStop(decision));
    }
    let stop = StopRequested { person: made.person.clone(), words: words.to_owned(), task: made.task.clone() };
    home.append(now, Record::StopRequested(stop)).map_err(SessionError::from)?;
    Ok(())
}
