//! The same question asked again: all answers share a residual and form one site (docs/belief.md, equation 5).

use super::interval::{IntervalLikelihood, Tilt, probability, truncated};
use super::normal::{LEGENDRE_20, SQRT_TAU};

/// Everything within this many standard deviations of something that matters is covered by quadrature.
const REACH: f64 = 9.0;
/// A table with more points than this costs more than it saves.
const TABLE_MAX: usize = 4096;
/// What is below the top by this much (a factor of 1e-13) does not count.
const NEGLIGIBLE: f64 = 30.0;

/// Equation (5): the tilt of several answers to one question. The latent is `t = z + r` with `r ~ N(0, rho)` shared, each
/// answer has its own noise of variance `1 - rho`; bounds in `seen` are in the same units. `rho` in (0, 1].
pub(crate) fn tilt(mu: f64, v: f64, rho: f64, seen: &[IntervalLikelihood]) -> Tilt {
    let s = (v + rho).sqrt();
    let own = (1.0 - rho).max(1e-12);
    let cuts = breakpoints(mu, s, own, seen);
    // In logarithms: the largest exponent is taken out before anything is summed.
    let mut nodes: Vec<(f64, f64, f64)> = Vec::with_capacity(20 * cuts.len());
    let mut top = f64::NEG_INFINITY;
    for pair in cuts.windows(2) {
        let (centre, half) = (0.5 * (pair[0] + pair[1]), 0.5 * (pair[1] - pair[0]));
        for &(x, w) in &LEGENDRE_20 {
            for side in [-x, x] {
                let t = centre + half * side;
                let d = (t - mu) / s;
                let ln_f = -0.5 * d * d + ln_likelihood(t, own, seen);
                top = top.max(ln_f);
                nodes.push((d, w * half, ln_f));
            }
        }
    }
    let (mut z, mut first, mut second) = (0.0, 0.0, 0.0);
    for &(d, w, ln_f) in &nodes {
        let f = w * libm::exp(ln_f - top);
        z += f;
        first += f * d;
        second += f * d * d;
    }
    let gradient = first / z;
    let rest = (second / z - gradient * gradient).max(0.0);
    Tilt { ln_z: top + libm::log(z / (s * SQRT_TAU)), gradient, curvature: 1.0 - rest, rest, noise: rho }
}

/// `ln prod_i P(y_i | t)` with own noise of variance `own`.
pub(crate) fn ln_likelihood(t: f64, own: f64, seen: &[IntervalLikelihood]) -> f64 {
    seen.iter()
        .map(|&answer| {
            if answer.lapse == 0.0 {
                let s = own.sqrt();
                truncated((answer.lo - t) / s, (answer.hi - t) / s).ln_mass
            } else {
                libm::log(probability(t, own, answer))
            }
        })
        .sum()
}

/// `ln prod_i P(y_i | t)` at evenly spaced `t`, for many cavities of the same answers. The trapezoidal rule on functions as smooth
/// as these (a normal, and answers with noise of their own) is exact to more digits than are kept.
pub(crate) struct Table {
    first: f64,
    step: f64,
    rho: f64,
    ln_likelihood: Vec<f64>,
}

impl Table {
    /// For cavities whose integrands lie within `reach` of `centre`; nothing where that takes too many points.
    pub(crate) fn new(centre: f64, reach: f64, rho: f64, seen: &[IntervalLikelihood]) -> Option<Self> {
        let own = 1.0 - rho;
        let step = 0.5 * rho.min(own / seen.len() as f64).sqrt();
        let half = (reach / step).ceil();
        if !(step > 0.0 && centre.is_finite() && 2.0 * half + 1.0 <= TABLE_MAX as f64) {
            return None;
        }
        let first = centre - half * step;
        let points = 2 * half as usize + 1;
        let ln_likelihood = (0..points).map(|k| ln_likelihood(first + k as f64 * step, own, seen)).collect();
        Some(Self { first, step, rho, ln_likelihood })
    }

    /// `ln Z` of [`tilt`] under the cavity `N(mu, v)`; nothing where the integrand reaches beyond the table.
    pub(crate) fn ln_z(&self, mu: f64, v: f64) -> Option<f64> {
        let s = (v + self.rho).sqrt();
        let last = self.ln_likelihood.len() as f64 - 1.0;
        let at = |t: f64| ((t - self.first) / self.step).clamp(0.0, last) as usize;
        let (from, to) = (at(mu - REACH * s), at(mu + REACH * s));
        let ln_f = |k: usize| {
            let d = (self.first + k as f64 * self.step - mu) / s;
            self.ln_likelihood[k] - 0.5 * d * d
        };
        let top = (from..=to).map(ln_f).fold(f64::NEG_INFINITY, f64::max);
        if !(top.is_finite() && ln_f(from).max(ln_f(to)) < top - NEGLIGIBLE) {
            return None;
        }
        let sum: f64 = (from..=to).map(|k| libm::exp(ln_f(k) - top)).sum();
        Some(top + libm::log(sum * self.step / (s * SQRT_TAU)))
    }
}

