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
use async_nats::jetstream::stream::Stream;
use credence_memory::ids::PersonId;
use credence_memory::record::Record;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::control::{self, Work, begin, bucket, finish, one, shards_with_logs, tell, work};
use crate::evidence::{Erase, FORM, Message, NameKey, Place, of_place};
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

/// Whom to erase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// Somebody of this name.
    Named {
        /// The name.
        person: &'a PersonId,
        /// The name once more.
        confirmation: &'a str,
    },
    /// Whose erasure was cut off: it goes on.
    Unfinished,
}

/// Erases a person. `folder` is where the logs are read, and is emptied again.
///
/// # Errors
/// Nobody of this name in any shard; the confirmation is another; no server; something else is not finished, or nothing is where an
/// erasure is to go on; a writer that is not running.
pub async fn erase(
    server: &Server,
    whom: Whom<'_>,
    reason: &str,
    folder: &Path,
    patience: Duration,
) -> Result<Gone, ClusterError> {
    if let Whom::Named { person, confirmation } = whom
        && credence_memory::text::name(confirmation) != person.as_str()
    {
        let why = format!("nothing was erased: to confirm, the name {:?} must be given again", person.as_str());
        return Err(not_done(DOING, why));
    }
    let context = server.context().await?;
    let bucket = bucket(&context, server).await?;
    let all = shards_with_logs(&context).await?;
    let mut replicas = BTreeMap::new();
    for shard in &all {
        let mut replica = Replica::open(&context, *shard, &folder.join(format!("shard-{shard}"))).await?;
        replica.catch_up().await?;
        replicas.insert(*shard, replica);
    }
    let header = replicas.values().find_map(|replica| replica.home.state().header().cloned());
    let header = header.ok_or_else(|| not_done(DOING, "there are no shards"))?;
    let key = NameKey::of(&header.log_id);
    let (unfinished, begun) = work(&bucket).await?;
    let place = match (whom, &unfinished) {
        (Whom::Named { person, .. }, _) => key.place(person),
        (Whom::Unfinished, Work::Erase { slot, person, .. }) => Place { slot: *slot, person: person.clone() },
        (Whom::Unfinished, Work::None) => return Err(not_done(DOING, "no erasure was cut off")),
        (Whom::Unfinished, other) => return Err(other.unfinished()),
    };
    // In a log as long as it is not rewritten, and in the streams until the end.
    let person = match whom {
        Whom::Named { person, .. } => Some(person.clone()),
        Whom::Unfinished => match replicas.values().find_map(|replica| of_place(replica.home.state(), &key, &place)) {
            None => named(&context, &all, &key, &place).await?,
            found => found,
        },
    };
    let (mut is_known, mut evidence, mut fits) = (false, BTreeMap::new(), BTreeSet::new());
    for (shard, replica) in &replicas {
        let state = replica.home.state();
        is_known |= of_place(state, &key, &place).is_some();
        let known = person.as_ref().and_then(|person| state.person(person));
        evidence.insert(*shard, known.map_or(0, |known| known.evidence().len()));
        for entry in replica.home.entries()? {
            let entry = entry.map_err(credence_memory::HomeError::from)?;
            if let Record::PopulationConsolidated(r) = entry.record
                && person.as_ref().is_some_and(|person| r.parts.iter().any(|part| part.people.contains(person)))
            {
                fits.extend(r.across.map(|across| across.fit));
            }
        }
    }
    let (number, reason) = match unfinished {
        // Where some logs have done it already, the populations are known from before.
        Work::Erase { slot, person: hash, fits: of, reason } if (slot, &hash) == (place.slot, &place.person) => {
            fits.extend(of);
            (begun, reason)
        }
        other if other == Work::None && is_known => {
            let wanted = Work::erase(place.clone(), fits.clone(), reason.to_owned());
            (begin(&bucket, &wanted).await?, reason.to_owned())
        }
        Work::None => {
            let name = person.as_ref().map_or("", PersonId::as_str);
            return Err(not_done(DOING, format!("no shard has a person {name:?}")));
        }
        other => return Err(other.unfinished()),
    };
    let told = Erase { number, place: place.clone(), fits: fits.clone(), reason, time: Timestamp::now() };
    let mut at = BTreeMap::new();
    for (shard, replica) in &mut replicas {
        let erase = Some(told.clone());
        let message =
            Message { form: FORM, schema: header.schema_hash, says: Vec::new(), lease: None, erase, after: None };
        let sequence = tell(&context, *shard, &format!("erase {number} {shard}"), &message, None).await?;
        at.insert(*shard, sequence.unwrap_or(0));
        replica.catch_up().await?;
    }
    population::clear(&context, server).await?;
    let waiting = copied(&context, &at, patience).await?;
    if !waiting.is_empty() {
        let shards: Vec<String> = waiting.iter().map(u32::to_string).collect();
        let (writers, have) =
            if shards.len() == 1 { ("the writer of shard", "has") } else { ("the writers of shards", "have") };
        let why = format!(
            "{writers} {} {have} not copied the log anew yet: see that they run, and erase again to go on",
            shards.join(", ")
        );
        return Err(not_done(DOING, why));
    }
    // What was made of people before and came a moment later: from here on nobody makes anything of theirs.
    population::clear(&context, server).await?;
    let mut messages = 0;
    for (shard, sequence) in &at {
        messages += delete(&context, *shard, *sequence, &place, person.as_ref()).await?;
    }
    replicas.into_values().for_each(Replica::remove);
    finish(&bucket, number).await?;
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
    person: Option<&PersonId>,
) -> Result<usize, ClusterError> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let stream = each(context, shard, until, &place.subject(), |sequence, _| own.push(sequence)).await?;
    if let Some(person) = person {
        let bears = |said: &str| {
            let name = person.as_str();
            credence_memory::text::name(said) == name || !credence_memory::text::mentions(said, name).is_empty()
        };
        each(context, shard, until, &subject(shard), |sequence, payload| {
            if texts(payload).iter().any(|said| bears(said)) {
                others.push(sequence);
            }
        })
        .await?;
    }
    // Their own come last: they say who it is, if this is cut off.
    for sequence in others.iter().chain(&own) {
        control::delete(&stream, *sequence, DOING).await?;
    }
    Ok(others.len() + own.len())
}

