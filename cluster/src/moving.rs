//! Slots that move from one shard to another, with the people in them. Splitting a shard is a move of half its slots to a new one.
//!
//! 1. The stream that they leave takes their subjects no more: what people say meanwhile is refused, and said again.
//! 2. The log that they leave says that they left, and who ([`PeopleLeft`]). It takes nothing of theirs from there on.
//! 3. Their records come to the other shard as messages, in pieces ([`PeopleJoined`]): each counts once, however often it is sent.
//! 4. The other stream takes their subjects.
//!
//! Which of these is done stands in the streams' configurations and in the two logs, so a move may be cut off anywhere: whoever begins
//! the same move again does what is missing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::{Context, stream};
use credence_memory::ids::{Hash, PersonId};
use credence_memory::moving::{Leaving, MovingError, Piece};
use credence_memory::record::{PeopleLeft, PopulationConsolidated, PopulationPart, Record};
use credence_memory::state::State;
use credence_memory::{Home, HomeError};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::control::{Work, begin, bucket, finish, is_unused, listed, shards, slots_of, take_slots, tell, work};
use crate::evidence::{At, FORM, Message, NameKey, Said, Taken, take};
use crate::replica::Replica;
use crate::shard::{name, subject};
use crate::{ClusterError, Server, copy, not_done, refused};

/// Bytes of the records of one piece, about: a server takes messages of a megabyte.
const PIECE: usize = 256 << 10;
const DOING: &str = "move slots between shards";

/// What is to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// From which shard.
    pub from: u32,
    /// To which; a new one is made from the beginning of the other's log.
    pub to: u32,
    /// Which slots; half of them where none are named.
    pub slots: Option<BTreeSet<u32>>,
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Number of the move.
    pub number: u64,
    /// From which shard.
    pub from: u32,
    /// To which.
    pub to: u32,
    /// The slots.
    pub slots: BTreeSet<u32>,
    /// People.
    pub people: usize,
    /// Records of theirs.
    pub records: usize,
    /// Messages that these went in.
    pub pieces: usize,
    /// Whether the shard is new.
    pub is_new: bool,
    /// For how long what the people said was refused.
    pub refused_for: Duration,
}

