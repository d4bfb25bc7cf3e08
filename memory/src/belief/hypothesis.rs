//! One hypothesis: a prior, a lapse rate, a band, drift or none, and its belief by expectation propagation (docs/belief.md, section 5).

use serde::{Deserialize, Serialize};

use super::dense;
use super::finite::{Atoms, Finite, ln_answers, ln_order};
use super::gaussian::{Anchor, Gaussian, Move};
use super::information::{expected_bend, expected_curvature};
use super::interval::{self, Seen, Site};
use super::observation::{Answer, IntervalQuestion, Prepared, RankingQuestion, Record, lapse};
use super::ranking;
use super::retest;
use super::settings::Settings;
use super::symmetric::{dot, rank_one};

/// The least share of its variance that a step may leave, and a cavity may have taken away.
const MARGIN: f64 = 1e-10;
/// A single observation that shrinks a variance by more than this is followed by a rebuild from the sites.
const SHRUNK_MAX: f64 = 1e8;
/// Steps are halved no further than this.
const SHARE_MIN: f64 = 0.25;
/// Rank-one rounding is left alone until so many sites are there.
const REBUILD_SITES_MIN: usize = 17;

/// What several hypotheses share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Prior {
    Gaussian(Anchor),
    Finite(Atoms),
}

/// The evidence of one person as sites, and the order in which records came: `timeline[k]` is the site of record `k`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) records: Vec<Record>,
    pub(crate) timeline: Vec<u32>,
}

/// A record's factor under one hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    /// `scale` is the attenuation of equation (3).
    Scalar {
        scale: f64,
        site: Site,
    },
    Block(Box<Block>),
}

/// A ranking's factor `C exp(nu . u - u' tau u / 2)` in the `n` utilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Block {
    tau: Vec<f64>,
    nu: Vec<f64>,
    ln_c: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Form {
    Gaussian { belief: Gaussian, sites: Vec<State> },
    Finite(Finite),
}

/// One joint assumption and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hypothesis {
    /// Index of its [`Prior`].
    pub(crate) prior: usize,
    /// Index of its location.
    pub(crate) location: usize,
    pub(crate) sigma: f64,
    pub(crate) lapse_rate: f64,
    pub(crate) band: f64,
    /// `r` of equation (12); 1 without drift.
    pub(crate) retention: f64,
    pub(crate) ln_prior: f64,
    pub(crate) ln_marginal: f64,
    form: Form,
    pub(crate) skipped: u64,
    pub(crate) abandoned: u64,
    pub(crate) sweeps: u64,
}

/// Mean and variance of a functional, or its atoms.
pub(crate) enum Marginal {
    Normal { mean: f64, variance: f64 },
    Atoms { values: Vec<f64>, masses: Vec<f64> },
}

/// What an observation did to one hypothesis.
pub(crate) struct Absorbed {
    /// `ln p_h` of what was seen.
    pub(crate) ln_predictive: f64,
}

