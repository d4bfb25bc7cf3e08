//! What promoted generations do to belief: the laws of docs/belief.md, section 9.

use super::*;
use crate::belief::{Functional, Mixture, Priors, Settings};
use crate::replay::{self, Options};
use crate::sample::{generation, header, judgements, promoted, rolled_back, trained};

/// A log of ada and bob whose model's prior was read, with judgements of every alternative by generation 1 to come.
fn begun() -> Scribe {
    let mut scribe = Scribe::begun();
    scribe.write(Record::PriorElicited(prior())).unwrap();
    scribe
}

/// Trains, reads and promotes a generation in one go.
fn promote(scribe: &mut Scribe, number: u32, parent: u32, people: &[&str]) {
    scribe.write(Record::AdapterTrained(trained(&scribe.state, number, parent, people))).unwrap();
    scribe.write(judgements(number, 0..6)).unwrap();
    scribe.write(Record::AdapterPromoted(promoted(number, Some("a test")))).unwrap();
}

/// More answers, each to a question that the person was not asked before.
fn say(scribe: &mut Scribe, person: &str, answers: usize) {
    for _ in 0..answers {
        let n = scribe.state.person(&id(person)).map_or(0, |p| p.evidence().len());
        let (first, second) = (0..6).flat_map(|i| (i + 1..6).map(move |j| (i, j))).nth(n).expect("at most 15 answers");
        scribe.write(choice(person, first, second, Some(n / 2 % 2))).unwrap();
    }
}

fn mass(belief: &Mixture, location: LocationName) -> f64 {
    belief.locations().iter().filter(|(name, _)| *name == location).map(|(_, mass)| mass).sum()
}

const FIRST: LocationName = LocationName::Generation(1);
const SECOND: LocationName = LocationName::Generation(2);

#[test]
fn a_promotion_takes_half_of_the_parent() {
    let mut scribe = begun();
    let eve = id("eve");
    let belief = |scribe: &Scribe| scribe.state.belief(&eve).unwrap();
    promote(&mut scribe, 1, 0, &[]);
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    close(mass(&belief(&scribe), LocationName::Zero), 0.5);
    close(mass(&belief(&scribe), LocationName::Elicited), 0.25);
    close(mass(&belief(&scribe), FIRST), 0.25);
    promote(&mut scribe, 2, 1, &[]);
    close(mass(&belief(&scribe), LocationName::Elicited), 0.25);
    close(mass(&belief(&scribe), FIRST), 0.125);
    close(mass(&belief(&scribe), SECOND), 0.125);
    close(belief(&scribe).weights().iter().sum(), 1.0);
    // A generation trained from the base takes the place of the stack.
    promote(&mut scribe, 3, 0, &[]);
    close(mass(&belief(&scribe), LocationName::Generation(3)), 0.25);
    assert_eq!((mass(&belief(&scribe), FIRST), mass(&belief(&scribe), SECOND)), (0.0, 0.0));
    let epoch = scribe.state.epoch().unwrap();
    let location = epoch.priors.locations.last().unwrap();
    assert_eq!(location.mean, [0.25, 0.5, -0.25, 1.5, 0.0, 0.0]);
    assert_eq!(location.covariance[..5], [0.75, 1.5 * 0.1, 0.75, 0.0, 0.0], "scaled by 1.5");
    assert_eq!(location.covariance[14], 1.0, "the constants' are not");
}

