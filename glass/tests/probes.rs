//! Probes on states whose truth is known.

use std::fs;
use std::ops::ControlFlow;

use credence_glass::interval;
use credence_glass::probe::{
    Bar, Collector, Evaluation, Example, Examples, ExamplesError, FitError, FitOptions, Fitted, Kind, Planted, Pooling,
    Probe, ProbeFileError, Reading, Site, Source, Together, evaluate, fit,
};
use proptest::prelude::*;

const MEAN: Site = Site { layer: 2, pooling: Pooling::Mean };

fn quick() -> FitOptions {
    FitOptions { penalties: vec![1.0, 0.1], shrinkages: vec![1.0, 0.3], shuffles: 0, ..FitOptions::default() }
}

fn fitted(examples: &Examples, options: &FitOptions) -> Fitted {
    fit("planted", examples, options, |_| ControlFlow::Continue(())).unwrap()
}

fn area(examples: &Examples) -> f64 {
    fitted(examples, &quick()).probe.parts().evidence.auroc.value
}

/// Texts of one token, one to each row, at layer 0.
fn rows(width: usize, items: &[(String, bool, Vec<f32>)]) -> Result<Examples, ExamplesError> {
    let source = Source { model: "rows".to_owned(), width, layers: 1, frame: "as it is".to_owned() };
    let mut collector = Collector::new(source, &[Site { layer: 0, pooling: Pooling::Last }], 1 << 24)?;
    for (i, (topic, label, row)) in items.iter().enumerate() {
        let mut gathering = collector.begin();
        gathering.push(0, row)?;
        let (id, text) = (format!("{i}"), format!("text number n{i}"));
        collector.add(Example { id, topic: topic.clone(), label: *label, text }, gathering)?;
    }
    collector.finish()
}

#[test]
fn a_planted_direction_is_found_and_the_right_layer_is_chosen() {
    let plan = Planted::default();
    let sites: Vec<Site> = (1..4).map(|layer| Site { layer, pooling: Pooling::Mean }).collect();
    let Fitted { probe, held_out } = fitted(&plan.draw(&sites, 1, 2, 0).unwrap(), &quick());
    let evidence = &probe.parts().evidence;
    assert!(evidence.auroc.value > 0.9, "{:?}", evidence.auroc);
    assert!(probe.parts().site == MEAN && evidence.folds.iter().all(|fold| fold.site == MEAN));
    let (low, high) = evidence.text_only.by_topic.unwrap();
    assert!(low < 0.5 && high > 0.5 && high < 0.7, "words tell nothing: {:?}", evidence.text_only);
    assert!(evidence.lead.by_topic.unwrap().0 > 0.2, "{:?}", evidence.lead);
    assert!(evidence.calibration.error < 0.1, "{:?}", evidence.calibration);
    assert_eq!((held_out.len(), evidence.topics.len(), evidence.folds.len()), (240, 12, 5));
    let topics: usize = evidence.folds.iter().map(|fold| fold.topics.len()).sum();
    assert_eq!(topics, 12, "every topic is held out once");
}

#[test]
fn each_kind_alone_finds_it_too_and_new_topics_confirm_it() {
    let plan = Planted::default();
    let (seen, fresh) = (plan.draw(&[MEAN], 1, 2, 0).unwrap(), plan.draw(&[MEAN], 1, 3, 100).unwrap());
    for kind in [Kind::MeanDifference, Kind::Ridge, Kind::Logistic] {
        let Fitted { probe, .. } = fitted(&seen, &FitOptions { kinds: vec![kind], ..quick() });
        let (Evaluation { unseen, topics_seen, fitted_on, calibration, .. }, _) = evaluate(&probe, &fresh, 1).unwrap();
        let unseen = unseen.unwrap();
        let promised = probe.parts().evidence.auroc;
        assert!(unseen.value > 0.9 && (unseen.value - promised.value).abs() < 0.06, "{kind}: {promised:?} {unseen:?}");
        assert!(topics_seen.is_empty() && !fitted_on && calibration.error < 0.1, "{kind}: {calibration:?}");
        let (again, _) = evaluate(&probe, &seen, 1).unwrap();
        assert!(again.fitted_on && again.unseen.is_none() && again.topics_seen.len() == 12);
    }
}