impl Hypothesis {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        prior_index: usize,
        prior: &Prior,
        location: usize,
        sigma: f64,
        lapse_rate: f64,
        band: f64,
        retention: f64,
        ln_prior: f64,
    ) -> Self {
        let form = match prior {
            Prior::Gaussian(anchor) => Form::Gaussian { belief: Gaussian::prior(anchor), sites: Vec::new() },
            Prior::Finite(atoms) => Form::Finite(Finite::prior(atoms)),
        };
        Self {
            prior: prior_index,
            location,
            sigma,
            lapse_rate,
            band,
            retention,
            ln_prior,
            ln_marginal: 0.0,
            form,
            skipped: 0,
            abandoned: 0,
            sweeps: 0,
        }
    }

    fn drifts(&self) -> bool {
        self.retention < 1.0
    }

    /// The Gaussian belief, where it is one.
    pub(crate) fn gaussian(&self) -> Option<&Gaussian> {
        match &self.form {
            Form::Gaussian { belief, .. } => Some(belief),
            Form::Finite(_) => None,
        }
    }

    /// The finite belief, where it is one.
    pub(crate) fn finite(&self) -> Option<&Finite> {
        match &self.form {
            Form::Finite(finite) => Some(finite),
            Form::Gaussian { .. } => None,
        }
    }

    /// Equation (3): `q_h` of an error vector.
    pub(crate) fn error_variance(&self, prior: &Prior, error: &[f64]) -> f64 {
        let second = match prior {
            Prior::Gaussian(anchor) => &anchor.second,
            Prior::Finite(atoms) => &atoms.second,
        };
        if error.is_empty() { 0.0 } else { dot(error, second) }
    }

    /// Equation (3): `1 / sqrt(1 + q_h)`.
    pub(crate) fn attenuation(&self, prior: &Prior, error: &[f64]) -> f64 {
        if error.is_empty() { 1.0 } else { 1.0 / (1.0 + self.error_variance(prior, error)).sqrt() }
    }

    /// Mean and variance of `a . w`, or its values.
    pub(crate) fn marginal(&self, prior: &Prior, a: &[f64], g: &mut [f64]) -> Marginal {
        match (&self.form, prior) {
            (Form::Gaussian { belief, .. }, _) => {
                let (mean, variance) = belief.functional(a, g);
                Marginal::Normal { mean, variance }
            }
            (Form::Finite(finite), Prior::Finite(atoms)) => {
                Marginal::Atoms { values: atoms.values(a).collect(), masses: finite.masses() }
            }
            (Form::Finite(_), Prior::Gaussian(_)) => unreachable!("a finite belief has atoms"),
        }
    }

    /// An answer as an interval under this hypothesis, attenuated by `scale`.
    pub(crate) fn seen(&self, answer: Answer, scale: f64) -> Seen {
        let (lo, hi) = answer.outcomes.bounds(answer.outcome, self.band);
        Seen {
            lo: lo * scale,
            hi: hi * scale,
            lapse: lapse(self.lapse_rate, answer.misreading),
            outcomes: answer.outcomes.count(),
        }
    }

    fn seen_all(&self, answers: &[Answer], scale: f64) -> Vec<Seen> {
        answers.iter().map(|&answer| self.seen(answer, scale)).collect()
    }

    /// Probabilities of all outcomes of a question; `repeated` is the site of earlier answers to it.
    pub(crate) fn predict(
        &self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        question: &Prepared,
        repeated: Option<usize>,
        g: &mut Vec<f64>,
    ) -> Vec<f64> {
        match question {
            Prepared::Interval(q) => match repeated {
                None => self.predict_interval(prior, q, g),
                Some(site) => self.predict_again(settings, prior, history, q, site, g),
            },
            Prepared::Ranking(q) => self.predict_ranking(prior, q, g),
        }
    }

    fn predict_interval(&self, prior: &Prior, q: &IntervalQuestion, g: &mut Vec<f64>) -> Vec<f64> {
        let scale = self.attenuation(prior, &q.error);
        g.resize(q.direction.len(), 0.0);
        let marginal = self.marginal(prior, &q.direction, g);
        let count = q.outcomes.count();
        let seen = |outcome| self.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale);
        match marginal {
            Marginal::Normal { mean, variance } => (0..count)
                .map(|k| interval::probability(mean * scale, 1.0 + variance * scale * scale, seen(k)))
                .collect(),
            Marginal::Atoms { values, masses } => (0..count)
                .map(|k| {
                    let seen = seen(k);
                    values.iter().zip(&masses).map(|(z, p)| p * interval::probability(z * scale, 1.0, seen)).sum()
                })
                .collect(),
        }
    }

    /// Equation (5) as a prediction: `Z(y_1..y_k) / Z(y_1..y_{k-1})`, normalised over outcomes.
    fn predict_again(
        &self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        q: &IntervalQuestion,
        index: usize,
        g: &mut Vec<f64>,
    ) -> Vec<f64> {
        let Record::Interval { direction, error, answers, .. } = &history.records[index] else {
            return self.predict_interval(prior, q, g);
        };
        let scale = self.attenuation(prior, error);
        let rho = shared_share(settings, scale);
        let count = q.outcomes.count();
        let mut with: Vec<Seen> = self.seen_all(answers, scale);
        let mut extended = answers.clone();
        let mut ln: Vec<f64> = Vec::with_capacity(count);
        g.resize(direction.len(), 0.0);
        let mut masses = Vec::new();
        let mut values = Vec::new();
        let mut cavity = (0.0, 0.0);
        match (&self.form, prior) {
            (Form::Finite(finite), Prior::Finite(atoms)) => {
                values = atoms.values(direction).map(|z| z * scale).collect();
                masses = finite.masses();
                for (mass, &z) in masses.iter_mut().zip(&values) {
                    *mass = libm::log(*mass) - ln_answers(z, rho, &with);
                }
            }
            (Form::Gaussian { belief, sites }, Prior::Gaussian(_)) if !self.drifts() => {
                let (mean, variance) = belief.functional(direction, g);
                let (mean, variance) = (mean * scale, variance * scale * scale);
                cavity = match &sites[index] {
                    State::Scalar { site, .. } => remove(*site, mean, variance).unwrap_or((mean, variance)),
                    State::Block(_) => (mean, variance),
                };
            }
            _ => {}
        }
        for outcome in 0..count {
            let answer = Answer { outcomes: q.outcomes, outcome, misreading: q.misreading };
            with.push(self.seen(answer, scale));
            extended.push(answer);
            ln.push(match (&self.form, prior) {
                (Form::Gaussian { .. }, _) if self.drifts() => {
                    self.clone().refold(settings, prior, history, Some((index, &extended)), g)
                }
                (Form::Gaussian { .. }, _) => retest::tilt(cavity.0, cavity.1, rho, &with).ln_z,
                (Form::Finite(_), _) => {
                    let joint: Vec<f64> =
                        masses.iter().zip(&values).map(|(m, &z)| m + ln_answers(z, rho, &with)).collect();
                    super::finite::ln_sum_exp(&joint)
                }
            });
            with.pop();
            extended.pop();
        }
        super::finite::softmax(&mut ln);
        ln
    }

    /// Means and covariance of the utilities of a ranking; `g` gets `V phi_k` in rows.
    pub(crate) fn utilities(
        &self,
        belief: &Gaussian,
        features: &[f64],
        n: usize,
        g: &mut Vec<f64>,
    ) -> (Vec<f64>, Vec<f64>) {
        let d = belief.mean.len();
        g.resize(n * d, 0.0);
        let mut u = vec![0.0; n];
        let mut s = vec![0.0; n * n];
        for i in 0..n {
            let row = &mut g[i * d..(i + 1) * d];
            u[i] = belief.functional(&features[i * d..(i + 1) * d], row).0;
            for j in 0..n {
                s[i * n + j] = dot(row, &features[j * d..(j + 1) * d]);
            }
        }
        dense::symmetrise(&mut s, n);
        (u, s)
    }

    /// Variance of each alternative's noise, measurement error included.
    pub(crate) fn ranking_noise(&self, prior: &Prior, n: usize, error: &[f64]) -> Vec<f64> {
        if error.is_empty() {
            return vec![0.5; n];
        }
        error.chunks_exact(error.len() / n).map(|e| 0.5 + self.error_variance(prior, e)).collect()
    }

    fn predict_ranking(&self, prior: &Prior, q: &RankingQuestion, g: &mut Vec<f64>) -> Vec<f64> {
        let noise = self.ranking_noise(prior, q.n, &q.error);
        match (&self.form, prior) {
            (Form::Gaussian { belief, .. }, _) => {
                let (u, mut k) = self.utilities(belief, &q.features, q.n, g);
                for i in 0..q.n {
                    k[i * q.n + i] += noise[i];
                }
                ranking::probabilities(q.ranked, &u, &k, self.lapse_rate)
            }
            (Form::Finite(finite), Prior::Finite(atoms)) => {
                let k: Vec<f64> =
                    (0..q.n * q.n).map(|i| if i % (q.n + 1) == 0 { noise[i / q.n] } else { 0.0 }).collect();
                let mut p = vec![0.0; ranking::outcome_count(q.n, q.ranked)];
                for (u, mass) in utilities_of_atoms(atoms, &q.features, q.n).zip(finite.masses()) {
                    if mass > 1e-12 {
                        for (p, x) in p.iter_mut().zip(ranking::probabilities(q.ranked, &u, &k, self.lapse_rate)) {
                            *p += mass * x;
                        }
                    }
                }
                let total: f64 = p.iter().sum();
                p.iter_mut().for_each(|p| *p /= total);
                p
            }
            (Form::Finite(_), Prior::Gaussian(_)) => unreachable!("a finite belief has atoms"),
        }
    }

    /// Takes in the newest record of `history`, whose site is `index`: new, or one more answer to an old question.
    pub(crate) fn absorb(
        &mut self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        index: usize,
        g: &mut Vec<f64>,
    ) -> Absorbed {
        let before = self.ln_marginal;
        match prior {
            Prior::Finite(atoms) => self.absorb_finite(settings, prior, atoms, history, index),
            Prior::Gaussian(anchor) => {
                let is_new = match &self.form {
                    Form::Gaussian { sites, .. } => index == sites.len(),
                    Form::Finite(_) => unreachable!("a Gaussian prior has a Gaussian belief"),
                };
                if is_new {
                    let crushed = self.append(settings, prior, &history.records[index], g);
                    if self.drifts() {
                        self.tick(anchor);
                    } else if crushed {
                        self.rebuild(anchor, history);
                    }
                } else if self.drifts() {
                    self.refold(settings, prior, history, None, g);
                } else {
                    self.remake(settings, anchor, prior, history, index, g);
                }
            }
        }
        Absorbed { ln_predictive: self.ln_marginal - before }
    }

    fn tick(&mut self, anchor: &Anchor) {
        let r = self.retention;
        if let Form::Gaussian { belief, .. } = &mut self.form {
            belief.drift(anchor, r);
        }
    }

    fn absorb_finite(&mut self, settings: &Settings, prior: &Prior, atoms: &Atoms, history: &History, index: usize) {
        let ln: Vec<f64> = match &history.records[index] {
            Record::Interval { direction, error, answers, .. } => {
                let scale = self.attenuation(prior, error);
                let rho = shared_share(settings, scale);
                let seen = self.seen_all(answers, scale);
                let earlier = &seen[..seen.len() - 1];
                atoms
                    .values(direction)
                    .map(|z| ln_answers(z * scale, rho, &seen) - ln_answers(z * scale, rho, earlier))
                    .collect()
            }
            Record::Ranking { n, features, error, order } => {
                let noise = self.ranking_noise(prior, *n, error);
                utilities_of_atoms(atoms, features, *n).map(|u| ln_order(order, &u, &noise, self.lapse_rate)).collect()
            }
        };
        if let Form::Finite(finite) = &mut self.form {
            finite.condition(ln.into_iter());
            self.ln_marginal = finite.ln_marginal();
        }
    }

    /// A new record: equations (7) and (10) against the whole belief as cavity.
    /// Returns whether the step was so large that rounding must be repaired.
    fn append(&mut self, settings: &Settings, prior: &Prior, record: &Record, g: &mut Vec<f64>) -> bool {
        let (state, ln_z, crushed) = match record {
            Record::Interval { direction, error, answers, .. } => {
                let scale = self.attenuation(prior, error);
                let rho = shared_share(settings, scale);
                g.resize(direction.len(), 0.0);
                let first = answers.first().map(|&answer| self.seen(answer, scale));
                let rest: Vec<Seen> = if answers.len() > 1 { self.seen_all(answers, scale) } else { Vec::new() };
                let Form::Gaussian { belief, .. } = &mut self.form else { return false };
                let (mean, variance) = belief.functional(direction, g);
                let (mu, v) = (mean * scale, variance * scale * scale);
                let t = match first {
                    Some(seen) if rest.is_empty() => interval::tilt(mu, v, 1.0, seen),
                    _ => retest::tilt(mu, v, rho, &rest),
                };
                let mut site = Site::from_tilt(&t, mu, v);
                site.normalise(t.ln_z, mu, v);
                let all = v + t.noise;
                let left = t.noise + v * t.rest;
                belief.include(
                    direction,
                    g,
                    scale,
                    Move { shrink: t.bend / all, step: t.slope / all.sqrt(), nu: site.nu, grown: all / left },
                );
                (State::Scalar { scale, site }, t.ln_z, all / left > SHRUNK_MAX)
            }
            Record::Ranking { n, features, error, order } => {
                let noise = self.ranking_noise(prior, *n, error);
                let Form::Gaussian { belief, .. } = &self.form else { return false };
                let (u, s) = self.utilities(belief, features, *n, g);
                let t = ranking::tilt(order, &u, &s, &noise, self.lapse_rate);
                let ln_z = t.ln_z;
                let empty = Block { tau: vec![0.0; n * n], nu: vec![0.0; *n], ln_c: 0.0 };
                match Block::from_tilt(&t, &u, &s) {
                    Some(block) if self.move_block(features, *n, &u, &s, &empty, &block, g) => {
                        (State::Block(Box::new(block)), ln_z, false)
                    }
                    _ => {
                        self.skipped += 1;
                        (State::Block(Box::new(Block { ln_c: ln_z, ..empty })), ln_z, false)
                    }
                }
            }
        };
        self.ln_marginal += ln_z;
        if let Form::Gaussian { sites, .. } = &mut self.form {
            sites.push(state);
        }
        crushed
    }

    /// One more answer to an old question: its site is made anew against its cavity, and `ln Z` moves by the difference of (11).
    fn remake(
        &mut self,
        settings: &Settings,
        anchor: &Anchor,
        prior: &Prior,
        history: &History,
        index: usize,
        g: &mut Vec<f64>,
    ) {
        let before = self.site_total(anchor, index);
        let mut moved = 0.0;
        if !self.resite(settings, prior, &history.records[index], index, 1.0, 0.0, g, &mut moved) {
            self.skipped += 1;
        }
        self.ln_marginal += self.site_total(anchor, index) - before;
    }

    fn site_total(&self, anchor: &Anchor, index: usize) -> f64 {
        match &self.form {
            Form::Gaussian { belief, sites } => {
                belief.log_partition_gain(anchor)
                    + match &sites[index] {
                        State::Scalar { site, .. } => site.ln_c,
                        State::Block(block) => block.ln_c,
                    }
            }
            Form::Finite(_) => 0.0,
        }
    }

    /// Removes a site, tilts its cavity and includes it again, moved by `share` of the way; `false` when it had to be
    /// skipped. `moved` is raised to the largest move in standard deviations; moves below `ignore` are not made.
    #[allow(clippy::too_many_arguments)]
    fn resite(
        &mut self,
        settings: &Settings,
        prior: &Prior,
        record: &Record,
        index: usize,
        share: f64,
        ignore: f64,
        g: &mut Vec<f64>,
        moved: &mut f64,
    ) -> bool {
        match record {
            Record::Interval { direction, answers, .. } => {
                let Form::Gaussian { belief, sites } = &self.form else { return false };
                let State::Scalar { scale, site } = sites[index] else { return false };
                g.resize(direction.len(), 0.0);
                let (mean, variance) = belief.functional(direction, g);
                let (mean, variance) = (mean * scale, variance * scale * scale);
                let Some((mu, v)) = remove(site, mean, variance) else { return false };
                let t = match answers.as_slice() {
                    [answer] => interval::tilt(mu, v, 1.0, self.seen(*answer, scale)),
                    _ => retest::tilt(mu, v, shared_share(settings, scale), &self.seen_all(answers, scale)),
                };
                let mut new = Site::from_tilt(&t, mu, v);
                if share < 1.0 {
                    new.tau = site.tau + share * (new.tau - site.tau);
                    new.nu = site.nu + share * (new.nu - site.nu);
                }
                new.normalise(t.ln_z, mu, v);
                let (dt, dn) = (new.tau - site.tau, new.nu - site.nu);
                let grown = 1.0 + dt * variance;
                if !(grown > MARGIN && new.ln_c.is_finite() && new.nu.is_finite()) {
                    return false;
                }
                let size = (dt * v).abs().max((dn * v.sqrt()).abs());
                *moved = moved.max(size);
                let Form::Gaussian { belief, sites } = &mut self.form else { return false };
                if size >= ignore {
                    let by = Move { shrink: dt / grown, step: (dn - dt * mean) / grown, nu: dn, grown };
                    belief.include(direction, g, scale, by);
                    sites[index] = State::Scalar { scale, site: new };
                }
                true
            }
            Record::Ranking { n, features, error, order } => {
                let n = *n;
                let noise = self.ranking_noise(prior, n, error);
                let Form::Gaussian { belief, sites } = &self.form else { return false };
                let State::Block(old) = &sites[index] else { return false };
                let (u, s) = self.utilities(belief, features, n, g);
                let Some((cavity_u, cavity_s)) = old.remove(&u, &s) else { return false };
                let t: ranking::RankingTilt = ranking::tilt(order, &cavity_u, &cavity_s, &noise, self.lapse_rate);
                let Some(mut new) = Block::from_tilt(&t, &cavity_u, &cavity_s) else { return false };
                if share < 1.0 {
                    for (new, old) in new.tau.iter_mut().zip(&old.tau).chain(new.nu.iter_mut().zip(&old.nu)) {
                        *new = old + share * (*new - old);
                    }
                    if !new.normalise(t.ln_z, &cavity_u, &cavity_s) {
                        return false;
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
                *moved = moved.max(size);
                if size >= ignore {
                    if !self.move_block(features, n, &u, &s, &old, &new, g) {
                        return false;
                    }
                    if let Form::Gaussian { sites, .. } = &mut self.form {
                        sites[index] = State::Block(Box::new(new));
                    }
                }
                true
            }
        }
    }

    /// Moves a ranking's site from `old` to `new`; `false`, with nothing changed, when the covariance would not stay positive.
    #[allow(clippy::too_many_arguments)]
    fn move_block(
        &mut self,
        features: &[f64],
        n: usize,
        u: &[f64],
        s: &[f64],
        old: &Block,
        new: &Block,
        g: &[f64],
    ) -> bool {
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
        let Form::Gaussian { belief, .. } = &mut self.form else { return false };
        let d = belief.mean.len();
        belief.include_block(&g[..n * d], &shrink, &step, ln_grown);
        for (i, dn) in dn.iter().enumerate() {
            belief.shift_by(*dn, &features[i * d..(i + 1) * d]);
        }
        true
    }

    /// Refinement sweeps over all sites (docs/belief.md, section 5). Nothing to do for drifting and finite hypotheses.
    pub(crate) fn refine(&mut self, settings: &Settings, prior: &Prior, history: &History, g: &mut Vec<f64>) {
        let Prior::Gaussian(anchor) = prior else { return };
        if self.drifts() {
            return;
        }
        // With lapses there may be no fixed point to find; then nothing that was tried on the way is believed.
        let (form, before) = (self.form.clone(), self.ln_marginal);
        let (mut share, mut last): (f64, f64) = (1.0, f64::INFINITY);
        let mut settled = false;
        for _ in 0..settings.sweeps_max {
            self.sweeps += 1;
            let (mut moved, mut sound) = (0.0, true);
            for (index, record) in history.records.iter().enumerate() {
                if !self.resite(settings, prior, record, index, share, 0.1 * settings.tolerance, g, &mut moved) {
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
                self.rebuild(anchor, history);
            }
            self.ln_marginal = self.log_marginal_likelihood(anchor);
        }
        if !(settled && self.ln_marginal <= 0.0) {
            self.form = form;
            self.ln_marginal = before;
            self.abandoned += 1;
        }
    }

    /// Equation (11).
    fn log_marginal_likelihood(&self, anchor: &Anchor) -> f64 {
        let Form::Gaussian { belief, sites } = &self.form else { return self.ln_marginal };
        let constants: f64 = sites
            .iter()
            .map(|state| match state {
                State::Scalar { site, .. } => site.ln_c,
                State::Block(block) => block.ln_c,
            })
            .sum();
        constants + belief.log_partition_gain(anchor)
    }

    fn rebuild(&mut self, anchor: &Anchor, history: &History) {
        let Form::Gaussian { belief, sites } = &mut self.form else { return };
        // A block as rank-one terms: tau_ij (a_i a_j' + a_j a_i') through sums and differences.
        let mut owned: Vec<(f64, f64, Vec<f64>)> = Vec::new();
        let mut plain: Vec<(f64, f64, &[f64])> = Vec::with_capacity(sites.len());
        for (record, state) in history.records.iter().zip(sites.iter()) {
            match (record, state) {
                (Record::Interval { direction, .. }, State::Scalar { scale, site }) => {
                    plain.push((site.tau * scale * scale, site.nu * scale, direction));
                }
                (Record::Ranking { n, features, .. }, State::Block(block)) => {
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
                _ => unreachable!("a record and its site are of one form"),
            }
        }
        let all = plain.into_iter().chain(owned.iter().map(|(tau, nu, a)| (*tau, *nu, a.as_slice())));
        if !belief.rebuild(anchor, all) {
            self.skipped += 1;
        }
    }

    /// The drift filter from the start, joint sites at their first position; `with` replaces the answers of one site.
    /// Returns the new `ln Z`.
    fn refold(
        &mut self,
        settings: &Settings,
        prior: &Prior,
        history: &History,
        with: Option<(usize, &[Answer])>,
        g: &mut Vec<f64>,
    ) -> f64 {
        let Prior::Gaussian(anchor) = prior else { return self.ln_marginal };
        if let Form::Gaussian { belief, sites } = &mut self.form {
            belief.reset(anchor);
            sites.clear();
        }
        self.ln_marginal = 0.0;
        for &index in &history.timeline {
            let index = index as usize;
            let known = match &self.form {
                Form::Gaussian { sites, .. } => sites.len(),
                Form::Finite(_) => 0,
            };
            if index == known {
                match (&history.records[index], with) {
                    (Record::Interval { direction, error, key, .. }, Some((site, answers))) if site == index => {
                        let record = Record::Interval {
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
            self.tick(anchor);
        }
        self.ln_marginal
    }

    /// As if a question had been answered as informatively as expected: the covariance shrinks, the mean and the weight
    /// stay. For choosing several questions at once; never for updating.
    pub(crate) fn imagine(&mut self, prior: &Prior, question: &Prepared) {
        let Form::Gaussian { belief, .. } = &self.form else { return };
        match question {
            Prepared::Interval(q) => {
                let scale = self.attenuation(prior, &q.error);
                let mut g = vec![0.0; q.direction.len()];
                let (mean, variance) = belief.functional(&q.direction, &mut g);
                let v = variance * scale * scale;
                let shrink = expected_bend(self, q, scale, mean * scale, v) / (1.0 + v);
                let Form::Gaussian { belief, .. } = &mut self.form else { return };
                rank_one(&mut belief.covariance, -shrink * scale * scale, &g);
            }
            Prepared::Ranking(q) => {
                let noise = self.ranking_noise(prior, q.n, &q.error);
                let mut g = Vec::new();
                let (u, s) = self.utilities(belief, &q.features, q.n, &mut g);
                let shrink = expected_curvature(self, q, &u, &s, &noise);
                let Form::Gaussian { belief, .. } = &mut self.form else { return };
                belief.include_block(&g, &shrink, &vec![0.0; q.n], 0.0);
            }
        }
    }

    /// Feeds every bit of the belief to `sink`.
    pub(crate) fn bits(&self, sink: &mut impl FnMut(f64)) {
        for x in [self.sigma, self.lapse_rate, self.band, self.retention, self.ln_prior, self.ln_marginal] {
            sink(x);
        }
        match &self.form {
            Form::Gaussian { belief, sites } => {
                belief.mean.iter().chain(&belief.covariance).for_each(|&x| sink(x));
                for state in sites {
                    match state {
                        State::Scalar { scale, site } => {
                            [*scale, site.tau, site.nu, site.ln_c].into_iter().for_each(&mut *sink);
                        }
                        State::Block(block) => {
                            block.tau.iter().chain(&block.nu).for_each(|&x| sink(x));
                            sink(block.ln_c);
                        }
                    }
                }
            }
            Form::Finite(finite) => finite.ln_mass.iter().for_each(|&x| sink(x)),
        }
    }
}

/// `rho_h = (rho + q_h) / (1 + q_h)`, from the attenuation `scale`: measurement error is shared by repeats.
pub(crate) fn shared_share(settings: &Settings, scale: f64) -> f64 {
    let own = scale * scale; // 1 / (1 + q)
    (settings.residual_share * own + (1.0 - own)).max(1e-9)
}

/// The cavity left when a scalar site is taken out of the marginal `N(mean, variance)`.
fn remove(site: Site, mean: f64, variance: f64) -> Option<(f64, f64)> {
    let left = 1.0 - site.tau * variance;
    (left > MARGIN).then(|| ((mean - variance * site.nu) / left, variance / left))
}

fn transpose(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|k| a[(k % n) * n + k / n]).collect()
}

/// Utilities of a ranking's alternatives under every atom.
pub(crate) fn utilities_of_atoms<'a>(
    atoms: &'a Atoms,
    features: &'a [f64],
    n: usize,
) -> impl Iterator<Item = Vec<f64>> + 'a {
    let d = features.len() / n;
    atoms.weights.chunks_exact(d).map(move |w| features.chunks_exact(d).map(|phi| dot(w, phi)).collect())
}

impl Block {
    /// The site that turns the cavity `N(u, s)` into the tilted moments: `tau = (I - beta s)^-1 beta`,
    /// `nu = (I - beta s)^-1 (alpha + beta u)`.
    fn from_tilt(t: &ranking::RankingTilt, u: &[f64], s: &[f64]) -> Option<Self> {
        let n = u.len();
        let negative: Vec<f64> = t.beta.iter().map(|b| -b).collect();
        let left = dense::identity_plus(&negative, s, n);
        let pull: Vec<f64> = t.alpha.iter().zip(dense::apply(&t.beta, u)).map(|(a, b)| a + b).collect();
        let (mut tau, _) = dense::solve(&left, &t.beta, n, n)?;
        let (nu, _) = dense::solve(&left, &pull, n, 1)?;
        dense::symmetrise(&mut tau, n);
        let mut block = Self { tau, nu, ln_c: 0.0 };
        block.normalise(t.ln_z, u, s).then_some(block)
    }

    /// `ln C`, so that the site integrates to `Z` against its cavity.
    fn normalise(&mut self, ln_z: f64, u: &[f64], s: &[f64]) -> bool {
        let n = u.len();
        let grown = dense::identity_plus(&self.tau, s, n);
        let tau_u = dense::apply(&self.tau, u);
        let residual: Vec<f64> = self.nu.iter().zip(&tau_u).map(|(a, b)| a - b).collect();
        let Some((solved, ln_det)) = dense::solve(&grown, &residual, n, 1) else { return false };
        let s_solved = dense::apply(s, &solved);
        let exponent = dense::dot(&self.nu, u) - 0.5 * dense::dot(u, &tau_u) + 0.5 * dense::dot(&residual, &s_solved);
        self.ln_c = ln_z + 0.5 * ln_det - exponent;
        self.ln_c.is_finite()
    }

    /// The cavity left when this site is taken out of the marginal `N(u, s)`.
    fn remove(&self, u: &[f64], s: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
        let n = u.len();
        let negative: Vec<f64> = self.tau.iter().map(|t| -t).collect();
        let left = dense::identity_plus(s, &negative, n);
        let (mut cavity, _) = dense::solve(&left, s, n, n)?;
        dense::symmetrise(&mut cavity, n);
        let pulled: Vec<f64> = u.iter().zip(dense::apply(s, &self.nu)).map(|(u, x)| u - x).collect();
        let (mean, _) = dense::solve(&left, &pulled, n, 1)?;
        let sound = (0..n).all(|i| cavity[i * n + i] >= 0.0) && cavity.iter().chain(&mean).all(|x| x.is_finite());
        sound.then_some((mean, cavity))
    }
}
