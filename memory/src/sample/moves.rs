//! The log of a shard: a population over shards, people who came, people who left.

use super::*;
use crate::record::{
    AcrossShards, PeopleJoined, PeopleLeft, PopulationConsolidated, PopulationMoments, PopulationPart,
    PopulationWithdrawn,
};

/// Bob comes from another shard in two pieces, and brings his part in the population and a retraction; ada leaves; the population is
/// withdrawn.
pub fn moves(scribe: &mut Scribe) {
    scribe.expect(Record::PriorElicited(prior()));
    scribe.expect(choice("ada", 0, 1, Some(0)));
    let moments = |first: f64| PopulationMoments {
        mean: numbers(&[first, 0.5, 0.0, 0.0, 0.0, 0.0]),
        covariance: numbers(&[
            1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0,
        ]),
        further: Vec::new(),
    };
    let part = |people: &[&str], first| {
        let people = people.iter().map(|person| id(person)).collect();
        PopulationPart { people, without: moments(first) }
    };
    scribe.expect(Record::PopulationConsolidated(PopulationConsolidated {
        through: scribe.state.head().0,
        parts: vec![part(&["ada"], 0.5), part(&[], 0.75)],
        all: moments(0.625),
        source_cap: Finite::new(0.03).expect("a finite number"),
        across: Some(AcrossShards { fit: 7, people: 2 }),
    }));
    let under = scribe.state.epoch().expect("a header").formed_under();
    let piece = |piece, people: &[&str], numbers: &[u64], learned: &[(u32, u32)]| PeopleJoined {
        number: 11,
        from: 2,
        slots: vec![5],
        piece,
        pieces: 2,
        under,
        fit: Some(7),
        people: people.iter().map(|person| id(person)).collect(),
        parts: people.iter().map(|_| Some(1)).collect(),
        numbers: numbers.iter().map(|seq| Seq(*seq)).collect(),
        learned: learned.to_vec(),
    };
    scribe.expect(Record::PeopleJoined(piece(1, &["bob"], &[9, 10], &[(0, 0)])));
    scribe.expect(choice("bob", 2, 3, Some(1)));
    scribe.expect(choice("bob", 0, 4, Some(0)));
    scribe.expect(Record::PeopleJoined(piece(2, &[], &[14], &[])));
    let withdrawn = scribe.state.renumbered(retraction(10)).expect("it came with the first piece");
    scribe.expect(withdrawn);
    scribe.record_belief("bob");
    let people = vec![id("ada")];
    scribe.expect(Record::PeopleLeft(PeopleLeft { number: 12, to: 3, slots: vec![1, 9], sequence: 20, people }));
    scribe.expect(Record::PopulationWithdrawn(PopulationWithdrawn { fit: 7, reason: "record 4 of shard 2".into() }));
    scribe.record_belief("bob");
}
