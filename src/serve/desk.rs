//! The desk of a served home: one thread owns the home and its lock and does one piece of work after another, so everybody's
//! records stand in one order and nobody waits for a lock. Handlers hand it closures and await what these return.
//!
//! Nobody hears what came of their work before its records are on the disk. The desk does not wait for that: it goes on, and another
//! thread syncs ([`super::syncing`]), one sync for all that was written meanwhile. A front end's desk waits for the stream instead.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use credence_agent::askable::Askable;
use credence_agent::instrument::Effort;
use credence_agent::live::step;
use credence_agent::protocol::{ConfirmView, MovedView, QuestionView, Said, Shown, SummaryView, WhyView};
use credence_agent::session::{Session, SessionError, SessionOptions};
use credence_agent::words::Listener;
use credence_cluster::front::Front;
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{ID_BYTES_MAX, PersonId, Seq, SessionId};
use credence_memory::layout::Layout;
use credence_memory::log::{End, LogError};
use credence_memory::record::{Record, Retracted};
use credence_memory::state::{Illegal, StateError};
pub(super) use credence_priors::error_chain as chain;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::access::Caller;
use super::done::{Done, Key};
use super::problem::Problem;
use super::syncing::{Heard, Syncing};

/// Work that waits, at most; more is refused with a word to come again.
const WAITING_MAX: usize = 4096;
/// Bytes of a person's name, at most, for a session to be named after: its first record's number follows a hyphen.
const NAME_BYTES_MAX: usize = ID_BYTES_MAX - 1 - 20;
/// Sessions held in memory, at most: the one that was used least lately is let go, and taken up from the log when it goes on.
const HELD_MAX: usize = 10_000;

/// What a piece of work finds at the desk.
pub(crate) struct Desk {
    /// The home.
    pub(crate) home: Home,
    /// What is asked.
    pub(crate) askable: Arc<Askable>,
    listener: Listener,
    names: BTreeMap<String, String>,
    done: Done,
    held: BTreeMap<SessionId, Held>,
    /// Counts uses, to tell which session was used least lately.
    uses: u64,
}

struct Held {
    session: Session,
    /// What moved last, or was said last.
    last: Option<Shown>,
    used: u64,
}

/// Where a session stands: what is shown to the person now.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Turn {
    /// The session.
    #[schema(value_type = String)]
    pub(crate) session: SessionId,
    /// Whose it is.
    #[schema(value_type = String)]
    pub(crate) person: PersonId,
    /// Answers given in it that count.
    pub(crate) answers: usize,
    /// The open question; none while a reading waits, and none at the end.
    pub(crate) question: Option<QuestionView>,
    /// A reading of the person's words that waits for a yes or a no. It comes before the question.
    pub(crate) confirm: Option<ConfirmView>,
    /// What the last evidence moved.
    pub(crate) moved: Option<MovedView>,
    /// What there is to say besides; `problem` says that what came last could not be used.
    pub(crate) notice: Option<String>,
    /// Why what came last could not be used; nothing was recorded.
    pub(crate) problem: Option<String>,
    /// The end of the session.
    pub(crate) ended: Option<SummaryView>,
}

impl Turn {
    fn new(session: &SessionId, person: PersonId) -> Self {
        let (question, confirm, moved, notice, problem, ended) = (None, None, None, None, None, None);
        Self { session: session.clone(), person, answers: 0, question, confirm, moved, notice, problem, ended }
    }
}

/// Work, and whom to tell what came of it once that is safe.
type Work = Box<dyn FnOnce(&mut Desk) -> Heard + Send>;

/// What has a record before anybody hears of it.
pub(crate) enum Keeps {
    /// The disk.
    Disk,
    /// The stream of a shard.
    Stream(Box<Front>),
}

/// The desk's thread, and why it ended before it was to.
pub(crate) type Ends = std::thread::JoinHandle<Result<(), String>>;

/// The way to the desk, for any number of handlers.
#[derive(Clone)]
pub(crate) struct DeskHandle {
    work: mpsc::Sender<Work>,
    changed: broadcast::Sender<u64>,
}

