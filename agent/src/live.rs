//! A session in real time: a person on one side, background reading on the other, and Ctrl-C at any moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use credence_memory::home::Home;
use credence_memory::ids::PersonId;
use credence_memory::record::{AlternativeDescribed, JudgementsRead, Record};
use credence_priors::{Cancel, error_chain};
use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::askable::Askable;
use crate::bank::{Bank, BankQuestion};
use crate::beside::Beside;
use crate::knowledge::Knowledge;
use crate::opening::{GenerationSource, OpenHome, Opening, OpeningError};
use crate::protocol::{Progress, QuestionView, Said, Shown, SummaryView};
use crate::reader::{ReadBefore, Reader};
use crate::session::{Answer, Session, SessionError, SessionOptions};
use crate::words::rate::ReadingRate;
use crate::words::telling::ToReading;
use crate::words::{self, Listener};

/// The person's side.
#[derive(Debug)]
pub struct Front {
    /// What is shown to them. A closed channel means that they are gone.
    pub shown: Sender<Shown>,
    /// What they say. A closed channel means the same as [`Said::Stop`].
    pub said: UnboundedReceiver<Said>,
}

impl Front {
    fn show(&self, shown: Shown) {
        // A person's side that has gone is noticed when it says nothing more.
        let _ = self.shown.send(shown);
    }
}

enum Read {
    Described(Vec<AlternativeDescribed>),
    Judged(JudgementsRead),
    Progress(Progress),
    Failed(String),
}

/// Runs a session from its first record to its summary.
///
/// `clock` is asked once for each record.
///
/// # Errors
/// The home cannot be opened or prepared, or would not take a record. What the person can say otherwise is told to the front end and
/// ends nothing.
pub async fn run(
    root: &Path,
    person: PersonId,
    bank: &Bank,
    options: SessionOptions,
    opening: &Opening,
    mut front: Front,
    clock: impl Fn() -> Timestamp,
) -> Result<SummaryView, OpeningError> {
    let shown = front.shown.clone();
    let OpenHome { mut home, reader, notices } =
        in_place(|| opening.open(root, clock(), &mut |progress| drop(shown.send(Shown::Progress(progress)))))?;
    let home = &mut home;
    for text in notices {
        front.show(Shown::Notice { text });
    }
    let askable = Arc::new(Askable::new(bank.clone(), home.state()).map_err(SessionError::from)?);
    let mut session = Session::begin(home, person, askable, options, clock())?;
    front.show(Shown::Opened(session.opened(home)?));
    let cancel = Cancel::default();
    // Training reads features in the model's own units.
    let in_key_points = home.state().elicited().is_some_and(|prior| prior.in_key_points());
    let learning = opening.learning.clone().filter(|_| !in_key_points);
    let (mut beside, notices) = Beside::start(home, learning, clock());
    for text in notices {
        front.show(Shown::Notice { text });
    }
    let mut background = Background::start(home, bank, opening, reader, cancel.clone());
    let listener = Listener::new(&opening.schema, words::Reader::default(), opening.load.clone());
    let reason = converse(home, &mut session, &listener, &mut front, &mut background, &mut beside, &clock).await?;
    cancel.cancel();
    beside.stop();
    let summary = session.end(home, &reason, clock())?;
    home.checkpoint();
    front.show(Shown::Summary(summary.clone()));
    Ok(summary)
}

/// Runs what takes long. Where the runtime has another thread the other side goes on listening.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

