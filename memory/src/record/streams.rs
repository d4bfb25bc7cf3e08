//! The record of a log that is fed by a stream.

use serde::{Deserialize, Serialize};

use crate::ids::{Hash, PersonId, Seq};

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

/// People left this log for that of another shard: nothing of theirs counts here any more. What they had said before stays where it
/// stands until it is erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PeopleLeft {
    /// Number of the move; numbers grow.
    pub number: u64,
    /// The shard that they went to.
    pub to: u32,
    /// The slots that went with them.
    pub slots: Vec<u32>,
    /// The last message that this shard's stream had when it took none of these slots any more.
    pub sequence: u64,
    /// Everybody in these slots.
    pub people: Vec<PersonId>,
}

/// People came from the log of another shard: the records that follow are theirs, in the order of that log. A move comes in pieces,
/// each once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PeopleJoined {
    /// Number of the move.
    pub number: u64,
    /// The shard that they came from.
    pub from: u32,
    /// The slots that came with them.
    pub slots: Vec<u32>,
    /// Which piece of the move, from 1.
    pub piece: u32,
    /// Of how many.
    pub pieces: u32,
    /// Hash of what belief was formed under there: settings, feature space and the prior of everyone.
    pub under: Hash,
    /// The fit of the population that was in force there, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<u64>,
    /// Whose records begin in this piece.
    pub people: Vec<PersonId>,
    /// The part of that population that each of them is of, from 0; nothing for somebody who is in none.
    pub parts: Vec<Option<u32>>,
    /// Numbers that the records that follow have in the log that they come from.
    pub numbers: Vec<Seq>,
    /// Which of them that population was learned from: first and last place of each run, from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<(u32, u32)>,
}

/// A population that was learned from several shards leaves everybody's mixture: something that is in it was withdrawn in one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PopulationWithdrawn {
    /// Number of the fit.
    pub fit: u64,
    /// Why.
    pub reason: String,
}
