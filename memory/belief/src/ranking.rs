//! Choices of n and rankings: Thurstone's model with noise of variance 1/2 for each alternative (docs/belief.md, equation 6).
//!
//! Everything here lives in the space of the `n` utilities, whatever the number of features.

use serde::{Deserialize, Serialize};

use super::dense;
use super::interval::{IntervalLikelihood, tilt as interval_tilt};
use super::logs::ln_sum_exp;
use super::normal::{Correlated, LEGENDRE_20, bivariate_upper, cdf, density};

/// Beyond this many outcomes they are neither listed nor used to normalise the inner approximation.
pub(crate) const LISTED_MAX: usize = 24;

/// Panels of the quadrature over an order of three differences.
const PANELS: u32 = 3;

/// Which places of an order are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Places {
    /// The first so many, best first; 1 is a choice.
    First(usize),
    /// The best and the worst of three to five (best-worst scaling): what is told is `[best, worst]`.
    BestAndWorst,
}

impl Places {
    /// Most alternatives among which the best and the worst can be asked for: their outcomes can still be listed.
    pub const BEST_AND_WORST_MAX: usize = 5;

    /// Whether so many places can be asked for among `n` alternatives.
    pub(crate) fn fits(self, n: usize) -> bool {
        match self {
            Places::First(ranked) => (1..=n).contains(&ranked),
            Places::BestAndWorst => (3..=Self::BEST_AND_WORST_MAX).contains(&n),
        }
    }

    /// How many alternatives an answer names.
    pub(crate) fn named(self) -> usize {
        match self {
            Places::First(ranked) => ranked,
            Places::BestAndWorst => 2,
        }
    }

    /// How many outcomes there are among `n` alternatives, saturating.
    pub(crate) fn count(self, n: usize) -> usize {
        outcome_count(n, self.named())
    }

    /// All outcomes, lexicographic.
    pub(crate) fn orders(self, n: usize) -> Vec<Vec<usize>> {
        orders(n, self.named())
    }

    /// The disjoint events that make up an answer: one, or one for each order of those between best and worst.
    fn events(self, order: &[usize], n: usize) -> Vec<Event> {
        match (self, order) {
            (Places::BestAndWorst, &[best, worst]) => {
                let middle: Vec<usize> = (0..n).filter(|k| *k != best && *k != worst).collect();
                let whole = |order: Vec<usize>| {
                    let between = order.iter().map(|&k| middle[k]);
                    let whole: Vec<usize> = std::iter::once(best).chain(between).chain([worst]).collect();
                    // Several orders make up one answer, and sums of many answers are wanted fast.
                    Event { panels: 1, ..Event::new(&whole, n) }
                };
                orders(middle.len(), middle.len()).into_iter().map(whole).collect()
            }
            _ => vec![Event::new(order, n)],
        }
    }
}

/// An order: `rows` differences of utilities, all of which were seen to be positive.
pub(crate) struct Event {
    /// `(better, worse)` of each row.
    pairs: Vec<(usize, usize)>,
    n: usize,
    /// Panels of the quadrature over its differences.
    panels: u32,
}

impl Event {
    /// `order`, best first, of `n` alternatives; those it leaves out are all worse than its last.
    pub(crate) fn new(order: &[usize], n: usize) -> Self {
        let mut pairs: Vec<(usize, usize)> = order.windows(2).map(|pair| (pair[0], pair[1])).collect();
        if let Some(&last) = order.last() {
            pairs.extend((0..n).filter(|k| !order.contains(k)).map(|k| (last, k)));
        }
        Self { pairs, n, panels: PANELS }
    }

    /// `B u`.
    fn differences(&self, u: &[f64]) -> Vec<f64> {
        self.pairs.iter().map(|&(i, j)| u[i] - u[j]).collect()
    }

    /// `B K B'` of an `n` x `n` matrix.
    fn covariance(&self, k: &[f64]) -> Vec<f64> {
        let at = |i: usize, j: usize| k[i * self.n + j];
        let mut out = Vec::with_capacity(self.pairs.len() * self.pairs.len());
        for &(a, b) in &self.pairs {
            for &(c, d) in &self.pairs {
                out.push((at(a, c) - at(a, d)) - (at(b, c) - at(b, d)));
            }
        }
        out
    }

    /// `B' x`.
    fn gather(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.n];
        for (&(i, j), x) in self.pairs.iter().zip(x) {
            out[i] += x;
            out[j] -= x;
        }
        out
    }
}