#[test]
fn each_hypothesis_reads_the_judgement_of_its_generation() {
    let mut scribe = begun();
    promote(&mut scribe, 1, 0, &[]);
    let state = &scribe.state;
    let epoch = state.epoch().unwrap();
    let (a, b) = (state.features(&alternative(0)).unwrap(), state.features(&alternative(1)).unwrap());
    let difference = a.minus(&b);
    assert_eq!((difference.mean.len(), epoch.layout.dimension(), epoch.layout.width()), (7, 6, 7));
    let question = |mean: Vec<f64>, error: Vec<f64>| crate::belief::Question::Comparison {
        difference: mean,
        error,
        indifference_offered: false,
        channel: crate::belief::Channel::Choice,
        misreading: 0.0,
        question: None,
    };
    let belief = state.belief(&id("eve")).unwrap();
    let found = belief.predict(&question(difference.mean.clone(), difference.error.clone()))[0];
    // By hand: each location alone, told the judgement that it reads.
    let alone = |name: LocationName, judgement: f64| {
        let locations = epoch.priors.locations.iter().filter(|l| l.name == name).cloned().collect();
        let priors = Priors { locations, ..(*epoch.priors).clone() };
        let mut mean = difference.mean[..6].to_vec();
        mean[3] = judgement;
        Mixture::new(&epoch.settings, &priors).unwrap().predict(&question(mean, difference.error[..6].to_vec()))[0]
    };
    let (base, own) = (difference.mean[3], difference.mean[6]);
    assert!((base - own).abs() > 0.1);
    let expected =
        0.5 * alone(LocationName::Zero, base) + 0.25 * alone(LocationName::Elicited, base) + 0.25 * alone(FIRST, own);
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    let utility = belief.functional(&difference.mean);
    let parts: f64 = (0..6).map(|i| belief.part(&difference.mean, i).mean()).sum();
    assert!((utility.mean() - parts).abs() < 1e-12);
    let assessed = crate::belief::assess(&belief, &[a.mean.clone(), b.mean]).unwrap();
    assert!((assessed.expected_utility[0] - assessed.expected_utility[1] - utility.mean()).abs() < 1e-12);
    // Not read yet: nothing is claimed about it.
    let mut scribe = begun();
    scribe.write(Record::AdapterTrained(trained(&scribe.state, 1, 0, &[]))).unwrap();
    scribe.write(Record::AdapterPromoted(promoted(1, Some("a test")))).unwrap();
    let features = scribe.state.features(&alternative(0)).unwrap();
    assert_eq!((features.mean[6], features.error[6]), (0.0, 1.0));
    say(&mut scribe, "ada", 3);
    let before = scribe.digest("ada");
    let applied = scribe.write(judgements(1, 0..6)).unwrap();
    assert!(matches!(applied, Applied::Refolded { people } if people == [id("ada")]));
    assert_ne!(scribe.digest("ada"), before);
}

/// Equation (18) by hand, from mixtures of one location each.
#[test]
fn weights_move_by_predictions_after_the_cutoff_only() {
    let mut scribe = begun();
    say(&mut scribe, "ada", 5);
    say(&mut scribe, "bob", 4);
    promote(&mut scribe, 1, 0, &["ada"]);
    say(&mut scribe, "ada", 4);
    say(&mut scribe, "bob", 4);
    let epoch = scribe.state.epoch().unwrap();
    for (person, early, counted) in [("ada", 5, 4), ("bob", 4, 8)] {
        let belief = scribe.state.belief(&id(person)).unwrap();
        assert_eq!(belief.counted(FIRST), Some(counted));
        assert_eq!(belief.counted(LocationName::Elicited), Some(early + 4));
        let observations = scribe.state.person(&id(person)).unwrap().observations(epoch, scribe.state.descriptions());
        let alone = |name: LocationName, own: bool, from: usize, to: usize| {
            let locations = epoch.priors.locations.iter().filter(|l| l.name == name).cloned().collect();
            let priors = Priors { locations, ..(*epoch.priors).clone() };
            let mut mixture = Mixture::new(&epoch.settings, &priors).unwrap();
            for (_, observation) in &observations[from..to] {
                let mut observation = observation.clone();
                let crate::belief::Question::Comparison { difference, error, question, .. } = &mut observation.question
                else {
                    unreachable!("only choices were made")
                };
                *question = None;
                if own {
                    (difference[3], error[3]) = (difference[6], error[6]);
                }
                difference.truncate(6);
                error.truncate(6);
                mixture.observe(&observation).unwrap();
            }
            mixture.hypotheses().iter().map(|h| h.log_marginal_likelihood).collect::<Vec<f64>>()
        };
        let (all, until) = (observations.len(), early);
        let from = if person == "ada" { early } else { 0 };
        let parent = alone(LocationName::Elicited, false, 0, until);
        let (now, then) = (alone(FIRST, true, from, all), alone(FIRST, true, from, until));
        let views = belief.hypotheses();
        let found: Vec<f64> = views.iter().filter(|h| h.location == FIRST).map(|h| h.log_marginal_likelihood).collect();
        assert_eq!(found.len(), parent.len());
        for (i, found) in found.iter().enumerate() {
            let expected = parent[i] + now[i] - then[i];
            // Refinements come at the person's counts, so for ada not at the same records.
            assert!((found - expected).abs() < 2e-2, "{person}, hypothesis {i}: {found} {expected}");
        }
        let zero: Vec<f64> =
            views.iter().filter(|h| h.location == LocationName::Zero).map(|h| h.log_marginal_likelihood).collect();
        assert!(
            zero.iter().zip(alone(LocationName::Zero, false, 0, all)).all(|(a, b)| *a == b),
            "base prior + all evidence"
        );
    }
}

