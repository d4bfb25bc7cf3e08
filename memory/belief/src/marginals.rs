//! The distribution of a functional beyond its Gaussian: every record's exact factor put back (docs/belief.md, equation 19).
//!
//! Expectation propagation's moments are close and its shape is a Gaussian's; what people say is skewed, the more so with lapses.
//! Along one functional `z = a . w` the skew is cheap to have: the factor `R_i(z) = E[t_i / site_i | z]` of every record, where
//! `t_i` is its likelihood and the expectation is over the belief given `z` (Cseke and Heskes 2011, their EP-FACT).

use rayon::prelude::*;

use super::datum::{Answer, Datum};
use super::functional::Functional;
use super::gaussian::Gaussian;
use super::history::History;
use super::hypothesis::{Evidence, Hypothesis, Posterior, Prior, Site, remove, retest_correlation};
use super::interval::{self, ScalarSite};
use super::mixture::{Mixture, heaviest};
use super::ranking::{self, Places};
use super::retest::{self, Table};
use super::settings::Settings;
use super::shape::{NODES, Shape, node};
use super::symmetric::{diagonal, dot};

/// A table covers this many standard deviations of the widest cavity.
const TABLE_REACH: f64 = 9.0;
/// Fewer tilts than this are not worth a second thread.
const PARALLEL_MIN: usize = 20_000;

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
        evidence: Evidence<'_>,
        of: &[Moments],
        (mean, variance): (f64, f64),
        along: &mut [f64],
    ) -> Option<Shape> {
        let Posterior::Gaussian { belief, sites } = &self.posterior else { return None };
        let sd = variance.sqrt();
        if sites.is_empty() || sd.partial_cmp(&1e-150) != Some(std::cmp::Ordering::Greater) {
            return None;
        }
        along.iter_mut().for_each(|x| *x /= sd);
        let mut ln_factor = [0.0; NODES];
        for (k, sum) in ln_factor.iter_mut().enumerate() {
            let given = Given { along, t: node(k) };
            for ((record, site), of) in evidence.history.records.iter().zip(sites).zip(of) {
                *sum += self.ln_factor(evidence, belief, (record, site), of, &given);
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
        let Prior::Gaussian(moments) = prior else { return vec![None; functionals.len()] };
        if self.drifts() {
            let Some(path) = self.path(settings, prior, history) else { return vec![None; functionals.len()] };
            let evidence = Evidence { settings, prior: &path.prior, history: &path.history };
            let of = path.hypothesis.moments(settings, &path.history, &[]);
            let mut along = vec![0.0; path.size()];
            let each = functionals.iter().map(|a| {
                let place = path.ahead(moments, a, &mut along)?;
                path.hypothesis.shape(evidence, &of, place, &mut along)
            });
            return each.collect();
        }
        let refitted = self.with_own_errors(settings, prior, history);
        let (h, prior, gains) =
            refitted.as_ref().map_or((self, prior, &[][..]), |r| (&r.hypothesis, &r.prior, &r.gains));
        let of = h.moments(settings, history, gains);
        let mut along = vec![0.0; moments.mean.len()];
        let each = functionals.iter().map(|a| {
            let place = h.gaussian()?.functional(a, &mut along);
            h.shape(Evidence { settings, prior, history }, &of, place, &mut along)
        });
        each.collect()
    }

    /// `ln R_i(z)`: the record's tilt against its cavity given `z`, less its site's; 0 where there is no such cavity.
    fn ln_factor(
        &self,
        Evidence { settings, prior, .. }: Evidence<'_>,
        belief: &Gaussian,
        (record, site): (&Datum, &Site),
        of: &Moments,
        given: &Given<'_>,
    ) -> f64 {
        match (record, site, of) {
            (
                Datum::Interval { direction, error, answers, .. },
                Site::Scalar { scale, site },
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
                        let share = retest_correlation(settings, *scale);
                        (
                            tabled.unwrap_or_else(|| retest::tilt(mu, v, share, &self.seen_all(answers, *scale)).ln_z),
                            0.0,
                        )
                    }
                };
                let mut exact = ScalarSite { ln_c: 0.0, ..*site };
                exact.normalise(ln_z, mu, v);
                exact.ln_c - site.ln_c - expected
            }
            // The best and the worst of several bend a marginal too little to be worth their cost: their Gaussian stands.
            (Datum::Ranking { places: Places::BestAndWorst, .. }, ..) => 0.0,
            (Datum::Ranking { n, features, error, places, order }, Site::Block(block), Moments::Block(u, s)) => {
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
    fn table(
        &self,
        settings: &Settings,
        answers: &[Answer],
        scale: f64,
        site: ScalarSite,
        (m, v): (f64, f64),
    ) -> Extra {
        let share = retest_correlation(settings, scale);
        let Some((mu, cavity)) = remove(site, m, v) else { return Extra::Nothing };
        let reach = TABLE_REACH * (cavity + share).sqrt() + node(NODES - 1) * v.sqrt();
        Table::new(mu, reach, share, &self.seen_all(answers, scale)).map_or(Extra::Nothing, Extra::Table)
    }

    /// What each record is about under the belief, formed once for all functionals.
    fn moments(&self, settings: &Settings, history: &History, gains: &[Vec<f64>]) -> Vec<Moments> {
        let Posterior::Gaussian { belief, sites } = &self.posterior else { return Vec::new() };
        let mut g = Vec::new();
        let each = history.records.iter().zip(sites).enumerate().map(|(i, (record, site))| match (record, site) {
            (Datum::Interval { direction, answers, .. }, Site::Scalar { scale, site }) => {
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
            (Datum::Ranking { n, features, .. }, _) => {
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
