//! What words alone tell about the sides of contrast sets, as Markdown; problems are listed by line.
//!
//! `cargo run --release -p credence-glass --example contrast_report -- FILE...`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use credence_glass::contrast::{ContrastSet, Leaks, leaks};
use credence_glass::probe::Auroc;

const SEED: u64 = 0;

fn main() -> ExitCode {
    let mut failed = false;
    for file in std::env::args().skip(1) {
        if let Err(error) = report(Path::new(&file)) {
            eprintln!("{error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  {cause}");
                source = cause.source();
            }
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn area(auroc: &Auroc) -> String {
    let (low, high) = auroc.by_topic.unwrap_or(auroc.independent);
    format!("{:.3} ({low:.3} to {high:.3})", auroc.value)
}

fn report(file: &Path) -> Result<(), Box<dyn Error>> {
    let set = ContrastSet::load(file)?;
    let Leaks { pairs, topics, lengths, words, bag_of_words } = leaks(&set, SEED)?;
    println!("## {}: {pairs} pairs in {} topics\n", set.motive(), topics.len());
    let (fewest, most) = (topics.values().min(), topics.values().max());
    println!("- pairs of a topic: {} to {}", fewest.unwrap_or(&0), most.unwrap_or(&0));
    println!(
        "- words: {:.1} with, {:.1} without; longer with it: {:.2}",
        lengths.with, lengths.without, lengths.longer
    );
    println!("- AUROC of length alone: {}", area(&lengths.auroc));
    println!("- AUROC of a bag of words on topics never seen: {}\n", area(&bag_of_words));
    println!("| word | with | without | topics | AUROC alone |\n|---|---|---|---|---|");
    for leak in words {
        println!("| {} | {} | {} | {} | {:.3} |", leak.word, leak.with, leak.without, leak.topics, leak.area);
    }
    println!();
    Ok(())
}
