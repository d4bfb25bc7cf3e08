//! Sites made again beside the others: refinement sweeps, the marginal likelihood, the drift filter's refold (docs/belief.md, section 5).

use super::block::BlockSite;
use super::datum::{Answer, Datum};
use super::dense;
use super::gaussian::{Move, PriorMoments};
use super::history::History;
use super::hypothesis::{Evidence, Hypothesis, MARGIN, Posterior, Prior, Site, remove, retest_correlation};
use super::interval::{self, ScalarSite};
use super::ranking;
use super::retest;
use super::settings::Settings;

/// Steps are halved no further than this.
const SHARE_MIN: f64 = 0.25;
/// Rank-one rounding is left alone until so many sites are there.
const REBUILD_SITES_MIN: usize = 17;

/// How far a site is moved towards where it belongs.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// Share of the way, up to 1.
    pub(crate) share: f64,
    /// Moves smaller than this, in standard deviations, are not made.
    pub(crate) ignore: f64,
}

/// What came of moving a site.
#[derive(Clone, Copy)]
pub(crate) struct Resited {
    /// `false` when it had to be skipped.
    pub(crate) is_sound: bool,
    /// The move in standard deviations; 0 where none could be worked out.
    pub(crate) moved: f64,
}

impl Resited {
    const SKIPPED: Self = Self { is_sound: false, moved: 0.0 };
}

impl Hypothesis {
    /// Removes the site of record `index`, tilts its cavity and includes it again.
    pub(crate) fn resite(
        &mut self,
        Evidence { settings, prior, history }: Evidence<'_>,
        index: usize,
        Step { share, ignore }: Step,
        g: &mut Vec<f64>,
    ) -> Resited {
        match &history.records[index] {
            Datum::Interval { direction, answers, .. } => {
                let Posterior::Gaussian { belief, sites } = &self.posterior else { return Resited::SKIPPED };
                let Site::Scalar { scale, site } = sites[index] else { return Resited::SKIPPED };
                g.resize(direction.len(), 0.0);
                let (mean, variance) = belief.functional(direction, g);
                let (mean, variance) = (mean * scale, variance * scale * scale);
                let Some((mu, v)) = remove(site, mean, variance) else { return Resited::SKIPPED };
                let t = match answers.as_slice() {
                    [answer] => interval::tilt(mu, v, 1.0, self.seen(*answer, scale)),
                    _ => retest::tilt(mu, v, retest_correlation(settings, scale), &self.seen_all(answers, scale)),
                };
                let mut new = ScalarSite::from_tilt(&t, mu, v);
                if share < 1.0 {
                    new.tau = site.tau + share * (new.tau - site.tau);
                    new.nu = site.nu + share * (new.nu - site.nu);
                }
                new.normalise(t.ln_z, mu, v);
                let (dt, dn) = (new.tau - site.tau, new.nu - site.nu);
                let grown = 1.0 + dt * variance;
                if !(grown > MARGIN && new.ln_c.is_finite() && new.nu.is_finite()) {
                    return Resited::SKIPPED;
                }
                let size = (dt * v).abs().max((dn * v.sqrt()).abs());
                let Posterior::Gaussian { belief, sites } = &mut self.posterior else { return Resited::SKIPPED };
                if size >= ignore {
                    let by = Move { shrink: dt / grown, step: (dn - dt * mean) / grown, nu: dn, grown };
                    belief.include(direction, g, scale, by);
                    sites[index] = Site::Scalar { scale, site: new };
                }
                Resited { is_sound: true, moved: size }
            }
            Datum::Ranking { n, features, error, places, order } => {
                let n = *n;
                let noise = self.ranking_noise(prior, n, error);
                let Posterior::Gaussian { belief, sites } = &self.posterior else { return Resited::SKIPPED };
                let Site::Block(old) = &sites[index] else { return Resited::SKIPPED };
                let (u, s) = self.utilities(belief, features, n, g);
                let Some((cavity_u, cavity_s)) = old.remove(&u, &s) else { return Resited::SKIPPED };
                let t = ranking::tilt(*places, order, &cavity_u, &cavity_s, &noise, self.lapse_rate);
                let Some(mut new) = BlockSite::from_tilt(&t, &cavity_u, &cavity_s) else { return Resited::SKIPPED };
                if share < 1.0 {
                    for (new, old) in new.tau.iter_mut().zip(&old.tau).chain(new.nu.iter_mut().zip(&old.nu)) {
                        *new = old + share * (*new - old);
                    }
                    if !new.normalise(t.ln_z, &cavity_u, &cavity_s) {
                        return Resited::SKIPPED;
                    }
                }
                let old = old.clone();
                let mut size: f64 = 0.0;
                for i in 0..n {
                    let sd = cavity_s[i * n + i].max(0.0).sqrt();
                    size = size.max((new.nu[i] - old.nu[i]).abs() * sd);
                    for j in 0..n {
                        let change = (new.tau[i * n + j] - old.tau[i * n + j]).abs();
                        size = size.max(change * sd * cavity_s[j * n + j].max(0.0).sqrt());
                    }
                }
                if size >= ignore {
                    if !self.move_block(features, &u, &s, (&old, &new), g) {
                        return Resited { is_sound: false, moved: size };
                    }
                    if let Posterior::Gaussian { sites, .. } = &mut self.posterior {
                        sites[index] = Site::Block(Box::new(new));
                    }
                }
                Resited { is_sound: true, moved: size }
            }
        }
    }

