//! Runs that differ in the seed only, and what is said of them together.

use crate::estimate::Estimate;
use crate::experiment::{Cell, LearnerKind, Measure, Run};
use crate::survival::{Survival, Time};

/// Runs of one point of the grid, one for each seed.
pub(super) struct Group<'a> {
    pub(super) cell: &'a Cell,
    pub(super) runs: Vec<&'a Run>,
}

/// Groups runs, which stand in the order of the grid.
pub(super) fn group(runs: &[Run]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for run in runs {
        let same = |g: &&mut Group<'_>| Cell { seed: run.cell.seed, ..g.cell.clone() } == run.cell;
        match groups.last_mut().filter(same) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group { cell: &run.cell, runs: vec![run] }),
        }
    }
    groups
}

/// When each run got there; those that did not are censored at their last measurement.
pub(super) fn times<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<Time> {
    let time = |run: &Run| match run.answers_needed {
        Some(answers) => Time { answers, reached: true },
        None => Time { answers: run.measures.last().map_or(0, |m| m.answers), reached: false },
    };
    runs.into_iter().map(time).collect()
}

impl Group<'_> {
    /// Median answers needed by Kaplan and Meier's estimate; nothing when fewer than half got there.
    pub(super) fn answers_needed(&self) -> Option<usize> {
        Survival::estimate(&times(self.runs.iter().copied())).median()
    }

    pub(super) fn converged(&self) -> usize {
        self.runs.iter().filter(|r| r.answers_needed.is_some()).count()
    }

    /// Median over people of the answers from which the bound promises the target; nothing when for half it never does.
    pub(super) fn bound(&self) -> Option<usize> {
        let mut all: Vec<usize> = self.runs.iter().map(|r| r.bound_answers.unwrap_or(usize::MAX)).collect();
        all.sort_unstable();
        Some(all[all.len() / 2]).filter(|n| *n != usize::MAX)
    }

    /// A measure at the `k`-th moment, one value for each person.
    pub(super) fn values(&self, k: usize, part: impl Fn(&Measure) -> f64) -> Vec<f64> {
        self.runs.iter().map(|r| part(&r.measures[k])).collect()
    }

    pub(super) fn at(&self, k: usize, part: impl Fn(&Measure) -> f64) -> Estimate {
        Estimate::bootstrap(&self.values(k, part), 1)
    }

    /// The last moment.
    pub(super) fn last(&self) -> usize {
        self.runs[0].measures.len() - 1
    }

    pub(super) fn floor(&self) -> f64 {
        self.runs.iter().map(|r| r.floor_nats).sum::<f64>() / self.runs.len() as f64
    }

    pub(super) fn start(&self) -> String {
        let c = self.cell;
        format!("{}: {}°, confidence {}", c.prior, c.angle_degrees, c.confidence)
    }

    pub(super) fn person(&self) -> String {
        format!("{}, signal {}", self.cell.person, self.cell.signal)
    }
}

/// The single prior from the same start, with the same people: what a mixture is shown beside.
pub(super) fn baseline<'g, 'a>(groups: &'g [Group<'a>], ours: &Group<'_>) -> Option<&'g Group<'a>> {
    let other = Cell { learner: LearnerKind::SinglePrior, ..ours.cell.clone() };
    groups.iter().find(|g| *g.cell == other)
}

/// Whether two cells belong on one panel: the same person, signal and strategy.
pub(super) fn same_panel(a: &Cell, b: &Cell) -> bool {
    a.person == b.person && a.signal == b.signal && a.strategy == b.strategy
}

/// Groups by panel, in order of first appearance.
pub(super) fn panels<'g, 'a>(groups: &'g [Group<'a>]) -> Vec<Vec<&'g Group<'a>>> {
    let mut out: Vec<Vec<&Group<'_>>> = Vec::new();
    for g in groups {
        match out.iter_mut().find(|panel| same_panel(panel[0].cell, g.cell)) {
            Some(panel) => panel.push(g),
            None => out.push(vec![g]),
        }
    }
    out
}
