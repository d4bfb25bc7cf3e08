use std::io::Read;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::ids::{PersonId, TaskId};
use crate::record::{StopRequested, TaskGiven};
use crate::storage::{Fault, Faulty, Moment, Operation};

fn header() -> Record {
    Record::LogOpened(crate::sample::header("test"))
}

fn task(n: u64) -> Record {
    Record::TaskGiven(TaskGiven {
        task: TaskId::new(&format!("task-{n}")).unwrap(),
        person: PersonId::new("ada").unwrap(),
        text: format!("book a \"table\" \u{202e} for {n}\n"),
    })
}

fn time(n: u64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + n as i64).unwrap()
}

fn write(records: u64) -> (Vec<u8>, Vec<Entry>) {
    let (mut writer, _) = Writer::open::<LogError>(Faulty::sound(), |_| Ok(())).unwrap();
    let mut entries = vec![writer.append(time(0), header()).unwrap()];
    entries.extend((1..records).map(|n| writer.append(time(n), task(n)).unwrap()));
    (writer.storage().bytes().to_vec(), entries)
}

fn read(bytes: &[u8]) -> Result<Vec<Entry>, LogError> {
    Reader::new(bytes).collect()
}

/// What is found on opening.
type Opened = (Vec<Entry>, Option<Torn>, Writer<Faulty>);

/// Opens what is stored; gives the entries, what was cut off and the writer.
fn open(disk: Faulty) -> Result<Opened, LogError> {
    let mut entries = Vec::new();
    let (writer, torn) = Writer::open::<LogError>(disk, |e| {
        entries.push(e);
        Ok(())
    })?;
    Ok((entries, torn, writer))
}

#[test]
fn what_was_appended_is_read_back() {
    let (bytes, entries) = write(5);
    assert_eq!(read(&bytes).unwrap(), entries);
    assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 5);
    assert_eq!(bytes[0], b'{');
}

#[test]
fn a_line_looks_as_documented() {
    let stop = Record::StopRequested(StopRequested {
        person: PersonId::new("ada").unwrap(),
        words: "stop".into(),
        task: None,
    });
    let (line, _) = encode(Seq(7), time(5), &stop, Hash::ZERO).unwrap();
    insta::assert_snapshot!(String::from_utf8(line).unwrap().trim_end(), @r#"{"seq":7,"time":"2023-11-14T22:13:20.005Z","kind":"StopRequested","payload":{"person":"ada","words":"stop"},"prev":"0000000000000000000000000000000000000000000000000000000000000000","hash":"26fe3bed2be7ebebbcdec66c1f1d12d426073e57056832ea42aa63abfda5b3d6"}"#);
}

#[test]
fn the_hash_is_over_the_bytes_before_it() {
    let (line, hash) = encode(Seq(1), time(0), &header(), Hash::ZERO).unwrap();
    let text = String::from_utf8(line).unwrap();
    let (content, _) = text.rsplit_once(",\"hash\":").unwrap();
    assert_eq!(Hash::of(content.as_bytes()), hash);
}

#[test]
fn a_torn_tail_is_cut_off_at_any_byte() {
    let (bytes, entries) = write(3);
    let second_end = bytes.len() - bytes.rsplit(|b| *b == b'\n').nth(1).unwrap().len() - 1;
    for cut in second_end..bytes.len() - 1 {
        let (read, torn, mut writer) = open(Faulty::holding(&bytes[..cut])).unwrap();
        assert_eq!(read, entries[..2], "cut at {cut}");
        let expected = (cut > second_end).then(|| Torn { bytes: (cut - second_end) as u64, seq: Seq(3) });
        assert_eq!(torn, expected);
        assert_eq!(writer.append(time(2), task(2)).unwrap(), entries[2]);
        assert_eq!(writer.storage().bytes(), bytes);
    }
    let (read, torn, writer) = open(Faulty::holding(&bytes[..bytes.len() - 1])).unwrap();
    assert_eq!((read, torn), (entries, None), "only the newline is missing");
    assert_eq!(writer.storage().bytes(), bytes);
}

#[test]
fn every_flipped_bit_is_noticed_and_located() {
    let (bytes, _) = write(3);
    let line_of = |at: usize| 1 + bytes[..at].iter().filter(|b| **b == b'\n').count() as u64;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            match read(&damaged) {
                Err(LogError::Damaged { seq, .. }) => assert_eq!(seq.0, line_of(at), "byte {at} bit {bit}"),
                other => panic!("byte {at} bit {bit}: {other:?}"),
            }
        }
    }
}