#[test]
fn a_rollback_is_as_if_never_promoted() {
    let mut scribe = begun();
    let mut never = begun();
    for scribe in [&mut scribe, &mut never] {
        say(scribe, "ada", 4);
    }
    let before = scribe.digest("ada");
    promote(&mut scribe, 1, 0, &["ada"]);
    assert_ne!(scribe.digest("ada"), before);
    say(&mut scribe, "ada", 3);
    scribe.write(rolled_back(1)).unwrap();
    say(&mut never, "ada", 3);
    assert_eq!(scribe.digest("ada"), never.digest("ada"));
    // A second generation on top of it goes with it; one promoted before comes back.
    promote(&mut scribe, 2, 0, &["ada"]);
    let second = scribe.digest("ada");
    promote(&mut scribe, 3, 2, &["ada"]);
    promote(&mut scribe, 4, 0, &["ada"]);
    scribe.write(rolled_back(4)).unwrap();
    scribe.write(rolled_back(3)).unwrap();
    assert_eq!(scribe.digest("ada"), second);
    assert_eq!(scribe.state.ledger().standing(generation(3)), Some(crate::ledger::Standing::RolledBack));
    scribe.write(rolled_back(2)).unwrap();
    assert_eq!(scribe.digest("ada"), never.digest("ada"));
}

#[test]
fn a_retraction_of_what_was_absorbed_takes_the_generation_with_it() {
    let mut scribe = begun();
    let mut never = begun();
    for scribe in [&mut scribe, &mut never] {
        say(scribe, "ada", 4);
        say(scribe, "bob", 4);
    }
    let withdrawn = scribe.state.person(&id("ada")).unwrap().evidence()[1].seq.0;
    promote(&mut scribe, 1, 0, &["ada", "bob"]);
    scribe.digest("bob");
    ["ada", "bob"].iter().for_each(|person| scribe.state.believe(&id(person)).unwrap());
    let applied = scribe.write(retraction(withdrawn)).unwrap();
    assert!(matches!(applied, Applied::Refolded { people } if people == [id("ada"), id("bob")]));
    never.write(retraction(withdrawn)).unwrap();
    for person in ["ada", "bob"] {
        assert_eq!(scribe.digest(person), never.digest(person));
        assert_eq!(mass(&scribe.state.belief(&id(person)).unwrap(), FIRST), 0.0, "its mass is the parent's again");
    }
    let standing = scribe.state.ledger().standing(generation(1));
    assert_eq!(standing, Some(crate::ledger::Standing::Stale(Seq(withdrawn))));
    assert_eq!(scribe.state.ledger().untold().len(), 1);
}

