//! Training, its determinism, the always-on failure, and files.

use std::fs;
use std::ops::ControlFlow;

use credence_glass::{
    Autoencoder, Data, DataError, FileError, Kind, MeasureOptions, Origin, Plan, Price, Rule, Sample, Settings,
    TrainError, Truth, basis, generate, measures, train,
};
use proptest::prelude::*;

fn world() -> (Truth, Sample) {
    let plan = Plan {
        features: 20,
        dimension: 16,
        parents: 2,
        children: 2,
        rate_max: 0.3,
        noise_sd: 0.01,
        apart_steps: 200,
        ..Plan::default()
    };
    let truth = generate(&plan, 11).unwrap();
    let sample = truth.sample(8192, 12).unwrap();
    (truth, sample)
}

fn settings(kind: Kind, steps: usize) -> Settings {
    Settings { steps, batch: 128, ..Settings::new(kind, 24, 2) }
}

fn quietly(sample: &Sample, settings: &Settings, seed: u64) -> Autoencoder {
    train(&sample.data, settings, seed, |_| ControlFlow::Continue(())).unwrap()
}

fn kinds() -> [Kind; 4] {
    let jump = Kind::JumpRelu { bandwidth: 1.0, penalty: 1.0 };
    [Kind::TopK, Kind::BatchTopK, jump, Kind::Matryoshka { prefixes: vec![6, 12, 24] }]
}

#[test]
fn every_kind_learns_features_and_keeps_to_its_l0() {
    let (truth, sample) = world();
    for kind in kinds() {
        let trained = quietly(&sample, &settings(kind.clone(), 1500), 1);
        let found = measures(&trained, &truth, &sample, &MeasureOptions::default()).unwrap();
        assert!(found.recovered >= 0.5 && found.explained > 0.75, "{kind:?}: {found:?}");
        assert!((found.l0 - 2.0).abs() < 0.2, "{kind:?}: {found:?}");
        for direction in trained.parts().decoder.chunks_exact(16) {
            let norm = direction.iter().map(|x| x * x).sum::<f32>();
            assert!((norm - 1.0).abs() < 1e-4, "decoder directions have length 1");
        }
        assert_ne!(trained.parts().encoder, trained.parts().decoder, "untied");
    }
}

#[test]
fn top_k_fires_exactly_k() {
    let (_, sample) = world();
    let trained = quietly(&sample, &settings(Kind::TopK, 30), 1);
    assert_eq!(trained.parts().rule, Rule::Best(2));
    let codes = trained.encode(&sample.data).unwrap();
    assert!((0..codes.rows()).all(|row| codes.row(row).count() == 2));
}

#[test]
fn the_same_seed_gives_the_same_bits_with_one_thread_and_with_two() {
    let (_, sample) = world();
    for kind in kinds() {
        let mut settings = settings(kind, 120);
        settings.price = Price::Learned { strength: 0.1, learning_rate: 0.01 };
        settings.dead_after = 256;
        let on = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let trained = quietly(&sample, &settings, seed);
                let codes = trained.encode(&sample.data).unwrap();
                (trained, codes)
            })
        };
        let one = on(1, 7);
        assert_eq!(one, on(2, 7));
        assert_ne!(one.0.parts().decoder, on(1, 8).0.parts().decoder, "another seed differs");
    }
}

#[test]
fn prices_that_are_too_strong_end_in_a_basis_that_is_always_on_and_it_is_reported() {
    let (_, sample) = world();
    let flagged = |price: Price| {
        let settings = Settings { price, ..settings(Kind::BatchTopK, 800) };
        let codes = quietly(&sample, &settings, 3).encode(&sample.data).unwrap();
        basis(&codes, 0.9)
    };
    assert!(!flagged(Price::Even).flagged());
    let failed = flagged(Price::LogRate { strength: 10.0 });
    assert!(failed.flagged() && failed.share_of_firings > 0.5, "{failed:?}");
}

