//! A session with one person: ask, believe, show; every step a record before it is a fact.
//!
//! No clock, no input and no output here: time is an argument, what is shown is returned. Live use, files of answers and
//! simulated people all drive this one machine.

mod choosing;
mod options;
mod resuming;
mod saying;
mod showing;

use std::collections::BTreeSet;
use std::sync::Arc;

use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{AlternativeId, Hash, PersonId, QuestionId, Seq, SessionId, SourceId};
use credence_memory::number::{Finite, Probability};
use credence_memory::record::{
    AlternativeDescribed, BeliefRecorded, ChoiceMade, Origin, QuestionAsked, QuestionKind, QuestionSkipped,
    RankingGiven, RatingGiven, Record, Retracted, SessionEnded, SessionStarted,
};
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::ask;
use crate::askable::Askable;
use crate::instrument::{self, Chosen, Effort, Item, LEVEL_NAMES, LEVELS};
use crate::knowledge::Knowledge;
use crate::page;
use crate::protocol::{MovedView, QuestionView, SummaryView, ValuesView};
use crate::views::{self, Contrasts};
use crate::words::telling::Telling;

pub use crate::error::SessionError;
pub use options::SessionOptions;
pub use saying::structured;

/// A batch copies the log, so it pays from some records on.
const WRITTEN_ONE_BY_ONE: usize = 8;

/// An answer to the open question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The alternative at this 0-based place in the order shown.
    Choose(usize),
    /// No preference.
    NoPreference,
    /// How much a portrait is like the person: a level from 1 to [`LEVELS`].
    Rate(u32),
    /// The best and the worst, by their 0-based places in the order shown.
    BestAndWorst(usize, usize),
}

#[derive(Debug, Clone)]
struct Open {
    item: Arc<Item>,
    /// In the order shown.
    shown: Vec<AlternativeId>,
    predicted: Vec<f64>,
    gain_nats: f64,
    candidates: usize,
    reask: bool,
}

#[derive(Debug, Clone)]
struct Given {
    seq: Seq,
    question: Option<QuestionId>,
    /// What it said, in words; nothing of what was said before the session was taken up again.
    said: Option<String>,
    /// The question it answered, to be put again if the answer is undone.
    open: Option<Open>,
    /// ln of the probability given to the answer before it came.
    predicted_ln: Option<f64>,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    person: PersonId,
    id: SessionId,
    options: SessionOptions,
    began: Timestamp,
    rng: ChaCha8Rng,
    askable: Arc<Askable>,
    /// What can be asked now: of the bank's choices those whose alternatives are keyed or described.
    items: Vec<Arc<Item>>,
    known: BTreeSet<QuestionId>,
    kinds: Vec<QuestionKind>,
    open: Option<Open>,
    /// The question whose answer was undone: it is put again.
    again: Option<Open>,
    given: Vec<Given>,
    skipped: BTreeSet<QuestionId>,
    asked_count: usize,
    telling: Option<Telling>,
    /// What was shown last, and under which belief: working it out takes longer than anything else after an answer.
    shown: Option<(Hash, ValuesView)>,
    /// The same of what is believed before this person's first evidence, and the record since which that is believed.
    prior: Option<(Seq, Contrasts)>,
}

impl Session {
    /// Begins a session. The home must have its header and its prior.
    ///
    /// # Errors
    /// The home has no header or no prior, or would not take the record.
    pub fn begin(
        home: &mut Home,
        person: PersonId,
        askable: Arc<Askable>,
        options: SessionOptions,
        now: Timestamp,
    ) -> Result<Self, SessionError> {
        let id = SessionId::new(&format!("{person}-{}", home.state().next_seq()))?;
        let started = SessionStarted {
            session: id.clone(),
            person: person.clone(),
            seed: options.seed,
            strategy: ask::name(options.strategy).into(),
        };
        home.append(now, Record::SessionStarted(started))?;
        Ok(Self::sat_down(home, person, id, askable, options, now))
    }

    fn sat_down(
        home: &Home,
        person: PersonId,
        id: SessionId,
        askable: Arc<Askable>,
        options: SessionOptions,
        began: Timestamp,
    ) -> Self {
        let mut session = Self {
            person,
            id,
            began,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            options,
            askable,
            items: Vec::new(),
            known: BTreeSet::new(),
            kinds: Vec::new(),
            open: None,
            again: None,
            given: Vec::new(),
            skipped: BTreeSet::new(),
            asked_count: 0,
            telling: None,
            shown: None,
            prior: None,
        };
        if session.options.kinds.contains(&QuestionKind::Portrait) {
            session.items.extend(session.askable.portraits().iter().map(|(item, _)| Arc::clone(item)));
        }
        session.refresh(home);
        session
    }