/// A replay without a record that a generation absorbed is one without the generation; the log's own replay has it.
#[test]
fn what_if_it_had_never_been_said() {
    let mut scribe = begun();
    say(&mut scribe, "ada", 4);
    say(&mut scribe, "bob", 4);
    let absorbed = scribe.state.person(&id("ada")).unwrap().evidence()[1].seq;
    promote(&mut scribe, 1, 0, &["ada"]);
    say(&mut scribe, "bob", 1);
    let replayed = |options: Options| replay::replay(scribe.writer.storage().bytes(), &options).unwrap();
    let of_bob = |found: &replay::Replay| found.people.iter().find(|p| p.person == id("bob")).unwrap().belief.clone();
    assert!(mass(&of_bob(&replayed(Options::default())), FIRST) > 0.0);
    let without = Options { without: vec![replay::Selector::Record(absorbed)], ..Options::default() };
    let found = replayed(without);
    assert_eq!(mass(&of_bob(&found), FIRST), 0.0);
    assert_eq!(found.state.ledger().current(), generation(0));
    let flat = replayed(Options { prior: replay::PriorChoice::Flat, ..Options::default() });
    assert_eq!(of_bob(&flat).locations().len(), 1);
    let alone = Options { hypotheses: "location=generation:1".parse().unwrap(), ..Options::default() };
    let [(name, mass)] = of_bob(&replayed(alone)).locations()[..] else { panic!("one location") };
    assert!(name == FIRST && (mass - 1.0).abs() < 1e-12);
}

/// A record in a generation's prior stays in it; under all other hypotheses it is taken out, and the generation is weighed
/// by what its parent made of it.
#[test]
fn without_a_record_that_a_generation_absorbed() {
    let mut scribe = begun();
    say(&mut scribe, "ada", 6);
    promote(&mut scribe, 1, 0, &["ada"]);
    say(&mut scribe, "ada", 6);
    let ada = id("ada");
    let epoch = scribe.state.epoch().unwrap();
    let observations = scribe.state.person(&ada).unwrap().observations(epoch, scribe.state.descriptions());
    let belief = scribe.state.belief(&ada).unwrap();
    let features =
        scribe.state.features(&alternative(0)).unwrap().minus(&scribe.state.features(&alternative(5)).unwrap());
    let whole = belief.functional(&features.mean).mean();
    let fast: Vec<f64> = belief.without_each(&features.mean).iter().map(|f| whole - f.mean()).collect();
    let anew: Vec<f64> = observations
        .iter()
        .map(|(without, _)| {
            let rest = observations.iter().filter(|(seq, _)| seq != without).map(|(seq, o)| (*seq, o));
            whole - epoch.fold(&ada, rest).unwrap().functional(&features.mean).mean()
        })
        .collect();
    assert_eq!(fast.len(), 12);
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
    let likeness = dot(&fast, &anew) / (dot(&fast, &fast) * dot(&anew, &anew)).sqrt();
    assert!(likeness > 0.95, "{likeness}\n{fast:?}\n{anew:?}");
}

/// Few hypotheses, so that random logs are folded many times quickly; drift among them.
fn small() -> Record {
    let mut header = header("small");
    header.belief =
        Settings { signal_scales: vec![1.0], lapse_rates: vec![0.05], bands: vec![0.4], ..Settings::default() };
    Record::LogOpened(header)
}

fn begun_small() -> Scribe {
    let mut scribe = Scribe::default();
    scribe.write(small()).unwrap();
    for n in 0..6 {
        scribe.write(described(n)).unwrap();
    }
    scribe.write(Record::PriorElicited(prior())).unwrap();
    scribe
}

