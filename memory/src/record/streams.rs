//! The record of a log that is fed by a stream.

use serde::{Deserialize, Serialize};

/// A message of a shard's stream came into the log: the last `records` before it are what it says. A message is received once, and
/// the messages of a shard in the order of their numbers, so that one that is delivered again is noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MessageReceived {
    /// The shard.
    pub shard: u32,
    /// The message's number in the shard's stream.
    pub sequence: u64,
    /// Number of the lease under which the shard is written: it grows with every writer.
    pub fence: u64,
    /// How many records came by it: they stand right before this one.
    pub records: u64,
    /// Why it was not taken, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}
