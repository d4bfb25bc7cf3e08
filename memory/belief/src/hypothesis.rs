//! One hypothesis: a prior, a lapse rate, a band, drift or none, and its belief by expectation propagation (docs/belief.md, section 5).

use serde::{Deserialize, Serialize};

use super::block::Block;
use super::dense;
use super::finite::{Atoms, Finite, ln_answers, ln_order};
use super::gaussian::{Anchor, Gaussian, Move};
use super::interval::{self, Outcomes, Seen, Site};
use super::observation::{Answer, Record, lapse};
use super::ranking;
use super::reading::NOT_COUNTED_STILL;
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
    Gaussian(Anchor),
    Finite(Atoms),
}

/// The evidence of one person as sites, and the order in which records came: `timeline[k]` is the site of record `k`, or
/// [`super::reading::NOT_COUNTED`] or [`NOT_COUNTED_STILL`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) records: Vec<Record>,
    pub(crate) timeline: Vec<u32>,
}

impl History {
    /// Ticks of the clock of drift before each record, and after the last: statements take no time.
    pub(crate) fn clock(&self) -> Vec<usize> {
        let mut clock = vec![0];
        for site in &self.timeline {
            clock.push(clock[clock.len() - 1] + usize::from(self.ticks(*site)));
        }
        clock
    }

    /// Whether time passes with an entry of the timeline.
    pub(crate) fn ticks(&self, site: u32) -> bool {
        site != NOT_COUNTED_STILL && !self.records.get(site as usize).is_some_and(Record::is_statement)
    }
}

/// A record's factor under one hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum State {
    /// `scale` is the attenuation of equation (3).
    Scalar {
        scale: f64,
        site: Site,
    },
    Block(Box<Block>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Form {
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
    pub(crate) form: Form,
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
        half_step: f64,
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
            reading: 0,
            parent: None,
            offset: 0.0,
            sigma,
            lapse_rate,
            band,
            half_step,
            retention,
            ln_prior,
            ln_marginal: 0.0,
            form,
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
        if let (Prior::Gaussian(anchor), true) = (prior, self.drifts()) {
            self.tick(anchor);
        }
    }

    pub(crate) fn drifts(&self) -> bool {
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

    /// What the bounds of these outcomes depend on: half an indifference, or half a step between levels; 0 for neither.
    pub(crate) fn half_width(&self, outcomes: Outcomes) -> f64 {
        match outcomes {
            Outcomes::Band => self.band,
            Outcomes::Levels(_) => self.half_step,
            Outcomes::Two | Outcomes::Importance | Outcomes::AtLeast(_) => 0.0,
        }
    }

    /// An answer as an interval under this hypothesis, attenuated by `scale`.
    pub(crate) fn seen(&self, answer: Answer, scale: f64) -> Seen {
        let (lo, hi) = answer.outcomes.bounds(answer.outcome, self.half_width(answer.outcomes));
        Seen {
            lo: lo * scale,
            hi: hi * scale,
            lapse: lapse(answer.outcomes, self.lapse_rate, answer.misreading),
            outcomes: answer.outcomes.count(),
        }
    }

    pub(crate) fn seen_all(&self, answers: &[Answer], scale: f64) -> Vec<Seen> {
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
            Prior::Gaussian(anchor) => {
                let is_new = match &self.form {
                    Form::Gaussian { sites, .. } => index == sites.len(),
                    Form::Finite(_) => unreachable!("a Gaussian prior has a Gaussian belief"),
                };
                if is_new {
                    let crushed = self.append(settings, prior, &history.records[index], g);
                    if self.drifts() {
                        if !history.records[index].is_statement() {
                            self.tick(anchor);
                        }
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

    pub(crate) fn tick(&mut self, anchor: &Anchor) {
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
            Record::Ranking { n, features, error, places, order } => {
                let noise = self.ranking_noise(prior, *n, error);
                utilities_of_atoms(atoms, features, *n)
                    .map(|u| ln_order(*places, order, &u, &noise, self.lapse_rate))
                    .collect()
            }
        };
        if let Form::Finite(finite) = &mut self.form {
            finite.condition(ln.into_iter());
            self.ln_marginal = finite.ln_marginal();
        }
    }

    /// A new record: equations (7) and (10) against the whole belief as cavity.
    /// Returns whether the step was so large that rounding must be repaired.
    pub(crate) fn append(&mut self, settings: &Settings, prior: &Prior, record: &Record, g: &mut Vec<f64>) -> bool {
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
            Record::Ranking { n, features, error, places, order } => {
                let noise = self.ranking_noise(prior, *n, error);
                let Form::Gaussian { belief, .. } = &self.form else { return false };
                let (u, s) = self.utilities(belief, features, *n, g);
                let t = ranking::tilt(*places, order, &u, &s, &noise, self.lapse_rate);
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
pub(crate) fn remove(site: Site, mean: f64, variance: f64) -> Option<(f64, f64)> {
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
