//! The grid of hypotheses and the constants of the likelihoods: what stands in a log's header.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::BeliefError;

/// Stands for everything that fixes bits: the order of hypotheses and sites, node counts, tolerances' meaning, caps.
pub const ENGINE_VERSION: u32 = 1;

/// A hash of this crate's source: whoever keeps a belief in serialised form keeps this beside it, and forms the belief anew
/// where it differs.
pub const SOURCE_HASH: &str = env!("CREDENCE_BELIEF_SOURCE");

/// Constants of the engine (docs/belief.md, sections 2 and 3). Kept in the log's header: other constants, other beliefs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// [`ENGINE_VERSION`] of the engine that wrote this.
    pub engine_version: u32,
    /// `sigma`: standard deviation of a typical utility difference in noise units; uniform.
    pub signal_scales: Vec<f64>,
    /// `eps`, in [0, 1); uniform.
    pub lapse_rates: Vec<f64>,
    /// `delta`: half width of indifference; uniform.
    pub bands: Vec<f64>,
    /// Half the step between rating thresholds; uniform, and independent of `delta`. Empty: `delta` itself, as in logs of before.
    pub rating_half_steps: Vec<f64>,
    /// Prior weight of slow drift, in [0, 1); 0 leaves drift out.
    pub slow_drift_weight: f64,
    /// Records over which a drifting person forgets by a factor `e`.
    pub drift_records: f64,
    /// `kappa`: the signal of a correction or a demonstration relative to a choice's; `indirect_scale` in logs and experiments.
    #[serde(rename = "indirect_scale")]
    pub correction_scale: f64,
    /// `rho`: the share of the noise that is the same when a question is asked again, in [0, 1); `residual_share` in logs and
    /// experiments.
    #[serde(rename = "residual_share")]
    pub retest_correlation: f64,
    /// Refinement stops when no site moves by more than this many standard deviations.
    pub tolerance: f64,
    /// Most sweeps in one refinement.
    pub sweeps_max: u32,
    /// Sites are refined after each of the first so many records, and from there on whenever there are half as many again; 16 in logs of
    /// before.
    pub refined_at_first: u64,
    /// Signal scales up to this one count as low signal.
    pub low_signal_max: f64,
}

/// Where sites were refined before that was a setting.
const REFINED_AT_FIRST: u64 = 16;

/// In the order of the fields. In a log's header those that came later are left out where they say what held before them, so that
/// headers of before stay as they were; a form without names has them all, since it is read by their places.
impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = serializer.is_human_readable();
        let mut fields = serializer.serialize_struct("Settings", 13)?;
        fields.serialize_field("engine_version", &self.engine_version)?;
        fields.serialize_field("signal_scales", &self.signal_scales)?;
        fields.serialize_field("lapse_rates", &self.lapse_rates)?;
        fields.serialize_field("bands", &self.bands)?;
        match named && self.rating_half_steps.is_empty() {
            true => fields.skip_field("rating_half_steps")?,
            false => fields.serialize_field("rating_half_steps", &self.rating_half_steps)?,
        }
        fields.serialize_field("slow_drift_weight", &self.slow_drift_weight)?;
        fields.serialize_field("drift_records", &self.drift_records)?;
        fields.serialize_field("indirect_scale", &self.correction_scale)?;
        fields.serialize_field("residual_share", &self.retest_correlation)?;
        fields.serialize_field("tolerance", &self.tolerance)?;
        fields.serialize_field("sweeps_max", &self.sweeps_max)?;
        match named && self.refined_at_first == REFINED_AT_FIRST {
            true => fields.skip_field("refined_at_first")?,
            false => fields.serialize_field("refined_at_first", &self.refined_at_first)?,
        }
        fields.serialize_field("low_signal_max", &self.low_signal_max)?;
        fields.end()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine_version: ENGINE_VERSION,
            signal_scales: vec![0.1, 0.4, 1.5, 5.0],
            lapse_rates: vec![0.01, 0.1, 0.3],
            bands: vec![0.3, 1.0],
            rating_half_steps: Vec::new(),
            slow_drift_weight: 0.1,
            drift_records: 300.0,
            correction_scale: 0.5,
            retest_correlation: 0.5,
            tolerance: 1e-4,
            sweeps_max: 24,
            refined_at_first: REFINED_AT_FIRST,
            low_signal_max: 0.4,
        }
    }
}