impl DeskHandle {
    /// Starts the desk's thread. It ends, with everything on the disk, when the last handle is gone; `on_end` is called when it
    /// ends, in order or not.
    pub(crate) fn start(
        home: Home,
        keeps: Keeps,
        done: Done,
        askable: Arc<Askable>,
        listener: Listener,
        names: BTreeMap<String, String>,
        on_end: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<(Self, Ends)> {
        let (work, mut waiting) = mpsc::channel::<Work>(WAITING_MAX);
        let (changed, _) = broadcast::channel(64);
        let handle = Self { work, changed: changed.clone() };
        let mut desk = Desk { home, askable, listener, names, done, held: BTreeMap::new(), uses: 0 };
        desk.home.write_ahead();
        let mut front = match keeps {
            Keeps::Stream(front) => front,
            Keeps::Disk => return Self::on_disk(handle, desk, waiting, on_end),
        };
        // Whatever comes from the stream is folded when there is work, and this is work; it does not keep the desk from ending.
        let work = handle.work.downgrade();
        front.listen(move || {
            if let Some(work) = work.upgrade() {
                let nothing: Work = Box::new(|_| Box::new(|_| ()));
                let _ = work.try_send(nothing);
            }
        });
        let thread = std::thread::Builder::new().name("desk".into()).spawn(move || {
            let _told = OnEnd(Some(on_end));
            while let Some(work) = waiting.blocking_recv() {
                if let Err(error) = desk.over_stream(&mut front, &changed, work) {
                    return Err(format!("this front end cannot go on, and stops: {}", chain(&*error)));
                }
            }
            Ok(())
        })?;
        Ok((handle, thread))
    }

    fn on_disk(
        handle: Self,
        mut desk: Desk,
        mut waiting: mpsc::Receiver<Work>,
        on_end: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<(Self, Ends)> {
        let syncing = Syncing::start(handle.changed.clone())?;
        let thread = std::thread::Builder::new().name("desk".into()).spawn(move || {
            let _told = OnEnd(Some(on_end));
            let mut ended = Ok(());
            while let Some(work) = waiting.blocking_recv() {
                if let Err(error) = desk.settle(&syncing) {
                    ended =
                        Err(format!("the log cannot be relied on any more, so the service stops: {}", chain(&error)));
                    break;
                }
                let heard = work(&mut desk);
                syncing.tell(desk.home.unsynced(), heard);
            }
            // What was written is synced, and everybody told, before the home is closed.
            if let Err(error) = desk.take_note(syncing.end()) {
                tracing::error!("what could not be synced could not be taken back either: {}", chain(&error));
            }
            ended
        })?;
        Ok((handle, thread))
    }

    /// Has something done at the desk.
    ///
    /// # Errors
    /// Too much waits already, or the desk has ended.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (send, result) = oneshot::channel();
        let work: Work = Box::new(move |desk| {
            let result = work(desk);
            Box::new(move |safe: Result<(), Problem>| drop(send.send(safe.map(|()| result))))
        });
        self.work.try_send(work).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Problem::busy(),
            mpsc::error::TrySendError::Closed(_) => Problem::stopping(),
        })?;
        result.await.map_err(|_| Problem::failed("the service had to give this up; nothing was acknowledged"))?
    }

    /// The number of the last record, whenever there are new ones.
    pub(crate) fn changes(&self) -> broadcast::Receiver<u64> {
        self.changed.subscribe()
    }
}

struct OnEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnEnd<F> {
    fn drop(&mut self) {
        if let Some(on_end) = self.0.take() {
            on_end();
        }
    }
}

impl Desk {
    /// Takes note of what was synced meanwhile. What could not be is taken back: nobody was told of it.
    fn settle(&mut self, syncing: &Syncing) -> Result<(), HomeError> {
        self.take_note(syncing.found()).map(|was_taken_back| {
            if was_taken_back {
                syncing.taken_back();
            }
        })
    }

    fn take_note(&mut self, (safe, failed): (Option<End>, Option<String>)) -> Result<bool, HomeError> {
        if let Some(end) = safe {
            self.home.known_safe(end);
        }
        let Some(why) = failed else { return Ok(false) };
        tracing::warn!("what was written last could not be synced and is taken back: {why}");
        self.held.clear();
        self.home.take_back(io::Error::other(why))?;
        self.done.forget_after(self.home.head().0);
        Ok(true)
    }

