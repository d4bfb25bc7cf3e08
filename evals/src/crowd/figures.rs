//! What simulated crowds showed, as figures.

use super::{AttackResult, Growth, KindsResult};
use crate::figures::{Figure, Measured};

const CROWDS: &str = "simulated crowds";

impl Measured for AttackResult {
    fn figures(&self) -> Vec<Figure> {
        let decision = "movement of a decision's scores, of a plain mean's";
        let mut figures = vec![Figure::bare(CROWDS, "bound for one source", "", decision, self.bound)];
        for (who, moved) in [("sybils of one source", &self.sybils), ("honest minority", &self.honest_minority)] {
            figures.extend([
                Figure::new(CROWDS, who, "", decision, moved.decision),
                Figure::new(
                    CROWDS,
                    who,
                    "",
                    "movement of the population's mean, of that without caps",
                    moved.population,
                ),
                Figure::new(CROWDS, who, "", "movement of the plain mean, relative utility", moved.plain),
            ]);
        }
        figures
    }
}

impl Measured for KindsResult {
    fn figures(&self) -> Vec<Figure> {
        let options = &self.options;
        let data = format!("{} standard deviations apart", options.apart);
        let (one, less) = ("one component", "components chosen, less one component");
        let mut figures: Vec<Figure> =
            Figure::by_answers(&data, one, "log loss, nats", &options.revealed, &self.one).collect();
        let measure = "difference of log loss, nats";
        figures.extend(Figure::by_answers(&data, less, measure, &options.revealed, &self.difference));
        figures.extend(self.chosen.iter().enumerate().map(|(k, crowds)| {
            Figure::bare(
                &data,
                &format!("components: {}", k + 1),
                "",
                "crowds in which so many were chosen",
                *crowds as f64,
            )
        }));
        figures
    }
}

impl Measured for Growth {
    fn figures(&self) -> Vec<Figure> {
        let at = format!("{} people", self.people);
        let figure = |measure: &str, value| Figure::bare(CROWDS, "population", &at, measure, value);
        let mut figures = vec![
            figure("everybody's messages, s", self.messages_s),
            figure("consolidation, s", self.consolidate_s),
            figure("items, s", self.items_s),
            figure("a question, ms", self.question_ms),
            figure("a question among items, ms", self.item_question_ms),
        ];
        figures.extend(self.peak_mb.map(|mb| figure("peak memory, MB", mb)));
        figures
    }
}
