//! What recovery found, as figures.

use super::RecoveryResult;
use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};

/// Whose values are found.
const DATA: &str = "simulated people";

impl Measured for RecoveryResult {
    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for arm in &self.arms {
            for m in &arm.moments {
                let mut add = |measure: &str, estimate| {
                    figures.push(Figure::new(DATA, &arm.arm, &m.at, measure, estimate));
                };
                add("rank correlation", m.rank_correlation);
                add("top three above the average", m.top_three);
                add("sure values", m.sure);
                if let Some(right) = m.sure_right {
                    add("share of sure values that are right", right);
                }
                add("coverage of 90% intervals", m.coverage);
                add("log loss, nats", m.log_loss);
                add("log loss less the best constant's, nats", m.log_loss_less_constant);
            }
        }
        let mut at_moments = |learner: &str, measure: &str, all: &[Estimate]| {
            figures.extend(self.moments.iter().zip(all).map(|(at, e)| Figure::new(DATA, learner, at, measure, *e)));
        };
        for baseline in &self.baselines {
            at_moments(&baseline.baseline, "rank correlation", &baseline.rank_correlation);
            at_moments(&format!("all kinds less {}", baseline.baseline), "rank correlation", &baseline.ours_less_it);
        }
        at_moments("all kinds less choices alone", "rank correlation", &self.less_choices_alone);
        at_moments("ceiling less all kinds", "rank correlation", &self.below_ceiling);
        at_moments("the published start saves", "log loss, nats", &self.published_saves);
        for block in &self.blocks {
            at_moments(&format!("{} saves", block.block), "log loss, nats", &block.saves);
        }
        figures
    }
}
