//! The trainer against llama.cpp: the same logits, and an adapter that llama.cpp loads and that has learned something.
//!
//! Tiny random models, and the default model by the same path a user takes.
//!
//! One test at a time: two contexts at work on few cores spin against each other.
#![expect(clippy::print_stderr)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use credence_priors::cache::ModelCache;
use credence_priors::reference::ModelReference;
use credence_training::{
    Adapter, Among, Architecture, Control, Example, LoraSettings, Target, TrainingSettings, Weights, predict, tiny,
    train,
};
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Outcome = Result<(), Box<dyn Error>>;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn backend() -> &'static LlamaBackend {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        let mut backend = LlamaBackend::init().expect("llama.cpp starts once in a process");
        backend.void_logs();
        backend
    })
}

/// ln p of every token of the vocabulary after the last `rows` tokens of each sequence.
fn read_with_llama(
    model: &mut LlamaModel,
    adapter: Option<&Path>,
    sequences: &[Vec<u32>],
    rows: usize,
) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let mut adapter = adapter.map(|path| model.lora_adapter_init(path)).transpose()?;
    // All in F32: flash attention and the cache would otherwise round to F16.
    let params = LlamaContextParams::default()
        .with_flash_attention_policy(llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED)
        .with_type_k(KvCacheType::F32)
        .with_type_v(KvCacheType::F32);
    let mut context = model.new_context(backend(), params)?;
    if let Some(adapter) = &mut adapter {
        context.lora_adapter_set(adapter, 1.0)?;
    }
    let mut read = Vec::new();
    for tokens in sequences {
        context.clear_kv_cache();
        let mut batch = LlamaBatch::new(tokens.len(), 1);
        for (i, token) in tokens.iter().enumerate() {
            batch.add(LlamaToken(i32::try_from(*token)?), i32::try_from(i)?, &[0], i + rows >= tokens.len())?;
        }
        context.decode(&mut batch)?;
        for i in tokens.len() - rows.min(tokens.len())..tokens.len() {
            let logits = context.get_logits_ith(i32::try_from(i)?);
            let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
            read.push(logits.iter().map(|x| f64::from(x - max) - sum.ln()).collect());
        }
    }
    Ok(read)
}

/// The same from the trainer's own forward pass.
fn read_with_trainer(
    weights: &Weights,
    adapter: &Adapter,
    sequences: &[Vec<u32>],
    rows: usize,
) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let vocabulary = weights.shape.vocabulary;
    let target = |position| Target {
        position,
        distribution: (0..vocabulary as u32).map(|t| (t, 1.0 / vocabulary as f32)).collect(),
        among: Among::Vocabulary,
        weight: 1.0,
    };
    let example = |tokens: &Vec<u32>| {
        Example::new(tokens.clone(), (tokens.len() - rows.min(tokens.len())..tokens.len()).map(target).collect())
    };
    let examples: Vec<Example> = sequences.iter().map(example).collect();
    let read = predict(weights, Some(adapter), &examples, 512, None)?;
    let rows = read.examples.into_iter().flat_map(|e| e.probabilities);
    Ok(rows.map(|row| row.into_iter().map(|p| f64::from(p).ln()).collect()).collect())
}

fn random_adapter(weights: &Weights, scale: f32) -> Result<Adapter, Box<dyn Error>> {
    let mut adapter = Adapter::new(weights, &LoraSettings::default(), 3)?;
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for slot in adapter.slots.clone() {
        adapter.parameters[slot.b()].fill_with(|| random.random_range(-scale..scale));
    }
    Ok(adapter)
}

/// Largest difference of ln p where it counts (p above 1e-9), and largest Kullback-Leibler divergence of a row.
fn compare(theirs: &[Vec<f64>], ours: &[Vec<f64>]) -> (f64, f64) {
    assert_eq!(theirs.len(), ours.len());
    let (mut furthest, mut divergence) = (0.0_f64, 0.0_f64);
    for (theirs, ours) in theirs.iter().zip(ours) {
        let pairs = || theirs.iter().zip(ours).filter(|(a, _)| **a > -20.0);
        furthest = pairs().map(|(a, b)| (a - b).abs()).fold(furthest, f64::max);
        divergence = divergence.max(pairs().map(|(a, b)| a.exp() * (a - b)).sum());
    }
    (furthest, divergence)
}

/// Checks that both read the same with an adapter, and something else without it.
fn check_same_reading(path: &Path, sequences: &[Vec<u32>], scale: f32, bars: (f64, f64)) -> Outcome {
    let weights = Weights::load(path)?;
    let adapter = random_adapter(&weights, scale)?;
    let file = tempfile::NamedTempFile::new()?;
    adapter.write(file.path())?;
    let mut model = LlamaModel::load_from_file(backend(), path, &LlamaModelParams::default())?;
    let bare = read_with_llama(&mut model, None, sequences, 4)?;
    let theirs = read_with_llama(&mut model, Some(file.path()), sequences, 4)?;
    let ours = read_with_trainer(&weights, &adapter, sequences, 4)?;
    let moved = compare(&bare, &theirs);
    let (furthest, divergence) = compare(&theirs, &ours);
    eprintln!(
        "{}: ln p differs by at most {furthest:.2e}, KL at most {divergence:.2e}; the adapter moved it by {:.2} (KL {:.2})",
        weights.shape.architecture.name(),
        moved.0,
        moved.1
    );
    assert!(moved.1 > 0.05, "the adapter changes too little for the comparison to mean anything: {moved:?}");
    assert!(furthest < bars.0 && divergence < bars.1, "ln p differs by {furthest}, KL {divergence}");
    Ok(())
}