/// Moves slots; without a wish, goes on with the move that was cut off. `folder` is where the two logs are read, and is emptied again.
///
/// # Errors
/// No server; something else is not finished; slots that the shard does not have; a shard that does not take the people, which is found out
/// before anything is done.
pub async fn move_slots(server: &Server, wanted: Option<&Wanted>, folder: &Path) -> Result<Moved, ClusterError> {
    let context = server.context().await?;
    let bucket = bucket(&context, server).await?;
    let (unfinished, number) = work(&bucket).await?;
    let (from, to, slots, begun) = match (unfinished, wanted) {
        (Work::Move { from, to, slots }, wanted) => {
            let same = |w: &Wanted| w.from == from && w.to == to && w.slots.as_ref().is_none_or(|s| *s == slots);
            if wanted.is_some_and(|wanted| !same(wanted)) {
                return Err(Work::Move { from, to, slots }.unfinished());
            }
            (from, to, slots, Some(number))
        }
        (Work::None, Some(wanted)) => {
            let all = shards(&context).await?;
            if !all.contains(&wanted.from) {
                return Err(not_done(DOING, format!("there is no shard {}; there are: {}", wanted.from, listed(&all))));
            }
            let (has, _) = slots_of(&context, wanted.from).await?;
            let there = if all.contains(&wanted.to) { slots_of(&context, wanted.to).await?.0 } else { BTreeSet::new() };
            let slots = chosen(wanted, &has, &there)?;
            (wanted.from, wanted.to, slots, None)
        }
        (Work::None, None) => return Err(not_done(DOING, "no move was cut off")),
        (other @ Work::Erase { .. }, _) => return Err(other.unfinished()),
    };
    let is_new = is_unused(&context, to).await?;
    let mut there = Replica::open(&context, from, &folder.join(format!("shard-{from}"))).await?;
    there.catch_up().await?;
    if is_new {
        make(&context, server, to, &there, &folder.join("beginning")).await?;
    }
    let mut here = Replica::open(&context, to, &folder.join(format!("shard-{to}"))).await?;
    here.catch_up().await?;
    let key = NameKey::of(there.home.state().header().map_or("", |header| &header.log_id));
    let schema = there.home.state().header().map_or(Hash::ZERO, |header| header.schema_hash);
    let moves = |person: &PersonId| slots.contains(&key.place(person).slot);
    let listed: Vec<u32> = slots.iter().copied().collect();
    let number = match begun {
        Some(number) => number,
        None => {
            // Nothing is done yet: this is when somebody may be refused.
            let leaving = leaving(&there, moves, u64::MAX)?;
            may_join(&mut here, to, &leaving.pieces((u64::MAX, from), &listed, PIECE).map_err(failed)?, schema)?;
            begin(&bucket, &Work::Move { from, to, slots: slots.clone() }).await?
        }
    };
    let since = Instant::now();
    let (has, config) = slots_of(&context, from).await?;
    if !has.is_disjoint(&slots) {
        take_slots(&context, from, &has.difference(&slots).copied().collect(), config).await?;
    }
    let mut last = there.catch_up().await?;
    while !there.home.state().people_left().contains_key(&number) {
        let people = there.home.state().people().keys().filter(|person| moves(person)).cloned().collect();
        let left = PeopleLeft { number, to, slots: listed.clone(), sequence: last, people };
        let message = said(schema, vec![(Timestamp::now(), Record::PeopleLeft(left))]);
        // Whatever comes in between may be about somebody who leaves: they are counted again.
        let told = tell(&context, from, &format!("left {number} {last}"), &message, Some(last)).await?;
        last = there.catch_up().await?;
        if told.is_some() && !there.home.state().people_left().contains_key(&number) {
            return Err(not_done(DOING, format!("shard {from} does not let them go: {}", refusal(&there)?)));
        }
    }
    let leaving = leaving(&there, moves, number)?;
    let pieces = leaving.pieces((number, from), &listed, PIECE).map_err(failed)?;
    let taken = |state: &State| state.joining().filter(|j| j.number == number).map_or(0, |joining| joining.piece);
    here.catch_up().await?;
    for piece in &pieces[taken(here.home.state()) as usize..] {
        let id = format!("joined {number} {}", piece.joined.piece);
        tell(&context, to, &id, &message_of(schema, piece), None).await?;
    }
    here.catch_up().await?;
    if taken(here.home.state()) as usize != pieces.len() {
        let why = refusal(&here)?;
        return Err(not_done(
            DOING,
            format!("shard {to} has {} of {} pieces: {why}", taken(here.home.state()), pieces.len()),
        ));
    }
    let (has, config) = slots_of(&context, to).await?;
    if !slots.is_subset(&has) {
        take_slots(&context, to, &has.union(&slots).copied().collect(), config).await?;
    }
    let refused_for = since.elapsed();
    let (people, records) = (leaving.people().len(), pieces.iter().map(|piece| piece.records.len()).sum());
    there.remove();
    here.remove();
    finish(&bucket, number).await?;
    Ok(Moved { number, from, to, slots, people, records, pieces: pieces.len(), is_new, refused_for })
}

/// The slots that are wanted, or half of those that a shard has; `there` are those of the other one.
fn chosen(wanted: &Wanted, has: &BTreeSet<u32>, there: &BTreeSet<u32>) -> Result<BTreeSet<u32>, ClusterError> {
    let slots = match &wanted.slots {
        Some(slots) => slots.clone(),
        None => has.iter().copied().skip(has.len().div_ceil(2)).collect(),
    };
    if wanted.from == wanted.to {
        return Err(not_done(DOING, "a shard keeps what it has: give another one with --to"));
    }
    if slots.is_empty() {
        return Err(not_done(DOING, format!("shard {} has {} slots: there is none to move", wanted.from, has.len())));
    }
    match slots.iter().find(|slot| !has.contains(slot)) {
        None => Ok(slots),
        // A move that was cut off when only the word that it was done was missing, say.
        Some(_) if slots.is_subset(there) => {
            Err(not_done(DOING, format!("shard {} has these slots already", wanted.to)))
        }
        Some(other) => {
            let has: Vec<String> = has.iter().map(u32::to_string).collect();
            Err(not_done(DOING, format!("shard {} has slots {}, not {other}", wanted.from, has.join(", "))))
        }
    }
}

fn failed(error: MovingError) -> ClusterError {
    refused(DOING)(error)
}

fn leaving(there: &Replica, moves: impl Fn(&PersonId) -> bool, number: u64) -> Result<Leaving, ClusterError> {
    Leaving::of(there.home.entries()?, moves, number).map_err(failed)
}

