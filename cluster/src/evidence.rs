//! Evidence on a stream: who is dealt where, what a message says, and what becomes of one that is delivered. Nothing here knows the
//! server.
//!
//! A person has a place by a keyed hash of their name, and so has a slot; slots are dealt to shards, each with one stream and one
//! log. A log is a function of what it began with and of its stream: whoever follows has the same bytes, so that records have the same
//! numbers everywhere. Each message is named in the log by its number, so one that is delivered again is noticed there.

use std::collections::BTreeSet;

use credence_memory::erase::{EraseError, Erasure};
use credence_memory::ids::{Hash, PersonId};
use credence_memory::record::{AlternativeDescribed, MessageReceived, Record};
use credence_memory::state::State;
use credence_memory::{Home, HomeError, LogError, StateError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Form of messages that this build writes, and the newest that it reads. Messages of form 1 do not say what they were said after.
pub const FORM: u32 = 2;

/// Slots that people are dealt to; shards have slots, so that a shard can be split without dealing anew.
pub const SLOTS: u32 = 64;

/// What hashes of names are made with: whoever sees subjects, and has no log, cannot try names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameKey([u8; 32]);

/// Where a person's messages go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub says: Vec<Said>,
    /// A writer took the lease of the shard, with this number: it has the shard from here on. Such a message says nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u64>,
    /// Somebody is erased from the log. Such a message says nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase: Option<Erase>,
    /// Hash of the last record of the log that it was said on, by a front end: whoever follows has the same log there, or one of them is
    /// another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Hash>,
}

/// Somebody is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// Number of the erasure.
    pub number: u64,
    /// Who, by the hash of the name.
    pub place: Place,
    /// Populations that were learned from them, by the numbers of their fits.
    pub fits: BTreeSet<u64>,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
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
    /// When the first of it was said; none where it says nothing.
    pub fn time(&self) -> Option<Timestamp> {
        self.says.first().map(|said| said.time)
    }

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

/// Where a message stands: what every reader of its stream is told alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The shard.
    pub shard: u32,
    /// Its number in the shard's stream.
    pub sequence: u64,
    /// When the stream took it, by the server's clock.
    pub time: Timestamp,
}

/// What was done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// So many records were appended.
    Records(u64),
    /// A writer has the shard from here on, by the lease of this number.
    Lease(u64),
    /// Somebody was erased, if they were here: the log is another one since.
    Erased,
    /// No records were; the log says why.
    Refused(String),
    /// It was in the log already.
    Again,
}

