//! `credence eval calibration`: whether the intervals that people see hold the truth as often as they say.

use clap::Args;
use credence_evals::calibration::{
    AIM, ALARM, AimStatus, CalibrationOptions, CalibrationRow, Grid, LEVEL, run as calibrate, simulations,
};
use credence_memory::belief::simulate::Evidence;
use serde::Serialize;
use utoipa::ToSchema;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// `credence eval calibration`.
#[derive(Debug, Args)]
pub(crate) struct CalibrationArgs {
    /// Simulated people for each row
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = crate::cli::numbers::count::<1, 10000000>)]
    pub(crate) simulations: usize,
    /// After how many answers belief is held against the truth
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "5,10,20,40", value_parser = crate::cli::numbers::count::<1, 10000>)]
    pub(crate) answers: Vec<usize>,
    /// Only these kinds of evidence [default: all]
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    pub(crate) evidence: Vec<Evidence>,
    /// Only these grids of hypotheses: one, drifting, default [default: all]
    #[arg(long, value_name = "GRID,...", value_delimiter = ',', value_parser = grid)]
    pub(crate) grid: Vec<Grid>,
    /// Number of weights of each person
    #[arg(long, value_name = "D", default_value_t = 4, value_parser = crate::cli::numbers::count::<1, 1000>)]
    pub(crate) dimension: usize,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
}

fn grid(text: &str) -> Result<Grid, String> {
    let found = Grid::ALL.into_iter().find(|g| g.name() == text);
    found.ok_or_else(|| format!("grids are {}", Grid::ALL.map(Grid::name).join(", ")))
}

/// What `--json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Calibrated {
    options: CalibrationOptions,
    rows: Vec<CalibrationRow>,
}

/// Runs `credence eval calibration`.
pub(super) fn run(args: &CalibrationArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "calibration")?;
    let options = options(args)?;
    let bar = counting("simulations");
    bar.set_length(simulations(&options) as u64);
    if !args.json {
        say(format!(
            "{} people a row, D = {}, seed {}; {:.0}% intervals should cover {:.2} to {:.2}, ranks stay in their band in all but 1 of {:.0} runs",
            options.simulations,
            options.dimension,
            options.seed,
            100.0 * LEVEL,
            AIM.0,
            AIM.1,
            1.0 / ALARM
        ))?;
        say(
            "| grid | evidence | answers | coverage (95%) | aim | Gaussian alone | ranks off (band) | nats an answer |",
        )?;
        say("|---|---|---|---|---|---|---|---|")?;
    }
    let mut all = Vec::new();
    for &grid in &options.grids {
        for &evidence in &options.evidence {
            let rows = calibrate(&options, grid, evidence, &|| bar.inc(1))?;
            if !args.json {
                for row in &rows {
                    bar.suspend(|| say(line(row)))?;
                }
            }
            all.extend(rows);
        }
    }
    bar.finish_and_clear();
    kept.keep(&options, &all[..])?;
    if args.json {
        return say_json(&Calibrated { options, rows: all });
    }
    let count = |verdict| all.iter().filter(|row| row.verdict == verdict).count();
    let outside: Vec<&CalibrationRow> = all.iter().filter(|row| !row.ranks_uniform()).collect();
    say(format!(
        "{} of {} rows cover what they should, {} are open at this number of simulations, {} miss it; ranks of {} leave their band",
        count(AimStatus::Met),
        all.len(),
        count(AimStatus::Open),
        count(AimStatus::Missed),
        outside.len()
    ))
}

fn line(row: &CalibrationRow) -> String {
    let verdict = match row.verdict {
        AimStatus::Met => "met",
        AimStatus::Open => "open",
        AimStatus::Missed => "**missed**",
    };
    format!(
        "| {} | {} | {} | {} | {verdict} | {:.3} | {:.3} ({:.3}){} | {:.4} |",
        row.grid.name(),
        row.evidence,
        row.answers,
        row.coverage,
        row.gaussian_coverage,
        row.distance,
        row.band,
        if row.ranks_uniform() { "" } else { " **outside**" },
        -row.ln_predictive_mean
    )
}

fn options(args: &CalibrationArgs) -> anyhow::Result<CalibrationOptions> {
    let wrong = |what: String| Err(WrongInput(what).into());
    let mut answers = args.answers.clone();
    answers.sort_unstable();
    answers.dedup();
    if args.simulations == 0 || args.simulations > 1_000_000 {
        return wrong(format!("--simulations must lie in 1 to 1000000, not {}", args.simulations));
    }
    if answers.last().is_none_or(|&most| most > 10_000) {
        return wrong("--answers must be numbers up to 10000".to_owned());
    }
    if !(3..=256).contains(&args.dimension) {
        return wrong(format!("--dimension must lie in 3 to 256, not {}", args.dimension));
    }
    let or_all = |given: &[Grid]| if given.is_empty() { Grid::ALL.to_vec() } else { given.to_vec() };
    Ok(CalibrationOptions {
        grids: or_all(&args.grid),
        evidence: if args.evidence.is_empty() { Evidence::ALL.to_vec() } else { args.evidence.clone() },
        answers,
        simulations: args.simulations,
        dimension: args.dimension,
        seed: args.seed,
    })
}
