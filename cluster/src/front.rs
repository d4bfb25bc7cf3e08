//! A front end of a shard: it has a home that follows the shard, takes in what people say there, and puts it into the stream.
//!
//! What a piece of work appends waits in the home until the stream has taken it as the very next message after those that the home has.
//! So what is acknowledged follows, in every home of the shard, from exactly what it followed from here, with the same record
//! numbers, and is refused nowhere. Where another front end was first, the work is taken back: it is done again on what is there then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant, SystemTime};

use async_nats::connection::State as Connection;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use credence_memory::ids::{Hash, PersonId};
use credence_memory::log::Entry;
use credence_memory::state::State;
use credence_memory::{Home, Record};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::control;
use crate::evidence::{At, FORM, Message, NameKey, Place, Said, last_message, receive};
use crate::follow::{Delivered, Follow};
use crate::shard::{self, name, subject};
use crate::{ClusterError, Server, refused};

/// How long the stream may take to take something, in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one attempt may take; one after another has the same number, so that the stream has it once.
const ATTEMPT: Duration = Duration::from_millis(1500);

/// Why what was said is not in the stream, or not known to be.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Something else came into the stream first: the work is to be done again.
    #[error("something else came first")]
    Overtaken,
    /// The person is of another shard.
    #[error("it is of slot {slot}, which another shard has")]
    Elsewhere {
        /// The person's slot.
        slot: u32,
        /// The shard that it left for, if it was here.
        to: Option<u32>,
    },
    /// Another shard has just taken the person's slot.
    #[error("the person's slot is being moved to another shard")]
    Moving,
    /// The server was not there: it has nothing of it.
    #[error("the stream's server cannot be reached")]
    Away,
    /// The server took it and did not answer.
    #[error("the stream's server does not answer")]
    Silent,
    /// The stream refuses: it is full, or what was said is too large for it.
    #[error("the stream does not take it: {0}")]
    Refused(String),
    /// The home.
    #[error(transparent)]
    Home(#[from] credence_memory::HomeError),
}

/// What others said, or nobody alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// Messages that were folded.
    pub messages: usize,
    /// Whose they are.
    pub people: Vec<PersonId>,
    /// Whether something came that may be about anybody.
    pub of_all: bool,
    /// Whether somebody was erased: the log is another one since.
    pub erased: bool,
}

/// The slots that a front end's shard has now, for whoever hands requests on.
#[derive(Debug, Clone, Default)]
pub struct Slots(Arc<RwLock<Dealt>>);

#[derive(Debug, Default)]
struct Dealt {
    here: BTreeSet<u32>,
    left: BTreeMap<u32, u32>,
}

impl Slots {
    /// Whether the shard has this one.
    pub fn has(&self, slot: u32) -> bool {
        self.0.read().is_ok_and(|dealt| dealt.here.contains(&slot))
    }

    /// The shard that this one left for, if it was here.
    pub fn left_for(&self, slot: u32) -> Option<u32> {
        self.0.read().ok()?.left.get(&slot).copied()
    }

    /// Slots come and go with the log; those that came may be used from when the stream takes them.
    fn are(&self, dealt: &BTreeSet<u32>, state: &State) {
        let left = state.slots_left();
        // Those of people who have not all come yet are on their way.
        let coming = state.joining().filter(|joining| joining.piece < joining.pieces);
        let is_here =
            |slot: &u32| !left.contains_key(slot) && !coming.is_some_and(|joining| joining.slots.contains(slot));
        let here = dealt.union(state.slots_joined()).copied().filter(is_here).collect();
        if let Ok(mut now) = self.0.write() {
            *now = Dealt { here, left: left.clone() };
        }
    }
}

/// A front end's connection to the server.
#[derive(Clone)]
pub struct Link(async_nats::Client);

impl Link {
    /// Whether the server is there.
    pub fn is_up(&self) -> bool {
        self.0.connection_state() == Connection::Connected
    }
}

/// The shards that there are.
///
/// # Errors
/// No server.
pub fn shards(server: &Server) -> Result<Vec<u32>, ClusterError> {
    let doing = "find the shards";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused(doing))?;
    runtime.block_on(async { control::shards(&server.context().await?).await })
}

/// A front end's way to the stream. It has threads of its own, and is used by the one thread that has the home.
pub struct Front {
    runtime: Runtime,
    context: Context,
    shard: u32,
    /// The slots that the stream took when this began.
    dealt: BTreeSet<u32>,
    slots: Slots,
    key: NameKey,
    /// A name that no other front end has, nor this one when it is started again.
    name: String,
    come: Receiver<Result<Delivered, ClusterError>>,
    follow: Option<(Follow, Sender<Result<Delivered, ClusterError>>)>,
    /// Whether the server was not there when something was put into the stream last: then nobody is kept waiting for it.
    is_away: bool,
}