/// Takes the next message of a shard into a home that writes ahead: its records, then its number, in one piece. What does not fit is
/// refused in the log, with the reason, and stays in the stream. What is appended follows from the log so far and the message, and
/// from nothing else: so all homes that follow a shard have the same bytes. Nobody may be told before the home was synced, or
/// the stream had the message.
///
/// # Errors
/// The home cannot be written.
pub fn take(home: &mut Home, at: At, message: Result<&Message, &str>) -> Result<Taken, HomeError> {
    let last = home.state().message_received(at.shard);
    if last.is_some_and(|last| at.sequence <= last.sequence) {
        return Ok(Taken::Again);
    }
    let fence = last.map_or(0, |last| last.fence);
    let schema = home.state().header().map(|header| header.schema_hash);
    let refused = match message {
        Ok(message) if schema != Some(message.schema) => "it is of another value schema".to_owned(),
        Ok(Message { lease: Some(lease), .. }) if *lease > fence => {
            receive(home, at, *lease, 0, None)?;
            return Ok(Taken::Lease(*lease));
        }
        Ok(Message { lease: Some(lease), .. }) => format!("lease {lease} is over: lease {fence} came before it"),
        Ok(Message { erase: Some(erase), .. }) => {
            erased(home, at, fence, erase)?;
            return Ok(Taken::Erased);
        }
        Ok(message) if elsewhere(home, message).is_some() => elsewhere(home, message).unwrap_or_default(),
        Ok(message) => {
            home.hold()?;
            match append(home, at, fence, message) {
                Ok(records) => {
                    home.release()?;
                    return Ok(Taken::Records(records));
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
    receive(home, at, fence, 0, Some(refused.clone()))?;
    Ok(Taken::Refused(refused))
}

fn append(home: &mut Home, at: At, fence: u64, message: &Message) -> Result<u64, HomeError> {
    let (mut records, mut has_joined) = (0, false);
    let moves = message.says.iter().any(|said| matches!(said.record, Record::PeopleJoined(_)));
    for said in &message.says {
        let record = match &said.record {
            // Somebody else may have described it here as fully, or more so.
            Record::AlternativeDescribed(d) if moves && is_described(home.state(), d) => continue,
            record if has_joined => {
                let seq = home.state().head().0.next();
                let illegal = |source| HomeError::State(StateError::Illegal { seq, source });
                home.state().renumbered(record.clone()).map_err(illegal)?
            }
            record => record.clone(),
        };
        has_joined |= matches!(record, Record::PeopleJoined(_));
        home.note(said.time, record)?;
        records += 1;
    }
    let at = At { time: message.time().unwrap_or(at.time), ..at };
    receive(home, at, fence, records, None)?;
    Ok(records)
}

/// Whether an alternative is described as fully already, or otherwise.
fn is_described(state: &State, described: &AlternativeDescribed) -> bool {
    state.description(&described.alternative).is_some_and(|here| here == described)
        || state.refuses(&Record::AlternativeDescribed(described.clone())).is_some()
}

/// Why a message is about people whom another shard has: their slot has left.
fn elsewhere(home: &Home, message: &Message) -> Option<String> {
    let state = home.state();
    let left = state.slots_left();
    if left.is_empty() || message.says.iter().any(|said| matches!(said.record, Record::PeopleJoined(_))) {
        return None;
    }
    let key = NameKey::of(&state.header()?.log_id);
    let slots = message.says.iter().filter_map(|said| Some(key.place(state.whose(&said.record)?).slot));
    slots
        .filter_map(|slot| Some((slot, left.get(&slot)?)))
        .next()
        .map(|(slot, to)| format!("it is of slot {slot}, which shard {to} has now"))
}

/// Who has this place, of those whom a log knows or knew.
pub(crate) fn of_place(state: &State, key: &NameKey, place: &Place) -> Option<PersonId> {
    let left = state.people_left().values().flat_map(|left| &left.people);
    state.people().keys().chain(left).find(|person| key.place(person) == *place).cloned()
}

/// The number of the last message that a log has of a shard; 0 where it has none.
pub(crate) fn last_message(state: &State, shard: u32) -> u64 {
    state.message_received(shard).map_or(0, |last| last.sequence)
}

/// Erases somebody, and says in the same piece that the message was received.
fn erased(home: &mut Home, at: At, fence: u64, erase: &Erase) -> Result<(), HomeError> {
    let state = home.state();
    let key = NameKey::of(state.header().map_or("", |header| &header.log_id));
    let person = of_place(state, &key, &erase.place);
    let failed = |error| match error {
        EraseError::Home(error) => error,
        EraseError::File { path, source } => HomeError::Files { operation: "remove", path, source },
        EraseError::NoSuchPerson(_) | EraseError::NotConfirmed { .. } | EraseError::Outdated => {
            HomeError::Log(LogError::Empty)
        }
    };
    let erasure = Erasure::over_shards(home, person.as_ref(), &erase.fits).map_err(failed)?;
    if erasure.is_empty() {
        return receive(home, At { time: erase.time, ..at }, fence, 0, None);
    }
    let At { shard, sequence, .. } = at;
    let received = MessageReceived { shard, sequence, fence, records: 1, refused: None };
    let last = Some(Record::MessageReceived(received));
    erasure.carry_out_ending(home, erase.time, &erase.reason, false, Vec::new(), last).map_err(failed).map(drop)
}

/// Says in the log that a message was received, after what it says.
///
/// # Errors
/// The home cannot be written.
pub fn receive(
    home: &mut Home,
    At { shard, sequence, time }: At,
    fence: u64,
    records: u64,
    refused: Option<String>,
) -> Result<(), HomeError> {
    home.note(time, Record::MessageReceived(MessageReceived { shard, sequence, fence, records, refused })).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    use credence_memory::ids::Seq;
    use credence_memory::record::{PeopleJoined, PeopleLeft};
    use credence_memory::sample::{choice, described, header, id};

    fn message(home: &Home, records: Vec<Record>) -> Message {
        let says = records.into_iter().map(|record| Said { time: Timestamp::UNIX_EPOCH, record }).collect();
        Message {
            form: FORM,
            schema: home.state().header().unwrap().schema_hash,
            says,
            lease: None,
            erase: None,
            after: None,
        }
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

    fn at(shard: u32, sequence: u64) -> At {
        At { shard, sequence, time: Timestamp::UNIX_EPOCH }
    }

    fn lease(home: &Home, number: u64) -> Message {
        Message { lease: Some(number), ..message(home, vec![]) }
    }

    #[test]
    fn what_is_delivered_again_counts_once_and_every_home_that_follows_has_the_same_bytes() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = Timestamp::UNIX_EPOCH;
        let mut home = Home::create(dir.path(), now, header("shard")).unwrap();
        home.write_ahead();
        let first = message(&home, vec![described(0), described(1), choice("ada", 0, 1, Some(0))]);
        let second = message(&home, vec![choice("ada", 0, 1, Some(1))]);
        let leases = [lease(&home, 7), lease(&home, 9)];
        assert_eq!(take(&mut home, at(1, 1), Ok(&leases[0])).unwrap(), Taken::Lease(7));
        assert_eq!(take(&mut home, at(1, 2), Ok(&first)).unwrap(), Taken::Records(3));
        assert_eq!(take(&mut home, at(1, 2), Ok(&first)).unwrap(), Taken::Again);
        drop(home);
        // It is the log that knows, so it is noticed after a restart, and by another writer.
        let (mut home, _) = Home::open_fed(dir.path()).unwrap();
        home.write_ahead();
        assert_eq!(take(&mut home, at(1, 2), Ok(&first)).unwrap(), Taken::Again);
        assert_eq!(take(&mut home, at(1, 3), Ok(&leases[1])).unwrap(), Taken::Lease(9));
        assert_eq!(take(&mut home, at(1, 4), Ok(&second)).unwrap(), Taken::Records(1));
        // A writer that was paused between taking its lease and saying so.
        let stale = take(&mut home, at(1, 5), Ok(&leases[0])).unwrap();
        assert_eq!(stale, Taken::Refused("lease 7 is over: lease 9 came before it".into()));
        assert_eq!(home.state().message_received(1).map(|last| (last.sequence, last.fence)), Some((5, 9)));
        assert_eq!(take(&mut home, at(2, 1), Ok(&second)).unwrap(), Taken::Records(1), "another shard");
        assert_eq!(home.state().person(&id("ada")).unwrap().evidence().len(), 3);
        // Another home that follows has the same log; one that was told directly has the same belief.
        let mut follower = Home::create(other.path(), now, header("shard")).unwrap();
        follower.write_ahead();
        let messages = [&leases[0], &first, &leases[1], &second, &leases[0]];
        for (sequence, message) in (1..).zip(messages) {
            take(&mut follower, at(1, sequence), Ok(message)).unwrap();
        }
        take(&mut follower, at(2, 1), Ok(&second)).unwrap();
        assert_eq!(follower.head(), home.head());
        let direct = tempfile::tempdir().unwrap();
        let mut one = Home::create(direct.path(), now, header("one")).unwrap();
        for said in first.says.iter().chain(&second.says).chain(&second.says) {
            one.append(said.time, said.record.clone()).unwrap();
        }
        let [a, b] = [&mut home, &mut one].map(|home| home.believe(&id("ada")).unwrap().digest());
        assert_eq!(a, b);
    }

    #[test]
    fn what_had_not_come_whole_is_cut_off_and_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = Home::create(dir.path(), Timestamp::UNIX_EPOCH, header("shard")).unwrap();
        home.write_ahead();
        let first = message(&home, vec![described(0), described(1), choice("ada", 0, 1, Some(0))]);
        let one = lease(&home, 1);
        take(&mut home, at(1, 1), Ok(&one)).unwrap();
        let before = home.head();
        take(&mut home, at(1, 2), Ok(&first)).unwrap();
        let whole = home.head();
        drop(home);
        let log = dir.path().join("evidence/log.jsonl");
        let text = std::fs::read(&log).unwrap();
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        // As a crash leaves it that came in the middle of writing: two of the records, and half of the third.
        let torn = [lines[..4].concat(), lines[4][..9].to_vec()].concat();
        std::fs::write(&log, torn).unwrap();
        let (mut home, _) = Home::open_fed(dir.path()).unwrap();
        home.write_ahead();
        assert_eq!(home.head(), before);
        assert_eq!(take(&mut home, at(1, 2), Ok(&first)).unwrap(), Taken::Records(3));
        assert_eq!(home.head(), whole);
    }

    #[test]
    fn what_cannot_be_taken_is_refused_in_the_log_and_nothing_of_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = Home::create(dir.path(), Timestamp::UNIX_EPOCH, header("shard")).unwrap();
        home.write_ahead();
        let half = message(&home, vec![described(0), choice("ada", 0, 1, Some(0))]);
        let Taken::Refused(why) = take(&mut home, at(1, 1), Ok(&half)).unwrap() else { panic!("it was taken") };
        assert!(why.contains("description of alternative"), "{why}");
        assert!(home.state().descriptions().is_empty() && home.state().person(&id("ada")).is_none());
        let other = Message { schema: Hash::of(b"another"), ..half.clone() };
        let refused = take(&mut home, at(1, 2), Ok(&other)).unwrap();
        assert_eq!(refused, Taken::Refused("it is of another value schema".into()));
        assert_eq!(home.state().message_received(1).map(|last| last.sequence), Some(2));
        let bytes = serde_json::to_vec(&Message { form: FORM + 1, ..half.clone() }).unwrap();
        assert!(matches!(Message::read(&bytes), Err(Unreadable::Newer(form)) if form == FORM + 1));
        assert!(matches!(Message::read(b"{}"), Err(Unreadable::Foreign(_))));
        assert_eq!(Message::read(&serde_json::to_vec(&half).unwrap()).unwrap(), half);
    }

    #[test]
    fn whoever_left_is_taken_no_more_until_they_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = Home::create(dir.path(), Timestamp::UNIX_EPOCH, header("shard")).unwrap();
        home.write_ahead();
        let said = message(&home, vec![described(0), described(1), choice("ada", 0, 1, Some(0))]);
        take(&mut home, at(1, 1), Ok(&said)).unwrap();
        let slot = NameKey::of("shard").place(&id("ada")).slot;
        let left = PeopleLeft { number: 3, to: 2, slots: vec![slot], sequence: 1, people: vec![id("ada")] };
        let left = message(&home, vec![Record::PeopleLeft(left)]);
        assert_eq!(take(&mut home, at(1, 2), Ok(&left)).unwrap(), Taken::Records(1));
        assert!(matches!(take(&mut home, at(1, 3), Ok(&left)).unwrap(), Taken::Refused(_)), "a move takes place once");
        let more = message(&home, vec![choice("ada", 0, 1, Some(1))]);
        let refused = take(&mut home, at(1, 4), Ok(&more)).unwrap();
        assert_eq!(refused, Taken::Refused(format!("it is of slot {slot}, which shard 2 has now")));
        assert!(home.state().person(&id("ada")).is_none());
        // They come back with what they had, which refers to records by the numbers of another log.
        let joined = PeopleJoined {
            number: 4,
            from: 2,
            slots: vec![slot],
            piece: 1,
            pieces: 1,
            under: home.state().epoch().unwrap().formed_under(),
            fit: None,
            people: vec![id("ada")],
            parts: vec![None],
            numbers: vec![Seq(91), Seq(92)],
            learned: Vec::new(),
        };
        let back = |target: u64| {
            let records = [described(0), Record::PeopleJoined(joined.clone()), choice("ada", 0, 1, Some(0))];
            let withdrawn = credence_memory::sample::retraction(target);
            records.into_iter().chain([withdrawn]).collect::<Vec<_>>()
        };
        let [wrong, right] = [90, 91].map(|target| message(&home, back(target)));
        let wrong = take(&mut home, at(1, 5), Ok(&wrong)).unwrap();
        assert!(matches!(wrong, Taken::Refused(why) if why.contains("record of those who moved")));
        assert_eq!(
            take(&mut home, at(1, 6), Ok(&right)).unwrap(),
            Taken::Records(3),
            "the description is here already"
        );
        let ada = home.state().person(&id("ada")).unwrap();
        assert_eq!((ada.evidence().len(), ada.retracted().len()), (0, 1));
        assert_eq!(take(&mut home, at(1, 7), Ok(&more)).unwrap(), Taken::Records(1));
    }

    #[test]
    fn an_erasure_makes_the_same_log_of_every_home_that_follows() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut homes = folders.each_ref().map(|dir| {
            let mut home = Home::create(dir.path(), Timestamp::UNIX_EPOCH, header("shard")).unwrap();
            home.write_ahead();
            home
        });
        let said = message(&homes[0], vec![described(0), described(1), choice("ada", 0, 1, Some(0))]);
        let other = message(&homes[0], vec![choice("bob", 0, 1, Some(0))]);
        let erase = Erase {
            number: 5,
            place: NameKey::of("shard").place(&id("ada")),
            fits: BTreeSet::new(),
            reason: "asked".into(),
            time: Timestamp::UNIX_EPOCH,
        };
        let erase = Message { erase: Some(erase), ..message(&homes[0], vec![]) };
        assert!(!serde_json::to_string(&erase).unwrap().contains("ada"), "no name is in it");
        for home in &mut homes {
            take(home, at(1, 1), Ok(&said)).unwrap();
            take(home, at(1, 2), Ok(&other)).unwrap();
        }
        let [mut home, mut second] = homes;
        assert_eq!(take(&mut home, at(1, 3), Ok(&erase)).unwrap(), Taken::Erased);
        drop(home);
        // Nothing of it is lost by a restart, and delivered again it does nothing.
        let (mut home, _) = Home::open_fed(folders[0].path()).unwrap();
        home.write_ahead();
        assert_eq!(take(&mut home, at(1, 3), Ok(&erase)).unwrap(), Taken::Again);
        assert_eq!((home.state().erasures(), home.state().person(&id("ada")).is_none()), (1, true));
        take(&mut second, at(1, 3), Ok(&erase)).unwrap();
        assert_eq!(home.head(), second.head());
        assert_eq!(home.state().person(&id("bob")).unwrap().evidence().len(), 1);
        assert!(!std::fs::read_to_string(home.paths().log()).unwrap().contains("ada"));
        assert_eq!(take(&mut home, at(1, 4), Ok(&erase)).unwrap(), Taken::Erased, "there is nobody any more");
        assert_eq!(home.state().erasures(), 1);
    }
}
