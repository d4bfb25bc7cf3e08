//! The writer of a shard, and publishing to it: the edge to JetStream of what [`crate::evidence`] decides.
//!
//! | stream | subjects | keeps |
//! |---|---|---|
//! | `CREDENCE_SHARD_N` | `credence.people.SLOT.HASH` of its slots; `credence.shard.N` | what people said, and what is of nobody alone, until an operator clears it |
//! | `CREDENCE_LOG_N` | `credence.log.N` | a copy of the log ([`crate::copy`]) |
//! | bucket `credence-leases` | `shard-N` | who writes the shard ([`crate::lease`]) |
//!
//! All who follow a shard fold the same messages to the same bytes. The writer is the one of them who syncs, copies the log and says in
//! the stream, with the number of its lease, that it has the shard; the others stand by, and are as far as it is.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{Context, stream};
use credence_memory::home::Paths;
use credence_memory::ids::{Hash, PersonId};
use credence_memory::{Home, HomeError, Record};
use tokio::time::{Instant, sleep};

use crate::control::{self, Begun, bucket, listed, shards, slots_of};
use crate::copy::{self, Copying, Stand};
use crate::evidence::{At, FORM, Message, NameKey, SLOTS, Said, Taken, last_message, slots, take};
use crate::follow::{Delivered, Follow};
use crate::lease::{self, Candidate, Standing};
use crate::population::Part;
use crate::{ClusterError, Server, not_done, refused};

pub use crate::lease::LEASE;

/// How long one look at the stream waits.
const PATIENCE: Duration = Duration::from_millis(250);
const DOING: &str = "write a shard";
/// How often the log's copy is brought up to date, and how often a lease is said again that does not stand in the stream yet.
const COPIED: Duration = Duration::from_secs(1);

/// A shard, as a writer is told which one is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub number: u32,
    /// Among how many slots are dealt, which the first writer must say.
    pub of: Option<u32>,
}