impl Front {
    /// Opens the home at `root`, or makes it from the copy of the shard's log, and folds what the stream has.
    ///
    /// # Errors
    /// No server; there is no such shard, or no writer ever had it; a home of another log.
    pub fn open(server: &Server, shard: u32, root: &Path) -> Result<(Self, Home), ClusterError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("stream")
            .enable_all()
            .build()
            .map_err(refused("start the threads of the stream"))?;
        let (context, home, follow, dealt) = runtime.block_on(Self::opened(server, shard, root))?;
        let key = NameKey::of(home.state().header().map_or("", |header| &header.log_id));
        let name = format!("{} {} {:?}", root.display(), std::process::id(), SystemTime::now());
        let (give, come) = channel();
        let (slots, follow) = (Slots::default(), Some((follow, give)));
        slots.are(&dealt, home.state());
        Ok((Self { runtime, context, shard, dealt, slots, key, name, come, follow, is_away: false }, home))
    }

    async fn opened(
        server: &Server,
        number: u32,
        root: &Path,
    ) -> Result<(Context, Home, Follow, BTreeSet<u32>), ClusterError> {
        let context = server.context().await?;
        let (dealt, _) = control::slots_of(&context, number).await?;
        let mut is_rebuilt = false;
        loop {
            let (mut home, is_new) = shard::home(&context, number, [], root).await?;
            is_rebuilt |= is_new;
            let last = |home: &Home| last_message(home.state(), number);
            let mut follow = Follow::after(context.clone(), number, home.state());
            follow.confirm().await?;
            let end = follow.end().await?;
            let caught_up = async {
                while last(&home) < end {
                    shard::fold(&mut home, &follow.next(PATIENCE).await?)?;
                }
                Ok(())
            };
            match caught_up.await {
                Ok(()) if end == 0 => {
                    return Err(ClusterError::NoLog { shard: number });
                }
                Ok(()) => return Ok((context, home, follow, dealt)),
                // The stream has not any more what this home missed; the copy has.
                Err(ClusterError::Gap { .. }) if !is_rebuilt => {
                    drop(home);
                    crate::copy::fetch(&context, number, root).await?;
                    is_rebuilt = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Which shard it is of.
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// Its slots, now and later.
    pub fn slots(&self) -> Slots {
        self.slots.clone()
    }

    /// Its connection to the server.
    pub fn link(&self) -> Link {
        Link(self.context.client())
    }

    /// What hashes of names are made with.
    pub fn key(&self) -> &NameKey {
        &self.key
    }

    /// Follows the stream from now on; `news` is called when something came that [`Front::catch_up`] will fold.
    pub fn listen(&mut self, news: impl Fn() + Send + Sync + 'static) {
        let Some((mut follow, give)) = self.follow.take() else { return };
        self.runtime.spawn(async move {
            loop {
                let came = follow.next(Duration::from_secs(1)).await;
                let ends = match came {
                    Ok(batch) if batch.is_empty() => false,
                    Ok(batch) => batch.into_iter().any(|delivered| give.send(Ok(delivered)).is_err()),
                    Err(error @ ClusterError::Stream { .. }) => {
                        tracing::debug!("{error}");
                        tokio::time::sleep(Duration::from_millis(250)).await;
                        continue;
                    }
                    Err(error) => {
                        let _ = give.send(Err(error));
                        true
                    }
                };
                news();
                if ends {
                    return;
                }
            }
        });
    }

    /// Folds what came meanwhile.
    ///
    /// # Errors
    /// A message that a newer program wrote, or one that is not there any more: this front end has to be started again.
    pub fn catch_up(&mut self, home: &mut Home) -> Result<Came, ClusterError> {
        let mut came = Came::default();
        while let Ok(delivered) = self.come.try_recv() {
            let delivered = delivered?;
            let last = last_message(home.state(), self.shard);
            if delivered.at.sequence <= last {
                continue;
            }
            came.messages += 1;
            if let Ok(message) = delivered.read()? {
                came.erased |= message.erase.is_some();
                came.of_all |= message.erase.is_some();
                for said in &message.says {
                    match home.state().whose(&said.record) {
                        Some(person) => came.people.push(person.clone()),
                        None => came.of_all |= !is_description(&said.record),
                    }
                }
            }
            shard::fold(home, std::slice::from_ref(&delivered))?;
        }
        if came.of_all {
            self.slots.are(&self.dealt, home.state());
        }
        Ok(came)
    }

    /// Puts what waits in the home into the stream, and only then into its log. Says whether anything waited.
    ///
    /// # Errors
    /// It is not in the stream, or not known to be: what waits is to be let go.
    pub fn publish(&mut self, home: &mut Home) -> Result<bool, NotTaken> {
        let held = home.held()?;
        if held.is_empty() {
            home.release()?;
            return Ok(false);
        }
        let (last, fence) =
            home.state().message_received(self.shard).map_or((0, 0), |last| (last.sequence, last.fence));
        let (time, after) = (held[0].time, Some(held[0].prev));
        let subject = self.subject(home.state(), &held)?;
        let schema = home.state().header().map_or(Hash::ZERO, |header| header.schema_hash);
        let records = held.len() as u64;
        let says = held.into_iter().map(|Entry { time, record, .. }| Said { time, record }).collect();
        let message = Message { form: FORM, schema, says, lease: None, erase: None, after };
        let bytes = serde_json::to_vec(&message).map_err(|error| NotTaken::Refused(error.to_string()))?;
        let patience = if self.is_away { Duration::ZERO } else { PATIENCE };
        let taken = self.runtime.block_on(self.taken(subject, bytes, last, patience));
        self.is_away = matches!(taken, Err(NotTaken::Away | NotTaken::Silent));
        let sequence = taken?;
        receive(home, At { shard: self.shard, sequence, time }, fence, records, None)?;
        home.release()?;
        Ok(true)
    }

    /// Where it belongs: to the one person whose it is, or to the shard.
    fn subject(&self, state: &State, held: &[Entry]) -> Result<String, NotTaken> {
        let places: BTreeSet<Place> =
            held.iter().filter_map(|entry| Some(self.key.place(state.whose(&entry.record)?))).collect();
        if let Some(Place { slot, .. }) = places.iter().find(|place| !self.slots.has(place.slot)) {
            return Err(NotTaken::Elsewhere { slot: *slot, to: self.slots.left_for(*slot) });
        }
        let mut places = places.into_iter();
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place.subject()),
            _ => Ok(subject(self.shard)),
        }
    }

    /// The number that the stream gave it, which is the one after `last`.
    async fn taken(&self, subject: String, bytes: Vec<u8>, last: u64, patience: Duration) -> Result<u64, NotTaken> {
        // One name for one piece of work of one front end at one place: sent again, the stream has it once.
        let id = blake3::Hasher::new()
            .update(self.name.as_bytes())
            .update(&last.to_le_bytes())
            .update(&bytes)
            .finalize()
            .to_hex()[..32]
            .to_owned();
        let bytes = PublishMessage::build().payload(bytes.into());
        let message = bytes.message_id(&id).expected_last_sequence(last).expected_stream(name(self.shard));
        let since = Instant::now();
        // Whether the server may have got it.
        let mut was_sent = false;
        loop {
            if self.link().is_up() {
                match timeout(ATTEMPT, self.sent(subject.clone(), message.clone())).await {
                    Ok(Ok(sequence)) => return Ok(sequence),
                    Ok(Err(error)) => match error.kind() {
                        PublishErrorKind::WrongLastSequence if was_sent => return self.found(&id, last + 1).await,
                        PublishErrorKind::WrongLastSequence => return Err(NotTaken::Overtaken),
                        PublishErrorKind::MaxPayloadExceeded => return Err(NotTaken::Refused(in_full(&error))),
                        // Nobody listens there: not at this moment, or not any more.
                        PublishErrorKind::StreamNotFound => {}
                        PublishErrorKind::Other if in_full(&error).contains(OTHER_STREAM) => {
                            return Err(NotTaken::Moving);
                        }
                        PublishErrorKind::Other => return Err(NotTaken::Refused(in_full(&error))),
                        _ => was_sent = true,
                    },
                    Err(_) => was_sent = true,
                }
            }
            if since.elapsed() >= patience {
                return Err(if was_sent { NotTaken::Silent } else { NotTaken::Away });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn sent(&self, subject: String, message: PublishMessage) -> Result<u64, PublishError> {
        Ok(self.context.send_publish(subject, message).await?.await?.sequence)
    }

    /// Whether the message of this number is the one with this id: it may have been taken when it was sent before.
    async fn found(&self, id: &str, sequence: u64) -> Result<u64, NotTaken> {
        let look = async {
            let stream = self.context.get_stream_no_info(name(self.shard)).await.ok()?;
            stream.get_raw_message(sequence).await.ok()
        };
        match timeout(ATTEMPT, look).await {
            Ok(Some(message)) => match message.headers.get("Nats-Msg-Id").is_some_and(|found| found.as_str() == id) {
                true => Ok(sequence),
                false => Err(NotTaken::Overtaken),
            },
            _ => Err(NotTaken::Silent),
        }
    }
}

/// What the server says where another stream has the subject.
const OTHER_STREAM: &str = "error code 10060";

/// An error with what the server said.
fn in_full(error: &PublishError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| source.to_string())
}

/// Whether it only says what an act is, which is of nobody and moves nobody's belief.
fn is_description(record: &Record) -> bool {
    matches!(record, Record::AlternativeDescribed(_))
}
