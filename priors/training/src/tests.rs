//! The trainer on tiny random models: gradients against differences, same bits twice, resuming, refusals.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::forward::{Packed, Pass};
use super::loss::{score, score_states};
use super::train::{rows, state_rows};
use super::*;

const FAMILIES: [Architecture; 5] = Architecture::ALL;

fn tiny_model(directory: &Path, architecture: Architecture) -> Weights {
    let path = directory.join(format!("{}.gguf", architecture.name()));
    tiny::write(&path, architecture, 7).unwrap();
    Weights::load(&path).unwrap()
}

fn examples() -> Vec<Example> {
    let target = |position, among| Target {
        position,
        distribution: vec![(3, 0.7), (9, 0.2), (40, 0.1)],
        among,
        weight: 0.5 + position as f32 / 10.0,
    };
    (0..5)
        .map(|i| {
            let targets =
                vec![target(2 + i, Among::Candidates), target(10, Among::Vocabulary), target(5, Among::Vocabulary)];
            Example::new(tiny::tokens(11 + 3 * i, 100 + i as u64), targets)
        })
        .collect()
}

/// The same, and every example wants something of the states after the last two blocks.
fn examples_with_states(shape: &ModelShape) -> Vec<Example> {
    let mut examples = examples();
    for (i, example) in examples.iter_mut().enumerate() {
        let state = |layer, positions| StateTarget {
            layer,
            positions,
            direction: (0..shape.width).map(|k| ((k * (i + 2)) as f32).sin()).collect(),
            wanted: 0.5 - i as f32,
            weight: 0.1,
        };
        example.states = vec![state(shape.layers - 2, 1..7 + i), state(shape.layers - 1, 3 + i..4 + i)];
    }
    examples
}

fn settings() -> TrainingSettings {
    TrainingSettings {
        lora: LoraSettings { rank: 4, top_layers: Some(3), ..Default::default() },
        epochs: 3,
        batch: 2,
        part_tokens: 20,
        ..Default::default()
    }
}

fn with_random_b(weights: &Weights, lora: &LoraSettings) -> Adapter {
    let mut adapter = Adapter::new(weights, lora, 5).unwrap();
    let noise = Adapter::new(weights, lora, 6).unwrap();
    let mut from = noise.parameters.iter().filter(|x| **x != 0.0).cycle();
    for slot in adapter.slots.clone() {
        adapter.parameters[slot.b()].fill_with(|| *from.next().unwrap());
    }
    adapter
}

/// Summed loss and its gradient over all examples in one packed batch.
fn loss_and_gradient(weights: &Weights, adapter: &Adapter, frugal: bool) -> (f64, Vec<f32>) {
    let examples = examples_with_states(&weights.shape);
    let all: Vec<usize> = (0..examples.len()).collect();
    let packed = Packed::new(examples.iter().map(|e| &e.tokens[..]));
    let pass = Pass::new(weights, Some(adapter), &packed);
    let hidden = pass.forward(pass.embed(), 0..adapter.first_layer());
    let mut grads = vec![0.0; adapter.parameters.len()];
    let states = state_rows(&examples, &all, &packed);
    let mut of_states = 0.0;
    let passing = |layer: usize, hidden: &[f32]| {
        let (loss, grad) = score_states(layer, hidden, weights.shape.width, &states, 1.0);
        of_states += loss;
        grad
    };
    let of_tokens = pass.forward_backward(hidden, weights.shape.layers, frugal, &mut grads, passing, |hidden| {
        let scored = score(weights, hidden, &rows(&examples, &all, &packed), Some(1.0));
        (scored.loss, scored.grad)
    });
    (of_tokens + of_states, grads)
}

#[test]
fn a_true_gradient_reaches_every_trainable_tensor() {
    let dir = tempfile::tempdir().unwrap();
    for architecture in FAMILIES {
        let weights = tiny_model(dir.path(), architecture);
        let lora = LoraSettings { rank: 3, alpha: 4.0, top_layers: Some(2), ..Default::default() };
        let adapter = with_random_b(&weights, &lora);
        let (_, grads) = loss_and_gradient(&weights, &adapter, false);
        for slot in &adapter.slots {
            for range in [slot.a(), slot.b()] {
                let grad = &grads[range.clone()];
                assert!(grad.iter().all(|g| g.is_finite()), "{architecture:?} {slot:?}");
                let norm = grad.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
                assert!(norm > 1e-6, "{architecture:?} {slot:?}: no gradient arrives");
                // The slope along the gradient itself must be the gradient's length.
                let moved = |by: f64| {
                    let mut adapter = adapter.clone();
                    for (x, g) in adapter.parameters[range.clone()].iter_mut().zip(grad) {
                        *x = (f64::from(*x) + by * f64::from(*g) / norm) as f32;
                    }
                    loss_and_gradient(&weights, &adapter, false).0
                };
                let h = 1e-2;
                let slope = (moved(h) - moved(-h)) / (2.0 * h);
                let error = (slope - norm).abs() / norm.max(1e-2);
                assert!(error < 0.02, "{architecture:?} {slot:?}: slope {slope}, gradient {norm}");
            }
        }
    }
}

