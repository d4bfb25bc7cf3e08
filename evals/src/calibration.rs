//! Simulation-based calibration: every kind of evidence alone, and the whole mixture with its hypothesis drawn from its prior
//! (docs/belief.md, section 10). People answer exactly as the model says; what is believed of them is held against the truth.

use credence_memory::belief::simulate::{Calibration, CalibrationPlan, Evidence, calibrate, flat_priors};
use credence_memory::belief::{BeliefError, Location, LocationName, Priors, Settings};
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};

/// The level of the intervals whose coverage is counted.
pub const LEVEL: f64 = 0.9;
/// Coverage between these is what is aimed at.
pub const AIM: (f64, f64) = (0.88, 0.92);
/// A calibrated engine's ranks leave their band with this probability.
pub const ALARM: f64 = 1e-3;

/// The hypotheses people are drawn from and believed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grid {
    /// One hypothesis: signal scale 1.5, lapse rate .1, band .5, a flat prior.
    One,
    /// The same person, whose weights drift away within 40 records.
    Drifting,
    /// The engine's own grid with two locations, 96 hypotheses.
    Default,
}

impl Grid {
    /// All grids.
    pub const ALL: [Self; 3] = [Self::One, Self::Drifting, Self::Default];

    /// Its word in tables and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Drifting => "drifting",
            Self::Default => "default",
        }
    }

    /// Its settings.
    pub fn settings(self) -> Settings {
        match self {
            Self::One => Settings::single(1.5, 0.1, 0.5),
            // Almost everyone drifts: the setting excludes certainty.
            Self::Drifting => {
                Settings { slow_drift_weight: 0.999, drift_records: 40.0, ..Settings::single(1.5, 0.1, 0.5) }
            }
            Self::Default => Settings::default(),
        }
    }

    /// Its prior over `d` weights, the last a constant of approval.
    pub fn priors(self, d: usize) -> Priors {
        let mut priors = flat_priors(d);
        if self == Self::Default {
            // Half of a typical difference is the mean's, as the elicited prior is normalised.
            let size = (0.5 / (d - 1).max(1) as f64).sqrt();
            let sign = |i: usize| if i.is_multiple_of(2) { size } else { -size };
            let mean = (0..d).map(|i| if i + 1 < d { sign(i) } else { 0.0 }).collect();
            let covariance = priors.locations[0].covariance.iter().enumerate();
            let last = d * (d + 1) / 2 - 1;
            let covariance = covariance.map(|(k, v)| if k == last { *v } else { 0.5 * v }).collect();
            priors.locations.push(Location { name: LocationName::Elicited, mean, covariance });
        }
        priors
    }
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CalibrationOptions {
    /// Grids, in order.
    pub grids: Vec<Grid>,
    /// Kinds of evidence, in order.
    #[schema(value_type = Vec<String>)]
    pub evidence: Vec<Evidence>,
    /// After how many answers, ascending.
    pub answers: Vec<usize>,
    /// People for each row.
    pub simulations: usize,
    /// Number of weights, at least 2.
    pub dimension: usize,
    /// Seed of every draw.
    pub seed: u64,
}

/// A share with its exact 95% interval (Clopper and Pearson 1934).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Share {
    /// The share seen.
    pub share: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// `hits` of `n`, `n` at least 1.
    pub fn of(hits: usize, n: usize) -> Self {
        // The ends are quantiles of beta distributions, which exist while both parameters are positive.
        let end = |p: f64, a: usize, b: usize, without: f64| {
            Beta::new(a as f64, b as f64).map_or(without, |beta| beta.inverse_cdf(p))
        };
        Self {
            share: hits as f64 / n as f64,
            low: end(0.025, hits, n - hits + 1, 0.0),
            high: end(0.975, hits + 1, n - hits, 1.0),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.share, self.low, self.high)
    }
}

/// How coverage stands to the aim, its interval considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AimStatus {
    /// The interval lies within the aim.
    Met,
    /// The interval reaches over an end of the aim: more simulations would tell.
    Open,
    /// The interval lies outside the aim.
    Missed,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CalibrationRow {
    /// Grid.
    pub grid: Grid,
    /// Kind of evidence.
    #[schema(value_type = String)]
    pub evidence: Evidence,
    /// Answers of each person.
    pub answers: usize,
    /// How many people.
    pub simulations: usize,
    /// How often the 90% intervals shown to people held the truth.
    pub coverage: Share,
    /// Coverage beside the aim.
    pub verdict: AimStatus,
    /// The same share for the Gaussians alone.
    pub gaussian_coverage: f64,
    /// Greatest distance of the ranks' distribution function from the uniform one.
    pub distance: f64,
    /// What a calibrated engine's distance exceeds with probability [`ALARM`].
    pub band: f64,
    /// Mean log predictive probability of an answer, nats.
    pub ln_predictive_mean: f64,
    /// Sites skipped in all.
    pub skipped_sites: u64,
}

