//! Laws of the belief engine: same records, same bits; order does not matter where it must not; nothing breaks.
#![allow(clippy::print_stdout)]

use credence_belief::simulate::{Evidence, Person, below, flat_priors, normals, uniform};
use credence_belief::{
    BeliefError, Channel, Context, Lattice, Location, LocationName, Mixture, MixturePart, Observation, Places,
    Preference, Priors, Question, Settings, Strategy, assess, choose_batch, consistency, expected_information_gain,
    regret_bound, score, value_of_information,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn two_locations(d: usize, rng: &mut ChaCha8Rng) -> Priors {
    let mut priors = flat_priors(d);
    let flat = priors.locations[0].clone();
    priors.locations.push(Location {
        name: LocationName::Elicited,
        mean: normals(d, rng).iter().map(|x| 0.5 * x).collect(),
        covariance: flat.covariance.iter().map(|v| 0.5 * v).collect(),
    });
    priors
}

fn answers(evidence: Evidence, d: usize, n: usize, rng: &mut ChaCha8Rng) -> Vec<Observation> {
    let settings = Settings::default();
    let mut person = Person::new(normals(d, rng), 0.1, 0.5, &settings);
    (0..n)
        .map(|k| {
            let question = evidence.question(d, k, rng);
            let outcome = person.answer(&question, rng).expect("a sound question");
            question.answer(outcome)
        })
        .collect()
}

#[test]
fn live_and_folded_belief_are_the_same_bits_and_retraction_is_absence() {
    for seed in 0..4 {
        println!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (d, settings) = (4, Settings::default());
        let priors = two_locations(d, &mut rng);
        let records = answers(Evidence::Mixed, d, 30, &mut rng);
        let mut live = Mixture::new(&settings, &priors).expect("a sound prior");
        for record in &records {
            live.observe(record).expect("a sound record");
        }
        let folded = Mixture::fold(&settings, &priors, &records).expect("sound records");
        assert_eq!(live.digest(), folded.digest());
        assert_eq!(live, folded);
        // Retraction of number 11: the survivors folded are a log that never had it.
        let survivors: Vec<&Observation> =
            records.iter().enumerate().filter(|(i, _)| *i != 11).map(|(_, r)| r).collect();
        let retracted = Mixture::fold(&settings, &priors, survivors.iter().copied()).expect("sound records");
        let mut never = Mixture::new(&settings, &priors).expect("a sound prior");
        for record in survivors {
            never.observe(record).expect("a sound record");
        }
        assert_eq!(retracted.digest(), never.digest());
        assert_ne!(retracted.digest(), live.digest());
        // Written and read, then continued: still the same bits.
        let text = serde_json::to_string(&live).expect("beliefs are plain data");
        let mut back: Mixture = serde_json::from_str(&text).expect("what was written");
        assert_eq!(back.digest(), live.digest());
        let more = &answers(Evidence::ChoiceOrNeither, d, 3, &mut rng);
        for record in more {
            back.observe(record).expect("a sound record");
            live.observe(record).expect("a sound record");
        }
        assert_eq!(back.digest(), live.digest());
    }
}

#[test]
fn order_does_not_matter_without_lapses_and_drift() {
    let tight = Settings { tolerance: 1e-12, sweeps_max: 200, ..Settings::single(1.5, 0.0, 0.5) };
    for evidence in
        [Evidence::Choice, Evidence::ChoiceOrNeither, Evidence::Rating, Evidence::Importance, Evidence::RankingOfThree]
    {
        for seed in 0..5 {
            println!("{evidence:?} seed {seed}");
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let d = 5;
            // 24 is a refinement count.
            let mut records = answers(evidence, d, 24, &mut rng);
            let one = Mixture::fold(&tight, &flat_priors(d), &records).expect("sound records");
            for i in (1..records.len()).rev() {
                records.swap(i, below(i + 1, &mut rng));
            }
            let other = Mixture::fold(&tight, &flat_priors(d), &records).expect("sound records");
            for i in 0..d {
                let (a, b) = (one.weight(i), other.weight(i));
                assert!((a.mean() - b.mean()).abs() < 1e-6 * a.sd(), "mean {i}: {} {}", a.mean(), b.mean());
                assert!((a.sd() / b.sd() - 1.0).abs() < 1e-6, "sd {i}");
            }
            assert!((one.log_marginal_likelihood() - other.log_marginal_likelihood()).abs() < 1e-6);
        }
    }
}

/// With lapses and drift the order matters a little: how much is printed. No law, but a regression bound, set after .14 was seen.
#[test]
fn regression_bound_on_how_much_order_matters_with_the_default_grid() {
    let settings = Settings::default();
    let mut worst: f64 = 0.0;
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut records = answers(Evidence::Choice, 4, 24, &mut rng);
        let one = Mixture::fold(&settings, &flat_priors(4), &records).expect("sound records");
        records.reverse();
        let other = Mixture::fold(&settings, &flat_priors(4), &records).expect("sound records");
        for i in 0..4 {
            worst = worst.max((one.weight(i).mean() - other.weight(i).mean()).abs() / one.weight(i).sd());
        }
    }
    println!("worst move of a mean under reversal of 24 choices: {worst:.4} sd");
    assert!(worst < 0.2, "{worst}");
}