#[test]
fn activations_computed_twice_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for architecture in FAMILIES {
        let weights = tiny_model(dir.path(), architecture);
        let adapter = with_random_b(&weights, &LoraSettings::default());
        assert_eq!(loss_and_gradient(&weights, &adapter, false), loss_and_gradient(&weights, &adapter, true));
    }
}

#[test]
fn packing_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Gemma3);
    let adapter = with_random_b(&weights, &LoraSettings::default());
    let together = predict(&weights, Some(&adapter), &examples(), 1000, None).unwrap();
    let apart = predict(&weights, Some(&adapter), &examples(), 1, None).unwrap();
    for (a, b) in together.examples.iter().zip(&apart.examples) {
        let pairs = a.probabilities.iter().flatten().zip(b.probabilities.iter().flatten());
        assert!(pairs.clone().count() == 9 && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn the_same_run_twice_has_the_same_bits_and_learns() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Llama);
    let run = |threads| {
        let mut settings = TrainingSettings { epochs: 20, ..settings() };
        settings.optimiser.learning_rate = 1e-2;
        train(&weights, &examples(), &settings, &mut Control { threads, ..Default::default() }).unwrap()
    };
    let (once, twice, alone) = (run(None), run(None), run(Some(1)));
    assert_eq!(once, twice);
    assert_eq!(once, alone, "the number of threads shows in the result");
    assert!(once.finished && once.losses.len() == 60);
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    assert!(mean(&once.losses[54..]) < 0.7 * mean(&once.losses[..6]), "{:?}", once.losses);
}

#[test]
fn training_moves_a_reading_of_states_to_where_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Llama);
    let mut examples = examples_with_states(&weights.shape);
    for example in &mut examples {
        example.targets.clear();
        example.states.truncate(1);
    }
    let off = |adapter: Option<&Adapter>| -> f64 {
        let each = examples.iter().map(|example| {
            let StateTarget { layer, positions, direction, wanted, .. } = &example.states[0];
            let read = residual_stream(&weights, adapter, &example.tokens, &[*layer], positions.clone());
            let reading: f32 = read[0].iter().zip(direction).map(|(h, d)| h * d).sum();
            f64::from(reading - wanted).powi(2)
        });
        each.sum()
    };
    let mut settings = TrainingSettings { epochs: 60, ..settings() };
    settings.optimiser.learning_rate = 2e-2;
    let trained = train(&weights, &examples, &settings, &mut Control::default()).unwrap();
    let (before, after) = (off(None), off(Some(&trained.adapter)));
    assert!(after < 0.05 * before, "{before} to {after}");
}

#[test]
fn a_run_that_is_stopped_anywhere_resumes_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Qwen3);
    let whole = train(&weights, &examples(), &settings(), &mut Control::default()).unwrap();
    for stop in 0..9 {
        let path = dir.path().join(format!("{stop}.checkpoint"));
        let mut control = Control { checkpoint: Some(&path), stop_after: Some(stop), ..Default::default() };
        let half = train(&weights, &examples(), &settings(), &mut control).unwrap();
        assert!(!half.finished && half.losses.len() == stop);
        let mut control = Control { checkpoint: Some(&path), ..Default::default() };
        assert_eq!(train(&weights, &examples(), &settings(), &mut control).unwrap(), whole, "stopped after {stop}");
    }
    // Nor does what is kept of frozen lower layers show where a run was taken up, in any family.
    for architecture in FAMILIES {
        let weights = tiny_model(dir.path(), architecture);
        let settings = TrainingSettings { lora: LoraSettings { top_layers: Some(1), ..settings().lora }, ..settings() };
        let whole = train(&weights, &examples(), &settings, &mut Control::default()).unwrap();
        for stop in [1, 4, 8] {
            let path = dir.path().join(format!("{}.{stop}.top", architecture.name()));
            let mut control = Control { checkpoint: Some(&path), stop_after: Some(stop), ..Default::default() };
            train(&weights, &examples(), &settings, &mut control).unwrap();
            let mut control = Control { checkpoint: Some(&path), ..Default::default() };
            let resumed = train(&weights, &examples(), &settings, &mut control).unwrap();
            assert_eq!(resumed, whole, "{architecture:?}, stopped after {stop}");
        }
    }
}

