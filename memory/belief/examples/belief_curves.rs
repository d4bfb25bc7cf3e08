//! Prints the curves of docs/belief.md, section 10: `belief_curves random|consistent SEEDS`.
#![allow(clippy::print_stdout)]

use credence_belief::Settings;
use credence_belief::bank::{Answers, converge_many, mean_and_interval};

fn curve(answers: Answers, offered: bool, seeds: u64, counts: &[usize]) -> Result<(), Box<dyn std::error::Error>> {
    let runs = converge_many(&Settings::default(), answers, offered, 150, counts, 0..seeds)?;
    println!("{answers:?}, no preference {}offered, {seeds} seeds", if offered { "" } else { "not " });
    println!("| answers | low signal (95%) | agreement | width of 90% intervals |\n|---|---|---|---|");
    for (k, count) in counts.iter().enumerate() {
        let column = |f: fn(&credence_belief::bank::Moment) -> f64| {
            mean_and_interval(&runs.iter().map(|run| f(&run[k])).collect::<Vec<_>>())
        };
        let low = column(|m| m.low_signal);
        let (agreement, width) = (column(|m| m.agreement), column(|m| m.width));
        println!("| {count} | {:.3} ({:.3} to {:.3}) | {:.3} | {:.3} |", low.0, low.1, low.2, agreement.0, width.0);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let counts = [0, 10, 20, 30, 40, 50, 60, 80, 100];
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["random", seeds] => {
            curve(Answers::AtRandom, false, seeds.parse()?, &counts)?;
            curve(Answers::AtRandom, true, seeds.parse()?, &counts)
        }
        ["consistent", seeds] => {
            curve(Answers::Consistent(1.5), true, seeds.parse()?, &counts)?;
            curve(Answers::Consistent(5.0), true, seeds.parse()?, &counts)
        }
        _ => Err("usage: belief_curves random|consistent SEEDS".into()),
    }
}