fn said(schema: Hash, says: Vec<(Timestamp, Record)>) -> Message {
    let says = says.into_iter().map(|(time, record)| Said { time, record }).collect();
    Message { form: FORM, schema, says, lease: None, erase: None, after: None }
}

fn message_of(schema: Hash, piece: &Piece) -> Message {
    let time = piece.records.first().map_or(Timestamp::UNIX_EPOCH, |(time, _)| *time);
    let joined = (time, Record::PeopleJoined(piece.joined.clone()));
    said(schema, piece.descriptions.iter().cloned().chain([joined]).chain(piece.records.iter().cloned()).collect())
}

/// That the other shard would take all of it, as it is now.
fn may_join(here: &mut Replica, to: u32, pieces: &[Piece], schema: Hash) -> Result<(), ClusterError> {
    here.home.hold()?;
    let (mut sequence, mut refusal) = (here.last(), None);
    for piece in pieces {
        sequence += 1;
        let at = At { shard: to, sequence, time: Timestamp::UNIX_EPOCH };
        if let Taken::Refused(why) = take(&mut here.home, at, Ok(&message_of(schema, piece)))? {
            refusal = Some(why);
            break;
        }
    }
    here.home.let_go()?;
    match refusal {
        None => Ok(()),
        Some(why) => Err(not_done(DOING, format!("shard {to} would not take them, and nothing was done: {why}"))),
    }
}

/// Why the last message was refused.
fn refusal(of: &Replica) -> Result<String, ClusterError> {
    let mut why = "it does not say why".to_owned();
    for entry in of.home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        if let Record::MessageReceived(received) = entry.record
            && let Some(refused) = received.refused
        {
            why = refused;
        }
    }
    Ok(why)
}

/// Makes a shard that has no slots yet. Its log begins as that of the other one did, without anybody.
async fn make(
    context: &Context,
    server: &Server,
    number: u32,
    like: &Replica,
    folder: &Path,
) -> Result<(), ClusterError> {
    let _ = std::fs::remove_dir_all(folder);
    let (mut beginning, mut was_begun, mut held): (Option<Home>, bool, Option<PopulationConsolidated>) =
        (None, false, None);
    let fit = like.home.state().population().and_then(|held| held.fit());
    for entry in like.home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        match (&mut beginning, entry.record) {
            (_, Record::MessageReceived(_)) => was_begun = true,
            (_, Record::PopulationConsolidated(r)) if r.across.map(|across| across.fit) == fit => held = Some(r),
            (None, Record::LogOpened(header)) => {
                let home = beginning.insert(Home::create(folder, entry.time, header)?);
                home.write_ahead();
            }
            (Some(home), record) if !was_begun && is_of_all(&record) => drop(home.note(entry.time, record)?),
            _ => {}
        }
    }
    // Whoever comes keeps what they receive from others.
    if let (Some(home), Some(held), Some(_)) = (&mut beginning, held, fit) {
        let nobody = |part: PopulationPart| PopulationPart { people: Vec::new(), ..part };
        let parts = held.parts.into_iter().map(nobody).collect();
        let record = PopulationConsolidated { through: home.state().head().0, parts, ..held };
        home.note(Timestamp::UNIX_EPOCH, Record::PopulationConsolidated(record))?;
    }
    drop(beginning);
    let config = stream::Config {
        name: name(number),
        subjects: vec![subject(number)],
        num_replicas: server.replicas,
        discard: stream::DiscardPolicy::New,
        ..Default::default()
    };
    crate::made(context, config, DOING).await?;
    copy::open(context, server, number).await?;
    let stand = copy::Stand::of(&State::new(), number);
    copy::Copying::begin(context, number, folder, stand).await?.bring_up_to_date(folder, stand).await?;
    let failed = |source| ClusterError::Files { doing: "remove", path: folder.to_owned(), source };
    std::fs::remove_dir_all(folder).map_err(failed)
}

/// Whether a record that a log began with is the beginning of every shard: what it is about, and of nobody.
fn is_of_all(record: &Record) -> bool {
    matches!(
        record,
        Record::ConfigurationChanged(_)
            | Record::PriorElicited(_)
            | Record::AttributesDeclared(_)
            | Record::AlternativeDescribed(_)
            | Record::BriefingAdded(_)
            | Record::BriefingDropped(_)
            | Record::DocumentAdded(_)
            | Record::DocumentDropped(_)
    )
}
