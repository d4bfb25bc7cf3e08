//! Replay of a log beside its limit: reading, parsing and hashing the same file and nothing else.
//!
//! For work on the code, 20,000 choices of 200 people; `--example replay_speed` measures large logs, with their memory.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::Path;

use credence_memory::log::Reader;
use credence_memory::replay::{Options, replay_keeping, verify_chain};
use credence_memory::sample::LargeLog;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const CHOICES: usize = 20_000;

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
    let written = |name: &str, settings| {
        let path = dir.path().join(name);
        let mut out = BufWriter::new(File::create(&path).expect("a file"));
        LargeLog::of(CHOICES, 200, settings).write(&mut out).expect("room");
        path
    };
    let path = written("one.jsonl", LargeLog::one_hypothesis());
    let path_twelve = written("twelve.jsonl", LargeLog::twelve_hypotheses());
    let open = |path: &Path| File::open(path).expect("a file");

    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(CHOICES as u64)).sample_size(10);
    group.bench_function("limit: read, parse, hash", |b| b.iter(|| limit(&path)));
    group.bench_function("read into entries", |b| b.iter(|| Reader::new(open(&path)).map(Result::unwrap).count()));
    group.bench_function("verify only", |b| b.iter(|| verify_chain(open(&path)).expect("a log").0.head()));
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let fold = |path: &Path| {
        replay_keeping(open(path), &Options::default(), |_| {}, |ended| ended.belief.digest()).expect("a log").score()
    };
    group.bench_function("fold, 1 hypothesis, 1 core", |b| b.iter(|| alone.install(|| fold(&path))));
    group.bench_function("fold, 1 hypothesis, all cores", |b| b.iter(|| fold(&path)));
    group.bench_function("fold, 12 hypotheses, all cores", |b| b.iter(|| fold(&path_twelve)));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
