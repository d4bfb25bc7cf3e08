//! Prints a golden log of this format: `cargo run --release -p credence-memory --example golden_log -- every-kind`, `at-work`,
//! `approvals`, `calls`, `library`, `motives`, `conclusions`, `streams` or `moves`.
//!
//! Only when a format is made, or a kind is added to one that was never released: from then on it is only ever read.

use std::io::{self, Write};

use credence_memory::sample::{
    Scribe, approvals, at_work, calls, conclusions, every_kind, library, motives, moves, streams,
};

fn main() -> io::Result<()> {
    let scribe = match std::env::args().nth(1).as_deref() {
        Some("every-kind") => every_kind(),
        Some("at-work") => {
            let mut scribe = Scribe::begun();
            at_work(&mut scribe);
            scribe
        }
        Some("approvals") => {
            let mut scribe = Scribe::begun();
            approvals(&mut scribe);
            scribe
        }
        Some("calls") => {
            let mut scribe = Scribe::begun();
            calls(&mut scribe);
            scribe
        }
        Some("library") => {
            let mut scribe = Scribe::begun();
            library(&mut scribe);
            scribe
        }
        Some("motives") => {
            let mut scribe = Scribe::begun();
            motives(&mut scribe);
            scribe
        }
        Some("conclusions") => {
            let mut scribe = Scribe::begun();
            conclusions(&mut scribe);
            scribe
        }
        Some("streams") => {
            let mut scribe = Scribe::begun();
            streams(&mut scribe);
            scribe
        }
        Some("moves") => {
            let mut scribe = Scribe::begun();
            moves(&mut scribe);
            scribe
        }
        _ => {
            return Err(io::Error::other(
                "which: every-kind, at-work, approvals, calls, library, motives, conclusions, streams or moves?",
            ));
        }
    };
    io::stdout().write_all(scribe.bytes())
}