async fn converse(
    home: &mut Home,
    session: &mut Session,
    listener: &Listener,
    front: &mut Front,
    background: &mut Background,
    beside: &mut Beside,
    clock: &impl Fn() -> Timestamp,
) -> Result<String, SessionError> {
    let mut asked: Option<QuestionView> = None;
    // Whether the person is owed the question that stands: after every turn but "why" and "values".
    let mut owed = true;
    loop {
        beside.hold();
        if let Some(reason) = session.has_enough(clock()) {
            return Ok(reason.into());
        }
        if !session.is_open() {
            asked = session.next_question(home, clock())?;
            owed = true;
            if asked.is_none() && !background.is_reading() {
                return Ok("no question is left".into());
            }
        }
        if owed && let Some(reading) = session.reading() {
            front.show(Shown::Confirm(reading));
            owed = false;
        }
        if let Some(question) = asked.as_ref().filter(|_| owed) {
            front.show(Shown::Question(question.clone()));
            owed = false;
        }
        beside.go_on();
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => return Ok("interrupted by the person".into()),
            said = front.said.recv() => match said {
                None => return Ok("nothing more was said".into()),
                Some(Said::Stop) => return Ok("stopped".into()),
                Some(said) => {
                    beside.hold();
                    owed = !matches!(said, Said::Why | Said::Values);
                    if let Some(shown) = step(home, session, listener, said, clock())? {
                        owed &= !matches!(shown, Shown::Problem { .. });
                        front.show(shown);
                    }
                }
            },
            read = background.next() => match read {
                Read::Described(described) => session.take_described(home, described, clock())?,
                Read::Judged(judged) => {
                    home.append(clock(), Record::JudgementsRead(judged))?;
                }
                Read::Progress(progress) => front.show(Shown::Progress(progress)),
                Read::Failed(text) => front.show(Shown::Problem { text }),
            },
            trained = beside.ended() => {
                let text = match trained.and_then(|()| beside.take_up(home, clock())) {
                    Ok(text) => text,
                    Err(why) => Some(format!("training in the background failed, nothing else changed: {why}")),
                };
                if let Some(text) = text {
                    front.show(Shown::Notice { text });
                }
            },
        }
    }
}

/// One thing said, and what to show for it; nothing where a reading of words, which is open now, is the answer. What cannot be used
/// is shown as a problem and ends nothing.
///
/// # Errors
/// The home, the state or belief failed.
pub fn step(
    home: &mut Home,
    session: &mut Session,
    listener: &Listener,
    said: Said,
    now: Timestamp,
) -> Result<Option<Shown>, SessionError> {
    let result = if session.reading().is_some() {
        step_of_reading(home, session, said, now)
    } else {
        step_of_question(home, session, listener, said, now)
    };
    match result {
        Ok(shown) => Ok(shown),
        Err(error) if error.is_the_persons() => Ok(Some(Shown::Problem { text: error_chain(&error) })),
        Err(error) => Err(error),
    }
}

fn step_of_question(
    home: &mut Home,
    session: &mut Session,
    listener: &Listener,
    said: Said,
    now: Timestamp,
) -> Result<Option<Shown>, SessionError> {
    Ok(Some(match said {
        Said::Choose { index } => Shown::Moved(session.answer(home, Answer::Choose(index), now)?),
        Said::NoPreference => Shown::Moved(session.answer(home, Answer::NoPreference, now)?),
        Said::Rate { level } => Shown::Moved(session.answer(home, Answer::Rate(level), now)?),
        Said::BestAndWorst { best, worst } => {
            Shown::Moved(session.answer(home, Answer::BestAndWorst(best, worst), now)?)
        }
        Said::Skip => {
            session.skip(home, now)?;
            Shown::Notice { text: "skipped".into() }
        }
        Said::Important { words } => match session.importance(home, &words, now) {
            Err(SessionError::Importance(_)) => {
                // Loading the model and asking it takes a while; the other side goes on listening.
                in_place(|| session.tell(home, listener, &words, now))?;
                match ReadingRate::of(home.state(), listener.reader()).warning() {
                    Some(text) => Shown::Notice { text },
                    None => return Ok(None),
                }
            }
            moved => Shown::Moved(moved?),
        },
        Said::Undo => Shown::Moved(session.undo(home, now)?),
        Said::Why => Shown::Why(session.why(home)?),
        Said::Values => Shown::Values(session.values(home)?),
        Said::Yes | Said::No => Shown::Notice { text: "there is nothing to confirm".into() },
        Said::Stop => return Ok(None),
    }))
}