    /// Takes up the bank's questions whose alternatives are keyed, or have been described since.
    pub fn refresh(&mut self, home: &Home) {
        if !self.options.kinds.contains(&QuestionKind::Choice) {
            return;
        }
        let described = |a: &AlternativeId| home.state().description(a).is_some() || self.askable.keyed(a).is_some();
        for item in self.askable.choices() {
            if !self.known.contains(&item.id) && item.alternatives.iter().all(described) {
                self.known.insert(item.id);
                self.items.push(Arc::clone(item));
            }
        }
    }

    /// Records alternatives that were read in the background, and takes up their questions.
    ///
    /// # Errors
    /// The home would not take the records.
    pub fn take_described(
        &mut self,
        home: &mut Home,
        described: Vec<AlternativeDescribed>,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        record_described(home, described, now)?;
        self.refresh(home);
        Ok(())
    }

    /// Chooses the next question and records that it was asked, with the prediction made before the answer; after an undo, the
    /// question whose answer was taken back. `None` when no question is left that has not been asked.
    ///
    /// # Errors
    /// No belief can be formed, or the home would not take the record.
    pub fn next_question(&mut self, home: &mut Home, now: Timestamp) -> Result<Option<QuestionView>, SessionError> {
        let (item, shown, gain_nats, candidates, reask) = match self.again.take() {
            Some(Open { item, shown, gain_nats, candidates, reask, .. }) => (item, shown, gain_nats, candidates, reask),
            None => {
                let Some((chosen, reask)) = self.choose(home)? else { return Ok(None) };
                let Chosen { item, gain_nats, candidates } = chosen;
                let item = Arc::new(item);
                let shown = if reask {
                    // The other way round than last time: consistency is tested against the order as well.
                    let mut last = home.state().last_order(&self.person, &item.id).unwrap_or(item.alternatives.clone());
                    last.reverse();
                    last
                } else {
                    // A question that was put and not answered comes as it was: a key pressed from memory must not mean the other side.
                    let new = instrument::shuffled(&item, &mut self.rng);
                    home.state().last_order(&self.person, &item.id).unwrap_or(new)
                };
                (item, shown, gain_nats, candidates, reask)
            }
        };
        let new = shown.iter().filter(|a| home.state().description(a).is_none());
        let described = new.filter_map(|a| self.askable.keyed(a).cloned()).collect();
        record_described(home, described, now)?;
        let predicted = self.predict(home, &item, &shown)?;
        let asked = QuestionAsked {
            person: self.person.clone(),
            session: Some(self.id.clone()),
            question: item.id,
            kind: item.kind,
            alternatives: shown.clone(),
            indifference_offered: item.offers_indifference(),
            strategy: ask::name(self.options.strategy).into(),
            gain_nats: Finite::new(gain_nats)?,
            predicted: predicted.iter().map(|p| Probability::new(p.clamp(0.0, 1.0))).collect::<Result<_, _>>()?,
            reask,
        };
        home.append(now, Record::QuestionAsked(asked))?;
        self.asked_count += 1;
        self.kinds.push(item.kind);
        self.open = Some(Open { item, shown, predicted, gain_nats, candidates, reask });
        Ok(self.question(home))
    }

    /// The open question as it is shown.
    pub fn question(&self, home: &Home) -> Option<QuestionView> {
        let Open { item, shown, gain_nats, reask, .. } = self.open.as_ref()?;
        let text = |id: &AlternativeId| home.state().description(id).map_or_else(String::new, |d| d.text.clone());
        Some(QuestionView {
            number: self.asked_count,
            kind: item.kind,
            situation: item.situation.clone(),
            alternatives: shown.iter().map(text).collect(),
            levels: match item.kind {
                QuestionKind::Portrait => LEVEL_NAMES.map(str::to_owned).to_vec(),
                QuestionKind::Choice | QuestionKind::BestAndWorst => Vec::new(),
            },
            indifference_offered: item.offers_indifference(),
            gain_nats: *gain_nats,
            reask: *reask,
            remaining: self.remaining(home),
        })
    }