#[test]
fn topics_that_tell_the_label_fool_random_folds_and_not_ours() {
    // No signal at all; nine in ten of a topic's examples have the same label.
    let plan = Planted { signal: 0.0, topic_bias: 0.9, topic_shift: 4.0, ..Planted::default() };
    let (mut over_topics, mut held) = (Vec::new(), 0);
    for world in 0..8 {
        let examples = plan.draw(&[MEAN], world, 100 + world, 0).unwrap();
        let found = fitted(&examples, &quick()).probe.parts().evidence.auroc;
        let (low, high) = found.by_topic.unwrap();
        held += usize::from(low <= 0.5 && 0.5 <= high);
        over_topics.push(found.value);
        // Every example a topic of its own: the usual random folds.
        let alone = examples.examples().iter().enumerate();
        let alone: Vec<(String, bool, Vec<f32>)> =
            alone.map(|(i, example)| (format!("{i}"), example.label, examples.states(0, i).to_vec())).collect();
        let random = area(&rows(plan.width, &alone).unwrap());
        assert!(random > 0.8, "random folds see every topic: {random}");
    }
    let mean = interval(&over_topics).unwrap();
    assert!((mean.mean - 0.5).abs() <= mean.half.unwrap(), "{over_topics:?}");
    // Binomial(8, .95) is at least 6 with probability .994.
    assert!(held >= 6, "{held} of 8");
}

#[test]
fn shuffled_labels_give_one_half_within_their_interval() {
    let examples = Planted::default().draw(&[MEAN], 1, 2, 0).unwrap();
    let evidence = fitted(&examples, &FitOptions { shuffles: 8, ..quick() }).probe.parts().evidence.clone();
    let shuffled = evidence.shuffled.unwrap();
    let interval = shuffled.interval.unwrap();
    assert!((interval.mean - 0.5).abs() <= interval.half.unwrap(), "{shuffled:?}");
    assert!(shuffled.areas.len() == 8 && (shuffled.p - 1.0 / 9.0).abs() < 1e-12, "{shuffled:?}");
    // And the other way: labels that mean nothing get an interval that holds one half.
    let nothing = Planted { signal: 0.0, ..Planted::default() };
    let holds = (0..20).filter(|seed| {
        let examples = nothing.draw(&[MEAN], 1, 50 + seed, 0).unwrap();
        let (low, high) = fitted(&examples, &quick()).probe.parts().evidence.auroc.by_topic.unwrap();
        low <= 0.5 && 0.5 <= high
    });
    // Binomial(20, .95) is at least 16 with probability .997.
    let holds = holds.count();
    assert!(holds >= 16, "{holds} of 20");
}

#[test]
fn a_word_that_leaks_is_seen_by_the_text_only_control() {
    let plan = Planted { leak: 0.8, signal: 0.3, ..Planted::default() };
    let evidence = fitted(&plan.draw(&[MEAN], 1, 2, 0).unwrap(), &quick()).probe.parts().evidence.clone();
    assert!(evidence.text_only.value > 0.85, "{:?}", evidence.text_only);
    assert!(evidence.lead.value < 0.0, "the probe does not exceed words: {:?}", evidence.lead);
}

#[test]
fn a_short_signal_in_a_long_text_needs_a_maximum() {
    let plan = Planted { tokens: 64, signal_tokens: 6, signal: 3.0, width: 16, ..Planted::default() };
    let at = |pooling: Pooling| area(&plan.draw(&[Site { layer: 2, pooling }], 3, 4, 0).unwrap());
    let rolling = at(Pooling::RollingMax { window: 6 });
    let (mean, hard, last) = (at(Pooling::Mean), at(Pooling::HardMax), at(Pooling::Last));
    assert!(rolling > 0.9 && rolling > mean + 0.05, "rolling {rolling}, mean {mean}");
    assert!(rolling > hard && rolling > last + 0.2, "rolling {rolling}, hard {hard}, last {last}");
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let sites = [MEAN, Site { layer: 1, pooling: Pooling::Last }, Site { layer: 2, pooling: Pooling::HardMax }];
    let plan = Planted { topics: 6, ..Planted::default() };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(&plan.draw(&sites, 1, 2, 0).unwrap(), &FitOptions { shuffles: 1, ..quick() }))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
}

