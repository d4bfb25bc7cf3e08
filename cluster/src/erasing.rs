//! Erasing a person everywhere: the logs of all shards and the homes that follow them, the streams, and the copies of the logs.
//!
//! 1. Every shard is told, by the hash of the name: whoever follows it rewrites the log, in the place of the message, to the same
//!    bytes. Populations that were learned from the person go in all shards.
//! 2. The writers copy their logs anew, and delete the copies that were there.
//! 3. What is in the streams of the person's is deleted, and overwritten by the server.
//!
//! It may be cut off anywhere: whoever begins the same erasure again does what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use credence_memory::ids::PersonId;
use credence_memory::record::Record;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::control::{Work, begin, bucket, finish, shards, tell, work};
use crate::evidence::{Erase, FORM, Message, NameKey, Place};
use crate::replica::Replica;
use crate::shard::{name, subject};
use crate::{ClusterError, Server, copy, not_done, population, refused};

const DOING: &str = "erase a person from all shards";

/// What is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Number of the erasure.
    pub number: u64,
    /// Pieces of evidence that the logs had, by shard.
    pub evidence: BTreeMap<u32, usize>,
    /// Populations that were learned from the person, by the numbers of their fits.
    pub fits: BTreeSet<u64>,
    /// Messages that were deleted from streams.
    pub messages: usize,
}

/// Erases a person. `folder` is where the logs are read, and is emptied again. `confirmation` must be the name once more.
///
/// # Errors
/// Nobody of this name in any shard; `confirmation` is another; no server; something else is not finished; a writer that is not running.
pub async fn erase(
    server: &Server,
    person: &PersonId,
    confirmation: &str,
    reason: &str,
    folder: &Path,
    patience: Duration,
) -> Result<Gone, ClusterError> {
    if credence_memory::text::name(confirmation) != person.as_str() {
        let why = format!(
            "nothing was erased: to confirm, the name {person:?} must be given again",
            person = person.as_str()
        );
        return Err(not_done(DOING, why));
    }
    let context = server.context().await?;
    let bucket = bucket(&context, server).await?;
    let all = shards(&context).await?;
    let (mut replicas, mut evidence, mut fits) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut is_known = false;
    for shard in &all {
        let mut replica = Replica::open(&context, *shard, &folder.join(format!("shard-{shard}"))).await?;
        replica.catch_up().await?;
        let state = replica.home.state();
        is_known |= state.person(person).is_some() || state.has_left(person);
        evidence.insert(*shard, state.person(person).map_or(0, |known| known.evidence().len()));
        for entry in replica.home.entries()? {
            let entry = entry.map_err(credence_memory::HomeError::from)?;
            if let Record::PopulationConsolidated(r) = entry.record
                && r.parts.iter().any(|part| part.people.contains(person))
            {
                fits.extend(r.across.map(|across| across.fit));
            }
        }
        replicas.insert(*shard, replica);
    }
    let header = replicas.values().find_map(|replica| replica.home.state().header().cloned());
    let header = header.ok_or_else(|| not_done(DOING, "there are no shards"))?;
    let place = NameKey::of(&header.log_id).place(person);
    let (unfinished, begun) = work(&bucket).await?;
    let number = match unfinished {
        // Where some logs have done it already, the populations are known from before.
        Work::Erase { slot, person: hash, fits: of, .. } if (slot, &hash) == (place.slot, &place.person) => {
            fits.extend(of);
            begun
        }
        other if other == Work::None && is_known => {
            begin(&bucket, &Work::erase(place.clone(), fits.clone(), reason.to_owned())).await?
        }
        Work::None => return Err(not_done(DOING, format!("no shard has a person {:?}", person.as_str()))),
        other => return Err(ClusterError::Unfinished { what: other.in_words() }),
    };
    let told =
        Erase { number, place: place.clone(), fits: fits.clone(), reason: reason.to_owned(), time: Timestamp::now() };
    let mut at = BTreeMap::new();
    for (shard, replica) in &mut replicas {
        let erase = Some(told.clone());
        let message = Message { form: FORM, schema: header.schema_hash, says: Vec::new(), lease: None, erase };
        let sequence = tell(&context, *shard, &format!("erase {number} {shard}"), &message, None).await?;
        at.insert(*shard, sequence.unwrap_or(0));
        replica.catch_up().await?;
    }
    population::clear(&context, server).await?;
    let waiting = copied(&context, &at, patience).await?;
    if !waiting.is_empty() {
        let shards: Vec<String> = waiting.iter().map(u32::to_string).collect();
        let why = format!(
            "the writer of shard {} has not copied its log anew yet: start it, and erase again to go on",
            shards.join(", ")
        );
        return Err(not_done(DOING, why));
    }
    let mut messages = 0;
    for (shard, sequence) in &at {
        messages += delete(&context, *shard, *sequence, &place, person).await?;
    }
    finish(&bucket, number).await?;
    replicas.into_values().for_each(Replica::remove);
    Ok(Gone { number, evidence, fits, messages })
}

/// Waits until the copies of the logs have these messages; gives the shards whose copies have not.
async fn copied(context: &Context, at: &BTreeMap<u32, u64>, patience: Duration) -> Result<Vec<u32>, ClusterError> {
    let since = Instant::now();
    loop {
        let mut waiting = Vec::new();
        for (shard, sequence) in at {
            if !copy::has_message(context, *shard, *sequence).await? {
                waiting.push(*shard);
            }
        }
        if waiting.is_empty() || since.elapsed() >= patience {
            return Ok(waiting);
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// Deletes what is the person's in a stream, and what of others bears their name, up to the message that erased them. The logs have all of
/// it, and their copies too.
async fn delete(
    context: &Context,
    shard: u32,
    until: u64,
    place: &Place,
    person: &PersonId,
) -> Result<usize, ClusterError> {
    let stream = context.get_stream(name(shard)).await.map_err(refused(DOING))?;
    let mut theirs = BTreeSet::new();
    for (theirs_alone, subject) in [(true, place.subject()), (false, subject(shard))] {
        // Not by a consumer: a stream that a slot has left has its messages still, and takes no consumer of them.
        let mut next = 1;
        while next < until {
            let message = match stream.raw_message_builder().sequence(next).next_by_subject(&subject).send().await {
                Ok(message) => message,
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(refused(DOING)(error)),
            };
            if message.sequence < until && (theirs_alone || bears(&message.payload, person)) {
                theirs.insert(message.sequence);
            }
            next = message.sequence + 1;
        }
    }
    for sequence in &theirs {
        // The server overwrites what it deletes so.
        stream.delete_message(*sequence).await.map_err(refused(DOING))?;
    }
    Ok(theirs.len())
}

/// Whether a message has the name somewhere, as a value or within one.
fn bears(payload: &[u8], person: &PersonId) -> bool {
    fn within(value: &serde_json::Value, name: &str) -> bool {
        match value {
            serde_json::Value::String(said) => {
                credence_memory::text::name(said) == name || !credence_memory::text::mentions(said, name).is_empty()
            }
            serde_json::Value::Array(list) => list.iter().any(|value| within(value, name)),
            serde_json::Value::Object(map) => map.values().any(|value| within(value, name)),
            _ => false,
        }
    }
    serde_json::from_slice(payload).is_ok_and(|value| within(&value, person.as_str()))
}
