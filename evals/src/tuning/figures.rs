//! What fine-tuning did to the model's own prior, as figures.

use super::{Examined, TuningResult};
use crate::figures::{Figure, Measured, after};

impl Measured for TuningResult {
    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for round in &self.rounds {
            let at = after(round.answers);
            let candidate = format!("candidate of round {}", round.round);
            if let Some(Examined { known, newcomers, base, right }) = &round.examined {
                let less = "log score of the prior alone less the base model's, nats";
                let share = "share of answers given more than a half";
                figures.extend([
                    Figure::new("people who answered", &candidate, &at, less, *known),
                    Figure::new("newcomers", &candidate, &at, less, *newcomers),
                    Figure::bare("everybody", "base model", &at, "log score of the prior alone, nats", *base),
                    Figure::bare("everybody", "base model", &at, share, right[0]),
                    Figure::bare("everybody", &candidate, &at, share, right[1]),
                ]);
            }
            // A bound is one-sided and of the gate's own level, so it is no end of a 95% interval.
            for test in round.judgement.iter().flat_map(|judgement| &judgement.tests) {
                let gate = |measure: &str, value| {
                    Figure::bare(&format!("gate: {}", test.test), &candidate, &at, measure, value)
                };
                figures.extend([
                    gate("mean difference", test.estimate),
                    gate("bound", test.bound),
                    gate("margin", test.margin),
                ]);
            }
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use credence_tuning::gate::{GateOutcome, Judgement, Test, TestResult, Unit};
    use credence_tuning::schedule::{Decision, Start, Why};

    use super::super::{Round, TuningExperiment};
    use super::*;
    use crate::estimate::Estimate;
    use crate::figures;

    #[test]
    fn a_round_gives_its_examination_and_what_the_gate_saw() {
        let gain = TestResult { test: Test::Motives, estimate: 0.1, bound: 0.3, margin: 0.5, of: 40, passed: true };
        let round = Round {
            round: 2,
            answers: 480,
            decision: Decision::Train { start: Start::Base, because: Why::Interrupted },
            judgement: Some(Judgement {
                verdict: GateOutcome::Accepted,
                turn: 1,
                level: 0.05,
                unit: Unit::Answer,
                tests: vec![gain],
            }),
            promoted: true,
            examined: Some(Examined {
                known: Estimate { mean: 0.2, low: 0.1, high: 0.3 },
                newcomers: Estimate { mean: 0.0, low: -0.1, high: 0.1 },
                base: -0.6,
                right: [0.7, 0.75],
            }),
        };
        let waited =
            Round { round: 1, answers: 240, judgement: None, examined: None, promoted: false, ..round.clone() };
        let experiment = TuningExperiment::default();
        let result = TuningResult { experiment, rounds: vec![waited, round], rolled_back_clean: Some(true) };
        let figures = figures::kept(&result);
        assert_eq!(figures.len(), 5 + 3);
        let candidate = "candidate of round 2";
        let less = "log score of the prior alone less the base model's, nats";
        let newcomers = figures::of(&figures, ["newcomers", candidate, "480 answers", less]);
        assert_eq!((newcomers.mean, newcomers.low), (0.0, Some(-0.1)));
        let gate = format!("gate: {}", Test::Motives);
        let bound = figures::of(&figures, [&gate, candidate, "480 answers", "bound"]);
        assert_eq!((bound.mean, bound.high), (0.3, None));
    }
}
