mod golden;

use proptest::prelude::*;

use super::*;
use crate::belief::LocationName;
use crate::record::BeliefRecorded;
use crate::sample::{Scribe, eventful, id};
use crate::state::tests::any_evidence;

fn replayed(scribe: &Scribe, options: &Options) -> Replay {
    replay(scribe.writer.storage().bytes(), options).unwrap()
}

fn person<'a>(replay: &'a Replay, name: &str) -> &'a Replayed {
    replay.people.iter().find(|p| p.person == id(name)).unwrap()
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
            if let crate::state::Applied::Learned { person, surprise: Some(surprise) } = scribe.write(record).unwrap() {
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