/// What is done to adapters in a random log, by number of what was trained so far.
#[derive(Debug, Clone)]
enum Step {
    Say(Box<Record>),
    Withdraw(prop::sample::Index),
    Train(prop::sample::Index, [bool; 2]),
    Promote(prop::sample::Index),
    RollBack(prop::sample::Index),
    Record(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => any_evidence().prop_map(|r| Step::Say(Box::new(r))),
        1 => index().prop_map(Step::Withdraw),
        2 => (index(), any::<[bool; 2]>()).prop_map(|(parent, whom)| Step::Train(parent, whom)),
        3 => index().prop_map(Step::Promote),
        1 => index().prop_map(Step::RollBack),
        2 => any::<bool>().prop_map(Step::Record),
    ]
}

fn take(scribe: &mut Scribe, step: &Step) {
    let trained_so_far = scribe.state.generations().adapters().count();
    let pick = |which: &prop::sample::Index| which.index(trained_so_far.max(1)) as u32 + 1;
    match step {
        Step::Say(record) => drop(scribe.write((**record).clone()).unwrap()),
        Step::Withdraw(which) => {
            let people = scribe.state.people().values();
            let given: Vec<u64> = people.flat_map(|p| p.evidence().iter().map(|e| e.seq.0)).collect();
            if !given.is_empty() {
                scribe.write(retraction(given[which.index(given.len())])).unwrap();
            }
        }
        Step::Train(parent, whom) => {
            let number = scribe.state.generations().next().0;
            let parent = parent.index(trained_so_far + 1) as u32;
            let people: Vec<&str> = ["ada", "bob"].into_iter().zip(whom).filter(|(_, t)| **t).map(|(p, _)| p).collect();
            let mut adapter = trained(&scribe.state, number, parent, &people);
            for person in people {
                adapter.absorbed.unite(&scribe.state.ledger().behind(&id(person), adapter.cutoff));
            }
            scribe.write(Record::AdapterTrained(adapter)).unwrap();
            scribe.write(judgements(number, (0..6).filter(|n| !(n + number as usize).is_multiple_of(5)))).unwrap();
        }
        // What may not be is refused and changes nothing.
        Step::Promote(which) => drop(scribe.write(Record::AdapterPromoted(promoted(pick(which), Some("a test"))))),
        Step::RollBack(which) => drop(scribe.write(rolled_back(pick(which)))),
        Step::Record(bob) => {
            let person = if *bob { "bob" } else { "ada" };
            let digest = Hash(scribe.state.belief(&id(person)).unwrap().digest());
            let through = scribe.state.head().0;
            scribe.write(Record::BeliefRecorded(BeliefRecorded { person: id(person), through, digest })).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Through trainings, promotions, rollbacks and retractions: the same bits live, noted and replayed; every recorded
    /// digest is found again; what enters the likelihood is what the ledger says; weights sum to one.
    #[test]
    fn belief_is_a_function_of_the_log_through_promotions(steps in prop::collection::vec(any_step(), 1..30)) {
        let mut scribe = begun_small();
        steps.iter().for_each(|step| take(&mut scribe, step));
        let found = replay::replay(
            scribe.writer.storage().bytes(),
            &Options { verify: true, ..Options::default() },
        ).unwrap();
        prop_assert_eq!(found.disagreements().count(), 0);
        let mut noted = State::new();
        for entry in scribe.entries() {
            noted.note(&entry).unwrap();
        }
        for replayed in &found.people {
            let live = scribe.state.belief(&replayed.person).unwrap();
            prop_assert_eq!(live.digest(), replayed.belief.digest());
            noted.believe(&replayed.person).unwrap();
            let folded = noted.person(&replayed.person).and_then(|p| p.belief()).unwrap();
            prop_assert_eq!(live.digest(), folded.digest());
            prop_assert!((live.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (location, _) in live.locations() {
                let account = scribe.state.ledger().account(&replayed.person, location);
                prop_assert_eq!(live.counted(location), Some(account.likelihood.len()));
            }
        }
    }

    /// A retraction of what no adapter absorbed is the absence of it, whatever was promoted; a rollback of everything is
    /// the absence of all adapters.
    #[test]
    fn what_is_withdrawn_was_never_there(
        before in prop::collection::vec(any_evidence(), 1..8),
        after in prop::collection::vec(any_evidence(), 1..8),
        withdrawn in any::<prop::sample::Index>(),
        whom in 0usize..3,
    ) {
        let people: &[&str] = [&["ada"][..], &["bob"], &[]][whom];
        let withdrawn = withdrawn.index(before.len() + after.len());
        let person_of = |record: &Record| record.evidence_origin().unwrap().person.to_string();
        let all: Vec<&Record> = before.iter().chain(&after).collect();
        // One from before the cutoff must be of somebody who was not absorbed.
        prop_assume!(withdrawn >= before.len() || !people.contains(&person_of(all[withdrawn]).as_str()));
        let (mut with, mut without, mut base) = (begun_small(), begun_small(), begun_small());
        let mut target = 0;
        for (n, record) in all.iter().enumerate() {
            if n == before.len() {
                promote(&mut with, 1, 0, people);
                promote(&mut without, 1, 0, people);
            }
            with.write((*record).clone()).unwrap();
            if n == withdrawn {
                target = with.state.head().0.0;
            } else {
                without.write((*record).clone()).unwrap();
                base.write((*record).clone()).unwrap();
            }
        }
        with.write(retraction(target)).unwrap();
        for person in ["ada", "bob"] {
            prop_assert_eq!(with.digest(person), without.digest(person));
        }
        if with.state.ledger().current() == generation(1) {
            with.write(rolled_back(1)).unwrap();
            for person in ["ada", "bob"] {
                prop_assert_eq!(with.digest(person), base.digest(person));
            }
        }
    }

    /// A generation that absorbed nothing and has its parent's prior and judgements takes half of the parent's mass and
    /// changes no belief.
    #[test]
    fn a_copy_of_the_parent_changes_nothing_but_the_shares(
        before in prop::collection::vec(any_evidence(), 0..8),
        after in prop::collection::vec(any_evidence(), 0..8),
    ) {
        let (mut with, mut without) = (begun_small(), begun_small());
        let elicited = prior();
        for (n, record) in before.iter().chain(&after).enumerate() {
            if n == before.len() {
                copy_the_parent(&mut with, &elicited);
            }
            with.write(record.clone()).unwrap();
            without.write(record.clone()).unwrap();
        }
        if after.is_empty() {
            copy_the_parent(&mut with, &elicited);
        }
        for person in ["ada", "bob"] {
            let (a, b) = (with.state.belief(&id(person)).unwrap(), without.state.belief(&id(person)).unwrap());
            let (parent, copy) = (mass(&a, LocationName::Elicited), mass(&a, FIRST));
            prop_assert!((parent - copy).abs() < 1e-9);
            prop_assert!((parent + copy - mass(&b, LocationName::Elicited)).abs() < 1e-9);
            let close = |a: &Functional, b: &Functional| {
                (a.mean() - b.mean()).abs() < 1e-9 && (a.variance() - b.variance()).abs() < 1e-9
            };
            for i in 0..6 {
                prop_assert!(close(&a.weight(i), &b.weight(i)));
            }
        }
    }
}

fn copy_the_parent(scribe: &mut Scribe, elicited: &PriorElicited) {
    scribe.write(Record::AdapterTrained(trained(&scribe.state, 1, 0, &[]))).unwrap();
    let own = scribe.state.descriptions().iter().map(|d| (d.alternative, d.judgement[&0])).collect();
    scribe.write(Record::JudgementsRead(JudgementsRead { generation: generation(1), judgements: own })).unwrap();
    let mut copy = promoted(1, Some("a test"));
    copy.prior.mean = elicited.mean.clone();
    copy.prior.covariance = elicited.covariance.clone();
    copy.variance_scale = Finite::new(1.0).unwrap();
    scribe.write(Record::AdapterPromoted(copy)).unwrap();
}
