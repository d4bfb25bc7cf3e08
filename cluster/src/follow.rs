//! Following a shard's stream, in order and without holes.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{Context, Message as Raw};
use credence_memory::state::State;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt;

use crate::control::one;
use crate::evidence::{At, Message, Unreadable, last_message};
use crate::shard::name;
use crate::{ClusterError, refused};

/// Messages that are handed on together, at most.
const BATCH: usize = 256;
/// A server that says nothing for twice as long is taken to be away.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long a stream may seem to be another one before it is taken to be one.
const DOUBT: Duration = Duration::from_secs(10);
const DOING: &str = "follow the stream of the shard";

/// A message of the stream.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Where it stands.
    pub at: At,
    payload: Vec<u8>,
}

impl Delivered {
    fn new(shard: u32, raw: &Raw) -> Result<Self, ClusterError> {
        let info = raw.info().map_err(refused(DOING))?;
        let nanoseconds = info.published.unix_timestamp_nanos();
        let time = Timestamp::from_nanosecond(nanoseconds).map_err(refused(DOING))?;
        Ok(Self { at: At { shard, sequence: info.stream_sequence, time }, payload: raw.payload.to_vec() })
    }

    /// What it says, or why it is no message: that is for the log.
    ///
    /// # Errors
    /// A newer program wrote it: it waits in the stream for one here.
    pub fn read(&self) -> Result<Result<Message, String>, ClusterError> {
        match Message::read(&self.payload) {
            Err(error @ Unreadable::Newer(_)) => {
                Err(ClusterError::Foreign { subject: format!("message {}", self.at.sequence), why: error.to_string() })
            }
            read => Ok(read.map_err(|error| error.to_string())),
        }
    }
}

/// The messages of a shard after one that is known.
pub(crate) struct Follow {
    context: Context,
    shard: u32,
    /// The number of the next one.
    next: u64,
    /// When the one before it was said, in milliseconds: what tells it from another of the same number.
    time: Option<i64>,
    /// Since when the stream seems to be another one.
    doubted: Option<Instant>,
    messages: Option<pull::Stream>,
    /// Whether nothing was delivered yet since the server was asked.
    is_fresh: bool,
}

impl Follow {
    /// Follows from the message after the last one that a log has.
    pub(crate) fn after(context: Context, shard: u32, state: &State) -> Self {
        let next = last_message(state, shard) + 1;
        let time = state.message_time(shard).map(|time| time.as_millisecond());
        Self { context, shard, next, time, doubted: None, messages: None, is_fresh: true }
    }

    /// That the stream has the last message that the log has: it may be another stream since, where the server lost what it had taken.
    ///
    /// # Errors
    /// [`ClusterError::OtherStream`]; the server.
    pub(crate) async fn confirm(&self) -> Result<(), ClusterError> {
        let (shard, last) = (self.shard, self.next - 1);
        let Some(time) = self.time else { return Ok(()) };
        let stream = self.context.get_stream(name(shard)).await.map_err(refused(DOING))?;
        let end = stream.cached_info().state.last_sequence;
        if end < last {
            return Err(ClusterError::OtherStream { shard, last, why: format!("the stream ends with message {end}") });
        }
        // What was erased cannot be told from what was never there.
        let Some(message) = one(stream.get_raw_message(last).await, DOING)? else { return Ok(()) };
        // A log has the time of what is said, of an erasure, or the server's own, as the case may be.
        let said = Message::read(&message.payload).ok();
        let said = said.and_then(|said| said.time().or_else(|| said.erase.map(|erase| erase.time)));
        let published = i64::try_from(message.time.unix_timestamp_nanos() / 1_000_000).ok();
        if said.map(|time| time.as_millisecond()) == Some(time) || published == Some(time) {
            return Ok(());
        }
        Err(ClusterError::OtherStream { shard, last, why: "the stream has another one of this number".into() })
    }

    /// The last message in the stream; 0 where there is none.
    pub(crate) async fn end(&self) -> Result<u64, ClusterError> {
        let stream = self.context.get_stream(name(self.shard)).await.map_err(refused(DOING))?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// What came next; nothing where nothing came for so long.
    ///
    /// # Errors
    /// The server is away, which may be asked again; [`ClusterError::Gap`].
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Vec<Delivered>, ClusterError> {
        let mut messages = match self.messages.take() {
            Some(messages) => messages,
            None => self.ask().await?,
        };
        let mut batch = Vec::new();
        let first = match timeout(patience, messages.next()).await {
            Err(_) => {
                self.messages = Some(messages);
                return Ok(batch);
            }
            Ok(None) => return Err(refused(DOING)("it ended")),
            Ok(Some(first)) => first.map_err(refused(DOING))?,
        };
        let mut next = Some(first);
        while let Some(raw) = next {
            let delivered = Delivered::new(self.shard, &raw)?;
            let sequence = delivered.at.sequence;
            if sequence > self.next {
                // Lost on its way, and delivered when asked again; or not there any more.
                return match self.is_fresh {
                    true => Err(ClusterError::Gap { shard: self.shard, last: self.next - 1, next: sequence }),
                    false => Ok(batch),
                };
            }
            if sequence == self.next {
                self.next += 1;
                self.time = Some(delivered.at.time.as_millisecond());
                batch.push(delivered);
            }
            self.is_fresh = false;
            next = match batch.len() < BATCH {
                true => match timeout(Duration::from_millis(1), messages.next()).await {
                    Ok(Some(more)) => more.ok(),
                    _ => None,
                },
                false => None,
            };
        }
        self.messages = Some(messages);
        Ok(batch)
    }

    async fn ask(&mut self) -> Result<pull::Stream, ClusterError> {
        let stream = self.context.get_stream(name(self.shard)).await.map_err(refused(DOING))?;
        match self.confirm().await {
            Ok(()) => self.doubted = None,
            // Servers of a cluster that have just come back may know less for a moment.
            Err(error @ ClusterError::OtherStream { .. })
                if self.doubted.get_or_insert_with(Instant::now).elapsed() < DOUBT =>
            {
                return Err(refused(DOING)(error));
            }
            Err(error) => return Err(error),
        }
        let first = stream.cached_info().state.first_sequence;
        if first > self.next {
            return Err(ClusterError::Gap { shard: self.shard, last: self.next - 1, next: first });
        }
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.next },
            // The log says how far it has come: nothing is acknowledged besides.
            ack_policy: AckPolicy::None,
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            ..Default::default()
        };
        self.is_fresh = true;
        let consumer = stream.create_consumer(config).await.map_err(refused(DOING))?;
        let stream = consumer.stream().max_messages_per_batch(BATCH).heartbeat(HEARTBEAT).expires(HEARTBEAT * 10);
        stream.messages().await.map_err(refused(DOING))
    }
}
