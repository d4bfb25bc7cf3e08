//! The writer of a shard, and publishing to it: the edge to JetStream of what [`crate::evidence`] decides.
//!
//! | stream | subjects | keeps |
//! |---|---|---|
//! | `CREDENCE_SHARD_N` | `credence.people.SLOT.HASH` of its slots | what people said, until an operator clears it |
//! | bucket `credence-leases` | `shard-N` | who writes the shard |
//!
//! A writer takes the lease by a compare-and-set; the number that this gives grows with every writer, and stands in the log with
//! every message. It follows the stream by a durable consumer: append, sync, renew the lease by another compare-and-set, and only then
//! acknowledge. No clocks are compared: a lease is over when it was not renewed while somebody else counted [`LEASE`].

use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, stream};
use credence_memory::Home;
use credence_memory::ids::PersonId;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt;

use crate::evidence::{Message, NameKey, Taken, Unreadable, slots, take};
use crate::{ClusterError, Server, refused};

const LEASES: &str = "credence-leases";
/// A lease that was not renewed for so long is over.
pub const LEASE: Duration = Duration::from_secs(4);
/// How often it is renewed where nothing comes.
const RENEWED: Duration = Duration::from_secs(1);
/// Messages that are synced together, at most.
const BATCH: usize = 256;

/// Why a writer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// There was nothing to do for as long as it was to wait.
    Idle,
    /// Another writer has the shard; what was not acknowledged is its to take.
    Deposed,
}

/// A shard: which one, of how many, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub number: u32,
    /// Of how many.
    pub of: u32,
}

/// Makes the streams of all shards, and the leases, where they are not there yet.
///
/// # Errors
/// No server, or it refuses.
pub async fn open(server: &Server, of: u32) -> Result<Context, ClusterError> {
    let context = server.connect().await?;
    for number in 1..=of {
        let config = stream::Config {
            name: name(number),
            subjects: slots(number, of).map(|slot| format!("credence.people.{slot}.*")).collect(),
            num_replicas: server.replicas,
            // A full stream refuses what is new, and forgets nothing.
            discard: stream::DiscardPolicy::New,
            ..Default::default()
        };
        context.get_or_create_stream(config).await.map_err(refused("open the stream of a shard"))?;
    }
    // A key-value bucket as the client would make it, in the words that older servers know too.
    let leases = stream::Config {
        name: format!("KV_{LEASES}"),
        subjects: vec![format!("$KV.{LEASES}.>")],
        max_messages_per_subject: 1,
        num_replicas: server.replicas,
        discard: stream::DiscardPolicy::New,
        allow_rollup: true,
        ..Default::default()
    };
    context.get_or_create_stream(leases).await.map_err(refused("open the leases"))?;
    Ok(context)
}

fn name(number: u32) -> String {
    format!("CREDENCE_SHARD_{number}")
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
    let doing = "publish what a person said";
    let bytes = serde_json::to_vec(message).map_err(refused(doing))?;
    let message = PublishMessage::build().payload(bytes.into()).message_id(id);
    let sent = context.send_publish(key.place(person).subject(), message).await.map_err(refused(doing))?;
    sent.await.map_err(refused(doing)).map(drop)
}

/// The lease of a shard, held.
struct Lease {
    leases: kv::Store,
    key: String,
    writer: String,
    revision: u64,
    fence: u64,
    renewed: Instant,
}

impl Lease {
    /// Waits until the shard is free, and takes it.
    async fn taken(context: &Context, number: u32, writer: &str) -> Result<Self, ClusterError> {
        let doing = "take the lease of the shard";
        let leases = context.get_key_value(LEASES).await.map_err(refused(doing))?;
        let key = format!("shard-{number}");
        let mut seen = (0, Instant::now());
        loop {
            let revision = leases.entry(&key).await.map_err(refused(doing))?.map_or(0, |entry| entry.revision);
            if revision != seen.0 {
                seen = (revision, Instant::now());
            }
            if revision == 0 || seen.1.elapsed() >= LEASE {
                let asked = Instant::now();
                match leases.update(&key, writer.to_owned().into(), revision).await {
                    Ok(fence) => {
                        let writer = writer.to_owned();
                        return Ok(Self { leases, key, writer, revision: fence, fence, renewed: asked });
                    }
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
                    Err(error) => return Err(refused(doing)(error)),
                }
            }
            sleep(RENEWED / 4).await;
        }
    }