impl Measured for CalibrationRow {
    fn figures(&self) -> Vec<Figure> {
        let (data, learner, at) = (self.evidence.to_string(), self.grid.name(), format!("{} answers", self.answers));
        let Share { share, low, high } = self.coverage;
        let coverage = Estimate { mean: share, low, high };
        vec![
            Figure::new(&data, learner, &at, "coverage of 90% intervals", coverage),
            Figure::bare(&data, learner, &at, "coverage of the Gaussians alone", self.gaussian_coverage),
            Figure::bare(&data, learner, &at, "greatest distance of ranks from uniform", self.distance),
            Figure::bare(&data, learner, &at, "log probability of an answer, nats", self.ln_predictive_mean),
        ]
    }
}

impl CalibrationRow {
    fn new(grid: Grid, evidence: Evidence, c: &Calibration) -> Self {
        let n = c.places.len();
        let coverage = Share::of((c.coverage(LEVEL) * n as f64).round() as usize, n);
        let verdict = if coverage.low >= AIM.0 && coverage.high <= AIM.1 {
            AimStatus::Met
        } else if coverage.high < AIM.0 || coverage.low > AIM.1 {
            AimStatus::Missed
        } else {
            AimStatus::Open
        };
        Self {
            grid,
            evidence,
            answers: c.answers,
            simulations: n,
            coverage,
            verdict,
            gaussian_coverage: c.gaussian_coverage(LEVEL),
            distance: c.distance(),
            band: c.band(ALARM),
            ln_predictive_mean: c.ln_predictive_mean,
            skipped_sites: c.skipped_sites,
        }
    }

    /// Whether the ranks stay in their band.
    pub fn ranks_uniform(&self) -> bool {
        self.distance <= self.band
    }
}

/// How many simulations the options ask for in all.
pub fn simulations(options: &CalibrationOptions) -> usize {
    options.grids.len() * options.evidence.len() * options.simulations
}

/// Runs one grid and one kind of evidence: a row for each count of answers. `done` is called after each simulation.
///
/// # Errors
/// As [`calibrate`].
pub fn run(
    options: &CalibrationOptions,
    grid: Grid,
    evidence: Evidence,
    done: &(dyn Fn() + Sync),
) -> Result<Vec<CalibrationRow>, BeliefError> {
    let (settings, priors) = (grid.settings(), grid.priors(options.dimension));
    let plan = CalibrationPlan {
        settings: &settings,
        priors: &priors,
        evidence,
        answers: &options.answers,
        simulations: options.simulations,
        seed: options.seed,
    };
    Ok(calibrate(&plan, done)?.iter().map(|c| CalibrationRow::new(grid, evidence, c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_exact_intervals() {
        // Clopper and Pearson's interval for 90 of 100, by the binomial distribution: P(X >= 90 | low) = P(X <= 90 | high) = .025.
        let share = Share::of(90, 100);
        let binomial = |p: f64, from: usize, to: usize| -> f64 {
            let ln_choose = |k: usize| -> f64 { (1..=k).map(|i| ((100 - k + i) as f64 / i as f64).ln()).sum() };
            (from..=to).map(|k| (ln_choose(k) + k as f64 * p.ln() + (100 - k) as f64 * (1.0 - p).ln()).exp()).sum()
        };
        assert!((binomial(share.low, 90, 100) - 0.025).abs() < 1e-6, "{share}");
        assert!((binomial(share.high, 0, 90) - 0.025).abs() < 1e-6, "{share}");
        assert_eq!(Share::of(0, 5).low, 0.0);
        assert_eq!(Share::of(5, 5).high, 1.0);
    }

    #[test]
    fn a_run_is_a_function_of_its_options_and_counts_its_simulations() {
        let options = CalibrationOptions {
            grids: vec![Grid::One],
            evidence: vec![Evidence::Choice],
            answers: vec![0, 6],
            simulations: 60,
            dimension: 3,
            seed: 5,
        };
        let count = std::sync::atomic::AtomicUsize::new(0);
        let done = || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let rows = run(&options, Grid::One, Evidence::Choice, &done).expect("sound");
        assert_eq!(count.into_inner(), simulations(&options));
        assert_eq!(rows, run(&options, Grid::One, Evidence::Choice, &|| ()).expect("sound"));
        assert_eq!(rows.iter().map(|r| r.answers).collect::<Vec<_>>(), [0, 6]);
        // Before any answer belief is the prior that people are drawn from.
        let figures = crate::figures::kept(&rows[..]);
        let coverage = ["choice", "one", "6 answers", "coverage of 90% intervals"];
        assert_eq!(crate::figures::of(&figures, coverage).low, Some(rows[1].coverage.low));
        assert!(rows[0].ranks_uniform() && rows[0].verdict != AimStatus::Missed, "{:?}", rows[0]);
    }
}