#[test]
fn swapping_the_alternatives_mirrors_the_belief() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (d, settings) = (3, Settings::default());
    let priors = flat_priors(d);
    let (mut one, mut other) =
        (Mixture::new(&settings, &priors).expect("sound"), Mixture::new(&settings, &priors).expect("sound"));
    for k in 0..20 {
        let a = normals(d, &mut rng);
        let outcome = below(3, &mut rng);
        one.observe(&Question::choice(a.clone(), true).answer(outcome)).expect("sound");
        let mirrored = [1, 0, 2][outcome];
        let minus = a.iter().map(|x| -x).collect();
        other.observe(&Question::choice(minus, true).answer(mirrored)).expect("sound");
        for i in 0..d {
            assert!((one.weight(i).mean() - other.weight(i).mean()).abs() < 1e-9, "record {k}");
        }
    }
}

/// Nothing that a person can do makes a belief unsound.
fn assert_sound(mixture: &Mixture, what: &str) {
    let weights = mixture.weights();
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{what}: weights");
    assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)), "{what}: a weight");
    for i in 0..mixture.dimension() {
        let f = mixture.weight(i);
        for &MixturePart { mean, sd, .. } in f.parts() {
            assert!(mean.is_finite() && sd.is_finite() && sd >= 0.0, "{what}: N({mean}, {sd}^2)");
        }
        let (lo, hi) = f.interval(0.9);
        assert!(lo <= hi, "{what}: [{lo}, {hi}]");
        let axis: Vec<f64> = (0..mixture.dimension()).map(|j| f64::from(u8::from(i == j))).collect();
        let shown = &mixture.marginals(&[axis])[0];
        let (lo, hi) = shown.interval(0.9);
        assert!(lo <= hi && lo.is_finite() && hi.is_finite(), "{what}: shown [{lo}, {hi}]");
        assert!(
            shown.mean().is_finite() && shown.variance() >= 0.0,
            "{what}: shown {} {}",
            shown.mean(),
            shown.variance()
        );
        assert!((0.0..=1.0).contains(&shown.probability_positive()), "{what}: shown {}", shown.probability_positive());
    }
}

