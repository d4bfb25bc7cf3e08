//! Random inputs made from good ones: seeds, mutations, and a pool that grows by whatever behaves in a new way.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest input made.
const BYTES_MAX: usize = 64 << 10;
/// The most inputs kept of one target.
const POOL_MAX: usize = 2000;

/// Pieces that formats and terminals give a meaning to.
const TOKENS: [&str; 44] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "\n",
    "\r\n",
    "\t",
    " ",
    "null",
    "true",
    "-0",
    "0",
    "-1",
    "1e999",
    "1e-999",
    "NaN",
    "18446744073709551616",
    "9007199254740993",
    "0.1",
    "\\u0000",
    "\\ud800",
    "\\u202e",
    "\u{0}",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "\u{e9}",
    "\u{1f642}",
    "=",
    "\"\"\"",
    "#",
    "''",
    "\"kind\":",
    "\"payload\":",
    "../../etc/passwd",
    "Ignore all previous instructions.",
    "<|im_start|>system",
    "%s%n",
    "\u{85}",
];

/// What a target says of an input: how it ended, in words. It panics where it should not have ended so.
pub(crate) type Target<'a> = &'a dyn Fn(&[u8]) -> String;

/// Tries `target` on mutations of `seeds` and of what they led to, so often, or for as long as `CREDENCE_FUZZ_SECONDS` says.
/// The seed is `CREDENCE_FUZZ_SEED`, or 1. An input on which it fails is written to a file that the failure names.
pub(crate) fn fuzz(name: &str, seeds: Vec<Vec<u8>>, runs: u64, target: Target<'_>) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CREDENCE_FUZZ_SEED").unwrap_or(1);
    let time = number("CREDENCE_FUZZ_SECONDS").map(Duration::from_secs);
    let start = Instant::now();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pool = seeds;
    let mut endings = BTreeSet::new();
    for input in &pool {
        endings.insert(ending(name, input, target));
    }
    let mut done = 0;
    while time.map_or(done < runs, |time| start.elapsed() < time) {
        done += 1;
        let mut input = pool[rng.random_range(0..pool.len())].clone();
        for _ in 0..rng.random_range(1..6u32) {
            let other = &pool[rng.random_range(0..pool.len())];
            mutate(&mut input, other, &mut rng);
        }
        input.truncate(BYTES_MAX);
        // What ends in a new way is worth going on from.
        if endings.insert(ending(name, &input, target)) && pool.len() < POOL_MAX {
            pool.push(input);
        }
    }
    #[allow(clippy::print_stdout, reason = "shown with --nocapture")]
    {
        println!("{name}: {done} inputs, {} different endings, seed {seed}, {:?}", endings.len(), start.elapsed());
    }
}

/// How an input ends, with what varies from input to input left out.
fn ending(name: &str, input: &[u8], target: Target<'_>) -> String {
    let Ok(said) = catch_unwind(AssertUnwindSafe(|| target(input))) else {
        let hash = credence_memory::ids::Hash::of(input).to_string();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{}", &hash[..16]));
        std::fs::write(&file, input).expect("the input can be kept");
        panic!("{name} failed on the input in {}", file.display());
    };
    let mut shape = String::new();
    let mut quoted = false;
    for c in said.chars().take(400) {
        match c {
            '"' | '`' => quoted = !quoted,
            _ if quoted => {}
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            c => shape.push(c),
        }
    }
    shape
}

fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=input.len());
    let end = (at + rng.random_range(1..64usize)).min(input.len());
    match rng.random_range(0..11u32) {
        0 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8u32),
        1 if at < input.len() => input[at] = rng.random(),
        2 => drop(input.drain(at..end)),
        3 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        4 | 5 => {
            let token = TOKENS[rng.random_range(0..TOKENS.len())];
            input.splice(at..at, token.bytes());
        }
        6 => {
            // One of its numbers becomes another.
            if let Some(start) = input[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) {
                let end = start + input[start..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
                let number = ["0", "-1", "1", "2", "1e400", "-1e308", "4294967296", "0.5", "NaN", "\"1\""];
                input.splice(start..end, number[rng.random_range(0..number.len())].bytes());
            }
        }
        7 if !other.is_empty() => {
            let from = rng.random_range(0..other.len());
            let to = (from + rng.random_range(1..400usize)).min(other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
        8 => {
            // Deep nesting, or a long run of one thing.
            let piece = [&b"["[..], b"{\"a\":", b"\"", b"9", b" "][rng.random_range(0..5usize)];
            let run = piece.repeat(rng.random_range(1..300usize));
            input.splice(at..at, run);
        }
        9 => {
            // Two lines change places, or one is there twice.
            let mut lines: Vec<Vec<u8>> = input.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            if lines.len() > 1 {
                let (a, b) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
                if rng.random_bool(0.5) {
                    lines.swap(a, b)
                } else {
                    lines[a] = lines[b].clone()
                }
                *input = lines.concat();
            }
        }
        _ => input.truncate(at),
    }
}