    /// Moves a ranking's site from `old` to `new`; `false`, with nothing changed, when the covariance would not stay positive.
    pub(crate) fn move_block(
        &mut self,
        features: &[f64],
        u: &[f64],
        s: &[f64],
        (old, new): (&BlockSite, &BlockSite),
        g: &[f64],
    ) -> bool {
        let n = u.len();
        let dt: Vec<f64> = new.tau.iter().zip(&old.tau).map(|(a, b)| a - b).collect();
        let dn: Vec<f64> = new.nu.iter().zip(&old.nu).map(|(a, b)| a - b).collect();
        if !dt.iter().chain(&dn).all(|x| x.is_finite()) {
            return false;
        }
        // Positive if and only if I + L' dt L is, where s = L L'.
        let l = dense::factor(s, n);
        let mut inner = dense::multiply(&transpose(&l, n), &dense::multiply(&dt, &l, n), n);
        for i in 0..n {
            inner[i * n + i] += 1.0;
        }
        if !dense::is_positive(&inner, n) {
            return false;
        }
        // M = (I + dt s)^-1 dt, step = (I + dt s)^-1 (dn - dt u).
        let grown = dense::identity_plus(&dt, s, n);
        let pull: Vec<f64> = dn.iter().zip(dense::apply(&dt, u)).map(|(a, b)| a - b).collect();
        let Some((mut shrink, ln_grown)) = dense::solve(&grown, &dt, n, n) else { return false };
        let Some((step, _)) = dense::solve(&grown, &pull, n, 1) else { return false };
        dense::symmetrise(&mut shrink, n);
        let Posterior::Gaussian { belief, .. } = &mut self.posterior else { return false };
        let d = belief.mean.len();
        belief.include_block(&g[..n * d], &shrink, &step, ln_grown);
        for (i, dn) in dn.iter().enumerate() {
            belief.shift_by(*dn, &features[i * d..(i + 1) * d]);
        }
        true
    }

    /// One more answer to an old question: its site is made anew against its cavity, and `ln Z` moves by the difference of (11).
    pub(crate) fn remake(
        &mut self,
        settings: &Settings,
        moments: &PriorMoments,
        prior: &Prior,
        history: &History,
        index: usize,
        g: &mut Vec<f64>,
    ) {
        let before = self.site_total(moments, index);
        if !self.resite(Evidence { settings, prior, history }, index, Step { share: 1.0, ignore: 0.0 }, g).is_sound {
            self.skipped += 1;
        }
        self.ln_marginal += self.site_total(moments, index) - before;
    }