/// How many orders of `ranked` out of `n` there are: `n! / (n - ranked)!`, saturating.
pub(crate) fn outcome_count(n: usize, ranked: usize) -> usize {
    (0..ranked).fold(1usize, |count, k| count.saturating_mul(n - k))
}

/// All orders of `ranked` out of `n`, lexicographic.
pub(crate) fn orders(n: usize, ranked: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..ranked {
        all = all
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..n).filter(|k| !order.contains(k)).map(|k| [order.as_slice(), &[k]].concat()).collect::<Vec<_>>()
            })
            .collect();
    }
    all
}

/// Position of `order` among [`orders`].
pub(crate) fn outcome_index(order: &[usize], n: usize) -> usize {
    let mut index = 0;
    for (k, &choice) in order.iter().enumerate() {
        let smaller = (0..choice).filter(|c| !order[..k].contains(c)).count();
        index = index * (n - k) + smaller;
    }
    index
}

/// `ln P(B y > 0)`, `y ~ N(u, k)`: equation (6) without lapses, not yet normalised over outcomes.
pub(crate) fn ln_order_probability(event: &Event, u: &[f64], k: &[f64]) -> f64 {
    orthant(&event.differences(u), &event.covariance(k), event.panels).ln_z
}

/// Probabilities of all outcomes, `y ~ N(u, k)`: equation (6), summing to 1.
pub(crate) fn probabilities(places: Places, u: &[f64], k: &[f64], lapse: f64) -> Vec<f64> {
    let n = u.len();
    let all = places.orders(n);
    let mut p: Vec<f64> = all.iter().map(|order| libm::exp(ln_inside(places, order, u, k))).collect();
    let total: f64 = p.iter().sum();
    let share = lapse / p.len() as f64;
    p.iter_mut().for_each(|p| *p = (1.0 - lapse) * *p / total + share);
    p
}

/// `ln` of the probability of an answer without lapses, not yet normalised over outcomes.
fn ln_inside(places: Places, order: &[usize], u: &[f64], k: &[f64]) -> f64 {
    let ln: Vec<f64> = places.events(order, u.len()).iter().map(|event| ln_order_probability(event, u, k)).collect();
    if let [one] = ln.as_slice() { *one } else { ln_sum_exp(&ln) }
}

/// Gradient and negative curvature of `ln Z` in the means of the utilities, and `ln Z`.
pub(crate) struct RankingTilt {
    pub(crate) ln_z: f64,
    pub(crate) alpha: Vec<f64>,
    pub(crate) beta: Vec<f64>,
}

/// `ln Z` of an order alone, the same number as [`tilt`] gives.
pub(crate) fn tilt_probability(
    places: Places,
    order: &[usize],
    u: &[f64],
    s: &[f64],
    noise: &[f64],
    lapse: f64,
) -> f64 {
    let n = u.len();
    let mut k = s.to_vec();
    for (i, noise) in noise.iter().enumerate() {
        k[i * n + i] += noise;
    }
    lapsed(ln_inside(places, order, u, &k) - ln_total(places, u, &k), places.count(n), lapse).0
}

/// `ln` of the sum over all orders, where the inner approximation is used and they are few enough to list; else 0.
fn ln_total(places: Places, u: &[f64], k: &[f64]) -> f64 {
    let n = u.len();
    if n <= 4 || places.count(n) > LISTED_MAX {
        return 0.0;
    }
    libm::log(places.orders(n).iter().map(|order| libm::exp(ln_inside(places, order, u, k))).sum())
}

/// Mixes lapses in: `ln Z` and the share of it that is no lapse.
fn lapsed(ln_inside: f64, outcomes: usize, lapse: f64) -> (f64, f64) {
    if lapse == 0.0 {
        return (ln_inside, 1.0);
    }
    let mass = (1.0 - lapse) * libm::exp(ln_inside);
    let z = mass + lapse / outcomes as f64;
    (libm::log(z), mass / z)
}

