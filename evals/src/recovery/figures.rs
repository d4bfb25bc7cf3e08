//! What recovery found, as figures.

use super::{FileMoment, FileResult, RecoveryResult};
use crate::estimate::Estimate;
use crate::figures::{Figure, Measured, after};

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
        if let Some(less) = &self.less_other_settings {
            let ours = "all kinds less those under other settings";
            at_moments(ours, "rank correlation", &less.rank_correlation);
            at_moments(ours, "sure values", &less.sure);
            at_moments(ours, "coverage of 90% intervals", &less.coverage);
            at_moments(ours, "log loss less the best constant's, nats", &less.log_loss);
        }
        figures
    }
}

impl Measured for FileResult {
    fn figures(&self) -> Vec<Figure> {
        let data = "people of a file";
        let of = |m: &FileMoment| {
            let at = after(m.answers);
            let figure = |learner: &str, measure: &str, estimate| Figure::new(data, learner, &at, measure, estimate);
            [
                figure("session", "rank correlation", m.rank_correlation),
                figure("plain logistic fit", "rank correlation", m.plain_fit),
                figure("session less plain logistic fit", "difference of rank correlation", m.ours_less_plain_fit),
                figure("session", "share predicted", m.predicted),
                figure("plain logistic fit", "share predicted", m.plain_fit_predicted),
                figure("session", "log loss, nats", m.log_loss),
            ]
        };
        self.moments.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures;

    #[test]
    fn people_of_a_file_give_figures_as_simulated_ones_do() {
        let e = |mean: f64| Estimate { mean, low: mean - 0.1, high: mean + 0.1 };
        let moment = |answers| FileMoment {
            answers,
            rank_correlation: e(0.8),
            plain_fit: e(0.6),
            ours_less_plain_fit: e(0.2),
            predicted: e(0.7),
            plain_fit_predicted: e(0.65),
            log_loss: e(0.5),
        };
        let result = FileResult { people: 3, answers: 60, unknown: 0, moments: vec![moment(10), moment(20)] };
        let figures = figures::kept(&result);
        let less = ["session less plain logistic fit", "20 answers", "difference of rank correlation"];
        let [learner, at, measure] = less;
        assert_eq!(figures::of(&figures, ["people of a file", learner, at, measure]).mean, 0.2);
        assert_eq!(figures.len(), 2 * 6);
    }
}