#[test]
fn cancelling_leaves_a_checkpoint_of_whole_steps() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Llama);
    let path = dir.path().join("run.checkpoint");
    let cancel = AtomicBool::new(false);
    let mut seen = 0;
    let mut progress = |p: &Progress| {
        seen = p.step;
        assert!(p.loss.is_finite() && p.tokens_per_second > 0.0 && p.steps == 9);
        cancel.store(p.step == 4, Ordering::Relaxed);
    };
    let mut control =
        Control { progress: Some(&mut progress), cancel: Some(&cancel), checkpoint: Some(&path), ..Default::default() };
    let stopped = train(&weights, &examples(), &settings(), &mut control).unwrap();
    assert!(!stopped.finished && stopped.losses.len() == 4 && seen == 4);
    let whole = train(&weights, &examples(), &settings(), &mut Control::default()).unwrap();
    let mut control = Control { checkpoint: Some(&path), ..Default::default() };
    assert_eq!(train(&weights, &examples(), &settings(), &mut control).unwrap(), whole);
    let other = TrainingSettings { seed: 2, ..settings() };
    let refused = train(&weights, &examples(), &other, &mut Control { checkpoint: Some(&path), ..Default::default() });
    assert!(matches!(refused, Err(TrainingError::Checkpoint { .. })));
}

#[test]
fn an_adapter_survives_its_file_and_strangers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Llama);
    let lora = LoraSettings { projections: vec![Projection::Value, Projection::Query], ..Default::default() };
    let adapter = with_random_b(&weights, &lora);
    let path: PathBuf = dir.path().join("adapter.gguf");
    adapter.write(&path).unwrap();
    assert_eq!(Adapter::read(&path, &weights).unwrap(), adapter);

    let other = dir.path().join("other.gguf");
    tiny::write(&other, Architecture::Llama, 8).unwrap();
    let refused = Adapter::read(&path, &Weights::load(&other).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("hash"), "{refused}");
    let refused = Adapter::read(&path, &tiny_model(dir.path(), Architecture::Qwen2)).unwrap_err();
    assert!(refused.to_string().contains("architecture"), "{refused}");
    let refused = Adapter::read(&other, &weights).unwrap_err();
    assert!(matches!(refused, TrainingError::Adapter { .. }), "{refused}");

    let bytes = std::fs::read(&path).unwrap();
    let cut = dir.path().join("cut.gguf");
    for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 32]) {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        assert!(Adapter::read(&cut, &weights).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn an_adapter_of_fused_tensors_survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Phi3);
    let path = dir.path().join("adapter.gguf");
    for projections in [Projection::ALL.to_vec(), vec![Projection::Value], vec![Projection::Query, Projection::Up]] {
        let lora = LoraSettings { rank: 2, projections, top_layers: Some(2), ..Default::default() };
        let adapter = with_random_b(&weights, &lora);
        adapter.write(&path).unwrap();
        let read = Adapter::read(&path, &weights).unwrap();
        assert_eq!(read.slots, adapter.slots);
        // Three thirds do not always make a whole in binary.
        let pairs = read.parameters.iter().zip(&adapter.parameters);
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 2e-7 * b.abs()), "{lora:?}");
    }
}

#[test]
fn training_goes_on_from_an_adapter_and_refuses_a_stranger() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Llama);
    let first = train(&weights, &examples(), &settings(), &mut Control::default()).unwrap();
    let on = train_from(&weights, &first.adapter, &examples(), &settings(), &mut Control::default()).unwrap();
    assert_ne!(on.adapter, first.adapter);
    // From an adapter that changes nothing it is training from the beginning.
    let fresh = Adapter::new(&weights, &settings().lora, settings().seed).unwrap();
    let anew = train_from(&weights, &fresh, &examples(), &settings(), &mut Control::default()).unwrap();
    assert_eq!(anew, first);
    let other = LoraSettings { rank: 3, ..settings().lora };
    let stranger = Adapter::new(&weights, &other, 1).unwrap();
    let refused = train_from(&weights, &stranger, &examples(), &settings(), &mut Control::default());
    assert!(matches!(refused, Err(TrainingError::Settings(_))));
    // A checkpoint of a run from elsewhere is not this run's.
    let path = dir.path().join("run.checkpoint");
    let mut half = Control { checkpoint: Some(&path), stop_after: Some(2), ..Default::default() };
    train_from(&weights, &first.adapter, &examples(), &settings(), &mut half).unwrap();
    let mut control = Control { checkpoint: Some(&path), ..Default::default() };
    let refused = train(&weights, &examples(), &settings(), &mut control);
    assert!(matches!(refused, Err(TrainingError::Checkpoint { .. })));
}

