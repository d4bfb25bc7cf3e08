//! One hypothesis: a prior, a lapse rate, a band, drift or none, and its belief by expectation propagation (docs/belief.md, section 5).

use serde::{Deserialize, Serialize};

use super::block::BlockSite;
use super::datum::{Answer, Datum, lapse};
use super::dense;
use super::finite::{Atoms, Finite, ln_answers, ln_order};
use super::gaussian::{Gaussian, Move, PriorMoments};
use super::history::History;
use super::interval::{self, IntervalLikelihood, Outcomes, ScalarSite};
use super::ranking;
use super::retest;
use super::settings::Settings;
use super::symmetric::dot;

/// The least share of its variance that a step may leave, and a cavity may have taken away.
pub(crate) const MARGIN: f64 = 1e-10;
/// A single observation that shrinks a variance by more than this is followed by a rebuild from the sites.
const SHRUNK_MAX: f64 = 1e8;

/// What several hypotheses share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Prior {
    Gaussian(PriorMoments),
    Finite(Atoms),
}

/// A record's factor under one hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Site {
    /// `scale` is the attenuation of equation (3).
    Scalar {
        scale: f64,
        site: ScalarSite,
    },
    Block(Box<BlockSite>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Posterior {
    Gaussian { belief: Gaussian, sites: Vec<Site> },
    Finite(Finite),
}

/// One joint assumption and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hypothesis {
    /// Index of its [`Prior`].
    pub(crate) prior: usize,
    /// Index of its location.
    pub(crate) location: usize,
    /// Index of its [`super::reading::Reading`].
    pub(crate) reading: usize,
    /// The same assumptions at the generation's parent, which it predicts like until its training cutoff.
    pub(crate) parent: Option<usize>,
    /// What equation (18) adds to `ln_marginal`: the parent's sequence through the cutoff minus its own; 0 without a parent.
    pub(crate) offset: f64,
    pub(crate) sigma: f64,
    pub(crate) lapse_rate: f64,
    pub(crate) band: f64,
    /// Half the step between rating thresholds.
    pub(crate) half_step: f64,
    /// `r` of equation (12); 1 without drift.
    pub(crate) retention: f64,
    pub(crate) ln_prior: f64,
    pub(crate) ln_marginal: f64,
    pub(crate) posterior: Posterior,
    pub(crate) skipped: u64,
    pub(crate) abandoned: u64,
    pub(crate) sweeps: u64,
}

/// What a hypothesis believes, with the prior that it came from.
pub(crate) enum Body<'a> {
    Gaussian { belief: &'a Gaussian, sites: &'a [Site], moments: &'a PriorMoments },
    Finite { finite: &'a Finite, atoms: &'a Atoms },
}

/// What a hypothesis is conditioned on: a person's evidence, and the prior and constants that it is read under.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) prior: &'a Prior,
    pub(crate) history: &'a History,
}

/// One point of the grid of hypotheses: the fields of [`Hypothesis`] of the same names.
#[derive(Clone, Copy)]
pub(crate) struct Assumptions {
    pub(crate) location: usize,
    pub(crate) sigma: f64,
    pub(crate) lapse_rate: f64,
    pub(crate) band: f64,
    pub(crate) half_step: f64,
    pub(crate) retention: f64,
    pub(crate) ln_prior: f64,
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
    /// Before any evidence; everyone's, unless `reading` and `parent` are set after.
    pub(crate) fn new(prior_index: usize, prior: &Prior, assumed: Assumptions) -> Self {
        let posterior = match prior {
            Prior::Gaussian(moments) => Posterior::Gaussian { belief: Gaussian::prior(moments), sites: Vec::new() },
            Prior::Finite(atoms) => Posterior::Finite(Finite::prior(atoms)),
        };
        Self {
            prior: prior_index,
            location: assumed.location,
            reading: 0,
            parent: None,
            offset: 0.0,
            sigma: assumed.sigma,
            lapse_rate: assumed.lapse_rate,
            band: assumed.band,
            half_step: assumed.half_step,
            retention: assumed.retention,
            ln_prior: assumed.ln_prior,
            ln_marginal: 0.0,
            posterior,
            skipped: 0,
            abandoned: 0,
            sweeps: 0,
        }
    }

    /// Logarithm of its unnormalised weight: equation (13), and (18) for a generation.
    pub(crate) fn ln_weight(&self) -> f64 {
        self.ln_prior + self.ln_sequence()
    }

    /// `ln p` of all of the person's evidence, one prediction after another: `ln Z_h`, for a generation from its training
    /// cutoff on, and its parent's until then.
    pub(crate) fn ln_sequence(&self) -> f64 {
        self.offset + self.ln_marginal
    }

    /// Lets a record pass that is not counted: time goes on.
    pub(crate) fn pass_over(&mut self, prior: &Prior) {
        if let (Prior::Gaussian(moments), true) = (prior, self.drifts()) {
            self.tick(moments);
        }
    }

