//! Nobody takes a population over: what a source may count for, who influences what, and who answers oddly
//! (docs/people.md, section 7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PopulationError;
use super::items::Answers;

/// Share of all people that one source counts for at most, unless it is the only one.
pub const SOURCE_CAP: f64 = 0.03;
/// Share of the people that counts at least, however few sources there are.
const KEPT: f64 = 0.75;
/// Answers two people must have in common before they can count as copies.
const COPY_MIN: usize = 10;
/// Share of the answers in common that copies give alike.
const COPY_SHARE: f64 = 0.97;
/// Answers before somebody can count as always agreeing or disagreeing, and the probability that it is chance.
const UNIFORM_MIN: usize = 10;
const CHANCE_MAX: f64 = 1e-3;

/// What each person counts for: 1, or less where their source has more people than it may count for. A source counts for
/// at most `t` people, `t = max(1, cap n)` out of `n`, or more where otherwise less than three quarters of the people would
/// count: so nobody's share grows by more than a third: equation (17). A cap of 1 binds nobody.
///
/// # Errors
/// A cap outside (0, 1].
pub fn source_weights<S: Ord>(sources: &[S], cap: f64) -> Result<Vec<f64>, PopulationError> {
    if !(cap > 0.0 && cap <= 1.0) {
        return Err(PopulationError::Options { what: "a source cap in (0, 1]" });
    }
    let mut sizes: BTreeMap<&S, f64> = BTreeMap::new();
    sources.iter().for_each(|s| *sizes.entry(s).or_default() += 1.0);
    if sizes.len() < 2 {
        return Ok(vec![1.0; sources.len()]);
    }
    let n = sources.len() as f64;
    let mut sorted: Vec<f64> = sizes.values().copied().collect();
    sorted.sort_by(f64::total_cmp);
    // The least level at which the sources, each cut off there, keep enough people.
    let (mut below, mut level) = (0.0, sorted[sorted.len() - 1]);
    for (i, size) in sorted.iter().enumerate() {
        let needed = (KEPT * n - below) / (sorted.len() - i) as f64;
        if needed <= *size {
            level = needed;
            break;
        }
        below += size;
    }
    let allowed = level.max(cap * n).max(1.0);
    Ok(sources.iter().map(|s| (allowed / sizes[s]).min(1.0)).collect())
}

/// The most that a source of `from` people among `all` can move a weighted mean of numbers in [0, 1], as a share of what it
/// moves the plain mean: the bound of equation (18), when no other source is capped and the others are three quarters of all.
pub fn movement_bound(from: f64, all: f64, cap: f64) -> f64 {
    let counted = from.min((cap * all).max(1.0));
    let rest = all - from;
    (counted / (counted + rest)) / (from / all)
}

/// Something about a person's answers that is worth a look. A flag, not a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "flag")]
pub enum Flag {
    /// Answers nearly all alike with another person's.
    Copies {
        /// The other's place.
        of: usize,
        /// Answers in common.
        common: usize,
        /// How many of them alike.
        alike: usize,
        /// Probability of so many by chance, if each answered as people do.
        chance: f64,
    },
    /// Always agreed.
    AlwaysAgrees {
        /// Answers.
        answers: usize,
        /// Probability that it is chance.
        chance: f64,
    },
    /// Always disagreed.
    AlwaysDisagrees {
        /// Answers.
        answers: usize,
        /// Probability that it is chance.
        chance: f64,
    },
}

/// Flags by person's place.
pub fn flags(answers: &Answers) -> BTreeMap<usize, Vec<Flag>> {
    let mut people: Vec<Vec<(u32, bool)>> = vec![Vec::new(); answers.people()];
    let mut counts = vec![(1.0, 2.0); answers.items()];
    for a in answers.answers() {
        people[a.person as usize].push((a.item, a.agrees));
        let count = &mut counts[a.item as usize];
        count.0 += f64::from(u8::from(a.agrees));
        count.1 += 1.0;
    }
    let rate = |item: u32| counts[item as usize].0 / counts[item as usize].1;
    let mut flags: BTreeMap<usize, Vec<Flag>> = BTreeMap::new();
    for (person, own) in people.iter_mut().enumerate() {
        own.sort_unstable();
        let agreed = own.iter().filter(|(_, a)| *a).count();
        let n = own.len();
        let chance = |agrees: bool| -> f64 {
            own.iter().map(|(item, _)| if agrees { rate(*item) } else { 1.0 - rate(*item) }).product()
        };
        if n >= UNIFORM_MIN && agreed == n && chance(true) < CHANCE_MAX {
            flags.entry(person).or_default().push(Flag::AlwaysAgrees { answers: n, chance: chance(true) });
        }
        if n >= UNIFORM_MIN && agreed == 0 && chance(false) < CHANCE_MAX {
            flags.entry(person).or_default().push(Flag::AlwaysDisagrees { answers: n, chance: chance(false) });
        }
    }
    copies(&people, &rate, &mut flags);
    flags
}

