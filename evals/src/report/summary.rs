//! The report's summary of a grid, as figures: every start under every learner, means over people.

use super::groups::{Group, baseline, group};
use crate::estimate::Estimate;
use crate::experiment::{LearnerKind, Measure};
use crate::figures::{Figure, Measured, after};
use crate::results::Results;
use credence_priors::share::Share;

/// What a figure is called, and which it is.
type Told = (&'static str, fn(&Measure) -> f64);

/// What is told of the last moment beside the excess and the share right, which are told of all.
const AT_THE_END: [Told; 6] = [
    ("Brier score above who knows the person", |m| m.excess_brier),
    ("calibration error", |m| m.calibration_error),
    ("angle to the person's values, degrees", |m| m.angle_degrees.unwrap_or(90.0)),
    ("regret, units of the person's signal", |m| m.regret),
    ("coverage of 90% intervals", |m| m.coverage),
    ("loss behind the best hypothesis, nats", |m| m.nats_behind_best),
];

impl Measured for Results {
    fn figures(&self) -> Vec<Figure> {
        let groups = group(&self.runs);
        let is_mixture = |g: &&Group<'_>| g.cell.learner == LearnerKind::Mixture;
        groups.iter().flat_map(|g| of(g, Some(g).filter(is_mixture).and_then(|g| baseline(&groups, g)))).collect()
    }
}

fn of(group: &Group<'_>, baseline: Option<&Group<'_>>) -> Vec<Figure> {
    let data = format!("{}; questions by {}", group.person(), group.cell.strategy_name());
    let learner = format!("{}, {}", group.cell.learner.name(), group.start());
    let mut figures = Vec::new();
    let at = |k: usize| after(group.runs[0].measures[k].answers);
    for k in 0..=group.last() {
        let excess = group.values(k, |m| m.excess_nats);
        let mut add = |measure: &str, estimate| figures.push(Figure::new(&data, &learner, &at(k), measure, estimate));
        add("excess log loss, nats", Estimate::bootstrap(&excess, 1));
        add("share right", group.at(k, |m| m.accuracy));
        if let Some(baseline) = baseline {
            let theirs = baseline.values(k, |m| m.excess_nats);
            add("excess log loss less the single prior's, nats", Estimate::paired(&excess, &theirs, 1));
        }
    }
    let last = group.last();
    figures.extend(
        AT_THE_END.map(|(measure, part)| Figure::new(&data, &learner, &at(last), measure, group.at(last, part))),
    );
    let converged = Share::new(group.converged(), group.runs.len());
    figures.push(Figure::share(&data, &learner, "", "share converged", converged));
    let needed = group.answers_needed().map(|n| Figure::bare(&data, &learner, "", "median answers needed", n as f64));
    figures.extend(needed);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{BUILT_IN, Experiment};
    use crate::figures;

    #[test]
    fn the_summary_of_a_grid_is_kept_as_figures() -> Result<(), Box<dyn std::error::Error>> {
        let (_, file) = BUILT_IN[0];
        let mut experiment = Experiment::parse(file)?;
        experiment.seeds.truncate(2);
        experiment.prior[0].angle_degrees.truncate(1);
        experiment.prior[0].confidence.truncate(1);
        let runs = experiment.cells().iter().map(|cell| experiment.run(cell)).collect::<Result<Vec<_>, _>>()?;
        let results = Results { provenance: crate::experiment::Provenance::of(file), runs };
        let figures = figures::kept(&results);
        let first = group(&results.runs);
        let (group, last) = (&first[0], first[0].last());
        let learner = format!("{}, {}", group.cell.learner.name(), group.start());
        let data = format!("{}; questions by {}", group.person(), group.cell.strategy_name());
        let at = after(group.runs[0].measures[last].answers);
        let kept = figures::of(&figures, [&data, &learner, &at, "excess log loss, nats"]);
        let values: Vec<f64> = group.runs.iter().map(|run| run.measures[last].excess_nats).collect();
        assert!((kept.mean - values.iter().sum::<f64>() / values.len() as f64).abs() < 1e-12, "{kept:?}");
        assert_eq!((group.runs.len(), first.len()), (2, 2), "both learners, two people each");
        let less = figures::of(&figures, [&data, &learner, &at, "excess log loss less the single prior's, nats"]);
        assert!(less.low.is_some_and(|low| low <= less.mean), "{less:?}");
        Ok(())
    }
}
