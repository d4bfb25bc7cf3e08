//! The distribution of a functional beyond its Gaussian: every record's exact factor put back (docs/belief.md, equation 19).
//!
//! Expectation propagation's moments are close and its shape is a Gaussian's; what people say is skewed, the more so with lapses.
//! Along one functional `z = a . w` the skew is cheap to have: the factor `R_i(z) = E[t_i / site_i | z]` of every record, where
//! `t_i` is its likelihood and the expectation is over the belief given `z` (Cseke and Heskes 2011, their EP-FACT).

use rayon::prelude::*;

use super::functional::Functional;
use super::gaussian::Gaussian;
use super::hypothesis::{Form, History, Hypothesis, Prior, State, remove, shared_share};
use super::information::heaviest;
use super::interval::{self, Site};
use super::mixture::Mixture;
use super::normal::{cdf, density, quantile};
use super::observation::{Answer, Record};
use super::ranking::{self, Places};
use super::retest::{self, Table};
use super::settings::Settings;
use super::symmetric::{diagonal, dot};

/// Factors are formed at this many points, `NODE_STEP` standard deviations apart, and interpolated between by cubics.
const NODES: usize = 13;
const NODE_STEP: f64 = 0.75;
/// Cells of the distribution function, `CELL` standard deviations wide, over `REACH` to both sides.
const REACH: f64 = 5.0;
const CELL: f64 = 0.125;
const CELLS: usize = 80;
/// A table covers this many standard deviations of the widest cavity.
const TABLE_REACH: f64 = 9.0;
/// Fewer tilts than this are not worth a second thread.
const PARALLEL_MIN: usize = 20_000;

/// `P(z <= x) = Phi(score((x - centre) / scale))`: a normal whose axis is bent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) mean: f64,
    pub(crate) sd: f64,
    centre: f64,
    scale: f64,
    /// Scores at the cells' borders.
    scores: Vec<f64>,
}

impl Shape {
    /// The normal `N(centre, scale^2)` times a factor given by its logarithms at the nodes; nothing where that is no distribution.
    fn new(centre: f64, scale: f64, ln_factor: &[f64; NODES]) -> Option<Self> {
        // In each cell the normal is exact and the factor that of the cell's middle: without a factor nothing changes.
        let border = |k: usize| k as f64 * CELL - REACH;
        let middle = ln_factor[NODES / 2];
        let factor = |t: f64| libm::exp(interpolate(ln_factor, t) - middle);
        let (left, right) = (factor(-REACH), factor(REACH));
        let mut first = density(REACH) * (right - left);
        let mut second = (cdf(-REACH) + REACH * density(REACH)) * (left + right);
        let mut below = vec![cdf(-REACH) * left];
        let mut above = cdf(-REACH) * right;
        let mut masses = Vec::with_capacity(CELLS);
        for k in 0..CELLS {
            let (l, u) = (border(k), border(k + 1));
            let share = factor(0.5 * (l + u));
            let inside = if l < 0.0 { cdf(u) - cdf(l) } else { cdf(-l) - cdf(-u) };
            masses.push(share * inside);
            first += share * (density(l) - density(u));
            second += share * (inside + l * density(l) - u * density(u));
            below.push(below[k] + share * inside);
        }
        let total = below[CELLS] + above;
        let (first, second) = (first / total, second / total);
        let variance = second - first * first;
        if !(total.is_finite() && total > 0.0 && variance > 0.0 && centre.is_finite()) {
            return None;
        }
        // The upper half from above, so that small tails keep their digits.
        let mut scores = vec![0.0; CELLS + 1];
        for k in (0..=CELLS).rev() {
            let (p, q) = (below[k] / total, above / total);
            scores[k] = if p < 0.5 { quantile(p.max(1e-300)) } else { -quantile(q.max(1e-300)) };
            if k > 0 {
                above += masses[k - 1];
            }
        }
        scores.iter().all(|s| s.is_finite()).then(|| Self {
            mean: centre + scale * first,
            sd: scale * variance.sqrt(),
            centre,
            scale,
            scores,
        })
    }

    /// `P(z <= x)`.
    pub(crate) fn cdf(&self, x: f64) -> f64 {
        let t = (x - self.centre) / self.scale;
        let at = (t + REACH) / CELL;
        let score = if at <= 0.0 {
            self.scores[0] + (t + REACH)
        } else if at >= CELLS as f64 {
            self.scores[CELLS] + (t - REACH)
        } else {
            let k = (at as usize).min(CELLS - 1);
            self.scores[k] + (at - k as f64) * (self.scores[k + 1] - self.scores[k])
        };
        cdf(score)
    }
}

