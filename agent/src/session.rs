//! A sitting with one person: ask, believe, show; every step a record before it is a fact.
//!
//! No clock, no input and no output here: time is an argument, what is shown is returned. Live use, files of answers and
//! simulated people all drive this one machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use credence_memory::belief::{BeliefError, Mixture, expected_information_gain};
use credence_memory::evidence::Form;
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{
    AlternativeId, Hash, IdError, PersonId, QuestionId, Seq, SessionId, SourceId, TaskId, ValueId,
};
use credence_memory::layout::Layout;
use credence_memory::number::{Finite, NumberError, Probability};
use credence_memory::observation::Features;
use credence_memory::record::{
    AlternativeDescribed, BeliefRecorded, ChoiceMade, ImportanceStated, Origin, QuestionAsked, QuestionKind,
    QuestionSkipped, RankingGiven, RatingGiven, ReadRow, Record, Retracted, SessionEnded, SessionStarted,
};
use credence_memory::state::{Illegal, State, StateError};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ask::{self, Strategy};
use crate::askable::Askable;
use crate::importance::{Importance, NamedValue, NotImportance};
use crate::instrument::{self, Chosen, Item, LEVEL_NAMES, LEVELS, Member, Pool};
use crate::knowledge::Knowledge;
use crate::pace::Pace;
use crate::page;
use crate::protocol::{
    ConfirmView, Contribution, MovedView, OpenedView, QuestionView, SummaryView, ValuesView, WhyView,
};
use crate::views::{self, Contrasts};
use crate::words::telling::{Telling, ToReading};
use crate::words::{self, Listener, WordsError};

/// A batch copies the log, so it pays from some records on.
const WRITTEN_ONE_BY_ONE: usize = 8;

/// Values named when a person asks why a question was chosen, at most.
const WHY_MAX: usize = 8;

/// How a sitting goes.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    /// How the next question is chosen.
    pub strategy: Strategy,
    /// Seed of ties, orders and re-asks.
    pub seed: u64,
    /// Share of questions that are asked again, once enough have been answered.
    pub reask_share: f64,
    /// A question comes again only after this many others.
    pub reask_distance: usize,
    /// The kinds of questions that are asked.
    pub kinds: BTreeSet<QuestionKind>,
    /// The channel that answers come through.
    pub source: String,
    /// The sitting ends after so many answers, if a number is given.
    pub answers_max: Option<usize>,
    /// The sitting ends at the first question after so many minutes, if a number is given.
    pub minutes_max: Option<f64>,
    /// Names of values for people, by id.
    pub names: BTreeMap<String, String>,
    /// Values shown during the sitting leave out the skew that answers leave, which takes most of an answer's time; for a service
    /// with many people. A page of values has it always.
    pub rough_values: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::InformationGain,
            seed: 0,
            reask_share: 0.07,
            reask_distance: 12,
            kinds: BTreeSet::from([QuestionKind::Choice, QuestionKind::Portrait, QuestionKind::BestAndWorst]),
            source: "terminal".into(),
            answers_max: None,
            minutes_max: None,
            names: BTreeMap::new(),
            rough_values: false,
        }
    }
}