/// A text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no shard: give it as K/N with 1 <= K <= N <= {SLOTS}, such as 2/8 for the second of eight, or as K where it is there already"
)]
pub struct NotAShard(String);

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let read = match text.split_once('/') {
            Some((k, n)) => number(k).zip(number(n).map(Some)),
            None => number(text).map(|number| (number, None)),
        };
        match read {
            Some((number, of)) if number >= 1 && number <= of.unwrap_or(SLOTS) && of.unwrap_or(1) <= SLOTS => {
                Ok(Self { number, of })
            }
            _ => Err(NotAShard(text.to_owned())),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Some(of) => write!(f, "{}/{of}", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

/// Makes the streams of all shards, and the leases, where they are not there yet.
///
/// # Errors
/// No server, or it refuses.
pub async fn open(server: &Server, of: u32) -> Result<Context, ClusterError> {
    let context = server.context().await?;
    make_streams(&context, server, of).await?;
    Ok(context)
}

async fn make_streams(context: &Context, server: &Server, of: u32) -> Result<(), ClusterError> {
    // Slots that were moved stay where they are.
    let mut taken = BTreeSet::new();
    for number in shards(context).await? {
        taken.extend(slots_of(context, number).await?.0);
    }
    for number in 1..=of {
        let free = slots(number, of).filter(|slot| !taken.contains(slot));
        let of_people = free.map(|slot| format!("credence.people.{slot}.*"));
        let config = stream::Config {
            name: name(number),
            subjects: of_people.chain([subject(number)]).collect(),
            num_replicas: server.replicas,
            // A full stream refuses what is new, and forgets nothing.
            discard: stream::DiscardPolicy::New,
            ..Default::default()
        };
        crate::made(context, config, "open the stream of a shard").await?;
        copy::open(context, server, number).await?;
    }
    lease::open(context, server).await
}

/// The stream of a shard.
pub(crate) fn name(number: u32) -> String {
    format!("CREDENCE_SHARD_{number}")
}

/// The subject of what is of nobody alone.
pub fn subject(number: u32) -> String {
    format!("credence.shard.{number}")
}

/// Publishes what a person said; returns when the stream has it. Sent again with the same `id` it is there once.
///
/// # Errors
/// The stream is full, away, or refuses: nothing was acknowledged.
pub async fn publish(
    context: &Context,
    key: &NameKey,
    person: &PersonId,
    id: &str,
    message: &Message,
) -> Result<(), ClusterError> {
    send(context, key.place(person).subject(), id, message).await
}

async fn send(context: &Context, subject: String, id: &str, message: &Message) -> Result<(), ClusterError> {
    let doing = "publish to the stream of the shard";
    let bytes = serde_json::to_vec(message).map_err(refused(doing))?;
    let message = PublishMessage::build().payload(bytes.into()).message_id(id);
    let sent = context.send_publish(subject, message).await.map_err(refused(doing))?;
    sent.await.map_err(refused(doing)).map(drop)
}

/// What a writer tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Another one has the shard; this one follows.
    StandsBy,
    /// It has the shard, by the lease of this number.
    Writes(u64),
    /// It had the shard; another one has it now.
    Deposed,
    /// The server does not answer; it goes on when the server is back.
    Away(String),
    /// The server is back.
    Back,
    /// The log was made anew from its copy.
    Rebuilt,
    /// Another writer has begun the shards, and no copy of its log has come yet.
    WaitsForACopy,
}

/// Opens the home of a shard: the one that is there, or one made from the copy of the log; says which. A shard that has no log yet begins
/// as one of the `others` did.
///
/// # Errors
/// There is neither a home nor a copy, or the home is of another log.
pub(crate) async fn home(
    context: &Context,
    number: u32,
    others: impl IntoIterator<Item = u32>,
    root: &Path,
) -> Result<(Home, bool), ClusterError> {
    let is_new = !Paths::of(root).has_log();
    let mut is_there = !is_new || copy::fetch(context, number, root).await?;
    for other in others {
        is_there = is_there || copy::fetch_beginning(context, other, root).await?;
    }
    if !is_there {
        return Err(ClusterError::NoLog { shard: number });
    }
    let (mut home, opened) = Home::open_fed(root)?;
    if let Some(other) = home.state().shards_followed().find(|followed| *followed != number) {
        let why = format!("it follows shard {other}");
        return Err(ClusterError::OtherLog { path: root.to_owned(), shard: number, why });
    }
    opened.notices().iter().for_each(|notice| tracing::warn!("{notice}"));
    home.write_ahead();
    Ok((home, is_new))
}

/// Folds what was delivered; says which lease has the shard since, if that changed.
///
/// # Errors
/// The home cannot be written, a newer program wrote a message, or one was said on another log.
pub(crate) fn fold(home: &mut Home, batch: &[Delivered]) -> Result<Option<u64>, ClusterError> {
    let mut lease = None;
    for delivered in batch {
        let read = delivered.read()?;
        let At { shard, sequence, .. } = delivered.at;
        let last = last_message(home.state(), shard);
        if let Ok(Message { after: Some(after), .. }) = &read
            && sequence > last
            && *after != home.head().1
        {
            let why = format!("message {sequence} was said on another log than this one");
            return Err(ClusterError::OtherStream { shard, last, why });
        }
        match take(home, delivered.at, read.as_ref().map_err(String::as_str))? {
            Taken::Lease(fence) => lease = Some(fence),
            // A population that an erasure has ended already.
            Taken::Refused(why) if read.as_ref().is_ok_and(is_withdrawal) => tracing::debug!("{why}"),
            Taken::Refused(why) => tracing::warn!(message = delivered.at.sequence, "a message was refused: {why}"),
            Taken::Records(_) | Taken::Again | Taken::Erased => {}
        }
    }
    Ok(lease)
}

fn is_withdrawal(message: &Message) -> bool {
    matches!(message.says.as_slice(), [Said { record: Record::PopulationWithdrawn(_), .. }])
}

fn sync(home: &mut Home) -> Result<(), ClusterError> {
    let failed = refused("sync the log");
    if let Some(unsynced) = home.unsynced().map_err(|e| failed(e.to_string()))? {
        let end = unsynced.sync().map_err(|e| failed(e.to_string()))?;
        home.known_safe(end);
    }
    Ok(())
}

/// One who follows a shard and writes it while the lease is theirs.
struct Writer<'a> {
    context: Context,
    shard: u32,
    root: &'a Path,
    home: Home,
    follow: Follow,
    candidate: Candidate,
    copying: Copying,
    population: Part,
    /// When the lease was last said in the stream, and the log last copied.
    said: Option<Instant>,
    copied: Instant,
    tell: &'a (dyn Fn(News) + Send + Sync),
}

/// Who writes which shard, and where.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// The shard.
    pub shard: Shard,
    /// The home.
    pub root: &'a Path,
    /// A name of the writer, for whoever looks at the leases.
    pub writer: &'a str,
    /// Hash of the value schema that the shard is to have, if one was asked for.
    pub schema: Option<Hash>,
    /// Whether the home was begun for this, so that nothing is lost where another writer has begun the shards meanwhile.
    pub is_begun_here: bool,
}

impl<'a> Writing<'a> {
    /// A writer of this name with a home that is there, or is made from the copy of the log.
    pub fn new(shard: Shard, root: &'a Path, writer: &'a str) -> Self {
        Self { shard, root, writer, schema: None, is_begun_here: false }
    }
}

