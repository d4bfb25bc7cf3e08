//! Evidence on a stream: who is dealt where, what a message says, and what becomes of one that is delivered. Nothing here knows the
//! server.
//!
//! A person has a place by a keyed hash of their name, and so has a slot; slots are dealt to shards, each with one stream and one
//! log. What a log holds of its stream follows from the messages alone: each is named in the log by its number, so one that is
//! delivered again is noticed there, and one whose turn has not come is not taken.

use credence_memory::ids::{Hash, PersonId};
use credence_memory::record::{MessageReceived, Record};
use credence_memory::{Home, HomeError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Form of messages that this build writes, and the newest that it reads.
pub const FORM: u32 = 1;

/// Slots that people are dealt to; shards have slots, so that a shard can be split without dealing anew.
pub const SLOTS: u32 = 64;

/// What hashes of names are made with: whoever sees subjects, and has no log, cannot try names.
#[derive(Debug, Clone)]
pub struct NameKey([u8; 32]);

/// Where a person's messages go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// From 0 to [`SLOTS`].
    pub slot: u32,
    /// Half of a keyed hash of the name, in hex.
    pub person: String,
}

impl NameKey {
    /// The key of all shards that began with the log of this id, which is random and stands in no subject.
    pub fn of(log_id: &str) -> Self {
        Self(blake3::derive_key("credence names of people on a stream 1", log_id.as_bytes()))
    }

    /// Where a person's messages go.
    pub fn place(&self, person: &PersonId) -> Place {
        let hash = blake3::keyed_hash(&self.0, person.as_str().as_bytes());
        let slot = u32::from(hash.as_bytes()[31]) % SLOTS;
        Place { slot, person: hash.to_hex()[..32].to_owned() }
    }
}

impl Place {
    /// The subject.
    pub fn subject(&self) -> String {
        format!("credence.people.{}.{}", self.slot, self.person)
    }
}

/// The slots of shard `shard` of `of`, both from 1: each slot is in one shard.
pub fn slots(shard: u32, of: u32) -> impl Iterator<Item = u32> {
    (0..SLOTS).filter(move |slot| of > 0 && slot % of == (shard + of - 1) % of)
}

/// A message: all that a front end has to say of one piece of work. Times, numbers drawn and names are fixed in it, so that whoever
/// takes it in has the same records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// [`FORM`].
    pub form: u32,
    /// Hash of the value schema that its records are about.
    pub schema: Hash,
    /// What it says.
    pub says: Vec<Said>,
}

/// One record of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// When, by the clock of the front end.
    pub time: Timestamp,
    /// What.
    pub record: Record,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// By a newer program: it waits for a newer one here.
    #[error("the message has form {0}, this program reads up to {FORM}: use a newer version of it")]
    Newer(u32),
    /// Not by this program.
    #[error("it is no message of this program: {0}")]
    Foreign(String),
}

impl Message {
    /// Reads one.
    ///
    /// # Errors
    /// It is newer than this program, or not of it.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Form {
            form: u32,
        }
        match serde_json::from_slice::<Form>(bytes) {
            Ok(Form { form }) if form > FORM => Err(Unreadable::Newer(form)),
            Ok(_) => serde_json::from_slice(bytes).map_err(|e| Unreadable::Foreign(e.to_string())),
            Err(error) => Err(Unreadable::Foreign(error.to_string())),
        }
    }
}

/// What becomes of a message that is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The log has it: it is acknowledged again, and nothing is appended.
    Again,
    /// It is next.
    Next,
    /// Another writer has the shard: nothing is appended and nothing acknowledged.
    Fenced,
}

/// What becomes of message `sequence` for a writer with lease `fence`, by the last message in its log.
pub fn delivered(last: Option<&MessageReceived>, sequence: u64, fence: u64) -> Delivery {
    match last {
        Some(last) if fence < last.fence => Delivery::Fenced,
        Some(last) if sequence <= last.sequence => Delivery::Again,
        _ => Delivery::Next,
    }
}

/// What was done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// So many records were appended.
    Records(u64),
    /// None were; the log says why.
    Refused(String),
    /// It was in the log already.
    Again,
    /// Another writer has the shard.
    Fenced,
}

/// Takes a message into a home that writes ahead: its records and its number are appended in one piece, so a crash leaves all of it
/// or nothing. What does not fit is refused in the log, with the reason, and stays in the stream. Nobody may be told, and nothing
/// acknowledged, before the home was synced.
///
/// # Errors
/// The home cannot be written.
pub fn take(
    home: &mut Home,
    (shard, sequence, fence): (u32, u64, u64),
    message: Result<&Message, &str>,
    now: Timestamp,
) -> Result<Taken, HomeError> {
    match delivered(home.state().message_received(shard), sequence, fence) {
        Delivery::Again => return Ok(Taken::Again),
        Delivery::Fenced => return Ok(Taken::Fenced),
        Delivery::Next => {}
    }
    let schema = home.state().header().map(|header| header.schema_hash);
    let refused = match message {
        Ok(message) if schema != Some(message.schema) => "it is of another value schema".to_owned(),
        Ok(message) => {
            home.hold()?;
            match append(home, (shard, sequence, fence), message, now) {
                Ok(()) => {
                    home.release()?;
                    return Ok(Taken::Records(message.says.len() as u64));
                }
                Err(error) => {
                    home.let_go()?;
                    match &error {
                        HomeError::State(state) => std::error::Error::source(state)
                            .map_or_else(|| state.to_string(), |why| format!("{state}: {why}")),
                        _ => return Err(error),
                    }
                }
            }
        }
        Err(why) => why.to_owned(),
    };
    let received = MessageReceived { shard, sequence, fence, records: 0, refused: Some(refused.clone()) };
    home.note(now, Record::MessageReceived(received))?;
    Ok(Taken::Refused(refused))
}