/// Why a step could not be taken. Nothing was recorded, unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The home would not take a record.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Belief or its parts could not be had from the state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The belief engine refused.
    #[error(transparent)]
    Belief(#[from] BeliefError),
    /// A name that cannot be one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A number that is none.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Words that are no statement of importance.
    #[error(transparent)]
    Importance(#[from] NotImportance),
    /// Words that could not be read.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// An answer without an open question.
    #[error("no question is open")]
    NothingAsked,
    /// An answer that the open question does not have.
    #[error("the open question has {alternatives} alternatives; there is no alternative {chosen}")]
    NoSuchAlternative {
        /// 1-based number that was given.
        chosen: usize,
        /// How many there are.
        alternatives: usize,
    },
    /// An answer of another kind than the question asks for.
    #[error("the open question asks for {expected}")]
    AnotherKind {
        /// What it asks for, in words.
        expected: &'static str,
    },
    /// The same alternative as the best and the worst.
    #[error("the best and the worst must be two different ones")]
    BestIsWorst,
    /// "No preference" where it was not offered.
    #[error("\"no preference\" is not an answer to this question")]
    NotOffered,
    /// A task that the log does not have.
    #[error("the log has no task {0}")]
    NoSuchTask(TaskId),
    /// A task of somebody else.
    #[error("{task} was given by {person}, and goes on for them alone")]
    AnothersTask {
        /// The task.
        task: TaskId,
        /// Who gave it.
        person: PersonId,
    },
    /// A task that is over.
    #[error("{task} is over: {how}; give it anew with --task if it is wanted again")]
    TaskOver {
        /// The task.
        task: TaskId,
        /// How it ended.
        how: String,
    },
    /// A task with nothing to decide between.
    #[error("a task needs at least two different alternatives, there are {found}; give some with --alternative")]
    TooFewAlternatives {
        /// How many there were.
        found: usize,
    },
    /// Nothing to undo.
    #[error("nothing was answered in this sitting that could be undone")]
    NothingToUndo,
}

impl SessionError {
    /// Whether it is about what the person said, so that they can say it otherwise and nothing else is wrong.
    pub fn is_the_persons(&self) -> bool {
        match self {
            // A model that cannot read words now does not end a sitting.
            Self::Importance(_)
            | Self::Words(_)
            | Self::NothingAsked
            | Self::NoSuchAlternative { .. }
            | Self::NotOffered
            | Self::AnotherKind { .. }
            | Self::BestIsWorst
            | Self::NoSuchTask(_)
            | Self::AnothersTask { .. }
            | Self::TaskOver { .. }
            | Self::TooFewAlternatives { .. }
            | Self::NothingToUndo => true,
            Self::Home(_) | Self::State(_) | Self::Belief(_) | Self::Id(_) | Self::Number(_) => false,
        }
    }
}

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
    /// The question it answered, to be put again if the answer is undone.
    open: Option<Open>,
    /// ln of the probability given to the answer before it came.
    predicted_ln: Option<f64>,
}

/// One sitting.
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
    /// The same of what is believed before this person's first evidence.
    prior: Option<(Hash, Contrasts)>,
}

impl Session {
    /// Begins a sitting. The home must have its header and its prior.
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

