//! Several kinds of people: a population prior of as many Gaussians as people's messages want (docs/people.md, section 2).
//!
//! What is learned from a list of people, the number of components included, is a function of this list alone, whoever receives it.

use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;

use super::factor::EvidenceFactor;
use super::prior::{Contribution, Fitted, Moments, ROUNDS, fitted, learn, parts};
use crate::belief::symmetric::{add_scaled, dot, packed_len, rank_one};

/// The most components.
pub const COMPONENTS_MAX: usize = 3;
/// Among fewer people than this no second component is looked for.
pub const COMPONENTS_PEOPLE_MIN: usize = 20;
/// No more people than this choose the number of components.
const PEOPLE_CHOOSING: usize = 1000;
/// People from whom on they are dealt into two parts to choose it, fewer into five.
const PEOPLE_MANY: usize = 200;
/// Rounds of expectation maximisation of each number that is compared.
const ROUNDS_COMPARED: usize = 10;
/// Standard deviations of the mean difference that a further component must be better by.
const BEYOND_DOUBT: f64 = 2.0;
/// The most that one person counts for or against a further component, nats.
const ONE_PERSON: f64 = 5.0;
/// Share of the variance along a direction that two halves of a component are set apart by at first.
const APART: f64 = 0.75;
/// Rounds of the eigenvalue iteration before it is given up.
const EIGEN_ROUNDS: usize = 1000;

/// One kind of people.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its share of people; those of all components sum to one.
    pub mass: f64,
    /// The weights of its people.
    pub moments: Moments,
}

/// `ln` of the evidence of a message under components, less that under the reference, as [`Moments::advantage`]: equation (6c).
pub fn advantage(components: &[Component], message: &EvidenceFactor, variances: &[f64]) -> f64 {
    ln_sum_exp(components.iter().map(|c| libm::log(c.mass) + c.moments.advantage(message, variances)))
}

fn ln_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    most + libm::log(terms.map(|t| libm::exp(t - most)).sum())
}

/// Components while they are fitted.
#[derive(Clone, Debug)]
struct Fit {
    masses: Vec<f64>,
    each: Vec<Fitted>,
}

