//! Groups of people who answer alike: how many, who, what unites and what divides them (docs/people.md, section 5).
//!
//! Groups must earn their place: a number of groups counts only by how well it predicts answers that were held out.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};
use statrs::statistics::Distribution;

use super::PopulationError;
use super::items::Answers;
use crate::belief::simulate::{below, uniform};

/// How groups are looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupOptions {
    /// The most groups.
    pub groups_max: usize,
    /// Parts into which answers are dealt; each is held out once.
    pub folds: usize,
    /// Starts of each fit; the best counts.
    pub starts: usize,
    /// Rounds of expectation maximisation.
    pub rounds: usize,
    /// Answers that everyone's rate of an item counts for in a group.
    pub shrinkage: f64,
    /// Resamples of people for the probabilities of numbers of groups.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self { groups_max: 5, folds: 5, starts: 4, rounds: 60, shrinkage: 3.0, resamples: 1000, seed: 1 }
    }
}

/// How well one number of groups predicts held-out answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GroupNumber {
    /// How many.
    pub groups: usize,
    /// Probability that this number predicts best: over resamples of people.
    pub probability: f64,
    /// Mean log loss of held-out answers, nats.
    pub log_loss: f64,
    /// That less the loss of one group, with a 95% interval over people.
    pub less_one_group: [f64; 3],
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    /// Every number that was tried.
    pub numbers: Vec<GroupNumber>,
    /// Share of people in each group of the number that was taken, largest first.
    pub shares: Vec<f64>,
    /// Probability of each group, by person.
    pub membership: Vec<Vec<f64>>,
    /// Probability that somebody of a group agrees, by group and item.
    pub agreement: Vec<Vec<f64>>,
    /// The same for everyone, each person counting as their weight says.
    pub overall: Vec<f64>,
    /// Answers given to each item.
    pub answers: Vec<usize>,
    /// Agreements among them.
    pub agreements: Vec<usize>,
    /// What is sure of each item.
    pub sure: Vec<Sure>,
    /// How far agreement in a group is from that of all others at least, with probability .95, by group and item; below zero
    /// where it may be the same. Empty in one group.
    pub apart: Vec<Vec<f64>>,
    /// Agreements and disagreements with each item in each group, each by the probability that who gave it is of the group.
    pub counted: Vec<Vec<[f64; 2]>>,
}

/// How much of uniting and dividing is sure, given how many have answered: with probability .95 it is that much or more. A
/// statement that one person agreed with is sure of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sure {
    /// What every group agrees to, or disagrees with, at least: see [`Groups::unites`].
    pub unites: f64,
    /// How far apart two groups are at least; in one group, how near to half and half at least: see [`Groups::divides`].
    pub divides: f64,
}

/// A fitted mixture of groups.
struct Fit {
    shares: Vec<f64>,
    agreement: Vec<Vec<f64>>,
    log_posterior: f64,
}

/// One person's answers: item and whether they agreed.
type Own = Vec<(u32, bool)>;

fn rates(people: &[Own], weights: &[f64], items: usize) -> Vec<f64> {
    let (mut yes, mut all) = (vec![0.0; items], vec![0.0; items]);
    for (own, weight) in people.iter().zip(weights) {
        for &(item, agrees) in own {
            yes[item as usize] += if agrees { *weight } else { 0.0 };
            all[item as usize] += weight;
        }
    }
    let overall = yes.iter().sum::<f64>() / all.iter().sum::<f64>().max(1e-9);
    yes.iter().zip(&all).map(|(y, n)| ((y + 2.0 * overall) / (n + 2.0)).clamp(0.01, 0.99)).collect()
}

/// Probability of each group given some answers.
fn membership(fit: &Fit, own: &[(u32, bool)]) -> (Vec<f64>, f64) {
    let ln: Vec<f64> = fit
        .shares
        .iter()
        .zip(&fit.agreement)
        .map(|(share, agreement)| {
            let each = own.iter().map(|&(item, agrees)| {
                let p = agreement[item as usize];
                libm::log(if agrees { p } else { 1.0 - p })
            });
            libm::log(share.max(1e-12)) + each.sum::<f64>()
        })
        .collect();
    let most = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = ln.iter().map(|l| libm::exp(l - most)).sum();
    (ln.iter().map(|l| libm::exp(l - most) / total).collect(), most + libm::log(total))
}

