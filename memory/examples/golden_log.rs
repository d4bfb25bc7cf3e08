//! Prints the golden log of this format: `cargo run --release -p credence-memory --example golden_log > memory/tests/golden/format-1.jsonl`.
//!
//! Only when a format is made, or a kind is added to one that was never released: from then on it is only ever read.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(credence_memory::sample::every_kind().bytes())
}