/// Tilted moments of an order against the cavity `N(u, s)` of the utilities, `noise` the variances of theirs.
pub(crate) fn tilt(places: Places, order: &[usize], u: &[f64], s: &[f64], noise: &[f64], lapse: f64) -> RankingTilt {
    let n = u.len();
    let mut k = s.to_vec();
    for (i, noise) in noise.iter().enumerate() {
        k[i * n + i] += noise;
    }
    let (ln_total, outcomes) = (ln_total(places, u, &k), places.count(n));
    match places.events(order, n).as_slice() {
        [event] => tilt_of_event(event, u, &k, |ln_inside| lapsed(ln_inside - ln_total, outcomes, lapse)),
        events => {
            let parts: Vec<RankingTilt> =
                events.iter().map(|event| tilt_of_event(event, u, &k, |ln| (ln, 1.0))).collect();
            tilt_of_union(&parts, |ln_inside| lapsed(ln_inside - ln_total, outcomes, lapse))
        }
    }
}

/// The tilt of one of several disjoint events having happened: `Z` is the sum of theirs, and with `p_k = Z_k / Z` the gradient of
/// `ln Z` is `sum p_k alpha_k`, its negative curvature `sum p_k (beta_k - alpha_k alpha_k') + alpha alpha'`.
fn tilt_of_union(parts: &[RankingTilt], lapse: impl Fn(f64) -> (f64, f64)) -> RankingTilt {
    let ln_inside = ln_sum_exp(&parts.iter().map(|part| part.ln_z).collect::<Vec<_>>());
    let n = parts[0].alpha.len();
    let (mut alpha, mut beta) = (vec![0.0; n], vec![0.0; n * n]);
    for part in parts {
        let p = libm::exp(part.ln_z - ln_inside);
        for i in 0..n {
            alpha[i] += p * part.alpha[i];
            for j in 0..n {
                beta[i * n + j] += p * (part.beta[i * n + j] - part.alpha[i] * part.alpha[j]);
            }
        }
    }
    let (ln_z, kept) = lapse(ln_inside);
    for i in 0..n {
        for j in 0..n {
            // kept (beta + alpha alpha') - kept (1 - kept) alpha alpha': lapses mix with the cavity.
            beta[i * n + j] = kept * (beta[i * n + j] + kept * alpha[i] * alpha[j]);
        }
    }
    alpha.iter_mut().for_each(|a| *a *= kept);
    RankingTilt { ln_z, alpha, beta }
}

/// `lapse` turns `ln` of an event's mass into `ln Z` and the share of it that is no lapse.
fn tilt_of_event(event: &Event, u: &[f64], k: &[f64], lapse: impl Fn(f64) -> (f64, f64)) -> RankingTilt {
    let n = u.len();
    let rows = event.pairs.len();
    let covariance = event.covariance(k);
    let inside = orthant(&event.differences(u), &covariance, event.panels);
    let (ln_z, kept) = lapse(inside.ln_z);
    // In the differences: alpha = C^-1 E[d - mu], beta = C^-1 - C^-1 Var[d] C^-1, then lapses mix with the cavity.
    let identity: Vec<f64> = (0..rows * rows).map(|i| f64::from(u8::from(i % (rows + 1) == 0))).collect();
    let Some((precision, _)) = dense::solve(&covariance, &identity, rows, rows) else {
        return RankingTilt { ln_z, alpha: vec![0.0; n], beta: vec![0.0; n * n] };
    };
    let alpha_inside = dense::apply(&precision, &inside.shift);
    let explained = dense::multiply(&dense::multiply(&precision, &inside.covariance, rows), &precision, rows);
    let mut beta: Vec<f64> = Vec::with_capacity(rows * rows);
    for i in 0..rows {
        for j in 0..rows {
            let within = precision[i * rows + j] - explained[i * rows + j];
            beta.push(kept * within - kept * (1.0 - kept) * alpha_inside[i] * alpha_inside[j]);
        }
    }
    dense::symmetrise(&mut beta, rows);
    let alpha: Vec<f64> = alpha_inside.iter().map(|a| kept * a).collect();
    let half: Vec<Vec<f64>> = beta.chunks_exact(rows).map(|row| event.gather(row)).collect();
    let mut full = vec![0.0; n * n];
    for column in 0..n {
        let gathered = event.gather(&half.iter().map(|row| row[column]).collect::<Vec<_>>());
        for (row, x) in gathered.iter().enumerate() {
            full[row * n + column] = *x;
        }
    }
    RankingTilt { ln_z, alpha: event.gather(&alpha), beta: full }
}

/// Mass of `d > 0`, and the moments of `d ~ N(mu, c)` given it.
struct Orthant {
    ln_z: f64,
    /// `E[d | d > 0] - mu`.
    shift: Vec<f64>,
    covariance: Vec<f64>,
}

