use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::belief::LocationName;
use crate::record::{AlternativeDescribed, BeliefRecorded};
use crate::state::tests::{Scribe, any_evidence, choice, described, id, prior, retraction};

/// Records what is believed of a person now.
fn record_digest(scribe: &mut Scribe, person: &str) {
    let through = scribe.state.head().0;
    let digest = Hash(scribe.state.belief(&id(person)).unwrap().digest());
    scribe.write(Record::BeliefRecorded(BeliefRecorded { person: id(person), through, digest })).unwrap();
}

fn replayed(scribe: &Scribe, options: &Options) -> Replay {
    replay(scribe.writer.storage().bytes(), options).unwrap()
}

fn person<'a>(replay: &'a Replay, name: &str) -> &'a Replayed {
    replay.people.iter().find(|p| p.person == id(name)).unwrap()
}

/// A log with everything that replays must get right.
fn eventful() -> Scribe {
    let mut scribe = Scribe::begun();
    scribe.write(choice("ada", 0, 1, Some(0))).unwrap();
    let slip = scribe.state.head().0.0;
    record_digest(&mut scribe, "ada");
    scribe.write(choice("bob", 2, 1, Some(0))).unwrap();
    scribe.write(choice("ada", 3, 1, None)).unwrap();
    scribe.write(prior()).unwrap();
    record_digest(&mut scribe, "ada");
    record_digest(&mut scribe, "bob");
    scribe.write(retraction(slip)).unwrap();
    record_digest(&mut scribe, "ada");
    scribe.write(choice("ada", 4, 2, Some(1))).unwrap();
    record_digest(&mut scribe, "ada");
    // Described more fully after it was spoken about.
    let Record::AlternativeDescribed(full) = described(8) else { unreachable!() };
    let bare = AlternativeDescribed { schema: vec![], judgement: BTreeMap::new(), ..full.clone() };
    scribe.write(Record::AlternativeDescribed(bare)).unwrap();
    scribe.write(choice("ada", 8, 2, Some(1))).unwrap();
    record_digest(&mut scribe, "ada");
    scribe.write(Record::AlternativeDescribed(full)).unwrap();
    record_digest(&mut scribe, "ada");
    scribe
}

#[test]
fn what_was_believed_live_is_found_again() {
    let scribe = eventful();
    let replay = replayed(&scribe, &Options { verify: true, ..Options::default() });
    assert_eq!(replay.people.iter().map(|p| p.digests.len()).sum::<usize>(), 7);
    assert_eq!(replay.disagreements().count(), 0);
    assert_eq!(person(&replay, "ada").belief.digest(), scribe.state.belief(&id("ada")).unwrap().digest());
    assert_eq!(replay.score().answers, 5);
}

#[test]
fn a_false_digest_is_found_out() {
    let mut scribe = eventful();
    let through = scribe.state.head().0;
    let digest = Hash::of(b"something else");
    scribe.write(Record::BeliefRecorded(BeliefRecorded { person: id("ada"), through, digest })).unwrap();
    let replay = replayed(&scribe, &Options { verify: true, ..Options::default() });
    let found: Vec<Seq> = replay.disagreements().map(|(_, check)| check.seq).collect();
    assert_eq!(found, [scribe.state.head().0]);
}

#[test]
fn a_replay_cut_short_is_what_was_believed_then() {
    let scribe = eventful();
    let mut then = State::new();
    for entry in scribe.entries() {
        then.apply(&entry).unwrap();
        let replay = replayed(&scribe, &Options { until: Some(Until::Seq(entry.seq)), ..Options::default() });
        for replayed in &replay.people {
            let digest = then.belief(&replayed.person).unwrap().digest();
            assert_eq!(replayed.belief.digest(), digest, "through {}", entry.seq);
        }
        let by_time = replayed(&scribe, &Options { until: Some(Until::Time(entry.time)), ..Options::default() });
        assert_eq!(by_time.state.head(), replay.state.head());
    }
}

#[test]
fn leaving_records_out_is_like_never_having_had_them() {
    let scribe = eventful();
    let without = |selectors: &[&str]| {
        let without = selectors.iter().map(|s| s.parse().unwrap()).collect();
        replayed(&scribe, &Options { without, ..Options::default() })
    };
    let all = replayed(&scribe, &Options::default());
    let digest = |replay: &Replay, name: &str| person(replay, name).belief.digest();
    // Record 8 was retracted anyway: with it goes its retraction.
    let same = without(&["8"]);
    assert_eq!((digest(&same, "ada"), same.left_out), (digest(&all, "ada"), 2));
    let unretracted = without(&["kind:Retracted"]);
    assert_ne!(digest(&unretracted, "ada"), digest(&all, "ada"));
    assert_eq!(digest(&unretracted, "bob"), digest(&all, "bob"));
    let no_ada = without(&["person:ada"]);
    assert_eq!(digest(&no_ada, "bob"), digest(&all, "bob"));
    assert_eq!(person(&no_ada, "ada").predictions.len(), 0);
    let nothing = without(&["time:2000-01-01T00:00:00Z..2100-01-01T00:00:00Z"]);
    assert_eq!(nothing.score().answers, 0);
    assert_eq!(digest(&nothing, "ada"), digest(&nothing, "bob"), "both are the prior");
}