impl Fit {
    /// Of one component.
    fn one(from: &[Contribution<'_>], variances: &[f64], rounds: usize) -> Self {
        Self { masses: vec![1.0], each: vec![fitted(from, variances, rounds)] }
    }

    /// How probably each person is of each component, by component.
    fn shares(&self, evidence: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut shares = evidence.to_vec();
        for q in 0..shares.first().map_or(0, Vec::len) {
            let ln = |k: usize| libm::log(self.masses[k]) + evidence[k][q];
            let total = ln_sum_exp((0..self.masses.len()).map(ln));
            for (k, mass) in self.masses.iter().enumerate() {
                // A message so sharp that its evidence is no number says nothing of its kind.
                shares[k][q] = if total.is_finite() { libm::exp(ln(k) - total) } else { *mass };
            }
        }
        shares
    }

    /// So many rounds of expectation maximisation: equations (4), (5), (6b).
    fn improve(&mut self, from: &[Contribution<'_>], variances: &[f64], rounds: usize) {
        let count: f64 = from.iter().map(|c| c.weight).sum();
        for round in 0..=rounds {
            let seen: Vec<_> = self.each.iter().map(|c| c.see(from)).collect();
            let evidence: Vec<Vec<f64>> = seen.iter().map(|s| s.evidence(from)).collect();
            let shares = self.shares(&evidence);
            for (((component, seen), share), mass) in self.each.iter_mut().zip(seen).zip(&shares).zip(&mut self.masses)
            {
                let weights: Vec<f64> = from.iter().zip(share).map(|(c, s)| c.weight * s).collect();
                component.step(seen, &weights, variances, round < rounds);
                // As if one more person were of each.
                *mass = (1.0 + weights.iter().sum::<f64>()) / (shares.len() as f64 + count);
            }
        }
    }

    /// One component more: of all components and directions, the one along which people are spread widest and into two divides.
    /// Nothing where there is no direction.
    fn divided(&self, from: &[Contribution<'_>], variances: &[f64]) -> Option<Self> {
        let seen: Vec<_> = self.each.iter().map(|c| c.see(from)).collect();
        let shares = self.shares(&seen.iter().map(|s| s.evidence(from)).collect::<Vec<_>>());
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for (k, component) in self.each.iter().enumerate() {
            let weights: Vec<f64> = from.iter().zip(&shares[k]).map(|(c, s)| c.weight * s).collect();
            let means = seen[k].means();
            for (axis, size) in axes(&component.covariance, variances)? {
                let along: Vec<f64> = axis.iter().zip(variances).map(|(a, v)| a / v).collect();
                let places: Vec<f64> = means.iter().map(|m| dot(m, &along)).collect();
                let score = self.masses[k] * size * in_two(&places, &weights);
                if best.as_ref().is_none_or(|(most, _, _)| score > *most) {
                    let step: Vec<f64> = axis.iter().map(|a| a * (APART * size).sqrt()).collect();
                    best = Some((score, k, step));
                }
            }
        }
        let (_, k, step) = best.filter(|(score, _, _)| *score > 0.0)?;
        let mut divided = self.clone();
        divided.masses[k] *= 0.5;
        rank_one(&mut divided.each[k].covariance, -1.0, &step);
        let mut other = divided.each[k].clone();
        add_scaled(&mut other.mean, -1.0, &step);
        add_scaled(&mut divided.each[k].mean, 1.0, &step);
        divided.masses.push(divided.masses[k]);
        divided.each.push(other);
        Some(divided)
    }

    /// What others receive, the greatest component first.
    fn components(&self) -> Vec<Component> {
        let total: f64 = self.masses.iter().sum();
        let pairs = self.masses.iter().zip(&self.each);
        let mut found: Vec<Component> =
            pairs.map(|(mass, c)| Component { mass: mass / total, moments: c.moments() }).collect();
        found.sort_by(|a, b| b.mass.total_cmp(&a.mass));
        found
    }
}

/// Principal axes of a covariance in units of `V0`, each of length 1 in these units, with its variance.
fn axes(covariance: &[f64], variances: &[f64]) -> Option<Vec<(Vec<f64>, f64)>> {
    let d = variances.len();
    let sd: Vec<f64> = variances.iter().map(|v| v.sqrt()).collect();
    let entry = |i: usize, j: usize| covariance[packed_len(i.max(j)) + i.min(j)] / (sd[i] * sd[j]);
    let eigen = SymmetricEigen::try_new(DMatrix::from_fn(d, d, entry), f64::EPSILON, EIGEN_ROUNDS)?;
    let axes = eigen.eigenvectors.column_iter().zip(eigen.eigenvalues.iter());
    Some(axes.map(|(v, size)| (v.iter().zip(&sd).map(|(v, sd)| v * sd).collect(), *size)).collect())
}

/// Sarle's coefficient of bimodality, `(skewness^2 + 1) / kurtosis`: 1 for two points, 1/3 for a Gaussian.
fn in_two(places: &[f64], weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let mean = dot(places, weights) / total;
    let moment = |power: i32| {
        places.iter().zip(weights).map(|(x, w)| w * libm::pow(x - mean, f64::from(power))).sum::<f64>() / total
    };
    let (second, third, fourth) = (moment(2), moment(3), moment(4));
    let found = (third * third / second + second * second) / fourth;
    if found.is_finite() { found } else { 0.0 }
}

/// By how much one number of components predicts each person better than another, and what the person counts for.
type Differences = Vec<(f64, f64)>;

/// How many components predict people best that they were not learned from: one more is taken as long as it is better beyond doubt.
fn number(from: &[Contribution<'_>], variances: &[f64]) -> usize {
    if from.len() < COMPONENTS_PEOPLE_MIN {
        return 1;
    }
    let every = from.len().div_ceil(PEOPLE_CHOOSING);
    let from: Vec<Contribution<'_>> = from.iter().step_by(every).copied().collect();
    let folds = if from.len() < PEOPLE_MANY { 5 } else { 2 };
    let dealt = |fold: usize, inside: bool| -> Vec<Contribution<'_>> {
        let people = from.iter().enumerate().filter(|(i, _)| (spread(*i, folds) == fold) == inside);
        people.map(|(_, c)| *c).collect()
    };
    let sets: Vec<_> = (0..folds).map(|fold| (dealt(fold, false), dealt(fold, true))).collect();
    let mut fits: Vec<Fit> =
        sets.par_iter().map(|(learned, _)| Fit::one(learned, variances, ROUNDS_COMPARED)).collect();
    for count in 1..COMPONENTS_MAX {
        let compared: Vec<Option<(Fit, Differences)>> = fits
            .par_iter()
            .zip(&sets)
            .map(|(fit, (learned, unseen))| {
                let mut more = fit.divided(learned, variances)?;
                more.improve(learned, variances, ROUNDS_COMPARED);
                // As many rounds for both.
                let mut fit = fit.clone();
                fit.improve(learned, variances, ROUNDS_COMPARED);
                let (many, few) = (more.components(), fit.components());
                // Nobody decides alone how many kinds of people there are.
                let better = |c: &Contribution<'_>| {
                    let x = advantage(&many, c.message, variances) - advantage(&few, c.message, variances);
                    if x.is_finite() { x.clamp(-ONE_PERSON, ONE_PERSON) } else { 0.0 }
                };
                let better = unseen.iter().map(|c| (better(c), c.weight)).collect();
                Some((more, better))
            })
            .collect();
        let Some(compared) = compared.into_iter().collect::<Option<Vec<_>>>() else { return count };
        let (more, better): (Vec<Fit>, Vec<Differences>) = compared.into_iter().unzip();
        if !beyond_doubt(&better.concat()) {
            return count;
        }
        fits = more;
    }
    COMPONENTS_MAX
}

/// The part of the `i`-th of a list, by the golden ratio: balanced, and in step with no order that the list may have.
fn spread(i: usize, parts: usize) -> usize {
    let place = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (place as usize * parts) >> 32
}

/// Whether the mean of differences, each with what it counts for, is above zero beyond doubt.
fn beyond_doubt(differences: &[(f64, f64)]) -> bool {
    let total: f64 = differences.iter().map(|(_, w)| w).sum();
    let mean = differences.iter().map(|(x, w)| w * x).sum::<f64>() / total;
    let variance = differences.iter().map(|(x, w)| w * w * (x - mean) * (x - mean)).sum::<f64>() / (total * total);
    mean - BEYOND_DOUBT * variance.sqrt() > 0.0
}

/// Learns as many components as the evidence of these people wants; one is what [`learn`] gives.
pub fn learn_components(from: &[Contribution<'_>], variances: &[f64]) -> Vec<Component> {
    let wanted = number(from, variances);
    if wanted > 1 {
        let mut fit = Fit::one(from, variances, ROUNDS);
        while fit.each.len() < wanted
            && let Some(more) = fit.divided(from, variances)
        {
            fit = more;
            fit.improve(from, variances, ROUNDS);
        }
        return fit.components();
    }
    vec![Component { mass: 1.0, moments: learn(from, variances) }]
}

/// What a consolidation gives: components for the people of each part, learned without them, and for somebody new.
#[derive(Clone, Debug, PartialEq)]
pub struct Consolidated {
    /// For the people of each part.
    pub without: Vec<Vec<Component>>,
    /// Learned from all.
    pub all: Vec<Component>,
}

/// Consolidates messages of people in their order. `weigh` says what the people at some places count for among themselves: what a part
/// receives may not depend, by way of others' weights either, on who is in it. `learned` is told after each list that was learned from.
pub fn consolidate(
    messages: &[&EvidenceFactor],
    weigh: &dyn Fn(&[usize]) -> Vec<f64>,
    variances: &[f64],
    learned: &mut dyn FnMut(),
) -> Consolidated {
    let (part_of, count) = parts(messages.len());
    let mut from = |places: Vec<usize>| {
        let weights = weigh(&places);
        let from: Vec<Contribution<'_>> =
            places.iter().zip(weights).map(|(i, weight)| Contribution { message: messages[*i], weight }).collect();
        let components = learn_components(&from, variances);
        learned();
        components
    };
    let without = (0..count).map(|part| from((0..messages.len()).filter(|i| part_of[*i] != part).collect())).collect();
    Consolidated { without, all: from((0..messages.len()).collect()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::belief::Settings;
    use crate::belief::simulate::normal;
    use crate::belief::symmetric::multiply;
    use crate::population::factor::simulated;
    use crate::population::source_weights;

    const D: usize = 3;

    /// Somebody around `centre`, by what they answered to `n` questions.
    fn message(centre: [f64; D], n: usize, rng: &mut ChaCha8Rng) -> EvidenceFactor {
        let settings = Settings { signal_scales: vec![0.4, 1.5, 5.0], ..Settings::single(1.5, 0.02, 0.3) };
        let weights = centre.iter().map(|c| 2.0 * (c + 0.3 * normal(rng))).collect();
        simulated(&settings, weights, n, rng)
    }

    const ONE: [f64; D] = [1.0, -0.7, 0.4];
    const OTHER: [f64; D] = [-1.0, 0.7, -0.4];

    /// Two kinds by turns, or one.
    fn crowd(people: usize, kinds: [[f64; D]; 2], rng: &mut ChaCha8Rng) -> Vec<EvidenceFactor> {
        (0..people).map(|i| message(kinds[i % 2], 30, rng)).collect()
    }

    fn contributions(messages: &[EvidenceFactor]) -> Vec<Contribution<'_>> {
        messages.iter().map(|message| Contribution { message, weight: 1.0 }).collect()
    }

    #[test]
    fn two_kinds_give_two_components_that_predict_new_people_better() {
        let mut rng = ChaCha8Rng::seed_from_u64(21);
        let (people, new) = (crowd(40, [ONE, OTHER], &mut rng), crowd(40, [ONE, OTHER], &mut rng));
        let from = contributions(&people);
        let found = learn_components(&from, &[1.0; D]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!((found[0].mass + found[1].mass - 1.0).abs() < 1e-12 && found[1].mass > 0.35);
        assert!(dot(&found[0].moments.mean, &found[1].moments.mean) < -0.5, "they lean apart: {found:?}");
        let one = learn(&from, &[1.0; D]);
        let gain: f64 =
            new.iter().map(|m| advantage(&found, m, &[1.0; D]) - one.advantage(m, &[1.0; D])).sum::<f64>() / 40.0;
        assert!(gain > 0.3, "{gain}");
    }

    #[test]
    fn a_minority_is_a_kind_of_its_own() {
        let mut rng = ChaCha8Rng::seed_from_u64(22);
        let people: Vec<EvidenceFactor> =
            (0..60).map(|i| message(if i % 5 == 0 { OTHER } else { ONE }, 30, &mut rng)).collect();
        let found = learn_components(&contributions(&people), &[1.0; D]);
        assert_eq!(found.len(), 2);
        assert!((0.1..0.35).contains(&found[1].mass), "{}", found[1].mass);
    }

    #[test]
    fn one_kind_of_people_gives_one_component_and_so_do_few() {
        // Ten crowds, seeds 30 to 39.
        for seed in 30..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let people = crowd(40, [ONE, ONE], &mut rng);
            let from = contributions(&people);
            let found = learn_components(&from, &[1.0; D]);
            assert_eq!(found, [Component { mass: 1.0, moments: learn(&from, &[1.0; D]) }], "seed {seed}");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(23);
        let people = crowd(COMPONENTS_PEOPLE_MIN - 1, [ONE, OTHER], &mut rng);
        assert_eq!(learn_components(&contributions(&people), &[1.0; D]).len(), 1);
    }

    #[test]
    fn with_several_components_too_a_person_receives_the_same_bits_whatever_they_answered() {
        let mut rng = ChaCha8Rng::seed_from_u64(24);
        let mut people = crowd(40, [ONE, OTHER], &mut rng);
        let (part_of, _) = parts(people.len());
        let before =
            consolidate(&people.iter().collect::<Vec<_>>(), &|places| vec![1.0; places.len()], &[1.0; D], &mut || ());
        assert!(before.without.iter().chain([&before.all]).all(|c| c.len() == 2), "several are chosen for each part");
        for person in [0, 13, 39] {
            // The whole part answers otherwise, among them that person.
            let own = people.clone();
            for i in (0..people.len()).filter(|i| part_of[*i] == part_of[person]) {
                people[i] = message([0.0, 3.0, 3.0], 60, &mut rng);
            }
            let after = consolidate(
                &people.iter().collect::<Vec<_>>(),
                &|places| vec![1.0; places.len()],
                &[1.0; D],
                &mut || (),
            );
            assert_eq!(after.without[part_of[person]], before.without[part_of[person]]);
            for (part, without) in after.without.iter().enumerate().filter(|(part, _)| *part != part_of[person]) {
                assert_ne!(*without, before.without[part], "others do count");
            }
            people = own;
        }
    }

    #[test]
    fn what_a_person_receives_does_not_depend_on_the_source_of_their_answers() {
        let mut rng = ChaCha8Rng::seed_from_u64(26);
        let people = crowd(12, [ONE, OTHER], &mut rng);
        let (part_of, _) = parts(people.len());
        let receive = |source: &str| {
            let sources: Vec<&str> = (0..12).map(|i| if i == 11 { source } else { "all others'" }).collect();
            let weigh = |places: &[usize]| {
                source_weights(&places.iter().map(|i| sources[*i]).collect::<Vec<_>>(), 0.03).expect("a cap in range")
            };
            consolidate(&people.iter().collect::<Vec<_>>(), &weigh, &[1.0; D], &mut || ())
        };
        let (theirs, own) = (receive("all others'"), receive("their own"));
        assert_eq!(theirs.without[part_of[11]], own.without[part_of[11]]);
        assert_ne!(theirs.all, own.all, "what somebody new receives does");
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads() {
        let mut rng = ChaCha8Rng::seed_from_u64(25);
        let people = crowd(150, [ONE, OTHER], &mut rng);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| learn_components(&contributions(&people), &[1.0; D]))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn parts_that_choose_are_balanced_and_in_step_with_nothing() {
        for parts in [2, 5] {
            for period in 1..8 {
                let mut counts = vec![0; parts];
                (0..400).step_by(period).for_each(|i| counts[spread(i, parts)] += 1);
                let fair = 400 / period / parts;
                assert!(counts.iter().all(|n| *n > fair / 2), "{parts} {period}: {counts:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn hostile_messages_give_sound_components(
            hostile in prop::collection::vec(
                (prop::array::uniform3(-50.0..50.0f64), prop::array::uniform3(-1.0..1.0f64), -3i32..8, 0.01..1.0f64), 20..45
            )
        ) {
            let people: Vec<(EvidenceFactor, f64)> = hostile
                .iter()
                .map(|(mean, along, size, weight)| {
                    // Sure of one direction, anywhere, and of nothing else.
                    let mut precision = vec![0.0; packed_len(D)];
                    rank_one(&mut precision, libm::pow(10.0, f64::from(*size)), along);
                    let mut shift = vec![0.0; D];
                    multiply(&precision, mean, &mut shift);
                    (EvidenceFactor { precision, shift, answers: 1 }, *weight)
                })
                .collect();
            let from: Vec<Contribution<'_>> =
                people.iter().map(|(message, weight)| Contribution { message, weight: *weight }).collect();
            for forced in 1..=COMPONENTS_MAX {
                let mut fit = Fit::one(&from, &[1.0; D], 5);
                while fit.each.len() < forced && let Some(more) = fit.divided(&from, &[1.0; D]) {
                    fit = more;
                    fit.improve(&from, &[1.0; D], 5);
                }
                let found = fit.components();
                prop_assert!((found.iter().map(|c| c.mass).sum::<f64>() - 1.0).abs() < 1e-12);
                for Component { mass, moments } in &found {
                    prop_assert!(*mass > 0.0);
                    prop_assert!(moments.mean.iter().chain(&moments.covariance).all(|x| x.is_finite()));
                }
            }
            let found = learn_components(&from, &[1.0; D]);
            prop_assert!((found.iter().map(|c| c.mass).sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