/// Where node `k` is, in standard deviations.
fn node(k: usize) -> f64 {
    (k as f64 - (NODES / 2) as f64) * NODE_STEP
}

/// Lagrange's cubic through the four nodes around `t`; the end nodes' values beyond them.
fn interpolate(values: &[f64; NODES], t: f64) -> f64 {
    let at = t / NODE_STEP + (NODES / 2) as f64;
    if at <= 0.0 {
        return values[0];
    }
    if at >= (NODES - 1) as f64 {
        return values[NODES - 1];
    }
    let start = (at as usize).saturating_sub(1).min(NODES - 4);
    let x = at - start as f64;
    let (a, b, c, d) = (x, x - 1.0, x - 2.0, x - 3.0);
    -b * c * d / 6.0 * values[start] + a * c * d / 2.0 * values[start + 1] - a * b * d / 2.0 * values[start + 2]
        + a * b * c / 6.0 * values[start + 3]
}

/// The functional at one node: the belief given it is the belief moved by `along` times the covariance with it.
struct Given<'a> {
    /// `V a / sd`.
    along: &'a [f64],
    /// Standard deviations from the mean.
    t: f64,
}

impl Hypothesis {
    /// The shape of a functional of this mean and variance, whose covariance with the weights is `along`.
    fn shape(
        &self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        of: &[Moments],
        (mean, variance): (f64, f64),
        along: &mut [f64],
    ) -> Option<Shape> {
        let Form::Gaussian { belief, sites } = &self.form else { return None };
        let sd = variance.sqrt();
        if sites.is_empty() || sd.partial_cmp(&1e-150) != Some(std::cmp::Ordering::Greater) {
            return None;
        }
        along.iter_mut().for_each(|x| *x /= sd);
        let mut ln_factor = [0.0; NODES];
        for (k, sum) in ln_factor.iter_mut().enumerate() {
            let given = Given { along, t: node(k) };
            for ((record, state), of) in history.records.iter().zip(sites).zip(of) {
                *sum += self.ln_factor(settings, prior, belief, record, state, of, &given);
            }
        }
        ln_factor.iter().all(|x| x.is_finite()).then(|| Shape::new(mean, sd, &ln_factor))?
    }

    /// The shapes of functionals: without drift beside the measurement error that people have, with drift along the whole path;
    /// nothing where the Gaussian has to do.
    fn shapes(
        &self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        functionals: &[Vec<f64>],
    ) -> Vec<Option<Shape>> {
        let Prior::Gaussian(anchor) = prior else { return vec![None; functionals.len()] };
        if self.drifts() {
            let Some(path) = self.path(settings, prior, history) else { return vec![None; functionals.len()] };
            let of = path.hypothesis.moments(settings, &path.history, &[]);
            let mut along = vec![0.0; path.size()];
            let each = functionals.iter().map(|a| {
                let place = path.ahead(anchor, a, &mut along)?;
                path.hypothesis.shape(settings, &path.prior, &path.history, &of, place, &mut along)
            });
            return each.collect();
        }
        let refitted = self.with_own_errors(settings, prior, history);
        let (h, prior, gains) =
            refitted.as_ref().map_or((self, prior, &[][..]), |r| (&r.hypothesis, &r.prior, &r.gains));
        let of = h.moments(settings, history, gains);
        let mut along = vec![0.0; anchor.mean.len()];
        let each = functionals.iter().map(|a| {
            let place = h.gaussian()?.functional(a, &mut along);
            h.shape(settings, prior, history, &of, place, &mut along)
        });
        each.collect()
    }

