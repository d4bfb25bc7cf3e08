//! What pupils learned, as figures.

use credence_training::teaching::Curve;

use super::{Look, Pupil, TeachingReport};
use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};

const PEOPLE: &str = "held-out people";

impl Measured for TeachingReport {
    fn figures(&self) -> Vec<Figure> {
        let answers: Vec<usize> = (0..self.settings.rounds).collect();
        let mut figures = Vec::new();
        let mut add = |learner: &str, measure: &str, taught: Vec<credence_training::teaching::Estimate>| {
            let estimates: Vec<Estimate> = taught.into_iter().map(Estimate::from).collect();
            figures.extend(Figure::by_answers(PEOPLE, learner, measure, &answers, &estimates));
        };
        for (pupil, curve) in &self.curves {
            add(pupil.name(), "share right", Curve::estimates(&curve.right));
            add(pupil.name(), "share that agrees with the exact posterior", Curve::estimates(&curve.agrees));
            add(pupil.name(), "divergence from the exact posterior, nats", Curve::estimates(&curve.divergence));
        }
        for (pupil, looks) in &self.on_the_way {
            for Look { sequences, curve } in looks {
                add(
                    &format!("{} after {sequences} sequences", pupil.name()),
                    "share right",
                    Curve::estimates(&curve.right),
                );
            }
        }
        if let Some((_, curve)) = self.curves.first() {
            add("exact posterior", "share right", Curve::estimates(&curve.ceiling));
        }
        if let Some((bayesian, right)) = self.of(Pupil::Bayesian).zip(self.of(Pupil::RightAnswers)) {
            add("bayesian less right-answers", "difference of share right", bayesian.gain_over(right));
        }
        figures
    }
}
