//! Replay of a large log beside its limit: reading, parsing and hashing the same file and nothing else.
//!
//! `CREDENCE_BENCH_RECORDS` sets the number of choices (default 100,000; the figures in docs/performance.md are of
//! 1,000,000 by 1,000 people). Every figure of a run is of the same file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use credence_memory::belief::Settings;
use credence_memory::belief::simulate::{below, normals};
use credence_memory::ids::{AlternativeId, Hash, PersonId, Seq, SourceId, ValueId};
use credence_memory::log::{FORMAT, Reader, encode};
use credence_memory::number::Finite;
use credence_memory::record::{AlternativeDescribed, ChoiceMade, LogOpened, ModelRecord, Origin, Record};
use credence_memory::replay::{Options, replay, verify_chain};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const PEOPLE: usize = 1000;
const ALTERNATIVES: usize = 1000;
/// 25 values, 4 text features, the judgement and two constants: D = 32.
const VALUES: usize = 25;
const TEXT: usize = 4;

fn records() -> usize {
    std::env::var("CREDENCE_BENCH_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

fn write_log(path: &Path, settings: &Settings) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut out = BufWriter::new(File::create(path).expect("a file"));
    let (mut seq, mut prev) = (Seq(0), Hash::ZERO);
    let mut write = |record: &Record| {
        seq = seq.next();
        let time = Timestamp::from_millisecond(1_700_000_000_000 + seq.0 as i64).expect("a time");
        let (line, hash) = encode(seq, time, record, prev).expect("a line");
        prev = hash;
        out.write_all(&line).expect("room");
    };
    write(&Record::LogOpened(LogOpened {
        format: FORMAT,
        log_id: "bench".into(),
        software: "bench".into(),
        model: ModelRecord {
            reference: "none".into(),
            gguf_hash: Hash::ZERO,
            scoring_precision: "F16".into(),
            llama_cpp: "none".into(),
            generation: 0,
        },
        schema_hash: Hash::ZERO,
        charter_hash: Hash::ZERO,
        values: (0..VALUES).map(|n| ValueId::new(&format!("value-{n}")).expect("a name")).collect(),
        text_features: TEXT,
        belief: settings.clone(),
    }));
    let id = |n: usize| AlternativeId::of("bench", &format!("alternative {n}"));
    let mut features = Vec::new();
    for n in 0..ALTERNATIVES {
        let phi = normals(VALUES + TEXT + 1, &mut rng);
        let number = |x: &[f64]| Finite::vector(x).expect("finite");
        write(&Record::AlternativeDescribed(AlternativeDescribed {
            alternative: id(n),
            situation: "bench".into(),
            text: format!("alternative {n}"),
            schema: number(&phi[..VALUES]),
            schema_error: number(&[0.1; VALUES]),
            text_block: number(&phi[VALUES..VALUES + TEXT]),
            judgement: [(0, Finite::new(phi[VALUES + TEXT]).expect("finite"))].into(),
            attributes: Default::default(),
        }));
        features.push(phi);
    }
    let weights: Vec<Vec<f64>> = (0..PEOPLE).map(|_| normals(VALUES + TEXT + 1, &mut rng)).collect();
    let people: Vec<PersonId> = (0..PEOPLE).map(|n| PersonId::new(&format!("person-{n}")).expect("a name")).collect();
    let source = SourceId::new("bench").expect("a name");
    for n in 0..records() {
        let person = n % PEOPLE;
        let first = below(ALTERNATIVES, &mut rng);
        let second = (first + 1 + below(ALTERNATIVES - 1, &mut rng)) % ALTERNATIVES;
        let noise = normals(1, &mut rng)[0];
        let utility = |x: usize| features[x].iter().zip(&weights[person]).map(|(a, b)| a * b).sum::<f64>() * 0.2;
        let chosen = usize::from(utility(first) - utility(second) + noise < 0.0);
        write(&Record::ChoiceMade(ChoiceMade {
            from: Origin { person: people[person].clone(), source: source.clone(), session: None },
            question: None,
            alternatives: vec![id(first), id(second)],
            chosen: Some(chosen),
            indifference_offered: false,
        }));
    }
    out.flush().expect("room");
}

/// Reads, parses as JSON without keeping anything, and hashes.
fn limit(path: &Path) -> u64 {
    let mut input = BufReader::with_capacity(1 << 18, File::open(path).expect("a file"));
    let (mut line, mut lines) = (Vec::new(), 0);
    while input.read_until(b'\n', &mut line).expect("a line") > 0 {
        serde_json::from_slice::<serde::de::IgnoredAny>(&line).expect("JSON");
        std::hint::black_box(blake3::hash(&line));
        line.clear();
        lines += 1;
    }
    lines
}

fn bench(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let one = Settings::single(1.5, 0.1, 0.3);
    let twelve = Settings { signal_scales: vec![0.1, 0.4, 1.5, 5.0], lapse_rates: vec![0.01, 0.1, 0.3], ..one.clone() };
    let path = dir.path().join("one.jsonl");
    write_log(&path, &one);
    let path_twelve = dir.path().join("twelve.jsonl");
    write_log(&path_twelve, &twelve);
    let open = |path: &Path| File::open(path).expect("a file");

    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(records() as u64)).sample_size(10);
    group.bench_function("limit: read, parse, hash", |b| b.iter(|| limit(&path)));
    group.bench_function("read into entries", |b| b.iter(|| Reader::new(open(&path)).map(Result::unwrap).count()));
    group.bench_function("verify only", |b| b.iter(|| verify_chain(open(&path)).expect("a log").0.head()));
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let fold = |path: &Path| replay(open(path), &Options::default()).expect("a log").score();
    group.bench_function("fold, 1 hypothesis, 1 core", |b| b.iter(|| alone.install(|| fold(&path))));
    group.bench_function("fold, 1 hypothesis, all cores", |b| b.iter(|| fold(&path)));
    group.bench_function("fold, 12 hypotheses, all cores", |b| b.iter(|| fold(&path_twelve)));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