#[test]
fn training_stops_when_told_to() {
    let (_, sample) = world();
    let mut seen = Vec::new();
    let trained = train(&sample.data, &settings(Kind::TopK, 100), 1, |progress| {
        seen.push(progress.step);
        if progress.step == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    assert_eq!(trained.parts().making.as_ref().unwrap().steps, 5);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let (_, sample) = world();
    let base = settings(Kind::TopK, 10);
    for wrong in [
        Settings { k: 0, ..base.clone() },
        Settings { k: 25, ..base.clone() },
        Settings { steps: 0, ..base.clone() },
        Settings { learning_rate: f32::NAN, ..base.clone() },
        Settings { price: Price::LogRate { strength: -1.0 }, ..base.clone() },
        Settings { kind: Kind::Matryoshka { prefixes: vec![12, 6, 24] }, ..base.clone() },
        Settings { kind: Kind::Matryoshka { prefixes: vec![12] }, ..base.clone() },
    ] {
        let found = train(&sample.data, &wrong, 0, |_| ControlFlow::Continue(()));
        assert!(matches!(found, Err(TrainError::Setting { .. })), "{wrong:?}");
    }
}

#[test]
fn data_is_checked() {
    let names = |rows: usize| (0..rows).map(|row| format!("state {row}")).collect::<Vec<_>>();
    let new = |states: Vec<f32>, rows: usize| Data::new(states, 2, names(rows), Origin::default());
    let good: Vec<f32> = (0..20).map(|i| i as f32).collect();
    assert!(new(good.clone(), 10).is_ok());
    assert_eq!(new(good[..19].to_vec(), 9), Err(DataError::Shape { rows: 9, dimension: 2, found: 19 }));
    assert_eq!(new(good.clone(), 9), Err(DataError::Names { rows: 10, found: 9 }));
    assert_eq!(new(good[..4].to_vec(), 2), Err(DataError::TooFewRows { found: 2, needed: 8 }));
    assert_eq!(new([1.0, 2.0].repeat(10), 10), Err(DataError::Constant { rows: 10 }));
    let mut broken = good;
    broken[7] = f32::INFINITY;
    let error = new(broken, 10).unwrap_err();
    assert_eq!(error.to_string(), "row 3 (\"state 3\"), column 1 is not a finite number");
}

fn saved() -> (tempfile::TempDir, std::path::PathBuf, Autoencoder) {
    let (_, sample) = world();
    let trained = quietly(&sample, &settings(Kind::BatchTopK, 20), 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dictionary.glass");
    trained.save(&path).unwrap();
    (folder, path, trained)
}

#[test]
fn a_file_comes_back_as_it_was() {
    let (_folder, path, trained) = saved();
    let loaded = Autoencoder::load(&path).unwrap();
    assert_eq!(loaded, trained);
    let making = loaded.parts().making.as_ref().unwrap();
    assert_eq!((making.origin.model.as_str(), making.seed), ("synthetic", 2));
    let error = Autoencoder::load(&path.with_extension("none")).unwrap_err();
    assert!(error.to_string().contains("dictionary.none"), "{error}");
}

#[test]
fn files_that_are_not_models_are_refused_by_name() {
    let (_folder, path, _) = saved();
    let bytes = fs::read(&path).unwrap();
    let mut longer = bytes.clone();
    longer.push(0);
    for (content, says) in [
        (&b"short"[..], "at least 16 bytes"),
        (&b"something else, quite long"[..], "expected CRGLASS1, found somethin"),
        (&bytes[..bytes.len() - 1], "length after the header"),
        (&longer, "length after the header"),
    ] {
        fs::write(&path, content).unwrap();
        let error = Autoencoder::load(&path).unwrap_err().to_string();
        assert!(error.contains("dictionary.glass") && error.contains(says), "{error}");
    }
    let mut damaged = bytes.clone();
    let at = damaged.len() - 100;
    damaged[at] ^= 1;
    fs::write(&path, damaged).unwrap();
    let error = Autoencoder::load(&path).unwrap_err();
    assert!(matches!(error, FileError::Unexpected { what: "hash of the file", .. }), "{error}");
}

#[test]
fn any_truncation_and_any_flipped_bit_is_refused() {
    let (_folder, path, _) = saved();
    let bytes = fs::read(&path).unwrap();
    proptest!(ProptestConfig::with_cases(200), |(at in 0..bytes.len(), bit in 0..8_u8)| {
        fs::write(&path, &bytes[..at]).unwrap();
        prop_assert!(Autoencoder::load(&path).is_err(), "truncated to {at} bytes");
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        fs::write(&path, damaged).unwrap();
        prop_assert!(Autoencoder::load(&path).is_err(), "bit {bit} of byte {at}");
    });
}

#[test]
fn states_and_codes_of_another_shape_are_refused() {
    let (_, sample) = world();
    let trained = quietly(&sample, &settings(Kind::TopK, 5), 1);
    let other = generate(&Plan { dimension: 32, ..Plan::default() }, 1).unwrap().sample(20, 1).unwrap();
    assert_eq!(trained.encode(&other.data), Err(DataError::Dimension { expected: 16, found: 32 }));
    assert!(trained.decode(&other.codes).is_err());
    let mut parts = trained.parts().clone();
    parts.decoder[3] += 0.5;
    assert!(Autoencoder::from_parts(parts).unwrap_err().to_string().contains("directions of length 1"));
}
