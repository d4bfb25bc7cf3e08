//! Deciding among alternatives under the mixture (docs/belief.md, section 7). Utilities are in the person's noise units.

use std::borrow::Cow;

use super::BeliefError;
use super::dense;
use super::finite::Finite;
use super::hypothesis::Body;
use super::mixture::Mixture;
use super::normal::{above_zero, cdf, density, positive_part};
use super::points::normal_points;
use super::symmetric::{diagonal, dot, first_max, multiply};

/// Pairs of quasi-random points for each hypothesis where there are more than two alternatives.
const POINTS: usize = 512;

/// What is expected of acting now.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// `E[u_k]` of each alternative.
    pub expected_utility: Vec<f64>,
    /// Probability that each alternative is the best; they sum to 1.
    pub probability_best: Vec<f64>,
    /// The alternative of greatest expected utility; the first of equals.
    pub best: usize,
    /// `E[max_k u_k] - max_k E[u_k]`, in noise units, at least 0: the value of perfect information.
    pub expected_regret: f64,
    /// The regret under each hypothesis, in the order of [`Mixture::hypotheses`].
    pub regret_by_hypothesis: Vec<HypothesisRegret>,
}

/// What one hypothesis adds to the regret of acting now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HypothesisRegret {
    /// Weight of the hypothesis; they sum to 1.
    pub weight: f64,
    /// `E_h[max_k u_k] - E_h[u_best]`, in noise units, at least 0.
    pub regret: f64,
}

/// Relative utilities of `k` alternatives, from 0 for the person's worst to 1 for their best.
#[derive(Clone, Debug, PartialEq)]
pub struct RelativeUtility {
    /// Expectation of each: `k` numbers.
    pub expected: Vec<f64>,
    /// Covariance, `k` x `k` by rows.
    pub covariance: Vec<f64>,
}

/// Assesses alternatives given by their features (raw, not attenuated).
///
/// # Errors
/// No alternatives, or features of the wrong length.
pub fn assess(mixture: &Mixture, alternatives: &[Vec<f64>]) -> Result<Assessment, BeliefError> {
    assess_read(mixture, alternatives, &[])
}

/// Assesses alternatives whose features were read with errors: `errors` has the error variance of each feature of each alternative, or
/// nothing at all. What they may really be like adds `sum_i e_i E[w_i^2]` to the variance of a utility; a regret that could come of
/// having misread them counts.
///
/// # Errors
/// As [`assess`]; errors of another shape, or negative ones.
pub fn assess_read(
    mixture: &Mixture,
    alternatives: &[Vec<f64>],
    errors: &[Vec<f64>],
) -> Result<Assessment, BeliefError> {
    check(mixture, alternatives)?;
    let k = alternatives.len();
    if !errors.is_empty() && errors.len() != k {
        return Err(BeliefError::Dimension { expected: k, found: errors.len() });
    }
    for error in errors {
        if error.len() != mixture.width() {
            return Err(BeliefError::Dimension { expected: mixture.width(), found: error.len() });
        }
        if !error.iter().all(|e| e.is_finite() && *e >= 0.0) {
            return Err(BeliefError::Number { what: "an error variance" });
        }
    }
    let weights = mixture.weights();
    let (_, priors, hypotheses, readings) = mixture.parts();
    let read: Vec<Vec<Cow<'_, [f64]>>> =
        readings.iter().map(|reading| alternatives.iter().map(|phi| reading.narrow(phi)).collect()).collect();
    let misread: Vec<Vec<Cow<'_, [f64]>>> =
        readings.iter().map(|reading| errors.iter().map(|e| reading.narrow(e)).collect()).collect();
    let points = if k > 2 { normal_points(POINTS, k) } else { Vec::new() };
    let mut expected = vec![0.0; k];
    let mut best = vec![0.0; k];
    let mut per_hypothesis = Vec::with_capacity(hypotheses.len());
    for (h, &weight) in hypotheses.iter().zip(&weights) {
        let alternatives = &read[h.reading];
        let part = match h.body(&priors[h.prior]) {
            Body::Gaussian { belief, .. } => {
                let (u, mut s) = joint(&belief.mean, &belief.covariance, alternatives);
                let second = || belief.mean.iter().zip(diagonal(&belief.covariance)).map(|(m, v)| m * m + v);
                for (i, error) in misread[h.reading].iter().enumerate() {
                    s[i * k + i] += error.iter().zip(second()).map(|(e, w)| e * w).sum::<f64>();
                }
                gaussian_part(u, &s, &points)
            }
            Body::Finite { finite, atoms } => finite_part(finite, atoms, alternatives),
        };
        for i in 0..k {
            expected[i] += weight * part.mean[i];
            best[i] += weight * part.best[i];
        }
        per_hypothesis.push((weight, part));
    }
    let total: f64 = best.iter().sum();
    best.iter_mut().for_each(|p| *p /= total);
    let chosen = first_max(&expected);
    let regret = |part: &Part| (part.max - part.mean[chosen]).max(0.0);
    let regret_by_hypothesis: Vec<HypothesisRegret> = per_hypothesis
        .iter()
        .map(|(weight, part)| HypothesisRegret { weight: *weight, regret: regret(part) })
        .collect();
    let expected_regret = regret_by_hypothesis.iter().map(|h| h.weight * h.regret).sum();
    Ok(Assessment {
        expected_utility: expected,
        probability_best: best,
        best: chosen,
        expected_regret,
        regret_by_hypothesis,
    })
}