fn step_of_reading(
    home: &mut Home,
    session: &mut Session,
    said: Said,
    now: Timestamp,
) -> Result<Option<Shown>, SessionError> {
    let answer = match said {
        Said::Yes => ToReading::Confirm,
        Said::No => ToReading::Drop,
        Said::Skip => ToReading::Leave,
        Said::Choose { index } => session.other_reading(index)?,
        Said::Important { words } => session.corrected_reading(home, &words)?,
        Said::Undo => return Ok(Some(Shown::Moved(session.undo(home, now)?))),
        Said::Values => return Ok(Some(Shown::Values(session.values(home)?))),
        Said::NoPreference | Said::Rate { .. } | Said::BestAndWorst { .. } | Said::Why => {
            return Ok(Some(Shown::Problem { text: "the reading comes first: is it right?".into() }));
        }
        Said::Stop => return Ok(None),
    };
    let dropped = Shown::Notice { text: "dropped; nothing is concluded from it".into() };
    Ok(Some(session.answer_reading(home, answer, now)?.map_or(dropped, Shown::Moved)))
}

/// Reading of the bank's alternatives that the log does not describe yet, and of what was described before a generation
/// that is in force now.
struct Background {
    read: UnboundedReceiver<Read>,
    finished: bool,
}

impl Background {
    fn start(home: &Home, bank: &Bank, opening: &Opening, reader: Option<Reader>, cancel: Cancel) -> Self {
        let (send, read) = unbounded_channel();
        // What is keyed needs no reading.
        let keyed = home.state().elicited().is_some_and(|prior| prior.in_key_points());
        let missing: Vec<BankQuestion> = bank
            .questions
            .iter()
            .filter(|q| !(keyed && q.is_keyed()))
            .filter(|q| !q.alternatives.iter().all(|a| home.state().is_described(&q.situation, &a.text)))
            .cloned()
            .collect();
        let generations = GenerationSource::in_force(home);
        let unjudged: Vec<(u32, Vec<AlternativeDescribed>)> = generations
            .iter()
            .map(|g| (g.number, g.unjudged(home.state())))
            .filter(|(_, described)| !described.is_empty())
            .collect();
        if !missing.is_empty() || !unjudged.is_empty() {
            let (opening, before) = (opening.clone(), ReadBefore::of(home));
            tokio::task::spawn_blocking(move || {
                let reader = match (reader, before) {
                    (Some(reader), _) => Ok(reader),
                    (None, Some(before)) => opening.reader(&before, &generations, &mut |progress| {
                        drop(send.send(Read::Progress(progress)));
                    }),
                    (None, None) => unreachable!("a prepared home has a prior"),
                };
                let failed = match reader {
                    Ok(reader) => read_all(&reader, &missing, &unjudged, &cancel, &send).err().map(|e| error_chain(&e)),
                    Err(error) => Some(error_chain(&error)),
                };
                if let Some(why) = failed.filter(|_| !cancel.is_cancelled()) {
                    let text = format!("questions that were not read yet cannot be asked: {why}");
                    drop(send.send(Read::Failed(text)));
                }
            });
        }
        Self { read, finished: false }
    }

    fn is_reading(&self) -> bool {
        !self.finished
    }

    /// What was read next; waits for ever once nothing more will come.
    async fn next(&mut self) -> Read {
        if !self.finished {
            if let Some(read) = self.read.recv().await {
                return read;
            }
            self.finished = true;
            // One last turn of the loop, so that it notices that nothing more will come.
            return Read::Described(Vec::new());
        }
        std::future::pending().await
    }
}

fn read_all(
    reader: &Reader,
    missing: &[BankQuestion],
    unjudged: &[(u32, Vec<AlternativeDescribed>)],
    cancel: &Cancel,
    send: &UnboundedSender<Read>,
) -> Result<(), crate::reader::ReaderError> {
    let mut reader = reader.background(cancel.clone());
    let progress = |what: &str, done: usize, total: usize| {
        send.send(Read::Progress(Progress { what: what.into(), done: done as u64, total: total as u64 })).is_ok()
    };
    let mut done = 0;
    reader.describe_questions(missing, &mut |described| {
        done += 1;
        send.send(Read::Described(described)).is_ok()
            && progress("reading the question bank", done, missing.len())
            && !cancel.is_cancelled()
    })?;
    for (generation, described) in unjudged {
        let what = format!("reading with generation {generation}");
        let mut told = |done, total| {
            progress(&what, done, total);
        };
        if let Some(judged) = reader.judgements(*generation, described, &mut told)? {
            drop(send.send(Read::Judged(judged)));
        }
    }
    Ok(())
}