    /// Renews it; says whether it was still ours.
    async fn renew(&mut self) -> Result<bool, ClusterError> {
        let asked = Instant::now();
        match self.leases.update(&self.key, self.writer.clone().into(), self.revision).await {
            Ok(revision) => {
                (self.revision, self.renewed) = (revision, asked);
                Ok(true)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(refused("renew the lease of the shard")(error)),
        }
    }
}

/// Writes a shard into the home at `root`, which is there already, until another writer has it or nothing came for `idle`.
///
/// # Errors
/// No server, one that went away, a home that cannot be written, or a message that a newer program wrote: it stays in the stream.
pub async fn write(
    server: &Server,
    shard: Shard,
    root: &Path,
    writer: &str,
    idle: Option<Duration>,
) -> Result<Ended, ClusterError> {
    let doing = "follow the stream of the shard";
    let context = open(server, shard.of).await?;
    let mut lease = Lease::taken(&context, shard.number, writer).await?;
    let (mut home, _) = Home::open(root)?;
    home.write_ahead();
    let stream = context.get_stream(name(shard.number)).await.map_err(refused(doing))?;
    let last = home.state().message_received(shard.number).map_or(0, |last| last.sequence);
    let state = &stream.cached_info().state;
    let gap = |why: String| ClusterError::Stream { doing, why };
    if state.last_sequence < last {
        return Err(gap(format!("the log has message {last}, and the stream ends with {}", state.last_sequence)));
    }
    if state.messages > 0 && state.first_sequence > last + 1 {
        return Err(gap(format!(
            "the log ends with message {last}, and the stream begins with {}: begin with a newer copy of the log",
            state.first_sequence
        )));
    }
    // Under the lease's number, so that a writer that was deposed shares nothing with this one.
    let config = pull::Config {
        durable_name: Some(format!("writer-{}", lease.fence)),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
        ack_policy: AckPolicy::Explicit,
        inactive_threshold: Duration::from_secs(3600),
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(refused(doing))?;
    let mut messages = consumer.messages().await.map_err(refused(doing))?;
    let mut quiet = Instant::now();
    loop {
        let first = timeout(RENEWED / 2, messages.next()).await.ok().flatten();
        if lease.renewed.elapsed() >= RENEWED && !lease.renew().await? {
            return Ok(Ended::Deposed);
        }
        let Some(first) = first else {
            if idle.is_some_and(|idle| quiet.elapsed() >= idle) {
                return Ok(Ended::Idle);
            }
            continue;
        };
        let mut batch: Vec<jetstream::Message> = vec![first.map_err(refused(doing))?];
        while batch.len() < BATCH {
            let Ok(Some(next)) = timeout(Duration::from_millis(1), messages.next()).await else { break };
            batch.push(next.map_err(refused(doing))?);
        }
        quiet = Instant::now();
        for delivered in &batch {
            let sequence = delivered.info().map_err(refused(doing))?.stream_sequence;
            let read = match Message::read(&delivered.payload) {
                Err(error @ Unreadable::Newer(_)) => return Err(gap(error.to_string())),
                read => read.map_err(|error| error.to_string()),
            };
            let at = (shard.number, sequence, lease.fence);
            if take(&mut home, at, read.as_ref().map_err(String::as_str), Timestamp::now())? == Taken::Fenced {
                return Ok(Ended::Deposed);
            }
        }
        let unsynced = home.unsynced().map_err(refused("sync the log"))?;
        if let Some(unsynced) = unsynced {
            let end = unsynced.sync().map_err(refused("sync the log"))?;
            home.known_safe(end);
        }
        if !lease.renew().await? {
            return Ok(Ended::Deposed);
        }
        for delivered in &batch {
            delivered.ack().await.map_err(refused("acknowledge what is in the log"))?;
        }
    }
}
