//! What would be believed without one record, fast: its site is taken out under every hypothesis and the hypotheses are
//! weighed anew (docs/belief.md, section "Influence"). For ranking; what is shown is folded anew.

use std::borrow::Cow;

use super::block::BlockSite;
use super::datum::Datum;
use super::dense;
use super::finite::{Atoms, Finite, ln_answers, ln_order};
use super::functional::Functional;
use super::gaussian::{Gaussian, PriorMoments};
use super::history::{History, is_counted};
use super::hypothesis::{Body, Hypothesis, MARGIN, Prior, Site, remove, retest_correlation, utilities_of_atoms};
use super::interval::{self, IntervalLikelihood, ScalarSite};
use super::logs::{ln_sum_exp, softmax};
use super::mixture::Mixture;
use super::retest;
use super::settings::Settings;
use super::symmetric::{dot, multiply};

/// One hypothesis without one record, for one functional.
struct Without {
    /// `ln p_h` of what the record says given all the others.
    ln_predictive: f64,
    /// Parts of the functional's distribution: mass, mean, standard deviation.
    parts: Vec<(f64, f64, f64)>,
}

/// Of a Gaussian hypothesis without one record, for each functional: `ln p_h` of the record, mean and variance; nothing where no
/// sound belief is left.
type Left = Vec<Option<(f64, (f64, f64))>>;

/// A record's place: its site, which of the site's answers it is, and how many records ago the site began.
#[derive(Clone, Copy)]
struct Place {
    site: usize,
    answer: usize,
    ago: usize,
}

impl Mixture {
    /// The distribution of [`Mixture::functional`] without each record in turn, oldest first: its site removed under every
    /// hypothesis, the other sites left as they are, and the hypotheses weighed anew. `O(H N D^2)` for all records together.
    ///
    /// Exact for lattices. Under drift a site is carried to the present through the prior's own process. Where no sound
    /// belief is left, a hypothesis stays as it was; so does a generation without a record that is in its prior.
    ///
    /// # Panics
    /// When `a` has another length than features or weights.
    pub fn without_each(&self, a: &[f64]) -> Vec<Functional> {
        self.without_each_of(&[a]).pop().unwrap_or_default()
    }

    /// [`Mixture::without_each`] for several functionals: what does not depend on the functional is worked out once. The same bits as
    /// one by one.
    ///
    /// # Panics
    /// As [`Mixture::without_each`].
    pub fn without_each_of(&self, functionals: &[&[f64]]) -> Vec<Vec<Functional>> {
        let is_one = |a: &&[f64]| a.len() == self.dimension() || a.len() == self.width();
        assert!(functionals.iter().all(is_one), "a functional is of features or of weights");
        if functionals.is_empty() {
            return Vec::new();
        }
        let (settings, priors, hypotheses, readings) = self.parts();
        let places: Vec<Vec<Option<Place>>> = readings.iter().map(|reading| places(&reading.history)).collect();
        let ln_weights: Vec<f64> = hypotheses.iter().map(Hypothesis::ln_weight).collect();
        // For each functional a row for each record: what every hypothesis becomes.
        let empty = || -> Vec<Vec<Without>> {
            (0..self.record_count()).map(|_| Vec::with_capacity(hypotheses.len())).collect()
        };
        let mut tables: Vec<Vec<Vec<Without>>> = functionals.iter().map(|_| empty()).collect();
        for h in hypotheses {
            let reading = &readings[h.reading];
            let (prior, history) = (&priors[h.prior], &reading.history);
            let a = functionals.iter().map(|a| reading.narrow(a)).collect();
            let taken_out = TakenOut { h, settings, prior, history, a };
            taken_out.each(&places[h.reading], |k, each| {
                tables.iter_mut().zip(each).for_each(|(rows, without)| rows[k].push(without));
            });
        }
        // Equation (18): through its training cutoff, of which the last record in its prior tells, a generation is weighed by
        // what its parent made of a record. Parents come before those that have them.
        let since: Vec<usize> =
            places.iter().map(|p| p.iter().rposition(Option::is_none).map_or(0, |at| at + 1)).collect();
        let weighed = |(k, mut row): (usize, Vec<Without>)| {
            for (i, h) in hypotheses.iter().enumerate() {
                if let (Some(parent), true) = (h.parent, k < since[h.reading]) {
                    row[i].ln_predictive = row[parent].ln_predictive;
                }
            }
            let mut weights: Vec<f64> = ln_weights.iter().zip(&row).map(|(ln, w)| ln - w.ln_predictive).collect();
            softmax(&mut weights);
            let mut functional = Functional::default();
            for (weight, without) in weights.iter().zip(row) {
                for (mass, mean, sd) in without.parts {
                    functional.push(weight * mass, mean, sd);
                }
            }
            functional
        };
        tables.into_iter().map(|rows| rows.into_iter().enumerate().map(weighed).collect()).collect()
    }
}

