//! Nothing of an erased person is left, and nobody else changes.

use std::fs;

use super::*;
use crate::number::Finite;
use crate::population::{SOURCE_CAP, consolidated};
use crate::record::{LogOpened, PopulationComponent, TaskGiven};
use crate::sample::{choice, described, every_kind, id, retraction};

fn time(n: i64) -> Timestamp {
    Timestamp::from_millisecond(n).unwrap()
}

fn header() -> LogOpened {
    crate::sample::header("test")
}

/// Ada and bob; alternative 5 is ada's only, 4 is nobody's.
fn home(root: &std::path::Path) -> Home {
    let mut home = Home::create(root, time(0), header()).unwrap();
    let task = Record::TaskGiven(TaskGiven {
        task: "t".parse().unwrap(),
        person: id("adelaide"),
        text: "a secret errand".into(),
    });
    let said = [choice("adelaide", 0, 5, Some(0)), choice("bob", 0, 1, Some(1)), choice("adelaide", 2, 3, None)];
    let later = [task, retraction(8), choice("bob", 3, 2, Some(0))];
    for record in (0..6).map(described).chain(said).chain(later) {
        home.append(time(1), record).unwrap();
    }
    home
}

#[test]
fn every_component_that_was_learned_from_the_person_goes_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let mut learned = consolidated(home.state(), SOURCE_CAP, None, &|_| ()).unwrap();
    let [mass, odd] = [0.25, 0.123456789].map(|x| Finite::new(x).unwrap());
    let mean = vec![odd; learned.all.mean.len()];
    for moments in learned.parts.iter_mut().map(|p| &mut p.without).chain([&mut learned.all]) {
        let covariance = moments.covariance.clone();
        moments.further = vec![PopulationComponent { mass, mean: mean.clone(), covariance }];
    }
    home.append(time(2), Record::PopulationConsolidated(learned)).unwrap();
    assert!(fs::read_to_string(home.paths().log()).unwrap().contains("0.123456789"));
    let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
    assert_eq!(erasure.population(), Some(home.state().head().0), "others are believed by it");
    erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
    assert_eq!(Erasure::of(&home, &id("bob")).unwrap().population(), None);
    let text = fs::read_to_string(home.paths().log()).unwrap();
    assert!(!text.contains("0.123456789") && home.state().population().is_none());
}

#[test]
fn nothing_of_the_person_is_left_and_nobody_else_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let bob = home.believe(&id("bob")).unwrap().digest();
    let before = home.state().head().0;
    let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
    assert_eq!((erasure.records(), erasure.evidence(), erasure.descriptions()), (4, 2, 1));
    erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
    let text = fs::read_to_string(home.paths().log()).unwrap();
    for word in ["adelaide", "secret", "do thing 5"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("do thing 4"));
    assert_eq!(home.state().head().0, before.next());
    assert_eq!(home.believe(&id("bob")).unwrap().digest(), bob);
    assert!(home.state().person(&id("adelaide")).is_none());
    home.append(time(10), choice("bob", 0, 2, Some(0))).unwrap();
    let live = home.believe(&id("bob")).unwrap().digest();
    drop(home);
    for file in fs::read_dir(dir.path().join("store")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            assert!(!fs::read(path).unwrap().windows(8).any(|w| w == b"adelaide"));
        }
    }
    let (mut home, _) = Home::open(dir.path()).unwrap();
    assert_eq!(home.believe(&id("bob")).unwrap().digest(), live);
}

#[test]
fn all_that_the_state_says_is_the_persons_goes_and_of_what_is_others_only_digests() {
    let scribe = every_kind();
    let dir = tempfile::tempdir().unwrap();
    let log = Paths::of(dir.path()).log();
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(log, scribe.bytes()).unwrap();
    let (home, _) = Home::open(dir.path()).unwrap();
    let erasure = Erasure::of(&home, &id("ada")).unwrap();
    let (mut state, mut kinds) = (State::new(), BTreeSet::new());
    for entry in scribe.entries() {
        let (goes, record) = (erasure.records.contains(&entry.seq), &entry.record);
        match state.whose(record) {
            Some(person) if *person == id("ada") => {
                assert!(goes, "{} of record {}", record.kind(), entry.seq);
                kinds.insert(record.kind());
            }
            Some(_) => assert!(!goes || matches!(record, Record::BeliefRecorded(_)), "record {}", entry.seq),
            None => {
                let of_several =
                    matches!(record, Record::CollectiveDecisionMade(_) | Record::PopulationConsolidated(_));
                assert!(goes || !of_several, "{} of record {}", record.kind(), entry.seq);
            }
        }
        state.note(&entry).unwrap();
    }
    for by_way_of in ["SessionEnded", "AlternativesProposed", "AlternativesStruck", "Retracted"] {
        assert!(kinds.contains(by_way_of), "{kinds:?}");
    }
}