    /// `ln R_i(z)`: the record's tilt against its cavity given `z`, less its site's; 0 where there is no such cavity.
    #[allow(clippy::too_many_arguments)]
    fn ln_factor(
        &self,
        settings: &Settings,
        prior: &Prior,
        belief: &Gaussian,
        record: &Record,
        state: &State,
        of: &Moments,
        given: &Given<'_>,
    ) -> f64 {
        match (record, state, of) {
            (
                Record::Interval { direction, error, answers, .. },
                State::Scalar { scale, site },
                Moments::Scalar(m, v, extra),
            ) => {
                let c = scale * dot(direction, given.along);
                let Some((mu, v)) = remove(*site, m + c * given.t, (v - c * c).max(0.0)) else { return 0.0 };
                let (ln_z, expected) = match (answers.as_slice(), extra) {
                    ([answer], Extra::Gain(gain)) => {
                        let noise = self.noise_given(belief, error, *scale, given);
                        (interval::tilt(mu, v, noise, self.seen(*answer, *scale)).ln_z, gain * noise / (scale * scale))
                    }
                    ([answer], _) => (interval::tilt(mu, v, 1.0, self.seen(*answer, *scale)).ln_z, 0.0),
                    (answers, extra) => {
                        let tabled = if let Extra::Table(table) = extra { table.ln_z(mu, v) } else { None };
                        let share = shared_share(settings, *scale);
                        (
                            tabled.unwrap_or_else(|| retest::tilt(mu, v, share, &self.seen_all(answers, *scale)).ln_z),
                            0.0,
                        )
                    }
                };
                let mut exact = Site { ln_c: 0.0, ..*site };
                exact.normalise(ln_z, mu, v);
                exact.ln_c - site.ln_c - expected
            }
            // The best and the worst of several bend a marginal too little to be worth their cost: their Gaussian stands.
            (Record::Ranking { places: Places::BestAndWorst, .. }, ..) => 0.0,
            (Record::Ranking { n, features, error, places, order }, State::Block(block), Moments::Block(u, s)) => {
                let c: Vec<f64> = features.chunks_exact(given.along.len()).map(|phi| dot(phi, given.along)).collect();
                let u: Vec<f64> = u.iter().zip(&c).map(|(u, c)| u + c * given.t).collect();
                let s: Vec<f64> = (0..n * n).map(|k| s[k] - c[k / n] * c[k % n]).collect();
                let Some((u, s)) = block.remove(&u, &s) else { return 0.0 };
                let noise = self.ranking_noise(prior, *n, error);
                let ln_z = ranking::tilt_probability(*places, order, &u, &s, &noise, self.lapse_rate);
                let mut exact = block.as_ref().clone();
                if exact.normalise(ln_z, &u, &s) { exact.ln_c - block.ln_c } else { 0.0 }
            }
            _ => 0.0,
        }
    }

    /// Noise of the attenuated latent, with the measurement error that the belief expects given `z`.
    fn noise_given(&self, belief: &Gaussian, error: &[f64], scale: f64, given: &Given<'_>) -> f64 {
        let q: f64 = diagonal(&belief.covariance)
            .zip(&belief.mean)
            .zip(error.iter().zip(given.along))
            .map(|((v, m), (e, c))| {
                let mean = m + c * given.t;
                e * (mean * mean + (v - c * c).max(0.0))
            })
            .sum();
        scale * scale * (1.0 + q)
    }

    /// The answers of a question that was asked again, tabulated once for the cavities of all functionals and nodes.
    fn table(&self, settings: &Settings, answers: &[Answer], scale: f64, site: Site, (m, v): (f64, f64)) -> Extra {
        let share = shared_share(settings, scale);
        let Some((mu, cavity)) = remove(site, m, v) else { return Extra::Nothing };
        let reach = TABLE_REACH * (cavity + share).sqrt() + node(NODES - 1) * v.sqrt();
        Table::new(mu, reach, share, &self.seen_all(answers, scale)).map_or(Extra::Nothing, Extra::Table)
    }

    /// What each record is about under the belief, formed once for all functionals.
    fn moments(&self, settings: &Settings, history: &History, gains: &[Vec<f64>]) -> Vec<Moments> {
        let Form::Gaussian { belief, sites } = &self.form else { return Vec::new() };
        let mut g = Vec::new();
        let each = history.records.iter().zip(sites).enumerate().map(|(i, (record, state))| match (record, state) {
            (Record::Interval { direction, answers, .. }, State::Scalar { scale, site }) => {
                g.resize(direction.len(), 0.0);
                let (mean, variance) = belief.functional(direction, &mut g);
                let (mean, variance) = (mean * scale, variance * scale * scale);
                let extra = match (answers.as_slice(), gains.get(i).and_then(|gain| gain.first())) {
                    ([_], Some(gain)) => Extra::Gain(*gain),
                    ([_], None) => Extra::Nothing,
                    _ => self.table(settings, answers, *scale, *site, (mean, variance)),
                };
                Moments::Scalar(mean, variance, extra)
            }
            (Record::Ranking { n, features, .. }, _) => {
                let (u, s) = self.utilities(belief, features, *n, &mut g);
                Moments::Block(u, s)
            }
            _ => unreachable!("a record and its site are of one form"),
        });
        each.collect()
    }
}

