//! Populations over shards: each shard's writer publishes its people's messages, whoever asked for it learns from all of them, and the
//! result is a record in every shard. It has the bits of one home with everybody, since people are summed in the order of their names.
//!
//! | where | what |
//! |---|---|
//! | bucket `credence-shards`, `population` | [`Asked`]; its revision when it was asked for is the number of the fit |
//! | bucket `credence-shards`, `population.N` | the fit that shard N holds |
//! | `credence.population.FIT.N.PIECE` | the messages of shard N, while they are needed |
//!
//! A population in which something was withdrawn holds nowhere: the writer of that shard tells the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::kv;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{Context, stream};
use credence_memory::ids::Hash;
use credence_memory::population::{Fit, Messages};
use credence_memory::record::{PopulationWithdrawn, Record};
use credence_memory::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::control::{bucket, entry, one, put, shards_with_logs, tell, work};
use crate::evidence::{FORM, Message, Said, last_message};
use crate::{ClusterError, Server, not_done, refused};

const STREAM: &str = "CREDENCE_POPULATION";
const KEY: &str = "population";
/// Bytes of a piece, at most: a server takes messages of a megabyte.
const PIECE: usize = 512 << 10;
const PIECES: &str = "Credence-Pieces";
/// How often the bucket is looked at.
const LOOKED: Duration = Duration::from_millis(500);

/// How far a population is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Asked {
    /// Shards are to publish their people's messages.
    Messages,
    /// Nobody waits for the messages any more.
    GivenUp,
    /// The result is in the stream of every shard, in the message of this number.
    Told {
        /// Number of the fit.
        fit: u64,
        /// By shard.
        at: BTreeMap<u32, u64>,
    },
    /// It does not hold any more.
    Withdrawn {
        /// Number of the fit.
        fit: u64,
        /// The shard where something in it was withdrawn, which tells the others.
        by: u32,
        /// Whether all were told.
        told: bool,
    },
}

fn subject(fit: u64, shard: u32, piece: usize) -> String {
    format!("credence.population.{fit}.{shard}.{piece}")
}

async fn stream(context: &Context, server: &Server) -> Result<stream::Stream, ClusterError> {
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["credence.population.>".to_owned()],
        num_replicas: server.replicas,
        discard: stream::DiscardPolicy::New,
        ..Default::default()
    };
    crate::made(context, config, "open the stream of people's messages").await
}

/// A message that was made, or why not.
type Made = Result<Vec<u8>, String>;

/// What a shard's writer does for populations.
pub(crate) struct Part {
    context: Context,
    bucket: kv::Store,
    shard: u32,
    looked: Option<Instant>,
    /// The last fit that it published messages for.
    published: u64,
    /// The fit that messages are made for, and how many erasures the log had then.
    making: Option<(u64, u64, JoinHandle<Made>)>,
    /// What it said that it holds.
    said: Option<u64>,
}

impl Part {
    pub(crate) async fn new(context: &Context, server: &Server, shard: u32) -> Result<Self, ClusterError> {
        stream(context, server).await?;
        let bucket = bucket(context, server).await?;
        Ok(Self { context: context.clone(), bucket, shard, looked: None, published: 0, making: None, said: None })
    }

    /// Looks whether a population is asked for, or holds no longer. It is for the writer who has the shard, when everything that was
    /// folded is synced.
    ///
    /// # Errors
    /// The server.
    pub(crate) async fn look(&mut self, state: &State) -> Result<(), ClusterError> {
        if let Some((fit, erasures, making)) = self.making.take_if(|(.., making)| making.is_finished()) {
            let made = making.await.map_err(refused("make people's messages"))?;
            let is_wanted =
                matches!(entry(&self.bucket, KEY).await?, (Some(Asked::Messages), revision) if revision == fit);
            match made {
                // Somebody was erased meanwhile, who may be in them: they are made again.
                Ok(_) if erasures != state.erasures() => {}
                Ok(bytes) if is_wanted => {
                    self.publish(fit, &bytes).await?;
                    self.published = fit;
                }
                Ok(_) => self.published = fit,
                Err(why) => {
                    tracing::warn!("people's messages could not be made: {why}");
                    self.published = fit;
                }
            }
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOKED) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let (asked, revision) = entry::<Asked>(&self.bucket, KEY).await?;
        match asked {
            None => {}
            Some(Asked::Messages) if revision > self.published && self.making.is_none() => {
                // Belief of nobody is needed, and the log may grow meanwhile: they say up to where they go.
                let (state, erasures) = (state.clone(), state.erasures());
                let make = move || {
                    let made = Messages::of(&state, None, &|_| ()).and_then(|messages| messages.to_bytes());
                    made.map_err(|error| error.to_string())
                };
                self.making = Some((revision, erasures, tokio::task::spawn_blocking(make)));
            }
            Some(Asked::Messages | Asked::GivenUp) => {}
            Some(Asked::Told { fit, at }) => self.holds(state, fit, &at, revision).await?,
            Some(Asked::Withdrawn { fit, by, told: false }) if by == self.shard => {
                self.withdraw(state, fit, revision).await?;
            }
            Some(Asked::Withdrawn { .. }) => self.say(state).await?,
        }
        Ok(())
    }