#[test]
fn extreme_evidence_keeps_belief_sound() {
    let d = 4;
    let priors = flat_priors(d);
    for settings in [Settings::default(), Settings::single(1.5, 0.0, 0.3), Settings::single(5.0, 0.0, 0.3)] {
        let empty = Mixture::new(&settings, &priors).expect("a sound prior");
        assert_sound(&empty, "no evidence");
        // A hundred contradictions.
        let mut belief = empty.clone();
        let question = Question::choice(vec![1.0, -0.5, 0.2, 0.0], false);
        for k in 0..100 {
            belief.observe(&question.answer(k % 2)).expect("sound");
        }
        assert_sound(&belief, "a hundred contradictions");
        // A hundred agreements that the prior thinks impossible, then their opposite.
        let mut belief = empty.clone();
        for k in 0..200 {
            belief.observe(&question.answer(usize::from(k < 100))).expect("sound");
        }
        assert_sound(&belief, "a change of mind");
        // Identical alternatives.
        let mut belief = empty.clone();
        for k in 0..20 {
            belief.observe(&Question::choice(vec![0.0; d], true).answer(k % 3)).expect("sound");
            let features = vec![vec![0.3; d]; 3];
            let error = vec![vec![0.0; d]; 3];
            let question = Question::Ranking { features, error, places: Places::First(1), channel: Channel::Choice };
            belief.observe(&question.answer(k % 3)).expect("sound");
        }
        assert_sound(&belief, "identical alternatives");
        for i in 0..d {
            assert!((belief.weight(i).mean() - empty.weight(i).mean()).abs() < 1e-9, "nothing was learned of {i}");
        }
        // Features of very different sizes, in every form.
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for size in [1e6, 1e-9, 1e-150] {
            let mut belief = empty.clone();
            for k in 0..60 {
                let mut a = normals(d, &mut rng);
                a[k % d] *= size;
                let question = match k % 4 {
                    0 => Question::choice(a, false),
                    1 => Question::choice(a, true),
                    2 => Question::Graded {
                        features: a,
                        error: vec![0.0; d],
                        levels: 5,
                        misreading: 0.0,
                        question: None,
                    },
                    _ => Question::Ranking {
                        features: vec![a, normals(d, &mut rng), vec![0.0; d]],
                        error: vec![vec![0.0; d]; 3],
                        places: Places::First(1),
                        channel: Channel::Choice,
                    },
                };
                belief.observe(&question.answer(below(question.outcome_count(), &mut rng))).expect("sound");
            }
            assert_sound(&belief, &format!("features of {size}"));
        }
        // All features huge, answers consistent and contradictory.
        let mut belief = empty.clone();
        for k in 0..60 {
            let a: Vec<f64> = normals(d, &mut rng).iter().map(|x| 1e6 * x).collect();
            belief.observe(&Question::choice(a, k % 2 == 0).answer(k % 2)).expect("sound");
        }
        assert_sound(&belief, "all features huge");
    }
}

#[test]
fn the_same_question_again_tells_of_consistency_and_hardly_of_values() {
    let d = 3;
    let settings = Settings::default();
    let start = Mixture::new(&settings, &flat_priors(d)).expect("sound");
    let ask = |key: Option<[u8; 32]>| Question::Comparison {
        difference: vec![1.0, 0.5, 0.0],
        error: vec![0.0; d],
        indifference_offered: false,
        channel: Channel::Choice,
        misreading: 0.0,
        question: key,
    };
    let (mut again, mut fresh) = (start.clone(), start);
    again.observe(&ask(Some([1; 32])).answer(0)).expect("sound");
    fresh.observe(&ask(None).answer(0)).expect("sound");
    let before = again.functional(&[1.0, 0.5, 0.0]).mean();
    let expected = again.predict(&ask(Some([1; 32])));
    assert!((expected[0] + expected[1] - 1.0).abs() < 1e-9 && expected[0] > fresh.predict(&ask(None))[0]);
    let surprise = again.observe(&ask(Some([1; 32])).answer(0)).expect("sound");
    assert!((surprise.ln_predictive - expected[0].ln()).abs() < 1e-9);
    fresh.observe(&ask(None).answer(0)).expect("sound");
    let moved = again.functional(&[1.0, 0.5, 0.0]).mean() - before;
    let moved_fresh = fresh.functional(&[1.0, 0.5, 0.0]).mean() - before;
    assert!(moved > 0.0 && moved < moved_fresh, "{moved} {moved_fresh}");
    assert_eq!(again.record_count(), 2);
    // Ten repeats of one answer against ten contradictions.
    let (mut steady, mut fickle) = (again.clone(), again);
    for k in 0..10 {
        steady.observe(&ask(Some([1; 32])).answer(0)).expect("sound");
        fickle.observe(&ask(Some([1; 32])).answer(k % 2)).expect("sound");
    }
    assert!(steady.low_signal_mass() < fickle.low_signal_mass());
    let mean_lapse = |m: &Mixture| m.lapse_rates().iter().map(|(e, p)| e * p).sum::<f64>();
    assert!(mean_lapse(&steady) < mean_lapse(&fickle));
    let bank = [Question::choice(vec![1.0, 0.5, 0.0], false), Question::choice(vec![0.0, 0.5, 1.0], false)];
    assert!(consistency(&steady, &bank) > consistency(&fickle, &bank));
}

