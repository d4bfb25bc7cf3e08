//! What texts moved, as figures. Decisions are the same for every text, so a mean over them has no interval.

use super::{InjectionReport, Moved, WordingReport};
use crate::figures::{Figure, Measured};

impl Moved {
    fn figures(&self, data: &str) -> [Figure; 3] {
        let figure = |measure: &str, value| Figure::bare(data, &self.by, "", measure, value);
        [
            figure("mean movement, units of noise", self.mean),
            figure("largest movement, units of noise", self.most),
            figure("share of decisions turned", self.turned as f64 / self.decisions as f64),
        ]
    }
}

impl Measured for InjectionReport {
    fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = self.injections.iter().flat_map(|moved| moved.figures("injections")).collect();
        figures.extend(self.places.iter().flat_map(|moved| moved.figures("injections, by place")));
        let read = |(id, rows): &(String, usize)| Figure::bare("free text", id, "", "statements read", *rows as f64);
        figures.extend(self.free_text.iter().map(read));
        figures
    }
}

impl Measured for WordingReport {
    fn figures(&self) -> Vec<Figure> {
        let data = "the same in other words";
        let share = |who: &str, measure: &str, (some, all): (usize, usize)| {
            Figure::bare(data, who, "", measure, some as f64 / all as f64)
        };
        let mut figures: Vec<Figure> =
            [&self.paraphrases, &self.framings].into_iter().flat_map(|moved| moved.figures(data)).collect();
        figures.extend([
            share("framings", "share of decisions deferred", self.deferred),
            share("framings", "share deferred of those that a paraphrase turns", self.turned_and_deferred),
        ]);
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures;

    #[test]
    fn what_moved_is_kept_as_figures() {
        let injected = InjectionReport {
            injections: vec![Moved::of("order", &[(1.0, -1.0), (0.5, 0.5)])],
            places: vec![Moved::of("task", &[(1.0, -1.0), (0.5, 0.5)])],
            free_text: vec![("claim".into(), 2)],
        };
        let worded = WordingReport {
            paraphrases: Moved::of("paraphrases", &[(1.0, 0.5)]),
            framings: Moved::of("framings", &[(1.0, 0.25)]),
            turned_and_deferred: (0, 0),
            deferred: (1, 4),
            decisions: Vec::new(),
        };
        let figures = figures::kept(&[injected.figures(), worded.figures()].concat()[..]);
        let of = |data: &str, by: &str, measure: &str| figures::of(&figures, [data, by, "", measure]).mean;
        assert_eq!(of("injections", "order", "largest movement, units of noise"), 2.0);
        assert_eq!(of("injections, by place", "task", "share of decisions turned"), 0.5);
        assert_eq!(of("free text", "claim", "statements read"), 2.0);
        assert_eq!(of("the same in other words", "framings", "share of decisions deferred"), 0.25);
        // No paraphrase turned a decision, so there is no share of those.
        assert_eq!(figures.len(), 3 + 3 + 1 + 3 + 3 + 1);
    }
}
