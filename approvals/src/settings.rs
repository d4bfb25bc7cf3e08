//! What an owner declares once: tools, attributes, the bound, and constants of the statistics.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::paths::is_absolute;
use super::request::{Affected, Reversible};

/// What the owner's `share_max` is a share of. Only acts that limits and rules leave to belief count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Of the acts the owner would have refused, the share that passes: `P(passes | would refuse)`.
    OfRefused,
    /// Of the acts that pass, the share the owner would have refused: `P(would refuse | passes)`.
    OfPassed,
}

/// A tool, and which of its arguments have a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolDeclaration {
    /// Its name.
    pub name: String,
    /// The argument that is a path.
    #[serde(default)]
    pub path: Option<String>,
    /// The argument that names who receives something.
    #[serde(default)]
    pub recipient: Option<String>,
    /// The argument that is an amount. It is what a call costs, where the agent says no more.
    #[serde(default)]
    pub amount: Option<String>,
    /// Other arguments that a call may have, whatever they say; `*` is every argument. A call with an argument that nobody
    /// declared is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Whether a call can be taken back; takes the place of what an agent says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversible: Option<Reversible>,
    /// Whom a call concerns at most; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected: Option<Affected>,
    /// Whether a call reaches outside the machine; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<bool>,
}

/// An attribute of acts beside the built-in ones; it enters as `(value - centre) / scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeclaredAttribute {
    /// Its name.
    pub name: String,
    /// Centre.
    pub centre: f64,
    /// Scale, positive.
    pub scale: f64,
}

/// Everything that fixes decisions beside the records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ApprovalSettings))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How calls are read. A declaration keeps the way of its time, so that an old log says what it said: see
    /// [`Settings::VERSION`].
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub version: u32,
    /// Tools. A call of any other is always asked.
    pub tools: Vec<ToolDeclaration>,
    /// Attributes beside the built-in ones.
    pub declared: Vec<DeclaredAttribute>,
    /// How many readings from outside a request has.
    pub readings: usize,
    /// Paths beneath this folder are inside the workspace: an absolute path; empty: everything is outside.
    pub workspace: String,
    /// Recipients who are known.
    pub known_recipients: BTreeSet<String>,
    /// `alpha`, in (0, 1): see `bound`.
    pub share_max: f64,
    /// What `share_max` is a share of.
    pub bound: Bound,
    /// Probability with which the bound holds, in (0, 1).
    pub confidence: f64,
    /// `q`, in (0, 1): probability that an act which would pass is asked all the same.
    pub audit_share: f64,
    /// Seed of the audits. It must be random, and the agent must not see it.
    pub audit_seed: [u8; 32],
    /// Answers, since the start or the last withdrawal, after which belief is frozen as a scorer to be calibrated.
    pub frozen_at: Vec<u64>,
    /// Answers a scorer is tested on, at least, before it may let anything pass. Afterwards only audits test, so
    /// waiting a little buys a better threshold.
    pub tested_min: u64,
    /// Belief of now keeps a certified scorer from letting an act pass where it gives refusal more than this
    /// probability, and more than the scorer's own threshold.
    pub objects_above: f64,
    /// Shares of past acts that the thresholds of a scorer let pass, increasing, in (0, 1). They are tested in this
    /// order. Under [`Bound::OfPassed`] the first should be large (0.3): its trials are the acts that would pass.
    pub threshold_quantiles: Vec<f64>,
    /// Belief refuses from this probability on, where even the lower end of its interval reaches it; absent: never.
    pub refuse_from: Option<f64>,
    /// The grid of hypotheses.
    #[cfg_attr(feature = "schema", schema(value_type = crate::schema::EngineSettings))]
    pub belief: credence_belief::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            tools: Vec::new(),
            declared: Vec::new(),
            readings: 0,
            workspace: String::new(),
            known_recipients: BTreeSet::new(),
            share_max: 0.01,
            bound: Bound::OfRefused,
            confidence: 0.95,
            audit_share: 0.1,
            audit_seed: [0; 32],
            frozen_at: vec![240, 1200, 6000],
            tested_min: 300,
            objects_above: 0.1,
            threshold_quantiles: (2..19).map(|k| 0.05 * f64::from(k)).collect(),
            refuse_from: None,
            belief: credence_belief::Settings {
                signal_scales: vec![1.0, 3.0],
                lapse_rates: vec![0.02],
                bands: vec![0.5],
                slow_drift_weight: 0.1,
                // The last digits that more sweeps would give are far below what calibration can see.
                sweeps_max: 3,
                ..credence_belief::Settings::default()
            },
        }
    }
}

fn first_version() -> u32 {
    1
}

fn is_first_version(version: &u32) -> bool {
    *version == first_version()
}

impl Settings {
    /// The way that calls are read in now. Since 2 an argument that was declared and is missing counts as the class that is
    /// asked most easily, paths are resolved, arguments that nobody declared are asked, no rule lets an undeclared tool pass,
    /// and an undo ends the rule that let the act pass.
    pub const VERSION: u32 = 2;

    /// Whether calls are read as since version 2.
    pub(crate) fn is_careful(&self) -> bool {
        self.version >= 2
    }

    /// What is wrong with them, if anything.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let open = |share: f64| share > 0.0 && share < 1.0;
        let names: BTreeSet<&str> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        let attributes: BTreeSet<&str> = self.declared.iter().map(|attribute| attribute.name.as_str()).collect();
        let sound = |d: &DeclaredAttribute| d.centre.is_finite() && d.scale.is_finite() && d.scale > 0.0;
        let thresholds = &self.threshold_quantiles;
        if !(first_version()..=Self::VERSION).contains(&self.version) {
            Some("this program does not know their version")
        } else if self.is_careful() && !self.workspace.is_empty() && !is_absolute(&self.workspace) {
            Some("workspace must be an absolute path")
        } else if names.len() != self.tools.len() {
            Some("a tool is declared twice")
        } else if attributes.len() != self.declared.len() || !self.declared.iter().all(sound) {
            Some("declared attributes need different names, a centre and a positive scale")
        } else if ![self.share_max, self.confidence, self.audit_share].into_iter().all(open) {
            Some("share_max, confidence and audit_share must lie between 0 and 1")
        } else if self.frozen_at.is_empty() || !self.frozen_at.is_sorted_by(|a, b| a < b) || self.frozen_at[0] == 0 {
            Some("frozen_at must be positive and increasing")
        } else if thresholds.is_empty()
            || !thresholds.is_sorted_by(|a, b| a < b)
            || !thresholds.iter().copied().all(open)
        {
            Some("threshold_quantiles must lie between 0 and 1 and increase")
        } else if self.refuse_from.is_some_and(|p| !(0.5..=1.0).contains(&p)) {
            Some("refuse_from must lie in [0.5, 1]")
        } else {
            None
        }
    }
}
