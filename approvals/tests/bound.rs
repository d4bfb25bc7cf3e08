//! The bound, in small: simulated owners on the train split.
#![allow(clippy::unwrap_used)]

use credence_approvals::simulate::{Kind, Owner, Policy, Split, parse_acts, run, settings_of_acts};
use credence_approvals::{Bound, Settings, evidence};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Risk exactly at `alpha`: evidence ever reaches 20 in at most 5% of runs, looked at after every trial. Of 2,000 runs
/// more than 129 would be seen with probability below .001 if the share were 5%.
#[test]
fn looking_at_all_times_costs_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let mut wrong = 0;
    for _ in 0..2000 {
        let mut errors = 0;
        wrong += u32::from((1..=1500).any(|n| {
            errors += u64::from(rng.random_bool(0.1));
            evidence(0.1, n, errors) >= 20.0
        }));
    }
    assert!(wrong <= 129, "{wrong} of 2000");
}

/// Twenty owners of seeds from 20000 on: no policy in force ever has a risk above the bound while they keep their mind.
/// Two or more would be seen with probability below .27 if each broke it with probability 5%, four or more below .02.
#[test]
fn the_bound_holds_for_simulated_owners_and_something_passes() {
    let acts = parse_acts(include_str!("../data/acts.jsonl")).unwrap();
    let pool: Vec<_> = acts.iter().filter(|act| act.split == Split::Train).collect();
    for (bound, first) in [(Bound::OfRefused, 2), (Bound::OfPassed, 6)] {
        let settings = Settings {
            bound,
            share_max: 0.15,
            frozen_at: vec![60],
            tested_min: 0,
            threshold_quantiles: (first..19).map(|k| 0.05 * f64::from(k)).collect(),
            ..settings_of_acts()
        };
        let policy = Policy::Learned(Box::new(settings));
        let (mut broken, mut passed) = (0, 0);
        for seed in 20_000..20_020 {
            let owner = Owner::new(seed);
            let outcome = run(&owner, &pool, &policy, 400).unwrap();
            let risk = |p: &credence_approvals::simulate::Point| match bound {
                Bound::OfRefused => p.of_refused,
                Bound::OfPassed => p.of_passed,
            };
            let kept = |acts: usize| owner.kind != Kind::Changing || acts < 200;
            broken += u32::from(outcome.points.iter().any(|p| kept(p.acts) && risk(p) > 0.15));
            passed += u32::from(outcome.first_pass.is_some());
            assert!(!outcome.audit_bound_broken, "seed {seed}");
        }
        assert!(broken < 4 && passed >= 5, "{bound:?}: broken {broken}, passed {passed} of 20");
    }
}

/// The acts are what docs/results/approvals.md says they are.
#[test]
fn the_acts_are_sound() {
    let acts = parse_acts(include_str!("../data/acts.jsonl")).unwrap();
    let names: std::collections::BTreeSet<_> = acts.iter().map(|act| &act.id).collect();
    assert!(acts.len() >= 330 && names.len() == acts.len());
    let test = acts.iter().filter(|act| act.split == Split::Test).count();
    assert!((3 * test).abs_diff(acts.len()) <= 6, "a third is kept aside");
    assert!(acts.iter().filter(|act| act.planted_blocker).count() >= 20);
    let settings = settings_of_acts();
    let state = credence_approvals::Approvals::new(settings.clone()).unwrap();
    let now = jiff::civil::date(2026, 11, 28).at(12, 0, 0, 0);
    for act in &acts {
        assert!(settings.tools.iter().any(|tool| tool.name == act.tool), "{}", act.id);
        assert!(state.decide(&act.request(0), now).is_ok(), "{}", act.id);
        assert!(act.concerns.values().all(|s| (-2.0..=2.0).contains(s)) && act.concerns.len() == 7);
    }
}