/// Pairs with the same first answers are compared: people who copy share most of their answers, so a window over people
/// ordered by their answers to the items most answered finds them without comparing all with all.
fn copies(people: &[Vec<(u32, bool)>], rate: &dyn Fn(u32) -> f64, flags: &mut BTreeMap<usize, Vec<Flag>>) {
    const WINDOW: usize = 8;
    let mut forward: Vec<usize> = (0..people.len()).filter(|p| people[*p].len() >= COPY_MIN).collect();
    let mut backward = forward.clone();
    forward.sort_by(|a, b| people[*a].cmp(&people[*b]).then(a.cmp(b)));
    backward.sort_by(|a, b| people[*a].iter().rev().cmp(people[*b].iter().rev()).then(a.cmp(b)));
    let mut found: BTreeMap<usize, Flag> = BTreeMap::new();
    // Bonferroni over the pairs that are looked at.
    let pairs = (2 * WINDOW * forward.len()).max(1) as f64;
    for order in [forward, backward] {
        for (i, &one) in order.iter().enumerate() {
            for &other in order[i + 1..].iter().take(WINDOW) {
                let (mut common, mut alike, mut chance_ln, mut expected) = (0usize, 0usize, 0.0, 0.0);
                let (mut a, mut b) = (people[one].iter().peekable(), people[other].iter().peekable());
                while let (Some(&&(x, left)), Some(&&(y, right))) = (a.peek(), b.peek()) {
                    match x.cmp(&y) {
                        std::cmp::Ordering::Less => drop(a.next()),
                        std::cmp::Ordering::Greater => drop(b.next()),
                        std::cmp::Ordering::Equal => {
                            let p = rate(x);
                            let same = p * p + (1.0 - p) * (1.0 - p);
                            common += 1;
                            expected += same;
                            if left == right {
                                alike += 1;
                                chance_ln += libm::log(same);
                            } else {
                                chance_ln += libm::log(1.0 - same);
                            }
                            a.next();
                            b.next();
                        }
                    }
                }
                if common < COPY_MIN || (alike as f64) < COPY_SHARE * common as f64 || alike as f64 <= expected {
                    continue;
                }
                let chance = (libm::exp(chance_ln) * pairs).min(1.0);
                if chance < CHANCE_MAX {
                    for (who, of) in [(one, other), (other, one)] {
                        found.entry(who).or_insert(Flag::Copies { of, common, alike, chance });
                    }
                }
            }
        }
    }
    for (who, flag) in found {
        flags.entry(who).or_default().push(flag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Answer;

    #[test]
    fn a_source_counts_for_no_more_than_its_cap() {
        let sources: Vec<u32> = (0..80).chain([99; 20]).collect();
        let weights = source_weights(&sources, 0.03).expect("a sound cap");
        assert_eq!(weights[..80], [1.0; 80]);
        let sybils: f64 = weights[80..].iter().sum();
        assert!((sybils - 3.0).abs() < 1e-9);
        let bound = movement_bound(20.0, 100.0, 0.03);
        assert!((bound - (3.0 / 83.0) / 0.2).abs() < 1e-12 && bound < 0.2);
        assert_eq!(source_weights(&["file"; 5], 0.03).expect("a sound cap"), [1.0; 5], "the only source is not capped");
        assert!(source_weights(&["a", "b"], 0.0).is_err());
        // Two people beside an import of 25: it is not silenced, and the two do not speak for it.
        let two: Vec<u32> = std::iter::repeat_n(1, 25).chain([2, 2]).collect();
        let weights = source_weights(&two, 0.03).expect("a sound cap");
        assert!((weights.iter().sum::<f64>() - 0.75 * 27.0).abs() < 1e-9 && weights[26] == 1.0, "{weights:?}");
    }

    #[test]
    fn copies_and_uniform_answerers_are_flagged_and_others_are_not() {
        // 40 people, 24 items half of whom are agreed with, by a fixed scramble; 38 copies 3; 39 always agrees.
        let answer = |person: u32, item: u32| (person.wrapping_mul(2_654_435_761) >> (item + 7)) & 1 == 1;
        let mut answers = Vec::new();
        for person in 0..40u32 {
            for item in 0..24 {
                let agrees = match person {
                    38 => answer(3, item),
                    39 => true,
                    _ => answer(person + 1, item),
                };
                answers.push(Answer { person, item, agrees });
            }
        }
        // 38 copies what person 2 says.
        let answers = Answers::new(40, vec![Vec::new(); 24], answers).expect("sound answers");
        let flags = flags(&answers);
        assert!(matches!(flags[&38][..], [Flag::Copies { of: 2, common: 24, alike: 24, .. }]), "{flags:?}");
        assert!(flags[&39].iter().any(|f| matches!(f, Flag::AlwaysAgrees { answers: 24, .. })), "{flags:?}");
        let flagged: Vec<usize> = flags.keys().copied().collect();
        assert_eq!(flagged, [2, 38, 39], "{flags:?}");
    }
}