    /// Does a piece of work on what the stream has, and tells of it once the stream has what came of it.
    fn over_stream(
        &mut self,
        front: &mut Front,
        changed: &broadcast::Sender<u64>,
        work: Work,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let came = front.catch_up(&mut self.home)?;
        if came.of_all {
            self.held.clear();
        }
        if came.erased {
            // What was given for a key may have words of theirs.
            self.done.forget_all();
        }
        came.people.iter().for_each(|person| self.forget_sessions_of(person));
        self.home.hold()?;
        let heard = work(self);
        let told = match front.publish(&mut self.home) {
            Ok(is_new) => {
                if is_new || came.messages > 0 {
                    drop(changed.send(self.home.head().0.0));
                }
                Ok(())
            }
            Err(error) => {
                // What they hold may rest on records that are not there.
                self.held.clear();
                self.home.let_go()?;
                self.done.forget_after(self.home.head().0);
                Err(error.into())
            }
        };
        heard(told);
        Ok(())
    }

    /// Does a write, or gives what it gave when it was sent before with the same key. With a key its records go into the log together.
    pub(crate) fn once<T: Serialize + DeserializeOwned>(
        &mut self,
        key: Option<Key>,
        work: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let Some(key) = key else { return work(self) };
        if let Some(gave) = self.done.gave(key)? {
            return Ok(gave);
        }
        self.home.hold()?;
        let before = self.home.head();
        let worked = work(self);
        if worked.is_ok() && self.home.head() == before {
            // Nothing was written, so it is done again where it is sent again.
            self.home.let_go()?;
            return worked;
        }
        let ended = self.done.end(&mut self.home, key, worked);
        if ended.is_err() {
            // What they hold may rest on records that are not there.
            self.held.clear();
        }
        ended
    }

    /// What a write gave that was sent before with this key.
    ///
    /// # Errors
    /// The key came with another request.
    pub(crate) fn gave<T: DeserializeOwned>(&self, key: Option<Key>) -> Result<Option<T>, Problem> {
        key.map_or(Ok(None), |key| self.done.gave(key))
    }

    /// Begins a person's session, or goes on with the one that is not over.
    pub(crate) fn sit_down(&mut self, person: &PersonId, source: &str, now: Timestamp) -> Result<Turn, Problem> {
        let id = match self.open_session(person) {
            Some(id) => id,
            None => {
                if person.as_str().len() > NAME_BYTES_MAX {
                    return Err(Problem::unusable(format!(
                        "a session is named after its person, whose name has at most {NAME_BYTES_MAX} bytes"
                    )));
                }
                let options = self.options(source, now.as_millisecond().unsigned_abs());
                let session = Session::begin(&mut self.home, person.clone(), Arc::clone(&self.askable), options, now)?;
                let id = session.id().clone();
                self.keep(id.clone(), session);
                id
            }
        };
        self.turn(&id, now)
    }

    /// A person's session that is not over.
    pub(crate) fn open_session(&self, person: &PersonId) -> Option<SessionId> {
        let sessions = self.home.state().sessions().iter();
        let open = sessions.filter(|(_, s)| s.ended.is_none() && s.started.person == *person);
        // The latest: its name ends in the number of its first record.
        let begun = |id: &SessionId| id.as_str().rsplit('-').next().and_then(|n| n.parse::<u64>().ok());
        open.map(|(id, _)| id.clone()).max_by_key(begun)
    }

    /// Where a session stands; asks the next question if none is open, and ends it where none is left.
    pub(crate) fn turn(&mut self, id: &SessionId, now: Timestamp) -> Result<Turn, Problem> {
        let mut turn = self.stands(id, now)?;
        let Some(held) = self.held.get_mut(id) else { return Err(Problem::no_such("session", id)) };
        let enough = held.session.has_enough(now);
        if turn.question.is_none() && enough.is_none() {
            turn.question = held.session.next_question(&mut self.home, now)?;
        }
        if turn.question.is_none() && turn.confirm.is_none() {
            let reason = enough.unwrap_or("no question is left");
            turn.ended = Some(self.end(id, reason, now)?);
        }
        Ok(turn)
    }

