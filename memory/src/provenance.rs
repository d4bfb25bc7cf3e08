//! What something was learned from: a set of (record, person) pairs, as runs of each person's evidence records.
//!
//! A run `[from, to]` stands for every evidence record that the person gave between the two, both included; records of
//! other people in between do not break it, one of the same person that is not meant does. So the form is short and exact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{PersonId, Seq};

/// A set of (record, person) pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(value_type = BTreeMap<String, Vec<[u64; 2]>>))]
#[serde(transparent)]
pub struct Provenance(BTreeMap<PersonId, Vec<Run>>);

/// Numbers of a first and a last record, both included.
pub type Run = (Seq, Seq);

impl Provenance {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One person's pairs: of `all` the evidence records they ever gave, ascending, those that `taken` selects.
    pub fn of(person: &PersonId, all: impl IntoIterator<Item = Seq>, taken: impl Fn(Seq) -> bool) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut open = false;
        for seq in all {
            let is_in = taken(seq);
            match runs.last_mut() {
                Some((_, to)) if is_in && open => *to = seq,
                _ if is_in => runs.push((seq, seq)),
                _ => {}
            }
            open = is_in;
        }
        let mut new = Self::new();
        if !runs.is_empty() {
            new.0.insert(person.clone(), runs);
        }
        new
    }

    /// Adds all pairs of another.
    pub fn unite(&mut self, other: &Provenance) {
        for (person, runs) in &other.0 {
            let ours = self.0.entry(person.clone()).or_default();
            ours.extend_from_slice(runs);
            ours.sort_unstable();
            // Overlapping runs become one; those with records between them stay apart.
            let mut merged: Vec<Run> = Vec::with_capacity(ours.len());
            for run in ours.drain(..) {
                match merged.last_mut() {
                    Some((_, to)) if run.0 <= *to => *to = run.1.max(*to),
                    _ => merged.push(run),
                }
            }
            *ours = merged;
        }
    }

    /// Whether it has a pair.
    pub fn contains(&self, person: &PersonId, seq: Seq) -> bool {
        let runs = self.runs(person);
        let after = runs.partition_point(|(from, _)| *from <= seq);
        after > 0 && seq <= runs[after - 1].1
    }

    /// Everyone in it.
    pub fn people(&self) -> impl Iterator<Item = &PersonId> {
        self.0.keys()
    }

    /// A person's runs, ascending; none for someone who is not in it.
    pub fn runs(&self, person: &PersonId) -> &[Run] {
        self.0.get(person).map_or(&[], Vec::as_slice)
    }

    /// Everyone with their runs.
    pub fn iter(&self) -> impl Iterator<Item = (&PersonId, &[Run])> {
        self.0.iter().map(|(person, runs)| (person, runs.as_slice()))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Of a person's records, exactly those taken are in it, also in a union; and it is read back.
        #[test]
        fn it_holds_exactly_what_was_taken(
            theirs in prop::collection::btree_set(1u64..60, 0..30),
            first in prop::collection::btree_set(1u64..60, 0..30),
            second in prop::collection::btree_set(1u64..60, 0..30),
        ) {
            let ada = PersonId::new("ada").unwrap();
            let of = |taken: &BTreeSet<u64>| Provenance::of(&ada, theirs.iter().map(|n| Seq(*n)), |s| taken.contains(&s.0));
            let mut united = of(&first);
            united.unite(&of(&second));
            let expected: BTreeSet<u64> =
                theirs.iter().filter(|n| first.contains(n) || second.contains(n)).copied().collect();
            let found: BTreeSet<u64> = theirs.iter().filter(|n| united.contains(&ada, Seq(**n))).copied().collect();
            prop_assert_eq!(&found, &expected);
            prop_assert!(united.runs(&ada).windows(2).all(|w| w[0].1 < w[1].0));
            let json = serde_json::to_string(&united).unwrap();
            prop_assert_eq!(serde_json::from_str::<Provenance>(&json).unwrap(), united);
        }
    }
}