    pub(crate) fn drifts(&self) -> bool {
        self.retention < 1.0
    }

    /// What it believes, beside the prior it came from, which must be its own: a posterior has the form of its prior.
    pub(crate) fn body<'a>(&'a self, prior: &'a Prior) -> Body<'a> {
        match (&self.posterior, prior) {
            (Posterior::Gaussian { belief, sites }, Prior::Gaussian(moments)) => {
                Body::Gaussian { belief, sites, moments }
            }
            (Posterior::Finite(finite), Prior::Finite(atoms)) => Body::Finite { finite, atoms },
            _ => unreachable!("a posterior has the form of its prior"),
        }
    }

    /// The Gaussian belief, where it is one.
    pub(crate) fn gaussian(&self) -> Option<&Gaussian> {
        match &self.posterior {
            Posterior::Gaussian { belief, .. } => Some(belief),
            Posterior::Finite(_) => None,
        }
    }

    /// The finite belief, where it is one.
    pub(crate) fn finite(&self) -> Option<&Finite> {
        match &self.posterior {
            Posterior::Finite(finite) => Some(finite),
            Posterior::Gaussian { .. } => None,
        }
    }

    /// Equation (3): `q_h` of an error vector.
    pub(crate) fn error_variance(&self, prior: &Prior, error: &[f64]) -> f64 {
        let second = match prior {
            Prior::Gaussian(moments) => &moments.second,
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
        match self.body(prior) {
            Body::Gaussian { belief, .. } => {
                let (mean, variance) = belief.functional(a, g);
                Marginal::Normal { mean, variance }
            }
            Body::Finite { finite, atoms } => {
                Marginal::Atoms { values: atoms.values(a).collect(), masses: finite.masses() }
            }
        }
    }

    /// What the bounds of these outcomes depend on: half an indifference, or half a step between levels; 0 for neither.
    pub(crate) fn half_width(&self, outcomes: Outcomes) -> f64 {
        match outcomes {
            Outcomes::Band => self.band,
            Outcomes::Levels(_) => self.half_step,
            Outcomes::Two | Outcomes::Importance | Outcomes::AtLeast(_) => 0.0,
        }
    }

    /// An answer as an interval under this hypothesis, attenuated by `scale`.
    pub(crate) fn seen(&self, answer: Answer, scale: f64) -> IntervalLikelihood {
        let (lo, hi) = answer.outcomes.bounds(answer.outcome, self.half_width(answer.outcomes));
        IntervalLikelihood {
            lo: lo * scale,
            hi: hi * scale,
            lapse: lapse(answer.outcomes, self.lapse_rate, answer.misreading),
            outcomes: answer.outcomes.count(),
        }
    }

    pub(crate) fn seen_all(&self, answers: &[Answer], scale: f64) -> Vec<IntervalLikelihood> {
        answers.iter().map(|&answer| self.seen(answer, scale)).collect()
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
            Prior::Gaussian(moments) => {
                let is_new = matches!(self.body(prior), Body::Gaussian { sites, .. } if index == sites.len());
                if is_new {
                    let crushed = self.append(settings, prior, &history.records[index], g);
                    if self.drifts() {
                        if !history.records[index].is_statement() {
                            self.tick(moments);
                        }
                    } else if crushed {
                        self.rebuild(moments, history);
                    }
                } else if self.drifts() {
                    self.refold(settings, prior, history, None, g);
                } else {
                    self.remake(settings, moments, prior, history, index, g);
                }
            }
        }
        Absorbed { ln_predictive: self.ln_marginal - before }
    }

    pub(crate) fn tick(&mut self, moments: &PriorMoments) {
        let r = self.retention;
        if let Posterior::Gaussian { belief, .. } = &mut self.posterior {
            belief.drift(moments, r);
        }
    }

    fn absorb_finite(&mut self, settings: &Settings, prior: &Prior, atoms: &Atoms, history: &History, index: usize) {
        let ln: Vec<f64> = match &history.records[index] {
            Datum::Interval { direction, error, answers, .. } => {
                let scale = self.attenuation(prior, error);
                let rho = retest_correlation(settings, scale);
                let seen = self.seen_all(answers, scale);
                let earlier = &seen[..seen.len() - 1];
                atoms
                    .values(direction)
                    .map(|z| ln_answers(z * scale, rho, &seen) - ln_answers(z * scale, rho, earlier))
                    .collect()
            }
            Datum::Ranking { n, features, error, places, order } => {
                let noise = self.ranking_noise(prior, *n, error);
                utilities_of_atoms(atoms, features, *n)
                    .map(|u| ln_order(*places, order, &u, &noise, self.lapse_rate))
                    .collect()
            }
        };
        if let Posterior::Finite(finite) = &mut self.posterior {
            finite.condition(ln.into_iter());
            self.ln_marginal = finite.ln_marginal();
        }
    }