/// Adapters that absorbed something of the person go as if they had never been; others stay.
#[test]
fn adapters_that_absorbed_the_person_go_too() {
    use crate::ids::Hash;
    use crate::record::BeliefRecorded;
    use crate::sample::{generation, judgements, promoted, rolled_back, trained};
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let bob = id("bob");
    let record_digest = |home: &mut Home| {
        let digest = Hash(home.believe(&bob).unwrap().digest());
        let through = home.state().head().0;
        let record = BeliefRecorded { person: bob.clone(), through, digest };
        home.append(time(3), Record::BeliefRecorded(record)).unwrap()
    };
    for (number, people) in [(1, ["bob"].as_slice()), (2, &["adelaide", "bob"])] {
        let adapter = trained(home.state(), number, 0, people);
        let file = dir.path().join(&adapter.adapter_path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "weights").unwrap();
        // Alternative 5 is adelaide's only.
        let read = judgements(number, 0..6);
        let promoted = Record::AdapterPromoted(promoted(number, Some("a test")));
        for record in [Record::AdapterTrained(adapter), read, promoted] {
            home.append(time(2), record).unwrap();
        }
        record_digest(&mut home);
    }
    fs::create_dir_all(home.paths().training().join("run")).unwrap();
    home.append(time(2), rolled_back(2)).unwrap();
    let with_the_first = home.believe(&bob).unwrap().digest();
    let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
    assert_eq!(erasure.generations().iter().copied().collect::<Vec<_>>(), [generation(2)]);
    let tombstone = erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
    assert_eq!(tombstone.generations, [generation(2)]);
    let text = fs::read_to_string(home.paths().log()).unwrap();
    assert!(!text.contains("adelaide") && !text.contains(r#""2":"#), "neither the person nor a judgement of 2");
    assert!(dir.path().join("adapters/1.gguf").exists());
    assert!(!dir.path().join("adapters/2.gguf").exists() && !home.paths().training().exists());
    assert_eq!(home.state().ledger().current(), generation(1));
    assert_eq!(home.believe(&bob).unwrap().digest(), with_the_first);
    assert_eq!(home.state().generations().next(), generation(3), "a number is not used again");
    // What was believed under 1 is still found; what was believed under 2 cannot be, and is not claimed.
    let options = crate::replay::Options { verify: true, ..Default::default() };
    let replay = crate::replay::replay(text.as_bytes(), &options).unwrap();
    assert_eq!(replay.disagreements().count(), 0);
    assert_eq!(replay.people.iter().map(|p| p.digests.len()).sum::<usize>(), 1);
}

/// Only trainings that saw the person go; what cannot be said of goes too.
#[test]
fn trainings_that_did_not_see_the_person_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let folder = |name: &str, job: Option<&str>| {
        let path = home.paths().training().join(name);
        fs::create_dir_all(&path).unwrap();
        job.iter().for_each(|job| fs::write(path.join("job.json"), job).unwrap());
        path
    };
    let clean = r#"{"generation":1,"in_use":0,"start":"base","data":{"absorbed":{"bob":[9]},"held_out":[]}}"#;
    let stays = folder("generation-1", Some(clean));
    let absorbed = folder("generation-2", Some(&clean.replace("bob", "adelaide")));
    let held_out = folder("generation-3", Some(&clean.replace("[]", r#"[{"seq":7,"person":"adelaide"}]"#)));
    let unknown = folder("generation-4", None);
    let nobody = folder("generation-5", Some(r#"{"generation":9,"in_use":0}"#));
    let mut gone = vec![absorbed, held_out, unknown, nobody];
    let with = |name: &str, file: &str, content: &[u8]| {
        let path = folder(name, Some(clean)).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        home.paths().training().join(name)
    };
    for (n, (file, content)) in [
        ("examples.jsonl", "{\"person\":\"bob\"}\n{\"person\":\"adelaide\"}\n"),
        ("examples.jsonl", "{\"person\":\"bob\"}\nnot json\n"),
        ("checkpoint/data.json", r#"{"people":["adelaide"]}"#),
        ("text.txt", "Adelaide: tea\n"),
        ("notes", "adelaide"),
        ("DATA.JSON", r#"{"people":["adelaide"]}"#),
        ("data.json", "not json"),
    ]
    .into_iter()
    .enumerate()
    {
        gone.push(with(&format!("generation-6{n}"), file, content.as_bytes()));
    }
    let beside = [
        with("generation-70", "checkpoint/weights.gguf", b"GGUF\0\0adelaide\xff"),
        with("generation-71", "examples.jsonl", b"{\"person\":\"bob\"}\n\n"),
        with("generation-72", "taken", b"true"),
        with("generation-73", "log.txt", b"bob: tea\n"),
        with("generation-74", "data.json", br#"{"people":["bob"]}"#),
    ];
    fs::write(beside[4].join("job.json"), r#"{"generation":9,"in_use":0}"#).unwrap();
    let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
    assert_eq!(erasure.trainings(), gone);
    erasure.carry_out(&mut home, "adelaide", time(9), "asked to", false, vec![]).unwrap();
    assert!(stays.join("job.json").exists() && beside.iter().all(|path| path.exists()));
    assert!(gone.iter().all(|path| !path.exists()));
}

/// A name in two normal forms is one person, in paths and briefings too; the tombstone says nothing of it.
#[test]
fn the_name_is_in_no_path_and_what_else_bears_it_is_named() {
    use crate::record::{BriefingAdded, Exported, Passage};
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    for (n, form) in ["zo\u{eb}qxada", "zoe\u{308}qxada"].iter().enumerate() {
        home.append(time(2), choice(form, n, 1 + n, Some(0))).unwrap();
        let path = format!("/data/{}/out-{form}.csv", form.to_uppercase());
        let (format, content_hash) = ("csv".to_owned(), Hash::of(b"x"));
        home.append(time(2), Record::Exported(Exported { format, path, content_hash, rows: 1 })).unwrap();
    }
    let briefing = Record::BriefingAdded(BriefingAdded {
        briefing: "b".parse().unwrap(),
        source: "/notes/zo\u{eb}qxada/b.md".into(),
        content_hash: Hash::of(b"b"),
        passages: vec![Passage { heading: String::new(), text: "Ask Zoe\u{308}qxada first.".into() }],
    });
    let (entry, _) = home.append(time(2), briefing).unwrap();
    assert_eq!(home.state().people().len(), 3, "one person in two forms");
    let erasure = Erasure::of(&home, &id("zoe\u{308}qxada")).unwrap();
    assert_eq!(erasure.evidence(), 2);
    let unreached = vec!["/home/zo\u{eb}qxada/notes in the home".to_owned()];
    let told =
        erasure.carry_out(&mut home, "zoe\u{308}qxada", time(9), "zo\u{eb}qxada asked", false, unreached).unwrap();
    let briefing = format!("BriefingAdded of record {} bears the name", entry.seq);
    assert!(told.unreached.contains(&briefing), "{:?}", told.unreached);
    let records: Vec<Record> = home.entries().unwrap().map(|e| e.unwrap().record).collect();
    for record in records.iter().filter(|r| !matches!(r, Record::BriefingAdded(_))) {
        assert!(!traces::bears(record, "zo\u{eb}qxada"), "{record:?}");
    }
    let Some(Record::PersonErased(tombstone)) = records.last() else { panic!() };
    assert!(tombstone.unreached.contains(&briefing) && tombstone.reason == "[erased] asked");
}

#[test]
fn it_does_not_happen_by_accident() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let before = fs::read(home.paths().log()).unwrap();
    assert!(matches!(Erasure::of(&home, &id("eve")), Err(EraseError::NoSuchPerson(_))));
    let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
    let result = erasure.clone().carry_out(&mut home, "bob", time(9), "", false, vec![]);
    assert!(matches!(result, Err(EraseError::NotConfirmed { .. })));
    assert_eq!(fs::read(home.paths().log()).unwrap(), before);
    home.append(time(10), choice("adelaide", 0, 1, Some(0))).unwrap();
    assert!(matches!(erasure.carry_out(&mut home, "adelaide", time(9), "", false, vec![]), Err(EraseError::Outdated)));
}

#[test]
fn what_was_made_from_the_log_is_deleted_if_it_is_still_that() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(&dir.path().join("home"));
    let made = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        Record::Exported(crate::record::Exported {
            format: "csv".into(),
            path: path.display().to_string(),
            content_hash: Hash::of(content),
            rows: 1,
        })
    };
    for name in ["same", "changed", "gone", "same"] {
        home.append(time(2), made(name, format!("{name} {}", home.state().head().0).as_bytes())).unwrap();
    }
    fs::write(dir.path().join("changed"), "something of mine").unwrap();
    fs::remove_file(dir.path().join("gone")).unwrap();
    // Made before dora was there.
    home.append(time(3), choice("dora", 0, 1, Some(0))).unwrap();
    assert_eq!(Erasure::of(&home, &id("dora")).unwrap().artefacts(), []);
    let erasure = Erasure::of(&home, &id("adelaide")).unwrap();
    assert_eq!(erasure.artefacts().len(), 3);
    let done = erasure.carry_out(&mut home, "adelaide", time(9), "", true, vec![]).unwrap();
    assert!(!dir.path().join("same").exists() && dir.path().join("changed").exists());
    let [left] = &done.unreached[..] else { panic!("{:?}", done.unreached) };
    assert!(left.contains("changed since"), "{left}");
}
