//! How a start fared, as figures.

use super::StartResult;
use crate::estimate::Estimate;
use crate::figures::{Figure, Measured, after};

/// Quantiles of the angles between the prior and people.
const QUANTILES: [(f64, &str); 3] = [(0.1, "tenth"), (0.5, "half"), (0.9, "nine tenths")];

impl Measured for StartResult {
    fn figures(&self) -> Vec<Figure> {
        let (data, answers) = (&self.what, &self.options.answers);
        let mut figures = vec![Figure::new(data, "who knows the person", "", "log loss, nats", self.ceiling)];
        for row in &self.rows {
            let mut each = |measure: &str, estimates: &[Estimate]| {
                figures.extend(Figure::by_answers(data, &row.learner, measure, answers, estimates));
            };
            each("log loss, nats", &row.log_loss);
            each("log loss above who knows the person, nats", &row.excess);
            each("log loss less the flat start's, nats", &row.difference);
            let needed = row.answers_needed.map(|n| Figure::bare(data, &row.learner, "", "answers needed", n as f64));
            figures.extend(needed);
        }
        let mut own = |measure: &str, value| figures.push(Figure::bare(data, &self.model, &after(0), measure, value));
        for (share, name) in QUANTILES {
            own(&format!("angle to people's values within which {name} lie, degrees"), self.angle(share));
        }
        own("share of its judgement that features explain", self.prior.r2);
        own("confidence of the prior", self.prior.confidence);
        for ((feature, mean), sd) in self.features.iter().zip(&self.prior.mean).zip(&self.prior.sd) {
            own(&format!("prior weight of {feature}"), *mean);
            own(&format!("standard deviation of the prior weight of {feature}"), *sd);
        }
        let median = "angle to people's values within which half lie, degrees";
        let angle = |(library, angle): (&crate::library::LibraryStart, &f64)| {
            Figure::bare(data, &library.name, &after(0), median, *angle)
        };
        figures.extend(self.libraries.iter().zip(&self.library_angles_degrees).map(angle));
        figures
    }
}