    /// The session.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Whose it is.
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// Records the answer to the open question and says what moved.
    ///
    /// # Errors
    /// No question is open, or the answer is none of its own; the home would not take the record.
    pub fn answer(&mut self, home: &mut Home, answer: Answer, now: Timestamp) -> Result<MovedView, SessionError> {
        let open = self.open.as_ref().ok_or(SessionError::NothingAsked)?;
        let n = open.shown.len();
        let offered = open.item.offers_indifference();
        let text = |i: usize| home.state().description(&open.shown[i]).map_or_else(String::new, |d| d.text.clone());
        let inside = |i: usize| {
            if i < n { Ok(i) } else { Err(SessionError::NoSuchAlternative { chosen: i + 1, alternatives: n }) }
        };
        let from = self.origin()?;
        let choice = |chosen: Option<usize>| {
            Record::ChoiceMade(ChoiceMade {
                from: from.clone(),
                question: Some(open.item.id),
                alternatives: open.shown.clone(),
                chosen,
                indifference_offered: offered,
            })
        };
        let (record, outcome, said) = match (open.item.kind, answer) {
            (QuestionKind::Choice, Answer::Choose(i)) => (choice(Some(inside(i)?)), i, text(i)),
            (QuestionKind::Choice, Answer::NoPreference) if offered => (choice(None), 2, "no preference".into()),
            (QuestionKind::Portrait, Answer::Rate(level)) => {
                let place = level as usize;
                let Some(name) = place.checked_sub(1).and_then(|i| LEVEL_NAMES.get(i)) else {
                    return Err(SessionError::NoSuchAlternative { chosen: place, alternatives: LEVEL_NAMES.len() });
                };
                let rating = RatingGiven { from, alternative: open.shown[0], level, levels: LEVELS };
                (Record::RatingGiven(rating), place - 1, format!("{}: {name}", text(0)))
            }
            (QuestionKind::BestAndWorst, Answer::BestAndWorst(best, worst)) => {
                let (best, worst) = (inside(best)?, inside(worst)?);
                if best == worst {
                    return Err(SessionError::BestIsWorst);
                }
                let alternatives = open.shown.clone();
                let ranking = RankingGiven { from, alternatives, order: vec![best], worst: Some(worst) };
                let outcome = best * (n - 1) + worst - usize::from(worst > best);
                let said = format!("most: {}; least: {}", text(best), text(worst));
                (Record::RankingGiven(ranking), outcome, said)
            }
            (QuestionKind::Choice, Answer::NoPreference) => return Err(SessionError::NotOffered),
            (kind, _) => return Err(SessionError::AnotherKind { expected: expected(kind) }),
        };
        let predicted = open.predicted.get(outcome).copied();
        let question = open.item.id;
        let moved = self.evidence(home, record, said, predicted, Some(question), now)?;
        if let (Some(given), Some(open)) = (self.given.last_mut(), self.open.take()) {
            given.open = Some(open);
        }
        Ok(moved)
    }

    fn evidence(
        &mut self,
        home: &mut Home,
        record: Record,
        said: String,
        predicted: Option<f64>,
        question: Option<QuestionId>,
        now: Timestamp,
    ) -> Result<MovedView, SessionError> {
        let before = self.values(home)?;
        let seq = home.append(now, record)?.0.seq;
        let predicted_ln = predicted.map(|p| p.max(f64::MIN_POSITIVE).ln());
        self.given.push(Given { seq, question, said: Some(said.clone()), open: None, predicted_ln });
        self.record_belief(home, now)?;
        self.moved(home, seq, said, predicted, &before)
    }

    /// Withdraws the last evidence of this session. Belief is then, bit for bit, that of a log which never had it.
    ///
    /// # Errors
    /// Nothing was answered in this session, or the home would not take the record.
    pub fn undo(&mut self, home: &mut Home, now: Timestamp) -> Result<MovedView, SessionError> {
        let last = self.given.last().cloned().ok_or(SessionError::NothingToUndo)?;
        let before = self.values(home)?;
        let retracted = Retracted { target: last.seq, reason: "undone by the person".into() };
        let seq = home.append(now, Record::Retracted(retracted))?.0.seq;
        let undone = self.given.pop();
        if let Some(question) = undone.and_then(|given| given.open) {
            self.again = Some(question);
            self.open = None;
        }
        self.record_belief(home, now)?;
        let said = last.said.unwrap_or_else(|| "your last answer of the earlier part".into());
        self.moved(home, seq, format!("undone: {said}"), None, &before)
    }

