//! People who move to the log of another shard: their records, in pieces that this log's writer takes (docs/scale.md).
//!
//! All of it follows from the log that they leave, so whoever works it out again has the same pieces.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::{PersonId, Seq, SessionId, TaskId};
use crate::log::{Entry, LogError};
use crate::record::{PeopleJoined, Record, Whose};
use crate::state::{State, StateError};

/// Why people cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum MovingError {
    /// The log that they leave cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record does not follow.
    #[error(transparent)]
    State(#[from] StateError),
    /// The log has no header.
    #[error("the log that they leave has no header yet")]
    NoHeader,
    /// A move of more pieces than can be numbered.
    #[error("so many people cannot be moved at once: move fewer slots")]
    TooMany,
}

/// Those who move, as the log has them that they leave.
#[derive(Debug)]
pub struct Leaving {
    /// The state of that log when they left, or now if they have not.
    pub state: State,
    /// Whether the log says that they left.
    pub have_left: bool,
    people: BTreeSet<PersonId>,
    entries: Vec<(PersonId, Entry)>,
}

/// One piece of a move.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Descriptions of alternatives that its records are about, which may be there already.
    pub descriptions: Vec<(Timestamp, Record)>,
    /// What it is.
    pub joined: PeopleJoined,
    /// The records, with the numbers that others have in the log they come from.
    pub records: Vec<(Timestamp, Record)>,
}

impl Leaving {
    /// Reads a log up to where it says that move `number` took place, or to its end.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn of(
        entries: impl IntoIterator<Item = Result<Entry, LogError>>,
        moves: impl Fn(&PersonId) -> bool,
        number: u64,
    ) -> Result<Self, MovingError> {
        let (mut state, mut owners, mut kept) = (State::new(), Owners::default(), Vec::new());
        let mut have_left = false;
        for entry in entries {
            let entry = entry?;
            if let Record::PeopleLeft(left) = &entry.record {
                if left.number == number {
                    have_left = true;
                    break;
                }
                // What stands here of somebody who came back came with them.
                kept.retain(|(person, _): &(PersonId, Entry)| !left.people.contains(person));
            }
            state.note(&entry)?;
            if let Some(person) = owners.owner(&entry)
                && moves(&person)
            {
                kept.push((person, entry));
            }
        }
        if state.header().is_none() {
            return Err(MovingError::NoHeader);
        }
        let people = state.people().keys().filter(|person| moves(person)).cloned().collect();
        // Everybody's records together, so that few people are on two pieces.
        kept.sort_by(|(a, x), (b, y)| a.cmp(b).then(x.seq.cmp(&y.seq)));
        Ok(Self { state, have_left, people, entries: kept })
    }

    /// Who moves.
    pub fn people(&self) -> &BTreeSet<PersonId> {
        &self.people
    }

    /// The pieces, each of records of about `bytes` bytes at most, one at least. What a description says is what stands here last.
    ///
    /// # Errors
    /// There are too many.
    pub fn pieces(&self, (number, from): (u64, u32), slots: &[u32], bytes: usize) -> Result<Vec<Piece>, MovingError> {
        let epoch = self.state.epoch().ok_or(MovingError::NoHeader)?;
        let population = epoch.population.as_ref();
        let survives = |person, seq: Seq| {
            let given = self.state.person(person).map_or(&[][..], |known| known.evidence());
            given.binary_search_by_key(&seq, |evidence| evidence.seq).is_ok()
        };
        let size = |record: &Record| serde_json::to_vec(record).map_or(0, |bytes| bytes.len());
        let new = || Piece {
            descriptions: Vec::new(),
            joined: PeopleJoined {
                number,
                from,
                slots: slots.to_vec(),
                piece: 0,
                pieces: 0,
                under: epoch.formed_under(),
                fit: population.and_then(|held| held.fit()),
                people: Vec::new(),
                parts: Vec::new(),
                numbers: Vec::new(),
                learned: Vec::new(),
            },
            records: Vec::new(),
        };
        let mut pieces = vec![new()];
        let (mut described, mut last, mut filled) = (BTreeSet::new(), None, 0);
        for (person, entry) in &self.entries {
            let mut descriptions = Vec::new();
            for alternative in entry.record.alternatives() {
                if !described.contains(&alternative)
                    && let Some(description) = self.state.description(&alternative)
                {
                    described.insert(alternative);
                    descriptions.push((entry.time, Record::AlternativeDescribed(description.clone())));
                }
            }
            let more = size(&entry.record) + descriptions.iter().map(|(_, d)| size(d)).sum::<usize>();
            if filled > 0 && filled + more > bytes {
                pieces.push(new());
                filled = 0;
            }
            filled += more;
            let Some(piece) = pieces.last_mut() else { continue };
            if last != Some(person) {
                piece.joined.people.push(person.clone());
                piece.joined.parts.push(population.and_then(|held| held.recorded_part(person)));
                last = Some(person);
            }
            piece.descriptions.append(&mut descriptions);
            // What was withdrawn by now is in no population that still holds.
            if survives(person, entry.seq) && population.is_some_and(|held| held.has_record(person, entry.seq)) {
                let place = u32::try_from(piece.records.len()).map_err(|_| MovingError::TooMany)?;
                match piece.joined.learned.last_mut() {
                    Some((_, last)) if *last + 1 == place => *last = place,
                    _ => piece.joined.learned.push((place, place)),
                }
            }
            piece.joined.numbers.push(entry.seq);
            piece.records.push((entry.time, entry.record.clone()));
        }
        let count = u32::try_from(pieces.len()).map_err(|_| MovingError::TooMany)?;
        for (piece, place) in pieces.iter_mut().zip(1..) {
            (piece.joined.piece, piece.joined.pieces) = (place, count);
        }
        Ok(pieces)
    }
}

