//! Records of what probes in the model's states read of an act.

use serde::{Deserialize, Serialize};

use crate::ids::{AlternativeId, PersonId, Seq, TaskId};
use crate::number::{Finite, Probability};

/// Which words about an act were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum MotivePart {
    /// The act in its situation, as it was proposed.
    Proposed,
    /// What the model wrote about the act while it deliberated.
    Foreseen,
    /// The act in its situation with what was foreseen of it, once it was chosen. What nothing was foreseen of was read as proposed.
    Chosen,
}

impl MotivePart {
    /// Its name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Foreseen => "foreseen",
            Self::Chosen => "chosen",
        }
    }
}

/// Probes read an act. Not evidence about anybody's values: it only says whether the act may be chosen without the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MotiveRead {
    /// For whom it was to be decided.
    pub person: PersonId,
    /// The task, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The act.
    pub alternative: AlternativeId,
    /// Which words about it.
    pub part: MotivePart,
    /// The deliberation whose words were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliberated: Option<Seq>,
    /// The log-odds that no more than a stated share of ordinary texts exceeds, whichever motive is highest.
    pub bar: MotiveBar,
    /// What each probe read, at least one.
    pub readings: Vec<MotiveReading>,
}

impl MotiveRead {
    /// The highest reading; nothing where there is none.
    pub fn highest(&self) -> Option<&MotiveReading> {
        self.readings.iter().max_by(|a, b| a.log_odds.get().total_cmp(&b.log_odds.get()))
    }

    /// The highest reading, if it is above the bar.
    pub fn alarm(&self) -> Option<&MotiveReading> {
        self.highest().filter(|reading| reading.log_odds.get() > self.bar.log_odds.get())
    }
}

/// The bar that all probes of a model share, and what it promises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MotiveBar {
    /// A higher reading is an alarm.
    pub log_odds: Finite,
    /// Share of ordinary texts that may exceed it.
    pub false_alarms_max: Probability,
    /// How sure that is.
    pub confidence: Probability,
    /// Ordinary texts that it was set on.
    pub ordinary: u64,
}

/// What one probe read, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MotiveReading {
    /// The motive.
    pub motive: String,
    /// BLAKE3 hash, in hexadecimal, of the probe.
    pub probe: String,
    /// Log-odds of the motive where it is as frequent as in the probe's examples.
    pub log_odds: Finite,
    /// Area under the curve, on topics that the probe had not seen.
    pub auroc: Probability,
    /// Its 95% interval.
    pub auroc_interval: [Probability; 2],
    /// The same area of a bag of words.
    pub text_only: Probability,
    /// Texts that the probe was fitted on.
    pub examples: u64,
}

impl MotiveReading {
    /// The probability of the motive where it is as frequent as in the probe's examples, that is mostly in every second text.
    pub fn probability(&self) -> f64 {
        1.0 / (1.0 + libm::exp(-self.log_odds.get()))
    }
}