    /// Takes up a sitting that the log has and that is not over, as after a restart: what was answered counts, and a question that
    /// was put and not answered is put again as it was. `None` where there is no such sitting.
    ///
    /// # Errors
    /// Belief cannot be formed.
    pub fn resume(
        home: &Home,
        id: &SessionId,
        askable: Arc<Askable>,
        options: SessionOptions,
    ) -> Result<Option<Self>, SessionError> {
        let state = home.state();
        let Some(sitting) = state.sessions().get(id).filter(|s| s.ended.is_none()) else { return Ok(None) };
        let person = sitting.started.person.clone();
        let Some(known) = state.person(&person) else {
            let began = Timestamp::UNIX_EPOCH;
            return Ok(Some(Self::sat_down(home, person, id.clone(), askable, options, began)));
        };
        let asked: Vec<_> = known.asked().iter().filter(|a| a.session.as_ref() == Some(id)).collect();
        let began = asked.first().map_or(Timestamp::UNIX_EPOCH, |a| a.time);
        let mut session = Self::sat_down(home, person.clone(), id.clone(), askable, options, began);
        session.asked_count = asked.len();
        session.kinds = asked.iter().map(|a| a.kind).collect();
        // Other draws than those that were used up before.
        session.rng = ChaCha8Rng::seed_from_u64(session.options.seed ^ (asked.len() as u64) << 32);
        session.skipped = known.skipped().iter().map(|(_, question)| *question).collect();
        for evidence in known.evidence().iter().filter(|e| asked.first().is_some_and(|a| e.seq > a.seq)) {
            let open = asked.iter().rev().find(|a| a.seq < evidence.seq);
            let is_answer = !matches!(evidence.form, Form::Importance { .. });
            let question = open.filter(|_| is_answer).map(|a| a.question);
            session.given.push(Given { seq: evidence.seq, question, open: None, predicted_ln: None });
        }
        let last = asked.last().filter(|a| {
            let answered = session.given.iter().any(|g| g.question.is_some() && g.seq > a.seq);
            let skipped = known.skipped().iter().any(|(seq, _)| *seq > a.seq);
            !answered && !skipped
        });
        if let Some(last) = last {
            let item = session.askable.item(last.kind, &last.question, &last.alternatives);
            let shown = last.alternatives.to_vec();
            let (candidates, reask) = (session.items.len(), last.reask);
            let predicted = session.predict(home, &item, &shown)?;
            let layout = session.layout(state)?;
            let question = item.question(&layout, |a| session.features(state, &layout, a))?;
            let gain_nats = expected_information_gain(&state.belief(&person)?, &[question])[0];
            session.open = Some(Open { item, shown, predicted, gain_nats, candidates, reask });
        }
        Ok(Some(session))
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
                    instrument::shuffled(&item, &mut self.rng)
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

    /// The sitting.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Whose it is.
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// Probabilities of the answers, for alternatives in the order shown.
    fn predict(&self, home: &Home, item: &Item, shown: &[AlternativeId]) -> Result<Vec<f64>, SessionError> {
        let state = home.state();
        let belief = state.belief(&self.person)?;
        if item.kind == QuestionKind::Choice {
            return Ok(state.predict_choice(&belief, shown, item.offers_indifference())?);
        }
        let shown = Item { alternatives: shown.to_vec(), ..item.clone() };
        let layout = self.layout(state)?;
        Ok(belief.predict(&shown.question(&layout, |a| self.features(state, &layout, a))?))
    }

    fn layout(&self, state: &State) -> Result<Arc<Layout>, SessionError> {
        let epoch = state.epoch().ok_or(StateError::Illegal { seq: state.next_seq(), source: Illegal::NoHeader })?;
        Ok(Arc::clone(&epoch.layout))
    }

    fn features(&self, state: &State, layout: &Layout, alternative: &AlternativeId) -> Result<Features, StateError> {
        let described = state.description(alternative).or_else(|| self.askable.keyed(alternative));
        described.map(|d| Features::of(d, layout)).ok_or_else(|| StateError::Illegal {
            seq: state.next_seq(),
            source: Illegal::Unknown { what: "alternative", name: alternative.to_string() },
        })
    }

    /// How many answers may still come: questions that were not asked, portraits that were not rated, and no more than were asked for.
    fn remaining(&self, home: &Home) -> usize {
        let answered = home.state().answered(&self.person);
        let open = self.items.iter().filter(|item| {
            let answered = item.key().is_some_and(|key| answered.contains(&key));
            !answered && !self.skipped.contains(&item.id)
        });
        let fresh = open.count().saturating_sub(1);
        let asked_for = self.options.answers_max.map(|most| most.saturating_sub(self.answers() + 1));
        // Sets of portraits do not run out before a person does.
        let endless = self.forms_sets() && self.options.strategy == Strategy::InformationGain;
        asked_for.map_or(fresh, |most| if endless { most } else { most.min(fresh) })
    }

    fn forms_sets(&self) -> bool {
        self.options.kinds.contains(&QuestionKind::BestAndWorst)
            && self.askable.portraits().len() >= instrument::SET_SIZE
    }

    fn choose(&mut self, home: &Home) -> Result<Option<(Chosen, bool)>, SessionError> {
        let state = home.state();
        let belief = state.belief(&self.person)?;
        let layout = self.layout(state)?;
        let answered = state.answered(&self.person);
        let is_answered = |item: &Item| item.key().is_some_and(|key| answered.contains(&key));
        let items = || self.items.iter().map(Arc::as_ref);
        let fresh: Vec<&Item> = items().filter(|item| !is_answered(item) && !self.skipped.contains(&item.id)).collect();
        let mut again: Vec<&Item> = Vec::new();
        if self.given.len() > self.options.reask_distance {
            let recent: BTreeSet<QuestionId> =
                self.given.iter().rev().take(self.options.reask_distance).filter_map(|g| g.question).collect();
            let once = |item: &Item| state.answers_to(&self.person, &item.id) == 1;
            let decent = |item: &&Item| item.offers_indifference() && !recent.contains(&item.id) && once(item);
            again = items().filter(decent).collect();
        }
        let reask = !again.is_empty() && (self.rng.random_bool(self.options.reask_share) && !fresh.is_empty());
        let person = state.person(&self.person);
        let asked = person.map(|p| p.asked()).unwrap_or_default();
        let members = if reask || !self.forms_sets() {
            Vec::new()
        } else {
            let seen = |a: &AlternativeId| asked.iter().filter(|asked| asked.alternatives.contains(a)).count();
            let member = |(item, value): &(Arc<Item>, usize)| {
                let alternative = item.alternatives[0];
                Member { alternative, value: *value, seen: seen(&alternative) }
            };
            self.askable.portraits().iter().map(member).collect()
        };
        let pool = Pool {
            items: if reask { again } else { fresh },
            members,
            asked_sets: asked.iter().filter(|a| a.kind == QuestionKind::BestAndWorst).map(|a| a.question).collect(),
            kinds: self.kinds.clone(),
        };
        let pace = person.map(|p| Pace::of(p.answer_seconds())).unwrap_or_default();
        let features = |a: &AlternativeId| self.features(state, &layout, a);
        let mut rng = self.rng.clone();
        let chosen = instrument::next(self.options.strategy, &belief, &layout, &pool, &pace, features, &mut rng)?;
        self.rng = rng;
        Ok(chosen.map(|chosen| (chosen, reask)))
    }

    /// Records the answer to the open question and says what moved.
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

    /// Records a statement of importance in structured words; the open question stays open.
    pub fn importance(&mut self, home: &mut Home, words: &str, now: Timestamp) -> Result<MovedView, SessionError> {
        let row = structured(words, &self.named_values(home))?;
        let said = words::sentence(&row, |id| self.name(id));
        let record = Record::ImportanceStated(ImportanceStated {
            from: self.origin()?,
            more: row.more,
            less: row.less,
            strength: row.strength,
            words: words.to_owned(),
            misreading: None,
            conditions: Vec::new(),
            at_least: true,
        });
        self.evidence(home, record, said, None, None, now)
    }

    /// Reads free words; what they were read as then waits to be confirmed. The open question stays open.
    pub fn tell(
        &mut self,
        home: &mut Home,
        listener: &Listener,
        words: &str,
        now: Timestamp,
    ) -> Result<ConfirmView, SessionError> {
        let rows = listener.read(words)?;
        self.leave_readings(home, now)?;
        self.telling = Some(Telling::begin(home, self.origin()?, words, rows, listener.reader(), now)?);
        self.reading().ok_or(SessionError::NothingAsked)
    }

    /// The reading that waits for an answer.
    pub fn reading(&self) -> Option<ConfirmView> {
        let open = self.telling.as_ref()?.open()?;
        let sentence = |row| words::sentence(row, |id| self.name(id));
        Some(ConfirmView {
            text: format!("{}: right?", sentence(&open.row)),
            others: open.others.iter().map(sentence).collect(),
        })
    }

    /// Takes the answer to the open reading; says what moved, if anything did.
    pub fn answer_reading(
        &mut self,
        home: &mut Home,
        answer: ToReading,
        now: Timestamp,
    ) -> Result<Option<MovedView>, SessionError> {
        let before = self.values(home)?;
        let telling = self.telling.as_mut().ok_or(SessionError::NothingAsked)?;
        let row = telling.open().map(|r| r.row.clone()).ok_or(SessionError::NothingAsked)?;
        let row = if let ToReading::Correct(to) = &answer { to.clone() } else { row };
        let evidence = telling.answer(home, answer, now)?;
        if telling.open().is_none() {
            self.telling = None;
        }
        let Some(seq) = evidence else { return Ok(None) };
        self.given.push(Given { seq, question: None, open: None, predicted_ln: None });
        let said = words::sentence(&row, |id| self.name(id));
        self.moved(home, seq, said, None, &before).map(Some)
    }

    /// Another reading of the open words: the one at this place among those shown beside it.
    pub fn other_reading(&self, index: usize) -> Result<ToReading, SessionError> {
        let open = self.telling.as_ref().and_then(Telling::open).ok_or(SessionError::NothingAsked)?;
        let row = open.others.get(index).cloned();
        let alternatives = open.others.len();
        row.map(ToReading::Correct).ok_or(SessionError::NoSuchAlternative { chosen: index + 1, alternatives })
    }

    /// What was meant, in structured words, instead of the open reading.
    pub fn corrected_reading(&self, home: &Home, words: &str) -> Result<ToReading, SessionError> {
        Ok(ToReading::Correct(structured(words, &self.named_values(home))?))
    }

    /// Nothing is concluded from readings that nobody confirmed.
    pub fn leave_readings(&mut self, home: &mut Home, now: Timestamp) -> Result<(), SessionError> {
        while self.telling.is_some() {
            self.answer_reading(home, ToReading::Leave, now)?;
        }
        Ok(())
    }

    fn named_values(&self, home: &Home) -> Vec<NamedValue> {
        let values = home.state().epoch().map(|e| e.layout.values().to_vec()).unwrap_or_default();
        values.iter().map(|v| NamedValue { id: v.to_string(), name: self.name(v.as_str()) }).collect()
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
        self.given.push(Given { seq, question, open: None, predicted_ln });
        self.record_belief(home, now)?;
        self.moved(home, seq, said, predicted, &before)
    }

    /// Withdraws the last evidence of this sitting. Belief is then, bit for bit, that of a log which never had it.
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
        self.moved(home, seq, format!("undone: record {}", last.seq), None, &before)
    }