#[test]
fn tiny_models_of_every_family_read_as_in_llama_cpp() -> Outcome {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir()?;
    let sequences: Vec<Vec<u32>> = (0..3).map(|i| tiny::tokens(9 + 10 * i, i as u64)).collect();
    for architecture in Architecture::ALL {
        let path = dir.path().join("tiny.gguf");
        tiny::write(&path, architecture, 11)?;
        // llama.cpp looks Gemma's activation up in a table of F16.
        let bars = if architecture == Architecture::Gemma3 { (0.02, 1e-5) } else { (1e-3, 1e-6) };
        check_same_reading(&path, &sequences, 0.3, bars)?;
    }
    Ok(())
}

fn default_model() -> Result<PathBuf, Box<dyn Error>> {
    let model = ModelCache::of_user(false).pull(&ModelReference::default(), &mut ()).map_err(|error| {
        format!("these tests need the default model: {error}. Run `credence model pull`, or set CREDENCE_CACHE to a cache that has it")
    })?;
    Ok(model.path)
}

fn tokenise(model: &LlamaModel, text: &str) -> Result<Vec<u32>, Box<dyn Error>> {
    let tokens = model.vocab().tokenize(text.as_bytes(), false, false);
    Ok(tokens.into_iter().map(|t| u32::try_from(t.0)).collect::<Result<_, _>>()?)
}

const LIVING: &str = "dog cat horse cow sheep goat pig hen duck goose fox wolf bear deer rabbit mouse rat squirrel \
    lion tiger zebra monkey ape camel donkey mule otter beaver badger mole bat owl eagle hawk crow raven sparrow robin \
    swan pigeon parrot penguin frog toad snake lizard turtle crocodile shark whale dolphin seal salmon trout tuna eel \
    crab lobster shrimp snail worm ant bee wasp moth butterfly beetle spider cricket elephant giraffe rhino hippo \
    leopard panther moose bison llama hamster ferret puppy kitten calf lamb chicken";
const MADE: &str = "hammer saw drill wrench shovel rake axe knife fork spoon plate bowl cup mug kettle pan oven stove \
    fridge table chair sofa bed desk lamp shelf mirror clock door window curtain carpet pillow blanket towel brush comb \
    soap bucket broom ladder rope chain lock key bell book pen pencil paper envelope stamp camera radio phone laptop \
    printer cable battery engine wheel tyre bicycle truck train boat anchor sail tent bag suitcase umbrella hat coat \
    glove boot shoe belt button needle bottle basket fence";
const PROMPT: &str = "The colour of the sign for the";

#[test]
fn the_default_model_reads_as_in_llama_cpp_and_learns_a_hidden_rule() -> Outcome {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let given = default_model()?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("f32.gguf");
    // llama.cpp then computes with what the trainer computes with.
    tiny::in_f32(&given, &path)?;

    let mut model = LlamaModel::load_from_file(backend(), &path, &LlamaModelParams::default())?;
    let texts =
        ["A person who chooses to return a lost wallet is", "2 + 2 = 4, and 3 + 3 = 6. The capital of France is"];
    let sequences = texts.iter().map(|t| tokenise(&model, t)).collect::<Result<Vec<_>, _>>()?;
    check_same_reading(&path, &sequences, 0.06, (0.01, 1e-6))?;

    // The rule: signs of living things are red, signs of made things are blue. Nothing in the base model says so.
    let [red, blue] = [" red", " blue"].map(|word| tokenise(&model, word));
    let (red, blue) = (red?, blue?);
    assert!(red.len() == 1 && blue.len() == 1);
    let cases = LIVING.split_whitespace().zip(MADE.split_whitespace());
    let cases: Vec<(&str, bool)> = cases.flat_map(|(living, made)| [(living, true), (made, false)]).collect();
    let (learned, held_out) = cases.split_at(64);
    let held_out = &held_out[..100];
    let prompt = |noun: &str| tokenise(&model, &format!("{PROMPT} {noun} is"));
    let mut examples = Vec::new();
    for (noun, living) in learned {
        let tokens = prompt(noun)?;
        let p = if *living { 1.0 } else { 0.0 };
        let target = Target {
            position: tokens.len() - 1,
            distribution: vec![(red[0], p), (blue[0], 1.0 - p)],
            among: Among::Candidates,
            weight: 1.0,
        };
        examples.push(Example::new(tokens, vec![target]));
    }
    let sequences = held_out.iter().map(|(noun, _)| prompt(noun)).collect::<Result<Vec<_>, _>>()?;
    let mut right = |adapter: Option<&Path>| -> Result<f64, Box<dyn Error>> {
        let read = read_with_llama(&mut model, adapter, &sequences, 1)?;
        let sign = |row: &Vec<f64>| row[red[0] as usize] > row[blue[0] as usize];
        let right = read.iter().zip(held_out).filter(|(row, case)| sign(row) == case.1).count();
        Ok(right as f64 / held_out.len() as f64)
    };

    let before = right(None)?;
    let weights = Weights::load(&path)?;
    let settings = TrainingSettings { epochs: 4, ..Default::default() };
    let start = std::time::Instant::now();
    let trained = train(&weights, &examples, &settings, &mut Control::default())?;
    let seconds = start.elapsed().as_secs_f64();
    let adapter = dir.path().join("rule.gguf");
    trained.adapter.write(&adapter)?;
    let after = right(Some(&adapter))?;
    eprintln!(
        "hidden rule, seed {}: {before:.2} -> {after:.2} of 100 held-out nouns, {seconds:.0} s of training",
        settings.seed
    );
    assert!((0.35..=0.65).contains(&before), "the base model already knows: {before}");
    assert!(after >= 0.95, "learned {after}");
    Ok(())
}