#[test]
fn nonsense_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Llama);
    let check = |change: &dyn Fn(&mut Vec<Example>, &mut TrainingSettings), expect: &str| {
        let (mut examples, mut settings) = (examples(), settings());
        change(&mut examples, &mut settings);
        let error = train(&weights, &examples, &settings, &mut Control::default()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    check(&|e, _| e[3].tokens[1] = 5000, "example 3: token 5000 is not in the vocabulary of 96");
    check(&|e, _| e[2].targets[0].position = 99, "example 2: a target at position 99");
    check(&|e, _| e[1].targets[0].distribution[0].1 = f32::NAN, "example 1: the probabilities");
    check(&|e, _| e[0].tokens.clear(), "example 0: 0 tokens");
    check(&|e, _| e.clear(), "no example has a target");
    let with_state = |change: &dyn Fn(&mut StateTarget), expect: &str| {
        let shape = &weights.shape;
        check(
            &|e, _| {
                *e = examples_with_states(shape);
                change(&mut e[1].states[0]);
            },
            expect,
        );
    };
    with_state(&|s| s.layer = 99, "example 1: a state of block 99");
    with_state(&|s| s.layer = 0, "a state of block 0 cannot move: the adapter begins at block 3");
    with_state(&|s| s.positions = 4..99, "example 1: states at positions 4..99");
    with_state(&|s| s.direction.truncate(3), "example 1: a direction of 3 numbers");
    with_state(&|s| s.weight = f32::NAN, "example 1: the state of block");
    check(&|_, s| s.lora.rank = 0, "the rank is 0");
    check(&|_, s| s.optimiser.learning_rate = f64::NAN, "the learning rate");
    check(&|_, s| s.optimiser.learning_rate = 1e30, "is not finite at step");
}

#[test]
fn damaged_models_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    tiny::write(&path, Architecture::Llama, 7).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(1009) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(Weights::load(&path).is_err(), "{length} of {} bytes", bytes.len());
    }
    let at = bytes.windows(5).position(|w| w == b"llama").unwrap();
    let mut mamba = bytes.clone();
    mamba[at..at + 5].copy_from_slice(b"mamba");
    std::fs::write(&path, mamba).unwrap();
    let error = Weights::load(&path).unwrap_err().to_string();
    assert!(error.contains("\"mamba\"") && error.contains("learn by posterior"), "{error}");
    let mut holed = bytes;
    let end = holed.len();
    holed[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, holed).unwrap();
    assert!(Weights::load(&path).unwrap_err().to_string().contains("is NaN"));
}

#[test]
fn a_flipped_byte_is_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let weights = tiny_model(dir.path(), Architecture::Llama);
    let lora = LoraSettings { projections: vec![Projection::Value], top_layers: Some(1), ..Default::default() };
    let (adapter, model) = (dir.path().join("adapter.gguf"), dir.path().join("llama.gguf"));
    Adapter::new(&weights, &lora, 1).unwrap().write(&adapter).unwrap();
    let path = dir.path().join("flipped.gguf");
    let check = |bytes: &[u8], step: usize, read: &dyn Fn(&Path) -> bool| {
        let (mut refused, mut all) = (0, 0);
        for at in (0..bytes.len().min(4096)).step_by(step) {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= flip;
                std::fs::write(&path, bytes).unwrap();
                all += 1;
                refused += usize::from(!read(&path));
            }
        }
        assert!(refused > all / 10, "{refused} of {all} refused");
    };
    check(&std::fs::read(&adapter).unwrap(), 1, &|path| Adapter::read(path, &weights).is_ok());
    check(&std::fs::read(&model).unwrap(), 17, &|path| Weights::load(path).is_ok());
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    super::files::replace(&path, b"old").unwrap();
    let missing = dir.path().join("missing").join("file");
    assert!(matches!(super::files::replace(&missing, b"new"), Err(TrainingError::Io { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_apart() {
    use std::io::Write;
    let path = Path::new("/dev/full");
    let source = std::fs::File::create(path).and_then(|mut f| f.write_all(b"x")).unwrap_err();
    let error = TrainingError::io("write", path, source);
    assert!(matches!(error, TrainingError::DiskFull { .. }), "{error}");
}