    /// Passes over the open question; that is recorded and is no evidence.
    pub fn skip(&mut self, home: &mut Home, now: Timestamp) -> Result<(), SessionError> {
        let open = self.open.as_ref().ok_or(SessionError::NothingAsked)?;
        let skipped = QuestionSkipped { person: self.person.clone(), question: open.item.id };
        home.append(now, Record::QuestionSkipped(skipped))?;
        self.skipped.insert(open.item.id);
        self.open = None;
        Ok(())
    }

    /// Why the open question was chosen.
    pub fn why(&self, home: &Home) -> Result<WhyView, SessionError> {
        let open = self.open.as_ref().ok_or(SessionError::NothingAsked)?;
        let belief = home.state().belief(&self.person)?;
        let values = if open.item.kind == QuestionKind::Choice && open.shown.len() == 2 {
            let difference = home.state().difference(&open.shown[0], &open.shown[1])?;
            let mut parts = self.contributions(home, &belief, &difference);
            parts.truncate(WHY_MAX);
            parts
        } else {
            Vec::new()
        };
        // On the screen "no preference" stands between the two.
        let mut predicted = open.predicted.clone();
        if open.item.kind == QuestionKind::Choice && open.shown.len() == 2 && predicted.len() == 3 {
            predicted.swap(1, 2);
        }
        if open.item.kind == QuestionKind::BestAndWorst {
            predicted = predicted.chunks(open.shown.len() - 1).map(|worst| worst.iter().sum()).collect();
        }
        let undecided =
            values.iter().filter(|c| c.sd > c.contribution.abs()).map(|c| c.name.clone()).take(3).collect::<Vec<_>>();
        let about = if undecided.is_empty() { "how consistent your answers are".into() } else { undecided.join(", ") };
        let answers = predicted.len();
        let text = format!(
            "Of {} questions that could be asked, your answer to this one is expected to teach the most ({:.2} nats; \
             complete surprise among its {answers} answers would be {:.2}): it turns on {about}.",
            open.candidates,
            open.gain_nats,
            (answers.max(1) as f64).ln()
        );
        Ok(WhyView { text, gain_nats: open.gain_nats, predicted, values, candidates: open.candidates })
    }

