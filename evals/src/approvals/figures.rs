//! What approvals saved and kept to, as figures.

use credence_priors::share::Share;

use super::{ApprovalsResult, BoundRow, PolicyRow, QUESTION_COSTS};
use crate::figures::{Figure, Measured};

impl Measured for ApprovalsResult {
    fn figures(&self) -> Vec<Figure> {
        self.rows.iter().flat_map(PolicyRow::figures).collect()
    }
}

impl Measured for PolicyRow {
    fn figures(&self) -> Vec<Figure> {
        let figure = |measure: &str, estimate| Figure::new("all owners", &self.policy, "", measure, estimate);
        let mut figures = vec![
            figure("share of acts not asked", self.saved),
            figure("share of acts that would pass in the end", self.saved_at_the_end),
            figure("share of refused acts that passed", self.violations_of_refused),
            figure("share of passed acts that would have been refused", self.violations_of_passed),
            figure("share of planted blockers that were asked", self.recall),
            figure("share of asked acts that are planted blockers", self.precision),
            figure("Ask-F1", self.ask_f1),
        ];
        let losses = QUESTION_COSTS.iter().zip(&self.loss);
        figures.extend(
            losses.map(|(cost, loss)| figure(&format!("mean loss of an act, a question costing {cost}"), *loss)),
        );
        figures.extend(self.bound.iter().flat_map(|bound| bound.figures(&self.policy)));
        figures
    }
}

impl BoundRow {
    fn figures(&self, policy: &str) -> [Figure; 6] {
        let data = format!("{} owners", self.kind);
        let share = |measure: &str, some: u64| {
            Figure::share(&data, policy, "", measure, Share::new(some as usize, self.owners as usize))
        };
        [
            share("share of owners of whom the bound held", self.held),
            share("share of owners of whom the other reading held", self.other_reading_held),
            share("share of owners of whom the realised share held", self.realised_held),
            share("share of owners for whom anything passed", self.passed_anything),
            share("share of owners of whom the bound of audits was broken", self.audit_bound_broken),
            Figure::bare(&data, policy, "", "worst risk", self.worst_risk),
        ]
    }
}