/// What it is worth to ask which of two the person would rather have and to do that, beside doing what is best as believed: in noise
/// units, at least 0. The answer is about the very alternatives, so it also says what was misread in them. It wavers like any other; lapses
/// are left out, since what somebody answers about their own decision is what they decided.
///
/// # Errors
/// As [`assess_read`].
pub fn worth_of_asking(mixture: &Mixture, pair: [&[f64]; 2], errors: [&[f64]; 2]) -> Result<f64, BeliefError> {
    check(mixture, &pair.map(<[f64]>::to_vec))?;
    check(mixture, &errors.map(<[f64]>::to_vec))?;
    let difference: Vec<f64> = pair[0].iter().zip(pair[1]).map(|(a, b)| a - b).collect();
    let error: Vec<f64> = errors[0].iter().zip(errors[1]).map(|(a, b)| a + b).collect();
    let (_, _, hypotheses, readings) = mixture.parts();
    let read: Vec<_> = readings.iter().map(|r| (r.narrow(&difference), r.narrow(&error))).collect();
    let (mut asked, mut believed) = (0.0, 0.0);
    let mut g = Vec::new();
    for (h, weight) in hypotheses.iter().zip(mixture.weights()) {
        // Finite beliefs stand in experiments alone, which do not ask about a decision.
        let Some(belief) = h.gaussian() else { continue };
        let (difference, error) = &read[h.reading];
        g.resize(difference.len(), 0.0);
        let (mu, v) = belief.functional(difference, &mut g);
        let second = belief.mean.iter().zip(diagonal(&belief.covariance)).map(|(m, v)| m * m + v);
        let v = v.max(0.0) + error.iter().zip(second).map(|(e, w)| e * w).sum::<f64>();
        let s = (1.0 + v).sqrt();
        // E[u; u + noise > 0].
        asked += weight * (mu * cdf(mu / s) + v / s * density(mu / s));
        believed += weight * mu;
    }
    Ok((asked - believed.max(0.0)).max(0.0))
}

/// Relative utility: 0 for whatever is a person's worst of these alternatives and 1 for their best, so that nobody counts for
/// more by feeling, or speaking, louder (Dhillon and Mertens 1999).
///
/// # Errors
/// No alternatives, or features of the wrong length.
pub fn relative_utility(mixture: &Mixture, alternatives: &[Vec<f64>]) -> Result<RelativeUtility, BeliefError> {
    check(mixture, alternatives)?;
    let k = alternatives.len();
    let points = normal_points(POINTS, k);
    let (_, priors, hypotheses, readings) = mixture.parts();
    let read: Vec<Vec<Cow<'_, [f64]>>> =
        readings.iter().map(|reading| alternatives.iter().map(|phi| reading.narrow(phi)).collect()).collect();
    let (mut mean, mut second) = (vec![0.0; k], vec![0.0; k * k]);
    let mut take = |weight: f64, y: &[f64]| {
        let (lo, hi) = y.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)));
        // Alternatives that are the same differ by rounding, and by that much more where a covariance is factored.
        let tied = hi - lo <= 1e-6 * (1.0 + hi.abs().max(lo.abs()));
        let r: Vec<f64> = y.iter().map(|x| if tied { 0.5 } else { (x - lo) / (hi - lo) }).collect();
        for i in 0..k {
            mean[i] += weight * r[i];
            for j in 0..k {
                second[i * k + j] += weight * r[i] * r[j];
            }
        }
    };
    for (h, weight) in hypotheses.iter().zip(mixture.weights()) {
        let alternatives = &read[h.reading];
        match h.body(&priors[h.prior]) {
            Body::Gaussian { belief, .. } => {
                let (u, s) = joint(&belief.mean, &belief.covariance, alternatives);
                let l = dense::factor(&s, k);
                let share = weight / (points.len() / k) as f64;
                for x in points.chunks_exact(k) {
                    let y: Vec<f64> = u.iter().zip(dense::apply(&l, x)).map(|(u, d)| u + d).collect();
                    take(share, &y);
                }
            }
            Body::Finite { finite, atoms } => {
                for (w, mass) in atoms.weights.chunks_exact(alternatives[0].len()).zip(finite.masses()) {
                    take(weight * mass, &alternatives.iter().map(|phi| dot(phi, w)).collect::<Vec<f64>>());
                }
            }
        }
    }
    for i in 0..k {
        for j in 0..k {
            second[i * k + j] -= mean[i] * mean[j];
        }
    }
    Ok(RelativeUtility { expected: mean, covariance: second })
}

