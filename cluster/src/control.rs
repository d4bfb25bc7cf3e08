//! What is done to shards as a whole, one thing at a time: populations over all of them, moves between them, erasures.
//!
//! | where | what |
//! |---|---|
//! | bucket `credence-shards`, `work` | a move or an erasure that is not finished; whoever goes on with it does what is missing |
//! | bucket `credence-shards`, `begun` | with which log the shards of this server began, and among how many slots were dealt then |
//! | bucket `credence-shards`, `population` | the population that is being learned, or was learned last |
//! | stream `CREDENCE_POPULATION` | people's messages, while a population is learned |
//!
//! Work has a number, the revision of its entry in the bucket: it grows, and stands in the logs with what was done. What has been
//! done already is read off the streams and the logs, and not kept a second time: so work may be cut off anywhere.

use std::collections::BTreeSet;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{DeleteMessageErrorKind, LastRawMessageError, LastRawMessageErrorKind};
use async_nats::jetstream::{Context, ErrorCode, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_stream::StreamExt;

use crate::evidence::{Message, Place};
use crate::shard::{name, subject};
use crate::{ClusterError, Server, copy, refused};

const SHARDS: &str = "credence-shards";
const WORK: &str = "work";
const BEGUN: &str = "begun";

/// With what the shards of a server began: the first writer says it, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begun {
    /// A hash of the id of the log that all of them began with.
    pub(crate) log: String,
    /// Among how many shards the slots were dealt.
    pub(crate) shards: u32,
}

impl Begun {
    /// As the log of this id says it, with so many shards.
    pub(crate) fn with(log_id: &str, shards: u32) -> Self {
        let log = blake3::derive_key("credence shards began with 1", log_id.as_bytes());
        Self { log: blake3::Hash::from_bytes(log).to_hex().to_string(), shards }
    }
}

/// With what the shards began; none where nobody has begun them.
pub(crate) async fn begun(bucket: &kv::Store) -> Result<Option<Begun>, ClusterError> {
    entry(bucket, BEGUN).await.map(|(begun, _)| begun)
}

/// Says with what they begin, where nobody has said it yet.
pub(crate) async fn say_begun(bucket: &kv::Store, begun: &Begun) -> Result<(), ClusterError> {
    put(bucket, BEGUN, begun, 0).await.map(drop)
}

/// What is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Nothing.
    None,
    /// Slots move from one shard to another.
    Move {
        /// From which.
        from: u32,
        /// To which.
        to: u32,
        /// Which slots.
        slots: BTreeSet<u32>,
    },
    /// Somebody is erased everywhere.
    Erase {
        /// Their slot.
        slot: u32,
        /// The hash of their name.
        person: String,
        /// Populations that were learned from them.
        fits: BTreeSet<u64>,
        /// Why.
        reason: String,
    },
}

impl Work {
    /// The erasure of somebody who has this place.
    pub fn erase(place: Place, fits: BTreeSet<u64>, reason: String) -> Self {
        Self::Erase { slot: place.slot, person: place.person, fits, reason }
    }

    /// Why nothing else is begun.
    pub(crate) fn unfinished(&self) -> ClusterError {
        let (what, next) = match self {
            Self::None => ("what somebody else began at this moment".to_owned(), "try again"),
            Self::Move { from, to, slots } => (
                format!("the move of {} slots from shard {from} to {to}", slots.len()),
                "credence shard move --continue does what is missing",
            ),
            Self::Erase { slot, reason, .. } => (
                format!("the erasure of somebody in slot {slot} ({reason})"),
                "credence shard erase --continue does what is missing",
            ),
        };
        ClusterError::Unfinished { what, next }
    }
}

/// Opens the bucket, or makes it.
pub(crate) async fn bucket(context: &Context, server: &Server) -> Result<kv::Store, ClusterError> {
    let doing = "open the bucket of shards";
    // As the client would make it, in the words that older servers know too.
    let config = stream::Config {
        name: format!("KV_{SHARDS}"),
        subjects: vec![format!("$KV.{SHARDS}.>")],
        max_messages_per_subject: 1,
        num_replicas: server.replicas,
        discard: stream::DiscardPolicy::New,
        allow_rollup: true,
        ..Default::default()
    };
    crate::made(context, config, doing).await?;
    context.get_key_value(SHARDS).await.map_err(refused(doing))
}

/// What stands under a key, with its revision; nothing, with revision 0, where nothing does.
pub(crate) async fn entry<T: DeserializeOwned>(
    bucket: &kv::Store,
    key: &str,
) -> Result<(Option<T>, u64), ClusterError> {
    let Some(entry) = bucket.entry(key).await.map_err(refused("read the bucket of shards"))? else {
        return Ok((None, 0));
    };
    let foreign = |error: serde_json::Error| ClusterError::Foreign { subject: key.to_owned(), why: error.to_string() };
    Ok((Some(serde_json::from_slice(&entry.value).map_err(foreign)?), entry.revision))
}

/// Puts a value under a key, if it still has this revision; gives the new one.
pub(crate) async fn put<T: Serialize>(
    bucket: &kv::Store,
    key: &str,
    value: &T,
    revision: u64,
) -> Result<Option<u64>, ClusterError> {
    let doing = "write to the bucket of shards";
    let bytes = serde_json::to_vec(value).map_err(refused(doing))?;
    match bucket.update(key, bytes.into(), revision).await {
        Ok(revision) => Ok(Some(revision)),
        Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
        Err(error) => Err(refused(doing)(error)),
    }
}