    /// Refinement sweeps over all sites (docs/belief.md, section 5). Nothing to do for drifting and finite hypotheses.
    pub(crate) fn refine(&mut self, settings: &Settings, prior: &Prior, history: &History, g: &mut Vec<f64>) {
        let Prior::Gaussian(moments) = prior else { return };
        if self.drifts() || history.records.is_empty() {
            return;
        }
        // With lapses there may be no fixed point to find; then nothing that was tried on the way is believed.
        let (posterior, before) = (self.posterior.clone(), self.ln_marginal);
        let (mut share, mut last): (f64, f64) = (1.0, f64::INFINITY);
        let mut settled = false;
        for _ in 0..settings.sweeps_max {
            self.sweeps += 1;
            let (mut moved, mut sound): (f64, bool) = (0.0, true);
            let step = Step { share, ignore: 0.1 * settings.tolerance };
            for index in 0..history.records.len() {
                let resited = self.resite(Evidence { settings, prior, history }, index, step, g);
                moved = resited.moved.max(moved);
                if !resited.is_sound {
                    self.skipped += 1;
                    sound = false;
                }
            }
            if moved < settings.tolerance {
                settled = sound;
                break;
            }
            if moved > last {
                share = (0.5 * share).max(SHARE_MIN);
            }
            last = moved;
        }
        if settled {
            if history.records.len() >= REBUILD_SITES_MIN {
                self.rebuild(moments, history);
            }
            self.ln_marginal = self.log_marginal_likelihood(moments);
        }
        if !(settled && self.ln_marginal <= 0.0) {
            self.posterior = posterior;
            self.ln_marginal = before;
            self.abandoned += 1;
        }
    }

    /// Equation (11).
    fn log_marginal_likelihood(&self, moments: &PriorMoments) -> f64 {
        let Posterior::Gaussian { belief, sites } = &self.posterior else { return self.ln_marginal };
        let constants: f64 = sites
            .iter()
            .map(|site| match site {
                Site::Scalar { site, .. } => site.ln_c,
                Site::Block(block) => block.ln_c,
            })
            .sum();
        constants + belief.log_partition_gain(moments)
    }

    pub(crate) fn rebuild(&mut self, moments: &PriorMoments, history: &History) {
        let Posterior::Gaussian { belief, sites } = &mut self.posterior else { return };
        // A block as rank-one terms: tau_ij (a_i a_j' + a_j a_i') through sums and differences.
        let mut owned: Vec<(f64, f64, Vec<f64>)> = Vec::new();
        let mut plain: Vec<(f64, f64, &[f64])> = Vec::with_capacity(sites.len());
        for (record, site) in history.records.iter().zip(sites.iter()) {
            match (record, site) {
                (Datum::Interval { direction, .. }, Site::Scalar { scale, site }) => {
                    plain.push((site.tau * scale * scale, site.nu * scale, direction));
                }
                (Datum::Ranking { n, features, .. }, Site::Block(block)) => {
                    let d = features.len() / n;
                    let row = |i: usize| &features[i * d..(i + 1) * d];
                    for i in 0..*n {
                        plain.push((block.tau[i * n + i], block.nu[i], row(i)));
                        for j in 0..i {
                            let half = 0.5 * block.tau[i * n + j];
                            let pairs = row(i).iter().zip(row(j));
                            owned.push((half, 0.0, pairs.clone().map(|(a, b)| a + b).collect()));
                            owned.push((-half, 0.0, pairs.map(|(a, b)| a - b).collect()));
                        }
                    }
                }
                _ => unreachable!("a record and its site are of one kind"),
            }
        }
        let all = plain.into_iter().chain(owned.iter().map(|(tau, nu, a)| (*tau, *nu, a.as_slice())));
        if !belief.rebuild(moments, all) {
            self.skipped += 1;
        }
    }

    /// The drift filter from the start, joint sites at their first position; `with` replaces the answers of one site.
    /// Returns the new `ln Z`.
    pub(crate) fn refold(
        &mut self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        with: Option<(usize, &[Answer])>,
        g: &mut Vec<f64>,
    ) -> f64 {
        let Prior::Gaussian(moments) = prior else { return self.ln_marginal };
        if let Posterior::Gaussian { belief, sites } = &mut self.posterior {
            belief.reset(moments);
            sites.clear();
        }
        self.ln_marginal = 0.0;
        for &index in &history.timeline {
            let index = index as usize;
            let known = match &self.posterior {
                Posterior::Gaussian { sites, .. } => sites.len(),
                Posterior::Finite(_) => 0,
            };
            if index == known {
                match (&history.records[index], with) {
                    (Datum::Interval { direction, error, key, .. }, Some((site, answers))) if site == index => {
                        let record = Datum::Interval {
                            direction: direction.clone(),
                            error: error.clone(),
                            answers: answers.to_vec(),
                            key: *key,
                        };
                        self.append(settings, prior, &record, g);
                    }
                    (record, _) => {
                        self.append(settings, prior, record, g);
                    }
                }
            }
            if history.ticks(index as u32) {
                self.tick(moments);
            }
        }
        self.ln_marginal
    }
}

fn transpose(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|k| a[(k % n) * n + k / n]).collect()
}
