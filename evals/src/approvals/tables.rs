//! The tables of learned approvals, in Markdown.

use std::fmt::Write;

use super::{ApprovalsResult, PolicyRow, QUESTION_COSTS};
use crate::estimate::Estimate;

impl ApprovalsResult {
    /// What was saved and what went wrong, whether bounds held, whether blockers were asked, and what it all costs.
    pub fn markdown(&self) -> String {
        let options = &self.options;
        let mut text = format!(
            "{} owners from seed {}, {} acts each, {} acts in the pool\n",
            options.owners, options.seed, options.acts, self.pool
        );
        self.savings(&mut text);
        self.bounds(&mut text);
        self.blockers(&mut text);
        self.losses(&mut text);
        text
    }

    fn savings(&self, text: &mut String) {
        *text += "\n| policy | approvals saved | saved in the last state | violations of refused | violations of passed |\n\
                  |---|---|---|---|---|\n";
        for row in &self.rows {
            let [saved, last] = [row.saved, row.saved_at_the_end].map(interval);
            let [refused, passed] = [row.violations_of_refused, row.violations_of_passed].map(interval);
            let _ = writeln!(text, "| {} | {saved} | {last} | {refused} | {passed} |", row.policy);
        }
    }

    fn bounds(&self, text: &mut String) {
        *text += "\n| policy | owners | bound held | missed at most (95%) | other reading held | realised share held | worst risk | passed anything | withdrawals | audit bound broken |\n\
                  |---|---|---|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            for bound in &row.bound {
                let _ = writeln!(
                    text,
                    "| {} | {} ({}) | {} | {:.3} | {} | {} | {:.3} | {} | {} | {} |",
                    row.policy,
                    bound.kind,
                    bound.owners,
                    bound.held,
                    bound.missed_at_most,
                    bound.other_reading_held,
                    bound.realised_held,
                    bound.worst_risk,
                    bound.passed_anything,
                    bound.withdrawals,
                    bound.audit_bound_broken
                );
            }
        }
    }

    fn blockers(&self, text: &mut String) {
        *text += "\n| policy | blockers asked (recall) | asked that are blockers (precision) | Ask-F1 |\n|---|---|---|---|\n";
        for row in &self.rows {
            let [recall, precision, f1] = [row.recall, row.precision, row.ask_f1].map(interval);
            let _ = writeln!(text, "| {} | {recall} | {precision} | {f1} |", row.policy);
        }
    }

    fn losses(&self, text: &mut String) {
        let costs = QUESTION_COSTS.map(|cost| cost.to_string()).join(" | ");
        let lines = "---|".repeat(QUESTION_COSTS.len());
        let _ = writeln!(text, "\n| mean loss of an act at a question's cost of | {costs} |\n|---|{lines}");
        let line = |losses: &[f64]| losses.iter().map(|loss| format!("{loss:.4}")).collect::<Vec<_>>().join(" | ");
        let means = |row: &PolicyRow| row.loss.iter().map(|loss| loss.mean).collect::<Vec<f64>>();
        for row in &self.rows {
            let _ = writeln!(text, "| {} | {} |", row.policy, line(&means(row)));
        }
        for (name, begins) in
            [("best fixed threshold, in hindsight", "fixed"), ("best learned, in hindsight", "learned")]
        {
            let those = self.rows.iter().filter(|row| row.policy.starts_with(begins)).map(means);
            let least = those.reduce(|a, b| a.iter().zip(b).map(|(a, b)| a.min(b)).collect()).unwrap_or_default();
            let _ = writeln!(text, "| {name} | {} |", line(&least));
        }
    }
}

fn interval(e: Estimate) -> String {
    format!("{:.3} ({:.3} to {:.3})", e.mean, e.low, e.high)
}