    /// A new record: equations (7) and (10) against the whole belief as cavity.
    /// Returns whether the step was so large that rounding must be repaired.
    pub(crate) fn append(&mut self, settings: &Settings, prior: &Prior, record: &Datum, g: &mut Vec<f64>) -> bool {
        let (site, ln_z, crushed) = match record {
            Datum::Interval { direction, error, answers, .. } => {
                let scale = self.attenuation(prior, error);
                let rho = retest_correlation(settings, scale);
                g.resize(direction.len(), 0.0);
                let first = answers.first().map(|&answer| self.seen(answer, scale));
                let rest: Vec<IntervalLikelihood> =
                    if answers.len() > 1 { self.seen_all(answers, scale) } else { Vec::new() };
                let Posterior::Gaussian { belief, .. } = &mut self.posterior else { return false };
                let (mean, variance) = belief.functional(direction, g);
                let (mu, v) = (mean * scale, variance * scale * scale);
                let t = match first {
                    Some(seen) if rest.is_empty() => interval::tilt(mu, v, 1.0, seen),
                    _ => retest::tilt(mu, v, rho, &rest),
                };
                let mut site = ScalarSite::from_tilt(&t, mu, v);
                site.normalise(t.ln_z, mu, v);
                let all = v + t.noise;
                let left = t.noise + v * t.rest;
                belief.include(
                    direction,
                    g,
                    scale,
                    Move { shrink: t.curvature / all, step: t.gradient / all.sqrt(), nu: site.nu, grown: all / left },
                );
                (Site::Scalar { scale, site }, t.ln_z, all / left > SHRUNK_MAX)
            }
            Datum::Ranking { n, features, error, places, order } => {
                let noise = self.ranking_noise(prior, *n, error);
                let Posterior::Gaussian { belief, .. } = &self.posterior else { return false };
                let (u, s) = self.utilities(belief, features, *n, g);
                let t = ranking::tilt(*places, order, &u, &s, &noise, self.lapse_rate);
                let ln_z = t.ln_z;
                let empty = BlockSite { tau: vec![0.0; n * n], nu: vec![0.0; *n], ln_c: 0.0 };
                match BlockSite::from_tilt(&t, &u, &s) {
                    Some(block) if self.move_block(features, &u, &s, (&empty, &block), g) => {
                        (Site::Block(Box::new(block)), ln_z, false)
                    }
                    _ => {
                        self.skipped += 1;
                        (Site::Block(Box::new(BlockSite { ln_c: ln_z, ..empty })), ln_z, false)
                    }
                }
            }
        };
        self.ln_marginal += ln_z;
        if let Posterior::Gaussian { sites, .. } = &mut self.posterior {
            sites.push(site);
        }
        crushed
    }

    pub(crate) fn site_total(&self, moments: &PriorMoments, index: usize) -> f64 {
        match &self.posterior {
            Posterior::Gaussian { belief, sites } => {
                belief.log_partition_gain(moments)
                    + match &sites[index] {
                        Site::Scalar { site, .. } => site.ln_c,
                        Site::Block(block) => block.ln_c,
                    }
            }
            Posterior::Finite(_) => 0.0,
        }
    }

    /// Feeds every bit of the belief to `sink`.
    pub(crate) fn bits(&self, sink: &mut impl FnMut(f64)) {
        for x in [self.sigma, self.lapse_rate, self.band, self.retention, self.ln_prior, self.ln_marginal] {
            sink(x);
        }
        if self.half_step != self.band {
            sink(self.half_step);
        }
        if self.parent.is_some() {
            sink(self.offset);
        }
        match &self.posterior {
            Posterior::Gaussian { belief, sites } => {
                belief.mean.iter().chain(&belief.covariance).for_each(|&x| sink(x));
                for site in sites {
                    match site {
                        Site::Scalar { scale, site } => {
                            [*scale, site.tau, site.nu, site.ln_c].into_iter().for_each(&mut *sink);
                        }
                        Site::Block(block) => {
                            block.tau.iter().chain(&block.nu).for_each(|&x| sink(x));
                            sink(block.ln_c);
                        }
                    }
                }
            }
            Posterior::Finite(finite) => finite.ln_mass.iter().for_each(|&x| sink(x)),
        }
    }
}

/// `rho_h = (rho + q_h) / (1 + q_h)`, from the attenuation `scale`: measurement error is shared by repeats.
pub(crate) fn retest_correlation(settings: &Settings, scale: f64) -> f64 {
    let own = scale * scale; // 1 / (1 + q)
    (settings.retest_correlation * own + (1.0 - own)).max(1e-9)
}

/// The cavity left when a scalar site is taken out of the marginal `N(mean, variance)`.
pub(crate) fn remove(site: ScalarSite, mean: f64, variance: f64) -> Option<(f64, f64)> {
    let left = 1.0 - site.tau * variance;
    (left > MARGIN).then(|| ((mean - variance * site.nu) / left, variance / left))
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