/// Looks at each message of a subject before `until`. Not by a consumer: a stream that a slot has left has its messages still, and takes
/// no consumer of them.
async fn each(
    context: &Context,
    shard: u32,
    until: u64,
    subject: &str,
    mut look: impl FnMut(u64, &[u8]),
) -> Result<Stream, ClusterError> {
    let stream = context.get_stream(name(shard)).await.map_err(refused(DOING))?;
    let mut next = 1;
    while next < until {
        let found = stream.get_first_raw_message_by_subject(subject, next).await;
        let Some(message) = one(found, DOING)? else { break };
        if message.sequence < until {
            look(message.sequence, &message.payload);
        }
        next = message.sequence + 1;
    }
    Ok(stream)
}

/// All texts in a message.
fn texts(payload: &[u8]) -> Vec<String> {
    fn add(value: Value, all: &mut Vec<String>) {
        match value {
            Value::String(said) => all.push(said),
            Value::Array(list) => list.into_iter().for_each(|value| add(value, all)),
            Value::Object(map) => map.into_iter().for_each(|(_, value)| add(value, all)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut all = Vec::new();
    if let Ok(value) = serde_json::from_slice(payload) {
        add(value, &mut all);
    }
    all
}

/// Who has this place, by what the streams still have.
async fn named(
    context: &Context,
    shards: &[u32],
    key: &NameKey,
    place: &Place,
) -> Result<Option<PersonId>, ClusterError> {
    for shard in shards {
        for subject in [place.subject(), subject(*shard)] {
            let mut found = None;
            let look = |_: u64, payload: &[u8]| {
                if found.is_none() {
                    let people = texts(payload).into_iter().filter_map(|said| PersonId::new(&said).ok());
                    found = people.into_iter().find(|person| key.place(person) == *place);
                }
            };
            each(context, *shard, u64::MAX, &subject, look).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}