fn fit(people: &[Own], weights: &[f64], items: usize, groups: usize, options: &GroupOptions, stream: u64) -> Fit {
    let base = rates(people, weights, items);
    if groups == 1 {
        return Fit { shares: vec![1.0], agreement: vec![base], log_posterior: 0.0 };
    }
    let starts = (0..options.starts as u64).map(|start| {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(stream << 8 | start);
        let mut held: Vec<Vec<f64>> = people
            .iter()
            .map(|_| {
                let drawn: Vec<f64> = (0..groups).map(|_| -libm::log(uniform(&mut rng))).collect();
                let total: f64 = drawn.iter().sum();
                drawn.into_iter().map(|x| x / total).collect()
            })
            .collect();
        let mut fit = Fit { shares: Vec::new(), agreement: Vec::new(), log_posterior: f64::NEG_INFINITY };
        for _ in 0..options.rounds {
            let mut yes = vec![vec![0.0; items]; groups];
            let mut all = vec![vec![0.0; items]; groups];
            let mut sizes = vec![1.0; groups];
            for ((own, held), weight) in people.iter().zip(&held).zip(weights) {
                for g in 0..groups {
                    let part = weight * held[g];
                    sizes[g] += part;
                    for &(item, agrees) in own {
                        all[g][item as usize] += part;
                        if agrees {
                            yes[g][item as usize] += part;
                        }
                    }
                }
            }
            let total: f64 = sizes.iter().sum();
            fit.shares = sizes.iter().map(|s| s / total).collect();
            let a = options.shrinkage;
            fit.agreement = (0..groups)
                .map(|g| (0..items).map(|j| ((yes[g][j] + a * base[j]) / (all[g][j] + a)).clamp(0.01, 0.99)).collect())
                .collect();
            let mut ln = 0.0;
            for ((own, held), weight) in people.iter().zip(&mut held).zip(weights) {
                let (probabilities, evidence) = membership(&fit, own);
                *held = probabilities;
                ln += weight * evidence;
            }
            let prior: f64 = fit
                .agreement
                .iter()
                .map(|p| {
                    p.iter()
                        .zip(&base)
                        .map(|(p, b)| a * (b * libm::log(*p) + (1.0 - b) * libm::log(1.0 - p)))
                        .sum::<f64>()
                })
                .sum();
            let moved = ln + prior - fit.log_posterior;
            fit.log_posterior = ln + prior;
            if moved.abs() < 1e-6 * (1.0 + fit.log_posterior.abs()) {
                break;
            }
        }
        fit
    });
    starts.reduce(|a, b| if b.log_posterior > a.log_posterior { b } else { a }).expect("at least one start")
}

/// Finds groups. `weights` says what each person counts for when groups are formed.
///
/// # Errors
/// Options out of range, or weights that are not one positive number for each person.
pub fn groups(answers: &Answers, weights: &[f64], options: &GroupOptions) -> Result<Groups, PopulationError> {
    if options.groups_max == 0 || options.folds < 2 || options.starts == 0 || options.rounds == 0 {
        return Err(PopulationError::Options { what: "at least one group, start and round, and two folds" });
    }
    if weights.len() != answers.people() || !weights.iter().all(|w| *w > 0.0 && w.is_finite()) {
        return Err(PopulationError::Options { what: "one positive weight for each person" });
    }
    let items = answers.items();
    let mut people: Vec<Own> = vec![Vec::new(); answers.people()];
    answers.answers().iter().for_each(|a| people[a.person as usize].push((a.item, a.agrees)));
    // A group of fewer than three people is no group.
    let most = options.groups_max.min(people.len() / 3).max(1);
    let losses = held_out(&people, weights, items, most, options);
    let numbers = compare(&losses, options);
    let best = numbers.iter().fold(&numbers[0], |a, b| if b.probability > a.probability { b } else { a });
    // More than one group only where one is beaten beyond doubt.
    let taken = if best.less_one_group[2] < 0.0 { best.groups } else { 1 };
    let fit = fit(&people, weights, items, taken, options, 0);
    let mut order: Vec<usize> = (0..taken).collect();
    order.sort_by(|a, b| fit.shares[*b].total_cmp(&fit.shares[*a]).then(a.cmp(b)));
    let membership: Vec<Vec<f64>> = people
        .iter()
        .map(|own| {
            let held = membership(&fit, own).0;
            order.iter().map(|g| held[*g]).collect()
        })
        .collect();
    let (mut counts, mut agreements) = (vec![0; items], vec![0; items]);
    people.iter().flatten().for_each(|(item, agrees)| {
        counts[*item as usize] += 1;
        agreements[*item as usize] += usize::from(*agrees);
    });
    let sure = sure(&counted(&people, weights, items, &membership));
    let apart = apart_from_others(&counted(&people, weights, items, &membership));
    let counted = by_group(counted(&people, &vec![1.0; people.len()], items, &membership));
    Ok(Groups {
        numbers,
        shares: order.iter().map(|g| fit.shares[*g]).collect(),
        membership,
        agreement: order.iter().map(|g| fit.agreement[*g].clone()).collect(),
        overall: rates(&people, weights, items),
        answers: counts,
        agreements,
        sure,
        apart,
        counted,
    })
}