/// Where the integrand may bend: the cavity, the thresholds, and the mode of the answers taken without lapses.
fn breakpoints(mu: f64, s: f64, own: f64, seen: &[IntervalLikelihood]) -> Vec<f64> {
    let width = own.sqrt();
    let mut cuts: Vec<f64> = [-REACH, -4.0, -1.5, 0.0, 1.5, 4.0, REACH].iter().map(|k| mu + k * s).collect();
    for bound in seen.iter().flat_map(|answer| [answer.lo, answer.hi]).filter(|b| b.is_finite()) {
        cuts.extend([-6.0, -2.5, 0.0, 2.5, 6.0].map(|k| bound + k * width));
    }
    // Newton's method on a concave function; curvature lies between 1/s^2 and 1/s^2 + k/own.
    let mut t = mu;
    let mut curvature = 1.0 / (s * s);
    for _ in 0..30 {
        let mut slope = (mu - t) / (s * s);
        curvature = 1.0 / (s * s);
        for answer in seen {
            let cut = truncated((answer.lo - t) / width, (answer.hi - t) / width);
            slope += cut.mean / width;
            curvature += (1.0 - cut.variance) / own;
        }
        let step = slope / curvature;
        t += step;
        if step.abs() * curvature.sqrt() < 1e-3 {
            break;
        }
    }
    let peak = 1.0 / curvature.sqrt();
    cuts.extend([-REACH, -3.0, 0.0, 3.0, REACH].map(|k| t + k * peak));
    cuts.retain(|c| c.is_finite());
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval;

    fn answer(lo: f64, hi: f64, lapse: f64, outcomes: usize) -> IntervalLikelihood {
        IntervalLikelihood { lo, hi, lapse, outcomes }
    }

    #[test]
    fn one_answer_is_an_interval_site() {
        for (mu, v) in [(0.0, 1.0), (2.0, 0.1), (-3.0, 30.0), (5.0, 1e6), (1e4, 2.0)] {
            for seen in
                [answer(0.0, f64::INFINITY, 0.1, 2), answer(-0.3, 0.3, 0.01, 3), answer(0.4, f64::INFINITY, 0.0, 3)]
            {
                let (a, b) = (tilt(mu, v, 0.5, &[seen]), interval::tilt(mu, v, 1.0, seen));
                assert!((a.ln_z - b.ln_z).abs() < 1e-9 * b.ln_z.abs().max(1.0), "N({mu}, {v}) {seen:?}: {a:?} {b:?}");
                // Moments of z: mean moves by v alpha, variance by -v^2 beta.
                let s = |noise: f64| (v + noise).sqrt();
                assert!(
                    (a.gradient / s(0.5) - b.gradient / s(1.0)).abs() * v.sqrt() < 1e-7 * b.gradient.abs().max(1.0)
                );
                assert!(
                    (a.curvature / (v + 0.5) - b.curvature / (v + 1.0)).abs() * v < 1e-6,
                    "N({mu}, {v}) {seen:?}: {a:?} {b:?}"
                );
            }
        }
    }

    #[test]
    fn answers_to_one_question_sum_to_one() {
        let outcomes =
            [answer(0.3, f64::INFINITY, 0.1, 3), answer(f64::NEG_INFINITY, -0.3, 0.1, 3), answer(-0.3, 0.3, 0.1, 3)];
        for (mu, v) in [(0.4, 2.0), (-1.0, 100.0)] {
            let mut total = 0.0;
            for first in outcomes {
                for second in outcomes {
                    total += libm::exp(tilt(mu, v, 0.6, &[first, second]).ln_z);
                }
            }
            assert!((total - 1.0).abs() < 1e-9, "{total}");
        }
    }

    #[test]
    fn repeats_move_the_weights_less_than_news() {
        let seen = answer(0.0, f64::INFINITY, 0.05, 2);
        let once = tilt(0.0, 1.0, 0.5, &[seen]);
        let twice = tilt(0.0, 1.0, 0.5, &[seen, seen]);
        let s = 1.5f64.sqrt();
        let fresh = {
            let shift = once.gradient / s;
            shift + interval::tilt(shift, 1.0 - once.curvature / 1.5, 1.0, seen).gradient / s
        };
        assert!(twice.gradient > once.gradient && twice.gradient / s < fresh);
        assert!(libm::exp(twice.ln_z - once.ln_z) > 0.6, "the same answer is likely again");
    }

    #[test]
    fn a_table_agrees_with_quadrature() {
        let (yes, no) = (f64::INFINITY, f64::NEG_INFINITY);
        for seen in [
            vec![answer(0.2, yes, 0.05, 3), answer(0.2, yes, 0.05, 3)],
            vec![answer(0.0, yes, 0.0, 2), answer(no, 0.0, 0.0, 2), answer(0.0, yes, 0.0, 2)],
            vec![answer(-0.2, 0.2, 0.01, 3), answer(1.5, 1.9, 0.01, 3)],
        ] {
            for rho in [0.2, 0.6, 0.9] {
                let table = Table::new(0.5, 40.0, rho, &seen).expect("few points");
                for (mu, v) in [(0.5, 1e-9), (0.0, 1.0), (-3.0, 0.3), (2.0, 9.0)] {
                    let (got, expected) = (table.ln_z(mu, v).expect("within"), tilt(mu, v, rho, &seen).ln_z);
                    assert!((got - expected).abs() < 1e-7, "N({mu}, {v}), rho {rho}, {seen:?}: {got} not {expected}");
                }
                assert_eq!(table.ln_z(39.0, 4.0), None, "beyond the table");
                assert!(Table::new(0.0, 1e9, rho, &seen).is_none(), "too many points");
            }
        }
    }

    #[test]
    fn contradictions_stay_finite() {
        let yes = answer(0.0, f64::INFINITY, 0.0, 2);
        let no = answer(f64::NEG_INFINITY, 0.0, 0.0, 2);
        for (mu, v) in [(0.0, 1e-12), (1e3, 1.0), (0.0, 1e12), (-1e6, 4.0)] {
            let t = tilt(mu, v, 0.5, &[vec![yes; 50], vec![no; 50]].concat());
            assert!(t.ln_z.is_finite() && t.gradient.is_finite() && t.rest > 0.0, "N({mu}, {v}): {t:?}");
        }
    }
}