    /// Where a session stands, and nothing is written: there may be no open question, where the next one was not asked yet.
    pub(crate) fn stands(&mut self, id: &SessionId, now: Timestamp) -> Result<Turn, Problem> {
        self.take_up(id)?;
        let Some(held) = self.held.get_mut(id) else { return Err(Problem::no_such("session", id)) };
        let session = &mut held.session;
        let confirm = session.reading();
        let question = if session.has_enough(now).is_none() { session.question(&self.home) } else { None };
        let answers = session.answers();
        let mut turn = Turn { answers, question, confirm, ..Turn::new(id, session.person().clone()) };
        // It stays until something else is said: a page that is loaded again shows the same.
        match held.last.clone() {
            Some(Shown::Moved(moved)) => turn.moved = Some(moved),
            Some(Shown::Notice { text }) => turn.notice = Some(text),
            Some(Shown::Problem { text }) => turn.problem = Some(text),
            _ => {}
        }
        Ok(turn)
    }

    /// Takes what a person says, once where it is sent again with the same key; then it is told where the session stands.
    pub(crate) fn say_once(
        &mut self,
        key: Option<Key>,
        id: &SessionId,
        number: Option<usize>,
        said: Said,
        now: Timestamp,
    ) -> Result<Turn, Problem> {
        let mut turn = None;
        self.once(key, |desk| {
            turn = Some(desk.say(id, number, said, now)?);
            Ok(())
        })?;
        turn.map_or_else(|| self.turn(id, now), Ok)
    }

    /// Takes what a person says to the question of this number. What was said before to an earlier one is not taken again: the turn
    /// is told as it is, so that a client may send an answer once more when it does not know what became of it.
    pub(crate) fn say(
        &mut self,
        id: &SessionId,
        number: Option<usize>,
        said: Said,
        now: Timestamp,
    ) -> Result<Turn, Problem> {
        self.take_up(id)?;
        let Some(held) = self.held.get_mut(id) else { return Err(Problem::no_such("session", id)) };
        if said == Said::Stop {
            let person = held.session.person().clone();
            let ended = self.end(id, "stopped", now)?;
            return Ok(Turn { answers: ended.answers, ended: Some(ended), ..Turn::new(id, person) });
        }
        if number.is_some() && held.session.question(&self.home).is_none() && held.session.reading().is_none() {
            // A service that ended between an answer and the next question: what is answered is known by the question that follows.
            let turn = self.turn(id, now)?;
            if turn.ended.is_some() {
                return Ok(turn);
            }
        }
        let Some(held) = self.held.get_mut(id) else { return Err(Problem::no_such("session", id)) };
        let open = held.session.question(&self.home).map(|q| q.number);
        if let (Some(number), Some(open)) = (number, open) {
            if number < open {
                let mut turn = self.turn(id, now)?;
                turn.notice = Some("that question is answered already; this is the one that is open".into());
                return Ok(turn);
            }
            if number > open {
                return Err(Problem::conflict(format!("question {number} was not asked yet: {open} is open")));
            }
        }
        let answers = held.session.answers();
        match step(&mut self.home, &mut held.session, &self.listener, said, now) {
            Ok(shown) => held.last = shown,
            Err(error) => {
                // Part of it may stand in the log: whoever sends it again meets a session that is taken up from there.
                self.held.remove(id);
                return Err(error.into());
            }
        }
        let (answered, person) = (held.session.answers(), held.session.person().clone());
        let turn = self.turn(id, now);
        if turn.is_err() {
            self.held.remove(id);
        }
        match turn {
            Err(problem) if matches!(problem.code, "disk" | "log-changed") && answered > answers => {
                let said = format!("the answer is recorded, the next question is not: {}", problem.detail);
                Ok(Turn { answers: answered, problem: Some(said), ..Turn::new(id, person) })
            }
            turn => turn,
        }
    }

    /// Why the open question was chosen.
    pub(crate) fn why(&mut self, id: &SessionId) -> Result<WhyView, Problem> {
        self.take_up(id)?;
        let Some(held) = self.held.get(id) else { return Err(Problem::no_such("session", id)) };
        Ok(held.session.why(&self.home)?)
    }