#[test]
fn a_text_read_token_by_token_has_the_score_of_its_pooled_rows() {
    for pooling in [Pooling::Last, Pooling::Mean, Pooling::RollingMax { window: 5 }, Pooling::HardMax] {
        let site = Site { layer: 2, pooling };
        let plan = Planted { topics: 4, ..Planted::default() };
        let Fitted { probe, .. } = fitted(&plan.draw(&[site], 1, 2, 0).unwrap(), &quick());
        let states: Vec<f32> = (0..23 * 32).map(|i| ((i * 7919) % 1009) as f32 / 200.0 - 2.5).collect();
        let mut collector = Collector::new(plan.source(), &[site], 1 << 20).unwrap();
        let mut gathering = collector.begin();
        gathering.push(2, &states).unwrap();
        let [id, topic, text] = ["a", "b", "c"].map(str::to_owned);
        collector.add(Example { id, topic, label: true, text }, gathering).unwrap();
        let pooled = probe.read(&collector.finish().unwrap()).unwrap()[0];
        for part in [1, 4, 23] {
            let mut reader = probe.reader();
            states.chunks(part * 32).for_each(|rows| reader.push(rows).unwrap());
            let found = reader.reading().unwrap();
            assert!((found.score - pooled.score).abs() < 1e-4 * (1.0 + pooled.score.abs()), "{pooling}: {found:?}");
        }
        let mut reader = probe.reader();
        assert!(reader.reading().is_err(), "no token");
        assert!(reader.push(&[0.0; 31]).is_err() && reader.push(&[f32::INFINITY; 32]).is_err());
    }
}

fn saved() -> (tempfile::TempDir, std::path::PathBuf, Probe) {
    let examples = Planted { topics: 5, ..Planted::default() }.draw(&[MEAN], 1, 2, 0).unwrap();
    let scores: Vec<f64> = (0..400).map(|i| f64::from(i) / 100.0).collect();
    let bar = Bar::set(&scores, 0.01, 0.95, "made up").unwrap();
    let probe = fitted(&examples, &FitOptions { shuffles: 2, ..quick() }).probe.with_bar(bar).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("planted.probe.json");
    probe.save(&path).unwrap();
    (folder, path, probe)
}

#[test]
fn a_file_comes_back_as_it_was_and_belongs_to_one_model() {
    let (_folder, path, probe) = saved();
    let source = Planted::default().source();
    let loaded = Probe::load(&path, &source).unwrap();
    assert_eq!(loaded, probe);
    let Reading { alarm, .. } = loaded.reading(5.0);
    assert_eq!((alarm, loaded.reading(1.0).alarm), (Some(true), Some(false)));
    for (other, says) in [
        (Source { model: "another".to_owned(), ..source.clone() }, "fitted for model \"planted\", not \"another\""),
        (Source { width: 33, ..source.clone() }, "states of width \"32\", not \"33\""),
        (Source { layers: 5, ..source.clone() }, "number of layers of \"4\", not \"5\""),
        (Source { frame: "chat".to_owned(), ..source.clone() }, "texts framed as \"as it is\", not \"chat\""),
    ] {
        let error = Probe::load(&path, &other).unwrap_err();
        assert!(matches!(&error, ProbeFileError::Mismatch { .. }), "{error}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains("planted.probe.json") && source.contains(says), "{source}");
    }
    let error = Probe::open(&path.with_extension("none")).unwrap_err();
    assert!(matches!(error, ProbeFileError::Io { doing: "read", .. }), "{error}");
}

#[test]
fn files_that_are_not_probes_are_refused() {
    let (_folder, path, probe) = saved();
    let text = fs::read_to_string(&path).unwrap();
    for (wrong, says) in [
        (text.replace("credence-probe-1", "credence-probe-9"), "format: expected credence-probe-1"),
        (text.replacen("\"motive\":\"planted\"", "\"motive\":\"Planted\"", 1), "hash of the contents"),
        (text.replacen('{', "{\"more\":1,", 1), "contents: expected nothing but"),
        (text[..text.len() / 2].to_owned(), "not the JSON of a probe"),
    ] {
        assert_ne!(wrong, text);
        fs::write(&path, wrong).unwrap();
        let error = Probe::open(&path).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("planted.probe.json"), "{error}");
    }
    type Change = fn(&mut credence_glass::probe::Parts);
    let changes: [(&str, Change); 9] = [
        ("weights", |parts| parts.weights[3] = f64::NAN),
        ("weights", |parts| parts.weights.truncate(31)),
        ("mean", |parts| parts.mean.push(0.0)),
        ("scale", |parts| parts.scale[0] = 0.0),
        ("weights over scale", |parts| parts.scale[0] = 1e-300),
        ("calibration", |parts| parts.calibration.slope = -1.0),
        ("intercepts", |parts| parts.intercept = f64::INFINITY),
        ("site", |parts| parts.site.layer = 4),
        ("motive and model", |parts| parts.motive.clear()),
    ];
    for (part, change) in changes {
        let mut parts = probe.parts().clone();
        change(&mut parts);
        assert_eq!(Probe::from_parts(parts).unwrap_err().part, part);
    }
}