/// `panels`: of the quadrature over three differences. One is enough for differences that are not nearly collinear.
fn orthant(mu: &[f64], c: &[f64], panels: u32) -> Orthant {
    match mu.len() {
        1 => single(mu[0], c[0]),
        2 => pair(mu, c).unwrap_or_else(|| inner(mu, c)),
        3 => triple(mu, c, panels).unwrap_or_else(|| inner(mu, c)),
        _ => inner(mu, c),
    }
}

fn single(mu: f64, c: f64) -> Orthant {
    let cut = super::interval::truncated(-mu / c.sqrt(), f64::INFINITY);
    Orthant { ln_z: cut.ln_mass, shift: vec![cut.mean * c.sqrt()], covariance: vec![c * cut.variance] }
}

/// Two differences, exactly (Rosenbaum 1961); nothing where the mass is too small for the absolute precision of the bivariate function.
fn pair(mu: &[f64], c: &[f64]) -> Option<Orthant> {
    let (s1, s2) = (c[0].sqrt(), c[3].sqrt());
    let (h, k) = (-mu[0] / s1, -mu[1] / s2);
    let r = c[1] / (s1 * s2);
    let free = 1.0 - r * r;
    if free < 1e-8 {
        return None;
    }
    let z = bivariate_upper(h, k, r);
    if z < 1e-9 {
        return None;
    }
    let root = free.sqrt();
    let (fh, fk) = (density(h), density(k));
    let (qk, qh) = (cdf(-(k - r * h) / root), cdf(-(h - r * k) / root));
    let joint = root * libm::exp(-(h * h - 2.0 * r * h * k + k * k) / (2.0 * free)) / (2.0 * std::f64::consts::PI);
    let m1 = (fh * qk + r * fk * qh) / z;
    let m2 = (fk * qh + r * fh * qk) / z;
    let e11 = 1.0 + (h * fh * qk + r * r * k * fk * qh + r * joint) / z;
    let e22 = 1.0 + (k * fk * qh + r * r * h * fh * qk + r * joint) / z;
    let e12 = r + (r * h * fh * qk + r * k * fk * qh + joint) / z;
    let (v1, v2, v12) = (e11 - m1 * m1, e22 - m2 * m2, e12 - m1 * m2);
    if !(v1 > 0.0 && v2 > 0.0 && v12 * v12 < v1 * v2) {
        return None;
    }
    let covariance = vec![v1 * s1 * s1, v12 * s1 * s2, v12 * s1 * s2, v2 * s2 * s2];
    Some(Orthant { ln_z: libm::log(z), shift: vec![m1 * s1, m2 * s2], covariance })
}