/// Moments of a record's functional, attenuated, or of a ranking's utilities.
enum Moments {
    Scalar(f64, f64, Extra),
    Block(Vec<f64>, Vec<f64>),
}

/// What a record's factor takes beside the moments.
enum Extra {
    Nothing,
    /// Its `gamma` of equation (21).
    Gain(f64),
    /// Its likelihood, where it was asked again.
    Table(Table),
}

impl Mixture {
    /// The distributions of several functionals as they are to be shown: as [`Mixture::functional`], with the skew that records
    /// leave put back under every hypothesis that matters. Costs records times hypotheses for each functional.
    ///
    /// # Panics
    /// When one has another length than the weights.
    pub fn marginals(&self, functionals: &[Vec<f64>]) -> Vec<Functional> {
        assert!(functionals.iter().all(|a| a.len() == self.dimension()), "a functional has one entry for each weight");
        let (settings, priors, hypotheses, readings) = self.parts();
        let heavy: Vec<usize> = heaviest(self).into_iter().map(|(index, _)| index).collect();
        let shapes = |index: usize| -> Vec<Option<Shape>> {
            let (h, prior) = (&hypotheses[index], &priors[hypotheses[index].prior]);
            let history = &readings[h.reading].history;
            h.shapes(settings, prior, history, functionals)
        };
        let records: usize = heavy.iter().map(|&index| readings[hypotheses[index].reading].history.records.len()).sum();
        let tilts = NODES * records * functionals.len();
        let mut shapes: Vec<Vec<Option<Shape>>> = if tilts >= PARALLEL_MIN {
            heavy.par_iter().map(|&index| shapes(index)).collect()
        } else {
            heavy.iter().map(|&index| shapes(index)).collect()
        };
        let mut out: Vec<Functional> = functionals.iter().map(|_| Functional::default()).collect();
        let mut g = vec![0.0; self.dimension()];
        for (index, (h, weight)) in hypotheses.iter().zip(self.weights()).enumerate() {
            let place = heavy.binary_search(&index);
            for (k, (a, functional)) in functionals.iter().zip(&mut out).enumerate() {
                match place.ok().and_then(|place| shapes[place][k].take()) {
                    Some(shape) => functional.push_shape(weight, shape),
                    None => functional.push_marginal(weight, h.marginal(&priors[h.prior], a, &mut g)),
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A normal's shape with the factor `exp(a t + b t^2 / 2)`, which makes it another normal.
    fn bent(a: f64, b: f64) -> Shape {
        let mut ln_factor = [0.0; NODES];
        for (k, x) in ln_factor.iter_mut().enumerate() {
            *x = 7.0 + a * node(k) + 0.5 * b * node(k) * node(k);
        }
        Shape::new(2.0, 3.0, &ln_factor).expect("a distribution")
    }

    #[test]
    fn factors_that_make_other_normals_give_those() {
        for (a, b) in [(0.0, 0.0), (0.3, 0.0), (-0.2, -0.5), (0.1, 0.2)] {
            let shape = bent(a, b);
            let (mean, sd) = (2.0 + 3.0 * a / (1.0 - b), 3.0 / f64::sqrt(1.0 - b));
            // A factor is taken from the middle of its cell and flat beyond the last nodes; without one nothing changes.
            let off = if a == 0.0 && b == 0.0 { 1e-12 } else { 4e-3 };
            assert!((shape.mean - mean).abs() < off * sd, "({a}, {b}): mean {} not {mean}", shape.mean);
            assert!((shape.sd / sd - 1.0).abs() < off, "({a}, {b}): sd {} not {sd}", shape.sd);
            for t in [-3.0, -1.7, -0.31, 0.0, 0.9, 2.4, 8.0] {
                let (got, expected) = (shape.cdf(mean + t * sd), cdf(t));
                assert!((got - expected).abs() < off, "({a}, {b}) at {t}: {got} not {expected}");
            }
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let mut ln_factor = [0.0; NODES];
        ln_factor[3] = f64::INFINITY;
        assert_eq!(Shape::new(0.0, 1.0, &ln_factor), None);
    }
}