/// Agreements and disagreements by item and group, each answer by what its person counts for and the probability that they are
/// of the group.
fn counted(people: &[Own], weights: &[f64], items: usize, membership: &[Vec<f64>]) -> Vec<Vec<[f64; 2]>> {
    let groups = membership.first().map_or(1, Vec::len);
    let mut counted = vec![vec![[0.0; 2]; groups]; items];
    for ((own, weight), held) in people.iter().zip(weights).zip(membership) {
        for &(item, agrees) in own {
            for (counts, share) in counted[item as usize].iter_mut().zip(held) {
                counts[usize::from(!agrees)] += weight * share;
            }
        }
    }
    counted
}

/// The same by group and item.
fn by_group<T: Copy>(by_item: Vec<Vec<T>>) -> Vec<Vec<T>> {
    let groups = by_item.first().map_or(0, Vec::len);
    (0..groups).map(|g| by_item.iter().map(|item| item[g]).collect()).collect()
}

/// How far each group's rate is from that of all others together at least.
fn apart_from_others(counted: &[Vec<[f64; 2]>]) -> Vec<Vec<f64>> {
    let of_item = |counts: &Vec<[f64; 2]>| -> Vec<f64> {
        let all = counts.iter().fold([0.0; 2], |sum, c| [sum[0] + c[0], sum[1] + c[1]]);
        let others = |own: &[f64; 2]| [(all[0] - own[0]).max(0.0), (all[1] - own[1]).max(0.0)];
        counts.iter().map(|own| apart(&rate(own), &rate(&others(own)))).collect()
    };
    match counted.first().map_or(1, Vec::len) {
        1 => Vec::new(),
        _ => by_group(counted.iter().map(of_item).collect()),
    }
}

/// Jeffreys' posterior of a rate of agreement.
fn rate([yes, no]: &[f64; 2]) -> Beta {
    Beta::new(yes + 0.5, no + 0.5).expect("counts are finite and not negative")
}

/// The part of probability below the least that is sure.
const DOUBT: f64 = 0.05;

/// What is sure of each item: rates of agreement by group have Jeffreys' posteriors, from answers by the probability that whoever
/// gave them is of the group.
fn sure(counted: &[Vec<[f64; 2]>]) -> Vec<Sure> {
    counted
        .iter()
        .map(|by_group| {
            let rates: Vec<Beta> = by_group.iter().map(rate).collect();
            let low = |rate: &Beta| rate.inverse_cdf(DOUBT);
            let high = |rate: &Beta| rate.inverse_cdf(1.0 - DOUBT);
            let agree = rates.iter().map(low).fold(1.0, f64::min);
            let disagree = rates.iter().map(|rate| 1.0 - high(rate)).fold(1.0, f64::min);
            let divides = match &rates[..] {
                // Half and half on the side of its interval that is farther from it.
                [only] => 1.0 - (2.0 * low(only) - 1.0).abs().max((2.0 * high(only) - 1.0).abs()),
                rates => rates
                    .iter()
                    .enumerate()
                    .fold(0.0, |most: f64, (i, a)| rates[..i].iter().map(|b| apart(a, b)).fold(most, f64::max)),
            };
            Sure { unites: agree.max(disagree), divides: divides.max(0.0) }
        })
        .collect()
}