#[test]
fn any_truncation_and_any_changed_byte_is_refused_or_changes_nothing() {
    let (_folder, path, probe) = saved();
    let bytes = fs::read(&path).unwrap();
    proptest!(ProptestConfig::with_cases(300), |(at in 0..bytes.len(), bit in 0..7_u8)| {
        // Without the final line break it is still whole.
        fs::write(&path, &bytes[..at]).unwrap();
        prop_assert!(Probe::open(&path).map_or(true, |read| at == bytes.len() - 1 && read == probe));
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        fs::write(&path, damaged).unwrap();
        // A changed space between tokens is a space still.
        prop_assert!(Probe::open(&path).map_or(true, |read| read == probe), "bit {bit} of byte {at}");
    });
}

#[test]
fn examples_that_prove_nothing_are_refused_with_the_reason() {
    let item = |i: usize, topics: usize, label: bool| (format!("t{}", i % topics), label, vec![i as f32, 1.0]);
    let refused = |items: Vec<(String, bool, Vec<f32>)>| {
        let examples = rows(2, &items).unwrap();
        let Err(error) = fit("x", &examples, &quick(), |_| ControlFlow::Continue(())) else { panic!("it was fitted") };
        error
    };
    let why = |error: FitError| match error {
        FitError::Examples(error) => error,
        other => panic!("{other}"),
    };
    let all = |n: usize, topics: usize, label: fn(usize) -> bool| (0..n).map(|i| item(i, topics, label(i))).collect();
    assert_eq!(why(refused(all(60, 6, |_| true))), ExamplesError::OneLabel { label: true, found: 60 });
    let few = ExamplesError::TooFew { label: true, found: 5, needed: 20 };
    assert_eq!(why(refused(all(60, 6, |i| i < 5))), few);
    assert_eq!(why(refused(all(400, 6, |i| i < 30))), ExamplesError::OneSided { with: 30, without: 370 });
    assert_eq!(why(refused(all(60, 1, |i| i % 2 == 0))), ExamplesError::TooFewTopics { found: 1, needed: 4 });
    let still = (0..60).map(|i| (format!("t{}", i % 5), i % 2 == 0, vec![1.0, 2.0])).collect();
    assert!(matches!(why(refused(still)), ExamplesError::ConstantStates { .. }));
    // One label is in a single topic: held out, it is gone.
    let lonely = (0..80).map(|i| (format!("t{}", i % 4), i % 4 == 0, vec![i as f32, 1.0])).collect();
    assert!(matches!(refused(lonely), FitError::Fold { topics, label: false } if topics == "\"t0\""));
    for (options, name) in [
        (FitOptions { kinds: vec![], ..quick() }, "kinds"),
        (FitOptions { penalties: vec![0.0], ..quick() }, "penalties"),
        (FitOptions { shrinkages: vec![1.5], ..quick() }, "shrinkages"),
        (FitOptions { inner: 1, ..quick() }, "outer and inner"),
    ] {
        let examples = rows(2, &all(60, 6, |i| i % 3 == 0)).unwrap();
        let error = fit("x", &examples, &options, |_| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(error, FitError::Option { name: found, .. } if found == name));
    }
}

