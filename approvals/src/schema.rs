//! The belief engine's settings as their JSON is: the engine itself knows no schemas.

use utoipa::ToSchema;

/// Constants of the belief engine (docs/belief.md, sections 2 and 3).
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes what `credence_belief::Settings` writes")]
pub struct EngineSettings {
    /// Version of the engine that wrote this.
    engine_version: u32,
    /// Standard deviations of a typical utility difference, noise units.
    signal_scales: Vec<f64>,
    /// Shares of answers that are slips, in [0, 1).
    lapse_rates: Vec<f64>,
    /// Half widths of indifference, noise units.
    bands: Vec<f64>,
    /// Half the steps between rating thresholds; absent: as the half widths of indifference, as in logs of before.
    #[schema(required = false)]
    rating_half_steps: Vec<f64>,
    /// Prior weight of slow drift, in [0, 1).
    slow_drift_weight: f64,
    /// Records over which a drifting person forgets by a factor `e`.
    drift_records: f64,
    /// The signal of a correction or a demonstration relative to a choice's.
    indirect_scale: f64,
    /// The share of the noise that is the same when a question is asked again, in [0, 1).
    residual_share: f64,
    /// Refinement stops when no site moves by more than this many standard deviations.
    tolerance: f64,
    /// Most sweeps in one refinement.
    sweeps_max: u32,
    /// Sites are refined after each of the first so many records; absent: 16, as in logs of before.
    #[schema(required = false)]
    refined_at_first: u64,
    /// Signal scales up to this one count as low signal.
    low_signal_max: f64,
}