/// How far two rates are apart at least, by the normal distribution with their moments.
fn apart(a: &Beta, b: &Beta) -> f64 {
    let moments = |rate: &Beta| (rate.mean().unwrap_or(0.5), rate.variance().unwrap_or(0.25));
    let ((a, variance_a), (b, variance_b)) = (moments(a), moments(b));
    // The normal distribution's 95% point.
    (a - b).abs() - 1.6448536269514722 * (variance_a + variance_b).sqrt()
}

/// Sum of held-out log losses and number of answers, by number of groups and person.
fn held_out(people: &[Own], weights: &[f64], items: usize, most: usize, options: &GroupOptions) -> Vec<Vec<[f64; 2]>> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ 0xf01d);
    let fold_of: Vec<Vec<usize>> =
        people.iter().map(|own| own.iter().map(|_| below(options.folds, &mut rng)).collect()).collect();
    let jobs: Vec<(usize, usize)> =
        (1..=most).flat_map(|groups| (0..options.folds).map(move |fold| (groups, fold))).collect();
    let scored: Vec<Vec<[f64; 2]>> = jobs
        .par_iter()
        .map(|&(groups, fold)| {
            let side = |held: bool| -> Vec<Own> {
                let part = |(own, folds): (&Own, &Vec<usize>)| {
                    own.iter().zip(folds).filter(|(_, f)| (**f == fold) == held).map(|(a, _)| *a).collect()
                };
                people.iter().zip(&fold_of).map(part).collect()
            };
            let (kept, held) = (side(false), side(true));
            let fit = fit(&kept, weights, items, groups, options, (groups * options.folds + fold + 1) as u64);
            kept.iter()
                .zip(&held)
                .map(|(kept, held)| {
                    let probabilities = membership(&fit, kept).0;
                    let loss = |&(item, agrees): &(u32, bool)| {
                        let p: f64 = probabilities.iter().zip(&fit.agreement).map(|(w, a)| w * a[item as usize]).sum();
                        -libm::log(if agrees { p } else { 1.0 - p })
                    };
                    [held.iter().map(loss).sum(), held.len() as f64]
                })
                .collect()
        })
        .collect();
    let mut losses = vec![vec![[0.0; 2]; people.len()]; most];
    for ((groups, _), scored) in jobs.iter().zip(scored) {
        for (sum, add) in losses[groups - 1].iter_mut().zip(scored) {
            sum[0] += add[0];
            sum[1] += add[1];
        }
    }
    losses
}

fn compare(losses: &[Vec<[f64; 2]>], options: &GroupOptions) -> Vec<GroupNumber> {
    let people = losses[0].len();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ 0xb007);
    let mean = |k: usize, of: &mut dyn Iterator<Item = usize>| {
        let (loss, n) = of.fold((0.0, 0.0), |(l, n), p| (l + losses[k][p][0], n + losses[k][p][1]));
        loss / n.max(1.0)
    };
    let whole: Vec<f64> = (0..losses.len()).map(|k| mean(k, &mut (0..people))).collect();
    let mut wins = vec![0.0; losses.len()];
    let mut differences = vec![Vec::new(); losses.len()];
    for _ in 0..options.resamples {
        let drawn: Vec<usize> = (0..people).map(|_| below(people, &mut rng)).collect();
        let resampled: Vec<f64> = (0..losses.len()).map(|k| mean(k, &mut drawn.iter().copied())).collect();
        let best = (0..resampled.len()).fold(0, |a, b| if resampled[b] < resampled[a] { b } else { a });
        wins[best] += 1.0 / options.resamples as f64;
        for (k, loss) in resampled.iter().enumerate() {
            differences[k].push(loss - resampled[0]);
        }
    }
    (0..losses.len())
        .map(|k| {
            let mut sorted = std::mem::take(&mut differences[k]);
            sorted.sort_by(f64::total_cmp);
            let at = |q: f64| sorted.get((q * sorted.len() as f64) as usize).copied().unwrap_or(0.0);
            GroupNumber {
                groups: k + 1,
                probability: wins[k],
                log_loss: whole[k],
                less_one_group: [whole[k] - whole[0], at(0.025), at(0.975)],
            }
        })
        .collect()
}

