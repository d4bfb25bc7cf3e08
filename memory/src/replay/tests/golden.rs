//! Golden logs: written once (`--example golden_log`), then only ever read.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::log::Reader;
use crate::record::{ActOutcome, Ending};
use crate::sample::{alternative, approvals, at_work, calls, conclusions, id, library, motives, moves, streams};

fn golden(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Reads a golden log whole, and checks that it is written again to the same bytes.
fn read(name: &str) -> Replay {
    let bytes = golden(name);
    let replay = super::replay(bytes.as_slice(), &Options::default()).unwrap();
    assert_eq!(replay.tail, Tail::Clean, "{name}");
    let mut again = Vec::new();
    for entry in Reader::new(bytes.as_slice()) {
        let entry = entry.unwrap();
        again.extend(crate::log::encode(entry.seq, entry.time, &entry.record, entry.prev).unwrap().0);
    }
    assert!(again == bytes, "{name} would be written otherwise");
    replay
}

fn evidence(replay: &Replay) -> Vec<(&str, usize)> {
    replay.people.iter().map(|p| (p.person.as_str(), p.evidence)).collect()
}

/// Every kind of evidence, a retraction, epochs, digests: the first log of format 1.
#[test]
fn the_first_log_of_format_1_is_still_read() {
    let replay = read("format-1.jsonl");
    assert_eq!((replay.records, evidence(&replay)), (26, vec![("ada", 4), ("bob", 2)]));
}

#[test]
fn a_record_of_every_kind_is_still_read() {
    let name = "format-1-every-kind.jsonl";
    let replay = read(name);
    assert_eq!(evidence(&replay), [("ada", 8), ("bob", 6)]);
    let others = ["approvals", "calls", "library", "motives", "conclusions", "streams", "moves"]
        .map(|name| format!("format-1-{name}.jsonl"));
    let logs = std::iter::once(name.to_owned()).chain(others).map(|name| golden(&name)).collect::<Vec<_>>();
    let entries = logs.iter().flat_map(|log| Reader::new(log.as_slice()));
    let kinds: BTreeSet<&str> = entries.map(|e| e.unwrap().record.kind()).collect();
    let missing: Vec<_> = Record::KINDS.iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "add {missing:?} to sample::every_kind, then run the example golden_log");
}