#[test]
fn lines_taken_out_or_moved_are_noticed() {
    let (bytes, _) = write(4);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    fn check(lines: &[&[u8]], at: u64, reason: &Damage) {
        match read(&lines.concat()) {
            Err(LogError::Damaged { seq, reason: found }) => assert_eq!((seq, &found), (Seq(at), reason)),
            other => panic!("{other:?}"),
        }
    }
    check(&[lines[0], lines[2], lines[3]], 2, &Damage::BrokenChain);
    check(&[lines[0], lines[2], lines[1], lines[3]], 2, &Damage::BrokenChain);
    check(&[lines[1], lines[2]], 1, &Damage::BrokenChain);
    check(&[lines[0], lines[0]], 2, &Damage::BrokenChain);
    check(&[b"\n", lines[0]], 1, &Damage::NoHash);
}

/// A line with this content and its right hash.
fn forge(content: &str) -> Vec<u8> {
    format!("{content},\"hash\":\"{}\"}}\n", Hash::of(content.as_bytes())).into_bytes()
}

#[test]
fn what_this_format_does_not_have_is_an_error() {
    let zeros = Hash::ZERO;
    let start = r#"{"seq":1,"time":"2026-01-01T00:00:00.000Z","kind":"#;
    let check = |content: String, expect: &str| {
        let error = read(&forge(&content)).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(format!(r#"{start}"LogOpened","payload":{{"format":2,"new":true}},"prev":"{zeros}""#), "has format 2");
    check(format!(r#"{start}"MindRead","payload":{{}},"prev":"{zeros}""#), r#"kind "MindRead""#);
    check(format!(r#"{start}"Erased","payload":{{"x":1}},"prev":"{zeros}""#), "unknown field `x`");
    check(format!(r#"{start}"Erased","payload":{{}},"prev":"{zeros}","more":1"#), "cannot be understood");
    check(format!(r#"{start}"Erased","payload":{{}},"prev":"{zeros}""#), "does not begin with its header");
    let deep = "[".repeat(100_000);
    check(format!(r#"{start}"Erased","payload":{deep}"#), "cannot be understood");
}

#[test]
fn a_line_may_not_be_longer_than_the_limit() {
    let long = Record::StopRequested(StopRequested {
        person: PersonId::new("ada").unwrap(),
        words: "x".repeat(LINE_BYTES_MAX),
        task: None,
    });
    let (mut writer, _) = Writer::open::<LogError>(Faulty::sound(), |_| Ok(())).unwrap();
    writer.append(time(0), header()).unwrap();
    assert!(matches!(writer.append(time(1), long), Err(LogError::TooLong { seq: Seq(2), .. })));
    writer.append(time(1), task(1)).unwrap();
    let endless = std::io::repeat(b'x').take(1 << 40);
    assert!(matches!(Reader::new(endless).next(), Some(Err(LogError::TooLong { seq: Seq(1), .. }))));
}

#[test]
fn a_full_disk_keeps_what_was_acknowledged() {
    let (bytes, entries) = write(3);
    for room in 0..bytes.len() as u64 {
        let disk = Faulty::new(0, &[Fault::FullDisk { bytes: room }], 0.0);
        let (_, _, mut writer) = open(disk).unwrap();
        let records = std::iter::once(header()).chain((1..3).map(task));
        let acknowledged: Vec<Entry> =
            records.zip(0..).map_while(|(record, n)| writer.append(time(n), record).ok()).collect();
        assert!(acknowledged.len() < 3);
        let (read, torn, mut writer) = open(writer.into_storage().crash().repaired()).unwrap();
        assert_eq!((&read, torn), (&acknowledged, None), "room {room}");
        for n in acknowledged.len()..3 {
            writer.append(time(n as u64), if n == 0 { header() } else { task(n as u64) }).unwrap();
        }
        assert_eq!(open(writer.into_storage()).unwrap().0, entries);
    }
}

#[test]
fn a_read_only_disk_is_refused_clearly() {
    let (bytes, _) = write(2);
    let disk = Faulty::new(0, &[Fault::ReadOnly], 0.0);
    let (_, _, mut writer) = open(disk).unwrap();
    assert!(writer.append(time(0), header()).is_err());
    assert_eq!(open(Faulty::holding(&bytes)).unwrap().0.len(), 2);
}

#[test]
fn neither_a_full_nor_a_read_only_disk_takes_a_part_of_a_batch_or_of_another_log() {
    let (bytes, entries) = write(3);
    for fault in [Fault::FullDisk { bytes: bytes.len() as u64 + 20 }, Fault::ReadOnly] {
        let disk = Faulty::holding(&bytes).with_faults_of(Faulty::new(0, &[fault], 1.0));
        let (_, _, mut writer) = open(disk).unwrap();
        let mut batch = writer.batch();
        (3..6).for_each(|n| {
            batch.push(time(n), task(n)).unwrap();
        });
        assert!(matches!(writer.commit(batch), Err(LogError::NotAppended { seq: Seq(4), .. })), "{fault:?}");
        let mut other = Batch::of_a_new_log();
        other.push(time(0), header()).unwrap();
        (3..9).for_each(|n| {
            other.push(time(n), task(n)).unwrap();
        });
        assert!(matches!(writer.rewrite(other), Err(LogError::Storage { .. })), "{fault:?}");
        let (read, torn, _) = open(writer.into_storage().crash().repaired()).unwrap();
        assert_eq!((&read, torn), (&entries, None), "{fault:?}");
    }
}

/// What is known of the records that were written: each stands in the log, or stands in it with all that follow or not at all.
#[derive(Default)]
struct Told {
    acknowledged: Vec<Entry>,
    /// What stands after the acknowledged ones, if the last thing written stands at all.
    perhaps: Vec<Entry>,
    /// Other logs that may have taken this one's place.
    instead: Vec<Vec<Entry>>,
}

/// Appends, batches and rewritings on a disk that fails at one moment of one operation. After every error the writer is used
/// on, as whoever holds a home does; then the power goes.
fn live(disk: Faulty, told: &mut Told, seed: u64) -> Faulty {
    let Ok((read, _, mut writer)) = open(disk.clone()) else { return disk };
    assert_eq!(read[..told.acknowledged.len()], told.acknowledged[..]);
    *told = Told { acknowledged: read, ..Told::default() };
    for n in 0..12 {
        let number = 100 * seed + n;
        match (seed + n) % 4 {
            0 if !told.acknowledged.is_empty() => {
                let mut batch = writer.batch();
                let added: Vec<Entry> = (0..3).map(|k| batch.push(time(n), task(10 * number + k)).unwrap()).collect();
                match writer.commit(batch) {
                    Ok(()) => told.acknowledged.extend(added),
                    Err(LogError::Unsure { .. }) => told.perhaps = added,
                    Err(LogError::NotAppended { .. } | LogError::Poisoned { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            1 if n > 6 && !told.acknowledged.is_empty() => {
                let mut batch = Batch::of_a_new_log();
                let mut other = vec![batch.push(time(0), header()).unwrap()];
                other.push(batch.push(time(n), task(10 * number)).unwrap());
                match writer.rewrite(batch) {
                    Ok(()) => *told = Told { acknowledged: other, ..Told::default() },
                    Err(LogError::Unsynced { .. }) => told.instead.push(other),
                    Err(LogError::Storage { .. } | LogError::Poisoned { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            _ => {
                let (seq, hash) = writer.head();
                let record = if told.acknowledged.is_empty() { header() } else { task(10 * number) };
                match writer.append(time(n), record.clone()) {
                    Ok(entry) => told.acknowledged.push(entry),
                    Err(LogError::Unsure { seq: at, .. }) => {
                        assert_eq!(at, seq.next());
                        let (_, own) = encode(at, time(n), &record, hash).unwrap();
                        told.perhaps = vec![Entry { seq: at, time: time(n), record, prev: hash, hash: own }];
                    }
                    Err(LogError::NotAppended { .. } | LogError::Poisoned { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    writer.into_storage().crash()
}

/// A hundred disks for every operation and every moment at which it may fail: what was acknowledged stands, what was refused
/// does not, and only what was said to be unsure may be either.
#[test]
fn at_whatever_moment_an_operation_fails_nothing_is_lost_and_the_truth_is_told() {
    for operation in [Operation::Append, Operation::Sync, Operation::Truncate, Operation::Replace] {
        for moment in [Moment::Before, Moment::Inside, Moment::After] {
            for seed in 0..100 {
                let faults = [Fault::At(operation, moment), Fault::LostTail, Fault::ShortWrite];
                let faults = if operation == Operation::Truncate { &faults[..] } else { &faults[..2] };
                let mut disk = Faulty::new(seed, faults, 0.3);
                let mut told = Told::default();
                for round in 0..3 {
                    disk = live(disk, &mut told, 4 * seed + round);
                    let (read, _, writer) = open(disk.clone().repaired()).unwrap();
                    let whole = [&told.acknowledged[..], &told.perhaps].concat();
                    let right = read == told.acknowledged || read == whole || told.instead.contains(&read);
                    assert!(right, "{operation:?} {moment:?}, seed {seed}, round {round}");
                    told = Told { acknowledged: read, ..Told::default() };
                    disk = writer.into_storage().with_faults_of(disk);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A byte that turns over on the medium is an error that names its record; what stands before it is read.
    #[test]
    fn a_flipped_byte_is_found_and_located(seed in any::<u64>()) {
        let (mut writer, _) = Writer::open::<LogError>(Faulty::new(seed, &[Fault::FlippedByte], 1.0), |_| Ok(())).unwrap();
        let mut entries = vec![writer.append(time(0), header()).unwrap()];
        entries.extend((1..6).map(|n| writer.append(time(n), task(n)).unwrap()));
        let disk = writer.into_storage().crash();
        let read: Vec<Entry> = Reader::new(disk.bytes()).map_while(Result::ok).collect();
        prop_assert_eq!(&read[..], &entries[..read.len()]);
        match open(disk) {
            Err(LogError::Damaged { seq, .. }) => prop_assert_eq!(seq, Seq(read.len() as u64 + 1)),
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }

    /// Whatever the disk does, what was acknowledged is read back, in place, and nothing else but at most
    /// one record that was never acknowledged nor refused with the log "as before".
    #[test]
    fn nothing_acknowledged_is_lost(seed in any::<u64>(), probability in 0.0..0.6f64, rounds in 1usize..6) {
        let faults = [Fault::ShortWrite, Fault::FailedSync, Fault::LostTail];
        let mut disk = Faulty::new(seed, &faults, probability);
        let mut acknowledged: Vec<Entry> = Vec::new();
        for round in 0..rounds {
            let Ok((read, _, mut writer)) = open(disk.clone()) else { continue };
            prop_assert!(read.len() >= acknowledged.len());
            prop_assert_eq!(&read[..acknowledged.len()], &acknowledged[..]);
            acknowledged = read;
            for n in 0..8u64 {
                let record = if acknowledged.is_empty() { header() } else { task(8 * round as u64 + n) };
                match writer.append(time(n), record) {
                    Ok(entry) => acknowledged.push(entry),
                    Err(LogError::NotAppended { .. } | LogError::Unsure { .. } | LogError::Poisoned { .. }) => {}
                    Err(other) => return Err(TestCaseError::fail(other.to_string())),
                }
            }
            disk = writer.into_storage().crash();
        }
    }

    /// A flipped byte anywhere ends in an error that names a record, or in a tail that was never acknowledged.
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&bytes);
        let _ = decode(&bytes, Seq(1));
    }

    /// The short way gives nothing that the general reader does not, and takes all lines that are written here.
    #[test]
    fn both_readers_read_the_same(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..4), 0..4)
    ) {
        let (bytes, _) = write(3);
        for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let mut content = line[..line.len() - 75].to_vec();
            for (at, byte, taken) in &edits {
                if content.is_empty() { break; }
                let at = at.index(content.len());
                content[at] = *byte;
                content.drain(at..(at + taken).min(content.len()));
            }
            let hash = Hash::of(&content);
            let line = [&content, &b",\"hash\":\""[..], &hash.hex(), b"\"}"].concat();
            let short = written::read(&content, hash);
            let general = line::decode_any(&line, Seq(1), hash);
            match short {
                Some(entry) => prop_assert_eq!(entry, general.unwrap()),
                None => prop_assert!(!edits.is_empty()),
            }
        }
    }

    #[test]
    fn no_mangled_log_makes_the_reader_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..40), 1..6)
    ) {
        let (mut bytes, entries) = write(4);
        for (at, byte, taken) in edits {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.drain(at..(at + taken).min(bytes.len()));
        }
        for (entry, expected) in Reader::new(bytes.as_slice()).map_while(Result::ok).zip(&entries) {
            prop_assert_eq!(&entry, expected);
        }
    }

    /// A batch is there whole or not at all.
    #[test]
    fn a_batch_is_all_or_nothing(seed in any::<u64>()) {
        let (bytes, entries) = write(2);
        let mut disk = Faulty::new(seed, &[Fault::ShortWrite, Fault::FailedSync], 0.5);
        disk = Faulty::holding(&bytes).with_faults_of(disk);
        let Ok((_, _, mut writer)) = open(disk) else { return Ok(()) };
        let mut batch = writer.batch();
        let added: Vec<Entry> = (2..6).map(|n| batch.push(time(n), task(n)).unwrap()).collect();
        let result = writer.commit(batch);
        let (read, _, _) = open(writer.into_storage().crash().repaired()).unwrap();
        match result {
            Ok(()) => prop_assert_eq!(read, [entries, added].concat()),
            Err(_) => prop_assert_eq!(read, entries),
        }
    }
}