/// Three differences: the mass by quadrature over the first of the bivariate function, the moments from it exactly (Tallis 1961).
/// Nothing where rounding or nearly collinear differences would spoil them.
fn triple(mu: &[f64], c: &[f64], panels: u32) -> Option<Orthant> {
    let s = [c[0].sqrt(), c[4].sqrt(), c[8].sqrt()];
    let h: Vec<f64> = mu.iter().zip(s).map(|(mu, s)| -mu / s).collect();
    let r = |i: usize, j: usize| if i == j { 1.0 } else { c[3 * i + j] / (s[i] * s[j]) };
    let others = |i: usize| ((i + 1) % 3, (i + 2) % 3);
    // Given the i-th at x, the others: standard deviations left, and their partial correlation.
    let left = |i: usize, j: usize| (1.0 - r(i, j) * r(i, j)).max(0.0).sqrt();
    if (0..3).any(|i| left(i, others(i).0) < 1e-4) {
        return None;
    }
    let given = |i: usize| {
        let (j, k) = others(i);
        let partial = (r(j, k) - r(i, j) * r(i, k)) / (left(i, j) * left(i, k));
        let others = Correlated::new(partial.clamp(-1.0, 1.0));
        let [(hj, rj, lj), (hk, rk, lk)] = [j, k].map(|j| (h[j], r(i, j), left(i, j)));
        move |x: f64| others.upper((hj - rj * x) / lj, (hk - rk * x) / lk)
    };
    let (lo, hi) = (h[0].clamp(-9.0, 9.0), h[0].max(0.0) + 9.0);
    let half = 0.5 * (hi - lo) / f64::from(panels);
    let mut z = 0.0;
    let given_first = given(0);
    for panel in 0..panels {
        let centre = lo + half * (2.0 * f64::from(panel) + 1.0);
        for &(x, w) in &LEGENDRE_20 {
            for x in [centre - half * x, centre + half * x] {
                z += w * half * density(x) * given_first(x);
            }
        }
    }
    if z < 1e-7 {
        return None;
    }
    let first: Vec<f64> = (0..3).map(|i| density(h[i]) * given(i)(h[i])).collect();
    let both = |i: usize, j: usize| {
        let k = 3 - i - j;
        let free = 1.0 - r(i, j) * r(i, j);
        let joint = libm::exp(-(h[i] * h[i] - 2.0 * r(i, j) * h[i] * h[j] + h[j] * h[j]) / (2.0 * free))
            / (2.0 * std::f64::consts::PI * free.sqrt());
        let (bi, bj) = ((r(i, k) - r(i, j) * r(j, k)) / free, (r(j, k) - r(i, j) * r(i, k)) / free);
        let rest = (1.0 - bi * r(i, k) - bj * r(j, k)).max(1e-12).sqrt();
        joint * cdf(-(h[k] - bi * h[i] - bj * h[j]) / rest)
    };
    let mean: Vec<f64> = (0..3).map(|i| (0..3).map(|j| r(i, j) * first[j]).sum::<f64>() / z).collect();
    let mut covariance = vec![0.0; 9];
    for i in 0..3 {
        for j in 0..3 {
            let mut second = 0.0;
            for k in 0..3 {
                second += r(i, k) * r(j, k) * h[k] * first[k];
                let (a, b) = others(k);
                for q in [a, b] {
                    second += r(i, k) * both(k, q) * (r(j, q) - r(k, q) * r(j, k));
                }
            }
            covariance[3 * i + j] = (r(i, j) + second / z - mean[i] * mean[j]) * s[i] * s[j];
        }
    }
    dense::symmetrise(&mut covariance, 3);
    let scaled: Vec<f64> = (0..9).map(|k| covariance[k] / (s[k / 3] * s[k % 3])).collect();
    dense::is_positive(&scaled, 3).then(|| Orthant {
        ln_z: libm::log(z),
        shift: mean.iter().zip(s).map(|(m, s)| m * s).collect(),
        covariance,
    })
}

