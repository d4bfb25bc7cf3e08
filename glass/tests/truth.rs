//! The generator, and the measures and the audit on dictionaries made by hand.

use credence_glass::{
    AuditOptions, Autoencoder, Codes, Detector, Kind, MeasureOptions, Parts, Plan, Rule, Truth, audit,
    average_precision, basis, found, generate, measures,
};

/// A world without superposition: directions are all but orthogonal.
fn easy() -> Plan {
    Plan {
        features: 12,
        dimension: 16,
        parents: 3,
        children: 2,
        magnitude_sd: 0.1,
        noise_sd: 0.01,
        apart_steps: 300,
        ..Plan::default()
    }
}

/// A dictionary whose entry j is feature j; each pair (parent, child) is absorbed by construction.
fn dictionary(truth: &Truth, absorbed: &[(usize, usize)]) -> Autoencoder {
    let (d, width) = (truth.plan().dimension, truth.plan().features);
    let direction = |j: usize| &truth.directions()[j * d..(j + 1) * d];
    let (mut encoder, mut decoder) = (truth.directions().to_vec(), truth.directions().to_vec());
    let mix = |a: usize, b: usize, weight: f32| -> Vec<f32> {
        direction(a).iter().zip(direction(b)).map(|(x, y)| x + weight * y).collect()
    };
    for (parent, child) in absorbed {
        // The child's entry speaks for both. With the parent alone it stays below its threshold.
        let both = mix(*child, *parent, 1.0);
        let norm = both.iter().map(|x| x * x).sum::<f32>().sqrt();
        decoder[child * d..(child + 1) * d].copy_from_slice(&both.iter().map(|x| x / norm).collect::<Vec<_>>());
        encoder[child * d..(child + 1) * d].copy_from_slice(&mix(*child, *parent, 0.4));
        // The parent's entry is deaf to the child.
        encoder[parent * d..(parent + 1) * d].copy_from_slice(&mix(*parent, *child, -1.0));
    }
    Autoencoder::from_parts(Parts {
        dimension: d,
        encoder,
        decoder,
        encoder_bias: vec![0.0; width],
        decoder_bias: vec![0.0; d],
        thresholds: vec![0.6; width],
        prices: vec![0.0; width],
        rule: Rule::Above,
        making: None,
    })
    .unwrap()
}

/// Both children of parent 0 are 3 and 4, of parent 1 they are 5 and 6.
const ABSORBED: [(usize, usize); 2] = [(0, 3), (1, 6)];

#[test]
fn absorption_by_construction_is_measured() {
    let truth = generate(&easy(), 5).unwrap();
    let sample = truth.sample(6000, 6).unwrap();
    let found = measures(&dictionary(&truth, &ABSORBED), &truth, &sample, &MeasureOptions::default()).unwrap();
    let pairs: Vec<(usize, usize)> = found.absorption.absorbed.iter().map(|pair| (pair.parent, pair.child)).collect();
    assert_eq!(pairs, ABSORBED);
    for pair in &found.absorption.absorbed {
        assert_eq!((pair.parent_entry, pair.absorbing_entry), (pair.parent, pair.child));
        assert!(pair.gap > 0.95, "{pair:?}");
    }
    assert!(found.absorption.rate > 0.1, "{:?}", found.absorption);
    assert!(found.mixed > 0.0 && found.recovered < 1.0 && found.hedging > 0.0, "{found:?}");
}

#[test]
fn and_none_where_there_is_none() {
    let truth = generate(&easy(), 5).unwrap();
    let sample = truth.sample(6000, 6).unwrap();
    let found = measures(&dictionary(&truth, &[]), &truth, &sample, &MeasureOptions::default()).unwrap();
    assert_eq!(found.absorption.absorbed, []);
    assert_eq!(found.absorption.parents_measured, 3);
    assert!(found.absorption.rate.abs() < 0.02, "{:?}", found.absorption);
    assert_eq!((found.recovered, found.mixed, found.split, found.dead, found.always_on), (1.0, 0.0, 0.0, 0.0, 0));
    assert!(found.explained > 0.98 && found.hedging.abs() < 0.01, "{found:?}");
    assert!((found.l0 - sample.codes.l0()).abs() < 0.05);
}

#[test]
fn the_audit_finds_what_was_absorbed_and_nothing_else() {
    let truth = generate(&easy(), 5).unwrap();
    let options = AuditOptions { meta_steps: 50, ..AuditOptions::default() };
    let of_absorbing = audit(&dictionary(&truth, &ABSORBED), &options).unwrap();
    let items = |detector| -> Vec<(f32, bool)> {
        let pairs = of_absorbing.pairs(detector).into_iter();
        pairs.map(|pair| (pair.score, ABSORBED.contains(&(pair.parent, pair.child)))).collect()
    };
    for (detector, line) in [(Detector::Asymmetry, 0.2), (Detector::Disagreement, 0.4)] {
        assert_eq!(average_precision(&items(detector)), Some(1.0), "{detector:?}");
        let found = found(&items(detector), line);
        assert_eq!((found.precision, found.recall), (Some(1.0), Some(1.0)), "{detector:?}");
        assert_eq!(of_absorbing.flagged(detector, line).len(), ABSORBED.len());
    }
    // The plain cosine cannot tell who absorbs whom.
    assert_eq!(average_precision(&items(Detector::DecoderCosine)), Some(0.5));
    let clean = audit(&dictionary(&truth, &[]), &options).unwrap();
    for (detector, line) in [(Detector::Asymmetry, 0.2), (Detector::Disagreement, 0.4)] {
        assert_eq!(clean.flagged(detector, line), []);
    }
}