#[test]
fn states_and_texts_that_do_not_fit_are_refused() {
    let source = || Planted::default().source();
    let new = |sites: &[Site]| Collector::new(source(), sites, 4 * 32 * 2);
    let site = |layer: usize| Site { layer, pooling: Pooling::Mean };
    assert_eq!(new(&[]).unwrap_err(), ExamplesError::NoSites);
    assert_eq!(new(&[site(4)]).unwrap_err(), ExamplesError::NoSuchLayer { layer: 4, layers: 4 });
    assert!(matches!(new(&[site(1), site(1)]), Err(ExamplesError::SiteTwice { .. })));
    let mut collector = new(&[site(1)]).unwrap();
    let mut add = |id: &str, topic: &str, text: &str, rows: &[f32]| {
        let mut gathering = collector.begin();
        gathering.push(1, rows)?;
        let [id, topic, text] = [id, topic, text].map(str::to_owned);
        collector.add(Example { id, topic, label: true, text }, gathering)
    };
    let good = [0.5_f32; 64];
    add("a", "t", "one", &good).unwrap();
    assert_eq!(add("a", "t", "two", &good).unwrap_err(), ExamplesError::IdTwice { id: "a".to_owned() });
    assert!(matches!(add("b", "t", "one", &good), Err(ExamplesError::TextTwice { .. })));
    assert!(matches!(add("b", " ", "two", &good), Err(ExamplesError::Blank { field: "topic", .. })));
    let why = |error: ExamplesError| std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why(add("b", "t", "two", &[0.0; 33]).unwrap_err()), "33 numbers are not rows of 32");
    let mut broken = good;
    broken[40] = f32::NAN;
    let error = add("b", "t", "two", &broken).unwrap_err();
    assert_eq!(why(error), "token 1, column 8 is not a finite number");
    assert_eq!(why(add("b", "t", "two", &[]).unwrap_err()), "no token came");
    add("b", "t", "two", &good).unwrap();
    assert!(matches!(add("c", "t", "three", &good), Err(ExamplesError::TooLarge { .. })));
    let mut two = Collector::new(source(), &[site(1), site(2)], 1 << 20).unwrap();
    let mut gathering = two.begin();
    assert_eq!(gathering.push(3, &good).unwrap_err(), ExamplesError::Layer { layer: 3 });
    gathering.push(1, &good).unwrap();
    gathering.push(2, &good[..32]).unwrap();
    let [id, topic, text] = ["a", "t", "x"].map(str::to_owned);
    let error = two.add(Example { id, topic, label: true, text }, gathering).unwrap_err();
    assert!(matches!(error, ExamplesError::Tokens { expected: 2, found: 1, .. }), "{error}");
    assert_eq!(two.finish().unwrap_err(), ExamplesError::None);
}

#[test]
fn a_probe_reads_only_examples_of_its_own_source_and_site() {
    let plan = Planted { topics: 4, ..Planted::default() };
    let Fitted { probe, .. } = fitted(&plan.draw(&[MEAN], 1, 2, 0).unwrap(), &quick());
    let elsewhere = plan.draw(&[Site { layer: 1, ..MEAN }], 1, 2, 0).unwrap();
    assert_eq!(probe.read(&elsewhere).unwrap_err(), ExamplesError::NoStatesAt { site: MEAN });
    let wider = Planted { width: 33, ..plan }.draw(&[MEAN], 1, 2, 0).unwrap();
    assert!(matches!(probe.read(&wider), Err(ExamplesError::Mismatch(_))));
}