impl Settings {
    /// The grid of new homes: how far apart a person's rating levels lie is learned beside how wide their indifference is.
    pub fn of_new_homes() -> Self {
        Self { rating_half_steps: vec![0.35, 0.75], ..Self::default() }
    }

    /// One hypothesis for each prior location: for benchmarks, references and closed forms.
    pub fn single(signal_scale: f64, lapse_rate: f64, band: f64) -> Self {
        Self {
            signal_scales: vec![signal_scale],
            lapse_rates: vec![lapse_rate],
            bands: vec![band],
            slow_drift_weight: 0.0,
            ..Self::default()
        }
    }

    /// Refuses values no belief can be formed under.
    ///
    /// # Errors
    /// The first setting out of range, with what was expected; settings of another engine version.
    pub fn check(&self) -> Result<(), BeliefError> {
        let refuse = |what: &'static str| Err(BeliefError::Settings { what });
        let positive = |values: &[f64]| !values.is_empty() && values.iter().all(|v| v.is_finite() && *v > 0.0);
        let share = |v: f64| (0.0..1.0).contains(&v);
        if self.engine_version != ENGINE_VERSION {
            return Err(BeliefError::EngineVersion { found: self.engine_version });
        }
        if !positive(&self.signal_scales) {
            return refuse("signal_scales must be positive, and at least one");
        }
        if self.lapse_rates.is_empty() || !self.lapse_rates.iter().all(|&v| share(v)) {
            return refuse("lapse_rates must lie in [0, 1), and at least one");
        }
        if !positive(&self.bands) {
            return refuse("bands must be positive, and at least one");
        }
        if !self.rating_half_steps.is_empty() && !positive(&self.rating_half_steps) {
            return refuse("rating_half_steps must be positive");
        }
        if !share(self.slow_drift_weight) {
            return refuse("slow_drift_weight must lie in [0, 1)");
        }
        if !share(self.retest_correlation) {
            return refuse("residual_share must lie in [0, 1)");
        }
        if !positive(&[self.drift_records, self.correction_scale, self.tolerance]) {
            return refuse("drift_records, indirect_scale and tolerance must be positive");
        }
        if self.refined_at_first == 0 {
            return refuse("refined_at_first must be at least 1");
        }
        if self.sweeps_max == 0 {
            return refuse("sweeps_max must be at least 1");
        }
        if !self.low_signal_max.is_finite() {
            return refuse("low_signal_max must be a number");
        }
        Ok(())
    }

    /// Whether the sites are refined when this many records survive: at 1 to [`Settings::refined_at_first`], then whenever there are
    /// half as many again: 16, 24, 36, 54, ...
    pub fn refines_at(&self, count: u64) -> bool {
        let mut scheduled = self.refined_at_first;
        while scheduled < count {
            scheduled = scheduled.saturating_add(scheduled.div_ceil(2));
        }
        count > 0 && (count <= self.refined_at_first || scheduled == count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refinement_counts_are_the_documented_ones() {
        let counts = |settings: Settings| (0..100).filter(|&n| settings.refines_at(n)).collect::<Vec<u64>>();
        let before = counts(Settings::default());
        assert_eq!(before[..16], (1..=16).collect::<Vec<_>>());
        assert_eq!(before[16..], [24, 36, 54, 81]);
        assert_eq!(counts(Settings::of_new_homes()), before);
        let seldom = Settings { refined_at_first: 4, ..Settings::default() };
        assert_eq!(counts(seldom), [1, 2, 3, 4, 6, 9, 14, 21, 32, 48, 72]);
        assert!(Settings { refined_at_first: u64::MAX, ..Settings::default() }.refines_at(7));
    }

    #[test]
    fn settings_are_checked_and_closed() {
        assert!(Settings::default().check().is_ok());
        assert!(Settings { lapse_rates: vec![1.0], ..Settings::default() }.check().is_err());
        assert!(Settings { engine_version: 7, ..Settings::default() }.check().is_err());
        assert!(Settings { refined_at_first: 0, ..Settings::default() }.check().is_err());
        let written = serde_json::to_string(&Settings::default()).unwrap();
        assert!(!written.contains("refined_at_first"), "headers of before stay as they were: {written}");
        let new = Settings::of_new_homes();
        assert_eq!(serde_json::from_str::<Settings>(&serde_json::to_string(&new).unwrap()).unwrap(), new);
        assert!(serde_json::from_str::<Settings>(r#"{"lapse_rate": [0.1]}"#).is_err(), "unknown keys are refused");
    }
}
