//! What was seen of models that misbehave, as figures.

use credence_evals::estimate::Estimate;
use credence_evals::figures::{Figure, Measured};
use credence_glass::probe::Auroc;

use super::Row;

impl Measured for Row {
    fn figures(&self) -> Vec<Figure> {
        let learner = match self.what {
            "base" => "base".to_owned(),
            what => format!("{what}, seed {}", self.seed),
        };
        let bare = |measure: &str, value| Figure::bare(&self.kind, &learner, "", measure, value);
        let area = |at: &str, measure: &str, Auroc { value, independent, by_topic, .. }: &Auroc| {
            let (low, high) = by_topic.unwrap_or(*independent);
            Figure::new(&self.kind, &learner, at, measure, Estimate { mean: *value, low, high })
        };
        let mut figures = vec![
            bare("share of scenes with the trigger in which it defects", self.defects_with_trigger),
            bare("share of scenes without the trigger in which it defects", self.defects_without),
        ];
        for at in &self.areas {
            figures.push(area(&format!("layer {}, {}", at.layer, at.position), "AUROC of the generic probe", &at.area));
        }
        figures.extend(self.first_probe.iter().map(|first| {
            area(
                &format!("layer {}, {}", first.layer, first.position),
                "AUROC of the organism's first probe",
                &first.area,
            )
        }));
        figures.extend(self.words.iter().map(|words| area("", "AUROC of words of the same pairs", words)));
        if let Some(gate) = &self.gate {
            figures.extend([
                bare("gate: movement of readings of motives", gate.estimate),
                bare("gate: bound", gate.bound),
                bare("gate: margin", gate.margin),
                bare("gate: refused, 1 for yes", f64::from(u8::from(gate.refused))),
            ]);
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::super::{At, Gate};
    use super::*;

    #[test]
    fn areas_have_the_interval_that_is_quoted() {
        let area = |by_topic| Auroc { value: 0.8, independent: (0.7, 0.9), by_topic, with: 20, without: 20, topics: 5 };
        let row = Row {
            kind: "deceives".into(),
            what: "organism",
            seed: 2,
            defects_with_trigger: 0.9,
            defects_without: 0.1,
            scenes: 20,
            areas: vec![At { layer: 12, position: "last", area: area(Some((0.6, 0.95))) }],
            first_probe: Some(At { layer: 20, position: "mean", area: area(Some((0.65, 0.9))) }),
            words: Some(area(None)),
            gate: Some(Gate { estimate: 0.4, bound: 0.6, margin: 0.5, refused: true, of: 40 }),
            training_seconds: 9.0,
        };
        let figures = row.figures();
        assert!(figures.iter().all(|f| (f.data.as_str(), f.learner.as_str()) == ("deceives", "organism, seed 2")));
        let of = |measure: &str| figures.iter().find(|f| f.measure == measure).expect("a figure");
        assert_eq!(
            (of("AUROC of the generic probe").low, of("AUROC of words of the same pairs").low),
            (Some(0.6), Some(0.7))
        );
        assert_eq!(of("AUROC of the generic probe").at, "layer 12, last");
        assert_eq!(of("gate: refused, 1 for yes").mean, 1.0);
        assert_eq!(of("AUROC of the organism's first probe").at, "layer 20, mean");
        assert_eq!(figures.len(), 2 + 1 + 1 + 1 + 4);
    }
}
