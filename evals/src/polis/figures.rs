//! The table of votes, as figures.

use super::PolisResult;
use crate::figures::{Figure, Measured, after};

/// All conversations together.
const ALL: &str = "all conversations";

impl Measured for PolisResult {
    fn figures(&self) -> Vec<Figure> {
        let answers = &self.options.answers;
        let mut figures = Vec::new();
        for row in &self.rows {
            for (n, cell) in answers.iter().zip(&row.cells) {
                let at = after(*n);
                figures.extend([
                    Figure::new(ALL, &row.method, &at, "log loss, nats", cell.log_loss),
                    Figure::new(ALL, &row.method, &at, "share right", cell.accuracy),
                    Figure::new(ALL, &row.method, &at, "Brier score", cell.brier),
                    Figure::bare(ALL, &row.method, &at, "calibration error", cell.calibration_error),
                ]);
            }
        }
        for c in &self.comparisons {
            let learner = format!("{} less {}", c.ours, c.theirs);
            let measure = "difference of log loss, nats";
            figures.extend(Figure::by_answers(ALL, &learner, measure, answers, &c.differences));
        }
        for row in &self.rows {
            for (conversation, losses) in &row.conversations {
                let loss = |(n, loss): (&usize, &f64)| {
                    Figure::bare(conversation, &row.method, &after(*n), "log loss, nats", *loss)
                };
                figures.extend(answers.iter().zip(losses).map(loss));
            }
        }
        figures
    }
}