/// What is not finished, with its number.
pub(crate) async fn work(bucket: &kv::Store) -> Result<(Work, u64), ClusterError> {
    let (work, revision) = entry(bucket, WORK).await?;
    Ok((work.unwrap_or(Work::None), revision))
}

/// Begins work, or goes on with the same; gives its number.
///
/// # Errors
/// Something else is not finished.
pub(crate) async fn begin(bucket: &kv::Store, wanted: &Work) -> Result<u64, ClusterError> {
    let (found, revision) = work(bucket).await?;
    if found == *wanted {
        return Ok(revision);
    }
    if found != Work::None {
        return Err(found.unfinished());
    }
    put(bucket, WORK, wanted, revision).await?.ok_or_else(|| Work::None.unfinished())
}

/// That work is done.
pub(crate) async fn finish(bucket: &kv::Store, number: u64) -> Result<(), ClusterError> {
    // Where somebody else has finished it, it is finished.
    put(bucket, WORK, &Work::None, number).await.map(drop)
}

/// Numbers of the shards that there are.
pub(crate) async fn shards(context: &Context) -> Result<Vec<u32>, ClusterError> {
    let mut names = context.stream_names();
    let mut shards = Vec::new();
    while let Some(found) = names.next().await {
        let found = found.map_err(refused("list the shards"))?;
        shards.extend(found.strip_prefix("CREDENCE_SHARD_").and_then(|number| number.parse::<u32>().ok()));
    }
    shards.sort_unstable();
    Ok(shards)
}

/// Shards in words.
pub(crate) fn listed(shards: &[u32]) -> String {
    match shards {
        [] => "none".to_owned(),
        shards => shards.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// A message of a stream that was asked for; none where there is none.
pub(crate) fn one(
    asked: Result<StreamMessage, LastRawMessageError>,
    doing: &'static str,
) -> Result<Option<StreamMessage>, ClusterError> {
    match asked {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(refused(doing)(error)),
    }
}

/// Deletes a message so that the server overwrites it; one that is not there is deleted.
pub(crate) async fn delete(stream: &stream::Stream, sequence: u64, doing: &'static str) -> Result<(), ClusterError> {
    match stream.delete_message(sequence).await {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            DeleteMessageErrorKind::JetStream(why)
                if matches!(why.error_code(), ErrorCode::NO_MESSAGE_FOUND | ErrorCode::SEQUENCE_NOT_FOUND) =>
            {
                Ok(())
            }
            _ => Err(refused(doing)(error)),
        },
    }
}

/// Numbers of the shards that have a log. One that no writer ever had has none, and nobody's evidence.
pub(crate) async fn shards_with_logs(context: &Context) -> Result<Vec<u32>, ClusterError> {
    let mut with_logs = Vec::new();
    for number in shards(context).await? {
        if copy::is_there(context, number).await? {
            with_logs.push(number);
        }
    }
    Ok(with_logs)
}

/// Whether nobody ever said anything in a shard, and it has no slots: it is not there, or was not made whole.
pub(crate) async fn is_unused(context: &Context, number: u32) -> Result<bool, ClusterError> {
    if !shards(context).await?.contains(&number) {
        return Ok(true);
    }
    let (slots, _) = slots_of(context, number).await?;
    let stream = context.get_stream(name(number)).await.map_err(refused("find the stream of the shard"))?;
    Ok(slots.is_empty() && stream.cached_info().state.last_sequence == 0)
}

/// The slots that a shard's stream takes, and its configuration.
pub(crate) async fn slots_of(context: &Context, number: u32) -> Result<(BTreeSet<u32>, stream::Config), ClusterError> {
    let stream = context.get_stream(name(number)).await.map_err(refused("find the stream of the shard"))?;
    let config = stream.cached_info().config.clone();
    let slot = |subject: &String| subject.strip_prefix("credence.people.")?.split('.').next()?.parse().ok();
    Ok((config.subjects.iter().filter_map(slot).collect(), config))
}

/// Has a shard's stream take these slots and no others.
pub(crate) async fn take_slots(
    context: &Context,
    number: u32,
    slots: &BTreeSet<u32>,
    mut config: stream::Config,
) -> Result<(), ClusterError> {
    let of_people = slots.iter().map(|slot| format!("credence.people.{slot}.*"));
    config.subjects = of_people.chain([subject(number)]).collect();
    context.update_stream(config).await.map_err(refused("deal slots to the stream of the shard")).map(drop)
}

/// Tells a whole shard something; gives the number that the stream gave it. Sent again with the same `id` it is there once, for some
/// minutes. After `last`, if that is given: nothing where something else came first.
pub(crate) async fn tell(
    context: &Context,
    number: u32,
    id: &str,
    message: &Message,
    last: Option<u64>,
) -> Result<Option<u64>, ClusterError> {
    let doing = "publish to the stream of the shard";
    let bytes = serde_json::to_vec(message).map_err(refused(doing))?;
    let mut publish = PublishMessage::build().payload(bytes.into()).message_id(id).expected_stream(name(number));
    if let Some(last) = last {
        publish = publish.expected_last_sequence(last);
    }
    let sent = context.send_publish(subject(number), publish).await.map_err(refused(doing))?;
    match sent.await {
        Ok(taken) => Ok(Some(taken.sequence)),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
        Err(error) => Err(refused(doing)(error)),
    }
}