    async fn publish(&self, fit: u64, bytes: &[u8]) -> Result<(), ClusterError> {
        let doing = "publish people's messages";
        let pieces: Vec<&[u8]> = bytes.chunks(PIECE).collect();
        for (piece, bytes) in pieces.iter().enumerate().rev() {
            // The first one comes last: it says that all are there.
            let message = PublishMessage::build()
                .message_id(format!("messages {fit} {} {piece}", self.shard))
                .header(PIECES, pieces.len().to_string().as_str())
                .payload(bytes.to_vec().into());
            let sent = self.context.send_publish(subject(fit, self.shard, piece), message).await;
            sent.map_err(refused(doing))?.await.map_err(refused(doing))?;
        }
        Ok(())
    }

    /// Says what it holds, and where a population that it was told of does not hold, that this is so.
    async fn holds(
        &mut self,
        state: &State,
        fit: u64,
        at: &BTreeMap<u32, u64>,
        revision: u64,
    ) -> Result<(), ClusterError> {
        let last = last_message(state, self.shard);
        // A shard that was made since began with it.
        let had = at.get(&self.shard).map_or(state.fitted() == fit, |told| last >= *told);
        if !had {
            return Ok(());
        }
        if state.population().and_then(|held| held.fit()) == Some(fit) {
            return self.say(state).await;
        }
        let withdrawn = Asked::Withdrawn { fit, by: self.shard, told: false };
        // Where another shard was first, it tells all.
        put(&self.bucket, KEY, &withdrawn, revision).await.map(drop)
    }

    async fn withdraw(&mut self, state: &State, fit: u64, revision: u64) -> Result<(), ClusterError> {
        let Some(header) = state.header() else { return Ok(()) };
        let reason = format!("something that is in it was withdrawn in shard {}", self.shard);
        let record = Record::PopulationWithdrawn(PopulationWithdrawn { fit, reason });
        let message = about_all(header.schema_hash, record);
        for shard in shards_with_logs(&self.context).await?.into_iter().filter(|shard| *shard != self.shard) {
            tell(&self.context, shard, &format!("withdrawn {fit} {shard}"), &message, None).await?;
        }
        let told = Asked::Withdrawn { fit, by: self.shard, told: true };
        put(&self.bucket, KEY, &told, revision).await?;
        self.say(state).await
    }

    async fn say(&mut self, state: &State) -> Result<(), ClusterError> {
        let holds = state.population().and_then(|held| held.fit()).unwrap_or(0);
        if self.said != Some(holds) {
            let doing = "say which population the shard holds";
            let bytes = holds.to_string().into_bytes();
            self.bucket.put(format!("{KEY}.{}", self.shard), bytes.into()).await.map_err(refused(doing))?;
            self.said = Some(holds);
        }
        Ok(())
    }
}

fn about_all(schema: Hash, record: Record) -> Message {
    let says = vec![Said { time: Timestamp::now(), record }];
    Message { form: FORM, schema, says, lease: None, erase: None, after: None }
}

/// What came of a population over shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// Number of the fit.
    pub fit: u64,
    /// People that it was learned from, by shard.
    pub people: BTreeMap<u32, usize>,
    /// Components that were found, in thousandths of all people.
    pub components: Vec<u32>,
    /// The message that holds it, by shard.
    pub at: BTreeMap<u32, u64>,
}

