//! The votes of an export beside the counts that it states: are they the same, or turned round?

use std::collections::BTreeMap;

use crate::ids::AlternativeId;
use crate::record::Verdict;

/// Fewer agreements and disagreements than this say nothing about which way round they are.
const VOTES_MIN: u64 = 3;

/// Agreements and disagreements by statement, and how they compare with what the export states.
#[derive(Default)]
pub(super) struct Tally {
    counted: BTreeMap<AlternativeId, [u64; 2]>,
    /// Statements with counts.
    stated: usize,
    /// Of them, those whose counts are not those of the votes.
    pub(super) different: usize,
    /// Those with more of the one by the votes and more of the other by the counts.
    pub(super) mirrored: usize,
    /// Those with more of the same by both.
    alike: usize,
    /// Agreements and disagreements on statements that are mirrored.
    votes_mirrored: u64,
}

impl Tally {
    pub(super) fn count(&mut self, alternative: AlternativeId, verdict: Verdict) {
        let counted = self.counted.entry(alternative).or_default();
        match verdict {
            Verdict::Agree => counted[0] += 1,
            Verdict::Disagree => counted[1] += 1,
            Verdict::Pass => {}
        }
    }

    /// Takes in what is stated of each statement; two with the same words are stated together. Gives whether anything is stated: an
    /// export that states nothing has zeros everywhere.
    pub(super) fn compare(&mut self, stated: impl Iterator<Item = (AlternativeId, [u64; 2])>) -> bool {
        let mut together: BTreeMap<AlternativeId, [u64; 2]> = BTreeMap::new();
        for (alternative, [agrees, disagrees]) in stated {
            let sum = together.entry(alternative).or_default();
            *sum = [sum[0].saturating_add(agrees), sum[1].saturating_add(disagrees)];
        }
        if together.values().all(|counts| *counts == [0, 0]) {
            return false;
        }
        for (alternative, stated) in together {
            let [agrees, disagrees] = self.counted.get(&alternative).copied().unwrap_or_default();
            self.stated += 1;
            self.different += usize::from([agrees, disagrees] != stated);
            match (agrees.cmp(&disagrees), stated[0].cmp(&stated[1])) {
                (ours, theirs) if ours.is_eq() || theirs.is_eq() => {}
                (ours, theirs) if ours == theirs => self.alike += 1,
                _ => {
                    self.mirrored += 1;
                    self.votes_mirrored += agrees + disagrees;
                }
            }
        }
        true
    }

    /// Whether the statements on which the two can be told apart are the other way round: all of them, or nearly all, as moderation
    /// and changed votes make a few counts differ.
    pub(super) fn is_mirrored(&self) -> bool {
        self.votes_mirrored >= VOTES_MIN && self.mirrored > 9 * self.alike
    }

    pub(super) fn note(&self) -> Option<String> {
        (self.different > 0).then(|| {
            format!(
                "the counts in comments.csv are not those of the votes for {} of {} statements ({} of them the other way round)",
                self.different, self.stated, self.mirrored
            )
        })
    }
}
