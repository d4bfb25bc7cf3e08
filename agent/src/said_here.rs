//! What a person said of the very alternatives of a decision: it counts for that decision, whatever is believed of their values.
//!
//! Belief learns from such an answer as from any other, and a single one moves weights little. But whoever was asked "this or that?"
//! for a decision has decided between the two.

use std::collections::BTreeMap;

use credence_memory::evidence::{DescriptionIndex, Form};
use credence_memory::ids::{AlternativeId, PersonId, Seq};
use credence_memory::state::State;

/// What was said of the alternatives of a decision, by their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SaidHere {
    /// By pair, the smaller place first: which place was preferred (none: no preference), and the record.
    pairs: BTreeMap<(usize, usize), (Option<usize>, Seq)>,
}

impl SaidHere {
    /// What `person` said last of each pair of these alternatives, by answers and corrections that count.
    pub(crate) fn of(state: &State, person: &PersonId, alternatives: &[AlternativeId]) -> Self {
        let place = |index: DescriptionIndex| {
            let alternative = state.descriptions().get(index as usize)?.alternative;
            alternatives.iter().position(|a| *a == alternative)
        };
        let mut pairs = BTreeMap::new();
        for evidence in state.person(person).into_iter().flat_map(|p| p.evidence()) {
            let (pair, preferred) = match &evidence.form {
                Form::Choice { pair, chosen, .. } => (pair, chosen.map(usize::from)),
                Form::Indirect { pair, .. } => (pair, Some(0)),
                Form::Order { .. } | Form::Verdict { .. } | Form::Rating { .. } | Form::Importance { .. } => continue,
            };
            let (Some(first), Some(second)) = (place(pair[0]), place(pair[1])) else { continue };
            let preferred = preferred.map(|which| if which == 0 { first } else { second });
            pairs.insert((first.min(second), first.max(second)), (preferred, evidence.seq));
        }
        Self { pairs }
    }

    /// Of `count` alternatives, those that nothing else was preferred to; all of them if what was said runs in a circle.
    pub(crate) fn left(&self, count: usize) -> Vec<usize> {
        let is_beaten = |place: usize| {
            let beats = |((a, b), (preferred, _)): (&(usize, usize), &(Option<usize>, Seq))| {
                (*a == place || *b == place) && preferred.is_some_and(|preferred| preferred != place)
            };
            self.pairs.iter().any(beats)
        };
        let left: Vec<usize> = (0..count).filter(|place| !is_beaten(*place)).collect();
        if left.is_empty() { (0..count).collect() } else { left }
    }

    /// Whether the person has no preference between any two of these places.
    pub(crate) fn are_alike(&self, places: &[usize]) -> bool {
        let alike = |a: usize, b: usize| self.pairs.get(&(a.min(b), a.max(b))).is_some_and(|(p, _)| p.is_none());
        places.iter().enumerate().all(|(i, a)| places[i + 1..].iter().all(|b| alike(*a, *b)))
    }

    /// Whether this pair was spoken of.
    pub(crate) fn has(&self, a: usize, b: usize) -> bool {
        self.pairs.contains_key(&(a.min(b), a.max(b)))
    }

    /// The records, in the order of the log.
    pub(crate) fn records(&self) -> Vec<Seq> {
        let mut records: Vec<Seq> = self.pairs.values().map(|(_, seq)| *seq).collect();
        records.sort_unstable();
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(usize, usize, Option<usize>)]) -> SaidHere {
        SaidHere { pairs: pairs.iter().map(|(a, b, p)| ((*a, *b), (*p, Seq(7)))).collect() }
    }

    #[test]
    fn what_was_passed_over_is_out_and_a_circle_puts_nothing_out() {
        assert_eq!(said(&[]).left(3), [0, 1, 2]);
        assert_eq!(said(&[(0, 1, Some(1))]).left(3), [1, 2]);
        assert_eq!(said(&[(0, 1, Some(1)), (1, 2, Some(1))]).left(3), [1]);
        assert_eq!(said(&[(0, 1, Some(0)), (1, 2, Some(1)), (0, 2, Some(2))]).left(3), [0, 1, 2]);
    }

    #[test]
    fn no_preference_makes_alike() {
        let all = said(&[(0, 1, None), (1, 2, Some(1))]);
        assert!(all.are_alike(&all.left(3)) && all.has(1, 0) && !all.has(0, 2));
        assert!(!said(&[]).are_alike(&[0, 1]) && said(&[]).are_alike(&[1]));
    }
}
