//! How fast a large log is replayed, and in how much memory, beside the limit: `replay_speed [CHOICES [PEOPLE [ROUNDS]]]`.
//!
//! Every work is a process of its own, so that its peak memory is its own. Rounds go through all works in turn, so that what
//! else the machine does falls on all of them alike; medians are printed, and ratios are of works in the same round.
//!
//! The limit reads lines, parses each with serde_json into nothing (`IgnoredAny`, the least that parsing can mean) and
//! hashes it with BLAKE3, in one thread.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use credence_memory::log::Reader;
use credence_memory::replay::{Options, replay_keeping, verify_chain};
use credence_memory::sample::LargeLog;

/// Name, whether it is of the log with twelve hypotheses, and how many threads it may use (0: all).
const WORKS: [(&str, bool, usize); 7] = [
    ("limit", false, 1),
    ("parse into values", false, 1),
    ("read into entries", false, 1),
    ("verify only", false, 1),
    ("fold, 1 hypothesis, one core", false, 1),
    ("fold, 1 hypothesis", false, 0),
    ("fold, 12 hypotheses", true, 0),
];

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [work, path] = args.as_slice()
        && let Some(&(name, _, threads)) = WORKS.iter().find(|(name, ..)| name == work)
    {
        return run(name, Path::new(path), threads);
    }
    let number = |k: usize, default: usize| args.get(k).map_or(Ok(default), |text| text.parse());
    let (choices, people, rounds) = (number(0, 100_000)?, number(1, 1_000)?, number(2, 3)?);
    let dir = tempfile::tempdir()?;
    let path = |twelve: bool| dir.path().join(if twelve { "twelve.jsonl" } else { "one.jsonl" });
    for (twelve, settings) in [(false, LargeLog::one_hypothesis()), (true, LargeLog::twelve_hypotheses())] {
        LargeLog::of(choices, people, settings).write(&mut BufWriter::new(File::create(path(twelve))?))?;
    }
    let megabytes = std::fs::metadata(path(false))?.len() as f64 / 1e6;
    println!("{choices} choices of {people} people, D = 32, {megabytes:.0} MB; medians of {rounds} rounds\n");
    let mut measured = vec![Vec::new(); WORKS.len()];
    for _ in 0..rounds {
        for (found, (name, twelve, _)) in measured.iter_mut().zip(WORKS) {
            found.push(apart(name, &path(twelve))?);
        }
    }
    println!("| work | records a second | beside the limit | peak memory |\n|---|---|---|---|");
    for (found, (name, ..)) in measured.iter().zip(WORKS) {
        let rate = median(found.iter().map(|(seconds, _)| choices as f64 / seconds));
        let ratio = median(found.iter().zip(&measured[0]).map(|(this, limit)| limit.0 / this.0));
        let peak = median(found.iter().map(|(_, megabytes)| *megabytes));
        println!("| {name} | {:.0} | {ratio:.2} | {peak:.0} MB |", rate);
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Does one work in a process of its own; gives seconds and peak megabytes.
fn apart(work: &str, path: &Path) -> Result<(f64, f64), Error> {
    let output = Command::new(std::env::current_exe()?).arg(work).arg(path).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [seconds, megabytes] => Ok((*seconds, *megabytes)),
        _ => Err(format!("{work} failed: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

fn run(work: &str, path: &Path, threads: usize) -> Result<(), Error> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let open = || File::open(path);
    let start = Instant::now();
    match work {
        "limit" => limit(path, |line| serde_json::from_slice::<serde::de::IgnoredAny>(line).map(drop))?,
        "parse into values" => limit(path, |line| serde_json::from_slice::<serde_json::Value>(line).map(drop))?,
        "read into entries" => {
            for entry in Reader::new(open()?) {
                std::hint::black_box(entry?);
            }
        }
        "verify only" => {
            std::hint::black_box(verify_chain(open()?)?);
        }
        _ => {
            // Of everyone the digest alone is kept.
            let found = replay_keeping(open()?, &Options::default(), |_| {}, |ended| ended.belief.digest())?;
            std::hint::black_box(found.score());
        }
    }
    println!("{} {}", start.elapsed().as_secs_f64(), peak_megabytes());
    Ok(())
}

fn limit(path: &Path, parse: impl Fn(&[u8]) -> serde_json::Result<()>) -> Result<(), Error> {
    let mut input = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        parse(&line)?;
        std::hint::black_box(blake3::hash(&line));
        line.clear();
    }
    Ok(())
}

/// The most memory this process has had, where the system tells (Linux).
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.trim().strip_suffix(" kB"));
    peak.and_then(|kilobytes| kilobytes.trim().parse::<f64>().ok()).map_or(f64::NAN, |kb| kb / 1e3)
}