/// Whose records are, by way of what the log said before them.
#[derive(Default)]
struct Owners {
    sessions: BTreeMap<SessionId, PersonId>,
    tasks: BTreeMap<TaskId, PersonId>,
    evidence: BTreeMap<Seq, PersonId>,
}

impl Owners {
    /// The one person that a record is of and moves with. What is of several or of none stays.
    fn owner(&mut self, entry: &Entry) -> Option<PersonId> {
        let record = &entry.record;
        // Digests of beliefs are checks of the log that they stand in: they stay with it.
        if matches!(record, Record::BeliefRecorded(_)) {
            return None;
        }
        let owner = match record.whose() {
            Whose::Person(person) => Some(person),
            Whose::Session(session) => self.sessions.get(session),
            Whose::Task(task) => self.tasks.get(task),
            Whose::Evidence(seq) => self.evidence.get(&seq),
            Whose::Several(_) | Whose::Nobody => None,
        };
        let owner = owner?.clone();
        match record {
            Record::SessionStarted(r) => {
                self.sessions.insert(r.session.clone(), owner.clone());
            }
            Record::TaskGiven(r) => {
                self.tasks.insert(r.task.clone(), owner.clone());
            }
            record if record.evidence_origin().is_some() => {
                self.evidence.insert(entry.seq, owner.clone());
            }
            _ => {}
        }
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::{Fit, Messages, SOURCE_CAP, consolidated};
    use crate::record::{PeopleLeft, Verdict};
    use crate::sample::{Scribe, choice, every_kind, id, prior, retraction, verdict};

    const PEOPLE: [&str; 7] = ["ada", "bob", "carl", "dora", "eve", "finn", "gerd"];

    /// What each person says, one after another; `n` tells their answers apart.
    fn said(person: &str, n: usize) -> Vec<Record> {
        let mut said =
            vec![choice(person, n % 6, (n + 1) % 6, Some(n % 2)), verdict(person, (n + 2) % 6, Verdict::Agree)];
        said.extend((0..n % 3).map(|k| choice(person, k, 5 - k, Some(k % 2))));
        said
    }

    fn begun() -> Scribe {
        let mut scribe = Scribe::begun();
        scribe.expect(Record::PriorElicited(prior()));
        scribe
    }

    /// One log with everybody, and three that have each third of them.
    fn one_and_three() -> (Scribe, Vec<Scribe>) {
        let (mut one, mut shards) = (begun(), vec![begun(), begun(), begun()]);
        for (n, person) in PEOPLE.iter().enumerate().rev() {
            for record in said(person, n) {
                one.expect(record.clone());
                shards[n % 3].expect(record);
            }
        }
        (one, shards)
    }

    fn learn(shards: &mut [Scribe], fit: u64) {
        let messages = |shard: &Scribe| Messages::of(&shard.state, None, &|_| ()).unwrap();
        let sent = shards.iter().map(|shard| Messages::from_bytes(&messages(shard).to_bytes().unwrap()).unwrap());
        let learned = Fit::of(sent, SOURCE_CAP, &|_| ()).unwrap();
        for shard in shards {
            let through = shard.state.head().0;
            let here = |person: &PersonId| shard.state.person(person).is_some();
            let record = learned.record(through, here, Some(fit)).unwrap();
            shard.expect(Record::PopulationConsolidated(record));
        }
    }

    fn expect_alike(one: &Scribe, shards: &[Scribe]) {
        for person in PEOPLE {
            let holds = |shard: &&Scribe| shard.state.person(&id(person)).is_some();
            let holders: Vec<&Scribe> = shards.iter().filter(holds).collect();
            assert_eq!(holders.len(), 1, "{person} is in one log");
            let given = |scribe: &Scribe| scribe.state.person(&id(person)).unwrap().evidence().len();
            assert_eq!(given(one), given(holders[0]), "{person}");
            assert_eq!(one.digest(person), holders[0].digest(person), "{person}");
        }
    }

    /// As the writer of the other log takes a piece in.
    fn take(there: &mut Scribe, piece: &Piece) -> Result<(), StateError> {
        for (_, description) in &piece.descriptions {
            if there.state.refuses(description).is_none() {
                there.write(description.clone())?;
            }
        }
        there.write(Record::PeopleJoined(piece.joined.clone()))?;
        for (_, record) in &piece.records {
            let record = there.state.renumbered(record.clone()).unwrap();
            there.write(record)?;
        }
        Ok(())
    }

    #[test]
    fn a_population_over_three_logs_has_the_bits_of_one_with_everybody() {
        let (mut one, mut shards) = one_and_three();
        let record = consolidated(&one.state, SOURCE_CAP, None, &|_| ()).unwrap();
        one.expect(Record::PopulationConsolidated(record.clone()));
        learn(&mut shards, 1);
        for shard in &shards {
            let Record::PopulationConsolidated(there) = shard.entries().pop().unwrap().record else { panic!() };
            assert_eq!(there.all, record.all);
            let received = |r: &crate::record::PopulationConsolidated| -> Vec<_> {
                r.parts.iter().map(|part| part.without.clone()).collect()
            };
            assert_eq!(received(&there), received(&record));
            assert_eq!(shard.state.population().unwrap().people(), PEOPLE.len());
        }
        expect_alike(&one, &shards);
        assert!(one.digest("somebody new") == shards[1].digest("somebody new"));
    }

    #[test]
    fn what_came_after_the_messages_may_end_what_was_learned_from_them() {
        let (_, mut shards) = one_and_three();
        let messages: Vec<Messages> =
            shards.iter().map(|shard| Messages::of(&shard.state, None, &|_| ()).unwrap()).collect();
        let through = messages[0].through;
        let learned = Fit::of(messages.clone(), SOURCE_CAP, &|_| ()).unwrap();
        let record = learned.record(through, |p| shards[0].state.person(p).is_some(), Some(3)).unwrap();
        // A further answer is not in it, and ends nothing; what is withdrawn may be in it.
        shards[0].expect(choice("ada", 4, 5, Some(0)));
        assert_eq!(shards[0].state.refuses(&Record::PopulationConsolidated(record.clone())), None);
        shards[0].expect(retraction(through.0));
        let refused = shards[0].state.refuses(&Record::PopulationConsolidated(record)).unwrap();
        assert!(refused.contains("learn it again"), "{refused}");
        // Nobody counts twice, and what was learned under another prior is not learned from.
        let again = Fit::of([messages[0].clone(), messages[0].clone()], SOURCE_CAP, &|_| ()).unwrap_err();
        assert!(again.to_string().contains("in two logs"), "{again}");
        let mut other = Scribe::begun();
        other.expect(choice("zoe", 0, 1, Some(0)));
        let mut declared = other.state.header().unwrap().belief.clone();
        declared.lapse_rates = vec![0.1];
        let reason = "fewer".into();
        other.expect(Record::ConfigurationChanged(crate::record::ConfigurationChanged { belief: declared, reason }));
        let other = Messages::of(&other.state, None, &|_| ()).unwrap();
        let refused = Fit::of([messages[0].clone(), other], SOURCE_CAP, &|_| ()).unwrap_err();
        assert!(refused.to_string().contains("different settings"), "{refused}");
        assert!(Messages::from_bytes(b"other").is_err());
    }

    #[test]
    fn people_who_move_keep_their_beliefs_to_the_bit_and_are_nowhere_twice() {
        let (mut one, mut shards) = one_and_three();
        let record = consolidated(&one.state, SOURCE_CAP, None, &|_| ()).unwrap();
        one.expect(Record::PopulationConsolidated(record));
        learn(&mut shards, 1);
        // Which of her answers dora withdraws between the two moves, in both worlds.
        let answered = |scribe: &Scribe| scribe.state.person(&id("dora")).unwrap().evidence()[0].seq.0;
        let targets = [answered(&one), answered(&shards[0])];
        for (round, moving) in [["ada", "gerd"], ["dora", "dora"]].iter().enumerate() {
            let number = 5 + round as u64;
            let moves = |person: &PersonId| moving.contains(&person.as_str());
            let read = |shard: &Scribe| shard.entries().into_iter().map(Ok).collect::<Vec<Result<Entry, LogError>>>();
            let leaving = Leaving::of(read(&shards[0]), moves, number).unwrap();
            assert!(!leaving.have_left);
            let pieces = leaving.pieces((number, 1), &[3], 700).unwrap();
            assert!(round == 1 || pieces.len() > 2, "{} pieces", pieces.len());
            let people: Vec<PersonId> = leaving.people().iter().cloned().collect();
            let left = PeopleLeft { number, to: 2, slots: vec![3], sequence: 9, people };
            shards[0].expect(Record::PeopleLeft(left.clone()));
            assert!(shards[0].write(Record::PeopleLeft(left)).is_err(), "a move takes place once");
            // Worked out again afterwards, from the log alone, it is the same.
            let again = Leaving::of(read(&shards[0]), moves, number).unwrap();
            assert!(again.have_left);
            assert_eq!(again.pieces((number, 1), &[3], 700).unwrap(), pieces);
            for piece in &pieces {
                take(&mut shards[1], piece).unwrap();
                let twice = shards[1].state.refuses(&Record::PeopleJoined(piece.joined.clone())).unwrap();
                assert!(twice.contains("in the log already"), "{twice}");
            }
            expect_alike(&one, &shards);
            assert!(
                round == 1
                    || shards[1]
                        .state
                        .population()
                        .is_some_and(|p| p
                            .has_record(&id("gerd"), shards[1].state.person(&id("gerd")).unwrap().evidence()[0].seq))
            );
            if round == 0 {
                // It ends the population everywhere.
                one.expect(retraction(targets[0]));
                shards[0].expect(retraction(targets[1]));
                let reason = "record of shard 1".to_owned();
                for shard in &mut shards[1..] {
                    let reason = reason.clone();
                    shard.expect(Record::PopulationWithdrawn(crate::record::PopulationWithdrawn { fit: 1, reason }));
                }
                expect_alike(&one, &shards);
            }
        }
        assert!(shards[0].state.has_left(&id("ada")) && shards[0].state.people().is_empty());
        // And back, to where they were before.
        let pieces = {
            let entries = shards[1].entries().into_iter().map(Ok);
            let back = Leaving::of(entries, |person| person.as_str() == "gerd", 9).unwrap();
            let people = back.people().iter().cloned().collect();
            let pieces = back.pieces((9, 2), &[3], 1 << 20).unwrap();
            shards[1].expect(Record::PeopleLeft(PeopleLeft { number: 9, to: 1, slots: vec![3], sequence: 9, people }));
            pieces
        };
        pieces.iter().for_each(|piece| take(&mut shards[0], piece).unwrap());
        expect_alike(&one, &shards);
        learn(&mut shards, 10);
        let record = consolidated(&one.state, SOURCE_CAP, None, &|_| ()).unwrap();
        one.expect(Record::PopulationConsolidated(record));
        expect_alike(&one, &shards);
        // What dora withdrew before this population was learned goes with her, and does not end it.
        let pieces = {
            let entries = shards[1].entries().into_iter().map(Ok);
            let onwards = Leaving::of(entries, |person| person.as_str() == "dora", 12).unwrap();
            onwards.pieces((12, 2), &[3], 1 << 20).unwrap()
        };
        let people = vec![id("dora")];
        shards[1].expect(Record::PeopleLeft(PeopleLeft { number: 12, to: 3, slots: vec![3], sequence: 9, people }));
        pieces.iter().for_each(|piece| take(&mut shards[2], piece).unwrap());
        assert_eq!(shards[2].state.population().and_then(|held| held.fit()), Some(10));
        assert_eq!(shards[2].state.person(&id("dora")).unwrap().retracted().len(), 1);
        expect_alike(&one, &shards);
    }

    #[test]
    fn all_that_the_state_says_is_a_persons_moves_with_them_but_for_digests() {
        let scribe = every_kind();
        for person in ["ada", "bob"].map(id) {
            let (mut state, mut theirs) = (State::new(), Vec::new());
            for entry in scribe.entries() {
                let moves = state.whose(&entry.record) == Some(&person);
                state.note(&entry).unwrap();
                if moves && !matches!(entry.record, Record::BeliefRecorded(_)) {
                    theirs.push(entry);
                }
            }
            let kinds: BTreeSet<&str> = theirs.iter().map(|entry| entry.record.kind()).collect();
            let by_way_of = ["SessionEnded", "AlternativesProposed", "AlternativesStruck", "Retracted"];
            assert!(person != id("ada") || by_way_of.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
            let leaving = Leaving::of(scribe.entries().into_iter().map(Ok), |who| *who == person, 1).unwrap();
            assert_eq!(leaving.entries.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), theirs, "{person}");
        }
    }
}