#[test]
fn a_bar_keeps_its_promise_on_new_ordinary_texts_and_still_finds_the_motive() {
    let plan = Planted { signal: 2.0, each: 60, ..Planted::default() };
    let Fitted { probe, .. } = fitted(&plan.draw(&[MEAN], 1, 2, 0).unwrap(), &quick());
    let readings = |seed: u64, first: usize| {
        let plan = Planted { topics: 60, each: 40, ..plan.clone() };
        let (_, readings) = evaluate(&probe, &plan.draw(&[MEAN], 1, seed, first).unwrap(), 1).unwrap();
        readings
    };
    // In each topic the first half has the prevailing label; even topics begin with the motive.
    let examples = Planted { topics: 60, each: 40, ..plan.clone() }.draw(&[MEAN], 1, 9, 500).unwrap();
    let labels: Vec<bool> = examples.examples().iter().map(|example| example.label).collect();
    let ordinary: Vec<f64> =
        readings(9, 500).iter().zip(&labels).filter(|(_, label)| !**label).map(|(r, _)| r.score).collect();
    let bar = Bar::set(&ordinary, 0.01, 0.95, "planted, seed 9").unwrap();
    let barred = probe.clone().with_bar(bar).unwrap();
    let fresh = Planted { topics: 60, each: 40, ..plan }.draw(&[MEAN], 1, 10, 900).unwrap();
    let (found, _) = evaluate(&barred, &fresh, 1).unwrap();
    let (alarms, recall) = (found.false_alarms.unwrap(), found.recall.unwrap());
    // Texts of a topic are not independent, so the promise is checked with room.
    assert!(alarms.value() <= 0.02, "{alarms:?}");
    assert!(recall.value() > 0.5, "{recall:?}");
}

#[test]
fn progress_counts_to_the_end_and_can_end_it() {
    let examples = Planted { topics: 6, ..Planted::default() }.draw(&[MEAN], 1, 2, 0).unwrap();
    let mut seen = Vec::new();
    fit("x", &examples, &FitOptions { shuffles: 1, ..quick() }, |progress| {
        seen.push((progress.done, progress.of));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, (1..=16).map(|done| (done, 16)).collect::<Vec<_>>());
    let error = fit("x", &examples, &quick(), |_| ControlFlow::Break(())).unwrap_err();
    assert_eq!(error, FitError::Stopped);
}

#[test]
fn probes_share_a_bar_that_no_more_ordinary_texts_exceed_than_one_probe_would_let() {
    let draw = |seed| Planted { topics: 5, ..Planted::default() }.draw(&[MEAN], seed, seed + 1, 0).unwrap();
    let fit_as = |motive: &str, seed| {
        let mut parts = fitted(&draw(seed), &quick()).probe.parts().clone();
        parts.motive = motive.to_owned();
        Probe::from_parts(parts).unwrap()
    };
    let probes = [fit_as("one", 1), fit_as("two", 5)];
    let [one, two] = &probes;
    let scores = |probe: &Probe, shift: usize| -> Vec<Reading> {
        (0..400).map(|i| probe.reading(((i + shift) % 400) as f64 / 100.0)).collect()
    };
    let ordinary = [scores(one, 0), scores(two, 200)];
    let together = Together::set(&[one, two], &ordinary, 0.01, 0.95, "made up").unwrap();
    let above = |i: usize| ordinary.iter().any(|readings| readings[i].log_odds > together.bar.score);
    assert_eq!((0..400).filter(|i| above(*i)).count(), together.bar.above);
    assert!(together.bar.above <= 1, "{:?}", together.bar);
    assert!(together.unsure_from < together.bar.score);
    let unsure = |i: &usize| ordinary.iter().any(|readings| readings[*i].log_odds >= together.unsure_from);
    assert_eq!((0..400).filter(unsure).count(), 40, "a tenth");
    assert!(together.is_of(&probes) && !together.is_of(&probes[..1]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("together.json");
    together.save(&path).unwrap();
    assert_eq!(Together::open(&path).unwrap(), together);
    assert!(Probe::open(&path).is_err());
    let refused = |probes: &[&Probe], ordinary: &[Vec<Reading>]| {
        Together::set(probes, ordinary, 0.01, 0.95, "made up").unwrap_err().to_string()
    };
    assert!(refused(&[], &[]).contains("no probe"));
    assert!(refused(&[one, one], &ordinary).contains("two probes for one"));
    assert!(refused(&[one, two], &ordinary[..1]).contains("same ones"));
    assert!(refused(&[one, two], &ordinary.clone().map(|r| r[..200].to_vec())).contains("299"));
    let mut parts = two.parts().clone();
    parts.source.model = "another".to_owned();
    assert!(refused(&[one, &Probe::from_parts(parts).unwrap()], &ordinary).contains("same states"));
}