#[test]
fn a_finite_hypothesis_is_exact_enumeration() {
    // Weights in {-1, 0, 1}^2 without zero, sigma 1.5, lapse .1, choices of three: by hand with the bivariate orthant.
    let atoms: Vec<Vec<f64>> = (0..9)
        .map(|k| vec![f64::from(k / 3) - 1.0, f64::from(k % 3) - 1.0])
        .filter(|w| w.iter().any(|x| *x != 0.0))
        .collect();
    let priors = Priors {
        locations: Vec::new(),
        scaled: vec![true; 2],
        lattices: vec![Lattice {
            name: LocationName::Lattice(0),
            masses: vec![1.0; atoms.len()],
            atoms: atoms.clone(),
        }],
        component_masses: Vec::new(),
    };
    let settings = Settings::single(1.5, 0.1, 0.3);
    let mut belief = Mixture::new(&settings, &priors).expect("a sound lattice");
    let mut masses = vec![1.0 / atoms.len() as f64; atoms.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut total_ln = 0.0;
    for _ in 0..10 {
        let features: Vec<Vec<f64>> = (0..3).map(|_| normals(2, &mut rng)).collect();
        let outcome = below(3, &mut rng);
        let question = Question::Ranking {
            features: features.clone(),
            error: vec![vec![0.0; 2]; 3],
            places: Places::First(1),
            channel: Channel::Choice,
        };
        let likelihood: Vec<f64> = atoms
            .iter()
            .map(|w| {
                let u: Vec<f64> = features.iter().map(|f| 1.5 * (f[0] * w[0] + f[1] * w[1])).collect();
                // P(y_k greatest), y ~ N(u, 1/2): a Riemann sum over y_k.
                let n = 4000;
                let p: f64 = (0..n)
                    .map(|i| {
                        let x = -6.0 + 12.0 * (f64::from(i) + 0.5) / f64::from(n);
                        let y = u[outcome] + x * 0.5f64.sqrt();
                        let beaten: f64 = (0..3)
                            .filter(|k| *k != outcome)
                            .map(|k| 0.5 * statrs::function::erf::erfc(-(y - u[k])))
                            .product();
                        (-0.5 * x * x).exp() * beaten
                    })
                    .sum();
                0.9 * p * 12.0 / f64::from(n) / (2.0 * std::f64::consts::PI).sqrt() + 0.1 / 3.0
            })
            .collect();
        let z: f64 = masses.iter().zip(&likelihood).map(|(m, l)| m * l).sum();
        let predicted = belief.predict(&question);
        assert!((predicted[outcome] - z).abs() < 1e-6, "{} {z}", predicted[outcome]);
        masses.iter_mut().zip(&likelihood).for_each(|(m, l)| *m *= l / z);
        total_ln += z.ln();
        belief.observe(&question.answer(outcome)).expect("sound");
    }
    let exact: f64 = masses.iter().zip(&atoms).map(|(m, w)| m * 1.5 * w[0]).sum();
    assert!((belief.weight(0).mean() - exact).abs() < 1e-5);
    assert!((belief.log_marginal_likelihood() - total_ln).abs() < 1e-4);
}

#[test]
fn drift_forgets_towards_the_prior() {
    let d = 2;
    let still = Settings { slow_drift_weight: 0.0, ..Settings::single(1.5, 0.01, 0.3) };
    let drifting = Settings { slow_drift_weight: 0.999, drift_records: 20.0, ..still.clone() };
    let question = Question::choice(vec![1.0, 0.0], false);
    // Thirty answers one way, thirty the other: who drifts believes the last thirty.
    let records: Vec<Observation> = (0..60).map(|k| question.answer(usize::from(k < 30))).collect();
    let priors = flat_priors(d);
    let (a, b) = (
        Mixture::fold(&still, &priors, &records).expect("sound"),
        Mixture::fold(&drifting, &priors, &records).expect("sound"),
    );
    assert!(b.weight(0).mean() > a.weight(0).mean() + 0.2, "{} {}", a.weight(0).mean(), b.weight(0).mean());
    assert!(b.drift_mass() > 0.9 && a.drift_mass() == 0.0);
    // A repeat under drift folds anew and stays sound.
    let mut c = b;
    let key = Question::Comparison {
        difference: vec![1.0, 0.0],
        error: vec![0.0; 2],
        indifference_offered: true,
        channel: Channel::Choice,
        misreading: 0.0,
        question: Some([9; 32]),
    };
    for outcome in [0, 2, 1] {
        let p = c.predict(&key);
        let surprise = c.observe(&key.answer(outcome)).expect("sound");
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(p, surprise.probabilities);
    }
    assert_sound(&c, "repeats under drift");
}

#[test]
fn what_cannot_be_believed_is_an_error_and_changes_nothing() {
    let settings = Settings::default();
    let mut belief = Mixture::new(&settings, &flat_priors(2)).expect("sound");
    let before = belief.digest();
    let best_of_three = Question::Ranking {
        features: vec![vec![1.0; 2]; 3],
        error: vec![vec![0.0; 2]; 3],
        places: Places::First(1),
        channel: Channel::Choice,
    };
    let bad = [
        Question::choice(vec![1.0], false).answer(0),
        Question::choice(vec![1.0, f64::NAN], false).answer(0),
        Question::choice(vec![1.0, 0.0], false).answered(Preference::Neither),
        Question::choice(vec![1.0, 0.0], true).answered(3),
        Question::choice(vec![1.0, 0.0], true).answered(vec![0, 1]),
        Question::Graded { features: vec![1.0; 2], error: vec![0.0; 2], levels: 3, misreading: 0.0, question: None }
            .answered(3),
        Question::Importance { direction: vec![1.0; 2], misreading: 0.0 }.answered(6),
        best_of_three.clone().answered(vec![0, 0]),
        best_of_three.clone().answered(vec![]),
        best_of_three.answered(0),
    ];
    for observation in bad {
        assert!(belief.observe(&observation).is_err(), "{observation:?}");
    }
    assert_eq!(belief.digest(), before);
    let mut broken = flat_priors(2);
    broken.locations[0].covariance = vec![1.0, 2.0, 1.0];
    assert_eq!(Mixture::new(&settings, &broken).err(), Some(BeliefError::NotPositive { name: LocationName::Zero }));
}

/// Equation (14) on thousands of runs: adversarially wrong priors, questions and answers of every making. The bound is for exact
/// Bayes; the engine's slack is what it exceeds it by, and that is reported and held to a tenth of a nat.
#[test]
fn cumulative_log_loss_stays_under_the_bound() {
    let settings = Settings { slow_drift_weight: 0.0, ..Settings::default() };
    let (mut worst, mut tightest) = (f64::NEG_INFINITY, f64::INFINITY);
    for seed in 0..2000u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let d = 1 + below(3, &mut rng);
        let n = [5, 10, 20, 40][below(4, &mut rng)];
        let mut truth: Vec<f64> = normals(d, &mut rng).iter().map(|w| 2.0 * w).collect();
        // The elicited prior is sure of the opposite.
        let mut priors = flat_priors(d);
        let mut covariance = priors.locations[0].covariance.clone();
        covariance.iter_mut().for_each(|v| *v *= 0.01);
        let certainty = 3.0 * uniform(&mut rng);
        priors.locations.push(Location {
            name: LocationName::Elicited,
            mean: truth.iter().map(|w| -certainty * w).collect(),
            covariance,
        });
        let mut person = Person::new(truth.clone(), [0.0, 0.1, 0.5][below(3, &mut rng)], 0.5, &settings);
        let adversary = below(3, &mut rng);
        let mut belief = Mixture::new(&settings, &priors).expect("sound");
        let (mut loss, mut records) = (0.0, Vec::new());
        for k in 0..n {
            let evidence = [Evidence::Choice, Evidence::ChoiceOrNeither, Evidence::Rating, Evidence::Error]
                [(k + seed as usize) % 4];
            let question = evidence.question(d, k, &mut rng);
            let outcome = match adversary {
                0 => person.answer(&question, &mut rng).expect("sound"),
                // Always what was least expected.
                1 => {
                    let p = belief.predict(&question);
                    (0..p.len()).fold(0, |best, i| if p[i] < p[best] { i } else { best })
                }
                _ => below(question.outcome_count(), &mut rng),
            };
            let record = question.answer(outcome);
            loss -= belief.observe(&record).expect("sound").ln_predictive;
            records.push(record);
        }
        // Any weights will do: the truth, and nothing at all.
        let bound = regret_bound(&settings, &priors, &records, &truth).expect("interval answers");
        truth.fill(0.0);
        let bound = bound.min(regret_bound(&settings, &priors, &records, &truth).expect("interval answers"));
        worst = worst.max(loss - bound);
        tightest = tightest.min(bound - loss);
        assert!(loss <= bound + 0.1, "seed {seed}: lost {loss:.3} nats over {n} answers, the bound is {bound:.3}");
    }
    println!("2000 runs: greatest excess of loss over the bound {worst:.4} nats, least slack {tightest:.4}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn weights_predictions_and_gains_obey_their_ranges(seed in any::<u64>(), n in 0usize..12, d in 2usize..6) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let settings = Settings { signal_scales: vec![0.4, 2.0], lapse_rates: vec![0.1], ..Settings::default() };
        let priors = two_locations(d, &mut rng);
        let belief = Mixture::fold(&settings, &priors, &answers(Evidence::Mixed, d, n, &mut rng)).expect("sound");
        prop_assert!((belief.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let questions: Vec<Question> = Evidence::ALL.iter().map(|e| e.question(d, 0, &mut rng)).filter(|q| q.outcome_count() <= 24).collect();
        let gains = expected_information_gain(&belief, &questions);
        for (question, gain) in questions.iter().zip(gains) {
            let p = belief.predict(question);
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(gain >= 0.0 && gain <= (p.len() as f64).ln(), "{gain} of {question:?}");
        }
        let decision: Vec<Vec<f64>> = (0..3).map(|_| normals(d, &mut rng)).collect();
        for question in &questions {
            prop_assert!(value_of_information(&belief, question, &decision) >= 0.0);
        }
        let assessment = assess(&belief, &decision).expect("three alternatives");
        prop_assert!(assessment.expected_regret >= 0.0);
        prop_assert!((assessment.probability_best.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let context = Context { decision: &decision, second: &[] };
        for strategy in [Strategy::InformationGain, Strategy::Eubo, Strategy::ValueOfInformation, Strategy::MaxUncertainty, Strategy::Random] {
            prop_assert!(score(&belief, &questions, strategy, &context, &mut rng).iter().all(|s| s.is_finite()));
        }
    }
}

/// Information gain against its definition by enumeration of outcomes: the mean fall in entropy is not available in closed form,
/// so mutual information is formed from the mixture's own predictions after each answer for a functional's sign.
#[test]
fn information_gain_orders_questions_sensibly_and_matches_brute_force() {
    let settings = Settings::single(1.5, 0.05, 0.4);
    let d = 2;
    let priors = flat_priors(d);
    let belief =
        Mixture::fold(&settings, &priors, &[Question::choice(vec![1.0, 0.0], false).answer(0)]).expect("sound");
    for offered in [false, true] {
        for size in [0.0, 0.3, 1.0, 4.0] {
            let question = Question::choice(vec![size, 0.0], offered);
            let f = belief.functional(&[size, 0.0]);
            // E over z of KL(P(.|z) || P(.)), by a Riemann sum with an independent Phi.
            let p = belief.predict(&question);
            let phi = |x: f64| 0.5 * statrs::function::erf::erfc(-x / 2f64.sqrt());
            let n = 20_000;
            let mut expected = 0.0;
            for i in 0..n {
                let x = -9.0 + 18.0 * (f64::from(i) + 0.5) / f64::from(n);
                let z = f.mean() + f.sd() * x;
                let inside = if offered {
                    vec![1.0 - phi(0.4 - z), phi(-0.4 - z), phi(0.4 - z) - phi(-0.4 - z)]
                } else {
                    vec![phi(z), 1.0 - phi(z)]
                };
                let l = inside.len() as f64;
                let kl: f64 = inside
                    .iter()
                    .zip(&p)
                    .map(|(q, p)| {
                        let q = 0.95 * q + 0.05 / l;
                        q * (q / p).ln()
                    })
                    .sum();
                expected += kl * (-0.5 * x * x).exp();
            }
            expected *= 18.0 / f64::from(n) / (2.0 * std::f64::consts::PI).sqrt();
            let got = expected_information_gain(&belief, std::slice::from_ref(&question))[0];
            assert!((got - expected).abs() < 3e-4, "size {size}, offered {offered}: {got} not {expected}");
        }
    }
    // A batch does not ask for the same thing twice.
    let questions: Vec<Question> = [[1.0, 0.0], [1.01, 0.0], [0.99, 0.01], [0.0, 1.0]]
        .iter()
        .map(|a| Question::choice(a.to_vec(), false))
        .collect();
    let batch = choose_batch(&belief, &questions, &[1.0; 4], 2.0, 4);
    assert_eq!(batch.len(), 2, "the budget is for two");
    assert!(batch.contains(&3), "one of them looks the other way: {batch:?}");
}