/// Of every record, or nothing where it is not counted.
fn places(history: &History) -> Vec<Option<Place>> {
    let mut answers = vec![0; history.records.len()];
    let mut first = vec![0; history.records.len()];
    let clock = history.clock();
    let all = clock[history.timeline.len()];
    history
        .timeline
        .iter()
        .enumerate()
        .map(|(at, &site)| {
            if !is_counted(site) {
                return None;
            }
            let site = site as usize;
            if answers[site] == 0 {
                first[site] = clock[at];
            }
            let place = Place { site, answer: answers[site], ago: all - first[site] };
            answers[site] += 1;
            Some(place)
        })
        .collect()
}

struct TakenOut<'a> {
    h: &'a Hypothesis,
    settings: &'a Settings,
    prior: &'a Prior,
    history: &'a History,
    /// The functionals; at least one.
    a: Vec<Cow<'a, [f64]>>,
}

impl TakenOut<'_> {
    fn each(&self, places: &[Option<Place>], mut tell: impl FnMut(usize, Vec<Without>)) {
        match self.h.body(self.prior) {
            Body::Gaussian { belief, sites, moments } => {
                let mut pull = vec![0.0; self.a[0].len()];
                let wholes: Vec<(f64, f64)> = self.a.iter().map(|a| belief.functional(a, &mut pull)).collect();
                let mut scratch = Vec::new();
                for (k, place) in places.iter().enumerate() {
                    let left = place.and_then(|place| match &sites[place.site] {
                        Site::Scalar { scale, site } => {
                            self.scalar(belief, moments, (*scale, *site), place, &wholes, &mut scratch)
                        }
                        Site::Block(block) => self.block(belief, moments, block, place, &wholes, &mut scratch),
                    });
                    let left = left.unwrap_or_else(|| vec![None; wholes.len()]);
                    let each = left.into_iter().zip(&wholes).map(|(left, whole)| {
                        let (ln_predictive, (mean, variance)) = left.unwrap_or((0.0, *whole));
                        Without { ln_predictive, parts: vec![(1.0, mean, variance.max(0.0).sqrt())] }
                    });
                    tell(k, each.collect());
                }
            }
            Body::Finite { finite, atoms } => {
                places.iter().enumerate().for_each(|(k, place)| tell(k, self.finite(finite, atoms, *place)));
            }
        }
    }

    /// The record's answers, and those of them that remain without it.
    fn answers(&self, place: Place, scale: f64) -> (Vec<IntervalLikelihood>, Vec<IntervalLikelihood>) {
        let Datum::Interval { answers, .. } = &self.history.records[place.site] else {
            return (Vec::new(), Vec::new());
        };
        let all = self.h.seen_all(answers, scale);
        let mut rest = all.clone();
        rest.remove(place.answer);
        (all, rest)
    }

    fn scalar(
        &self,
        belief: &Gaussian,
        moments: &PriorMoments,
        (scale, site): (f64, ScalarSite),
        place: Place,
        wholes: &[(f64, f64)],
        g: &mut Vec<f64>,
    ) -> Option<Left> {
        let Datum::Interval { direction, .. } = &self.history.records[place.site] else { return None };
        g.resize(direction.len(), 0.0);
        let (a_mean, a_variance) = belief.functional(direction, g);
        // What was asked about, z = scale a.w then, given the weights now: mean y + offset with y = gain a.w, variance spread.
        let kept = self.kept(place);
        let gain = scale * kept;
        let (offset, spread) = if self.h.drifts() {
            let mut own = vec![0.0; direction.len()];
            multiply(&moments.covariance, direction, &mut own);
            (
                scale * (1.0 - kept) * dot(direction, &moments.mean),
                scale * scale * (1.0 - kept * kept) * dot(direction, &own),
            )
        } else {
            (0.0, 0.0)
        };
        let grown = 1.0 + site.tau * spread;
        if grown <= MARGIN {
            return None;
        }
        let now = ScalarSite { tau: site.tau / grown, nu: (site.nu - site.tau * offset) / grown, ln_c: 0.0 };
        let (y, v) = (gain * a_mean, gain * gain * a_variance);
        let (cavity_mean, cavity_variance) = remove(now, y, v)?;
        let left = 1.0 - now.tau * v;
        let (z, z_variance) = (cavity_mean + offset, cavity_variance + spread);
        let mut unit = site;
        unit.normalise(0.0, z, z_variance);
        let mut ln_predictive = site.ln_c - unit.ln_c;
        let (_, rest) = self.answers(place, scale);
        // Where the question was asked more than once, the other answers stay.
        let others = match rest.as_slice() {
            [] => None,
            [one] => Some(interval::tilt(z, z_variance, 1.0, *one)),
            several => Some(retest::tilt(z, z_variance, retest_correlation(self.settings, scale), several)),
        };
        if let Some(t) = &others {
            ln_predictive -= t.ln_z;
        }
        let of = |(a, (mean, variance)): (&Cow<'_, [f64]>, &(f64, f64))| {
            let covariance = gain * dot(a, g);
            let mut mean = mean + covariance * (now.tau * y - now.nu) / left;
            let mut variance = variance + now.tau * covariance * covariance / left;
            if let Some(t) = &others {
                let covariance = covariance / left;
                let all = z_variance + t.noise;
                mean += covariance * t.gradient / all.sqrt();
                variance -= covariance * covariance * t.curvature / all;
            }
            let sound = mean.is_finite() && variance.is_finite() && ln_predictive.is_finite();
            sound.then_some((ln_predictive, (mean, variance)))
        };
        Some(self.a.iter().zip(wholes).map(of).collect())
    }

    fn block(
        &self,
        belief: &Gaussian,
        moments: &PriorMoments,
        block: &BlockSite,
        place: Place,
        wholes: &[(f64, f64)],
        g: &mut Vec<f64>,
    ) -> Option<Left> {
        let Datum::Ranking { n, features, .. } = &self.history.records[place.site] else { return None };
        let (n, d) = (*n, self.a[0].len());
        let (mut u, mut s) = self.h.utilities(belief, features, n, g);
        let mut covariances: Vec<Vec<f64>> =
            self.a.iter().map(|a| (0..n).map(|i| dot(a, &g[i * d..(i + 1) * d])).collect()).collect();
        // As for a scalar: the utilities then are these times what is kept, plus an offset and a spread.
        let mut now = BlockSite { ln_c: 0.0, ..block.clone() };
        let (mut offset, mut spread) = (vec![0.0; n], vec![0.0; n * n]);
        if self.h.drifts() {
            let kept = self.kept(place);
            let prior = Gaussian::prior(moments);
            (offset, spread) = self.h.utilities(&prior, features, n, g);
            offset.iter_mut().for_each(|x| *x *= 1.0 - kept);
            spread.iter_mut().for_each(|x| *x *= 1.0 - kept * kept);
            u.iter_mut().chain(covariances.iter_mut().flatten()).for_each(|x| *x *= kept);
            s.iter_mut().for_each(|x| *x *= kept * kept);
            let grown = dense::identity_plus(&block.tau, &spread, n);
            let left: Vec<f64> = block.nu.iter().zip(dense::apply(&block.tau, &offset)).map(|(nu, t)| nu - t).collect();
            now.tau = dense::solve(&grown, &block.tau, n, n)?.0;
            now.nu = dense::solve(&grown, &left, n, 1)?.0;
            dense::symmetrise(&mut now.tau, n);
        }
        // A belief without it is one only if I - L' tau L is positive, where s = L L'.
        let factor = dense::factor(&s, n);
        let back: Vec<f64> = now.tau.iter().map(|t| -t).collect();
        let transposed: Vec<f64> = (0..n * n).map(|k| factor[(k % n) * n + k / n]).collect();
        let mut inner = dense::multiply(&transposed, &dense::multiply(&back, &factor, n), n);
        (0..n).for_each(|i| inner[i * n + i] += 1.0);
        if !dense::is_positive(&inner, n) {
            return None;
        }
        let (mut cavity_u, mut cavity_s) = now.remove(&u, &s)?;
        let grown = dense::identity_plus(&back, &s, n);
        let pull: Vec<f64> = dense::apply(&now.tau, &u).iter().zip(&now.nu).map(|(t, nu)| t - nu).collect();
        let (step, _) = dense::solve(&grown, &pull, n, 1)?;
        let (shrink, _) = dense::solve(&grown, &back, n, n)?;
        cavity_u.iter_mut().zip(&offset).for_each(|(u, o)| *u += o);
        cavity_s.iter_mut().zip(&spread).for_each(|(s, x)| *s += x);
        let mut unit = block.clone();
        if !unit.normalise(0.0, &cavity_u, &cavity_s) {
            return None;
        }
        let ln_predictive = block.ln_c - unit.ln_c;
        let of = |(covariance, (mean, variance)): (&Vec<f64>, &(f64, f64))| {
            let mean = mean + dot(covariance, &step);
            let variance = variance - dot(covariance, &dense::apply(&shrink, covariance));
            let sound = mean.is_finite() && variance.is_finite() && ln_predictive.is_finite();
            sound.then_some((ln_predictive, (mean, variance)))
        };
        Some(covariances.iter().zip(wholes).map(of).collect())
    }

    /// `r^k`: how much of what the weights were at the site still is.
    fn kept(&self, place: Place) -> f64 {
        if self.h.drifts() { libm::pow(self.h.retention, place.ago as f64) } else { 1.0 }
    }

    fn finite(&self, finite: &Finite, atoms: &Atoms, place: Option<Place>) -> Vec<Without> {
        let of = |ln_predictive: f64, masses: &[f64]| {
            let parts =
                |a: &[f64]| masses.iter().zip(atoms.values(a)).map(|(mass, value)| (*mass, value, 0.0)).collect();
            self.a.iter().map(|a| Without { ln_predictive, parts: parts(a) }).collect()
        };
        let Some(place) = place else { return of(0.0, &finite.masses()) };
        let said: Vec<f64> = match &self.history.records[place.site] {
            Datum::Interval { direction, error, .. } => {
                let scale = self.h.attenuation(self.prior, error);
                let rho = retest_correlation(self.settings, scale);
                let (all, rest) = self.answers(place, scale);
                atoms
                    .values(direction)
                    .map(|z| ln_answers(z * scale, rho, &all) - ln_answers(z * scale, rho, &rest))
                    .collect()
            }
            Datum::Ranking { n, features, error, places, order } => {
                let noise = self.h.ranking_noise(self.prior, *n, error);
                utilities_of_atoms(atoms, features, *n)
                    .map(|u| ln_order(*places, order, &u, &noise, self.h.lapse_rate))
                    .collect()
            }
        };
        let mut masses: Vec<f64> = finite.ln_mass.iter().zip(said).map(|(mass, said)| mass - said).collect();
        let ln_predictive = finite.ln_marginal() - ln_sum_exp(&masses);
        softmax(&mut masses);
        of(ln_predictive, &masses)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::simulate::{below, normals};
    use crate::{
        Channel, Lattice, Location, LocationName, Observation, Outcome, Places, Preference, Priors, Question, Strength,
    };

    const D: usize = 5;

    fn zero() -> Location {
        let covariance = (0..D).flat_map(|i| (0..=i).map(move |j| f64::from(u8::from(i == j)) / D as f64)).collect();
        Location { name: LocationName::Zero, mean: vec![0.0; D], covariance }
    }

    fn priors() -> Priors {
        let elicited = Location { name: LocationName::Elicited, mean: vec![0.4, 0.2, 0.0, -0.3, 0.1], ..zero() };
        Priors { locations: vec![zero(), elicited], scaled: vec![true; D], lattices: vec![], component_masses: vec![] }
    }

    fn choice(rng: &mut ChaCha8Rng, question: Option<[u8; 32]>) -> Observation {
        let difference = normals(D, rng);
        let utility = difference[0] - 0.5 * difference[1] + normals(1, rng)[0];
        let outcome = if utility > 0.0 { Preference::First } else { Preference::Second };
        let asked = Question::Comparison {
            difference,
            error: vec![0.02; D],
            indifference_offered: false,
            channel: Channel::Choice,
            misreading: 0.0,
            question,
        };
        asked.answered(outcome)
    }

    /// Choices, orders of three, a rating and an importance statement.
    fn said(n: usize, seed: u64) -> Vec<Observation> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n)
            .map(|k| match k % 7 {
                3 => Question::Ranking {
                    features: (0..3).map(|_| normals(D, &mut rng)).collect(),
                    error: vec![vec![0.0; D]; 3],
                    places: Places::First(1),
                    channel: Channel::Choice,
                }
                .answered(vec![below(3, &mut rng)]),
                5 => Question::Graded {
                    features: normals(D, &mut rng),
                    error: vec![0.0; D],
                    levels: 5,
                    misreading: 0.0,
                    question: None,
                }
                .answered(below(5, &mut rng)),
                6 => Question::Importance { direction: vec![2.0, -2.0, 0.0, 0.0, 0.0], misreading: 0.1 }
                    .answered(Outcome::importance(Strength::Clear, true)),
                _ => choice(&mut rng, None),
            })
            .collect()
    }

    /// Changes of a weight's mean by each record: by sites taken out, and folded anew.
    fn both(settings: &Settings, priors: &Priors, said: &[Observation], a: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let belief = Mixture::fold(settings, priors, said).unwrap();
        let whole = belief.functional(a).mean();
        let fast = belief.without_each(a).iter().map(|f| whole - f.mean()).collect();
        let anew = (0..said.len()).map(|k| {
            let rest = said.iter().enumerate().filter(|(i, _)| *i != k).map(|(_, o)| o);
            whole - Mixture::fold(settings, priors, rest).unwrap().functional(a).mean()
        });
        (fast, anew.collect())
    }

    fn correlation(x: &[f64], y: &[f64]) -> f64 {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (mx, my) = (mean(x), mean(y));
        let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(a, b)| f(a - mx, b - my)).sum::<f64>();
        sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
    }

    #[test]
    fn several_functionals_together_give_the_bits_of_one_by_one() {
        let mut said = said(30, 7);
        said.extend((0..3).map(|_| choice(&mut ChaCha8Rng::seed_from_u64(8), Some([7; 32]))));
        let functionals = [[1.0, 0.0, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0], [0.2, -1.0, 0.0, 3.0, 0.1]];
        for settings in [Settings::single(1.5, 0.1, 0.3), Settings::default()] {
            let belief = Mixture::fold(&settings, &priors(), &said).unwrap();
            let together = belief.without_each_of(&functionals.each_ref().map(|a| a.as_slice()));
            assert_eq!(together.len(), functionals.len());
            for (a, each) in functionals.iter().zip(together) {
                let bits = |all: &[Functional]| -> Vec<(u64, u64)> {
                    all.iter().map(|f| (f.mean().to_bits(), f.probability_positive().to_bits())).collect()
                };
                assert_eq!(bits(&each), bits(&belief.without_each(a)));
                assert_eq!(each.len(), said.len());
            }
        }
        assert!(Mixture::fold(&Settings::default(), &priors(), &said).unwrap().without_each_of(&[]).is_empty());
    }

    #[test]
    fn a_lattice_forgets_exactly() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let atoms: Vec<Vec<f64>> = (0..20).map(|_| normals(D, &mut rng)).collect();
        let lattice = Lattice { name: LocationName::Lattice(0), masses: vec![1.0; 20], atoms };
        let priors =
            Priors { locations: vec![], scaled: vec![true; D], lattices: vec![lattice], component_masses: vec![] };
        let mut said = said(12, 1);
        // The same question three times.
        said.extend((0..3).map(|_| choice(&mut ChaCha8Rng::seed_from_u64(8), Some([7; 32]))));
        let settings = Settings { slow_drift_weight: 0.0, ..Settings::default() };
        let (fast, anew) = both(&settings, &priors, &said, &[1.0, 0.0, 0.5, 0.0, 0.0]);
        for (f, e) in fast.iter().zip(&anew) {
            assert!((f - e).abs() < 1e-9, "{fast:?}\n{anew:?}");
        }
    }

    #[test]
    fn one_record_leaves_the_prior() {
        // Nothing else was made beside it, so its site takes everything away that it brought.
        for k in 0..7 {
            let said = [said(7, 5).remove(k)];
            for settings in [Settings::single(1.5, 0.1, 0.3), Settings::default()] {
                let a = [0.3, 1.0, 0.0, -0.2, 0.0];
                let belief = Mixture::fold(&settings, &priors(), &said).unwrap();
                let without = &belief.without_each(&a)[0];
                let prior = Mixture::new(&settings, &priors()).unwrap().functional(&a);
                assert!((without.mean() - prior.mean()).abs() < 1e-9, "{k}: {} {}", without.mean(), prior.mean());
                assert!((without.sd() - prior.sd()).abs() < 1e-9, "{k}: {} {}", without.sd(), prior.sd());
            }
        }
    }

    #[test]
    fn sites_taken_out_say_nearly_what_folding_anew_says() {
        for (settings, least) in [(Settings::single(1.5, 0.0, 0.3), 0.99), (Settings::default(), 0.95)] {
            for seed in 0..3 {
                let mut said = said(30, 40 + seed);
                said.extend((0..2).map(|n| choice(&mut ChaCha8Rng::seed_from_u64(90 + n), Some([1; 32]))));
                let (fast, anew) = both(&settings, &priors(), &said, &[1.0, 0.0, 0.0, 0.0, 0.0]);
                let found = correlation(&fast, &anew);
                assert!(found > least, "seed {seed}: {found}\n{fast:?}\n{anew:?}");
            }
        }
    }

    #[test]
    fn drift_alone_is_carried_to_the_present() {
        let settings = Settings { slow_drift_weight: 0.999, drift_records: 30.0, ..Settings::single(1.5, 0.1, 0.3) };
        let said: Vec<Observation> = {
            let mut rng = ChaCha8Rng::seed_from_u64(12);
            (0..40).map(|_| choice(&mut rng, None)).collect()
        };
        let (fast, anew) = both(&settings, &priors(), &said, &[1.0, 0.0, 0.0, 0.0, 0.0]);
        let found = correlation(&fast, &anew);
        assert!(found > 0.9, "{found}\n{fast:?}\n{anew:?}");
        let size = |x: &[f64]| x.iter().map(|v| v.abs()).sum::<f64>();
        assert!(size(&fast[..10]) < size(&fast[30..]), "what is long ago matters less");
    }
}