    /// Contributions of the features to a utility difference, largest first.
    fn contributions(&self, home: &Home, belief: &Mixture, difference: &[f64]) -> Vec<Contribution> {
        views::contributions(home.state(), belief, difference, |feature| self.name(feature))
    }

    /// The values as now believed, beside what was believed before this person's first evidence.
    pub fn values(&mut self, home: &Home) -> Result<ValuesView, SessionError> {
        let state = home.state();
        let Some(epoch) = state.epoch() else { return Ok(ValuesView::default()) };
        let (belief, prior) = (state.belief(&self.person)?, state.prior_belief(&self.person)?);
        let (now, before) = (Hash(belief.digest()), Hash(prior.digest()));
        if let (Some((of, view)), Some((beside, _))) = (&self.shown, &self.prior)
            && (*of, *beside) == (now, before)
        {
            return Ok(view.clone());
        }
        let contrasts = if self.options.rough_values { Contrasts::roughly } else { Contrasts::of };
        if self.prior.as_ref().is_none_or(|(of, _)| *of != before) {
            self.prior = Some((before, contrasts(&epoch.layout, &prior)));
        }
        let prior = self.prior.as_ref().map(|(_, prior)| prior).cloned().unwrap_or_default();
        let now_believed = contrasts(&epoch.layout, &belief);
        let view = views::values_beside(&epoch.layout, &belief, now_believed, &prior, |id| self.name(id));
        self.shown = Some((now, view.clone()));
        Ok(view)
    }

    /// Who sits down, and what is believed so far.
    pub fn opened(&mut self, home: &Home) -> Result<OpenedView, SessionError> {
        Ok(OpenedView {
            name: self.person.to_string(),
            values: self.values(home)?,
            person: views::person(home.state(), &self.person)?,
        })
    }

    /// Ends the sitting.
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

    /// How many answers to questions this sitting has given that still count. Statements about what matters are no answers.
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
        let person = views::person(home.state(), &self.person)?;
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

/// A statement of importance in structured words, as a row.
pub fn structured(words: &str, values: &[NamedValue]) -> Result<ReadRow, SessionError> {
    let statement = Importance::parse(words, values)?;
    let value = |id: &Option<String>| id.as_deref().map(ValueId::new).transpose();
    Ok(ReadRow {
        more: value(&statement.more)?,
        less: value(&statement.less)?,
        strength: statement.strength,
        conditions: Vec::new(),
    })
}

/// Records alternatives that the log does not have yet: few of them one by one, many in one write.
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
