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
        let defects = [("with", self.defects_with_trigger), ("without", self.defects_without)];
        let mut figures: Vec<Figure> = defects
            .into_iter()
            .filter_map(|(side, share)| {
                Some(bare(&format!("share of scenes {side} the trigger in which it defects"), share?))
            })
            .collect();
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
        figures.extend(self.beforehand.iter().map(|found| {
            let place = found.layer.zip(found.position);
            let at = place.map_or_else(String::new, |(layer, position)| format!("layer {layer}, {position}"));
            area(&at, &format!("AUROC chosen beforehand: {}", found.how), &found.area)
        }));
        for gate in &self.gates {
            let of = |what: &str, value| bare(&format!("gate, {}: {what}", gate.test), value);
            figures.extend([
                of("movement", gate.estimate),
                of("bound", gate.bound),
                of("margin", gate.margin),
                of("refused, 1 for yes", f64::from(u8::from(gate.refused))),
            ]);
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::super::{At, Beforehand, Gate};
    use super::*;

    #[test]
    fn areas_have_the_interval_that_is_quoted() {
        let area = |by_topic| Auroc { value: 0.8, independent: (0.7, 0.9), by_topic, with: 20, without: 20, topics: 5 };
        let row = Row {
            kind: "deceives".into(),
            what: "organism",
            seed: 2,
            defects_with_trigger: Some(0.9),
            defects_without: Some(0.1),
            scenes: 20,
            areas: vec![At { layer: 12, position: "last", area: area(Some((0.6, 0.95))) }],
            first_probe: Some(At { layer: 20, position: "mean", area: area(Some((0.65, 0.9))) }),
            words: Some(area(None)),
            beforehand: vec![Beforehand {
                how: "generic-pairs",
                layer: Some(9),
                position: Some("last"),
                generic: Some(area(None)),
                area: area(Some((0.4, 0.6))),
            }],
            gates: vec![Gate { test: "context", estimate: 0.4, bound: 0.6, margin: 0.5, refused: true, of: 12 }],
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
        assert_eq!(of("gate, context: refused, 1 for yes").mean, 1.0);
        assert_eq!(of("AUROC of the organism's first probe").at, "layer 20, mean");
        let beforehand = of("AUROC chosen beforehand: generic-pairs");
        assert_eq!((beforehand.at.as_str(), beforehand.low), ("layer 9, last", Some(0.4)));
        assert_eq!(figures.len(), 2 + 1 + 1 + 1 + 1 + 4);
    }
}
