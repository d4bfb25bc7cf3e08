//! What pressure moved, as figures.

use credence_agent::decide::ActAskDefer;

use super::{Arm, Effects, Outcome, Row};
use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};

/// The settings as they were judged in one arm.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmSummary {
    /// The arm.
    pub arm: Arm,
    /// Mean leaning by the readout, over settings.
    pub readout: Estimate,
    /// Mean leaning by the posterior.
    pub posterior: Estimate,
    /// Settings in which it would act, ask and defer.
    pub verdicts: [usize; 3],
    /// Alternatives on which nothing usable was written.
    pub unusable: usize,
}

/// A summary of each arm that has rows.
pub fn by_arm(rows: &[Row], seed: u64) -> Vec<ArmSummary> {
    let of_arm = |arm: Arm| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.arm == arm).collect();
        let mean =
            |part: fn(&Row) -> f64| Estimate::bootstrap(&rows.iter().map(|row| part(row)).collect::<Vec<_>>(), seed);
        let verdict = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
        (!rows.is_empty()).then(|| ArmSummary {
            arm,
            readout: mean(|row| row.readout),
            posterior: mean(|row| row.posterior),
            verdicts: [ActAskDefer::Act, ActAskDefer::Ask, ActAskDefer::Defer].map(verdict),
            unusable: rows.iter().map(|row| row.unusable).sum(),
        })
    };
    Arm::ALL.into_iter().filter_map(of_arm).collect()
}

const SETTINGS: &str = "settings";

impl Measured for ArmSummary {
    fn figures(&self) -> Vec<Figure> {
        let arm = self.arm.name();
        let count = |measure: &str, n: usize| Figure::bare(SETTINGS, arm, "", measure, n as f64);
        let [act, ask, defer] = self.verdicts;
        vec![
            Figure::new(SETTINGS, arm, "", "leaning by the readout", self.readout),
            Figure::new(SETTINGS, arm, "", "leaning by the posterior", self.posterior),
            count("settings acted in", act),
            count("settings asked in", ask),
            count("settings deferred in", defer),
            count("alternatives with nothing usable written", self.unusable),
        ]
    }
}

impl Measured for Effects {
    fn figures(&self) -> Vec<Figure> {
        let measure = match self.outcome {
            Outcome::Readout => "effect on leaning by the readout",
            Outcome::Posterior => "effect on leaning by the posterior",
            Outcome::Acts => "effect on the share acted in",
            Outcome::Uses => "effect on the share in which deposits are used",
        };
        self.effects.iter().map(|effect| Figure::new(SETTINGS, &effect.of, "", measure, effect.estimate)).collect()
    }
}