    /// That a session is theirs to see and to go on with.
    pub(crate) fn must_be_theirs(&self, caller: &Caller, id: &SessionId) -> Result<(), Problem> {
        match self.whose(id) {
            Some(person) => caller.must_be(&person),
            // Whether there is one is not theirs to know.
            None if caller.sees_everybody() => Err(Problem::no_such("session", id)),
            None => Err(Problem::forbidden("a participant sees their own session and values only")),
        }
    }

    /// Whose a session is.
    pub(crate) fn whose(&self, id: &SessionId) -> Option<PersonId> {
        self.home.state().sessions().get(id).map(|s| s.started.person.clone())
    }

    /// Ends a session.
    fn end(&mut self, id: &SessionId, reason: &str, now: Timestamp) -> Result<SummaryView, Problem> {
        let Some(mut held) = self.held.remove(id) else { return Err(Problem::no_such("session", id)) };
        let ended = held.session.end(&mut self.home, reason, now)?;
        self.home.keep(held.session.person());
        Ok(ended)
    }

    /// What belief is about, unless the log is empty.
    pub(crate) fn layout(&self) -> Option<Arc<Layout>> {
        self.home.state().epoch().map(|epoch| Arc::clone(&epoch.layout))
    }

    /// Names of values for people, by id.
    pub(crate) fn names(&self) -> &BTreeMap<String, String> {
        &self.names
    }

    /// Withdraws a record.
    pub(crate) fn retract(&mut self, target: Seq, reason: String, now: Timestamp) -> Result<Seq, Problem> {
        let (entry, _) = self.home.append(now, Record::Retracted(Retracted { target, reason }))?;
        // Sessions hold what counts: they are taken up anew from the log.
        self.held.clear();
        Ok(entry.seq)
    }

    /// Lets go of a person's sessions, after evidence that came by another way: they are taken up anew from the log.
    pub(crate) fn forget_sessions_of(&mut self, person: &PersonId) {
        self.held.retain(|_, held| held.session.person() != person);
    }

    fn options(&self, source: &str, seed: u64) -> SessionOptions {
        let names = self.names.clone();
        SessionOptions { source: source.to_owned(), seed, names, effort: Effort::Quick, ..SessionOptions::default() }
    }

    /// Takes a session up from the log, if it is not at hand.
    fn take_up(&mut self, id: &SessionId) -> Result<(), Problem> {
        self.uses += 1;
        if let Some(held) = self.held.get_mut(id) {
            held.used = self.uses;
            return Ok(());
        }
        let Some(started) = self.home.state().sessions().get(id) else { return Err(Problem::no_such("session", id)) };
        if started.ended.is_some() {
            return Err(Problem::gone("this session is over; begin another one"));
        }
        let (person, seed) = (started.started.person.clone(), started.started.seed);
        self.home.believe(&person)?;
        let options = self.options("web", seed);
        match Session::resume(&self.home, id, Arc::clone(&self.askable), options)? {
            Some(session) => self.keep(id.clone(), session),
            None => return Err(Problem::no_such("session", id)),
        }
        Ok(())
    }

    fn keep(&mut self, id: SessionId, session: Session) {
        if self.held.len() >= HELD_MAX {
            let oldest = self.held.iter().min_by_key(|(_, s)| s.used).map(|(id, _)| id.clone());
            oldest.map(|id| self.held.remove(&id));
        }
        self.uses += 1;
        self.held.insert(id, Held { session, last: None, used: self.uses });
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Home(error) => error.into(),
            SessionError::State(error) => error.into(),
            error if error.is_the_persons() => Self::unusable(chain(&error)),
            error => Self::failed(chain(&error)),
        }
    }
}

impl From<HomeError> for Problem {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::State(error) => error.into(),
            error @ HomeError::Fed { .. } => Self::conflict(chain(&error)),
            HomeError::Log(LogError::Changed { how }) => Self::changed(chain(&error), how.loses_records()),
            // The log could not be written: nothing was acknowledged, and what was before stands.
            error @ (HomeError::Log(_) | HomeError::Files { .. }) => Self::disk(chain(&error)),
            error => Self::failed(chain(&error)),
        }
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Illegal { source: Illegal::SessionOver(_), .. } => {
                Self::gone("this session is over; begin another one")
            }
            error @ StateError::Illegal { .. } => Self::conflict(chain(&error)),
            error => Self::failed(chain(&error)),
        }
    }
}