#[test]
fn other_priors_and_hypotheses_can_be_asked_for() {
    let scribe = eventful();
    let names = |options: &Options| {
        let replay = replayed(&scribe, options);
        person(&replay, "ada").belief.locations().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let both = vec![LocationName::Zero, LocationName::Elicited];
    assert_eq!(names(&Options::default()), both);
    assert_eq!(names(&Options { prior: PriorChoice::Flat, ..Options::default() }), both[..1]);
    assert_eq!(names(&Options { prior: PriorChoice::Elicited, ..Options::default() }), both[1..]);
    let hypotheses: Restriction = "sigma=0.4,1.5 eps=0.1 drift=0 location=zero".parse().unwrap();
    let replay = replayed(&scribe, &Options { hypotheses, ..Options::default() });
    let belief = &person(&replay, "ada").belief;
    assert_eq!(belief.signal_scales().iter().map(|(s, _)| *s).collect::<Vec<_>>(), [0.4, 1.5]);
    assert_eq!((belief.locations().len(), belief.drift_mass()), (1, 0.0));
    let changed = Options { prior: PriorChoice::Flat, verify: true, ..Options::default() };
    let bytes = scribe.writer.storage().bytes();
    assert!(matches!(replay_watched(bytes, &changed, |_| {}), Err(ReplayError::VerifyOfAnother)));
    let nobody = Options { person: Some(id("eve")), ..Options::default() };
    assert!(matches!(super::replay(bytes, &nobody), Err(ReplayError::NoSuchPerson(_))));
}

#[test]
fn options_are_read_from_text() {
    for good in ["17", "person:ada b", "kind:ChoiceMade", "time:2026-01-01T00:00:00Z..2026-01-02T00:00:00Z"] {
        good.parse::<Selector>().unwrap();
    }
    for bad in ["", "-1", "person:", "kind:Choice", "time:now..then", "time:2026-01-01T00:00:00Z", "who:ada"] {
        assert!(bad.parse::<Selector>().is_err(), "{bad}");
    }
    for bad in ["sigma", "sigma=a", "sigma=1 sigma=2", "place=zero", "location=mars", "drift="] {
        assert!(bad.parse::<Restriction>().is_err(), "{bad}");
    }
    assert_eq!("12".parse(), Ok(Until::Seq(Seq(12))));
    assert!("2026-01-01T00:00:00Z".parse::<Until>().is_ok_and(|u| matches!(u, Until::Time(_))));
    assert!("yesterday".parse::<Until>().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Predictions are those made live, before each answer; the number of threads changes nothing.
    #[test]
    fn predictions_are_those_made_live(records in prop::collection::vec(any_evidence(), 1..16)) {
        let mut scribe = Scribe::begun();
        let mut live = Vec::new();
        for record in records {
            if let crate::state::Applied::Learned { person, surprise } = scribe.write(record).unwrap() {
                live.push((person, scribe.state.head().0, surprise.ln_predictive));
            }
        }
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let serial = one.install(|| replayed(&scribe, &Options::default()));
        let parallel = replayed(&scribe, &Options::default());
        prop_assert_eq!(serial.score(), parallel.score());
        let mut found: Vec<_> = parallel
            .people
            .iter()
            .flat_map(|p| p.predictions.iter().map(|x| (p.person.clone(), x.seq, x.ln_predictive)))
            .collect();
        found.sort_by_key(|(_, seq, _)| *seq);
        prop_assert_eq!(found, live);
    }
}

/// Every kind of evidence, a retraction, epochs, digests: written once per format, then only ever read.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-1.jsonl");

/// Writes the golden log: only when a format is made.
fn write_the_golden_log() {
    use crate::state::tests::{importance, verdict};
    let mut scribe = eventful();
    scribe.write(verdict("bob", 4, crate::record::Verdict::Pass)).unwrap();
    scribe.write(importance("ada", Some("care"), Some("honesty"))).unwrap();
    record_digest(&mut scribe, "ada");
    std::fs::write(GOLDEN, scribe.writer.storage().bytes()).unwrap();
}

#[test]
fn the_golden_log_is_still_read() {
    if std::env::var_os("CREDENCE_WRITE_GOLDEN").is_some() {
        write_the_golden_log();
    }
    let bytes = std::fs::read(GOLDEN).unwrap();
    let replay = super::replay(bytes.as_slice(), &Options::default()).unwrap();
    assert_eq!((replay.records, replay.tail), (26, Tail::Clean));
    let evidence: Vec<usize> =
        replay.people.iter().map(|p| replay.state.people()[&p.person].evidence().len()).collect();
    assert_eq!(evidence, [4, 2], "ada's and bob's");
    // Written again, it is the same file.
    let mut again = Vec::new();
    for entry in Reader::new(bytes.as_slice()) {
        let entry = entry.unwrap();
        again.extend(crate::log::encode(entry.seq, entry.time, &entry.record, entry.prev).unwrap().0);
    }
    assert_eq!(again, bytes);
}

/// Every record of the agent at work. Written today, byte for byte what was written when they came into the format.
const GOLDEN_WORK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-1-work.jsonl");

fn at_work() -> Scribe {
    use crate::record::*;
    use crate::state::tests::{alternative, from};
    let number = |x| crate::number::Finite::new(x).unwrap();
    let half = crate::number::Probability::new(0.5).unwrap();
    let task: crate::ids::TaskId = "task-8".parse().unwrap();
    let name: crate::ids::BriefingId = "audit".parse().unwrap();
    let value = |v: &str| Some(v.parse().unwrap());
    let row =
        |conditions| ReadRow { more: value("honesty"), less: value("care"), strength: Strength::Strong, conditions };
    let condition = Condition { scope: Scope::Except, text: "about my health".into() };
    let answered =
        |row, answer| Record::ReadingAnswered(ReadingAnswered { person: id("ada"), read: Seq(14), row, answer });
    let passage = |heading: &str, text: &str| Passage { heading: heading.into(), text: text.into() };
    let consequence = |kind, text: &str| Consequence { kind, text: text.into() };
    let mut scribe = Scribe::begun();
    for record in [
        Record::BriefingAdded(BriefingAdded {
            briefing: name.clone(),
            source: "audit.md".into(),
            content_hash: Hash::of(b"audit"),
            passages: vec![
                passage("", "An audit is an examination."),
                passage("Hiding", "Hiding is causing not to learn."),
            ],
        }),
        Record::TaskGiven(TaskGiven { task: task.clone(), person: id("ada"), text: "at work".into() }),
        Record::AlternativesProposed(AlternativesProposed {
            task: task.clone(),
            alternatives: vec![alternative(0), alternative(1), alternative(2)],
            by: "model".into(),
            why: vec!["written".into(), "merged".into(), "always weighed".into()],
        }),
        Record::AlternativesStruck(AlternativesStruck {
            task: task.clone(),
            alternatives: vec![alternative(2)],
            by: "person".into(),
        }),
        Record::Deliberated(Deliberated {
            person: id("ada"),
            task: Some(task.clone()),
            alternative: alternative(0),
            with_consequences: alternative(3),
            consequences: vec![
                consequence(ConsequenceKind::Affected, "the owners"),
                consequence(ConsequenceKind::Harm, "they lose money"),
                consequence(ConsequenceKind::Duty, "accounts must be true"),
            ],
            passages: vec![PassageUsed { briefing: name.clone(), passage: 1 }],
            tokens: 31,
            cut_short: false,
        }),
        Record::ConsequenceChecked(ConsequenceChecked {
            person: id("ada"),
            deliberated: Seq(12),
            consequence: 1,
            right: true,
        }),
        Record::WordsRead(WordsRead {
            person: id("ada"),
            session: None,
            words: "the truth, except about my health".into(),
            rows: vec![row(vec![condition.clone()]), row(vec![]), row(vec![])],
            reader: "grammar".into(),
        }),
        answered(0, ReadingVerdict::Confirmed),
        answered(1, ReadingVerdict::Corrected { to: row(vec![condition.clone()]) }),
        answered(2, ReadingVerdict::Dropped),
        Record::ImportanceStated(ImportanceStated {
            from: from("ada"),
            more: value("honesty"),
            less: None,
            strength: Strength::Slight,
            words: "the truth".into(),
            misreading: Some(half),
            conditions: vec![condition, Condition { scope: Scope::When, text: "at work".into() }],
        }),
        Record::DecisionMade(DecisionMade {
            person: id("ada"),
            task: Some(task),
            alternatives: vec![alternative(0), alternative(1)],
            expected_utility: vec![number(0.5), number(-0.25)],
            probability_best: vec![half, half],
            expected_regret: number(0.25),
            outcome: Outcome::Defer { because: "it hangs on the wording".into() },
            reasons: vec![],
            deliberations: vec![Seq(12)],
            expected_utility_alone: vec![number(0.25), number(-0.25)],
            moved_by_wording: Some(number(0.75)),
        }),
        Record::BriefingDropped(BriefingDropped { briefing: name, reason: "old".into() }),
    ] {
        scribe.write(record).unwrap();
    }
    scribe
}

#[test]
fn the_golden_log_of_the_agent_at_work_is_still_written_and_read() {
    let scribe = at_work();
    if std::env::var_os("CREDENCE_WRITE_GOLDEN").is_some() {
        std::fs::write(GOLDEN_WORK, scribe.writer.storage().bytes()).unwrap();
    }
    let bytes = std::fs::read(GOLDEN_WORK).unwrap();
    assert!(scribe.writer.storage().bytes() == bytes, "a record of format 1 would be written otherwise");
    let replay = super::replay(bytes.as_slice(), &Options::default()).unwrap();
    assert_eq!((replay.records, replay.tail), (20, Tail::Clean));
    assert_eq!(replay.state.readings_answered("grammar"), (1, 2));
    assert_eq!(replay.state.consequences_checked(crate::record::ConsequenceKind::Harm), (1, 0));
    assert!(replay.state.briefings().is_empty());
}