/// Any number of differences: expectation propagation over the truncations (Cunningham, Hennig and Lacoste-Julien 2011).
fn inner(mu: &[f64], c: &[f64]) -> Orthant {
    let n = mu.len();
    let positive = IntervalLikelihood { lo: 0.0, hi: f64::INFINITY, lapse: 0.0, outcomes: 1 };
    let (mut m, mut v) = (mu.to_vec(), c.to_vec());
    let mut sites = vec![super::interval::ScalarSite::default(); n];
    let mut ln_shrink = 0.0;
    for sweep in 0..60 {
        let mut moved: f64 = 0.0;
        for i in 0..n {
            let (mean, variance) = (m[i], v[i * n + i]);
            let old = sites[i];
            let left = 1.0 - old.tau * variance;
            if left <= 1e-12 {
                continue;
            }
            let (cavity_mean, cavity_variance) = ((mean - variance * old.nu) / left, variance / left);
            let t = interval_tilt(cavity_mean, cavity_variance, 0.0, positive);
            if t.rest <= 0.0 {
                continue;
            }
            let mut new = super::interval::ScalarSite::from_tilt(&t, cavity_mean, cavity_variance);
            new.normalise(t.ln_z, cavity_mean, cavity_variance);
            let (dt, dn) = (new.tau - old.tau, new.nu - old.nu);
            let grown = 1.0 + dt * variance;
            if !(grown > 1e-12 && new.nu.is_finite() && new.ln_c.is_finite()) {
                continue;
            }
            moved = moved.max((dt * cavity_variance).abs()).max((dn * cavity_variance.sqrt()).abs());
            let g: Vec<f64> = (0..n).map(|j| v[j * n + i]).collect();
            let (shrink, step) = (dt / grown, (dn - dt * mean) / grown);
            for a in 0..n {
                m[a] += step * g[a];
                for b in 0..n {
                    v[a * n + b] -= shrink * g[a] * g[b];
                }
            }
            ln_shrink += libm::log(grown);
            sites[i] = new;
        }
        if moved < 1e-9 && sweep > 0 {
            break;
        }
    }
    dense::symmetrise(&mut v, n);
    // ln Z = sum ln C + A(q) - A(p), the quadratic forms through C^-1 mu.
    let shift: Vec<f64> = m.iter().zip(mu).map(|(m, mu)| m - mu).collect();
    let pull = dense::solve(c, mu, n, 1).map_or(0.0, |(x, _)| dense::dot(&shift, &x));
    let nu: Vec<f64> = sites.iter().map(|site| site.nu).collect();
    let ln_z = sites.iter().map(|site| site.ln_c).sum::<f64>() + 0.5 * (pull + dense::dot(&m, &nu) - ln_shrink);
    Orthant { ln_z: ln_z.min(0.0), shift, covariance: v }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid_moments(order: &[usize], u: &[f64], s: &[f64], lapse: f64) -> (f64, Vec<f64>, Vec<f64>) {
        // Three utilities z ~ N(u, s), noise 1/2 each: brute force over a grid of z through s = l l'.
        let l = dense::factor(s, 3);
        let outcomes = outcome_count(3, order.len()) as f64;
        let n = 41;
        let at = |i: usize| -6.0 + 12.0 * i as f64 / (n - 1) as f64;
        let (mut z0, mut z1, mut z2) = (0.0, vec![0.0; 3], vec![0.0; 9]);
        for a in 0..n {
            for b in 0..n {
                for c in 0..n {
                    let x = [at(a), at(b), at(c)];
                    let z: Vec<f64> = dense::apply(&l, &x).iter().zip(u).map(|(d, u)| d + u).collect();
                    let event = Event::new(order, 3);
                    let d = event.differences(&z);
                    let noise = event.covariance(&[0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5]);
                    let p = bivariate_upper(
                        -d[0] / noise[0].sqrt(),
                        -d[1] / noise[3].sqrt(),
                        noise[1] / (noise[0] * noise[3]).sqrt(),
                    );
                    let w = (-0.5 * dense::dot(&x, &x)).exp() * ((1.0 - lapse) * p + lapse / outcomes);
                    z0 += w;
                    for i in 0..3 {
                        z1[i] += w * z[i];
                        for j in 0..3 {
                            z2[i * 3 + j] += w * z[i] * z[j];
                        }
                    }
                }
            }
        }
        let mean: Vec<f64> = z1.iter().map(|z| z / z0).collect();
        let covariance = (0..9).map(|k| z2[k] / z0 - mean[k / 3] * mean[k % 3]).collect();
        let step: f64 = 12.0 / (n - 1) as f64;
        (z0 * step.powi(3) / (2.0 * std::f64::consts::PI).powf(1.5), mean, covariance)
    }

    #[test]
    fn three_alternatives_agree_with_quadrature() {
        let u = [0.3, -0.4, 0.6];
        let s = [1.0, 0.3, -0.2, 0.3, 0.8, 0.1, -0.2, 0.1, 1.5];
        for order in [vec![0], vec![2], vec![1, 0], vec![2, 0, 1]] {
            for lapse in [0.0, 0.2] {
                let t = tilt(Places::First(order.len()), &order, &u, &s, &[0.5; 3], lapse);
                let (z, mean, covariance) = grid_moments(&order, &u, &s, lapse);
                assert!((libm::exp(t.ln_z) - z).abs() < 1e-6, "{order:?}: {} not {z}", libm::exp(t.ln_z));
                let shift = dense::apply(&s, &t.alpha);
                let shrunk = dense::multiply(&dense::multiply(&s, &t.beta, 3), &s, 3);
                for i in 0..3 {
                    assert!((u[i] + shift[i] - mean[i]).abs() < 1e-5, "{order:?} mean {i}");
                    for j in 0..3 {
                        let got = s[i * 3 + j] - shrunk[i * 3 + j];
                        assert!(
                            (got - covariance[i * 3 + j]).abs() < 1e-4,
                            "{order:?} covariance {i} {j}: {got} not {}",
                            covariance[i * 3 + j]
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn inner_approximation_is_close_to_the_exact_pair() {
        for (mu, c) in [
            ([0.2, -0.5], [1.0, 0.5, 0.5, 1.0]),
            ([-1.0, 2.0], [2.0, -0.7, -0.7, 1.0]),
            ([3.0, 0.0], [5.0, 4.0, 4.0, 6.0]),
        ] {
            let (exact, approximate) = (pair(&mu, &c).expect("ordinary masses"), inner(&mu, &c));
            assert!((exact.ln_z - approximate.ln_z).abs() < 0.02, "{} {}", exact.ln_z, approximate.ln_z);
            for i in 0..2 {
                assert!((exact.shift[i] - approximate.shift[i]).abs() < 0.05);
            }
        }
    }

    #[test]
    fn outcomes_are_counted_listed_and_sum_to_one() {
        for (n, ranked) in [(2, 1), (3, 1), (3, 2), (3, 3), (4, 1), (4, 4), (5, 1)] {
            let all = orders(n, ranked);
            assert_eq!(all.len(), outcome_count(n, ranked));
            assert!(all.iter().enumerate().all(|(i, order)| outcome_index(order, n) == i));
            let u: Vec<f64> = (0..n).map(|i| libm::sin(i as f64)).collect();
            let k: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.3 } else { 0.2 }).collect();
            let p = probabilities(Places::First(ranked), &u, &k, 0.1);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn four_alternatives_agree_with_independence() {
        // The best of four exchangeable alternatives: a quarter each.
        let k: Vec<f64> = (0..16).map(|i| if i % 5 == 0 { 0.5 } else { 0.0 }).collect();
        let event = Event::new(&[2], 4);
        let raw = libm::exp(ln_order_probability(&event, &[0.0; 4], &k));
        assert!((raw - 0.25).abs() < 1e-9, "{raw}");
        let k: Vec<f64> = (0..25).map(|i| if i % 6 == 0 { 0.5 } else { 0.0 }).collect();
        let raw = libm::exp(ln_order_probability(&Event::new(&[2], 5), &[0.0; 5], &k));
        assert!((raw - 0.2).abs() < 0.01, "inner approximation {raw}");
        let t = tilt(Places::First(1), &[2], &[0.0; 4], &[0.0; 16], &[0.5; 4], 0.0);
        assert!((libm::exp(t.ln_z) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn the_best_and_the_worst_of_three_are_a_whole_order() {
        let u = [0.3, -0.4, 0.6];
        let s = [1.0, 0.3, -0.2, 0.3, 0.8, 0.1, -0.2, 0.1, 1.5];
        for lapse in [0.0, 0.2] {
            let whole = tilt(Places::First(3), &[2, 0, 1], &u, &s, &[0.5; 3], lapse);
            let ends = tilt(Places::BestAndWorst, &[2, 1], &u, &s, &[0.5; 3], lapse);
            assert!((whole.ln_z - ends.ln_z).abs() < 1e-12);
            assert!(whole.alpha.iter().zip(&ends.alpha).all(|(a, b)| (a - b).abs() < 1e-12));
            assert!(whole.beta.iter().zip(&ends.beta).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    /// The gradient and the curvature are those of `ln Z` by finite differences.
    #[test]
    fn the_tilt_of_best_and_worst_is_the_derivative_of_its_mass() {
        let u = [0.4, -0.5, 0.1, 0.9];
        let s: Vec<f64> = (0..16).map(|k| if k % 5 == 0 { 1.2 } else { 0.2 }).collect();
        let noise = [0.5, 0.6, 0.7, 0.5];
        for lapse in [0.0, 0.1] {
            let ln_z = |u: &[f64]| tilt_probability(Places::BestAndWorst, &[3, 1], u, &s, &noise, lapse);
            let t = tilt(Places::BestAndWorst, &[3, 1], &u, &s, &noise, lapse);
            assert!((t.ln_z - ln_z(&u)).abs() < 1e-12);
            let h = 1e-3;
            let moved = |i: usize, a: f64, j: usize, b: f64| {
                let mut u = u;
                u[i] += a;
                u[j] += b;
                ln_z(&u)
            };
            for i in 0..4 {
                let slope = (moved(i, h, i, 0.0) - moved(i, -h, i, 0.0)) / (2.0 * h);
                assert!((slope - t.alpha[i]).abs() < 1e-5, "{i}: {slope} not {}", t.alpha[i]);
                for j in 0..4 {
                    let mixed = moved(i, h, j, h) - moved(i, h, j, -h) - moved(i, -h, j, h) + moved(i, -h, j, -h);
                    let curvature = -mixed / (4.0 * h * h);
                    assert!(
                        (curvature - t.beta[i * 4 + j]).abs() < 1e-3,
                        "{i} {j}: {curvature} not {}",
                        t.beta[i * 4 + j]
                    );
                }
            }
        }
    }
}
