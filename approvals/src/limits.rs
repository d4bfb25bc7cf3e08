//! What the owner set and no belief can cross.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};

use super::pattern::ActPattern;

/// Hours of the day, in the owner's local time; they may span midnight. Equal ends are the whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// From this time on.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub from: Time,
    /// Until just before this time.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub until: Time,
}

impl Hours {
    /// Whether a time lies in them.
    pub fn contain(&self, time: Time) -> bool {
        match self.from.cmp(&self.until) {
            std::cmp::Ordering::Less => self.from <= time && time < self.until,
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => self.from <= time || time < self.until,
        }
    }
}

/// Limits. An act that is denied is refused; what goes over another limit is asked, whatever rules and belief say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Never, not even when a person approves: the list must be changed first.
    pub deny: Vec<ActPattern>,
    /// Passes without a question, within spending and hours.
    pub allow: Vec<ActPattern>,
    /// Where it is not empty, nothing else passes by belief.
    pub only: Vec<ActPattern>,
    /// Most that may be spent in one day without a person, in the units of [`super::Request::cost`].
    pub spending_per_day_max: Option<f64>,
    /// Hours in which an act may pass without a person.
    pub hours: Option<Hours>,
}

impl Limits {
    pub(crate) fn is_sound(&self) -> bool {
        self.spending_per_day_max.is_none_or(|most| most.is_finite() && most >= 0.0)
    }
}