fn append(
    home: &mut Home,
    (shard, sequence, fence): (u32, u64, u64),
    message: &Message,
    now: Timestamp,
) -> Result<(), HomeError> {
    let time = message.says.first().map_or(now, |said| said.time);
    let records = message.says.len() as u64;
    home.note(time, Record::MessageReceived(MessageReceived { shard, sequence, fence, records, refused: None }))?;
    for said in &message.says {
        home.note(said.time, said.record.clone())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use credence_memory::sample::{choice, described, header, id};

    fn message(home: &Home, records: Vec<Record>) -> Message {
        let says = records.into_iter().map(|record| Said { time: Timestamp::UNIX_EPOCH, record }).collect();
        Message { form: FORM, schema: home.state().header().unwrap().schema_hash, says }
    }

    #[test]
    fn everybody_has_one_shard_and_no_subject_bears_a_name() {
        let key = NameKey::of("log");
        for of in [1, 2, 3, 64] {
            let mut all: Vec<u32> = (1..=of).flat_map(|shard| slots(shard, of)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..SLOTS).collect::<Vec<_>>(), "{of} shards");
        }
        let place = key.place(&id("ada"));
        assert_eq!(place, key.place(&id("ada")));
        assert!(place.slot < SLOTS && !place.subject().contains("ada") && place != key.place(&id("bob")));
        assert_ne!(place.person, NameKey::of("another").place(&id("ada")).person);
    }

    #[test]
    fn what_is_delivered_again_counts_once_and_a_stale_writer_takes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let mut home = Home::create(dir.path(), now, header("shard")).unwrap();
        home.write_ahead();
        let first = message(&home, vec![described(0), described(1), choice("ada", 0, 1, Some(0))]);
        let second = message(&home, vec![choice("ada", 0, 1, Some(1))]);
        assert_eq!(take(&mut home, (1, 1, 7), Ok(&first), now).unwrap(), Taken::Records(3));
        assert_eq!(take(&mut home, (1, 1, 7), Ok(&first), now).unwrap(), Taken::Again);
        drop(home);
        // It is the log that knows, so it is noticed after a restart, and by another writer.
        let (mut home, _) = Home::open(dir.path()).unwrap();
        home.write_ahead();
        assert_eq!(take(&mut home, (1, 1, 9), Ok(&first), now).unwrap(), Taken::Again);
        assert_eq!(take(&mut home, (1, 3, 9), Ok(&second), now).unwrap(), Taken::Records(1));
        assert_eq!(take(&mut home, (1, 4, 7), Ok(&second), now).unwrap(), Taken::Fenced);
        assert_eq!(take(&mut home, (2, 1, 2), Ok(&second), now).unwrap(), Taken::Records(1), "another shard");
        assert_eq!(home.state().person(&id("ada")).unwrap().evidence().len(), 3);
        // The same bits as a home that was told directly.
        let direct = tempfile::tempdir().unwrap();
        let mut one = Home::create(direct.path(), now, header("one")).unwrap();
        for said in first.says.iter().chain(&second.says).chain(&second.says) {
            one.append(said.time, said.record.clone()).unwrap();
        }
        let [a, b] = [&mut home, &mut one].map(|home| home.believe(&id("ada")).unwrap().digest());
        assert_eq!(a, b);
    }

    #[test]
    fn what_cannot_be_taken_is_refused_in_the_log_and_nothing_of_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let mut home = Home::create(dir.path(), now, header("shard")).unwrap();
        home.write_ahead();
        let half = message(&home, vec![described(0), choice("ada", 0, 1, Some(0))]);
        let Taken::Refused(why) = take(&mut home, (1, 1, 1), Ok(&half), now).unwrap() else { panic!("it was taken") };
        assert!(why.contains("description of alternative"), "{why}");
        assert!(home.state().descriptions().is_empty() && home.state().person(&id("ada")).is_none());
        let other = Message { schema: Hash::of(b"another"), ..half.clone() };
        let refused = take(&mut home, (1, 2, 1), Ok(&other), now).unwrap();
        assert_eq!(refused, Taken::Refused("it is of another value schema".into()));
        assert_eq!(home.state().message_received(1).map(|last| last.sequence), Some(2));
        let bytes = serde_json::to_vec(&Message { form: FORM + 1, ..half.clone() }).unwrap();
        assert!(matches!(Message::read(&bytes), Err(Unreadable::Newer(2))));
        assert!(matches!(Message::read(b"{}"), Err(Unreadable::Foreign(_))));
        assert_eq!(Message::read(&serde_json::to_vec(&half).unwrap()).unwrap(), half);
    }
}