/// What each feature adds to the expected advantage of `one` over `other`: `E[(phi_one - phi_other)_i w_i]`, one number for
/// each weight; they sum to the difference of the expected utilities.
pub fn contributions(mixture: &Mixture, one: &[f64], other: &[f64]) -> Vec<f64> {
    let difference: Vec<f64> = one.iter().zip(other).map(|(a, b)| a - b).collect();
    (0..mixture.dimension()).map(|i| mixture.part(&difference, i).mean()).collect()
}

pub(crate) fn check(mixture: &Mixture, alternatives: &[Vec<f64>]) -> Result<(), BeliefError> {
    let expected = mixture.width();
    if alternatives.is_empty() {
        return Err(BeliefError::Ranking { alternatives: 0, ranked: 1 });
    }
    for phi in alternatives {
        if phi.len() != expected {
            return Err(BeliefError::Dimension { expected, found: phi.len() });
        }
        if !phi.iter().all(|x| x.is_finite()) {
            return Err(BeliefError::Number { what: "a feature" });
        }
    }
    Ok(())
}

/// Mean, probability of being best, and expected maximum under one hypothesis.
struct Part {
    mean: Vec<f64>,
    best: Vec<f64>,
    max: f64,
}

/// Means and covariance of utilities.
pub(crate) fn joint(mean: &[f64], covariance: &[f64], alternatives: &[Cow<'_, [f64]>]) -> (Vec<f64>, Vec<f64>) {
    let k = alternatives.len();
    let mut g = vec![0.0; mean.len()];
    let mut s = vec![0.0; k * k];
    for (i, phi) in alternatives.iter().enumerate() {
        multiply(covariance, phi, &mut g);
        for (j, other) in alternatives.iter().enumerate() {
            s[i * k + j] = dot(&g, other);
        }
    }
    dense::symmetrise(&mut s, k);
    (alternatives.iter().map(|phi| dot(phi, mean)).collect(), s)
}

fn gaussian_part(u: Vec<f64>, s: &[f64], points: &[f64]) -> Part {
    match u.len() {
        1 => Part { max: u[0], best: vec![1.0], mean: u },
        2 => {
            let (mu, v) = (u[0] - u[1], (s[0] - s[1] - s[2] + s[3]).max(0.0));
            let first = above_zero(mu, v);
            Part { max: u[1] + positive_part(mu, v), best: vec![first, 1.0 - first], mean: u }
        }
        k => {
            let l = dense::factor(s, k);
            let mut best = vec![0.0; k];
            let mut max = 0.0;
            let count = points.len() / k;
            for x in points.chunks_exact(k) {
                let y: Vec<f64> = u.iter().zip(dense::apply(&l, x)).map(|(u, d)| u + d).collect();
                let top = first_max(&y);
                best[top] += 1.0 / count as f64;
                max += y[top] / count as f64;
            }
            // The points are antithetic, so the sample mean of every utility is exact and the maximum is no less than any.
            Part { max: max.max(u[first_max(&u)]), best, mean: u }
        }
    }
}

fn finite_part(finite: &Finite, atoms: &super::finite::Atoms, alternatives: &[Cow<'_, [f64]>]) -> Part {
    let k = alternatives.len();
    let mut part = Part { mean: vec![0.0; k], best: vec![0.0; k], max: 0.0 };
    let masses = finite.masses();
    for (w, mass) in atoms.weights.chunks_exact(alternatives[0].len()).zip(masses) {
        let u: Vec<f64> = alternatives.iter().map(|phi| dot(phi, w)).collect();
        let top = first_max(&u);
        part.best[top] += mass;
        part.max += mass * u[top];
        part.mean.iter_mut().zip(&u).for_each(|(m, u)| *m += mass * u);
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Location, LocationName, Priors, Question, Settings};

    fn belief() -> Mixture {
        let priors = Priors {
            locations: vec![Location {
                name: LocationName::Zero,
                mean: vec![0.0; 3],
                covariance: vec![1.0, 0.2, 0.8, 0.0, -0.1, 0.5],
            }],
            scaled: vec![true; 3],
            lattices: Vec::new(),
            component_masses: Vec::new(),
        };
        let mut mixture = Mixture::new(&Settings::default(), &priors).expect("a sound prior");
        for (a, outcome) in [([1.0, 0.3, -0.5], 0), ([0.2, -1.0, 0.4], 1), ([-0.7, 0.1, 1.0], 1)] {
            mixture.observe(&Question::choice(a.to_vec(), false).answer(outcome)).expect("a sound record");
        }
        mixture
    }

    #[test]
    fn two_alternatives_in_closed_form_agree_with_points() {
        let mixture = belief();
        let (a, b) = (vec![1.0, 0.0, 0.5], vec![0.2, 0.9, -0.3]);
        let two = assess(&mixture, &[a.clone(), b.clone()]).expect("two alternatives");
        // A third that is hopeless under every hypothesis would not be; so a copy of the second takes the general path.
        let three = assess(&mixture, &[a.clone(), b.clone(), b.clone()]).expect("three alternatives");
        assert!(
            (two.expected_regret - three.expected_regret).abs() < 0.02 * two.expected_regret.max(0.1),
            "{} {}",
            two.expected_regret,
            three.expected_regret
        );
        assert!((two.probability_best[0] - three.probability_best[0]).abs() < 0.01);
        assert!(
            (two.expected_regret - two.regret_by_hypothesis.iter().map(|h| h.weight * h.regret).sum::<f64>()).abs()
                < 1e-12
        );
        let total: f64 = contributions(&mixture, &a, &b).iter().sum();
        assert!((total - (two.expected_utility[0] - two.expected_utility[1])).abs() < 1e-12);
    }

    #[test]
    fn what_may_have_been_misread_costs_more_and_moves_no_expectation() {
        let mixture = belief();
        let pair = [vec![1.0, 0.0, 0.5], vec![0.2, 0.9, -0.3]];
        let exact = assess(&mixture, &pair).expect("two alternatives");
        let errors = [vec![0.5, 0.2, 0.0], vec![0.1, 0.2, 0.3]];
        let read = assess_read(&mixture, &pair, &errors).expect("two alternatives");
        assert_eq!(read.expected_utility, exact.expected_utility);
        assert!(read.expected_regret > exact.expected_regret, "{read:?} {exact:?}");
        assert_eq!(assess_read(&mixture, &pair, &[vec![0.0; 3], vec![0.0; 3]]).expect("no errors"), exact);
        for bad in [vec![vec![0.1; 3]], vec![vec![0.1; 2]; 2], vec![vec![-0.1; 3]; 2]] {
            assert!(assess_read(&mixture, &pair, &bad).is_err());
        }
    }

    #[test]
    fn asking_is_worth_most_where_least_is_known_and_nothing_where_all_is() {
        let mixture = belief();
        let (a, b) = (vec![1.0, 0.0, 0.5], vec![0.2, 0.9, -0.3]);
        let worth =
            |a: &[f64], b: &[f64], e: f64| worth_of_asking(&mixture, [a, b], [&[e; 3], &[0.0; 3]]).expect("a pair");
        assert_eq!(worth(&a, &a, 0.0), 0.0, "the same twice");
        assert!(worth(&a, &b, 0.0) > 0.0 && worth(&a, &b, 1.0) > worth(&a, &b, 0.0));
        let regret = assess_read(&mixture, &[a.clone(), b.clone()], &[vec![1.0; 3], vec![0.0; 3]]).expect("a pair");
        assert!(worth(&a, &b, 1.0) < regret.expected_regret, "no more than knowing");
        assert!(worth_of_asking(&mixture, [&a, &b[..2]], [&[0.0; 3], &[0.0; 3]]).is_err());
    }

    #[test]
    fn relative_utility_of_two_is_the_probability_of_being_best() {
        let mixture = belief();
        let pair = [vec![1.0, 0.0, 0.5], vec![0.2, 0.9, -0.3]];
        let RelativeUtility { expected: mean, covariance } =
            relative_utility(&mixture, &pair).expect("two alternatives");
        let best = assess(&mixture, &pair).expect("two alternatives").probability_best;
        assert!((mean[0] - best[0]).abs() < 0.01 && (mean[0] + mean[1] - 1.0).abs() < 1e-9, "{mean:?} {best:?}");
        assert!((covariance[0] - mean[0] * mean[1]).abs() < 1e-9, "of two it is a coin: {covariance:?}");
        let same = relative_utility(&mixture, &[pair[0].clone(), pair[0].clone()]).expect("two alternatives").expected;
        assert!(same.iter().all(|r| (r - 0.5).abs() < 1e-9));
    }

    #[test]
    fn identical_alternatives_cost_nothing() {
        let mixture = belief();
        let same = vec![0.3, 0.1, -0.2];
        let two = assess(&mixture, &[same.clone(), same.clone()]).expect("two alternatives");
        assert!(two.expected_regret < 1e-12 && two.best == 0 && (two.probability_best[0] - 0.5).abs() < 1e-12);
        let one = assess(&mixture, &[same]).expect("one alternative");
        assert!(one.expected_regret == 0.0 && one.probability_best == [1.0]);
        assert!(assess(&mixture, &[]).is_err());
    }
}