#[test]
fn an_entry_that_is_always_on_is_flagged() {
    let mut codes = Codes::new(3);
    for row in 0..100 {
        let always = (row > 2).then_some((0, 1.0));
        let half = (row % 2 == 0).then_some((1, 1.0));
        codes.push(always.into_iter().chain(half));
    }
    let found = basis(&codes, 0.9);
    assert!(found.flagged());
    assert_eq!(found.always_on, [(0, 0.97)]);
    assert_eq!(found.dense, 2);
    assert!((found.share_of_firings - 97.0 / 147.0).abs() < 1e-9);
    assert!(!basis(&codes, 0.98).flagged());
}

#[test]
fn rates_follow_the_plan() {
    let plan = Plan::default();
    let truth = generate(&plan, 3).unwrap();
    let rows = 40_000;
    let found = truth.sample(rows, 4).unwrap().codes.rates();
    // Beyond 4.5 standard errors in one of 128 features: about once in 1,100 seeds.
    for (feature, (found, planned)) in found.iter().zip(truth.rates()).enumerate() {
        let error = (planned * (1.0 - planned) / rows as f64).sqrt();
        assert!((found - planned).abs() < 4.5 * error, "feature {feature}: {found} for {planned}");
    }
    let mut roots: Vec<f64> =
        (0..plan.features).filter(|f| truth.parents()[*f].is_none()).map(|f| truth.rates()[f]).collect();
    roots.sort_by(|a, b| b.total_cmp(a));
    assert!((roots[0] - plan.rate_max).abs() < 1e-12);
    assert!((roots[9] / roots[0] - 10_f64.powf(-plan.exponent)).abs() < 1e-9, "Zipf");
}

#[test]
fn children_need_their_parent_and_exclude_their_siblings() {
    let truth = generate(&Plan::default(), 3).unwrap();
    let sample = truth.sample(5000, 4).unwrap();
    let mut families = 0;
    for row in 0..5000 {
        let mut seen = Vec::new();
        for (feature, size) in sample.codes.row(row) {
            assert!(size > 0.0);
            if let Some(parent) = truth.parents()[feature] {
                assert!(sample.codes.get(row, parent) > 0.0, "row {row}: {feature} without {parent}");
                assert!(!seen.contains(&parent), "row {row}: two children of {parent}");
                seen.push(parent);
                families += 1;
            }
        }
    }
    assert!(families > 500);
}

#[test]
fn correlation_and_superposition_are_there_when_planned() {
    let spread = |correlation: f64| {
        let plan = Plan { correlation, parents: 0, rate_max: 0.3, exponent: 0.0, features: 20, ..Plan::default() };
        let codes = generate(&plan, 1).unwrap().sample(20_000, 2).unwrap().codes;
        let rates = codes.rates();
        let mut sum = 0.0;
        for (a, b) in (0..20).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let both = (0..20_000).filter(|row| codes.get(*row, a) > 0.0 && codes.get(*row, b) > 0.0).count();
            sum += (both as f64 / 20_000.0 - rates[a] * rates[b]).abs() / (0.3 * 0.7) / 190.0;
        }
        sum
    };
    assert!(spread(0.0) < 0.01 && spread(0.7) > 0.05, "{} {}", spread(0.0), spread(0.7));
    let truth = generate(&Plan::default(), 1).unwrap();
    let most = |directions: &[f32]| {
        let rows: Vec<&[f32]> = directions.chunks_exact(64).collect();
        let cosine = |a: usize, b: usize| rows[a].iter().zip(rows[b]).map(|(x, y)| x * y).sum::<f32>().abs();
        (0..128).map(|a| (0..128).filter(|b| *b != a).map(|b| cosine(a, b)).fold(0.0, f32::max)).sum::<f32>() / 128.0
    };
    let random = generate(&Plan { apart_steps: 0, ..Plan::default() }, 1).unwrap();
    assert!(most(truth.directions()) < most(random.directions()), "pushed apart");
    assert!(most(truth.directions()) > 0.05, "128 directions in 64 dimensions cannot be orthogonal");
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    for plan in [
        Plan { features: 10, ..Plan::default() },
        Plan { rate_max: 1.0, ..Plan::default() },
        Plan { child_share: 1.5, ..Plan::default() },
        Plan { correlation: -0.1, ..Plan::default() },
        Plan { noise_sd: f64::NAN, ..Plan::default() },
    ] {
        assert!(generate(&plan, 0).is_err(), "{plan:?}");
    }
    // A kind is named in the options' JSON as in the documentation.
    assert_eq!(serde_json::to_string(&Kind::BatchTopK).unwrap(), "\"batch-top-k\"");
}