/// Follows a shard into a home, and writes it whenever no other writer has it, until nothing came for `idle` while it had the shard. A
/// home that is not there is made from the copy of the log. A server that goes away is waited for.
///
/// # Errors
/// No server at the beginning; a shard that is not there, or of another number than there are; a home that cannot be written or is of
/// another log; or a message that a newer program wrote: it stays in the stream.
pub async fn write(
    server: &Server,
    writing: Writing<'_>,
    idle: Option<Duration>,
    tell: &(dyn Fn(News) + Send + Sync),
) -> Result<(), ClusterError> {
    let (shard, root) = (writing.shard, writing.root);
    let context = server.context().await?;
    let (home, is_new) = begin(&context, server, writing, tell).await?;
    if is_new {
        tell(News::Rebuilt);
    }
    let follow = Follow::after(context.clone(), shard.number, home.state());
    // Before anything of this log is copied.
    follow.confirm().await?;
    let mut writer = Writer {
        follow,
        candidate: Candidate::new(&context, shard.number, writing.writer).await?,
        copying: Copying::begin(&context, shard.number, root, Stand::of(home.state(), shard.number)).await?,
        population: Part::new(&context, server, shard.number).await?,
        said: None,
        copied: Instant::now(),
        shard: shard.number,
        context,
        root,
        home,
        tell,
    };
    // What the log began with is in no message: nobody could begin without the copy.
    writer.copy().await?;
    let mut quiet = Instant::now();
    let (mut is_away, mut stands_by) = (false, false);
    loop {
        let Stepped { has, waits, .. } = match writer.step().await {
            Ok(stepped) => {
                if std::mem::take(&mut is_away) {
                    tell(News::Back);
                }
                if stepped.came || !stepped.has {
                    quiet = Instant::now();
                }
                stepped
            }
            Err(error @ ClusterError::Stream { .. }) => {
                if !std::mem::replace(&mut is_away, true) {
                    tell(News::Away(error.to_string()));
                }
                sleep(PATIENCE).await;
                continue;
            }
            Err(ClusterError::Gap { .. }) => {
                writer = writer.rebuilt().await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if waits && !std::mem::replace(&mut stands_by, true) {
            tell(News::StandsBy);
        }
        stands_by &= !has;
        if idle.is_some_and(|idle| quiet.elapsed() >= idle) {
            writer.copy().await?;
            return Ok(());
        }
    }
}

/// The home of a writer, and whether it was made from the copy of the log. The shards begin here, where they have not begun.
async fn begin(
    context: &Context,
    server: &Server,
    writing: Writing<'_>,
    tell: &(dyn Fn(News) + Send + Sync),
) -> Result<(Home, bool), ClusterError> {
    let (shard, root) = (writing.shard, writing.root);
    let other_log = |why: String| ClusterError::OtherLog { path: root.to_owned(), shard: shard.number, why };
    let bucket = bucket(context, server).await?;
    let (mut is_begun_here, mut waits) = (writing.is_begun_here, false);
    loop {
        let begun = control::begun(&bucket).await?;
        let of = dealt(context, shard, begun.as_ref()).await?;
        let others = (1..=of).filter(|other| *other != shard.number);
        let (home, is_new) = match home(context, shard.number, others, root).await {
            Err(ClusterError::NoLog { .. }) if begun.is_some() => {
                if !std::mem::replace(&mut waits, true) {
                    tell(News::WaitsForACopy);
                }
                sleep(PATIENCE).await;
                continue;
            }
            home => home?,
        };
        let Some(header) = home.state().header() else { return Err(ClusterError::NoLog { shard: shard.number }) };
        if writing.schema.is_some_and(|schema| schema != header.schema_hash) {
            let why =
                "it has another value schema than the one that was given: a shard keeps the one that it began with";
            return Err(not_done(DOING, why));
        }
        if of > 1 && home.state().shards_followed().next().is_none() && has_evidence(&home)? {
            let why = "it has people's evidence, who are of one shard only: begin with 1/1, and split it";
            return Err(other_log(why.into()));
        }
        let ours = Begun::with(&header.log_id, of);
        match begun {
            Some(begun) if begun.log == ours.log => {
                // Those that a move made have streams already, and one that a writer did not live to make is made now.
                make_streams(context, server, begun.shards).await?;
                return Ok((home, is_new));
            }
            Some(_) if is_begun_here => {
                drop(home);
                copy::remove(root)?;
                is_begun_here = false;
            }
            Some(_) => {
                let why = "the shards on this server began with another: give another home (an empty one is made from the copy of the log)";
                return Err(other_log(why.into()));
            }
            None if home.state().shards_followed().next().is_some()
                && !shards(context).await?.contains(&shard.number) =>
            {
                return Err(other_log("it follows a shard of another server, and none has begun on this one".into()));
            }
            // Where another writer was first, that is found out the next time around.
            None => control::say_begun(&bucket, &ours).await?,
        }
    }
}

fn has_evidence(home: &Home) -> Result<bool, ClusterError> {
    for entry in home.entries()? {
        if entry.map_err(HomeError::from)?.record.evidence_origin().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Among how many shards slots are dealt, or were when the shards began.
async fn dealt(context: &Context, shard: Shard, begun: Option<&Begun>) -> Result<u32, ClusterError> {
    let Some(Begun { shards: dealt, .. }) = begun else {
        let unsaid =
            || not_done(DOING, "no shard has begun on this server: say of how many it is, such as --shard 1/2");
        return shard.of.ok_or_else(unsaid);
    };
    let there = shards(context).await?;
    if shard.number > *dealt && !there.contains(&shard.number) {
        let why =
            format!("there is no shard {}: there are {}; credence shard move makes more", shard.number, listed(&there));
        return Err(not_done(DOING, why));
    }
    match shard.of {
        Some(of) if of != *dealt && of as usize != there.len() => {
            let why = format!(
                "slots were dealt among {dealt} shards on this server, not {of}; there are {}: give --shard {} for the one that is there",
                listed(&there),
                shard.number
            );
            Err(not_done(DOING, why))
        }
        _ => Ok(*dealt),
    }
}

/// What came of a look at the stream.
struct Stepped {
    /// Whether something came.
    came: bool,
    /// Whether this is the writer.
    has: bool,
    /// Whether another one is.
    waits: bool,
}

impl Writer<'_> {
    /// Folds what came, looks after the lease, and copies the log.
    async fn step(&mut self) -> Result<Stepped, ClusterError> {
        let batch = self.follow.next(PATIENCE).await?;
        let lease = fold(&mut self.home, &batch)?;
        sync(&mut self.home)?;
        if let (Some(lease), Some(ours)) = (lease, self.candidate.fence())
            && lease > ours
        {
            self.candidate.lost();
            (self.tell)(News::Deposed);
        }
        let standing = self.candidate.look().await?;
        match standing {
            Standing::Took(_) => self.said = None,
            Standing::Lost => (self.tell)(News::Deposed),
            Standing::Waits | Standing::Has(_) => {}
        }
        let in_stream = self.home.state().message_received(self.shard).map_or(0, |last| last.fence);
        let has = match self.candidate.fence() {
            Some(ours) if ours > in_stream => {
                if self.said.is_none_or(|said| said.elapsed() >= COPIED) {
                    self.said = Some(Instant::now());
                    self.say(ours).await?;
                }
                false
            }
            Some(ours) => {
                if lease == Some(ours) {
                    (self.tell)(News::Writes(ours));
                }
                true
            }
            None => false,
        };
        if has && self.copied.elapsed() >= COPIED {
            self.copy().await?;
        }
        if has {
            self.population.look(self.home.state()).await?;
        }
        Ok(Stepped { came: !batch.is_empty(), has, waits: standing == Standing::Waits })
    }

    /// Says in the stream who has the shard.
    async fn say(&self, lease: u64) -> Result<(), ClusterError> {
        let Some(header) = self.home.state().header() else { return Ok(()) };
        let message = Message {
            form: FORM,
            schema: header.schema_hash,
            says: Vec::new(),
            lease: Some(lease),
            erase: None,
            after: None,
        };
        send(&self.context, subject(self.shard), &format!("lease {} {lease}", self.shard), &message).await
    }

    async fn copy(&mut self) -> Result<(), ClusterError> {
        self.copied = Instant::now();
        self.copying.bring_up_to_date(self.root, Stand::of(self.home.state(), self.shard)).await
    }

    /// The same with a log made anew from its copy, which has what the stream has not any more.
    async fn rebuilt(self) -> Result<Self, ClusterError> {
        let Self { context, shard, root, home, candidate, population, tell, .. } = self;
        drop(home);
        copy::fetch(&context, shard, root).await?;
        let (home, _) = self::home(&context, shard, [], root).await?;
        tell(News::Rebuilt);
        let follow = Follow::after(context.clone(), shard, home.state());
        follow.confirm().await?;
        let copying = Copying::begin(&context, shard, root, Stand::of(home.state(), shard)).await?;
        let (said, copied) = (None, Instant::now());
        Ok(Self { context, shard, root, home, follow, candidate, copying, population, said, copied, tell })
    }
}
