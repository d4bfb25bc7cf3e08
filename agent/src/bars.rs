//! The bars of a decision: how much it may cost to act now.

use serde::{Deserialize, Serialize};

/// When to act and when to ask. Noise units: 1 is the standard deviation of a person's own wavering between two alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bars {
    /// Act when the expected regret of acting now is below this.
    pub regret_max: f64,
    /// A question costs the person this much.
    pub question_cost: f64,
    /// An act is left to the person if only wording the situation otherwise turns the difference of the two best, or moves it by more than
    /// this to where it would not be acted on.
    pub wording_max: f64,
}

impl Default for Bars {
    /// A tenth of the person's own wavering may be lost by acting; a question is worth a fifth of that; wording may move a judgement by half of it.
    fn default() -> Self {
        Self { regret_max: 0.1, question_cost: 0.02, wording_max: 0.5 }
    }
}