    /// Passes over the open question; that is recorded and is no evidence.
    ///
    /// # Errors
    /// No question is open, or the home would not take the record.
    pub fn skip(&mut self, home: &mut Home, now: Timestamp) -> Result<(), SessionError> {
        let open = self.open.as_ref().ok_or(SessionError::NothingAsked)?;
        let skipped = QuestionSkipped { person: self.person.clone(), question: open.item.id };
        home.append(now, Record::QuestionSkipped(skipped))?;
        self.skipped.insert(open.item.id);
        self.open = None;
        Ok(())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// As [`Session::values`]; the home would not take the record.
    pub fn end(&mut self, home: &mut Home, reason: &str, now: Timestamp) -> Result<SummaryView, SessionError> {
        self.leave_readings(home, now)?;
        let ended = SessionEnded { session: self.id.clone(), reason: reason.into(), answers: self.given.len() as u64 };
        home.append(now, Record::SessionEnded(ended))?;
        let values = self.values(home)?;
        let unsure = values.values.iter().filter(|v| !v.sure).map(|v| v.name.clone()).collect();
        let page = page::of(home.state(), &self.person, &values, self.askable.bank(), |id| self.name(id))?;
        let losses: Vec<f64> = self.given.iter().filter_map(|g| g.predicted_ln).map(|ln| -ln).collect();
        let log_loss = (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64);
        Ok(SummaryView {
            reason: reason.into(),
            answers: self.answers(),
            statements: self.given.len() - self.answers(),
            values,
            unsure,
            person: views::person(home.state(), &self.person)?,
            log_loss,
            page: Box::new(page),
            log: home.paths().log().display().to_string(),
        })
    }

    /// How many answers to questions this session has given that still count. Statements about what matters are no answers.
    pub fn answers(&self) -> usize {
        self.given.iter().filter(|given| given.question.is_some()).count()
    }

    /// Why no further question is asked, if as many answers were given, or as much time has passed, as was asked for.
    pub fn has_enough(&self, now: Timestamp) -> Option<&'static str> {
        let minutes = now.duration_since(self.began).as_secs_f64() / 60.0;
        if self.options.answers_max.is_some_and(|most| self.answers() >= most) {
            Some("as many answers as were asked for")
        } else if !self.is_open() && self.options.minutes_max.is_some_and(|most| minutes >= most) {
            Some("the time is up")
        } else {
            None
        }
    }

    /// Whether a question is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many of the bank's questions can be asked.
    pub fn askable(&self) -> usize {
        self.items.len()
    }

    fn record_belief(&self, home: &mut Home, now: Timestamp) -> Result<(), SessionError> {
        let digest = home.state().belief_digest(&self.person)?;
        let recorded = BeliefRecorded { person: self.person.clone(), through: home.state().head().0, digest };
        home.append(now, Record::BeliefRecorded(recorded))?;
        Ok(())
    }

    fn moved(
        &mut self,
        home: &Home,
        seq: Seq,
        said: String,
        predicted: Option<f64>,
        before: &ValuesView,
    ) -> Result<MovedView, SessionError> {
        let values = self.values(home)?;
        let person = match self.options.effort {
            Effort::Full => views::person(home.state(), &self.person)?,
            Effort::Quick => views::person_roughly(home.state(), &self.person)?,
        };
        Ok(MovedView { seq: seq.0, said, predicted, changes: views::changes(before, &values), values, person })
    }

    fn origin(&self) -> Result<Origin, SessionError> {
        Ok(Origin {
            person: self.person.clone(),
            source: SourceId::new(&self.options.source)?,
            session: Some(self.id.clone()),
        })
    }

    fn name(&self, id: &str) -> String {
        self.options.names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }
}

/// What a question asks for, in words.
fn expected(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Choice => "one of its alternatives",
        QuestionKind::Portrait => "a level from 1 to 6",
        QuestionKind::BestAndWorst => "the one that matters most and the one that matters least",
    }
}

/// Records alternatives that the log does not have yet: few of them one by one, many in one write.
///
/// # Errors
/// The home would not take the records; then it has none of them, or the first few.
pub fn record_described(
    home: &mut Home,
    described: Vec<AlternativeDescribed>,
    now: Timestamp,
) -> Result<(), HomeError> {
    let mut seen = BTreeSet::new();
    let new: Vec<Record> = described
        .into_iter()
        .filter(|d| home.state().description(&d.alternative).is_none() && seen.insert(d.alternative))
        .map(Record::AlternativeDescribed)
        .collect();
    if new.len() <= WRITTEN_ONE_BY_ONE {
        for record in new {
            home.append(now, record)?;
        }
        return Ok(());
    }
    let mut draft = home.draft();
    for record in new {
        draft.push(now, record)?;
    }
    home.commit(draft)
}