/// Written today, byte for byte what was written when these records came into the format.
#[test]
fn the_agent_at_work_is_still_written_and_read() {
    let name = "format-1-work.jsonl";
    let mut scribe = Scribe::begun();
    at_work(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let replay = read(name);
    assert_eq!(replay.records, 20);
    assert_eq!(replay.state.readings_answered("grammar"), (1, 2));
    assert_eq!(replay.state.consequences_checked(crate::record::ConsequenceKind::Harm), (1, 0));
    assert!(replay.state.briefings().is_empty());
}

/// Likewise approvals, and what follows from them.
#[test]
fn approvals_are_still_written_and_read() {
    let name = "format-1-approvals.jsonl";
    let mut scribe = Scribe::begun();
    approvals(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let replay = read(name);
    let approvals = replay.state.approvals(&id("ada")).unwrap();
    assert_eq!((approvals.records(), approvals.answered_count()), (10, 4));
    assert_eq!(approvals.settings().tools.len(), 2);
    assert_eq!(approvals.acts().map(|(act, ..)| act).collect::<Vec<_>>(), [2]);
    assert!(replay.state.people().contains_key(&id("ada")));
    assert!(evidence(&replay).iter().all(|(_, evidence)| *evidence == 0), "approvals are no evidence about values");
}

/// Likewise what was carried out, and what was reported of it.
#[test]
fn calls_are_still_written_and_read() {
    let name = "format-1-calls.jsonl";
    let mut scribe = Scribe::begun();
    calls(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let state = read(name).state;
    let outcomes: Vec<ActOutcome> = state.calls().values().filter_map(|c| Some(c.ended.as_ref()?.1.outcome)).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == ActOutcome::Done).count(), 1);
    assert_eq!((state.calls().len(), outcomes.len()), (9, 9));
    assert!(state.calls().values().any(|c| c.ended.as_ref().is_some_and(|(_, e)| e.ending == Ending::Unseen)));
    let act = state.record_of_act(&id("ada"), 2).unwrap();
    assert_eq!(state.outcomes(act).len(), 1);
    assert_eq!(state.outcomes(state.decisions()[0].0).len(), 2);
    assert_eq!(state.approvals(&id("ada")).unwrap().answered_count(), 10, "nine answers and an undo, and nothing else");
}

/// Likewise documents, and the beliefs recorded with them.
#[test]
fn a_library_is_still_written_and_read() {
    let name = "format-1-library.jsonl";
    let mut scribe = Scribe::begun();
    library(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let replay = read(name);
    let titles: Vec<&str> = replay.state.library().documents().map(|(_, d)| d.title.as_str()).collect();
    assert_eq!((replay.records, titles), (15, vec!["kindness"]));
    assert_eq!(evidence(&replay), [("ada", 2)]);
}

/// Likewise what people said of conclusions: none stands once the document that they cite is gone.
#[test]
fn checks_of_conclusions_are_still_written_and_read() {
    let name = "format-1-conclusions.jsonl";
    let mut scribe = Scribe::begun();
    conclusions(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let replay = read(name);
    assert_eq!(replay.state.conclusions().len(), 2);
    assert_eq!(replay.state.standing_conclusions().count(), 0);
    assert_eq!(evidence(&replay), [("ada", 1)]);
}

/// Likewise what probes read of acts.
#[test]
fn readings_of_motives_are_still_written_and_read() {
    let name = "format-1-motives.jsonl";
    let mut scribe = Scribe::begun();
    motives(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let state = read(name).state;
    let alarms: Vec<bool> = state.motives().values().map(|read| read.alarm().is_some()).collect();
    assert_eq!(alarms, [true, false, true, false]);
    assert_eq!(state.decisions()[0].1.motives.len(), 2);
    assert_eq!(state.motives_of(&id("ada"), &alternative(0)).len(), 3);
}

/// Likewise what came through a stream.
#[test]
fn what_a_stream_brought_is_still_written_and_read() {
    let name = "format-1-streams.jsonl";
    let mut scribe = Scribe::begun();
    streams(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let replay = read(name);
    let last = replay.state.message_received(1).unwrap();
    assert_eq!((last.sequence, last.fence, evidence(&replay)), (5, 9, vec![("ada", 1)]));
    // What is delivered again counts once, and a writer whose lease is over writes nothing.
    let refused = |sequence, fence| {
        let received = crate::record::MessageReceived { shard: 1, sequence, fence, records: 0, refused: None };
        replay.state.refuses(&Record::MessageReceived(received)).unwrap_or_default()
    };
    assert!(refused(5, 9).contains("in the log already") && refused(2, 9).contains("in the log already"));
    assert!(refused(6, 8).contains("lease 8 is over"));
    assert_eq!((refused(6, 9), refused(8, 12)), (String::new(), String::new()));
}

/// Likewise people who moved between shards, and what was learned over them.
#[test]
fn people_who_moved_are_still_written_and_read() {
    let name = "format-1-moves.jsonl";
    let mut scribe = Scribe::begun();
    moves(&mut scribe);
    assert!(scribe.bytes() == golden(name), "a record of format 1 would be written otherwise");
    let replay = super::replay(golden(name).as_slice(), &Options { verify: true, ..Options::default() }).unwrap();
    assert_eq!(evidence(&read(name)), [("bob", 1)], "ada left, and bob withdrew one of his two answers");
    assert_eq!(replay.disagreements().count(), 0);
    assert!(replay.state.has_left(&id("ada")) && replay.state.population().is_none());
    // Each piece is taken once, and nobody is here twice.
    let left = replay.state.people_left()[&12].clone();
    let refused = |record| replay.state.refuses(&record).unwrap_or_default();
    assert!(refused(Record::PeopleLeft(left)).contains("move 12"));
}