impl Groups {
    /// How much an item unites: the least agreement of any group, or the least disagreement, whichever is more; with the
    /// side it is on.
    pub fn unites(&self, item: usize) -> (bool, f64) {
        let (least, most) = self.range(item);
        if least >= 1.0 - most { (true, least) } else { (false, 1.0 - most) }
    }

    /// How much an item divides: between groups the widest distance of agreement; in one group, how near to half and half.
    pub fn divides(&self, item: usize) -> f64 {
        if self.agreement.len() == 1 {
            return 1.0 - (2.0 * self.overall[item] - 1.0).abs();
        }
        let (least, most) = self.range(item);
        most - least
    }

    fn range(&self, item: usize) -> (f64, f64) {
        self.agreement.iter().map(|a| a[item]).fold((1.0, 0.0), |(lo, hi): (f64, f64), p| (lo.min(p), hi.max(p)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Answer;

    /// `people` of `camps` camps that disagree about every item but the first two, each answering 20 of 24.
    fn crowd(people: usize, camps: usize) -> Answers {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut answers = Vec::new();
        for person in 0..people {
            for item in 0..24u32 {
                if uniform(&mut rng) > 20.0 / 24.0 {
                    continue;
                }
                let side = (item as usize / 2 + person % camps * (1 + item as usize % 3)).is_multiple_of(2);
                let p = if item < 2 {
                    0.92
                } else if side {
                    0.85
                } else {
                    0.15
                };
                answers.push(Answer { person: person as u32, item, agrees: uniform(&mut rng) < p });
            }
        }
        Answers::new(people, vec![Vec::new(); 24], answers).expect("sound answers")
    }

    #[test]
    fn two_camps_are_found_and_one_crowd_is_left_whole() {
        let options = GroupOptions::default();
        let two = groups(&crowd(60, 2), &[1.0; 60], &options).expect("sound options");
        assert_eq!(two.shares.len(), 2, "{:?}", two.numbers);
        let right = (0..60).filter(|p| (two.membership[*p][0] > 0.5) == (two.membership[p % 2][0] > 0.5)).count();
        assert_eq!(right, 60);
        assert!(two.unites(0).1 > 0.8 && two.divides(3) > 0.4 && two.divides(0) < 0.3);
        let one = groups(&crowd(60, 1), &[1.0; 60], &options).expect("sound options");
        assert_eq!(one.shares, [1.0], "{:?}", one.numbers);
        let total: f64 = one.numbers.iter().map(|n| n.probability).sum();
        assert!((total - 1.0).abs() < 1e-9);
    }

    /// One agreement unites nobody, however well it does by its rate; what many agree to does; and what is sure of a division
    /// is less than its estimate.
    #[test]
    fn what_few_have_answered_is_sure_of_nothing() {
        for camps in [1, 2] {
            let crowd = crowd(60, camps);
            let mut answers = crowd.answers().to_vec();
            answers.extend([Answer { person: 3, item: 24, agrees: true }]);
            let crowd = Answers::new(60, vec![Vec::new(); 25], answers).expect("sound answers");
            let found = groups(&crowd, &[1.0; 60], &GroupOptions::default()).expect("sound options");
            assert_eq!((found.answers[24], found.agreements[24], found.shares.len()), (1, 1, camps));
            assert!(found.sure[0].unites > 0.6 && found.sure[24].unites < 0.4, "{:?}", found.sure);
            assert!(found.sure[24].divides < 0.3, "{:?}", found.sure[24]);
            for (item, sure) in found.sure.iter().enumerate() {
                assert!(sure.divides <= found.divides(item) + 0.1 && sure.divides >= 0.0);
            }
            assert!(camps == 1 || found.sure[3].divides > 0.25);
            // What sets a group apart is sure of the same, and counted.
            assert_eq!(found.apart.len(), if camps == 1 { 0 } else { camps });
            for (apart, counted) in found.apart.iter().zip(&found.counted) {
                assert!(apart[3] > 0.25 && apart[24] < 0.0 && apart[0] < 0.2, "{apart:?}");
                assert!(counted[24][0] <= 1.0 && counted[3].iter().sum::<f64>() > 20.0, "{counted:?}");
            }
        }
    }
}