/// Learns one population from the people of all shards. Their writers must be running. Cut off, it is begun anew.
///
/// # Errors
/// No server, a move or an erasure that is not finished, a shard whose writer does not answer within `patience`, fewer than two people,
/// or what came meanwhile may have ended it.
pub async fn learn(
    server: &Server,
    source_cap: f64,
    patience: Duration,
    tell_of: &(dyn Fn(&str) + Sync),
) -> Result<Learned, ClusterError> {
    let doing = "learn a population over shards";
    let context = server.context().await?;
    let bucket = bucket(&context, server).await?;
    let (unfinished, _) = work(&bucket).await?;
    if unfinished != crate::control::Work::None {
        return Err(unfinished.unfinished());
    }
    let stream = stream(&context, server).await?;
    let all = shards_with_logs(&context).await?;
    if all.is_empty() {
        return Err(not_done(doing, "there are no shards: credence shard write makes them"));
    }
    let (_, revision) = entry::<Asked>(&bucket, KEY).await?;
    let busy = || not_done(doing, "somebody else asked for one at this moment");
    let fit = put(&bucket, KEY, &Asked::Messages, revision).await?.ok_or_else(busy)?;
    stream.purge().await.map_err(refused(doing))?;
    let mut came: BTreeMap<u32, Messages> = BTreeMap::new();
    let since = Instant::now();
    while came.len() < all.len() {
        for shard in &all {
            if !came.contains_key(shard)
                && let Some(messages) = fetched(&stream, fit, *shard).await?
            {
                tell_of(&format!("shard {shard}: messages of {} people", messages.people()));
                came.insert(*shard, messages);
            }
        }
        let silent: Vec<String> = all.iter().filter(|n| !came.contains_key(n)).map(u32::to_string).collect();
        if !silent.is_empty() && since.elapsed() >= patience {
            let why = format!("no messages came from shard {}: is its writer running?", silent.join(", "));
            clear(&context, server).await?;
            return Err(not_done(doing, why));
        }
        if !silent.is_empty() {
            sleep(LOOKED / 2).await;
        }
    }
    let failed = |error: &dyn std::fmt::Display| not_done(doing, error.to_string());
    let from: Vec<Messages> = came.values().cloned().collect();
    let fitted = tokio::task::spawn_blocking(move || Fit::of(from, source_cap, &|_| ())).await;
    let fitted = fitted.map_err(refused(doing))?.map_err(|error| failed(&error))?;
    let mut learned = Learned { fit, people: BTreeMap::new(), components: Vec::new(), at: BTreeMap::new() };
    for (shard, messages) in &came {
        let here: BTreeSet<_> = messages.names().collect();
        let record = fitted.record(messages.through, |person| here.contains(person), Some(fit));
        let record = record.map_err(|error| failed(&error))?;
        if learned.components.is_empty() {
            learned.components = record.all.masses().iter().map(|mass| (mass * 1000.0).round() as u32).collect();
        }
        let message = about_all(messages.schema, Record::PopulationConsolidated(record));
        let at = tell(&context, *shard, &format!("population {fit} {shard}"), &message, None).await?;
        learned.people.insert(*shard, messages.people());
        learned.at.insert(*shard, at.unwrap_or(0));
    }
    put(&bucket, KEY, &Asked::Told { fit, at: learned.at.clone() }, fit).await?.ok_or_else(busy)?;
    stream.purge().await.map_err(refused(doing))?;
    // Whether all hold it: they say so.
    let since = Instant::now();
    loop {
        let mut hold = 0;
        for shard in &all {
            let (said, _) = entry::<u64>(&bucket, &format!("{KEY}.{shard}")).await?;
            hold += usize::from(said == Some(fit));
        }
        if hold == all.len() {
            return Ok(learned);
        }
        if let (Some(Asked::Withdrawn { fit: of, by, .. }), _) = entry(&bucket, KEY).await?
            && of == fit
        {
            let why = format!("something was withdrawn in shard {by} meanwhile: learn it again");
            return Err(not_done(doing, why));
        }
        if since.elapsed() >= patience {
            return Err(not_done(doing, "not every writer has taken it in yet; it is in the streams"));
        }
        sleep(LOOKED / 2).await;
    }
}

/// A shard's messages, if they are there.
async fn fetched(stream: &stream::Stream, fit: u64, shard: u32) -> Result<Option<Messages>, ClusterError> {
    let doing = "fetch people's messages";
    let one =
        async |piece: usize| one(stream.get_last_raw_message_by_subject(&subject(fit, shard, piece)).await, doing);
    let Some(first) = one(0).await? else { return Ok(None) };
    let pieces = |headers: &HeaderMap| headers.get(PIECES).and_then(|count| count.as_str().parse::<usize>().ok());
    let count = pieces(&first.headers).ok_or_else(|| not_done(doing, "they do not say how many pieces they are"))?;
    let mut bytes = first.payload.to_vec();
    for piece in 1..count {
        let missing = || not_done(doing, format!("piece {piece} is missing"));
        bytes.extend_from_slice(&one(piece).await?.ok_or_else(missing)?.payload);
    }
    Messages::from_bytes(&bytes).map(Some).map_err(refused(doing))
}

/// Gives up a fit that was cut off, and removes the messages that it has left.
pub(crate) async fn clear(context: &Context, server: &Server) -> Result<(), ClusterError> {
    let bucket = bucket(context, server).await?;
    if let (Some(Asked::Messages), revision) = entry(&bucket, KEY).await? {
        put(&bucket, KEY, &Asked::GivenUp, revision).await?;
    }
    let stream = stream(context, server).await?;
    stream.purge().await.map_err(refused("remove people's messages")).map(drop)
}
